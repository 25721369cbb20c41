"""Comparisons with what others published: like with like, publishers apart, nothing of the test years in the fit."""

import numpy as np
import pytest

from dafeng.base.errors import NotEnoughDataError
from dafeng.catalog import load_catalog
from dafeng.catalog.pathway_schemas import PeakStudy
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.quantities import read_inputs
from dafeng.pathways.studies import OurPeak, beside_studies
from dafeng.pathways.validation import backcast, compare_totals, scope_series
from pathway_builders import invented

OURS = OurPeak("trend", (2023, 2024, 2029), 2300.0, 2032, 2020, 2060)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(read_inputs(invented(), "cn").arrays())


def study(**fields: object) -> PeakStudy:
    base = {
        "id": "s", "title": {"zh": "研究", "en": "study"}, "place": "cn", "scope": "operation_co2", "published": 2021,
        "like": "trend", "source": "K", "grade": "C",
    }  # fmt: skip
    return PeakStudy.model_validate(base | fields)


@pytest.mark.parametrize(
    ("first", "last", "agrees"),
    [(2030, 2030, False), (2029, 2029, True), (2024, 2035, True), (2020, 2022, False), (None, 2030, True)],
)
def test_a_study_agrees_where_the_ranges_meet(first: int | None, last: int, agrees: bool) -> None:
    (row,) = beside_studies([study(peak_first=first, peak_last=last)], {"s": OURS})
    assert row.agrees is agrees
    assert bool(row.reason) is not agrees


def test_a_disagreement_says_on_what_it_rests() -> None:
    (row,) = beside_studies([study(peak_first=2038, peak_last=2040, peak_value=3150)], {"s": OURS})
    assert row.theirs == "2038—2040"
    for part in ("更晚", "电力因子停在2020年，峰值为2032年", "尚无此后", "+37%"):
        assert part in row.reason
    (row,) = beside_studies([study(peak_first=2038, published=2024)], {"s": OURS})
    assert "尚无此后" not in row.reason


def test_a_study_without_a_year_or_without_our_like_is_listed() -> None:
    rows = beside_studies([study(), study(id="t", peak_first=2030)], {"s": OURS, "t": "模型没有口径 x"})
    assert [(row.agrees, row.reason, row.ours) for row in rows] == [
        (None, "该研究未说达峰年", None),
        (None, "模型没有口径 x", None),
    ]


def test_scopes_are_parts_of_one_whole(outcome: Outcome) -> None:
    whole = outcome.view("building_operation")
    by_class = [
        scope_series(outcome, f"operation_co2_{code}") for code in ("urban_residential", "rural_residential", "public")
    ]
    by_flow = [scope_series(outcome, f"operation_co2_{name}") for name in ("direct", "electricity", "heat")]
    for parts in (by_class, by_flow):
        assert sum(part for part in parts if part is not None) == pytest.approx(whole)
    area = scope_series(outcome, "floor_area_public")
    assert area is not None
    assert area == pytest.approx(outcome.area[2:].sum(axis=0))
    assert scope_series(outcome, "north_heating_energy") is None


def test_totals_are_of_one_publisher_in_its_unit() -> None:
    catalog = load_catalog()
    outcome = run(read_inputs(catalog, "cn").arrays())
    rows = compare_totals(catalog, outcome, "CABEE")
    assert {row.publisher for row in rows} == {"CABEE"}
    # with infrastructure: never compared in level
    assert "whole_process_co2" not in {row.scope for row in rows}
    row = next(row for row in rows if (row.scope, row.year) == ("operation_co2", 2020))
    assert row.modelled == pytest.approx(float(outcome.view("building_operation")[20, 0]) / 1e6, rel=1e-4)
    assert row.error == pytest.approx(row.modelled / 2160 - 1, abs=1e-4)


def test_what_was_published_later_moves_neither_fit_nor_prediction() -> None:
    catalog = load_catalog()
    whole = backcast(catalog, draws=16)
    short = backcast(catalog, draws=16, last=2017)
    assert short.levels == whole.levels
    assert [row.predicted for row in short.rows] == [row.predicted for row in whole.rows if row.year <= 2017]
    assert [row.year for row in whole.rows if row.fitted] == [2011, 2014, 2014]
    assert all(np.isfinite([row.low, row.high]).all() and row.low < row.predicted < row.high for row in whole.rows)


def test_one_value_is_no_back_cast() -> None:
    with pytest.raises(NotEnoughDataError, match="fewer than two"):
        backcast(load_catalog(), cut=2012, draws=16)

"""Laws of formulas: a plain implementation agrees, nothing depends on order, chunks or names, unknown is never zero."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.observation import KEY, Observation, check_observations, observation_frame
from dafeng.catalog import load_catalog
from dafeng.catalog.expression import FieldType
from dafeng.catalog.schemas import Indicator
from dafeng.methods.formulas import compute_formulas
from dafeng.methods.indicators import add_up_breakdown
from formula_plain import Plain

YEARS = ("2020", "2022", "2023", "2024")
PLACES = ("east", "north", "south")
INPUTS = ("a", "b", "c")


def indicator(name: str, unit: str, **more: Any) -> Indicator:
    shape = {
        "places": "none",
        "periods": "none",
        "measure": "flow",
        "direction": "none",
        "extent": "whole",
        "grade": "A",
    }
    words = {"zh": name, "en": name, "theme": "energy", "definition": name, "shown_unit": unit, "source": "s"}
    return Indicator.model_validate(
        {"id": name, "unit": unit, **shape, **words, "checked_on": date(2026, 1, 1), **more}
    )


FORMULAS = {
    "total": ("km", "a + b"),
    "rest": ("km", "a - b - c"),
    "rate": ("percent", "share(a, b)"),
    "chained": ("percent", "100[%] - rate"),
    "growth": ("percent", "share(a - previous(a), previous(a))"),
    "drop": ("percentage_point", 'points(at(rate, "2020"), rate)'),
    "lower": ("percent", "lowered(rate, 2[百分点])"),
    "step": ("ratio", "if(a > 5[km], 2, if(a > 1[km], 1, 0))"),
    "decided": ("ratio", "if(a > 5[km], 1, b / c)"),
    "clipped": ("km", "max(1[km], min(a, 20000[m] * 0.5))"),
    "same_part": ("km", "a - year_before(b)"),
}
INDICATORS = {name: indicator(name, unit) for name, unit in zip(INPUTS, ("km", "m", "km"), strict=True)}
INDICATORS |= {name: indicator(name, unit, formula=text) for name, (unit, text) in FORMULAS.items()}
TYPES = {name: FieldType(unit=one.unit, dated=True) for name, one in INDICATORS.items()}
VALUE = st.none() | st.sampled_from([0.0, 1.0, 5.0]) | st.floats(0, 1e4, allow_nan=False).map(lambda x: round(x, 2))
FACTS = st.dictionaries(
    st.tuples(st.sampled_from(INPUTS), st.sampled_from(PLACES), st.sampled_from(YEARS)), VALUE, max_size=36
)
Facts = dict[tuple[str, str, str], float | None]


def table(facts: Facts, **more: Any) -> pl.DataFrame:
    return observation_frame(
        Observation.model_validate({
            "indicator": name, "place": place, "period": period, "value": value, "dataset": "d", "coverage": 0.5,
            "missing_reason": "not_reported" if value is None else None, "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
            "lineage": f"{name}{place}{period}", **more,
        })
        for (name, place, period), value in facts.items()
    )  # fmt: skip


def results(frame: pl.DataFrame) -> dict[tuple[str, str, str], float | None]:
    computed = compute_formulas(frame, INDICATORS, TYPES)
    assert check_observations(computed.observations) == []
    return {
        (name, place, period): value
        for name, place, period, value in computed.observations.select(
            "indicator", "place", "period", "value"
        ).iter_rows()
    }


def plainly(facts: Facts, name: str, place: str, period: str) -> float | None:
    """The value of an indicator, by the plain route; computed inputs are worked out on the way."""
    if name in INPUTS:
        return facts.get((name, place, period))

    def lookup(other: str, when: str) -> float | None:
        meant = {"": period, "previous": str(int(period) - 1), "year_before": str(int(period) - 1)}.get(when, when)
        return plainly(facts, other, place, meant)

    unit, text = FORMULAS[name]
    value = Plain(text, lookup, {one: INDICATORS[one].unit for one in INDICATORS}).result(unit)
    return None if value is None else float(value)


@settings(max_examples=60)
@given(FACTS)
def test_the_grammar_over_arrays_says_what_plain_python_says(facts: Facts) -> None:
    found = results(table(facts))
    for name in FORMULAS:
        for place in PLACES:
            for period in YEARS:
                expected = plainly(facts, name, place, period)
                if expected is None:
                    assert found.get((name, place, period)) is None
                else:
                    assert found[name, place, period] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(FACTS, st.randoms(use_true_random=False))
def test_neither_order_nor_chunks_nor_names_of_places_matter(facts: Facts, random: Any) -> None:
    shuffled = list(facts.items())
    random.shuffle(shuffled)
    whole, other = (compute_formulas(table(dict(one)), INDICATORS, TYPES) for one in (facts.items(), shuffled))
    assert whole.observations.equals(other.observations)
    assert whole.lineage.equals(other.lineage)
    chunks = [
        compute_formulas(table({k: v for k, v in facts.items() if k[1] == place}), INDICATORS, TYPES)
        for place in PLACES
    ]
    together = pl.concat([chunk.observations for chunk in chunks]).sort(KEY)
    assert together.equals(whole.observations.sort(KEY))
    names = {"east": "z-east", "north": "a", "south": "m"}
    renamed = table({(name, names[place], period): value for (name, place, period), value in facts.items()})
    back = {new: old for old, new in names.items()}
    assert {(n, back[p], y): v for (n, p, y), v in results(renamed).items()} == results(table(facts))


@settings(max_examples=40)
@given(FACTS)
def test_unknown_never_becomes_zero_and_a_gap_names_what_is_missing(facts: Facts) -> None:
    computed = compute_formulas(table(facts), INDICATORS, TYPES, gaps=True)
    known = computed.observations.filter(pl.col("value").is_not_null()).select("indicator", "place", "period")
    at = {(name, place, period) for name, place, period in known.iter_rows()}
    for name, place, period, missing in computed.gaps.select("indicator", "place", "period", "missing").iter_rows():
        assert (name, place, period) not in at
        for column in missing:
            of, _, when = column.partition("@")
            meant = {"": period, "previous": str(int(period) - 1), "year_before": str(int(period) - 1)}.get(when, when)
            assert plainly(facts, of, place, meant) is None
    silent = {key: value for key, value in facts.items() if value is not None}
    assert {k: v for k, v in results(table(silent)).items() if v is not None} == {
        k: v for k, v in results(table(facts)).items() if v is not None
    }, "a stated gap and a row left out give the same known values"
    assert computed.observations["coverage"].drop_nulls().is_in([0.5]).all(), "coverage travels"


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1e6).map(lambda x: round(x, 1)), min_size=3, max_size=3), st.floats(1, 1e6))
def test_what_adds_up_in_the_inputs_adds_up_in_the_results(parts: list[float], coal: float) -> None:
    catalog = load_catalog()
    rows = [
        {"indicator": "building_non_electric_energy", "building_class": code, "value": part}
        for code, part in zip(("residential", "public", "industrial"), parts, strict=True)
    ] + [
        {"indicator": "building_electricity_standard_coal", "basis": "calorific", "building_class": code, "value": coal}
        for code in ("residential", "public", "industrial")
    ]
    frame = observation_frame(
        Observation.model_validate({
            **row, "place": "qingdao", "period": "2024", "dataset": "d", "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        })
        for row in rows
    )  # fmt: skip
    parents = {"residential": "all", "public": "all", "industrial": "all"}
    types = catalog.indicator_types()
    by_class, _ = compute_formulas(frame, catalog.indicators, types)
    totals, _ = add_up_breakdown(frame, catalog.indicators, "building_class", parents)
    of_total, _ = compute_formulas(totals, catalog.indicators, types)
    energy = by_class.filter(indicator="building_energy")["value"]
    assert len(energy) == 3
    assert of_total.filter(indicator="building_energy")["value"].to_list() == [pytest.approx(energy.sum(), rel=1e-12)]

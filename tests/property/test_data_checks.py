"""Laws of the checks on returns: what they must not depend on, and what they must never say."""

import random
from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.observation import SCHEMA
from dafeng.base.place import PlaceTree
from dafeng.catalog import load_catalog
from dafeng.catalog.statistics_schemas import CheckKind
from dafeng.statistics import check_data

CATALOG = load_catalog()
SUMS = [check for check in CATALOG.checks.values() if check.kind in (CheckKind.PARTS, CheckKind.CUMULATIVE)]
INDICATORS = ("drain_density", "park_green_per_person", "gas_coverage", "sewage_treatment_rate", "road_area_per_person")
PLACES = [place.id for place in CATALOG.places.children("shandong")][:8]


def fact(indicator: str, place: str, period: str, value: float | None, **others: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SCHEMA) | dict.fromkeys(
        ("building_class", "carrier", "end_use", "boundary"), "all"
    )
    row |= {"indicator": indicator, "place": place, "period": period, "value": value, "kind": "reported"}
    row |= {"extent": CATALOG.indicators[indicator].extent.value, "scenario": "", "member": "", "basis": ""}
    row |= {"dataset": "returns", "recorded_at": datetime(2026, 1, 1, tzinfo=UTC), "review": "approved"}
    return row | {"missing_reason": "not_reported" if value is None else None} | others


def table(seed: int, faults: int, gaps: int = 0) -> pl.DataFrame:
    """Return a panel of 8 places, 5 indicators and 10 years with some figures spoilt."""
    rng = random.Random(seed)
    rows = []
    for place in PLACES:
        for name in INDICATORS:
            level = rng.uniform(50, 90)
            for year in range(2012, 2022):
                level = min(level * rng.uniform(0.99, 1.02), 99.0)
                rows.append(fact(name, place, str(year), round(level, 3)))
    for row in rng.sample(rows, faults):
        row["value"] *= rng.choice([0.0, 0.01, 0.1, 0.4, 10.0, 1e4])
    for row in rng.sample(rows, gaps):
        row |= {"value": None, "missing_reason": "not_reported"}
    return pl.DataFrame(rows, schema=SCHEMA)


def told(frame: pl.DataFrame, places: PlaceTree | None = None) -> set[tuple[Any, ...]]:
    cells = check_data(frame, CATALOG, places=places).cells
    return set(cells.select("check", "indicator", "place", "period", "value", "detail").rows())


@settings(max_examples=3)
@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(1, 5))
def test_order_and_chunks_do_not_matter(seed: int, faults: int, chunks: int) -> None:
    frame = table(seed, faults)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    step = -(-shuffled.height // chunks)
    parts = [shuffled[start : start + step] for start in range(0, shuffled.height, step)]
    again = pl.concat(parts, rechunk=False)
    assert told(frame) == told(again)
    first, second = check_data(frame, CATALOG), check_data(again, CATALOG)
    assert [finding.sentence for finding in first.findings] == [finding.sentence for finding in second.findings]


@settings(max_examples=3)
@given(st.integers(0, 10**6), st.integers(0, 12))
def test_other_names_for_the_places_change_nothing_else(seed: int, faults: int) -> None:
    frame = table(seed, faults)
    names = {place: f"renamed-{place}" for place in PLACES}
    known = [CATALOG.places.get(place) for place in PLACES]
    tree = PlaceTree([place.model_copy(update={"id": names[place.id]}) for place in known])
    plain = told(frame, PlaceTree(known))
    renamed = told(frame.with_columns(pl.col("place").replace(names)), tree)
    expected = {(check, indicator, names[place], *rest) for check, indicator, place, *rest in plain}
    assert {row[:-1] for row in renamed} == {row[:-1] for row in expected}


@settings(max_examples=5)
@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(1, 1e6)), min_size=1, max_size=6))
def test_parts_that_add_up_give_no_finding(parts: list[tuple[float, float, float]]) -> None:
    rows = []
    for number, (homes, public, other) in enumerate(parts):
        values = {"residential": homes, "public": public, "industrial": other, "all": homes + public + other}
        rows += [
            fact("new_building_area", PLACES[number], "2024", value, building_class=code)
            for code, value in values.items()
        ]
    assert check_data(pl.DataFrame(rows, schema=SCHEMA), CATALOG, checks=SUMS).findings == []


@settings(max_examples=5)
@given(st.lists(st.floats(0.01, 1e5), min_size=12, max_size=12))
def test_months_cumulative_months_and_year_that_agree_give_no_finding(months: list[float]) -> None:
    rows = [fact("sewage_treated_volume", "jinan", f"2024-{month:02d}", value) for month, value in enumerate(months, 1)]
    rows += [
        fact("sewage_treated_volume", "jinan", f"2024-01..{last:02d}", sum(months[:last])) for last in range(2, 13)
    ]
    rows.append(fact("sewage_treated_volume", "jinan", "2024", sum(months)))
    assert check_data(pl.DataFrame(rows, schema=SCHEMA), CATALOG, checks=SUMS).findings == []


@settings(max_examples=3)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_the_unknown_is_never_taken_for_a_zero(seed: int, gaps: int) -> None:
    frame = table(seed, 0, gaps)
    checked = check_data(frame, CATALOG)
    unknown = checked.cells.filter(pl.col("value").is_null())
    assert set(unknown["check"]) <= {"gap-between-figures"}
    # a stated gap and no row at all tell the numeric checks the same
    without = check_data(frame.filter(pl.col("value").is_not_null()), CATALOG).cells
    kept = checked.cells.filter(pl.col("check") != "gap-between-figures")
    columns = ["check", "indicator", "place", "period"]
    assert set(kept.select(columns).rows()) == set(without.select(columns).rows())

"""Laws of roll-ups: splitting keeps totals, order and repeats change nothing, parts sum, the unknown is no zero."""

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.observation import check_observations
from dafeng.buildings.rollup import RolledUp, members_of, roll_up
from dafeng.buildings.things import current_things
from rollup_builders import a_link, ledger_catalog, one, rolled, rows_of

CATALOG = ledger_catalog()
SUMS = ("all_area", "green_area", "area_total", "projects_counted")
PERIODS = ("2022", "2023", "2024", "2025", "2026-01..09")
PROJECT = st.fixed_dictionaries(
    {
        "place": st.sampled_from(["east", "west", "moved", "city", "port", None]),
        "stage": st.sampled_from(["construction", "acceptance", "operation"]),
        "building_class": st.sampled_from(["residential", "public", "works", None]),
        "area": st.one_of(st.none(), st.integers(1, 9999).map(float)),
        "green": st.sampled_from([True, False, None]),
        "star": st.sampled_from([0.0, 1.0, 2.0, None]),
        "saving": st.one_of(st.none(), st.integers(50, 95).map(float)),
        "completion_date": st.one_of(st.none(), st.dates(date(2021, 1, 1), date(2026, 12, 31))),
    }
)
FEW = settings(max_examples=12)
PROJECTS = st.lists(PROJECT, min_size=1, max_size=12).map(
    lambda rows: [{"key": f"p{number:02d}", **row} for number, row in enumerate(rows)]
)
LABELS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([f"p{number:02d}" for number in range(16)]),
            "place": st.sampled_from(["east", "west"]),
            "area": st.one_of(st.none(), st.integers(1, 9999).map(float)),
            "green": st.sampled_from([True, False, None]),
            "completion_date": st.dates(date(2021, 1, 1), date(2026, 12, 31)),
        }
    ),
    max_size=6,
    unique_by=lambda row: row["key"],
)


def figures(result: RolledUp, *, without: tuple[str, ...] = ("recorded_at", "lineage")) -> pl.DataFrame:
    return result.observations.drop(without)


def known(result: RolledUp, indicator: str, place: str, period: str, **classes: str) -> float:
    return one(result, indicator, place, period, **classes)["value"] or 0.0


@given(PROJECTS, LABELS, st.randoms(use_true_random=False))
@FEW
def test_order_and_import_twice_change_nothing(projects, labels, random):
    shuffled = random.sample(projects, len(projects))
    first = rolled(*projects, labels=labels)
    again = rolled(*shuffled, *projects, labels=[*reversed(labels), *labels])
    assert first.observations.equals(again.observations)
    assert first.lineage.equals(again.lineage)
    assert first.findings == again.findings
    assert check_observations(first.observations) == []


@given(PROJECTS, st.integers(0, 11), st.integers(1, 99))
@FEW
def test_splitting_a_project_in_two_keeps_totals(projects, number, percent):
    whole = projects[number % len(projects)]
    if whole["area"] is None:
        return
    part = round(whole["area"] * percent / 100)
    parts = [{**whole, "key": "new1", "area": float(part)}, {**whole, "key": "new2", "area": whole["area"] - part}]
    link = a_link(id="s", kind="split", former=[whole["key"]], present=["new1", "new2"])
    wanted = ["all_area", "green_area", "area_total", "saving_mean", "star_share"]
    before = rolled(*projects, rollups=wanted)
    records = {"projects": rows_of("projects", *projects, *parts)}
    things = current_things(records, CATALOG, links=[link])
    recorded_at = datetime(2026, 10, 20, tzinfo=UTC)
    after = roll_up(things, CATALOG, years=range(2022, 2027), recorded_at=recorded_at, home="city", rollups=wanted)
    for indicator in wanted:
        for period in PERIODS:
            one_thing, two = (one(result, indicator, "city", period)["value"] for result in (before, after))
            assert one_thing == pytest.approx(two) if one_thing is not None else two is None


@given(PROJECTS, LABELS)
@FEW
def test_a_place_is_the_sum_of_its_districts_and_of_what_has_none(projects, labels):
    result = rolled(*projects, labels=labels, rollups=["all_area", "area_total", "projects_counted"])
    for indicator in ("all_area", "area_total", "projects_counted"):
        for period in PERIODS:
            city = one(result, indicator, "city", period)
            members = members_of(result, city["lineage"]).filter("counted")
            districts = sum(known(result, indicator, place, period) for place in ("east", "west", "moved"))
            above = members.filter(pl.col("place") == "city")["value"].sum()
            if city["value"] is not None:
                assert city["value"] == pytest.approx(districts + above)
            assert members["value"].sum() == pytest.approx(city["value"] or 0.0)


@given(PROJECTS, LABELS)
@FEW
def test_classes_and_the_unclassified_sum_to_the_total(projects, labels):
    result = rolled(*projects, labels=labels, rollups=["green_area"])
    parts = result.observations.filter((pl.col("indicator") == "green_area") & (pl.col("place") == "city"))
    for period in PERIODS:
        of = {row["building_class"]: row for row in parts.filter(pl.col("period") == period).iter_rows(named=True)}
        members = members_of(result, of["all"]["lineage"]).filter("counted")
        bare = members.filter(pl.col("building_class").is_null())["value"].sum()
        classes = sum(of[name]["value"] or 0.0 for name in ("residential", "public") if name in of)
        assert (of["all"]["value"] or 0.0) == pytest.approx(classes + bare)


@given(PROJECTS)
@FEW
def test_years_sum_to_the_running_total(projects):
    result = rolled(*projects, years=range(2021, 2027), rollups=["all_area", "area_total"])
    total = 0.0
    for period in ("2021", *PERIODS):
        total += known(result, "all_area", "city", period)
        assert known(result, "area_total", "city", period) == pytest.approx(total)


@given(PROJECTS, LABELS)
@FEW
def test_shares_stay_within_their_bounds_or_are_found(projects, labels):
    result = rolled(*projects, labels=labels, rollups=["all_area", "green_area", "star_share"])
    shares = result.observations.filter(pl.col("indicator").is_in(["green_share", "star_share"]))
    above = shares.filter(pl.col("value") > 100 + 1e-9)
    found = {one.evidence["indicator"] for one in result.findings if one.name == "buildings.rollup.out-of-bounds"}
    assert set(above["indicator"]) == found & {"green_share", "star_share"}
    assert "star_share" not in found


@given(PROJECTS, st.sampled_from(["area", "green", "completion_date"]), st.integers(0, 11))
@FEW
def test_forgetting_a_fact_never_raises_the_coverage_and_never_makes_a_zero(projects, field, number):
    poorer = [dict(row) for row in projects]
    poorer[number % len(projects)][field] = None
    before, after = (rolled(*rows, rollups=["all_area", "green_area"]) for rows in (projects, poorer))
    if field == "completion_date":
        return _no_zero(after)
    for indicator in ("all_area", "green_area"):
        for period in PERIODS:
            was, now = (one(result, indicator, "city", period) for result in (before, after))
            if projects[number % len(projects)][field] is not False:
                assert now["coverage"] <= was["coverage"] + 1e-9
    return _no_zero(after)


def _no_zero(result: RolledUp) -> None:
    """A zero is said only where everything is known; elsewhere at least one thing counts."""
    zero = pl.col("indicator").is_in(SUMS) & (pl.col("value") == 0) & (pl.col("building_class") == "all")
    for row in result.observations.filter(zero, pl.col("place").is_in(["city", "east"])).iter_rows(named=True):
        assert members_of(result, row["lineage"]).height == 0


@given(PROJECTS, LABELS)
@FEW
def test_the_union_of_registers_counts_a_thing_once(projects, labels):
    result = rolled(*projects, labels=labels, rollups=["green_area"])
    for period in PERIODS:
        members = members_of(result, one(result, "green_area", "city", period)["lineage"])
        assert members["key"].is_unique().all()


@given(PROJECTS)
@FEW
def test_sums_agree_with_a_plain_count(projects):
    result = rolled(*projects, rollups=["all_area"])
    sums: dict[tuple[str, str], float] = defaultdict(float)
    homes: dict[Any, list[str]] = {
        "east": ["east"], "west": ["west"], "moved": ["moved"], "city": [], "port": ["east", "port"], None: [],
    }  # fmt: skip
    for row in projects:
        day = row["completion_date"]
        if day is None or row["area"] is None or day.year < 2022 or day > date(2026, 9, 30):
            continue
        period = str(day.year) if day.year < 2026 else "2026-01..09"
        for place in {*homes[row["place"]], "city"}:
            sums[place, period] += row["area"]
    for place in ("east", "west", "moved", "city", "port"):
        for period in PERIODS:
            rows = result.observations.filter(
                (pl.col("indicator") == "all_area") & (pl.col("building_class") == "all")
                & (pl.col("place") == place) & (pl.col("period") == period)
            )["value"].to_list()  # fmt: skip
            assert (rows[0] if rows and rows[0] is not None else 0.0) == pytest.approx(sums[place, period])

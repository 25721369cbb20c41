"""Laws of check-ups: order does not matter, unknown is never met, a better value never loses what was met."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup_builders import AS_OF, facts, sets_catalog
from dafeng.assessment.checkup import CheckUp, check_up
from dafeng.base.target import Direction, satisfies

SETTINGS = settings(max_examples=25)
INDICATORS = {
    "hazards": "whole", "dull_flats": "whole", "seen": "whole", "due_to_see": "whole", "density": "built_up",
    "paths": "whole", "coverage_rate": "whole", "park_share": "whole", "compactness": "whole",
}  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries(
        {
            "indicator": st.sampled_from(sorted(INDICATORS)),
            "place": st.sampled_from(["city", "east"]),
            "period": st.sampled_from(["2023", "2024"]),
            "dataset": st.sampled_from(["first", "second", "other"]),
            "value": st.floats(0, 100).map(lambda value: round(value, 3)),
            "coverage": st.sampled_from([None, None, 1.0, 0.5]),
            "kind": st.sampled_from(["reported", "computed", "demonstration"]),
        }
    ),
    max_size=25,
    unique_by=lambda row: (row["indicator"], row["place"], row["period"], row["dataset"], row["kind"]),
)


def run(found: list[dict[str, Any]] | pl.DataFrame) -> CheckUp:
    catalog = sets_catalog()
    if not isinstance(found, pl.DataFrame):
        found = facts([{**row, "extent": INDICATORS[row["indicator"]]} for row in found])
    return check_up(catalog.sets["health-2024"], found, catalog, places=["city", "east"], years=[2024], as_of=AS_OF)


@SETTINGS
@given(rows, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(found: list[dict[str, Any]], chance: Any) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    first, second = run(found), run(shuffled)
    assert first.frame.equals(second.frame)
    assert first.totals.equals(second.totals)


@SETTINGS
@given(rows)
def test_what_has_no_value_is_neither_met_nor_a_problem(found: list[dict[str, Any]]) -> None:
    frame = run(found).frame
    blank = frame.filter(pl.col("value").is_null())
    assert not blank["state"].is_in(["met", "not_met"]).any()
    given_cells = {(row["indicator"], row["place"]) for row in found if row["period"] == "2024"}
    items = {item.number: item.indicator for item in sets_catalog().sets["health-2024"].items}
    for number, place, value in frame.select("number", "place", "value").iter_rows():
        assert value is None or (items[number], place) in given_cells


@SETTINGS
@given(rows)
def test_a_verdict_agrees_with_the_plain_comparison(found: list[dict[str, Any]]) -> None:
    """Second route: one value, whole coverage, no survey, held against the threshold by `satisfies`."""
    catalog = sets_catalog()
    items = {item.number: item for item in catalog.sets["health-2024"].items}
    for row in run(found).frame.iter_rows(named=True):
        item = items[row["number"]]
        plainly = row["value"] is not None and row["surveyed"] is None and row["to_survey"] is None
        if item.threshold is None or item.comparator is None or not plainly or item.due is not None:
            continue
        if row["coverage"] is not None and row["coverage"] < 1:
            continue
        bound_max = item.threshold_max
        meets = satisfies(row["value"], item.comparator, item.threshold, bound_max=bound_max, direction=item.direction)
        assert row["state"] == ("met" if meets else "not_met"), row


@SETTINGS
@given(rows, st.floats(0, 50))
def test_a_better_value_never_turns_met_into_not_met(found: list[dict[str, Any]], step: float) -> None:
    catalog = sets_catalog()
    ways = {
        item.indicator: item.direction
        for item in catalog.sets["health-2024"].items
        if item.direction is not Direction.NONE and item.indicator != "coverage_rate"
    }
    better = [
        {**row, "value": max(0.0, row["value"] + step * (1 if ways[row["indicator"]] is Direction.UP else -1))}
        if row["indicator"] in ways
        else row
        for row in found
    ]
    before, after = run(found).frame, run(better).frame
    assert not ((before["state"] == "met") & (after["state"] != "met")).any()


@SETTINGS
@given(rows)
def test_totals_count_every_item_once(found: list[dict[str, Any]]) -> None:
    totals = run(found).totals
    assert (totals.select("met", "not_met", "unknown", "without_threshold").sum_horizontal() == 8).all()

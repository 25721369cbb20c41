"""The current view: newest rows, latest stages, links; and promises beside what was built."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from dafeng.base.errors import InputError
from dafeng.buildings.things import check_links, current_things, promised_and_built
from rollup_builders import a_link, ledger_catalog, rows_of

CATALOG = ledger_catalog()
EARLY, LATE = datetime(2024, 3, 1, 9, tzinfo=UTC), datetime(2025, 3, 1, 9, tzinfo=UTC)


def current(*rows, links=(), as_of=None, register="projects"):
    frame = rows_of(register, *rows)
    return current_things({register: frame}, CATALOG, links=[a_link(**link) for link in links], as_of=as_of)[register]


def test_the_newest_row_of_a_stage_counts_and_the_other_is_kept_for_its_day():
    rows = [
        {"key": "a", "stage": "planning", "area": 900.0, "recorded_at": EARLY},
        {"key": "a", "stage": "planning", "area": 950.0, "recorded_at": LATE},
    ]
    assert current(*rows)["area"].to_list() == [950.0]
    assert current(*rows, as_of=date(2024, 3, 1))["area"].to_list() == [900.0]
    assert current(*rows, as_of=datetime(2024, 3, 1, 8, tzinfo=UTC)).height == 0


def test_a_newer_row_does_not_inherit_what_it_left_out():
    rows = [
        {"key": "a", "stage": "planning", "area": 900.0, "star": 2.0, "recorded_at": EARLY},
        {"key": "a", "stage": "planning", "area": 950.0, "recorded_at": LATE},
    ]
    assert current(*rows)["star"].to_list() == [None]


def test_the_latest_stage_that_knows_a_field_decides_it_whenever_it_was_recorded():
    rows = [
        {"key": "a", "stage": "acceptance", "star": 1.0, "recorded_at": EARLY},
        {"key": "a", "stage": "planning", "star": 3.0, "area": 900.0, "recorded_at": LATE},
        {"key": "b", "stage": "construction", "recorded_at": EARLY},
    ]
    found = current(*rows).select("key", "stage_reached", "star", "area").rows()
    assert found == [("a", "acceptance", 1.0, 900.0), ("b", "construction", None, None)]


def test_values_of_one_thing_never_fill_those_of_the_next():
    rows = [
        {"key": "a", "stage": "planning", "area": 900.0},
        {"key": "a", "stage": "acceptance"},
        {"key": "b", "stage": "planning"},
        {"key": "b", "stage": "acceptance"},
    ]
    assert current(*rows)["area"].to_list() == [900.0, None]


def test_a_withdrawn_row_is_gone_and_so_is_a_thing_without_rows():
    rows = [
        {"key": "a", "stage": "planning", "star": 2.0},
        {"key": "a", "stage": "acceptance", "star": 1.0, "recorded_at": EARLY},
        {"key": "a", "stage": "acceptance", "star": 1.0, "recorded_at": LATE, "withdrawn": True},
        {"key": "b", "stage": "planning", "recorded_at": LATE, "withdrawn": True},
    ]
    assert current(*rows).select("key", "stage_reached", "star").rows() == [("a", "planning", 2.0)]


def test_order_and_ten_thousand_repeated_rows_change_nothing():
    rows = rows_of(
        "projects",
        {"key": "a", "stage": "planning", "area": 1.0, "batch": "1", "recorded_at": EARLY},
        {"key": "a", "stage": "planning", "area": 2.0, "batch": "2", "recorded_at": EARLY},
        {"key": "b", "stage": "planning", "area": 3.0, "recorded_at": EARLY},
    )
    expected = current_things({"projects": rows}, CATALOG)["projects"]
    assert expected["area"].to_list() == [2.0, 3.0]
    many = pl.concat([rows] * 3334)
    for frame in (rows.reverse(), many, many.sample(fraction=1.0, shuffle=True, seed=1)):
        assert current_things({"projects": frame}, CATALOG)["projects"].equals(expected)


def test_a_renamed_thing_is_one_and_its_own_values_go_before_former_ones():
    rows = [
        {"key": "old", "stage": "planning", "area": 900.0, "star": 2.0, "recorded_at": LATE},
        {"key": "mid", "stage": "planning", "saving": 60.0, "recorded_at": LATE},
        {"key": "new", "stage": "planning", "area": 950.0, "recorded_at": EARLY},
    ]
    links = [
        {"id": "one", "kind": "renamed", "former": ["old"], "present": ["mid"]},
        {"id": "two", "kind": "same", "former": ["mid"], "present": ["new"]},
    ]
    assert current(*rows, links=links).select("key", "area", "star", "saving").rows() == [("new", 950.0, 2.0, 60.0)]
    assert current(*rows, links=links, as_of=date(2024, 12, 31))["key"].to_list() == ["new"]


@pytest.mark.parametrize(
    ("day", "keys"),
    [
        (None, ["part1", "part2"]),
        (date(2025, 6, 1), ["part1", "part2"]),
        (date(2025, 5, 31), ["part1", "part2", "whole"]),
    ],
)
def test_from_the_day_of_a_split_the_whole_no_longer_counts(day, keys):
    rows = [{"key": key, "stage": "planning", "area": 1.0, "recorded_at": EARLY} for key in ("whole", "part1", "part2")]
    link = {"id": "s", "kind": "split", "former": ["whole"], "present": ["part1", "part2"], "on": date(2025, 6, 1)}
    assert current(*rows, links=[link], as_of=day)["key"].to_list() == keys


def test_a_split_into_things_that_no_ledger_knows_loses_nothing_and_is_found():
    rows = rows_of("projects", {"key": "whole", "area": 5.0})
    link = a_link(id="s", kind="split", former=["whole"], present=["part1", "part2"])
    assert current_things({"projects": rows}, CATALOG, links=[link])["projects"]["key"].to_list() == ["whole"]
    (found,) = check_links({"projects": rows}, CATALOG, [link])
    assert found.name == "buildings.things.split-part-absent"
    assert found.evidence["absent"] == "part1、part2"
    assert "whole 仍然计入" in found.sentence
    assert found.evidence["first"] == "whole、part1、part2"  # by which reports mask keys


def test_a_split_of_which_one_part_is_known_drops_the_whole_and_says_so():
    rows = rows_of("projects", {"key": "whole", "area": 5.0}, {"key": "part1", "area": 2.0})
    link = a_link(id="s", kind="split", former=["whole"], present=["part1", "part2"])
    assert current_things({"projects": rows}, CATALOG, links=[link])["projects"]["key"].to_list() == ["part1"]
    (found,) = check_links({"projects": rows}, CATALOG, [link])
    assert "whole 不再计入" in found.sentence
    assert found.evidence["absent"] == "part2"


def test_a_link_of_another_subject_or_a_decision_of_difference_changes_nothing():
    rows = [{"key": "a", "area": 1.0}, {"key": "b", "area": 2.0}]
    links = [
        {"id": "one", "kind": "same", "subject": "zone", "former": ["a"], "present": ["b"]},
        {"id": "two", "kind": "different", "former": ["a"], "present": ["b"]},
    ]
    assert current(*rows, links=links)["key"].to_list() == ["a", "b"]


def test_links_in_a_circle_and_frames_without_record_columns_are_refused():
    circle = [
        {"id": "one", "kind": "same", "former": ["a"], "present": ["b"]},
        {"id": "two", "kind": "same", "former": ["b"], "present": ["a"]},
    ]
    with pytest.raises(InputError, match="circle"):
        current({"key": "a"}, links=circle)
    with pytest.raises(InputError, match="recorded_at"):
        current_things({"projects": pl.DataFrame({"key": ["a"]})}, CATALOG)


def promises(*rows):
    return promised_and_built(rows_of("projects", *rows), CATALOG.registers["projects"], CATALOG)


def test_what_was_promised_stands_beside_what_was_built():
    found = promises(
        {"key": "a", "stage": "planning", "star": 2.0, "green": True, "area": 900.0, "saving": 70.0},
        {"key": "a", "stage": "design_review", "star": 3.0},
        {"key": "a", "stage": "acceptance", "star": 1.0, "green": False, "area": 950.0, "saving": 65.0},
        {"key": "b", "stage": "planning", "star": 2.0, "green": True},
        {"key": "b", "stage": "construction", "green": True},
        {"key": "c", "stage": "planning", "star": 2.0},
    )
    rows = found.select("key", "field", "promised_stage", "built_stage", "change", "differs", "worse").rows()
    assert rows == [
        ("a", "area", "planning", "acceptance", 50.0, True, False),
        ("a", "green", "planning", "acceptance", None, True, True),
        ("a", "saving", "planning", "acceptance", -5.0, True, None),  # the register does not say which way is better
        ("a", "star", "planning", "design_review", 1.0, True, False),
        ("a", "star", "design_review", "acceptance", -2.0, True, True),
        ("b", "green", "planning", "construction", None, False, False),
        ("b", "star", "planning", "construction", None, None, None),  # reached, and nothing said
    ]

"""Roll-ups by hand: which thing counts, where, when, and what is said where nothing or too little is known."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from dafeng.base.errors import InputError, UnknownNameError, UsageError
from dafeng.base.observation import ObservationKind, check_observations
from dafeng.buildings.rollup import members_of, roll_up
from dafeng.buildings.whereabouts import reckoned_periods
from rollup_builders import RECORDED, a_project, ledger_catalog, names, one, rolled, value


def test_the_statistic_date_decides_the_year_and_the_shape_is_that_of_observations():
    result = rolled(a_project("a", "2024-12-31"), a_project("b", "2025-01-01", area=500.0))
    assert [value(result, "all_area", period=year) for year in ("2024", "2025")] == [1000.0, 500.0]
    assert value(result, "area_total", period="2025") == 1500.0
    assert check_observations(result.observations) == []
    row = one(result, "all_area")
    assert (row["dataset"], row["kind"], row["review"], row["coverage"]) == (
        "ledger-projects", "computed", "approved", pytest.approx(1 / 3),
    )  # fmt: skip


def test_kept_places_say_zero_and_places_and_years_before_the_first_row_say_nothing():
    result = rolled(a_project("a", "2023-05-01"))
    assert [one(result, "all_area", "east", year)["value"] for year in ("2022", "2023", "2024")] == [None, 1000.0, 0.0]
    assert one(result, "all_area", "east", "2022")["missing_reason"] == "not_reported"
    assert [one(result, "all_area", "east", year)["coverage"] for year in ("2022", "2024")] == [0.0, 1.0]
    assert one(result, "all_area", "west")["missing_reason"] == "not_reported"
    assert one(result, "all_area", "city")["coverage"] == pytest.approx(1 / 3)  # one district of three


def test_a_ledger_declared_complete_says_zero_for_districts_without_rows():
    result = rolled(a_project("a", "2023-05-01"), complete=["city"])
    row = one(result, "all_area", "west")
    assert (row["value"], row["coverage"]) == (0.0, 1.0)
    assert one(result, "all_area", "city")["coverage"] == 1.0
    assert one(result, "all_area", "west", "2022")["value"] is None


def test_a_complete_ledger_speaks_of_a_district_before_its_own_first_row():
    result = rolled(a_project("a", "2023-05-01"), a_project("b", "2025-05-01", place="west"), complete=["city"])
    assert [one(result, "all_area", "west", year)["value"] for year in ("2022", "2023", "2024", "2025")] == [
        None, 0.0, 0.0, 1000.0,
    ]  # fmt: skip
    assert [one(result, "all_area", "city", year)["coverage"] for year in ("2023", "2024", "2025")] == [1.0, 1.0, 1.0]


def test_the_year_that_is_not_over_is_reckoned_to_its_last_whole_month():
    result = rolled(a_project("a", "2026-09-30"), a_project("b", "2026-10-01"), a_project("c", "2026-11-01"))
    assert value(result, "projects_counted", period="2026-01..09") == 1.0
    assert "2026" not in set(result.observations["period"])
    (late,) = [finding for finding in result.findings if finding.name == "buildings.rollup.future-date"]
    assert late.evidence["rows"] == 1
    assert late.evidence["first"] == "c"


def test_periods_end_with_the_day():
    assert [span.text for span in reckoned_periods(range(2023, 2030), date(2025, 12, 31))] == ["2023", "2024", "2025"]
    assert [span.text for span in reckoned_periods(range(2025, 2027), date(2026, 1, 30))] == ["2025"]
    assert [span.text for span in reckoned_periods(range(2026, 2027), date(2026, 1, 31))] == ["2026-01..01"]
    with pytest.raises(UsageError, match="2030 to 2031"):
        rolled(a_project("a"), years=range(2030, 2032))


def test_unknown_conditions_and_values_lower_the_coverage_and_are_no_zero():
    result = rolled(
        a_project("a"), a_project("b", green=None), a_project("c", green=False), a_project("d", area=None),
        a_project("e", "2023-01-01", green=None),
    )  # fmt: skip
    row = one(result, "green_area", "east")
    assert (row["value"], row["coverage"]) == (1000.0, pytest.approx(1 / 3))  # a of a, b, d
    row = one(result, "green_area", "east", "2023")
    assert (row["value"], row["missing_reason"], row["coverage"]) == (None, "not_available", 0.0)
    (gap,) = [
        one for one in result.findings if one.name == "buildings.rollup.open-things" and one.where.field == "green_area"
    ]
    assert gap.evidence["rows"] == 3
    assert "绿色 2" in gap.sentence
    assert "面积 1" in gap.sentence


def test_a_missing_date_is_open_once_it_is_due_and_not_before():
    result = rolled(
        a_project("a"), a_project("b", None), a_project("c", None, stage="construction"), a_project("d", None, stage="")
    )
    row = one(result, "projects_counted", "east")
    assert (row["value"], row["coverage"]) == (1.0, pytest.approx(1 / 3))  # b and d may belong to 2024
    (found,) = [finding for finding in result.findings if finding.name == "buildings.rollup.undated"]
    assert found.evidence["rows"] == 2
    assert found.evidence["first"] == "b、d"


def test_mean_and_share_are_weighted_and_covered_by_weight():
    result = rolled(
        a_project("a", area=3000.0, saving=80.0, star=0.0),
        a_project("b", area=1000.0, saving=60.0, star=2.0),
        a_project("c", area=4000.0, saving=None, star=None),
        a_project("d", area=None),
    )
    mean, share = one(result, "saving_mean", "east"), one(result, "star_share", "east")
    assert mean["value"] == pytest.approx((3000 * 80 + 1000 * 60) / 4000)
    assert share["value"] == pytest.approx(25.0)
    # half of the known weight, and three of four things have a weight
    assert mean["coverage"] == share["coverage"] == pytest.approx(4000 / 8000 * 3 / 4)


def test_a_mean_of_nothing_does_not_apply_and_a_count_of_nothing_is_zero():
    result = rolled(a_project("a", "2023-01-01"))
    assert one(result, "saving_mean", "east")["missing_reason"] == "not_applicable"
    assert one(result, "largest", "east")["missing_reason"] == "not_applicable"
    assert one(result, "all_green", "east")["missing_reason"] == "not_applicable"
    assert value(result, "projects_counted", "east") == 0.0


def test_the_largest():
    result = rolled(a_project("a", area=3000.0), a_project("b", area=1000.0), a_project("c", place="west", area=7000.0))
    assert [value(result, "largest", place) for place in ("east", "west", "city")] == [3000.0, 7000.0, 7000.0]


@pytest.mark.parametrize(
    ("greens", "expected", "coverage"),
    [((True, True), 1.0, 1.0), ((True, False), 0.0, 1.0), ((True, None), None, 0.5), ((False, None), 0.0, 0.5)],
)
def test_all_has_three_answers(greens, expected, coverage):
    row = one(
        rolled(*(a_project(str(number), green=green) for number, green in enumerate(greens))), "all_green", "east"
    )
    assert (row["value"], row["coverage"]) == (expected, coverage)


def test_shares_by_formula_come_from_the_sums_and_need_no_roll_up_of_their_own():
    result = rolled(a_project("a"), a_project("b", green=False, area=3000.0), a_project("c", place="west"))
    assert [value(result, "green_share", place) for place in ("east", "west", "city")] == [25.0, 100.0, 40.0]
    row = one(result, "green_share", "city")
    assert row["dataset"] == "ledger-projects"
    lineage = result.lineage.filter(pl.col("id") == row["lineage"]).row(0, named=True)
    assert lineage["kind"] == "formula"
    inputs = json.loads(lineage["detail"])["inputs"]
    assert set(inputs) == {one(result, name)["lineage"] for name in ("green_area", "all_area")}


def test_a_share_above_its_bound_is_a_finding():
    catalog = ledger_catalog(rollups=[{
        "id": "all_area", "indicator": "all_area", "registers": ["projects"], "aggregate": "sum", "value": "area",
        "when": 'building_class == "residential"', "breakdowns": {"building_class": "building_class"},
    }])  # fmt: skip
    result = rolled(a_project("a"), a_project("b", building_class="residential", area=400.0), catalog=catalog)
    assert value(result, "green_share") == 350.0
    (found,) = [one for one in result.findings if one.name == "buildings.rollup.out-of-bounds"]
    assert found.evidence["indicator"] == "green_share"
    assert found.expected.startswith("0.0 至 100")


def test_a_thing_in_two_registers_counts_once_and_each_field_has_the_first_register_that_knows_it():
    labels = [
        {"key": "a", "area": 9999.0, "green": True, "place": "east", "completion_date": "2024-02-02"},
        {"key": "b", "green": True},
        {"key": "c", "area": 50.0, "green": True, "place": "west", "completion_date": "2024-02-02"},
    ]
    result = rolled(a_project("a"), a_project("b", green=None), labels=labels)
    assert value(result, "green_area") == 1000.0 + 1000.0 + 50.0
    assert one(result, "green_area", "east")["coverage"] == 1.0
    (found,) = [one for one in result.findings if one.name == "buildings.rollup.registers-disagree"]
    assert found.evidence == {"rows": 1, "rollup": "green_area", "registers": "项目台账、标识台账", "first": "a"}
    # the same key of another subject is another thing
    other = rolled(a_project("a"), estates=[{"key": "a", "place": "east", "built": 1990.0, "done": True}])
    assert value(other, "projects_counted", "east") == 1.0


def test_standing_things_count_until_they_cease():
    labels = [
        {"key": "a", "place": "east", "label_date": "2022-03-01", "gone_date": "2024-12-31"},
        {"key": "b", "place": "east", "label_date": "2024-03-01"},
        {"key": "c", "place": "east", "label_date": "2019-03-01", "gone_date": "2026-10-05"},
    ]
    result = rolled(labels=labels)
    found = [
        value(result, "labels_standing", "east", period) for period in ("2022", "2023", "2024", "2025", "2026-01..09")
    ]
    assert found == [2.0, 2.0, 2.0, 2.0, 2.0]
    a = members_of(result, one(result, "labels_standing", "east", "2023")["lineage"])
    assert a.select("key", "first", "last").rows() == [("a", "2022", "2023"), ("c", "2022", "2026-01..09")]


def test_a_year_serves_as_date():
    estates = [
        {"key": "a", "place": "east", "built": 1985.0, "done": True}, {"key": "b", "place": "east", "built": 1999.0, "done": None},
        {"key": "c", "place": "west", "built": 2001.0, "done": False}, {"key": "d", "place": "west", "built": 1990.0, "done": True},
    ]  # fmt: skip
    result = rolled(estates=estates)
    assert [value(result, "old_done", place) for place in ("east", "west", "city")] == [None, 1.0, None]


def test_a_condition_holds_from_the_day_on_which_it_was_met():
    catalog = ledger_catalog(rollups=[{
        "id": "all_green", "indicator": "all_green", "registers": ["projects"], "aggregate": "all", "value": "green",
        "span": "since", "done": "label_date",
    }])  # fmt: skip
    labels = [{"key": "a", "label_date": "2024-06-30"}, {"key": "b"}]
    catalog.rollups["all_green"] = catalog.rollups["all_green"].model_copy(update={"registers": ("projects", "labels")})
    periods = ("2023", "2024", "2025", "2026-01..09")
    first = rolled(a_project("a", "2023-01-01"), labels=labels[:1], catalog=catalog)
    assert [value(first, "all_green", "east", period) for period in periods] == [0.0, 1.0, 1.0, 1.0]
    # of b nobody knows since when
    both = rolled(a_project("a", "2023-01-01"), a_project("b", "2023-01-01"), labels=labels, catalog=catalog)
    assert [value(both, "all_green", "east", period) for period in periods] == [0.0, None, None, 1.0]


def test_running_totals_may_begin_at_a_year():
    catalog = ledger_catalog(rollups=[{
        "id": "area_total", "indicator": "area_total", "registers": ["projects"], "aggregate": "sum", "value": "area",
        "span": "since", "since": 2021,
    }])  # fmt: skip
    result = rolled(
        a_project("a", "2020-12-31"), a_project("b", "2021-01-01", area=10.0), a_project("c"), catalog=catalog
    )
    assert [value(result, "area_total", "east", year) for year in ("2022", "2024")] == [10.0, 1010.0]


def test_zones_are_views_that_pass_nothing_upwards():
    result = rolled(
        a_project("a", zone="port"),
        a_project("b", place="port"),
        a_project("c", place="lake"),
        a_project("d", place="west", zone="湖区"),
    )
    found = {place: value(result, "projects_counted", place) for place in ("east", "west", "city", "port", "lake")}
    # b lies in a zone on the ground of one division only; c might be east or west and counts for the city
    assert found == {"east": 2.0, "west": 1.0, "city": 4.0, "port": 2.0, "lake": 2.0}
    (missing,) = [one for one in result.findings if one.name == "buildings.rollup.no-district"]
    assert missing.evidence == {"rows": 1, "first": "c"}


def test_things_without_a_place_or_district_count_above_and_things_outside_nowhere():
    result = rolled(a_project("a", place="city"), a_project("b", place=None), a_project("c", place="某地"), a_project("d", place="丁市"), a_project("e"))  # fmt: skip
    assert value(result, "projects_counted") == 4.0
    assert value(result, "projects_counted", "east") == 1.0
    wanted = {"no-district", "place-missing", "place-unknown", "outside"}
    assert {f"buildings.rollup.{name}" for name in wanted} <= names(result)
    assert not set(result.observations["place"]) & {"town", "cn"}


def test_without_home_the_lowest_common_place_is_the_top():
    result = rolled(a_project("a"), a_project("b", place="west"), home=None)
    assert set(result.observations["place"]) == {"east", "west", "city", "moved"}
    assert set(rolled(a_project("a"), home=None).observations["place"]) == {"east"}


def test_a_district_counts_for_the_place_above_it_at_the_end_of_each_period():
    projects = [a_project("a", "2019-05-01", place="moved"), a_project("b", "2019-05-01")]
    city, town = (rolled(*projects, years=range(2019, 2022), home=home) for home in ("city", "town"))
    assert [value(city, "area_total", "city", year) for year in ("2019", "2020")] == [1000.0, 2000.0]
    assert [one(town, "area_total", "town", year)["value"] for year in ("2019", "2020")] == [1000.0, None]


def test_classes_add_up_with_a_residual_and_wider_classes_are_summed():
    result = rolled(
        a_project("a", area=1.0), a_project("b", building_class="residential", area=2.0), a_project("c", building_class="works", area=4.0),
        a_project("d", building_class=None, area=8.0),
    )  # fmt: skip
    found = {
        name: one(result, "all_area", "east", building_class=name) for name in ("all", "civil", "public", "residential")
    }
    assert {name: row["value"] for name, row in found.items()} == {
        "all": 15.0,
        "civil": 3.0,
        "public": 1.0,
        "residential": 2.0,
    }
    # d may be of any class, c is of none of them
    assert {name: row["coverage"] for name, row in found.items()} == {
        "all": 1.0, "civil": pytest.approx(2 / 3), "public": 0.5, "residential": 0.5,
    }  # fmt: skip
    (residual,) = [
        one for one in result.findings if one.name == "buildings.rollup.unclassified" and one.where.field == "all_area"
    ]
    assert residual.evidence["rows"] == 2
    assert residual.evidence["first"] == "c、d"


def test_lineage_names_the_rule_the_count_and_the_things():
    result = rolled(*(a_project(f"p{number:02d}") for number in range(25)), a_project("q", green=None))
    row = one(result, "green_area", "east", building_class="public")
    lineage = result.lineage.filter(pl.col("id") == row["lineage"]).row(0, named=True)
    detail = json.loads(lineage["detail"])
    assert (lineage["kind"], detail["rollup"], detail["registers"], detail["when"]) == (
        "query",
        "green_area",
        ["projects", "labels"],
        "green",
    )
    assert (detail["count"], detail["open"], detail["coverage"]) == (25, 1, pytest.approx(25 / 26))
    assert detail["first"] == [f"p{number:02d}" for number in range(20)]
    assert len(detail["members"]) == 32
    members = members_of(result, row["lineage"])
    assert members.filter("counted")["key"].to_list() == [f"p{number:02d}" for number in range(25)]
    assert members.filter(~pl.col("counted"))["key"].to_list() == ["q"]
    assert set(members["register"]) == {"projects"}
    assert set(members["place"]) == {"east"}
    assert set(result.observations["lineage"]) == set(result.lineage["id"])
    with pytest.raises(InputError, match="no roll-up here"):
        members_of(result, one(result, "green_share")["lineage"])
    with pytest.raises(UnknownNameError, match="was not counted"):
        result.members_in("old_done")
    assert result.members.height >= 26


def test_the_digest_of_members_depends_on_the_members_only():
    def digest(*keys, **given):
        result = rolled(*(a_project(key, **given) for key in keys))
        (detail,) = result.lineage.filter(pl.col("id") == one(result, "all_area")["lineage"])["detail"]
        return json.loads(detail)["members"]

    assert digest("a", "b") == digest("b", "a") == digest("a", "b", area=5.0) != digest("a", "c")


def test_corrections_supersede():
    early, late = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    rows = [a_project("a", recorded_at=early), a_project("a", area=800.0, recorded_at=late)]
    assert value(rolled(*rows), "all_area") == 800.0


def test_two_roll_ups_of_one_figure_are_both_refused():
    twin = {"id": "twin", "indicator": "all_area", "registers": ["projects"], "aggregate": "sum", "value": "area"}
    result = rolled(a_project("a"), catalog=ledger_catalog(rollups=[twin]))
    assert "buildings.rollup.counted-twice" in names(result)
    assert not result.observations.filter(
        (pl.col("indicator") == "all_area") & (pl.col("building_class") == "all")
    ).height


def test_kind_can_be_set_for_invented_ledgers_and_unknown_names_are_refused():
    result = rolled(a_project("a"), kind=ObservationKind.DEMONSTRATION)
    assert set(result.observations["kind"]) == {"demonstration"}
    with pytest.raises(UnknownNameError, match="nosuch"):
        rolled(a_project("a"), rollups=["nosuch"])
    with pytest.raises(UnknownNameError):
        rolled(a_project("a"), home="nowhere")
    with pytest.raises(InputError, match="no column stage"):
        roll_up(
            {"projects": pl.DataFrame({"key": ["a"]})}, ledger_catalog(), years=range(2020, 2025), recorded_at=RECORDED
        )


def test_roll_ups_without_ledgers_are_named_once():
    result = rolled(a_project("a"))
    (idle,) = [one for one in result.findings if one.name == "buildings.rollup.no-ledger"]
    assert idle.evidence["rollups"] == "labels_standing、old_done"


@pytest.mark.parametrize(
    ("undated", "expected"),
    [
        ({"green": True}, 1.0),  # fulfilled in whichever year: harmless
        ({"green": False}, None),  # fails, but in which year
        ({"green": None}, None),
    ],
)
def test_a_thing_without_a_date_leaves_all_open_only_where_it_may_fail(undated, expected):
    result = rolled(a_project("1"), a_project("2", None, **undated))
    assert value(result, "all_green", "east") == expected
    assert one(result, "all_green", "east")["coverage"] == (1.0 if expected else 0.5)
    undated_told = [
        found
        for found in result.findings
        if found.name == "buildings.rollup.undated" and "all_green" in str(found.evidence)
    ]
    assert not undated_told or expected is None


def test_a_failing_thing_with_a_date_decides_whatever_else_is_undated():
    result = rolled(a_project("1", green=False), a_project("2", None), a_project("3", None, green=False))
    assert value(result, "all_green", "east") == 0.0


def test_where_nothing_but_an_undated_thing_is_known_all_is_not_known():
    result = rolled(a_project("1", "2022-05-01"), a_project("2", None))
    later = one(result, "all_green", "east", "2024")
    assert (later["value"], later["missing_reason"], later["coverage"]) == (None, "not_available", 0.0)
    assert value(result, "all_green", "east", "2022") == 1.0


def test_a_thing_that_fulfils_is_harmless_where_it_is_unknown_whether_it_belongs():
    rule = {"id": "all_star_green", "indicator": "all_green", "registers": ["projects"], "aggregate": "all", "value": "green",
            "when": "star >= 1", "basis": "stars"}  # fmt: skip
    catalog = ledger_catalog(rollups=[rule])
    for green, expected in ((True, 1.0), (False, None)):
        result = rolled(
            a_project("1"), a_project("2", star=None, green=green), catalog=catalog, rollups=["all_star_green"]
        )
        assert value(result, "all_green", "east") == expected


def test_an_undated_thing_is_harmless_from_the_day_on_which_it_came_to_fulfil():
    catalog = ledger_catalog()
    rule = catalog.rollups["old_done"].model_copy(update={"registers": ("labels",), "value": "green", "when": None,
        "dated": "completion_date", "done": "label_date", "until": "gone_date"})  # fmt: skip
    catalog.rollups["old_done"] = rule
    labels = [
        {"key": "1", "place": "east", "green": True, "completion_date": "2021-05-01", "label_date": "2021-05-01"},
        {"key": "2", "place": "east", "green": True, "label_date": "2024-03-01"},
    ]
    result = rolled(labels=labels, catalog=catalog, rollups=["old_done"])
    assert [value(result, "old_done", "east", year) for year in ("2022", "2023", "2024", "2025")] == [
        None,
        None,
        1.0,
        1.0,
    ]

"""Adding up over places, breakdowns and periods, and formulas: rules, refusals, coverage, residuals, lineage."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import ContentError, InputError
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import Observation, check_observations, observation_frame
from dafeng.base.place import Place, PlaceTree
from dafeng.catalog.expression import FieldType
from dafeng.catalog.schemas import Indicator
from dafeng.methods.indicators import Computed, add_up_breakdown, add_up_periods, add_up_places, compute_formulas

KNOWN = datetime(2026, 3, 1, tzinfo=UTC)


def indicator(name: str, unit: str, **more: Any) -> Indicator:
    shape = {"places": "sum", "periods": "sum", "measure": "flow", "direction": "none", "extent": "whole", "grade": "A"}
    words = {"zh": name, "en": name, "theme": "energy", "definition": name, "shown_unit": unit, "source": "s"}
    return Indicator.model_validate(
        {"id": name, "unit": unit, **shape, **words, "checked_on": date(2026, 1, 1), **more}
    )


INDICATORS = {
    one.id: one
    for one in (
        indicator("energy", "tce", adds_up=("building_class",), breakdowns=("building_class",)),
        indicator("area", "m**2", periods="last", adds_up=("building_class",), breakdowns=("building_class",),
                  precedence=("ledger", "yearbook")),
        indicator("served", "person", periods="last"),
        indicator("people", "person", periods="last"),
        indicator("treated", "m**3"),
        indicator("intensity", "tce/m**2", places="ratio", numerator="energy", denominator="area", periods="none",
                  formula="energy / area"),
        indicator("coverage_rate", "percent", places="ratio", numerator="served", denominator="people", periods="last",
                  formula="share(served, people)", minimum=0, maximum=100),
        indicator("comfort", "percent", places="weighted", weight="people", periods="mean"),
        indicator("milestone", "yes_no", places="none", periods="none"),
        indicator("uncovered_rate", "percent", places="none", periods="none", formula="100[%] - coverage_rate"),
    )
}  # fmt: skip
TYPES = {one.id: FieldType(unit=one.unit) for one in INDICATORS.values()}


def place(name: str, level: str, parent: str | None, **more: Any) -> Place:
    return Place.model_validate({"id": name, "name": name, "name_en": name, "level": level, "parent": parent, **more})


PLACES = PlaceTree([
    place("province", "province", None),
    place("east", "prefecture", "province"), place("west", "prefecture", "province"),
    place("east-a", "county", "east"), place("east-b", "county", "east"),
    place("west-a", "county", "west"), place("west-b", "county", "west"),
    place("east-zone", "zone", "east", kind="zone", overlaps=("east-a",)),
])  # fmt: skip


def row(name: str, where: str, value: float | None, **more: Any) -> Observation:
    given = {"period": "2024", "dataset": "yearbook", "recorded_at": KNOWN, "lineage": f"cell-{name}-{where}"} | more
    if value is None:
        given.setdefault("missing_reason", "not_reported")
    return Observation.model_validate({"indicator": name, "place": where, "value": value, **given})


def places_of(*rows: Observation, place: str = "province") -> Computed:
    computed = add_up_places(observation_frame(rows), INDICATORS, PLACES, place=place)
    assert check_observations(computed.observations) == []
    return computed


def only(computed: Computed, **which: str) -> dict[str, Any]:
    found = computed.observations.filter(**which) if which else computed.observations
    assert found.height == 1, found
    return found.row(0, named=True)


def names(computed: Computed) -> list[str]:
    return [finding.name for finding in computed.findings]


def test_a_sum_names_its_kind_dataset_place_and_lineage() -> None:
    computed = places_of(row("energy", "east", 3.0), row("energy", "west", 4.0))
    total = only(computed)
    assert (total["place"], total["value"], total["kind"], total["dataset"]) == (
        "province",
        7.0,
        "computed",
        "computed",
    )
    assert (total["coverage"], total["recorded_at"], total["review"]) == (1.0, KNOWN, "approved")
    lineage = computed.lineage.row(0, named=True)
    assert dict(computed.lineage.schema) == LINEAGE_SCHEMA
    assert lineage["kind"] == "formula"
    assert lineage["id"] == total["lineage"]
    assert "cell-energy-east" in lineage["detail"]
    assert "cell-energy-west" in lineage["detail"]


def test_a_silent_or_unknown_division_lowers_the_coverage_and_is_no_zero() -> None:
    for rows in ([row("energy", "east", 3.0)], [row("energy", "east", 3.0), row("energy", "west", None)]):
        assert (only(places_of(*rows))["value"], only(places_of(*rows))["coverage"]) == (3.0, 0.5)


def test_where_no_division_knows_the_sum_is_unknown() -> None:
    total = only(places_of(row("energy", "east", None)))
    assert (total["value"], total["missing_reason"], total["coverage"]) == (None, "not_available", 0.0)


def test_a_division_to_which_it_does_not_apply_is_not_expected() -> None:
    excused = row("energy", "west", None, missing_reason="not_applicable")
    total = only(places_of(row("energy", "east", 3.0), excused))
    assert (total["value"], total["coverage"]) == (3.0, 1.0)
    assert (
        only(places_of(excused, row("energy", "east", None, missing_reason="not_applicable")))["missing_reason"]
        == "not_applicable"
    )


def test_a_division_without_a_value_is_replaced_by_its_own_divisions() -> None:
    total = only(places_of(row("energy", "west", 4.0), row("energy", "east-a", 1.0), row("energy", "west-a", 100.0)))
    assert (total["value"], total["coverage"]) == (5.0, 0.75)


def test_zones_are_never_summed() -> None:
    computed = places_of(row("energy", "east-a", 1.0), row("energy", "east-zone", 50.0), place="east")
    assert only(computed)["value"] == 1.0
    assert names(computed) == ["methods.places.zones"]


def test_a_ratio_is_the_ratio_of_sums_over_those_that_gave_both_parts() -> None:
    computed = places_of(
        row("served", "east", 90.0), row("people", "east", 100.0),
        row("served", "west", 100.0), row("people", "west", 300.0), row("coverage_rate", "west", 99.0),
    )  # fmt: skip
    rate = only(computed, indicator="coverage_rate")
    assert (rate["value"], rate["coverage"]) == (47.5, 1.0)
    half = only(places_of(row("served", "east", 90.0), row("people", "east", 100.0), row("served", "west", 100.0)),
                indicator="coverage_rate")  # fmt: skip
    assert (half["value"], half["coverage"]) == (90.0, 0.5)


def test_a_mean_is_weighted() -> None:
    computed = places_of(
        row("comfort", "east", 50.0), row("people", "east", 300.0), row("comfort", "west", 90.0),
        row("people", "west", 100.0),
    )  # fmt: skip
    assert only(computed, indicator="comfort")["value"] == pytest.approx(60.0)


def test_what_does_not_add_up_is_refused() -> None:
    computed = places_of(row("milestone", "east", 1.0), row("milestone", "west", 1.0))
    assert computed.observations.is_empty()
    assert names(computed) == ["methods.places.not-additive"]


def test_a_ratio_without_its_parts_is_refused() -> None:
    computed = places_of(row("coverage_rate", "east", 90.0), row("comfort", "west", 50.0))
    assert computed.observations.is_empty()
    assert names(computed) == ["methods.places.not-additive"] * 2


def test_a_ratio_of_nothing_is_not_applicable() -> None:
    rate = only(places_of(row("served", "east", 0.0), row("people", "east", 0.0)), indicator="coverage_rate")
    assert (rate["value"], rate["missing_reason"]) == (None, "not_applicable")


def test_parts_of_a_ratio_from_two_datasets_are_refused() -> None:
    computed = places_of(row("comfort", "east", 90.0, dataset="survey"), row("people", "east", 100.0))
    assert "methods.places.no-pair" in names(computed)
    assert "comfort" not in computed.observations["indicator"].to_list()


def test_two_datasets_are_never_mixed_in_one_sum() -> None:
    computed = places_of(
        row("area", "east", 10.0), row("area", "west", 20.0), row("area", "east", 11.0, dataset="ledger"),
        row("area", "west", 22.0, dataset="ledger"),
    )  # fmt: skip
    assert only(computed)["value"] == 33.0
    assert names(computed) == ["methods.result.several-datasets"]
    split = places_of(row("area", "east", 10.0), row("area", "west", 22.0, dataset="ledger"))
    assert only(split)["value"] in (10.0, 22.0)
    assert only(split)["coverage"] == 0.5


def test_bases_extents_and_classes_stay_apart() -> None:
    computed = places_of(
        row("energy", "east", 1.0, basis="calorific"), row("energy", "west", 2.0, basis="generation"),
        row("energy", "east", 4.0, extent="urban"), row("energy", "east", 8.0, building_class="public"),
    )  # fmt: skip
    assert sorted(computed.observations["value"]) == [1.0, 2.0, 4.0, 8.0]


def test_forecasts_demonstrations_and_estimates_do_not_become_facts() -> None:
    for kind in ("projected", "demonstration", "estimated"):
        assert only(places_of(row("energy", "east", 1.0, kind=kind)))["kind"] == kind


def test_quantiles_and_unknown_indicators_do_not_enter() -> None:
    computed = places_of(row("energy", "east", 1.0, kind="projected", member="p95"), row("nonsense", "east", 1.0))
    assert computed.observations.is_empty()
    assert names(computed) == ["methods.input.quantile", "methods.input.unknown-indicator"]


def test_a_stated_total_that_differs_from_its_parts_shows_its_residual() -> None:
    parts = [row("energy", "east", 3.0), row("energy", "west", 4.0)]
    assert names(places_of(*parts, row("energy", "province", 7.0))) == []
    (finding,) = places_of(*parts, row("energy", "province", 9.0)).findings
    assert (finding.name, finding.severity, finding.evidence["residual"]) == ("methods.result.residual", "warning", 2.0)
    (finding,) = places_of(*parts, row("energy", "province", 7.01)).findings
    assert finding.severity == "info"
    assert names(places_of(parts[0], row("energy", "province", 9.0))) == []
    assert names(places_of(parts[0], row("energy", "province", 2.0))) == ["methods.result.residual"]


def test_limits_add_up_only_where_every_part_has_them() -> None:
    both = places_of(row("energy", "east", 3.0, low=2.0, high=5.0), row("energy", "west", 4.0, low=3.0, high=4.5))
    assert (only(both)["low"], only(both)["high"]) == (5.0, 9.5)
    one = places_of(row("energy", "east", 3.0, low=2.0, high=5.0), row("energy", "west", 4.0))
    assert (only(one)["low"], only(one)["high"]) == (None, None)


def test_one_key_twice_is_an_error_and_withdrawn_rows_do_not_enter() -> None:
    with pytest.raises(InputError, match="2 rows share their key"):
        places_of(row("energy", "east", 1.0), row("energy", "east", 2.0))
    with pytest.raises(InputError, match="no column"):
        add_up_places(pl.DataFrame({"indicator": ["energy"]}), INDICATORS, PLACES, place="east")
    assert places_of(row("energy", "east", 1.0, review="withdrawn")).observations.is_empty()


def test_the_least_reviewed_part_decides_the_review() -> None:
    total = only(places_of(row("energy", "east", 1.0, review="draft"), row("energy", "west", 1.0, review="sealed")))
    assert total["review"] == "draft"


PARENTS = {"residential": "civil", "public": "civil", "office": "public", "hotel": "public"}


def classes_of(*rows: Observation) -> Computed:
    return add_up_breakdown(observation_frame(rows), INDICATORS, "building_class", PARENTS)


def test_a_wider_class_goes_before_its_narrower_ones() -> None:
    rows = [row("energy", "east", value, building_class=name)
            for name, value in (("residential", 5.0), ("office", 1.0), ("hotel", 2.0))]  # fmt: skip
    assert only(classes_of(*rows))["value"] == 8.0
    total = only(classes_of(*rows, row("energy", "east", 4.0, building_class="public")))
    assert (total["value"], total["building_class"], total["coverage"]) == (9.0, "all", 1.0)


def test_a_class_given_elsewhere_is_expected_everywhere() -> None:
    computed = classes_of(
        row("energy", "east", 5.0, building_class="residential"), row("energy", "east", 1.0, building_class="industrial"),
        row("energy", "west", 5.0, building_class="residential"),
    )  # fmt: skip
    assert only(computed, place="east")["coverage"] == 1.0
    assert only(computed, place="west")["coverage"] == 0.5


def test_classes_of_an_indicator_that_does_not_declare_it_are_refused() -> None:
    computed = classes_of(row("comfort", "east", 50.0, building_class="public"))
    assert computed.observations.is_empty()
    assert names(computed) == ["methods.building-class.not-additive"]


def periods_of(*rows: Observation, least_coverage: float = 1.0) -> Computed:
    computed = add_up_periods(observation_frame(rows), INDICATORS, least_coverage=least_coverage)
    assert check_observations(computed.observations) == []
    return computed


def months(name: str, numbers: range | list[int], value: float = 1.0) -> list[Observation]:
    return [row(name, "east", value * number, period=f"2024-{number:02d}") for number in numbers]


def test_twelve_months_make_a_year() -> None:
    total = only(periods_of(*months("energy", range(1, 13))))
    assert (total["period"], total["value"], total["coverage"]) == ("2024", 78.0, 1.0)
    assert only(periods_of(*months("comfort", range(1, 13))))["value"] == 6.5
    assert only(periods_of(*months("area", [12])))["value"] == 12.0


def test_a_part_year_never_becomes_the_year() -> None:
    computed = periods_of(*months("energy", range(1, 10)), least_coverage=0.5)
    assert (only(computed)["period"], only(computed)["value"]) == ("2024-01..09", 45.0)
    assert names(computed) == ["methods.periods.part-year"]
    assert periods_of(*months("area", range(1, 12))).observations.is_empty()
    assert periods_of(*months("comfort", range(1, 12))).observations.is_empty()


def test_a_gap_is_allowed_only_where_asked_and_with_its_coverage() -> None:
    gap = months("energy", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12])
    assert periods_of(*gap).observations.is_empty()
    total = only(periods_of(*gap, least_coverage=0.9))
    assert (total["period"], total["value"], total["coverage"]) == ("2024", 73.0, pytest.approx(11 / 12))


def test_cumulative_values_seasons_and_years_are_never_added() -> None:
    others = [
        row("energy", "east", 100.0, period=period) for period in ("2024-01..09", "2024-HS", "2024-09-30", "2023")
    ]
    assert periods_of(*others).observations.is_empty()
    assert only(periods_of(*others, *months("energy", range(1, 13))))["value"] == 78.0


def test_quarters_serve_where_months_do_not() -> None:
    quarters = [row("energy", "east", 10.0, period=f"2024-Q{number}") for number in range(1, 5)]
    total = only(periods_of(*quarters, *months("energy", [3])), period="2024")
    assert total["value"] == 40.0
    assert names(periods_of(*quarters, row("energy", "east", 44.0))) == ["methods.result.residual"]


def formulas_of(*rows: Observation) -> Computed:
    computed = compute_formulas(observation_frame(rows), INDICATORS, TYPES)
    assert check_observations(computed.observations) == []
    return computed


def test_a_formula_runs_over_every_place_and_its_result_serves_the_next() -> None:
    computed = formulas_of(
        *(row("served", where, 80.0) for where in ("east", "west")),
        *(row("people", where, value) for where, value in (("east", 100.0), ("west", 160.0))),
    )
    found = computed.observations.sort("indicator", "place").select("indicator", "place", "value").rows()
    assert found == [
        ("coverage_rate", "east", 80.0), ("coverage_rate", "west", 50.0), ("uncovered_rate", "east", pytest.approx(20.0)),
        ("uncovered_rate", "west", pytest.approx(50.0)),
    ]  # fmt: skip
    assert computed.lineage.height == 4
    assert "coverage_rate = share(served, people)" in computed.lineage["text"].to_list()


def test_a_stated_unknown_gives_an_unknown_and_a_silent_input_nothing() -> None:
    unknown = only(formulas_of(row("served", "east", None), row("people", "east", 100.0)), indicator="coverage_rate")
    assert (unknown["value"], unknown["missing_reason"]) == (None, "not_available")
    assert formulas_of(row("people", "east", 100.0)).observations.is_empty()


def test_a_share_of_nothing_is_not_applicable() -> None:
    share = only(formulas_of(row("served", "east", 0.0), row("people", "east", 0.0)), indicator="coverage_rate")
    assert (share["value"], share["missing_reason"]) == (None, "not_applicable")


def test_one_dataset_serves_a_formula_where_it_can_and_a_mixture_is_named() -> None:
    both = [row("served", "east", 80.0), row("people", "east", 100.0), row("people", "east", 200.0, dataset="a-census")]
    assert only(formulas_of(*both), indicator="coverage_rate")["value"] == 80.0
    mixed = formulas_of(both[0], both[2])
    assert only(mixed, indicator="coverage_rate")["value"] == 40.0
    assert "methods.formula.several-datasets" in names(mixed)


def test_an_input_without_bases_serves_every_basis() -> None:
    with_bases = INDICATORS | {"energy": INDICATORS["energy"].model_copy(update={"bases": ("calorific", "generation")})}
    frame = observation_frame([
        row("energy", "east", 1.0, basis="calorific"), row("energy", "east", 3.0, basis="generation"),
        row("area", "east", 10.0),
    ])  # fmt: skip
    results = compute_formulas(frame, with_bases, TYPES).observations.sort("basis")
    assert results.select("basis", "value").rows() == [("calorific", 0.1), ("generation", 0.3)]


def test_a_stated_value_that_differs_from_its_formula_is_found_and_serves_on() -> None:
    computed = formulas_of(
        row("served", "east", 80.0), row("people", "east", 100.0), row("coverage_rate", "east", 90.0)
    )
    assert names(computed) == ["methods.result.residual"]
    assert only(computed, indicator="uncovered_rate")["value"] == pytest.approx(10.0)


def test_a_result_beyond_the_bounds_is_found() -> None:
    assert "methods.formula.beyond-bounds" in names(
        formulas_of(row("served", "east", 130.0), row("people", "east", 100.0))
    )


def test_facts_never_meet_demonstrations_in_a_formula() -> None:
    assert formulas_of(
        row("served", "east", 1.0, kind="demonstration"), row("people", "east", 2.0)
    ).observations.is_empty()


def test_an_estimated_input_makes_the_result_an_estimate() -> None:
    estimate = formulas_of(row("served", "east", 1.0, kind="estimated"), row("people", "east", 2.0))
    assert only(estimate, indicator="coverage_rate")["kind"] == "estimated"


def test_formulas_in_a_circle_are_refused() -> None:
    circle = INDICATORS | {"served": indicator("served", "percent", formula="uncovered_rate")}
    with pytest.raises(ContentError, match="circle"):
        compute_formulas(observation_frame(), circle, TYPES)


def test_no_observations_give_no_results() -> None:
    empty = observation_frame()
    for computed in (
        add_up_places(empty, INDICATORS, PLACES, place="province"),
        add_up_breakdown(empty, INDICATORS, "building_class", PARENTS),
        add_up_periods(empty, INDICATORS),
        compute_formulas(empty, INDICATORS, TYPES),
    ):
        assert computed.observations.is_empty()
        assert computed.observations.schema == empty.schema
        assert computed.findings == []


def test_findings_of_one_kind_are_counted_and_show_the_worst() -> None:
    many = [f"place-{number}" for number in range(50)]
    rows = [row("people", name, 100.0) for name in many]
    rows += [row("served", name, 101.0 + number) for number, name in enumerate(many)]
    rows += [row("coverage_rate", name, 90.0) for name in many]
    computed = formulas_of(*rows)
    assert computed.observations.filter(pl.col("indicator") == "coverage_rate").height == 50
    found = {one.name: one for one in computed.findings}
    assert len(found) == len(computed.findings), "one of each kind"
    beyond = found["methods.formula.beyond-bounds"]
    assert (beyond.evidence["rows"], beyond.evidence["place"], beyond.evidence["value"]) == (50, "place-49", 150.0)
    assert (beyond.evidence["lowest"], beyond.evidence["highest"]) == (101.0, 150.0)
    residual = found["methods.result.residual"]
    assert (residual.evidence["rows"], residual.evidence["residual"], residual.severity) == (50, -60.0, "warning")
    assert "共 50 个" in residual.sentence


def test_differences_by_rounding_are_counted_apart_from_real_ones() -> None:
    pairs = {"east": 80.1, "west": 80.2, "north": 60.0}
    rows = [row("people", name, 100.0) for name in pairs] + [row("served", name, 80.0) for name in pairs]
    computed = formulas_of(*rows, *(row("coverage_rate", name, value) for name, value in pairs.items()))
    found = sorted((one.severity.value, one.evidence["rows"], one.evidence["place"]) for one in computed.findings)
    assert found == [("info", 2, "west"), ("warning", 1, "north")]

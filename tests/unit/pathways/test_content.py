"""The shipped parameters: they close the base year, run for every place, and say where each value comes from."""

import csv
from collections import Counter
from copy import copy
from pathlib import Path

import numpy as np
import pytest

from dafeng.base.finding import Severity
from dafeng.catalog import Catalog, load_catalog
from dafeng.pathways.ensemble import ensemble
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.peaks import peak_years
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.scenario_words import compare_scenarios
from dafeng.pathways.scenarios import resolve_scenario, scenario_inputs
from dafeng.pathways.solving import solve_scenario

_KWH_PER_EJ = 1e18 / 3.6e6
_2020 = 20
_PROVINCES = 31
_DEMAND = ("heat_service", "cool_service", "person_demand", "area_demand")
_BACKCAST_LAST = 2014
_EARLY_EVIDENCE = {"lbnl-cbecm", "nea-electricity", "berc-2016", "pathway-estimate"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def uncalibrated(catalog: Catalog) -> Catalog:
    plain = copy(catalog)
    plain.path_parameters = {name: one for name, one in catalog.path_parameters.items() if not one.calibrated}
    return plain


@pytest.fixture(scope="module")
def books(catalog: Catalog) -> dict[str, InputBook]:
    return {place: read_inputs(catalog, place) for place in catalog.path_places}


@pytest.fixture(scope="module")
def outcomes(books: dict[str, InputBook]) -> dict[str, Outcome]:
    return {place: run(book.arrays()) for place, book in books.items()}


@pytest.fixture(scope="module")
def nation(books: dict[str, InputBook]) -> Outcome:
    return run(books["cn"].arrays(), detail=True)


def _rows(outcome: Outcome, segment: str) -> list[int]:
    return [
        at for at, code in enumerate(outcome.axes.members("building_class")) if outcome.axes.segment(code) == segment
    ]


def _total(catalog: Catalog, publisher: str, scope: str, year: int, place: str = "cn") -> float:
    (found,) = (
        one.value
        for one in catalog.published_totals.values()
        if (one.publisher, one.scope, one.year, one.place) == (publisher, scope, year, place)
    )
    return found


def _mt(outcome: Outcome, view: str, year: int) -> float:
    return float(outcome.view(view)[year - 2000, 0]) / 1e6


# ---- the nation closes by construction: only provinces are calibrated
def test_the_nation_is_not_calibrated(catalog: Catalog) -> None:
    assert not [
        one.id
        for one in catalog.path_parameters.values()
        if one.place == "cn" and (one.calibrated or one.quantity.startswith("calibration_"))
    ]


@pytest.mark.parametrize("segment", ["urban_residential", "rural_residential", "public"])
def test_energy_of_2020_closes_by_class_and_carrier(catalog: Catalog, nation: Outcome, segment: str) -> None:
    prefix = f"final_energy_{segment}_"
    stated = {
        one.scope.removeprefix(prefix): one.value
        for one in catalog.published_totals.values()
        if one.publisher == "EPS" and one.scope.startswith(prefix)
    }
    heating = stated.pop("space_heating")
    rows = _rows(nation, segment)
    for carrier, value in stated.items():
        found = nation.final[rows, nation.axes.index("carrier", carrier), _2020, 0].sum() / _KWH_PER_EJ
        assert found == pytest.approx(value, rel=0.01, abs=0.005), carrier
    assert nation.final_use is not None
    used = nation.final_use[rows, nation.axes.index("end_use", "space_heating"), :, _2020, 0].sum() / _KWH_PER_EJ
    assert used == pytest.approx(heating, rel=0.015)


def test_three_publishers_of_2020(catalog: Catalog, nation: Outcome) -> None:
    operation = _mt(nation, "building_operation", 2020)
    assert operation == pytest.approx(_total(catalog, "BERC", "operation_co2", 2020), rel=0.04)
    assert operation == pytest.approx(_total(catalog, "CABEE", "operation_co2", 2020), rel=0.04)
    energy = float(nation.energy("generation")[_2020, 0]) / 1e6
    assert energy == pytest.approx(_total(catalog, "BERC", "operation_energy_commercial", 2020), rel=0.04)
    by_class = nation.operation_by_class()[:, _2020, 0] / 1e6
    for segment in ("urban_residential", "rural_residential", "public"):
        stated = _total(catalog, "CABEE", f"operation_co2_{segment}", 2020)
        assert by_class[_rows(nation, segment)].sum() == pytest.approx(stated, rel=0.10), segment
    direct = float(nation.component("direct_building")[_2020, 0]) / 1e6
    assert direct == pytest.approx(525, rel=0.02)  # the bottom-up sum of the same energy table


def test_floor_areas_are_those_of_the_yearbook_series(catalog: Catalog, nation: Outcome) -> None:
    for year in (2020, 2022):
        for segment in ("urban_residential", "rural_residential", "public"):
            found = nation.area[_rows(nation, segment), year - 2000, 0].sum() / 1e8
            stated = _total(catalog, "BERC-2021", f"floor_area_{segment}", year)
            assert found == pytest.approx(stated, rel=0.005), (segment, year)
    # conflict of editions: before 2019 the urban series is scaled up, so it stands above the old one
    old = nation.area[_rows(nation, "urban_residential"), 18, 0].sum() / 1e8
    assert old == pytest.approx(276, rel=0.01)


@pytest.mark.parametrize("year", [2010, 2015, 2018, 2019, 2020, 2022, 2023, 2024])
def test_household_electricity_follows_the_statistics(catalog: Catalog, nation: Outcome, year: int) -> None:
    found = nation.final[:2, nation.axes.index("carrier", "electricity"), year - 2000, 0].sum() / 1e8
    assert found == pytest.approx(_total(catalog, "NEA", "electricity_residential", year), rel=0.06)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("operation per m2", 30, 36), ("urban residential per m2", 26, 34), ("rural residential per m2", 16, 24),
        ("public per m2", 48, 68), ("operation per head", 1.45, 1.65), ("final energy EJ", 20, 22.5),
        ("embodied per completion", 300, 650), ("completions of 2020 over stock", 0.025, 0.05),
        ("demolition over stock", 0.005, 0.025), ("completions in 亿m2", 22, 30),
    ],
)  # fmt: skip
def test_sanity_ratios(nation: Outcome, name: str, low: float, high: float) -> None:
    by_class, area = nation.operation_by_class()[:, _2020, 0] * 1e3, nation.area[:, _2020, 0]
    rows = {segment: _rows(nation, segment) for segment in ("urban_residential", "rural_residential", "public")}
    completed = nation.inflow[:, _2020, 0].sum()
    carriers = [at for at, code in enumerate(nation.axes.members("carrier")) if code != "solar_thermal"]
    found = {
        "operation per m2": by_class.sum() / area.sum(),
        "urban residential per m2": by_class[rows["urban_residential"]].sum() / area[rows["urban_residential"]].sum(),
        "rural residential per m2": by_class[rows["rural_residential"]].sum() / area[rows["rural_residential"]].sum(),
        "public per m2": by_class[rows["public"]].sum() / area[rows["public"]].sum(),
        "operation per head": by_class.sum() / 1e3 / nation.population[_2020, 0],
        "final energy EJ": nation.final[:, carriers, _2020, 0].sum() / _KWH_PER_EJ,
        "embodied per completion": nation.view("embodied")[_2020, 0] * 1e3 / completed,
        "completions of 2020 over stock": completed / area.sum(),
        "demolition over stock": nation.outflow[:, _2020, 0].sum() / area.sum(),
        "completions in 亿m2": completed / 1e8,
    }[name]
    assert low <= found <= high


def test_backcast_parameters_rest_on_early_evidence(catalog: Catalog) -> None:
    for one in catalog.path_parameters.values():
        if one.place == "cn" and one.quantity in _DEMAND:
            cited = {point.source or one.source for point in one.points if point.year <= _BACKCAST_LAST}
            assert cited <= _EARLY_EVIDENCE, one.id
            assert one.curve is not None, one.id
            assert one.curve.ceiling_low is not None, one.id


# ---- every place
def test_every_place_runs_without_errors(books: dict[str, InputBook], outcomes: dict[str, Outcome]) -> None:
    assert len(books) >= _PROVINCES + 2
    for place, book in books.items():
        assert not [finding.sentence for finding in book.findings if finding.severity is Severity.ERROR], place
        assert not [finding.name for finding in book.findings if finding.name == "pathways.standard.missing"], place
        for values in (outcomes[place].view("whole_field"), outcomes[place].final, outcomes[place].area):
            assert np.isfinite(values).all(), place
            assert (values >= 0).all(), place


def test_each_place_has_its_own_activity_and_says_what_it_borrows(
    catalog: Catalog, books: dict[str, InputBook]
) -> None:
    for place, book in books.items():
        own = {origin.quantity for origin in book.origins if not origin.borrowed and origin.parameter}
        assert {"population", "urban_share", "heat_index", "heat_service"} <= own, place
    assert {"grid_factor", "heat_source_share", "floor_per_head"} <= {
        origin.quantity for origin in books["jilin"].origins if origin.place == "jilin"
    }
    qingdao = {origin.quantity: origin.place for origin in books["qingdao"].origins if origin.borrowed}
    assert qingdao["floor_per_head"] == "shandong"
    assert qingdao["grid_factor"] == "shandong"


def test_provinces_add_up_to_the_nation(outcomes: dict[str, Outcome], catalog: Catalog, uncalibrated: Catalog) -> None:
    provinces = [place for place in outcomes if place != "cn" and catalog.places.get(place).parent == "cn"]
    assert len(provinces) == _PROVINCES

    def ratio(value: str) -> float:
        parts = sum(_mt(outcomes[place], value, 2020) for place in provinces)
        return parts / _mt(outcomes["cn"], value, 2020)

    assert ratio("building_operation") == pytest.approx(1, abs=0.05)
    # fitted to an inventory, the direct emissions of the provinces add up to less than the national energy table has
    assert 0.7 < ratio("direct_building") < 1.0
    plain = {place: run(read_inputs(uncalibrated, place).arrays()) for place in provinces}
    parts = sum(_mt(plain[place], "direct_building", 2020) for place in provinces)
    assert parts / _mt(outcomes["cn"], "direct_building", 2020) == pytest.approx(1, abs=0.10)
    heat = [float(outcomes[place].heat_at_source[_2020, 0]) for place in provinces]
    assert sum(heat) / float(outcomes["cn"].heat_at_source[_2020, 0]) == pytest.approx(1, abs=0.12)
    people = sum(float(outcomes[place].population[_2020, 0]) for place in provinces)
    assert people / float(outcomes["cn"].population[_2020, 0]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("place", "low", "high"), [("jilin", 0.30, 0.45), ("shandong", 0.21, 0.34), ("qingdao", 0.20, 0.32)]
)
def test_heat_delivered_to_the_heated_area(outcomes: dict[str, Outcome], place: str, low: float, high: float) -> None:
    outcome = outcomes[place]
    delivered = float(outcome.heat_delivered[_2020, 0]) * 3.6e-3 / float(outcome.heated_area[_2020, 0])
    assert low <= delivered <= high


@pytest.mark.parametrize("place", ["cn", "jilin", "shandong", "qingdao"])
def test_base_year_uncertainty_is_sane(books: dict[str, InputBook], place: str) -> None:
    drawn = ensemble(books[place], None, draws=256, seed=7, residual=False, keep=("building_operation",))
    low, middle, high = np.quantile(
        drawn.series["building_operation"][list(drawn.years).index(2020)], [0.05, 0.5, 0.95]
    )
    assert 0.03 < (high - middle) / middle < 0.16
    assert 0.03 < (middle - low) / middle < 0.16


# ---- the trend follows what is known by now, and no year is a cliff
def test_household_electricity_of_2025_is_a_standard_year_below_a_hot_one(catalog: Catalog, nation: Outcome) -> None:
    found = nation.final[:2, nation.axes.index("carrier", "electricity"), 25, 0].sum() / 1e8
    assert 0.94 < found / _total(catalog, "NEA", "electricity_residential", 2025) < 1.0


@pytest.mark.parametrize("year", [2018, 2020, 2021, 2022, 2023, 2024, 2025])
def test_public_electricity_is_most_of_the_tertiary_sector_s(catalog: Catalog, nation: Outcome, year: int) -> None:
    # the rest is transport, data centres, charging and street lamps, which have grown faster since 2018
    found = nation.final[2:, nation.axes.index("carrier", "electricity"), year - 2000, 0].sum() / 1e8
    assert 0.70 < found / _total(catalog, "NEA", "electricity_tertiary", year) < 0.84


def test_electricity_for_devices_grows_between_the_published_paths(nation: Outcome) -> None:
    uses = [
        nation.axes.index("end_use", one) for one in ("space_cooling", "lighting", "appliances", "building_services")
    ]
    assert nation.final_use is not None
    used = nation.final_use[:, uses, nation.axes.index("carrier", "electricity"), :, 0].sum(axis=(0, 1))
    per_head = used / np.broadcast_to(nation.population[:, 0], used.shape)
    assert 1.35 < per_head[60] / per_head[30] < 1.64  # pledges of the IEA; business as usual of EPS


def test_completions_fall_year_by_year_after_2021(nation: Outcome) -> None:
    completed = nation.inflow[[row for row in range(nation.inflow.shape[0]) if row != 1], :, 0].sum(axis=0)
    steps = completed[22:28] / completed[21:27] - 1
    assert (steps < 0.01).all()
    assert (steps > -0.14).all()  # 2022 to 2023 was a fall of a third before
    assert -0.45 < completed[27] / completed[21] - 1 < -0.25


def test_the_grid_path_lies_among_the_published_ones(catalog: Catalog, books: dict[str, InputBook]) -> None:
    points = {point.year: point for point in catalog.path_parameters["cn-grid-factor"].points}
    rebased = 0.5306 / (0.5043 + 0.3 * (0.3597 - 0.5043))  # EPS policy, read at 2023
    assert points[2030].value == pytest.approx((0.3597 * rebased + 0.47) / 2, abs=0.001)
    assert points[2040].value == pytest.approx((0.1496 * rebased + 0.47 - (0.47 - 0.072) / 3) / 2, abs=0.001)
    slowest = 0.548 * 0.5306 / (0.609 + 0.3 * (0.548 - 0.609))  # EPS business as usual, read at 2023
    assert points[2030].high is not None
    assert slowest < points[2030].high < 0.548
    drawn = books["cn"].arrays().arrays["grid_factor"]
    steps = np.diff(drawn.ravel()[2024 - 1950 : 2061 - 1950])
    assert (steps < 0).all()
    assert np.abs(np.diff(steps)).max() < 0.003  # no knee in any year: a knee draws peaks to it


def test_ultra_low_area_is_that_of_the_ministry(nation: Outcome, books: dict[str, InputBook]) -> None:
    share = books["cn"].arrays().late("advanced_share").sum(axis=1)
    urban = [row for row in range(share.shape[0]) if row != 1]
    built = (nation.inflow[urban] * share[urban]).sum(axis=0)[:, 0].cumsum() / 1e8
    assert built[20] == pytest.approx(0.1, abs=0.05)
    assert 0.24 < built[23] < 0.45
    assert built[25] - built[20] == pytest.approx(0.5, abs=0.15)


def test_a_plan_in_full_is_no_leap(catalog: Catalog, books: dict[str, InputBook]) -> None:
    for place in ("cn", "jilin", "qingdao"):
        resolved = solve_scenario(resolve_scenario(catalog, "plan-full", place=place), books[place])
        direct = run(scenario_inputs(books[place], resolved)).view("direct")[:, 0]
        assert (direct[21:31] / direct[20:30]).min() > 0.75, place  # a year of the plan, not ten at once


def test_a_target_that_the_trend_meets_reads_so(catalog: Catalog, books: dict[str, InputBook]) -> None:
    trend = resolve_scenario(catalog, "trend", place="cn")
    plan = solve_scenario(resolve_scenario(catalog, "plan-full", place="cn"), books["cn"])
    said = compare_scenarios(catalog, trend, plan)
    assert "城镇建筑用能电气化不用另加，趋势已达目标" in said
    assert not [sentence for sentence in said if "达到 0%" in sentence]


def test_ultra_low_target_of_qingdao_counts_certified_area_alone(catalog: Catalog, books: dict[str, InputBook]) -> None:
    resolved = solve_scenario(resolve_scenario(catalog, "plan-full", place="qingdao"), books["qingdao"])
    (level,) = (one.levels[0].level for one in resolved.stated if one.measure == "ultra_low_buildings")
    assert 0 < level < 0.1
    assert "ultra_low_public" not in {one.measure for one in resolved.stated}


def test_national_peak_of_operation_is_no_certainty(books: dict[str, InputBook], catalog: Catalog) -> None:
    frozen = ensemble(
        books["cn"], resolve_scenario(catalog, "frozen", place="cn"), draws=256, seed=7, keep=("building_operation",)
    )
    peaks = peak_years(frozen.series["building_operation"], frozen.years)
    assert 0.3 < peaks.probability_by(2030) < 0.9
    assert np.quantile(peaks.year, 0.95) >= 2032


# ---- provenance
def test_every_source_is_known_and_no_value_is_bare(catalog: Catalog) -> None:
    known = set(catalog.sources)
    for one in catalog.path_parameters.values():
        assert {one.source, *(point.source for point in one.points if point.source)} <= known, one.id
    for section in (catalog.energy_standards, catalog.published_totals, catalog.peak_studies, catalog.path_places):
        assert {one.source for one in section.values()} <= known


def test_unsure_values_have_a_range(catalog: Catalog) -> None:
    # shares make room for one another, and conventions have none; everything else unsure of a place is drawn
    without = {
        "public_mix",
        "technology_share",
        "heat_source_share",
        "technology_efficiency",
        "heat_source_input",
        "residual_scatter",
    }
    bare = [
        one.id
        for one in catalog.path_parameters.values()
        if one.grade.value == "C"
        and one.quantity not in without
        and not any(point.low is not None for point in one.points)
    ]
    assert not bare


def test_all_peak_studies_are_there(catalog: Catalog, shared: Path) -> None:
    with (shared / "domain" / "facts" / "peak_forecasts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(catalog.peak_studies) == len(rows)
    stated = Counter(
        row["peak_value"].split("±")[0] for row in rows if row["peak_value"] and "-" not in row["peak_value"]
    )
    found = Counter(f"{one.peak_value:g}" for one in catalog.peak_studies.values() if one.peak_value is not None)
    missing = [value for value in stated if f"{float(value):g}" not in found]
    assert not missing


def test_grid_factors_of_provinces_are_the_official_ones(catalog: Catalog, shared: Path) -> None:
    with (shared / "domain" / "facts" / "grid_factors.csv").open(encoding="utf-8") as file:
        official = {
            (row["adcode"], int(row["data_year"])): float(row["factor"])
            for row in csv.DictReader(file)
            if row["scope"] == "province"
        }
    codes = {place.codes[0].code: place.id for place in catalog.places if place.codes}
    for (code, year), value in official.items():
        points = catalog.path_parameters[f"{codes[code]}-grid-factor"].points
        assert next(point.value for point in points if point.year == year) == pytest.approx(value), (code, year)


# ---- what a place states and what it borrows
def test_a_stated_share_holds_and_the_nation_makes_room(books: dict[str, InputBook]) -> None:
    henan, nation = books["henan"].arrays(), books["cn"].arrays()
    at = {code: row for row, code in enumerate(henan.axes.members("technology"))}
    shares, wider = (one.arrays["technology_share"][0, :, 2020 - 1950, 0] for one in (henan, nation))
    assert shares[at["district_heating"]] == pytest.approx(0.55, abs=1e-6)
    heating = [at[code] for code in at if code.endswith("_heating") or code.endswith("heat_pump")]
    assert shares[heating].sum() == pytest.approx(1)
    assert shares[at["gas_heating"]] / shares[at["coal_heating"]] == pytest.approx(
        wider[at["gas_heating"]] / wider[at["coal_heating"]]
    )


def test_panels_are_borrowed_by_share_of_population(books: dict[str, InputBook]) -> None:
    henan, nation = books["henan"].arrays().arrays, books["cn"].arrays().arrays
    people = henan["population"][2023 - 1950, 0] / nation["population"][2023 - 1950, 0]
    panels = henan["pv_capacity"][:, 2023 - 1950, 0] / nation["pv_capacity"][:, 2023 - 1950, 0]
    assert panels == pytest.approx(people, rel=1e-6)
    assert people == pytest.approx(9815 / 140967, rel=1e-4)


def test_people_are_never_borrowed(catalog: Catalog) -> None:
    book = read_inputs(catalog, "changchun")
    assert "population" in {finding.value for finding in book.findings if finding.severity is Severity.ERROR}

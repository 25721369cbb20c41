"""Which value holds for a place, how it lies between years and in the fan, and what a frozen scenario keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dafeng.base.errors import InputError, NotEnoughDataError, UnitError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.catalog.pathway_schemas import Between, PathwayParameter
from dafeng.catalog.pathway_tables import PathwayAxes, interpolate
from dafeng.pathways.distributions import scores, values_at
from dafeng.pathways.model import run
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.sanity import ratio_values, sanity
from pathway_builders import (
    CITY,
    NATION,
    PROVINCE,
    invented,
    invented_parameters,
    parameter,
    settings,
    standard,
    with_pathways,
)

PEOPLE = parameter("population", {}, "万人", {1950: 1000, 2020: (2400, 2300, 2500)}, place=PROVINCE)


def book_of(*more: PathwayParameter, place: str = PROVINCE, given: tuple[PathwayParameter, ...] = ()) -> InputBook:
    own = {one.id for one in more}
    base = [one for one in invented_parameters() if one.id not in own]
    people = (
        [] if place == NATION or any(one.quantity == "population" and one.place == place for one in more) else [PEOPLE]
    )
    return read_inputs(with_pathways([*base, *people, *more]), place, parameters=given)


def value(book: InputBook, name: str, year: int, *codes: str) -> float:
    inputs = book.arrays()
    rows = [inputs.axes.index(axis, code) for axis, code in zip(inputs.axes_of(name), codes, strict=True)]
    return float(inputs.arrays[name][(*rows, year - 1950, 0)])


def test_units_are_those_of_the_variable_table() -> None:
    book = book_of(place=NATION)
    assert value(book, "population", 2020) == 1.4e9
    assert value(book, "urban_share", 2020) == pytest.approx(0.64)
    assert value(book, "heat_index", 2000, "urban_residential") == pytest.approx(0.4 / 0.0036)
    assert value(book, "retrofit_area", 2020, "public") == pytest.approx(1e7)
    assert value(book, "grid_factor", 2000) == pytest.approx(0.9)
    assert value(book, "pv_yield", 2000) == pytest.approx(1200)
    assert value(book, "pv_capacity", 2060, "public") == pytest.approx(3e8)


def test_the_nearest_place_holds_then_the_narrowest_member() -> None:
    book = book_of(
        parameter("heat_index", {"building_class": "public"}, "kWh/m2", {2000: 77}, place=PROVINCE),
        parameter("heat_index", {"building_class": "office"}, "kWh/m2", {2000: 55}),
        parameter("heat_index", {"building_class": "hotel"}, "kWh/m2", {2000: 66}, place=PROVINCE),
    )
    assert value(book, "heat_index", 2020, "office") == 77  # the province's wider member before the nation's own
    assert value(book, "heat_index", 2020, "hotel") == 66
    assert value(book, "heat_index", 2020, "rural_residential") == pytest.approx(0.4 / 0.0036)
    by_id = {origin.parameter: origin for origin in book.origins}
    assert not by_id["jilin-heat-index-hotel"].borrowed
    assert by_id["cn-heat-index-all"].borrowed
    assert (by_id["cn-heat-index-all"].place, by_id["cn-heat-index-all"].grade.value) == (NATION, "C")
    assert "cn-heat-index-office" not in by_id
    default = [origin for origin in book.origins if origin.quantity == "fuel_factor" and not origin.parameter]
    assert len(default) == 1
    assert not default[0].borrowed


def test_given_values_hold_before_those_of_the_catalog() -> None:
    given = (
        parameter("lifetime", {"segment": "all"}, "year", {1950: 60}, id="ours"),
        parameter("lifetime", {"segment": "all"}, "year", {1950: 70}, id="ours-too", place=PROVINCE),
    )
    book = book_of(parameter("lifetime", {"segment": "public"}, "year", {1950: 30}, place=PROVINCE), given=given)
    assert value(book, "lifetime", 1990, "public") == 70
    assert value(book_of(given=given[:1]), "lifetime", 1990, "public") == 60


def test_given_values_that_fit_nothing_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="lifetimes"):
        book_of(given=(parameter("lifetimes", {}, "year", {1950: 60}),))
    with pytest.raises(UnknownNameError, match="carrier"):
        book_of(given=(parameter("lifetime", {"carrier": "coal"}, "year", {1950: 60}),))
    with pytest.raises(UnknownNameError, match="publick"):
        book_of(given=(parameter("lifetime", {"segment": "publick"}, "year", {1950: 60}),))
    with pytest.raises(UnitError):
        book_of(given=(parameter("lifetime", {"segment": "public"}, "kWh", {1950: 60}),))


def test_what_grows_with_the_place_is_borrowed_by_population() -> None:
    book = book_of()
    assert value(book, "pv_capacity", 2060, "public") == pytest.approx(3e8 * 2400 / 120000)
    assert value(book, "pv_yield", 2060) == 1200
    city = read_inputs(with_pathways([*invented_parameters(), PEOPLE]), CITY)
    errors = [finding for finding in city.findings if finding.severity is Severity.ERROR]
    assert [(finding.name, finding.value) for finding in errors] == [("pathways.input.missing", "population")]


def test_shares_of_the_nearest_place_leave_room_for_others() -> None:
    own = parameter(
        "technology_share",
        {"building_class": "public", "technology": "district_heating"},
        "1",
        {2000: 0.8},
        place=PROVINCE,
    )
    book = book_of(own)
    # nation in 2020: district 0.6, coal 0.2, heat pumps 0.15, solar 0.05; what is left, 0.2, is shared as 0.2 : 0.15 : 0.05
    assert value(book, "technology_share", 2020, "office", "district_heating") == pytest.approx(0.8)
    assert value(book, "technology_share", 2020, "office", "coal_heating") == pytest.approx(0.1)
    assert value(book, "technology_share", 2020, "office", "air_heat_pump") == pytest.approx(0.075)
    assert value(book, "technology_share", 2020, "rural_residential", "district_heating") == pytest.approx(0.6)
    assert value(book, "technology_share", 2020, "office", "gas_cooking") == pytest.approx(0.6)
    given = parameter(
        "technology_share", {"building_class": "all", "technology": "gas_heating"}, "1", {2000: 0.5}, id="gas"
    )
    book = book_of(own, given=(given,))
    assert value(book, "technology_share", 2020, "office", "gas_heating") == pytest.approx(0.5)
    assert value(book, "technology_share", 2020, "office", "district_heating") == pytest.approx(0.4)
    assert value(book, "technology_share", 2020, "rural_residential", "coal_heating") == pytest.approx(0.1)


def test_shares_fill_up_where_nobody_shares_the_rest() -> None:
    own = [
        parameter("technology_share", {"building_class": "all", "technology": code}, "1", points, place=PROVINCE)
        for code, points in (("coal_heating", {2000: 0.5, 2050: 0.2}), ("gas_heating", {2000: 0.4, 2050: 0.8}))
    ]
    nation = parameter(
        "technology_share", {"building_class": "all", "technology": "air_heat_pump"}, "1", {2020: 0, 2030: 1}
    )
    others = {"district_heating", "coal_heating", "solar_heating"}
    base = [one for one in invented_parameters() if one.of.get("technology") not in others and one.id != nation.id]
    book = read_inputs(with_pathways([*base, nation, PEOPLE, *own]), PROVINCE)
    assert value(book, "technology_share", 2000, "office", "coal_heating") == pytest.approx(0.5 / 0.9)
    assert value(book, "technology_share", 2000, "office", "gas_heating") == pytest.approx(0.4 / 0.9)
    assert value(book, "technology_share", 2030, "office", "air_heat_pump") == pytest.approx(1 - 0.32 - 0.64)
    shares = book.arrays().late("technology_share")
    heating = [book.axes.index("technology", one) for one in ("coal_heating", "gas_heating", "air_heat_pump")]
    assert np.allclose(shares[:, heating].sum(axis=1), 1)


def test_between_the_years_stated() -> None:
    path = interpolate([2000, 2010], [1.0, 3.0], Between.LINEAR)
    assert path[[0, 50, 55, 60, 110]].tolist() == [1, 1, 2, 3, 3]
    assert interpolate([2000, 2010], [1.0, 3.0], Between.STEP)[[0, 50, 59, 60]].tolist() == [1, 1, 1, 3]
    assert interpolate([2000, 2010], [1.0, 4.0], Between.GEOMETRIC)[55] == pytest.approx(2)
    assert interpolate([2000, 2010], [0.0, 4.0], Between.GEOMETRIC)[55] == 2


def test_a_curve_goes_towards_its_ceiling() -> None:
    curve = {"ceiling": 50, "ceiling_low": 40, "ceiling_high": 70, "rate": 0.05}
    grown = parameter("floor_per_head", {"segment": "public"}, "m2/person", {1950: 1, 2020: (10, 9, 12)}, curve=curve)
    book = book_of(grown, place=NATION)
    assert value(book, "floor_per_head", 2020, "public") == 10
    assert value(book, "floor_per_head", 2040, "public") == pytest.approx(50 - 40 * math.exp(-1))
    low, high = (book.arrays({grown.id: np.array([at])}).arrays["floor_per_head"][2, 90, 0] for at in (0.05, 0.95))
    assert (low, high) == (pytest.approx(40 - 31 * math.exp(-1)), pytest.approx(70 - 58 * math.exp(-1)))


@pytest.mark.parametrize("spread", ["normal", "triangular", "uniform", "lognormal"])
def test_low_and_high_are_the_5th_and_95th_percentile(spread: str) -> None:
    at = np.linspace(0.0005, 0.9995, 1000)
    low, mid, high = (np.array([one]) for one in (2.0, 3.0, 7.0))
    drawn = values_at(low, mid, high, scores(at, spread), spread)[0]  # type: ignore[arg-type]
    assert np.quantile(drawn, [0.05, 0.5, 0.95]) == pytest.approx([2, 3, 7], abs=0.02)
    assert (np.diff(drawn) > 0).all()
    assert np.isfinite(values_at(low, mid, high, scores(np.array([0.0, 1.0]), spread), spread)).all()  # type: ignore[arg-type]
    if spread == "triangular":  # its halves end: at 0 the lowest value, (3 - 2) / (1 - sqrt 0.1) below the middle
        assert scores(np.array([0.0]), spread)[0] == pytest.approx(-1 / (1 - math.sqrt(0.1)), rel=1e-4)


def test_a_path_lies_at_one_place_of_its_fan() -> None:
    book = book_of(place=NATION)
    name = "cn-urban-share"
    drawn = book.arrays({name: np.array([0.05, 0.5, 0.8, 0.95])}).arrays["urban_share"]
    assert drawn.shape == (111, 4)
    assert np.allclose(drawn[110], [0.74, 0.80, 0.80 + 0.06 * float(scores(np.array([0.8]), "normal")[0]), 0.86])
    assert (drawn[70] == 0.64).all()  # certain in 2020
    assert (np.diff(drawn[80], axis=0) > 0).all()
    assert book.arrays({"unknown": np.array([0.5])}).draws == 1


def test_parameters_of_one_group_move_together_and_stop_at_their_bounds() -> None:
    both = [
        parameter("network_loss", {}, "1", {2000: (0.1, 0.05, 0.15)}, group="heat"),
        parameter("delivery_excess", {}, "1", {2000: (0.2, 0.0, 0.4)}, group="heat", spread="uniform"),
    ]
    book = book_of(*both, place=NATION)
    assert "heat" in book.groups
    assert "cn-network-loss" not in book.groups
    drawn = book.arrays({"heat": np.array([0.0001, 0.95])}).arrays
    assert drawn["network_loss"][-1, 1] == pytest.approx(0.15)
    assert drawn["delivery_excess"][-1, 1] == pytest.approx(0.4)
    assert drawn["network_loss"][-1, 0] == 0.0  # the bound
    assert drawn["delivery_excess"][-1, 0] == 0.0


def test_shares_are_scaled_in_every_draw() -> None:
    book = book_of(place=NATION)
    name = "cn-technology-share-all-district-heating"
    drawn = book.arrays({name: np.array([0.05, 0.95])}).late("technology_share")[:, :, 20]
    axes = book.axes
    heating = [
        axes.index("technology", code)
        for code in ("district_heating", "coal_heating", "air_heat_pump", "solar_heating")
    ]
    assert np.allclose(drawn[:, heating].sum(axis=1), 1)
    assert drawn[0, heating[0], 1] == pytest.approx(0.7 / 1.1)
    assert drawn[0, heating[1], 1] == pytest.approx(0.2 / 1.1)


def test_quantiles_out_of_range_are_refused() -> None:
    book = book_of(place=NATION)
    with pytest.raises(InputError, match="leave 0 to 1"):
        book.arrays({"cn-urban-share": np.array([1.2])})
    with pytest.raises(InputError, match="leave 0 to 1"):
        book.arrays({"cn-urban-share": np.array([math.nan])})
    with pytest.raises(InputError, match="lengths"):
        book.arrays({"cn-urban-share": np.array([0.2]), "cn-network-loss": np.array([0.2, 0.3])})


def test_what_is_missing_is_named() -> None:
    parameters = [one for one in invented_parameters() if one.quantity not in ("grid_factor", "heat_source_share")]
    parameters = [
        one
        for one in parameters
        if one.of.get("technology") != "gas_cooking" and one.id != "cn-technology-efficiency-all"
    ]
    parameters = [one for one in parameters if one.of.get("technology") != "electric_cooking"]
    book = read_inputs(with_pathways(parameters), NATION)
    missing = {
        (finding.value, *finding.evidence.values()) for finding in book.findings if finding.severity is Severity.ERROR
    }
    assert {("grid_factor",), ("heat_source_share", "coal_chp"), ("technology_efficiency", "lamps")} <= missing
    assert ("technology_share", "office", "gas_cooking") in missing
    assert ("technology_efficiency", "oil_water") not in missing  # no share, no need
    with pytest.raises(NotEnoughDataError, match="missing"):
        book.arrays()
    with pytest.raises(NotEnoughDataError, match="path_places"):
        read_inputs(with_pathways(invented_parameters(), places=[settings(PROVINCE)]), NATION)
    with pytest.raises(UnknownNameError):
        read_inputs(invented(), "atlantis")


def test_activity_without_history_is_told() -> None:
    late = parameter("population", {}, "万人", {2005: 2600}, place=PROVINCE)
    (finding,) = book_of(late).findings
    assert (finding.name, finding.severity, finding.value) == ("pathways.input.late-start", Severity.WARNING, "2005")


def test_a_frozen_scenario_keeps_its_base_year() -> None:
    inputs = book_of(place=NATION).arrays()
    frozen = inputs.freeze(2020)
    for name, quantity in inputs.quantities.items():
        array, still = inputs.arrays[name], frozen.arrays[name]
        assert np.array_equal(array[..., :71, :], still[..., :71, :])
        if quantity.frozen:
            assert (still[..., 71:, :] == still[..., 70:71, :]).all()
        else:
            assert np.array_equal(array, still)
    assert (inputs.arrays["grid_factor"][-1] < 0.1).all()
    assert (frozen.arrays["grid_factor"] == inputs.arrays["grid_factor"]).all()
    assert run(frozen).view("direct")[-1, 0] > run(inputs).view("direct")[-1, 0]


def test_arrays_of_other_shapes_are_refused() -> None:
    inputs = book_of(place=NATION).arrays()
    with pytest.raises(InputError, match="shape"):
        inputs.with_arrays(lifetime=np.ones((2, 111, 1)))
    with pytest.raises(UnknownNameError, match="lifetimes"):
        inputs.with_arrays(lifetimes=np.ones((3, 111, 1)))
    with pytest.raises(InputError, match="draws"):
        inputs.with_arrays(population=np.ones((111, 2)), urban_share=np.ones((111, 3)))
    assert inputs.rows("technology_share", {"building_class": "public", "technology": "lamps"})[0] == [2, 3, 4, 5, 6, 7]


def test_codes_of_the_nearest_place_hold_by_cohort() -> None:
    rows = [
        standard(id="a", classes=("residential",), from_year=1990, heat_ratio=0.7, cool_ratio=0.9),
        standard(id="b", classes=("all",), from_year=2010, heat_ratio=0.5),
        standard(id="c", classes=("residential",), zones=("cold_a",), from_year=2010, heat_ratio=0.45),
        standard(id="d", classes=("residential",), zones=("mild_a",), from_year=2000, heat_ratio=0.1),
        standard(id="e", classes=("urban_residential",), place=PROVINCE, from_year=1996, heat_ratio=0.65),
        standard(id="f", classes=("public",), level="ultra_low", from_year=2020, heat_ratio=0.25),
    ]
    catalog = with_pathways([*invented_parameters(), PEOPLE], standards=rows)
    nation, province = read_inputs(catalog, NATION), read_inputs(catalog, PROVINCE)
    axes = PathwayAxes(catalog.path_members)
    city, rural, office = (
        axes.index("building_class", code) for code in ("urban_residential", "rural_residential", "office")
    )
    code = nation.ratios["code_heat_ratio"][..., 0]
    assert code[city, [39, 40, 59, 60, 110]].tolist() == [1, 0.7, 0.7, 0.45, 0.45]  # the zone's own, the narrower class
    assert code[office, [59, 60]].tolist() == [1, 0.5]
    assert nation.ratios["previous_heat_ratio"][city, [39, 40, 60], 0].tolist() == [1, 1, 0.7]
    assert nation.ratios["code_cool_ratio"][city, [39, 40, 60], 0].tolist() == [1, 0.9, 1]
    local = province.ratios["code_heat_ratio"][..., 0]
    assert local[city, [45, 46, 110]].tolist() == [1, 0.65, 0.65]  # any of the province's own, then only those
    assert local[rural, [40, 60]].tolist() == [0.7, 0.45]
    assert nation.ratios["level_heat_ratio"][office, 0, [0, 110], 0].tolist() == [0.25, 0.25]
    assert nation.ratios["level_heat_ratio"][city, 0, 110, 0] == 0.45  # no level above: as good as the code
    names = {(finding.name, finding.value) for finding in nation.findings}
    assert names == {("pathways.standard.missing", "ultra_low"), ("pathways.standard.missing", "near_zero")}


def test_ratios_outside_their_range_are_told() -> None:
    outcome = run(book_of(place=NATION).arrays())
    found = {finding.evidence["ratio"]: finding for finding in sanity(outcome, NATION)}
    area = outcome.area[2:].sum(axis=0)[20, 0]
    assert ratio_values(outcome, "area_per_head_public")[20, 0] == pytest.approx(10.0) == pytest.approx(area / 1.4e9)
    assert "area_per_head_public" not in found
    ratio = float(ratio_values(outcome, "residential_electricity_per_head")[23, 0])
    assert (found["residential_electricity_per_head"].severity, ratio < 950) == (Severity.WARNING, True)
    assert found["residential_electricity_per_head"].evidence["years_outside"] == 2
    assert sanity(outcome, PROVINCE) != ()
    assert sanity(outcome, CITY) == ()

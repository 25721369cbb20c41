"""A small invented country for the building-stock model: every quantity stated, most with a spread, nothing of it true."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.pathway_schemas import EnergyStandard, PathwayParameter, PathwayPlace

DAY = date(2026, 11, 20)
NATION, PROVINCE, CITY = "cn", "jilin", "changchun"

TABLE: tuple[tuple[str, dict[str, str], str, dict[int, Any]], ...] = (
    ("population", {}, "万人", {1950: 50000, 1990: 110000, 2020: (140000, 138000, 142000), 2060: (120000, 100000, 130000)}),
    ("urban_share", {}, "%", {1950: 12, 1980: 20, 2020: 64, 2060: (80, 74, 86)}),
    ("floor_per_head", {"segment": "urban_residential"}, "m2/person", {1950: 6, 1990: 14, 2020: (34, 31, 37), 2060: (40, 33, 48)}),
    ("floor_per_head", {"segment": "rural_residential"}, "m2/person", {1950: 12, 1990: 20, 2020: 44, 2060: (50, 40, 60)}),
    ("floor_per_head", {"segment": "public"}, "m2/person", {1950: 1, 1990: 3, 2020: 10, 2060: (13, 10, 16)}),
    ("public_mix", {"building_class": "public"}, "1", {1950: (0.1, 0.05, 0.2)}),
    ("public_mix", {"building_class": "office"}, "1", {1950: (0.5, 0.4, 0.6)}),
    ("lifetime", {"segment": "all"}, "year", {1950: (34, 26, 44), 2020: 40, 2040: (50, 40, 60)}),
    ("lifetime_shape", {"segment": "all"}, "1", {1950: 2.2}),
    ("protection", {"segment": "all"}, "1", {2000: 0, 2060: (0.2, 0.0, 0.4)}),
    ("standard_compliance", {"building_class": "all"}, "1", {1990: 0.3, 2010: (0.9, 0.8, 1.0)}),
    ("advanced_share", {"building_class": "urban_residential", "level": "ultra_low"}, "1", {2020: 0, 2060: (0.5, 0.2, 0.7)}),
    ("advanced_share", {"building_class": "urban_residential", "level": "near_zero"}, "1", {2030: 0, 2060: (0.3, 0.1, 0.6)}),
    ("retrofit_rate", {"building_class": "all"}, "%/year", {2005: 0, 2010: (1, 0.5, 1.5)}),
    ("retrofit_area", {"segment": "public"}, "亿平方米/年", {2015: 0, 2020: (0.1, 0.0, 0.2)}),
    ("retrofit_heat_saving", {"building_class": "all"}, "1", {2000: (0.3, 0.2, 0.5)}),
    ("retrofit_other_saving", {"building_class": "public"}, "1", {2000: (0.1, 0.05, 0.2)}),
    ("heat_index", {"building_class": "all"}, "GJ/m2", {2000: (0.4, 0.3, 0.5)}),
    ("heat_index", {"building_class": "public"}, "kWh/m2", {2000: (90, 70, 110)}),
    ("heat_service", {"building_class": "all"}, "1", {2000: 0.3, 2020: 0.45, 2060: (0.55, 0.45, 0.7)}),
    ("cool_index", {"building_class": "all"}, "kWh/m2", {2000: (40, 30, 60)}),
    ("cool_service", {"building_class": "all"}, "1", {2000: 0.1, 2020: (0.3, 0.2, 0.4), 2060: (0.6, 0.3, 0.8)}),
    ("person_demand", {"building_class": "all", "end_use": "all"}, "kWh/person", {2000: 60, 2020: (160, 140, 190), 2060: (300, 200, 450)}),
    ("person_demand", {"building_class": "urban_residential", "end_use": "cooking"}, "kWh/person", {2000: 300, 2060: 280}),
    ("area_demand", {"building_class": "all", "end_use": "all"}, "kWh/m2", {2000: 5, 2020: (12, 10, 15), 2060: (18, 12, 24)}),
    ("calibration_demand", {"building_class": "rural_residential", "end_use": "space_heating"}, "1", {2000: 0.8}),
    ("calibration_carrier", {"building_class": "all", "carrier": "coal"}, "1", {2000: 1.1, 2030: 1}),
    ("technology_share", {"building_class": "all", "technology": "district_heating"}, "1", {2000: 0.5, 2020: (0.6, 0.5, 0.7)}),
    ("technology_share", {"building_class": "all", "technology": "coal_heating"}, "1", {2000: 0.5, 2020: 0.2, 2040: 0}),
    ("technology_share", {"building_class": "all", "technology": "air_heat_pump"}, "1", {2000: 0, 2020: (0.15, 0.1, 0.25), 2040: 0.3}),
    ("technology_share", {"building_class": "all", "technology": "solar_heating"}, "1", {2000: 0, 2020: 0.05, 2040: 0.1}),
    ("technology_share", {"building_class": "all", "technology": "split_cooling"}, "1", {2000: 1}),
    ("technology_share", {"building_class": "all", "technology": "gas_water"}, "1", {2000: 0.5}),
    ("technology_share", {"building_class": "all", "technology": "heat_pump_water"}, "1", {2000: 0.2}),
    ("technology_share", {"building_class": "all", "technology": "biomass_water"}, "1", {2000: 0.3}),
    ("technology_share", {"building_class": "all", "technology": "gas_cooking"}, "1", {2000: (0.6, 0.5, 0.7)}),
    ("technology_share", {"building_class": "all", "technology": "electric_cooking"}, "1", {2000: 0.4}),
    ("technology_share", {"building_class": "all", "technology": "lamps"}, "1", {2000: 1}),
    ("technology_share", {"building_class": "all", "technology": "devices"}, "1", {2000: 1}),
    ("technology_share", {"building_class": "all", "technology": "services_electric"}, "1", {2000: 1}),
    ("technology_efficiency", {"technology": "all"}, "1", {2000: 0.8, 2040: (0.9, 0.85, 0.95)}),
    ("technology_efficiency", {"technology": "district_heating"}, "1", {2000: 1}),
    ("technology_efficiency", {"technology": "solar_heating"}, "1", {2000: 1}),
    ("technology_efficiency", {"technology": "air_heat_pump"}, "1", {2000: 2, 2040: (3, 2.5, 3.5)}),
    ("technology_efficiency", {"technology": "heat_pump_water"}, "1", {2000: 3}),
    ("technology_efficiency", {"technology": "split_cooling"}, "1", {2000: 3, 2040: (5, 4, 6)}),
    ("delivery_excess", {}, "1", {2000: (0.15, 0.1, 0.2)}),
    ("network_loss", {}, "%", {2000: (10, 8, 14)}),
    ("heat_source_share", {"heat_source": "coal_chp"}, "1", {2000: 0.5, 2040: (0.3, 0.2, 0.4)}),
    ("heat_source_share", {"heat_source": "coal_boiler"}, "1", {2000: 0.3, 2040: 0.1}),
    ("heat_source_share", {"heat_source": "gas_boiler"}, "1", {2000: 0.2, 2040: 0.2}),
    ("heat_source_share", {"heat_source": "waste_heat"}, "1", {2000: 0.0, 2040: 0.2}),
    ("heat_source_share", {"heat_source": "heat_pump_source"}, "1", {2000: 0.0, 2040: (0.2, 0.1, 0.3)}),
    ("heat_source_input", {"heat_source": "all"}, "1", {2000: 1.2}),
    ("heat_source_input", {"heat_source": "coal_chp"}, "1", {2000: (0.6, 0.5, 0.8)}),
    ("heat_source_input", {"heat_source": "heat_pump_source"}, "1", {2000: 0.4}),
    ("grid_factor", {}, "tCO2/MWh", {2000: 0.9, 2020: (0.58, 0.55, 0.6), 2060: (0.05, 0.02, 0.2)}),
    ("generation_coal", {}, "kgce/kWh", {2000: 0.36, 2020: 0.305, 2060: 0.25}),
    ("fuel_factor", {"carrier": "coal"}, "kgCO2/GJ", {2000: 94.6}),
    ("fuel_factor", {"carrier": "natural_gas"}, "kgCO2/GJ", {2000: 56.1}),
    ("fuel_factor", {"carrier": "lpg"}, "kgCO2/GJ", {2000: 63.1}),
    ("pv_capacity", {"segment": "all"}, "GW", {2010: 0, 2060: (300, 100, 600)}),
    ("pv_yield", {}, "h", {2000: (1200, 1100, 1300)}),
    ("material_intensity", {"segment": "all"}, "kgCO2/m2", {2000: (400, 330, 480)}),
    ("material_factor", {}, "1", {2020: 1, 2060: (0.6, 0.4, 0.8)}),
    ("retrofit_material", {"segment": "all"}, "kgCO2/m2", {2000: 40}),
    ("prefabricated_share", {"segment": "all"}, "1", {2015: 0, 2060: (0.6, 0.4, 0.8)}),
    ("prefabricated_saving", {"segment": "all"}, "kgCO2/m2", {2000: 30}),
    ("green_material_share", {"segment": "public"}, "1", {2015: 0, 2060: 0.8}),
    ("haul_intensity", {}, "kgCO2/m2", {2000: 12}),
    ("site_intensity", {}, "kgCO2/m2", {2000: (26, 20, 32)}),
    ("demolition_intensity", {}, "kgCO2/m2", {2000: 8}),
    ("recycling_share", {}, "1", {2000: 0.05, 2060: 0.6}),
    ("recycling_saving", {}, "kgCO2/m2", {2000: 5}),
    ("service_amount", {"service": "water_supply"}, "m3/person", {2000: 60}),
    ("service_amount", {"service": "sewage"}, "m3/person", {2000: 50}),
    ("service_amount", {"service": "street_lighting"}, "盏/人", {2000: 0.03}),
    ("service_energy", {"service": "water_supply"}, "kWh/m3", {2000: (0.4, 0.3, 0.5)}),
    ("service_energy", {"service": "sewage"}, "kWh/m3", {2000: 0.3}),
    ("service_energy", {"service": "street_lighting"}, "kWh/盏", {2000: 500}),
    ("service_energy", {"service": "heat_pumping"}, "kWh/m2", {2000: 2.5}),
)  # fmt: skip

STANDARDS: tuple[dict[str, Any], ...] = (
    {"id": "r30", "classes": ("residential",), "from_year": 1988, "heat_ratio": 0.8, "cool_ratio": 1.0},
    {"id": "r50", "classes": ("residential",), "from_year": 1998, "heat_ratio": 0.65, "cool_ratio": 0.9},
    {"id": "r65", "classes": ("urban_residential",), "from_year": 2012, "heat_ratio": 0.46, "cool_ratio": 0.8},
    {"id": "p50", "classes": ("public",), "from_year": 2006, "heat_ratio": 0.6, "cool_ratio": 0.85},
    {"id": "ul", "classes": ("all",), "from_year": 2020, "heat_ratio": 0.2, "cool_ratio": 0.5, "level": "ultra_low"},
    {"id": "nz", "classes": ("all",), "from_year": 2020, "heat_ratio": 0.1, "cool_ratio": 0.4, "level": "near_zero"},
)


def parameter(
    quantity: str, of: Mapping[str, str], unit: str, points: Mapping[int, Any], *, place: str = NATION, **more: Any
) -> PathwayParameter:
    """Return a parameter; a point is a value or value, low, high."""
    rows = []
    for year, said in points.items():
        value, low, high = said if isinstance(said, tuple) else (said, None, None)
        rows.append({"year": year, "value": value, "low": low, "high": high})
    name = "-".join([place, quantity, *of.values()]).replace("_", "-")
    given = {"id": name, "source": "convention-carbon-boundary", "grade": "C", "checked_on": DAY, **more}
    return PathwayParameter.model_validate(
        {"quantity": quantity, "place": place, "of": dict(of), "unit": unit, "points": rows, **given}
    )


def standard(**more: Any) -> EnergyStandard:
    given = {"title": {"zh": "标准", "en": "standard"}, "source": "convention-carbon-boundary", "grade": "C"}
    return EnergyStandard.model_validate({**given, **more})


def settings(place: str = NATION, **more: Any) -> PathwayPlace:
    given: dict[str, Any] = {
        "place": place, "base_year": 2020, "lifetime": "weibull", "age_zero": "start", "retrofit_before": 2010,
        "zone": "cold_a", "source": "convention-carbon-boundary", "grade": "C",
    }  # fmt: skip
    return PathwayPlace.model_validate({**given, **more})


def with_pathways(
    parameters: Sequence[PathwayParameter],
    standards: Sequence[EnergyStandard] | None = None,
    places: Sequence[PathwayPlace] | None = None,
) -> Catalog:
    """Return the shipped catalog with this pathway content alone."""
    catalog = copy.copy(load_catalog())
    catalog.path_parameters = {one.id: one for one in parameters}
    catalog.energy_standards = {one.id: one for one in (standards or [standard(**row) for row in STANDARDS])}
    catalog.path_places = {one.place: one for one in places or [settings()]}
    return catalog


def invented_parameters(place: str = NATION) -> list[PathwayParameter]:
    return [parameter(quantity, of, unit, points, place=place) for quantity, of, unit, points in TABLE]


@lru_cache(maxsize=1)
def invented() -> Catalog:
    """Return the shipped catalog with the invented country in place of the pathway content."""
    return with_pathways(invented_parameters())

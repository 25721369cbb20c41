"""Choices of a place that the tests of portfolios share."""

from __future__ import annotations

from functools import lru_cache

from dafeng.catalog import Catalog, load_catalog
from dafeng.pathways.portfolio_effects import Effects, linearise
from dafeng.pathways.portfolio_levels import Choices, open_choices
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.scenarios import ResolvedScenario, resolve_scenario
from dafeng.pathways.solving import solve_scenario

FIRST = 2027
SOME = (
    "code_compliance", "public_retrofit_area", "residential_retrofit_area", "submetering", "commissioning", "led_lighting", "solar_water",
    "electric_cooking", "hydraulic_balance", "waste_heat", "roof_pv_urban", "led_street_lighting", "leakage_control",
    "sewage_efficiency", "electrification", "ultra_low_public", "near_zero_buildings",
)  # fmt: skip


@lru_cache(maxsize=4)
def book_of(place: str) -> InputBook:
    return read_inputs(load_catalog(), place)


@lru_cache(maxsize=4)
def scenario_of(place: str, name: str = "trend") -> ResolvedScenario:
    return solve_scenario(resolve_scenario(load_catalog(), name, place=place), book_of(place))


@lru_cache(maxsize=8)
def choices_of(place: str, measures: tuple[str, ...] = SOME) -> Choices:
    return open_choices(load_catalog(), book_of(place), scenario_of(place), measures, first=FIRST)


@lru_cache(maxsize=8)
def effects_of(place: str, measures: tuple[str, ...] = SOME) -> Effects:
    return linearise(choices_of(place, measures))


def catalog() -> Catalog:
    return load_catalog()

"""The building-stock model once more, in loops over plain numbers: equations (1) to (11) one by one, for a single draw.

Slow and meant to be read. It shares nothing with `dafeng.pathways` but the numbers that go in: `value(name, members…, year)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST, START, LAST = 1950, 2000, 2060
RESIDENTIAL = ("urban_residential", "rural_residential")
PUBLIC = ("office", "commerce", "hotel", "education", "health", "other_public")
CLASSES = (*RESIDENTIAL, *PUBLIC)
SEGMENTS = (*RESIDENTIAL, "public")
LEVELS = ("ultra_low", "near_zero")
SERVICES = ("water_supply", "sewage", "street_lighting", "heat_pumping")
GJ = 0.0036  # of a kWh
TCE = 3.6 / 29307.6  # of a kWh

Value = Callable[..., float]


def segment_of(building_class: str) -> str:
    return building_class if building_class in RESIDENTIAL else "public"


def survival(family: str, life: float, shape: float, age: float) -> float:
    if family == "weibull":
        return math.exp(-((age / (life / math.gamma(1 + 1 / shape))) ** shape))
    normal = lambda x: 0.5 * math.erfc(-x / math.sqrt(2))  # noqa: E731
    if family == "normal":
        return normal((life - age) / (shape * life))
    width = math.sqrt(math.log(1 + shape**2))
    return 1.0 if age == 0 else normal(-(math.log(age) - (math.log(life) - width**2 / 2)) / width)


@dataclass
class ClassStock:
    """Stock of a class: by year, and by (cohort, year)."""

    standing: dict[int, float] = field(default_factory=dict)
    vacant: dict[int, float] = field(default_factory=dict)
    inflow: dict[int, float] = field(default_factory=dict)
    outflow: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)
    missed: dict[int, float] = field(default_factory=dict)
    untouched: dict[tuple[int, int], float] = field(default_factory=dict)
    renewed: dict[tuple[int, int], float] = field(default_factory=dict)


def people(value: Value, segment: str, year: int) -> float:  # (1)
    everyone = value("population", year)
    urban = everyone * value("urban_share", year)
    return {"urban_residential": urban, "rural_residential": everyone - urban}.get(segment, everyone)


def demand(value: Value, building_class: str, year: int) -> float:  # (2)
    segment = segment_of(building_class)
    area = people(value, segment, year) * value("floor_per_head", segment, year)
    return area if building_class in RESIDENTIAL else area * value("public_mix", building_class, year)


def stock_of(value: Value, building_class: str, *, family: str, age_zero: str, before: int) -> ClassStock:  # (3), (4)
    segment, stock = segment_of(building_class), ClassStock()
    offset = {"start": 0.0, "mid_year": 0.5}[age_zero]
    untouched: dict[int, float] = {}
    renewed: dict[int, float] = {}
    standing_before = 0.0
    for year in range(FIRST, LAST + 1):
        protection = value("protection", segment, year)

        def left(cohort: int, year: int = year, protection: float = protection) -> float:
            life, shape = value("lifetime", segment, cohort), value("lifetime_shape", segment, cohort)
            now = survival(family, life, shape, year - cohort + offset)
            then = 1.0 if cohort == year else survival(family, life, shape, year - 1 - cohort + offset)
            gone = 1 - (now / then if then > 0 else 0.0)
            return 1 - gone * (1 - protection)

        for cohort, area in untouched.items():
            share = left(cohort)
            untouched[cohort] = area * share
            renewed[cohort] *= share
        survivors = sum(untouched.values()) + sum(renewed.values())
        wanted = demand(value, building_class, year)
        completed = max(0.0, wanted - survivors) / left(year)
        stock.vacant[year] = max(0.0, survivors - wanted)

        eligible = [cohort for cohort in untouched if cohort < before]
        area = sum(untouched[cohort] for cohort in eligible)
        extra = value("retrofit_area", segment, year)
        if segment == "public":
            extra *= value("public_mix", building_class, year)
        by_rate = area * value("retrofit_rate", building_class, year)
        by_area = min(extra, area - by_rate)
        stock.done[year], stock.missed[year] = by_rate + by_area, extra - by_area
        for cohort in eligible:
            moved = untouched[cohort] * (by_rate + by_area) / area if area > 0 else 0.0
            untouched[cohort] -= moved
            renewed[cohort] += moved

        untouched[year], renewed[year] = completed * left(year), 0.0
        standing = sum(untouched.values()) + sum(renewed.values())
        stock.inflow[year], stock.standing[year] = completed, standing
        stock.outflow[year] = standing_before + completed - standing
        standing_before = standing
        for cohort, area in untouched.items():
            stock.untouched[cohort, year] = area
            stock.renewed[cohort, year] = renewed[cohort]
    return stock


def ratio(value: Value, kind: str, building_class: str, cohort: int) -> float:  # (5), what standards leave
    shares = {level: value("advanced_share", building_class, level, cohort) for level in LEVELS}
    total = sum(shares.values())
    if total > 1:
        shares = {level: share / total for level, share in shares.items()}
    met = value("standard_compliance", building_class, cohort)
    code = met * value(f"code_{kind}_ratio", building_class, cohort)
    code += (1 - met) * value(f"previous_{kind}_ratio", building_class, cohort)
    above = sum(share * value(f"level_{kind}_ratio", building_class, level, cohort) for level, share in shares.items())
    return (1 - min(total, 1.0)) * code + above


@dataclass
class Tools:
    """What is on the axes: end use and carrier of technologies, carrier of heat sources."""

    technologies: dict[str, tuple[str, str]]
    sources: dict[str, str | None]
    carriers: tuple[str, ...]
    uses: tuple[str, ...]


def plain_run(
    value: Value, tools: Tools, *, family: str, age_zero: str, before: int
) -> dict[str, dict[tuple[object, ...], float]]:
    """Return every result by name, then by members and year."""
    out: dict[str, dict[tuple[object, ...], float]] = {}

    def put(name: str, amount: float, *key: object) -> None:
        out.setdefault(name, {})[key] = out.get(name, {}).get(key, 0.0) + amount

    stocks = {k: stock_of(value, k, family=family, age_zero=age_zero, before=before) for k in CLASSES}
    ratios = {
        (kind, k, c): ratio(value, kind, k, c)
        for kind in ("heat", "cool")
        for k in CLASSES
        for c in range(FIRST, LAST + 1)
    }
    for t in range(START, LAST + 1):
        grid, coal = value("grid_factor", t), value("generation_coal", t)
        electricity: dict[str, float] = {}
        for k in CLASSES:
            stock, segment = stocks[k], segment_of(k)
            used = 1 - stock.vacant[t] / stock.standing[t]
            area = stock.standing[t] * used
            put("area", area, k, t)
            for name in ("inflow", "outflow", "vacant", "standing"):
                put(name, getattr(stock, name)[t], k, t)
            put("retrofit_done", stock.done[t], k, t)
            put("retrofit_missed", stock.missed[t], k, t)
            renewed = sum(stock.renewed[c, t] for c in range(FIRST, t + 1))
            put("retrofitted", renewed, k, t)
            not_rebound = 1 - value("retrofit_rebound", k, t)
            for use in tools.uses:  # (5)
                calibration = value("calibration_demand", k, use, t)
                if use in ("space_heating", "space_cooling"):
                    kind = {"space_heating": "heat", "space_cooling": "cool"}[use]
                    saved = value("retrofit_heat_saving", k, t) * not_rebound
                    weighted = 0.0
                    for c in range(FIRST, t + 1):
                        weighted += (stock.untouched[c, t] + stock.renewed[c, t] * (1 - saved)) * ratios[kind, k, c]
                    useful = weighted * used * value(f"{kind}_index", k, t) * value(f"{kind}_service", k, t)
                else:
                    if k in PUBLIC:
                        useful = area * value("area_demand", k, use, t)
                    else:
                        useful = people(value, segment, t) * value("person_demand", k, use, t)
                    useful *= 1 - renewed / stock.standing[t] * value("retrofit_other_saving", k, t) * not_rebound
                useful *= calibration
                put("useful", useful, k, use, t)
                for technology, (serves, carrier) in tools.technologies.items():  # (6)
                    if serves != use:
                        continue
                    efficiency = value("technology_efficiency", technology, t)
                    served = useful * value("technology_share", k, technology, t)
                    final = served / efficiency * value("calibration_carrier", k, carrier, t)
                    if technology == "district_heating":
                        final /= 1 - value("delivery_excess", t)
                        put("heated_area", area * value("technology_share", k, technology, t), t)
                    put("final", final, k, carrier, t)
                    put("final_use", final, k, use, carrier, t)
                    if carrier == "electricity" and use in ("space_heating", "hot_water") and efficiency > 1:
                        put("ambient", served * (1 - 1 / efficiency), k, t)
            for carrier in tools.carriers:
                put("final", 0.0, k, carrier, t)
                put("ambient", 0.0, k, t)
                if carrier not in ("electricity", "heat", "solar_thermal"):  # (10) direct
                    kg = out["final"][k, carrier, t] * GJ * value("fuel_factor", carrier, t)
                    put("direct_building", kg / 1000, t)
                    put("direct_by_class", kg / 1000, k, t)
                    if carrier != "biomass":
                        put("tce_fuel", out["final"][k, carrier, t] * TCE, t)
            electricity[k] = out["final"][k, "electricity", t]
            put("heat_delivered", out["final"][k, "heat", t], t)
        at_source = out["heat_delivered"][t,] / (1 - value("network_loss", t))  # (6), (7)
        put("heat_at_source", at_source, t)
        for source, carrier in tools.sources.items():
            taken = at_source * value("heat_source_share", source, t) * value("heat_source_input", source, t)
            put("source_input", taken, source, t)
            put("tce_heat", 0.0, t)
            put("purchased_heat", 0.0, t)
            if carrier == "electricity":
                put("purchased_heat", taken * grid / 1000, t)
                put("tce_heat", taken * coal / 1000, t)
            elif carrier is not None:
                put("purchased_heat", taken * GJ * value("fuel_factor", carrier, t) / 1000, t)
                if carrier != "biomass":
                    put("tce_heat", taken * TCE, t)
        for s in SEGMENTS:  # (8)
            made = value("pv_capacity", s, t) * value("pv_yield", t)
            own = sum(electricity[k] for k in CLASSES if segment_of(k) == s)
            used_here = min(made * value("pv_self_use", t), own)
            put("pv", made, s, t)
            put("pv_used", used_here, s, t)
            put("pv_exported", made - used_here, t)
            put("bought", own - used_here, t)
        put("purchased_electricity", out["bought"][t,] * grid / 1000, t)
        for service in SERVICES:  # (9)
            amount = value("service_amount", service, t) * people(value, "urban_residential", t)
            if service == "water_supply":
                amount /= 1 - value("water_leakage", t)
            if service == "heat_pumping":
                amount = out["heated_area"][t,]
            put("municipal_kwh", amount * value("service_energy", service, t), service, t)
            put("municipal_operation", amount * value("service_energy", service, t) * grid / 1000, t)
        for k in CLASSES:  # (10) embodied
            s = segment_of(k)
            clean = 1 - value("green_material_share", s, t) * value("green_material_saving", t)
            per_area = value("material_intensity", s, t) * value("material_factor", t) * clean
            per_area -= value("prefabricated_share", s, t) * value("prefabricated_saving", s, t)
            kg = stocks[k].inflow[t] * (max(per_area, 0.0) + value("haul_intensity", t))
            kg += stocks[k].done[t] * value("retrofit_material", s, t)
            put("materials", kg / 1000, t)
            kg = stocks[k].inflow[t] * value("site_intensity", t)
            saved = value("recycling_share", t) * value("recycling_saving", t)
            kg += stocks[k].outflow[t] * (value("demolition_intensity", t) - saved)
            put("construction", kg / 1000, t)
        total = {name: out[name][t,] for name in ("direct_building", "purchased_electricity", "purchased_heat", "construction", "materials", "municipal_operation")}  # fmt: skip
        put("direct", total["direct_building"] + total["construction"] * value("site_fuel_share", t), t)
        put("indirect", total["purchased_electricity"] + total["purchased_heat"], t)
        put(
            "building_operation",
            out["direct"][t,] - total["construction"] * value("site_fuel_share", t) + out["indirect"][t,],
            t,
        )
        put("embodied", total["materials"] + total["construction"], t)
        put("whole_field", sum(total.values()), t)
        put("energy_generation", out["tce_fuel"][t,] + out["bought"][t,] * coal / 1000 + out["tce_heat"][t,], t)  # (11)
        put("energy_calorific", out["tce_fuel"][t,] + (out["bought"][t,] + out["heat_delivered"][t,]) * TCE, t)
    return out

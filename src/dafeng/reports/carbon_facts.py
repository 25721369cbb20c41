"""What the yearly report says of the carbon account: totals where they are complete, and the verdict on the promised boundary.

Nothing is added up here that the account did not publish: a component with a gap has no number, a view that needs it has
no total, and a year without a total takes no part in the verdict. What is missing is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import polars as pl

from dafeng.base.quantity import convert, same_dimension
from dafeng.carbon import Inventory
from dafeng.catalog.carbon_schemas import Component, Scope
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.tables import peak_critical_values
from dafeng.methods.breaks import Break, find_breaks
from dafeng.methods.decomposition import Decomposition, FactorSpec, Identity, factors_of, lmdi
from dafeng.methods.peak import PeakVerdict, peak_verdict

__all__ = [
    "ACCOUNT_EXTENT",
    "OPERATION_IDENTITY",
    "CarbonAccount",
    "CarbonFacts",
    "FactorUse",
    "PeakReading",
    "Term",
    "years_text",
]

ACCOUNT_EXTENT: Final = "whole"
"""Extent of the account that a report gives: the whole area of the place."""
OPERATION: Final = "building_operation"
"""View whose change is decomposed."""
UNIT: Final = "万吨二氧化碳"
"""Unit of the chapter."""
_LOCATION, _MARKET = "location_based", "market_based"
_CLASSLESS: Final = "all"
_TELLING: Final = ("level_shift", "wrong_value")

OPERATION_IDENTITY: Final = Identity(
    id="operation-by-class-and-carrier",
    zh="建筑运行排放＝建筑面积×单位面积用能×用能结构×单位用能排放",
    result="co2",
    factors=(
        FactorSpec(id="area", zh="建筑面积", numerator="area"),
        FactorSpec(id="intensity", zh="单位面积用能", numerator="energy_of_class", denominator="area"),
        FactorSpec(id="structure", zh="用能结构", numerator="energy", denominator="energy_of_class"),
        FactorSpec(id="emission", zh="单位用能排放", numerator="co2", denominator="energy"),
    ),
)
"""Identity of the waterfall, by building class and carrier; numerators and denominators cancel out to the emission."""
FACTOR_NAMES_EN: Final = {
    "area": "floor area",
    "intensity": "energy per area",
    "structure": "energy mix",
    "emission": "emission per energy",
}
"""English names of the factors."""


@dataclass(frozen=True)
class CarbonAccount:
    """What a report is given: the account of a place under each reading of the boundary's splits.

    Attributes
    ----------
    place : str
        Place id.
    promised : str
        View that the plan promises to peak; the boundary may not have it.
    inventory : Inventory
        With the splits that the boundary switches on by default.
    unsplit : Inventory or None
        With all of them off; None where the boundary has none.
    areas : polars.DataFrame
        Observations of the floor area of the building stock at the place, for the decomposition.
    """

    place: str
    promised: str
    inventory: Inventory
    unsplit: Inventory | None = None
    areas: pl.DataFrame | None = None


class Term(NamedTuple):
    """One summand of the account."""

    year: int
    component: str
    building_class: str
    carrier: str
    basis: str
    amount: float | None
    activity_unit: str
    detail: dict[str, Any]


class FactorUse(NamedTuple):
    """A value of a factor as it was used: by which rule, in which years, for what."""

    factor: str
    value: float
    unit: str
    rule: str
    data_from: str | None
    published_on: str | None
    grade: str
    years: tuple[int, ...]
    components: tuple[str, ...]
    bases: tuple[str, ...]


class PeakReading(NamedTuple):
    """The verdict on one view under one reading of the splits."""

    view: str
    split: bool
    years: tuple[int, ...]
    values: tuple[float, ...]
    breaks: tuple[Break, ...]
    verdict: PeakVerdict
    after_breaks: PeakVerdict | None


def years_text(years: Iterable[int]) -> str:
    """Return years as ranges.

    Examples
    --------
    >>> years_text([2015, 2016, 2017, 2020])
    '2015—2017、2020'
    """
    ranges: list[list[int]] = []
    for year in sorted(set(years)):
        if ranges and ranges[-1][1] == year - 1:
            ranges[-1][1] = year
        else:
            ranges.append([year, year])
    return "、".join(str(first) if first == last else f"{first}—{last}" for first, last in ranges)


class CarbonFacts:
    """A carbon account, read for one report.

    Parameters
    ----------
    account : CarbonAccount
    catalog : Catalog
    """

    def __init__(self, account: CarbonAccount, catalog: Catalog) -> None:
        self.account = account
        self.catalog = catalog
        self.boundary = account.inventory.settings.boundary
        self.components = tuple(part for part in self.boundary.components if part.scope is not Scope.MEMO)
        self.memos = tuple(part for part in self.boundary.components if part.scope is Scope.MEMO)
        self.world, self._totals = _of_place(account.inventory, account.place)

    @property
    def demonstration(self) -> bool:
        """Whether its figures are a demonstration."""
        return self.world == "demonstration"

    @property
    def promised(self) -> str:
        """Code of the promised view."""
        return self.account.promised

    @property
    def covered(self) -> bool:
        """Whether the boundary has the promised view."""
        return self.promised in self.boundary.views

    def name(self, code: str) -> str:
        """Return the Chinese name of a component or view."""
        own = {component.code: component.zh for component in self.boundary.components}
        if code in own:
            return own[code]
        for group in ("boundary_scope", "boundary", "boundary_memo"):
            if code in self.catalog.terms.get(group, {}):
                return self.catalog.term(group, code)
        return code

    def english(self, group: str, code: str) -> str:
        """Return the English name of a code, the code in words where the vocabulary has none."""
        groups = ("boundary", "boundary_scope", "boundary_memo") if group == "boundary" else (group,)
        found = (self.catalog.terms[one][code].en for one in groups if code in self.catalog.terms.get(one, {}))
        return next(found, code.replace("_", " "))

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Years that the account speaks of."""
        return tuple(sorted({int(period) for period in self._totals["period"]}))

    @cached_property
    def _values(self) -> dict[tuple[int, str, str], tuple[float, float | None, float | None]]:
        whole = self._totals.filter("complete").select("period", "basis", "boundary", "value", "low", "high")
        return {
            (int(period), basis, code): (value / 1e4, low and low / 1e4, high and high / 1e4)
            for period, basis, code, value, low, high in whole.iter_rows()
        }

    def value(self, year: int, code: str, *, market: bool = False) -> float | None:
        """Return a component or view of a year in `UNIT`, None where it is not complete."""
        found = self._values.get((year, _MARKET if market else _LOCATION, code))
        return None if found is None else found[0]

    def interval(self, year: int, code: str) -> tuple[float, float] | None:
        """Return low and high of a component or view, None where no uncertainty is known."""
        found = self._values.get((year, _LOCATION, code))
        if found is None or found[1] is None or found[2] is None:
            return None
        return found[1], found[2]

    def complete_years(self, code: str) -> tuple[int, ...]:
        """Return the years in which a component or view is complete."""
        return tuple(year for year in self.years if self.value(year, code) is not None)

    @cached_property
    def base_year(self) -> int | None:
        """First year whose promised total is complete; without one the first year of the account."""
        return next(iter(self.complete_years(self.promised)), self.years[0] if self.years else None)

    @cached_property
    def last_year(self) -> int | None:
        """Last year of the account."""
        return self.years[-1] if self.years else None

    @cached_property
    def missing(self) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
        """What is missing: component, why, years; in the order of the boundary."""
        table = self.account.inventory.missing_table.filter(*_rows_of(self.account.place, self.world))
        order = [component.code for component in self.boundary.components]
        found: dict[tuple[str, str], list[int]] = {}
        for component, why, period in table.select("component", "why", "period").iter_rows():
            found.setdefault((component, why), []).append(int(period))
        ranked = sorted(found.items(), key=lambda pair: (order.index(pair[0][0]), pair[0][1]))
        return tuple((component, why, tuple(sorted(set(years)))) for (component, why), years in ranked)

    def missing_of(self, year: int) -> tuple[str, ...]:
        """Return the names of the components that a year lacks."""
        return tuple(dict.fromkeys(self.name(code) for code, _, years in self.missing if year in years))

    def parts_of(self, year: int) -> list[tuple[Component, float]]:
        """Return the complete components of a year, largest first."""
        known = [(part, value) for part in self.components if (value := self.value(year, part.code)) is not None]
        return sorted(known, key=lambda pair: (-pair[1], pair[0].code))

    def reading(self, view: str, *, split: bool = True, inventory: Inventory | None = None) -> PeakReading | None:
        """Return the verdict on a view, None where no year of it is complete."""
        chosen = inventory if inventory is not None else self.account.inventory if split else self.account.unsplit
        if chosen is None:
            return None
        _, totals = _of_place(chosen, self.account.place)
        series = (
            totals.filter("complete", pl.col("basis") == _LOCATION, pl.col("boundary") == view, pl.col("value") > 0)
            .select(pl.col("period").cast(pl.Int64), "value")
            .sort("period")
        )
        if series.is_empty():
            return None
        years, values = series["period"].to_list(), series["value"].to_list()
        table = peak_critical_values()
        breaks = find_breaks(years, values, table=table)
        telling = any(one.kind in _TELLING for one in breaks)
        after = peak_verdict(years, values, table=table, breaks=breaks) if telling else None
        verdict = peak_verdict(years, values, table=table)
        return PeakReading(view, split, tuple(years), tuple(values), breaks, verdict, after)

    @cached_property
    def promise(self) -> PeakReading | None:
        """Verdict on the promised view, splits as the boundary declares them."""
        return self.reading(self.promised) if self.covered else None

    @cached_property
    def readings(self) -> tuple[PeakReading, ...]:
        """Verdicts: the promised view first, then direct emissions and building operation, each with and without splits."""
        views = [view for view in dict.fromkeys((self.promised, "direct", OPERATION)) if view in self.boundary.views]
        found = [self.reading(view, split=split) for view in views for split in (True, False)]
        return tuple(one for one in found if one is not None)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Summands of the account."""
        return tuple(_terms(self.account.inventory, self.account.place, self.world, self.catalog))

    @cached_property
    def factors(self) -> tuple[FactorUse, ...]:
        """Values of factors that were used, by factor and year."""
        uses: dict[tuple[Any, ...], list[Term]] = {}
        for term in self.terms:
            for prefix in ("", "convert_"):
                if (factor := term.detail.get(f"{prefix}factor")) is not None:
                    names = ("value", "unit", "rule", "data_from", "published_on", "grade")
                    uses.setdefault((factor, *(term.detail.get(prefix + name) for name in names)), []).append(term)
        order = [component.code for component in self.boundary.components]
        found = [
            FactorUse._make(
                (
                    *key,
                    tuple(sorted({term.year for term in terms})),
                    tuple(sorted({term.component for term in terms}, key=order.index)),
                    tuple(sorted({term.basis for term in terms})),
                )
            )
            for key, terms in uses.items()
        ]
        return tuple(sorted(found, key=lambda use: (order.index(use.components[0]), use.factor, use.years)))

    @cached_property
    def factor_digest(self) -> str:
        """Digest of the factors used, with values, rules and dates."""
        return hashlib.sha256(json.dumps(self.factors, ensure_ascii=False).encode()).hexdigest()

    def manifest(self) -> dict[str, Any]:
        """Return what a manifest keeps: the boundary, the rules, the factors."""
        settings = self.account.inventory.settings
        chosen = settings.split
        splits = [
            split.id for split in self.boundary.splits if (split.default if chosen is None else split.id in chosen)
        ]
        return {
            "boundary": self.boundary.id,
            "promised": self.promised,
            "splits": splits,
            "gross_purchases": settings.gross_purchases,
            "rules": [rule.code + (f":{rule.years}" if rule.years else "") for rule in settings.policy.rules],
            "factors": {"used": len(self.factors), "digest": self.factor_digest},
            "years": list(self.years),
            "missing": sorted({component for component, _, _ in self.missing}),
        }

    def by_class_and_carrier(self, year: int) -> list[tuple[str, str, str, float]]:
        """Return component, class, carrier and value in `UNIT` of a year, location-based, complete components only."""
        _, rows = _of_place(self.account.inventory, self.account.place, ("building_class", "carrier"))
        codes = [component.code for component in self.components]
        chosen = rows.filter(
            pl.col("period") == str(year),
            pl.col("basis") == _LOCATION,
            pl.col("boundary").is_in(codes),
            "complete",
            pl.col("value") > 0,
        ).sort("boundary", "building_class", "carrier")
        return [
            (component, building_class, carrier, value / 1e4)
            for component, building_class, carrier, value in chosen.select(
                "boundary", "building_class", "carrier", "value"
            ).iter_rows()
        ]

    @cached_property
    def decomposition(self) -> tuple[Decomposition | None, str]:
        """Decomposition of building operation after `OPERATION_IDENTITY`, or why there is none."""
        years = self.complete_years(OPERATION) if OPERATION in self.boundary.views else ()
        if len(years) < 2:
            return None, "建筑运行排放不足两个齐全年份"
        members = {flow.id for flow in self.boundary.flows_of(OPERATION)}
        wanted = [
            term
            for term in self.terms
            if term.basis == _LOCATION and term.year in years and term.detail.get("flow") in members
            and term.component in self._operation_components
        ]  # fmt: skip
        if any(term.building_class == _CLASSLESS for term in wanted):
            return None, "部分用能未分建筑类别"
        energies = {id(term): _energy(term) for term in wanted}
        if any(energy is None for energy in energies.values()):
            return None, "部分排放没有对应的用能量"
        classes = sorted({term.building_class for term in wanted})
        area = _areas(self.account.areas, classes, years)
        lacking = [self.catalog.term("building_class", one) for one in classes if (years[0], one) not in area]
        absent = sorted({year for year in years for one in classes if (year, one) not in area})
        if absent:
            names = f"（{'、'.join(lacking)}）" if lacking else ""
            return None, f"缺{years_text(absent)}年的分类建筑面积{names}"
        cells = sorted({(term.building_class, term.carrier) for term in wanted})
        columns: dict[str, list[list[float]]] = {name: [] for name in ("area", "energy", "energy_of_class", "co2")}
        for year in years:
            energy, co2 = dict.fromkeys(cells, 0.0), dict.fromkeys(cells, 0.0)
            of_class = dict.fromkeys(classes, 0.0)
            for term in (one for one in wanted if one.year == year):
                cell, used = (term.building_class, term.carrier), energies[id(term)] or 0.0
                energy[cell] += used
                of_class[term.building_class] += used
                co2[cell] += _emission(term) / 1e4
            there = [energy[cell] > 0 for cell in cells]
            columns["area"].append(
                [area[year, cell[0]] if here else 0.0 for cell, here in zip(cells, there, strict=True)]
            )
            columns["energy_of_class"].append(
                [of_class[cell[0]] if here else 0.0 for cell, here in zip(cells, there, strict=True)]
            )
            columns["energy"].append([energy[cell] for cell in cells])
            columns["co2"].append([co2[cell] for cell in cells])
        return lmdi(list(years), factors_of(OPERATION_IDENTITY, columns), emissions=columns["co2"]), ""

    @cached_property
    def _operation_components(self) -> tuple[str, ...]:
        return tuple({flow.component for flow in self.boundary.flows_of(OPERATION)})


def _rows_of(place: str, world: str) -> list[pl.Expr]:
    return [
        pl.col("place") == place,
        pl.col("extent") == ACCOUNT_EXTENT,
        pl.col("scenario") == "",
        pl.col("member").is_in(["", "mean"]),
        pl.col("world") == world,
    ]


def _of_place(inventory: Inventory, place: str, by: Sequence[str] = ()) -> tuple[str, pl.DataFrame]:
    """Return the totals of a place over its whole area: facts, or where there are none the demonstration."""
    totals = inventory.totals(by, partial=True)
    for world in ("fact", "demonstration"):
        own = totals.filter(*_rows_of(place, world))
        if own.height:
            return world, own
    return "fact", totals.clear()


def _terms(inventory: Inventory, place: str, world: str, catalog: Catalog) -> Iterable[Term]:
    """Yield the summands of a place's account with the lineage of their rates."""
    flows = {flow.id: flow for flow in inventory.settings.boundary.flows}
    for slab, live, _ in inventory.parts:
        units = slab.units.with_columns(pl.col(pl.Categorical).cast(pl.String)).with_row_index("number")
        own = {row["number"]: int(row["period"]) for row in units.filter(*_rows_of(place, world)).iter_rows(named=True)}
        unit, _, component, building_class, carrier, _ = slab.layout.decode(slab.traces["key"].to_numpy())
        columns = zip(
            unit.tolist(), component.tolist(), building_class.tolist(), carrier.tolist(),
            *(slab.traces[name].to_list() for name in ("use", "basis", "value")), strict=True,
        )  # fmt: skip
        for number, at, of_class, of_carrier, use, basis, amount in columns:
            if number not in own or not live[number]:
                continue
            note = slab.uses["market_note" if basis else "note"][use]
            detail = json.loads("{" + note + "}")
            yield Term(
                own[number], slab.layout.components[at], slab.layout.classes[of_class], slab.layout.carriers[of_carrier],
                _MARKET if basis else _LOCATION, amount, catalog.indicators[flows[detail["flow"]].indicator].unit, detail,
            )  # fmt: skip


def _energy(term: Term) -> float | None:
    """Return the energy of a summand in GJ, None where it has none."""
    if term.amount is None:
        return None
    if same_dimension(term.activity_unit, "GJ"):
        return convert(term.amount, term.activity_unit, "GJ") * float(term.detail.get("sign", 1))
    heat = term.detail.get("convert_value")
    return None if heat is None else term.amount * float(heat)


def _emission(term: Term) -> float:
    """Return the emission of a summand in tonnes: factors stand in tCO2 and GJ a canonical unit."""
    value = (term.amount or 0.0) * float(term.detail.get("sign", 1)) * float(term.detail.get("value") or 0.0)
    return value * float(term.detail.get("convert_value") or 1.0)


def _areas(areas: pl.DataFrame | None, classes: Sequence[str], years: Sequence[int]) -> dict[tuple[int, str], float]:
    """Return the floor area by year and class, where the whole place has one."""
    if areas is None:
        return {}
    rows = areas.filter(
        pl.col("extent") == ACCOUNT_EXTENT,
        pl.col("building_class").is_in(list(classes)),
        pl.col("period").is_in([str(year) for year in years]),
        pl.col("value") > 0,
    ).sort("dataset")
    found: dict[tuple[int, str], float] = {}
    for period, one, value in rows.select("period", "building_class", "value").iter_rows():
        found.setdefault((int(period), one), value)
    return found

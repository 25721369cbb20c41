"""Why a pathway goes where it goes: drivers between years or scenarios, wedges of measures, energy flows, waterfalls. Plain data.

The drivers of building operation are those of the identity

    CO2 = Σ over class k and carrier j of  people · heads[k]/people · area[k]/heads[k] · energy[k]/area[k] · energy[kj]/energy[k]
          · bought[kj]/energy[kj] · CO2[kj]/bought[kj]

decomposed by LMDI-I (`dafeng.methods.decomposition`), which leaves no rest. Heads are urban people for urban dwellings, rural people
for rural ones, all people for public buildings; what is not bought is electricity from photovoltaics of the building.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.record import Record
from dafeng.catalog.pathway_tables import year_row
from dafeng.methods.decomposition import Decomposition, FactorSpec, Identity, factors_of, lmdi
from dafeng.pathways.emissions import GJ_PER_KWH
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.outcome import Outcome

__all__ = [
    "DRIVERS",
    "Bar",
    "DriverSplit",
    "Flow",
    "compare_drivers",
    "drivers",
    "energy_flows",
    "waterfall",
]

Array = NDArray[np.float64]

DRIVERS: Final = Identity(
    id="building-operation",
    zh="建筑运行排放的驱动因素",
    result="co2",
    factors=(
        FactorSpec(id="population", zh="人口", numerator="people"),
        FactorSpec(id="urbanisation", zh="城镇化", numerator="heads", denominator="people"),
        FactorSpec(id="area-per-head", zh="人均面积", numerator="area", denominator="heads"),
        FactorSpec(id="energy-per-area", zh="单位面积用能", numerator="used", denominator="area"),
        FactorSpec(id="carrier-share", zh="用能结构", numerator="energy", denominator="used"),
        FactorSpec(id="own-power", zh="光伏自用", numerator="bought", denominator="energy"),
        FactorSpec(id="emission-factor", zh="排放因子", numerator="co2", denominator="bought"),
    ),
)
"""Factors of building operation, in the order of the waterfall."""
_TINY: Final = 1e-12
_KWH_PER_TWH: Final = 1e9


class Bar(Record):
    """A bar of a waterfall."""

    id: str
    """Factor or measure; `start` and `end` for the totals."""
    zh: str
    """Name."""
    change: float
    """Height, signed."""
    bottom: float
    """Lower end."""
    top: float
    """Upper end."""


class Flow(Record):
    """A link of a Sankey diagram."""

    source: str
    """Where it comes from: `kind:code`."""
    source_zh: str
    """Its name."""
    target: str
    """Where it goes."""
    target_zh: str
    """Its name."""
    value: float
    """TWh a year."""


@dataclass(frozen=True)
class DriverSplit:
    """Contributions of the drivers; parts are class × carrier."""

    labels: tuple[str, ...]
    """What is compared: years, or two scenarios."""
    classes: tuple[str, ...]
    """Class of each part."""
    carriers: tuple[str, ...]
    """Carrier of each part."""
    decomposition: Decomposition
    """Contributions in tCO2."""

    def of_drivers(self) -> dict[str, float]:
        """Return the contribution of each driver from the first to the last, tCO2."""
        found = self.decomposition
        return dict(zip(found.factors, found.end_to_end.tolist(), strict=True))

    def by(self, axis: str) -> dict[str, dict[str, float]]:
        """Return the same by building class or carrier.

        Parameters
        ----------
        axis : {"building_class", "carrier"}
        """
        codes = self.classes if axis == "building_class" else self.carriers
        table = self.decomposition.end_parts
        return {
            code: {
                name: float(table[at, [part == code for part in codes]].sum())
                for at, name in enumerate(self.decomposition.factors)
            }
            for code in dict.fromkeys(codes)
        }


def drivers(inputs: Inputs, outcome: Outcome, years: Sequence[int], *, draw: int = 0) -> DriverSplit:
    """Split the change of operation emissions between years into its drivers.

    Parameters
    ----------
    inputs, outcome
        Of one run, without residual.
    years : sequence of int
        At least two; contributions are given from each to the next and from the first to the last.
    draw : int
        Which draw.

    Raises
    ------
    InputError
        A year that the run does not have, or fewer than two.
    """
    columns, parts = _columns(inputs, outcome, draw)
    missing = [year for year in years if year not in outcome.years]
    if missing or len(set(years)) < 2:
        raise InputError(
            f"years {', '.join(map(str, years))}",
            doing="split a change into its drivers",
            expected=f"at least two years from {outcome.years[0]} to {outcome.years[-1]}",
            next_step="name other years",
        )
    ordered = sorted(set(years))
    rows = [year_row(outcome.years, year) for year in ordered]
    return _split([str(year) for year in ordered], {name: table[rows] for name, table in columns.items()}, parts)


def compare_drivers(
    first: tuple[Inputs, Outcome], second: tuple[Inputs, Outcome], year: int, *, names: tuple[str, str], draw: int = 0
) -> DriverSplit:
    """Split the difference of two scenarios in a year into its drivers.

    Parameters
    ----------
    first, second : pair of Inputs and Outcome
        Of the same place.
    year : int
    names : pair of str
        Of the scenarios.
    draw : int

    Raises
    ------
    InputError
        The year is not among those of both runs.
    """
    for _, outcome in (first, second):
        if year not in outcome.years:
            raise InputError(
                f"year {year}",
                doing="compare two scenarios",
                expected=f"a year from {outcome.years[0]} to {outcome.years[-1]}",
                next_step="name another year",
            )
    tables = []
    parts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    for inputs, outcome in (first, second):
        columns, parts = _columns(inputs, outcome, draw)
        at = year_row(outcome.years, year)
        tables.append({name: table[at] for name, table in columns.items()})
    stacked = {name: np.stack([tables[0][name], tables[1][name]]) for name in tables[0]}
    return _split(list(names), stacked, parts)


def waterfall(start: float, changes: Mapping[str, tuple[str, float]], *, names: tuple[str, str]) -> tuple[Bar, ...]:
    """Return the bars of a waterfall from a start over changes to the end.

    Parameters
    ----------
    start : float
        First total.
    changes : mapping from id to name and change
        In this order.
    names : pair of str
        Of the two totals.

    Examples
    --------
    >>> [(bar.id, bar.bottom, bar.top) for bar in waterfall(10.0, {"a": ("甲", 2.0), "b": ("乙", -5.0)}, names=("前", "后"))]
    [('start', 0.0, 10.0), ('a', 10.0, 12.0), ('b', 7.0, 12.0), ('end', 0.0, 7.0)]
    """
    bars = [Bar(id="start", zh=names[0], change=start, bottom=min(0.0, start), top=max(0.0, start))]
    level = start
    for name, (zh, change) in changes.items():
        bars.append(
            Bar(id=name, zh=zh, change=change, bottom=min(level, level + change), top=max(level, level + change))
        )
        level += change
    return (*bars, Bar(id="end", zh=names[1], change=level, bottom=min(0.0, level), top=max(0.0, level)))


def energy_flows(inputs: Inputs, outcome: Outcome, year: int, *, draw: int = 0) -> tuple[Flow, ...]:
    """Return the energy flows of building operation in a year: sources, carriers, end uses, classes.

    Parameters
    ----------
    inputs, outcome
        Of one run with `detail=True`.
    year : int
    draw : int

    Returns
    -------
    tuple of Flow
        In TWh. What flows into a carrier, a heat source or an end use flows out of it: heat sources that give more than they take
        (heat pumps, waste heat, cogeneration by the benefit it gives to heat) draw on `environment`, others lose the rest to `loss`.

    Raises
    ------
    InputError
        The run has no detail, or not the year.
    """
    if outcome.final_use is None or year not in outcome.years:
        raise InputError(
            f"year {year}, {'without' if outcome.final_use is None else 'with'} detail",
            doing="draw up energy flows",
            expected=f"a run with detail, and a year from {outcome.years[0]} to {outcome.years[-1]}",
            next_step="run the model with detail=True",
        )
    axes = inputs.axes
    at = year_row(outcome.years, year)

    def of(array: Array) -> Array:
        return np.asarray(array[..., at, min(draw, array.shape[-1] - 1)]) / _KWH_PER_TWH

    flows: list[tuple[str, str, float]] = []
    use = of(outcome.final_use)
    sold, own = float(of(outcome.purchased).sum()), float(of(outcome.pv_used).sum())
    flows += [("supply:grid", "carrier:electricity", sold), ("supply:pv", "carrier:electricity", own)]
    late = inputs.late("heat_source_share")
    supplied = of(outcome.heat_at_source) * late[..., at, min(draw, late.shape[-1] - 1)]
    taken = of(outcome.source_input)
    for row, code in enumerate(axes.members("heat_source")):
        member = axes.get("heat_source", code)
        carrier = member.carrier if member is not None else None
        fuel = float(taken[row]) if carrier is not None else 0.0
        heat = float(supplied[row])
        flows += [
            (f"supply:{carrier or 'environment'}", f"heat_source:{code}", fuel),
            ("supply:environment", f"heat_source:{code}", max(heat - fuel, 0.0)),
            (f"heat_source:{code}", "sink:loss", max(fuel - heat, 0.0)),
            (f"heat_source:{code}", "carrier:heat", heat),
        ]
    flows.append(("carrier:heat", "sink:loss", float(of(outcome.heat_at_source) - of(outcome.heat_delivered))))
    for column, carrier in enumerate(axes.members("carrier")):
        if carrier not in ("electricity", "heat"):
            flows.append((f"supply:{carrier}", f"carrier:{carrier}", float(use[:, :, column].sum())))
        flows += [
            (f"carrier:{carrier}", f"end_use:{code}", float(use[:, row, column].sum()))
            for row, code in enumerate(axes.members("end_use"))
        ]
    flows += [
        (f"end_use:{code}", f"building_class:{kind}", float(use[place, row].sum()))
        for row, code in enumerate(axes.members("end_use"))
        for place, kind in enumerate(axes.members("building_class"))
    ]
    return tuple(
        Flow(source=one, source_zh=_title(inputs, one), target=two, target_zh=_title(inputs, two), value=value)
        for one, two, value in flows
        if value > _TINY
    )


_OTHER_NAMES: Final = {
    "supply:grid": "外购电力",
    "supply:pv": "建筑光伏",
    "supply:environment": "环境热、余热",
    "supply:electricity": "热源用电",
    "sink:loss": "损失",
}


def _title(inputs: Inputs, node: str) -> str:
    if node in _OTHER_NAMES:
        return _OTHER_NAMES[node]
    kind, code = node.split(":")
    member = inputs.axes.get("carrier" if kind == "supply" else kind, code)
    return member.title.zh if member is not None else code


def _columns(
    inputs: Inputs, outcome: Outcome, draw: int
) -> tuple[dict[str, Array], tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the columns of the identity, shape (year, part), and class and carrier of each part."""
    axes = inputs.axes
    classes, carriers = axes.members("building_class"), axes.members("carrier")
    years = len(outcome.years)

    def of(array: Array) -> Array:
        return np.asarray(array[..., min(draw, array.shape[-1] - 1)])

    people, urban = of(outcome.population), of(outcome.urban_population)
    heads = {"urban_residential": urban, "rural_residential": people - urban}
    energy = of(outcome.final)  # (class, carrier, year)
    bought, co2 = energy.copy(), np.zeros_like(energy)
    power, heat = carriers.index("electricity"), carriers.index("heat")
    bought[:, power] = of(outcome.purchased)
    factors = of(inputs.late("fuel_factor")) * (GJ_PER_KWH / 1e3)
    for row, code in enumerate(carriers):
        if code not in ("electricity", "heat"):
            co2[:, row] = energy[:, row] * factors[row]
    co2[:, power] = of(outcome.electricity_by_class)
    co2[:, heat] = of(outcome.heat_by_class)
    shape = (len(classes), len(carriers), years)
    columns = {
        "people": np.broadcast_to(people, shape),
        "heads": np.broadcast_to(np.stack([heads.get(code, people) for code in classes])[:, None], shape),
        "area": np.broadcast_to(of(outcome.area)[:, None], shape),
        "used": np.broadcast_to(energy.sum(axis=1)[:, None], shape),
        "energy": energy,
        "bought": bought,
        "co2": co2,
    }
    labels = [(kind, carrier) for kind in classes for carrier in carriers]
    kinds, fuels = zip(*labels, strict=True)
    return {name: table.reshape(-1, years).T for name, table in columns.items()}, (kinds, fuels)


def _split(
    labels: Sequence[str], columns: Mapping[str, Array], parts: tuple[tuple[str, ...], tuple[str, ...]]
) -> DriverSplit:
    taken = np.flatnonzero(columns["energy"].max(axis=0) > 0)
    held = {name: table[:, taken] for name, table in columns.items()}
    found = lmdi(list(range(len(labels))), factors_of(DRIVERS, held), emissions=held["co2"])
    return DriverSplit(
        labels=tuple(labels),
        classes=tuple(parts[0][at] for at in taken),
        carriers=tuple(parts[1][at] for at in taken),
        decomposition=found,
    )

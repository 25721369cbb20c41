"""What a unit of a measure's level in one year costs: investment spread over its life, yearly cost, energy saved; transfers apart.

Money is of one price year, discounted to the first year of the choice. An investment is charged to the years that it serves by equal
annual cost, so that what is left of it at the horizon is not charged: discounted, that is the same as spending it, buying it again at
the end of its life, and counting the rest of its life at the horizon as its value. What a stock costs is counted by the level of the
year; spending, for budgets, by the rise of the level.

Energy is priced without taxes and funds where such a price is stated, and district heat by what its sources take in. A measure without
a cost that can be counted has no number (NaN), and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Measure, MeasureCost
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.catalog.portfolio_checks import amount_factor, index_factor
from dafeng.catalog.portfolio_schemas import ActivityAmount, CostSettings
from dafeng.catalog.schemas import Grade
from dafeng.pathways.portfolio_effects import Effects
from dafeng.pathways.portfolio_flows import Flows, flows_of_stock, flows_of_work
from dafeng.pathways.portfolio_levels import Choices
from dafeng.pathways.portfolio_prices import (
    PriceTable,
    cost_settings,
    discount_factors,
    price_table,
    worst_grade,
)
from dafeng.pathways.portfolio_problem import ConditionKind, LinearCondition, UncostedMeasure

__all__ = [
    "Costs",
    "ModelCost",
    "grade_sentence",
    "measure_costs",
    "model_cost",
    "supply_conditions",
]

Floats = NDArray[np.float64]

_MATERIAL: Final = 0.01
"""A price matters to the grade where it makes this share of a measure's gross cost."""
_RESPONSES: Final = ("retrofit_done", "outflow")
_NAMED: Final = 6
_NONE: Final = 1e-9
"""Energy moved by no more than this share of the most is none."""


@dataclass(frozen=True)
class Costs:
    """What measures cost at a place, a unit of level of one year, on top of the levels about which it is linear. M measures, T years.

    Attributes
    ----------
    place : str
    measures : tuple of str
    years : int array (T,)
    cost : float array (M, T), CNY a unit of level
        Net social cost, discounted: `charged + yearly - saved`; NaN where uncosted.
    charged, yearly, saved : float array (M, T)
        Its parts: investment, yearly cost, energy saved at social prices.
    low, high : float array (M, T)
        Net cost at the low and high end of the measure's own costs.
    charge, spend : float array (M, T, T), CNY a unit of level
        Investment and yearly cost as charged, and as spent, by year; undiscounted. The first time axis is that of the level. For stocks
        the spending of the next year is negative: what stands need not be bought again; sum over years of level first.
    energy : float array (M, T, T), CNY a unit of level
        Change of the cost of energy by year at social prices; undiscounted.
    transfer : float array (M, T, T), CNY a unit of level
        Subsidies and awards; in no other number.
    grade : tuple of Grade or None
        Lowest grade on which the cost rests.
    rests_on : tuple of tuple of str
        Sources of that grade.
    uncosted : tuple of UncostedMeasure
    price_year, discounted_to : int
    discount_rate : float
    notes : tuple of str
    """

    place: str
    measures: tuple[str, ...]
    years: NDArray[np.int64]
    cost: Floats
    charged: Floats
    yearly: Floats
    saved: Floats
    low: Floats
    high: Floats
    charge: Floats
    spend: Floats
    energy: Floats
    transfer: Floats
    grade: tuple[Grade | None, ...]
    rests_on: tuple[tuple[str, ...], ...]
    uncosted: tuple[UncostedMeasure, ...]
    price_year: int
    discounted_to: int
    discount_rate: float
    notes: tuple[str, ...]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether a measure has a cost, (M,)."""
        return np.asarray(np.isfinite(self.cost).all(axis=1))

    @property
    def discount(self) -> Floats:
        """What a yuan of each year is worth in the first, (T,)."""
        return discount_factors(self.years, self.discount_rate, self.discounted_to)


@dataclass(frozen=True)
class ModelCost:
    """What levels cost against other levels, with the energy that the model itself says.

    Attributes
    ----------
    net : float
        Discounted net social cost, CNY.
    capital : float array (M,)
        Discounted, by measure.
    energy : float
        Discounted change of the cost of energy.
    energy_by_year, spend : float array (T,)
        Undiscounted.
    transfers : float array (T,)
    """

    net: float
    capital: Floats
    energy: float
    energy_by_year: Floats
    spend: Floats
    transfers: Floats


# -- amounts ---------------------------------------------------------------------------------------------------------------


def _touched(axes: PathwayAxes, measure: Measure) -> tuple[str, ...]:
    """Return the building classes that a measure touches; all where it names none."""
    classes = axes.members("building_class")
    found: set[str] = set()
    for change in measure.changes:
        if "building_class" in change.of:
            found |= set(axes.below("building_class", change.of["building_class"]))
        elif "segment" in change.of:
            found |= {one for one in classes if axes.segment(one) in axes.below("segment", change.of["segment"])}
        else:
            return classes
    return tuple(one for one in classes if one in found)


def _classes_of(axes: PathwayAxes, measure: Measure, cost: MeasureCost) -> list[int]:
    """Return the rows of the building classes for which a cost is."""
    classes = axes.members("building_class")
    touched = _touched(axes, measure)
    wanted = {
        one
        for one in classes
        if not cost.classes
        or any(code in (*axes.wider("building_class", one), axes.segment(one)) for code in cost.classes)
    }
    return [row for row, one in enumerate(classes) if one in touched and one in wanted]


def _units(
    effects: Effects, axes: PathwayAxes, row: int, measure: Measure, amount: ActivityAmount, rows: list[int]
) -> Floats:
    """Return what is counted for a level of one, (T,), of some building classes."""
    reach = effects.reach[row]
    if amount.counts == "pv_added":
        area, total = effects.counts["area", ""], np.zeros(len(effects.years))
        for change in measure.changes:
            segments = axes.below("segment", change.of.get("segment", "all"))
            for at in rows:
                if change.quantity == "pv_capacity" and axes.segment(axes.members("building_class")[at]) in segments:
                    total += change.per_level * (area[at] if change.times == "area" else 1.0)
        return total
    counted = effects.counts[amount.counts, amount.member or ""]
    return np.asarray((counted[rows] * reach[rows]).sum(axis=0) if len(counted) > 1 else counted[0])


def _response(effects: Effects, row: int, counts: str, axes: PathwayAxes, rows: list[int]) -> Floats:
    """Return how a result of some building classes responds, (T, T)."""
    names = [axes.members("building_class")[at] for at in rows]
    at = [effects.activity.index((counts, name)) for name in names]
    return np.asarray(effects.activity_effect[at, row].sum(axis=0))


def _standing(effects: Effects, row: int, axes: PathwayAxes, rows: list[int]) -> Floats:
    """Return the share of what was retrofitted in a year that still stands in a later one, (T, T)."""
    done = _response(effects, row, "retrofit_done", axes, rows).diagonal()
    stands = _response(effects, row, "retrofitted", axes, rows)
    share = np.divide(stands, done[:, None], out=np.ones_like(stands), where=np.abs(done[:, None]) > 0)
    return np.clip(share, 0.0, 1.0)


def _cost_flows(
    effects: Effects,
    axes: PathwayAxes,
    row: int,
    measure: Measure,
    cost: MeasureCost,
    amount: ActivityAmount,
    price: float,
    rate: float,
) -> Flows:
    """Return the flows of one cost of a measure."""
    rows = _classes_of(axes, measure, cost)
    factor = amount.times * amount_factor(amount, cost, axes) * cost.share
    life = None if measure.lifetime is None else max(round(measure.lifetime), 1)
    if amount.nature == "response":
        done = _response(effects, row, amount.counts, axes, rows) * factor
        stands = _standing(effects, row, axes, rows) if amount.counts == "retrofit_done" else None
    else:
        units = _units(effects, axes, row, measure, amount, rows) * factor
        if amount.nature == "stock" and cost.kind == "investment" and life is not None:
            return flows_of_stock(units, price, life, rate)
        done, stands = np.diag(units), None
    if cost.kind != "investment" or amount.life == "once":
        life = None
    return flows_of_work(done, price, life, rate, renewed=amount.life == "renewed", stands=stands)


# -- costs of measures -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parts:
    charge: Floats
    yearly: Floats
    spend: Floats
    transfer: Floats
    ends: tuple[Floats, Floats]
    grades: tuple[tuple[Grade, str], ...]


def _holds(cost: MeasureCost, zone: str) -> bool:
    return not cost.zones or any(zone == one or zone.startswith(f"{one}_") for one in cost.zones)


def _why_unknown(measure: Measure) -> str | None:
    """Return why a measure has no cost that can be counted, None where it has."""
    stated = [cost for cost in measure.costs if cost.kind != "transfer" and cost.share > 0]
    if not stated:
        reason = f"（{measure.note}）" if measure.note and "费用" in measure.note else ""
        return f"{measure.title.zh}没有费用数据{reason}"
    if any(cost.amount is None for cost in stated):
        units = "、".join(dict.fromkeys(cost.unit for cost in stated if cost.amount is None))
        return f"{measure.title.zh}的费用按 {units} 计，模型不知道相应的数量"
    return None


def _uncovered(axes: PathwayAxes, zone: str, effects: Effects, row: int, measure: Measure) -> str | None:
    """Return what no cost is stated for: this climate zone, or building classes whose energy the measure changes."""
    held = [cost for cost in measure.costs if cost.kind != "transfer" and cost.share > 0 and _holds(cost, zone)]
    if not held:
        return f"{measure.title.zh}的费用不适用于这里的气候区（{zone}）"
    covered = {at for cost in held for at in _classes_of(axes, measure, cost)}
    moved = np.abs(effects.energy_effect[:, row]).sum(axis=(1, 2))
    bound = _NONE * moved.max(initial=0.0)
    lacking = [
        one
        for at, one in enumerate(axes.members("building_class"))
        if at not in covered
        and any(kind[0] == one and size > bound for kind, size in zip(effects.energy, moved, strict=True))
    ]
    if not lacking:
        return None
    members = [axes.get("building_class", one) for one in lacking]
    titles = "、".join(one.title.zh for one in members if one is not None)
    return f"{measure.title.zh}没有{titles}的费用"


def _parts(
    catalog: Catalog, settings: CostSettings, choices: Choices, effects: Effects, row: int, rate: float
) -> _Parts:
    measure, years = choices.measures[row], len(effects.years)
    axes, zone = choices.book.axes, choices.book.settings.zone
    charge, yearly, spend, transfer, low, high = (np.zeros((years, years)) for _ in range(6))
    grades: list[tuple[Grade, str]] = []
    for cost in measure.costs:
        if cost.amount is None or cost.share == 0 or not _holds(cost, zone):
            continue
        amount = catalog.activity_amounts[cost.amount]
        price = cost.value * index_factor(settings, cost.price_year)
        flows = _cost_flows(effects, axes, row, measure, cost, amount, price, rate)
        if cost.kind == "transfer":
            transfer += flows.spend
            continue
        grades += [(cost.grade, cost.at or cost.source), (amount.grade, amount.title.zh)]
        spend += flows.spend
        if cost.kind == "yearly":
            yearly += flows.charge
        else:
            charge += flows.charge
        low += flows.charge * _against(cost.low, cost.value)
        high += flows.charge * _against(cost.high, cost.value)
    return _Parts(charge, yearly, spend, transfer, (low, high), tuple(grades))


def _against(end: float | None, value: float) -> float:
    """Return an end of a range over its value."""
    return 1.0 if end is None or value == 0 else end / value


def measure_costs(
    catalog: Catalog, choices: Choices, effects: Effects, *, settings: str = "default", rate: float | None = None
) -> Costs:
    """Return what the choices cost about the levels of their effects.

    Parameters
    ----------
    catalog : Catalog
    choices : Choices
    effects : Effects
        Of the same choices.
    settings : str
        Id of the settings of money.
    rate : float, optional
        Discount rate in place of that of the settings.

    Returns
    -------
    Costs
        At social prices of energy.
    """
    money = cost_settings(catalog, settings)
    at = money.discount_rate if rate is None else rate
    axes, years = choices.book.axes, effects.years
    prices = price_table(catalog, axes, choices.book.place, effects.energy, years, money, "social")
    discount = discount_factors(years, at, int(years[0]))
    size = (len(choices.measures), len(years))
    charged, yearly, saved, low, high = (np.full(size, np.nan) for _ in range(5))
    charge, spend, transfer = (np.zeros((*size, len(years))) for _ in range(3))
    energy = np.einsum("et,emst->mst", prices.values * prices.sign[:, None], effects.energy_effect)
    grades: list[Grade | None] = []
    rests: list[tuple[str, ...]] = []
    uncosted: list[UncostedMeasure] = []
    for row, measure in enumerate(choices.measures):
        why = (
            _why_unknown(measure)
            or _uncovered(axes, choices.book.settings.zone, effects, row, measure)
            or _unpriced(prices, effects, row, measure)
        )
        if why is not None:
            kept = any(item.measure.id == measure.id for item in choices.resolved.measures)
            uncosted.append(UncostedMeasure(measure.id, why, kept))
            grades.append(None)
            rests.append(())
            charge[row] = spend[row] = np.nan
            continue
        parts = _parts(catalog, money, choices, effects, row, at)
        charge[row], spend[row], transfer[row] = parts.charge + parts.yearly, parts.spend, parts.transfer
        charged[row], yearly[row], saved[row] = (
            parts.charge @ discount,
            parts.yearly @ discount,
            -energy[row] @ discount,
        )
        low[row], high[row] = (end @ discount - saved[row] for end in parts.ends)
        seen = [*parts.grades, (money.grade, "折现率"), (money.index_grade, "价格指数")]
        seen += _priced_by(prices, effects, row, float(np.abs(parts.charge).sum()))
        worst = worst_grade([grade for grade, _ in seen])
        grades.append(worst)
        rests.append(tuple(dict.fromkeys(what for grade, what in seen if grade == worst)))
    return Costs(
        place=choices.book.place,
        measures=choices.names,
        years=years,
        cost=charged + yearly - saved,
        charged=charged,
        yearly=yearly,
        saved=saved,
        low=np.minimum(low, high),
        high=np.maximum(low, high),
        charge=charge,
        spend=spend,
        energy=energy,
        transfer=transfer,
        grade=tuple(grades),
        rests_on=tuple(rests),
        uncosted=tuple(uncosted),
        price_year=money.price_year,
        discounted_to=int(years[0]),
        discount_rate=at,
        notes=(
            f"{money.price_year}年价格，按{at:.1%}折现到{int(years[0])}年；投资按等额年费用分摊，末年以后的年份不计费用也不计收益；能源按社会价格，节水、舒适等其他收益未计",
        ),
    )


def _energy_parts(prices: PriceTable, effects: Effects, row: int) -> Floats:
    """Return the money that each kind of energy moves, (E,), by size."""
    return np.asarray(np.abs(effects.energy_effect[:, row] * prices.values[:, None, :]).sum(axis=(1, 2)))


def _unpriced(prices: PriceTable, effects: Effects, row: int, measure: Measure) -> str | None:
    moved = np.abs(effects.energy_effect[:, row]).sum(axis=(1, 2))
    bound = _NONE * moved.max(initial=0.0)
    found = [at for at, none in enumerate(prices.missing) if none and moved[at] > bound]
    if not found:
        return None
    what = "、".join(dict.fromkeys(f"{prices.users[at]} 的 {prices.carriers[at]}" for at in found))
    return f"{measure.title.zh}改变的能源缺价格：{what}"


def _priced_by(prices: PriceTable, effects: Effects, row: int, gross: float) -> list[tuple[Grade, str]]:
    """Return grade and name of the prices that matter to a measure."""
    parts = _energy_parts(prices, effects, row)
    bound = _MATERIAL * (gross + float(parts.sum()))
    return [
        (grade, f"{prices.users[at]} 的 {prices.carriers[at]} 价格")
        for at, grade in enumerate(prices.grades)
        if grade is not None and parts[at] > max(bound, 0.0)
    ]


def grade_sentence(
    costs: Costs, measures: Sequence[str] | None = None, *, titles: Mapping[str, str] | None = None
) -> str | None:
    """Return what a conclusion has to say of costs of grade C on which it rests, None where there are none.

    Parameters
    ----------
    costs : Costs
    measures : sequence of str, optional
        Measures on which the conclusion rests; all with a cost where None.
    titles : mapping, optional
        Names by id; ids where None.
    """
    wanted = costs.measures if measures is None else measures
    named = titles or {}
    found = [name for name in wanted if costs.grade[costs.measures.index(name)] is Grade.C]
    if not found:
        return None
    shown = "、".join(named.get(name, name) for name in found[:_NAMED])
    more = f"等 {len(found)} 项" if len(found) > _NAMED else ""
    return f"结论依据的费用中，{shown}{more}为 C 级（没有可查的出处，待核），金额与排序只作参考，应以当地造价与价格文件替换"


def model_cost(
    catalog: Catalog, costs: Costs, choices: Choices, before: Effects, after: Effects, *, settings: str = "default"
) -> ModelCost:
    """Return what levels cost against other levels, with the energy that two runs of the model say.

    Parameters
    ----------
    catalog : Catalog
    costs : Costs
        About the levels `after`, or about levels near them.
    choices : Choices
    before, after : Effects
        Runs at both levels; responses are not needed.
    settings : str
        Id of the settings of money.

    Returns
    -------
    ModelCost
        Investment by the levels, energy by the runs. Measures without a cost count nothing of investment.
    """
    money = cost_settings(catalog, settings)
    prices = price_table(catalog, choices.book.axes, costs.place, after.energy, costs.years, money, "social")
    moved = np.nan_to_num(after.levels - before.levels)
    yearly = ((after.energy_base - before.energy_base) * prices.values * prices.sign[:, None]).sum(axis=0)
    capital = np.einsum("mst,ms,t->m", np.nan_to_num(costs.charge), moved, costs.discount)
    energy = float(yearly @ costs.discount)
    return ModelCost(
        net=float(capital.sum()) + energy,
        capital=np.asarray(capital),
        energy=energy,
        energy_by_year=np.asarray(yearly),
        spend=np.einsum("mst,ms->t", np.nan_to_num(costs.spend), moved),
        transfers=np.einsum("mst,ms->t", costs.transfer, moved),
    )


def supply_conditions(
    catalog: Catalog, choices: Choices, effects: Effects, *, place: int = 0
) -> tuple[LinearCondition, ...]:
    """Return the limits on what several measures take together, by year; those that no two choices share are left out.

    Parameters
    ----------
    catalog : Catalog
    choices : Choices
    effects : Effects
        For the floor area by which some limits are counted.
    place : int
        Row of the place in the problem.
    """
    chain = (choices.book.place, *catalog.places.ancestor_ids(choices.book.place))
    urban = [row for row, one in enumerate(choices.book.axes.members("building_class")) if one != "rural_residential"]
    found: list[LinearCondition] = []
    for limit in catalog.supply_limits.values():
        rows = [(choices.row(name), share) for name, share in limit.measures.items() if name in choices.names]
        if limit.place not in chain or not rows or (len(rows) == 1 and limit.of is None):
            continue
        size = np.ones(len(choices.years)) if limit.of is None else effects.counts[limit.of, ""][urban].sum(axis=0)
        titles = "、".join(choices.measures[row].title.zh for row, _ in rows)
        floor = sum(share * choices.floor[row] for row, share in rows)
        found += [
            LinearCondition(
                name=f"supply.{choices.book.place}.{limit.id}.{int(year)}",
                kind=ConditionKind.SUPPLY,
                says=f"{int(year)}年{limit.title.zh}：{titles}合计不超过可用量",
                unit=limit.unit,
                places=np.full(len(rows), place),
                measures=np.asarray([row for row, _ in rows]),
                years=np.full(len(rows), at),
                coefficients=np.asarray([share for _, share in rows]),
                upper=max(limit.most * float(size[at]), float(floor[at])),
            )
            for at, year in enumerate(choices.years)
        ]
    return tuple(found)

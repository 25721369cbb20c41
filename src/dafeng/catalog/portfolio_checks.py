"""What ties the costs of portfolios to measures and to the model: names, units that end in money, prices by year, shares that add up."""

from __future__ import annotations

from typing import Final

from dafeng.base.errors import UnitError
from dafeng.base.quantity import conversion_factor, dimension_powers, root_factor, same_dimension
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.pathway_schemas import Measure, MeasureCost, PathwayMember
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.catalog.portfolio_schemas import ActivityAmount, CostSettings, EnergyPrice

__all__ = ["COUNTED_UNITS", "OTHER_USERS", "amount_factor", "check_portfolio", "index_factor", "price_factor"]

COUNTED_UNITS: Final[dict[str, str]] = {
    "area": "m2",
    "inflow": "m2",
    "outflow": "m2",
    "retrofit_done": "m2",
    "heated_area": "m2",
    "technology_area": "m2",
    "people": "person",
    "useful": "kWh",
    "heat_at_source": "kWh",
    "source_heat": "kWh",
    "pv_capacity": "kW",
    "pv_added": "kW",
}
"""Units of the results of the model that amounts count; a municipal service has its own."""
OTHER_USERS: Final = ("heat_company", "municipal", "grid")
"""Users of energy that are no building class."""
_MEMBER_AXIS: Final = {
    "useful": "end_use",
    "technology_area": "technology",
    "service": "service",
    "source_heat": "heat_source",
}
_PER_ENERGY: Final = "CNY/kWh"


def amount_factor(amount: ActivityAmount, cost: MeasureCost, axes: PathwayAxes) -> float:
    """Return the money in CNY for one counted unit of the model, before value and factor: units alone.

    Raises
    ------
    UnitError
        Cost times amount is no money.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> sewage = catalog.measures["sewage_efficiency"].costs[0]
    >>> round(amount_factor(catalog.activity_amounts["sewage-capacity"], sewage, PathwayAxes(catalog.path_members)), 9)
    1.0
    """
    counted = _counted_unit(amount, axes)
    powers: dict[str, float] = {}
    size = 1.0
    for unit in (cost.unit, counted, amount.times_unit):
        size *= root_factor(unit)
        for name, power in dimension_powers(unit).items():
            powers[name] = powers.get(name, 0.0) + power
    left = {name: power for name, power in powers.items() if power and name != "[share]"}
    if left != {"[money]": 1.0}:
        raise UnitError(
            f"{cost.unit} times {counted} times {amount.times_unit} is no money",
            doing=f"count the cost by {amount.id}",
            expected="a cost per unit of what is counted",
            next_step="mend the unit of the cost, or count it by another amount",
        )
    return float(f"{size:.15g}")


def _counted_unit(amount: ActivityAmount, axes: PathwayAxes) -> str:
    if amount.counts != "service":
        return COUNTED_UNITS[amount.counts]
    member: PathwayMember | None = axes.get("service", amount.member or "")
    return member.unit if member is not None and member.unit is not None else "1"


def price_factor(price: EnergyPrice) -> float:
    """Return the number that turns a price of energy into CNY/kWh.

    Raises
    ------
    UnitError
        Neither a price by energy nor, with its heat value, one by mass or volume.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> coal = load_catalog().energy_prices["cn-coal-heat-company"]
    >>> round(800 * price_factor(coal), 4)  # 800 / (20.908 GJ × 277.78 kWh/GJ)
    0.1377
    """
    if price.heat_value is None or price.heat_value_unit is None:
        return conversion_factor(price.unit, _PER_ENERGY)
    powers = dimension_powers(price.unit)
    for name, power in dimension_powers(price.heat_value_unit).items():
        powers = {**powers, name: powers.get(name, 0.0) - power}
    if {name: power for name, power in powers.items() if power} != dimension_powers(_PER_ENERGY):
        raise UnitError(
            f"{price.unit} by {price.heat_value_unit} is no price of energy",
            doing="read a price of energy",
            expected="money per mass or volume, and energy per the same",
            next_step="mend one of the two units",
        )
    return root_factor(price.unit) / (root_factor(price.heat_value_unit) * price.heat_value) / root_factor(_PER_ENERGY)


def index_factor(settings: CostSettings, year: int) -> float:
    """Return the number that turns money of a year's prices into that of the settings' price year.

    Raises
    ------
    KeyError
        The index does not say how prices moved in a year between.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> settings = load_catalog().cost_settings["default"]
    >>> round(index_factor(settings, 2021), 5)  # 1.02 × 1.002
    1.02204
    """
    factor = 1.0
    for one in range(min(year, settings.price_year) + 1, max(year, settings.price_year) + 1):
        factor *= 1.0 + settings.price_index[one]
    return factor if year <= settings.price_year else 1.0 / factor


def check_portfolio(checker: Checker) -> None:
    """Note what is wrong with prices, amounts, payers, limits, and with the costs of measures that are counted by them."""
    catalog = checker.catalog
    axes = PathwayAxes(catalog.path_members)
    for name, settings in catalog.cost_settings.items():
        for field, source in (("source", settings.source), ("index_source", settings.index_source)):
            checker.known("source", source, catalog.sources, "cost_settings", name, field, zh="来源")
        _index(checker, settings)
    for price in catalog.energy_prices.values():
        _price(checker, axes, price)
    for amount in catalog.activity_amounts.values():
        _amount(checker, axes, amount)
    for measure in catalog.measures.values():
        for index, cost in enumerate(measure.costs):
            _cost(checker, axes, measure, index, cost)
    _payers(checker, axes)
    _limits(checker)


def _index(checker: Checker, settings: CostSettings) -> None:
    catalog = checker.catalog
    stated = [
        *(
            (f"措施 {one.id}", cost.price_year)
            for one in catalog.measures.values()
            for cost in one.costs
            if cost.amount
        ),
        *((f"价格 {one.id}", one.price_year) for one in catalog.energy_prices.values()),
    ]
    for what, year in stated:
        try:
            index_factor(settings, year)
        except KeyError as gap:
            checker.say(
                "cost-index.gap", f"{what}为 {year} 年价格，价格指数缺 {gap.args[0]} 年", "cost_settings", settings.id, "price_index",
                expected=f"{year} 至 {settings.price_year} 各年的涨幅", value=str(gap.args[0]),
            )  # fmt: skip
            return


def _price(checker: Checker, axes: PathwayAxes, price: EnergyPrice) -> None:
    catalog, here = checker.catalog, ("energy_prices", price.id)
    checker.known("place", price.place, catalog.places, *here, "place", zh="地方")
    checker.known("source", price.source, catalog.sources, *here, "source", zh="来源")
    checker.known(
        "energy-user", price.user, {*axes.codes("building_class"), *OTHER_USERS}, *here, "user", zh="用能单位"
    )
    carriers = {*axes.codes("carrier"), *axes.codes("heat_source")} - {"all"}
    checker.known("path-member", price.carrier, carriers, *here, "carrier", zh="能源")
    units = [("unit", price.unit), ("heat_value_unit", price.heat_value_unit)]
    if all(unit is None or checker.unit(unit, *here, field) for field, unit in units):
        try:
            price_factor(price)
        except UnitError as error:
            checker.say(
                "energy-price.unit", f"价格单位 {price.unit} 不能换算为每千瓦时的金额", *here, "unit",
                expected=error.expected, value=price.unit,
            )  # fmt: skip
    ends = (price.value if price.low is None else price.low, price.value if price.high is None else price.high)
    if not ends[0] <= price.value <= ends[1]:
        checker.say("energy-price.range", "价格不在其低值与高值之间", *here, "value", value=f"{price.value:g}")


def _amount(checker: Checker, axes: PathwayAxes, amount: ActivityAmount) -> None:
    here = ("activity_amounts", amount.id)
    checker.known("source", amount.source, checker.catalog.sources, *here, "source", zh="来源")
    checker.unit(amount.times_unit, *here, "times_unit")
    axis = _MEMBER_AXIS.get(amount.counts)
    if axis is None:
        return
    if amount.member is None:
        checker.say("activity-amount.member", f"按 {amount.counts} 计的数量要写明成员", *here, "member", expected=axis)
    else:
        checker.known("path-member", amount.member, axes.members(axis), *here, "member", zh="成员")


def _cost(checker: Checker, axes: PathwayAxes, measure: Measure, index: int, cost: MeasureCost) -> None:
    catalog, here = checker.catalog, ("measures", measure.id, "costs", index)
    codes = {*axes.codes("building_class"), *axes.codes("segment")}
    for position, code in enumerate(cost.classes):
        checker.known("path-member", code, codes, *here, "classes", position, zh="成员")
    known = checker.known("activity-amount", cost.amount, catalog.activity_amounts, *here, "amount", zh="计费数量")
    if cost.amount is None or not known:
        return
    amount = catalog.activity_amounts[cost.amount]
    if cost.kind == "investment" and amount.life != "once" and measure.lifetime is None:
        checker.say(
            "measure.cost-lifetime", f"措施 {measure.title.zh}有投资而没有寿命", "measures", measure.id, "lifetime",
            expected="投资使用的年数",
        )  # fmt: skip
    try:
        amount_factor(amount, cost, axes)
    except UnitError as error:
        checker.say(
            "measure.cost-amount", f"费用单位 {cost.unit} 与计费数量{amount.title.zh}相乘不是金额", *here, "unit",
            expected=error.expected, value=cost.unit,
        )  # fmt: skip


def _payers(checker: Checker, axes: PathwayAxes) -> None:
    catalog = checker.catalog
    users = {*axes.codes("building_class"), *OTHER_USERS}
    carriers = {*axes.codes("carrier"), *axes.codes("heat_source")}
    for group in catalog.payer_groups.values():
        here = ("payer_groups", group.id)
        for field, names, known in (("bills", group.bills, users), ("supplies", group.supplies, carriers)):
            for index, name in enumerate(names):
                checker.known("path-member", name, known, *here, field, index, zh="用能单位或能源")
    ruled: dict[str, str] = {}
    for rule in catalog.payer_rules.values():
        here = ("payer_rules", rule.id)
        checker.known("source", rule.source, catalog.sources, *here, "source", zh="来源")
        for name in (*rule.pays, rule.transfers_from, *([rule.transfers_to] if rule.transfers_to else [])):
            checker.known("payer-group", name, catalog.payer_groups, *here, zh="出资方")
        for index, name in enumerate(rule.measures):
            checker.known("measure", name, catalog.measures, *here, "measures", index, zh="措施")
            if ruled.setdefault(name, rule.id) != rule.id:
                checker.say(
                    "payer-rule.twice", f"措施 {name} 的出资办法在 {ruled[name]} 中已有", *here, "measures", index, value=name
                )  # fmt: skip


def _limits(checker: Checker) -> None:
    catalog = checker.catalog
    for limit in catalog.supply_limits.values():
        here = ("supply_limits", limit.id)
        checker.known("place", limit.place, catalog.places, *here, "place", zh="地方")
        checker.known("source", limit.source, catalog.sources, *here, "source", zh="来源")
        for name in limit.measures:
            if not checker.known("measure", name, catalog.measures, *here, "measures", name, zh="措施"):
                continue
            unit = catalog.measures[name].unit
            if checker.unit(limit.unit, *here, "unit") and not _alike(unit, limit.unit):
                checker.say(
                    "supply-limit.unit", f"措施 {name} 的水平单位 {unit} 与限额单位 {limit.unit} 不同", *here, "unit",
                    expected=unit, value=limit.unit,
                )  # fmt: skip


def _alike(unit: str, other: str) -> bool:
    try:
        return same_dimension(unit, other)
    except UnitError:
        return True  # noted with the measure

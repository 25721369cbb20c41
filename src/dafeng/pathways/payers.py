"""Who pays and who gains: investment by declared shares, energy by whose bill it is, subsidies from one to another.

What a group pays, less what it saves, adds up over groups to the social cost: a bill that falls is a loss to who sold the energy, whose
own cost of supply falls too; a subsidy is paid by one and received by another. Where heat is billed by area, saving heat does not lower
the bill of who saves: the heat company gains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.catalog.portfolio_checks import OTHER_USERS
from dafeng.pathways.portfolio_costs import Costs
from dafeng.pathways.portfolio_effects import Effects
from dafeng.pathways.portfolio_levels import Choices
from dafeng.pathways.portfolio_prices import price_table

__all__ = ["UNASSIGNED", "PayerTable", "who_pays"]

Floats = NDArray[np.float64]

UNASSIGNED: Final = "unassigned"
"""Group of what nobody is declared to pay."""


@dataclass(frozen=True)
class PayerTable:
    """What each group pays for each measure, CNY, discounted; negative where it gains. M measures, G groups.

    Attributes
    ----------
    groups : tuple of str
    titles : tuple of str
        Chinese names.
    measures : tuple of str
    capital : float array (M, G)
        Investment and yearly cost.
    energy : float array (M, G)
        Bills, sales and cost of supply.
    transfer : float array (M, G)
        Subsidies and awards: adds up to zero over groups.
    social : float array (M,)
        Net social cost.
    notes : tuple of str
        In Chinese.
    """

    groups: tuple[str, ...]
    titles: tuple[str, ...]
    measures: tuple[str, ...]
    capital: Floats
    energy: Floats
    transfer: Floats
    social: Floats
    notes: tuple[str, ...]

    @property
    def net(self) -> Floats:
        """What each group pays in all, (M, G): over groups, the social cost."""
        return self.capital + self.energy + self.transfer

    def totals(self) -> dict[str, tuple[float, float, float, float]]:
        """Return investment, energy, transfers and net of each group over all measures."""
        parts = (self.capital, self.energy, self.transfer, self.net)
        sums = np.stack([part.sum(axis=0) for part in parts])
        return {name: tuple(sums[:, at].tolist()) for at, name in enumerate(self.groups)}


@dataclass(frozen=True)
class _Groups:
    names: tuple[str, ...]
    bills: dict[str, int]
    supplies: dict[str, int]

    def of_user(self, axes: PathwayAxes, user: str) -> int:
        chain = (user,) if user in OTHER_USERS else axes.wider("building_class", user)
        return next((self.bills[one] for one in chain if one in self.bills), self.names.index(UNASSIGNED))

    def of_carrier(self, carrier: str) -> int:
        return self.supplies.get(carrier, self.names.index(UNASSIGNED))


def _groups(catalog: Catalog) -> _Groups:
    names = (*catalog.payer_groups, UNASSIGNED)
    bills = {user: at for at, one in enumerate(catalog.payer_groups.values()) for user in one.bills}
    supplies = {what: at for at, one in enumerate(catalog.payer_groups.values()) for what in one.supplies}
    return _Groups(names, bills, supplies)


def who_pays(
    catalog: Catalog, choices: Choices, effects: Effects, costs: Costs, levels: Floats, *, settings: str = "default"
) -> PayerTable:
    """Return who pays and who gains by levels, against the levels about which the effects are.

    Parameters
    ----------
    catalog : Catalog
    choices : Choices
    effects : Effects
    costs : Costs
        Of these effects.
    levels : float array (M, T)
        Measures without a cost are left out.
    settings : str
        Id of the settings of money.

    Returns
    -------
    PayerTable
    """
    groups = _groups(catalog)
    moved = np.where(costs.known[:, None], levels - effects.levels, 0.0)
    size = (len(choices.measures), len(groups.names))
    capital, transfer = np.zeros(size), np.zeros(size)
    spent = np.einsum("mst,ms,t->m", np.nan_to_num(costs.charge), moved, costs.discount)
    given = np.einsum("mst,ms,t->m", costs.transfer, moved, costs.discount)
    rules = {name: rule for rule in catalog.payer_rules.values() for name in rule.measures}
    notes: list[str] = []
    for row, measure in enumerate(choices.measures):
        rule = rules.get(measure.id)
        if rule is None:
            capital[row, -1] = spent[row]
            if spent[row] or given[row]:
                notes.append(f"{measure.title.zh}没有声明由谁出资")
            continue
        for name, share in rule.pays.items():
            capital[row, groups.names.index(name)] += spent[row] * share
        transfer[row, groups.names.index(rule.transfers_from)] += given[row]
        takers = rule.pays if rule.transfers_to is None else {rule.transfers_to: 1.0}
        for name, share in takers.items():
            transfer[row, groups.names.index(name)] -= given[row] * share
    energy = _energy(catalog, choices, effects, costs, moved, groups, settings)
    table = PayerTable(
        groups=groups.names,
        titles=(*(one.title.zh for one in catalog.payer_groups.values()), "未指定"),
        measures=choices.names,
        capital=capital,
        energy=energy,
        transfer=transfer,
        social=np.einsum("ms,ms->m", np.nan_to_num(costs.cost), moved),
        notes=(*notes, "出资比例与补贴去向为声明的约定；未计转嫁与税收"),
    )
    return table if np.any(table.net[:, -1]) else _without_nobody(table)


def _without_nobody(table: PayerTable) -> PayerTable:
    return PayerTable(
        table.groups[:-1], table.titles[:-1], table.measures, table.capital[:, :-1], table.energy[:, :-1],
        table.transfer[:, :-1], table.social, table.notes,
    )  # fmt: skip


def _energy(
    catalog: Catalog, choices: Choices, effects: Effects, costs: Costs, moved: Floats, groups: _Groups, settings: str
) -> Floats:
    """Return what groups pay for energy by measure, (M, G)."""
    axes = choices.book.axes
    money = catalog.cost_settings[settings]
    rows, years = effects.energy, effects.years
    paid = price_table(catalog, axes, costs.place, rows, years, money, "user")
    worth = price_table(catalog, axes, costs.place, rows, years, money, "social")
    kilowatthours = np.einsum("emst,ms->emt", effects.energy_effect, moved)
    weight = costs.discount
    bills = np.einsum("emt,et,t->em", kilowatthours, paid.values * (paid.sign * paid.varies)[:, None], weight)
    supply = np.einsum("emt,et,t->em", kilowatthours, worth.values * worth.sign[:, None], weight)
    found = np.zeros((len(choices.measures), len(groups.names)))
    for at, row in enumerate(rows):
        if not paid.carriers[at]:
            continue
        user = row[1] if row[0] == "pv_exported" else paid.users[at]
        payer, seller = groups.of_user(axes, user), groups.of_carrier(paid.carriers[at])
        found[:, payer] += bills[at]
        found[:, seller] += supply[at] - bills[at]
    return found

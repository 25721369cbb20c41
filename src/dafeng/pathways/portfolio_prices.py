"""Money of different years, and prices of energy by place, user and carrier, in CNY/kWh of one price year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.catalog.portfolio_checks import OTHER_USERS, index_factor, price_factor
from dafeng.catalog.portfolio_schemas import CostSettings, EnergyPrice
from dafeng.catalog.schemas import Grade

__all__ = [
    "PriceTable",
    "annual_share",
    "cost_settings",
    "discount_factors",
    "find_price",
    "price_table",
    "worst_grade",
]

Floats = NDArray[np.float64]
Row = tuple[str, str]

_GRADES: Final = ("A", "B", "C")
_BUSINESS: Final = "public"


@dataclass(frozen=True)
class PriceTable:
    """Prices of the kinds of energy that effects speak of. E kinds, T years.

    Attributes
    ----------
    values : float array (E, T), CNY/kWh
        0 where nothing is paid.
    varies : float array (E,)
        Share of the bill that follows use.
    sign : float array (E,)
        -1 for what is sold to the grid, 1 for what is bought.
    users, carriers : tuple of str
        By kind: who buys what; empty where it is no purchase.
    grades : tuple of Grade or None
    missing : tuple of bool
        Where a price is needed and none is stated.
    """

    values: Floats
    varies: Floats
    sign: Floats
    users: tuple[str, ...]
    carriers: tuple[str, ...]
    grades: tuple[Grade | None, ...]
    missing: tuple[bool, ...]


def worst_grade(grades: Sequence[Grade]) -> Grade:
    """Return the lowest of some grades; A of none.

    Examples
    --------
    >>> worst_grade([Grade.A, Grade.C, Grade.B]).value
    'C'
    """
    return max(grades, key=lambda one: _GRADES.index(one.value[0]), default=Grade.A)


def cost_settings(catalog: Catalog, name: str = "default") -> CostSettings:
    """Return the settings of money by id.

    Raises
    ------
    UnknownNameError
        None of that id.
    """
    if name not in catalog.cost_settings:
        raise UnknownNameError(
            f"no settings of costs are called {name!r}",
            doing="work out costs",
            expected="one of " + ", ".join(close_names(name, catalog.cost_settings) or sorted(catalog.cost_settings)),
            next_step="see portfolio_costs.yaml of the catalog",
        )
    return catalog.cost_settings[name]


def discount_factors(years: NDArray[np.int64], rate: float, to: int) -> Floats:
    """Return what a yuan of each year is worth in the year `to`.

    Examples
    --------
    >>> discount_factors(np.array([2027, 2028]), 0.25, 2027).tolist()
    [1.0, 0.8]
    """
    return np.asarray((1.0 + rate) ** (to - years.astype(np.float64)))


def annual_share(rate: float, life: int) -> float:
    """Return the equal annual cost of one yuan of investment, paid at the start of each year of its life.

    Payments a in the years 0 to life - 1 are together worth the investment: 1 = a · Σ (1 + rate)^-k (equivalent annual cost, 费用年值法;
    textbook of engineering economics, B).

    Raises
    ------
    InputError
        A life below one year, or a rate not above -1.

    Examples
    --------
    >>> annual_share(0.0, 4)
    0.25
    >>> round(annual_share(0.25, 2), 6)  # 1 / (1 + 0.8)
    0.555556
    """
    if life < 1 or rate <= -1:
        raise InputError(
            f"a life of {life} years at {rate:g}",
            doing="spread an investment over its life",
            expected="at least one year, and a rate above -1",
            next_step="mend the lifetime of the measure, or the discount rate",
        )
    return 1.0 / float(((1.0 + rate) ** -np.arange(life, dtype=np.float64)).sum())


def find_price(
    catalog: Catalog, axes: PathwayAxes, place: str, user: str, carrier: str, basis: Literal["user", "social"]
) -> EnergyPrice | None:
    """Return the price that holds for a user at a place: the nearest place first, then the narrowest user.

    A social price that is not stated is the user's; heat companies and municipal operators pay as public buildings where nothing is
    stated for them.
    """
    places = (place, *catalog.places.ancestor_ids(place))
    users = (user, _BUSINESS, "all") if user in OTHER_USERS else axes.wider("building_class", user)
    for wanted in (basis, "user"):
        for one in places:
            for who in users:
                if user == "grid" and who != "grid":
                    continue
                found = [
                    price
                    for price in catalog.energy_prices.values()
                    if (price.place, price.user, price.carrier, price.basis) == (one, who, carrier, wanted)
                ]
                if found:
                    return found[0]
    return None


def _purchase(axes: PathwayAxes, row: Row, basis: str) -> tuple[str, str] | None:
    """Return who buys what in a kind of energy, None where it is no purchase."""
    kind, what = row
    if kind == "pv_exported":
        return "grid", "electricity"
    if kind == "source":
        member = axes.get("heat_source", what)
        return None if member is None or member.carrier is None else ("heat_company", member.carrier)
    if kind == "supplied":
        member = axes.get("heat_source", what)
        return ("heat_company", what) if member is not None and member.carrier is None else None
    if kind == "municipal":
        return ("heat_company" if what == "heat_pumping" else "municipal"), "electricity"
    if what == "heat" and basis == "social":
        return None  # what heat costs is what its sources take in
    return kind, what


def price_table(
    catalog: Catalog,
    axes: PathwayAxes,
    place: str,
    rows: Sequence[Row],
    years: NDArray[np.int64],
    settings: CostSettings,
    basis: Literal["user", "social"],
) -> PriceTable:
    """Return the prices of kinds of energy.

    Parameters
    ----------
    catalog : Catalog
    axes : PathwayAxes
    place : str
    rows : sequence of (str, str)
        Kinds of energy, as `Effects.energy`.
    years : int array (T,)
    settings : CostSettings
    basis : {"user", "social"}

    Returns
    -------
    PriceTable
    """
    size = len(rows)
    values, varies, sign = np.zeros((size, len(years))), np.ones(size), np.ones(size)
    users, carriers = [""] * size, [""] * size
    grades: list[Grade | None] = [None] * size
    missing = [False] * size
    for at, row in enumerate(rows):
        buys = _purchase(axes, row, basis)
        if buys is None:
            continue
        users[at], carriers[at] = buys
        price = find_price(catalog, axes, place, *buys, basis)
        if price is None:
            missing[at] = row[0] != "supplied"  # heat of a source without a price has its cost in the measure
            continue
        rise = (1.0 + price.growth) ** (years - price.price_year).astype(np.float64)
        values[at] = price.value * price_factor(price) * index_factor(settings, price.price_year) * rise
        varies[at] = price.varies if row[1] == "heat" else 1.0
        grades[at] = price.grade
        sign[at] = -1.0 if row[0] == "pv_exported" else 1.0
    return PriceTable(values, varies, sign, tuple(users), tuple(carriers), tuple(grades), tuple(missing))

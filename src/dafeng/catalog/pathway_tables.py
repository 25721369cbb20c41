"""How pathway content is read: members of axes and what is wider, units, values year by year, which values a place cannot do without."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import UnitError
from dafeng.base.quantity import dimension_of, dimension_powers, root_factor
from dafeng.catalog.catalog import shipped_folder
from dafeng.catalog.pathway_schemas import Between, PathwayMember, PathwayParameter, PathwayQuantity

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "SHARE_TOLERANCE",
    "YEARS",
    "PathwayAxes",
    "SanityRatio",
    "bounds_of",
    "interpolate",
    "needs_value",
    "reads_cell",
    "sanity_ratios",
    "share_groups",
    "stated_cell",
    "unit_factor",
    "value_paths",
    "year_row",
]

FIRST_YEAR: Final = 1950
"""First year and first cohort of the model."""
LAST_YEAR: Final = 2060
"""Last year."""
YEARS: Final = np.arange(FIRST_YEAR, LAST_YEAR + 1)
"""All years of the model."""
SHARE_TOLERANCE: Final = 2e-3
"""How far stated shares may miss one: rounding to the third decimal."""
_ALL: Final = "all"
_HEAT_AND_COLD: Final = ("space_heating", "space_cooling")

Floats = NDArray[np.float64]


class PathwayAxes:
    """Members of the model's axes, in their order, and what each belongs to.

    Parameters
    ----------
    members : iterable of PathwayMember

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> axes = PathwayAxes(load_catalog().path_members)
    >>> axes.members("segment"), axes.wider("building_class", "office")
    (('urban_residential', 'rural_residential', 'public'), ('office', 'public', 'all'))
    >>> axes.below("building_class", "residential")
    ('urban_residential', 'rural_residential')
    """

    def __init__(self, members: Iterable[PathwayMember]) -> None:
        self._all = {(member.axis, member.code): member for member in members}
        self._rows: dict[str, tuple[str, ...]] = {}
        for (axis, code), member in self._all.items():
            if member.modelled:
                self._rows[axis] = (*self._rows.get(axis, ()), code)

    def __contains__(self, axis: object) -> bool:
        return axis in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def members(self, axis: str) -> tuple[str, ...]:
        """Return the codes of an axis that are rows of arrays, in their order; none of an unknown axis."""
        return self._rows.get(axis, ())

    def codes(self, axis: str) -> set[str]:
        """Return every code that may be named for an axis, wider ones and `all` included."""
        return {_ALL, *(code for known, code in self._all if known == axis)}

    def get(self, axis: str, code: str) -> PathwayMember | None:
        """Return a member, None where there is none."""
        return self._all.get((axis, code))

    def index(self, axis: str, code: str) -> int:
        """Return the row of a member."""
        return self._rows[axis].index(code)

    def wider(self, axis: str, code: str) -> tuple[str, ...]:
        """Return a code and the codes above it, nearest first, `all` last."""
        chain = [code]
        member = self.get(axis, code)
        while member is not None and member.parent is not None and member.parent not in chain:
            chain.append(member.parent)
            member = self.get(axis, member.parent)
        return tuple(chain) if _ALL in chain else (*chain, _ALL)

    def below(self, axis: str, code: str) -> tuple[str, ...]:
        """Return the rows that a code holds for: itself, or all that belong to it."""
        return tuple(row for row in self.members(axis) if code in self.wider(axis, row))

    def cells(self, quantity: PathwayQuantity) -> list[tuple[str, ...]]:
        """Return the members of all axes of a quantity, cell by cell; one empty cell where it has no axes."""
        return list(product(*(self.members(axis) for axis in quantity.axes)))

    def wider_cells(self, quantity: PathwayQuantity, cell: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield a cell and the wider ones whose values hold where it has none, the narrowest first."""
        chains = [self.wider(axis, code) for axis, code in zip(quantity.axes, cell, strict=True)]
        steps = sorted(product(*(range(len(chain)) for chain in chains)), key=lambda at: (sum(at), at))
        for step in steps:
            yield tuple(chain[at] for chain, at in zip(chains, step, strict=True))

    def segment(self, building_class: str) -> str:
        """Return the segment of a building class."""
        return next(code for code in self.wider("building_class", building_class) if code in self.members("segment"))

    def is_public(self, building_class: str) -> bool:
        """Return whether a building class is one of public buildings."""
        return "public" in self.wider("building_class", building_class)


def bounds_of(quantity: PathwayQuantity) -> tuple[float, float]:
    """Return the least and the greatest value that a quantity can have, infinite where there is no bound."""
    least = -np.inf if quantity.least is None else quantity.least
    return float(least), float(np.inf if quantity.most is None else quantity.most)


def reads_cell(axes: PathwayAxes, quantity: PathwayQuantity, cell: Sequence[str]) -> bool:
    """Return whether the model reads a cell: demand by person is of dwellings, demand by area of public buildings."""
    if quantity.id in ("person_demand", "area_demand"):
        return cell[1] not in _HEAT_AND_COLD and axes.is_public(cell[0]) == (quantity.id == "area_demand")
    return True


def needs_value(axes: PathwayAxes, quantity: PathwayQuantity, cell: Sequence[str]) -> bool:
    """Return whether the model cannot do without a value of this cell.

    Efficiencies and source inputs are needed only of what has a share.
    """
    if quantity.default is not None or quantity.sums_to_one is not None:
        return False
    return quantity.id not in ("technology_efficiency", "heat_source_input") and reads_cell(axes, quantity, cell)


def share_groups(axes: PathwayAxes, quantity: PathwayQuantity) -> list[tuple[tuple[str, ...], ...]]:
    """Return the groups of cells of a quantity that add up to one: of public buildings, of one end use, of each other axis.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> axes = PathwayAxes(catalog.path_members)
    >>> len(share_groups(axes, catalog.path_quantities["technology_share"]))
    56
    """
    if quantity.sums_to_one is None:
        return []
    at = quantity.axes.index(quantity.sums_to_one)
    groups: dict[tuple[str | None, ...], list[tuple[str, ...]]] = {}
    for cell in axes.cells(quantity):
        member = axes.get(quantity.sums_to_one, cell[at])
        if quantity.id == "public_mix" and not axes.is_public(cell[at]):
            continue
        use = member.end_use if member is not None else None
        groups.setdefault((*cell[:at], *cell[at + 1 :], use), []).append(cell)
    return [tuple(cells) for cells in groups.values()]


def unit_factor(axes: PathwayAxes, quantity: PathwayQuantity, unit: str, of: Mapping[str, str]) -> float:
    """Return the number that turns a value in `unit` into one of the quantity's unit.

    Shares may be given in percent; the amount and energy of a municipal service per unit in which the service is counted.

    Raises
    ------
    UnitError
        A unit is unknown, or measures something else.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> axes, known = PathwayAxes(catalog.path_members), catalog.path_quantities
    >>> unit_factor(axes, known["population"], "万人", {}), unit_factor(axes, known["urban_share"], "%", {})
    (10000.0, 0.01)
    >>> unit_factor(axes, known["service_energy"], "kWh/m**3", {"service": "sewage"})
    1.0
    """
    wanted, size = _powers(quantity.unit), root_factor(quantity.unit)
    shown = quantity.unit
    counted = next((member.unit for axis, code in of.items() if (member := axes.get(axis, code)) and member.unit), None)
    if quantity.member_unit is not None and counted is not None:
        sign = 1 if quantity.member_unit == "times" else -1
        for name, power in _powers(counted).items():
            wanted[name] = wanted.get(name, 0.0) + sign * power
        size *= root_factor(counted) ** sign
        shown = f"{counted}·{shown}" if sign > 0 else f"{shown}/({counted})"
    if _powers(unit) != {name: power for name, power in wanted.items() if power}:
        raise UnitError(
            f"{unit!r} {dimension_of(unit)} cannot become {shown!r}",
            doing=f"read {quantity.id}",
            expected=f"a unit that converts to {shown}",
            next_step="mend the parameter's unit",
        )
    return float(f"{root_factor(unit) / size:.15g}")


@lru_cache(maxsize=512)
def _power_items(unit: str) -> tuple[tuple[str, float], ...]:
    return tuple((name, power) for name, power in dimension_powers(unit).items() if name != "[share]")


def _powers(unit: str) -> dict[str, float]:
    return dict(_power_items(unit))


def year_row(years: NDArray[np.int64], year: int) -> int:
    """Return the row of a year among rising years.

    Raises
    ------
    IndexError
        The year is not among them.

    Examples
    --------
    >>> year_row(YEARS, 1951)
    1
    """
    return int(np.flatnonzero(years == year)[0])


def stated_cell(quantity: PathwayQuantity, parameter: PathwayParameter) -> tuple[str, ...]:
    """Return the members that a parameter names, axis by axis; `all` where it names none."""
    return tuple(parameter.of.get(axis, _ALL) for axis in quantity.axes)


def interpolate(at: Sequence[int], values: Sequence[float], between: Between) -> Floats:
    """Return the values of every year of the model; before the first and after the last stated they hold.

    Parameters
    ----------
    at : sequence of int
        Years stated, ascending.
    values : sequence of float
    between : Between
        Geometric is linear where a value is not above zero; smooth keeps rising stretches rising and passes through every value.

    Examples
    --------
    >>> path = interpolate([2000, 2020], [1.0, 4.0], Between.GEOMETRIC)
    >>> path[[0, 60, 110]].round(6).tolist()
    [1.0, 2.0, 4.0]
    """
    years, numbers = np.asarray(at), np.asarray(values, dtype=np.float64)
    if between is Between.STEP:
        return np.asarray(numbers[np.clip(np.searchsorted(years, YEARS, side="right") - 1, 0, None)])
    if between is Between.GEOMETRIC and bool((numbers > 0).all()):
        path = np.exp(np.interp(YEARS, years, np.log(numbers)))
        path[np.searchsorted(YEARS, years)] = numbers
        return np.asarray(path)
    if between is Between.SMOOTH and len(years) > 2:
        return _smooth(years.astype(np.float64), numbers)
    return np.asarray(np.interp(YEARS, years, numbers))


def _smooth(years: Floats, values: Floats) -> Floats:
    """Return the monotone cubic through the points: slopes by Fritsch and Butland (1984), as `scipy.interpolate.PchipInterpolator`.

    Written out, since every command loads the catalog and SciPy's interpolation takes longer to load than the catalog.
    """
    steps, rises = np.diff(years), np.diff(values) / np.diff(years)
    before, after = rises[:-1], rises[1:]
    first, second = 2 * steps[1:] + steps[:-1], steps[1:] + 2 * steps[:-1]
    same = before * after > 0
    harmonic = (first + second) / (first / np.where(same, before, 1.0) + second / np.where(same, after, 1.0))
    slopes = np.concatenate(
        [[_end_slope(steps, rises)], np.where(same, harmonic, 0.0), [_end_slope(steps[::-1], rises[::-1])]]
    )
    at = np.clip(YEARS.astype(np.float64), years[0], years[-1])
    row = np.clip(np.searchsorted(years, at, side="right") - 1, 0, len(steps) - 1)
    part, width = (at - years[row]) / steps[row], steps[row]
    rest = 1 - part
    return np.asarray(
        values[row] * (1 + 2 * part) * rest**2 + slopes[row] * width * part * rest**2
        + values[row + 1] * part**2 * (3 - 2 * part) - slopes[row + 1] * width * part**2 * rest
    )  # fmt: skip


def _end_slope(steps: Floats, rises: Floats) -> float:
    """Return the slope at the first point from the first two steps, of the sign of the first, and at most thrice it."""
    slope = ((2 * steps[0] + steps[1]) * rises[0] - steps[0] * rises[1]) / (steps[0] + steps[1])
    if slope * rises[0] <= 0:
        return 0.0
    return float(3 * rises[0] if rises[0] * rises[1] <= 0 and abs(slope) > abs(3 * rises[0]) else slope)


def value_paths(parameter: PathwayParameter, between: Between, factor: float) -> tuple[Floats, Floats, Floats]:
    """Return 5th percentile, value and 95th percentile of every year, in the quantity's unit.

    A point without low and high is certain. A curve leads from the last point towards its ceiling.

    Parameters
    ----------
    parameter : PathwayParameter
    between : Between
    factor : float
        Turns the parameter's unit into the quantity's.
    """
    at = [point.year for point in parameter.points]
    middle = [point.value for point in parameter.points]
    ends = [[point.value if (end := getattr(point, name)) is None else end for point in parameter.points] for name in ("low", "high")]  # fmt: skip
    low, mid, high = (interpolate(at, values, between) for values in (ends[0], middle, ends[1]))
    if between is Between.SMOOTH:
        low, high = np.minimum(low, mid), np.maximum(high, mid)
    if parameter.curve is not None:
        curve = parameter.curve
        later = at[-1] < YEARS
        left = np.exp(-curve.rate * (YEARS[later] - at[-1]))
        for path, ceiling in ((low, curve.ceiling_low), (mid, curve.ceiling), (high, curve.ceiling_high)):
            top = curve.ceiling if ceiling is None else ceiling
            path[later] = top - (top - path[at[-1] - FIRST_YEAR]) * left
    return low * factor, mid * factor, high * factor


class SanityRatio(NamedTuple):
    """What a result of the model should lie between.

    Parameters
    ----------
    ratio, place : str
        Code of the ratio; place for which it holds.
    first, last : int
        Years.
    least, most : float
    unit, name, source, grade : str
    """

    ratio: str
    place: str
    first: int
    last: int
    least: float
    most: float
    unit: str
    name: str
    source: str
    grade: str


@lru_cache(maxsize=1)
def sanity_ratios() -> tuple[SanityRatio, ...]:
    """Return the ranges in which results of the model should lie.

    Examples
    --------
    >>> ratio = sanity_ratios()[0]
    >>> ratio.ratio, ratio.place, ratio.least, ratio.most
    ('operation_per_area', 'cn', 30.0, 36.0)
    """
    with (shipped_folder() / "tables" / "pathway_sanity.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return tuple(
        SanityRatio(
            row["ratio"], row["place"], int(row["first"]), int(row["last"]), float(row["least"]), float(row["most"]),
            row["unit"], row["name_zh"], row["source"], row["grade"],
        )
        for row in rows
    )  # fmt: skip

"""The arrays that the model reads, one for each quantity of the variable table: `array[axes…, year, draw]`, draws last.

The draw axis has the length of the draws, or 1 where a quantity is the same in all of them; the model keeps it 1 as long as it can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.catalog.pathway_schemas import PathwayPlace, PathwayQuantity
from dafeng.catalog.pathway_tables import FIRST_YEAR, YEARS, PathwayAxes, share_groups

__all__ = ["FIRST_RESULT", "READ_FROM_1950", "STANDARD_RATIOS", "Buffers", "Inputs", "normalise_shares"]

Floats = NDArray[np.float64]

FIRST_RESULT: Final = 2000
"""First year of results; the years from 1950 before it only build the cohorts up."""
READ_FROM_1950: Final = frozenset(
    {
        "population",
        "urban_share",
        "floor_per_head",
        "public_mix",
        "lifetime",
        "lifetime_shape",
        "protection",
        "standard_compliance",
        "advanced_share",
        "retrofit_rate",
        "retrofit_area",
    }
)
"""Quantities that build the cohorts up; of the others the model reads nothing before 2000, and arrays may hold 0 there."""
STANDARD_RATIOS: Final = {
    "code_heat_ratio": ("building_class",),
    "code_cool_ratio": ("building_class",),
    "previous_heat_ratio": ("building_class",),
    "previous_cool_ratio": ("building_class",),
    "level_heat_ratio": ("building_class", "level"),
    "level_cool_ratio": ("building_class", "level"),
}
"""Arrays by cohort from the energy standards of the place, with their axes: useful heat and cold as a share of the building before
any standard, of the code of the year, of the code before it, and of the levels above it."""


class Buffers:
    """Arrays that are filled again and again, for one run after another: the system then hands out and clears their memory once.

    Inputs made with buffers, and what shares memory with them, hold until the next are made with the same buffers.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, tuple[int, ...]], Floats] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> Floats:
        """Return the array of a name and shape, with what it was last filled with; 0 at first."""
        if (name, shape) not in self._held:
            self._held[name, shape] = np.zeros(shape)
        return self._held[name, shape]

    def own(self, name: str, array: Floats, draws: int = 1) -> Floats:
        """Return an array of these values that may be written to, of at least so many draws: itself where it is held here."""
        shape = (*array.shape[:-1], max(array.shape[-1], draws))
        held = self.take(name, shape)
        if held is not array:
            np.copyto(held, array)
        return held


@dataclass(frozen=True)
class Inputs:
    """Everything that a run of the model reads.

    Parameters
    ----------
    place : str
        Place id.
    settings : PathwayPlace
        Base year, survival family, age convention, cohorts that may be retrofitted.
    axes : PathwayAxes
    quantities : Mapping of str to PathwayQuantity
        The variable table.
    arrays : Mapping of str to array
        By quantity id, `(axes…, years, draws or 1)`; besides these the arrays of `STANDARD_RATIOS`. Before 2000 only those of
        `READ_FROM_1950` have a meaning.
    years : array of int
        1950 to 2060; also the cohorts.

    Raises
    ------
    InputError
        Two arrays have different numbers of draws.
    """

    place: str
    settings: PathwayPlace
    axes: PathwayAxes
    quantities: Mapping[str, PathwayQuantity]
    arrays: Mapping[str, Floats]
    years: NDArray[np.int64] = field(default_factory=lambda: YEARS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))
        found = {array.shape[-1] for array in self.arrays.values()} - {1}
        if len(found) > 1:
            raise InputError(
                f"arrays of {', '.join(map(str, sorted(found)))} draws stand side by side",
                doing="join the inputs of the pathway model",
                expected="one number of draws, or 1 where all draws are alike",
                next_step="draw all quantiles with the same number",
            )

    @property
    def draws(self) -> int:
        """Number of draws; 1 where nothing is drawn."""
        return max(int(array.shape[-1]) for array in self.arrays.values())

    def axes_of(self, name: str) -> tuple[str, ...]:
        """Return the axes of an array before year and draw.

        Raises
        ------
        UnknownNameError
            No array of that name.
        """
        if name in STANDARD_RATIOS:
            return STANDARD_RATIOS[name]
        if name in self.quantities:
            return self.quantities[name].axes
        raise UnknownNameError(
            f"no quantity of the pathway model is called {name!r}",
            doing="find a quantity",
            expected="one of " + ", ".join(close_names(name, self.quantities) or sorted(self.quantities)[:5]),
            next_step="see docs/explanation/pathways.md for the variable table",
        )

    def rows(self, name: str, of: Mapping[str, str]) -> tuple[list[int], ...]:
        """Return the rows of each axis that members stand for, wider members for all below them.

        Examples
        --------
        `array[np.ix_(*inputs.rows("technology_share", {"building_class": "public", "technology": "air_heat_pump"}))]` has the axes
        class, technology, year, draw.
        """
        return tuple(
            [self.axes.index(axis, code) for code in self.axes.below(axis, of.get(axis, "all"))]
            for axis in self.axes_of(name)
        )

    def late(self, name: str) -> Floats:
        """Return an array from 2000 on, a view."""
        return self.arrays[name][..., FIRST_RESULT - FIRST_YEAR :, :]

    def with_arrays(self, **arrays: Floats) -> Inputs:
        """Return the inputs with other arrays in place of those of these names.

        Raises
        ------
        UnknownNameError, InputError
            A name that is no quantity; a shape that does not fit its axes.
        """
        for name, array in arrays.items():
            shape = (*(len(self.axes.members(axis)) for axis in self.axes_of(name)), len(self.years))
            if array.shape[:-1] != shape:
                raise InputError(
                    f"array {name} has shape {array.shape}",
                    doing="change the inputs of the pathway model",
                    expected=f"{(*shape, 'draws')}: {', '.join((*self.axes_of(name), 'year', 'draw'))}",
                    next_step="give every member and year",
                )
        return replace(self, arrays={**self.arrays, **arrays})

    def freeze(self, year: int, *, buffers: Buffers | None = None) -> Inputs:
        """Return the inputs in which everything that a frozen scenario holds keeps its value of `year` ever after.

        Held are the quantities with `frozen` in the variable table, and the energy standards in force. With `buffers` they hold
        the arrays.
        """
        buffers = buffers or Buffers()
        held = [name for name, quantity in self.quantities.items() if quantity.frozen and name in self.arrays]
        frozen: dict[str, Floats] = {}
        at = int(year) - FIRST_YEAR
        for name in (*held, *(name for name in STANDARD_RATIOS if name in self.arrays)):
            array = buffers.own(name, self.arrays[name])
            array[..., at + 1 :, :] = array[..., at : at + 1, :]
            frozen[name] = array
        return replace(self, arrays={**self.arrays, **frozen})


def normalise_shares(
    axes: PathwayAxes,
    quantity: PathwayQuantity,
    array: Floats,
    held: Mapping[tuple[str, ...], Sequence[tuple[str, ...]]] | None = None,
) -> Floats:
    """Scale shares so that each group adds up to one; a group that adds up to nothing is left as it is.

    Parameters
    ----------
    axes : PathwayAxes
    quantity : PathwayQuantity
        One that sums to one over an axis.
    array : array, `(axes…, years, draws)`
        Shares from 0 up; changed in place.
    held : Mapping, optional
        By first cell of a group, the cells that keep their value while the others make room; all give way where the held ones
        exceed one.

    Returns
    -------
    array
        The same array.
    """
    for cells in share_groups(axes, quantity):
        rows = {
            cell: tuple(axes.index(axis, code) for axis, code in zip(quantity.axes, cell, strict=True))
            for cell in cells
        }
        kept = [] if held is None else list(held.get(cells[0], ()))
        _scale(array, [rows[cell] for cell in cells if cell not in kept], [rows[cell] for cell in kept])
    return array


def _scale(array: Floats, free: list[tuple[int, ...]], kept: list[tuple[int, ...]]) -> None:
    # rows that are 0 throughout take no part, which most technologies of a class are
    free, kept = ([row for row in rows if array[row].any()] for rows in (free, kept))
    if not free and not kept:
        return
    rest, stated = _sum(array, free), _sum(array, kept)
    if kept:
        # what is kept gives way where it exceeds one, and fills up where nothing is there to share the rest
        full = np.where(rest > 0, np.maximum(stated, 1.0), stated)
        if (full != 1).any():
            for row in kept:
                array[row] /= np.where(full > 0, full, 1.0)
    factor = np.divide(np.maximum(1.0 - stated, 0.0), rest, out=np.ones_like(rest), where=rest > 0)
    for row in free:
        array[row] *= factor


def _sum(array: Floats, rows: list[tuple[int, ...]]) -> Floats:
    total = np.zeros(array.shape[-2:])
    for row in rows:
        total += array[row]
    return total

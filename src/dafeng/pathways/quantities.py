"""From graded parameters of a place and the places above it to the arrays of the model, each value with its origin.

Which value holds: values given to `read_inputs` before those of the catalog; then the nearest place that states the quantity for the
member or a wider one; at that place the narrowest member. Shares that add up to one: what the nearest place states holds, those of
places above share what it leaves, in proportion; a place whose shares add up to one leaves nothing. What comes from a place above is
marked as borrowed; an extensive quantity is then taken by share of population, and population itself is never borrowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, NotEnoughDataError
from dafeng.base.finding import Finding, Severity
from dafeng.base.record import Record
from dafeng.catalog import Catalog
from dafeng.catalog.pathway_schemas import PathwayParameter, PathwayPlace, PathwayQuantity
from dafeng.catalog.pathway_tables import (
    FIRST_YEAR,
    YEARS,
    PathwayAxes,
    bounds_of,
    unit_factor,
    value_paths,
)
from dafeng.catalog.schemas import Grade
from dafeng.pathways.distributions import Spread, scores, values_at
from dafeng.pathways.inputs import FIRST_RESULT, READ_FROM_1950, Buffers, Inputs, normalise_shares
from dafeng.pathways.ratios import standard_ratios
from dafeng.pathways.resolving import Cell, Reader, Resolved, check_given

__all__ = ["InputBook", "Inputs", "Origin", "Track", "read_inputs"]

Floats = NDArray[np.float64]


class Origin(Record):
    """Where the values of a quantity come from."""

    quantity: str
    """Quantity."""
    of: dict[str, str]
    """Members as the parameter names them."""
    place: str
    """Place that states it; empty for the default of the variable table."""
    parameter: str
    """Parameter id; empty for a default."""
    borrowed: bool
    """Whether it is taken from a place above."""
    grade: Grade
    """How sure."""
    source: str
    """Source id; empty for a default."""
    first_year: int | None
    """First year stated."""
    last_year: int | None
    """Last year stated."""


@dataclass(frozen=True)
class Track:
    """A parameter year by year in the unit of its quantity."""

    group: str
    spread: Spread
    low: Floats
    mid: Floats
    high: Floats
    certain: bool

    @classmethod
    def of(cls, axes: PathwayAxes, quantity: PathwayQuantity, parameter: PathwayParameter) -> Track:
        """Return the track of a parameter."""
        factor = unit_factor(axes, quantity, parameter.unit, parameter.of)
        low, mid, high = value_paths(parameter, quantity.between, factor)
        certain = bool((low == high).all())
        return cls(parameter.group or parameter.id, parameter.spread, low, mid, high, certain)

    def at(self, score: Mapping[tuple[str, str], Floats], first: int) -> Floats:
        """Return the values from row `first` on, an array of its own."""
        drawn = None if self.certain else score.get((self.group, self.spread))
        if drawn is None:
            return self.mid[first:, None].copy()
        return values_at(self.low[first:], self.mid[first:], self.high[first:], drawn, self.spread)


@dataclass(frozen=True)
class InputBook:
    """The parameters that hold for a place, ready to be drawn.

    Parameters
    ----------
    place : str
        Place id.
    settings : PathwayPlace
    axes : PathwayAxes
    quantities : Mapping of str to PathwayQuantity
    resolved : Mapping of str to resolved quantities
    ratios : Mapping of str to array
        Ratios of the energy standards by cohort.
    findings : tuple of Finding
        What is missing (errors), borrowed without history, or inconsistent.
    """

    place: str
    settings: PathwayPlace
    axes: PathwayAxes
    quantities: Mapping[str, PathwayQuantity]
    resolved: Mapping[str, Resolved]
    ratios: Mapping[str, Floats]
    chain: tuple[str, ...]
    findings: tuple[Finding, ...]
    people: Mapping[str, PathwayParameter] = field(default_factory=dict)
    """Parameter of the population by place, of the place and those above it."""

    @cached_property
    def parameters(self) -> tuple[PathwayParameter, ...]:
        """Parameters that hold, in the order of their ids."""
        found = {one.id: one for part in self.resolved.values() for one in part.cells.values()}
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Where each quantity's values come from, by quantity; defaults of the variable table included."""
        rows: list[Origin] = []
        for name, part in self.resolved.items():
            seen = {parameter.id: parameter for parameter in part.cells.values()}
            for parameter in seen.values():
                rows.append(
                    Origin(
                        quantity=name, of=parameter.of, place=parameter.place, parameter=parameter.id,
                        borrowed=parameter.place != self.place, grade=parameter.grade, source=parameter.source,
                        first_year=parameter.points[0].year, last_year=parameter.points[-1].year,
                    )
                )  # fmt: skip
            if part.quantity.default is not None and len(part.cells) < len(self.axes.cells(part.quantity)):
                rows.append(
                    Origin(
                        quantity=name, of={}, place="", parameter="", borrowed=False, grade=Grade.C, source="",
                        first_year=None, last_year=None,
                    )
                )  # fmt: skip
        return tuple(rows)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Spread groups of the parameters that are not certain, in alphabetical order."""
        return tuple(sorted({track.group for track in self._tracks.values() if not track.certain}))

    @cached_property
    def _tracks(self) -> dict[str, Track]:
        tracks: dict[str, Track] = {}
        for part in self.resolved.values():
            for parameter in part.cells.values():
                if parameter.id not in tracks:
                    tracks[parameter.id] = Track.of(self.axes, part.quantity, parameter)
        return tracks

    def arrays(self, quantiles: Mapping[str, Floats] | None = None, *, buffers: Buffers | None = None) -> Inputs:
        """Return the arrays of the model, at the stated values or at a quantile of each spread group.

        Parameters
        ----------
        quantiles : Mapping of str to array, shape (draws,), optional
            Numbers between 0 and 1 by spread group; a group that is not named keeps its stated values.
        buffers : Buffers, optional
            Arrays to fill; new ones where None.

        Returns
        -------
        Inputs
            Draw axis 1 wherever nothing is drawn; arrays may be read-only views. Values beyond a quantity's bounds are set to the bound; shares are scaled so
            that each group adds up to one.

        Raises
        ------
        NotEnoughDataError
            The model cannot do without a value that no place states; the error carries the findings.
        InputError
            Quantiles outside 0 to 1, or of different lengths.
        """
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        if errors:
            raise NotEnoughDataError(
                f"{len(errors)} inputs of {self.place} are missing or faulty: {errors[0].sentence}",
                doing="read the inputs of the pathway model",
                expected="a value for every quantity without a default, at the place or above it",
                next_step="add parameters to catalog/pathways of the workspace",
                findings=[finding.model_dump(mode="json") for finding in errors],
            )
        score, held = self._scores(quantiles or {}), buffers or Buffers()
        arrays = {name: self._array(part, score, held) for name, part in self.resolved.items()}
        return Inputs(self.place, self.settings, self.axes, self.quantities, arrays | dict(self.ratios))

    def _scores(self, quantiles: Mapping[str, Floats]) -> dict[tuple[str, str], Floats]:
        lengths = {len(np.atleast_1d(one)) for one in quantiles.values()}
        wrong = [
            name for name, one in quantiles.items() if not bool(((np.asarray(one) >= 0) & (np.asarray(one) <= 1)).all())
        ]
        if len(lengths) > 1 or wrong:
            raise InputError(
                f"quantiles of lengths {sorted(lengths)}"
                if len(lengths) > 1
                else f"quantiles of {wrong[0]} leave 0 to 1",
                doing="draw the inputs of the pathway model",
                expected="numbers from 0 to 1, as many for each group",
                next_step="make them by `quantiles`",
            )
        used = {(track.group, track.spread) for track in self._tracks.values() if not track.certain}
        return {
            (group, spread): scores(np.asarray(quantiles[group], dtype=np.float64), spread)
            for group, spread in sorted(used)
            if group in quantiles
        }

    def _array(self, part: Resolved, score: Mapping[tuple[str, str], Floats], buffers: Buffers) -> Floats:
        quantity = part.quantity
        first = 0 if quantity.id in READ_FROM_1950 else FIRST_RESULT - FIRST_YEAR
        at: dict[str, Floats] = {}
        for parameter in part.cells.values():
            if parameter.id not in at:
                values = self._tracks[parameter.id].at(score, first)
                if quantity.extensive and parameter.place != self.place:
                    values *= self._share_of(parameter.place)[first:]
                at[parameter.id] = np.clip(values, *bounds_of(quantity), out=values)
        shape = tuple(len(self.axes.members(axis)) for axis in quantity.axes)
        cells = self.axes.cells(quantity)
        draws = max((values.shape[-1] for values in at.values()), default=1)
        if len(at) == 1 and len(part.cells) == len(cells) and quantity.sums_to_one is None:
            same = buffers.take(quantity.id, (len(YEARS), draws))
            (same[first:],) = at.values()
            return np.broadcast_to(same, (*shape, *same.shape))
        array = buffers.take(quantity.id, (*shape, len(YEARS), draws))
        if quantity.sums_to_one is None:
            for cell in cells:
                here = array[self._row(quantity, cell)]
                here[first:] = at[part.cells[cell].id] if cell in part.cells else _filler(quantity)
            return array
        array[..., first:, :] = 0.0
        # what a place above states is scaled first, then makes room for what a nearer one states
        for back in range(1, max(map(len, part.levels.values()), default=0) + 1):
            level = {start: stated[-back] for start, stated in part.levels.items() if back <= len(stated)}
            for cell in (one for stated in level.values() for one in stated):
                array[self._row(quantity, cell)][first:] = at[part.cells[cell].id]
            normalise_shares(self.axes, quantity, array[..., first:, :], level if back > 1 else None)
        return array

    def _share_of(self, wider: str) -> Floats:
        """Return the population of the place as a share of that of a wider one, year by year; 1 where either is unknown."""
        if self.place not in self.people or wider not in self.people:
            return np.ones((len(YEARS), 1))
        of, known = self.quantities["population"], (self.people[self.place], self.people[wider])
        here, there = (value_paths(one, of.between, unit_factor(self.axes, of, one.unit, one.of))[1] for one in known)
        return np.asarray((here / np.maximum(there, 1.0))[:, None])

    def _row(self, quantity: PathwayQuantity, cell: Cell) -> tuple[int, ...]:
        return tuple(self.axes.index(axis, code) for axis, code in zip(quantity.axes, cell, strict=True))


def _filler(quantity: PathwayQuantity) -> float:
    """Return what stands in cells without a value: the default; where the model does not read them, what does no harm."""
    if quantity.default is not None:
        return quantity.default
    return 1.0 if quantity.id == "technology_efficiency" else 0.0


def read_inputs(catalog: Catalog, place: str, *, parameters: Sequence[PathwayParameter] = ()) -> InputBook:
    """Find the value of every quantity for a place.

    Parameters
    ----------
    catalog : Catalog
    place : str
        Place id.
    parameters : sequence of PathwayParameter
        Values that hold before those of the catalog: of a scenario, or fitted by calibration. The last of two for the same
        quantity, place and members holds. Shares among them keep their value; the others of their group make room.

    Returns
    -------
    InputBook

    Raises
    ------
    UnknownNameError
        No place has that id; a given parameter is of no quantity or member of the model.
    UnitError
        The unit of a given parameter does not convert.
    NotEnoughDataError
        Neither the place nor one above it says how it is modelled.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> book = read_inputs(load_catalog(), "qingdao")
    >>> book.arrays().arrays["population"].shape
    (111, 1)
    """
    axes = PathwayAxes(catalog.path_members)
    chain = (catalog.places.get(place).id, *catalog.places.ancestor_ids(place))
    settings = next((catalog.path_places[one] for one in chain if one in catalog.path_places), None)
    if settings is None:
        raise NotEnoughDataError(
            f"no entry of path_places holds for {place}",
            doing="read the inputs of the pathway model",
            expected=f"an entry for one of {', '.join(chain)}",
            next_step="add an entry to path_places",
        )
    for one in parameters:
        check_given(catalog, axes, one)
    reader = Reader(catalog, axes, place, chain, parameters)
    resolved = {name: reader.resolve(quantity) for name, quantity in catalog.path_quantities.items()}
    ratios, findings = standard_ratios(catalog, axes, place=place, chain=chain, zone=settings.zone)
    reader.check(resolved)
    return InputBook(
        place,
        settings,
        axes,
        catalog.path_quantities,
        resolved,
        ratios,
        chain,
        (*reader.findings, *findings),
        reader.people(),
    )

"""Which parameter holds for each cell of each quantity at a place, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.catalog import Catalog
from dafeng.catalog.pathway_schemas import PathwayParameter, PathwayQuantity
from dafeng.catalog.pathway_tables import (
    PathwayAxes,
    needs_value,
    reads_cell,
    share_groups,
    stated_cell,
    unit_factor,
)

__all__ = ["Cell", "Reader", "Resolved", "check_given"]

Cell = tuple[str, ...]

_HISTORY: Final = ("population", "urban_share", "floor_per_head")
_EARLY: Final = 1980
_NEVER_BORROWED: Final = "population"


@dataclass(frozen=True)
class Resolved:
    """A quantity with the parameter of each cell."""

    quantity: PathwayQuantity
    """Quantity."""
    cells: Mapping[Cell, PathwayParameter]
    """Parameter by cell; cells with the default, or that the model does not read, have none."""
    levels: Mapping[Cell, tuple[tuple[Cell, ...], ...]]
    """By first cell of a group of shares: its cells by who states them, nearest first."""


def check_given(catalog: Catalog, axes: PathwayAxes, parameter: PathwayParameter) -> None:
    """Refuse a parameter that the catalog has not checked and that names what is not there."""
    quantity = catalog.path_quantities.get(parameter.quantity)
    known = catalog.path_quantities if quantity is None else quantity.axes
    wrong = [parameter.quantity] if quantity is None else [axis for axis in parameter.of if axis not in quantity.axes]
    for axis, code in parameter.of.items():
        if not wrong and code not in axes.codes(axis):
            wrong, known = [code], tuple(sorted(axes.codes(axis)))
    if wrong or quantity is None:
        raise UnknownNameError(
            f"parameter {parameter.id} names {wrong[0]!r}",
            doing="read the inputs of the pathway model",
            expected="one of " + ", ".join(close_names(wrong[0], known) or list(known)[:6]),
            next_step="see docs/explanation/pathways.md for the variable table",
        )
    unit_factor(axes, quantity, parameter.unit, parameter.of)


@dataclass(frozen=True)
class _Layer:
    """Parameters of one place, by quantity and members; those given before those of the catalog."""

    given: bool
    by_cell: Mapping[tuple[str, Cell], PathwayParameter]


class Reader:
    """Finds the parameter of each cell."""

    def __init__(
        self,
        catalog: Catalog,
        axes: PathwayAxes,
        place: str,
        chain: Sequence[str],
        given: Sequence[PathwayParameter],
    ) -> None:
        self.catalog, self.axes, self.place = catalog, axes, place
        self.findings: list[Finding] = []
        self.layers = [
            layer
            for is_given, parameters in ((True, given), (False, tuple(catalog.path_parameters.values())))
            for one in chain
            if (layer := self._layer(is_given, [item for item in parameters if item.place == one])).by_cell
        ]

    def _layer(self, given: bool, parameters: Sequence[PathwayParameter]) -> _Layer:
        known = self.catalog.path_quantities
        return _Layer(
            given,
            {(one.quantity, stated_cell(known[one.quantity], one)): one for one in parameters if one.quantity in known},
        )

    def _in(self, layer: _Layer, quantity: PathwayQuantity, cell: Cell) -> PathwayParameter | None:
        found = (layer.by_cell.get((quantity.id, wider)) for wider in self.axes.wider_cells(quantity, cell))
        return next((one for one in found if one is not None), None)

    def resolve(self, quantity: PathwayQuantity) -> Resolved:
        """Return the parameter of each cell of a quantity; what is missing is noted."""
        layers = [layer for layer in self.layers if any(name == quantity.id for name, _ in layer.by_cell)]
        if quantity.sums_to_one is not None:
            return self._resolve_shares(quantity, layers)
        cells: dict[Cell, PathwayParameter] = {}
        for cell in self.axes.cells(quantity):
            if not reads_cell(self.axes, quantity, cell):
                continue
            found = next((one for layer in layers if (one := self._in(layer, quantity, cell)) is not None), None)
            if found is not None and not (quantity.id == _NEVER_BORROWED and found.place != self.place):
                cells[cell] = found
            elif needs_value(self.axes, quantity, cell):
                self._missing(quantity, cell)
        return Resolved(quantity, cells, {})

    def _resolve_shares(self, quantity: PathwayQuantity, layers: Sequence[_Layer]) -> Resolved:
        cells: dict[Cell, PathwayParameter] = {}
        levels: dict[Cell, tuple[tuple[Cell, ...], ...]] = {}
        for group in share_groups(self.axes, quantity):
            stated: list[tuple[Cell, ...]] = []
            for layer in layers:
                here = {
                    cell: one
                    for cell in group
                    if cell not in cells and (one := self._in(layer, quantity, cell)) is not None
                }
                cells |= here
                stated += [tuple(here)] if here else []
            if stated:
                levels[group[0]] = tuple(stated)
            else:
                self._missing(quantity, group[0])
        return Resolved(quantity, cells, levels)

    def people(self) -> dict[str, PathwayParameter]:
        """Return the parameter of the population of each place, as the nearest layer states it."""
        found = [one for layer in self.layers for (name, _), one in layer.by_cell.items() if name == _NEVER_BORROWED]
        return {one.place: one for one in reversed(found)}

    def _missing(self, quantity: PathwayQuantity, cell: Cell) -> None:
        named = "、".join(
            member.title.zh if (member := self.axes.get(axis, code)) is not None else code
            for axis, code in zip(quantity.axes, cell, strict=True)
        )
        self.findings.append(
            Finding(
                name="pathways.input.missing",
                sentence=f"{self.catalog.place_name(self.place)}及其上级都没有{quantity.title.zh}"
                + (f"（{named}）" if named else ""),
                value=quantity.id,
                expected=f"单位可换算为 {quantity.unit} 的参数",
                next_step="在 path_parameters 中补充该量",
                evidence=dict(zip(quantity.axes, cell, strict=True)),
            )
        )

    def check(self, resolved: Mapping[str, Resolved]) -> None:
        """Note efficiencies and inputs that are missing though used, shares that miss one, activity without history."""
        self._used(resolved, "technology_share", "technology_efficiency", "technology")
        self._used(resolved, "heat_source_share", "heat_source_input", "heat_source")
        for name in _HISTORY:
            for parameter in {one.id: one for one in resolved[name].cells.values()}.values():
                if parameter.points[0].year > _EARLY:
                    self.findings.append(
                        Finding(
                            name="pathways.input.late-start",
                            sentence=f"{parameter.id} 自 {parameter.points[0].year} 年起才有值，此前按该年的值不变，"
                            "存量的建成年代因此偏老",
                            severity=Severity.WARNING,
                            value=str(parameter.points[0].year),
                            expected=f"{_EARLY} 年或更早的值",
                            next_step="补充历史值，或给出估计并注明等级",
                        )
                    )

    def _used(self, resolved: Mapping[str, Resolved], share: str, other: str, axis: str) -> None:
        at = resolved[share].quantity.axes.index(axis)
        used = {
            cell[at]
            for cell, parameter in resolved[share].cells.items()
            if any(value for point in parameter.points for value in (point.value, point.high))
        }
        for code in self.axes.members(axis):
            member = self.axes.get(axis, code)
            if code in used and member is not None and member.carrier and (code,) not in resolved[other].cells:
                self._missing(resolved[other].quantity, (code,))

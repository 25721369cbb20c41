"""Which flow each activity row belongs to, and so which one component; splits move declared rows to another component."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.catalog.carbon_schemas import Boundary, Flow, Outside, Split

__all__ = ["MATCHED", "active_splits", "match_flows"]

COMBINATION: Final = ("indicator", "carrier", "end_use", "building_class")
"""Columns that decide to which flow a row belongs."""
MATCHED: Final[dict[str, pl.DataType]] = {
    **{name: pl.String() for name in COMBINATION},
    "flow": pl.Int32(),
    "component": pl.String(),
    "moved_by": pl.String(),
    "matches": pl.String(),
    "outside": pl.String(),
}
"""Columns of `match_flows`."""


def active_splits(boundary: Boundary, chosen: Collection[str] | None) -> tuple[Split, ...]:
    """Return the splits that are on: those that are by default, or exactly the `chosen` ones.

    Raises
    ------
    UnknownNameError
        The boundary has no split of that name.
    """
    known = [split.id for split in boundary.splits]
    for name in sorted(chosen or ()):
        if name not in known:
            raise UnknownNameError(
                f"boundary {boundary.id} has no split called {name!r}",
                doing="account for emissions",
                expected=f"one of {', '.join(close_names(name, known) or known) or '(it has none)'}",
                next_step="leave the split away, or add it to the boundary in catalog/boundaries",
            )
    return tuple(split for split in boundary.splits if (split.default if chosen is None else split.id in chosen))


def match_flows(combinations: pl.DataFrame, boundary: Boundary, splits: Collection[Split]) -> pl.DataFrame:
    """Return for each combination of codes the one flow that takes it.

    Parameters
    ----------
    combinations : DataFrame
        Distinct rows of `COMBINATION`; few, however many observations there are.
    boundary : Boundary
    splits : collection of Split
        Those that are on.

    Returns
    -------
    DataFrame of `MATCHED`
        ``flow`` is the flow's number in the boundary, null where no flow or more than one takes the row; ``matches`` names
        those that do. ``component`` is the flow's own, or that to which the split ``moved_by`` moves it. ``outside`` says
        why the boundary leaves a row out on purpose.

    Examples
    --------
    >>> gas = {"id": "gas", "zh": "燃气", "component": "direct_building", "indicator": "building_fuel_energy",
    ...        "carrier": ["natural_gas"], "method": "combustion", "factor": {"family": "fuel_gbt51366", "per": "carrier"}}
    >>> boundary = Boundary(id="small", title={"zh": "小", "en": "small"}, views={}, source="S1", grade="A",
    ...                     checked_on="2026-11-20", flows=[gas],
    ...                     components=[{"code": "direct_building", "zh": "直接", "scope": "1"}])
    >>> rows = pl.DataFrame({"indicator": "building_fuel_energy", "carrier": ["natural_gas", "peat"], "end_use": "all",
    ...                      "building_class": "all"})
    >>> match_flows(rows, boundary, ()).select("carrier", "flow", "component").rows()
    [('natural_gas', 0, 'direct_building'), ('peat', None, None)]
    """
    matched: list[tuple[object, ...]] = []
    for row in combinations.select(COMBINATION).unique().sort(COMBINATION).iter_rows():
        indicator, carrier, end_use, building_class = row
        takers = [
            (number, flow)
            for number, flow in enumerate(boundary.flows)
            if flow.takes(indicator, carrier, end_use, building_class)
        ]
        names = ", ".join(flow.id for _, flow in takers)
        if len(takers) != 1:
            left_out = next((one.zh for one in boundary.outside if _leaves_out(one, *row)), None)
            matched.append((*row, None, None, None, names, None if takers else left_out))
            continue
        number, flow = takers[0]
        split = next((one for one in splits if _moves(one, flow, carrier, end_use, building_class)), None)
        component = flow.component if split is None else split.to
        matched.append((*row, number, component, None if split is None else split.id, names, None))
    return pl.DataFrame(matched, schema=MATCHED, orient="row")


def _moves(split: Split, flow: Flow, carrier: str, end_use: str, building_class: str) -> bool:
    conditions = ((split.carrier, carrier), (split.end_use, end_use), (split.building_class, building_class))
    return flow.id in split.flows and all(codes is None or code in codes for codes, code in conditions)


def _leaves_out(outside: Outside, indicator: str, carrier: str, end_use: str, building_class: str) -> bool:
    pairs = ((outside.carrier, carrier), (outside.end_use, end_use), (outside.building_class, building_class))
    return outside.indicator == indicator and all(codes is None or code in codes for codes, code in pairs)

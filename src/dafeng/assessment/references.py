"""Values that are shown beside a target but never decide it: of another extent, breakdown, basis or place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dafeng.assessment.ledgers import trusted_ledgers
from dafeng.assessment.records import Reference
from dafeng.assessment.series_choice import Cell, choose_series
from dafeng.base.observation import BREAKDOWNS, ObservationKind
from dafeng.base.place import Extent
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Indicator

__all__ = ["find_references"]


def find_references(
    rows: Mapping[Cell, Sequence[Mapping[str, Any]]],
    judged: Sequence[Cell],
    *,
    indicator: Indicator,
    catalog: Catalog,
    shown_unit: str,
) -> tuple[Reference, ...]:
    """Return the latest value of every cell near to those that were judged.

    Parameters
    ----------
    rows : mapping from Cell to sequence of mapping
        Rows of the indicator at the place of the target and directly below it.
    judged : sequence of Cell
        Cells that decide.
    indicator : Indicator
    catalog : Catalog
    shown_unit : str
        Unit in which values are shown.

    Returns
    -------
    tuple of Reference
        Own place first, then the places below; a full year before a part of one.
    """
    own = judged[0]
    counted = trusted_ledgers(indicator, catalog)
    near = [cell for cell in rows if cell not in judged and _is_near(cell, own)]
    found: list[tuple[bool, str, int, str, Reference]] = []
    for cell in near:
        series = choose_series(
            rows[cell], precedence=indicator.precedence, counted=counted, unit=indicator.unit, shown_unit=shown_unit
        )
        use = series.points[-1].use if series.points else series.part_year
        use = use or (series.plans[-1][1] if series.plans else None)
        if use is not None:
            mark = "【演示】" if use.kind is ObservationKind.DEMONSTRATION else ""
            reference = Reference(use=use, why=mark + _why(cell, judged, use.period_title, catalog))
            found.append((cell.place != own.place, cell.place, list(Extent).index(cell.extent), str(cell), reference))
    return tuple(item[-1] for item in sorted(found, key=lambda item: item[:4]))


def _is_near(cell: Cell, own: Cell) -> bool:
    """Return whether a cell is the same breakdown, or a wider one: the total beside the part that is meant."""
    return all(part in (wanted, "all") for part, wanted in zip(cell.breakdown, own.breakdown, strict=True))


def _why(cell: Cell, judged: Sequence[Cell], title: str, catalog: Catalog) -> str:
    own = judged[0]
    reasons: list[str] = []
    if cell.place != own.place:
        reasons.append(f"为{catalog.place_name(cell.place)}的数值，不代表{catalog.place_name(own.place)}")
    if cell.extent not in {one.extent for one in judged}:
        names = [catalog.term("extent", extent.value) for extent in (cell.extent, own.extent)]
        reasons.append(f"范围为{names[0]}，目标范围为{names[1]}")
    if cell.breakdown != own.breakdown:
        meant = next(part for part, found in zip(own.breakdown, cell.breakdown, strict=True) if part != found)
        group = next(name for name, part in zip(BREAKDOWNS, own.breakdown, strict=True) if part == meant)
        reasons.append(f"为合计，目标只指{catalog.term(group, meant)}")
    if cell.basis not in {one.basis for one in judged}:
        basis = catalog.term("basis", cell.basis) if cell.basis else "未注明口径"
        reasons.append(f"口径为{basis}，不是目标的口径")
    return f"{'；'.join(reasons) or f'{title}的数值不在判定口径内'}，仅供参考"

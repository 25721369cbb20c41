"""Parts held against their totals: breakdowns, divisions under the place above, months and quarters of a year."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.observation import BREAKDOWNS
from dafeng.base.place import PlaceKind
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import OverPeriods, OverPlaces
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import Context, Outcome, cells_of, hits, shown_factor
from dafeng.statistics.check_scale import AMOUNT, median, scale_of
from dafeng.statistics.check_table import Floats, Rows, Series, Table

__all__ = ["borne_out", "check_cumulative", "check_parts"]

_USUAL: Final = 4
"""Years from which on the usual gap between a total and its parts is known."""
_EXACT: Final = 50
"""Sums of one total from which on it is known how exactly they hold."""
_ROUNDING: Final = 0.001
"""Least relative gap that is no rounding."""
_Found = dict[tuple[str, str], dict[Series, tuple[Table, int]]]
_PIECES: Final = {"month": 12, "quarter": 4, "half": 2}


def check_parts(check: DataCheck, context: Context) -> Outcome:
    """Find totals that their parts exceed, or fall short of where they are usually complete.

    Parameters
    ----------
    check : DataCheck
        `tolerance`: relative gap that is rounding, at most; a tenth of a percent where sums hold to the last digit. ``over``: 1 breakdowns, 2 divisions, 3 periods; all where absent.
    context : Context
    """
    over = check.parameters.get("over")
    layered = layered_of(context.tables)
    parts: list[pl.DataFrame] = []
    if over in (None, 1.0):
        for group in layered.values():
            parts += _breakdowns(check, group, context)
    if over in (None, 2.0):
        for table in context.tables:
            parts += _divisions(check, table, context)
    if over in (None, 3.0):
        parts += _periods(check, layered, context)
    return Outcome(cells_of(parts))


def layered_of(tables: list[Table]) -> _Found:
    """Return, by dataset and slot, where each series lies; a dataset may be laid out in several tables."""
    found: _Found = defaultdict(dict)
    for table in tables:
        for layer, series in enumerate(table.series):
            found[table.dataset, table.slot][series] = (table, layer)
    return found


def _gaps(
    total: Floats,
    parts: Floats,
    complete: NDArray[np.bool_],
    rows: Rows,
    tolerance: float,
    what: str,
    factor: float,
    *,
    usual: float = 0.0,
) -> list[pl.DataFrame]:
    """Return hits where parts exceed a total, or differ from it where they are complete; shapes (year, place).

    `usual` is a gap that is there every year: a difference of scope, such as the army in a nation's total.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.maximum(np.abs(total), np.abs(parts))
        gap = np.where(size > 0, (parts - total) / size, 0.0) - usual
        mask = ((gap > tolerance) | (complete & (gap < -tolerance))) & np.isfinite(gap) & (rows >= 0)
    if not mask.any():
        return []
    return [
        hits(
            rows[mask],
            np.abs(gap[mask]) * 100,
            f"合计 {{}}，{what}之和 {{}}，相差 {{}}%",
            low=parts[mask] * (1 - tolerance),
            high=parts[mask] * (1 + tolerance),
            total=total[mask] * factor,
            parts=parts[mask] * factor,
            gap=gap[mask] * 100,
        )
    ]


def _families(group: Collection[Series], context: Context) -> Iterator[tuple[Series, int, list[Series]]]:
    """Yield totals, the number of the breakdown, and the parts that add up to the total, none inside another."""
    families: dict[tuple[Series, int], list[Series]] = defaultdict(list)
    for series in group:
        for column, code in enumerate(series.breakdown):
            if code == "all" or BREAKDOWNS[column] not in context.indicators[series.indicator].adds_up:
                continue
            codes = (*series.breakdown[:column], "all", *series.breakdown[column + 1 :])
            families[series._replace(breakdown=codes), column].append(series)
    for (whole, column), parts in sorted(families.items()):
        if whole in group and scale_of(context.indicators[whole.indicator]) == AMOUNT:
            yield whole, column, _outermost(parts, column, context.catalog)


def borne_out(table: Table, context: Context, tolerance: float) -> NDArray[np.bool_]:
    """Return which figures stand in a sum that holds, and in none that does not.

    Such a figure was not mistyped: its total, or its parts, would have to be wrong by the same amount.

    Parameters
    ----------
    table : Table
    context : Context
    tolerance : float
        Relative gap between total and parts that is rounding.
    """
    position = {series: layer for layer, series in enumerate(table.series)}
    holding, broken = np.zeros(table.values.shape, dtype=bool), np.zeros(table.values.shape, dtype=bool)
    for whole, _, parts in _families(position, context):
        layers = [position[part] for part in parts]
        total, summed = table.values[position[whole]], np.nansum(table.values[layers], axis=0)
        with np.errstate(invalid="ignore"):
            holds = np.abs(total - summed) <= tolerance * np.maximum(total, summed)
        members = [position[whole], *layers]
        holding[members] |= holds & (len(layers) > 1)
        broken[members] |= ~holds & np.isfinite(total)
    found: NDArray[np.bool_] = holding & ~broken
    return found


def _breakdowns(check: DataCheck, group: dict[Series, tuple[Table, int]], context: Context) -> Iterator[pl.DataFrame]:
    for whole, column, outermost in _families(group, context):
        if check.indicators and whole.indicator not in check.indicators:
            continue
        indicator = context.indicators[whole.indicator]
        table, layer = group[whole]
        stack = np.stack([group[part][0].values[group[part][1]] for part in outermost])
        known = np.isfinite(stack)
        total, summed = table.values[layer], np.where(known.any(axis=0), np.nansum(stack, axis=0), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.abs(summed - total) / np.maximum(total, summed)
        usual = float(median(gap.reshape(1, -1), least=1)[0])
        # A part that this place reports in other years and not in this is unknown, so that the parts may fall short;
        # unless sums hold without such parts, which then are left out where they are nothing.
        missing = (~known & known.any(axis=1, keepdims=True)).any(axis=0)
        without = median(np.where(missing, gap, np.nan).reshape(1, -1), least=_USUAL, quantile=0.9)[0]
        several = len(outermost) > 1
        complete = np.full(total.shape, usual <= check.tolerance and several) & (
            ~missing | (without <= check.tolerance)
        )
        # Sums that always hold to the last digit need no slack for rounding.
        exact = median(gap.reshape(1, -1), least=_EXACT, quantile=0.98)[0]
        tolerance = min(check.tolerance, max(10 * exact, _ROUNDING)) if np.isfinite(exact) else check.tolerance
        what = {"building_class": "各类建筑", "carrier": "各能源品种", "end_use": "各用途或部门"}.get(
            BREAKDOWNS[column], "各分项"
        )
        yield from _gaps(total, summed, complete, table.rows[layer], tolerance, what, shown_factor(indicator))


def _outermost(parts: list[Series], column: int, catalog: Catalog) -> list[Series]:
    """Return the parts that are not parts of another one."""
    present = {part.breakdown[column] for part in parts}
    parents = {code: term.parent for terms in catalog.terms.values() for code, term in terms.items() if code in present}

    def inside(code: str) -> bool:
        seen: set[str] = set()
        parent = parents.get(code)
        while parent is not None and parent not in seen:
            if parent in present:
                return True
            seen.add(parent)
            parent = next((terms[parent].parent for terms in catalog.terms.values() if parent in terms), None)
        return False

    return [part for part in parts if not inside(part.breakdown[column])]


def _divisions(check: DataCheck, table: Table, context: Context) -> Iterator[pl.DataFrame]:
    position = {place: number for number, place in enumerate(table.places)}
    below: dict[str, list[int]] = defaultdict(list)
    for place, number in position.items():
        if place in context.places:
            known = context.places.get(place)
            if known.kind is PlaceKind.DIVISION and known.parent in position:
                below[known.parent or ""].append(number)
    chosen = [
        layer
        for layer in table.layers(check.indicators)
        if context.indicators[table.series[layer].indicator].places is OverPlaces.SUM
    ]
    if not below or not chosen:
        return
    for parent, members in sorted(below.items()):
        every = len(members) >= len(context.places.children(parent))
        for layer in chosen:
            stack = table.values[layer][:, members]
            total = table.values[layer][:, position[parent]]
            known = np.isfinite(stack)
            summed = np.where(known.any(axis=1), np.nansum(stack, axis=1), np.nan)
            present = known.all(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                gap = np.where(present, (summed - total) / np.maximum(total, summed), np.nan)
            usual = float(median(gap[None], least=_USUAL)[0])
            # Where some place is never in the table, what the others leave over is the same every year, or nothing is known.
            steady = median(np.abs(gap - usual)[None], least=2 * _USUAL, quantile=0.9)[0] <= check.tolerance / 2
            complete = present & (every or steady)
            usual = usual if every or steady else 0.0
            yield from _gaps(
                total[:, None],
                summed[:, None],
                complete[:, None],
                table.rows[layer][:, position[parent], None],
                check.tolerance,
                f"所辖{len(members)}个地方",
                shown_factor(context.indicators[table.series[layer].indicator]),
                usual=usual if np.isfinite(usual) else 0.0,
            )


def _periods(check: DataCheck, layered: _Found, context: Context) -> Iterator[pl.DataFrame]:
    for (dataset, slot), group in sorted(layered.items()):
        month, _, kind = slot.partition("-")
        if slot != "year" and kind != "cumulative":
            continue
        for series, (table, layer) in sorted(group.items()):
            indicator = context.indicators[series.indicator]
            if check.indicators and series.indicator not in check.indicators:
                continue
            last = 12 if slot == "year" else int(month)
            pieces = _pieces(dataset, series, layered, table)
            for unit, count in _PIECES.items():
                span = 12 // count
                if last % span or unit not in pieces:
                    continue
                those = {start: part for start, part in pieces[unit].items() if start <= last}
                wanted = last // span
                stack = np.stack(list(those.values()))
                known = np.isfinite(stack)
                complete = known.min(axis=0) & (len(those) == wanted)
                if indicator.periods is OverPeriods.SUM and scale_of(indicator) == AMOUNT:
                    summed = np.where(known.any(axis=0), np.nansum(stack, axis=0), np.nan)
                elif indicator.periods is OverPeriods.LAST and slot == "year" and max(those) + span == 13:
                    summed, complete = those[max(those)], np.isfinite(those[max(those)])
                else:
                    continue
                what = {"month": "各月", "quarter": "各季", "half": "上下半年"}[unit]
                yield from _gaps(
                    table.values[layer],
                    summed,
                    complete,
                    table.rows[layer],
                    check.tolerance,
                    what,
                    shown_factor(indicator),
                )
            if slot == "year" and 12 in pieces.get("cumulative", {}):
                full = pieces["cumulative"][12]
                yield from _gaps(
                    table.values[layer], full, np.isfinite(full), table.rows[layer], check.tolerance, "1—12月累计",
                    shown_factor(indicator),
                )  # fmt: skip


def _pieces(dataset: str, series: Series, layered: _Found, base: Table) -> dict[str, dict[int, Floats]]:
    """Return the values of a series in parts of the year, laid on the years and places of another table.

    The key is the first month of a month, quarter or half, the last month of a cumulative period.
    """
    found: dict[str, dict[int, Floats]] = defaultdict(dict)
    position = {place: number for number, place in enumerate(base.places)}
    for (other, slot), group in layered.items():
        month, _, kind = slot.partition("-")
        if other != dataset or not kind or series not in group:
            continue
        table, layer = group[series]
        values = np.full((len(base.years), len(base.places)), np.nan)
        places = [(here, position[place]) for here, place in enumerate(table.places) if place in position]
        years = [(here, int(year - base.years[0])) for here, year in enumerate(table.years)]
        years = [(here, there) for here, there in years if 0 <= there < len(base.years)]
        if places and years:
            here, there = zip(*places, strict=True)
            was, now = zip(*years, strict=True)
            values[np.ix_(now, there)] = table.values[layer][np.ix_(was, here)]
        found[kind][int(month)] = values
    return found


def check_cumulative(check: DataCheck, context: Context) -> Outcome:
    """Find cumulative figures that fall: within a year from month to month, or totals so far from year to year.

    Parameters
    ----------
    check : DataCheck
        `tolerance`: relative fall that is rounding. ``years``: 1 to compare years, for the named indicators, instead of the
        cumulative months of a year.
    context : Context
    """
    parts: list[pl.DataFrame] = []
    layered = layered_of(context.tables)
    if check.parameters.get("years"):
        for (_, slot), group in sorted(layered.items()):
            for series, (table, layer) in sorted(group.items()):
                if slot == "year" and series.indicator in check.indicators:
                    values = table.values[layer]
                    parts += _falls(values, table.rows[layer], _so_far(values), check, context, series)
        return Outcome(cells_of(parts))
    for dataset in sorted({dataset for dataset, _ in layered}):
        slots = sorted(slot for other, slot in layered if other == dataset and slot.endswith("-cumulative"))
        for number, slot in enumerate(slots):
            for series, (table, layer) in sorted(layered[dataset, slot].items()):
                indicator = context.indicators[series.indicator]
                if indicator.periods is not OverPeriods.SUM or scale_of(indicator) != AMOUNT:
                    continue
                if check.indicators and series.indicator not in check.indicators:
                    continue
                earlier = _pieces(dataset, series, layered, table).get("cumulative", {})
                months = [int(one[:2]) for one in slots[:number]]
                stack = [earlier[month] for month in months if month in earlier]
                if stack:
                    highest = np.fmax.reduce(stack)
                    parts += _falls(table.values[layer], table.rows[layer], highest, check, context, series)
    return Outcome(cells_of(parts))


def _so_far(values: Floats) -> Floats:
    """Return the last known value before each year, shape (year, place)."""
    found = np.full(values.shape, np.nan)
    for year in range(1, values.shape[0]):
        found[year] = np.where(np.isfinite(values[year - 1]), values[year - 1], found[year - 1])
    return found


def _falls(
    values: Floats, rows: Rows, earlier: Floats, check: DataCheck, context: Context, series: Series
) -> list[pl.DataFrame]:
    with np.errstate(invalid="ignore"):
        mask = values < earlier * (1 - check.tolerance)
    if not mask.any():
        return []
    factor = shown_factor(context.indicators[series.indicator])
    fall = (earlier[mask] - values[mask]) / earlier[mask] * 100
    return [
        hits(
            rows[mask],
            fall,
            "累计数 {}，此前已报 {}，低了 {}%",
            low=earlier[mask],
            value=values[mask] * factor,
            earlier=earlier[mask] * factor,
            fall=fall,
        )
    ]

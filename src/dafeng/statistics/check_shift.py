"""Rows of one period that hold the figures of others: a shifted table, block or column, rows or columns that changed places.

Each row is held against its own figures of the two years before and after, and against those of the rows above and below it.
Distances are in usual changes of each indicator, capped, and averaged over indicators. A row speaks for a shift by how much
nearer it is to the other row than to its own; a row that fits neither (its true row is not in the table) says nothing. The
contiguous run of rows that speaks loudest is the block; where the year as a whole stands out of the years around it, half
the evidence is enough, for then something is wrong with it and only the kind of fault is asked. The year with the loudest
block is set aside before the next is looked for, so that the year after a shifted one is not blamed for it. Two rows changed
places where each is much nearer to the other than to itself; a single column slipped where its figures as a whole are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.schemas import Indicator
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import Context, Outcome, TableFault, neighbours
from dafeng.statistics.check_scale import changes, floors, median, on_scale, scaled, usual_changes
from dafeng.statistics.check_table import Floats, Table

__all__ = ["check_shift", "shifted_blocks"]

_CAP: Final = 8.0
"""Usual changes beyond which one is as far as another."""
_COLUMN: Final = 8
"""Fewest rows by which a column can be told to be another one, or to have slipped."""
_COLUMNS: Final = 40
"""Most series that are compared: those with most figures."""
_LEAST: Final = 3
"""Fewest figures by which two rows can be compared."""
_FITS: Final = 2.5
"""Distance up to which a row fits."""
_SLIPPED: Final = 0.6
"""Distance from the other rows, as a part of that from their own, below which the figures of a column slipped."""
_WHOLE: Final = 0.8
"""Part of the rows with figures from which on a block is the whole table."""
_AROUND: Final = 4
"""Years before and after beside which a year may stand out."""
_OUT: Final = 1.2
"""Middle distance of its rows from which on a year may stand out."""
_REFERENCES: Final = (-2, -1, 1, 2)
_MATCHED: Final = 120
"""Most rows of a year, those furthest from themselves, that are held against each other for an exchange."""
_PARAMETERS: Final = {"rows": 3.0, "evidence": 0.7, "fitting": 3.0, "column": 2.0, "alike": 0.7, "figures": 6.0}


class _Block(NamedTuple):
    """A run of rows of one year that fits the rows `by` above."""

    year: int
    by: int
    start: int
    end: int
    evidence: float
    fitting: NDArray[np.bool_]
    own: Floats
    other: Floats


def check_shift(check: DataCheck, context: Context) -> Outcome:
    """Find tables and blocks of one period whose rows carry the figures of other rows.

    Parameters
    ----------
    check : DataCheck
        ``rows``: furthest offset looked for; ``evidence``: least sum over the block of (own − other distance) ÷ cap;
        ``fitting``: fewest rows that fit the other row and not their own; ``column``: least evidence for a single column;
        ``alike``: distance from each other's row, as a part of that from their own, below which two rows changed places, where at
        least ``figures`` are compared (a third where fewer are).
    context : Context

    Returns
    -------
    Outcome
        One fault a dataset and period.
    """
    found = Outcome()
    bars = {**_PARAMETERS, **check.parameters}
    for table in context.tables:
        layers = wanted_layers(check, table, context.indicators)
        if len(layers) < _LEAST or len(table.years) < 2:
            continue
        heights = heights_in_changes(table, layers, context.indicators)
        for block in shifted_blocks(heights, bars):
            found.faults.append(_shift_fault(table, block, context))
            heights[:, block.year, _covered(block)] = np.nan
        for year, pairs in exchanged(heights, bars).items():
            found.faults.append(_exchange_fault(table, year, pairs, context))
            heights[:, year, sorted({row for pair in pairs for row in pair})] = np.nan
        for year, one, two in swapped_columns(table, layers, heights, context.indicators):
            found.faults.append(_column_fault(table, year, one, two, context))
            heights[[layers.index(one), layers.index(two)], year] = np.nan
        for slip in shifted_columns(heights, bars):
            found.faults.append(_slip_fault(table, slip, layers, context))
    return found


def wanted_layers(check: DataCheck, table: Table, indicators: Mapping[str, Indicator]) -> list[int]:
    """Return the layers to compare rows by: comparable ones, the fullest first."""
    layers = table.layers(check.indicators)
    known = np.isfinite(table.values).sum(axis=(1, 2))
    fullest = sorted(layers, key=lambda layer: (-known[layer], layer))[:_COLUMNS]
    return sorted(fullest)


def heights_in_changes(table: Table, layers: list[int], indicators: Mapping[str, Indicator]) -> Floats:
    """Return values in usual changes of their series, shape (series, year, place)."""
    part = Table(
        table.dataset,
        table.slot,
        table.years,
        table.places,
        tuple(table.series[layer] for layer in layers),
        table.values[layers],
        table.rows[layers],
    )
    heights = scaled(part, indicators)
    usual = np.fmax(usual_changes(changes(heights), 0.0), floors(part, indicators))
    return heights / usual[:, None, None]


def shifted_blocks(heights: Floats, parameters: Mapping[str, float]) -> list[_Block]:
    """Return the shifted blocks of a table, the clearest first.

    Parameters
    ----------
    heights : float array, shape (series, year, place)
        In usual changes, places in the order of rows; NaN where unknown.
    parameters : mapping
        rows, evidence, fitting.
    """
    heights = heights.copy()
    offsets = [by for step in range(1, int(parameters["rows"]) + 1) for by in (step, -step)]
    years = range(heights.shape[1])
    standing_out = _standing_out(heights)
    bars = [
        {**parameters, "evidence": parameters["evidence"] / 2, "fitting": 2.0} if out else parameters
        for out in standing_out
    ]
    candidates = {year: _loudest(heights, year, offsets, bars[year]) for year in years}
    found: list[_Block] = []
    while True:
        loud = [block for block in candidates.values() if block is not None]
        if not loud:
            return found
        best = max(loud, key=lambda block: (round(block.evidence, 9), block.year))
        found.append(best)
        heights[:, best.year, best.start : best.end] = np.nan
        for year in years:
            if abs(year - best.year) <= max(_REFERENCES):
                candidates[year] = None if year == best.year else _loudest(heights, year, offsets, bars[year])


def _standing_out(heights: Floats) -> list[bool]:
    """Return, for each year, whether its rows are further from their own neighbouring years than those of the years around."""
    own = np.stack([_nearest(heights, year, 0) for year in range(heights.shape[1])])
    middles = median(own, least=_LEAST)
    found = []
    for year, middle in enumerate(middles):
        around = np.delete(middles[max(0, year - _AROUND) : year + _AROUND + 1], min(year, _AROUND))
        found.append(bool(middle > _OUT and middle > 2 * median(around, least=2)))
    return found


def _loudest(heights: Floats, year: int, offsets: list[int], parameters: Mapping[str, float]) -> _Block | None:
    own = _nearest(heights, year, 0)
    if np.isfinite(own).sum() < parameters["fitting"] or np.nanmax(own) < _FITS / 2:
        return None
    best: _Block | None = None
    for by in offsets:
        other = _nearest(heights, year, by)
        speaks = np.nan_to_num((own - other) / _CAP)
        evidence, start, end = _loudest_run(speaks)
        fitting = (other < _FITS) & (other < own / 2)
        inside = np.zeros(len(own), dtype=bool)
        inside[start:end] = True
        clear = fitting & inside
        if evidence < parameters["evidence"] or clear.sum() < parameters["fitting"]:
            continue
        if best is None or evidence > best.evidence:
            best = _Block(year, by, start, end, evidence, clear, own, other)
    return best


def _nearest(heights: Floats, year: int, by: int) -> Floats:
    """Return how far each row of a year is from the row `by` above it, in the nearest of the years around."""
    nearest = np.full(heights.shape[2], np.nan)
    for there in _around(heights, year, by):
        nearest = np.fmin(nearest, _distance(heights[:, year], there))
    return nearest


def _around(heights: Floats, year: int, by: int) -> Iterator[Floats]:
    """Return the years around a year with their rows moved `by` down, each of shape (series, place)."""
    count = heights.shape[2]
    for step in _REFERENCES:
        if not 0 <= year + step < heights.shape[1]:
            continue
        there = heights[:, year + step]
        if by:
            moved = np.full(there.shape, np.nan)
            if abs(by) < count:
                moved[:, max(by, 0) : count + min(by, 0)] = there[:, max(-by, 0) : count - max(by, 0)]
            there = moved
        yield there


def _distance(here: Floats, there: Floats) -> Floats:
    """Return the mean capped distance over series, shape (place,); NaN where too few are known on both sides."""
    apart = np.minimum(np.abs(here - there), _CAP)
    known = np.isfinite(apart).sum(axis=0)
    total = np.nansum(apart, axis=0)
    return np.where(known >= _LEAST, total / np.maximum(known, 1), np.nan)


def _loudest_run(speaks: Floats) -> tuple[float, int, int]:
    """Return sum, start and end of the contiguous run with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(speaks)])
    lowest = np.minimum.accumulate(sums)
    gains = sums - lowest
    end = int(np.argmax(gains))
    start = int(np.flatnonzero(sums[: end + 1] == lowest[end])[-1])
    return float(gains[end]), start, end


def exchanged(heights: Floats, parameters: Mapping[str, float] = _PARAMETERS) -> dict[int, list[tuple[int, int]]]:
    """Return, by year, the pairs of rows of which each holds the figures of the other.

    Examples
    --------
    >>> levels = np.array([[0.0, 40.0, 90.0], [50.0, 0.0, 20.0], [7.0, 90.0, 33.0]])
    >>> heights = np.repeat(levels[:, None, :], 5, axis=1)
    >>> heights[:, 2] = heights[:, 2][:, [1, 0, 2]]
    >>> exchanged(heights)
    {2: [(0, 1)]}
    """
    heights = heights.copy()
    candidates: list[tuple[float, int, int, int]] = []
    for year in range(heights.shape[1]):
        own = np.nan_to_num(_nearest(heights, year, 0))
        far = np.flatnonzero(own > parameters["evidence"])
        lost = np.sort(far[np.argsort(-own[far], kind="stable")[:_MATCHED]])
        gains = _gains(heights, year, lost, parameters)
        candidates += [
            (-float(gains[one, two]), year, int(lost[one]), int(lost[two])) for one, two in np.argwhere(np.triu(gains))
        ]
    found: dict[int, list[tuple[int, int]]] = {}
    for _, year, one, two in sorted(candidates):
        # What was found is set aside, so that the years around are not held against it.
        if _gains(heights, year, np.array([one, two]), parameters)[0, 1]:
            found.setdefault(year, []).append((one, two))
            heights[:, year, [one, two]] = np.nan
    return {year: sorted(pairs) for year, pairs in sorted(found.items())}


def _gains(heights: Floats, year: int, lost: NDArray[np.int64], parameters: Mapping[str, float]) -> Floats:
    """Return how much nearer two rows of a year are to each other's figures than to their own, 0 where not by enough."""
    here = heights[:, year, lost]
    own = _nearest(heights[:, :, lost], year, 0)
    apart = np.full((len(lost), len(lost)), np.nan)
    for there in _around(heights[:, :, lost], year, 0):
        for column in range(len(lost)):
            apart[:, column] = np.fmin(apart[:, column], _distance(here, there[:, column : column + 1]))
    known = np.isfinite(here).sum(axis=0)
    many = np.minimum(known[:, None], known) >= parameters["figures"]
    near = apart < np.where(many, parameters["alike"], 1 / 3) * own[:, None]
    near &= many | ((apart < _FITS / 2) & (own[:, None] > _FITS))
    gain = own[:, None] + own - apart - apart.T
    enough = gain >= np.where(many, 2 * parameters["evidence"], _FITS)
    return np.where(near & near.T & enough & ~np.eye(len(lost), dtype=bool), gain, 0.0)


class _Slip(NamedTuple):
    """A column of one year that fits the rows `by` above."""

    layer: int
    year: int
    by: int
    evidence: float
    own: Floats
    other: Floats


def shifted_columns(heights: Floats, parameters: Mapping[str, float]) -> list[_Slip]:
    """Return the columns whose figures of one year slipped by some rows, the clearest first.

    Parameters
    ----------
    heights : float array, shape (series, year, place)
        In usual changes, places in the order of rows; NaN where unknown.
    parameters : mapping
        rows, column.

    Examples
    --------
    >>> levels = np.random.default_rng(1).normal(size=(1, 1, 12)) * 30
    >>> heights = np.repeat(levels, 5, axis=1)
    >>> heights[0, 2] = np.roll(heights[0, 2], 1)
    >>> [(slip.year, slip.by) for slip in shifted_columns(heights, {"rows": 3, "column": 2})]
    [(2, 1)]
    """
    found: list[_Slip] = []
    for year in range(heights.shape[1]):
        own = _cells_apart(heights, year, 0)
        best: dict[int, _Slip] = {}
        for by in (sign * step for step in range(1, int(parameters["rows"]) + 1) for sign in (1, -1)):
            other = _cells_apart(heights, year, by)
            both = np.isfinite(own) & np.isfinite(other)
            lost, kept = np.where(both, own, 0.0).sum(axis=1), np.where(both, other, 0.0).sum(axis=1)
            evidence = (lost - kept) / _CAP
            slipped = (both.sum(axis=1) >= _COLUMN) & (evidence >= parameters["column"]) & (kept < _SLIPPED * lost)
            for layer in map(int, np.flatnonzero(slipped)):
                if layer not in best or evidence[layer] > best[layer].evidence:
                    best[layer] = _Slip(layer, year, by, float(evidence[layer]), own[layer], other[layer])
        found += best.values()
    return sorted(found, key=lambda slip: (-round(slip.evidence, 9), slip.year, slip.layer))


def _cells_apart(heights: Floats, year: int, by: int) -> Floats:
    """Return how far each figure of a year is from that of the row `by` above, in the nearest of the years around."""
    nearest = np.full(heights[:, year].shape, np.nan)
    for there in _around(heights, year, by):
        nearest = np.fmin(nearest, np.minimum(np.abs(heights[:, year] - there), _CAP))
    return nearest


def swapped_columns(
    table: Table, layers: list[int], heights: Floats, indicators: Mapping[str, Indicator]
) -> list[tuple[int, int, int]]:
    """Return year and two layers of the table whose columns changed places in that year.

    Only columns that as a whole stand out of the years around are held against one another.
    """
    before, after = neighbours(heights)
    apart = median(np.fmin(np.abs(heights - before), np.abs(heights - after)), least=_LEAST)
    found = []
    for year in np.flatnonzero((apart > 2 * _FITS).sum(axis=0) >= 2):
        out = [int(number) for number in np.flatnonzero(apart[:, year] > 2 * _FITS)]
        fits = {
            (one, two)
            for one, two in permutations(out, 2)
            if _fits_column(table, layers[one], layers[two], int(year), heights[one], indicators)
        }
        found += [
            (int(year), layers[one], layers[two]) for one, two in sorted(fits) if one < two and (two, one) in fits
        ]
    return found


def _fits_column(
    table: Table, one: int, two: int, year: int, heights: Floats, indicators: Mapping[str, Indicator]
) -> bool:
    """Tell whether the second column of a year continues the first one's years around."""
    indicator = indicators[table.series[one].indicator]
    scale = on_scale(table.values[one], indicator)
    known = np.isfinite(scale) & np.isfinite(heights) & (scale != 0)
    if not known.any():
        return False
    unit = float(np.median(heights[known] / scale[known]))
    moved = on_scale(table.values[two, year], indicator) * unit
    around = [heights[near] for near in (year - 1, year + 1) if 0 <= near < heights.shape[0]]
    apart = np.fmin.reduce([np.abs(moved - there) for there in around])
    return bool(np.isfinite(apart).sum() >= _COLUMN and np.nanmedian(apart) < _FITS / 2)


def _column_fault(table: Table, year: int, one: int, two: int, context: Context) -> TableFault:
    names = [context.indicators[table.series[layer].indicator].zh for layer in (one, two)]
    covered = table.rows[[one, two], year]
    rows = covered[covered >= 0]
    sentence = f"{int(table.years[year])}年「{names[0]}」与「{names[1]}」两列互换：各自与对方的前后年份相符"
    evidence = {"fault": "columns-exchanged", "one": table.series[one].indicator, "two": table.series[two].indicator,
                "rows": int(rows.size), "whole": False}  # fmt: skip
    return TableFault(table.dataset, _period(table, year), sentence, evidence, rows, int(rows[0]))


def _slip_fault(table: Table, slip: _Slip, layers: list[int], context: Context) -> TableFault:
    covered = table.rows[layers[slip.layer], slip.year]
    rows = covered[covered >= 0]
    name = table.series[layers[slip.layer]].indicator
    side = "上" if slip.by > 0 else "下"
    fitting = (slip.other < _FITS) & (slip.other < slip.own / 2)
    sentence = (
        f"{int(table.years[slip.year])}年「{context.indicators[name].zh}」一列错行：各行的数像{side}面第{abs(slip.by)}行的，"
        f"{int(np.isfinite(slip.own).sum())}行中{int(fitting.sum())}行与那一行的前后年份相符而与本行不符"
    )
    evidence = {
        "fault": "column-shift",
        "indicator": name,
        "offset": slip.by,
        "whole": False,
        "rows": int(rows.size),
        "fitting_rows": int(fitting.sum()),
        "median_distance_own": _middle(slip.own),
        "median_distance_neighbour": _middle(slip.other),
        "evidence": round(slip.evidence, 3),
    }
    return TableFault(table.dataset, _period(table, slip.year), sentence, evidence, rows, int(rows[0]))


def _covered(block: _Block) -> slice:
    """Return the rows that a block sets aside: all of the year where it takes in most of those with figures."""
    filled = np.isfinite(block.own)
    inside = slice(block.start, block.end)
    return slice(None) if filled[inside].sum() >= _WHOLE * filled.sum() else inside


def _shift_fault(table: Table, block: _Block, context: Context) -> TableFault:
    filled = np.isfinite(block.own)
    inside = slice(block.start, block.end)
    whole = _covered(block) == slice(None)
    covered = table.rows[:, block.year, _covered(block)]
    rows = covered[covered >= 0]
    names = [context.catalog.place_name(place) for place in table.places]
    gain = np.where(block.fitting, block.own - block.other, -np.inf)
    most = np.argsort(-gain, kind="stable")[: min(5, int(block.fitting.sum()))]
    examples = "；".join(f"{names[row]}的行像{names[row - block.by]}" for row in most)
    year = int(table.years[block.year])
    compared = int(filled[inside].sum())
    span = "整表" if whole else f"自{names[block.start]}至{names[block.end - 1]}的{block.end - block.start}行"
    side = "上" if block.by > 0 else "下"
    own, other = _middle(block.own[inside]), _middle(np.where(block.fitting, block.other, np.nan)[inside])
    sentence = (
        f"{year}年的表错行：{span}各行的数像{side}面第{abs(block.by)}行的，"
        f"{compared}行中{int(block.fitting.sum())}行与那一行的前后年份相符而与本行不符（{examples}）"
    )
    evidence = {
        "fault": "shift",
        "offset": block.by,
        "whole": bool(whole),
        "rows": int(rows.size),
        "compared_rows": compared,
        "fitting_rows": int(block.fitting.sum()),
        "fitting_share": round(float(block.fitting.sum()) / max(compared, 1), 4),
        "median_distance_own": own,
        "median_distance_neighbour": other,
        "evidence": round(block.evidence, 3),
        "from": table.places[block.start],
        "to": table.places[block.end - 1],
    }
    first = int(table.rows[:, block.year, most[0]].max()) if len(most) else int(rows[0])
    return TableFault(table.dataset, _period(table, block.year), sentence, evidence, rows, first)


def _exchange_fault(table: Table, year: int, pairs: list[tuple[int, int]], context: Context) -> TableFault:
    covered = table.rows[:, year, sorted({row for pair in pairs for row in pair})]
    rows = covered[covered >= 0]
    names = [
        f"{context.catalog.place_name(table.places[one])}与{context.catalog.place_name(table.places[two])}"
        for one, two in pairs
    ]
    sentence = f"{int(table.years[year])}年有{len(pairs)}对行互换：{'、'.join(names[:5])}，各自与对方的前后年份相符"
    evidence = {"fault": "exchange", "pairs": len(pairs), "rows": int(rows.size), "whole": False}
    return TableFault(table.dataset, _period(table, year), sentence, evidence, rows, int(rows[0]))


def _period(table: Table, year: int) -> str:
    return f"{int(table.years[year])}" + ("" if table.slot == "year" else f" {table.slot}")


def _middle(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 3) if known.size else None

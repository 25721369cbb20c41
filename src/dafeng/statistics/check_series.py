"""Figures held against those of the same place in other years: spikes, jumps, slips of the unit, silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import Context, Outcome, TableFault, cells_of, hits, neighbours, shown_values
from dafeng.statistics.check_parts import borne_out
from dafeng.statistics.check_scale import (
    AMOUNT,
    ANGLE,
    changes,
    changes_of_places,
    floors,
    median,
    scale_of,
    scaled,
    usual_around,
    usual_changes,
)
from dafeng.statistics.check_table import Floats, Table

__all__ = ["Heights", "check_jump", "check_scale", "check_silence", "check_spike", "heights_of"]

Mask = NDArray[np.bool_]
_SPIKE: Final = {"usual": 12.0, "agree": 0.25, "least": 0.05}
_JUMP: Final = {"usual": 25.0, "times": 5.0, "angle": 0.6, "share": 0.01, "surely": 8.0}
_REPORTING: Final = 0.7
"""Part of last year's places that must still report something for a silent column to be one."""
_SCATTER: Final = 1.4
"""Usual distance of a year from the middle of its neighbours, enlarged to that of a change where years scatter freely."""
_AROUND: Final = 3
"""Years before and after whose scatter tells what is usual in a year."""
_SURELY: Final = 5.0
"""Usual changes that are enough for a part of a breakdown that changes by `surely` times."""
_SCALE: Final = {"usual": 15.0, "near": 0.045, "least": 1.0, "steady": 0.06, "sums": 0.001}
_LIKE: Final = 0.3
"""Decimal logarithm of the ratio, of two, up to which neighbouring years agree."""
_SILENCE: Final = {"zeros": 0.05, "silent": 0.3, "places": 10.0}


@dataclass(frozen=True)
class Heights:
    """Values of a table on their scales, with what change is usual.

    Parameters
    ----------
    values : float array, shape (series, year, place)
        On the scale of each series.
    steps : float array, same shape
        Change from the year before.
    usual : float array, shape (series, 1, place)
        The larger of the series' and the place's own median change.
    material : float array, shape (series, year, place)
        Size of the value as a share of the place's total, 1 where the series is no part of a known total.
    """

    values: Floats
    steps: Floats
    usual: Floats
    material: Floats


def heights_of(table: Table, context: Context) -> Heights:
    """Return a table on its scales."""
    values = scaled(table, context.indicators)
    steps = changes(values)
    least = floors(table, context.indicators)
    typical = np.fmax(usual_changes(steps, 0.0), least)
    own = changes_of_places(steps)
    usual = np.fmax(typical[:, None], own)[:, None, :]
    return Heights(values, steps, usual, _material(table))


def _material(table: Table) -> Floats:
    """Return each value's share of the total of its indicator, place and year."""
    found = np.ones(table.values.shape)
    totals = {(one.indicator, one.extent, one.basis): layer for layer, one in enumerate(table.series) if one.total}
    for layer, one in enumerate(table.series):
        total = totals.get((one.indicator, one.extent, one.basis))
        if total is not None and not one.total:
            # The total of a neighbouring year stands in where a fault of the part has lifted this year's.
            whole = table.values[total]
            before, after = neighbours(whole)
            least = np.fmin(np.fmin(whole, before), after)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.abs(table.values[layer]) / least
            found[layer] = np.where(np.isfinite(share), np.minimum(share, 1.0), 1.0)
    return found


def _layers(check: DataCheck, table: Table, context: Context, scales: tuple[str, ...] | None = None) -> Mask:
    chosen = np.zeros(len(table.series), dtype=bool)
    for layer in table.layers(check.indicators):
        scale = scale_of(context.indicators[table.series[layer].indicator])
        chosen[layer] = scale is not None and (scales is None or scale in scales)
    return chosen[:, None, None]


def check_spike(check: DataCheck, table: Table, heights: Heights, context: Context) -> tuple[Outcome, Mask]:
    """Find values that stand out of both neighbouring years while these agree.

    Parameters
    ----------
    check : DataCheck
        ``usual``: distance from the middle of the neighbours in usual distances of this sort, times 0.8 where the neighbours
        agree wholly up to 1.8 where they agree least;
        ``agree``: largest distance between the neighbours as a share of it; ``least``: smallest distance on the scale (0.05 is 5 % of an amount).
    table, heights, context

    Returns
    -------
    outcome : Outcome
    mask : bool array, shape (series, year, place)
        The values found.
    """
    bars = {**_SPIKE, **check.parameters}
    before, after = neighbours(heights.values)
    apart = heights.values - (before + after) / 2
    size = np.abs(apart)
    # Steady growth is usual and yet no scatter: what is usual for a spike is how far a year lies off the middle of two.
    scatter = np.fmax(usual_changes(apart, 0.0), floors(table, context.indicators))[:, None]
    around = np.fmax(usual_around(size, _AROUND), floors(table, context.indicators)[:, None])
    scatter = np.where(np.isfinite(around), around, scatter)[:, :, None]
    usual = np.fmin(heights.usual, _SCATTER * np.fmax(scatter, changes_of_places(apart)[:, None, :]))
    with np.errstate(divide="ignore", invalid="ignore"):
        disagree = np.abs(after - before) / size / bars["agree"]
        mask = (
            (size >= bars["usual"] * usual * (0.8 + disagree))
            & (size >= bars["least"])
            & (disagree <= 1)
            & _layers(check, table, context)
        )
    if not mask.any():
        return Outcome(), mask
    one, two = neighbours(table.values)
    shown = shown_values(table, context)
    before, after = neighbours(shown)
    score = (size / usual)[mask] * np.sqrt(heights.material[mask])
    cells = hits(
        table.rows[mask],
        score,
        "本期 {}，前一期 {}，后一期 {}；偏离前后两期之中点，为通常偏离的 {} 倍",
        low=np.minimum(one[mask], two[mask]),
        high=np.maximum(one[mask], two[mask]),
        value=shown[mask],
        before=before[mask],
        after=after[mask],
        times=(size / usual)[mask],
    )
    return Outcome(cells), mask


def check_jump(check: DataCheck, table: Table, heights: Heights, context: Context) -> Outcome:
    """Find changes from one year to the next that are far from usual, and parts that rise from nothing to a fair share.

    Parameters
    ----------
    check : DataCheck
        ``usual``: size of the change in usual changes; ``times``: least ratio of two amounts; ``angle``: least change of a
        share on the angular scale (0.6 is from 90 % to about 37 %); ``share``: least part that the larger of the two is of its
        place's total, where there is one; ``surely``: ratio of two amounts at which five usual
        changes are enough for a part of a breakdown, for parts scatter more than totals.
    table, heights, context
    """
    bars = {**_JUMP, **check.parameters}
    least = np.array(
        [
            {AMOUNT: np.log(bars["times"]), ANGLE: bars["angle"]}.get(
                scale_of(context.indicators[one.indicator]) or "", 0.0
            )
            for one in table.series
        ]
    )[:, None, None]
    size = np.abs(heights.steps)
    before, _ = neighbours(table.values)
    material_before, _ = neighbours(heights.material)
    material = np.fmax(heights.material, np.where(np.isfinite(before), material_before, 0.0))
    chosen = _layers(check, table, context)
    with np.errstate(invalid="ignore"):
        parts = np.array([not one.total for one in table.series])[:, None, None]
        amounts = np.array([scale_of(context.indicators[one.indicator]) == AMOUNT for one in table.series])
        surely = amounts[:, None, None] & parts & (size >= np.log(bars["surely"])) & (size >= _SURELY * heights.usual)
        mask = (size >= bars["usual"] * heights.usual) & (size >= least) | surely
        mask &= (material >= bars["share"]) & chosen
        risen = (before == 0) & (table.values > 0) & (heights.material >= max(bars["share"], 0.02)) & parts & chosen
    found = []
    if not mask.any() and not risen.any():
        return Outcome()
    shown = shown_values(table, context)
    earlier, _ = neighbours(shown)
    if mask.any():
        found.append(
            hits(
                table.rows[mask],
                (size / heights.usual)[mask] * np.sqrt(material[mask]),
                "本期 {}，上期 {}；变化为通常的 {} 倍",
                low=before[mask],
                high=before[mask],
                value=shown[mask],
                before=earlier[mask],
                times=(size / heights.usual)[mask],
            )
        )
    if risen.any():
        found.append(
            hits(
                table.rows[risen],
                bars["usual"] * np.sqrt(heights.material[risen]),
                "上期为 0，本期 {}，占本地合计的 {}",
                low=before[risen],
                high=before[risen],
                value=shown[risen],
                share=heights.material[risen],
            )
        )
    return Outcome(cells_of(found))


def check_scale(check: DataCheck, table: Table, heights: Heights, context: Context) -> tuple[Outcome, Mask]:
    """Find values that are a power of ten away from the years around: a slip of the unit or of the decimal point.

    Parameters
    ----------
    check : DataCheck
        ``usual``: distance in usual changes; ``near``: how near the decimal logarithm of the ratio is to a whole number;
        ``least``: least power of ten; ``steady``: largest usual change, as a decimal logarithm, of figures that can tell; ``sums``: relative gap up to
        which a sum holds: a figure that its total or parts bear out is no slip.
    table, heights, context
    """
    bars = {**_SCALE, **check.parameters}
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(table.values > 0, np.log10(table.values), np.nan)
        before, after = neighbours(powers)
        steps = changes(powers)
        usual = np.fmax(usual_changes(steps, 0.005)[:, None], changes_of_places(steps))[:, None, :]
        middle = median(np.moveaxis(powers, 1, -1))[:, None, :]
        # Of two neighbouring years the one further from the place's other years is at fault.
        agree = np.abs(after - before) <= _LIKE
        lone = np.where(agree, (before + after) / 2, np.where(np.isfinite(before), before, after))
        off = powers - lone
        whole = np.round(off)
        # Neighbours that differ otherwise than by a slip of one of them bear out no slip of this year.
        between = np.abs(after - before)
        further = (np.abs(powers - middle) >= np.abs(lone - middle)) & ~(np.abs(between - np.round(between)) > _LIKE)
        near = np.minimum(np.maximum(bars["near"], 2 * usual), 0.12)
        near = np.where(np.isfinite(between), near, bars["near"])
        mask = (
            (np.abs(whole) >= bars["least"])
            & (np.abs(off - whole) <= near)
            & (np.abs(off) >= bars["usual"] * usual)
            & (usual <= bars["steady"])
            & (further | agree)
            & (heights.material >= 1e-4)
            & _layers(check, table, context, (AMOUNT, ANGLE))
        )
    if mask.any():
        mask &= ~borne_out(table, context, bars["sums"])
    if not mask.any():
        return Outcome(), mask
    expected = 10.0 ** lone[mask]
    shown = shown_values(table, context)[mask]
    cells = hits(
        table.rows[mask],
        (np.abs(off) / usual)[mask] * np.sqrt(heights.material[mask]),
        "本期 {}，按邻近年份应在 {} 上下，相差 10 的 {} 次方",
        low=expected / 2,
        high=expected * 2,
        value=shown,
        expected=expected * shown / table.values[mask],
        power=whole[mask],
    )
    return Outcome(cells), mask


def check_silence(check: DataCheck, table: Table, heights: Heights, context: Context) -> Outcome:
    """Find zeros between figures, stated gaps between figures, and columns of which most places fall silent.

    Parameters
    ----------
    check : DataCheck
        ``zeros``: largest share of zeros at which a zero is still out of the ordinary for a series; ``gaps``: 1 to look at
        stated gaps instead of zeros; ``silent``: a column falls silent where fewer than this part of last year's places
        report it; ``places``: least number of places last year.
    """
    bars = {**_SILENCE, **check.parameters}
    chosen = _layers(check, table, context, (AMOUNT, ANGLE))
    before, after = neighbours(table.values)
    last = np.zeros(table.values.shape, dtype=bool)
    last[:, -1] = True
    known = np.isfinite(table.values)
    stands = (before > 0) & ((after > 0) | last)
    if bars.get("gaps"):
        mask = ~known & (table.rows >= 0) & stands & chosen
        note = "本期没有数，前一期 {}，后一期 {}"
    else:
        counted = np.maximum(known.sum(axis=(1, 2)), 1)
        seldom = ((table.values == 0).sum(axis=(1, 2)) <= bars["zeros"] * counted)[:, None, None]
        mask = (table.values == 0) & stands & seldom & chosen
        note = "本期为 0，前一期 {}，后一期 {}"
    outcome = Outcome()
    if mask.any():
        earlier, later = neighbours(shown_values(table, context))
        outcome.cells = hits(
            table.rows[mask],
            np.sqrt(heights.material[mask]),
            note,
            low=np.fmin(before[mask], after[mask]),
            high=np.fmax(before[mask], after[mask]),
            before=earlier[mask],
            after=later[mask],
        )
    if not bars.get("gaps"):
        outcome.faults = _silent_columns(table, known & chosen, bars, context)
    return outcome


def _silent_columns(table: Table, known: Mask, bars: dict[str, float], context: Context) -> list[TableFault]:
    """Return one fault a year: its columns that most places reported the year before and few report now."""
    counts = known.sum(axis=2)
    reporting = known.any(axis=0).sum(axis=1)
    found = []
    for year in range(1, len(table.years)):
        last, now = counts[:, year - 1], counts[:, year]
        silent = np.flatnonzero((last >= bars["places"]) & (now < bars["silent"] * last))
        if not silent.size or reporting[year] < _REPORTING * reporting[year - 1]:
            continue
        rows: NDArray[Any] = table.rows[silent, year]
        rows = rows[rows >= 0]
        lost = silent[np.argsort(now[silent] - last[silent], kind="stable")]
        names = [_column(table, int(layer), context) for layer in lost[:4]]
        most = int(lost[0])
        fault = TableFault(
            table.dataset,
            f"{int(table.years[year])}",
            f"{int(table.years[year])}年有{silent.size}列大多没有数（{'、'.join(names)}{'等' if silent.size > 4 else ''}）："
            f"其中{names[0]}上一年{int(last[most])}个地方有数，本年{int(now[most])}个",
            {
                "fault": "silent-column",
                "columns": int(silent.size),
                "indicator": table.series[most].indicator,
                "places_before": int(last[most]),
                "places_now": int(now[most]),
            },
            rows,
            int(rows[0]) if rows.size else -1,
        )
        found.append(fault)
    return found


def _column(table: Table, layer: int, context: Context) -> str:
    series = table.series[layer]
    codes = [next((terms[code].zh for terms in context.catalog.terms.values() if code in terms), code)
             for code in series.breakdown if code != "all"]  # fmt: skip
    return context.indicators[series.indicator].zh + (f"（{'、'.join(codes)}）" if codes else "")

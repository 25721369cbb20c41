"""Figures of pathways: fans of scenarios, and wedges of measures. Line style, hatching and a word say the same as colour."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dafeng.reports.figure_content import AreaPart, FanChart, Wedges
from dafeng.reports.figures_carbon import PART_STYLES, plain_axes

__all__ = ["draw_fans", "draw_wedges"]

_Dash = Literal["-", "--", "-.", ":"]

_LINES: Final[tuple[tuple[str, _Dash], ...]] = (
    ("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"),
)  # fmt: skip
"""Colour and dash of scenarios."""
_LEAST_WEDGE: Final = 0.25  # of the upper line


def _by_year(axes: Axes, unit: str) -> None:
    axes.set_ylabel(unit, fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    plain_axes(axes)


def draw_fans(canvas: Canvas, content: FanChart, *, chinese: bool) -> None:
    """Draw the band of the first scenario, the medians of all with the ends of the others, history and the promised year."""
    axes = canvas.subplots()
    handles: list[Patch | Line2D] = []
    top = 0.0
    for number, fan in enumerate(content.fans):
        color, dash = _LINES[number % len(_LINES)]
        name = fan.zh if chinese else fan.en
        if number == 0:
            axes.fill_between(content.years, fan.low, fan.high, facecolor=color, alpha=0.18, linewidth=0)
            word = f"{name}：5%—95%区间" if chinese else f"{name}: 5 %-95 %"
            handles.append(Patch(facecolor=color, alpha=0.18, label=word))
        else:
            axes.plot(content.years, fan.low, color=color, linewidth=0.5, linestyle=dash, alpha=0.7)
            axes.plot(content.years, fan.high, color=color, linewidth=0.5, linestyle=dash, alpha=0.7)
        axes.plot(content.years, fan.middle, color=color, linewidth=1.7, linestyle=dash)
        handles.append(
            Line2D(
                [],
                [],
                color=color,
                linewidth=1.7,
                linestyle=dash,
                label=f"{name}{'：中位数' if chinese else ': median'}",
            )
        )
        top = max(top, *fan.high)
    if content.history:
        years, values = [point.year for point in content.history], [point.value for point in content.history]
        axes.plot(years, values, linestyle="none", marker="o", markersize=3, color="black")
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markersize=3,
                color="black",
                label="核算值" if chinese else "account",
            )
        )
        top = max(top, *values)
    if content.deadline is not None:
        axes.axvline(content.deadline, color="black", linewidth=0.8, linestyle=(0, (2, 2)))
        axes.annotate(
            f"承诺达峰 {content.deadline}年" if chinese else f"promised: {content.deadline}",
            (content.deadline, top * 1.02), xytext=(4, 0), textcoords="offset points", fontsize=7, va="bottom",
        )  # fmt: skip
    axes.set_ylim(0, top * 1.12)
    axes.set_xlim(content.years[0], content.years[-1])
    _by_year(axes, content.unit if chinese else content.unit_en)
    canvas.legend(handles=handles, loc="outside upper center", ncols=3 if chinese else 2, frameon=False, fontsize=7)


def draw_wedges(canvas: Canvas, content: Wedges, *, chinese: bool) -> None:
    """Draw what each measure takes off, from the upper line down; what is small beside the whole is drawn from zero up instead."""
    upper, lower = (np.asarray(line.values, float) for line in (content.upper, content.lower))
    if float((upper - lower).max()) >= _LEAST_WEDGE * float(upper.max()):
        _draw_down(canvas, content, chinese=chinese)
    else:
        _draw_up(canvas, content, chinese=chinese)


def _part_handle(part: AreaPart, number: int, *, chinese: bool) -> Patch:
    color, hatch = PART_STYLES[number % len(PART_STYLES)]
    label = part.zh if chinese else part.en
    return Patch(facecolor=color, hatch=hatch, edgecolor="#333333", linewidth=0.5, label=label)


def _draw_up(canvas: Canvas, content: Wedges, *, chinese: bool) -> None:
    """Draw the reductions one upon another from zero, those that add emissions below it, and the sum as a line."""
    axes = canvas.subplots()
    handles: list[Patch | Line2D] = []
    above, below = np.zeros(len(content.years)), np.zeros(len(content.years))
    for number, part in enumerate(content.parts):
        color, hatch = PART_STYLES[number % len(PART_STYLES)]
        values = np.asarray(part.values, float)
        for base, share in ((above, np.maximum(values, 0.0)), (below, np.minimum(values, 0.0))):
            if share.any():
                axes.fill_between(
                    content.years, base, base + share, facecolor=color, hatch=hatch, edgecolor="#333333", linewidth=0.3
                )
            np.add(base, share, out=base)
        handles.append(_part_handle(part, number, chinese=chinese))
    total = np.asarray(content.upper.values, float) - np.asarray(content.lower.values, float)
    axes.plot(content.years, total, color="black", linewidth=1.5)
    handles.append(Line2D([], [], color="black", linewidth=1.5, label="合计减少" if chinese else "sum"))
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_xlim(content.years[0], content.years[-1])
    _by_year(axes, f"减少 {content.unit}" if chinese else f"less, {content.unit_en}")
    canvas.legend(handles=handles, loc="outside upper center", ncols=3 if chinese else 2, frameon=False, fontsize=7)


def _draw_down(canvas: Canvas, content: Wedges, *, chinese: bool) -> None:
    axes = canvas.subplots()
    handles: list[Patch | Line2D] = []
    base = np.asarray(content.upper.values, float)
    for number, part in enumerate(content.parts):
        color, hatch = PART_STYLES[number % len(PART_STYLES)]
        low = base - np.asarray(part.values, float)
        axes.fill_between(content.years, low, base, facecolor=color, hatch=hatch, edgecolor="#333333", linewidth=0.3)
        handles.append(_part_handle(part, number, chinese=chinese))
        base = low
    ends: tuple[tuple[AreaPart, _Dash], ...] = ((content.upper, "-"), (content.lower, "--"))
    for line, dash in ends:
        axes.plot(content.years, line.values, color="black", linewidth=1.5, linestyle=dash)
        handles.append(
            Line2D([], [], color="black", linewidth=1.5, linestyle=dash, label=line.zh if chinese else line.en)
        )
    least, most = min(*content.lower.values, *base), max(content.upper.values)
    floor = 0.0 if least < most / 3 else max(0.0, least - 0.35 * (most - least) - 0.02 * most)
    axes.set_ylim(floor, most + 0.06 * (most - floor))
    axes.set_xlim(content.years[0], content.years[-1])
    _by_year(axes, content.unit if chinese else content.unit_en)
    if floor > 0:
        said = f"纵轴自{floor:.0f}起" if chinese else f"axis from {floor:.0f}"
        axes.text(0.995, 0.97, said, transform=axes.transAxes, ha="right", va="top", fontsize=7)
    canvas.legend(handles=handles, loc="outside upper center", ncols=3 if chinese else 2, frameon=False, fontsize=7)

"""Figures of the carbon account: stacked areas, flow diagram, waterfall. Fill, hatching and a word say the same thing."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from dafeng.reports.figure_content import FlowNode, FlowPaths, StackedAreas, Waterfall, WaterfallStep

__all__ = ["PART_STYLES", "draw_areas", "draw_flows", "draw_waterfall", "flows_height", "plain_axes"]

PART_STYLES: Final = (
    ("#56B4E9", ""), ("#E69F00", "//"), ("#009E73", ".."), ("#F0E442", "xx"), ("#CC79A7", "\\\\"), ("#BBBBBB", "--"),
    ("#0072B2", "++"), ("#FFFFFF", "oo"),
)  # fmt: skip
"""Fill and hatching of parts, from the bottom; colours of Okabe and Ito."""
_EDGE: Final = "#333333"
_UP, _DOWN, _TOTAL = ("#D55E00", "//"), ("#56B4E9", ".."), ("#BBBBBB", "")
_GAP: Final = 0.07  # space between two nodes, as a share of the height
_BAR: Final = 0.035  # width of a node, as a share of the width
_ROOM: Final = 0.052  # least height between two labels, as a share of the height
_WHITE: Final = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def _number(value: float) -> str:
    return f"{value:.1f}"


def _style(number: int) -> tuple[str, str]:
    return PART_STYLES[number % len(PART_STYLES)]


def plain_axes(axes: Axes) -> None:
    """Take off frame and offsets, and set small ticks."""
    axes.tick_params(labelsize=7, length=2)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.spines[["top", "right"]].set_visible(False)


def draw_areas(canvas: Canvas, content: StackedAreas, *, chinese: bool) -> None:
    """Draw the parts one upon another, the promised total as a line, and its highest year."""
    axes = canvas.subplots()
    base = np.zeros(len(content.years))
    handles: list[Patch | Line2D] = []
    for number, part in enumerate(content.parts):
        color, hatch = _style(number)
        top = base + np.asarray(part.values)
        axes.fill_between(content.years, base, top, facecolor=color, hatch=hatch, edgecolor=_EDGE, linewidth=0.4)
        handles.append(
            Patch(facecolor=color, hatch=hatch, edgecolor=_EDGE, linewidth=0.5, label=part.zh if chinese else part.en)
        )
        base = top
    line = content.line
    name = f"方案承诺口径：{line.zh}" if chinese else f"promised: {line.en}"
    axes.plot(content.years, line.values, color="black", linewidth=1.6, marker="o", markersize=3)
    handles.append(Line2D([], [], color="black", linewidth=1.6, marker="o", markersize=3, label=name))
    top = max(float(base.max()), *line.values)
    if content.peak_year in content.years:
        at = content.years.index(content.peak_year)
        word = f"最高 {content.peak_year}年" if chinese else f"highest: {content.peak_year}"
        axes.annotate(
            f"{word}\n{_number(line.values[at])}", (content.peak_year, line.values[at]), xytext=(0, 14),
            textcoords="offset points", ha="center", fontsize=7, bbox=_WHITE,
            arrowprops={"arrowstyle": "->", "linewidth": 0.8},
        )  # fmt: skip
    axes.set_ylim(0, top * 1.17)
    axes.set_xlim(content.years[0] - 0.2, content.years[-1] + 0.2)
    axes.set_ylabel(content.unit if chinese else content.unit_en, fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    plain_axes(axes)
    canvas.legend(handles=handles, loc="outside upper center", ncols=3 if chinese else 2, frameon=False, fontsize=7.5)


def flows_height(content: FlowPaths) -> float:
    """Return the height of a flow diagram in inches: enough for the labels of its fullest layer.

    Examples
    --------
    >>> flows_height(FlowPaths(unit="万吨", unit_en="10^4 t", nodes=(), links=()))
    2.6
    """
    layers = [node.layer for node in content.nodes]
    fullest = max((layers.count(layer) for layer in set(layers)), default=0)
    return max(2.6, 0.8 + 0.33 * fullest)


def _sizes(content: FlowPaths) -> dict[tuple[int, str], float]:
    """Return the amount of each node: what comes in, or what goes out where that is more."""
    into: dict[tuple[int, str], float] = {}
    out: dict[tuple[int, str], float] = {}
    for link in content.links:
        out[link.layer, link.source] = out.get((link.layer, link.source), 0.0) + link.value
        into[link.layer + 1, link.target] = into.get((link.layer + 1, link.target), 0.0) + link.value
    return {key: max(into.get(key, 0.0), out.get(key, 0.0)) for key in sorted(into.keys() | out.keys())}


def _places(content: FlowPaths) -> dict[tuple[int, str], tuple[float, float]]:
    """Return bottom and height of each node; one scale for all layers, each layer centred."""
    sizes = _sizes(content)
    layers: dict[int, list[FlowNode]] = {}
    for node in content.nodes:
        if (node.layer, node.code) in sizes:
            layers.setdefault(node.layer, []).append(node)
    totals = {layer: sum(sizes[layer, node.code] for node in nodes) for layer, nodes in layers.items()}
    scale = min((1.0 - _GAP * (len(nodes) - 1)) / totals[layer] for layer, nodes in layers.items())
    placed = {}
    for layer, nodes in layers.items():
        used = totals[layer] * scale + _GAP * (len(nodes) - 1)
        top = 0.5 + used / 2
        for node in nodes:
            height = sizes[layer, node.code] * scale
            placed[layer, node.code] = (top - height, height)
            top -= height + _GAP
    return placed


def _apart(middles: list[float]) -> list[float]:
    """Move labels, given from the top, down so far that they do not overlap, then up from the bottom."""
    moved = list(middles)
    for at in range(1, len(moved)):
        moved[at] = min(moved[at], moved[at - 1] - _ROOM)
    floor = 0.0
    for at in range(len(moved) - 1, -1, -1):
        moved[at] = max(moved[at], floor)
        floor = moved[at] + _ROOM
    return moved


def _band(left: float, right: float, low: tuple[float, float], height: float) -> Path:
    """Return a band from (left, low[0]) to (right, low[1]) that keeps its height."""
    middle = (left + right) / 2
    start, end = low
    corners = [
        (left, start), (middle, start), (middle, end), (right, end), (right, end + height), (middle, end + height),
        (middle, start + height), (left, start + height), (left, start),
    ]  # fmt: skip
    curve = [int(Path.CURVE4)] * 3
    return Path(corners, [int(Path.MOVETO), *curve, int(Path.LINETO), *curve, int(Path.CLOSEPOLY)])


def draw_flows(canvas: Canvas, content: FlowPaths, *, chinese: bool) -> None:
    """Draw nodes in layers and the bands between them; a band is filled and hatched like the middle node it touches."""
    axes = canvas.subplots()
    axes.set_axis_off()
    last = max((node.layer for node in content.nodes), default=0)
    axes.set_xlim(-0.24, 1.26)
    axes.set_ylim(-0.03, 1.12)
    if not content.links:
        return
    placed, sizes = _places(content), _sizes(content)
    spots = np.linspace(0.0, 1.0 - _BAR, last + 1)
    middle = [node.code for node in content.nodes if node.layer == 1 and (1, node.code) in placed]
    given = {key: bottom + height for key, (bottom, height) in placed.items()}
    taken = dict(given)
    order = {(node.layer, node.code): number for number, node in enumerate(content.nodes)}
    for link in sorted(content.links, key=lambda one: (order[one.layer, one.source], order[one.layer + 1, one.target])):
        source, target = (link.layer, link.source), (link.layer + 1, link.target)
        height = placed[source][1] * link.value / sizes[source]
        given[source] -= height
        taken[target] -= height
        color, hatch = _style(middle.index(link.target if link.layer == 0 else link.source))
        band = _band(spots[link.layer] + _BAR, spots[link.layer + 1], (given[source], taken[target]), height)
        axes.add_patch(PathPatch(band, facecolor=color, edgecolor=_EDGE, linewidth=0.25, hatch=hatch, alpha=0.55))
    for layer in range(last + 1):
        nodes = [node for node in content.nodes if (layer, node.code) in placed and node.layer == layer]
        spans = [placed[layer, node.code] for node in nodes]
        labels = _apart([bottom + height / 2 for bottom, height in spans])
        for node, (bottom, height), label in zip(nodes, spans, labels, strict=True):
            color, hatch = _style(middle.index(node.code)) if layer == 1 else ("#EEEEEE", "")
            bar = Rectangle((spots[layer], bottom), _BAR, height, facecolor=color, edgecolor="black", hatch=hatch)
            bar.set_linewidth(0.6)
            axes.add_patch(bar)
            text = f"{node.zh if chinese else node.en}  {_number(sizes[layer, node.code])}"
            if layer == 0:
                axes.text(-0.012, label, text, ha="right", va="center", fontsize=6.8)
            elif layer == last:
                axes.text(1.012, label, text, ha="left", va="center", fontsize=6.8)
            else:  # over the node, in the gap
                spot = float(spots[layer]) + _BAR / 2
                axes.text(spot, bottom + height + 0.012, text, ha="center", va="bottom", fontsize=6.8, bbox=_WHITE)
    unit = f"单位：{content.unit}" if chinese else f"unit: {content.unit_en}"
    axes.text(1.25, 1.11, unit, ha="right", va="top", fontsize=7)


def draw_waterfall(canvas: Canvas, content: Waterfall, *, chinese: bool) -> None:
    """Draw the total, each contribution from where the one before it ended, and the total after."""
    axes = canvas.subplots()
    bars: list[tuple[WaterfallStep, float, tuple[str, str]]] = [(content.first, 0.0, _TOTAL)]
    level = content.first.value
    for step in content.steps:
        bars.append((step, level, _UP if step.value > 0 else _DOWN))
        level += step.value
    bars.append((content.last, 0.0, _TOTAL))
    ends = [bottom + step.value for step, bottom, _ in bars]
    low = min(*ends, *(bottom for _, bottom, style in bars if style is not _TOTAL), content.first.value)
    span = max(ends) - low
    floor = max(0.0, low - 0.6 * span) if span else 0.0
    for at, (step, bottom, (color, hatch)) in enumerate(bars):
        base = floor if (color, hatch) == _TOTAL else bottom
        axes.bar(
            at, bottom + step.value - base, bottom=base, width=0.62, color=color, hatch=hatch, edgecolor=_EDGE,
            linewidth=0.6,
        )  # fmt: skip
        sign = "" if (color, hatch) == _TOTAL else "+" if step.value > 0 else "−"
        axes.text(
            at, max(bottom + step.value, base), f"{sign}{_number(abs(step.value))}", ha="center", va="bottom",
            fontsize=7.5,
        )  # fmt: skip
        if at + 1 < len(bars):
            axes.plot([at + 0.31, at + 0.69], [ends[at], ends[at]], color=_EDGE, linewidth=0.6, linestyle=":")
    axes.set_xticks(range(len(bars)), [step.zh if chinese else step.en for step, _, _ in bars], fontsize=7.5)
    axes.set_ylim(floor, max(ends) + 0.14 * (max(ends) - floor))
    axes.set_ylabel(content.unit if chinese else content.unit_en, fontsize=7.5)
    if floor > 0:
        note = f"纵轴自{floor:.0f}起" if chinese else f"axis starts at {floor:.0f}"
        axes.text(0.995, 0.985, note, transform=axes.transAxes, ha="right", va="top", fontsize=7)
    plain_axes(axes)
    marks = [
        Patch(facecolor=_UP[0], hatch=_UP[1], edgecolor=_EDGE, linewidth=0.5, label="增排" if chinese else "raises"),
        Patch(
            facecolor=_DOWN[0], hatch=_DOWN[1], edgecolor=_EDGE, linewidth=0.5, label="减排" if chinese else "lowers"
        ),
    ]
    canvas.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False, fontsize=7.5)

"""Figures drawn from their description with matplotlib, as PNG for papers and as SVG for pages.

Colours are those of Okabe and Ito, told apart by colour-blind readers; every state also has a hatching and a word, so that
a black-and-white print says the same. Letters become outlines, hence a figure looks alike on every machine and its bytes
depend only on the description and on the font file that `FontReport` names.
"""

from __future__ import annotations

import io
import math
import textwrap
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dafeng.reports.document import STATE_SHAPES, Figure
from dafeng.reports.figure_content import (
    CostCurve,
    CostFront,
    FanChart,
    FlowPaths,
    OutlookPanel,
    OutlookPanels,
    StackedAreas,
    StatusBars,
    Waterfall,
    Wedges,
)
from dafeng.reports.figures_carbon import draw_areas, draw_flows, draw_waterfall, flows_height
from dafeng.reports.figures_pathway import draw_fans, draw_wedges
from dafeng.reports.figures_portfolio import draw_curve, draw_front
from dafeng.reports.fonts import FontReport, figure_family
from dafeng.reports.wording import text_width

__all__ = ["STATE_STYLES", "figure_png", "figure_size", "figure_svg"]

_GREEN, _SKY, _YELLOW, _ORANGE, _RED, _GREY = "#009E73", "#56B4E9", "#F0E442", "#E69F00", "#D55E00", "#BBBBBB"
STATE_STYLES: Final[dict[str, tuple[str, str]]] = {
    "met": (_GREEN, ""),
    "met_early": (_GREEN, ""),
    "holds": (_GREEN, ""),
    "done": (_GREEN, ""),
    "on_track": (_SKY, "//"),
    "open": ("#DCEBF5", "--"),
    "at_risk": (_YELLOW, ".."),
    "off_track": (_ORANGE, "xx"),
    "missed": (_RED, "++"),
    "breached": (_RED, "++"),
    "overdue": (_RED, "++"),
    "unproven": ("#FFFFFF", "\\\\"),
    "no_data": (_GREY, ""),
    "unknown": (_GREY, ""),
    "depends_on_definition": ("#CC79A7", "oo"),
}
"""Fill and hatching of each state."""

_SETTINGS: Final[dict[str, object]] = {
    "svg.hashsalt": "dafeng",
    "svg.fonttype": "path",
    "axes.unicode_minus": False,
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "hatch.color": "#333333",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "path.simplify": False,
}
_WORDS: Final = {
    True: {
        "history": "实际值", "required": "所需进度", "bound": "承诺值", "deadline": "到期年", "band": "预计区间（80%）",
        "expected": "预计", "none": "无数据", "targets": "目标数（项）",
    },
    False: {
        "history": "actual", "required": "required path", "bound": "promised", "deadline": "deadline",
        "band": "outlook (80 %)", "expected": "expected", "none": "no data", "targets": "number of targets",
    },
}  # fmt: skip
_PAPER_WIDTH: Final = 156 / 25.4


def figure_size(figure: Figure) -> tuple[float, float]:
    """Return width and height in inches; the width is that of the type area.

    Examples
    --------
    >>> from dafeng.reports.figure_content import StatusBars
    >>> width, height = figure_size(Figure(id="bars", caption="", text="", content=StatusBars(bars=())))
    >>> round(width * 25.4), height > 0
    (156, True)
    """
    content = figure.content
    if isinstance(content, OutlookPanels):
        rows = max(1, math.ceil(len(content.panels) / content.across))
        return _PAPER_WIDTH, 0.45 + 1.62 * rows
    if isinstance(content, FanChart | Wedges | CostCurve | CostFront):
        return _PAPER_WIDTH, 3.3
    if isinstance(content, StackedAreas | Waterfall):
        return _PAPER_WIDTH, 2.9
    if isinstance(content, FlowPaths):
        return _PAPER_WIDTH, flows_height(content)
    return _PAPER_WIDTH, 0.95 + 0.3 * max(1, len(content.bars))


def figure_png(figure: Figure, fonts: FontReport, *, dpi: int = 200) -> bytes:
    """Return the figure as PNG without date or software name."""
    with mpl.rc_context(_settings(fonts)):  # type: ignore[arg-type]
        canvas = _draw(figure, chinese=figure_family(fonts) is not None)
        FigureCanvasAgg(canvas)
        target = io.BytesIO()
        canvas.savefig(target, format="png", dpi=dpi, metadata={"Software": None})
    return target.getvalue()


def figure_svg(figure: Figure, fonts: FontReport) -> str:
    """Return the figure as an SVG element for a page: no date, fixed identifiers, letters as outlines."""
    with mpl.rc_context(_settings(fonts) | {"svg.hashsalt": f"dafeng-{figure.id}"}):  # type: ignore[arg-type]
        canvas = _draw(figure, chinese=figure_family(fonts) is not None)
        FigureCanvasSVG(canvas)
        target = io.StringIO()
        canvas.savefig(target, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = target.getvalue()
    return text[text.index("<svg") :].strip()


def _settings(fonts: FontReport) -> dict[str, object]:
    family = figure_family(fonts)
    return _SETTINGS | {"font.family": "sans-serif", "font.sans-serif": ([family] if family else []) + ["DejaVu Sans"]}


def _draw(figure: Figure, *, chinese: bool) -> Canvas:
    canvas = Canvas(figsize=figure_size(figure), layout="constrained")
    match figure.content:
        case OutlookPanels():
            _draw_panels(canvas, figure.content, chinese=chinese)
        case StatusBars():
            _draw_bars(canvas, figure.content, chinese=chinese)
        case StackedAreas():
            draw_areas(canvas, figure.content, chinese=chinese)
        case FlowPaths():
            draw_flows(canvas, figure.content, chinese=chinese)
        case Waterfall():
            draw_waterfall(canvas, figure.content, chinese=chinese)
        case FanChart():
            draw_fans(canvas, figure.content, chinese=chinese)
        case Wedges():
            draw_wedges(canvas, figure.content, chinese=chinese)
        case CostCurve():
            draw_curve(canvas, figure.content, chinese=chinese)
        case CostFront():
            draw_front(canvas, figure.content, chinese=chinese)
    return canvas


def _wrapped(text: str, width: int) -> str:
    """Break a title: English between words, Chinese after `width` characters; what goes beyond two lines is left out."""
    if text.isascii():
        return "\n".join(textwrap.wrap(text, 2 * width, max_lines=2, placeholder=" …"))
    lines, line, used = [], "", 0.0
    for mark in text:
        if used + text_width(mark) > width:
            lines.append(line)
            line, used = "", 0.0
        line, used = line + mark, used + text_width(mark)
    lines.append(line)
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")


def _draw_panels(canvas: Canvas, content: OutlookPanels, *, chinese: bool) -> None:
    words = _WORDS[chinese]
    rows = max(1, math.ceil(len(content.panels) / content.across))
    grid = canvas.subplots(rows, content.across, squeeze=False).ravel()
    for axes, panel in zip(grid, content.panels, strict=False):
        _draw_panel(axes, panel, chinese=chinese)
    for axes in grid[len(content.panels) :]:
        axes.set_axis_off()
    marks = [
        Line2D([], [], color="black", marker="o", markersize=3, linewidth=1.2, label=words["history"]),
        Line2D([], [], color="#0072B2", linestyle="--", linewidth=1.2, label=words["required"]),
        Line2D([], [], color=_RED, linestyle=":", marker="D", markersize=4, linewidth=1, label=words["bound"]),
        Patch(facecolor="#FBE3C0", edgecolor="#8A5A00", hatch="///", linewidth=0.5, label=words["band"]),
    ]
    canvas.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=7.5)


def _draw_panel(axes: Axes, panel: OutlookPanel, *, chinese: bool) -> None:
    words = _WORDS[chinese]
    title, unit = (panel.title, panel.unit) if chinese else (panel.title_en, panel.unit_en)
    state = panel.state_zh if chinese else panel.state_en
    shape = STATE_SHAPES.get(panel.state, "") if chinese else ""
    axes.set_title(f"{_wrapped(title, 14)}\n{shape}{state}", fontsize=7.5, linespacing=1.15)
    axes.set_ylabel(unit, fontsize=7)
    years = [point.year for point in panel.history]
    axes.plot(years, [point.value for point in panel.history], color="black", marker="o", markersize=2.5, linewidth=1.2)
    if panel.required:
        axes.plot(
            [point.year for point in panel.required],
            [point.value for point in panel.required],
            color="#0072B2",
            linestyle="--",
            linewidth=1.2,
        )
    axes.axhline(panel.bound, color=_RED, linestyle=":", linewidth=1)
    if panel.bound_max is not None:
        axes.axhline(panel.bound_max, color=_RED, linestyle=":", linewidth=1)
    if panel.deadline is not None:
        axes.plot([panel.deadline], [panel.bound], color=_RED, marker="D", markersize=4, linestyle="none")
        years.append(panel.deadline)
    if panel.outlook:
        span = [band.year for band in panel.outlook]
        low, high = [band.low for band in panel.outlook], [band.high for band in panel.outlook]
        middle = [band.expected for band in panel.outlook]
        if panel.history:
            last = panel.history[-1]
            span, low, high, middle = (
                [last.year, *span],
                [last.value, *low],
                [last.value, *high],
                [last.value, *middle],
            )
        axes.fill_between(span, low, high, facecolor="#FBE3C0", edgecolor="#8A5A00", hatch="///", linewidth=0.4)
        axes.plot(span, middle, color="#8A5A00", linewidth=0.8, linestyle="-.")
        years += span
    if not panel.history:
        axes.text(0.5, 0.35, words["none"], transform=axes.transAxes, ha="center", fontsize=8, color="#555555")
    if years:
        axes.set_xlim(min(years) - 0.6, max(years) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.margins(y=0.15)
    axes.tick_params(labelsize=6.5, length=2)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bars(canvas: Canvas, content: StatusBars, *, chinese: bool) -> None:
    axes = canvas.subplots()
    labels = [_wrapped(bar.label, 12) if chinese else bar.label_en for bar in content.bars]
    seen: dict[str, Patch] = {}
    for row, bar in enumerate(content.bars):
        left = 0
        for part in bar.counts:
            if part.count == 0:
                continue
            color, hatch = STATE_STYLES.get(part.state, ("#FFFFFF", ""))
            axes.barh(
                row, part.count, left=left, height=0.62, color=color, hatch=hatch, edgecolor="#333333", linewidth=0.5
            )
            axes.text(
                left + part.count / 2, row, str(part.count), ha="center", va="center", fontsize=7,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip
            name = STATE_SHAPES.get(part.state, "") + part.zh if chinese else part.en
            seen.setdefault(
                part.state, Patch(facecolor=color, hatch=hatch, edgecolor="#333333", linewidth=0.5, label=name)
            )
            left += part.count
    axes.set_yticks(range(len(labels)), labels, fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlabel(_WORDS[chinese]["targets"], fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=7, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    order = [seen[state] for state in STATE_STYLES if state in seen]
    if order:
        canvas.legend(handles=order, loc="outside upper center", ncols=min(5, len(order)), frameon=False, fontsize=7.5)

"""Figures of the portfolio: the cost curve of measures, and fronts of cost and level. Hatching and words say the same as colour."""

from __future__ import annotations

from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dafeng.reports.figure_content import CostCurve, CostFront, CostStep
from dafeng.reports.figures_carbon import plain_axes

__all__ = ["draw_curve", "draw_front"]

_Dash = Literal["-", "--", "-.", ":"]

_PAYS, _COSTS = "#56B4E9", "#E69F00"
_DOUBT: Final = "//"
_EDGE: Final = "#333333"
_WIDE: Final = 0.05  # of the whole width, from which a step has its number in it
_MOST_NAMES: Final = 24
_CUT: Final = 4.0  # of the width-weighted middle, beyond which a height is cut
_LINES: Final[tuple[tuple[str, _Dash, str], ...]] = (
    ("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#CC79A7", ":", "D"),
)  # fmt: skip
_MARKS: Final = ("X", "P", "*", "v", "<", ">")


def _cut(steps: tuple[CostStep, ...]) -> tuple[float, float]:
    """Return the lowest and highest cost drawn, so that a few dear tonnes do not flatten the rest; infinite where all are."""
    costs = sorted((abs(step.cost), step.amount) for step in steps)
    half, below = sum(amount for _, amount in costs) * 0.75, 0.0
    for cost, amount in costs:
        below += amount
        if below >= half:
            limit = _CUT * max(cost, 100.0)
            return -limit, limit
    return float("-inf"), float("inf")


def draw_curve(canvas: Canvas, content: CostCurve, *, chinese: bool) -> None:
    """Draw the steps with their numbers, and the names by number beside them; heights beyond the cut end in an arrow."""
    axes, names = canvas.subplots(1, 2, gridspec_kw={"width_ratios": (2.0, 1.0)})
    total = sum(step.amount for step in content.steps) or 1.0
    low, high = _cut(content.steps)
    left, cut = 0.0, False
    for number, step in enumerate(content.steps, start=1):
        height = min(max(step.cost, low), high)
        cut |= height != step.cost
        axes.bar(
            left, height, width=step.amount, align="edge", color=_PAYS if step.cost < 0 else _COSTS,
            hatch=_DOUBT if step.doubtful else "", edgecolor=_EDGE, linewidth=0.5,
        )  # fmt: skip
        if step.amount >= _WIDE * total or number in (1, len(content.steps)):
            word = f"{number}" + ("" if height == step.cost else f"\n{step.cost:,.0f}")
            axes.annotate(
                word, (left + step.amount / 2, height), xytext=(0, 3 if height >= 0 else -3),
                textcoords="offset points", ha="center", va="bottom" if height >= 0 else "top", fontsize=6.5,
            )  # fmt: skip
        left += step.amount
    axes.axhline(0.0, color="black", linewidth=0.7)
    axes.set_xlim(0, left or 1.0)
    axes.margins(y=0.14)
    axes.set_xlabel(content.unit if chinese else content.unit_en, fontsize=7.5)
    axes.set_ylabel(content.cost_unit if chinese else content.cost_unit_en, fontsize=7.5)
    plain_axes(axes)
    _names(names, content, chinese=chinese)
    words = ("有净收益", "有净费用", "费用为C级（待核）") if chinese else ("pays", "costs", "cost of grade C")
    handles = [
        Patch(facecolor=_PAYS, edgecolor=_EDGE, linewidth=0.5, label=words[0]),
        Patch(facecolor=_COSTS, edgecolor=_EDGE, linewidth=0.5, label=words[1]),
        Patch(facecolor="white", edgecolor=_EDGE, hatch=_DOUBT, linewidth=0.5, label=words[2]),
    ]
    canvas.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=7)
    if cut:
        said = "过高、过低的柱截短，数字为实际值" if chinese else "tall bars are cut, numbers are true"
        axes.text(0.01, 0.99, said, transform=axes.transAxes, ha="left", va="top", fontsize=6.5)


def _names(axes: Axes, content: CostCurve, *, chinese: bool) -> None:
    axes.set_axis_off()
    shown = content.steps[:_MOST_NAMES]
    lines = [f"{number} {step.zh if chinese else step.en}" for number, step in enumerate(shown, start=1)]
    if len(content.steps) > len(shown):
        more = len(content.steps) - len(shown)
        lines.append(f"… 另{more}项" if chinese else f"… {more} more")
    axes.text(0.0, 1.0, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=6.8, linespacing=1.3)


def draw_front(canvas: Canvas, content: CostFront, *, chinese: bool) -> None:
    """Draw what each level costs at least, and the scenarios beside it."""
    axes = canvas.subplots()
    handles: list[Line2D] = []
    for number, line in enumerate(content.lines):
        color, dash, mark = _LINES[number % len(_LINES)]
        levels, costs = [point.level for point in line.points], [point.cost for point in line.points]
        axes.plot(levels, costs, color=color, linestyle=dash, linewidth=1.5, marker=mark, markersize=3)
        name = line.zh if chinese else line.en
        handles.append(
            Line2D([], [], color=color, linestyle=dash, linewidth=1.5, marker=mark, markersize=3, label=name)
        )
    for number, line in enumerate(content.marks):
        mark = _MARKS[number % len(_MARKS)]
        for point in line.points:
            axes.plot([point.level], [point.cost], linestyle="none", marker=mark, markersize=7, color="black")
        name = line.zh if chinese else line.en
        handles.append(Line2D([], [], linestyle="none", marker=mark, markersize=6, color="black", label=name))
    axes.invert_xaxis()
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
    axes.set_xlabel(content.unit if chinese else content.unit_en, fontsize=7.5)
    axes.set_ylabel(content.cost_unit if chinese else content.cost_unit_en, fontsize=7.5)
    plain_axes(axes)
    canvas.legend(handles=handles, loc="outside upper center", ncols=3 if chinese else 2, frameon=False, fontsize=7)

"""What figures show, as records: targets, bars of states, the account, and pathways. Pixels come last."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dafeng.base.record import Record

__all__ = [
    "AreaPart",
    "CostCurve",
    "CostFront",
    "CostLine",
    "CostPoint",
    "CostStep",
    "Fan",
    "FanChart",
    "FlowLink",
    "FlowNode",
    "FlowPaths",
    "OutlookBand",
    "OutlookPanel",
    "OutlookPanels",
    "SeriesPoint",
    "StackedAreas",
    "StatusBar",
    "StatusBars",
    "StatusCount",
    "Waterfall",
    "WaterfallStep",
    "Wedges",
]


class SeriesPoint(Record):
    """A value of a year."""

    year: int
    """Calendar year."""
    value: float
    """In the unit of the panel."""


class OutlookBand(Record):
    """What is expected of a year, with its interval."""

    year: int
    """Calendar year."""
    low: float
    """Lower end."""
    expected: float
    """Middle."""
    high: float
    """Upper end."""


class OutlookPanel(Record):
    """One target: what was, what is required, what is expected."""

    title: str
    """Chinese title."""
    title_en: str
    """English title, for machines without a Chinese font."""
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    history: tuple[SeriesPoint, ...] = ()
    """Values of whole years."""
    bound: float
    """Promised value."""
    bound_max: float | None = None
    """Upper end of a promised range."""
    deadline: int | None = None
    """Year by whose end it is promised."""
    outlook: tuple[OutlookBand, ...] = ()
    """Outlook, where the method gave one."""
    state: str
    """Status code."""
    state_zh: str
    """Status in Chinese."""
    state_en: str
    """Status in English."""

    @property
    def required(self) -> tuple[SeriesPoint, ...]:
        """The straight way from the last value to the promise, empty where it is fulfilled or past."""
        fulfilled = self.state in ("met", "met_early", "holds", "done")
        if fulfilled or self.deadline is None or not self.history or self.history[-1].year >= self.deadline:
            return ()
        return (self.history[-1], SeriesPoint(year=self.deadline, value=self.bound))


class OutlookPanels(Record):
    """Small multiples of targets."""

    kind: Literal["outlook"] = "outlook"
    panels: tuple[OutlookPanel, ...]
    """Panels in reading order."""
    across: int = Field(default=3, ge=1, le=6)
    """Panels in a row."""


class StatusCount(Record):
    """How many targets of a bar have a state."""

    state: str
    """Status code."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    count: int = Field(ge=0)
    """Number of targets."""


class StatusBar(Record):
    """One bar: a chapter or a body."""

    label: str
    """Chinese label."""
    label_en: str
    """English label."""
    counts: tuple[StatusCount, ...]
    """Parts from left to right."""


class StatusBars(Record):
    """Stacked bars of states."""

    kind: Literal["status"] = "status"
    bars: tuple[StatusBar, ...]
    """Bars from top to bottom."""


class AreaPart(Record):
    """One part of a total over the years."""

    code: str
    """Code; fill and hatching follow its place among the parts."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    values: tuple[float, ...]
    """One a year."""


class StackedAreas(Record):
    """Parts of a total over the years, stacked; a line for what was promised, and a mark at its highest year."""

    kind: Literal["areas"] = "areas"
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    years: tuple[int, ...]
    """Years, rising."""
    parts: tuple[AreaPart, ...]
    """From the bottom to the top."""
    line: AreaPart
    """The boundary that the plan promises; drawn over the areas."""
    peak_year: int | None = None
    """Year of the highest value of the line."""


class FlowNode(Record):
    """A node of a flow diagram."""

    code: str
    """Code, unique in its layer."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    layer: int = Field(ge=0, le=3)
    """Column, from the left."""


class FlowLink(Record):
    """An amount that goes from a node to one of the next layer."""

    source: str
    """Code of the node on the left."""
    target: str
    """Code of the node on the right."""
    layer: int = Field(ge=0, le=2)
    """Layer of the node on the left."""
    value: float = Field(gt=0)
    """Amount, in the unit of the diagram."""


class FlowPaths(Record):
    """A flow diagram (Sankey): nodes in layers, bands between them as wide as the amounts."""

    kind: Literal["flows"] = "flows"
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    nodes: tuple[FlowNode, ...]
    """Nodes by layer, from the top."""
    links: tuple[FlowLink, ...]
    """Bands."""


class WaterfallStep(Record):
    """One contribution to a change."""

    zh: str
    """Chinese name."""
    en: str
    """English name."""
    value: float
    """Signed contribution."""


class Waterfall(Record):
    """A total, what moved it, and the total after: the steps add up to the difference."""

    kind: Literal["waterfall"] = "waterfall"
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    first: WaterfallStep
    """Total at the start."""
    steps: tuple[WaterfallStep, ...]
    """Contributions, in the order of the identity."""
    last: WaterfallStep
    """Total at the end."""


class Fan(Record):
    """The band of one scenario: median, and the 5th and 95th percentile."""

    zh: str
    """Chinese name."""
    en: str
    """English name."""
    low: tuple[float, ...]
    """5th percentile, one a year."""
    middle: tuple[float, ...]
    """Median."""
    high: tuple[float, ...]
    """95th percentile."""


class FanChart(Record):
    """Scenarios of one boundary with their bands, beside what was accounted for, and the promised year."""

    kind: Literal["fans"] = "fans"
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    years: tuple[int, ...]
    """Years of the bands, rising."""
    fans: tuple[Fan, ...]
    """Scenarios; the first is drawn with its band, the others as medians with their ends."""
    history: tuple[SeriesPoint, ...] = ()
    """Accounted values."""
    deadline: int | None = None
    """Promised year of the peak."""


class Wedges(Record):
    """What measures take off between two scenarios: parts from the upper line down, which end at the lower line."""

    kind: Literal["wedges"] = "wedges"
    unit: str
    """Unit as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    years: tuple[int, ...]
    """Years, rising."""
    upper: AreaPart
    """Scenario without the measures."""
    parts: tuple[AreaPart, ...]
    """What each measure takes off; negative where it adds."""
    lower: AreaPart
    """Scenario with all of them."""


class CostStep(Record):
    """One measure of a cost curve."""

    zh: str
    """Chinese name."""
    en: str
    """English name."""
    amount: float = Field(ge=0)
    """What it avoids in the year: the width."""
    cost: float
    """Cost of a tonne: the height; below zero where it pays."""
    doubtful: bool = False
    """Whether its cost is of grade C."""


class CostCurve(Record):
    """Measures side by side, the cheapest tonne first: as wide as what they avoid, as high as a tonne costs."""

    kind: Literal["curve"] = "curve"
    unit: str
    """Unit of the amounts as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    cost_unit: str
    """Unit of the costs."""
    cost_unit_en: str
    """Unit in ASCII."""
    steps: tuple[CostStep, ...]
    """From the left."""


class CostPoint(Record):
    """A point of a front."""

    level: float
    """Emission in the unit of the figure."""
    cost: float
    """Least cost at which it can be had."""


class CostLine(Record):
    """A front: what each level costs at least."""

    zh: str
    """Chinese name."""
    en: str
    """English name."""
    points: tuple[CostPoint, ...]
    """From the highest level to the lowest."""


class CostFront(Record):
    """Fronts of cost and level side by side, and single scenarios beside them."""

    kind: Literal["front"] = "front"
    unit: str
    """Unit of the levels as reports show it."""
    unit_en: str
    """Unit in ASCII."""
    cost_unit: str
    """Unit of the costs."""
    cost_unit_en: str
    """Unit in ASCII."""
    lines: tuple[CostLine, ...]
    """Fronts."""
    marks: tuple[CostLine, ...] = ()
    """Scenarios of one point each."""

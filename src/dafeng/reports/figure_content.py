"""What figures show, as records: small multiples of targets, and bars of states. Pixels come last."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dafeng.base.record import Record

__all__ = [
    "OutlookBand",
    "OutlookPanel",
    "OutlookPanels",
    "SeriesPoint",
    "StatusBar",
    "StatusBars",
    "StatusCount",
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

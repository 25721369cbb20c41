"""What persons decided, kept in the workspace's catalog: about the reading of a plan document, and about figures in doubt."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, JsonValue, model_validator

from dafeng.base.record import Record

__all__ = ["DecisionSubject", "FactQuarantine", "PlanDecision", "ReadingAnchor", "ReadingVerdict"]


class DecisionSubject(StrEnum):
    """What was decided upon."""

    TARGET = "target"
    """A target or milestone."""
    OBLIGATION = "obligation"
    """A duty on single projects."""
    TASK = "task"
    """A task with its bodies."""
    HEAD = "head"
    """Title, number, issuers, date or region."""


class ReadingVerdict(StrEnum):
    """What a person said of a reading."""

    ACCEPT = "accept"
    CORRECT = "correct"
    REJECT = "reject"
    ADD = "add"
    """Something that the reader missed."""


class ReadingAnchor(Record):
    """What ties a decision to the document, without its words: it is found again in the next version."""

    quote: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the stretch, white space out and look-alikes folded."""
    clause: str
    """Clause number."""
    clause_title: str = ""
    """Heading of the clause."""
    label: str = ""
    """Words that name the quantity; title of an obligation or task."""
    value: float | None = None
    """Value as read."""
    unit: str | None = None
    """Unit as read."""
    by: int | None = None
    """Deadline as read."""
    occurrence: int = 1
    """Which of several equal stretches of the document."""


class PlanDecision(Record):
    """One decision of one person about one reading; the newest decision about an anchor holds."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    plan: str
    """Plan id."""
    document: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the document that the person saw."""
    subject: DecisionSubject
    """What was decided upon."""
    anchor: ReadingAnchor
    """Where."""
    verdict: ReadingVerdict
    """What was said."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """For a correction or addition: fields of the target, obligation, task or head with the person's values."""
    by: str = Field(min_length=1)
    """Who decided."""
    on: date
    """When."""
    reason: str = ""
    """Why; asked for with a correction or rejection."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.fields) != (self.verdict in (ReadingVerdict.CORRECT, ReadingVerdict.ADD)):
            raise ValueError("a correction and an addition state fields, nothing else does")
        if self.verdict in (ReadingVerdict.CORRECT, ReadingVerdict.REJECT) and not self.reason.strip():
            raise ValueError("a correction and a rejection state a reason")
        return self


class FactQuarantine(Record):
    """Figures that are set aside: they stay in the lake and are read as unknown until the decision is taken back.

    Examples
    --------
    >>> FactQuarantine(id="panel-2023", dataset="city-panel", periods=("2023",), reason="整表错一行", check="shifted-table",
    ...                by="王", decided_on=date(2026, 11, 20)).places
    ()
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    dataset: str
    """Whose figures."""
    indicators: tuple[str, ...] = ()
    """Indicators concerned; all where empty."""
    places: tuple[str, ...] = ()
    """Places concerned; all where empty."""
    periods: tuple[str, ...] = ()
    """Canonical period texts concerned; all where empty."""
    reason: str = Field(min_length=1)
    """What is wrong, in Chinese."""
    check: str = ""
    """Check that found it."""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    """The numbers that it compared."""
    by: str = Field(min_length=1)
    """Who decided."""
    decided_on: date
    """When; reading as known on an earlier day does not know of it."""

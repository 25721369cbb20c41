"""Findings: what a check saw, as records that the command line, web pages and reports all show."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from dafeng.base.record import Record

__all__ = ["Finding", "Location", "Severity", "worst"]


class Severity(StrEnum):
    """How much a finding weighs."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for error."""
        return ["info", "warning", "error"].index(self.value)


class Location(Record):
    """Where a finding points: a place in a file, a workbook or a catalog entry."""

    file: str = ""
    """File name as the user gave it."""
    sheet: str = ""
    """Worksheet, where the file has any."""
    cell: str = ""
    """Cell such as B7; for text tables the row and column in the same notation."""
    line: int | None = None
    """Line of a text file, counted from 1."""
    field: str = ""
    """Field of a catalog entry, or column of a table."""

    def __str__(self) -> str:
        parts = [self.file, self.sheet, self.cell, f"line {self.line}" if self.line else "", self.field]
        return ":".join(part for part in parts if part)


class Finding(Record):
    """One thing that a check saw.

    Examples
    --------
    >>> finding = Finding(name="intake.value.negative-share", sentence="占比不能为负", value="-3")
    >>> finding.severity, str(finding.where)
    (<Severity.ERROR: 'error'>, '')
    """

    name: str = Field(pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$")
    """Stable qualified name, `room.subject.problem`."""
    sentence: str
    """What is wrong, in Chinese, for the person who can mend it."""
    severity: Severity = Severity.ERROR
    """Error: the thing was refused; warning: taken with reservation; info: worth knowing."""
    value: str = ""
    """The offending value as it stood."""
    expected: str = ""
    """What would have been right."""
    next_step: str = ""
    """What to do now."""
    where: Location = Location()
    """Where it stood."""
    evidence: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Further facts by name."""


def worst(findings: Iterable[Finding]) -> Severity | None:
    """Return the heaviest severity among `findings`, None where there are none.

    Examples
    --------
    >>> worst([Finding(name="a.b", sentence="x", severity=Severity.INFO)])
    <Severity.INFO: 'info'>
    """
    return max((finding.severity for finding in findings), key=lambda severity: severity.rank, default=None)

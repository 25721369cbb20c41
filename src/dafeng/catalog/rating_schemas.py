"""The typed shapes of rating standards: scored items, gates, totals, grades."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = ["Rating", "RatingGate", "RatingGrade", "RatingItem", "RatingParameter"]

_ID = r"^[a-z][a-z0-9_]*$"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class RatingItem(Record):
    """A scored item of a rating."""

    id: str = Field(pattern=_ID)
    """Unique within the rating."""
    title: Title
    """Name of the item."""
    group: str
    """Group of items to which it belongs."""
    full: float
    """Most points that it can give."""
    score: str
    """Expression over project fields and names of the rating that yields the points."""
    clause: str | None = None
    """Clause or table in the standard."""
    grade: Grade | None = None
    """How sure it is, where it differs from the rating's."""
    note: str | None = None
    """Remark."""


class RatingGate(Record):
    """A condition without which no grade is given, or no higher one."""

    id: str = Field(pattern=_ID)
    """Unique within the rating."""
    title: Title
    """Name of the condition."""
    require: str
    """Expression over project fields, items and groups."""
    grades: tuple[str, ...] = ()
    """Grades for which it is asked; all where empty."""
    clause: str | None = None
    """Clause or table in the standard."""
    note: str | None = None
    """Remark."""


class RatingGrade(Record):
    """A grade of a rating."""

    code: str
    """Code, as the project field's value where it is one."""
    title: Title
    """Name of the grade."""
    require: str
    """Expression that the grade asks for, over `total`, groups and items."""


class RatingParameter(Record):
    """A figure that depends on an option of a project field; unknown for options that are not listed."""

    id: str = Field(pattern=_ID)
    """Name in expressions."""
    title: Title
    """What it is."""
    by: str
    """Field whose option chooses the value."""
    unit: str = "ratio"
    """Unit of the values."""
    values: dict[str, float]
    """Option to value."""


class Rating(Record):
    """A rating standard: items, gates, total and grades.

    Expressions may name project fields, items, groups (the sum of their items), parameters and, in gates and grades, `total`.
    """

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name of the standard."""
    applies: str | None = None
    """Condition on the project; the rating is refused for others."""
    items: tuple[RatingItem, ...] = ()
    """Scored items."""
    gates: tuple[RatingGate, ...] = ()
    """Conditions beside the score."""
    total: str | None = None
    """Expression of the total score or of the rated quantity."""
    total_unit: str = "ratio"
    """Unit of the total."""
    grades: tuple[RatingGrade, ...]
    """From the lowest to the highest."""
    parameters: tuple[RatingParameter, ...] = ()
    """Figures that depend on an option of a field; expressions name them."""
    source: str
    """Source id."""
    certainty: Grade
    """How sure the figures are; B and C are shown as 待核."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

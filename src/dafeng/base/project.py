"""The project: what is built, where it stands and which stages of its life it has reached."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Self

from pydantic import model_validator

from dafeng.base.obligation import Stage
from dafeng.base.record import Record

__all__ = ["STAGE_DATES", "Project"]

STAGE_DATES: Final[dict[Stage, str]] = {
    Stage.PLANNING: "planning_date",
    Stage.APPROVAL: "approval_date",
    Stage.LAND: "land_transfer_date",
    Stage.DESIGN_REVIEW: "design_review_date",
    Stage.CONSTRUCTION: "start_date",
    Stage.ACCEPTANCE: "completion_date",
    Stage.FILING: "filing_date",
    Stage.OPERATION: "operation_date",
    Stage.DEMOLITION: "demolition_date",
}
"""Ledger field with the day on which each stage is reached."""


class Project(Record):
    """A construction project: identity, place and the days of its stages.

    Examples
    --------
    >>> school = Project.from_ledger({"project_code": "p-1", "project_name": "某小学", "place": "qingdao-shinan",
    ...                               "start_date": date(2024, 3, 1), "completion_date": date(2025, 9, 1)})
    >>> school.stage_on(date(2024, 12, 31)), school.stage_on(date(2023, 1, 1))
    (<Stage.CONSTRUCTION: 'construction'>, None)
    """

    id: str
    """Project code."""
    name: str
    """Name."""
    place: str
    """Place id."""
    zone: str | None = None
    """Functional zone in which it lies besides."""
    reached: dict[Stage, date]
    """Day on which each stage was reached, where known."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        start, end = self.reached.get(Stage.CONSTRUCTION), self.reached.get(Stage.ACCEPTANCE)
        if start is not None and end is not None and end < start:
            raise ValueError("acceptance is not before construction")
        return self

    @classmethod
    def from_ledger(cls, row: Mapping[str, Any]) -> Self:
        """Return the project of a ledger row.

        Parameters
        ----------
        row : mapping from field to value
            ``project_code``, ``project_name`` and ``place`` are needed; fields that the record does not know are passed over.

        Raises
        ------
        ValueError
            A needed field is missing or empty, or it was accepted before it was begun.
        """
        reached = {stage: row[name] for stage, name in STAGE_DATES.items() if row.get(name) is not None}
        needed = {"id": row.get("project_code"), "name": row.get("project_name"), "place": row.get("place")}
        return cls.model_validate({**needed, "zone": row.get("zone"), "reached": reached})

    def stage_on(self, day: date) -> Stage | None:
        """Return the furthest stage reached on `day`, None before the first."""
        return max((stage for stage, on in self.reached.items() if on <= day), key=list(Stage).index, default=None)

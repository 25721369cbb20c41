"""What is due: a line on the first page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

__all__ = ["DueItem"]


@dataclass(frozen=True)
class DueItem:
    """Something that somebody has to do by a day.

    Attributes
    ----------
    title : str
        What, in Chinese.
    url : str
        Page on which it is done.
    due : date
    who : str
        Organisation or person.
    kind : str
        Kind, in Chinese: 任务, 报表, 督办, 审核 …
    """

    title: str
    url: str
    due: date
    who: str = ""
    kind: str = ""

    def state(self, day: date) -> str:
        """Return `overdue`, `soon` (14 days) or `later`."""
        days = (self.due - day).days
        return "overdue" if days < 0 else "soon" if days <= 14 else "later"

"""Lists in pieces, and the types that fields share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import QuerySet
from ninja import Schema
from pydantic import Field

__all__ = ["Long", "Name", "Number", "Page", "ReasonIn", "Window", "page_of"]

_T = TypeVar("_T")
Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Number of a row."""
Name = Annotated[str, Field(max_length=200)]
"""Id or short text."""
Long = Annotated[str, Field(max_length=4000)]
"""Text that people write."""


class ReasonIn(Schema):
    """Why."""

    reason: Long = ""


class Window(Schema):
    """Which piece of a list."""

    limit: int = Field(50, ge=1, le=200, description="最多几条 / at most so many")
    offset: int = Field(0, ge=0, le=1_000_000, description="从第几条起 / how many are left out before")


class Page(Schema, Generic[_T]):
    """A piece of a list; `count` is the length of the whole."""

    count: int
    limit: int
    offset: int
    items: list[_T]


def page_of(rows: QuerySet[Any] | Sequence[Any], window: Window, make: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a piece of a list.

    Parameters
    ----------
    rows : QuerySet or sequence
        In order; a query set is counted and sliced by the database.
    window : Window
    make : callable
        From a row to an item.
    """
    count = rows.count() if isinstance(rows, QuerySet) else len(rows)
    piece = rows[window.offset : window.offset + window.limit]
    return {"count": count, "limit": window.limit, "offset": window.offset, "items": [make(row) for row in piece]}

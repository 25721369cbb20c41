"""How long work tells of its progress without knowing who listens."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Listener", "silent"]


class Listener(Protocol):
    """Called with the name of a step, how much of it is done, and how much there is (None where unknown)."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Hear that `done` of `total` of a step is done."""
        ...


def silent(step: str, done: int, total: int | None) -> None:
    """Hear nothing.

    Examples
    --------
    >>> silent("import", 1, 2)
    """

"""The clause of a character, and the bodies that answer for it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from dafeng.plans.read_records import Clause, Outline

__all__ = ["ClauseFinder", "bodies_at"]


class ClauseFinder:
    """Finds the clause of a character by bisection.

    Parameters
    ----------
    outline : Outline
    """

    def __init__(self, outline: Outline) -> None:
        firsts = [
            min((part.start for part in (clause.mark, clause.title_at, clause.at) if part), default=0)
            for clause in outline.clauses
        ]
        self._clauses = outline.clauses
        self._starts = list(accumulate(firsts, max))

    def at(self, offset: int) -> Clause:
        """Return the clause in whose heading or text a character stands."""
        return self._clauses[max(0, bisect_right(self._starts, offset) - 1)]


def bodies_at(clause: Clause, offset: int) -> tuple[str, ...]:
    """Return the responsible bodies for a character of a clause: those of the list whose stretch holds it."""
    covering = [part for part in clause.lists if part.covers.start <= offset < part.covers.end]
    if not covering:
        return ()
    nearest = min(covering, key=lambda part: part.covers.end - part.covers.start).covers
    return tuple(dict.fromkeys(body for part in covering if part.covers == nearest for body in part.bodies))

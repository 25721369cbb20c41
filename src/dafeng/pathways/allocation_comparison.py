"""The methods side by side: shares, figures of fairness, ranks, and how far each member's share hangs on the choice."""

from __future__ import annotations

from collections.abc import Sequence

from dafeng.base.finding import Severity
from dafeng.base.record import Record
from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_criteria import AllocationMethod, Criterion
from dafeng.pathways.allocation_fairness import Fairness, fairness_of, ranks_of
from dafeng.pathways.allocation_problem import AllocationProblem

__all__ = ["MethodComparison", "MethodRow", "compare_methods"]


class MethodRow(Record):
    """One method beside the others."""

    method: AllocationMethod
    """The method."""
    criteria: tuple[str, ...]
    """Chinese names of what it divides by."""
    values: dict[str, float]
    """Share by member; empty where it could not divide."""
    reason: str = ""
    """Why it could not."""
    fairness: tuple[Fairness, ...] = ()
    """Figures by each quantity that is known."""
    ranks: dict[str, int]
    """Rank of each member, 1 for the greatest share."""
    change: dict[str, float]
    """Share over what the member has now, less one, in percent."""


class MethodComparison(Record):
    """All methods side by side, and how far each member's share depends on the choice."""

    rows: tuple[MethodRow, ...]
    """In the order in which they were asked for."""
    ranges: dict[str, tuple[float, float]]
    """Least and greatest share of each member over the methods."""


def compare_methods(
    problem: AllocationProblem,
    methods: Sequence[tuple[AllocationMethod, Sequence[Criterion]]],
    *,
    measures: Sequence[Criterion] = (),
) -> MethodComparison:
    """Divide one target by several methods and set the answers side by side.

    Parameters
    ----------
    problem : AllocationProblem
        Bounds, figures set aside and total are the same for all.
    methods : sequence of (AllocationMethod, criteria)
    measures : sequence of Criterion
        Quantities by which fairness is measured: people, area, means.

    Returns
    -------
    MethodComparison
        A method that cannot divide stands there with its reason.
    """
    rows = []
    for method, criteria in methods:
        asked = problem.model_copy(update={"method": method, "criteria": tuple(criteria), "zones": ()})
        found = allocate(asked)
        values = found.values()
        present = problem.present.values if problem.present is not None else {}
        rows.append(
            MethodRow(
                method=method,
                criteria=tuple(one.title for one in criteria),
                values=values,
                reason="；".join(one.sentence for one in found.findings if one.severity is Severity.ERROR),
                fairness=tuple(figures for one in measures if (figures := fairness_of(values, one)) is not None),
                ranks=ranks_of(values, list(values)),
                change={
                    name: 100.0 * (value / present[name].value - 1.0)
                    for name, value in values.items()
                    if name in present and present[name].value
                },
            )
        )
    able = [row.values for row in rows if row.values]
    ranges = {
        name: (min(one[name] for one in able), max(one[name] for one in able)) for name in (able[0] if able else {})
    }
    return MethodComparison(rows=tuple(rows), ranges=ranges)

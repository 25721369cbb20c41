"""Counts over targets and summaries by body."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from dafeng.assessment.records import WORST_FIRST, BodySummary, BodyTarget, Status, TargetAssessment
from dafeng.plans import BodyRole, BodyUse

__all__ = ["count_targets", "status_of_target", "summarise_bodies"]


def status_of_target(rows: Sequence[TargetAssessment]) -> Status:
    """Return one status for the rows of a target: of a yearly one the worst year that is over, else its only row."""
    over = [row for row in rows if row.year is None or row.status is not Status.NO_DATA] or list(rows)
    return min((row.status for row in over), key=WORST_FIRST.index)


def _by_target(rows: Sequence[TargetAssessment]) -> dict[str, list[TargetAssessment]]:
    groups: dict[str, list[TargetAssessment]] = defaultdict(list)
    for row in rows:
        groups[row.target].append(row)
    return groups


def count_targets(rows: Sequence[TargetAssessment]) -> dict[str, int]:
    """Return how many targets have each status, worst first; soft aims are left out, a yearly target counts once."""
    counts = Counter(status_of_target(group) for group in _by_target(rows).values() if not group[0].soft)
    return {status.value: counts[status] for status in WORST_FIRST if counts[status]}


def summarise_bodies(rows: Sequence[TargetAssessment]) -> tuple[BodySummary, ...]:
    """Return for each body its targets, worst first, and their counts; bodies in the order in which they first appear."""
    held: dict[str, list[tuple[TargetAssessment, BodyUse]]] = defaultdict(list)
    for row in rows:
        for body in row.bodies:
            held[body.id or body.name].append((row, body))
    return tuple(_summary(pairs) for pairs in held.values())


def _summary(pairs: Sequence[tuple[TargetAssessment, BodyUse]]) -> BodySummary:
    first = pairs[0][1]
    ordered = sorted(pairs, key=lambda pair: WORST_FIRST.index(pair[0].status))
    leading = {row.target for row, body in pairs if body.role is not BodyRole.MEMBER and not row.soft}
    return BodySummary(
        body=first.id,
        name=first.name,
        counts=count_targets([row for row, _ in pairs]),
        leads=len(leading),
        targets=tuple(
            BodyTarget(
                target=row.target, year=row.year, label=row.label, status=row.status, role=body.role, soft=row.soft
            )
            for row, body in ordered
        ),
    )

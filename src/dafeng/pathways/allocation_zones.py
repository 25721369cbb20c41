"""Functional zones: views on the ground of divisions, whose part is carved out of the divisions' shares and never summed."""

from __future__ import annotations

from fractions import Fraction

from dafeng.base.finding import Finding, Severity
from dafeng.pathways.allocation_checks import allocation_finding
from dafeng.pathways.allocation_problem import AllocationProblem, DividedKind, ZoneShare, amount_of, units_of

__all__ = ["zone_shares"]


def zone_shares(problem: AllocationProblem, values: dict[str, float]) -> tuple[list[ZoneShare], list[Finding]]:
    """Return what of the divisions' shares lies in zones, in proportion to the one criterion on their common ground.

    Parameters
    ----------
    problem : AllocationProblem
    values : dict
        Share by division.

    Returns
    -------
    shares : list of ZoneShare
        Contained in those of the divisions.
    findings : list of Finding
        Zones whose part cannot be told, or that are larger than their ground.
    """
    found: list[ZoneShare] = []
    findings: list[Finding] = []

    def say(name: str, sentence: str, severity: Severity, value: str) -> None:
        findings.append(allocation_finding(problem, name, sentence, severity, value=value))

    if not problem.zones:
        return found, findings
    if problem.kind is not DividedKind.AMOUNT or len(problem.criteria) != 1:
        say(
            "zone-open", "功能区的份额只在按单项依据分解总量时划出，未列",
            Severity.INFO, "、".join(zone.name for zone in problem.zones),
        )  # fmt: skip
        return found, findings
    criterion = problem.criteria[0]
    for zone in sorted(problem.zones, key=lambda one: one.id):
        ground = [name for name in zone.on_ground_of if name in values]
        missing = [name for name in zone.on_ground_of if name not in values]
        there = sum(
            (Fraction(criterion.values[name].value) for name in ground if name in criterion.values), Fraction(0)
        )
        if not ground or missing or zone.id not in criterion.values or there == 0:
            why = f"缺“{criterion.title}”" if zone.id not in criterion.values else "所在区划不在分解范围或没有依据值"
            say("zone-unknown", f"{zone.name}{why}，其份额未划出", Severity.WARNING, zone.id)
            continue
        part = Fraction(criterion.values[zone.id].value) / there
        if part > 1:
            say(
                "zone-larger",
                f"{zone.name}的“{criterion.title}”大于所在区划之和，未划出",
                Severity.WARNING,
                zone.id,
            )
            continue
        units = sum(units_of(values[name], problem.digit) for name in ground)
        share = (part * units + Fraction(1, 2)).__floor__()
        found.append(
            ZoneShare(zone=zone.id, name=zone.name, divisions=tuple(ground), value=amount_of(share, problem.digit))
        )
    for grounds in sorted({zone.divisions for zone in found}):
        inside = sum(units_of(zone.value, problem.digit) for zone in found if set(zone.divisions) <= set(grounds))
        if inside > sum(units_of(values[name], problem.digit) for name in grounds):
            shown = "、".join(zone.name for zone in found if set(zone.divisions) <= set(grounds))
            say("zones-overlap", f"{shown}之和超过所在区划的份额", Severity.WARNING, "、".join(grounds))
    return found, findings

"""What stands in the way of a division, before anything is divided: each thing by name, none hiding another."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from dafeng.base.finding import Finding, Severity
from dafeng.pathways.allocation_criteria import METHOD_TITLES, AllocationMethod, criterion_findings
from dafeng.pathways.allocation_problem import AllocationProblem, DividedKind

__all__ = ["allocation_finding", "problem_findings"]

_ROOM: Final = "pathways.allocation"


def allocation_finding(
    asked: AllocationProblem,
    problem: str,
    sentence: str,
    severity: Severity = Severity.ERROR,
    *,
    value: str = "",
    expected: str = "",
    next_step: str = "",
) -> Finding:
    """Return a finding about one target's division.

    Parameters
    ----------
    asked : AllocationProblem
    problem : str
        Last part of its stable name.
    sentence : str
    severity : Severity
    value, expected, next_step : str
        As of `Finding`.
    """
    return Finding(
        name=f"{_ROOM}.{problem}",
        sentence=f"{asked.label}：{sentence}",
        severity=severity,
        value=value,
        expected=expected,
        next_step=next_step,
    )


def problem_findings(problem: AllocationProblem) -> list[Finding]:
    """Return what is wrong with a problem: members, bounds, last digits, method, criteria, present values, weights.

    Parameters
    ----------
    problem : AllocationProblem

    Examples
    --------
    >>> asked = AllocationProblem(plan="p", target="t", label="改造", indicator="i", kind="amount", measure="cumulative", total=1.5,
    ...                           members=(), method="per_head")
    >>> [finding.name.rpartition(".")[2] for finding in problem_findings(asked)]
    ['nobody', 'not-whole']
    """
    checking = _Checking(problem)
    checking.check()
    return checking.findings


class _Checking:
    """Collects findings about one problem."""

    def __init__(self, problem: AllocationProblem) -> None:
        self.problem = problem
        self.ids = [member.id for member in problem.members]
        self.names = {member.id: member.name for member in (*problem.members, *problem.zones)}
        self.free = [name for name in self.ids if name not in problem.own]
        self.findings: list[Finding] = []

    def _say(self, problem: str, sentence: str, severity: Severity = Severity.ERROR, **more: str) -> None:
        self.findings.append(allocation_finding(self.problem, problem, sentence, severity, **more))

    def _stopped(self) -> bool:
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def check(self) -> None:
        """Check everything."""
        problem = self.problem
        if not self.ids:
            self._say("nobody", "没有可分解到的单位", next_step="检查地方的下级，或用 --among 指明")
        if len(set(self.ids)) < len(self.ids):
            self._say("member-twice", "同一单位列了两次", value="、".join(self.ids))
        bounds = {"下限": problem.floors, "上限": problem.ceilings, "单列": problem.own}
        for words, given in bounds.items():
            for name, value in given.items():
                if name not in self.ids:
                    self._say(
                        "member-unknown", f"{words}所指的 {name} 不在分解范围", value=name, expected="、".join(self.ids)
                    )
                elif not (value >= 0 or problem.kind is DividedKind.RATE):
                    self._say("bound-negative", f"{self.names[name]}的{words}为负", value=f"{value:g}")
        for name in set(problem.floors) & set(problem.ceilings) & set(self.ids):
            if problem.floors[name] > problem.ceilings[name]:
                shown = f"{problem.floors[name]:g}＞{problem.ceilings[name]:g}"
                self._say("bounds-crossed", f"{self.names[name]}的下限大于上限", value=shown)
        for name in set(problem.own) & (set(problem.floors) | set(problem.ceilings)):
            self._say("own-bounded", f"{self.names.get(name, name)}已单列，其上下限没有用上", Severity.INFO)
        if problem.total is not None and problem.kind in (DividedKind.AMOUNT, DividedKind.RATE):
            digits = {"总量": problem.total} if problem.kind is DividedKind.AMOUNT else {}
            digits |= {
                f"{self.names[name]}的单列数": value for name, value in problem.own.items() if name in self.names
            }
            for words, value in digits.items():
                if not _whole(value, problem.digit):
                    self._say(
                        "not-whole", f"{words}{value:g}不是末位{problem.digit:g}的整数倍",
                        value=f"{value:g}", next_step="把末位取小一些（--digit）",
                    )  # fmt: skip
        if problem.kind is DividedKind.AMOUNT:
            self._check_method(for_rates=False)
            if problem.total is not None and problem.total < 0:
                self._say("negative-total", "总量为负，不能分解", value=f"{problem.total:g}")
            if self.free and not self._stopped():
                for criterion in problem.criteria:
                    self.findings += criterion_findings(criterion, self.free, self.names)
            self._check_present(needed=problem.increase)
        elif problem.kind is DividedKind.RATE:
            self._check_method(for_rates=True)
            self._check_present(needed=problem.method is not AllocationMethod.SAME)
            self._check_weights()

    def _check_method(self, *, for_rates: bool) -> None:
        if self.problem.method.for_rates is not for_rates:
            able = [one for one in AllocationMethod if one.for_rates is for_rates]
            what = "比率" if for_rates else "总量"
            self._say(
                "method", f"“{METHOD_TITLES[self.problem.method]}”不能用于{what}",
                value=self.problem.method.value, expected="、".join(one.value for one in able),
            )  # fmt: skip

    def _check_present(self, *, needed: bool) -> None:
        present = self.problem.present
        if not needed:
            return
        unknown = self.ids if present is None else present.unknown(self.ids)
        if unknown:
            shown = "、".join(self.names[name] for name in unknown)
            self._say(
                "present-unknown", f"缺现值：{shown}；未知不按零计，未作分解",
                value=shown, next_step="导入各地现值，或改为分解总量本身（去掉 --increase）、改用其他方法",
            )  # fmt: skip

    def _check_weights(self) -> None:
        weights = self.problem.weights
        if weights is not None:
            self.findings += criterion_findings(weights, self.ids, self.names)
            zero = [name for name in self.ids if name in weights.values and weights.values[name].value == 0]
            if zero:
                shown = "、".join(self.names[name] for name in zero)
                self._say("weight-zero", f"权数“{weights.title}”为零：{shown}", value=shown)
        elif (
            self.problem.method is not AllocationMethod.SAME
            or self.problem.own
            or self.problem.floors
            or self.problem.ceilings
        ):
            self._say(
                "weight-unknown", "没有比率的分母，算不出加权平均", next_step="--weights 指标，或 --method same 且不设上下限"
            )  # fmt: skip


def _whole(value: float, digit: float) -> bool:
    return Decimal(repr(value)) % Decimal(repr(digit)) == 0

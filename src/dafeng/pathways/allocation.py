"""A target divided among those below: amounts in shares that sum exactly over places and years, rates with the mean that is asked.

Everything is reckoned in whole last digits and exact fractions; members are taken in the order of their ids, so that neither
the order in which they are given nor the machine matters. What stands in the way is named: nothing is divided then, and
nothing unknown counts as zero. Which method is right is not said here: `dafeng.pathways.allocation_comparison` sets them side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.base.target import Measure
from dafeng.pathways.allocation_checks import allocation_finding, problem_findings
from dafeng.pathways.allocation_criteria import (
    AllocationMethod,
    blend,
    lines_of,
    shares_in,
    weights_of,
)
from dafeng.pathways.allocation_problem import (
    Allocation,
    AllocationProblem,
    DividedKind,
    Share,
    amount_of,
    units_of,
)
from dafeng.pathways.allocation_rates import rate_units, real_rates
from dafeng.pathways.allocation_rounding import (
    divide_units,
    fill_lines,
    round_table,
    whole_units,
    with_sums,
)
from dafeng.pathways.allocation_schedule import year_units, year_weights
from dafeng.pathways.allocation_zones import zone_shares

__all__ = ["allocate"]

_ROOM: Final = "pathways.allocation"


def allocate(problem: AllocationProblem) -> Allocation:
    """Divide a target.

    Parameters
    ----------
    problem : AllocationProblem

    Returns
    -------
    Allocation
        Shares in the order of the members' codes, then ids. For an amount they sum to the total in the last digit, and those of each
        year to that year's; for a rate their weighted mean is no worse than the target. Where criteria are unknown, bounds
        do not allow the total, or figures do not fit the last digit: findings of weight error and no shares.

    Examples
    --------
    >>> from dafeng.pathways.allocation_criteria import Criterion, CriterionValue
    >>> from dafeng.pathways.allocation_problem import Member
    >>> people = Criterion(id="resident_population", title="常住人口", unit="万人",
    ...                    values={"a": CriterionValue(value=93.5), "b": CriterionValue(value=40.2), "c": CriterionValue(value=11.3)})
    >>> asked = AllocationProblem(plan="p", target="t", label="节能改造", indicator="retrofit_area", unit="万平方米", kind="amount",
    ...                           measure="cumulative", total=100, digit=0.1, start=2026, by=2028, method="per_head",
    ...                           criteria=(people,), members=(Member(id="c", name="丙"), Member(id="a", name="甲"), Member(id="b", name="乙")),
    ...                           floors={"c": 10})
    >>> for share in allocate(asked).shares:
    ...     print(share.name, share.value, share.yearly, share.bound or "free")
    甲 62.9 {2026: 21.0, 2027: 21.0, 2028: 20.9} free
    乙 27.1 {2026: 9.1, 2027: 9.0, 2028: 9.0} free
    丙 10.0 {2026: 3.3, 2027: 3.3, 2028: 3.4} floor
    """
    ordered = problem.model_copy(update={"members": tuple(sorted(problem.members, key=lambda one: one.id))})
    try:
        return _Dividing(ordered).done()
    except InputError as error:
        name = str(error.evidence.get("name", f"{_ROOM}.refused"))
        said = Finding(
            name=name,
            sentence=f"{problem.label}：{error.problem}",
            expected=error.expected,
            next_step=error.next_step,
            value=problem.target,
        )
        return Allocation(problem=ordered, findings=(said,))


class _Dividing:
    """One division on its way."""

    def __init__(self, problem: AllocationProblem) -> None:
        self.problem = problem
        self.ids = [member.id for member in problem.members]
        self.names = {member.id: member.name for member in (*problem.members, *problem.zones)}
        self.free = [name for name in self.ids if name not in problem.own]
        self.findings: list[Finding] = []
        self.weights: dict[str, float] = {}

    def done(self) -> Allocation:
        problem = self.problem
        self.findings = problem_findings(problem)
        if self._stopped():
            return Allocation(problem=problem, findings=tuple(self.findings))
        match problem.kind:
            case DividedKind.AMOUNT:
                shares = self._amounts()
            case DividedKind.RATE:
                shares = self._rates()
            case _:
                shares = [
                    Share(
                        member=name,
                        name=self.names[name],
                        value=problem.own.get(name, 1.0 if problem.total is None else problem.total),
                    )
                    for name in self.ids
                ]
        if self._stopped():
            return Allocation(problem=problem, findings=tuple(self.findings))
        zones, said = zone_shares(problem, {share.member: share.value for share in shares})
        self.findings += said
        mean = self._mean(shares) if problem.kind is DividedKind.RATE else None
        by_name = {share.member: share for share in shares}
        return Allocation(
            problem=problem,
            shares=tuple(by_name[member.id] for member in problem.listed),
            zones=tuple(zones),
            criterion_weights=self.weights,
            mean=mean,
            findings=tuple(self.findings),
        )

    # What stands in the way ---------------------------------------------------------------------------------------

    def _say(self, problem: str, sentence: str, severity: Severity = Severity.ERROR, value: str = "") -> None:
        self.findings.append(allocation_finding(self.problem, problem, sentence, severity, value=value))

    def _stopped(self) -> bool:
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    # Amounts ------------------------------------------------------------------------------------------------------

    def _amounts(self) -> list[Share]:
        problem = self.problem
        digit = problem.digit
        total = units_of(problem.total or 0.0, digit)
        kept = dict.fromkeys(self.ids, 0)
        if problem.increase and problem.present is not None:
            kept = {name: units_of(problem.present.values[name].value, digit) for name in self.ids}
        own = {name: units_of(value, digit) for name, value in problem.own.items()}
        rest = total - sum(own.values()) - sum(kept[name] for name in self.free)
        if rest < 0:
            what = "现值与单列数" if problem.increase else "单列数"
            have = amount_of(total - rest, digit)
            self._say("nothing-left", f"{what}合计{have:g}已超过总量{problem.total:g}，没有可分解的", value=f"{have:g}")
            return []
        if rest > 0 and not self.free:
            self._say(
                "left-over", f"全部单列，尚差{amount_of(rest, digit):g}无人承担", value=f"{amount_of(rest, digit):g}"
            )
            return []
        low = [max(0, units_of(problem.floors.get(name, 0.0), digit, "up") - kept[name]) for name in self.free]
        high = [self._ceiling(name, kept[name]) for name in self.free]
        for name, most in zip(self.free, high, strict=True):
            if most is not None and most < 0:
                self._say(
                    "ceiling-below-present", f"{self.names[name]}的上限低于现值", value=f"{problem.ceilings[name]:g}"
                )
        if self._stopped():
            return []
        years = self._years()
        increments = {**self._spread(rest, low, high), **{name: own[name] - kept[name] for name in own}}
        if any(increments[name] < 0 for name in own):
            shown = "、".join(self.names[name] for name in own if increments[name] < 0)
            self._say("own-below-present", f"单列数低于现值：{shown}", Severity.WARNING, value=shown)
        table = self._table(increments, years)
        parts = self._basis()
        found = []
        for index, name in enumerate(self.ids):
            units = increments[name] + kept[name]
            bound = "own" if name in own else ""
            if name in self.free:
                place = self.free.index(name)
                least, most = low[place], high[place]
                bound = "floor" if least and increments[name] == least else bound
                bound = "ceiling" if most is not None and increments[name] == most else bound
            found.append(
                Share.model_validate(
                    {
                        "member": name, "name": self.names[name], "value": amount_of(units, digit), "bound": bound,
                        "part": 100.0 * units / total if total else None, "basis": parts.get(name),
                        "present": self._present(name),
                        "yearly": {year: amount_of(int(table[index][at]), digit) for at, year in enumerate(years)},
                    }
                )
            )  # fmt: skip
        return found

    def _ceiling(self, name: str, kept: int) -> int | None:
        if name not in self.problem.ceilings:
            return None
        return units_of(self.problem.ceilings[name], self.problem.digit, "down") - kept

    def _present(self, name: str) -> float | None:
        present = self.problem.present
        return present.values[name].value if present is not None and name in present.values else None

    def _years(self) -> list[int]:
        problem = self.problem
        start = problem.schedule.start or problem.start
        if problem.by is None:
            return []
        if start is None or (problem.measure is Measure.LEVEL and not problem.increase):
            return [problem.by]
        if start > problem.by:
            raise InputError(
                f"起始年{start}晚于期限{problem.by}年 / the schedule starts after the deadline",
                doing="divide a target",
                expected="起始年不晚于期限",
                next_step="--start 年份",
                name=f"{_ROOM}.schedule",
            )
        return list(range(start, problem.by + 1))

    def _spread(self, rest: int, low: Sequence[int], high: Sequence[int | None]) -> dict[str, int]:
        """Return whole units of the free members, summing to `rest`."""
        problem = self.problem
        if not self.free:
            return {}
        if problem.method in (AllocationMethod.ENTROPY, AllocationMethod.WEIGHTED):
            given = weights_of(problem.method, problem.criteria, self.free)
            whole = sum(given)
            self.weights = {one.id: weight / whole for one, weight in zip(problem.criteria, given, strict=True)}
        if problem.method is AllocationMethod.CONVERGENCE:
            slopes = self._converging(rest)
            starts = dict.fromkeys(self.free, Fraction(0))
        else:
            starts, slopes = lines_of(problem.method, problem.criteria, self.free, at_most=problem.falling)
            starts = {name: value / Fraction(Decimal(repr(problem.digit))) for name, value in starts.items()}
        weights = [slopes[name] for name in self.free]
        if any(starts.values()):
            exact = fill_lines([starts[name] for name in self.free], weights, Fraction(rest), low, high)
            units = whole_units(exact, rest, weights=weights, names=self.free)
        else:
            units = divide_units(weights, rest, names=self.free, floors=low, ceilings=high, rule=problem.rounding)
        return dict(zip(self.free, units, strict=True))

    def _mix(self, years: Sequence[int]) -> list[dict[str, Fraction]]:
        """Return the shares of each year on the way from the first criterion to the second."""
        problem = self.problem
        if len(problem.criteria) != 2:
            raise InputError(
                f"趋同需要两项依据，现有{len(problem.criteria)}项 / convergence takes two criteria",
                doing="divide a target",
                expected="现有份额与趋同到的依据（一般为人口）",
                next_step="--criterion 现有指标 --criterion resident_population",
                name=f"{_ROOM}.criteria",
            )
        before = (problem.schedule.start or problem.start or years[0]) - 1
        end = problem.converge_by or years[-1]
        if end <= before:
            raise InputError(
                f"趋同年{end}早于起始年 / it converges before it starts",
                doing="divide a target",
                expected=f"{years[0]}年或以后",
                next_step="--converge-by 年份",
                name=f"{_ROOM}.converge-by",
            )
        away = [max(Fraction(0), 1 - Fraction(year - before, end - before)) for year in years]
        first, second = (shares_in(one, self.free) for one in problem.criteria)
        return [{name: way * first[name] + (1 - way) * second[name] for name in self.free} for way in away]

    def _converging(self, rest: int) -> dict[str, Fraction]:
        """Return the shares over all years under convergence, each year weighing what falls to it."""
        years = self._years()
        if not years:
            raise InputError(
                "没有期限，不能趋同 / no year to converge by",
                doing="divide a target",
                expected="有年份的目标",
                next_step="改用其他方法",
                name=f"{_ROOM}.converge-by",
            )
        mixed = self._mix(years)
        if self.problem.measure is Measure.EACH_YEAR or rest == 0:
            return mixed[-1]
        running = self._run(rest, years)
        return {
            name: sum((part[name] * units for part, units in zip(mixed, running, strict=True)), Fraction(0)) / rest
            for name in self.free
        }

    def _run(self, total: int, years: Sequence[int]) -> list[int]:
        """Return what falls to each year of a total, in units."""
        schedule = self.problem.schedule
        pace = (
            None
            if schedule.pace is None
            else Fraction(Decimal(repr(schedule.pace))) / Fraction(Decimal(repr(self.problem.digit)))
        )
        return year_units(year_weights(schedule, years, Fraction(total), pace), years, total)

    def _table(self, increments: dict[str, int], years: Sequence[int]) -> list[list[int]]:
        """Return units by member and year; rows sum to the shares, columns to the years' amounts."""
        rows = [increments[name] for name in self.ids]
        if not years:
            return [[] for _ in rows]
        if self.problem.measure is Measure.EACH_YEAR:
            return [[units] * len(years) for units in rows]
        whole = sum(rows)
        if min(rows, default=0) < 0:
            return (
                [[0] * (len(years) - 1) + [units] for units in rows] if len(years) == 1 else self._signed(rows, years)
            )
        columns = self._run(whole, years)
        if whole == 0:
            return [[0] * len(years) for _ in rows]
        even = [[Fraction(units * column, whole) for column in columns] for units in rows]
        if self.problem.method is AllocationMethod.CONVERGENCE and not self.problem.own:
            mixed = self._mix(years)
            moving = [[part[name] * column for part, column in zip(mixed, columns, strict=True)] for name in self.ids]
            even = with_sums(moving, rows)
        return [[int(cell) for cell in row] for row in round_table(even)]

    def _signed(self, rows: Sequence[int], years: Sequence[int]) -> list[list[int]]:
        """Return a table with members that fall back: they do so evenly, the others as the schedule runs."""
        back = [min(units, 0) for units in rows]
        fall = [[-one for one in year_units([Fraction(1)] * len(years), years, -units)] for units in back]
        up = [max(units, 0) for units in rows]
        columns = self._run(sum(up), years)
        rise = round_table([[Fraction(units * column, max(sum(up), 1)) for column in columns] for units in up])
        return [[int(a) + b for a, b in zip(one, two, strict=True)] for one, two in zip(rise, fall, strict=True)]

    def _basis(self) -> dict[str, float]:
        """Return each free member's part in what is divided by, in percent."""
        problem = self.problem
        if not self.free or problem.method is AllocationMethod.CONVERGENCE:
            return {}
        if problem.method in (AllocationMethod.ENTROPY, AllocationMethod.WEIGHTED):
            mixed = blend(problem.criteria, self.free, weights_of(problem.method, problem.criteria, self.free))
        else:
            mixed = shares_in(problem.criteria[0], self.free)
        return {name: 100.0 * float(part) for name, part in mixed.items()}

    # Rates --------------------------------------------------------------------------------------------------------

    def _rates(self) -> list[Share]:
        problem = self.problem
        digit = Fraction(Decimal(repr(problem.digit)))
        target = Fraction(Decimal(repr(problem.total or 0.0))) / digit
        weights = {
            name: Fraction(1) if problem.weights is None else Fraction(problem.weights.values[name].value)
            for name in self.ids
        }
        own = {name: units_of(value, problem.digit) for name, value in problem.own.items()}
        rest = target * sum(weights.values(), Fraction(0)) - sum(
            (weights[name] * units for name, units in own.items()), Fraction(0)
        )
        heavy = sum((weights[name] for name in self.free), Fraction(0))
        units: list[int] = []
        if self.free:
            mean = rest / heavy
            low = [self._rate_bound(name, problem.floors, problem.least, "up", -(10**12)) for name in self.free]
            high = [self._rate_bound(name, problem.ceilings, problem.most, "down", 10**12) for name in self.free]
            now = None
            if problem.present is not None and not problem.present.unknown(self.free):
                now = [Fraction(problem.present.values[name].value) / digit for name in self.free]
            load = [weights[name] for name in self.free]
            rates = real_rates(
                problem.method, mean, weights=load, present=now, floors=low, ceilings=high, falling=problem.falling
            )
            units = rate_units(rates, mean, weights=load, names=self.free, falling=problem.falling)
        found = own | dict(zip(self.free, units, strict=True))
        years = self._years_of_rates()
        return [
            Share.model_validate(
                {
                    "member": name, "name": self.names[name], "value": amount_of(found[name], problem.digit),
                    "bound": "own" if name in own else "", "present": self._present(name),
                    "basis": 100.0 * float(weights[name] / sum(weights.values(), Fraction(0))) if problem.weights else None,
                    "yearly": self._rate_path(name, found[name], years),
                }
            )
            for name in self.ids
        ]  # fmt: skip

    def _rate_bound(self, name: str, given: dict[str, float], usual: float | None, way: str, none: int) -> Fraction:
        value = given.get(name, usual)
        if value is None:
            return Fraction(none)
        return Fraction(units_of(value, self.problem.digit, "up" if way == "up" else "down"))

    def _years_of_rates(self) -> list[int]:
        problem = self.problem
        if problem.by is None:
            return []
        start = problem.schedule.start or problem.start
        return [problem.by] if start is None or start > problem.by else list(range(start, problem.by + 1))

    def _rate_path(self, name: str, goal: int, years: Sequence[int]) -> dict[int, float]:
        """Return the rate at the end of each year, from what it is now along the schedule; the goal alone where that is unknown."""
        problem = self.problem
        now = self._present(name)
        if not years:
            return {}
        if now is None or len(years) == 1:
            return {years[-1]: amount_of(goal, problem.digit)}
        here = Fraction(Decimal(repr(now))) / Fraction(Decimal(repr(problem.digit)))
        steps = year_weights(problem.schedule, years, Fraction(1), None)
        whole, gone = sum(steps, Fraction(0)), Fraction(0)
        found = {}
        for year, step in zip(years, steps, strict=True):
            gone += step
            value = here + (goal - here) * gone / whole
            found[year] = amount_of((value + Fraction(1, 2)).__floor__(), problem.digit)
        return found

    def _mean(self, shares: Sequence[Share]) -> float | None:
        weights = self.problem.weights
        if weights is None:
            values = {share.value for share in shares}
            return values.pop() if len(values) == 1 else None
        load = {name: Fraction(weights.values[name].value) for name in self.ids}
        whole = sum(load.values(), Fraction(0))
        return float(
            sum((load[one.member] * Fraction(Decimal(repr(one.value))) for one in shares), Fraction(0)) / whole
        )

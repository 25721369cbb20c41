"""Sums from a start and changes from a base, worked out from yearly values and judged like a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

from dafeng.assessment.bounds import ChangeKind
from dafeng.assessment.records import Status, ValuePart, ValueUse, Verdict
from dafeng.assessment.series_choice import Point, Series
from dafeng.assessment.status import Question, judge_level, lower_bound_part
from dafeng.base.observation import FACT_KINDS, ObservationKind
from dafeng.base.period import plan_period
from dafeng.base.target import Change
from dafeng.catalog.schemas import Indicator, IndicatorMeasure

__all__ = ["judge_change", "judge_cumulative"]

_WEAKEST_LAST = (*FACT_KINDS, ObservationKind.DEMONSTRATION)


def _joined(
    uses: Sequence[ValueUse], value: float, period: str, title: str, shown: float, unit: tuple[str, str]
) -> ValueUse:
    """Return the value worked out from several, with each of them as a part."""
    last = uses[-1]
    return last.model_copy(
        update={
            "period": period,
            "period_title": title,
            "value": value,
            "unit": unit[0],
            "shown_value": shown,
            "shown_unit": unit[1],
            "dataset": "+".join(sorted({use.dataset for use in uses})),
            "kind": max((use.kind for use in uses), key=_WEAKEST_LAST.index),
            "coverage": min((use.coverage for use in uses if use.coverage is not None), default=None),
            "lineage": None,
            "version": None,
            "others": (),
            "parts": tuple(
                ValuePart(
                    period=use.period, value=use.value, dataset=use.dataset, lineage=use.lineage, version=use.version
                )
                for use in uses
            ),
        }
    )


def _sum(uses: Sequence[ValueUse], start: int, question: Question) -> ValueUse:
    total = sum(use.value for use in uses)
    last = uses[-1]
    year = int(last.period[:4])
    bound = question.bound
    through = last.period_title.removeprefix(f"{year}年") if last.part_year else ""
    title = f"{start}–{year}年{f'（{year}年为{through}）' if through else ''}累计"
    use = _joined(uses, total, plan_period(start, year).text, title, bound.shown(total), (bound.unit, bound.shown_unit))
    return use.model_copy(update={"part_year": last.part_year})


def _summed(points: Sequence[Point], start: int, question: Question) -> tuple[Point, ...]:
    """Return running sums from the start up to the first year without a value."""
    sums: list[Point] = []
    uses: list[ValueUse] = []
    for point in points:
        if point.year < start:
            continue
        if point.year != start + len(uses):
            break
        uses.append(point.use)
        use = _sum(uses, start, question)
        sums.append(Point(point.year, use.value, use))
    return tuple(sums)


def judge_cumulative(series: Series, question: Question, indicator: Indicator, start: int | None) -> Verdict:
    """Judge an amount cumulated from a start.

    A stock states the sum itself. Of a flow the full years from the start are summed; a year without a value makes the sum a
    lower bound, which may prove that enough was done, never that too little was. A part of the running year counts
    towards such a proof, and a plan-period value of exactly the years asked for stands for their sum.
    """
    if indicator.measure is not IndicatorMeasure.FLOW:
        early = _stock_in_part_year(series, question)
        return early or judge_level(series, question)
    if start is None:
        status = Status.UNPROVEN if question.passed else Status.NO_DATA
        return question.verdict(status, f"方案未写累计起始年，无法累计（{question.bound.text}）")
    last = question.by if question.by is not None else question.as_of.year
    points = tuple(point for point in series.points if start <= point.year <= last)
    sums = _with_plan_total(_summed(points, start, question), series, start, question)
    unbroken = bool(sums) and len(sums) >= len(points)
    upwards = question.bound.upwards
    summed = Series(points=sums, missing=series.missing)
    level = replace(question, bounds=(_floor(indicator), None), early=upwards)
    if sums and (sums[-1].year == question.by or (unbroken and upwards and question.bound.meets(sums[-1].value))):
        return judge_level(summed, level)
    proof = _lower_bound(series, points, question, indicator, start, last)
    if proof is not None:
        return proof
    if unbroken:
        return judge_level(summed, level)
    known = {point.year for point in points}
    absent = [year for year in range(start, min(last, question.as_of.year - 1) + 1) if year not in known]
    named = "、".join(f"{year}年{question.why_missing(series, year)}" for year in absent) or "各年"
    bound = question.bound
    if not points:
        reason = f"自{start}年起无年度数值（缺{named}）"
    else:
        total = sum(point.value for point in points)
        reason = f"缺{named}的数值，已知各年合计{bound.say(total)}，只是下限"
    if question.passed:
        return question.verdict(Status.UNPROVEN, f"期限{question.by}年已过，{reason}，待证（{bound.text}）")
    return question.verdict(Status.NO_DATA, f"{reason}，无法判断（{bound.text}）")


def _floor(indicator: Indicator) -> float | None:
    return 0.0 if indicator.minimum is not None and indicator.minimum >= 0 else None


def _with_plan_total(sums: tuple[Point, ...], series: Series, start: int, question: Question) -> tuple[Point, ...]:
    """Let a stated total of exactly the years asked for stand where the sum of years does not reach the deadline."""
    if question.by is None or (sums and sums[-1].year == question.by):
        return sums
    totals = [use for period, use in series.plans if period.year == start and period.last_year == question.by]
    return (*sums, Point(question.by, totals[0].value, totals[0])) if totals else sums


def _lower_bound(
    series: Series, points: Sequence[Point], question: Question, indicator: Indicator, start: int, last: int
) -> Verdict | None:
    """Return the verdict that the known part of the sum proves, None where it proves nothing."""
    bound = question.bound
    if bound.high is not None or _floor(indicator) is None:
        return None
    uses: list[ValueUse] = []
    known = {point.year: point.use for point in points}
    for year in range(start, min(last, question.as_of.year) + 1):
        part = known.get(year) or lower_bound_part(series, indicator, year)
        if part is None:
            continue
        uses.append(part)
        total = sum(use.value for use in uses)
        if bound.upwards == bound.meets(total):
            use = _sum(uses, start, question)
            facts = {"decided_by": use, "gap": bound.difference(bound.shortfall(total))}
            if bound.upwards:
                undecided = question.by is not None and series.at(question.by) is None
                early = undecided and (year != question.by or part.part_year)
                return question.verdict(
                    Status.MET_EARLY if early else Status.MET,
                    f"{use.period_title}至少{bound.say(total)}，已达到要求（{bound.text}）",
                    since=year,
                    **facts,
                )
            return question.verdict(
                Status.MISSED if question.passed else Status.OFF_TRACK,
                f"{use.period_title}至少{bound.say(total)}，已超出要求（{bound.text}）",
                **facts,
            )
    return None


def _stock_in_part_year(series: Series, question: Question) -> Verdict | None:
    """Return met early where a stated sum within the year already reaches the target and no full year decides."""
    use, bound = series.part_year, question.bound
    if use is None or question.by is None or not bound.upwards or not bound.meets(use.value):
        return None
    if use.period[:4] > str(question.by) or series.at(question.by) is not None:
        return None
    return question.verdict(
        Status.MET_EARLY,
        f"{use.period_title}累计已达{bound.say(use.value)}，全年数未出而已达到要求（{bound.text}）",
        decided_by=use,
        since=int(use.period[:4]),
        gap=bound.difference(bound.shortfall(use.value)),
    )


def judge_change(series: Series, question: Question, kind: ChangeKind, base_year: int, change: Change) -> Verdict:
    """Judge a change from a base year.

    Percent is relative to the base value, percentage points and units are differences; a promised decrease counts downwards
    as positive. The base value is taken from the dataset of the later value where that dataset has one.
    """
    base = series.at(base_year)
    later = [point for point in series.points if point.year > base_year]
    if base is None or (kind == "percent" and base.value == 0):
        problem = "无数值" if base is None else "为零"
        reason = f"基期{base_year}年{problem}{question.why_missing(series, base_year)}，变化无从计算"
        passed = question.by is not None and question.as_of > date(question.by, 12, 31)
        status = Status.UNPROVEN if passed else Status.NO_DATA
        return question.verdict(status, f"{reason}（{question.bound.text}）")
    sign = 1.0 if change is Change.INCREASE else -1.0

    def difference(value: float, start: float) -> float:
        return sign * (100.0 * (value - start) / abs(start) if kind == "percent" else value - start)

    changed = tuple(
        _changed(point, _base_for(point, base, series, base_year, kind), difference, question) for point in later
    )
    lines = [
        tuple(
            _changed(point, _base_for(point, base, series, base_year, kind), difference, question)
            for point in line
            if point.year > base_year
        )
        for line in series.of_dataset.values()
    ]
    own = {line[-1].use.dataset: line for line in lines if line}
    verdict = judge_level(Series(points=changed, of_dataset=own, missing=series.missing), question)
    mixed = verdict.decided_by is not None and "+" in verdict.decided_by.dataset
    return verdict.model_copy(update={"reason": f"{verdict.reason}；基期与报告期来自不同来源"}) if mixed else verdict


def _base_for(point: Point, base: Point, series: Series, base_year: int, kind: ChangeKind) -> Point:
    line = series.of_dataset.get(point.use.dataset, ())
    return next((one for one in line if one.year == base_year and (kind != "percent" or one.value != 0)), base)


def _changed(point: Point, base: Point, difference: Callable[[float, float], float], question: Question) -> Point:
    value = difference(point.value, base.value)
    bound = question.bound
    title = f"{point.year}年较{base.year}年变化"
    use = _joined(
        (base.use, point.use), value, point.use.period, title, bound.shown(value), (bound.unit, bound.shown_unit)
    )
    return Point(point.year, value, use)

"""The verdict on one reading of one target, from a series and a bound.

A date has passed when `as_of` is after 31 December of its year. The value of that year decides; a value before it that meets
the bound is *met early* until a later value decides; after the date nothing is ever on track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from dafeng.assessment.bounds import Bound
from dafeng.assessment.records import Amount, OutlookUse, Status, ValueUse, Verdict
from dafeng.assessment.series_choice import Point, Series
from dafeng.base.errors import NotEnoughDataError
from dafeng.base.period import Period, PeriodKind
from dafeng.base.target import Direction
from dafeng.catalog.schemas import Indicator, IndicatorMeasure
from dafeng.methods.series import fit_drift, required_pace, theil_sen

__all__ = [
    "INTERVAL_LEVEL",
    "OFF_TRACK_BELOW",
    "ON_TRACK_FROM",
    "PACE_AT_RISK_FROM",
    "Question",
    "judge_each_year",
    "judge_level",
    "judge_limit",
    "judge_milestone",
    "lower_bound_part",
    "meeting_since",
    "outlook_of_year",
]

ON_TRACK_FROM: Final = 0.8
"""Probability at the deadline from which a target is on track."""
OFF_TRACK_BELOW: Final = 0.2
"""Probability at the deadline below which it is off track; between the two it is at risk."""
PACE_AT_RISK_FROM: Final = 0.5
"""Without a forecast: part of the needed pace from which a target is at risk; from the whole on it is on track."""
INTERVAL_LEVEL: Final = 0.8
"""Probability of the interval that is shown."""


@dataclass(frozen=True)
class Question:
    """What is asked of a series."""

    bound: Bound
    by: int | None
    as_of: date
    reading: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    """Hard bounds of the values, for the forecast."""
    early: bool = True
    """Whether a value before the date may prove the target; a ceiling on a growing sum cannot be met early."""
    missing_words: Mapping[str, str] | None = None
    """Chinese names of missing reasons."""

    @property
    def passed(self) -> bool:
        """Whether the date has passed."""
        return self.by is not None and self.as_of > date(self.by, 12, 31)

    def verdict(self, status: Status, reason: str, **facts: object) -> Verdict:
        """Return a verdict of this reading."""
        return Verdict.model_validate({"reading": self.reading, "status": status, "reason": reason, **facts})

    def why_missing(self, series: Series, year: int) -> str:
        """Return the stated reason for which a year has no value, as a clause."""
        code = series.missing.get(year)
        return "" if code is None else f"（{(self.missing_words or {}).get(code, code)}）"


def meeting_since(points: Sequence[Point], bound: Bound) -> int | None:
    """Return the first year of the unbroken run of meeting values that ends with the last; years without a value do not break it."""
    since: int | None = None
    for point in reversed(points):
        if not bound.meets(point.value):
            break
        since = point.year
    return since


def _title(point: Point) -> str:
    return f"{point.year}年"


def judge_level(series: Series, question: Question) -> Verdict:
    """Judge a level at a date, a sum from a start, or a change: whatever has one value a year."""
    bound, by = question.bound, question.by
    if by is None:
        return _judge_dateless(series, question)
    points = series.up_to(by)
    latest = points[-1] if points else None
    if latest is not None and latest.year == by:
        met = bound.meets(latest.value)
        words = "达到" if met else "未达到"
        return question.verdict(
            Status.MET if met else Status.MISSED,
            f"{_title(latest)}值{bound.say(latest.value)}，{words}要求（{bound.text}）",
            decided_by=latest.use,
            since=meeting_since(points, bound),
            gap=bound.difference(bound.shortfall(latest.value)),
        )
    if latest is not None and question.early and bound.meets(latest.value):
        since = meeting_since(points, bound)
        later = f"；{by}年尚无数值{question.why_missing(series, by)}" if question.passed else ""
        facts = {} if question.passed else _ahead(series, question, by)
        return question.verdict(
            Status.MET_EARLY,
            f"{_title(latest)}值{bound.say(latest.value)}，早于{by}年达到要求（{bound.text}），自{since}年起{later}",
            decided_by=latest.use,
            since=since,
            gap=bound.difference(bound.shortfall(latest.value)),
            **facts,
        )
    if question.passed:
        before = "此前也无数值"
        if latest is not None:
            failed = "不能证明" if bound.meets(latest.value) else "未达到要求"
            before = f"最近的{_title(latest)}值{bound.say(latest.value)}{failed}"
        after = [point.year for point in series.points if point.year > by]
        tail = f"；{after[0]}年起的数值不能证明{by}年" if after else ""
        return question.verdict(
            Status.UNPROVEN,
            f"期限{by}年已过，当年无数值{question.why_missing(series, by)}，{before}，待证（{bound.text}）{tail}",
        )
    if latest is None:
        known = "、".join(f"{year}年{question.why_missing(series, year)}" for year in sorted(series.missing))
        tail = f"：{known}" if known else ""
        return question.verdict(Status.NO_DATA, f"本口径无年度数值{tail}，无法判断（{bound.text}）")
    return _judge_ahead(series, question, latest, by)


def _judge_dateless(series: Series, question: Question) -> Verdict:
    bound, latest = question.bound, series.latest
    if latest is None:
        return question.verdict(Status.NO_DATA, f"方案未写期限，本口径无年度数值（{bound.text}）")
    met = bound.meets(latest.value)
    return question.verdict(
        Status.MET if met else Status.OFF_TRACK,
        f"方案未写期限；{_title(latest)}值{bound.say(latest.value)}，{'达到' if met else '尚未达到'}要求（{bound.text}）",
        decided_by=latest.use,
        since=meeting_since(series.points, bound),
        gap=bound.difference(bound.shortfall(latest.value)),
    )


def _judge_ahead(series: Series, question: Question, latest: Point, by: int) -> Verdict:
    bound = question.bound
    facts = _ahead(series, question, by)
    outlook, needed, so_far = facts["outlook"], facts["pace_needed"], facts["pace_so_far"]
    assert isinstance(outlook, OutlookUse)
    within = bound.meets(latest.value)
    start = f"{_title(latest)}值{bound.say(latest.value)}，{'目前未超出' if within else '尚未达到'}要求（{bound.text}）"
    if outlook.probability is not None:
        chance = outlook.probability
        status = _by_thresholds(chance, OFF_TRACK_BELOW, ON_TRACK_FROM)
        reason = f"{start}；按{outlook.points}个年度值推算，{by}年达到的概率{_chance_text(chance)}"
    elif isinstance(so_far, Amount) and isinstance(needed, Amount):
        share = _share_of_pace(needed.value, so_far.value, bound, within=within)
        status = _by_thresholds(share, PACE_AT_RISK_FROM, 1.0)
        reason = f"{start}；{outlook.refused}，按速度判断：每年需{_signed(needed)}，至今每年{_signed(so_far)}"
    else:
        return question.verdict(
            Status.NO_DATA,
            f"{start}；同一来源只有1个年度值，无法判断进度",
            decided_by=latest.use,
            outlook=outlook,
            gap=bound.difference(bound.shortfall(latest.value)),
            pace_needed=needed,
        )
    return question.verdict(
        status, reason, decided_by=latest.use, gap=bound.difference(bound.shortfall(latest.value)), **facts
    )


def _chance_text(chance: float) -> str:
    """Return a probability in words; a forecast is never certain."""
    if chance > 0.99:
        return "超过99%"
    return "不足1%" if chance < 0.01 else f"约{chance:.0%}"


def _signed(amount: Amount) -> str:
    return f"{round(amount.shown_value, 4):+.6g}{amount.shown_unit.removesuffix('/年')}"


def _by_thresholds(number: float, low: float, high: float) -> Status:
    return Status.ON_TRACK if number >= high else Status.AT_RISK if number >= low else Status.OFF_TRACK


def _share_of_pace(needed: float, so_far: float, bound: Bound, *, within: bool) -> float:
    """Return the pace so far as a part of the pace needed; for a sum still under its ceiling, the pace allowed over it."""
    if within:
        return needed / so_far if so_far > 0 else 1.0
    if abs(needed) < 1e-12:  # stands at the bound, which asks for more than it
        return 1.0 if (so_far > 0 if bound.upwards else so_far < 0) else 0.0
    return so_far / needed


def _ahead(series: Series, question: Question, by: int) -> dict[str, object]:
    """Return outlook and paces from the yearly values of the one dataset that gave the latest value."""
    bound, line = question.bound, [point for point in series.own_line() if point.year <= by]
    years, values = [point.year for point in line], [point.value for point in line]
    facts: dict[str, object] = {"outlook": None, "pace_needed": None, "pace_so_far": None}
    if not line or years[-1] >= by:
        return facts
    if not (question.early and bound.meets(values[-1])):
        facts["pace_needed"] = bound.pace(required_pace(years[-1], values[-1], by, bound.nearest_end(values[-1])))
    if len(line) > 1:
        facts["pace_so_far"] = bound.pace(theil_sen(years, values))
    try:
        forecast = fit_drift(years, values, bounds=question.bounds)
    except NotEnoughDataError:
        facts["outlook"] = OutlookUse(year=by, points=len(line), refused=f"年度值只有{len(line)}个，不足以推算")
        return facts
    interval = forecast.interval(by, INTERVAL_LEVEL)
    if bound.high is not None:
        chance = forecast.probability_at_least(by, bound.low) - forecast.probability_at_least(by, bound.high)
    elif bound.upwards:
        chance = forecast.probability_at_least(by, bound.low)
    else:
        chance = forecast.probability_at_most(by, bound.low)
    facts["outlook"] = OutlookUse(
        year=by,
        expected=interval.expected,
        low=interval.low,
        high=interval.high,
        level=INTERVAL_LEVEL,
        probability=min(1.0, max(0.0, chance)),
        method=forecast.method,
        points=forecast.points,
        stretched=forecast.stretched(by),
    )
    return facts


def outlook_of_year(series: Series, indicator: Indicator, year: int) -> OutlookUse | None:
    """Return what a year that has no value yet may bring, None where it has one or nothing is known.

    The trend of the dataset that gave the latest value is carried on; an amount that grows within the year, and a stock that
    is to grow, is at least what a part of the year has brought.
    """
    line = [point for point in series.own_line() if point.year < year]
    if not line or series.at(year) is not None:
        return None
    try:
        forecast = fit_drift(
            [point.year for point in line],
            [point.value for point in line],
            bounds=(indicator.minimum, indicator.maximum),
        )
    except NotEnoughDataError:
        return OutlookUse(year=year, points=len(line), refused=f"年度值只有{len(line)}个，不足以推算")
    interval = forecast.interval(year, INTERVAL_LEVEL)
    part = lower_bound_part(series, indicator, year)
    if indicator.measure is IndicatorMeasure.STOCK and indicator.direction is Direction.UP:
        part = next((use for period, use in reversed(series.parts) if period.year == year), None)
    low, expected, high = (
        number if part is None else max(number, part.value)
        for number in (interval.low, interval.expected, interval.high)
    )
    return OutlookUse(
        year=year,
        expected=expected,
        low=low,
        high=high,
        level=INTERVAL_LEVEL,
        method=forecast.method,
        points=forecast.points,
        stretched=forecast.stretched(year),
    )


def lower_bound_part(series: Series, indicator: Indicator, year: int) -> ValueUse | None:
    """Return the longest part of a year, counted from 1 January, of an amount that can only grow within the year."""
    if indicator.measure is not IndicatorMeasure.FLOW or indicator.minimum is None or indicator.minimum < 0:
        return None
    fitting = [
        use
        for period, use in series.parts
        if period.start == date(year, 1, 1)
        and period.kind in (PeriodKind.CUMULATIVE, PeriodKind.HALF, PeriodKind.QUARTER, PeriodKind.MONTH)
    ]
    return fitting[-1] if fitting else None


def judge_limit(series: Series, question: Question, indicator: Indicator) -> Verdict:
    """Judge a standing limit by the latest value; a day's or month's reading of a stock counts as such."""
    bound = question.bound
    latest = None if series.latest is None else series.latest.use
    if indicator.measure is IndicatorMeasure.STOCK and series.part_year is not None:
        kind = Period.parse(series.part_year.period).kind
        latest = series.part_year if kind in (PeriodKind.DAY, PeriodKind.MONTH) else latest
    if latest is None:
        stated = "、".join(f"{year}年{question.why_missing(series, year)}" for year in sorted(series.missing))
        tail = f"：{stated}" if stated else ""
        return question.verdict(Status.UNKNOWN, f"本口径无数值{tail}，无法判断是否符合限值（{bound.text}）")
    met = bound.meets(latest.value)
    return question.verdict(
        Status.HOLDS if met else Status.BREACHED,
        f"最近的{latest.period_title}值{bound.say(latest.value)}，{'符合' if met else '不符合'}限值（{bound.text}）",
        decided_by=latest,
        since=meeting_since(series.points, bound) if met else None,
        gap=bound.difference(bound.shortfall(latest.value)),
    )


def judge_each_year(series: Series, question: Question, indicator: Indicator, year: int) -> Verdict:
    """Judge one year of a yearly duty."""
    bound = question.bound
    point = series.at(year)
    if point is not None:
        met = bound.meets(point.value)
        return question.verdict(
            Status.MET if met else Status.MISSED,
            f"{year}年值{bound.say(point.value)}，{'达到' if met else '未达到'}每年要求（{bound.text}）",
            decided_by=point.use,
            gap=bound.difference(bound.shortfall(point.value)),
        )
    part = lower_bound_part(series, indicator, year)
    if part is not None and bound.upwards and bound.meets(part.value):
        return question.verdict(
            Status.MET_EARLY,
            f"{part.period_title}已达{bound.say(part.value)}，全年数未出而已达到每年要求（{bound.text}）",
            decided_by=part,
            gap=bound.difference(bound.shortfall(part.value)),
        )
    so_far = "" if part is None else f"，{part.period_title}为{bound.say(part.value)}"
    if question.as_of > date(year, 12, 31):
        why = question.why_missing(series, year)
        return question.verdict(Status.UNPROVEN, f"{year}年已过，当年无全年数值{why}{so_far}，待证（{bound.text}）")
    return question.verdict(Status.NO_DATA, f"{year}年未结束，尚无全年数值{so_far}（{bound.text}）")


def judge_milestone(series: Series, *, by: int | None, as_of: date, reading: str = "") -> Verdict:
    """Judge a milestone by its evidence: the latest value says yes; the first of the run of yes is the date shown."""
    events = [(Period.parse(point.use.period), point.use) for point in series.points] + list(series.parts)
    events.sort(key=lambda event: (event[0].end, event[0].start))
    first: tuple[Period, ValueUse] | None = None
    for event in reversed(events):
        if event[1].value < 0.5:
            break
        first = event
    passed = by is not None and as_of > date(by, 12, 31)
    if first is not None:
        period, use = first
        late = by is not None and period.last_year > by
        note = f"，迟于期限{by}年" if late else ""
        return Verdict(
            reading=reading,
            status=Status.DONE,
            reason=f"{use.period_title}的记录证明已完成{note}",
            decided_by=use,
            since=period.last_year,
        )
    undone = any(use.value >= 0.5 for _, use in events)
    if undone:
        said = f"曾记为完成，但最近的{events[-1][1].period_title}记录为未完成"
    else:
        said = f"最近的{events[-1][1].period_title}记录为未完成" if events else "无完成的记录"
    if passed:
        return Verdict(reading=reading, status=Status.OVERDUE, reason=f"期限{by}年已过，{said}")
    when = "方案未写期限" if by is None else f"期限{by}年未到"
    return Verdict(reading=reading, status=Status.OPEN, reason=f"{when}，{said}")

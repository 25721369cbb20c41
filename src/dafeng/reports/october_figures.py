"""Figures of the yearly report, described: state by chapter, and small multiples of the targets."""

from __future__ import annotations

from typing import Final

from dafeng.assessment.records import TargetAssessment
from dafeng.base.period import Period, PeriodKind
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.target import Measure
from dafeng.catalog.schemas import IndicatorMeasure
from dafeng.reports.document import Figure
from dafeng.reports.figure_content import (
    OutlookBand,
    OutlookPanel,
    OutlookPanels,
    SeriesPoint,
    StatusBar,
    StatusBars,
    StatusCount,
)
from dafeng.reports.october_facts import OctoberFacts
from dafeng.reports.status_words import group_counts, state_en, state_zh
from dafeng.reports.wording import joined

__all__ = ["outlook_figure", "status_figure", "unit_en"]

_SCALES: Final = (("亿", "10⁸ "), ("万", "10⁴ "))


def unit_en(shown: str, canonical: str) -> str:
    """Return a unit in signs that every font has: the scale of the Chinese unit before the canonical one.

    Examples
    --------
    >>> unit_en("亿平方米", "m**2"), unit_en("公里/平方公里", "km/km**2"), unit_en("%", "percent")
    ('10⁸ m²', 'km/km²', '%')
    """
    if canonical == "percent":
        return "%"
    scale = next((power for word, power in _SCALES if shown.startswith(word)), "")
    return scale + canonical.replace("**2", "²").replace("**3", "³")


def status_figure(facts: OctoberFacts) -> Figure:
    """Return the bars of states by chapter."""
    bars = []
    for position, (number, title) in enumerate(facts.chapters(), start=1):
        counts = tuple(
            StatusCount(state=group.code, zh=group.zh, en=group.en, count=count)
            for group, count in group_counts(facts.counts_of_chapter(number))
            if count
        )
        bars.append(StatusBar(label=f"{number}　{title}", label_en=f"Chapter {position}", counts=counts))
    text = "；".join(f"{bar.label}：" + "，".join(f"{part.zh}{part.count}项" for part in bar.counts) for bar in bars)
    return Figure(
        id="figure-states",
        caption="图1　分章完成情况",
        text=text,
        link="annex-4-sources",
        content=StatusBars(bars=tuple(bars)),
    )


def outlook_figure(facts: OctoberFacts, *, most: int = 9) -> Figure | None:
    """Return small multiples of the targets with the longest histories, None where none has two values."""
    panels = [(row, panel) for row in facts.rows if (panel := _panel(facts, row)) is not None]
    latest: dict[str, tuple[TargetAssessment, OutlookPanel]] = {}
    for row, panel in panels:
        before = latest.get(row.indicator)
        if before is None or (row.deadline or 0) > (before[0].deadline or 0):
            latest[row.indicator] = (row, panel)
    chosen = sorted(latest.values(), key=lambda pair: -len(pair[1].history))[:most]
    if not chosen:
        return None
    order = {row.target: position for position, row in enumerate(facts.rows)}
    chosen.sort(key=lambda pair: order[pair[0].target])
    names = joined([f"{panel.title}{panel.state_zh}" for _, panel in chosen], most=most)
    return Figure(
        id="figure-targets",
        caption="图2　部分目标的实际值、所需进度与预计区间",
        text=names,
        link="annex-4-sources",
        content=OutlookPanels(panels=tuple(panel for _, panel in chosen)),
    )


def _panel(facts: OctoberFacts, row: TargetAssessment) -> OutlookPanel | None:
    """Return the panel of a target, None for changes, sums of yearly amounts, milestones, yearly rows and short histories."""
    indicator = facts.catalog.indicators.get(row.indicator)
    unit = facts.unit_of(row)
    fit = row.measure in (Measure.LEVEL, Measure.CUMULATIVE, Measure.LIMIT)
    if not fit or row.canonical_value is None or row.canonical_unit is None or not unit or len(row.history) < 2:
        return None
    if (
        indicator is None
        or (row.measure is Measure.CUMULATIVE and indicator.measure is IndicatorMeasure.FLOW)
        or not same_dimension(indicator.unit, row.canonical_unit)
        or not same_dimension(unit, indicator.unit)
    ):
        return None
    history = tuple(
        SeriesPoint(year=parsed.year, value=convert(value, indicator.unit, unit))
        for period, value in row.history
        if (parsed := Period.parse(period)).kind is PeriodKind.YEAR
    )
    outlook = next((one for one in row.verdicts if one.latest == row.latest), facts.verdict(row)).outlook
    bands: tuple[OutlookBand, ...] = ()
    if outlook is not None and outlook.expected is not None and outlook.low is not None and outlook.high is not None:
        low, middle, high = (
            convert(value, row.canonical_unit, unit) for value in (outlook.low, outlook.expected, outlook.high)
        )
        bands = (OutlookBand(year=outlook.year, low=low, expected=middle, high=high),)
    most = None if row.canonical_value_max is None else convert(row.canonical_value_max, row.canonical_unit, unit)
    return OutlookPanel(
        title=row.label,
        title_en=indicator.en,
        unit=unit,
        unit_en=unit_en(unit, indicator.unit),
        history=history,
        bound=convert(row.canonical_value, row.canonical_unit, unit),
        bound_max=most,
        deadline=row.deadline,
        outlook=bands,
        state=row.status.value,
        state_zh=state_zh(facts.catalog, row.status.value),
        state_en=state_en(facts.catalog, row.status.value),
    )

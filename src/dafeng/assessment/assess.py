"""A plan judged by the facts: every target under every reading, with references, bodies, counts and findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.assessment.bounds import Bound, bound_of, change_kind
from dafeng.assessment.derived import judge_change, judge_cumulative
from dafeng.assessment.ledgers import trusted_ledgers
from dafeng.assessment.records import Assessment, Status, TargetAssessment, Verdict
from dafeng.assessment.references import find_references
from dafeng.assessment.series_choice import Cell, Facts, Series, choose_series, gather_facts
from dafeng.assessment.status import (
    Question,
    judge_each_year,
    judge_level,
    judge_limit,
    judge_milestone,
    outlook_of_year,
)
from dafeng.assessment.summary import count_targets, summarise_bodies
from dafeng.base.errors import UnitError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.observation import BREAKDOWNS, ObservationKind
from dafeng.base.period import Period
from dafeng.base.place import PlaceKind
from dafeng.base.target import Measure, Reading, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Indicator, IndicatorMeasure
from dafeng.plans import resolve_bodies, target_phrase

__all__ = ["assess_plan"]

_DEMONSTRATION: Final = "【演示】"


@dataclass(frozen=True)
class _Read:
    """One reading with the series that speaks for it."""

    name: str
    cell: Cell
    start: int | None
    series: Series
    judged: bool = True


@dataclass(frozen=True)
class _Case:
    """A target with everything needed to judge it."""

    plan: Plan
    target: Target
    indicator: Indicator
    place: str
    bound: Bound | None
    reads: tuple[_Read, ...]
    rows: Mapping[Cell, Sequence[Mapping[str, Any]]]
    shown_unit: str


def assess_plan(
    plan: Plan,
    observations: pl.DataFrame,
    catalog: Catalog,
    *,
    as_of: date,
    place: str | None = None,
    include_unreviewed: bool = False,
) -> Assessment:
    """Judge every target of a plan by observations, as of a day.

    Parameters
    ----------
    plan : Plan
    observations : DataFrame, shape (observation, column)
        Columns of `SCHEMA`, in any order of rows; filtered once for the whole plan.
    catalog : Catalog
    as_of : date
        Day of the judgement. A date has passed when this day is after 31 December of its year; values of periods that end
        later, or that were published later, are left out.
    place : str, optional
        Place to judge, the plan's own by default; a target that names its own place keeps it.
    include_unreviewed : bool
        Whether drafts and submitted values may decide.

    Returns
    -------
    Assessment
        Rows in document order, one a year for a yearly target.

    Raises
    ------
    InputError
        The frame is no frame of observations.
    UnknownNameError
        `place` is no place of the catalog.

    Examples
    --------
    >>> from dafeng.base.observation import observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> assessment = assess_plan(catalog.plan("qingdao-2024"), observation_frame(), catalog, as_of=date(2026, 11, 20))
    >>> assessment.of("rail-2025")[0].status.value, assessment.of("rail-2030")[0].status.value
    ('unproven', 'no_data')
    """
    judged_place = plan.place if place is None else catalog.places.get(place).id
    targets, findings = _known_targets(plan, catalog)
    below = {target.id: _below(target.place or judged_place, catalog) for target in targets}
    places = {target.place or judged_place for target in targets} | {one for ones in below.values() for one in ones}
    facts = gather_facts(
        observations,
        indicators=sorted({target.indicator for target in targets}),
        places=sorted(places),
        as_of=as_of,
        include_unreviewed=include_unreviewed,
    )
    findings += facts.findings
    rows: list[TargetAssessment] = []
    for target in targets:
        own_place = target.place or judged_place
        case, faults = _prepare(plan, target, own_place, below[target.id], facts, catalog)
        findings += faults
        judged, faults = _judge(case, catalog, as_of)
        findings += faults
        rows += judged
    return Assessment(
        plan=plan.id,
        title=plan.title.zh,
        place=judged_place,
        as_of=as_of,
        catalog=catalog.digest,
        rows=tuple(rows),
        by_body=summarise_bodies(rows),
        counts=count_targets(rows),
        counted=len({row.target for row in rows if not row.soft}),
        soft=len({row.target for row in rows if row.soft}),
        demonstration=any(row.demonstration for row in rows),
        findings=tuple({finding.model_dump_json(): finding for finding in findings}.values()),
    )


def _known_targets(plan: Plan, catalog: Catalog) -> tuple[list[Target], list[Finding]]:
    known = [target for target in plan.targets if target.indicator in catalog.indicators]
    return known, [
        Finding(
            name="assessment.indicator.unknown",
            sentence=f"目标“{target.label}”的指标{target.indicator}不在指标库中，未作判定",
            value=target.indicator,
            expected="指标库中的指标",
            next_step="在 catalog/indicators 中补充该指标",
            where=Location(field=target.id),
        )
        for target in plan.targets
        if target.indicator not in catalog.indicators
    ]


def _below(place: str, catalog: Catalog) -> tuple[str, ...]:
    if place not in catalog.places:
        return ()
    return tuple(child.id for kind in PlaceKind for child in catalog.places.children(place, kind=kind))


def _prepare(
    plan: Plan, target: Target, place: str, below: Sequence[str], facts: Facts, catalog: Catalog
) -> tuple[_Case, list[Finding]]:
    indicator = catalog.indicators[target.indicator]
    rows = facts.cells(indicator.id, (place, *below))
    bound: Bound | None = None
    findings: list[Finding] = []
    if target.measure is not Measure.MILESTONE:
        try:
            bound = bound_of(target, indicator)
        except UnitError as error:
            findings.append(
                Finding(
                    name="assessment.target.unit",
                    sentence=f"目标“{target.label}”的单位与指标“{indicator.zh}”的单位不能换算，未作判定",
                    value=target.unit or "",
                    expected=error.expected,
                    next_step="更正方案文件中的单位或指标",
                    where=Location(field=target.id),
                )
            )
    derived = target.measure in (Measure.CHANGE, Measure.MILESTONE)
    shown_unit = indicator.shown_unit if derived or bound is None else bound.shown_unit
    counted = trusted_ledgers(indicator, catalog)
    reads = tuple(
        _Read(
            name=reading.name,
            cell=cell,
            start=reading.start or target.start,
            judged=reading.judged,
            series=choose_series(
                rows.get(cell, ()),
                precedence=indicator.precedence,
                counted=counted,
                unit=indicator.unit,
                shown_unit=shown_unit,
            ),
        )
        for reading, cell in _readings(target, indicator, place, rows, catalog)
    )
    return _Case(plan, target, indicator, place, bound, reads, rows, shown_unit), findings


def _readings(
    target: Target, indicator: Indicator, place: str, cells: Collection[Cell], catalog: Catalog
) -> list[tuple[Reading, Cell]]:
    """Return every reading of the target, those that decide first.

    They are those that the plan file lists, else one for each basis that data exist on; where the indicator has a planning
    convention, its basis alone decides.
    """
    extent = target.extent or indicator.extent
    breakdown = tuple(str(getattr(target, name)) for name in BREAKDOWNS)
    readings = list(target.readings)
    if not readings and target.basis is None:
        present = {cell.basis for cell in cells if cell.place == place and cell.extent is extent}
        convention = indicator.judged_basis
        readings = [
            Reading(name=catalog.term("basis", basis), basis=basis, judged=convention in (None, basis))
            for basis in indicator.bases
            if basis in present or basis == convention
        ]
    return [
        (
            reading,
            Cell(
                place=place,
                extent=reading.extent or extent,
                basis=reading.basis or target.basis or "",
                breakdown=breakdown,
            ),
        )
        for reading in sorted(readings, key=lambda reading: not reading.judged) or [Reading(name="")]
    ]


def _judge(case: _Case, catalog: Catalog, as_of: date) -> tuple[list[TargetAssessment], list[Finding]]:
    target, plan = case.target, case.plan
    bodies, findings = resolve_bodies(plan.bodies_of(target), plan.place, catalog)
    references = find_references(
        case.rows,
        [read.cell for read in case.reads],
        indicator=case.indicator,
        catalog=catalog,
        shown_unit=case.shown_unit,
    )
    chapter = plan.chapter_of(target.clause)
    first = _speaking(case.reads)
    rows: list[TargetAssessment] = []
    for year in _years(case, as_of):
        verdicts = tuple(
            _with_values(_marked(_verdict(case, read, catalog, as_of, year)), case, read.series, as_of, year)
            for read in case.reads
        )
        deciding = [verdict for verdict, read in zip(verdicts, case.reads, strict=True) if read.judged]
        status, reason = _combined(deciding, catalog)
        used = [use for one in verdicts for use in (one.latest, one.part_year, one.decided_by)]
        rows.append(
            TargetAssessment(
                plan=plan.id,
                target=target.id,
                year=year,
                place=case.place,
                clause=target.clause,
                chapter="" if chapter is None else chapter.number,
                chapter_title="" if chapter is None else chapter.title,
                label=target.label,
                phrase=target_phrase(target),
                indicator=target.indicator,
                value=target.value,
                value_max=target.value_max,
                unit=target.unit,
                canonical_value=None if case.bound is None else case.bound.low,
                canonical_value_max=None if case.bound is None else case.bound.high,
                canonical_unit=None if case.bound is None else case.bound.unit,
                comparator=target.comparator,
                deadline=target.by if year is None else year,
                measure=target.measure,
                status=status,
                reason=reason + _assumed_start(case) + _assumed_basis(case) + _beside(case, verdicts),
                verdicts=verdicts,
                latest=verdicts[first].latest,
                part_year=verdicts[first].part_year,
                year_outlook=verdicts[first].year_outlook,
                references=references,
                history=tuple((one.use.period, one.value) for one in case.reads[first].series.points),
                bodies=bodies,
                soft=target.soft,
                pending_grade=case.indicator.pending,
                demonstration=any(use is not None and use.kind is ObservationKind.DEMONSTRATION for use in used),
                note=target.note,
            )
        )
    return rows, [*findings, *_disagreements(case, rows)]


def _speaking(reads: Sequence[_Read]) -> int:
    """Return the position of the reading whose values stand for the target: the first with a year's, else with a part year's."""
    whole = [bool(read.series.points) for read in reads]
    known = whole if any(whole) else [read.series.part_year is not None for read in reads]
    return known.index(True) if any(known) else 0


def _with_values(verdict: Verdict, case: _Case, series: Series, as_of: date, year: int | None) -> Verdict:
    """Return a verdict with the latest values of its own reading, and the outlook of the running year where that means something."""
    point, part = series.latest, series.part_year
    if year is not None:
        point = series.at(year)
        inside = [use for period, use in series.parts if period.year == year and point is None]
        part = inside[-1] if inside else None
    awaited = year in (None, as_of.year) and case.target.measure not in (Measure.CHANGE, Measure.MILESTONE)
    values = {
        "latest": None if point is None else point.use,
        "part_year": part,
        "year_outlook": outlook_of_year(series, case.indicator, as_of.year) if awaited else None,
    }
    return verdict.model_copy(update=values)


def _marked(verdict: Verdict) -> Verdict:
    """Return a verdict whose reason says where it rests on a fictitious value, or on a part of what should be counted."""
    use = verdict.decided_by
    if use is None:
        return verdict
    mark = _DEMONSTRATION if use.kind is ObservationKind.DEMONSTRATION else ""
    partial = "" if use.coverage is None or use.coverage >= 1 else f"；覆盖率{use.coverage:.0%}，只代表已统计的部分"
    return verdict.model_copy(update={"reason": f"{mark}{verdict.reason}{partial}"})


def _assumed_start(case: _Case) -> str:
    """Return what is assumed where the plan names no first year for a sum or a yearly duty."""
    yearly = case.target.measure is Measure.EACH_YEAR
    summed = case.target.measure is Measure.CUMULATIVE and case.indicator.measure is IndicatorMeasure.FLOW
    first = _first_year(case.plan)
    if not (yearly or summed) or first is None or any(read.start is not None for read in case.reads):
        return ""
    return f"；方案未写起始年，自方案期首年{first}年{'逐年判定' if yearly else '累计'}"


def _assumed_basis(case: _Case) -> str:
    """Return by which basis a target was judged whose plan is silent on it, where values are known on that one only."""
    if case.target.readings or len(case.reads) != 1 or not case.reads[0].name:
        return ""
    return f"；方案未写口径，只有按{case.reads[0].name}的数值"


def _beside(case: _Case, verdicts: Sequence[Verdict]) -> str:
    """Return by which basis a target was judged by convention, and what the others give."""
    deciding = [read.name for read in case.reads if read.judged]
    shown = [
        f"{verdict.reading}为{verdict.latest.shown_value:g} {verdict.latest.shown_unit}"
        for verdict, read in zip(verdicts, case.reads, strict=True)
        if not read.judged and verdict.latest is not None
    ]
    if len(deciding) == len(case.reads):
        return ""
    return f"；依惯例按{'、'.join(deciding)}判定" + (f"，{'、'.join(shown)}，只列示" if shown else "")


def _years(case: _Case, as_of: date) -> list[int | None]:
    if case.target.measure is not Measure.EACH_YEAR:
        return [None]
    start = case.target.start or _first_year(case.plan) or as_of.year
    last = as_of.year if case.target.by is None else min(case.target.by, as_of.year)
    return list(range(start, last + 1)) or [start]


def _first_year(plan: Plan) -> int | None:
    return None if plan.period is None else Period.parse(plan.period).year


def _verdict(case: _Case, read: _Read, catalog: Catalog, as_of: date, year: int | None) -> Verdict:
    target, indicator, bound = case.target, case.indicator, case.bound
    if indicator.draft:
        status = Status.UNKNOWN if target.measure in (Measure.LIMIT, Measure.MILESTONE) else Status.NO_DATA
        return Verdict(reading=read.name, status=status, reason="指标待定：读取方案生成的草案，没有口径，不作判定")
    if target.measure is Measure.MILESTONE:
        return judge_milestone(read.series, by=target.by, as_of=as_of, reading=read.name)
    if bound is None:
        status = Status.UNKNOWN if target.measure is Measure.LIMIT else Status.NO_DATA
        return Verdict(reading=read.name, status=status, reason="目标的单位与指标不能换算，无法判断")
    question = Question(
        bound=bound,
        by=target.by,
        as_of=as_of,
        reading=read.name,
        bounds=(indicator.minimum, indicator.maximum),
        missing_words={code: term.zh for code, term in catalog.terms.get("missing_reason", {}).items()},
    )
    match target.measure:
        case Measure.LIMIT:
            return judge_limit(read.series, question, indicator)
        case Measure.EACH_YEAR:
            return judge_each_year(read.series, question, indicator, year or as_of.year)
        case Measure.CUMULATIVE:
            return judge_cumulative(read.series, question, indicator, read.start or _first_year(case.plan))
        case Measure.CHANGE:
            kind = change_kind(target, indicator)
            if kind != "own" and target.base is not None and target.base.year is not None and target.change is not None:
                unbounded = replace(question, bounds=(None, None))
                return judge_change(read.series, unbounded, kind, target.base.year, target.change)
    return judge_level(read.series, question)


def _combined(verdicts: Sequence[Verdict], catalog: Catalog) -> tuple[Status, str]:
    """Return one status over all readings: where they differ it depends on the definition, and the reason says which."""
    statuses = {verdict.status for verdict in verdicts}
    if len(statuses) == 1:
        named = verdicts[0].reading and len(verdicts) > 1
        return verdicts[0].status, f"各口径结论一致：{verdicts[0].reason}" if named else verdicts[0].reason
    mark = _DEMONSTRATION if all(verdict.reason.startswith(_DEMONSTRATION) for verdict in verdicts) else ""
    said = "；".join(
        f"按{verdict.reading}为{catalog.term('status', verdict.status.value)}（{verdict.reason.removeprefix(mark)}）"
        for verdict in verdicts
    )
    if statuses == {Status.MET, Status.MET_EARLY}:
        return Status.MET, f"{mark}各口径均已达到：{said}"
    return Status.DEPENDS_ON_DEFINITION, f"{mark}取决于口径：{said}"


def _disagreements(case: _Case, rows: Sequence[TargetAssessment]) -> list[Finding]:
    """Return a finding where another dataset's value would decide otherwise than the chosen one."""
    bound = case.bound
    if bound is None or case.target.measure in (Measure.CHANGE, Measure.MILESTONE):
        return []
    uses = {verdict.decided_by for row in rows for verdict in row.verdicts if verdict.decided_by is not None}
    return [
        Finding(
            name="assessment.dataset.disagrees",
            sentence=(
                f"“{case.target.label}”{use.period_title}：采用{use.dataset}的{bound.say(use.value)}，"
                f"而{other.dataset}为{bound.say(other.value)}，结论相反"
            ),
            severity=Severity.WARNING,
            next_step="核对两个来源，必要时在指标中写明优先次序",
            where=Location(field=case.target.id),
        )
        for use in sorted(uses, key=lambda use: use.period)
        for other in use.others
        if bound.meets(use.value) is not bound.meets(other.value)
    ]

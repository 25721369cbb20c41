"""Check-ups (城市体检) and other sets of indicators: scored by the facts of the lake, over years, as a paper and for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from dafeng.assessment.checkup import CheckUp, check_up, set_named
from dafeng.assessment.checkup_districts import merge_districts
from dafeng.assessment.checkup_records import ItemState, PlaceCheckUp
from dafeng.assessment.checkup_years import YearsEvaluation, evaluate_years, sets_in_force
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import SCHEMA, observation_frame
from dafeng.catalog.statistics_schemas import IndicatorSet, SetLevel
from dafeng.reports.checkup_chapter import CheckUpFacts
from dafeng.workflow.setting import Setting

__all__ = ["CITY_SET", "CheckUpRun", "checkup_for_report", "run_checkup", "sets_for"]

CITY_SET: Final = "checkup-2024"
"""A set of the chain of city check-ups; the one in force in a year is found from it."""
FIVE_YEARS: Final = 5
"""Years of an evaluation (五年评估)."""


@dataclass(frozen=True)
class CheckUpRun:
    """Check-ups of places, and their evaluation over several years.

    Parameters
    ----------
    check_ups : tuple of CheckUp
        One a set.
    evaluation : YearsEvaluation or None
        Where several years were asked for.
    findings : tuple of Finding
    """

    check_ups: tuple[CheckUp, ...]
    evaluation: YearsEvaluation | None
    findings: tuple[Finding, ...]


def sets_for(setting: Setting, year: int, names: Sequence[str] = ()) -> tuple[IndicatorSet, ...]:
    """Return the sets named, or the set of city check-ups that is in force in a year.

    Raises
    ------
    UnknownNameError
        No set has that id.

    Examples
    --------
    >>> from dafeng.workflow.setting import open_setting
    >>> [one.id for one in sets_for(open_setting(None), 2023)]
    ['checkup-2023']
    """
    catalog = setting.catalog
    if names:
        return tuple(set_named(catalog, name) for name in names)
    chain = set_named(catalog, CITY_SET)
    in_force = sets_in_force(chain, [year], catalog)[year]
    return (in_force or chain,)


def run_checkup(
    setting: Setting,
    places: Sequence[str],
    *,
    year: int,
    first: int | None = None,
    names: Sequence[str] = (),
    as_of: date,
    known_at: date | None = None,
    merge: bool = False,
    include_unreviewed: bool = False,
) -> CheckUpRun:
    """Hold sets of indicators against the facts of places.

    Parameters
    ----------
    setting : Setting
    places : sequence of str
        Place ids.
    year : int
        Year of the check-up, and last year of an evaluation.
    first : int, optional
        First year of an evaluation over several years, by the first of the sets and those before and after it in its chain.
    names : sequence of str
        Sets; the city check-up in force in `year` where empty.
    as_of, known_at : date
        Facts published later are not known, nor facts recorded later (None for all).
    merge : bool
        Whether counts of the divisions below are added up for a place that states none itself.
    include_unreviewed : bool
        Whether drafts and submitted figures count.

    Raises
    ------
    UnknownNameError
        No set has that id.
    """
    catalog, sets = setting.catalog, sets_for(setting, year, names)
    frame, findings = _facts(setting, places, as_of=as_of, known_at=known_at, below=merge)
    if merge:
        for one in sets:
            for place in places:
                more, found = merge_districts(one, frame, catalog, place=place, day=as_of)
                frame = pl.concat([frame, more.select(list(SCHEMA))])
                findings += found
    check_ups = tuple(
        check_up(one, frame, catalog, places=places, years=[year], as_of=as_of, include_unreviewed=include_unreviewed)
        for one in sets
    )
    evaluation = None
    if first is not None:
        evaluation = evaluate_years(
            sets[0],
            frame,
            catalog,
            places=places,
            first=first,
            last=year,
            as_of=as_of,
            include_unreviewed=include_unreviewed,
        )
    findings += [finding for one in check_ups for finding in one.findings]
    findings += () if evaluation is None else evaluation.findings
    return CheckUpRun(check_ups, evaluation, tuple(findings))


def checkup_for_report(
    setting: Setting, place: str, *, year: int, as_of: date, known_at: date | None
) -> CheckUpFacts | None:
    """Return what sets of indicators say of a place for its yearly report; None where no item has a value.

    The year is that of the report or, where nothing is known of it yet, the year before. Sets other than the city check-up are
    told where at least one of their items is judged. The evaluation goes over the five years up to the year.
    """
    catalog = setting.catalog
    frame, _ = _facts(setting, [place], as_of=as_of, known_at=known_at, below=False)
    for candidate in (year, year - 1):
        city = sets_for(setting, candidate)
        done = [
            check_up(one, frame, catalog, places=[place], years=[candidate], as_of=as_of)
            for one in (*city, *_others(setting, candidate))
        ]
        known = CheckUpFacts(catalog, place, candidate, tuple(done)).known
        told = tuple(one for one, of_place in known if one.set in city or _judged(of_place))
        if told:
            first = candidate - FIVE_YEARS + 1
            evaluation = evaluate_years(
                city[0], frame, catalog, places=[place], first=first, last=candidate, as_of=as_of
            )
            return CheckUpFacts(catalog, place, candidate, told, evaluation)
    return None


def _judged(done: PlaceCheckUp) -> bool:
    return any(row.state in (ItemState.MET, ItemState.NOT_MET) for row in done.rows)


def _others(setting: Setting, year: int) -> list[IndicatorSet]:
    """Return the sets in force that judge a whole place and are no city check-up."""
    chain = {
        one.id
        for one in sets_in_force(set_named(setting.catalog, CITY_SET), range(2000, 2100), setting.catalog).values()
        if one
    }
    whole = {SetLevel.CITY, SetLevel.DISTRICT, SetLevel.COUNTY}
    return [
        one
        for one in setting.catalog.sets.values()
        if one.id not in chain and one.in_force(year) and any(item.level in whole for item in one.items)
    ]


def _facts(
    setting: Setting, places: Sequence[str], *, as_of: date, known_at: date | None, below: bool
) -> tuple[pl.DataFrame, list[Finding]]:
    lake = setting.lake
    if lake is None:
        return observation_frame(), [
            Finding(
                name="workflow.facts.no-workspace",
                severity=Severity.WARNING,
                sentence="没有工作区，未读取任何数据，以下只列出指标",
                next_step="dafeng init 文件夹，再 dafeng data import 文件",
            )
        ]
    wanted = list(places)
    if below:
        wanted += [child.id for place in places for child in setting.catalog.places.children(place, day=as_of)]
    return lake.snapshot().read(as_of=known_at, published_by=as_of, places=wanted).select(list(SCHEMA)), []

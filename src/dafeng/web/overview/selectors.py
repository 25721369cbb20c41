"""What the first page, the list of targets and the page of a target show: records of the library in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dafeng.assessment import WORST_FIRST, Assessment, TargetAssessment, status_of_target
from dafeng.base.errors import UnknownNameError
from dafeng.base.quantity import convert
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Indicator
from dafeng.reports.status_words import STATE_GROUPS, StateGroup, group_counts, group_of, state_zh
from dafeng.reports.wording import number_zh
from dafeng.web.access.reach import Reach
from dafeng.web.house import House, house
from dafeng.web.words import state_word, word
from dafeng.workflow.facts import read_facts, trace

__all__ = [
    "CHANGED_SINCE",
    "ChangedStatus",
    "FactRow",
    "TargetLine",
    "changed_statuses",
    "facts_of",
    "group_figures",
    "in_shown_unit",
    "places_to_show",
    "plans_to_show",
    "shown_value",
    "target_lines",
    "tone",
]

CHANGED_SINCE = timedelta(days=31)
"""How far back the first page looks for changes."""
_TONES = {"met": "good", "on_track": "good", "open": "info", "at_risk": "warn", "off_track": "bad", "missed": "bad"}


def tone(group: str) -> str:
    """Return the class of a group of states: good, warn, bad, info or nothing; a word always stands beside it.

    Examples
    --------
    >>> tone("off_track"), tone("no_data")
    ('bad', '')
    """
    return _TONES.get(group, "")


@dataclass(frozen=True)
class TargetLine:
    """A target in a list.

    Attributes
    ----------
    row : TargetAssessment
        The row that decides: of a yearly target its worst year that is over.
    group : StateGroup
    tone, state : str
        Class and Chinese name of the state.
    promised, latest : str
        As people write them, with unit.
    bodies : tuple of str
    """

    row: TargetAssessment
    group: StateGroup
    tone: str
    state: str
    promised: str
    latest: str
    bodies: tuple[str, ...]


def plans_to_show(reach: Reach, here: House | None = None) -> list[Plan]:
    """Return the plans whose progress a user may see, that of the workspace first: those of places in reach and above them."""
    here = here or house()
    places = reach.places("status.read")
    known = here.catalog.places
    wanted = set(places)
    for place in places:
        wanted.update(known.ancestor_ids(place))
    workspace = here.setting().workspace
    own = workspace.settings.plan if workspace else None
    below = here.places_below(here.place)
    found = [plan for plan in here.catalog.plans.values() if plan.place in wanted and plan.place in below]
    found += [plan for plan in here.catalog.plans.values() if plan.id == own and plan not in found]
    return sorted(found, key=lambda plan: (plan.id != own, plan.id))


def places_to_show(reach: Reach, plan: Plan, here: House | None = None) -> list[str]:
    """Return the places of a plan's area that a user may see judged by it: the widest first, then by name."""
    here = here or house()
    allowed = reach.places("status.read") & here.places_below(plan.place)
    known = here.catalog.places
    return sorted(allowed, key=lambda place: (known.get(place).level.rank, known.get(place).name))


def shown_value(value: float | None, unit: str | None) -> str:
    """Return a number with its unit as people write it; a dash where there is none.

    Examples
    --------
    >>> shown_value(1234.5, "万平方米"), shown_value(None, "%")
    ('1234.5 万平方米', '—')
    """
    if value is None:
        return "—"
    return f"{number_zh(value)} {unit or ''}".strip()


def in_shown_unit(value: float | None, indicator: Indicator) -> str:
    """Return a value in the canonical unit as people write it, in the unit in which reports show the indicator."""
    if value is None:
        return "—"
    return shown_value(convert(value, indicator.unit, indicator.shown_unit), indicator.shown_unit)


def _line(here: House, row: TargetAssessment) -> TargetLine:
    group = group_of(row.status.value)
    use = row.latest
    latest = "—" if use is None else f"{shown_value(use.shown_value, use.shown_unit)}（{use.period_title}）"
    return TargetLine(
        row=row,
        group=group,
        tone=tone(group.code),
        state=state_word(here.catalog, row.status.value),
        promised=row.phrase,
        latest=latest,
        bodies=tuple(dict.fromkeys(one.name for one in row.bodies)),
    )


def target_lines(
    judged: Assessment,
    *,
    group: str | None = None,
    chapter: str | None = None,
    body: str | None = None,
    here: House | None = None,
) -> list[TargetLine]:
    """Return one line a target, worst first, soft aims left out.

    Parameters
    ----------
    judged : Assessment
    group : str, optional
        Only states of this group (`STATE_GROUPS`).
    chapter : str, optional
        Only this chapter number.
    body : str, optional
        Only targets for which this body answers, by id or name.
    here : House, optional
    """
    here = here or house()
    by_target: dict[str, list[TargetAssessment]] = {}
    for row in judged.rows:
        if not row.soft:
            by_target.setdefault(row.target, []).append(row)
    lines = []
    for rows in by_target.values():
        status = status_of_target(rows)
        line = _line(here, next(row for row in rows if row.status == status))
        if group is not None and line.group.code != group:
            continue
        if chapter is not None and line.row.chapter != chapter:
            continue
        if body is not None and not any(body in (one.id, one.name) for one in line.row.bodies):
            continue
        lines.append(line)
    order = {status: place for place, status in enumerate(WORST_FIRST)}
    return sorted(lines, key=lambda line: order[line.row.status])


def group_figures(judged: Assessment) -> list[tuple[StateGroup, str, int]]:
    """Return the groups of states that occur, with tone and number of targets, in the order of the groups."""
    return [(group, tone(group.code), count) for group, count in group_counts(judged.counts) if count]


@dataclass(frozen=True)
class ChangedStatus:
    """A target whose state differs from what it was by the facts known earlier."""

    label: str
    target: str
    before: str
    after: str
    tone: str
    better: bool


def changed_statuses(now: Assessment, before: Assessment, here: House | None = None) -> list[ChangedStatus]:
    """Return the targets whose states differ between two judgements of one day by facts known then and now."""
    here = here or house()
    order = {status: place for place, status in enumerate(WORST_FIRST)}
    earlier = {line.row.target: line for line in target_lines(before, here=here)}
    found = []
    for line in target_lines(now, here=here):
        old = earlier.get(line.row.target)
        if old is not None and old.row.status != line.row.status:
            better = order[line.row.status] > order[old.row.status]
            found.append(ChangedStatus(line.row.label, line.row.target, old.state, line.state, line.tone, better))
    return found


@dataclass(frozen=True)
class FactRow:
    """A stored version of a fact with where it came from."""

    values: dict[str, Any]
    current: bool
    shown: str
    source: str
    formula: str
    inputs: tuple[str, ...]


def facts_of(here: House, indicator: str, place: str) -> list[FactRow]:
    """Return every stored version of the facts of an indicator at a place, newest period first, with its source cell.

    Raises
    ------
    UnknownNameError
        There is no such indicator or place.
    """
    if indicator not in here.catalog.indicators:
        raise UnknownNameError(
            f"no indicator is called {indicator!r}",
            doing="show facts",
            expected="an indicator of the catalog",
            next_step="choose one from the list of targets",
        )
    here.catalog.places.get(place)
    return here.kept(("facts", indicator, place), lambda setting: _facts(here, setting, indicator, place))


def _facts(here: House, setting: Any, indicator: str, place: str) -> list[FactRow]:
    known = here.catalog.indicators[indicator]
    frame = trace(setting, read_facts(setting, indicators=[indicator], places=[place], versions=True))
    current = set(read_facts(setting, indicators=[indicator], places=[place])["version"])
    rows = []
    for values in frame.sort("period", "dataset", "recorded_at", descending=[True, False, True]).iter_rows(named=True):
        detail = json.loads(values["detail"]) if values.get("detail") else {}
        parts = [values.get(name) for name in ("file", "sheet", "cell")]
        source = " › ".join(str(part) for part in parts if part)
        if values.get("text"):
            source += f"：{values['text']}"
        rows.append(
            FactRow(
                values=values,
                current=values["version"] in current,
                shown=in_shown_unit(values["value"], known),
                source=source,
                formula=str(detail.get("formula", "")),
                inputs=tuple(detail.get("inputs", ())),
            )
        )
    return rows


def chapters_of(lines: Iterable[TargetLine]) -> list[tuple[str, str]]:
    """Return number and title of the chapters that occur, in order."""
    return list(dict.fromkeys((line.row.chapter, line.row.chapter_title) for line in lines))


def bodies_of(lines: Iterable[TargetLine]) -> list[str]:
    """Return the names of the bodies that occur, in order."""
    return list(dict.fromkeys(body for line in lines for body in line.bodies))


def disclosed_content(judged: Assessment, here: House | None = None) -> dict[str, Any]:
    """Return what the public is shown of a judged plan: no lineage, no bodies' names, demonstration said."""
    here = here or house()
    lines: Sequence[TargetLine] = target_lines(judged, here=here)
    return {
        "title": judged.title,
        "place": here.catalog.places.get(judged.place).name,
        "as_of": judged.as_of.isoformat(),
        "demonstration": judged.demonstration,
        "counts": [[group.zh, tone_, count] for group, tone_, count in group_figures(judged)],
        "rows": [
            {
                "chapter": line.row.chapter_title,
                "label": line.row.label,
                "promised": line.promised,
                "latest": line.latest,
                "state": state_zh(here.catalog, line.row.status.value),
                "tone": line.tone,
                "deadline": line.row.deadline,
            }
            for line in lines
        ],
    }


def known_groups() -> list[tuple[str, str]]:
    """Return code and name, in the language of the page, of the groups of states."""
    return [(group.code, word(group)) for group in STATE_GROUPS]


def day_before(day: date) -> date:
    """Return the day whose knowledge today's is compared with."""
    return day - CHANGED_SINCE

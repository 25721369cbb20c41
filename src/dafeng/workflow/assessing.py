"""Where every target of a plan stands, by the facts of a workspace."""

from __future__ import annotations

from datetime import date

import polars as pl

from dafeng.assessment import Assessment, assess_plan
from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import observation_frame
from dafeng.base.place import PlaceKind
from dafeng.catalog.plan_schemas import Plan
from dafeng.workflow.setting import Setting

__all__ = ["assess", "chosen_plan", "facts_for"]


def chosen_plan(setting: Setting, name: str | None) -> Plan:
    """Return the plan of a name; without one, the workspace's own.

    Raises
    ------
    UsageError
        No name is given and the workspace states neither plan nor place.
    UnknownNameError
        No plan answers to the name.
    """
    settings = None if setting.workspace is None else setting.workspace.settings
    if name is None and settings is not None:
        name = settings.plan or settings.place
    if not name:
        raise UsageError(
            "没有说明是哪个方案 / no plan is named",
            doing="choose a plan",
            expected="方案编号或地方，如 qingdao-2024、青岛 / a plan id or place",
            next_step="dafeng plan list",
        )
    return setting.catalog.plan(name)


def facts_for(
    setting: Setting, plan: Plan, *, place: str, as_of: date, known_at: date | None
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the facts that judging a plan needs, as known, and what was left out for having come too late.

    Parameters
    ----------
    setting : Setting
    plan : Plan
    place : str
        Place id; the divisions and zones below it are read too, as references.
    as_of : date
        Day of judgement: nothing that was published later counts.
    known_at : date or None
        Nothing recorded later counts; None for all that is recorded by now.
    """
    lake = setting.lake
    if lake is None:
        return observation_frame(), [
            Finding(
                name="workflow.facts.no-workspace",
                severity=Severity.WARNING,
                sentence="没有工作区，未读取任何数据，以下只依据内置目录",
                next_step="dafeng init 文件夹，再 dafeng data import 文件",
            )
        ]
    indicators = sorted({target.indicator for target in plan.targets})
    places = [place]
    for kind in PlaceKind:
        places += [child.id for child in setting.catalog.places.children(place, day=as_of, kind=kind)]
    snapshot = lake.snapshot()
    frame = snapshot.read(as_of=known_at, published_by=as_of, indicators=indicators, places=places)
    if known_at is None:
        return frame, []
    known_later = snapshot.read(published_by=as_of, indicators=indicators, places=places).height - frame.height
    if known_later <= 0:
        return frame, []
    return frame, [
        Finding(
            name="workflow.facts.recorded-later",
            severity=Severity.INFO,
            sentence=f"{known_later} 条数据在 {known_at.isoformat()} 之后才入库，未采用",
            next_step="需要按现有全部数据回看时，加 --known-at all",
            evidence={"facts": known_later},
        )
    ]


def assess(
    setting: Setting, name: str | None = None, *, place: str | None = None, as_of: date, known_at: date | None
) -> Assessment:
    """Judge every target of a plan.

    Parameters
    ----------
    setting : Setting
    name : str, optional
        Plan or place; the workspace's own where None.
    place : str, optional
        Judge this place by the plan, in place of the plan's own.
    as_of, known_at : date
        See `facts_for`.

    Examples
    --------
    >>> from dafeng.workflow.setting import open_setting
    >>> result = assess(open_setting(None), "qingdao", as_of=date(2026, 11, 20), known_at=None)
    >>> result.counts["unproven"] + result.counts["no_data"] > 20
    True
    """
    plan = chosen_plan(setting, name)
    home = plan.place if place is None else setting.catalog.places.resolve(place).id
    frame, findings = facts_for(setting, plan, place=home, as_of=as_of, known_at=known_at)
    result = assess_plan(plan, frame, setting.catalog, as_of=as_of, place=home)
    return result.model_copy(update={"findings": (*findings, *result.findings)})

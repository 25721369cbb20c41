"""The carbon account that a report is given: of the plan's place, under the boundary that answers for its promise."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import partial
from typing import Final

import polars as pl

from dafeng.carbon import account
from dafeng.catalog.plan_schemas import Plan
from dafeng.reports import CarbonAccount, CarbonFacts
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.setting import Setting

__all__ = ["NO_ACCOUNT", "carbon_for_report"]

NO_ACCOUNT: Final = ("碳排放核算", "工作区没有本地区全域的活动数据，本报告未作核算，也不作历史达峰判断。")
"""Convention printed where there is no account."""
_PREFERRED: Final = "urban-rural-construction"
_PROMISED: Final = "whole_field"
_AREA: Final = "building_stock_area"


def carbon_for_report(setting: Setting, plan: Plan, *, as_of: date, known_at: date | None) -> CarbonFacts | None:
    """Return the account of a plan's place, None where the workspace has no activity data of it.

    Of several boundaries that the data answer to, the one with the most complete years of the promised view is taken, then
    the one with the most complete components.

    Parameters
    ----------
    setting : Setting
    plan : Plan
    as_of, known_at : date
        Facts and factors published later are not known, nor facts recorded later (None for all).
    """
    lake = setting.lake
    if lake is None:
        return None
    promised = _PROMISED if plan.peak is None else plan.peak.boundary
    moment = datetime.combine(as_of, time(), UTC)
    snapshot = lake.snapshot()
    held = snapshot.read(as_of=known_at, published_by=as_of, places=[plan.place])
    yearly = held.filter(pl.col("period").str.contains(r"^\d{4}$"))
    present = set(yearly["indicator"])
    best: tuple[tuple[int, int, bool], CarbonFacts] | None = None
    for name, boundary in sorted(setting.catalog.boundaries.items()):
        if not present & {flow.indicator for flow in boundary.flows}:
            continue
        make = partial(
            account, held, setting.catalog, name, policy=read_policy(DEFAULT_RULES), as_of=as_of, recorded_at=moment
        )  # fmt: skip
        own = make()
        unsplit = make(split=()) if boundary.splits else None
        areas = yearly.filter(pl.col("indicator") == _AREA)
        facts = CarbonFacts(CarbonAccount(plan.place, str(promised), own, unsplit, areas), setting.catalog)
        complete = sum(len(facts.complete_years(part.code)) for part in facts.components)
        rank = (len(facts.complete_years(facts.promised)), complete, name == _PREFERRED)
        if complete and (best is None or rank > best[0]):
            best = (rank, facts)
    return None if best is None else best[1]

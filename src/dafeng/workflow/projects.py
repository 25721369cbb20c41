"""Obligations on projects in a workspace: the check list of one project, and which projects of a programme fail what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.base.listener import Listener, silent
from dafeng.buildings.obligations import CHECK_SCHEMA, JUDGEMENT_DAY, RuleUse, binding_rules, check_rules, count_checks
from dafeng.buildings.rule_explanation import Explanation, explain, thing_frame
from dafeng.reports.document import Report
from dafeng.reports.docx import render_docx
from dafeng.reports.fonts import FontReport
from dafeng.reports.xlsx import render_xlsx
from dafeng.workflow.ledgers import current_ledgers, rows_within
from dafeng.workflow.setting import Setting

__all__ = [
    "Programme",
    "ProjectCheck",
    "check_facts",
    "check_programme",
    "find_project",
    "project_things",
    "render_list",
]

_CHUNK: Final = 50_000
"""Things checked at a time, so that memory does not grow with the programme."""


@dataclass(frozen=True)
class ProjectCheck:
    """The check list of one project.

    Parameters
    ----------
    facts : dict
        Field id to value, `key` besides.
    explanations : tuple of Explanation
        One for each rule that applies or may apply; every rule where asked for.
    passed_over : int
        Rules that surely do not apply and are not explained.
    as_of : date
        Day of judgement.
    undated : bool
        Whether the project states no date and was judged as of that day.
    """

    facts: dict[str, Any]
    explanations: tuple[Explanation, ...]
    passed_over: int
    as_of: date
    undated: bool

    @property
    def failures(self) -> tuple[Explanation, ...]:
        """Duties, not wishes, that are due and not fulfilled."""
        return tuple(
            each for each in self.explanations if each.verdict == "fail" and each.due != "no" and not each.soft
        )


@dataclass(frozen=True)
class Programme:
    """Which projects of a programme fail what.

    Parameters
    ----------
    things : int
        Projects looked at.
    counts : DataFrame
        rulebook, rule, place and the counts of `count_checks`.
    failing : DataFrame
        Of `CHECK_SCHEMA` with `name`: failures that are due, wishes among them.
    rules : tuple of RuleUse
    as_of : date
    """

    things: int
    counts: pl.DataFrame
    failing: pl.DataFrame
    rules: tuple[RuleUse, ...]
    as_of: date

    @property
    def failures(self) -> int:
        """Number of duties, not wishes, that are due and not fulfilled."""
        return self.failing.filter(~pl.col("soft")).height


def project_things(
    setting: Setting, *, registers: Sequence[str] | None = None, known_at: date | None = None
) -> pl.DataFrame:
    """Return the projects of the workspace's ledgers: one row a key, the value of the first register that knows it.

    Parameters
    ----------
    setting : Setting
    registers : sequence of str, optional
        Register ids in the order of trust; those about projects in the catalog's order where None.
    known_at : date, optional
        What was recorded later is not known.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    """
    chosen = registers or [name for name, each in setting.catalog.registers.items() if each.subject == "project"]
    things = current_ledgers(setting, registers=chosen, as_of=known_at)
    frames = [
        frame.with_columns(pl.col("stage").replace({"": None})) for frame in things.values() if not frame.is_empty()
    ]
    if not frames:
        return pl.DataFrame(schema={"key": pl.String, "place": pl.String, "stage": pl.String})
    joined = pl.concat(frames, how="diagonal")
    if joined["key"].is_duplicated().any():
        joined = joined.group_by("key", maintain_order=True).agg(pl.all().drop_nulls().first())
    return joined if "place" in joined.columns else joined.with_columns(place=pl.lit(None, pl.String))


def find_project(things: pl.DataFrame, key: str) -> dict[str, Any]:
    """Return the known facts of one project.

    Raises
    ------
    UnknownNameError
        No project has that key; close ones are offered.

    Examples
    --------
    >>> find_project(pl.DataFrame({"key": ["a"], "height": [None], "storeys": [3.0]}), "a")
    {'key': 'a', 'storeys': 3.0}
    """
    found = things.filter(pl.col("key") == key)
    if found.is_empty():
        keys = things["key"].to_list()
        raise UnknownNameError(
            f"台账中没有项目 {key!r} / no such project",
            doing="look up a project",
            expected=f"{'、'.join(close_names(key, keys) or keys[:5])}" if keys else "a ledger with projects",
            next_step="dafeng ledger show projects，或用 --file 给出一个项目",
        )
    return {name: value for name, value in found.row(0, named=True).items() if value is not None}


def check_facts(
    setting: Setting,
    facts: Mapping[str, Any],
    *,
    as_of: date,
    stage: str | None = None,
    only: Collection[str] | None = None,
    undated: bool = False,
    not_applicable: bool = False,
) -> ProjectCheck:
    """Check one project against all rules that bind at its place.

    Parameters
    ----------
    setting : Setting
        The catalog is enough.
    facts : mapping
        Field id to value in canonical units; `key` besides.
    as_of : date
        Day of judgement.
    stage : str, optional
        Stage at which it is looked at, in place of its own.
    only : collection of str, optional
        Plans and rulebooks to check.
    undated : bool
        Whether a project without dates is judged as of the day of judgement.
    not_applicable : bool
        Whether rules that do not apply are explained too.

    Examples
    --------
    >>> from dafeng.workflow.setting import open_setting
    >>> found = check_facts(open_setting(None), {"place": "qingdao", "work": "new", "sponge_city": False}, as_of=date(2026, 11, 20),
    ...                     only=["qingdao-2024"], undated=True)
    >>> [(each.rule, each.verdict) for each in found.failures]
    [('sponge-city', 'fail')]
    """
    catalog = setting.catalog
    place = str(facts.get("place"))
    places = [place] if place in catalog.places else [each.id for each in catalog.places if each.parent is None]
    rules = binding_rules(catalog, as_of=as_of, places=places, only=only)
    day = as_of if undated else None
    frame = thing_frame(facts, catalog)
    checks = check_rules(frame, rules, catalog, as_of=as_of, stage=stage, undated=day, not_applicable=True)
    shown = [
        use
        for use, verdict in zip(rules, checks["verdict"], strict=True)
        if not_applicable or verdict != "not_applicable"
    ]
    return ProjectCheck(
        facts=dict(facts),
        explanations=tuple(explain(facts, use, catalog, as_of=as_of, stage=stage, undated=day) for use in shown),
        passed_over=len(rules) - len(shown),
        as_of=as_of,
        undated=undated and bool((checks["dated_by"] == JUDGEMENT_DAY).any()),
    )


def check_programme(
    setting: Setting,
    things: pl.DataFrame,
    *,
    as_of: date,
    place: str | None = None,
    stage: str | None = None,
    only: Collection[str] | None = None,
    chunk: int = _CHUNK,
    listener: Listener = silent,
) -> Programme:
    """Check every project of a programme.

    Parameters
    ----------
    setting : Setting
    things : DataFrame, shape (project, field)
        As `project_things` gives it.
    as_of : date
    place : str, optional
        Only projects of this place and below.
    stage, only
        As for `check_facts`.
    chunk : int
        Projects checked at a time; it changes no answer.
    listener : Listener
    """
    catalog = setting.catalog
    if place is not None:
        things = rows_within(things, "place", place, catalog.places, as_of=as_of)
    known = {name for name in things["place"].unique() if name in catalog.places} or None
    rules = binding_rules(catalog, as_of=as_of, places=known, only=only)
    names = things.select("key", name="project_name") if "project_name" in things.columns else None
    counts, failing = [], []
    for start in range(0, things.height, chunk):
        listener("核查义务 / check obligations", start, things.height)
        checks = check_rules(things[start : start + chunk], rules, catalog, as_of=as_of, stage=stage)
        counts.append(count_checks(checks, ("rulebook", "rule", "place")))
        failing.append(checks.filter((pl.col("verdict") == "fail") & (pl.col("due") != "no")))
    by = ["rulebook", "rule", "place"]
    nothing = pl.DataFrame(schema=CHECK_SCHEMA)
    total = pl.concat([count_checks(nothing, by), *counts]).group_by(by, maintain_order=True).sum()
    failures = pl.concat([nothing, *failing])
    named = (
        failures.with_columns(name=pl.lit(None, pl.String))
        if names is None
        else failures.join(names, on="key", how="left", maintain_order="left")
    )
    return Programme(things.height, total, named, rules, as_of)


def render_list(report: Report, fonts: FontReport) -> dict[str, bytes]:
    """Return a check list as DOCX and XLSX, by file name."""
    return {f"{report.id}.docx": render_docx(report, fonts), f"{report.id}.xlsx": render_xlsx(report)}

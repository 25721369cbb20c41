"""Obligations on projects: rules of plans and standards, run over whole ledgers with three answers.

A rule is a condition and a requirement over project fields. It **fails** only where it surely applies and is surely not met,
**passes** only where it surely applies and is surely met; everything between is **unknown**, and the fields that keep it open
are named.

Conventions, each of them in the data:

- *Whose rule*: a rule binds the projects of its place and of all places below it, by the parents at the day of judgement.
- *Which date*: the first known of the rule's own `dated` fields, else of the rulebook's, else of `PLAN_DATES`.
- *From when*: the day on which the document was issued or came into force, and the first day of the rule's `from` year,
  whichever is later; `binds_earlier` lifts the first. Where only the year of the document is known, projects dated in that
  year are unknown. `valid_to` of a rulebook is the first day on which it no longer binds.
- *Which stage*: due from the earliest of the rule's stages on. Before it nothing is owed; after it an unknown answer is owed
  evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.ledger import FIELD_DTYPES, STAGE_ORDER
from dafeng.base.obligation import Stage, Strength
from dafeng.buildings.binding_rules import (
    PLAN_DATES,
    RuleUse,
    binding_rules,
    rules_of_plan,
    rules_of_rulebook,
)
from dafeng.buildings.rule_logic import Conditions, Mask, Truth, both
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import FieldType, expression_names

__all__ = [
    "CHECK_SCHEMA",
    "DOCUMENT_DATE",
    "JUDGEMENT_DAY",
    "PLAN_DATES",
    "RuleUse",
    "binding_rules",
    "check_rules",
    "count_checks",
    "rules_of_plan",
    "rules_of_rulebook",
]

DOCUMENT_DATE: Final = "document.issued_on"
"""Named among the missing where the day on which the document was issued is what keeps an answer open."""
JUDGEMENT_DAY: Final = "judgement.day"
"""Named as the deciding field where a project without dates is judged as of a given day."""

_NAME: Final = pl.Categorical()

CHECK_SCHEMA: Final[dict[str, pl.DataType]] = {
    "key": pl.String(),
    "place": pl.String(),
    "rulebook": _NAME,
    "rule": _NAME,
    "clause": _NAME,
    "strength": pl.Enum([strength.value for strength in Strength]),
    "soft": pl.Boolean(),
    "since": pl.Int32(),
    "verdict": pl.Enum(["pass", "fail", "unknown", "not_applicable"]),
    "applies": pl.Enum(["yes", "no", "unknown"]),
    "met": pl.Enum(["yes", "no", "unknown"]),
    "missing": pl.List(_NAME),
    "stage_due": _NAME,
    "due": pl.Enum(["yes", "no", "unknown"]),
    "owed": pl.Boolean(),
    "overdue": pl.Boolean(),
    "decided_on": pl.Date(),
    "dated_by": _NAME,
}
"""Columns of a check: whose (`key`, `place`) and which rule; the verdict with its two halves, whether the rule applies and
whether its requirement is met; the fields that keep an unknown verdict open; the stage from which the rule is due, whether the
thing has reached it, whether evidence is owed (unknown and due), whether the thing is past that stage without passing; the
date that decided and its field. `rulebook` is the id of a plan or of a rulebook."""


class _Dated(NamedTuple):
    bound: Truth
    day: pl.Series
    by: pl.Series


class _Staged(NamedTuple):
    due: Truth
    past: Mask


def check_rules(
    things: pl.DataFrame,
    rules: Sequence[RuleUse],
    catalog: Catalog,
    *,
    as_of: date,
    stage: str | None = None,
    undated: date | None = None,
    not_applicable: bool = False,
) -> pl.DataFrame:
    """Run rules over things.

    Parameters
    ----------
    things : DataFrame, shape (thing, column)
        `key`, `place`, `stage` and project fields, numbers in the canonical unit of their field; null, a number that is none
        and a choice that the vocabulary does not know are unknown. A field without a column is unknown for all.
    rules : sequence of RuleUse
    catalog : Catalog
        Fields and places.
    as_of : date
        Day of judgement, for the parents of places.
    stage : str, optional
        Stage at which all things stand, in place of their own.
    undated : date, optional
        Day taken for things without any deciding date; they are unknown where None.
    not_applicable : bool
        Whether rules that surely do not apply to a thing give a row too.

    Returns
    -------
    DataFrame, shape (thing and rule, column)
        Of `CHECK_SCHEMA`: rules in the order given, under each the things in their order.

    Raises
    ------
    InputError
        A column cannot hold what its field holds, or `key` is absent.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rules = binding_rules(catalog, as_of=date(2026, 11, 20), only=["qingdao-2024"])
    >>> things = pl.DataFrame({"key": ["a"], "place": ["qingdao"], "permit_date": [date(2026, 3, 1)], "work": ["new"],
    ...                        "housing_grade": ["high_quality"], "green_star": [1.0]})
    >>> found = check_rules(things, rules, catalog, as_of=date(2026, 11, 20)).filter(rule="high-quality-housing-two-star")
    >>> found.select("verdict", "applies", "met", "dated_by").row(0)
    ('fail', 'yes', 'no', 'permit_date')
    """
    fields = catalog.field_types()
    frame = _prepared(things, rules, fields)
    if stage is not None:
        frame = frame.with_columns(stage=pl.lit(stage))
    scopes = _Scopes(frame, catalog, as_of, undated)
    conditions = Conditions(frame, fields, (text for use in rules for text in (use.rule.when, use.rule.require)))
    lists = _Lists()
    found = [_check(use, conditions, scopes, lists, all_rows=not_applicable) for use in rules]
    return _assembled(frame, rules, found, lists)


def _prepared(things: pl.DataFrame, rules: Sequence[RuleUse], fields: dict[str, FieldType]) -> pl.DataFrame:
    """Return key, place, stage and the fields that the rules name, each with the type of its field."""
    wanted = {
        name: None for use in rules for text in (use.rule.when, use.rule.require) for name in expression_names(text)
    }
    wanted |= {name: None for use in rules for name in use.dated}
    columns = []
    for name in dict.fromkeys(["key", "place", "stage", *wanted]):
        kind = fields[name].kind if name in fields else "text"
        dtype = FIELD_DTYPES[kind]
        if name not in things.columns:
            if name == "key":
                raise InputError("the things have no column key", doing="check obligations", expected="a column `key`")
            columns.append(pl.lit(None, dtype).alias(name))
            continue
        given = things.schema[name]
        fits = given == dtype or given == pl.Null or (given.is_numeric() and kind == "number")
        if not (fits or (isinstance(given, pl.Enum | pl.Categorical) and dtype == pl.String)):
            raise InputError(
                f"column {name} holds {given}",
                doing="check obligations",
                expected=f"{dtype}, as a field of type {kind} has",
                next_step="convert the column, or read the ledger anew",
            )
        column = pl.col(name).cast(dtype)
        if kind == "number":
            column = column.fill_nan(None)
        elif kind == "choice" and fields[name].options:
            column = pl.when(column.is_in(fields[name].options)).then(column)
        columns.append(column)
    return things.select(columns)


class _Scopes:
    """Marks by place, date and stage, each computed once for all rules that share them."""

    def __init__(self, frame: pl.DataFrame, catalog: Catalog, as_of: date, undated: date | None) -> None:
        self._frame, self._undated = frame, undated
        self._catalog, self._as_of = catalog, as_of
        self._above = {
            place: {place, *catalog.places.ancestor_ids(place, as_of)}
            for place in frame["place"].unique()
            if place is not None and place in catalog.places
        }
        self._rank = frame["stage"].replace_strict(
            {name: rank for name, rank in STAGE_ORDER.items() if name}, default=None, return_dtype=pl.Int8
        )
        self._places: dict[str, Truth] = {}
        self._dates: dict[object, _Dated] = {}
        self._stages: dict[tuple[Stage, ...], _Staged] = {}

    def place(self, use: RuleUse) -> Truth:
        if use.place not in self._places:
            self._places[use.place] = Truth.of(self._placed(use.place))
        return self._places[use.place]

    def dates(self, use: RuleUse) -> _Dated:
        key = (use.dated, use.earliest, use.certain, use.until)
        if key not in self._dates:
            self._dates[key] = self._dated(use)
        return self._dates[key]

    def stages(self, use: RuleUse) -> _Staged:
        if use.rule.stage not in self._stages:
            self._stages[use.rule.stage] = self._staged(use.rule.stage)
        return self._stages[use.rule.stage]

    def _placed(self, place: str) -> pl.Series:
        known = {name: place in above for name, above in self._above.items()}
        everywhere = place in self._catalog.places and self._catalog.places.get(place).parent_at(self._as_of) is None
        answer = self._frame["place"].replace_strict(known, default=None, return_dtype=pl.Boolean)
        return answer.fill_null(True) if everywhere else answer

    def _dated(self, use: RuleUse) -> _Dated:
        day = pl.coalesce(*use.dated)
        by = pl.coalesce(*(pl.when(pl.col(name).is_not_null()).then(pl.lit(name, _NAME)) for name in use.dated))
        if self._undated is not None:
            day, by = day.fill_null(self._undated), by.fill_null(pl.lit(JUDGEMENT_DAY, _NAME))
        begun = pl.lit(True)
        if use.earliest is not None and use.certain is not None:
            begun = pl.when(day >= use.certain).then(True).when(day < use.earliest).then(False)
        ended = pl.lit(False) if use.until is None else day >= use.until
        marks = self._frame.select(bound=begun & ~ended, day=day, by=by)
        return _Dated(Truth.of(marks["bound"]), marks["day"], marks["by"])

    def _staged(self, stages: tuple[Stage, ...]) -> _Staged:
        first = min((STAGE_ORDER[stage] for stage in stages), default=None)
        if first is None:
            everything = np.ones(self._frame.height, dtype=np.bool_)
            return _Staged(Truth(everything, ~everything), ~everything)
        return _Staged(Truth.of(self._rank >= first), (self._rank > first).fill_null(False).to_numpy())


class _Lists:
    """Lists of missing names, each kept once and pointed at by number; the first is empty."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], int] = {(): 0}

    @property
    def names(self) -> list[list[str]]:
        """The lists in the order of their numbers."""
        return [list(each) for each in self._known]

    def numbers(self, asked: Mapping[str, Mask], rows: NDArray[np.intp]) -> NDArray[np.uint32]:
        """Return for each row the number of the list of names asked for there."""
        names = list(asked)
        codes = np.zeros(rows.size, dtype=np.uint64)
        for bit, name in enumerate(names):
            codes |= asked[name][rows].astype(np.uint64) << np.uint64(bit)
        distinct, inverse = np.unique(codes, return_inverse=True) if codes.size else (codes, codes)
        lists = [tuple(name for bit, name in enumerate(names) if code >> bit & 1) for code in distinct.tolist()]
        numbers = np.array([self._known.setdefault(each, len(self._known)) for each in lists], dtype=np.uint32)
        return numbers[inverse]


class _Found(NamedTuple):
    """Answers of one rule for the things that it concerns."""

    rows: NDArray[np.intp]
    verdict: NDArray[np.uint8]
    applies: NDArray[np.uint8]
    met: NDArray[np.uint8]
    due: NDArray[np.uint8]
    past: Mask
    missing: NDArray[np.uint32]
    day: pl.Series
    by: pl.Series


def _check(use: RuleUse, conditions: Conditions, scopes: _Scopes, lists: _Lists, *, all_rows: bool) -> _Found:
    place, dates, stages = scopes.place(use), scopes.dates(use), scopes.stages(use)
    applies = both(conditions.truth(use.rule.when), place, dates.bound)
    met = conditions.truth(use.rule.require)
    rows = np.arange(applies.yes.size) if all_rows else np.flatnonzero(~applies.no)
    sure, never = applies.yes[rows], applies.no[rows]
    passing, failing = sure & met.yes[rows], sure & met.no[rows]
    verdict = 2 - 2 * passing.view(np.uint8) - failing.view(np.uint8) + never.view(np.uint8)
    missing = np.zeros(rows.size, dtype=np.uint32)
    is_open = verdict == 2
    if is_open.any():
        asked = _asked(use, conditions, applies.open, place, dates)
        missing[is_open] = lists.numbers(asked, rows[is_open])
    chosen = pl.Series(rows)
    return _Found(
        rows=rows,
        verdict=verdict,
        applies=_coded(applies, rows),
        met=_coded(met, rows),
        due=_coded(stages.due, rows),
        past=stages.past[rows],
        missing=missing,
        day=dates.day.gather(chosen),
        by=dates.by.gather(chosen),
    )


def _coded(truth: Truth, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    return 2 - 2 * truth.yes[rows].view(np.uint8) - truth.no[rows].view(np.uint8)


def _asked(use: RuleUse, conditions: Conditions, unsure: Mask, place: Truth, dates: _Dated) -> dict[str, Mask]:
    """Return where each name keeps a verdict open: condition first, then requirement, place and date."""
    asked = {name: mask & unsure for name, mask in conditions.asked(use.rule.when).items()}
    known = dates.day.is_not_null().to_numpy()
    undated = dates.bound.open & unsure
    more = list(conditions.asked(use.rule.require).items())
    more += [("place", place.open & unsure), (use.dated[0], undated & ~known), (DOCUMENT_DATE, undated & known)]
    for name, mask in more:
        asked[name] = asked[name] | mask if name in asked else mask
    return asked


def _assembled(frame: pl.DataFrame, rules: Sequence[RuleUse], found: Sequence[_Found], lists: _Lists) -> pl.DataFrame:
    if not found:
        return pl.DataFrame(schema=CHECK_SCHEMA)
    firsts = [min(use.rule.stage, key=lambda item: STAGE_ORDER[item], default=None) for use in rules]
    said = pl.DataFrame(
        {
            "rulebook": [use.rulebook for use in rules],
            "rule": [use.rule.id for use in rules],
            "clause": [use.rule.clause for use in rules],
            "strength": [use.rule.strength.value for use in rules],
            "soft": [use.rule.soft or use.rule.strength is Strength.ENCOURAGED for use in rules],
            "since": [use.rule.since for use in rules],
            "stage_due": [None if first is None else first.value for first in firsts],
        },
        schema_overrides={
            name: CHECK_SCHEMA[name] for name in ("rulebook", "rule", "clause", "strength", "since", "stage_due")
        },
    )
    rows = pl.Series(np.concatenate([each.rows for each in found]))
    which = pl.Series(np.repeat(np.arange(len(found), dtype=np.uint32), [each.rows.size for each in found]))
    verdict = np.concatenate([each.verdict for each in found])
    due = np.concatenate([each.due for each in found])
    past = np.concatenate([each.past for each in found])
    answers = pl.Series(["yes", "no", "unknown"], dtype=CHECK_SCHEMA["applies"])
    missing = pl.Series(lists.names, dtype=pl.List(pl.String)).cast(CHECK_SCHEMA["missing"])
    return (
        said[which]
        .with_columns(
            frame["key"].gather(rows),
            frame["place"].gather(rows),
            pl.Series(["pass", "fail", "unknown", "not_applicable"], dtype=CHECK_SCHEMA["verdict"])
            .gather(pl.Series(verdict))
            .alias("verdict"),
            answers.gather(pl.Series(np.concatenate([each.applies for each in found]))).alias("applies"),
            answers.gather(pl.Series(np.concatenate([each.met for each in found]))).alias("met"),
            missing.gather(pl.Series(np.concatenate([each.missing for each in found]))).alias("missing"),
            answers.gather(pl.Series(due)).alias("due"),
            pl.Series("owed", (verdict == 2) & (due == 0)),
            pl.Series("overdue", ((verdict == 1) | (verdict == 2)) & past),
            pl.concat([each.day for each in found]).alias("decided_on"),
            pl.concat([each.by for each in found]).alias("dated_by"),
        )
        .select(*CHECK_SCHEMA)
    )


def count_checks(checks: pl.DataFrame, by: Sequence[str] = ("rulebook", "rule")) -> pl.DataFrame:
    """Count things by verdict under each rule, or under each rule and place.

    Parameters
    ----------
    checks : DataFrame
        Of `CHECK_SCHEMA`.
    by : sequence of str
        Columns to group by.

    Returns
    -------
    DataFrame
        The columns of `by`, then ``fails``, ``fails_early`` (not yet due), ``owed``, ``open`` (unknown, not owed), ``passes``.

    Examples
    --------
    >>> count_checks(pl.DataFrame(schema=CHECK_SCHEMA)).columns
    ['rulebook', 'rule', 'fails', 'fails_early', 'owed', 'open', 'passes']
    """
    verdict, early = pl.col("verdict"), pl.col("due") == "no"
    return checks.group_by(list(by), maintain_order=True).agg(
        fails=((verdict == "fail") & ~early).sum(),
        fails_early=((verdict == "fail") & early).sum(),
        owed=pl.col("owed").sum(),
        open=((verdict == "unknown") & ~pl.col("owed")).sum(),
        passes=(verdict == "pass").sum(),
    )

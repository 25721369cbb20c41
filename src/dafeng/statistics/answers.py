"""Who was asked, who answered, and the chase list (催报): issues held against what the lake holds and what came back.

What counts as answered is read from the observations of a body's dataset; answers of returned forms (`ANSWER_SCHEMA`) add
what observations cannot say: figures that were refused, lines left blank, forms about buildings and institutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.form import ANSWER_SCHEMA, FormIssue, line_frame, return_dataset
from dafeng.base.observation import BREAKDOWNS, SCHEMA

__all__ = ["CHASE_SCHEMA", "FORM_STATES", "Standing", "standing"]

FORM_STATES: Final[dict[str, str]] = {
    "not_returned": "未报",
    "partly": "部分报送",
    "with_errors": "有误待改",
    "complete": "已报齐",
}
"""States of a form in Chinese; lateness stands beside them."""
CHASE_SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("body", "body_name", "place", "place_name", "issue", "form", "period"), pl.String()),
    "due": pl.Date(),
    "days_overdue": pl.Int64(),
    "state": pl.String(),
    "missing": pl.Int64(),
    "refused": pl.Int64(),
    "what": pl.String(),
}
"""Columns of the chase list: ``missing`` and ``refused`` count lines, ``what`` names them."""
_NAMED: Final = 12
_KEY: Final = ("indicator", "value_place", "extent", *BREAKDOWNS, "basis", "period")


@dataclass(frozen=True)
class Standing:
    """Where the returns of a cycle stand on a day.

    Parameters
    ----------
    as_of : date
    lines : DataFrame
        One a line asked for: columns of `base.form.LINE_SCHEMA`, ``state`` (answered, reason_given, refused, blank,
        not_returned), ``returned_on`` and ``document``.
    forms : DataFrame
        One an issue: issue, form, body, body_name, place, place_name, period, due, asked, required, answered, reasons,
        refused, missing (required lines without figure or reason), state (`FORM_STATES`), returned_on (first return), late
        (first returned after the due day, or overdue and not complete), days_overdue (0 where complete or not yet due).
    bodies : DataFrame
        One a body: forms, complete, days_overdue (the longest), missing.
    chase : DataFrame, columns of `CHASE_SCHEMA`
        What has to be asked for again, the longest overdue first. Forms not yet due stand last with 0 days.
    """

    as_of: date
    lines: pl.DataFrame
    forms: pl.DataFrame
    bodies: pl.DataFrame
    chase: pl.DataFrame


def standing(
    issues: Sequence[FormIssue],
    facts: pl.DataFrame | None = None,
    answers: pl.DataFrame | None = None,
    *,
    as_of: date,
    titles: dict[str, str] | None = None,
) -> Standing:
    """Return who answered what.

    Parameters
    ----------
    issues : sequence of FormIssue
        What was asked, of whom, until when.
    facts : DataFrame, optional
        Observations (`base.observation.SCHEMA`); those of datasets ``return-<body>`` count as answers.
    answers : DataFrame, optional
        Answers of returned forms (`base.form.ANSWER_SCHEMA`); of one line the latest counts. They go before facts.
    as_of : date
        Day of the question; what was recorded later is not seen.
    titles : mapping, optional
        Form to its name, for the forms that are named by id otherwise.

    Returns
    -------
    Standing

    Examples
    --------
    >>> standing([], as_of=date(2026, 4, 1)).chase.height
    0
    """
    lines = line_frame(issues).with_row_index("order").lazy()
    known = _facts(facts, as_of)
    said = _answers(answers, as_of)
    joined = (
        lines.with_columns(dataset=pl.format("{}{}", pl.lit(return_dataset("")), "body"))
        .join(known, on=[*_KEY, "dataset"], how="left", nulls_equal=True)
        .join(said, on=["issue", "line"], how="left")
        .join(said.group_by("issue").agg(form_on=pl.col("said_on").min()), on="issue", how="left")
    )
    newer = pl.col("said_on").is_not_null() & (pl.col("fact_on").is_null() | (pl.col("said_on") >= pl.col("fact_on")))
    state = (
        pl.when(newer)
        .then(pl.col("said"))
        .when(pl.col("fact").is_not_null())
        .then(pl.col("fact"))
        .otherwise(pl.lit("blank"))
    )
    judged = joined.with_columns(
        state=state,
        returned_on=pl.min_horizontal("said_on", "fact_on"),
        document=pl.when(newer).then("said_document").otherwise("fact_document"),
    )
    first = pl.min_horizontal(pl.col("returned_on").min(), pl.col("form_on").min()).over("issue")
    judged = judged.with_columns(
        state=pl.when((pl.col("state") == "blank") & first.is_null()).then(pl.lit("not_returned")).otherwise("state"),
        form_on=first,
    )
    frame = judged.sort("order").collect()
    forms = _forms(frame, as_of)
    named = frame.select(*line_frame([]).columns, "state", "returned_on", "document")
    return Standing(as_of, named, forms, _bodies(forms), _chase(frame, forms, titles or _titles(issues)))


def _titles(issues: Sequence[FormIssue]) -> dict[str, str]:
    return {issue.form: issue.title for issue in issues}


def _facts(facts: pl.DataFrame | None, as_of: date) -> pl.LazyFrame:
    """Return the latest fact of each key and dataset of returns, as answers."""
    frame = pl.DataFrame(schema=SCHEMA) if facts is None else facts
    day = pl.col("recorded_at").dt.date()
    return (
        frame.lazy()
        .filter(pl.col("dataset").str.starts_with(return_dataset("")) & (day <= as_of) & (pl.col("scenario") == ""))
        .sort("recorded_at")
        .group_by("indicator", "place", "extent", *BREAKDOWNS, "basis", "period", "dataset")
        .agg(
            pl.col("value").last(),
            pl.col("review").last(),
            fact_on=day.min(),
            fact_document=pl.col("lineage").last().str.split("#").list.first(),
        )
        .filter(pl.col("review") != "withdrawn")
        .with_columns(
            fact=pl.when(pl.col("value").is_null()).then(pl.lit("reason_given")).otherwise(pl.lit("answered"))
        )
        .rename({"place": "value_place"})
        .drop("value", "review")
    )


def _answers(answers: pl.DataFrame | None, as_of: date) -> pl.LazyFrame:
    """Return the latest answer of each line; for a form of rows the worst of its rows."""
    frame = pl.DataFrame(schema=ANSWER_SCHEMA) if answers is None else answers
    order = {"refused": 0, "blank": 1, "reason_given": 2, "answered_with_finding": 3, "answered": 4}
    words = {0: "refused", 1: "blank", 2: "reason_given", 3: "answered", 4: "answered"}
    day = pl.col("recorded_at").dt.date()
    return (
        frame.lazy()
        .filter(day <= as_of)
        .with_columns(latest=pl.col("recorded_at").max().over("issue"), first_on=day.min().over("issue"))
        .filter(pl.col("recorded_at") == pl.col("latest"))
        .group_by("issue", "line")
        .agg(
            rank=pl.col("state").replace_strict(order, return_dtype=pl.Int64()).min(),
            said_on=pl.col("first_on").min(),
            said_document=pl.col("document").last(),
        )
        .with_columns(said=pl.col("rank").replace_strict(words, return_dtype=pl.String()))
        .drop("rank")
    )


_IDENTITY: Final = ("issue", "form", "body", "body_name", "place", "place_name", "period", "due")


def _forms(lines: pl.DataFrame, as_of: date) -> pl.DataFrame:
    needed = pl.col("required")
    lacking = pl.col("state").is_in(["blank", "not_returned"])
    refused = pl.col("state") == "refused"
    counted = lines.group_by(_IDENTITY, maintain_order=True).agg(
        asked=pl.len().cast(pl.Int64),
        required=needed.sum().cast(pl.Int64),
        answered=(pl.col("state") == "answered").sum().cast(pl.Int64),
        reasons=(pl.col("state") == "reason_given").sum().cast(pl.Int64),
        refused=refused.sum().cast(pl.Int64),
        missing=(needed & lacking).sum().cast(pl.Int64),
        returned_on=pl.col("form_on").min(),
    )
    state = (
        pl.when(pl.col("returned_on").is_null())
        .then(pl.lit("not_returned"))
        .when(pl.col("refused") > 0)
        .then(pl.lit("with_errors"))
        .when(pl.col("missing") > 0)
        .then(pl.lit("partly"))
        .otherwise(pl.lit("complete"))
    )
    overdue = (pl.lit(as_of) - pl.col("due")).dt.total_days()
    open_still = pl.col("state") != "complete"
    return counted.with_columns(state=state).with_columns(
        late=(pl.col("returned_on") > pl.col("due")).fill_null(value=False) | (open_still & (overdue > 0)),
        days_overdue=pl.when(open_still & (overdue > 0)).then(overdue).otherwise(0),
    )


def _bodies(forms: pl.DataFrame) -> pl.DataFrame:
    return (
        forms.group_by("body", "body_name", maintain_order=True)
        .agg(
            forms=pl.len().cast(pl.Int64),
            complete=(pl.col("state") == "complete").sum().cast(pl.Int64),
            days_overdue=pl.col("days_overdue").max(),
            missing=pl.col("missing").sum(),
            refused=pl.col("refused").sum(),
        )
        .sort("days_overdue", "missing", descending=True, maintain_order=True)
    )


def _chase(lines: pl.DataFrame, forms: pl.DataFrame, titles: dict[str, str]) -> pl.DataFrame:
    """Return what is to be asked for again: of a form not returned its name, else the lines that lack."""
    wanted = (pl.col("required") & (pl.col("state") == "blank")) | (pl.col("state") == "refused")
    what = (
        lines.filter(wanted)
        .with_columns(
            told=pl.when(pl.col("state") == "refused").then(pl.format("{}（有误）", "title")).otherwise(pl.col("title"))
        )
        .group_by("issue", maintain_order=True)
        .agg(pl.col("told").unique(maintain_order=True))
        .with_columns(
            listed=pl.col("told").list.head(_NAMED).list.join("、"),
            more=pl.col("told").list.len().cast(pl.Int64) - _NAMED,
        )
        .select(
            "issue",
            lacking=pl.when(pl.col("more") > 0)
            .then(pl.format("{}等 {} 项", "listed", pl.col("more") + _NAMED))
            .otherwise(pl.col("listed")),
        )
    )
    title = pl.col("form").replace_strict(titles, default=pl.col("form"), return_dtype=pl.String())
    return (
        forms.filter(pl.col("state") != "complete")
        .join(what, on="issue", how="left", maintain_order="left")
        .with_columns(
            what=pl.when(pl.col("state") == "not_returned")
            .then(pl.format("《{}》全表未报", title))
            .otherwise(pl.format("《{}》：{}", title, pl.col("lacking").fill_null("")))
        )
        .sort("days_overdue", "body", "place", "form", descending=[True, False, False, False])
        .select(pl.col(name).cast(kind) for name, kind in CHASE_SCHEMA.items())
    )

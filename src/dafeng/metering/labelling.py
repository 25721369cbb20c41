"""Labels of energy use: only by a rule that somebody has stated, and printed with it."""

from __future__ import annotations

from typing import Final, Self

import polars as pl
from pydantic import Field, model_validator

from dafeng.base.record import Record

__all__ = ["LABEL_SCHEMA", "LabelRule", "LabelStep", "energy_labels"]

LABEL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "year": pl.Int64(),
    "label": pl.String(),
    "rule": pl.String(),
    "reason": pl.String(),
}
"""Columns of labels; null with a reason where the rule gives none."""


class LabelStep(Record):
    """A label and the corrected use up to which it is given."""

    label: str
    """五星, A级 …"""
    at_most: float = Field(gt=0)
    """Multiple of constraint or guide value."""
    of: str = Field(pattern=r"^(constraint|guide)$")
    """Which value is multiplied."""


class LabelRule(Record):
    """Who gives which label for which use.

    Examples
    --------
    >>> rule = LabelRule(title="某市能耗标识办法", source="某文号", steps=(LabelStep(label="优", at_most=1, of="guide"),
    ...                  LabelStep(label="良", at_most=1, of="constraint")))
    >>> rule.steps[0].label
    '优'
    """

    title: str = Field(min_length=1)
    """Name of the rule, printed with every label."""
    source: str = Field(min_length=1)
    """Document that states it."""
    steps: tuple[LabelStep, ...] = Field(min_length=1)
    """Labels from the best to the worst; above the last there is none."""
    below: str | None = None
    """Label of what is above the last step; none where None."""

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [step.label for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("a label stands twice")
        return self


def energy_labels(verdicts: pl.DataFrame, rule: LabelRule) -> pl.DataFrame:
    """Return the label of each building by its non-heating use, where the rule is sure of it.

    Parameters
    ----------
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
    rule : LabelRule

    Returns
    -------
    DataFrame of `LABEL_SCHEMA`
        Both ends of the range of use must come to the same label.
    """
    rows = verdicts.filter((pl.col("measure") == "non_heating") & (pl.col("part") == "main"))

    def label(name: str) -> pl.Expr:
        fits = [pl.when(pl.col(name) <= pl.col(step.of) * step.at_most).then(pl.lit(step.label)) for step in rule.steps]
        return pl.when(pl.col(name).is_not_null()).then(pl.coalesce([*fits, pl.lit(rule.below)]))

    low, high = label("corrected_low"), label("corrected_high")
    judged = pl.col("verdict").is_in(["guide", "constraint", "over"])
    same = judged & low.eq_missing(high) & pl.col("corrected_high").is_not_null()
    return rows.select(
        "building",
        "year",
        label=pl.when(same).then(high),
        rule=pl.lit(rule.title),
        reason=pl.when(~judged)
        .then(pl.format("定额结论待定：{}", pl.col("reason")))
        .when(~same)
        .then(pl.lit("用能上下限的等级不同"))
        .when(high.is_null())
        .then(pl.lit("高于最低一级"))
        .otherwise(pl.lit("")),
    ).select(pl.col(name).cast(kind) for name, kind in LABEL_SCHEMA.items())

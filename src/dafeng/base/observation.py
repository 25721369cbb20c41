"""The Observation: the one shape of fact that runs through the house.

Rows live in Polars frames of `SCHEMA`; `Observation` is the same row as a record, for single facts and for tests. The key
is everything before ``value`` together with ``dataset``; two datasets may disagree for ever. Exactly one of ``value`` and
``missing_reason`` is set. ``recorded_at`` (when the house learned it) and ``published_on`` (when the source said it) are
two clocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, Self

import polars as pl
from pydantic import model_validator

from dafeng.base.finding import Finding
from dafeng.base.place import Extent
from dafeng.base.record import Record

__all__ = [
    "BREAKDOWNS",
    "FACT_KINDS",
    "KEY",
    "SCHEMA",
    "MissingReason",
    "Observation",
    "ObservationKind",
    "Review",
    "check_observations",
    "observation_frame",
]


class ObservationKind(StrEnum):
    """How a figure came about."""

    REPORTED = "reported"
    COMPUTED = "computed"
    ESTIMATED = "estimated"
    PROJECTED = "projected"
    DEMONSTRATION = "demonstration"


class Review(StrEnum):
    """How far a figure has been reviewed."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    SEALED = "sealed"
    WITHDRAWN = "withdrawn"


class MissingReason(StrEnum):
    """Why there is no value; a blank is never a zero."""

    NOT_REPORTED = "not_reported"
    NOT_APPLICABLE = "not_applicable"
    NOT_AVAILABLE = "not_available"
    CONFIDENTIAL = "confidential"
    BELOW_PRECISION = "below_precision"
    WITHDRAWN = "withdrawn"
    QUARANTINED = "quarantined"


BREAKDOWNS: Final = ("building_class", "carrier", "end_use", "boundary")
"""Breakdown columns; ``all`` is the total."""

SCHEMA: Final[dict[str, pl.DataType]] = {
    "indicator": pl.String(),
    "place": pl.String(),
    "extent": pl.String(),
    "period": pl.String(),
    "building_class": pl.String(),
    "carrier": pl.String(),
    "end_use": pl.String(),
    "boundary": pl.String(),
    "basis": pl.String(),
    "kind": pl.String(),
    "scenario": pl.String(),
    "member": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "coverage": pl.Float64(),
    "missing_reason": pl.String(),
    "dataset": pl.String(),
    "recorded_at": pl.Datetime("us", "UTC"),
    "published_on": pl.Date(),
    "review": pl.String(),
    "supersedes": pl.String(),
    "lineage": pl.String(),
}
"""Columns of every frame of observations, in order, with their Polars types."""

KEY: Final = (*list(SCHEMA)[: list(SCHEMA).index("value")], "dataset")
"""Columns that tell one fact from another."""

FACT_KINDS: Final = (ObservationKind.REPORTED, ObservationKind.COMPUTED, ObservationKind.ESTIMATED)
"""Kinds that speak of the real world as it was."""


class Observation(Record):
    """One fact, projection or stated gap.

    Examples
    --------
    >>> rail = Observation(indicator="urban_rail_length", place="qingdao", period="2024", value=352.68,
    ...                    dataset="mohurd-yearbook", recorded_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> rail.extent, rail.building_class, rail.missing_reason
    (<Extent.WHOLE: 'whole'>, 'all', None)
    """

    indicator: str
    """Indicator id."""
    place: str
    """Place id."""
    extent: Extent = Extent.WHOLE
    """Part of the place."""
    period: str
    """Canonical period text."""
    building_class: str = "all"
    """Breakdown by class of building."""
    carrier: str = "all"
    """Breakdown by energy carrier."""
    end_use: str = "all"
    """Breakdown by end use or sector."""
    boundary: str = "all"
    """Breakdown by component of the carbon boundary."""
    basis: str = ""
    """Basis of reckoning where an indicator has several (calorific, generation; basic, comprehensive)."""
    kind: ObservationKind = ObservationKind.REPORTED
    """How the figure came about."""
    scenario: str = ""
    """Scenario; empty for facts."""
    member: str = ""
    """Member of an ensemble: p05, p50, p95, mean; empty for facts."""
    value: float | None = None
    """Value in the indicator's canonical unit."""
    low: float | None = None
    """Lower end of the uncertainty, same unit."""
    high: float | None = None
    """Upper end."""
    coverage: float | None = None
    """Share of what should have been counted that was, 0 to 1."""
    missing_reason: MissingReason | None = None
    """Why there is no value."""
    dataset: str
    """Who says so."""
    recorded_at: datetime
    """When the house learned it, UTC."""
    published_on: date | None = None
    """When the source published it."""
    review: Review = Review.APPROVED
    """State of review."""
    supersedes: str | None = None
    """Version id of the fact that this one replaces."""
    lineage: str | None = None
    """Id into the lineage table."""

    @model_validator(mode="after")
    def _one_of_value_and_reason(self) -> Self:
        if (self.value is None) == (self.missing_reason is None):
            raise ValueError("exactly one of value and missing_reason is set")
        if self.recorded_at.tzinfo is None:
            raise ValueError("recorded_at needs a time zone")
        return self


def observation_frame(observations: Iterable[Observation] = ()) -> pl.DataFrame:
    """Return observations as a frame of `SCHEMA`, shape (observation, column).

    Examples
    --------
    >>> observation_frame().columns == list(SCHEMA)
    True
    """
    rows = [
        {**observation.model_dump(mode="python"), "recorded_at": observation.recorded_at.astimezone(UTC)}
        for observation in observations
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def check_observations(frame: pl.DataFrame) -> list[Finding]:
    """Return what is wrong with the shape of a frame of observations.

    Parameters
    ----------
    frame : DataFrame, shape (observation, column)

    Returns
    -------
    list of Finding
        Empty where columns and types are those of `SCHEMA`, no key column is null, each row has exactly one of value and
        reason, values are finite, low ≤ value ≤ high, and coverage lies in 0 to 1.

    Examples
    --------
    >>> check_observations(observation_frame())
    []
    """
    if dict(frame.schema) != SCHEMA:
        wrong = [name for name in SCHEMA if frame.schema.get(name) != SCHEMA[name]] + [
            name for name in frame.columns if name not in SCHEMA
        ]
        return [
            Finding(
                name="base.observation.schema",
                sentence=f"观测表的列或类型不符：{', '.join(wrong)}",
                expected="SCHEMA 中的列与类型",
                evidence={"columns": ", ".join(wrong)},
            )
        ]
    value, low, high, coverage = (pl.col(name) for name in ("value", "low", "high", "coverage"))
    laws = {
        "null-key": (pl.any_horizontal(pl.col(name).is_null() for name in KEY), "关键列不能为空"),
        "value-or-reason": (value.is_null() == pl.col("missing_reason").is_null(), "数值与缺失原因须且只须有一个"),
        "not-finite": (value.is_not_null() & ~value.is_finite(), "数值须为有限数"),
        "bounds": ((low > value) | (high < value) | (low > high), "下限不得高于数值或上限"),
        "coverage": (~coverage.is_between(0, 1), "覆盖率须在 0 与 1 之间"),
        "recorded-at": (pl.col("recorded_at").is_null(), "入库时间不能为空"),
    }
    counts = frame.select(**{name: condition.fill_null(False).sum() for name, (condition, _) in laws.items()}).row(
        0, named=True
    )
    return [
        Finding(
            name=f"base.observation.{name}",
            sentence=f"{laws[name][1]}（{count} 行）",
            evidence={"rows": count},
        )
        for name, count in counts.items()
        if count
    ]

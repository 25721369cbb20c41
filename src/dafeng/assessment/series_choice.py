"""Which values speak for a target: one filter over the whole frame, then one dataset for each period, the others as spread.

Same extent, place and breakdown first; then the datasets that the indicator ranks, then what was counted from ledgers that
cover nearly all (see `dafeng.assessment.ledgers`), then reported before computed before estimated, then the latest published.
Demonstration values speak only where nothing else does. Everything else is a reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, Literal

import polars as pl

from dafeng.assessment.records import OtherValue, ValueUse
from dafeng.base.errors import InputError, PeriodError
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS, SCHEMA, ObservationKind, Review
from dafeng.base.period import Period, PeriodKind
from dafeng.base.place import Extent
from dafeng.base.quantity import convert

__all__ = ["LEDGER_COVERAGE", "Cell", "Facts", "Point", "Series", "choose_series", "gather_facts"]

Row = Mapping[str, Any]
Shape = Literal["year", "plan", "part"]

LEDGER_COVERAGE: Final = 0.9
"""Coverage from which a count of a ledger goes before a return: below it too many things are not known to count."""
_KINDS: Final = [kind.value for kind in (*FACT_KINDS, ObservationKind.DEMONSTRATION)]
_REVIEWED: Final = [Review.APPROVED.value, Review.SEALED.value]
_UNREVIEWED: Final = [Review.DRAFT.value, Review.SUBMITTED.value]
_FIRST: Final = date.min.toordinal()


@dataclass(frozen=True)
class Point:
    """The value of one year."""

    year: int
    value: float
    use: ValueUse


@dataclass(frozen=True)
class Cell:
    """What a target speaks of: place, extent, basis and breakdown."""

    place: str
    extent: Extent
    basis: str
    breakdown: tuple[str, ...] = ("all",) * len(BREAKDOWNS)


@dataclass(frozen=True)
class Series:
    """Values of one cell.

    `points` has the chosen value of each year, `of_dataset` the yearly values of each dataset by itself, `parts` the chosen
    value of each part of a year by its end, `plans` that of each plan period, `missing` the stated reason of each year that
    has no value.
    """

    points: tuple[Point, ...] = ()
    of_dataset: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    parts: tuple[tuple[Period, ValueUse], ...] = ()
    plans: tuple[tuple[Period, ValueUse], ...] = ()
    missing: Mapping[int, str] = field(default_factory=dict)

    @property
    def latest(self) -> Point | None:
        """The latest yearly value."""
        return self.points[-1] if self.points else None

    @property
    def part_year(self) -> ValueUse | None:
        """The latest part-year value that ends after the latest full year."""
        if not self.parts:
            return None
        period, use = self.parts[-1]
        ended = date(self.points[-1].year + 1, 1, 1) if self.points else date.min
        return use if period.end > ended else None

    def own_line(self) -> tuple[Point, ...]:
        """Return the yearly values of the dataset that gave the latest one: datasets are never joined to one trend."""
        return self.of_dataset.get(self.points[-1].use.dataset, self.points) if self.points else ()

    def at(self, year: int) -> Point | None:
        """Return the value of a year."""
        return next((point for point in self.points if point.year == year), None)

    def up_to(self, year: int) -> tuple[Point, ...]:
        """Return the values of the years up to and with `year`."""
        return tuple(point for point in self.points if point.year <= year)


@dataclass(frozen=True)
class Facts:
    """The facts that a plan can be judged by, split by indicator once."""

    by_indicator: Mapping[str, pl.DataFrame]
    findings: tuple[Finding, ...]

    def cells(self, indicator: str, places: Sequence[str]) -> dict[Cell, list[Row]]:
        """Return the rows of an indicator at some places, by cell."""
        frame = self.by_indicator.get(indicator)
        found: dict[Cell, list[Row]] = defaultdict(list)
        if frame is not None:
            for row in frame.filter(pl.col("place").is_in(list(places))).iter_rows(named=True):
                found[
                    Cell(row["place"], Extent(row["extent"]), row["basis"], tuple(row[name] for name in BREAKDOWNS))
                ].append(row)
        return dict(found)


def gather_facts(
    observations: pl.DataFrame,
    *,
    indicators: Sequence[str],
    places: Sequence[str],
    as_of: date,
    include_unreviewed: bool = False,
) -> Facts:
    """Filter a frame once for a whole plan, and split it by indicator.

    Parameters
    ----------
    observations : DataFrame, shape (observation, column)
        Columns of `SCHEMA`; a column `version` is used where present.
    indicators, places : sequence of str
        What the plan speaks of, with the places below for reference.
    as_of : date
        A period that ends after this day, or a value published after it, is not known yet.
    include_unreviewed : bool
        Whether drafts and submitted values count.

    Returns
    -------
    Facts
        With a finding for each kind of row left out.

    Raises
    ------
    InputError
        A column of `SCHEMA` is missing.
    """
    absent = [name for name in SCHEMA if name not in observations.columns]
    if absent:
        raise InputError(
            f"columns {', '.join(absent)} are missing",
            doing="assess a plan",
            expected="a frame of observations",
            next_step="read the frame from the lake, or import the table",
        )
    frame = observations.filter(
        pl.col("indicator").is_in(list(indicators)) & pl.col("place").is_in(list(places)) & (pl.col("scenario") == "")
    )
    periods, findings = _read_periods(frame["period"].unique().to_list())
    frame = frame.join(periods, on="period", how="inner")
    fact = pl.col("kind").is_in(_KINDS)
    valued = pl.col("value").is_not_null()
    late = pl.col("_last") > as_of
    unpublished = pl.col("published_on").is_not_null() & (pl.col("published_on") > as_of)
    reviewed = pl.col("review").is_in(_REVIEWED + (_UNREVIEWED if include_unreviewed else []))
    past_projection = (pl.col("kind") == ObservationKind.PROJECTED.value) & ~late
    counts = frame.select(
        late=(fact & valued & reviewed & late).sum(),
        unpublished=(fact & valued & reviewed & ~late & unpublished).sum(),
        unreviewed=(fact & valued & ~reviewed & pl.col("review").is_in(_UNREVIEWED) & ~late).sum(),
        projected=past_projection.sum(),
    ).row(0, named=True)
    findings += _left_out(counts, as_of)
    kept = _telling_parts(frame.filter(fact & reviewed & ~late & ~unpublished))
    if "version" not in kept.columns:
        kept = kept.with_columns(version=pl.lit(None, dtype=pl.String()))
    return Facts(
        by_indicator={str(key[0]): part for key, part in kept.partition_by("indicator", as_dict=True).items()},
        findings=tuple(findings),
    )


def _read_periods(texts: Sequence[str]) -> tuple[pl.DataFrame, list[Finding]]:
    rows: list[tuple[str, date, int, Shape, bool]] = []
    findings: list[Finding] = []
    for text in sorted(texts):
        try:
            period = Period.parse(text)
        except PeriodError:
            findings.append(
                Finding(
                    name="assessment.period.unreadable",
                    sentence=f"时段“{text}”无法识别，该时段的数值未采用",
                    value=text,
                    expected="2024、2024-01..09 等标准写法",
                    next_step="更正数据的时段",
                )
            )
            continue
        january = period.start == date(period.year, 1, 1)
        rows.append((text, period.end - timedelta(days=1), period.year, _shape(period), january))
    schema = {
        "period": pl.String(),
        "_last": pl.Date(),
        "_year": pl.Int32(),
        "_shape": pl.String(),
        "_from_january": pl.Boolean(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row"), findings


def _shape(period: Period) -> Shape:
    if period.kind is PeriodKind.PLAN:
        return "plan"
    whole = period.start == date(period.year, 1, 1) and period.end == date(period.year + 1, 1, 1)
    return "year" if whole else "part"


def _telling_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop parts of a year that another of the same year outlasts: of months only the last, and the longest since January.

    States keep every row, for the first record of a run of them is the evidence.
    """
    demonstration = (pl.col("kind") == ObservationKind.DEMONSTRATION.value).alias("_demonstration")
    cell = ["indicator", "place", "extent", "basis", *BREAKDOWNS, "_shape", "_year", demonstration]
    lasts = pl.col("_last") == pl.col("_last").max().over(cell)
    longest = pl.col("_from_january") & (
        pl.col("_last") == pl.col("_last").max().over([*cell, pl.col("_from_january")])
    )
    binary = pl.col("value").is_in([0.0, 1.0]).all().over("indicator")
    return frame.filter((pl.col("_shape") != "part") | lasts | longest | binary)


def _left_out(counts: Mapping[str, int], as_of: date) -> list[Finding]:
    sentences = {
        "late": ("assessment.value.after-as-of", f"{{}}个数值的时段在{as_of}之后才结束，未采用"),
        "unpublished": ("assessment.value.published-later", f"{{}}个数值在{as_of}之后才发布，未采用"),
        "unreviewed": ("assessment.value.unreviewed", "{}个数值未经审定（草稿或待审），未采用"),
        "projected": ("assessment.value.projected-past", "{}个预测值所指年份已过，预测值不作判定依据"),
    }
    return [
        Finding(
            name=name,
            sentence=sentence.format(counts[key]),
            severity=Severity.INFO if key == "projected" else Severity.WARNING,
            evidence={"rows": counts[key]},
        )
        for key, (name, sentence) in sentences.items()
        if counts[key]
    ]


def choose_series(
    rows: Sequence[Row], *, precedence: Sequence[str] = (), counted: Collection[str] = (), unit: str, shown_unit: str
) -> Series:
    """Return the series of one cell, one dataset chosen for each period.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one cell, as `Facts.cells` gives them.
    precedence : sequence of str
        Datasets ranked by the indicator.
    counted : collection of str
        Datasets counted from ledgers that go before those that are not ranked, as far as their coverage is
        `LEDGER_COVERAGE`.
    unit, shown_unit : str
        Canonical unit, and the unit of the plan.
    """
    real = [row for row in rows if row["kind"] != ObservationKind.DEMONSTRATION and row["value"] is not None]
    valued = real or [row for row in rows if row["value"] is not None]
    ranks = {dataset: rank for rank, dataset in enumerate(precedence)}

    def place(row: Row) -> int:
        full = row["coverage"] is None or row["coverage"] >= LEDGER_COVERAGE
        return ranks.get(row["dataset"], len(ranks) + (not (row["dataset"] in counted and full)))

    def rank(row: Row) -> tuple[int, int, bool, int, float, str, float]:
        published = row["published_on"].toordinal() if row["published_on"] is not None else _FIRST
        return (
            place(row),
            _KINDS.index(row["kind"]),
            row["review"] not in _REVIEWED,
            -published,
            -row["recorded_at"].timestamp(),
            row["dataset"],
            row["value"],
        )

    first_of: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in sorted(valued, key=rank):
        first_of[row["period"]].setdefault(row["dataset"], row)
    by_period = {text: list(found.values()) for text, found in first_of.items()}
    uses = {
        text: [
            (row, _use(row, found if number == 0 else (), unit, shown_unit))
            for number, row in enumerate(found)
            if number == 0 or row["_shape"] == "year"
        ]
        for text, found in by_period.items()
    }
    points: dict[int, Point] = {}
    of_dataset: dict[str, dict[int, Point]] = defaultdict(dict)
    parts: list[tuple[Period, ValueUse]] = []
    plans: list[tuple[Period, ValueUse]] = []
    for text in sorted(uses):
        shape, year = by_period[text][0]["_shape"], by_period[text][0]["_year"]
        if shape != "year":
            (plans if shape == "plan" else parts).append((Period.parse(text), uses[text][0][1]))
            continue
        points.setdefault(year, Point(year, uses[text][0][1].value, uses[text][0][1]))
        for row, use in uses[text]:
            of_dataset[row["dataset"]].setdefault(year, Point(year, use.value, use))
    return Series(
        points=tuple(points[year] for year in sorted(points)),
        of_dataset={name: tuple(found[year] for year in sorted(found)) for name, found in of_dataset.items()},
        parts=tuple(sorted(parts, key=lambda pair: (pair[0].end, -pair[0].start.toordinal()))),
        plans=tuple(plans),
        missing={
            row["_year"]: row["missing_reason"]
            for row in sorted(rows, key=lambda row: str(row["dataset"]))
            if row["value"] is None and row["_shape"] == "year" and row["_year"] not in points
        },
    )


def _use(row: Row, found: Sequence[Row], unit: str, shown_unit: str) -> ValueUse:
    others = tuple(
        OtherValue(
            dataset=other["dataset"],
            value=other["value"],
            kind=ObservationKind(other["kind"]),
            published_on=other["published_on"],
            lineage=other["lineage"],
            version=other["version"],
        )
        for other in found
        if other is not row
    )
    return ValueUse.model_construct(  # rows of the lake have been checked; there may be very many
        period=row["period"],
        period_title=Period.parse(row["period"]).title,
        value=row["value"],
        unit=unit,
        shown_value=convert(row["value"], unit, shown_unit),
        shown_unit=shown_unit,
        place=row["place"],
        extent=Extent(row["extent"]),
        basis=row["basis"],
        dataset=row["dataset"],
        kind=ObservationKind(row["kind"]),
        published_on=row["published_on"],
        lineage=row["lineage"],
        version=row["version"],
        coverage=row["coverage"],
        part_year=row["_shape"] == "part",
        others=others,
    )

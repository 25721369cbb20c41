"""The evaluation over several years (五年评估): each year judged by the set in force, names followed over their drift.

A quantity keeps its indicator while its name changes; where a set puts another quantity in its place (栋 becomes 套) the line
ends and another begins, and the break is said. A year for which no set is known shows its values and judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.assessment.checkup import CheckUp, check_up
from dafeng.assessment.checkup_judging import item_unit
from dafeng.assessment.checkup_records import ItemState, SetTotal, Trend, Why, YearsLine
from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.observation import ObservationKind
from dafeng.base.quantity import conversion_factor
from dafeng.base.target import Direction
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.statistics_schemas import IndicatorSet, SetItem

__all__ = ["YearsEvaluation", "evaluate_years", "sets_in_force"]

_SLACK: Final = 1e-9


def sets_in_force(
    indicator_set: IndicatorSet, years: Sequence[int], catalog: Catalog
) -> dict[int, IndicatorSet | None]:
    """Return the set of each year out of the chain that a set stands in, None where none is known.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> force = sets_in_force(catalog.sets["checkup-2023"], range(2021, 2026), catalog)
    >>> [None if one is None else one.id for one in force.values()]
    ['checkup-2021', None, 'checkup-2023', 'checkup-2024', 'checkup-2024']
    """
    chain = {indicator_set.id: indicator_set}
    grown = True
    while grown:
        linked = [
            one
            for one in catalog.sets.values()
            if one.id not in chain
            and (one.follows in chain or any(known.follows == one.id for known in chain.values()))
        ]
        chain |= {one.id: one for one in linked}
        grown = bool(linked)
    return {
        year: max(
            (one for one in chain.values() if one.in_force(year)),
            key=lambda one: (one.valid_from, one.id),
            default=None,
        )
        for year in years
    }


@dataclass(frozen=True)
class _Key:
    """What makes two items of different sets the same quantity."""

    indicator: str
    extent: str
    basis: str
    breakdown: tuple[tuple[str, str], ...]
    share_of: str | None

    @property
    def text(self) -> str:
        parts = (self.indicator, self.extent, self.basis, self.share_of or "", *(f"{k}={v}" for k, v in self.breakdown))
        return "|".join(parts)


@dataclass(frozen=True)
class YearsEvaluation:
    """An evaluation over years: `frame` has one row for each quantity, place and year.

    Columns: key, number, set, place, year, in_force, state, value (in the unit of the latest set), dataset, kind, whole.
    `summary` has one row for each quantity and place: key, place, first_year, first_value, last_year, last_value, change,
    trend, state (of the last year), years_known, years_missing.
    """

    catalog: Catalog
    as_of: date
    places: tuple[str, ...]
    years: tuple[int, ...]
    force: dict[int, IndicatorSet | None]
    items: dict[str, tuple[IndicatorSet, SetItem]]
    frame: pl.DataFrame
    summary: pl.DataFrame
    check_ups: dict[str, CheckUp]
    findings: tuple[Finding, ...]

    def totals(self, place: str) -> dict[int, SetTotal]:
        """Return the total of each year that has a set in force."""
        return {year: self.check_ups[one.id].total(place, year) for year, one in self.force.items() if one is not None}

    def lines(self, place: str) -> tuple[YearsLine, ...]:
        """Return the lines of a place: items of the latest set in order, then those that it no longer has."""
        rows: dict[str, list[dict[str, Any]]] = {key: [] for key in self.items}
        for row in self.frame.filter(pl.col("place") == place).sort("year").iter_rows(named=True):
            rows[row["key"]].append(row)
        ends = {row["key"]: row for row in self.summary.filter(pl.col("place") == place).iter_rows(named=True)}
        return tuple(self._line(key, place, rows[key], ends[key]) for key in self.items)

    def _line(self, key: str, place: str, rows: list[dict[str, Any]], ends: dict[str, Any]) -> YearsLine:
        indicator_set, item = self.items[key]
        names = {
            year: other.title.zh
            for year, one in self.force.items()
            if one is not None
            for other in one.items
            if _key(other, self.catalog).text == key
        }
        used = [row for row in rows if row["value"] is not None]
        return YearsLine(
            number=item.number,
            title=item.title.zh,
            indicator=item.indicator,
            dimension=item.dimension,
            unit=item_unit(item, self.catalog),
            place=place,
            names=names,
            values={row["year"]: row["value"] for row in used},
            states={row["year"]: ItemState(row["state"]) for row in rows},
            **{name: ends[name] for name in ("first_year", "first_value", "last_year", "last_value", "change")},
            trend=ends["trend"],
            state=ItemState(ends["state"]),
            years_missing=tuple(row["year"] for row in rows if row["value"] is None),
            other_years=tuple(row["year"] for row in used if ends["dataset"] not in (None, row["dataset"])),
            breaks=_breaks(item, indicator_set, self.force, self.catalog),
            pending=item.pending or item.threshold_pending or self.catalog.indicators[item.indicator].pending,
            demonstration=any(row["kind"] == ObservationKind.DEMONSTRATION.value for row in used),
        )


def evaluate_years(
    indicator_set: IndicatorSet,
    observations: pl.DataFrame,
    catalog: Catalog,
    *,
    places: Sequence[str],
    first: int,
    last: int,
    as_of: date,
    include_unreviewed: bool = False,
) -> YearsEvaluation:
    """Evaluate several years, each by the set in force out of the chain of sets.

    Parameters
    ----------
    indicator_set : IndicatorSet
        Any set of the chain.
    observations : DataFrame
        As for `dafeng.assessment.checkup.check_up`.
    catalog : Catalog
    places : sequence of str
    first, last : int
        First and last year, both within.
    as_of : date
    include_unreviewed : bool

    Returns
    -------
    YearsEvaluation
        First and last value are those of the dataset that gave the last one; years that another dataset gave are listed, never
        joined. A count of which only a part was surveyed takes no part in the trend.

    Raises
    ------
    InputError
        The years run backwards, or no set of the chain is in force in any of them.
    """
    years = tuple(range(first, last + 1))
    force = sets_in_force(indicator_set, years, catalog)
    sets = list(dict.fromkeys(one.id for one in force.values() if one is not None))
    if not sets:
        raise InputError(
            f"no set of the chain of {indicator_set.id} is in force in {first}-{last}",
            doing="evaluate several years",
            expected="years within those of a set",
            next_step="choose other years or another set",
        )
    check_ups = {
        name: check_up(
            catalog.sets[name],
            observations,
            catalog,
            places=places,
            years=years,
            as_of=as_of,
            include_unreviewed=include_unreviewed,
        )
        for name in sets
    }
    items: dict[str, tuple[IndicatorSet, SetItem]] = {}
    for name in reversed(sets):
        for item in catalog.sets[name].items:
            items.setdefault(_key(item, catalog).text, (catalog.sets[name], item))
    frame = pl.concat([_of_set(one, force, items, catalog) for one in check_ups.values()])
    frame = (
        frame.sort("in_force", descending=True, maintain_order=True)
        .unique(["key", "place", "year"], keep="first", maintain_order=True)
        .with_columns(
            state=pl.when(pl.col("in_force"))
            .then(pl.col("state").cast(pl.String))
            .otherwise(pl.lit(ItemState.NO_THRESHOLD.value))
        )
    )
    found = [
        *_no_set(force),
        *(finding for one in check_ups.values() for finding in one.findings if "not-in-force" not in finding.name),
        *_broken(force, catalog),
    ]
    return YearsEvaluation(
        catalog=catalog,
        as_of=as_of,
        places=tuple(dict.fromkeys(places)),
        years=years,
        force=force,
        items=items,
        frame=frame,
        summary=_summary(frame, items, last),
        check_ups=check_ups,
        findings=tuple({finding.model_dump_json(): finding for finding in found}.values()),
    )


def _key(item: SetItem, catalog: Catalog) -> _Key:
    extent = item.extent or catalog.indicators[item.indicator].extent
    return _Key(item.indicator, extent.value, item.basis, tuple(sorted(item.breakdown.items())), item.share_of)


def _of_set(
    done: CheckUp,
    force: dict[int, IndicatorSet | None],
    items: dict[str, tuple[IndicatorSet, SetItem]],
    catalog: Catalog,
) -> pl.DataFrame:
    """Return the rows of one set with the key of the quantity, values brought to the unit of the latest set that has it."""
    table = []
    for item in done.set.items:
        key = _key(item, catalog).text
        unit = item_unit(items[key][1], catalog)
        table.append((item.number, key, conversion_factor(item_unit(item, catalog), unit)))
    keys = pl.DataFrame(
        table, schema=["number", "key", "factor"], schema_overrides={"factor": pl.Float64()}, orient="row"
    )
    own = [year for year, one in force.items() if one is not None and one.id == done.set.id]
    partly = (pl.col("coverage").fill_null(1.0) < 1 - _SLACK) | (pl.col("surveyed_share").fill_null(1.0) < 1 - _SLACK)
    barred = pl.col("why").is_in([Why.IMPLAUSIBLE.value, Why.NOT_SURVEYED.value, Why.DRAFT.value])
    return (
        done.frame.filter("counted")
        .join(keys, on="number", maintain_order="left")
        .select(
            "key",
            "number",
            "set",
            "place",
            "year",
            "state",
            "dataset",
            "kind",
            in_force=pl.col("year").is_in(own),
            value=pl.col("value") * pl.col("factor"),
            whole=pl.col("value").is_not_null() & ~partly & ~barred.fill_null(False),
        )
    )


def _summary(frame: pl.DataFrame, items: dict[str, tuple[IndicatorSet, SetItem]], last: int) -> pl.DataFrame:
    """Return first and last value of the dataset that gave the last one, and which way the value moved."""
    way = {Direction.UP: 1.0, Direction.DOWN: -1.0, Direction.NONE: 0.0}
    ways = pl.DataFrame(
        [(key, way[item.direction]) for key, (_, item) in items.items()],
        schema=["key", "way"],
        schema_overrides={"way": pl.Float64()},
        orient="row",
    )
    ordered = frame.sort("year")
    known = pl.col("value").is_not_null()
    ends = ordered.group_by("key", "place", maintain_order=True).agg(
        dataset=pl.col("dataset").filter("whole").last(),
        years_known=known.sum().cast(pl.Int64),
        years_missing=(~known).sum().cast(pl.Int64),
        state=pl.col("state").filter(pl.col("year") == last).first(),
    )
    of_one = (
        ordered.join(ends.select("key", "place", one="dataset"), on=["key", "place"])
        .filter(pl.col("whole") & (pl.col("dataset") == pl.col("one")))
        .sort("year")
        .group_by("key", "place")
        .agg(
            first_year=pl.col("year").first(),
            first_value=pl.col("value").first(),
            last_year=pl.col("year").last(),
            last_value=pl.col("value").last(),
        )
    )
    change = pl.col("last_value") - pl.col("first_value")
    moved = pl.col("change") * pl.col("way")
    return (
        ends.join(of_one, on=["key", "place"], how="left", maintain_order="left")
        .join(ways, on="key", how="left", maintain_order="left")
        .with_columns(change=pl.when(pl.col("first_year") < pl.col("last_year")).then(change))
        .with_columns(
            trend=pl.when(pl.col("change").is_null())
            .then(pl.lit(None, dtype=pl.String()))
            .when(pl.col("change").abs() <= _SLACK)
            .then(pl.lit(Trend.SAME.value))
            .when(pl.col("way") == 0)
            .then(pl.lit(Trend.MOVED.value))
            .when(moved > 0)
            .then(pl.lit(Trend.BETTER.value))
            .otherwise(pl.lit(Trend.WORSE.value))
        )
        .drop("way")
    )


def _no_set(force: dict[int, IndicatorSet | None]) -> list[Finding]:
    none = [year for year, one in force.items() if one is None]
    return [
        Finding(
            name="checkup.year.no-set",
            sentence=f"{'、'.join(map(str, none))}年没有收录指标集，数值只列不判",
            severity=Severity.WARNING,
            value="、".join(map(str, none)),
            next_step="在 catalog/sets 中补充该年的指标集",
        )
    ] * bool(none)


def _before(indicator_set: IndicatorSet, item: SetItem, catalog: Catalog) -> SetItem | None:
    earlier = catalog.sets.get(indicator_set.follows or "")
    return next((one for one in earlier.items if one.indicator == item.replaces), None) if earlier else None


def _breaks(
    item: SetItem, indicator_set: IndicatorSet, force: dict[int, IndicatorSet | None], catalog: Catalog
) -> tuple[str, ...]:
    """Say where this quantity took another's place, or another took its."""
    said = []
    for one in {one.id: one for one in force.values() if one is not None}.values():
        for other in one.items:
            old = _before(one, other, catalog) if other.replaces is not None else None
            if old is None:
                continue
            if other.indicator == item.indicator:
                said.append(
                    f"{one.valid_from}年起列入，接替“{old.title.zh}”（{item_unit(old, catalog)}），两者不是同一个量，不连"
                )
            elif other.replaces == item.indicator:
                said.append(
                    f"{one.valid_from}年起由“{other.title.zh}”（{item_unit(other, catalog)}）接替，两者不是同一个量，不连"
                )
    return tuple(said)


def _broken(force: dict[int, IndicatorSet | None], catalog: Catalog) -> list[Finding]:
    findings = []
    for one in {one.id: one for one in force.values() if one is not None}.values():
        for item in one.items:
            old = _before(one, item, catalog) if item.replaces is not None else None
            if old is not None:
                findings.append(
                    Finding(
                        name="checkup.line.break",
                        sentence=(
                            f"{one.valid_from}年起“{old.title.zh}”（{item_unit(old, catalog)}）改为“{item.title.zh}”"
                            f"（{item_unit(item, catalog)}），不是同一个量，未连成一条序列"
                        ),
                        severity=Severity.INFO,
                        value=item.indicator,
                        where=Location(field=one.id),
                    )
                )
    return findings

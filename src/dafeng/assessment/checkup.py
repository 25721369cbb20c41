"""A check-up: every item of a set held against facts at many places over many years, as array work.

An item is met, not met or unknown; where its set states no threshold it is shown and not judged. A count of problems of
which only a part was surveyed is a lower bound: any problem found means not met, none found means unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.assessment.checkup_judging import (
    FULL,
    STATES,
    TRENDS,
    WHYS,
    ItemCells,
    gap_unit,
    item_unit,
    judge,
    read_item,
    shortfall,
    take,
    threshold_text,
    trend_of,
)
from dafeng.assessment.checkup_records import (
    ItemResult,
    ItemState,
    PlaceCheckUp,
    Problem,
    SetTotal,
    Trend,
)
from dafeng.assessment.checkup_scores import total_up
from dafeng.assessment.checkup_values import Chosen, ValueCell, choose_values
from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.observation import BREAKDOWNS, ObservationKind
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Indicator
from dafeng.catalog.statistics_schemas import IndicatorSet, SetItem
from dafeng.plans import resolve_bodies

__all__ = ["CheckUp", "check_up", "set_named"]


def set_named(catalog: Catalog, name: str) -> IndicatorSet:
    """Return a set by id.

    Raises
    ------
    UnknownNameError
        No set has that id; close ids are offered.
    """
    if name not in catalog.sets:
        raise UnknownNameError(
            f"no set of indicators is called {name!r}",
            doing="find a set of indicators",
            expected=f"one of {', '.join(close_names(name, catalog.sets) or sorted(catalog.sets))}",
            next_step="run `dafeng checkup --help`, or add the set to the workspace's catalog/sets",
        )
    return catalog.sets[name]


@dataclass(frozen=True)
class CheckUp:
    """What a check-up found: one row of `frame` for each item, place and year, items in the order of the set.

    Columns of `frame`: number, counted, place, year, state, why, value, low, high (the interval that is known), gap, change,
    trend, surveyed, to_survey, surveyed_share, coverage, dataset, kind, running, lineage, others, other_low, other_high,
    reference, reference_extent, source (the set's id in `set`). Values are in the unit of the set.
    """

    set: IndicatorSet
    catalog: Catalog
    as_of: date
    places: tuple[str, ...]
    years: tuple[int, ...]
    frame: pl.DataFrame
    totals: pl.DataFrame
    findings: tuple[Finding, ...]
    bodies: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Who answers for an indicator at a place, by (place, indicator)."""

    def total(self, place: str, year: int) -> SetTotal:
        """Return the total of a place and year.

        Raises
        ------
        InputError
            The check-up did not look at that place or year.
        """
        if place not in self.places or year not in self.years:
            raise InputError(
                f"{place} {year} was not checked up",
                doing="read a check-up",
                expected=f"a place of {len(self.places)} and a year of {self.years[0]}-{self.years[-1]}",
                next_step="run the check-up for that place and year",
            )
        row = self.totals.filter((pl.col("place") == place) & (pl.col("year") == year)).row(0, named=True)
        return SetTotal(set=self.set.id, listed=len(self.set.items), whole=self.set.whole, **row)

    def results(self, place: str, year: int) -> tuple[ItemResult, ...]:
        """Return the items of a place and year, the line over all items last."""
        items = {item.number: item for item in _items(self.set)}
        rows = self.frame.filter((pl.col("place") == place) & (pl.col("year") == year))
        return tuple(self._result(items[row["number"]], row) for row in rows.iter_rows(named=True))

    def _result(self, item: SetItem, row: dict[str, Any]) -> ItemResult:
        names = set(ItemResult.model_fields) & set(row)
        return ItemResult(
            **{name: row[name] for name in names},
            title=item.title.zh,
            indicator=item.indicator,
            dimension=item.dimension,
            level=item.level,
            unit=item_unit(item, self.catalog),
            at_least=row["value"] is not None and row["high"] == np.inf,
            threshold_text=threshold_text(item, self.catalog),
            demonstration=row["kind"] == ObservationKind.DEMONSTRATION.value,
            pending=item.pending or self.catalog.indicators[item.indicator].pending,
            threshold_pending=item.threshold_pending,
            note=item.note,
        )

    def problems(self, place: str, year: int) -> tuple[Problem, ...]:
        """Return the list of problems (问题台账) of a place and year, in the order of the set."""
        return tuple(
            Problem(
                **{
                    name: getattr(one, name)
                    for name in ("set", "number", "title", "dimension", "level", "place", "year", "unit", "at_least")
                },
                threshold_text=one.threshold_text,
                gap=one.gap,
                dataset=one.dataset,
                place_name=self.catalog.places.get(place).name if place in self.catalog.places else place,
                value=one.value,
                gap_unit=gap_unit(one.unit),
                worsening=one.trend is Trend.WORSE,
                partly_surveyed=_partly(one),
                bodies=self.bodies.get((place, one.indicator), ()),
                pending=one.pending or one.threshold_pending,
            )
            for one in self.results(place, year)
            if one.state is ItemState.NOT_MET and one.counted and one.value is not None
        )

    def of(self, place: str, year: int) -> PlaceCheckUp:
        """Return the whole check-up of a place and year as one record."""
        total, rows = self.total(place, year), self.results(place, year)
        return PlaceCheckUp(
            set=self.set.id,
            set_title=self.set.title.zh,
            place=place,
            place_name=self.catalog.places.get(place).name if place in self.catalog.places else place,
            year=year,
            total=total,
            sentence=total.sentence,
            rows=rows,
            problems=self.problems(place, year),
            demonstration=any(row.demonstration for row in rows),
        )


def _partly(one: ItemResult) -> bool:
    counted = one.surveyed is not None and one.to_survey is not None and one.surveyed < one.to_survey
    return counted or (one.coverage is not None and one.coverage < FULL)


def check_up(
    indicator_set: IndicatorSet,
    observations: pl.DataFrame,
    catalog: Catalog,
    *,
    places: Sequence[str],
    years: Sequence[int],
    as_of: date,
    include_unreviewed: bool = False,
) -> CheckUp:
    """Hold every item of a set against the facts.

    Parameters
    ----------
    indicator_set : IndicatorSet
    observations : DataFrame, shape (observation, column)
        Columns of `dafeng.base.observation.SCHEMA`, in any order of rows.
    catalog : Catalog
    places : sequence of str
        Place ids.
    years : sequence of int
        Years; a year in which the set is not in force is judged all the same, with a finding.
    as_of : date
        Day of the check-up. Values of years that end later are left out, but for items that state what was surveyed: these
        give the state at the survey, marked `running`.
    include_unreviewed : bool
        Whether drafts and submitted values count.

    Returns
    -------
    CheckUp

    Raises
    ------
    InputError
        No place or year is given, or the frame is no frame of observations.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> density = Observation(indicator="road_network_density", place="qingdao", extent="built_up", period="2024", value=8.1,
    ...                       dataset="yearbook", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    >>> done = check_up(catalog.sets["checkup-2024"], observation_frame([density]), catalog, places=["qingdao"], years=[2024],
    ...                 as_of=date(2026, 11, 20))
    >>> done.total("qingdao", 2024).sentence
    '共61项：达标1项，未达标0项，未知52项，无限值或未到期限8项'
    """
    places, years = tuple(dict.fromkeys(places)), tuple(sorted(set(years)))
    if not places or not years:
        raise InputError(
            "no place or no year is given",
            doing="run a check-up",
            expected="at least one place and one year",
            next_step="name them",
        )
    items = _items(indicator_set)
    span = tuple(sorted({*years, *(year - 1 for year in years)}))
    cells: dict[ValueCell, int] = {}
    of_item = [_cells(item, catalog.indicators[item.indicator], catalog, cells) for item in items]
    chosen = choose_values(
        observations,
        list(cells),
        catalog,
        places=places,
        years=span,
        as_of=as_of,
        include_unreviewed=include_unreviewed,
    )
    kept = np.array([span.index(year) for year in years])
    before = np.array([span.index(year - 1) for year in years])
    parts = [
        _item_frame(item, where, chosen, catalog, kept=kept, before=before, years=np.array(years))
        for item, where in zip(items, of_item, strict=True)
    ]
    frame = _identified(pl.concat(parts), indicator_set, places, years)
    return CheckUp(
        set=indicator_set,
        catalog=catalog,
        as_of=as_of,
        places=places,
        years=years,
        frame=frame,
        totals=total_up(indicator_set, frame, catalog),
        findings=(*_out_of_force(indicator_set, years), *chosen.findings),
        bodies=_bodies(items, places, catalog),
    )


def _items(indicator_set: IndicatorSet) -> tuple[SetItem, ...]:
    return indicator_set.items + (() if indicator_set.overall is None else (indicator_set.overall,))


def _out_of_force(indicator_set: IndicatorSet, years: Sequence[int]) -> list[Finding]:
    outside = [year for year in years if not indicator_set.in_force(year)]
    until = "" if indicator_set.valid_to is None else f"至{indicator_set.valid_to - 1}年"
    return [
        Finding(
            name="checkup.set.not-in-force",
            sentence=f"{'、'.join(map(str, outside))}年不在指标集“{indicator_set.title.zh}”的年份内，仍按它判定",
            severity=Severity.WARNING,
            value="、".join(map(str, outside)),
            expected=f"{indicator_set.valid_from}年起{until}",
            next_step="改用该年的指标集",
            where=Location(field=indicator_set.id),
        )
    ] * bool(outside)


def _cells(item: SetItem, indicator: Indicator, catalog: Catalog, cells: dict[ValueCell, int]) -> ItemCells:
    extent = item.extent or indicator.extent
    breakdown = tuple(item.breakdown.get(name, "all") for name in BREAKDOWNS)
    running = item.surveyed is not None or item.to_survey is not None

    def number(name: str | None, *, own: bool = False) -> int:
        if name is None:
            return -1
        other = catalog.indicators[name]
        cell = ValueCell(
            indicator=name,
            extent=item.extent or (extent if own else other.extent),
            basis=item.basis if own else "",
            breakdown=breakdown if own else tuple("all" for _ in BREAKDOWNS),
            running=running,
        )
        return cells.setdefault(cell, len(cells))

    return ItemCells(
        number(item.indicator, own=True), number(item.share_of), number(item.surveyed), number(item.to_survey)
    )


def _item_frame(
    item: SetItem,
    where: ItemCells,
    chosen: Chosen,
    catalog: Catalog,
    *,
    kept: NDArray[np.int64],
    before: NDArray[np.int64],
    years: NDArray[np.int64],
) -> pl.DataFrame:
    """Judge one item at all places and years; rows in the order of places, then years."""
    indicator = catalog.indicators[item.indicator]
    now = read_item(item, where, chosen, indicator, item_unit(item, catalog), kept)
    past = read_item(item, where, chosen, indicator, item_unit(item, catalog), before)
    state, why = judge(item, now, years)
    known = np.isfinite(now.value)
    same = (now.dataset == past.dataset) & (now.dataset >= 0) & now.whole & past.whole
    change = np.where(same, now.value - past.value, np.nan)
    gap = np.where(state == STATES.index(ItemState.NOT_MET), shortfall(item, now.value), np.nan)
    row, apart = take(chosen.row, where.value, kept), take(chosen.elsewhere, where.value, kept)
    factor = now.factor
    spread = np.nan if item.share_of is not None else factor
    use_other = (apart >= 0) & ~known & (item.share_of is None)
    own_rows, other_rows = _gatherable(row, row >= 0), _gatherable(apart, use_other)
    columns: dict[str, pl.Series] = {
        "state": pl.Series(state.reshape(-1)),
        "why": pl.Series(why.reshape(-1)),
        "value": _floats(now.value),
        "low": _floats(np.where(known, now.low, np.nan)),
        "high": _floats(np.where(known, now.high, np.nan)),
        "gap": _floats(gap),
        "change": _floats(change),
        "trend": pl.Series(trend_of(item, change).reshape(-1)),
        "surveyed": _floats(now.surveyed),
        "to_survey": _floats(now.to_survey),
        "coverage": _floats(now.coverage),
        "others": pl.Series(take(chosen.others, where.value, kept).reshape(-1)),
        "other_low": _floats(take(chosen.low, where.value, kept) * spread),
        "other_high": _floats(take(chosen.high, where.value, kept) * spread),
    }
    columns |= {name: chosen.rows[name].gather(own_rows) for name in ("dataset", "kind", "running", "lineage")}
    columns["reference"] = chosen.rows["value"].gather(other_rows)
    columns["reference_extent"] = chosen.rows["extent"].gather(other_rows)
    frame = pl.DataFrame(columns).with_columns(
        reference=pl.col("reference") * factor, running=pl.col("running").fill_null(False)
    )
    return frame.with_columns(number=pl.lit(item.number), surveyed_share=pl.col("surveyed") / pl.col("to_survey"))


def _gatherable(rows: NDArray[np.int32], where: NDArray[np.bool_]) -> pl.Series:
    """Return numbers of rows as polars gathers them: null where there is none."""
    if not where.any():
        return pl.Series([None], dtype=pl.UInt32).new_from_index(0, where.size)
    numbers = pl.Series(np.maximum(rows, 0).reshape(-1)).cast(pl.UInt32)
    return numbers if where.all() else numbers.set(pl.Series(~where.reshape(-1)), None)


def _floats(values: NDArray[np.float64]) -> pl.Series:
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    unknown = np.isnan(flat)
    if unknown.all():
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, len(flat))
    return pl.Series(flat, nan_to_null=bool(unknown.any()))


def _identified(
    frame: pl.DataFrame, indicator_set: IndicatorSet, places: Sequence[str], years: Sequence[int]
) -> pl.DataFrame:
    """Put words to the codes, and say which set, item, place and year each row speaks of."""
    items = len(_items(indicator_set))
    place = pl.Series(np.tile(np.repeat(np.arange(len(places), dtype=np.uint32), len(years)), items))
    year = pl.Series(np.tile(np.array(years, dtype=np.int32), items * len(places)))
    names = pl.Series(list(places), dtype=pl.String())
    words = {name: list(map(str, known)) for name, known in (("state", STATES), ("why", WHYS), ("trend", TRENDS))}
    return frame.with_columns(
        set=pl.lit(indicator_set.id),
        counted=pl.int_range(pl.len()) < len(indicator_set.items) * len(places) * len(years),
        place=names.gather(place),
        year=year,
        **{
            name: pl.when(pl.col(name) >= 0)
            .then(pl.col(name))
            .replace_strict(dict(enumerate(known)), return_dtype=pl.Enum(known))
            for name, known in words.items()
        },
    ).select(_COLUMNS)


_COLUMNS: Final = (
    *("set", "number", "counted", "place", "year", "state", "why", "value", "low", "high", "gap", "change", "trend"),
    *("surveyed", "to_survey", "surveyed_share", "coverage", "dataset", "kind", "running", "lineage"),
    *("others", "other_low", "other_high", "reference", "reference_extent"),
)


def _bodies(
    items: Sequence[SetItem], places: Sequence[str], catalog: Catalog
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return who answers for an indicator by the plan of the place itself, lead first."""
    wanted, here = {item.indicator for item in items}, set(places)
    found: dict[tuple[str, str], list[str]] = {}
    for plan in sorted(catalog.plans.values(), key=lambda plan: plan.id):
        for target in plan.targets if plan.place in here else ():
            if target.indicator in wanted:
                bodies, _ = resolve_bodies(plan.bodies_of(target), plan.place, catalog)
                known = found.setdefault((plan.place, target.indicator), [])
                known += [body.name for body in bodies if body.name not in known]
    return {key: tuple(names) for key, names in found.items()}

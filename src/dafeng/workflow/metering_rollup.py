"""Readings of a workspace rolled up to hours, days, months, years, buildings and places, published, and what that restated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import KEY, ObservationKind
from dafeng.base.record import Record
from dafeng.lake import CompactedReadings, ObservationLake, content_digest, open_engine
from dafeng.metering.publishing import DATASET, publish
from dafeng.methods.rates import RatePolicy
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.metering import MeterHouse, open_house, read_register
from dafeng.workflow.metering_hours import make_hours
from dafeng.workflow.metering_totals import log_restatements, make_buildings, make_places
from dafeng.workflow.setting import Setting

__all__ = ["MeterRollup", "Restatement", "compact_meters", "read_restatements", "roll_up_meters"]

_TOLD: Final = 200


class Restatement(Record):
    """One value that stood in a table and is another now."""

    table: str
    """building_months or place_months."""
    subject: str
    """Building or place."""
    detail: str
    """Item and row, or class, carrier and end use."""
    period: date
    """First day of the month."""
    column: str
    """Which number."""
    before: float | None
    """As it stood."""
    after: float | None
    """As it is now."""
    because: str
    """Batches, or what else changed."""


class MeterRollup(Record):
    """What a roll-up did."""

    full: bool
    """Whether everything was made anew."""
    meters: int
    """Meters that count."""
    readings: int
    """Version of the readings that it rests on; −1 where there is none."""
    spans: int
    """Spans of meters reckoned anew."""
    months: tuple[str, ...]
    """Months of buildings made anew."""
    place_months: tuple[str, ...]
    """Months of places made anew."""
    restated: int
    """Values that stood there before and are others now."""
    restatements: tuple[Restatement, ...]
    """The largest of them."""
    published: int = 0
    """Observations stored."""
    unchanged: int = 0
    """Observations that the lake held already."""
    withdrawn: int = 0
    """Observations taken back."""
    findings: tuple[Finding, ...] = ()
    """What was found."""


def roll_up_meters(
    setting: Setting,
    *,
    recorded_at: datetime,
    as_of: date | None = None,
    engine: str = "duckdb",
    full: bool = False,
    publishing: bool = True,
    policy: RatePolicy | None = None,
    kind: ObservationKind = ObservationKind.COMPUTED,
    memory: str | None = None,
    threads: int | None = None,
    rows_at_once: int = 20_000_000,
    listener: Listener = silent,
) -> MeterRollup:
    """Bring every table of metering up to the newest readings, events, ledgers and factors.

    A run does only what changed since the last one; killed at any moment, the next completes it.

    Parameters
    ----------
    setting : Setting
    recorded_at : datetime
    as_of : date, optional
        Factors published later are not known; the day of `recorded_at` where None.
    engine : str
        duckdb, or the address of a Spark cluster, see `dafeng.lake.open_engine`.
    full : bool
        Make everything anew.
    publishing : bool
        Whether totals of places leave as observations.
    policy : RatePolicy, optional
        How factors are chosen; as for the carbon account where None.
    kind : ObservationKind
        Of the observations.
    memory, threads : optional
        Bounds of the engine.
    rows_at_once : int
        Readings worked on at a time in a full run.
    listener : Listener
    """
    house = open_house(setting)
    register = read_register(setting, house)
    with open_engine(engine, memory=memory, threads=threads) as opened:
        made = make_hours(
            house, opened, register, setting.catalog,
            recorded_at=recorded_at, full=full, listener=listener, rows_at_once=rows_at_once,
        )  # fmt: skip
        months = make_buildings(
            house, opened, register, made.meters, setting.catalog, recorded_at=recorded_at, listener=listener
        )
        places, said = make_places(
            house, opened, register, setting.catalog,
            policy=policy or read_policy(DEFAULT_RULES), as_of=as_of or recorded_at.date(), recorded_at=recorded_at, listener=listener,
        )  # fmt: skip
    changed = log_restatements(house, recorded_at=recorded_at)
    findings = [*register.findings, *_strangers(made.unknown), *said]
    counts = {"published": 0, "unchanged": 0, "withdrawn": 0}
    if publishing:
        listener("发布 / publish", 0, None)
        counts = _published(setting, house, kind, recorded_at, findings)
    return MeterRollup(
        full=made.full,
        meters=made.meters.height,
        readings=made.readings,
        spans=made.spans,
        months=tuple(months),
        place_months=tuple(places),
        restated=changed.height,
        restatements=_largest(changed),
        findings=tuple(findings),
        **counts,
    )


def _strangers(unknown: Sequence[str]) -> list[Finding]:
    own = [name for name in unknown if not name.startswith(("account:", "item:"))]
    accounts = [name for name in unknown if name.startswith("account:")]
    found = []
    if own:
        found.append(
            Finding(
                name="meter.register.meter-unknown",
                sentence=f"{len(own)} 块表有读数而不在表计台账中，读数已存、未计入：{'、'.join(own[:20])}",
                severity=Severity.WARNING,
                next_step="在表计台账登记后重新汇总",
                evidence={"meters": len(own)},
            )
        )
    if accounts:
        found.append(
            Finding(
                name="meter.register.account-unmatched",
                sentence=f"{len(accounts)} 个户号还没有归到建筑，账单已存、未计入",
                severity=Severity.INFO,
                next_step="dafeng meter match",
                evidence={"accounts": len(accounts)},
            )
        )
    return found


def _largest(changed: pl.DataFrame) -> tuple[Restatement, ...]:
    size = (pl.col("after").fill_null(0.0) - pl.col("before").fill_null(0.0)).abs()
    rows = changed.sort(size, descending=True).head(_TOLD).sort("table", "subject", "detail", "period", "column")
    return tuple(Restatement(**row) for row in rows.select(list(Restatement.model_fields)).iter_rows(named=True))


def read_restatements(
    setting: Setting, *, subject: str | None = None, period: tuple[date, date] | None = None
) -> pl.DataFrame:
    """Return every restatement that was written down, newest first, in the columns of `RESTATEMENT_SCHEMA`."""
    rows = open_house(setting).restatements.read()
    if subject is not None:
        rows = rows.filter(pl.col("subject") == subject)
    if period is not None:
        rows = rows.filter(pl.col("period").is_between(*period, closed="left"))
    return rows.sort("recorded_at", "table", "subject", descending=[True, False, False])


def _published(
    setting: Setting, house: MeterHouse, kind: ObservationKind, recorded_at: datetime, findings: list[Finding]
) -> dict[str, int]:
    """Publish the months and years of places that changed since the last publication."""
    counts = {"published": 0, "unchanged": 0, "withdrawn": 0}
    held = house.publications.made_from()
    lake = ObservationLake(house.workspace.lake)
    versions = {"place_months": house.place_months.version, "place_years": house.place_years.version}
    fresh = False
    for by, table, name in (("month", house.place_months, "place_months"), ("year", house.place_years, "place_years")):
        parts = table.changed(int(held.get(name, -1))) if table.version >= 0 else []
        if not parts:
            continue
        low = date(int(parts[0][:4]), int(parts[0][5:] or 1), 1)
        past = date(int(parts[-1][:4]) + 1, 1, 1)
        text = pl.col("period").dt.strftime("%Y-%m" if by == "month" else "%Y")
        heard = {part.partition[: 7 if by == "month" else 4] for part in house.days.partitions()}
        parts = [part for part in parts if part in heard]  # of a month without any reading nothing is said
        totals = table.read(low, past).filter(text.is_in([part for part in parts if _over(part, recorded_at)]))
        totals = (
            totals.filter(pl.col("place").is_in(_own_places(setting))) if house.workspace.settings.place else totals
        )
        fresh = True
        made = {key: str(value) for key, value in table.made_from().items() if key not in ("at", "buildings")}
        result = publish(totals, setting.catalog, by=by, recorded_at=recorded_at, made_from=made)
        findings += result.findings
        rows = result.observations.with_columns(kind=pl.lit(kind.value))
        if rows.height:
            said = f"{content_digest(rows)} {recorded_at.isoformat()}"
            batch = f"metering-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
            landed = lake.publish(rows, batch=batch, lineage=result.lineage)
            counts["published"] += 0 if landed.already else landed.appended
            counts["unchanged"] += landed.unchanged
        counts["withdrawn"] += _withdraw_stale(lake, rows, parts, recorded_at)
    if fresh:
        row = {"at": recorded_at, "appended": counts["published"], "withdrawn": counts["withdrawn"]}
        span = pl.DataFrame({"first": [recorded_at], "last": [recorded_at + timedelta(microseconds=1)]}).cast(
            pl.Datetime("us", "UTC")
        )
        house.publications.restate(pl.DataFrame([row], schema=house.publications.schema), span, made_from=versions)
    return counts


def _over(part: str, recorded_at: datetime) -> bool:
    """Return whether a year is over: a part of it is never published as the year, its months are."""
    return len(part) > len("2026") or int(part) < recorded_at.year


def _own_places(setting: Setting) -> list[str]:
    """Return the workspace's place and those below it: of the places above, its meters are no total."""
    home = None if setting.workspace is None else setting.workspace.settings.place
    places = setting.catalog.places
    return [] if home is None else [place.id for place in places if home in (place.id, *places.ancestor_ids(place.id))]


def _withdraw_stale(lake: ObservationLake, rows: pl.DataFrame, parts: Sequence[str], recorded_at: datetime) -> int:
    """Take back what was published for these periods and is not yielded any more."""
    held = lake.snapshot().read().filter((pl.col("dataset") == DATASET) & pl.col("period").is_in(list(parts)))
    stale = held.join(rows, on=list(KEY), how="anti")
    if stale.is_empty():
        return 0
    versions = stale["version"].sort().to_list()
    name = hashlib.sha256(repr((versions, recorded_at.isoformat())).encode()).hexdigest()[:32]
    lake.withdraw(versions, reason="表计更正后不再有这个数", recorded_at=recorded_at, batch=f"metering-stale-{name}")
    return stale.height


def compact_meters(setting: Setting, *, listener: Listener = silent, keep: int | None = None) -> CompactedReadings:
    """Put the small files of the readings together; no reading is lost.

    Parameters
    ----------
    setting : Setting
    listener : Listener
    keep : int, optional
        Also remove what only versions older than the newest `keep` need, of readings and derived tables.
    """
    house = open_house(setting)
    done = house.readings.compact(
        progress=lambda name, number, count: listener(f"整理 / compact {name}", number, count)
    )
    if keep is not None:
        house.readings.vacuum(keep=keep)
        for table in house.tables().values():
            table.vacuum(keep=keep)
    return done

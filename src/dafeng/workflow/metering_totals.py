"""Days of meters to months, buildings, years and places of a workspace: only the parts whose basis changed are made anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import ibis
import polars as pl

from dafeng.base.finding import Finding
from dafeng.base.listener import Listener
from dafeng.catalog import Catalog
from dafeng.lake import DerivedTable, Engine
from dafeng.lake.scratch import scratch_folder
from dafeng.metering.converting import RATE_SCHEMA, conversion_rates
from dafeng.metering.frames import local_calendar
from dafeng.metering.items import (
    ITEM_SCHEMA,
    contributions,
    deciding,
    direct_totals,
    item_closure,
    item_totals,
    item_years,
)
from dafeng.metering.places import PLACE_SCHEMA, building_frame, item_frame, place_closure, place_totals
from dafeng.metering.restating import changes
from dafeng.metering.rollup import expected_seconds, local_spans, widened
from dafeng.methods.rates import RatePolicy
from dafeng.workflow.metering import RESTATEMENT_SCHEMA, ZONE, MeterHouse, MeterRegister, put_rows

__all__ = ["counting_weights", "log_restatements", "make_buildings", "make_places"]

_EVER: Final = (date(1900, 1, 1), date(2200, 1, 1))
_NAMED: Final = 5
_SUMS: Final = ("amount", "withheld", "spread")
_TONNES: Final = ("tce", "tce_generation", "co2")


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _bounds(parts: Sequence[str]) -> tuple[date, date]:
    """Return first day and first day after of some months."""
    first, last = (date.fromisoformat(f"{part}-01") for part in (min(parts), max(parts)))
    return first, (last.replace(day=28) + timedelta(days=4)).replace(day=1)


def _horizon(house: MeterHouse, recorded_at: datetime) -> date:
    """Return the first local day of which nothing is expected yet.

    After the newest reading where that is of the running month, else today, at the latest the end of the newest year with readings.
    """
    months = [part.partition for part in house.days.partitions()]
    first, past = _bounds(months[-1:])
    today = (recorded_at + timedelta(hours=8)).date()
    end = date(first.year + 1, 1, 1)
    if not first <= today < past:
        return max(past, min(end, today))
    newest = house.days.read(first)["period"].max()
    assert isinstance(newest, date)
    return min(past, newest + timedelta(days=1))


def _wanted(house: MeterHouse, horizon: date) -> list[str]:
    """Return every month of the years with readings up to the horizon, so that a silent month is a gap of its year."""
    years = sorted({int(part.partition[:4]) for part in house.days.partitions()})
    months = [f"{year}-{month:02d}" for year in years for month in range(1, 13)]
    last = f"{horizon - timedelta(days=1):%Y-%m}"
    return [month for month in months if month <= last]


def counting_weights(register: MeterRegister, catalog: Catalog) -> pl.DataFrame:
    """Return with which weight each meter counts in which building and item, accounts by their shares."""
    return contributions(register.meters.values(), catalog.items, register.shares)


def make_buildings(
    house: MeterHouse,
    engine: Engine,
    register: MeterRegister,
    meters: pl.DataFrame,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    listener: Listener,
) -> list[str]:
    """Bring months of meters, and days, months and years of buildings up to the days; return the months made anew.

    Parameters
    ----------
    house : MeterHouse
    engine : Engine
    register : MeterRegister
    meters : DataFrame of `METER_SCHEMA`
    catalog : Catalog
    recorded_at : datetime
    listener : Listener
    """
    if house.days.version < 0 or not house.days.partitions():
        return []
    weights = counting_weights(register, catalog)
    named = _digest(
        weights.rows(), meters.select("meter", "opens", "closes").sort("meter").rows(), sorted(catalog.items)
    )
    horizon = _horizon(house, recorded_at)
    held = house.building_months.made_from()
    version = house.days.version
    every = _wanted(house, horizon)
    before = str(held.get("horizon", horizon))
    known = set(str(held.get("wanted", "")).split())
    moved = {
        part
        for part in every
        if before != str(horizon) and min(before, str(horizon))[:7] <= part <= max(before, str(horizon))[:7]
    }
    parts = (
        every
        if held.get("weights") != named
        else sorted({*house.days.changed(int(held.get("days", -1))), *moved, *(set(every) - known)})
    )
    if not parts:
        _years(house, engine, recorded_at)
        return []
    listener("建筑 / buildings", 0, None)
    made_from: dict[str, int | str] = {
        "days": version, "weights": named, "horizon": str(horizon), "wanted": " ".join(every), "at": recorded_at.isoformat(),
        **{name: value for name, value in house.days.made_from().items() if name in ("readings", "events", "register", "marks")},
    }  # fmt: skip
    first, past = _bounds(parts)
    some = set(parts)
    spans = {by: _spans(first, min(past, max(horizon, first)), by, some) for by in ("day", "month")}
    days = _within(house.days.table(engine, first, past), parts)
    days = days.semi_join(engine.frame(meters.select("meter")), "meter")
    put_rows(house.months, engine, engine.hold(widened(days, by="month")), parts, made_from)
    months = _within(house.months.table(engine, first, past), parts)
    table, links, closure = engine.frame(meters), engine.frame(weights), engine.frame(item_closure(catalog.items))
    with scratch_folder(house.folder) as scratch:
        direct = {}
        for by, periods in (("month", months), ("day", days)):
            found = direct_totals(periods, expected_seconds(table, engine.frame(spans[by])), links)
            direct[by] = _kept(engine, found, scratch / by)
        decided = engine.hold(deciding(direct["month"]))
        for stored, by in ((house.building_days, "day"), (house.building_months, "month")):
            totals = item_totals(direct[by], closure, decided=decided).rename(line="part")
            put_rows(stored, engine, engine.hold(totals), parts, made_from)
    _years(house, engine, recorded_at)
    return parts


def _within(table: Any, parts: Sequence[str]) -> Any:
    """Return the rows of some months."""
    spans = [_bounds([part]) for part in sorted(parts)]
    runs = [spans[0]]
    for low, high in spans[1:]:
        if low == runs[-1][1]:
            runs[-1] = (runs[-1][0], high)
        else:
            runs.append((low, high))
    chosen = [(table.period >= ibis.literal(low)) & (table.period < ibis.literal(high)) for low, high in runs]
    return table.filter(ibis.or_(*chosen))


def _kept(engine: Engine, expression: Any, folder: Path) -> Any:
    """Return direct totals made once: in the engine, or as files where an engine holds nothing (PySail)."""
    if engine.address == "duckdb":
        return engine.hold(expression)
    schema = {name: kind for name, kind in ITEM_SCHEMA.items() if name not in ("part", "basis")}
    return engine.parquet(engine.write(expression.select(*schema), folder, schema), schema)


def _spans(first: date, past: date, by: Any, months: set[str]) -> pl.DataFrame:
    spans = local_spans(local_calendar(ZONE, first, max(past, first + timedelta(days=1))), by=by)
    return spans.filter(pl.col("period").dt.strftime("%Y-%m").is_in(sorted(months)))


def _years(house: MeterHouse, engine: Engine, recorded_at: datetime) -> None:
    version = house.building_months.version
    if version < 0:
        return
    parts = sorted(
        {part[:4] for part in house.building_months.changed(int(house.building_years.made_from().get("months", -1)))}
    )
    if not parts:
        return
    table = house.building_months.table(engine, date(int(parts[0]), 1, 1), date(int(parts[-1]) + 1, 1, 1))
    years = item_years(table.rename(part="line")).rename(line="part")
    made_from: dict[str, int | str] = {"months": version, "at": recorded_at.isoformat()}
    put_rows(house.building_years, engine, engine.hold(years), parts, made_from)


def make_places(
    house: MeterHouse,
    engine: Engine,
    register: MeterRegister,
    catalog: Catalog,
    *,
    policy: RatePolicy,
    as_of: date,
    recorded_at: datetime,
    listener: Listener,
) -> tuple[list[str], list[Finding]]:
    """Bring totals of places, with standard coal and carbon by dated factors, up to those of buildings.

    Returns
    -------
    months : list of str
        Made anew, because a building or a factor changed.
    findings : list of Finding
        What the rules for choosing factors say, and carriers without any.
    """
    if house.building_months.version < 0 or not register.buildings:
        return [], []
    listener("各地 / places", 0, None)
    buildings = building_frame(register.buildings.values())
    findings = _rates(house, register, buildings, catalog, policy=policy, as_of=as_of, recorded_at=recorded_at)
    versions = {"building_months": house.building_months.version, "rates": house.rates.version}
    named = _digest(buildings.sort("building").rows(), sorted(catalog.items))
    held = house.place_months.made_from()
    every = [part.partition for part in house.building_months.partitions()]
    parts = sorted(
        {
            *house.building_months.changed(int(held.get("building_months", -1))),
            *(part for part in house.rates.changed(int(held.get("rates", -1))) if part in every),
        }
    )
    if held and held.get("buildings") != named:
        parts = every
    closure = engine.frame(place_closure(catalog.places, buildings["place"].unique().to_list()))
    items, things = engine.frame(item_frame(catalog.items)), engine.frame(buildings)
    made_from: dict[str, int | str] = {
        **versions, "buildings": named, "at": recorded_at.isoformat(),
        **{name: value for name, value in house.building_months.made_from().items() if name in ("readings", "events", "register")},
    }  # fmt: skip
    if parts:
        first, past = _bounds(parts)
        totals = house.building_months.table(engine, first, past).rename(part="line")
        rates = house.rates.table(engine, first, past)
        found = engine.collect(place_totals(totals, things, closure, items, rates), PLACE_SCHEMA)
        found = found.filter(pl.col("period").dt.strftime("%Y-%m").is_in(parts))
        house.place_months.replace(found, partitions=parts, made_from=made_from)
    _place_years(house, engine, things, closure, items, made_from)
    return parts, findings


def _rates(
    house: MeterHouse,
    register: MeterRegister,
    buildings: pl.DataFrame,
    catalog: Catalog,
    *,
    policy: RatePolicy,
    as_of: date,
    recorded_at: datetime,
) -> list[Finding]:
    """Store what one unit of each carrier is in each month and place; what is as before stays untouched."""
    months = [date.fromisoformat(f"{part.partition}-01") for part in house.days.partitions()]
    homes = dict(buildings.select("building", "place").rows())
    carriers = {
        (homes[meter.building], meter.carrier) for meter in register.meters.values() if meter.building in homes
    } | {
        (homes[share.building], register.meters[share.meter].carrier)
        for share in register.shares
        if share.building in homes
    }
    uses = pl.DataFrame(sorted(carriers), schema={"place": pl.String, "carrier": pl.String}, orient="row").join(
        pl.DataFrame({"period": months}, schema={"period": pl.Date}), how="cross"
    )
    frame, findings = conversion_rates(uses, catalog, policy=policy, as_of=as_of)
    ever = pl.DataFrame({"first": [_EVER[0]], "last": [_EVER[1]]})
    if not frame.sort(house.rates.keys).equals(house.rates.read()) or house.rates.version < 0:
        house.rates.restate(
            frame.select(list(RATE_SCHEMA)), ever,
            made_from={"rules": ",".join(rule.code for rule in policy.rules), "as_of": as_of.isoformat(), "at": recorded_at.isoformat()},
        )  # fmt: skip
    return findings


def _place_years(
    house: MeterHouse, engine: Engine, buildings: Any, closure: Any, items: Any, made_from: dict[str, int | str]
) -> None:
    """Make the years of places: counts and coverage from years of buildings, tonnes the sums of their months."""
    held = house.place_years.made_from()
    parts = {
        *house.building_years.changed(int(held.get("building_years", -1))),
        *(part[:4] for part in house.place_months.changed(int(held.get("place_months", -1)))),
    }
    if not parts:
        return
    first, past = date(int(min(parts)), 1, 1), date(int(max(parts)) + 1, 1, 1)
    years = house.building_years.table(engine, first, past).rename(part="line")
    none = engine.frame(pl.DataFrame(schema=RATE_SCHEMA))
    whole = engine.collect(place_totals(years, buildings, closure, items, none), PLACE_SCHEMA)
    keys = ["place", "building_class", "carrier", "end_use", "period"]
    months = house.place_months.read(first, past).with_columns(pl.col("period").dt.truncate("1y"))
    known = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in _TONNES]
    tonnes = months.group_by(keys).agg(
        *known,
        pl.col("without_tce", "without_co2").max(),
        factors=pl.col("factors").unique().sort().str.strip_prefix("[").str.strip_suffix("]").str.join(","),
    )
    tonnes = tonnes.with_columns(factors=pl.format("[{}]", pl.col("factors").str.strip_chars(",")))
    dropped = [*_TONNES, "without_tce", "without_co2", "factors"]
    rows = whole.drop(dropped).join(tonnes, on=keys, how="left").with_columns(pl.col("factors").fill_null("[]"))
    rows = rows.with_columns(pl.col("without_tce", "without_co2").fill_null(0)).select(
        pl.col(name).cast(kind) for name, kind in PLACE_SCHEMA.items()
    )
    rows = rows.filter(pl.col("period").dt.strftime("%Y").is_in(sorted(parts)))
    versions = {"building_years": house.building_years.version, "place_months": house.place_months.version}
    house.place_years.replace(rows, partitions=sorted(parts), made_from={**made_from, **versions})


def log_restatements(house: MeterHouse, *, recorded_at: datetime) -> pl.DataFrame:
    """Write down what changed in months of buildings and places since it was last written down.

    Only values that stood there before are restatements; what is new is none.

    Returns
    -------
    DataFrame of `RESTATEMENT_SCHEMA`
        What this call wrote down.
    """
    held = house.restatements.made_from()
    versions = {"building_months": house.building_months.version, "place_months": house.place_months.version}
    if all(int(held.get(name, -1)) == version for name, version in versions.items()):
        return pl.DataFrame(schema=RESTATEMENT_SCHEMA)
    rows = [
        _changed(house, house.building_months, "building_months", held, ("building", "item", "line"), _SUMS, recorded_at),
        _changed(
            house, house.place_months, "place_months", held, ("place", "building_class", "carrier", "end_use"),
            (*_SUMS, *_TONNES), recorded_at,
        ),
    ]  # fmt: skip
    found = pl.concat(rows)
    spans = pl.DataFrame(
        {"table": list(versions), "version": list(versions.values()), "first": [recorded_at] * 2, "last": [recorded_at + timedelta(microseconds=1)] * 2},
        schema={"table": pl.String, "version": pl.Int64, "first": pl.Datetime("us", "UTC"), "last": pl.Datetime("us", "UTC")},
    )  # fmt: skip
    house.restatements.restate(found, spans, made_from=versions)
    return found


def _changed(
    house: MeterHouse,
    table: DerivedTable,
    name: str,
    held: dict[str, int | str],
    keys: tuple[str, ...],
    columns: Iterable[str],
    recorded_at: datetime,
) -> pl.DataFrame:
    nothing = pl.DataFrame(schema=RESTATEMENT_SCHEMA)
    was = int(held.get(name, -1))
    now = table.version
    parts = table.changed(was) if 0 <= was < now else []
    if not parts:
        return nothing
    first, past = _bounds(parts)
    before, after = table.read(first, past, version=was), table.read(first, past)
    subject, *detail = keys
    because = _because(house, table.made_from(was), table.made_from())
    found = changes(before, after, (*keys, "period"), because=because, columns=tuple(columns))
    known = found.join(before.select(*keys, "period"), on=[*keys, "period"], how="semi")
    return known.select(
        table=pl.lit(name),
        version=pl.lit(now, pl.Int64),
        subject=subject,
        detail=pl.concat_str(detail, separator="/"),
        period="period",
        column="column",
        before="before",
        after="after",
        because="because",
        recorded_at=pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")),
    ).select(pl.col(column).cast(kind) for column, kind in RESTATEMENT_SCHEMA.items())


def _because(house: MeterHouse, before: dict[str, int | str], after: dict[str, int | str]) -> str:
    """Return the batches of readings and events between two states, and what else changed."""

    def version(made: dict[str, int | str], name: str) -> int:
        return int(made.get(name, -1))

    said: list[str] = []
    for name, batches in (("readings", house.readings.batches), ("events", house.readings.event_batches)):
        low, high = version(before, name), version(after, name)
        if high > low:
            own = batches().filter((pl.col("version") > low) & (pl.col("version") <= high))["batch"].to_list()
            said += own[:_NAMED] + ([f"等 {len(own)} 批"] if len(own) > _NAMED else [])
    words = {
        "register": "表计台账",
        "weights": "表计台账",
        "buildings": "建筑台账",
        "rates": "系数",
    }
    said += sorted({word for name, word in words.items() if before.get(name) != after.get(name) and name in before})
    if version(before, "marks") < version(after, "marks") and house.marks.changed(
        version(before, "marks"), version(after, "marks")
    ):
        said.append("数据核查")
    return "、".join(said) or "重新汇总"

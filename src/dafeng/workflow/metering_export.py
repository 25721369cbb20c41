"""Metering out of a workspace: the daily files for the upper centre, readings and totals as tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal

import polars as pl

from dafeng.base.errors import NotEnoughDataError, UsageError
from dafeng.base.place import Place
from dafeng.base.reading import READING_SCHEMA
from dafeng.lake import open_engine
from dafeng.metering.converting import BESIDE, NOT_ENERGY, conversion_rates
from dafeng.metering.estimating import ESTIMATE_SCHEMA, estimates
from dafeng.metering.frames import HOUR_SCHEMA, local_calendar
from dafeng.metering.items import deciding, direct_totals, item_closure, item_totals
from dafeng.methods.rates import RatePolicy
from dafeng.methods.workdays import DayType, day_types
from dafeng.reports.energy_xml import DailyPack, archive_frame, daily_pack
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.metering import (
    ZONE,
    MeterHouse,
    MeterRegister,
    open_house,
    read_register,
    shown_items,
)
from dafeng.workflow.metering_totals import counting_weights
from dafeng.workflow.metering_views import midnight
from dafeng.workflow.setting import Setting

__all__ = ["EXPORTS", "MeterTable", "building_hours", "export_day", "export_meters", "meter_estimates"]

MeterTable = Literal["readings", "hours", "days", "months", "building-days", "building-months", "building-years", "place-months",
                     "place-years", "flags", "estimates"]  # fmt: skip
EXPORTS: Final[tuple[str, ...]] = MeterTable.__args__  # type: ignore[attr-defined]
"""Tables that are exported."""


def export_meters(
    setting: Setting,
    table: MeterTable,
    *,
    period: tuple[date, date] | None = None,
    meters: list[str] | None = None,
    buildings: list[str] | None = None,
    places: list[str] | None = None,
) -> pl.DataFrame:
    """Return readings, or what was made of them, as one frame.

    Parameters
    ----------
    setting : Setting
    table : str
        One of `EXPORTS`.
    period : pair of date, optional
        First local day and first day after; everything where None.
    meters, buildings, places : lists of str, optional
        Only these, where the table has such a column.

    Raises
    ------
    NotEnoughDataError
        The table was never made.
    """
    house = open_house(setting)
    if table == "readings":
        first, past = (None, None) if period is None else (midnight(period[0]), midnight(period[1]))
        frame = house.readings.snapshot().read(first, past, meters).select(list(READING_SCHEMA))
    elif table == "estimates":
        if period is None:
            raise UsageError(
                "估算没有说哪个时期 / no period",
                doing="export estimates",
                expected="--period 2024-03",
                next_step="加上 --period",
            )
        frame = meter_estimates(setting, period)
    else:
        name = {"flags": "marks"}.get(table, table.replace("-", "_"))
        stored = getattr(house, name)
        if stored.version < 0:
            raise NotEnoughDataError(
                f"还没有汇总 {table} / never rolled up",
                doing="export metering",
                expected="汇总过的读数",
                next_step="dafeng meter rollup",
            )
        if period is None:
            frame = stored.read()
        elif stored.schema[stored.time] == pl.Date():
            frame = stored.read(*period)
        else:
            frame = stored.read(midnight(period[0]), midnight(period[1]))
    for column, wanted in (("meter", meters), ("building", buildings), ("place", places)):
        if wanted and column in frame.columns:
            frame = frame.filter(pl.col(column).is_in(wanted))
    return frame


def meter_estimates(setting: Setting, period: tuple[date, date]) -> pl.DataFrame:
    """Return estimates for the gaps of a period, each with its method and donors; they are in no total.

    Returns
    -------
    DataFrame of `ESTIMATE_SCHEMA`
        The mean of the same hour on days of the same kind within four weeks.
    """
    house = open_house(setting)
    place = house.workspace.settings.place
    wide = (period[0] - timedelta(days=28), period[1] + timedelta(days=28))
    off: list[date] = []
    worked: list[date] = []
    if place is not None:
        kinds = day_types(setting.catalog, place, *wide)
        weekend = pl.col("day").dt.weekday() > 5
        off = kinds.filter((pl.col("type") == DayType.HOLIDAY.value) & ~weekend)["day"].to_list()
        worked = kinds.filter((pl.col("type") == DayType.WORKDAY.value) & weekend)["day"].to_list()
    hours = house.hours.read(*(midnight(day) for day in wide))
    calendar = local_calendar(ZONE, *wide, off=off, worked=worked)
    with open_engine("duckdb") as engine:
        found = estimates(
            engine.frame(hours), engine.frame(house.register.read().drop("period")), engine.frame(calendar),
            setting.catalog.meter_checks,
        )  # fmt: skip
        rows = engine.collect(found, ESTIMATE_SCHEMA)
    first, past = (midnight(day) for day in period)
    return rows.filter((pl.col("hour") >= first) & (pl.col("hour") < past)).sort("meter", "hour")


def building_hours(house: MeterHouse, setting: Setting, register: MeterRegister, day: date) -> pl.DataFrame:
    """Return the hours of a local day by building and energy item, with those that are known in part left out.

    Returns
    -------
    DataFrame
        building, item, start, end (UTC), value; the sum over the day is that of the building's day where every hour is known.
    """
    first, past = midnight(day), midnight(day + timedelta(days=1))
    hours = house.hours.read(first, past)
    meters = house.register.read().drop("period")
    grid = pl.DataFrame(
        {"hour": pl.datetime_range(first, past, "1h", closed="left", eager=True).cast(pl.Datetime("us", "UTC"))}
    )
    expected = (
        meters.join(grid, how="cross")
        .with_columns(second=pl.col("hour").dt.epoch("s"))
        .filter(
            (pl.col("second") >= pl.col("opens")) & (pl.col("closes").is_null() | (pl.col("second") < pl.col("closes")))
        )
        .select("meter", period=_on_the_clock(pl.col("hour")), expected=pl.lit(3600, pl.Int64))
    )
    month = shown_items(house.building_months.read(day.replace(day=1), day + timedelta(days=1)))
    with open_engine("duckdb") as engine:
        heard = engine.frame(
            hours.select(list(HOUR_SCHEMA)).with_columns(period=_on_the_clock(pl.col("hour"))).drop("hour")
        )
        direct = direct_totals(heard, engine.frame(expected), engine.frame(counting_weights(register, setting.catalog)))
        own = month.filter((pl.col("part") == "total") & (pl.col("basis") == "main"))
        decided = deciding(engine.frame(own.filter(pl.col("covered") > 0)))
        totals = item_totals(direct, engine.frame(item_closure(setting.catalog.items)), decided=decided)
        rows = engine.collect(totals)
    whole = (pl.col("part") == "total") & (pl.col("covered") == pl.col("expected")) & pl.col("amount").is_not_null()
    return (
        rows.filter(whole)
        .with_columns(local=pl.col("period").cast(pl.Datetime("us")).dt.replace_time_zone(ZONE))
        .select("building", "item", start=pl.col("local").dt.convert_time_zone("UTC"), value="amount")
        .with_columns(end=pl.col("start") + timedelta(hours=1))
        .select("building", "item", "start", "end", "value")
        .sort("building", "item", "start")
    )


def _on_the_clock(hour: pl.Expr) -> pl.Expr:
    """Return an hour as its place's clock shows it, since the month of the clock decides which meters count."""
    return hour.dt.convert_time_zone(ZONE).dt.replace_time_zone("UTC")


def export_day(
    setting: Setting,
    day: date,
    *,
    centre: str,
    recorded_at: datetime,
    policy: RatePolicy | None = None,
    hour: datetime | None = None,
) -> tuple[DailyPack, pl.DataFrame]:
    """Return the daily files of a day, or of one hour of it, for the upper centre, and the hours that they hold.

    Parameters
    ----------
    setting : Setting
    day : date
        Local day.
    centre : str
        Six digits of this centre.
    recorded_at : datetime
        Factors published later are not known.
    policy : RatePolicy, optional
    hour : datetime, optional
        Its first instant, where only one hour is wanted.

    Raises
    ------
    NotEnoughDataError
        Nothing is known of the day or hour.
    """
    house = open_house(setting)
    register = read_register(setting, house)
    hours = building_hours(house, setting, register, day) if house.building_months.version >= 0 else pl.DataFrame()
    hours = hours.filter(pl.col("building").is_in(list(register.buildings))) if hours.height else hours
    if hour is not None and hours.height:
        hours = hours.filter(pl.col("start") == hour)
    if hours.is_empty():
        raise NotEnoughDataError(
            f"{day} 没有完整的小时值 / no complete hour",
            doing="write the daily files",
            expected="导入并汇总过这一天的读数",
            next_step="dafeng meter import，dafeng meter rollup",
        )
    catalog = setting.catalog
    carriers = {item.id: item.carrier for item in catalog.items.values()}
    used = sorted({carriers[item] for item in hours["item"].unique()})
    home = house.workspace.settings.place or next(iter(register.buildings.values())).place
    uses = pl.DataFrame({"place": home, "carrier": used, "period": [day.replace(day=1)] * len(used)})
    rates, _ = conversion_rates(uses, catalog, policy=policy or read_policy(DEFAULT_RULES), as_of=recorded_at.date())
    known = {carrier: tce * 1000 for carrier, tce in rates.select("carrier", "tce").iter_rows() if tce is not None}
    known |= dict.fromkeys(NOT_ENERGY | BESIDE, 0.0)
    equivalents = {
        item.id: known[item.carrier] for item in catalog.items.values() if item.level == 1 and item.carrier in known
    }
    codes = {
        name: _code_on(catalog.places.get(name), day) for name in {one.place for one in register.buildings.values()}
    }
    sent = [building for code, building in sorted(register.buildings.items()) if code in set(hours["building"])]
    pack = daily_pack(
        centre=centre,
        day=day,
        archives=archive_frame(sent, centre=centre, districts={name: code for name, code in codes.items() if code}),
        hours=hours,
        equivalents=equivalents,
        zone=ZONE,
        items=sorted(catalog.items),
    )
    return pack, hours


def _code_on(place: Place, day: date) -> str | None:
    """Return the code of a place on a day, None where it has none."""
    held = [
        one.code
        for one in place.codes
        if (one.valid_from is None or one.valid_from <= day) and (one.valid_to is None or day < one.valid_to)
    ]
    return held[-1] if held else None

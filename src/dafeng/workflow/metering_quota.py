"""A year of buildings against quotas and peers, in a normal year's weather, and the papers that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from dafeng.base.errors import NotEnoughDataError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.ledger import FIELD_DTYPES
from dafeng.base.weather import WeatherKind
from dafeng.lake.weather import WeatherLake
from dafeng.metering.converting import conversion_rates
from dafeng.metering.grouping import group_buildings
from dafeng.metering.normalising import area_intensity, fit_degree_days, normal_year_use
from dafeng.metering.peers import peer_standing
from dafeng.metering.quota import USE_SCHEMA, judge_quota, over_quota
from dafeng.methods.climate import daily_means, degree_day_table
from dafeng.reports.document import Report
from dafeng.reports.energy_disclosure import disclosure_report, disclosure_rows, grouping_report
from dafeng.reports.quota_notice import NoticeStep, NoticeTerms, notice_report, over_quota_report
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.ledgers import rows_within
from dafeng.workflow.metering import ZONE, MeterHouse, open_house, read_register
from dafeng.workflow.setting import Setting

__all__ = ["MeterYear", "judge_year", "normal_use", "quota_notices", "quota_papers", "yearly_use"]

COAL_BASIS: Final = "当量口径（电按0.1229 kgce/kWh）"
_BASIC: Final = "01000"


@dataclass(frozen=True)
class MeterYear:
    """A year of the buildings of a place.

    Attributes
    ----------
    year : int
    place : str
    buildings : DataFrame
        The ledger of buildings, by `building`.
    use : DataFrame of `USE_SCHEMA`
        This year and the one before.
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
    over : DataFrame
        Those above their constraint value.
    intensity : DataFrame
        Use by area and standing among peers, of electricity.
    findings : tuple of Finding
    """

    year: int
    place: str
    buildings: pl.DataFrame
    use: pl.DataFrame
    verdicts: pl.DataFrame
    over: pl.DataFrame
    intensity: pl.DataFrame
    findings: tuple[Finding, ...]


def yearly_use(house: MeterHouse, years: tuple[int, int]) -> pl.DataFrame:
    """Return the use of buildings in the years from first to last, with coverage of the whole calendar year.

    Returns
    -------
    DataFrame of `USE_SCHEMA`
        A month without any reading counts as not covered.
    """
    rows = house.building_months.read(date(years[0], 1, 1), date(years[1] + 1, 1, 1)).filter(pl.col("line") == "total")
    days = pl.col("period").dt.month_end().dt.day()
    share = pl.when(pl.col("expected") > 0).then(pl.col("covered") / pl.col("expected")).otherwise(0.0).clip(0, 1)
    year = pl.col("period").dt.year()
    length = pl.when(pl.col("period").dt.is_leap_year()).then(366).otherwise(365)
    sums = rows.group_by("building", "item", year=year).agg(
        pl.col("amount", "spread", "withheld").sum(),
        coverage=(share * days / length).sum(),
        known=pl.col("amount").count(),
    )
    return (
        sums.with_columns(
            period=pl.col("year").cast(pl.String),
            amount=pl.when(pl.col("known") > 0).then("amount"),
            coverage=pl.col("coverage").clip(0, 1),
        )
        .select(pl.col(name).cast(kind) for name, kind in USE_SCHEMA.items())
        .sort("building", "item", "period")
    )


def judge_year(setting: Setting, year: int, *, place: str | None = None, standard: str = "gbt51161") -> MeterYear:
    """Hold the use of a year against quotas and peers.

    Parameters
    ----------
    setting : Setting
    year : int
    place : str, optional
        Only buildings in this place.
    standard : str
        Method of the quotas.

    Raises
    ------
    NotEnoughDataError
        Nothing of that year was rolled up, or the ledger holds no building there.
    """
    house = open_house(setting)
    register = read_register(setting, house)
    home = place or house.workspace.settings.place or "cn"
    buildings = register.ledger.with_columns(building=pl.col("building_code"))
    buildings = buildings.filter(pl.col("building").is_in(list(register.buildings)))
    if place is not None and "place" in buildings.columns:
        buildings = rows_within(buildings, "place", place, setting.catalog.places)
    use = yearly_use(house, (year - 1, year)) if house.building_months.version >= 0 else pl.DataFrame(schema=USE_SCHEMA)
    use = use.filter(pl.col("building").is_in(buildings["building"].implode())) if buildings.height else use.clear()
    if use.filter(pl.col("period") == str(year)).is_empty():
        raise NotEnoughDataError(
            f"{setting.catalog.place_name(home)} {year} 年没有汇总过的用能 / nothing rolled up",
            doing="judge quotas",
            expected="该年的读数与建筑台账",
            next_step="dafeng meter import，dafeng meter rollup",
        )
    heard = buildings.filter(pl.col("building").is_in(use["building"].implode()))
    result = judge_quota(heard, use, setting.catalog, year=year, standard=standard)
    findings = (*register.findings, *result.findings)
    return MeterYear(
        year, home, heard, use, result.verdicts, over_quota(result.verdicts), _intensity(heard, use, year), findings
    )


def _intensity(buildings: pl.DataFrame, use: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return electricity by floor area, and where it stands among peers."""
    if "gross_area" not in buildings.columns:
        buildings = buildings.with_columns(gross_area=pl.lit(None, pl.Float64))
    own = use.filter((pl.col("period") == str(year)) & (pl.col("item") == _BASIC))
    rows = area_intensity(own, buildings.select("building", "gross_area"))
    kinds = [name for name in ("building_type", "climate_zone") if name in buildings.columns]
    rows = rows.join(buildings.select("building", *kinds), on="building", how="left")
    standing = peer_standing(rows, group_by=[*kinds, "size"]).select(
        "building", "group", "peers", "percentile", "median"
    )
    return rows.join(standing, on="building", how="left").sort("building")


def coal_equivalents(setting: Setting, year: MeterYear, *, as_of: date) -> dict[str, float]:
    """Return kgce of one unit of each carrier's item, calorific basis, by the factors of the year's place."""
    catalog = setting.catalog
    whole = {item.carrier: item.id for item in catalog.items.values() if item.level == 1}
    uses = pl.DataFrame(
        {"place": [year.place] * len(whole), "carrier": list(whole), "period": [date(year.year, 1, 1)] * len(whole)}
    )
    rates, _ = conversion_rates(uses, catalog, policy=read_policy(DEFAULT_RULES), as_of=as_of)
    return {
        whole[carrier]: tce * 1000 for carrier, tce in rates.select("carrier", "tce").iter_rows() if tce is not None
    }


def quota_notices(
    setting: Setting, year: MeterYear, *, sender: str, day: date, basis: str | None = None, contact: str | None = None
) -> list[tuple[str, Report]]:
    """Return the reminder to the owner of each building above its quota, with the building's code."""
    terms = NoticeTerms(sender=sender, day=day, basis=basis, contact=contact)
    rows: dict[str, Mapping[str, Any]] = {row["building"]: row for row in year.buildings.iter_rows(named=True)}
    codes = year.over["building"].unique(maintain_order=True).to_list()
    return [
        (
            code,
            notice_report(
                year.verdicts.filter(pl.col("building") == code),
                rows[code],
                setting.catalog,
                step=NoticeStep.REMINDER,
                terms=terms,
            ),
        )
        for code in codes
    ]


def quota_papers(setting: Setting, year: MeterYear, *, as_of: date, least: int = 3) -> dict[str, Report]:
    """Return the over-quota list, the disclosure table with its masking, and the ten grouping tables, by name."""
    catalog = setting.catalog
    coal = coal_equivalents(setting, year, as_of=as_of)
    wanted = ("building_class", "building_type", "gross_area", "publication", "employees")
    absent = [name for name in wanted if name not in year.buildings.columns]
    buildings = year.buildings.with_columns(
        pl.lit(None, FIELD_DTYPES[catalog.fields[name].type]).alias(name) for name in absent
    )
    rows = disclosure_rows(buildings, year.use, year.verdicts, catalog, year=year.year, least=least, equivalents=coal)
    groups = group_buildings(buildings, year.use, catalog, year=year.year, equivalents=coal)
    common: dict[str, Any] = {"place": year.place, "year": year.year, "as_of": as_of}
    return {
        "over": over_quota_report(year.verdicts, catalog, **common),
        "disclosure": disclosure_report(rows, catalog, **common, coal_basis=COAL_BASIS),
        "groups": grouping_report(groups, catalog, **common, coal_basis=COAL_BASIS),
    }


def normal_use(
    setting: Setting, years: tuple[int, int], *, station: str | None = None, item: str = _BASIC
) -> tuple[pl.DataFrame, str]:
    """Return the use of buildings in years as it would have been in a normal year's weather.

    Parameters
    ----------
    setting : Setting
    years : pair of int
        First and last; the regression rests on the months of all of them.
    station : str, optional
        Weather station; the only one with measured weather where None.
    item : str
        Energy item.

    Returns
    -------
    frame : DataFrame of `dafeng.metering.normalising.NORMAL_SCHEMA`
    station : str

    Raises
    ------
    NotEnoughDataError
        There is no measured weather, or no typical year that says what is normal. A typical year is never taken for what was.
    UsageError
        Several stations have measured weather and none was named.
    """
    house = open_house(setting)
    lake = WeatherLake(house.workspace.lake)
    coverage = lake.coverage()
    measured = sorted(set(coverage.filter(pl.col("kind") == WeatherKind.ACTUAL.value)["station"]))
    if station is None and len(measured) > 1:
        raise UsageError(
            f"{'、'.join(measured)} 都有实际天气 / several stations",
            doing="reckon use in a normal year",
            expected="--station",
            next_step="用 --station 选一个站",
        )
    chosen = station or (measured[0] if measured else "")
    if chosen not in measured:
        raise NotEnoughDataError(
            f"没有{f' {chosen} 站的' if chosen else ''}实际天气 / no measured weather",
            doing="reckon use in a normal year",
            expected="当年实测的气温；典型年不能代替",
            next_step="dafeng meter import 天气表 --station 站号",
        )
    normal = degree_days_of(lake, chosen, WeatherKind.TYPICAL)
    if normal is None:
        raise NotEnoughDataError(
            f"没有 {chosen} 站的典型年 / no typical year",
            doing="reckon use in a normal year",
            expected="同站的典型年（EPW），用来说明什么是常年",
            next_step="dafeng meter import 典型年.epw --station 站号",
        )
    first, past = date(years[0], 1, 1), date(years[1] + 1, 1, 1)
    starts = pl.date_range(first, past, "1mo", closed="left", eager=True).to_list()
    spans = [(day, (day + timedelta(days=32)).replace(day=1)) for day in starts]
    weather = lake.read(chosen, start=first - timedelta(days=1), end=past + timedelta(days=1))
    table = degree_day_table(daily_means(weather, zone=ZONE), spans)
    actual = table.select(
        place=pl.lit("all"),
        month="start",
        hdd18="heating",
        cdd26="cooling",
        coverage=pl.col("known") / pl.col("days"),
        kind="kind",
    )
    rows = house.building_months.read(first, past).filter((pl.col("line") == "total") & (pl.col("item") == item))
    use = rows.select(
        "building", "item", "amount", place=pl.lit("all"), month="period", year=pl.col("period").dt.year().cast(pl.Int64),
        days=pl.col("period").dt.month_end().dt.day().cast(pl.Float64),
        coverage=pl.when(pl.col("expected") > 0).then((pl.col("covered") / pl.col("expected")).clip(0, 1)).otherwise(0.0),
    )  # fmt: skip
    fits = fit_degree_days(use, actual)
    named = pl.DataFrame({"place": ["all"], "hdd18": [normal[0]], "cdd26": [normal[1]]})
    found = normal_year_use(use, fits, actual, named, years=list(range(years[0], years[1] + 1)))
    return found.sort("building", "item", "year"), chosen


def degree_days_of(lake: WeatherLake, station: str, kind: WeatherKind) -> tuple[float, float] | None:
    """Return heating and cooling degree-days of a station's typical year, None where there is none."""
    rows = lake.read(station, kind=kind)
    if rows.is_empty():
        return None
    days = daily_means(rows, zone=ZONE).filter(pl.col("temperature").is_not_null())
    if days.height < 360:
        return None
    scale = 365 / days.height
    celsius = days["temperature"].to_numpy()
    return float((18 - celsius).clip(0).sum() * scale), float((celsius - 26).clip(0).sum() * scale)

"""The files of an invented city: ledgers of buildings and meters, the table that onboards its gateways, events, faults, and the truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.record import Record
from dafeng.catalog import Catalog
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.registry import Registry
from dafeng.gateway.simulator_faults import EFFECTS, Fault, FaultKind, Shown, schedule_faults, show
from dafeng.gateway.simulator_plan import CityOptions, CityPlan, PlannedGateway, plan_city
from dafeng.gateway.simulator_truth import (
    building_truth,
    city_truth,
    event_rows,
    local_edges,
    meter_truth,
    truth_frame,
    used_in_all,
)
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import open_house
from dafeng.workflow.setting import Setting

__all__ = ["CITY_FILE", "City", "CityRecord", "account_of", "make_city", "open_city", "prepare_workspace", "write_city"]

CITY_FILE: Final = "city.json"
_UNITS: Final = {"m**3": "m³"}


class CityRecord(Record):
    """From what a city is made again: the same bytes, as long as the package is the same."""

    options: CityOptions
    """Size and days."""
    seed: int
    """Of the generator."""
    faults: dict[FaultKind, float] | None = None
    """Share of gateways that each fault befalls; the usual ones where None, none where empty."""


class City:
    """A city with its faults.

    Parameters
    ----------
    record : CityRecord
    plan : CityPlan
    shown : Shown
    """

    def __init__(self, record: CityRecord, plan: CityPlan, shown: Shown) -> None:
        self.record, self.plan, self.shown = record, plan, shown

    def __repr__(self) -> str:
        return f"City({len(self.plan.gateways)} gateways, {self.plan.meters.height} meters, {len(self.shown.faults)} faults)"


def make_city(record: CityRecord, catalog: Catalog, rngs: Sequence[np.random.Generator]) -> City:
    """Return a city and its faults.

    Parameters
    ----------
    record : CityRecord
    catalog : Catalog
    rngs : two Generators
        Of the city and of what goes wrong, seeded by the caller, so that faults change nothing of the city.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> record = CityRecord(options=CityOptions(day=date(2026, 3, 4), gateways=20, meters=2), seed=1)
    >>> make_city(record, load_catalog(), [np.random.default_rng([1, part]) for part in (0, 1)])
    City(20 gateways, 40 meters, ... faults)
    """
    plan = plan_city(record.options, catalog, rng=rngs[0])
    shares = {} if record.faults is None else {"shares": record.faults}
    faults = schedule_faults(plan, rng=rngs[1], **shares)
    return City(record, plan, show(plan, faults))


def open_city(folder: Path) -> CityRecord:
    """Return what `write_city` noted of a city.

    Raises
    ------
    InputError
        There is no such note, or it cannot be read.
    """
    path = folder / CITY_FILE
    try:
        return CityRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} 读不出 / cannot be read",
            doing="open a simulated city",
            expected=f"dafeng gateway simulate 写出的 {CITY_FILE}",
            next_step="重新生成 / make it again",
        ) from error


def account_of(gateway: PlannedGateway, *, zone: str) -> Account:
    """Return the account under which a planned gateway logs in."""
    keys = Keys(gateway.key, gateway.iv, secret=gateway.secret)
    return Account(building=gateway.building, gateway=gateway.gateway, profile=gateway.profile, keys=keys, zone=zone)


def write_city(city: City, folder: Path, catalog: Catalog) -> list[Path]:
    """Write the files of a city; the same city gives the same bytes.

    Parameters
    ----------
    city : City
    folder : Path
        Made where it is not there.
    catalog : Catalog

    Returns
    -------
    list of Path
        buildings.csv, meters.csv, gateways.csv (with keys: readable by its owner only), events.csv, faults.csv,
        truth-hours.parquet, truth-days.csv, truth-city.csv, city.json.
    """
    plan, shown, options = city.plan, city.shown, city.record.options
    folder.mkdir(parents=True, exist_ok=True)
    names = {option.code: option.zh for option in catalog.fields["building_type"].options}
    carriers = {option.code: option.zh for option in catalog.fields["meter_carrier"].options}
    buildings = [
        (row["building"], row["name"], row["place"], "城镇（县城以外）", "公共建筑", names[row["type"]], 2010, f"{row['area']:.0f}")
        for row in plan.buildings.iter_rows(named=True)
    ]  # fmt: skip
    places = dict(plan.buildings.select("building", "place").iter_rows())
    meters = [
        (row["meter"], f"{row['building']}{row['name']}", places[row["building"]], row["building"], row["gateway"],
         row["address"], row["function"], carriers[row["carrier"]], row["item"], _UNITS.get(row["unit"], row["unit"]),
         row["multiplier"], _plain(row["rated"]), row["modulus"], "累计读数", row["parent"] or "", options.month_to_date - timedelta(days=31))
        for row in plan.meters.iter_rows(named=True)
    ]  # fmt: skip
    gateways = [
        (one.building, one.gateway, one.profile, one.key.hex(), one.iv.hex(), one.secret, options.zone)
        for one in plan.gateways
    ]
    written = [
        _csv(folder / "buildings.csv", _BUILDING_HEADS, buildings),
        _csv(folder / "meters.csv", _METER_HEADS, meters),
        _csv(folder / "gateways.csv", _GATEWAY_HEADS, gateways, secret=True),
        _csv(folder / "faults.csv", _FAULT_HEADS, [_told(fault, plan) for fault in shown.faults]),
    ]
    events = event_rows(shown)
    written.append(_csv(folder / "events.csv", events.columns, events.rows()))
    past = options.day + timedelta(days=options.days)
    hours = folder / "truth-hours.parquet"
    truth_frame(plan, shown, local_edges(options.day, past, zone=options.zone, hours=1)).write_parquet(
        hours, compression="zstd"
    )
    written.append(hours)
    written += _totals(city, folder, catalog, past)
    note = folder / CITY_FILE
    note.write_text(
        json.dumps(city.record.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    return [*written, note]


_BUILDING_HEADS: Final = ("建筑代码", "建筑名称", "所在地", "所在地域", "建筑大类", "建筑类型", "建成年份", "总建筑面积（平方米）")  # fmt: skip
_METER_HEADS: Final = (
    "表计编号", "表计名称", "所在地", "建筑编码", "网关编号", "采集表号", "功能编号", "能源种类", "分项编码", "读数单位", "综合倍率", "额定功率",
    "满度值", "数据类型", "上级表计", "启用日期",
)  # fmt: skip
_GATEWAY_HEADS: Final = ("建筑代码", "网关编号", "协议", "密钥", "向量", "口令", "时区")
_FAULT_HEADS: Final = ("故障", "网关", "表计", "起", "止", "量", "后果", "说明")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _told(fault: Fault, plan: CityPlan) -> tuple[object, ...]:
    gateway = plan.gateways[fault.gateway]
    meter = plan.meters["meter"][fault.meter] if fault.meter >= 0 else ""
    effect, sentence = EFFECTS[fault.kind]
    first, last = (plan.times[place].isoformat(" ") for place in (fault.first, fault.last))
    return (fault.kind.value, f"{gateway.building}/{gateway.gateway}", meter, first, last, _plain(fault.amount), effect.value,
            sentence)  # fmt: skip


def _csv(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]], *, secret: bool = False) -> Path:
    if secret:
        path.touch(mode=0o600)
        path.chmod(0o600)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(heads)
        writer.writerows(rows)
    return path


def _totals(city: City, folder: Path, catalog: Catalog, past: date) -> list[Path]:
    """Write the days of buildings, and the day and the month to date of the city."""
    plan, shown, options = city.plan, city.shown, city.record.options
    edges = local_edges(options.month_to_date, past, zone=options.zone)
    amount, covered = meter_truth(plan, shown, edges)
    names, known, seconds = building_truth(plan, amount, covered, catalog.items)
    _, used, _ = building_truth(plan, used_in_all(plan, edges), covered, catalog.items)
    days = [options.month_to_date + timedelta(days=number) for number in range(edges.size - 1)]
    rows = [
        (*name, day, f"{used[index, place]:.3f}", f"{known[index, place]:.3f}", round(seconds[index, place]))
        for index, name in enumerate(names.iter_rows())
        for place, day in enumerate(days)
    ]
    heads = ("building", "place", "item", "day", "used", "metered", "covered")
    city_rows = []
    totals, uses, covers = (city_truth(names, table) for table in (known, used, seconds))
    for item in totals:
        for period, part in (
            ("month-to-date", slice(None)),
            *((str(day), slice(n, n + 1)) for n, day in enumerate(days)),
        ):
            sums = (uses[item][part].sum(), totals[item][part].sum())
            city_rows.append(
                (item, period, *(f"{value:.3f}" for value in sums), round(float(covers[item][part].sum())))
            )
    return [
        _csv(folder / "truth-days.csv", heads, rows),
        _csv(folder / "truth-city.csv", ("item", "period", "used", "metered", "covered"), city_rows),
    ]


def prepare_workspace(city: City, folder: Path, setting: Setting, *, recorded_at: datetime) -> list[Finding]:
    """Put a city into a workspace as its people would: ledgers, accounts of gateways, events.

    Parameters
    ----------
    city : City
    folder : Path
        Where `write_city` wrote its files.
    setting : Setting
    recorded_at : datetime

    Returns
    -------
    list of Finding
        Of the ledgers.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    """
    workspace, _ = need_workspace(setting)
    findings: list[Finding] = []
    for register in ("buildings", "meters"):
        done = import_ledger(setting, folder / f"{register}.csv", register, recorded_at=recorded_at)
        findings += done.findings
    accounts = [account_of(gateway, zone=city.record.options.zone) for gateway in city.plan.gateways]
    connection = open_database(workspace.root / DATABASE_FILE)
    try:
        Registry(connection).put_all(accounts, at=recorded_at)
    finally:
        connection.close()
    events = city.shown.events
    if events.height:
        said = sha256(repr(events.rows()).encode()).hexdigest()[:32]
        open_house(setting).readings.append_events(events, batch=f"simulated-{said}")
    return findings

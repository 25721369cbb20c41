"""Metering of a workspace: the meters and buildings that ledgers, bills and other centres name, and the tables made of readings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from dafeng.base.building import BUILDING_FIELDS, Building
from dafeng.base.errors import UnitError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.meter import METER_FIELDS, Meter, MeterKind, MeterShare
from dafeng.base.quantity import same_dimension
from dafeng.catalog import Catalog
from dafeng.lake import DerivedTable, Engine, EngineRows, ReadingLake, Workspace
from dafeng.metering.account_links import AccountLink
from dafeng.metering.converting import RATE_SCHEMA
from dafeng.metering.frames import BASELINE_SCHEMA, FLAG_SCHEMA, HOUR_SCHEMA, METER_SCHEMA, PERIOD_SCHEMA
from dafeng.metering.items import ITEM_SCHEMA
from dafeng.metering.places import PLACE_SCHEMA
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.ledgers import current_ledgers
from dafeng.workflow.setting import Setting

__all__ = [
    "RESTATEMENT_SCHEMA",
    "STORED_ITEM",
    "VIRTUAL_METER_SCHEMA",
    "ZONE",
    "MeterHouse",
    "MeterRegister",
    "know_building",
    "know_meter",
    "open_house",
    "put_rows",
    "read_register",
    "said_of",
    "shown_items",
    "stored_items",
]

ZONE: Final = "Asia/Shanghai"
"""Zone in which local days begin: that of every place of the catalog."""
EVER: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
"""Span that holds every reading."""
_LISTED: Final = 20
_FEW: Final = 3_000_000

STORED_ITEM: Final = {("line" if name == "part" else name): kind for name, kind in ITEM_SCHEMA.items()}
"""Columns of stored totals of buildings: those of `ITEM_SCHEMA`, with ``line`` for ``part``, a name that tables keep to themselves."""

VIRTUAL_METER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "first": pl.Date(),
    "last": pl.Date(),
    "company": pl.String(),
    "account": pl.String(),
    "name": pl.String(),
    "address": pl.String(),
    "place": pl.String(),
    "use": pl.String(),
    "carrier": pl.String(),
    "unit": pl.String(),
    "building": pl.String(),
    "item": pl.String(),
}
"""Columns of meters that stand in no ledger: accounts of companies (`account:…`), and energy items of another centre (`item:…`,
with building and item). first, last: local days, half-open, of what one import brought."""

LINK_SCHEMA: Final[dict[str, pl.DataType]] = {
    "account": pl.String(),
    "carrier": pl.String(),
    "building": pl.String(),
    "accepted": pl.Boolean(),
    "share": pl.Float64(),
    "valid_from": pl.Date(),
    "valid_to": pl.Date(),
    "by": pl.String(),
    "decided_on": pl.Date(),
    "reason": pl.String(),
}
"""Columns of decisions on accounts: those of `AccountLink`."""

RESTATEMENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "table": pl.String(),
    "version": pl.Int64(),
    "subject": pl.String(),
    "detail": pl.String(),
    "period": pl.Date(),
    "column": pl.String(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "because": pl.String(),
    "recorded_at": pl.Datetime("us", "UTC"),
}
"""Columns of restatements: which table, its version, building or place, item or class and carrier, period, column, value before and
after, and the batches or changes because of which."""


class MeterHouse:
    """The lake of readings and every table made from it.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.readings = ReadingLake(workspace.lake / "readings")
        self.folder = workspace.lake / "metering"
        once = {"period": pl.Date()}
        keys = ("building", "item", "line", "period")
        totals = ("place", "building_class", "carrier", "end_use", "period")
        self.virtual = self._table("virtual_meters", VIRTUAL_METER_SCHEMA, ("meter", "first"), "first", "year")
        self.links = self._table(
            "account_links", LINK_SCHEMA, ("account", "carrier", "building", "decided_on"), "decided_on", "year"
        )
        self.baselines = self._table("baselines", BASELINE_SCHEMA | once, ("meter", "period"), "period", "year")
        self.register = self._table("register", METER_SCHEMA | once, ("meter", "period"), "period", "year")
        self.marks = self._table("marks", FLAG_SCHEMA, ("check", "meter", "start", "end"), "start", "month")
        self.hours = self._table("hours", HOUR_SCHEMA, ("meter", "hour"), "hour", "month")
        self.days = self._table("days", PERIOD_SCHEMA, ("meter", "period"), "period", "month")
        self.months = self._table("months", PERIOD_SCHEMA, ("meter", "period"), "period", "month")
        self.building_days = self._table("building_days", STORED_ITEM, keys, "period", "month")
        self.building_months = self._table("building_months", STORED_ITEM, keys, "period", "month")
        self.building_years = self._table("building_years", STORED_ITEM, keys, "period", "year")
        self.rates = self._table("rates", RATE_SCHEMA, ("place", "carrier", "period"), "period", "month")
        self.place_months = self._table("place_months", PLACE_SCHEMA, totals, "period", "month")
        self.place_years = self._table("place_years", PLACE_SCHEMA, totals, "period", "year")
        self.restatements = self._table(
            "restatements", RESTATEMENT_SCHEMA, ("table", "version", "subject", "detail", "period", "column", "recorded_at"),
            "recorded_at", "year",
        )  # fmt: skip
        self.publications = self._table(
            "publications", {"at": pl.Datetime("us", "UTC"), "appended": pl.Int64(), "withdrawn": pl.Int64()}, ("at",), "at", "year"
        )  # fmt: skip

    def _table(
        self, name: str, schema: Mapping[str, pl.DataType], keys: tuple[str, ...], time: str, by: Any
    ) -> DerivedTable:
        return DerivedTable(self.folder / name, schema, keys=keys, time=time, by=by)

    def tables(self) -> dict[str, DerivedTable]:
        """Return the tables that are made from readings, by name."""
        names = (
            "hours",
            "days",
            "months",
            "building_days",
            "building_months",
            "building_years",
            "place_months",
            "place_years",
        )
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class MeterRegister:
    """What is known of meters and buildings."""

    meters: dict[str, Meter]
    """By id: of the ledger, accounts that a decision gives to buildings, items of other centres."""
    shares: tuple[MeterShare, ...]
    """Shares of accounts."""
    buildings: dict[str, Building]
    """By code."""
    names: dict[str, str]
    """Name of each meter of the ledger."""
    ledger: pl.DataFrame
    """The ledger of buildings with all its columns, one row a building; empty where there is none."""
    findings: tuple[Finding, ...] = field(default=())
    """Rows that make no meter or building, and what counts nowhere."""


def open_house(setting: Setting) -> MeterHouse:
    """Return the metering of a workspace.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    """
    return MeterHouse(need_workspace(setting)[0])


def put_rows(
    table: DerivedTable, engine: Engine, held: Any, parts: Sequence[str], made_from: Mapping[str, int | str]
) -> None:
    """Put the rows of a held expression in the place of parts of a table: through this process where they are few, else not."""
    count = int(engine.collect(held.aggregate(rows=held.count()))["rows"][0])
    rows: pl.DataFrame | EngineRows = EngineRows(engine, held)
    if count <= _FEW:
        found = engine.collect(held, table.schema).select(
            pl.col(name).cast(kind) for name, kind in table.schema.items()
        )
        text = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[table.by]
        rows = found.filter(pl.col(table.time).dt.strftime(text).is_in(list(parts)))
    table.replace(rows, partitions=parts, made_from=made_from)


def stored_items(frame: pl.DataFrame) -> pl.DataFrame:
    """Return totals of `ITEM_SCHEMA` as they are stored."""
    return frame.rename({"part": "line"}).select(list(STORED_ITEM))


def shown_items(frame: pl.DataFrame) -> pl.DataFrame:
    """Return stored totals in the columns of `ITEM_SCHEMA`."""
    return frame.rename({"line": "part"}).select(list(ITEM_SCHEMA))


def said_of(readings: pl.DataFrame) -> str:
    """Return what names readings: a hash of meters, times, values and marks, not of when they were received.

    Examples
    --------
    >>> at = datetime(2024, 1, 1, tzinfo=UTC)
    >>> rows = pl.DataFrame({"meter": ["a"], "at": [at], "start": [at], "value": [1.0], "sent_as": [""], "lineage": ["x"]})
    >>> said_of(rows) == said_of(rows.with_columns(received_at=at)), said_of(rows) == said_of(rows.with_columns(value=2.0))
    (True, False)
    """
    digest = hashlib.sha256(str(readings.height).encode())
    for name in ("at", "start", "value"):
        column = readings[name].to_physical()
        digest.update(column.is_null().to_numpy().tobytes() + column.fill_null(0).to_numpy().tobytes())
    for name in ("meter", "sent_as", "lineage"):
        text = readings.select(pl.col(name).fill_null("~").str.join("\n")).item() if readings.height else ""
        digest.update(text.encode())
    return digest.hexdigest()


def _finding(name: str, sentence: str, *, severity: Severity = Severity.WARNING, value: str = "", next_step: str = "",
             **evidence: str | int) -> Finding:  # fmt: skip
    return Finding(name=f"meter.register.{name}", sentence=sentence, severity=severity, value=value, next_step=next_step,
                   evidence=dict(evidence))  # fmt: skip


def _listed(names: Iterable[str]) -> str:
    some = sorted(names)
    return "、".join(some[:_LISTED]) + (f" 等 {len(some)} 个" if len(some) > _LISTED else "")


def read_register(setting: Setting, house: MeterHouse | None = None) -> MeterRegister:
    """Return the meters and buildings of a workspace.

    Meters stand in the ledger `meters`, buildings in the ledger `buildings`. Accounts of companies count where a person, or an
    equal code, has given them to a building; a building and carrier that meters of the ledger measure is never counted a second
    time by an account or by another centre.
    """
    home = house or open_house(setting)
    things = current_ledgers(setting, registers=["meters", "buildings"])
    findings: list[Finding] = []
    buildings: dict[str, Building] = {}
    for row in things["buildings"].iter_rows(named=True) if "buildings" in things else ():
        if row.get("building_code") is None:
            continue
        made = _record(
            Building, {field: row.get(field) for field in BUILDING_FIELDS.values()}, row, "building", findings
        )
        if isinstance(made, Building):
            buildings[made.id] = made
    meters: dict[str, Meter] = {}
    names: dict[str, str] = {}
    for row in things["meters"].iter_rows(named=True) if "meters" in things else ():
        meter = _record(Meter, {field: row.get(field) for field in METER_FIELDS.values()}, row, "meter", findings)
        if isinstance(meter, Meter) and _countable(meter, setting.catalog, findings):
            meters[meter.id] = meter
            names[meter.id] = row.get("meter_name") or ""
    shares = _virtual(home, setting.catalog, meters, findings)
    homeless = {meter.building for meter in meters.values()} - set(buildings)
    if homeless:
        findings.append(
            _finding(
                "building-unknown",
                f"{len(homeless)} 栋建筑有表计而不在建筑台账中，不计入各地合计：{_listed(homeless)}",
                next_step="在建筑台账补这些建筑及其所在地",
                buildings=len(homeless),
            )
        )
    parents = {meter.parent for meter in meters.values() if meter.parent} - set(meters)
    if parents:
        findings.append(
            _finding(
                "parent-unknown", f"上级表计不在台账中：{_listed(parents)}", next_step="补登上级表计，或改正上级编号"
            )
        )
    ledger = things.get("buildings", pl.DataFrame({"building_code": []}, schema={"building_code": pl.String()}))
    return MeterRegister(meters, shares, buildings, names, ledger, tuple(findings))


def _record(kind: Any, given: dict[str, Any], row: Mapping[str, Any], what: str, findings: list[Finding]) -> Any:
    key = str(row.get("key") or row.get(f"{what}_code") or "")
    try:
        return kind.from_ledger({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        findings.append(
            _finding(
                f"{what}-unusable",
                f"{'表计' if what == 'meter' else '建筑'} {key} 的台账不能用：{place} {fault['msg']}",
                severity=Severity.ERROR,
                value=str(fault.get("input", ""))[:80],
                next_step="在台账中改正后重新导入",
                key=key,
            )
        )
        return None


def _countable(meter: Meter, catalog: Catalog, findings: list[Finding]) -> bool:
    item = catalog.items.get(meter.item)
    if item is None:
        near = "、".join(close_names(meter.item, catalog.items)) or "目录中的编码"
        findings.append(
            _finding("item-unknown", f"表计 {meter.id} 的分项编码 {meter.item} 不在目录中", severity=Severity.ERROR,
                     value=meter.item, next_step=f"改为 {near}", meter=meter.id)
        )  # fmt: skip
        return False
    try:
        fits = same_dimension(meter.unit, item.unit)
    except UnitError:
        fits = False
    if not fits:
        findings.append(
            _finding("unit-unfit", f"表计 {meter.id} 的单位 {meter.unit} 不能换算为 {item.title.zh}的单位 {item.unit}",
                     severity=Severity.ERROR, value=meter.unit, next_step="改正单位，或把换算并入倍率", meter=meter.id)
        )  # fmt: skip
    return fits


def _virtual(
    house: MeterHouse, catalog: Catalog, meters: dict[str, Meter], findings: list[Finding]
) -> tuple[MeterShare, ...]:
    """Add the meters of accounts and of other centres, and return the shares of the accounts."""
    rows = house.virtual.read()
    if rows.is_empty():
        return ()
    newest = rows.sort("last").group_by("meter", maintain_order=True).last().drop("first", "last")
    spans = rows.group_by("meter").agg(pl.col("first").min())
    known = newest.join(spans, on="meter").sort("meter")
    whole = {item.carrier: item for item in catalog.items.values() if item.level == 1}
    metered = {(meter.building, meter.item[:2]) for meter in meters.values()}
    links: dict[tuple[str, str], list[AccountLink]] = {}
    for link in account_links(house):
        if link.accepted:
            links.setdefault((link.account, link.carrier), []).append(link)
    shares: list[MeterShare] = []
    beside: set[str] = set()
    for row in known.iter_rows(named=True):
        if row["building"] is not None:
            item = catalog.items.get(row["item"])
            if item is None or (row["building"], item.id[:2]) in metered:
                beside.add(row["meter"])
                continue
            meters[row["meter"]] = Meter(
                id=row["meter"], building=row["building"], carrier=item.carrier, item=item.id, unit=item.unit,
                kind=MeterKind.INTERVAL, valid_from=row["first"],
            )  # fmt: skip
            continue
        item = whole.get(row["carrier"] or "")
        own = links.get((row["account"], row["carrier"] or ""), links.get((row["account"], ""), []))
        counted = [] if item is None else [link for link in own if (link.building, item.id[:2]) not in metered]
        if len(counted) < len(own):
            beside.add(row["meter"])
        if item is None or not counted or not same_dimension(row["unit"], item.unit):
            continue
        meters[row["meter"]] = Meter(
            id=row["meter"], building=counted[0].building, carrier=item.carrier, item=item.id, unit=row["unit"],
            kind=MeterKind.INTERVAL, valid_from=row["first"],
        )  # fmt: skip
        shares += [
            MeterShare(meter=row["meter"], building=link.building, item=item.id, rate=link.share) for link in counted
        ]
    if beside:
        findings.append(
            _finding(
                "counted-already",
                f"{len(beside)} 个户号或外来分项所在建筑已有同类能源的表计，只存不计：{_listed(beside)}",
                severity=Severity.INFO,
                next_step="两者应相符；若表计不全，以账单为准时请停用表计",
            )
        )
    return tuple(shares)


def account_links(house: MeterHouse) -> list[AccountLink]:
    """Return the decisions on accounts, of several on one account, carrier and building the latest."""
    rows = (
        house.links.read()
        .sort("decided_on")
        .unique(["account", "carrier", "building"], keep="last", maintain_order=True)
    )
    return [AccountLink(**row) for row in rows.iter_rows(named=True)]


def know_meter(register: MeterRegister, name: str) -> Meter:
    """Return a meter by id.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    return register.meters[_known(name, register.meters, "表计 / meter", "meters")]


def know_building(register: MeterRegister, name: str) -> Building:
    """Return a building by code.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    return register.buildings[_known(name, register.buildings, "建筑 / building", "buildings")]


def _known(name: str, among: Iterable[str], what: str, ledger: str) -> str:
    names = list(among)
    if name in names:
        return name
    raise UnknownNameError(
        f"没有{what} {name!r} / unknown",
        doing="look up a meter or building",
        expected="、".join(close_names(name, names)) or f"台账 {ledger} 中的编号",
        next_step=f"dafeng ledger show {ledger}",
    )

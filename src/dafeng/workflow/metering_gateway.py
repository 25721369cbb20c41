"""Readings of gateways into the lake: which meter of the house each one is, and one batch for each delivery.

Meters are tied to the ledger by gateway, meter and function. What the ledger does not know is stored under a provisional name
and listed; once it stands in the ledger, `adopt_gateway_meters` gives what was stored to the meter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding, Severity
from dafeng.base.reading import READING_SCHEMA
from dafeng.lake import Published
from dafeng.workflow.ledgers import current_ledgers
from dafeng.workflow.metering import ZONE, MeterHouse, open_house, said_of
from dafeng.workflow.setting import Setting

__all__ = [
    "AHEAD",
    "ARCHIVE_SCHEMA",
    "SENT_SCHEMA",
    "Adopted",
    "ArchiveCheck",
    "Delivered",
    "GatewayArchive",
    "GatewayDelivery",
    "adopt_gateway_meters",
    "check_gateway_archive",
    "gateway_rows",
    "provisional_name",
    "read_gateway_archive",
    "tie_readings",
]

_INSTANT: Final = READING_SCHEMA["at"]
_POINT: Final = ("building", "gateway", "meter", "function")
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(hours=1)
"""How far the instant of a reading may lie ahead of its receipt, unless said otherwise."""
_SHOWN: Final = 40
_ITEM: Final = 5

SENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "packet": pl.Int64(),
    "building": pl.String(),
    "gateway": pl.String(),
    "operation": pl.String(),
    "sequence": pl.String(),
    "at": pl.Int64(),
    "received_at": pl.Int64(),
    "meter": pl.String(),
    "function": pl.String(),
    "coding": pl.String(),
    "error": pl.String(),
    "text": pl.String(),
}
"""Columns of readings as gateways sent them, one row a function of a meter. packet: the same for readings that came together. at,
received_at: microseconds since 1970, UTC."""

ARCHIVE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "gateway": pl.String(),
    "meter": pl.String(),
    "function": pl.String(),
    "house_meter": pl.String(),
    "item": pl.String(),
    "valid_from": pl.Date(),
    "valid_to": pl.Date(),
}
"""Columns of the meters that the ledger ties to gateways. building, gateway: those that send. function: blank where the meter sends a
single one. house_meter: meter id of the house. item: its energy item. valid_from, valid_to: local days in service, half-open."""


@dataclass(frozen=True)
class GatewayArchive:
    """The meters that the ledger ties to gateways.

    Parameters
    ----------
    points : DataFrame of `ARCHIVE_SCHEMA`
    findings : tuple of Finding
        Rows of the ledger that contradict one another; on days of two meters such a point is tied to neither.
    """

    points: pl.DataFrame
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Delivered:
    """What became of a delivery.

    Parameters
    ----------
    batch : str
    rows : int
        Readings stored.
    already : bool
        Whether the batch had landed before.
    points : DataFrame
        Columns building, gateway, meter, function, coding, house_meter, known, at: every point that sent, once.
    set_aside : DataFrame
        Columns of `SENT_SCHEMA` and reason: readings that the lake does not get, since their instant is none of 1900 to 2200 (time)
        or lies too far ahead of their receipt (future).
    """

    batch: str
    rows: int
    already: bool
    points: pl.DataFrame
    set_aside: pl.DataFrame


def provisional_name(building: str, gateway: str, meter: str, function: str) -> str:
    """Return the name under which readings of a meter are stored that no ledger knows.

    Examples
    --------
    >>> provisional_name("370202A001", "01", "01001", "1")
    'gw:370202A001.01.01001.1'
    """
    return f"gw:{building}.{gateway}.{meter}.{function}"


def read_gateway_archive(setting: Setting) -> GatewayArchive:
    """Return what the ledger of meters says of gateways: columns 所属网关, 网关内表号, 网关功能号.

    所属网关 is a gateway number, then of the row's own building, or ``building.gateway``, or both run together.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    """
    ledgers = current_ledgers(setting, registers=["meters"])
    rows = ledgers.get("meters")
    if rows is None or not {"gateway_code", "gateway_meter"} <= set(rows.columns):
        return GatewayArchive(pl.DataFrame(schema=ARCHIVE_SCHEMA))
    optional = {"gateway_function": pl.String(), "meter_from": pl.Date(), "meter_to": pl.Date()}
    absent = [pl.lit(None, kind).alias(name) for name, kind in optional.items() if name not in rows.columns]
    code = pl.col("gateway_code").str.strip_chars()
    dotted = code.str.contains(".", literal=True)
    points = (
        rows.with_columns(absent)
        .filter(code.is_not_null() & pl.col("gateway_meter").is_not_null() & pl.col("meter_code").is_not_null())
        .select(
            building=pl.when(dotted).then(code.str.extract(r"^(.*)\.[^.]*$")).otherwise("building_code"),
            gateway=pl.when(dotted)
            .then(code.str.extract(r"\.([^.]*)$"))
            .otherwise(_without_building(code, pl.col("building_code"))),
            meter=pl.col("gateway_meter").str.strip_chars(),
            function=pl.col("gateway_function").str.strip_chars().fill_null(""),
            house_meter="meter_code",
            item="energy_item",
            valid_from="meter_from",
            valid_to="meter_to",
        )
        .select(pl.col(name).cast(kind) for name, kind in ARCHIVE_SCHEMA.items())
    )
    return GatewayArchive(points, tuple(_clashes(points)))


def _without_building(code: pl.Expr, building: pl.Expr) -> pl.Expr:
    """Return the gateway number of a code that may begin with the building: 370202A00101 is gateway 01."""
    starts = code.str.starts_with(building.fill_null("~")) & (code.str.len_chars() > building.str.len_chars())
    return pl.when(starts).then(code.str.slice(building.str.len_chars())).otherwise(code)


def _clashes(points: pl.DataFrame) -> Iterator[Finding]:
    """Find points that belong to two meters on one day."""
    several = points.filter(pl.len().over(_POINT) > 1)
    pairs = several.join(several, on=_POINT, suffix="_other").filter(
        (pl.col("house_meter") < pl.col("house_meter_other"))
        & (pl.col("valid_from").fill_null(date.min) < pl.col("valid_to_other").fill_null(date.max))
        & (pl.col("valid_from_other").fill_null(date.min) < pl.col("valid_to").fill_null(date.max))
    )
    for row in pairs.iter_rows(named=True):
        yield Finding(
            name="gateway.archive.point-taken",
            sentence=f"网关 {row['building']}/{row['gateway']} 的表 {row['meter']} 功能 {row['function'] or '（空）'} 在台账中同时属于"
            f"两块表：{row['house_meter']}、{row['house_meter_other']}；同属两块的日子，读数暂存在临时表号下",
            severity=Severity.ERROR,
            next_step="台账中只留一块；换表的旧表填停用日期，新表从那天启用",
        )


def tie_readings(sent: pl.DataFrame, archive: GatewayArchive) -> pl.DataFrame:
    """Return readings with house_meter and known.

    A point with one meter in the ledger is that meter; of several the one in service on the local day of the reading, so that the
    back-fill of a meter that was replaced stays its own.

    Parameters
    ----------
    sent : DataFrame of `SENT_SCHEMA`
    archive : GatewayArchive
        A point without function is met by a meter that sends a single function in the packet.
    """
    return _tied(sent, archive, pl.col("function").n_unique().over("packet", "meter") == 1)


def _tied(sent: pl.DataFrame, archive: GatewayArchive, alone: pl.Expr) -> pl.DataFrame:
    exact = archive.points.filter(pl.col("function") != "")
    single = archive.points.filter(pl.col("function") == "").drop("function")
    numbered = sent.with_row_index("row").with_columns(alone=alone)
    named = _named(_named(numbered, exact, _POINT, "named"), single, _POINT[:3], "lone")
    return named.with_columns(house=pl.coalesce("named", pl.when("alone").then("lone"))).select(
        *sent.columns,
        known=pl.col("house").is_not_null(),
        house_meter=pl.coalesce("house", pl.format("gw:{}.{}.{}.{}", *_POINT)),
    )


def _named(sent: pl.DataFrame, points: pl.DataFrame, on: Sequence[str], column: str) -> pl.DataFrame:
    """Add the meter that readings are of; null where there is none, or not one only."""
    count = pl.len().over(on)
    plain = points.filter(count == 1).select(*on, pl.col("house_meter").alias(column))
    joined = sent.join(plain, on=list(on), how="left", maintain_order="left")
    dated = points.filter(count > 1)
    if dated.is_empty():
        return joined
    day = pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE).dt.date()
    serving = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("day"))) & (
        pl.col("valid_to").is_null() | (pl.col("day") < pl.col("valid_to"))
    )
    hits = (
        sent.select("row", *on, day=day)
        .join(dated.select(*on, "house_meter", "valid_from", "valid_to"), on=list(on))
        .filter(serving)
        .group_by("row")
        .agg(pl.col("house_meter").first().alias("hit"), pl.len())
        .filter(pl.col("len") == 1)
    )
    found = joined.join(hits.select("row", "hit"), on="row", how="left", maintain_order="left")
    return found.with_columns(pl.coalesce(column, "hit").alias(column)).drop("hit")


def gateway_rows(tied: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the lake of readings that `tie_readings` has tied.

    A text that is no finite number gives no value, and the mark says how it stood; an error mark of the sender is kept as it is.

    Examples
    --------
    >>> row = {"packet": 0, "building": "b", "gateway": "01", "operation": "report", "sequence": "7", "at": 0,
    ...        "received_at": 5, "meter": "1", "function": "2", "coding": "", "error": "192", "text": " 1.50 "}
    >>> sent = pl.DataFrame([row, row | {"function": "3", "error": "0", "text": "--"}], schema=SENT_SCHEMA)
    >>> rows = gateway_rows(tie_readings(sent, GatewayArchive(pl.DataFrame(schema=ARCHIVE_SCHEMA))))
    >>> rows.select("meter", "value", "sent_as", "lineage").rows()
    [('gw:b.01.1.2', 1.5, '192', 'gateway:b/01/report/7'), ('gw:b.01.1.3', None, 'text:--', 'gateway:b/01/report/7')]
    """
    text = pl.col("text").str.strip_chars()
    number = text.cast(pl.Float64, strict=False)
    error = pl.when(~pl.col("error").str.strip_chars().is_in(["", "0"])).then(pl.col("error").str.strip_chars())
    strange = pl.when(number.is_null() | ~number.is_finite()).then(pl.format("text:{}", text.str.slice(0, _SHOWN)))
    return tied.select(
        meter="house_meter",
        at=pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        start=pl.lit(None, _INSTANT),
        value=pl.when(number.is_finite()).then(number),
        sent_as=pl.concat_str([error, strange], separator=";", ignore_nulls=True),
        origin=pl.lit("gateway"),
        lineage=pl.format("gateway:{}/{}/{}/{}", "building", "gateway", "operation", "sequence"),
        received_at=pl.col("received_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    ).select(pl.col(name).cast(kind) for name, kind in READING_SCHEMA.items())


class GatewayDelivery:
    """Takes batches of sent readings into the lake of a workspace.

    Parameters
    ----------
    setting : Setting
    seconds : float
        For so long the ledger of meters counts as read.
    ticking : callable
        Seconds of a clock that only runs forward.
    ahead : timedelta
        How far the instant of a reading may lie ahead of its receipt.
    """

    def __init__(
        self, setting: Setting, *, ticking: Callable[[], float], seconds: float = 60.0, ahead: timedelta = AHEAD
    ) -> None:
        self.setting, self._ahead = setting, ahead
        self.house: MeterHouse = open_house(setting)
        self._ticking, self._seconds = ticking, seconds
        self._archive: GatewayArchive | None = None
        self._read_at = 0.0

    def archive(self) -> GatewayArchive:
        """Return the meters that the ledger ties to gateways, read anew from time to time."""
        now = self._ticking()
        if self._archive is None or now - self._read_at > self._seconds:
            self._archive, self._read_at = read_gateway_archive(self.setting), now
        return self._archive

    def deliver(self, sent: pl.DataFrame, batch: str) -> Delivered:
        """Store readings as one batch, named after the packets that hold them.

        Parameters
        ----------
        sent : DataFrame of `SENT_SCHEMA`
        batch : str
            Names these packets and no others. Where it landed before, nothing is stored, whatever meters the packets were tied to
            then.

        Raises
        ------
        LakeError
            The lake cannot be written. Nothing is stored then.
        """
        at = pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        future = pl.col("at") - pl.col("received_at") > self._ahead // timedelta(microseconds=1)
        reason = pl.when(~at.is_between(_EARLIEST, _LATEST, closed="left")).then(pl.lit("time"))
        tied = tie_readings(sent, self.archive()).with_columns(reason=reason.when(future).then(pl.lit("future")))
        lost = tied.filter(pl.col("reason").is_not_null())
        rows = gateway_rows(tied.filter(pl.col("reason").is_null()))
        stored, already = 0, False
        if not rows.is_empty():
            try:
                landed: Published = self.house.readings.append(rows, batch=batch)
            except LakeError as error:
                if "used before" not in error.problem:
                    raise
                already = True  # the same packets, tied by the ledger as it was then
            else:
                stored, already = landed.appended, landed.already
        points = tied.group_by(_POINT, maintain_order=True).agg(
            pl.col("coding", "house_meter", "known").last(), pl.col("at").max()
        )
        return Delivered(batch, stored, already, points, lost.select(*SENT_SCHEMA, "reason"))


@dataclass(frozen=True)
class Adopted:
    """What a meter got that was stored under a provisional name.

    Parameters
    ----------
    meter, was : str
        Meter of the house, and the provisional name.
    rows : int
        Readings stored anew; those under the provisional name stay as they are.
    """

    meter: str
    was: str
    rows: int


def adopt_gateway_meters(setting: Setting, points: pl.DataFrame, *, recorded_at: datetime) -> list[Adopted]:
    """Store anew, under the meter that the ledger names by now, what was stored under provisional names.

    Parameters
    ----------
    setting : Setting
    points : DataFrame
        Columns building, gateway, meter, function: points that have sent.
    recorded_at : datetime
        Receipt of the rows stored anew. Instants at which the meter has a reading already are left out.

    Returns
    -------
    list of Adopted
        Done again it stores nothing.
    """
    house = open_house(setting)
    archive = read_gateway_archive(setting)
    snapshot = house.readings.snapshot()
    tied_meters = archive.points.select("building", "gateway", "meter").unique()
    once = points.select(_POINT).unique(maintain_order=True)
    counted = once.with_columns(alone=pl.len().over("building", "gateway", "meter") == 1)
    adopted = []
    for *point, alone in counted.join(tied_meters, on=_POINT[:3], how="semi").iter_rows():
        was = provisional_name(*point)
        rows = snapshot.read(meters=[was])
        said = dict(zip(_POINT, point, strict=True))
        given = rows.drop("meter").with_columns(
            **{name: pl.lit(text) for name, text in said.items()}, instant="at", at=pl.col("at").to_physical()
        )
        tied = _tied(given, archive, pl.lit(bool(alone))).filter("known")
        for (meter,), mine in tied.group_by("house_meter", maintain_order=True):
            held = snapshot.read(meters=[str(meter)])
            fresh = (
                mine.join(held, left_on="instant", right_on="at", how="anti")
                .with_columns(at="instant", meter="house_meter", received_at=pl.lit(recorded_at))
                .select(pl.col(name).cast(kind) for name, kind in READING_SCHEMA.items())
            )
            if fresh.is_empty():
                continue
            batch = f"gateway-adopted-{hashlib.sha256(said_of(fresh).encode()).hexdigest()[:32]}"
            landed = house.readings.append(fresh, batch=batch)
            adopted.append(Adopted(str(meter), was, 0 if landed.already else landed.appended))
    return adopted


@dataclass(frozen=True)
class ArchiveCheck:
    """The ledger of meters beside what gateways send.

    Parameters
    ----------
    unknown : DataFrame
        Columns building, gateway, meter, function, coding: points that send and that the ledger does not know.
    silent : DataFrame of `ARCHIVE_SCHEMA`
        Meters in service that the ledger ties to a gateway and that never sent.
    differing : DataFrame
        Columns building, gateway, meter, function, coding, house_meter, item: points whose energy code ends in another item than
        the ledger says.
    findings : tuple of Finding
        Contradictions of the ledger, and gateways that it names and nobody has onboarded.
    """

    unknown: pl.DataFrame
    silent: pl.DataFrame
    differing: pl.DataFrame
    findings: tuple[Finding, ...]


def check_gateway_archive(
    setting: Setting, points: pl.DataFrame, gateways: Iterable[tuple[str, str]], *, as_of: date
) -> ArchiveCheck:
    """Compare the ledger of meters with what gateways send.

    Parameters
    ----------
    setting : Setting
    points : DataFrame
        Columns building, gateway, meter, function, coding, since: points that have sent.
    gateways : iterable of (building, gateway)
        Those that are onboarded.
    as_of : date
        Meters out of service on this day are not expected.
    """
    archive = read_gateway_archive(setting)
    one = points.select(*_POINT, "coding").unique(_POINT, maintain_order=True)
    lone = pl.len().over("building", "gateway", "meter") == 1
    instant = int(datetime(as_of.year, as_of.month, as_of.day, 4, tzinfo=UTC).timestamp()) * 1_000_000
    tied = _tied(one.with_columns(at=pl.lit(instant, pl.Int64)), archive, lone)
    serving = archive.points.filter(
        (pl.col("valid_from").is_null() | (pl.col("valid_from") <= as_of))
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") > as_of))
    )
    known = tied.filter("known")
    items = serving.select("house_meter", "item").unique("house_meter")
    last = pl.col("coding").str.strip_chars().str.slice(-_ITEM)
    differing = known.join(items, on="house_meter", how="inner", maintain_order="left").filter(
        (pl.col("coding").str.len_chars() >= _ITEM) & (last != pl.col("item"))
    )
    onboard = set(gateways)
    named = serving.select("building", "gateway").unique(maintain_order=True).rows()
    missing = [f"{building}/{gateway}" for building, gateway in named if (building, gateway) not in onboard]
    findings = list(archive.findings)
    if missing:
        findings.append(
            Finding(
                name="gateway.archive.gateway-unknown",
                sentence=f"台账中有 {len(missing)} 个网关没有登记：{'、'.join(missing[:_SHOWN])}",
                severity=Severity.WARNING,
                next_step="dafeng gateway onboard 登记，或改正台账的所属网关",
                evidence={"gateways": len(missing)},
            )
        )
    columns = [*_POINT, "coding"]
    return ArchiveCheck(
        unknown=tied.filter(~pl.col("known")).select(columns),
        silent=serving.join(known.select("house_meter"), on="house_meter", how="anti").select(list(ARCHIVE_SCHEMA)),
        differing=differing.select(*columns, "house_meter", "item"),
        findings=tuple(findings),
    )

"""The receiving side of a province: documents of lower centres are put together, kept, imported and answered with a receipt.

Nothing counts before it is on the disk: parts are written through before they are confirmed, a document is imported once its
SHA-256 fits, and the receipt goes out when the import has landed. What arrives twice is the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import DafengError
from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.gateway.upper_messages import Ask, Finish, Missing, Offer, Offered, Part, PartTaken, Receipt, Upload
from dafeng.gateway.upper_store import UpperStore, day_bounds, late_and_missing
from dafeng.intake.energy_xml import read_daily_files
from dafeng.intake.meter_forms import MeterForm
from dafeng.lake.durable import sync_folder
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import ZONE, open_house
from dafeng.workflow.metering_import import MeterImportOptions, import_meter_file
from dafeng.workflow.setting import Setting

__all__ = ["INCOMING_FOLDER", "UpperLimits", "UpperReceiver"]

INCOMING_FOLDER: Final = "incoming"
_PERIODS: Final = {"daily": r"\d{4}-\d\d-\d\d", "hourly": r"\d{4}-\d\d-\d\dT[0-2]\d", "ledger": r"\d{4}-\d\d-\d\d"}
_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,80}")
_DETAILS: Final = 5


class UpperLimits(NamedTuple):
    """What a centre below may ask for.

    Parameters
    ----------
    size : int
        Bytes of a document.
    open : int
        Documents of a centre that are not finished.
    grace : timedelta
        After the end of a day, in which its files may come.
    days : int
        Days that a question may span.
    """

    size: int = 64 << 20
    open: int = 8
    grace: timedelta = timedelta(hours=12)
    days: int = 400


class UpperReceiver:
    """Takes documents into a workspace.

    Parameters
    ----------
    setting : Setting
    connection : Connection
        Of ``gateway.sqlite3``.
    limits : UpperLimits
    clock : callable
        The present moment.
    zone : str
        Of the lower centres.

    Notes
    -----
    One thread at a time.
    """

    def __init__(
        self,
        setting: Setting,
        connection: sqlite3.Connection,
        *,
        clock: Callable[[], datetime],
        limits: UpperLimits | None = None,
        zone: str = ZONE,
    ) -> None:
        self._setting, self._clock, self._zone = setting, clock, zone
        self._workspace, _ = need_workspace(setting)
        self._limits = limits or UpperLimits()
        self.store = UpperStore(connection)
        self.folder = self._workspace.root / INCOMING_FOLDER
        self._offers: dict[tuple[str, str], Offer] = {}

    def answer(self, centre: str, said: Upload) -> Upload:
        """Return the answer to what a centre says; whatever it says, never an exception of its making.

        Parameters
        ----------
        centre : str
            Six digits of the account that logged in.
        said : Upload
        """
        match said:
            case Offer():
                return self._offer(centre, said)
            case Part():
                return self._part(centre, said)
            case Finish():
                return self._finish(centre, said)
            case Ask():
                return self._missing(centre, said)
            case _:
                return Offered("0" * 64, "refused", 0, f"{said.operation} 不由下级发出")

    def _path(self, centre: str, sha: str) -> Path:
        return self.folder / f"{centre}-{sha}.part"

    def _offer(self, centre: str, offer: Offer) -> Offered:
        known = _PERIODS.get(offer.kind)
        problem = ""
        if known is None or not re.fullmatch(known, offer.period) or _day(offer.period) is None:
            problem = f"{offer.kind} {offer.period}：不是文件的种类和时期"
        elif not _NAME.fullmatch(offer.name):
            problem = "文件名只能有字母、数字、点和横线"
        elif not 0 < offer.size <= self._limits.size:
            problem = f"{offer.size} 字节，至多 {self._limits.size}"
        if problem:
            return Offered(offer.sha256, "refused", 0, problem)
        if self.store.newest(centre, offer.kind, offer.period) == offer.sha256:
            return Offered(offer.sha256, "done", offer.size)
        path = self._path(centre, offer.sha256)
        held = sorted(self.folder.glob(f"{centre}-*.part"), key=lambda one: one.stat().st_mtime)
        if path not in held and len(held) >= self._limits.open:
            held[0].unlink(missing_ok=True)  # given up long ago: an offer of it begins anew
        self._offers[centre, offer.sha256] = offer
        size = path.stat().st_size if path.is_file() else 0
        if size > offer.size:
            path.unlink()
            size = 0
        self.store.put_received(centre, _fields(offer), state="partial", at=self._clock())
        return Offered(offer.sha256, "send", size)

    def _part(self, centre: str, part: Part) -> Upload:
        offer = self._offers.get((centre, part.sha256))
        if offer is None:
            return Offered(part.sha256, "refused", 0, "没有报过这个文件")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(centre, part.sha256)
        held = path.stat().st_size if path.is_file() else 0
        if part.offset != held or held + len(part.data) > offer.size:
            return Offered(part.sha256, "send", min(held, offer.size), f"现有 {held} 字节")
        with path.open("ab") as stream:
            stream.write(part.data)
            stream.flush()
            os.fsync(stream.fileno())
        if held == 0:
            sync_folder(self.folder)
        return PartTaken(part.sha256, held + len(part.data))

    def _finish(self, centre: str, said: Finish) -> Upload:
        offer = self._offers.get((centre, said.sha256))
        path = self._path(centre, said.sha256)
        if offer is None or not path.is_file():
            return Offered(said.sha256, "refused", 0, "没有报过这个文件")
        data = path.read_bytes()
        if len(data) < offer.size:
            return Offered(said.sha256, "send", len(data))
        if hashlib.sha256(data).hexdigest() != said.sha256:
            path.unlink()
            return Offered(said.sha256, "send", 0, "内容与 SHA-256 不符，从头再发")
        named = path.with_name(f"{said.sha256}-{offer.name}")
        path.rename(named)
        try:
            receipt = self._import(centre, offer, named)
        except DafengError as error:
            receipt = Receipt(said.sha256, "refused", 0, 0, error.problem)
        finally:
            named.unlink(missing_ok=True)
        self.store.put_received(
            centre, _fields(offer), state=receipt.state, at=self._clock(), taken=receipt.values, refused=receipt.refused,
            detail=receipt.detail,
        )  # fmt: skip
        self._offers.pop((centre, said.sha256), None)
        return receipt

    def _import(self, centre: str, offer: Offer, path: Path) -> Receipt:
        if offer.kind == "ledger":
            done = import_ledger(self._setting, path, "buildings", recorded_at=self._clock())
            said = "；".join(finding.sentence for finding in done.findings[:_DETAILS])
            taken = done.accepted + done.accepted_with_finding
            return Receipt(offer.sha256, "imported" if taken else "refused", taken, done.refused, said)
        at = self._clock()
        catalog = self._setting.catalog
        read = read_daily_files(path, received_at=at, zone=self._zone, places=catalog.places, items=catalog.items)
        day = _day(offer.period)
        wrong = (
            _foreign(read.centre, centre, read.day, day)
            or _elsewhere(read.hours["building"], centre)
            or self._outside(read.hours, offer)
        )
        if wrong:
            return Receipt(offer.sha256, "refused", 0, read.hours.height, wrong)
        options = MeterImportOptions(form=MeterForm.XML, zone=self._zone)
        outcome = import_meter_file(self._setting, path, options, recorded_at=at)
        number = self.store.received(centre).height
        lake = open_house(self._setting).readings
        if outcome.already:  # these very hours stood there before others: they count again
            again = read.readings.with_columns(received_at=pl.lit(at).cast(READING_SCHEMA["received_at"]))
            lake.append(again, batch=f"upper-{centre}-{offer.sha256[:32]}-{number}")
        gone = self._withdrawn(centre, offer, read.readings, at)
        if not gone.is_empty():
            lake.append(gone, batch=f"upper-{centre}-{offer.sha256[:32]}-{number}-gone")
        said = "；".join(finding.sentence for finding in outcome.findings[:_DETAILS])
        return Receipt(
            offer.sha256, "imported", outcome.counts.get("accepted", 0), outcome.counts.get("refused", 0), said
        )

    def _outside(self, hours: pl.DataFrame, offer: Offer) -> str:
        """Return what is wrong where hours lie outside the period; blank where none does."""
        day = _day(offer.period)
        assert day is not None  # looked at when it was offered
        first, past = (edge.astimezone(UTC) for edge in day_bounds(day, self._zone))
        if offer.kind == "hourly":
            first += timedelta(hours=int(offer.period[-2:]))
            past = first + timedelta(hours=1)
        other = hours.filter((pl.col("start") < first) | (pl.col("end") > past)).height
        return f"{other} 个小时值不在 {offer.period}" if other else ""

    def _withdrawn(self, centre: str, offer: Offer, readings: pl.DataFrame, at: datetime) -> pl.DataFrame:
        """Return, without value, the hours that earlier documents of the day had and this one has no longer."""
        if offer.kind != "daily":
            return readings.clear()
        catalog = self._setting.catalog
        before = [readings.clear()]
        for sha in self.store.of_day(centre, offer.period):
            path = self._workspace.document(sha)
            before.append(
                read_daily_files(
                    path, received_at=at, zone=self._zone, places=catalog.places, items=catalog.items
                ).readings
            )
        gone = pl.concat(before).unique(READING_KEY, keep="last", maintain_order=True)
        gone = gone.join(readings, on=list(READING_KEY), how="anti", nulls_equal=True, maintain_order="left")
        return gone.with_columns(
            value=pl.lit(None, pl.Float64), sent_as=pl.lit("withdrawn"), lineage=pl.lit(f"upper:{centre}/{offer.name}")
        )

    def _missing(self, centre: str, ask: Ask) -> Missing:
        first, past = _day(ask.first), _day(ask.past)
        if first is None or past is None or not 0 <= (past - first).days <= self._limits.days:
            return Missing((), ())
        days = [first + timedelta(days=number) for number in range((past - first).days)]
        missing, late = late_and_missing(
            self.store.received(centre), days, at=self._clock(), zone=self._zone, grace=self._limits.grace
        )
        return Missing(tuple(missing), tuple(late))


def _fields(offer: Offer) -> tuple[str, str, str, int, str]:
    return offer.kind, offer.period, offer.name, offer.size, offer.sha256


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _foreign(found: str, centre: str, found_day: date | None, day: date | None) -> str:
    """Return what is wrong where the files are of another centre or day."""
    if found != centre:
        return f"文件是数据中心 {found or '（未写）'} 的，登录的是 {centre}"
    return f"文件是 {found_day} 的，报的是 {day}" if found_day != day else ""


def _elsewhere(buildings: pl.Series, centre: str) -> str:
    """Return what is wrong where buildings lie outside the centre's division; blank where none does."""
    own = next(centre[:size] for size in (2, 4, 6) if not centre[size:].strip("0"))
    other = buildings.filter(~buildings.str.starts_with(own)).unique().sort().to_list()
    return f"{len(other)} 栋建筑不属于 {centre}：{'、'.join(other[:_DETAILS])}" if other else ""

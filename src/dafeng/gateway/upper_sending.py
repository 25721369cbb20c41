"""The sending side of a city: which hours and days are due, their documents, and the upload that goes on where it broke off."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from dafeng.base.errors import InputError, NotEnoughDataError
from dafeng.base.listener import Listener, silent
from dafeng.base.record import Record
from dafeng.gateway.profile import Account, Profile
from dafeng.gateway.session import Closed, Ready, Send, SessionLimits, Step
from dafeng.gateway.upper_messages import Ask, Finish, Missing, Offer, Offered, Part, PartTaken, Receipt, Upload
from dafeng.gateway.upper_session import CityEnd, Uploaded
from dafeng.gateway.upper_store import Document, UpperStore
from dafeng.workflow.ledgers import ledger_rows, make_book
from dafeng.workflow.metering import ZONE, open_house
from dafeng.workflow.metering_export import export_day
from dafeng.workflow.setting import Setting

__all__ = [
    "Sent",
    "UploadOptions",
    "day_document",
    "due_documents",
    "hour_document",
    "ledger_document",
    "send_documents",
]

_READ: Final = 1 << 16
_EPOCH: Final = date(2000, 1, 1)


class UploadOptions(Record):
    """Where documents go, and which are due."""

    host: str
    """Where the upper centre is."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    part: int = Field(default=128 << 10, ge=1 << 10, le=512 << 10)
    """Bytes of a part."""
    patience: float = Field(default=120.0, gt=0)
    """Seconds in which the upper centre answers; an import takes its time."""
    attempts: int = Field(default=5, ge=1)
    """Connections after which a document waits for the next run."""
    pause: float = Field(default=2.0, ge=0)
    """Seconds before it connects again."""
    delay_hours: int = Field(default=3, ge=0, le=48)
    """An hour is sent so many hours after it began: late reports have come by then."""
    hours_back: int = Field(default=6, ge=0, le=168)
    """So many due hours are looked at again, for what came late."""
    days_back: int = Field(default=7, ge=0, le=400)
    """So many days before today are looked at again."""

    @property
    def target(self) -> str:
        """How the upper centre is named in what was sent."""
        return f"{self.host}:{self.port}"


class Sent(NamedTuple):
    """What a run did.

    Parameters
    ----------
    receipts : tuple of (kind, period, Receipt)
        Of what was sent in this run.
    unchanged : int
        Documents that the upper centre has as they are.
    empty : tuple of str
        Periods of which nothing is known here.
    waiting : tuple of str
        Periods that could not be sent, to be tried again.
    missing, late : tuple of str
        Days that the upper centre misses, and those that came to it late.
    """

    receipts: tuple[tuple[str, str, Receipt], ...]
    unchanged: int
    empty: tuple[str, ...]
    waiting: tuple[str, ...]
    missing: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


def day_document(setting: Setting, day: date, *, centre: str, recorded_at: datetime) -> Document | None:
    """Return the daily files of a day, None where nothing is known of it."""
    return _exported(setting, "daily", day, centre, recorded_at, None)


def hour_document(setting: Setting, hour: datetime, *, centre: str, recorded_at: datetime) -> Document | None:
    """Return the files of an hour, None where nothing is known of it.

    Parameters
    ----------
    setting : Setting
    hour : datetime
        Its first instant, aware.
    centre : str
    recorded_at : datetime
    """
    return _exported(setting, "hourly", hour.astimezone(ZoneInfo(ZONE)).date(), centre, recorded_at, hour)


def _exported(
    setting: Setting, kind: str, day: date, centre: str, recorded_at: datetime, hour: datetime | None
) -> Document | None:
    try:
        pack, _ = export_day(setting, day, centre=centre, recorded_at=recorded_at, hour=hour)
    except NotEnoughDataError:
        return None
    local = None if hour is None else hour.astimezone(ZoneInfo(ZONE))
    period = str(day) if local is None else f"{day}T{local.hour:02d}"
    name = f"{centre}-{period.replace('-', '').replace('T', '-')}.zip"
    return _document(kind, period, name, pack.package)


def ledger_document(setting: Setting, *, centre: str, on: date) -> Document | None:
    """Return the ledger of buildings as a book, None where it is empty; the same rows give the same bytes on any day."""
    if ledger_rows(setting, "buildings").is_empty():
        return None
    data, _ = make_book(setting, "buildings", filled=True, as_of=_EPOCH)
    return _document("ledger", str(on), f"{centre}-buildings.xlsx", data)


def _document(kind: str, period: str, name: str, data: bytes) -> Document:
    return Document(kind, period, name, data, hashlib.sha256(data).hexdigest())


def due_documents(
    setting: Setting,
    store: UpperStore,
    options: UploadOptions,
    *,
    centre: str,
    at: datetime,
    days: Iterable[date] | None = None,
    hourly: bool = True,
    listener: Listener = silent,
) -> tuple[list[Document], list[Document], list[str]]:
    """Return what is due to the upper centre.

    Parameters
    ----------
    setting : Setting
    store : UpperStore
        What was sent before: a document that was taken as it is now is not due.
    options : UploadOptions
    centre : str
        Six digits of this centre.
    at : datetime
        Now, aware.
    days : iterable of date, optional
        These days; the days before today where None.
    hourly : bool
        Whether hours of which no daily file is due go up as well.
    listener : Listener

    Returns
    -------
    due, unchanged : lists of Document
        The ledger first, then days, then hours, oldest first.
    empty : list of str
        Periods of which nothing is known.
    """
    local = at.astimezone(ZoneInfo(ZONE))
    chosen = (
        list(days) if days is not None else [local.date() - timedelta(days=n) for n in range(options.days_back, 0, -1)]
    )
    ledger = ledger_document(setting, centre=centre, on=local.date())
    found: list[Document] = [] if ledger is None else [ledger]
    empty: list[str] = []
    if open_house(setting).building_months.version < 0:
        return found, [], [str(day) for day in chosen]
    newest = local.replace(minute=0, second=0, microsecond=0) - timedelta(hours=options.delay_hours)
    hours = [newest - timedelta(hours=n) for n in range(options.hours_back - 1, -1, -1)] if hourly else []
    wanted = [*chosen, *(hour for hour in hours if hour.date() not in chosen)]
    for number, one in enumerate(wanted):
        listener("上报文件 / documents", number, len(wanted))
        if isinstance(one, datetime):
            document = hour_document(setting, one.astimezone(UTC), centre=centre, recorded_at=at)
        else:
            document = day_document(setting, one, centre=centre, recorded_at=at)
        if document is None:
            empty.append(f"{one:%Y-%m-%dT%H}" if isinstance(one, datetime) else str(one))
        else:
            found.append(document)
    known = store.sent(options.target).filter(state="imported").sort("changed_at")
    standing = {_slot(kind, period): sha for kind, period, sha in known.select("kind", "period", "sha256").iter_rows()}
    due = [one for one in found if standing.get(_slot(one.kind, one.period)) != one.sha256]
    return due, [one for one in found if one not in due], empty


def _slot(kind: str, period: str) -> tuple[str, str]:
    """Return what a later document takes the place of: there is one ledger, whatever its day."""
    return (kind, "" if kind == "ledger" else period)


async def send_documents(
    documents: list[Document],
    store: UpperStore,
    account: Account,
    profile: Profile,
    options: UploadOptions,
    *,
    clock: Callable[[], datetime],
    ask: tuple[date, date] | None = None,
    unchanged: int = 0,
    empty: Iterable[str] = (),
    tls: ssl.SSLContext | None = None,
    listener: Listener = silent,
) -> Sent:
    """Send documents, go on where a connection broke, and ask what the upper centre misses.

    Parameters
    ----------
    documents : list of Document
    store : UpperStore
        Where receipts are kept.
    account : Account
        Of this centre with the upper one: six digits and 00.
    profile : Profile
    options : UploadOptions
    clock : callable
        The present moment.
    ask : pair of date, optional
        First day and first day after, of which the missing ones are asked for.
    unchanged, empty
        For the result.
    tls : SSLContext, optional
    listener : Listener

    Returns
    -------
    Sent

    Raises
    ------
    InputError
        The upper centre refuses the login.
    """
    left = list(documents)
    receipts: list[tuple[str, str, Receipt]] = []
    told: Missing | None = None
    attempts = 0
    while attempts < options.attempts and (left or (ask is not None and told is None)):
        attempts += 1
        before = len(left)
        try:
            async with _Talk(account, profile, options, clock, tls) as talk:
                while left:
                    listener("上报 / upload", len(documents) - len(left), len(documents))
                    receipt = await _send_one(talk, left[0], options.part)
                    store.put_sent(
                        options.target,
                        left[0],
                        state=receipt.state,
                        at=clock(),
                        taken=receipt.values,
                        detail=receipt.detail,
                    )
                    receipts.append((left[0].kind, left[0].period, receipt))
                    left.pop(0)
                if ask is not None:
                    said = await talk.ask(Ask(str(ask[0]), str(ask[1])))
                    told = said if isinstance(said, Missing) else Missing((), ())
        except (OSError, TimeoutError, _BrokenError):
            attempts = 0 if len(left) < before else attempts
            if attempts < options.attempts:
                await asyncio.sleep(options.pause)
    for document in left:
        store.put_sent(options.target, document, state="waiting", at=clock(), detail="未能送达，下次再发")
    missing = told or Missing((), ())
    return Sent(
        tuple(receipts),
        unchanged,
        tuple(empty),
        tuple(f"{one.kind} {one.period}" for one in left),
        missing.days,
        missing.late,
    )


class _BrokenError(Exception):
    """The connection ended, or the upper centre cannot take documents now."""


async def _send_one(talk: _Talk, document: Document, part: int) -> Receipt:
    """Send a document from where the upper centre wants it, and return its receipt."""
    size = len(document.data)
    said = await talk.ask(Offer(document.kind, document.period, document.name, size, document.sha256))
    for _ in range(2 * size // part + 16):  # no answer makes it go on for ever
        match said:
            case Receipt():
                return said
            case Offered() if said.state == "done":
                return Receipt(document.sha256, "imported", 0, 0, "上级已有相同文件")
            case Offered() if said.state == "refused":
                return Receipt(document.sha256, "refused", 0, 0, said.detail)
            case Offered() | PartTaken() if getattr(said, "state", "send") == "send" and 0 <= said.offset <= size:
                at = said.offset
                more = Part(document.sha256, at, document.data[at : at + part])
                said = await talk.ask(more if at < size else Finish(document.sha256))
            case _:
                break
    raise _BrokenError


class _Talk:
    """A connection to the upper centre that has logged in."""

    def __init__(
        self,
        account: Account,
        profile: Profile,
        options: UploadOptions,
        clock: Callable[[], datetime],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._session = CityEnd(account, profile, limits=SessionLimits(login=options.patience))
        self._account, self._options, self._clock, self._tls = account, options, clock, tls

    async def __aenter__(self) -> _Talk:
        self._reader, self._writer = await asyncio.open_connection(
            self._options.host, self._options.port, ssl=self._tls
        )
        try:
            await self._do(self._session.open(self._clock()))
            while not any(isinstance(step, Ready) for step in await self._hear()):
                pass
        except BaseException:
            self._writer.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def ask(self, message: Upload) -> Upload:
        """Say something and return the answer."""
        self._writer.write(self._session.say(message))
        await self._writer.drain()
        while True:
            for step in await self._hear():
                if isinstance(step, Uploaded) and step.upload is not None:
                    return step.upload

    async def _hear(self) -> list[Step]:
        async with asyncio.timeout(self._options.patience):
            data = await self._reader.read(_READ)
        if not data:
            raise _BrokenError
        steps = self._session.receive(data, self._clock())
        await self._do(steps)
        return steps

    async def _do(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Send):
                self._writer.write(step.data)
            elif isinstance(step, Closed) and step.reason == "refused":
                raise InputError(
                    f"上级平台 {self._options.target} 不让 {self._account.building} 登录 / refuses the login",
                    doing="upload to the upper centre",
                    expected="上级已登记的中心代码、密钥和口令，网关号 00",
                    next_step="与上级核对密钥和口令 / compare the keys with the upper centre",
                )
            elif isinstance(step, Closed):
                raise _BrokenError
        await self._writer.drain()

"""What each gateway of an invented city sends, in which order, over which connections, and what it spoils on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from dafeng.gateway.cipher import encrypt
from dafeng.gateway.framing import encode_frame
from dafeng.gateway.message_xml import write_body
from dafeng.gateway.messages import Common, FunctionReading, Message, Report
from dafeng.gateway.profile import Account, Keys, Profile
from dafeng.gateway.session import GatewaySession, Send, SessionLimits
from dafeng.gateway.simulator_faults import FaultKind, register_text
from dafeng.gateway.simulator_files import City, account_of

__all__ = ["Link", "Script", "TroubledSession", "script_of"]

_GOLDEN: Final = 0.6180339887498949
_HUGE: Final = 0x7FFFFFF4
"""A length of whole blocks that no server takes."""
_TROUBLES: Final = (FaultKind.CRC, FaultKind.BAD_XML, FaultKind.UNREADABLE, FaultKind.OVERSIZE, FaultKind.DUPLICATE)
_MANNERS: Final = (FaultKind.SPLIT, FaultKind.MERGED)


class Link(NamedTuple):
    """One connection of a gateway.

    Parameters
    ----------
    kept : tuple of int
        Readings from before it, which go out as back-fill.
    live : tuple of int
        Readings that are reported as they come, in this order.
    drops : bool
        Whether it breaks after the last of them, acknowledged or not.
    """

    kept: tuple[int, ...]
    live: tuple[int, ...]
    drops: bool = False


class Script(NamedTuple):
    """What a gateway does.

    Parameters
    ----------
    account : Account
        With the keys that it uses, be they right or wrong.
    links : tuple of Link
    report : callable
        From a reading, a place in the plan's times, to its report.
    troubles : mapping from sequence to FaultKind
        What is spoilt of a report.
    manners : mapping from sequence to FaultKind
        How it is cut or joined.
    """

    account: Account
    links: tuple[Link, ...]
    report: Callable[[int], Report]
    troubles: Mapping[str, FaultKind]
    manners: Mapping[str, FaultKind]


def script_of(city: City, number: int) -> Script:
    """Return what a gateway does.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.simulator_files import CityRecord, make_city
    >>> from dafeng.gateway.simulator_plan import CityOptions
    >>> record = CityRecord(options=CityOptions(day=date(2026, 3, 2), gateways=1, meters=2), seed=1, faults={})
    >>> script = script_of(make_city(record, load_catalog(), [np.random.default_rng(1)] * 2), 0)
    >>> [(link.kept, len(link.live)) for link in script.links], script.report(1).readings[0].coding[-5:]
    ([((0,), 97)], '01000')
    """
    plan, shown = city.plan, city.shown
    gateway = plan.gateways[number]
    faults = shown.of_gateway(number)
    account = account_of(gateway, zone=city.record.options.zone)
    if FaultKind.WRONG_KEY in faults:
        wrong = bytes(one ^ 0x5A for one in gateway.key)
        account = account.model_copy(update={"keys": Keys(wrong, gateway.iv, secret=gateway.secret)})
    if FaultKind.WRONG_SECRET in faults:
        account = account.model_copy(update={"keys": Keys(gateway.key, gateway.iv, secret=gateway.secret[::-1] + "x")})
    troubles: dict[str, FaultKind] = {}
    manners: dict[str, FaultKind] = {}
    for kind in (*_TROUBLES, *_MANNERS):
        for fault in faults.get(kind, ()):
            aim = troubles if kind in _TROUBLES else manners
            aim.update({_sequence(step): kind for step in range(fault.first, fault.last + 1)})
    return Script(account, tuple(_links(city, number)), _Reporter(city, number), troubles, manners)


def _sequence(step: int) -> str:
    return str(step + 1)


class _Reporter:
    """Makes the reports of a gateway when they are wanted."""

    def __init__(self, city: City, number: int) -> None:
        plan, shown = city.plan, city.shown
        gateway = plan.gateways[number]
        self._common = Common(gateway.building, gateway.gateway)
        rows = slice(gateway.first, gateway.past)
        self._ticks = shown.ticks[rows]
        self._meters = [
            (address, function, gateway.building + item, int(decimals))
            for address, function, item, decimals in plan.meters[rows]
            .select("address", "function", "item", "decimals")
            .iter_rows()
        ]
        self._odd = {
            (row - gateway.first, step): said
            for (row, step), said in shown.texts.items()
            if gateway.first <= row < gateway.past
        }
        self._times, self._late = plan.times, shown.late[number]

    def __call__(self, step: int) -> Report:
        """Return the report of a reading."""
        readings = tuple(
            FunctionReading(
                address, function, coding, *self._odd.get((row, step), ("", register_text(int(ticks), decimals)))
            )
            for row, (ticks, (address, function, coding, decimals)) in enumerate(
                zip(self._ticks[:, step], self._meters, strict=True)
            )
        )
        at = self._times[step] + timedelta(seconds=int(self._late[step]))
        return Report(self._common, "report", _sequence(step), at, readings, parser=True)


def _links(city: City, number: int) -> Iterator[Link]:
    """Give the connections: one to an outage, the next from its end; a gateway that falls silent hangs up for good."""
    plan = city.plan
    faults = city.shown.of_gateway(number)
    past = min([fault.first for fault in faults.get(FaultKind.SILENT, ())], default=len(plan.times))
    order = np.arange(len(plan.times))
    for fault in faults.get(FaultKind.DISORDER, ()):
        inside = order[fault.first : fault.last + 1]
        order[fault.first : fault.last + 1] = inside[np.argsort(inside * _GOLDEN % 1.0)]
    kept = list(range(plan.fine))
    live: list[int] = []
    away = [range(fault.first, fault.last + 1) for fault in faults.get(FaultKind.OUTAGE, ())]
    for place, step in enumerate(order.tolist()):
        if place < plan.fine or place >= past:
            continue
        if any(place == span.start for span in away):
            yield Link(tuple(kept), tuple(live), drops=True)
            kept, live = [], []
        (kept if any(place in span for span in away) else live).append(step)
    yield Link(tuple(kept), tuple(live))


class TroubledSession(GatewaySession):
    """A gateway's session that spoils some of what it sends.

    Parameters
    ----------
    account : Account
    profile : Profile
    troubles : dict from sequence to FaultKind
        Taken away when they have happened, but for reports that are never readable.
    manners : mapping from sequence to FaultKind
    limits : SessionLimits
    outstanding : tuple of Report

    Attributes
    ----------
    manner : FaultKind or None
        How what was sent last is to be cut or joined.
    tries : dict from sequence to int
        How often each unreadable report went out.
    frames : int
        Reports sent, again and twice included.
    """

    def __init__(
        self,
        account: Account,
        profile: Profile,
        *,
        troubles: dict[str, FaultKind],
        manners: Mapping[str, FaultKind],
        limits: SessionLimits,
        outstanding: tuple[Report, ...] = (),
    ) -> None:
        super().__init__(account, profile, limits=limits, outstanding=outstanding)
        self._troubles, self._manners = troubles, manners
        self._speech, self._cipher = profile, account.keys
        self.manner: FaultKind | None = None
        self.tries: dict[str, int] = {}
        self.frames = 0

    def _send(self, message: Message) -> Send:
        if not isinstance(message, Report):
            return super()._send(message)
        self.frames += 1
        self.manner = self._manners.get(message.sequence) or self.manner
        trouble = self._troubles.get(message.sequence)
        if trouble is None:
            return super()._send(message)
        if trouble is FaultKind.UNREADABLE:
            self.tries[message.sequence] = self.tries.get(message.sequence, 0) + 1
        else:
            del self._troubles[message.sequence]
        match trouble:
            case FaultKind.DUPLICATE:
                return Send(super()._send(message).data * 2)
            case FaultKind.OVERSIZE:
                head = bytes.fromhex(self._speech.head)
                return Send(head + _HUGE.to_bytes(4, "little") + super()._send(message).data)
            case FaultKind.CRC:
                data = bytearray(super()._send(message).data)
                data[len(data) - len(self._speech.tail) // 2 - 1] ^= 0xFF
                return Send(bytes(data))
            case _:
                return Send(self._unreadable(message))

    def _unreadable(self, message: Report) -> bytes:
        """Return a sound frame around a body that is no XML."""
        body = write_body(replace(message, common=self._common), self._speech).replace(b"</meter>", b"</metre>", 1)
        payload = encrypt(body, self._cipher, self._speech.padding)
        return encode_frame(self._speech, self._word, payload, kind=self._speech.kinds.get("data"))

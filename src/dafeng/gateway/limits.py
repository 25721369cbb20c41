"""How much a sender may ask of the gateway server: connections, bytes, frames, time and failed logins.

Nothing here reads a clock: instants are seconds of a clock that only runs forward, handed in.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from typing import Final, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record

__all__ = ["Addresses", "Bucket", "Failures", "GatewayLimits", "SpoolLimits", "origin"]

_REMEMBERED: Final = 100_000
"""Senders whose failures are remembered; the oldest are forgotten first."""
_PREFIX: Final = 64


class GatewayLimits(Record):
    """Limits of the server; every one may be set in ``gateway.toml`` under ``[limits]``.

    Examples
    --------
    >>> GatewayLimits().connections, GatewayLimits(connections=10).connections_per_address
    (12000, 1000)
    """

    connections: int = Field(default=12_000, ge=1)
    """Connections at one time."""
    connections_per_address: int = Field(default=1_000, ge=1)
    """Connections of one address; many gateways may stand behind one router."""
    frame_bytes: int = Field(default=1 << 18, ge=1 << 10, le=1 << 24)
    """Bytes of a frame of a gateway that has logged in."""
    login_frame_bytes: int = Field(default=1 << 12, ge=1 << 8)
    """Bytes of a frame before login: what a stranger may make the server hold."""
    bytes_per_second: int = Field(default=1 << 18, ge=1 << 8)
    """Bytes that a connection may send in a second over time; beyond it is read more slowly, not closed."""
    frames_per_second: float = Field(default=200.0, gt=0)
    """Frames that a connection may send in a second over time."""
    burst_seconds: float = Field(default=10.0, gt=0)
    """So many seconds' worth may come at once: a gateway that was away sends its back-fill."""
    login_seconds: float = Field(default=30.0, gt=0)
    """Time from connection to a login that passed."""
    frame_seconds: float = Field(default=30.0, gt=0)
    """Time from the first byte of a frame to its last."""
    idle_seconds: float = Field(default=900.0, gt=0)
    """Time without any byte."""
    send_seconds: float = Field(default=60.0, gt=0)
    """Time in which a gateway takes what it was sent."""
    unacknowledged: int = Field(default=256, ge=1)
    """Packets of a connection that wait for the disk; beyond, it is not read until they are there."""
    failures: int = Field(default=5, ge=1)
    """Failed logins of a gateway from one address before it has to wait."""
    failures_per_address: int = Field(default=50, ge=1)
    """Failed logins of one address, whatever the gateway, before it has to wait."""
    wait_seconds: float = Field(default=10.0, gt=0)
    """First wait; it doubles with every further failure."""
    longest_wait_seconds: float = Field(default=3600.0, gt=0)
    """Longest wait."""
    forget_seconds: float = Field(default=3600.0, gt=0)
    """Failures are forgotten after so long without another."""
    faults: int = Field(default=50, ge=1)
    """Faulty frames or bodies of a connection before it is closed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.login_frame_bytes > self.frame_bytes:
            raise ValueError("a frame before login is no longer than one after it")
        if self.wait_seconds > self.longest_wait_seconds:
            raise ValueError("the first wait is no longer than the longest")
        return self


class SpoolLimits(Record):
    """Limits of the spool, in ``gateway.toml`` under ``[spool]``."""

    most_bytes: int = Field(default=2 << 30, ge=1 << 12)
    """Bytes of packed packets that wait for the lake; beyond, packets are not taken and stay with their gateways."""
    free_bytes: int = Field(default=128 << 20, ge=0)
    """Space that is left free on the disk."""
    group_packets: int = Field(default=2_000, ge=1)
    """Packets of one transaction at most."""
    group_milliseconds: float = Field(default=3.0, ge=0)
    """How long a transaction waits for company."""
    retry_seconds: float = Field(default=2.0, gt=0)
    """After a write that failed nothing is taken for so long."""


class Bucket:
    """An allowance that fills up over time.

    Parameters
    ----------
    rate : float
        What comes in a second.
    most : float
        What it holds.

    Examples
    --------
    >>> bucket = Bucket(rate=10, most=20)
    >>> bucket.take(20, 0.0), bucket.take(5, 0.0), bucket.take(0, 1.0)
    (0.0, 0.5, 0.0)
    """

    __slots__ = ("_at", "_held", "most", "rate")

    def __init__(self, rate: float, most: float) -> None:
        self.rate, self.most = rate, most
        self._held, self._at = most, 0.0

    def take(self, amount: float, now: float) -> float:
        """Take an amount, and return for how many seconds nothing more should be taken; 0 while some is left."""
        if now > self._at:
            self._held = min(self.most, self._held + (now - self._at) * self.rate)
            self._at = now
        self._held -= amount
        return 0.0 if self._held >= 0 else -self._held / self.rate


def origin(address: str) -> str:
    """Return whom limits count: an IPv4 address, the /64 network of an IPv6 address, of which one sender has 2⁶⁴.

    Examples
    --------
    >>> origin("10.0.0.1"), origin("::ffff:10.0.0.1"), origin("2001:db8::1:2:3:4"), origin("fe80::1%eth0")
    ('10.0.0.1', '10.0.0.1', '2001:db8::/64', 'fe80::/64')
    """
    if ":" not in address:
        return address
    found = ipaddress.IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, _PREFIX), strict=False))


class Addresses:
    """Connections by address.

    Examples
    --------
    >>> addresses = Addresses(GatewayLimits(connections=3, connections_per_address=2))
    >>> [addresses.enter(name) for name in ("a", "a", "a", "b", "c")]
    ['', '', 'connections-of-address', '', 'connections']
    >>> addresses.leave("a"); addresses.enter("c"), addresses.count
    ('', 3)
    """

    def __init__(self, limits: GatewayLimits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()
        self.count = 0

    def enter(self, address: str) -> str:
        """Count a connection and return blank, or the name of the limit that it would pass."""
        if self.count >= self._limits.connections:
            return "connections"
        if self._open[address] >= self._limits.connections_per_address:
            return "connections-of-address"
        self._open[address] += 1
        self.count += 1
        return ""

    def leave(self, address: str) -> None:
        """Count a connection off."""
        self.count -= 1
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


class Failures:
    """Failed logins, by gateway at an address and by address, and how long each has to wait.

    A gateway behind a shared router that has the wrong key does not lock out its neighbours: only what failed waits, and the
    whole address only after many more.

    Examples
    --------
    >>> failures = Failures(GatewayLimits(failures=2, wait_seconds=10))
    >>> for _ in range(2): failures.failed("10.0.0.1", "b/01", 100.0)
    >>> failures.waits("10.0.0.1", "b/01", 100.0), failures.waits("10.0.0.1", "b/02", 100.0)
    (10.0, 0.0)
    >>> failures.failed("10.0.0.1", "b/01", 111.0); failures.waits("10.0.0.1", "b/01", 111.0)
    20.0
    >>> failures.passed("10.0.0.1", "b/01"); failures.waits("10.0.0.1", "b/01", 111.0)
    0.0
    """

    def __init__(self, limits: GatewayLimits) -> None:
        self._limits = limits
        self._seen: OrderedDict[tuple[str, str], tuple[int, float, float]] = OrderedDict()

    def failed(self, address: str, name: str, now: float) -> None:
        """Count a failed login of a gateway; `name` is blank where none was given."""
        allowances = {(address, name): self._limits.failures, (address, ""): self._limits.failures_per_address}
        for key, allowed in allowances.items():
            count, _, last = self._seen.get(key, (0, 0.0, now))
            count = 1 if now - last > self._limits.forget_seconds else count + 1
            over = count - allowed
            wait = min(self._limits.wait_seconds * 2.0 ** min(over, 30), self._limits.longest_wait_seconds)
            self._seen[key] = (count, now + wait if over >= 0 else 0.0, now)
            self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def passed(self, address: str, name: str) -> None:
        """Forget the failures of a gateway that has logged in."""
        self._seen.pop((address, name), None)

    def waits(self, address: str, name: str, now: float, *, proven: bool = False) -> float:
        """Return for how many seconds logins are refused: of the gateway at the address, or of the whole address.

        `proven`: the gateway has logged in from there before, so that the failures of its neighbours do not count.
        """
        keys = ((address, name),) if proven else ((address, name), (address, ""))
        until = max(self._seen.get(key, (0, 0.0, 0.0))[1] for key in keys)
        return max(0.0, until - now)

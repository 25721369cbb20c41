"""What goes wrong in an invented city, when, and what must come of it: a declared schedule, laid over the plan of the city."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.base.errors import UsageError
from dafeng.base.reading import EVENT_SCHEMA, MeterEventKind
from dafeng.gateway.simulator_plan import CityPlan, Ticks

__all__ = [
    "EFFECTS",
    "FAULT_SHARES",
    "Effect",
    "Fault",
    "FaultKind",
    "Shown",
    "register_text",
    "schedule_faults",
    "show",
]


class FaultKind(StrEnum):
    """What goes wrong."""

    DRIFT = "clock-drift"
    ROLLOVER = "rollover"
    REPLACEMENT = "replacement"
    NEGATIVE = "negative-step"
    ZERO_RUN = "zero-run"
    SPIKE = "spike"
    GARBLED = "garbled-value"
    ERROR_MARK = "error-mark"
    DUPLICATE = "duplicate"
    DISORDER = "disorder"
    OUTAGE = "outage"
    CRC = "crc-error"
    OVERSIZE = "oversize-length"
    SPLIT = "split-segments"
    MERGED = "merged-segments"
    BAD_XML = "bad-xml"
    UNREADABLE = "unreadable-packet"
    SILENT = "silent"
    WRONG_KEY = "wrong-key"
    WRONG_SECRET = "wrong-secret"


class Effect(StrEnum):
    """What must come of a fault."""

    NOTHING = "nothing"
    """Every total is that of the truth, each hour as well."""
    SHARED = "shared"
    """No energy is lost; some of it is shared out over a longer interval, so that hours may differ and the day does not."""
    MOVED = "moved"
    """As shared, and where the clock is wrong at midnight the day differs by what was used in between."""
    UNKNOWN = "unknown"
    """The step is left open: its energy is in no total, and coverage lacks its time."""
    WITHHELD = "withheld"
    """The step stands beside the total, and coverage lacks its time."""
    UNMETERED = "unmetered"
    """The meter did not count it, and nobody can know: totals say what the meter said."""
    LOST = "lost"
    """Nothing of the gateway arrives from then on: coverage says so, and no zero is written."""


EFFECTS: Final[dict[FaultKind, tuple[Effect, str]]] = {
    FaultKind.DRIFT: (Effect.MOVED, "网关走时渐快，下次校时回正；读数按所报时刻入库"),
    FaultKind.ROLLOVER: (Effect.NOTHING, "满量程回零，按量程计，并作标记"),
    FaultKind.REPLACEMENT: (Effect.NOTHING, "换表，登记止码和起码后不损失"),
    FaultKind.NEGATIVE: (Effect.UNKNOWN, "读数倒退而无登记，该步留空待问"),
    FaultKind.ZERO_RUN: (Effect.UNMETERED, "读数不动，此间用量表未计"),
    FaultKind.SPIKE: (Effect.WITHHELD, "跳变超过额定两倍，该步不计入合计"),
    FaultKind.GARBLED: (Effect.SHARED, "读数不是数，原样保留，前后读数之差不损失"),
    FaultKind.ERROR_MARK: (Effect.SHARED, "读数带故障标识或为零值，搁置，前后读数之差不损失"),
    FaultKind.DUPLICATE: (Effect.NOTHING, "同一包发两次，只计一次"),
    FaultKind.DISORDER: (Effect.NOTHING, "一段时间的包次序打乱"),
    FaultKind.OUTAGE: (Effect.NOTHING, "断线，恢复后以续传补齐"),
    FaultKind.CRC: (Effect.NOTHING, "一帧校验错误，未确认，重发"),
    FaultKind.OVERSIZE: (Effect.NOTHING, "声称的长度过大，只跳过这个帧头，其后照常读取"),
    FaultKind.SPLIT: (Effect.NOTHING, "一帧拆成许多小段"),
    FaultKind.MERGED: (Effect.NOTHING, "多帧连成一段"),
    FaultKind.BAD_XML: (Effect.NOTHING, "一包的 XML 损坏，未确认，重发"),
    FaultKind.UNREADABLE: (Effect.SHARED, "一包每次发出都损坏，终被放弃，前后读数之差不损失"),
    FaultKind.SILENT: (Effect.LOST, "网关从此无声，未补传"),
    FaultKind.WRONG_KEY: (Effect.LOST, "网关密钥不符，始终不能登录"),
    FaultKind.WRONG_SECRET: (Effect.LOST, "网关登录口令不符，始终不能登录"),
}
"""What must come of each fault, and how it looks."""

MEASURED: Final = (
    FaultKind.ROLLOVER, FaultKind.REPLACEMENT, FaultKind.NEGATIVE, FaultKind.ZERO_RUN, FaultKind.SPIKE, FaultKind.GARBLED,
    FaultKind.ERROR_MARK,
)  # fmt: skip
"""Faults of one meter; the others are of a gateway or its connection."""
_LOSING: Final = (FaultKind.UNREADABLE, FaultKind.SILENT, FaultKind.WRONG_KEY, FaultKind.WRONG_SECRET, FaultKind.DRIFT)

FAULT_SHARES: Final[dict[FaultKind, float]] = {
    **dict.fromkeys(MEASURED, 0.04),
    FaultKind.DRIFT: 0.04,
    FaultKind.DUPLICATE: 0.10,
    FaultKind.DISORDER: 0.06,
    FaultKind.OUTAGE: 0.08,
    FaultKind.CRC: 0.04,
    FaultKind.OVERSIZE: 0.02,
    FaultKind.SPLIT: 0.06,
    FaultKind.MERGED: 0.10,
    FaultKind.BAD_XML: 0.04,
    FaultKind.UNREADABLE: 0.02,
    FaultKind.SILENT: 0.02,
    FaultKind.WRONG_KEY: 0.02,
    FaultKind.WRONG_SECRET: 0.02,
}
"""Share of gateways that each fault befalls once."""
_FASTEST: Final = 120
"""Seconds by which a drifting clock is wrong at most."""


class Fault(NamedTuple):
    """One thing that goes wrong.

    Parameters
    ----------
    kind : FaultKind
    gateway : int
        Its place in the plan.
    first, last : int
        Readings, places in the plan's times, from and to which it acts.
    meter : int
        Row of the plan's meters; -1 where it is the whole gateway.
    amount : float
        Seconds of a clock, multiple of the rating of a spike, 1 for zeros beside an error mark; else 0.
    """

    kind: FaultKind
    gateway: int
    first: int
    last: int
    meter: int = -1
    amount: float = 0.0

    @property
    def effect(self) -> Effect:
        """What must come of it."""
        return EFFECTS[self.kind][0]


@dataclass(frozen=True)
class Shown:
    """What registers show and what can come of it, after the faults.

    Parameters
    ----------
    faults : tuple of Fault
    ticks : array of int, shape (meter, reading)
        Registers.
    texts : dict from (meter, reading) to (error, text)
        Values that are sent otherwise than their register.
    late : array of int, shape (gateway, reading)
        Seconds by which the gateway's clock is fast.
    heard : array of bool, shape (gateway, reading)
        Whether the packet arrives in the end.
    usable : array of bool, shape (meter, reading)
        Whether the reading says what the register showed.
    counted : array of int, shape (meter, reading - 1)
        Ticks that the meter counted from one reading to the next: the plan's, without what it stood still for.
    known : array of bool, shape (meter, reading - 1)
        Whether the step can be in a total.
    events : DataFrame of `EVENT_SCHEMA`
        What people record beside the readings.
    """

    faults: tuple[Fault, ...]
    ticks: Ticks
    texts: dict[tuple[int, int], tuple[str, str]]
    late: Ticks
    heard: npt.NDArray[np.bool_]
    usable: npt.NDArray[np.bool_]
    counted: Ticks
    known: npt.NDArray[np.bool_]
    events: pl.DataFrame

    def of_gateway(self, number: int) -> dict[FaultKind, list[Fault]]:
        """Return the faults of a gateway by kind."""
        found: dict[FaultKind, list[Fault]] = {}
        for fault in self.faults:
            if fault.gateway == number:
                found.setdefault(fault.kind, []).append(fault)
        return found


def schedule_faults(
    plan: CityPlan, *, rng: np.random.Generator, shares: Mapping[FaultKind, float] = FAULT_SHARES
) -> tuple[Fault, ...]:
    """Return what goes wrong in a city.

    Parameters
    ----------
    plan : CityPlan
    rng : Generator
    shares : mapping from FaultKind to share
        Of the gateways; each kind that has a share befalls one at least, as long as there are gateways.

    Returns
    -------
    tuple of Fault
        No meter has two faults of its own. Gateways that lose readings, or whose clock is wrong, have no other fault. The first
        and last reading of a day stay sound, but for gateways that fall silent.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.simulator_plan import CityOptions, plan_city
    >>> city = plan_city(CityOptions(day=date(2026, 3, 4), gateways=40), load_catalog(), rng=np.random.default_rng(1))
    >>> len({fault.kind for fault in schedule_faults(city, rng=np.random.default_rng(2))}) == len(FaultKind)
    True
    """
    count = len(plan.gateways)
    homes = [gateway.building for gateway in plan.gateways]
    order = rng.permutation(count)
    alone = [int(number) for number in order if homes.count(homes[number]) == 1]
    faults: list[Fault] = []
    apart: set[int] = set()
    for kind in _LOSING:
        for _ in range(_how_many(shares, kind, count)):
            if len(alone) <= 1:
                break
            number = alone.pop()
            apart.add(number)
            faults.append(_fault(kind, plan, number, rng))
    rest = [int(number) for number in order if int(number) not in apart]
    taken: set[tuple[int, int]] = set()
    at = 0
    for kind in FaultKind:
        if kind in _LOSING:
            continue
        for _ in range(_how_many(shares, kind, count)):
            number = rest[at % len(rest)]
            at += 1
            fault = _fault(kind, plan, number, rng)
            if (number, fault.meter) in taken and fault.meter >= 0:
                continue
            taken.add((number, fault.meter))
            faults.append(fault)
    return tuple(sorted(faults))


def _how_many(shares: Mapping[FaultKind, float], kind: FaultKind, count: int) -> int:
    share = shares.get(kind, 0.0)
    return max(1, round(share * count)) if share > 0 else 0


def _fault(kind: FaultKind, plan: CityPlan, number: int, rng: np.random.Generator) -> Fault:
    """Return a fault at some time of the days played, away from their ends."""
    count = len(plan.times)
    steps = (count - 1 - plan.fine) // plan.options.days
    day = int(rng.integers(plan.options.days)) * steps + plan.fine
    low, high = day + 3, day + steps - 4
    first = int(rng.integers(low, max(low + 1, high - steps // 3)))
    length = int(rng.integers(max(steps // 16, 1), max(steps // 4, 2)))
    last = min(first + length, high)
    gateway = plan.gateways[number]
    if kind in MEASURED:
        rows = np.arange(gateway.first, gateway.past)
        power = plan.meters["rated"][gateway.first : gateway.past].is_not_null().to_numpy()
        busy = plan.use[rows, first - 1] > 0
        chosen = rows[power & busy] if (power & busy).any() else rows
        meter = int(chosen[0] if rng.random() < 0.6 else rng.choice(chosen))
        amount = {FaultKind.SPIKE: 3.0, FaultKind.ERROR_MARK: float(rng.integers(2))}.get(kind, 0.0)
        return Fault(kind, number, first, last if kind is FaultKind.ZERO_RUN else first, meter, amount)
    if kind is FaultKind.DRIFT:
        return Fault(kind, number, first, last, amount=float(rng.integers(_FASTEST // 2, _FASTEST + 1)))
    if kind in (FaultKind.SILENT, FaultKind.WRONG_KEY, FaultKind.WRONG_SECRET):
        return Fault(kind, number, first if kind is FaultKind.SILENT else 0, count - 1)
    lasting = (FaultKind.DISORDER, FaultKind.OUTAGE, FaultKind.SPLIT, FaultKind.MERGED, FaultKind.DUPLICATE)
    return Fault(kind, number, first, last if kind in lasting else first)


def show(plan: CityPlan, faults: Iterable[Fault] = (), *, recorded_at: datetime | None = None) -> Shown:
    """Return what the registers show.

    Parameters
    ----------
    plan : CityPlan
    faults : iterable of Fault
    recorded_at : datetime, optional
        When people record events; a week after the last reading where None.

    Raises
    ------
    UsageError
        A spike is to befall a meter without a rating.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.simulator_plan import CityOptions, plan_city
    >>> city = plan_city(CityOptions(day=date(2026, 3, 4), gateways=1), load_catalog(), rng=np.random.default_rng(1))
    >>> rolled = show(city, [Fault(FaultKind.ROLLOVER, 0, 40, 40, meter=0)])
    >>> bool(rolled.ticks[0, 45] < rolled.ticks[0, 5]), int(rolled.counted.sum() - city.use.sum())
    (True, 0)
    """
    chosen = tuple(faults)
    counted = plan.use.copy()
    for fault in chosen:
        if fault.kind is FaultKind.ZERO_RUN:
            counted[fault.meter, fault.first - 1 : fault.last] = 0
    total = np.concatenate([np.zeros((counted.shape[0], 1), np.int64), np.cumsum(counted, axis=1)], axis=1)
    ticks = total + plan.start[:, None]
    shape = (len(plan.gateways), len(plan.times))
    late, heard = np.zeros(shape, np.int64), np.ones(shape, np.bool_)
    usable, known = np.ones(ticks.shape, np.bool_), np.ones(counted.shape, np.bool_)
    texts: dict[tuple[int, int], tuple[str, str]] = {}
    events: list[tuple[object, ...]] = []
    full = plan.full_scale
    when = plan.instants
    told = recorded_at or datetime.fromtimestamp(int(when[-1]) + 7 * 86_400, UTC)
    for fault in chosen:
        row, first = fault.meter, fault.first
        match fault.kind:
            case FaultKind.ROLLOVER:
                ticks[row] += full[row] - 1 - ticks[row, first - 1]
            case FaultKind.NEGATIVE:
                ticks[row, first:] -= full[row] // 25
                known[row, first - 1] = False
            case FaultKind.SPIKE:
                ticks[row, first:] += _jump(plan, fault)
                known[row, first - 1] = False
            case FaultKind.REPLACEMENT:
                events.append(_replace(plan, ticks, fault, when, told))
            case FaultKind.GARBLED:
                texts[row, first] = ("", "FFFFFF.FF")
                usable[row, first] = False
            case FaultKind.ERROR_MARK:
                texts[row, first] = ("192", "0.00" if fault.amount else "")
                usable[row, first] = False
            case FaultKind.DRIFT:
                length = fault.last - first
                late[fault.gateway, first : fault.last + 1] = np.linspace(0, fault.amount, length + 1).astype(np.int64)
            case FaultKind.UNREADABLE:
                heard[fault.gateway, first] = False
            case FaultKind.SILENT | FaultKind.WRONG_KEY | FaultKind.WRONG_SECRET:
                heard[fault.gateway, first:] = False
    ticks %= full[:, None]
    usable &= heard[plan.meters["number"].to_numpy()]
    frame = pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row")
    return Shown(chosen, ticks, texts, late, heard, usable, counted, known, frame)


def _jump(plan: CityPlan, fault: Fault) -> int:
    """Return ticks by which a spike exceeds so many times what the rating allows in a step."""
    rated = plan.meters["rated"][fault.meter]
    seconds = int(plan.instants[fault.first] - plan.instants[fault.first - 1])
    if rated is None:
        raise UsageError(
            f"表计 {plan.meters['meter'][fault.meter]} 没有额定功率 / the meter has no rating to exceed",
            doing="lay a spike over a city",
            expected="有额定功率的电表 / a meter with a rating",
            next_step="换一块表 / name another meter",
        )
    return int(fault.amount * rated * seconds / 3.6 / plan.milli[fault.meter]) + 1


def _replace(plan: CityPlan, ticks: Ticks, fault: Fault, when: Ticks, told: datetime) -> tuple[object, ...]:
    """Put another register in the place of one, half a step before a reading, and return the event."""
    row, first = fault.meter, fault.first
    before = ticks[row, first - 1] + (ticks[row, first] - ticks[row, first - 1]) // 2
    after = 1234
    ticks[row, first:] += after - before
    scale = 10.0 ** plan.meters["decimals"][row]
    at = datetime.fromtimestamp(int(when[first - 1] + when[first]) // 2, UTC)
    return (plan.meters["meter"][row], at, None, MeterEventKind.REPLACEMENT.value, float(before) / scale, after / scale, "模拟",
            "换表", told)  # fmt: skip


def register_text(ticks: int, decimals: int) -> str:
    """Return what a register shows.

    Examples
    --------
    >>> register_text(120345, 2), register_text(7, 3)
    ('1203.45', '0.007')
    """
    whole, rest = divmod(ticks, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"

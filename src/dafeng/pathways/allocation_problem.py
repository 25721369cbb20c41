"""What is divided among whom, and what comes of it: the records of an allocation, with digests that tell one from another."""

from __future__ import annotations

import hashlib
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from dafeng.base.finding import Finding
from dafeng.base.record import Record
from dafeng.base.target import Change, Comparator, Direction, Measure
from dafeng.pathways.allocation_criteria import AllocationMethod, Criterion
from dafeng.pathways.allocation_rounding import RoundingRule
from dafeng.pathways.allocation_schedule import Schedule

__all__ = [
    "KIND_TITLES",
    "Allocation",
    "AllocationProblem",
    "DividedKind",
    "Member",
    "Share",
    "ZoneShare",
    "amount_of",
    "units_of",
]


class DividedKind(StrEnum):
    """What becomes of a target at those below."""

    AMOUNT = "amount"
    RATE = "rate"
    LIMIT = "limit"
    EVENT = "event"


KIND_TITLES: Final = {
    DividedKind.AMOUNT: "总量，分解",
    DividedKind.RATE: "比率，分别设定",
    DividedKind.LIMIT: "各地同样适用",
    DividedKind.EVENT: "事项，各地同样完成",
}


class Member(Record):
    """One of those among whom is divided: a place or a body."""

    id: str
    """Place or body id."""
    name: str
    """Chinese name."""
    code: str = ""
    """Official code, in the order of which shares are listed; those without one come last, by id."""
    on_ground_of: tuple[str, ...] = ()
    """For a functional zone: divisions on whose ground it lies; it is shown and never summed."""


class AllocationProblem(Record):
    """One target of a plan to be divided, with everything that decides the answer."""

    plan: str
    """Plan id of the parent."""
    target: str
    """Target id of the parent."""
    place: str = ""
    """Place whose amount is divided; below the plan's own where a share is divided further."""
    clause: str = ""
    """Clause of the parent."""
    label: str
    """Name of the quantity."""
    indicator: str
    """Indicator id."""
    unit: str = ""
    """Unit as the plan writes it."""
    kind: DividedKind
    """What becomes of it."""
    measure: Measure
    """How it is to be read."""
    comparator: Comparator = Comparator.EQUAL
    """As the plan writes it."""
    change: Change | None = None
    """For a change: its sense."""
    direction: Direction = Direction.UP
    """The better way."""
    total: float | None = None
    """What is divided, or the rate to be met; None for an event."""
    digit: float = Field(default=1.0, gt=0)
    """Last digit: every share is a whole number of it."""
    by: int | None = None
    """Year of the target."""
    start: int | None = None
    """First year of the schedule."""
    members: tuple[Member, ...]
    """Divisions or bodies that partition the whole."""
    zones: tuple[Member, ...] = ()
    """Functional zones, shown as parts of divisions."""
    method: AllocationMethod
    """How it is divided."""
    criteria: tuple[Criterion, ...] = ()
    """By what; for convergence the present shares first, then the shares to converge to."""
    present: Criterion | None = None
    """The quantity itself as it stands, in the target's unit."""
    weights: Criterion | None = None
    """For a rate: what its mean is weighted by."""
    increase: bool = False
    """Whether each keeps what it has and only the increase is divided."""
    floors: dict[str, float] = Field(default_factory=dict)
    """Least share by member."""
    ceilings: dict[str, float] = Field(default_factory=dict)
    """Greatest share by member."""
    least: float | None = None
    """Least value of the indicator itself."""
    most: float | None = None
    """Greatest value of the indicator itself."""
    own: dict[str, float] = Field(default_factory=dict)
    """Figures set aside: these members take no part in the division."""
    schedule: Schedule = Schedule()
    """How it runs over the years."""
    converge_by: int | None = None
    """For convergence: year from which the second criterion alone decides."""
    rounding: RoundingRule = RoundingRule.LARGEST_REMAINDER
    """How shares become whole units."""

    @property
    def listed(self) -> tuple[Member, ...]:
        """Members in the order in which they are shown: by official code, those without one last, by id."""
        return tuple(sorted(self.members, key=lambda one: (not one.code, one.code, one.id)))

    @property
    def falling(self) -> bool:
        """Whether less is better, by the comparator or the indicator."""
        if self.comparator in (Comparator.AT_MOST, Comparator.LESS_THAN):
            return True
        equal = self.comparator in (Comparator.EQUAL, Comparator.ABOUT)
        return equal and self.direction is Direction.DOWN and self.measure is not Measure.CHANGE


class Share(Record):
    """What one member gets."""

    member: str
    """Place or body id."""
    name: str
    """Chinese name."""
    value: float
    """Share, rate or limit, in the target's unit."""
    part: float | None = None
    """For an amount: its part in the total, in percent."""
    basis: float | None = None
    """Its part in what is divided by, in percent."""
    present: float | None = None
    """What it has."""
    bound: Literal["", "floor", "ceiling", "own"] = ""
    """What holds it: a floor, a ceiling, or a figure set aside."""
    yearly: dict[int, float] = Field(default_factory=dict)
    """For an amount: what falls to each year; for a rate its value at the end of each year."""


class ZoneShare(Record):
    """What of the divisions' shares lies in a functional zone; it is contained in theirs."""

    zone: str
    """Place id."""
    name: str
    """Chinese name."""
    divisions: tuple[str, ...]
    """Divisions on whose ground it lies."""
    value: float
    """Its part, in the target's unit."""


class Allocation(Record):
    """A target divided: shares that sum to the total exactly, or why there are none."""

    problem: AllocationProblem
    """What was asked."""
    shares: tuple[Share, ...] = ()
    """In the order of the members' codes, then ids; empty where something stands in the way."""
    zones: tuple[ZoneShare, ...] = ()
    """Of which in functional zones."""
    criterion_weights: dict[str, float] = Field(default_factory=dict)
    """Weight of each criterion of a blend."""
    mean: float | None = None
    """For a rate: the weighted mean of what was set."""
    findings: tuple[Finding, ...] = ()
    """What a person should know; an error means that nothing was divided."""

    @property
    def years(self) -> tuple[int, ...]:
        """Years of the schedule."""
        return tuple(sorted({year for share in self.shares for year in share.yearly}))

    @property
    def digest(self) -> str:
        """SHA-256 of problem and shares, by which an answer is known to be about them."""
        said = self.model_dump_json(include={"problem", "shares", "zones"})
        return hashlib.sha256(said.encode()).hexdigest()

    def values(self) -> dict[str, float]:
        """Return what each member gets."""
        return {share.member: share.value for share in self.shares}

    def sum_units(self) -> int:
        """Return the sum of the shares in last digits, exactly."""
        return sum(units_of(share.value, self.problem.digit) for share in self.shares)


_WAYS: Final = {"near": ROUND_HALF_UP, "down": ROUND_FLOOR, "up": ROUND_CEILING}


def units_of(value: float, digit: float, way: Literal["near", "down", "up"] = "near") -> int:
    """Return a value in whole last digits.

    Parameters
    ----------
    value, digit : float
        Taken as the decimals that they are written as.
    way : {"near", "down", "up"}
        Where it is no whole number of them.

    Examples
    --------
    >>> units_of(0.3, 0.1), units_of(1450, 0.01), units_of(2.7, 0.5, "down"), units_of(2.7, 0.5, "up")
    (3, 145000, 5, 6)
    """
    return int((Decimal(repr(value)) / Decimal(repr(digit))).to_integral_value(rounding=_WAYS[way]))


def amount_of(units: int, digit: float) -> float:
    """Return whole last digits as the value that they are written as.

    Examples
    --------
    >>> amount_of(3, 0.1), amount_of(145000, 0.01)
    (0.3, 1450.0)
    """
    return float(units * Decimal(repr(digit)))

"""What a person asks for when targets are divided, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from dafeng.base.finding import Finding
from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.allocation_comparison import MethodComparison
from dafeng.pathways.allocation_criteria import AllocationMethod
from dafeng.pathways.allocation_problem import Allocation
from dafeng.pathways.allocation_rounding import RoundingRule
from dafeng.pathways.allocation_schedule import ScheduleShape

__all__ = ["AllocationRequest", "MadeAllocations", "NamedCriterion"]


class NamedCriterion(Record):
    """A criterion as a person names it."""

    name: str
    """Indicator id, or head of a column of the given table."""
    weight: float | None = None
    """Weight in a blend."""
    inverse: bool = False
    """Whether more of it means a smaller share."""
    extent: Extent | None = None
    """Extent."""


class AllocationRequest(Record):
    """What a person asks for; what is left open comes from the catalog's rules, then from the plan."""

    targets: tuple[str, ...] = ()
    """Target ids; all that can be divided where empty."""
    among: tuple[str, ...] = ()
    """Places by id, code or name; the divisions directly below where empty."""
    bodies: bool = False
    """Whether departments share in place of places: those of the target."""
    levels: int = 1
    """How many levels down."""
    zones: bool = True
    """Whether functional zones are shown as parts of the divisions."""
    method: AllocationMethod | None = None
    """How it is divided."""
    criteria: tuple[NamedCriterion, ...] = ()
    """By what."""
    total: float | None = None
    """In place of the plan's value; with one target only."""
    digit: float | None = None
    """Last digit."""
    floors: dict[str, float] = Field(default_factory=dict)
    """Least share, by place as written."""
    ceilings: dict[str, float] = Field(default_factory=dict)
    """Greatest share."""
    own: dict[str, float] = Field(default_factory=dict)
    """Figures set aside."""
    increase: bool | None = None
    """Whether only the increase over the present is divided."""
    shape: ScheduleShape | None = None
    """How it runs over the years."""
    start: int | None = None
    """First year."""
    pace: float | None = None
    """Amount of the year before the first."""
    given: dict[int, float] = Field(default_factory=dict)
    """Weights by year."""
    base_years: tuple[int, int] | None = None
    """Years of the criterion: their mean; for historical responsibility their sum."""
    converge_by: int | None = None
    """Year of convergence."""
    weights: str | None = None
    """For rates: indicator of the weights."""
    rounding: RoundingRule = RoundingRule.LARGEST_REMAINDER
    """How shares become whole units."""
    compare: bool = False
    """Whether the other methods are set beside."""


@dataclass(frozen=True)
class MadeAllocations:
    """Divisions with what they rest on.

    Parameters
    ----------
    plan : Plan
    allocations : tuple of Allocation
        Target by target, upper level before lower.
    comparisons : dict
        Methods side by side, by ``target|place``.
    findings : tuple of Finding
    demonstration : bool
        Whether a criterion is a demonstration.
    """

    plan: Plan
    allocations: tuple[Allocation, ...]
    comparisons: dict[str, MethodComparison]
    findings: tuple[Finding, ...]
    demonstration: bool

"""How the targets of an indicator are usually divided among those below: a proposal that a person confirms or changes."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade

__all__ = ["AllocationRule", "RuleCriterion"]

_AMOUNTS = "per_head|per_area|capacity|grandfathering|equal_percentage|convergence|historical|entropy|weighted"


class RuleCriterion(Record):
    """A quantity by which is divided."""

    indicator: str
    """Indicator id."""
    extent: Extent | None = None
    """Extent; the indicator's own where None."""
    weight: float | None = Field(default=None, ge=0)
    """Weight in a blend of given weights."""
    inverse: bool = False
    """Whether more of it means a smaller share."""


class AllocationRule(Record):
    """The usual way to divide targets of one indicator.

    A rule for one target of one plan goes before that for the indicator.

    Examples
    --------
    >>> rule = AllocationRule(id="retrofit", indicator="retrofit_area", digit=0.1, unit="万平方米", method="per_head",
    ...                       criteria=[{"indicator": "urban_population"}], source="K", grade="D", checked_on="2026-11-20")
    >>> rule.schedule, rule.criteria[0].inverse
    ('linear', False)
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    indicator: str
    """Indicator whose targets it divides."""
    plan: str | None = None
    """Only targets of this plan."""
    target: str | None = None
    """Only this target of the plan."""
    digit: float = Field(gt=0)
    """Last digit of a share."""
    unit: str
    """Unit of the last digit, as plans write it."""
    method: str = Field(pattern=rf"^({_AMOUNTS}|same|points|gap)$")
    """Code of the method."""
    criteria: tuple[RuleCriterion, ...] = ()
    """What is divided by; for convergence the present shares first; none for rates."""
    increase: bool = False
    """Whether each keeps what it has and only the increase is divided."""
    schedule: str = Field(default="linear", pattern=r"^(linear|front|back|s_curve|pace)$")
    """How it runs over the years."""
    weights: str | None = None
    """For a rate: indicator of the weights, where the indicator names none."""
    note: str | None = None
    """Remark."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the rule is; D is a proposal of this house."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.target is not None and self.plan is None:
            raise ValueError("a target is named with its plan")
        if self.method in ("same", "points", "gap") and self.criteria:
            raise ValueError("rates are set without criteria")
        if self.method == "weighted" and any(one.weight is None for one in self.criteria):
            raise ValueError("every criterion of given weights has one")
        return self

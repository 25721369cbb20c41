"""Obligations: what a plan asks of single projects, in the form that a reader writes and an engine runs."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from dafeng.base.record import Record
from dafeng.base.target import Locator

__all__ = ["Obligation", "Rule", "Stage", "Strength"]


class Strength(StrEnum):
    """How strictly the plan asks."""

    MUST = "must"
    SHOULD = "should"
    ENCOURAGED = "encouraged"


class Stage(StrEnum):
    """Stage of a project's life at which an obligation is looked at."""

    PLANNING = "planning"
    APPROVAL = "approval"
    LAND = "land"
    DESIGN_REVIEW = "design_review"
    CONSTRUCTION = "construction"
    ACCEPTANCE = "acceptance"
    FILING = "filing"
    OPERATION = "operation"
    DEMOLITION = "demolition"


class Rule(Record):
    """A condition on a project (type, area, investor, place, date) and what it then requires.

    Both are expressions of the catalog's grammar over the project fields of the vocabulary, and are answered with pass, fail
    or unknown.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique within its plan or standard."""
    clause: str
    """Clause number as the document writes it."""
    title: str
    """What is asked of whom, in dafeng's own words."""
    when: str
    """Condition on the project."""
    require: str
    """What a project that fulfils the condition must show."""
    strength: Strength = Strength.MUST
    """How strictly it is asked."""
    since: int | None = Field(default=None, alias="from")
    """First year in which it holds; None where the document names none."""
    stage: tuple[Stage, ...] = ()
    """Stages at which it is looked at; every stage where empty."""
    evidence: tuple[str, ...] = ()
    """Papers that prove it."""
    soft: bool = False
    """A wish rather than a duty."""
    dated: tuple[str, ...] = ()
    """Date fields of which the first that is known decides whether the rule holds for a project; the usual ones where empty."""
    binds_earlier: bool = False
    """Whether it binds projects dated before its document was issued too; a date is then asked for only with `from`."""
    note: str | None = None
    """Remark of the person who entered it."""


class Obligation(Rule):
    """A rule that a plan lays on single projects, with the place in the document that says so.

    Examples
    --------
    >>> star = Obligation(id="public-5000-star", clause="四（十）", at=[4270, 4306], title="新建较大公共建筑达到一星",
    ...                   when='work == "new" and gross_area >= 5000[m**2]', require="green_star >= 1")
    >>> star.strength, star.stage
    (<Strength.MUST: 'must'>, ())
    """

    at: Locator
    """Where the plan says it."""

"""What the reader sees in a plan document: heads, clauses, numbers with their fate, promises, duties on projects.

All offsets are into `DocumentText.plain`. Nothing here holds a sentence: words are cut from the document when shown.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field

from dafeng.base.finding import Finding
from dafeng.base.obligation import Obligation, Strength
from dafeng.base.record import Record
from dafeng.base.target import BaseState, Change, Comparator, Locator, Measure

__all__ = [
    "BodyList",
    "Clause",
    "ClauseKind",
    "IndicatorMatch",
    "LabelKind",
    "NumberFate",
    "Origin",
    "Outline",
    "PlanHead",
    "ReadDuty",
    "ReadNumber",
    "ReadPlan",
    "ReadTarget",
    "Sentence",
]


class ClauseKind(StrEnum):
    """What a stretch of a plan is for; it decides how deadlines carry over and what counts as a task."""

    HEAD = "head"
    AIMS = "aims"
    PRINCIPLES = "principles"
    GOALS = "goals"
    BACKGROUND = "background"
    TASK = "task"
    ANNEX = "annex"


class Origin(StrEnum):
    """Whence a reading came: the grammar of the genre, or names that the catalog holds."""

    GRAMMAR = "grammar"
    LEXICON = "lexicon"


class PlanHead(Record):
    """What a document says of itself; None where it does not say."""

    title: str | None = None
    """Title of the plan."""
    number: str | None = None
    """Document number as written, with 〔〕."""
    issuers: tuple[str, ...] = ()
    """Issuing bodies as written."""
    issued_on: date | None = None
    """Day of issue."""
    region: str | None = None
    """Region that it plans for, as written (吉林省)."""
    place: str | None = None
    """Place id where the catalog knows the region."""


class BodyList(Record):
    """A list of responsible bodies and the stretch that it closes."""

    at: Locator
    """The list with its brackets."""
    covers: Locator
    """The stretch of text for which it answers."""
    bodies: tuple[str, ...]
    """Names as written, in order, without 等 and duty words."""
    leads: tuple[str, ...] = ()
    """Those named as 牵头."""
    origins: tuple[Origin, ...] = ()
    """For each body: whether grammar alone cut it out, or a name of the catalog was needed."""
    standing: tuple[str, ...] = ()
    """Those that answer for all later clauses too, where the list says 下同 or 不再列出."""


class Clause(Record):
    """A heading with the text under it, down to the next heading of any level."""

    number: str
    """Path of heading marks as written: 二（一）5; empty for the head of the document."""
    title: str
    """Heading without its mark; empty where the numbered item has none of its own."""
    level: int
    """Depth of the heading, 1 for chapters, 0 for the head of the document."""
    kind: ClauseKind
    """What it is for."""
    mark: Locator | None = None
    """The heading mark."""
    title_at: Locator | None = None
    """The heading."""
    at: Locator | None = None
    """The text under the heading, lists of bodies included; None where there is none."""
    task: bool = False
    """Whether it is a lowest numbered heading outside the chapters of aims and principles."""
    lists: tuple[BodyList, ...] = ()
    """Lists of bodies within, in order."""

    @property
    def bodies(self) -> tuple[str, ...]:
        """All bodies of the clause, each once, in order."""
        return tuple(dict.fromkeys(body for part in self.lists for body in part.bodies))


class Sentence(Record):
    """A sentence: from after one full stop to the next, within a clause; heads and lists of bodies are none."""

    at: Locator
    """Where it stands, its full stop included."""
    clause: int
    """Index into `Outline.clauses`."""


class Outline(Record):
    """The build of a document."""

    head: PlanHead
    """What it says of itself."""
    clauses: tuple[Clause, ...]
    """In document order; the first is the head of the document."""
    sentences: tuple[Sentence, ...]
    """In document order."""
    findings: tuple[Finding, ...] = ()
    """What was odd: a bracket never closed, headings out of order."""

    def clause_at(self, offset: int) -> Clause:
        """Return the clause in whose heading or text a character stands."""
        found = self.clauses[0]
        for clause in self.clauses:
            first = min((part.start for part in (clause.mark, clause.title_at, clause.at) if part), default=0)
            if first > offset:
                break
            found = clause
        return found


class ReadNumber(Record):
    """A mention of a number, wherever it stands in the document."""

    at: Locator
    """The number with its unit, without comparator words."""
    digits: Locator
    """The numeral alone."""
    value: float
    """Its value, in `unit`; of a range the lower end."""
    value_max: float | None = None
    """Upper end of a range."""
    unit: str | None = None
    """Unit as written, 万 and 亿 included (万平方米); None for a bare number."""


class NumberFate(Record):
    """What became of a number."""

    at: Locator
    """The numeral, as in `OtherNumber`."""
    fate: str
    """target, obligation, or a named reason: date, deadline, heading, document_number, title_of_document …; `unclaimed`."""
    of: str | None = None
    """Id of the target or obligation that claims it."""


class IndicatorMatch(Record):
    """Which indicator a promise speaks of, and how sure that is."""

    indicator: str | None
    """Indicator id; None where nothing came near enough: then the promise stays open."""
    score: float = Field(ge=0, le=1)
    """1 for a name or alias of the catalog, else the similarity."""
    reason: str
    """How the score came about, in Chinese."""
    origin: Origin = Origin.GRAMMAR
    """Lexicon for a name or alias met word for word, grammar for similarity of parts."""
    candidates: tuple[tuple[str, float], ...] = ()
    """Nearest indicators with score, best first."""


class LabelKind(StrEnum):
    """Sort of a target as the labelling of plan documents names it."""

    LEVEL = "level"
    CHANGE = "change"
    PER_YEAR = "per_year"
    COUNT = "count"
    LIMIT = "limit"
    MILESTONE = "milestone"


class ReadTarget(Record):
    """A promise as read, before a person looked at it."""

    id: str
    """Slug, unique within the plan, made of indicator, value and year; the same text gives the same id."""
    clause: str
    """Clause number."""
    at: Locator
    """The stretch that says it: the shortest that holds quantity, comparator, number and unit."""
    label: str
    """Words of the document that name the quantity."""
    comparator: Comparator
    """As written."""
    value: float | None = None
    """None for a milestone."""
    value_max: float | None = None
    """Upper end of a range."""
    unit: str | None = None
    """Unit as written."""
    by: int | None = None
    """Deadline."""
    kind: LabelKind
    """Sort as the labelling names it."""
    measure: Measure
    """How the house reads it."""
    base_year: int | None = None
    """Base year of a change."""
    base_state: BaseState | None = None
    """State from which a change without a base year is measured."""
    change: Change | None = None
    """Sense of a change."""
    start: int | None = None
    """First year that counts, for a cumulative amount or yearly duty of a stated period."""
    scope: str | None = None
    """Part of the whole that is meant, as written."""
    bodies: tuple[str, ...] = ()
    """Responsible bodies as written."""
    soft: bool = False
    """A vague aim or a duty to report."""
    match: IndicatorMatch | None = None
    """Indicator found; None before matching."""
    confidence: float = Field(default=1.0, ge=0, le=1)
    """How sure the reading is: the product over its steps."""
    reasons: tuple[str, ...] = ()
    """What lowered the confidence, in Chinese."""


class ReadDuty(Record):
    """A duty on single projects as read, before a person looked at it."""

    id: str
    """Slug, unique within the plan; the same text gives the same id."""
    clause: str
    """Clause number."""
    at: Locator
    """The whole duty."""
    applies_to: Locator | None = None
    """Who is meant; None where the document names nobody."""
    requirement: Locator
    """What is asked, duty word left out."""
    strength: Strength
    """How strictly it is asked."""
    soft: bool = False
    """A wish rather than a duty."""
    universal: bool = False
    """It says 全面, 全部, 一律 or the like, so that a wish of it is still one that can be checked."""
    since: int | None = None
    """First year in which it holds."""
    obligation: Obligation | None = None
    """The duty as the engine runs it; None where the project fields cannot express who is meant or what is asked."""
    open_parts: tuple[Locator, ...] = ()
    """Words that the project fields cannot express."""
    assumptions: tuple[str, ...] = ()
    """Assumptions made, in Chinese."""
    confidence: float = 1.0
    """How sure the reading is."""
    findings: tuple[Finding, ...] = ()
    """What a person should look at."""

    @property
    def labelled(self) -> bool:
        """Whether labelling counts it: mere encouragement only where it means all."""
        return self.strength is not Strength.ENCOURAGED or self.universal


class ReadPlan(Record):
    """A plan document as read."""

    outline: Outline
    """Its build."""
    targets: tuple[ReadTarget, ...] = ()
    """Promises in document order, milestones among them."""
    duties: tuple[ReadDuty, ...] = ()
    """Duties on single projects as read, in document order."""
    obligations: tuple[Obligation, ...] = ()
    """Those of them that the project fields can express, in the form that the engine runs."""
    numbers: tuple[NumberFate, ...] = ()
    """Every number with its fate, in document order."""
    findings: tuple[Finding, ...] = ()
    """What a person should look at."""

"""The review of a reading as the page shows it: items of the library beside what people have decided so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dafeng.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision
from dafeng.plans.fates import REASONS
from dafeng.plans.read_records import Clause, ReadDuty, ReadTarget
from dafeng.plans.review_entries import decision_key
from dafeng.plans.review_words import (
    COMPARATOR_WORDS,
    FIELD_HEADS,
    MEASURES,
    NOTHING,
    STRENGTH_WORDS,
    VERDICT_WORDS,
    ReviewItem,
    field_texts,
    own_fields,
    review_items,
)
from dafeng.reports.plan_review_rows import doubts, open_indicator
from dafeng.web.house import house
from dafeng.web.plans.models import Reading, ReviewDecision
from dafeng.web.plans.passages import Mark, Paragraph, passages
from dafeng.workflow.plan_reading import PlanFromFile, lay_over, read_plan_file
from dafeng.workflow.setting import Setting

__all__ = [
    "FILTERS",
    "KINDS",
    "Field",
    "Filter",
    "ItemView",
    "additions_of",
    "decision_of",
    "decisions_so_far",
    "fates_of",
    "filtered",
    "handle_of",
    "handle_of_decision",
    "holding",
    "items_of",
    "laid_over",
    "passages_of",
    "read_of",
    "views_of",
]

KINDS: Final = {
    DecisionSubject.TARGET.value: gettext_lazy("目标"),
    DecisionSubject.OBLIGATION.value: gettext_lazy("义务"),
    DecisionSubject.TASK.value: gettext_lazy("任务"),
}
FILTERS: Final = {
    "": gettext_lazy("全部"),
    "undecided": gettext_lazy("未复核"),
    "again": gettext_lazy("原文已变，须再看"),
    "open": gettext_lazy("指标待定"),
    "decided": gettext_lazy("已复核"),
}
_STATES: Final = {"accept": "good", "correct": "info", "reject": "bad", "add": "info"}


@dataclass(frozen=True)
class Filter:
    """Which items are shown.

    Attributes
    ----------
    kind : str
        Subject, all where empty.
    which : str
        One of `FILTERS`.
    below : float or None
        Only what is less sure than this, 0 to 1.
    """

    kind: str = ""
    which: str = ""
    below: float | None = None


@dataclass(frozen=True)
class Field:
    """A field that a reviewer may correct."""

    name: str
    title: str
    text: str
    read: str
    """What the reader read."""
    choices: tuple[str, ...] = ()
    names: bool = False
    """Whether it takes the name of an indicator."""


@dataclass(frozen=True)
class ItemView:
    """An item with what was decided about it.

    Attributes
    ----------
    handle : str
        Short digest of subject and anchor.
    item : ReviewItem
    title, detail : str
        What it is, in the words of the reading.
    confidence : float or None
    doubts : list of str
    decision : ReviewDecision or None
        The one of this reading that holds.
    earlier : PlanDecision or None
        The one that the workspace keeps from an earlier reading.
    carried : bool
        Whether the words have changed since the earlier one.
    open : bool
        Whether the indicator, or the condition of a duty, is still open.
    """

    handle: str
    item: ReviewItem
    title: str
    detail: str
    confidence: float | None
    doubts: list[str]
    decision: ReviewDecision | None
    earlier: PlanDecision | None
    carried: bool
    open: bool

    @property
    def kind(self) -> str:
        """Subject in Chinese."""
        return str(KINDS[self.item.subject.value])

    @property
    def seen(self) -> int:
        """Number of the decision that the page shows; another one means that somebody was quicker."""
        return 0 if self.decision is None else self.decision.pk

    @property
    def decided(self) -> bool:
        """Whether a person has looked at it in these words."""
        return self.decision is not None or (self.earlier is not None and not self.carried)

    @property
    def verdict(self) -> str:
        """The verdict that holds, as a code; empty where none."""
        if self.decision is not None:
            return self.decision.verdict
        return "" if self.earlier is None or self.carried else self.earlier.verdict.value

    @property
    def state(self) -> str:
        """Class of the state."""
        return "warn" if self.carried and self.decision is None else _STATES.get(self.verdict, "")

    @property
    def state_text(self) -> str:
        """The state in words."""
        if self.carried and self.decision is None:
            return _("原文已变，请再看")
        return VERDICT_WORDS_BY_CODE.get(self.verdict, _("未复核"))

    @property
    def said(self) -> str:
        """Who decided, when, and why."""
        if self.decision is not None:
            parts = [self.decision.by_name, self.decision.on.isoformat(), self.decision.reason]
        elif self.earlier is not None:
            parts = [self.earlier.by, self.earlier.on.isoformat(), self.earlier.reason]
        else:
            return ""
        return " ".join(part for part in parts if part)

    @property
    def percent(self) -> str:
        """Confidence as a percentage."""
        return "" if self.confidence is None else f"{self.confidence * 100:.0f}%"

    def fields(self) -> list[Field]:
        """Return the fields that may be corrected, as they stand after the decision that holds."""
        catalog = house().catalog
        read = field_texts(own_fields(self.item), catalog)
        said = (
            self.decision.fields
            if self.decision is not None
            else self.earlier.fields
            if self.earlier is not None
            else {}
        )
        heads = FIELD_HEADS[self.item.subject]
        now = read | field_texts({name: value for name, value in said.items() if name in heads}, catalog)
        return [
            Field(
                name,
                title,
                now.get(name, ""),
                read.get(name, ""),
                choices_of(name, catalog),
                names=name == "indicator",
            )
            for name, title in heads.items()
        ]


VERDICT_WORDS_BY_CODE: Final = {verdict.value: word for verdict, word in VERDICT_WORDS.items()}


def choices_of(name: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the words that a field may hold; none where it is free."""
    match name:
        case "comparator":
            return tuple(COMPARATOR_WORDS.values())
        case "measure":
            return tuple(catalog.term("measure", code) for code in MEASURES)
        case "strength":
            return tuple(STRENGTH_WORDS.values())
        case "change":
            return ("提高", "降低", NOTHING)
        case _:
            return ()


def handle_of(key: str) -> str:
    """Return the short name of an item on pages and in rows: digits of the digest of its key.

    Examples
    --------
    >>> handle_of("target {}")
    'd809ce38244c70efd648f9288b83c998'
    """
    return sha256(key.encode()).hexdigest()[:32]


def read_of(reading: Reading) -> PlanFromFile:
    """Return the reading of a document, with the decisions that the workspace keeps laid over it."""
    sha, plan, place, name = reading.document, reading.plan, reading.place, reading.file_name
    day = reading.created_at.date()

    def make(setting: Setting) -> PlanFromFile:
        assert setting.workspace is not None
        path = setting.workspace.document(sha)
        return read_plan_file(setting, path, as_of=day, plan_id=plan or None, place=place, named=name)

    return house().kept(("plan-reading", sha, plan, place, name), make, facts=False)


def items_of(reading: Reading) -> tuple[tuple[str, ReviewItem], ...]:
    """Return what a person decides upon, in the order of the document, each with its handle; equal stretches once."""
    read = read_of(reading)

    def make(setting: Setting) -> tuple[tuple[str, ReviewItem], ...]:
        found = {handle_of(item.key): item for item in reversed(review_items(read.reading, read.document))}
        return tuple(sorted(found.items(), key=lambda pair: (pair[1].span, pair[1].subject.value)))

    return house().kept(("plan-items", reading.document, reading.plan, reading.place), make, facts=False)


def decision_of(row: ReviewDecision, plan: str, document: str) -> PlanDecision:
    """Return a row as the library keeps it."""
    return PlanDecision.model_validate(
        {
            "id": row.code,
            "plan": plan,
            "document": document,
            "subject": row.subject,
            "anchor": row.anchor,
            "verdict": row.verdict,
            "fields": row.fields,
            "by": row.by_name,
            "on": row.on,
            "reason": row.reason,
        }
    )


def holding(reading: Reading) -> list[ReviewDecision]:
    """Return the decisions of a reading that hold; an addition that was taken back was never there."""
    rows = list(reading.decisions.order_by("id"))
    added = {row.item for row in rows if row.verdict == "add"}
    return [row for row in rows if row.current and not (row.verdict == "reject" and row.item in added)]


def decisions_so_far(reading: Reading, *, superseded: bool = False) -> list[PlanDecision]:
    """Return the decisions of a reading that hold; with `superseded` all of them."""
    rows = list(reading.decisions.all()) if superseded else holding(reading)
    return [decision_of(row, reading.plan, reading.document) for row in rows]


def laid_over(reading: Reading) -> PlanFromFile:
    """Return the plan as it would be published now."""
    read, decisions = read_of(reading), decisions_so_far(reading)
    name = ("plan-laid", reading.document, reading.plan, tuple(each.model_dump_json() for each in decisions))
    return house().kept(
        name, lambda here: lay_over(here, read, decisions, as_of=reading.created_at.date())[0], facts=False
    )


def views_of(reading: Reading) -> list[ItemView]:
    """Return every item with what was decided about it, additions last."""
    read, catalog = read_of(reading), house().catalog
    rows = {row.item: row for row in reading.decisions.filter(current=True).select_related("by")}
    applied = {
        (each.decision.subject, each.item): each for each in read.assembled.applied if each.how in ("exact", "carried")
    }
    found = []
    for handle, item in items_of(reading):
        before = applied.get((item.subject, item.name))
        title, detail, sure, doubtful, is_open = _words(item, catalog)
        found.append(
            ItemView(
                handle,
                item,
                title,
                detail,
                sure,
                doubtful,
                rows.pop(handle, None),
                None if before is None else before.decision,
                before is not None and before.how == "carried",
                is_open,
            )
        )
    return found


def additions_of(reading: Reading) -> list[tuple[ReviewDecision, str, int]]:
    """Return what people added to a reading: the row, what it says, and where its words begin."""
    catalog = house().catalog
    found = []
    for row in reading.decisions.filter(current=True, anchor__isnull=False).exclude(verdict__in=["accept", "correct"]):
        if row.verdict != "add":
            continue
        heads = FIELD_HEADS[DecisionSubject(row.subject)]
        texts = field_texts({name: value for name, value in row.fields.items() if name in heads}, catalog)
        says = "，".join(f"{heads[name]}：{text}" for name, text in texts.items())
        found.append((row, says, int(row.fields["at"][0])))
    return found


def _words(item: ReviewItem, catalog: Catalog) -> tuple[str, str, float | None, list[str], bool]:
    read = item.item
    texts = field_texts(own_fields(item), catalog)
    if isinstance(read, Clause):
        return read.title, "、".join(read.bodies) or _("未写责任单位"), None, [], False
    if isinstance(read, ReadTarget):
        indicator = read.match.indicator if read.match else None
        value = "".join(
            [texts.get("comparator", "") if read.value is not None else "", texts.get("value", ""), read.unit or ""]
        )
        upto = f"至{texts['value_max']}{read.unit or ''}" if read.value_max is not None else ""
        named = texts.get("indicator") if indicator else open_indicator(read, catalog)
        parts = [
            f"到{read.by}年" if read.by else "",
            value + upto,
            texts.get("measure", ""),
            f"指标：{named}",
        ]
        return read.label, "，".join(part for part in parts if part), read.confidence, doubts(read), indicator is None
    assert isinstance(read, ReadDuty)
    title = read.obligation.title if read.obligation else _("项目字段不能表达，待定")
    detail = "；".join(
        part
        for part in (
            texts.get("when", ""),
            texts.get("require", ""),
            texts.get("strength", ""),
        )
        if part
    )
    return title, detail, read.confidence, doubts(read), read.obligation is None


def filtered(views: Iterable[ItemView], by: Filter) -> list[ItemView]:
    """Return the items that a filter lets through."""
    tests: dict[str, Callable[[ItemView], bool]] = {
        "undecided": lambda view: not view.decided,
        "again": lambda view: view.carried and view.decision is None,
        "open": lambda view: view.open,
        "decided": lambda view: view.decided,
    }
    test = tests.get(by.which)
    return [
        view
        for view in views
        if (test is None or test(view))
        and (not by.kind or view.item.subject.value == by.kind)
        and (by.below is None or (view.confidence is not None and view.confidence < by.below))
    ]


def passages_of(reading: Reading, views: Sequence[ItemView], chosen: str = "") -> list[Paragraph]:
    """Return the clauses in which some items stand, their stretches marked, the sentences around them shown softly."""
    read = read_of(reading)
    clauses: list[tuple[int, int]] = []
    for clause in read.reading.outline.clauses:
        parts = [part for part in (clause.mark, clause.title_at, clause.at) if part is not None]
        if parts:
            clauses.append((min(part.start for part in parts), max(part.end for part in parts)))
    starts = {view.item.start for view in views}
    windows = [span for span in clauses if any(span[0] <= start < span[1] for start in starts)]
    marks = [
        Mark(
            *view.item.span,
            name=f"w-{view.handle}",
            style=("chosen " if view.handle == chosen else "") + (view.state or "none"),
            title=f"{view.kind} {view.state_text}",
            href=f"#i-{view.handle}",
        )
        for view in views
        if view.item.span[1] > view.item.span[0]
    ]
    sentences = [
        (each.at.start, each.at.end)
        for each in read.reading.outline.sentences
        if any(each.at.start <= start < each.at.end for start in starts)
    ]
    return passages(read.document, windows, marks, sentences)


def fates_of(reading: Reading) -> list[tuple[str, str, str]]:
    """Return the numbers that nobody claims, and those that look odd: digits, place, what became of them."""
    read = read_of(reading)
    return [
        (
            read.document.quote(fate.at.start, fate.at.end),
            str(read.document.where(fate.at.start)),
            REASONS.get(fate.fate, fate.fate),
        )
        for fate in read.reading.numbers
        if fate.fate == "unclaimed"
    ]


def handle_of_decision(decision: PlanDecision) -> str:
    """Return the handle of the item that a decision is about."""
    return handle_of(decision_key(decision.subject, decision.anchor))

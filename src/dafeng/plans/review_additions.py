"""What a person adds to a reading: where its words stand in the document, and what it must state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dafeng.base.document import DocumentText, fold_characters
from dafeng.base.obligation import Obligation
from dafeng.base.quantity import fold_width
from dafeng.base.target import Locator, Measure
from dafeng.catalog.decision_schemas import DecisionSubject, ReadingAnchor
from dafeng.plans.read_records import LabelKind, Outline, ReadDuty, ReadTarget
from dafeng.plans.review_words import FIELD_HEADS, FieldError, ReviewItem

__all__ = ["anchor_of_addition", "complete_addition", "find_stretch"]

_NEEDED: Final = {
    DecisionSubject.TARGET: ("label", "measure"),
    DecisionSubject.OBLIGATION: ("title", "when", "require"),
}
_STOPS: Final = ",，。；;：:、"
_FARTHEST: Final = 80


def find_stretch(
    texts: Mapping[str, str],
    fields: Mapping[str, Any],
    subject: DecisionSubject,
    *,
    document: DocumentText,
    outline: Outline,
    items: Sequence[ReviewItem],
    number: str = "",
) -> Locator:
    """Return where the words of an addition stand.

    Parameters
    ----------
    texts : mapping
        ``quote``, narrowed by ``clause``, ``page`` and ``paragraph`` where it stands several times; without a quote the
        sentence of that page or paragraph that holds the value, or the name of a milestone.
    fields : mapping
        Fields of the addition.
    subject : DecisionSubject
    document : DocumentText
    outline : Outline
    items : sequence of ReviewItem
        What was read already.
    number : str, optional
        Offsets of an unclaimed number, ``120-123``: without a quote the addition is the part of the sentence around it.

    Raises
    ------
    FieldError
        There are no such words, or several, or something of the kind was read there already.
    """
    if number and "quote" not in texts:
        start, end = map(int, number.split("-"))
        return _around(document.folded, start, end)
    quote = fold_characters("".join(texts.get("quote", "").split())).strip("…")
    page, paragraph = _whole(texts.get("page")), _whole(texts.get("paragraph"))
    clause = "".join(texts.get("clause", "").split())
    if quote:
        starts = [found.start() for found in re.finditer(f"(?={re.escape(quote)})", document.folded)]
        places = [Locator(start=start, end=start + len(quote)) for start in starts]
    elif page or paragraph:
        places = _sentences(fields, document, outline)
    else:
        raise FieldError("no-quote", "补录没有原文，也没有页或段", "方案中的一段原文", field="quote")
    found = [
        at
        for at in places
        if _stands(at, document, page, paragraph) and (not clause or outline.clause_at(at.start).number == clause)
    ]
    if len(found) != 1:
        name, what = ("not-found", "在方案中找不到") if not found else ("ambiguous", f"在方案中有{len(found)}处")
        expected = "与方案一字不差的一段原文；多处相同时再填条款、页或段"
        raise FieldError(f"quote-{name}", f"补录的原文{what}", expected, field="quote")
    taken = next(
        (each for each in items if each.subject is subject and each.span == (found[0].start, found[0].end)), None
    )
    if taken is not None:
        sentence = f"这段原文已读出“{taken.anchor.label}”"
        raise FieldError("already-read", sentence, "在该行修改，或摘取不同的原文", field="quote")
    return found[0]


def _around(text: str, start: int, end: int) -> Locator:
    """Return the part of the sentence between marks around a number."""
    first, last = start, end
    while first > 0 and text[first - 1] not in _STOPS and start - first < _FARTHEST:
        first -= 1
    while last < len(text) and text[last] not in _STOPS and last - end < _FARTHEST:
        last += 1
    return Locator(start=first, end=last)


def _sentences(fields: Mapping[str, Any], document: DocumentText, outline: Outline) -> list[Locator]:
    value = fields.get("value")
    number = re.compile(rf"(?<![\d.]){re.escape(f'{value:.15g}')}(?!\.?\d)") if value is not None else None
    label = fold_characters("".join(str(fields.get("label") or fields.get("title") or "").split()))
    words = [(each.at, document.folded[each.at.start : each.at.end]) for each in outline.sentences]
    return [at for at, text in words if (number.search(text) if number else label and label in text)]


def _stands(at: Locator, document: DocumentText, page: int | None, paragraph: int | None) -> bool:
    first, last = document.where(at.start), document.where(at.end - 1)
    return (page is None or (first.page or page) <= page <= (last.page or page)) and (
        paragraph is None or first.paragraph <= paragraph <= last.paragraph
    )


def _whole(text: str | None) -> int | None:
    found = re.search(r"\d+", fold_width(text or ""))
    return int(found[0]) if found else None


def complete_addition(fields: Mapping[str, Any], subject: DecisionSubject) -> dict[str, Any]:
    """Return the fields of an addition without empty ones.

    Raises
    ------
    FieldError
        Something that an addition must state is missing.

    Examples
    --------
    >>> complete_addition({"label": "碳达峰", "measure": "milestone", "by": 2030, "unit": None}, DecisionSubject.TARGET)
    {'label': '碳达峰', 'measure': 'milestone', 'by': 2030, 'comparator': '='}
    """
    filled = {name: value for name, value in fields.items() if value is not None}
    milestone = filled.get("measure") == Measure.MILESTONE.value
    needed = _NEEDED[subject]
    if subject is DecisionSubject.TARGET and not milestone:
        needed = (*needed, "comparator", "value")
    missing = [name for name in needed if name not in filled]
    if missing:
        heads = "、".join(FIELD_HEADS[subject][name] for name in missing)
        raise FieldError("missing-fields", f"补录缺少{heads}", heads, field=f"new_{missing[0]}")
    if milestone:
        filled.setdefault("comparator", "=")
    return filled


def anchor_of_addition(
    subject: DecisionSubject, at: Locator, fields: Mapping[str, Any], document: DocumentText, outline: Outline
) -> ReadingAnchor:
    """Return the anchor of an addition whose fields are complete."""
    clause = outline.clause_at(at.start).number
    item: ReadTarget | ReadDuty
    if subject is DecisionSubject.TARGET:
        own = {name: fields.get(name) for name in ("label", "comparator", "value", "unit", "by", "measure")}
        item = ReadTarget.model_validate({"id": "x", "clause": clause, "at": at, "kind": LabelKind.LEVEL} | own)
    else:
        duty = Obligation.model_validate({"id": "x", "clause": clause, "at": at, **fields})
        item = ReadDuty(id="x", clause=clause, at=at, requirement=at, strength=duty.strength, obligation=duty)
    return ReviewItem.of(item, document, outline).anchor

"""The build of a plan document: its head, the tree of headings, clauses with their bodies, sentences, and what was odd."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from dafeng.base.document import DocumentText, fold_characters
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.target import Locator
from dafeng.plans.annex_tables import annex_rows, bare_title
from dafeng.plans.brackets import FoundList, find_lists
from dafeng.plans.clause_titles import kind_of, runs_on_by_rank, title_end
from dafeng.plans.headings import (
    ARTICLE_RANK,
    ITEM_RANK,
    NUMBER_RANK,
    Heading,
    choose_headings,
    find_marks,
    working_text,
)
from dafeng.plans.plan_head import HeadLayout, read_head, read_layout
from dafeng.plans.read_records import BodyList, Clause, ClauseKind, Outline
from dafeng.plans.sentences import find_sentences

__all__ = ["read_outline", "with_standing_bodies"]

_BOX: Final = re.compile(r"专栏(?:\d{1,2}|[一二三四五六七八九十]{1,2})?[:.、]?")
_MARKS: Final = frozenset("。,;:、!?)]\"'")
_BRACKET: Final = re.compile(r"\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\]")
_LONG_BLOCK: Final = 20_000


@dataclass(slots=True)
class _Draft:
    """A clause in the making."""

    path: str
    level: int
    kind: ClauseKind
    start: int
    end: int
    heading: Heading | None = None
    mark: tuple[int, int] | None = None
    title_at: tuple[int, int] | None = None
    parent: int | None = None
    task: bool = False
    boxed: bool = False
    found: list[FoundList] = field(default_factory=list)
    lists: list[BodyList] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Point:
    """Where a clause begins: a numbered heading, an annex or a box."""

    start: int
    mark_end: int
    heading: Heading | None = None
    annex: bool = False


def _block_starts(document: DocumentText, text: str, pattern: re.Pattern[str], begin: int) -> Iterator[_Point]:
    """Blocks that open with a mark of their own kind and are short enough to be its title."""
    starts = document.starts
    for index in range(bisect_left(starts, begin), len(starts)):
        following = starts[index + 1] if index + 1 < len(starts) else len(text)
        if 0 < following - starts[index] <= 60 and (found := pattern.match(text, starts[index], following)):
            yield _Point(starts[index], found.end())


def _points(document: DocumentText, text: str, layout: HeadLayout, headings: Sequence[Heading]) -> list[_Point]:
    points = [_Point(heading.mark.start, heading.mark.end, heading) for heading in headings]
    points += [_Point(start, end, annex=True) for start, end in layout.annexes]
    points += _block_starts(document, text, _BOX, max(1, layout.text_start))
    return sorted(points, key=lambda point: point.start)


def _tasks_above(drafts: Sequence[_Draft], parent: int | None) -> int:
    """Count the headings above that are tasks: a chapter is no task that stands before its own sections."""
    count = 0
    while parent is not None:
        count += drafts[parent].kind is ClauseKind.TASK
        parent = drafts[parent].parent
    return count


def _drafts(
    document: DocumentText, text: str, layout: HeadLayout, points: Sequence[_Point], known: Collection[str]
) -> list[_Draft]:
    plain = document.plain
    drafts = [_Draft("", 0, ClauseKind.HEAD, 0, points[0].start if points else len(text))]
    above: list[int] = []
    box: int | None = None
    in_annex = 0
    tasks_seen = 0
    numbered = [(point.heading.mark.rank, point.mark_end) for point in points if point.heading]
    fused = runs_on_by_rank(document, text, numbered)
    for position, point in enumerate(points):
        limit = points[position + 1].start if position + 1 < len(points) else len(text)
        draft = _Draft("", 1, ClauseKind.TASK, point.mark_end, limit, point.heading, (point.start, point.mark_end))
        written = plain[point.start : point.mark_end].rstrip("：:.、．")
        if point.annex:
            above, in_annex = [], 1
            draft.path, draft.kind = written, ClauseKind.ANNEX
        else:
            deepest = drafts[above[-1]].level if above else 0
            draft.level = point.heading.level + in_annex if point.heading else deepest + 1
            if point.heading and box is not None:
                step = draft.level - drafts[drafts[box].parent or 0].level
                box = box if step > 0 and not _has_headings(drafts, drafts[box].parent) else None
                draft.level = drafts[box].level + step if box is not None else draft.level
            above = [index for index in above if drafts[index].level < draft.level]
            draft.parent = above[-1] if above else None
            note = point.start < layout.plan_start
            prefix = drafts[above[-1]].path if above else "通知" if note else ""
            draft.path = prefix + (point.heading.mark.label if point.heading else written)
            draft.kind = ClauseKind.HEAD if note else ClauseKind.TASK
        runs_on = point.heading is not None and point.heading.mark.rank in fused
        found = title_end(document, text, point.mark_end, limit, known=known, runs_on=runs_on)
        if (
            found
            and point.heading
            and point.heading.mark.rank == ARTICLE_RANK
            and found[1] < limit
            and found[1] not in document.starts
        ):
            found = None
        if found and found[0] > point.mark_end:
            draft.title_at, draft.start = (point.mark_end, found[0]), found[1]
        if draft.kind is ClauseKind.TASK:
            words = text[slice(*draft.title_at)] if draft.title_at else ""
            parent_kind = drafts[draft.parent].kind if draft.parent is not None else None
            draft.kind = kind_of(words, parent_kind, after_tasks=tasks_seen > _tasks_above(drafts, draft.parent))
            tasks_seen += draft.kind is ClauseKind.TASK
        drafts.append(draft)
        above.append(len(drafts) - 1)
        if point.annex or point.heading is None:
            box = None if point.annex else len(drafts) - 1
        draft.boxed = box is not None
    return drafts


def _has_headings(drafts: Sequence[_Draft], index: int | None) -> bool:
    """Whether a clause has numbered headings of its own below it."""
    return any(draft.parent == index and draft.heading is not None for draft in drafts)


def _has_text(draft: _Draft, text: str, besides: re.Pattern[str] | None = None) -> bool:
    words = text[draft.start : draft.end]
    return any(letter not in _MARKS for letter in (besides.sub("", words) if besides else words))


def _mark_tasks(drafts: Sequence[_Draft], text: str) -> None:
    """Mark the lowest headings that have a title; list items of a task, mere sentences, are none."""
    children: dict[int, list[_Draft]] = {}
    for draft in drafts:
        if draft.parent is not None and draft.heading is not None:
            children.setdefault(draft.parent, []).append(draft)
    items: set[int] = set()
    for above, group in children.items():
        least = ITEM_RANK if drafts[above].level == 1 else NUMBER_RANK
        low = [draft for draft in group if draft.heading and draft.heading.mark.rank >= least]
        named = all(draft.title_at and _has_text(draft, text) for draft in low)
        full = sum(draft.title_at is not None and _has_text(draft, text, besides=_BRACKET) for draft in low)
        if not named and 2 * full < len(low):
            items.update(map(id, low))
    for index, draft in enumerate(drafts):
        candidate = draft.kind is ClauseKind.TASK and bool(draft.title_at and draft.heading) and not draft.boxed
        below = any(child.title_at and id(child) not in items for child in children.get(index, ()))
        draft.task = candidate and not below and id(draft) not in items
    for draft in drafts:
        if draft.task and draft.parent is not None and drafts[draft.parent].task:
            draft.task = False


def _families(drafts: Sequence[_Draft]) -> list[list[int]]:
    """Group clauses that share their lists of bodies: a task with all that hangs below it; every other clause alone."""
    home: dict[int, int] = {}
    families: dict[int, list[int]] = {}
    for index, draft in enumerate(drafts):
        above = draft.parent
        home[index] = index if draft.task or above is None or not drafts[home[above]].task else home[above]
        families.setdefault(home[index], []).append(index)
    return list(families.values())


def _body_list(found: FoundList, covers: tuple[int, int]) -> BodyList:
    return BodyList(
        at=Locator(start=found.start, end=found.end),
        covers=Locator(start=covers[0], end=covers[1]),
        bodies=found.named.bodies,
        leads=found.named.leads,
        origins=found.named.origins,
        standing=found.named.standing,
    )


def _assign_lists(drafts: Sequence[_Draft], text: str) -> None:
    """Give every list the stretch that it closes, and every clause the lists that answer for it."""
    for family in _families(drafts):
        head = drafts[family[0]]
        found = [each for index in family for each in drafts[index].found]
        end = max(drafts[index].end for index in family)
        lists: list[BodyList] = []
        place = head.start
        for position, each in enumerate(found):
            covers = (place, each.start)
            if all(letter in _MARKS for letter in text[place : each.start]):
                following = found[position + 1].start if position + 1 < len(found) else end
                if lists:
                    covers = (lists[-1].covers.start, lists[-1].covers.end)
                elif any(letter not in _MARKS for letter in text[each.end : following]):
                    covers = (each.end, following)
                else:
                    covers = head.title_at or (each.start, each.end)
            lists.append(_body_list(each, covers))
            place = each.end
        for index in family:
            draft = drafts[index]
            first = draft.mark[0] if draft.mark else 0
            touching = (each for each in lists if each.covers.start < draft.end and each.covers.end > first)
            draft.lists = lists if index == family[0] else list(touching)


def _share_closing(drafts: Sequence[_Draft], begins: Collection[int]) -> None:
    """Give a list in a paragraph of its own, behind the last of several tasks without lists, to all of them."""
    groups: dict[int, list[_Draft]] = {}
    for draft in drafts:
        if draft.task and draft.parent is not None and drafts[draft.parent].level > 1:
            groups.setdefault(draft.parent, []).append(draft)
    for group in groups.values():
        *others, last = group
        closing = last.lists[0] if len(last.lists) == 1 else None
        if closing is None or closing.at.start not in begins or any(draft.lists for draft in others):
            continue
        for draft in others:
            first = draft.title_at[0] if draft.title_at else draft.start
            draft.lists = [closing.model_copy(update={"covers": Locator(start=first, end=max(draft.end, first + 1))})]


def _inherit(drafts: Sequence[_Draft], text: str) -> None:
    """Hand a list in the heading of a chapter that has no text of its own down to its tasks without a list."""
    for draft in drafts:
        if not draft.task or draft.lists or draft.parent is None:
            continue
        above = drafts[draft.parent]
        bare = text[above.start : above.end]
        for each in above.lists:
            bare = bare.replace(text[each.at.start : each.at.end], "")
        if above.lists and all(letter in _MARKS for letter in bare):
            stop = max(draft.end, draft.start + 1)
            first = draft.title_at[0] if draft.title_at else draft.start
            draft.lists = [each.model_copy(update={"covers": Locator(start=first, end=stop)}) for each in above.lists]


def _attach_annex(document: DocumentText, drafts: Sequence[_Draft], text: str, known: Collection[str]) -> list[Finding]:
    """Give tasks without a list the bodies of the annex table; rows that no task answers to become findings."""
    rows = annex_rows(document, known=known)
    if not rows:
        return []
    tasks: dict[str, _Draft] = {}
    for draft in drafts:
        if draft.task and draft.title_at:
            tasks.setdefault(bare_title(text[slice(*draft.title_at)]), draft)
    findings: list[Finding] = []
    empty = {id(draft) for draft in drafts if not draft.lists}
    for row in rows:
        task = next((tasks[title] for title in reversed(row.titles) if title in tasks), None)
        if task is None:
            findings.append(
                Finding(
                    name="plans.annex.unattached",
                    sentence="责任分工表的一行与正文任务标题都不相同，未归入任何任务",
                    severity=Severity.WARNING,
                    value="/".join(row.titles),
                    expected="与正文某项任务相同的标题",
                    next_step="在审核表中指定该行对应的任务",
                    where=_location(document, row.start),
                    evidence={"offset": row.start, "bodies": "、".join(row.named.bodies)},
                )
            )
        elif id(task) in empty:
            covers = (task.start, task.end) if task.end > task.start else task.title_at
            if covers:
                task.lists = [*task.lists, _body_list(FoundList(row.start, row.end, row.named), covers)]
    return findings


def _location(document: DocumentText, offset: int) -> Location:
    block = document.blocks[document.block_at(offset)]
    place = str(document.where(offset)) if len(block.text) <= _LONG_BLOCK else f"第{block.number}段"
    return Location(file=document.file, field=place)


def _findings(document: DocumentText, headings: Sequence[Heading], drafts: Sequence[_Draft]) -> list[Finding]:
    findings: list[Finding] = []
    if not headings:
        findings.append(
            Finding(
                name="plans.heading.none",
                sentence="全文没有找到连续编号的标题，无法分出任务",
                severity=Severity.WARNING,
                expected="一、（一）1. 等编号的标题",
                next_step="确认文件是方案正文，并且不是扫描件",
                where=Location(file=document.file),
            )
        )
    for heading in headings:
        mark = heading.mark
        if mark.number == heading.expected:
            continue
        skipped = mark.number > heading.expected
        findings.append(
            Finding(
                name="plans.heading.skipped" if skipped else "plans.heading.out-of-order",
                sentence=f"标题序号{'有跳号' if skipped else '重复或倒退'}：写作“{mark.label}”，按顺序应为第{heading.expected}项；已按原文保留",
                severity=Severity.WARNING,
                value=mark.label,
                expected=str(heading.expected),
                next_step="核对原文的标题序号",
                where=_location(document, mark.start),
                evidence={"offset": mark.start},
            )
        )
    for draft in drafts:
        findings += [
            Finding(
                name="plans.bracket.unclosed",
                sentence="责任单位的括号没有闭合，按到句末为止读取",
                severity=Severity.WARNING,
                value=document.quote(each.start, each.end)[:60],
                expected="成对的括号",
                next_step="核对原文中责任单位的起止",
                where=_location(document, each.start),
                evidence={"offset": each.start, "clause": draft.path},
            )
            for each in draft.found
            if not each.closed
        ]
    return findings


def _clause(document: DocumentText, draft: _Draft) -> Clause:
    return Clause(
        number=draft.path,
        title=document.quote(*draft.title_at) if draft.title_at else "",
        level=draft.level,
        kind=draft.kind,
        mark=Locator(start=draft.mark[0], end=draft.mark[1]) if draft.mark else None,
        title_at=Locator(start=draft.title_at[0], end=draft.title_at[1]) if draft.title_at else None,
        at=Locator(start=draft.start, end=draft.end) if draft.end > draft.start else None,
        task=draft.task,
        lists=tuple(draft.lists),
    )


def read_outline(
    document: DocumentText,
    *,
    body_names: Collection[str] = (),
    place_of: Callable[[str], str | None] | None = None,
) -> Outline:
    """Return the build of a plan document.

    Parameters
    ----------
    document : DocumentText
    body_names : collection of str
        Names and aliases of bodies that the catalog holds; they decide doubtful cuts only.
    place_of : callable, optional
        Place id of a region as written, None where unknown.

    Returns
    -------
    Outline
        Odd numbering, brackets that never close and rows of an annex without a task are findings; no text is lost.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> lines = ("东川市绿色建筑工作方案", "一、重点任务", "（一）推广光伏。到2025年覆盖率达到50%。（市住建局、各区（市）负责）")
    >>> outline = read_outline(DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines))))
    >>> [(clause.number, clause.title, clause.task, clause.bodies) for clause in outline.clauses[1:]]
    [('一', '重点任务', False, ()), ('一（一）', '推广光伏', True, ('市住建局', '各区（市）'))]
    """
    text = working_text(document)
    known = frozenset(fold_characters(name) for name in body_names if len(name) > 1)
    marks = find_marks(document, text)
    first = next((mark.start for mark in marks if mark.evidence > 0 and mark.number == 1), None)
    layout = read_layout(document, text, first)
    begins = [layout.plan_start] if layout.plan_start else []
    headings = choose_headings(marks, [*begins, *(start for start, _end in layout.annexes)])
    drafts = _drafts(document, text, layout, _points(document, text, layout, headings), known)
    _mark_tasks(drafts, text)
    starts = document.starts
    for draft in drafts:
        if draft.kind not in (ClauseKind.HEAD, ClauseKind.ANNEX) and draft.end > draft.start:
            breaks = starts[bisect_left(starts, draft.start) : bisect_left(starts, draft.end)]
            draft.found = find_lists(text, document.plain, draft.start, draft.end, known=known, breaks=breaks)
    _assign_lists(drafts, text)
    _share_closing(drafts, frozenset(starts))
    _inherit(drafts, text)
    odd_rows = _attach_annex(document, drafts, text, known)
    return Outline(
        head=read_head(document, text, layout, place_of),
        clauses=tuple(_clause(document, draft) for draft in drafts),
        sentences=find_sentences(document, text, [(draft.start, draft.end, draft.lists) for draft in drafts]),
        findings=(*_findings(document, headings, drafts), *odd_rows),
    )


def with_standing_bodies(outline: Outline) -> tuple[tuple[str, ...], ...]:
    """Return the bodies of each clause, with those that an earlier clause named for all that follows (下同，不再列出).

    Returns
    -------
    tuple of tuple of str
        One for each clause, in order. A clause without any list of its own gets the standing bodies if it is a task.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> lines = ("一、任务", "（一）推广光伏。做好。（市住建局负责，各县落实，下同，不再列出）", "（二）推广热泵。做好。（市水务局负责）")
    >>> with_standing_bodies(read_outline(DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))))
    ((), (), ('市住建局', '各县'), ('市水务局', '各县'))
    """
    standing: tuple[str, ...] = ()
    out: list[tuple[str, ...]] = []
    for clause in outline.clauses:
        bodies = clause.bodies
        out.append(tuple(dict.fromkeys((*bodies, *standing))) if bodies or clause.task else ())
        standing = tuple(dict.fromkeys((*standing, *(name for part in clause.lists for name in part.standing))))
    return tuple(out)

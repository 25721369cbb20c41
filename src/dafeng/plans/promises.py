"""Numeric promises of a plan, and what became of every number.

The reader goes sentence by sentence: years set the deadline for what follows, commas cut segments, each number gets the
piece that belongs to it, and its words say what it is, how it is compared and whether it is a promise at all.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dafeng.base.document import BlockKind, DocumentText
from dafeng.base.errors import UnitError
from dafeng.base.quantity import read_unit
from dafeng.base.target import BaseState, Comparator, Locator, Measure
from dafeng.plans.clauses import ClauseFinder, bodies_at
from dafeng.plans.comparators import suffix_length
from dafeng.plans.deadlines import TimeMention, TimeRole, find_times
from dafeng.plans.fates import Surroundings, described_object, named_reason
from dafeng.plans.indicator_tables import TableValue, read_tables
from dafeng.plans.pieces import Piece, Segment, pieces_of, segments_of
from dafeng.plans.promise_rules import no_promise
from dafeng.plans.read_records import Clause, ClauseKind, LabelKind, NumberFate, Outline, ReadNumber, ReadTarget
from dafeng.plans.units_written import COUNTED
from dafeng.plans.wording import (
    Wording,
    carried_label,
    clean_label,
    read_wording,
    shared_subjects,
    sort_of,
    worked_on,
)
from dafeng.plans.years_in_force import Clock

__all__ = ["document_times", "read_promises"]

_ACHIEVED: Final = re.compile(
    r"(?:现有|现存|共有|已有)(?:[^,;率例比上不达水基的内]{0,12}|[^,;]{0,12}(?:为|约))$|(?:已|目前|现已|现有|现状|业已|先后|去年|上年)(?:经|累计|全部|共|全面|顺利|基本|率先|提前)*(?:建成|完成|达到?|有|实现|改造|推广|创建|培育|投入|形成|获|入选|列入|新增|整治|治理|实施|更新|安装|解决|打通|修缮|出台|发布|印发|突破|超过)(?!的|并)[^,;]*$"
)
_FORECAST: Final = re.compile(r"预计[^;]*(?:还将|仍将|将(?:会|持续|继续|达到?|增长|增加|超过|突破|新增|上升))")
_AHEAD: Final = re.compile(r"力争|争取|确保|计划|将|拟|目标|预计|应|要|须|再")
_PER_AREA: Final = re.compile(r"每((?:万|百万|亿)?(?:平方米|平方公里|人|公里|公顷|户|吨|立方米))$")
_BACKGROUND: Final = (ClauseKind.HEAD, ClauseKind.BACKGROUND)


@dataclass(slots=True)
class _Sentence:
    """What reading a sentence needs to remember."""

    clause: Clause
    start: int
    labels: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    history: list[tuple[str, str | None]] = field(default_factory=list)
    words_before: str = ""
    yearly: bool = False
    amount: ReadNumber | None = None
    measure: Measure | None = None
    achieved: bool = False
    """An amount before it in the sentence tells what was reached, and no year or 力争 has come since."""


def document_times(document: DocumentText, outline: Outline) -> tuple[TimeMention, ...]:
    """Return the years and plan periods of a document, read against the year of its issue."""
    issued = outline.head.issued_on.year if outline.head.issued_on else None
    return tuple(find_times(document.folded, issued=issued))


def _within(spans: Sequence[tuple[int, int]], starts: Sequence[int], offset: int) -> bool:
    index = bisect_right(starts, offset) - 1
    return index >= 0 and spans[index][0] <= offset < spans[index][1]


class _Reader:
    """One pass over one document."""

    def __init__(self, document: DocumentText, outline: Outline, numbers: Sequence[ReadNumber]) -> None:
        self.document = document
        self.text = document.folded
        self.outline = outline
        self.numbers = numbers
        self.times = document_times(document, outline)
        self.time_starts = [time.start for time in self.times]
        self.fates: dict[int, NumberFate] = {}
        self.targets: list[ReadTarget] = []
        self.ids: dict[str, int] = {}
        self.last: tuple[Clause, list[str]] | None = None
        headings = sorted(
            (part.start, part.end) for clause in outline.clauses for part in (clause.mark, clause.title_at) if part
        )
        titles = [
            found.span() for found in re.finditer(r"《[^《》]{0,160}(?:《[^《》]{0,120}》[^《》]{0,120})?》", self.text)
        ]
        self.headings, self.heading_starts = headings, [start for start, _ in headings]
        self.titles, self.title_starts = titles, [start for start, _ in titles]

    def time_of(self, number: ReadNumber) -> TimeMention | None:
        """Return the year mention of which a number is part."""
        index = bisect_right(self.time_starts, number.digits.start) - 1
        time = self.times[index] if index >= 0 else None
        return time if time is not None and time.start <= number.digits.start < time.end else None

    def settle(self, number: ReadNumber, fate: str, of: str | None = None) -> None:
        """Write down what became of a number."""
        self.fates[number.digits.start] = NumberFate(at=number.digits, fate=fate, of=of)

    def surroundings(self, number: ReadNumber, clause: Clause) -> Surroundings:
        """Where a number stands."""
        offset = number.digits.start
        return Surroundings(
            text=self.text,
            number=number,
            kind=clause.kind,
            in_heading=_within(self.headings, self.heading_starts, offset),
            in_title=_within(self.titles, self.title_starts, offset),
            time=self.time_of(number),
        )

    def read(self) -> None:
        """Settle every number."""
        starts = [number.digits.start for number in self.numbers]
        goal: TimeMention | None = None
        clauses = ClauseFinder(self.outline)
        tables = self.tables(clauses)
        table_starts = [start for start, _ in tables]
        for sentence in self.outline.sentences:
            if _within(tables, table_starts, sentence.at.start):
                continue
            clause = self.outline.clauses[sentence.clause]
            first, last = bisect_left(starts, sentence.at.start), bisect_left(starts, sentence.at.end)
            if clause.kind is not ClauseKind.GOALS:
                goal = None
            goal = self.sentence(sentence.at, clause, self.numbers[first:last], goal)
        for number in self.numbers:
            if number.digits.start not in self.fates:
                clause = clauses.at(number.digits.start)
                self.settle(number, named_reason(self.surroundings(number, clause)) or self.loose(number, clause))

    def tables(self, clauses: ClauseFinder) -> list[tuple[int, int]]:
        """Read the tables of indicators; return where they stand."""
        issued = self.outline.head.issued_on.year if self.outline.head.issued_on else None
        read = read_tables(self.document, self.numbers, issued=issued)
        for number in self.numbers:
            if number.digits.start in read.fates:
                self.settle(number, read.fates[number.digits.start])
        for value in read.values:
            self.tabled(value, clauses.at(value.at.start))
        return sorted(read.spans)

    def tabled(self, value: TableValue, clause: Clause) -> None:
        """Settle a value of a table of indicators."""
        number, wording = value.number, value.wording
        key = (number.value, number.value_max, number.unit, value.by)
        if clause.kind is ClauseKind.ANNEX and (told := self.promised(key)) is not None:
            self.settle(number, "repeated_target", told.id)
            return
        kind, measure = sort_of(number, wording, wording.label, dated=value.by is not None)
        target = ReadTarget(
            id=self.identity(wording.label, number, value.by),
            clause=clause.number,
            at=value.at,
            label=wording.label,
            comparator=Comparator.EQUAL if number.value_max is not None else wording.compared.comparator,
            value=number.value,
            value_max=number.value_max,
            unit=number.unit,
            by=value.by,
            kind=kind,
            measure=measure,
            base_year=value.base if kind is LabelKind.CHANGE else None,
            base_state=BaseState.EXISTING if kind is LabelKind.CHANGE and value.base is None else None,
            change=wording.change if kind is LabelKind.CHANGE else None,
            scope=wording.scope,
            bodies=value.bodies or bodies_at(clause, number.at.start),
            confidence=0.9,
            reasons=("取自指标表",),
        )
        self.targets.append(target)
        self.settle(number, "target", target.id)

    def loose(self, number: ReadNumber, clause: Clause) -> str:
        """Fate of a number that stands in no sentence."""
        if clause.kind is ClauseKind.HEAD and number.unit in ("年", "月", "日"):
            return "date"
        if any(part.at.start <= number.digits.start < part.at.end for part in clause.lists):
            return "existing_count"
        block = self.document.blocks[self.document.block_at(number.digits.start)]
        if block.kind is BlockKind.CELL and number.unit is None and block.text.strip(" .、()（）").isdigit():
            return "heading"
        return "description_of_object" if clause.kind in _BACKGROUND else "unclaimed"

    def sentence(
        self, at: Locator, clause: Clause, numbers: Sequence[ReadNumber], goal: TimeMention | None
    ) -> TimeMention | None:
        """Read one sentence; return the year that governs on in a chapter of goals."""
        amounts = []
        for number in numbers:
            reason = named_reason(self.surroundings(number, clause))
            if reason is None:
                amounts.append(number)
            else:
                self.settle(number, reason)
        low, high = bisect_left(self.time_starts, at.start), bisect_left(self.time_starts, at.end)
        if low and self.times[low - 1].end > at.start:
            low -= 1  # an opening quotation mark that was taken for the closing one of the sentence before
        times = self.times[low:high]
        clock = Clock(by=goal, from_before=goal is not None)
        if amounts:
            memory = _Sentence(clause, at.start)
            if self.text.startswith("其中", at.start) and self.last is not None and self.last[0] is clause:
                memory.labels = list(self.last[1])
            for index, segment in enumerate(segments_of(self.text, at.start, at.end, amounts)):
                self.segment(segment, index, times, clock, memory)
            self.last = (clause, memory.labels or [label for label, _ in memory.history[-1:]])
        else:
            for time in times:
                clock.see(time, 0)
        return clock.by if clause.kind is ClauseKind.GOALS else None

    def segment(
        self, segment: Segment, index: int, times: tuple[TimeMention, ...], clock: Clock, memory: _Sentence
    ) -> None:
        """Read the numbers of one segment."""
        own = [time for time in times if segment.start < time.end <= segment.end + 1 and time.start < segment.end]
        seen = 0
        labels: list[str] = []
        fresh: list[tuple[str, str | None]] = []
        if segment.start > 0 and self.text[segment.start - 1] == ";":
            clock.start = None
        pieces = list(pieces_of(self.text, segment))
        for piece in pieces:
            while seen < len(own) and own[seen].start < piece.number.at.start:
                clock.see(own[seen], index)
                seen += 1
            if piece.number is piece.group[0]:
                memory.current = list(labels)
            label = self.amount(piece, index, times, clock, memory)
            if label:
                labels.append(label)
                fresh.append((label, piece.number.unit))
        for time in own[seen:]:
            clock.see(time, index)
            if time.role is TimeRole.BASE and time.start == segment.start and time.end == segment.end:
                clock.standing = time
        if labels:
            memory.labels = labels
            memory.history.extend(fresh)
            memory.words_before = ""
            if self.targets[-1].kind is not LabelKind.CHANGE:
                clock.base = None
        else:
            words = "" if segment.numbers else clean_label(self.words(segment.start, segment.end, times))
            memory.words_before = words or memory.words_before
            memory.labels = [] if words else memory.labels
        memory.yearly = False
        memory.current = []

    def words(self, start: int, end: int, times: tuple[TimeMention, ...]) -> str:
        """Return the words of a stretch without its years."""
        here, parts = start, []
        for time in times:
            if start <= time.start < end:
                parts.append(self.text[here : time.start])
                here = max(here, time.end)
        parts.append(self.text[here:end])
        return "".join(parts)

    def amount(
        self, piece: Piece, index: int, times: tuple[TimeMention, ...], clock: Clock, memory: _Sentence
    ) -> str | None:
        """Settle one amount; return its label where it is a promise."""
        number = piece.number
        if piece.role == "baseline_value":
            self.settle(number, "baseline_value")
            return None
        if piece.role == "describes" or described_object(self.text, number, piece.start, piece.end):
            self.settle(number, "existing_count" if self.exists(number, piece) else "description_of_object")
            return None
        place = piece.group.index(number)
        paired = len(piece.group) > 1
        unit = number.unit
        if paired and (unit is None or unit in ("万", "亿")):
            unit = next(
                (
                    other.unit
                    for other in piece.group[place:]
                    if other.unit and other.unit.startswith(unit or "") and other.unit != unit
                ),
                unit,
            )
        number = number.model_copy(update={"unit": unit}) if unit != number.unit else number
        wording = read_wording(self.text, number, piece.start, piece.end, times, group=piece.group if paired else ())
        wording = self.compared_with_group(piece, wording, times)
        before = self.text[piece.segment.start : number.at.start]
        memory.achieved = bool(_ACHIEVED.search(before)) or (memory.achieved and clock.by is None)
        if _AHEAD.search(before):
            memory.achieved = False
        if _FORECAST.search(before):
            self.settle(number, "forecast")
            return None
        if clock.past or memory.achieved or self.background(memory.clause, clock):
            self.settle(number, "past_achievement")
            return None
        label, scope, doubts, factor = self.label(piece, place, wording, clock, memory, index)
        dated = clock.by is not None or clock.start is not None
        reason = no_promise(self.text, number, piece, wording, label, dated=dated, amount_before=memory.amount)
        if reason:
            self.settle(number, reason)
            return None
        wording = wording._replace(scope=scope)
        if (per := _PER_AREA.search(label)) and number.unit and "/" not in number.unit:
            number = number.model_copy(update={"unit": f"{number.unit}/{per[1]}"})
            label = label[: per.start()]
        if memory.clause.kind is ClauseKind.ANNEX and (told := self.told(number, piece, place, clock)) is not None:
            self.settle(number, "repeated_target", told.id)
            return label
        target = self.target(piece, number, place, wording, label, clock, memory, index, (factor, doubts), times)
        self.targets.append(target)
        memory.amount = number
        self.settle(number, "target", target.id)
        memory.yearly = wording.yearly or memory.yearly
        return label.removeprefix(scope) if scope and label != scope and label != wording.label else label

    def background(self, clause: Clause, clock: Clock) -> bool:
        """Whether a clause tells how things stand; before the first heading a year led by 到 or 力争 promises all the same."""
        led = clock.by is not None and self.text[clock.by.start] in "到至力争确"
        return clause.kind is ClauseKind.BACKGROUND or (clause.kind is ClauseKind.HEAD and not led)

    def compared_with_group(self, piece: Piece, wording: Wording, times: tuple[TimeMention, ...]) -> Wording:
        """Give each of several paired numbers the comparator that its own words, those of the first and 以上 behind the last make."""
        if len(piece.group) < 2:
            return wording
        last = piece.group[-1]
        own = read_wording(
            self.text,
            piece.number,
            piece.group[0].at.start,
            piece.number.at.end + suffix_length(self.text[piece.number.at.end : piece.number.at.end + 8]),
            times,
        )
        if own.compared.suffix or own.compared.explicit:
            return wording._replace(compared=own.compared)
        closing = read_wording(self.text, last, piece.start, piece.end, times, group=piece.group)
        return wording._replace(compared=closing.compared)

    @staticmethod
    def exists(number: ReadNumber, piece: Piece) -> bool:
        """Whether a number that describes counts things that are there."""
        return number.unit in COUNTED and number.unit != "层" and piece.role == "describes"

    def label(
        self, piece: Piece, place: int, wording: Wording, clock: Clock, memory: _Sentence, index: int
    ) -> tuple[str, str | None, list[str], float]:
        """Label of a number, what makes it doubtful, and how sure it is."""
        doubts: list[str] = []
        factor = 1.0
        label = wording.label
        scope = wording.scope
        earlier = memory.current or memory.labels
        if len(piece.group) > max(1, len(earlier)) and len(memory.history) >= len(piece.group):
            earlier = [name for name, _ in memory.history[-len(piece.group) :]]
        elif not earlier and memory.history and re.fullmatch(r"最[高低大小多少]", label):
            earlier = [name for name, unit in memory.history if unit == piece.number.unit][-1:]
        carried = carried_label(
            label,
            earlier,
            place,
            memory.words_before,
            relative=piece.number.unit in ("%", "‰", None) or "/" in (piece.number.unit or ""),
        )
        if carried:
            label, scope = carried[0], carried[1] or scope
            doubts.append("指标名承自前一分句")
            factor *= 0.8
        if wording.base_state is BaseState.BEFORE_WORKS and label.startswith(("改造后", "更新后")):
            works = worked_on(self.text[memory.start : piece.start])
            label, scope = f"{works or ''}{label}", scope or works
        if len(piece.group) > 1 and label == wording.label:
            years = clock.by.years if clock.by else ()
            subjects = shared_subjects(label, len(piece.group))
            if len(years) != len(piece.group):
                label = subjects[place]
            doubts.append("几个数共用一个主语，按先后配对")
            factor *= 0.9 if len(set(subjects)) > 1 or len(years) == len(piece.group) else 0.7
        return label, scope, doubts, factor

    def target(
        self,
        piece: Piece,
        number: ReadNumber,
        place: int,
        wording: Wording,
        label: str,
        clock: Clock,
        memory: _Sentence,
        index: int,
        doubt: tuple[float, list[str]],
        times: tuple[TimeMention, ...],
    ) -> ReadTarget:
        """Put a promise together."""
        factor, reasons = doubt
        by = self.year(piece, place, clock)
        base = (clock.base or clock.standing) if wording.change or number.unit == "倍" else None
        if memory.yearly and not wording.yearly and number.unit not in ("%",) and piece.start > piece.segment.start:
            wording = wording._replace(yearly=True)
        kind, measure = sort_of(number, wording, label, dated=by is not None)
        if kind is LabelKind.COUNT:
            if not wording.built and memory.measure is not None and number.unit not in COUNTED:
                measure = memory.measure
            memory.measure = measure
        state = None
        if kind is LabelKind.CHANGE and base is None:
            state = wording.base_state or BaseState.EXISTING
            if wording.base_state is None:
                reasons.append("没有写明和什么比，按现有水平")
                factor *= 0.9
        if not wording.compared.explicit:
            factor *= 0.95
            reasons.append("没有比较词，按原文的数")
        if clock.from_before and by is not None:
            factor *= 0.85
            reasons.append("年份承自前一句")
        elif by is None and clock.start is None:
            factor *= 0.95
            reasons.append("没有写年份")
        if number.unit is not None and not _known_unit(number.unit):
            factor *= 0.9
            reasons.append(f"单位“{number.unit}”不在单位表中")
        at = self.stretch(piece, index, clock, times)
        first = clock.by.first if clock.by is not None and by is not None else None
        return ReadTarget(
            id=self.identity(label, number, by),
            clause=memory.clause.number,
            at=at,
            label=label,
            comparator=Comparator.EQUAL if number.value_max is not None else wording.compared.comparator,
            value=number.value,
            value_max=number.value_max,
            unit=number.unit,
            by=by,
            kind=kind,
            measure=measure,
            base_year=base.year if base else None,
            base_state=state,
            change=wording.change if kind is LabelKind.CHANGE else None,
            start=clock.start.year if clock.start else first if measure.value in ("cumulative", "each_year") else None,
            scope=wording.scope,
            bodies=bodies_at(memory.clause, number.at.start),
            confidence=round(factor, 4),
            reasons=tuple(reasons),
        )

    def told(self, number: ReadNumber, piece: Piece, place: int, clock: Clock) -> ReadTarget | None:
        """Return the promise of the body of the plan that an annex repeats, None where it is new."""
        return self.promised((number.value, number.value_max, number.unit, self.year(piece, place, clock)))

    def promised(self, key: tuple[float, float | None, str | None, int | None]) -> ReadTarget | None:
        """Return the promise read before that has this value, upper end, unit and year."""
        return next((each for each in self.targets if (each.value, each.value_max, each.unit, each.by) == key), None)

    @staticmethod
    def year(piece: Piece, place: int, clock: Clock) -> int | None:
        """Deadline of a number: of several years named before several numbers, its own."""
        if clock.by is None:
            return None
        years = clock.by.years
        return years[place] if len(years) == len(piece.group) > 1 else years[-1]

    def stretch(self, piece: Piece, index: int, clock: Clock, times: tuple[TimeMention, ...]) -> Locator:
        """Return the piece, with the bare deadline before it where that is all of the segment before."""
        start, end = piece.start, piece.end
        if (
            clock.by is not None
            and clock.by_segment == index - 1
            and piece.start == piece.segment.start
            and clock.by.end == piece.start - 1
        ):
            start = clock.by.start
        while start < end and self.text[start] in "-、)":
            start += 1
        while end > piece.number.at.end and self.text[end - 1] in "、(-":
            end -= 1
        return Locator(start=start, end=end)

    def identity(self, label: str, number: ReadNumber, by: int | None) -> str:
        """Return a first id from label, value and year; `reading` gives a better one where the indicator is known."""
        name = f"p-{zlib.crc32(label.encode()):08x}-{by or 'open'}"
        self.ids[name] = self.ids.get(name, 0) + 1
        return name if self.ids[name] == 1 else f"{name}-{self.ids[name]}"


def _known_unit(unit: str) -> bool:
    try:
        read_unit(unit)
    except UnitError:
        return False
    return True


def read_promises(
    document: DocumentText, outline: Outline, numbers: Sequence[ReadNumber]
) -> tuple[tuple[ReadTarget, ...], tuple[NumberFate, ...]]:
    """Return the numeric promises of a plan, and the fate of every number.

    Parameters
    ----------
    document : DocumentText
    outline : Outline
        From `read_outline`.
    numbers : sequence of ReadNumber
        From `find_numbers`.

    Returns
    -------
    tuple of ReadTarget
        In document order, without milestones and indicator.
    tuple of NumberFate
        One for each number, in document order.
    """
    reader = _Reader(document, outline, numbers)
    reader.read()
    return tuple(reader.targets), tuple(reader.fates[number.digits.start] for number in numbers)

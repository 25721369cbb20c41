"""Sentences of a plan cut at commas and semicolons, each part with the years in force for it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.plans.deadlines import TimeMention, TimeRole, find_times
from dafeng.plans.read_records import Clause, ClauseKind, Outline

__all__ = ["Part", "PartedSentence", "part_sentences"]

_OPENING: Final = "([{《<「"
_CLOSING: Final = ")]}》>」"
_CUTS: Final = ",;:。!?"
_QUOTED: Final = 80


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch between two commas.

    Parameters
    ----------
    start, end : int
        Offsets into the document; the comma is left out.
    text : str
        The folded words.
    by : TimeMention or None
        Deadline in force: its own, or the last of the sentence before it; in goals also the head year of the paragraph.
    own : bool
        The deadline stands in this part, or alone in the part before.
    since : TimeMention or None
        First year that holds for it.
    """

    start: int
    end: int
    text: str
    by: TimeMention | None
    own: bool
    since: TimeMention | None


@dataclass(frozen=True, slots=True)
class PartedSentence:
    """A sentence in parts, with its clause."""

    start: int
    end: int
    clause: Clause
    parts: tuple[Part, ...]


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    start, depth, quoted = 0, 0, False
    for place, letter in enumerate(text):
        if letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth = max(0, depth - 1)
        elif letter == '"':
            quoted = not quoted
        elif letter in _CUTS and depth == 0 and not (quoted and '"' in text[place : place + _QUOTED]):
            if place > start:
                yield start, place
            start = place + 1
    if start < len(text):
        yield start, len(text)


def part_sentences(
    document: DocumentText, outline: Outline, *, kinds: Collection[ClauseKind]
) -> Iterator[PartedSentence]:
    """Yield the sentences of clauses of some kinds, cut into parts.

    Parameters
    ----------
    document : DocumentText
    outline : Outline
    kinds : collection of ClauseKind
        Which clauses to read.
    """
    text = document.folded
    issued = outline.head.issued_on.year if outline.head.issued_on else None
    times = list(find_times(text, issued=issued))
    starts = [time.start for time in times]
    head: TimeMention | None = None
    previous: tuple[int, int] | None = None
    for sentence in outline.sentences:
        clause = outline.clauses[sentence.clause]
        if clause.kind not in kinds:
            continue
        block = (sentence.clause, document.block_at(sentence.at.start))
        if block[0] != (previous or (-1, -1))[0]:
            head = None
        previous = block
        goals = clause.kind in (ClauseKind.GOALS, ClauseKind.AIMS)
        by = head if goals else None
        since: TimeMention | None = None
        fresh = False
        parts: list[Part] = []
        begin = sentence.at.start
        if begin and text[begin - 1] == '"' and text.count('"', begin, sentence.at.end) % 2:
            begin -= 1
        for first, last in _cuts(text[begin : sentence.at.end]):
            start, end = begin + first, begin + last
            here = times[bisect_left(starts, start) : bisect_left(starts, end)]
            own_by = [time for time in here if time.role is TimeRole.BY]
            own_since = [time for time in here if time.role is TimeRole.START]
            by = own_by[-1] if own_by else None if own_since else by
            since = own_since[-1] if own_since else since
            head = head if not (goals and own_by) else own_by[-1]
            words = text[start:end]
            parts.append(Part(start, end, words, by, bool(own_by) or fresh, since))
            fresh = (
                bool(own_by)
                and re.fullmatch(r"(?:其中|力争)?", words[: own_by[0].start - start]) is not None
                and own_by[-1].end >= end
            )
        yield PartedSentence(begin, sentence.at.end, clause, tuple(parts))

"""Sentences of the clauses: split at full stops outside of quotation marks, brackets and titles; lists of bodies left out."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dafeng.base.document import BlockKind, DocumentText
from dafeng.base.target import Locator
from dafeng.plans.clause_titles import SENTENCE_STOP
from dafeng.plans.read_records import BodyList, Sentence

__all__ = ["find_sentences"]

_ASCII: Final = str.maketrans("（）【】［］", "()[][]")
_PROTECTED: Final = re.compile(r"“[^“”]{0,200}”|《[^《》]{0,150}》|\([^()]{0,200}\)|\[[^\[\]]{0,200}\]")
_MARKS: Final = frozenset("。,;:、!?)]\"'")
_LEADING: Final = frozenset("。,;:、!?)]")
_UNNUMBERED: Final = 26

Piece = tuple[int, int]


def _cell_cuts(document: DocumentText, start: int, end: int) -> list[int]:
    """Return starts of table cells, and of headings without a number, within a stretch: a sentence never runs over them."""
    starts, blocks = document.starts, document.blocks
    text = document.folded
    cuts: list[int] = []
    for index in range(bisect_left(starts, start), bisect_left(starts, end)):
        following = starts[index + 1] if index + 1 < len(starts) else len(text)
        if blocks[index].kind is BlockKind.CELL or (
            3 < following - starts[index] <= _UNNUMBERED
            and following < end
            and (starts[index] == start or text[starts[index] - 1] in "。)]!?")
            and not re.search("[。,;:!?()]", text[starts[index] : following])
        ):
            cuts += [starts[index], following]
    return cuts


def _without(start: int, end: int, lists: Sequence[Piece], text: str) -> list[Piece]:
    """Return a stretch less the lists of bodies at its edges; a list in the middle of a sentence stays inside."""
    pieces: list[Piece] = []
    for left, right in lists:
        if right <= start or left >= end:
            continue
        if left <= start or all(letter in _MARKS for letter in text[start:left]):
            start = min(end, right)
        elif right >= end or all(letter in _MARKS for letter in text[right:end]):
            end = left
        elif text[right] not in ",;、":
            pieces.append((start, left))
            start = right
    return [*pieces, (start, end)] if end > start else pieces


def find_sentences(
    document: DocumentText, text: str, clauses: Sequence[tuple[int, int, Sequence[BodyList]]]
) -> tuple[Sentence, ...]:
    """Return the sentences of a document.

    Parameters
    ----------
    document : DocumentText
    text : str
        The document in folded form.
    clauses : sequence of (int, int, sequence of BodyList)
        Start and end of the text of each clause, and its lists of bodies.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> words = DocumentText("a.txt", "txt", "0" * 64, (Block("坚持“少拆。多改。”原则。到2025年建成9处。"),))
    >>> [words.quote(each.at.start, each.at.end) for each in find_sentences(words, words.folded, [(0, len(words.plain), ())])]
    ['坚持“少拆。多改。”原则。', '到2025年建成9处。']
    """
    protected = [found.span() for found in _PROTECTED.finditer(document.plain.translate(_ASCII))]
    begins = [start for start, _end in protected]
    sentences: list[Sentence] = []
    for index, (start, end, lists) in enumerate(clauses):
        cuts = set(_cell_cuts(document, start, end))
        for found in SENTENCE_STOP.finditer(text, start, end):
            inside = bisect_right(begins, found.start()) - 1
            if inside < 0 or found.start() >= protected[inside][1]:
                cuts.add(found.end())
        spans = [(part.at.start, part.at.end) for part in lists]
        edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
        first = 0
        for left, right in pairwise(edges):
            while first < len(spans) and spans[first][1] <= left:
                first += 1
            upto = first
            while upto < len(spans) and spans[upto][0] < right:
                upto += 1
            for since, stop in _without(left, right, spans[first:upto], text):
                begin = next((place for place in range(since, stop) if text[place] not in _LEADING), stop)
                if any(letter not in _MARKS for letter in text[begin:stop]):
                    sentences.append(Sentence(at=Locator(start=begin, end=stop), clause=index))
    return tuple(sentences)

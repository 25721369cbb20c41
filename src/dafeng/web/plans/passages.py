"""Stretches of a document, shown with marks. Offsets are those of `DocumentText.plain`; every word comes from the document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dafeng.base.document import BlockKind, DocumentText

__all__ = ["Mark", "Paragraph", "Segment", "passages"]


@dataclass(frozen=True)
class Mark:
    """A stretch to be marked.

    Attributes
    ----------
    start, end : int
    name : str
        Id of the first piece on the page.
    style : str
        Class of the mark: a word of the page's own, never from the document.
    title : str
        What is said of it beside the mark.
    href : str
        Where the mark leads; nowhere where empty.
    """

    start: int
    end: int
    name: str = ""
    style: str = ""
    title: str = ""
    href: str = ""


@dataclass(frozen=True)
class Segment:
    """A piece of text under one mark at most: the shortest that covers it."""

    text: str
    mark: Mark | None = None
    first: bool = False
    """Whether the mark begins here, so that its name stands once on the page."""
    soft: bool = False
    """Whether it belongs to a sentence that is shown softly."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph or cell, or part of one.

    Attributes
    ----------
    where : str
        Place in the original document.
    cell : bool
    after_gap : bool
        Whether text was left out before it.
    segments : tuple of Segment
    """

    where: str
    cell: bool
    after_gap: bool
    segments: tuple[Segment, ...] = field(default=())


def passages(
    document: DocumentText,
    windows: Iterable[tuple[int, int]],
    marks: Sequence[Mark] = (),
    soft: Sequence[tuple[int, int]] = (),
) -> list[Paragraph]:
    r"""Return the paragraphs of some stretches of a document, cut into marked and unmarked pieces.

    Parameters
    ----------
    document : DocumentText
    windows : iterable of (int, int)
        Stretches to show; they may overlap and come in any order.
    marks : sequence of Mark
        They may overlap: the shortest one shows, the others keep their name at their beginning.
    soft : sequence of (int, int)
        Sentences to show softly.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> text = DocumentText("a.txt", "txt", "0" * 64, (Block("到𠮷年 达到8％。", number=1), Block("其余。", number=2)))
    >>> [[(piece.text, bool(piece.mark)) for piece in one.segments] for one in passages(text, [(0, 8)], [Mark(1, 2)])]
    [[('到', False), ('𠮷', True), ('年达到8％。', False)]]
    """
    shown = []
    last = None
    for start, end in _joined(windows):
        index = document.block_at(start)
        while index < len(document.blocks) and document.starts[index] < end:
            block_start = document.starts[index]
            block_end = document.starts[index + 1] if index + 1 < len(document.starts) else len(document.plain)
            left, right = max(start, block_start), min(end, block_end)
            if left < right:
                shown.append(
                    Paragraph(
                        where=str(document.where(left)),
                        cell=document.blocks[index].kind is BlockKind.CELL,
                        after_gap=last is not None and last != left,
                        segments=tuple(_segments(document.plain, left, right, marks, soft)),
                    )
                )
                last = right
            index += 1
    return shown


def _joined(windows: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined


def _segments(
    plain: str, left: int, right: int, marks: Sequence[Mark], soft: Sequence[tuple[int, int]]
) -> Iterable[Segment]:
    here = [mark for mark in marks if mark.start < right and left < mark.end]
    softly = [span for span in soft if span[0] < right and left < span[1]]
    edges = {left, right}
    for start, end in [(mark.start, mark.end) for mark in here] + softly:
        edges |= {edge for edge in (start, end) if left < edge < right}
    cuts = sorted(edges)
    for start, end in pairwise(cuts):
        covering = [mark for mark in here if mark.start <= start and end <= mark.end]
        mark = min(covering, key=lambda each: each.end - each.start, default=None)
        yield Segment(
            text=plain[start:end],
            mark=mark,
            first=mark is not None and mark.start == start,
            soft=any(span[0] <= start and end <= span[1] for span in softly),
        )

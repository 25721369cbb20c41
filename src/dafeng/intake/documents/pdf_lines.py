"""Placed characters as lines of text in reading order, columns one after the other."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.intake.documents.pdf_pages import Letter

__all__ = ["Line", "lines_of", "reading_order"]

_FEWEST_TWO_SIDED: Final = 5
_LEAST_EM: Final = 3.0


@dataclass
class Segment:
    """Characters that run on without a wide gap."""

    text: str
    x0: float
    x1: float
    y: float
    em: float


@dataclass
class Line:
    """A line of text.

    Parameters
    ----------
    text : str
    x0, x1 : float
        Where it begins and ends.
    y : float
        Base line.
    em : float
        Size of its characters.
    page : int
        Page, counted from 1.
    column : int
        0 for text over the whole width, else the column counted from 1.
    segments : list of Segment
    """

    text: str
    x0: float
    x1: float
    y: float
    em: float
    page: int
    column: int
    segments: list[Segment]


def _segments(letters: Sequence[Letter]) -> list[Segment]:
    """Join characters that stand next to one another on one base line."""
    found: list[Segment] = []
    pieces: list[str] = []
    ems: list[float] = []
    start = end = base = 0.0
    usual = max((letter.em for letter in letters), default=0.0) or 12.0

    def close() -> None:
        if pieces:
            em = sorted(ems)[len(ems) // 2] if ems else _latin_em(pieces, end - start)
            found.append(Segment("".join(pieces), start, end, base, em))

    for letter in letters:
        size = letter.em or (ems[-1] if ems else usual)
        gap = letter.x0 - end
        if pieces and abs(letter.y - base) < 0.15 * size and -0.6 * size < gap < 1.2 * size:
            if gap > 0.9 * size or (gap > 0.12 * size and letter.text.isascii() and pieces[-1].isascii()):
                pieces.append(" ")
            pieces.append(letter.text)
            end = max(end, letter.x1)
            if letter.em:
                ems.append(letter.em)
        else:
            close()
            pieces = [letter.text]
            ems = [letter.em] if letter.em else []
            start, end, base = letter.x0, letter.x1, letter.y
    close()
    return found


def _latin_em(pieces: list[str], width: float) -> float:
    return max(_LEAST_EM, 1.9 * width / max(len(pieces), 1))


def lines_of(letters: Sequence[Letter], page: int) -> list[Line]:
    """Return the lines of characters from top to bottom, each from left to right."""
    rows: list[list[Segment]] = []
    for segment in sorted(_segments(letters), key=lambda segment: (-segment.y, segment.x0)):
        middle = segment.y + 0.35 * segment.em
        for row in reversed(rows[-2:]):
            tallest = max(row, key=lambda other: other.em)
            centre = tallest.y + 0.35 * tallest.em
            if abs(centre - middle) < 0.4 * max(tallest.em, segment.em):
                row.append(segment)
                break
        else:
            rows.append([segment])
    return [_line(row, page, 0) for row in rows]


def _line(row: list[Segment], page: int, column: int) -> Line:
    row = sorted(row, key=lambda segment: segment.x0)
    text = row[0].text
    for before, segment in itertools.pairwise(row):
        gap = segment.x0 - before.x1
        both = before.text[-1].isascii() and segment.text[0].isascii()
        text += (" " if gap > 0.9 * segment.em or (both and gap > 0.15 * segment.em) else "") + segment.text
    main = max(row, key=lambda segment: segment.em)
    return Line(text, row[0].x0, max(segment.x1 for segment in row), main.y, main.em, page, column, row)


def reading_order(lines: list[Line], width: float, before: float | None = None) -> tuple[list[Line], float | None]:
    """Return lines in reading order, and the gap between columns where there are any.

    Text in two columns is read down the left one, then down the right one. Columns are believed where five lines or more
    stand on both sides of one upright gap near the middle of the page.

    Parameters
    ----------
    lines : list of Line
        From top to bottom.
    width : float
        Width of the page.
    before : float, optional
        Gap of the page before, which holds on where no line crosses it.
    """
    gutter = _gutter(lines, width)
    if gutter is None and before is not None and all(_split(line, before) is not None for line in lines):
        gutter = before
    if gutter is None:
        return lines, None
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in lines:
        sides = _split(line, gutter)
        if sides is None:
            ordered += [*left, *right, line]
            left, right = [], []
            continue
        for side, segments, column in ((left, sides[0], 1), (right, sides[1], 2)):
            if segments:
                side.append(_line(segments, line.page, column))
    return [*ordered, *left, *right], gutter


def _split(line: Line, gutter: float) -> tuple[list[Segment], list[Segment]] | None:
    """Return the segments on either side of a gap, None where one crosses it."""
    if any(segment.x0 < gutter - 1 and segment.x1 > gutter + 1 for segment in line.segments):
        return None
    cut = bisect_right([segment.x0 for segment in line.segments], gutter - 1)
    return line.segments[:cut], line.segments[cut:]


def _gutter(lines: list[Line], width: float) -> float | None:
    """Return the middle of the gap between two columns of running text."""
    gaps: list[tuple[float, float]] = []
    for line in lines:
        for before, after in zip(line.segments, line.segments[1:], strict=False):
            long = min(before.x1 - line.x0, line.x1 - after.x0) > 0.22 * width
            if long and 0.35 * width < (before.x1 + after.x0) / 2 < 0.65 * width:
                gaps.append((before.x1, after.x0))
    if len(gaps) < _FEWEST_TWO_SIDED or len(gaps) < 0.3 * len(lines):
        return None
    starts, ends = sorted(gap[0] for gap in gaps), sorted(gap[1] for gap in gaps)
    low, high = starts[int(0.9 * (len(starts) - 1))], ends[len(ends) // 10]
    return (low + high) / 2 if high > low else None

"""What a PDF repeats on its pages: page numbers, running titles, headers and footers."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from dafeng.intake.documents.characters import is_page_number, page_number_value
from dafeng.intake.documents.pdf_lines import Line

__all__ = ["find_furniture"]

_DEPTH: Final = 3
"""Lines from the top or the bottom of a page that may be furniture."""
_SAME_PLACE: Final = 4.0
_MARGIN: Final = 0.16
"""Share of the page's height at its top and bottom in which running titles stand; an inch at least."""
_INCH: Final = 72.0
_NEARLY_ALL: Final = 0.8
"""Share of the pages from which a repeated line is a running title though nothing sets it apart."""


def find_furniture(pages: Sequence[Sequence[Line]], heights: Sequence[float], tables: Sequence[bool]) -> set[int]:
    """Return the ids of the lines that are page headers, footers and page numbers.

    Parameters
    ----------
    pages : sequence of sequence of Line
        Lines of each page outside its tables, in any order.
    heights : sequence of float
        Height of each page in points.
    tables : sequence of bool
        Whether a page holds a table.

    A page number in dashes or words counts wherever it stands alone at the edge of a page; digits alone count where they
    keep step with the pages on two pages at least, or stand apart in the margin of a single page. A text counts as running
    title where it stands at one place in the margin of three pages, or of both pages of two, set apart from the text by a
    wider gap or another size, or found on nearly every page.
    """
    found: set[int] = set()
    usual = _usual(pages)
    for _ in range(_DEPTH):
        edges = [_edges(lines, found) for lines in pages]
        fresh = _numbers(edges, heights, len(pages)) | _repeated(edges, heights, tables, usual)
        if not fresh:
            break
        found |= fresh
    return found


class _Candidate(NamedTuple):
    """A line that may be a running title: its distance from the edge of its page, and what speaks for it."""

    place: float
    page: int
    name: int
    beside_text: bool
    apart: bool


def _usual(pages: Sequence[Sequence[Line]]) -> tuple[float, float]:
    """Return the usual distance of lines and size of letters."""
    pitches: Counter[float] = Counter()
    sizes: Counter[float] = Counter()
    for lines in pages:
        heights = sorted({round(line.y, 1) for line in lines}, reverse=True)
        pitches.update(round(above - below, 0) for above, below in pairwise(heights) if above - below > _SAME_PLACE)
        for line in lines:
            sizes[round(line.em, 1)] += len(line.text)
    pitch = pitches.most_common(1)[0][0] if pitches else 0.0
    return pitch, sizes.most_common(1)[0][0] if sizes else 0.0


def _edges(lines: Sequence[Line], gone: set[int]) -> list[tuple[Line, bool, float]]:
    """Return the outermost lines of a page, whether at its top, and their distance from the next one."""
    left = sorted((line for line in lines if id(line) not in gone), key=lambda line: -line.y)
    if not left:
        return []
    top_gap = left[0].y - left[1].y if len(left) > 1 else math.inf
    bottom_gap = left[-2].y - left[-1].y if len(left) > 1 else math.inf
    edges = [(left[0], True, top_gap)]
    return edges if len(left) == 1 else [*edges, (left[-1], False, bottom_gap)]


def _in_margin(line: Line, height: float) -> bool:
    depth = max(_MARGIN * height, _INCH)
    return line.y < depth or line.y > height - depth


def _numbers(edges: list[list[tuple[Line, bool, float]]], heights: Sequence[float], pages: int) -> set[int]:
    found: set[int] = set()
    steps: defaultdict[int, list[int]] = defaultdict(list)
    for index, page in enumerate(edges):
        for line, _, gap in page:
            if not _in_margin(line, heights[index]):
                continue
            if is_page_number(line.text, bare=False):
                found.add(id(line))
            elif is_page_number(line.text, bare=True):
                value = page_number_value(line.text)
                apart = gap > 2.2 * line.em
                if apart and (pages == 1 or value is None):
                    found.add(id(line))
                elif value is not None:
                    steps[value - index].append(id(line))
    for ids in steps.values():
        if len(ids) >= 2:
            found.update(ids)
    return found


def _repeated(
    edges: list[list[tuple[Line, bool, float]]],
    heights: Sequence[float],
    tables: Sequence[bool],
    usual: tuple[float, float],
) -> set[int]:
    pitch, size = usual
    places: defaultdict[tuple[str, bool], list[_Candidate]] = defaultdict(list)
    for index, page in enumerate(edges):
        for line, top, gap in page:
            if _in_margin(line, heights[index]):
                text = re.sub(r"\d+", "0", "".join(line.text.split()))
                places[text, top].append(
                    _Candidate(
                        place=heights[index] - line.y if top else line.y,
                        page=index,
                        name=id(line),
                        beside_text=tables[index] or gap < math.inf,
                        apart=gap > 1.25 * pitch + 1 or abs(line.em - size) > 0.08 * size,
                    )
                )
    found: set[int] = set()
    fewest = min(3, max(2, len(edges)))
    for items in places.values():
        common, _ = Counter(round(item.place / _SAME_PLACE) for item in items).most_common(1)[0]
        near = [item for item in items if abs(item.place - common * _SAME_PLACE) <= 1.5 * _SAME_PLACE]
        count = len({item.page for item in near})
        apart = sum(item.apart for item in near) >= 0.5 * len(near) or count >= _NEARLY_ALL * len(edges)
        beside = sum(item.beside_text for item in near) >= 0.5 * len(near)  # the only line of a page is its text
        if count >= fewest and apart and beside:
            found.update(item.name for item in near)
    return found

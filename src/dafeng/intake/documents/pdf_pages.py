"""Pages of a PDF as placed characters and ruling lines, upright as a reader sees them."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from dafeng.intake.documents.characters import clean

__all__ = ["Letter", "PageContent", "Rule", "read_page"]

_HYPHENS: Final = frozenset({0x02, 0xFFFE})
_INVISIBLE: Final = 3
_MOST_SEGMENTS: Final = 4000
"""Segments of a page's paths beyond which they are a drawing rather than tables."""
_THIN: Final = 4.0
"""Width in points up to which a filled shape counts as a line."""
_SHORT: Final = 6.0
_DEEPEST: Final = 4


class Letter(NamedTuple):
    """A character: what it is, where it begins and ends, its base line, in points from the lower left corner."""

    text: str
    x0: float
    x1: float
    y: float
    em: float


class Rule(NamedTuple):
    """A ruling line, upright or level, with the lower end first."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def level(self) -> bool:
        """Whether it is horizontal."""
        return self.x1 - self.x0 > self.y1 - self.y0


@dataclass
class PageContent:
    """What stands on a page.

    Parameters
    ----------
    width, height : float
        Points, as displayed.
    letters : list of Letter
        White space left out, in the order of the file.
    rules : list of Rule
    image_share : float
        Largest share of the page that one image covers.
    count : int
        Number of letters.
    unmapped : int
        Characters whose font does not say what they are.
    turned, hidden : int
        Characters left out because they are rotated or invisible.
    recognised : bool
        Whether all the text is invisible: the layer that text recognition lays over a scan.
    """

    width: float
    height: float
    letters: list[Letter] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    image_share: float = 0.0
    count: int = 0
    unmapped: int = 0
    turned: int = 0
    hidden: int = 0
    recognised: bool = False


@dataclass
class _Objects:
    """What the objects of a page say."""

    texts: int = 0
    invisible: int = 0
    turned: int = 0
    segments: int = 0
    images: float = 0.0
    lines: list[tuple[float, float, float, float]] = field(default_factory=list)


def read_page(document: pdfium.PdfDocument, index: int, most: int) -> PageContent:
    """Return the content of a page counted from 0.

    Parameters
    ----------
    document : PdfDocument
    index : int
    most : int
        Characters that are read at most.
    """
    page = document[index]
    try:
        left, bottom, right, top = page.get_cropbox()
        turn = page.get_rotation() // 90 % 4
        wide, high = right - left, top - bottom
        objects = _Objects()
        _scan(page.raw, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject, objects, _IDENTITY, 0)
        content = PageContent(*((high, wide) if turn % 2 else (wide, high)))
        content.image_share = objects.images / max(wide * high, 1.0)

        def place(x: float, y: float) -> tuple[float, float]:
            x, y = x - left, y - bottom
            return ((x, y), (y, wide - x), (wide - x, high - y), (high - y, x))[turn]

        for x0, y0, x1, y1 in objects.lines if objects.segments <= _MOST_SEGMENTS else ():
            (ax, ay), (bx, by) = place(x0, y0), place(x1, y1)
            content.rules.append(Rule(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)))
        textpage = page.get_textpage()
        try:
            _letters(textpage.raw, content, objects, turn, place, most, (left, bottom))
        finally:
            textpage.close()
        content.count = len(content.letters)
        return content
    finally:
        page.close()


_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: Final[_Matrix] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def _matrix(item: Any, outer: _Matrix) -> _Matrix:
    own = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, own):
        return outer
    a, b, c, d, e, f = outer
    return (
        own.a * a + own.b * c,
        own.a * b + own.b * d,
        own.c * a + own.d * c,
        own.c * b + own.d * d,
        own.e * a + own.f * c + e,
        own.e * b + own.f * d + f,
    )


def _scan(holder: Any, count: Any, get: Any, found: _Objects, outer: _Matrix, depth: int) -> None:
    for index in range(count(holder)):
        item = get(holder, index)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            found.texts += 1
            found.invisible += raw.FPDFTextObj_GetTextRenderMode(item) == _INVISIBLE
            a, b, _, _, _, _ = _matrix(item, outer)
            found.turned += not (a > 0 and abs(b) < 0.1 * a)
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            if found.segments <= _MOST_SEGMENTS:
                _path(item, found, outer)
        elif kind == raw.FPDF_PAGEOBJ_IMAGE:
            a, b, c, d, _, _ = _matrix(item, outer)
            found.images = max(found.images, abs(a * d - b * c))
        elif kind == raw.FPDF_PAGEOBJ_FORM and depth < _DEEPEST:
            inner = _matrix(item, outer)
            _scan(item, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, found, inner, depth + 1)


def _path(item: Any, found: _Objects, outer: _Matrix) -> None:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(item, fill, stroke)
    if not fill.value and not stroke.value:
        return
    count = raw.FPDFPath_CountSegments(item)
    found.segments += count
    if count > _MOST_SEGMENTS:
        return
    a, b, c, d, e, f = _matrix(item, outer)
    x, y = ctypes.c_float(), ctypes.c_float()
    outlines: list[list[tuple[float, float]]] = []
    for index in range(count):
        segment = raw.FPDFPath_GetPathSegment(item, index)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_BEZIERTO or not raw.FPDFPathSegment_GetPoint(segment, x, y):
            return
        point = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        if kind == raw.FPDF_SEGMENT_MOVETO or not outlines:
            outlines.append([point])
        else:
            outlines[-1].append(point)
        if raw.FPDFPathSegment_GetClose(segment):
            outlines[-1].append(outlines[-1][0])
    for outline in outlines:
        found.lines += _lines_of(outline, filled=bool(fill.value) and not stroke.value)


def _lines_of(outline: list[tuple[float, float]], *, filled: bool) -> Iterator[tuple[float, float, float, float]]:
    """Yield the upright and level lines of an outline; a thin filled shape is one line, a wide one is shading."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    wide, high = x1 - x0, y1 - y0
    if min(wide, high) <= _THIN and len(outline) <= 6:
        if wide > high and wide > _SHORT:
            yield x0, (y0 + y1) / 2, x1, (y0 + y1) / 2
        elif high > _SHORT:
            yield (x0 + x1) / 2, y0, (x0 + x1) / 2, y1
        return
    if filled:
        return
    for (ax, ay), (bx, by) in itertools.pairwise(outline):
        if abs(ax - bx) < 0.5 and abs(ay - by) > _SHORT:
            yield ax, min(ay, by), ax, max(ay, by)
        elif abs(ay - by) < 0.5 and abs(ax - bx) > _SHORT:
            yield min(ax, bx), ay, max(ax, bx), ay


def _letters(
    textpage: Any,
    content: PageContent,
    objects: _Objects,
    turn: int,
    place: Any,
    most: int,
    corner: tuple[float, float],
) -> None:
    left, bottom = corner
    count = min(raw.FPDFText_CountChars(textpage), most)
    content.recognised = objects.texts > 0 and objects.invisible == objects.texts
    check_hidden = 0 < objects.invisible < objects.texts
    plain = objects.turned == 0 and turn == 0
    box = raw.FS_RECTF()
    x, y = ctypes.c_double(), ctypes.c_double()
    get_unicode, get_box, get_origin = (
        raw.FPDFText_GetUnicode,
        raw.FPDFText_GetLooseCharBox,
        raw.FPDFText_GetCharOrigin,
    )
    append = content.letters.append
    known: dict[int, str] = {}
    for index in range(count):
        code = get_unicode(textpage, index)
        text = known.get(code)
        if text is None:
            text = known[code] = _character(code)
        if not text:
            continue
        if text == "\ufffd":
            content.unmapped += 1
        if check_hidden and _is_hidden(textpage, index):
            content.hidden += 1
            continue
        if not plain and not _upright(textpage, index, turn):
            content.turned += 1
            continue
        get_origin(textpage, index, x, y)
        if turn == 0:
            get_box(textpage, index, box)
            x0, x1, base = box.left - left, box.right - left, y.value - bottom
        else:  # the loose box is empty where the text is turned in the file
            (x0, _), (x1, _) = (place(*point) for point in _corners(textpage, index))
            x0, x1 = min(x0, x1), max(x0, x1)
            base = place(x.value, y.value)[1]
        if not (-1 <= x0 <= content.width and -1 <= base <= content.height):
            continue
        wide = x1 - x0
        append(Letter(text, x0, x1, base, wide if code >= 0x2E80 else 0.0))


def _character(code: int) -> str:
    """Return the text of a code, empty for white space and what is invisible."""
    if code in _HYPHENS:
        return "-"
    if code == 0xFFFD or code == 0 or 0xE000 <= code <= 0xF8FF or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return "\ufffd" if code else ""
    return "".join(clean(chr(code)).split())


def _is_hidden(textpage: Any, index: int) -> bool:
    item = raw.FPDFText_GetTextObject(textpage, index)
    return bool(item) and raw.FPDFTextObj_GetTextRenderMode(item) == _INVISIBLE


def _upright(textpage: Any, index: int, turn: int) -> bool:
    """Return whether a character stands upright as displayed."""
    angle = raw.FPDFText_GetCharAngle(textpage, index)
    if angle < 0:
        return True
    off = [(angle + sign * math.pi / 2 * turn) % (2 * math.pi) for sign in (1, -1)]
    return any(min(value, 2 * math.pi - value) < 0.1 for value in off)


def _corners(textpage: Any, index: int) -> tuple[tuple[float, float], tuple[float, float]]:
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    raw.FPDFText_GetCharBox(textpage, index, left, right, bottom, top)
    return (left.value, bottom.value), (right.value, top.value)

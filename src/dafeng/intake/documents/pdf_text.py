"""The text of a PDF: lines joined to paragraphs over pages, tables cell by cell, page furniture left out."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from dafeng.base.document import Block
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener
from dafeng.intake.documents.blocks import BlockList, is_contents_line, number_blocks
from dafeng.intake.documents.limits import (
    DocumentLimits,
    refuse_damaged,
    refuse_encrypted,
    refuse_large,
)
from dafeng.intake.documents.pdf_checks import check_pages
from dafeng.intake.documents.pdf_furniture import find_furniture
from dafeng.intake.documents.pdf_lines import Line, lines_of, reading_order
from dafeng.intake.documents.pdf_pages import PageContent, read_page
from dafeng.intake.documents.pdf_tables import Grid, find_grids
from dafeng.intake.documents.plain_text import furniture_finding

__all__ = ["read_pdf"]

_FEWEST_LONG: Final = 5
"""Long lines from which a page gives its own edges."""
_ENDS: Final = tuple("。；！？：;!?:")
_HEAD: Final = re.compile(
    r"^(?:[一二三四五六七八九十百]+[、．.]|[（(][一二三四五六七八九十百\d]+[）)]|\d{1,2}[．.、](?!\d)|第[一二三四五六七八九十百\d]+[章节条编]|附件|[①-⑳])"
)
_BULLET: Final = re.compile(r"^[•\ufffd]\s*")


@dataclass
class _Cell:
    """A cell in the making: its lines, and the page that each stands on."""

    column: float
    lines: list[Line]
    width: float


@dataclass
class _Row:
    page: int
    cells: list[_Cell]

    def texts(self) -> list[str]:
        return ["".join("".join(line.text for line in cell.lines).split()) for cell in self.cells]


@dataclass
class _Table:
    """A table, over as many pages as it runs."""

    x0: float
    x1: float
    rows: list[_Row] = field(default_factory=list)
    columns: set[float] = field(default_factory=set)


@dataclass
class _Edges:
    """Left and right edge of running text."""

    left: float
    right: float


@dataclass
class _Page:
    number: int
    width: float
    height: float
    lines: list[Line]
    grids: list[Grid]
    edges: dict[int, _Edges] = field(default_factory=dict)


def read_pdf(
    data: bytes, file: str, limits: DocumentLimits, listener: Listener
) -> tuple[tuple[Block, ...], list[Finding]]:
    """Return blocks and findings of a PDF with text.

    Page headers, footers and page numbers are left out, lines joined to paragraphs over columns and pages, and the cells of
    ruled tables kept whole. Rotated and invisible text is left out.

    Raises
    ------
    InputError
        The file is encrypted, damaged, a scan, or beyond the limits.
    """
    document = _open(data, file)
    try:
        contents, pages = _contents(document, file, limits, listener)
    finally:
        document.close()
    findings = check_pages(contents, file)
    furniture = find_furniture(
        [page.lines for page in pages], [page.height for page in pages], [bool(page.grids) for page in pages]
    )
    examples = [line.text for page in pages for line in page.lines if id(line) in furniture]
    for page in pages:
        page.lines = [line for line in page.lines if id(line) not in furniture]
    _set_edges(pages)
    out = BlockList()
    _Flow(out).run(pages)
    blocks, _, more = number_blocks(out.blocks, file)
    if furniture:
        findings.append(furniture_finding(file, len(furniture), examples[0]))
    return blocks, [*findings, *more]


def _open(data: bytes, file: str) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise refuse_encrypted(file, "PDF") from error
        raise refuse_damaged(file, "PDF", str(error)) from error
    return document


def _contents(
    document: pdfium.PdfDocument, file: str, limits: DocumentLimits, listener: Listener
) -> tuple[list[PageContent], list[_Page]]:
    """Return the content of each page, its characters joined to lines already."""
    count = len(document)
    if count == 0:
        raise refuse_damaged(file, "PDF", "it has no page")
    if count > limits.pages:
        raise refuse_large(file, "the PDF", count, limits.pages, "pages")
    contents: list[PageContent] = []
    pages: list[_Page] = []
    total = 0
    for index in range(count):
        try:
            content = read_page(document, index, limits.page_characters + 1)
        except pdfium.PdfiumError as error:
            raise refuse_damaged(file, "PDF", f"page {index + 1}: {error}") from error
        total += content.count
        if content.count > limits.page_characters:
            raise refuse_large(file, f"page {index + 1}", content.count, limits.page_characters, "characters or more")
        if total > limits.characters:
            raise refuse_large(file, "the text", total, limits.characters, "characters or more")
        pages.append(_page(content, index + 1))
        content.letters = []
        contents.append(content)
        listener("document", index + 1, count)
    return contents, pages


def _page(content: PageContent, number: int) -> _Page:
    grids = find_grids(content.rules) if content.rules else []
    letters = content.letters
    if grids:
        letters = [letter for letter in letters if not any(grid.take(letter) for grid in grids)]
        grids = [grid for grid in grids if any(grid.letters.values())]
    lines = lines_of(letters, number)
    return _Page(number, content.width, content.height, lines, grids)


# Paragraphs -----------------------------------------------------------------------------------------------------------


def _set_edges(pages: list[_Page]) -> None:
    """Put lines into reading order and find the left and right edge of text on each page and column."""
    whole: defaultdict[tuple[int, int], list[Line]] = defaultdict(list)
    gutter: float | None = None
    for page in pages:
        page.lines, gutter = _ordered(page, gutter)
        for line in page.lines:
            whole[round(page.width), line.column].append(line)
    usual = {key: _wide_enough(_edges(lines), key) for key, lines in whole.items()}
    for page in pages:
        columns: defaultdict[int, list[Line]] = defaultdict(list)
        for line in page.lines:
            columns[line.column].append(line)
        for column, lines in columns.items():
            common = usual[round(page.width), column]
            own = _edges(lines)
            long = sum(line.x1 - line.x0 > 0.8 * (common.right - common.left) for line in lines)
            page.edges[column] = own if long >= _FEWEST_LONG else common


def _wide_enough(edges: _Edges, key: tuple[int, int]) -> _Edges:
    """Widen edges that short lines alone gave to margins of one width."""
    width, column = key
    if column or edges.right - edges.left > 0.5 * width:
        return edges
    return _Edges(edges.left, max(edges.right, width - edges.left))


def _ordered(page: _Page, gutter: float | None) -> tuple[list[Line], float | None]:
    """Return the lines between tables in reading order, table after table, and the gap between columns at the end."""
    tops = [grid.ys[0] for grid in page.grids]
    parts: defaultdict[int, list[Line]] = defaultdict(list)
    for line in page.lines:
        parts[sum(line.y < top for top in tops)].append(line)
    ordered: list[Line] = []
    for part in sorted(parts):
        lines, gutter = reading_order(parts[part], page.width, gutter)
        ordered += lines
    return ordered, gutter


def _edges(lines: Iterable[Line]) -> _Edges:
    lines = list(lines)
    widest = max(line.x1 - line.x0 for line in lines)
    long = [line for line in lines if line.x1 - line.x0 > 0.8 * widest]
    left, _ = Counter(round(line.x0) for line in long).most_common(1)[0]
    ends = sorted(line.x1 for line in long)
    return _Edges(min(float(left), min(line.x0 for line in long) + 2 * long[0].em), ends[int(0.8 * (len(ends) - 1))])


class _Flow:
    """Lines and tables of page after page become blocks."""

    def __init__(self, out: BlockList) -> None:
        self.out = out
        self.paragraph: list[Line] = []
        self.notes: list[list[Line]] = []
        self.table: _Table | None = None
        self.edges = _Edges(0.0, 0.0)
        self.pitch = 0.0
        self.body = 0.0

    def run(self, pages: Sequence[_Page]) -> None:
        """Read pages to the end."""
        sizes = Counter[float]()
        pitches = Counter[int]()
        for page in pages:
            for before, line in zip([None, *page.lines], page.lines, strict=False):
                sizes[round(line.em * 2) / 2] += len(line.text)
                if before is not None and 0 < before.y - line.y < 4 * line.em:
                    pitches[round(before.y - line.y)] += 1
        self.pitch = float(pitches.most_common(1)[0][0]) if pitches else 0.0
        self.body = sizes.most_common(1)[0][0] if sizes else 0.0
        for page in pages:
            notes = _footnotes(page, self.body)
            marks = {found[0] for line in notes if (found := re.match(r"\d{1,3}|[①-⑳]", line.text))}
            tables = list(page.grids)
            for line in page.lines:
                while tables and line.y < tables[0].ys[0]:
                    self._grid(tables.pop(0), page)
                if line in notes:
                    self._note(line, marks)
                else:
                    self._line(_without_marks(line, marks) if marks else line, page)
            for grid in tables:
                self._grid(grid, page)
        self._close()

    def _note(self, line: Line, marks: set[str]) -> None:
        starts = re.match(r"\d{1,3}|[①-⑳]", line.text)
        if starts or not self.notes:
            line.text = line.text[starts.end() :].lstrip() if starts else line.text
            self.notes.append([line])
        else:
            self.notes[-1].append(line)

    def _line(self, line: Line, page: _Page) -> None:
        edges = page.edges[line.column]
        self._end_table()
        if self.paragraph and self._ends(self.paragraph, line, edges, page):
            self._end_paragraph()
        self.paragraph.append(line)
        self.edges = edges

    def _ends(self, lines: list[Line], line: Line, edges: _Edges, page: _Page) -> bool:
        """Return whether a paragraph ends before a line."""
        last = lines[-1]
        em = max(last.em, line.em)
        same_page = last.page == line.page and last.column == line.column
        if abs(last.em - line.em) > 0.12 * em or is_contents_line(last.text) or is_contents_line(line.text):
            return True
        if same_page and last.y - line.y > max(1.6 * self.pitch, 1.9 * em) and last.y > line.y:
            return True
        indented = line.x0 - edges.left > 1.2 * em
        full = last.x1 > self.edges.right - 1.6 * em
        centred = _is_centred(line, edges, em)
        if same_page and em > 1.15 * self.body and _is_even(line, edges, em) and _is_even(last, self.edges, em):
            return bool(_HEAD.match(line.text))  # a title over several lines
        if centred and _is_centred(last, self.edges, em):
            return True
        if indented:
            hanging = full and abs(line.x0 - last.x0) < 0.5 * em and len(lines) > 1
            after_mark = full and abs(line.x0 - last.x0) < 0.5 * em and not last.text.rstrip().endswith(_ENDS)
            return not (hanging or after_mark) or (hanging and bool(_HEAD.match(line.text)))
        if _is_centred(last, self.edges, em):
            return True
        if not full:
            first = lines[0].x0 - self.edges.left > 1.2 * em  # begun with an indent, a line without one runs on
            return last.x1 < self.edges.right - 5 * em or (not first and last.text[-1] in "。；！？：)）")
        return last.text.rstrip().endswith(_ENDS) and bool(_HEAD.match(line.text))

    def _end_paragraph(self) -> None:
        if self.paragraph:
            self._write(self.paragraph, "")
            self.paragraph = []
        for note in self.notes:
            self._write(note, "footnote")
        self.notes = []

    def _write(self, lines: list[Line], style: str) -> None:
        text, pages = _joined(lines)
        bullet = _BULLET.match(text)
        if bullet:
            text = text[bullet.end() :]
            pages = [(max(0, at - bullet.end()), page) for at, page in pages]
        self.out.paragraph(text, style=style, page=lines[0].page, pages=tuple(pages))

    def _close(self) -> None:
        self._end_paragraph()
        self._end_table()

    # Tables -----------------------------------------------------------------------------------------------------------

    def _grid(self, grid: Grid, page: _Page) -> None:
        self._end_paragraph()
        rows = _rows(grid, page.number)
        table = self.table
        near = 3.0
        if (
            table is not None
            and table.rows[-1].page == page.number - 1
            and (abs(table.x0 - grid.xs[0]) < near and abs(table.x1 - grid.xs[-1]) < near)
        ):
            rows = _without_header(table, rows)
            if rows and _continues(table, rows[0]):
                _extend(table.rows[-1], rows.pop(0))
        else:
            self._end_table()
            table = self.table = _Table(grid.xs[0], grid.xs[-1])
        table.rows += rows
        table.columns.update(grid.xs[:-1])

    def _end_table(self) -> None:
        table, self.table = self.table, None
        if table is None:
            return
        starts: list[float] = []
        for x in sorted(table.columns):
            if not starts or x - starts[-1] > 4:
                starts.append(x)
        number = self.out.table()
        for row_number, row in enumerate(table.rows, start=1):
            for cell in row.cells:
                column = sum(start <= cell.column + 4 for start in starts)
                text, pages = _cell_text(cell)
                self.out.cell(
                    text, table=number, row=row_number, column=column, page=cell.lines[0].page, pages=tuple(pages)
                )


def _footnotes(page: _Page, body: float) -> list[Line]:
    """Return the lines in small print at the foot of a page that begin with a mark."""
    small: list[Line] = []
    for line in sorted(page.lines, key=lambda line: line.y):
        if line.em >= 0.87 * body or line.y > 0.4 * page.height:
            break
        small.insert(0, line)
    start = next((index for index, line in enumerate(small) if re.match(r"\d{1,3}(?![\d.%、])|[①-⑳]", line.text)), None)
    return [] if start is None else small[start:]


def _without_marks(line: Line, marks: set[str]) -> Line:
    """Leave out the raised marks that refer to the notes of the page."""
    kept = [
        segment
        for index, segment in enumerate(line.segments)
        if not (
            segment.text in marks
            and index
            and segment.y > line.y + 0.15 * line.em
            and not line.segments[index - 1].text.endswith(("m", "M"))
        )
    ]
    if len(kept) == len(line.segments) or not kept:
        return line
    return Line("".join(segment.text for segment in kept), *_place(line), kept)


def _place(line: Line) -> tuple[float, float, float, float, int, int]:
    return line.x0, line.x1, line.y, line.em, line.page, line.column


def _is_even(line: Line, edges: _Edges, em: float) -> bool:
    """Return whether a line keeps the same distance from both edges."""
    return abs((line.x0 - edges.left) - (edges.right - line.x1)) < 1.5 * em


def _is_centred(line: Line, edges: _Edges, em: float) -> bool:
    return line.x0 - edges.left > 2.5 * em and edges.right - line.x1 > 1.2 * em and _is_even(line, edges, em)


def _joined(lines: Sequence[Line]) -> tuple[str, list[tuple[int, int]]]:
    """Return lines as one text, words and numbers over line breaks joined, and where further pages begin."""
    text = lines[0].text
    pages: list[tuple[int, int]] = []
    for before, line in itertools.pairwise(lines):
        if re.search(r"[a-z]-$", text) and re.match(r"[a-z]", line.text):
            text = text[:-1]
        elif re.search(r"[A-Za-z,.;:]$", text) and re.match(r"[A-Za-z(]", line.text):
            text += " "
        if line.page != before.page:
            pages.append((len(text), line.page))
        text += line.text
    return text, pages


def _cell_text(cell: _Cell) -> tuple[str, list[tuple[int, int]]]:
    """Return the lines of a cell as one text; a paragraph within it ends at a short line."""
    right = max(line.x1 for line in cell.lines)
    paragraphs: list[list[Line]] = [[cell.lines[0]]]
    for before, line in zip(cell.lines, cell.lines[1:], strict=False):
        short = before.x1 < right - 1.6 * before.em
        ended = before.text.rstrip().endswith(_ENDS) or _HEAD.match(line.text)
        if (short and ended) or (ended and _HEAD.match(line.text)):
            paragraphs.append([line])
        else:
            paragraphs[-1].append(line)
    text = ""
    pages: list[tuple[int, int]] = []
    for lines in paragraphs:
        text += "\n" if text else ""
        part, breaks = _joined(lines)
        last = paragraphs[0][0].page if not pages else pages[-1][1]
        if lines[0].page != last:
            pages.append((len(text), lines[0].page))
        pages += [(at + len(text), page) for at, page in breaks]
        text += part
    return text, pages


def _rows(grid: Grid, page: int) -> list[_Row]:
    spans: dict[tuple[int, int], int] = {}
    for (_, column), owner in grid.owner.items():
        spans[owner] = max(spans.get(owner, 0), column)
    rows: defaultdict[int, list[_Cell]] = defaultdict(list)
    for row, column in sorted(grid.cells):
        lines = lines_of(grid.letters[row, column], page) if grid.letters[row, column] else []
        cell = _Cell(grid.xs[column], lines, grid.xs[spans[row, column] + 1] - grid.xs[column])
        if lines:
            rows[row].append(cell)
    return [_Row(page, rows[row]) for row in sorted(rows)]


def _without_header(table: _Table, rows: list[_Row]) -> list[_Row]:
    """Leave out the rows at the head of a table that a further page repeats."""
    count = 0
    while count < min(3, len(rows), len(table.rows)) and rows[count].texts() == table.rows[count].texts():
        count += 1
    return rows[count:]


def _key_column(table: _Table) -> float | None:
    """Return the leftmost column in which nearly every row holds something."""
    filled = Counter(round(cell.column / 4) for row in table.rows for cell in row.cells)
    keys = [place for place, count in filled.items() if count >= 0.8 * len(table.rows)]
    return min(keys) * 4.0 if keys else None


def _continues(table: _Table, row: _Row) -> bool:
    """Return whether the first row of a page is the rest of the last one of the page before."""
    last = table.rows[-1]
    places = [cell.column for cell in row.cells]
    known = [cell.column for cell in last.cells]
    if any(all(abs(place - other) > 4 for other in known) for place in places):
        return False
    key = _key_column(table)
    if (
        key is not None
        and all(abs(place - key) > 4 for place in places)
        and any(abs(place - key) <= 4 for place in known)
    ):
        return True
    pairs = [(old, new) for old in last.cells for new in row.cells if abs(old.column - new.column) <= 4]
    return bool(pairs) and len(pairs) < len(last.cells) and all(_unfinished(old) for old, _ in pairs)


def _unfinished(cell: _Cell) -> bool:
    line = cell.lines[-1]
    return line.x1 > cell.column + cell.width - 2.2 * line.em and not line.text.rstrip().endswith(_ENDS)


def _extend(last: _Row, row: _Row) -> None:
    last.page = row.page
    for cell in row.cells:
        old = next(old for old in last.cells if abs(old.column - cell.column) <= 4)
        old.lines += cell.lines

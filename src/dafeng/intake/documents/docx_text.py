"""The text of a .docx as its reader sees it: body, tables, text boxes and notes in order, insertions in, deletions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from dafeng.base.document import Block, DocumentComment
from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener
from dafeng.intake.documents.blocks import BlockList, number_blocks
from dafeng.intake.documents.characters import clean
from dafeng.intake.documents.docx_numbering import Numbering, W, WordStyle, read_styles
from dafeng.intake.documents.limits import DocumentLimits, document_finding, refuse_damaged, refuse_large
from dafeng.intake.documents.office_archive import OfficeArchive

__all__ = ["read_docx"]

_STRICT: Final = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_CHOICE: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_GONE: Final = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}pPr", f"{W}rPr", f"{W}sdtPr", f"{W}tblPr", f"{_CHOICE}Fallback"}
)
_TEXTS: Final = frozenset({f"{W}t", f"{_MATH}t"})
_SIGNS: Final = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_NOTES: Final = {f"{W}footnoteReference": "footnote", f"{W}endnoteReference": "endnote"}
_SYMBOLS: Final = {"F0A3": "□", "F0A8": "□", "F052": "☑", "F0FE": "☑"}
"""Boxes to tick, in the symbol fonts Wingdings and Wingdings 2."""
_DEEPEST: Final = 200


@dataclass
class _Paragraph:
    """A paragraph in the making: its text, and what hangs on its characters."""

    style: str = ""
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    marks: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[etree._Element] = field(default_factory=list)
    page: int = 1
    pages: list[tuple[int, int]] = field(default_factory=list)

    def add(self, text: str) -> None:
        text = clean(text)
        self.pieces.append(text)
        self.length += len(text)


@dataclass
class _Reader:
    file: str
    limits: DocumentLimits
    listener: Listener
    styles: dict[str, WordStyle]
    default_style: str
    numbering: Numbering
    notes: dict[tuple[str, str], etree._Element]
    paged: bool
    out: BlockList = field(default_factory=BlockList)
    marks: list[tuple[str, str, int | None, int]] = field(default_factory=list)
    page: int = 1
    open_fields: list[bool] = field(default_factory=list)
    tracked: int = 0
    pending: _Paragraph | None = None

    # Blocks -----------------------------------------------------------------------------------------------------------

    def body(self, parent: etree._Element, depth: int = 0) -> None:
        self._deep(depth)
        for element in parent:
            tag = element.tag
            if tag == f"{W}p":
                paragraph = self._continued(element)
                if paragraph is not None:
                    self._flush(paragraph)
            elif tag == f"{W}tbl":
                self._table(element, depth + 1)
            elif tag in (f"{W}commentRangeStart", f"{W}commentRangeEnd"):
                self._loose_mark(tag.removeprefix(f"{W}comment"), element.get(f"{W}id", ""))
            elif tag not in _GONE and isinstance(tag, str):
                self.body(element, depth + 1)

    def _loose_mark(self, kind: str, name: str) -> None:
        """Keep a mark between paragraphs: a start belongs to the next block, an end to the last."""
        count = len(self.out.blocks)
        if kind == "RangeStart":
            self.marks.append((kind, name, count, 0))
        elif count:
            self.marks.append((kind, name, count - 1, len(self.out.blocks[-1].text)))

    def _deep(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise refuse_damaged(self.file, ".docx", f"elements are nested more than {_DEEPEST} deep")

    def _continued(self, element: etree._Element) -> _Paragraph | None:
        """Return the paragraph, None while its mark is deleted, so that the next one runs on."""
        paragraph = self._paragraph(element, self.pending)
        deleted = element.find(f"{W}pPr/{W}rPr/{W}del") is not None
        self.pending = paragraph if deleted else None
        return None if deleted else paragraph

    def _paragraph(self, element: etree._Element, started: _Paragraph | None) -> _Paragraph:
        properties = element.find(f"{W}pPr")
        named = properties.find(f"{W}pStyle") if properties is not None else None
        style = named.get(f"{W}val", "") if named is not None else self.default_style
        known = self.styles.get(style)
        paragraph = started or _Paragraph(style=known.name if known is not None else style, page=self.page)
        label = self.numbering.label(properties, style) if started is None else ""
        before = paragraph.length
        if known is None or not known.hidden:
            self._runs(element, paragraph, 0)
        if label and paragraph.length > before:
            self._shift(paragraph, len(label))
            paragraph.pieces.insert(0, label)
            paragraph.length += len(label)
        return paragraph

    @staticmethod
    def _shift(paragraph: _Paragraph, by: int) -> None:
        paragraph.marks = [(kind, name, at + by) for kind, name, at in paragraph.marks]
        paragraph.pages = [(at + by, page) for at, page in paragraph.pages]

    def _flush(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.pieces)
        page = paragraph.page if self.paged else None
        index = self.out.paragraph(text, style=paragraph.style, page=page, pages=tuple(paragraph.pages))
        self._after(paragraph, index, 0)

    def _after(self, paragraph: _Paragraph, index: int | None, offset: int) -> None:
        """Keep the marks of a paragraph, and read what hangs on it: text boxes, then notes."""
        self.marks += [(kind, name, index, at + offset) for kind, name, at in paragraph.marks]
        if self.out.characters > self.limits.characters:
            raise refuse_large(self.file, "the text", self.out.characters, self.limits.characters, "characters")
        for box in paragraph.boxes:
            self.body(box, 1)
        for kind, name in paragraph.notes:
            note = self.notes.pop((kind, name), None)
            if note is not None:
                count = len(self.out.blocks)
                self.body(note, 1)
                for position in range(count, len(self.out.blocks)):
                    self.out.blocks[position] = _styled(self.out.blocks[position], kind)

    # Runs -------------------------------------------------------------------------------------------------------------

    def _runs(self, parent: etree._Element, paragraph: _Paragraph, depth: int) -> None:
        self._deep(depth)
        for element in parent:
            tag = element.tag
            if tag in _TEXTS:
                if not any(self.open_fields):
                    paragraph.add(element.text or "")
            elif tag in _GONE:
                self.tracked += tag in (f"{W}del", f"{W}moveFrom")
            elif tag == f"{W}r":
                if not _hidden(element):
                    self._runs(element, paragraph, depth + 1)
            elif tag in _SIGNS:
                if element.get(f"{W}type") not in ("page", "column"):
                    paragraph.add(_SIGNS[tag])
            elif tag == f"{W}txbxContent":
                paragraph.boxes.append(element)
            elif tag == f"{W}ruby":
                for base in element.findall(f"{W}rubyBase"):
                    self._runs(base, paragraph, depth + 1)
            elif isinstance(tag, str):
                self._mark(element, tag, paragraph)
                if len(element):
                    self._runs(element, paragraph, depth + 1)

    def _mark(self, element: etree._Element, tag: str, paragraph: _Paragraph) -> None:
        """Take what stands between the letters: comments, notes, fields, symbols, page breaks."""
        if tag == f"{W}fldChar":
            kind = element.get(f"{W}fldCharType")
            if kind == "begin":
                self.open_fields.append(True)
            elif self.open_fields and kind == "separate":
                self.open_fields[-1] = False
            elif self.open_fields and kind == "end":
                self.open_fields.pop()
        elif tag in (f"{W}commentRangeStart", f"{W}commentRangeEnd", f"{W}commentReference"):
            kind = tag.removeprefix(f"{W}comment")
            paragraph.marks.append((kind, element.get(f"{W}id", ""), paragraph.length))
        elif tag in _NOTES:
            paragraph.notes.append((_NOTES[tag], element.get(f"{W}id", "")))
        elif tag == f"{W}sym":
            code = element.get(f"{W}char", "").upper()
            if code in _SYMBOLS:
                paragraph.add(_SYMBOLS[code])
            elif code and not code.startswith("F0") and all(letter in "0123456789ABCDEF" for letter in code):
                paragraph.add(chr(int(code[-4:], 16)))
        elif tag == f"{W}lastRenderedPageBreak" and self.paged:
            self.page += 1
            if paragraph.length:
                paragraph.pages.append((paragraph.length, self.page))
            else:
                paragraph.page = self.page

    # Tables -----------------------------------------------------------------------------------------------------------

    def _table(self, table: etree._Element, depth: int) -> None:
        self._deep(depth)
        rows = [row for row in _within(table, f"{W}tr") if row.find(f"{W}trPr/{W}del") is None]
        cells = [(number, _within(row, f"{W}tc"), row) for number, row in enumerate(rows, start=1)]
        if len(cells) == 1 and len(cells[0][1]) == 1:  # a frame around text
            self.body(cells[0][1][0], depth + 1)
            return
        name = self.out.table()
        for number, row_cells, row in cells:
            column = 1 + _span(row.find(f"{W}trPr/{W}gridBefore"), 0)
            for cell in row_cells:
                properties = cell.find(f"{W}tcPr")
                merged = properties.find(f"{W}vMerge") if properties is not None else None
                if merged is None or merged.get(f"{W}val") == "restart":
                    self._cell(cell, name, number, column, depth)
                column += _span(properties.find(f"{W}gridSpan") if properties is not None else None, 1)

    def _cell(self, cell: etree._Element, table: int, row: int, column: int, depth: int) -> None:
        paragraphs: list[_Paragraph] = []
        nested: list[etree._Element] = []
        page = self.page
        for element in _within(cell, f"{W}p", f"{W}tbl"):
            if element.tag == f"{W}tbl":
                nested.append(element)
            elif (paragraph := self._continued(element)) is not None:
                paragraphs.append(paragraph)
        offsets, texts, pages, total = [], [], [], 0
        for paragraph in paragraphs:
            offsets.append(total)
            texts.append("".join(paragraph.pieces))
            pages += [(at + total, number) for at, number in paragraph.pages]
            if paragraph.page != page and not paragraph.pages and total == 0:
                page = paragraph.page
            total += paragraph.length + 1
        style = paragraphs[0].style if paragraphs else ""
        index = self.out.cell(
            "\n".join(texts),
            table=table,
            row=row,
            column=column,
            style=style,
            page=page if self.paged else None,
            pages=tuple(pages),
        )
        for paragraph, offset in zip(paragraphs, offsets, strict=True):
            self._after(paragraph, index, offset)
        for element in nested:
            self._table(element, depth + 1)


def _styled(block: Block, style: str) -> Block:
    return Block(
        block.text, block.kind, block.number, block.page, block.pages, block.table, block.row, block.column, style
    )


def _span(element: etree._Element | None, absent: int) -> int:
    text = element.get(f"{W}val", "") if element is not None else ""
    return int(text) if text.isdigit() and len(text) < 5 else absent


def _hidden(run: etree._Element) -> bool:
    vanish = run.find(f"{W}rPr/{W}vanish")
    return vanish is not None and vanish.get(f"{W}val") not in ("0", "false", "off")


def _within(parent: etree._Element, *tags: str) -> list[etree._Element]:
    """Return the children of these tags, wrappers such as content controls and insertions looked through."""
    found: list[etree._Element] = []
    waiting = list(reversed(parent))
    while waiting:
        element = waiting.pop()
        if element.tag in tags:
            found.append(element)
        elif isinstance(element.tag, str) and element.tag not in _GONE and element.tag not in (f"{W}tr", f"{W}tc"):
            waiting.extend(reversed(element))
    return found


def _to_transitional(root: etree._Element) -> etree._Element:
    """Rename the elements and attributes of a file in the strict form to the usual ones."""
    if not root.tag.startswith(_STRICT):
        return root
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith(_STRICT):
            element.tag = W + element.tag[len(_STRICT) :]
        for name, value in list(element.attrib.items()):
            if name.startswith(_STRICT):
                element.set(W + name[len(_STRICT) :], value)
    return root


def read_docx(
    data: bytes, file: str, limits: DocumentLimits, listener: Listener
) -> tuple[tuple[Block, ...], tuple[DocumentComment, ...], list[Finding]]:
    """Return blocks, comments and findings of a .docx.

    Headers and footers are left out; numbers that Word sets before paragraphs are written out; notes follow the paragraph
    that refers to them; a comment concerns the stretch that it marks.

    Raises
    ------
    InputError
        The file is encrypted, damaged, a zip bomb or beyond the limits.
    """
    archive = OfficeArchive(data, file, limits)
    folder = "word/"

    def part(name: str) -> etree._Element | None:
        return _to_transitional(archive.tree(folder + name)) if folder + name in archive.names else None

    root = part("document.xml")
    if root is None:
        raise refuse_damaged(file, ".docx", "the archive holds no word/document.xml")
    listener("document", 0, 1)
    try:
        styles, default = read_styles(part("styles.xml"))
        notes = {
            (kind, note.get(f"{W}id", "")): note
            for kind in ("footnote", "endnote")
            for note in _notes(part(f"{kind}s.xml"), kind)
        }
        paged = next(root.iter(f"{W}lastRenderedPageBreak"), None) is not None
        reader = _Reader(
            file, limits, listener, styles, default, Numbering(part("numbering.xml"), styles), notes, paged
        )
        for body in root.iter(f"{W}body"):
            reader.body(body)
        comments = part("comments.xml")
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise refuse_damaged(file, ".docx", str(error)) from error
    blocks, kept, findings = number_blocks(reader.out.blocks, file)
    if reader.tracked:
        findings.append(
            document_finding(
                "intake.document.tracked-changes",
                f"文件带有修订痕迹：{reader.tracked} 处删除未读入，插入的文字按正文读入",
                file,
                next_step="请先接受或拒绝全部修订，再读取定稿",
                deletions=reader.tracked,
            )
        )
    listener("document", 1, 1)
    return blocks, _comments(comments, reader.marks, blocks, kept), findings


def _notes(root: etree._Element | None, kind: str) -> list[etree._Element]:
    return [] if root is None else root.findall(f"{W}{kind}")


def _comments(
    root: etree._Element | None,
    marks: list[tuple[str, str, int | None, int]],
    blocks: tuple[Block, ...],
    kept: list[int],
) -> tuple[DocumentComment, ...]:
    if root is None:
        return ()
    starts, total = [], 0
    for block in blocks:
        starts.append(total)
        total += sum(map(len, block.text.split()))

    def offset(index: int | None, at: int) -> int:
        if index is None or index >= len(kept) or kept[index] < 0:
            return 0
        place = kept[index]
        return starts[place] + sum(map(len, blocks[place].text[:at].split()))

    found: dict[str, dict[str, tuple[int | None, int]]] = {}
    for kind, name, index, at in marks:
        found.setdefault(name, {}).setdefault(kind, (index, at))
    comments = []
    for element in root.findall(f"{W}comment"):
        places = found.get(element.get(f"{W}id", ""))
        if places is None:
            continue
        reference = places.get("Reference") or places.get("RangeEnd") or next(iter(places.values()))
        first = places.get("RangeStart")
        start = offset(*first) if first is not None else offset(reference[0], 0)
        end = offset(*(places.get("RangeEnd") or reference))
        paragraphs = ["".join(item.text or "" for item in line.iter(f"{W}t")) for line in element.iter(f"{W}p")]
        text = clean("\n".join(paragraphs).strip())
        author = element.get(f"{W}author", "")
        comments.append(DocumentComment(text=text, author=author, start=start, end=max(start, end)))
    return tuple(comments)

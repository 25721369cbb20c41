"""The plan document itself with comments at its sentences: what was read there, how sure that is, and a line to decide in.

Of a .docx the comments are set into a copy, whose text and look stay as they were; of other formats into a new document of
the same text. Where each letter of a .docx stands is asked of the reader of documents, so that both always agree.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Any, Final
from zipfile import BadZipFile

import docx
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt
from docx.text.run import Run

from dafeng.base.document import Block, BlockKind, DocumentText
from dafeng.base.errors import DafengError
from dafeng.base.listener import silent
from dafeng.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject
from dafeng.intake.documents.characters import clean
from dafeng.intake.documents.docx_text import read_docx
from dafeng.intake.documents.limits import DocumentLimits
from dafeng.plans.read_records import NumberFate, ReadDuty, ReadPlan, ReadTarget
from dafeng.plans.review_words import FIELD_HEADS, SUBJECT_WORDS, ReviewItem, field_texts, own_fields, review_items
from dafeng.reports.packing import normalise_package
from dafeng.reports.plan_review import LOW_CONFIDENCE
from dafeng.reports.plan_review_rows import doubts, open_indicator
from dafeng.reports.wording import date_zh

__all__ = ["COMMENT_AUTHOR", "review_comments"]

COMMENT_AUTHOR: Final = "dafeng"
"""Author of the comments; whoever answers signs with an own name."""
_LINES: Final = {
    DecisionSubject.TARGET: (
        ("indicator",),
        ("comparator", "value", "value_max", "unit", "by"),
        ("measure", "base", "change", "start", "scope"),
        ("bodies",),
    ),
    DecisionSubject.OBLIGATION: (("when",), ("require",), ("strength", "from")),
}
"""Fields that stand on one line of a comment."""


@dataclass(frozen=True)
class _Remark:
    """A comment and the stretch that it concerns."""

    start: int
    end: int
    text: str


@dataclass
class _Piece:
    """A run of a document and the letters of `DocumentText.plain` that stand in it."""

    run: Any
    start: int
    end: int


def review_comments(
    reading: ReadPlan,
    document: DocumentText,
    catalog: Catalog,
    *,
    original: bytes | None,
    plan_id: str,
    as_of: date,
) -> bytes:
    """Return the document with a comment at every target, duty and unclaimed number.

    Parameters
    ----------
    reading : ReadPlan
        As read, without decisions.
    document : DocumentText
        The document that was read.
    catalog : Catalog
    original : bytes or None
        The .docx that was read; None for other formats.
    plan_id : str
    as_of : date
        Day of the comments.

    Returns
    -------
    bytes
        DOCX with the text of `document`; the same arguments give the same bytes.

    Notes
    -----
    A comment cannot stand in a text box or a footnote: such a one is set at the nearest words before. An original that cannot
    be copied without changing its text is replaced by a new document of the same text.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.reading import read_plan
    >>> lines = ("东川市绿色建筑工作方案", "一、重点任务", "（一）推广光伏。到2025年替代率达到9%。（市住建局负责）")
    >>> text = DocumentText("a.txt", "txt", "0" * 64, tuple(Block(line, number=1) for line in lines))
    >>> reading = read_plan(text, load_catalog())
    >>> review_comments(reading, text, load_catalog(), original=None, plan_id="a", as_of=date(2025, 1, 1))[:2]
    b'PK'
    """
    remarks = [_guide(document, plan_id, as_of), *_remarks(reading, document, catalog)]
    copied = _copied(original, document) if original is not None else None
    paper, pieces = copied if copied is not None else _written(document)
    _set(paper, _cut(pieces, remarks), remarks, as_of)
    target = io.BytesIO()
    paper.save(target)
    return normalise_package(target.getvalue())


# What the comments say ------------------------------------------------------------------------------------------------


def _guide(document: DocumentText, plan_id: str, as_of: date) -> _Remark:
    lines = (
        f"达峰读方案：{date_zh(as_of)}读出，请逐条复核。",
        "在每条批注末尾“决定：”之后填写，或答复该批注，三种写法：",
        "采纳",
        "驳回：理由",
        "修改：数值=33；期限=2030；理由：……（字段名同批注；清空填“无”）",
        "不写就是还没有决定。请勿删改各批注第一行的编号。",
        f"方案编号：{plan_id}",
        f"文件摘要：{document.sha256}",
    )
    title = sum(map(len, document.blocks[0].text.split())) if document.blocks else 0
    return _Remark(0, title, "\n".join(lines))


def _remarks(reading: ReadPlan, document: DocumentText, catalog: Catalog) -> Iterator[_Remark]:
    for item in review_items(reading, document):
        if isinstance(item.item, ReadTarget | ReadDuty):
            yield _Remark(*item.span, _words(item, item.item, document, catalog))
    for fate in reading.numbers:
        if fate.fate == "unclaimed":
            yield _Remark(fate.at.start, fate.at.end, _number(fate, document))


def _words(item: ReviewItem, read: ReadTarget | ReadDuty, document: DocumentText, catalog: Catalog) -> str:
    heads = FIELD_HEADS[item.subject]
    own = {name: value for name, value in own_fields(item).items() if value != []}
    texts = field_texts(own, catalog)
    lines = [f"【{SUBJECT_WORDS[item.subject]} {item.mark}】{item.anchor.label}"]
    if isinstance(read, ReadTarget) and "indicator" not in texts:
        lines.append(f"指标：{open_indicator(read, catalog)}")
    if isinstance(read, ReadDuty) and read.obligation is None:
        lines.append("适用条件：▲ 项目字段不能表达，待定")
    for names in _LINES[item.subject]:
        parts = [f"{heads[name]}：{texts[name]}" for name in names if name in texts]
        lines += ["　".join(parts)] if parts else []
    if isinstance(read, ReadDuty) and read.open_parts:
        lines.append("未能表达：" + "；".join(document.quote(at.start, at.end) for at in read.open_parts))
    sign = "▲ " if read.confidence < LOW_CONFIDENCE else ""
    reasons = "；".join(doubts(read))
    lines += [f"把握：{sign}{read.confidence:.0%}" + (f"（{reasons}）" if reasons else ""), "决定："]
    return "\n".join(lines)


def _number(fate: NumberFate, document: DocumentText) -> str:
    lines = (
        f"【数字 @{fate.at.start}-{fate.at.end}】{document.quote(fate.at.start, fate.at.end)}",
        "▲ 这个数没有归属：不是读出的目标或义务，也不合任何一种理由。",
        "如是目标，写：补录：名称=……；读法=时点水平；比较词=不低于；数值=……；单位=……；期限=……",
        "决定：",
    )
    return "\n".join(lines)


# Where they stand -----------------------------------------------------------------------------------------------------


def _copied(original: bytes, document: DocumentText) -> tuple[Document, list[_Piece]] | None:
    """Return a copy of a .docx and its runs; None where it cannot be opened or does not read as `document`."""
    try:
        probe, copy = docx.Document(io.BytesIO(original)), docx.Document(io.BytesIO(original))
        spans = _spans(probe, document)
    except (ValueError, KeyError, AttributeError, BadZipFile, DafengError):  # strict files, templates, macros
        return None
    if spans is None:
        return None
    runs = list(copy.element.body.iter(qn("w:r")))
    pieces = [_Piece(runs[index], start, end) for index, (start, end) in spans.items() if _may_hold(runs[index])]
    pieces.sort(key=lambda piece: (piece.start, piece.end))
    return (copy, pieces) if pieces else None


def _spans(probe: Document, document: DocumentText) -> dict[int, tuple[int, int]] | None:
    """Return for each run the letters that the reader of documents finds in it, by a comment of its own on a throw-away copy."""
    body = probe.element.body
    for mark in list(body.iter(qn("w:commentRangeStart"), qn("w:commentRangeEnd"), qn("w:commentReference"))):
        mark.getparent().remove(mark)
    comments = probe.comments._comments_elm
    for comment in list(comments):
        comments.remove(comment)
    for index, run in enumerate(list(body.iter(qn("w:r")))):
        for tag, place in (("w:commentRangeStart", run.addprevious), ("w:commentRangeEnd", run.addnext)):
            element = OxmlElement(tag)
            element.set(qn("w:id"), str(index))
            place(element)
        comment = OxmlElement("w:comment")
        comment.set(qn("w:id"), str(index))
        comment.set(qn("w:author"), str(index))
        comments.append(comment)
    target = io.BytesIO()
    probe.save(target)
    blocks, marks, _ = read_docx(target.getvalue(), document.file, DocumentLimits(), silent)
    if DocumentText(document.file, "docx", document.sha256, blocks).plain != document.plain:
        return None
    return {int(mark.author): (mark.start, mark.end) for mark in marks if mark.end > mark.start}


def _may_hold(run: Any) -> bool:
    """Whether a comment may be set at a run; text boxes and ruby take none."""
    barred = (qn("w:txbxContent"), qn("w:ruby"))
    return next(run.iterancestors(*barred), None) is None


def _written(document: DocumentText) -> tuple[Document, list[_Piece]]:
    """Return a new document of the same text, and its runs."""
    paper = docx.Document()
    normal = paper.styles["Normal"]
    normal.font.name, normal.font.size = "仿宋", Pt(14)
    normal.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "仿宋")
    paper.core_properties.title, paper.core_properties.author = document.file, COMMENT_AUTHOR
    pieces: list[_Piece] = []
    numbered = list(zip(document.blocks, document.starts, strict=True))
    for table, group in groupby(numbered, key=lambda pair: pair[0].table if pair[0].kind is BlockKind.CELL else None):
        if table is None:
            for number, (block, start) in enumerate(group):
                paragraph = paper.add_paragraph()
                if start == 0 and number == 0:
                    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
                else:
                    paragraph.paragraph_format.first_line_indent = Pt(28)
                pieces += _run(paragraph, block, start)
        else:
            pieces += _table(paper, list(group))
    return paper, pieces


def _table(paper: Document, cells: Sequence[tuple[Block, int]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    width = max(block.column or 1 for block, _ in cells)
    rows = sorted({block.row or 1 for block, _ in cells})
    grid = paper.add_table(rows=len(rows), cols=width, style="Table Grid")
    for block, start in cells:
        cell = grid.cell(rows.index(block.row or 1), (block.column or 1) - 1)
        pieces += _run(cell.paragraphs[0], block, start)
    paper.add_paragraph()
    return pieces


def _run(paragraph: Any, block: Block, start: int) -> list[_Piece]:
    text = block.text.strip()
    run = paragraph.add_run(text)
    return [_Piece(run._r, start, start + sum(map(len, text.split())))]


def _cut(pieces: list[_Piece], remarks: Sequence[_Remark]) -> list[_Piece]:
    """Return the pieces with runs split where a stretch begins or ends; looks stay as they are."""
    borders = sorted({border for remark in remarks for border in (remark.start, remark.end)})
    result: list[_Piece] = []
    for piece in pieces:
        inside = borders[bisect_right(borders, piece.start) : bisect_right(borders, piece.end - 1)]
        rest = piece
        for border in inside:
            head, tail = _split(rest, border)
            result.append(head)
            rest = tail
        result.append(rest)
    return result


def _split(piece: _Piece, border: int) -> tuple[_Piece, _Piece]:
    """Split a run before a letter; the second part gets the same properties."""
    run, wanted = piece.run, border - piece.start
    tail = OxmlElement("w:r")
    for name, value in run.attrib.items():
        tail.set(name, value)
    properties = run.find(qn("w:rPr"))
    moving: list[Any] = []
    for child in list(run):
        if child is properties:
            continue
        if wanted <= 0:
            moving.append(child)
            continue
        if child.tag != qn("w:t"):
            continue
        text = child.text or ""
        letters = sum(map(len, clean(text).split()))
        if letters > wanted:
            at = _place(text, wanted)
            second = deepcopy(child)
            child.text, second.text = text[:at], text[at:]
            for part in (child, second):
                part.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            moving.append(second)
        wanted -= letters
    if properties is not None:
        tail.append(deepcopy(properties))
    for child in moving:
        tail.append(child)
    run.addnext(tail)
    return _Piece(run, piece.start, border), _Piece(tail, border, piece.end)


def _place(text: str, letters: int) -> int:
    """Return the place in a text before which so many letters stand that are kept and are no white space."""
    count = 0
    for place, letter in enumerate(text):
        if count >= letters and not letter.isspace():
            return place
        count += len("".join(clean(letter).split()))
    return len(text)


def _set(paper: Document, pieces: Sequence[_Piece], remarks: Sequence[_Remark], as_of: date) -> None:
    """Set the comments, the innermost last, so that ranges lie within one another."""
    starts = [piece.start for piece in pieces]
    moment = datetime.combine(as_of, time(), UTC)
    for remark in sorted(remarks, key=lambda each: (each.start, -each.end)):
        first = max(0, bisect_right(starts, remark.start) - 1)
        last = first
        while last + 1 < len(pieces) and pieces[last + 1].start < remark.end:
            last += 1
        runs = [Run(pieces[first].run, paper), Run(pieces[last].run, paper)]
        comment = paper.add_comment(runs, remark.text, COMMENT_AUTHOR, "df")
        comment._comment_elm.date = moment

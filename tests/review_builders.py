"""A plan that was read, its review papers, and hands that fill them in as a person would."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import docx
import openpyxl

from dafeng.base.document import DocumentText
from dafeng.catalog import load_catalog
from dafeng.intake import read_document
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan
from dafeng.plans.reviewing import ReviewRead, read_review
from dafeng.reports.plan_comments import review_comments
from dafeng.reports.plan_review import review_workbook
from document_builders import plan_docx

__all__ = [
    "DAY",
    "PLAN_ID",
    "answer",
    "cell_of",
    "commented",
    "edited",
    "fill",
    "place_of",
    "read_back",
    "the_plan",
    "workbook",
]

PLAN_ID: Final = "yunling-2024"
DAY: Final = date(2025, 3, 1)
_FIRST_ROW: Final = 5


@cache
def the_plan() -> tuple[bytes, DocumentText, ReadPlan]:
    """Return the invented plan as .docx, as text and as read."""
    data = plan_docx()
    with TemporaryDirectory() as folder:
        path = Path(folder, "plan.docx")
        path.write_bytes(data)
        document = read_document(path)
    return data, document, read_plan(document, load_catalog())


def workbook(**given: Any) -> bytes:
    """Return the review workbook of the plan."""
    return _workbook(**given) if given else _plain_workbook()


@cache
def _plain_workbook() -> bytes:
    return _workbook()


def _workbook(**given: Any) -> bytes:
    _, document, reading = the_plan()
    return review_workbook(reading, document, load_catalog(), plan_id=PLAN_ID, as_of=DAY, **given)


@cache
def commented(*, copy: bool = True) -> bytes:
    """Return the plan with comments, in a copy or in a new document."""
    data, document, reading = the_plan()
    original = data if copy else None
    return review_comments(reading, document, load_catalog(), original=original, plan_id=PLAN_ID, as_of=DAY)


def read_back(data: bytes, *, by: str | None = "张三", **given: Any) -> ReviewRead:
    """Return the decisions in a review paper of the plan."""
    _, document, reading = the_plan()
    settings: dict[str, Any] = {"document": document, "reading": reading, "plan_id": PLAN_ID, "on": DAY} | given
    return read_review(data, catalog=load_catalog(), by=by, **settings)


def cell_of(sheet: Any, row: int, name: str) -> Any:
    """Return a cell by its number of the list (1 is the first) and the machine name of its column."""
    columns = {cell.value: cell.column for cell in sheet[1]}
    return sheet.cell(_FIRST_ROW + row - 1, columns[f"dafeng-review:{name}"])


def place_of(sheet: str, row: int, name: str) -> str:
    """Return the name of a cell of the review workbook."""
    place: str = cell_of(_opened(workbook())[sheet], row, name).coordinate
    return place


def edited(data: bytes, change: Callable[[Any], None]) -> bytes:
    """Return a workbook after a change by hand."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    change(book)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


@lru_cache(maxsize=4)
def _opened(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def fill(data: bytes, entries: Sequence[tuple[str, int, Mapping[str, object]]]) -> bytes:
    """Return a workbook with cells filled in: sheet, number of the row, column and value."""
    book = _opened(data)
    cells = [(cell_of(book[sheet], row, name), value) for sheet, row, texts in entries for name, value in texts.items()]
    before = [cell.value for cell, _ in cells]
    for cell, value in cells:
        cell.value = value
    target = io.BytesIO()
    book.save(target)
    for (cell, _), value in zip(cells, before, strict=True):  # the opened book serves the next test
        cell.value = value
    return target.getvalue()


def answer(data: bytes, answers: Mapping[int, str], *, reply_by: str = "") -> bytes:
    """Return a commented document with answers to comments (1 is the first after the guide): in the comment, or as reply."""
    document = docx.Document(io.BytesIO(data))
    comments = list(document.comments)
    for number, text in answers.items():
        comment = comments[number]
        if not reply_by:
            comment.paragraphs[-1].add_run(text)
            continue
        name = str(comment.comment_id)
        runs = [
            run for paragraph in document.element.body.iter(docx.oxml.ns.qn("w:p")) for run in _marked(paragraph, name)
        ]
        document.add_comment([docx.text.run.Run(run, document) for run in runs], text, reply_by, "")
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def _marked(paragraph: Any, name: str) -> list[Any]:
    inside, found = False, []
    for element in paragraph.iter():
        if element.get(docx.oxml.ns.qn("w:id")) == name:
            inside = inside or element.tag.endswith("RangeStart")
            if element.tag.endswith("RangeEnd"):
                inside = False
        elif inside and element.tag == docx.oxml.ns.qn("w:r"):
            found.append(element)
    return found

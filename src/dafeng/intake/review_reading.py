"""A review paper that came back, workbook or commented document, as entries of text: what a person wrote, and in which cell.

Nothing is judged here: the room of plans makes decisions of the entries. Columns of a workbook are told by the hidden row
above them, rows by their hidden anchor; comments by the mark in their first line, replies by the comment that they answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lxml import etree

from dafeng.base.errors import InputError
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.intake.documents.docx_numbering import W
from dafeng.intake.documents.limits import DocumentLimits
from dafeng.intake.documents.office_archive import OfficeArchive
from dafeng.intake.sheets import Limits, Sheet, cell_name
from dafeng.intake.workbook import read_xlsx

__all__ = ["ReviewEntry", "ReviewPaper", "read_review_paper"]

_FORMAT: Final = "dafeng-review/1"
_COLUMN: Final = "dafeng-review:"
_NO_ROW: Final = "#"
_MACHINE_ROWS: Final = 30
_W14: Final = "{http://schemas.microsoft.com/office/word/2010/wordml}"
_W15: Final = "{http://schemas.microsoft.com/office/word/2012/wordml}"
_MARK: Final = re.compile(r"【\s*(目标|义务|任务|数字)\s*([0-9a-f]{8}|@\d+-\d+)\s*】")
_DIGEST: Final = re.compile(r"文件摘要\s*[:：]\s*([0-9a-f]{64})")
_PLAN: Final = re.compile(r"方案编号\s*[:：]\s*([a-z0-9-]+)")
_ANSWER: Final = re.compile(r"^\s*决定\s*[:：]", re.MULTILINE)
_ANEW: Final = "用 dafeng plan read FILE --format xlsx（或 docx）生成复核表，填好后存为同一格式 / make it anew"
_SUBJECTS: Final = {"目标": "target", "义务": "obligation", "任务": "task", "数字": "number"}
_VERDICT: Final = re.compile(r"\s*(?:决定\s*[:：])?\s*(?:采纳|驳回|修改|补录)")


@dataclass(frozen=True)
class ReviewEntry:
    """One row or comment of a review paper.

    Parameters
    ----------
    subject : str
        target, obligation or task; number for a comment at an unclaimed number.
    key : str
        Anchor of the row, mark of the comment; empty for a row that the person added.
    texts : mapping
        Field to text, blank ones left out. A comment has ``answer`` and ``person``.
    cells : mapping
        Field to the name of its cell.
    sheet : str
        Worksheet, or the word for a comment.
    row : int
        Row, or number of the comment, counted from 1.
    before : str
        What stood in the row when the paper was made, as it was kept there.
    """

    subject: str
    key: str
    texts: Mapping[str, str]
    cells: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    row: int = 0
    before: str = ""


@dataclass(frozen=True)
class ReviewPaper:
    """A review paper as it came back.

    Parameters
    ----------
    file : str
    form : str
        xlsx or docx.
    plan, document : str
        Plan id and digest of the document that it was made for.
    listed : tuple of str
        Anchors of the rows that it was made with; empty for comments.
    entries : tuple of ReviewEntry
    """

    file: str
    form: str
    plan: str
    document: str
    listed: tuple[str, ...]
    entries: tuple[ReviewEntry, ...]


def read_review_paper(source: Path | bytes, *, file: str = "", limits: Limits | None = None) -> ReviewPaper:
    """Read a review workbook or a commented document.

    Parameters
    ----------
    source : Path or bytes
    file : str, optional
        Name for messages where bytes are given.
    limits : Limits, optional

    Raises
    ------
    InputError
        The file cannot be read, is damaged or beyond the limits, is no review paper, or has lost the hidden row and column
        by which its cells are known.
    """
    limits = limits or Limits()
    if isinstance(source, Path):
        file = file or source.name
        data = _load(source, file, limits)
    else:
        file, data = file or "review", source
    if len(data) > limits.workbook_bytes:
        raise _no_paper(file, f"it has {len(data):,} bytes, more than {limits.workbook_bytes:,}")
    if not data.startswith(b"PK"):
        raise _no_paper(file, "it is neither a workbook (.xlsx) nor a document (.docx)")
    kind = ".xlsx" if file.lower().endswith(".xlsx") else ".docx"
    archive = OfficeArchive(data, file, DocumentLimits(), kind=kind)
    if "word/document.xml" in archive.names:
        return _read_comments(archive, file)
    return _read_workbook(read_xlsx(data, file=file, limits=limits), file)


def _load(path: Path, file: str, limits: Limits) -> bytes:
    try:
        if path.stat().st_size > limits.workbook_bytes:
            raise _no_paper(file, f"it has more than {limits.workbook_bytes:,} bytes")
        return path.read_bytes()
    except OSError as error:
        next_step = "检查路径和权限 / check the path and the permissions"
        raise _no_paper(file, f"it cannot be read: {error.strerror}", next_step=next_step) from error


def _no_paper(file: str, problem: str, *, next_step: str = _ANEW) -> InputError:
    return InputError(
        f"{file}: {problem}",
        doing="read a review paper",
        expected="the workbook or commented document that dafeng made, saved as .xlsx or .docx",
        next_step=next_step,
        file=file,
        name="intake.review.no-review",
    )


# Workbook -------------------------------------------------------------------------------------------------------------


def _read_workbook(sheets: list[Sheet], file: str) -> ReviewPaper:
    machine = next((sheet for sheet in sheets if sheet.name == MACHINE_SHEET), None)
    facts: dict[str, str] = {}
    listed: list[str] = []
    for row in machine.frame.iter_rows() if machine is not None else ():
        if row and row[0] and len(row) > 1:
            facts.setdefault(row[0], row[1] or "")
            if row[0] == "row" and row[1]:
                listed.append(row[1])
    if facts.get("format") != _FORMAT:
        raise _no_paper(file, "it is a workbook, but no review paper: its hidden sheet is missing")
    entries = []
    made = {key.partition(" ")[0] for key in listed}
    for sheet in sheets:
        found = _rows(sheet) if sheet is not machine else None
        if found is None and _SUBJECTS.get(sheet.name) in made:
            raise _no_paper(
                file,
                f"工作表“{sheet.name}”隐藏的第1行或A列不见了，认不出各行各列 / sheet {sheet.name!r} has lost its hidden row or column",
                next_step=f"撤销对隐藏行列的删除；不能撤销时重新生成复核表，把已填的各列粘贴过去。{_ANEW}",
            )
        entries += found or []
    return ReviewPaper(file, "xlsx", facts.get("plan", ""), facts.get("document", ""), tuple(listed), tuple(entries))


def _rows(sheet: Sheet) -> list[ReviewEntry] | None:
    """Return the rows of a sheet of one subject, None where nothing marks its columns."""
    rows = sheet.frame.rows()
    head = next(
        (
            number
            for number, row in enumerate(rows[:_MACHINE_ROWS])
            if any((text or "").startswith(_COLUMN) for text in row)
        ),
        None,
    )
    if head is None:
        return None
    columns = {
        text.removeprefix(_COLUMN): place for place, text in enumerate(rows[head]) if text and text.startswith(_COLUMN)
    }
    subject = next((name.removeprefix("anchor:") for name in columns if name.startswith("anchor:")), None)
    if subject is None:
        return None
    anchor = columns.pop(f"anchor:{subject}")
    before = columns.pop("before", None)
    entries = []
    for number, row in enumerate(rows[head + 1 :], start=head + 1):
        key = (row[anchor] or "").strip()
        texts = {name: text for name, place in columns.items() if (text := (row[place] or "").strip())}
        if key == _NO_ROW or not (key or texts):
            continue
        cells = {name: cell_name(number, place) for name, place in columns.items()}
        kept = (row[before] or "") if before is not None else ""
        entries.append(ReviewEntry(subject, key, texts, cells, sheet.name, number + 1, kept))
    return entries


# Comments -------------------------------------------------------------------------------------------------------------


@dataclass
class _Comment:
    name: str
    author: str
    text: str
    paragraphs: tuple[str, ...]
    place: tuple[int, int] = (-1, -1)
    replies: list[_Comment] = field(default_factory=list)


def _read_comments(archive: OfficeArchive, file: str) -> ReviewPaper:
    if "word/comments.xml" not in archive.names:
        raise _no_paper(file, "it is a document without any comment")
    comments = _comments(archive)
    everything = "\n".join(comment.text for comment in comments)
    digest, plan = _DIGEST.search(everything), _PLAN.search(everything)
    if digest is None:
        raise _no_paper(file, "its first comment, which names the document, is missing")
    marked = [comment for comment in comments if _MARK.search(comment.text)]
    _attach(archive, comments, marked)
    entries = []
    for number, comment in enumerate(marked, start=1):
        found = _MARK.search(comment.text)
        assert found is not None
        answers = [(comment.text[after.end() :].strip(), "") for after in [_ANSWER.search(comment.text)] if after]
        answers += [(_ANSWER.sub("", reply.text, count=1).strip(), reply.author) for reply in comment.replies]
        said = [pair for pair in answers if pair[0]]
        answer, person = ([pair for pair in said if _VERDICT.match(pair[0])] or said or [("", "")])[-1]
        texts = {name: text for name, text in (("answer", answer), ("person", person)) if text}
        entries.append(ReviewEntry(_SUBJECTS[found[1]], found[2], texts, {}, f"批注{number}", number))
    return ReviewPaper(file, "docx", plan[1] if plan else "", digest[1], (), tuple(entries))


def _comments(archive: OfficeArchive) -> list[_Comment]:
    found = []
    for element in archive.tree("word/comments.xml").iter(f"{W}comment"):
        lines, names = [], []
        for line in element.iter(f"{W}p"):
            pieces = [
                (part.text or "") if part.tag == f"{W}t" else "\n"
                for part in line.iter(f"{W}t", f"{W}br", f"{W}cr")
                if next(part.iterancestors(f"{W}del"), None) is None
            ]
            lines.append("".join(pieces))
            names.append(line.get(f"{_W14}paraId", ""))
        text = "\n".join(lines).strip()
        found.append(
            _Comment(element.get(f"{W}id", ""), element.get(f"{W}author", ""), text, tuple(filter(None, names)))
        )
    return found


def _attach(archive: OfficeArchive, comments: list[_Comment], marked: list[_Comment]) -> None:
    """Give every marked comment its replies: by the thread, else by standing at the same words and saying a verdict."""
    of_paragraph = {name: comment for comment in comments for name in comment.paragraphs}
    parents: dict[str, str] = {}
    if "word/commentsExtended.xml" in archive.names:
        for element in archive.tree("word/commentsExtended.xml").iter(f"{_W15}commentEx"):
            parent = element.get(f"{_W15}paraIdParent", "")
            if parent:
                parents[element.get(f"{_W15}paraId", "")] = parent
    places = _places(archive.tree("word/document.xml"))
    for comment in comments:
        comment.place = places.get(comment.name, (-1, -1))
    own = {id(comment) for comment in marked}
    at_place: dict[tuple[int, int], list[_Comment]] = {}
    for comment in marked:
        at_place.setdefault(comment.place, []).append(comment)
    for comment in comments:
        if id(comment) in own:
            continue
        parent = next((of_paragraph.get(parents[name]) for name in comment.paragraphs if name in parents), None)
        if parent is not None and id(parent) in own:
            parent.replies.append(comment)
        elif parent is None and _VERDICT.match(comment.text):
            near = at_place.get(comment.place, [])
            if len(near) == 1 and comment.place != (-1, -1):
                near[0].replies.append(comment)


def _places(root: etree._Element) -> dict[str, tuple[int, int]]:
    """Return for each comment how many letters stand before its first and after its last marked letter."""
    starts: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}
    count = 0
    for element in root.iter(f"{W}t", f"{W}commentRangeStart", f"{W}commentRangeEnd"):
        name = element.get(f"{W}id", "")
        if element.tag == f"{W}t":
            count += len(element.text or "")
        elif element.tag == f"{W}commentRangeStart":
            starts[name] = count
        elif name in starts:
            places[name] = (starts[name], count)
    return places

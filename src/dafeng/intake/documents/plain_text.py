"""Plain text files as documents: a block a line, rows of tables as cells, page numbers left out, form feeds as pages."""

from __future__ import annotations

import re
from typing import Final

from dafeng.base.document import Block
from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.intake.documents.blocks import BlockList, number_blocks
from dafeng.intake.documents.characters import clean, is_page_number, page_number_value
from dafeng.intake.documents.limits import document_finding, refuse
from dafeng.intake.encoding import decode_text

__all__ = ["decode_document", "furniture_finding", "read_plain"]

_FEWEST_BARE: Final = 3
_RULER: Final = re.compile(r"[\s|:+-]+")
_WIDE: Final = re.compile(r"\s*(?:\u3000|[ \xa0]{2})\s*")


def decode_document(data: bytes, file: str) -> str:
    """Return the text of a plain file in UTF-8, UTF-16 or GB18030.

    Raises
    ------
    InputError
        The bytes are no text.
    """
    try:
        return decode_text(data, file=file)[0].removeprefix("\ufeff")
    except InputError as error:
        raise refuse(
            file,
            f"it is neither a known document nor text: {error.problem.split(': ', 1)[-1]}",
            expected="a .docx, .pdf, .html or .txt document, in UTF-8, UTF-16 or GB18030 where it is text",
            next_step="用 WPS、Word 打开并另存为 .docx / open it in its own program and save it as .docx",
            name="intake.document.not-text",
        ) from error


def read_plain(text: str, file: str) -> tuple[tuple[Block, ...], list[Finding]]:
    r"""Return the lines of a text as blocks.

    A page number in dashes or words is dropped wherever it stands alone; digits alone only where three or more of them
    count up one by one, or where they stand beside a form feed. Lines one after the other that tabs, bars or wide gaps cut
    into columns are rows of a table.

    Examples
    --------
    >>> blocks, _ = read_plain("一、目标\n到2030\n— 3 —\n年，达到8％。", "a.txt")
    >>> [block.text for block in blocks]
    ['一、目标', '到2030', '年，达到8％。']
    >>> blocks, _ = read_plain("指标\t2025年\n绿化覆盖率\t38％", "a.txt")
    >>> [(block.text, block.row, block.column) for block in blocks]
    [('指标', 1, 1), ('2025年', 1, 2), ('绿化覆盖率', 2, 1), ('38％', 2, 2)]
    """
    pages = re.split("\f", re.sub(r"\r\n?|\u2028|\u2029|\x0b|\x85", "\n", text))
    lines = [(number, line) for number, page in enumerate(pages, start=1) for line in clean(page).split("\n")]
    paged = len(pages) > 1
    written = [index for index, (_, line) in enumerate(lines) if line.strip()]
    numbers = {index for index in written if is_page_number(lines[index][1], bare=False)}
    numbers |= _counting([index for index in written if index not in numbers], lines, paged)
    rows = _rows([(index, lines[index][1]) for index in written if index not in numbers])
    out = BlockList()
    row, table = 0, 0
    for index in written:
        if index in numbers:
            continue
        page = lines[index][0] if paged else None
        fields = rows.get(index)
        if fields is None:
            row = 0
            out.paragraph(lines[index][1], page=page)
            continue
        table = table if row else out.table()
        row += 1
        for column, field in enumerate(fields, start=1):
            out.cell(field, table=table, row=row, column=column, page=page)
    blocks, _, findings = number_blocks(out.blocks, file)
    if numbers:
        findings.insert(0, furniture_finding(file, len(numbers), lines[min(numbers)][1].strip()))
    return blocks, findings


def _fields(line: str) -> tuple[str, list[str]]:
    """Return what cuts a line into columns, and the columns; a ruler under the heads of a table has none."""
    bare = line.strip()
    if bare.startswith("|") and bare.endswith("|") and bare.count("|") > 2:
        return "|", [] if _RULER.fullmatch(bare) else [field.strip() for field in bare[1:-1].split("|")]
    fields = [field.strip() for field in line.rstrip().split("\t")]
    if sum(map(bool, fields)) > 1:
        return "\t", fields
    fields = _WIDE.split(bare)
    return ("  ", fields) if len(fields) > 2 else ("", [bare])


def _rows(written: list[tuple[int, str]]) -> dict[int, list[str]]:
    """Return the columns of the lines that are rows of tables."""
    rows: dict[int, list[str]] = {}
    run: list[tuple[int, list[str]]] = []
    before = ""
    for index, line in [*written, (-1, "")]:
        mark, fields = _fields(line)
        if run and (mark != before or (mark == "  " and len(fields) != len(run[-1][1]))):
            rows |= dict(run) if _is_table(run, before) else {}
            run = []
        if mark:
            run.append((index, fields))
        before = mark
    return rows


def _is_table(run: list[tuple[int, list[str]]], mark: str) -> bool:
    """Whether lines cut into columns are rows: not lines of contents, names side by side under a letter, or one line alone."""
    full = [fields for _, fields in run if sum(map(bool, fields)) > 1]
    contents = all(len(fields) == 2 and fields[1].strip("-—－ ").isdigit() for fields in full)
    return len(full) >= (3 if mark == "  " else 2) and not contents


def _counting(written: list[int], lines: list[tuple[int, str]], paged: bool) -> set[int]:
    """Return the lines of digits alone that count the pages."""
    bare = [index for index in written if is_page_number(lines[index][1], bare=True)]
    beside = set()
    if paged:
        position = {index: place for place, index in enumerate(written)}
        for index in bare:
            place = position[index]
            near = [written[other] for other in (place - 1, place + 1) if 0 <= other < len(written)]
            if any(lines[other][0] != lines[index][0] for other in near) or len(near) < 2:
                beside.add(index)
    values = [(index, page_number_value(lines[index][1])) for index in bare]
    runs: list[list[int]] = []
    last: int | None = None
    for index, value in values:
        if value is not None and last is not None and value == last + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
        last = value
    return beside | {index for run in runs if len(run) >= _FEWEST_BARE and _apart(run) for index in run}


def _apart(run: list[int]) -> bool:
    """Return whether lines stand as far apart as pages do; closer they are a column of a table."""
    return (run[-1] - run[0]) / (len(run) - 1) >= 10


def furniture_finding(file: str, count: int, example: str) -> Finding:
    """Return the note on page headers, footers and page numbers that were left out."""
    return document_finding(
        "intake.document.page-furniture",
        f"页眉、页脚、页码共 {count} 行未读入，如“{example[:40]}”",
        file,
        next_step="如有正文被误作页眉页脚，请改用 .docx 文件",
        severity=Severity.INFO,
        value=example[:40],
        lines=count,
    )

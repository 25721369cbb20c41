"""Any file as sheets: text tables, XLSX, XLS and Parquet, told apart by their first bytes."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.intake.encoding import decode_text
from dafeng.intake.sheets import Limits, Sheet, file_finding, hidden_sheet, sheet_of_rows, too_large
from dafeng.intake.workbook import read_xlsx

__all__ = ["read_sheets", "read_text_sheet"]

_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_LONGEST_FIELD: Final = 100_000
"""A cell of a workbook holds 32767 characters at most; a text file without line breaks is no table."""
_SEPARATORS: Final = {"逗号": ",", "制表符": "\t", "分号": ";", "竖线": "|"}


def read_sheets(path: Path, *, limits: Limits | None = None, clocks: bool = False) -> list[Sheet]:
    """Return the sheets of a CSV, TSV, XLSX, XLS or Parquet file.

    Parameters
    ----------
    path : Path
    limits : Limits, optional
    clocks : bool
        Whether dates of an XLSX workbook are shown with their time of day where their format shows it.

    Returns
    -------
    list of Sheet
        Text tables and Parquet have one; sheets without any cell are left out.

    Raises
    ------
    InputError
        The file is missing, empty, too large, encrypted, damaged, or of a format that is not read.
    """
    limits = limits or Limits()
    file = path.name
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            doing="read a table",
            expected="a file that exists and may be read",
            next_step="check the path and the permissions",
            file=file,
            name="intake.file.unreadable",
        ) from error
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise _empty(file)
    if head.startswith(b"PAR1"):
        _within(file, size, limits.parquet_bytes)
        sheets = [_read_parquet(path, file)]
    elif head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        _within(file, size, limits.workbook_bytes)
        sheets = read_xlsx(path.read_bytes(), file=file, limits=limits, clocks=clocks)
    elif head.startswith(_COMPOUND):
        _within(file, size, limits.workbook_bytes)
        sheets = _read_xls(path.read_bytes(), file)
    else:
        _within(file, size, limits.text_bytes)
        _refuse_other_formats(head, file)
        sheets = [read_text_sheet(path.read_bytes(), file, path.suffix.lower())]
    sheets = [sheet for sheet in sheets if not sheet.empty]
    if not sheets:
        raise _empty(file)
    return sheets


def _within(file: str, size: int, limit: int) -> None:
    if size > limit:
        raise too_large(file, size, limit, "the file", "拆成较小的文件；大表用长表形式的 CSV 或 Parquet")


def _empty(file: str) -> InputError:
    return InputError(
        f"{file} is empty",
        doing="read a table",
        expected="a table with a header and at least one row",
        next_step="check that the export was finished before the file was copied",
        file=file,
        name="intake.file.empty",
    )


def _refuse_other_formats(head: bytes, file: str) -> None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1024].lower()
    kinds = {
        "an HTML page (some systems give it the ending .xls)": re.search(
            rb"<(!doctype html|html|table|meta|body)\b", start
        ),
        "an XML file": start.startswith(b"<?xml"),
        "a PDF document": start.startswith(b"%pdf"),
        "an RTF document": start.startswith(b"{\\rtf"),
        "a JSON file": re.match(rb"[\[{]\s*[\"{\[]", start),
        "an image": start.startswith((b"\x89png", b"\xff\xd8\xff", b"gif8")),
        "a compressed archive": start.startswith((b"rar!", b"7z\xbc\xaf", b"\x1f\x8b")),
    }
    for kind, found in kinds.items():
        if found:
            raise InputError(
                f"{file} is {kind}",
                doing="read a table",
                expected="CSV, TSV, XLSX, XLS or Parquet",
                next_step="open it in Excel or WPS and save it as XLSX or CSV (UTF-8)",
                file=file,
                name="intake.file.wrong-format",
            )


def _read_parquet(path: Path, file: str) -> Sheet:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{file} is no readable Parquet file: {error}",
            doing="read a table",
            expected="an undamaged Parquet file",
            next_step="write it anew",
            file=file,
            name="intake.file.damaged",
        ) from error
    nested = [name for name, kind in table.schema.items() if kind.is_nested() or kind == pl.Binary]
    if nested:
        raise InputError(
            f"{file}: columns {', '.join(nested)} hold lists or bytes",
            doing="read a table",
            expected="columns of texts, numbers and dates",
            next_step="flatten these columns, or leave them out",
            file=file,
            name="intake.file.nested",
        )
    renamed = {name: f"c{index}" for index, name in enumerate(table.columns)}
    header = pl.DataFrame(
        {short: [name] for name, short in renamed.items()}, schema=dict.fromkeys(renamed.values(), pl.String())
    )
    dates = pl.selectors.datetime().cast(pl.String()).str.replace(r" 00:00:00(?:\.0+)?$", "")
    return Sheet("", pl.concat([header, table.rename(renamed).with_columns(dates).cast(pl.String())]))


def read_text_sheet(data: bytes, file: str, suffix: str) -> Sheet:
    """Return the bytes of a text table as a sheet.

    Raises
    ------
    InputError
        They are no text table.
    """
    text, encoding = decode_text(data, file=file)
    del data
    text = text.removeprefix("\ufeff")
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    separator = _separator(text[:65536], suffix)
    findings: list[Finding] = []
    if suffix in (".xlsx", ".xls", ".xlsm", ".parquet"):
        findings.append(
            file_finding(
                "intake.file.wrong-ending",
                f"文件后缀是 {suffix}，内容却是文本表格，已按文本读取（编码 {encoding}）",
                file,
                expected="后缀与内容一致",
                next_step="把后缀改为 .csv",
            )
        )
    frame = _frame_of_text(text, separator, file)
    filled = [name for name in frame.columns if frame[name].null_count() < frame.height]
    keep = frame.columns[: frame.columns.index(filled[-1]) + 1] if filled else []
    return Sheet("", frame.select(keep), findings=tuple(findings))


def _separator(head: str, suffix: str) -> str:
    """Return the separator that stands most evenly in the first lines."""
    if suffix == ".tsv":
        return "\t"
    lines = [re.sub(r'"[^"]*"', "", line) for line in head.splitlines()[:50] if line.strip()]
    counts = {mark: sum(line.count(mark) > 0 for line in lines) for mark in _SEPARATORS.values()}
    best = max(counts, key=lambda mark: (counts[mark], mark == ","))
    return best if counts[best] else ","


def _frame_of_text(text: str, separator: str, file: str) -> pl.DataFrame:
    data = text.encode()
    width = _widest(data, separator)
    header = separator.join(f"c{index}" for index in range(width)).encode() + b"\n"
    quoted = b'"' in data
    try:
        frame = pl.read_csv(
            header + data,
            separator=separator,
            quote_char='"' if quoted else None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        frame = _frame_by_rows(text, separator, file)
    widths = [frame[name].str.len_bytes().max() for name in frame.columns]
    longest = max((width for width in widths if isinstance(width, int)), default=0)
    if longest > _LONGEST_FIELD:
        raise InputError(
            f"{file} holds a field of {longest:,} bytes",
            doing="read a text table",
            expected=f"fields of at most {_LONGEST_FIELD:,} bytes, rows ended by line breaks",
            next_step="check that the file is a table and was not exported without line breaks or with a quotation mark left open",
            file=file,
            name="intake.file.long-field",
        )
    blank = [pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)).alias(name) for name in frame.columns]
    return frame.select(blank)


def _widest(data: bytes, separator: str) -> int:
    """Return a width that no line exceeds, separators within quotes counted too."""
    array = np.frombuffer(data, dtype=np.uint8)
    separators = np.flatnonzero(array == ord(separator))
    ends = np.append(np.flatnonzero(array == 10), len(array))
    counts = np.diff(np.searchsorted(separators, ends), prepend=0)
    return int(counts.max()) + 1


def _frame_by_rows(text: str, separator: str, file: str) -> pl.DataFrame:
    """Read quoting that the fast reader does not take, or say where it breaks."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows: list[list[str | None]] = []
    try:
        for row in reader:
            rows.append(list(row))
    except csv.Error as error:
        raise InputError(
            f"{file}: line {reader.line_num}: {error}",
            doing="read a text table",
            expected="quotation marks in pairs, doubled within a quoted field",
            next_step="mend that line, or save the table as XLSX",
            file=file,
            line=reader.line_num,
            name="intake.file.quotes",
        ) from error
    return sheet_of_rows("", rows).frame


def _read_xls(data: bytes, file: str) -> list[Sheet]:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise InputError(
            f"{file} is protected by a password",
            doing="read a workbook",
            expected="a workbook without password",
            next_step="open it with its password, save it without one, and import that file",
            file=file,
            name="intake.file.encrypted",
        )
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        found = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
        hidden = {item.name for item in book.sheets_metadata if item.visible != SheetVisibleEnum.Visible}
        tables = [(name, sheet.to_python(skip_empty_area=False), sheet.merged_cell_ranges) for name, sheet in found]
    except PasswordError as error:
        raise InputError(
            f"{file} is protected by a password",
            doing="read a workbook",
            expected="a workbook without password",
            next_step="save it without password and import that file",
            file=file,
            name="intake.file.encrypted",
        ) from error
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(
            f"{file} is no readable workbook: {error}",
            doing="read a workbook",
            expected="an undamaged XLS workbook",
            next_step="open it in Excel or WPS and save it as XLSX",
            file=file,
            name="intake.file.damaged",
        ) from error
    note = file_finding(
        "intake.file.old-format",
        "旧格式 XLS 读不出公式与数字格式：公式按其缓存值读取，百分比格式的数按原始小数读取",
        file,
        expected="XLSX 或 CSV",
        next_step="另存为 XLSX 后再导入，或核对比率列是否为百分数",
    )
    sheets = []
    for name, rows, merged in tables:
        texts = [[_shown(value) for value in row] for row in rows]
        areas = tuple((start[0], start[1], end[0], end[1]) for start, end in merged or ())
        findings = (note, hidden_sheet(file, name)) if name in hidden else (note,)
        sheets.append(sheet_of_rows(name, texts, merged=areas, findings=findings))
    return sheets


def _shown(value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    return str(value)

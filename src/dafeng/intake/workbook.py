"""XLSX workbooks in one pass: values, formulas, number formats and merged areas, under a byte limit.

Read part by part from the archive, because the answer needs all four at once: whether a value is the cached result of a
formula, whether its format is a percentage or a date, and where cells are merged.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Final
from xml.etree import ElementTree

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.intake.plain_sheets import plain_strings, read_plain_cells, shown_number
from dafeng.intake.sheets import Limits, Sheet, cell_name, file_finding, hidden_sheet, sheet_of_rows, too_large

__all__ = ["read_xlsx"]

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT: Final = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_STRICT_RELATION: Final = "{http://purl.oclc.org/ooxml/officeDocument/relationships}"
_DATE_FORMATS: Final = {
    **dict.fromkeys((14, 15, 27, 30, 31, 36, 50, 54, 58), "ymd"),
    22: "ymdh",
    **dict.fromkeys((17, 55, 57), "ym"),
    **dict.fromkeys((28, 29, 51, 53, 56), "ymd"),
    52: "ym",
}
PLAIN_FROM = 1 << 18
"""Bytes of a part from which it is read with whole arrays where it is written plainly."""
_PIECE: Final = 1 << 20
_SPLIT: Final = "把需要的工作表另存为 CSV（UTF-8），或拆成较小的文件"


class _Archive:
    """A zip archive whose parts are read under a limit on their unpacked size."""

    def __init__(self, data: bytes, file: str, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.used = 0
        try:
            self.zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise _corrupt(file, str(error)) from error
        entries = self.zip.infolist()
        for entry in entries:
            if entry.flag_bits & 1:
                raise _encrypted(file)
            if entry.file_size > (1 << 20) and entry.file_size > limits.ratio * max(entry.compress_size, 1):
                raise _bomb(file, f"{entry.filename} unpacks {entry.compress_size:,} to {entry.file_size:,} bytes")
        total = sum(entry.file_size for entry in entries)
        if total > limits.unpacked_bytes:
            raise _bomb(file, f"the parts unpack to {total:,} bytes, more than {limits.unpacked_bytes:,}")
        self.names = {entry.filename for entry in entries}

    def part(self, name: str) -> _Part:
        try:
            return _Part(self, self.zip.open(name))
        except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _corrupt(self.file, f"part {name}: {error}") from error

    def pieces(self, name: str) -> Iterator[bytes]:
        """Return a part piece by piece."""
        part = self.part(name)
        while piece := part.read(_PIECE):
            yield piece

    def large(self, name: str) -> bool:
        """Return whether a part is worth reading with whole arrays."""
        return self.zip.getinfo(name).file_size >= PLAIN_FROM

    def tree(self, name: str) -> ElementTree.Element:
        try:
            return ElementTree.parse(self.part(name)).getroot()
        except ElementTree.ParseError as error:
            raise _corrupt(self.file, f"part {name}: {error}") from error


class _Part:
    """One part as a stream that counts what it yields and refuses document type definitions."""

    def __init__(self, archive: _Archive, stream: IO[bytes]) -> None:
        self._archive = archive
        self._stream = stream
        self._head = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        archive = self._archive
        size = 1 << 16 if size < 0 else size
        try:
            piece = self._stream.read(size)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
            raise _corrupt(archive.file, str(error)) from error
        except Exception as error:  # zlib.error has no common parent
            raise _corrupt(archive.file, str(error)) from error
        archive.used += len(piece)
        if archive.used > archive.limits.unpacked_bytes:
            raise _bomb(archive.file, f"more than {archive.limits.unpacked_bytes:,} bytes came out while reading")
        if len(self._head) < (1 << 16):
            self._head += piece[: 1 << 16]
            if b"<!DOCTYPE" in self._head or b"<!ENTITY" in self._head:
                raise _corrupt(archive.file, "a part declares a document type, which workbooks never do")
        return piece


def read_xlsx(data: bytes, *, file: str, limits: Limits, clocks: bool = False) -> list[Sheet]:
    """Return every worksheet of an XLSX workbook.

    Parameters
    ----------
    data : bytes
    file : str
        Name for messages.
    limits : Limits
    clocks : bool
        Whether a date is shown with its time of day where its format shows that.

    Raises
    ------
    InputError
        The workbook is encrypted, damaged, a zip bomb, or beyond the limits.
    """
    if len(data) > limits.workbook_bytes:
        raise too_large(file, len(data), limits.workbook_bytes, "the workbook", _SPLIT)
    try:
        return _read_book(_Archive(data, file, limits), file, clocks=clocks)
    except (ValueError, OverflowError, LookupError) as error:  # no number where one belongs, an encoding nobody knows
        raise _corrupt(file, str(error)) from error


def _read_book(archive: _Archive, file: str, *, clocks: bool) -> list[Sheet]:
    if "xl/workbook.xml" not in archive.names:
        kind = "an XLSB workbook" if "xl/workbook.bin" in archive.names else "no XLSX workbook"
        raise InputError(
            f"{file} is {kind}",
            doing="read a workbook",
            expected="XLSX, XLS, CSV or Parquet",
            next_step="save it as XLSX or CSV",
            file=file,
            name="intake.file.unknown-format",
        )
    book = archive.tree("xl/workbook.xml")
    space = _MAIN if book.tag.startswith(_MAIN) else _STRICT
    relation = _RELATION if space == _MAIN else _STRICT_RELATION
    properties = book.find(f"{space}workbookPr")
    epoch = 1904 if properties is not None and properties.get("date1904") in ("1", "true") else 1900
    targets = {}
    if "xl/_rels/workbook.xml.rels" in archive.names:
        for item in archive.tree("xl/_rels/workbook.xml.rels"):
            target = item.get("Target", "")
            targets[item.get("Id", "")] = target[1:] if target.startswith("/") else f"xl/{target}"
    strings = _shared_strings(archive, space)
    formats = _formats(archive, space) if "xl/styles.xml" in archive.names else []
    formats = formats if clocks else [form.removesuffix("h") for form in formats]
    sheets = []
    for item in book.iter(f"{space}sheet"):
        part = targets.get(item.get(f"{relation}id", ""), "")
        if part not in archive.names or "worksheets/" not in part:
            continue
        hidden = item.get("state", "visible") != "visible"
        sheet = _read_sheet(archive, part, item.get("name", ""), space, strings, formats, epoch, hidden)
        remarks = _remarks(archive, part, space)
        sheets.append(replace(sheet, remarks=remarks) if remarks else sheet)
    return sheets


def _remarks(archive: _Archive, part: str, space: str) -> tuple[tuple[int, int, str], ...]:
    """Return the comments on the cells of a sheet."""
    relations = posixpath.join(posixpath.dirname(part), "_rels", f"{posixpath.basename(part)}.rels")
    if relations not in archive.names:
        return ()
    found = []
    for item in archive.tree(relations):
        target = posixpath.normpath(posixpath.join("/", posixpath.dirname(part), item.get("Target", "")))[1:]
        if not item.get("Type", "").endswith("/comments") or target not in archive.names:
            continue
        for comment in archive.tree(target).iter(f"{space}comment"):
            area = _area(f"{comment.get('ref', '')}:{comment.get('ref', '')}")
            body = comment.find(f"{space}text")
            text = "" if body is None else _text_of(body, space).strip()
            if area is not None and text:
                found.append((*area[:2], text))
    return tuple(found)


def _shared_strings(archive: _Archive, space: str) -> list[str]:
    part = "xl/sharedStrings.xml"
    if part not in archive.names:
        return []
    if archive.large(part):
        plain = plain_strings(b"".join(archive.pieces(part)), lambda item: _text_of(item, space))
        if plain is not None:
            return plain.to_list()
        archive.used -= archive.zip.getinfo(part).file_size
    found = []
    for _, element in _events(archive, part):
        if element.tag == f"{space}si":
            found.append(_text_of(element, space))
            element.clear()
    return found


def _text_of(element: ElementTree.Element, space: str) -> str:
    """Return the text of a string item, its phonetic hints left out."""
    pieces = [item.text or "" for item in element if item.tag == f"{space}t"]
    pieces += [item.text or "" for run in element if run.tag == f"{space}r" for item in run if item.tag == f"{space}t"]
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), "".join(pieces))


def _events(archive: _Archive, part: str) -> Iterator[tuple[str, ElementTree.Element]]:
    try:
        yield from ElementTree.iterparse(archive.part(part), events=("end",))
    except ElementTree.ParseError as error:
        raise _corrupt(archive.file, f"part {part}: {error}") from error


def _formats(archive: _Archive, space: str) -> list[str]:
    """Return for each cell style what its number format shows: percent, a date's fields, or nothing of note."""
    root = archive.tree("xl/styles.xml")
    codes = {
        int(item.get("numFmtId", "0")): _format_kind(item.get("formatCode", "")) for item in root.iter(f"{space}numFmt")
    }
    styles = root.find(f"{space}cellXfs")
    kinds = []
    for style in styles if styles is not None else ():
        number = int(style.get("numFmtId", "0"))
        kinds.append(codes.get(number, "percent" if number in (9, 10) else _DATE_FORMATS.get(number, "")))
    return kinds


def _format_kind(code: str) -> str:
    plain = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.', "", code.split(";", maxsplit=1)[0]).lower()
    if "%" in plain:
        return "percent"
    if "y" in plain or "d" in plain:
        return "".join(field for field in "ymdh" if field in plain)
    return ""


def _read_sheet(
    archive: _Archive,
    part: str,
    name: str,
    space: str,
    strings: list[str],
    formats: list[str],
    epoch: int,
    hidden: bool,
) -> Sheet:
    used = archive.used
    if archive.large(part):
        texts = pl.Series(strings, dtype=pl.String)
        plain = read_plain_cells(
            archive.pieces(part), strings=texts, formats=formats, epoch=epoch, limits=archive.limits
        )
        if plain is not None and plain.skeleton.tag == f"{space}worksheet":
            columns = [item for item in plain.skeleton.iter(f"{space}col") if item.get("hidden") in ("1", "true")]
            areas = [_area(item.get("ref", "")) for item in plain.skeleton.iter(f"{space}mergeCell")]
            findings = _hidden_findings(archive.file, name, plain.hidden, len(columns), hidden=hidden)
            return Sheet(name, plain.frame, plain.marks, tuple(area for area in areas if area), findings)
        archive.used = used
    rows: list[list[str | None]] = []
    marks: list[tuple[int, int, str]] = []
    merged: list[tuple[int, int, int, int]] = []
    cells = 0
    row_number = -1
    hidden_lines = hidden_columns = 0
    for _, element in _events(archive, part):
        if element.tag == f"{space}row":
            previous, row_number = row_number, int(element.get("r") or row_number + 2) - 1
            if row_number <= previous:
                raise _corrupt(archive.file, f"sheet {name!r}: row {row_number + 1} stands after row {previous + 1}")
            hidden_lines += element.get("hidden") in ("1", "true") and len(element) > 0
            found: dict[int, str] = {}
            column = -1
            for cell in element:
                column = _column_of(cell.get("r"), column)
                text, mark = _read_cell(cell, space, strings, formats, epoch)
                if text is not None:
                    found[column] = text
                if mark:
                    marks.append((row_number, column, mark))
            element.clear()
            if found:
                width = max(found) + 1
                cells += len(found)
                if cells > archive.limits.cells or (row_number + 1) * width > 50 * archive.limits.cells:
                    raise too_large(
                        archive.file,
                        max(cells, (row_number + 1) * width),
                        archive.limits.cells,
                        f"sheet {name!r} up to {cell_name(row_number, width - 1)}",
                        "删去远处多余的格；" + _SPLIT,
                        of="cells",
                    )
                rows.extend([] for _ in range(row_number - len(rows)))
                rows.append([found.get(index) for index in range(width)])
        elif element.tag == f"{space}col" and element.get("hidden") in ("1", "true"):
            hidden_columns += 1
        elif element.tag == f"{space}mergeCell":
            area = _area(element.get("ref", ""))
            if area is not None:
                merged.append(area)
    findings = _hidden_findings(archive.file, name, hidden_lines, hidden_columns, hidden=hidden)
    return sheet_of_rows(name, rows, marks=marks, merged=tuple(merged), findings=findings)


def _hidden_findings(file: str, name: str, lines: int, columns: int, *, hidden: bool) -> tuple[Finding, ...]:
    findings: tuple[Finding, ...] = ()
    if lines or columns:
        findings += (
            file_finding(
                "intake.sheet.hidden-lines",
                f"有隐藏（或被筛选掉）的行 {lines} 行、列 {columns} 组，仍按可见读取",
                file,
                expected="没有隐藏行列的表",
                next_step="取消隐藏与筛选，确认这些行列确应导入；不应导入的删去",
                sheet=name,
            ),
        )
    if hidden:
        findings += (hidden_sheet(file, name),)
    return findings


def _column_of(reference: str | None, previous: int) -> int:
    if not reference:
        return previous + 1
    column = 0
    for letter in reference:
        if not letter.isalpha():
            break
        column = column * 26 + ord(letter) - 64
    return column - 1


def _area(reference: str) -> tuple[int, int, int, int] | None:
    match = re.fullmatch(r"\$?([A-Z]+)\$?(\d+):\$?([A-Z]+)\$?(\d+)", reference)
    if match is None:
        return None
    return int(match[2]) - 1, _column_of(match[1], -1), int(match[4]) - 1, _column_of(match[3], -1)


def _read_cell(
    cell: ElementTree.Element, space: str, strings: list[str], formats: list[str], epoch: int
) -> tuple[str | None, str]:
    """Return what a cell shows, and its mark."""
    kind = cell.get("t", "n")
    value = cell.find(f"{space}v")
    formula = cell.find(f"{space}f")
    mark = "" if formula is None else "formula"
    raw = None if value is None or value.text is None else value.text
    if kind == "inlineStr":
        inline = cell.find(f"{space}is")
        raw = None if inline is None else _text_of(inline, space)
    elif kind == "s" and raw is not None:
        index = int(raw)
        raw = strings[index] if 0 <= index < len(strings) else None
    elif kind == "b" and raw is not None:
        raw = "是" if raw in ("1", "true") else "否"
    elif kind == "e":
        return raw or "#N/A", "error"
    elif kind == "d" and raw is not None:
        raw = raw.removesuffix("T00:00:00")
    elif kind == "n" and raw is not None:
        style = int(cell.get("s", "0"))
        raw = shown_number(raw, formats[style] if style < len(formats) else "", epoch)
    if formula is not None and (raw is None or raw == ""):
        return f"={formula.text or ''}", "formula-without-value"
    return (raw if raw is not None and raw.strip() else None), mark


def _corrupt(file: str, problem: str) -> InputError:
    return InputError(
        f"{file} is damaged: {problem}",
        doing="read a workbook",
        expected="an undamaged XLSX workbook",
        next_step="open it in Excel or WPS and save it anew as XLSX",
        file=file,
        name="intake.file.damaged",
    )


def _encrypted(file: str) -> InputError:
    return InputError(
        f"{file} is protected by a password",
        doing="read a workbook",
        expected="a workbook without password",
        next_step="open it with its password, save it without one, and import that file",
        file=file,
        name="intake.file.encrypted",
    )


def _bomb(file: str, problem: str) -> InputError:
    return InputError(
        f"{file} unpacks beyond reason: {problem}",
        doing="read a workbook",
        expected="a workbook whose parts unpack to a sensible size",
        next_step="check where the file comes from; " + _SPLIT,
        file=file,
        name="intake.file.zip-bomb",
    )

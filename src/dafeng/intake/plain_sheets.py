"""The cells of a worksheet as programs write it, whole arrays at once.

What Excel, WPS and the libraries write is plain: each cell has its reference, and nothing stands between cells but the ends of
rows. Such a part is cut at its cells and taken apart by one expression, some ten times as fast as by an XML parser. The
expression says yes or no for every cell, and what lies around the cells is still parsed: a part that is anything else is not
read here, but by `dafeng.intake.workbook`, with the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from xml.etree import ElementTree

import numpy as np
import polars as pl

from dafeng.intake.sheets import MARK_SCHEMA, Limits

__all__ = ["PlainCells", "plain_strings", "read_plain_cells", "shown_number"]

_ATTRIBUTES: Final = (
    r"""(?: (?:s="([0-9]{1,6})"(?: t="([a-zA-Z]{1,9})")?|t="([a-zA-Z]{1,9})"(?: s="([0-9]{1,6})")?))?"""
)
_INLINE: Final = r"""is><t(?: xml:space="preserve")?>([^<]*)</t></is></c>"""
_FORMULA: Final = r"""(f)(?: [^<>/]*)?(?:/>|>([^<]*)</f>)<(?:v>([^<]*)</v></c>|v/></c>|/c>)"""
_CELL: Final = (
    rf"""^r="([A-Z]{{1,3}})([1-9][0-9]{{0,6}})"{_ATTRIBUTES}"""
    rf"""(?:/>|>(?:<(?:v>([^<]*)</v></c>|{_INLINE}|{_FORMULA}|v/></c>|/c>)))((?s:.*))$"""
)
"""A cell up to the next: letters, row, style and type in either order, value, inline text, formula, and what follows it. Each
byte decides how it goes on, so that the expression runs without ever going back."""
_GROUPS: Final = ("letters", "row", "s1", "t1", "t2", "s2", "v1", "inline", "is_formula", "formula", "v2", "tail")
_BETWEEN: Final = (
    r'^\s*(</row>)?\s*(?:<row(?: [^<>/]*)?(?:/>|>\s*</row>)\s*)*(?:<row((?: [a-zA-Z:0-9]+="[^"<>]*")*)>\s*)?$'
)
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_PIECE: Final = 4 << 20
_SPARSE: Final = 32 << 20
"""Places of cells that one piece may span."""
_PLAIN_INTEGER: Final = r"^-?(?:0|[1-9][0-9]{0,14})$"
_PLAIN_DECIMAL: Final = r"^-?(?:0\.[1-9]|0\.0{1,3}[1-9]|[1-9][0-9]{0,6}\.)[0-9]{0,7}$"
"""Decimals of at most fifteen digits, which a float of double size gives back as they stand but for zeros at the end."""


class PlainCells(NamedTuple):
    """What stands in a worksheet.

    Parameters
    ----------
    frame : DataFrame, shape (row, column)
        Columns c0, c1 … of text.
    marks : DataFrame of `MARK_SCHEMA`
    skeleton : Element
        The part without its rows.
    hidden : int
        Hidden rows with cells.
    """

    frame: pl.DataFrame
    marks: pl.DataFrame
    skeleton: ElementTree.Element
    hidden: int


class _NotPlainError(Exception):
    """The part is written in another way."""


def read_plain_cells(
    pieces: Iterable[bytes], *, strings: pl.Series, formats: Sequence[str], epoch: int, limits: Limits
) -> PlainCells | None:
    """Return the cells of a worksheet part, None where it is not written plainly or is beyond a limit.

    Parameters
    ----------
    pieces : iterable of bytes
        The part, unpacked, in pieces of any size.
    strings : Series
        Shared strings.
    formats : sequence of str
        What the number format of each style shows.
    epoch : int
        1900 or 1904.
    limits : Limits

    Examples
    --------
    >>> part = b'<worksheet><sheetData><row r="2"><c r="B2"><v>1.50</v></c></row></sheetData></worksheet>'
    >>> read_plain_cells([part], strings=pl.Series([], dtype=pl.String), formats=[], epoch=1900, limits=Limits()).frame.rows()
    [(None, None), (None, '1.5')]
    >>> read_plain_cells([b"<a:worksheet/>"], strings=pl.Series([], dtype=pl.String), formats=[], epoch=1900, limits=Limits())
    """
    reader = _Reader(strings, formats, epoch, limits)
    try:
        buffer, head, tail = bytearray(), b"", b""
        for piece in pieces:
            if tail:
                tail += piece
                continue
            buffer += piece
            if not head:
                head, buffer = _cut(buffer, b"<sheetData>")
            end = buffer.find(b"</sheetData>", max(0, len(buffer) - len(piece) - 12)) if head else -1
            if end >= 0:
                tail = bytes(buffer[end:])
                reader.read(bytes(buffer[:end]))
            elif len(buffer) >= _PIECE:
                at = buffer.rfind(b"</row>") + 6
                if at < 6:
                    return None
                reader.read(bytes(buffer[:at]))
                del buffer[:at]
        if not tail:
            return None
        skeleton = ElementTree.fromstring(head + tail)
        return PlainCells(reader.frame(), reader.marks(), skeleton, reader.hidden)
    except (_NotPlainError, ElementTree.ParseError, UnicodeDecodeError):
        return None


def _cut(buffer: bytearray, mark: bytes) -> tuple[bytes, bytearray]:
    at = buffer.find(mark)
    if at < 0:
        if len(buffer) > _PIECE:
            raise _NotPlainError
        return b"", buffer
    head, rest = bytes(buffer[: at + len(mark)]), buffer[at + len(mark) :]
    declared = re.match(rb"""\s*<\?xml[^>]*encoding=["']([^"']+)["']""", head.removeprefix(b"\xef\xbb\xbf"))
    if b"<worksheet" not in head or (declared and declared[1].lower() not in (b"utf-8", b"us-ascii")):
        raise _NotPlainError
    return head, rest


class _Reader:
    def __init__(self, strings: pl.Series, formats: Sequence[str], epoch: int, limits: Limits) -> None:
        self.strings = strings
        self.kinds = pl.Series([*formats], dtype=pl.String)
        self.epoch = epoch
        self.limits = limits
        self.frames: list[pl.DataFrame] = []
        self.marked: list[pl.DataFrame] = []
        self.columns: dict[str, int] = {}
        self.cells = self.hidden = self.height = self.width = 0

    def read(self, data: bytes) -> None:
        """Read whole rows."""
        text = data.decode().replace("\r\n", "\n").replace("\r", "\n")
        parts = pl.Series([text]).str.split("<c ").explode()
        if parts.len() == 1:
            self._open(parts)
            return
        groups = parts.slice(1).str.extract_groups(_CELL).struct.unnest()
        groups.columns = list(_GROUPS)
        if groups["letters"].null_count():
            raise _NotPlainError
        opened = self._open(pl.concat([parts.head(1), groups["tail"].rename(parts.name)])).head(groups.height)
        cells = groups.select(
            pl.col("row").cast(pl.Int64),
            "letters",
            kind=pl.coalesce("t1", "t2", pl.lit("n")),
            style=pl.coalesce("s1", "s2", pl.lit("0")),
            raw=pl.coalesce("v1", "v2"),
            inline="inline",
            is_formula=pl.col("is_formula").is_not_null(),
            formula="formula",
            stated=opened,
        )
        if not (cells["stated"].forward_fill() == cells["row"]).fill_null(value=False).all():
            raise _NotPlainError
        rows = cells["stated"].drop_nulls()
        if rows[0] <= self.height or not (rows.diff().drop_nulls() > 0).all():
            raise _NotPlainError
        self._place(self._texts(cells))

    def _open(self, between: pl.Series) -> pl.Series:
        """Return the row that begins with each stretch between two cells, null where none does; count the hidden ones."""
        filled = between.to_frame("text").with_row_index("at").filter(pl.col("text").str.strip_chars() != "")
        found = filled.select(
            "at",
            fits=pl.col("text").str.contains(_BETWEEN),
            closes=pl.col("text").str.contains(r"^\s*</row>"),
            opened=pl.col("text").str.extract(_BETWEEN, 2),
        ).with_columns(row=pl.col("opened").str.extract(r'(?:^| )r="([1-9][0-9]{0,6})"').cast(pl.Int64))
        sound = found.select(
            pl.col("fits")
            & (pl.col("closes") == (pl.col("at") > 0))
            & (pl.col("row").is_not_null() == (pl.col("at") < between.len() - 1))
        ).to_series()
        if not sound.all():
            raise _NotPlainError
        self.hidden += int(found["opened"].str.contains(r' hidden="(?:1|true)"').sum())
        rows = pl.repeat(None, between.len(), dtype=pl.Int64, eager=True)
        return rows.scatter(found["at"], found["row"]) if found.height else rows

    def _texts(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return what each cell shows, and its mark."""
        kind, raw = pl.col("kind"), pl.col("raw")
        kinds = cells["kind"]
        own = pl.select(
            pl.when(kinds == "inlineStr").then(_escapes(cells["inline"])).otherwise(cells["raw"])
        ).to_series()
        cells = cells.with_columns(raw=_unescaped(own), formula=_unescaped(cells["formula"]))
        shared, numbers = kinds == "s", kinds == "n"
        texts = pl.select(
            pl.when(shared).then(self._shared(cells["raw"], shared)).when(~numbers).then(cells["raw"])
        ).to_series()
        if numbers.any():
            texts = pl.select(pl.when(numbers).then(self._numbers(cells, numbers)).otherwise(texts)).to_series()
        shown = (
            pl.when(kind == "b")
            .then(pl.when(raw.is_in(["1", "true"])).then(pl.lit("是")).when(raw.is_not_null()).then(pl.lit("否")))
            .when(kind == "e")
            .then(pl.when(raw != "").then(raw).otherwise(pl.lit("#N/A")))
            .when(kind == "d")
            .then(raw.str.strip_suffix("T00:00:00"))
            .otherwise("text")
        )
        bare = pl.col("is_formula") & (kind != "e") & (pl.col("text").fill_null("") == "")
        return (
            cells.with_columns(text=texts)
            .with_columns(text=shown)
            .select(
                "row",
                col=self._column_numbers(cells["letters"]),
                text=pl.when(bare)
                .then(pl.lit("=") + pl.col("formula").fill_null(""))
                .when(pl.col("text").str.strip_chars() != "")
                .then("text"),
                mark=pl.when(kind == "e")
                .then(pl.lit("error"))
                .when(bare)
                .then(pl.lit("formula-without-value"))
                .when("is_formula")
                .then(pl.lit("formula")),
            )
        )

    def _shared(self, raw: pl.Series, chosen: pl.Series) -> pl.Series:
        index = pl.select(pl.when(chosen).then(raw)).to_series().cast(pl.Int64, strict=False)
        if index.null_count() > raw.len() - int((chosen & raw.is_not_null()).sum()):
            raise _NotPlainError
        known = index.is_between(0, self.strings.len() - 1)
        return self.strings.gather(pl.select(pl.when(known).then(index)).to_series())

    def _numbers(self, cells: pl.DataFrame, chosen: pl.Series) -> pl.Series:
        raw = cells["raw"]
        style = cells["style"].cast(pl.Int64)
        known = style < self.kinds.len()
        kind = self.kinds.gather(pl.select(pl.when(known).then(style)).to_series()).fill_null("")
        plain = kind == ""
        whole = raw.str.contains(_PLAIN_INTEGER)
        decimal = raw.str.contains(_PLAIN_DECIMAL)
        trimmed = raw.str.strip_chars_end("0").str.strip_chars_end(".")
        frame = pl.DataFrame({"raw": raw, "kind": kind})
        as_written = (whole & plain & (raw != "-0")).fill_null(value=False)
        cut_short = (decimal & plain & ~as_written).fill_null(value=False)
        odd = frame.filter(chosen & ~as_written & ~cut_short & raw.is_not_null()).unique()
        shown = odd.with_columns(
            pl.Series(
                "shown", [shown_number(text, form, self.epoch) for text, form in odd.iter_rows()], dtype=pl.String
            )
        )
        joined = frame.join(shown, on=["raw", "kind"], how="left", maintain_order="left") if odd.height else None
        other = pl.lit(None, pl.String) if joined is None else joined["shown"]
        return pl.select(pl.when(as_written).then(raw).when(cut_short).then(trimmed).otherwise(other)).to_series()

    def _column_numbers(self, letters: pl.Series) -> pl.Series:
        for one in letters.unique():
            if one not in self.columns:
                number = 0
                for letter in one:
                    number = number * 26 + ord(letter) - 64
                self.columns[one] = number - 1
        return letters.replace_strict(self.columns, return_dtype=pl.Int32)

    def _place(self, cells: pl.DataFrame) -> None:
        """Put cells into rows and columns."""
        marked = cells.filter(pl.col("mark").is_not_null())
        if marked.height:
            self.marked.append(marked.select(pl.col("row") - 1, "col", "mark"))
        cells = cells.filter(pl.col("text").is_not_null())
        self.cells += cells.height
        if not cells.height:
            return
        first, last = self.height + 1, int(cells["row"][-1])
        width = int(cells["col"].max()) + 1  # type: ignore[arg-type]
        size = (last - first + 1) * width
        self.width = max(self.width, width)
        if self.cells > self.limits.cells or last * self.width > 50 * self.limits.cells or size > _SPARSE:
            raise _NotPlainError
        where = np.full(size, -1, dtype=np.int64)
        where[((cells["row"] - first) * width + cells["col"]).to_numpy()] = np.arange(cells.height)
        found = pl.Series(where)
        texts = cells["text"].gather(pl.select(pl.when(found >= 0).then(found)).to_series())
        self.frames.append(pl.DataFrame({f"c{index}": texts.gather_every(width, index) for index in range(width)}))
        self.height = last

    def frame(self) -> pl.DataFrame:
        """Return the rows."""
        whole = pl.concat(self.frames, how="diagonal") if self.frames else pl.DataFrame()
        return whole.select(f"c{index}" for index in range(self.width))

    def marks(self) -> pl.DataFrame:
        """Return the marks in the order of the sheet."""
        return pl.concat([pl.DataFrame(schema=MARK_SCHEMA), *self.marked])


def plain_strings(data: bytes, text_of: Callable[[ElementTree.Element], str]) -> pl.Series | None:
    """Return the shared strings of a workbook, None where their part is not written plainly.

    Parameters
    ----------
    data : bytes
        The part, unpacked.
    text_of : callable
        Returns the text of an item that is not plain: one in runs, or with phonetic hints.

    Examples
    --------
    >>> plain_strings(b'<sst><si><t>a&amp;b</t></si><si><r><t>c</t></r></si></sst>', lambda item: item[0][0].text).to_list()
    ['a&b', 'c']
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None
    opening, _, rest = text.partition("<si>")
    if "<sst" not in opening or ("encoding" in opening and not re.search(r"encoding=.utf-8", opening, re.IGNORECASE)):
        return None
    items = pl.Series([rest]).str.split("<si>").explode()
    last, closed, ending = items[-1].partition("</sst>")
    if not closed or ending.strip() or "<si/>" in text or "<!" in text:
        return None
    items = pl.concat([items.head(items.len() - 1), pl.Series([last], dtype=pl.String)])
    texts = items.str.extract(r'^<t(?: xml:space="preserve")?>([^<]*)</t></si>\s*$')
    other = texts.is_null()
    try:
        parsed = [text_of(ElementTree.fromstring(f"{opening}<si>{item}</sst>")[0]) for item in items.filter(other)]
        plain = _escapes(_unescaped(texts))
    except (ElementTree.ParseError, IndexError, _NotPlainError):
        return None
    return plain.scatter(other.arg_true(), pl.Series(parsed, dtype=pl.String)) if parsed else plain


def _unescaped(texts: pl.Series) -> pl.Series:
    """Return texts with XML's entities as the letters that they stand for."""
    return _mapped(texts, texts.str.contains("&", literal=True), _without_entities)


def _escapes(texts: pl.Series) -> pl.Series:
    """Return texts with the letters that workbooks write as _x000D_."""
    hit = texts.str.contains(r"_x[0-9A-Fa-f]{4}_")
    return _mapped(texts, hit, lambda text: re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text))


def _mapped(texts: pl.Series, hit: pl.Series, change: Callable[[str], str]) -> pl.Series:
    if not hit.any():
        return texts
    odd = texts.filter(hit).unique()
    return texts.replace(odd, pl.Series([change(text) for text in odd], dtype=pl.String))


def _without_entities(text: str) -> str:
    def letter(match: re.Match[str]) -> str:
        name = match[1] or ""
        if name.startswith("#"):
            return chr(int(name[2:], 16) if name[1:2] == "x" else int(name[1:]))
        if name not in _ENTITIES:
            raise _NotPlainError
        return _ENTITIES[name]

    return re.sub(r"&(?:(#[0-9]+|#x[0-9a-fA-F]+|[a-z]+);)?", letter, text)


def shown_number(raw: str, kind: str, epoch: int) -> str:
    """Return a number of a workbook as its reader sees it.

    Parameters
    ----------
    raw : str
        As the workbook has it.
    kind : str
        What its format shows: percent, a date's fields (with h where it shows the hour), or nothing of note.
    epoch : int
        1900 or 1904.

    Examples
    --------
    >>> shown_number("0.65", "percent", 1900), shown_number("45413", "ymd", 1900), shown_number("2.50", "", 1900)
    ('65%', '2024-05-01', '2.5')
    >>> shown_number("45413.5", "ymdh", 1900)
    '2024-05-01 12:00:00'
    """
    try:
        number = float(raw)
    except ValueError:
        return raw
    if kind == "percent":
        return f"{(Decimal(repr(number)) * 100).normalize():f}%"
    if kind and 0 < number < 2_958_466:
        start = datetime(1904, 1, 1) if epoch == 1904 else datetime(1899, 12, 30)
        day = start + timedelta(days=int(number))
        clock = round(number % 1 * 86_400)
        if "h" in kind and clock:
            return (day + timedelta(seconds=clock)).strftime("%Y-%m-%d %H:%M:%S")
        return day.strftime({"y": "%Y", "ym": "%Y-%m", "m": "%Y-%m"}.get(kind, "%Y-%m-%d"))
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)

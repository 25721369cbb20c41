"""Text files as they arrive: UTF-8, UTF-8 with a mark, UTF-16, GB18030; NUL bytes are no text."""

from __future__ import annotations

import codecs
from typing import Final

from dafeng.base.errors import InputError

__all__ = ["decode_text"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, *, file: str) -> tuple[str, str]:
    """Return the text of a file and the name of the encoding that it was in.

    Parameters
    ----------
    data : bytes
    file : str
        Name for messages.

    Returns
    -------
    text : str
    encoding : str
        utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be or gb18030.

    Raises
    ------
    InputError
        The bytes are no text in any of these encodings, or hold NUL.

    Examples
    --------
    >>> decode_text("地区,年份".encode("gb18030"), file="a.csv")
    ('地区,年份', 'gb18030')
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strict(data, name, file), name
    if b"\0" in data[:65536]:
        order = _unmarked_utf16(data[:65536])
        if order is not None:
            return _strict(data, order, file), order
    if b"\0" in data:
        raise _no_text(file, f"NUL byte at offset {data.index(0)}")
    for name in ("utf-8", "gb18030"):
        try:
            return data.decode(name), name
        except UnicodeDecodeError as error:
            fault = error
    raise _no_text(file, f"byte 0x{data[fault.start]:02x} at offset {fault.start} fits neither UTF-8 nor GB18030")


def _unmarked_utf16(head: bytes) -> str | None:
    """Return the byte order where all NULs stand on one side of the pairs and lines of text come out of it."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if min(even, odd) > 0 or max(even, odd) * 10 < len(head) / 2:
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = head[: len(head) // 2 * 2].decode(name, errors="replace")
    return name if "\n" in text and "\0" not in text else None


def _strict(data: bytes, name: str, file: str) -> str:
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        raise _no_text(file, f"not valid {name} at offset {error.start}") from error
    if "\0" in text:
        raise _no_text(file, f"NUL character at position {text.index(chr(0))}")
    return text


def _no_text(file: str, problem: str) -> InputError:
    return InputError(
        f"{file} is no text table: {problem}",
        doing="read a text table",
        expected="UTF-8, UTF-16 or GB18030 text without NUL bytes",
        next_step="open the file in its own program and save it as CSV (UTF-8) or XLSX",
        file=file,
        name="intake.file.not-text",
    )

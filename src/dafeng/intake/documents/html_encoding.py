"""The encoding of a web page: by its mark, by what it declares, else by what fits."""

from __future__ import annotations

import codecs
import re
from typing import Final

from dafeng.base.finding import Finding
from dafeng.intake.documents.limits import document_finding, refuse

__all__ = ["decode_html"]

_META: Final = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9_:-]{2,30})""", re.IGNORECASE)
_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:-]{2,30})""")
_CHINESE: Final = frozenset({"gb2312", "gbk", "gb_2312-80", "x-gbk", "gb18030", "cp936", "hz-gb-2312"})
_MOST_BROKEN: Final = 0.002


def decode_html(data: bytes, file: str) -> tuple[str, list[Finding]]:
    """Return the text of a page: by byte order mark, then by what it declares, then UTF-8, then GB18030.

    Raises
    ------
    InputError
        The bytes fit none of these, beyond one character in five hundred.

    Examples
    --------
    >>> decode_html("<meta charset=gb2312><p>碳达峰".encode("gb18030"), "a.html")[0]
    '<meta charset=gb2312><p>碳达峰'
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(name, errors="replace"), []
    declared = _DECLARED.search(data[:1024]) or _META.search(data[:8192])
    names = [_codec(declared[1].decode("ascii"))] if declared else []
    names = [name for name in dict.fromkeys([*names, "utf-8", "gb18030"]) if name]
    for name in names:
        try:
            return data.decode(name), []
        except UnicodeDecodeError:
            continue
    tries = {name: data.decode(name, errors="replace") for name in names}
    best = min(tries, key=lambda name: tries[name].count("\ufffd"))
    broken = tries[best].count("\ufffd")
    if broken > _MOST_BROKEN * len(tries[best]):
        raise refuse(
            file,
            f"the page fits neither {' nor '.join(names)}",
            expected="an HTML page in one encoding",
            next_step="在浏览器中打开后，另存为“网页，仅 HTML” / open it in a browser and save the page anew",
            name="intake.document.not-text",
        )
    return tries[best], [
        document_finding(
            "intake.document.broken-characters",
            f"网页有 {broken} 处字符不合编码 {best}，以�代替",
            file,
            next_step="核对这些位置的文字和数字",
            value=best,
            characters=broken,
        )
    ]


def _codec(name: str) -> str:
    """Return the codec that browsers take for a declared name, empty where Python knows none."""
    if name.lower() in _CHINESE:
        return "gb18030"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return ""

"""Files that people hand in as evidence: which kinds are taken, told by their contents and not by their name."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

from django.utils.translation import gettext as _

from dafeng.base.errors import InputError
from dafeng.intake.documents.limits import DocumentLimits
from dafeng.intake.documents.office_archive import OfficeArchive
from dafeng.web.access.refusal import RefusedError

__all__ = ["KINDS", "check_evidence", "safe_name"]

KINDS: Final = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "txt": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}
"""Media type of each kind that is taken."""
_ENDINGS: Final = {"jpeg": "jpg", **{kind: kind for kind in KINDS}}
_MARKS: Final = {
    "pdf": (b"%PDF-",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "docx": (b"PK\x03\x04",),
    "xlsx": (b"PK\x03\x04",),
    "doc": (bytes.fromhex("d0cf11e0a1b11ae1"),),
    "xls": (bytes.fromhex("d0cf11e0a1b11ae1"),),
}
_PARTS: Final = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml"}
_MARKUP: Final = re.compile(rb"<\s*(?:!doctype|html|svg|script|\?xml|body|iframe|object)|<\?xml", re.IGNORECASE)
_HEAD: Final = 1 << 16
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\"\\/]")


def safe_name(name: str) -> str:
    r"""Return a file name to be shown and offered, never used as a path.

    Examples
    --------
    >>> safe_name("../../进展\u202e.pdf"), safe_name("..")
    ('进展.pdf', 'file')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    return _UNSAFE.sub("", last).strip(". ")[-180:] or "file"


def check_evidence(path: Path, name: str) -> str:
    """Return the kind of a file that may be kept as evidence.

    Parameters
    ----------
    path : Path
        The file as it was received.
    name : str
        Its name at the person's; its ending must agree with its contents.

    Raises
    ------
    RefusedError
        The kind is not taken, ending and contents disagree, or the file is a bomb, encrypted, or holds macros.
    """
    ending = name.rpartition(".")[2].lower()
    kind = _ENDINGS.get(ending, "")
    if not kind:
        raise RefusedError(
            "evidence.kind",
            _("不接收这种文件（.%(ending)s）；可以用 PDF、PNG、JPEG、Word、Excel、TXT、CSV。")
            % {"ending": ending[:10]},
        )
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise RefusedError("evidence.empty", _("文件是空的。"))
    marks = _MARKS.get(kind)
    if marks is None:
        _check_text(head)
    elif not head.startswith(marks):
        raise RefusedError("evidence.contents", _("文件内容与后缀 .%(ending)s 不符。") % {"ending": ending})
    if kind in _PARTS:
        _check_archive(path, kind)
    return kind


def _check_text(head: bytes) -> None:
    if b"\x00" in head or _MARKUP.search(head):
        raise RefusedError("evidence.contents", _("文本文件中有网页、脚本或二进制内容，不接收。"))


def _check_archive(path: Path, kind: str) -> None:
    try:
        archive = OfficeArchive(path.read_bytes(), path.name, DocumentLimits(), kind=f".{kind}")
        names = archive.names
        if _PARTS[kind] in names:
            archive.tree(_PARTS[kind])  # refuses entities, and what is no XML
    except InputError as error:
        raise RefusedError("evidence.contents", _("文件损坏、加密或解压后过大，不接收。")) from error
    if _PARTS[kind] not in names:
        raise RefusedError("evidence.contents", _("文件内容与后缀 .%(ending)s 不符。") % {"ending": kind})
    if any(name.lower().endswith(("vbaproject.bin", ".exe", ".js")) for name in names):
        raise RefusedError("evidence.macros", _("文件带宏或程序，不接收；请另存为不带宏的文件。"))

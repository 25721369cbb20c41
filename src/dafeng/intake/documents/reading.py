"""Any document as text: the format is told by the first bytes, the ending comes second."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from dafeng.base.document import Block, DocumentComment, DocumentText
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.intake.documents.convert import convert_to_docx
from dafeng.intake.documents.docx_text import read_docx
from dafeng.intake.documents.html_encoding import decode_html
from dafeng.intake.documents.html_text import read_html
from dafeng.intake.documents.limits import (
    DocumentLimits,
    document_finding,
    refuse,
    refuse_encrypted,
    refuse_large,
)
from dafeng.intake.documents.office_archive import OfficeArchive
from dafeng.intake.documents.pdf_text import read_pdf
from dafeng.intake.documents.plain_text import decode_document, read_plain

__all__ = ["read_document"]

_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_HEAD: Final = 1 << 16
_HTML: Final = re.compile(
    rb"<(?:!doctype html|html|head|body|meta|div|p|table|h1|span|article|section|title|script)\b", re.IGNORECASE
)
_ENDINGS: Final = {
    "docx": (".docx", ".docm", ".dotx"),
    "pdf": (".pdf",),
    "html": (".html", ".htm", ".xhtml", ".shtml"),
    "txt": (".txt", ".text", ".md", ""),
    "doc": (".doc", ".dot", ".wps"),
    "rtf": (".rtf", ".doc"),
    "odt": (".odt",),
}
_AS_DOCX: Final = "在 WPS 或 Word 中另存为 .docx，或导出带文字的 PDF / save it as .docx or as a PDF with text"
_IMAGES: Final = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)


def read_document(path: Path, *, limits: DocumentLimits | None = None, listener: Listener = silent) -> DocumentText:
    r"""Return the text of a .docx, .pdf, .html or .txt document; .doc, .rtf and .odt through LibreOffice.

    Parameters
    ----------
    path : Path
    limits : DocumentLimits, optional
    listener : Listener
        Hears of the step "document", in pages where the format has any.

    Returns
    -------
    DocumentText
        Paragraphs and table cells in reading order without page furniture and web page menus, comments, and findings on
        what was taken with reservation.

    Raises
    ------
    InputError
        The file is missing, empty, without text, encrypted, damaged, a scan, beyond the limits, or of a format that is not
        read. Every reason has a stable name in the evidence, such as ``intake.document.scan``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "plan.txt")
    ...     _ = path.write_bytes("一、目标\n到2030年，达到8％。\n— 1 —\n".encode("gb18030"))
    ...     text = read_document(path)
    >>> text.format, text.plain, str(text.where(9))
    ('txt', '一、目标到2030年，达到8％。', '第2段第6字')
    """
    limits = limits or DocumentLimits()
    file = path.name
    data = _load(path, file, limits)
    suffix = path.suffix.lower()
    kind = _kind(data, file, suffix, limits)
    findings: list[Finding] = []
    if suffix not in _ENDINGS[kind]:
        findings.append(
            document_finding(
                "intake.document.wrong-ending",
                f"文件后缀是 {suffix or '（无）'}，内容却是 {kind}，已按内容读取",
                file,
                next_step=f"把后缀改为 .{kind}",
                value=suffix,
            )
        )
    blocks, comments, more = _read(data, kind, file, limits, listener)
    text = DocumentText(file, kind, hashlib.sha256(data).hexdigest(), blocks, comments, (*findings, *more))
    if not text.plain:
        raise refuse(
            file,
            "the document holds no text",
            expected="a document with at least one paragraph of text",
            next_step="确认文件不是空白页或图片 / check that it is not blank and not made of images",
            name="intake.document.no-text",
        )
    if len(text.plain) > limits.characters:
        raise refuse_large(file, "the text", len(text.plain), limits.characters, "characters")
    return text


def _load(path: Path, file: str, limits: DocumentLimits) -> bytes:
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise refuse_large(file, "the file", size, limits.file_bytes, "bytes")
        data = path.read_bytes()
    except OSError as error:
        raise refuse(
            file,
            f"it cannot be read: {error.strerror}",
            expected="a file that exists and may be read",
            next_step="检查路径和权限 / check the path and the permissions",
            name="intake.document.unreadable",
        ) from error
    if not data.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise refuse(
            file,
            "it is empty",
            expected="a document with text",
            next_step="重新下载或复制该文件 / download or copy it again",
            name="intake.document.empty",
        )
    return data


def _read(
    data: bytes, kind: str, file: str, limits: DocumentLimits, listener: Listener
) -> tuple[tuple[Block, ...], tuple[DocumentComment, ...], list[Finding]]:
    if kind in ("doc", "rtf", "odt"):
        return read_docx(convert_to_docx(data, file, f".{kind}", limits), file, limits, listener)
    if kind == "docx":
        return read_docx(data, file, limits, listener)
    listener("document", 0, None)
    if kind == "pdf":
        return (*_without_comments(*read_pdf(data, file, limits, listener)),)
    if kind == "html":
        text, findings = decode_html(data, file)
        blocks, more = read_html(text, file, limits)
        return blocks, (), [*findings, *more]
    return _without_comments(*read_plain(decode_document(data, file), file))


def _without_comments(
    blocks: tuple[Block, ...], findings: list[Finding]
) -> tuple[tuple[Block, ...], tuple[DocumentComment, ...], list[Finding]]:
    return blocks, (), findings


def _kind(data: bytes, file: str, suffix: str, limits: DocumentLimits) -> str:
    """Return the format of a file by its content, or refuse it by name."""
    if data.startswith(b"PK"):
        return _zip_kind(data, file, limits)
    if data.startswith(_COMPOUND):
        return _compound_kind(data, file, suffix)
    if b"%PDF-" in data[:1024]:
        return "pdf"
    start = data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{\\rtf"):
        return "rtf"
    for mark, name in _IMAGES:
        if start.startswith(mark) and (name != "BMP" or b"\0" in start[:32]):
            raise _refused(
                file,
                f"a {name} image",
                "向发文单位索取文字版，或先做文字识别并校对 / ask for the text, or recognise and proofread it first",
            )
    if re.match(rb"(?:from: <saved by|mime-version:|content-type: multipart/related)", start[:200], re.IGNORECASE):
        raise _refused(file, "a web archive (MHTML)", "在浏览器中另存为“网页，仅 HTML” / save the page as HTML only")
    if start.startswith((b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")):
        raise _refused(file, "a compressed archive", "先解压 / unpack it first")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        start = data[:_HEAD].decode("utf-16", errors="replace").encode()
    if suffix in _ENDINGS["html"] or (suffix not in (".md", ".txt") and start.startswith(b"<")):
        return "html"
    if _HTML.match(start.lstrip()) or (start.startswith((b"<?xml", b"<!--")) and _HTML.search(start)):
        return "html"
    if suffix in (".docx", ".pdf", ".wps", ".ofd", ".doc"):
        _refuse_disguised(data, file, suffix)
    return "txt"


def _refuse_disguised(data: bytes, file: str, suffix: str) -> None:
    """Refuse bytes under the ending of a format that they are not, unless they are text."""
    if b"\0" in data[:_HEAD] or suffix in (".wps", ".ofd"):
        raise _refused(file, f"no {suffix} document, whatever its ending says", _AS_DOCX)


def _zip_kind(data: bytes, file: str, limits: DocumentLimits) -> str:
    names = OfficeArchive(data, file, limits).names
    if "word/document.xml" in names:
        return "docx"
    if "OFD.xml" in names:
        raise _refused(file, "an OFD document", "用 OFD 阅读器或 WPS 导出 PDF 或 .docx / export it as PDF or .docx")
    if "content.xml" in names and "mimetype" in names and b"opendocument.text" in data[:200]:
        return "odt"
    for name, what in (("xl/workbook.xml", "an Excel workbook"), ("ppt/presentation.xml", "a presentation")):
        if name in names:
            raise _refused(file, what, "把方案正文另存为 .docx / save the plan's text as .docx")
    raise _refused(file, "a zip archive without word/document.xml", _AS_DOCX)


def _compound_kind(data: bytes, file: str, suffix: str) -> str:
    def holds(name: str) -> bool:
        return name.encode("utf-16-le") in data

    if holds("EncryptedPackage"):
        raise refuse_encrypted(file, ".docx")
    if holds("WordDocument"):
        return "doc"
    if holds("Workbook") or holds("PowerPoint Document"):
        raise _refused(file, "an Excel or PowerPoint file", "把方案正文另存为 .docx / save the plan's text as .docx")
    what = "a WPS document of an old kind" if suffix == ".wps" else "an Office file of an unknown kind"
    raise _refused(file, what, _AS_DOCX)


def _refused(file: str, what: str, next_step: str) -> Exception:
    return refuse(
        file,
        f"it is {what}",
        expected="a .docx, .pdf with text, .html or .txt document (.doc, .rtf and .odt through LibreOffice)",
        next_step=next_step,
        name="intake.document.unknown-format",
    )

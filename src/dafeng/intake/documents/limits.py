"""How much of a document is read, and the words in which one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity

__all__ = ["DocumentLimits", "document_finding", "refuse", "refuse_damaged", "refuse_encrypted", "refuse_large"]

_REASONS: Final = {
    "empty": "文件是空的",
    "no-text": "文件里没有文字",
    "unreadable": "文件打不开",
    "encrypted": "文件设了密码",
    "damaged": "文件损坏或不完整",
    "scan": "PDF 中没有可以复制的文字，是扫描件或空白页",
    "too-large": "文件超出上限",
    "unknown-format": "不是能读取的文件格式",
    "not-text": "既不是已知的文件格式，也不是文本",
    "zip-bomb": "压缩内容异常膨胀",
    "needs-libreoffice": "这种格式要靠 LibreOffice 转换，而本机没有安装",
    "not-converted": "LibreOffice 未能转换这个文件",
    "unmapped-font": "字体没有编码对照，文字无法还原",
}


@dataclass(frozen=True)
class DocumentLimits:
    """How much of a document is read before it is refused.

    Parameters
    ----------
    file_bytes : int
        Size of the file.
    unpacked_bytes : int
        Size of the parts of a .docx once unpacked, by its directory and again while reading.
    ratio : float
        Unpacked over packed size of a part larger than 1 MB from which a .docx counts as a zip bomb.
    characters : int
        Characters of the text.
    pages : int
        Pages of a PDF.
    page_characters : int
        Characters of a single page of a PDF.
    convert_seconds : float
        Time that LibreOffice has for the conversion of an old format.

    Examples
    --------
    >>> DocumentLimits(pages=100).pages
    100
    """

    file_bytes: int = 200 << 20
    unpacked_bytes: int = 600 << 20
    ratio: float = 200.0
    characters: int = 20_000_000
    pages: int = 5_000
    page_characters: int = 100_000
    convert_seconds: float = 120.0


def refuse(file: str, problem: str, *, expected: str, next_step: str, name: str, **evidence: object) -> InputError:
    """Return the error for a document that is not read.

    Examples
    --------
    >>> print(refuse("a.docx", "it is empty", expected="a document", next_step="copy it again", name="intake.document.empty"))
    [input] read the document a.docx: 文件是空的 / it is empty; expected: a document; next: copy it again
    """
    reason = _REASONS.get(name.rpartition(".")[2], "文件不能读取")
    return InputError(
        f"{reason} / {problem}",
        doing=f"read the document {file}",
        expected=expected,
        next_step=next_step,
        file=file,
        name=name,
        **evidence,
    )


def refuse_damaged(file: str, kind: str, detail: str) -> InputError:
    """Return the error for a document that breaks off or contradicts itself."""
    return refuse(
        file,
        f"the {kind} file is damaged or cut off: {detail}",
        expected=f"an undamaged {kind} file",
        next_step="重新下载或复制该文件，或在 WPS、Word 中打开后另存一份 / copy it again, or open it and save it anew",
        name="intake.document.damaged",
    )


def refuse_encrypted(file: str, kind: str) -> InputError:
    """Return the error for a document that asks for a password."""
    return refuse(
        file,
        f"the {kind} file is encrypted and asks for a password",
        expected="a document without password",
        next_step="打开后取消密码保护，再另存一份 / open it, remove the password, save it again",
        name="intake.document.encrypted",
    )


def refuse_large(file: str, what: str, size: int, limit: int, of: str) -> InputError:
    """Return the error for a document beyond a limit."""
    return refuse(
        file,
        f"{what} has {size:,} {of}",
        expected=f"at most {limit:,} {of}",
        next_step="拆成较小的文件，或只保留文件正文 / split it, or keep only the plan itself",
        name="intake.document.too-large",
        size=size,
        limit=limit,
    )


def document_finding(
    name: str,
    sentence: str,
    file: str,
    *,
    next_step: str,
    severity: Severity = Severity.WARNING,
    value: str = "",
    **evidence: str | int | float | bool | None,
) -> Finding:
    """Return a finding about a document.

    Examples
    --------
    >>> document_finding("intake.document.wrong-ending", "后缀不符", "a.doc", next_step="改名").name
    'intake.document.wrong-ending'
    """
    return Finding(
        name=name,
        sentence=sentence,
        severity=severity,
        value=value,
        next_step=next_step,
        where=Location(file=file),
        evidence=evidence,
    )

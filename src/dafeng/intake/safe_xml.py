"""XML of others, read so that it can do no harm: no document type, no entities, nothing from outside, bounded in size."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

from lxml import etree

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.intake.encoding import decode_text

__all__ = [
    "BrokenXmlError",
    "XmlLimits",
    "clean_xml",
    "daily_members",
    "facts_of",
    "local_name",
    "no_daily_files",
    "plain_number",
    "xml_elements",
    "xml_finding",
]

_DECLARED: Final = re.compile(r"^\s*<\?xml[^>]*\?>", re.S)
_ENCODING: Final = re.compile(r"""encoding\s*=\s*["']([A-Za-z0-9_.-]+)["']""")
_SAME: Final = {
    "utf8": "utf8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "utf16": "utf16",
    "ascii": "utf8",
    "usascii": "utf8",
}


@dataclass(frozen=True)
class XmlLimits:
    """How much is read before a file is refused.

    Parameters
    ----------
    size : int
        Bytes of one XML file, unpacked.
    ratio : float
        Unpacked over packed size from which a member of a package counts as a bomb.
    members : int
        Files of a package.
    listed : int
        Findings of one kind that are listed one by one.
    """

    size: int = 1 << 30
    ratio: float = 200.0
    members: int = 2_000
    listed: int = 50


class BrokenXmlError(Exception):
    """A document that is not read further: name of the finding, sentence, line."""

    def __init__(self, name: str, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.name, self.sentence, self.line = name, sentence, line


def xml_finding(
    name: str,
    sentence: str,
    file: str,
    severity: Severity = Severity.ERROR,
    *,
    line: int | None = None,
    **evidence: str | int,
) -> Finding:
    """Return a finding on an XML file, named below `meter.xml`."""
    return Finding(
        name=f"meter.xml.{name}",
        sentence=sentence,
        severity=severity,
        expected="数据中心上传规定的 XML",
        next_step="请对方按规定重新生成文件" if severity is Severity.ERROR else "核对",
        where=Location(file=file, line=line),
        evidence=dict(evidence),
    )


def clean_xml(data: bytes, file: str, limits: XmlLimits, findings: list[Finding]) -> bytes:
    """Return the document as UTF-8 without declaration; refuse what is too large, no text, or has a document type."""
    if len(data) > limits.size:
        raise BrokenXmlError("too-large", f"文件有 {len(data):,} 字节，上限 {limits.size:,}")
    try:
        text, encoding = decode_text(data, file=file)
    except InputError as error:
        raise BrokenXmlError("not-text", f"文件不是文本：{error.problem}") from error
    text = text.removeprefix("\ufeff")
    head = _DECLARED.match(text)
    declared = _ENCODING.search(head[0]) if head else None
    plain = re.sub(r"[-_]", "", declared[1]).casefold() if declared else "utf8"
    actual = re.sub(r"[-_]", "", encoding).casefold().removesuffix("sig").removesuffix("le").removesuffix("be")
    if _SAME.get(plain, plain) != _SAME.get(actual, actual) and not text.isascii():
        findings.append(
            xml_finding(
                "encoding",
                f"声明的编码是 {declared[1] if declared else '（无，即 UTF-8）'}，实际是 {encoding}，已按实际读取",
                file,
                Severity.WARNING,
            )
        )
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.I):
        raise BrokenXmlError("document-type", "文件带有文档类型或实体定义，不予读取")
    return (text[head.end() :] if head else text).encode()


def xml_elements(data: bytes, tags: tuple[str, ...] | None = None) -> Iterator[etree._Element]:
    """Give elements as they end; nothing outside of the document is looked at."""
    try:
        for _, element in etree.iterparse(
            io.BytesIO(data),
            events=("end",),
            tag=tags,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        ):
            yield element
    except etree.XMLSyntaxError as error:
        raise BrokenXmlError("broken", f"XML 不完整或有错：{str(error.msg)[:160]}", error.lineno) from error


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]


def facts_of(element: etree._Element) -> dict[str, str | None]:
    """Return what an element says by its attributes and its children without children, by local name; blank is None."""
    said = {str(name).rpartition("}")[2]: text for name, text in element.attrib.items()}
    said.update({child.tag.rpartition("}")[2]: child.text for child in element if not len(child)})
    return {name: text.strip() or None if text is not None else None for name, text in said.items()}


def plain_number(text: str) -> float | None:
    """Return the finite number that a text is, with commas for thousands or without; None where it is none.

    Examples
    --------
    >>> plain_number("12,000.5"), plain_number("1,5"), plain_number("nan")
    (12000.5, None, None)
    """
    plain = text.strip()
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if isfinite(number) else None


def no_daily_files(path: Path, problem: str) -> InputError:
    """Return the error of a package that holds no daily files."""
    return InputError(
        f"{path.name} {problem}",
        doing="read the daily files of a data centre",
        expected="a folder, a zip package or a file <centre><date>Build.xml, <centre><date>Energy.xml",
        next_step="unpack rar or 7z packages first; ask the sender for the files of that day",
        file=path.name,
        name="meter.xml.no-files",
    )


def daily_members(path: Path, limits: XmlLimits) -> tuple[list[tuple[str, bytes]], tuple[str, ...]]:
    """Return the XML files of a folder, a package or a single file with their names, and the names of attachments."""

    def wanted(name: str) -> bool:
        return name.casefold().endswith(".xml") and "/accessory/" not in f"/{name.casefold()}"

    try:
        if path.is_dir():
            found = sorted(item for item in path.rglob("*") if item.is_file() and not item.is_symlink())
            names = [item.relative_to(path).as_posix() for item in found]
            files = [
                (item.name, _bounded(item, limits)) for item, name in zip(found, names, strict=True) if wanted(name)
            ]
            return files, tuple(name for name in names if "accessory/" in name.casefold())
        with path.open("rb") as stream:
            packed = stream.read(4) == b"PK\x03\x04"
        if not packed:
            return [(path.name, _bounded(path, limits))], ()
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > limits.members:
                raise no_daily_files(path, f"holds {len(entries):,} files, more than {limits.members:,}")
            files = []
            for entry in sorted(entries, key=lambda item: item.filename):
                if not wanted(entry.filename):
                    continue
                big = entry.file_size > 1 << 20 and entry.file_size > limits.ratio * max(entry.compress_size, 1)
                if entry.flag_bits & 1 or big or entry.file_size > limits.size:
                    raise no_daily_files(path, f"{entry.filename} is encrypted, too large, or unpacks beyond measure")
                with archive.open(entry) as member:
                    data = member.read(limits.size + 1)
                files.append((entry.filename.rsplit("/", 1)[-1], data))
            return files, tuple(
                sorted(entry.filename for entry in entries if "accessory/" in entry.filename.casefold())
            )
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise no_daily_files(path, f"cannot be read: {error}") from error


def _bounded(path: Path, limits: XmlLimits) -> bytes:
    with path.open("rb") as stream:
        return stream.read(limits.size + 1)

"""Documents that are none: each is refused in one sentence with what to do, never with a traceback."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dafeng.base.errors import ExitCode, InputError
from dafeng.base.finding import Severity
from dafeng.intake import DocumentLimits, read_document
from dafeng.intake.documents import convert
from document_builders import docx_document, plan_docx, plan_txt, save_docx, typst_pdf, typst_source

OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)


def zip_of(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def entities() -> bytes:
    return zip_of({"word/document.xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'})


def damaged_zip() -> bytes:
    data = bytearray(plan_docx())
    start = data.index(b"word/document.xml") + 200
    data[start : start + 50] = bytes(50)
    return bytes(data)


CASES: dict[str, tuple[str, Callable[[], bytes], str, str]] = {
    "empty": ("a.txt", lambda: b"", "empty", "it is empty"),
    "only_a_mark": ("a.txt", lambda: b"\xef\xbb\xbf \r\n", "empty", "it is empty"),
    "blank_docx": ("a.docx", lambda: save_docx(docx_document()), "no-text", "holds no text"),
    "blank_page": ("a.html", lambda: b"<html><body><script>1</script></body></html>", "no-text", "holds no text"),
    "binary_docx": ("a.docx", lambda: bytes(range(256)) * 9, "unknown-format", r"no \.docx document"),
    "binary_txt": ("a.txt", lambda: bytes(range(256)) * 9, "not-text", "neither a known document nor text"),
    "zip_without_word": ("a.docx", lambda: zip_of({"a.txt": b"a"}), "unknown-format", "a zip archive without word/"),
    "workbook": ("a.docx", lambda: zip_of({"xl/workbook.xml": b"<a/>"}), "unknown-format", "an Excel workbook"),
    "ofd": ("a.ofd", lambda: zip_of({"OFD.xml": b"<a/>"}), "unknown-format", "an OFD document"),
    "bomb": ("a.docx", lambda: zip_of({"word/document.xml": bytes(9 << 20)}), "zip-bomb", "swells when unpacked"),
    "entities": ("a.docx", entities, "damaged", "declares a document type"),
    "no_xml": ("a.docx", lambda: zip_of({"word/document.xml": b"<w:document"}), "damaged", r"part word/document\.xml"),
    "damaged_part": ("a.docx", damaged_zip, "damaged", "damaged or cut off"),
    "cut_docx": ("a.docx", lambda: plan_docx()[:-300], "damaged", "damaged or cut off"),
    "cut_pdf": ("a.pdf", lambda: typst_pdf(typst_source())[:300], "damaged", "PDF file is damaged or cut off"),
    "pdf_by_name": ("a.pdf", lambda: b"%PDF-1.7\n%\xe2\xe3", "damaged", "PDF file is damaged or cut off"),
    "locked_docx": ("a.docx", lambda: OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted", "asks for a password"),
    "old_wps": ("a.wps", lambda: OLE, "unknown-format", "a WPS document of an old kind"),
    "old_workbook": ("a.doc", lambda: OLE + "Workbook".encode("utf-16-le"), "unknown-format", "an Excel or PowerPoint"),
    "image": ("a.pdf", lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), "unknown-format", "a PNG image"),
    "photograph": ("a.jpg", lambda: b"\xff\xd8\xff\xe0" + bytes(99), "unknown-format", "a JPEG image"),
    "web_archive": ("a.mht", lambda: b"From: <Saved by Blink>\r\n", "unknown-format", "a web archive"),
    "packed": ("a.rar", lambda: b"Rar!\x1a\x07" + bytes(99), "unknown-format", "a compressed archive"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_four_parts(tmp_path: Path, case: str) -> None:
    file, make, problem, words = CASES[case]
    path = tmp_path / file
    path.write_bytes(make())
    with pytest.raises(InputError, match=words) as caught:
        read_document(path)
    error = caught.value
    assert error.evidence["name"] == f"intake.document.{problem}"
    assert error.doing == f"read the document {file}"
    assert error.problem
    assert error.expected
    assert error.next_step
    assert error.exit_code is ExitCode.BAD_INPUT
    assert "\n" not in str(error)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.docx", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_document(path)


@pytest.mark.parametrize(
    ("file", "data", "limits", "words"),
    [
        ("a.txt", plan_txt(), DocumentLimits(file_bytes=100), "at most 100 bytes"),
        ("a.txt", plan_txt(), DocumentLimits(characters=100), "at most 100 characters"),
        ("a.docx", plan_docx(), DocumentLimits(characters=100), "at most 100 characters"),
        ("a.docx", plan_docx(), DocumentLimits(unpacked_bytes=1000), "zip bomb"),
        ("a.pdf", typst_pdf(typst_source()), DocumentLimits(pages=1), "at most 1 pages"),
        ("a.pdf", typst_pdf(typst_source()), DocumentLimits(page_characters=10), "at most 10 characters"),
    ],
)
def test_limits(tmp_path: Path, file: str, data: bytes, limits: DocumentLimits, words: str) -> None:
    path = tmp_path / file
    path.write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_document(path, limits=limits)


def test_old_word_needs_libreoffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.doc"
    path.write_bytes(OLE + "WordDocument".encode("utf-16-le"))
    monkeypatch.setattr(convert.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="LibreOffice is not installed") as caught:
        read_document(path)
    assert ".docx" in caught.value.next_step


@pytest.mark.parametrize(("script", "words"), [("sleep 60", "took more than 0.5 seconds"), ("echo broken", "broken")])
def test_a_converter_that_hangs_or_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    program = tmp_path / "soffice"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(convert.shutil, "which", lambda name: str(program))
    path = tmp_path / "a.doc"
    path.write_bytes(OLE + "WordDocument".encode("utf-16-le"))
    started = time.monotonic()
    with pytest.raises(InputError, match=words):
        read_document(path, limits=DocumentLimits(convert_seconds=0.5))
    assert time.monotonic() - started < 5


def test_a_wrong_ending_is_said_and_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "plan.doc"
    path.write_bytes(plan_docx())
    found = read_document(path)
    assert found.format == "docx"
    assert [(finding.name, finding.severity) for finding in found.findings] == [
        ("intake.document.wrong-ending", Severity.WARNING)
    ]
    path = tmp_path / "page.doc"
    path.write_text("<html><body><p>到2030年</p></body></html>", encoding="utf-8")
    assert read_document(path).format == "html"


def test_a_thousand_pages_take_linear_time(tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    path = tmp_path / "long.pdf"
    path.write_bytes(
        typst_pdf(
            '#set page(width: 9cm, height: 6cm)\n#set text(font: "Noto Serif CJK SC")\n'
            + "到2030年达峰。\n#pagebreak()\n" * 1000
        )
    )
    found = read_document(path, listener=lambda step, done, total: heard.append((done, total)))
    assert found.plain == "到2030年达峰。" * 1000
    assert found.where(len(found.plain) - 1).page == 1000
    assert heard[-1] == (1001, 1001)

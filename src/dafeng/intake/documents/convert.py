"""Old office formats through LibreOffice, where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from dafeng.intake.documents.limits import DocumentLimits, refuse

__all__ = ["convert_to_docx"]

_PROGRAMS: Final = ("soffice", "libreoffice")


def convert_to_docx(data: bytes, file: str, kind: str, limits: DocumentLimits) -> bytes:
    """Return a document of an old format as .docx, converted by LibreOffice with a profile of its own.

    Raises
    ------
    InputError
        LibreOffice is not installed, took too long, or could not read the file.
    """
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise refuse(
            file,
            f"it is a {kind} file, which is read through LibreOffice, and LibreOffice is not installed",
            expected="a .docx, .pdf, .html or .txt document, or LibreOffice for .doc, .rtf and .odt",
            next_step="在 WPS 或 Word 中另存为 .docx，或安装 LibreOffice / save it as .docx, or install LibreOffice",
            name="intake.document.needs-libreoffice",
        )
    with tempfile.TemporaryDirectory(prefix="dafeng-") as place:
        folder = Path(place)
        source = folder / f"document{kind}"
        source.write_bytes(data)
        command = [
            program,
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless",
            "--norestore",
            "--convert-to",
            "docx",
            "--outdir",
            str(folder / "out"),
            str(source),
        ]
        said = _run(command, limits.convert_seconds, file, kind)
        result = folder / "out" / "document.docx"
        if result.is_file() and result.stat().st_size:
            return result.read_bytes()
    raise refuse(
        file,
        f"LibreOffice could not read the {kind} file: {said.strip()[-200:] or 'it gave no result'}",
        expected="an undamaged file without password",
        next_step="在 WPS 或 Word 中打开并另存为 .docx / open it and save it as .docx",
        name="intake.document.not-converted",
    )


def _run(command: list[str], seconds: float, file: str, kind: str) -> str:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)  # the program starts others
            raise refuse(
                file,
                f"LibreOffice took more than {seconds:g} seconds over the {kind} file",
                expected="a file that converts in that time",
                next_step="在 WPS 或 Word 中另存为 .docx / save it as .docx",
                name="intake.document.not-converted",
            ) from error
    return output.decode("utf-8", errors="replace")

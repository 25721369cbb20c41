"""Files that come in and go out: received under a limit, offered as attachments that no browser runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse
from django.utils.translation import gettext as _

from dafeng.web.access.refusal import RefusedError
from dafeng.web.house import house
from dafeng.web.plans.evidence import KINDS

__all__ = ["attachment", "received"]


@contextmanager
def received(upload: UploadedFile[bytes]) -> Iterator[Path]:
    """Give an uploaded file as a file of the disk, under a name of our own; it is gone afterwards.

    Raises
    ------
    RefusedError
        It is larger than may be.
    """
    most = settings.DAFENG_LARGEST_UPLOAD
    if upload.size is None or upload.size > most:
        raise RefusedError("upload.large", _("文件超过 %(most)d MB，不接收。") % {"most": most >> 20})
    with tempfile.TemporaryDirectory(prefix="dafeng-upload-") as folder:
        path = Path(folder, "file")
        with path.open("wb") as stream:
            for chunk in upload.chunks():
                stream.write(chunk)
        yield path


def attachment(document: str, name: str, kind: str = "") -> FileResponse:
    """Return a kept document as a download; it is never shown in the browser.

    Parameters
    ----------
    document : str
        SHA-256 under which the workspace keeps it.
    name : str
        File name that is offered.
    kind : str, optional
        One of `KINDS`; anything else is sent as bytes without meaning.
    """
    setting = house().setting()
    assert setting.workspace is not None
    answer = FileResponse(
        setting.workspace.document(document).open("rb"),
        as_attachment=True,
        filename=name,
        content_type=KINDS.get(kind, "application/octet-stream"),
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer

"""The zip archive of an Office file: parts as XML trees, under a limit on their unpacked size, without entities."""

from __future__ import annotations

import io
import zipfile
import zlib

from lxml import etree

from dafeng.intake.documents.limits import DocumentLimits, refuse, refuse_damaged, refuse_encrypted

__all__ = ["OfficeArchive"]


class OfficeArchive:
    """A zip archive of XML parts, read under limits.

    Parameters
    ----------
    data : bytes
    file : str
        Name for messages.
    limits : DocumentLimits
    kind : str, optional
        Ending for messages.

    Raises
    ------
    InputError
        The archive is encrypted, damaged or a zip bomb.
    """

    def __init__(self, data: bytes, file: str, limits: DocumentLimits, *, kind: str = ".docx") -> None:
        self._file = file
        self._kind = kind
        self._limits = limits
        self._used = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise refuse_damaged(file, kind, str(error)) from error
        entries = self._zip.infolist()
        for entry in entries:
            if entry.flag_bits & 1:
                raise refuse_encrypted(file, kind)
            if entry.file_size > (1 << 20) and entry.file_size > limits.ratio * max(entry.compress_size, 1):
                raise self._bomb(f"{entry.filename} unpacks {entry.compress_size:,} to {entry.file_size:,} bytes")
        self.names = frozenset(entry.filename for entry in entries)

    def tree(self, name: str) -> etree._Element:
        """Return a part as an XML tree."""
        data = self._bytes(name)
        if b"<!DOCTYPE" in data[: 1 << 16] or b"<!ENTITY" in data[: 1 << 16]:
            raise refuse_damaged(
                self._file, self._kind, f"part {name} declares a document type, which such files never do"
            )
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise refuse_damaged(self._file, self._kind, f"part {name}: {error}") from error

    def _bytes(self, name: str) -> bytes:
        pieces = []
        try:
            with self._zip.open(name) as stream:
                while piece := stream.read(1 << 20):
                    pieces.append(piece)
                    self._used += len(piece)
                    if self._used > self._limits.unpacked_bytes:
                        raise self._bomb(f"more than {self._limits.unpacked_bytes:,} bytes came out while reading")
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise refuse_damaged(self._file, self._kind, f"part {name}: {error}") from error
        return b"".join(pieces)

    def _bomb(self, detail: str) -> Exception:
        return refuse(
            self._file,
            f"it swells when unpacked (zip bomb): {detail}",
            expected=f"parts that unpack at most {self._limits.ratio:g} times and to {self._limits.unpacked_bytes:,} bytes",
            next_step="不要打开来历不明的文件；正常文件请在 WPS、Word 中另存一份 / do not open it; save a sound one anew",
            name="intake.document.zip-bomb",
        )

"""Office packages with the same bytes for the same content: fixed order, fixed time stamps, fixed attributes."""

from __future__ import annotations

import io
import zipfile
from typing import Final

__all__ = ["PACKAGE_TIME", "normalise_package"]

PACKAGE_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every member: the earliest that a zip file can state."""

_FIRST: Final = ("[Content_Types].xml", "_rels/.rels")


def normalise_package(data: bytes) -> bytes:
    """Return an office package with members in one order, without time stamps and without attributes of the machine.

    Examples
    --------
    >>> def package(*names):
    ...     target = io.BytesIO()
    ...     with zipfile.ZipFile(target, "w") as archive:
    ...         for name in names:
    ...             archive.writestr(name, name)
    ...     return target.getvalue()
    >>> first, second = package("b.xml", "[Content_Types].xml"), package("[Content_Types].xml", "b.xml")
    >>> first == second, normalise_package(first) == normalise_package(second)
    (False, True)
    """
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        names = sorted(source.namelist(), key=lambda name: (name not in _FIRST, name))
        for name in names:
            member = zipfile.ZipInfo(name, PACKAGE_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 0
            member.external_attr = 0
            archive.writestr(member, source.read(name), compresslevel=6)
    return target.getvalue()

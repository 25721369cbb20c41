"""Data files of a table, and what goes wrong with them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl
from deltalake.exceptions import DeltaError

from dafeng.base.errors import LakeError
from dafeng.lake.durable import hash_file

__all__ = ["FILE_NAME", "LIBRARY_ERRORS", "NOTHING", "DataFile", "library_errors"]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
FILE_NAME: Final = re.compile(r"part-\d{20}-([0-9a-f]{64})\.parquet")
LIBRARY_ERRORS: Final = (DeltaError, duckdb.Error, pl.exceptions.PolarsError, OSError, ValueError)


class DataFile(NamedTuple):
    """A Parquet file of a table."""

    path: Path
    rows: int
    size: int
    partition: Mapping[str, str] = NOTHING
    """What all its rows share, by partition column."""
    least: Mapping[str, Any] = NOTHING
    """Least value by ranged column, where it has one."""
    most: Mapping[str, Any] = NOTHING
    """Greatest value by ranged column, where it has one."""

    @property
    def version(self) -> int:
        """Version of the table that brought the file."""
        return int(self.path.name[5:25])

    def fault(self, *, thorough: bool) -> str | None:
        """Return in Chinese what is wrong with the file, None if nothing; `thorough` hashes its bytes."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return "文件缺失或无法访问"
        if size != self.size:
            return f"文件大小为 {size} 字节，日志记为 {self.size} 字节"
        name = FILE_NAME.fullmatch(self.path.name)
        try:
            if thorough and name and hash_file(self.path) != name[1]:
                return "文件内容与其名称中的散列值不符"
        except OSError as error:
            return f"文件无法读取：{error}"
        return None


@contextmanager
def library_errors(doing: str, folder: Path, files: Sequence[DataFile] = ()) -> Iterator[None]:
    """Turn what the libraries throw into a LakeError that names the faulty file."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        if _is_full(error):
            raise LakeError(
                f"{folder} cannot be written: {_short(error)}",
                doing=doing,
                expected="room on the disk",
                next_step="make room and do it again; nothing was stored",
            ) from error
        faulty = [f"{file.path} ({fault})" for file in files if (fault := file.fault(thorough=True))]
        raise LakeError(
            f"faulty files: {'; '.join(faulty[:3])}" if faulty else f"{folder} cannot be used: {_short(error)}",
            doing=doing,
            expected="the files and log entries that the lake wrote, unchanged",
            next_step="restore the folder from a backup; `dafeng doctor` lists every faulty file",
        ) from error


def _is_full(error: Exception) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    told = any(os.strerror(number) in str(error) for number in full)  # by libraries that keep only the words
    return told or (isinstance(error, OSError) and error.errno in full)


def _short(error: Exception, most: int = 300) -> str:
    """Return what a library says, without the pages of its inner state."""
    text = str(error)
    return text if len(text) <= most else f"{text[:most]} …"

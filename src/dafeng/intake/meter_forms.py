"""What kind of file of metering a file is: readings, bills of accounts, daily files between centres, or weather."""

from __future__ import annotations

import gzip
import re
from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.quantity import fold_width
from dafeng.intake.account_layout import role_of_account
from dafeng.intake.encoding import decode_text
from dafeng.intake.meter_layout import role_of_header
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits

__all__ = ["MeterForm", "find_meter_form"]


class MeterForm(StrEnum):
    """What a file of metering holds."""

    READINGS = "readings"
    """Readings of meters."""
    ACCOUNTS = "accounts"
    """Bills of grid, gas, heat or water companies."""
    XML = "xml"
    """Daily Build.xml and Energy.xml of a data centre."""
    WEATHER = "weather"
    """Weather of a station, EPW or a table."""


_HEAD: Final = 1 << 16
_LINES: Final = 30
_WEATHER: Final = re.compile(
    r"^(气温|温度|干球温度|室外温度|平均气温|日平均气温|露点温度|airtemp(erature)?|temperature|drybulb|tair|ghi|dhi|dni|总辐射|相对湿度|relhumidity|relativehumidity)(pct|c|℃|°c)?$"
)


def find_meter_form(path: Path, *, limits: Limits | None = None) -> MeterForm:
    """Return what a file of metering holds, by its name and its first rows.

    Parameters
    ----------
    path : Path
        A file, or the folder of daily files.
    limits : Limits, optional

    Raises
    ------
    InputError
        The file is missing or cannot be read at all.

    Examples
    --------
    >>> find_meter_form(Path("qingdao.epw"))
    <MeterForm.WEATHER: 'weather'>
    """
    name = path.name.casefold()
    if name.endswith((".epw", ".epw.gz")):
        return MeterForm.WEATHER
    if path.is_dir() or name.endswith((".xml", ".zip")):
        return MeterForm.XML
    cells = {cell.strip() for cell in _first_cells(path, limits) if cell.strip()}
    roles = {role_of_header(cell) for cell in cells}
    reading = {"meter", "register"} <= roles and roles & {"time", "date"} and "start" not in roles
    if any(role_of_account(cell) == "account" for cell in cells) and not reading:
        return MeterForm.ACCOUNTS
    bare = (cut for cell in cells for cut in (cell, re.sub(r"[(（\[].*$", "", cell)))
    heads = {re.sub(r"[\s_\-()（）\[\]]", "", fold_width(cell)).casefold() for cell in bare}
    if "meter" not in roles and any(_WEATHER.match(head) for head in heads):
        return MeterForm.WEATHER
    return MeterForm.READINGS


def _first_cells(path: Path, limits: Limits | None) -> list[str]:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read: {error.strerror}",
            doing="find out what a file holds",
            expected="a file that can be read",
            next_step="check the path and the permissions",
            file=path.name,
            name="intake.file.unreadable",
        ) from error
    if head[:4] == b"PAR1":
        try:
            return list(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError):
            return []
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as packed:
                head = packed.read(_HEAD)
        except (OSError, EOFError, ValueError):
            return []
    elif head[:2] == b"PK" or head[:4] == bytes.fromhex("d0cf11e0"):
        sheets = read_sheets(path, limits=limits)
        return [cell for sheet in sheets for row in sheet.frame.head(_LINES).iter_rows() for cell in row if cell]
    whole = head.rsplit(b"\n", 1)[0]
    try:
        text = decode_text(whole, file=path.name)[0]
    except InputError:
        return []  # the reader of readings says what is wrong with it
    return [cell.strip(' "') for line in text.splitlines()[:_LINES] for cell in re.split(r"[,;\t]", line)]

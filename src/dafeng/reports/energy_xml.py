"""The daily files for the upper centre: Build.xml and Energy.xml of a day, packed; the same day gives the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from dafeng.base.building import Building
from dafeng.base.errors import InputError
from dafeng.catalog.metering_tables import archive_fields
from dafeng.reports.packing import PACKAGE_TIME

__all__ = ["DailyPack", "archive_frame", "daily_pack"]

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_EPOCH: Final = datetime(2000, 1, 1)
_ITEMS_AN_HOUR: Final = 1000


@dataclass(frozen=True)
class DailyPack:
    """The files of a day.

    Parameters
    ----------
    name : str
        Six digits of the centre and the day: name of the folder.
    build, energy : bytes
        The two files.
    package : bytes
        Both, in their folder, as zip.
    """

    name: str
    build: bytes
    energy: bytes
    package: bytes


def archive_frame(buildings: Sequence[Building], *, centre: str, districts: Mapping[str, str]) -> pl.DataFrame:
    """Return the archive fields of buildings as text, one row a building.

    Parameters
    ----------
    buildings : sequence of Building
    centre : str
        Six digits of the data centre.
    districts : mapping from place id to district code
        The district of the building code where the place is not among them.

    Examples
    --------
    >>> office = Building(id="370202A001", name="某楼", place="qingdao-shinan", building_class="public", building_type="office", gross_area=12000)
    >>> row = archive_frame([office], centre="370200", districts={"qingdao-shinan": "370202"}).row(0, named=True)
    >>> row["F_DistrictCode"], row["F_BuildFunc"], row["F_TotalArea"], row["F_AirArea"]
    ('370202', 'A', '12000', None)
    """
    rows = []
    for building in buildings:
        row: dict[str, str | None] = {}
        for one in archive_fields():
            value = getattr(building, one.record) if one.record else None
            if one.record == "place":
                value = districts.get(building.place, building.id[:6])
            elif one.codes and value is not None:
                value = next((letter for letter, code in one.codes.items() if code == value), None)
            elif isinstance(value, float) and value.is_integer():
                value = int(value)
            row[one.field] = None if value is None else str(value)
        row["F_DataCenterID"], row["F_State"] = centre, "1"
        letter = building.id[6:7]
        if row["F_BuildFunc"] is None and letter in "ABCDEFGH":
            row["F_BuildFunc"] = letter
        rows.append(row)
    return pl.DataFrame(rows, schema={one.field: pl.String() for one in archive_fields()})


def daily_pack(
    *,
    centre: str,
    day: date,
    archives: pl.DataFrame,
    hours: pl.DataFrame,
    equivalents: Mapping[str, float],
    zone: str = "Asia/Shanghai",
    items: Sequence[str] | None = None,
) -> DailyPack:
    """Return the files of a day.

    Parameters
    ----------
    centre : str
        Six digits of the data centre.
    day : date
        Local day; every hour must begin in it.
    archives : DataFrame
        Archive fields as text, see `archive_frame`.
    hours : DataFrame
        building, item, start, end (UTC), value.
    equivalents : mapping from item to number
        kgce of one unit, by the factor of the day; an item takes that of its carrier (its first two digits and 000) where it has
        none of its own.
    zone : str
    items : sequence of str, optional
        All items in a fixed order, so that a result keeps its number when the day is written again; those of the day where None.

    Raises
    ------
    InputError
        The centre is not six digits, an hour lies in another day, stands twice, is no number, has no equivalent, or a building code has not ten
        characters.

    Examples
    --------
    >>> from datetime import UTC
    >>> hours = pl.DataFrame({"building": ["370202A001"], "item": ["01000"], "start": [datetime(2026, 1, 1, 0, tzinfo=UTC)],
    ...                       "end": [datetime(2026, 1, 1, 1, tzinfo=UTC)], "value": [100.0]})
    >>> pack = daily_pack(centre="370200", day=date(2026, 1, 1), archives=archive_frame([], centre="370200", districts={}),
    ...                   hours=hours, equivalents={"01000": 0.1229})
    >>> pack.name, b"<F_HourEquValue>12.29</F_HourEquValue>" in pack.energy
    ('37020020260101', True)
    """
    if not re.fullmatch(r"\d{6}", centre):
        raise _refuse(f"the centre {centre!r} is not six digits", "its six digits")
    name = f"{centre}{day:%Y%m%d}"
    energy = _energy(hours, day, equivalents, zone, items)
    build = _build(archives)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for what, data in (("Build", build), ("Energy", energy)):
            member = zipfile.ZipInfo(f"{name}/{name}{what}.xml", PACKAGE_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 0
            archive.writestr(member, data, compresslevel=6)
    return DailyPack(name, build, energy, target.getvalue())


def _refuse(problem: str, expected: str) -> InputError:
    return InputError(
        problem,
        doing="write the daily files for the upper centre",
        expected=expected,
        next_step="mend the facts and write the day again",
    )


def _build(archives: pl.DataFrame) -> bytes:
    lines = [_HEAD, "<data>\n"]
    for row in archives.sort("F_BuildID").iter_rows(named=True):
        lines.append(f"<Build id={quoteattr(row['F_BuildID'])}>\n<BuildBaseInfo>\n")
        lines += [f"<{field}>{escape(row[field])}</{field}>\n" for field in archives.columns if row[field] is not None]
        lines.append("</BuildBaseInfo>\n</Build>\n")
    return "".join([*lines, "</data>\n"]).encode()


def _energy(
    hours: pl.DataFrame, day: date, equivalents: Mapping[str, float], zone: str, items: Sequence[str] | None
) -> bytes:
    if hours.is_empty():
        return f"{_HEAD}<data>\n</data>\n".encode()
    odd = hours.filter(~pl.col("building").str.contains(r"^\d{6}[A-Z]\d{3}$"))
    if odd.height:
        raise _refuse(f"building code {odd['building'][0]!r}", "six digits, a letter, three digits")
    local = pl.col("start").dt.convert_time_zone(zone)
    other = hours.filter(local.dt.date() != day)
    if other.height:
        raise _refuse(f"{other.height} hours begin on another day, the first at {other['start'][0]}", f"hours of {day}")
    if hours.filter(~pl.col("value").is_finite().fill_null(False)).height:
        raise _refuse("an hour has no value", "numbers; hours that are not known are left out")
    if hours.select("building", "item", "start").is_duplicated().any():
        raise _refuse("an hour stands twice", "one value for each building, item and hour")
    present = hours["item"].unique().sort().to_list()
    order = list(items) if items is not None else present
    lacking = [item for item in present if item not in order]
    if lacking or len(order) > _ITEMS_AN_HOUR:
        raise _refuse(f"items {', '.join(lacking[:5])} are not in the order of items", "every item, at most 1000")
    factors = {item: equivalents.get(item, equivalents.get(f"{item[:2]}000")) for item in present}
    unknown = [item for item, factor in factors.items() if factor is None]
    if unknown:
        raise _refuse(f"no coal equivalent of {', '.join(unknown)}", "kgce of one unit of each item")
    wall = pl.col("start").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    number = (wall - pl.lit(_EPOCH)).dt.total_hours() * _ITEMS_AN_HOUR + pl.col("item").replace_strict(
        {item: index for index, item in enumerate(order)}, return_dtype=pl.Int64
    )
    stamp = "%Y-%m-%d %H:%M:%S"
    frame = hours.sort("building", "start", "item").select(
        "building",
        pl.concat_str(
            pl.lit("<EnergyItemHourResult><F_HourResultID>"),
            "building",
            pl.lit("2"),
            number.cast(pl.String).str.zfill(9),
            pl.lit("</F_HourResultID><F_EnergyItemCode>"),
            "item",
            pl.lit("</F_EnergyItemCode><F_StartHour>"),
            wall.dt.to_string(stamp),
            pl.lit("</F_StartHour><F_EndHour>"),
            pl.col("end").dt.convert_time_zone(zone).dt.to_string(stamp),
            pl.lit("</F_EndHour><F_HourValue>"),
            _cents(pl.col("value")),
            pl.lit("</F_HourValue><F_HourEquValue>"),
            _cents(pl.col("value") * pl.col("item").replace_strict(factors, return_dtype=pl.Float64)),
            pl.lit("</F_HourEquValue><F_State>1</F_State></EnergyItemHourResult>\n"),
        ).alias("text"),
    )
    lines = [_HEAD, "<data>\n"]
    for code, text in frame.group_by("building", maintain_order=True).agg(pl.col("text").str.join("")).iter_rows():
        lines += [f"<Build id={quoteattr(code)}>\n", text, "</Build>\n"]
    return "".join([*lines, "</data>\n"]).encode()


def _cents(amount: pl.Expr) -> pl.Expr:
    """Return an amount with two decimals, halves away from zero."""
    cents = (amount.abs() * 100 + 1e-9).round(0).cast(pl.Int64)
    sign = pl.when((amount < 0) & (cents > 0)).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, (cents // 100).cast(pl.String), pl.lit("."), (cents % 100).cast(pl.String).str.zfill(2))

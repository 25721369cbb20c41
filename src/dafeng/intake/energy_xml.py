"""The daily files between data centres: Build.xml (archives of buildings) and Energy.xml (hours of energy items).

Elements are as the guideline of 2009 and the centres that followed it write them. A document type, entities, references to other
files and anything but well-formed XML are refused; a broken file gives findings, never half a day that looks whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.building import Building
from dafeng.base.errors import AmbiguousNameError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.place import PlaceTree
from dafeng.base.reading import READING_SCHEMA
from dafeng.catalog.metering_schemas import CodeMapping, EnergyItem
from dafeng.catalog.metering_tables import archive_fields
from dafeng.intake.meter_times import check_zone, read_times, to_instants
from dafeng.intake.safe_xml import (
    BrokenXmlError,
    XmlLimits,
    clean_xml,
    daily_members,
    local_name,
    no_daily_files,
    xml_elements,
    xml_finding,
)

__all__ = [
    "ENERGY_HOURS",
    "DailyFiles",
    "XmlLimits",
    "item_meter",
    "read_build_xml",
    "read_daily_files",
    "read_energy_xml",
]

ENERGY_HOURS: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
    "equivalent": pl.Float64(),
    "state": pl.String(),
    "result_id": pl.String(),
    "code": pl.String(),
}
"""Hours of an Energy.xml: building code, energy item of the house, span, amount, amount in kgce as the sender reckoned it, state, id
of the result, code as written."""

_CODE: Final = re.compile(r"[0-9]{2}[0-9A-Z]{3}")
_NAME: Final = re.compile(r"(?P<centre>\d{6})(?P<day>\d{8})(?P<what>Build|Energy)\.xml$", re.I)
_WANTED: Final = ("{*}EnergyItemHourResult", "{*}Build")
_HOUR: Final = (
    "F_HourResultID",
    "F_EnergyItemCode",
    "F_StartHour",
    "F_EndHour",
    "F_HourValue",
    "F_HourEquValue",
    "F_State",
)


@dataclass(frozen=True)
class DailyFiles:
    """What the daily files say.

    Parameters
    ----------
    centre : str
        Six digits of the data centre; empty where the name does not say.
    day : date or None
    archives : DataFrame
        One row a building, the fields of the archive as written.
    buildings : tuple of Building
        The archives that make a building.
    hours : DataFrame of `ENERGY_HOURS`
    readings : DataFrame of `READING_SCHEMA`
        The hours as interval readings of pseudo-meters, see `item_meter`.
    attachments : tuple of str
        Names below Accessory.
    counts : dict
        buildings, hours, refused.
    findings : tuple of Finding
    """

    centre: str = ""
    day: date | None = None
    archives: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_archive_schema()))
    buildings: tuple[Building, ...] = ()
    hours: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENERGY_HOURS))
    readings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=READING_SCHEMA))
    attachments: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def item_meter(building: str, item: str) -> str:
    """Return the pseudo-meter under which an hour of an energy item is stored.

    Examples
    --------
    >>> item_meter("370202A001", "01000")
    'item:370202A001:01000'
    """
    return f"item:{building}:{item}"


def _archive_schema() -> dict[str, pl.DataType]:
    return {one.field: pl.String() for one in archive_fields()}


def read_build_xml(
    data: bytes, *, file: str = "Build.xml", places: PlaceTree | None = None, limits: XmlLimits | None = None
) -> DailyFiles:
    """Read the archives of buildings.

    Parameters
    ----------
    data : bytes
        UTF-8 or GB18030.
    file : str
        Name for findings.
    places : PlaceTree, optional
        Finds the place of a district code; the code itself stands as place without it, or where it is unknown.
    limits : XmlLimits, optional

    Examples
    --------
    >>> said = read_build_xml(b"<data><Build><F_BuildID>370202A001</F_BuildID><F_BuildName>x</F_BuildName></Build></data>")
    >>> said.buildings[0].id, said.buildings[0].building_type, said.buildings[0].place
    ('370202A001', 'office', '370202')
    """
    limits = limits or XmlLimits()
    findings: list[Finding] = []
    rows: list[dict[str, str | None]] = []
    known = {one.field for one in archive_fields()}
    strange: set[str] = set()
    try:
        for element in xml_elements(clean_xml(data, file, limits, findings)):
            found = [child for child in element if local_name(child) == "F_BuildID"]
            if found:
                fields = {local_name(child): (child.text or "").strip() or None for child in element if not len(child)}
                strange |= {name for name in fields if name not in known and name.startswith("F_")}
                rows.append({name: fields.get(name) for name in _archive_schema()})
                element.clear(keep_tail=False)
    except BrokenXmlError as error:
        findings.append(xml_finding(error.name, error.sentence, file, line=error.line))
        return DailyFiles(counts={"buildings": 0, "hours": 0, "refused": 0}, findings=tuple(findings))
    if strange:
        findings.append(
            xml_finding(
                "fields-unknown",
                f"以下字段不在建筑档案中，未读取：{'、'.join(sorted(strange)[:10])}",
                file,
                Severity.INFO,
            )
        )
    archives = pl.DataFrame(rows, schema=_archive_schema())
    if not rows:
        findings.append(xml_finding("no-buildings", "文件中没有建筑档案（F_BuildID）", file))
    twice = archives.filter(pl.col("F_BuildID").is_duplicated())["F_BuildID"].unique(maintain_order=True).to_list()
    if twice:
        findings.append(
            xml_finding(
                "building-repeated",
                f"建筑代码重复，以后出现的为准：{'、'.join(map(str, twice[:10]))}",
                file,
                Severity.WARNING,
            )
        )
        archives = archives.unique("F_BuildID", keep="last", maintain_order=True)
    buildings = []
    for row in archives.iter_rows(named=True):
        made = _building(row, file, places, findings)
        if made is not None:
            buildings.append(made)
    counts = {"buildings": len(buildings), "hours": 0, "refused": archives.height - len(buildings)}
    return DailyFiles(archives=archives, buildings=tuple(buildings), counts=counts, findings=tuple(findings))


def _building(
    row: Mapping[str, str | None], file: str, places: PlaceTree | None, findings: list[Finding]
) -> Building | None:
    code = row["F_BuildID"] or ""
    if not re.fullmatch(r"\d{6}[A-Z]\d{3}", code):
        findings.append(
            xml_finding(
                "building-code", f"建筑代码「{code}」不是 6 位区划、1 位类别字母、3 位序号", file, Severity.WARNING
            )
        )
    fields: dict[str, str | float | int] = {"building_class": "public"}
    for one in archive_fields():
        text = row[one.field]
        if not one.record or text is None:
            continue
        value: str | float | int | None = text
        if one.codes:
            value = one.codes.get(text.upper())
            if value is None:
                findings.append(
                    xml_finding(
                        "letter-unknown", f"{code} 的{one.name}「{text}」不在代码表中，作为未知", file, Severity.WARNING
                    )
                )
        elif one.kind != "text":
            try:
                value = float(text)
            except ValueError:
                value = None
                findings.append(
                    xml_finding("number", f"{code} 的{one.name}「{text}」不是数，作为未知", file, Severity.WARNING)
                )
        if one.record == "built_year" and isinstance(value, float):
            value = int(value) if 1850 <= value <= 2100 else None
        if one.record == "gross_area" and isinstance(value, float) and value <= 0:
            value = None
        if value is not None:
            fields[one.record] = value
    letter = code[6:7]
    if "building_type" not in fields:
        of_letter = next(one.codes for one in archive_fields() if one.record == "building_type").get(letter)
        if of_letter:
            fields["building_type"] = of_letter
    fields.setdefault("name", code)
    district = str(fields.get("place", code[:6]))
    fields["place"] = district
    if places is not None:
        try:
            fields["place"] = places.resolve(district).id
        except (UnknownNameError, AmbiguousNameError):
            findings.append(
                xml_finding(
                    "district", f"{code} 的行政区划代码「{district}」不认识，照原样保留", file, Severity.WARNING
                )
            )
    try:
        return Building(**fields)  # type: ignore[arg-type]
    except ValueError as error:
        findings.append(
            xml_finding(
                "building",
                f"{code} 的档案自相矛盾，未采用：{str(error).splitlines()[-2].strip()[:120] if len(str(error).splitlines()) > 1 else error}",
                file,
            )
        )
        return None


def read_energy_xml(
    data: bytes,
    *,
    received_at: datetime,
    file: str = "Energy.xml",
    zone: str = "Asia/Shanghai",
    items: Mapping[str, EnergyItem] | None = None,
    mapping: CodeMapping | None = None,
    limits: XmlLimits | None = None,
) -> DailyFiles:
    """Read hours of energy items.

    Parameters
    ----------
    data : bytes
        UTF-8 or GB18030.
    received_at : datetime
    file : str
        Name for findings and lineage.
    zone : str
        Zone of the hours.
    items : mapping from code to EnergyItem, optional
        Energy items of the catalog; codes that are not among them are refused.
    mapping : CodeMapping, optional
        How the sender writes codes.
    limits : XmlLimits, optional

    Examples
    --------
    >>> from datetime import UTC
    >>> said = read_energy_xml(b'''<data><Build id="370202A001"><EnergyItemHourResult><F_EnergyItemCode>01000</F_EnergyItemCode>
    ... <F_StartHour>2026-01-01 00:00:00</F_StartHour><F_EndHour>2026-01-01 01:00:00</F_EndHour><F_HourValue>12.50</F_HourValue>
    ... </EnergyItemHourResult></Build></data>''', received_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> said.readings.select("meter", "value").rows()
    [('item:370202A001:01000', 12.5)]
    """
    limits = limits or XmlLimits()
    check_zone(zone)
    findings: list[Finding] = []
    columns: dict[str, list[str | None]] = {name: [] for name in ("building", "line", *_HOUR)}
    here: list[dict[str, str | None]] = []
    lines: list[int] = []
    buildings = 0
    try:
        for element in xml_elements(clean_xml(data, file, limits, findings), _WANTED):
            name = local_name(element)
            if name == "EnergyItemHourResult":
                here.append({child.tag.rpartition("}")[2]: child.text for child in element})
                lines.append(element.sourceline or 0)
                element.clear(keep_tail=False)
            elif name == "Build":
                code = element.get("id") or next(
                    (child.text for child in element if local_name(child) == "F_BuildID"), None
                )
                buildings += 1
                columns["building"] += [code] * len(here)
                columns["line"] += [str(line) for line in lines]
                for field_name in _HOUR:
                    columns[field_name] += [row.get(field_name) for row in here]
                here, lines = [], []
                parent = element.getparent()
                element.clear(keep_tail=False)
                if parent is not None:
                    parent.remove(element)
    except BrokenXmlError as error:
        findings.append(xml_finding(error.name, error.sentence, file, line=error.line))
        return DailyFiles(counts={"buildings": 0, "hours": 0, "refused": 0}, findings=tuple(findings))
    if here:
        findings.append(
            xml_finding("outside", f"{len(here)} 个小时值不在任何 Build 之内，不知是哪栋建筑", file, rows=len(here))
        )
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String()))
    good, refused = _hours(frame, file, zone, items, mapping, limits, findings)
    counts = {"buildings": buildings, "hours": good.height, "refused": refused + len(here)}
    readings = good.select(
        pl.concat_str(pl.lit("item:"), "building", pl.lit(":"), "item").alias("meter"),
        pl.col("end").alias("at"),
        "start",
        "value",
        pl.col("state").fill_null("").alias("sent_as"),
        pl.lit("xml").alias("origin"),
        pl.concat_str(pl.lit(file + "#"), "result_id").fill_null(file).alias("lineage"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
    )
    return DailyFiles(hours=good, readings=readings.sort("meter", "at"), counts=counts, findings=tuple(findings))


def _hours(
    frame: pl.DataFrame,
    file: str,
    zone: str,
    items: Mapping[str, EnergyItem] | None,
    mapping: CodeMapping | None,
    limits: XmlLimits,
    findings: list[Finding],
) -> tuple[pl.DataFrame, int]:
    rows = []
    for code in frame["F_EnergyItemCode"].unique(maintain_order=True):
        text = (code or "").strip().upper()
        item = mapping.codes.get(text, text) if mapping is not None else text
        known = bool(_CODE.fullmatch(item)) and (items is None or item in items)
        rows.append((code, item if known else None))
    table = pl.DataFrame(rows, schema={"F_EnergyItemCode": pl.String(), "item": pl.String()}, orient="row")
    frame = frame.join(table, on="F_EnergyItemCode", how="left", nulls_equal=True, maintain_order="left")
    for name in ("F_StartHour", "F_EndHour"):
        said = read_times(frame[name].str.strip_chars())
        frame = frame.with_columns(
            to_instants(said.with_columns(frame["building"]), zone, by=None)["at"].alias(name + "_at")
        )
    amount = pl.col("F_HourValue").str.strip_chars().cast(pl.Float64, strict=False)
    equivalent = pl.col("F_HourEquValue").str.strip_chars().cast(pl.Float64, strict=False)
    frame = frame.with_columns(amount.alias("value"), equivalent.alias("equivalent"))
    reason = (
        pl.when(pl.col("building").fill_null("") == "")
        .then(pl.lit("building-missing"))
        .when(pl.col("item").is_null())
        .then(pl.lit("code-unknown"))
        .when(pl.col("F_StartHour_at").is_null() | pl.col("F_EndHour_at").is_null())
        .then(pl.lit("time"))
        .when(pl.col("F_EndHour_at") <= pl.col("F_StartHour_at"))
        .then(pl.lit("time-backwards"))
        .when(~pl.col("value").is_finite().fill_null(False))
        .then(pl.lit("value"))
    )
    frame = frame.with_columns(reason.alias("reason"))
    sentences = {
        "building-missing": ("没有建筑代码", "building"),
        "code-unknown": ("能耗编码「{}」不认识；若是对方自用编码，请在 item_codes 中加入对照", "F_EnergyItemCode"),
        "time": ("起止时间「{}」读不懂", "F_StartHour"),
        "time-backwards": ("结束时间不晚于开始时间：{}", "F_StartHour"),
        "value": ("小时值「{}」不是数", "F_HourValue"),
    }
    refused = frame.filter(pl.col("reason").is_not_null())
    for name, (sentence, column) in sentences.items():
        of_name = (
            refused.filter(pl.col("reason") == name)
            .group_by(column, maintain_order=True)
            .agg(pl.len().alias("rows"), pl.col("line").first())
        )
        for text, count, line in of_name.head(limits.listed).iter_rows():
            findings.append(
                xml_finding(
                    name,
                    sentence.format(text or "（空）") + f"（{count} 行）",
                    file,
                    line=int(line) or None,
                    rows=count,
                )
            )
        if of_name.height > limits.listed:
            findings.append(xml_finding(name, f"另有 {of_name.height - limits.listed} 种同样的问题未逐一列出", file))
    good = frame.filter(pl.col("reason").is_null())
    key = ["building", "item", "F_StartHour_at", "F_EndHour_at"]
    twice = good.height - good.select(key).n_unique()
    if twice:
        good = good.unique(key, keep="last", maintain_order=True)
        findings.append(
            xml_finding("hour-repeated", f"{twice} 个小时值重复，以后出现的为准", file, Severity.WARNING, rows=twice)
        )
    hours = good.select(
        "building", "item", pl.col("F_StartHour_at").alias("start"), pl.col("F_EndHour_at").alias("end"), "value", "equivalent",
        pl.col("F_State").alias("state"), pl.col("F_HourResultID").alias("result_id"), pl.col("F_EnergyItemCode").alias("code"),
    )  # fmt: skip
    return hours, refused.height + twice


def read_daily_files(
    path: Path,
    *,
    received_at: datetime,
    zone: str = "Asia/Shanghai",
    places: PlaceTree | None = None,
    items: Mapping[str, EnergyItem] | None = None,
    mapping: CodeMapping | None = None,
    limits: XmlLimits | None = None,
) -> DailyFiles:
    """Read the daily files of a data centre: a folder, a zip package, or one XML file.

    Parameters
    ----------
    path : Path
    received_at, zone, places, items, mapping, limits
        See `read_energy_xml` and `read_build_xml`.

    Raises
    ------
    InputError
        Nothing of the kind is there, or the package is damaged, encrypted or a bomb.
    """
    limits = limits or XmlLimits()
    files, attachments = daily_members(path, limits)
    if not files:
        raise no_daily_files(path, "holds no …Build.xml or …Energy.xml")
    findings: list[Finding] = []
    centres, days = set(), set()
    parts: list[DailyFiles] = []
    for name, data in files:
        match = _NAME.search(name)
        what = match["what"].casefold() if match else "energy" if b"EnergyItemHourResult" in data else "build"
        if match:
            centres.add(match["centre"])
            days.add(match["day"])
        if what == "build":
            parts.append(read_build_xml(data, file=name, places=places, limits=limits))
        else:
            parts.append(
                read_energy_xml(
                    data, received_at=received_at, file=name, zone=zone, items=items, mapping=mapping, limits=limits
                )
            )
    if len(centres) > 1 or len(days) > 1:
        findings.append(
            xml_finding(
                "names-disagree",
                f"文件名中的数据中心或日期不一致：{'、'.join(sorted(centres | days))}",
                path.name,
                Severity.WARNING,
            )
        )
    day = _day(min(days)) if days else None
    if days and day is None:
        findings.append(xml_finding("name-date", f"文件名中的日期「{min(days)}」不存在", path.name, Severity.WARNING))
    hours = pl.concat([part.hours for part in parts])
    if day is not None and hours.height and "/" in zone:
        other = hours.filter(pl.col("start").dt.convert_time_zone(zone).dt.date() != day).height
        if other:
            findings.append(
                xml_finding(
                    "other-day", f"{other} 个小时值不在文件名所写的 {day}", path.name, Severity.WARNING, rows=other
                )
            )
    named = {building.id for part in parts for building in part.buildings}
    unnamed = sorted(set(hours["building"].unique()) - named) if named else []
    if unnamed:
        findings.append(
            xml_finding(
                "building-unknown",
                f"{len(unnamed)} 栋建筑有能耗而无档案：{'、'.join(unnamed[:10])}",
                path.name,
                Severity.WARNING,
            )
        )
    counts = {name: sum(part.counts.get(name, 0) for part in parts) for name in ("hours", "refused")}
    counts["buildings"] = len(named) or hours["building"].n_unique()
    return DailyFiles(
        min(centres) if centres else "",
        day,
        pl.concat([part.archives for part in parts]),
        tuple(building for part in parts for building in part.buildings),
        hours,
        pl.concat([part.readings for part in parts]),
        attachments,
        counts,
        (*findings, *(finding for part in parts for finding in part.findings)),
    )


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None

"""The daily files between data centres: Build.xml (archives of buildings) and Energy.xml (hours of energy items).

Elements are as the guideline of 2009 and the centres that followed it write them. A document type, entities, references to other
files and anything but well-formed XML are refused; a broken file gives findings, never half a day that looks whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.place import PlaceTree
from dafeng.catalog.metering_schemas import CodeMapping, EnergyItem
from dafeng.intake.build_xml import read_build_xml
from dafeng.intake.daily_files import ENERGY_HOURS, DailyFiles
from dafeng.intake.meter_times import check_zone, read_times, to_instants
from dafeng.intake.safe_xml import (
    BrokenXmlError,
    XmlLimits,
    clean_xml,
    daily_members,
    facts_of,
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

_CODE: Final = re.compile(r"[0-9]{2}[0-9A-Z]{3}")
_NAME: Final = re.compile(r"(?P<centre>\d{6})(?P<day>\d{8})(?P<what>Build|Energy)\.xml$", re.I)
_WANTED: Final = ("{*}EnergyItemHourResult", "{*}Build", "{*}build", "{*}BUILD")
_BUILDING_FIELDS: Final = ("F_BuildID", "id", "ID", "F_BuildCode")
_BUILDING: Final = r"^([0-9]{6}[A-Z][0-9]{3})"
_HOUR: Final = (
    "F_HourResultID",
    "F_EnergyItemCode",
    "F_StartHour",
    "F_EndHour",
    "F_HourValue",
    "F_HourEquValue",
    "F_State",
)


def item_meter(building: str, item: str) -> str:
    """Return the pseudo-meter under which an hour of an energy item is stored.

    Examples
    --------
    >>> item_meter("370202A001", "01000")
    'item:370202A001:01000'
    """
    return f"item:{building}:{item}"


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

    def take(code: str | None) -> None:
        columns["building"] += [code or row.get("F_BuildID") for row in here]
        columns["line"] += [str(line) for line in lines]
        for name in _HOUR:
            columns[name] += [row.get(name) for row in here]
        here.clear()
        lines.clear()

    try:
        for element in xml_elements(clean_xml(data, file, limits, findings), _WANTED):
            name = local_name(element)
            if name == "EnergyItemHourResult":
                here.append(facts_of(element))
                lines.append(element.sourceline or 0)
                element.clear(keep_tail=False)
                continue
            facts = facts_of(element)
            buildings += 1
            take(next((facts[one] for one in _BUILDING_FIELDS if facts.get(one)), None))
            parent = element.getparent()
            element.clear(keep_tail=False)
            if parent is not None:
                parent.remove(element)
    except BrokenXmlError as error:
        findings.append(xml_finding(error.name, error.sentence, file, line=error.line))
        return DailyFiles(counts={"buildings": 0, "hours": 0, "refused": 0}, findings=tuple(findings))
    outside = len(here)
    take(None)
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String()))
    if outside:
        # Without a Build around them hours say their building themselves, or by the number of their result.
        by_number = pl.col("F_HourResultID").str.strip_chars().str.extract(_BUILDING, 1)
        frame = frame.with_columns(pl.coalesce("building", by_number).alias("building"))
        lost = frame["building"].null_count()
        if lost:
            said = f"{lost} 个小时值不在任何 Build 之内，不知是哪栋建筑"
            findings.append(xml_finding("outside", said, file, rows=lost))
        buildings += frame.tail(outside)["building"].n_unique() - (
            1 if frame.tail(outside)["building"].has_nulls() else 0
        )
    good, refused = _hours(frame, file, zone, items, mapping, limits, findings)
    counts = {"buildings": buildings, "hours": good.height, "refused": refused}
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
        if len(text) == 15:  # ten characters of the building before those of the item
            text = text[10:]
        item = mapping.codes.get(text, text) if mapping is not None else text
        known = bool(_CODE.fullmatch(item)) and (items is None or item in items)
        rows.append((code, item if known else None))
    table = pl.DataFrame(rows, schema={"F_EnergyItemCode": pl.String(), "item": pl.String()}, orient="row")
    frame = frame.join(table, on="F_EnergyItemCode", how="left", nulls_equal=True, maintain_order="left")
    frame = _spans(frame, zone, file, findings)
    frame = frame.with_columns(
        _number("F_HourValue").alias("value"),
        _number("F_HourEquValue").alias("equivalent"),
        pl.concat_str("F_StartHour", "F_EndHour", separator=" 至 ", ignore_nulls=True).alias("_span"),
    )
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
        "time": ("起止时间「{}」读不懂", "_span"),
        "time-backwards": ("结束时间不晚于开始时间：{}", "_span"),
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
    marked = good.filter(pl.col("F_State").fill_null("1") != "1").height
    if marked:
        said = f"{marked} 个小时值的 F_State 不是 1，照原样存入并保留标识"
        findings.append(xml_finding("state", said, file, Severity.INFO, rows=marked))
    hours = good.select(
        "building", "item", pl.col("F_StartHour_at").alias("start"), pl.col("F_EndHour_at").alias("end"), "value", "equivalent",
        pl.col("F_State").alias("state"), pl.col("F_HourResultID").alias("result_id"), pl.col("F_EnergyItemCode").alias("code"),
    )  # fmt: skip
    return hours, refused.height + twice


def _number(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    grouped = text.str.contains(r"^-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?$")
    return pl.when(grouped).then(text.str.replace_all(",", "")).otherwise(text).cast(pl.Float64, strict=False)


def _spans(frame: pl.DataFrame, zone: str, file: str, findings: list[Finding]) -> pl.DataFrame:
    """Add the instants of beginnings and ends; an hour that ends at :59:59 ends with the hour."""
    who = frame.select(pl.concat_str("building", "item", separator=":", ignore_nulls=True).alias("who"))
    for name in ("F_StartHour", "F_EndHour"):
        said = read_times(frame[name].str.strip_chars()).hstack(who)
        if name == "F_EndHour":
            within = (pl.col("local").dt.minute() == 59) & (pl.col("local").dt.second() == 59)
            count = int(said.select(within.sum()).item())
            if count:
                said = said.with_columns(
                    local=pl.when(within).then(pl.col("local").dt.offset_by("1s")).otherwise("local")
                )
                text = f"{count} 个小时值的结束时间写作 59 分 59 秒，按整点计"
                findings.append(xml_finding("end-inclusive", text, file, Severity.INFO, rows=count))
        frame = frame.with_columns(to_instants(said, zone, by="who")["at"].alias(name + "_at"))
    return frame


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

"""Build.xml: the archives of the buildings of a data centre."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from dafeng.base.building import Building
from dafeng.base.errors import AmbiguousNameError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.place import PlaceTree
from dafeng.catalog.metering_tables import archive_fields
from dafeng.intake.daily_files import DailyFiles, archive_schema
from dafeng.intake.safe_xml import (
    BrokenXmlError,
    XmlLimits,
    clean_xml,
    facts_of,
    plain_number,
    xml_elements,
    xml_finding,
)

__all__ = ["read_build_xml"]


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
    nameless = 0
    try:
        for element in xml_elements(clean_xml(data, file, limits, findings)):
            if not len(element) and not element.attrib:
                continue
            fields = facts_of(element)
            nameless += "F_BuildName" in fields and not fields.get("F_BuildID")
            if fields.get("F_BuildID"):
                strange |= {name for name in fields if name not in known and name.startswith("F_")}
                rows.append({name: fields.get(name) for name in archive_schema()})
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
    if nameless:
        findings.append(xml_finding("building-missing", f"{nameless} 份档案没有建筑代码，未采用", file, rows=nameless))
    archives = pl.DataFrame(rows, schema=archive_schema())
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
            value = plain_number(text.removesuffix("年"))
            if value is None:
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

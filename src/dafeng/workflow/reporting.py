"""Reports: the assessment written out, rendered in every format, and frozen with a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from dafeng import __version__
from dafeng.assessment import Assessment, TargetAssessment, ValueUse
from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LineageKind
from dafeng.base.listener import Listener, silent
from dafeng.base.place import PlaceLevel
from dafeng.base.record import Record
from dafeng.catalog.plan_schemas import Plan
from dafeng.lake import Snapshot, save_run
from dafeng.plans import responsibility_list
from dafeng.reports import (
    CarbonFacts,
    FontReport,
    LedgerFacts,
    Names,
    OctoberRequest,
    OctoberScope,
    Report,
    october_report,
    render_docx,
    render_html,
    render_pdf,
    render_xlsx,
    responsibility_report,
)
from dafeng.reports.checkup_chapter import CheckUpFacts
from dafeng.reports.metering_chapter import MeteringFacts
from dafeng.reports.october_facts import OctoberFacts
from dafeng.reports.october_narrative import NarrativePart, narrative_parts
from dafeng.reports.pathway_chapter import PathwayFacts
from dafeng.reports.portfolio_chapter import PortfolioFacts
from dafeng.workflow.assessing import assess, chosen_plan
from dafeng.workflow.carbon_report import NO_ACCOUNT, carbon_for_report
from dafeng.workflow.checkup import checkup_for_report
from dafeng.workflow.ledger_report import NO_LEDGERS, ledgers_for_report
from dafeng.workflow.metering_report import NO_METERING, metering_for_report
from dafeng.workflow.path_report import NO_PATHWAYS, pathways_for_report
from dafeng.workflow.portfolio_report import PORTFOLIO, portfolio_for_report
from dafeng.workflow.setting import Setting

__all__ = ["FORMATS", "BuiltReport", "ReportKind", "build_report", "narrative_outline", "render", "write_paper"]

FORMATS: Final = ("docx", "xlsx", "html", "pdf")
"""Formats that a report is rendered in."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class ReportKind(StrEnum):
    """Papers that dafeng writes."""

    OCTOBER = "october"
    RESPONSIBILITY = "responsibility"


class BuiltReport(Record):
    """A report as rendered: bytes by file name, and the manifest that says from what."""

    run: str
    """Id of the run; equal inputs give the equal id."""
    files: dict[str, bytes]
    """Contents by file name."""
    manifest: dict[str, Any]
    """Inputs, catalog, code and fonts, and the digest of each file."""
    folder: Path | None
    """Folder of the frozen run; None without a workspace."""
    findings: tuple[Finding, ...]
    """What the reader of the report should know about how it came about."""


def build_report(
    setting: Setting,
    name: str | None = None,
    *,
    kind: ReportKind = ReportKind.OCTOBER,
    as_of: date,
    known_at: date | None,
    fonts: FontReport,
    year: int | None = None,
    scope: OctoberScope | None = None,
    body: str | None = None,
    formats: Sequence[str] = FORMATS,
    signer: str = "",
    addressee: str = "",
    day: date | None = None,
    contact: str = "",
    narratives: Mapping[str, str] = _NOTHING,
    remarks: Sequence[tuple[str, str]] = (),
    names: Names = Names.MASKED,
    judged: Assessment | None = None,
    listener: Listener = silent,
) -> BuiltReport:
    """Write a report, render it, and freeze it in the workspace.

    Parameters
    ----------
    setting : Setting
    name : str, optional
        Plan or place; the workspace's own where None.
    kind : ReportKind
    as_of, known_at : date
        Day of judgement, and day up to which recorded facts count (None for all).
    fonts : FontReport
        Fonts that figures and PDF may use.
    year : int, optional
        Year of the report; that of `as_of` by default.
    scope : OctoberScope, optional
        Body, city or province; by the level of the plan's place, or body where `body` is given.
    body : str, optional
        Body id or name, for its own return or its part of the list.
    formats : sequence of str
        Of `FORMATS`.
    contact : str
        Who answers for the paper.
    narratives : mapping from key to text
        What people wrote for the parts that `narrative_outline` lists; the manifest carries its digest.
    remarks : sequence of (str, str)
        Further conventions for annex 4 of the yearly report.
    names : Names
        Whether projects that fail obligations are named in full.
    judged : Assessment, optional
        The plan judged on these days by the facts as they stand; judged here where None.

    Raises
    ------
    UsageError
        A format is unknown, or none is named.
    """
    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        raise UsageError(
            f"不认识的格式 {', '.join(unknown)} / unknown format" if unknown else "没有给出格式 / no format is named",
            doing="build a report",
            expected=" ".join(FORMATS),
            next_step="--format docx,xlsx,html,pdf",
        )
    plan = chosen_plan(setting, name)
    body_id = None if body is None else setting.catalog.body(body, plan.place).id
    listener("判断目标 / assess", 0, None)
    judged = judged or assess(setting, plan.id, as_of=as_of, known_at=known_at)
    findings = [finding for finding in judged.findings if finding.severity is not Severity.INFO]
    chapters = _Chapters()
    if kind is ReportKind.RESPONSIBILITY:
        report = responsibility_report(
            responsibility_list(plan, setting.catalog), setting.catalog, as_of=as_of, body=body_id
        )
    else:
        if body_id is None:
            chapters = _chapters(setting, plan, judged, year or as_of.year, as_of, known_at, names, listener)
        asked = OctoberRequest(
            year=year or as_of.year,
            scope=_scope(setting, plan, scope, body_id),
            body=body_id,
            signer=signer,
            addressee=addressee,
            contact=contact,
            day=day,
            remarks=(*(() if body else chapters.lacking()), *remarks),
            narratives=narratives,
        )
        report = _october(setting, plan, judged, asked, as_of, known_at, chapters)
    listener("排版 / render", 0, None)
    stem = f"{plan.id}-{kind.value}" + (f"-{body_id}" if body_id else "") + f"-{as_of.isoformat()}"
    files = render(report, fonts, formats, stem)
    if "pdf" in formats and not fonts.can_write_pdf:
        findings.append(
            Finding(
                name="workflow.report.no-cjk-font",
                severity=Severity.WARNING,
                sentence="没有找到中文字体：图中用英文标注，未生成 PDF",
                next_step="安装 fonts-noto-cjk，或用 DAFENG_FONTS 指定字体文件夹",
            )
        )
    manifest = _manifest(setting, plan, judged, kind, as_of, known_at, fonts, files)
    manifest |= chapters.manifest()
    told = {key: text for key, text in narratives.items() if text.strip()}
    if told:
        manifest["narratives"] = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in sorted(told.items())}
    identity = hashlib.sha256(json.dumps(manifest, sort_keys=True, default=str).encode()).hexdigest()[:12]
    run = f"{stem}-{identity}"
    folder = None if setting.workspace is None else save_run(setting.workspace, run, manifest, files)
    return BuiltReport(run=run, files=files, manifest=manifest, folder=folder, findings=tuple(findings))


@dataclass(frozen=True)
class _Chapters:
    """What the yearly report is given besides the plan's targets; None where the workspace knows nothing of it."""

    carbon: CarbonFacts | None = None
    ledgers: LedgerFacts | None = None
    checkup: CheckUpFacts | None = None
    metering: MeteringFacts | None = None
    pathways: PathwayFacts | None = None
    portfolio: PortfolioFacts | str = ""
    """Why there is none, where there is none."""

    def lacking(self) -> tuple[tuple[str, str], ...]:
        """Return the remarks on what is not there."""
        none = (PORTFOLIO, self.portfolio) if isinstance(self.portfolio, str) and self.portfolio else None
        remarks = (
            NO_ACCOUNT if self.carbon is None else None,
            NO_PATHWAYS if self.pathways is None else None,
            none,
            NO_LEDGERS if self.ledgers is None else None,
            NO_METERING if self.metering is None else None,
        )
        return tuple(remark for remark in remarks if remark is not None)

    def given(self) -> dict[str, Any]:
        """Return the chapters as the report takes them."""
        return {name: None if isinstance(chapter, str) else chapter for name, chapter in vars(self).items()}

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of the run says of the chapters."""
        said: dict[str, Any] = {}
        if self.carbon is not None:
            said["carbon"] = self.carbon.manifest()
        if self.pathways is not None:
            said["pathways"] = self.pathways.manifest()
        if isinstance(self.portfolio, PortfolioFacts):
            said["portfolio"] = self.portfolio.manifest()
        if self.ledgers is not None:
            said["ledgers"] = self.ledgers.manifest()
        if self.checkup is not None:
            said["checkup"] = {"year": self.checkup.year, "sets": [one.set.id for one in self.checkup.check_ups]}
        if self.metering is not None:
            whole = self.metering.whole
            said["metering"] = {
                "year": self.metering.year,
                "months": self.metering.months,
                "buildings": whole.buildings,
            }
        return said


def _chapters(
    setting: Setting,
    plan: Plan,
    judged: Assessment,
    year: int,
    as_of: date,
    known_at: date | None,
    names: Names,
    listener: Listener,
) -> _Chapters:
    listener("核算碳排放 / account for carbon", 0, None)
    carbon = carbon_for_report(setting, plan, as_of=as_of, known_at=known_at)
    listener("汇总台账、核查义务 / ledgers and obligations", 0, None)
    ledgers = ledgers_for_report(setting, plan, as_of=as_of, known_at=known_at, year=year, names=names)
    listener("达峰情景 / pathways", 0, None)
    pathways = pathways_for_report(setting, plan, judged=judged, carbon=carbon)
    listener("最小成本措施组合 / portfolio", 0, None)
    portfolio = portfolio_for_report(setting, plan, year=year, pathways=pathways)
    listener("指标集评价、能耗监测 / check-up and metering", 0, None)
    return _Chapters(
        carbon=carbon,
        pathways=pathways,
        portfolio=portfolio,
        ledgers=ledgers,
        checkup=checkup_for_report(setting, plan.place, year=year, as_of=as_of, known_at=known_at),
        metering=metering_for_report(setting, plan.place, year=year, as_of=as_of, known_at=known_at),
    )


def _scope(setting: Setting, plan: Plan, scope: OctoberScope | None, body: str | None) -> OctoberScope:
    above_city = setting.catalog.places.get(plan.place).level in (PlaceLevel.NATION, PlaceLevel.PROVINCE)
    return scope or (OctoberScope.BODY if body else OctoberScope.PROVINCE if above_city else OctoberScope.CITY)


def _october(
    setting: Setting,
    plan: Plan,
    judged: Assessment,
    asked: OctoberRequest,
    as_of: date,
    known_at: date | None,
    chapters: _Chapters,
) -> Report:
    of_province = asked.scope is OctoberScope.PROVINCE
    children = setting.catalog.places.children(plan.place, day=as_of) if of_province else []
    lake = setting.lake
    return october_report(
        judged,
        plan,
        setting.catalog,
        asked,
        lineage=None if lake is None else _lineage(lake.snapshot(), _lineage_ids(judged.rows)),
        prefectures=[assess(setting, plan.id, place=child.id, as_of=as_of, known_at=known_at) for child in children],
        **({} if asked.scope is OctoberScope.BODY else chapters.given()),
    )


def narrative_outline(
    setting: Setting,
    name: str | None = None,
    *,
    as_of: date,
    known_at: date | None,
    year: int | None = None,
    judged: Assessment | None = None,
) -> tuple[NarrativePart, ...]:
    """Return the parts of the yearly report that people write, in the order of the paper.

    Parameters
    ----------
    setting : Setting
    name : str, optional
        Plan or place; the workspace's own where None.
    as_of, known_at, year, judged
        As for `build_report`.
    """
    plan = chosen_plan(setting, name)
    judged = judged or assess(setting, plan.id, as_of=as_of, known_at=known_at)
    return narrative_parts(OctoberFacts(judged, plan, setting.catalog, year=year or as_of.year))


def _lineage(snapshot: Snapshot, ids: Sequence[str]) -> pl.DataFrame:
    """Return lineage by id, with that of what entered a formula."""
    found = snapshot.lineage(ids)
    formulas = found.filter(kind=LineageKind.FORMULA.value)["detail"]
    inputs = {one for detail in formulas for one in json.loads(detail).get("inputs", [])} - set(ids)
    return pl.concat([found, snapshot.lineage(sorted(inputs))])


def _uses(rows: Iterable[TargetAssessment]) -> Iterable[ValueUse]:
    for row in rows:
        yield from (use for use in (row.latest, row.part_year) if use is not None)
        yield from (reference.use for reference in row.references)
        yield from (verdict.decided_by for verdict in row.verdicts if verdict.decided_by is not None)


def _lineage_ids(rows: Iterable[TargetAssessment]) -> list[str]:
    found: set[str] = set()
    for use in _uses(rows):
        found.update(part.lineage for part in use.parts if part.lineage is not None)
        found.update(other.lineage for other in use.others if other.lineage is not None)
        if use.lineage is not None:
            found.add(use.lineage)
    return sorted(found)


def render(report: Report, fonts: FontReport, formats: Sequence[str], stem: str) -> dict[str, bytes]:
    """Return a paper in some of `FORMATS`, by file name; PDF only where a Chinese font is there."""
    files: dict[str, bytes] = {}
    for each in FORMATS:
        if each not in formats:
            continue
        if each == "docx":
            files[f"{stem}.docx"] = render_docx(report, fonts)
        elif each == "xlsx":
            files[f"{stem}.xlsx"] = render_xlsx(report)
        elif each == "html":
            files[f"{stem}.html"] = render_html(report, fonts).encode()
        elif fonts.can_write_pdf:
            files[f"{stem}.pdf"] = render_pdf(report, fonts)
    return files


def write_paper(report: Report, path: Path, fonts: FontReport) -> None:
    """Write a paper in the format that the ending of `path` names.

    Raises
    ------
    UsageError
        The ending is of no format that is written, or PDF is asked for without a Chinese font.
    """
    ending = path.suffix.lower().removeprefix(".")
    files = render(report, fonts, [ending], path.stem)
    if not files:
        known = ending in FORMATS
        raise UsageError(
            "没有中文字体，写不了 PDF / no Chinese font"
            if known
            else f"{path.name} 的扩展名不能写 / cannot be written",
            doing="write a paper",
            expected="fonts-noto-cjk" if known else f"扩展名 / an ending: {' '.join(FORMATS)}",
            next_step="安装 fonts-noto-cjk，或用 DAFENG_FONTS 指定字体文件夹"
            if known
            else "改扩展名 / choose another ending",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    for content in files.values():
        path.write_bytes(content)


def _manifest(
    setting: Setting,
    plan: Plan,
    judged: Assessment,
    kind: ReportKind,
    as_of: date,
    known_at: date | None,
    fonts: FontReport,
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    versions = sorted({use.version for use in _uses(judged.rows) if use.version is not None})
    return {
        "format": 1,
        "kind": kind.value,
        "plan": plan.id,
        "document": plan.document.sha256,
        "place": judged.place,
        "as_of": as_of.isoformat(),
        "known_at": None if known_at is None else known_at.isoformat(),
        "catalog": setting.catalog.digest,
        "code": __version__,
        "facts": {"used": len(versions), "digest": hashlib.sha256("".join(versions).encode()).hexdigest()},
        "fonts": fonts.model_dump(mode="json"),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }

"""`dafeng doctor`: what works here, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import typer

from dafeng import __version__
from dafeng.base.errors import DafengError
from dafeng.base.finding import Finding, Severity
from dafeng.cli.output import FailOn, Json, Quiet, WorkspaceOption, emit, show_findings, show_table, stop_on
from dafeng.cli.places import find
from dafeng.lake import ObservationLake, RegisterLake
from dafeng.reports import find_fonts
from dafeng.workflow.setting import check_content

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
_LIBRARIES: Final = (
    "polars",
    "duckdb",
    "ibis-framework",
    "deltalake",
    "pydantic",
    "python-docx",
    "typst",
    "matplotlib",
)
_OPTIONAL: Final = {"soffice": "LibreOffice：核对版式、读旧式文档 / checks page layout, reads old documents"}


@app.command()
def doctor(
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """检查安装、字体、目录与工作区 / check installation, fonts, catalog and workspace."""
    findings: list[Finding] = []
    facts: dict[str, str] = {"dafeng": __version__, "Python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            facts[library] = version(library)
        except PackageNotFoundError:
            facts[library] = "—"
            findings.append(
                Finding(
                    name="doctor.library.missing",
                    sentence=f"缺少组件 {library}",
                    next_step="重新安装 dafeng / install dafeng again",
                )
            )
    for program, use in _OPTIONAL.items():
        facts[program] = shutil.which(program) or f"未安装（可选）/ not installed, optional：{use}"
    fonts = find_fonts(os.environ)
    facts["中文字体 / CJK fonts"] = fonts.sentence
    if not fonts.can_write_pdf:
        findings.append(
            Finding(
                name="doctor.fonts.no-cjk",
                severity=Severity.WARNING,
                sentence="没有中文字体：图中用英文标注，不生成 PDF / no CJK font: English labels, no PDF",
                next_step="apt-get install fonts-noto-cjk，或设 DAFENG_FONTS",
            )
        )
    try:
        here = find(workspace)
        facts["工作区 / workspace"] = "无 / none" if here is None else str(here.root)
        catalog, faults = check_content(here)
        findings += faults
        facts["目录 / catalog"] = f"{len(catalog.indicators)} 指标，{len(catalog.plans)} 方案，{len(faults)} 处问题"
        if here is not None:
            lake = ObservationLake(here.lake)
            findings += lake.verify()
            ledgers = RegisterLake(here.lake)
            findings += ledgers.verify()
            counts = {name: ledgers.read(name).height for name in ledgers.registers()}
            facts["台账 / ledgers"] = f"{len(counts)} 册，{sum(counts.values())} 行 / registers, rows"
            facts["数据 / facts"] = f"{lake.snapshot().count} 个版本 / versions"
    except DafengError as error:
        findings.append(
            Finding(
                name=f"doctor.{error.code}.broken",
                sentence=error.problem,
                expected=error.expected,
                next_step=error.next_step,
            )
        )
    if as_json:
        emit("doctor/1", {"facts": facts, "findings": [finding.model_dump(mode="json") for finding in findings]})
    else:
        show_table("dafeng doctor", ["项目", "情况"], facts.items())
        show_findings(findings, quiet=quiet)
    stop_on(findings, fail_on)

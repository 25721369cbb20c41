"""What the commands of `dafeng path` read: overlay files of a scenario, IAMC tables, years."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dafeng.base.errors import ContentError, InputError, UsageError
from dafeng.catalog.catalog import read_file_entries
from dafeng.catalog.pathway_schemas import Measure, Scenario
from dafeng.catalog.schemas import Source
from dafeng.cli.output import show_findings
from dafeng.workflow.pathways import lay_over
from dafeng.workflow.setting import Setting

__all__ = ["as_years", "read_scenario", "wide_csv"]

_OVERLAY = ("scenarios", "measures", "sources")


def read_scenario(here: Setting, text: str) -> tuple[Setting, str | Scenario]:
    """Return the scenario of an overlay file with its measures laid over the catalog, or the id as it stands."""
    path = Path(text)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return here, text
    if not path.is_file():
        raise UsageError(
            f"没有文件 {path} / no such file",
            doing="read a scenario",
            expected="YAML 覆盖文件，含 scenarios / a YAML file with scenarios",
            next_step="改路径，或用 dafeng path scenarios 中的编号",
        )
    entries, findings = read_file_entries(path)
    found = list(entries.of("scenarios", Scenario).values())
    others = [name for name, held in entries.sections.items() if held and name not in _OVERLAY]
    if findings or others or len(found) != 1:
        show_findings(findings)
        raise ContentError(
            f"{path.name}：{len(findings)} 处错误，{len(found)} 个情景"
            + (f"，另有 {'、'.join(others)}" if others else "")
            + " / faults, scenarios",
            doing="read a scenario",
            expected=f"没有错误、恰好一个情景，栏目限于 {'、'.join(_OVERLAY)} / no fault, exactly one scenario",
            next_step="按上面的提示改文件；参数可写在情景的 parameters 中，或放入工作区的 catalog",
        )
    return lay_over(here, measures=entries.of("measures", Measure), sources=entries.of("sources", Source)), found[0]


def wide_csv(file: Path) -> pl.DataFrame:
    """Return a CSV file as text columns."""
    try:
        return pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{file}：{error}",
            doing="read an IAMC table / 读 IAMC 宽表",
            expected="UTF-8 的 CSV，列为 Model、Scenario、Region、Variable、Unit 和各年 / a UTF-8 CSV",
            next_step="另存为 UTF-8 CSV 后重试 / save it as UTF-8 CSV",
        ) from error


def as_years(text: str) -> list[int]:
    """Return the years of an option, ascending."""
    try:
        years = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise UsageError(
            f"--years {text!r} 不是年份 / are no years",
            doing="read the options",
            expected="2025,2030,2060",
            next_step="mend the years",
        ) from error
    outside = [year for year in years if not 2000 <= year <= 2060]
    if outside:
        raise UsageError(
            f"--years {outside[0]} 不在测算期内 / is outside the horizon",
            doing="read the options",
            expected="2000 … 2060",
            next_step="name other years",
        )
    return years

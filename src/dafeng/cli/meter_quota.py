"""`dafeng meter quota`: a year against quotas and peers; list, letters, disclosure, grouping."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from dafeng.base.errors import UsageError
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    clock,
    emit,
    near,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need
from dafeng.metering.quota import QUOTA_VERDICTS
from dafeng.reports import find_fonts
from dafeng.workflow.metering_quota import judge_year, normal_use, quota_notices, quota_papers
from dafeng.workflow.reporting import write_paper
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
_MEASURES = {
    "non_heating": "非供暖",
    "heating_heat": "供暖耗热",
    "household_electricity": "每户用电",
    "household_gas": "每户燃气",
}


@app.command()
def quota(
    year: Annotated[int, typer.Argument(min=1990, max=2199, help="年份 / year")],
    place: Annotated[str | None, typer.Option("--place", "-p", help="地方 / place")] = None,
    standard: Annotated[str, typer.Option(help="定额方法 / method of the quotas")] = "gbt51161",
    notices: Annotated[Path | None, typer.Option(help="写超限额提示函的文件夹 / folder for letters")] = None,
    sender: Annotated[str | None, typer.Option(help="发函单位 / body that sends the letters")] = None,
    over: Annotated[Path | None, typer.Option("--list", help="写超限额名单 / file for the over-quota list")] = None,
    disclosure: Annotated[Path | None, typer.Option(help="写能耗公示表 / file for the disclosure table")] = None,
    groups: Annotated[Path | None, typer.Option(help="写分组汇总表 / file for the grouping tables")] = None,
    least: Annotated[int, typer.Option(min=2, help="合并公示的最少栋数 / buildings of a masked row")] = 3,
    normal: Annotated[bool, typer.Option("--normal", help="另算标准年用能 / also use in a normal year")] = False,
    station: Annotated[str | None, typer.Option(help="标准年用的气象站 / weather station")] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """能耗定额：结论、同类位次、超限额名单与函、公示表 / quotas, standing among peers, letters, disclosure."""
    here = open_setting(need(workspace))
    if standard not in here.catalog.quota_methods:
        raise UsageError(
            f"没有定额方法 {standard!r} / unknown method",
            doing="judge quotas",
            expected="、".join(here.catalog.quota_methods),
            next_step="改正 --standard",
        )
    if notices is not None and not sender:
        raise UsageError(
            "发函没有说发函单位 / no sender", doing="write letters", expected="--sender 单位", next_step="加上 --sender"
        )
    for path in (over, disclosure, groups):
        if path is not None and path.exists() and not force:
            raise UsageError(
                f"{path} 已存在 / exists",
                doing="write a paper",
                expected="a new file, or --force",
                next_step="换一个文件名，或加 --force",
            )
    home = None if place is None else here.catalog.places.resolve(place).id
    found = judge_year(here, year, place=home, standard=standard)
    normals = normal_use(here, (year, year), station=station) if normal else None
    today = clock().date()
    fonts = find_fonts(os.environ)
    written: list[Path] = []
    if over or disclosure or groups:
        papers = quota_papers(here, found, as_of=today, least=least)
        for name, path in (("over", over), ("disclosure", disclosure), ("groups", groups)):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_paper(papers[name], path, fonts)
                written.append(path)
    if notices is not None:
        notices.mkdir(parents=True, exist_ok=True)
        for code, letter in quota_notices(here, found, sender=sender or "", day=date.fromisoformat(str(today))):
            path = notices / f"{year}-{code}.docx"
            write_paper(letter, path, fonts)
            written.append(path)
    if as_json:
        emit(
            "meter.quota/1",
            {
                "year": year,
                "place": found.place,
                "verdicts": found.verdicts.to_dicts(),
                "over": found.over["building"].to_list(),
                "intensity": found.intensity.to_dicts(),
                "normal": None if normals is None else {"station": normals[1], "rows": normals[0].to_dicts()},
                "files": [str(path) for path in written],
                "findings": [finding.model_dump(mode="json") for finding in found.findings],
            },
        )
    else:
        show_findings(found.findings, quiet=quiet)
        _show(found.verdicts, found.intensity, year)
        if normals is not None:
            show_table(
                f"标准年用能 / normal year（{normals[1]} 站）",
                ["建筑", "实测", "标准年", "说明"],
                [(row["building"], _text(row["amount"]), _text(row["normal"]), row["reason"]) for row in normals[0].iter_rows(named=True)],
                numbers=[1, 2],
            )  # fmt: skip
        for path in written:
            note(f"→ {near(path)}", quiet=quiet)
    stop_on(found.findings, fail_on)


def _show(verdicts: pl.DataFrame, intensity: pl.DataFrame, year: int) -> None:
    standing = {row["building"]: row for row in intensity.iter_rows(named=True)}
    show_table(
        f"{year} 年能耗定额 / quotas",
        ["建筑", "名称", "指标", "修正后", "约束值", "引导值", "结论", "超出%", "完整率", "同类百分位", "说明"],
        [
            (row["building"], row["name"], _MEASURES.get(row["measure"], row["measure"]) + ("" if row["part"] == "main" else f"·{row['part']}"),
             "–".join(dict.fromkeys(_text(row[name]) for name in ("corrected_low", "corrected_high") if row[name] is not None)),
             _text(row["constraint"]), _text(row["guide"]), QUOTA_VERDICTS[row["verdict"]], _text(row["excess"]),
             "" if row["coverage"] is None else f"{row['coverage']:.1%}",
             _text(standing.get(row["building"], {}).get("percentile")) if row["measure"] == "non_heating" else "", row["reason"])
            for row in verdicts.iter_rows(named=True)
        ],
        numbers=[3, 4, 5, 7, 8, 9],
    )  # fmt: skip


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"

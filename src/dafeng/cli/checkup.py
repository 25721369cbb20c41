"""`dafeng checkup`: sets of indicators scored by the facts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from dafeng.assessment.checkup import CheckUp
from dafeng.assessment.checkup_records import WHY_ZH, ItemState, PlaceCheckUp
from dafeng.base.errors import UsageError
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    KnownAt,
    Quiet,
    WorkspaceOption,
    as_day,
    emit,
    known_day,
    near,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import said_setting, setting
from dafeng.reports.checkup_chapter import CheckUpFacts, checkup_report
from dafeng.reports.fonts import find_fonts
from dafeng.workflow.checkup import CheckUpRun, run_checkup
from dafeng.workflow.reporting import write_paper

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="城市体检与专项指标评价 / check-ups", rich_markup_mode=None)
_STATE = {
    ItemState.MET: "达标",
    ItemState.NOT_MET: "未达标",
    ItemState.UNKNOWN: "未知",
    ItemState.NO_THRESHOLD: "只列不判",
}


@app.command("checkup")
def checkup(
    places: Annotated[list[str] | None, typer.Argument(help="地方，默认工作区的地方 / places")] = None,
    year: Annotated[
        int | None, typer.Option("--year", min=1990, max=2100, help="体检年度，默认判断日上一年 / year")
    ] = None,
    years: Annotated[str | None, typer.Option("--years", help="多年评估，如 2021-2025 / evaluation over years")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--set", help="指标集编号，可重复，默认当年城市体检 / set id")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="本级没有的计数由下级相加 / add up the divisions")] = False,
    unreviewed: Annotated[bool, typer.Option("--unreviewed", help="未审核的数也算 / drafts count")] = False,
    only: Annotated[ItemState | None, typer.Option("--only", help="只列这一类 / only this state")] = None,
    listed: Annotated[bool, typer.Option("--list", help="列出指标集 / list the sets")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="写成报告（按扩展名）/ write a paper")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """体检：逐项达标、未达标、未知，问题台账，多年评估 / check-up: every item met, not met or unknown."""
    if listed:
        _list(workspace, as_json=as_json)
        return
    here, day = said_setting(workspace, quiet=quiet), as_day(as_of)
    home = None if here.workspace is None else here.workspace.settings.place
    named = [here.catalog.places.resolve(place).id for place in places or ([home] if home else [])]
    if not named:
        raise UsageError(
            "没有说明是哪个地方 / no place",
            doing="run a check-up",
            expected="地方名称或代码",
            next_step="加地方，或在工作区中运行",
        )
    first, last = _span(years)
    chosen = last or year or day.year - 1
    done = run_checkup(
        here,
        named,
        year=chosen,
        first=first,
        names=names or (),
        as_of=day,
        known_at=known_day(known_at, day),
        merge=merge,
        include_unreviewed=unreviewed,
    )
    if out is not None:
        facts = CheckUpFacts(here.catalog, named[0], chosen, done.check_ups, done.evaluation)
        write_paper(checkup_report(facts, as_of=day), out, find_fonts(os.environ))
        note(f"→ {near(out)}", quiet=quiet)
    if as_json:
        evaluation = done.evaluation
        emit(
            "checkup/1",
            {
                "year": chosen,
                "check_ups": [
                    one.of(place, chosen).model_dump(mode="json") for one in done.check_ups for place in named
                ],
                "years": {}
                if evaluation is None
                else {place: [line.model_dump(mode="json") for line in evaluation.lines(place)] for place in named},
                "findings": [finding.model_dump(mode="json") for finding in done.findings],
            },
        )
    else:
        show_findings(done.findings, quiet=quiet)
        for one in done.check_ups:
            for place in named:
                _show(one, one.of(place, chosen), only)
        for place in named if done.evaluation is not None else ():
            _show_years(done, place)
    stop_on(done.findings, fail_on)


def _list(workspace: Path | None, *, as_json: bool) -> None:
    catalog = setting(workspace).catalog
    if as_json:
        emit("checkup.sets/1", {"sets": [one.model_dump(mode="json") for one in catalog.sets.values()]})
        return
    rows = [
        (
            one.id,
            one.title.zh,
            f"{one.valid_from}–{'' if one.valid_to is None else one.valid_to - 1}",
            len(one.items),
            one.whole or "",
            sum(item.threshold is not None for item in one.items),
            one.grade.value,
        )
        for one in catalog.sets.values()
    ]
    show_table("指标集 / sets", ["编号", "名称", "年份", "列入", "全部", "有限值", "可靠"], rows, numbers=[3, 4, 5])


def _span(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    found = re.fullmatch(r"\s*([0-9]{4})\s*[-–—~至]\s*([0-9]{4})\s*", text)
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(
            f"--years {text!r} 读不懂 / cannot be read",
            doing="read the options",
            expected="2021-2025",
            next_step="改写 --years",
        )
    return int(found[1]), int(found[2])


def _show(one: CheckUp, done: PlaceCheckUp, only: ItemState | None) -> None:
    rows = [
        (
            row.number,
            row.title + ("〔待核〕" if row.pending else ""),
            "" if row.value is None else f"{row.value:,.4g}",
            row.unit,
            row.threshold_text + ("〔待核〕" if row.threshold_pending and row.threshold_text else ""),
            _STATE[row.state],
            WHY_ZH[row.why],
            "" if row.change is None else f"{row.change:+,.3g}",
            row.dataset or "",
        )
        for row in done.rows
        if only is None or row.state is only
    ]
    columns = ["序号", "指标", "数值", "单位", "限值", "结果", "原因", "比上年", "来源"]
    show_table(f"{done.place_name} {done.year}年 {done.set_title}：{done.sentence}", columns, rows, numbers=[2, 7])


def _show_years(done: CheckUpRun, place: str) -> None:
    if done.evaluation is None:
        return
    rows = []
    for line in done.evaluation.lines(place):
        if not line.values and not line.breaks:
            continue
        rows.append(
            (
                line.number,
                line.title,
                line.unit,
                "" if line.first_value is None else f"{line.first_value:,.4g}（{line.first_year}）",
                "" if line.last_value is None else f"{line.last_value:,.4g}（{line.last_year}）",
                "" if line.trend is None else line.trend.value,
                _STATE[line.state],
                "、".join(map(str, line.years_missing)),
                "；".join(line.breaks),
            )
        )
    columns = ["序号", "指标", "单位", "首年", "末年", "趋势", "末年结果", "缺的年份", "口径变化"]
    show_table("多年评估 / evaluation over years", columns, rows)

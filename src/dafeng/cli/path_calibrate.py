"""`dafeng path calibrate | backcast`: history beside the model, and published figures beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dafeng.base.errors import UsageError
from dafeng.cli.output import (
    AsOf,
    Json,
    KnownAt,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    known_day,
    near,
    note,
    show_findings,
    show_table,
)
from dafeng.cli.places import need, said_setting
from dafeng.pathways.validation import Backcast, compare_totals
from dafeng.workflow.path_calibration import (
    PlaceCalibration,
    backcasts,
    beside_published_studies,
    calibrate_place,
    fuel_histories,
    inventory_file,
    workspace_histories,
    write_calibration,
)
from dafeng.workflow.pathways import run_path
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

_VARIANTS = {
    "known-drivers": "人口、城镇化、面积、发电煤耗取实际值，其余只用截止年以前",
    "projected-drivers": "全部只用截止年以前的信息",
    "shipped-parameters": "随包参数（用过以后的数据），不是样本外",
}


@app.command("calibrate")
def calibrate_command(
    place: Annotated[str, typer.Argument(help="地方 / place")],
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="分部门分燃料清单文件，不入库；缺省用工作区的数据 / inventory file"),
    ] = None,
    until: Annotated[int | None, typer.Option("--until", help="只用到这一年的历史 / last year of history used")] = None,
    activity: Annotated[
        bool, typer.Option("--activity/--no-activity", help="面积不合时先调面积 / scale floor area first")
    ] = True,
    write: Annotated[bool, typer.Option("--write", help="写入工作区目录 / write into the workspace catalog")] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """按历史校准：面积与因子分开，列出校准前后的净差和绝对差 / calibrate to history, activity and factors apart."""
    here = open_setting(need(workspace)) if write or file is None else said_setting(workspace, quiet=True)
    where = here.catalog.places.resolve(place).id
    day = as_day(as_of)
    histories = (
        workspace_histories(here, as_of=day, known_at=known_day(known_at, day))
        if file is None
        else fuel_histories(here.catalog, inventory_file(here.catalog, file, recorded_at=clock()))
    )
    done = calibrate_place(here.catalog, where, histories, checked_on=clock().date(), until=until, activity=activity)
    written = write_calibration(here, done) if write else None
    if as_json:
        factors = done.factors
        emit(
            "path-calibrate/1",
            {
                "place": factors.place,
                "last_year": factors.last_year,
                "activity": [asdict(one) for one in done.activity],
                "gaps": [one.model_dump(mode="json") for one in factors.gaps],
                "residuals": {str(year): value for year, value in factors.residuals.items()},
                "scatter": factors.scatter,
                "memory": factors.memory,
                "own_step": factors.own_step if factors.own_step == factors.own_step else None,
                "borrowed": list(factors.borrowed),
                "parameters": [one.model_dump(mode="json", exclude_none=True) for one in done.parameters],
                "findings": [one.model_dump(mode="json") for one in factors.findings],
                "written": None if written is None else near(written),
            },
        )
        return
    _show_calibration(here, done, quiet=quiet)
    if written is not None:
        note(f"已写入 {near(written)} / written", quiet=quiet)


def _percent(value: float) -> str:
    return f"{100 * value:+.1f}"


def _show_calibration(here: Setting, done: PlaceCalibration, *, quiet: bool) -> None:
    name = here.catalog.place_name(done.factors.place)
    if done.activity:
        show_table(
            f"{name} · 活动 / activity（亿m²）",
            ["序列", "出版者", "年", "公布", "模型", "已调整"],
            [
                (one.series, one.publisher, one.year, f"{one.observed / 1e8:.2f}", f"{one.modelled / 1e8:.2f}", "是" if one.scaled else "")
                for one in done.activity
            ],
            numbers=(2, 3, 4),
        )  # fmt: skip
    show_table(
        f"{name} · 直接排放与清单之差，占清单合计 % / gaps",
        ["序列", "年份", "校准前 净", "绝对", "单一系数 净", "绝对", "校准后 净", "绝对"],
        [
            (
                one.series,
                f"{one.first_year}—{one.last_year}",
                *map(_percent, (one.net_before, one.absolute_before, one.net_level, one.absolute_level, one.net_after, one.absolute_after)),
            )
            for one in done.factors.gaps
        ],
        numbers=range(2, 8),
    )  # fmt: skip
    note(
        f"{done.factors.last_year + 1} 年起的残差：标准差 {done.factors.scatter:g}，自相关 {done.factors.memory:g}；"
        + "；".join(done.factors.borrowed),
        quiet=quiet,
    )
    show_findings(done.factors.findings, quiet=quiet)


@app.command("backcast")
def backcast_command(
    cut: Annotated[int, typer.Option("--cut", help="只拟合到这一年 / last year fitted")] = 2014,
    studies: Annotated[
        bool, typer.Option("--studies", help="与各达峰研究并列（约十秒）/ beside studies of the peak")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """全国回测：只用截止年以前的公布值，预测以后各年；其他出版者不拟合、只比较 / the national back-cast out of sample."""
    if not 2012 <= cut <= 2020:
        raise UsageError(
            f"--cut {cut}",
            doing="read the options",
            expected="2012 … 2020",
            next_step="name another year",
        )
    here = said_setting(workspace, quiet=True)
    found = backcasts(here.catalog, cut=cut)
    outcome = run_path(here, "cn").outcome
    totals = [
        row
        for publisher in ("CABEE", "BERC", "IEA")
        for row in compare_totals(here.catalog, outcome, publisher, ("operation_co2",))
    ]
    rows = beside_published_studies(here.catalog) if studies else ()
    if as_json:
        emit(
            "path-backcast/1",
            {
                "cut": cut,
                "backcasts": {name: _plain(one) for name, one in found.items()},
                "without_fitting": [row.model_dump(mode="json") for row in totals],
                "studies": [row.model_dump(mode="json") for row in rows],
            },
        )
        return
    for name, one in found.items():
        show_table(
            f"{name}：{_VARIANTS[name]}",
            ["口径", "年", "等级", "", "公布 Mtce", "回测", "90% 区间", "误差 %", "在区间内"],
            [
                (
                    row.scope, row.year, row.grade, "拟合" if row.fitted else "样本外" if one.constants else "",
                    f"{row.observed:g}", f"{row.predicted:g}", f"{row.low:g}—{row.high:g}", _percent(row.error),
                    "是" if row.inside else "否",
                )
                for row in one.rows
            ],
            numbers=(1, 4, 5, 7),
        )  # fmt: skip
    show_table(
        "运行排放，不拟合 / without fitting",
        ["出版者", "年", "等级", "公布 Mt", "模型", "误差 %"],
        [
            (row.publisher, row.year, row.grade, f"{row.observed:g}", f"{row.modelled:g}", _percent(row.error))
            for row in totals
        ],
        numbers=(1, 3, 4, 5),
    )
    if rows:
        show_table(
            "达峰研究 / studies of the peak",
            ["研究", "口径", "其峰值年", "Mt", "本库情景", "p05—p50—p95", "Mt", "一致", "说明"],
            [
                (
                    row.title, row.scope, row.theirs, row.their_level or "", row.scenario,
                    "" if row.ours is None else "—".join(map(str, row.ours)), row.our_level or "",
                    "" if row.agrees is None else "是" if row.agrees else "否", row.reason,
                )
                for row in rows
            ],
        )  # fmt: skip
    note("说明 / how to read：docs/explanation/pathway-validation.md", quiet=quiet)


def _plain(one: Backcast) -> dict[str, Any]:
    return {
        "rows": [row.model_dump(mode="json") for row in one.rows],
        "levels": dict(one.levels),
        "later": list(one.later),
        "constants": list(one.constants),
    }

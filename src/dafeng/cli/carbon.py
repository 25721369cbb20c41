"""`dafeng carbon`: accounts that an auditor can follow tonne by tonne."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    KnownAt,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    known_day,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need, place_ids, setting
from dafeng.workflow.accounting import (
    DEFAULT_RULES,
    account_carbon,
    explain_account,
    publish_account,
    read_policy,
    restate_carbon,
)
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="碳核算：核算、因子、解释、重述 / carbon accounts", rich_markup_mode=None)
BoundaryName = Annotated[str, typer.Option("--boundary", "-b", help="边界表 / boundary")]
Places = Annotated[list[str] | None, typer.Option("--place", "-p", help="地方，可重复，默认全部 / place")]
Rules = Annotated[str, typer.Option("--rules", help="取因子的规则，按序尝试 / rules for choosing factors, in order")]
Splits = Annotated[list[str] | None, typer.Option("--split", help="启用的划分，none 为不划分 / splits that are on")]


def _splits(names: list[str] | None) -> list[str] | None:
    return [] if names == ["none"] else names


@app.command()
def account(
    boundary: BoundaryName = "urban-rural-construction",
    place: Places = None,
    rules: Rules = DEFAULT_RULES,
    split: Splits = None,
    gross_purchases: Annotated[
        bool, typer.Option(help="购电量未扣光伏自用 / purchases still contain PV used on site")
    ] = False,
    by: Annotated[list[str] | None, typer.Option(help="building_class、carrier，可重复 / also by")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="结果入库 / store the results")] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """核算：分组成部分、分口径，缺项写明 / make an account; what is missing is named."""
    here = open_setting(need(workspace))
    day = as_day(as_of)
    inventory = account_carbon(
        here,
        boundary,
        places=place_ids(here, place),
        policy=read_policy(rules),
        as_of=day,
        known_at=known_day(known_at, day),
        recorded_at=clock(),
        split=_splits(split),
        gross_purchases=gross_purchases,
    )
    totals = inventory.totals(by or (), partial=True)
    stored = publish_account(here, inventory) if publish else 0
    if as_json:
        missing = [item._asdict() for item in inventory.missing]
        findings = [finding.model_dump(mode="json") for finding in inventory.findings]
        emit(
            "carbon.account/1",
            {"totals": totals.to_dicts(), "missing": missing, "stored": stored, "findings": findings},
        )
    else:
        names = {code: here.catalog.term("boundary", code) for code in totals["boundary"].unique()}
        show_table(
            f"碳核算 / account · {boundary}",
            ["地方", "范围", "年份", "口径", "组成部分或口径合计", *(by or []), "tCO2", "下限", "上限", "完整"],
            [
                (
                    here.catalog.place_name(row["place"]),
                    here.catalog.term("extent", row["extent"]),
                    row["period"],
                    here.catalog.term("basis", row["basis"]),
                    _name(here, names, row["boundary"]),
                    *(row[name] for name in by or []),
                    *(f"{row[name]:,.0f}" if row[name] is not None else "—" for name in ("value", "low", "high")),
                    "是" if row["complete"] else "否",
                )
                for row in totals.iter_rows(named=True)
            ],
            numbers=[5 + len(by or []), 6 + len(by or []), 7 + len(by or [])],
        )
        lacking = {(item.component, item.why) for item in inventory.missing}
        for component, why in sorted(lacking):
            note(f"缺 / missing：{_name(here, names, component)}：{why}", quiet=quiet)
        show_findings(inventory.findings, quiet=quiet)
        if publish:
            note(f"入库 {stored} 条 / stored", quiet=quiet)
    stop_on(inventory.findings, fail_on)


def _name(here: Setting, names: dict[str, str], code: str) -> str:
    name = names.get(code, here.catalog.term("boundary", code))
    for group in ("boundary_scope", "boundary_memo"):
        name = here.catalog.term(group, code) if name == code else name
    return name


@app.command()
def factors(
    family: Annotated[str | None, typer.Argument(help="族，如 grid_province / family")] = None,
    place: Annotated[str | None, typer.Option(help="地方 / place")] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """列出因子：数据期、发布日、来源、等级 / list factors."""
    here = setting(workspace)
    if here.workspace is None:
        note("没有工作区，只列内置因子 / no workspace: shipped factors only", quiet=quiet or as_json)
    home = None if place is None else here.catalog.places.resolve(place).id
    found = [
        factor
        for factor in here.catalog.factors.values()
        if (family is None or factor.family == family) and (home is None or factor.place == home)
    ]
    if as_json:
        emit("carbon.factors/1", {"factors": [factor.model_dump(mode="json") for factor in found]})
        return
    show_table(
        "因子 / factors",
        ["编号", "族", "对象", "地方", "数据期自", "数值", "单位", "发布日", "等级"],
        [
            (
                factor.id,
                factor.family,
                factor.subject,
                here.catalog.place_name(factor.place),
                value.starts or "",
                f"{value.value:g}",
                factor.unit,
                value.published_on,
                value.grade.value,
            )
            for factor in found
            for value in factor.values
        ],
        numbers=[5],
    )


@app.command()
def explain(
    place: Annotated[str, typer.Argument(help="地方 / place")],
    year: Annotated[int, typer.Argument(help="年份 / year")],
    component: Annotated[str, typer.Argument(help="组成部分，如 purchased_electricity / component")],
    boundary: BoundaryName = "urban-rural-construction",
    rules: Rules = DEFAULT_RULES,
    split: Splits = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """逐项解释一个数：活动量 × 因子，因子取自何处、按何规则 / every term of one number."""
    here = open_setting(need(workspace))
    day = as_day(as_of)
    home = here.catalog.places.resolve(place).id
    inventory = account_carbon(
        here,
        boundary,
        places=[home],
        policy=read_policy(rules),
        as_of=day,
        known_at=known_day(known_at, day),
        recorded_at=clock(),
        split=_splits(split),
    )
    terms = explain_account(inventory, place=home, year=year, component=component)
    if as_json:
        emit("carbon.explain/1", {"terms": terms.to_dicts()})
        return
    columns = ["basis", "activity", "amount", "factor", "factor_value", "factor_unit", "rule", "published_on", "value"]
    kept = [column for column in columns if column in terms.columns]
    show_table(
        f"{here.catalog.place_name(home)} {year} {component}",
        kept,
        terms.select(pl.col(kept)).iter_rows() if kept else [],
    )
    if terms.is_empty():
        note("没有这一项的核算结果 / no result of this component", quiet=quiet)


@app.command()
def restate(
    before: Annotated[str, typer.Option("--from", help="先前所知之日 / as known on this day")],
    after: Annotated[str | None, typer.Option("--to", help="此后所知之日，默认今天 / as known on this day")] = None,
    boundary: BoundaryName = "urban-rural-construction",
    place: Places = None,
    rules: Rules = DEFAULT_RULES,
    split: Splits = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """重述：因子、数据或边界变化后，哪些数变了、变多少、为什么 / what changed, by how much, and why."""
    here = open_setting(need(workspace))
    result = restate_carbon(
        here,
        boundary,
        places=place_ids(here, place),
        policy=read_policy(rules),
        before=as_day(before),
        after=as_day(after),
        recorded_at=clock(),
        split=_splits(split),
    )
    if as_json:
        emit("carbon.restate/1", {"rows": result.rows.to_dicts()})
        return
    show_table(
        f"重述 / restatement · {before} → {after or '今天'}",
        ["地方", "年份", "口径", "组成部分", "此前", "此后", "差", "原因"],
        [
            (
                here.catalog.place_name(row["place"]),
                row["period"],
                here.catalog.term("basis", row["basis"]),
                _name(here, {}, row["boundary"]),
                *("—" if row[name] is None else f"{row[name]:,.1f}" for name in ("before", "after", "difference")),
                row["cause"],
            )
            for row in result.rows.iter_rows(named=True)
        ],
        numbers=[4, 5, 6],
    )
    note(f"{result.rows.height} 项有变化 / changed", quiet=quiet)

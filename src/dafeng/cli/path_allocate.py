"""`dafeng path allocate | allocate-answers | allocate-publish`: targets divided among those below, consulted on, published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Severity
from dafeng.cli.output import (
    AsOf,
    Json,
    KnownAt,
    Out,
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
from dafeng.cli.places import need, said_setting
from dafeng.intake import read_sheets
from dafeng.pathways.allocation_comparison import MethodComparison
from dafeng.pathways.allocation_consultation import Difference
from dafeng.pathways.allocation_criteria import METHOD_TITLES, AllocationMethod
from dafeng.pathways.allocation_problem import KIND_TITLES, Allocation, DividedKind
from dafeng.pathways.allocation_rounding import RoundingRule
from dafeng.pathways.allocation_schedule import ScheduleShape
from dafeng.reports import find_fonts
from dafeng.reports.allocation_annex import allocation_report, digits_of
from dafeng.reports.document import RedHead
from dafeng.workflow.allocation import make_allocations
from dafeng.workflow.allocation_consulting import read_consultation, send_consultation
from dafeng.workflow.allocation_publishing import publish_shares
from dafeng.workflow.allocation_request import AllocationRequest, MadeAllocations, NamedCriterion
from dafeng.workflow.reporting import write_paper
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

Bounds = Annotated[
    list[str] | None, typer.Option("--floor", help="下限 地方=数值，可重复 / least share PLACE=VALUE, repeatable")
]
_BOUNDS: Final = {"floor": "下限", "ceiling": "上限", "own": "单列"}


@app.command("allocate")
def allocate_command(
    name: Annotated[str | None, typer.Argument(help="方案或地方 / plan or place")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="目标编号，可重复；缺省为全部 / target ids, all by default"),
    ] = None,
    method: Annotated[
        AllocationMethod | None,
        typer.Option("--method", "-m", help="方法；缺省按目录 / method, from the catalog's rules by default"),
    ] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            "--criterion", "-c", help="依据：指标[=权重]，前加 - 为反比；可重复 / INDICATOR[=WEIGHT], - for inverse"
        ),
    ] = None,
    criteria: Annotated[
        Path | None, typer.Option("--criteria", help="依据表 .csv 或 .xlsx：地方一列，每项依据一列 / table of criteria")
    ] = None,
    total: Annotated[
        float | None, typer.Option("--total", help="代替方案中的总量 / in place of the plan's value")
    ] = None,
    digit: Annotated[float | None, typer.Option("--digit", min=1e-6, help="末位，如 0.1 / last digit")] = None,
    floor: Bounds = None,
    ceiling: Annotated[
        list[str] | None, typer.Option("--ceiling", help="上限 地方=数值，可重复 / greatest share, repeatable")
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--own", help="单列 地方=数值，不参加分解 / figure set aside, outside the division"),
    ] = None,
    among: Annotated[
        list[str] | None, typer.Option("--among", help="只在这些地方间分，可重复 / only among these places")
    ] = None,
    bodies: Annotated[bool, typer.Option("--bodies", help="分到责任部门 / among the responsible departments")] = False,
    levels: Annotated[int, typer.Option("--levels", min=1, max=3, help="往下几级 / levels down")] = 1,
    zones: Annotated[
        bool, typer.Option("--zones/--no-zones", help="列出功能区（其中） / show functional zones")
    ] = True,
    increase: Annotated[
        bool | None,
        typer.Option("--increase/--whole", help="只分新增，或分总量 / the increase only, or the whole level"),
    ] = None,
    schedule: Annotated[
        ScheduleShape | None, typer.Option("--schedule", help="逐年进度 / how it runs over the years")
    ] = None,
    start: Annotated[int | None, typer.Option("--start", help="首年 / first year")] = None,
    pace: Annotated[
        float | None, typer.Option("--pace", min=0, help="首年前一年的完成量 / amount of the year before")
    ] = None,
    year_weight: Annotated[
        list[str] | None, typer.Option("--year", help="给定进度：年=权重，可重复 / YEAR=WEIGHT, repeatable")
    ] = None,
    base_years: Annotated[
        str | None,
        typer.Option("--base-years", help="依据取哪些年的平均（历史累计为合计），如 2021-2025 / years of the criteria"),
    ] = None,
    converge_by: Annotated[int | None, typer.Option("--converge-by", help="趋同年 / year of convergence")] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="比率的权数指标，缺省为其分母 / weights of rates, the denominator by default"),
    ] = None,
    rounding: Annotated[
        RoundingRule, typer.Option("--rounding", help="取整：最大余数或除数法 / rounding rule")
    ] = RoundingRule.LARGEST_REMAINDER,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="各种方法和均等程度并列 / all methods and figures of fairness side by side"),
    ] = False,
    consult: Annotated[
        bool,
        typer.Option("--consult", help="写征求意见表并存档，与 --out 同用 / write a consultation workbook and keep it"),
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="征求意见：每个单位一份，--out 为文件夹 / one workbook a member")
    ] = False,
    due: Annotated[str | None, typer.Option("--due", help="答复截止日 / answers asked for by YYYY-MM-DD")] = None,
    red_head: Annotated[
        str | None, typer.Option("--red-head", help="红头文字，默认不画 / red head, none by default")
    ] = None,
    signer: Annotated[str | None, typer.Option("--signer", help="落款机关 / issuing body")] = None,
    out: Out = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """把方案的目标分解到各地或各部门：合计末位不差，未知的点名 / divide targets among those below, sums exact."""
    if (consult or each) and out is None:
        raise _usage("--consult 要与 --out 同用 / needs --out", "--consult --out 征求意见.xlsx")
    if each and not consult:
        raise _usage("--each 要与 --consult 同用 / needs --consult", "--consult --each --out 文件夹")
    if due is not None and not consult:
        raise _usage("--due 要与 --consult 同用 / needs --consult", "--consult --due 2026-12-10 --out 征求意见.xlsx")
    if consult:
        need(workspace)
    here = said_setting(workspace, quiet=quiet)
    day = as_day(as_of)
    request = AllocationRequest(
        targets=tuple(target or ()), among=tuple(among or ()), bodies=bodies, levels=levels, zones=zones, method=method,
        criteria=tuple(_criterion(text) for text in criterion or ()), total=total, digit=digit, floors=_pairs(floor, "--floor"),
        ceilings=_pairs(ceiling, "--ceiling"), own=_pairs(own, "--own"), increase=increase, shape=schedule, start=start, pace=pace,
        given={_year(year): value for year, value in _pairs(year_weight, "--year").items()}, base_years=_span(base_years),
        converge_by=converge_by, weights=weights, rounding=rounding, compare=compare,
    )  # fmt: skip
    rows = None if criteria is None else _rows(criteria)
    made = make_allocations(
        here, name, request, as_of=day, known_at=known_day(known_at, day), table=rows,
        file="" if criteria is None else criteria.name,
    )  # fmt: skip
    answer: dict[str, Any] = _data(made)
    files: Sequence[Path] = ()
    failed = any(finding.severity is Severity.ERROR for finding in made.findings)
    if consult and out is not None and not failed:  # nobody is asked about a part of it
        until = None if due is None else as_day(due, option="--due")
        sent = send_consultation(here, made, out, sent_on=day, due=until, each=each)
        files = sent.files
        answer |= {
            "consultation": sent.consultation.id,
            "digest": sent.consultation.digest,
            "files": [str(file) for file in files],
        }
    elif out is not None and not consult and any(one.shares for one in made.allocations):
        head = None if red_head is None else RedHead(issuer=red_head)
        _write(here, made, out, day, head, signer)
        files = (out,)
        answer |= {"files": [str(out)]}
    if as_json:
        emit("path-allocate/1", answer)
    else:
        if out is None:
            _show(made)
        for file in files:
            note(f"已写 / wrote {near(file)}", quiet=quiet)
        if "consultation" in answer:
            note(f"征求意见编号 / consultation {answer['consultation']}", quiet=quiet)
        show_findings(made.findings, quiet=quiet)
    stop_on(made.findings, Severity.ERROR)


def _write(
    here: Setting, made: MadeAllocations, out: Path, day: date, red_head: RedHead | None, signer: str | None
) -> None:
    names = {place.id: place.name for place in here.catalog.places}
    report = allocation_report(
        made.allocations, plan_title=made.plan.title.zh, place_names=names, as_of=day, comparisons=made.comparisons,
        red_head=red_head, signer=signer, demonstration=made.demonstration,
    )  # fmt: skip
    write_paper(report, out, find_fonts(os.environ))


@app.command("allocate-answers")
def answers_command(
    files: Annotated[list[Path], typer.Argument(help="填好的征求意见表，可多个 / answered workbooks")],
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="采纳：地方，或 目标|地方；可重复 / accept PLACE or TARGET|PLACE"),
    ] = None,
    accept_all: Annotated[
        bool, typer.Option("--accept-all", help="采纳全部有效建议 / accept every valid proposal")
    ] = False,
    difference: Annotated[
        Difference,
        typer.Option(
            "--difference", help="差额：others 由其他各地按依据分担，open 列为未落实 / who takes the difference"
        ),
    ] = Difference.OTHERS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看，不存 / keep nothing")] = False,
    out: Out = None,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """读回征求意见的答复：同意或建议，采纳后重新分解，合计仍不差 / read answers back, accept, divide anew."""
    here = open_setting(need(workspace))
    day = as_day(as_of)
    taken = read_consultation(
        here, files, accept=accept or (), accept_all=accept_all, difference=difference, read_on=day, dry_run=dry_run
    )
    plan = here.catalog.plan(taken.consultation.plan)
    made = MadeAllocations(plan, taken.allocations, {}, taken.findings, demonstration=False)
    if out is not None:
        _write(here, made, out, day, None, None)
    if as_json:
        emit(
            "path-allocate-answers/1",
            _data(made)
            | {
                "consultation": taken.consultation.id,
                "decisions": [one.model_dump(mode="json") for one in taken.answers.decisions],
                "accepted": list(taken.accepted),
                "missing": list(taken.answers.missing),
                "run": taken.run,
            },
        )
    else:
        names = {share.member: share.name for one in taken.allocations for share in one.shares}
        show_table(
            f"征求意见 {taken.consultation.id}",
            ["目标", "单位", "答复", "建议数", "理由", "采纳"],
            [
                (
                    one.target,
                    names.get(one.member, one.member),
                    "同意" if one.agrees else "修改建议",
                    "" if one.figure is None else f"{one.figure:g}",
                    one.reason,
                    "是" if f"{one.target}|{one.member}" in taken.accepted else "",
                )
                for one in taken.answers.decisions
            ],
            numbers=(3,),
        )
        _show(made)
        if taken.run is not None:
            note(f"已存 / kept runs/{taken.run}", quiet=quiet)
        show_findings(taken.findings, quiet=quiet)
    stop_on(taken.findings, Severity.ERROR)


@app.command("allocate-publish")
def publish_command(
    run: Annotated[
        str | None, typer.Argument(help="运行编号，缺省为最近读回的 / run, the latest result by default")
    ] = None,
    interim: Annotated[
        bool, typer.Option("--interim", help="年度进度也列为目标 / running totals of each year too")
    ] = False,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """把定下的份额写成各地的目标，此后 plan、assess 照常使用 / write the shares as targets of each place."""
    here = open_setting(need(workspace))
    done = publish_shares(here, run, published_on=as_day(as_of), interim=interim)
    if as_json:
        emit("path-allocate-publish/1", done.model_dump(mode="json"))
        return
    show_table(
        "已发布 / published",
        ["地方", "方案编号"],
        [(here.catalog.place_name(place), plan) for place, plan in done.plans.items()],
    )
    note(f"目标 {done.targets} 项；判定：dafeng assess 方案编号 / assess any of them", quiet=quiet)


# What is read and shown ---------------------------------------------------------------------------------------------


def _usage(problem: str, expected: str) -> UsageError:
    return UsageError(problem, doing="read the options", expected=expected, next_step="改正选项 / mend the options")


def _criterion(text: str) -> NamedCriterion:
    inverse = text.startswith("-")
    name, _, weight = text.removeprefix("-").partition("=")
    if not weight:
        return NamedCriterion(name=name.strip(), inverse=inverse)
    try:
        value = float(weight)
        if not 0 <= value < float("inf"):
            raise ValueError
    except ValueError:
        raise _usage(f"--criterion {text!r}", "指标=非负权重，如 resident_population=0.6") from None
    return NamedCriterion(name=name.strip(), weight=value, inverse=inverse)


def _pairs(texts: list[str] | None, option: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts or ():
        name, _, value = text.replace("＝", "=").rpartition("=")
        try:
            number = float(value.replace(",", ""))
            if not name.strip() or number != number or abs(number) == float("inf"):
                raise ValueError
        except ValueError:
            raise _usage(f"{option} {text!r}", f"{option} 名称=数值") from None
        if name.strip() in found:
            raise _usage(f"{option} {name.strip()} 给了两次 / twice", "一处一个数")
        found[name.strip()] = number
    return found


def _year(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) != 4:
        raise _usage(f"--year {text!r}", "--year 2027=1.5")
    return int(text)


def _span(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.replace("—", "-").partition("-")
    years = (_base_year(first, text), _base_year(last or first, text))
    if years[0] > years[1]:
        raise _usage(f"--base-years {text!r}", "--base-years 2021-2025")
    return years


def _base_year(year: str, text: str) -> int:
    if not (year.isascii() and year.isdigit() and len(year) == 4):
        raise _usage(f"--base-years {text!r}", "--base-years 2021-2025")
    return int(year)


def _rows(path: Path) -> list[list[str | None]]:
    sheet = next(iter(read_sheets(path)), None)
    if sheet is None:
        raise InputError(f"{path.name} 没有内容 / is empty", doing="read the criteria of a division", file=path.name)
    return [list(row) for row in sheet.frame.rows()]


def _data(made: MadeAllocations) -> dict[str, Any]:
    return {
        "plan": made.plan.id,
        "allocations": [
            one.model_dump(mode="json", exclude={"findings"}) | {"digest": one.digest} for one in made.allocations
        ],
        "comparisons": {key: one.model_dump(mode="json") for key, one in made.comparisons.items()},
        "findings": [one.model_dump(mode="json") for one in made.findings],
    }


def _show(made: MadeAllocations) -> None:
    for one in made.allocations:
        problem = one.problem
        if not one.shares:
            continue
        digits = digits_of(problem.digit)
        years = one.years if problem.kind is not DividedKind.EVENT else ()
        event = problem.kind is DividedKind.EVENT
        rows = [
            (
                share.name,
                "完成" if event else f"{share.value:.{digits}f}",
                "" if share.part is None else f"{share.part:.1f}",
                "" if share.present is None else f"{share.present:.{digits}f}",
                *("" if year not in share.yearly else f"{share.yearly[year]:.{digits}f}" for year in years),
                {"": ""}.get(share.bound, _BOUNDS.get(share.bound, "")),
            )
            for share in one.shares
        ]
        rows += [
            (f"其中：{zone.name}", f"{zone.value:.{digits}f}", "", "", *("" for _ in years), "功能区")
            for zone in one.zones
        ]
        if problem.kind is DividedKind.AMOUNT:
            sums = (f"{sum(share.yearly.get(year, 0.0) for share in one.shares):.{digits}f}" for year in years)
            rows.append(("合计", f"{one.sum_units() * problem.digit:.{digits}f}", "100.0", "", *sums, ""))
        kind = (
            METHOD_TITLES[problem.method]
            if problem.kind in (DividedKind.AMOUNT, DividedKind.RATE)
            else KIND_TITLES[problem.kind]
        )
        title = f"{problem.target} {problem.label}（{problem.unit or '—'}）· {kind}"
        heads = ["单位", "分解数", "占比 %", "现值", *(str(year) for year in years), "备注"]
        show_table(title, heads, rows, numbers=range(1, len(heads) - 1))
        if one.mean is not None:
            typer.echo(f"加权平均 / weighted mean {one.mean:.6g}{problem.unit}；上级目标 {problem.total:g}")
        _show_comparison(one, made.comparisons.get(f"{problem.target}|{problem.place}"))


def _show_comparison(one: Allocation, found: MethodComparison | None) -> None:
    if found is None:
        return
    digits = digits_of(one.problem.digit)
    able = [row for row in found.rows if row.values]
    show_table(
        f"{one.problem.label}：各种方法 / methods",
        ["单位", *(METHOD_TITLES[row.method] for row in able), "最小", "最大"],
        [
            (
                share.name,
                *(f"{row.values[share.member]:.{digits}f}" for row in able),
                *(f"{value:.{digits}f}" for value in found.ranges[share.member]),
            )
            for share in one.shares
        ],
        numbers=range(1, len(able) + 3),
    )
    show_table(
        f"{one.problem.label}：均等程度 / fairness",
        ["方法", "按何量计", "基尼", "泰尔", "最大最小比"],
        [
            (
                METHOD_TITLES[row.method],
                figures.title,
                "" if figures.gini is None else f"{figures.gini:.4f}",
                "" if figures.theil is None else f"{figures.theil:.4f}",
                "" if figures.ratio is None else f"{figures.ratio:.2f}",
            )
            for row in able
            for figures in row.fairness
        ],
        numbers=(2, 3, 4),
    )
    for row in found.rows:
        if row.reason:
            typer.echo(f"{METHOD_TITLES[row.method]}：{row.reason}")

"""`dafeng path portfolio | macc`: the cheapest measures that keep promise and targets, and what a tonne costs by measure."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from dafeng.base.errors import ExitCode, UsageError
from dafeng.base.finding import Severity
from dafeng.cli.output import (
    Json,
    Quiet,
    WorkspaceOption,
    emit,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import said_setting
from dafeng.pathways.macc import CostCurve
from dafeng.pathways.portfolio import MOST_ROUNDS, NoPortfolio
from dafeng.pathways.portfolio_answers import model_front
from dafeng.pathways.summaries import SERIES_NAMES
from dafeng.workflow.pathways import SEED
from dafeng.workflow.portfolio import (
    LAST,
    ChanceAnswer,
    PortfolioAnswer,
    answer_question,
    chance_of,
    curve_of,
    portfolio_document,
    question_of,
)
from dafeng.workflow.portfolio_report import binding_words, carbon_prices
from dafeng.workflow.setting import Setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

_TONNES = 1e4
_MONEY = 1e8
_POINTS = 8
_MOST_NAMED = 6
_YEAR = re.compile(r"((?:19|20)\d\d)年")


def _view(name: str | None) -> str | None:
    known = [one for one in SERIES_NAMES if one != "ceads_direct"]
    if name is not None and name not in known[:5]:
        raise UsageError(
            f"--view {name!r}",
            doing="read the options",
            expected=" ".join(known[:5]),
            next_step="name a view",
        )
    return name


def _pairs(texts: list[str] | None, option: str, *, total: bool) -> dict[int | None, float]:
    """Return amounts by year: `YEAR=AMOUNT`, or `AMOUNT` for the total where that makes sense."""
    found: dict[int | None, float] = {}
    for text in texts or []:
        year, mark, amount = text.rpartition("=")
        try:
            if not mark and not total:
                raise ValueError(text)
            found[int(year) if mark else None] = float(amount)
        except ValueError as error:
            raise UsageError(
                f"{option} {text!r}",
                doing="read the options",
                expected="2030=50，或合计 500 / YEAR=AMOUNT, or AMOUNT for the total" if total else "2030=200",
                next_step="mend the option",
            ) from error
    return found


@app.command("portfolio")
def portfolio_command(
    place: Annotated[
        list[str], typer.Argument(help="地方，可多个（共用预算和总量条件）/ places, answered for together")
    ],
    plan: Annotated[str | None, typer.Option("--plan", help="方案编号；缺省为本地或上级的方案 / plan id")] = None,
    peak_by: Annotated[
        int | None, typer.Option("--peak-by", min=2021, max=2060, help="达峰年；缺省为方案承诺 / peak year")
    ] = None,
    level: Annotated[
        float | None, typer.Option("--level", min=0.0, help="达峰年及以后的排放上限，万吨 / ceiling, 10⁴ tCO2")
    ] = None,
    view: Annotated[str | None, typer.Option("--view", "-b", help="口径；缺省为方案承诺 / view")] = None,
    budget: Annotated[
        list[str] | None, typer.Option("--budget", help="投资上限，亿元：年=数，或合计 / spending, 10⁸ CNY")
    ] = None,
    carbon_price: Annotated[
        list[str] | None, typer.Option("--carbon-price", help="碳价，元/吨：年=数，可多个 / CNY/tCO2 by year")
    ] = None,
    first: Annotated[
        int | None, typer.Option("--from", min=2021, max=2060, help="可选措施的首年；缺省为基年次年 / first open year")
    ] = None,
    last: Annotated[int, typer.Option("--until", min=2025, max=LAST, help="末年 / last open year")] = LAST,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="不得选用的措施，可多个 / measures that may not be chosen")
    ] = None,
    targets: Annotated[
        bool, typer.Option("--targets/--no-targets", help="方案目标是否作为约束 / keep the plan's targets")
    ] = True,
    each: Annotated[bool, typer.Option("--each", help="每地各自满足达峰与上限 / each place by itself")] = False,
    front: Annotated[bool, typer.Option("--front", help="排放上限与成本的前沿 / cost against level")] = False,
    chance: Annotated[
        float | None,
        typer.Option("--chance", min=0.001, max=0.5, help="允许不满足的抽样比例 / share of draws that may fail"),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", "-n", min=8, max=512, help="抽样次数 / draws")] = 32,
    seed: Annotated[int, typer.Option("--seed", min=0, help="种子 / seed")] = SEED,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=20, help="与模型轮换的最多轮数 / most rounds")
    ] = MOST_ROUNDS,
    integer: Annotated[
        bool, typer.Option("--integer", help="互斥措施作取舍 / decide measures that exclude each other")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """最小成本措施组合：按期达峰、完成方案目标，由情景模型复核 / the cheapest portfolio, confirmed by the model."""
    here = said_setting(workspace, quiet=True)
    budgets = {year: amount * _MONEY for year, amount in _pairs(budget, "--budget", total=True).items()}
    prices = {int(year or 0): price for year, price in _pairs(carbon_price, "--carbon-price", total=False).items()}
    where = [here.catalog.places.resolve(text).id for text in place]
    question = question_of(
        here, where, plan=plan, view=_view(view), peak_by=peak_by, level=None if level is None else level * _TONNES,
        budgets=budgets, prices=prices, first=first, last=last, without=without or (), targets=targets, each=each,
    )  # fmt: skip
    with progress(quiet=quiet or as_json) as listener:
        answer = answer_question(here, question, most_rounds=rounds, integer=integer, listener=listener)
    if isinstance(answer, NoPortfolio):
        _show_none(answer, as_json=as_json)
        raise typer.Exit(int(ExitCode.NOT_CONVERGED))
    extra: dict[str, Any] = {}
    if front:
        extra["front"] = [
            {"level": level_, "cost": cost}
            for level_, cost, _ in model_front(
                here.catalog, answer.found, question.request.peak_by or answer.year, points=_POINTS
            )
        ]
    over = None if chance is None else chance_of(answer, risk=chance, draws=draws, seed=seed)
    if over is not None:
        extra["chance"] = _chance_document(over)
    if as_json:
        emit("path-portfolio/1", portfolio_document(here, answer) | extra)
    else:
        _show(here, answer, quiet=quiet)
        _show_extra(extra, answer)
        show_findings(answer.findings, quiet=quiet)
    if not answer.found.confirmed:
        raise typer.Exit(int(ExitCode.NOT_CONVERGED))
    stop_on(answer.findings, Severity.ERROR)


def _show_none(answer: NoPortfolio, *, as_json: bool) -> None:
    if as_json:
        emit(
            "path-portfolio/1",
            {
                "places": [place.place for place in answer.places],
                "infeasible": answer.infeasible.model_dump(mode="json"),
                "rounds": len(answer.rounds),
            },
        )
        return
    found = answer.infeasible
    typer.echo("没有措施组合能同时满足各项条件 / no portfolio keeps all that is asked")
    for text in _by_year([one.says for one in found.conditions]):
        typer.echo(f"  不能同时满足：{text}")
    alone = [one.says for one in found.relaxations if one.enough]
    for one in (*found.relaxations, *([found.jointly] if found.jointly else [])):
        if one.enough and (one is not found.jointly or not any(one.says in text for text in alone)):
            typer.echo(f"  {'' if one.confirmed else '（按线性规划）'}{_least(one.says, len(one.amounts))}")
    if any(
        one.enough and not one.confirmed for one in (*found.relaxations, *([found.jointly] if found.jointly else []))
    ):
        typer.echo("  注明“按线性规划”的没有经情景模型证实，措施相互重叠，实际可能要放宽得更多：放宽后请再算一次")
    short = [one.says for one in found.relaxations if not one.enough]
    if short:
        typer.echo("  " + "".join(short))


def _by_year(texts: list[str]) -> list[str]:
    """Return conditions with those that differ by nothing but the year together."""
    found: dict[str, list[str]] = {}
    for text in texts:
        year = _YEAR.search(text)
        found.setdefault(_YEAR.sub("…年", text, count=1), []).append(year.group(1) if year else "")
    return [
        stem
        if not years[0]
        else stem.replace("…年", f"{years[0]}年" if len(years) == 1 else f"{years[0]}—{years[-1]}年", 1)
        for stem, years in found.items()
    ]


def _least(says: str, count: int) -> str:
    """Return a relaxation, its list cut where it is long."""
    parts = says.split("，“")
    if len(parts) <= _MOST_NAMED:
        return says
    return "，“".join(parts[:_MOST_NAMED]) + f"，……共{count}项，全部见 --json"


def _tonnes(value: float) -> str:
    return f"{value / _TONNES:,.1f}"


def _money(value: float) -> str:
    return f"{value / _MONEY:,.1f}"


def _show(here: Setting, answer: PortfolioAnswer, *, quiet: bool) -> None:
    found, year = answer.found, answer.year
    view = found.request.view
    at = int(year - found.problem.years[0])
    row = found.problem.views.index(view)
    for number, place in enumerate(found.places):
        name = here.catalog.place_name(place.place)
        upto = slice(0, at + 1)
        lines = [
            ("不再采取新措施", _tonnes(float(found.trend(view)[number, at])), "", ""),
            (
                "方案自身措施", _tonnes(float(answer.plan[number].emissions[row, at])), _money(answer.plan[number].net),
                _money(float(answer.plan[number].spending[upto].sum())),
            ),
            (
                "最小成本组合", _tonnes(float(found.emissions(view)[number, at])), _money(answer.best[number].net),
                _money(float(answer.best[number].spending[upto].sum())),
            ),
        ]  # fmt: skip
        show_table(
            f"{name} · {SERIES_NAMES[view]} · {year}年",
            ["", "排放 万吨", "净成本 亿元（贴现）", f"{found.problem.years[0]}—{year}年投资 亿元"],
            lines,
            numbers=(1, 2, 3),
        )
        used = [use for use in answer.uses[number] if use.best_more > 1e-9 or use.plan_more > 1e-9]
        grades = dict(zip(found.problem.measures, found.costs[number].grade, strict=True))
        rows = [
            (
                use.zh, *use.words, _tonnes(float(use.avoided[at])), _money(use.cost),
                "" if grades[use.measure] is None else str(grades[use.measure]),
            )
            for use in sorted(used, key=lambda use: -abs(use.cost))
        ]  # fmt: skip
        show_table(
            f"{name} · 措施水平 {year}年 / levels",
            ["措施 / measure", "现状趋势", "方案", "组合", "减排 万吨", "净成本 亿元", "等级"],
            rows,
            numbers=(4, 5),
        )
        payers = answer.payers[number]
        show_table(
            f"{name} · 谁出钱、谁受益 亿元（贴现） / payers",
            ["", "投资和运维", "能源费", "补贴", "净支出"],
            [
                (title, *(_money(part) for part in parts))
                for title, parts in zip(payers.titles, payers.totals().values(), strict=True)
                if any(abs(part) > 1e5 for part in parts)
            ],
            numbers=(1, 2, 3, 4),
        )
    if answer.duties:
        show_table(
            "方案要求的代价 / what duties cost",
            ["方案要求", "不作此要求可省 亿元", f"{year}年多排 万吨", "依据"],
            [
                (duty.zh, _money(duty.saving), _tonnes(duty.avoided), "模型" if duty.modelled else "线性规划")
                for duty in answer.duties
            ],
            numbers=(1, 2),
        )
    note("各方净支出按线性规划的斜率计，合计与表中由模型复核的净成本略有出入", quiet=quiet)
    prices = carbon_prices(found)
    named = "、".join(f"{one}年 {price:,.0f} 元/吨" for one, price in sorted(prices.items())[:_MOST_NAMED])
    typer.echo(f"碳价（排放条件的对偶值，当年值）：{named or '0，达峰和上限不起约束作用'}")
    for text, span in binding_words(found)[:_MOST_NAMED]:
        typer.echo(f"起约束作用：{text}" + (f"（{span}）" if span else ""))
    last, costs = found.chosen, found.costs[0]
    note(
        f"与情景模型最大相差 {last.difference:.2%}（{last.year}年 {_tonnes(last.tonnes)} 万吨），{len(found.rounds)} 轮；"
        f"残差 {found.solution.residuals.worst:.0e}；{costs.price_year}年价，贴现率 {costs.discount_rate:.1%}，贴现到 {costs.discounted_to} 年",
        quiet=quiet,
    )


def _show_extra(extra: dict[str, Any], answer: PortfolioAnswer) -> None:
    if "front" in extra:
        show_table(
            "排放上限与最小净成本（各点由模型复核） / front",
            [f"{answer.found.request.peak_by or answer.year}年及以后最高 万吨", "净成本 亿元"],
            [(_tonnes(point["level"]), _money(point["cost"])) for point in extra["front"]],
            numbers=(0, 1),
        )
    if "chance" in extra:
        typer.echo(extra["chance"]["says"])


def _chance_document(over: ChanceAnswer) -> dict[str, Any]:
    plain = f"中心情形的组合在另取的{over.plain.draws}次抽样中有{over.plain.share:.0%}满足"
    if over.check is None:
        says = f"{plain}；没有组合能在{1 - over.risk:.0%}的抽样中满足：{getattr(over.found, 'says', '')}"
        return {"risk": over.risk, "draws": over.draws, "seed": over.seed, "feasible": False, "says": says}
    says = (
        f"{plain}；在{over.draws}次抽样中至多{over.risk:.0%}不满足的组合多花{_money(over.dearer)}亿元（按线性规划），"
        f"在另取的抽样中有{over.check.share:.0%}满足（九成五置信下限{over.check.least_share:.0%}）"
    )
    return {
        "risk": over.risk, "draws": over.draws, "seed": over.seed, "feasible": True, "dearer": over.dearer,
        "share": over.check.share, "least_share": over.check.least_share, "plain_share": over.plain.share, "says": says,
    }  # fmt: skip


@app.command("macc")
def macc_command(
    place: Annotated[str, typer.Argument(help="地方 / place")],
    year: Annotated[int, typer.Option("--year", help="年份 / year")] = 2030,
    view: Annotated[str | None, typer.Option("--view", "-b", help="口径；缺省为方案承诺 / view")] = None,
    interactions: Annotated[
        bool,
        typer.Option(
            "--interactions/--stand-alone", help="在前面措施之上，或单独计算 / on top of those before, or alone"
        ),
    ] = True,
    first: Annotated[
        int | None, typer.Option("--from", min=2021, max=2060, help="措施的首年；缺省为基年次年 / first open year")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """减排成本曲线：每吨多少钱，计相互影响或单独计 / marginal abatement cost, with or without interactions."""
    here = said_setting(workspace, quiet=True)
    where = here.catalog.places.resolve(place).id
    found = curve_of(here, where, year=year, view=_view(view), first=first)
    steps = found.together if interactions else found.alone
    if as_json:
        emit("path-macc/1", _curve_document(found, interactions=interactions))
        return
    show_table(
        f"{here.catalog.place_name(where)} · {SERIES_NAMES[found.view]} · {year}年 · {'计相互影响' if interactions else '单独计算'}",
        ["措施 / measure", "减排 万吨", "每吨 元", "当年费用 亿元", "等级"],
        [
            (step.title, f"{step.abatement / _TONNES:,.2f}", f"{step.unit_cost:,.0f}", _money(step.annual_cost), step.grade or "")
            for step in steps
        ],
        numbers=(1, 2, 3),
    )  # fmt: skip
    if interactions:
        note(
            f"合计 {_tonnes(found.joint)} 万吨；逐项单独相加 {_tonnes(found.sum_alone)} 万吨 / jointly, and one by one",
            quiet=quiet,
        )
    if found.not_abating:
        note(f"当年不减排：{'、'.join(found.not_abating)}", quiet=quiet)
    if found.uncosted:
        note(f"没有费用、不在曲线上：{len(found.uncosted)} 项，见 --json", quiet=quiet)
    for text in found.notes:
        note(text, quiet=quiet)


def _curve_document(found: CostCurve, *, interactions: bool) -> dict[str, Any]:
    steps = found.together if interactions else found.alone
    return {
        "place": found.place,
        "view": found.view,
        "year": found.year,
        "interactions": interactions,
        "steps": [
            {
                "measure": step.measure, "title": step.title, "abatement": step.abatement, "unit_cost": step.unit_cost,
                "annual_cost": step.annual_cost, "present_cost": step.present_cost, "cumulative": step.cumulative,
                "grade": None if step.grade is None else str(step.grade),
            }
            for step in steps
        ],
        "joint": found.joint,
        "sum_alone": found.sum_alone,
        "not_abating": list(found.not_abating),
        "uncosted": [{"measure": one.measure, "why": one.why} for one in found.uncosted],
        "circle": list(found.circle),
        "price_year": found.price_year,
        "discount_rate": found.discount_rate,
        "notes": list(found.notes),
    }  # fmt: skip

"""`dafeng path`: scenarios of a place — does the promised boundary peak, when, how surely, and because of what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.catalog.pathway_schemas import Scenario
from dafeng.cli.lazy import group_with
from dafeng.cli.output import (
    AsOf,
    Json,
    KnownAt,
    Out,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    known_day,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.path_reading import as_years, read_scenario, wide_csv
from dafeng.cli.places import need, said_setting
from dafeng.pathways.summaries import SERIES_NAMES
from dafeng.workflow.path_tables import export_paths, export_rows, import_paths, input_rows
from dafeng.workflow.pathways import (
    DRAWS,
    SEED,
    PathRun,
    compare_paths,
    contributions_of,
    draw_paths,
    drivers_of,
    group_titles,
    path_series,
    publish_paths,
    run_path,
)
from dafeng.workflow.setting import Setting

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    cls=group_with(
        {
            "calibrate": "path_calibrate",
            "backcast": "path_calibrate",
            "portfolio": "path_portfolio",
            "macc": "path_portfolio",
            "allocate": "path_allocate",
            "allocate-answers": "path_allocate",
            "allocate-publish": "path_allocate",
        }
    ),
    help="达峰情景：测算、比较、抽样、校准、导出 / pathways to the peak",
)

Place = Annotated[str, typer.Argument(help="地方 / place")]
ScenarioOption = Annotated[
    str, typer.Option("--scenario", "-s", help="情景编号或覆盖文件 / scenario id, or an overlay file")
]
Years = Annotated[str, typer.Option("--years", help="年份，逗号分隔 / years, comma-separated")]
_SHOWN = "2020,2025,2030,2035,2040,2050,2060"


def _place(here: Setting, text: str) -> str:
    return here.catalog.places.resolve(text).id


def _known_view(name: str, option: str) -> None:
    known = [one for one in SERIES_NAMES if one != "ceads_direct"]
    if name not in known:
        raise UsageError(
            f"{option} {name!r}",
            doing="read the options",
            expected=" ".join(known),
            next_step="name a view or component",
        )


def _tonnes(value: float) -> str:
    return f"{value / 1e4:,.1f}"


def _show_run(done: PathRun, years: list[int], place: str) -> None:
    series = path_series(done, years)
    shown = [
        (SERIES_NAMES[name], *(_tonnes(value) for value in values.values()))
        for name, values in series.items()
        if name in SERIES_NAMES
    ]
    heads = ["万吨二氧化碳 / 10⁴ tCO₂", *map(str, years)]
    numbers = range(1, len(heads))
    show_table(f"{place} · {done.resolved.title.zh}", heads, shown, numbers=numbers)
    others = [
        ("在用面积 亿m²", "area", 1e-8), ("竣工 万m²", "completed", 1e-4), ("拆除 万m²", "demolished", 1e-4),
        ("能耗 万tce（发电煤耗）", "energy_generation", 1e-4), ("能耗 万tce（电热当量）", "energy_calorific", 1e-4),
        ("用电占比 %（城镇）", "electricity_share", 100), ("可再生替代率 %（城镇）", "renewable_substitution_rate", 100),
    ]  # fmt: skip
    rows = [(zh, *(f"{value * scale:,.2f}" for value in series[name].values())) for zh, name, scale in others]
    show_table("面积与能耗 / area and energy", ["", *map(str, years)], rows, numbers=numbers)


@app.command("run")
def run_command(
    place: Place,
    scenario: ScenarioOption = "trend",
    years: Years = _SHOWN,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """按参数的中心值测算一个情景 / run a scenario with the stated values of the parameters."""
    here = said_setting(workspace, quiet=True)
    day, asked = as_day(as_of), as_years(years)
    here, chosen = read_scenario(here, scenario)
    where = _place(here, place)
    done = run_path(here, where, chosen, as_of=day, known_at=known_day(known_at, day))
    if as_json:
        emit(
            "path-run/1",
            {
                "place": where,
                "scenario": done.resolved.id,
                "series": path_series(done, asked),
                "drivers": drivers_of(done, [asked[0], asked[-1]]) if len(asked) > 1 else {},
                "reasons": dict(done.resolved.reasons),
                "findings": [finding.model_dump(mode="json") for finding in done.findings],
            },
        )
    else:
        _show_run(done, asked, here.catalog.place_name(where))
        show_findings(done.findings, quiet=quiet)
    stop_on(done.findings, Severity.ERROR)


@app.command("compare")
def compare_command(
    place: Place,
    first: Annotated[str, typer.Argument(help="情景 / scenario")],
    second: Annotated[str, typer.Argument(help="另一情景 / another scenario")],
    year: Annotated[int, typer.Option("--year", help="比较年份 / year compared")] = 2030,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """两个情景差在哪里，差多少 / what one scenario changes against another, in words and tonnes."""
    here = said_setting(workspace, quiet=True)
    day = as_day(as_of)
    where = _place(here, place)
    as_years(str(year))
    here, one_scenario = read_scenario(here, first)
    here, other = read_scenario(here, second)
    found = compare_paths(here, where, one_scenario, other, year=year, as_of=day, known_at=known_day(known_at, day))
    findings = tuple({each.sentence: each for each in (*found.first.findings, *found.second.findings)}.values())
    before, after = path_series(found.first, [year]), path_series(found.second, [year])
    if as_json:
        emit(
            "path-compare/1",
            {
                "place": where,
                "first": found.first.resolved.id,
                "second": found.second.resolved.id,
                "year": year,
                "sentences": list(found.sentences),
                "series": {"first": before, "second": after},
                "drivers": dict(found.drivers),
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )
        stop_on(findings, Severity.ERROR)
        return
    for sentence in found.sentences:
        typer.echo(sentence)
    rows = []
    for name, zh in SERIES_NAMES.items():
        if name in before:
            one, two = before[name][str(year)], after[name][str(year)]
            rows.append((zh, _tonnes(one), _tonnes(two), _tonnes(two - one)))
    show_table(
        f"{year}年 万吨二氧化碳 / 10⁴ tCO₂",
        ["", found.first.resolved.title.zh, found.second.resolved.title.zh, "差 / change"],
        rows,
        numbers=(1, 2, 3),
    )
    show_findings(findings, quiet=quiet)
    stop_on(findings, Severity.ERROR)


@app.command("uncertain")
def uncertain_command(
    place: Place,
    scenario: ScenarioOption = "trend",
    draws: Annotated[int, typer.Option("--draws", "-n", min=16, max=1_000_000, help="抽样次数 / draws")] = DRAWS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="种子 / seed")] = SEED,
    design: Annotated[str, typer.Option("--design", help="sobol、latin、random / design")] = "sobol",
    sensitivity: Annotated[
        str | None,
        typer.Option("--sensitivity", help="对此口径作方差敏感性分析 / Sobol indices of this view or component"),
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="把分位数存入工作区 / store the quantiles")] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """抽样测算：各边界的达峰年份和按期达峰的概率，方案承诺的边界在前 / peak years and probabilities over draws."""
    here = said_setting(workspace, quiet=True)
    if design not in ("sobol", "latin", "random"):
        raise UsageError(
            f"--design {design!r}",
            doing="read the options",
            expected="sobol, latin, random",
            next_step="choose one of them",
        )
    if publish:
        need(workspace)
    drawn: Literal["sobol", "latin", "random"] = design  # type: ignore[assignment]
    day = as_day(as_of)
    here, chosen = read_scenario(here, scenario)
    where = _place(here, place)
    if sensitivity is not None:
        _known_view(sensitivity, "--sensitivity")
    with progress(quiet=quiet or as_json) as listener:
        found, summary = draw_paths(
            here, where, chosen, draws=draws, seed=seed, design=drawn, as_of=day,
            known_at=known_day(known_at, day), listener=listener, sensitivity=sensitivity,
        )  # fmt: skip
    findings = [Finding.model_validate(each) for each in summary["findings"]]
    stored = publish_paths(here, found, recorded_at=clock()) if publish else 0
    if as_json:
        emit("path-uncertain/1", summary | ({"published": stored} if publish else {}))
    else:
        _show_uncertain(here, where, summary, quiet=quiet)
        if publish:
            note(f"已存入 {stored} 条预测值 / projected observations stored", quiet=quiet)
    stop_on(findings, Severity.ERROR)


def _chance(share: float) -> str:
    """Return a share of draws in percent; draws that all agree are no certainty."""
    return "99%以上" if share >= 0.995 else "不足1%" if share <= 0.005 else f"{100 * share:.0f}%"


def _index(value: float | None) -> str:
    return "不变" if value is None else f"{value:.2f}"


def _show_sensitivity(here: Setting, found: dict[str, Any]) -> None:
    """Print the indices of the inputs, by the peak year's; groups by the quantity of their first parameter."""
    names = group_titles(here.catalog)
    of = {result: {row["factor"]: row for row in rows} for result, rows in found["results"].items()}
    order = [row["factor"] for row in next(iter(found["results"].values()))]
    rows = [
        (
            names.get(factor, factor),
            factor,
            *(_index(of[result][factor][kind]) for result in of for kind in ("first", "total")),
        )
        for factor in order
    ]
    heads = [f"{result} {kind}" for result in of for kind in ("一阶", "总")]
    show_table(
        f"敏感性 / Sobol indices · {SERIES_NAMES[found['boundary']]}", ["量 / quantity", "组 / group", *heads], rows,
        numbers=range(2, 2 + len(heads)),
    )  # fmt: skip


def _show_uncertain(here: Setting, place: str, summary: dict[str, Any], *, quiet: bool) -> None:
    for promise in summary["promises"]:
        typer.echo(promise["words"])
    rows = []
    for name, found in summary["boundaries"].items():
        year, level, chance = found["peak_year"], found["peak_level"], found["p_peak_by"]
        rows.append(
            (
                SERIES_NAMES.get(name, name),
                f"{year['p05']:.0f}—{year['p50']:.0f}—{year['p95']:.0f}",
                _tonnes(level["p50"]),
                _chance(chance["2030"]),
                _chance(chance["2035"]),
            )
        )
    show_table(
        f"{here.catalog.place_name(place)} · {summary['scenario']} · {summary['draws']} 次抽样 / draws",
        ["边界 / boundary", "达峰年 p05—p50—p95", "峰值 万吨", "2030年底前", "2035年底前"],
        rows,
        numbers=(2, 3, 4),
    )
    if "sensitivity" in summary:
        _show_sensitivity(here, summary["sensitivity"])
    inputs = summary["inputs"]
    grades = "、".join(f"{grade}级 {count}" for grade, count in inputs["grades"].items() if count)
    show_findings([Finding.model_validate(each) for each in summary["findings"]], quiet=quiet)
    note(f"参数 {inputs['parameters']} 组：{grades}；借自上级 {inputs['borrowed']} 组 / inputs, borrowed", quiet=quiet)


@app.command("wedges")
def wedges_command(
    place: Place,
    scenario: ScenarioOption = "plan-full",
    boundary: Annotated[str, typer.Option("--boundary", "-b", help="口径 / view or component")] = "whole_field",
    year: Annotated[int, typer.Option("--year", help="年份 / year")] = 2030,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """各项措施减多少：相互影响按沙普利值分摊 / what each measure contributes, interactions shared by Shapley values."""
    here = said_setting(workspace, quiet=True)
    _known_view(boundary, "--boundary")
    as_years(str(year))
    day = as_day(as_of)
    where = _place(here, place)
    here, chosen = read_scenario(here, scenario)
    resolved, found = contributions_of(here, where, chosen, boundary, as_of=day, known_at=known_day(known_at, day))
    shares = found.in_year(year)
    at = int((found.years == year).argmax())
    if as_json:
        emit(
            "path-wedges/1",
            {
                "place": where,
                "scenario": resolved.id,
                "boundary": boundary,
                "year": year,
                "without": float(found.without[at]),
                "with_all": float(found.with_all[at]),
                "shapley": shares,
                "alone": dict(zip(found.measures, found.alone[:, at].tolist(), strict=True)),
                "evaluations": found.evaluations,
                "exact": found.error is None,
                "findings": [finding.model_dump(mode="json") for finding in resolved.findings],
            },
        )
        stop_on(resolved.findings, Severity.ERROR)
        return
    ranked = sorted(zip(found.measures, found.names, strict=True), key=lambda pair: -shares[pair[0]])
    rows = [
        (zh, _tonnes(shares[code]), _tonnes(float(found.alone[found.measures.index(code), at]))) for code, zh in ranked
    ]
    show_table(
        f"{here.catalog.place_name(where)} · {resolved.title.zh} · {SERIES_NAMES[boundary]} · {year}年 万吨二氧化碳 / 10⁴ tCO₂",
        ["措施 / measure", "贡献 / Shapley", "单独采取 / alone"],
        rows,
        numbers=(1, 2),
    )
    note(
        f"无措施 {_tonnes(float(found.without[at]))}，全部采取 {_tonnes(float(found.with_all[at]))}；"
        + ("全部子集 / all subsets" if found.error is None else f"{found.evaluations} 个子集抽样 / sampled subsets"),
        quiet=quiet,
    )
    show_findings(resolved.findings, quiet=quiet)
    stop_on(resolved.findings, Severity.ERROR)


@app.command("scenarios")
def scenarios_command(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """列出情景 / list scenarios."""
    here = said_setting(workspace, quiet=quiet)
    found = here.catalog.scenarios
    if as_json:
        emit("path-scenarios/1", {"scenarios": [one.model_dump(mode="json") for one in found.values()]})
        return
    rows = [
        (one.id, one.title.zh, one.base or "", one.plan or "", one.place or "", len(one.measures))
        for one in found.values()
    ]
    show_table("情景 / scenarios", ["编号", "名称", "基础", "方案", "地方", "措施"], rows, numbers=(5,))


@app.command("inputs")
def inputs_command(
    place: Place, workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """一地所用的参数：取自何处、等级、是否借自上级 / the parameters of a place, their source and grade."""
    here = said_setting(workspace, quiet=True)
    where = _place(here, place)
    origins, findings = input_rows(here, where)
    if as_json:
        emit(
            "path-inputs/1",
            {"place": where, "inputs": origins, "findings": [one.model_dump(mode="json") for one in findings]},
        )
        return
    rows = [
        (
            row["quantity"],
            row["members"],
            row["place"],
            "是" if row["borrowed"] else "",
            row["grade"],
            row["source"],
            row["years"],
        )
        for row in origins
    ]
    show_table(
        f"{here.catalog.place_name(where)} · 情景参数 / inputs",
        ["量", "成员", "取自", "借用", "等级", "来源", "年份"],
        rows,
    )
    show_findings(findings, quiet=quiet)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="IAMC 宽表 CSV / an IAMC wide CSV")],
    variable: Annotated[str, typer.Option("--variable", help="只看此变量 / this variable only")] = "",
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """读入别的模型的 IAMC 宽表，核对变量与单位，换成本库单位 / read an IAMC wide table of any model, with findings."""
    said_setting(workspace, quiet=True)
    rows, findings = import_paths(wide_csv(file), variable=variable)
    if as_json:
        emit("path-import/1", {"rows": rows, "findings": [one.model_dump(mode="json") for one in findings]})
    else:
        shown = [
            (
                row["Model"],
                row["Scenario"],
                row["Region"],
                row["Variable"],
                row["Unit"],
                row["years"],
                f"{row['first']:g}",
                f"{row['last']:g}",
            )
            for row in rows
        ]
        show_table(
            file.name, ["模型", "情景", "地区", "变量", "单位", "年份", "首年值", "末年值"], shown, numbers=(6, 7)
        )
        show_findings(findings, quiet=quiet)
    stop_on(findings, Severity.ERROR)


@app.command("export")
def export_command(
    place: Annotated[list[str], typer.Argument(help="地方，可多个 / places")],
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", "-s", help="情景，可多个 / scenarios; trend by default")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", "-n", min=0, help="抽样次数，0 为不抽样 / draws, 0 for none")] = 0,
    out: Out = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导出 IAMC 宽表 CSV：模型、情景、地区、变量、单位、各年 / write the IAMC wide CSV."""
    here = said_setting(workspace, quiet=True)
    day = as_day(as_of)
    places = [_place(here, text) for text in place]
    chosen: list[str | Scenario] = []
    for named in scenario or ["trend"]:
        here, one = read_scenario(here, named)
        chosen.append(one)
    text, findings = export_paths(here, places, chosen, draws=draws, as_of=day, known_at=known_day(known_at, day))
    if as_json:
        shown = [finding.model_dump(mode="json") for finding in findings]
        emit("path-export/1", {"rows": export_rows(text), "findings": shown})
    elif out is None:
        typer.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        note(f"{out}：{len(text.splitlines()) - 1} 行 / rows", quiet=quiet)
    show_findings(findings, quiet=quiet or as_json)
    stop_on(findings, Severity.ERROR)

"""`dafeng project`: the obligations of one project, which projects of a programme fail what, and ratings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dafeng.base.errors import ExitCode, InputError, UsageError
from dafeng.base.obligation import Stage
from dafeng.buildings.project_facts import read_facts, shown_unit
from dafeng.buildings.rule_explanation import VERDICT_WORDS, Explanation, fold_undecided
from dafeng.catalog import Catalog
from dafeng.catalog.yaml_source import read_yaml
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
    progress,
    show_findings,
    show_table,
)
from dafeng.cli.places import need, said_setting, setting
from dafeng.cli.project_rating import chosen_rating, show_grades, show_ratings
from dafeng.reports.fonts import find_fonts
from dafeng.reports.obligation_list import programme_report, review_report
from dafeng.workflow.projects import (
    ProjectCheck,
    check_facts,
    check_programme,
    find_project,
    project_things,
    render_list,
)
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="项目：义务核查、评价 / projects", rich_markup_mode=None)

Only = Annotated[
    list[str] | None,
    typer.Option("--plan", help="只核查这些方案、规范或地方的方案，可重复 / only these plans or rulebooks, repeatable"),
]
AtStage = Annotated[
    Stage | None, typer.Option("--stage", help="按此阶段核查，默认项目自己的阶段 / look at projects as of this stage")
]
AtPlace = Annotated[str | None, typer.Option("--place", help="地方：编号、代码或名称 / place: slug, code or name")]
Registers = Annotated[
    list[str] | None,
    typer.Option("--register", help="台账，可重复，先列的为准 / registers, the most trusted first"),
]
_MARKS = {"pass": "●", "fail": "■", "unknown": "◇", "not_applicable": "—"}


@app.callback()
def _group() -> None:
    """项目：义务核查、评价 / projects."""


@app.command()
def check(
    keys: Annotated[list[str] | None, typer.Argument(help="台账中的项目代码 / project keys in the ledger")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML 或 JSON：一个项目的字段 / facts of one project")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="字段=值，可重复，如 总建筑面积=1.2万㎡ / field=value, repeatable")
    ] = None,
    place: AtPlace = None,
    stage: AtStage = None,
    only: Only = None,
    registers: Registers = None,
    every: Annotated[
        bool, typer.Option("--all", help="不适用的条款也列出 / list clauses that do not apply too")
    ] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    out: Out = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """核查一个项目的义务：条款、要求、现值、结论、缺项、证明材料；有不符合时退出码为 1 / check a project."""
    if bool(keys) == bool(file or given):
        raise UsageError(
            "要么给项目代码，要么用 --file 或 --set 给出一个项目 / either keys or the facts of one project",
            doing="check obligations",
            expected="dafeng project check KEY, or --file project.yaml, or --set 字段=值",
            next_step="dafeng project check --help",
        )
    day = as_day(as_of)
    here = said_setting(workspace, quiet=quiet or as_json) if not keys else open_setting(need(workspace))
    chosen = _chosen(here.catalog, only)
    if keys:
        things = project_things(here, registers=registers, known_at=known_day(known_at, day))
        several = [find_project(things, key) for key in keys]
        if place is not None:
            several = [facts | {"place": here.catalog.places.resolve(place).id} for facts in several]
    else:
        several = [_facts(here, file, given or [], place)]
    found = [
        check_facts(
            here,
            facts,
            as_of=day,
            stage=None if stage is None else stage.value,
            only=chosen,
            undated=not keys,
            not_applicable=every,
        )
        for facts in several
    ]
    paths: list[Path] = []
    if out is not None:
        fonts = find_fonts(os.environ)
        for one in found:
            paper = review_report(one.explanations, one.facts, here.catalog, as_of=day)
            paths += _write(out, render_list(paper, fonts))
    if as_json:
        emit("project.check/1", {"projects": [_data(one) for one in found], "files": [str(path) for path in paths]})
    else:
        for one in found:
            _show(one, every=every, quiet=quiet)
        for path in paths:
            typer.echo(f"list: {near(path)}")
    if any(one.failures for one in found):
        raise typer.Exit(int(ExitCode.FINDINGS))


@app.command()
def programme(
    place: AtPlace = None,
    stage: AtStage = None,
    only: Only = None,
    registers: Registers = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    out: Out = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """台账中哪些项目不符合哪一条：各条款各地的计数与项目清单 / which projects of the ledgers fail what."""
    day = as_day(as_of)
    here = open_setting(need(workspace))
    catalog = here.catalog
    things = project_things(here, registers=registers, known_at=known_day(known_at, day))
    with progress(quiet=quiet or as_json) as listener:
        found = check_programme(
            here,
            things,
            as_of=day,
            place=None if place is None else catalog.places.resolve(place).id,
            stage=None if stage is None else stage.value,
            only=_chosen(catalog, only),
            listener=listener,
        )
    paths: list[Path] = []
    if out is not None:
        paper = programme_report(found.counts, found.failing, found.rules, catalog, as_of=day, things=found.things)
        paths = _write(out, render_list(paper, find_fonts(os.environ)))
    titles = {(use.rulebook, use.rule.id): use.rule for use in found.rules}
    counts = found.counts.sort("rulebook", "rule", "place").to_dicts()
    if as_json:
        failing = found.failing.drop("missing").to_dicts()
        emit(
            "project.programme/1",
            {"things": found.things, "counts": counts, "failing": failing, "files": [str(path) for path in paths]},
        )
    else:
        show_table(
            f"义务核查：{found.things} 个项目 / obligations of {found.things} projects",
            ["依据", "条款", "内容", "地方", "不符合", "欠证明", "待定", "将不符合", "符合"],
            [
                (
                    row["rulebook"],
                    titles[row["rulebook"], row["rule"]].clause,
                    titles[row["rulebook"], row["rule"]].title,
                    "—" if row["place"] is None else catalog.place_name(row["place"]),
                    *(row[name] for name in ("fails", "owed", "open", "fails_early", "passes")),
                )
                for row in counts
                if row["fails"] or row["owed"] or row["fails_early"]
            ],
            numbers=[4, 5, 6, 7, 8],
        )
        listed = found.failing.filter(~found.failing["soft"]).head(40)
        show_table(
            f"不符合的项目（{found.failures} 条，提倡类另有 {found.failing.height - found.failures} 条）/ failing",
            ["项目", "名称", "地方", "依据", "条款", "内容"],
            [
                (
                    row["key"],
                    row["name"],
                    "—" if row["place"] is None else catalog.place_name(row["place"]),
                    row["rulebook"],
                    row["clause"],
                    titles[row["rulebook"], row["rule"]].title,
                )
                for row in listed.iter_rows(named=True)
            ],
        )
        for path in paths:
            typer.echo(f"list: {near(path)}")
    if found.failures:
        raise typer.Exit(int(ExitCode.FINDINGS))


@app.command()
def rate(
    keys: Annotated[list[str] | None, typer.Argument(help="台账中的项目代码 / project keys in the ledger")] = None,
    rating: Annotated[
        str, typer.Option("--rating", "-r", help="评价标准编号，如 gbt51129 / rating standard")
    ] = "gbt51129",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML 或 JSON：一个项目的字段 / facts of one project")
    ] = None,
    given: Annotated[list[str] | None, typer.Option("--set", help="字段=值，可重复 / field=value, repeatable")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="台账中的全部项目，按等级计数 / every project, by grade")
    ] = False,
    registers: Registers = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """按评价标准评分：各项得分、控制条件、等级、下一等级还差什么、缺什么 / rate a project by a standard."""
    if [bool(keys), bool(file or given), every].count(True) != 1:
        raise UsageError(
            "给项目代码、给一个项目的字段，或用 --all，三者取一 / keys, the facts of one project, or --all",
            doing="rate a project",
            expected="dafeng project rate KEY, or --file project.yaml, or --set 字段=值, or --all",
            next_step="dafeng project rate --help",
        )
    from_ledger = every or bool(keys)
    here = open_setting(need(workspace)) if from_ledger else said_setting(workspace, quiet=quiet or as_json)
    standard = chosen_rating(here.catalog, rating)
    day = as_day(as_of)
    if not from_ledger:
        several = [_facts(here, file, given or [], None)]
    else:
        things = project_things(here, registers=registers, known_at=known_day(known_at, day))
        if every:
            show_grades(things, standard, here.catalog, as_json=as_json, quiet=quiet)
            return
        several = [find_project(things, key) for key in keys or ()]
    show_ratings(several, standard, here.catalog, as_json=as_json, quiet=quiet)


@app.command()
def fields(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """列出项目字段：编号、中文名、类型、单位、选项 / list the project fields."""
    catalog = setting(workspace).catalog if quiet or as_json else said_setting(workspace, quiet=quiet).catalog
    found = list(catalog.fields.values())
    if as_json:
        emit("project.fields/1", {"fields": [field.model_dump(mode="json", exclude_none=True) for field in found]})
        return
    show_table(
        "项目字段 / project fields",
        ["编号", "中文名", "类型", "单位", "选项"],
        [
            (
                field.id,
                field.zh,
                field.type,
                shown_unit(field.unit),
                "、".join(f"{option.code} {option.zh}" for option in field.options),
            )
            for field in found
        ],
    )


def _chosen(catalog: Catalog, only: list[str] | None) -> list[str] | None:
    """Return the ids of plans and rulebooks; a place names its latest plan."""
    if only is None:
        return None
    return [name if name in catalog.rulebooks else catalog.plan(name).id for name in only]


def _facts(here: Setting, file: Path | None, given: list[str], place: str | None) -> dict[str, Any]:
    """Return the facts of one project from a file and from pairs, the pairs going before."""
    said: dict[str, object] = {}
    if file is not None:
        document, faults = read_yaml(file)
        if faults or document is None or not isinstance(document.data, Mapping):
            raise InputError(
                "；".join(fault.sentence for fault in faults) or f"{file} 不是字段与值的对应表 / is no mapping",
                doing=f"read {file}",
                expected="YAML 或 JSON：字段: 值 / a mapping of fields to values",
                next_step="按提示改正文件，字段见 dafeng project fields",
            )
        said |= {str(name): value for name, value in document.data.items()}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(
                f"--set {pair!r} 不是 字段=值 / is no field=value",
                doing="read the options",
                expected="--set 总建筑面积=1.2万㎡",
                next_step="dafeng project fields",
            )
        said[name] = value
    facts, findings = read_facts(said, here.catalog, file="" if file is None else str(file))
    if findings:
        show_findings(findings)
        raise InputError(
            f"{len(findings)} 个字段或值不能识别 / fields or values not understood："
            + "；".join(f"{finding.sentence}（{finding.value}）" for finding in findings[:3]),
            doing="read the facts of a project",
            expected="；".join(finding.expected for finding in findings[:3] if finding.expected),
            next_step="按提示改正后重试；字段见 dafeng project fields",
            findings=[finding.model_dump(mode="json") for finding in findings],
        )
    if place is not None:
        facts["place"] = here.catalog.places.resolve(place).id
    elif "place" not in facts and here.workspace is not None and here.workspace.settings.place is not None:
        facts["place"] = here.workspace.settings.place
    return facts


def _data(one: ProjectCheck) -> dict[str, Any]:
    return {
        "key": one.facts.get("key"),
        "as_of": one.as_of,
        "judged_as_of_that_day": one.undated,
        "facts": one.facts,
        "passed_over": one.passed_over,
        "failures": len(one.failures),
        "checks": [each.model_dump(mode="json") for each in one.explanations],
    }


def _show(one: ProjectCheck, *, every: bool, quiet: bool) -> None:
    name = one.facts.get("project_name") or one.facts.get("key") or "项目"
    groups: dict[str, list[Explanation]] = {}
    for each in one.explanations if every else fold_undecided(one.explanations):
        groups.setdefault(("（提倡与对照）" if each.soft else "") + each.document, []).append(each)
    for title, members in sorted(groups.items(), key=lambda pair: pair[0].startswith("（")):
        show_table(
            f"{name}：{title}",
            ["条款", "内容", "要求", "现值", "结论", "缺项", "证明材料"],
            [
                (
                    each.clause,
                    each.title,
                    "；".join(part.text for part in each.requirements),
                    "；".join(part.facts for part in each.requirements),
                    _verdict(each),
                    "、".join(each.missing_names),
                    "、".join(each.evidence),
                )
                for each in members
            ],
        )
    if "place" not in one.facts:
        note("未给所在地，只核查全国性的要求；用 --place 给出 / no place: only national rules", quiet=quiet)
    if one.undated:
        note(f"项目未给日期，按判断日 {one.as_of} 判断 / no date given: judged as of {one.as_of}", quiet=quiet)
    note(f"另有 {one.passed_over} 条不适用 / {one.passed_over} more do not apply", quiet=quiet)


def _verdict(each: Explanation) -> str:
    word = _MARKS[each.verdict] + VERDICT_WORDS[each.verdict]
    if each.due == "no" and each.verdict in ("fail", "unknown"):
        return word + "（未到期）"
    return word + ("（欠证明）" if each.owed else "（逾期）" if each.verdict == "fail" and each.overdue else "")


def _write(out: Path, files: Mapping[str, bytes]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return [out / name for name in files]

"""`dafeng plan read | accept | diff`: a plan document becomes a plan that a person has looked at."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Severity
from dafeng.base.target import Measure
from dafeng.catalog.yaml_writing import entry_yaml
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    Out,
    Quiet,
    WorkspaceOption,
    as_day,
    emit,
    near,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import said_setting
from dafeng.plans import value_phrase
from dafeng.plans.fates import REASONS
from dafeng.plans.labels import label_data
from dafeng.plans.reading import UNCLAIMED, coverage
from dafeng.plans.versions import DiffKind, diff_plans
from dafeng.reports.plan_comments import review_comments
from dafeng.reports.plan_review import review_workbook
from dafeng.workflow.plan_reading import (
    PlanFromFile,
    plan_of,
    read_plan_file,
    read_plan_review,
    save_plan,
)

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

PlanId = Annotated[str | None, typer.Option("--id", help="方案编号，默认 地方-年份 / plan id, place-year by default")]
PlaceName = Annotated[
    str | None, typer.Option("--place", help="文件未写明时：哪个地方的方案 / place, where the document does not say")
]


class Form(StrEnum):
    """What `plan read` writes."""

    SUMMARY = "summary"
    YAML = "yaml"
    LABELS = "labels"
    XLSX = "xlsx"
    DOCX = "docx"


_FATES: Final = {**REASONS, "target": "目标", "obligation": "义务", "unclaimed": "无归属 / unclaimed"}


@app.command("read")
def read_command(
    file: Annotated[Path, typer.Argument(help="方案文件：.docx .pdf .html .txt .doc / plan document")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="summary 摘要，yaml 方案文件，labels 标注JSON，xlsx 复核表，docx 带批注的文件 / what to write",
        ),
    ] = Form.SUMMARY,
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers",
            help="只列每个数字的去向，有无归属的退出码 1 / each number with its fate; exit 1 where one has none",
        ),
    ] = False,
    save: Annotated[bool, typer.Option("--save", help="存入工作区目录 / keep in the workspace's catalog")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="覆盖内置的同编号方案 / lay over a shipped plan of that id")
    ] = False,
    plan_id: PlanId = None,
    place: PlaceName = None,
    out: Out = None,
    fail_on: FailOn = None,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """读取方案文件：目标、义务、任务、责任单位，每个数字都有去向 / read a plan document."""
    _only_one_output(form, numbers=numbers, as_json=as_json)
    _fitting(form, out)
    here = said_setting(workspace, quiet=quiet)
    with progress(quiet=quiet or as_json) as listener:
        read = read_plan_file(here, file, as_of=as_day(as_of), plan_id=plan_id, place=place, listener=listener)
    findings = [*read.reading.findings, *read.assembled.findings]
    kept = save_plan(here, read, file, replace=replace) if save else None
    if as_json:
        emit("plan.read/1", _data(read))
    elif form is not Form.SUMMARY:
        _write(read, form, out, file, here.catalog, as_day(as_of), quiet=quiet)
    elif numbers:
        _show_numbers(read)
    else:
        _show(read)
    if kept is not None:
        note(f"已存入工作区 / kept: {kept.plan}（{'、'.join(kept.files)}）", quiet=quiet)
    if not as_json:
        show_findings(findings, quiet=quiet)
    if numbers:
        stop_on((finding for finding in findings if finding.name == UNCLAIMED), Severity.WARNING)
    stop_on(findings, fail_on)


def _only_one_output(form: Form, *, numbers: bool, as_json: bool) -> None:
    if form is Form.SUMMARY or not (numbers or as_json):
        return
    other = "--json" if as_json else "--numbers"
    raise UsageError(
        f"{other} 与 --format {form.value} 不能同时用 / they cannot be used together",
        doing="read a plan",
        expected="一次一种输出 / one output at a time",
        next_step=f"分两次运行，先 --format {form.value}，再 {other} / run it twice",
    )


_ENDINGS: Final = {Form.YAML: (".yaml", ".yml"), Form.LABELS: (".json",), Form.XLSX: (".xlsx",), Form.DOCX: (".docx",)}


def _fitting(form: Form, out: Path | None) -> None:
    """Refuse an output that would not be written, or under an ending that says something else."""
    endings = ("", *_ENDINGS.get(form, ()))
    if out is None or (form is not Form.SUMMARY and (out.is_dir() or out.suffix.lower() in endings)):
        return
    wanted = next((name.value for name, known in _ENDINGS.items() if out.suffix.lower() in known), None)
    raise UsageError(
        f"--out {out.name} 与 --format {form.value} 不合 / do not go together",
        doing="read a plan",
        expected="yaml → .yaml，labels → .json，xlsx → .xlsx，docx → .docx；摘要只在屏幕上 / a summary is only shown",
        next_step=f"--format {wanted}" if wanted else "用 --format 指明要写什么 / say with --format what to write",
    )


@app.command("accept")
def accept_command(
    review: Annotated[
        Path | None,
        typer.Argument(help="填好的复核表 .xlsx 或批注文件 .docx / filled review sheet or commented document"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="没有复核表时：方案文件 / the plan document, where there is no sheet")
    ] = None,
    above: Annotated[
        float | None,
        typer.Option(
            "--above",
            min=0.0,
            max=1.0,
            help="未作决定且把握不低于此值的，一并采纳 / accept the rest from this confidence on",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="复核人 / who decides")] = None,
    plan_id: PlanId = None,
    place: PlaceName = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="覆盖内置的同编号方案 / lay over a shipped plan of that id")
    ] = False,
    fail_on: FailOn = None,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """读回复核决定，存入工作区并重新生成方案 / take the decisions of a review and make the plan anew."""
    if review is None and (file is None or above is None):
        raise UsageError(
            "既没有复核表，也没有 --file 与 --above / neither a review sheet nor --file with --above",
            doing="accept readings",
            expected="dafeng plan accept 复核表.xlsx，或 dafeng plan accept --file 方案.docx --above 0.9 --by 姓名",
            next_step="dafeng plan read 方案.docx --format xlsx --out 复核表.xlsx",
        )
    here = said_setting(workspace, quiet=quiet)
    day = as_day(as_of)
    review_read = read_plan_review(
        here, review, document=file, plan_id=plan_id, place=place, by=by, on=day, above=above
    )
    read = review_read.read
    findings = [*review_read.taken.findings, *read.assembled.findings]
    if not as_json:  # before anything can refuse to be kept
        show_findings(findings, quiet=quiet)
    kept = save_plan(here, read, review_read.original, replace=replace, decisions=review_read.decisions)
    if as_json:
        emit(
            "plan.accept/1",
            {
                "plan": kept.plan,
                "decisions": [decision.model_dump(mode="json") for decision in review_read.taken.decisions],
                "state": read.assembled.state.model_dump(mode="json"),
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )
    else:
        state = read.assembled.state
        note(
            f"{kept.plan}：读到决定 {len(review_read.taken.decisions)} 条；已复核 {state.reviewed} / {state.items}，驳回 {state.rejected}",
            quiet=quiet,
        )
    stop_on(findings, fail_on or Severity.ERROR)


@app.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(help="旧版：文件、方案编号或地方 / older: file, plan id or place")],
    after: Annotated[str, typer.Argument(help="新版 / newer")],
    place: PlaceName = None,
    every: Annotated[bool, typer.Option("--all", help="也列出未变的 / unchanged items too")] = False,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """比较方案的两个版本 / compare two versions of a plan."""
    here = said_setting(workspace, quiet=quiet)
    day = as_day(as_of)
    difference = diff_plans(*(plan_of(here, name, as_of=day, place=place) for name in (before, after)))
    if as_json:
        emit("plan.diff/1", {**difference.model_dump(mode="json"), "counts": difference.counts()})
        return
    words = {"added": "新增", "removed": "删去", "changed": "修改", "moved": "移动", "same": "未变"}
    subjects = {"target": "目标", "obligation": "义务", "task": "任务", "head": "文件"}
    show_table(
        f"{difference.before} → {difference.after}",
        ["类别", "变化", "条款", "内容", "字段：旧 → 新"],
        [
            (
                subjects[row.subject],
                words[row.kind.value],
                row.clause,
                row.phrase,
                "\n".join(f"{change.field}：{change.before or '—'} → {change.after or '—'}" for change in row.changes),
            )
            for row in difference.rows
            if every or row.kind is not DiffKind.SAME
        ],
    )
    note("　".join(f"{words[name]} {count}" for name, count in difference.counts().items()), quiet=quiet)


def _write(
    read: PlanFromFile, form: Form, out: Path | None, file: Path, catalog: Any, day: Any, *, quiet: bool
) -> None:
    plan_id = read.assembled.plan.id
    content: bytes
    match form:
        case Form.YAML:
            content, suffix = entry_yaml(read.assembled.plan).encode(), ".yaml"
        case Form.LABELS:
            labels = label_data(read.reading, read.document)
            content, suffix = (json.dumps(labels, ensure_ascii=False, indent=1) + "\n").encode(), ".json"
        case Form.XLSX:
            content = review_workbook(
                read.reading, read.document, catalog, plan_id=plan_id, applied=read.assembled.applied, as_of=day
            )
            suffix = ".xlsx"
        case _:
            original = file.read_bytes() if read.document.format == "docx" else None
            content = review_comments(
                read.reading, read.document, catalog, original=original, plan_id=plan_id, as_of=day
            )
            suffix = ".docx"
    if out is None and form in (Form.YAML, Form.LABELS):
        typer.echo(content.decode(), nl=False)
        return
    target = out or Path(f"{plan_id}-review{suffix}")
    if target.is_dir():
        target = target / f"{plan_id}{suffix}"
    target.write_bytes(content)
    note(f"已写 / wrote {near(target)}", quiet=quiet)


def _show(read: PlanFromFile) -> None:
    plan, reading = read.assembled.plan, read.reading
    head = reading.outline.head
    show_table(
        f"{plan.title.zh}（{plan.id}）",
        ["文号", "印发机关", "日期", "地方", "格式"],
        [(head.number, "、".join(head.issuers), head.issued_on, plan.place, read.document.format)],
    )
    matches = {target.id: target for target in reading.targets}
    show_table(
        "目标 / targets",
        ["条款", "名称", "目标", "期限", "指标", "责任单位", "把握"],
        [
            (
                target.clause,
                target.label,
                value_phrase(target),
                target.by or "—",
                target.indicator if not target.indicator.startswith("draft_") else "（未定 / open）",
                "、".join(plan.bodies_of(target)[:3]) + ("…" if len(plan.bodies_of(target)) > 3 else ""),
                f"{matches[target.id].confidence:.0%}" if target.id in matches else "",
            )
            for target in plan.targets
        ],
        numbers=[6],
    )
    show_table(
        "项目义务 / obligations",
        ["条款", "内容", "条件", "要求"],
        [(duty.clause, duty.title, duty.when, duty.require) for duty in plan.obligations],
    )
    show_table(
        "任务 / tasks",
        ["编号", "任务", "责任单位"],
        [(task.number, task.title, "、".join(task.bodies)) for task in plan.tasks],
    )
    counts = coverage(reading)
    open_duties = sum(duty.obligation is None for duty in reading.duties)
    milestones = sum(target.measure is Measure.MILESTONE for target in plan.targets)
    show_table(
        "读取情况 / how it was read",
        ["项目", "数"],
        [
            ("数值目标 / targets", len(plan.targets) - milestones),
            ("里程碑 / milestones", milestones),
            ("项目义务（另有待补 / still open）", f"{len(plan.obligations)}（{open_duties}）"),
            ("任务 / tasks", len(plan.tasks)),
            ("责任单位：语法 / 词库", f"{counts['bodies_grammar']} / {counts['bodies_lexicon']}"),
            (
                "指标：词库 / 相似 / 未定",
                f"{counts['indicators_lexicon']} / {counts['indicators_grammar']} / {counts['indicators_open']}",
            ),
            ("数字（无归属 / unclaimed）", f"{counts['numbers']}（{counts.get('numbers_unclaimed', 0)}）"),
        ],
        numbers=[1],
    )


def _show_numbers(read: PlanFromFile) -> None:
    document = read.document
    show_table(
        "数字的去向 / numbers",
        ["位置", "数字", "前后文", "去向", "归属"],
        [
            (
                str(document.where(fate.at.start)),
                document.quote(fate.at.start, fate.at.end),
                document.quote(max(0, fate.at.start - 10), fate.at.end + 6),
                _FATES.get(fate.fate, fate.fate),
                fate.of or "",
            )
            for fate in read.reading.numbers
        ],
    )


def _data(read: PlanFromFile) -> dict[str, Any]:
    document = read.document
    return {
        "plan": read.assembled.plan.model_dump(mode="json", by_alias=True),
        "document": {"file": document.file, "format": document.format, "sha256": document.sha256},
        "targets": [
            {
                **target.model_dump(mode="json"),
                "quote": document.quote(target.at.start, target.at.end),
                "where": str(document.where(target.at.start)),
            }
            for target in read.reading.targets
        ],
        "duties": [
            {**duty.model_dump(mode="json"), "quote": document.quote(duty.at.start, duty.at.end)}
            for duty in read.reading.duties
        ],
        "numbers": [
            {**fate.model_dump(mode="json"), "text": document.quote(fate.at.start, fate.at.end)}
            for fate in read.reading.numbers
        ],
        "coverage": coverage(read.reading),
        "state": read.assembled.state.model_dump(mode="json"),
        "decisions": [applied.model_dump(mode="json") for applied in read.assembled.applied],
        "drafts": {
            "indicators": [entry.model_dump(mode="json") for entry in read.assembled.draft_indicators],
            "bodies": [entry.model_dump(mode="json") for entry in read.assembled.draft_bodies],
        },
        "findings": [finding.model_dump(mode="json") for finding in (*read.reading.findings, *read.assembled.findings)],
    }

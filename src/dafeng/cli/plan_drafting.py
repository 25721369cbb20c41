"""`dafeng plan draft`: the plan of a place below, drafted from its parent's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    as_day,
    emit,
    near,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import said_setting
from dafeng.intake import read_sheets
from dafeng.intake.encoding import decode_text
from dafeng.plans.draft_records import Lacking, PlanDraft, SlotKind
from dafeng.plans.draft_wording import draft_text
from dafeng.reports import find_fonts
from dafeng.reports.document import RedHead
from dafeng.workflow.plan_drafting import allocations_of, make_plan_draft

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_SLOTS: Final = {
    SlotKind.CARRIED: "承接",
    SlotKind.ALLOCATED: "本地",
    SlotKind.OPEN: "待分解",
    SlotKind.EVENT: "事项",
}


@app.callback()
def _group() -> None:
    """Draft plans."""


@app.command("draft")
def draft_command(
    parent: Annotated[str, typer.Argument(help="上级方案：编号或地方 / parent plan: id or place")],
    place: Annotated[str, typer.Option("--place", help="为哪个地方起草，须在上级所辖范围 / place below the parent's")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="写到哪个 .docx；起草说明写在旁边 / DOCX to write, notes beside it"),
    ] = None,
    allocations: Annotated[
        Path | None,
        typer.Option("--allocations", help="分解表 .csv、.xlsx 或 .json：目标编号、分解值 / own values by target id"),
    ] = None,
    without: Annotated[
        list[Lacking] | None,
        typer.Option("--without", help="本地没有：county_seat 县城，rural 农村；可重复 / what the place lacks"),
    ] = None,
    keep_past: Annotated[
        bool, typer.Option("--keep-past", help="也列入期限已过的目标 / targets whose year is over too")
    ] = False,
    red_head: Annotated[
        str | None, typer.Option("--red-head", help="红头：发文机关标志文字，默认不画 / red head, none by default")
    ] = None,
    number: Annotated[str, typer.Option("--number", help="红头下的发文字号 / document number under the red head")] = "",
    signer: Annotated[str | None, typer.Option("--signer", help="落款机关，默认留空 / issuing body")] = None,
    fail_on: FailOn = None,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """由上级方案起草下级方案：任务、责任单位、目标留空待核 / draft a lower plan from its parent."""
    if number and red_head is None:
        raise UsageError(
            "--number 要与 --red-head 同用 / needs --red-head",
            doing="draft a plan",
            expected='--red-head "长春市人民政府文件" --number "长府发〔2024〕1号"',
            next_step="加 --red-head，或去掉 --number",
        )
    here = said_setting(workspace, quiet=quiet)
    made = make_plan_draft(
        here,
        parent,
        place=place,
        allocations=None if allocations is None else _allocations(allocations),
        lacking=None if without is None else frozenset(without),
        keep_past=keep_past,
        red_head=None if red_head is None else RedHead(issuer=red_head, number=number),
        signer=signer,
        as_of=as_day(as_of),
        fonts=find_fonts(os.environ),
    )
    written = _write(made.draft, made.document, made.notes, out) if out is not None else ()
    if as_json:
        emit("plan.draft/1", {"draft": _data(made.draft), "files": [str(path) for path in written]})
    elif out is None:
        _show(made.draft)
    for path in written:
        note(f"已写 / wrote {near(path)}", quiet=quiet)
    if not as_json:
        counts = f"任务 {len(made.draft.tasks)}，目标 {len(made.draft.targets)}（待分解 {len(made.draft.open)}）"
        note(f"{made.draft.title}：{counts}，未列入 {len(made.draft.left_out)}", quiet=quiet)
        show_findings(made.draft.findings, quiet=quiet)
    stop_on(made.draft.findings, fail_on)


def _allocations(path: Path) -> dict[str, float]:
    if path.suffix.lower() != ".json":
        return allocations_of(_table_rows(path), name=path.name)
    try:
        data = json.loads(decode_text(path.read_bytes(), file=path.name)[0])
    except (OSError, json.JSONDecodeError) as error:
        raise _no_allocation(path, str(error)) from error
    rows = [{"target": key, "value": value} for key, value in data.items()] if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _no_allocation(path, "不是分解表 / holds no allocation")
    texts = [{key: None if value is None else str(value) for key, value in row.items()} for row in rows]
    return allocations_of(texts, name=path.name)


def _table_rows(path: Path) -> list[dict[str, str | None]]:
    """Return the rows of the first table of a file by their heads."""
    sheet = next(iter(read_sheets(path)), None)
    if sheet is None:
        raise _no_allocation(path, "没有内容 / is empty")
    heads, *rows = sheet.frame.rows()
    return [dict(zip(((head or "").strip() for head in heads), row, strict=True)) for row in rows]


def _no_allocation(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path.name}：{problem}",
        doing="read the allocation of targets",
        expected='a .csv or .xlsx with the columns target and value, or a JSON object {"drains-2025": 40}',
        next_step="改正分解表 / mend the file",
        file=path.name,
    )


def _write(draft: PlanDraft, document: bytes, notes: bytes, out: Path) -> tuple[Path, Path]:
    target = out / f"{draft.title}.docx" if out.is_dir() else out
    if target.suffix.lower() != ".docx":
        raise UsageError(
            f"{target.name} 不以 .docx 结尾 / does not end in .docx",
            doing="write a draft",
            expected="--out 草案.docx，或一个文件夹 / a folder",
            next_step="改用 .docx",
        )
    beside = target.with_name(f"{target.stem}-起草说明.docx")
    target.write_bytes(document)
    beside.write_bytes(notes)
    return target, beside


def _data(draft: PlanDraft) -> dict[str, Any]:
    data = draft.model_dump(mode="json", exclude_none=True)
    for row, target in zip(data["targets"], draft.targets, strict=True):
        row["sentence"] = draft_text(target)
    return data


def _show(draft: PlanDraft) -> None:
    show_table(
        draft.title,
        ["条款", "上级目标编号", "草案", "取值", "上级", "责任单位"],
        [
            (
                target.clause,
                target.id,
                draft_text(target),
                _SLOTS[target.slot],
                f"{target.parent_clause}：{target.parent_phrase}",
                "、".join(target.bodies[:2]) + ("等" if len(target.bodies) > 2 else ""),
            )
            for target in draft.targets
        ],
    )
    if draft.left_out:
        show_table(
            "未列入 / left out",
            ["上级条款", "编号", "内容", "理由"],
            [(left.clause, left.id, left.phrase, left.reason) for left in draft.left_out],
        )

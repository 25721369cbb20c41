"""`dafeng meter match`: accounts of companies given to buildings, with a review sheet for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Severity
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
from dafeng.workflow.metering_matching import match_meter_accounts, read_account_review
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def match(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="要写的核对表 XLSX / review sheet to write")] = None,
    review: Annotated[Path | None, typer.Option("--review", help="填好的核对表 / filled review sheet")] = None,
    low: Annotated[float | None, typer.Option(min=0, max=1, help="最低相似度 / least likeness")] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看不存 / keep nothing")] = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 40,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """户号归建筑：给出候选和核对表，读回结论 / give accounts to buildings: proposals, review sheet, decisions read back."""
    here = open_setting(need(workspace))
    if review is not None:
        links, findings = read_account_review(here, review, decided_on=clock().date(), dry_run=dry_run)
        accepted = sum(link.accepted for link in links)
        if as_json:
            emit(
                "meter.match/1",
                {
                    "decisions": [link.model_dump(mode="json") for link in links],
                    "findings": [finding.model_dump(mode="json") for finding in findings],
                },
            )
        else:
            show_findings(findings, quiet=quiet)
            note(
                f"读到 {len(links)} 条结论，{accepted} 条归属 / decisions, accepted；下一步：dafeng meter rollup",
                quiet=quiet,
            )
        stop_on(findings, fail_on)
        return
    if out is not None and out.exists() and not force:
        raise UsageError(
            f"{out} 已存在 / exists",
            doing="write a review sheet",
            expected="a new file, or --force",
            next_step="换一个文件名，或加 --force",
        )
    found = match_meter_accounts(here, decided_on=clock().date(), low=low, keep=not dry_run)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(found.review)
    if as_json:
        emit(
            "meter.match/1",
            {
                "matches": found.matches.to_dicts(),
                "decided": found.decided,
                "exact": found.exact,
                "open": found.open,
                "file": None if out is None else str(out),
            },
        )
        return
    shown = found.matches.filter(pl.col("building").is_not_null())
    show_table(
        "户号与建筑 / accounts and buildings",
        ["户号", "户名", "地址", "建筑", "名称", "相似度", "理由"],
        [
            (row["account"], row["account_name"], row["account_address"], row["building"], row["building_name"], f"{row['score']:.2f}", row["reasons"])
            for row in shown.head(most).iter_rows(named=True)
        ],
        numbers=[5],
    )  # fmt: skip
    note(
        f"已归 {found.decided} 个户号，待核 {found.open} 个 / decided, open"
        + ("" if out is None else f" → {near(out)}"),
        quiet=quiet,
    )

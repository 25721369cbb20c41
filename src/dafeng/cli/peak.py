"""`dafeng peak`: has a series peaked, in words that a statistician would sign."""

from __future__ import annotations

from typing import Annotated

import typer

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
    note,
    show_findings,
    show_table,
)
from dafeng.cli.places import need
from dafeng.workflow.accounting import DEFAULT_RULES, look_for_peak, read_policy
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command("peak")
def peak_command(
    place: Annotated[list[str], typer.Argument(help="地方，可多个 / places")],
    boundary: Annotated[str, typer.Option("--boundary", "-b", help="边界表 / boundary")] = "ceads-building-sectors",
    of: Annotated[
        str, typer.Option("--of", help="组成部分或口径，如 direct_building、whole_field / component or view")
    ] = "direct_building",
    rules: Annotated[str, typer.Option("--rules", help="取因子的规则 / rules for choosing factors")] = DEFAULT_RULES,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """判断是否达峰：划出车用油品与不划出两种口径并列，先查来源突变 / has it peaked, both ways of the split."""
    here = open_setting(need(workspace))
    day = as_day(as_of)
    looks, findings = [], []
    for text in place:
        found, said = look_for_peak(
            here,
            boundary,
            here.catalog.places.resolve(text).id,
            of=of,
            policy=read_policy(rules),
            as_of=day,
            known_at=known_day(known_at, day),
            recorded_at=clock(),
        )
        looks += found
        findings += said
    if as_json:
        emit(
            "peak/1",
            {
                "looks": [look.model_dump(mode="json") for look in looks],
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )
        return
    show_table(
        f"是否达峰 / has it peaked · {boundary} · {of}",
        ["地方", "划分", "最高值年份", "判断", "说明"],
        [
            (
                here.catalog.place_name(look.place),
                "、".join(look.split) or "不划分",
                look.peak_year,
                look.status,
                look.words,
            )
            for look in looks
        ],
    )
    for look in looks:
        for sentence in look.breaks:
            note(f"! {sentence}", quiet=quiet)
        if look.whole_series:
            note(f"  不计来源突变时 / all years as they stand：{look.whole_series}", quiet=quiet)
    show_findings(findings, quiet=quiet)

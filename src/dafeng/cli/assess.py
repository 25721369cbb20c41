"""`dafeng assess`: where every target of a plan stands, and what is likely at its date."""

from __future__ import annotations

from typing import Annotated

import typer

from dafeng.assessment import Status, ValueUse
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    KnownAt,
    Quiet,
    WorkspaceOption,
    as_day,
    emit,
    known_day,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import setting
from dafeng.workflow.assessing import assess, chosen_plan

__all__ = ["app", "value_text"]

app = typer.Typer(rich_markup_mode=None)


@app.command("assess")
def assess_command(
    plan: Annotated[str | None, typer.Argument(help="方案编号或地方，默认工作区的方案 / plan id or place")] = None,
    place: Annotated[str | None, typer.Option(help="按方案目标看另一地方 / judge another place by the plan")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    body: Annotated[str | None, typer.Option(help="只看此责任单位 / only this body")] = None,
    status: Annotated[list[Status] | None, typer.Option(help="只看这些状态（代码） / only these statuses")] = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """逐目标判断：现状、差距、所需速度与已有速度、到期前景 / judge every target."""
    here = setting(workspace)
    day = as_day(as_of)
    wanted = None if body is None else here.catalog.body(body, chosen_plan(here, plan).place).id
    result = assess(here, plan, place=place, as_of=day, known_at=known_day(known_at, day))
    rows = [
        row
        for row in result.rows
        if (not status or row.status in status) and (wanted is None or any(use.id == wanted for use in row.bodies))
    ]
    if as_json:
        data = result.model_dump(mode="json", exclude={"rows"})
        emit("assess/1", {**data, "rows": [row.model_dump(mode="json") for row in rows]})
    else:
        terms = here.catalog
        show_table(
            f"{terms.plans[result.plan].title.zh} · 截至 {day.isoformat()}",
            ["条款", "目标", "最新值", "状态", "说明", "牵头（推定）"],
            [
                (
                    row.clause,
                    row.phrase + (f"（{row.year}年）" if row.year else ""),
                    value_text(row.latest),
                    terms.term("status", row.status.value),
                    row.reason,
                    row.bodies[0].as_written if row.bodies else "",
                )
                for row in rows
            ],
        )
        counts = "，".join(f"{terms.term('status', name)} {count}" for name, count in result.counts.items() if count)
        note(f"合计 / total：{counts}", quiet=quiet)
        show_findings(result.findings, quiet=quiet)
    stop_on(result.findings, fail_on)


def value_text(use: ValueUse | None) -> str:
    """Return a value with unit and period, short; a dash where there is none."""
    return "—" if use is None else f"{use.shown_value:g}{use.shown_unit}（{use.period_title}）"

"""`dafeng plan`: the plans, what they promise, and how they stand to the plans above them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from dafeng.base.quantity import convert
from dafeng.base.target import Measure
from dafeng.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.cli.lazy import group_with
from dafeng.cli.output import Json, Quiet, WorkspaceOption, emit, show_table
from dafeng.cli.places import said_setting
from dafeng.plans import compare_with_parents, value_phrase

__all__ = ["app"]

_ELSEWHERE: Final = {"read": "plan_reading", "accept": "plan_reading", "diff": "plan_reading", "draft": "plan_drafting"}
"""Commands of other modules: reading documents needs libraries that a list of plans does not."""


app = typer.Typer(
    cls=group_with(_ELSEWHERE), no_args_is_help=True, help="方案：读取、查看、比较 / plans", rich_markup_mode=None
)
PlanName = Annotated[str, typer.Argument(help="方案编号，或地方（qingdao、370200、青岛） / plan id or place")]


@app.command("list")
def list_plans(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """列出方案 / list plans."""
    catalog = said_setting(workspace, quiet=quiet).catalog
    rows = [
        {
            "id": plan.id,
            "title": plan.title.zh,
            "place": plan.place,
            "place_name": catalog.place_name(plan.place),
            "number": plan.document.number,
            "targets": sum(not target.soft and target.value is not None for target in plan.targets),
            "milestones": sum(target.measure is Measure.MILESTONE for target in plan.targets),
            "obligations": len(plan.obligations),
            "tasks": len(plan.tasks),
        }
        for plan in catalog.plans.values()
    ]
    if as_json:
        emit("plan.list/1", {"plans": rows})
        return
    columns = ["id", "title", "place_name", "targets", "milestones", "obligations", "tasks"]
    heads = ["编号", "方案", "地方", "数值目标", "里程碑", "项目义务", "任务"]
    show_table("方案 / plans", heads, [[row[name] for name in columns] for row in rows], numbers=[3, 4, 5, 6])


@app.command()
def show(plan: PlanName, workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """查看一个方案的目标、义务、任务与责任单位 / show a plan."""
    catalog = said_setting(workspace, quiet=quiet).catalog
    found = catalog.plan(plan)
    if as_json:
        emit("plan.show/1", plan_data(found, catalog))
        return
    show_table(
        f"{found.title.zh}（{found.id}）",
        ["条款", "编号", "指标", "目标", "期限", "牵头（推定）"],
        [
            (
                target.clause,
                target.id,
                target.label,
                value_phrase(target),
                target.by or "—",
                (found.bodies_of(target) or ("",))[0],
            )
            for target in found.targets
        ],
    )
    show_table(
        "项目义务 / obligations",
        ["条款", "编号", "内容", "条件", "要求"],
        [(duty.clause, duty.id, duty.title, duty.when, duty.require) for duty in found.obligations],
    )


@app.command()
def compare(plan: PlanName, workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """与上级方案逐条比较：更严、相同、更松、缺项、层级不明 / compare with the plans above."""
    catalog = said_setting(workspace, quiet=quiet).catalog
    comparison = compare_with_parents(catalog.plan(plan), catalog)
    if as_json:
        emit("plan.compare/1", comparison.model_dump(mode="json"))
        return
    for level in comparison.levels:
        rows = [row for row in comparison.rows if row.level == level.place and not row.soft]
        show_table(
            f"{comparison.plan} ↔ {level.name} {level.plan or '（该级方案未收录 / no plan of this level）'}",
            ["条款", "本方案", "上级", "关系"],
            [(row.clause, row.phrase or "—", row.parent_phrase or "—", row.note) for row in rows],
        )


def plan_data(plan: Plan, catalog: Catalog) -> dict[str, Any]:
    """Return a plan as data for `--json`: figures as written beside canonical ones, deadline as a year."""
    targets = []
    for target in plan.targets:
        indicator = catalog.indicators[target.indicator]
        unit = indicator.unit
        if target.measure is Measure.CHANGE and target.base is not None and target.base.year is not None:
            unit = "percentage_point" if target.unit and "百分点" in target.unit else "percent"
        canonical = None if target.value is None else convert(target.value, target.unit or "ratio", unit)
        row = target.model_dump(mode="json", exclude={"bodies", "by"}, exclude_none=True)
        targets.append(
            {
                **row,
                "value": target.value,
                "unit": target.unit,
                "deadline": target.by,
                "canonical_value": canonical,
                "canonical_unit": None if target.value is None else unit,
                "bodies": [
                    {"as_written": text, "id": catalog.body(text, plan.place).id} for text in plan.bodies_of(target)
                ],
            }
        )
    data = plan.model_dump(mode="json", exclude={"targets"}, exclude_none=True)
    return {"plan": {**data, "targets": targets}}

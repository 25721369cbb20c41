"""`dafeng catalog`: is the content sound, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from dafeng.base.finding import Severity
from dafeng.base.place import PlaceLevel
from dafeng.base.record import Record
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Adapter, Body, Indicator, Source, Term
from dafeng.cli.output import FailOn, Json, Quiet, WorkspaceOption, emit, note, show_findings, show_table, stop_on
from dafeng.cli.places import find, said_setting
from dafeng.workflow.setting import check_content

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="目录：检查、指标、地方 / catalog", rich_markup_mode=None)
_SHAPES: Final[dict[str, type[Record]]] = {
    "plan": Plan,
    "indicator": Indicator,
    "body": Body,
    "source": Source,
    "term": Term,
    "adapter": Adapter,
}


@app.command()
def check(
    folder: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, file_okay=False, help="叠加检查的目录文件夹 / further catalog folders"),
    ] = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """检查目录，一次报出所有问题 / check the catalog and report every fault at once."""
    catalog, findings = check_content(find(workspace), folder or [])
    counts = {
        "places": len(catalog.places),
        "bodies": len(catalog.bodies),
        "indicators": len(catalog.indicators),
        "plans": len(catalog.plans),
        "adapters": len(catalog.adapters),
        "sources": len(catalog.sources),
    }
    if as_json:
        rows = [finding.model_dump(mode="json") for finding in findings]
        emit("catalog.check/1", {"counts": counts, "digest": catalog.digest, "findings": rows})
    else:
        show_findings(findings, quiet=quiet, most=200)
        show_table("目录 / catalog", ["栏目", "条数"], counts.items(), numbers=[1])
        note("没有发现问题 / no fault" if not findings else f"{len(findings)} 处问题 / faults", quiet=quiet)
    stop_on(findings, fail_on)


@app.command()
def indicators(
    search: Annotated[str, typer.Argument(help="名称或编号的一部分 / part of a name")] = "",
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """列出指标 / list indicators."""
    catalog = said_setting(workspace, quiet=quiet).catalog
    found = [
        indicator
        for indicator in catalog.indicators.values()
        if search in f"{indicator.id} {indicator.zh} {indicator.en} {' '.join(indicator.aliases)}"
    ]
    if as_json:
        emit("catalog.indicators/1", {"indicators": [indicator.model_dump(mode="json") for indicator in found]})
        return
    rows = [
        (item.id, item.zh, item.shown_unit, item.direction.value, item.measure.value, item.grade.value)
        for item in found
    ]
    show_table("指标 / indicators", ["编号", "名称", "单位", "方向", "性质", "等级"], rows)


@app.command()
def places(
    search: Annotated[str, typer.Argument(help="名称、代码或编号的一部分 / part of a name, code or slug")] = "",
    level: Annotated[PlaceLevel | None, typer.Option(help="层级 / level")] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """列出地方 / list places."""
    catalog = said_setting(workspace, quiet=quiet).catalog
    found = [
        place
        for place in catalog.places
        if (level is None or place.level is level)
        and search in f"{place.id} {place.name} {' '.join(place.aliases)} {' '.join(code.code for code in place.codes)}"
    ]
    if as_json:
        emit("catalog.places/1", {"places": [place.model_dump(mode="json") for place in found]})
        return
    rows = [
        (
            item.id,
            item.name,
            item.level.value,
            item.kind.value,
            item.parent,
            ", ".join(code.code for code in item.codes),
        )
        for item in found
    ]
    show_table("地方 / places", ["编号", "名称", "层级", "类别", "上级", "代码"], rows)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help=f"{' | '.join(_SHAPES)}")],
    as_json: Json = False,
) -> None:
    """输出条目的 JSON Schema，供编辑器校验 / print the JSON Schema of an entry, for editors."""
    if name not in _SHAPES:
        raise typer.BadParameter(f"{name}: {' | '.join(_SHAPES)}")
    shape = _SHAPES[name].model_json_schema()
    if as_json:
        emit("catalog.schema/1", {"name": name, "json_schema": shape})
    else:
        typer.echo(json.dumps(shape, ensure_ascii=False, indent=2))

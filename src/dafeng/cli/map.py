"""`dafeng map`: indicators from maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from dafeng.base.finding import Severity
from dafeng.base.place import Extent
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    clock,
    emit,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import setting
from dafeng.workflow.maps import (
    MapOptions,
    Measured,
    measure_cover,
    measure_roads,
    measure_service,
    publish_measured,
)
from dafeng.workflow.setting import Setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="地图：路网、绿地、服务半径 / indicators from maps", rich_markup_mode=None)
Areas = Annotated[Path, typer.Option("--areas", help="各地范围的面图层 / polygons of the places")]
Key = Annotated[str, typer.Option(help="范围图层中的地方代码或名称字段 / attribute with the place")]
PeriodOption = Annotated[str, typer.Option("--period", help="地图所属时期，如 2024 / period")]
ExtentOption = Annotated[Extent, typer.Option("--extent", help="范围口径：whole、built_up … / extent of the polygons")]
Datum = Annotated[Literal["wgs84", "gcj02"], typer.Option(help="图层坐标系 / datum of the layers")]
AreasDatum = Annotated[Literal["wgs84", "gcj02"], typer.Option(help="范围图层坐标系 / datum of the polygons")]
Complete = Annotated[bool, typer.Option("--complete", help="图层已知覆盖各地全境 / the layers show the places whole")]
Publish = Annotated[bool, typer.Option("--publish", help="写入数据湖 / publish into the lake")]


@app.command()
def roads(
    file: Annotated[Path, typer.Argument(help="道路线图层 / lines")],
    areas: Areas,
    period: PeriodOption,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="计入的道路等级，可重复 / classes that count")
    ] = None,
    class_column: Annotated[str, typer.Option(help="道路等级字段 / attribute with the class")] = "highway",
    key: Key = "adcode",
    extent: ExtentOption = Extent.WHOLE,
    datum: Datum = "wgs84",
    areas_datum: AreasDatum = "wgs84",
    complete: Complete = False,
    publish: Publish = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """道路长度与路网密度（双向只计一次） / road length and density."""
    here = setting(workspace)
    options = MapOptions(
        areas=areas, key=key, period=period, extent=extent, datum=datum, areas_datum=areas_datum, complete=complete
    )
    measured = measure_roads(
        here, file, options, recorded_at=clock(), class_column=class_column, classes=tuple(classes or ())
    )
    _show(here, measured, [file, areas], "map.roads/1", publish=publish, as_json=as_json, quiet=quiet)
    stop_on(measured.findings, fail_on)


@app.command()
def cover(
    file: Annotated[Path, typer.Argument(help="用地或绿地面图层 / polygons")],
    areas: Areas,
    period: PeriodOption,
    kinds: Annotated[list[str], typer.Option("--kind", help="计入的类别，可重复 / kinds that count")],
    indicator: Annotated[str, typer.Option(help="指标编号 / indicator")] = "green_space_rate",
    kind_column: Annotated[str, typer.Option(help="类别字段 / attribute with the kind")] = "kind",
    key: Key = "adcode",
    extent: ExtentOption = Extent.WHOLE,
    datum: Datum = "wgs84",
    areas_datum: AreasDatum = "wgs84",
    complete: Complete = False,
    publish: Publish = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """绿地、可渗透地面等占各地面积的比例 / share of places that polygons cover."""
    here = setting(workspace)
    options = MapOptions(
        areas=areas, key=key, period=period, extent=extent, datum=datum, areas_datum=areas_datum, complete=complete
    )
    measured = measure_cover(
        here, file, options, recorded_at=clock(), indicator=indicator, kind_column=kind_column, kinds=kinds
    )
    _show(here, measured, [file, areas], "map.cover/1", publish=publish, as_json=as_json, quiet=quiet)


@app.command()
def service(
    parks: Annotated[Path, typer.Argument(help="公园绿地面图层 / park polygons")],
    homes: Annotated[Path, typer.Argument(help="居住用地面图层 / residential polygons")],
    areas: Areas,
    period: PeriodOption,
    park_kinds: Annotated[list[str] | None, typer.Option("--park-kind", help="公园的类别 / kinds of park")] = None,
    home_kinds: Annotated[list[str] | None, typer.Option("--home-kind", help="居住用地的类别 / kinds of home")] = None,
    kind_column: Annotated[str, typer.Option(help="类别字段 / attribute with the kind")] = "kind",
    key: Key = "adcode",
    extent: ExtentOption = Extent.WHOLE,
    datum: Datum = "wgs84",
    areas_datum: AreasDatum = "wgs84",
    complete: Complete = False,
    publish: Publish = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """公园绿地服务半径覆盖率：5000平方米以上500米，2000—5000平方米300米 / park service coverage."""
    here = setting(workspace)
    options = MapOptions(
        areas=areas, key=key, period=period, extent=extent, datum=datum, areas_datum=areas_datum, complete=complete
    )
    measured = measure_service(
        here,
        parks,
        homes,
        options,
        recorded_at=clock(),
        kind_column=kind_column,
        park_kinds=tuple(park_kinds or ("park",)),
        home_kinds=tuple(home_kinds or ("residential",)),
    )
    _show(here, measured, [parks, homes, areas], "map.service/1", publish=publish, as_json=as_json, quiet=quiet)


def _show(
    here: Setting,
    measured: Measured,
    files: Sequence[Path],
    schema: str,
    *,
    publish: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    published = publish_measured(here, measured, files) if publish else None
    if as_json:
        findings = [finding.model_dump(mode="json") for finding in measured.findings]
        stored = None if published is None else published.model_dump(mode="json")
        emit(schema, {"rows": measured.table.to_dicts(), "published": stored, "findings": findings})
        return
    show_findings(measured.findings, quiet=quiet)
    columns = ["name", *(name for name in measured.table.columns if name not in ("name", "place"))]
    rows = (
        [f"{cell:.3f}" if isinstance(cell, float) else cell for cell in row]
        for row in measured.table.select(columns).iter_rows()
    )
    numbers = [index for index, name in enumerate(columns) if name not in ("name", "class")]
    show_table("地图量算 / from maps", columns, rows, numbers=numbers)
    if published is not None:
        note(f"入库 {published.appended} 条 / published", quiet=quiet)

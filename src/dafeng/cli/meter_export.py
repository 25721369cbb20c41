"""`dafeng meter export`: daily files for the upper centre, readings and totals as tables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import typer

from dafeng.base.errors import UsageError
from dafeng.cli.output import Json, Quiet, WorkspaceOption, as_day, clock, emit, near, note, progress
from dafeng.cli.places import need, place_ids
from dafeng.workflow.metering_export import EXPORTS, export_day, export_meters
from dafeng.workflow.metering_import import month_span
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
_DAYS = 366


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="要写的文件；每日文件为文件夹 / file to write, a folder for daily files")],
    to: Annotated[
        Literal["xml", "csv", "parquet"] | None, typer.Option("--to", help="格式，默认看扩展名 / format")
    ] = None,
    table: Annotated[str, typer.Option(help=f"哪张表 / which table：{'、'.join(EXPORTS)}")] = "building-months",
    day: Annotated[str | None, typer.Option(help="哪一天，用于每日文件 / day of the daily files")] = None,
    period: Annotated[str | None, typer.Option(help="时期 / period")] = None,
    centre: Annotated[str | None, typer.Option(help="本级数据中心的六位代码 / six digits of this centre")] = None,
    meter: Annotated[list[str] | None, typer.Option("--meter", "-m", help="表号，可重复 / meter")] = None,
    building: Annotated[list[str] | None, typer.Option("--building", "-b", help="建筑代码，可重复 / building")] = None,
    place: Annotated[list[str] | None, typer.Option("--place", "-p", help="地方，可重复 / place")] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导出：给上级的每日文件，或读数与合计的表 / daily files for the upper centre, or readings and totals as tables."""
    here = open_setting(need(workspace))
    form = to or {".csv": "csv", ".parquet": "parquet"}.get(out.suffix.lower(), "xml" if day or not out.suffix else "")
    if form not in ("xml", "csv", "parquet") or (form != "xml" and table not in EXPORTS):
        raise UsageError(
            f"{out.name} {table}：不能写成这样 / cannot be written",
            doing="export metering",
            expected=f"--to xml、csv 或 parquet，--table {'、'.join(EXPORTS)}",
            next_step="改正格式或表名",
        )
    if form == "xml":
        if (day is None) == (period is None) or centre is None:
            raise UsageError(
                "每日文件要写一天或一个时期，以及本中心代码 / a day or period, and the centre",
                doing="write daily files",
                expected="--day 2024-03-05 --centre 370200",
                next_step="补上后重试",
            )
        first, past = month_span(period) if period is not None else (as_day(day, option="--day"), None)
        last = first + timedelta(days=1) if past is None else min(past, clock().date())
        if (last - first).days > _DAYS:
            raise UsageError(f"--period {period}", doing="write daily files", expected="至多一年", next_step="分年导出")
        written: list[dict[str, object]] = []
        with progress(quiet=quiet or as_json) as listener:
            for number in range((last - first).days):
                listener("每日文件 / daily files", number, (last - first).days)
                pack, hours = export_day(here, first + timedelta(days=number), centre=centre, recorded_at=clock())
                path = out / f"{pack.name}.zip"
                _refuse(path, force=force)
                out.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pack.package)
                written.append({"file": str(path), "hours": hours.height, "buildings": hours["building"].n_unique()})
    else:
        _refuse(out, force=force)
        frame = export_meters(
            here, table, period=None if period is None else month_span(period), meters=meter, buildings=building,  # type: ignore[arg-type]
            places=place_ids(here, place),
        )  # fmt: skip
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "csv":
            frame.with_columns(pl.col(pl.Datetime).dt.to_string("%Y-%m-%dT%H:%M:%SZ")).write_csv(out, include_bom=True)
        else:
            frame.write_parquet(out, compression="zstd")
        written = [{"file": str(out), "rows": frame.height}]
    if as_json:
        emit("meter.export/1", {"files": written})
    else:
        for one in written:
            amount = f"{one['rows']} 行" if "rows" in one else f"{one['buildings']} 栋 {one['hours']} 个小时值"
            note(f"{amount} → {near(Path(str(one['file'])))}", quiet=quiet)


def _refuse(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(
            f"{path} 已存在 / exists",
            doing="export metering",
            expected="a new file, or --force",
            next_step="换一个文件名，或加 --force",
        )

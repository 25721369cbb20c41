"""`dafeng init`: make a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dafeng.cli.output import Json, Quiet, emit, note
from dafeng.lake import Workspace
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="新文件夹 / new folder")],
    title: Annotated[str, typer.Option(help="名称 / title")] = "",
    place: Annotated[str | None, typer.Option(help="地方（编号、代码或名称） / place")] = None,
    plan: Annotated[str | None, typer.Option(help="默认方案 / default plan")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """新建工作区：目录、文档、数据、运行记录 / make a workspace."""
    catalog = open_setting(None).catalog
    home = None if place is None else catalog.places.resolve(place)
    chosen = None if plan is None else catalog.plan(plan).id
    workspace = Workspace.create(
        folder, title=title or folder.resolve().name, place=None if home is None else home.id, plan=chosen
    )
    if as_json:
        emit("init/1", {"workspace": str(workspace.root), "place": home and home.id, "plan": chosen})
        return
    note(f"工作区已建立 / workspace made：{workspace.root}", quiet=quiet)
    note("下一步 / next：dafeng data import 文件 …；dafeng assess；dafeng report build", quiet=quiet)

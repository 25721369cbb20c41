"""`dafeng web backup | restore | move`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dafeng.cli.output import Json, Quiet, WorkspaceOption, clock, emit, note, progress
from dafeng.cli.places import need
from dafeng.web.serving import open_platform, sole_use

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="新文件（.tar），放在工作区之外 / new file outside the workspace")],
    verify: Annotated[bool, typer.Option("--verify", help="写完即试恢复一遍 / prove it by restoring it once")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """备份数据库和工作区；平台不用停 / back up database and workspace while the platform runs."""
    root = need(workspace).root
    commands = open_platform(root)
    with progress(quiet=quiet or as_json) as listener:
        made = commands.make_backup(root, file, at=clock(), listener=listener)
        if verify:
            commands.verify_backup(file, listener=listener)
    commands.note_backup(root, made)
    if as_json:
        emit("web-backup/1", {"file": str(file), "verified": verify, **made.model_dump(mode="json")})
        return
    typer.echo(
        f"{file}：{sum(made.rows.values())} 行、{made.files} 个文件（{made.bytes / 1e6:,.1f} MB），审计日志 {made.audit_number} 条，"
        f"链尾 {made.audit_digest}{'；已试恢复，无误' if verify else ''} / rows, files, audit head"
    )
    note("备份含账号和口令摘要，请另存并限制读取 / it holds accounts: keep it apart", quiet=quiet)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="备份文件 / backup")],
    folder: Annotated[Path | None, typer.Argument(help="新的或空的文件夹 / new or empty folder")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="不给文件夹时：只核验 / without a folder: prove it only")
    ] = False,
    database: Annotated[
        str | None, typer.Option(help="恢复到空的 PostgreSQL：postgresql://… / into an empty PostgreSQL database")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """恢复备份并核验：摘要、行数、审计链、事实；有一处不符就不恢复 / restore a backup, proven before it appears."""
    if folder is None and not verify:
        raise typer.BadParameter("文件夹，或 --verify / a folder, or --verify")
    commands = open_platform(Path(file).absolute().parent / ".none" if folder is None else folder)
    with progress(quiet=quiet or as_json) as listener:
        if folder is None:
            made = commands.verify_backup(file, listener=listener)
        else:
            made = commands.restore(file, folder, database=commands.database_of(database), listener=listener)
    if as_json:
        emit("web-restore/1", {"folder": None if folder is None else str(folder), **made.model_dump(mode="json")})
        return
    where = "核验无误" if folder is None else f"已恢复到 {folder}，核验无误"
    typer.echo(f"{where}：{sum(made.rows.values())} 行、{made.files} 个文件，审计日志 {made.audit_number} 条 / proven")
    note("各人须重新登录 / everybody signs in anew", quiet=quiet)


@app.command()
def move(
    to: Annotated[str, typer.Option(help="空的目标库 postgresql://用户:密码@主机:端口/库 / empty database")],
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """数据库搬到 PostgreSQL，逐表比对；先停平台 / move the database to PostgreSQL, compared table by table."""
    root = need(workspace).root
    with sole_use(root, shared=False):
        commands = open_platform(root)
        with progress(quiet=quiet or as_json) as listener:
            rows = commands.move_database(commands.database_of(to), listener=listener)
    if as_json:
        emit("web-move/1", {"rows": rows})
        return
    typer.echo(f"已搬迁 {len(rows)} 张表、{sum(rows.values())} 行，逐表一致 / moved, the same table by table")
    note("以后启动前设 DAFENG_DATABASE；原数据库未动 / set DAFENG_DATABASE; the old database is as it was", quiet=quiet)

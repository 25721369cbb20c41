"""`dafeng web`: what an administrator of the platform does at the machine itself."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from dafeng.base.errors import ExitCode
from dafeng.cli.lazy import group_with
from dafeng.cli.output import Json, Quiet, WorkspaceOption, emit, note, show_table
from dafeng.cli.places import need
from dafeng.web.serving import open_platform, sole_use

__all__ = ["app"]

app = typer.Typer(
    cls=group_with(
        {
            "backup": "web_backup",
            "restore": "web_backup",
            "move": "web_backup",
            "check": "web_check",
            "reminders": "web_check",
        }
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def migrate(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """建立或升级平台数据库 / make or upgrade the platform's database."""
    applied = open_platform(need(workspace).root).migrate()
    if as_json:
        emit("web-migrate/1", {"applied": applied})
        return
    note(f"已应用 {len(applied)} 项迁移 / migrations applied" if applied else "已是最新 / up to date", quiet=quiet)


@app.command()
def administrator(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """首位管理员的一次性链接 / the one-time link of the first administrator."""
    commands = open_platform(need(workspace).root)
    commands.migrate()
    link = commands.first_link()
    if as_json:
        emit("web-administrator/1", {"path": link})
    elif link is None:
        typer.echo("已有管理员；重设密码用 `dafeng web invite 用户名` / there is an administrator already")
    else:
        typer.echo(link)


@app.command()
def invite(
    username: Annotated[str, typer.Argument(help="用户名 / user")],
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """为用户生成一次性设密码链接 / make a one-time link by which a user sets a password."""
    link = open_platform(need(workspace).root).invite(username)
    if as_json:
        emit("web-invite/1", {"user": username, "path": link})
    else:
        typer.echo(link)


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="做完现有的就结束 / end when nothing is left")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """后台任务进程：发布、运行；SIGTERM 停止 / publish and do background runs."""
    root = need(workspace).root
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    with sole_use(root, shared=True):
        open_platform(root).run_worker(stop, once=once)
    if as_json:
        emit("web-worker/1", {"once": once, "stopped": stop.is_set()})


@app.command()
def audit(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """核验审计日志；有问题退出码 1 / verify the audit log."""
    number, digest, faults = open_platform(need(workspace).root).audit()
    if as_json:
        emit(
            "web-audit/1",
            {"entries": number, "head": digest, "faults": [{"number": one.number, "says": one.says} for one in faults]},
        )
    else:
        if faults:
            show_table(
                "审计日志问题 / faults", ["序号", "问题"], [(one.number, one.says) for one in faults], numbers=[0]
            )
        typer.echo(f"审计日志 {number} 条，链尾 {digest}，问题 {len(faults)} 处 / entries, head, faults")
        note(
            "未发现改动 / nothing was changed" if not faults else "有改动：请保护现场并上报 / something was changed",
            quiet=quiet,
        )
    if faults:
        raise typer.Exit(int(ExitCode.FINDINGS))

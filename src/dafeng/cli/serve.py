"""`dafeng serve`: the platform on one machine, from nothing to the first page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from dafeng.cli.output import Json, Quiet, WorkspaceOption, emit, near, note, progress
from dafeng.cli.places import find
from dafeng.lake import Workspace
from dafeng.reports import find_fonts
from dafeng.web.serving import ServeOptions, listen, open_platform
from dafeng.web.serving import serve as serve_platform
from dafeng.workflow.demonstration import DEMO_PLAN, run_demo

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
_DEMO_FOLDER: Final = Path("dafeng-platform")


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="端口，0 由系统选 / port")] = 8000,
    host: Annotated[str, typer.Option(help="监听地址 / address to listen on")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="页面进程数 / processes")] = 2,
    threads: Annotated[int, typer.Option(min=1, max=64, help="每进程线程数 / threads of each")] = 4,
    worker: Annotated[bool, typer.Option(help="同时运行后台任务进程 / run the background worker too")] = True,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """打开平台；没有工作区时先建示范市 / open the platform, on the demonstration city where there is no workspace."""
    sock = listen(host, port)  # first: a port that is taken is said before anything is made
    try:
        root, made = _folder(workspace, quiet=quiet or as_json)
        commands = open_platform(root)
        with progress(quiet=quiet or as_json) as listener:
            listener("数据库 / database", 0, None)
            applied = commands.migrate()
        people = commands.make_demo_people() if Workspace.open(root).settings.plan == DEMO_PLAN else []
        link = commands.first_link()
    except BaseException:
        sock.close()
        raise
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{sock.getsockname()[1]}"
    document = {
        "url": address + "/",
        "workspace": str(root),
        "administrator": None if link is None else address + link,
        "people": people,
        "migrations": applied,
        "pid": os.getpid(),
    }

    def ready() -> None:
        if as_json:
            emit("serve/1", document)
            return
        typer.echo(f"平台 / platform：{document['url']}")
        if link is not None:
            typer.echo(
                f"首位管理员一次性链接（设置密码，只显示这一次） / one-time link of the first administrator：{document['administrator']}"
            )
        for person in people:
            typer.echo(f"示范账号 / demonstration：{'  '.join(str(value) for value in person.values())}")
        note(
            f"工作区 / workspace：{near(root)}{'（示范数据，均为虚构 / fictional）' if made else ''}；Ctrl+C 停止 / stops",
            quiet=quiet,
        )
        if host not in ("127.0.0.1", "::1", "localhost") and os.environ.get("DAFENG_HTTPS") != "1":
            note(
                "! 未启用 HTTPS：请置于 HTTPS 反向代理之后并设 DAFENG_HTTPS=1 / put it behind an HTTPS proxy",
                quiet=quiet,
            )

    serve_platform(
        root,
        sock,
        ServeOptions(host=host, port=port, workers=workers, threads=threads, background=worker, quiet=quiet),
        ready=ready,
        told=lambda text: note(f"! {text}"),
    )


def _folder(workspace: Path | None, *, quiet: bool) -> tuple[Path, bool]:
    """Return the workspace folder that is served, and whether the demonstration was made in it."""
    if workspace is None or (workspace / "dafeng.toml").exists():
        found = find(workspace)
        if found is not None:
            return found.root, False
    folder = (workspace or _DEMO_FOLDER).absolute()
    if (folder / "dafeng.toml").exists() and (folder / "web.sqlite3").exists():
        return folder, False
    note(f"没有工作区，先建示范市 / no workspace: the demonstration city is made in {near(folder)}", quiet=quiet)
    with progress(quiet=quiet) as listener:
        run_demo(folder, fonts=find_fonts(os.environ), papers=False, listener=listener)
    return folder, True

"""`dafeng web check | reminders`."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Annotated

import typer

from dafeng.base.errors import ExitCode, InputError
from dafeng.cli.output import Json, Quiet, WorkspaceOption, emit, note, show_table
from dafeng.cli.places import need
from dafeng.web.serving import open_platform

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_WORDS = {"pass": "✓ 符合", "fail": "✗ 不符合", "unknown": "? 需人工核实"}


@app.command()
def check(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """等保自查：平台自己能证明的控制点；有不符合退出码 1 / self-check of controls that the platform can prove."""
    controls = open_platform(need(workspace).root).check()
    if as_json:
        emit("web-check/1", {"controls": controls})
    else:
        show_table(
            "等保自查（GB/T 22239-2019 第三级条款号） / self-check",
            ["条款", "控制点", "结果", "依据", "怎么办"],
            [(one["clause"], one["title"], _WORDS[one["result"]], one["says"], one["then"]) for one in controls],
        )
        note("只覆盖平台本身；机房、网络、管理制度另行测评 / the platform alone", quiet=quiet)
    if any(one["result"] == "fail" for one in controls):
        raise typer.Exit(int(ExitCode.FINDINGS))


@app.command()
def reminders(
    to: Annotated[
        str | None,
        typer.Option(help="交给这个命令，每人一行 JSON 从标准输入 / a command that takes a line of JSON a person"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """各人到期和逾期的事项 / what is due or overdue, by person."""
    people = open_platform(need(workspace).root).reminders()
    if to is not None:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in people)
        done = subprocess.run(shlex.split(to), input=lines.encode(), check=False)
        if done.returncode:
            raise InputError(
                f"命令失败 / the command failed: {done.returncode}",
                doing=f"hand reminders to {to}",
                expected="退出码 0 / exit code 0",
                next_step="看命令的输出，改后重跑 / mend the command and run again",
            )
    if as_json:
        emit("web-reminders/1", {"people": people})
    elif to is None:
        rows = [(one["name"], item["due"], item["kind"], item["title"]) for one in people for item in one["items"]]
        show_table("提醒 / reminders", ["人员", "期限", "类别", "事项"], rows)
    else:
        note(f"已交给命令：{len(people)} 人 / handed over", quiet=quiet)

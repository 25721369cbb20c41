"""The command line: verbs on nouns, results on standard output, everything else on standard error.

Command modules are loaded by name when they are called, so that one command never loads what another needs.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from dafeng import __version__
from dafeng.base.errors import DafengError, ExitCode
from dafeng.cli.output import note, show_error

__all__ = ["COMMANDS", "command", "main"]

COMMANDS: Final[dict[str, str]] = {
    "init": "新建工作区 / make a workspace",
    "demo": "跑通示范市 / run the demonstration city from end to end",
    "plan": "方案：列表、查看、与上级比较 / plans",
    "data": "数据：导入、导出、查看 / data",
    "assess": "各目标现状与前景 / where every target stands",
    "report": "责任分工表与年度报告 / responsibility list and yearly report",
    "catalog": "目录：检查、指标、地方 / catalog",
    "doctor": "检查安装与工作区 / check the installation",
}
"""Commands and their one-line help; the module of each has the same name."""


class LazyGroup(TyperGroup):
    """A group that loads a command's module only when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the chain."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, loading its module."""
        if cmd_name not in COMMANDS:
            return None
        found = typer.main.get_command(importlib.import_module(f"dafeng.cli.{cmd_name}").app)
        found.name = cmd_name
        found.short_help = COMMANDS[cmd_name]
        return found

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without loading any."""
        with formatter.section("命令 / Commands"):
            formatter.write_dl(list(COMMANDS.items()))


_app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@_app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="显示版本 / show the version"),
) -> None:
    """达峰 dafeng：城乡建设领域碳达峰方案的目标、数据、前景与报告 / carbon-peaking plans of 城乡建设."""
    if version:
        typer.echo(f"dafeng {__version__}")
        raise typer.Exit


def command() -> Any:
    """Return the whole command line as a click command."""
    return typer.main.get_command(_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with an exit code of the table in `dafeng.base.errors`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(int(_run(words)))


def _run(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        result = command().main(args=words, prog_name="dafeng", standalone_mode=False)
        return int(result) if isinstance(result, int) else int(ExitCode.DONE)
    except DafengError as error:
        show_error(error, as_json=as_json)
        return int(error.exit_code)
    except typer.Abort:
        note("已中断 / interrupted")
        return int(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        note("已中断 / interrupted")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - nobody reads any more
        return int(ExitCode.DONE)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):
            error.show()
            return int(ExitCode.USAGE)
        if os.environ.get("DAFENG_DEBUG"):
            raise
        problem = DafengError(
            f"{type(error).__name__}: {error}",
            doing=f"dafeng {' '.join(words)}",
            expected="dafeng 自身的缺陷 / a defect of dafeng itself",
            next_step="设 DAFENG_DEBUG=1 重跑并附上输出报告问题 / run again with DAFENG_DEBUG=1 and report what it prints",
        )
        show_error(problem, as_json=as_json)
        return int(ExitCode.DEFECT)

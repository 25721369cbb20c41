"""The command line: verbs on nouns, results on standard output, everything else on standard error.

Command modules are loaded by name when they are called, so that one command never loads what another needs.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import typer
from typer.core import TyperGroup

from dafeng import __version__
from dafeng.base.errors import DafengError, ExitCode, InputError, UsageError
from dafeng.cli.lazy import load_module
from dafeng.cli.output import note, show_error

__all__ = ["COMMANDS", "command", "main"]

COMMANDS: Final[dict[str, str]] = {
    "init": "新建工作区 / make a workspace",
    "demo": "跑通示范市 / run the demonstration city from end to end",
    "plan": "方案：列表、查看、与上级比较 / plans",
    "data": "数据：导入、导出、查看、核查、报表 / data",
    "map": "地图：路网、绿地、服务半径 / indicators from maps",
    "ledger": "台账：填报簿、导入、查看、同一对象、汇总 / ledgers",
    "meter": "计量：读数、质量、汇总、定额、上报 / metering",
    "gateway": "网关：上线、接收、状态、解码 / gateways of meters",
    "project": "项目：义务核查、项目总表、评价 / projects",
    "assess": "各目标现状与前景 / where every target stands",
    "checkup": "城市体检与专项指标评价 / check-ups by sets of indicators",
    "carbon": "碳核算：核算、因子、解释、重述 / carbon accounts",
    "peak": "是否达峰 / whether a series has peaked",
    "path": "达峰情景：测算、比较、抽样、措施贡献、校准、导出 / pathways to the peak",
    "report": "责任分工表与年度报告 / responsibility list and yearly report",
    "serve": "打开平台 / open the platform in the browser",
    "web": "平台运维：数据库、管理员、审计、备份、自查 / operate the platform",
    "catalog": "目录：检查、指标、地方 / catalog",
    "doctor": "检查安装与工作区 / check the installation",
}
"""Commands and their one-line help; the module of each has the same name."""


class LazyGroup(TyperGroup):
    """The group of all commands; it loads a command's module only when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the chain."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, loading its module."""
        if cmd_name not in COMMANDS:
            return None
        module = load_module(cmd_name, doing=f"dafeng {cmd_name}")
        found = typer.main.get_command(module.app)
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


class _DefectError(DafengError):
    """A defect of dafeng itself."""

    exit_code = ExitCode.DEFECT


def command() -> Any:
    """Return the whole command line as a click command."""
    return typer.main.get_command(_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with an exit code of the table in `dafeng.base.errors`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Chinese is no reason to fail
    sys.exit(int(_run(words)))


def _run(words: list[str]) -> int:
    try:
        result = command().main(args=words, prog_name="dafeng", standalone_mode=False)
        sys.stdout.flush()
        code = int(result) if isinstance(result, int) else int(ExitCode.DONE)
    except (typer.Abort, KeyboardInterrupt):
        code = int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return _close_output()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # how the libraries leave then
            return _close_output()
        raise
    except Exception as error:
        return _failed(error, words)
    if code == ExitCode.INTERRUPTED:
        note("已中断 / interrupted")
    return code


def _failed(error: Exception, words: list[str]) -> int:
    """Show what went wrong, in four parts, and return the exit code."""
    if os.environ.get("DAFENG_DEBUG") and not isinstance(error, DafengError):
        traceback.print_exception(error)
    as_json = "--json" in words
    code: int
    if isinstance(error, DafengError):
        problem, code = error, int(error.exit_code)
    elif hasattr(error, "exit_code") and hasattr(error, "show"):  # the parser's own: it shows how the command is used
        code = int(ExitCode.USAGE)
        if not as_json:
            error.show()
            return code
        context = getattr(error, "ctx", None)
        problem = UsageError(
            error.format_message() if hasattr(error, "format_message") else str(error),
            doing="read the command line",
            next_step=f"{'dafeng' if context is None else context.command_path} --help",
        )
    elif isinstance(error, UnicodeEncodeError):
        problem, code = _of_name(error, words), int(ExitCode.BAD_INPUT)
    elif isinstance(error, OSError):
        problem, code = _of_system(error, words), int(ExitCode.BAD_INPUT)
    else:
        code = int(ExitCode.DEFECT)
        problem = _DefectError(
            f"{type(error).__name__}: {error}",
            doing=f"dafeng {' '.join(words)}",
            expected="dafeng 自身的缺陷 / a defect of dafeng itself",
            next_step="设 DAFENG_DEBUG=1 重跑并附上输出报告问题 / run again with DAFENG_DEBUG=1 and report what it prints",
        )
    try:
        show_error(problem, as_json=as_json)
        sys.stdout.flush()
    except OSError:  # standard output itself cannot be written
        _close_output()
        show_error(problem, as_json=False)
    return code


def _of_name(error: UnicodeEncodeError, words: list[str]) -> InputError:
    return InputError(
        f"{error.object!r} 不是 UTF-8 文字 / is no UTF-8 text",
        doing=f"dafeng {' '.join(words)}",
        expected="文件名是 UTF-8 / a file name in UTF-8",
        next_step="改文件名后重新运行；由压缩包解出的，用能识别 UTF-8 文件名的软件解压 / rename the file and run again",
    )


def _of_system(error: OSError, words: list[str]) -> InputError:
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return InputError(
        "：".join([*names[-1:], error.strerror or str(error)]),
        doing=f"dafeng {' '.join(words)}",
        expected="文件和文件夹存在、可读写，磁盘有空间 / files and folders that can be read and written, and room for them",
        next_step="按上述原因处理后重新运行 / mend the cause and run again",
    )


def _close_output() -> int:
    """Turn standard output away: nobody reads it any more, or it cannot be written."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return int(ExitCode.DONE)

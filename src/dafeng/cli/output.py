"""What commands share: options, tables, JSON, progress, and how an error is shown."""

from __future__ import annotations

import json
import os
import re
import sys
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dafeng.base.errors import DafengError, ExitCode, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.listener import Listener, silent

__all__ = [
    "AsOf",
    "FailOn",
    "Json",
    "KnownAt",
    "Out",
    "Quiet",
    "WorkspaceOption",
    "as_day",
    "clock",
    "emit",
    "known_day",
    "near",
    "note",
    "progress",
    "show_error",
    "show_findings",
    "show_table",
    "stop_on",
]

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace", "-w", envvar="DAFENG_WORKSPACE", help="工作区文件夹 / workspace folder", show_envvar=True
    ),
]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON（带版本） / versioned JSON on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="只输出结果 / results only")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="判断日，默认今天 / day of judgement YYYY-MM-DD, today by default")
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", help="按此日已入库的数据，默认同判断日；all 为全部 / facts recorded by this day"),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="输出文件夹或文件 / folder or file to write")]
FailOn = Annotated[
    Severity | None,
    typer.Option("--fail-on", help="发现达到此级别时退出码为 1 / exit with 1 on findings of this weight"),
]

_PIPED_WIDTH: Final = 140
_results: Final = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
_messages: Final = Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH)
_MARKS: Final = {Severity.ERROR: "✗ 错误", Severity.WARNING: "! 注意", Severity.INFO: "· 提示"}
_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def clock() -> datetime:
    """Return the present moment, UTC: the one place where dafeng reads the clock.

    SOURCE_DATE_EPOCH, where set, is taken instead, so that a run can be repeated byte for byte.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {epoch!r}",
            doing="read the clock",
            expected="whole seconds since 1970",
            next_step="mend or unset SOURCE_DATE_EPOCH",
        ) from error


def as_day(text: str | None, *, option: str = "--as-of") -> date:
    """Return the day that an option names: today where none is given; a month means its last day."""
    if text is None:
        return clock().date()
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            year, month = int(text[:4]), int(text[5:])
            return date(year, month, monthrange(year, month)[1])
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # a thirteenth month, a thirtieth of February
    raise UsageError(
        f"{option} {text!r} 不是日期 / is no day",
        doing="read the options",
        expected="2026-11-20, or 2026-11 for the last day of the month",
        next_step="mend the date",
    )


def known_day(text: str | None, day: date) -> date | None:
    """Return up to which day recorded facts count: that of ``--known-at``, the day of judgement, or None for all."""
    if text == "all":
        return None
    return day if text is None else as_day(text, option="--known-at")


def emit(schema: str, data: Any) -> None:
    """Write a versioned JSON document to standard output."""
    document = {"schema": f"dafeng.{schema}", **data}
    ascii_only = "utf" not in (sys.stdout.encoding or "utf-8").lower()
    typer.echo(json.dumps(document, ensure_ascii=ascii_only, indent=2, default=str))


def note(text: str, *, quiet: bool = False) -> None:
    """Say something to the person at the terminal, on standard error."""
    if not quiet:
        _messages.print(text, highlight=False, soft_wrap=True)


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()
) -> None:
    """Print a table to standard output; `numbers` are the columns set to the right."""
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    _results.print(table)


def show_findings(findings: Sequence[Finding], *, quiet: bool = False, most: int = 40) -> None:
    """Print findings to standard error, heaviest first, never more than `most` one by one; the rest is counted."""
    if quiet:
        return
    ordered = sorted(findings, key=lambda finding: -finding.severity.rank)
    for finding in ordered[:most]:
        where = f" {finding.where}" if str(finding.where) else ""
        text = f"[{_STYLES[finding.severity]}]{_MARKS[finding.severity]}[/] {escape(finding.name + where)}"
        text += f"\n    {escape(finding.sentence)}"
        if finding.value:
            text += f" 〔{escape(finding.value)}〕"
        if finding.expected:
            text += f"；应为：{escape(finding.expected)}"
        if finding.next_step:
            text += f"；下一步：{escape(finding.next_step)}"
        _messages.print(text, highlight=False, soft_wrap=True)
    if len(ordered) > most:
        _messages.print(f"… 另有 {len(ordered) - most} 条，用 --json 查看 / and {len(ordered) - most} more, see --json")


def near(path: Path) -> str:
    """Return a path as seen from the current folder where it lies below it, else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def stop_on(findings: Iterable[Finding], fail_on: Severity | None) -> None:
    """Leave with exit code 1 where a finding is at least as heavy as `fail_on`."""
    if fail_on is not None and any(finding.severity.rank >= fail_on.rank for finding in findings):
        raise typer.Exit(int(ExitCode.FINDINGS))


def show_error(error: DafengError, *, as_json: bool) -> None:
    """Show an error in its four parts, in both languages, or as JSON."""
    if as_json:
        parts = {name: getattr(error, name) for name in ("code", "doing", "problem", "expected", "next_step")}
        emit("error/1", {**parts, "exit_code": int(error.exit_code), "evidence": error.evidence})
        return
    labels = {
        "doing": "进行 / doing",
        "problem": "问题 / problem",
        "expected": "应为 / expected",
        "next_step": "下一步 / next",
    }
    lines = [f"[red]✗ 出错 / error[/] {escape('[' + error.code + ']')}"]
    lines += [f"  {label}：{escape(getattr(error, name))}" for name, label in labels.items() if getattr(error, name)]
    _messages.print("\n".join(lines), highlight=False, soft_wrap=True)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Listener]:
    """Yield a listener that draws bars on a terminal, and prints a line at each new step elsewhere."""
    if quiet:
        yield silent
    elif _messages.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_messages, transient=True) as bars:
            tasks: dict[str, Any] = {}

            def draw(step: str, done: int, total: int | None) -> None:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=total)
                bars.update(tasks[step], completed=done, total=total)

            yield draw
    else:
        seen: set[str] = set()

        def say(step: str, done: int, total: int | None) -> None:
            if step not in seen:
                seen.add(step)
                _messages.print(f"… {step}", highlight=False, soft_wrap=True)

        yield say

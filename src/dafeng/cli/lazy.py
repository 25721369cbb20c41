"""Groups whose commands live in several modules, loaded only when called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import typer
from typer.core import TyperGroup

from dafeng.base.errors import UsageError

__all__ = ["group_with", "load_module"]

_EXTRAS: Final = {
    "geopandas": "maps",
    "pyogrio": "maps",
    "pyproj": "maps",
    "shapely": "maps",
    "pyspark": "spark",
    "paho": "mqtt",
    "pymodbus": "modbus",
}
"""Package to the extra that brings it."""


def load_module(name: str, *, doing: str) -> ModuleType:
    """Return a module of commands.

    Parameters
    ----------
    name : str
        Of `dafeng.cli`.
    doing : str
        What the user called, for the message.

    Raises
    ------
    UsageError
        A package that an extra brings is not installed.
    """
    try:
        return importlib.import_module(f"dafeng.cli.{name}")
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise UsageError(
            f"{error.name} 没有安装 / is not installed",
            doing=doing,
            expected=f"可选组件 {extra} / the extra {extra}",
            next_step=f"pip install 'dafeng[{extra}]'",
        ) from error


def group_with(elsewhere: Mapping[str, str]) -> type[TyperGroup]:
    """Return a class of groups that take further commands from other modules.

    Parameters
    ----------
    elsewhere : mapping from command to module of `dafeng.cli`
        The module's own group has a command of that name; its libraries are not loaded for the others.
    """

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *elsewhere]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in elsewhere:
                return super().get_command(ctx, cmd_name)
            found: Any = typer.main.get_command(
                load_module(elsewhere[cmd_name], doing=ctx.command_path + f" {cmd_name}").app
            )
            return found.get_command(ctx, cmd_name) if isinstance(found, TyperGroup) else found

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            """List the commands, also those whose extra is not installed."""
            names = self.list_commands(ctx)
            limit = formatter.width - 6 - max(map(len, names))
            rows = []
            for name in names:
                try:
                    found = self.get_command(ctx, name)
                except UsageError as error:
                    rows.append((name, f"{error.problem}：{error.next_step}"))
                    continue
                if found is not None and not found.hidden:
                    rows.append((name, found.get_short_help_str(limit)))
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    return Group

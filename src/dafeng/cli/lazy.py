"""Groups whose commands live in several modules, loaded only when called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["group_with"]


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
            found: Any = typer.main.get_command(importlib.import_module(f"dafeng.cli.{elsewhere[cmd_name]}").app)
            return found.get_command(ctx, cmd_name) if isinstance(found, TyperGroup) else found

    return Group

"""How commands find the workspace and the catalog."""

from __future__ import annotations

import os
from pathlib import Path

from dafeng.base.errors import NoWorkspaceError
from dafeng.cli.output import note
from dafeng.lake import Workspace, find_workspace
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["find", "need", "place_ids", "said_setting", "setting"]


def find(workspace: Path | None) -> Workspace | None:
    """Return the workspace that applies here, None where there is none."""
    return find_workspace(workspace, os.environ, Path.cwd())


def need(workspace: Path | None) -> Workspace:
    """Return the workspace that applies here.

    Raises
    ------
    NoWorkspaceError
        There is none.
    """
    found = find(workspace)
    if found is None:
        raise NoWorkspaceError(
            "这里和上级文件夹都没有 dafeng.toml / no dafeng.toml here or above",
            doing="find the workspace",
            expected="a workspace folder",
            next_step="dafeng init 文件夹 --place qingdao，或用 --workspace 指定",
        )
    return found


def setting(workspace: Path | None) -> Setting:
    """Return catalog and, where there is one, workspace."""
    return open_setting(find(workspace))


def said_setting(workspace: Path | None, *, quiet: bool) -> Setting:
    """Return catalog and workspace, and say where the shipped catalog alone answers."""
    here = setting(workspace)
    if here.workspace is None:
        note("没有工作区，依据内置目录 / no workspace: from the shipped catalog", quiet=quiet)
    return here


def place_ids(here: Setting, names: list[str] | None) -> list[str] | None:
    """Return the ids of places given by slug, code or name; None where none is given."""
    return None if names is None else [here.catalog.places.resolve(name).id for name in names]

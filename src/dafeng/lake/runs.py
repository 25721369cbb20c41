"""Runs: frozen results under ``runs/<id>/``, written whole and never changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from dafeng.base.errors import LakeError
from dafeng.base.record import Record
from dafeng.lake.durable import sync_folder, write_whole
from dafeng.lake.workspace import Workspace

__all__ = ["Run", "find_runs", "save_run"]

MANIFEST: Final = "manifest.json"
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Run(Record):
    """One saved run."""

    id: str
    """Name of its folder."""
    folder: Path
    """Where it lies."""
    manifest: dict[str, Any]
    """What went into it: inputs, catalog, code, font and seed."""


def _manifest_bytes(run_id: str, manifest: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
        return (text + "\n").encode()
    except (TypeError, ValueError) as error:
        raise LakeError(
            f"the manifest is not plain JSON: {error}",
            doing=f"save run {run_id}",
            expected="texts, finite numbers, lists and mappings",
            next_step="turn dates, paths and records into texts first",
        ) from error


def _check_name(run_id: str, name: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or str(path) != name or name == MANIFEST or "\0" in name:
        raise LakeError(
            f"file name {name!r} cannot be used in a run",
            doing=f"save run {run_id}",
            expected=f"a relative path with /, without .., other than {MANIFEST}",
            next_step="rename the file",
        )


def _stored_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def save_run(workspace: Workspace, run_id: str, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Save a run whole: its folder appears with everything in it, or not at all.

    Parameters
    ----------
    workspace : Workspace
    run_id : str
        Letters, digits, ``.``, ``_`` and ``-``.
    manifest : mapping
        Plain JSON; stored with sorted keys, so that equal manifests give equal bytes.
    files : mapping of str to bytes
        Contents by relative path.

    Returns
    -------
    Path
        The folder of the run.

    Raises
    ------
    LakeError
        A name cannot be used, or another run of this id is there; a run that is equal to the byte is taken as done.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     workspace = Workspace.create(Path(folder) / "w", title="试")
    ...     path = save_run(workspace, "october-2026", {"seed": 7}, {"report.html": b"<p>"})
    ...     sorted(file.name for file in path.iterdir()), find_runs(workspace)[0].manifest
    (['manifest.json', 'report.html'], {'seed': 7})
    """
    if not _RUN_ID.fullmatch(run_id):
        raise LakeError(
            f"run id {run_id!r} cannot name a folder",
            doing="save a run",
            expected="up to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            next_step="choose another id",
        )
    for name in files:
        _check_name(run_id, name)
    contents = {MANIFEST: _manifest_bytes(run_id, manifest), **files}
    target = workspace.runs / run_id
    if not target.exists():
        workspace.runs.mkdir(parents=True, exist_ok=True)
        passing = Path(tempfile.mkdtemp(dir=workspace.runs, prefix=".new-"))
        try:
            for name, data in contents.items():
                (passing / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(passing / name, data)
            for folder in passing.rglob("*"):
                if folder.is_dir():
                    sync_folder(folder)
            passing.chmod(0o755)
            sync_folder(passing)
            os.rename(passing, target)
            sync_folder(workspace.runs)
        except OSError as error:
            if not target.exists():  # else another process was first: compare below
                raise LakeError(
                    f"the run could not be written: {error}",
                    doing=f"save run {run_id}",
                    expected="a folder that can be written, with room on the disk",
                    next_step=f"look at {workspace.runs}, then save again",
                ) from error
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    stored = _stored_files(target)
    differing = sorted(name for name in stored.keys() | contents.keys() if stored.get(name) != contents.get(name))
    if differing:
        raise LakeError(
            f"another run of this id is there; these files differ: {', '.join(differing[:5])}",
            doing=f"save run {run_id}",
            expected="a new id, or contents equal to the byte",
            next_step="save under another id; a saved run is never changed",
        )
    return target


def find_runs(workspace: Workspace) -> list[Run]:
    """Return the saved runs, in order of their ids.

    Raises
    ------
    LakeError
        A manifest is missing or is no JSON.
    """
    if not workspace.runs.is_dir():
        return []
    runs = []
    for folder in sorted(workspace.runs.iterdir()):
        if not folder.is_dir() or not _RUN_ID.fullmatch(folder.name):
            continue
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            if not isinstance(manifest, dict):
                raise ValueError("it is no mapping")
        except (OSError, ValueError) as error:
            raise LakeError(
                f"the manifest of run {folder.name} cannot be read: {error}",
                doing="list the runs",
                expected=f"a JSON mapping in {MANIFEST}",
                next_step=f"restore or remove the folder {folder}",
            ) from error
        runs.append(Run(id=folder.name, folder=folder, manifest=manifest))
    return runs

"""The workspace: a folder that holds everything one user of dafeng owns.

::

    dafeng.toml            title, default place and plan, version of this layout
    catalog/               own plans, places and bodies, laid over the shipped catalog
    documents/<sha256>     originals, by the hash of their bytes
    lake/                  all facts
    runs/<id>/             manifests and frozen results
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from pydantic import Field, ValidationError

from dafeng.base.errors import ContentError, LakeError, NoWorkspaceError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.record import Record
from dafeng.catalog import check_folders
from dafeng.lake.durable import check_path, hash_file, new_file, sync_folder, write_whole

__all__ = ["Workspace", "WorkspaceSettings", "find_workspace"]

FORMAT: Final = 1
SETTINGS_FILE: Final = "dafeng.toml"
ENVIRONMENT_NAME: Final = "DAFENG_WORKSPACE"
_CHUNK: Final = 1 << 20


class WorkspaceSettings(Record):
    """What dafeng.toml says."""

    format: int = Field(ge=1)
    """Version of the folder's layout."""
    title: str
    """Title shown on reports and pages."""
    place: str | None = None
    """Place that commands mean where none is named."""
    plan: str | None = None
    """Plan that commands mean where none is named."""


def _toml_text(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _settings_bytes(settings: WorkspaceSettings) -> bytes:
    lines = ["# dafeng 工作区 / workspace", f"format = {settings.format}", f"title = {_toml_text(settings.title)}"]
    lines += [
        f"{name} = {_toml_text(value)}"
        for name, value in (("place", settings.place), ("plan", settings.plan))
        if value is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def _read_settings(path: Path) -> WorkspaceSettings:
    doing = f"open the workspace {path.parent}"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContentError(
            f"{SETTINGS_FILE} cannot be read: {error}",
            doing=doing,
            expected="a TOML file in UTF-8",
            next_step="mend the file, or make a new workspace with `dafeng init`",
        ) from error
    version = raw.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ContentError(
            f"the workspace has format {version}",
            doing=doing,
            expected=f"format {FORMAT} or older",
            next_step="use a newer dafeng",
        )
    try:
        return WorkspaceSettings.model_validate(raw, strict=True)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ContentError(
            f"{SETTINGS_FILE} is faulty: {faults}",
            doing=doing,
            expected=f"format = {FORMAT}, title, and optionally place and plan",
            next_step=f"mend {path}",
        ) from error


class Workspace:
    """An open workspace folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     workspace = Workspace.create(Path(folder) / "qingdao", title="青岛", place="qingdao")
    ...     sorted(path.name for path in workspace.root.iterdir()), Workspace.open(workspace.root).settings.title
    (['catalog', 'dafeng.toml', 'documents', 'lake', 'runs'], '青岛')
    """

    def __init__(self, root: Path, settings: WorkspaceSettings) -> None:
        self.root = root
        self.settings = settings

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def catalog_folder(self) -> Path:
        """Own content, laid over the shipped catalog."""
        return self.root / "catalog"

    @property
    def documents(self) -> Path:
        """Original documents by hash."""
        return self.root / "documents"

    @property
    def lake(self) -> Path:
        """All facts."""
        return self.root / "lake"

    @property
    def runs(self) -> Path:
        """Saved runs."""
        return self.root / "runs"

    @classmethod
    def create(cls, root: Path, *, title: str, place: str | None = None, plan: str | None = None) -> Self:
        """Make a workspace in the folder `root`, which may exist but may not be one already.

        Raises
        ------
        ContentError
            The folder is a workspace already, or cannot be made.
        LakeError
            Facts could not be kept under that path.
        """
        root = root.absolute()
        check_path(root)
        doing = f"make a workspace in {root}"
        if (root / SETTINGS_FILE).exists():
            raise ContentError(
                f"{root} is a workspace already",
                doing=doing,
                expected="a folder without dafeng.toml",
                next_step="use it as it is, or choose another folder",
            )
        settings = WorkspaceSettings(format=FORMAT, title=title, place=place, plan=plan)
        workspace = cls(root, settings)
        try:
            for folder in (workspace.catalog_folder, workspace.documents, workspace.lake, workspace.runs):
                folder.mkdir(parents=True, exist_ok=True)
            write_whole(root / SETTINGS_FILE, _settings_bytes(settings))  # last: it makes the folder a workspace
            sync_folder(root.parent)
        except (OSError, UnicodeEncodeError) as error:
            raise ContentError(
                f"the folder cannot be written: {error}",
                doing=doing,
                expected="a folder in which you may write",
                next_step="choose another folder, or mend its permissions",
            ) from error
        return workspace

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the workspace `root`.

        Raises
        ------
        NoWorkspaceError
            There is no dafeng.toml.
        ContentError
            dafeng.toml is faulty, or of a newer format.
        """
        root = root.absolute()
        if not (root / SETTINGS_FILE).is_file():
            raise NoWorkspaceError(
                f"{root} has no {SETTINGS_FILE}",
                doing="open a workspace",
                expected="a folder made by `dafeng init`",
                next_step=f"run `dafeng init {root}`, or name another folder",
            )
        return cls(root, _read_settings(root / SETTINGS_FILE))

    def put_document(self, source: Path | bytes) -> str:
        """Keep an original document, and return the SHA-256 of its bytes; the same document twice is kept once.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     workspace = Workspace.create(Path(folder) / "w", title="试")
        ...     key = workspace.put_document("方案".encode())
        ...     key == workspace.put_document("方案".encode()), workspace.document(key).read_text()
        (True, '方案')
        """
        digest = sha256()
        try:
            with new_file(self.documents) as (stream, passing):
                for chunk in _chunks(source):
                    digest.update(chunk)
                    stream.write(chunk)
                stream.flush()
                key = digest.hexdigest()
                target = self.documents / key
                if not (target.is_file() and hash_file(target) == key):
                    os.fsync(stream.fileno())
                    passing.chmod(0o444)
                    passing.replace(target)
            sync_folder(self.documents)
        except OSError as error:
            raise LakeError(
                f"the document cannot be kept: {error}",
                doing="keep a document" if isinstance(source, bytes) else f"keep the document {source}",
                expected="a readable file and room on the disk",
                next_step="mend the cause and do it again",
            ) from error
        return key

    def put_catalog(self, source: Path) -> int:
        """Copy the YAML files of a catalog folder into the workspace's own; return how many there are.

        Files of the same name are replaced, each in one step.
        """
        paths = sorted(source.rglob("*.yaml"))
        for path in paths:
            target = self.catalog_folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, path.read_bytes())
        return len(paths)

    def put_catalog_files(self, files: Mapping[str, str]) -> list[Finding]:
        """Write files of the workspace's catalog, but only where the catalog holds with them.

        Parameters
        ----------
        files : mapping from path below the catalog folder to YAML text
            Files of the same name are replaced, each in one step.

        Returns
        -------
        list of Finding
            Faults that the new files would bring; nothing is written where there is one.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     workspace = Workspace.create(Path(folder) / "w", title="试")
        ...     faults = workspace.put_catalog_files({"links/a.yaml": "links: [{id: a}]"})
        ...     bool(faults), (workspace.catalog_folder / "links/a.yaml").exists()
        (True, False)
        """
        with tempfile.TemporaryDirectory(dir=self.root, prefix=".trial-") as trial:
            if self.catalog_folder.is_dir():
                shutil.copytree(self.catalog_folder, trial, dirs_exist_ok=True)
            for name, text in files.items():
                path = Path(trial) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            faults = [fault for fault in check_folders([Path(trial)])[1] if trial in fault.where.file]
            if any(fault.severity is Severity.ERROR for fault in faults):
                return [
                    fault.model_copy(
                        update={"where": fault.where.model_copy(update={"file": Path(fault.where.file).name})}
                    )
                    for fault in faults
                ]
        for name, text in files.items():
            target = self.catalog_folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, text.encode())
        return []

    def remove_catalog_file(self, name: str) -> None:
        """Remove a file of the workspace's catalog, for good when this returns.

        Raises
        ------
        LakeError
            It cannot be removed.
        """
        target = self.catalog_folder / name
        try:
            target.unlink()
            sync_folder(target.parent)
        except OSError as error:
            raise LakeError(
                f"{target} cannot be removed: {error.strerror}",
                doing="remove a file of the workspace's catalog",
                expected="a file that may be removed",
                next_step="check the permissions",
            ) from error

    def document(self, key: str) -> Path:
        """Return where the document of SHA-256 `key` lies.

        Raises
        ------
        UnknownNameError
            No such document is kept.
        """
        path = self.documents / key
        if not re.fullmatch(r"[0-9a-f]{64}", key) or not path.is_file():
            raise UnknownNameError(
                f"no document {key!r} is kept",
                doing=f"look up a document of {self.root}",
                expected="the SHA-256 of a kept document, 64 hexadecimal digits",
                next_step="import the document again",
            )
        return path


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def find_workspace(explicit: Path | None, environment: Mapping[str, str], start: Path) -> Workspace | None:
    """Return the workspace that a command means, None where there is none.

    Parameters
    ----------
    explicit : Path or None
        Named by the user; must be a workspace.
    environment : mapping
        Its DAFENG_WORKSPACE, unless empty, must be a workspace.
    start : Path
        Else this folder, or the nearest above it that is a workspace.

    Raises
    ------
    NoWorkspaceError
        The folder that was named is no workspace.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     workspace = Workspace.create(Path(folder), title="试")
    ...     found = find_workspace(None, {}, workspace.documents)
    ...     found is not None and found.root == workspace.root
    True
    """
    named = explicit or (Path(environment[ENVIRONMENT_NAME]) if environment.get(ENVIRONMENT_NAME) else None)
    if named is not None:
        return Workspace.open(named)
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return Workspace.open(folder)
    return None

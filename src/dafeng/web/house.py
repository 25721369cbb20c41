"""The only door from the platform to the library: the open workspace, its results kept by the version of what they rest on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from django.conf import settings
from django.utils import timezone

from dafeng.assessment import Assessment
from dafeng.base.errors import NoWorkspaceError
from dafeng.catalog import Catalog
from dafeng.lake import ObservationLake, Workspace
from dafeng.workflow.assessing import assess
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["House", "house"]

_T = TypeVar("_T")
_KEPT: Final = 256


class House:
    """The workspace as the platform sees it. One for a process; safe for threads.

    Parameters
    ----------
    root : Path or None
        Workspace folder; without one only the shipped catalog is there.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._setting: tuple[Hashable, Setting] | None = None
        self._lake: ObservationLake | None = None
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._turns: dict[Hashable, threading.Lock] = {}

    @property
    def root(self) -> Path:
        """The workspace folder.

        Raises
        ------
        NoWorkspaceError
            There is none.
        """
        if self._root is None:
            raise NoWorkspaceError(
                "the platform has no workspace",
                doing="open the workspace",
                expected="DAFENG_WORKSPACE, or `dafeng serve --workspace`",
                next_step="name a workspace folder",
            )
        return self._root

    @property
    def title(self) -> str:
        """Title of the workspace."""
        workspace = self.setting().workspace
        return "达峰 dafeng" if workspace is None else workspace.settings.title

    @property
    def place(self) -> str:
        """Place of the workspace; the nation where it names none."""
        workspace = self.setting().workspace
        return (workspace.settings.place if workspace else None) or "cn"

    @property
    def catalog(self) -> Catalog:
        """Content of the library with that of the workspace laid over it."""
        return self.setting().catalog

    def setting(self) -> Setting:
        """Return the open workspace; opened anew when its content changed."""
        state = self._content_state()
        held = self._setting
        if held is not None and held[0] == state:
            return held[1]
        with self._lock:
            if self._setting is None or self._setting[0] != state:
                opened = open_setting(None if self._root is None else Workspace.open(self._root))
                self._setting = (state, opened)
            return self._setting[1]

    def _content_state(self) -> Hashable:
        """Return what changes when files of the workspace's own catalog change."""
        if self._root is None:
            return None
        folder = self._root / "catalog"
        stamps = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*.yaml"))]
        toml = self._root / "dafeng.toml"
        return (tuple(stamps), toml.stat().st_mtime_ns if toml.exists() else 0)

    def facts_version(self) -> int:
        """Return the version of the facts; it grows with every batch."""
        if self._root is None:
            return -1
        with self._lock:
            if self._lake is None:
                self._lake = ObservationLake(Workspace.open(self._root).lake)
            return self._lake.version()

    def today(self) -> date:
        """Return the day on which the platform judges."""
        fixed: date | None = settings.DAFENG_TODAY
        return fixed or timezone.localdate()

    def now(self) -> datetime:
        """Return the moment at which something is recorded; aware."""
        return timezone.now()

    def kept(self, name: Hashable, make: Callable[[Setting], _T], *, facts: bool = True) -> _T:
        """Return a result of the library, made once for each state of content and facts and name.

        Parameters
        ----------
        name : hashable
            What the result is, with every argument of it.
        make : callable
            Makes it from the open workspace; called by one thread at a time for a name.
        facts : bool
            Whether it rests on facts; without them it stays when facts are added.
        """
        setting = self.setting()
        key = (name, setting.catalog.digest, self.facts_version() if facts else None)
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                found: _T = self._results[key]
                return found
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._results:
                    found = self._results[key]
                    return found
            made = make(setting)
            with self._lock:
                self._results[key] = made
                self._turns.pop(key, None)
                while len(self._results) > _KEPT:
                    self._results.popitem(last=False)
            return made

    def assessment(self, plan: str, place: str | None = None, *, as_of: date | None = None) -> Assessment:
        """Return a plan judged by the facts of a place as of a day, today by default."""
        day = as_of or self.today()
        return self.kept(
            ("assess", plan, place, day), lambda here: assess(here, plan, place=place, as_of=day, known_at=None)
        )

    def places_below(self, place: str) -> frozenset[str]:
        """Return a place and every place below it, zones included."""
        return self.kept(("below", place), lambda here: frozenset(_below(here.catalog, place)))


def _below(catalog: Catalog, place: str) -> list[str]:
    found = [place]
    for one in found:
        found.extend(child.id for child in catalog.places if child.parent == one)
    return found


@cache
def house() -> House:
    """Return the workspace of this process."""
    return House(settings.DAFENG_WORKSPACE)

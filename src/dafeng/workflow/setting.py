"""The setting of every command: a catalog and, where there is one, a workspace laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dafeng.base.finding import Finding
from dafeng.catalog import Catalog, check_folders, load_catalog
from dafeng.lake import ObservationLake, Workspace

__all__ = ["Setting", "check_content", "open_setting"]


@dataclass(frozen=True)
class Setting:
    """What commands work with.

    Parameters
    ----------
    catalog : Catalog
        The shipped catalog with the workspace's own laid over it.
    workspace : Workspace or None
        None where reading commands answer from the shipped catalog alone.
    """

    catalog: Catalog
    workspace: Workspace | None

    @property
    def lake(self) -> ObservationLake | None:
        """Facts of the workspace, read without those that a decision sets aside; None without a workspace."""
        if self.workspace is None:
            return None
        return ObservationLake(self.workspace.lake, self.catalog.quarantines.values())


def open_setting(workspace: Workspace | None) -> Setting:
    """Load the catalog that applies to a workspace.

    Raises
    ------
    ContentError
        The catalog is faulty.

    Examples
    --------
    >>> open_setting(None).catalog.place_name("qingdao")
    '青岛市'
    """
    return Setting(load_catalog([] if workspace is None else [workspace.catalog_folder]), workspace)


def check_content(workspace: Workspace | None, folders: Sequence[Path] = ()) -> tuple[Catalog, list[Finding]]:
    """Check the shipped catalog with that of a workspace and further folders laid over it; return every fault.

    Examples
    --------
    >>> check_content(None)[1]
    []
    """
    own = [] if workspace is None else [workspace.catalog_folder]
    return check_folders([*own, *folders])

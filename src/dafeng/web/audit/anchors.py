"""Ends of the audit chain that the workspace noted: on the certificates of frozen reports."""

from __future__ import annotations

from dafeng.lake import find_runs
from dafeng.web.audit.services import Anchor
from dafeng.web.house import house

__all__ = ["noted_anchors"]


def noted_anchors() -> list[Anchor]:
    """Return the ends of the chain that certificates of frozen reports carry."""
    workspace = house().setting().workspace
    if workspace is None:
        return []
    found = [run for run in find_runs(workspace) if run.manifest.get("kind") == "october-frozen"]
    return [
        Anchor(int(run.manifest["audit"]["number"]), str(run.manifest["audit"]["digest"]), f"冻结报告 {run.id}")
        for run in found
    ]

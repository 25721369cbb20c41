"""Small workspaces with facts and forms, for tests of the reporting cycle."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.lake import ObservationLake, Workspace
from dafeng.workflow.setting import Setting
from form_builders import shipped

RECORDED = datetime(2026, 3, 1, 8, tzinfo=UTC)
DUE = date(2026, 3, 31)


def setting_at(folder: Path, *, place: str = "qingdao") -> Setting:
    """Return a new workspace with the shipped catalog."""
    workspace = Workspace.create(folder / "w", title="试", place=place, plan="qingdao-2024")
    return Setting(shipped(), workspace)


def facts(rows: Iterable[tuple[Any, ...]], **more: Any) -> pl.DataFrame:
    """Return observations of (indicator, place, period, value[, dataset])."""
    names = ("indicator", "place", "period", "value", "dataset")
    usual = {"recorded_at": RECORDED, "dataset": "returns", **more}
    return observation_frame(
        Observation.model_validate({**usual, **dict(zip(names, row, strict=False))}) for row in rows
    )


def publish(setting: Setting, frame: pl.DataFrame, batch: str, *, cells: bool = False) -> None:
    """Put facts into the lake; with `cells` each comes from a cell of 报表.xlsx, row by row."""
    assert setting.workspace is not None
    lineage = None
    if cells:
        ids = [f"{batch}#数!A{row}" for row in range(2, frame.height + 2)]
        frame = frame.with_columns(lineage=pl.Series(ids))
        columns = {"kind": "cell", "document": "d", "file": "报表.xlsx", "sheet": "数", "text": "原文", "detail": ""}
        lineage = pl.DataFrame({"id": ids, "cell": [one.split("!")[1] for one in ids]}).with_columns(
            **{name: pl.lit(text) for name, text in columns.items()}
        )
        lineage = lineage.select(pl.col(name).cast(kind) for name, kind in LINEAGE_SCHEMA.items())
    ObservationLake(setting.workspace.lake).publish(frame, batch=batch, lineage=lineage)


def under(setting: Setting, *decisions: FactQuarantine) -> Setting:
    """Return the setting under decisions that set figures aside."""
    catalog = copy(setting.catalog)
    catalog.quarantines = {one.id: one for one in decisions}
    return Setting(catalog, setting.workspace)

"""A small register and books of it for tests of ledgers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from dafeng.base.ledger import ledger_frame, ledger_schema
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.ledger_schemas import Register
from dafeng.intake.ledger_reading import LedgerImport, read_ledger

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HEADS = ["项目代码", "项目名称", "所在地", "总建筑面积（平方米）", "开工日期", "竣工日期", "绿色建筑星级", "是否装配式建筑", "投资性质", "装配率"]  # fmt: skip
GOOD = ["370200-01", "幸福里", "市南区", "12000", "2024-05-01", "2025-06-30", "2", "是", "社会投资", "35%"]

SMALL = Register.model_validate(
    {
        "id": "small",
        "title": {"zh": "小台账", "en": "small ledger"},
        "subject": "project",
        "identity": ("project_code",),
        "name_field": "project_name",
        "zone_field": "zone",
        "fields": [
            {"field": "project_code", "required": True, "group": "基本"},
            {"field": "project_name", "required": True, "group": "基本", "heads": ("工程名称",)},
            {"field": "place", "group": "基本", "heads": ("所在地", "区县")},
            {"field": "zone", "group": "基本"},
            {"field": "gross_area", "required": True, "group": "规模", "heads": ("建筑面积",)},
            {"field": "start_date", "group": "日期"},
            {"field": "completion_date", "group": "日期"},
            {"field": "green_star", "heads": ("绿色建筑星级",)},
            {"field": "prefabricated"},
            {"field": "investor", "heads": ("投资性质",)},
            {"field": "assembly_rate"},
        ],
        "checks": [
            {
                "id": "start-before-completion",
                "require": "start_date <= completion_date",
                "sentence": "竣工早于开工",
                "fields": ("completion_date", "start_date"),
                "severity": "error",
            }
        ],
        "source": "S1",
        "grade": "C",
        "checked_on": date(2026, 11, 20),
    }
)


@lru_cache(maxsize=1)
def small_catalog() -> Catalog:
    """Return the shipped catalog with the small register alone."""
    catalog = copy.copy(load_catalog())
    catalog.registers = {"small": SMALL}
    catalog.rollups = {}
    return catalog


def small_schema() -> dict[str, pl.DataType]:
    """Return the columns of the small register."""
    return ledger_schema(SMALL, small_catalog().fields)


def small_rows(*rows: Mapping[str, Any], recorded_at: datetime = NOW) -> pl.DataFrame:
    """Return rows of the small register."""
    return ledger_frame(rows, small_schema(), recorded_at=recorded_at)


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Write rows of text."""
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    return path


def read_small(path: Path, rows: Sequence[Sequence[str]] | None = None, **more: Any) -> LedgerImport:
    """Read a small ledger, written from `rows` where they are given."""
    if rows is not None:
        write_csv(path, rows)
    return read_ledger(path, "small", small_catalog(), recorded_at=NOW, home="qingdao", **more)


def with_cell(head: str, text: str, *, code: str = "370200-01") -> list[str]:
    """Return the good row with one cell put otherwise."""
    return [
        code if name == "项目代码" and head != name else text if name == head else cell
        for name, cell in zip(HEADS, GOOD, strict=True)
    ]


def names(read: LedgerImport) -> set[str]:
    """Return the names of the findings."""
    return {finding.name for finding in read.findings}

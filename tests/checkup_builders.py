"""The small catalog of sets, and short ways of writing facts for check-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml

from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog.catalog import Catalog, read_entries

AS_OF = date(2026, 11, 20)
RECORDED = datetime(2026, 11, 1, tzinfo=UTC)
_CASES = Path(__file__).parent / "cases"


@lru_cache(maxsize=1)
def sets_catalog() -> Catalog:
    """The sound catalog of set_faults.yaml."""
    files = yaml.safe_load((_CASES / "set_faults.yaml").read_text(encoding="utf-8"))["files"]
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        entries, findings = read_entries([Path(folder)])
    assert findings == []
    return Catalog(entries)


def facts(rows: Iterable[Mapping[str, Any]], **more: Any) -> pl.DataFrame:
    """Observations written shortly."""
    usual = {"place": "city", "period": "2024", "dataset": "return", "recorded_at": RECORDED, **more}
    return observation_frame(Observation.model_validate({**usual, **row}) for row in rows)

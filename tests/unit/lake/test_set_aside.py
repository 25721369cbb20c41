"""Figures that a person has set aside stay stored and are read as unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.lake import ObservationLake


def _facts() -> pl.DataFrame:
    return observation_frame(
        [
            Observation(
                indicator=indicator,
                place=place,
                extent="built_up",
                period=period,
                value=value,
                dataset=dataset,
                recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for indicator, place, period, value, dataset in (
                ("green_space_rate", "qingdao", "2022", 40.0, "panel"),
                ("green_space_rate", "qingdao", "2023", 18.0, "panel"),
                ("green_cover_rate", "qingdao", "2023", 20.0, "panel"),
                ("green_space_rate", "jinan", "2023", 37.0, "panel"),
                ("green_space_rate", "qingdao", "2023", 40.1, "yearbook"),
            )
        ]
    )


def _known(lake: ObservationLake, **at: date) -> set[tuple[str, str, str, str]]:
    frame = lake.snapshot().read(**at).filter(pl.col("value").is_not_null())  # type: ignore[arg-type]
    return set(frame.select("indicator", "place", "period", "dataset").rows())


@pytest.mark.parametrize(
    ("narrowed", "left"),
    [
        ({}, {("green_space_rate", "qingdao", "2022", "panel")}),
        (
            {"indicators": ("green_space_rate",)},
            {("green_space_rate", "qingdao", "2022", "panel"), ("green_cover_rate", "qingdao", "2023", "panel")},
        ),
        (
            {"places": ("qingdao",)},
            {("green_space_rate", "qingdao", "2022", "panel"), ("green_space_rate", "jinan", "2023", "panel")},
        ),
    ],
)
def test_only_what_the_decision_names_is_unknown(
    tmp_path: Path, narrowed: dict[str, tuple[str, ...]], left: set[tuple[str, str, str, str]]
) -> None:
    decision = FactQuarantine(
        id="q", dataset="panel", periods=("2023",), reason="错行", by="王", decided_on=date(2026, 2, 1), **narrowed
    )
    ObservationLake(tmp_path / "lake").publish(_facts(), batch="one")
    lake = ObservationLake(tmp_path / "lake", [decision])
    assert _known(lake) == left | {("green_space_rate", "qingdao", "2023", "yearbook")}
    frame = lake.snapshot().read()
    assert frame.height == 5
    assert set(frame.filter(pl.col("value").is_null())["missing_reason"]) == {"quarantined"}
    assert len(_known(lake, as_of=date(2026, 1, 31))) == 5, "what was known before the decision"
    assert len(_known(ObservationLake(tmp_path / "lake"))) == 5, "taken back, everything counts again"


def test_history_keeps_the_figures(tmp_path: Path) -> None:
    decision = FactQuarantine(id="q", dataset="panel", reason="错行", by="王", decided_on=date(2026, 2, 1))
    lake = ObservationLake(tmp_path / "lake", [decision])
    lake.publish(_facts(), batch="one")
    assert lake.snapshot().history()["value"].null_count() == 0

"""The shipped registers and roll-ups: a handful of rows comes to what was worked out by hand, and yields every target."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dafeng.base.ledger import RECORD_COLUMNS, ledger_frame, ledger_schema
from dafeng.buildings.rollup import RolledUp, roll_up
from dafeng.buildings.things import current_things
from dafeng.catalog import load_catalog

CASES = Path(__file__).parents[2] / "cases"
CONTENT = yaml.safe_load((CASES / "ledger_content.yaml").read_text(encoding="utf-8"))
TARGETS = yaml.safe_load((CASES / "ledger_targets.yaml").read_text(encoding="utf-8"))
COUNTED = [
    (plan, target) for plan, targets in TARGETS["plans"].items() for target, row in targets.items() if "rollups" in row
]
RECORDED = datetime(2026, 11, 20, tzinfo=UTC)


@cache
def counted() -> RolledUp:
    catalog = load_catalog()
    records = {}
    for name, rows in CONTENT["registers"].items():
        schema = ledger_schema(catalog.registers[name], catalog.fields)
        placed = [{**row, "place": CONTENT["place"]} for row in rows]
        records[name] = ledger_frame(placed, {**RECORD_COLUMNS, **schema}, recorded_at=RECORDED)
    return roll_up(current_things(records, catalog), catalog, years=range(2022, 2025), recorded_at=RECORDED)


@pytest.mark.parametrize("case", CONTENT["expected"], ids=lambda case: "-".join(map(str, case[:5])))
def test_the_rows_come_to_what_was_worked_out_by_hand(case: list[Any]) -> None:
    indicator, extent, year, building_class, basis, expected = case
    found = counted().observations.filter(
        pl.col("indicator") == indicator,
        pl.col("extent") == extent,
        pl.col("period") == str(year),
        pl.col("building_class") == building_class,
        pl.col("basis") == basis,
        pl.col("place") == CONTENT["place"],
    )
    assert found.height == 1
    assert found["value"][0] == pytest.approx(expected, rel=1e-8)
    assert found["coverage"][0] == pytest.approx(1.0)


@pytest.mark.parametrize(("plan", "target_id"), COUNTED)
def test_every_ledger_target_computes_from_ledgers_alone(plan: str, target_id: str) -> None:
    catalog = load_catalog()
    target = next(one for one in catalog.plans[plan].targets if one.id == target_id)
    indicator = catalog.indicators[target.indicator]
    bases = [reading.basis for reading in target.readings if reading.basis] or [target.basis or ""]
    for basis in bases:
        found = counted().observations.filter(
            pl.col("indicator") == target.indicator,
            pl.col("extent") == str(target.extent or indicator.extent),
            pl.col("building_class") == target.building_class,
            pl.col("basis") == basis,
            pl.col("value").is_not_null(),
        )
        assert found.height, (target.indicator, basis)

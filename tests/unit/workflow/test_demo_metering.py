"""Metering of the demonstration against what its meters measured in truth."""

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from dafeng.workflow.demo_metering import DemoMetering, meter_demo
from dafeng.workflow.demonstration import demo_files, make_demo_workspace
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import MeterHouse, open_house
from metering_city import NOW

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_demo_metering", ROOT / "scripts" / "make_demo_metering.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # records look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoMetering, MeterHouse]:
    setting = make_demo_workspace(tmp_path_factory.mktemp("demo") / "w", ledgers=False).setting
    ledgers = demo_files() / "data" / "ledgers"
    import_ledger(setting, ledgers / "monitored_buildings.csv", "buildings", recorded_at=NOW)
    done = meter_demo(setting, demo_files() / "data" / "metering", place="demo-city", recorded_at=NOW)
    return done, open_house(setting)


def test_the_files_are_what_the_script_writes(script: ModuleType, tmp_path: Path) -> None:
    script.write_metering(tmp_path)
    folder = demo_files() / "data" / "metering"
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        if name.endswith(".parquet"):
            assert pl.read_parquet(folder / name).equals(pl.read_parquet(tmp_path / name))
        else:
            assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000


@pytest.mark.slow
def test_nothing_is_lost_by_outage_roll_over_replacement_and_a_late_batch(
    script: ModuleType, metered: tuple[DemoMetering, MeterHouse]
) -> None:
    done, house = metered
    meters, _ = script.make_metering()
    heard = [meter for meter in meters if int(meter.id[2:4]) != script.COUNT]
    truth = sum(float(meter.use.sum()) for meter in heard if meter.item == "01000")
    assert done.electricity == pytest.approx(truth, rel=1e-6)
    sums = dict(house.days.read().group_by("meter").agg(pl.col("amount").sum()).iter_rows())
    assert sums == {meter.id: pytest.approx(float(meter.use.sum()), rel=1e-6) for meter in heard}
    assert (done.meters, done.buildings, done.reporting) == (30, 12, 11)
    assert (done.first, done.last, done.coverage) == (
        date(2026, 1, 1),
        date(2026, 3, 1),
        pytest.approx(11 / 12, abs=1e-4),
    )
    assert done.restated > 0
    assert done.co2 is not None
    lump = house.hours.read().filter((pl.col("meter") == "DB02-1") & (pl.col("spread") > 0))
    assert lump.height == 6

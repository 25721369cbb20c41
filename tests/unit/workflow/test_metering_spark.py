"""The roll-up on other engines: PySail where it is installed, a real Spark cluster in the soak; the same to 1e-9."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from dafeng.base.reading import MeterEventKind
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_import import day_instant, record_event
from dafeng.workflow.setting import Setting
from metering_city import NOW, building_rows, make_city, meter_row, roll, steady, take, write_readings
from unit.lake.test_engines import WITH_SAIL, WITH_SPARK, cluster, quiet, sail  # noqa: F401

noisy = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def make_pair(folder: Path, days: int) -> tuple[Setting, Setting]:
    """Return two workspaces with the same readings: outage, roll-over, replacement, late and superseded ones."""
    cities = [
        make_city(
            folder / name,
            [
                meter_row("m", 额定功率=100),
                meter_row("l", item="01A00", 上级表计="m"),
                meter_row("n", "370202A002", 满度值=1000),
            ],
            building_rows("370202A001", "370202A002", "370202A003"),
        )
        for name in ("duckdb", "spark")
    ]
    whole = steady("2024-01-01 00:00", days * 24, step=30, rate=1.37)
    files = [
        write_readings(
            folder / "a.csv", {"m": whole[:100] + whole[130:], "l": steady("2024-01-01 00:00", days * 24, rate=0.25)}
        ),
        write_readings(
            folder / "b.csv",
            {"n": [(at, value % 1000) for at, value in steady("2024-01-01 00:00", days * 24, first=970)]},
        ),
        write_readings(folder / "c.csv", {"m": whole[90:140]}),
    ]
    for city in cities:
        for number, path in enumerate(files):
            take(city, path, at=NOW + timedelta(minutes=number))
        record_event(
            city, "l", MeterEventKind.FAULT, day_instant("2024-01-05 03:20", option="at"),
            until=day_instant("2024-01-05 09:00", option="at"), reason="试", by="试", recorded_at=NOW,
        )  # fmt: skip
    return cities[0], cities[1]


def check_pair(pair: tuple[Setting, Setting], address: str, folder: Path) -> None:
    first, second = (roll(pair[0]), roll(pair[1], engine=address))
    assert (first.months, first.published) == (second.months, second.published)
    both = [open_house(city).tables() for city in pair]
    for name, table in both[0].items():
        assert_frame_equal(table.read(), both[1][name].read(), rel_tol=1e-9, abs_tol=1e-9)
    late = write_readings(folder / "late.csv", {"n": steady("2024-01-09 00:00", 24, step=30, rate=1.5, first=150)})
    for city in pair:
        take(city, late, at=NOW + timedelta(hours=1))
    later = [
        roll(city, at=NOW + timedelta(hours=1), engine=engine)
        for city, engine in zip(pair, ("duckdb", address), strict=True)
    ]
    assert later[0].restated == later[1].restated > 0
    for name, table in both[0].items():
        assert_frame_equal(table.read(), both[1][name].read(), rel_tol=1e-9, abs_tol=1e-9)


@quiet
@noisy
@pytest.mark.slow
@pytest.mark.skipif(not WITH_SAIL, reason="dafeng[spark] is not installed")
def test_pysail_gives_the_same_totals(tmp_path: Path, sail: str) -> None:  # noqa: F811
    check_pair(make_pair(tmp_path, 12), sail, tmp_path)


@quiet
@noisy
@pytest.mark.soak
@pytest.mark.cluster
@pytest.mark.skipif(not WITH_SPARK or shutil.which("java") is None, reason="Spark or a Java runtime is not installed")
def test_a_cluster_of_a_master_and_two_workers_gives_the_same_totals(tmp_path: Path, cluster: str) -> None:  # noqa: F811
    check_pair(make_pair(tmp_path, 60), cluster, tmp_path)

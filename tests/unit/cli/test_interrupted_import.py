"""`dafeng data import` as its own process, killed or interrupted: all facts of the file or none, and again makes it whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.observation import KEY, SCHEMA
from dafeng.lake import ObservationLake, Workspace

MOMENT = {"SOURCE_DATE_EPOCH": "1795132800", "DAFENG_WORKSPACE": ""}


def table(path: Path, rows: int) -> Path:
    frame = pl.DataFrame({"n": range(rows)}).select(
        指标=pl.lit("轨道交通运营总里程数"),
        地区=pl.lit("青岛"),
        期间=pl.format("{}-{}", 2000 + pl.col("n") % 20, (1 + pl.col("n") // 20 % 12).cast(pl.String).str.zfill(2)),
        数值=pl.col("n") + 0.5,
        单位=pl.lit("公里"),
        数据集=pl.format("d{}", pl.col("n") // 240),
    )
    frame.write_csv(path)
    return path


def start(file: Path, root: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "dafeng", "data", "import", str(file), "-w", str(root)]
    return subprocess.Popen(
        words, env={**os.environ, **MOMENT}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(file: Path, root: Path) -> None:
    process = start(file, root)
    _, said = process.communicate()
    assert process.returncode == 0, said


def facts(root: Path) -> pl.DataFrame:
    return ObservationLake(Workspace.open(root).lake).snapshot().read().select(list(SCHEMA)).sort(KEY)


def kill_imports(folder: Path, rows: int, times: int) -> None:
    file, generator = table(folder / "table.csv", rows), random.Random(20261120)
    whole = Workspace.create(folder / "whole", title="whole").root
    began = time.monotonic()
    finish(file, whole)
    longest = time.monotonic() - began
    expected = facts(whole)
    assert expected.height == rows
    for number in range(times):
        root = Workspace.create(folder / str(number), title="killed").root
        process = start(file, root)
        try:
            process.communicate(timeout=generator.uniform(0.3, 1.0) * longest)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert facts(root).height in (0, rows)
        finish(file, root)
        assert facts(root).equals(expected)
        assert ObservationLake(Workspace.open(root).lake).verify() == []


@pytest.mark.slow
def test_an_import_killed_at_random_instants_stores_all_or_nothing(tmp_path: Path) -> None:
    kill_imports(tmp_path, 2_400, 2)


@pytest.mark.soak
def test_a_large_import_killed_at_random_instants_stores_all_or_nothing(tmp_path: Path) -> None:
    kill_imports(tmp_path, 200_000, 6)


def test_an_interrupted_import_says_so_and_stores_nothing(tmp_path: Path) -> None:
    file, root = table(tmp_path / "table.csv", 24_000), Workspace.create(tmp_path / "work", title="work").root
    process = start(file, root)
    assert process.stderr is not None
    assert "table.csv" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert said.rstrip().endswith("已中断 / interrupted")
    assert facts(root).is_empty()


def test_two_imports_of_one_file_at_once_count_once(tmp_path: Path) -> None:
    file, root = table(tmp_path / "table.csv", 480), Workspace.create(tmp_path / "work", title="work").root
    both = [start(file, root) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("known already" in text for text in said) == 1
    assert facts(root).height == 480

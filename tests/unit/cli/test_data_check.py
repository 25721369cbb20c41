"""`dafeng data check | checks | aside | release` as a user runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pytest

from command_line import answer, run
from dafeng.workflow.setting import Setting
from statistics_builders import facts, publish

CITIES = [
    "济南市",
    "青岛市",
    "淄博市",
    "枣庄市",
    "东营市",
    "烟台市",
    "潍坊市",
    "济宁市",
    "泰安市",
    "威海市",
    "日照市",
    "临沂市",
]
COLUMNS = {
    "公园个数": "个",
    "公共厕所座数": "座",
    "城市桥梁座数": "座",
    "市容环卫专用车辆数": "辆",
    "天然气管道长度": "公里",
}


def shifted_table(folder: Path) -> Path:
    """Write twelve cities over ten years, the figures of 2020 one row too low."""
    rng = np.random.default_rng(3)
    levels = np.exp(rng.normal(5, 1, (len(CITIES), len(COLUMNS))))
    lines = ["年份,地区," + ",".join(f"{name}（{unit}）" for name, unit in COLUMNS.items())]
    for year in range(2014, 2024):
        levels = levels * np.exp(rng.normal(0.03, 0.01, levels.shape))
        shown = np.roll(levels, 1, axis=0) if year == 2020 else levels
        for name, line in zip(CITIES, shown, strict=True):
            lines.append(f"{year},{name}," + ",".join(f"{value:.0f}" for value in line))
    path = folder / "分市.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_shifted_table_is_found_in_the_file_set_aside_and_released(
    reporting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shifted_table(tmp_path)
    found = answer(capsys, "data", "check", str(path), "--dataset", "panel", code=1)["files"][0]
    assert found["figures"] == 600
    tables = [one for one in found["findings"] if one["name"] == "data.shifted-rows"]
    assert [one["evidence"]["period"] for one in tables] == ["2020"]
    assert run("data", "import", str(path), "--dataset", "panel", "-q") == 0
    monkeypatch.undo()  # from here on decisions count, which the catalog must be read for
    words = ("-w", str(tmp_path / "w"))
    made = answer(capsys, "data", "check", "--quarantine", "--by", "王", "--check", "shifted-rows", *words, code=1)[
        "quarantines"
    ]
    assert {(one["dataset"], *one["periods"]) for one in made} == {("panel", "2020")}
    [kept] = answer(capsys, "data", "aside", *words)["quarantines"]
    assert kept["by"] == "王"
    assert kept["id"] == made[0]["id"]
    assert run("data", "release", kept["id"], *words, "-q") == 0
    assert not list((tmp_path / "w" / "catalog").rglob("*.yaml"))


def test_the_summary_counts_and_the_exit_code_follows_what_is_asked(
    reporting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("resident_population", "qingdao", str(year), 9.0e6 + 1.0e5 * (year - 2012)) for year in range(2012, 2024)]
    publish(reporting, facts(rows), "a", cells=True)
    assert run("data", "check") == 0
    assert "没有疑点" in capsys.readouterr().out
    publish(reporting, facts([("resident_population", "qingdao", "2024", 1.02e8)]), "b")
    assert run("data", "check", "--cells", "疑点.xlsx") == 1
    shown = capsys.readouterr()
    assert "13 figures checked" in shown.out
    assert "疑似单位或小数点错" in shown.out
    assert "疑点.xlsx" in shown.err
    rows = list(openpyxl.load_workbook("疑点.xlsx").worksheets[0].values)
    assert "青岛市" in {row[rows[0].index("地方")] for row in rows[1:]}
    assert run("data", "check", "-q", "--check", "out-of-bounds") == 0
    assert run("data", "check", "-q", "--place", "济南市") == 0
    assert run("data", "check", "-q", "--dataset", "nobody") == 0


def test_every_shipped_check_is_listed_with_what_must_hold(
    reporting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {one["id"]: one for one in answer(capsys, "data", "checks")["checks"]}
    assert listed["shifted-rows"]["quarantine"] is True
    assert listed["water-served-within-population"]["require"]
    assert run("data", "checks") == 0
    assert "错行" in capsys.readouterr().out


def test_an_empty_workspace_has_nothing_to_object_to(reporting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "data", "check")["files"] == [
        {"file": "", "figures": 0, "cells": 0, "findings": [], "reading": []}
    ]

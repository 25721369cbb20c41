"""Checks on a file beside the lake, on the lake alone, and what is set aside by decision."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import UnknownNameError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.lake import Snapshot
from dafeng.statistics.checking import CELL_SCHEMA, Checked
from dafeng.workflow.checking import CheckRun, check_file, check_lake, export_cells, quarantine_doubtful, release
from dafeng.workflow.facts import ImportOptions
from dafeng.workflow.setting import Setting, open_setting
from form_builders import shipped
from statistics_builders import RECORDED, facts, publish, setting_at

DAY = date(2026, 11, 20)
POPULATION = [
    ("resident_population", "qingdao", str(year), 9.0e6 + 1.0e5 * (year - 2012)) for year in range(2012, 2024)
]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return setting_at(tmp_path)


def file_of(folder: Path, *rows: str) -> Path:
    path = folder / "新表.csv"
    path.write_text("指标,地区,时期,数值,单位\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def run_of(frame: pl.DataFrame, doubtful: list[tuple[str, str, str, str]], *findings: Finding) -> CheckRun:
    """Return a run that objects to (dataset, indicator, place, period) with the check of shifted rows."""
    names = ("dataset", "indicator", "place", "period")
    rows = [
        {
            **dict(zip(names, one, strict=True)),
            "check": "shifted-rows",
            "severity": "error",
            "quarantine": True,
            "row": at,
        }
        for at, one in enumerate(doubtful)
    ]
    cells = pl.DataFrame(rows, schema=CELL_SCHEMA)
    return CheckRun(Checked(list(findings), cells), frame, frame.height, lambda _: pl.DataFrame(schema=LINEAGE_SCHEMA))


def shift(dataset: str, period: str, sentence: str) -> Finding:
    evidence: dict[str, Any] = {"dataset": dataset, "period": period}
    return Finding(name="data.shifted-rows", sentence=sentence, severity=Severity.ERROR, evidence=evidence)


def test_a_slip_is_found_only_beside_what_the_lake_holds_of_the_same_dataset(tmp_path: Path, setting: Setting) -> None:
    path = file_of(tmp_path, "常住人口,青岛市,2024年,10200,万人")
    options = ImportOptions(dataset="returns")
    alone = check_file(setting, path, options, recorded_at=RECORDED)
    assert "data.power-of-ten" not in {one.name for one in alone.findings}
    publish(setting, facts(POPULATION), "a", cells=True)
    beside = check_file(setting, path, options, recorded_at=RECORDED)
    slip = next(one for one in beside.findings if one.name == "data.power-of-ten")
    assert (slip.where.file, slip.where.cell, slip.evidence["value"]) == ("新表.csv", "D2", 1.02e8)
    assert (beside.figures, beside.facts.height) == (1, 13)
    other = check_file(setting, path, ImportOptions(dataset="yearbook"), recorded_at=RECORDED)
    assert other.facts.height == 1


def test_a_correction_stands_in_place_of_what_the_lake_holds(tmp_path: Path, setting: Setting) -> None:
    wrong = [*POPULATION, ("resident_population", "qingdao", "2024", 1.02e8)]
    publish(setting, facts(wrong), "a")
    assert "data.power-of-ten" in {one.name for one in check_lake(setting).findings}
    path = file_of(tmp_path, "常住人口,青岛市,2024年,1020,万人")
    run = check_file(setting, path, ImportOptions(dataset="returns"), recorded_at=RECORDED)
    assert "data.power-of-ten" not in {one.name for one in run.findings}
    assert run.facts.height == 13


def test_what_dafeng_made_itself_is_left_out_unless_it_is_asked_for(setting: Setting) -> None:
    for number, dataset in enumerate(("computed", "ledger-projects", "dafeng-metering", "ledgers-of-others")):
        publish(setting, facts(POPULATION, dataset=dataset), f"b{number}")
    assert check_lake(setting).figures == 12
    assert check_lake(setting, dataset="ledger-projects").figures == 12
    assert check_lake(setting, dataset="nobody").figures == 0
    assert check_lake(setting, places=["jinan"]).figures == 0


def test_only_chosen_checks_run_and_an_unknown_one_is_named(setting: Setting) -> None:
    publish(setting, facts([*POPULATION, ("resident_population", "qingdao", "2024", 1.02e8)]), "a")
    assert {one.name for one in check_lake(setting, checks=["power-of-ten"]).findings} == {"data.power-of-ten"}
    with pytest.raises(UnknownNameError, match="power-of-tn"):
        check_lake(setting, checks=["power-of-tn"])
    with pytest.raises(UnknownNameError):
        check_lake(setting, indicators=["residents"])


def test_lineage_is_read_only_for_what_is_needed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (indicator, place, str(year), 100.0 + year)
        for indicator in ("park_count", "bridge_count", "public_toilet_count")
        for place in ("qingdao", "jinan", "changchun")
        for year in range(2015, 2025)
    ]
    publish(setting, facts(rows), "a", cells=True)
    asked: list[int] = []
    original = Snapshot.lineage

    def counted(self: Snapshot, ids: Any) -> pl.DataFrame:
        asked.append(len(list(ids)))
        return original(self, ids)

    monkeypatch.setattr(Snapshot, "lineage", counted)
    check_lake(setting)
    assert 0 < sum(asked) <= 30  # of 90: the rows of one indicator


@pytest.mark.parametrize(
    ("doubtful", "decided"),
    [
        ("qj-ab", [((), ())]),  # every figure of the year: nothing is named
        ("q-ab", [(("bridge_count", "park_count"), ("qingdao",))]),
        ("qj-a", [(("park_count",), ("jinan", "qingdao"))]),
        ("qj-a q-b", [(("bridge_count",), ("qingdao",)), (("park_count",), ("jinan", "qingdao"))]),
    ],
)
def test_a_decision_takes_in_the_faulty_figures_and_no_other(
    setting: Setting, doubtful: str, decided: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    places, indicators = {"q": "qingdao", "j": "jinan"}, {"a": "park_count", "b": "bridge_count"}
    frame = facts(
        [
            (one, place, year, 5.0)
            for one in indicators.values()
            for place in places.values()
            for year in ("2022", "2023")
        ]
    )
    cells = {
        ("returns", indicators[letter], places[who], "2023")
        for block in doubtful.split()
        for who in block.split("-")[0]
        for letter in block.split("-")[1]
    }
    publish(setting, frame, "a")
    run = run_of(frame, sorted(cells), shift("returns", "2023", "错行"))
    made, files = quarantine_doubtful(setting, run, by="王", decided_on=DAY)
    assert sorted((one.indicators, one.places) for one in made) == sorted(decided)
    assert {one.periods for one in made} == {("2023",)}
    assert [path.is_file() for path in files] == [True] * len(decided)
    again, _ = quarantine_doubtful(setting, run, by="王", decided_on=DAY)
    assert {one.id for one in again} == {one.id for one in made}


def test_each_dataset_gets_its_own_reason_and_a_slot_of_the_year_is_of_that_year(setting: Setting) -> None:
    frame = facts([("park_count", "qingdao", "2023", 5.0, name) for name in ("one", "two")])
    publish(setting, frame, "a")
    cells = [(name, "park_count", "qingdao", "2023") for name in ("one", "two")]
    run = run_of(
        frame,
        cells,
        shift("two", "2023", "乙表错行"),
        shift("one", "2023", "甲表错行"),
        shift("one", "2023 x", "又一处"),
    )
    made, _ = quarantine_doubtful(setting, run, by="王", decided_on=DAY)
    assert {one.dataset: one.reason for one in made} == {"one": "甲表错行；又一处", "two": "乙表错行"}
    assert {one.dataset: one.evidence["dataset"] for one in made} == {"one": "one", "two": "two"}


def test_set_aside_figures_read_as_unknown_until_they_are_released(setting: Setting) -> None:
    frame = facts([("park_count", place, "2023", 5.0) for place in ("qingdao", "jinan")])
    publish(setting, frame, "a")
    made, files = quarantine_doubtful(
        setting, run_of(frame, [("returns", "park_count", "qingdao", "2023")]), by="王", decided_on=DAY
    )
    assert made[0].reason == "错行"  # the name of the check, where no finding says more
    after = open_setting(setting.workspace)
    assert after.lake is not None
    read = after.lake.snapshot().read()
    assert dict(read.select("place", "missing_reason").rows()) == {"qingdao": "quarantined", "jinan": None}
    with pytest.raises(UnknownNameError, match="shifted"):
        release(after, "shifted")
    assert release(after, made[0].id) == files[0]
    assert not files[0].exists()


def test_the_file_of_cells_says_where_each_stands_and_what_to_ask(tmp_path: Path, setting: Setting) -> None:
    publish(setting, facts([*POPULATION, ("resident_population", "qingdao", "2024", 1.02e8)]), "a", cells=True)
    run = check_lake(setting, checks=["power-of-ten"])
    out = tmp_path / "neu" / "cells.csv"
    assert export_cells(setting, [run], out) == 1
    row = pl.read_csv(out).row(0, named=True)
    assert {name: row[name] for name in ("核查", "轻重", "指标", "地方", "时期", "数值", "单位", "文件", "工作表", "单元格")} == {
        "核查": "疑似单位或小数点错", "轻重": "错误", "指标": "常住人口", "地方": "青岛市", "时期": 2024, "数值": 1.02e8,
        "单位": "person", "文件": "报表.xlsx", "工作表": "数", "单元格": "A14",
    }  # fmt: skip
    assert row["请核对"].startswith("核对单位")
    with pytest.raises(UsageError):
        export_cells(setting, [run], tmp_path / "cells.docx")


def test_a_file_is_checked_without_a_workspace(tmp_path: Path) -> None:
    rows = [f"常住人口,青岛市,{year}年,{900 + 10 * (year - 2012)},万人" for year in range(2012, 2024)]
    path = file_of(tmp_path, *rows, "常住人口,青岛市,2024年,10200,万人")
    run = check_file(
        Setting(shipped(), None), path, ImportOptions(dataset="returns"), recorded_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert run.figures == 13
    assert [one.where.cell for one in run.findings if one.name == "data.power-of-ten"] == ["D14"]

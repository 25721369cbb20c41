"""`dafeng project` as a user runs it: one project from options, from a file, from the ledger; a programme."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import load_workbook

from command_line import answer, run
from dafeng.base.ledger import FIELD_DTYPES, RECORD_COLUMNS, ledger_frame
from dafeng.catalog import Catalog, load_catalog
from dafeng.lake import Workspace
from dafeng.lake.registers import RegisterLake
from dafeng.reports.obligation_list import review_report
from dafeng.workflow.projects import check_facts, check_programme, project_things
from dafeng.workflow.setting import open_setting

DAY = ["--as-of", "2026-11-20"]
OFFICE = [
    "--set", "所在地=青岛", "--set", "建设性质=新建", "--set", "建筑大类=公共建筑", "--set", "所在地域=urban", "--set", "总建筑面积=1.2万㎡",
]  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with three projects in its ledger: one fails, one passes, one is not known well enough."""
    root = tmp_path_factory.mktemp("projects") / "w"
    made = Workspace.create(root, title="青岛", place="qingdao")
    catalog = load_catalog()
    names = ["project_code", "project_name", "place", "permit_date", "work", "housing_grade", "green_star"]
    schema = RECORD_COLUMNS | {name: FIELD_DTYPES[catalog.fields[name].type] for name in names}
    common = {
        "place": "qingdao-shinan",
        "permit_date": date(2026, 3, 1),
        "work": "new",
        "housing_grade": "high_quality",
    }
    rows = [
        {"key": "P1", "project_name": "甲", "stage": "acceptance", "green_star": 1.0, **common},
        {"key": "P2", "project_name": "乙", "stage": "acceptance", "green_star": 2.0, **common},
        {"key": "P3", "project_name": "丙", "stage": "planning", **common},
    ]
    rows = [row | {"project_code": row["key"]} for row in rows]
    frame = ledger_frame(rows, schema, recorded_at=datetime(2026, 4, 1, tzinfo=UTC))
    RegisterLake(made.lake).publish("projects", frame, batch="one")
    return root


def test_a_project_from_options_is_checked_without_a_workspace(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["project", "check", *OFFICE, "--set", "绿色建筑星级=基本级", "--stage", "acceptance", *DAY]
    found = answer(capsys, *words, code=1)
    assert found["schema"] == "dafeng.project.check/1"
    project = found["projects"][0]
    failed = [each for each in project["checks"] if each["verdict"] == "fail" and not each["soft"]]
    assert [each["rule"] for each in failed] == ["public-and-commodity-star"]
    assert failed[0]["requirements"][0]["facts"] == "绿色建筑星级：0"
    assert failed[0]["evidence"]
    assert project["judged_as_of_that_day"]
    assert {each["rulebook"] for each in project["checks"]} == {"qingdao-2024", "national-2022", "gb55015-2021"}
    assert run(*words) == 1
    shown = capsys.readouterr()
    assert "不符合" in shown.out
    assert "限值" in shown.out  # the table of U-values stands in one line as long as the climate zone is unknown
    assert shown.out.count("3.1.10") == 1
    assert "按判断日" in shown.err


def test_a_sound_project_leaves_with_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = answer(capsys, "project", "check", *OFFICE, "--set", "绿色建筑星级=1", "--plan", "青岛", *DAY)
    assert {each["rulebook"] for each in found["projects"][0]["checks"]} == {"qingdao-2024"}
    assert found["projects"][0]["failures"] == 0


def test_before_its_stage_a_failure_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--set",
        "建设性质=新建",
        "--set",
        "建筑大类=居住建筑",
        "--set",
        "solar_system=否",
        "--plan",
        "gb55015-2021",
    ]
    assert answer(capsys, "project", "check", *words, "--stage", "planning", *DAY)["projects"][0]["failures"] == 0
    assert (
        answer(capsys, "project", "check", *words, "--stage", "acceptance", *DAY, code=1)["projects"][0]["failures"]
        == 1
    )


def test_a_project_from_a_file_and_its_review_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "project.yaml"
    file.write_text(
        "项目名称: 某住宅\n所在地: 青岛\n建设性质: 新建\n住宅品质等级: 高品质\n绿色建筑星级: 一星\n", encoding="utf-8"
    )
    out = tmp_path / "out"
    found = answer(capsys, "project", "check", "--file", str(file), "--out", str(out), *DAY, code=1)
    assert sorted(Path(path).suffix for path in found["files"]) == [".docx", ".xlsx"]
    book = load_workbook(out / "review-project.xlsx")
    cells = [str(cell) for row in book.worksheets[0].iter_rows(values_only=True) for cell in row if cell is not None]
    assert any("不符合" in cell for cell in cells)
    same = tmp_path / "project.json"
    same.write_text(json.dumps({"place": "qingdao", "work": "new", "housing_grade": "high_quality", "green_star": 1}))
    assert answer(capsys, "project", "check", "--file", str(same), *DAY, code=1)["projects"][0]["failures"] == 1


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        ((), 2, "要么给项目代码"),
        (("P1", "--set", "建设性质=新建"), 2, "要么给项目代码"),
        (("--set", "建设性质"), 2, "不是 字段=值"),
        (("--set", "建设性质=翻新"), 3, "不能识别"),
        (("--set", "星=1"), 3, "没有名为"),
        (("--set", "建设性质=新建", "--plan", "nowhere"), 4, "nowhere"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    words: tuple[str, ...],
    code: int,
    problem: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = answer(capsys, "project", "check", *words, *DAY, code=code)
    assert problem in found["problem"]


def test_projects_of_the_ledger_are_checked_by_key(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    there = ["--workspace", str(workspace), *DAY]
    found = answer(capsys, "project", "check", "P1", "P2", *there, "--plan", "qingdao-2024", code=1)
    assert [one["failures"] for one in found["projects"]] == [1, 0]
    duty = next(each for each in found["projects"][0]["checks"] if each["rule"] == "high-quality-housing-two-star")
    assert duty["verdict"] == "fail"
    assert duty["overdue"]
    assert answer(capsys, "project", "check", "P2", *there, "--plan", "qingdao-2024")["projects"][0]["key"] == "P2"
    assert "P9" in answer(capsys, "project", "check", "P9", *there, code=4)["problem"]
    assert answer(capsys, "project", "check", "P1", *there, "--known-at", "2026-03-31", code=4)["expected"]


def test_a_programme_shows_which_projects_fail_what(
    capsys: pytest.CaptureFixture[str], workspace: Path, tmp_path: Path
) -> None:
    there = ["--workspace", str(workspace), *DAY]
    found = answer(capsys, "project", "programme", *there, "--out", str(tmp_path), code=1)
    assert found["schema"] == "dafeng.project.programme/1"
    assert found["things"] == 3
    assert [(row["key"], row["rule"]) for row in found["failing"] if not row["soft"]] == [
        ("P1", "high-quality-housing-two-star")
    ]
    counted = next(row for row in found["counts"] if row["rule"] == "high-quality-housing-two-star")
    assert [counted[name] for name in ("place", "fails", "owed", "passes")] == ["qingdao-shinan", 1, 1, 1]
    assert {Path(path).name for path in found["files"]} == {"obligation-programme.docx", "obligation-programme.xlsx"}
    assert run("project", "programme", *there) == 1
    assert "甲" in capsys.readouterr().out
    assert answer(capsys, "project", "programme", *there, "--place", "jinan")["things"] == 0


def test_chunks_change_no_answer(workspace: Path) -> None:
    here = open_setting(Workspace.open(workspace))
    things = project_things(here)
    whole = check_programme(here, things, as_of=date(2026, 11, 20))
    parts = check_programme(here, things, as_of=date(2026, 11, 20), chunk=1)
    assert parts.failing.equals(whole.failing)
    by = ["rulebook", "rule", "place"]
    texts = pl.col("rulebook", "rule").cast(pl.String)
    assert parts.counts.with_columns(texts).sort(by).equals(whole.counts.with_columns(texts).sort(by))


def test_a_key_in_two_registers_is_one_project(workspace: Path) -> None:
    catalog = load_catalog()
    second = next(name for name, each in catalog.registers.items() if each.subject == "project" and name != "projects")
    schema = RECORD_COLUMNS | {"project_code": pl.String(), "green_star": pl.Float64(), "height": pl.Float64()}
    rows = [{"key": "P3", "project_code": "P3", "green_star": 3.0, "height": 20.0}]
    lake = RegisterLake(Workspace.open(workspace).lake)
    lake.publish(second, ledger_frame(rows, schema, recorded_at=datetime(2026, 5, 1, tzinfo=UTC)), batch="two")
    things = project_things(open_setting(Workspace.open(workspace)), registers=["projects", second])
    assert things["key"].to_list() == ["P1", "P2", "P3"]


def test_fields_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = answer(capsys, "project", "fields")["fields"]
    assert {"gross_area", "green_star"} <= {field["id"] for field in listed}
    assert run("project", "fields") == 0
    assert "总建筑面积" in capsys.readouterr().out


def test_the_review_table_sets_duties_before_wishes() -> None:
    setting = open_setting(None)
    facts: dict[str, Any] = {
        "key": "甲",
        "place": "qingdao",
        "work": "new",
        "building_class": "public",
        "extent": "urban",
    }
    found = check_facts(setting, facts, as_of=date(2026, 11, 20), undated=True)
    catalog: Catalog = setting.catalog
    paper = review_report(found.explanations, facts, catalog, as_of=date(2026, 11, 20))
    groups = [row.group for row in next(paper.tables()).rows if row.group]
    assert groups[-1] == "提倡与对照"
    assert paper.id == "review-project"
    assert len(groups) == 4


def test_words_in_use_are_taken_for_the_options_of_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["project", "check", "--place", "青岛", "--set", "投资性质=政府投资", "--set", "所在地域=城镇", "--json"]
    run(*words)
    said = capsys.readouterr().out
    assert json.loads(said)["schema"] == "dafeng.project.check/1"
    assert '"investor": "government"' in said
    assert '"extent": "urban"' in said

"""`dafeng data forms | returns | chase` as a user runs them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest

from command_line import answer, run
from dafeng.reports.form_book import FORM_SHEET
from dafeng.workflow.setting import Setting
from form_builders import COLUMNS, head_row

ISSUE = (
    "data",
    "forms",
    "--period",
    "2025",
    "--form",
    "yearbook_water",
    "--body",
    "青岛市水务管理局",
    "--due",
    "2026-03-31",
)


def test_a_cycle_from_forms_to_the_chase_list(
    reporting: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1768003200")  # 2026-01-10
    issued = answer(capsys, *ISSUE)
    assert [(one["body"], one["forms"], one["lines"], one["due"]) for one in issued["bodies"]] == [
        ("qingdao-water", 1, 13, "2026-03-31")
    ]
    with zipfile.ZipFile(issued["bodies"][0]["file"]) as archive:
        archive.extractall(tmp_path / "blank")
    [blank] = (tmp_path / "blank").iterdir()
    book = openpyxl.load_workbook(blank)
    sheet = book[FORM_SHEET]
    sheet.cell(head_row(sheet) + 1, COLUMNS["value"]).value = 200
    sheet.cell(head_row(sheet) + 2, COLUMNS["value"]).value = "若干"
    book.save("回表.xlsx")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1774310400")  # 2026-03-24
    [back] = answer(capsys, "data", "returns", "回表.xlsx", code=1)["files"]
    assert (back["accepted"], back["published"]["appended"]) == (True, 1)
    [wrong] = [one for one in back["findings"] if one["severity"] == "error"]
    assert (wrong["name"], wrong["where"]["file"], wrong["value"]) == ("form.value.not-a-number", "回表.xlsx", "若干")
    assert run("data", "returns", "回表.xlsx", "--fail-on", "error", "-q") == 1
    assert "此前已读回" not in capsys.readouterr().err  # quiet
    run("data", "returns", "回表.xlsx")
    assert "此前已读回" in capsys.readouterr().err
    stand = answer(capsys, "data", "chase", "--as-of", "2026-04-10", "--out", "催报.xlsx")
    [form] = stand["forms"]
    assert (form["state"], form["answered"], form["days_overdue"]) == ("with_errors", 1, 10)
    assert len(stand["chase"]) == 1
    assert Path("催报.xlsx").stat().st_size > 3000
    assert answer(capsys, "data", "chase", "--as-of", "2026-04-10", "--body", "qingdao-metro")["forms"] == []


def test_statutory_forms_are_listed(reporting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    listed = {one["id"] for one in answer(capsys, "data", "forms", "--list")["forms"]}
    assert "yearbook_water" in listed
    assert len(listed) >= 20
    assert run("data", "forms", "--list") == 0
    assert "yearbook_water" in capsys.readouterr().out

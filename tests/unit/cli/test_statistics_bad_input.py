"""Bad input to the commands of the reporting cycle, as a user meets it: the cases of tests/cases/statistics_cli_bad_input.yaml."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from openpyxl import Workbook

from command_line import run
from dafeng.reports.form_book import form_book
from dafeng.workflow.setting import Setting
from form_builders import shipped, water_issue

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "statistics_cli_bad_input.yaml").read_text(encoding="utf-8")
)


def content_of(case: dict[str, Any]) -> bytes:
    made = case.get("make")
    if made == "binary":
        return bytes(range(256)) * 40
    if made == "password":
        return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le")
    if made == "form":
        return form_book(water_issue(), shipped())
    book, buffer = Workbook(), io.BytesIO()
    book.worksheets[0].append(["地区", "年份"])
    book.save(buffer)
    return buffer.getvalue()


def lay_down(case: dict[str, Any], folder: Path) -> None:
    if case.get("make") == "folder":
        (folder / "表.csv").mkdir()
    elif "make" in case:
        (folder / "表.xlsx").write_bytes(content_of(case))
    elif "text" in case:
        (folder / "表.csv").write_text(case["text"], encoding="utf-8")


def named(part: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES[part]]


@pytest.fixture
def _here(request: pytest.FixtureRequest, reporting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = request.getfixturevalue("case")
    lay_down(case, tmp_path)
    if case.get("empty"):
        (tmp_path / "w").rename(tmp_path / "gone")
        (tmp_path / "gone" / "dafeng.toml").unlink()
        monkeypatch.delenv("DAFENG_WORKSPACE")


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("case", named("refused"))
def test_it_is_refused_in_four_parts_and_nothing_is_stored(
    case: dict[str, Any], reporting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*map(str, case["words"])) == case["code"]
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "DAFENG_DEBUG" not in said
    for words in case["says"]:
        assert words in said
    for part in ("进行 / doing", "问题 / problem", "应为 / expected", "下一步 / next"):
        assert any(part in line and len(line.strip()) > len(part) + 3 for line in said.splitlines()), part
    assert run(*map(str, case["words"]), "--json") == case["code"]
    error = json.loads(capsys.readouterr().out)
    assert (error["schema"], error["exit_code"]) == ("dafeng.error/1", case["code"])
    if not case.get("empty"):
        assert reporting.lake is not None
        assert reporting.lake.snapshot().count == 0


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("case", named("told"))
def test_it_is_taken_and_told(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*map(str, case["words"])) == case["code"]
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert case["finding"] in said.err
    assert case["finding"] or "✗" not in said.err

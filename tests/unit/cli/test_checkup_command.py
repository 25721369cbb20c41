"""`dafeng checkup` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import answer, run
from dafeng.workflow.setting import Setting
from statistics_builders import facts, publish


@pytest.fixture
def sewage(reporting: Setting) -> Setting:
    rows = [
        ("sewage_collection_rate", "qingdao", str(year), value)
        for year, value in ((2021, 60.0), (2024, 68.0), (2025, 75.0))
    ]
    publish(reporting, facts(rows, extent="city_proper"), "a")
    return reporting


def test_the_place_of_the_workspace_in_the_year_before(sewage: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, "checkup", "--years", "2021-2025")
    assert data["year"] == 2025
    [done] = data["check_ups"]
    known = [(row["indicator"], row["value"], row["state"]) for row in done["rows"] if row["value"] is not None]
    assert (done["place"], known) == ("qingdao", [("sewage_collection_rate", 75.0, "met")])
    line = next(one for one in data["years"]["qingdao"] if one["indicator"] == "sewage_collection_rate")
    assert (line["first_year"], line["last_year"]) == (2021, 2025)


def test_the_table_may_be_narrowed_and_the_paper_written(sewage: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checkup", "青岛", "--year", "2025", "--only", "met", "--out", "新/体检.html") == 0
    shown = capsys.readouterr()
    assert "城市生活污水集中收集率" in shown.out
    assert "燃气安全隐患" not in shown.out
    assert "燃气安全隐患" in Path("新/体检.html").read_text(encoding="utf-8")


def test_an_empty_place_is_checked_up_as_unknown_and_findings_alone_do_not_fail(
    reporting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("checkup", "济南", "--year", "2025") == 0
    assert "达标0项，未达标0项" in capsys.readouterr().out


def test_sets_are_listed(reporting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    listed = {one["id"]: one for one in answer(capsys, "checkup", "--list")["sets"]}
    assert len(listed["checkup-2024"]["items"]) == 61
    assert run("checkup", "--list") == 0
    assert "checkup-2024" in capsys.readouterr().out

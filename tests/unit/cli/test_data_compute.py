"""`dafeng data compute` as a user runs it."""

from __future__ import annotations

import pytest

from command_line import answer, run
from dafeng.workflow.setting import Setting
from statistics_builders import facts, publish

WORDS = ("data", "compute", "-i", "road_network_density")


@pytest.fixture
def roads(reporting: Setting) -> Setting:
    rows = [
        ("road_length", "qingdao", "2024", 800.0),
        ("built_up_area", "qingdao", "2024", 100.0),
        ("road_length", "qingdao", "2023", 780.0),
    ]
    publish(reporting, facts(rows, extent="built_up"), "a")
    return reporting


def test_results_gaps_and_explanations(roads: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, *WORDS, "--explain")
    assert [(row["place"], row["period"], row["value"]) for row in data["rows"]] == [("qingdao", "2024", 8.0)]
    assert [gap["period"] for gap in data["gaps"]] == ["2023"]
    assert data["explanations"][0]["text"].startswith("青岛市 2024 道路网密度 = 8")
    assert run(*WORDS) == 0
    shown = capsys.readouterr()
    assert "计算结果 1 个" in shown.out
    assert "另有 1 处缺项" in shown.err
    assert run(*WORDS, "--gaps", "--period", "2023年") == 0
    shown = capsys.readouterr().out
    assert "计算结果 0 个" in shown
    assert "建成区面积" in shown


def test_publishing_twice_changes_nothing(
    roads: Setting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer(capsys, *WORDS, "--publish")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132900")
    again = answer(capsys, *WORDS, "--publish")
    assert (first["published"]["appended"], again["published"]["appended"], again["withdrawn"]) == (1, 0, 0)
    assert len(answer(capsys, "data", "show", "-i", "road_network_density", "--versions")["rows"]) == 1


def test_results_as_known_before_are_shown_and_not_published(
    roads: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, *WORDS, "--known-at", "2026-02-01")["rows"] == []
    assert len(answer(capsys, *WORDS, "--as-of", "2026-02-01", "--known-at", "all")["rows"]) == 1
    refused = answer(capsys, *WORDS, "--as-of", "2026-02-01", "--publish", code=2)
    assert "--known-at all" in refused["next_step"]

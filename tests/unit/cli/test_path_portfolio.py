"""`dafeng path portfolio | macc` as a user runs it: answers, the answer that is none, bad options."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import answer, run
from dafeng.pathways.portfolio_place import Selection, select_measures
from form_builders import shipped

FEW = ("prefabricated", "waste_heat", "roof_pv_public")
FROM = ("--from", "2027")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder without a workspace, with few measures to choose from."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")  # 2026-11-20
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dafeng.workflow.setting.load_catalog", lambda _=(): shipped())

    def few(*words: object, **options: object) -> Selection:
        found = select_measures(*words, **options)  # type: ignore[arg-type]
        return Selection(FEW, found.uncosted, found.overlapped)

    monkeypatch.setattr("dafeng.workflow.portfolio.select_measures", few)


def test_the_cheapest_portfolio_in_tables_and_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "portfolio", "青岛", *FROM, "--front", "-q")
    assert found["schema"] == "dafeng.path-portfolio/1"
    assert found["confirmed"]
    assert found["view"] == "whole_field"
    assert set(found["places"]["qingdao"]["measures"]) == set(FEW)
    assert found["front"][0]["level"] > found["front"][-1]["level"]
    assert run("path", "portfolio", "青岛", *FROM, "--rounds", "3") == 0
    told = capsys.readouterr()
    assert "最小成本组合" in told.out
    assert "方案要求的代价" in told.out
    assert "碳价（排放条件的对偶值，当年值）：" in told.out
    assert "与情景模型最大相差" in told.err
    assert "pathways.portfolio.grade-c" in told.err


def test_what_cannot_be_had_leaves_with_five_and_the_least_that_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("path", "portfolio", "青岛", *FROM, "--level", "100", "--rounds", "1")
    assert run(*words) == 5
    told = capsys.readouterr()
    assert "不能同时满足" in told.out
    assert "仅放宽排放上限" in told.out
    assert run(*words, "--json") == 5
    assert '"infeasible"' in capsys.readouterr().out


def test_a_cost_curve_alone_and_together(capsys: pytest.CaptureFixture[str]) -> None:
    alone = answer(capsys, "path", "macc", "青岛", *FROM, "--stand-alone")
    assert alone["schema"] == "dafeng.path-macc/1"
    costs = [step["unit_cost"] for step in alone["steps"]]
    assert costs == sorted(costs)
    assert run("path", "macc", "青岛", *FROM, "-q") == 0
    assert "计相互影响" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("portfolio", "青岛", "--view", "materials"), 2),
        (("portfolio", "青岛", "--budget", "2030=viel"), 2),
        (("portfolio", "青岛", "--carbon-price", "100"), 2),
        (("portfolio", "青岛", "--from", "2050", "--until", "2040"), 3),
        (("portfolio", "青岛", "青岛"), 3),
        (("portfolio", "青岛", "--without", "no-such"), 4),
        (("portfolio", "青岛", "--plan", "no-such"), 4),
        (("portfolio", "无此地"), 4),
        (("macc", "青岛", "--from", "2027", "--year", "2020"), 3),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else str(words),
)
def test_bad_options_are_refused(words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("path", *words) == code
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err

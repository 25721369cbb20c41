"""`dafeng path` as a user runs it: every command, with and without a workspace, the same bytes from the same seed, bad input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import answer, run
from dafeng.workflow.setting import Setting
from form_builders import shipped

CASES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "pathway_bad_input.yaml").read_text(encoding="utf-8")
)
OVERLAY = """
sources:
  - {id: office, title: 供热主管部门, kind: dataset, grade: A, checked_on: 2026-11-20}
measures:
  - {id: own_heat, title: {zh: 本地余热, en: our own waste heat}, unit: share, changes: [{quantity: heat_source_share, of: {heat_source: waste_heat}, how: shift}], most: 1, source: office, grade: C}
scenarios:
  - {id: ours, title: {zh: 本地情景, en: ours}, base: plan-full, place: qingdao, without: [sewage_upgrade],
     measures: [{measure: own_heat, rises_from: 2025, levels: [{year: 2035, level: 0.9}]}]}
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder without a workspace, the shipped catalog read once for all tests."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")  # 2026-11-20
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dafeng.workflow.setting.load_catalog", lambda _=(): shipped())


def names(document: dict[str, Any]) -> list[str]:
    return [finding["name"] for finding in document["findings"]]


def test_a_run_states_series_drivers_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    done = answer(capsys, "path", "run", "青岛", "-s", "plan-full", "--years", "2020,2030")
    assert done["schema"] == "dafeng.path-run/1"
    assert (done["place"], done["scenario"]) == ("qingdao", "plan-full")
    series = done["series"]
    assert set(series["whole_field"]) == {"2020", "2030"}
    parts = (
        "direct_building",
        "purchased_electricity",
        "purchased_heat",
        "materials",
        "construction",
        "municipal_operation",
    )
    for year in ("2020", "2030"):
        assert series["whole_field"][year] == pytest.approx(sum(series[part][year] for part in parts), rel=1e-6)
        assert series["embodied"][year] == pytest.approx(
            series["materials"][year] + series["construction"][year], rel=1e-6
        )
        assert 0 < series["electricity_share"][year] < 1
    moved = series["building_operation"]["2030"] - series["building_operation"]["2020"]
    assert sum(done["drivers"].values()) == pytest.approx(moved, rel=1e-6)
    assert done["reasons"]["qingdao-2024#rail-2025"] == "轨道交通不在城乡建设领域边界内"
    assert run("path", "run", "青岛", "--years", "2030") == 0
    told = capsys.readouterr()
    assert "青岛市 · 趋势" in told.out
    assert "城乡建设领域" in told.out


def test_two_scenarios_are_compared_in_words_and_tonnes(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "compare", "青岛", "plan-full", "plan-plus", "--year", "2040")
    assert found["schema"] == "dafeng.path-compare/1"
    assert any("近零能耗" in sentence for sentence in found["sentences"])
    first, second = (found["series"][each]["building_operation"]["2040"] for each in ("first", "second"))
    assert second < first
    assert sum(found["drivers"].values()) == pytest.approx(second - first, rel=1e-6)
    assert run("path", "compare", "青岛", "plan-full", "plan-plus") == 0
    assert "差 / change" in capsys.readouterr().out


def test_the_uncertain_answer_is_per_boundary_with_the_promise_first(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("path", "uncertain", "青岛", "-n", "64", "--seed", "7", "--json")
    assert run(*words) == 0
    first = capsys.readouterr()
    assert run(*words) == 0
    assert capsys.readouterr().out == first.out, "the same seed gives the same bytes"
    assert first.err.strip() == ""
    found = json.loads(first.out)
    assert found["schema"] == "dafeng.path-uncertain/1"
    assert next(iter(found["boundaries"])) == "whole_field", "the plan promises this one"
    whole = found["boundaries"]["whole_field"]
    assert set(whole["peak_year"]) >= {"p05", "p50", "p95"}
    assert whole["peak_year"]["p05"] <= whole["peak_year"]["p50"] <= whole["peak_year"]["p95"]
    assert 0 <= whole["p_peak_by"]["2030"] <= whole["p_peak_by"]["2035"] <= 1
    assert whole["draws"] == found["draws"] == 64
    assert found["promises"][0]["words"].endswith("概率只反映已列出的不确定性。")
    assert found["inputs"]["borrowed"] > 0
    assert run("path", "uncertain", "青岛", "-n", "64", "--seed", "8", "--json") == 0
    assert capsys.readouterr().out != first.out


def test_the_sensitivity_ranks_the_inputs_of_the_promised_boundary(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "uncertain", "青岛", "-n", "128", "--sensitivity", "purchased_electricity", "-q")
    indices = found["sensitivity"]
    assert list(indices["results"]) == ["peak_year", "level_2030", "level_2060"]
    level = indices["results"]["level_2030"]
    assert [row["total"] for row in level] == sorted((row["total"] for row in level), reverse=True)
    known = [row["factor"] for row in level if row["factor"] != "rest"]
    assert known[0] == "grid"  # what a kilowatt-hour will emit is the least known
    drawn = {group for members in indices["groups"].values() for group in members}
    assert drawn == set(found["sensitivity"]["groups"]["rest"]) | {
        row["factor"] for row in level if row["factor"] != "rest"
    }
    assert run("path", "uncertain", "青岛", "-n", "128", "--sensitivity", "purchased_electricity", "-q") == 0
    assert "敏感性" in capsys.readouterr().out
    assert run("path", "uncertain", "青岛", "--sensitivity", "ceads_direct") == 2


def test_wedges_add_up_to_the_difference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(
        "scenarios:\n  - {id: few, title: {zh: 三项, en: few}, measures: [{measure: prefabricated, levels: [{year: 2030, level: 0.9}]},"
        " {measure: waste_heat, levels: [{year: 2030, level: 0.6}]}, {measure: heat_network_renewal, levels: [{year: 2030, level: 1}]}]}\n",
        encoding="utf-8",
    )
    found = answer(capsys, "path", "wedges", "青岛", "-s", "few.yaml", "--year", "2035")
    assert found["schema"] == "dafeng.path-wedges/1"
    assert found["exact"]
    assert found["evaluations"] == 8
    assert set(found["shapley"]) == {"prefabricated", "waste_heat", "heat_network_renewal"}
    assert sum(found["shapley"].values()) == pytest.approx(found["without"] - found["with_all"], rel=1e-9)
    assert min(found["shapley"].values()) > 0
    assert run("path", "wedges", "青岛", "-s", "few.yaml") == 0
    told = capsys.readouterr()
    assert "全部子集" in told.err
    assert "三项" in told.out


def test_lists_of_scenarios_and_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = answer(capsys, "path", "scenarios")["scenarios"]
    assert {"trend", "frozen", "plan-full", "plan-pace", "plan-plus"} <= {one["id"] for one in scenarios}
    assert run("path", "scenarios") == 0
    assert "plan-full" in capsys.readouterr().out
    inputs = answer(capsys, "path", "inputs", "青岛")["inputs"]
    people = next(row for row in inputs if row["quantity"] == "常住人口")
    assert (people["place"], people["borrowed"]) == ("青岛市", False)
    assert any(row["borrowed"] for row in inputs)
    assert {row["grade"] for row in inputs} <= {"A", "B", "C", "D"}
    assert run("path", "inputs", "青岛") == 0
    assert "借用" in capsys.readouterr().out


def test_what_is_exported_can_be_read_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out" / "qingdao.csv"
    assert run("path", "export", "青岛", "-s", "trend", "-s", "frozen", "-n", "16", "--out", str(out)) == 0
    assert "rows" in capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert {row["Scenario"] for row in rows} == {"trend", "frozen"}
    assert {row["Region"] for row in rows} == {"Qingdao"}
    assert {"Model", "Variable", "Unit", "2020", "2060"} <= set(rows[0])
    read = answer(capsys, "path", "import", str(out))
    assert len(read["rows"]) == len(rows)
    assert names(read) == []
    one = read["rows"][0]
    same = answer(capsys, "path", "import", str(out), "--variable", one["Variable"])["rows"]
    assert {row["Variable"] for row in same} == {one["Variable"]}
    assert run("path", "export", "青岛") == 0
    assert capsys.readouterr().out.startswith("Model,Scenario,Region,Variable,Unit,")


def test_a_foreign_table_with_faults_is_read_with_named_findings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "other.csv"
    file.write_text(
        "Model,Scenario,Region,Variable,Unit,2020,2030\nM,S,China,Emissions|CO2,Mt CO2/yr,1,x\n", encoding="utf-8"
    )
    document = answer(capsys, "path", "import", str(file), code=1)
    assert [name for name in names(document) if name.startswith("pathways.iamc.")]
    assert run("path", "import", str(file)) == 1


def test_an_overlay_brings_its_own_measures_and_sources(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(OVERLAY, encoding="utf-8")
    found = answer(capsys, "path", "compare", "青岛", "plan-full", "ours.yaml", "--year", "2035")
    assert names(found) == []
    assert any("本地余热" in sentence for sentence in found["sentences"])
    first, second = (found["series"][each]["purchased_heat"]["2035"] for each in ("first", "second"))
    assert second < 0.7 * first


def test_a_workspace_keeps_projections_once_and_gives_the_pace(
    reporting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("path", "uncertain", "青岛", "-n", "16", "--publish")
    first = answer(capsys, *words)
    assert first["published"] > 0
    assert answer(capsys, *words)["published"] == 0, "the same draws are stored once"
    other = answer(capsys, *words, "--seed", "3")
    assert other["published"] > 0
    rows = answer(capsys, "data", "show", "-i", "field_co2")["rows"]
    assert {row["kind"] for row in rows} == {"projected"}
    paced = answer(capsys, "path", "run", "青岛", "-s", "plan-pace", "--as-of", "2026-11-20", "--years", "2030")
    assert "没有可外推的观测，按趋势" in paced["reasons"].values()


@pytest.mark.parametrize("case", CASES["overlays"], ids=[case["name"] for case in CASES["overlays"]])
def test_a_bad_overlay_is_named(case: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text(case["file"], encoding="utf-8")
    assert run("path", "run", "青岛", "-s", "mine.yaml", "--years", "2030", "--json") == case["code"]
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert case.get("says", "") in told.out + told.err
    document = json.loads(told.out)
    if "finding" in case:
        assert case["finding"] in names(document)
        assert document["series"]["whole_field"]["2030"] > 0, "the rest of it is worked out"
    else:
        assert document["schema"] == "dafeng.error/1"


@pytest.mark.parametrize("case", CASES["commands"], ids=[case["name"] for case in CASES["commands"]])
def test_a_bad_command_ends_with_a_clean_exit_code(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("path", *case["words"]) == case["code"]
    told = capsys.readouterr()
    assert case["says"] in told.out + told.err
    assert "Traceback" not in told.err


def test_bad_content_of_a_workspace_is_found_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert run("init", "w", "--place", "qingdao", "--quiet") == 0
    folder = tmp_path / "w" / "catalog"
    folder.mkdir(exist_ok=True)
    (folder / "ours.yaml").write_text(CASES["catalog"]["file"], encoding="utf-8")
    found = answer(capsys, "catalog", "check", "-w", "w", code=1)["findings"]
    for wanted in CASES["catalog"]["findings"]:
        assert any(
            one["name"] == wanted["name"] and wanted["of"] in json.dumps(one, ensure_ascii=False) for one in found
        ), wanted
    capsys.readouterr()
    assert run("path", "run", "青岛", "-w", "w") == 4
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert "请核对单位" in told.err

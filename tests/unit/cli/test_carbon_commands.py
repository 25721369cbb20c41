"""`dafeng carbon` and `dafeng peak` as a user runs them."""

from pathlib import Path

import pytest

from command_line import answer, run

ACTIVITY = """指标,地区,范围,年份,数值,单位,数据集,建筑类型,能源
building_electricity,青岛,全域,2022,1000000,kWh,供电公司,公共建筑,
building_electricity,青岛,全域,2024,2000000,kWh,供电公司,公共建筑,
building_heat_use,青岛,全域,2024,10000,GJ,供热公司,公共建筑,
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")  # 2026-11-20
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "use.csv").write_text(ACTIVITY, encoding="utf-8")
    assert run("init", "w", "--place", "qingdao") == 0
    assert run("data", "import", "use.csv", "-w", "w") == 0
    return "w"


def test_an_account_names_what_is_missing_and_publishes_no_whole(
    workspace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = answer(capsys, "carbon", "account", "-w", workspace)
    assert data["schema"] == "dafeng.carbon.account/1"
    found = {(row["period"], row["boundary"], row["basis"]): row["value"] for row in data["totals"]}
    assert found["2022", "purchased_electricity", "location_based"] == pytest.approx(1e6 * 0.6410 / 1000)
    assert not any(boundary == "whole_field" for _, boundary, _ in found)
    assert {"direct_building", "materials"} <= {item["component"] for item in data["missing"] if item["year"] == 2024}


def test_every_tonne_is_explained_by_amount_factor_and_rule(workspace: str, capsys: pytest.CaptureFixture[str]) -> None:
    terms = answer(capsys, "carbon", "explain", "青岛", "2024", "purchased_electricity", "-w", workspace)["terms"]
    (located,) = [term for term in terms if term["basis"] == "location_based"]
    assert (located["amount"], located["factor"], located["rule"]) == (2e6, "grid-province-shandong", "hold_last")
    assert located["value"] == pytest.approx(located["amount"] * located["factor_value"])
    assert "building_electricity" in str(located["activity"]) or located["activity"]


def test_a_rule_that_does_not_reach_leaves_the_component_out(
    workspace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = answer(capsys, "carbon", "account", "-w", workspace, "--rules", "exact")
    whole = [row for row in data["totals"] if row["period"] == "2024" and row["boundary"] == "purchased_electricity"]
    assert not any(row["complete"] for row in whole)
    assert run("carbon", "account", "-w", workspace, "--rules", "guess") == 2


def test_a_published_account_is_data_like_any_other(workspace: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = answer(capsys, "carbon", "account", "-w", workspace, "--publish")
    assert first["stored"] > 0
    again = answer(capsys, "carbon", "account", "-w", workspace, "--publish")
    assert again["stored"] == 0, "the same account twice is one"
    rows = answer(capsys, "data", "show", "-w", workspace, "-i", "field_co2")["rows"]
    assert len(rows) == first["stored"]
    assert {row["kind"] for row in rows} == {"computed"}


def test_factors_show_both_clocks_and_grade(workspace: str, capsys: pytest.CaptureFixture[str]) -> None:
    (factor,) = answer(capsys, "carbon", "factors", "grid_province", "--place", "shandong")["factors"]
    assert len(factor["values"]) == 3
    assert all(value["published_on"] and value["grade"] for value in factor["values"])
    assert run("carbon", "factors", "grid_province", "--place", "吉林") == 4, "the name of a province and of a city"


def test_a_restatement_says_what_changed_and_why(workspace: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "carbon", "restate", "-w", workspace, "--from", "2026-11-20", "--to", "2026-11-20")["rows"]
    assert rows == []
    assert run("carbon", "restate", "-w", workspace, "--from", "2020-01-01") == 3
    assert "2020-01-01" in capsys.readouterr().err


def test_a_peak_needs_five_years_after_the_maximum(
    workspace: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = ["指标,地区,范围,年份,数值,单位,数据集,用途,能源"]
    rows += [
        f"co2_scope1,吉林省,全域,{year},{100 + year - 2000},吨二氧化碳,清单,批发零售、住宿餐饮业,原煤"
        for year in range(2000, 2016)
    ]
    (tmp_path / "co2.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert run("data", "import", "co2.csv", "-w", workspace) == 0
    looks = answer(capsys, "peak", "jilin", "-w", workspace)["looks"]
    assert [look["split"] for look in looks] == [["vehicle-fuels"], []]
    assert {look["peak_year"] for look in looks} == {2015}
    assert {look["status"] for look in looks} <= {"rising", "undetermined"}
    assert run("peak", "qingdao", "-w", workspace) == 0


def test_a_correction_is_restated_with_its_size_and_cause(
    workspace: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796083200")  # 2026-12-01
    corrected = [ACTIVITY.splitlines()[0], ACTIVITY.splitlines()[1].replace("1000000", "1200000")]
    (tmp_path / "correction.csv").write_text("\n".join(corrected) + "\n", encoding="utf-8")
    assert run("data", "import", "correction.csv", "-w", workspace) == 0
    rows = answer(capsys, "carbon", "restate", "-w", workspace, "--from", "2026-11-20", "--to", "2026-12-01")["rows"]
    (row,) = [row for row in rows if row["basis"] == "location_based" and row["boundary"] == "purchased_electricity"]
    assert (row["place"], row["period"]) == ("qingdao", "2022"), "what is not touched is not restated"
    assert row["before"] == pytest.approx(641.0)
    assert row["difference"] == pytest.approx(0.2 * 641.0)
    assert "building_electricity" in row["cause"] or "更正" in row["cause"]

"""`dafeng plan read | accept | diff` as a user runs them, and what the other commands make of a plan that was kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from openpyxl import load_workbook

from command_line import answer, run
from dafeng.base.document import DocumentText
from dafeng.lake import Workspace
from dafeng.plans import reading
from dafeng.plans.read_records import NumberFate, Outline, ReadNumber, ReadTarget
from dafeng.plans.versions import DiffKind
from document_builders import plan_docx, plan_txt

DAY = ["--as-of", "2026-11-20"]
HERE = ["--place", "青岛", "--id", "yunling-2024", *DAY]
LEAK = "城市公共供水管网漏损率"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)


@pytest.fixture
def plan(tmp_path: Path) -> str:
    """Return the invented plan of a city that is no place of the catalog."""
    (tmp_path / "方案.txt").write_bytes(plan_txt())
    return "方案.txt"


@pytest.fixture
def kept(tmp_path: Path, plan: str) -> list[str]:
    """Return the option naming a workspace that keeps that plan."""
    Workspace.create(tmp_path / "w", title="青岛", place="qingdao")
    assert run("plan", "read", plan, "--save", *HERE, "-w", "w", "-q") == 0
    return ["-w", "w"]


def catalog_bytes(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.yaml"))}


def by_label(rows: Sequence[dict[str, Any]], label: str) -> dict[str, Any]:
    return next(row for row in rows if row["label"] == label)


# ---- reading


def test_the_summary_counts_what_was_read(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "read", plan, *HERE) == 0
    shown = capsys.readouterr()
    for line in ("云建发〔2024〕17号", "数值目标 / targets", "责任单位：语法 / 词库", "指标：词库 / 相似 / 未定"):
        assert line in shown.out
    assert "plans.indicator.open" in shown.err
    assert run("plan", "read", plan, *HERE, "-q", "--fail-on", "warning") == 1
    assert run("plan", "read", plan, *HERE, "-q", "--fail-on", "error") == 0


def test_json_holds_the_reading_the_plan_and_its_drafts(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, "plan", "read", plan, *HERE)
    assert data["schema"] == "dafeng.plan.read/1"
    assert data["document"]["format"] == "txt"
    assert data["plan"]["id"] == "yunling-2024"
    assert data["plan"]["place"] == "qingdao"
    leak = by_label(data["targets"], LEAK)
    assert (leak["comparator"], leak["value"], leak["unit"], leak["by"]) == ("<=", 8.5, "%", 2028)
    assert LEAK in leak["quote"]
    assert leak["where"].startswith("第")
    assert len(data["numbers"]) == data["coverage"]["numbers"] == 54
    open_targets = [target for target in data["plan"]["targets"] if target["indicator"].startswith("draft_")]
    assert {target["indicator"] for target in open_targets} == {each["id"] for each in data["drafts"]["indicators"]}
    assert {each["grade"] for each in data["drafts"]["indicators"]} == {"D"}
    assert data["state"] == {"items": 29, "reviewed": 0, "rejected": 0}


def test_a_place_that_nobody_names_is_asked_for(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = answer(capsys, "plan", "read", plan, code=2)
    assert error["code"] == "usage"
    assert "云岭市" in error["problem"]
    assert "--place" in error["next_step"]
    (tmp_path / "b.txt").write_bytes(
        plan_txt().replace("云岭市".encode(), b"").replace("本市".encode(), "本地".encode())
    )
    assert "没有写明" in answer(capsys, "plan", "read", "b.txt", code=2)["problem"]
    assert answer(capsys, "plan", "read", plan, "--place", "没有这个市", code=4)["code"] == "unknown-name"


def test_a_plan_that_names_its_place_needs_no_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_bytes(plan_txt().replace("云岭市".encode(), "威海市".encode()))
    assert answer(capsys, "plan", "read", "a.txt")["plan"]["id"] == "weihai-2024"


def test_every_number_is_listed_with_its_fate(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "read", plan, "--numbers", *HERE, "-q") == 0
    shown = capsys.readouterr().out
    assert "文号" in shown
    assert "water-leakage-rate-2028" in shown
    assert "任务 / tasks" not in shown


def test_a_number_without_a_fate_ends_with_one(
    plan: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    promises = reading.read_promises

    def forgetful(
        document: DocumentText, outline: Outline, numbers: tuple[ReadNumber, ...]
    ) -> tuple[tuple[ReadTarget, ...], tuple[NumberFate, ...]]:
        targets, fates = promises(document, outline, numbers)
        return targets, (fates[0].model_copy(update={"fate": "unclaimed"}), *fates[1:])

    monkeypatch.setattr(reading, "read_promises", forgetful)
    assert run("plan", "read", plan, "--numbers", *HERE, "-q") == 1
    assert "unclaimed" in capsys.readouterr().out
    assert run("plan", "read", plan, *HERE) == 0
    assert "plans.number.unclaimed" in capsys.readouterr().err


def test_plan_file_and_labels_go_to_standard_output_or_a_file(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "read", plan, "--format", "yaml", *HERE, "-q") == 0
    text = capsys.readouterr().out
    assert (
        by_label(yaml.safe_load(text)["targets"], LEAK)["at"][1]
        > by_label(yaml.safe_load(text)["targets"], LEAK)["at"][0]
    )
    assert run("plan", "read", plan, "--format", "yaml", *HERE, "-q", "--out", "p.yaml") == 0
    assert (tmp_path / "p.yaml").read_text(encoding="utf-8") == text
    assert run("plan", "read", plan, "--format", "labels", *HERE, "-q", "--out", ".") == 0
    labels = json.loads((tmp_path / "yunling-2024.json").read_text(encoding="utf-8"))
    assert len(labels["tasks"]) == 6
    assert run("plan", "read", plan, "--format", "yaml", *HERE, "-q", "--out", "no/such/folder/p.yaml") == 3


@pytest.mark.parametrize("other", ["--json", "--numbers"])
def test_two_outputs_at_once_are_refused(plan: str, other: str) -> None:
    assert run("plan", "read", plan, "--format", "yaml", other, *HERE) == 2


# ---- keeping


def test_a_kept_plan_is_a_plan_like_any_other(kept: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    plans = answer(capsys, "plan", "list", *kept)["plans"]
    assert next(row for row in plans if row["id"] == "yunling-2024")["targets"] == 24
    shown = answer(capsys, "plan", "show", "yunling-2024", *kept)["plan"]
    assert by_label(shown["targets"], LEAK)["canonical_value"] == 8.5
    bodies = [body for target in shown["targets"] for body in target["bodies"]]
    assert {"as_written": "市机关事务局", "id": "draft-yunling-2024-1"} in bodies
    compared = answer(capsys, "plan", "compare", "yunling-2024", *kept)
    assert any("严于上级" in row["note"] for row in compared["rows"])
    assert run("catalog", "check", *kept, "-q") == 0


def test_open_targets_are_shown_and_never_judged(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "数.csv").write_text(
        "地区,年份,指标,数值,单位\n青岛,2025,建筑用能电气化比例,10,%\n青岛,2025,再生水利用率,26,%\n", encoding="utf-8"
    )
    assert run("data", "import", "数.csv", "--dataset", "年鉴", *kept, "-q") == 0
    data = answer(capsys, "assess", "yunling-2024", *DAY, *kept, "--known-at", "all")
    open_rows = [row for row in data["rows"] if row["indicator"].startswith("draft_")]
    assert len({row["target"] for row in open_rows}) == 12
    assert {row["status"] for row in open_rows} <= {"no_data", "unknown"}
    assert all("指标待定" in row["reason"] for row in open_rows)
    assert any(row["latest"] for row in open_rows)
    assert (
        next(row for row in data["rows"] if row["target"] == "star-green-building-share-2025")["status"] == "unproven"
    )


def test_the_responsibility_list_of_a_kept_plan_is_written(kept: list[str], tmp_path: Path) -> None:
    assert run("report", "build", "yunling-2024", "--kind", "responsibility", *DAY, *kept, "-q") == 0
    assert list((tmp_path / "w" / "runs").rglob("*.docx"))


def test_keeping_twice_changes_nothing(kept: list[str], plan: str, tmp_path: Path) -> None:
    before = catalog_bytes(tmp_path / "w" / "catalog")
    assert set(before) == {"plans/yunling-2024.yaml", "drafts/yunling-2024.yaml"}
    assert run("plan", "read", plan, "--save", *HERE, *kept, "-q") == 0
    assert catalog_bytes(tmp_path / "w" / "catalog") == before


@pytest.mark.slow
def test_two_plans_with_the_same_open_words_stand_side_by_side(kept: list[str], plan: str) -> None:
    assert run("plan", "read", plan, "--save", "--place", "济南", *DAY, *kept, "-q") == 0
    assert run("plan", "read", plan, "--save", "--place", "青岛", "--id", "yunling-2024-2", *DAY, *kept, "-q") == 0
    assert run("plan", "read", plan, "--save", *HERE, *kept, "-q") == 0
    assert run("catalog", "check", *kept, "-q") == 0


def test_a_shipped_plan_is_not_covered_by_chance(
    kept: list[str], plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", "read", plan, "--save", "--place", "青岛", *DAY, *kept, "-q"]
    capsys.readouterr()
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert "--id qingdao-2024-read" in said
    assert "--replace" in said
    assert run(*words, "--replace") == 0
    assert answer(capsys, "plan", "show", "qingdao-2024", *kept)["plan"]["document"]["number"] == "云建发〔2024〕17号"


def test_keeping_needs_a_workspace(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "read", plan, "--save", *HERE, "-q") != 0
    assert "dafeng init" in capsys.readouterr().err


# ---- deciding


@pytest.mark.slow
def test_what_is_sure_enough_is_accepted_in_bulk(
    kept: list[str], plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", "accept", "--file", plan, "--above", "0.9", *HERE, *kept]
    assert answer(capsys, *words, code=2)["code"] == "usage"
    data = answer(capsys, *words, "--by", "张三")
    assert data["schema"] == "dafeng.plan.accept/1"
    assert data["state"]["reviewed"] == len(data["decisions"]) > 5
    assert {decision["by"] for decision in data["decisions"]} == {"张三"}
    again = answer(capsys, *words, "--by", "李四")
    assert again["decisions"] == []
    assert again["state"] == data["state"]
    notes = {target["note"] for target in answer(capsys, "plan", "show", "yunling-2024", *kept)["plan"]["targets"]}
    assert "张三 2026-11-20 采纳" in notes
    assert any(note.startswith("机读，未复核") for note in notes)


def test_a_filled_review_sheet_is_taken_and_named_by_its_document(
    kept: list[str], plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "read", plan, "--format", "xlsx", "--out", "复核.xlsx", *HERE, *kept, "-q") == 0
    book = load_workbook(tmp_path / "复核.xlsx")
    sheet = next(sheet for sheet in book if any(cell.value == "决定" for row in sheet.iter_rows() for cell in row))
    head = next(row for row in sheet.iter_rows() if any(cell.value == "决定" for cell in row))
    decision = next(cell.column for cell in head if cell.value == "决定")
    line = next(row[0].row for row in sheet.iter_rows() if any(LEAK in str(cell.value) for cell in row))
    sheet.cell(line, decision).value = "驳回"
    reason = next(cell.column for cell in head if cell.value and "理由" in str(cell.value) and cell.column > decision)
    sheet.cell(line, reason).value = "重复"
    book.save(tmp_path / "复核.xlsx")
    data = answer(capsys, "plan", "accept", "复核.xlsx", "--by", "张三", *DAY, *kept)
    assert [(each["verdict"], each["reason"]) for each in data["decisions"]] == [("reject", "重复")]
    shown = answer(capsys, "plan", "show", "yunling-2024", *kept)["plan"]
    assert sum(target["label"] == LEAK for target in shown["targets"]) == 1  # that of the annex stays
    assert shown["document"]["named"] == "方案.txt"
    assert "方案.txt" in (tmp_path / "w" / "catalog" / "plans" / "yunling-2024.yaml").read_text(encoding="utf-8")


def test_nothing_to_accept_is_said(kept: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "plan read" in answer(capsys, "plan", "accept", *kept, code=2)["next_step"]
    assert answer(capsys, "plan", "accept", "没有.xlsx", "--by", "张三", *kept, code=3)["code"] == "input"


@pytest.mark.slow
def test_decisions_hold_on_the_next_version_and_show_what_changed(
    kept: list[str], plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = answer(capsys, "plan", "accept", "--file", plan, "--above", "0.9", "--by", "张三", *HERE, *kept)
    assert first["state"]["reviewed"] > 5
    old, new = "到2028年，城市公共供水管网漏损率控制在8.5%以内", "到2028年，城市公共供水管网漏损率控制在8%以内"
    changed = plan_txt().decode().replace(old, new).replace("人均公园绿地面积达到13.8㎡", "人均公园绿地面积达到14㎡")
    (tmp_path / "新版.txt").write_text(changed, encoding="utf-8")
    data = answer(capsys, "plan", "read", "新版.txt", *HERE, *kept)
    assert by_label(data["plan"]["targets"], LEAK)["value"] == 8
    reworded = [finding for finding in data["findings"] if finding["name"] == "plans.decision.reworded"]
    assert ["8.5变为8.0" in finding["sentence"] for finding in reworded] == [True]
    hows = [applied["how"] for applied in data["decisions"]]
    assert hows.count("carried") == 1
    assert hows.count("exact") == first["state"]["reviewed"] - 1
    rows = answer(capsys, "plan", "diff", "yunling-2024", "新版.txt", "--place", "青岛", *DAY, *kept)
    assert rows["schema"] == "dafeng.plan.diff/1"
    changes = {
        change["field"]: (change["before"], change["after"])
        for row in rows["rows"]
        if row["kind"] == "changed" and LEAK in row["phrase"]
        for change in row["changes"]
    }
    assert changes["value"] == ("8.5", "8")


# ---- comparing versions


@pytest.mark.slow
def test_files_and_kept_plans_are_compared(
    kept: list[str], plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "方案.docx").write_bytes(plan_docx())
    same = answer(capsys, "plan", "diff", plan, "方案.docx", "--place", "青岛", *DAY, *kept)
    assert {name: count for name, count in same["counts"].items() if count} == {"same": 35}
    (tmp_path / "新版.txt").write_bytes(plan_txt().replace("不少于3个".encode(), "不少于5个".encode()))
    assert run("plan", "read", "新版.txt", "--save", "--place", "青岛", "--id", "yunling-2025", *DAY, *kept, "-q") == 0
    rows = answer(capsys, "plan", "diff", "yunling-2024", "yunling-2025", *kept)["rows"]
    changed = [row for row in rows if row["kind"] != DiffKind.SAME]
    assert [[(each["field"], each["before"], each["after"]) for each in row["changes"]] for row in changed] == [
        [("value", "3", "5")]
    ]
    assert answer(capsys, "plan", "diff", "yunling-2024", "nix", *kept, code=4)["code"] == "unknown-name"
    capsys.readouterr()
    assert run("plan", "diff", "yunling-2024", "yunling-2025", *kept) == 0
    assert "3 → 5" in capsys.readouterr().out


# ---- calls that go wrong


@pytest.mark.parametrize(
    "words", [["--out", "x.xlsx"], ["--format", "xlsx", "--out", "x.docx"], ["--format", "labels", "--out", "a.yaml"]]
)
def test_an_output_that_does_not_fit_the_format_is_refused(
    words: list[str], plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(tmp_path.iterdir())
    assert run("plan", "read", plan, *HERE, *words) == 2
    assert "不合 / do not go together" in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


def test_a_missing_file_is_named_as_a_file(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "diff", plan, "没有.docx", *DAY, "--place", "青岛") == 3
    assert "没有.docx" in capsys.readouterr().err


def test_a_bad_cell_is_shown_and_the_other_decisions_stand(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "read", "方案.txt", "--format", "xlsx", "--out", "复核.xlsx", *HERE, *kept, "-q") == 0
    book = load_workbook("复核.xlsx")
    sheet = book["目标"]
    heads = {cell.value: cell.column for row in sheet.iter_rows(max_row=4) for cell in row if cell.value}
    first = next(
        row
        for row in range(2, 12)
        if sheet.cell(row, heads["指标"]).value and sheet.cell(row, heads["编号"]).value == 1
    )
    sheet.cell(first, heads["决定"], "采纳")
    sheet.cell(first + 1, heads["决定"], "也许")
    book.save("复核.xlsx")
    assert run("plan", "accept", "复核.xlsx", "--by", "王工", *DAY, *kept) == 1
    assert "也许" in capsys.readouterr().err
    [stored] = yaml.safe_load((tmp_path / "w" / "catalog" / "decisions" / "yunling-2024.yaml").read_text())["decisions"]
    assert (stored["verdict"], stored["by"]) == ("accept", "王工")

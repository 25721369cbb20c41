"""`dafeng plan draft` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from docx import Document

from command_line import answer, run

CHANGCHUN = ["plan", "draft", "jilin", "--place", "changchun", "--as-of", "2024-03-01"]


def text_of(path: Path) -> str:
    return "\n".join(paragraph.text for paragraph in Document(str(path)).paragraphs)


def test_draft_and_notes_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "分解.csv"
    table.write_bytes("目标编号,分解值\nheat-network-2025,1200\nleakage-2030,\n".encode("gb18030"))
    out = tmp_path / "草案.docx"
    found = answer(capsys, *CHANGCHUN, "--allocations", str(table), "--out", str(out), "-q")
    assert found["schema"] == "dafeng.plan.draft/1"
    assert found["files"] == [str(out), str(tmp_path / "草案-起草说明.docx")]
    sentences = {each["id"]: each["sentence"] for each in found["draft"]["targets"]}
    assert sentences["heat-network-2025"] == "2021至2025年，累计完成供热管网改造1200公里"
    assert sentences["heat-network-yearly"] == "2021至2025年，每年改造供热管网【待分解】公里"
    words = text_of(out)
    assert "长春市城乡建设领域碳达峰工作方案\n（征求意见稿）" in words
    assert "到2030年，建筑用电占建筑能耗比例超过65%。" in words
    assert "（责任单位：市自然资源和规划局、市住房城乡建设局、市水务局、各县（市、区））" in words
    assert "市人民政府文件" not in words
    assert "数值来源" in text_of(tmp_path / "草案-起草说明.docx")
    first = out.read_bytes()
    assert run(*CHANGCHUN, "--allocations", str(table), "--out", str(out), "-q") == 0
    assert out.read_bytes() == first


def test_allocations_stand_in_workbooks_and_short_rows_are_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("目标编号", "分解值", "备注"), ("heat-network-2025", 1200, "已核"), ("leakage-2030", None, None)]
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "分解.xlsx")
    (tmp_path / "分解.csv").write_text("目标编号,分解值\nheat-network-2025,1200\nleakage-2030\n", encoding="utf-8")
    (tmp_path / "分解.json").write_text('{"heat-network-2025": 1200, "leakage-2030": null}', encoding="utf-8")
    for name in ("分解.xlsx", "分解.csv", "分解.json"):
        found = answer(capsys, *CHANGCHUN, "--allocations", str(tmp_path / name), "-q")
        slots = {each["id"]: each["slot"] for each in found["draft"]["targets"]}
        assert [slot for slot in slots.values() if slot == "allocated"] == ["allocated"]
        assert slots["heat-network-2025"] == "allocated"


def test_a_red_head_is_drawn_only_when_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "a.docx"
    head = ["--red-head", "长春市人民政府文件", "--number", "长府发〔2024〕1号"]
    assert run(*CHANGCHUN, "--out", str(out), *head, "-q") == 0
    assert "长春市人民政府文件" in text_of(out)
    assert run(*CHANGCHUN, "--number", "长府发〔2024〕1号", "-q") == 2


def test_without_a_file_the_draft_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("plan", "draft", "qingdao", "--place", "市南区", "--as-of", "2024-03-01", "--without", "rural", "-q") == 0
    )
    shown = capsys.readouterr().out
    assert "市南区城乡建设领域碳达峰工作方案" in shown
    assert "未列入" in shown


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", "甲,乙\n1,2\n", 3),
        ("a.csv", "target,value\nleakage-2030,八\n", 3),
        ("a.csv", "target,value\nleakage-2030,nan\n", 3),
        ("a.csv", "target,value\nleakage-2030,7\nleakage-2030,8\n", 3),
        ("a.json", "{", 3),
        ("a.json", "3", 3),
        ("a.csv", "target,value\nno-such,7\n", 2),
    ],
)
def test_a_faulty_allocation_is_refused(
    name: str, content: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert run(*CHANGCHUN, "--allocations", str(tmp_path / name)) == code
    said = capsys.readouterr().err
    assert "下一步" in said
    assert "Traceback" not in said


def test_wrong_places_and_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "draft", "qingdao", "--place", "changchun") == 2
    assert run(*CHANGCHUN, "--out", str(tmp_path / "a.pdf")) == 2
    assert run(*CHANGCHUN, "--allocations", str(tmp_path / "none.csv")) == 3
    assert "Traceback" not in capsys.readouterr().err

"""`dafeng ledger` as its users run it."""

from pathlib import Path

import openpyxl
import pytest

from command_line import answer, run

HEAD = "项目编码,工程名称,项目阶段,所在地,地域,建设性质,建筑类别,建筑面积（万㎡）,开工日期"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert run("init", str(tmp_path / "w"), "--place", "qingdao", "--quiet") == 0
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")
    return tmp_path / "w"


def ledger(workspace: Path, *rows: str, name: str = "a.csv") -> str:
    (workspace / name).write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return name


def good(code: str, name: str = "幸福里小区", area: str = "1.2", stage: str = "施工") -> str:
    return f"{code},{name},{stage},市南区,城镇,新建,居住建筑,{area},2024-05-01"


@pytest.mark.slow
def test_import_show_correct_and_import_again(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("ledger", "import", ledger(workspace, good("A-1"), good("A-2", "和谐苑")), "-r", "projects")
    first = answer(capsys, *words)["files"][0]
    assert (first["appended"], first["refused"], first["register_id"]) == (2, 0, "projects")
    assert answer(capsys, *words)["files"][0]["already"]
    state = {item["id"]: item for item in answer(capsys, "ledger", "list")["registers"]}["projects"]
    assert (state["rows"], state["things"]) == (2, 2)
    rows = answer(capsys, "ledger", "show", "projects", "--place", "市南区")["rows"]
    assert [(row["key"], row["gross_area"]) for row in rows] == [("A-1", 12000.0), ("A-2", 12000.0)]
    assert len(answer(capsys, "ledger", "show", "projects", "--place", "山东省")["rows"]) == 2
    assert answer(capsys, "ledger", "show", "projects", "--place", "市北区")["rows"] == []
    assert run("ledger", "template", "projects", "--filled", "--out", "b.xlsx") == 0
    same = answer(capsys, "ledger", "import", "b.xlsx")["files"][0]
    assert (same["appended"], same["unchanged"], same["findings"]) == (0, 2, [])
    book = openpyxl.load_workbook("b.xlsx")
    sheet = book.worksheets[0]
    area = next(cell.column for cell in sheet[1] if ":gross_area:" in str(cell.value))
    sheet.cell(5, area).value = 13000
    book.save("b.xlsx")
    assert answer(capsys, "ledger", "import", "b.xlsx")["files"][0]["superseded"] == 1
    versions = answer(capsys, "ledger", "show", "projects", "A-1")["versions"]
    assert [row["gross_area"] for row in versions] == [12000.0, 13000.0]
    assert run("ledger", "show", "projects", "A-1") == 0
    assert "市南区" in capsys.readouterr().out
    assert run("ledger", "template", "projects", "--out", "b.xlsx") == 2


def test_a_book_without_a_column_leaves_its_values_as_they_are(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "ledger", "import", ledger(workspace, good("A-1")), "-r", "projects")
    short = [HEAD.rsplit(",", 1)[0], good("A-1", area="1.5").rsplit(",", 1)[0]]
    (workspace / "b.csv").write_text("\n".join(short) + "\n", encoding="utf-8")
    assert answer(capsys, "ledger", "import", "b.csv", "-r", "projects")["files"][0]["superseded"] == 1
    row = answer(capsys, "ledger", "show", "projects")["rows"][0]
    assert (row["gross_area"], row["start_date"]) == (15000.0, "2024-05-01")


def test_faults_set_the_exit_code_and_a_dry_run_stores_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ledger(workspace, good("A-1"), good("", "无码"), good("A-3", area="0"))
    found = answer(capsys, "ledger", "import", name, "-r", "projects", "--dry-run", code=1)["files"][0]
    assert (found["accepted"] + found["accepted_with_finding"], found["refused"], found["appended"]) == (1, 2, 0)
    cells = {finding["name"]: finding["where"]["cell"] for finding in found["findings"]}
    assert (cells["ledger.key.missing"], cells["ledger.number.zero-area"]) == ("A3", "H4")
    assert answer(capsys, "ledger", "show", "projects")["rows"] == []
    assert run("ledger", "import", name, "-r", "nosuch") == 4
    assert run("ledger", "import", "none.csv") == 3
    assert run("ledger", "import", name, "--set", "work") == 2
    assert run("ledger", "show", "projects", "A-9") == 4


@pytest.mark.slow
def test_candidates_links_and_withdrawal(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [good("A-1"), good("A-2", "幸福里小区项目"), good("A-3", "金水花园二期"), good("A-4", "金水花园")]
    answer(capsys, "ledger", "import", ledger(workspace, *rows), "-r", "projects")
    pairs = answer(capsys, "ledger", "candidates")["pairs"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("A-1", "A-2")]
    decided = ("--reason", "同一项目两次登记", "--by", "张三")
    made = answer(capsys, "ledger", "link", "same", "A-2", "--to", "A-1", *decided)
    assert Path(made["file"]).is_relative_to(workspace / "catalog/links")
    assert run("catalog", "check") == 0
    assert answer(capsys, "ledger", "candidates")["pairs"] == []
    assert [row["key"] for row in answer(capsys, "ledger", "show", "projects")["rows"]] == ["A-1", "A-3", "A-4"]
    assert run("ledger", "link", "same", "A-1", "--to", "A-2", *decided) == 3  # a circle
    assert run("ledger", "link", "split", "A-3", "--to", "A-5", *decided) == 2
    assert run("ledger", "link", "same", "A-8", "--to", "A-1", *decided) == 4
    split = answer(capsys, "ledger", "link", "split", "A-3", "--to", "A-5", "--to", "A-6", *decided)
    assert [finding["name"] for finding in split["findings"]] == ["buildings.things.split-part-absent"]
    assert answer(capsys, "ledger", "withdraw", "projects", "A-4", "--reason", "误报")["withdrawn"] == 1
    assert "A-4" not in {row["key"] for row in answer(capsys, "ledger", "show", "projects")["rows"]}


@pytest.mark.slow
def test_roll_up_publishes_observations(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "ledger", "import", ledger(workspace, good("A-1")), "-r", "projects")
    rolled = answer(capsys, "ledger", "rollup", "--years", "2024-2025")
    assert rolled["observations"]
    assert rolled["published"]["appended"] == len(rolled["observations"])
    again = answer(capsys, "ledger", "rollup", "--years", "2024-2025")
    assert again["published"]["already"]
    assert run("ledger", "rollup", "--years", "x") == 2
    assert run("ledger", "rollup", "--years", "2025-2024") == 2
    assert "2025-2024" in capsys.readouterr().err
    words = ("ledger", "link", "split", "A-1", "--to", "B-1", "--to", "B-2", "--reason", "分期", "--by", "张三")
    assert run(*words) == 0
    capsys.readouterr()
    found = answer(capsys, "ledger", "rollup", "--years", "2024-2025", "--dry-run")["findings"]
    assert "buildings.things.split-part-absent" in [finding["name"] for finding in found]

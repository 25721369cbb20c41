"""`dafeng path allocate` on the demonstration: divide, consult, answer, publish, judge; bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from command_line import answer, run
from dafeng.base.observation import ObservationKind
from dafeng.catalog import Catalog, load_catalog
from dafeng.lake import Workspace
from dafeng.workflow.demonstration import demo_files
from dafeng.workflow.facts import ImportOptions, import_file
from dafeng.workflow.setting import open_setting

CASES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "allocation_bad_input.yaml").read_text(encoding="utf-8")
)
DAY = ("--as-of", "2026-10-20")
TWO = ("demo-city", "-t", "retrofit-yearly", "-t", "rural-retrofit-2027", *DAY)


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("allocate") / "demo"
    workspace = Workspace.create(root, title="示范市（虚构）", place="demo-city", plan="demo-city-2024")
    workspace.put_catalog(demo_files() / "catalog")
    options = ImportOptions(dataset="demo-ledger", kind=ObservationKind.DEMONSTRATION, published_on=date(2026, 2, 27))
    divisions = demo_files() / "data" / "ledger_divisions.csv"
    import_file(open_setting(workspace), divisions, options, recorded_at=datetime(2026, 10, 15, tzinfo=UTC))
    return root


@pytest.fixture(scope="module")
def catalog(demonstration: Path) -> Catalog:
    return load_catalog([demonstration / "catalog"])


@pytest.fixture(autouse=True)
def workspace(demonstration: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder; the demonstration's workspace and catalog are shared by tests that publish nothing."""
    monkeypatch.setattr("dafeng.workflow.setting.load_catalog", lambda _=(): catalog)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1792454400")  # 2026-10-20
    monkeypatch.setenv("DAFENG_WORKSPACE", str(demonstration))
    monkeypatch.chdir(tmp_path)
    return demonstration


@pytest.fixture
def own(demonstration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the workspace to write into."""
    shutil.copytree(demonstration, tmp_path / "own")
    monkeypatch.setenv("DAFENG_WORKSPACE", str(tmp_path / "own"))
    return tmp_path / "own"


def fill(path: Path, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Answer rows, given by target and place id, in a workbook."""
    book = openpyxl.load_workbook(path)
    sheet = book["征求意见表"]
    columns = {cell.value.removeprefix("dafeng-consult:"): cell.column for cell in sheet[1] if cell.value}
    for row in sheet.iter_rows(min_row=5):
        for name, value in rows.get(tuple(str(row[0].value).split("|")), {}).items():  # type: ignore[call-overload]
            sheet.cell(row[0].row, columns[name]).value = value
    book.save(path)


def by_target(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["problem"]["target"]: one for one in document["allocations"]}


def values(allocation: dict[str, Any]) -> dict[str, float]:
    return {share["member"].removeprefix("demo-city-"): share["value"] for share in allocation["shares"]}


def test_targets_are_divided_by_the_catalogs_rules_with_sources(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "allocate", *TWO, "--compare")
    yearly, rural = by_target(found)["retrofit-yearly"], by_target(found)["rural-retrofit-2027"]
    assert sum(round(10 * value) for value in values(yearly).values()) == 1200
    assert sum(values(rural).values()) == 12000
    assert [sum(share["yearly"][year] for share in rural["shares"]) for year in ("2024", "2025", "2026", "2027")] == [
        3000
    ] * 4
    (criterion,) = yearly["problem"]["criteria"]
    assert criterion["id"] == "urban_population"
    dongwan = criterion["values"]["demo-city-dongwan"]
    assert (dongwan["source"], dongwan["grade"], dongwan["kind"], dongwan["years"]) == (
        "demo-ledger",
        "B",
        "demonstration",
        [2025],
    )
    # by hand: urban population of the district over that of all
    whole = sum(
        one["value"]
        for name, one in criterion["values"].items()
        if name in {share["member"] for share in yearly["shares"]}
    )
    assert values(yearly)["dongwan"] == pytest.approx(120 * dongwan["value"] / whole, abs=0.1)
    compared = found["comparisons"]["retrofit-yearly|demo-city"]
    assert {row["method"] for row in compared["rows"]} >= {"per_head", "grandfathering", "convergence", "entropy"}


def test_rates_take_their_present_from_numerator_and_denominator(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "allocate", "demo-city", "-t", "star-share-2030", *DAY, "--ceiling", "青禾县=40")
    one = by_target(found)["star-share-2030"]
    assert all(share["present"] is not None for share in one["shares"])
    assert values(one)["qinghe"] <= 40
    assert one["mean"] >= 50


def test_papers_are_written_in_the_official_layout_and_twice_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.docx", "b.docx", "a.xlsx", "b.xlsx"):
        assert run("path", "allocate", *TWO, "--compare", "--out", name, "-q") == 0
    assert Path("a.docx").read_bytes() == Path("b.docx").read_bytes()
    assert Path("a.xlsx").read_bytes() == Path("b.xlsx").read_bytes()
    book = openpyxl.load_workbook("a.xlsx")
    sheet = next(book[name] for name in book.sheetnames if name.startswith("附表2"))
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=3)]
    assert rows[0][0] == "示范市合计"
    assert rows[0][2] == sum(row[2] for row in rows[1:7]) == 12000
    assert "【演示数据】" in sheet["A1"].value
    capsys.readouterr()


def test_every_target_of_the_plan_can_be_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "allocate", "demo-city", *DAY)
    kinds = {one["problem"]["kind"] for one in found["allocations"]}
    assert kinds == {"amount", "rate", "limit", "event"}
    assert run("path", "allocate", "demo-city", *DAY, "--out", "all.docx", "-q") == 0
    capsys.readouterr()


def test_a_table_of_criteria_goes_before_the_workspace(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("东湾区", "西坡区", "新岸区", "青禾县", "云麓县", "石桥市")
    Path("财力.csv").write_text(
        "地方,财力\n" + "".join(f"{name},{10 * (at + 1)}\n" for at, name in enumerate(names)), encoding="utf-8"
    )
    words = (
        "path",
        "allocate",
        "demo-city",
        "-t",
        "retrofit-yearly",
        *DAY,
        "-m",
        "capacity",
        "-c",
        "财力",
        "--criteria",
        "财力.csv",
    )
    found = by_target(answer(capsys, *words, "--total", "210", "--digit", "1"))["retrofit-yearly"]
    assert values(found) == {"dongwan": 10, "xipo": 20, "xinan": 30, "qinghe": 40, "yunlu": 50, "shiqiao": 60}
    assert found["problem"]["criteria"][0]["values"]["demo-city-xipo"]["source"] == "财力.csv"


def test_departments_share_what_the_plan_gives_them(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "path", "allocate", "demo-city", "-t", "heat-network-yearly", "--bodies", *DAY)
    one = by_target(found)["heat-network-yearly"]
    assert one["problem"]["method"] == "shares"
    assert sum(round(share["value"] * 10) for share in one["shares"]) == 450
    assert "workflow.allocation.body-collective" in {finding["name"] for finding in found["findings"]}


def test_divide_consult_answer_publish_and_judge(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = answer(capsys, "path", "allocate", *TWO, "--consult", "--due", "2026-11-10", "--out", "征求意见.xlsx")
    proposed = values(by_target(sent)["retrofit-yearly"])["dongwan"] - 3
    rows: dict[tuple[str, str], dict[str, Any]] = {
        (one["problem"]["target"], share["member"]): {"answer": "同意", "person": "张三"}
        for one in sent["allocations"]
        for share in one["shares"]
    }
    rows["retrofit-yearly", "demo-city-dongwan"] = {
        "answer": "修改建议",
        "proposed": proposed,
        "reason": "老旧存量已基本改完",
    }
    fill(Path("征求意见.xlsx"), rows)

    looked = answer(capsys, "path", "allocate-answers", "征求意见.xlsx", "--dry-run", *DAY)
    assert [finding["name"] for finding in looked["findings"]] == ["workflow.consultation.proposal-open"]
    assert (looked["run"], looked["missing"], len(looked["decisions"])) == (None, [], 12)

    taken = answer(
        capsys, "path", "allocate-answers", "征求意见.xlsx", "--accept", "东湾区", "--out", "定稿.docx", *DAY
    )
    after = values(by_target(taken)["retrofit-yearly"])
    assert after["dongwan"] == proposed
    (changed,) = [one for one in taken["findings"] if one["name"] == "workflow.consultation.agreed-changed"]
    assert "西坡区" in changed["sentence"]  # agreed to less than it now gets
    assert sum(round(10 * value) for value in after.values()) == 1200
    assert Path("定稿.docx").is_file()
    assert (own / "runs" / taken["run"]).is_dir()

    done = answer(capsys, "path", "allocate-publish", "--interim", *DAY)
    monkeypatch.setattr("dafeng.workflow.setting.load_catalog", load_catalog)  # with the plans just written
    assert done["plans"]["demo-city-dongwan"] == "demo-city-dongwan-from-demo-city-2024"
    shown = answer(capsys, "plan", "show", done["plans"]["demo-city-dongwan"])
    text = json.dumps(shown, ensure_ascii=False)
    assert "上级目标 demo-city-2024/retrofit-yearly" in text
    judged = answer(capsys, "assess", done["plans"]["demo-city-dongwan"], *DAY)
    status = {(row["target"], row["year"]): (row["status"], row["value"]) for row in judged["rows"]}
    assert status["retrofit-yearly", 2025] == ("missed", proposed)  # 31.42 was done in 2025

    again = answer(capsys, "path", "allocate", "demo-city", "-t", "drains-2027", *DAY, "--consult", "--out", "二.xlsx")
    answer(capsys, "path", "allocate-publish", f"consultation-{again['consultation']}", *DAY)
    ids = {
        target["id"] for target in answer(capsys, "plan", "show", done["plans"]["demo-city-dongwan"])["plan"]["targets"]
    }
    assert ids >= {"retrofit-yearly", "rural-retrofit-2027", "rural-retrofit-2027-y2026", "drains-2027"}


def _change_a_share(path: Path) -> None:
    fill(path, {("retrofit-yearly", "demo-city-dongwan"): {"answer": "同意", "value": 1.0}})


def _change_the_digest(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    sheet = book["_dafeng"]
    for row in sheet.iter_rows():
        if row[0].value == "digest":
            row[1].value = "0" * 64
    book.save(path)


def _add_a_row(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    sheet = book["征求意见表"]
    sheet.cell(sheet.max_row + 1, 1).value = "retrofit-yearly|qingdao"
    book.save(path)


def _drop_the_hidden_row(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    book["征求意见表"].delete_rows(1)
    book.save(path)


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        (_change_a_share, 1, "pathways.consultation.locked-changed"),
        (_change_the_digest, 1, "pathways.consultation.wrong-digest"),
        (_add_a_row, 1, "pathways.consultation.row-unknown"),
        (_drop_the_hidden_row, 3, "认不出各行各列"),
    ],
)
def test_tampered_workbooks_are_found(
    own: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], code: int, name: str
) -> None:
    assert run("path", "allocate", *TWO, "--consult", "--out", "c.xlsx", "-q") == 0
    change(Path("c.xlsx"))
    capsys.readouterr()
    assert run("path", "allocate-answers", "c.xlsx", "--dry-run", *DAY, "--json") == code
    assert name in capsys.readouterr().out
    assert own.is_dir()


def test_no_consultation_goes_out_about_a_part(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("-t", "utility-tunnels-2025", "-m", "per_area", "-c", "built_up_area", "--consult", "--out", "c.xlsx")
    assert run("path", "allocate", *TWO, *words, "--json") == 1
    assert not Path("c.xlsx").exists()
    assert not list((own / "runs").glob("consultation-*"))
    capsys.readouterr()


def test_the_same_division_is_sent_again_with_another_day_or_just_again(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("path", "allocate", *TWO, "--consult", "--out", "c.xlsx")
    first = answer(capsys, *words, "--due", "2026-11-10")
    later = answer(capsys, *words, "--due", "2026-11-20")
    assert first["consultation"] != later["consultation"]
    assert answer(capsys, *words, "--due", "2026-11-10")["consultation"] == first["consultation"]
    assert run("path", "allocate", *TWO, "--consult", "--due", "2026-10-01", "--out", "d.xlsx", "-q") == 2
    assert "早于发出日" in capsys.readouterr().err
    assert not Path("d.xlsx").exists()


def test_each_member_gets_its_own_book_and_books_are_read_together(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = answer(capsys, "path", "allocate", *TWO, "--consult", "--each", "--out", "各地")
    assert len(sent["files"]) == 6
    for place, name in (("dongwan", "东湾区"), ("xipo", "西坡区")):
        path = next(Path("各地").glob(f"*{name}.xlsx"))
        fill(path, {("retrofit-yearly", f"demo-city-{place}"): {"answer": "同意"}})
    taken = answer(
        capsys, "path", "allocate-answers", *map(str, sorted(Path("各地").glob("*.xlsx"))), "--dry-run", *DAY
    )
    assert len(taken["decisions"]) == 2
    assert len(taken["missing"]) == 10
    assert own.is_dir()


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: str(case["name"]))
def test_bad_input_ends_cleanly(case: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if "file" in case:
        (tmp_path / "依据.csv").write_text(case["file"], encoding="utf-8")
    words = [str(tmp_path / "依据.csv") if word == "FILE" else word for word in case["words"]]
    assert run("path", "allocate", *words, *DAY, "--json") == case["code"]
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    if "finding" in case:
        assert case["finding"] in {finding["name"] for finding in json.loads(shown.out)["findings"]}
    else:
        assert case["says"] in shown.out + shown.err


@pytest.mark.parametrize("case", CASES["answers"], ids=lambda case: str(case["name"]))
def test_files_that_are_no_answer_are_refused(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(f"答复{case['suffix']}")
    path.write_text(case["file"], encoding="utf-8")
    assert run("path", "allocate-answers", str(path), "--json") == case["code"]
    assert case["says"] in capsys.readouterr().out


def test_without_a_workspace_the_catalog_answers_and_unknown_criteria_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DAFENG_WORKSPACE")
    found = answer(capsys, "path", "allocate", "qingdao", "-t", "heat-network-2025", *DAY, code=2)
    assert found["schema"] == "dafeng.error/1"
    limits = answer(capsys, "path", "allocate", "jilin", "-t", "heat-network-2025", "--as-of", "2024-03-01", code=1)
    unknown = next(finding for finding in limits["findings"] if finding["severity"] == "error")
    assert unknown["name"] == "pathways.allocation.criterion-unknown"
    assert "长春市" in unknown["sentence"]

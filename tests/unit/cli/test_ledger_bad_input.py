"""Bad ledgers as new users meet them: each case of tests/cases/ledger_bad_input.yaml through the command line."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import answer, run
from dafeng.lake import RegisterLake
from intake_builders import workbook

DATA: dict[str, Any] = yaml.load(
    (Path(__file__).parents[2] / "cases" / "ledger_bad_input.yaml").read_text(encoding="utf-8"), yaml.BaseLoader
)
MADE = {
    "office_encrypted": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le"),
    "empty": b"",
    "picture": bytes.fromhex("89504e470d0a1a0a") + bytes(64),
    "truncated": workbook([{"rows": [["项目编码"], ["A-1"]]}])[:-300],
}


@pytest.fixture(scope="module")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "w"
    assert run("init", str(folder), "--place", "qingdao", "--quiet") == 0
    return folder


def table(case: dict[str, Any]) -> list[list[str]]:
    """Return the rows of a case, heads first."""
    heads = [head for head in DATA["good"] if head not in case.get("drop", [])]
    shown = [case.get("heads", {}).get(head, head) for head in heads]

    def lines(given: list[dict[str, str]]) -> list[list[str]]:
        return [[{**DATA["good"], **row}[head] for head in heads] for row in given]

    found = [shown, *(lines(case.get("rows", [])) * int(case.get("repeat", 1))), *case.get("raw", [])]
    found += [shown] if "again" in case else []
    found += [[""] * len(heads) for _ in range(int(case.get("blanks", 0)))]
    return found + lines(case.get("after", []))


def written(case: dict[str, Any], folder: Path) -> Path:
    """Write the file of a case."""
    path = folder / ("表.xlsx" if "make" in case or "sheets" in case else "表.csv")
    if case.get("make") == "other_book":
        assert run("ledger", "template", "neighbourhoods", "--out", str(path), "--quiet") == 0
    elif case.get("make") != "absent" and "make" in case:
        path.write_bytes(MADE[case["make"]])
    elif "sheets" in case:
        formulas = {
            cell: (formula, None if cached == "null" else float(cached))
            for cell, (formula, cached) in case.get("formulas", {}).items()
        }
        sheet = {"name": "台账", "rows": table(case), "formulas": formulas, "hidden": case.get("hidden")}
        others = [{"name": f"表{number}", "rows": rows} for number, rows in enumerate(case.get("others", []), 2)]
        first = [{"name": "封面", "rows": [["封面"]]}] if "hidden" in case else []
        path.write_bytes(workbook([*first, sheet, *others]))
    elif "text" in case:
        path.write_text(case["text"], encoding="utf-8")
    elif "make" not in case:
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(table(case))
    return path


@pytest.mark.parametrize("case", DATA["cases"], ids=[case["name"] for case in DATA["cases"]])
def test_every_row_has_a_fate_and_every_fault_its_cell(
    case: dict[str, Any],
    empty_workspace: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(empty_workspace, tmp_path / "w")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")
    monkeypatch.setenv("DAFENG_WORKSPACE", str(tmp_path / "w"))
    path, register = written(case, tmp_path), case.get("register", "projects")
    words = ["ledger", "import", path.name, *(["-r", register] if register else []), *case.get("words", [])]
    document = answer(capsys, *words, code=int(case.get("code", 0)))
    things = RegisterLake(tmp_path / "w" / "lake").read("projects").rows(named=True)
    assert [row["key"] for row in things] == case["stored"]
    if "error" in case:
        assert case["error"] in document["problem"]
        assert document["expected"]
        assert document["next_step"]
        return
    (outcome,) = document["files"]
    fates = {
        name: outcome[name] for name in ("accepted", "accepted_with_finding", "refused", "set_aside") if outcome[name]
    }
    assert fates == {name: int(count) for name, count in case["fates"].items()}
    assert outcome["rows"] == sum(count for name, count in fates.items() if name != "set_aside")
    cells = defaultdict(list)
    for finding in outcome["findings"]:
        cells[finding["name"]].append(finding["where"]["cell"])
    if "findings" in case or case.get("code", "0") == "0":
        assert dict(cells) == case.get("findings", {})
    for field, values in case.get("values", {}).items():
        shown = ["null" if row[field] is None else str(row[field]) for row in things]
        assert shown == values, field

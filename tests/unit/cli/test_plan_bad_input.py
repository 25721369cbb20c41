"""Documents that are no plan, or a bad one, as a user meets them: the cases of tests/cases/plan_bad_input.yaml."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pypdf
import pytest
import yaml
from openpyxl import Workbook

from command_line import run
from dafeng.lake import Workspace
from document_builders import docx_document, plan_docx, save_docx, typst_pdf, typst_source

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "plan_bad_input.yaml").read_text(encoding="utf-8")
)
READ: Final = ("plan", "read", "--place", "青岛", "--id", "other-2024", "--as-of", "2026-11-20")
_IMAGE: Final = (
    'image(bytes((200,) * 100), format: (encoding: "luma8", width: 10, height: 10), width: 100%, height: 100%)'
)


def _zip_without_word() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "a")
    return buffer.getvalue()


def _encrypted_pdf() -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(typst_pdf(typst_source())))
    writer.encrypt("geheim", "owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _workbook() -> bytes:
    book = Workbook()
    book.worksheets[0].append(["地区", "年份"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


MAKERS: Final[dict[str, Callable[[], bytes]]] = {
    "blank_docx": lambda: save_docx(docx_document()),
    "binary": lambda: bytes(range(256)) * 40,
    "zip_without_word": _zip_without_word,
    "truncated_docx": lambda: plan_docx()[:-400],
    "encrypted_pdf": _encrypted_pdf,
    "encrypted_docx": lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le"),
    "scan_pdf": lambda: typst_pdf("\n#pagebreak()\n".join([f"#{_IMAGE}"] * 3)),
    "truncated_pdf": lambda: typst_pdf(typst_source())[:4000],
    "photograph": lambda: b"\xff\xd8\xff\xe0" + bytes(99),
    "workbook": _workbook,
    "plan_docx": plan_docx,
}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAFENG_WORKSPACE", str(tmp_path / "w"))
    return Workspace.create(tmp_path / "w", title="青岛", place="qingdao")


def named(part: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES[part]]


def lay_down(case: dict[str, Any], folder: Path) -> Path:
    """Write the file of a case, unless it is to be missing."""
    if "same_as" in case:
        case = next(other for part in CASES.values() for other in part if other["name"] == case["same_as"])
    path = folder / str(case["file"])
    if case.get("make") == "folder":
        path.mkdir()
    elif "make" in case:
        path.write_bytes(MAKERS[case["make"]]())
    elif "text" in case:
        path.write_bytes(str(case["text"]).encode(case.get("encoding", "utf-8")))
    return path


def kept(workspace: Workspace) -> bool:
    return any((workspace.catalog_folder / "plans").glob("*.yaml"))


@pytest.mark.parametrize("case", named("refused"))
def test_what_cannot_be_a_plan_is_refused_in_both_languages(
    case: dict[str, Any], tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lay_down(case, tmp_path)
    assert run(*READ, path.name, "--save") == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said
    problem = next(line for line in said.splitlines() if line.strip().startswith("问题 / problem"))
    for words in case["says"]:
        assert words in problem
    assert any(line.strip().startswith("下一步 / next：") and len(line) > 16 for line in said.splitlines())
    assert run(*READ, path.name, "--save", "--json") == 3
    error = json.loads(capsys.readouterr().out)
    assert error["exit_code"] == 3
    assert case["error"] in json.dumps(error)
    assert not kept(workspace)


@pytest.mark.parametrize("case", named("read"))
def test_a_bad_plan_is_read_for_what_it_says(
    case: dict[str, Any], tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lay_down(case, tmp_path)
    assert run(*READ, path.name, "--json", *(["--save"] if case["kept"] else [])) == 0
    data = json.loads(capsys.readouterr().out)
    plan, coverage = data["plan"], data["coverage"]
    found = {
        "targets": len(plan["targets"]),
        "obligations": len(plan["obligations"]),
        "tasks": len(plan["tasks"]),
        "bodies": coverage["bodies_grammar"] + coverage["bodies_lexicon"],
        "numbers": coverage["numbers"],
        "unclaimed": coverage.get("numbers_unclaimed", 0),
    }
    assert {name: found[name] for name in case["counts"]} == case["counts"]
    warned = {finding["name"] for finding in data["findings"] if finding["severity"] in ("warning", "error")}
    assert set(case.get("finding", ())) <= warned
    assert kept(workspace) == case["kept"]


def test_a_novel_fails_where_warnings_should(tmp_path: Path, workspace: Workspace) -> None:
    path = lay_down(CASES["read"][0], tmp_path)
    assert run(*READ, path.name, "-q") == 0
    assert run(*READ, path.name, "-q", "--fail-on", "warning") == 1
    assert run("plan", "read", path.name, "-q") == 3


_LIMITS: Final = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from dafeng.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("clauses", "seconds"), [(199, 30), pytest.param(999, 120, marks=[pytest.mark.slow, pytest.mark.soak])]
)
def test_a_thousand_pages_are_read_in_bounded_time_and_memory(
    tmp_path: Path, workspace: Workspace, clauses: int, seconds: float
) -> None:
    sentences = (
        "到2030年，星级绿色建筑占比达到32%以上，供水管网漏损率控制在8.5%以内，每年改造供热管网12公里，新增绿道8公里。"
    )
    clause = "推进第{}批建设。" + sentences * 10 + "（责任单位：市住房城乡建设局、市水务局）"
    lines = ["东川市城乡建设领域碳达峰工作方案", "一、重点任务"]
    lines += [f"{number}." + clause.format(number) for number in range(1, clauses + 1)]
    (tmp_path / "长.txt").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-c", _LIMITS, *READ, "长.txt", "--format", "labels", "--out", "长.json", "-q"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < seconds
    labels = json.loads((tmp_path / "长.json").read_text(encoding="utf-8"))
    assert len(labels["targets"]) == 4 * 10 * clauses
    assert len(labels["tasks"]) == clauses

"""The command line as a user runs it: output, exit codes, JSON with its schema."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from command_line import answer, run
from dafeng.cli import COMMANDS, command
from dafeng.lake import Workspace
from dafeng.workflow import facts

LONG = """指标,地区,期间,数值,单位,数据集
建成区绿地率,青岛,2022,41.17,%,yearbook
建成区绿地率,青岛,2024,40.08,%,yearbook
轨道交通运营总里程数,青岛,2024,352.68,公里,yearbook
"""


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")  # 2026-11-20
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    folder = tmp_path / "work"
    assert run("init", str(folder), "--place", "青岛", "--plan", "qingdao-2024") == 0
    (tmp_path / "long.csv").write_text(LONG, encoding="utf-8")
    assert run("data", "import", str(tmp_path / "long.csv"), "-w", str(folder)) == 0
    return str(folder)


def test_every_command_has_help_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for name, text in COMMANDS.items():
        assert name in shown
        assert " / " in text
        assert run(name, "--help") == 0
    assert run("--version") == 0


def test_plans_answer_to_id_slug_code_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("qingdao-2024", "qingdao", "370200", "青岛市"):
        assert answer(capsys, "plan", "show", name)["plan"]["id"] == "qingdao-2024"


def test_a_target_shows_figures_as_written_and_canonical(capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, "plan", "show", "qingdao")
    assert data["schema"] == "dafeng.plan.show/1"
    targets = {target["id"]: target for target in data["plan"]["targets"]}
    green = next(target for target in targets.values() if target["value"] == 1.5)
    assert (green["unit"], green["canonical_value"], green["canonical_unit"]) == ("亿平方米", 1.5e8, "m**2")
    assert green["deadline"] == 2025
    assert isinstance(green["deadline"], int)
    assert green["bodies"][0] == {"as_written": "市住房城乡建设局", "id": "qingdao-housing"}


def test_without_a_workspace_reading_commands_answer_from_the_catalog_and_say_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = answer(capsys, "assess", "qingdao")
    assert {row["status"] for row in data["rows"]} <= {"unproven", "no_data", "unknown", "open", "overdue"}
    assert any(finding["name"] == "workflow.facts.no-workspace" for finding in data["findings"])
    assert run("data", "import", "x.csv") == 4
    assert "dafeng init" in capsys.readouterr().err


def test_import_assess_and_report(
    capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dafeng.workflow.reporting.portfolio_for_report", lambda *given, **named: "")
    data = answer(capsys, "assess", "-w", workspace)
    status = {row["target"]: row["status"] for row in data["rows"]}
    assert status["rail-2025"] == "met_early"
    assert data["schema"] == "dafeng.assess/1"
    out = tmp_path / "papers"
    built = answer(capsys, "report", "build", "-w", workspace, "--format", "docx,xlsx,html", "--out", str(out))
    assert sorted(path.suffix for path in out.iterdir()) == [".docx", ".html", ".xlsx"]
    assert built["manifest"]["plan"] == "qingdao-2024"
    again = answer(capsys, "report", "build", "-w", workspace, "--format", "docx,xlsx,html", "--out", str(out))
    assert again["run"] == built["run"], "equal inputs give an equal run"
    assert again["manifest"]["files"] == built["manifest"]["files"]


def test_the_same_import_twice_is_one(capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path) -> None:
    before = answer(capsys, "data", "show", "-w", workspace)["rows"]
    again = answer(capsys, "data", "import", str(tmp_path / "long.csv"), "-w", workspace)["files"][0]
    assert again["already"]
    assert (again["appended"], again["superseded"], again["unchanged"]) == (0, 0, 3)
    assert answer(capsys, "data", "show", "-w", workspace)["rows"] == before
    assert len(before) == 3


def test_a_figure_is_traced_to_its_cell_and_can_be_withdrawn(
    capsys: pytest.CaptureFixture[str], workspace: str
) -> None:
    rows = answer(capsys, "data", "show", "-w", workspace, "-i", "urban_rail_length", "--source")["rows"]
    assert (rows[0]["file"], rows[0]["text"], rows[0]["value"]) == ("long.csv", "352.68", 352.68)
    assert rows[0]["cell"].endswith("4")
    assert run("data", "withdraw", rows[0]["version"], "--reason", "核对有误", "-w", workspace) == 0
    assert answer(capsys, "data", "show", "-w", workspace, "-i", "urban_rail_length")["rows"] == []
    kept = answer(capsys, "data", "show", "-w", workspace, "-i", "urban_rail_length", "--versions")["rows"]
    assert [row["review"] for row in kept] == ["approved", "withdrawn"]


def test_what_was_recorded_later_is_not_known_earlier(capsys: pytest.CaptureFixture[str], workspace: str) -> None:
    early = answer(capsys, "assess", "-w", workspace, "--as-of", "2026-06-30")
    assert {row["latest"] for row in early["rows"]} == {None}
    assert any(finding["name"] == "workflow.facts.recorded-later" for finding in early["findings"])
    known = answer(capsys, "assess", "-w", workspace, "--as-of", "2026-06-30", "--known-at", "all")
    assert sum(row["latest"] is not None for row in known["rows"]) >= 2


def test_export_imports_back_to_the_same_facts(
    capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path
) -> None:
    for name in ("facts.csv", "facts.xlsx"):
        assert run("data", "export", str(tmp_path / name), "-w", workspace) == 0
        assert run("data", "export", str(tmp_path / name), "-w", workspace) == 2, "an existing file is not overwritten"
        again = answer(capsys, "data", "import", str(tmp_path / name), "-w", workspace)["files"][0]
        assert (again["accepted"], again["refused"], again["appended"], again["unchanged"]) == (3, 0, 0, 3)


def test_refused_cells_give_exit_code_one_and_are_named(
    capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text(LONG.replace("41.17", "-3"), encoding="utf-8")
    data = answer(capsys, "data", "import", str(tmp_path / "bad.csv"), "-w", workspace, code=1)
    found = [finding for finding in data["files"][0]["findings"] if finding["severity"] == "error"]
    assert found[0]["where"]["file"] == "bad.csv"
    assert found[0]["where"]["cell"].endswith("2")
    assert found[0]["next_step"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["plan", "show", "qingdoa"], 4),
        (["plan", "show"], 2),
        (["nonsense"], 2),
        (["assess", "qingdao", "--as-of", "yesterday"], 2),
        (["data", "show", "-w", "nowhere"], 4),
        (["report", "build", "qingdao", "--format", "doc"], 2),
        (["catalog", "check", "faulty"], 1),
        (["catalog", "check", "nowhere"], 2),
        (["assess", "qingdao", "--as-of", "2026-13"], 2),
        (["assess", "qingdao", "--as-of", "2026-00"], 2),
        (["assess", "qingdao", "--as-of", "20261-1"], 2),
        (["assess", "qingdao", "--as-of", "2026W471"], 2),
        (["assess", "qingdao", "--known-at", "yesterday"], 2),
        (["assess", "qingdao", "--status", "nonsense"], 2),
        (["assess", "qingdao", "--body", "nobody"], 4),
        (["report", "build", "qingdao", "--dated", "yesterday"], 2),
        (["report", "build", "qingdao", "--format", ""], 2),
        (["report", "build", "qingdao", "--format", "xlsx", "--out", "a-file"], 3),
        (["init", "a%41b"], 3),
        (["data", "show", "--most", "-1"], 2),
    ],
)
def test_exit_codes_follow_the_one_table(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "bad.yaml").write_text("places:\n  - {id: x, name: 某, name_en: X, level: city}\n", "utf-8")
    assert run(*words) == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_is_shown_in_four_parts_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "show", "qingdoa") == 4
    shown = capsys.readouterr().err
    for part in ("进行 / doing", "问题 / problem", "应为 / expected", "下一步 / next", "qingdao"):
        assert part in shown
    data = answer(capsys, "plan", "show", "qingdoa", code=4)
    assert (data["schema"], data["code"], data["exit_code"]) == ("dafeng.error/1", "unknown-name", 4)


def test_doctor_says_what_is_there_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], workspace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert answer(capsys, "doctor", "-w", workspace)["facts"]["dafeng"]
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("DAFENG_FONTS", str(tmp_path / "none"))
    data = answer(capsys, "doctor", "-w", workspace)
    assert any(finding["name"] == "doctor.fonts.no-cjk" for finding in data["findings"])


def test_listing_plans_loads_no_engine_of_reports() -> None:
    script = (
        "import sys; from dafeng.cli import main\n"
        "try: main(['plan', 'list'])\n"
        "except SystemExit: pass\n"
        "heavy = {'matplotlib', 'docx', 'typst', 'scipy.special', 'django'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "qingdao-2024" in done.stdout


def test_catalog_lists_and_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(answer(capsys, "catalog", "indicators", "绿地率")["indicators"]) >= 1
    assert answer(capsys, "catalog", "places", "中德生态园")["places"][0]["kind"] == "zone"
    assert run("catalog", "schema", "plan") == 0
    assert "targets" in json.loads(capsys.readouterr().out)["properties"]
    assert answer(capsys, "catalog", "check")["findings"] == []


def test_a_plan_is_compared_with_the_chain_of_its_parents(capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, "plan", "compare", "qingdao")
    assert [(level["place"], level["plan"]) for level in data["levels"]] == [
        ("shandong", None),
        ("cn", "national-2022"),
    ]
    nation = {row["target"]: row["value_relation"] for row in data["rows"] if row["level"] == "cn" and row["target"]}
    assert nation["leakage"] == "stricter"
    assert nation["lamps-2030"] == "looser"


def test_a_month_means_its_last_day(capsys: pytest.CaptureFixture[str]) -> None:
    for month, day in (("2026-11", "2026-11-30"), ("2024-02", "2024-02-29"), ("2026-12", "2026-12-31")):
        assert answer(capsys, "assess", "qingdao", "--as-of", month)["as_of"] == day


def test_wrong_usage_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["plan", "show"], ["nonsense"], ["plan", "list", "--nonsense"]):
        data = answer(capsys, *words, code=2)
        assert (data["schema"], data["code"], data["exit_code"]) == ("dafeng.error/1", "usage", 2)
        assert "--help" in data["next_step"]


def test_every_command_takes_json_and_quiet() -> None:
    def options(each: Any, words: tuple[str, ...]) -> dict[tuple[str, ...], set[str]]:
        inner = getattr(each, "commands", None)
        if inner is None:
            return {words: {text for option in each.params for text in option.opts}}
        return {key: value for name, one in inner.items() for key, value in options(one, (*words, name)).items()}

    root = command()
    found = [pair for name in COMMANDS for pair in options(root.get_command(None, name), (name,)).items()]
    assert [words for words, names in found if "--json" not in names] == []
    assert [words for words, names in found if "--quiet" not in names] == [("catalog", "schema")]


def test_a_clock_that_is_no_number_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert run("assess", "qingdao") == 2


def test_a_workspace_made_in_the_current_folder_bears_its_name(tmp_path: Path) -> None:
    assert run("init", ".") == 0
    assert Workspace.open(tmp_path).settings.title == tmp_path.name


def test_the_demonstration_never_goes_into_a_workspace_of_something_else(
    capsys: pytest.CaptureFixture[str], workspace: str
) -> None:
    before = answer(capsys, "data", "show", "-w", workspace)["rows"]
    assert run("demo", workspace) == 2
    assert answer(capsys, "data", "show", "-w", workspace)["rows"] == before
    assert list((Path(workspace) / "catalog").iterdir()) == []


def test_a_report_that_would_overwrite_one_file_writes_none(tmp_path: Path) -> None:
    words = ("report", "build", "qingdao", "--format", "docx,xlsx", "--kind", "responsibility", "--out", "papers")
    assert run(*words) == 0
    one, other = sorted((tmp_path / "papers").iterdir())
    one.unlink()
    other.write_bytes(b"mine")
    assert run(*words) == 2
    assert [path.name for path in (tmp_path / "papers").iterdir()] == [other.name]
    assert run(*words, "--force") == 0
    assert other.read_bytes() != b"mine"


def test_an_export_makes_the_folder_that_it_names(tmp_path: Path, workspace: str) -> None:
    assert run("data", "export", "a/b/facts.csv", "-w", workspace) == 0
    assert (tmp_path / "a" / "b" / "facts.csv").is_file()


def test_a_file_that_is_read_otherwise_than_before_is_a_new_batch(
    capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = facts.import_table

    def read_otherwise(*words: Any, **options: Any) -> Any:
        result = read(*words, **options)
        return replace(result, observations=result.observations.with_columns(extent=pl.lit("city_proper")))

    monkeypatch.setattr(facts, "import_table", read_otherwise)
    again = answer(capsys, "data", "import", str(tmp_path / "long.csv"), "-w", workspace)["files"][0]
    assert (again["already"], again["appended"]) == (False, 3)


def shell(line: str) -> "subprocess.CompletedProcess[str]":
    script = f'dafeng() {{ {shlex.quote(sys.executable)} -m dafeng "$@"; }}; set -o pipefail; {line}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["--version", "catalog places", "plan show qingdao --json", "catalog schema plan"])
def test_output_that_nobody_reads_on_is_no_error(words: str) -> None:
    done = shell(f"dafeng {words} --quiet | true" if words.endswith("places") else f"dafeng {words} | true")
    assert (
        done.returncode,
        done.stderr.replace("没有工作区，依据内置目录 / no workspace: from the shipped catalog\n", ""),
    ) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("words", ["plan list", "plan list --json"])
def test_output_that_cannot_be_written_is_an_error_without_traceback(words: str) -> None:
    done = shell(f"dafeng {words} > /dev/full")
    assert done.returncode == 3
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_chinese_still_gets_its_answer() -> None:
    done = shell("PYTHONIOENCODING=ascii dafeng plan list")
    assert done.returncode == 0
    assert "qingdao-2024" in done.stdout
    plans = json.loads(shell("PYTHONIOENCODING=gbk dafeng plan list --json --quiet").stdout)["plans"]
    assert any(plan["place_name"] == "青岛市" for plan in plans)


def test_a_defect_says_so_and_names_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr("dafeng.cli.plan.compare_with_parents", broken)
    data = answer(capsys, "plan", "compare", "qingdao", code=70)
    assert (data["exit_code"], data["problem"]) == (70, "ZeroDivisionError: nothing")


def test_versions_show_what_each_supersedes(
    capsys: pytest.CaptureFixture[str], workspace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corrected.csv").write_text(LONG.replace("352.68", "353"), encoding="utf-8")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132801")
    assert run("data", "import", "corrected.csv", "-w", workspace) == 0
    capsys.readouterr()
    assert run("data", "show", "-w", workspace, "-i", "urban_rail_length", "--versions") == 0
    assert "supersedes" in capsys.readouterr().out
    old, new = answer(capsys, "data", "show", "-w", workspace, "-i", "urban_rail_length", "--versions")["rows"]
    assert (old["value"], new["value"], new["supersedes"]) == (352.68, 353.0, old["version"])

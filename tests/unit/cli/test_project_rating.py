"""`dafeng project rate` as a user runs it: one project from options, one of a ledger, a whole ledger by grade."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import answer, run
from dafeng.base.ledger import FIELD_DTYPES, RECORD_COLUMNS, ledger_frame
from dafeng.catalog import load_catalog
from dafeng.lake import Workspace
from dafeng.lake.registers import RegisterLake

HOUSE = {
    "建筑大类": "居住建筑", "prefab_vertical_share": "44", "prefab_horizontal_share": "80", "prefab_outer_wall_share": "90",
    "prefab_outer_integrated_share": "50", "prefab_inner_wall_share": "60", "prefab_inner_integrated_share": "65", "fully_fitted": "是",
    "prefab_dry_floor_share": "75", "prefab_kitchen_share": "80", "prefab_bathroom_share": "90", "prefab_pipe_share": "60",
    "prefab_absent_points": "0",
}  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return exit code, output and remarks of a command."""
    capsys.readouterr()
    code = run(*words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace whose ledger has a known house, one of which nothing is known, and a factory."""
    root = tmp_path_factory.mktemp("rated") / "w"
    made = Workspace.create(root, title="青岛", place="qingdao")
    catalog = load_catalog()
    names = ["project_code", "project_name", "place", "building_class", "green_star"]
    schema = RECORD_COLUMNS | {name: FIELD_DTYPES[catalog.fields[name].type] for name in names}
    rows = [
        {"key": "P1", "project_name": "甲", "building_class": "residential", "green_star": 1.0},
        {"key": "P2", "project_name": "乙", "building_class": "public"},
        {"key": "P3", "project_name": "丙", "building_class": "industrial"},
    ]
    rows = [row | {"project_code": row["key"], "place": "qingdao-shinan", "stage": "acceptance"} for row in rows]
    frame = ledger_frame(rows, schema, recorded_at=datetime(2026, 4, 1, tzinfo=UTC))
    RegisterLake(made.lake).publish("projects", frame, batch="one")
    return root


def test_a_project_from_options_is_rated_without_a_workspace(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = [word for name, value in HOUSE.items() for word in ("--set", f"{name}={value}")]
    found = answer(capsys, "project", "rate", "-r", "gbt51129", *pairs)
    assert found["schema"] == "dafeng.project.rate/1"
    (one,) = found["projects"]
    points = {item["id"]: item["points"] for item in one["items"]}
    # by hand: 20 + 10 × 9/45; 10 + 10; 5; 2; 5; 2 + 3 × 15/30; 6; 6; 3 + 3 × 10/20; 6; 4 + 2 × 10/20
    assert list(points.values()) == [22.0, 20.0, 5.0, 2.0, 5.0, 3.5, 6.0, 6.0, 4.5, 6.0, 5.0]
    assert (one["total"], one["grade"], one["pending"], one["missing"]) == (85.0, "AA", True, [])
    assert (one["next"]["grade"], one["next"]["short_of_total"]) == ("AAA", 6.0)


def test_what_is_printed_names_points_conditions_grade_and_the_next_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "house.yaml"
    file.write_text(
        "project_name: 甲\ngreen_material_structure_points: 40\ngreen_material_finish_points: 20\n"
        "green_material_services_points: 5\ngreen_material_outdoor_points: 0\n",
        encoding="utf-8",
    )
    code, out, err = told(capsys, "project", "rate", "--file", str(file), "-r", "green-materials")
    assert code == 0, err
    for words in (
        "甲：",
        "得分 / points",
        "总分 / total：65",
        "下一等级 / next grade",
        "总分还差 / short by 5",
        "装饰装修 15",
    ):
        assert words in out, (words, out)


def test_what_is_not_known_leaves_the_grade_open_and_is_named(
    capsys: pytest.CaptureFixture[str], workspace: Path
) -> None:
    code, out, err = told(capsys, "project", "rate", "P2", "-r", "gbt51129", "-w", str(workspace))
    assert code == 0
    assert "等级 / grade：尚不能确定，最高可能AAA级" in out
    assert "待核" in out
    assert "frame" not in out
    assert "预制竖向构件应用比例" in out
    assert "缺 / missing" in err


def test_a_standard_that_does_not_apply_says_so(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    _, out, _ = told(capsys, "project", "rate", "P3", "-r", "gbt51129", "-w", str(workspace))
    assert "不适用于此项目" in out


def test_a_whole_ledger_is_counted_by_grade(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    found = answer(capsys, "project", "rate", "--all", "-r", "gbt51129", "-w", str(workspace))
    assert found["schema"] == "dafeng.project.grades/1"
    assert (found["projects"], found["not_applicable"]) == (3, 1)
    counts = {one["grade"]: (one["reached"], one["possible"]) for one in found["grades"]}
    assert counts == {None: (0, 0), "prefabricated": (0, 0), "A": (0, 0), "AA": (0, 0), "AAA": (0, 2)}
    code, out, err = told(capsys, "project", "rate", "--all", "-r", "green-materials", "-w", str(workspace))
    assert code == 0, err
    assert "最缺的字段" in err
    assert "green-materials" not in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["project", "rate"], "三者取一"),
        (["project", "rate", "P1", "--all"], "三者取一"),
        (["project", "rate", "--set", "work=新建", "-r", "gbt5112"], "gbt51129"),
    ],
)
def test_what_cannot_be_rated_is_refused_with_a_way_out(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    code, _, err = told(capsys, *words)
    assert code != 0
    assert expected in err

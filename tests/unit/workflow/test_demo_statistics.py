"""The demonstration's reporting cycle finds what was planted in it, and nothing else that is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from dafeng.intake.form_reading import read_form
from dafeng.workflow.demo_statistics import DemoStatistics, issue_demo_forms, run_demo_statistics
from dafeng.workflow.demonstration import DEMO_DAY, demo_files, make_demo_workspace
from dafeng.workflow.facts import ImportOptions, import_file
from dafeng.workflow.setting import Setting
from statistics_builders import RECORDED

SOURCE = demo_files() / "data" / "statistics"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    setting = make_demo_workspace(tmp_path_factory.mktemp("demo") / "w", ledgers=False).setting
    for name in ("checkup", "facilities"):
        path = SOURCE / (f"{name}.csv" if name == "checkup" else f"{name}.xlsx")
        options = ImportOptions(dataset=f"demo-{name}", kind="demonstration")
        outcome = import_file(setting, path, options, recorded_at=RECORDED)
        assert (outcome.refused, outcome.accepted_with_finding, outcome.findings) == (0, 0, ())
    return setting


@pytest.fixture(scope="module")
def done(demo: Setting, tmp_path_factory: pytest.TempPathFactory) -> DemoStatistics:
    return run_demo_statistics(demo, tmp_path_factory.mktemp("out"), SOURCE / "returns", as_of=DEMO_DAY)


def test_six_forms_go_out_five_come_back(done: DemoStatistics) -> None:
    assert (done.issued, done.returned, done.silent) == (6, 5, ("示范市发展和改革委员会",))
    assert done.asked > done.answered > 50


def test_the_mistakes_in_the_forms_are_found_at_their_cells(done: DemoStatistics) -> None:
    found = {(one.where.file, one.name) for one in done.form_findings}
    assert found == {
        ("demo-city-agriculture.xlsx", "form.row.doubtful"),
        ("demo-city-agriculture.xlsx", "form.value.blank"),
        ("demo-city-urban-management.xlsx", "form.value.not-a-number"),
        ("demo-city-urban-management.xlsx", "form.value.estimate"),
        ("demo-city-water.xlsx", "form.column.lost"),
    }


def test_the_planted_faults_of_the_table_are_found_and_no_other_error(done: DemoStatistics) -> None:
    errors = {
        (one.name, one.where.file, one.evidence["period"]) for one in done.check_findings if one.severity == "error"
    }
    assert errors == {
        ("data.shifted-rows", "facilities.xlsx", "2022"),
        ("data.power-of-ten", "facilities.xlsx", "2019"),
    }
    totals = {
        (one.evidence["indicator"], one.evidence["period"])
        for one in done.check_findings
        if one.name == "data.divisions-and-total"
    }
    assert totals == {("park_count", "2024"), ("road_cleaning_area", "2019")}


def test_only_the_shifted_year_is_set_aside(done: DemoStatistics, demo: Setting) -> None:
    assert {(one.dataset, one.periods, one.by) for one in done.aside} == {("demo-facilities", ("2022",), "演示")}
    assert demo.workspace is not None
    assert len(list((demo.workspace.catalog_folder / "quarantines").glob("*.yaml"))) == len(done.aside)


def test_indicators_are_computed_and_the_city_is_checked_up(done: DemoStatistics) -> None:
    assert done.computed > 500
    assert done.gaps > 0
    known = [row for row in done.checkup.rows if row.value is not None and row.number.isdigit()]
    assert (done.checkup.year, len(known) >= 36) == (2025, True)


def test_the_filled_forms_are_those_that_the_demonstration_issues(demo: Setting, tmp_path: Path) -> None:
    issued = {issue.id: issue for issue in issue_demo_forms(demo, tmp_path / "forms").owed.issues}
    for path in sorted((SOURCE / "returns").glob("*.xlsx")):
        names = {one.name for one in read_form(path, demo.catalog, recorded_at=RECORDED, issues=issued).findings}
        assert "form.issue.other-version" not in names, f"{path.name}: run scripts/make_demo_returns.py"

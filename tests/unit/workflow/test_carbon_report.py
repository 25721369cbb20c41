"""A report is given the carbon account of the plan's place where the workspace has activity data, and says so where not."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.lake import Workspace
from dafeng.reports import find_fonts
from dafeng.reports.carbon_chapter import ANNEX_TITLE
from dafeng.workflow.carbon_report import carbon_for_report
from dafeng.workflow.demonstration import DEMO_DAY, DEMO_PLAN, demo_files, make_demo_workspace
from dafeng.workflow.facts import ImportOptions, import_file
from dafeng.workflow.reporting import build_report
from dafeng.workflow.setting import Setting, open_setting

DAY = date(2026, 10, 28)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    setting = make_demo_workspace(tmp_path_factory.mktemp("demo") / "w", ledgers=False).setting
    return setting


def test_the_demonstration_gets_a_complete_account_of_the_promised_view(demo: Setting) -> None:
    facts = carbon_for_report(demo, demo.catalog.plans[DEMO_PLAN], as_of=DEMO_DAY, known_at=DEMO_DAY)
    assert facts is not None
    assert (facts.boundary.id, facts.promised, facts.world) == (
        "urban-rural-construction",
        "whole_field",
        "demonstration",
    )
    assert facts.complete_years("whole_field") == tuple(range(2015, 2026))
    decomposition, why = facts.decomposition
    assert why == ""
    assert decomposition is not None
    assert decomposition.residual < 1e-9


def test_facts_recorded_later_are_not_accounted_for(demo: Setting) -> None:
    before = date(2026, 10, 14)
    assert carbon_for_report(demo, demo.catalog.plans[DEMO_PLAN], as_of=before, known_at=before) is None


def test_the_manifest_of_the_report_records_boundary_rules_and_factors(demo: Setting) -> None:
    built = build_report(
        demo, DEMO_PLAN, as_of=DEMO_DAY, known_at=DEMO_DAY, fonts=find_fonts({"DAFENG_FONTS": "none"}), formats=["html"],
        day=DAY,
    )  # fmt: skip
    carbon = built.manifest["carbon"]
    assert (carbon["boundary"], carbon["rules"]) == ("urban-rural-construction", ["exact", "hold_last:3", "back_cast"])
    assert len(carbon["factors"]["digest"]) == 64
    (page,) = built.files.values()
    text = page.decode()
    assert "碳排放核算与达峰判断" in text
    assert "未作核算" not in text


def test_a_body_s_own_return_has_no_account(demo: Setting) -> None:
    built = build_report(
        demo, DEMO_PLAN, as_of=DEMO_DAY, known_at=DEMO_DAY, fonts=find_fonts({"DAFENG_FONTS": "none"}), formats=["html"],
        body="市水务局", day=DAY,
    )  # fmt: skip
    (page,) = built.files.values()
    assert "carbon" not in built.manifest
    assert "附件5" not in page.decode()


def test_without_activity_data_the_report_says_that_nothing_was_accounted_for(tmp_path: Path) -> None:
    source = demo_files()
    workspace = Workspace.create(tmp_path / "w", title="空", place="demo-city", plan=DEMO_PLAN)
    workspace.put_catalog(source / "catalog")
    workspace.put_document(source / "documents" / "plan.txt")
    setting = open_setting(workspace)
    options = ImportOptions(dataset="demo-yearbook", kind="demonstration", place="demo-city")
    moment = datetime(2026, 10, 15, tzinfo=UTC)
    import_file(setting, source / "data" / "yearbook_society.csv", options, recorded_at=moment)
    built = build_report(
        setting, DEMO_PLAN, as_of=DEMO_DAY, known_at=DEMO_DAY, fonts=find_fonts({"DAFENG_FONTS": "none"}),
        formats=["html"], day=DAY,
    )  # fmt: skip
    (page,) = built.files.values()
    text = page.decode()
    assert "没有本地区全域的活动数据，本报告未作核算" in text
    assert ANNEX_TITLE not in text
    assert re.findall(r"附件5</[a-z]+>\s*<[^>]+>([^<]+)<", text)[0] == "达峰情景测算", (
        "the outlook needs no activity data"
    )
    assert "carbon" not in built.manifest


def test_electricity_of_towns_alone_is_no_account_of_the_whole_city(demo: Setting) -> None:
    facts = carbon_for_report(demo, demo.catalog.plans[DEMO_PLAN], as_of=DEMO_DAY, known_at=DEMO_DAY)
    assert facts is not None
    held = facts.account.inventory.totals(partial=True)
    assert set(held["extent"]) == {"whole", "urban", "rural"}
    power = held.filter(
        pl.col("extent") == "whole", boundary="purchased_electricity", basis="location_based", period="2025"
    )
    assert facts.value(2025, "purchased_electricity") == pytest.approx(power["value"].item() / 1e4)

"""Ledgers count in the whole chain: they judge targets, a correction moves a status, contradictions come out, the report says all this."""

import csv
import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import yaml

from dafeng.assessment import Assessment, Status
from dafeng.base.observation import ObservationKind
from dafeng.buildings.identity import HIGH
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.lake import Workspace
from dafeng.reports import FontReport, Names, OctoberRequest, Report, find_fonts, october_report
from dafeng.reports.document import Annex
from dafeng.reports.ledger_chapter import ledger_annex
from dafeng.reports.ledger_facts import LedgerFacts
from dafeng.workflow.assessing import assess
from dafeng.workflow.demonstration import (
    DEMO_DAY,
    DEMO_PLAN,
    DemoWorkspace,
    count_demo_ledgers,
    demo_files,
    make_demo_workspace,
)
from dafeng.workflow.ledger_report import NO_LEDGERS, ledgers_for_report
from dafeng.workflow.ledger_sources import ledger_sources
from dafeng.workflow.ledgers import (
    current_ledgers,
    import_ledger,
    ledger_promises,
    propose_links,
    roll_up_ledgers,
)
from dafeng.workflow.projects import check_facts, find_project, project_things
from dafeng.workflow.reporting import build_report
from dafeng.workflow.setting import Setting, open_setting

LATER = datetime(2026, 10, 18, 8, tzinfo=UTC)
UNANSWERED = {Status.NO_DATA, Status.UNPROVEN, Status.UNKNOWN}


class Alone(NamedTuple):
    """A workspace that holds ledgers and no returns, and where the plan stood without and with them."""

    setting: Setting
    before: dict[str, set[Status]]
    after: dict[str, set[Status]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoWorkspace:
    """Return the demonstration's workspace, with returns and ledgers."""
    return make_demo_workspace(tmp_path_factory.mktemp("demo") / "w")


@pytest.fixture(scope="module")
def chapter(demo: DemoWorkspace) -> tuple[LedgerFacts, Report]:
    """Return what the demonstration's ledgers say, and the report with it."""
    return report_of(demo.setting)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Return the city with ledgers only; one test corrects them."""
    root = tmp_path_factory.mktemp("ledgers") / "w"
    workspace = Workspace.create(root, title="示范市（虚构）", place="demo-city", plan=DEMO_PLAN)
    workspace.put_catalog(demo_files() / "catalog")
    workspace.put_document(demo_files() / "documents" / "plan.txt")
    setting = open_setting(workspace)
    before = statuses(judged(setting))
    folder = demo_files() / "data" / "ledgers"
    for entry in yaml.safe_load((folder / "imports.yaml").read_text(encoding="utf-8"))["ledgers"]:
        recorded_at = datetime(2026, 10, 15, tzinfo=UTC)
        import_ledger(setting, folder / entry["file"], entry["register"], recorded_at=recorded_at)
    count_demo_ledgers(setting)
    return Alone(setting, before, statuses(judged(setting)))


def judged(setting: Setting, known_at: date | None = DEMO_DAY) -> Assessment:
    return assess(setting, DEMO_PLAN, as_of=DEMO_DAY, known_at=known_at)


def statuses(assessment: Assessment) -> dict[str, set[Status]]:
    found: dict[str, set[Status]] = defaultdict(set)
    for row in assessment.rows:
        found[row.target].add(row.status)
    return found


def ledger_targets(catalog: Catalog) -> set[str]:
    counted = {rule.indicator for rule in catalog.rollups.values()}
    formulas = {
        one.id for one in catalog.indicators.values() if one.formula and set(expression_names(one.formula)) <= counted
    }
    return {target.id for target in catalog.plan(DEMO_PLAN).targets if target.indicator in counted | formulas}


def report_of(setting: Setting, known_at: date | None = DEMO_DAY) -> tuple[LedgerFacts, Report]:
    plan = setting.catalog.plan(DEMO_PLAN)
    facts = ledgers_for_report(setting, plan, as_of=DEMO_DAY, known_at=known_at, year=2026)
    assert facts is not None
    paper = october_report(judged(setting, known_at), plan, setting.catalog, OctoberRequest(year=2026), ledgers=facts)
    return facts, paper


def rows(report: Report, table: str) -> list[list[str]]:
    found = next(item for item in report.tables() if item.id == table)
    return [[cell.text for cell in row.cells] for row in found.rows if row.group is None]


def test_without_ledgers_nothing_of_them_is_judged_and_with_them_all_is(alone: Alone) -> None:
    targets = ledger_targets(alone.setting.catalog)
    assert len(targets) >= 45
    assert all(alone.before[name] <= UNANSWERED | {Status.OPEN, Status.OVERDUE} for name in targets)
    assert {name for name in targets if alone.after[name] <= UNANSWERED} == set()
    unanswered = {name for name in targets if alone.before[name] <= UNANSWERED}
    assert len(unanswered) >= 40
    assert all(alone.before[name] != alone.after[name] for name in unanswered)


@pytest.mark.parametrize("plan", ["jilin-2023", "qingdao-2024"])
def test_the_table_of_targets_and_ledgers_leaves_none_out(plan: str) -> None:
    catalog = open_setting(None).catalog
    cases = Path(__file__).parents[2] / "cases" / "ledger_targets.yaml"
    agreed = yaml.safe_load(cases.read_text(encoding="utf-8"))["plans"][plan]
    found = {one.target: one for one in ledger_sources(catalog.plan(plan), catalog)}
    assert set(found) == set(agreed)
    for name, case in agreed.items():
        # the agreed table also names roll-ups of other readings and of the total that a mean is taken over
        assert bool(found[name].rollups) is ("rollups" in case), name
        assert set(found[name].rollups) & set(case.get("rollups", [])) or not found[name].rollups, name
        assert set(found[name].registers) <= set(case.get("registers", [])), name


def test_a_count_goes_before_a_return_and_the_return_stands_beside_it(demo: DemoWorkspace) -> None:
    (row,) = judged(demo.setting).of("star-share-2025")
    use = row.verdicts[0].decided_by
    assert use is not None
    assert use.dataset == "ledger-projects"
    assert [other.dataset for other in use.others] == ["demo-returns"]
    # a running total from the first row on is a lower bound and does not speak against a return
    (total,) = judged(demo.setting).of("retrofit-area-2025")
    assert total.latest is not None
    assert total.latest.dataset == "demo-returns"
    assert [other.dataset for other in total.latest.others] == ["ledger-retrofits"]


def test_every_planted_contradiction_comes_out_of_the_chain(
    demo: DemoWorkspace, chapter: tuple[LedgerFacts, Report]
) -> None:
    setting, ledgers = demo.setting, demo.ledgers
    assert ledgers is not None
    planted = yaml.safe_load((demo_files() / "data" / "ledgers" / "planted.yaml").read_text(encoding="utf-8"))[
        "planted"
    ]
    imported = {finding.name for outcome in ledgers.imports for finding in outcome.findings}
    counted = {finding.name for finding in ledgers.findings}
    pairs = {
        frozenset(pair) for pair in propose_links(setting, subject="project", low=HIGH)[0]["first", "second"].rows()
    }
    promises = ledger_promises(setting, "projects").filter(pl.col("worse"))
    things = project_things(setting)
    missed = []
    for one in planted:
        if one["found"].startswith("ledger."):
            seen = one["found"] in imported
        elif one["found"].startswith("buildings."):
            seen = one["found"] in counted
        elif one["found"] == "candidate":
            seen = frozenset(one["keys"]) in pairs
        elif one["found"] == "promise":
            seen = set(one["keys"]) == set(promises["key"])
        elif one["found"] == "link":
            seen = not {one["keys"][0]} & set(things["key"]) and set(one["keys"][1:]) <= set(things["key"])
        elif one["found"] == "unknown":
            checks = check_facts(setting, find_project(things, one["keys"][0]), as_of=DEMO_DAY).explanations
            seen = any(each.verdict == "unknown" and "prefab_rate" in each.missing for each in checks) or not any(
                each.verdict == "pass" and "装配率" in each.title for each in checks
            )
        else:
            seen = one["found"] == "none"
        if not seen:
            missed.append(one["id"])
    assert missed == []
    names = {one.name for one in chapter[0].contradictions}
    assert {
        "ledger.projects.area-unit", "ledger.projects.prefabricated-rate", "ledger.projects.pv-area",
        "buildings.identity.maybe-one", "buildings.rollup.registers-disagree", "buildings.rollup.future-date",
    } <= names  # fmt: skip


def test_the_chapter_counts_what_the_ledgers_say(demo: DemoWorkspace, chapter: tuple[LedgerFacts, Report]) -> None:
    facts, report = chapter
    annex = [block for block in report.blocks if isinstance(block, Annex)][-1]
    assert (annex.label, annex.title) == ("附件5", "项目台账与项目义务")
    assert {one.id for one in facts.registers} == {outcome.register_id for outcome in demo.ledgers.imports}  # type: ignore[union-attr]
    figures = {row[0].rstrip("※"): row for row in rows(report, "ledger-figures")}
    agencies = next(row for name, row in figures.items() if "节约型机关" in name)
    # of 50 institutions in the file 46 are conserving: 92 %
    with (demo_files() / "data" / "ledgers" / "institutions.csv").open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 50
    assert agencies[3:6] == ["92", "46／50", "100%"]
    assert all(row[8] and row[10] for row in figures.values())
    assert any(row[9].endswith("待核") for row in figures.values())
    differences = rows(report, "ledger-differences")
    assert any(row[0] == "星级绿色建筑占比" and row[-1] == "台账" for row in differences)


def test_failing_projects_are_masked_or_named_in_full(demo: DemoWorkspace, chapter: tuple[LedgerFacts, Report]) -> None:
    facts, masked = chapter
    keys = set(facts.duties["key"])
    assert len(keys) == facts.failing_projects > 50
    assert not {row[1] for row in rows(masked, "obligation-failing")} & keys
    assert {row[1] for row in rows(in_full(masked, facts), "obligation-failing")} <= keys
    text = json.dumps(masked.model_dump(mode="json"), ensure_ascii=False)
    assert not [key for key in set(project_things(demo.setting)["key"]) if key in text]
    districts = rows(masked, "obligation-districts")
    assert districts[-1][0] == "合计"
    for column in range(2, 7):
        assert sum(int(row[column]) for row in districts[:-1]) == int(districts[-1][column])
    assert int(districts[-1][2]) == facts.duties.height


def in_full(report: Report, facts: LedgerFacts) -> Report:
    blocks = ledger_annex(replace(facts, shown=Names.FULL), "附件5", year=2026)
    return report.model_copy(update={"blocks": tuple(blocks)})


def test_every_figure_leads_to_the_rows_of_its_ledger(demo: DemoWorkspace, chapter: tuple[LedgerFacts, Report]) -> None:
    facts, _ = chapter
    things = current_ledgers(demo.setting)
    agencies = facts.members.filter(pl.col("indicator") == "conservation_agency_count")
    assert agencies.height == 1
    assert len(agencies["rows"][0]) == 46
    known = things["institutions"].filter(pl.col("conservation_agency"))
    assert set(agencies["rows"][0]) == set(known["row"])
    assert agencies["document"].to_list() == known["document"].unique().to_list()


def test_a_workspace_without_ledgers_says_so(tmp_path: Path, no_fonts: FontReport) -> None:
    workspace = Workspace.create(tmp_path / "w", title="青岛", place="qingdao", plan="qingdao-2024")
    setting = open_setting(workspace)
    assert (
        ledgers_for_report(setting, setting.catalog.plan("qingdao-2024"), as_of=DEMO_DAY, known_at=None, year=2026)
        is None
    )
    built = build_report(setting, as_of=DEMO_DAY, known_at=None, fonts=no_fonts, formats=["html"])
    assert NO_LEDGERS[1] in next(iter(built.files.values())).decode()
    assert "ledgers" not in built.manifest


@pytest.mark.slow
def test_a_correction_moves_value_and_status_and_the_report_names_it(alone: Alone, tmp_path: Path) -> None:
    """Of heat networks the ledger has 103 km completed in 2025; the longest works turn out to have ended in 2026."""
    setting = alone.setting
    before = heat_networks(setting)
    assert before.status is Status.MET
    book, moved = postponed(setting, tmp_path)
    outcome = import_ledger(setting, book, "works", recorded_at=LATER)
    assert outcome.findings == ()
    assert outcome.superseded == outcome.appended == len(moved)

    stale, _ = report_of(setting)
    assert any("供热管网" in name for name in stale.stale)
    assert heat_networks(setting) == before

    count_demo_ledgers(setting, recorded_at=LATER)
    after = heat_networks(setting)
    assert after.value == pytest.approx(before.value - sum(moved))
    assert after.status is Status.MISSED
    facts, report = report_of(setting)
    assert not facts.stale
    (line,) = [row for row in rows(report, "ledger-corrections") if "供热管网" in row[0] and row[1] == "2025年"]
    assert [float(line[3]), float(line[4])] == pytest.approx([before.value, after.value], abs=0.01)
    assert line[5] == "2026年10月18日"
    # as known before the correction, nothing has changed
    assert heat_networks(setting, date(2026, 10, 16)) == before
    earlier, _ = report_of(setting, known_at=date(2026, 10, 16))
    assert not earlier.corrected
    assert not earlier.stale


class Judged(NamedTuple):
    """What was judged of the heat networks of 2025."""

    status: Status
    value: float


def heat_networks(setting: Setting, known_at: date | None = DEMO_DAY) -> Judged:
    (row,) = [row for row in judged(setting, known_at).of("heat-network-yearly") if row.year == 2025]
    use = row.verdicts[0].decided_by
    assert use is not None
    return Judged(row.status, use.value)


def postponed(setting: Setting, folder: Path) -> tuple[Path, list[float]]:
    """Write a correction book in which the longest heat networks of 2025 were completed in 2026; return their lengths too."""
    things = current_ledgers(setting, registers=["works"])["works"]
    networks = things.filter(
        (pl.col("works_kind") == "heat_network") & (pl.col("completion_date").dt.year() == 2025)
    ).sort("works_length", descending=True)
    moved = networks.head(3)
    source = demo_files() / "data" / "ledgers" / "works.csv"
    with source.open(encoding="utf-8-sig") as file:
        listed = list(csv.DictReader(file))
    corrected = [row for row in listed if set(row.values()) & set(moved["key"])]
    done = next(head for head in listed[0] if "竣工" in head or "完工" in head)
    book = folder / "更正.csv"
    with book.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(row | {done: "2026-03-31"} for row in corrected)
    return book, moved["works_length"].to_list()


def test_counting_again_and_writing_again_change_nothing(
    demo: DemoWorkspace, chapter: tuple[LedgerFacts, Report]
) -> None:
    _, published = roll_up_ledgers(
        demo.setting, years=range(2025, 2027), recorded_at=LATER, as_of=DEMO_DAY, complete=["demo-city"],
        kind=ObservationKind.DEMONSTRATION,
    )  # fmt: skip
    assert published is not None
    assert published.appended == 0
    assert report_of(demo.setting)[1] == chapter[1]


@pytest.fixture(scope="module")
def no_fonts() -> FontReport:
    """Return what a machine without Chinese fonts reports."""
    return find_fonts({"DAFENG_FONTS": "none"})

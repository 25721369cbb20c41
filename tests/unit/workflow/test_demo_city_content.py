import csv
import hashlib
import importlib.util
import re
from collections import defaultdict
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import yaml

from dafeng.base.place import PlaceKind
from dafeng.base.target import Measure
from dafeng.catalog import Catalog, check_folders
from dafeng.catalog.plan_schemas import Plan

REPOSITORY = Path(__file__).resolve().parents[3]
DEMO = REPOSITORY / "src" / "dafeng" / "workflow" / "demo_city"
DATA = DEMO / "data"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    found, findings = check_folders([DEMO / "catalog"])
    assert [f"{finding.where}: {finding.sentence}" for finding in findings] == []
    return found


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    return catalog.plans["demo-city-2024"]


@pytest.fixture(scope="module")
def text(plan: Plan) -> str:
    assert plan.document.file is not None
    data = (DEMO / "documents" / plan.document.file).read_bytes()
    assert hashlib.sha256(data).hexdigest() == plan.document.sha256
    return re.sub(r"\s+", "", data.decode("utf-8"))


def test_the_plan_is_as_wide_as_a_real_one(plan: Plan, text: str) -> None:
    numeric = [target for target in plan.targets if target.value is not None]
    milestones = [target for target in plan.targets if target.measure is Measure.MILESTONE]
    assert 5000 <= len(text) <= 7000
    assert len(numeric) >= 40
    assert len(milestones) >= 8
    assert len(plan.obligations) >= 8
    assert {target.measure for target in plan.targets} == set(Measure)
    assert any(target.value_max is not None for target in numeric)
    assert {target.unit for target in numeric if target.measure is Measure.CHANGE} == {"%", "个百分点"}
    assert any(target.indicator == "annual_progress_report_submitted" for target in plan.targets)


def test_the_promised_peak_is_that_of_the_whole_field(plan: Plan, text: str) -> None:
    assert plan.peak is not None
    assert (plan.peak.boundary, plan.peak.by) == ("whole_field", 2030)
    stretch = text[plan.peak.at.start : plan.peak.at.end]
    assert "2030年前" in stretch
    assert "峰值" in stretch


def test_every_target_stands_where_its_offsets_point(plan: Plan, text: str) -> None:
    for target in plan.targets:
        stretch = text[target.at.start : target.at.end]
        numbers = [float(number) for number in NUMBER.findall(stretch)]
        for value in (target.value, target.value_max, target.base and target.base.year, target.start):
            assert value is None or float(value) in numbers, (target.id, stretch)
        if target.unit is not None:
            assert target.unit in stretch, (target.id, stretch)


def test_a_deadline_stands_in_the_stretch_or_before_it_in_the_same_clause(plan: Plan, text: str) -> None:
    heads = {entry.number: entry.at.end for entry in (*plan.chapters, *plan.tasks)}
    for target in plan.targets:
        if target.by is not None:
            assert str(target.by) in text[heads[target.clause] : target.at.end], target.id


def test_headings_stand_where_their_offsets_point(plan: Plan, text: str) -> None:
    for entry in (*plan.chapters, *plan.tasks):
        assert text[entry.at.start : entry.at.end] == entry.title
        mark = entry.number[1:] or f"{entry.number}、"
        assert text[: entry.at.start].endswith(mark)


def test_every_body_of_a_task_is_named_in_its_clause(plan: Plan, text: str) -> None:
    starts = [entry.at.start for entry in sorted((*plan.chapters, *plan.tasks), key=lambda entry: entry.at.start)]
    for task in plan.tasks:
        end = min((start for start in starts if start > task.at.start), default=len(text))
        assert task.bodies, task.number
        assert all(body in text[task.at.end : end] for body in task.bodies), task.number


def test_each_number_of_the_text_is_claimed_exactly_once(plan: Plan, text: str) -> None:
    claimed = [(entry.at.start, entry.at.end) for entry in (*plan.targets, *plan.obligations, *plan.other_numbers)]
    for number in NUMBER.finditer(text):
        holders = [span for span in claimed if span[0] <= number.start() and number.end() <= span[1]]
        assert len(holders) == 1, text[number.start() - 12 : number.end() + 12]


def test_obligations_stand_where_their_offsets_point(plan: Plan, text: str) -> None:
    for obligation in plan.obligations:
        stretch = text[obligation.at.start : obligation.at.end]
        assert len(stretch) >= 8
        if obligation.since is not None:
            assert str(obligation.since) in stretch


def test_the_chain_of_plans_has_a_missing_middle(catalog: Catalog) -> None:
    chain = [(place.id, [plan.id for plan in plans]) for place, plans in catalog.lineage_of_plans("demo-city")]
    assert chain == [("demo-province", []), ("cn", ["national-2022"])]


def test_no_real_code_and_no_real_name_is_borrowed(catalog: Catalog) -> None:
    own = [place for place in catalog.places if place.id.startswith("demo-")]
    assert len(own) == 10
    for place in own:
        assert place.codes == ()
        assert [found.id for found in catalog.places.candidates(place.name)] == [place.id]


def test_zones_overlap_divisions_and_are_no_part_of_the_sum(catalog: Catalog) -> None:
    zones = catalog.places.children("demo-city", kind=PlaceKind.ZONE)
    divisions = {place.id for place in catalog.places.children("demo-city")}
    assert len(divisions) == 6
    assert len(zones) == 2
    assert all(set(zone.overlaps) <= divisions and zone.overlaps for zone in zones)


def test_own_indicators_are_few_and_marked(catalog: Catalog, plan: Plan) -> None:
    own = {name for name in catalog.indicators if name.startswith("demo_")}
    assert own == {target.indicator for target in plan.targets if target.indicator.startswith("demo_")}
    assert len(own) <= 8


def test_the_data_files_come_out_of_the_script_byte_for_byte(tmp_path: Path) -> None:
    specification = importlib.util.spec_from_file_location(
        "make_demo_city", REPOSITORY / "scripts" / "make_demo_city.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.main(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in DATA.iterdir() if path.suffix in (".csv", ".xlsx")}
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == []


def test_every_file_is_imported_once_as_demonstration_before_the_day_of_the_demonstration() -> None:
    entries = yaml.safe_load((DATA / "imports.yaml").read_text(encoding="utf-8"))["imports"]
    assert sorted(entry["file"] for entry in entries) == sorted(
        path.name for path in DATA.iterdir() if path.suffix in (".csv", ".xlsx")
    )
    assert {entry["kind"] for entry in entries} == {"demonstration"}
    assert all(entry["published_on"] <= date(2026, 10, 20) for entry in entries)


def test_data_sets_are_sources_of_the_catalog(catalog: Catalog) -> None:
    entries = yaml.safe_load((DATA / "imports.yaml").read_text(encoding="utf-8"))["imports"]
    assert {entry["dataset"] for entry in entries} <= set(catalog.sources)


def test_amounts_of_the_divisions_sum_to_the_city() -> None:
    with (DATA / "ledger_divisions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        if not row["地区"].startswith("示范"):
            sums[row["指标"], row["年份"]] += float(row["数值"])
    with (DATA / "returns_departments.csv").open(encoding="utf-8") as stream:
        city = {(row["指标"], row["时期"].removesuffix("年")): row["数值"] for row in csv.DictReader(stream)}
    shared = set(sums) & set(city)
    assert len(shared) == 6 * 11
    assert [key for key in shared if sums[key] != pytest.approx(float(city[key]), abs=0.006)] == []


def test_parts_of_energy_and_carbon_sum_to_their_totals() -> None:
    book = openpyxl.load_workbook(DATA / "energy_carbon.xlsx")
    carbon = list(book["碳排放"].values)[1:]
    for name in ("城乡建设领域碳排放量", "建筑运行碳排放量"):
        for year in range(2015, 2026):
            rows = [row for row in carbon if row[0] == name and row[2] == f"{year}年"]
            parts, total = [row[3] for row in rows if row[5]], [row[3] for row in rows if not row[5]]
            assert len(total) == 1
            assert sum(parts) == pytest.approx(total[0], abs=0.06)
    energy = [row for row in list(book["建筑能耗"].values)[1:] if row[0] == "建筑运行能耗"]
    for basis in {row[5] for row in energy}:
        for year in range(2015, 2026):
            rows = [row for row in energy if row[5] == basis and row[2] == f"{year}年"]
            total = [row[3] for row in rows if not row[6]]
            assert sum(row[3] for row in rows if row[6] and row[7]) == pytest.approx(total[0], abs=0.05)


def test_the_whole_example_is_small_and_reachable_from_the_root() -> None:
    files = [path for path in DEMO.rglob("*") if path.is_file()]
    apart = ("ledgers", "documents", "statistics", "returns", "metering")
    assert sum(path.stat().st_size for path in files if path.parent.name not in apart) < 300_000
    assert sum(path.stat().st_size for path in files if path.parent.name in ("statistics", "returns")) < 110_000
    assert sum(path.stat().st_size for path in files if path.parent.name == "documents") < 350_000
    assert sum(path.stat().st_size for path in files) < 1_900_000
    link = REPOSITORY / "examples" / "demo_city"
    assert link.resolve() == DEMO
    assert not link.is_symlink() or not link.readlink().is_absolute()

"""The demonstration city's plan as text, Word document and PDF: read alike, and as the plan file made by hand has it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from dafeng.base.target import Measure
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import read_document
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan
from dafeng.reports import find_fonts
from dafeng.workflow.demonstration import demo_files

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_demo_documents.py"
# Said by the plan file in another way than the reader reads the words: a duty on each project with a date beside it.
READ_AS_DUTIES = {"saving-public-2025"}
# Milestones whose verb the reader does not take for one yet (上线运行, 销号, 公布施行, 建立并运行), and a duty with its first year.
NOT_READ_YET = {
    "system-2025", "housing-system-2026", "black-water-2025", "green-standard-2025", "regulation-2025", "statistics-2025",
}  # fmt: skip
# Amounts of a bare number after 达到: the plan file says =, the conventions of reading say at least.
OTHER_COMPARATOR = {"fully-fitted-2030", "saving-residential-2027"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog((demo_files() / "catalog",))


@pytest.fixture(scope="module")
def readings(catalog: Catalog) -> dict[str, ReadPlan]:
    folder = demo_files() / "documents"
    return {kind: read_plan(read_document(folder / f"plan.{kind}"), catalog) for kind in ("txt", "docx", "pdf")}


def figures(reading: ReadPlan) -> list[tuple[object, ...]]:
    return [
        (each.clause, each.label, each.value, each.value_max, each.unit, each.by, each.comparator, each.bodies)
        for each in reading.targets
    ]


@pytest.mark.parametrize("kind", ["docx", "pdf"])
def test_every_format_gives_the_same_targets_tasks_and_bodies(readings: dict[str, ReadPlan], kind: str) -> None:
    assert figures(readings[kind]) == figures(readings["txt"])
    assert len(readings["txt"].targets) > 75
    tasks = {
        name: [(each.number, each.title, each.bodies) for each in reading.outline.clauses if each.task]
        for name, reading in readings.items()
    }
    assert tasks[kind] == tasks["txt"]
    assert readings[kind].outline.head == readings["txt"].outline.head
    assert not [fate for fate in readings[kind].numbers if fate.fate == "unclaimed"]


def test_the_reading_is_what_the_hand_made_plan_has(catalog: Catalog, readings: dict[str, ReadPlan]) -> None:
    plan, reading = catalog.plan("demo-city-2024"), readings["docx"]
    missing, other = set(), set()
    for target in plan.targets:
        here = [each for each in reading.targets if each.at.start < target.at.end and target.at.start < each.at.end]
        fitting = [
            each
            for each in here
            if (each.value, each.value_max, each.unit, each.by)
            == (target.value, target.value_max, target.unit, target.by)
            and each.bodies == plan.bodies_of(target)
        ]
        if not fitting:
            missing.add(target.id)
        elif all(each.comparator is not target.comparator for each in fitting):
            other.add(target.id)
    assert missing <= READ_AS_DUTIES | NOT_READ_YET
    assert other <= OTHER_COMPARATOR
    numeric = [target for target in plan.targets if target.measure is not Measure.MILESTONE]
    assert len([target for target in numeric if target.id not in missing]) >= len(numeric) - 1
    tasks = {(each.number, each.title, each.bodies) for each in reading.outline.clauses if each.task}
    assert {(each.number, each.title, each.bodies) for each in plan.tasks} <= tasks


def test_the_documents_are_small_and_made_by_their_script(tmp_path: Path) -> None:
    folder = demo_files() / "documents"
    assert sum((folder / f"plan.{kind}").stat().st_size for kind in ("docx", "pdf")) < 300_000
    if not find_fonts(os.environ).can_write_pdf:
        pytest.skip("no Chinese font to set the PDF with")
    spec = importlib.util.spec_from_file_location("make_demo_documents", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    assert (tmp_path / "plan.docx").read_bytes() == (folder / "plan.docx").read_bytes()
    module.main(tmp_path / "again")
    assert (tmp_path / "plan.pdf").read_bytes() == (tmp_path / "again" / "plan.pdf").read_bytes()

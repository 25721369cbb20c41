"""The figures of the three plans: committed table = catalog = hand-made labels = the documents themselves."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.plan_schemas import Plan

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "plan_figures.yaml").read_text(encoding="utf-8"))["plans"]
PLANS = [table["id"] for table in TABLE]
FIGURES = ("value", "value_max", "unit", "by", "comparator", "measure", "as_labelled", "clause", "soft")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def table_of(plan: str) -> dict[str, Any]:
    return next(table for table in TABLE if table["id"] == plan)


def figures_of(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "id": target.id,
            **{name: getattr(target, name) for name in FIGURES if name not in ("comparator", "measure")},
            "comparator": target.comparator.value,
            "measure": target.measure.value,
            "at": [target.at.start, target.at.end],
            "bodies": list(plan.bodies_of(target)),
        }
        for target in plan.targets
    ]


@pytest.mark.parametrize("name", PLANS)
def test_the_catalog_says_what_the_committed_table_says(name: str, catalog: Catalog) -> None:
    plan, table = catalog.plan(name), table_of(name)
    assert plan.document.sha256 == table["sha256"]
    assert figures_of(plan) == [{key: row[key] for key in ("id", *FIGURES, "at", "bodies")} for row in table["targets"]]
    assert [(list(task.bodies), task.number, task.title) for task in plan.tasks] == [
        (row["bodies"], row["number"], row["title"]) for row in table["tasks"]
    ]
    assert [([duty.at.start, duty.at.end], duty.since) for duty in plan.obligations] == [
        (row["at"], row["from"]) for row in table["obligations"]
    ]
    counts = {"targets": len(plan.targets), "obligations": len(plan.obligations), "tasks": len(plan.tasks)}
    assert counts == table["counts"]


@pytest.mark.parametrize("name", PLANS)
def test_the_committed_table_agrees_with_the_labels_in_every_figure(name: str, shared: Path) -> None:
    table = table_of(name)
    gold = json.loads((shared / "plans" / "gold" / f"{table['gold']}.json").read_text(encoding="utf-8"))
    assert [
        (row["value"], row["value_max"], row["unit"], row["by"], row["comparator"], row["as_labelled"], row["at"])
        for row in table["targets"]
    ] == [
        (row["value"], row["value_max"], row["unit"], row["deadline"], row["comparator"], row["kind"], row["span"])
        for row in gold["targets"]
    ]
    assert [row["bodies"] for row in table["targets"]] == [row["responsible"] for row in gold["targets"]]
    assert [row["soft"] for row in table["targets"]] == [row.get("optional", False) for row in gold["targets"]]
    assert [(row["at"], row["from"]) for row in table["obligations"]] == [
        (row["span"], row["from_year"]) for row in gold["rules"]
    ]
    assert [(row["number"], row["title"], row["bodies"]) for row in table["tasks"]] == [
        (row["number"], row["title"], row["responsible"]) for row in gold["tasks"]
    ]


@pytest.mark.parametrize("name", PLANS)
def test_every_stretch_and_every_number_of_the_document_is_accounted_for(
    name: str, catalog: Catalog, shared: Path
) -> None:
    plan = catalog.plan(name)
    path = shared / "plans" / f"{table_of(name)['gold']}.txt"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == plan.document.sha256
    text = re.sub(r"\s+", "", path.read_text(encoding="utf-8"))
    for heading in (*plan.tasks, *plan.chapters):
        assert text[heading.at.start : heading.at.end] == heading.title
    for target in plan.targets:
        if target.value is not None:
            shown = f"{target.value:g}"
            assert shown in text[target.at.start : target.at.end], target.id
        before = [heading for heading in (*plan.chapters, *plan.tasks) if heading.at.start <= target.at.start]
        assert max(before, key=lambda heading: heading.at.start).number == target.clause, target.id
    claimed = [entry.at for entry in (*plan.targets, *plan.obligations, *plan.other_numbers)]
    for number in re.finditer(r"\d+(?:\.\d+)?", text):
        assert any(at.start <= number.start() and number.end() <= at.end for at in claimed), (
            number.group(),
            number.start(),
        )
    others = [other.at for other in plan.other_numbers]
    for entry in (*plan.targets, *plan.obligations):
        assert not any(at.start < entry.at.end and entry.at.start < at.end for at in others), entry.id


def test_no_sentence_of_a_plan_stands_in_the_catalog(shared: Path) -> None:
    folder = Path(__file__).parents[3] / "src"
    ours = "".join(re.sub(r"\s+", "", path.read_text(encoding="utf-8")) for path in folder.rglob("*.yaml"))
    for name in ("jilin", "qingdao", "national"):
        text = re.sub(r"\s+", "", (shared / "plans" / f"{name}.txt").read_text(encoding="utf-8"))
        sentences = {sentence for sentence in re.split(r"[。；;]", text) if len(sentence) >= 30}
        assert not [sentence for sentence in sentences if sentence in ours]


def test_every_target_names_an_indicator_and_the_catalog_has_at_least_eighty(catalog: Catalog) -> None:
    named = {target.indicator for plan in PLANS for target in catalog.plan(plan).targets}
    assert named <= set(catalog.indicators)
    assert len(catalog.indicators) >= 80
    assert all(indicator.definition and indicator.checked_on for indicator in catalog.indicators.values())

"""Six invented plans: the reader against labels made by hand, by the scorer of the labelled plans."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dafeng.catalog import Catalog, load_catalog
from dafeng.intake.documents import read_document
from dafeng.plans.labels import label_data
from dafeng.plans.reading import coverage, read_plan

FOLDER = Path(__file__).parents[1] / "cases" / "invented_plans"
PLANS = ("yunling", "linlan", "haichuan", "qingtan", "lanjiang", "hepu")
FLOORS = {
    "targets_f1": 0.98,
    "comparator_accuracy": 0.99,
    "deadline_accuracy": 0.99,
    "baseline_accuracy": 0.98,
    "kind_accuracy": 0.93,
    "indicator_char_f1_ge_0.6": 0.9,
    "responsible_set_f1": 0.99,
    "milestone_recall": 0.99,
    "milestone_precision": 0.99,
    "rule_recall": 0.72,
    "rule_precision": 0.85,
    "task_title_recall": 0.99,
    "task_responsible_set_f1": 0.99,
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def figures_of(shared: Path, folder: Path, name: str, labels: dict[str, object]) -> dict[str, float | None]:
    (folder / f"{name}.json").write_text(json.dumps(labels, ensure_ascii=False), encoding="utf-8")
    scorer, gold = str(shared / "plans" / "score.py"), str(FOLDER / f"{name}.json")
    command = [sys.executable, scorer, gold, str(folder / f"{name}.json"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float | None] = json.loads(done.stdout)[name]
    return figures


@pytest.mark.parametrize("lexicon", [True, False])
@pytest.mark.parametrize("name", PLANS)
def test_reader_holds_what_it_reached(
    shared: Path, tmp_path: Path, catalog: Catalog, name: str, *, lexicon: bool
) -> None:
    document = read_document(FOLDER / f"{name}.txt")
    bodies = (word for body in catalog.bodies.values() for word in (body.name, *body.aliases))
    indicators = (word for each in catalog.indicators.values() for word in (each.zh, *each.aliases))
    plan = read_plan(document, catalog, exclude_lexicon=frozenset(() if lexicon else (*bodies, *indicators)))
    figures = figures_of(shared, tmp_path, name, label_data(plan, document))
    below = {key: figures[key] for key, floor in FLOORS.items() if (figures[key] or 0) < floor}
    assert below == {}
    assert coverage(plan).get("numbers_unclaimed", 0) == 0

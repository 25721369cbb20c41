"""The three labelled plans: the reader against the hand-made labels, by the scorer that lies beside them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dafeng.base.document import Block, DocumentText
from dafeng.catalog import Catalog, load_catalog
from dafeng.plans.labels import label_data
from dafeng.plans.reading import coverage, read_plan

PLANS = ("jilin", "qingdao", "national")
FLOORS = {
    "targets_f1": 0.97,
    "comparator_accuracy": 0.97,
    "deadline_accuracy": 0.97,
    "baseline_accuracy": 0.97,
    "kind_accuracy": 0.97,
    "indicator_char_f1_ge_0.6": 0.95,
    "responsible_set_f1": 0.97,
    "milestone_recall": 0.9,
    "rule_recall": 0.9,
    "rule_precision": 0.8,
    "task_title_recall": 0.97,
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def read_text(path: Path) -> DocumentText:
    raw = path.read_bytes()
    lines = [line for line in raw.decode("utf-8").splitlines() if line.strip()]
    return DocumentText(
        path.name,
        "txt",
        hashlib.sha256(raw).hexdigest(),
        tuple(Block(line, number=index) for index, line in enumerate(lines, 1)),
    )


def scores(shared: Path, folder: Path, name: str) -> dict[str, float | None]:
    plans = shared / "plans"
    command = [
        sys.executable,
        str(plans / "score.py"),
        str(plans / "gold" / f"{name}.json"),
        str(folder / f"{name}.json"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float | None] = json.loads(done.stdout)[name]
    return figures


@pytest.mark.parametrize("name", PLANS)
def test_reader_reaches_the_floors_on_a_labelled_plan(
    shared: Path, tmp_path: Path, catalog: Catalog, name: str
) -> None:
    document = read_text(shared / "plans" / f"{name}.txt")
    plan = read_plan(document, catalog)
    (tmp_path / f"{name}.json").write_text(json.dumps(label_data(plan, document), ensure_ascii=False), encoding="utf-8")
    figures = scores(shared, tmp_path, name)
    below = {
        key: figures[key] for key, floor in FLOORS.items() if figures[key] is not None and (figures[key] or 0) < floor
    }
    assert below == {}
    assert coverage(plan).get("numbers_unclaimed", 0) == 0


@pytest.mark.parametrize("name", PLANS)
def test_reader_keeps_the_floors_without_the_lexicon(shared: Path, tmp_path: Path, catalog: Catalog, name: str) -> None:
    document = read_text(shared / "plans" / f"{name}.txt")
    names = frozenset(name for body in catalog.bodies.values() for name in (body.name, *body.aliases))
    aliases = frozenset(name for each in catalog.indicators.values() for name in (each.zh, *each.aliases))
    plan = read_plan(document, catalog, exclude_lexicon=names | aliases)
    assert coverage(plan)["bodies_lexicon"] == coverage(plan)["indicators_lexicon"] == 0
    (tmp_path / f"{name}.json").write_text(json.dumps(label_data(plan, document), ensure_ascii=False), encoding="utf-8")
    figures = scores(shared, tmp_path, name)
    assert (figures["targets_f1"] or 0) >= 0.97
    assert figures["responsible_set_f1"] is None or figures["responsible_set_f1"] >= 0.97

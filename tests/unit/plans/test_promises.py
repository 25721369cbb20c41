"""Numeric promises: invented sentences in the manner of plans, with the targets and fates that they must give."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.base.document import Block, DocumentText
from dafeng.base.target import Locator
from dafeng.plans.numbers import find_numbers
from dafeng.plans.promises import read_promises
from dafeng.plans.read_records import Clause, ClauseKind, NumberFate, Outline, PlanHead, ReadTarget, Sentence

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "plan_promises.yaml").read_text(encoding="utf-8"))[
    "cases"
]


def read_sentences(
    text: str, kind: ClauseKind = ClauseKind.TASK
) -> tuple[DocumentText, tuple[ReadTarget, ...], tuple[NumberFate, ...]]:
    """Read a text as the only clause of a plan."""
    document = DocumentText("case.txt", "txt", "0" * 64, (Block(text, number=1),))
    folded = document.folded
    ends = [place + 1 for place, letter in enumerate(folded) if letter == "。"]
    starts = [0, *ends[:-1]]
    clause = Clause(number="二（一）", title="", level=2, kind=kind, at=Locator(start=0, end=len(folded)), task=True)
    sentences = tuple(
        Sentence(at=Locator(start=start, end=end), clause=0) for start, end in zip(starts, ends, strict=True)
    )
    outline = Outline(head=PlanHead(), clauses=(clause,), sentences=sentences)
    targets, fates = read_promises(document, outline, find_numbers(document))
    return document, targets, fates


@pytest.mark.parametrize("case", CASES, ids=[case["text"][:24] for case in CASES])
def test_sentence_gives_its_targets(case: dict[str, Any]) -> None:
    document, targets, fates = read_sentences(case["text"], ClauseKind(case.get("clause", "task")))
    wanted = case["targets"]
    seen = [(each.comparator.value, each.unit, each.by) for each in targets]
    assert seen == [(row[1], row[3], row[4]) for row in wanted]
    assert [each.value for each in targets] == pytest.approx([row[2] for row in wanted])
    if not case.get("kind_free"):
        assert [each.kind.value for each in targets] == [row[5] for row in wanted]
    if not case.get("label_free"):
        assert [each.label for each in targets] == [row[0] for row in wanted]
    for each, row in zip(targets, wanted, strict=True):
        more = row[6] if len(row) > 6 else {}
        assert each.value_max == more.get("max")
        assert each.base_year == more.get("base")
        if "state" in more:
            assert each.base_state == more["state"]
        if "change" in more:
            assert each.change == more["change"]
        assert any(fate.of == each.id and each.at.start <= fate.at.start < fate.at.end <= each.at.end for fate in fates)
    expected = case.get("fates") or {}
    found = {document.folded[fate.at.start : fate.at.end]: fate.fate for fate in fates if fate.fate != "target"}
    for numeral, fate in expected.items():
        assert found.get(numeral) == fate
    if expected and not case.get("loose_fates"):
        assert {key: value for key, value in found.items() if value not in ("deadline", "baseline_year")} == {
            key: value for key, value in expected.items() if value not in ("deadline", "baseline_year")
        }
    assert "unclaimed" not in found.values() or case.get("loose_fates")

"""Answers judged against what was sent, and the division after them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from dafeng.base.consultation import AnswerEntry, AnswerPaper
from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_consultation import (
    AnswersTaken,
    Consultation,
    Difference,
    consulted_rows,
    redivide,
    take_answers,
)
from dafeng.pathways.allocation_criteria import Criterion, CriterionValue
from dafeng.pathways.allocation_problem import AllocationProblem, Member

PEOPLE = Criterion(
    id="p",
    title="人口",
    values={name: CriterionValue(value=v) for name, v in (("a", 60), ("b", 30), ("c", 10), ("d", 1), ("e", 2))},
)
ASKED = AllocationProblem(
    plan="plan", place="top", target="t", label="改造", indicator="i", unit="公里", kind="amount", measure="cumulative", total=100,
    start=2026, by=2027, method="per_head", criteria=(PEOPLE,), members=tuple(Member(id=one, name=f"{one}区") for one in "abc"),
)  # fmt: skip
LOWER = ASKED.model_copy(
    update={"place": "c", "total": 10.0, "members": (Member(id="d", name="d镇"), Member(id="e", name="e镇"))}
)


def sent(*problems: AllocationProblem) -> Consultation:
    allocations = tuple(allocate(one) for one in problems or (ASKED,))
    return Consultation(plan="plan", plan_title="方案", place="top", sent_on=date(2026, 10, 1), allocations=allocations)


def paper(consultation: Consultation, answers: dict[str, dict[str, str]], **more: Any) -> AnswerPaper:
    """Return a book with the answers to rows by member, and changed cells among them."""
    rows = consulted_rows(consultation)
    entries = []
    for row in rows:
        texts = {name: str(value) for name, value in row.shown().items()} | answers.get(row.share.member, {})
        entries.append(
            AnswerEntry(key=row.key, texts={k: v for k, v in texts.items() if v}, cells={k: f"X_{k}" for k in texts})
        )
    usual: dict[str, Any] = {
        "file": "答复.xlsx", "consultation": consultation.id, "digest": consultation.digest,
        "listed": tuple(row.key for row in rows), "entries": tuple(entries),
    }  # fmt: skip
    return AnswerPaper(**usual | more)


def names(taken: AnswersTaken) -> list[str]:
    return [finding.name.rpartition(".")[2] for finding in taken.findings]


def test_agreement_and_proposals_are_taken_and_silence_is_named() -> None:
    consultation = sent()
    taken = take_answers(
        consultation,
        [
            paper(
                consultation,
                {"a": {"answer": "同意"}, "b": {"answer": "修改建议", "proposed": "24", "reason": "存量少"}},
            )
        ],
    )
    assert [(one.member, one.agrees, one.figure) for one in taken.decisions] == [("a", True, None), ("b", False, 24)]
    assert taken.missing == ("t|c",)
    assert names(taken) == ["answer-missing"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"answer": "同意", "value": "61"}, "locked-changed"),
        ({"answer": "同意", "y2026": ""}, "locked-changed"),
        ({"answer": "同意", "member": "甲区"}, "locked-changed"),
        ({"answer": "好吧"}, "answer-unclear"),
        ({"reason": "太多"}, "answer-unclear"),
        ({"answer": "修改建议", "reason": "太多"}, "answer-incomplete"),
        ({"answer": "修改建议", "proposed": "五十", "reason": "太多"}, "answer-incomplete"),
        ({"answer": "修改建议", "proposed": "50"}, "answer-incomplete"),
        ({"answer": "修改建议", "proposed": "-5", "reason": "太多"}, "answer-incomplete"),
        ({"answer": "修改建议", "proposed": "50.5", "reason": "太多"}, "answer-incomplete"),
        ({"answer": "同意", "proposed": "50"}, "answer-incomplete"),
    ],
)
def test_rows_that_cannot_be_taken_are_named(answer: dict[str, str], name: str) -> None:
    consultation = sent()
    taken = take_answers(consultation, [paper(consultation, {"a": answer})])
    assert names(taken) == [name, "answer-missing"]
    assert taken.decisions == ()


def test_a_number_may_come_back_written_otherwise() -> None:
    consultation = sent()
    again = {"a": {"answer": "同意", "value": "60.0", "y2026": "３０"}}
    assert len(take_answers(consultation, [paper(consultation, again)]).decisions) == 1


def test_books_of_another_consultation_or_digest_are_refused_whole() -> None:
    consultation, other = sent(), sent(ASKED.model_copy(update={"total": 90.0}))
    full = {"a": {"answer": "同意"}}
    assert names(take_answers(consultation, [paper(other, full)]))[0] == "wrong-consultation"
    assert names(take_answers(consultation, [paper(consultation, full, digest="0" * 64)]))[0] == "wrong-digest"


def test_rows_added_removed_or_doubled_are_named() -> None:
    consultation = sent()
    whole = paper(consultation, {"a": {"answer": "同意"}})
    first = whole.entries[0]
    strange = first.model_copy(update={"key": "t|q"})
    taken = take_answers(consultation, [whole.model_copy(update={"entries": (first, first, strange)})])
    assert names(taken) == ["row-gone", "row-twice", "row-unknown", "answer-missing"]
    assert len(taken.decisions) == 1


def test_two_different_answers_to_one_row_are_both_refused() -> None:
    consultation = sent()
    one = paper(consultation, {"a": {"answer": "同意"}})
    two = paper(consultation, {"a": {"answer": "修改建议", "proposed": "50", "reason": "太多"}}, file="另一份.xlsx")
    taken = take_answers(consultation, [one, two])
    assert names(taken) == ["answers-differ", "answer-missing"]
    assert taken.decisions == ()
    assert len(take_answers(consultation, [one, one]).decisions) == 1


def test_others_take_the_difference_by_the_criterion_and_the_sum_stays() -> None:
    consultation = sent()
    taken = take_answers(
        consultation, [paper(consultation, {"b": {"answer": "修改建议", "proposed": "23", "reason": "少"}})]
    )
    (after,) = redivide(consultation, taken.decisions, accepted={"t|b"})
    # 77 left by 60:10
    assert after.values() == {"a": 66, "b": 23, "c": 11}
    assert after.sum_units() == 100
    assert [sum(share.yearly[year] for share in after.shares) for year in (2026, 2027)] == [50, 50]
    assert redivide(consultation, taken.decisions, accepted=set()) == consultation.allocations


def test_what_nobody_takes_is_said_to_be_open() -> None:
    consultation = sent()
    taken = take_answers(
        consultation, [paper(consultation, {"b": {"answer": "修改建议", "proposed": "23", "reason": "少"}})]
    )
    (after,) = redivide(consultation, taken.decisions, accepted={"t|b"}, difference=Difference.OPEN)
    assert after.values() == {"a": 60, "b": 23, "c": 10}
    assert [finding.name for finding in after.findings] == ["pathways.allocation.difference-open"]
    assert after.findings[0].value == "7"


def test_a_change_above_reaches_the_level_below() -> None:
    consultation = sent(ASKED, LOWER)
    taken = take_answers(
        consultation, [paper(consultation, {"c": {"answer": "修改建议", "proposed": "16", "reason": "可以多做"}})]
    )
    upper, lower = redivide(consultation, taken.decisions, accepted={"t|c"})
    assert upper.values()["c"] == 16
    assert lower.sum_units() == 16
    assert lower.values() == {"d": 5, "e": 11}


def test_the_digest_tells_what_was_sent_and_survives_being_kept() -> None:
    consultation = sent()
    assert Consultation.model_validate_json(consultation.model_dump_json()).digest == consultation.digest
    assert sent(ASKED.model_copy(update={"total": 101.0})).digest != consultation.digest

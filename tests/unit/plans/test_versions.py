"""Two versions of a plan: what changed is named field by field, what did not is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.catalog import load_catalog
from dafeng.plans.versions import DiffKind, diff_plans

CATALOG = load_catalog()
PLAN = CATALOG.plan("qingdao-2024")


def changed(**update: object) -> object:
    return PLAN.model_copy(update=update)


def rows(after: object, before: object = PLAN) -> list:
    return [row for row in diff_plans(before, after).rows if row.kind is not DiffKind.SAME]


@pytest.mark.parametrize("plan", list(CATALOG.plans.values()), ids=lambda plan: plan.id)
def test_a_plan_does_not_differ_from_itself(plan: object) -> None:
    difference = diff_plans(plan, plan)
    assert difference.counts() == {
        "added": 0, "removed": 0, "changed": 0, "moved": 0,
        "same": len(plan.targets) + len(plan.obligations) + len(plan.tasks),
    }  # fmt: skip


def test_a_changed_value_is_one_change_of_one_target() -> None:
    position = next(n for n, target in enumerate(PLAN.targets) if target.id == "sludge-2025")
    new = PLAN.targets[position].model_copy(update={"value": 97.0})
    [row] = rows(changed(targets=(*PLAN.targets[:position], new, *PLAN.targets[position + 1 :])))
    assert (row.kind, row.after) == (DiffKind.CHANGED, "sludge-2025")
    assert [(change.field, change.before, change.after) for change in row.changes] == [("value", "95", "97")]


def test_bodies_of_a_task_change_with_its_targets() -> None:
    position = next(n for n, task in enumerate(PLAN.tasks) if task.number == "二（四）")
    task = PLAN.tasks[position].model_copy(update={"bodies": ("市住房城乡建设局",)})
    found = rows(changed(tasks=(*PLAN.tasks[:position], task, *PLAN.tasks[position + 1 :])))
    assert {change.field for row in found for change in row.changes} == {"bodies"}
    assert "task" in {row.subject for row in found}


def test_a_target_in_another_clause_has_moved() -> None:
    first = PLAN.targets[0].model_copy(update={"clause": "五（十六）", "bodies": PLAN.bodies_of(PLAN.targets[0])})
    [row] = rows(changed(targets=(*PLAN.targets[1:], first)))
    assert (row.kind, row.before) == (DiffKind.MOVED, PLAN.targets[0].id)


def test_the_head_is_compared() -> None:
    document = PLAN.document.model_copy(update={"number": "青建发〔2026〕1号"})
    [row] = rows(changed(document=document))
    assert (row.subject, row.changes[0].field, row.changes[0].after) == ("head", "number", "青建发〔2026〕1号")


@given(st.sets(st.integers(0, len(PLAN.targets) - 1), max_size=12), st.randoms(use_true_random=False))
def test_dropped_targets_are_removed_one_way_and_added_the_other(gone: set[int], random: object) -> None:
    kept = [target for position, target in enumerate(PLAN.targets) if position not in gone]
    random.shuffle(kept)
    less = changed(targets=tuple(kept))
    there, back = diff_plans(PLAN, less), diff_plans(less, PLAN)
    names = {PLAN.targets[position].id for position in gone}
    assert {row.before for row in there.rows if row.kind is DiffKind.REMOVED} == names
    assert {row.after for row in back.rows if row.kind is DiffKind.ADDED} == names
    assert there.counts()["changed"] == there.counts()["moved"] == 0

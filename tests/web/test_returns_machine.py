"""No path leads to a state that is none, to two approvals, or to two publications; two at once: one does it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dafeng.base.form import FormEntry
from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import verify_chain
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.returns import services
from dafeng.web.returns.models import Assignment, Seal, Submission
from dafeng.web.returns.rounds import round_seal, round_unseal
from web.factories_returns import acting, fill, make_assignment, reporter
from web.world import World

FROM: Final = {
    "submit": {"draft", "returned", "correcting"},
    "withdraw": {"submitted"},
    "approve": {"submitted"},
    "return": {"submitted"},
    "correct": {"approved"},
    "abandon": {"correcting", "returned*"},
    "write": {"pending", "draft", "returned", "correcting"},
    "seal": {"pending", "draft", "returned", "approved", "correcting"},
    "unseal": {"sealed"},
}
"""Where each step may start, written down by hand; `*` only where something was approved before."""


class Cycle(RuleBasedStateMachine):
    """A return on which anybody may try anything in any order, held against a model in five lines."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.one = make_assignment(self.world)
        self.state, self.approved, self.before, self.approvals = "pending", False, "", 0
        self.supply = next(line.id for line in self.one.sheet.read().lines if line.field == "supply")

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.point)

    def _try(self, name: str, step: Callable[[], Any], after: str) -> bool:
        may = self.state in FROM[name] or (self.approved and f"{self.state}*" in FROM[name])
        try:
            with transaction.atomic():
                step()
        except RefusedError:
            assert not may, (name, self.state)
            return False
        assert may, (name, self.state)
        if name == "seal":
            self.before = self.state
        self.state = after
        return True

    def _last(self) -> Submission:
        row = Submission.objects.filter(assignment=self.one).order_by("number").last()
        if row is None:
            raise RefusedError("none", "nothing was sent in")
        return row

    @rule(value=st.integers(51_000, 53_000))
    def write(self, value: int) -> None:
        if self.state == "pending":
            self._try("write", lambda: fill(self.world, self.one), "draft")
            return
        sent = {self.supply: ("*", FormEntry(value=str(value), note="核"))}
        said = acting(reporter(self.world))
        self._try("write", lambda: services.draft_save(assignment=self.one, sent=sent, **said), self.state)

    @rule()
    def submit(self) -> None:
        step = lambda: services.submission_submit(assignment=self.one, reason="更正", **acting(reporter(self.world)))  # noqa: E731
        self._try("submit", step, "submitted")

    @rule()
    def withdraw(self) -> None:
        rows = Submission.objects.filter(assignment=self.one).exclude(state="withdrawn")
        after = "correcting" if self.approved else "returned" if rows.count() > 1 else "draft"
        step = lambda: services.submission_withdraw(submission=self._last(), **acting(reporter(self.world)))  # noqa: E731
        self._try("withdraw", step, after)

    @rule(number=st.integers(1, 2))
    def approve(self, number: int) -> None:
        said = acting(self.world.user(Role.REVIEWER, "above", number=number))
        if self._try("approve", lambda: services.submission_approve(submission=self._last(), **said), "approved"):
            self.approved, self.approvals = True, self.approvals + 1

    @rule()
    def send_back(self) -> None:
        said = acting(self.world.user(Role.REVIEWER, "above"))
        step = lambda: services.submission_return(submission=self._last(), remark="核", remarks={}, **said)  # noqa: E731
        self._try("return", step, "returned")

    @rule()
    def correct(self) -> None:
        said = acting(reporter(self.world))
        self._try("correct", lambda: services.correction_begin(assignment=self.one, **said), "correcting")

    @rule()
    def abandon(self) -> None:
        said = acting(reporter(self.world))
        self._try("abandon", lambda: services.correction_abandon(assignment=self.one, **said), "approved")

    @rule()
    def seal(self) -> None:
        said = acting(self.world.user(Role.PLAN_OWNER, "above"))
        named = {self.one.pk: "例外"}
        self._try("seal", lambda: round_seal(row=self.one.round, exceptions=named, reason="", **said), "sealed")

    @rule()
    def unseal(self) -> None:
        said = acting(self.world.user(Role.PLAN_OWNER, "above"))
        self._try("unseal", lambda: round_unseal(row=self.one.round, reason="核", **said), self.before)

    @invariant()
    def what_is_kept_agrees_with_the_model(self) -> None:
        row = Assignment.objects.get(pk=self.one.pk)
        assert row.state == self.state
        rows = Submission.objects.filter(assignment=self.one)
        assert rows.filter(state="approved").count() == int(self.approved)
        assert rows.filter(state="submitted").count() == int(self.state == "submitted")
        if self.approved:
            assert row.approved_id == rows.get(state="approved").pk
        keys = OutboxItem.objects.filter(key__startswith="returns-publish-")
        assert keys.count() == self.approvals
        assert Seal.objects.filter(opened_at__isnull=True).count() == int(self.state == "sealed")


@pytest.mark.django_db
def test_whatever_is_tried_in_whatever_order_there_is_no_illegal_step(world: World) -> None:
    make_assignment(world)  # people and organisations are there before anything is rolled back
    people = [(Role.PLAN_OWNER, "above", 1), (Role.REVIEWER, "above", 1), (Role.REVIEWER, "above", 2)]
    assert (
        len({reporter(world).pk, *(world.user(role, scope, number=number).pk for role, scope, number in people)}) == 4
    )
    machine = type("Machine", (Cycle,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    assert list(verify_chain()) == []


def at_once(steps: list[Callable[[], Any]]) -> tuple[list[Any], list[Exception]]:
    """Do steps at the same moment; return what they gave and what refused them."""
    barrier, lock = threading.Barrier(len(steps)), threading.Lock()
    given: list[Any] = []
    refused: list[Exception] = []

    def do(step: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            result = step()
            with lock:
                given.append(result)
        except Exception as error:
            with lock:
                refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given, refused


@pytest.mark.django_db(transaction=True)
def test_thirty_two_submits_are_one_and_of_two_reviewers_one_decides(world: World) -> None:
    one = make_assignment(world)
    fill(world, one)
    said = acting(reporter(world))
    given, refused = at_once([lambda: services.submission_submit(assignment=one, **said)] * 32)
    assert len(given) == 1
    assert {type(error) for error in refused} == {RefusedError}
    row = Submission.objects.get()
    first, second = (acting(world.user(Role.REVIEWER, "above", number=number)) for number in (1, 2))
    steps: list[Callable[[], Any]] = [lambda: services.submission_approve(submission=row, **first)] * 16
    steps += [lambda: services.submission_return(submission=row, remark="核", remarks={}, **second)] * 16
    given, refused = at_once(steps)
    assert len(given) == 1
    assert {type(error) for error in refused} == {RefusedError}
    assert all("处理" in str(error) for error in refused)
    one.refresh_from_db()
    row.refresh_from_db()
    assert (one.state, row.state) in {("approved", "approved"), ("returned", "returned")}
    assert OutboxItem.objects.filter(kind="returns.publish").count() == int(one.state == "approved")
    decided = AuditEntry.objects.filter(action__in=["returns.approved", "returns.returned"])
    assert decided.count() == 1
    assert list(verify_chain()) == []

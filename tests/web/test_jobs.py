"""Background runs: one a key, leased, fenced, cancellable; an old worker writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from dafeng.base.errors import InputError
from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import SYSTEM
from dafeng.web.jobs import services
from dafeng.web.jobs.models import Job, JobState, WorkerBeat
from dafeng.web.jobs.services import LEASE, LostLeaseError, again, ask, beat, cancel, take, work_one
from dafeng.web.jobs.worker import work
from web.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the table of tasks, empty, for this test alone."""
    table: dict[str, Any] = {}
    monkeypatch.setattr(services, "_TASKS", table)
    return table


def asked(key: str = "a", kind: str = "count") -> Job:
    return ask(kind, key, title="数数", place="demo-city", arguments={"to": 3}, by=SYSTEM)[0]


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_run_is_done_once_and_its_result_kept(tasks: dict[str, Any]) -> None:
    def count(arguments: Any, listener: Any, job: Job) -> dict[str, int]:
        for number in range(arguments["to"]):
            listener("数", number + 1, arguments["to"])
        return {"counted": arguments["to"]}

    tasks["count"] = count
    job = asked()
    assert work_one("w") is True
    assert work_one("w") is False
    done = fresh(job)
    assert (done.state, done.result, done.done, done.total, done.leased_until) == ("done", {"counted": 3}, 3, 3, None)
    assert done.ended_at is not None


def test_the_same_key_is_the_same_run_while_it_is_active_and_a_new_one_after(tasks: dict[str, Any]) -> None:
    tasks["count"] = lambda *_: {}
    first, new = ask("count", "k", title="t", place="p", arguments={}, by=SYSTEM)
    again_, second = ask("count", "k", title="t", place="p", arguments={}, by=SYSTEM)
    assert (new, second, again_.pk) == (True, False, first.pk)
    assert AuditEntry.objects.filter(action="jobs.asked").count() == 1
    work_one("w")
    third, new = again(fresh(first), by=SYSTEM)
    assert new
    assert third.pk != first.pk


def test_an_old_worker_whose_run_was_taken_over_writes_nothing(tasks: dict[str, Any]) -> None:
    job = asked()

    def slow(arguments: Any, listener: Any, mine: Job) -> dict[str, str]:
        Job.objects.filter(pk=mine.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        other = take("second")  # the lease ran out: another worker takes it …
        assert other is not None
        assert other.fence == mine.fence + 1
        services._ends(other, JobState.DONE, result={"by": "second"})
        return {"by": "first"}  # … and the first one comes too late

    tasks["count"] = slow
    assert work_one("first") is True
    assert fresh(job).result == {"by": "second"}
    with pytest.raises(LostLeaseError):
        services._write(job, doing="anything")


def test_a_lease_that_holds_is_not_taken(tasks: dict[str, Any]) -> None:
    job = asked()
    assert take("first") is not None
    assert take("second") is None
    Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    taken = take("second")
    assert taken is not None
    assert (taken.worker, taken.attempts, taken.fence) == ("second", 2, 2)
    assert taken.leased_until is not None
    assert taken.leased_until > timezone.now() + LEASE - timedelta(seconds=5)


def test_a_run_that_kills_its_worker_three_times_is_given_up(tasks: dict[str, Any]) -> None:
    job = asked()
    for _ in range(3):
        assert take("w") is not None
        Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    take("w")
    assert fresh(job).state == "failed"
    assert "中断" in fresh(job).error


def test_cancelling(tasks: dict[str, Any]) -> None:
    waiting = asked("waiting")
    cancel(waiting, by=SYSTEM)
    assert fresh(waiting).state == "cancelled"

    def cancelled_meanwhile(arguments: Any, listener: Any, job: Job) -> dict[str, str]:
        cancel(job, by=SYSTEM)
        assert fresh(job).state == "running"
        listener("下一步", 1, None)
        return {"reached": "the end"}

    tasks["count"] = cancelled_meanwhile
    running = asked("running")
    work_one("w")
    assert (fresh(running).state, fresh(running).result) == ("cancelled", None)

    dead = asked("dead")  # its worker died; cancelled then: nobody runs it again
    take("w")
    cancel(dead, by=SYSTEM)
    Job.objects.filter(pk=dead.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    work_one("w")
    assert fresh(dead).state == "cancelled"


def test_what_a_run_fails_on_is_said(tasks: dict[str, Any]) -> None:
    def refuses(*_: Any) -> dict[str, Any]:
        raise InputError("第3行不是数", doing="导入")

    def breaks(*_: Any) -> dict[str, Any]:
        raise ZeroDivisionError("by zero")

    tasks |= {"refuses": refuses, "breaks": breaks}
    jobs = [asked("1", "refuses"), asked("2", "breaks"), asked("3", "unknown")]
    while work_one("w"):
        pass
    assert [fresh(job).state for job in jobs] == ["failed"] * 3
    assert "第3行不是数" in fresh(jobs[0]).error
    assert fresh(jobs[1]).error == "ZeroDivisionError: by zero"
    assert "没有登记" in fresh(jobs[2]).error


def test_a_locked_database_and_a_worker_that_ends_put_the_run_back(tasks: dict[str, Any]) -> None:
    calls: list[int] = []
    stop = threading.Event()

    def task(arguments: Any, listener: Any, job: Job) -> dict[str, Any]:
        calls.append(job.attempts)
        if len(calls) == 1:
            raise OperationalError("database is locked")
        if len(calls) == 2:
            stop.set()
            listener("停", 0, None)
        return {}

    tasks["count"] = task
    job = asked()
    work_one("w")
    assert fresh(job).state == "queued"
    work_one("w", stop=stop)
    assert (fresh(job).state, fresh(job).attempts) == ("queued", 1)
    work_one("w")
    assert fresh(job).state == "done"
    assert calls == [1, 2, 2]


def test_workers_are_seen_and_forgotten() -> None:
    WorkerBeat.objects.create(name="old", seen_at=timezone.now() - timedelta(days=2))
    beat("new", doing="x")
    beat("new")
    assert list(WorkerBeat.objects.values_list("name", flat=True)) == ["new"]


@pytest.fixture
def closing(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Close what threads opened."""
    yield
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_thirty_two_identical_triggers_are_one_run_and_it_is_done_once(tasks: dict[str, Any], closing: None) -> None:
    runs: list[int] = []
    tasks["count"] = lambda arguments, listener, job: runs.append(job.pk) or {}
    barrier = threading.Barrier(32)
    found: list[tuple[int, bool]] = []

    def trigger() -> None:
        barrier.wait()
        try:
            job, new = ask("count", "one", title="t", place="p", arguments={}, by=SYSTEM)
            found.append((job.pk, new))
        finally:
            connection.close()

    threads = [threading.Thread(target=trigger) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 32
    assert len({pk for pk, _ in found}) == 1
    assert sum(new for _, new in found) == 1
    workers = [
        threading.Thread(target=lambda: (work(threading.Event(), once=True), connection.close())) for _ in range(4)
    ]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert len(runs) == 1
    assert Job.objects.get().state == "done"


def test_pages(world: World, tasks: dict[str, Any], django_assert_max_num_queries: Any) -> None:
    analyst = world.user(Role.ANALYST, "above")
    for number in range(60):
        Job.objects.create(kind="count", key=f"{number}", title=f"任务{number}", place="demo-city", state=JobState.DONE)
    client = world.client(analyst)
    client.get("/jobs/")
    with django_assert_max_num_queries(8):
        answer = client.get("/jobs/?state=done")
    assert "共 60 个" in answer.content.decode()
    job = asked("mine")
    page = client.get(f"/jobs/{job.pk}/")
    assert "取消" in page.content.decode()
    fragment = client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "hx-get" in fragment
    assert client.post(f"/jobs/{job.pk}/cancel").status_code == 302
    assert "hx-get" not in client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert client.post(f"/jobs/{job.pk}/again").status_code == 302
    assert Job.objects.filter(key="mine", state="queued").count() == 1

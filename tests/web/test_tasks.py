"""Tasks on the platform: who sees them, progress, evidence, due dates, supervision, reminders."""

from __future__ import annotations

import json
import sys
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import Actor
from dafeng.web.house import house
from dafeng.web.jobs.services import ask, work_one
from dafeng.web.people.models import User
from dafeng.web.people.selectors import reach_of
from dafeng.web.plans import task_services
from dafeng.web.plans.evidence import check_evidence
from dafeng.web.plans.models import Reminder, Supervision, TaskEvidence, TaskNote, TaskState, TaskWork
from dafeng.web.plans.reminders import remind, reminders_due
from dafeng.web.plans.selectors import due_for
from web.factories_plans import make_order, make_task
from web.world import World

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"


def actor(user: User) -> Actor:
    """Return who does something."""
    return Actor(user=user, name=user.name, organisation=user.organisation_id)


def upload(client: Client, task: TaskWork, name: str, data: bytes, **more: Any) -> Any:
    """Hand a file in as a person does."""
    said = {"evidence-file": SimpleUploadedFile(name, data), **more}
    return client.post(f"/plans/tasks/{task.pk}/evidence/", said)


def report(client: Client, task: TaskWork, state: str, percent: int, text: str = "已开工") -> Any:
    """Report as a person does."""
    said = {"note-state": state, "note-percent": percent, "note-text": text}
    return client.post(f"/plans/tasks/{task.pk}/report/", said)


# Which tasks, and whose ---------------------------------------------------------------------------------------------


def test_the_board_lists_the_tasks_of_the_library(world: World, django_assert_num_queries: Any) -> None:
    client = world.of(Role.ANALYST, "above")
    html = client.get("/plans/tasks/?plan=demo-city-2024").content.decode()
    plan = house().catalog.plans["demo-city-2024"]
    assert f"任务 {len(plan.tasks)} 项" in html
    assert all(task.title in html for task in plan.tasks)
    rows = TaskWork.objects.filter(plan="demo-city-2024")
    assert [row.clause for row in rows] == [task.number for task in plan.tasks]
    # 二（四）: rail by 2025 and 2030; 各区县 stands for the governments of the districts too
    first = rows.get(clause="二（四）")
    assert first.plan_due == date(2030, 12, 31)
    bodies = {row.body: row.lead for row in first.bodies.all()}
    assert [body for body, lead in bodies.items() if lead] == ["demo-city-natural-resources"]
    assert "demo-city-divisions" in bodies
    assert any(house().catalog.bodies[body].place == "demo-city-dongwan" for body in bodies)
    assert not task_services.follow_plans()
    with django_assert_num_queries(_QUERIES):
        client.get("/plans/tasks/?plan=demo-city-2024")
    TaskWork.objects.filter(plan="demo-city-2024", position__gt=3).update(listed=False)
    with django_assert_num_queries(_QUERIES):
        client.get("/plans/tasks/?plan=demo-city-2024")


_QUERIES = 9


def test_a_task_that_a_later_version_no_longer_holds_keeps_what_was_said(world: World) -> None:
    world.organisation()
    task = TaskWork.objects.create(plan="demo-city-2024", clause="九（九）", place="demo-city")
    task_services.note_progress(
        task=task, state="in_progress", percent=10, text="x", by=actor(world.user(Role.PLAN_OWNER, "above"))
    )
    assert task_services.follow_plans()
    task.refresh_from_db()
    assert (task.listed, task.notes.count()) == (False, 1)
    html = world.of(Role.ANALYST, "above").get(f"/plans/tasks/{task.pk}/").content.decode()
    assert "现行方案中已没有这一条" in html


def test_a_reporter_sees_and_reports_on_the_own_tasks_only(world: World) -> None:
    own, foreign, neighbour = (make_task(world, scope) for scope in ("own", "foreign", "neighbour"))
    client = world.of(Role.REPORTER, "own")
    assert client.get(f"/plans/tasks/{own.pk}/").status_code == 200
    for task in (foreign, neighbour):
        assert client.get(f"/plans/tasks/{task.pk}/").status_code == 404
        assert report(client, task, "in_progress", 30).status_code == 404
        assert upload(client, task, "a.pdf", PDF).status_code == 404
    assert report(client, own, "in_progress", 30).status_code == 302
    assert report(client, own, "done", 100).status_code == 422
    assert report(client, own, "in_progress", 101).status_code == 422
    own.refresh_from_db()
    assert (own.state, own.percent, own.reported_on) == ("in_progress", 30, date(2026, 9, 15))
    assert [row.percent for row in own.history.all()] == [30, 0]
    assert AuditEntry.objects.get(action="tasks.reported").after["percent"] == 30
    mine = client.get("/plans/tasks/?mine=1").content.decode()
    assert "任务 1 项" in mine
    # a reviewer looks, but does not report
    assert report(world.of(Role.REVIEWER, "own"), own, "in_progress", 40).status_code == 403


def test_done_is_confirmed_by_somebody_else(world: World) -> None:
    task = make_task(world, "own")
    reporter, owner = world.user(Role.REPORTER, "own"), world.user(Role.PLAN_OWNER, "own")
    page = f"/plans/tasks/{task.pk}/confirm/"
    client = world.client(owner)
    client.post(page, {"how": "done"})
    report(client, task, "claimed", 0)
    client.post(page, {"how": "done"})
    task.refresh_from_db()
    assert (task.state, task.percent) == ("claimed", 100)
    report(world.client(reporter), task, "claimed", 0)
    assert client.post(page, {"how": "back"}).status_code == 302
    assert TaskWork.objects.get(pk=task.pk).state == TaskState.CLAIMED
    client.post(page, {"how": "done"})
    assert TaskWork.objects.get(pk=task.pk).state == TaskState.DONE
    assert report(world.client(reporter), task, "in_progress", 5).status_code == 422
    client.post(page, {"how": "back", "reason": "验收未通过"})
    task.refresh_from_db()
    assert (task.state, task.percent) == ("in_progress", 99)
    assert list(TaskNote.objects.values_list("state", flat=True))[:2] == ["in_progress", "done"]


def test_a_due_date_is_set_with_a_reason(world: World) -> None:
    task, client = make_task(world, "own"), world.of(Role.PLAN_OWNER, "own")
    page = f"/plans/tasks/{task.pk}/due/"
    assert client.post(page, {"due-due_on": "2026-12-01", "due-reason": ""}).status_code == 422
    assert client.post(page, {"due-due_on": "2026-12-01", "due-reason": "市政府要求"}).status_code == 302
    task.refresh_from_db()
    assert (task.due, task.due_reason) == (date(2026, 12, 1), "市政府要求")
    client.post(page, {"due-due_on": "", "due-reason": "恢复"})
    task.refresh_from_db()
    assert task.due is None


# Evidence -----------------------------------------------------------------------------------------------------------


def _archive(*names: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a.html", b"<html><script>alert(1)</script></html>"),
        ("a.png", b"<svg onload=alert(1)>"),
        ("a.pdf", b"<html></html>"),
        ("a.txt", b"  <!DOCTYPE html><script>"),
        ("a.csv", b"a,b\n<script>alert(1)</script>"),
        ("a.docx", b"PK\x03\x04 broken"),
        ("a.docx", _archive("xl/workbook.xml")),
        ("a.xlsx", _archive("xl/workbook.xml", "xl/vbaProject.bin")),
        ("a.xlsm", _archive("xl/workbook.xml")),
        ("a.exe", b"MZ"),
        ("a.pdf", b""),
        ("noending", PDF),
    ],
)
def test_files_that_could_run_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(RefusedError):
        check_evidence(path, name)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (64 << 20))
    path = tmp_path / "file"
    path.write_bytes(out.getvalue())
    with pytest.raises(RefusedError):
        check_evidence(path, "a.xlsx")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("进展.PDF", PDF, "pdf"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "jpg"),
        ("a.docx", _archive("word/document.xml"), "docx"),
        ("a.csv", "区县,面积\n东湾,3\n".encode("gb18030"), "csv"),
    ],
)
def test_ordinary_files_are_taken(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert check_evidence(path, name) == kind


def test_evidence_is_kept_once_offered_as_a_download_and_withdrawn_with_a_reason(writing_world: World) -> None:
    task = make_task(writing_world, "own")
    client = writing_world.of(Role.REPORTER, "own")
    assert upload(client, task, "../../证明\u202e.pdf", PDF).status_code == 302
    assert upload(client, task, "same.pdf", PDF).status_code == 422
    assert upload(client, task, "a.svg", b"<svg/>").status_code == 422
    row = TaskEvidence.objects.get()
    assert (row.name, row.kind, row.size) == ("证明.pdf", "pdf", len(PDF))
    answer = client.get(f"/plans/evidence/{row.pk}/")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert b"".join(answer.streaming_content) == PDF
    assert writing_world.of(Role.REPORTER, "foreign").get(f"/plans/evidence/{row.pk}/").status_code == 404
    client.post(f"/plans/evidence/{row.pk}/withdraw/", {"reason": ""})
    assert TaskEvidence.objects.get().withdrawn_at is None
    client.post(f"/plans/evidence/{row.pk}/withdraw/", {"reason": "传错"})
    assert TaskEvidence.objects.get().withdrawn_reason == "传错"
    assert upload(client, task, "again.pdf", PDF).status_code == 302


# Supervision --------------------------------------------------------------------------------------------------------


def test_an_order_is_answered_and_closed_on_evidence(writing_world: World) -> None:
    world = writing_world
    task = make_task(world, "own")
    reporter, owner = world.of(Role.REPORTER, "own"), world.of(Role.PLAN_OWNER, "own")
    said = {"order-organisation": world.organisation().pk, "order-demand": "报进度", "order-answer_by": "2026-09-01"}
    page = f"/plans/tasks/{task.pk}/supervise/"
    assert owner.post(page, said).status_code == 422  # a day that has passed
    assert owner.post(page, said | {"order-organisation": world.organisation("foreign").pk}).status_code == 422
    assert reporter.post(page, said | {"order-answer_by": "2026-10-01"}).status_code == 403
    assert owner.post(page, said | {"order-answer_by": "2026-10-01"}).status_code == 302
    order = Supervision.objects.get()
    settle = f"/plans/orders/{order.pk}/settle/"
    owner.post(settle, {"how": "close"})
    assert Supervision.objects.get().state == "open"
    reporter.post(f"/plans/orders/{order.pk}/answer/", {"answer": "已完成八成"})
    owner.post(settle, {"how": "close"})
    assert Supervision.objects.get().state == "answered"  # no evidence yet
    owner.post(settle, {"how": "back", "remark": "请附材料", "answer_by": "2026-10-10"})
    assert Supervision.objects.get().answer_by == date(2026, 10, 10)
    reporter.post(f"/plans/orders/{order.pk}/answer/", {"answer": "附材料"})
    upload(reporter, task, "a.pdf", PDF, order=order.pk)
    assert owner.post(settle, {"how": "close", "remark": "属实"}).status_code == 302
    order.refresh_from_db()
    assert (order.state, order.closed_by) == ("closed", world.user(Role.PLAN_OWNER, "own"))
    evidence = TaskEvidence.objects.get()
    reporter.post(f"/plans/evidence/{evidence.pk}/withdraw/", {"reason": "不要了"})
    assert TaskEvidence.objects.get().withdrawn_at is None
    assert upload(reporter, task, "b.pdf", PDF + b"x", order=order.pk).status_code == 404
    log = list(AuditEntry.objects.filter(action__startswith="orders.").values_list("action", flat=True))
    assert log == ["orders.raised", "orders.answered", "orders.sent-back", "orders.answered", "orders.closed"]
    assert order.history.count() == 5


def test_who_answered_does_not_close(world: World) -> None:
    order, owner = make_order(world, "own"), world.user(Role.PLAN_OWNER, "own")
    task_services.answer_order(order=order, answer="好了", by=actor(owner))
    with pytest.raises(RefusedError, match="自己的答复"):
        task_services.close_order(order=order, remark="", by=actor(owner))


# Reminders ----------------------------------------------------------------------------------------------------------


def test_reminders_come_once_for_each_step_before_the_end_of_october(world: World) -> None:
    make_task(world, "own")
    make_order(world, "own")  # to be answered by 1 October
    mine = {"plan": "invented-own"}
    TaskWork.objects.filter(**mine).update(due_on=date(2026, 10, 10), due_reason="x")

    def kinds(day: date) -> set[str]:
        remind(day)
        return set(Reminder.objects.filter(task__plan="invented-own").values_list("kind", flat=True))

    order = Supervision.objects.get().pk
    assert kinds(date(2026, 8, 1)) == set()
    assert kinds(date(2026, 9, 5)) == {"october-2026-60", f"order-{order}-2026-10-01-30"}
    assert kinds(date(2026, 9, 6)) == kinds(date(2026, 9, 5))
    ten = kinds(date(2026, 10, 2))
    assert {"october-2026-30", "due-2026-10-10-10", f"order-{order}-2026-10-01-overdue"} <= ten
    TaskWork.objects.filter(**mine).update(reported_on=date(2026, 10, 5))
    assert "october-2026-10" not in kinds(date(2026, 10, 25))
    TaskWork.objects.filter(**mine).update(reported_on=date(2025, 10, 5))
    assert "october-2026-overdue" in kinds(date(2026, 11, 2))


def test_the_hook_is_told_each_reminder_once(world: World, settings: Any, tmp_path: Path) -> None:
    task_services.follow_plans()
    out = tmp_path / "told.json"
    script = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read() + chr(10))"
    settings.DAFENG_REMINDER_HOOK = "/nowhere/at-all"
    first = remind(date(2026, 10, 25))
    assert first["new"] > 20
    assert first["told"] == 0
    settings.DAFENG_REMINDER_HOOK = f'{sys.executable} -c "{script}"'
    by = Actor()
    ask("plans.remind", "plans.remind", title="提醒", place="demo-city", arguments={"day": "2026-10-25"}, by=by)
    assert work_one("worker")
    assert remind(date(2026, 10, 25)) == {"day": "2026-10-25", "new": 0, "told": 0}
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(one["reminders"]) for one in told] == [first["new"]]
    assert len(reminders_due(date(2026, 10, 25))) == first["new"]


def test_what_is_due_for_a_reporter_and_for_the_owner(world: World) -> None:
    order = make_order(world, "own")
    reporter, owner = world.user(Role.REPORTER, "own"), world.user(Role.PLAN_OWNER, "own")
    said = due_for(reach_of(reporter), date(2026, 9, 15))
    assert [(item.due, item.kind) for item in said] == [(date(2026, 10, 1), "督办"), (date(2026, 10, 31), "任务")]
    assert due_for(reach_of(world.user(Role.REPORTER, "foreign")), date(2026, 9, 15)) == []
    task_services.answer_order(order=order, answer="好了", by=actor(reporter))
    assert [item.title[-2:] for item in due_for(reach_of(owner), date(2026, 9, 15)) if item.kind == "督办"] == ["销号"]
    assert "督办" in world.client(owner).get("/plans/tasks/reminders/").content.decode()

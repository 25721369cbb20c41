"""Health, metrics, the self-check, reminders."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from dafeng.web.access.actions import Role
from dafeng.web.jobs.models import Job, WorkerBeat
from dafeng.web.operation import commands
from dafeng.web.operation.controls import check_controls
from dafeng.web.operation.health import read_health
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import put
from web.factories_october import make_contribution
from web.world import World

pytestmark = pytest.mark.django_db


def test_health_says_ok_and_nothing_else(world: World) -> None:
    answer = Client().get("/operation/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_without_a_database_is_degraded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.web.operation.views.is_up", lambda: False)
    answer = Client().get("/operation/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "degraded"})


def test_metrics_are_for_this_machine_alone(world: World) -> None:
    Job.objects.create(kind="k", key="k", title="t", place="p")
    text = Client().get("/operation/metrics").content.decode()
    assert "\ndafeng_jobs_queued 1\n" in text
    assert all(line.startswith(("#", "dafeng_")) for line in text.splitlines())
    assert Client(REMOTE_ADDR="10.0.0.9").get("/operation/metrics").status_code == 404
    assert Client().get("/operation/metrics", headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 404


def test_what_waits_too_long_is_a_fault(world: World) -> None:
    now = timezone.now()
    assert read_health().faults(now) == ["任务进程没有运行：发布和后台任务都在等待"]
    WorkerBeat.objects.create(name="w", seen_at=now)
    assert read_health().faults(now) == []
    with transaction.atomic():
        item = put("none", "k", {})
    Job.objects.create(kind="k", key="k", title="t", place="p")
    later = now + timedelta(minutes=11)
    WorkerBeat.objects.update(seen_at=later)
    assert read_health().faults(later) == ["待发布内容等待超过10分钟", "后台任务排队超过10分钟"]
    OutboxItem.objects.filter(pk=item.pk).update(attempts=2)
    assert "1项发布失败，正在重试" in read_health().faults(now)


def test_pages(world: World, django_assert_max_num_queries: Any) -> None:
    client = world.of(Role.ADMINISTRATOR, "above")
    with transaction.atomic():
        item = put("none", "batch-7", {})
    OutboxItem.objects.filter(pk=item.pk).update(attempts=1, error="磁盘已满")
    client.get("/operation/")
    with django_assert_max_num_queries(18):
        text = client.get("/operation/").content.decode()
    assert "batch-7" in text
    assert "磁盘已满" in text
    assert client.post(f"/operation/outbox/{item.pk}/retry").status_code == 302
    assert "8.1.4.1 a)" in client.get("/operation/check/").content.decode()


def test_the_self_check_finds_what_is_wrong(world: World, settings: Any) -> None:
    def results() -> dict[str, str]:
        return {one.title: one.result for one in check_controls(timezone.now())}

    before = results()
    assert before["口令复杂度"] == "pass"
    assert before["传输中鉴别信息不被窃听"] == "fail"
    assert before["备份与恢复"] == "fail"
    assert before["没有默认口令"] == "pass"
    assert before["设有审计员"] == "fail"
    assert before["异地备份"] == "unknown"
    settings.SESSION_COOKIE_SECURE, settings.SECURE_HSTS_SECONDS, settings.AXES_FAILURE_LIMIT = True, 1, 50
    auditor = world.user(Role.AUDITOR, "above")
    world.grant(auditor, Role.ADMINISTRATOR, "above")
    weak = world.user(Role.REPORTER, "own")
    weak.username = "admin"
    weak.set_password("admin123")
    weak.save()
    after = results()
    assert after["传输中鉴别信息不被窃听"] == "pass"
    assert after["登录失败锁定"] == "fail"
    assert after["管理与审计权限分离"] == "fail"
    assert after["没有默认口令"] == "fail"
    assert after["设有审计员"] == "pass"


def test_reminders_name_who_owes_what(world: World) -> None:
    row = make_contribution(world, "own")
    row.due_on = row.due_on.replace(month=9, day=20)
    row.save()
    reporter = world.user(Role.REPORTER, "own")
    mine = next(one for one in commands.reminders() if one["username"] == reporter.username)
    assert [item["due"] for item in mine["items"] if item["kind"] == "年度报告"] == ["2026-09-20"]

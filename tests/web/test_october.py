"""The yearly report: written by several, built, looked at, frozen, built again to the byte."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from datetime import date
from typing import Any

import polars as pl
import pytest
from django.db import DatabaseError, transaction

from dafeng.base.observation import SCHEMA
from dafeng.lake import find_runs
from dafeng.web.access.actions import Role
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.anchors import noted_anchors
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import Actor, verify_chain
from dafeng.web.house import house
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.worker import work
from dafeng.web.october import selectors, services
from dafeng.web.october.models import Contribution, FrozenReport, ReportBuild, ReportDraft, SectionVersion
from dafeng.web.october.services import StaleError
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.people.models import User
from dafeng.web.people.selectors import reach_of
from dafeng.workflow import reporting
from web.factories_october import make_contribution, make_frozen, make_report
from web.world import World

pytestmark = pytest.mark.django_db


def doing(user: User) -> dict[str, Any]:
    """Return who does something, and how far they may."""
    return {"by": Actor(user=user, name=user.name, organisation=user.organisation_id), "reach": reach_of(user)}


def begun(world: World) -> ReportDraft:
    owner = world.user(Role.PLAN_OWNER, "above")
    return services.begin(plan="demo-city-2024", year=2026, as_of=date(2026, 9, 15), **doing(owner))


def test_a_report_is_begun_once(world: World) -> None:
    first, second = begun(world), begun(world)
    assert first.pk == second.pk
    assert AuditEntry.objects.filter(action="october.begun").count() == 1
    analyst = world.user(Role.ANALYST, "own")
    with pytest.raises(RefusedError, match="权限"):
        services.begin(plan="demo-city-2024", year=2027, as_of=date(2027, 9, 15), **doing(analyst))


def test_two_who_write_the_same_part_do_not_overwrite_one_another(world: World) -> None:
    report = begun(world)
    one, two = world.user(Role.PLAN_OWNER, "above"), world.user(Role.ANALYST, "above")
    first = services.save_section(report=report, key="steps", text="一是甲。", version=0, **doing(one))
    assert first.version == 1
    with pytest.raises(StaleError):
        services.save_section(report=report, key="steps", text="一是乙。", version=0, **doing(two))
    services.save_section(report=report, key="steps", text="一是甲。\r\n二是乙。", version=1, **doing(two))
    same = services.save_section(report=report, key="steps", text="一是甲。\n二是乙。", version=2, **doing(one))
    assert (same.version, same.edited_by) == (2, two)
    texts = list(SectionVersion.objects.order_by("version").values_list("text", flat=True))
    assert texts == ["一是甲。", "一是甲。\n二是乙。"]
    with pytest.raises(RefusedError):
        services.save_section(report=report, key="steps", text="长" * 40_001, version=2, **doing(one))
    with pytest.raises(RefusedError):
        services.save_section(report=report, key="no-such-part", text="x", version=0, **doing(one))


def test_a_contribution_goes_to_and_fro_and_into_the_report_once(world: World) -> None:
    report = begun(world)
    editor, reporter = world.user(Role.PLAN_OWNER, "above"), world.user(Role.REPORTER, "own")
    ask = {"key": "steps", "organisations": [world.organisation("own")], "due_on": date(2026, 10, 8), "asks": ""}
    [row] = services.ask_contributions(report=report, **ask, **doing(editor))
    assert services.ask_contributions(report=report, **ask, **doing(editor)) == []
    assert [item.due for item in selectors.due_for(reach_of(reporter), date(2026, 10, 1))] == [date(2026, 10, 8)]
    foreign = world.user(Role.REPORTER, "foreign")
    with pytest.raises(RefusedError):
        services.write_contribution(contribution=row, text="x", version=1, submit=False, **doing(foreign))
    with pytest.raises(RefusedError, match="为空"):
        services.write_contribution(contribution=row, text=" ", version=1, submit=True, **doing(reporter))
    row = services.write_contribution(contribution=row, text="东湾做法", version=1, submit=True, **doing(reporter))
    assert selectors.due_for(reach_of(reporter), date(2026, 10, 1)) == []
    with pytest.raises(RefusedError, match="已提交"):
        services.write_contribution(contribution=row, text="改", version=2, submit=False, **doing(reporter))
    with pytest.raises(RefusedError, match="原因"):
        services.judge(contribution=row, accept=False, reason="", **doing(editor))
    row = services.judge(contribution=row, accept=False, reason="缺数据", **doing(editor))
    row = services.write_contribution(
        contribution=row, text="东湾做法：改造3栋", version=2, submit=True, **doing(reporter)
    )
    row = services.judge(contribution=row, accept=True, reason="", **doing(editor))
    for _ in range(2):
        section = services.take_over(contribution=row, **doing(editor))
    assert section.text == "东湾做法：改造3栋"
    assert section.version == 1


def test_nobody_judges_what_they_wrote(world: World) -> None:
    owner = world.user(Role.PLAN_OWNER, "above")
    row = make_contribution(world, "above")
    row = services.write_contribution(contribution=row, text="x", version=1, submit=True, **doing(owner))
    with pytest.raises(RefusedError, match="自己"):
        services.judge(contribution=row, accept=True, reason="", **doing(owner))
    with pytest.raises(DatabaseError), transaction.atomic():
        Contribution.objects.filter(pk=row.pk).update(judged_by=owner)


def test_a_frozen_report_is_never_changed(world: World) -> None:
    frozen = make_frozen(world, "above")
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        FrozenReport.objects.filter(pk=frozen.pk).update(remark="x")
    with pytest.raises(DatabaseError), transaction.atomic():
        FrozenReport.objects.filter(pk=frozen.pk).delete()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_from_the_first_word_to_the_frozen_bytes(writing_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FORMATS", ("docx", "html"))
    monkeypatch.setattr(reporting, "_chapters", lambda *_: reporting._Chapters())  # the annexes have tests of their own
    world, stop = writing_world, threading.Event()
    report = begun(world)
    writer, owner = world.user(Role.ANALYST, "above"), world.user(Role.PLAN_OWNER, "above")
    services.save_section(report=report, key="steps", text="<script>明年改造老旧小区20个。", version=0, **doing(writer))
    job, new = services.build(report=report, **doing(writer))
    assert new
    assert services.build(report=report, **doing(writer)) == (job, False)
    work(stop, once=True)
    assert Job.objects.get(pk=job.pk).state == "done", Job.objects.get(pk=job.pk).error
    [build] = ReportBuild.objects.all()

    client = world.client(owner)
    page = client.get(f"/october/{report.pk}/")
    assert "最新" in page.content.decode()
    frame = client.get(f"/october/builds/{build.pk}/page/")
    html = b"".join(frame.streaming_content).decode()  # type: ignore[attr-defined]
    assert "明年改造老旧小区20个。" in html
    assert "<script" not in html
    assert "人工撰写部分" in html
    assert "平台审计日志" in html
    assert frame.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "frame-src 'self'" in client.get(f"/october/builds/{build.pk}/").headers["Content-Security-Policy"]
    answer = client.get(f"/october/builds/{build.pk}/docx/")
    paper = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert "明年改造老旧小区20个" in zipfile.ZipFile(io.BytesIO(paper)).read("word/document.xml").decode()
    assert answer.headers["Content-Disposition"].startswith("attachment")

    with pytest.raises(RefusedError, match="都由您撰写"):
        services.freeze(build=build, by=doing(writer)["by"], reach=_wide(writer, owner))
    services.save_section(report=report, key="causes", text="资金不足。", version=0, **doing(writer))
    with pytest.raises(RefusedError, match="改动"):
        services.freeze(build=build, **doing(owner))
    services.save_section(report=report, key="causes", text="", version=1, **doing(writer))
    frozen = services.freeze(build=build, **doing(owner))
    assert services.freeze(build=build, **doing(owner)).pk == frozen.pk
    assert AuditEntry.objects.filter(action="october.frozen").count() == 1
    assert OutboxItem.objects.filter(kind="october.seal").count() == 1
    work(stop, once=True)
    workspace = house().setting().workspace
    assert workspace is not None
    [seal] = [run for run in find_runs(workspace) if run.manifest.get("kind") == "october-frozen"]
    assert frozen.manifest_digest in (seal.folder / "冻结凭证.txt").read_text(encoding="utf-8")
    assert [anchor.number for anchor in noted_anchors()] == [frozen.audit_number]
    assert list(verify_chain(anchors=noted_anchors())) == []

    restated = _restate_everything()  # what is known later does not change what was built
    assert house().assessment("demo-city-2024", as_of=date(2026, 9, 15)).counts != restated
    again, _ = services.ask_rebuild(frozen=frozen, **doing(owner))
    work(stop, once=True)
    said = Job.objects.get(pk=again.pk).result
    assert (said["same"], said["differing"]) == (True, []), json.dumps(said, ensure_ascii=False)

    name = frozen.file_of("docx")
    path = workspace.runs / frozen.run / str(name)
    path.write_bytes(path.read_bytes() + b"x")
    assert client.get(f"/october/frozen/{frozen.pk}/docx/").status_code == 410


def _restate_everything() -> dict[str, int]:
    """Restate every fact of the city's own plan; return the counts of statuses before."""
    before = house().assessment("demo-city-2024", as_of=date(2026, 9, 15)).counts
    lake = house().setting().lake
    assert lake is not None
    facts = lake.snapshot().read(places=["demo-city"]).select(list(SCHEMA))
    facts = facts.filter(pl.col("value").is_not_null())
    assert facts.height > 10
    lake.publish(facts.with_columns(pl.col("value") * 3, recorded_at=pl.lit(house().now())), batch="restated")
    return before


def _wide(writer: User, owner: User) -> Reach:
    """Return a reach that would allow the freezing, so that only the rule about writers stands against it."""
    return Reach(writer, reach_of(owner).holdings)


def test_pages_work_without_javascript(world: World, django_assert_max_num_queries: Any) -> None:
    owner, reporter = world.of(Role.PLAN_OWNER, "above"), world.of(Role.REPORTER, "own")
    assert (
        owner.post("/october/begin/", {"plan": "demo-city-2024", "year": 2026, "as_of": "2026-09-15"}).status_code
        == 302
    )
    report = ReportDraft.objects.get()
    with django_assert_max_num_queries(22):
        text = owner.get(f"/october/{report.pk}/").content.decode()
    assert "按现有内容编制" in text
    assert owner.get("/october/").status_code == 200
    assert owner.post("/october/begin/", {"plan": "x"}).status_code == 302
    part = f"/october/{report.pk}/parts/steps/"
    assert owner.post(part, {"text": "一是甲。", "version": 0}).status_code == 302
    stale = owner.post(part, {"text": "一是乙。", "version": 0})
    assert stale.status_code == 409
    assert "一是甲。" in stale.content.decode()
    assert "一是乙。" in stale.content.decode()
    assert owner.get(f"/october/{report.pk}/parts/none/").status_code == 404
    said = {"seen": report.version, "as_of": "2026-09-30", "signer": "示范市住建局", "day": "2026-10-28"}
    assert owner.post(f"/october/{report.pk}/settle/", said).status_code == 302
    report.refresh_from_db()
    assert (report.signer, report.as_of) == ("示范市住建局", date(2026, 9, 30))
    asked = {"key": "steps", "organisations": [world.organisation("own").pk], "due_on": "2026-10-08"}
    assert owner.post(f"/october/{report.pk}/ask/", asked).status_code == 302
    row = Contribution.objects.get()
    assert "五、" in reporter.get("/october/contributions/?state=asked").content.decode()
    assert (
        reporter.post(f"/october/contributions/{row.pk}/", {"text": "稿", "version": 1, "submit": "1"}).status_code
        == 302
    )
    assert reporter.get(f"/october/contributions/{row.pk}/").status_code == 200
    assert owner.post(f"/october/contributions/{row.pk}/judge/", {"decision": "accept"}).status_code == 302
    assert "稿" in owner.get(part).content.decode()
    assert make_report(world, "above").pk == report.pk

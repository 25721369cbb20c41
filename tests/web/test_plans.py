"""Plans on the platform: a document handed in, read, reviewed, published, compared."""

from __future__ import annotations

import io
import threading
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from dafeng.lake import Workspace
from dafeng.reports.status_words import group_counts
from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import Actor
from dafeng.web.house import House, house
from dafeng.web.jobs.models import JobState
from dafeng.web.jobs.services import work_one
from dafeng.web.outbox import services as outbox
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import deliver, deliver_one
from dafeng.web.people.models import User
from dafeng.web.plans import services
from dafeng.web.plans.models import PlanVersion, Reading, ReadingState, ReviewDecision
from dafeng.web.plans.review import read_of, views_of
from dafeng.workflow.plan_reading import decisions_of, read_plan_file
from dafeng.workflow.setting import open_setting
from web.factories_plans import DOCUMENT
from web.world import World

pytestmark = pytest.mark.django_db
DOCUMENTS = Path(__file__).parents[2] / "src/dafeng/workflow/demo_city/documents"


def hand_in(client: Client, data: bytes, name: str, *, plan: str = "demo-city-own", place: str = "demo-city") -> Any:
    """Hand a document in as a person does."""
    return client.post("/plans/new/", {"file": SimpleUploadedFile(name, data), "place": place, "plan": plan})


def actor(user: User) -> Actor:
    """Return who does something."""
    return Actor(user=user, name=user.name, organisation=user.organisation_id)


def reading_of(world: World, *, plan: str = "demo-city-own", document: str = DOCUMENT) -> Reading:
    """Return a reading of the demonstration city's document, ready for review."""
    return Reading.objects.create(
        document=document,
        file_name="plan.txt",
        place="demo-city",
        plan=plan,
        state=ReadingState.READY,
        created_by=world.user(Role.PLAN_OWNER, "above"),
    )


# The whole path -----------------------------------------------------------------------------------------------------


def test_a_document_becomes_a_plan_of_the_workspace(writing_world: World, writing_house: House) -> None:
    world = writing_world
    owner, reviewer = world.of(Role.PLAN_OWNER, "above"), world.of(Role.REVIEWER, "above")
    answer = hand_in(owner, (DOCUMENTS / "plan.docx").read_bytes(), "方案.docx")
    reading = Reading.objects.get()
    page = f"/plans/readings/{reading.pk}/"
    assert (answer.status_code, answer.headers["Location"]) == (302, page)
    assert "已排队" in reviewer.get(page).content.decode()
    assert work_one("worker")
    reading.refresh_from_db()
    # the figures of docs/how-to/read-a-plan.md: 77 values and 10 milestones, 15 duties, 21 tasks less one that is not listed
    assert (reading.state, reading.counts["targets"], reading.counts["obligations"]) == ("ready", 87, 15)
    assert reading.counts["unclaimed"] == 0
    html = reviewer.get(page).content.decode()
    assert "已复核 0 / " in html
    assert "方案.docx" in html

    views = views_of(reading)
    first = next(view for view in views if view.item.subject == "target")
    # accept, correct, reject by hand
    said = reviewer.post(page + "decide/", {"item": first.handle, "seen": 0, "verdict": "accept"})
    assert said.headers["Location"] == page + f"#i-{first.handle}"
    rail = next(view for view in views if "轨道交通运营里程" in view.title and view.item.item.value == 68)
    fields = {f"new_{field.name}": field.text for field in rail.fields()} | {"new_value": "72"}
    reviewer.post(
        page + "decide/", fields | {"item": rail.handle, "seen": 0, "verdict": "correct", "reason": "原文有更正"}
    )
    other = next(view for view in views if view.item.subject == "obligation")
    reviewer.post(page + "decide/", {"item": other.handle, "seen": 0, "verdict": "reject", "reason": "不是本市的"})
    assert {row.verdict: row.fields for row in ReviewDecision.objects.all()} == {
        "accept": {},
        "correct": {"value": 72.0},
        "reject": {},
    }
    # a selection, and what is sure enough
    reviewer.post(page + "bulk/", {"how": "chosen", "item": [view.handle for view in views[10:13]]})
    reviewer.post(page + "bulk/", {"how": "above", "above": "90"})
    sure = {view.handle for view in views if view.confidence is not None and view.confidence >= 0.9}
    decided = set(ReviewDecision.objects.filter(current=True).values_list("item", flat=True))
    assert decided == sure | {view.handle for view in views[10:13]} | {first.handle, rail.handle, other.handle}

    # the reviewer may not publish; the owner may, once, and only what was seen
    reading.refresh_from_db()
    assert reviewer.post(page + "publish/", {"revision": reading.revision}).status_code == 403
    owner.post(page + "publish/", {"revision": reading.revision - 1})
    assert OutboxItem.objects.count() == 0
    owner.post(page + "publish/", {"revision": reading.revision})
    owner.post(page + "publish/", {"revision": reading.revision})
    assert OutboxItem.objects.count() == 1
    assert "demo-city-own" not in writing_house.catalog.plans
    assert deliver() == 1

    plan = writing_house.catalog.plans["demo-city-own"]
    assert next(target.value for target in plan.targets if target.label == rail.title and target.by == 2025) == 72
    kept = decisions_of(writing_house.setting(), "demo-city-own")
    assert len(kept) == len(decided)
    assert {decision.by for decision in kept} == {world.user(Role.REVIEWER, "above").name}
    assert {decision.on.isoformat() for decision in kept} == {"2026-09-15"}
    version = PlanVersion.objects.get()
    assert (version.number, version.reviewed) == (
        1,
        sum(each.subject != "task" for each in kept if each.verdict != "reject"),
    )
    reading.refresh_from_db()
    assert reading.state == "published"
    actions = list(AuditEntry.objects.values_list("action", flat=True))
    assert [
        actions.count(name) for name in ("plans.handed-in", "plans.decided", "plans.publishing", "plans.published")
    ] == [
        1,
        3,
        1,
        1,
    ]
    assert "demo-city-own" in owner.get("/plans/").content.decode()
    # nothing of the document's words went into the database
    sentence = read_of(reading).document.plain[700:730]
    assert not any(sentence in str(row) for row in _rows())


def _rows() -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for model in (Reading, ReviewDecision, PlanVersion, AuditEntry, OutboxItem):
        found += model.objects.values_list()
    return found


def test_a_publication_that_is_delivered_again_changes_nothing(writing_world: World, writing_house: House) -> None:
    reading = reading_of(writing_world)
    reviewer, owner = writing_world.user(Role.REVIEWER, "above"), writing_world.user(Role.PLAN_OWNER, "above")
    assert services.accept_above(reading=reading, above=0.9, by=actor(reviewer)) > 20
    reading.refresh_from_db()
    services.publish(reading=reading, revision=reading.revision, by=actor(owner))
    item = OutboxItem.objects.get()
    # killed after the workspace was told and before the item was marked: the work is done, nobody knows

    result, _settle = outbox._HANDLERS[item.kind](item)
    folder = writing_house.root / "catalog"
    before = {path: path.read_bytes() for path in folder.rglob("*demo-city-own.yaml")}
    assert len(before) == 3
    assert Reading.objects.get().state == "publishing"
    assert deliver_one(item)
    assert deliver_one(OutboxItem.objects.get())
    assert {path: path.read_bytes() for path in folder.rglob("*demo-city-own.yaml")} == before
    assert OutboxItem.objects.get().result["frozen"] == result["frozen"]
    assert list(PlanVersion.objects.values_list("number", flat=True)) == [1]
    assert AuditEntry.objects.filter(action="plans.published").count() == 1


def test_a_plan_with_which_the_catalog_does_not_hold_comes_back_with_reasons(
    writing_world: World, writing_house: House
) -> None:
    """The demonstration city's pathways point at targets of its plan by name: another reading of that id breaks them."""
    reading = reading_of(writing_world, plan="demo-city-2024")
    before = (writing_house.root / "catalog/plans/demo-city-2024.yaml").read_bytes()
    services.accept_above(reading=reading, above=0.9, by=actor(writing_world.user(Role.REVIEWER, "above")))
    reading.refresh_from_db()
    owner = writing_world.user(Role.PLAN_OWNER, "above")
    services.publish(reading=reading, revision=reading.revision, by=actor(owner))
    assert deliver() == 1
    reading.refresh_from_db()
    assert reading.state == "ready"
    assert reading.faults
    assert (writing_house.root / "catalog/plans/demo-city-2024.yaml").read_bytes() == before
    html = writing_world.client(owner).get(f"/plans/readings/{reading.pk}/").content.decode()
    assert "上次发布没有成功" in html
    assert PlanVersion.objects.get(number=None).refused
    # it can be tried again, as another publication
    services.publish(reading=reading, revision=reading.revision, by=actor(owner))
    assert OutboxItem.objects.count() == 2


def test_versions_and_what_changed_between_them(writing_world: World, writing_house: House) -> None:
    reviewer, owner = writing_world.user(Role.REVIEWER, "above"), writing_world.user(Role.PLAN_OWNER, "above")
    text = (DOCUMENTS / "plan.txt").read_text(encoding="utf-8")
    workspace = Workspace.open(writing_house.root)
    for words in (text, text.replace("轨道交通运营里程达到68公里", "轨道交通运营里程达到75公里")):
        reading = reading_of(writing_world, document=workspace.put_document(words.encode()))
        target = next(view for view in views_of(reading) if view.item.subject == "target" and not view.decided)
        services.decide(reading=reading, handle=target.handle, seen=0, texts={"verdict": "采纳"}, by=actor(reviewer))
        reading.refresh_from_db()
        services.publish(reading=reading, revision=reading.revision, by=actor(owner))
        assert deliver() == 1
    assert list(PlanVersion.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    html = writing_world.client(owner).get("/plans/plan/demo-city-own/versions/").content.decode()
    assert "value：68 → 75" in html
    assert "第 1 版到第 2 版的改动" in html


# Conflicts ----------------------------------------------------------------------------------------------------------


def test_the_second_of_two_reviewers_sees_what_the_first_decided(world: World) -> None:
    reading = reading_of(world)
    first, second = world.user(Role.REVIEWER, "above"), world.user(Role.REVIEWER, "above", number=2)
    view = views_of(reading)[3]
    services.decide(reading=reading, handle=view.handle, seen=0, texts={"verdict": "采纳"}, by=actor(first))
    answer = world.client(second).post(
        f"/plans/readings/{reading.pk}/decide/",
        {"item": view.handle, "seen": 0, "verdict": "reject", "reason": "不对"},
        headers={"HX-Request": "true"},
    )
    html = answer.content.decode()
    assert f"{first.name} 刚刚对这一条作了决定" in html
    assert "采纳</span>" in html
    assert list(ReviewDecision.objects.values_list("verdict", "by_name")) == [("accept", first.name)]
    # having seen it, the second one may decide otherwise
    seen = ReviewDecision.objects.get().pk
    texts = {"verdict": "驳回", "reason": "不对"}
    services.decide(reading=reading, handle=view.handle, seen=seen, texts=texts, by=actor(second))
    assert list(ReviewDecision.objects.values_list("verdict", "current")) == [("accept", False), ("reject", True)]


@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_at_the_same_moment_one_decides(writing_world: World) -> None:
    reading = reading_of(writing_world)
    view = views_of(reading)[3]
    people = [writing_world.user(Role.REVIEWER, "above", number=number) for number in (1, 2, 3, 4)]
    barrier, said = threading.Barrier(len(people)), []

    def decide(user: User) -> None:
        barrier.wait()
        try:
            services.decide(reading=reading, handle=view.handle, seen=0, texts={"verdict": "采纳"}, by=actor(user))
            said.append("written")
        except services.OvertakenError:
            said.append("overtaken")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["overtaken", "overtaken", "overtaken", "written"]
    assert ReviewDecision.objects.filter(current=True).count() == 1


def test_who_took_part_in_the_review_does_not_publish(world: World) -> None:
    reading, owner = reading_of(world), world.user(Role.PLAN_OWNER, "above")
    view = views_of(reading)[3]
    services.decide(reading=reading, handle=view.handle, seen=0, texts={"verdict": "采纳"}, by=actor(owner))
    reading.refresh_from_db()
    with pytest.raises(services.RefusedError, match="没有参与"):
        services.publish(reading=reading, revision=reading.revision, by=actor(owner))
    assert OutboxItem.objects.count() == 0


def test_nothing_is_published_that_nobody_reviewed(world: World) -> None:
    reading = reading_of(world)
    with pytest.raises(services.RefusedError, match="还没有一条"):
        services.publish(reading=reading, revision=0, by=actor(world.user(Role.PLAN_OWNER, "above")))


def test_one_open_reading_of_a_plan(writing_world: World) -> None:
    owner = writing_world.of(Role.PLAN_OWNER, "above")
    data = (DOCUMENTS / "plan.txt").read_bytes()
    assert hand_in(owner, data, "a.txt").status_code == 302
    answer = hand_in(owner, data, "b.txt")
    assert answer.status_code == 400
    assert "已有一份文件正在读取" in answer.content.decode()
    reading = Reading.objects.get()
    page = f"/plans/readings/{reading.pk}/"
    owner.post(page + "withdraw/", {"reason": ""})
    assert Reading.objects.get().state == "waiting"
    owner.post(page + "withdraw/", {"reason": "拿错了"})
    assert Reading.objects.get().state == "withdrawn"
    assert Reading.objects.get().job.state == JobState.CANCELLED
    assert hand_in(owner, data, "b.txt").status_code == 302


def test_reasons_are_asked_for_and_values_are_checked(world: World) -> None:
    reading, reviewer = reading_of(world), world.of(Role.REVIEWER, "above")
    rail = next(view for view in views_of(reading) if view.item.item.__class__.__name__ == "ReadTarget")
    page = f"/plans/readings/{reading.pk}/decide/"
    base = {"item": rail.handle, "seen": 0}
    htmx = {"HX-Request": "true"}
    assert "修改和驳回要有理由" in reviewer.post(page, base | {"verdict": "reject"}, headers=htmx).content.decode()
    wrong = base | {"verdict": "correct", "reason": "更正", "new_value": "很多"}
    assert "“很多”不是数" in reviewer.post(page, wrong, headers=htmx).content.decode()
    assert "请选择" in reviewer.post(page, base, headers=htmx).content.decode()
    assert reviewer.post(page, base | {"seen": "x", "verdict": "accept"}).status_code == 302
    assert reviewer.post(page, {"item": "0" * 32, "verdict": "accept"}).status_code == 302
    assert not ReviewDecision.objects.exists()


def test_what_the_reader_missed_is_added_and_taken_back(world: World) -> None:
    reading, reviewer = reading_of(world), world.of(Role.REVIEWER, "above")
    text = read_of(reading).document.plain
    quote = text[1500:1520]
    page = f"/plans/readings/{reading.pk}/"
    said = {
        "verdict": "add",
        "subject": "target",
        "quote": quote,
        "new_label": "无障碍小区",
        "new_comparator": "不低于",
        "new_value": "30",
        "new_unit": "个",
        "new_by": "2030",
        "new_measure": house().catalog.term("measure", "level"),
    }
    reviewer.post(page + "decide/", said)
    row = ReviewDecision.objects.get()
    assert (row.verdict, row.fields["value"], row.fields["label"]) == ("add", 30.0, "无障碍小区")
    assert quote not in str(list(ReviewDecision.objects.values_list()))
    assert "无障碍小区" in reviewer.get(page).content.decode()
    reviewer.post(page + "decide/", {"item": row.item, "seen": row.pk, "verdict": "reject", "reason": "重复"})
    assert ReviewDecision.objects.get(current=True).verdict == "reject"
    assert "无障碍小区" not in reviewer.get(page).content.decode()


# Documents that are not what they seem ------------------------------------------------------------------------------

EVIL = (
    "示范市城乡建设领域碳达峰工作方案\n一、主要目标\n"
    "𠮷祥<svg/onload=alert`1`>，到2030年，绿色建筑占比达到90%<b>。（责任单位：市住房城乡建设局）\n"
)


def test_words_of_a_document_are_never_markup_and_offsets_hold_beyond_the_first_plane(
    writing_world: World, writing_house: House
) -> None:
    owner = writing_world.of(Role.PLAN_OWNER, "above")
    hand_in(owner, EVIL.encode(), "<script>alert(3)</script>.txt")
    assert work_one("worker")
    reading = Reading.objects.get()
    assert reading.state == "ready"
    html = writing_world.of(Role.REVIEWER, "above").get(f"/plans/readings/{reading.pk}/").content.decode()
    assert "<script>alert" not in html
    assert "<svg" not in html
    assert "𠮷祥&lt;svg/onload=alert`1`&gt;" in html
    target = read_of(reading).reading.targets[0]
    marked = html.split('<mark id="w-')[1].split("</a></mark>")[0].rpartition('">')[2]
    assert unescape(marked) == read_of(reading).document.quote(target.at.start, target.at.end)
    assert "绿色建筑占比达到90%" in marked


def test_a_document_that_cannot_be_read_says_why(writing_world: World) -> None:
    owner = writing_world.of(Role.PLAN_OWNER, "above")
    hand_in(owner, b"%PDF-1.4 broken", "a.pdf")
    assert work_one("worker")
    reading = Reading.objects.get()
    assert (reading.state, reading.job.state) == ("failed", "failed")
    page = f"/plans/readings/{reading.pk}/"
    assert "没有读成" in owner.get(page).content.decode()
    owner.post(page + "again/")
    assert Reading.objects.get().state == "waiting"


def test_files_of_other_kinds_are_not_taken(writing_world: World, settings: Any) -> None:
    owner = writing_world.of(Role.PLAN_OWNER, "above")
    assert "只读取" in hand_in(owner, b"x", "a.exe").content.decode()
    settings.DAFENG_LARGEST_UPLOAD = 10
    assert "不接收" in hand_in(owner, b"x" * 11, "a.txt").content.decode()
    assert not Reading.objects.exists()


def test_a_plan_id_of_another_place_or_of_the_shipped_ones_is_refused(writing_world: World) -> None:
    owner = writing_world.of(Role.PLAN_OWNER, "above")
    data = (DOCUMENTS / "plan.txt").read_bytes()
    for plan, says in (("dongwan-2025", "已用于别处"), ("qingdao-2024", "已用于别处"), ("../x", "只用小写字母")):
        assert says in hand_in(owner, data, "a.txt", plan=plan).content.decode()
    # a place out of reach is none of the choices
    district = writing_world.of(Role.PLAN_OWNER, "own")
    assert hand_in(district, data, "a.txt", place="demo-city").status_code == 400
    assert not Reading.objects.exists()


# Reading view -------------------------------------------------------------------------------------------------------


def test_the_figures_of_a_plan_are_those_of_the_library(world: World) -> None:
    html = world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/").content.decode()
    judged = house().assessment("demo-city-2024")
    shown = {group.zh: count for group, count in group_counts(judged.counts) if count}
    for name, count in shown.items():
        assert f'data-count="{name}">{count}<' in html
    assert html.count("data-count=") == len(shown)
    assert sum(shown.values()) == judged.counted
    assert "<strong>86</strong>" in html


def test_every_target_of_a_chapter_is_marked_where_it_stands(world: World) -> None:
    html = world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/?chapter=二").content.decode()
    plan = house().catalog.plans["demo-city-2024"]
    inside = [target for target in plan.targets if target.clause.startswith("二")]
    assert len(inside) > 10
    assert all(f'id="w-{target.id}"' in html for target in inside)
    rail = next(target for target in inside if target.id == "rail-2025")
    document = Workspace.open(house().root).document(DOCUMENT)
    words = read_plan_file(house().setting(), document, as_of=timezone.localdate(), place="demo-city").document
    quote = words.quote(rail.at.start, rail.at.end)
    assert f">{quote}</a></mark>" in html


def test_a_plan_without_chapters_and_without_its_document_is_shown(world: World) -> None:
    html = world.of(Role.ANALYST, "own").get("/plans/plan/dongwan-2025/").content.decode()
    assert "到2030年，轨道交通运营里程不低于9公里" in html
    assert "没有收录这份方案的原文" in html


def test_a_target_with_its_frame_values_and_source(world: World) -> None:
    html = world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/targets/rail-2025/").content.decode()
    row = house().assessment("demo-city-2024").of("rail-2025")[0]
    assert row.reason in html
    assert "二（四）" in html
    assert "示范市自然资源和规划局" in html
    assert world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/targets/none/").status_code == 404


def test_the_chain_of_parents_shows_the_missing_link(world: World) -> None:
    html = world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/parents/").content.decode()
    assert "示范省" in html
    assert "没有收录这一级的方案" in html
    assert "与全国逐条比较" in html or "与中国逐条比较" in html or "逐条比较（软性" in html


def test_a_district_reads_the_plans_above_but_not_those_beside(world: World) -> None:
    client = world.of(Role.REPORTER, "own")
    html = client.get("/plans/").content.decode()
    assert "dongwan-2025" in html
    assert "demo-city-2024" in html
    assert "national-2022" in html
    assert "xipo-2025" not in html
    assert "qingdao-2024" not in html
    # how the city stands is not for the district's reporter to see
    assert "data-count" not in client.get("/plans/plan/demo-city-2024/").content.decode()
    for path in ("", "versions/", "parents/", "bodies/", "bodies/file/?format=xlsx", "original/", "targets/rail-2030/"):
        assert client.get(f"/plans/plan/xipo-2025/{path}").status_code == 404


def test_the_matrix_and_the_export_hold_what_the_library_says(world: World) -> None:
    client = world.of(Role.ANALYST, "above")
    html = client.get("/plans/plan/demo-city-2024/bodies/").content.decode()
    plan = house().catalog.plans["demo-city-2024"]
    assert html.count('<tr><th scope="row">') >= len(plan.tasks)
    some = client.get("/plans/plan/demo-city-2024/bodies/?body=demo-city-divisions").content.decode()
    assert "示范市各区县" in some
    answer = client.get("/plans/plan/demo-city-2024/bodies/file/?format=xlsx")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert b"".join(answer.streaming_content)[:2] == b"PK"
    assert client.get("/plans/plan/demo-city-2024/bodies/file/?format=exe").status_code == 302


def test_the_original_is_a_download_that_no_browser_runs(world: World) -> None:
    answer = world.of(Role.ANALYST, "above").get("/plans/plan/demo-city-2024/original/")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert io.BytesIO(b"".join(answer.streaming_content)).getvalue() == (DOCUMENTS / "plan.txt").read_bytes()


def test_the_shipped_catalog_is_never_overwritten() -> None:
    """The test above rests on these being shipped."""
    assert "qingdao-2024" in open_setting(None).catalog.plans
    assert "demo-city-2024" not in open_setting(None).catalog.plans


# Counted ------------------------------------------------------------------------------------------------------------


def test_queries_of_list_and_review_do_not_grow(world: World, django_assert_max_num_queries: Any) -> None:
    client = world.of(Role.REVIEWER, "above")
    reading = reading_of(world)
    services.accept_above(reading=reading, above=0.5, by=actor(world.user(Role.REVIEWER, "above", number=2)))
    for number in range(5):
        reading_of(world, plan=f"more-{number}")
    client.get("/plans/")
    with django_assert_max_num_queries(10):
        client.get("/plans/")
    with django_assert_max_num_queries(12):
        client.get(f"/plans/readings/{reading.pk}/")
    with django_assert_max_num_queries(8):
        client.get("/plans/plan/demo-city-2024/")

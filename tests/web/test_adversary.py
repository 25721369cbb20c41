"""What somebody tries who knows the platform well: at the same moment, with other people's numbers, past the end of their rights."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import verify_chain
from dafeng.web.house import House, house
from dafeng.web.october import services as october
from dafeng.web.october.models import FrozenReport, ReportBuild, ReportSection
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import deliver_one
from dafeng.web.people.models import Grant, User
from dafeng.web.plans import handlers
from dafeng.web.plans import services as plans
from dafeng.web.plans.models import PlanVersion, Reading
from dafeng.web.returns import services
from dafeng.web.returns.models import Assignment, Seal, Submission
from dafeng.web.returns.rounds import assignment_link, propose, round_issue, round_seal
from web.factories_october import make_build, make_contribution
from web.factories_returns import GOOD, acting, fill, make_assignment, make_submission, reporter, submitted
from web.test_plans import actor, reading_of
from web.test_returns_machine import at_once
from web.test_schemathesis import token_of
from web.world import BACKEND, World

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 15)


# At the same moment -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_approving_and_taking_back_one_happens(world: World) -> None:
    row = make_submission(world)
    reviewer, sender = acting(world.user(Role.REVIEWER, "above")), acting(reporter(world))
    steps: list[Any] = [lambda: services.submission_approve(submission=row, **reviewer)] * 4
    given, refused = at_once(steps + [lambda: services.submission_withdraw(submission=row, **sender)] * 4)
    assert len(given) == 1
    assert {type(error) for error in refused} == {RefusedError}
    one = Assignment.objects.get(pk=row.assignment_id)
    row.refresh_from_db()
    assert (row.state, one.state) in {("approved", "approved"), ("withdrawn", "draft")}
    assert OutboxItem.objects.filter(kind="returns.publish").count() == int(row.state == "approved")
    assert AuditEntry.objects.filter(action__in=["returns.approved", "returns.withdrawn"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_round_is_sealed_after_an_approval_or_not_at_all(world: World) -> None:
    row = make_submission(world)
    reviewer, owner = acting(world.user(Role.REVIEWER, "above")), acting(world.user(Role.PLAN_OWNER, "above"))
    sealing: dict[str, Any] = {"row": row.assignment.round, "exceptions": {row.assignment_id: "例外"}, "reason": "年终"}
    steps: list[Any] = [lambda: round_seal(**sealing, **owner)] * 3
    _given, refused = at_once([lambda: services.submission_approve(submission=row, **reviewer), *steps])
    assert {type(error) for error in refused} <= {RefusedError}
    one, sealed = Assignment.objects.get(pk=row.assignment_id), Seal.objects.filter(opened_at__isnull=True).count()
    assert (one.state, one.approved_id, sealed) in {("sealed", row.pk, 1), ("approved", row.pk, 0)}
    items = OutboxItem.objects.filter(kind="returns.publish").order_by("id")
    recorded = {item.payload["review"]: item.payload["recorded_at"] for item in items}
    assert len(recorded) == 1 + sealed
    assert recorded.get("sealed", "9") > recorded["approved"]
    assert list(verify_chain()) == []


@pytest.mark.django_db(transaction=True)
def test_two_who_freeze_make_one_edition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(october, "_check_files", lambda build: None)
    build = make_build(world, "above")
    ReportBuild.objects.filter(pk=build.pk).update(content=october.content_of(build.report)[1])
    build.refresh_from_db()
    owners = [acting(world.user(Role.PLAN_OWNER, "above", number=number)) for number in (1, 2)]
    given, refused = at_once([lambda said=said: october.freeze(build=build, **said) for said in owners * 4])
    assert (len({row.pk for row in given}), len(given), refused) == (1, 8, [])
    assert FrozenReport.objects.count() == OutboxItem.objects.filter(kind="october.seal").count() == 1
    assert AuditEntry.objects.filter(action="october.frozen").count() == 1


def test_a_worker_that_was_slow_does_not_lay_an_older_plan_over_a_newer(
    writing_world: World, writing_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer, owner = writing_world.user(Role.REVIEWER, "above"), writing_world.user(Role.PLAN_OWNER, "above")
    first = reading_of(writing_world)
    plans.accept_above(reading=first, above=0.9, by=actor(reviewer))
    first.refresh_from_db()
    plans.publish(reading=first, revision=first.revision, by=actor(owner))
    item, path = OutboxItem.objects.get(), writing_house.root / "catalog/plans/demo-city-own.yaml"
    read_plan_file = handlers.read_plan_file

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        """Read, while another worker publishes the same, and somebody a later version after it."""
        monkeypatch.setattr(handlers, "read_plan_file", read_plan_file)
        assert deliver_one(item)
        path.write_text(path.read_text(encoding="utf-8") + "# later\n", encoding="utf-8")
        return read_plan_file(*args, **kwargs)

    monkeypatch.setattr(handlers, "read_plan_file", overtaken)
    assert deliver_one(OutboxItem.objects.get())
    assert path.read_text(encoding="utf-8").endswith("# later\n")
    assert list(PlanVersion.objects.values_list("number", flat=True)) == [1]
    assert Reading.objects.get().state == "published"


def test_who_was_asked_before_a_form_was_handed_to_another_writes_nothing(world: World) -> None:
    one = make_assignment(world)
    seen = Assignment.objects.select_related("sheet", "round").get(pk=one.pk)
    owner = acting(world.user(Role.PLAN_OWNER, "above"))
    assignment_link(assignment=one, organisation=world.organisation("neighbour"), **owner)
    with pytest.raises(RefusedError):
        fill(world, seen)
    assert Assignment.objects.get(pk=one.pk).state == "pending"
    assert not one.hands.exists()


# Half a step --------------------------------------------------------------------------------------------------------


def _handed_in(world: World, text: str) -> Any:
    row = make_contribution(world, "own")
    said = acting(world.user(Role.REPORTER, "own"))
    return october.write_contribution(contribution=row, text=text, version=1, submit=True, **said)


def test_what_is_accepted_is_in_the_report_or_was_not_accepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row, owner = _handed_in(world, "改造12个小区。"), acting(world.user(Role.PLAN_OWNER, "own"))

    def dies(**_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(october, "save_section", dies)
        with pytest.raises(MemoryError):
            october.judge(contribution=row, accept=True, reason="", **owner)
    row.refresh_from_db()
    assert row.state == "submitted"
    october.judge(contribution=row, accept=True, reason="", **owner)
    assert ReportSection.objects.get(report=row.report).text == "改造12个小区。"


def test_a_word_that_stands_inside_another_text_is_taken_over_all_the_same(world: World) -> None:
    row, owner = _handed_in(world, "已完成。"), acting(world.user(Role.PLAN_OWNER, "own"))
    october.save_section(report=row.report, key="steps", text="其余任务已完成。", version=0, **owner)
    october.judge(contribution=row, accept=True, reason="", **owner)
    assert ReportSection.objects.get(report=row.report).text == "其余任务已完成。\n已完成。"


# Past the end of rights ---------------------------------------------------------------------------------------------


def _asks(user: User, path: str, **headers: Any) -> int:
    return Client().get(path, **headers).status_code


def test_a_token_ends_with_the_rights_of_its_user(world: World) -> None:
    user = world.user(Role.REPORTER, "own", number=3)
    pk = make_assignment(world).pk
    headers = {"HTTP_AUTHORIZATION": token_of(user)["Authorization"]}
    assert _asks(user, f"/api/v1/returns/{pk}", **headers) == 200
    grant = Grant.objects.get(user=user)
    for fields, back in (
        ({"ends_on": TODAY}, {"ends_on": None}),
        ({"starts_on": TODAY + timedelta(days=1)}, {"starts_on": date(2026, 1, 1)}),
        ({"revoked_at": house().now()}, {"revoked_at": None}),
    ):
        Grant.objects.filter(pk=grant.pk).update(**fields)
        assert _asks(user, f"/api/v1/returns/{pk}", **headers) in (403, 404), fields
        Grant.objects.filter(pk=grant.pk).update(**back)
    assert _asks(user, f"/api/v1/returns/{pk}", **headers) == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert _asks(user, f"/api/v1/returns/{pk}", **headers) == 401


def test_a_deputy_reads_and_writes_until_the_deputation_or_the_grant_behind_it_ends(world: World) -> None:
    absent, deputy = reporter(world), world.user(None, "neighbour")
    behind = Grant.objects.get(user=absent)
    grant = world.grant(deputy, Role.REPORTER, "own", stands_in_for=behind, ends_on=TODAY + timedelta(days=1))
    one = make_assignment(world)
    client = world.client(deputy)
    page = f"/returns/{one.pk}/"
    assert client.get(page).status_code == 200
    for pk, fields in (
        (grant.pk, {"ends_on": TODAY}),
        (grant.pk, {"ends_on": TODAY + timedelta(days=1)}),
        (behind.pk, {"revoked_at": house().now()}),
    ):
        Grant.objects.filter(pk=pk).update(**fields)
        allowed = fields == {"ends_on": TODAY + timedelta(days=1)}
        assert (client.get(page).status_code == 200) is allowed, fields
        assert (client.post(f"{page}submit/", {"reason": "x"}).status_code < 400) is allowed, fields
    assert Submission.objects.count() == 0


def test_a_session_without_its_second_factor_is_nobody_to_the_interface(world: World) -> None:
    user = world.user(Role.PLAN_OWNER, "above", number=3)
    pk = make_submission(world).pk
    client = Client()
    client.force_login(user, backend=BACKEND)
    assert client.get(f"/api/v1/submissions/{pk}").status_code == 200
    User.objects.filter(pk=user.pk).update(needs_second_factor=True)
    assert client.get(f"/api/v1/submissions/{pk}").status_code == 401
    assert client.get(f"/returns/submissions/{pk}/").status_code == 302


def test_a_reporter_does_not_read_others_by_asking_for_them(world: World) -> None:
    foreign = make_submission(world, "foreign")
    mine = make_assignment(world)
    client = world.of(Role.REPORTER, "own")
    place, organisation = foreign.assignment.place, foreign.assignment.organisation_id
    for path in (
        "/api/v1/returns",
        "/api/v1/submissions",
        "/api/v1/coverage",
        "/api/v1/tasks",
        "/api/v1/contributions",
    ):
        said = client.get(path, {"place": place, "organisation": organisation, "form": foreign.assignment_id}).content
        assert "西坡区" not in said.decode(), path
    for path in ("/returns/", "/returns/coverage/", "/returns/chase/", "/october/contributions/", "/tasks/"):
        said = client.get(path, {"place": place, "organisation": organisation}).content
        assert "西坡区住建局" not in said.decode(), path
    assert client.post(f"/returns/{mine.pk}/link/", {"organisation": organisation}).status_code == 403


# Other people's numbers ---------------------------------------------------------------------------------------------


def test_nobody_asks_forms_of_organisations_or_places_out_of_reach(world: World) -> None:
    owner = acting(world.user(Role.PLAN_OWNER, "above"))
    plain = propose(plan="demo-city-2024", period="2025", due=date(2026, 3, 31))
    assert round_issue(proposal=plain, **owner).asked > 0
    lesser = acting(world.user(Role.PLAN_OWNER, "own"))
    stolen = replace(plain, place="demo-city-dongwan", plan="dongwan-2025")
    with pytest.raises(RefusedError, match="权限范围"):
        round_issue(proposal=stolen, **lesser)
    near = replace(stolen, issues=tuple(one for one in plain.issues if one.place == "demo-city-dongwan")[:1])
    assert near.issues
    linked = replace(near, organisations={near.issues[0].body: world.organisation("foreign")})
    with pytest.raises(RefusedError, match="权限范围"):
        round_issue(proposal=linked, **lesser)


def test_a_form_is_not_handed_to_an_organisation_out_of_reach(world: World) -> None:
    one, far = make_assignment(world), world.organisation("foreign")
    client = world.of(Role.PLAN_OWNER, "own")
    client.post(f"/returns/{one.pk}/link/", {"organisation": str(far.pk)})
    one.refresh_from_db()
    assert one.organisation_id != far.pk


def test_figures_of_a_return_are_not_restated_by_an_import(writing_world: World) -> None:
    world = writing_world
    submitted(world, make_assignment(world), GOOD)
    headers = {"HTTP_AUTHORIZATION": token_of(world.user(Role.ANALYST, "above"))["Authorization"]}
    table = "地区,年份,绿地率（%）\n东湾区,2024,38.5\n".encode()
    given: dict[str, Any] = {"file": SimpleUploadedFile("a.csv", table), "dataset": "return-dongwan-housing"}
    answer = Client().post("/api/v1/facts/import", given, **headers)
    assert answer.status_code == 422, answer.content
    assert "报送" in json.loads(answer.content)["problem"]

"""The reporting cycle: forms, drafts, submissions, reviews, publishing, corrections, sealing."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

import openpyxl
import polars as pl
import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from dafeng.base.form import FormEntry
from dafeng.statistics.owed import Respondent, issue_form
from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import verify_chain
from dafeng.web.house import house
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import deliver
from dafeng.web.people.models import Organisation
from dafeng.web.people.selectors import reach_of
from dafeng.web.returns import handlers, services
from dafeng.web.returns.cells import base_of
from dafeng.web.returns.models import Assignment, Draft, Submission
from dafeng.web.returns.rounds import assignment_link, propose, round_issue, round_seal, round_unseal
from dafeng.workflow.forms import issues_of
from web.factories_returns import (
    GOOD,
    acting,
    approve,
    fill,
    issued,
    make_assignment,
    make_submission,
    reporter,
    submitted,
    water_issue,
)
from web.world import World

pytestmark = pytest.mark.django_db


def lake_values(
    indicator: str, place: str = "demo-city-dongwan", dataset: str = "return-dongwan-housing"
) -> list[float]:
    """Return the values of 2025 that the workspace holds of a return."""
    lake = house().setting().lake
    assert lake is not None
    frame = lake.snapshot().read(indicators=[indicator], places=[place])
    return frame.filter((pl.col("dataset") == dataset) & (pl.col("period") == "2025"))["value"].to_list()


def test_a_figure_goes_the_whole_way_and_is_in_the_workspace_once(writing_world: World) -> None:
    world = writing_world
    one = make_assignment(world)
    assert one.state == "pending"
    row = submitted(world, one)
    one.refresh_from_db()
    assert (one.state, one.current_id, one.approved_id) == ("submitted", row.pk, None)
    assert lake_values("water_supply_volume") == []
    approve(world, row)
    deliver()
    one.refresh_from_db()
    row.refresh_from_db()
    assert (one.state, one.approved_id) == ("approved", row.pk)
    assert lake_values("water_supply_volume") == [52000e4]
    assert row.published is not None
    assert row.published["appended"] == 13
    assert len(row.published["versions"]) == 13
    # the same item once more says the same
    before = house().facts_version()
    OutboxItem.objects.filter(kind="returns.publish").update(delivered_at=None)
    assert deliver() == 1
    assert house().facts_version() == before
    assert list(verify_chain()) == []


def test_a_correction_restates_and_says_what_changed(writing_world: World) -> None:
    world = writing_world
    one = make_assignment(world)
    first = submitted(world, one)
    approve(world, first)
    deliver()
    services.correction_begin(assignment=one, **acting(reporter(world)))
    with pytest.raises(RefusedError, match="更正的理由"):
        submitted(world, one, GOOD | {"supply": "51500"})
    second = submitted(world, one, GOOD | {"supply": "51500"}, reason="漏抄一个水厂")
    one.refresh_from_db()
    assert (one.state, one.approved_id, second.corrects_id) == ("submitted", first.pk, first.pk)
    assert lake_values("water_supply_volume") == [52000e4]  # what was approved counts until the correction is
    approve(world, second)
    deliver()
    assert lake_values("water_supply_volume") == [51500e4]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("superseded", "approved")
    assert second.published is not None
    assert (second.published["appended"], second.published["unchanged"], second.published["superseded"]) == (1, 12, 1)
    page = world.of(Role.REVIEWER, "above").get(f"/returns/submissions/{second.pk}/").content.decode()
    assert page.index("更正了什么") < page.index("52,000") < page.index("51,500")
    # back to what stood first: the same workbook, another decision
    services.correction_begin(assignment=one, **acting(reporter(world)))
    third = submitted(world, one, reason="核实后恢复")
    assert third.document == first.document
    approve(world, third)
    deliver()
    assert lake_values("water_supply_volume") == [52000e4]


def test_a_correction_may_be_given_up_and_then_the_draft_is_what_was_approved(world: World) -> None:
    one = make_assignment(world)
    approve(world, submitted(world, one))
    services.correction_begin(assignment=one, **acting(reporter(world)))
    fill(world, one, {"supply": "1"})
    services.correction_abandon(assignment=one, **acting(reporter(world)))
    one.refresh_from_db()
    supply = next(line.id for line in one.sheet.read().lines if line.field == "supply")
    assert (one.state, Draft.objects.get(assignment=one).cells[supply]["value"]) == ("approved", "52000")


def test_what_was_sent_in_can_be_taken_back_until_somebody_decided(world: World) -> None:
    one = make_assignment(world)
    row = submitted(world, one)
    services.submission_withdraw(submission=row, **acting(reporter(world)))
    one.refresh_from_db()
    assert (one.state, one.current) == ("draft", None)
    with pytest.raises(RefusedError, match="已由"):
        approve(world, row)
    again = submitted(world, one)
    approve(world, again)
    with pytest.raises(RefusedError):
        services.submission_withdraw(submission=again, **acting(reporter(world)))


def test_findings_stand_at_their_lines_errors_stop_and_warnings_want_a_word(world: World) -> None:
    one = make_assignment(world)
    lines = {line.field: line.id for line in one.sheet.read().lines}
    fill(world, one, GOOD | {"pipes": "见附件", "population": "约625"})
    checked = services.check_draft(one, Draft.objects.get(assignment=one).cells)
    told = {(finding.line, finding.name) for finding in checked.findings}
    assert (lines["pipes"], "form.value.not-a-number") in told
    assert (lines["population"], "form.value.estimate") in told
    with pytest.raises(RefusedError, match=r"1 处错误.*供水管道"):
        services.submission_submit(assignment=one, **acting(reporter(world)))
    sent = {lines["pipes"]: ("*", FormEntry(value="9000.5")), lines["population"]: ("*", FormEntry(value="约625"))}
    services.draft_save(assignment=one, sent=sent, **acting(reporter(world)))
    with pytest.raises(RefusedError, match="没有说明"):
        services.submission_submit(assignment=one, **acting(reporter(world)))
    sent = {lines["population"]: ("*", FormEntry(value="约625", note="抽样推算"))}
    services.draft_save(assignment=one, sent=sent, **acting(reporter(world)))
    assert services.submission_submit(assignment=one, **acting(reporter(world))).number == 1


def test_of_two_who_write_at_once_the_second_is_told_and_nothing_is_lost(world: World) -> None:
    one = make_assignment(world)
    line = one.sheet.read().lines[0].id
    first, second = world.client(reporter(world)), world.client(reporter(world, number=8))
    seen = base_of(None)
    other = one.sheet.read().lines[1].id
    mine = {f"base-{line}": seen, f"value-{line}": "200", f"base-{other}": seen, f"value-{other}": ""}
    assert first.post(f"/returns/{one.pk}/save/", mine).status_code == 302
    answer = second.post(f"/returns/{one.pk}/save/", mine | {f"value-{line}": "300", f"value-{other}": "20"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert 'value="300"' in page  # what the second typed stands in the field
    cells = Draft.objects.get(assignment=one).cells
    assert (cells[line]["value"], cells[line]["others"][0]["value"], cells[other]["value"]) == ("200", "300", "20")
    fresh = base_of(cells[line])
    assert second.post(f"/returns/{one.pk}/save/", {f"base-{line}": fresh, f"value-{line}": "300"}).status_code == 302
    assert Draft.objects.get(assignment=one).cells[line]["value"] == "300"


def test_a_line_is_saved_by_itself_and_the_answer_tells_what_changed_elsewhere(world: World) -> None:
    one = make_assignment(world)
    fill(world, one)
    lines = {line.field: line.id for line in one.sheet.read().lines}
    held = Draft.objects.get(assignment=one).cells[lines["supply"]]
    sent = {
        f"base-{lines['supply']}": base_of(held),
        f"value-{lines['supply']}": "1e999x",
        f"note-{lines['supply']}": "",
    }
    answer = world.client(reporter(world)).post(f"/returns/{one.pk}/save/", sent, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert f'id="told-{lines["supply"]}" data-severity="error"' in text
    assert f'id="base-{lines["supply"]}"' in text
    assert f'id="base-{lines["pipes"]}"' not in text
    assert "1 处错误" in text


def test_nobody_decides_of_what_they_had_a_hand_in(world: World) -> None:
    one = make_assignment(world)
    both = reporter(world)
    world.grant(both, Role.REVIEWER, "above", place="demo-city")
    row = submitted(world, one)
    assert "您填写或提交过" in services.why_not_review(row, both, reach_of(both))
    with pytest.raises(RefusedError, match="自己"):
        services.submission_approve(submission=row, **acting(both))
    colleague = world.user(Role.REPORTER, "own", number=3)
    world.grant(colleague, Role.REVIEWER, "above", place="demo-city")
    assert "该单位的填报员" in services.why_not_review(row, colleague, reach_of(colleague))
    deputy = world.user(Role.REVIEWER, "above", number=2)
    assert services.why_not_review(row, deputy, reach_of(deputy)) == ""
    stands = world.grant(deputy, Role.REPORTER, "own", stands_in_for=both.grants.get(role=Role.REPORTER))
    assert "代理人" in services.why_not_review(row, deputy, reach_of(deputy))
    stands.delete()
    helped = world.user(Role.REVIEWER, "above", number=3)
    world.grant(both, Role.REVIEWER, "above", place="demo-city-dongwan", stands_in_for=helped.grants.get())
    assert "您的代理人" in services.why_not_review(row, helped, reach_of(helped))
    foreign = world.user(Role.REVIEWER, "foreign")
    with pytest.raises(PermissionDenied):
        services.submission_approve(submission=row, **acting(foreign))


def test_the_database_itself_refuses_ones_own_review_and_any_change_of_what_was_sent_in(world: World) -> None:
    row = submitted(world, make_assignment(world))
    wrong: list[dict[str, Any]] = [
        {"state": "approved", "reviewed_by": reporter(world)},  # a hand in it
        {"state": "approved"},  # decided by nobody
        {"content": {}},
        {"document": "0" * 64},
    ]
    for fields in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            Submission.objects.filter(pk=row.pk).update(**fields)
    approve(world, row)
    with pytest.raises(IntegrityError), transaction.atomic():
        Submission.objects.filter(pk=row.pk).update(reviewed_by=world.user(Role.REVIEWER, "above", number=9))
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.filter(pk=row.assignment_id).update(approved=None)


def test_a_return_is_sent_back_with_reasons_at_its_lines(world: World) -> None:
    one = make_assignment(world)
    row = submitted(world, one)
    line = one.sheet.read().lines[4].id
    client = world.of(Role.REVIEWER, "above")
    assert client.post(f"/returns/review/{row.pk}/return/", {"remark": " "}).status_code == 302
    row.refresh_from_db()
    assert row.state == "submitted"
    client.post(f"/returns/review/{row.pk}/return/", {f"remark-{line}": "与水厂报表不符", "remark-x": "不存在的行"})
    row.refresh_from_db()
    one.refresh_from_db()
    assert (row.state, row.remarks, one.state) == ("returned", {line: "与水厂报表不符"}, "returned")
    page = world.client(reporter(world)).get(f"/returns/{one.pk}/").content.decode()
    assert "与水厂报表不符" in page
    assert submitted(world, one).number == 2


def test_a_workbook_goes_out_is_filled_in_and_comes_back_into_the_draft(writing_world: World, tmp_path: Path) -> None:
    world = writing_world
    one = make_assignment(world)
    fill(world, one, {"supply": "52000", "other": "=1+1"})
    client = world.client(reporter(world))
    answer = client.get(f"/returns/{one.pk}/form.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    sheet = book.worksheets[0]
    cells = {cell.value: cell for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert cells["=1+1"].data_type == "s"  # text, not a formula
    values = {row[3].value: row for row in sheet.iter_rows(max_col=9) if row[0].value}
    assert values is not None
    top = next(cell.row for row in sheet.iter_rows() for cell in row if cell.value == "行码")
    for number, line in enumerate(one.sheet.read().lines, start=1):
        sheet.cell(top + number, 7).value = float(GOOD[line.field]) if line.field != "pipes" else "不知道"
    sheet.cell(top + 30, 2).value = "顺便写一句"
    book.save(tmp_path / "back.xlsx")
    with (tmp_path / "back.xlsx").open("rb") as stream:
        answer = client.post(f"/returns/{one.pk}/upload/", {"file": stream})
    page = client.get(answer.headers["Location"]).content.decode()
    assert "顺便写一句" in page
    assert "表外，未采用" in page
    assert "不是数" in page
    draft = Draft.objects.get(assignment=one).cells
    lines = {line.field: line.id for line in one.sheet.read().lines}
    assert (draft[lines["pipes"]]["value"], draft[lines["households"]]["value"]) == ("不知道", "24000")
    foreign = make_assignment(world, "foreign")
    with (tmp_path / "back.xlsx").open("rb") as stream:
        answer = world.client(reporter(world, "foreign")).post(
            f"/returns/{foreign.pk}/upload/", {"file": stream}, follow=True
        )
    assert "没有采用" in answer.content.decode()
    foreign.refresh_from_db()
    assert foreign.state == "pending"
    with (tmp_path / "back.xlsx").open("rb") as good, io.BytesIO(b"PK\x03\x04 broken") as bad:
        bad.name = "坏的.xlsx"
        page = client.post("/returns/upload/", {"files": [good, bad]}).content.decode()
    assert page.count("逐格结果") == 1
    assert "没有采用" in page


def test_a_sealed_round_takes_nothing_until_it_is_opened_with_a_reason(writing_world: World) -> None:
    world = writing_world
    one = make_assignment(world)
    owner = acting(world.user(Role.PLAN_OWNER, "above"))
    waiting = submitted(world, one)
    with pytest.raises(RefusedError, match="待审核"):
        round_seal(row=one.round, exceptions={}, reason="", **owner)
    approve(world, waiting)
    late = issued(world, [water_issue("demo-city-qinghe")], place="demo-city", form="yearbook_water-own")[0]
    Assignment.objects.filter(pk=late.pk).update(round=one.round)
    with pytest.raises(RefusedError, match="青禾"):
        round_seal(row=one.round, exceptions={}, reason="", **owner)
    round_seal(row=one.round, exceptions={late.pk: "当年没有供水企业"}, reason="2025 年报", **owner)
    deliver()
    assert lake_values("water_supply_volume") == [52000e4]
    assert reviews() == {"sealed"}
    with pytest.raises(RefusedError, match="封存"):
        services.correction_begin(assignment=one, **acting(reporter(world)))
    with pytest.raises(RefusedError, match="已经封存"):
        round_seal(row=one.round, exceptions={}, reason="", **owner)
    with pytest.raises(RefusedError, match="理由"):
        round_unseal(row=one.round, reason=" ", **owner)
    round_unseal(row=one.round, reason="审计发现漏报", **owner)
    deliver()
    assert reviews() == {"approved"}
    one.refresh_from_db()
    late.refresh_from_db()
    assert (one.state, late.state) == ("approved", "pending")
    page = world.of(Role.PLAN_OWNER, "above").get(f"/returns/rounds/{one.round_id}/").content.decode()
    assert "审计发现漏报" in page


def reviews() -> set[str]:
    lake = house().setting().lake
    assert lake is not None
    frame = lake.snapshot().read(indicators=["water_supply_volume"], places=["demo-city-dongwan"])
    return set(frame.filter(pl.col("dataset") == "return-dongwan-housing")["review"])


def test_forms_of_a_plan_are_issued_once_more_and_what_was_sent_in_stays(writing_world: World) -> None:
    world = writing_world
    body = "demo-city-water"
    bureau = Organisation.objects.create(code="water", name="水务局", kind="department", place="demo-city", body=body)
    proposal = propose(
        plan="demo-city-2024", period="2025年", due=date(2026, 3, 31), bodies=[body, "demo-city-justice"]
    )
    assert proposal.unlinked == ["示范市司法局"]
    owner = acting(world.user(Role.PLAN_OWNER, "above"))
    first = round_issue(proposal=proposal, **owner)
    assert deliver() == 1
    first.refresh_from_db()
    assert first.run.startswith("forms-demo-city-2024-2025-")
    assert {issue.body for issue in issues_of(house().setting(), [first.run])} == {body, "demo-city-justice"}
    OutboxItem.objects.update(delivered_at=None)
    assert deliver() == 1  # once more: the same run
    rows = {one.body: one for one in Assignment.objects.select_related("organisation", "sheet")}
    assert rows[body].organisation == bureau
    assert rows["demo-city-justice"].organisation is None
    Assignment.objects.filter(pk=rows[body].pk).update(state="approved", approved=make_submission(world))
    later = propose(plan="demo-city-2024", period="2025", due=date(2026, 4, 30), bodies=[body, "demo-city-justice"])
    second = round_issue(proposal=later, **owner)
    assert (second.round_id, second.number, second.asked) == (first.round_id, 2, 1)
    assert "水务局" in second.kept_back[0]
    assert Assignment.objects.get(pk=rows["demo-city-justice"].pk).due == date(2026, 4, 30)
    assert Assignment.objects.get(pk=rows[body].pk).due == date(2026, 3, 31)
    assignment_link(assignment=rows["demo-city-justice"], organisation=bureau, **owner)
    Assignment.objects.filter(pk=rows["demo-city-justice"].pk).update(state="draft")
    with pytest.raises(RefusedError, match="已有单位在填"):
        assignment_link(assignment=rows["demo-city-justice"], organisation=bureau, **owner)
    with pytest.raises(PermissionDenied):
        round_issue(proposal=later, **acting(world.user(Role.PLAN_OWNER, "foreign")))


def test_a_kill_between_the_workspace_and_the_database_leaves_one_batch(
    writing_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = writing_world
    approve(world, submitted(world, make_assignment(world)))
    with monkeypatch.context() as dying:
        dying.setattr(handlers, "versions_of", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        assert deliver() == 1  # what was asked; the figures reach the workspace, and the publisher dies
    assert lake_values("water_supply_volume") == [52000e4]  # the workspace knows, the database does not
    version = house().facts_version()
    assert Submission.objects.get().published is None
    OutboxItem.objects.update(due_at=timezone.now())
    assert deliver() == 1
    assert house().facts_version() == version
    assert Submission.objects.get().published is not None


def test_lists_ask_the_database_the_same_number_of_times_however_long(
    world: World, django_assert_max_num_queries: Any
) -> None:
    places = [place for place in sorted(house().places_below("demo-city")) if place != "demo-city-dongwan"]
    one = make_assignment(world)
    make_submission(world)
    issues = [water_issue(place, body=f"b{number}") for place in places for number in range(4)]
    issued(world, issues, place="demo-city")
    assert Assignment.objects.count() > 30
    client = world.of(Role.PLAN_OWNER, "above")
    reviewer = world.of(Role.REVIEWER, "above")
    for path, most in (
        ("/returns/", 11),
        ("/returns/?state=late", 11),
        ("/returns/coverage/", 11),
        ("/returns/rounds/", 9),
        (f"/returns/rounds/{one.round_id}/", 16),
        ("/returns/chase/", 14),
    ):
        client.get(path)
        with django_assert_max_num_queries(most):
            assert client.get(path).status_code == 200, path
    with django_assert_max_num_queries(9):
        page = reviewer.get("/returns/review/").content.decode()
    assert "1 份待审核" in page
    assert world.of(Role.REVIEWER, "foreign").get(f"/returns/{one.pk}/").status_code == 404
    assert world.of(Role.REPORTER, "foreign").post(f"/returns/{one.pk}/save/").status_code == 404


def test_a_chase_paper_names_who_has_not_sent_and_counts_what_waits_for_review(world: World) -> None:
    one = make_submission(world).assignment
    late = issued(world, [water_issue("demo-city-qinghe")], place="demo-city", form="x")[0]
    client = world.of(Role.PLAN_OWNER, "above")
    page = client.get("/returns/chase/").content.decode()
    assert late.body_name in page
    assert f"/returns/{one.pk}/" not in page
    assert "168" in page  # 31 March to 15 September
    for ending in ("docx", "xlsx"):
        answer = client.get(f"/returns/chase.{ending}?period=2025")
        assert answer.content[:2] == b"PK"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    said = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value]
    assert any(late.body_name in text for text in said)


def test_evidence_is_kept_and_offered_as_a_download_also_after_it_was_taken_off(writing_world: World) -> None:
    world = writing_world
    one = make_assignment(world)
    client = world.client(reporter(world))
    line = one.sheet.read().lines[0].id
    svg = SimpleUploadedFile("x.svg", b"<svg onload='alert(1)'/>")
    assert "不接收" in client.post(f"/returns/{one.pk}/evidence/", {"files": svg}, follow=True).content.decode()
    pdf = SimpleUploadedFile("../台账.pdf", b"%PDF-1.4 x")
    client.post(f"/returns/{one.pk}/evidence/", {"files": pdf, "line": line})
    file = one.evidence.get()
    assert file.name == "台账.pdf"
    assert body_of(client.get(f"/returns/evidence/{file.pk}/")) == b"%PDF-1.4 x"
    row = submitted(world, one)
    services.submission_withdraw(submission=row, **acting(reporter(world)))
    client.post(f"/returns/evidence/{file.pk}/remove/")
    assert one.evidence.filter(removed_at__isnull=True).count() == 0
    assert body_of(client.get(f"/returns/submissions/{row.pk}/evidence/{file.pk}/")) == b"%PDF-1.4 x"


def body_of(answer: Any) -> bytes:
    """Return what a download holds, read to its end."""
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content = b"".join(answer.streaming_content)
    for close in answer._resource_closers:
        close()
    return content


def test_a_form_with_a_subject_a_row_goes_by_its_workbook(writing_world: World, tmp_path: Path) -> None:
    world = writing_world
    catalog = house().catalog
    form = next(one for one in catalog.forms.values() if one.layout == "rows" and one.subject == "building")
    who = Respondent(body="dongwan-housing", body_name="东湾区住建局", place="demo-city-dongwan")
    issue = issue_form(form, catalog, [who], period="2025", due=date(2026, 3, 31)).issues[0]
    linked = {"dongwan-housing": world.organisation("own")}
    one = issued(world, [issue], place="demo-city", form=form.id, linked=linked)[0]
    client = world.client(reporter(world))
    assert "一行一个对象" in client.get(f"/returns/{one.pk}/").content.decode()
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"/returns/{one.pk}/form.xlsx").content))
    sheet = book.worksheets[0]
    codes = {cell.value: cell for row in sheet.iter_rows() for cell in row}
    for line in issue.lines:
        if line.type == "text":
            codes[line.id].offset(row=2).value = "某楼"
    book.save(tmp_path / "rows.xlsx")
    with (tmp_path / "rows.xlsx").open("rb") as stream:
        assert client.post(f"/returns/{one.pk}/upload/", {"file": stream}).status_code == 302
    page = client.get(f"/returns/{one.pk}/").content.decode()
    assert "某楼" in page
    assert "rows.xlsx" in page


def test_a_form_of_five_hundred_lines_opens_and_saves_a_line_fast(world: World) -> None:
    issue = water_issue("demo-city-qinghe", body="long")
    lines = [
        line.model_copy(update={"id": f"{index:03d}-{line.id[4:]}"})
        for index, line in enumerate((issue.lines * 40)[:500], start=1)
    ]
    linked = {"long": world.organisation("own")}
    one = issued(world, [issue.model_copy(update={"lines": tuple(lines)})], place="demo-city", form="l", linked=linked)[
        0
    ]
    fill(world, one)
    client = world.client(reporter(world))
    client.get(f"/returns/{one.pk}/")
    started = process_time()
    assert client.get(f"/returns/{one.pk}/").status_code == 200
    opened = process_time()
    sent = {f"base-{lines[0].id}": base_of(Draft.objects.get(assignment=one).cells[lines[0].id])}
    client.post(f"/returns/{one.pk}/save/", sent | {f"value-{lines[0].id}": "7"}, headers={"HX-Request": "true"})
    assert opened - started < 2.0
    assert process_time() - opened < 2.0

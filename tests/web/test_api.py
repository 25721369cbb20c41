"""The programming interface."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from ninja import Schema

from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.house import House
from dafeng.web.people.models import ApiToken, Organisation, User
from dafeng.web.returns.models import Submission
from dafeng.web.returns.states import SubmissionState
from dafeng.workflow.assessing import assess
from dafeng.workflow.facts import read_facts
from web.factories_october import make_report
from web.factories_plans import make_task
from web.factories_returns import GOOD, make_assignment, make_submission, reporter
from web.test_access_table import operations
from web.test_schemathesis import token_of
from web.world import World

pytestmark = pytest.mark.django_db
PLAN = "demo-city-2024"
TODAY = date(2026, 9, 15)


def _token(user: User, *actions: str, days: int = 30) -> dict[str, str]:
    secret, digest = ApiToken.new_secret()
    ApiToken.objects.create(
        user=user,
        name="t",
        digest=digest,
        shown=secret[:8],
        actions=list(actions),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


@pytest.fixture
def analyst(make_user: Callable[..., User]) -> User:
    bureau = Organisation.objects.create(code="housing", name="示范市住建局", kind="bureau", place="demo-city")
    return make_user("钱分析", Role.ANALYST, bureau)


def test_the_interface_gives_the_librarys_status(analyst: User, reading_house: House) -> None:
    answer = Client().get(f"/api/v1/plans/{PLAN}/status", **_token(analyst, "status.read"))
    judged = assess(reading_house.setting(), PLAN, place="demo-city", as_of=TODAY, known_at=None)
    assert answer.status_code == 200
    assert answer.json()["counts"] == judged.counts
    assert [row["target"] for row in answer.json()["targets"]] == [row.target for row in judged.rows]


def test_a_token_does_only_what_it_says(analyst: User, reading_house: House) -> None:
    token = _token(analyst, "status.read")
    assert Client().get("/api/v1/facts/green_building_share/demo-city", **token).status_code == 403
    assert Client().get("/api/v1/me").status_code == 401
    assert Client().get("/api/v1/me", HTTP_AUTHORIZATION="Bearer dft_guess").status_code == 401
    assert Client().get("/api/v1/plans", **_token(analyst, "status.read", days=-1)).status_code == 401
    foreign = _token(analyst, "status.read", "facts.read")
    assert Client().get("/api/v1/plans/qingdao-2024/status", **foreign).status_code == 404
    assert Client().get("/api/v1/facts/green_building_share/qingdao", **foreign).status_code == 404


def test_a_session_needs_its_csrf_token(analyst: User, reading_house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/api/v1/plans").status_code == 200
    assert client.post("/api/v1/facts/import", {"file": io.BytesIO(b"x")}).status_code == 403


def _table(*rows: tuple[str, str, str]) -> io.BytesIO:
    text = "地区,年份,建成区绿地率（%）\n" + "".join(",".join(row) + "\n" for row in rows)
    stream = io.BytesIO(text.encode())
    stream.name = "../../绿地率.csv"
    return stream


def _said(answer: Any) -> Any:
    return json.loads(b"".join(answer))


def test_every_cell_of_an_upload_has_a_fate(analyst: User, writing_house: House) -> None:
    token = _token(analyst, "facts.import", "facts.read")
    rows = [("东湾区", "2024", "38.5"), ("西坡区", "2024", "abc")]
    given = {"file": _table(*rows), "dataset": "district-panel"}
    dry = Client().post("/api/v1/facts/import", given | {"dry_run": "true"}, **token)
    assert dry.status_code == 200, dry.content.decode()
    assert [fate["fate"] for fate in _said(dry)["fates"]] == ["accepted", "refused", "set_aside"]
    before = read_facts(writing_house.setting(), indicators=["green_space_rate"]).height
    answer = Client().post("/api/v1/facts/import", given | {"file": _table(*rows)}, **token)
    outcome = _said(answer)["outcome"]
    assert (outcome["accepted"], outcome["refused"], outcome["file"]) == (1, 1, "绿地率.csv")
    few = given | {"file": _table(*rows), "fates": "refused"}
    again = _said(Client().post("/api/v1/facts/import", few, **token))
    assert (again["outcome"]["already"], len(again["fates"])) == (True, 2)
    facts = read_facts(writing_house.setting(), indicators=["green_space_rate"])
    assert facts.height == before + 1
    assert AuditEntry.objects.filter(action="facts.imported").count() == 2


def test_a_table_of_foreign_places_is_refused_as_a_whole(analyst: User, writing_house: House) -> None:
    token = _token(analyst, "facts.import")
    given = {"file": _table(("东湾区", "2024", "38.5"), ("青岛市", "2024", "40.1")), "dataset": "district-panel"}
    answer = Client().post("/api/v1/facts/import", given, **token)
    assert answer.status_code == 422
    assert "青岛市" in answer.json()["problem"]


def test_readings_of_unknown_meters_are_refused_by_row(analyst: User, writing_house: House) -> None:
    body = json.dumps([{"meter": "no-such", "at": "2026-01-01T00:00:00Z", "value": 1.5}])
    answer = Client().post(
        "/api/v1/readings", body, content_type="application/json", **_token(analyst, "readings.push")
    )
    assert answer.json()["counts"] == {"refused": 1}
    assert (
        Client()
        .post("/api/v1/readings", "{", content_type="application/json", **_token(analyst, "readings.push"))
        .status_code
        == 400
    )


def test_the_description_names_every_operation(analyst: User, reading_house: House) -> None:
    client = Client()
    client.force_login(analyst, backend="django.contrib.auth.backends.ModelBackend")
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/plans", "/api/v1/readings", "/api/v1/facts/import"} <= set(paths)
    assert client.get("/api/v1/docs").status_code == 404


def _program(user: User) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": token_of(user)["Authorization"]}


def _post(path: str, who: dict[str, str], **said: Any) -> Any:
    return Client().post(f"/api/v1/{path}", json.dumps(said), content_type="application/json", **who)


def test_a_list_comes_in_pieces(world: World, django_assert_max_num_queries: Any) -> None:
    who = _program(world.user(Role.PLAN_OWNER, "above"))
    first = Client().get("/api/v1/tasks?limit=2", **who).json()
    second = Client().get("/api/v1/tasks?limit=2&offset=2", **who).json()
    assert first["count"] == second["count"] > 4
    assert len({row["id"] for row in first["items"] + second["items"]}) == 4
    assert Client().get("/api/v1/tasks?limit=201", **who).status_code == 422
    assert Client().get("/api/v1/tasks?state=unheard", **who).json()["where"][0]["at"][-1] == "state"
    for path in ("tasks", "returns", "rounds", "submissions", "plans", "reports", "frozen-reports", "coverage"):
        with django_assert_max_num_queries(20):
            assert Client().get(f"/api/v1/{path}?limit=200", **who).status_code == 200, path


def test_the_figures_of_a_return_go_through_the_interface(writing_world: World) -> None:
    """Written, sent in, approved by another; the same calls as the pages make, and the same refusals."""
    world = writing_world
    one, fills = make_assignment(world), _program(reporter(world))
    seen = Client().get(f"/api/v1/returns/{one.pk}", **fills)
    version, rows = seen.headers["ETag"], seen.json()["rows"]
    assert version == f'"{seen.json()["version"]}"'
    issue = one.sheet.read()
    cells = {line.id: {"value": GOOD[line.field], "note": "按台账"} for line in issue.lines if line.field in GOOD}
    cells |= {line.id: {"value": "2026-03-20" if line.type == "date" else "张三"} for line in issue.head}
    saved = _post(f"returns/{one.pk}/draft", fills, cells=cells, explanation="按年鉴口径")
    assert (saved.status_code, saved.json()["errors"]) == (200, 0), saved.content.decode()
    assert saved.json()["bases"].keys() == cells.keys()
    stale = _post(f"returns/{one.pk}/submit", fills, version=int(version.strip('"')))
    assert (stale.status_code, stale.json()["code"]) == (409, "return.changed")
    key = fills | {"HTTP_IDEMPOTENCY_KEY": "send-0001"}
    sent = _post(f"returns/{one.pk}/submit", key, version=saved.json()["version"])
    again = _post(f"returns/{one.pk}/submit", key, version=saved.json()["version"])
    assert sent.status_code == again.status_code == 200, sent.content.decode()
    assert sent.json() == again.json()
    assert Submission.objects.filter(assignment=one).count() == 1
    other = _post(f"returns/{one.pk}/submit", key, reason="别的")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.other-request")
    assert _post(f"returns/{one.pk}/submit", fills).status_code == 409
    number = sent.json()["id"]
    assert _post(f"submissions/{number}/approve", fills).status_code == 403
    reviews = _program(world.user(Role.REVIEWER, "above"))
    waiting = Client().get("/api/v1/submissions?waiting=true", **reviews).json()["items"]
    assert [row["id"] for row in waiting] == [number]
    detail = Client().get(f"/api/v1/submissions/{number}", **reviews).json()
    assert detail["why_not_review"] == ""
    assert len(detail["rows"]) == len(rows)
    assert _post(f"submissions/{number}/approve", reviews).json()["state"] == SubmissionState.APPROVED
    twice = _post(f"submissions/{number}/approve", reviews)
    assert (twice.status_code, twice.json()["code"]) == (409, "submission.decided")


def test_of_two_who_write_one_line_both_are_told(world: World) -> None:
    one = make_assignment(world)
    first, second = _program(reporter(world)), _program(reporter(world, number=7))
    line = next(line for line in one.sheet.read().lines if line.field == "capacity").id
    base = next(r for r in Client().get(f"/api/v1/returns/{one.pk}", **first).json()["rows"] if r["line"] == line)[
        "base"
    ]
    assert _post(f"returns/{one.pk}/draft", first, cells={line: {"value": "200", "base": base}}).status_code == 200
    clash = _post(f"returns/{one.pk}/draft", second, cells={line: {"value": "210", "base": base}})
    assert clash.status_code == 409
    told = clash.json()["where"][0]
    assert (told["line"], told["yours"]["value"], told["theirs"]["value"]) == (line, "210", "200")
    settled = _post(f"returns/{one.pk}/draft", second, cells={line: {"value": "210", "base": told["base"]}})
    assert settled.status_code == 200
    unknown = _post(f"returns/{one.pk}/draft", second, cells={"no-such": {"value": "1"}})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "draft.no-line")


def test_nobody_approves_their_own_return(world: World) -> None:
    submission = make_submission(world)
    user = submission.submitted_by
    world.grant(user, Role.REVIEWER, "above")
    answer = _post(f"submissions/{submission.pk}/approve", _program(user))
    assert (answer.status_code, answer.json()["code"]) == (409, "submission.own")


def test_a_repeated_note_is_written_once(world: World) -> None:
    task, who = make_task(world, "own"), _program(reporter(world))
    key = who | {"HTTP_IDEMPOTENCY_KEY": "note-2026-09"}
    notes = [_post(f"tasks/{task.pk}/notes", key, state="in_progress", percent=30, text="已开工") for _ in range(3)]
    assert len({note.json()["id"] for note in notes}) == 1
    assert task.notes.count() == 1
    refused = _post(f"tasks/{task.pk}/notes", who | {"HTTP_IDEMPOTENCY_KEY": "n-2-0000"}, state="in_progress", text=" ")
    assert (refused.status_code, refused.json()["code"]) == (409, "task.no-text")
    mended = _post(f"tasks/{task.pk}/notes", who | {"HTTP_IDEMPOTENCY_KEY": "n-2-0000"}, state="in_progress", text="续")
    assert mended.status_code == 200  # what was refused was not kept
    assert _post(f"tasks/{task.pk}/notes", who | {"HTTP_IDEMPOTENCY_KEY": "short"}, text="x").status_code in (400, 422)


def test_of_two_who_write_one_part_both_texts_are_told(world: World) -> None:
    report, who = make_report(world, "above"), _program(world.user(Role.ANALYST, "above"))
    key = Client().get(f"/api/v1/reports/{report.pk}", **who).json()["parts"][-1]["key"]
    path = f"reports/{report.pk}/parts/{key}"
    assert _post(path, who, text="甲", version=0).json()["version"] == 1
    clash = _post(path, who, text="乙", version=0)
    assert clash.status_code == 409
    assert clash.json()["where"][0]["theirs"] == {"text": "甲", "version": 1}


def test_who_may_not_is_told_so_before_what_is_wrong_is(world: World) -> None:
    who = _program(world.user(Role.ANALYST, "own"))
    answer = Client().post("/api/v1/submissions/1/approve", "{", content_type="application/json", **who)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    bad = Client().post("/api/v1/submissions/1/approve", "{}", "application/json", HTTP_AUTHORIZATION="Bearer dft_x")
    assert (bad.status_code, bad.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert Client().get("/api/v1/no/such", **who).json()["code"] == "not-found"


def test_every_operation_has_its_line_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "platform-api.md").read_text(encoding="utf-8")
    for route in operations():
        assert route.rule is not None
        line = f"| `{route.method} {route.template.removeprefix('/api/v1')}` | `{route.rule.action}` |"
        assert line in page, line


def test_no_two_shapes_share_a_name() -> None:
    """The description knows a shape by its name alone: of two of one name one would be described as the other."""
    found: dict[str, str] = {}
    waiting = list(Schema.__subclasses__())
    for shape in waiting:
        waiting.extend(shape.__subclasses__())
        if shape.__module__.startswith("dafeng.web.api"):
            assert found.setdefault(shape.__name__, shape.__module__) == shape.__module__, shape.__name__
    assert len(found) > 50

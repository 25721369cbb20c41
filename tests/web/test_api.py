"""The programming interface."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.house import House
from dafeng.web.people.models import ApiToken, Organisation, User
from dafeng.workflow.assessing import assess
from dafeng.workflow.facts import read_facts

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


def test_every_cell_of_an_upload_has_a_fate(analyst: User, writing_house: House) -> None:
    token = _token(analyst, "facts.import", "facts.read")
    rows = [("东湾区", "2024", "38.5"), ("西坡区", "2024", "abc")]
    given = {"file": _table(*rows), "dataset": "district-panel"}
    dry = Client().post("/api/v1/facts/import", given | {"dry_run": "true"}, **token)
    assert dry.status_code == 200, dry.content.decode()
    assert {fate["fate"] for fate in dry.json()["fates"]} >= {"accepted", "refused"}
    before = read_facts(writing_house.setting(), indicators=["green_space_rate"]).height
    answer = Client().post("/api/v1/facts/import", given | {"file": _table(*rows)}, **token)
    assert (answer.json()["outcome"]["accepted"], answer.json()["outcome"]["refused"]) == (1, 1)
    again = Client().post("/api/v1/facts/import", given | {"file": _table(*rows)}, **token)
    assert again.json()["outcome"]["already"] is True
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

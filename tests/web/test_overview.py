"""The first page, the list of targets, the page of a target, facts, and the public page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dafeng.web.access.actions import Role
from dafeng.web.house import House
from dafeng.web.overview.models import Disclosure
from dafeng.web.people.models import Organisation, OrganisationKind, User
from dafeng.workflow.assessing import assess

pytestmark = pytest.mark.django_db
PLAN = "demo-city-2024"
TODAY = date(2026, 9, 15)


@pytest.fixture
def bureau() -> Organisation:
    return Organisation.objects.create(
        code="housing", name="示范市住建局", kind=OrganisationKind.BUREAU, place="demo-city"
    )


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def owner(make_user: Callable[..., User], bureau: Organisation, reading_house: House) -> Client:
    return _client(make_user("李负责", Role.PLAN_OWNER, bureau))


def test_the_counts_on_the_first_page_are_the_librarys(owner: Client, reading_house: House) -> None:
    judged = assess(reading_house.setting(), PLAN, place="demo-city", as_of=TODAY, known_at=None)
    page = owner.get("/").content.decode()
    shown = [int(number) for number in re.findall(r"<li><strong>(\d+)</strong>", page)]
    assert shown[-1] == judged.counted > 20
    assert sum(shown[:-1]) == judged.counted


def test_the_list_filters_by_state_and_body(owner: Client, reading_house: House) -> None:
    judged = assess(reading_house.setting(), PLAN, place="demo-city", as_of=TODAY, known_at=None)
    page = owner.get(f"/targets/{PLAN}/?group=no_data").content.decode()
    expected = judged.counts.get("no_data", 0) + judged.counts.get("unknown", 0)
    assert expected > 0
    assert f"共 {expected} 项" in page
    met = [row.target for row in judged.rows if row.status.value == "met"]
    assert not any(f'"/targets/{PLAN}/{target}/' in page for target in met)


def test_a_value_leads_to_its_source_cell(owner: Client, reading_house: House) -> None:
    judged = assess(reading_house.setting(), PLAN, place="demo-city", as_of=TODAY, known_at=None)
    row = next(row for row in judged.rows if row.latest is not None and row.latest.lineage is not None)
    page = owner.get(f"/targets/{PLAN}/{row.target}/").content.decode()
    link = f"/facts/{row.indicator}/{row.place}/"
    assert link in page
    facts = owner.get(link).content.decode()
    snapshot = reading_house.setting().lake.snapshot()  # type: ignore[union-attr]
    (source,) = snapshot.lineage([row.latest.lineage]).iter_rows(named=True)  # type: ignore[list-item,union-attr]
    assert source["file"] in facts
    assert source["cell"] is None or source["cell"] in facts


def test_a_district_sees_itself_and_not_the_city(make_user: Callable[..., User], reading_house: House) -> None:
    district = Organisation.objects.create(code="dw", name="东湾区住建局", kind="bureau", place="demo-city-dongwan")
    client = _client(make_user("赵区", Role.REPORTER, district))
    assert client.get("/").status_code == 200
    assert client.get(f"/targets/{PLAN}/?place=demo-city-dongwan").status_code == 200
    assert client.get(f"/targets/{PLAN}/?place=demo-city").status_code == 404
    assert client.get("/facts/green_building_share/demo-city/").status_code == 404
    assert client.get("/targets/qingdao-2024/").status_code == 404


def test_the_public_sees_only_what_was_disclosed(owner: Client, reading_house: House) -> None:
    public = Client()
    assert public.get("/public/").status_code == 200
    answer = owner.post(f"/disclose/{PLAN}/", {"place": "demo-city", "note": "<b>九月进展</b>"})
    assert answer.status_code == 302
    owner.post(f"/disclose/{PLAN}/", {"place": "demo-city", "note": "<b>九月进展</b>"})
    shown = Disclosure.objects.get()
    page = public.get(f"/public/{shown.pk}/")
    assert "&lt;b&gt;九月进展" in page.content.decode()
    assert page.headers["Cache-Control"] == "public, max-age=300"
    same = owner.get(f"/public/{shown.pk}/")
    assert same.content == page.content, "nothing of a session on a page that caches keep"
    assert "责任单位" not in page.content.decode()
    assert owner.post(f"/disclose/withdraw/{shown.pk}/", {"reason": "数有误"}).status_code == 302
    assert public.get(f"/public/{shown.pk}/").status_code == 404
    assert public.get(f"/disclose/{PLAN}/").status_code == 302


def test_the_first_page_asks_few_queries(owner: Client, reading_house: House) -> None:
    owner.get("/")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        owner.get("/")
    assert len(asked) <= 14

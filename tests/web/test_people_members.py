"""Organisations, people, grants, deputies and tokens: what their services and pages allow and refuse."""

from __future__ import annotations

import re
from datetime import date, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import SYSTEM, Actor, verify_chain
from dafeng.web.house import House
from dafeng.web.people.models import ApiToken, Grant, Organisation, OrganisationKind, User
from dafeng.web.people.selectors import abilities_of, reach_of, who_can
from dafeng.web.people.services.grants import deputy_appoint, grant_give, grant_revoke
from dafeng.web.people.services.members import person_invite, person_save, person_switch, second_factor_reset
from dafeng.web.people.services.organisations import organisation_save, organisation_switch, organisations_from_bodies
from dafeng.web.people.tokens import reach_of_token, token_make, token_revoke
from web.world import World

TODAY = date(2026, 9, 15)


def by(user: User) -> Actor:
    return Actor(user, user.name)


def give(admin: User, user: User, role: Role, organisation: Organisation, place: str = "", **days: Any) -> Grant:
    said = {"starts_on": TODAY, "ends_on": None} | days
    return grant_give(
        user=user,
        role=role,
        organisation=organisation,
        place=place or organisation.place,
        by=by(admin),
        reach=reach_of(admin),
        **said,
    )


def refused(code: str) -> Any:
    return pytest.raises(RefusedError, check=lambda error: error.code == code)


# grants


def test_an_administrator_grants_only_within_reach_and_never_to_oneself(world: World) -> None:
    city, district = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.ADMINISTRATOR)
    near, far = world.user(None), world.user(None, "foreign")
    give(district, near, Role.REPORTER, world.organisation())
    with refused("grant.to-oneself"):
        give(district, district, Role.REVIEWER, world.organisation())
    with refused("grant.out-of-reach"):
        give(district, near, Role.REVIEWER, world.organisation(), "demo-city")
    with refused("grant.out-of-reach"):
        give(district, near, Role.REVIEWER, world.organisation("foreign"))
    with refused("person.out-of-reach"):
        give(district, far, Role.REVIEWER, world.organisation())
    with refused("grant.twice"):
        give(city, near, Role.REPORTER, world.organisation())
    with refused("grant.days"):
        give(city, near, Role.ANALYST, world.organisation(), ends_on=TODAY)
    with refused("grant.place"):
        give(city, near, Role.ANALYST, world.organisation(), "atlantis")
    give(city, near, Role.REVIEWER, world.organisation(), "demo-city")
    with refused("grant.out-of-reach"):  # neither may the district take away what the city gave
        grant_revoke(Grant.objects.get(user=near, role=Role.REVIEWER), by=by(district), reach=reach_of(district))


def test_administrator_and_auditor_are_never_one_person(world: World) -> None:
    admin, other = world.user(Role.ADMINISTRATOR, "above"), world.user(None)
    first = give(admin, other, Role.AUDITOR, world.organisation())
    with refused("grant.apart"):
        give(admin, other, Role.ADMINISTRATOR, world.organisation())
    grant_revoke(first, by=by(admin), reach=reach_of(admin))
    give(admin, other, Role.ADMINISTRATOR, world.organisation())


def test_a_role_of_weight_makes_the_second_factor_necessary(world: World) -> None:
    admin, user = world.user(Role.ADMINISTRATOR, "above"), world.user(None)
    give(admin, user, Role.REPORTER, world.organisation())
    user.refresh_from_db()
    assert not user.needs_second_factor
    give(admin, user, Role.REVIEWER, world.organisation())
    user.refresh_from_db()
    assert user.needs_second_factor
    user.needs_second_factor = False
    with refused("person.second-factor"):
        person_save(user, by=by(admin), reach=reach_of(admin))


def test_the_last_administrator_of_the_workspace_stays(world: World) -> None:
    first, second = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.ADMINISTRATOR, "above", number=2)
    one, other = first.grants.get(), second.grants.get()
    grant_revoke(other, by=by(first), reach=reach_of(first), reason="调离")
    with refused("grant.last-administrator"):
        grant_revoke(one, by=by(second), reach=reach_of(first))
    with refused("grant.last-administrator"):
        person_switch(first, active=False, by=by(second), reach=reach_of(first))
    with refused("grant.last-administrator"):
        organisation_switch(world.organisation("above"), active=False, by=by(second), reach=reach_of(first))
    world.organisation("own")
    with refused("organisation.children"):
        organisation_switch(world.organisation("above"), active=False, by=by(second), reach=reach_of(first))
    assert reach_of(first).can("people.manage")
    # one whose days end does not count: the workspace would be shut on that day
    give(first, second, Role.ADMINISTRATOR, world.organisation("above"), ends_on=TODAY + timedelta(days=30))
    with refused("grant.last-administrator"):
        grant_revoke(one, by=by(second), reach=reach_of(second))
    entry = AuditEntry.objects.get(action="people.grant-revoked")
    assert (entry.reason, entry.before["role"]) == ("调离", "administrator")


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_remove_each_other_at_once_leave_one(reading_house: House) -> None:
    world = World()
    users = [world.user(Role.ADMINISTRATOR, "above", number=number) for number in (1, 2)]
    grants = [user.grants.get() for user in users]
    reaches = [reach_of(user) for user in users]
    barrier, said = Barrier(2), []

    def remove(me: int) -> None:
        barrier.wait()
        try:
            grant_revoke(grants[1 - me], by=by(users[me]), reach=reaches[me])
            said.append("done")
        except RefusedError as error:
            said.append(error.code)
        finally:
            connection.close()

    threads = [Thread(target=remove, args=(me,)) for me in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["done", "grant.last-administrator"]
    assert Grant.objects.filter(revoked_at__isnull=True).count() == 1
    assert list(verify_chain()) == []


def test_a_grant_holds_from_its_first_day_until_before_its_last(world: World) -> None:
    admin, user = world.user(Role.ADMINISTRATOR, "above"), world.user(None)
    give(admin, user, Role.REPORTER, world.organisation(), starts_on=date(2026, 10, 1), ends_on=date(2026, 11, 1))
    held = {day: reach_of(user, day=day).can("returns.fill") for day in map(date.fromisoformat, (
        "2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01",
    ))}  # fmt: skip
    assert list(held.values()) == [False, True, True, False]


# deputies


def test_a_deputy_acts_for_a_colleague_from_day_to_day(world: World) -> None:
    boss, colleague = world.user(Role.REVIEWER), world.user(Role.REPORTER)
    grant = boss.grants.get()
    made = deputy_appoint(grant=grant, deputy=colleague, starts_on=TODAY, ends_on=date(2026, 9, 20), by=by(boss))
    reach = reach_of(colleague)
    assert reach.can("returns.review", place="demo-city-dongwan")
    assert reach.acting_for("returns.review") == boss.name
    assert reach.acting_for("returns.fill") == ""
    assert reach_of(colleague, day=date(2026, 9, 19)).can("returns.review")
    assert not reach_of(colleague, day=date(2026, 9, 20)).can("returns.review")
    assert any(one.acting_for == boss.name for one in abilities_of(colleague))
    assert [one.acting_for for one in who_can("returns.review", "demo-city-dongwan")].count(boss.name) == 1
    User.objects.filter(pk=boss.pk).update(is_active=False)
    assert not reach_of(colleague).can("returns.review")
    User.objects.filter(pk=boss.pk).update(is_active=True)
    grant_revoke(made, by=by(boss), reach=reach_of(boss))
    assert not reach_of(colleague).can("returns.review")


def test_revoking_a_grant_ends_its_deputies(world: World) -> None:
    admin, boss, colleague = (
        world.user(Role.ADMINISTRATOR, "above"),
        world.user(Role.REVIEWER),
        world.user(Role.REPORTER),
    )
    deputy_appoint(grant=boss.grants.get(), deputy=colleague, starts_on=TODAY, ends_on=date(2026, 9, 20), by=by(boss))
    grant_revoke(boss.grants.get(), by=by(admin), reach=reach_of(admin))
    assert not reach_of(colleague).can("returns.review")
    assert Grant.objects.filter(revoked_at__isnull=True, stands_in_for__isnull=False).count() == 0


def test_what_no_deputy_may_be(world: World) -> None:
    boss, colleague = world.user(Role.REVIEWER), world.user(Role.REPORTER)
    grant, days = boss.grants.get(), {"starts_on": TODAY, "ends_on": date(2026, 9, 20)}
    with refused("deputy.not-own"):
        deputy_appoint(grant=grant, deputy=boss, by=by(colleague), **days)
    with refused("deputy.oneself"):
        deputy_appoint(grant=grant, deputy=boss, by=by(boss), **days)
    for scope in ("foreign", "neighbour"):
        with refused("deputy.organisation"):
            deputy_appoint(grant=grant, deputy=world.user(Role.REPORTER, scope), by=by(boss), **days)
    with refused("deputy.days"):
        deputy_appoint(grant=grant, deputy=colleague, by=by(boss), starts_on=TODAY, ends_on=date(2027, 9, 20))
    with refused("deputy.days"):
        deputy_appoint(grant=grant, deputy=colleague, by=by(boss), starts_on=date(2026, 9, 1), ends_on=TODAY)
    deputy = deputy_appoint(grant=grant, deputy=colleague, by=by(boss), **days)
    with refused("deputy.overlap"):
        deputy_appoint(
            grant=grant, deputy=world.user(None), by=by(boss), starts_on=date(2026, 9, 19), ends_on=date(2026, 9, 25)
        )
    with refused("deputy.grant"):
        deputy_appoint(grant=deputy, deputy=world.user(None), by=by(colleague), **days)
    deputy_appoint(
        grant=grant,
        deputy=world.user(None, "above"),
        by=by(boss),
        starts_on=date(2026, 9, 20),
        ends_on=date(2026, 9, 25),
    )


def test_the_page_of_deputies(world: World) -> None:
    boss, colleague = world.user(Role.REVIEWER), world.user(Role.REPORTER)
    client = world.client(boss)
    page = client.get("/people/account/deputies/").text
    assert colleague.name in page
    far = world.user(Role.REPORTER, "foreign")
    said = {"grant": boss.grants.get().pk, "deputy": far.pk, "starts_on": "2026-09-15", "ends_on": "2026-09-20"}
    assert 'aria-invalid="true"' in client.post("/people/account/deputies/", said).text
    assert client.post("/people/account/deputies/", said | {"deputy": colleague.pk}).status_code == 302
    page = client.get("/people/account/deputies/").text
    assert "代理中" in page
    pk = Grant.objects.get(stands_in_for__user=boss).pk
    assert client.post(f"/people/account/deputies/{pk}/revoke/").status_code == 302
    assert "已收回" in client.get("/people/account/deputies/").text
    assert world.of(Role.ANALYST).post(f"/people/account/deputies/{pk}/revoke/").status_code == 404


# people


def test_a_district_cannot_take_over_who_acts_in_the_whole_city(world: World) -> None:
    district, user = world.user(Role.ADMINISTRATOR), world.user(Role.REVIEWER)
    person_invite(user, by=by(district), reach=reach_of(district))
    world.grant(user, Role.ANALYST, "own", place="demo-city")
    for do in (
        lambda: person_invite(user, by=by(district), reach=reach_of(district)),
        lambda: second_factor_reset(user, by=by(district), reach=reach_of(district)),
        lambda: person_switch(user, active=False, by=by(district), reach=reach_of(district)),
        lambda: person_save(user, by=by(district), reach=reach_of(district)),
    ):
        with refused("person.granted-above"):
            do()
    page = world.client(district).post(f"/people/{user.pk}/invite/", follow=True).text
    assert "请由上级管理员办理" in page


def test_the_cycle_of_a_person_through_the_pages(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    client, organisation = world.client(admin), world.organisation()
    new = {"username": "zhang", "name": "张三", "organisation": organisation.pk, "email": "", "phone": ""}
    far = client.post("/people/add/", new | {"organisation": world.organisation("foreign").pk})
    assert 'aria-invalid="true"' in far.text
    assert not User.objects.filter(username="zhang").exists()
    assert client.post("/people/add/", new).status_code == 302
    person = User.objects.get(username="zhang")
    assert not person.has_usable_password()
    said = {"role": "reporter", "organisation": organisation.pk, "place": organisation.place, "starts_on": "2026-09-15"}
    assert client.post(f"/people/{person.pk}/grant/", said).status_code == 302
    page = client.get(f"/people/{person.pk}/").text
    assert "填报员" in page
    assert "填写和上报" in page
    assert "添加人员" in page
    link = re.search(
        r"<code>http://testserver(/people/enter/[^<]+)</code>", client.post(f"/people/{person.pk}/invite/").text
    )
    assert link is not None
    assert Client().get(link[1].replace("&amp;", "&")).status_code == 200
    assert client.post(f"/people/{person.pk}/switch/", {"active": "0"}).status_code == 302
    assert Client().get(link[1].replace("&amp;", "&")).status_code == 410
    assert "张三" not in client.get("/people/").text
    assert "张三" in client.get("/people/", {"state": "off", "q": "zha"}).text
    grant = person.grants.get()
    assert client.post(f"/people/grants/{grant.pk}/revoke/", {"reason": "离职"}).status_code == 302
    assert "离职" in client.get(f"/people/{person.pk}/").text
    assert client.post(f"/people/{admin.pk}/switch/", {"active": "0"}, follow=True).text.count("不能对自己办理") == 1
    assert list(verify_chain()) == []


def test_switching_a_person_off_ends_the_session_and_tokens(world: World) -> None:
    admin, user = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.REVIEWER)
    client = world.client(user)
    _token, secret = token_make(
        name="试", actions=frozenset({"returns.read"}), days=1, by=by(user), reach=reach_of(user)
    )
    assert client.get("/people/account/").status_code == 200
    person_switch(user, active=False, by=by(admin), reach=reach_of(admin))
    assert client.get("/people/account/").status_code == 302
    assert reach_of_token(secret) is None
    person_switch(user, active=True, by=by(admin), reach=reach_of(admin))
    assert client.get("/people/account/").status_code == 302
    person_invite(user, by=by(admin), reach=reach_of(admin))
    assert reach_of_token(secret) is None


def test_lists_are_read_in_few_queries_however_long(world: World, django_assert_max_num_queries: Any) -> None:
    admin = world.user(Role.ADMINISTRATOR, "above")
    for number in range(70):
        user = User.objects.create_user(f"p{number}", f"人{number}", organisation=world.organisation())
        world.grant(user, Role.REPORTER)
    client = world.client(admin)
    client.get("/people/")
    with django_assert_max_num_queries(7):
        page = client.get("/people/").text
    assert page.count("<tr>") == 51
    assert "1 / 2" in page
    with django_assert_max_num_queries(6):
        client.get("/people/organisations/")
    with django_assert_max_num_queries(10):
        client.get(f"/people/{User.objects.get(username='p1').pk}/")


def test_who_can_names_those_here_and_above_only(world: World) -> None:
    here, city, far = (world.user(Role.REVIEWER, scope) for scope in ("own", "above", "foreign"))
    world.user(Role.REPORTER)
    assert {one.user for one in who_can("returns.review", "demo-city-dongwan")} == {here, city}
    assert {one.user for one in who_can("returns.review", "demo-city-xipo")} == {city, far}
    assert who_can("operation.manage", "demo-city") == []
    page = world.of(Role.AUDITOR).get("/people/who/", {"action": "returns.review", "place": "demo-city-dongwan"}).text
    assert here.name in page
    assert city.name in page
    assert far.name not in page


# organisations


def test_organisations_are_made_changed_and_switched(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR, "above")
    client = world.client(admin)
    new = {
        "name": "示范节能服务公司",
        "kind": "company",
        "place": "demo-city-dongwan",
        "parent": "",
        "body": "",
        "code": "",
    }
    assert client.post("/people/organisations/add/", new).status_code == 302
    row = Organisation.objects.get(name="示范节能服务公司")
    assert re.fullmatch(r"demo-city-dongwan-[0-9a-f]{6}", row.code)
    assert "同一地方已有同名单位" in client.post("/people/organisations/add/", new | {"code": "x"}).text
    page = client.get("/people/organisations/", {"place": "demo-city-dongwan", "kind": "company"}).text
    assert "示范节能服务公司" in page
    assert "city-housing" not in page
    changed = new | {"name": "示范节能公司", "code": row.code}
    assert client.post(f"/people/organisations/{row.pk}/edit/", changed).status_code == 302
    entry = AuditEntry.objects.get(action="people.organisation-changed")
    assert (entry.before["name"], entry.after["name"]) == ("示范节能服务公司", "示范节能公司")
    assert row.history.count() == 2
    assert client.post(f"/people/organisations/{row.pk}/switch/", {"active": "0"}).status_code == 302
    row.refresh_from_db()
    assert not row.active
    district = world.user(Role.ADMINISTRATOR)
    moved = Organisation.objects.get(pk=row.pk)
    moved.place = "demo-city-xipo"
    with refused("organisation.out-of-reach"):
        organisation_save(moved, by=by(district), reach=reach_of(district))


def test_what_is_granted_at_an_organisation_that_is_off_does_not_hold(world: World) -> None:
    admin, user = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.REPORTER)
    organisation_switch(world.organisation(), active=False, by=by(admin), reach=reach_of(admin))
    assert not reach_of(user).can("returns.fill")


def test_no_organisation_stands_above_itself(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR, "above")
    own, above = world.organisation("own"), world.organisation("above")
    above.parent = own
    with refused("organisation.circle"):
        organisation_save(above, by=by(admin), reach=reach_of(admin))


def test_bodies_of_the_catalog_become_organisations_once(world: World) -> None:
    admin, district = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.ADMINISTRATOR)
    Organisation.objects.create(code="grid", name="国网示范供电公司", kind=OrganisationKind.COMPANY, place="demo-city")
    client = world.client(admin)
    client.post("/people/organisations/from-bodies/")
    count = Organisation.objects.count()
    grid, heat = Organisation.objects.get(code="grid"), Organisation.objects.get(body="demo-city-heat")
    assert (grid.body, heat.kind) == ("demo-city-grid", "company")
    assert Organisation.objects.get(body="demo-city-housing").kind == "bureau"
    assert Organisation.objects.get(body="demo-city-dongwan-government").kind == "government"
    assert not Organisation.objects.filter(body="demo-city-rural-revitalisation").exists()
    again = organisations_from_bodies(places=["demo-city", "demo-city-dongwan"], by=SYSTEM)
    assert (again.made, again.linked) == ((), ())
    assert Organisation.objects.count() == count > 30
    world.client(district).post("/people/organisations/from-bodies/")
    assert Organisation.objects.count() == count


# tokens


def test_a_token_does_what_its_user_may_and_no_more(world: World) -> None:
    user = world.user(Role.REVIEWER)
    token, secret = token_make(
        name="核对", actions=frozenset({"returns.read", "plans.read"}), days=30, by=by(user), reach=reach_of(user)
    )
    assert secret not in repr(vars(token))
    assert token.digest == ApiToken.digest_of(secret)
    reach = reach_of_token(secret)
    assert reach is not None
    assert reach.can("returns.read", place="demo-city-dongwan")
    assert not reach.can("returns.review")
    assert not reach.can("returns.read", place="demo-city-xipo")
    assert ApiToken.objects.get().last_used_at is not None
    Grant.objects.filter(user=user).update(revoked_at=timezone.now())
    reach = reach_of_token(secret)
    assert reach is not None
    assert not reach.can("returns.read")
    token_revoke(token, by=by(user))
    assert reach_of_token(secret) is None
    assert reach_of_token("") is None
    assert reach_of_token("dft_" + "x" * 5000) is None
    assert secret not in repr(list(AuditEntry.objects.values()))


def test_no_token_may_make_itself_more_than_it_is(world: World) -> None:
    admin, user = world.user(Role.ADMINISTRATOR, "above"), world.user(Role.REPORTER)
    for who, action in (
        (admin, "people.manage"),
        (user, "tokens.manage"),
        (user, "returns.review"),
        (user, "nonsense"),
    ):
        with refused("token.actions"):
            token_make(name="试", actions=frozenset({action}), days=1, by=by(who), reach=reach_of(who))
    for days in (0, 367):
        with refused("token.days"):
            token_make(name="试", actions=frozenset({"returns.read"}), days=days, by=by(user), reach=reach_of(user))
    token, secret = token_make(
        name="试", actions=frozenset({"returns.read"}), days=1, by=by(user), reach=reach_of(user)
    )
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert reach_of_token(secret) is None


def test_the_page_of_tokens_shows_a_secret_once(world: World) -> None:
    client = world.of(Role.REPORTER)
    page = client.get("/people/account/tokens/").text
    assert "填写和上报" in page
    assert "审核报送" not in page
    made = client.post("/people/account/tokens/", {"name": "推送", "actions": ["readings.push"], "days": 30}).text
    secret = re.search(r"<code>(dft_[\w-]{43})</code>", made)
    assert secret is not None
    assert secret[1] not in client.get("/people/account/tokens/").text
    reach = reach_of_token(secret[1])
    assert reach is not None
    assert reach.can("readings.push")
    token = ApiToken.objects.get()
    assert world.of(Role.REVIEWER).post(f"/people/account/tokens/{token.pk}/revoke/").status_code == 404
    assert client.post(f"/people/account/tokens/{token.pk}/revoke/").status_code == 302
    assert reach_of_token(secret[1]) is None

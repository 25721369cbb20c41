"""Sign-in, one-time links, second factor, passwords and sessions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import verify_chain
from dafeng.web.house import House
from dafeng.web.people.demo_people import make_demo_people
from dafeng.web.people.first_run import first_administrator, invite
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.web.people.oidc import user_of_claims
from dafeng.web.people.services.accounts import link_of, user_of_link
from web.world import PASSWORD, World

SIGN_IN = "/people/sign-in/"


def sign_in(client: Client, user: User, password: str = PASSWORD, **more: str) -> Any:
    return client.post(SIGN_IN, {"username": user.username, "password": password, **more})


def said(user: User | None = None) -> list[str]:
    """Return what the audit log says, of a user."""
    rows = AuditEntry.objects.order_by("number")
    if user is not None:
        rows = rows.filter(subject_id=str(user.pk), subject="people.user")
    return list(rows.values_list("action", flat=True))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Move the platform's clock forward."""
    moved = [timedelta(0)]

    def now(_house: House) -> datetime:
        return timezone.now() + moved[0]

    monkeypatch.setattr(House, "now", now)

    def forward(by: timedelta) -> None:
        moved[0] += by

    return forward


def test_a_person_signs_in_and_out_and_the_log_knows(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client()
    before = client.get(SIGN_IN)
    assert 'autocomplete="current-password"' in before.text
    answer = sign_in(client, user)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/plans/").status_code == 200
    assert client.get("/people/sign-out/").status_code == 405
    assert client.post("/people/sign-out/").status_code == 302
    assert client.get("/plans/").status_code == 302
    assert said(user) == ["account.signed-in", "account.signed-out"]
    entry = AuditEntry.objects.get(action="account.signed-in")
    assert (entry.actor, entry.address, entry.after) == (user.pk, "127.0.0.1", {"by": "password"})
    assert list(verify_chain()) == []


def test_a_wrong_password_says_nothing_about_who_exists(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    wrong = sign_in(Client(), user, "Wrong-Password-1").text
    unknown = Client().post(SIGN_IN, {"username": "nobody-of-this-name", "password": "Wrong-Password-1"}).text
    User.objects.filter(pk=user.pk).update(is_active=False)
    off = sign_in(Client(), user).text
    for page in (wrong, unknown, off):
        assert "用户名或密码不对，或账号已停用。" in page
    entries = AuditEntry.objects.filter(action="account.sign-in-failed").order_by("number")
    assert [row.subject_id for row in entries] == [str(user.pk), "?", str(user.pk)]
    assert "Wrong" not in repr(list(entries.values()))
    assert "nobody-of" not in repr(list(entries.values()))


def test_too_many_failures_lock_the_entrance_for_a_quarter_of_an_hour(world: World, settings: Any) -> None:
    user = world.user(Role.REVIEWER, password=True)
    settings.AXES_FAILURE_LIMIT = 3
    client = Client()
    statuses = [sign_in(client, user, "Wrong-Password-1").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    locked = sign_in(client, user)
    assert locked.status_code == 429
    assert "约 15 分钟后再试" in locked.text
    assert int(locked.headers["Retry-After"]) == 900
    assert client.get("/plans/").status_code == 302
    # once a lock, not once an attempt against it
    assert said(user) == ["account.sign-in-failed", "account.sign-in-failed", "account.locked"]
    other = world.user(Role.REPORTER, password=True)
    assert sign_in(client, other).status_code == 302


def test_next_leads_only_to_this_platform(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    for wanted, goes in [
        ("/plans/tasks/", "/plans/tasks/"),
        ("https://example.org/", "/"),
        ("//example.org/", "/"),
        ("/\\example.org", "/"),
        ("javascript:alert(1)", "/"),
        ("https:/example.org", "/"),
    ]:
        assert sign_in(Client(), user, next=wanted).headers["Location"] == goes
        client = world.client(user)
        assert client.get(SIGN_IN, {"next": wanted}).headers["Location"] == goes


def test_a_session_gets_a_new_key_at_the_sign_in(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client()
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    planted = client.session.session_key
    client.cookies["sessionid"] = planted
    sign_in(client, user)
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_a_session_ends_when_idle_and_after_eight_hours(world: World, clock: Callable[[timedelta], None]) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client()
    sign_in(client, user)
    clock(timedelta(minutes=29))
    assert client.get("/plans/").status_code == 200
    clock(timedelta(minutes=29))
    assert client.get("/plans/").status_code == 200
    clock(timedelta(minutes=31))
    assert client.get("/plans/").status_code == 302
    sign_in(client, user)
    for _quarter in range(8 * 4 - 1):
        clock(timedelta(minutes=15))
        status = client.get("/people/account/").status_code
    assert status == 200  # after 7 hours and 45 minutes
    clock(timedelta(minutes=16))
    assert client.get("/people/account/").status_code == 302


def test_signing_out_everywhere_keeps_this_session_alone(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    here, there = Client(), Client()
    sign_in(here, user)
    sign_in(there, user)
    assert here.post("/people/account/sessions/").status_code == 302
    assert here.get("/people/account/").status_code == 200
    assert there.get("/people/account/").status_code == 302
    assert "account.sessions-ended" in said(user)


def test_a_new_password_is_checked_and_ends_other_sessions(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    here, there = Client(), Client()
    sign_in(here, user)
    sign_in(there, user)
    page = "/people/account/password/"

    def change(current: str, new: str, again: str) -> Any:
        return here.post(page, {"current": current, "password": new, "again": again})

    assert "现用密码不对" in change("Wrong-Password-1", "Another-Horse-7", "Another-Horse-7").text
    assert "两次输入不一致" in change(PASSWORD, "Another-Horse-7", "Another-Horse-8").text
    assert "不能与现用密码相同" in change(PASSWORD, PASSWORD, PASSWORD).text
    for weak in ("Short-1", "alllowercaseletters", f"{user.username}-Aa1", "1234567890123"):
        assert 'aria-invalid="true"' in change(PASSWORD, weak, weak).text, weak
    assert change(PASSWORD, "Another-Horse-7", "Another-Horse-7").status_code == 302
    assert here.get("/people/account/").status_code == 200
    assert there.get("/people/account/").status_code == 302
    assert sign_in(Client(), user).status_code == 200
    assert sign_in(Client(), user, "Another-Horse-7").status_code == 302
    assert said(user).count("account.password-set") == 1


def test_an_old_password_must_be_changed_first(world: World, clock: Callable[[timedelta], None], settings: Any) -> None:
    user = world.user(Role.REVIEWER, password=True)
    settings.DAFENG_PASSWORD_DAYS = 90
    User.objects.filter(pk=user.pk).update(password_set_at=timezone.now() - timedelta(days=89, hours=23))
    client = Client()
    sign_in(client, user)
    assert client.get("/plans/").status_code == 200
    clock(timedelta(minutes=20))
    clock(timedelta(minutes=5))
    assert client.get("/plans/").status_code == 200
    User.objects.filter(pk=user.pk).update(password_set_at=timezone.now() - timedelta(days=91))
    assert client.get("/plans/").headers["Location"] == "/people/account/password/"
    hx = client.get("/plans/", headers={"HX-Request": "true"})
    assert (hx.status_code, hx.headers["HX-Redirect"]) == (401, "/people/account/password/")
    assert "密码已到期" in client.get("/people/account/password/").text
    said_now = {"current": PASSWORD, "password": "Another-Horse-7", "again": "Another-Horse-7"}
    assert client.post("/people/account/password/", said_now).status_code == 302
    assert client.get("/plans/").status_code == 200


def test_a_one_time_link_sets_a_password_once(world: World, settings: Any) -> None:
    user = world.user(Role.REVIEWER)
    link = link_of(user)
    who, key = (parse_qs(urlsplit(link).query)[name][0] for name in ("who", "key"))
    page = Client().get(link)
    assert user.username in page.text
    assert page.headers["Referrer-Policy"] == "strict-origin"
    client = Client()
    new = {"who": who, "key": key, "password": "Another-Horse-7", "again": "Another-Horse-7"}
    assert client.post("/people/enter/", new).headers["Location"] == "/"
    assert client.get("/plans/").status_code == 200
    assert (
        Client().post("/people/enter/", new | {"password": "Third-Horse-88", "again": "Third-Horse-88"}).status_code
        == 410
    )
    assert Client().get(link).status_code == 410
    assert sign_in(Client(), user, "Another-Horse-7").status_code == 302
    user.refresh_from_db()
    assert user.password_set_at is not None
    assert said(user)[:3] == ["account.password-set", "account.signed-in", "account.signed-in"]


def test_a_link_ends_with_time_and_with_whom_it_is_for(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, other = world.user(Role.REVIEWER), world.user(Role.REPORTER)
    query = parse_qs(urlsplit(link_of(user)).query)
    who, key = query["who"][0], query["key"][0]
    of_other = parse_qs(urlsplit(link_of(other)).query)["who"][0]
    assert user_of_link(who, key) == user
    assert user_of_link(of_other, key) is None
    for broken in ("", "!!", "OTk5OTk5", "z" * 500):
        assert user_of_link(broken, key) is None
    assert user_of_link(who, key[:-1] + ("0" if key[-1] != "0" else "1")) is None
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert user_of_link(who, key) is None
    settings.PASSWORD_RESET_TIMEOUT = 3600
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert user_of_link(who, key) is None


def _code(user: User) -> str:
    device = TOTPDevice.objects.get(user=user)
    TOTPDevice.objects.filter(pk=device.pk).update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
    return f"{totp(device.bin_key):06d}"


def _set_up(client: Client, user: User) -> list[str]:
    page = client.get("/people/second-factor/set-up/").text
    assert 'src="data:image/svg+xml' in page
    key = client.session["totp_key"]
    answer = client.post("/people/second-factor/set-up/", {"code": f"{totp(bytes.fromhex(key)):06d}"})
    return re.findall(r"<code>([a-z2-7-]{19})</code>", answer.text)


def test_who_needs_a_second_factor_does_nothing_without_it(world: World) -> None:
    user = world.user(Role.ADMINISTRATOR, "above", password=True)
    User.objects.filter(pk=user.pk).update(needs_second_factor=True)
    client = Client()
    sign_in(client, user)
    for path in ("/people/", "/operation/", "/people/account/", "/people/account/tokens/", "/"):
        assert client.get(path).headers["Location"] == "/people/second-factor/"
    assert client.post("/people/account/sessions/").headers["Location"] == "/people/second-factor/"
    assert client.get("/people/second-factor/").headers["Location"] == "/people/second-factor/set-up/"
    assert "动态口令不对" in client.post("/people/second-factor/set-up/", {"code": "123"}).text
    codes = _set_up(client, user)
    assert len(set(codes)) == 10
    assert client.get("/people/").status_code == 200
    stored = set(StaticToken.objects.values_list("token", flat=True))
    assert len(stored) == 10
    assert not stored & {code.replace("-", "")[:16] for code in codes}

    again = Client()
    sign_in(again, user)
    assert again.get("/people/").headers["Location"] == "/people/second-factor/"
    # a password alone sets up no other device, changes no password, makes no codes
    assert again.get("/people/second-factor/set-up/").headers["Location"] == "/people/second-factor/"
    assert again.get("/people/account/password/").headers["Location"] == "/people/second-factor/"
    assert again.post("/people/account/codes/").headers["Location"] == "/people/second-factor/"
    assert "动态口令或恢复码不对" in again.post("/people/second-factor/", {"code": "aaaa-bbbb-cccc-dddd"}).text
    assert again.get("/people/").status_code == 302
    key = again.session.session_key
    assert again.post("/people/second-factor/", {"code": _code(user)}).status_code == 302
    assert again.session.session_key != key
    assert again.get("/people/").status_code == 200


def test_a_recovery_code_is_spent_and_failures_slow_down(world: World) -> None:
    user = world.user(Role.ADMINISTRATOR, "above", password=True)
    first = Client()
    sign_in(first, user)
    codes = _set_up(first, user)
    second, third = Client(), Client()
    sign_in(second, user)
    assert second.post("/people/second-factor/", {"code": codes[0].upper()}).status_code == 302
    assert second.get("/people/").status_code == 200
    sign_in(third, user)
    assert "恢复码不对" in third.post("/people/second-factor/", {"code": codes[0]}).text
    assert "秒后再试" in third.post("/people/second-factor/", {"code": codes[1]}).text
    assert third.get("/people/").status_code == 302
    assert said(user).count("account.second-factor-failed") == 1
    renewed = second.post("/people/account/codes/").text
    assert len(re.findall(r"<code>([a-z2-7-]{19})</code>", renewed)) == 10
    assert codes[2] not in renewed


def test_a_code_is_taken_once(world: World) -> None:
    user = world.user(Role.ADMINISTRATOR, "above", password=True)
    client = Client()
    sign_in(client, user)
    _set_up(client, user)
    code = _code(user)
    for expected in (302, 200):
        other = Client()
        sign_in(other, user)
        assert other.post("/people/second-factor/", {"code": code}).status_code == expected


def test_somebody_without_a_grant_comes_in_and_sees_only_the_account(world: World) -> None:
    user = world.user(None, password=True)
    client = Client()
    assert sign_in(client, user).headers["Location"] == "/people/account/"
    assert "您还没有授权" in client.get("/people/account/").text
    assert client.get("/plans/").status_code == 403
    assert client.post("/people/sign-out/").status_code == 302


def test_the_language_is_chosen_by_post_and_kept(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client(headers={"Accept-Language": "en-US,en;q=0.9"})
    assert client.get(SIGN_IN).headers["Content-Language"] == "zh-hans"
    assert client.get("/people/language/?language=en").status_code == 405
    sign_in(client, user)
    answer = client.post("/people/language/", {"language": "en", "next": "/people/account/"})
    assert answer.headers["Location"] == "/people/account/"
    assert client.get("/people/account/").headers["Content-Language"] == "en"
    user.refresh_from_db()
    assert user.language == "en"
    assert client.post("/people/language/", {"language": "xx", "next": "//example.org/"}).headers["Location"] == "/"
    other = Client()
    sign_in(other, user)
    assert other.get("/people/account/").headers["Content-Language"] == "en"


def test_the_first_administrator_comes_in_by_link_alone(writing_world: World) -> None:

    first = first_administrator()
    assert first is not None
    second = first_administrator()
    assert second is not None
    assert second != first
    assert Client().get(first).status_code == 410
    client = Client()
    query = {name: values[0] for name, values in parse_qs(urlsplit(second).query).items()}
    new = query | {"password": "Another-Horse-7", "again": "Another-Horse-7"}
    assert client.post("/people/enter/", new).status_code == 302
    assert client.get("/people/").headers["Location"] == "/people/second-factor/"
    assert first_administrator() is None
    admin = User.objects.get(username="admin")
    assert admin.organisation is not None
    assert admin.organisation.body == "demo-city-housing"
    grant = Grant.objects.get(user=admin)
    assert (grant.role, grant.place, grant.ends_on) == ("administrator", "demo-city", None)
    assert Client().get(invite("admin")).status_code == 200
    assert not User.objects.get(username="admin").has_usable_password()


def test_the_people_of_the_demonstration_have_no_password(writing_world: World) -> None:

    people = make_demo_people()
    assert make_demo_people() == people
    assert first_administrator() is not None
    assert {row["role"] for row in people} == {"填报员", "审核员", "分析员", "方案负责人", "审计员"}
    assert len(people) == 5 + 8
    assert not any(user.has_usable_password() for user in User.objects.all())
    assert Organisation.objects.filter(body="demo-city-rural-revitalisation").count() == 0  # merged in 2024
    assert Organisation.objects.filter(place="demo-city-high-tech").exists()
    assert list(verify_chain()) == []


def claims_hook(claims: Any) -> dict[str, str]:
    """Stand for the hook of a house."""
    return {"username": claims.get("uid", ""), "name": "", "external_id": claims.get("sub", "")}


def test_oidc_claims_find_who_is_known_and_make_nobody(world: World, settings: Any) -> None:

    user, other = world.user(Role.REVIEWER), world.user(Role.REPORTER)
    assert user_of_claims({"sub": "s-1", "uid": user.username}) is None  # no hook, nobody
    settings.DAFENG_OIDC_HOOK = f"{claims_hook.__module__}.claims_hook"
    assert user_of_claims({"sub": "", "uid": user.username}) is None
    assert user_of_claims({"sub": "s-1", "uid": "somebody-unknown"}) is None
    assert user_of_claims({"sub": "s-1", "uid": user.username}) == user
    assert user_of_claims({"sub": "s-1", "uid": other.username}) == user  # the subject counts
    assert user_of_claims({"sub": "s-2", "uid": user.username}) is None  # the name binds once
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert user_of_claims({"sub": "s-1", "uid": user.username}) is None
    assert said(user).count("account.bound") == 1
    assert User.objects.count() == 2

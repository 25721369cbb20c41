"""What every page promises a browser, and what a stranger may try."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.conf import settings as live
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dafeng.web import settings as shipped
from dafeng.web.access.actions import Role
from dafeng.web.access.middleware import CONTENT_POLICY
from dafeng.web.access.routing import PUBLIC, SIGNED_IN, RouteRule
from dafeng.web.config import read_config
from dafeng.web.people.models import ApiToken, User
from dafeng.web.people.tokens import reach_of_token
from web.test_access_table import Route, Subjects, ask, routes, subjects
from web.world import BACKEND, CITY, PASSWORD, World

pytestmark = pytest.mark.embedded

WRITES: Final = re.compile(r"^\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
OWN_BUSINESS: Final = re.compile(r'"(django_session|plan_work_task(index|work|body))"', re.IGNORECASE)
"""The session of the visitor is no content, nor is the index of tasks, which is drawn from the catalog when that changed."""


def role_of(rule: RouteRule) -> str | None:
    """Return a role to which a rule is open at the workspace's own place."""
    if rule.action in (PUBLIC, SIGNED_IN):
        return Role.PLAN_OWNER
    from dafeng.web.access.actions import ACTIONS  # noqa: PLC0415

    return next((role for role in (Role.PLAN_OWNER, *Role) if role in ACTIONS[rule.action]), None)


def opened(world: World, given: Subjects) -> Iterator[tuple[Route, Client, str]]:
    """Yield every page with somebody who may open it, and its path."""
    for route in routes():
        assert route.rule is not None
        world.asking = world.user(role_of(route.rule), CITY)
        scope = "own" if route.rule.subject in given.personal or route.rule.subject == "none" else CITY
        arguments = dict.fromkeys(route.arguments, 0)
        if route.rule.subject != "none":
            arguments = given.of(route.rule.subject, world, scope)
        yield route, world.client(world.asking), route.path(arguments)


def test_every_page_keeps_its_promises_to_the_browser(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Headers, no inline script or style, nothing from elsewhere, a token in every form that writes, and a GET that only reads."""
    caplog.set_level(logging.CRITICAL)
    wrong: list[str] = []
    pages = 0
    for route, client, path in opened(world, subjects()):
        client.get("/people/account/")  # the session has noted that it is used
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = ask(client, path, method="GET")
        wrong += [f"{route.name}: {line}" for line in _headers(answer.headers, path)]
        if answer.status_code == 405:
            continue
        wrote = [one["sql"] for one in queries if WRITES.match(one["sql"]) and not OWN_BUSINESS.search(one["sql"])]
        wrong += [f"{route.name} writes on GET: {sql[:90]}" for sql in wrote]
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            pages += 1
            wrong += [f"{route.name}: {line}" for line in _markup(answer.content.decode())]
    assert not wrong, "\n".join(wrong)
    assert pages > 20


def _headers(headers: Any, path: str) -> Iterator[str]:
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ):
        if headers.get(name) != value:
            yield f"{name} is {headers.get(name)!r}"
    yield from _policy(headers.get("Content-Security-Policy", ""))
    if headers.get("Referrer-Policy") not in ("same-origin", "strict-origin"):
        yield "Referrer-Policy"
    if headers.get("X-Frame-Options") not in ("DENY", "SAMEORIGIN"):
        yield f"X-Frame-Options is {headers.get('X-Frame-Options')!r}"
    if "no-store" not in headers.get("Cache-Control", "") and not path.startswith("/public/"):
        yield f"Cache-Control is {headers.get('Cache-Control')!r}"


def _policy(said: str) -> Iterator[str]:
    """Yield what a content policy allows beyond that of the pages; downloads and frames of the platform itself have their own."""
    parts = {name: sources for name, *sources in (part.split() for part in said.split(";") if part.strip())}
    if parts.get("default-src") != ["'none'"] or ("sandbox" not in parts and "frame-ancestors" not in parts):
        yield f"Content-Security-Policy is {said!r}"
    for name, sources in parts.items():
        allowed = {"'none'", "'self'"} | ({"data:"} if name == "img-src" else set())
        if name != "sandbox" and not set(sources) <= allowed:
            yield f"Content-Security-Policy allows {name} {sources}"


def _markup(text: str) -> Iterator[str]:
    for tag in re.findall(r"<script\b[^>]*>", text):
        if "src=" not in tag and 'type="application/json"' not in tag:
            yield f"inline script {tag}"
    if "<style" in text:
        yield "inline style sheet"
    for tag in re.findall(r"<[a-z][^>]*>", text):
        if re.search(r"\s(style|on[a-z]+)\s*=", re.sub(r'"[^"]*"', '""', tag)):
            yield f"inline style or handler {tag[:80]}"
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', tag):
            if re.match(r"(?i)(https?:|//|javascript:)", address):
                yield f"leads elsewhere: {address}"
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        if re.search(r'method="post"', form, re.IGNORECASE) and "csrfmiddlewaretoken" not in form:
            yield f"a form without its token: {form[:80]}"


def test_no_page_takes_a_post_without_the_token_of_its_form(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    strict: dict[int, Client] = {}
    taken = []
    for route, _client, path in opened(world, subjects()):
        user = world.asking
        assert user is not None
        if user.pk not in strict:
            strict[user.pk] = Client(enforce_csrf_checks=True)
            strict[user.pk].force_login(user, backend=BACKEND)
        answer = ask(strict[user.pk], path, method="POST")
        if answer.status_code not in (403, 405) and route.name != "api:missing":  # which is there for no method
            taken.append(f"{route.name}: {answer.status_code}")
    assert not taken, "\n".join(taken)


def test_the_token_of_a_form_is_taken(world: World) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client(enforce_csrf_checks=True)
    said = {"username": user.username, "password": PASSWORD}
    assert client.post("/people/sign-in/", said).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/people/sign-in/").text)
    assert token is not None
    assert client.post("/people/sign-in/", said | {"csrfmiddlewaretoken": token[1]}).status_code == 302


def test_cookies_are_closed_to_scripts_and_other_sites(world: World, settings: Any) -> None:
    user = world.user(Role.REVIEWER, password=True)
    client = Client()
    client.post("/people/sign-in/", {"username": user.username, "password": PASSWORD})
    client.get("/people/account/")
    for name in ("sessionid", "csrftoken", "django_language"):
        cookie = client.cookies[name]
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name
        assert not cookie["secure"], name
    assert client.cookies["sessionid"]["max-age"] == ""  # gone with the browser
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.LANGUAGE_COOKIE_SECURE = True
    secure = Client()
    secure.post("/people/sign-in/", {"username": user.username, "password": PASSWORD}, secure=True)
    assert all(secure.cookies[name]["secure"] for name in ("sessionid", "csrftoken", "django_language"))


def test_behind_https_cookies_are_secure_and_browsers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_config({"DAFENG_HTTPS": "1"}).https
    assert shipped.SESSION_COOKIE_SECURE == shipped.CSRF_COOKIE_SECURE == shipped.LANGUAGE_COOKIE_SECURE
    assert not live.DEBUG
    assert live.SECURE_SSL_REDIRECT is False  # the proxy does it
    assert shipped.MIDDLEWARE[-1] == "axes.middleware.AxesMiddleware"
    hashers = read_hashers()
    assert hashers == "django.contrib.auth.hashers.PBKDF2PasswordHasher"


def read_hashers() -> str:
    """Return the hasher in service: Django's default, which nothing overrides but tests."""
    from django.conf import global_settings  # noqa: PLC0415

    assert not hasattr(shipped, "PASSWORD_HASHERS")
    return global_settings.PASSWORD_HASHERS[0]


def test_no_stranger_host_is_answered(world: World, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    assert Client(headers={"host": "localhost"}).get("/people/sign-in/").status_code == 200
    for host in ("evil.example", "localhost.evil.example", "localhost:80@evil.example"):
        assert Client(headers={"host": host}).get("/people/sign-in/").status_code == 400


def test_a_guessed_id_looks_like_one_that_is_not_there(world: World) -> None:
    foreign = world.user(Role.REPORTER, "foreign")
    client = world.of(Role.ADMINISTRATOR)
    there, not_there = (client.get(f"/people/{pk}/") for pk in (foreign.pk, 10**9))
    assert there.status_code == not_there.status_code == 404
    plain = [
        re.sub(r"请求编号 \w+|/people/\d+/|value=\"\w+\"|X-CSRFToken\": \"\w+", "", page.text)
        for page in (there, not_there)
    ]
    assert plain[0] == plain[1]
    for odd in (
        "/people/0/",
        "/people/-1/",
        "/people/1%00/",
        "/people/99999999999999999999999/",
        "/people/../people/1/",
    ):
        assert client.get(odd).status_code in (404, 302, 400), odd


def test_a_fault_shows_no_trace_of_the_program(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = world.of(Role.REVIEWER)

    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("geheim: /etc/passwd")

    monkeypatch.setattr("dafeng.web.people.views.account.abilities_of", broken)
    client.raise_request_exception = False
    answer = client.get("/people/account/")
    assert answer.status_code == 500
    for word in ("geheim", "Traceback", "RuntimeError", "passwd", ".py"):
        assert word not in answer.text
    assert "请求编号" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert answer.headers["Content-Security-Policy"] == CONTENT_POLICY
    for path in ("/no-such-page/", "/people/no-such/", "/static/../settings.py", "/static/no-such.css"):
        missing = client.get(path)
        assert missing.status_code == 404
        assert "Traceback" not in missing.text


def test_markup_in_names_stays_text(world: World) -> None:
    name = "<script>alert(1)</script>"
    user = world.user(Role.REPORTER)
    User.objects.filter(pk=user.pk).update(name=name, phone="\"><img src=x onerror='alert(1)'>")
    client = world.of(Role.ADMINISTRATOR)
    for path in (
        "/people/",
        f"/people/{user.pk}/",
        f"/people/{user.pk}/edit/",
        "/people/?q=%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        text = client.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path


def test_queries_of_a_database_stay_text(world: World) -> None:
    client = world.of(Role.ADMINISTRATOR)
    for asked in ("' OR 1=1 --", '"; DROP TABLE people_user; --', "%", "\\", "a" * 5000, "😀"):
        assert client.get("/people/", {"q": asked, "page": asked}).status_code == 200
    assert User.objects.exists()


def test_a_token_is_looked_up_by_digest_alone(world: World, django_assert_num_queries: Any) -> None:
    """What is compared is the digest, in the database's index: no byte of the secret can be learnt by how long it takes."""
    secret, digest = ApiToken.new_secret()
    assert len(secret) >= 4 + 43
    assert hmac.compare_digest(digest, ApiToken.digest_of(secret))
    assert "secret" not in {field.name for field in ApiToken._meta.get_fields()}
    with CaptureQueriesContext(connection) as queries:
        assert reach_of_token(secret) is None
    assert len(queries) == 1
    assert secret not in queries[0]["sql"]
    assert digest in queries[0]["sql"]


def test_nothing_secret_goes_into_the_log_of_requests(world: World, caplog: pytest.LogCaptureFixture) -> None:
    user = world.user(Role.REVIEWER, password=True)
    caplog.set_level(logging.DEBUG)
    client = Client()
    client.post("/people/sign-in/?next=/plans/", {"username": user.username, "password": PASSWORD})
    client.get("/people/enter/?who=MQ&key=abc-very-secret")
    text = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name == "dafeng.web.requests"
    )
    assert "/people/enter/" in text
    assert PASSWORD not in text
    assert "very-secret" not in text

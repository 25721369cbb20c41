"""Every route × every role × own and foreign scope, from the list of routes and a table that a domain expert can read.

A route without a rule fails, and so does a kind of subject for which no factory makes one. What is expected stands in
`tests/cases/web_access.yaml`; the program's own table is compared with it and not used otherwise.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from dafeng.web.access.actions import ACTION_NAMES, ACTIONS, Role
from dafeng.web.access.routing import PUBLIC, SIGNED_IN, RouteRule
from dafeng.web.api.core import api
from dafeng.web.people.models import User
from web.world import CITY, DISTRICT, SCOPES, World

HERE: Final = Path(__file__).parent
TABLE: Final = yaml.safe_load((HERE.parent / "cases" / "web_access.yaml").read_text(encoding="utf-8"))
SPANS: Final = {
    action: {role: row[role] for role in TABLE["roles"] if role in row} for action, row in TABLE["actions"].items()
}
Factory = Callable[[World, str], dict[str, Any]]


@dataclass
class Subjects:
    """What the apps' factories give.

    Attributes
    ----------
    made : dict
        Factory of each kind of subject.
    personal, from_below : set of str
        Kinds that belong to a person, and such that those below may read.
    bodies : dict
        For routes and operations that look at what is sent before they ask who sends it: what to send.
    """

    made: dict[str, Factory] = field(default_factory=dict)
    personal: set[str] = field(default_factory=set)
    from_below: set[str] = field(default_factory=set)
    bodies: dict[str, Callable[[World, str], dict[str, Any]]] = field(default_factory=dict)


def subjects() -> Subjects:
    """Return what the factories of every app give."""
    found = Subjects()
    for path in sorted(HERE.glob("factories_*.py")):
        module = importlib.import_module(f"web.{path.stem}")
        assert not found.made.keys() & module.SUBJECTS.keys(), path.name
        found.made |= module.SUBJECTS
        found.personal |= getattr(module, "PERSONAL", frozenset())
        found.from_below |= getattr(module, "READABLE_FROM_BELOW", frozenset())
        found.bodies |= getattr(module, "BODIES", {})
    return found


@dataclass(frozen=True)
class Route:
    """A route of the platform, or an operation of its interface."""

    name: str
    rule: RouteRule | None
    arguments: tuple[str, ...]
    method: str = ""
    template: str = ""

    def path(self, given: dict[str, Any]) -> str:
        """Return its path for some arguments; a factory may give more than it takes."""
        kwargs = {name: given[name] for name in self.arguments}
        return self.template.format(**kwargs) if self.template else reverse(self.name, kwargs=kwargs)


def routes(patterns: list[Any] | None = None, space: str = "") -> Iterator[Route]:
    """Yield every route that has a view; those of the interface are its operations."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(one, URLResolver) and one.namespace != api.urls_namespace:
            yield from routes(one.url_patterns, f"{space}{one.namespace}:" if one.namespace else space)
        elif isinstance(one, URLPattern):
            rule = getattr(one.callback, "access", None)
            yield Route(f"{space}{one.name}", rule, tuple(one.pattern.converters))


def operations() -> Iterator[Route]:
    """Yield every operation of the programming interface."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                template = "/".join(("/api/v1", prefix.strip("/"), path.lstrip("/"))).replace("//", "/")
                template = re.sub(r"\{\w+:(\w+)\}", r"{\1}", template)
                rule = getattr(operation.view_func, "access", None)
                name = f"api:{operation.view_func.__name__}"
                yield Route(name, rule, tuple(re.findall(r"\{(\w+)\}", template)), operation.methods[0], template)


def outcome(answer: HttpResponseBase) -> str:
    """Return what an answer means for access."""
    if answer.status_code in (301, 302) and "/people/sign-in/" in answer.headers["Location"]:
        return "sign in"
    if answer.status_code >= 500:
        return f"error {answer.status_code}"
    return {401: "sign in", 403: "forbidden", 404: "not found", 422: "malformed"}.get(answer.status_code, "allowed")


def ask(client: Client, path: str, *, method: str, body: dict[str, Any] | None = None) -> HttpResponseBase:
    """Ask, and take back what was written: in the database, and in the browser's cookies."""
    cookies = client.cookies.copy()
    try:
        with transaction.atomic():
            answer = client.post(path, **body) if method == "POST" and body else client.generic(method, path)
            transaction.set_rollback(True)
    finally:
        client.cookies = cookies
    return answer


def expected(rule: RouteRule, role: str, works: str, scope: str, given: Subjects) -> str:
    """Return what the table says for a person of a role who works somewhere, on a subject of a scope."""
    if rule.action == PUBLIC:
        return "allowed"
    span = "own" if rule.action == SIGNED_IN else SPANS[rule.action].get(role)
    if span is None or (span == "root" and works != CITY):
        return "forbidden"
    if rule.subject == "none":
        return "allowed"
    if rule.subject in given.personal:
        return "allowed" if scope == "own" else "not found"
    if span == "own":
        return "allowed" if scope == works else "not found"
    if scope == CITY and rule.subject in given.from_below:
        return "allowed"
    return "allowed" if works == CITY or scope in ("own", "neighbour") else "not found"


def test_the_program_and_the_readable_table_say_the_same() -> None:
    program = {action: {str(role): str(span) for role, span in spans.items()} for action, spans in ACTIONS.items()}
    assert program == SPANS
    assert TABLE["roles"] == [str(role) for role in Role]
    assert ACTION_NAMES.keys() == ACTIONS.keys()


def test_every_route_has_a_rule_and_every_kind_a_factory() -> None:
    given = subjects()
    found = [*routes(), *operations()]
    assert len(found) > 60
    assert [route.name for route in found if route.rule is None] == []
    kinds = {route.rule.subject for route in found if route.rule is not None} - {"none"}
    assert kinds - given.made.keys() == set()
    assert given.personal | given.from_below <= given.made.keys()


def test_a_route_without_a_subject_takes_no_id() -> None:
    """A page about one thing says about what kind of thing, or the table could not ask for a foreign one."""
    loose = [
        route.name
        for route in (*routes(), *operations())
        if route.arguments and route.rule and route.rule.subject == "none" and route.rule.action != PUBLIC
    ]
    assert loose == []


def test_every_route_for_every_role(world: World) -> None:
    given = subjects()
    wrong = [line for route in (*routes(), *operations()) for line in _walk(route, given, world)]
    assert wrong == []


def _walk(route: Route, given: Subjects, world: World) -> Iterator[str]:
    """Ask a route as everybody for a subject of every scope; yield what comes out otherwise than the table says."""
    assert route.rule is not None, route.name
    kind = route.rule.subject
    personal = kind in given.personal
    scopes = SCOPES if kind != "none" else ("own",)
    paths: dict[str, str] = {}
    world.asking = world.user(None, DISTRICT)
    if not personal:
        paths = {scope: _path(route, given, world, scope) for scope in scopes}
    yield from _anonymous(route, paths.get("own") or _path(route, given, world, "own"))
    if route.rule.action == PUBLIC:
        return
    for works in (DISTRICT, CITY):
        for role in (*TABLE["roles"], None):
            world.asking = world.user(role, works)
            client = world.client(world.asking)
            for scope in scopes:
                path = _path(route, given, world, scope) if personal else paths[scope]
                due = expected(route.rule, role or "nobody", works, scope, given)
                body = given.bodies[route.name](world, scope) if route.name in given.bodies else None
                said, how = _what(client, route, path, due, body)
                if said != due:
                    yield f"{route.name} {role} of {works} on {scope} {how} {path}: {said}, expected {due}"
                if due == "forbidden":
                    break


def _anonymous(route: Route, path: str) -> Iterator[str]:
    assert route.rule is not None
    said = outcome(ask(Client(), path, method=route.method or "GET"))
    if route.rule.action == PUBLIC:
        wrong = said in ("sign in", "forbidden")  # what a public page shows may not be there
    else:
        wrong = said != "sign in"
    if wrong or said.startswith("error"):
        yield f"{route.name} anonymous: {said}"


def _path(route: Route, given: Subjects, world: World, scope: str) -> str:
    if route.rule is not None and route.rule.subject != "none":
        return route.path(given.made[route.rule.subject](world, scope))
    return route.path(dict.fromkeys(route.arguments, 0))


def _what(client: Client, route: Route, path: str, due: str, body: dict[str, Any] | None) -> tuple[str, str]:
    """Ask by GET; by POST where the route only writes, and also where the subject is out of reach."""
    if route.method:
        return outcome(ask(client, path, method=route.method, body=body)), route.method
    answer = ask(client, path, method="GET")
    if answer.status_code == 405:
        return outcome(ask(client, path, method="POST", body=body)), "POST"
    said = outcome(answer)
    if said == due == "not found":
        posted = ask(client, path, method="POST", body=body)
        if posted.status_code != 405:
            return outcome(posted), "POST"
    return said, "GET"


@pytest.mark.parametrize("role", [None, *Role])
def test_a_person_who_is_not_active_is_nobody(world: World, role: Role | None) -> None:
    user: User = world.user(role, CITY)
    client = world.client(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert outcome(client.get("/plans/")) == "sign in"

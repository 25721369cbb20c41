"""Every route × every role × own and foreign scope, from the list of routes and a table that a domain expert can read.

A route without a rule fails, and so does a kind of subject for which no factory makes one. What is expected stands in
`tests/cases/web_access.yaml`; the program's own table is compared with it and not used otherwise.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from dafeng.web.access.actions import ACTION_NAMES, ACTIONS, Role
from dafeng.web.access.middleware import Gate
from dafeng.web.access.routing import PUBLIC, SIGNED_IN, RouteRule
from dafeng.web.api.core import api
from dafeng.web.people.models import User
from dafeng.web.people.selectors import reach_of
from web.world import CITY, DISTRICT, SCOPES, World

pytestmark = pytest.mark.embedded

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
    kept: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def of(self, kind: str, world: World, scope: str) -> dict[str, Any]:
        """Return the arguments of a subject, made once."""
        asking = world.asking.pk if kind in self.personal and world.asking is not None else None
        key = (kind, scope, asking)
        if key not in self.kept:
            self.kept[key] = self.made[kind](world, scope)
        return self.kept[key]


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
    view: Callable[..., Any]
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
            yield Route(f"{space}{one.name}", rule, tuple(one.pattern.converters), one.callback)


def operations() -> Iterator[Route]:
    """Yield every operation of the programming interface."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                template = "/".join(("/api/v1", prefix.strip("/"), path.lstrip("/"))).replace("//", "/")
                template = re.sub(r"\{\w+:(\w+)\}", r"{\1}", template)
                rule = getattr(operation.view_func, "access", None)
                name = f"api:{operation.view_func.__name__}"
                arguments = tuple(re.findall(r"\{(\w+)\}", template))
                yield Route(name, rule, arguments, operation.view_func, operation.methods[0], template)


def outcome(answer: HttpResponseBase) -> str:
    """Return what an answer means for access."""
    if answer.status_code in (301, 302) and "/people/sign-in/?next=" in answer.headers["Location"]:
        return "sign in"
    if answer.status_code >= 500:
        return f"error {answer.status_code}"
    if answer.status_code == 422 and answer.headers["Content-Type"].startswith("application/json"):
        return "malformed"  # the interface looks at what is sent before it asks who sends it: give it a body
    return {401: "sign in", 403: "forbidden", 404: "not found"}.get(answer.status_code, "allowed")


def ask(client: Client, path: str, *, method: str, body: dict[str, Any] | None = None) -> HttpResponseBase:
    """Ask, and take back what was written: in the database, and in the browser's cookies."""
    cookies, client.raise_request_exception = client.cookies.copy(), False
    try:
        with transaction.atomic():
            answer = client.post(path, **body) if method == "POST" and body else client.generic(method, path)
            transaction.set_rollback(True)
        if answer.streaming:
            b"".join(answer)  # read to its end, or its file stays open
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
    if scope == CITY and rule.subject in given.from_below and rule.action.endswith(".read"):
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


def test_every_route_for_every_role(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    given = subjects()
    wrong = [line for route in (*routes(), *operations()) for line in _walk(route, given, world)]
    assert not wrong, "\n".join(wrong)


def _walk(route: Route, given: Subjects, world: World) -> Iterator[str]:
    """Ask a route as everybody for a subject of every scope; yield what comes out otherwise than the table says."""
    rule = route.rule
    assert rule is not None, route.name
    personal = rule.subject in given.personal
    methods = _Methods(route.method)
    seen: set[tuple[str, str | None]] = set()
    world.asking = world.user(None, DISTRICT)
    yield from _anonymous(route, _path(route, given, world, "own"), world)
    if rule.action == PUBLIC:
        return
    for works, role in itertools.product((DISTRICT, CITY), (*TABLE["roles"], None)):
        span = SPANS.get(rule.action, {}).get(role or "nobody")
        if works == CITY and (span is None or (rule.subject == "none" and span != "root")):
            continue  # nothing else than in the district
        user = world.asking = world.user(role, works)
        first = (works, span) not in seen
        seen.add((works, span))
        for scope in ("own",) if rule.subject == "none" else _telling(works, personal=personal, first=first):
            due = expected(rule, role or "nobody", works, scope, given)
            listed = rule.subject == "none" and not first and not route.method  # the gate alone decides, for all alike
            if role is not None and (due == "forbidden" or listed):
                said, path = _at_the_gate(route, user), "at the gate"
            else:
                path = _path(route, given, world, scope)
                body = given.bodies[route.name](world, scope) if route.name in given.bodies else None
                said = methods.ask(world.client(user), path, due, body)
            if said != due:
                yield f"{route.name} {role} of {works} on {scope} {path}: {said}, expected {due}"
            if due == "forbidden":
                break


def _at_the_gate(route: Route, user: User) -> str:
    """Return what the gate, or the guard of an operation, says to a person; no page is made for it."""
    request = RequestFactory().get("/")
    request.user, request.reach = user, reach_of(user)  # type: ignore[attr-defined]
    try:
        answer = route.view(request) if route.method else Gate(HttpResponse).process_view(request, route.view, (), {})
    except PermissionDenied:
        return "forbidden"
    except TypeError:  # the operation went on and misses its arguments
        return "allowed"
    return "allowed" if answer is None else outcome(answer)


@dataclass
class _Methods:
    """How a route is asked: by GET; by POST where it only writes, and also where the subject is out of reach.

    Attributes
    ----------
    only : str
        The one method of the route, where it is known.
    """

    only: str = ""

    def ask(self, client: Client, path: str, due: str, body: dict[str, Any] | None) -> str:
        """Return what an answer means; GET and POST must agree on what is out of reach."""
        said = "not asked"
        for method in (self.only,) if self.only else ("GET", "POST"):
            answer = ask(client, path, method=method, body=body)
            if answer.status_code == 405 and not self.only:
                self.only = "POST" if method == "GET" else "GET"
                continue
            said = outcome(answer)
            if said != due or due != "not found":
                break
        return said


def _telling(works: str, *, personal: bool, first: bool) -> tuple[str, ...]:
    """Return the scopes to be asked for: own and foreign by every role, the others by the first role of a span.

    Who works in the city reaches every district alike.
    """
    if works == CITY:
        return ("own", "above") if first and not personal else ("own",)
    return SCOPES if first and not personal else ("own", "foreign")


def _anonymous(route: Route, path: str, world: World) -> Iterator[str]:
    assert route.rule is not None
    said = outcome(ask(world.nobody, path, method=route.method or "GET"))
    public = route.rule.action == PUBLIC  # what a public page shows may not be there
    wrong = said in ("sign in", "forbidden") if public else said != "sign in"
    if wrong or said.startswith("error"):
        yield f"{route.name} anonymous: {said}"


def _path(route: Route, given: Subjects, world: World, scope: str) -> str:
    if route.rule is not None and route.rule.subject != "none":
        return route.path(given.of(route.rule.subject, world, scope))
    return route.path(dict.fromkeys(route.arguments, 0))


@pytest.mark.parametrize("role", [None, *Role])
def test_a_person_who_is_not_active_is_nobody(world: World, role: Role | None) -> None:
    user: User = world.user(role, CITY)
    client = world.client(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert outcome(client.get("/people/account/")) == "sign in"

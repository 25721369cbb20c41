"""Every page can be reached by following links."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dafeng.web.access.actions import Role
from dafeng.web.access.context import MENU
from web.world import World

pytestmark = pytest.mark.embedded

WEB = Path(__file__).parents[2] / "src" / "dafeng" / "web"
BY_PROGRAMS = {"operation:health", "operation:metrics"}
BY_REDIRECT = {"people:enter", "people:second-factor", "people:second-factor-set-up", "people:password"}


def names(resolver: URLResolver, app: str = "") -> set[str]:
    found = set()
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            if one.app_name != "api":
                found |= names(one, one.app_name or app)
        elif isinstance(one, URLPattern) and one.name:
            found.add(f"{app}:{one.name}")
    return found


def test_every_page_is_linked_from_another() -> None:
    linked = {route for route, _title, _action in MENU}
    for path in (WEB / "templates").rglob("*.html"):
        linked |= set(re.findall(r"{% url ['\"]([\w:-]+)['\"]", path.read_text(encoding="utf-8")))
    assert names(get_resolver()) - linked - BY_PROGRAMS - BY_REDIRECT == set()


def menu(client: Client) -> list[str]:
    found = re.search(r"<nav aria-label=\"主菜单\">(.*?)</nav>", client.get("/").content.decode(), re.DOTALL)
    return [] if found is None else re.findall(r'href="([^"]+)"', found.group(1))


def test_the_menu_holds_what_a_role_can_open(world: World) -> None:
    menus = {role: menu(world.of(role, "above")) for role in Role}
    for role, links in menus.items():
        answers = {link: world.of(role, "above").get(link).status_code for link in links}
        assert answers == dict.fromkeys(links, 200), role
    assert menus[Role.AUDITOR] == ["/", "/plans/", "/plans/tasks/", "/returns/", "/october/", "/people/", "/audit/"]
    assert menus[Role.REPORTER] == ["/", "/plans/", "/plans/tasks/", "/returns/", "/october/contributions/"]
    assert menus[Role.ADMINISTRATOR] == ["/", "/people/", "/audit/", "/jobs/", "/operation/"]


def test_a_plan_owner_finds_where_to_disclose(world: World) -> None:
    link = "/disclose/demo-city-2024/"
    assert link in world.of(Role.PLAN_OWNER, "above").get("/targets/demo-city-2024/").content.decode()
    assert link not in world.of(Role.REVIEWER, "above").get("/targets/demo-city-2024/").content.decode()

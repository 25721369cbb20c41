"""Every page that is asked for by address: opened by somebody whom it concerns, on a desk and as wide as a telephone.

The list comes from the routes themselves, so that a new page is looked over without anybody thinking of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from dafeng.web.access.actions import ACTIONS, Role
from dafeng.web.access.routing import PUBLIC, SIGNED_IN
from dafeng.web.house import House
from dafeng.web.people.models import User
from web.factories_returns import GOOD, make_assignment, reporter
from web.test_access_table import routes, subjects
from web.world import World

PHONE: Final = {"width": 390, "height": 844}
DESK: Final = {"width": 1280, "height": 900}
WHO: Final = (
    (Role.PLAN_OWNER, "above"), (Role.ADMINISTRATOR, "above"), (Role.REVIEWER, "above"), (Role.REPORTER, "own"),
    (Role.ANALYST, "above"), (Role.AUDITOR, "above"),
)  # fmt: skip
"""Who opens a page: the first whose role may."""
CONTRIBUTES: Final = (Role.REPORTER, "own")
GONE: Final = frozenset(
    {"people:enter", "october:preview", "october:preview-frame", "october:build-file", "october:frozen-file"}
)
"""Pages that the factories can only make without what lies behind them; `test_cycle` and the apps' tests open real ones."""

WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll("main *, header *, footer *")].filter(
    (one) => one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll"));
  return wide.slice(0, 5).map((one) => `${one.tagName}.${one.className}#${one.id}`);
}"""
UNLABELLED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter(
  (one) => !one.labels?.length && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")).map((one) => one.outerHTML)"""


@dataclass(frozen=True)
class Visit:
    """A page to be opened."""

    name: str
    path: str
    user: User | None


def visits(world: World) -> Iterator[Visit]:
    """Yield every page of HTML that somebody can open."""
    made = subjects()
    for route in routes():
        if route.name.startswith("api:") or route.name in GONE or route.rule is None:
            continue
        action = route.rule.action
        who = next((one for one in WHO if action == SIGNED_IN or one[0] in ACTIONS.get(action, {})), None)
        who = CONTRIBUTES if action in ("reports.contribute", "account.use") else who
        user = None if who is None or action == PUBLIC else world.user(*who)
        scope = "own" if who is None else who[1]
        world.asking = user
        given = {"number": 0}
        if route.arguments and route.rule.subject != "none":
            given = made.of(route.rule.subject, world, scope)
        path = route.path(given)
        answer = world.client(user).get(path)
        answer.close()
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            yield Visit(route.name.replace(":", "-"), path, user)


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.soak)])
def test_every_page(visit: Callable[..., Any], reading_house: House, step: int) -> None:
    """Every third page in `make test`, every one in the soak."""
    world = World()
    visitors: dict[Any, Any] = {}
    faults, seen = [], []
    make_assignment(world, "own")
    for one in list(visits(world))[::step]:
        key = one.user.pk if one.user else None
        visitor = visitors.get(key) or visitors.setdefault(key, visit(one.user))
        page = visitor.go(one.path)
        seen.append(one.name)
        visitor.shoot(one.name)
        page.set_viewport_size(PHONE)
        faults += [f"{one.name} is too wide for a telephone: {what}" for what in page.evaluate(WIDE)]
        page.set_viewport_size(DESK)
        faults += [f"{one.name}: no label at {what}" for what in page.evaluate(UNLABELLED)]
    assert not faults, "\n".join(faults)
    assert len(seen) > 55 // step, seen


def test_keyboard_alone(visit: Callable[..., Any], reading_house: House) -> None:
    visitor = visit(World().user(Role.PLAN_OWNER, "above"))
    page = visitor.go("/")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.get_attribute("href") == "#main"
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0  # seen once it has the focus
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    inside = page.locator(":focus")
    assert inside.evaluate("one => document.querySelector('main').contains(one)")
    assert inside.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"


def test_a_form_is_filled_in_and_sent_without_scripts(visit: Callable[..., Any], writing_house: House) -> None:
    world = World()
    one = make_assignment(world, "own")
    visitor = visit(reporter(world, "own"), scripts=False)
    page: Page = visitor.go(f"/returns/{one.pk}/")
    lines = {line.field: line.id for line in one.sheet.read().lines}
    for field, value in GOOD.items():
        page.locator(f"#value-{lines[field]}").fill(value)
        page.locator(f"[name='note-{lines[field]}']").fill("按台账填报")
    for head in one.sheet.read().head:
        page.locator(f"#value-{head.id}").fill("2026-03-20" if head.type == "date" else "张三")
    page.get_by_label("总说明").fill("按年鉴口径")
    page.locator(f"#value-{lines['households']}").fill("-1")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator(f"#value-{lines['households']}")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="提交", exact=True).click()
    one.refresh_from_db()
    assert one.state == "draft"
    page = visitor.go(f"/returns/{one.pk}/")
    page.locator(f"#value-{lines['households']}").fill(GOOD["households"])
    page.get_by_role("button", name="保存草稿").click()
    page.get_by_role("button", name="提交", exact=True).click()
    one.refresh_from_db()
    assert one.state == "submitted"
    expect(page.get_by_role("main")).to_contain_text("已提交")


def test_the_switch_to_english(visit: Callable[..., Any], reading_house: House) -> None:
    visitor = visit(World().user(Role.PLAN_OWNER, "above"))
    page = visitor.go("/plans/tasks/")
    page.get_by_role("button", name="English").click()
    assert page.url.endswith("/plans/tasks/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    for path in ("/", "/plans/", "/returns/", "/october/", "/people/account/"):
        page = visitor.go(path)
        expect(page.locator("h1")).not_to_be_empty()
        assert not re.search(r"%\(\w+\)s|\{\{", page.get_by_role("main").inner_text())
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")

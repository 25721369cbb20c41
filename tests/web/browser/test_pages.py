"""Pages that need no story: each is opened, looked over and photographed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dafeng.web.access.actions import Role
from dafeng.web.house import House
from dafeng.web.people.models import Organisation, User


def test_the_first_page_and_a_target(
    visit: Callable[..., Any], make_user: Callable[..., User], reading_house: House
) -> None:
    bureau = Organisation.objects.create(code="housing", name="示范市住建局", kind="bureau", place="demo-city")
    visitor = visit(make_user("李负责", Role.PLAN_OWNER, bureau))
    page = visitor.go("/")
    assert page.locator("h1").inner_text().startswith("示范市")
    visitor.shoot("overview-home")
    page.get_by_role("link", name="全部目标").click()
    visitor.shoot("overview-targets")
    page.locator("tbody th a").first.click()
    visitor.shoot("overview-target")
    page.get_by_role("link", name="数据来源与历次版本").click()
    visitor.shoot("overview-facts")


def test_the_public_page_and_the_sign_in_page(visit: Callable[..., Any], reading_house: House) -> None:
    visitor = visit()
    visitor.go("/public/")
    visitor.shoot("overview-public-empty")
    visitor.go("/")
    visitor.shoot("people-sign-in")

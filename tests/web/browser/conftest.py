"""The Chromium of the system in front of the platform: every page is watched for faults of the console, requests to elsewhere,
refusals of the content policy, and what a screen reader would miss (axe).

`DAFENG_SCREENSHOTS=folder` keeps pictures of the pages that tests visit, on a desk, on a phone and as printed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from dafeng.web.people.models import User

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright keeps a loop in the thread of the test
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--font-render-hinting=none",
)  # fmt: skip
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"], "iframes": False}
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here."""
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="module")  # its loop must be gone before tests elsewhere run theirs
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def live_server(django_db_setup: None, live_server: LiveServer) -> LiveServer:
    """Serve after the test database is there: asked earlier, threads of the server would share one connection, and crash."""
    return live_server


@dataclass
class Visitor:
    """Somebody with a browser. What goes wrong is collected and fails the test at its end."""

    context: BrowserContext
    page: Page
    root: str
    faults: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)
    """Status codes that are meant, of documents asked for."""

    def go(self, path: str) -> Page:
        """Open a page of the platform."""
        self.page.goto(self.root + path)
        return self.page

    def check(self) -> None:
        """Look for what a screen reader would miss."""
        found = Axe().run(self.page, options=RULES)
        for fault in found.response["violations"]:
            nodes = "; ".join(" ".join(node["target"]) for node in fault["nodes"][:3])
            self.faults.append(f"axe {self.page.url}: {fault['id']} {fault['help']} at {nodes}")

    def shoot(self, name: str) -> None:
        """Check the page, and keep pictures of it where they are wanted."""
        self.check()
        folder = os.environ.get("DAFENG_SCREENSHOTS")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        for kind, size in (("desk", DESK), ("phone", PHONE)):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            self.page.screenshot(path=f"{folder}/{name}-{kind}.png", full_page=True)
        self.page.set_viewport_size(DESK)  # type: ignore[arg-type]
        self.page.pdf(path=f"{folder}/{name}-print.pdf", format="A4", print_background=True)


def _watch(visitor: Visitor) -> None:
    page, root = visitor.page, visitor.root

    def on_console(message: Any) -> None:
        meant = "Failed to load resource" in message.text and any(
            str(code) in message.text for code in visitor.expected
        )
        # the camera hides the caret by a style of its own, which the content policy refuses, and says so later
        camera = "DAFENG_SCREENSHOTS" in os.environ and "Applying inline style" in message.text
        if message.type in ("error", "warning") and not meant and not camera:
            visitor.faults.append(f"console {page.url}: {message.text}")

    def on_request(request: Any) -> None:
        if not request.url.startswith((root, "data:", "blob:")):
            visitor.faults.append(f"asked elsewhere: {request.url}")

    page.on("console", on_console)
    page.on("request", on_request)
    page.on("pageerror", lambda error: visitor.faults.append(f"script {page.url}: {error}"))


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[..., Visitor]]:
    """Give somebody a browser: `visit()` for the public, `visit(user)` signed in."""
    visitors: list[Visitor] = []

    def open_for(user: User | None = None, *, expected: set[int] | None = None, scripts: bool = True) -> Visitor:
        context = chromium.new_context(
            viewport=DESK,  # type: ignore[arg-type]
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            java_script_enabled=scripts,
        )
        if user is not None:
            client = Client()
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            context.add_cookies(
                [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
            )
        visitor = Visitor(context, context.new_page(), live_server.url, expected=expected or set())
        _watch(visitor)
        visitors.append(visitor)
        return visitor

    yield open_for
    faults = [fault for visitor in visitors for fault in visitor.faults]
    for visitor in visitors:
        visitor.context.close()
    assert not faults, "\n".join(faults)

"""The platform under test: a small workspace of the demonstration city, people of every role, a database of its own.

`DAFENG_TEST_DATABASE=postgresql://…` runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from dafeng.web import house as house_module
from dafeng.web.access.actions import Role
from dafeng.web.house import House, house
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.workflow.demonstration import make_demo_workspace

TODAY = date(2026, 9, 15)


@pytest.fixture(scope="session")
def demo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the demonstration city, made once a process; copied by tests that write."""
    root = tmp_path_factory.mktemp("platform") / "demo"
    make_demo_workspace(root, ledgers=False)
    return root


def _open(root: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> House:
    settings.DAFENG_WORKSPACE = root
    settings.DAFENG_TODAY = TODAY
    house.cache_clear()
    return house()


@pytest.fixture(scope="session")
def shared_house(demo_template: Path) -> House:
    """The house of the template, for tests that only read; keeps its results."""
    return House(demo_template)


@pytest.fixture
def reading_house(shared_house: House, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The demonstration city to be read, never written."""
    settings.DAFENG_WORKSPACE, settings.DAFENG_TODAY = shared_house.root, TODAY
    house.cache_clear()
    monkeypatch.setattr(house_module, "House", lambda root: shared_house)
    yield house()
    house.cache_clear()


@pytest.fixture
def writing_house(
    demo_template: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    """A copy of the demonstration city that a test may write."""
    root = tmp_path / "workspace"
    shutil.copytree(demo_template, root)
    yield _open(root, settings, monkeypatch)
    house.cache_clear()


@dataclass(frozen=True)
class People:
    """Organisations and people: `own` at the demonstration city and its districts, `foreign` elsewhere in the tree."""

    organisations: dict[str, Organisation]
    users: dict[str, User]

    def client(self, name: str) -> Client:
        """Return a browser in which a user is signed in."""
        client = Client()
        client.force_login(self.users[name], backend="django.contrib.auth.backends.ModelBackend")
        return client


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Make a user with one grant."""

    def make(name: str, role: Role, organisation: Organisation, *, place: str | None = None) -> User:
        user = User.objects.create_user(name, name, "Correct-Horse-9", organisation=organisation)
        Grant.objects.create(
            user=user,
            organisation=organisation,
            role=role,
            place=place or organisation.place,
            starts_on=date(2026, 1, 1),
        )
        return user

    return make

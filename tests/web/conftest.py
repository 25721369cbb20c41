"""The platform under test: a small workspace of the demonstration city, people of every role, a database of its own.

`DAFENG_TEST_DATABASE=postgresql://…` runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from dafeng.web import house as house_module
from dafeng.web.access.actions import Role
from dafeng.web.house import House, house
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.workflow.demonstration import make_demo_workspace
from web.world import World

TODAY = date(2026, 9, 15)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Give each test process its database; SQLite's is a file, as in service: in memory, threads would share one cache.

    On PostgreSQL the name of the process is put to the name of the database.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def append_only_tables() -> Iterator[None]:
    """Let tests with real transactions empty the tables afterwards that refuse it: triggers off, emptied, triggers on."""
    emptied = type(connection.ops).execute_sql_flush
    migrations = [
        importlib.import_module(f"dafeng.web.{name}")
        for name in ("audit.migrations.0002_append_only", "october.migrations.0002_frozen")
    ]

    def flush(self: Any, statements: Any) -> None:
        off, on = ("_DROP_POSTGRES", "_POSTGRES") if connection.vendor == "postgresql" else ("_DROP_SQLITE", "_SQLITE")
        with connection.cursor() as cursor:
            for one in (text for module in migrations for text in getattr(module, off)):
                cursor.execute(one)
            emptied(self, statements)
            for one in (text for module in migrations for text in getattr(module, on)):
                cursor.execute(one)

    patch = pytest.MonkeyPatch()
    patch.setattr(type(connection.ops), "execute_sql_flush", flush)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def demo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the demonstration city, made once a process; copied by tests that write."""
    root = tmp_path_factory.mktemp("platform") / "demo"
    make_demo_workspace(root, ledgers=False)
    for district in ("dongwan", "xipo"):
        (root / "catalog" / "plans" / f"{district}-2025.yaml").write_text(district_plan(district), encoding="utf-8")
    return root


def district_plan(district: str) -> str:
    """Return a small plan of a district, so that there is one in the own and one in a foreign place."""
    return f"""
id: {district}-2025
title: {{zh: 示范市{district}方案（演示）, en: invented plan of a district}}
place: demo-city-{district}
document: {{sha256: "{"0" * 64}", number: null, issued_on: 2025-03-01}}
tasks:
  - {{number: 一, title: 建设绿色社区, at: [10, 16]}}
targets:
  - {{id: rail-2030, clause: 一, at: [20, 30], label: 轨道交通运营里程, indicator: urban_rail_length, comparator: ">=", value: 9,
     unit: 公里, by: 2030, measure: level}}
"""


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


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Digests of passwords that cost nothing; what they are in service is checked by `test_security`."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(db: None, reading_house: House) -> World:
    """Organisations and people of every role over a demonstration city that is only read (see `web.world`)."""
    return World()


@pytest.fixture
def writing_world(db: None, writing_house: House) -> World:
    """The same over a copy of the demonstration city that may be written."""
    return World()


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

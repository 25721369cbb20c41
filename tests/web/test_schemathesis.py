"""Every operation of the interface is asked with what its description allows, and with what it does not: no fault of the server,
no answer that the description does not name. In-process; everything that is written is taken back after each request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.urls import get_resolver
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dafeng.web.access.actions import Role
from dafeng.web.api.core import api
from dafeng.web.people.models import ApiToken, User
from dafeng.web.people.tokens import FOR_TOKENS
from web.test_access_table import operations, subjects
from web.world import World

# The client of Schemathesis leaves downloads unclosed; that the platform closes them is seen by the access table.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*_io.FileIO:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.embedded,
]
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the connection of the test open: a server closes it after each request where it is in a transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def token_of(user: User) -> dict[str, str]:
    """Return the header by which a program acts as somebody, with every action that a token may have."""
    secret, digest = ApiToken.new_secret()
    ApiToken.objects.create(
        user=user,
        name="任意",
        digest=digest,
        shown=secret[:10],
        actions=sorted(FOR_TOKENS),
        expires_at=timezone.now() + timedelta(days=1),
    )
    return {"Authorization": f"Bearer {secret}"}


def everybody(world: World) -> User:
    """Return somebody of the city who holds every role."""
    user = world.user(Role.PLAN_OWNER, "above", number=3)
    for role in Role:
        if role is not Role.PLAN_OWNER:
            world.grant(user, role, "above")
    return user


def _asked(case: Any, headers: dict[str, str], given_ids: dict[str, Any]) -> list[str]:
    """Ask, for what is there where the case is one that could be answered, and return what the description does not name."""
    if case.path_parameters and len(str(case.path_parameters)) % 3:
        case.path_parameters = {key: given_ids.get(key, value) for key, value in case.path_parameters.items()}
    with transaction.atomic():
        response = case.call(headers=headers)
        transaction.set_rollback(True)
    try:
        case.validate_response(response, checks=CHECKS)
    except BaseExceptionGroup as group:
        return [f"{one}"[:700] for one in group.exceptions]
    return []


def _tried(cases: Any, examples: int, headers: dict[str, str], given_ids: dict[str, Any]) -> list[str]:
    """Ask an operation so many times, and return what went wrong."""
    wrong: list[str] = []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=examples < 20,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        wrong.extend(_asked(case, headers, given_ids))

    try:
        ask()
    except Exception as error:  # said with its operation
        wrong.append(f"{type(error).__name__}: {error}"[:700])
    return wrong


def _walk(world: World, examples: int, mode: GenerationMode) -> Iterator[str]:
    assert get_resolver().url_patterns
    described = api.get_openapi_schema(path_prefix="/api/v1/")
    schema = schemathesis.openapi.from_dict(dict(described))
    schema.app = get_wsgi_application()
    headers = token_of(everybody(world))
    kinds = {route.name.removeprefix("api:"): route.rule.subject for route in operations() if route.rule}
    made = subjects().made
    world.asking = world.user(Role.PLAN_OWNER, "above", number=3)
    for found in schema.get_all_operations():
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        given_ids = {} if kinds[name] == "none" else made[kinds[name]](world, "own")
        wrong = _tried(operation.as_strategy(generation_mode=mode), examples, headers, given_ids)
        yield from (f"{name}: {one}" for one in wrong[:2])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_operation_answers_as_it_is_described(
    writing_world: World, mode: GenerationMode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    wrong = list(_walk(writing_world, 1, mode))
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_operation_many_times(
    writing_world: World, mode: GenerationMode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    wrong = list(_walk(writing_world, 150, mode))
    assert not wrong, "\n".join(wrong)

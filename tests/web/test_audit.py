"""The audit log: append-only, chained; whatever is done to it behind the platform's back is found."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry, AuditHead
from dafeng.web.audit.services import SYSTEM, Anchor, digest_of, record, verify_chain
from dafeng.web.jobs.worker import work
from web.world import World

pytestmark = pytest.mark.django_db
_FIELDS = [field.attname for field in AuditEntry._meta.concrete_fields]


@pytest.fixture
def twelve() -> None:
    """Put twelve entries on the chain."""
    with transaction.atomic():
        for number in range(1, 13):
            record("test.done", ("thing", str(number)), by=SYSTEM, before={"n": number - 1}, after={"n": number})


def without_triggers(*statements: tuple[str, list[Any]]) -> None:
    """Do what somebody does who may write the database itself."""
    drops = (
        ["DROP TRIGGER audit_no_change ON audit_auditentry"]
        if connection.vendor == "postgresql"
        else ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"]
    )
    with connection.cursor() as cursor:
        for statement in drops:
            cursor.execute(statement)
        for statement, values in statements:
            cursor.execute(statement, values)


def faults(**given: Any) -> list[int]:
    return sorted({fault.number for fault in verify_chain(**given)})


def test_a_whole_chain_has_no_fault(twelve: None) -> None:
    head = AuditHead.objects.get()
    assert faults(anchors=[Anchor(head.number, head.digest, "x")]) == []
    assert head.number == 12


def test_it_is_written_only_inside_a_transaction_and_never_changed(twelve: None) -> None:
    for statement in ("UPDATE audit_auditentry SET reason = 'x' WHERE number = 3", "DELETE FROM audit_auditentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.parametrize("column", [name for name in _FIELDS if name not in ("number", "digest")])
def test_one_changed_field_of_one_row_is_found(twelve: None, column: str) -> None:
    value: Any = {"at": "2020-01-01 00:00:00+00:00", "actor": 7, "organisation": 7}.get(column, '{"n": 99}')
    if column in ("previous", "address", "request", "actor_name", "acting_for", "action", "subject", "place"):
        value = "x"
    without_triggers((f"UPDATE audit_auditentry SET {column} = %s WHERE number = 5", [value]))
    assert 5 in faults()


def test_a_gap_an_insertion_and_a_cut_end_are_found(twelve: None) -> None:
    without_triggers(("DELETE FROM audit_auditentry WHERE number = 6", []))
    assert faults() == [6]
    last = AuditEntry.objects.get(number=12)
    row = {name: getattr(last, name) for name in _FIELDS} | {"number": 13, "previous": last.digest}
    AuditEntry.objects.create(**{**row, "digest": digest_of(row)})
    assert 12 in faults()  # the head does not know of 13


def test_a_row_before_the_first_is_found(twelve: None) -> None:
    first = AuditEntry.objects.get(number=1)
    row = {name: getattr(first, name) for name in _FIELDS} | {"number": 0}
    AuditEntry.objects.create(**{**row, "digest": digest_of(row)})
    assert faults() == [0]


def test_a_cut_end_with_a_head_to_fit_is_found_by_what_was_noted_elsewhere(twelve: None) -> None:
    noted = AuditHead.objects.get()
    anchor = Anchor(noted.number, noted.digest, "冻结报告 x")
    tenth = AuditEntry.objects.get(number=10)
    without_triggers(
        ("DELETE FROM audit_auditentry WHERE number > 10", []),
        ("UPDATE audit_audithead SET number = 10, digest = %s", [tenth.digest]),
    )
    assert faults() == []
    [fault] = verify_chain(anchors=[anchor])
    assert "截断" in fault.says
    assert fault.number == 12


def test_a_chain_written_anew_from_a_row_on_is_found_by_what_was_noted_elsewhere(twelve: None) -> None:
    noted = AuditHead.objects.get()
    anchor = Anchor(noted.number, noted.digest, "冻结报告 x")
    rows = list(AuditEntry.objects.filter(number__gte=5).order_by("number"))
    previous = rows[0].previous
    statements: list[tuple[str, list[Any]]] = []
    for entry in rows:
        entry.reason, entry.previous = "改写", previous
        previous = digest_of({name: getattr(entry, name) for name in _FIELDS})
        statements.append(
            (
                "UPDATE audit_auditentry SET reason = %s, previous = %s, digest = %s WHERE number = %s",
                [entry.reason, entry.previous, previous, entry.number],
            )
        )
    without_triggers(*statements, ("UPDATE audit_audithead SET digest = %s", [previous]))
    assert faults() == []
    assert faults(anchors=[anchor]) == [12]


def test_pages(world: World, twelve: None, django_assert_max_num_queries: Any) -> None:
    client = world.of(Role.AUDITOR, "above")
    client.get("/audit/")
    with django_assert_max_num_queries(8):
        text = client.get("/audit/?action=test").content.decode()
    assert "共 12 条" in text
    assert "共 1 条" in client.get("/audit/?subject=thing&subject_id=7").content.decode()
    entry = client.get("/audit/7/").content.decode()
    assert "<del>6</del>" in entry
    assert "<ins>7</ins>" in entry
    assert client.get("/audit/99999/").status_code == 404


def test_the_export_holds_every_entry_and_no_formula(world: World) -> None:
    with transaction.atomic():
        record("test.done", ("thing", "1"), by=SYSTEM, reason="=HYPERLINK(1)")
    answer = world.of(Role.AUDITOR, "above").post("/audit/export/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "'=HYPERLINK(1)" in text
    assert "audit.exported" in text
    assert "attachment" in answer.headers["Content-Disposition"]


@pytest.mark.django_db(transaction=True)
def test_verifying_in_the_background_says_what_was_changed(world: World) -> None:
    with transaction.atomic():
        record("test.done", ("thing", "1"), by=SYSTEM)
    client = world.of(Role.AUDITOR, "above")
    answer = client.post("/audit/verify/")
    work(threading.Event(), once=True)
    text = client.get(answer.headers["Location"]).content.decode()
    assert "未发现改动" in text

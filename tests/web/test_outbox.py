"""The outbox: written with the decision, delivered exactly once, whatever fails in between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from dafeng.base.errors import LakeError
from dafeng.web.audit.services import SYSTEM
from dafeng.web.outbox import services
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import deliver, deliver_one, put, retry

pytestmark = pytest.mark.django_db


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return a pretended lake that takes a batch once, and its handler."""
    kept: dict[str, Any] = {"batches": {}, "told": 0, "settled": 0, "fails": []}

    def handler(item: OutboxItem) -> tuple[Mapping[str, Any], Any]:
        kept["told"] += 1
        kept["batches"].setdefault(item.key, item.payload)
        if kept["fails"]:
            raise kept["fails"].pop(0)

        def settle(result: Mapping[str, Any]) -> None:
            kept["settled"] += 1

        return {"rows": 1}, settle

    monkeypatch.setattr(services, "_HANDLERS", {"publish": handler})
    return kept


def said(key: str = "k", kind: str = "publish") -> OutboxItem:
    with transaction.atomic():
        return put(kind, key, {"rows": [1]})


@pytest.mark.django_db(transaction=True)
def test_it_is_written_only_inside_a_decision() -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        put("publish", "k", {})

    def decides_and_fails() -> None:
        with transaction.atomic():
            put("publish", "k", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decides_and_fails()
    assert not OutboxItem.objects.exists()


def test_the_same_key_is_one_item_and_is_settled_once(lake: dict[str, Any]) -> None:
    first, second = said(), said()
    assert first.pk == second.pk
    assert deliver() == 1
    assert deliver() == 0
    assert deliver_one(first) is True  # a second publisher that had read it before
    assert (lake["settled"], list(lake["batches"])) == (1, ["k"])
    item = OutboxItem.objects.get()
    assert item.result == {"rows": 1}
    assert item.delivered_at is not None


@pytest.mark.parametrize("fault", [LakeError("磁盘已满"), OSError(28, "No space left"), TypeError("a defect")])
def test_what_fails_is_tried_again_later_and_holds_up_nobody(lake: dict[str, Any], fault: Exception) -> None:
    lake["fails"] = [fault]
    bad = said("bad")
    good = said("good")
    assert deliver() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert good.delivered_at is not None
    assert (bad.delivered_at, bad.attempts) == (None, 1)
    assert bad.error
    assert bad.due_at > timezone.now() + timedelta(seconds=3)
    assert deliver() == 0  # not due yet
    retry(bad, by=SYSTEM)
    assert deliver() == 1
    assert lake["batches"].keys() == {"bad", "good"}


def test_whoever_dies_between_the_lake_and_the_mark_tells_it_once_more(
    lake: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = said()

    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    monkeypatch.setattr(services.OutboxItem.objects, "select_for_update", killed)
    with pytest.raises(Killed):
        deliver_one(item)
    monkeypatch.undo()
    item.refresh_from_db()
    assert item.delivered_at is None


def test_an_unknown_kind_waits_for_a_newer_worker(lake: dict[str, Any]) -> None:
    item = said(kind="of-tomorrow")
    assert deliver() == 0
    item.refresh_from_db()
    assert "没有登记" in item.error

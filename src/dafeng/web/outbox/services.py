"""Putting into the outbox, and delivering from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import OperationalError, transaction
from django.utils import timezone

from dafeng.base.errors import DafengError
from dafeng.web.audit.services import Actor, record
from dafeng.web.outbox.models import OutboxItem

__all__ = ["Handler", "deliver", "deliver_one", "handles", "put", "retry"]

_log: Final = logging.getLogger("dafeng.web.outbox")
Handler = Callable[[OutboxItem], tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], None] | None]]
"""Publishes an item, idempotent by its key. Returns what came of it, and what the database is told of that, in the transaction
that marks the item as delivered."""
_HANDLERS: Final[dict[str, Handler]] = {}
_WAIT: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(minutes=10)


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register the handler of a kind of item."""

    def put_in(handler: Handler) -> Handler:
        if kind in _HANDLERS:
            raise LookupError(f"two handlers of {kind!r}")
        _HANDLERS[kind] = handler
        return handler

    return put_in


def put(kind: str, key: str, payload: Mapping[str, Any]) -> OutboxItem:
    """Write an item, inside the transaction of the decision that it tells; the same key again changes nothing.

    Raises
    ------
    RuntimeError
        There is no transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("the outbox is written inside the transaction of the decision")
    item, _ = OutboxItem.objects.get_or_create(
        key=key, defaults={"kind": kind, "payload": dict(payload), "due_at": timezone.now()}
    )
    return item


def deliver_one(item: OutboxItem) -> bool:
    """Deliver one item; return whether it is delivered now.

    The workspace is told outside any transaction of the database, by a key that it knows again. Only then the item is marked:
    whoever dies between the two tells it once more, which changes nothing.
    """
    try:
        if item.kind not in _HANDLERS:
            raise LookupError(f"没有登记“{item.kind}”的发布方法：平台版本不一致，请重启任务进程")
        result, settle = _HANDLERS[item.kind](item)
        with transaction.atomic():
            row = OutboxItem.objects.select_for_update().get(pk=item.pk)
            if row.delivered_at is None:
                if settle is not None:
                    settle(result)
                row.delivered_at, row.result, row.error = timezone.now(), dict(result), ""
                row.save()
        return True
    except (DafengError, OSError, LookupError, OperationalError) as error:
        _log.warning("outbox item %s: %s", item.key, error)
        said = str(error)
    except Exception as error:  # a defect of a handler holds up neither the others nor the worker
        _log.exception("outbox item %s", item.key)
        said = f"{type(error).__name__}: {error}"
    wait = min(_WAIT * 2 ** min(item.attempts, 10), _LONGEST)
    OutboxItem.objects.filter(pk=item.pk, delivered_at__isnull=True).update(
        attempts=item.attempts + 1, error=said[:2000], due_at=timezone.now() + wait
    )
    return False


def deliver(*, most: int = 100) -> int:
    """Deliver what waits and is due, oldest first; return how many were delivered."""
    waiting = OutboxItem.objects.filter(delivered_at__isnull=True, due_at__lte=timezone.now())[:most]
    return sum(deliver_one(item) for item in waiting)


def retry(item: OutboxItem, *, by: Actor) -> None:
    """Have an item that failed tried again at once."""
    with transaction.atomic():
        if OutboxItem.objects.filter(pk=item.pk, delivered_at__isnull=True).update(due_at=timezone.now()):
            record("outbox.retried", item, by=by, after={"key": item.key, "error": item.error})

"""A request that a program repeats under the same `Idempotency-Key` is done once, and answered the same again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Schema
from ninja.errors import HttpError

from dafeng.web.access.refusal import RefusedError
from dafeng.web.api.models import Answered
from dafeng.web.house import house

__all__ = ["HEADER", "KEPT_FOR", "once"]

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(days=7)
_KEY: Final = re.compile(r"[\x21-\x7e]{8,200}")


def once(request: HttpRequest, do: Callable[[], Any]) -> Any:
    """Do what a request asks for, once for a key; without a key simply do it.

    The answer is kept in the same transaction as what was done: after a crash there are both or neither. What was refused is not
    kept, and may be tried again under the same key.

    Raises
    ------
    HttpError
        The key is malformed.
    RefusedError
        The key was used for another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return do()
    if not _KEY.fullmatch(key):
        raise HttpError(400, f"{HEADER} 应为 8 至 200 个可见的 ASCII 字符 / 8 to 200 visible ASCII characters")
    said = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    digest, now = hashlib.sha256(said).hexdigest(), house().now()
    assert request.user.is_authenticated
    rows = Answered.objects.filter(user=request.user, key=key)
    held = rows.first()
    if held is None:
        try:
            with transaction.atomic():
                Answered.objects.filter(at__lt=now - KEPT_FOR).delete()
                with transaction.atomic():  # a second one of the same key waits here, or fails
                    row = Answered.objects.create(user=request.user, key=key, request=digest, answer={}, at=now)
                answer = do()
                row.answer = _plain(answer)
                row.save(update_fields=["answer"])
                return answer
        except IntegrityError:
            held = rows.first()
            if held is None:
                raise
    if held.request != digest:
        raise RefusedError("idempotency.other-request", f"{HEADER} “{key}” 已用于另一个请求，请换一个。")
    return held.answer


def _plain(answer: Any) -> Any:
    return answer.model_dump(mode="json") if isinstance(answer, Schema) else answer

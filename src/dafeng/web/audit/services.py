"""Appending to the audit log, and proving that nobody touched it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from dafeng.web.audit.models import AuditEntry, AuditHead

if TYPE_CHECKING:
    from dafeng.web.people.models import User

__all__ = ["Actor", "Anchor", "AuditFault", "actor_of", "record", "verify_chain"]

START: Final = "0" * 64
_FIELDS: Final = (
    "number", "at", "actor", "actor_name", "acting_for", "organisation", "action", "subject", "subject_id", "place",
    "before", "after", "reason", "request", "address", "previous",
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """Who does something.

    Attributes
    ----------
    user : User or None
        None for the platform itself.
    name : str
    acting_for : str
    organisation : int or None
    request, address : str
    """

    user: User | None = None
    name: str = "系统"
    acting_for: str = ""
    organisation: int | None = None
    request: str = ""
    address: str = ""


SYSTEM: Final = Actor()


def actor_of(request: HttpRequest, action: str | None = None) -> Actor:
    """Return who makes a request; with an action also for whom a deputy acts."""
    user = request.user
    if not user.is_authenticated:
        return Actor(name="（未登录）", request=getattr(request, "id", ""), address=request.META.get("REMOTE_ADDR", ""))
    reach = request.reach  # type: ignore[attr-defined]
    return Actor(
        user=user,
        name=user.name,
        acting_for="" if action is None else reach.acting_for(action),
        organisation=user.organisation_id,
        request=getattr(request, "id", ""),
        address=request.META.get("REMOTE_ADDR", ""),
    )


def digest_of(row: Mapping[str, Any]) -> str:
    """Return the digest of a row: SHA-256 over its fields in canonical JSON."""
    said = {name: row[name] for name in _FIELDS}
    said["at"] = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(
        json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def record(
    action: str,
    subject: models.Model | tuple[str, str],
    *,
    by: Actor,
    at: datetime | None = None,
    place: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Append what was done; inside the transaction that does it.

    Parameters
    ----------
    action : str
        As `returns.approved`: what happened, in the past.
    subject : Model or (str, str)
        What it happened to: a row, or kind and id.
    by : Actor
    at : datetime, optional
    place : str
    before, after : mapping, optional
        What changed; values that JSON knows.
    reason : str

    Raises
    ------
    RuntimeError
        There is no transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("the audit log is written inside the transaction of what it tells")
    kind, key = subject if isinstance(subject, tuple) else (subject._meta.label_lower, str(subject.pk))
    AuditHead.objects.get_or_create(id=1)
    head = AuditHead.objects.select_for_update().get(id=1)
    row: dict[str, Any] = {
        "number": head.number + 1,
        "at": at or timezone.now(),
        "actor": None if by.user is None else by.user.pk,
        "actor_name": by.name,
        "acting_for": by.acting_for,
        "organisation": by.organisation,
        "action": action,
        "subject": kind,
        "subject_id": key,
        "place": place,
        "before": None if before is None else dict(before),
        "after": None if after is None else dict(after),
        "reason": reason,
        "request": by.request,
        "address": by.address,
        "previous": head.digest,
    }
    row["before"], row["after"] = (
        None if part is None else json.loads(json.dumps(part, ensure_ascii=False, default=str))
        for part in (row["before"], row["after"])
    )
    row["digest"] = digest_of(row)
    entry = AuditEntry.objects.create(**row)
    head.number, head.digest = entry.number, entry.digest
    head.save()
    return entry


@dataclass(frozen=True)
class AuditFault:
    """A row that does not fit the chain.

    Attributes
    ----------
    number : int
    says : str
        What is wrong, in Chinese.
    """

    number: int
    says: str


@dataclass(frozen=True)
class Anchor:
    """An end of the chain as it was noted elsewhere at some time: on a frozen report, in a backup.

    Attributes
    ----------
    number, digest : int, str
    where : str
        Where it is noted.
    """

    number: int
    digest: str
    where: str


def verify_chain(
    *, first: int = 1, previous: str = START, anchors: Iterable[Anchor] = (), using: str = "default"
) -> Iterator[AuditFault]:
    """Yield every row that was changed, is missing or was put in, and an end that is not that of the head.

    Whoever may write the database can also write the whole chain anew; only an end that was noted elsewhere shows that.

    Parameters
    ----------
    first : int
        Number from which to check.
    previous : str
        Digest before it.
    anchors : iterable of Anchor
        Ends noted elsewhere; each must still stand in the chain.
    using : str
        Database.
    """
    expected, number = previous, first
    noted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        noted.setdefault(anchor.number, []).append(anchor)
    for stray in AuditEntry.objects.using(using).filter(number__lt=1).values_list("number", flat=True)[:10]:
        yield AuditFault(stray, f"不应有第 {stray} 条：序号从 1 开始")
    rows = AuditEntry.objects.using(using).filter(number__gte=first).order_by("number").values(*_FIELDS, "digest")
    for row in rows.iterator(chunk_size=2000):
        if row["number"] != number:
            yield AuditFault(number, f"缺少第 {number} 至 {row['number'] - 1} 条")
        elif row["previous"] != expected:
            yield AuditFault(row["number"], "与上一条的摘要接不上")
        if digest_of(row) != row["digest"]:
            yield AuditFault(row["number"], "内容与摘要不符，已被改动")
        for anchor in noted.pop(row["number"], ()):
            if anchor.digest != row["digest"]:
                yield AuditFault(row["number"], f"与{anchor.where}记下的摘要不符：此条或之前的内容被整体改写")
        expected, number = row["digest"], row["number"] + 1
    head = AuditHead.objects.using(using).filter(id=1).first()
    if head is None and number > first:
        yield AuditFault(number - 1, "没有链尾记录，日志可能被截断")
    if head is not None and (head.number, head.digest) != (number - 1, expected):
        yield AuditFault(head.number, f"链尾应为第 {head.number} 条，实为第 {number - 1} 条")
    for anchor in (one for at, ones in sorted(noted.items()) if at >= first for one in ones):
        yield AuditFault(anchor.number, f"{anchor.where}记有第 {anchor.number} 条，日志里没有：末尾被截断")

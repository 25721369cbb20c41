"""Disclosing progress to the public, and withdrawing it."""

from __future__ import annotations

import hashlib
import json

from django.db import IntegrityError, transaction

from dafeng.assessment import Assessment
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.overview.models import Disclosure
from dafeng.web.overview.selectors import disclosed_content

__all__ = ["disclose", "withdraw"]


def disclose(*, judged: Assessment, note: str, by: Actor) -> Disclosure:
    """Disclose the progress of a plan as judged; the same content again is the one that stands.

    Parameters
    ----------
    judged : Assessment
    note : str
        Explanation shown with it.
    by : Actor
    """
    assert by.user is not None
    content = disclosed_content(judged)
    digest = hashlib.sha256(json.dumps([content, note], ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    wanted = {"plan": judged.plan, "place": judged.place, "digest": digest}
    try:
        with transaction.atomic():
            made = Disclosure.objects.create(
                **wanted, as_of=judged.as_of, content=content, note=note, disclosed_by=by.user
            )
            record("public.disclosed", made, by=by, place=judged.place, after={"plan": judged.plan, "digest": digest})
            return made
    except IntegrityError:
        return Disclosure.objects.get(**wanted, withdrawn_at__isnull=True)


def withdraw(*, disclosure: Disclosure, reason: str, by: Actor) -> None:
    """Withdraw what was disclosed; it stays in the books."""
    with transaction.atomic():
        changed = Disclosure.objects.filter(pk=disclosure.pk, withdrawn_at__isnull=True).update(
            withdrawn_at=house().now()
        )
        if changed:
            record("public.withdrawn", disclosure, by=by, place=disclosure.place, reason=reason)

"""What must hold whatever is done to people: somebody can administer the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.house import house
from dafeng.web.people.models import Grant

__all__ = ["administrator_remains", "lasting_administrators"]


def lasting_administrators() -> QuerySet[Grant]:
    """Return the grants that let somebody administer the whole workspace, today and without an end."""
    here = house()
    return Grant.objects.filter(
        Q(ends_on__isnull=True),
        role=Role.ADMINISTRATOR,
        place=here.place,
        revoked_at__isnull=True,
        stands_in_for__isnull=True,
        starts_on__lte=here.today(),
        user__is_active=True,
        organisation__active=True,
    )


@contextmanager
def administrator_remains() -> Iterator[None]:
    """Refuse what is done inside where it leaves the workspace without an administrator. First thing in a transaction.

    The grants are locked first, so that two administrators who remove each other at once do not both succeed.

    Raises
    ------
    RefusedError
        Nobody would be left; what was done must be rolled back with the transaction.
    """
    grants = Grant.objects.select_for_update().filter(role=Role.ADMINISTRATOR, place=house().place)
    list(grants.order_by("pk").values_list("pk", flat=True))
    had = lasting_administrators().exists()
    yield
    if had and not lasting_administrators().exists():
        raise RefusedError("grant.last-administrator", _("这是工作区最后一位管理员，不能移除。请先授权另一位管理员。"))

"""Who asks."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Schema

from dafeng.web.access.actions import ACTIONS
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import GuardedRouter, guarded
from dafeng.web.house import house

router = GuardedRouter(tags=["account"])


class MeOut(Schema):
    """The user of a token or session."""

    username: str
    name: str
    workspace: str
    place: str
    actions: dict[str, list[str]]


@router.get("/me", response=MeOut)
@guarded("account.use")
def me(request: HttpRequest) -> MeOut:
    """本人及权限 / oneself, and where one may do what."""
    reach = reach_of_request(request)
    assert reach.user is not None
    actions = {action: sorted(reach.places(action)) for action in ACTIONS if reach.can(action)}
    return MeOut(
        username=reach.user.username,
        name=reach.user.name,
        workspace=house().title,
        place=house().place,
        actions=actions,
    )

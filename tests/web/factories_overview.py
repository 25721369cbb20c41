"""Subjects of the pages of overview, for the access table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dafeng.web.overview.models import Disclosure

PLAN = "demo-city-2024"


def _disclosure(world: Any, which: str) -> dict[str, Any]:
    place = world.place(which)
    row = Disclosure.objects.create(
        plan=PLAN,
        place=place,
        as_of="2026-09-15",
        content={"title": "x", "place": place, "counts": [], "rows": []},
        digest=f"{place} {which}",
        disclosed_by=world.somebody_else(),
    )
    return {"number": row.pk}


SUBJECTS: dict[str, Callable[[Any, str], dict[str, Any]]] = {"disclosure": _disclosure}

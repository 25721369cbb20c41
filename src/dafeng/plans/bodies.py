"""Responsible bodies as a plan writes them, brought to the bodies of the catalog; the order in the bracket carries meaning."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from dafeng.base.errors import AmbiguousNameError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.record import Record
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Body, BodyKind

__all__ = ["BodyRole", "BodyUse", "resolve_bodies"]


class BodyRole(StrEnum):
    """How a body stands in a bracket: the first of several is only presumed to lead, and a clerk confirms it."""

    LEAD = "lead"
    LEAD_PRESUMED = "lead_presumed"
    MEMBER = "member"


class BodyUse(Record):
    """One body of a bracket."""

    id: str | None
    """Body id; None where the catalog knows no such body."""
    name: str
    """Full official name; as written where unknown."""
    as_written: str
    """Name as the plan writes it."""
    role: BodyRole
    """Lead, presumed lead or member."""
    kind: BodyKind | None = None
    """Sort of the body."""
    expands: str | None = None
    """For a collective body (各区市): what it stands for; it is kept, not spread out."""
    successor: str | None = None
    """Name of the body that took over, where the body no longer exists."""


def _find(text: str, place: str, catalog: Catalog) -> Body:
    try:
        return catalog.body(text, place)
    except UnknownNameError:
        below = [
            body
            for body in catalog.bodies.values()
            if text in (body.name, *body.aliases)
            and body.place in catalog.places
            and place in catalog.places.ancestor_ids(body.place)
        ]
        if len(below) != 1:
            raise
        return below[0]


def resolve_bodies(
    texts: Sequence[str], place: str, catalog: Catalog
) -> tuple[tuple[BodyUse, ...], tuple[Finding, ...]]:
    """Return the bodies that a plan of `place` names, in order, with a finding for each that stays unknown.

    A name is looked for at the place of the plan, above it, and then among the governments of the places below it.

    Parameters
    ----------
    texts : sequence of str
        Names as written.
    place : str
        Place of the plan.
    catalog : Catalog

    Returns
    -------
    bodies : tuple of BodyUse
        A single body leads; the first of several is presumed to lead.
    findings : tuple of Finding

    Examples
    --------
    >>> from dafeng.catalog.catalog import Entries
    >>> bodies, findings = resolve_bodies(["市水务局"], "nowhere", Catalog(Entries()))
    >>> bodies[0].role.value, bodies[0].id, findings[0].name
    ('lead', None, 'plans.body.unknown')
    """
    bodies: list[BodyUse] = []
    findings: list[Finding] = []
    for position, text in enumerate(texts):
        role = BodyRole.MEMBER if position else BodyRole.LEAD_PRESUMED if len(texts) > 1 else BodyRole.LEAD
        try:
            if place not in catalog.places:
                raise UnknownNameError(f"no place is called {place!r}")
            body = _find(text, place, catalog)
        except (UnknownNameError, AmbiguousNameError) as error:
            several = isinstance(error, AmbiguousNameError)
            findings.append(
                Finding(
                    name="plans.body.ambiguous" if several else "plans.body.unknown",
                    sentence=f"责任单位“{text}”{'对应多个机构' if several else '在机构库中没有对应'}，按原文保留",
                    severity=Severity.WARNING,
                    value=text,
                    expected="机构库中唯一的机构",
                    next_step="在 catalog/bodies 中补充机构或别名",
                )
            )
            bodies.append(BodyUse(id=None, name=text, as_written=text, role=role))
            continue
        successor = catalog.bodies[body.successor].name if body.successor in catalog.bodies else body.successor
        bodies.append(
            BodyUse(
                id=body.id,
                name=body.name,
                as_written=text,
                role=role,
                kind=body.kind,
                expands=body.expands,
                successor=successor,
            )
        )
    return tuple(bodies), tuple(findings)

"""Which rules bind where and from when: the obligations of plans and the clauses of rulebooks, ready to be run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from dafeng.base.errors import InputError
from dafeng.base.obligation import Rule
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.ledger_schemas import Rulebook
from dafeng.catalog.plan_schemas import Plan

__all__ = ["PLAN_DATES", "RuleUse", "binding_rules", "rules_of_plan", "rules_of_rulebook"]

PLAN_DATES: Final = ("design_review_date", "permit_date", "approval_date")
"""Fields whose first known date decides whether an obligation of a plan holds for a project."""

_YEAR: Final = re.compile(r"〔(\d{4})〕")


@dataclass(frozen=True)
class RuleUse:
    """A rule with the document that lays it down: where and from when it binds.

    Parameters
    ----------
    rulebook : str
        Id of the plan or rulebook.
    title : str
        Its Chinese title.
    rule : Rule
    place : str
        Place in which it binds, with all below.
    dated : tuple of str
        Date fields, the first known decides.
    earliest, certain : date or None
        Projects dated before `earliest` are surely not bound, those from `certain` on surely are; equal where the day of the
        document is known. None: whatever their date.
    until : date or None
        First day on which it no longer binds.
    source : str
        Source id.
    grade : str
        How sure its figures are; B and C are 待核.
    """

    rulebook: str
    title: str
    rule: Rule
    place: str
    dated: tuple[str, ...] = PLAN_DATES
    earliest: date | None = None
    certain: date | None = None
    until: date | None = None
    source: str = ""
    grade: str = "A"


def rules_of_plan(plan: Plan, *, as_of: date) -> tuple[RuleUse, ...]:
    """Return the obligations of a plan as rules that can be run.

    Parameters
    ----------
    plan : Plan
    as_of : date
        Day of judgement: a document of unknown date that the catalog holds was issued by then.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> first = rules_of_plan(load_catalog().plan("jilin-2023"), as_of=date(2026, 11, 20))[0]
    >>> first.rule.id, first.place, str(first.earliest)
    ('no-super-high-rise-housing', 'jilin', '2023-07-26')
    """
    earliest, certain = _issued(plan, as_of)
    return tuple(
        _use(
            RuleUse(
                rulebook=plan.id,
                title=plan.title.zh,
                rule=rule,
                place=plan.place,
                dated=rule.dated or PLAN_DATES,
                earliest=None if rule.binds_earlier else earliest,
                certain=None if rule.binds_earlier else certain,
                source=plan.document.reference or "",
            )
        )
        for rule in plan.obligations
    )


def rules_of_rulebook(book: Rulebook) -> tuple[RuleUse, ...]:
    """Return the clauses of a standard as rules that can be run."""
    return tuple(
        _use(
            RuleUse(
                rulebook=book.id,
                title=book.title.zh,
                rule=rule,
                place=book.place,
                dated=rule.dated or (book.date_field, *(name for name in PLAN_DATES if name != book.date_field)),
                earliest=None if rule.binds_earlier else book.valid_from,
                certain=None if rule.binds_earlier else book.valid_from,
                until=book.valid_to,
                source=book.source,
                grade=str(book.grade),
            )
        )
        for rule in book.rules
    )


def _use(use: RuleUse) -> RuleUse:
    if use.rule.since is None:
        return use
    first = date(use.rule.since, 1, 1)
    return replace(use, earliest=max(use.earliest or first, first), certain=max(use.certain or first, first))


def _issued(plan: Plan, as_of: date) -> tuple[date, date]:
    """Return the first and the last day on which the document may have been issued."""
    if plan.document.issued_on is not None:
        return plan.document.issued_on, plan.document.issued_on
    said = _YEAR.search(plan.document.number or "") or re.search(r"-(\d{4})$", plan.id)
    if said is None:
        return date.min, as_of
    year = int(said[1])
    return date(year, 1, 1), date(year + 1, 1, 1)


def binding_rules(
    catalog: Catalog,
    *,
    as_of: date,
    places: Iterable[str] | None = None,
    only: Collection[str] | None = None,
) -> tuple[RuleUse, ...]:
    """Return the rules that bind in some places: those of the places and of all above, plans first.

    Parameters
    ----------
    catalog : Catalog
    as_of : date
        Plans issued later are left out.
    places : iterable of str, optional
        Place ids; every rule of the catalog where None.
    only : collection of str, optional
        Ids of the plans and rulebooks to keep.

    Raises
    ------
    InputError
        `only` names no plan or rulebook.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> rules = binding_rules(load_catalog(), as_of=date(2026, 11, 20), places=["qingdao"])
    >>> sorted({use.rulebook for use in rules})
    ['gb55015-2021', 'national-2022', 'qingdao-2024']
    """
    known = {*catalog.plans, *catalog.rulebooks}
    if only is not None and (strange := sorted(set(only) - known)):
        raise InputError(
            f"{', '.join(strange)} is no plan and no rulebook",
            doing="choose rules",
            expected=f"some of {', '.join(sorted(known))}",
            next_step="run `dafeng plan list`",
        )
    above: set[str] | None = None
    if places is not None:
        above = set()
        for place in places:
            above |= {place, *catalog.places.ancestor_ids(place, as_of)}
    plans = [plan for plan in catalog.plans.values() if (plan.document.issued_on or as_of) <= as_of]
    uses = [use for plan in plans for use in rules_of_plan(plan, as_of=as_of)]
    uses += [use for book in catalog.rulebooks.values() for use in rules_of_rulebook(book)]
    return tuple(
        use for use in uses if (above is None or use.place in above) and (only is None or use.rulebook in only)
    )

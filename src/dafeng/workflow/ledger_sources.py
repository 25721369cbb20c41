"""Which ledgers, roll-ups and fields the targets of a plan are counted from."""

from __future__ import annotations

from typing import NamedTuple

from dafeng.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.ledger_schemas import Rollup
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Indicator

__all__ = ["LedgerSource", "ledger_sources", "rollups_behind"]


class LedgerSource(NamedTuple):
    """What a target of a plan is counted from; empty where no ledger gives it."""

    target: str
    label: str
    indicator: str
    rollups: tuple[str, ...]
    registers: tuple[str, ...]
    fields: tuple[str, ...]


def ledger_sources(plan: Plan, catalog: Catalog) -> list[LedgerSource]:
    """Return for every target of a plan the roll-ups, registers and fields that it is counted from.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> found = {one.target: one for one in ledger_sources(catalog.plan("qingdao-2024"), catalog)}
    >>> found["ultra-low-2025"].registers[0], found["ultra-low-2025"].rollups, found["rail-2025"].rollups
    ('ultra_low_energy', ('ultra_low_energy_area_total',), ())
    """
    sources = []
    for target in plan.targets:
        rollups = rollups_behind(catalog.indicators.get(target.indicator), catalog)
        if rollups:
            extent = target.extent or catalog.indicators[target.indicator].extent
            rollups = tuple(one for one in rollups if _extent(one, catalog) == extent.value) or rollups
        names: set[str] = set()
        for rollup in rollups:
            texts = [text for text in (rollup.when, rollup.value, rollup.weight) if text]
            names |= {name for text in texts for name in expression_names(text)}
            names |= {rollup.dated, *filter(None, (rollup.until, rollup.done)), *rollup.breakdowns.values()}
        sources.append(
            LedgerSource(
                target.id,
                target.label,
                target.indicator,
                tuple(rollup.id for rollup in rollups),
                tuple(dict.fromkeys(name for rollup in rollups for name in rollup.registers)),
                tuple(sorted(names)),
            )
        )
    return sources


def rollups_behind(indicator: Indicator | None, catalog: Catalog) -> tuple[Rollup, ...]:
    """Return the roll-ups that an indicator is counted by, those of its formula's inputs where all of them are counted."""
    if indicator is None:
        return ()
    own = tuple(rollup for rollup in catalog.rollups.values() if rollup.indicator == indicator.id)
    if own or indicator.formula is None:
        return own
    inputs = [
        [rollup for rollup in catalog.rollups.values() if rollup.indicator == name]
        for name in expression_names(indicator.formula)
    ]
    return tuple(rollup for rollups in inputs for rollup in rollups) if all(inputs) else ()


def _extent(rollup: Rollup, catalog: Catalog) -> str:
    return rollup.extent or catalog.indicators[rollup.indicator].extent.value

"""What the yearly report says of ledgers: what was counted from them, what projects owe, where ledgers contradict themselves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

import polars as pl

from dafeng.base.finding import Finding
from dafeng.buildings.binding_rules import RuleUse
from dafeng.catalog.catalog import Catalog

__all__ = [
    "MEMBER_SCHEMA",
    "LedgerFacts",
    "LedgerFigure",
    "LedgerUse",
    "LedgerValue",
    "Names",
    "OtherSource",
    "Promises",
    "class_name",
    "masked_key",
    "masked_keys",
    "masked_name",
    "row_ranges",
]

MEMBER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "rollup": pl.String(),
    "indicator": pl.String(),
    "classes": pl.String(),
    "period": pl.String(),
    "register": pl.String(),
    "document": pl.String(),
    "sheet": pl.String(),
    "rows": pl.List(pl.Int64()),
}
"""Columns of the rows behind figures: one row for each roll-up, class, period and sheet, with the numbers of its rows."""
_RANGES: Final = 8


class Names(StrEnum):
    """How projects are named in a report."""

    MASKED = "masked"
    FULL = "full"


class LedgerUse(NamedTuple):
    """A register that holds rows."""

    id: str
    title: str
    keeper: str
    things: int
    rows: int
    recorded_on: date
    rollups: int
    """Roll-ups behind figures of this report to which it gives."""


class OtherSource(NamedTuple):
    """What another dataset says of the same fact."""

    dataset: str
    value: float
    """In the unit that is shown."""


class LedgerValue(NamedTuple):
    """What a ledger says of one period."""

    period: str
    title: str
    """Period in Chinese."""
    value: float | None
    """In the unit that is shown; None where all that could count is open."""
    coverage: float | None
    things: tuple[int, ...]
    """Things that count, of each roll-up that enters."""
    open: int
    """Things of which it is not known whether they count."""
    others: tuple[OtherSource, ...]
    before: float | None
    """Value before the ledger was corrected, where it was and differs."""
    changed_on: date | None
    """When the corrected value was recorded."""


class LedgerFigure(NamedTuple):
    """A quantity of the plan as ledgers give it."""

    indicator: str
    label: str
    extent: str
    unit: str
    state: bool
    """Whether it is a condition that is fulfilled or not, and no amount."""
    values: tuple[LedgerValue, ...]
    """Last whole year, then the part of the running one, where known."""
    rollups: tuple[str, ...]
    rule: str
    """How it is counted, in Chinese."""
    pending: str
    """Worst grade of what it rests on where that is to be verified, else empty."""
    registers: tuple[str, ...]
    """Titles, the most trusted first."""
    leads: bool
    """Whether it goes before what is reported."""


class Promises(NamedTuple):
    """What earlier stages promised of one field against what later ones built."""

    register: str
    field: str
    kept: int
    broken: int
    open: int
    """Promises of things not built yet, or of values that have no better or worse."""
    examples: tuple[tuple[str, str, str], ...]
    """Key, promised and built of broken ones."""


@dataclass(frozen=True)
class LedgerFacts:
    """What the report is given of the ledgers of a place.

    Parameters
    ----------
    registers : sequence of LedgerUse
    figures : sequence of LedgerFigure
        Quantities of the plan that are counted from ledgers, in the plan's order.
    members : DataFrame of `MEMBER_SCHEMA`
        Which rows stand behind them.
    projects : int
        Projects checked for obligations.
    counts, failing : DataFrame
        Of `dafeng.workflow.projects.Programme`.
    rules : sequence of RuleUse
    promises : sequence of Promises
    contradictions : sequence of Finding
        What ledgers say against themselves or each other, and what keeps things from being counted.
    stale : sequence of str
        Labels of figures whose ledgers have changed since they were counted.
    recorded_on : date or None
        Day of the newest roll-up; None where nothing was counted.
    catalog : Catalog
    shown : Names
        Whether projects are named in full.
    """

    registers: Sequence[LedgerUse]
    figures: Sequence[LedgerFigure]
    members: pl.DataFrame
    projects: int
    counts: pl.DataFrame
    failing: pl.DataFrame
    rules: Sequence[RuleUse]
    promises: Sequence[Promises]
    contradictions: Sequence[Finding]
    stale: Sequence[str]
    recorded_on: date | None
    catalog: Catalog = field(repr=False)
    shown: Names = Names.MASKED

    @property
    def duties(self) -> pl.DataFrame:
        """Failing checks of duties, not wishes, that are due."""
        return self.failing.filter(~pl.col("soft"))

    @property
    def failing_projects(self) -> int:
        """Projects that fail a duty."""
        return self.duties["key"].n_unique()

    @property
    def broken(self) -> int:
        """Promises that were not kept."""
        return sum(one.broken for one in self.promises)

    @property
    def corrected(self) -> list[tuple[LedgerFigure, LedgerValue]]:
        """Values that were counted anew after a correction."""
        return [(one, value) for one in self.figures for value in one.values if value.before is not None]

    def manifest(self) -> dict[str, Any]:
        """Return what the report rests on, for its manifest."""
        said = [[one.indicator, one.label, [value._asdict() for value in one.values]] for one in self.figures]
        return {
            "registers": {one.id: [one.things, one.rows] for one in self.registers},
            "figures": len(self.figures),
            "digest": hashlib.sha256(json.dumps(said, default=str, sort_keys=True).encode()).hexdigest(),
            "projects": self.projects,
            "failing_projects": self.failing_projects,
            "failures": self.duties.height,
            "broken_promises": self.broken,
            "contradictions": len(self.contradictions),
            "stale": list(self.stale),
            "names": self.shown.value,
        }

    def key(self, key: str) -> str:
        """Return a project's key as this report shows it."""
        return masked_key(key) if self.shown is Names.MASKED else key

    def name(self, name: str | None) -> str:
        """Return a project's name as this report shows it."""
        return "" if not name else masked_name(name) if self.shown is Names.MASKED else name


def class_name(code: str, catalog: Catalog) -> str:
    """Return the Chinese name of a class, whichever breakdown it is of.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> class_name("residential", load_catalog()), class_name("nonesuch", load_catalog())
    ('居住建筑', 'nonesuch')
    """
    return next((terms[code].zh for terms in catalog.terms.values() if code in terms), code)


def masked_key(key: str) -> str:
    """Return a project code of which its keeper still knows the project and nobody else does.

    Examples
    --------
    >>> masked_key("2021-990103-47-01-000469"), masked_key("A7")
    ('2021-990103-**********69', 'A*')
    """
    head = len(key) // 2
    tail = min(2, len(key) - head - 1)
    return key[:head] + "*" * (len(key) - head - tail) + key[len(key) - tail :] if tail > 0 else key[:1] + "*"


def masked_keys(sentence: str, keys: Iterable[str]) -> str:
    """Return a sentence with project codes masked; a code that is part of a longer one leaves the longer one alone.

    Examples
    --------
    >>> masked_keys("P1、P10 与 P100 重复", ["P1", "P10", "P100"])
    'P*、P*0 与 P1*0 重复'
    """
    longest = sorted(filter(None, keys), key=len, reverse=True)
    if not longest:
        return sentence
    return re.sub("|".join(map(re.escape, longest)), lambda found: masked_key(found[0]), sentence)


def masked_name(name: str) -> str:
    """Return a name with its middle hidden.

    Examples
    --------
    >>> masked_name("瑞春桐旧址拆除工程"), masked_name("甲")
    ('瑞×××工程', '甲×××')
    """
    return f"{name[:1]}×××{name[-2:] if len(name) > 3 else ''}"


def row_ranges(rows: Sequence[int], *, most: int = _RANGES) -> str:
    """Return row numbers as ranges, and how many they are where not all are shown.

    Examples
    --------
    >>> row_ranges([2, 3, 4, 9])
    '第2—4、9行'
    >>> row_ranges([2, 4, 6, 8], most=2)
    '第2、4行等，共4行'
    """
    series = pl.Series(sorted(set(rows)), dtype=pl.Int64)
    if series.is_empty():
        return ""
    runs = (series.diff().fill_null(1) != 1).cum_sum()
    spans = pl.DataFrame({"row": series, "run": runs}).group_by("run", maintain_order=True)
    found = spans.agg(low=pl.col("row").min(), high=pl.col("row").max()).select("low", "high").rows()
    text = "、".join(f"{low}" if low == high else f"{low}—{high}" for low, high in found[:most])
    return f"第{text}行" + (f"等，共{series.len()}行" if len(found) > most else "")

"""The account of a boundary: every amount in one component, every figure with its lineage, what is missing by name.

::

    activities ── flow (one) ──► component ─┐
    dated rates ── declared rule ───────────┴─► cells by class and carrier ─► components ─► views of the boundary

Electricity is reckoned location-based always; where a boundary names market factors, market-based rows stand beside and
are in no location-based sum. A component of which anything is missing, contradictory or given twice is named and not
published, nor is any view that needs it. A memo component stands outside every view.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import KEY, SCHEMA
from dafeng.carbon.activities import UNIT
from dafeng.carbon.publishing import complete_views, publish, view_members, view_terms
from dafeng.carbon.slab import BASES, Slab, compute_slab
from dafeng.carbon.uncertainty import Terms, sum_terms
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Boundary, Scope
from dafeng.methods.rates import RatePolicy

__all__ = ["Inventory", "MissingComponent", "Part", "Settings", "account"]

_BATCH: Final = 4096
_TOTALS: Final = (*UNIT, "basis", "boundary")


class MissingComponent(NamedTuple):
    """A component that an account lacks, or has only in part."""

    place: str
    """Place id."""
    year: int
    """Year."""
    component: str
    """Code of the component."""
    why: str
    """Why, in Chinese."""


class Settings(NamedTuple):
    """What an account was asked for."""

    boundary: Boundary
    """The boundary."""
    policy: RatePolicy
    """Rules by which rates are chosen."""
    as_of: date
    """Rates published later are not yet known."""
    recorded_at: datetime
    """When the account was made."""
    split: frozenset[str] | None
    """Splits that are on; those that are by default where None."""
    gross_purchases: bool
    """Whether purchases still contain photovoltaics used on site."""


class Part(NamedTuple):
    """A slab and which of its accounts still count."""

    slab: Slab
    """Computed piece."""
    live: NDArray[np.bool_]
    """One truth value an account; a restatement replaces single accounts."""
    recorded_at: datetime
    """When it was computed; what a restatement does not touch keeps its own."""


@dataclass(frozen=True, eq=False)
class Inventory:
    """The account of one boundary for any number of places and years."""

    settings: Settings
    """What was asked."""
    catalog: Catalog = field(repr=False)
    """Catalog from which rates came."""
    parts: tuple[Part, ...] = field(repr=False)
    """Computed pieces."""

    @property
    def findings(self) -> list[Finding]:
        """What was refused, left out or carried."""
        return [finding for part in self.parts for finding in part.slab.findings]

    @cached_property
    def published(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Observations and lineage of the whole account; `batches` gives the same piece by piece."""
        pairs = list(self.batches())
        if not pairs:
            return pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=LINEAGE_SCHEMA)
        observations = pl.concat([observations for observations, _ in pairs]).sort(KEY)
        return observations, pl.concat([lineage for _, lineage in pairs]).unique("id").sort("id")

    @property
    def observations(self) -> pl.DataFrame:
        """Results, of `SCHEMA`: ``boundary`` holds the component or view, ``basis`` the basis of electricity."""
        return self.published[0]

    @property
    def lineage(self) -> pl.DataFrame:
        """Lineage of the results, of `LINEAGE_SCHEMA`."""
        return self.published[1]

    def batches(self, accounts: int = _BATCH) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield observations and lineage of up to `accounts` places and years at a time.

        A lineage row may come again in a later batch; its id is its content.
        """
        for slab, live, recorded_at in self.parts:
            for first in range(0, slab.units.height, accounts):
                last = min(first + accounts, slab.units.height)
                if live[first:last].any():
                    yield publish(slab, self.settings.boundary, live, first, last, recorded_at=recorded_at)

    @property
    def missing(self) -> tuple[MissingComponent, ...]:
        """Components that an account lacks or has only in part, and why."""
        rows = self.missing_table.select("place", pl.col("period").cast(pl.Int64).alias("year"), "component", "why")
        return tuple(MissingComponent(*row) for row in rows.iter_rows())

    @cached_property
    def missing_table(self) -> pl.DataFrame:
        """The same as a table: columns of `UNIT`, component, why, rows; location-based."""
        codes = [component.code for component in self.settings.boundary.components]
        counted = [
            number
            for number, component in enumerate(self.settings.boundary.components)
            if component.scope is not Scope.MEMO
        ]
        needed = [number for number in counted if not self.settings.boundary.components[number].optional]
        frames = []
        for slab, live, _ in self.parts:
            absent = np.argwhere(~slab.present[:, 0, :])
            absent = absent[np.isin(absent[:, 1], needed)]
            gone = pl.DataFrame({"unit": absent[:, 0], "component": absent[:, 1]}).with_columns(
                why=pl.lit("没有该组成部分的活动数据"), rows=pl.lit(0, dtype=pl.Int64)
            )
            faulty = slab.problems.filter(pl.col("basis") == 0, pl.col("component").is_in(counted))
            stated = faulty.select("unit", "component", "why", "rows")
            gone = gone.join(stated, on=["unit", "component"], how="anti")
            both = pl.concat([stated, gone]).filter(pl.Series(live).gather(pl.concat([stated, gone])["unit"]))
            units = slab.units.with_columns(pl.col(UNIT).cast(pl.String))
            frames.append(
                both.select(
                    **{name: units[name].gather(both["unit"]) for name in UNIT},
                    component=pl.Series(codes, dtype=pl.String).gather(both["component"]),
                    why="why",
                    rows="rows",
                )
            )
        return pl.concat(frames).sort(*UNIT, "component", "why")

    def totals(self, by: Sequence[str] = (), *, partial: bool = False) -> pl.DataFrame:
        """Return components and views by account, and by class, carrier or both.

        Parameters
        ----------
        by : sequence of str
            Of building_class and carrier. Amounts that no class or carrier is stated for stand under ``all``: here it is
            what remains, so that the rows of an account add up to its total.
        partial : bool
            Also give components that are not complete, with ``complete`` false; views never.

        Returns
        -------
        DataFrame
            Columns of `UNIT`, basis, boundary, those of `by`, value, low, high, complete.

        Raises
        ------
        UsageError
            `by` names something else.
        """
        if not set(by) <= {"building_class", "carrier"}:
            raise UsageError(
                f"totals cannot be given by {', '.join(by)}",
                doing="sum an account",
                expected="building_class, carrier or both",
                next_step="leave the others away",
            )
        frames = [_slab_totals(part, self.settings.boundary, by, partial=partial) for part in self.parts]
        return pl.concat(frames).sort([*_TOTALS, *by])


def account(
    observations: pl.DataFrame | pl.LazyFrame,
    catalog: Catalog,
    boundary_id: str,
    *,
    policy: RatePolicy,
    as_of: date,
    recorded_at: datetime,
    split: Collection[str] | None = None,
    gross_purchases: bool = False,
) -> Inventory:
    """Account for the emissions of every place and year that the observations speak of.

    Parameters
    ----------
    observations : DataFrame or LazyFrame
        Columns of `SCHEMA`, and ``version`` where known; one current version a key. Rows of indicators that the boundary
        does not name are left aside, and so are parts of years.
    catalog : Catalog
    boundary_id : str
    policy : RatePolicy
        Rules by which rates are chosen where the year itself has none.
    as_of : date
        Rates published later are not yet known.
    recorded_at : datetime
    split : collection of str, optional
        Splits that are on; those that the boundary switches on by default where None.
    gross_purchases : bool
        Purchases are stated gross of photovoltaics used on site, which then lowers them.

    Returns
    -------
    Inventory

    Raises
    ------
    UnknownNameError
        No such boundary or split.
    InputError
        A column is missing, or two rows have one key.

    Examples
    --------
    >>> from datetime import UTC
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> power = Observation(indicator="building_electricity", place="qingdao", period="2023", value=1e6,
    ...                     dataset="grid-company", recorded_at=noon)
    >>> inventory = account(observation_frame([power]), catalog, "urban-rural-construction", policy=RatePolicy(),
    ...                     as_of=date(2026, 11, 20), recorded_at=noon)
    >>> inventory.totals().filter(basis="location_based").select("boundary", "value").rows()
    [('purchased_electricity', 619.1)]
    >>> inventory.missing[0].component
    'construction'
    """
    boundary = catalog.boundaries.get(boundary_id)
    if boundary is None:
        close = close_names(boundary_id, catalog.boundaries) or sorted(catalog.boundaries)
        raise UnknownNameError(
            f"no boundary is called {boundary_id!r}",
            doing="account for emissions",
            expected=f"one of {', '.join(close)}",
            next_step="add the boundary to catalog/boundaries",
        )
    chosen = None if split is None else frozenset(split)
    settings = Settings(boundary, policy, as_of, recorded_at, chosen, gross_purchases)
    slab = compute_slab(
        observations, catalog, boundary, policy=policy, as_of=as_of, split=chosen, gross_purchases=gross_purchases
    )
    return Inventory(settings, catalog, (Part(slab, np.ones(slab.units.height, bool), recorded_at),))


def _slab_totals(part: Part, boundary: Boundary, by: Sequence[str], *, partial: bool) -> pl.DataFrame:
    slab, live, _ = part
    layout = slab.layout
    terms = slab.terms if live.all() else slab.terms.take(live[slab.terms.keys // layout.per_unit])
    unit, basis, component, *_ = layout.decode(terms.keys)
    complete, refused = slab.complete(), slab.refused()
    kept = ~refused[unit, basis, component] if partial else complete[unit, basis, component]
    names: list[str] = [*layout.components]
    frames = [_by(terms.take(kept), slab, basis[kept], component[kept], by)]
    members = view_members(boundary)
    for number in range(len(BASES)):
        for view, (whole, here) in complete_views(slab, boundary, members, number).items():
            own = view_terms(slab, boundary, members[view][0], number, terms)
            unit, _, component, *_ = layout.decode(own.keys)
            own = own.take(whole[unit] & here[unit, component])
            if view not in names:
                names.append(view)
            shape = np.full(len(own), number), np.full(len(own), names.index(view))
            frames.append(_by(own, slab, *shape, by))
    rows = pl.concat(frames)
    units = slab.units.with_columns(pl.col(UNIT).cast(pl.String))
    whole_components = complete.reshape(-1)
    offered = (rows["unit"] * len(BASES) + rows["basis"]) * len(layout.components)
    is_component = (rows["boundary"] < len(layout.components)).to_numpy()
    flags = np.ones(rows.height, bool)
    flags[is_component] = whole_components[(offered + rows["boundary"]).to_numpy()[is_component]]
    return rows.select(
        **{name: pl.lit(units[name].gather(rows["unit"])) for name in UNIT},
        basis=pl.lit(pl.Series(BASES, dtype=pl.String).gather(rows["basis"])),
        boundary=pl.lit(pl.Series(names, dtype=pl.String).gather(rows["boundary"])),
        **{name: pl.col(name) for name in by},
        value=pl.col("value").round_sig_figs(15),
        low=(pl.col("value") - pl.col("below")).fill_nan(None),
        high=(pl.col("value") + pl.col("above")).fill_nan(None),
        complete=pl.lit(pl.Series(flags)),
    )


def _by(
    terms: Terms, slab: Slab, basis: NDArray[np.int64], boundary: NDArray[np.int64], by: Sequence[str]
) -> pl.DataFrame:
    """Sum terms by account, basis, component or view, and the columns of `by`."""
    layout = slab.layout
    unit, _, _, building_class, carrier, _ = layout.decode(terms.keys)
    codes = {
        "building_class": (building_class, layout.classes),
        "carrier": (carrier, layout.carriers),
    }
    key = unit * len(BASES) + basis
    most = int(boundary.max(initial=0)) + 1
    key = key * most + boundary
    for name in by:
        code, texts = codes[name]
        key = key * len(texts) + code
    sums = sum_terms(terms.with_keys(key))
    rest = sums.keys
    columns: dict[str, pl.Series] = {}
    for name in reversed(by):
        texts = codes[name][1]
        rest, code = np.divmod(rest, len(texts))
        columns[name] = pl.Series(texts, dtype=pl.String).gather(pl.Series(code))
    rest, boundary = np.divmod(rest, most)
    unit, basis = np.divmod(rest, len(BASES))
    return pl.DataFrame(
        {"unit": unit, "basis": basis, "boundary": boundary}
        | {name: columns[name] for name in by}
        | {"value": sums.totals, "below": sums.below, "above": sums.above}
    )

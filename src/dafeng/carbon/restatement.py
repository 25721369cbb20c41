"""Restating an account: a new factor, a correction or another split recomputes what it touches and says what changed.

What is not touched keeps its values to the last bit, and the day on which it was recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.finding import Finding
from dafeng.base.observation import KEY
from dafeng.carbon.activities import UNIT
from dafeng.carbon.factors import USE, choose_multipliers, rate_holders
from dafeng.carbon.flows import active_splits, match_flows
from dafeng.carbon.inventory import Inventory, Part, Settings
from dafeng.carbon.slab import Slab, compute_slab
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Boundary, Factor, Flow
from dafeng.methods.rates import RatePolicy

__all__ = ["Restatement", "restate"]

_TOUCH: Final = ("place", "period")
_ROW: Final = (*UNIT, "basis", "boundary")
_CODES: Final = ("indicator", "carrier", "end_use", "building_class")
_CAUSE: Final[dict[str, pl.DataType]] = {
    "place": pl.String(),
    "period": pl.String(),
    "component": pl.String(),
    "cause": pl.String(),
}


@dataclass(frozen=True, eq=False)
class Restatement:
    """An account made anew where it had to be."""

    inventory: Inventory
    """The restated account, untouched places and years included."""
    rows: pl.DataFrame
    """One row a component or view that changed: columns of `UNIT`, year, basis, boundary, before, after (null where it is
    not complete), difference, cause."""
    touched: Inventory = field(repr=False)
    """The recomputed places and years alone: what is to be published."""
    before: Inventory = field(repr=False)
    """The same places and years as they stood."""

    @property
    def findings(self) -> list[Finding]:
        """What was found while recomputing."""
        return self.touched.findings

    @cached_property
    def withdrawn(self) -> pl.DataFrame:
        """Keys of observations that stood before and are no longer given: they are to be withdrawn."""
        before, after = (one.observations.select(KEY) for one in (self.before, self.touched))
        return before.join(after, on=list(KEY), how="anti")


def restate(
    before: Inventory,
    *,
    recorded_at: datetime,
    changes: pl.DataFrame | None = None,
    catalog: Catalog | None = None,
    as_of: date | None = None,
    policy: RatePolicy | None = None,
    split: Collection[str] | None = None,
) -> Restatement:
    """Restate an account after a correction of activities, a new or corrected factor, another rule or another split.

    Parameters
    ----------
    before : Inventory
    recorded_at : datetime
    changes : DataFrame, optional
        Activity rows that are new or replace the row of the same key; a withdrawn one removes it.
    catalog : Catalog, optional
        With other factors or another version of the boundary.
    as_of : date, optional
        A later day, on which more factors are known.
    policy : RatePolicy, optional
    split : collection of str, optional
        Splits that are on from now; as before where None.

    Returns
    -------
    Restatement
        Each difference with its cause: the rate before and after, the activity corrected, the boundary or split.

    Examples
    --------
    >>> from datetime import UTC
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.carbon.inventory import account
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.methods.rates import Rule
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> power = Observation(indicator="building_electricity", place="qingdao", period="2023", value=1e6,
    ...                     dataset="grid-company", recorded_at=noon)
    >>> held = RatePolicy(rules=(Rule.exact(), Rule.hold_last(1)))
    >>> known_then = account(observation_frame([power]), load_catalog(), "urban-rural-construction", policy=held,
    ...                      as_of=date(2025, 6, 30), recorded_at=noon)
    >>> restated = restate(known_then, recorded_at=noon, as_of=date(2026, 11, 20))
    >>> row = restated.rows.filter(basis="location_based").row(0, named=True)
    >>> row["boundary"], row["before"], row["after"], round(row["difference"], 9)
    ('purchased_electricity', 641.0, 619.1, -21.9)
    """
    old = before.settings
    new_catalog = before.catalog if catalog is None else catalog
    boundary = new_catalog.boundaries.get(old.boundary.id, old.boundary)
    settings = Settings(
        boundary,
        old.policy if policy is None else policy,
        old.as_of if as_of is None else as_of,
        recorded_at,
        old.split if split is None else frozenset(split),
        old.gross_purchases,
    )
    causes = [_of_boundary(before, settings)]
    if not causes[0].height:
        causes.append(_of_rates(before, new_catalog, settings))
    if changes is not None and changes.height:
        causes.append(_of_activities(changes, boundary, settings))
    cause = pl.concat(causes).unique().sort(list(_CAUSE))
    places = cause.select(_TOUCH).unique()
    kept, replaced, sources = [], [], []
    for slab, live, recorded in before.parts:
        touched = _touched(slab, places)
        kept.append(Part(slab, live & ~touched, recorded))
        replaced.append(Part(slab, live & touched, recorded))
        if (live & touched).any():
            sources.append(_source(slab, live & touched))
    observations = _corrected(sources, changes)
    fresh: tuple[Part, ...] = ()
    if observations is not None:
        slab = compute_slab(
            observations,
            new_catalog,
            boundary,
            policy=settings.policy,
            as_of=settings.as_of,
            split=settings.split,
            gross_purchases=settings.gross_purchases,
        )
        fresh = (Part(slab, np.ones(slab.units.height, bool), recorded_at),)
    after = Inventory(settings, new_catalog, fresh)
    stood = Inventory(old, before.catalog, tuple(part for part in replaced if part.live.any()))
    parts = (*(part for part in kept if part.live.any()), *fresh)
    return Restatement(Inventory(settings, new_catalog, parts), _compare(stood, after, cause, boundary), after, stood)


def _touched(slab: Slab, places: pl.DataFrame) -> NDArray[np.bool_]:
    units = slab.units.select(pl.col(_TOUCH).cast(pl.String))
    marks = units.join(places.with_columns(mark=pl.lit(True)), on=list(_TOUCH), how="left", maintain_order="left")
    return marks["mark"].fill_null(False).to_numpy()


def _source(slab: Slab, live: NDArray[np.bool_]) -> pl.DataFrame:
    wanted = slab.units.filter(pl.Series(live)).select(_TOUCH).unique()
    return slab.source.join(wanted, on=list(_TOUCH), how="semi")


def _corrected(sources: list[pl.DataFrame], changes: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return the observations of the touched accounts, corrected rows in the place of those that they replace."""
    known = [source.with_columns(pl.col(pl.Categorical).cast(pl.String)) for source in sources]
    if changes is None or not changes.height:
        return pl.concat(known) if known else None
    named = [name for name in ("version", "lineage") if name in changes.columns]
    version = pl.coalesce(named) if named else pl.lit(None, dtype=pl.String)
    if not known:
        return changes
    fresh = changes.with_columns(version=version).select(known[0].columns)
    stood = pl.concat(known).join(fresh, on=list(KEY), how="anti")
    return pl.concat([stood, fresh])


def _of_boundary(before: Inventory, settings: Settings) -> pl.DataFrame:
    """Every place and year is touched where the boundary or the splits are others."""
    old = before.settings
    was, now = ([split.id for split in active_splits(one.boundary, one.split)] for one in (old, settings))
    if old.boundary == settings.boundary and was == now:
        return pl.DataFrame(schema=_CAUSE)
    what = "边界改动" if old.boundary != settings.boundary else "划分规则改动"
    text = f"{what}：{'、'.join(was) or '无'} → {'、'.join(now) or '无'}"
    places = [slab.units.select(pl.col(_TOUCH).cast(pl.String)) for slab, _, _ in before.parts]
    return pl.concat(places).unique().select(*_TOUCH, component=pl.lit(""), cause=pl.lit(text))


def _of_rates(before: Inventory, catalog: Catalog, settings: Settings) -> pl.DataFrame:
    """Find the uses whose rate is another one now; only those of factors that changed are looked at."""
    old = before.settings
    frames = [pl.DataFrame(schema=_CAUSE)]
    subjects = _changed_subjects(before.catalog.factors, catalog.factors, old.as_of, settings.as_of)
    everything = old.policy != settings.policy
    for slab, live, _ in before.parts:
        if not slab.uses.height or not (everything or subjects):
            continue
        frames.append(_of_holders(slab, before, catalog, settings))
        chosen = [
            slab.uses.filter(pl.col("flow") == number).filter(pl.lit(True) if everything else _asks(flow, subjects))
            for number, flow in enumerate(settings.boundary.flows)
        ]
        asked = pl.concat(chosen)
        if not asked.height:
            continue
        rates, _ = choose_multipliers(
            asked.select("use", *USE), catalog, settings.boundary, policy=settings.policy, as_of=settings.as_of
        )
        compared = asked.join(rates, on="use", suffix=".new")
        for basis, prefix in enumerate(("", "market_")):
            differs = pl.any_horizontal(
                pl.col(f"{prefix}{name}").ne_missing(pl.col(f"{prefix}{name}.new")) for name in ("multiplier", "note")
            )
            changed = compared.filter(differs).select(
                pl.col("use").cast(pl.Int32),
                cause=pl.format("系数 {} → {}", f"{prefix}label", f"{prefix}label.new"),
            )
            if changed.height:
                frames.append(_users(slab, live, changed, basis))
    return pl.concat(frames)


def _of_holders(slab: Slab, before: Inventory, catalog: Catalog, settings: Settings) -> pl.DataFrame:
    """Return the places for which a nearer place holds factors now, or no longer does."""
    places = slab.units["place"].unique().cast(pl.String)
    old = rate_holders(places, before.catalog, settings.boundary, before.settings.policy)
    new = rate_holders(places, catalog, settings.boundary, settings.policy)
    other = old.join(new, on=["flow", "place"], suffix=".new").filter(pl.col("holder") != pl.col("holder.new"))
    if not other.height:
        return pl.DataFrame(schema=_CAUSE)
    components = pl.Series([flow.component for flow in settings.boundary.flows], dtype=pl.String)
    years = slab.units.select(pl.col(_TOUCH).cast(pl.String)).unique()
    return (
        other.with_columns(pl.col("place").cast(pl.String), component=pl.lit(components).gather(pl.col("flow")))
        .join(years, on="place")
        .select(*_TOUCH, "component", cause=pl.format("系数所属地方 {} → {}", "holder", "holder.new"))
    )


def _users(slab: Slab, live: NDArray[np.bool_], changed: pl.DataFrame, basis: int) -> pl.DataFrame:
    """Return the places, years and components whose terms have a changed rate."""
    marks = np.zeros(slab.uses.height, bool)
    marks[changed["use"].to_numpy()] = True
    hit = marks[slab.traces["use"].to_numpy()] & (slab.traces["basis"] == basis).to_numpy()
    unit, _, component, *_ = slab.layout.decode(slab.traces["key"].to_numpy()[hit])
    touched = pl.DataFrame({"unit": unit, "component": component, "use": slab.traces["use"].filter(pl.Series(hit))})
    touched = touched.filter(pl.Series(live[unit])).unique().join(changed, on="use")
    places = slab.units.select(pl.col(_TOUCH).cast(pl.String))
    return touched.select(
        *(pl.lit(places[name]).gather(pl.col("unit")).alias(name) for name in _TOUCH),
        component=pl.lit(pl.Series(slab.layout.components)).gather(pl.col("component")),
        cause="cause",
    )


def _changed_subjects(
    old: dict[str, Factor], new: dict[str, Factor], old_day: date, new_day: date
) -> set[tuple[str, str]]:
    """Return family and subject of every factor of which another value is known now."""
    earlier, later = min(old_day, new_day), max(old_day, new_day)
    changed = {
        (factor.family, factor.subject)
        for name in old.keys() | new.keys()
        if old.get(name) != new.get(name)
        for factor in (old.get(name), new.get(name))
        if factor is not None
    }
    return changed | {
        (factor.family, factor.subject)
        for factor in new.values()
        if any(earlier < value.published_on <= later for value in factor.values)
    }


def _asks(flow: Flow, subjects: Collection[tuple[str, str]]) -> pl.Expr:
    """Return whether a use of a flow asks for one of the changed factors."""
    asked = [pl.lit(False)]
    for factor in (flow.factor, flow.market_factor):
        if factor is not None:
            named = sorted(subject for family, subject in subjects if family == factor.family)
            subject = pl.lit(factor.subject) if factor.subject is not None else pl.col(factor.per.value).cast(pl.String)
            asked.append(subject.is_in(named))
    if flow.convert is not None:
        asked.append(pl.col("carrier").cast(pl.String).is_in([name for kind, name in subjects if kind == flow.convert]))
    return pl.any_horizontal(asked)


def _of_activities(changes: pl.DataFrame, boundary: Boundary, settings: Settings) -> pl.DataFrame:
    named = changes.with_columns(pl.col(_CODES).cast(pl.String))
    matched = match_flows(named.select(_CODES).unique(), boundary, active_splits(boundary, settings.split))
    owners = {flow.indicator for flow in boundary.flows}
    return (
        named.filter(pl.col("indicator").is_in(sorted(owners)))
        .join(matched, on=list(_CODES), how="left")
        .select(
            *(pl.col(name).cast(pl.String) for name in _TOUCH),
            component=pl.col("component").fill_null(""),
            cause=pl.format("活动数据更正：{}（{}）", "indicator", pl.col("dataset").cast(pl.String)),
        )
    )


def _compare(before: Inventory, after: Inventory, cause: pl.DataFrame, boundary: Boundary) -> pl.DataFrame:
    empty = pl.DataFrame(schema={**{name: pl.String() for name in _ROW}, "value": pl.Float64()})
    sides = [pl.concat([empty, one.totals().select(*_ROW, "value")]) if one.parts else empty for one in (before, after)]
    rows = (
        sides[0]
        .rename({"value": "before"})
        .join(sides[1].rename({"value": "after"}), on=list(_ROW), how="full", coalesce=True)
        .filter(pl.col("before").ne_missing(pl.col("after")))
    )
    members = pl.DataFrame(
        [(code, code) for code in [component.code for component in boundary.components]]
        + [(code, "") for code in [*(component.code for component in boundary.components), *boundary.views]]
        + [(view, flow.component) for view in boundary.views for flow in boundary.flows_of(view)],
        schema={"boundary": pl.String, "component": pl.String},
        orient="row",
    ).unique()
    texts = (
        cause.join(members, on="component")
        .group_by(*_TOUCH, "boundary")
        .agg(pl.col("cause").unique().sort().str.join("；"))
    )
    return (
        rows.join(texts, on=[*_TOUCH, "boundary"], how="left")
        .with_columns(year=pl.col("period").cast(pl.Int32), difference=pl.col("after") - pl.col("before"))
        .select(*UNIT, "year", "basis", "boundary", "before", "after", "difference", "cause")
        .sort(_ROW)
    )

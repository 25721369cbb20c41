"""An account as observations with their lineage: cells, sums over them, and views, account by account."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import SCHEMA
from dafeng.carbon.activities import REVIEWS, UNIT
from dafeng.carbon.slab import BASES, Layout, Slab, marketed_components
from dafeng.carbon.uncertainty import Sums, Terms, sum_terms
from dafeng.catalog.carbon_schemas import Boundary, Scope

__all__ = ["INDICATOR", "ViewMembers", "complete_views", "publish", "view_members", "view_terms"]

INDICATOR: Final = "field_co2"
"""Indicator of every result."""
_WHOLE_HASH: Final = 32
_HALF: Final = 12  # of these, hexadecimal digits that stand for the rate
_DIGITS: Final = 15  # the order of summands shows in the digits after these
_UNKNOWN_DAY: Final = 2**31 - 1
_NO_TEXT: Final = ("document", "file", "sheet", "cell")

Integers = NDArray[np.int64]
ViewMembers = dict[str, tuple[NDArray[np.bool_], tuple[int, ...]]]
"""By view: which (component, flow) it takes, and the components that must be complete."""


def view_members(boundary: Boundary) -> ViewMembers:
    """Return what each view is made of.

    A flow that a split has moved no longer stands under its own component, and so in no view that names the flow. An
    optional component takes part where it is complete.
    """
    codes = [component.code for component in boundary.components]
    members: ViewMembers = {}
    for view, names in sorted(boundary.views.items()):
        takes = np.zeros((len(codes), len(boundary.flows)), bool)
        needed = set()
        for name in names:
            if name in codes:
                takes[codes.index(name)] = True
                needed.add(name)
        for number, flow in enumerate(boundary.flows):
            if flow.id in names:
                takes[codes.index(flow.component), number] = True
                needed.add(flow.component)
        required = tuple(
            number
            for number, component in enumerate(boundary.components)
            if component.code in needed and not component.optional and component.scope is not Scope.MEMO
        )
        members[view] = (takes, required)
    return members


def view_terms(slab: Slab, boundary: Boundary, takes: NDArray[np.bool_], basis: int, terms: Terms) -> Terms:
    """Return the terms of a view on one basis; components without a market-based value stand for both."""
    _, of_basis, component, _, _, flow = slab.layout.decode(terms.keys)
    wanted = _marketed(boundary)[component] if basis else np.zeros(len(terms), bool)
    return terms.take(takes[component, flow] & (of_basis == wanted))


def complete_views(
    slab: Slab, boundary: Boundary, members: ViewMembers, basis: int
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return by view which accounts have it complete, and which components then take part, shape (account, component)."""
    complete = slab.complete()
    here = complete[:, 0, :].copy()
    if basis:
        marketed = _marketed(boundary)
        here[:, marketed] = complete[:, 1, marketed]
    found = {}
    for view, (takes, required) in members.items():
        whole = np.asarray(here[:, list(required)].all(axis=1)) & (here & takes.any(axis=1)).any(axis=1)
        if basis:
            own = np.array([flow.market_factor is not None for flow in boundary.flows])
            whole &= bool((takes.any(axis=0) & own).any())
        found[view] = (whole, here)
    return found


def _marketed(boundary: Boundary) -> NDArray[np.bool_]:
    codes = marketed_components(boundary)
    return np.array([component.code in codes for component in boundary.components])


def publish(
    slab: Slab, boundary: Boundary, live: NDArray[np.bool_], first: int, last: int, *, recorded_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return observations and lineage of the accounts numbered `first` up to `last` that are live.

    Returns
    -------
    observations : DataFrame of `SCHEMA`
        Cells by class and carrier; sums over classes by carrier; components; views. Only what is complete.
    lineage : DataFrame of `LINEAGE_SCHEMA`
        Of a cell its activities and rates, of a sum the lineage of its parts.
    """
    layout = slab.layout
    start, stop = np.searchsorted(slab.terms.keys, [first * layout.per_unit, last * layout.per_unit])
    terms = slab.terms.take(np.arange(start, stop))
    unit, basis, component, *_ = layout.decode(terms.keys)
    usable = live[unit] & ~slab.refused()[unit, basis, component]
    if not usable.all():
        terms = terms.take(usable)
    classes, carriers = len(layout.classes), len(layout.carriers)
    all_class, all_carrier = layout.classes.index("all"), layout.carriers.index("all")

    cells = _frame(sum_terms(terms.with_keys(terms.keys // layout.flows)))
    cells = cells.with_columns(
        cls=pl.col("key") // carriers % classes,
        carrier=pl.col("key") % carriers,
        group=pl.col("key") // (classes * carriers),
    ).join(_cell_lineage(slab, boundary, first, last), on="key", how="left", maintain_order="left")
    accounts = _account_lineage(cells, slab, boundary)
    has_carrier = cells.group_by("group").agg(mixed=(pl.col("carrier") != all_carrier).any())
    shown_cells = cells.join(has_carrier, on="group", how="left", maintain_order="left").filter(
        pl.col("cls") != all_class, (pl.col("carrier") != all_carrier) | ~pl.col("mixed")
    )
    sums = _frame(_sum_by(terms, layout.flows, classes * carriers, carriers)).with_columns(
        cls=pl.lit(all_class, dtype=pl.Int64), carrier=pl.col("key") % carriers, group=pl.col("key") // carriers
    )
    condensed = _condensed(terms, layout)
    totals = _frame(sum_terms(condensed.with_keys(condensed.keys // layout.flows)))
    complete = slab.complete().reshape(-1)
    totals = totals.filter(pl.Series(complete[totals["key"].to_numpy()])).with_columns(
        cls=pl.lit(all_class, dtype=pl.Int64), carrier=pl.lit(all_carrier, dtype=pl.Int64), group=pl.col("key")
    )
    components = len(layout.components)
    summed = pl.concat([sums.filter(pl.col("carrier") != all_carrier), totals]).with_columns(
        unit=pl.col("group") // (len(BASES) * components)
    )
    views = _views(slab, boundary, condensed).with_columns(
        cls=pl.lit(all_class, dtype=pl.Int64), carrier=pl.lit(all_carrier, dtype=pl.Int64)
    )
    shown = ["unit", "basis", "boundary", "cls", "carrier", *_SUMMED]
    own = [
        frame.with_columns(
            unit=pl.col("group") // (len(BASES) * components),
            basis=pl.col("group") // components % len(BASES),
            boundary=pl.col("group") % components,
        )
        for frame in (shown_cells, summed)
    ]
    by_account = pl.concat([own[1].select(shown), views.select(shown)]).join(
        accounts.select("unit", "id"), on="unit", how="left", maintain_order="left"
    )
    rows = pl.concat([own[0].select(*shown, "id"), by_account]).filter(pl.col("gaps") == 0)
    notes = pl.concat([cells.select("id", "detail"), accounts.select("id", "detail")])
    return _observations(rows, slab, boundary, recorded_at), _lineage(notes, boundary)


_SUMMED: Final = (
    "value", "below", "above", "gaps", "counts", "weakness", "review", "coverage", "published",
)  # fmt: skip

_WHOLE: Final = ("gaps", "counts", "weakness", "review", "published")


def _frame(sums: Sums) -> pl.DataFrame:
    columns = {"key": sums.keys, "value": sums.totals}
    columns |= {name: getattr(sums, name) for name in _SUMMED if name != "value"}
    return pl.DataFrame(columns).cast({name: pl.Int64() for name in _WHOLE})


def _sum_by(terms: Terms, flows: int, cells: int, carriers: int) -> Sums:
    """Sum over classes: by account, basis, component and carrier."""
    cell = terms.keys // flows
    return sum_terms(terms.with_keys(cell // cells * carriers + cell % carriers))


def _condensed(terms: Terms, layout: Layout) -> Terms:
    """Sum over classes and carriers: keys of account, basis, component and flow."""
    unit, basis, component, _, _, flow = layout.decode(terms.keys)
    _, components, _, _, flows = layout.sizes
    return terms.with_keys(((unit * len(BASES) + basis) * components + component) * flows + flow).gathered()


def _cell_lineage(slab: Slab, boundary: Boundary, first: int, last: int) -> pl.DataFrame:
    """Return for each cell the id and text of its lineage: its activities, each with the rate of its flow.

    The id is the hash of that text; of a cell with one activity, whose version id is a hash itself, it is put together from
    that and the hash of the rate, which says the same at a fraction of the time.
    """
    per_unit, flows = slab.layout.per_unit, slab.layout.flows
    start, stop = np.searchsorted(slab.traces["key"].to_numpy(), [first * per_unit, last * per_unit])
    traces = slab.traces[int(start) : int(stop)]
    count = slab.uses.height
    notes = pl.concat([slab.uses["note"], slab.uses["market_note"]])
    prints = pl.Series([_hashed(f"{boundary.id}\n{note}")[:_HALF] for note in notes], dtype=pl.String)
    at = traces["use"].cast(pl.Int64) + traces["basis"].cast(pl.Int64) * count
    texts = traces.select(
        key=pl.col("key") // flows,
        version=pl.col("version"),
        note=pl.concat_str(
            pl.lit('{"activity":"'),
            pl.col("version"),
            pl.lit('","amount":'),
            pl.col("value").cast(pl.String).fill_null("null"),
            pl.lit(","),
            pl.lit(notes.gather(at)),
            pl.lit("}"),
        ),
        mark=pl.lit(prints.gather(at)),
    )
    single = texts["key"].is_unique()
    if not single.all():
        several = texts.filter(~single).group_by("key", maintain_order=True).agg(pl.col("note").str.join(","))
        several = several.with_columns(version=pl.lit(None, dtype=pl.String), mark=pl.lit(None, dtype=pl.String))
        texts = pl.concat([texts.filter(single), several.select(texts.columns)])
    plain = pl.col("version").str.len_bytes() == _WHOLE_HASH
    texts = texts.select(
        "key",
        id=pl.when(plain).then(pl.concat_str(pl.col("version").str.slice(0, _WHOLE_HASH - _HALF), "mark")),
        detail=pl.concat_str(pl.lit('{"terms":['), "note", pl.lit("]}")),
    )
    if texts["id"].null_count():
        hashes = [known or _hashed(text) for known, text in texts.select("id", "detail").iter_rows()]
        texts = texts.with_columns(id=pl.Series(hashes, dtype=pl.String))
    return texts


def _account_lineage(cells: pl.DataFrame, slab: Slab, boundary: Boundary) -> pl.DataFrame:
    """Return for each account the one lineage that all its sums share: its cells by component, and what views are made of."""
    components = len(slab.layout.components)
    of = pl.col("group") % components
    by_component = (
        cells.group_by("group", maintain_order=True)
        .agg(ids=pl.col("id").str.join('","'))
        .sort("group")
        .with_columns(
            unit=pl.col("group") // (len(BASES) * components),
            name=pl.lit(pl.Series(slab.layout.components)).gather(of),
            basis=pl.lit(pl.Series(BASES)).gather(pl.col("group") // components % len(BASES)),
        )
    )
    views = json.dumps({name: list(members) for name, members in sorted(boundary.views.items())})
    accounts = (
        by_component.with_columns(
            text=pl.concat_str(pl.lit('"'), "name", pl.lit(" "), "basis", pl.lit('":["'), "ids", pl.lit('"]'))
        )
        .group_by("unit", maintain_order=True)
        .agg(pl.col("text").str.join(","))
        .with_columns(detail=pl.concat_str(pl.lit('{"sum_of":{'), "text", pl.lit(f'}},"views":{views}}}')))
    )
    return accounts.with_columns(id=pl.Series([_hashed(text) for text in accounts["detail"]], dtype=pl.String))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_WHOLE_HASH]


def _views(slab: Slab, boundary: Boundary, condensed: Terms) -> pl.DataFrame:
    """Return the views that are complete, account by account."""
    layout = slab.layout
    components, flows = len(layout.components), layout.flows
    members = view_members(boundary)
    group, flow = np.divmod(condensed.keys, flows)
    rest, component = np.divmod(group, components)
    unit, of_basis = np.divmod(rest, len(BASES))
    frames = []
    for basis in range(len(BASES)):
        wanted = _marketed(boundary)[component] if basis else np.zeros(len(condensed), bool)
        for number, (view, (whole, here)) in enumerate(complete_views(slab, boundary, members, basis).items()):
            takes = members[view][0]
            chosen = takes[component, flow] & (of_basis == wanted) & whole[unit] & here[unit, component]
            own = condensed.take(chosen)
            frames.append(
                _frame(sum_terms(own.with_keys(unit[chosen]))).with_columns(
                    unit="key",
                    basis=pl.lit(basis, dtype=pl.Int64),
                    boundary=pl.lit(components + number, dtype=pl.Int64),
                )
            )
    nothing = _frame(sum_terms(condensed.take(np.empty(0, np.int64)))).with_columns(
        unit="key", basis=pl.lit(0, dtype=pl.Int64), boundary=pl.lit(0, dtype=pl.Int64)
    )
    return pl.concat([nothing, *frames])


def _lineage(notes: pl.DataFrame, boundary: Boundary) -> pl.DataFrame:
    return notes.select(
        "id",
        kind=pl.lit(LineageKind.FORMULA.value),
        **{name: pl.lit("") for name in _NO_TEXT},
        text=pl.lit(f"{INDICATOR}[{boundary.id}]"),
        detail="detail",
    ).select(list(LINEAGE_SCHEMA))


def _observations(rows: pl.DataFrame, slab: Slab, boundary: Boundary, recorded_at: datetime) -> pl.DataFrame:
    layout = slab.layout
    units = slab.units.with_columns(pl.col(UNIT).cast(pl.String))
    texts = {
        "boundary": pl.Series([*layout.components, *sorted(boundary.views)], dtype=pl.String),
        "building_class": pl.Series(layout.classes, dtype=pl.String),
        "carrier": pl.Series(layout.carriers, dtype=pl.String),
        "basis": pl.Series(BASES, dtype=pl.String),
        "review": pl.Series(REVIEWS, dtype=pl.String),
    }
    of = {"building_class": "cls", "carrier": "carrier", "boundary": "boundary", "basis": "basis", "review": "review"}
    named = {name: texts[name].gather(rows[number]) for name, number in of.items()}
    place = {name: units[name].gather(rows["unit"]) for name in UNIT}
    value, below, above = (pl.col(name) for name in ("value", "below", "above"))
    estimated = pl.when(pl.col("weakness") > 0).then(pl.lit("estimated")).otherwise(pl.lit("computed"))
    world = pl.lit(place.pop("world"))
    return rows.select(
        indicator=pl.lit(INDICATOR),
        **{name: pl.lit(series) for name, series in (place | named).items()},
        end_use=pl.lit("all"),
        kind=pl.when(world == "fact").then(estimated).otherwise(world),
        value=value.round_sig_figs(_DIGITS),
        low=pl.when(value >= 0)
        .then((value - below).clip(0.0))
        .otherwise(value - below)
        .round_sig_figs(_DIGITS)
        .fill_nan(None),
        high=(value + above).round_sig_figs(_DIGITS).fill_nan(None),
        coverage="coverage",
        missing_reason=pl.lit(None, dtype=pl.String),
        dataset=pl.lit(f"dafeng-account:{boundary.id}"),
        recorded_at=pl.lit(recorded_at, dtype=pl.Datetime("us", "UTC")),
        published_on=pl.when((pl.col("published") > 0) & (pl.col("published") < _UNKNOWN_DAY)).then(
            pl.col("published").cast(pl.Int32).cast(pl.Date)
        ),
        supersedes=pl.lit(None, dtype=pl.String),
        lineage="id",
    ).select([pl.col(name).cast(kind) for name, kind in SCHEMA.items()])

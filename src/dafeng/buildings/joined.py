"""Ledgers put together for roll-ups: one row a thing, whichever registers it stands in, with its place and the days known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.ledger import FIELD_DTYPES
from dafeng.buildings.whereabouts import Span, Spots, kept_shares, locate
from dafeng.catalog import Catalog
from dafeng.catalog.expression import FieldType, expression_names
from dafeng.catalog.ledger_schemas import Register, Rollup

__all__ = ["Ledger", "join_registers", "marks_of"]


@dataclass(frozen=True)
class Ledger:
    """The things of some registers together.

    Parameters
    ----------
    base : DataFrame
        One row a thing, numbered by the order of keys: _thing, _spot, key, stage, _register (the first) and the fields.
    rows : DataFrame
        Rows of things that stand in several registers, as each register has them.
    spots : Spots
    zones : tuple of str
        Zone of each spot as the ledger has it.
    marks : DataFrame
        Two halves of a digest of each key.
    shares : DataFrame
        Columns place, at, share, view: how far the ledger speaks of a place and period.
    what : str
        Names of the registers, for findings.
    """

    base: pl.DataFrame
    rows: pl.DataFrame
    spots: Spots
    zones: tuple[str, ...]
    marks: pl.DataFrame
    shares: pl.DataFrame
    what: str


def _needed(rollups: Iterable[Rollup]) -> list[str]:
    texts = [text for rollup in rollups for text in (rollup.value, rollup.weight, rollup.when) if text is not None]
    named = [name for text in texts for name in expression_names(text)]
    dates = [name for rollup in rollups for name in (rollup.dated, rollup.until, rollup.done) if name is not None]
    return list(dict.fromkeys([*named, *dates, *(name for rollup in rollups for name in rollup.breakdowns.values())]))


def join_registers(
    things: Mapping[str, pl.DataFrame],
    marks: Mapping[str, pl.DataFrame],
    rollups: Sequence[Rollup],
    catalog: Catalog,
    types: Mapping[str, FieldType],
    spans: Sequence[Span],
    home: str | None,
    complete: Collection[str],
    below: Sequence[Mapping[str, list[str]]],
) -> Ledger:
    """Put registers together for the roll-ups that count them, the most trusted register first.

    Parameters
    ----------
    things : mapping from register id to DataFrame
        Current views in the order of trust.
    marks : mapping from register id to DataFrame
        Of `marks_of`, row by row.
    rollups : sequence of Rollup
        Those that count exactly these registers.
    catalog, types, spans, home, complete
        As in `dafeng.buildings.rollup.roll_up`.
    below : sequence of mapping
        Of `dafeng.buildings.whereabouts.parts_below`.

    Raises
    ------
    InputError
        A frame lacks a column of things.
    """
    fields = [name for name in _needed(rollups) if name not in ("key", "stage")]
    registers = [catalog.registers[name] for name in things]
    what = "、".join(register.title.zh for register in registers)
    frames = [
        _of_register(things[register.id], register, number, fields, types).hstack(marks[register.id])
        for number, register in enumerate(registers)
    ]
    rows = pl.concat(frames).sort("key", "_subject", "_rank")
    identity = ["key"] if len({register.subject for register in registers}) == 1 else ["key", "_subject"]
    starts = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in identity).fill_null(True)
    rows = rows.with_columns(_thing=(starts.cum_sum() - 1).cast(pl.UInt32))
    several = rows["_thing"].is_duplicated() if len(registers) > 1 else pl.repeat(False, rows.height, eager=True)
    base, shared = rows.filter(~several), rows.filter(several)
    if shared.height:
        first = ("key", "_subject", "_rank", "_register", "mark_a", "mark_b")
        merged = shared.group_by("_thing", maintain_order=True).agg(
            pl.col(name).first() if name in first else pl.col(name).drop_nulls().first()
            for name in shared.columns
            if name != "_thing"
        )
        base = pl.concat([base, merged.select(base.columns)]).sort("_thing")
    base, shared = (frame.with_columns(pl.col("stage").fill_null("")) for frame in (base, shared))
    pairs = (
        base.group_by("_place", "_zone", maintain_order=True)
        .agg(count=pl.len(), first=pl.col("key").first())
        .sort("_place", "_zone")
    )
    spots = locate(pairs.iter_rows(), catalog.places, spans, home=home, what=what)
    base = base.join(
        pairs.select("_place", "_zone", _spot=pl.int_range(pl.len(), dtype=pl.Int32)),
        on=["_place", "_zone"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    days = [_first_day(rollup.dated, types) for rollup in rollups]
    earliest = (
        base.select("_spot", day=pl.min_horizontal(days))
        .filter(pl.col("day").is_not_null())
        .group_by("_spot")
        .agg(pl.col("day").min())
    )
    first_day: dict[str, date] = {}
    for spot, day in earliest.iter_rows():
        place = spots.own[spot]
        first_day[place] = min(day, first_day.get(place, day))
    first_day.pop("", None)
    top = home or _top(spots)
    shares = kept_shares(first_day, catalog.places, spans, below, home=top, complete=complete)
    first_view = _first_views(spots, earliest, spans)
    return Ledger(
        base=base,
        rows=shared.with_columns(_spot=pl.lit(0, dtype=pl.Int32)),
        spots=spots,
        zones=tuple("" if zone is None else zone for zone in pairs["_zone"]),
        marks=base.select("mark_a", "mark_b"),
        shares=pl.concat([shares.with_columns(view=pl.lit(False)), first_view.select("place", "at", "share", "view")]),
        what=what,
    )


def _of_register(
    frame: pl.DataFrame, register: Register, number: int, fields: Sequence[str], types: Mapping[str, FieldType]
) -> pl.DataFrame:
    absent = [name for name in ("key", "stage") if name not in frame.columns]
    if absent:
        raise InputError(
            f"register {register.id} has no column {', '.join(absent)}",
            doing="roll ledgers up",
            expected="a frame of current things",
            next_step="make it with current_things",
        )

    def text(name: str | None) -> pl.Expr:
        held = name is not None and name in frame.columns
        column = pl.col(name).str.strip_chars() if held and name is not None else pl.lit(None, dtype=pl.String)
        return pl.when(column != "").then(column)

    return frame.select(
        "key",
        pl.when(pl.col("stage") != "").then("stage").alias("stage"),
        _subject=pl.lit(register.subject),
        _rank=pl.lit(number, dtype=pl.Int32),
        _register=pl.lit(register.id),
        _place=text(register.place_field),
        _zone=text(register.zone_field),
        **{
            name: pl.col(name) if name in frame.columns else pl.lit(None, dtype=FIELD_DTYPES[types[name].kind])
            for name in fields
        },
    )


def _first_day(name: str, types: Mapping[str, FieldType]) -> pl.Expr:
    if types[name].kind == "number":
        return pl.date(pl.col(name).cast(pl.Int32, strict=False), 1, 1)
    return pl.col(name)


def _top(spots: Spots) -> str | None:
    """Return the highest place that any thing counts for."""
    divisions = spots.targets.filter(~pl.col("view"))
    everywhere = (
        divisions.group_by("place").agg(pl.col("spot").n_unique()).sort("spot", "place", descending=[True, False])
    )
    return everywhere["place"][0] if everywhere.height else None


def _first_views(spots: Spots, earliest: pl.DataFrame, spans: Sequence[Span]) -> pl.DataFrame:
    """Return zones from the first period on of which the ledger knows anything, with a share of 1."""
    last = pl.DataFrame(
        {"at": range(len(spans)), "end": [span.last for span in spans]}, schema={"at": pl.Int32, "end": pl.Date}
    )
    return (
        spots.targets.filter("view")
        .join(earliest.rename({"_spot": "spot"}), on="spot")
        .join(last, on="at")
        .filter(pl.col("day") <= pl.col("end"))
        .select("place", "at", share=pl.lit(1.0), view=pl.lit(True))
        .unique(maintain_order=True)
        .sort("place", "at")
    )


def marks_of(frame: pl.DataFrame, subject: str) -> pl.DataFrame:
    """Return two halves of a digest of each key, as columns mark_a and mark_b: their XOR over things is the digest of a set."""
    opening = f"{subject}\x1f".encode()
    sha256 = hashlib.sha256
    digests = b"".join([sha256(opening + key.encode()).digest()[:16] for key in frame["key"].to_list()])
    halves = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return pl.DataFrame({"mark_a": halves[:, 0], "mark_b": halves[:, 1]})

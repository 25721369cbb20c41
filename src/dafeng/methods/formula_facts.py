"""Observations as blocks of arrays, one block an indicator, so that formulas join on whole numbers and never on texts.

A *slot* is a place, extent, period, breakdown, scenario and member; a *world* is fact, or projected or demonstration, which
never meet. Slot, world, basis and dataset together are one number, the *key* of a row within its indicator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.base.errors import PeriodError
from dafeng.base.finding import Finding
from dafeng.base.observation import FACT_KINDS, KEY, Review
from dafeng.base.period import Period
from dafeng.catalog.schemas import Indicator
from dafeng.methods.computed import REVIEWS, check_columns, left_out, refuse_twins
from dafeng.methods.entered import Entered, entered_by, number_ids
from dafeng.methods.key_codes import Codes, Numbers, encode, key_numbers

__all__ = [
    "BASIS",
    "KINDS",
    "NEVER",
    "SLOT",
    "Block",
    "Facts",
    "Flags",
    "moved_key",
    "read_facts",
    "split_key",
    "stacked",
    "without_basis",
    "without_world",
]

SLOT: Final = tuple(name for name in KEY if name not in ("indicator", "basis", "kind", "dataset"))
"""Columns in which all inputs of a formula agree, besides basis and world."""
KINDS: Final = ("reported", "computed", "estimated", "demonstration", "projected")
"""Kinds in the order in which a formula prefers them."""
_FACTS: Final = tuple(kind.value for kind in FACT_KINDS)
BASIS: Final = 1 << 20
"""One basis in a key."""
_WORLD: Final = 1 << 32
_SLOT: Final = 1 << 36
NEVER: Final = np.iinfo(np.int64).min
"""Stands for no day."""
Flags = npt.NDArray[np.bool_]


class Block(NamedTuple):
    """Rows of one indicator as arrays of shape (row,)."""

    key: Numbers
    """Slot, world, basis and dataset."""
    kind: npt.NDArray[Any]
    """Place in `KINDS`."""
    value: npt.NDArray[np.float64]
    """Value; where unknown anything."""
    known: Flags
    """Whether there is a value."""
    coverage: npt.NDArray[np.float64]
    """Share that was counted."""
    recorded: Numbers
    """Microseconds since 1970."""
    published: Numbers
    """Days since 1970; `NEVER` where not said."""
    review: npt.NDArray[Any]
    """Place among the states of review."""
    lineage: Entered | None
    """Lineage ids of what entered; None where no row has any."""

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.key)

    def slots(self) -> Numbers:
        """Return the slot of each row."""
        return self.key // _SLOT

    def take(self, rows: Numbers | Flags) -> Block:
        """Return some rows."""
        return Block(
            self.key[rows],
            self.kind[rows],
            self.value[rows],
            self.known[rows],
            self.coverage[rows],
            self.recorded[rows],
            self.published[rows],
            self.review[rows],
            None if self.lineage is None else self.lineage.take(rows),
        )


def stacked(blocks: Sequence[Block]) -> Block:
    """Return blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    known = [block.lineage for block in blocks if block.lineage is not None]
    lineage = None
    if known:
        counts = [np.zeros(b.height, dtype=np.int64) if b.lineage is None else b.lineage.counts for b in blocks]
        lineage = Entered(known[0].ids, np.concatenate(counts), np.concatenate([one.codes for one in known]))
    return Block(
        np.concatenate([block.key for block in blocks]),
        np.concatenate([block.kind for block in blocks]),
        np.concatenate([block.value for block in blocks]),
        np.concatenate([block.known for block in blocks]),
        np.concatenate([block.coverage for block in blocks]),
        np.concatenate([block.recorded for block in blocks]),
        np.concatenate([block.published for block in blocks]),
        np.concatenate([block.review for block in blocks]),
        lineage,
    )


@dataclass
class Facts:
    """What formulas run over; computed blocks are added as they come."""

    slots: pl.DataFrame
    """Codes of `SLOT` of each slot, shape (slot, column)."""
    texts: dict[str, list[str]]
    """Texts of the codes by column; of dataset and basis too."""
    blocks: dict[str, Block]
    """Rows by indicator."""
    worlds: list[str]
    """fact and the kinds that are none."""
    _shifts: dict[str, Numbers] = field(default_factory=dict)
    _numbers: dict[str, dict[str, int]] = field(default_factory=dict)

    def code(self, column: str, text: str) -> int:
        """Return the code of a text of basis or dataset; a new one is added."""
        numbers = self._numbers.setdefault(column, {one: i for i, one in enumerate(self.texts[column])})
        if text not in numbers:
            numbers[text] = len(self.texts[column])
            self.texts[column].append(text)
        return numbers[text]

    def shift(self, when: str) -> Numbers:
        """Return for each slot the slot of another period (`Reference.when`), -1 where nothing is observed there."""
        if when not in self._shifts:
            periods = self.texts["period"]
            places = {text: number for number, text in enumerate(periods)}
            moved = [places.get(_moved(text, when), -1) for text in periods]
            others = self.slots.with_columns(
                pl.col("period").replace_strict(range(len(periods)), moved, default=-1, return_dtype=pl.Int64)
            )
            known = self.slots.with_row_index("slot")
            found = others.join(known, on=list(SLOT), how="left", maintain_order="left")
            self._shifts[when] = found["slot"].cast(pl.Int64).fill_null(-1).to_numpy()
        return self._shifts[when]

    def text(self, column: str, slots: Numbers) -> pl.Series:
        """Return the texts of a column of `SLOT` for some slots."""
        if len(self.texts[column]) == 1:
            return pl.Series(column, self.texts[column], dtype=pl.String).new_from_index(0, len(slots))
        codes = self.slots[column].gather(slots)
        return pl.Series(column, self.texts[column], dtype=pl.String).gather(codes)


def _moved(period: str, when: str) -> str:
    try:
        own = Period.parse(period)
        return own.previous.text if when == "previous" else own.year_before.text if when == "year_before" else when
    except PeriodError:  # a period before 1900 or beside the calendar has no neighbour
        return ""


def split_key(keys: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return slot, world, basis and dataset of keys."""
    return keys // _SLOT, keys // _WORLD % 16, keys // BASIS % 4096, keys % BASIS


def without_world(keys: Numbers) -> Numbers:
    """Return keys without their world."""
    return keys - keys // _WORLD % 16 * _WORLD


def without_basis(keys: Numbers) -> Numbers:
    """Return keys without their basis."""
    return keys - keys // BASIS % 4096 * BASIS


def moved_key(keys: Numbers, shift: Numbers) -> Numbers:
    """Return keys at the slots that `shift` gives, -1 where there is none."""
    slots = keys // _SLOT
    there = shift[slots]
    return np.where(there < 0, -1, keys + (there - slots) * _SLOT)


def read_facts(
    frame: pl.DataFrame, indicators: Mapping[str, Indicator], wanted: Collection[str]
) -> tuple[Facts, list[Finding]]:
    """Return the rows of some indicators as blocks, and what was left out.

    Rules and errors are those of `dafeng.methods.computed.enter`; the frame itself is not copied.
    """
    check_columns(frame)
    withdrawn = frame["review"] == Review.WITHDRAWN.value
    rows = frame.filter(~withdrawn) if withdrawn.any() else frame
    codes = {name: encode(rows[name]) for name in KEY}
    numbers = key_numbers([codes[name] for name in KEY], rows.height)
    order = np.argsort(numbers, kind="stable")
    if len(order) and (np.diff(numbers[order]) == 0).any():
        refuse_twins(rows, numbers)
    del numbers
    names, members = codes["indicator"], codes["member"]
    quantile = _where(members, lambda text: text not in ("", "mean"))
    unknown = _where(names, lambda text: text not in indicators)
    findings = left_out(rows, quantile, unknown)
    slot, slots = _slots(codes, rows.height)
    # two steps: the world of each row, then everything in one number
    kinds = codes["kind"]
    worlds = sorted({"fact" if text in _FACTS else text for text in kinds.texts})
    of_kind = np.array([worlds.index("fact" if text in _FACTS else text) for text in kinds.texts], dtype=np.int64)
    ranks = np.array([KINDS.index(text) for text in kinds.texts], dtype=np.int8)
    bases = sorted({*codes["basis"].texts, *(basis for one in indicators.values() for basis in one.bases), ""})
    of_basis = np.array([bases.index(text) for text in codes["basis"].texts], dtype=np.int64)
    texts = {name: codes[name].texts for name in (*SLOT, "dataset")} | {"basis": bases}
    kept = ~(quantile | unknown)
    starts = np.searchsorted(names.numbers[order], np.arange(len(names.texts) + 1))
    blocks: dict[str, Block] = {}
    lineage = number_ids(rows["lineage"]) if rows["lineage"].null_count() < rows.height else None
    for place, name in enumerate(names.texts):
        if name not in wanted:
            continue
        own = order[starts[place] : starts[place + 1]]
        own = own[kept[own]] if not kept.all() else own
        if not len(own):
            continue
        kind = kinds.numbers[own]
        value = rows["value"].gather(own)
        blocks[name] = Block(
            slot[own] * _SLOT
            + of_kind[kind] * _WORLD
            + of_basis[codes["basis"].numbers[own]] * BASIS
            + codes["dataset"].numbers[own].astype(np.int64),
            ranks[kind],
            value.fill_null(np.nan).to_numpy(),
            value.is_not_null().to_numpy(),
            rows["coverage"].gather(own).fill_null(1.0).to_numpy(),
            rows["recorded_at"].gather(own).to_physical().to_numpy(),
            rows["published_on"].gather(own).to_physical().cast(pl.Int64).fill_null(NEVER).to_numpy(),
            rows["review"].gather(own).replace_strict(REVIEWS, range(len(REVIEWS)), return_dtype=pl.Int8).to_numpy(),
            None if lineage is None else entered_by(lineage[0], lineage[1][own]),
        )
    return Facts(slots, texts, blocks, worlds), findings


def _where(codes: Codes, test: Callable[[str], bool]) -> Flags:
    flags: Flags = np.array([test(text) for text in codes.texts], dtype=bool)
    if not flags.any():
        return np.broadcast_to(np.False_, len(codes.numbers))
    return np.asarray(flags[codes.numbers], dtype=bool)


def _slots(codes: Mapping[str, Codes], rows: int) -> tuple[Numbers, pl.DataFrame]:
    numbers = key_numbers([codes[name] for name in SLOT], rows)
    most = int(numbers.max(initial=-1)) + 1
    if most <= max(4 * rows, 1024):  # few enough to count through
        here = np.zeros(most, dtype=bool)
        here[numbers] = True
        dense = np.cumsum(here) - 1
        slot = dense[numbers]
        count = int(here.sum())
    else:
        known, slot = np.unique(numbers, return_inverse=True)
        count = len(known)
    first = np.zeros(count, dtype=np.int64)
    first[slot] = np.arange(rows)
    return slot, pl.DataFrame({name: codes[name].numbers[first].astype(np.int64) for name in SLOT})

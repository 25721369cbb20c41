"""Top-down totals against bottom-up accounts: where the two differ, and by how much, without letting gaps cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import InputError

__all__ = ["Reconciliation", "reconcile"]

_GROUP: Final = ("place", "extent", "period")


class Reconciliation(NamedTuple):
    """Two accounts side by side."""

    rows: pl.DataFrame
    """One row a key: top_down, bottom_up, gap (bottom-up less top-down), relative (to the top-down value), only (the one
    side that has it, else null)."""
    summary: pl.DataFrame
    """One row a group: top_down and bottom_up of the keys that both have, net_gap, absolute_gap, compared, only_top_down
    and only_bottom_up (amounts of keys that one side lacks: named, never taken as a gap against zero)."""


def reconcile(
    top_down: pl.DataFrame,
    bottom_up: pl.DataFrame,
    *,
    on: Sequence[str] = (*_GROUP, "boundary"),
    group: Sequence[str] = _GROUP,
) -> Reconciliation:
    """Set two accounts side by side; the net gap lets errors cancel, the summed absolute gap does not.

    Parameters
    ----------
    top_down, bottom_up : DataFrame
        Columns of `on` and ``value``, one row a key; observations of one dataset are such frames.
    on : sequence of str
        Columns that name what is compared.
    group : sequence of str
        Columns within which gaps are summed; a part of `on`.

    Raises
    ------
    InputError
        One side has two rows for one key.

    Examples
    --------
    >>> statistics = pl.DataFrame({"place": "jilin", "boundary": ["heat", "gas"], "value": [100.0, 50.0]})
    >>> meters = pl.DataFrame({"place": "jilin", "boundary": ["heat", "gas"], "value": [90.0, 58.0]})
    >>> both = reconcile(statistics, meters, on=["place", "boundary"], group=["place"])
    >>> both.summary.select("net_gap", "absolute_gap").row(0)
    (-2.0, 18.0)
    """
    sides = {"top_down": top_down, "bottom_up": bottom_up}
    known = {}
    for name, side in sides.items():
        rows = side.filter(pl.col("value").is_not_null()).select(*on, pl.col("value").alias(name))
        twice = rows.filter(pl.struct(on).is_duplicated())
        if twice.height:
            raise InputError(
                f"{twice.height} rows of the {name} account share their key, first {twice.row(0)}",
                doing="reconcile two accounts",
                expected=f"one value for each {', '.join(on)}",
                next_step="choose one dataset, basis and kind first",
            )
        known[name] = rows
    gap = pl.col("bottom_up") - pl.col("top_down")
    rows = (
        known["top_down"]
        .join(known["bottom_up"], on=list(on), how="full", coalesce=True)
        .sort(on)
        .with_columns(
            gap=gap,
            relative=pl.when(pl.col("top_down") != 0).then(gap / pl.col("top_down").abs()),
            only=pl.when(pl.col("bottom_up").is_null())
            .then(pl.lit("top_down"))
            .when(pl.col("top_down").is_null())
            .then(pl.lit("bottom_up")),
        )
    )
    both = pl.col("only").is_null()
    summary = rows.group_by(list(group), maintain_order=True).agg(
        pl.col("top_down").filter(both).sum(),
        pl.col("bottom_up").filter(both).sum(),
        net_gap=pl.col("gap").sum(),
        absolute_gap=pl.col("gap").abs().sum(),
        compared=both.sum(),
        only_top_down=pl.col("top_down").filter(~both).sum(),
        only_bottom_up=pl.col("bottom_up").filter(~both).sum(),
    )
    return Reconciliation(rows, summary)

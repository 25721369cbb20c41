"""Sums that climb a tree, level by level, on arrays: nodes and groups are whole numbers, no level joins on texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.base.observation import SCHEMA
from dafeng.methods.entered import Entered, of_lists, united
from dafeng.methods.key_codes import Numbers, row_numbers

__all__ = ["climb"]

_NEVER: Final = np.iinfo(np.int64).min
_SUMMED: Final = ("low", "high")


class _Level(NamedTuple):
    """Rows of one level of a tree, arrays of shape (row,); NaN and `_NEVER` where unknown."""

    group: Numbers
    node: Numbers
    amounts: npt.NDArray[np.float64]
    """Shape (amount, row)."""
    ends: npt.NDArray[np.float64]
    """Low and high end, shape (2, row)."""
    coverage: npt.NDArray[np.float64]
    excused: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    recorded: Numbers
    published: Numbers
    review: Numbers
    inputs: Entered

    def take(self, rows: npt.NDArray[Any]) -> _Level:
        """Return some rows."""
        return _Level(*(_rows_of(part, rows) for part in self))

    def beside(self, other: _Level) -> _Level:
        """Return the rows of two levels."""
        return _Level(*(_stacked(*pair) for pair in zip(self, other, strict=True)))


def _rows_of(part: Any, rows: npt.NDArray[Any]) -> Any:
    return part.take(rows) if isinstance(part, Entered) else part[..., rows]


def _stacked(one: Any, other: Any) -> Any:
    if isinstance(one, Entered):
        return Entered(one.ids, _stacked(one.counts, other.counts), _stacked(one.codes, other.codes))
    return np.concatenate([one, other], axis=-1)


class _Tree(NamedTuple):
    """Arrays of shape (node,), nodes in the order of their names; -1 at the root."""

    names: list[str]
    parent: Numbers
    depth: Numbers
    expected: Numbers


def climb(
    rows: pl.DataFrame, tree: pl.DataFrame, column: str, *, root: str, group: Sequence[str], amounts: Sequence[str]
) -> pl.DataFrame:
    """Sum amounts from the leaves of a tree to its root; a node's own known row goes before its parts.

    Parameters
    ----------
    rows : DataFrame
        Columns of `dafeng.methods.computed.enter`, and `amounts`; one row a group and node. The root's own rows are left aside.
    tree : DataFrame
        Columns child, parent, depth (of the child, 1 below the root), expected (children of the parent).
    column : str
        Column that holds the nodes.
    root : str
        Node whose sums are wanted.
    group : sequence of str
        Columns within which sums are taken.
    amounts : sequence of str
        Columns that are summed where known.

    Returns
    -------
    DataFrame
        One row a group. ``coverage`` is the share of children that reported, through all levels; a missing child lowers
        it and is never a zero, a child that is excused (not applicable) is not expected.
    """
    arrays = _tree(tree, root)
    here = rows.filter(pl.col(column).is_in(tree["child"].to_list()) & (pl.col(column) != root))
    _, first, number = np.unique(row_numbers(here, group), return_index=True, return_inverse=True)
    own = _level(here, arrays, column, number, amounts)
    sums = own.take(np.zeros(0, dtype=np.int64))
    depths = arrays.depth[own.node]
    for depth in range(int(arrays.depth.max(initial=0)), 0, -1):
        sums = _summed(_beside(own.take(np.flatnonzero(depths == depth)), sums, arrays), arrays)
    return here.select(group)[first[sums.group]].with_columns(pl.lit(root).alias(column), *_columns(sums, amounts))


def _tree(tree: pl.DataFrame, root: str) -> _Tree:
    names = sorted({root, *tree["child"], *tree["parent"]})
    place = {name: number for number, name in enumerate(names)}
    child = np.array([place[name] for name in tree["child"]], dtype=np.int64)
    parts = np.full((3, len(names)), -1, dtype=np.int64)
    parts[0, child] = [place[name] for name in tree["parent"]]
    parts[1, child], parts[2, child] = tree["depth"].to_numpy(), tree["expected"].to_numpy()
    return _Tree(names, parts[0], parts[1], parts[2])


def _level(rows: pl.DataFrame, tree: _Tree, column: str, group: Numbers, amounts: Sequence[str]) -> _Level:
    floats = {
        name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (*amounts, *_SUMMED, "coverage")
    }
    days = {
        name: rows[name].to_physical().cast(pl.Int64).fill_null(_NEVER).to_numpy()
        for name in ("recorded_at", "published_on", "review")
    }
    node = rows[column].replace_strict(tree.names, range(len(tree.names)), return_dtype=pl.Int64).to_numpy()
    return _Level(
        group.astype(np.int64),
        node,
        np.stack([floats[name] for name in amounts]),
        np.stack([floats[name] for name in _SUMMED]),
        floats["coverage"],
        rows["excused"].to_numpy(),
        rows["known"].to_numpy(),
        days["recorded_at"],
        days["published_on"],
        days["review"],
        of_lists(rows["inputs"]),
    )


def _beside(own: _Level, sums: _Level, tree: _Tree) -> _Level:
    """Return own rows and sums of one level: of a node the own row where it is known, else the sum."""
    if not len(sums.node):
        return own
    nodes = len(tree.names)
    of_own, of_sums = own.group * nodes + own.node, sums.group * nodes + sums.node
    sums = sums.take(np.flatnonzero(~np.isin(of_sums, of_own[own.known])))
    own = own.take(np.flatnonzero(own.known | ~np.isin(of_own, of_sums)))
    return own.beside(sums)


def _summed(level: _Level, tree: _Tree) -> _Level:
    """Return the sums of one level for the parents of its nodes."""
    nodes = len(tree.names)
    if not len(level.node):
        return level
    parents = level.group * nodes + tree.parent[level.node]
    order = np.argsort(parents * nodes + level.node, kind="stable")
    level, parents = level.take(order), parents[order]
    fresh = np.diff(parents, prepend=-1) != 0
    starts = np.flatnonzero(fresh)
    known = level.known

    def total(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.add.reduceat(part, starts, axis=-1))

    expected, excused = tree.expected[level.node[starts]], total(level.excused.astype(np.int64))
    some = total(known.astype(np.int64)) > 0
    lacking = total((known & np.isnan(level.ends)).astype(np.int64)) > 0
    nothing = excused == expected
    coverage = total(np.where(known, np.nan_to_num(level.coverage), 0.0)) / np.where(nothing, 1, expected - excused)
    never = np.minimum.reduceat(level.published, starts) == _NEVER
    rows = np.cumsum(fresh) - 1
    return _Level(
        level.group[starts],
        tree.parent[level.node[starts]],
        np.where(some, total(np.where(known, np.nan_to_num(level.amounts), 0.0)), np.nan),
        np.where(some & ~lacking, total(np.where(known, np.nan_to_num(level.ends), 0.0)), np.nan),
        np.where(nothing, np.nan, coverage),
        nothing,
        some,
        np.maximum.reduceat(level.recorded, starts),
        np.where(never, _NEVER, np.maximum.reduceat(level.published, starts)),
        np.minimum.reduceat(level.review, starts),
        united(level.inputs.ids, len(starts), [np.repeat(rows, level.inputs.counts)], [level.inputs.codes]),
    )


def _columns(sums: _Level, amounts: Sequence[str]) -> list[pl.Series]:
    floats = dict(zip(amounts, sums.amounts, strict=True)) | dict(zip(_SUMMED, sums.ends, strict=True))
    floats["coverage"] = sums.coverage
    days = [("recorded_at", sums.recorded, pl.Int64), ("published_on", sums.published, pl.Int32)]
    return [
        *(pl.Series(name, values, nan_to_null=True) for name, values in floats.items()),
        pl.Series("excused", sums.excused),
        pl.Series("known", sums.known),
        *(
            pl.Series(name, values).set(pl.Series(values == _NEVER), None).cast(kind).cast(SCHEMA[name])
            for name, values, kind in days
        ),
        pl.Series("review", sums.review),
        sums.inputs.lists().alias("inputs"),
    ]

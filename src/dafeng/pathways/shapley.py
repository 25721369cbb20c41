"""What each measure contributes to a whole in which measures help and hinder one another: Shapley values.

A measure's contribution is what it adds to what is reached without it, on average over all orders in which the measures could be
added (Shapley 1953, Annals of Mathematics Studies 28, 307–317):

    φ[i] = Σ over subsets S without i of |S|! (n - |S| - 1)! / n! · (v(S ∪ {i}) - v(S))

It is the only rule by which the contributions add up to the whole (efficiency), measures that always do the same get the same
(symmetry), one that never does anything gets nothing (null player) and contributions to a sum are sums of contributions
(additivity). Interactions are shared equally between those that make them; `pair_interactions` shows them (Grabisch and Roubens
1999, International Journal of Game Theory 28, 547–565). The worths of all subsets are evaluated as draws of one run. For more
measures than `EXACT_MOST` orders are sampled, each with its reverse (Castro, Gómez and Tejada 2009, Computers & Operations Research
36, 1726–1730), and the standard error is stated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.sampling import stream

__all__ = [
    "EXACT_MOST",
    "Contributions",
    "Worth",
    "contributions",
    "exact_shapley",
    "pair_interactions",
    "subsets",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Worth = Callable[[Mask], Array]
"""Worth of subsets: from shape (measure, subset), True where a measure acts, to shape (subset, ...)."""

EXACT_MOST: Final = 14
"""Measures up to which all subsets are evaluated: 16,384 draws."""


@dataclass(frozen=True)
class Contributions:
    """Contributions of measures to a whole of any shape (years, say)."""

    measures: tuple[str, ...]
    """Ids, in the order given."""
    shares: Array
    """Shapley values, shape (measure, ...); they add up to `whole`."""
    alone: Array
    """Worth of each measure by itself, shape (measure, ...)."""
    at_last: Array
    """What each adds when all others act, shape (measure, ...)."""
    whole: Array
    """Worth of all measures together, shape (...)."""
    pairs: Array | None
    """Interaction of each pair, shape (measure, measure, ...): negative where they take from one another; None where sampled."""
    error: Array | None
    """Standard error of `shares`; None where exact."""
    evaluations: int
    """Subsets evaluated."""


def subsets(count: int) -> Mask:
    """Return all subsets of `count` measures, shape (measure, subset); subset number in binary, the first measure its lowest digit.

    Examples
    --------
    >>> subsets(2).astype(int).tolist()
    [[0, 1, 0, 1], [0, 0, 1, 1]]
    """
    return np.asarray((np.arange(1 << count)[None, :] >> np.arange(count)[:, None]) & 1, dtype=np.bool_)


def exact_shapley(worths: ArrayLike) -> Array:
    """Return the Shapley values of a game whose worth is known for every subset.

    Parameters
    ----------
    worths : array, shape (subset, ...)
        In the order of `subsets`; the first, of no measure, need not be zero.

    Returns
    -------
    array, shape (measure, ...)
        Their sum is the last worth less the first.

    Raises
    ------
    InputError
        The number of subsets is no power of two.

    Examples
    --------
    A left glove and two right ones: a pair is worth one.

    >>> exact_shapley([0, 0, 0, 1, 0, 1, 0, 1]).round(4).tolist()
    [0.6667, 0.1667, 0.1667]
    """
    table, count = _game(worths)
    sizes = subsets(count).sum(axis=0)
    found = np.empty((count, *table.shape[1:]))
    weights = np.array([1.0 / (count * comb(count - 1, size)) for size in range(count)])
    numbers = np.arange(len(table))
    for measure in range(count):
        without = numbers[(numbers >> measure) & 1 == 0]
        added = table[without | (1 << measure)] - table[without]
        found[measure] = np.tensordot(weights[sizes[without]], added, axes=1)
    return found


def pair_interactions(worths: ArrayLike) -> Array:
    """Return the interaction of each pair of measures, averaged over the orders of the others.

    Parameters
    ----------
    worths : array, shape (subset, ...)
        As for `exact_shapley`.

    Returns
    -------
    array, shape (measure, measure, ...)
        Symmetric, zero on the diagonal; negative where two take from one another.

    Examples
    --------
    >>> pair_interactions([0, 3, 4, 5])[0, 1].item()  # 3 and 4 alone, 5 together
    -2.0
    """
    table, count = _game(worths)
    found = np.zeros((count, count, *table.shape[1:]))
    if count < 2:
        return found
    sizes, numbers = subsets(count).sum(axis=0), np.arange(len(table))
    weights = np.array([1.0 / ((count - 1) * comb(count - 2, size)) for size in range(count - 1)])
    for first in range(count):
        for second in range(first + 1, count):
            one, two = 1 << first, 1 << second
            rest = numbers[numbers & (one | two) == 0]
            together = table[rest | one | two] - table[rest | one] - table[rest | two] + table[rest]
            found[first, second] = found[second, first] = np.tensordot(weights[sizes[rest]], together, axes=1)
    return found


def contributions(
    worth: Worth,
    measures: Sequence[str],
    *,
    exact_most: int = EXACT_MOST,
    orders: int = 256,
    seed: int = 0,
) -> Contributions:
    """Work out what each measure contributes.

    Parameters
    ----------
    worth : callable
        See `Worth`; called once, with all subsets that are needed.
    measures : sequence of str
        Ids, each once.
    exact_most : int
        Up to so many measures all subsets are evaluated.
    orders : int
        Orders sampled beyond that, an even number: half of them are the reverse of the other half.
    seed : int
        For the orders.

    Raises
    ------
    InputError
        No measure, one twice, or fewer than four orders.

    Notes
    -----
    Sampled contributions still add up to the whole: every order does.

    Examples
    --------
    >>> def worth(active):  # two measures that overlap
    ...     return 3.0 * active[0] + 4.0 * active[1] - 2.0 * (active[0] & active[1])
    >>> found = contributions(worth, ["insulation", "heat-pumps"])
    >>> found.shares.tolist(), found.alone.tolist(), found.at_last.tolist(), float(found.whole)
    ([2.0, 3.0], [3.0, 4.0], [1.0, 2.0], 5.0)
    """
    names, count = tuple(measures), len(measures)
    if not count or len(set(names)) < count or orders < 4 or orders % 2:
        raise InputError(
            f"{count} measures, {count - len(set(names))} of them twice, {orders} orders",
            doing="share out the effect of measures",
            expected="at least one measure, each once, and an even number of orders from 4 up",
            next_step="name the measures of the scenario",
        )
    if count <= exact_most:
        table = np.asarray(worth(subsets(count)), dtype=np.float64)
        single = [1 << measure for measure in range(count)]
        everything = len(table) - 1
        return Contributions(
            measures=names,
            shares=exact_shapley(table),
            alone=table[single] - table[0],
            at_last=table[everything] - table[[everything ^ one for one in single]],
            whole=table[everything] - table[0],
            pairs=pair_interactions(table),
            error=None,
            evaluations=len(table),
        )
    return _sampled(worth, names, orders, stream(seed, "orders"))


def _sampled(worth: Worth, names: tuple[str, ...], orders: int, rng: np.random.Generator) -> Contributions:
    count = len(names)
    half = np.argsort(rng.random((orders // 2, count)), axis=1)
    ranks = np.argsort(np.concatenate([half, half[:, ::-1]]), axis=1)  # (order, measure): place of the measure
    before = ranks[:, :, None] < np.arange(count + 1)  # (order, measure, length of the beginning)
    begun = before.transpose(1, 0, 2).reshape(count, -1)
    extra = np.concatenate([np.eye(count, dtype=np.bool_), ~np.eye(count, dtype=np.bool_)], axis=1)
    packed = np.packbits(np.concatenate([begun, extra], axis=1), axis=0).T
    unique, where = np.unique(packed, axis=0, return_inverse=True)
    active = np.unpackbits(unique, axis=1, count=count).T.astype(np.bool_)
    table = np.asarray(worth(active), dtype=np.float64)
    where = where.reshape(-1)
    paths = table[where[: begun.shape[1]]].reshape(orders, count + 1, *table.shape[1:])
    steps = np.diff(paths, axis=1)
    gains = steps[np.arange(orders)[:, None], ranks]  # (order, measure, ...)
    pairs = (gains[: orders // 2] + gains[orders // 2 :]) / 2
    nothing, everything = paths[0, 0], paths[0, -1]
    ends = table[where[begun.shape[1] :]]
    return Contributions(
        measures=names,
        shares=pairs.mean(axis=0),
        alone=ends[:count] - nothing,
        at_last=everything - ends[count:],
        whole=np.asarray(everything - nothing),
        pairs=None,
        error=np.asarray(pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))),
        evaluations=len(unique),
    )


def _game(worths: ArrayLike) -> tuple[Array, int]:
    table = np.asarray(worths, dtype=np.float64)
    count = len(table).bit_length() - 1 if table.ndim else 0
    if count < 1 or len(table) != 1 << count:
        raise InputError(
            f"worths of shape {table.shape}",
            doing="share out the effect of measures",
            expected="one worth for every subset: 2, 4, 8, … rows",
            next_step="evaluate all subsets in the order of `subsets`",
        )
    return table, count

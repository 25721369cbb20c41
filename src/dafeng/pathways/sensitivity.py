"""What moves a result: variance-based sensitivity (Sobol' 1993), by spread group or by factors of several groups.

With ``A`` and ``B`` two independent tables of draws and ``AB_i`` the table A with the columns of factor i from B,

    first order  S_i  = mean(f(B) · (f(AB_i) - f(A))) / V      (Saltelli et al. 2010, Computer Physics Communications 181, 259–270)
    total        ST_i = mean((f(A) - f(AB_i))²) / 2V            (Jansen 1999, Computer Physics Communications 117, 35–43)

S_i is the share of the variance that would go if the factor were known; ST_i is what would be left if all others were known, with
every interaction that the factor takes part in. Intervals come from resampling the rows. `share_by_group` takes the first order
from draws that exist anyway, by orthogonal polynomials (Sudret 2008, Reliability Engineering & System Safety 93, 964–979).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.sampling import quantiles, stream

__all__ = ["LEVEL", "Evaluate", "Sensitivity", "share_by_group", "sobol_indices", "strongest_factors"]

Array = NDArray[np.float64]
Evaluate = Callable[[dict[str, Array]], Array]
"""Results of draws: from quantiles by group, shape (draw,), to shape (result, draw)."""

LEVEL: Final = 0.9
"""Coverage of the intervals."""
_LEAST: Final = 16
_ROUNDING: Final = 1e-12
_DEGREE: Final = 3
_DRAWS_PER_TERM: Final = 4


@dataclass(frozen=True)
class Sensitivity:
    """Indices of several results; arrays of shape (factor, result), nan where a result does not vary."""

    factors: tuple[str, ...]
    """Names."""
    results: tuple[str, ...]
    """Names."""
    first: Array
    """First-order indices; a little below zero by chance where there is no effect."""
    first_interval: Array
    """Their bounds, shape (2, factor, result)."""
    total: Array
    """Total indices."""
    total_interval: Array
    """Their bounds."""
    variance: Array
    """Variance of each result, shape (result,)."""
    base: int
    """Rows of each table."""
    evaluations: int
    """Draws run."""
    level: float
    """Coverage of the intervals."""

    def ranked(self, result: str) -> tuple[tuple[str, float, float], ...]:
        """Return factor, first-order and total index, by the total index from the largest down."""
        at = self.results.index(result)
        order = np.argsort(-np.nan_to_num(self.total[:, at]), kind="stable")
        return tuple((self.factors[i], float(self.first[i, at]), float(self.total[i, at])) for i in order)


def sobol_indices(
    evaluate: Evaluate,
    factors: Mapping[str, Sequence[str]],
    results: Sequence[str],
    *,
    base: int = 512,
    seed: int = 0,
    resamples: int = 200,
    level: float = LEVEL,
) -> Sensitivity:
    """Estimate first-order and total indices.

    Parameters
    ----------
    evaluate : callable
        See `Evaluate`; called once for A, for B and for each factor.
    factors : mapping from factor to groups
        Each group in one factor; groups in none stay at their median.
    results : sequence of str
        Names of the rows that `evaluate` returns.
    base : int
        Rows of each table, from 16 up; a power of two serves the Sobol design best. It takes base · (factors + 2) draws.
    seed : int
    resamples : int
        Resampled tables for the intervals.
    level : float
        Coverage of the intervals.

    Raises
    ------
    InputError
        No factor, a group in two factors, fewer rows than 16, or results of another shape.

    Examples
    --------
    >>> found = sobol_indices(lambda u: (2 * u["a"] + u["b"])[None], {"a": ["a"], "b": ["b"]}, ["sum"], base=1024)
    >>> found.total[:, 0].round(2).tolist()
    [0.8, 0.2]
    """
    groups = [group for members in factors.values() for group in members]
    if not groups or len(set(groups)) < len(groups) or base < _LEAST or resamples < 1 or not 0 < level < 1:
        raise InputError(
            f"{len(factors)} factors of {len(groups)} groups, {len(groups) - len(set(groups))} twice, {base} rows",
            doing="work out sensitivities",
            expected=f"each group in one factor, and at least {_LEAST} rows",
            next_step="mend the factors, or take more rows",
        )
    drawn = quantiles([f"{table}/{group}" for table in "ab" for group in groups], base, seed=seed)
    first = {group: drawn[f"a/{group}"] for group in groups}
    second = {group: drawn[f"b/{group}"] for group in groups}

    def run(columns: dict[str, Array]) -> Array:
        found = np.asarray(evaluate(columns), dtype=np.float64)
        if found.shape != (len(results), base):
            raise InputError(
                f"results of shape {found.shape}",
                doing="work out sensitivities",
                expected=f"shape {(len(results), base)}",
                next_step="return one row for each result named",
            )
        return found

    of_a, of_b = run(dict(first)), run(dict(second))
    mixed = np.stack(
        [run(first | {group: second[group] for group in members}) for members in factors.values()]
    )  # (factor, result, row)
    floor = (_ROUNDING * np.maximum(np.abs(of_a).max(axis=1), np.abs(of_b).max(axis=1))) ** 2
    centre = (of_a.mean(axis=1, keepdims=True) + of_b.mean(axis=1, keepdims=True)) / 2
    tables = (of_a - centre, of_b - centre, mixed - centre)
    whole = _indices(tables[0], tables[1], tables[2], floor)
    rng = stream(seed, "resample")
    of_rows = (
        _indices(tables[0][:, rows], tables[1][:, rows], tables[2][..., rows], floor)
        for rows in rng.integers(0, base, (resamples, base))
    )
    again = np.stack([np.stack(found[:2]) for found in of_rows])  # (resample, kind, factor, result)
    tails = [(1 - level) / 2, (1 + level) / 2]
    bounds = np.quantile(again, tails, axis=0)
    return Sensitivity(
        factors=tuple(factors),
        results=tuple(results),
        first=whole[0],
        first_interval=np.asarray(bounds[:, 0]),
        total=whole[1],
        total_interval=np.asarray(bounds[:, 1]),
        variance=whole[2],
        base=base,
        evaluations=base * (len(factors) + 2),
        level=level,
    )


def share_by_group(drawn: Mapping[str, ArrayLike], results: ArrayLike, *, degree: int | None = None) -> Array:
    """Estimate first-order indices from draws that exist, by a polynomial in each group's quantile without interactions.

    Parameters
    ----------
    drawn : mapping from group to array, shape (draw,)
        Quantiles of an ensemble.
    results : array, shape (result, draw)
    degree : int, optional
        Degree of the polynomials; up to three, as the draws allow, where None.

    Returns
    -------
    array, shape (group, result)
        Sums of squared coefficients of Legendre polynomials, less what chance adds to them, as shares of the variance; a little
        below zero by chance. nan where a result does not vary, or where draws are fewer than four for each coefficient.

    Examples
    --------
    >>> drawn = quantiles(["a", "b"], 1024, seed=1)
    >>> share_by_group(drawn, [2 * drawn["a"] + drawn["b"]])[:, 0].round(2).tolist()
    [0.8, 0.2]
    """
    table = np.asarray(results, dtype=np.float64)
    count, draws = len(drawn), table.shape[1]
    allowed = (draws // _DRAWS_PER_TERM - 1) // max(count, 1)
    width = min(_DEGREE, allowed) if degree is None else degree
    found = np.full((count, len(table)), np.nan)
    if width < 1 or allowed < width:
        return found
    columns = np.stack([np.asarray(column, dtype=np.float64) for column in drawn.values()])
    powers = legendre.legvander(2 * columns - 1, width)[..., 1:] * np.sqrt(2 * np.arange(1, width + 1) + 1)
    design = np.column_stack([np.ones(draws), powers.transpose(1, 0, 2).reshape(draws, -1)])
    variance = table.var(axis=1)
    moved = variance > (_ROUNDING * np.abs(table).max(axis=1)) ** 2
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ (design.T @ (table - table.mean(axis=1, keepdims=True)).T)  # (term, result)
    left = table.T - table.mean(axis=1) - design @ fitted
    noise = np.sum(left**2, axis=0) / (draws - design.shape[1])
    terms = fitted**2 - np.diag(inverse)[:, None] * noise
    shares = terms[1:].reshape(count, width, len(table)).sum(axis=1)
    found[:, moved] = shares[:, moved] / variance[moved]
    return found


def strongest_factors(
    drawn: Mapping[str, ArrayLike], results: ArrayLike, *, most: int = 12, rest: str = "rest"
) -> dict[str, tuple[str, ...]]:
    """Choose factors where groups are many: the strongest by themselves, all others as one.

    Parameters
    ----------
    drawn, results
        As for `share_by_group`.
    most : int
        Factors in all.
    rest : str
        Name of the factor of all others.

    Examples
    --------
    >>> drawn = quantiles(["a", "b", "c"], 256, seed=1)
    >>> strongest_factors(drawn, [drawn["b"] + 0.1 * drawn["a"]], most=2)
    {'b': ('b',), 'rest': ('a', 'c')}
    """
    names = list(drawn)
    if len(names) <= most:
        return {name: (name,) for name in names}
    strength = np.nan_to_num(share_by_group(drawn, results)).max(axis=1)
    chosen = set(np.argsort(-strength, kind="stable")[: most - 1].tolist())
    own = {name: (name,) for at, name in enumerate(names) if at in chosen}
    return own | {rest: tuple(name for at, name in enumerate(names) if at not in chosen)}


def _indices(of_a: Array, of_b: Array, mixed: Array, floor: Array) -> tuple[Array, Array, Array]:
    """Return first-order and total indices, shape (factor, result), and the variances, shape (result,).

    A variance up to `floor` is rounding.
    """
    both = np.concatenate([of_a, of_b], axis=1)
    variance = both.var(axis=1)
    nothing = np.full(mixed.shape[:2], np.nan)
    moved = variance > floor
    first = np.divide(np.mean(of_b * (mixed - of_a), axis=2), variance, out=nothing.copy(), where=moved)
    total = np.divide(np.mean((of_a - mixed) ** 2, axis=2) / 2, variance, out=nothing, where=moved)
    return first, total, np.asarray(variance)

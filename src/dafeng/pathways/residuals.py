"""The model's own error in the future: equation (12), an autoregression on the logarithm of each component.

    r[t] = memory · r[t-1] + scatter · √(1 - memory²) · ε[t],   r[base year] = 0,   ε standard normal.

`scatter` is the standard deviation that r reaches in the long run, as residuals of history show it; the first year after the base
year has scatter · √(1 - memory²). History has no residual: there the model is compared, not drawn. A component whose history ends
before the base year says so by a scatter of zero up to its last observed year. Components are independent of one another, and the
median of exp(r) is one, so that the median of the emission is the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.sampling import stream

__all__ = ["last_observed", "residual_normals", "residuals"]

Array = NDArray[np.float64]


def residual_normals(components: Sequence[str], years: int, draws: int, *, seed: int) -> Array:
    """Draw the standard normal numbers ε, shape (component, year, draw).

    Parameters
    ----------
    components : sequence of str
        Each has a stream of its own name.
    years : int
        Years after the base year.
    draws : int
    seed : int

    Notes
    -----
    A draw's numbers do not depend on how many draws follow nor on the other components.

    Examples
    --------
    >>> short, long = (residual_normals(["materials"], 3, draws, seed=5) for draws in (2, 4))
    >>> long.shape, bool(np.array_equal(long[:, :, :2], short))
    ((1, 3, 4), True)
    """
    drawn = [stream(seed, "residual", name).standard_normal((draws, years)).T for name in components]
    return np.stack(drawn) if drawn else np.empty((0, years, draws))


def last_observed(scatter: ArrayLike, years: ArrayLike, base_year: int) -> NDArray[np.int64]:
    """Return the year of each component after which the residual is drawn.

    Parameters
    ----------
    scatter : array, shape (component, year, draw)
    years : array of int, shape (year,)
    base_year : int
        Last year of history where the scatter is zero in no year before it.

    Returns
    -------
    array of int, shape (component,)
        The last year up to the base year without scatter, else the base year.

    Examples
    --------
    >>> last_observed([[[0.0], [0.4], [0.4]], [[0.1], [0.1], [0.1]]], [2017, 2018, 2019], 2018).tolist()
    [2017, 2018]
    """
    time = np.asarray(years, dtype=np.int64)
    still = ~np.asarray(scatter, dtype=np.float64).any(axis=-1) & (time <= base_year)
    return np.where(still.any(axis=1), np.where(still, time, time[0]).max(axis=1), base_year).astype(np.int64)


def residuals(normals: ArrayLike, scatter: ArrayLike, memory: ArrayLike) -> Array:
    """Run the autoregression of equation (12).

    Parameters
    ----------
    normals : array, shape (component, year, draw)
        As `residual_normals` gives them, for the years after the base year.
    scatter : array, shape (component, year or 1, draw or 1)
        Long-run standard deviation on the log scale, from zero up.
    memory : array, shape (component or 1, year or 1, draw or 1), or without the first axis
        Autocorrelation, from 0 to below 1.

    Returns
    -------
    array, shape (component, year, draw)
        r; the emission is multiplied by its exponential.

    Raises
    ------
    InputError
        A negative scatter, or a memory outside [0, 1).

    Examples
    --------
    >>> shock = np.zeros((1, 3, 1)); shock[0, 0] = 1.0
    >>> residuals(shock, [[[0.1]]], [[0.6]])[0, :, 0].round(4).tolist()
    [0.08, 0.048, 0.0288]
    """
    shocks = np.asarray(normals, dtype=np.float64)
    keep = np.asarray(memory, dtype=np.float64)
    wide = np.asarray(scatter, dtype=np.float64)
    if not (bool(np.all((keep >= 0) & (keep < 1))) and bool(np.all((wide >= 0) & np.isfinite(wide)))):
        raise InputError(
            f"memory from {keep.min():g} to {keep.max():g}, scatter from {wide.min():g} to {wide.max():g}",
            doing="draw the residual",
            expected="memory from 0 to below 1, scatter from 0 up",
            next_step="mend residual_memory or residual_scatter",
        )
    years = shocks.shape[1]
    by_year = np.broadcast_to(keep, (shocks.shape[0], years, keep.shape[-1]))
    sizes = np.broadcast_to(wide * np.sqrt(1 - keep**2), (*shocks.shape[:2], max(wide.shape[-1], keep.shape[-1])))
    found = np.empty_like(shocks)
    state = np.zeros((shocks.shape[0], shocks.shape[2]))
    for at in range(years):
        state = by_year[:, at] * state + sizes[:, at] * shocks[:, at]
        found[:, at] = state
    return found

"""Values at a quantile: distributions given by their 5th, 50th and 95th percentile, one number for all years of a spread group.

With ``s(u)`` the score of quantile ``u`` (0 at the median, ±1 at the 5th and 95th percentile) the value of a year is

    normal, triangular, uniform   ``v + (high - v) s`` above the median, ``v + (v - low) s`` below it
    lognormal                     ``v (high / v)^s`` above, ``v (v / low)^s`` below

in two halves about the stated value, which is the median. Scores: normal ``Phi^-1(u) / Phi^-1(0.95)``; uniform ``(2u - 1) / 0.9``;
triangular ``(1 - sqrt(2 (1 - u))) / (1 - sqrt(0.1))`` above the median, mirrored below. The same quantile for all years makes the
path of a draw lie at the same place of the fan throughout.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Spread", "scores", "values_at"]

Floats = NDArray[np.float64]
Spread = Literal["normal", "triangular", "uniform", "lognormal"]

_Z95: Final = float(ndtri(0.95))
_EDGE: Final = 1e-9  # quantiles are kept this far from 0 and 1, 6 standard deviations


def scores(quantiles: Floats, spread: Spread) -> Floats:
    """Return the scores of quantiles: 0 at the median, -1 and 1 at the 5th and 95th percentile.

    Examples
    --------
    >>> import numpy as np
    >>> [scores(np.array([0.05, 0.5, 0.95]), form).round(12).tolist() for form in ("normal", "triangular", "uniform")]
    [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]
    """
    given = np.clip(np.asarray(quantiles, dtype=np.float64), _EDGE, 1 - _EDGE)
    if spread == "uniform":
        return np.asarray((2 * given - 1) / 0.9)
    if spread == "triangular":
        tail = np.minimum(given, 1 - given)
        return np.asarray(np.sign(given - 0.5) * (1 - np.sqrt(2 * tail)) / (1 - np.sqrt(0.1)))
    return np.asarray(ndtri(given) / _Z95)


def values_at(low: Floats, mid: Floats, high: Floats, score: Floats, spread: Spread) -> Floats:
    """Return the values of all years at each score, `(years, draws)`.

    Parameters
    ----------
    low, mid, high : array, shape (years,)
        5th percentile, median, 95th percentile; above 0 for lognormal, else it is read as normal in that year.
    score : array, shape (draws,)
    spread : {"normal", "triangular", "uniform", "lognormal"}
    """
    above, below = np.maximum(score, 0.0), np.minimum(score, 0.0)
    if spread == "lognormal" and bool((low > 0).all()):
        out = np.multiply.outer(np.log(high / mid), above)
        out += np.multiply.outer(np.log(mid / low), below)
        np.exp(out, out=out)
        out *= mid[:, None]
        return np.asarray(out)
    up, down = high - mid, mid - low
    if np.array_equal(up, down):
        out = np.multiply.outer(up, score)
    else:
        out = np.multiply.outer(up, above)
        out += np.multiply.outer(down, below)
    out += mid[:, None]
    return np.asarray(out)

"""Series that have no peak, and the critical values that the whole procedure of `peak` needs against them.

Two families, both with normal innovations on the log scale: a random walk with drift 0 or above, and an autoregression of
first order about a level. Every statistic is studentised, so that the size of the innovations does not matter and the table
depends on the length alone. Of several nulls the one with the largest critical value counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from dafeng.methods.breaks import jump_scores
from dafeng.methods.peak import peak_statistics, rising_statistics

__all__ = ["LEVELS", "NULLS", "TESTS", "CriticalRow", "Null", "critical_rows", "statistics"]

LEVELS: Final = (0.2, 0.1, 0.05, 0.025, 0.01)
"""Levels of the table, falling."""
TESTS: Final = ("peaked", "rising", "level_shift")
"""Tests of the table."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Null:
    """A law of series without a peak.

    Examples
    --------
    >>> walk = Null("walk", drift=0.0).draw(25, 1000, np.random.default_rng(7))
    >>> walk.shape, bool(np.std(np.diff(walk)) > 0.95)
    ((1000, 25), True)
    """

    name: str
    """Name in the table."""
    drift: float = 0.0
    """Drift a year of the random walk, in standard deviations of an innovation."""
    phi: float = 1.0
    """Autocorrelation about the level; 1 is the random walk."""

    def draw(self, length: int, draws: int, rng: np.random.Generator) -> Array:
        """Return logarithms of series, shape (draw, year), with innovations of standard deviation 1."""
        innovations = rng.standard_normal((draws, length))
        if self.phi == 1.0:
            return np.cumsum(innovations + self.drift, axis=1)
        innovations[:, 0] /= np.sqrt(1.0 - self.phi**2)
        return np.asarray(lfilter([1.0], [1.0, -self.phi], innovations, axis=1), dtype=np.float64)


NULLS: Final = (
    Null("walk"),
    Null("ar-0.0", phi=0.0),
    Null("ar-0.5", phi=0.5),
    Null("ar-0.8", phi=0.8),
    Null("ar-0.9", phi=0.9),
)
"""The declared nulls. A drift above 0 moves the maximum to the end: 0 is the least favourable, as a soak test shows."""


@dataclass(frozen=True)
class CriticalRow:
    """One row of the table."""

    test: str
    """One of `TESTS`."""
    length: int
    """Points of the series."""
    null: str
    """The null with the largest critical value at 5 %."""
    critical: tuple[float, ...]
    """Largest critical value over the nulls, one a level of `LEVELS`."""


def statistics(test: str, logs: Array) -> Array:
    """Return the statistic of a test for each series, as the verdict works it out.

    Examples
    --------
    >>> statistics("peaked", np.arange(20.0).reshape(2, 10)).tolist()
    [-inf, -inf]
    """
    years = np.arange(logs.shape[1], dtype=np.float64)
    if test == "peaked":
        return peak_statistics(years, logs).statistic
    if test == "rising":
        return rising_statistics(years, logs)[0]
    return np.asarray(np.max(np.abs(jump_scores(years, logs)), axis=1))


def critical_rows(length: int, draws: int, rng: np.random.Generator) -> list[CriticalRow]:
    """Simulate the critical values of every test for one length.

    Parameters
    ----------
    length : int
        Points of the series.
    draws : int
        Series of the random walk, which is the worst null; half as many of each other one.
    rng : Generator

    Returns
    -------
    list of CriticalRow
        One a test. A critical value is never below zero: a series that does not fall is not peaked.

    Examples
    --------
    >>> [row.test for row in critical_rows(8, 200, np.random.default_rng(1))]
    ['peaked', 'rising', 'level_shift']
    """
    quantiles = np.empty((len(NULLS), len(TESTS), len(LEVELS)))
    for at, null in enumerate(NULLS):
        number = draws if null.phi == 1.0 else draws // 2
        logs = null.draw(length, number, rng)
        above = np.minimum(np.ceil(number * (1.0 - np.array(LEVELS))).astype(int), number - 1)
        for column, test in enumerate(TESTS):
            quantiles[at, column] = np.maximum(np.sort(statistics(test, logs))[above], 0.0)
    nominal = LEVELS.index(0.05)
    return [
        CriticalRow(
            test,
            length,
            NULLS[int(np.argmax(quantiles[:, column, nominal]))].name,
            tuple(float(value) for value in quantiles[:, column].max(axis=0)),
        )
        for column, test in enumerate(TESTS)
    ]

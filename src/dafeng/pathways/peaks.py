"""When each draw peaks, how high, and how sure: peak years by an explicit plateau rule, and probabilities as counts over draws.

For one draw, with ``M`` its largest value over the years looked at:

1. *Peak year.* The latest year whose value is at least ``(1 - near) · M``: years nearer than 0.1 % are equal, and of equals the
   latest counts, as in `dafeng.methods.peak`.
2. *Horizon.* A peak in the last year of the horizon is no peak: the draw has not peaked by then.
3. *Level.* ``M`` itself.
4. *Plateau.* The unbroken run of years about the peak year within five percent of ``M``.
5. *State at the end of the horizon*, with the words and bounds of `dafeng.methods.peak`: 仍在上升 (rising) where the peak year is the
   last; 尚不能判定 (undetermined) with fewer than five years after it, where the last value has climbed back more than half of
   the way, or where there is nothing above zero; 平台期 (plateau) where the median of the years after it and that of the last five are within five percent of ``M``; else
   已达峰 (peaked). A draw is a path that is known, so no trend has to be tested.

P(peak ≤ Y) is the share of draws whose peak year is at most Y and not the last of the horizon. Quantiles of the peak year are years
of draws: the earliest year by which that share of the draws has peaked, so that both figures say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.methods.peak import PLATEAU, YEARS_AFTER, Status

__all__ = ["NEAR", "QUANTILES", "STATES", "Peaks", "anchored", "draw_quantiles", "peak_shares", "peak_years"]

NEAR: Final = 0.001
"""Distance from the maximum within which a year is equal to it, as a share of it."""
STATES: Final[tuple[Status, ...]] = ("peaked", "plateau", "rising", "undetermined")
"""States at the end of the horizon; names in `dafeng.methods.peak.STATUS_NAMES`."""
QUANTILES: Final = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
"""Quantiles of results."""
_HALF: Final = 0.5

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Peaks:
    """Peaks of many draws of one series.

    Examples
    --------
    >>> values = np.array([[1.0, 1.0], [3.0, 2.0], [2.0, 3.0], [1.0, 4.0]])
    >>> peaks = peak_years(values, range(2029, 2033))
    >>> peaks.year.tolist(), peaks.peaked.tolist(), peaks.probability_by(2030), peaks.probability_by(2032)
    ([2030, 2032], [True, False], 0.5, 0.5)
    """

    years: Integers
    """Years looked at, shape (year,)."""
    year: Integers
    """Peak year, shape (draw,); the last year of the horizon where the draw has not peaked."""
    level: Array
    """Largest value, in the unit of the series, shape (draw,)."""
    plateau_first: Integers
    """First year of the plateau about the peak year, shape (draw,)."""
    plateau_last: Integers
    """Last year of it."""
    state: NDArray[np.int8]
    """Number of the state in `STATES`, shape (draw,)."""
    near: float
    """The distance within which years are equal."""

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.year)

    @property
    def peaked(self) -> NDArray[np.bool_]:
        """Whether the peak year comes before the last year of the horizon, shape (draw,)."""
        return np.asarray(self.year < self.years[-1])

    def probability_by(self, year: int) -> float:
        """Return the share of draws that peak by the end of a year."""
        return float(np.mean((self.year <= year) & self.peaked))

    def probability_error(self, year: int) -> float:
        """Return the Monte Carlo standard error of `probability_by`.

        Notes
        -----
        Standard deviation of the beta distribution with half a draw added to either side, which is not zero where all draws
        agree. That of random draws; Sobol draws are nearer as a rule.
        """
        hits = self.probability_by(year) * self.draws + _HALF
        share = hits / (self.draws + 1)
        return float(np.sqrt(share * (1 - share) / (self.draws + 2)))

    def year_quantile(self, share: float) -> int:
        """Return the earliest year by which at least `share` of the draws has its peak year.

        The last year of the horizon stands for *not peaked by then*: see `is_open`.
        """
        place = min(self.draws - 1, max(0, int(np.ceil(share * self.draws - 1e-9)) - 1))
        return int(np.partition(self.year, place)[place])

    def is_open(self, share: float) -> bool:
        """Whether that quantile of the peak year lies beyond the horizon."""
        return self.year_quantile(share) >= int(self.years[-1])

    def year_error(self, share: float) -> tuple[int, int]:
        """Return the years between which a quantile of the peak year lies, within one standard error of its rank."""
        wide = float(np.sqrt(share * (1 - share) / self.draws))
        return self.year_quantile(max(0.0, share - wide)), self.year_quantile(min(1.0, share + wide))

    def state_share(self, state: Status) -> float:
        """Return the share of draws in a state at the end of the horizon."""
        return float(np.mean(self.state == STATES.index(state)))


def peak_years(values: ArrayLike, years: ArrayLike | Sequence[int], *, near: float = NEAR) -> Peaks:
    """Find the peak of each draw by the plateau rule.

    Parameters
    ----------
    values : array, shape (year, draw)
        Emissions; nan where a year does not count (history without a value).
    years : array, shape (year,)
        Rising.
    near : float
        Distance from the maximum within which a year is equal to it, as a share of it; 0 for the plain maximum.

    Returns
    -------
    Peaks

    Raises
    ------
    InputError
        Shapes do not fit, years do not rise, an infinite value, a draw without any value or none in the last year, or `near`
        outside [0, 1).

    Examples
    --------
    >>> peaks = peak_years([[9.0], [10.0], [9.995], [9.0], [8.0], [7.0], [6.0], [5.0]], range(2028, 2036))
    >>> peaks.year.tolist(), peaks.level.tolist(), STATES[peaks.state[0]]
    ([2030], [10.0], 'peaked')
    >>> peak_years([[9.0], [10.0], [9.995], [9.0]], range(2028, 2032), near=0).year.tolist()
    [2029]
    """
    table = np.asarray(values, dtype=np.float64)
    time = np.asarray(years, dtype=np.int64)
    _check(table, time, near)
    known = np.isfinite(table)
    held = table if bool(known.all()) else np.where(known, table, -np.inf)
    top = held.max(axis=0)
    at = _latest_near(held, top, near)
    last = len(time) - 1
    draws = np.arange(table.shape[1])
    inside = held >= top - PLATEAU * np.abs(top)
    place = np.arange(len(time))[:, None]
    before = np.where(~inside & known & (place < at), place, -1).max(axis=0) + 1
    after = np.where(~inside & known & (place > at), place, last + 1).min(axis=0) - 1
    first = np.maximum(before, np.argmax(known, axis=0))
    return Peaks(
        years=time,
        year=time[at],
        level=np.asarray(top[draws]),
        plateau_first=time[first],
        plateau_last=time[after],
        state=_states(held, known, at, top, time),
        near=near,
    )


def peak_shares(
    values: ArrayLike, years: ArrayLike | Sequence[int], asked: Sequence[int], *, near: float = NEAR
) -> dict[int, float]:
    """Return P(peak ≤ year) for some years and nothing else: `peak_years` without the states.

    Parameters
    ----------
    values, years, near
        As for `peak_years`.
    asked : sequence of int

    Raises
    ------
    InputError
        As for `peak_years`.

    Examples
    --------
    >>> peak_shares([[9.0, 1.0], [10.0, 2.0], [9.0, 3.0]], range(2029, 2032), [2029, 2030])
    {2029: 0.0, 2030: 0.5}
    """
    table, time = np.asarray(values, dtype=np.float64), np.asarray(years, dtype=np.int64)
    _check(table, time, near)
    held = np.where(np.isnan(table), -np.inf, table)
    year = time[_latest_near(held, held.max(axis=0), near)]
    return {one: float(np.mean((year <= one) & (year < time[-1]))) for one in asked}


def anchored(values: ArrayLike, years: ArrayLike | Sequence[int], history: Mapping[int, float]) -> Array:
    """Set observed history before the model's future, on the level of the history.

    Parameters
    ----------
    values : array, shape (year, draw)
        Modelled emissions.
    years : array, shape (year,)
        Rising.
    history : mapping from year to value
        Observed values, above zero, in the unit of the series or another: the level is theirs.

    Returns
    -------
    array, shape (year, draw)
        Up to the last year of history its values, and nan where it has none; after it the modelled value times the quotient of
        the observed and the modelled value of that year. A boundary that has peaked already then says so by what was observed.

    Raises
    ------
    InputError
        No year of history among the years, or a value not above zero.

    Examples
    --------
    >>> anchored([[1.0], [1.0], [2.0], [3.0]], [2018, 2019, 2020, 2021], {2018: 30.0, 2020: 20.0})[:, 0].tolist()
    [30.0, nan, 20.0, 30.0]
    """
    table = np.asarray(values, dtype=np.float64)
    time = np.asarray(years, dtype=np.int64)
    known = {int(year): float(value) for year, value in history.items() if time[0] <= year <= time[-1]}
    modelled = table[time == max(known)] if known else np.zeros((1, 1))
    if not known or min(known.values()) <= 0 or not bool(np.all(modelled > 0)):
        raise InputError(
            f"history of {len(history)} years, {len(known)} of them between {time[0]} and {time[-1]}",
            doing="set history before a pathway",
            expected="at least one year of the pathway, observed and modelled values above zero",
            next_step="give the history of the same boundary",
        )
    whole = table * (known[max(known)] / modelled)
    whole[time <= max(known)] = np.nan
    for year, value in known.items():
        whole[time == year] = value
    return whole


def draw_quantiles(values: ArrayLike, shares: Sequence[float]) -> Array:
    """Return quantiles over draws (last axis), shape (quantile, ...); straight between the draws.

    Examples
    --------
    >>> draw_quantiles([[1.0, 2.0, 3.0]], [0.5, 0.75]).tolist()
    [[2.0], [2.5]]
    """
    return np.asarray(np.quantile(np.asarray(values, dtype=np.float64), list(shares), axis=-1))


def _states(held: Array, known: NDArray[np.bool_], at: Integers, top: Array, time: Integers) -> NDArray[np.int8]:
    floor = top - PLATEAU * np.abs(top)
    place = np.arange(len(time))[:, None]
    later = (place > at) & known
    lowest = np.where(later, held, np.inf).min(axis=0)
    end = held[-1]
    rebound = end - lowest > _HALF * (top - lowest)
    recent = (time > time[-1] - YEARS_AFTER)[:, None] & known
    flat = _median_reaches(held, later, floor) & _median_reaches(held, recent, floor)
    short = (time[-1] - time[at] < YEARS_AFTER) | (later.sum(axis=0) < YEARS_AFTER)
    names = np.select(
        [top <= 0, at == len(time) - 1, short, flat, rebound],
        [STATES.index(name) for name in ("undetermined", "rising", "undetermined", "plateau", "undetermined")],
        STATES.index("peaked"),
    )
    return np.asarray(names, dtype=np.int8)


def _latest_near(held: Array, top: Array, near: float) -> Integers:
    """Return the place of the latest year that is near enough to the maximum, shape (draw,)."""
    close = held >= top - near * np.abs(top)
    return np.asarray(len(held) - 1 - np.argmax(close[::-1], axis=0))


def _median_reaches(values: Array, taken: NDArray[np.bool_], floor: Array) -> NDArray[np.bool_]:
    """Whether the median over years of what is taken is at least `floor`, shape (draw,); False where nothing is.

    Counting does: only where exactly half of an even number reaches the floor, the two in the middle have to be looked at.
    """
    above = (values >= floor) & taken
    reach, count = above.sum(axis=0), np.broadcast_to(taken, values.shape).sum(axis=0)
    found = 2 * reach > count
    for draw in np.flatnonzero((2 * reach == count) & (count > 0)):
        own = taken[:, min(draw, taken.shape[1] - 1)]
        found[draw] = np.median(values[own, draw]) >= floor[draw]
    return np.asarray(found)


def _check(table: Array, time: Integers, near: float) -> None:
    fits = table.ndim == 2 and table.shape[0] == len(time) and table.size > 0
    if (
        fits
        and 0 <= near < 1
        and bool(np.all(np.diff(time) > 0))
        and not bool(np.any(np.isinf(table)))
        and bool(np.all(np.isfinite(table[-1])))
    ):
        return
    raise InputError(
        f"values of shape {table.shape} for {len(time)} years, near {near!r}",
        doing="find peak years",
        expected="one row a year, years rising, finite values with the last year known, and near from 0 to below 1",
        next_step="mend the values; nan is for years of history that are not known",
    )

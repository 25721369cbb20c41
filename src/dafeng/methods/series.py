"""Outlook of a yearly indicator: how fast it has moved, where it may stand in a later year, how likely a bound is met.

The method `robust-drift` in four steps; `docs/explanation/outlook.md` says how well it does on real city statistics.

1. *Scale.* An indicator with two bounds is looked at as ``log((x - a + c) / (b - x + c))``, with one bound as
   ``log(x - a + c)``, otherwise as it is. The offset ``c`` keeps a share of 100 % or a length of 0 finite: it is
   `SHARE_OFFSET` of the range, or the median distance from the one bound, so that growth counts as additive below the
   usual size and as relative above it. Values beyond a bound are taken at the bound and counted in ``clipped``.
2. *Drift.* Median of the slopes of all pairs of years (Theil 1950; Sen 1968).
3. *Scatter.* From the yearly differences less the drift, each divided by the root of its gap: geometric mean of the median
   absolute deviation (times 1.4826 and the small-sample factor n / (n - 0.8) of Croux and Rousseeuw 1992) and of the
   standard deviation. The first alone is too rough for five differences and blind to the breaks that city statistics have;
   the second alone lets one misprint rule. It is never below a third of the second (a metro that stands still for years
   and then grows by a line has a median deviation of nothing), nor `LEAST_SCATTER` a year, nor what rounding of the data
   hides.
4. *Prediction.* Random walk with drift: the last value plus ``h`` times the drift, variance ``s**2 h (1 + h / span)``
   (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5) with the span of years
   in place of T - 1, so that missing years are allowed for; quantiles of Student's t with two degrees of freedom less
   than points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from dafeng.base.errors import InputError, NotEnoughDataError

__all__ = [
    "LEAST_POINTS",
    "LEAST_SCATTER",
    "LEAST_SPAN",
    "METHOD",
    "SHARE_OFFSET",
    "BoundedScale",
    "DriftForecast",
    "Interval",
    "fit_drift",
    "read_series",
    "required_pace",
    "theil_sen",
]

METHOD: Final = "robust-drift"
"""Name of the method, as results state it."""
LEAST_POINTS: Final = 5
"""Fewer points are refused."""
LEAST_SPAN: Final = 4.0
"""Years from the first to the last point; less is refused."""
SHARE_OFFSET: Final = 0.005
"""Offset of the scale of an indicator with two bounds, as a part of its range."""
LEAST_SCATTER: Final = 0.005
"""Least scatter of a year: half a percent of the usual value (on a log scale: 0.005)."""
_CONSISTENT: Final = 1.4826  # median absolute deviation of a normal variable to its standard deviation
_FINEST, _COARSEST = 9, -9  # decimal places that a rounding of the data may have

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A central prediction interval in the canonical unit; `expected` is the median."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class BoundedScale:
    """A strictly growing scale on which an indicator with bounds has none.

    Parameters
    ----------
    lower, upper : float or None
        Hard bounds.
    offset : float
        Distance by which the scale reaches over the bounds; unused without bounds.

    Examples
    --------
    >>> share = BoundedScale(0.0, 100.0, 0.5)
    >>> share.from_scale(share.to_scale([0.0, 40.0, 100.0])).round(9).tolist()
    [0.0, 40.0, 100.0]
    """

    lower: float | None
    upper: float | None
    offset: float

    def to_scale(self, values: ArrayLike) -> Array:
        """Return values, taken at a bound where beyond it, on the open scale."""
        held = self.hold(values)
        below = None if self.lower is None else np.log(held - self.lower + self.offset)
        above = None if self.upper is None else np.log(self.upper - held + self.offset)
        if below is None:
            return held if above is None else -above
        return below if above is None else below - above

    def from_scale(self, places: ArrayLike) -> Array:
        """Return the values at places of the open scale, held within the bounds."""
        place = np.clip(np.asarray(places, dtype=np.float64), -700.0, 700.0) if self._bounded else places
        if self.lower is not None and self.upper is not None:
            reach = self.upper - self.lower + 2 * self.offset
            return self.hold(self.lower - self.offset + reach / (1.0 + np.exp(-np.asarray(place))))
        if self.lower is not None:
            return self.hold(self.lower - self.offset + np.exp(place))
        if self.upper is not None:
            return self.hold(self.upper + self.offset - np.exp(-np.asarray(place)))
        return np.asarray(place, dtype=np.float64)

    def steepness(self, values: ArrayLike) -> Array:
        """Return how far the scale moves for one unit of the value."""
        held = self.hold(values)
        slope = np.zeros_like(held) if self._bounded else np.ones_like(held)
        if self.lower is not None:
            slope = slope + 1.0 / (held - self.lower + self.offset)
        if self.upper is not None:
            slope = slope + 1.0 / (self.upper - held + self.offset)
        return slope

    def hold(self, values: ArrayLike) -> Array:
        """Return values, those beyond a bound brought to the bound."""
        return np.clip(
            np.asarray(values, dtype=np.float64),
            -np.inf if self.lower is None else self.lower,
            np.inf if self.upper is None else self.upper,
        )

    @property
    def _bounded(self) -> bool:
        return self.lower is not None or self.upper is not None


@dataclass(frozen=True)
class DriftForecast:
    """The outlook of one series; every method takes a year, or an array of years, after the last point.

    Examples
    --------
    >>> share = fit_drift(range(2015, 2025), [31, 33, 32, 35, 36, 38, 37, 40, 41, 42], bounds=(0, 100))
    >>> [round(number, 1) for number in share.interval(2027)]
    [41.5, 45.9, 50.4]
    >>> round(share.probability_at_least(2027, 45.0), 2), round(share.pace, 2)
    (0.61, 1.22)
    """

    points: int
    """Number of points."""
    first_year: float
    """Year of the first point."""
    last_year: float
    """Year of the last point."""
    last_value: float
    """Value of the last point."""
    pace: float
    """Median of the pairwise slopes, canonical unit a year, on the plain scale."""
    drift: float
    """The same on the open scale."""
    scatter: float
    """Scale of a yearly innovation, on the open scale."""
    clipped: int
    """Number of values beyond a bound that were taken at the bound."""
    scale: BoundedScale
    """The open scale."""
    method: str = METHOD
    """Name of the method."""

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of Student's t."""
        return self.points - 2

    def stretched(self, year: float) -> bool:
        """Return whether a year lies further ahead than the points reach back; a prediction is then shown with a warning.

        Examples
        --------
        >>> line = fit_drift(range(2018, 2025), range(7))
        >>> line.stretched(2030), line.stretched(2031)
        (False, True)
        """
        return year - self.last_year > self.last_year - self.first_year

    def quantiles(self, years: ArrayLike, probabilities: ArrayLike) -> Array:
        """Return quantiles for years and probabilities, broadcast against one another, canonical unit.

        Raises
        ------
        InputError
            A year is not after the last point, or a probability not between 0 and 1.

        Examples
        --------
        >>> line = fit_drift(range(2015, 2025), range(10))
        >>> line.quantiles([[2025], [2030]], [0.1, 0.5, 0.9]).shape
        (2, 3)
        """
        chance = np.asarray(probabilities, dtype=np.float64)
        if not bool(np.all((chance > 0) & (chance < 1))):
            raise InputError(
                f"probability {probabilities!r}",
                doing="predict a series",
                expected="a number between 0 and 1, both excluded",
                next_step="ask for a quantile such as 0.1, 0.5 or 0.9",
            )
        centre, spread = self._distribution(years)
        return self.scale.from_scale(centre + spread * stdtrit(self.degrees_of_freedom, chance))

    def quantile(self, year: float, p: float) -> float:
        """Return the value below which the indicator stays in `year` with probability `p`."""
        return float(self.quantiles(year, p))

    def interval(self, year: float, level: float = 0.8) -> Interval:
        """Return the central interval that holds the value of `year` with probability `level`."""
        low, expected, high = self.quantiles(year, [(1 - level) / 2, 0.5, (1 + level) / 2])
        return Interval(float(low), float(expected), float(high))

    def probability_at_least(self, year: float, bound: float) -> float:
        """Return the probability that the value of `year` is `bound` or more.

        A share whose bound is its own maximum can be reached: what lies beyond it on the open scale counts as it.
        """
        if self.scale.lower is not None and bound <= self.scale.lower:
            return 1.0
        if self.scale.upper is not None and bound > self.scale.upper:
            return 0.0
        return float(stdtr(self.degrees_of_freedom, -self._standing(year, bound)))

    def probability_at_most(self, year: float, bound: float) -> float:
        """Return the probability that the value of `year` is `bound` or less."""
        if self.scale.upper is not None and bound >= self.scale.upper:
            return 1.0
        if self.scale.lower is not None and bound < self.scale.lower:
            return 0.0
        return float(stdtr(self.degrees_of_freedom, self._standing(year, bound)))

    def _standing(self, year: float, bound: float) -> float:
        centre, spread = self._distribution(year)
        return float((self.scale.to_scale(bound) - centre) / spread)

    def _distribution(self, years: ArrayLike) -> tuple[Array, Array]:
        ahead = np.asarray(years, dtype=np.float64) - self.last_year
        if not bool(np.all(np.isfinite(ahead) & (ahead > 0))):
            raise InputError(
                f"year {years!r} is not after {self.last_year:g}",
                doing="predict a series",
                expected="a year after the last point",
                next_step="read the value of that year from the data",
            )
        spread = self.scatter * np.sqrt(ahead * (1.0 + ahead / (self.last_year - self.first_year)))
        return self.scale.to_scale(self.last_value) + self.drift * ahead, spread


def theil_sen(years: ArrayLike, values: ArrayLike) -> float:
    """Return the median of the slopes of all pairs of points, in units a year.

    Examples
    --------
    >>> theil_sen([2020, 2021, 2022, 2023, 2024], [1.0, 2.0, 30.0, 4.0, 5.0])
    1.0
    """
    time, value = read_series(years, values, least=2)
    return _median_slope(time, value)


def required_pace(last_year: float, last_value: float, year: float, bound: float) -> float:
    """Return the change a year that brings the last value to the bound by `year`, canonical unit a year.

    Raises
    ------
    InputError
        `year` is not after `last_year`.

    Examples
    --------
    >>> required_pace(2024, 38.0, 2030, 41.0)
    0.5
    """
    if not year > last_year:
        raise InputError(
            f"year {year:g} is not after {last_year:g}",
            doing="work out the pace needed",
            expected="a deadline after the last value",
            next_step="judge the value of that year instead",
        )
    return (bound - last_value) / (year - last_year)


def fit_drift(
    years: ArrayLike,
    values: ArrayLike,
    *,
    bounds: tuple[float | None, float | None] = (None, None),
) -> DriftForecast:
    """Fit the method `robust-drift` to one yearly series.

    Parameters
    ----------
    years : array, shape (point,)
        In any order, each once; years may be missing.
    values : array, shape (point,)
        Canonical unit.
    bounds : pair of float or None
        Hard lower and upper bound of the indicator.

    Returns
    -------
    DriftForecast

    Raises
    ------
    NotEnoughDataError
        Fewer than `LEAST_POINTS` points, or points within less than `LEAST_SPAN` years.
    InputError
        A value is not finite, a year stands twice, or the bounds are no interval.

    Notes
    -----
    A year further ahead than the points reach back is predicted all the same and marked by `DriftForecast.stretched`.
    Deterministic; no draws.

    Examples
    --------
    >>> fit_drift([2021, 2022, 2023, 2024], [1.0, 2.0, 3.0, 4.0])
    Traceback (most recent call last):
    dafeng.base.errors.NotEnoughDataError: [not-enough-data] predict a series: 4 points from 2021 to 2024; expected: at \
least 5 points over at least 4 years; next: add earlier years, or judge by the latest value alone
    """
    time, value = read_series(years, values)
    if len(time) < LEAST_POINTS or time[-1] - time[0] < LEAST_SPAN:
        reach = f"from {time[0]:g} to {time[-1]:g}" if len(time) else "in all"
        raise NotEnoughDataError(
            f"{len(time)} points {reach}",
            doing="predict a series",
            expected=f"at least {LEAST_POINTS} points over at least {LEAST_SPAN:g} years",
            next_step="add earlier years, or judge by the latest value alone",
            points=len(time),
        )
    step = _rounding_step(value)
    scale = _open_scale(value, bounds, step)
    held = scale.hold(value)
    place = scale.to_scale(held)
    usual = float(np.median(np.abs(place))) or float(np.max(np.abs(place)))
    least = LEAST_SCATTER * (usual if bounds == (None, None) else 1.0)
    hidden = step / np.sqrt(6.0) * float(np.median(scale.steepness(held)))  # variance of two roundings: 2 step**2 / 12
    drift = _median_slope(time, place)
    gaps = np.diff(time)
    innovations = (np.diff(place) - drift * gaps) / np.sqrt(gaps)
    return DriftForecast(
        points=len(time),
        first_year=float(time[0]),
        last_year=float(time[-1]),
        last_value=float(value[-1]),
        pace=_median_slope(time, value),
        drift=drift,
        scatter=max(_scatter(innovations), least, hidden),
        clipped=int(np.count_nonzero(held != value)),
        scale=scale,
    )


def read_series(years: ArrayLike, values: ArrayLike, *, least: int = 0) -> tuple[Array, Array]:
    """Return years and values as arrays in order of year, after checking them.

    Raises
    ------
    InputError
        Lengths differ, a number is not finite, a year stands twice, or there are fewer than `least` points.

    Examples
    --------
    >>> read_series([2021, 2020], [2.0, 1.0])[1].tolist()
    [1.0, 2.0]
    """
    time = np.asarray(years, dtype=np.float64)
    value = np.asarray(values, dtype=np.float64)
    problem = ""
    if time.ndim != 1 or time.shape != value.shape:
        problem = f"years of shape {time.shape} and values of shape {value.shape}"
    elif not (np.isfinite(time).all() and np.isfinite(value).all()):
        bad = ~(np.isfinite(time) & np.isfinite(value))
        problem = f"not a number at year {', '.join(f'{year:g}' for year in time[bad][:3])}"
    elif len(np.unique(time)) < len(time):
        twice = [f"{year:g}" for year in np.unique(time) if np.count_nonzero(time == year) > 1]
        problem = f"year {', '.join(twice[:3])} stands twice"
    elif len(time) < least:
        problem = f"{len(time)} points"
    if problem:
        raise InputError(
            problem,
            doing="read a yearly series",
            expected="one finite value a year, each year once",
            next_step="choose one dataset and basis, and leave out years without a value",
        )
    order = np.argsort(time)
    return time[order], value[order]


def _median_slope(time: Array, value: Array) -> float:
    first, second = np.triu_indices(len(time), 1)
    return float(np.median((value[second] - value[first]) / (time[second] - time[first])))


def _scatter(innovations: Array) -> float:
    """Return the geometric mean of the robust and the classical scale of innovations whose drift is taken off."""
    count = len(innovations)
    robust = _CONSISTENT * float(np.median(np.abs(innovations))) * count / (count - 0.8)
    classical = float(np.sqrt(np.sum(innovations**2) / (count - 1)))
    return max(float(np.sqrt(robust * classical)), classical / 3.0)


def _rounding_step(value: Array) -> float:
    """Return the power of ten that all values are multiples of, at most a hundredth of the largest."""
    largest = float(np.max(np.abs(value)))
    if largest == 0.0:
        return 1.0
    for places in range(_COARSEST, _FINEST + 1):
        step = 10.0**-places
        multiples = value / step
        if step <= 0.01 * largest and float(np.max(np.abs(multiples - np.round(multiples)))) * step <= 1e-9 * largest:
            return step
    return 0.0


def _open_scale(value: Array, bounds: tuple[float | None, float | None], step: float) -> BoundedScale:
    lower, upper = bounds
    limits = [bound for bound in bounds if bound is not None]
    if not np.isfinite(limits).all() or (lower is not None and upper is not None and not lower < upper):
        raise InputError(
            f"bounds {bounds!r}",
            doing="predict a series",
            expected="a lower bound below the upper one, or None",
            next_step="mend minimum and maximum of the indicator in the catalog",
        )
    if lower is not None and upper is not None:
        return BoundedScale(lower, upper, SHARE_OFFSET * (upper - lower))
    distance = np.abs(BoundedScale(lower, upper, 0.0).hold(value) - (limits[0] if limits else 0.0))
    offset = float(np.median(distance)) or float(np.mean(distance)) or step or 1.0
    return BoundedScale(lower, upper, offset)

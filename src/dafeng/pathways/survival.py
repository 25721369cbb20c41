"""How much of what was completed in a year still stands: survival by family, mean lifetime, shape and age.

Equation (3a) of `docs/explanation/building-stock.md`. With mean lifetime ``L`` and age ``a``:

    normal      ``S(a) = Phi(-(a / L - 1) / v)``, standard deviation ``v L``; not cut off at 0 (ODYM, flodym)
    lognormal   ``S(a) = Phi(-(ln(a / L) + s^2 / 2) / s)``, ``s^2 = ln(1 + v^2)``, coefficient of variation ``v``
    weibull     ``S(a) = exp(-(a Gamma(1 + 1 / k) / L)^k)``, shape ``k``

`lifetime_shape` is ``v`` of the first two and ``k`` of the third. What was completed in year c has at the end of year t the age
``t - c`` (`start`, the convention of ODYM) or ``t - c + 1/2`` (`mid_year`, flodym's default `inflow_at="middle"`).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, ndtr

from dafeng.base.errors import InputError

__all__ = ["AgeZero", "Family", "YearlySurvival", "check_curve", "survival"]

Array = NDArray[np.float64]
Family = Literal["normal", "weibull", "lognormal"]
AgeZero = Literal["start", "mid_year"]

_OFFSET: Final[dict[str, float]] = {"start": 0.0, "mid_year": 0.5}
_FAMILIES: Final = ("normal", "weibull", "lognormal")
_NOTHING: Final = 1e-300  # share so small that nothing is left


def survival(family: Family, lifetime: ArrayLike, shape: ArrayLike, ages: ArrayLike, *, age_zero: AgeZero) -> Array:
    """Return the share still standing so many years after the year of completion.

    Parameters
    ----------
    family : {"normal", "weibull", "lognormal"}
        Family of the distribution of lifetimes.
    lifetime : array_like
        Mean lifetime in years, above 0.
    shape : array_like
        Weibull: shape; normal, lognormal: coefficient of variation; above 0.
    ages : array_like
        Whole years since the year of completion, 0 and above; broadcasts against the other two.
    age_zero : {"start", "mid_year"}
        Whether the age in the year of completion is 0 or half a year.

    Returns
    -------
    numpy.ndarray
        Shares from 0 to 1, of the common shape.

    Raises
    ------
    InputError
        A lifetime or shape that is not a number above 0, an age below 0, an unknown family or convention.

    Examples
    --------
    >>> survival("weibull", 50.0, 1.0, [0, 50], age_zero="start").round(4).tolist()
    [1.0, 0.3679]
    >>> survival("normal", 50.0, 0.3, [0, 50], age_zero="start").round(4).tolist()
    [0.9996, 0.5]
    """
    life, form, age = (np.asarray(values, dtype=np.float64) for values in (lifetime, shape, ages))
    check_curve(family, life, form, age_zero)
    if not (age >= 0).all():
        raise InputError(
            f"an age is {np.min(age):g}",
            doing="survival of buildings",
            expected="ages of 0 years and above",
            next_step="give years since completion",
        )
    return np.asarray(_share(family, life, form, age + _OFFSET[age_zero]))


def check_curve(family: str, lifetime: Array, shape: Array, age_zero: str) -> None:
    """Refuse a family, convention, lifetime or shape that makes no curve."""
    for name, given, known in (("family", family, _FAMILIES), ("age convention", age_zero, tuple(_OFFSET))):
        if given not in known:
            raise InputError(
                f"the {name} is {given!r}",
                doing="survival of buildings",
                expected="one of " + ", ".join(known),
                next_step="mend the setting of the place",
            )
    for name, values in (("mean lifetime", lifetime), ("shape of the lifetime distribution", shape)):
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            where = tuple(int(number) for number in np.argwhere(bad)[0]) if values.ndim else ()
            raise InputError(
                f"the {name} is {values[where]:g}" + (f" at {list(where)} (cohort, draw)" if where else ""),
                doing="survival of buildings",
                expected="a number above 0 for every cohort and draw",
                next_step="mend the parameter; a missing year is filled by its quantity's rule before",
            )


def _share(family: str, lifetime: Array, shape: Array, age: Array) -> Array:
    if family == "weibull":
        return np.asarray(np.exp(-((age * (gamma(1 + 1 / shape) / lifetime)) ** shape)))
    level, steep = _bell(family, lifetime, shape)
    return np.asarray(ndtr(level - steep * _bell_age(family, age)))


def _bell(family: str, lifetime: Array, shape: Array) -> tuple[Array, Array]:
    """Return level and steepness of ``S = Phi(level - steep * x)``, where x is the age or its logarithm."""
    if family == "normal":
        return 1 / shape, 1 / (lifetime * shape)
    width = np.sqrt(np.log1p(np.square(shape)))
    return np.log(lifetime) / width - width / 2, 1 / width


def _bell_age(family: str, age: Array) -> Array:
    with np.errstate(divide="ignore"):  # the logarithm of age 0: all of it stands
        return age if family == "normal" else np.log(age)


class YearlySurvival:
    """Share of what stood at the end of the year before that stands at the end of a year, by cohort and draw.

    Where the curve is the same for all cohorts it is worked out once and shifted; otherwise a Weibull curve of one shape takes one
    exponential for each cohort, year and draw, the others one normal distribution function. Either way gives the same bytes.

    Parameters
    ----------
    family, age_zero : str
        As in `survival`.
    lifetime, shape : numpy.ndarray
        `(years or 1, draws or 1)`, checked.
    years : int
        Number of years, and of cohorts.
    protection : numpy.ndarray, optional
        Share of the yearly loss that is prevented, `(years or 1, draws or 1)`.
    """

    def __init__(
        self,
        family: Family,
        lifetime: Array,
        shape: Array,
        *,
        years: int,
        age_zero: AgeZero,
        protection: Array | None = None,
    ) -> None:
        life, form = _one_row(lifetime), _one_row(shape)
        age = np.arange(years - 1, -1.0, -1.0)[:, None] + _OFFSET[age_zero]  # falls as cohorts get younger
        curve = _Weibull(life, form, age) if family == "weibull" else _Bell(family, life, form, age)
        self._years, self._curve, self._protection = years, curve, protection
        self._changes = np.ones(years, dtype=bool)  # years whose protection is not that of the year before
        width = max(life.shape[1], form.shape[1])
        if protection is not None:
            width = max(width, protection.shape[1])
            self._changes[1:] = (protection[1:] != protection[:-1]).any(axis=1) if len(protection) > 1 else False
        self._table = curve.by_age() if len(life) == len(form) == 1 else None
        self._held = np.empty((years if self._table is None or protection is not None else 0, width))

    def until(self, year: int) -> Array:
        """Return the shares of cohorts 0 … `year`, the last from its completion on; asked for in ascending order, from 0."""
        rows = slice(self._years - 1 - year, self._years)
        if self._table is None:
            out = self._held[: year + 1]
            self._curve.by_cohort(rows, slice(year + 1), out)
            return out if self._protection is None else self._protect(out, year, out)
        if self._protection is None:
            return self._table[rows]
        if self._changes[year]:
            self._protect(self._table, year, self._held)
        return self._held[rows]

    def _protect(self, shares: Array, year: int, out: Array) -> Array:
        assert self._protection is not None
        prevented = self._protection[year if len(self._protection) > 1 else 0]
        if not prevented.any() and out is shares:
            return out
        np.multiply(shares, 1.0 - prevented, out=out)
        out += prevented
        return out


def _one_row(values: Array) -> Array:
    return values[:1] if bool((values == values[:1]).all()) else values


def _cohorts(values: Array, cohorts: slice) -> Array:
    return values[cohorts] if len(values) > 1 else values


class _Weibull:
    """``exp(-(a^k - (a - 1)^k) (Gamma(1 + 1 / k) / L)^k)``: the age by itself, the lifetime by itself."""

    def __init__(self, lifetime: Array, shape: Array, age: Array) -> None:
        self.age, self.shape = age, shape
        self.steep = -((gamma(1 + 1 / shape) / lifetime) ** shape)
        self.aged = self.ageing(age, shape) if len(shape) == 1 else None

    @staticmethod
    def ageing(age: Array, shape: Array) -> Array:
        return np.asarray(age**shape - np.maximum(age - 1.0, 0.0) ** shape)

    def by_age(self) -> Array:
        return np.asarray(np.exp(self.ageing(self.age, self.shape) * self.steep))

    def by_cohort(self, ages: slice, cohorts: slice, out: Array) -> None:
        aged = self.ageing(self.age[ages], self.shape[cohorts]) if self.aged is None else self.aged[ages]
        np.exp(np.multiply(aged, _cohorts(self.steep, cohorts), out=out), out=out)


class _Bell:
    """``Phi(level - steep x)``, x the age or its logarithm."""

    def __init__(self, family: str, lifetime: Array, shape: Array, age: Array) -> None:
        self.level, self.steep = _bell(family, lifetime, shape)
        self.age = _bell_age(family, age)
        width = max(lifetime.shape[1], shape.shape[1])
        self.now, self.before = np.empty((len(age), width)), np.ones((len(age), width))

    def by_age(self) -> Array:
        shares = ndtr(self.level - self.steep * self.age)
        shares[:-1] /= np.maximum(shares[1:], _NOTHING)
        return np.asarray(shares)

    def by_cohort(self, ages: slice, cohorts: slice, out: Array) -> None:
        now, before = self.now[cohorts], self.before[cohorts]
        np.multiply(_cohorts(self.steep, cohorts), self.age[ages], out=now)
        ndtr(np.subtract(_cohorts(self.level, cohorts), now, out=now), out=now)
        np.divide(now, before, out=out)
        np.maximum(now, _NOTHING, out=before)

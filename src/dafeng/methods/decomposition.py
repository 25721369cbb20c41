"""Why emissions changed: logarithmic mean Divisia index (LMDI-I) and Tapio's states of decoupling.

An emission is a sum over parts of a product of factors, ``E = sum_i x1_i * x2_i * …``. LMDI-I (Ang 2005, Energy Policy 33,
867–871; 2015, Energy Policy 86, 233–238) gives each factor

    additive        ``sum_i L(E_i(T), E_i(0)) * ln(x_i(T) / x_i(0))``,
    multiplicative  ``exp(sum_i L(E_i(T), E_i(0)) / L(E(T), E(0)) * ln(x_i(T) / x_i(0)))``

with the logarithmic mean ``L(a, b) = (a - b) / ln(a / b)``. Both are exact: the contributions add up to the change, the indices
multiply to the ratio, and reversing time reverses the sign. Zeros are taken by their limit (Ang, Zhang and Choi 1998, Energy 23,
489–495; Ang and Liu 2007, Energy Policy 35, 238–246), not by a small number: where a part appears, its emission is the
contribution of the factors that were zero before, in equal shares if there are several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from dafeng.base.errors import InputError
from dafeng.base.record import Record

__all__ = [
    "DECOUPLING_NAMES",
    "Decomposition",
    "DecouplingStep",
    "FactorSpec",
    "Identity",
    "factors_of",
    "lmdi",
    "logarithmic_mean",
    "tapio",
]

DECOUPLING_NAMES: Final = {
    "strong_decoupling": ("强脱钩", "strong decoupling"),
    "weak_decoupling": ("弱脱钩", "weak decoupling"),
    "expansive_coupling": ("扩张连结", "expansive coupling"),
    "expansive_negative_decoupling": ("扩张负脱钩", "expansive negative decoupling"),
    "strong_negative_decoupling": ("强负脱钩", "strong negative decoupling"),
    "weak_negative_decoupling": ("弱负脱钩", "weak negative decoupling"),
    "recessive_coupling": ("衰退连结", "recessive coupling"),
    "recessive_decoupling": ("衰退脱钩", "recessive decoupling"),
    "undefined": ("无法判定（活动量未变）", "undefined (activity unchanged)"),
}
"""Chinese and English name of each state of Tapio (2005, Transport Policy 12, 137–151)."""
_COUPLED: Final = (0.8, 1.2)  # elasticities that count as coupled
_AGREE: Final = 1e-9  # relative difference allowed between a product of factors and the emission given

Array = NDArray[np.float64]


class FactorSpec(Record):
    """One factor of an identity: a column, or a quotient of two."""

    id: str
    """Name in results."""
    zh: str
    """Chinese name."""
    numerator: str
    """Column."""
    denominator: str | None = None
    """Column divided by; None for the first factor, which is an amount."""


class Identity(Record):
    """Factors declared as data; numerators and denominators cancel out to the emission.

    Examples
    --------
    >>> kaya = Identity(id="kaya", zh="人口与人均", result="co2", factors=[
    ...     FactorSpec(id="population", zh="人口", numerator="people"),
    ...     FactorSpec(id="intensity", zh="人均排放", numerator="co2", denominator="people")])
    >>> [factor.zh for factor in kaya.factors]
    ['人口', '人均排放']
    """

    id: str
    """Name of the identity."""
    zh: str
    """Chinese name."""
    result: str
    """Column of the emission."""
    factors: tuple[FactorSpec, ...] = Field(min_length=1)
    """In the order of the waterfall."""


@dataclass(frozen=True)
class Decomposition:
    """Contributions of factors to the change of an emission, year by year and from end to end.

    Examples
    --------
    >>> found = lmdi([2020, 2021, 2022], {"area": [10.0, 12.0, 15.0], "intensity": [3.0, 2.5, 2.0]})
    >>> found.change, bool(found.residual < 1e-12)
    (0.0, True)
    >>> dict(zip(found.factors, found.end_to_end.round(3).tolist()))
    {'area': 12.164, 'intensity': -12.164}
    """

    years: tuple[int, ...]
    """Years, rising."""
    factors: tuple[str, ...]
    """Names of the factors, as given."""
    totals: Array
    """Emission, shape (year,)."""
    parts: Array
    """Contributions from year to year, shape (year - 1, factor, part)."""
    end_parts: Array
    """Contributions from the first to the last year, shape (factor, part)."""

    @property
    def change(self) -> float:
        """Change from the first to the last year."""
        return float(self.totals[-1] - self.totals[0])

    @property
    def steps(self) -> Array:
        """Contributions from year to year over all parts, shape (year - 1, factor)."""
        return np.asarray(self.parts.sum(axis=2))

    @property
    def chained(self) -> Array:
        """Contributions from year to year, added up, shape (factor,): they see the path between the ends."""
        return np.asarray(self.steps.sum(axis=0))

    @property
    def end_to_end(self) -> Array:
        """Contributions from the first to the last year alone, shape (factor,)."""
        return np.asarray(self.end_parts.sum(axis=1))

    @property
    def step_indices(self) -> Array:
        """Multiplicative indices from year to year, shape (year - 1, factor); nan where a total is zero."""
        weight = logarithmic_mean(self.totals[1:], self.totals[:-1])[:, None]
        return np.exp(_quotient(self.steps, weight))

    @property
    def chained_indices(self) -> Array:
        """Product of the yearly indices, shape (factor,); nan where a total is zero."""
        return np.asarray(np.prod(self.step_indices, axis=0))

    @property
    def end_indices(self) -> Array:
        """Multiplicative indices from the first to the last year, shape (factor,); nan where a total is zero."""
        weight = logarithmic_mean(self.totals[-1:], self.totals[:1])
        return np.exp(_quotient(self.end_to_end, weight))

    @property
    def residual(self) -> float:
        """Largest part of a yearly change, or of the whole, that no factor explains: 0 but for rounding."""
        left = np.append(np.diff(self.totals) - self.steps.sum(axis=1), self.change - self.end_to_end.sum())
        return float(np.max(np.abs(left)))


@dataclass(frozen=True)
class DecouplingStep:
    """State of decoupling between two years."""

    first_year: int
    """From."""
    last_year: int
    """To."""
    activity_change: float
    """Relative change of the activity."""
    emission_change: float
    """Relative change of the emission."""
    elasticity: float | None
    """Their quotient; None where the activity did not change."""
    state: str
    """A key of `DECOUPLING_NAMES`."""

    @property
    def name(self) -> str:
        """Chinese name of the state."""
        return DECOUPLING_NAMES[self.state][0]


def logarithmic_mean(first: ArrayLike, second: ArrayLike) -> Array:
    """Return the logarithmic mean of numbers from zero up; 0 where either is 0.

    Examples
    --------
    >>> logarithmic_mean([1.0, 2.0, 0.0], [np.e, 2.0, 5.0]).round(6).tolist()
    [1.718282, 2.0, 0.0]
    """
    one, two = np.broadcast_arrays(np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64))
    low, high = np.minimum(one, two), np.maximum(one, two)
    apart = (low > 0) & (high > low)
    relative = np.divide(high - low, low, out=np.ones_like(low), where=apart)
    mean = np.where(low > 0, low, 0.0)
    return np.asarray(np.divide(high - low, np.log1p(relative), out=mean, where=apart))


def lmdi(years: ArrayLike, factors: Mapping[str, ArrayLike], *, emissions: ArrayLike | None = None) -> Decomposition:
    """Decompose the change of a sum of products into the contributions of its factors.

    Parameters
    ----------
    years : array, shape (year,)
        At least two, in any order, each once.
    factors : mapping from name to array, shape (year, part) or (year,)
        Zero or above. A factor without parts holds for all of them. A part that does not exist has factors of 0.
    emissions : array, shape (year, part), optional
        The products, if known from elsewhere: they are compared.

    Raises
    ------
    InputError
        Shapes do not fit, a value is negative or not finite, or the products are not the emissions.

    Examples
    --------
    >>> found = lmdi([2020, 2021], {"activity": [10.0, 12.0], "share": [[0.5, 0.5], [0.4, 0.6]],
    ...                             "intensity": [[2.0, 1.0], [1.5, 1.0]]})
    >>> found.steps.round(4).tolist(), found.change, bool(found.residual < 1e-12)
    ([[2.654, -0.802, -2.4521]], -0.5999999999999996, True)
    """
    time = np.asarray(years)
    order = np.argsort(time)
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in factors.items()}
    _check_factors(time, arrays)
    width = max((array.shape[1] for array in arrays.values() if array.ndim == 2), default=1)
    stacked = np.stack(
        [
            np.broadcast_to(array if array.ndim == 2 else array[:, None], (len(time), width))[order]
            for array in arrays.values()
        ]
    )  # (factor, year, part)
    products = np.prod(stacked, axis=0)
    if emissions is not None:
        _check_products(time[order], products, np.asarray(emissions, dtype=np.float64)[order])
    return Decomposition(
        years=tuple(int(year) for year in time[order]),
        factors=tuple(arrays),
        totals=products.sum(axis=1),
        parts=_contributions(stacked[:, :-1], stacked[:, 1:], products[:-1], products[1:]).transpose(1, 0, 2),
        end_parts=_contributions(stacked[:, 0], stacked[:, -1], products[0], products[-1]),
    )


def factors_of(identity: Identity, columns: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Work out the factors of an identity from columns of amounts.

    Parameters
    ----------
    identity : Identity
    columns : mapping from name to array, shape (year, part) or (year,)

    Raises
    ------
    InputError
        A column is missing, shapes do not fit, or something is divided by zero that is not zero itself.

    Notes
    -----
    Nothing over nothing is 0: the part does not exist.

    Examples
    --------
    >>> identity = Identity(id="area", zh="面积与强度", result="co2", factors=[
    ...     FactorSpec(id="area", zh="面积", numerator="area"),
    ...     FactorSpec(id="intensity", zh="强度", numerator="co2", denominator="area")])
    >>> factors = factors_of(identity, {"area": [[2.0, 0.0], [3.0, 1.0]], "co2": [[4.0, 0.0], [5.0, 1.0]]})
    >>> factors["intensity"].round(3).tolist()
    [[2.0, 0.0], [1.667, 1.0]]
    """
    return {factor.id: _factor(factor, columns) for factor in identity.factors}


def tapio(years: ArrayLike, activity: ArrayLike, emissions: ArrayLike) -> tuple[DecouplingStep, ...]:
    """Return the state of decoupling from year to year.

    Parameters
    ----------
    years, activity, emissions : array, shape (year,)
        Both amounts above zero.

    Raises
    ------
    InputError
        Shapes do not fit, a year stands twice, or an amount is not above zero.

    Notes
    -----
    For the whole span give the first and the last year alone.

    Examples
    --------
    >>> [(step.last_year, step.name) for step in tapio([2015, 2020, 2025], [100.0, 110.0, 120.0], [50.0, 52.0, 51.0])]
    [(2020, '弱脱钩'), (2025, '强脱钩')]
    """
    time = np.asarray(years)
    amounts = np.stack([np.asarray(activity, dtype=np.float64), np.asarray(emissions, dtype=np.float64)])
    if amounts.shape != (2, len(time)) or len(np.unique(time)) < len(time) or not bool(np.all(amounts > 0)):
        raise InputError(
            f"{len(time)} years and amounts of shape {amounts.shape[1:]}, or an amount not above zero, or a year twice",
            doing="compare emissions with an activity",
            expected="one activity and one emission above zero a year, each year once",
            next_step="leave out years without a value",
        )
    order = np.argsort(time)
    time, amounts = time[order], amounts[:, order]
    moved = np.diff(amounts, axis=1) / amounts[:, :-1]
    steps = []
    for at, (by_activity, by_emission) in enumerate(moved.T):
        elasticity = None if by_activity == 0 else float(by_emission / by_activity)
        state = _state(float(by_activity), float(by_emission))
        steps.append(
            DecouplingStep(int(time[at]), int(time[at + 1]), float(by_activity), float(by_emission), elasticity, state)
        )
    return tuple(steps)


def _contributions(before: Array, after: Array, product_before: Array, product_after: Array) -> Array:
    """Return what each factor contributes to each part; first axis: factor."""
    weight = logarithmic_mean(product_after, product_before)
    known = (before > 0) & (after > 0)
    ratio = np.log(np.divide(after, before, out=np.ones_like(after), where=known))
    regular = weight * ratio
    appears = (product_before == 0) & (product_after > 0)
    vanishes = (product_before > 0) & (product_after == 0)
    began, ended = before == 0, after == 0
    new = np.where(began, product_after / np.maximum(began.sum(axis=0), 1), 0.0)
    gone = np.where(ended, -product_before / np.maximum(ended.sum(axis=0), 1), 0.0)
    return np.asarray(np.where(appears, new, np.where(vanishes, gone, regular)))


def _quotient(over: Array, under: Array) -> Array:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def _state(activity: float, emission: float) -> str:
    low, high = _COUPLED
    if activity == 0:
        return "undefined"
    elasticity = emission / activity
    if activity > 0:
        names = ("strong_decoupling", "weak_decoupling", "expansive_coupling", "expansive_negative_decoupling")
    else:
        names = ("strong_negative_decoupling", "weak_negative_decoupling", "recessive_coupling", "recessive_decoupling")
    return names[0 if elasticity < 0 else 1 if elasticity < low else 2 if elasticity <= high else 3]


def _factor(factor: FactorSpec, columns: Mapping[str, ArrayLike]) -> Array:
    wanted = [factor.numerator, *([factor.denominator] if factor.denominator else [])]
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise InputError(
            f"factor {factor.id!r} needs the column {absent[0]!r}",
            doing="work out the factors of an identity",
            expected=f"columns {', '.join(wanted)}",
            next_step="add the column, or declare the factor otherwise",
        )
    over = np.asarray(columns[factor.numerator], dtype=np.float64)
    if factor.denominator is None:
        return over
    under = np.asarray(columns[factor.denominator], dtype=np.float64)
    if over.ndim != under.ndim:
        over, under = (array if array.ndim == 2 else array[:, None] for array in (over, under))
    over, under = np.broadcast_arrays(over, under)
    if bool(np.any((under == 0) & (over != 0))):
        raise InputError(
            f"{factor.numerator!r} is not zero where {factor.denominator!r} is zero",
            doing=f"work out the factor {factor.id!r}",
            expected="a denominator above zero wherever there is anything to divide",
            next_step="mend the data, or add the part up with another",
        )
    return np.divide(over, under, out=np.zeros_like(over), where=under != 0)


def _check_factors(years: NDArray[np.generic], arrays: Mapping[str, Array]) -> None:
    problem = ""
    if years.ndim != 1 or len(years) < 2 or len(np.unique(years)) < len(years):
        problem = f"years of shape {years.shape}, or a year stands twice"
    elif not arrays:
        problem = "no factor"
    widths: Sequence[int] = sorted(
        {array.shape[1] for array in arrays.values() if array.ndim == 2 and array.shape[1] > 1}
    )
    if len(widths) > 1:
        problem = f"factors of {widths[0]} and of {widths[1]} parts"
    for name, array in arrays.items():
        if array.ndim not in (1, 2) or len(array) != len(years):
            problem = f"factor {name!r} of shape {array.shape} for {len(years)} years"
        elif not bool(np.all(np.isfinite(array) & (array >= 0))):
            problem = f"factor {name!r} has a value that is negative or no number"
    if problem:
        raise InputError(
            problem,
            doing="decompose a change",
            expected="at least two years, each once, and for each factor finite values from zero up, by year and part",
            next_step="give 0 for the factors of a part that does not exist; leave out years that are not known",
        )


def _check_products(years: NDArray[np.generic], products: Array, emissions: Array) -> None:
    given = emissions if emissions.ndim == 2 else emissions[:, None]
    own = products if given.shape == products.shape else products.sum(axis=1, keepdims=True)
    if given.shape != own.shape or not bool(np.allclose(own, given, rtol=_AGREE, atol=_AGREE * float(np.max(own)))):
        at = np.unravel_index(int(np.argmax(np.abs(own - given))), own.shape) if given.shape == own.shape else (0, 0)
        raise InputError(
            f"the factors multiply to {own[at]:g} in {years[at[0]]}, the emission is given as {given.flat[0] if given.shape != own.shape else given[at]:g}",
            doing="decompose a change",
            expected="factors whose product is the emission of each part",
            next_step="mend the identity: numerators and denominators must cancel out",
        )

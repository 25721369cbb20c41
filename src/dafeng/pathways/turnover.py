"""Turnover of the building stock by completion year: what is completed, what goes, what is retrofitted.

Equations (3) and (4) of `docs/explanation/building-stock.md`. The stock of the first year enters as completed in it (ODYM's
convention). A year goes: part of every cohort goes, the rest of the demand is completed, part of the eligible old stock that was
not yet retrofitted is retrofitted. Weighted sums over cohorts are made on the way; area by cohort, year and draw is held only when
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.survival import AgeZero, Family, YearlySurvival, check_curve

__all__ = ["Retrofit", "Turnover", "turn_over"]

Array = NDArray[np.float64]
_BLOCK: Final = 512  # draws at once: area and survivors by cohort then stay in the cache
_USED_UP: Final = 1e-100  # share not yet retrofitted below which it counts as none


@dataclass(frozen=True)
class Retrofit:
    """Retrofit of standing buildings."""

    rate: ArrayLike
    """Share of the eligible area not yet retrofitted that is retrofitted in a year, `(years, draws or 1)`."""
    area: ArrayLike = 0.0
    """Area retrofitted besides, spread over what is left in proportion, `(years, draws or 1)`."""
    before: int = 2010
    """Buildings completed before this year are eligible, from the year after their completion on."""


@dataclass(frozen=True)
class Turnover:
    """Areas by year and draw, in the unit of the demand; amounts at the end of the year, flows within it."""

    inflow: Array
    """Completed."""
    outflow: Array
    """Gone, losses within the year of completion included."""
    standing: Array
    """Standing, in use or vacant."""
    vacant: Array
    """Standing beyond the demand."""
    retrofitted: Array
    """Standing and retrofitted."""
    retrofit_done: Array
    """Retrofitted in the year."""
    retrofit_missed: Array
    """Additional retrofit area that found no eligible building."""
    sums: dict[str, Array] = field(default_factory=dict)
    """Weighted standing area of buildings not retrofitted, by name of the weight."""
    sums_retrofitted: dict[str, Array] = field(default_factory=dict)
    """The same of retrofitted buildings."""
    cohorts: Array | None = None
    """Standing by cohort, `(cohorts, years, draws)`; None without `detail`."""
    cohorts_retrofitted: Array | None = None
    """The retrofitted part of it."""
    cohorts_gone: Array | None = None
    """Gone in the year by cohort."""


def turn_over(
    area: ArrayLike | None = None,
    *,
    inflow: ArrayLike | None = None,
    lifetime: ArrayLike,
    shape: ArrayLike,
    family: Family,
    age_zero: AgeZero,
    protection: ArrayLike | None = None,
    retrofit: Retrofit | None = None,
    weights: Mapping[str, ArrayLike] | None = None,
    first_year: int = 1950,
    detail: bool = False,
) -> Turnover:
    """Turn the stock of one class over, from its demand or from its completions.

    Stock-driven: completed is what the demand exceeds the survivors by, divided by the share that outlives its first year; where
    survivors exceed the demand nothing is completed and the excess stands vacant. Inflow-driven: completions are given.

    Parameters
    ----------
    area : array_like, optional
        Demand of floor area, `(years, draws or 1)`.
    inflow : array_like, optional
        Completions instead; exactly one of the two is given.
    lifetime, shape : array_like
        Mean lifetime in years and shape by completion year, `(years or 1, draws or 1)`, see `survival`.
    family : {"normal", "weibull", "lognormal"}
        Family of the survival curve.
    age_zero : {"start", "mid_year"}
        Age convention, see `survival`.
    protection : array_like, optional
        Share of the yearly loss that is prevented, 0 to 1, `(years, draws or 1)`.
    retrofit : Retrofit, optional
        Retrofit of old buildings; survival does not depend on it.
    weights : Mapping of str to array_like, optional
        Weights by cohort, `(years, draws or 1)`, of the sums to return.
    first_year : int
        Year of the first row.
    detail : bool
        Whether to hold areas by cohort.

    Returns
    -------
    Turnover
        Arrays `(years, draws)`; the same whatever the number of draws at once.

    Raises
    ------
    InputError
        Shapes that do not fit, a value missing, negative or beyond its bounds, both or neither of demand and completions.

    Examples
    --------
    >>> stock = turn_over([[100.0], [110.0], [60.0]], lifetime=[[2.0]], shape=[[1.0]], family="weibull", age_zero="start")
    >>> stock.inflow.ravel().round(2).tolist(), stock.outflow.ravel().round(2).tolist()
    ([100.0, 49.35, 0.0], [0.0, 39.35, 43.28])
    >>> stock.vacant.ravel().round(2).tolist()
    [0.0, 0.0, 6.72]
    """
    given = _take(area, inflow, lifetime, shape, family, age_zero, protection, retrofit, weights, first_year)
    result = _empty(given, detail=detail)
    for start in range(0, given.draws, _BLOCK):
        block = slice(start, min(start + _BLOCK, given.draws))
        _Run(given.part(block), result, block).run()
    return result


@dataclass(frozen=True)
class _Given:
    """What `turn_over` was given, checked; arrays `(rows, draws or 1)`."""

    demand: Array
    stock_driven: bool
    lifetime: Array
    shape: Array
    family: Family
    age_zero: AgeZero
    protection: Array | None
    rate: Array | None
    extra: Array
    eligible: int
    weights: dict[str, Array]
    years: int
    draws: int

    def part(self, draws: slice) -> _Given:
        """Return the same for some of the draws."""

        def cut(values: Array) -> Array:
            return values if values.shape[1] == 1 else values[:, draws]

        return replace(
            self,
            demand=cut(self.demand),
            lifetime=cut(self.lifetime),
            shape=cut(self.shape),
            protection=None if self.protection is None else cut(self.protection),
            rate=None if self.rate is None else cut(self.rate),
            extra=cut(self.extra),
            weights={name: cut(values) for name, values in self.weights.items()},
            draws=draws.stop - draws.start,
        )


def _refuse(problem: str, expected: str, next_step: str = "mend the input") -> InputError:
    return InputError(problem, doing="turnover of the building stock", expected=expected, next_step=next_step)


def _array(
    name: str, values: ArrayLike, years: int, first_year: int, *, least: float = -np.inf, most: float = np.inf
) -> Array:
    """Return values as `(rows, draws)`, every one a number within its bounds."""
    array = np.asarray(values, dtype=np.float64)
    array = array.reshape(-1, 1) if array.ndim < 2 else array
    if array.ndim != 2 or len(array) not in (1, years):
        raise _refuse(f"{name} has the shape {np.shape(values)}", f"{years} years × draws, or 1 in place of either")
    good = (array >= least) & (array <= most) & np.isfinite(array)
    if not good.all():
        year, draw = (int(number) for number in np.argwhere(~good)[0])
        raise _refuse(
            f"{name} is {array[year, draw]:g} in {first_year + year}, draw {draw}",
            f"a number from {least:g} to {most:g} in every year",
            "fill the missing year or mend the value",
        )
    return array


def _take(
    area: ArrayLike | None,
    inflow: ArrayLike | None,
    lifetime: ArrayLike,
    shape: ArrayLike,
    family: Family,
    age_zero: AgeZero,
    protection: ArrayLike | None,
    retrofit: Retrofit | None,
    weights: Mapping[str, ArrayLike] | None,
    first_year: int,
) -> _Given:
    demand = inflow if area is None else area
    if demand is None or (area is not None and inflow is not None):
        raise _refuse(
            "both demand and completions are given"
            if demand is not None
            else "neither demand nor completions are given",
            "one of area and inflow",
            "give one of them",
        )
    years = len(np.atleast_1d(np.asarray(demand)))

    def take(name: str, values: ArrayLike, least: float = -np.inf, most: float = np.inf) -> Array:
        return _array(name, values, years, first_year, least=least, most=most)

    life, form = take("lifetime", lifetime), take("lifetime_shape", shape)
    check_curve(family, life, form, age_zero)
    demanded = take("floor area" if inflow is None else "completions", demand, 0.0)
    protected = None if protection is None else take("protection", protection, 0.0, 1.0)
    rate = None if retrofit is None else take("retrofit_rate", retrofit.rate, 0.0, 1.0)
    extra = take("retrofit_area", 0.0 if retrofit is None else retrofit.area, 0.0)
    weighted = {name: take(f"weight {name}", values) for name, values in (weights or {}).items()}
    weighted = {name: np.broadcast_to(values, (years, values.shape[1])) for name, values in weighted.items()}
    every = (demanded, life, form, protected, rate, extra, *weighted.values())
    draws = {array.shape[1] for array in every if array is not None} - {1}
    if len(draws) > 1:
        raise _refuse(f"the inputs have {sorted(draws)} draws", "the same number of draws, or 1, in every input")
    return _Given(
        demand=demanded,
        stock_driven=inflow is None,
        lifetime=life,
        shape=form,
        family=family,
        age_zero=age_zero,
        protection=protected,
        rate=rate,
        extra=extra,
        eligible=0 if retrofit is None else min(max(retrofit.before - first_year, 0), years),
        weights=weighted,
        years=years,
        draws=max(draws, default=1),
    )


def _empty(given: _Given, *, detail: bool) -> Turnover:
    size = (given.years, given.draws)
    names = ("inflow", "outflow", "standing", "vacant", "retrofitted", "retrofit_done", "retrofit_missed")
    held = ("cohorts", "cohorts_retrofitted", "cohorts_gone") if detail else ()
    return Turnover(
        **{name: np.zeros(size) for name in names},
        **{name: np.zeros((given.years, *size)) for name in held},
        sums={name: np.zeros(size) for name in given.weights},
        sums_retrofitted={name: np.zeros(size) for name in given.weights},
    )


class _Run:
    """Some draws, year after year; at least two columns, so that rows are added in the same order whatever their number."""

    def __init__(self, given: _Given, result: Turnover, draws: slice) -> None:
        self.given, self.result, self.draws = given, result, draws
        size = (given.years, max(given.draws, 2))
        self.survival = YearlySurvival(
            given.family,
            given.lifetime,
            given.shape,
            years=given.years,
            age_zero=given.age_zero,
            protection=given.protection,
        )
        self.weights = {
            name: values[:, 0] if values.shape[1] == 1 else values for name, values in given.weights.items()
        }
        self.stock = np.zeros(size)  # standing area by cohort
        self.first = np.empty(size)  # by year: share of completions that stands at the end of the year,
        self.survivors = np.empty(size)  # area of earlier years that still stands,
        self.newest = np.empty(size)  # area of the year itself
        # Of the eligible area of cohort c the share untouched * (1 + younger[c]) was not retrofitted yet; younger is 0 but for
        # cohorts completed when retrofit had begun, from row `late` on.
        self.untouched = np.ones(size[1])
        self.younger = np.zeros((given.eligible, size[1]))
        self.late = given.eligible
        self.eligible = np.empty(size[1])
        self.begun = False

    def run(self) -> None:
        given, result = self.given, self.result
        for year in range(given.years):
            self.turn(year)
        if given.stock_driven and not self.first.all():
            raise _refuse(
                "nothing outlives the year of its completion",
                "lifetimes of which something is left after the first year",
                "mend the lifetime or its shape",
            )
        completed = self.newest / self.first if given.stock_driven else given.demand
        standing = self.survivors + self.newest
        before = np.concatenate([np.zeros((1, standing.shape[1])), standing[:-1]])
        self.put(result.inflow, completed)
        self.put(result.standing, standing)
        self.put(result.outflow, np.maximum(before + completed - standing, 0.0))
        if given.stock_driven:
            self.put(result.vacant, np.maximum(self.survivors - given.demand, 0.0))

    def put(self, values: Array, amounts: Array) -> None:
        wide = amounts.shape[-1] > 1
        values[..., self.draws] = amounts[..., : self.given.draws] if wide else amounts

    def turn(self, year: int) -> None:
        """Let a year go by."""
        given, stock = self.given, self.stock
        share = self.survival.until(year)
        if self.result.cohorts_gone is not None:
            self.put(self.result.cohorts_gone[:year, year], stock[:year] * (1.0 - share[:year]))
        np.multiply(stock[:year], share[:year], out=stock[:year])
        survivors, newest = self.survivors[year], self.newest[year]
        if given.rate is None:
            np.add.reduce(stock[:year], axis=0, out=survivors)
        else:
            old = min(given.eligible, year)
            np.add.reduce(stock[:old], axis=0, out=self.eligible)
            np.add(np.add.reduce(stock[old:year], axis=0, out=survivors), self.eligible, out=survivors)
        self.first[year] = share[year]
        if given.stock_driven:
            np.subtract(_row(given.demand, year), survivors, out=newest)
            np.maximum(newest, 0.0, out=newest)
        else:
            np.multiply(_row(given.demand, year), share[year], out=newest)
        stock[year] = newest
        if given.rate is not None:
            self.begun = self.begun or bool(_row(given.rate, year).any() or _row(given.extra, year).any())
            if self.begun:
                self.retrofit(year)
        self.add_up(year)
        if self.result.cohorts is not None:
            self.hold(year)

    def retrofit(self, year: int) -> None:
        """Retrofit part of what was completed before `year` and not yet retrofitted."""
        given, result = self.given, self.result
        assert given.rate is not None
        old = min(given.eligible, year)
        left = self.eligible
        if self.late < old:
            left = left + np.einsum("cd,cd->d", self.younger[self.late : old], self.stock[self.late : old])
        left = left * self.untouched
        done = left * _row(given.rate, year)
        wanted = _row(given.extra, year)
        found = np.minimum(wanted, left - done)
        done += found
        after = left - done
        self.untouched *= np.divide(after, left, out=np.ones_like(left), where=left > 0.0)
        self.put(result.retrofit_done[year], done)
        self.put(result.retrofit_missed[year], wanted - found)
        self.put(result.retrofitted[year], np.maximum(self.eligible - after, 0.0))
        used_up = self.untouched < _USED_UP
        if used_up.any():
            self.untouched[used_up] = 1.0
            self.younger[:old, used_up] = -1.0
            self.late = 0
        if year < given.eligible:
            self.younger[year] = 1.0 / self.untouched - 1.0
            if self.late > year and self.younger[year].any():
                self.late = year

    def add_up(self, year: int) -> None:
        """Add up the weighted area of either state."""
        if not self.weights:
            return
        result, stock = self.result, self.stock
        old = min(self.given.eligible, year + 1)
        young = self.younger[self.late : old] * stock[self.late : old] if self.late < old else None
        for name, weights in self.weights.items():
            rest = _dot(weights[old : year + 1], stock[old : year + 1])
            if not self.begun:  # in two parts all the same, so that the sum does not depend on other draws
                self.put(result.sums[name][year], rest + _dot(weights[:old], stock[:old]) if old else rest)
                continue
            eligible = _dot(weights[:old], stock[:old])
            untouched = eligible if young is None else eligible + _dot(weights[self.late : old], young)
            untouched = untouched * self.untouched
            self.put(result.sums[name][year], rest + untouched)
            self.put(result.sums_retrofitted[name][year], eligible - untouched)

    def hold(self, year: int) -> None:
        """Keep the areas by cohort."""
        result, stock = self.result, self.stock
        assert result.cohorts is not None
        assert result.cohorts_retrofitted is not None
        assert result.cohorts_gone is not None
        old, first = min(self.given.eligible, year + 1), self.first[year]
        self.put(result.cohorts[: year + 1, year], stock[: year + 1])
        retrofitted = stock[:old] * (1.0 - self.untouched * (1.0 + self.younger[:old]))
        self.put(result.cohorts_retrofitted[:old, year], retrofitted)
        completed = self.newest[year] / first if self.given.stock_driven else _row(self.given.demand, year)
        self.put(result.cohorts_gone[year, year], completed * (1.0 - first))


def _row(values: Array, year: int) -> Array:
    """Return the row of a year of what may hold one row for all."""
    return np.asarray(values[year] if len(values) > 1 else values[0])


def _dot(weights: Array, stock: Array) -> Array:
    return np.asarray(np.einsum("c,cd->d" if weights.ndim == 1 else "cd,cd->d", weights, stock))

"""Turnover of the building stock by completion year: what is completed, what goes, what is retrofitted.

Equations (3) and (4) of `docs/explanation/building-stock.md`. The stock of the first year enters as completed in it (ODYM's
convention). A year goes: part of every cohort goes, the rest of the demand is completed, part of the eligible old stock that was
not yet retrofitted is retrofitted. Weighted sums over cohorts are made on the way; area by cohort, year and draw is held only when
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.pathways.survival import AgeZero, Family, YearlySurvival
from dafeng.pathways.turnover_given import Given, Retrofit, refusal, take_given

__all__ = ["Retrofit", "Turnover", "turn_over"]

Array = NDArray[np.float64]
_BLOCK: Final = 1024  # draws at once
_USED_UP: Final = 1e-100  # share not yet retrofitted below which it counts as none


@dataclass(frozen=True)
class Turnover:
    """Areas `(years, draws)`, or `(classes, years, draws)`, in the unit of the demand; amounts at the end of the year, flows in it."""

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
    """Standing by cohort, `(…, cohorts, years, draws)`; None without `detail`."""
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
    weigh_from: int = 0,
    detail: bool = False,
) -> Turnover:
    """Turn over the stock of a class, or of several whose buildings live equally long, from its demand or from its completions.

    Stock-driven: completed is what the demand exceeds the survivors by, divided by the share that outlives its first year; where
    survivors exceed the demand nothing is completed and the excess stands vacant. Inflow-driven: completions are given.

    Of several classes all but lifetime, shape and protection may have an axis of classes before the years; what survives is then
    worked out once for all of them.

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
    weigh_from : int
        First year of the weighted sums, which are 0 before it.
    detail : bool
        Whether to hold areas by cohort.

    Returns
    -------
    Turnover
        Arrays `(years, draws)`, or `(classes, years, draws)`; the same whatever the number of draws and classes at once.

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
    given = take_given(area, inflow, lifetime, shape, family, age_zero, protection, retrofit, weights, first_year)
    given = replace(given, weigh_from=max(weigh_from - first_year, 0))
    result = _empty(given, detail=detail)
    for start in range(0, given.draws, _BLOCK):
        block = slice(start, min(start + _BLOCK, given.draws))
        _Run(given.part(block), result, block).run()

    def turned(array: Array) -> Array:
        return np.moveaxis(array, -2, 0) if given.several else array[..., 0, :]

    parts: dict[str, Any] = {name: turned(part) for name, part in vars(result).items() if isinstance(part, np.ndarray)}
    for name in ("sums", "sums_retrofitted"):
        parts[name] = {key: turned(part) for key, part in getattr(result, name).items()}
    return Turnover(**parts)


def _empty(given: Given, *, detail: bool) -> Turnover:
    size = (given.years, given.classes, given.draws)
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

    def __init__(self, given: Given, result: Turnover, draws: slice) -> None:
        self.given, self.result, self.draws = given, result, draws
        each = (given.classes, max(given.draws, 2))
        size = (given.years, *each)
        self.survival = YearlySurvival(
            given.family,
            given.lifetime,
            given.shape,
            years=given.years,
            age_zero=given.age_zero,
            protection=given.protection,
        )
        self.stock = np.zeros(size)  # standing area by cohort
        self.first = np.empty(
            (given.years, 1, each[1])
        )  # by year: share of completions that stands at the end of the year,
        self.survivors = np.empty(size)  # area of earlier years that still stands,
        self.newest = np.empty(size)  # area of the year itself
        # Of the eligible area of cohort c the share untouched * (1 + younger[c]) was not retrofitted yet; younger is 0 but for
        # cohorts completed when retrofit had begun, from row `late` on.
        self.untouched = np.ones(each)
        self.younger = np.zeros((given.eligible, *each))
        self.late = given.eligible
        self.eligible = np.empty(each)
        self.begun = False

    def run(self) -> None:
        given, result = self.given, self.result
        for year in range(given.years):
            self.turn(year)
        if given.stock_driven and not self.first.all():
            raise refusal(
                "nothing outlives the year of its completion",
                "lifetimes of which something is left after the first year",
                "mend the lifetime or its shape",
            )
        completed = self.newest / self.first if given.stock_driven else given.demand
        self.put(result.inflow, completed)
        if given.stock_driven:
            self.put(result.vacant, np.maximum(self.survivors - given.demand, 0.0))
        standing = np.add(self.survivors, self.newest, out=self.survivors)
        self.put(result.standing, standing)
        gone = np.array(np.broadcast_to(completed, standing.shape))
        gone[1:] += standing[:-1]
        gone -= standing
        self.put(result.outflow, np.maximum(gone, 0.0, out=gone))

    def put(self, values: Array, amounts: Array) -> None:
        wide = amounts.shape[-1] > 1
        values[..., self.draws] = amounts[..., : self.given.draws] if wide else amounts

    def turn(self, year: int) -> None:
        """Let a year go by."""
        given, stock = self.given, self.stock
        share = self.survival.until(year)[:, None]
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
        if year >= given.weigh_from:
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
            left = left + _dot(self.younger[self.late : old], self.stock[self.late : old])
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
        given, result, stock = self.given, self.result, self.stock
        old = min(given.eligible, year + 1)
        young = self.younger[self.late : old] * stock[self.late : old] if given.weights and self.late < old else None
        for name, weights in given.weights.items():
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
    return np.asarray(
        np.einsum("ck,ckd->kd", weights[:, :, 0], stock)
        if weights.shape[2] == 1
        else np.einsum("ckd,ckd->kd", weights, stock)
    )

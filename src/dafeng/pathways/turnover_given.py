"""What the turnover of the building stock is given, checked: one layout for what comes with or without classes and draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.survival import AgeZero, Family, check_curve

__all__ = ["Given", "Retrofit", "refusal", "take_given"]

Array = NDArray[np.float64]


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
class Given:
    """What `turn_over` was given, checked; arrays `(rows, classes or 1, draws or 1)`, those of survival `(rows, draws or 1)`."""

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
    classes: int
    draws: int
    several: bool
    weigh_from: int = 0

    def part(self, draws: slice) -> Given:
        """Return the same for some of the draws."""

        def cut(values: Array) -> Array:
            return values if values.shape[-1] == 1 else values[..., draws]

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


def refusal(problem: str, expected: str, next_step: str = "mend the input") -> InputError:
    """Return the error for input that cannot be turned over."""
    return InputError(problem, doing="turnover of the building stock", expected=expected, next_step=next_step)


def _array(
    name: str, values: ArrayLike, years: int, first_year: int, *, least: float = -np.inf, most: float = np.inf
) -> Array:
    """Return values as `(rows, classes, draws)`, every one a number within its bounds."""
    array = np.asarray(values, dtype=np.float64)
    array = array.reshape(-1, 1) if array.ndim < 2 else array
    if array.ndim > 3 or array.shape[-2] not in (1, years):
        raise refusal(f"{name} has the shape {np.shape(values)}", f"{years} years × draws, or 1 in place of either")
    array = array[:, None] if array.ndim == 2 else np.moveaxis(array, 0, 1)
    good = (array >= least) & (array <= most) & np.isfinite(array)
    if not good.all():
        year, row, draw = (int(number) for number in np.argwhere(~good)[0])
        raise refusal(
            f"{name} is {array[year, row, draw]:g} in {first_year + year}, draw {draw}",
            f"a number from {least:g} to {most:g} in every year",
            "fill the missing year or mend the value",
        )
    return array


def take_given(
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
) -> Given:
    """Check what `turn_over` was given and bring it into one layout.

    Raises
    ------
    InputError
        As `turn_over` says.
    """
    demand = inflow if area is None else area
    if demand is None or (area is not None and inflow is not None):
        raise refusal(
            "both demand and completions are given"
            if demand is not None
            else "neither demand nor completions are given",
            "one of area and inflow",
            "give one of them",
        )
    years = 1 if np.ndim(demand) == 0 else np.shape(demand)[-2 if np.ndim(demand) > 1 else 0]

    given = [area, inflow, *(weights or {}).values(), *(() if retrofit is None else (retrofit.rate, retrofit.area))]

    def take(name: str, values: ArrayLike, least: float = -np.inf, most: float = np.inf) -> Array:
        return _array(name, values, years, first_year, least=least, most=most)

    life, form = take("lifetime", lifetime), take("lifetime_shape", shape)
    check_curve(family, life, form, age_zero)
    demanded = take("floor area" if inflow is None else "completions", demand, 0.0)
    protected = None if protection is None else take("protection", protection, 0.0, 1.0)
    rate = None if retrofit is None else take("retrofit_rate", retrofit.rate, 0.0, 1.0)
    extra = take("retrofit_area", 0.0 if retrofit is None else retrofit.area, 0.0)
    weighted = {name: take(f"weight {name}", values) for name, values in (weights or {}).items()}
    survive = [array for array in (life, form, protected) if array is not None]
    every = [array for array in (demanded, rate, extra, *weighted.values()) if array is not None]
    draws = {array.shape[2] for array in (*every, *survive)} - {1}
    classes = {array.shape[1] for array in every} - {1}
    if len(draws) > 1:
        raise refusal(f"the inputs have {sorted(draws)} draws", "the same number of draws, or 1, in every input")
    if len(classes) > 1 or any(array.shape[1] > 1 for array in survive):
        raise refusal(
            f"the inputs have {sorted(classes)} classes, those of survival {max(array.shape[1] for array in survive)}",
            "the same number of classes, or none, in every input, and none in those of survival",
        )
    count = max(classes, default=1)
    weighted = {
        name: np.ascontiguousarray(np.broadcast_to(values, (years, count, values.shape[2])))
        for name, values in weighted.items()
    }
    return Given(
        demand=demanded,
        stock_driven=inflow is None,
        lifetime=life[:, 0],
        shape=form[:, 0],
        family=family,
        age_zero=age_zero,
        protection=None if protected is None else protected[:, 0],
        rate=rate,
        extra=extra,
        eligible=0 if retrofit is None else min(max(retrofit.before - first_year, 0), years),
        weights=weighted,
        years=years,
        classes=count,
        draws=max(draws, default=1),
        several=any(np.ndim(one) > 2 for one in given),
    )

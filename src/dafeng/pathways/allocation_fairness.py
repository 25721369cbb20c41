"""Figures of fairness of a division, side by side for every method; none of them is called the right one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from dafeng.base.record import Record
from dafeng.pathways.allocation_criteria import Criterion

__all__ = ["Fairness", "fairness_of", "gini", "ranks_of", "theil"]


class Fairness(Record):
    """How evenly an amount stands to one quantity of the places."""

    per: str
    """Quantity by which it is divided (resident_population …)."""
    title: str
    """Its Chinese name."""
    gini: float | None
    """Gini coefficient of the amount per unit of the quantity, weighted by it; None where nothing is to be told apart."""
    theil: float | None
    """Theil's T of the same."""
    ratio: float | None
    """Greatest over smallest amount per unit; None where the smallest is zero."""
    greatest: str
    """Place with the greatest amount per unit."""
    smallest: str
    """Place with the smallest."""
    per_unit: dict[str, float]
    """Amount per unit of the quantity, by place."""
    missing: tuple[str, ...]
    """Places that are left out since the quantity is not known there, or is zero."""


def gini(amounts: ArrayLike, weights: ArrayLike) -> float | None:
    """Return the Gini coefficient of amounts over weights: 0 where the amount per weight is the same everywhere.

    Parameters
    ----------
    amounts, weights : array_like, shape (place,)
        Not negative; weights positive.

    Returns
    -------
    float or None
        None where the amounts sum to nothing.

    Examples
    --------
    >>> gini([10, 20, 30], [1, 2, 3]), round(gini([0, 1], [1, 1]), 3)
    (0.0, 0.5)
    """
    amount, weight = np.asarray(amounts, dtype=float), np.asarray(weights, dtype=float)
    total = amount.sum()
    if total <= 0:
        return None
    each = amount / weight
    apart = np.abs(each[:, None] - each[None, :]) * weight[:, None] * weight[None, :]
    return float(apart.sum() / (2.0 * weight.sum() * total))


def theil(amounts: ArrayLike, weights: ArrayLike) -> float | None:
    """Return Theil's T of amounts over weights: Σ s ln(s / w), s and w the shares of amount and weight (Theil 1967).

    Examples
    --------
    >>> theil([10, 20], [1, 2]), round(theil([0, 1], [1, 1]), 4)
    (0.0, 0.6931)
    """
    amount, weight = np.asarray(amounts, dtype=float), np.asarray(weights, dtype=float)
    total, whole = math.fsum(amount), math.fsum(weight)
    if total <= 0:
        return None
    parts = zip((amount / total).tolist(), (weight / whole).tolist(), strict=True)
    return max(0.0, math.fsum(share * math.log(share / even) for share, even in parts if share > 0))


def fairness_of(values: Mapping[str, float], per: Criterion) -> Fairness | None:
    """Return the figures of a division by one quantity; None where it is known at fewer than two places.

    Parameters
    ----------
    values : mapping
        Amount by place.
    per : Criterion

    Examples
    --------
    >>> from dafeng.pathways.allocation_criteria import CriterionValue
    >>> people = Criterion(id="p", title="人口", values={"a": CriterionValue(value=1), "b": CriterionValue(value=3)})
    >>> found = fairness_of({"a": 4.0, "b": 6.0}, people)
    >>> found.per_unit, found.ratio, found.greatest
    ({'a': 4.0, 'b': 2.0}, 2.0, 'a')
    """
    known = sorted(name for name in values if name in per.values and per.values[name].value > 0)
    if len(known) < 2:
        return None
    amounts, weights = [values[name] for name in known], [per.values[name].value for name in known]
    each = {name: amount / weight for name, amount, weight in zip(known, amounts, weights, strict=True)}
    greatest, smallest = max(known, key=lambda name: each[name]), min(known, key=lambda name: each[name])
    return Fairness(
        per=per.id,
        title=per.title,
        gini=gini(amounts, weights),
        theil=theil(amounts, weights),
        ratio=each[greatest] / each[smallest] if each[smallest] > 0 else None,
        greatest=greatest,
        smallest=smallest,
        per_unit=each,
        missing=tuple(sorted(set(values) - set(known))),
    )


def ranks_of(values: Mapping[str, float], names: Sequence[str]) -> dict[str, int]:
    """Return the rank of each place, 1 for the greatest; equal values share the better rank.

    Examples
    --------
    >>> ranks_of({"a": 5.0, "b": 7.0, "c": 5.0}, ["a", "b", "c"])
    {'a': 2, 'b': 1, 'c': 2}
    """
    return {name: 1 + sum(values[other] > values[name] for other in names) for name in names}

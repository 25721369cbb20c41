"""Sums with their uncertainty: activities independent of one another, one factor wrong in the same direction everywhere.

To first order (GUM), with relative half widths of the 95 % interval: what activities bring is added in quadrature; what one
factor brings to several terms is added first, sign and all, because the same factor errs alike in all of them; different
factors are independent. Downward and upward widths are carried separately.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "Terms", "relative_widths", "sum_terms"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Terms:
    """Terms that are still to be summed, as arrays of one length; a term may itself be a sum over one factor."""

    keys: Integers
    """What is summed together."""
    factors: Integers
    """Which factor a term was multiplied by; terms of one factor are fully correlated."""
    amounts: Floats
    """Negative where a term is deducted, 0 where it is a gap."""
    below: Floats
    """Square of what the activity's uncertainty takes from the amount."""
    above: Floats
    """Square of what it adds."""
    factor_below: Floats
    """Relative half width of the factor downwards, 0 where not stated."""
    factor_above: Floats
    """The same upwards."""
    unbounded: NDArray[np.int32]
    """Number of terms that count and have no stated uncertainty at all."""
    gaps: NDArray[np.int32]
    """Number of terms whose amount is not known."""
    counts: NDArray[np.int32]
    """Number of terms."""
    weakness: NDArray[np.int32]
    """Rank of the weakest kind among the terms."""
    review: NDArray[np.int32]
    """Rank of the least review among the terms."""
    coverage: Floats
    """Least coverage among the terms."""
    published: NDArray[np.int32]
    """Latest day of publication, in days since 1970; the largest number where one is not known."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return some of the terms, by position or mask."""
        return replace(self, **{item.name: getattr(self, item.name)[chosen] for item in fields(self)})

    def with_keys(self, keys: Integers) -> Self:
        """Return the same terms to be summed by other keys."""
        return replace(self, keys=keys)

    def gathered(self) -> Self:
        """Return one term for each key and factor, sorted; the same to the last bit whatever the order of the terms."""
        if not len(self) or bool((self.keys[1:] > self.keys[:-1]).all()):
            return self
        order = np.lexsort((self.above, self.below, self.amounts, self.factors, self.keys))
        keys, factors = self.keys[order], self.factors[order]
        starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]) | (factors[1:] != factors[:-1])])
        if len(starts) == len(keys):
            return self.take(order)

        return replace(
            self,
            keys=keys[starts],
            factors=factors[starts],
            amounts=np.add.reduceat(self.amounts[order], starts),
            below=np.add.reduceat(self.below[order], starts),
            above=np.add.reduceat(self.above[order], starts),
            unbounded=np.add.reduceat(self.unbounded[order], starts),
            gaps=np.add.reduceat(self.gaps[order], starts),
            counts=np.add.reduceat(self.counts[order], starts),
            factor_below=np.maximum.reduceat(self.factor_below[order], starts),
            factor_above=np.maximum.reduceat(self.factor_above[order], starts),
            weakness=np.maximum.reduceat(self.weakness[order], starts),
            review=np.minimum.reduceat(self.review[order], starts),
            coverage=np.minimum.reduceat(self.coverage[order], starts),
            published=np.maximum.reduceat(self.published[order], starts),
        )


@dataclass(frozen=True)
class Sums:
    """Sums by key, in the order of the keys."""

    keys: Integers
    """Key of each sum."""
    totals: Floats
    """Sum of the terms."""
    below: Floats
    """Half width downwards; NaN where a term that counts has no stated uncertainty."""
    above: Floats
    """Half width upwards."""
    gaps: NDArray[np.int32]
    """Number of terms whose amount is not known."""
    counts: NDArray[np.int32]
    """Number of terms."""
    weakness: NDArray[np.int32]
    """Rank of the weakest kind."""
    review: NDArray[np.int32]
    """Rank of the least review."""
    coverage: Floats
    """Least coverage."""
    published: NDArray[np.int32]
    """Latest day of publication."""


def relative_widths(value: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the relative half widths of values, downwards and upwards; NaN where none is stated.

    Examples
    --------
    >>> below, above = relative_widths(np.array([10.0, 4.0]), np.array([9.0, np.nan]), np.array([12.0, np.nan]))
    >>> below.tolist(), above.tolist()
    ([0.1, nan], [0.2, nan])
    """
    size = np.where(value == 0, np.nan, np.abs(value))
    return np.maximum(value - low, 0.0) / size, np.maximum(high - value, 0.0) / size


def sum_terms(terms: Terms) -> Sums:
    """Sum terms by key, with the half widths of the sums.

    Examples
    --------
    >>> whole, nothing = np.zeros(2, np.int32), np.zeros(2)
    >>> two = Terms(keys=np.array([7, 7]), factors=np.array([1, 1]), amounts=np.array([30.0, 10.0]), below=nothing,
    ...             above=nothing, factor_below=np.full(2, 0.1), factor_above=np.full(2, 0.2), unbounded=whole, gaps=whole,
    ...             counts=whole + 1, weakness=whole, review=whole, coverage=nothing + 1, published=whole)
    >>> sums = sum_terms(two)
    >>> sums.totals.tolist(), sums.below.round(9).tolist(), sums.above.round(9).tolist()
    ([40.0], [4.0], [8.0])
    """
    parts = terms.gathered()
    if not len(parts):
        none = np.empty(0, np.int32)
        return Sums(
            parts.keys, parts.amounts, parts.amounts, parts.amounts, none, none, none, none, parts.amounts, none
        )
    starts = np.flatnonzero(np.r_[True, parts.keys[1:] != parts.keys[:-1]])
    # What lowers a deduction raises the sum.
    deducted = parts.amounts < 0
    own = np.abs(parts.amounts)
    below = np.square(own * np.where(deducted, parts.factor_above, parts.factor_below)) + parts.below
    above = np.square(own * np.where(deducted, parts.factor_below, parts.factor_above)) + parts.above
    unbounded = np.add.reduceat(parts.unbounded, starts) > 0
    return Sums(
        keys=parts.keys[starts],
        totals=np.add.reduceat(parts.amounts, starts),
        below=np.where(unbounded, np.nan, np.sqrt(np.add.reduceat(below, starts))),
        above=np.where(unbounded, np.nan, np.sqrt(np.add.reduceat(above, starts))),
        gaps=np.add.reduceat(parts.gaps, starts),
        counts=np.add.reduceat(parts.counts, starts),
        weakness=np.maximum.reduceat(parts.weakness, starts),
        review=np.minimum.reduceat(parts.review, starts),
        coverage=np.minimum.reduceat(parts.coverage, starts),
        published=np.maximum.reduceat(parts.published, starts),
    )

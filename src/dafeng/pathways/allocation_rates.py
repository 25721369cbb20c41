"""Rates are not divided: each place gets a rate of its own, and their weighted mean meets the parent's.

Rates are set as real numbers whose weighted mean is the parent's target exactly, within the bounds of each place; then they
are written to the last digit on the safe side: the mean is at least as good as the target, by less than one last digit of the
heaviest place's share.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dafeng.base.errors import InputError
from dafeng.pathways.allocation_criteria import AllocationMethod
from dafeng.pathways.allocation_rounding import fill_lines

__all__ = ["rate_units", "real_rates"]


def real_rates(
    method: AllocationMethod,
    target: Fraction,
    *,
    weights: Sequence[Fraction],
    present: Sequence[Fraction] | None = None,
    floors: Sequence[Fraction],
    ceilings: Sequence[Fraction],
    falling: bool = False,
) -> list[Fraction]:
    """Return rates whose weighted mean is the target: the same level, the same points, or the same share of the gap.

    Parameters
    ----------
    method : AllocationMethod
        same, points or gap.
    target : Fraction
        The parent's rate.
    weights : sequence of Fraction, shape (place,)
        Denominators of the rates; positive.
    present : sequence of Fraction, optional
        Rates as they stand, for points and gap.
    floors, ceilings : sequence of Fraction
        Bounds of each place. The gap is that to the ceiling, or to the floor where less is better.
    falling : bool
        Whether less is better.

    Raises
    ------
    InputError
        The bounds do not allow the mean, or present rates are needed and not given.

    Examples
    --------
    >>> half = [Fraction(1, 2)] * 2
    >>> rates = real_rates(AllocationMethod.GAP, Fraction(70), weights=half, present=[Fraction(40), Fraction(60)],
    ...                    floors=[Fraction(0)] * 2, ceilings=[Fraction(100)] * 2)
    >>> [float(rate) for rate in rates]
    [64.0, 76.0]
    """
    count = len(weights)
    if falling:
        mirrored = real_rates(
            method, -target, weights=weights, present=None if present is None else [-one for one in present],
            floors=[-one for one in ceilings], ceilings=[-one for one in floors],
        )  # fmt: skip
        return [-one for one in mirrored]
    if method is AllocationMethod.SAME:
        starts, slopes = [Fraction(0)] * count, [Fraction(1)] * count
    elif present is None:
        raise InputError(
            "没有各地现值，不能按点数或差距设定 / present rates are not known",
            doing="set rates",
            expected="各地现值",
            next_step="导入现值，或用 --method same",
            name="pathways.allocation.present-unknown",
        )
    else:
        starts = list(present)
        slopes = [
            Fraction(1) if method is AllocationMethod.POINTS else max(most - now, Fraction(0))
            for now, most in zip(present, ceilings, strict=True)
        ]
    whole = sum(weights, Fraction(0))
    return fill_lines(starts, slopes, target * whole, floors, ceilings, weights)


def rate_units(
    rates: Sequence[Fraction], target: Fraction, *, weights: Sequence[Fraction], names: Sequence[str], falling: bool
) -> list[int]:
    """Return rates in whole last digits, their weighted mean no worse than the target and as near to it as few steps allow.

    Parameters
    ----------
    rates : sequence of Fraction, shape (place,)
        In units of the last digit; their weighted mean is `target`.
    target : Fraction
    weights : sequence of Fraction
    names : sequence of str
        They break ties.
    falling : bool
        Whether less is better; the mean then stays at or below the target.

    Examples
    --------
    >>> rate_units([Fraction(645, 10), Fraction(755, 10)], Fraction(70), weights=[Fraction(3), Fraction(3)], names="ab",
    ...            falling=False)
    [65, 75]
    """
    if falling:
        up = rate_units([-rate for rate in rates], -target, weights=weights, names=names, falling=False)
        return [-one for one in up]
    units = [rate.__floor__() for rate in rates]
    wanted = target * sum(weights, Fraction(0))
    reached = sum((weight * one for weight, one in zip(weights, units, strict=True)), Fraction(0))
    order = sorted(range(len(units)), key=lambda i: (units[i] - rates[i], names[i]))
    raised = []
    for index in order:
        if reached >= wanted:
            break
        if units[index] < rates[index]:
            units[index] += 1
            reached += weights[index]
            raised.append(index)
    for index in raised[::-1]:  # what a later, heavier step has made superfluous
        if reached - weights[index] >= wanted:
            units[index] -= 1
            reached -= weights[index]
    return units

"""By what an amount is divided: criteria of places with their sources, entropy weights, blends, and each method as lines.

Every method becomes, for each place, a line a + λ·b; the level λ at which all shares within their bounds sum to the total is
found once for all (`dafeng.pathways.allocation_rounding.fill_lines`). A place whose value of a criterion is not known is named;
it never counts as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.record import Record

__all__ = [
    "METHOD_TITLES",
    "AllocationMethod",
    "Criterion",
    "CriterionValue",
    "blend",
    "criterion_findings",
    "entropy_weights",
    "lines_of",
    "shares_in",
    "weights_of",
]


class AllocationMethod(StrEnum):
    """How an amount is divided, or a rate is set, place by place."""

    PER_HEAD = "per_head"
    PER_AREA = "per_area"
    CAPACITY = "capacity"
    GRANDFATHERING = "grandfathering"
    EQUAL_PERCENTAGE = "equal_percentage"
    CONVERGENCE = "convergence"
    HISTORICAL = "historical"
    ENTROPY = "entropy"
    WEIGHTED = "weighted"
    SHARES = "shares"
    SAME = "same"
    POINTS = "points"
    GAP = "gap"

    @property
    def for_rates(self) -> bool:
        """Whether it sets rates in place of dividing amounts."""
        return self in (AllocationMethod.SAME, AllocationMethod.POINTS, AllocationMethod.GAP)


METHOD_TITLES: Final = {
    AllocationMethod.PER_HEAD: "按人口",
    AllocationMethod.PER_AREA: "按面积",
    AllocationMethod.CAPACITY: "按能力",
    AllocationMethod.GRANDFATHERING: "按现有份额",
    AllocationMethod.EQUAL_PERCENTAGE: "等比例",
    AllocationMethod.CONVERGENCE: "趋同",
    AllocationMethod.HISTORICAL: "按历史累计",
    AllocationMethod.ENTROPY: "熵权综合",
    AllocationMethod.WEIGHTED: "给定权重综合",
    AllocationMethod.SHARES: "给定份额",
    AllocationMethod.SAME: "同一水平",
    AllocationMethod.POINTS: "等点数提升",
    AllocationMethod.GAP: "等比例缩小差距",
}
_SINGLE: Final = (
    AllocationMethod.PER_HEAD,
    AllocationMethod.PER_AREA,
    AllocationMethod.CAPACITY,
    AllocationMethod.GRANDFATHERING,
    AllocationMethod.EQUAL_PERCENTAGE,
    AllocationMethod.SHARES,
)


class CriterionValue(Record):
    """The value of a criterion at one place, and who says so."""

    value: float
    """Value in the criterion's unit."""
    years: tuple[int, ...] = ()
    """Years that it is of; several where it is a mean or a sum."""
    source: str = ""
    """Dataset or file."""
    grade: str = ""
    """Grade of the source."""
    kind: str = ""
    """How the figure came about."""


class Criterion(Record):
    """A quantity by which places are told apart.

    Examples
    --------
    >>> people = Criterion(id="resident_population", title="常住人口", unit="万人",
    ...                    values={"a": CriterionValue(value=30), "b": CriterionValue(value=10)})
    >>> {place: float(share) for place, share in shares_in(people, ["a", "b"]).items()}
    {'a': 0.75, 'b': 0.25}
    """

    id: str
    """Indicator, or head of a column."""
    title: str
    """Chinese name."""
    unit: str = ""
    """Unit of the values."""
    weight: float | None = Field(default=None, ge=0)
    """Weight in a blend of given weights."""
    inverse: bool = False
    """Whether more of it means a smaller share."""
    values: dict[str, CriterionValue] = Field(default_factory=dict)
    """Value by place; a place that is missing here is not known."""

    def unknown(self, members: Sequence[str]) -> tuple[str, ...]:
        """Return the places whose value is not known."""
        return tuple(name for name in members if name not in self.values)


def criterion_findings(criterion: Criterion, members: Sequence[str], names: Mapping[str, str]) -> list[Finding]:
    """Return what keeps a criterion from dividing: values unknown, negative or not finite, all of them zero.

    Parameters
    ----------
    criterion : Criterion
    members : sequence of str
        Those among whom is divided.
    names : mapping
        Their Chinese names.
    """
    said = []
    unknown = criterion.unknown(members)
    if unknown:
        said.append(
            _problem(
                "criterion-unknown",
                f"“{criterion.title}”缺{len(unknown)}处的数值：{'、'.join(names.get(one, one) for one in unknown)}；未知不按零计，未作分解",
                value="、".join(unknown),
                next_step="补齐数据（data import 或 --criteria 文件），或用 --own 地方=数值 单列",
            )
        )
    known = {name: criterion.values[name].value for name in members if name in criterion.values}
    bad = [name for name, value in known.items() if not math.isfinite(value) or value < 0]
    if bad:
        shown = "、".join(f"{names.get(one, one)} {known[one]:g}" for one in bad)
        said.append(
            _problem(
                "criterion-negative", f"“{criterion.title}”有负数或非有限数：{shown}", shown, next_step="更正该数据"
            )
        )
    elif criterion.inverse and any(value == 0 for value in known.values()):
        zero = "、".join(names.get(one, one) for one, value in known.items() if value == 0)
        said.append(
            _problem(
                "criterion-zero", f"“{criterion.title}”按反比使用，不能为零：{zero}", zero, next_step="改用其他依据"
            )
        )
    elif known and not unknown and not any(known.values()):
        said.append(
            _problem("criterion-zero", f"“{criterion.title}”各处都是零，无法按它分", "0", next_step="改用其他依据")
        )
    return said


def _problem(problem: str, sentence: str, value: str, next_step: str) -> Finding:
    return Finding(name=f"pathways.allocation.{problem}", sentence=sentence, value=value, next_step=next_step)


def shares_in(criterion: Criterion, members: Sequence[str]) -> dict[str, Fraction]:
    """Return each member's share in a criterion, of 1 where it is inverse; exact, whatever their order.

    Parameters
    ----------
    criterion : Criterion
        Known, not negative and not all zero at the members, see `criterion_findings`.
    members : sequence of str
    """
    values = {name: Fraction(criterion.values[name].value) for name in members}
    if criterion.inverse:
        values = {name: 1 / value for name, value in values.items()}
    total = sum(values.values(), Fraction(0))
    return {name: value / total for name, value in values.items()}


def entropy_weights(matrix: ArrayLike) -> NDArray[np.float64]:
    """Return the weights of criteria by the entropy of their shares: what tells places apart weighs more.

    With p the shares of places in a criterion, e = −Σ p ln p / ln n, weights are (1 − e) divided by their sum (Shannon 1948;
    Hwang and Yoon 1981, *Multiple Attribute Decision Making*, section 4.2). Where no criterion tells any place apart all weigh
    the same.

    Parameters
    ----------
    matrix : array_like, shape (place, criterion)
        Not negative; each criterion positive somewhere; two places or more.

    Returns
    -------
    array of float, shape (criterion,)
        They sum to one, and do not depend on the order of places.

    Raises
    ------
    InputError
        There are fewer than two places, or a value is negative.

    Examples
    --------
    Hwang and Yoon's choice among four fighter aircraft (the book reckons at four digits: within 0.002):

    >>> aircraft = [[2.0, 1500, 20000, 5.5, 5, 9], [2.5, 2700, 18000, 6.5, 3, 5],
    ...             [1.8, 2000, 21000, 4.5, 7, 7], [2.2, 1800, 20000, 5.0, 5, 5]]
    >>> entropy_weights(aircraft).round(4).tolist()
    [0.0642, 0.2061, 0.0134, 0.0813, 0.3587, 0.2763]
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2 or (values < 0).any() or not np.isfinite(values).all():
        raise InputError(
            f"the matrix has shape {values.shape}",
            doing="weigh criteria by entropy",
            expected="two places or more, values that are not negative",
            next_step="correct the criteria",
            name="pathways.allocation.entropy",
        )
    apart = []
    for column in values.T:
        total = math.fsum(column)
        shares = [value / total for value in column.tolist() if value > 0]
        apart.append(max(0.0, 1.0 + math.fsum(share * math.log(share) for share in shares) / math.log(len(values))))
    whole = math.fsum(apart)
    if whole < 1e-12:
        return np.full(len(apart), 1.0 / len(apart))
    return np.array([one / whole for one in apart])


def blend(criteria: Sequence[Criterion], members: Sequence[str], weights: Sequence[float]) -> dict[str, Fraction]:
    """Return the weighted mean of the members' shares in several criteria.

    Parameters
    ----------
    criteria : sequence of Criterion
    members : sequence of str
    weights : sequence of float
        Of any positive sum.
    """
    exact = [Fraction(weight) for weight in weights]
    whole = sum(exact, Fraction(0))
    parts = [shares_in(criterion, members) for criterion in criteria]
    return {
        name: sum((weight * part[name] for weight, part in zip(exact, parts, strict=True)), Fraction(0)) / whole
        for name in members
    }


def weights_of(method: AllocationMethod, criteria: Sequence[Criterion], members: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each criterion under a method that blends."""
    if method is AllocationMethod.ENTROPY:
        shares = [shares_in(criterion, members) for criterion in criteria]
        return tuple(entropy_weights([[float(part[name]) for part in shares] for name in members]).tolist())
    given = [criterion.weight for criterion in criteria]
    if any(weight is None for weight in given) or not math.fsum(weight or 0.0 for weight in given):
        raise InputError(
            "有依据没有给权重，或权重全为零 / a criterion has no weight, or all are zero",
            doing="blend criteria",
            expected="每项依据一个权重 / a weight for each criterion",
            next_step="--criterion 指标=权重",
            name="pathways.allocation.weights",
        )
    return tuple(weight or 0.0 for weight in given)


def lines_of(
    method: AllocationMethod, criteria: Sequence[Criterion], members: Sequence[str], *, at_most: bool = False
) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """Return intercepts and slopes of the members' lines under a method that divides amounts.

    Parameters
    ----------
    method : AllocationMethod
        One of those for amounts, convergence excepted (it is a blend that changes by year).
    criteria : sequence of Criterion
        One; two for historical responsibility under a ceiling: past amounts, then the population; several to blend.
    members : sequence of str
    at_most : bool
        Whether the target is a ceiling (an allowance), so that what was used before is taken from an equal share of the whole.

    Raises
    ------
    InputError
        The number of criteria does not fit the method.
    """
    zero = dict.fromkeys(members, Fraction(0))
    if method is AllocationMethod.HISTORICAL and at_most and len(criteria) == 2:
        past, people = criteria
        used = {name: -Fraction(past.values[name].value) for name in members}
        return used, {name: Fraction(people.values[name].value) for name in members}
    if method in (AllocationMethod.ENTROPY, AllocationMethod.WEIGHTED):
        return zero, blend(criteria, members, weights_of(method, criteria, members))
    if len(criteria) == 1 and (method in _SINGLE or (method is AllocationMethod.HISTORICAL and not at_most)):
        return zero, shares_in(criteria[0], members)
    raise InputError(
        f"“{METHOD_TITLES[method]}”不能用{len(criteria)}项依据 / {method.value} does not take {len(criteria)} criteria",
        doing="divide a target",
        expected="一项；历史累计用于上限时为历史量与人口两项；综合为两项以上",
        next_step="--criterion 指标，可重复",
        name="pathways.allocation.criteria",
    )

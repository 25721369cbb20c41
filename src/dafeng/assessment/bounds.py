"""A target's value in the canonical unit, with what it means to meet it, to fall short and to come closer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dafeng.assessment.records import Amount
from dafeng.base.errors import UnitError
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.target import Comparator, Direction, Measure, Target, satisfies
from dafeng.catalog.schemas import Indicator, IndicatorMeasure
from dafeng.plans import effective_comparator, number_text

__all__ = ["Bound", "ChangeKind", "bound_of", "change_kind"]

_UPWARDS: Final = (Comparator.AT_LEAST, Comparator.MORE_THAN)
_WORDS: Final = {
    Comparator.AT_LEAST: "不低于",
    Comparator.MORE_THAN: "大于",
    Comparator.AT_MOST: "不超过",
    Comparator.LESS_THAN: "小于",
}
ChangeKind = str
"""How a change is worked out: own (the value is the change), percent, points or absolute."""


@dataclass(frozen=True)
class Bound:
    """A bound in canonical units.

    Examples
    --------
    >>> rail = Bound(Comparator.AT_LEAST, 351.6, None, "km", "公里")
    >>> rail.meets(352.68), round(rail.shortfall(340.0), 2), rail.text
    (True, 11.6, '不低于351.6公里')
    """

    comparator: Comparator
    """As judged: `=` and `~` are resolved by the direction."""
    low: float
    """The bound, or the lower end of a range."""
    high: float | None
    """Upper end of a range."""
    unit: str
    """Canonical unit."""
    shown_unit: str
    """Unit of the plan, else of the indicator."""

    @property
    def upwards(self) -> bool:
        """Whether more is asked; False for a ceiling and for a range."""
        return self.high is None and self.comparator in _UPWARDS

    @property
    def text(self) -> str:
        """What is asked, in Chinese."""
        low = number_text(self.shown(self.low))
        if self.high is not None:
            return f"{low}至{number_text(self.shown(self.high))}{self.shown_unit}"
        return f"{_WORDS[self.comparator]}{low}{self.shown_unit}"

    def meets(self, value: float) -> bool:
        """Return whether a value meets the bound."""
        return satisfies(value, self.comparator, self.low, bound_max=self.high)

    def nearest_end(self, value: float) -> float:
        """Return the end that a value lies nearest to: the bound itself, but for a range."""
        if self.high is not None and value > (self.low + self.high) / 2:
            return self.high
        return self.low

    def shortfall(self, value: float) -> float:
        """Return by how much a value falls short, negative where it is better than asked."""
        if self.high is not None:
            return max(self.low - value, value - self.high)
        return self.low - value if self.upwards else value - self.low

    def shown(self, value: float) -> float:
        """Return a value in the shown unit."""
        return convert(value, self.unit, self.shown_unit)

    def say(self, value: float) -> str:
        """Return a value with its shown unit."""
        return f"{number_text(self.shown(value))}{self.shown_unit}"

    def difference(self, value: float) -> Amount:
        """Return a difference of values; shares differ by percentage points."""
        if same_dimension(self.unit, "percent"):
            points = convert(value, self.unit, "percent")
            return Amount(value=points, unit="percentage_point", shown_value=points, shown_unit="个百分点")
        return Amount(value=value, unit=self.unit, shown_value=self.shown(value), shown_unit=self.shown_unit)

    def pace(self, value: float) -> Amount:
        """Return a change a year."""
        amount = self.difference(value)
        return amount.model_copy(update={"unit": f"{amount.unit}/year", "shown_unit": f"{amount.shown_unit}/年"})


def change_kind(target: Target, indicator: Indicator) -> ChangeKind:
    """Return how a change is worked out.

    A base state, or an indicator that states an improvement, means that the value is itself the change. Otherwise the unit
    decides: percent is relative to the base value, percentage points and units of the indicator are differences.
    """
    if indicator.measure is IndicatorMeasure.CHANGE or target.base is None or target.base.year is None:
        return "own"
    if target.unit is None or same_dimension(target.unit, "percent"):
        return "percent"
    return "points" if same_dimension(target.unit, "percentage_point") else "absolute"


def bound_of(target: Target, indicator: Indicator) -> Bound:
    """Return a target's bound in canonical units.

    Raises
    ------
    UnitError
        The unit as written does not measure what the indicator measures, or the target has no value.
    """
    if target.value is None:
        raise UnitError(
            f"target {target.id} has no value",
            doing="read a target",
            expected="a value",
            next_step="give it a value, or make it a milestone",
        )
    unit, direction, shown = indicator.unit, indicator.direction, indicator.shown_unit
    if target.measure is Measure.CHANGE:
        direction = Direction.UP
        kind = change_kind(target, indicator)
        if kind == "percent":
            unit, shown = "percent", "%"
        elif kind == "points":
            unit, shown = "percentage_point", "个百分点"
    written = target.unit or unit
    high = None if target.value_max is None else convert(target.value_max, written, unit)
    return Bound(
        comparator=effective_comparator(target.comparator, direction),
        low=convert(target.value, written, unit),
        high=high,
        unit=unit,
        shown_unit=target.unit or shown,
    )

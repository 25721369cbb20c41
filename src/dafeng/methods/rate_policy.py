"""By which declared rules a dated value is chosen where its own period has none."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.catalog.carbon_schemas import Factor

__all__ = ["RatePolicy", "Rule", "RuleKind"]


class RuleKind(StrEnum):
    """Sorts of rules."""

    EXACT = "exact"
    HOLD_LAST = "hold_last"
    BACK_CAST = "back_cast"
    USER_SERIES = "user_series"
    PROJECTED_PATH = "projected_path"

    @property
    def zh(self) -> str:
        """Chinese name, as reports write it."""
        return _CHINESE[self]


_CHINESE: Final = {
    RuleKind.EXACT: "当期值",
    RuleKind.HOLD_LAST: "沿用最近值",
    RuleKind.BACK_CAST: "以最早值回推",
    RuleKind.USER_SERIES: "自备序列",
    RuleKind.PROJECTED_PATH: "预测路径",
}
_OWN_VALUES: Final = (RuleKind.USER_SERIES, RuleKind.PROJECTED_PATH)


class Rule(Record):
    """One rule; make it with the constructors.

    Examples
    --------
    >>> Rule.exact().code, Rule.hold_last(3).code, Rule.back_cast().code
    ('exact', 'hold_last', 'back_cast')
    """

    kind: RuleKind
    """Sort."""
    years: int | None = Field(default=None, ge=1)
    """For hold_last and back_cast: how many years a value may be carried; any number where None."""
    name: str = ""
    """For user_series and projected_path: its name, shown with every value."""
    factors: tuple[Factor, ...] = ()
    """For user_series and projected_path: the values."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        own = self.kind in _OWN_VALUES
        if own != bool(self.factors) or own != bool(self.name):
            raise ValueError("a series or path has a name and factors, and no other rule has")
        if self.years is not None and self.kind not in (RuleKind.HOLD_LAST, RuleKind.BACK_CAST):
            raise ValueError("only hold_last and back_cast count years")
        return self

    @classmethod
    def exact(cls) -> Rule:
        """Return the rule that takes a value whose data period holds the period asked for."""
        return cls(kind=RuleKind.EXACT)

    @classmethod
    def hold_last(cls, years: int) -> Rule:
        """Return the rule that carries the latest earlier value forward, over at most `years` years."""
        return cls(kind=RuleKind.HOLD_LAST, years=years)

    @classmethod
    def back_cast(cls, years: int | None = None) -> Rule:
        """Return the rule that carries the earliest value backward; its results are grade C and always a finding."""
        return cls(kind=RuleKind.BACK_CAST, years=years)

    @classmethod
    def user_series(cls, name: str, factors: tuple[Factor, ...]) -> Rule:
        """Return the rule that takes values of the user's own."""
        return cls(kind=RuleKind.USER_SERIES, name=name, factors=factors)

    @classmethod
    def projected_path(cls, name: str, factors: tuple[Factor, ...]) -> Rule:
        """Return the rule that takes values of a projection; its results are grade C."""
        return cls(kind=RuleKind.PROJECTED_PATH, name=name, factors=factors)

    @property
    def code(self) -> str:
        """Code in results: the kind, and the name of a series or path after a colon."""
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value

    @property
    def zh(self) -> str:
        """Chinese name, as reports write it."""
        return f"{self.kind.zh}（{self.name}）" if self.name else self.kind.zh


class RatePolicy(Record):
    """Rules in the order in which they are tried.

    A rule is tried for the place itself, then for the places above it, before the next rule is; only a hold_last that
    follows exact directly is tried together with it place by place, so that the nearer place's value of last year goes
    before this year's value from further up.

    Examples
    --------
    >>> [rule.zh for rule in RatePolicy().rules]
    ['当期值']
    >>> RatePolicy(rules=(Rule.exact(), Rule.exact()))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for RatePolicy
      Value error, a rule stands twice: exact ...
    """

    rules: tuple[Rule, ...] = Field(default=(Rule(kind=RuleKind.EXACT),), min_length=1)
    """The rules."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        codes = [rule.code for rule in self.rules]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"a rule stands twice: {', '.join(twice)}")
        return self

    def groups(self) -> tuple[int, ...]:
        """Return for each rule the rank of the group in which it is tried.

        Examples
        --------
        >>> RatePolicy(rules=(Rule.exact(), Rule.hold_last(3), Rule.back_cast())).groups()
        (0, 0, 1)
        """
        groups: list[int] = []
        for rank, rule in enumerate(self.rules):
            together = rule.kind is RuleKind.HOLD_LAST and rank and self.rules[rank - 1].kind is RuleKind.EXACT
            groups.append(groups[-1] if together else (groups[-1] + 1 if groups else 0))
        return tuple(groups)

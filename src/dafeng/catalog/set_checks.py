"""What must hold in sets of indicators: names resolve, units convert, thresholds can be met, years follow one another, weights sum."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final, Protocol

from dafeng.base.observation import BREAKDOWNS
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.target import Comparator, Direction
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Indicator
from dafeng.catalog.statistics_schemas import IndicatorSet, SetItem

__all__ = ["check_sets"]

_UP: Final = (Comparator.AT_LEAST, Comparator.MORE_THAN)
_DOWN: Final = (Comparator.AT_MOST, Comparator.LESS_THAN)
_COUNTED: Final = "item"
_WEIGHT_SLACK: Final = 1e-6


class _Checker(Protocol):
    """What this module needs of the checker of `dafeng.catalog.checks`."""

    catalog: Catalog

    def say(
        self, name: str, sentence: str, section: str, key: Any, *path: str | int, expected: str = "", value: str = ""
    ) -> None: ...

    def known(
        self, what: str, name: str | None, known: Any, section: str, key: Any, *path: str | int, zh: str
    ) -> bool: ...

    def unit(self, unit: str, section: str, key: Any, *path: str | int) -> bool: ...

    def same_unit(self, unit: str, other: str, section: str, key: Any, *path: str | int) -> None: ...


def check_sets(checker: _Checker) -> None:
    """Say what is wrong with the sets of indicators of a catalog.

    Parameters
    ----------
    checker : object
        Collects findings, as `dafeng.catalog.checks` makes it.
    """
    catalog = checker.catalog
    for one in catalog.sets.values():
        checker.known("source", one.source, catalog.sources, "sets", one.id, "source", zh="来源")
        seen: dict[str, str] = {}
        cells: dict[tuple[Any, ...], str] = {}
        for index, item in enumerate(one.items):
            path = ("items", index)
            if item.number in seen:
                checker.say("set.number", f"序号 {item.number} 出现两次", "sets", one.id, *path, value=item.number)
            seen[item.number] = item.indicator
            cell = (item.indicator, item.extent, item.basis, item.share_of, *sorted(item.breakdown.items()))
            if cell in cells:
                checker.say(
                    "set.indicator-twice",
                    f"指标 {item.indicator} 在第{cells[cell]}项和第{item.number}项各出现一次",
                    "sets",
                    one.id,
                    *path,
                    "indicator",
                    value=item.indicator,
                )
            cells[cell] = item.number
            _item(checker, one, item, *path)
        if one.overall is not None:
            _item(checker, one, one.overall, "overall")
        _weights(checker, one)
        _chain(checker, one)
    _overlaps(checker)


def _item(checker: _Checker, one: IndicatorSet, item: SetItem, *path: str | int) -> None:
    catalog = checker.catalog
    here: tuple[Any, ...] = ("sets", one.id, *path)
    checker.known("source", item.source, catalog.sources, *here, "source", zh="来源")
    for name in ("indicator", "share_of", "surveyed", "to_survey", "replaces"):
        checker.known("indicator", getattr(item, name), catalog.indicators, *here, name, zh="指标")
    if item.indicator not in catalog.indicators:
        return
    indicator = catalog.indicators[item.indicator]
    _whole(checker, item, indicator, *here)
    checker.known("term", item.basis or None, indicator.bases, *here, "basis", zh="口径")
    if indicator.bases and not item.basis:
        checker.say(
            "set.basis",
            f"指标 {indicator.id} 有多种口径，须写明一种",
            *here,
            "basis",
            expected="、".join(indicator.bases),
        )
    for column, code in item.breakdown.items():
        if checker.known("breakdown", column, BREAKDOWNS, *here, "breakdown", zh="分组"):
            checker.known("term", code, catalog.breakdown_codes(column), *here, "breakdown", column, zh="分组代码")
            if column not in indicator.breakdowns:
                checker.say(
                    "set.breakdown", f"指标 {indicator.id} 不按 {column} 分组", *here, "breakdown", column, value=column
                )
    own = "percent" if item.share_of is not None else indicator.unit
    fits = item.unit is None or checker.unit(item.unit, *here, "unit")
    if item.unit is not None and fits:
        checker.same_unit(item.unit, own, *here, "unit")
        fits = same_dimension(item.unit, own)
    if fits:
        _threshold(checker, item, indicator, own, *here)
    for number, need in enumerate(item.requires):
        checker.unit(need.unit, *here, "requires", number, "unit")


def _whole(checker: _Checker, item: SetItem, indicator: Indicator, *here: Any) -> None:
    """Check the indicators that stand beside the one that is judged: the whole of a share, what was surveyed."""
    indicators = checker.catalog.indicators
    if item.share_of in indicators and not same_dimension(indicators[str(item.share_of)].unit, indicator.unit):
        checker.say(
            "set.share",
            f"{indicator.id} 与 {item.share_of} 量纲不同，不能相除得占比",
            *here,
            "share_of",
            expected=indicator.unit,
            value=indicators[str(item.share_of)].unit,
        )
    for name in ("surveyed", "to_survey"):
        other = getattr(item, name)
        if other in indicators and not same_dimension(indicators[other].unit, _COUNTED):
            checker.say("set.surveyed", f"体检数 {other} 应是个数", *here, name, value=indicators[other].unit)
    if item.to_survey is not None and item.surveyed is None and item.share_of is None:
        checker.say("set.surveyed", "有应体检数而没有已体检数", *here, "to_survey", expected="surveyed 或 share_of")


def _threshold(checker: _Checker, item: SetItem, indicator: Indicator, own: str, *here: Any) -> None:
    if item.threshold is None or item.comparator is None:
        return
    against = _DOWN if item.direction is Direction.UP else _UP if item.direction is Direction.DOWN else ()
    if item.threshold_max is None and item.comparator in against:
        checker.say(
            "set.direction", f"比较符 {item.comparator.value} 与方向 {item.direction.value} 相反", *here, "comparator"
        )
    low, high = (indicator.minimum, indicator.maximum) if item.share_of is None else (0.0, 100.0)
    for name in ("threshold", "threshold_max"):
        value = getattr(item, name)
        if value is None:
            continue
        canonical = convert(value, item.unit or (indicator.shown_unit if item.share_of is None else "%"), own)
        if (low is not None and canonical < low) or (high is not None and canonical > high):
            checker.say("set.threshold", f"限值 {value:g} 超出指标的取值范围", *here, name, value=f"{value:g}")


def _weights(checker: _Checker, one: IndicatorSet) -> None:
    weights = [item.weight for item in one.items if item.weight is not None]
    total = sum(weights)
    complete = one.whole is not None and one.whole == len(one.items)
    if weights and complete and min(abs(total - 1), abs(total - 100)) > _WEIGHT_SLACK * max(1.0, total):
        checker.say("set.weights", f"权重之和为 {total:g}", "sets", one.id, "items", expected="1 或 100")


def _chain(checker: _Checker, one: IndicatorSet) -> None:
    sets = checker.catalog.sets
    if one.follows is None or not checker.known("set", one.follows, sets, "sets", one.id, "follows", zh="指标集"):
        return
    before = sets[one.follows]
    if before.valid_to is None or before.valid_to > one.valid_from:
        checker.say(
            "set.years",
            f"所接替的 {before.id} 到 {before.valid_to or '以后'} 年才止，与本集自 {one.valid_from} 年起重叠",
            "sets",
            one.id,
            "follows",
            value=before.id,
        )
    walked, at = {one.id}, sets.get(one.follows)
    while at is not None and at.id not in walked:
        walked.add(at.id)
        at = sets.get(at.follows or "")
    if at is not None:
        checker.say("set.cycle", f"{one.id} 的接替关系成环", "sets", one.id, "follows")
    earlier = {item.indicator for item in sets[one.follows].items}
    for index, item in enumerate(one.items):
        if item.replaces is not None and item.replaces not in earlier:
            checker.say(
                "set.replaces",
                f"所替换的 {item.replaces} 不在 {one.follows} 中",
                "sets",
                one.id,
                "items",
                index,
                "replaces",
                value=item.replaces,
            )
        if item.replaces == item.indicator:
            checker.say("set.replaces", "指标不能替换自身", "sets", one.id, "items", index, "replaces")


def _overlaps(checker: _Checker) -> None:
    """Two sets that take over from one and the same set must not be in force at once."""
    successors = [one for one in checker.catalog.sets.values() if one.follows is not None]
    for first, second in combinations(sorted(successors, key=lambda one: one.id), 2):
        together = first.in_force(second.valid_from) or second.in_force(first.valid_from)
        if first.follows == second.follows and together:
            checker.say(
                "set.years",
                f"{first.id} 与 {second.id} 接替同一指标集而年份重叠",
                "sets",
                second.id,
                "follows",
                value=str(second.follows),
            )

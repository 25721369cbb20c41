"""What a duty on projects asks: the words after the duty word, as a requirement of the catalog's grammar.

Words that no row of `duty_things` explains are kept as open stretches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from dafeng.base.obligation import Stage
from dafeng.base.target import Locator
from dafeng.plans.duty_things import THINGS, Thing, number_words
from dafeng.plans.duty_words import size_bound

__all__ = ["Asked", "Requirement", "read_requirement"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing asked.

    Parameters
    ----------
    key : str
        Slug of the thing.
    expression : str
        As the catalog's grammar has it.
    name : str
        In dafeng's own words, for titles.
    start, end : int
        Where the document says it.
    """

    key: str
    expression: str
    name: str
    start: int
    end: int
    stage: tuple[Stage, ...] = ()
    evidence: tuple[str, ...] = ()
    design: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """All that a duty asks.

    Parameters
    ----------
    asked : tuple of Asked
        In document order.
    expression : str or None
        Everything together; None where nothing of it could be expressed.
    open_parts : tuple of Locator
        Words left unexplained.
    """

    asked: tuple[Asked, ...]
    expression: str | None
    open_parts: tuple[Locator, ...] = ()

    @property
    def design(self) -> bool:
        """Whether it concerns the design of new works, where no kind of work is named."""
        return bool(self.asked) and all(one.design for one in self.asked)


_EXPLAINED: Final = re.compile(
    r"应当|应该|应|必须|须|需|要|按照?|依照|依据|根据|规定|相关|有关|要求|标准|设计|建设|建造|施工|改造|实施|执行|采用|使用|选用|应用|安装|加装|配建|配套|配置|设置|达到|符合|满足|落实|推行|推广|进行|开展|"
    r"全部|全面|严格|同步|积极|优先|原则上|一律|至少|均|统一|同时|并|且|或者?|和|及|与|以及|、|的|等|其中|方式|技术|系统|产品|设备|设施|项目|工程|建筑|管理|监管|一体化|纳入|接入|改造部分|"
    r"屋顶|屋面|节能水平|水平|能效|设计阶段|建设条件|环节|国家|地方|省|市|现行|强制性|以上|及以上|交付|新建|运营|运行|验收|规划|中|在|为|于|对|部分|结合|居民|业主|意愿|充分|由|经|"
    r"建筑高度|高度|层数|住宅|民用|公共|居住|一次性|到位|种|应尽尽?|率先|力争|不低于|不|得"
)
_OPEN_LENGTH: Final = 5
_SHARE: Final = re.compile(r"(?<![\d.])(?!100%)\d+(?:\.\d+)?%")
_COMPARATOR: Final = {
    "<=": re.compile(r"不高于|不得?超过|不大于|不应?宜?超过|以下|以内|≤"),
    "<": re.compile(r"(?<![不得应宜])(?:小于|低于)"),
    ">": re.compile(r"(?<![不得应宜])(?:超过|大于|高于)|(?<!=)>(?!=)"),
}


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[Thing, re.Pattern[str]], ...]:
    return tuple((row, re.compile(row.pattern, re.IGNORECASE)) for row in THINGS)


def _comparator(text: str) -> str:
    bound = size_bound(text)
    if bound is not None and not re.search(r"不得|不应|不宜", text):
        return bound[0]
    return next((comparator for comparator, words in _COMPARATOR.items() if words.search(text)), "")


def read_requirement(text: str, offset: int = 0, *, negated: bool = False) -> Requirement:
    """Return what words such as 应按照一星级及以上绿色建筑标准设计建设 ask.

    Parameters
    ----------
    text : str
        The words, look-alikes folded.
    offset : int
        Where they begin in the document.
    negated : bool
        The duty word forbids what follows.

    Examples
    --------
    >>> read_requirement("按照二星级及以上绿色建筑标准建设").expression
    'green_star >= 2'
    >>> read_requirement("装配率不低于50%,并使用绿色建材").expression
    'assembly_rate >= 50[percent] and green_material_used'
    >>> read_requirement("保持传统风貌").expression is None
    True
    """
    found: list[Asked] = []
    place = 0
    while place < len(text):
        best: Asked | None = None
        for row, pattern in _rows():
            match = pattern.match(text, place)
            if match is None or match.end() == place or (best is not None and match.end() <= best.end - offset):
                continue
            expression = row.make(match, _comparator(number_words(match)))
            if expression is None:
                continue
            name = row.name.format({"1": "一", "2": "二", "3": "三"}.get(expression[-1], ""))
            best = Asked(
                row.key,
                expression,
                name,
                offset + place,
                offset + match.end(),
                row.stage,
                row.evidence,
                row.design,
                row.note,
            )
        if best is None:
            place += 1
        else:
            found.append(best)
            place = best.end - offset
    kept = _distinct(found, text, offset)
    loose = tuple(_shares_left(found, text, offset))
    expression = None if loose else _together(kept, text, offset, negated)
    return Requirement(tuple(kept), expression, (*loose, *_unexplained(found, text, offset)))


def _shares_left(asked: list[Asked], text: str, offset: int) -> Iterator[Locator]:
    """Yield the shares that no row takes up: without them an expression would ask for less, or for something else."""
    for share in _SHARE.finditer(text):
        start, end = offset + share.start(), offset + share.end()
        if not any(one.start <= start and end <= one.end for one in asked):
            yield Locator(start=start, end=end)


def _distinct(found: list[Asked], text: str, offset: int) -> list[Asked]:
    """Drop repetitions, and the general where the particular is asked too."""
    keys = {one.key for one in found}
    covered = {
        "green-standard": {"star"},
        "energy-standard": {"saving-rate"},
        "prefabricated": {"assembly-rate", "prefabricated-condition"},
        "pv": {"pv-share", "solar"},
    }
    covered["green-materials"] = {"green-material-share"}
    covered["renewable"] = {"renewable-share", "solar", "solar-hot-water", "pv", "pv-share"}
    kept: list[Asked] = []
    for one in found:
        if covered.get(one.key, set()) & keys or one.expression in [other.expression for other in kept]:
            continue
        kept.append(one)
    return kept


def _together(asked: list[Asked], text: str, offset: int, negated: bool) -> str | None:
    if not asked:
        return None
    expression = asked[0].expression
    either = False
    for before, one in pairwise(asked):
        between = text[before.end - offset : one.start - offset]
        word = "or" if re.fullmatch(r"(?:建筑)?(?:或者?|/|、或)(?:者)?", between) else "and"
        either = either or word == "or"
        expression = f"{expression} {word} {one.expression}"
    mixed = either and " and " in expression
    if mixed:
        return None
    if negated:
        return f"not {expression}" if len(asked) == 1 and " " not in expression else f"not ({expression})"
    if len(asked) == 1 and expression.startswith("(") and expression.endswith(")"):
        return expression[1:-1]
    return expression


def _unexplained(asked: list[Asked], text: str, offset: int) -> list[Locator]:
    """Return the longest stretches that neither a row nor the words of the genre explain."""
    marks = [False] * len(text)
    for one in asked:
        marks[one.start - offset : one.end - offset] = [True] * (one.end - one.start)
    for match in _EXPLAINED.finditer(text):
        marks[match.start() : match.end()] = [True] * (match.end() - match.start())
    for place, letter in enumerate(text):
        marks[place] = marks[place] or not letter.isalnum()
    stretches, start = [], None
    for place, explained in enumerate([*marks, True]):
        if explained and start is not None:
            if place - start >= _OPEN_LENGTH:
                stretches.append(Locator(start=offset + start, end=offset + place))
            start = None
        elif not explained and start is None:
            start = place
    return stretches

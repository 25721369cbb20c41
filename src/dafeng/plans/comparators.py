"""Comparator words of official Chinese, before and after a number."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dafeng.base.target import Comparator

__all__ = ["Compared", "compare_words", "suffix_length"]

_NOT: Final = r"(?:不|不得|不应|不宜|不能|不可|不许|不准|不再|原则上不|不应当|不得再|均不|并不|绝不)"
_SHIFT_UP: Final = r"(?:提高|提升|增加|增长|扩大|上升|增至|升至|增|升|扩展|拓展|发展|延长|攀升|回升|累计达|稳步提高|稳步提升|恢复)(?:到|至)|升至|增至|增到|提至|提到|扩至"
_SHIFT_DOWN: Final = r"(?:降低|下降|减少|压减|压降|压缩|降|缩减|回落|控降|缩短|削减)(?:到|至)|控制到|降为"

# Every word class with its comparator and whether it binds harder than 以上, 以内 behind the number.
_BEFORE: Final = (
    (
        rf"{_NOT}(?:低于|少于|小于|短于|弱于|薄于)|(?:大于|高于|多于)(?:或|或者)?(?:等于)|(?:大于|高于)等于|不低|≥|>=|⩾",
        Comparator.AT_LEAST,
        True,
    ),
    (
        rf"{_NOT}(?:超过|高于|大于|多于|超出|突破|长于|超)|(?:小于|低于|少于)(?:或|或者)?等于|≤|<=|⩽",
        Comparator.AT_MOST,
        True,
    ),
    (r"至少|最少|最低|下限为|不少|力保", Comparator.AT_LEAST, True),
    (r"最高|最多|至多|上限为|最大", Comparator.AT_MOST, True),
    (r"超过|大于|突破|高于|多于|超|优于|>", Comparator.MORE_THAN, True),
    (r"小于|低于|少于|不足|<", Comparator.LESS_THAN, True),
    (r"约为?|大约|大致|近|接近|≈", Comparator.ABOUT, True),
    (_SHIFT_UP, Comparator.AT_LEAST, False),
    (_SHIFT_DOWN, Comparator.AT_MOST, False),
    (r"控制在|控制于|限制在|压控在|限定在|稳控在", Comparator.AT_MOST, False),
    (r"均?达到|达至|达标率?达|均?达", Comparator.AT_LEAST, False),
    (r"稳定在|保持在|维持在|保持|稳定|为|占|执行|实现|完成|满足|按照?|在|到|至|是|即|以", Comparator.EQUAL, False),
)
_WORDS: Final = re.compile("|".join(f"(?P<c{index}>{pattern})" for index, (pattern, _, _) in enumerate(_BEFORE)))

_AFTER: Final = (
    (r"(?:左右|上下)|(?:或|及|\(含\))?以[上下内]为主", Comparator.ABOUT, True),
    (r"(?:或|及|\(含\)|\(含本数\))?以上|之上|(?:或|及)?更高|起", Comparator.AT_LEAST, False),
    (r"(?:或|及|\(含\))?(?:以下|以内|之内|之下)|内(?=$|[^\w]|,)|(?:或|及)?更低", Comparator.AT_MOST, False),
    (r"为主", Comparator.ABOUT, False),
    (r"为(?:下限|底线)", Comparator.AT_LEAST, False),
    (r"为(?:上限|限)", Comparator.AT_MOST, False),
)
_SUFFIX: Final = re.compile("|".join(f"(?P<c{index}>{pattern})" for index, (pattern, _, _) in enumerate(_AFTER)))


class Compared(NamedTuple):
    """How a number is compared.

    Parameters
    ----------
    comparator : Comparator
    explicit : bool
        Whether a word says so; a bare amount is ``=``.
    word : (int, int) or None
        Where the word before the number stands, in the text before it.
    suffix : int
        Length of the words behind the number that belong to the comparison.
    strict : bool
        Whether the word sets a bound (不低于, 不超过, 大于, 控制在) rather than a state to be reached (达到, 以上).
    """

    comparator: Comparator
    explicit: bool
    word: tuple[int, int] | None
    suffix: int
    strict: bool


def suffix_length(after: str) -> int:
    """Return how many characters behind a number belong to its comparison (以上, 左右 …)."""
    found = _SUFFIX.match(after)
    return found.end() if found else 0


def _last_word(before: str) -> tuple[tuple[int, int], Comparator, bool] | None:
    """Return the comparator word nearest to the number; weak words (为, 占, 在) only where they touch it.

    A bound behind a word of movement (提升至不低于) makes one word with it.
    """
    best: tuple[tuple[int, int], Comparator, bool] | None = None
    for found in _WORDS.finditer(before):
        index = int((found.lastgroup or "c0")[1:])
        _, comparator, strict = _BEFORE[index]
        if comparator is Comparator.EQUAL and found.end() != len(before):
            continue
        if found.group() in (
            "近",
            "超",
            "约",
            "达",
            ">",
            "<",
            "最高",
            "最低",
            "最大",
            "不足",
            "为",
            "按",
        ) and found.end() != len(before):
            tail = before[found.end() :]
            if not _WORDS.fullmatch(tail) and tail not in ("到", "的"):
                continue
        span = found.span()
        if best is not None and best[2] and not strict and span[0] == best[0][1]:
            best = (best[0], best[1], True)
            continue
        if best is not None and strict and not best[2] and span[0] == best[0][1]:
            span = (best[0][0], span[1])
        best = (span, comparator, strict)
    return best


def compare_words(before: str, after: str) -> Compared:
    """Return how a number is compared, from the words before and behind it.

    Parameters
    ----------
    before, after : str
        Folded text of the same clause, up to the number and from behind its unit.

    Notes
    -----
    左右 wins over all; bounds before the number (不低于, 超过) over 以上 and 以内 behind it; these over 达到 and 控制在.

    Examples
    --------
    >>> compare_words("覆盖率提高到", "以上").comparator, compare_words("漏损率控制在", "以内").comparator.value
    (<Comparator.AT_LEAST: '>='>, '<=')
    >>> [compare_words(before, "").comparator.value for before in ("改造", "密度应大于", "不应大于现状面积的", "热损失下降")]
    ['=', '>', '<=', '=']
    >>> compare_words("利用率达到", "左右").comparator.value, compare_words("新建住宅以", "为主").comparator.value
    ('~', '~')
    """
    behind = _SUFFIX.match(after)
    suffix = behind.end() if behind else 0
    behind_comparator, behind_strict = (None, False)
    if behind:
        _, behind_comparator, behind_strict = _AFTER[int((behind.lastgroup or "c0")[1:])]
    found = _last_word(before)
    word = found[0] if found else None
    if found and word and before[: word[0]].endswith(("占", "约占")) and found[1] is Comparator.EQUAL:
        word = (word[0] - 1, word[1])
    if behind_comparator is not None and (behind_strict or found is None or not found[2]):
        strict = behind_comparator is Comparator.AT_MOST
        return Compared(behind_comparator, True, word, suffix, strict)
    if found is None:
        return Compared(Comparator.EQUAL, False, None, suffix, False)
    strict = found[2] or before[word[0] : word[1]].startswith(("控制", "限", "压控")) if word else False
    return Compared(found[1], found[1] is not Comparator.EQUAL, word, suffix, strict)

"""Written numbers and their exact values: digits, Chinese numerals, parts of hundred, tenths, multiples.

Everything here works on folded text (`DocumentText.folded`): full-width forms are narrow already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from dafeng.base.quantity import fold_width

__all__ = ["Numeral", "chinese_value", "read_numeral", "scan_numerals"]

_DIGITS: Final = {letter: value for value, letter in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_POWERS: Final = {"十": 10, "百": 100, "千": 1000}
_MYRIADS: Final = {"万": 10**4, "亿": 10**8}
_PARTS: Final = {"百分之": 100, "千分之": 1000, "万分之": 10000}

_LETTER: Final = r"(?:[零〇一二三四五六七八九十百两廿]|千(?![瓦米克焦帕伏]))"
_ARABIC: Final = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_HAN: Final = rf"{_LETTER}(?:{_LETTER}|[万亿])*(?:点[零〇一二三四五六七八九]+[万亿]*)?"
_MIXED: Final = rf"{_ARABIC}[万亿千]{_ARABIC}[百千万](?![瓦米克焦帕伏])"
_ANY: Final = rf"(?:{_ARABIC}[万亿]?|{_HAN})"


class Numeral(NamedTuple):
    """A written number.

    Parameters
    ----------
    start, end : int
        Half-open offsets into the text.
    value : Fraction
        Exact value; of a part of hundred, a tenth or a half in `unit`.
    unit : str or None
        Unit that the way of writing implies: ``%``, ``‰``, ``倍``; None else.
    chinese : bool
        Whether it is written in Chinese numerals.
    """

    start: int
    end: int
    value: Fraction
    unit: str | None = None
    chinese: bool = False


def _section(text: str) -> Fraction | None:
    """Return the value of a Chinese numeral below ten thousand, None where it is malformed."""
    total, digit, last_power, after_zero = 0, None, 10000, False
    for place, letter in enumerate(text):
        if letter == "廿":
            if digit is not None or last_power <= 10:
                return None
            total, last_power = total + 20, 10
        elif letter in _POWERS:
            power = _POWERS[letter]
            if power >= last_power or (digit is None and not (power == 10 and (place == 0 or after_zero))):
                return None
            total += (1 if digit is None else digit) * power
            digit, last_power, after_zero = None, power, False
        elif _DIGITS[letter] == 0:
            if digit is not None or after_zero:
                return None
            digit, after_zero = (0 if len(text) == 1 else None), True
        elif digit is not None:
            return None
        else:
            digit = _DIGITS[letter]
    if digit is None:
        return Fraction(total)
    if last_power >= 100 and last_power < 10000 and not after_zero and text[-2:-1] in _POWERS:
        return Fraction(total + digit * last_power // 10)
    return Fraction(total + digit)


def chinese_value(text: str) -> Fraction | None:
    """Return the exact value of a number written in Chinese numerals, None where it is none.

    Examples
    --------
    >>> [int(chinese_value(text)) for text in ("十五", "一百零八", "两千", "三万五千", "三万五", "廿一", "二〇三〇", "一亿零五十万")]
    [15, 108, 2000, 35000, 35000, 21, 2030, 100500000]
    >>> chinese_value("一点五"), chinese_value("十百"), chinese_value("一二")
    (Fraction(3, 2), None, Fraction(12, 1))
    """
    if not text:
        return None
    whole, point, rest = text.partition("点")
    if point:
        decimals = rest.rstrip("万亿")
        scale = 1
        for letter in rest[len(decimals) :]:
            scale *= _MYRIADS[letter]
        before = chinese_value(whole)
        if before is None or not decimals or any(letter not in _DIGITS for letter in decimals):
            return None
        figures = "".join(str(_DIGITS[letter]) for letter in decimals)
        return (before + Fraction(int(figures), 10 ** len(figures))) * scale
    if len(text) > 1 and all(letter in _DIGITS and letter != "两" for letter in text):
        return Fraction(int("".join(str(_DIGITS[letter]) for letter in text)))
    for letter in "亿万":
        high, found, low = text.rpartition(letter)
        if found:
            above = chinese_value(high)
            if above is None or (letter == "万" and above >= 10**8):
                return None
            if not low:
                return above * _MYRIADS[letter]
            if len(low) == 1 and low in _DIGITS and _DIGITS[low]:
                return above * _MYRIADS[letter] + _DIGITS[low] * _MYRIADS[letter] // 10
            below = chinese_value(low)
            return None if below is None or below >= _MYRIADS[letter] else above * _MYRIADS[letter] + below
    if any(letter not in _DIGITS and letter not in _POWERS and letter != "廿" for letter in text):
        return None
    return _section(text)


def _arabic(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


_MIXED_PARTS: Final = re.compile(rf"({_ARABIC})([万亿千])({_ARABIC})([百千万])")
_SCALES: Final = {**_POWERS, **_MYRIADS}


def _plain(text: str) -> Fraction | None:
    """Return the value of digits with scales behind them, or of a Chinese numeral."""
    if mixed := _MIXED_PARTS.fullmatch(text):
        high, scale, low, small = mixed.groups()
        return _arabic(high) * _SCALES[scale] + _arabic(low) * _SCALES[small]
    if text[:1].isdigit():
        figures = text.rstrip("百千万亿")
        value = _arabic(figures)
        for letter in text[len(figures) :]:
            value *= _SCALES[letter]
        return value
    return chinese_value(text)


_PART_OF: Final = re.compile(rf"({'|'.join(_PARTS)})({_ANY}|百)")
_FRACTION: Final = re.compile(rf"({_HAN}|{_ARABIC})分之({_HAN}|{_ARABIC})")
_SLASHED: Final = re.compile("([1-4])/([2-9])")
_TENTHS: Final = re.compile(r"([一二三四五六七八九十两\d](?:\.\d+)?)成([一二三四五六七八九半]?)")
_HALF: Final = re.compile(r"一半|半数")
_DOUBLED: Final = re.compile(r"翻([一两二三四]?)番")
_TIMES: Final = re.compile(rf"({_ANY})倍")


def _marked(text: str) -> tuple[Fraction, str] | None:
    """Return value and implied unit of a part of hundred, fraction, tenth, half or doubling."""
    if found := _PART_OF.fullmatch(text):
        value = Fraction(100) if found[2] == "百" else _plain(found[2])
        parts = _PARTS[found[1]]
        if value is None:
            return None
        return (value, "‰") if parts == 1000 else (value * 100 / parts, "%")
    if found := _FRACTION.fullmatch(text):
        below, above = _plain(found[1]), _plain(found[2])
        return (above * 100 / below, "%") if below and above is not None else None
    if found := _TENTHS.fullmatch(text):
        tenths = _plain(found[1])
        extra = 5 if found[2] == "半" else _DIGITS.get(found[2], 0)
        return (tenths * 10 + extra, "%") if tenths is not None else None
    if found := _SLASHED.fullmatch(text):
        return Fraction(int(found[1]) * 100, int(found[2])), "%"
    if _HALF.fullmatch(text):
        return Fraction(50), "%"
    if found := _DOUBLED.fullmatch(text):
        return Fraction(2 ** (_DIGITS[found[1]] if found[1] else 1) - 1), "倍"
    return None


def read_numeral(text: str) -> float:
    """Return the value of a written number, whatever the way of writing.

    Parts of hundred come as parts of one (百分之八十, 80% and 八成 are 0.8), doublings as what is added (翻一番 is 1).

    Parameters
    ----------
    text : str
        The number alone, white space and full-width forms allowed.

    Raises
    ------
    ValueError
        If the text is no number.

    Examples
    --------
    >>> [read_numeral(text) for text in ("１，０００", "3.5万", "1.5亿", "两千", "百分之八十", "千分之三", "三成五", "三分之一")]
    [1000.0, 35000.0, 150000000.0, 2000.0, 0.8, 0.003, 0.35, 0.3333333333333333]
    """
    folded = "".join(fold_width(text).split())
    figures = folded.rstrip("%‰")
    marked = _marked(figures)
    if marked:
        return float(marked[0] / {"%": 100, "‰": 1000, "倍": 1}[marked[1]])
    times = figures.removesuffix("倍")
    value = _plain(times) if re.fullmatch(rf"{_MIXED}|{_ARABIC}[百千万亿]*|{_HAN}", times) else None
    if value is None:
        raise ValueError(f"读数字：“{text}”不是数；应为阿拉伯或汉字数字，可带百分之、分之、成、倍、万、亿")
    for letter in folded[len(figures) :]:
        value /= 100 if letter == "%" else 1000
    return float(value)


_SCAN: Final = re.compile(
    rf"(?P<marked>(?:{'|'.join(_PARTS)})(?:{_ANY}|百)|(?:{_HAN}|{_ARABIC})分之(?:{_HAN}|{_ARABIC})"
    r"|(?<![a-zA-Z\d])(?:[一二三四五六七八九十两]|\d(?:\.\d)?)成(?:[一二三四五六七八九半])?(?=以上|以下|以内|左右|的|至|到|[,。、;:)\"]|$)"
    r"|(?<![\d/.A-Za-z-])(?:1/[2-9]|2/[3579]|3/[4578]|4/[579])(?=以上|以下|以内|左右|的|[,。;)]|$)"
    r"|一半(?!是)|(?<!多)半数|翻[一两二三四]?番)"
    rf"|(?P<mixed>{_MIXED})|(?P<arabic>{_ARABIC})|(?P<han>{_HAN})"
)


def scan_numerals(text: str) -> Iterator[Numeral]:
    """Yield every written number of `text`, in order: each run of digits, and every well-formed Chinese numeral.

    Which Chinese numerals are quantities is for `find_numbers` to say; here 一 of 一体化 comes too. A scale behind digits
    (万, 亿) is left to the unit.

    Parameters
    ----------
    text : str
        Folded text without white space.

    Examples
    --------
    >>> [(str(each.value), each.unit) for each in scan_numerals("到2030年八成以上，新增1,200公里、三万五千平方米，百分之二十五")]
    [('2030', None), ('80', '%'), ('1200', None), ('35000', None), ('25', '%')]
    """
    for found in _SCAN.finditer(text):
        start, end = found.span()
        if found["marked"]:
            marked = _marked(found["marked"])
            if marked:
                yield Numeral(start, end, marked[0], marked[1], not found["marked"][0].isdigit())
        elif found["han"]:
            value = chinese_value(found["han"])
            if value is not None:
                yield Numeral(start, end, value, None, True)
            else:
                yield from _shorter(found["han"], start)
        else:
            value = _plain(found["mixed"]) if found["mixed"] else _arabic(found["arabic"])
            if value is not None:
                yield Numeral(start, end, value)


def _shorter(text: str, start: int) -> Iterator[Numeral]:
    """Yield the well-formed pieces of a run of numeral characters that is none as a whole (三千万 千瓦: 三千万)."""
    here = 0
    while here < len(text):
        for end in range(len(text), here, -1):
            value = chinese_value(text[here:end])
            if value is not None:
                yield Numeral(start + here, start + end, value, None, True)
                here = end
                break
        else:
            here += 1

"""Numbers that a program sets before paragraphs of a list: 一、（一）1. ① and the like, which the text itself lacks."""

from __future__ import annotations

from typing import Final

__all__ = ["chinese_count", "list_number"]

_DIGITS: Final = "〇一二三四五六七八九"
_LEGAL: Final = "零壹贰叁肆伍陆柒捌玖"
_STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES: Final = "子丑寅卯辰巳午未申酉戌亥"
_CHINESE: Final = frozenset(
    {
        "chineseCounting",
        "chineseCountingThousand",
        "japaneseCounting",
        "japaneseDigitalTenThousand",
        "koreanCounting",
        "koreanDigital2",
        "taiwaneseCounting",
        "taiwaneseCountingThousand",
        "cjk-ideographic",
        "simp-chinese-informal",
        "trad-chinese-informal",
    }
)
_LEGAL_NAMES: Final = frozenset(
    {"chineseLegalSimplified", "ideographLegalTraditional", "japaneseLegal", "simp-chinese-formal"}
)
_ROMAN: Final = (
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
)


def chinese_count(number: int, *, digits: str = _DIGITS, units: str = "十百千") -> str:
    """Return a whole number from 0 to 9999 as Chinese characters count it.

    Examples
    --------
    >>> [chinese_count(number) for number in (3, 10, 17, 20, 105, 1230)]
    ['三', '十', '十七', '二十', '一百零五', '一千二百三十']
    """
    if not 0 < number < 10_000:
        return digits[0] if number == 0 else str(number)
    written, gap = "", False
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit == 0:
            gap = bool(written)
            continue
        written += ("零" if gap else "") + digits[digit] + (units[power - 1] if power else "")
        gap = False
    one_ten = digits[1] + units[0]
    return written[1:] if written.startswith(one_ten) and digits == _DIGITS else written


def list_number(number: int, style: str) -> str:
    """Return the number of a list item in one of Word's or CSS's styles; an unknown style counts in digits.

    Examples
    --------
    >>> [list_number(12, style) for style in ("chineseCounting", "decimal", "lowerLetter", "upperRoman", "decimalEnclosedCircle")]
    ['十二', '12', 'l', 'XII', '⑫']
    >>> list_number(3, "bullet"), list_number(28, "upperLetter"), list_number(3, "ideographTraditional")
    ('', 'BB', '丙')
    """
    if style in ("bullet", "none", "disc", "circle", "square"):
        return ""
    if style in _CHINESE:
        return chinese_count(number)
    if style in _LEGAL_NAMES:
        return chinese_count(number, digits=_LEGAL, units="拾佰仟")
    if style in ("ideographDigital", "japaneseDigital"):
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    if style in ("ideographTraditional", "ideographZodiac") and number > 0:
        signs = _STEMS if style == "ideographTraditional" else _BRANCHES
        return signs[(number - 1) % len(signs)]
    if style in ("decimalZero", "decimal-leading-zero"):
        return f"{number:02d}"
    if style.startswith("decimalFullWidth"):
        return "".join(chr(0xFF10 + int(digit)) for digit in str(number))
    if style.startswith(("decimalEnclosed", "ideographEnclosed")):
        return _enclosed(number, style)
    return _western(number, style)


def _enclosed(number: int, style: str) -> str:
    first, most = {
        "decimalEnclosedFullstop": ("⒈", 20),
        "decimalEnclosedParen": ("⑴", 20),
        "ideographEnclosedCircle": ("㊀", 10),
    }.get(style, ("①", 20))
    return chr(ord(first) + number - 1) if 0 < number <= most else str(number)


def _western(number: int, style: str) -> str:
    if style.lower() in ("lowerroman", "upperroman", "lower-roman", "upper-roman") and 0 < number < 4000:
        written = ""
        for value, sign in _ROMAN:
            written += sign * (number // value)
            number %= value
        return written.upper() if style.startswith("upper") else written
    if style in ("lowerLetter", "upperLetter", "lower-alpha", "upper-alpha") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26)
        if "-" in style:
            return letter.upper() if style.startswith("upper") else letter
        return (letter.upper() if style.startswith("upper") else letter) * ((number - 1) // 26 + 1)
    return str(number)

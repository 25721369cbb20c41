"""Characters as they arrive from documents: invisible ones out, radicals, ligatures and compatibility ideographs folded."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["clean", "is_page_number", "page_number_value"]

_INVISIBLE: Final = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
)
_ODD: Final = re.compile(r"[\u2e80-\u2fdf\uf900-\ufaff\ufb00-\ufb06\U0002f800-\U0002fa1f]")
_RADICALS: Final = dict(
    zip(
        "⺁⺇⺊⺎⺒⺓⺔⺝⺟⺠⺩⺫⺬⺭⺮⺶⺷⺼⺽⺾⻀⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻖⻗⻘⻙⻚⻛⻜⻝⻟⻠⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
        "厂几卜兀巳幺彑月母民王网示礻竹羊羊肉臼艹艹虎衤西西见角角讠贝足车辶辶辶阝钅長镸长门阝雨青韦页风飞食食饣马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龟亀龟",
        strict=True,
    )
) | {"⼾": "户"}  # its compatibility form is the traditional character
_NUMBER: Final = re.compile(
    r"""^(?:
        [-—–―－_·•.〔\[（(]+ (?P<dashed>\d{1,4}) [-—–―－_·•.〕\]）)]+
      | 第? (?P<page>\d{1,4}) 页 (?:[,，/／|｜]? 共 \d{1,4} 页)?
      | 共 \d{1,4} 页 [,，/／|｜]? 第 (?P<after>\d{1,4}) 页
      | [Pp]age (?P<english>\d{1,4}) (?:of\d{1,4})?
      | (?P<slashed>\d{1,4}) [/／] \d{1,4}
      | (?P<bare>\d{1,4})
      | (?P<roman>[ivxIVX]{1,6}|[Ⅰ-Ⅻⅰ-ⅻ])
    )$""",
    re.VERBOSE,
)


def clean(text: str) -> str:
    r"""Return `text` without invisible characters, with radicals, ligatures and compatibility ideographs as usual characters.

    White space, full-width forms, ㎡ and punctuation stay as they are.

    Examples
    --------
    >>> clean("⼀、⽅案\u200b ⻓春 ﬁ"), clean("２０３０年　８％")
    ('一、方案 长春 fi', '２０３０年　８％')
    """
    if text.isascii():
        return _INVISIBLE.sub("", text) if not text.isprintable() else text
    text = _INVISIBLE.sub("", text)
    return _ODD.sub(lambda found: _RADICALS.get(found[0]) or unicodedata.normalize("NFKC", found[0]), text)


def is_page_number(line: str, *, bare: bool) -> bool:
    """Return whether a line is nothing but a page number.

    Parameters
    ----------
    line : str
    bare : bool
        Whether digits, Roman numerals and n/m alone count; they may as well be the end of a sentence.

    Examples
    --------
    >>> [is_page_number(line, bare=False) for line in ("— 3 —", "- 12 -", "第3页 共9页", "3", "2030年")]
    [True, True, True, False, False]
    >>> is_page_number("3", bare=True), is_page_number(" 3 / 9 ", bare=True)
    (True, True)
    """
    found = _NUMBER.match("".join(line.split()))
    return found is not None and (bare or not (found["bare"] or found["roman"] or found["slashed"]))


def page_number_value(line: str) -> int | None:
    """Return the page number that a line states, None where it states none in digits.

    Examples
    --------
    >>> page_number_value("— 3 —"), page_number_value("共9页 第4页"), page_number_value("二、目标")
    (3, 4, None)
    """
    found = _NUMBER.match("".join(line.split()))
    digits = next((text for text in found.groups() if text and text.isdigit()), None) if found else None
    return int(digits) if digits else None

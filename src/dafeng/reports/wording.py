"""Numbers, dates and amounts as Chinese official papers write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from dafeng.base.quantity import conversion_factor, dimension_of, fold_width

__all__ = [
    "amount_zh",
    "date_zh",
    "difference_zh",
    "joined",
    "number_zh",
    "shown_digits",
    "shown_number",
    "signature_indents",
    "text_width",
    "written_unit",
]

_COUNT: Final = "[count]"


def date_zh(day: date) -> str:
    """Return a date without zero padding.

    Examples
    --------
    >>> date_zh(date(2025, 1, 8))
    '2025年1月8日'
    """
    return f"{day.year}年{day.month}月{day.day}日"


def text_width(text: str) -> float:
    """Return the width of a text in Chinese characters; digits and Latin letters count half.

    Examples
    --------
    >>> text_width("2025年10月28日")
    7.0
    """
    return sum(1.0 if ord(mark) > 0x2E7F else 0.5 for mark in text)


def number_zh(value: float, digits: int = 2, *, keep: bool = False, apart_from: float | None = None) -> str:
    """Return a number rounded half up, without trailing zeros unless they are kept.

    Parameters
    ----------
    value : float
    digits : int
        Decimals.
    keep : bool
        Whether trailing zeros stay.
    apart_from : float, optional
        A bound: where rounding would make the value look equal to it though it is not, digits are added (at most six).

    Examples
    --------
    >>> number_zh(94.996, apart_from=95), number_zh(12.5, keep=True), number_zh(-0.001), number_zh(1234567.125)
    ('94.996', '12.50', '0', '1234567.13')
    """
    exact = Decimal(repr(float(value)))
    bound = None if apart_from is None else Decimal(repr(float(apart_from)))
    while True:
        rounded = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
        if bound is None or rounded != bound or abs(exact - bound) < Decimal("1e-9") or digits >= 6:
            break
        digits += 1
    text = f"{rounded:f}"
    if not keep and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.lstrip("-") if not text.strip("-0.") else text


def shown_digits(unit: str) -> tuple[int, bool]:
    """Return decimals of a unit and whether trailing zeros stay: areas of 万平方米 always have two.

    Examples
    --------
    >>> shown_digits("万平方米"), shown_digits("个"), shown_digits("%")
    ((2, True), (0, False), (2, False))
    """
    folded = fold_width(unit)
    if folded in ("万平方米", "万m2", "亿平方米"):
        return 2, True
    plain = folded not in ("万户", "万人", "万个", "亿元", "万元", "万吨")
    if plain and dimension_of(unit) in (_COUNT, "[person_count]", "[household_count]", "[storey_count]"):
        return 0, False
    return 2, False


def shown_number(value: float, unit: str, *, apart_from: float | None = None) -> str:
    """Return a number as its unit is written: areas of 万平方米 with two decimals, counts whole.

    Examples
    --------
    >>> shown_number(12.5, "万平方米"), shown_number(5.0, "个"), shown_number(34.999, "%", apart_from=35.0)
    ('12.50', '5', '34.999')
    """
    digits, keep = shown_digits(unit) if unit else (2, False)
    if digits == 0 and abs(value - round(value)) > 1e-9:
        digits = 2
    return number_zh(value, digits, keep=keep, apart_from=apart_from)


def written_unit(unit: str) -> str:
    """Return a unit as it follows a number; a bare ratio has none.

    Examples
    --------
    >>> written_unit("公里"), written_unit("比值")
    ('公里', '')
    """
    return "" if unit in ("比", "比值") else unit


def amount_zh(value: float, unit: str, shown: str, *, apart_from: float | None = None) -> str:
    """Return a value of one unit as an amount in another, number and unit together.

    Parameters
    ----------
    value : float
        In `unit`.
    unit, shown : str
        Unit of the value, unit that is written.
    apart_from : float, optional
        Bound in `unit` from which the number must look different where it is.

    Examples
    --------
    >>> amount_zh(1234567.0, "m**2", "万平方米"), amount_zh(30.0, "percent", "%"), amount_zh(5.0, "item", "个")
    ('123.46万平方米', '30%', '5个')
    """
    factor = conversion_factor(unit, shown)
    bound = None if apart_from is None else float(f"{apart_from * factor:.15g}")
    return shown_number(float(f"{value * factor:.15g}"), shown, apart_from=bound) + shown


def difference_zh(value: float, unit: str, shown: str) -> str:
    """Return the size of a difference; that of two shares is in 个百分点, never in percent.

    Examples
    --------
    >>> difference_zh(-5.2, "percent", "%"), difference_zh(-20000.0, "m**2", "万平方米")
    ('5.2个百分点', '2.00万平方米')
    """
    if dimension_of(unit) == dimension_of("percent"):
        return number_zh(abs(value) * conversion_factor(unit, "percent"), apart_from=0.0) + "个百分点"
    return amount_zh(abs(value), unit, shown, apart_from=0.0)


def signature_indents(signer: str, day: date | None) -> tuple[str, float, float]:
    """Return the date's text and the right indents of signature and date in characters.

    The signature stands two characters from the right, the date's first character two to the right of the signature's;
    where the date is the longer one it stands two characters from the right itself. A day not known is left to fill in.

    Examples
    --------
    >>> signature_indents("某市住房和城乡建设局", date(2025, 10, 28))
    ('2025年10月28日', 2.0, 3.0)
    """
    text = date_zh(day) if day else "    年  月  日"
    day_right = max(2.0, text_width(signer) - text_width(text))
    return text, max(2.0, text_width(text) + day_right + 2 - text_width(signer)), day_right


def joined(names: Sequence[str], most: int = 8, *, unit: str = "项") -> str:
    """Return names as a Chinese list, with 等 and their number after the first `most`.

    Examples
    --------
    >>> joined(["甲", "乙", "丙"], most=2, unit="个单位")
    '甲、乙等3个单位'
    """
    return "、".join(names) if len(names) <= most else "、".join(names[:most]) + f"等{len(names)}{unit}"

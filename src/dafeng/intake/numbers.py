"""What a value cell says: a number, a stated gap, or something that is refused rather than guessed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import UnitError
from dafeng.base.observation import MissingReason
from dafeng.base.quantity import fold_width, read_unit

__all__ = ["PLAIN_NUMBER", "NumberReading", "read_number", "read_numbers"]

PLAIN_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
"""Texts that are numbers as they stand."""

_MISSING: Final = {
    **dict.fromkeys(("", "未报", "未上报", "未填", "空"), MissingReason.NOT_REPORTED),
    **dict.fromkeys(
        ("-", "--", "---", "—", "——", "–", "―", "一一", "/", "\\", "不适用", "不涉及"), MissingReason.NOT_APPLICABLE
    ),
    **dict.fromkeys(
        (
            "n/a",
            "na",
            "n.a.",
            "nan",
            "null",
            "none",
            "nil",
            "不详",
            "暂无",
            "暂缺",
            "缺",
            "缺失",
            "未统计",
            "无数据",
            "?",
        ),
        MissingReason.NOT_AVAILABLE,
    ),
    **dict.fromkeys(("…", "……", "...", "......", ".."), MissingReason.BELOW_PRECISION),
    **dict.fromkeys(("保密", "不公开", "*", "**", "***", "xxx"), MissingReason.CONFIDENTIAL),
}
_YES: Final = {"是", "已", "完成", "已完成", "已建成", "达标", "已达峰", "√", "✓", "y", "yes", "true"}
_NO: Final = {"否", "未", "未完成", "没有", "未建成", "未达标", "未达峰", "×", "✗", "n", "no", "false"}
_SCALES: Final = {"万亿": 10**12, "亿": 10**8, "千万": 10**7, "百万": 10**6, "万": 10**4, "千": 10**3, "百": 10**2}
_SCALE: Final = "|".join(_SCALES)
_FOOTNOTE: Final = re.compile(r"^(.*\d[%％]?)\s*([¹²³⁴-⁹⁰①-⑳⑴-⑽*＊†‡#＃]+|[\[［【]\s*注?\s*\d+\s*[\]］】])$")
_ABOUT: Final = re.compile(
    r"^(?:约为|大约|大概|约|近|接近|≈|~|估计|预计)(?P<after>.+)$|^(?P<before>.+?)(?:左右|上下|\(估\)|\(估计\)|\(估算\))$"
)
_BOUND: Final = re.compile(
    r"^(?:[≥≤><≧≦]|>=|<=|不低于|不少于|不高于|不超过|超过|大于|小于|高于|低于|至少|最多|达到)|(?:以上|以下|以内|多|余)$"
)
_RANGE: Final = re.compile(r"^[+-]?[\d.,]+[%万亿]?(?:-|—|–|~|～|至|到)+[\d.,]+\D*$")
_NUMBER: Final = re.compile(
    r"^(?P<sign>[+-]?)(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?P<part>\.\d*)?(?P<power>e[+-]?\d{1,3})?(?P<rest>.*)$",
    re.I,
)
_COMPOSITE: Final = re.compile(rf"(\d+(?:\.\d+)?)({_SCALE})")


class NumberReading(NamedTuple):
    """What one text says.

    Parameters
    ----------
    value : float or None
    unit : str
        Unit that stands with the number in the cell; empty where none does.
    scaled : bool
        Whether 万, 亿 … without a unit stood with the number and is already in `value`.
    missing : str or None
        Code of the reason where the cell states a gap.
    problem : str
        Why it is refused; empty where it is not.
    remark : str
        Taken with reservation: estimate, footnote, estimate+footnote; else empty.
    """

    value: float | None = None
    unit: str = ""
    scaled: bool = False
    missing: str | None = None
    problem: str = ""
    remark: str = ""


def read_number(text: str | None) -> NumberReading:
    """Return what the text of a value cell says.

    Examples
    --------
    >>> [read_number(text).value for text in ("1,234.5", "７．９％", "1.2亿", "3万5千", "约65%", "−3")]
    [1234.5, 7.9, 120000000.0, 35000.0, 65.0, -3.0]
    >>> [read_number(text).missing for text in ("", "—", "…", "N/A")]
    ['not_reported', 'not_applicable', 'below_precision', 'not_available']
    >>> [read_number(text).problem for text in ("8-10", "≥8", "1,23", "十二", "#DIV/0!")]
    ['range', 'bound', 'not-a-number', 'not-a-number', 'formula-error']
    """
    stripped = (text or "").strip()
    folded = _fold(stripped)
    if folded.casefold() in _MISSING or stripped in _MISSING:
        return NumberReading(missing=str(_MISSING.get(folded.casefold()) or _MISSING[stripped]))
    if folded.casefold() in _YES or folded.casefold() in _NO:
        return NumberReading(value=1.0 if folded.casefold() in _YES else 0.0, unit="yes_no")
    if stripped.startswith("#") and stripped[1:2].isalpha():
        return NumberReading(problem="formula-error")
    noted = _FOOTNOTE.fullmatch(stripped)
    if noted is not None:
        inner = read_number(noted[1])
        if inner.value is not None and (not inner.unit or inner.unit in ("%", "‰")):
            return inner._replace(remark="footnote" if not inner.remark else f"{inner.remark}+footnote")
        return NumberReading(problem="not-a-number")
    if re.search(r"\d\s+\d", stripped) and not re.fullmatch(
        r"[+-]?\d{1,3}([ \u00a0\u202f\u2009]\d{3})+(\.\d+)?\D*", stripped
    ):
        return NumberReading(problem="not-a-number")
    about = _ABOUT.fullmatch(folded)
    if about is not None:
        inner = read_number(about["after"] or about["before"])
        if inner.problem or inner.missing or inner.remark:
            return NumberReading(problem=inner.problem or "not-a-number")
        return inner._replace(remark="estimate")
    if _BOUND.search(folded):
        return NumberReading(problem="bound")
    if _RANGE.fullmatch(folded):
        return NumberReading(problem="range")
    return _read_plain(folded)


def _fold(text: str) -> str:
    folded = fold_width(text)
    return folded.replace("−", "-").replace("﹣", "-").replace("，", ",")


def _read_plain(folded: str) -> NumberReading:
    match = _NUMBER.fullmatch(folded)
    if match is None or (match["whole"] is None and (match["part"] or ".") == "."):
        return NumberReading(problem="not-a-number")
    digits = f"{match['sign']}{(match['whole'] or '0').replace(',', '')}{match['part'] or ''}{match['power'] or ''}"
    rest = match["rest"]
    if not rest:
        return NumberReading(value=float(digits))
    scaled = _read_scaled(folded.lstrip("+-"))
    if scaled is not None:
        return NumberReading(value=float(-scaled if match["sign"] == "-" else scaled), scaled=True)
    try:
        read_unit(rest)
    except UnitError:
        return NumberReading(problem="not-a-number")
    return NumberReading(value=float(digits), unit=rest)


def _read_scaled(text: str) -> Decimal | None:
    """Return the amount of 1.2亿, 3万5千; None where the text is anything else, such as 3万5."""
    parts = _COMPOSITE.findall(text)
    if not parts or "".join(number + word for number, word in parts) != text:
        return None
    total, last = Decimal(0), None
    for number, word in parts:
        amount = Decimal(number) * _SCALES[word]
        if last is not None and (amount >= last or "." in parts[0][0]):
            return None
        last = Decimal(_SCALES[word])
        total += amount
    return total


def read_numbers(texts: pl.Series) -> pl.DataFrame:
    """Return what each text says, shape (text, field of `NumberReading`).

    Plain numbers are read as an array; each other distinct text is read once.

    Examples
    --------
    >>> read_numbers(pl.Series(["65", "约65%", None]))["value"].to_list()
    [65.0, 65.0, None]
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String()).str.strip_chars()})
    plain = pl.col("text").str.contains(PLAIN_NUMBER).fill_null(False)
    frame = frame.with_columns(plain.alias("plain"))
    odd = frame.filter(~pl.col("plain"))["text"].unique()
    schema = {
        "value": pl.Float64(),
        "unit": pl.String(),
        "scaled": pl.Boolean(),
        "missing": pl.String(),
        "problem": pl.String(),
        "remark": pl.String(),
    }
    readings = pl.DataFrame([read_number(text) for text in odd], schema=schema, orient="row")
    if odd.is_empty():
        readings = pl.DataFrame(schema=schema)
    joined = frame.join(
        readings.with_columns(odd.alias("text")), on="text", how="left", nulls_equal=True, maintain_order="left"
    )
    value = pl.when("plain").then(pl.col("text").cast(pl.Float64(), strict=False)).otherwise("value")
    return joined.select(
        value.alias("value"),
        pl.col("unit").fill_null(""),
        pl.col("scaled").fill_null(False),
        "missing",
        pl.col("problem").fill_null(""),
        pl.col("remark").fill_null(""),
    )

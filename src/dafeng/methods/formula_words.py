"""Formulas in Chinese words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lark import Token, Tree

from dafeng.base.period import Period
from dafeng.catalog.expression import Reference, parse_expression
from dafeng.catalog.expression_grammar import reference_of
from dafeng.catalog.schemas import Indicator

__all__ = ["formula_words", "reference_words"]

_WHEN: Final = {"": "", "previous": "上一期的", "year_before": "上年同期的"}
_SIGNS: Final = {"+": " ＋ ", "-": " － ", "*": " × ", "/": " ÷ ", ">=": " ≥ ", "<=": " ≤ ", "==": " = ", "!=": " ≠ "}
_ATOMS: Final = ("name", "number", "call", "text", "truth")


def reference_words(reference: Reference, indicators: Mapping[str, Indicator]) -> str:
    """Return a value of a formula in words, such as 上一期的供热管道长度.

    Examples
    --------
    >>> reference_words(Reference("coal_equivalent_generation:electricity"), {})
    '系数 coal_equivalent_generation（electricity）'
    """
    if reference.is_factor:
        family, subject = reference.name.split(":")
        return f"系数 {family}（{subject}）"
    when = _WHEN.get(reference.when)
    return f"{f'{Period.parse(reference.when).title}的' if when is None else when}{indicators[reference.name].zh}"


def formula_words(text: str, indicators: Mapping[str, Indicator]) -> str:
    """Return an expression with the Chinese names of its indicators.

    Parameters
    ----------
    text : str
    indicators : mapping from id to Indicator

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> indicators = load_catalog().indicators
    >>> formula_words("share(water_supply_volume - registered_water_use, water_supply_volume)", indicators)
    '（供水总量 － 注册用户用水量）÷ 供水总量'
    >>> formula_words('points(at(heat_network_loss_rate, "2020"), heat_network_loss_rate)', indicators)
    '2020年的供热管网热损失率 － 供热管网热损失率（百分点）'
    """
    return _words(parse_expression(text), indicators).replace("） ÷", "）÷").replace("÷ （", "÷（")


def _words(node: Tree[Token], indicators: Mapping[str, Indicator]) -> str:
    reference = reference_of(node)
    if reference is not None:
        return reference_words(reference, indicators)
    parts = [child for child in node.children if isinstance(child, Tree)]
    words = [_words(child, indicators) for child in parts]
    tokens = [str(child) for child in node.children if isinstance(child, Token)]
    tight = [one if part.data in _ATOMS else f"（{one}）" for part, one in zip(parts, words, strict=True)]
    match str(node.data):
        case "number":
            return "".join(tokens)
        case "text" | "truth":
            return tokens[0]
        case "minus":
            return f"－{tight[0]}"
        case "sum":
            return "".join([words[0], *(f"{_SIGNS[sign]}{one}" for sign, one in zip(tokens, words[1:], strict=True))])
        case "product":
            return "".join([tight[0], *(f"{_SIGNS[sign]}{one}" for sign, one in zip(tokens, tight[1:], strict=True))])
        case "comparison":
            return f"{words[0]}{_SIGNS.get(tokens[0], f' {tokens[0]} ')}{words[1]}"
        case "negation":
            return f"非{tight[0]}"
        case "both":
            return " 且 ".join(words)
        case "either":
            return " 或 ".join(words)
        case "call":
            return _called(tokens[0], words, tight)
        case _:
            return f"{words[0]} {'属于' if node.data == 'membership' else '不属于'} {'、'.join(words[1:])}"


def _called(name: str, words: list[str], tight: list[str]) -> str:
    match name:
        case "share":
            return f"{tight[0]} ÷ {tight[1]}"
        case "points":
            return f"{words[0]} － {words[1]}（百分点）"
        case "lowered":
            return f"{tight[0]} － {tight[1]}"
        case "if":
            return f"若 {words[0]} 则 {words[1]}，否则 {words[2]}"
        case "sum":
            return " ＋ ".join(words)
        case "known":
            return f"{words[0]} 已知"
        case "year":
            return f"{words[0]} 的年份"
        case _:
            return f"{'最小' if name == 'min' else '最大'}（{'，'.join(words)}）"

"""Units: pint at the edges, plain floats in canonical units inside.

A canonical unit is a pint expression such as ``km/km**2``. Percent and percentage point are different dimensions, tonnes
of CO2 are not tonnes of mass, and a bare ratio is not a share, so that none turns into another unnoticed. Tonnes of
standard coal are an energy (7000 kcal/kg, GB/T 2589): 1 tce = 29.3076 GJ on the calorific basis; the generation basis of
electricity is a factor of `methods.rates`, never a unit.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import pint

from dafeng.base.errors import UnitError, close_names

__all__ = [
    "UNIT_NAMES",
    "conversion_factor",
    "convert",
    "dimension_of",
    "dimension_powers",
    "fold_width",
    "read_unit",
    "root_factor",
    "same_dimension",
]

_DEFINITIONS: Final = """
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
meter = [length] = m
second = [time] = s
minute = 60 * second
hour = 3600 * second = h
day = 24 * hour = d
year = [calendar_year] = a
gram = [mass] = g
tonne = 1e6 * gram = t
joule = [energy] = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
pascal = joule / meter ** 3 = Pa
tce = 29307.6 * megajoule
kgce = 29.3076 * megajoule
kelvin = [temperature] = K
gCO2 = [carbon_dioxide]
kgCO2 = 1e3 * gCO2
tCO2 = 1e6 * gCO2
CNY = [money]
item = [count]
person = [person_count]
household = [household_count]
storey = [storey_count]
score_point = [score]
share = [share]
percent = 0.01 * share
permille = 0.001 * share
percentage_point = [share_difference]
yes_no = [decision]
hectare = 1e4 * meter ** 2 = ha
mu = 2e4 / 30 * meter ** 2
liter = 1e-3 * meter ** 3 = L
ratio = []
lux = [illuminance]
"""

UNIT_NAMES: Final[dict[str, str]] = {
    "%": "percent", "百分比": "percent", "‰": "permille", "个百分点": "percentage_point", "百分点": "percentage_point",
    "公里": "km", "千米": "km", "km": "km", "米": "m", "m": "m", "毫米": "mm", "厘米": "0.01 * m",
    "平方公里": "km**2", "平方千米": "km**2", "km2": "km**2", "平方米": "m**2", "平米": "m**2", "m2": "m**2",
    "公顷": "hectare", "ha": "hectare", "hm2": "hectare", "亩": "mu",
    "立方米": "m**3", "m3": "m**3", "方": "m**3", "升": "liter",
    "吨": "t", "t": "t", "千克": "kg", "公斤": "kg", "kg": "kg", "克": "gram",
    "吨标准煤": "tce", "吨标煤": "tce", "tce": "tce", "千克标准煤": "kgce", "公斤标准煤": "kgce", "kgce": "kgce", "标准煤": "tce",
    "千瓦时": "kWh", "度": "kWh", "kwh": "kWh", "kw·h": "kWh", "兆瓦时": "MWh", "mwh": "MWh", "吉瓦时": "GWh", "gwh": "GWh", "太瓦时": "1000 * GWh", "twh": "1000 * GWh", "度电": "kWh",
    "千瓦": "kW", "kw": "kW", "兆瓦": "MW", "mw": "MW", "吉瓦": "GW", "gw": "GW", "瓦": "watt", "w": "watt", "kwp": "kW", "吉焦": "GJ", "gj": "GJ", "mj": "MJ", "兆焦": "MJ", "太焦": "1000 * GJ", "艾焦": "1e9 * GJ", "ej": "1e9 * GJ",
    "兆帕": "MPa", "mpa": "MPa", "千帕": "kPa", "kpa": "kPa",
    "吨二氧化碳": "tCO2", "吨co2": "tCO2", "tco2": "tCO2", "吨二氧化碳当量": "tCO2", "tco2e": "tCO2", "kgco2": "kgCO2",
    "mtco2": "1e6 * tCO2", "千克二氧化碳": "kgCO2", "公斤二氧化碳": "kgCO2",
    "元": "CNY", "cny": "CNY", "人民币元": "CNY",
    "个": "item", "座": "item", "项": "item", "处": "item", "栋": "item", "台": "item", "家": "item", "套": "item", "盏": "item",
    "辆": "item", "件": "item", "条": "item", "所": "item", "块": "item", "item": "item", "部": "item", "宗": "item", "片": "item",
    "幢": "item", "组": "item", "批": "item", "批次": "item", "只": "item", "根": "item", "支": "item", "间": "item", "株": "item",
    "棵": "item", "起": "item", "场": "item", "例": "item", "门": "item", "名": "person", "位": "item", "人次": "item", "次": "item",
    "车位": "item", "泊位": "item", "床位": "item", "分": "score_point", "倍": "ratio", "星": "ratio", "级": "ratio", "星级": "ratio",
    "人": "person", "户": "household", "层": "storey", "是否": "yes_no", "person": "person", "household": "household",
    "天": "day", "日": "day", "小时": "hour", "分钟": "minute", "h": "hour", "年": "year", "a": "year", "year": "year", "秒": "second",
    "°c·d": "kelvin * day", "度日": "kelvin * day", "k·d": "kelvin * day", "m2·k": "m**2 * kelvin", "平方米·开": "m**2 * kelvin", "勒克斯": "lux", "lx": "lux", "比": "ratio", "比值": "ratio",
}  # fmt: skip
"""Unit names as documents, yearbooks and forms write them, after width folding, with their pint expression."""

_SCALES: Final = {"亿": 1e8, "千万": 1e7, "百万": 1e6, "万": 1e4, "千": 1e3, "百": 1e2}
_registry: pint.UnitRegistry[float] = pint.UnitRegistry(None)
_registry.load_definitions(_DEFINITIONS.strip().splitlines())


def fold_width(text: str) -> str:
    """Return `text` with full-width forms, ㎡ and the like brought to their plain form, and white space (of no width too) removed.

    Examples
    --------
    >>> fold_width("７．９ ％"), fold_width("万㎡")
    ('7.9%', '万m2')
    """
    return re.sub(
        r"[\s\u200b-\u200d\u2060\ufeff]+", "", unicodedata.normalize("NFKC", text).replace("／", "/").replace("﹪", "%")
    )


def _read_part(part: str) -> tuple[float, str] | None:
    """Return scale and pint expression of one factor of a written unit, None where unknown."""
    name = part if part in UNIT_NAMES else part.lower()
    if name in UNIT_NAMES:
        return 1.0, UNIT_NAMES[name]
    for word, scale in _SCALES.items():
        if part.startswith(word):
            rest = part[len(word) :]
            inner = (1.0, "ratio") if not rest else _read_part(rest)
            return None if inner is None else (scale * inner[0], inner[1])
    return None


@lru_cache(maxsize=4096)
def read_unit(text: str) -> str:
    """Return the pint expression of a unit as documents write it.

    Parameters
    ----------
    text : str
        万平方米, 公里/平方公里, 个百分点, 吨/万平方米, 亿kWh, kgCO2/(m2·a) …; an expression that is canonical already
        passes through.

    Returns
    -------
    str
        For example ``10000.0 * (m**2)``.

    Raises
    ------
    UnitError
        The text is no known unit; the error offers close names.

    Examples
    --------
    >>> read_unit("吨/万平方米")
    '1.0 * (t) / (10000.0 * (m**2))'
    >>> read_unit("km/km**2")
    'km/km**2'
    """
    folded = fold_width(text).replace("㎞", "km")
    parts = re.split(r"/|每", re.sub(r"[()（）]", "", folded))
    rendered: list[str] = []
    for part in parts:
        factors = [_read_part(part)] if _read_part(part) else [_read_part(piece) for piece in re.split(r"[·*]", part)]
        if not part or any(factor is None for factor in factors):
            return _pass_canonical(text)
        scale = 1.0
        names = []
        for found in factors:
            assert found is not None
            scale *= found[0]
            names.append(found[1])
        rendered.append(f"{scale} * ({') * ('.join(names)})")
    return rendered[0] + "".join(f" / ({part})" for part in rendered[1:])


def _pass_canonical(text: str) -> str:
    try:
        if re.fullmatch(r"[A-Za-z0-9_*/ ().·]+", text):
            _registry.parse_units(text)
            return text
    except Exception as error:
        raise _unknown_unit(text) from error
    raise _unknown_unit(text)


def _unknown_unit(text: str) -> UnitError:
    close = close_names(fold_width(text), UNIT_NAMES)
    hint = f"one of {', '.join(close)}" if close else "such as 万平方米, 公里, %, 个百分点, 吨标准煤, kWh, GJ, 元"
    return UnitError(
        f"unit {text!r} is not known", doing="read a unit", expected=hint, next_step="write the unit in full"
    )


@lru_cache(maxsize=4096)
def root_factor(unit: str) -> float:
    """Return the size of one `unit` in root units (m, s, g, J, share, CNY …).

    Examples
    --------
    >>> root_factor("万平方米"), root_factor("percent")
    (10000.0, 0.01)
    """
    return float(f"{_registry.Quantity(read_unit(unit)).to_root_units().magnitude:.15g}")


@lru_cache(maxsize=4096)
def dimension_powers(unit: str) -> dict[str, float]:
    """Return the powers of the base dimensions of a unit.

    Examples
    --------
    >>> dimension_powers("t/m**2")
    {'[mass]': 1.0, '[length]': -2.0}
    """
    return {str(name): float(str(power)) for name, power in _registry.Quantity(read_unit(unit)).dimensionality.items()}


@lru_cache(maxsize=4096)
def dimension_of(unit: str) -> str:
    """Return the dimension of a unit as text; equal texts mean convertible units.

    Examples
    --------
    >>> dimension_of("%"), dimension_of("个百分点")
    ('[share]', '[share_difference]')
    """
    return str(_registry.Quantity(read_unit(unit)).dimensionality)


def same_dimension(first: str, second: str) -> bool:
    """Return whether two units measure the same thing.

    Examples
    --------
    >>> same_dimension("万平方米", "公顷"), same_dimension("%", "百分点")
    (True, False)
    """
    return dimension_of(first) == dimension_of(second)


@lru_cache(maxsize=4096)
def conversion_factor(unit: str, to: str) -> float:
    """Return the number that turns an amount in `unit` into one in `to`.

    Raises
    ------
    UnitError
        A unit is unknown, or the two measure different things (percent and percentage point do).

    Examples
    --------
    >>> conversion_factor("亿平方米", "万平方米")
    10000.0
    >>> round(conversion_factor("吨标准煤", "GJ"), 4)
    29.3076
    """
    if dimension_of(unit) != dimension_of(to):
        raise UnitError(
            f"{unit!r} {dimension_of(unit)} cannot become {to!r} {dimension_of(to)}",
            doing="convert a unit",
            expected=f"a unit of dimension {dimension_of(to)}",
            next_step="check the unit that the file or plan states",
        )
    factor = float(_registry.Quantity(read_unit(unit)).to(_registry.Quantity(read_unit(to)).units).magnitude)
    own = float(_registry.Quantity(read_unit(to)).magnitude)
    return float(f"{factor / own:.15g}")


def convert(value: float, unit: str, to: str) -> float:
    """Return `value` of `unit` expressed in `to`, rounded to 15 significant digits.

    Examples
    --------
    >>> convert(1.5, "亿平方米", "m**2")
    150000000.0
    """
    return float(f"{value * conversion_factor(unit, to):.15g}")

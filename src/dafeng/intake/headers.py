"""Names at the edge of a table: which role a header plays, which quantity it names, with unit, extent, basis and class."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final, NamedTuple

from dafeng.base.errors import PeriodError, UnitError, close_names
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.period import read_period
from dafeng.base.place import Extent
from dafeng.base.quantity import dimension_of, fold_width, read_unit
from dafeng.catalog import Catalog

__all__ = ["CORE_ROLES", "OTHER_QUANTITY", "HeaderName", "Names", "role_of"]

_ROLE_NAMES: Final = {
    "indicator": "指标 指标代码 指标编码 指标id 项目 指标项 指标名 指标名称 indicator indicatorid",
    "place": "地区 地方 地区代码 地区名称 地区名 行政区 行政区划 行政区划代码 行政区域 区划代码 区域 地域 place placeid adcode region",
    "province": "省 省份 省级 省市区 省区市 省(区、市) 省(自治区、直辖市) province",
    "city": "市 城市 地市 地级市 市州 市(州) 城市名称 设区市 city",
    "county": "县 区县 县区 区市 县市区 县(市、区) 区(市) 区(市、县) 县市 区市县 县(市) county district",
    "period": "时间 年份 年度 期间 报告期 时期 统计期 统计年度 数据年份 年 period year date 日期 年月 月份 季度",
    "extent": "范围 统计范围 空间范围 地域范围 extent",
    "value": "数值 值 数据 指标值 实际值 完成值 本期值 value",
    "unit": "单位 计量单位 unit",
    "dataset": "来源 数据集 数据来源 资料来源 dataset",
    "basis": "口径 计算口径 统计口径 basis",
    "kind": "类别 数据类别 数值类别 kind",
    "building_class": "建筑类型 建筑类别 建筑分类 building_class",
    "carrier": "能源品种 能源种类 能源 carrier",
    "end_use": "用途 终端用途 用能分项 end_use",
    "boundary": "边界 排放边界 核算边界 boundary",
    "scenario": "情景 scenario",
    "member": "成员 集合成员 member",
    "missing_reason": "缺失原因 缺数原因 missing_reason",
    "published_on": "发布日期 公布日期 发布时间 published_on",
    "low": "下限 low",
    "high": "上限 high",
    "coverage": "数据覆盖率 覆盖率 coverage",
    "review": "审核状态 审核 review",
    "origin": "溯源编号 lineage",
    "label": "序号 排名 名次 位次 编号 编码 备注 说明 注 附注 id no. recorded_at 入库时间 supersedes 替代版本 version 版本 指标中文名 地区中文名",
}
_ROLE_BY_NAME: Final = {name: role for role, names in _ROLE_NAMES.items() for name in names.split()}
CORE_ROLES: Final = frozenset({"indicator", "place", "province", "city", "county", "period", "value"})
"""Roles of which a header row has at least one."""

_BRACKETS: Final = re.compile(r"^(?P<head>.*?)[(\[【](?P<inner>[^()\[\]【】]*)[)\]】]$")
_EXTENT_WORDS: Final = {
    "全域": "whole", "全市": "whole", "市域": "whole", "全省": "whole", "行政区域": "whole", "行政辖区": "whole",
    "全县": "whole", "城镇": "urban", "市区": "city_district", "市辖区": "city_district", "城区": "city_proper",
    "建成区": "built_up", "主城区": "main_urban", "中心城区": "central_urban", "县城": "county_seat", "乡村": "rural",
    "农村": "rural",
}  # fmt: skip
_PREFIX_EXTENTS: Final = ("主城区", "中心城区", "建成区", "市区")
OTHER_QUANTITY: Final = (
    r"增长|增速|增幅|增减|增加|同比|环比|比上年|较上年|比去年|比\d{4}年|提高|提升|下降|降低|变化|变动|排名|排序|位次|名次|位居"
    r"|比重|目标|计划(?:[^单]|$)|规划(?:值|数)|任务|预计|预期|预测|完成率|完成情况|指数|得分|误差|±"
)
"""Words of a caption by which what stands under it is a growth, rank, plan … of an indicator and not the indicator."""
_PER_HEAD: Final = (("每万人", "/万人"), ("万人", "/万人"), ("人均", "/人"))


def role_of(text: str) -> str | None:
    """Return the role of a header, None where it names no role.

    Examples
    --------
    >>> role_of("地区 "), role_of("年份（年）"), role_of("数值(万人)"), role_of("绿地率")
    ('place', 'period', 'value', None)
    """
    folded = fold_width(text).casefold()
    found = _ROLE_BY_NAME.get(folded) or _ROLE_BY_NAME.get(folded.replace("_", ""))
    if found is None and (match := _BRACKETS.fullmatch(folded)):
        found = _ROLE_BY_NAME.get(match["head"])
    return found


class HeaderName(NamedTuple):
    """What a header names.

    Parameters
    ----------
    indicator : str
        Indicator id; empty where none answers to it.
    unit, extent, basis : str
        Stated beside it; empty where not.
    breakdowns : tuple of (breakdown, code)
    """

    indicator: str = ""
    unit: str = ""
    extent: str = ""
    basis: str = ""
    breakdowns: tuple[tuple[str, str], ...] = ()


class Names:
    """The names of a catalog as tables write them.

    Parameters
    ----------
    catalog : Catalog
    home : str or None
        Place whose table it is: it decides a county name that other prefectures may have too.
    """

    def __init__(self, catalog: Catalog, home: str | None = None) -> None:
        self.catalog = catalog
        self.home = home
        self._headers: dict[str, HeaderName] = {}

    @cached_property
    def extents(self) -> dict[str, str]:
        """Extent codes by code, Chinese name and common word."""
        known = dict(_EXTENT_WORDS)
        known |= {term.zh: code for code, term in self.catalog.terms.get("extent", {}).items()}
        return known | {extent.value: extent.value for extent in Extent}

    @cached_property
    def bases(self) -> dict[str, str]:
        """Codes of bases by code and Chinese name."""
        return self.codes("basis")

    def codes(self, group: str) -> dict[str, str]:
        """Return the codes of a vocabulary group by folded code, Chinese and English name."""
        found: dict[str, str] = {"all": "all", "合计": "all", "全部": "all"} if group in BREAKDOWNS else {}
        for code, term in self.catalog.terms.get(group, {}).items():
            for name in (term.en, term.zh, code):
                found[fold_width(name).casefold()] = code
        return found

    def header(self, text: str) -> HeaderName:
        """Return what a header names: an indicator with the unit, extent, basis or class stated beside it."""
        if text not in self._headers:
            self._headers[text] = self._read_header(text)
        return self._headers[text]

    def _read_header(self, text: str) -> HeaderName:
        name = re.sub(r"^(?:其中[:：]?|#|\d+[.、]|[一二三四五六七八九十]+、)", "", fold_width(text))
        unit = extent = basis = ""
        breakdowns: dict[str, str] = {}
        while True:
            indicator = self.catalog.indicator_named(name)
            if indicator is not None:
                break
            match = _BRACKETS.fullmatch(name) or re.fullmatch(r"(?P<head>.+?)[,、/:](?P<inner>[^,、/:]+)", name)
            if match is None or not match["head"]:
                break
            inner = match["inner"]
            if is_unit(inner):
                unit = unit or inner.removeprefix("单位:").removeprefix("单位")
            elif inner in self.extents:
                extent = extent or self.extents[inner]
            elif inner.casefold() in self.bases:
                basis = basis or self.bases[inner.casefold()]
            else:
                found = self.breakdown(inner)
                if found is None:
                    break
                breakdowns.setdefault(*found)
            name = match["head"]
        prefix = next((word for word in _PREFIX_EXTENTS if name.startswith(word)), "")
        if indicator is None and prefix:
            indicator = self.catalog.indicator_named(name.removeprefix(prefix))
        if indicator is None:
            return HeaderName()
        if prefix and not indicator.zh.startswith(prefix):
            extent = extent or _EXTENT_WORDS[prefix]
        term = self.bases.get(name.casefold())
        if not basis and term in indicator.bases and name != fold_width(indicator.zh):
            basis = term or ""
        unit = unit and per_head(unit, name + fold_width(indicator.zh), indicator.unit)
        return HeaderName(indicator.id, unit, extent, basis, tuple(sorted(breakdowns.items())))

    def dated(self, text: str) -> tuple[str, str] | None:
        """Return period and indicator header of a text such as 2024年绿地率（%）, None where it is no such text."""
        match = re.fullmatch(r"((?:19|20)\d\d年(?:度|末|底)?(?:1-\d{1,2}月|[上下]半年)?)(.+)", fold_width(text))
        return (match[1], match[2]) if match and self.header(match[2]).indicator else None

    def breakdown(self, text: str) -> tuple[str, str] | None:
        """Return breakdown and code that a word such as 居住建筑 names, None where it names none or several."""
        folded = fold_width(text).removeprefix("其中:").removeprefix("其中").casefold()
        found = [(group, codes[folded]) for group in BREAKDOWNS if folded in (codes := self.codes(group))]
        return found[0] if len(found) == 1 else None

    def close(self, text: str) -> tuple[str, ...]:
        """Return indicator names that look like a header which none answers to."""
        folded = re.sub(r"[(\[【].*$", "", fold_width(text))
        names = {
            name: indicator
            for indicator in self.catalog.indicators.values()
            for name in (indicator.zh, *indicator.aliases)
        }
        close = close_names(folded, names)
        if not close:
            close = [name for name in names if len(folded) >= 2 and (folded in name or name in folded)][:3]
        return tuple(f"{name}（{names[name].id}）" for name in close)

    def place(self, text: str) -> bool:
        """Return whether any place answers to a text."""
        return bool(self.catalog.places.candidates(text.strip()))


def per_head(unit: str, name: str, canonical: str) -> str:
    """Return 平方米 under 人均… as 平方米/人, where only that fits the canonical unit.

    Examples
    --------
    >>> per_head("平方米", "人均公园绿地面积", "m**2/person"), per_head("平方米", "建筑面积", "m**2")
    ('平方米/人', '平方米')
    """
    if dimension_of(unit) == dimension_of(canonical):
        return unit
    for word, per in _PER_HEAD:
        if word in name and dimension_of(unit + per) == dimension_of(canonical):
            return unit + per
    return unit


def is_unit(text: str) -> bool:
    """Return whether a text is a unit, with or without brackets and the word 单位.

    Examples
    --------
    >>> is_unit("（万平方米）"), is_unit("单位：%"), is_unit("青岛")
    (True, True, False)
    """
    folded = re.sub(r"^单位:?|[()\[\]【】]", "", fold_width(text))
    if not folded or re.fullmatch(r"[\d.,-]+", folded):
        return False
    try:
        read_unit(folded)
    except UnitError:
        return False
    return True


def clean_unit(text: str) -> str:
    """Return a unit without brackets and the word 单位.

    Examples
    --------
    >>> clean_unit("（单位：万人）")
    '万人'
    """
    return re.sub(r"^[(\[【]?单位:?|[()\[\]【】]", "", fold_width(text))


def is_period(text: str) -> bool:
    """Return whether a text is a period with its year.

    Examples
    --------
    >>> is_period("2023年"), is_period("2023.0"), is_period("65"), is_period("2023年1-9月")
    (True, True, False, True)
    """
    try:
        read_period(text)
    except PeriodError:
        return False
    return True

"""Units as plans write them: a closed list of unit words, scales before them, and compounds with / or 每."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["COUNTED", "unit_at"]

_SHARE: Final = ("%", "‰", "个百分点", "百分点", "个百分比", "个点")
_MEASURED: Final = (
    "平方公里", "平方千米", "平方米", "平米", "㎡", "㎢", "公顷", "亩", "立方米", "立方", "m³", "m3", "m2", "m²", "km2", "km²", "hm2", "hm²", "ha",
    "公里", "千米", "厘米", "毫米", "米", "km", "cm", "mm", "m",
    "吨标准煤", "吨标煤", "tce", "千克标准煤", "千克标煤", "公斤标准煤", "kgce",
    "吨二氧化碳当量", "吨二氧化碳", "吨CO2e", "吨CO2", "tCO2e", "tCO2", "千克二氧化碳", "kgCO2", "吨碳",
    "吨", "千克", "公斤", "微克", "毫克", "克", "kg", "mg", "t",
    "千瓦时", "kWh", "kW·h", "兆瓦时", "MWh", "吉瓦时", "GWh", "太瓦时", "TWh", "度电", "度",
    "千瓦峰值", "千瓦", "kWp", "kW", "兆瓦", "MWp", "MW", "吉瓦", "GWp", "GW", "瓦", "W",
    "百万千焦", "吉焦", "GJ", "兆焦", "MJ", "太焦", "TJ", "千焦", "kJ", "焦耳", "蒸吨", "冷吨", "千伏安", "kVA", "千伏", "kV", "伏",
    "升", "L", "元", "美元", "℃", "摄氏度", "分贝", "dB", "帕", "Pa",
)  # fmt: skip
_COUNTS: Final = (
    "人次", "人", "户", "套", "栋", "幢", "座", "处", "个", "家", "项", "台", "辆", "盏", "组", "批次", "批", "条", "只", "件", "根", "支", "所", "间",
    "张", "株", "棵", "例", "场", "名", "位", "类", "种", "门", "篇", "部", "款", "枪", "桩", "块", "宗", "片", "口", "艘", "架",
    "次", "期", "层", "车位", "泊位", "床位", "村", "镇", "县", "村庄", "社区", "小区", "城市",
)  # fmt: skip
_TIMES: Final = ("小时", "分钟", "年度", "年", "个月", "月", "日", "天", "周", "岁", "季度", "h", "min", "s")
_OTHER: Final = ("星级", "级", "星", "倍", "成", "番", "分", "折", "大类", "大")

COUNTED: Final = frozenset(_COUNTS)
"""Words that count things; with them an amount is a number of pieces."""

_WORDS: Final = sorted((*_SHARE, *_MEASURED, *_COUNTS, *_TIMES, *_OTHER), key=len, reverse=True)


def _one_of(words: list[str]) -> str:
    """Return an alternation; a unit of Latin letters ends where the letters end."""
    return "|".join(
        re.escape(word) + (r"(?![A-Za-z])" if word[-1].isascii() and word[-1].isalnum() else "") for word in words
    )


_SCALE: Final = r"(?:万亿|百万|千万|十万|万|亿|百(?!分)|千(?![瓦米克焦伏]))"
_WORD: Final = _one_of(_WORDS)
_LOWER: Final = _one_of(
    [
        word
        for word in (*_WORDS, "a", "d", "K", "k")
        if word not in _SHARE and word not in ("大", "成", "番", "分", "级", "星")
    ]
)
_UNIT: Final = re.compile(
    rf"{_SCALE}?(?:{_WORD})(?:(?:/|[·•・⋅*])\(?{_SCALE}?(?:{_LOWER})(?:[·•・⋅*](?:{_LOWER}))?\)?|每{_SCALE}?(?:平方米|平方公里|公里|人|户|年|日|天|公顷|立方米|吨))*"
)
_BARE_SCALE: Final = re.compile(r"[万亿]{1,2}(?=$|[^\w]|以上|以下|以内|左右|[至到]\d)")
_NO_UNIT: Final = re.compile(
    r"个(?:别|性|体(?!系))|米字|人(?:工|民|大|均|居|才)|家(?:庄|园|具|用|电)|位于|分(?:别|类|布|级|步|期|批|层|质|区|项|时|散|析|享)|成(?:为|立|本|果|功|效|套|品)"
    r"|步行|条件|名(?:录|单|称)|部(?:门|分|委|署|件|品)|类(?:似|型|别)|种植|度(?:过|假)|级别|门(?:户|口|窗)|支(?:持|撑|付)|组(?:织|团|成|合|件)|所(?:有|在|属)"
    r"|间(?:接|距|隔)|根据|场(?:景|所|地|馆)|期(?:间|限|末)|片区|套(?:内|餐|利)|升(?:级|至|到)|周(?:边|期|围)|日常|天(?:然|津|空)|层(?:次|面|级)|次(?:要|生)"
    r"|项目|批(?:准|复|发)|星期|户(?:型|用|外|籍)|只有|件套|台(?:账|湾|州)|处(?:理|置)|口(?:径|袋|岸)|例(?:如|外)|本质|村民|县城|镇区|大(?:厦|桥|街|道)|米兰|元素"
)


def unit_at(text: str, place: int) -> int:
    """Return where the unit that begins at `place` ends; `place` itself where none begins there.

    Parameters
    ----------
    text : str
        Folded text without white space.
    place : int
        First character after the numeral.

    Examples
    --------
    >>> text = "1.5万人/平方公里以内"
    >>> text[3:unit_at(text, 3)]
    '万人/平方公里'
    >>> text = "100个智能建造产业基地"
    >>> text[3:unit_at(text, 3)], unit_at("5部门联合", 1), unit_at("8万以上", 1)
    ('个', 1, 2)
    """
    found = _UNIT.match(text, place)
    if found is not None:
        return place if _NO_UNIT.match(text, place) else found.end()
    bare = _BARE_SCALE.match(text, place)
    return place if bare is None else bare.end()

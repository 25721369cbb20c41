"""Which indicator a promise speaks of: names and aliases word for word, else a similarity whose parts are shown.

The similarity compares pairs of letters, rare ones counting more, after words that only say how a share is written have been
made equal. What a share is a share of counts less than what it is. Units must agree, and words that contradict one another
(居住 against 公共, 农村 against 城市 …) cut the score. Below `THRESHOLD` the promise stays open.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Final

from dafeng.base.errors import UnitError
from dafeng.base.place import Extent
from dafeng.base.quantity import dimension_of, fold_width, same_dimension
from dafeng.base.target import Change, Direction
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Grade, Indicator, IndicatorMeasure, OverPeriods, OverPlaces
from dafeng.plans.read_records import IndicatorMatch, LabelKind, Origin, ReadTarget

__all__ = ["THRESHOLD", "draft_indicator", "match_indicator"]

THRESHOLD: Final = 0.58
"""Least similarity that decides, chosen on three plans with their own wording left out so that nothing wrong passes."""
_NEAREST: Final = 5
_SHORTEST: Final = 5
_EQUAL: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"^.*每(?:年|半年|季度).{0,60}(?:情况|报告|总结|进展).{0,20}报.*$|^每年报告.*$", "年度工作情况报告"),
        (r"\([^()]*\)|[\"'《》、,;:。·\-/\s]", ""),
        (r"^(?:到|至)?(?:20\d\d年?(?:底|末)?前?)+", ""),
        (
            r"总体上|力争|争取|平均|当年|全国|全省|全市|全县|全区|本市|我市|我省|实现|达到|控制在|每年|累计|总数|总里程数?|里程|个数|数量|规模|约",
            "",
        ),
        (r"使用(?:占比|比例|率)|普及率|应用(?:占比|比例|率)", "应用率"),
        (r"(?:面积)?(?:占比|比例|比率|比重|百分比|占有率|比(?=$))", "率"),
        (r"住房", "住宅"),
        (r"达到?(?:历史)?(?:峰值|平台期)|碳排放?达峰", "碳排放达峰"),
        (r"(?:碳排放)+达峰", "碳排放达峰"),
        (r"完整居住社区", "完整社区"),
        (r"超低/近零能耗|近零能耗", "近零能耗"),
        (r"机关事业单位|国家机关|党政机关", "机关"),
        (r"(?:建成|打造|培育|规划建设|推广|创建|新增|新建(?=改造)|完成|实施|建设)(?=[^,;]{3,})", ""),
    )
)
_OPPOSED: Final = (
    ("居住", "公共"), ("农村", "城市"), ("农村", "城镇"), ("乡村", "城市"), ("县城", "主城区"), ("新建", "既有"), ("市级", "省级"), ("直接", "间接"), ("供水", "供热"),
    ("供气", "供热"), ("供水", "排水"), ("污水", "供水"), ("生活垃圾", "建筑垃圾"), ("装配式", "新建建筑施工"), ("出水", "进水"), ("政府投资", "星级"), ("平均", "个别"), ("平均", "最高"),
)  # fmt: skip
_TELLING: Final = re.compile(
    r"建材|垃圾|污水|污泥|供水|供热|供气|光伏|装配式|照明|绿道|绿地|农房|社区|改造|施工|用电|电气化|再生水|管廊|轨道|道路|公交|装修|超低能耗|近零能耗|绿色建筑|节约型机关|钢结构|智能建造|海绵|可渗透|漏损|热泵|地热|可再生|"
    r"人口|建筑用能|能耗|充电|停车|公园|绿色施工|绿色生态|零碳|监测|学校|医院|完整|平台|屋顶"
)
_QUALIFIERS: Final = re.compile(
    r"夏热|温和|严寒|寒冷|农村|乡村|县城|重点城市|2000年|省级|市级|组团|星级|政府投资|装配式|雨污|标准层|最高|农房|超低能耗|厂房|机电|直接|间接|出水|人均|户均|单位面积|新增|建材"
)
_CONTRADICTION: Final = 0.55
_YEARLY: Final = 0.8
_WHOLE: Final = 0.4
_SHARED: Final = 0.15


@dataclass(frozen=True, slots=True)
class _Entry:
    indicator: str
    names: tuple[tuple[str, Mapping[str, float]], ...]
    definition: frozenset[str]
    text: str


@dataclass(frozen=True)
class _Index:
    entries: tuple[_Entry, ...]
    rarity: Mapping[str, float]
    unknown: float
    words: Mapping[str, str]


def _plain(text: str) -> str:
    plain = fold_width(text).casefold()
    for pattern, word in _EQUAL:
        plain = pattern.sub(word, plain)
    return plain or fold_width(text).casefold()


def _pairs(text: str) -> dict[str, float]:
    """Return the letter pairs of a label with weight; those of the whole in 'A占B' count less."""
    plain = _plain(text)
    share = re.match(r"(?P<part>.+?)占(?P<whole>.+?)(?:的)?率$", plain)
    weights: dict[str, float] = {}
    stretches = ((share["part"] + "率", 1.0), (share["whole"], _WHOLE)) if share else ((plain, 1.0),)
    for words, weight in stretches:
        for first, second in pairwise(words.replace("的", "")):
            pair = first + second
            weights[pair] = max(weights.get(pair, 0.0), weight)
    return weights


@lru_cache(maxsize=8)
def _index(catalog: Catalog, exclude: frozenset[str]) -> _Index:
    left_out = {fold_width(name).casefold() for name in exclude}
    words: dict[str, str] = {}
    entries: list[_Entry] = []
    counts: Counter[str] = Counter()
    for indicator in catalog.indicators.values():
        names = [name for name in (indicator.zh, *indicator.aliases) if fold_width(name).casefold() not in left_out]
        for name in names:
            words[fold_width(name).casefold()] = indicator.id
        definition = frozenset(_pairs(indicator.definition))
        spoken = tuple((name, _pairs(name)) for name in names) or (
            (indicator.definition, _pairs(indicator.definition)),
        )
        entry = _Entry(indicator.id, spoken, definition, fold_width("".join((*names, indicator.definition))))
        entries.append(entry)
        counts.update({pair for _, pairs in entry.names for pair in pairs} | definition)
    total = len(entries)
    rarity = {pair: math.log((1 + total) / (1 + count)) + 0.2 for pair, count in counts.items()}
    return _Index(tuple(entries), rarity, math.log(1 + total) + 0.2, words)


@lru_cache(maxsize=1024)
def _written_dimension(unit: str) -> str | None:
    """Dimension of a unit as written, None where it is unknown."""
    try:
        return dimension_of(unit)
    except UnitError:
        return None


def _fits(indicator: Indicator, unit: str | None, kind: LabelKind) -> bool:
    """Whether the unit of a promise can be one of the indicator's values."""
    own = _written_dimension(indicator.unit)
    yes_no = own == _written_dimension("yes_no")
    if kind is LabelKind.MILESTONE:
        return yes_no
    if yes_no:
        return False
    written = unit or "比值"
    if "百分点" in written:
        return own == _written_dimension("percent")
    dimension = _written_dimension(written)
    if dimension is None:
        return False
    if kind is LabelKind.CHANGE and written in ("%", "％"):
        return True
    return dimension == own


def match_indicator(
    label: str,
    *,
    unit: str | None,
    kind: LabelKind,
    scope: str | None,
    catalog: Catalog,
    exclude: frozenset[str] = frozenset(),
) -> IndicatorMatch:
    """Return the indicator that a promise speaks of, with the reason of the score.

    Parameters
    ----------
    label : str
        Words of the document that name the quantity.
    unit : str or None
        Unit as written.
    kind : LabelKind
        Sort of the promise; a milestone is only ever a yes-or-no indicator.
    scope : str or None
        Part of the whole that is meant, as written.
    catalog : Catalog
    exclude : frozenset of str
        Names and aliases left out, to see how far the grammar goes without them.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> found = match_indicator("城镇建筑可再生能源替代率", unit="%", kind=LabelKind.LEVEL, scope=None, catalog=load_catalog())
    >>> found.indicator, found.score, found.origin.value
    ('renewable_substitution_rate', 1.0, 'lexicon')
    """
    index = _index(catalog, exclude)
    said = fold_width(f"{scope or ''}{label}")
    texts = {entry.indicator: entry.text for entry in index.entries}
    for words in (label, _without(label, scope)):
        name = index.words.get(fold_width(words).casefold()) if words else None
        if name is None or not _fits(catalog.indicators[name], unit, kind):
            continue
        if all(word in texts[name] for word in _CLIMATES.findall(said)) and (
            words == label or _qualified(said, texts[name])
        ):
            return IndicatorMatch(
                indicator=name,
                score=1.0,
                reason=f"与名称或别名“{words}”逐字相同，单位相合",
                origin=Origin.LEXICON,
                candidates=((name, 1.0),),
            )
    if len(_plain(label)) < _SHORTEST:
        return IndicatorMatch(
            indicator=None, score=0.0, reason=f"“{label}”太短，又不与任何名称或别名逐字相同，待人工确定"
        )
    scored: list[tuple[float, str, str]] = []
    variants = [_pairs(text) for text in dict.fromkeys(filter(None, (label, _without(label, scope))))]
    for entry in index.entries:
        if not _fits(catalog.indicators[entry.indicator], unit, kind):
            continue
        best = max((_similarity(pairs, entry, index, said) for pairs in variants), default=(0.0, ""))
        if (
            "累计" in said
            and "累计" not in entry.text
            and catalog.indicators[entry.indicator].measure is IndicatorMeasure.FLOW
        ):
            best = (best[0] * _YEARLY, f"{best[1]}，累计对当年扣分")
        if best[0] > 0.15:
            scored.append((round(best[0], 4), entry.indicator, best[1]))
    scored.sort(key=lambda one: (-one[0], one[1]))
    candidates = tuple((name, score) for score, name, _ in scored[:_NEAREST])
    if not scored:
        return IndicatorMatch(indicator=None, score=0.0, reason="目录中没有单位相合而名称相近的指标")
    score, name, reason = scored[0]
    lead = score - (scored[1][0] if len(scored) > 1 else 0.0)
    if score < THRESHOLD or lead < _MARGIN:
        why = f"低于阈值{THRESHOLD:g}" if score < THRESHOLD else f"与次近的指标只差{lead:.2f}"
        return IndicatorMatch(
            indicator=None,
            score=score,
            reason=f"最近的指标相似度{score:.2f}，{why}，待人工确定；{reason}",
            candidates=candidates,
        )
    return IndicatorMatch(indicator=name, score=score, reason=reason, candidates=candidates)


_MARGIN: Final = 0.04


_CLIMATES: Final = re.compile("夏热冬冷|夏热冬暖|温和|个别")
_KEPT: Final = re.compile("个别|新增|新建|星级|农村|乡村|县城|组团|省级|市级")


def _qualified(said: str, text: str) -> bool:
    return all(word in text for word in _QUALIFIERS.findall(said))


def _without(label: str, scope: str | None) -> str:
    return label.replace(scope, "", 1) if scope and scope in label and len(label) - len(scope) >= 4 else ""


def _similarity(pairs: Mapping[str, float], entry: _Entry, index: _Index, label: str) -> tuple[float, str]:
    mass = sum(index.rarity.get(pair, index.unknown) * weight for pair, weight in pairs.items())
    best = (0.0, "", "")
    for name, own in entry.names:
        common = sum(index.rarity[pair] * min(weight, own[pair]) for pair, weight in pairs.items() if pair in own)
        if not common:
            continue
        score = 2 * common / (mass + sum(index.rarity[pair] * weight for pair, weight in own.items()))
        if score <= best[0]:  # what follows only lowers it
            continue
        factor = math.prod(_CONTRADICTION for one, other in _OPPOSED if _opposed(label, name, one, other))
        factor *= _CONTRADICTION ** len({word for word in _TELLING.findall(label) if word not in entry.text})
        factor *= _CONTRADICTION ** len({word for word in _QUALIFIERS.findall(name) if word not in label})
        factor *= _CONTRADICTION ** len(
            {word for word in (*_CLIMATES.findall(label), *_KEPT.findall(label)) if word not in entry.text}
        )
        if score * factor > best[0]:
            note = "，限定词不合扣分" if factor < 1 else ""
            best = (score * factor, name, f"与“{name}”的字对重合{score:.2f}{note}")
    if not best[0]:
        return 0.0, ""
    known = entry.definition.union(*(own for _, own in entry.names))
    covered = (
        sum(index.rarity.get(pair, index.unknown) * weight for pair, weight in pairs.items() if pair in known) / mass
    )
    score = (1 - _SHARED) * best[0] + _SHARED * covered
    return score, f"{best[2]}，释义覆盖{covered:.2f}，单位相合，合计{score:.2f}"


def _opposed(label: str, name: str, one: str, other: str) -> bool:
    return (one in label and other in name and one not in name and other not in label) or (
        other in label and one in name and other not in name and one not in label
    )


_THEMES: Final = (
    ("rural", "农村|乡村|农房|村庄"), ("county", "县城"), ("community", "社区|小区"), ("materials", "建材|建筑垃圾"), ("construction", "装配式|施工|智能建造|建造"),
    ("energy", "可再生|光伏|太阳能|电气化|地热|热泵|用电"), ("efficiency", "节能|能效|能耗|改造"), ("green_building", "绿色建筑|超低能耗"), ("housing", "住宅|住房"),
    ("infrastructure", "供热|供水|污水|垃圾|管网|管廊|海绵|照明|绿地|绿道|再生水|道路|公交|轨道"), ("carbon", "碳排放|达峰"), ("space", "密度|组团|用地"),
)  # fmt: skip


def draft_indicator(target: ReadTarget, plan_id: str, *, checked_on: date, source: str) -> Indicator:
    """Return a catalog draft for a promise that no indicator answers to.

    Parameters
    ----------
    target : ReadTarget
        The open promise.
    plan_id : str
        Plan that makes it.
    checked_on : date
        Day of the draft.
    source : str
        Source id of the plan in the catalog.

    Notes
    -----
    Grade D: the catalog shows it as still to be verified, and its definition says that it is a proposal.

    Examples
    --------
    >>> from dafeng.base.target import Comparator, Locator, Measure
    >>> open_target = ReadTarget(id="x-20-2030", clause="二（一）", at=[1, 9], label="屋顶农场面积", comparator=Comparator.AT_LEAST,
    ...                          value=20.0, unit="万平方米", by=2030, kind=LabelKind.COUNT, measure=Measure.CUMULATIVE)
    >>> draft = draft_indicator(open_target, "demo-2024", checked_on=date(2026, 11, 20), source="S01")
    >>> draft.id[:6], draft.unit, draft.shown_unit, draft.measure.value
    ('draft_', 'm**2', '万平方米', 'flow')
    """
    unit, shown = _draft_units(target)
    yes_no = unit == "yes_no"
    kind = _draft_measure(target, unit)
    theme = next((code for code, pattern in _THEMES if re.search(pattern, target.label)), "governance")
    name = re.sub(r"[\s,，;；。]", "", target.label)[:30]
    return Indicator(
        id=f"draft_{plan_id.replace('-', '_')}_{target.at.start}",
        zh=name,
        en=f"draft from {plan_id}, clause {target.clause or 'unnumbered'}, character {target.at.start}",
        theme=theme,
        definition=f"待核草案：方案{plan_id}第{target.clause or '（无编号）'}条提出，口径尚未定义，确认前不参与判定",
        unit=unit,
        shown_unit=shown,
        direction=_draft_direction(target, yes_no),
        measure=kind,
        minimum=0,
        maximum=1 if yes_no else 100 if unit == "percent" and kind is IndicatorMeasure.SHARE else None,
        extent=_draft_extent(target),
        places=OverPlaces.SUM if kind in (IndicatorMeasure.FLOW, IndicatorMeasure.STOCK) else OverPlaces.NONE,
        periods=OverPeriods.SUM if kind is IndicatorMeasure.FLOW else OverPeriods.LAST,
        source=source,
        at=target.clause or None,
        grade=Grade.D,
        note="由方案读取生成的草案，名称取自方案用语",
        checked_on=checked_on,
    )


def _draft_units(target: ReadTarget) -> tuple[str, str]:
    if target.kind is LabelKind.MILESTONE:
        return "yes_no", "是否"
    written = (target.unit or "比值").replace("％", "%")
    if "百分点" in written:
        return "percent", "%"
    try:
        bare = [
            next((unit for unit in _BARE_UNITS if same_dimension(part, unit)), "") for part in re.split("/|每", written)
        ]
    except UnitError:  # a word of the reader that the house cannot reckon in: pieces, until a person says otherwise
        return "item", written
    return ("/".join(bare) if all(bare) else "item"), written


_BARE_UNITS: Final = (
    "percent", "m**2", "km", "item", "m**3", "t", "kWh", "kW", "person", "household", "storey", "tCO2", "tce", "CNY", "ratio", "day", "hour", "year", "score_point",
)  # fmt: skip


def _draft_measure(target: ReadTarget, unit: str) -> IndicatorMeasure:
    if unit == "yes_no":
        return IndicatorMeasure.STATE
    if target.kind is LabelKind.CHANGE and target.base_state is not None:
        return IndicatorMeasure.CHANGE
    if unit == "percent":
        return IndicatorMeasure.SHARE
    if "/" in unit:
        return IndicatorMeasure.INTENSITY
    if target.kind is LabelKind.PER_YEAR or (target.kind is LabelKind.COUNT and "累计" not in target.label):
        return IndicatorMeasure.FLOW
    return IndicatorMeasure.STOCK


def _draft_direction(target: ReadTarget, yes_no: bool) -> Direction:
    if yes_no:
        return Direction.UP
    if target.change is not None:
        return Direction.DOWN if target.change is Change.DECREASE else Direction.UP
    if target.comparator.value in ("<=", "<") or re.search("损耗|损失|漏损|排放|能耗|下降|降低", target.label):
        return Direction.DOWN
    return Direction.UP


def _draft_extent(target: ReadTarget) -> Extent:
    text = f"{target.scope or ''}{target.label}"
    for extent, pattern in _EXTENTS:
        if re.search(pattern, text):
            return extent
    return Extent.WHOLE


_EXTENTS: Final = (
    (Extent.BUILT_UP, "建成区"), (Extent.MAIN_URBAN, "主城区"), (Extent.COUNTY_SEAT, "县城"), (Extent.RURAL, "农村|乡村|农房"), (Extent.URBAN, "城镇|城市"),
)  # fmt: skip

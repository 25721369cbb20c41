"""The words with which plans name the projects that a duty binds, each with what it says in the project fields.

Closed classes: kind of work, extent, zone, investor, size, building. 以上 and 以下 hold the number itself, as the law counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dafeng.plans.numerals import read_numeral

__all__ = ["LARGE_NOTE", "Condition", "Word", "ends_as_project", "read_words", "size_bound"]

_NUMBER: Final = r"(?:\d+(?:,\d{3})*(?:\.\d+)?[万千百]?|[一二两三四五六七八九十百千万]+)"
_BEFORE: Final = {
    ">=": r"不小于|不低于|不少于|大于等于|大于或等于|达到|达|≥|>=",
    "<=": r"不超过|不大于|不高于|不多于|小于等于|小于或等于|≤|<=",
    ">": r"超过|大于|多于|高于|超出|突破|>",
    "<": r"小于|低于|不足|不满|少于|<",
}
_AFTER: Final = {
    ">": r"以上(?:\(不含(?:本数)?\))",
    ">=": r"\(含\)以上|以上\(含\)|(?:及|或)?以上",
    "<=": r"(?:及|或)?以下|以内",
}


def size_bound(text: str) -> tuple[str, float] | None:
    """Return comparator and number of a bound of size, 以上 and 以下 with the number itself, as the law counts them.

    Examples
    --------
    >>> size_bound("5000平方米以上"), size_bound("超过18层"), size_bound("2万平方米以下")
    (('>=', 5000.0), ('>', 18.0), ('<=', 20000.0))
    """
    number = re.search(_NUMBER, text)
    if number is None:
        return None
    try:
        value = read_numeral(number[0])
    except ValueError:
        return None
    before, after = text[: number.start()], text[number.end() :]
    for comparator, words in _AFTER.items():
        if re.search(words, after):
            return comparator, value
    for comparator, words in _BEFORE.items():
        if re.search(f"(?:{words})$", before):
            return comparator, value
    return None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one project field: options of a choice, or an expression of its own."""

    field: str
    options: tuple[str, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        if not self.options:
            return self.text
        if len(self.options) == 1:
            return f'{self.field} == "{self.options[0]}"'
        options = ", ".join(f'"{option}"' for option in self.options)
        return f"{self.field} in [{options}]"

    def merged(self, other: Condition) -> Condition:
        """Return what a list of two members of one kind means: either; two bounds that face each other: both."""
        if self.options and other.options:
            return Condition(self.field, tuple(dict.fromkeys((*self.options, *other.options))))
        if str(self) == str(other):
            return self
        lower, upper = (" >" in self.text, " >" in other.text)
        return Condition(self.field, text=f"({self} {'or' if lower == upper else 'and'} {other})")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a subject phrase.

    Parameters
    ----------
    kind : str
        modifier, head, joiner, filler or unknown.
    start, end : int
        Where it stands.
    terms : tuple of Condition
        What it says of a project.
    name : str
        In dafeng's own words.
    note : str
        Assumption that it brings, in Chinese.
    """

    kind: str
    start: int
    end: int
    terms: tuple[Condition, ...] = ()
    name: str = ""
    note: str = ""


def _choice(name: str, *options: str) -> tuple[Condition, ...]:
    return (Condition(name, options),)


def _flag(name: str) -> tuple[Condition, ...]:
    return (Condition(name, text=name),)


_RESIDENTIAL: Final = _choice("building_class", "residential")
LARGE_NOTE: Final = "大型公共建筑按单体建筑面积2万平方米及以上计"
"""Assumption on 大型公共建筑 without a figure."""
_HIGH: Final = "超高层按建筑高度超过100米计"
_FUNDED: Final = r"国有(?:资金|资本|企业)?(?:参与)?(?:投资|投入)(?:(?:占|为)(?:主导|控股|主)(?:地位)?)?|国有资金(?:占(?:主导|控股)(?:地位)?)?"
_STATE: Final = r"(?:(?:以|由)?(?:各级)?(?:政府|财政|财政性资金|财政资金)(?:性)?(?:全额|全部|直接)?(?:投资|出资)?(?:为主|主导)?(?:的)?(?:或者?|和|及|、)?)"
_RAW_MODIFIERS: Final[tuple[tuple[str, tuple[Condition, ...], str, str], ...]] = (
    (
        r"新[\(、,]?(?:改[、,]?扩|扩[、,]?改)\)?建|新改扩建",
        _choice("work", "new", "rebuild", "extension"),
        "新建、改建、扩建",
        "",
    ),
    (r"改[\(、]?扩\)?建", _choice("work", "rebuild", "extension"), "改建、扩建", ""),
    (
        r"新建成?|新开工|拟建|新立项|新上|新规划建设|新供地|(?:确需|确有必要)(?:新建|建设)?",
        _choice("work", "new"),
        "新建",
        "",
    ),
    (r"改建|翻建|重建", _choice("work", "rebuild"), "改建", ""),
    (r"扩建", _choice("work", "extension"), "扩建", ""),
    (
        r"(?:实施|进行|开展|列入|纳入)?(?:节能|绿色化|绿色|整体|综合|大型)?改造(?:的|范围的|计划的|项目(?=的))?|改造部分|既有|存量|现有|老旧",
        _choice("work", "renovation"),
        "改造",
        "既有建筑按改造工程计",
    ),
    (
        r"城市(?:、|和|及|与)(?:县城|建制镇|镇)|城镇(?:规划区)?(?:范围内|内)?",
        _choice("extent", "urban", "county_seat"),
        "城镇",
        "",
    ),
    (r"县城(?:范围内|内|新建城区)?|县级城市", _choice("extent", "county_seat"), "县城", ""),
    (r"农村(?:地区)?|乡村|村庄", _choice("extent", "rural"), "乡村", ""),
    (r"(?:城市)?新区|新城(?:新区)?|新建城区", _choice("zone_kind", "new_district"), "城市新区", ""),
    (r"(?:城市)?重点(?:发展)?(?:区域|功能区|片区|地区|地段)", _choice("zone_kind", "key_area"), "重点区域", ""),
    (r"绿色(?:低碳)?(?:生态)?(?:示范)?城区|生态城区", _choice("zone_kind", "eco_district"), "绿色生态城区", ""),
    (r"各?功能(?:新)?区", _choice("zone_kind", "functional_zone"), "功能区", ""),
    (r"零碳(?:试验|示范)?(?:区|园区|片区)", _choice("zone_kind", "zero_carbon_pilot"), "零碳试验区", ""),
    (r"绿色生态(?:城镇|小镇)", _choice("zone_kind", "eco_town"), "绿色生态城镇", ""),
    (
        rf"(?:使用)?{_STATE}+(?:以政府投资为主|政府投资为主|政府主导)(?:的)?|(?:以|由)?政府(?:和[公群]益性)?(?:全额|直接)?(?:投资|出资|主导|性投资)(?:为主|占主导)?"
        r"|(?:使用|利用)?财政(?:性)?资金(?:投资|建设|投入)?|财政投资|政府性",
        _choice("investor", "government"),
        "政府投资",
        "",
    ),
    (rf"(?:使用|利用)?(?:{_FUNDED})|国有企业|国企", _choice("investor", "state_owned"), "国有资金", ""),
    (
        r"社会(?:资本)?(?:投资|投入)|民间(?:资本)?投资|企业投资|非政府投资",
        _choice("investor", "private"),
        "社会投资",
        "",
    ),
    (r"公益(?:性|类)?(?:的)?", _flag("public_welfare"), "公益", ""),
    (
        r"大型(?=公共建筑|公建)",
        (Condition("single_building_area", text="single_building_area >= 20000[m**2]"),),
        "大型",
        LARGE_NOTE,
    ),
    (r"超高层", (Condition("height", text="height > 100[m]"),), "超高层", _HIGH),
    (
        r"高层(?=住宅|居住建筑)",
        (Condition("height", text="height > 27[m]"),),
        "高层",
        "高层住宅按建筑高度超过27米计（GB 50016—2014 2.1.1）",
    ),
    (
        r"(?:具备|具有|有)(?:节能)?改造(?:价值[和及、]条件|条件[和及、]价值|价值|条件)",
        _flag("retrofit_value"),
        "有改造价值",
        "",
    ),
    (
        r"(?:具备|具有|有)(?:集中|稳定|生活)*(?:的)?(?:生活)?热水(?:供应)?(?:需求|要求)",
        _flag("hot_water_demand"),
        "有热水需求",
        "",
    ),
    (r"全装修(?:的)?", _flag("fully_fitted"), "全装修", ""),
    (
        r"(?:以|通过)?(?:招拍挂)?出让(?:方式)?(?:供地|取得|供应)?(?:土地)?(?:的)?(?:地块)?",
        _choice("land_transfer", "transfer"),
        "出让用地",
        "",
    ),
    (
        r"(?:以)?划拨(?:方式)?(?:供地|取得|供应)?(?:土地)?(?:的)?",
        _choice("land_transfer", "allocation"),
        "划拨用地",
        "",
    ),
)
_RAW_HEADS: Final[tuple[tuple[str, tuple[Condition, ...], str, str], ...]] = (
    (
        r"公共建筑节能(?:绿色)?改造示范项目",
        (*_choice("building_class", "public"), *_flag("retrofit_demonstration")),
        "公共建筑节能改造示范",
        "",
    ),
    (
        r"(?:党政|国家|行政|政府)?机关(?:及事业单位)?(?:既有)?办公(?:建筑|楼|用房|场所)?|行政办公(?:建筑|楼|用房)?|党政机关(?:建筑)?",
        _choice("building_type", "government_office"),
        "机关办公建筑",
        "",
    ),
    (r"公共机构(?:的)?(?:公共)?(?:建筑|项目|办公楼)?", _flag("public_institution"), "公共机构建筑", ""),
    (
        r"(?:农村居住建筑|农村住宅|农村住房|农村房屋|农村自建房|农村自建住房|农房|农民住房|农宅|乡村住宅)",
        _choice("building_type", "farmhouse"),
        "农房",
        "",
    ),
    (
        r"(?:新建)?(?:商品住宅|商品住房|商品房|商品化住宅)(?:小区)?",
        (*_RESIDENTIAL, *_choice("housing_kind", "commodity")),
        "商品住宅",
        "",
    ),
    (
        r"(?:保障性(?:租赁|安居)?(?:住房|住宅|工程)|保障房|公租房|公共租赁住房|廉租房|廉租住房|经济适用(?:住房|房)|共有产权(?:住房|房)|配售型保障性住房|人才(?:住房|公寓))",
        (*_RESIDENTIAL, *_choice("housing_kind", "affordable")),
        "保障性住房",
        "",
    ),
    (
        r"(?:拆迁|征迁|棚改)?(?:安置|回迁|还建)(?:住房|住宅|房|小区)",
        (*_RESIDENTIAL, *_choice("housing_kind", "resettlement")),
        "安置住房",
        "",
    ),
    (r"自建(?:住房|住宅|房)", (*_RESIDENTIAL, *_choice("housing_kind", "self_built")), "自建住房", ""),
    (r'高品质(?:的)?住(?:宅|房)|"?好房子"?', _choice("housing_grade", "high_quality"), "高品质住宅", ""),
    (r"居住建筑|住宅建筑|居住(?:小区|社区|区|项目)|住宅小区|小区|住宅项目|居民住宅", _RESIDENTIAL, "居住建筑", ""),
    (r"住宅|住房", _RESIDENTIAL, "住宅", ""),
    (r"公共建筑|公建", _choice("building_class", "public"), "公共建筑", ""),
    (r"民用建筑", _choice("building_class", "residential", "public"), "民用建筑", ""),
    (
        r"建筑工程(?:项目)?|房屋建筑(?:工程|项目)?(?!和市政)|房建(?:工程|项目)",
        _choice("building_class", "residential", "public", "industrial"),
        "建筑工程",
        "",
    ),
    (r"工业建筑", _choice("building_class", "industrial"), "工业建筑", ""),
    (r"市政(?:基础设施|公用|道路)?(?:工程|项目|设施)", _choice("building_class", "infrastructure"), "市政工程", ""),
    (r"(?:商务|商业)办公(?:楼|建筑)?|写字楼", _choice("building_type", "office"), "商业办公", ""),
    (r"办公(?:楼|建筑|用房)", _choice("building_type", "government_office", "office"), "办公建筑", ""),
    (
        r"商场(?:建筑)?|商业(?:综合体|建筑|服务业建筑)?|超市|大型商超",
        _choice("building_type", "commerce"),
        "商业建筑",
        "",
    ),
    (r"(?:宾馆|酒店|饭店|旅馆)+(?:建筑)?", _choice("building_type", "hotel"), "宾馆饭店", ""),
    (
        r"(?:中小学校?|学校|校园|校舍|幼儿园|高等院校|高校|教学楼|教育)(?:类)?(?:公共)?(?:建筑|设施)?",
        _choice("building_type", "school"),
        "学校",
        "",
    ),
    (r"(?:集体|学生|职工)?宿舍(?:楼|建筑)?", _choice("building_type", "dormitory"), "宿舍", ""),
    (
        r"医院|医疗(?:卫生)?(?:建筑|机构|设施)?|卫生院|养老院(?=建筑)",
        _choice("building_type", "hospital"),
        "医疗建筑",
        "",
    ),
    (r"体育(?:场馆|馆|建筑|设施)|游泳馆", _choice("building_type", "sports"), "体育建筑", ""),
    (
        r"(?:文化|博览|会展)(?:场馆|馆|建筑|设施)|图书馆|博物馆|科技馆|文体场馆",
        _choice("building_type", "culture"),
        "文化建筑",
        "",
    ),
    (
        r"机场(?:航站楼|候机楼)?|航站楼|(?:高铁|火车|汽车|客运)?(?:车站|客运站|站房)|(?:综合)?交通(?:枢纽|场站)",
        _choice("building_type", "transport_hub"),
        "交通场站",
        "",
    ),
    (r"(?:标准|工业)?厂房", _choice("building_type", "factory"), "厂房", ""),
    (r"仓库|仓储(?:建筑|设施)?|物流仓储(?:建筑)?", _choice("building_type", "warehouse"), "仓库", ""),
    (r"星级绿色建筑(?:项目)?", (Condition("green_star", text="green_star >= 1"),), "星级绿色建筑", ""),
    (r"超低能耗建筑", _flag("ultra_low_energy"), "超低能耗建筑", ""),
    (r"近零能耗建筑", _flag("near_zero_energy"), "近零能耗建筑", ""),
    (r"装配式建筑(?:项目)?", _flag("prefabricated"), "装配式建筑", ""),
    (r"(?:城市)?(?:功能性|景观|道路)?照明(?:工程|设施|项目)?", _flag("street_lighting"), "城市照明", ""),
    (
        r"(?:房屋|建设|建筑|工程|基本建设)*(?:建设项目|建设工程|工程建设项目|工程项目|建筑项目)|房屋建筑和市政(?:基础设施)?工程|建筑物|建筑(?!面积|高度|层数|密度)|项目|工程|房屋|建构筑物",
        (),
        "",
        "",
    ),
)
_AREA: Final = (
    r"(?:地上|地下)?(?:(单体|单栋|单幢|单个)(?:建筑|项目)?)?(总|计容)?(?:建筑|用地)?(?:总)?(?:面积)?(?:为|在)?"
    r"(?:不小于|不低于|不少于|大于等于|大于或等于|大于|超过|小于|低于|不足|不超过|不大于|达到|达|≥|>=|>|<|≤)?"
    rf"{_NUMBER}(?:平方米|平米|㎡|m2)(?:\(含\)以上|以上\(含\)|以上\(不含(?:本数)?\)|(?:及|或)?以上|(?:及|或)?以下|以内)?"
)
_STOREYS: Final = rf"(?:地上|建筑)?(?:层数)?(?:为|在)?(?:不低于|不少于|超过|大于|不超过|达到|≥|>)?{_NUMBER}层(?:\(含\)以上|以上\(含\)|(?:及|或)?以上|(?:及|或)?以下|以内)?"
_HEIGHT: Final = rf"(?:建筑)?(?:高度)?(?:为|在)?(?:不低于|超过|大于|高于|不超过|达到|≥|>)?{_NUMBER}(?:米|m)(?:\(含\)以上|以上\(含\)|(?:及|或)?以上|(?:及|或)?以下|以内)"
_JOINER: Final = r"以及|或者|和|与|及|或|、|,"
_FILLER: Final = (
    r"其他|其它|其余|等|的|各类|所有|全部|本市|我市|我省|全市|全省|全区|全县|本省|行政区域内|(?:规划)?(?:区域|范围)?内|范围|类|各|凡|对于?|在|将|"
    r"屋顶|屋面|建设(?!项目|工程|条件)|单位|施工现场|单体|中|均|也|且|新增|房建|用地|\(|\)|\"|公共(?=医疗|教育|文化)|本体|(?:建设|规划|土地出让)条件|环节|停车位|停车场|车位|(?:设计|施工|建造)(?:时|中|阶段|过程中)?|投入使用|居民"
)
_ENDS: Final = (
    r"(?:建筑(?:物)?|住宅|住房|保障房|公租房|商品房|安置房|房屋|农房|农宅|自建房|厂房|仓库|校舍|学校|医院|宾馆|酒店|饭店|商场|宿舍|幼儿园|场馆|体育馆|航站楼|馆|照明|车站|枢纽|"
    r"办公楼|写字楼|综合体|小区|居住社区|居住区|项目|工程|公共机构|公建|好房子\"?|片区|地块|(?:住宅|居住|商业|工业|建设|供应)用地|宗地|停车场|车位|公共场所)"
)
_TAIL: Final = (
    r"(?:等|的|(?:节能|绿色化|更新)*改造后?|的(?:规划|设计|建设|施工|验收|运行|、|和|与|及)+|中|内|时|类|每户|占地面积|建筑面积|用地面积|屋顶|屋面|外墙|外立面|外窗|施工现场|本体|改造部分|(?:节能|能效)(?:水平|性能)|建筑高度|高度|层数|容积率|建设条件(?:等)?(?:环节)?|规划条件|"
    r"出让条件|土地出让合同|停车位|停车场|车位|地下车库|围护结构|(?:等)?(?:环节)?|设计|施工|建设|部位|\([^()]*\))*"
)
_ENDING: Final = re.compile(_ENDS + _TAIL + "$")
_METRIC_ENDING: Final = re.compile(r"(?:改造部分(?:节能水平|能效水平)?|建筑高度|建筑层数|住宅层数|建筑节能水平)$")
_POLICY_START: Final = re.compile(
    r"(?:加强|推进|推动|完善|建立|健全|开展|提高|提升|加大|落实|强化|优化|实施(?!节能|改造)|制定|编制|加快|严格|全面|大力|深入|探索|发展|打造|构建|统筹|坚持|持续|积极|研究|组织|"
    r"督促|指导|利用|结合|围绕|按照|根据|依据|通过|鼓励|支持|引导|倡导|明确|确保|做好|抓好|引进|培育|选用|选择|以(?!政府|出让|划拨)|从|把|为|是|每|各地|各级|各有关|各部门|不|因地制宜|"
    r"逐步|有序|重点(?!区域|功能区|片区|地区|地段)|率先|优先|严控|控制|规范|合理|充分|扩大|到|力争|对标|有关部门|主管部门)"
)


@lru_cache(maxsize=1)
def _lexicon() -> tuple[tuple[str, re.Pattern[str], tuple[Condition, ...], str, str], ...]:
    rows: list[tuple[str, re.Pattern[str], tuple[Condition, ...], str, str]] = []
    rows += [("area", re.compile(_AREA), (), "", ""), ("storeys", re.compile(_STOREYS), (), "", "")]
    rows += [("height", re.compile(_HEIGHT), (), "", "")]
    rows += [("modifier", re.compile(pattern), terms, name, note) for pattern, terms, name, note in _RAW_MODIFIERS]
    rows += [("head", re.compile(pattern), terms, name, note) for pattern, terms, name, note in _RAW_HEADS]
    rows += [("joiner", re.compile(_JOINER), (), "", ""), ("filler", re.compile(_FILLER), (), "", "")]
    return tuple(rows)


def ends_as_project(text: str) -> bool:
    """Return whether a phrase ends in a building or project and starts with no verb of policy.

    Examples
    --------
    >>> ends_as_project("新建公共机构建筑"), ends_as_project("各级主管部门"), ends_as_project("推进绿色建筑")
    (True, False, False)
    """
    if _POLICY_START.match(text) or "%" in text:
        return False
    return bool(_ENDING.search(text) or _METRIC_ENDING.search(text))


def read_words(text: str, offset: int = 0) -> list[Word]:
    """Cut a subject phrase into words, the longest that fits first; what no class holds is of kind unknown.

    Examples
    --------
    >>> [(word.kind, word.name) for word in read_words("新建住宅")]
    [('modifier', '新建'), ('head', '住宅')]
    """
    words: list[Word] = []
    place = 0
    while place < len(text):
        best: tuple[int, Word] | None = None
        for kind, pattern, terms, name, note in _lexicon():
            found = pattern.match(text, place)
            if found is None or found.end() == place or (best is not None and found.end() - place <= best[0]):
                continue
            word = Word(kind, offset + place, offset + found.end(), terms, name, note)
            if kind in ("area", "storeys", "height"):
                sized = _sized(kind, found[0], word)
                if sized is None:
                    continue
                word = sized
            best = (found.end() - place, word)
        if best is None:
            if words and words[-1].kind == "unknown":
                words[-1] = Word("unknown", words[-1].start, offset + place + 1)
            else:
                words.append(Word("unknown", offset + place, offset + place + 1))
            place += 1
        else:
            words.append(best[1])
            place += best[0]
    return words


def _sized(kind: str, text: str, word: Word) -> Word | None:
    bound = size_bound(text)
    if bound is None or "地下" in text or "用地" in text or "计容" in text:
        return None
    comparator, value = bound
    if kind == "area":
        name = "single_building_area" if re.match(r"单[体栋幢个]", text) else "gross_area"
        unit, shown = "m**2", "平方米"
    else:
        name, unit, shown = ("storeys", "storey", "层") if kind == "storeys" else ("height", "m", "米")
    sign = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}[comparator]
    note = "以上、以下都含本数" if comparator in (">=", "<=") and re.search("以[上下]", text) else ""
    return Word(
        "modifier",
        word.start,
        word.end,
        (Condition(name, text=f"{name} {comparator} {value:.12g}[{unit}]"),),
        f"{sign}{value:.12g}{shown}",
        note,
    )

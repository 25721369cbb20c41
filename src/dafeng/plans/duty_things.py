"""What duties on projects ask for: how plans write it, the project field that shows it, stages and papers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dafeng.base.obligation import Stage
from dafeng.plans.numerals import read_numeral

__all__ = ["THINGS", "Thing", "number_words"]

_PLANNING: Final = (Stage.PLANNING, Stage.DESIGN_REVIEW, Stage.ACCEPTANCE)
_DESIGN: Final = (Stage.DESIGN_REVIEW, Stage.ACCEPTANCE)
_APPROVAL: Final = (Stage.PLANNING, Stage.APPROVAL)
_WORKS: Final = (Stage.CONSTRUCTION, Stage.ACCEPTANCE)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that duties ask for.

    Parameters
    ----------
    key : str
        Slug.
    pattern : str
        How plans write it.
    make : callable
        The expression, from the match and the comparator of its number.
    name : str
        In dafeng's own words.
    stage, evidence : tuple
        When it is looked at, and the papers that prove it.
    design : bool
        Whether it concerns the design of new works where no kind of work is named.
    note : str
        Assumption that it brings, in Chinese.
    """

    key: str
    pattern: str
    make: Callable[[re.Match[str], str], str | None]
    name: str
    stage: tuple[Stage, ...]
    evidence: tuple[str, ...]
    design: bool = True
    note: str = ""


_STARS: Final = {"一": 1, "二": 2, "两": 2, "三": 3, "1": 1, "2": 2, "3": 3}


def _says(text: str) -> Callable[[re.Match[str], str], str | None]:
    return lambda found, comparator: text


def number_words(found: re.Match[str]) -> str:
    """Return the number of a match with its comparator words, empty where it has none."""
    return next((text for name, text in found.groupdict().items() if name.startswith("number") and text), "")


def _bound(field: str, unit: str, default: str) -> Callable[[re.Match[str], str], str | None]:
    def make(found: re.Match[str], comparator: str) -> str | None:
        number = re.search(r"\d+(?:\.\d+)?[万千百]?", number_words(found))
        if number is None:
            return None
        return f"{field} {comparator or default} {read_numeral(number[0]):.12g}[{unit}]"

    return make


def _star(found: re.Match[str], comparator: str) -> str:
    return f"green_star >= {_STARS[found['star']]}"


_PERCENT: Final = r"(?P<number>(?:应|须|要|力争|均|全部)*(?:不(?:得|应)?(?:低于|少于|小于)|达到|达|超过|大于|高于|≥|>=|>|不高于|不超过|不大于|小于|低于)?\d+(?:\.\d+)?%(?:\(含\)以上|(?:及|或)?以上|(?:及|或)?以下|以内)?)"
_LIMIT: Final = r"(?:应|须|要|原则上|一般|宜)*"
_REVIEW: Final = ("施工图审查意见", "绿色建筑专项验收记录或标识证书")
THINGS: Final[tuple[Thing, ...]] = (
    Thing(
        "star",
        r"(?:国家|绿色建筑)?(?:不低于|达到)?(?P<star>[一二两三123])星级?(?:标准)?(?:\(含\))?(?:(?:及|或)?以上)?(?:的)?(?:绿色建筑)?(?:评价)?(?:设计)?(?:标识)?(?:标准|要求|等级)?(?:\(?(?:及|或)?以上\)?)?",
        _star,
        "绿色建筑{}星级",
        _PLANNING,
        _REVIEW,
    ),
    Thing(
        "star",
        r"高星级(?:绿色建筑)?(?:标准|要求)?",
        _says("green_star >= 2"),
        "绿色建筑高星级",
        _PLANNING,
        _REVIEW,
        note="高星级按二星及以上计",
    ),
    Thing(
        "star",
        r"星级(?:绿色建筑)?(?:标准|要求)?|绿色建筑星级(?:标准|要求)",
        _says("green_star >= 1"),
        "星级绿色建筑",
        _PLANNING,
        _REVIEW,
    ),
    Thing(
        "green-standard",
        r"绿色建筑(?:设计|评价|基本级|相关|有关|工程)*(?:标准|要求|规定|规范)|绿色建筑基本级(?:及以上)?|(?:建成|达到)绿色建筑|绿色建筑(?=设计|建设|建造)|基本级(?:及以上)?(?:绿色建筑)?(?:标准)?",
        _says("green_standard"),
        "绿色建筑标准",
        _PLANNING,
        ("施工图审查意见", "绿色建筑专项验收记录"),
    ),
    Thing(
        "green-label",
        r"(?:绿色建筑)?(?:评价)?标识认定|绿色建筑(?:评价)?标识",
        _says("green_star_label"),
        "绿色建筑标识",
        (Stage.ACCEPTANCE,),
        ("标识证书",),
    ),
    Thing(
        "saving-rate",
        r"(?:本体)?(?:节能率)(?P<number>(?:不低于|达到|达|不小于)?\d+(?:\.\d+)?%(?:以上)?)|(?P<number2>\d+(?:\.\d+)?%)(?:的)?(?:建筑)?节能(?:设计)?(?:标准|要求)",
        _bound("saving_rate", "percent", ">="),
        "设计节能率",
        _DESIGN,
        ("节能专篇", "节能专项验收"),
    ),
    Thing(
        "near-zero",
        r"(?:近零|零|低)?(?:近零能耗|零能耗|零碳)(?:建筑)?(?:标准|要求|技术)?",
        _says("near_zero_energy"),
        "近零能耗建筑",
        _DESIGN,
        ("节能专篇", "近零能耗评价报告"),
    ),
    Thing(
        "ultra-low",
        r"超低能耗(?:居住|公共)?(?:建筑)?(?:技术)?(?:设计)?(?:标准|要求)?",
        _says("ultra_low_energy"),
        "超低能耗建筑",
        _DESIGN,
        ("节能专篇", "超低能耗评价报告"),
    ),
    Thing(
        "energy-standard",
        r"(?:国家|地方|现行|强制性|居住|公共|更高|最新|民用|相应|水平|要求|规定|有关|工程|和|等|的|建筑|农村)*节能(?:设计|强制性|工程)*(?:标准|规范|要求)(?:规定)?|现行(?:节能)?(?:标准|规范)(?:规定|要求)?|\"?《[^》]*节能[^》]*标准[^》]*》(?:等(?:相关|有关)?(?:标准|规范))?|建筑节能设计",
        _says("energy_standard"),
        "建筑节能标准",
        _DESIGN,
        ("节能专篇", "节能专项验收"),
    ),
    Thing(
        "assembly-rate",
        rf"(?:建筑|单体|综合)*装配率{_PERCENT}(?:的)?(?:要求|标准)?",
        _bound("assembly_rate", "percent", ">="),
        "装配率",
        _PLANNING,
        ("装配率计算书", "施工图审查意见"),
    ),
    Thing(
        "prefabricated-condition",
        r"(?:明确|载明|写明|落实|约定|提出)[^,;。]{0,8}装配式(?:建筑)?(?:的)?(?:有关|相关|建设|实施|建造)*(?:要求|内容|指标|比例)",
        _says("prefabricated_condition"),
        "建设条件明确装配式要求",
        (Stage.PLANNING, Stage.LAND),
        ("建设条件意见书",),
    ),
    Thing(
        "fitting",
        r"装配(?:式|化)(?:装修|装饰装修)(?:技术|方式)?",
        _says("prefabricated_fitting"),
        "装配化装修",
        _DESIGN,
        ("装修设计文件",),
    ),
    Thing(
        "prefabricated-steel",
        r"装配式钢结构(?:建筑|体系|建造|方式|建设)*",
        _says('(prefabricated and structure == "steel")'),
        "装配式钢结构",
        _PLANNING,
        ("装配率计算书", "结构专篇"),
    ),
    Thing(
        "prefabricated",
        r"装配式(?:混凝土)?(?:建筑|方式|建造|施工|技术|结构|建设)*(?:标准|要求)?",
        _says("prefabricated"),
        "装配式建筑",
        _PLANNING,
        ("装配率计算书", "施工图审查意见"),
    ),
    Thing(
        "steel",
        r"(?:装配式)?钢结构(?:建筑|体系|建造|建设)*",
        _says('structure == "steel"'),
        "钢结构",
        (Stage.PLANNING, Stage.DESIGN_REVIEW),
        ("结构专篇",),
    ),
    Thing(
        "timber",
        r"木结构(?:建筑|体系)*",
        _says('structure == "timber"'),
        "木结构",
        (Stage.PLANNING, Stage.DESIGN_REVIEW),
        ("结构专篇",),
    ),
    Thing(
        "fitted",
        r"全装修(?:交付|成品|成品交付)*(?:使用)?|成品(?:住宅|住房|房)(?:交付)?",
        _says("fully_fitted"),
        "全装修交付",
        _DESIGN,
        ("装修设计文件", "竣工验收文件"),
    ),
    Thing(
        "green-material-share",
        rf"绿色建材(?:产品)?(?:的)?(?:应用|使用|采购)?(?:比例|占比|率){_PERCENT}",
        _bound("green_material_share", "percent", ">="),
        "绿色建材应用比例",
        _WORKS,
        ("绿色建材使用清单",),
    ),
    Thing(
        "green-materials",
        r"(?:获得认证的|认证的)?绿色(?:建筑材料|建材)(?:产品)?",
        _says("green_material_used"),
        "绿色建材",
        _WORKS,
        ("绿色建材认证证书",),
    ),
    Thing(
        "pv-share",
        rf"(?:屋顶|屋面)?(?:安装|加装|建设|铺设|敷设)?(?:太阳能|分布式)?(?:屋顶|屋面)?光伏(?:系统|组件|发电)?(?:的)?(?:安装|覆盖|铺设)?(?:面积)?(?:占[^,;。]{{0,10}})?(?:覆盖率|比例|率|面积)?{_PERCENT}"
        rf"|(?:屋顶|屋面)(?:总)?面积{_PERCENT.replace('number', 'number2')}(?:的)?[^,;。]{{0,8}}光伏(?:系统|组件)?"
        r"|光伏(?:系统|组件|设施|发电|装置)*,?其?(?:安装|铺设|敷设|覆盖)?面积(?P<number3>(?:应|须)?(?:不(?:得|应)?(?:少|低|小)于|达到)(?:建筑)?(?:屋顶|屋面)(?:总|可用|可利用|可安装)?面积的?\d+(?:\.\d+)?%(?:以上)?)",
        _bound("pv_roof_share", "percent", ">="),
        "屋顶光伏覆盖率",
        _DESIGN,
        ("光伏专篇", "并网验收记录"),
        False,
    ),
    Thing(
        "solar",
        r"太阳能(?:建筑)?(?:光热|热水)?(?:、|和|或|与|或者)(?:太阳能)?光伏(?:建筑)?(?:一体化)?(?:应用|利用|发电)?(?:系统|设施)?|太阳能(?:建筑|综合)?(?:应用|利用)?(?:系统|设施|装置)",
        _says("(solar_hot_water or pv_installed)"),
        "太阳能系统",
        _DESIGN,
        ("太阳能专篇",),
        note="太阳能系统按光热或光伏任一种计",
    ),
    Thing(
        "solar-hot-water",
        r"太阳能(?:光热|热水|热利用|集热)(?:建筑)?(?:应用|一体化|供应)?(?:系统|技术)?|光热系统",
        _says("solar_hot_water"),
        "太阳能热水",
        _DESIGN,
        ("给排水与太阳能专篇",),
        False,
    ),
    Thing(
        "pv",
        r"(?:分布式|屋顶|太阳能|建筑|智能)*光伏(?:建筑)?(?:一体化|发电)?(?:系统|设施|组件|项目|应用|装置)*|BIPV|应装尽装|能装尽装|宜装尽装",
        _says("pv_installed"),
        "太阳能光伏",
        _DESIGN,
        ("光伏专篇", "并网验收记录"),
        False,
    ),
    Thing(
        "renewable-share",
        rf"可再生能源(?:建筑)?(?:应用|替代|利用|消费)?(?:比例|率|替代率){_PERCENT}",
        _bound("renewable_share", "percent", ">="),
        "可再生能源替代率",
        _DESIGN,
        ("节能专篇",),
    ),
    Thing(
        "renewable",
        r"(?:一种|1种|一项|1项|一种以上|一种及以上|1种以上|至少一种)?(?:以上|及以上)?(?:的)?(?:太阳能、[^,;。]{0,12}等)?可再生能源(?:建筑应用)?(?:系统|技术|形式|利用设施)?",
        _says("renewable_share > 0[percent]"),
        "可再生能源应用",
        _DESIGN,
        ("节能专篇",),
        note="应用可再生能源按替代率大于零计",
    ),
    Thing(
        "sponge",
        r"海绵(?:城市)?(?:建设)?(?:设施|理念|技术|设计)?(?:和|及)?(?:标准|要求|规范)?",
        _says("sponge_city"),
        "海绵城市",
        _PLANNING,
        ("海绵城市专篇及验收意见",),
        False,
    ),
    Thing(
        "permeable",
        rf"(?:可渗透|透水)(?:地面|铺装)?(?:面积)?(?:比例|率|占比)?{_PERCENT}",
        _bound("permeable_share", "percent", ">="),
        "可渗透面积比例",
        _PLANNING,
        ("海绵城市专篇及验收意见",),
        False,
    ),
    Thing(
        "energy-platform",
        r"(?:\"?[^,;。\"]{0,14}(?:用能|能耗|能源|节能)[^,;。\"]{0,8}(?:平台|监测系统|监管系统|管理系统)\"?(?:管理|监管|统一管理)?|(?:用能|能耗)(?:在线|动态)?(?:监测|监管)(?:范围|体系)?)",
        _says("on_energy_platform"),
        "接入用能监管平台",
        (*_DESIGN, Stage.OPERATION),
        ("接入平台确认单",),
        False,
    ),
    Thing(
        "sub-metering",
        r"(?:用能|用电|能耗)?分项计量(?:装置|系统)?|分类分项计量",
        _says("sub_metering"),
        "分项计量",
        _DESIGN,
        ("电气专篇",),
        False,
    ),
    Thing(
        "heat-metering",
        r"(?:供热|分户)?(?:热量?|分户)(?:分户)?计量(?:收费|装置)*",
        _says("heat_metering"),
        "热计量",
        (*_DESIGN, Stage.OPERATION),
        ("热计量装置验收记录",),
        False,
    ),
    Thing(
        "efficiency-label",
        r"(?:建筑)?能效(?:测评)?标识|能效测评",
        _says("efficiency_label"),
        "能效测评标识",
        (Stage.ACCEPTANCE,),
        ("能效测评报告",),
    ),
    Thing(
        "green-construction",
        r"绿色(?:施工|建造)(?:方式|技术|标准|要求|规范)*",
        _says("green_construction"),
        "绿色施工",
        _WORKS,
        ("绿色施工方案与评价",),
    ),
    Thing(
        "information-model",
        r"(?:建筑信息模型|BIM|bim)(?:\((?:BIM|bim|建筑信息模型)\))?(?:正向设计)?(?:技术)?",
        _says("information_model"),
        "建筑信息模型",
        _DESIGN,
        ("建筑信息模型交付文件",),
    ),
    Thing(
        "intelligent",
        r"智能建造(?:方式|技术)?",
        _says("intelligent_construction"),
        "智能建造",
        _WORKS,
        ("智能建造实施方案",),
    ),
    Thing(
        "site-waste",
        r"(?:施工现场)?建筑垃圾(?:\([^)]*\))?排放量(?P<number>(?:应|须|控制在)?(?:不高于|不超过|不大于|小于|低于)?\d+(?:\.\d+)?)吨(?:/|每)万平方米(?:以内|以下)?",
        _bound("site_waste", "吨/万平方米", "<="),
        "施工现场建筑垃圾排放量",
        _WORKS,
        ("建筑垃圾台账",),
    ),
    Thing(
        "waste-reuse",
        rf"建筑垃圾(?:资源化|综合)?(?:利用|处置)率{_PERCENT}",
        _bound("waste_reuse_rate", "percent", ">="),
        "建筑垃圾资源化利用率",
        _WORKS,
        ("建筑垃圾台账",),
    ),
    Thing(
        "charging",
        rf"(?:配建|建设)?(?:电动汽车)?(?:充电|充换电)(?:基础)?(?:设施|桩|车位)?(?:或预留[^,;。]{{0,10}})?(?:的)?(?:车位|停车位)?(?:比例|占比)?{_PERCENT}"
        rf"|{_PERCENT.replace('number', 'number2')}(?:的)?(?:配建|建设|安装|预留|车位)[^,;]{{0,10}}充电[^,;]{{0,20}}",
        _bound("charging_share", "percent", ">="),
        "配建充电设施车位比例",
        _PLANNING,
        ("总平面图",),
    ),
    Thing(
        "flexible",
        r"\"?光储直柔\"?(?:建筑|技术|系统)?",
        _says("direct_current_storage"),
        "光储直柔",
        _DESIGN,
        ("电气专篇",),
    ),
    Thing(
        "electrified", r"全(?:面)?电气化(?:设计|改造)?", _says("electrified"), "全电气化", _DESIGN, ("暖通与电气专篇",)
    ),
    Thing(
        "parts",
        r"预制(?:内隔墙板|内墙板|楼梯板|楼梯|楼板|叠合楼板)(?:(?:、|和|及)(?:预制)?(?:内隔墙板|内墙板|楼梯板|楼梯|楼板|叠合楼板))*",
        _says("prefabricated_inner_parts"),
        "预制内隔墙板、楼梯板、楼板",
        _DESIGN,
        ("结构专篇",),
    ),
    Thing(
        "rescue",
        r"(?:与)?(?:当地|本地)?消防救援能力相(?:匹配|适应)",
        _says("fire_rescue_matched"),
        "高度与消防救援能力相匹配",
        _APPROVAL,
        ("消防救援机构意见",),
    ),
    Thing(
        "review",
        r"(?:严格|充分|专题|专项|科学|进行|开展|组织|安全|可行性|必要性|和|的)*论证(?:评估)?",
        _says("special_review"),
        "专项论证",
        _APPROVAL,
        ("专题论证报告",),
    ),
    Thing(
        "height-limit",
        rf"(?:建筑)?(?:限高|高度|檐口高度){_LIMIT}(?:控制在)?(?P<number>(?:不超过|不得超过|不高于|不大于|不应超过|不宜超过|低于|≤)?\d+(?:\.\d+)?(?:米|m)(?:以下|以内|及以下)?)",
        _bound("height", "m", "<="),
        "建筑高度",
        _APPROVAL,
        ("规划条件",),
    ),
    Thing(
        "storey-limit",
        rf"(?:建筑|地上|最高)?(?:层数)?{_LIMIT}(?:控制在)?(?P<number>(?:不超过|不得超过|不高于|不大于|不应超过|不宜超过|低于|≤)\d+层|\d+层(?:以下|以内|及以下))",
        _bound("storeys", "storey", "<="),
        "层数",
        _APPROVAL,
        ("规划条件",),
    ),
    Thing(
        "plot-ratio",
        rf"容积率{_LIMIT}(?:控制在)?(?P<number>(?:不超过|不得超过|不高于|不大于|低于)\d+(?:\.\d+)?)",
        _bound("plot_ratio", "ratio", "<="),
        "容积率",
        _APPROVAL,
        ("规划条件",),
    ),
    Thing(
        "retrofit",
        r"应改尽改|能改尽改|(?:同步|同时|全面|一并|实施|进行|开展)*(?:建筑)?(?:节能|绿色化|绿色节能|能效提升|节能降碳)(?:绿色化)?改造",
        _says('work == "renovation"'),
        "纳入节能改造",
        (Stage.PLANNING,),
        ("改造鉴定评估报告",),
        False,
    ),
    Thing(
        "lamps",
        r"(?:低功效|低效|高能耗|高耗能|高耗|落后|国家|明令|已|、|的|和|及)+(?:淘汰)?(?:的)?(?:照明|灯具)(?:产品|设备|灯具)*",
        _says("lamp_obsolete"),
        "淘汰照明产品",
        _DESIGN,
        ("灯具能效检测报告",),
        False,
    ),
)

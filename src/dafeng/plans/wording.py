"""What a number is about: label, scope, sense of a change and sort, cut from the words of its piece."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from dafeng.base.target import BaseState, Change, Comparator, Measure
from dafeng.plans.comparators import Compared, compare_words, suffix_length
from dafeng.plans.deadlines import TimeMention, TimeRole
from dafeng.plans.read_records import LabelKind, ReadNumber
from dafeng.plans.units_written import COUNTED

__all__ = ["Wording", "clean_label", "read_wording", "shared_subjects", "sort_of"]

_WHOLE: Final = r"(?:全省|全市|全国|全区|全县|全州|全旗|全域|全盟|我省|我市|我区|我县|我州|各地区?|各(?:县区|区县|市|县|区)(?:\([^)]{1,8}\))?|本市|本省|本区)"
_LEAD: Final = re.compile(
    rf"^(?:[\"'、:,)(\]-]|其(?![中他它余次])|并|且|即|同时|其中|此外|另外|以及|和|及|与|力争|争取|确保|力求|努力|使得?|预计|计划|规划(?!建设)|实现(?!率)|推动|推进|到|在|{_WHOLE}(?:的|共|内|范围内)?"
    r"|基本|持续|进一步|稳步|逐步|不断|主动|年内|期间|前|末|底|时|将|[一二两三四五六]年内?(?=达|完成|实现|$)|(?:\d{1,2}|[一二三四五六七八九十]{1,2})月(?:\d{1,2}日)?(?:底|末)?前(?=[^后])|严格执行|严格落实|全面执行|执行(?=新建|城镇)|按照|每年底前|通过[^,]{1,16}(?:使|将)|--|[一二三四五]是|保证|保障|要求|总体上?|原则上|全面提升|每年(?=[^,]{0,14}[率量]))+"
)
_TRAIL: Final = re.compile(
    r"(?:(?:比|较)(?:历史)?峰值|力争|争取|确保|应当|应|须|必须|需|要|将|可|原则上|总体上?|整体上|平均|均|都|全部|分别|的|(?<![比约])占(?!比)|稳步|进一步|逐步|大幅|有望|不断|、|:|,|\"|'|再|年均|同比|累计|普遍|基本|各|共|总计|合计|率先|先行|也|已|不|实现|持续|最终|每日|每天|预计|计划|目标为?|指标为?|值?为|由|从|仅|只|还|每年|以|到|幅度|和|达|达到|始终|稳定|长期|全面|严格|统一)+$"
)
_SCOPE: Final = re.compile(
    rf"^({_WHOLE}|(?:中心城区|主城区|城市建成区|建成区|城镇|城市|县城|农村|乡村|城乡|市区|城区|地级及以上城市|设市城市|县级市|建制镇|严寒、?寒冷地区|夏热冬冷[^,]{{0,10}}地区|寒冷地区|新建[^,占]{{2,10}}建筑|既有[^,占]{{2,6}}建筑|公共机构)内?)"
)
_UP: Final = r"递增|提高|提升|增长|增加|上升|扩大|改善|增强|增|升高"
_DOWN: Final = r"递减|下降|降低|减少|压减|压降|削减|缩减|缩短|减排|减|降|节约|节省"
_CHANGE: Final = re.compile(
    rf"(?:累计|总体|平均|分别|整体|再|净|同比|年均|合计|力争|相应|共|逐年|每年|有所)*(?P<verb>{_UP}|{_DOWN})(?P<noun>率|幅度|比例|幅|程度|了)?(?:为|应|要|须|可|约|在)?$"
)
_FALL: Final = re.compile(_DOWN)
_EXISTING: Final = re.compile(
    r"(?:在|比|较|与|对比|基于)?(?:现有|现行|峰值|现状|目前|国家|原有|原|上年|当前|同期|既有|基准)[^,;]{0,8}?(?:水平|基础|标准|现状|上年|年)(?:的?(?:基础|水平))?(?:之?上|相比)?"
)
_BEFORE_WORKS: Final = re.compile(r"(?:改造|更新|整治|修缮|升级|提升)后")

_PER_YEAR: Final = re.compile(
    r"每年度?|年均|逐年|每个?年度|(?<![\d今去来本当明常近两三五十多历])年(?=节约|节电|节能(?!能力)|节水|减排|减碳|减少|替代|新增|培训)"
)
_NEED: Final = re.compile(r"(?:节能)?(?:要求|标准|设计标准|节能率|目标|水平|创建要求)$")
_VERB: Final = re.compile(
    r"(?:先行|率先|全部|全面|基本|已|均|都|初步|实现)?(?:达到|达|进行|建成(?!区)|完成|实现|采用|执行|使用|建立|开展|配备|安装|接入|纳入|开放|具备|通过|落实|应用|建有|设置|配建|实施|推行|满足|参与|创建|形成|获得|取得|改造为|成为|覆盖|符合|接通|拥有)"
)
_BUILT: Final = re.compile(
    r"新增|净增|累计|完成|建成(?!区)|改造|打造|培育|创建|推广|实施|建设|新建|扩建|改建|发展|开工|组织|评选|认定|遴选|布局|设立|选取|安装|更换|更新|治理|整治|配建|配备|增加|减少|节约|形成|推出|开展|编制|制定|修订|出台|发布|建立|替代|投放|购置|淘汰|绿化|修复|种植|拥有|提供|筹集|供应|培训|完善|支持|引进|落地|示范|开发|提升|举办|采购|推动|竣工|覆盖|惠及|架设|铺设|敷设|新装|加装|栽植|疏浚|清淤"
)
_ADDED: Final = re.compile(
    r"新增|净增|新装|加装|铺设|敷设|完成|改造|新建|实施|增加|减少|更新|治理|整治|修复|更换|淘汰|扩建|改建|开工|筹集|替代|种植|累计推广|累计实施|累计完成"
)
_ADDED_CAPACITY: Final = re.compile(r"(?:累计)?(?:新增|新建|扩建)(?!建筑|住宅|小区|农房|项目)")
_A_TIME: Final = ("/日", "/天", "/年", "/小时", "/h", "/d", "/a")
_STATE: Final = re.compile(
    r"(?:里程数?|排放量|排放总量|能耗|消费量|消费总量|消耗量|用水量|用电量|人口|强度|密度|宽度|高度|浓度|产生量|处理能力|总量|规模|指数|面积指标|值|年限|寿命|长度|温度|时间|半径|间距|用量|余额|量)$"
)
_FROM_VALUE: Final = re.compile(r"(?:由|从)(?:[^,;由从]{0,14}的)?(?:约|不足|近)?\d[\d.]*\D.*$")
_RATIO: Final = re.compile(
    r"(?:比|比值|系数|容积率|指数|PUE|PUE值|COP|电能利用效率|电能使用效率|电源使用效率|能效比|热阻|评分|得分|满意度)\)?$"
)
_PER_HEAD: Final = re.compile(r"人均|万人|每千人|单位(?:面积|建筑面积|产值|GDP)|户均")
_PARTS: Final = re.compile(r"、|和|与|及|以及")
_AREA: Final = re.compile(
    r"^(?:新建|既有|改建)?(?:城市|县城|农村|乡村|城镇|城区|建制镇|乡镇|市区|县级市|设市城市|地级市|地级及以上城市|居住建筑|公共建筑|工业建筑|公共机构|主城区|民用建筑|(?<=新建)建筑|(?<=既有)建筑|建成区|中心城区|重点镇|县|镇|市级|省级|国家级|区级|县级|党政机关|机关|学校|医院|村委会|厂房|工业厂房|工商业厂房|工商业|农村居民|道路|居住区|住宅|小区|公园|广场)(?:建成区)?"
)


_PIPED: Final = re.compile(
    r"(?:供水|排水|燃气|供热|供气|供电|污水|雨水|再生水|热力|电力|通信)(?=管网|管道|管线|管廊|线路|$)"
)


class Wording(NamedTuple):
    """What a number is about.

    Parameters
    ----------
    label : str
        Words that name the quantity; empty where the piece has none of its own.
    scope : str or None
        Part of the whole that is meant.
    compared : Compared
    change : Change or None
    base_state : BaseState or None
    yearly : bool
        Whether it is an amount a year.
    built : bool
        Whether a verb of doing stands with it.
    subject : str
        Words before the comparator, cleaned, without what stands behind the number.
    """

    label: str
    scope: str | None
    compared: Compared
    change: Change | None
    base_state: BaseState | None
    yearly: bool
    built: bool
    subject: str


_OF_PLACE: Final = re.compile(
    r"^(位于[^的,]{2,24}的(?:县城|城市|区域|地区)?|每个|单个|各个|[^的占,]{2,14}(?:城市|地区|县城|区域|项目|内)的)(?=[^的]{2})"
)
_EXTREME: Final = re.compile(r"^([^,]{0,8}(?:地段|地区|区域|城市|项目))?(?:最高|最低|最大|最小|最多|最少|一般)$")
_BARE_MEASURE: Final = re.compile(
    r"^(?:其中)?(?:净?宽度|长度|面积|密度|高度|层数|比例|占比|数量|总量|规模|覆盖率|利用率|普及率|净宽|进深|达标率|回收率|完成率|节能率|装配率|绿地率|节水率)$"
)
_MEASURE: Final = re.compile(
    r"(?:率|比例|占比|比重|比率|能效|强度|密度|标准|要求|水平|能耗|程度|系数|指数|度|排放量|产生量)$"
)
_RATE: Final = re.compile(r"(?:率|比例|占比|比重|比率|强度|密度|排放量|产生量)$")
_BARE_VERB: Final = re.compile(
    r"(?:每年|累计|年均|共|全部|基本|其中|再|各)*(?:完成|改造|新增|净增|建成|建设|更新|推广|实施|打造|新建)+"
)
_SET_OUT: Final = re.compile(
    r"^(?:大力|全面|积极|持续|有序|加快|统筹|深入|扎实|稳步)*(?:推进|推动|实施|开展|加强|组织|加快|抓好|做好|推广|完成)+"
)
_RISING: Final = re.compile(
    r"(?:稳步|逐步|持续|不断|大幅|明显|显著|进一步|有效)+(?:提升|提高|下降|降低|增长|增加|改善)$"
)
_SUBGROUP: Final = re.compile(
    r"(?:地区|区域|城市|县城|县|市|区|城区|片区|镇|乡村|农村|建筑|住宅|项目|农房|厂房|居民|农户|园区|机关|医院|学校|企业)$"
)
_OF_SUBGROUP: Final = re.compile(
    r"^(.{2,}?(?:率|比例|占比|比重))((?![高低])[^率比]{2,12}(?:地区|区域|城市|县城|县|城区|建制镇))$"
)
_ROOF: Final = re.compile(r"(?:屋顶|屋面)[^,]{2,}$")
_COMPARED_WITH: Final = re.compile(r"(?:比|较|[高低]于|优于)[^,;率]{2,12}(?:水平|平均|均值|平均值)[高低]?")
_WHOLE_START: Final = re.compile(r"^(?:全省|全市|全区|全县|城镇|城市)")
_WORKED_ON: Final = re.compile(
    r"农房|农村住房|公共建筑|居住建筑|老旧小区|既有建筑|住宅|小区|学校|医院|机关|公共机构|供热管网|供水管网|路灯|照明"
)


def carried_label(
    label: str, labels: Sequence[str], place: int, words_before: str, *, relative: bool
) -> tuple[str, str | None] | None:
    """Complete a label that says too little with the one before it; None where nothing is to be added.

    Parameters
    ----------
    label : str
        Own words of the piece.
    labels : sequence of str
        Labels of the clause before.
    place : int
        Place of the number among those that share a subject.
    words_before : str
        Words of the clause before, where it holds no number.
    relative : bool
        Whether the number is a share or an intensity, so that 公共建筑达到72% speaks of the measure named before.

    Returns
    -------
    (str, str or None)
        Full label, and the part of the whole that the own words name.
    """
    earlier = labels[min(place, len(labels) - 1)] if labels else words_before if _RATE.search(words_before) else ""
    if of_group := _OF_SUBGROUP.match(label):
        return of_group[1], of_group[2]
    if earlier and _COMPARED_WITH.fullmatch(label):
        return earlier, None
    if not label:
        return (earlier or words_before, None) if earlier or words_before else None
    if (extreme := _EXTREME.match(label)) and earlier:
        return (earlier if extreme[1] else f"{earlier}{label}"), extreme[1]
    if _BARE_VERB.fullmatch(label) and (words_before or earlier):
        pace = re.match(r"(?:每年|累计|年均)?", label)
        core = label[pace.end() :] if pace else label
        done = _SET_OUT.sub("", re.sub(r"^(?:每年|累计|年均)", "", words_before or earlier))
        return f"{label.removesuffix(core)}{done}" if core in done else f"{label}{done}", None
    if (
        relative
        and earlier
        and _MEASURE.search(earlier)
        and not re.search(r"率|比例|占比|比重", label)
        and _SUBGROUP.search(label)
    ):
        owner = (
            _AREA.sub("", earlier)
            if label.endswith(("建筑", "住宅", "项目", "农房"))
            else roof.group()
            if (roof := _ROOF.search(earlier))
            else _WHOLE_START.sub("", earlier)
        )
        return f"{label}{owner}", label
    if label.startswith("占") and earlier:
        return f"{earlier}{label}" + ("" if label.startswith("占比") else "比例"), None
    if _BARE_MEASURE.match(label) and words_before and not labels:
        owner = re.split(r"应|要|须|需|可", words_before)[0]
        return f"{owner}{label.removeprefix('其中')}", None
    return None


def worked_on(before: str) -> str | None:
    """Return what was last named as being renovated, for 改造后…; None where nothing was."""
    found = list(_WORKED_ON.finditer(before))
    return found[-1].group() if found else None


def clean_label(words: str) -> str:
    """Return words without conjunctions, 力争, 全市 before them and 力争, 应, 平均 behind them.

    Examples
    --------
    >>> clean_label("力争全市城市再生水利用率力争"), clean_label("并实现装配式建筑占比的")
    ('城市再生水利用率', '装配式建筑占比')
    """
    return _TRAIL.sub("", _RISING.sub("", _LEAD.sub("", words))).replace('"', "")


def _without_times(text: str, start: int, end: int, times: tuple[TimeMention, ...]) -> str:
    """Return the words between two offsets without years and plan periods."""
    parts, here = [], start
    for time in times:
        if time.end <= start or time.start >= end or time.role.value in ("object", "name"):
            continue
        parts.append(text[here : max(here, time.start)])
        here = max(here, time.end)
    parts.append(text[here:end] if here < end else "")
    return "".join(parts)


def _share_label(scope: str, behind: str) -> str:
    """Label of a share that stands before what it is of: 60%的社区达到要求 → 达到要求的社区占比."""
    words = behind.removeprefix("的")
    verb = _VERB.search(words)
    if verb and verb.start() > 0:
        done = re.sub(r"^(?:先行|率先|全部|全面|基本|已|均|都|初步)", "", words[verb.start() :])
        return f"{done}的{words[: verb.start()]}占比"
    return f"{scope}{words}占比" if words else scope


def read_wording(
    text: str,
    number: ReadNumber,
    start: int,
    end: int,
    times: tuple[TimeMention, ...],
    *,
    group: tuple[ReadNumber, ...] = (),
) -> Wording:
    """Read the words of a piece around its number.

    Parameters
    ----------
    text : str
        Folded text.
    number : ReadNumber
    start, end : int
        The piece.
    times : tuple of TimeMention
        Years of the sentence.
    group : tuple of ReadNumber, optional
        Numbers that share one subject: words before the first are the subject.
    """
    before = _without_times(text, start, group[0].at.start if group else number.at.start, times)
    after = text[number.at.end : end]
    compared = compare_words(before, after)
    behind = after[compared.suffix :].strip("\"'")
    if group:
        closing = text[group[-1].at.end : end]
        behind = closing[suffix_length(closing) :].strip("\"'")
    subject, between = before, ""
    if compared.word:
        subject, between = before[: compared.word[0]], before[compared.word[1] :]
        if (
            before[compared.word[0] : compared.word[1]] in ("完成", "实现", "执行")
            and number.unit not in ("%", None)
            and not between
        ):
            subject = before
    state = (
        BaseState.BEFORE_WORKS
        if _BEFORE_WORKS.search(before)
        else BaseState.EXISTING
        if _EXISTING.search(before)
        else None
    )
    unit = number.unit or ""
    change: Change | None = None
    sense = _CHANGE.search(subject) or (_CHANGE.search(before) if compared.word is None or between else None)
    if sense is None and compared.word and (moved := re.search(rf"(?:{_UP}|{_DOWN})(?:幅度?|率|比例)$", subject)):
        sense = moved
    based = any(time.role is TimeRole.BASE and start <= time.start < number.at.start for time in times)
    relative = based or unit in ("%", "‰", "个百分点", "百分点", "个点", "倍", "番", "个百分比", "℃", "摄氏度")
    if relative and sense and not re.search(r"(?:到|至|为)$", before[: sense.end()]):
        verb = sense.groupdict().get("verb") or sense.group()
        change = Change.DECREASE if _FALL.match(verb) else Change.INCREASE
        subject = subject[: sense.start()] if sense.start() < len(subject) else subject
    elif unit in ("个百分点", "百分点", "个点") or text[number.digits.start] == "翻":
        change = Change.INCREASE
    if change is not None:
        subject = _EXISTING.sub("", subject)
    label = clean_label(_FROM_VALUE.sub("", subject))
    scope_found = re.search(_WHOLE, subject[:12]) or _SCOPE.match(label)
    if place := _OF_PLACE.match(label):
        label, scope_found = label[place.end() :], re.search(r"位于.*(?=的)|[^的]+", place.group())
    if change is not None and "后" in label:
        label = label.replace("后实现", "后").replace("后,", "后")
    label, behind = _with_behind(label, subject, between, behind, unit, compared, change)
    return Wording(
        label=label,
        scope=scope_found.group() if scope_found else None,
        compared=compared,
        change=change,
        base_state=state,
        yearly=bool(_PER_YEAR.search(before)) or (unit.endswith(("/年", "/a")) and "新增" in before),
        built=bool(_BUILT.search(before)),
        subject=label,
    )


def _with_behind(
    label: str, subject: str, between: str, behind: str, unit: str, compared: Compared, change: Change | None
) -> tuple[str, str]:
    """Complete a label with the words between comparator and number, and those behind the number."""
    reference = between.strip("的").removeprefix("到")
    share = unit in ("%", "‰")
    if share and between.endswith("的") and label and reference and change is None:
        return f"{label}占{reference}比例", behind
    if reference and len(reference) > 1 and not compare_words(reference, "").word:
        label = clean_label(f"{label}{reference}") if not share or not label else label
    if not behind:
        return label, behind
    if share and not label and _NEED.fullmatch(behind.removeprefix("节能")) and compared.word:
        return "", ""
    partial = share and change is None and label and not between and not compared.word and not behind.startswith("全")
    if partial and (verb := _VERB.search(behind)):
        return f"{behind[verb.start() :]}的{label}{behind[: verb.start()]}占比", ""
    if (
        share
        and change is None
        and (not label or re.fullmatch(_WHOLE, label))
        and re.match(r"的?[一-鿿A-Za-z]", behind)
    ):
        return _share_label(label, behind), ""
    if share and change is None and (need := _NEED.search(behind)) and len(behind) <= 12:
        return f"{label}{behind if need else ''}".replace("的节能", "节能"), ""
    if (
        not share
        and change is None
        and not (compared.comparator is Comparator.ABOUT and compared.word and compared.suffix)
        and re.match(r"的?[一-鿿A-Za-z\"]", behind)
    ):
        noun = re.split(r"[(,;、]", behind.removeprefix("的"))[0]
        return f"{clean_label(label) if label else clean_label(subject)}{noun}", ""
    return label, behind


def shared_subjects(subject: str, count: int) -> list[str]:
    """Return the labels of `count` numbers that share one subject (A、B分别达到…), one each; the subject itself where it does not divide.

    Examples
    --------
    >>> shared_subjects("城市、县城污水处理率", 2), shared_subjects("绿地率和绿化覆盖率", 2), shared_subjects("绿地率", 2)
    (['城市污水处理率', '县城污水处理率'], ['绿地率', '绿化覆盖率'], ['绿地率', '绿地率'])
    """
    for pattern in (re.compile(r"和|与|以及|及(?!以)"), _PARTS, re.compile("、")):
        parts = [part for part in pattern.split(subject) if part]
        if len(parts) == count:
            last = parts[-1]
            piped = _PIPED.match(last)
            area = piped or _AREA.match(last)
            tail = last[area.end() :] if area else ""
            shared = _PIPED.sub("", parts[0]) if piped and _PIPED.search(parts[0]) else ""
            head = re.match(r"^(?:新建|既有|城镇新建|城市新建|新增)", parts[0])
            full = []
            for index, part in enumerate(parts):
                own = _AREA.fullmatch(part) or (piped and _PIPED.search(part))
                words = f"{part}{tail}" if tail and own and index < count - 1 else part
                words = f"{shared}{words}" if index else words
                if (
                    index
                    and head
                    and not words.startswith(head.group())
                    and _AREA.match(words)
                    and re.match(r"居住|公共", words)
                ):
                    words = head.group() + words
                full.append(clean_label(words))
            return full
    return [subject] * count


def sort_of(number: ReadNumber, wording: Wording, label: str, *, dated: bool) -> tuple[LabelKind, Measure]:
    """Return the sort of a target as labelled, and how the house reads it.

    Parameters
    ----------
    number : ReadNumber
    wording : Wording
    label : str
        Its label, carried over where the piece has none.
    dated : bool
        Whether a deadline governs it.
    """
    unit = number.unit or ""
    counted = unit.lstrip("万亿")
    compound = "/" in unit or "每" in unit
    if wording.yearly:
        return LabelKind.PER_YEAR, Measure.EACH_YEAR
    if wording.change is not None:
        return LabelKind.CHANGE, Measure.CHANGE
    bound = wording.compared.strict
    made = wording.built or bool(_BUILT.search(label))
    compound = compound and not (_ADDED_CAPACITY.match(label) and unit.endswith(_A_TIME))
    share = unit in ("%", "‰", "") or compound or unit == "倍"
    if (
        share
        or counted == "层"
        or (number.value_max is not None and not made and counted not in COUNTED)
        or _PER_HEAD.search(label)
        or (_STATE.search(label) and not re.search(r"新增|累计|完成|新建|改造|减排", label))
    ):
        standing = not dated and (bound or number.value_max is not None or counted == "层")
        return (LabelKind.LIMIT, Measure.LIMIT) if standing else (LabelKind.LEVEL, Measure.LEVEL)
    if made or dated or (counted in COUNTED and not bound):
        added = bool(_ADDED.search(label))
        if not dated and bound and not (wording.built and counted in COUNTED):
            return LabelKind.LIMIT, Measure.LIMIT
        return LabelKind.COUNT, Measure.CUMULATIVE if added else Measure.LEVEL
    return (
        (LabelKind.LIMIT, Measure.LIMIT)
        if wording.compared.comparator not in (Comparator.EQUAL, Comparator.ABOUT)
        else (LabelKind.COUNT, Measure.LEVEL)
    )


def names_ratio(label: str) -> bool:
    """Whether a label names a bare ratio, so that a number without unit may be its value."""
    return bool(_RATIO.search(label))

"""Why a number of a plan is no promise: named reasons, from where and in which words it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from dafeng.plans.comparators import suffix_length
from dafeng.plans.deadlines import TimeMention, TimeRole
from dafeng.plans.read_records import ClauseKind, ReadNumber

__all__ = ["REASONS", "Surroundings", "described_object", "named_reason"]

REASONS: Final[dict[str, str]] = {
    "rejected_by_person": "读法被人驳回",
    "heading": "标题或序号",
    "document_number": "文号",
    "date": "日期",
    "deadline": "期限",
    "baseline_year": "基准年",
    "baseline_value": "基数（由…提高到…中的起点）",
    "start_year": "起始年",
    "repeated_deadline": "每年的期限",
    "title_of_document": "文件名中的数",
    "standard_number": "标准编号",
    "living_circle": "生活圈分钟数",
    "description_of_object": "对象的限定条件",
    "existing_count": "现有数量",
    "past_achievement": "已取得的成绩",
    "name_of_place": "地名、线路名",
    "name_of_technology": "技术名称",
    "name_of_programme": "工程、行动、规划名称",
    "list_count": "内容条数",
    "period_of_time": "时长、周期",
    "ordinal": "序数",
    "address": "电话、地址、邮编",
    "grade": "等级",
    "forecast": "预测，不是承诺",
    "amount_of_money": "奖补、罚款等金额",
    "repeated_target": "附件重复正文的目标",
    "no_plan": "文件不是方案",
}
"""Named reasons with their Chinese titles; target, obligation and unclaimed stand beside them."""


class Surroundings(NamedTuple):
    """Where a number stands.

    Parameters
    ----------
    text : str
        Folded text of the document.
    number : ReadNumber
    kind : ClauseKind
        What its clause is for.
    in_heading : bool
        Whether it stands in a heading or its mark.
    in_title : bool
        Whether it stands between 《 and 》.
    time : TimeMention or None
        The year or period of which it is part.
    """

    text: str
    number: ReadNumber
    kind: ClauseKind
    in_heading: bool
    in_title: bool
    time: TimeMention | None

    @property
    def before(self) -> str:
        """Twenty characters before the numeral."""
        start = self.number.digits.start
        return self.text[max(0, start - 20) : start]

    @property
    def after(self) -> str:
        """Twenty characters from behind the numeral."""
        return self.text[self.number.digits.end : self.number.digits.end + 20]

    @property
    def behind(self) -> str:
        """Twenty characters from behind the unit."""
        return self.text[self.number.at.end : self.number.at.end + 20]


_STANDARD: Final = re.compile(
    r"(?:GB|DB|JGJ|CJJ|CJ|JG|JC|CECS|TCECS|T|NB|DL|ISO|IEC|HJ|SL|TSG|XJJ|DBJ|J)(?:[/_-]?[A-Z]{1,6}\d{0,4})?[-/_]?T?\d*(?:\.\d+)?(?:-\d*)?[-.]?$"
)
_STANDARD_YEAR: Final = re.compile(r"(?:GB|DB|JGJ|CJJ|JG|JC|CECS|NB|ISO|HJ)[A-Z/]*\d+(?:\.\d+)?-$")
_LIST: Final = re.compile(
    r"(?:个?大?(?:方面|环节|领域|部分|维度|层面|板块|体系|专章)|(?:大|项|个|条|类|大类|方面)?(?:重点|主要|具体|保障|关键|核心|政策|专项|示范|支持|工作|推进|十大)*"
    r"(?:任务|措施|举措|行动|工程|要求|意见|目标任务|行动计划|政策措施|内容|指标|清单|步骤|原则))"
)
_DOING: Final = re.compile(
    r"新增|累计|完成|建成|改造|打造|培育|创建|推广|实施|建设|新建|扩建|改建|发展|力争|达到?|不少于|不低于|至少|超过|组织|评选|认定|遴选|布局|设立|选取|安装|更换|更新|治理|配建|配备|增加|减少|节约|形成|推出|开展|编制|制定|修订|出台|发布|实现"
)
_CIRCLE: Final = re.compile(r"(?:生活圈|便民|步行|健身圈|服务圈|可达|社区|圈)")

_Rule = Callable[[Surroundings], bool]


def _heading(at: Surroundings) -> bool:
    return at.in_heading


def _document_number(at: Surroundings) -> bool:
    bracketed = at.before.endswith("[") and at.after.startswith("]") and 1949 <= at.number.value <= 2100
    named = at.number.unit is None and bool(re.match(r"号(?:文|令|公告|件|通知)", at.after))
    return (
        bracketed
        or named
        or bool(re.search(r"(?:\[(?:19|20)\d\d\]|(?:19|20)\d\d年?)第?$", at.before) and at.after.startswith("号"))
    )


def _standard_number(at: Surroundings) -> bool:
    return bool(_STANDARD.search(at.before) or _STANDARD_YEAR.search(at.before))


def _technology(at: Surroundings) -> bool:
    if re.search(r"(?:CO|PM|SO|N[O]x?|CH|O)$", at.before) and at.number.unit is None:
        return True
    latin_before = bool(re.search(r"[A-Za-z](?:-|\.)?$", at.before)) and not re.search(
        r"(?:PUE|COP|EER|APF|pH)$", at.before
    )
    latin_after = (
        at.number.unit is None
        and bool(re.match(r"(?:\.\d)?[A-Za-z]", at.after))
        and not re.match(r"[Nn]{1}\b", at.after)
    )
    return latin_before or latin_after or (at.number.unit is None and bool(re.match(r"\.0", at.after)))


def _place(at: Surroundings) -> bool:
    if _technology(at) and re.match(r"(?:组团|地块|片区|区块|街区|号|线|单元)", at.behind):
        return True
    return at.number.unit is None and bool(re.match(r"(?:号?线|号(?:楼|地块|院|路|门|站|馆|公路)|路)", at.after))


def _programme(at: Surroundings) -> bool:
    if at.time is not None and at.time.role is TimeRole.NAME:
        return not at.in_title
    if at.number.unit == "%" and at.number.value == 100 and re.search(r"[\d一二三四五六七八九十两]个$", at.before):
        return True
    plus = bool(re.match(r"\+[\dNXn]", at.after) or re.search(r"[\dNXn\]]\+$", at.before))
    return plus or (
        at.number.unit is None
        and bool(re.match(r"(?:(?:政务|便民|服务)*热线|平台|工程|行动|体系|战略|模式|工作法|计划)", at.after))
    )


def _circle(at: Surroundings) -> bool:
    unit = at.number.unit
    if unit is None and (re.match(r"(?:/\d+)*/?\d*分钟", at.after) or re.match(r"、\d+分钟", at.after)):
        return True
    return unit in ("分钟", "min") and bool(
        _CIRCLE.search(at.behind[:12]) or re.search(r"步行|分钟|构建|打造$", at.before[-8:])
    )


def _date(at: Surroundings) -> bool:
    if at.time is not None and at.time.role is TimeRole.DATE:
        return True
    return at.number.unit in ("月", "日") and bool(re.search(r"\d{4}年(?:\d{1,2}月)?$", at.before))


def _repeated(at: Surroundings) -> bool:
    return at.number.unit in ("月", "日") or (
        at.number.unit == "年" and at.number.value < 32 and bool(re.search(r"每$", at.before))
    )


def _past(at: Surroundings) -> bool:
    return at.time is not None and at.time.role is TimeRole.PAST


def _deadline(at: Surroundings) -> bool:
    return at.time is not None and at.time.role is TimeRole.BY


def _baseline(at: Surroundings) -> bool:
    return at.time is not None and at.time.role is TimeRole.BASE


def _start(at: Surroundings) -> bool:
    return at.time is not None and at.time.role is TimeRole.START


def _object_year(at: Surroundings) -> bool:
    return at.time is not None and at.time.role is TimeRole.OBJECT


def _ordinal(at: Surroundings) -> bool:
    labelled = at.number.unit is None and at.before.endswith(("表", "图", "专栏", "附件"))
    return labelled or (at.before.endswith(("第", "编号", "序号", "代码")) and at.number.unit != "%")


def _grade(at: Surroundings) -> bool:
    return at.number.unit in ("星级", "星", "级")


def _address(at: Surroundings) -> bool:
    return at.number.unit is None and (
        at.number.value >= 1e6 or bool(re.search(r"(?:电话|邮编|传真|邮箱|地址)[::]?\d*-?$", at.before))
    )


def _list_count(at: Surroundings) -> bool:
    unit = at.number.unit
    if unit in ("大", "大类"):
        return True
    if unit in (None, "项", "个", "条", "类") and _LIST.match(at.behind) and at.number.value <= 300:
        return not _DOING.search(at.before[-8:])
    return unit is None and bool(re.match(r"(?:部门|部委|单位|方面)", at.after))


_RULES: Final[tuple[tuple[str, _Rule], ...]] = (
    ("heading", _heading),
    ("document_number", _document_number),
    ("title_of_document", lambda at: at.in_title),
    ("standard_number", _standard_number),
    ("name_of_place", _place),
    ("name_of_technology", _technology),
    ("date", _date),
    ("name_of_programme", _programme),
    ("past_achievement", _past),
    ("deadline", _deadline),
    ("baseline_year", _baseline),
    ("start_year", _start),
    ("description_of_object", _object_year),
    ("living_circle", _circle),
    ("ordinal", _ordinal),
    ("repeated_deadline", _repeated),
    ("list_count", _list_count),
    ("grade", _grade),
    ("address", _address),
)


def named_reason(at: Surroundings) -> str | None:
    """Return the reason why a number is no amount at all (a date, a heading, part of a name); None where it may be one."""
    for reason, rule in _RULES:
        if rule(at):
            return reason
    return None


_PREDICATE: Final = re.compile(
    r"执行|应|须|必须|全部|全面|按照|按|达到|采用|安装|纳入|实行|不得|不宜|要|建立|均|需|占比|比例|率|优先|率先|同步|进行|开展|实施|推广|鼓励|推行|完成|实现|强制|设置|配建|使用|设计|编制"
)
_BOUND: Final = re.compile(r"(?:或|及|\(含\))?以[上下内外]|及更[高低]|之[上下]")
_OBJECT_BEFORE: Final = re.compile(
    r"(?:单体|总?建筑面积|总?用地面积|占地面积|面积|高度|规模|人口|容量|功率|装机|能力|能耗|运行|使用|服役|房龄|楼龄|节能率|综合节能率|跨度|层数|管龄|用量|户数|容积率)"
    r"(?:在|为|达到|达|大于|超过|不低于|不少于|不小于|小于|低于)?$"
)
_HABITUAL: Final = ("年", "层", "万人", "人", "岁", "千伏", "蒸吨", "伏", "日", "天", "级", "千伏安", "万人口")


_DUTY_NEXT: Final = re.compile(r"[,、](?:均|都|一律|全部|原则上|其)?(?:应|须|必须|要|不得|需|按|执行|达到|优先|采用)")
_CONDITION: Final = re.compile(
    r"的(?:,|(?:可|应|应当|须|要|不得|不予|予以|给予|享受|纳入|列入|按照?|由|优先|实行|实施奖|方可|一律|参照|视为|认定为|免予|减免|奖励|补助|补贴))"
)


def described_object(text: str, number: ReadNumber, start: int, end: int) -> bool:
    """Whether a number only says which objects are meant (5000平方米以上公共建筑, 15个缺水城市, 30年以上管网).

    Parameters
    ----------
    text : str
        Folded text.
    number : ReadNumber
    start, end : int
        Its piece.
    """
    before, after = text[start : number.at.start], text[number.at.end : end]
    suffix = suffix_length(after)
    bound = _BOUND.match(after)
    rest = after[suffix:].removeprefix(")")
    if rest == "的" and (bound or text[end : end + 1] == ","):
        return text[end : end + 1] not in ("。", ";")
    if not rest or not re.match(r"[一-鿿A-Za-z]", rest):
        return bool(re.search(r"(?:单体|运行|使用|服役|管龄|房龄)(?:面积|年限|时间)?(?:在|为)?$", before)) and bool(
            bound
        )
    unit = number.unit or ""
    if unit in ("米", "公里", "分钟") and re.match(r"(?:以内|内)?(?:见|范围|半径|服务|可达|覆盖)", after):
        return True
    if bound and rest.startswith("的") and re.match(r"(?:对|凡|将)", text[start:end]):
        return True
    if _CONDITION.match(rest):
        return True
    marked = re.match(r"(?:对|凡)[^,;]*(?:超过|超出|超|低于|高于|大于|未|不足|不满|不到|达到|满)", before)
    if marked and re.match(r"的[^,;]{0,12}(?:建筑|单位|企业|项目|地区|区县|用户|主体)", rest):
        return True
    noun = re.search(r"(?:建筑|住宅|小区|项目|工程|厂房|居住区|公建|住房)$", rest)
    if bound and noun and _DUTY_NEXT.match(text[end : end + 8]):
        return True
    noun_follows = not re.match(r"(?:的?(?:目标|水平|要求|标准)|并|且|为主|左右)", rest)
    if unit == "%":
        return bool(rest.startswith("的") and bound and _OBJECT_BEFORE.search(before) and len(rest) > 2)
    if unit.split("/")[0] in _HABITUAL and noun_follows and (bound or rest.startswith("的")):
        return not re.search(r"(?:惠及|新增|培训|吸引|服务|覆盖)[^,]*$", before[-8:])
    if _OBJECT_BEFORE.search(before) and noun_follows and (bound or rest.startswith("的")):
        return True
    if (
        bound
        and noun_follows
        and unit.lstrip("万亿")
        in ("平方米", "㎡", "m2", "米", "公里", "公顷", "千瓦", "吨", "吨标准煤", "户", "立方米")
    ):
        return bool(_PREDICATE.search(rest)) or bool(
            re.search(r"(?:对|将|以|凡|凡是|单体|城镇新建|新建|既有|现有)$", before)
        )
    return False

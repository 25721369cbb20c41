"""Where a sentence binds projects: duty words of closed classes with who is meant before and what is asked behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dafeng.base.obligation import Strength
from dafeng.plans.duty_requirements import read_requirement
from dafeng.plans.duty_words import ends_as_project
from dafeng.plans.parts import Part, PartedSentence

__all__ = ["FORBIDS", "METRIC_SUBJECT", "PROHIBITION", "FoundDuty", "find_duties"]


@dataclass(frozen=True, slots=True)
class FoundDuty:
    """A duty as the grammar cut it out.

    Parameters
    ----------
    start, end : int
        The whole duty.
    subject : (int, int) or None
        Who is meant; None where nobody is named.
    asked : (int, int)
        What is asked.
    strength : Strength
    word : str
        Duty word, led by 全面 where it means all; 不拆 for the keeping of buildings.
    part : Part
        Part of the sentence in which the duty word stands.
    topic : (int, int) or None
        Who is meant, from the part before, where this part begins with a quantity (建筑高度要…).
    """

    start: int
    end: int
    subject: tuple[int, int] | None
    asked: tuple[int, int]
    strength: Strength
    word: str
    part: Part
    topic: tuple[int, int] | None = None


_HARD: Final = (
    r"(?:均|都|也|还|一般)?(?:应当|应该|(?<![适响供反效对相感呼])应(?![用对急变答邀和链力届季运激聘召试承和])(?!\w尽)|必须|须(?!知)|不得|不应|不宜|严禁|禁止|一律(?:不得|按照?|应|采用|执行|禁止)?|均[需要]|需(?=按|达到|执行|采用|同步|配建|安装|进行|满足|符合|全部))"
    r"|要(?=与|按|达到|执行|采用|应|严格|全部|全面|同步|符合|满足|实施|使用|安装|同时|落实|充分考虑|明确|率先|开展|进行|充分|组织论证|通过)"
)
_UNIVERSAL: Final = (
    r"(?:要|应)?(?:全部|全面|一律|均|100%)(?=执行|达到|采用|按|实施|纳入|使用|安装|实行|建设|落实|配建|推行|建成|实现|应用|推广|接入|加装|为(?:一|二|三|绿色|装配|超低))"
    r"|严格(?=执行|落实|按)|同步(?=执行|落实|实施|建设|安装|设计|推进)|执行(?=[^,;]{0,30}(?:标准|规定|要求|设计))|按照?(?=[^,;]{0,30}(?:标准|要求|建筑)[^,;]{0,4}(?:设计|建设|建造|实施|执行))"
    r"|(?:达到|不低于|不得低于)(?=(?:国家|绿色建筑)*[一二三123]星|绿色建筑)|达到(?=[^,;]{0,8}(?:绿色建筑|超低能耗|近零能耗)[^,;%]{0,8}(?:标准|要求))|至少(?=使用|采用|达到|应用|安装|选用|按)"
    r"|(?:全面|统一|逐步)?(?:纳入|接入)(?=[^,;]{0,26}(?:平台|监管|监测|管理系统))|应\w尽\w|能\w尽\w|宜\w尽\w"
)
_LOOSE: Final = r"原则上(?:应|须|要|均|都|全部)?|(?:应)?(?:优先|积极)(?=采用|使用|选用|应用|安装)|宜(?=采用|使用|选用|按|达到|安装)|率先(?=采用|使用|执行|达到|应用|推广)|力争(?=达到[一二三])"
_BARE: Final = r"(?:推广)?(?:采用|安装|加装|配建|使用|实行|实施|配置|设置|应用|推行|推广(?:应用|使用)?|建设(?!项目|工程|条件|单位|用地|和|、|规模|标准))"
_METRIC: Final = r"(?:装配率|绿色建材(?:应用|使用)?(?:比例|占比)|节能率|(?:屋顶|屋面)?光伏[^,;]{0,8}(?:覆盖率|比例)|可渗透面积比例|容积率|(?:建筑)?高度|(?:建筑)?层数|可再生能源替代率)(?=[^,;]{0,6}(?:不[得应宜]?(?:低于|少于|小于|超过|高于|大于)|[应须]达到|[≥≤]))"
_DUTY_WORD: Final = re.compile(
    f"(?P<loose>{_LOOSE})|(?P<hard>{_HARD})|(?P<universal>{_UNIVERSAL})|(?P<metric>{_METRIC})|(?P<bare>{_BARE})"
)
FORBIDS: Final = re.compile(r"不得|不应|不宜|严禁|禁止|杜绝|不再|不")
PROHIBITION: Final = re.compile(
    r"(?:除[^,;]{2,20}外)?(?:一般|原则上|坚决|严格(?!限))*(?P<word>不得|严禁|禁止|严格限制|不再(?:允许|新建|审批|建设)|不应|不宜|杜绝)(?P<verb>新建|新上|建设|使用|采用|审批|拆除|选用|安装|大规模|成片|随意拆除|擅自|销售|开工|改建|扩建|再|超过|突破)"
)
_EXCEPTION: Final = re.compile(r"^(?:除|除了)(?P<what>.{2,}?)(?:以|之)?外$")
_NOT_AFTER: Final = re.compile(r"^(?:一律|原则上|一般|严格)?(?:不得|不应|不宜|严禁|禁止|不)(?P<what>.{3,})$")
_WISH: Final = re.compile(
    r"^(?:积极|大力|重点|优先|探索|逐步|全面|有序|因地制宜|同时|并|加快|强化|持续)*(?P<word>鼓励(?:和支持)?|支持|推动|引导|倡导|提倡|推进|推广|推行)(?P<rest>.+)$"
)
_LEAD: Final = re.compile(
    r"^(?:其中|同时|此外|另外|并且|并|且|凡是|凡|对于|对|将|要求|全市|全省|全区|全县|全国|各地|本市|我市|我省|区域内|严格落实|明确|规定|坚持|,|\"|所有|今后|原则上(?=新建))+"
)
_TOPIC_OF_PLACE: Final = re.compile(r"^在[^,;]{2,20}(?:区|区域|片区|范围|地段|城区|新城|县城|内)(?:内|中)?$")
_CONTINUES: Final = re.compile(
    r"^(?:其?(?:装配率|绿色建材(?:应用|使用)比例|节能率|可再生能源替代率|(?:安装|敷设|铺设|覆盖)?面积(?:比例|占比)?|配建比例|预留比例)(?:应|须)?不[得应]?[低少小]于|并且|并(?!网)|且|同时(?!推|开展|加|完)|或者?|还应|应同步)"
)
_ACTOR: Final = re.compile(
    r"^(?:其|由)?(?:业主|建设|产权|使用|运营|管理|物业服务|物业|施工|设计|所有权)(?:单位|企业|方|人)(?:、(?:业主|建设|产权|使用|运营|管理|物业|施工|设计)(?:单位|企业|方|人))*(?=均?(?:应|须|必须|不得|要))"
)
_EXCESS: Final = re.compile(r"\d+(?:\.\d+)?%(?:以上)?(?=的)")
_SHARE_BOUND: Final = re.compile(
    r"^(?!其中)[^,;\d]{2,24}(?:面积|占比|比例|比重|容量|率)(?P<word>(?:均|原则上)?(?:不得|不应|不能|应不|应当不|须不|必须不)(?:低于|少于|小于)|(?:应当?|须|必须)(?:达到|大于|超过))[^,;]*\d"
)
_INSTALLED: Final = re.compile(r"(?:面积|比例|容量|占比|数量)$")
_MODAL_START: Final = re.compile(rf"^(?:{_HARD}|{_LOOSE}|{_UNIVERSAL}|结合居民意愿|由建设单位)")
_SINGLE: Final = re.compile(
    r"新建|新[\(、]?改|改建|扩建|既有|政府投资|国有资金|财政|平方米|㎡|单体|层以上|层及以上|米以上|米及以上|大型公共|超高层|出让|新区|重点区域|保障性|商品住"
)
_SHARE: Final = re.compile(
    r"占(?!用|地)|占比|面积比例|数量比例|比重|覆盖率|覆盖面|普及率|(?<!装配)(?<!节能)(?<!光伏)(?:达标|执行|实施)率"
)
_NUMBERED: Final = re.compile(r"百分之|\d+(?:\.\d+)?(?:%|个百分点|公里|万平方米|亿)")
_STAR: Final = re.compile(r"[一二三123]星|星级")
_LONGEST: Final = 300
_SHORTEST: Final = 2
_WEAKENED: Final = re.compile("优先|积极|尽量|尽可能|率先|原则上")
_DEFERRED: Final = re.compile(r"^(?:认真|切实|进一步|及时|主动|加强|强化|明确责任|高度|充分认识)")


def find_duties(sentence: PartedSentence) -> Iterator[FoundDuty]:
    """Yield the duties on projects that a sentence states."""
    parts = sentence.parts
    index = 0
    while index < len(parts):
        found = _found(parts, index)
        if found is None:
            index += 1
            continue
        last = index
        while (
            last + 1 < len(parts)
            and _CONTINUES.match(parts[last + 1].text)
            and found.strength is not Strength.ENCOURAGED
            and _found(parts, last + 1) is None
        ):
            last += 1
        if last > index:
            end = parts[last].end
            found = FoundDuty(
                found.start,
                end,
                found.subject,
                (found.asked[0], end),
                found.strength,
                found.word,
                found.part,
                found.topic,
            )
        yield found
        index = last + 1


def _stripped(part: Part) -> tuple[int, str]:
    """Return where the words of a part begin once year, lead-in and the like are left out."""
    start = part.start
    for _ in range(4):
        before = start
        if part.by is not None and part.by.start == start and part.by.end <= part.end:
            start = part.by.end
        if part.since is not None and part.since.start == start and part.since.end <= part.end:
            start = part.since.end
        lead = _LEAD.match(part.text[start - part.start :])
        if lead is not None:
            start += lead.end()
        if start == before:
            break
    return start, part.text[start - part.start :]


def _found(parts: tuple[Part, ...], index: int) -> FoundDuty | None:
    part = parts[index]
    start, text = _stripped(part)
    if not text or len(text) > _LONGEST:
        return None
    found = (
        _exception(parts, index)
        or _with_topic(parts, index, start, text)
        or _prohibition(part, start, text)
        or _share_of_topic(parts, index, start, text)
        or _with_subject(parts, index, start, text)
        or _wish(part)
    )
    return found if found is not None and found.asked[1] - found.asked[0] >= _SHORTEST else None


def _exception(parts: tuple[Part, ...], index: int) -> FoundDuty | None:
    """除…外，不大规模拆除…: the exception stands in the part before."""
    if index == 0:
        return None
    before, part = parts[index - 1], parts[index]
    what, then = _EXCEPTION.match(before.text), _NOT_AFTER.match(part.text)
    if what is None or then is None or "拆" not in then["what"]:
        return None
    asked = (part.start, part.end)
    return FoundDuty(
        before.start,
        part.end,
        (before.start + what.start("what"), before.start + what.end("what")),
        asked,
        Strength.SHOULD,
        "不拆",
        part,
    )


def _prohibition(part: Part, start: int, text: str) -> FoundDuty | None:
    found = PROHIBITION.match(text)
    if found is None:
        return None
    strength = (
        Strength.SHOULD if re.match("一般|原则上", text) or found["word"] in ("不宜", "严格限制") else Strength.MUST
    )
    verb_end = start + found.end()
    return FoundDuty(
        start,
        part.end,
        (verb_end, part.end) if found["verb"] in ("新建", "建设", "新上", "审批") else None,
        (verb_end, part.end),
        strength,
        found[0],
        part,
    )


def _with_topic(parts: tuple[Part, ...], index: int, start: int, text: str) -> FoundDuty | None:
    """新建…的公共建筑，应…: who is meant stands in the part before."""
    actor = _ACTOR.match(text)
    if actor is not None:
        start, text = start + actor.end(), text[actor.end() :]
    if index == 0 or not _MODAL_START.match(text):
        return None
    before = parts[index - 1]
    begin, topic = _stripped(before)
    topic = topic if actor is None else _EXCESS.sub("", topic)
    word = _DUTY_WORD.search(text)
    if word is None or not _is_subject(topic, before.text):
        return None
    strength, universal = _strength(word)
    if strength is None or _is_target(word, text, topic, parts[index]):
        return None
    return FoundDuty(
        begin,
        parts[index].end,
        (begin, before.end),
        (start, parts[index].end),
        strength,
        "全面" if universal else word[0],
        parts[index],
    )


def _share_of_topic(parts: tuple[Part, ...], index: int, start: int, text: str) -> FoundDuty | None:
    """新建…项目，…面积占比不得低于N%: who is meant stands in the part before, the duty is a bound on a share."""
    part = parts[index]
    bound = _SHARE_BOUND.match(text)
    if index == 0 or bound is None or part.by is not None:
        return None
    before = parts[index - 1]
    begin, topic = _stripped(before)
    bound_itself = any(word.lastgroup != "bare" for word in _DUTY_WORD.finditer(topic))
    if not _is_subject(topic, before.text) or not _SINGLE.search(topic) or bound_itself:
        return None
    return FoundDuty(begin, part.end, (begin, before.end), (start, part.end), Strength.MUST, bound["word"], part)


def _is_subject(topic: str, whole: str) -> bool:
    bare = re.sub(r"(?:的|等|中)$", "", topic)
    if re.search(r"(?:单位|部门|政府|企业|机构|人员|主体|组织)$", bare):
        return False
    return (
        ends_as_project(bare) or (topic.endswith("的") and re.search(r"建筑|住宅|项目|工程|建设", topic) is not None)
    ) and len(bare) >= 2


def _strength(word: re.Match[str]) -> tuple[Strength | None, bool]:
    universal = bool(re.match(r"(?:要|应)?(?:全部|全面|一律|均|100%)", word[0]))
    match word.lastgroup:
        case "hard":
            weak = (
                "不宜" in word[0]
                or "一般" in word[0]
                or word[0].startswith("要")
                or _WEAKENED.match(word.string, word.end())
            )
            return (Strength.SHOULD if weak else Strength.MUST), universal
        case "universal":
            return (Strength.SHOULD if word[0].startswith(("能", "宜")) else Strength.MUST), universal or "尽" in word[
                0
            ]
        case "loose":
            return (Strength.ENCOURAGED if word[0].startswith("率先") else Strength.SHOULD), universal
        case "metric":
            return Strength.MUST, False
        case _:
            return Strength.MUST, False


def _is_target(word: re.Match[str], text: str, subject: str, part: Part) -> bool:
    """Whether the words promise a figure or a date of a whole region rather than bind single projects."""
    after = text[word.start() :]
    bound = word.lastgroup in ("metric", "bare") and re.search("(?<!供)应(?!用)|须|不得", after[:16]) is not None
    hard = word.lastgroup == "hard" or bound or (part.since is not None and word.lastgroup != "bare")
    if _SHARE.search(subject) and not re.search("绿色建材|光伏", subject):
        return True
    if re.match(r"[^,;]{0,12}(?:占比|的比例|比重)", after) and not re.search("绿色建材|光伏|充电", after):
        return True
    if part.by is not None and not hard and not (_STAR.search(after) and re.search("[一二三123]星", after)):
        return True
    if word[0] == "要" and subject.endswith("率") and _NUMBERED.search(after):
        return True
    if _NUMBERED.search(after) and not hard:
        return word.lastgroup != "metric" or not _SINGLE.search(subject)
    return False


def _with_subject(parts: tuple[Part, ...], index: int, start: int, text: str) -> FoundDuty | None:
    part = parts[index]
    placed: str | None = None
    for word in _DUTY_WORD.finditer(text):
        subject = text[: word.start()]
        if not subject:
            continue
        if placed and word.lastgroup == "hard" and _INSTALLED.search(subject) and part.by is None:
            span, asked = (start, start + len(placed)), (start + len(placed), part.end)
            return FoundDuty(start, part.end, span, asked, Strength.MUST, word[0], part)
        subject = re.sub(r"(?:,|均|也|还|都|要|则)$", "", subject)
        if not _is_subject(subject, text):
            if word.lastgroup == "bare" or ends_as_project(subject):
                continue
            if METRIC_SUBJECT.search(subject) and word.lastgroup == "hard" and not _NUMBERED.search(text):
                return _of_metric(parts, index, start, word)
            continue
        strength, universal = _strength(word)
        if strength is None or _is_target(word, text, subject, part):
            continue
        if word.lastgroup == "bare":
            placed = subject if _SINGLE.search(subject) else placed
            if (
                not _SINGLE.search(subject)
                or part.by is not None
                or _NUMBERED.search(text[word.start() :])
                or not read_requirement(text[word.start() :]).asked
            ):
                continue
            if "推" in word[0]:
                strength = Strength.ENCOURAGED
        if universal and re.match(r"(?:全面|全部)(?:推广|推行)", text[word.start() :]):
            strength = Strength.SHOULD
        asked_from = (
            word.start()
            if word.lastgroup in ("metric", "bare", "loose") or "尽" in word[0] or FORBIDS.match(word[0])
            else word.end()
        )
        if _DEFERRED.match(text[asked_from:]) and not re.search("论证", text):
            continue
        begin = start
        if METRIC_SUBJECT.search(subject):
            return _of_metric(parts, index, start, word)
        if index and _TOPIC_OF_PLACE.match(parts[index - 1].text):
            begin = parts[index - 1].start
        return FoundDuty(
            begin,
            part.end,
            (begin, start + len(subject)),
            (start + asked_from, part.end),
            strength,
            ("全面" if universal else "") + word[0],
            part,
        )
    return None


METRIC_SUBJECT: Final = re.compile(
    r"^(?:改造部分|建筑(?:高度|层数|节能水平)|(?:住宅|单体)?层数|容积率)(?![^,;]*(?:以[上下内]|超过|[大高小低]于|达到?|不足)[^,;]*[^,;度数率])"
)


def _of_metric(parts: tuple[Part, ...], index: int, start: int, word: re.Match[str]) -> FoundDuty:
    """建筑高度要…, 改造部分…应…: the quantity belongs to what is asked, who is meant stands before."""
    part = parts[index]
    strength, _ = _strength(word)
    return FoundDuty(
        start, part.end, None, (start, part.end), strength or Strength.MUST, word[0], part, _topic_before(parts, index)
    )


def _topic_before(parts: tuple[Part, ...], index: int) -> tuple[int, int] | None:
    """Who is meant by a part such as 改造部分…应…: the building of the part before."""
    if index == 0:
        return None
    start, text = _stripped(parts[index - 1])
    word = _DUTY_WORD.search(text)
    subject = text[: word.start()] if word is not None else text
    subject = re.sub(r"要$", "", subject)
    return (start, start + len(subject)) if _is_subject(subject, text) else None


def _wish(part: Part) -> FoundDuty | None:
    found = _WISH.match(part.text)
    if found is None:
        return None
    rest, offset = found["rest"], part.start + found.start("rest")
    place = re.match(r"^在(?P<where>[^,;]{2,30}?)(?=建设|安装|加装|开展|推广|采用|实施|使用)", rest)
    words = re.compile(
        rf"{_UNIVERSAL}|(?:全面|集中连片|规模化|积极|优先|率先|同步)*{_BARE}|按照?|全装修|进行|开展|达到|建成"
    )
    for word in words.finditer(rest):
        subject = place["where"] if place is not None else rest[: word.start()]
        begin = offset + (place.start("where") if place is not None else 0)
        if (
            len(subject) < 4
            or len(rest) - word.start() < 3
            or not ends_as_project(subject)
            or (not _SINGLE.search(subject) and not re.search("公益|大型|住宅|机关|学校|医院|公共机构", subject))
        ):
            continue
        after = rest[word.start() :]
        if (_NUMBERED.search(after) and part.by is not None) or _SHARE.search(subject):
            return None
        universal = re.match("全面|全部|一律|均", after) is not None
        return FoundDuty(
            part.start,
            part.end,
            (begin, begin + len(subject)),
            (offset + word.start(), part.end),
            Strength.ENCOURAGED,
            ("全面" if universal else "") + found["word"],
            part,
        )
    return None

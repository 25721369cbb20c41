"""Dated commitments that carry no number of their own: peaks, full coverage, works completed, rules issued."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.base.target import Comparator, Locator, Measure
from dafeng.plans.clauses import bodies_at
from dafeng.plans.parts import Part, PartedSentence, part_sentences
from dafeng.plans.promise_rules import counts_all
from dafeng.plans.read_records import ClauseKind, LabelKind, Outline, ReadNumber, ReadTarget

__all__ = ["read_milestones"]

_PEAK: Final = r"(?:碳排放|碳达峰|二氧化碳排放|排放量?|能耗|能源消费|城乡建设领域|建筑领域)[^,;]{0,16}(?:达到峰值|达峰|达到(?:历史)?峰值|进入平台期|实现碳达峰)|(?:如期|力争)?实现碳达峰|碳达峰目标(?:如期)?实现|(?:实现|达到)碳中和|碳中和(?:目标)?(?:如期|顺利|全面|基本)?实现"
_DONE: Final = r"建成|完成|执行|采用|推广(?:采用|使用|应用)?|推行|实施|实行|使用|应用|禁止|淘汰|取消|普及|建立|覆盖|纳入|开展|达到|消除|接入|配备|拆除|关停|改造|安装|治理|整治|达标|转为|替代|替换|更换|落实|供应|封闭|运行|投产|投入|启用|编制|电气化|绿色化|无害化|资源化|收集|处置|停止|销号|整改|搬迁|上线|投用|投运|实现(?!现代化)"
_WHOLLY: Final = rf"(?:全面|全部|基本全部|100%|普遍)(?:地)?(?:{_DONE})"
_COVERED: Final = r"(?:基本)?(?:实现)?[^,;]{0,10}(?:全覆盖|全面覆盖|应改尽改|应收尽收|应治尽治|应建尽建|应接尽接|应装尽装|应分尽分|零填埋|零直排|零增长|零排放|双?清零|动态清零|全收集|全处理|全达标|全密闭|全消除|全淘汰|全电气化|全绿电|(?:百分之百|100%)覆盖|并网运行|一张网|并轨|达标排放|供热计量收费)"
_ISSUED: Final = (
    r"(?:研究|组织|加快|完成|启动)?(?:出台|印发|颁布|公布|发布|制定|修订|制修订|编制|编制完成|修编|实施|施行)"
)
_PAPER: Final = r"(?:《[^》]+》|条例|办法|规章|法规|标准|规程|导则|规范|规划|方案|政策|目录|指南|图集|实施细则|细则|清单|路线图|指标体系|行动计划)"
_TURN: Final = r"(?:全面|基本|如期)?(?:实现|完成)[^,;]{0,20}(?:转型|碳中和|零碳化|近零排放|净零排放|清洁取暖|清洁供暖|双控转变|电气化)|(?:转型)(?:全面|基本)?实现"
_VAGUE: Final = re.compile(
    r"显著|大幅|明显|进一步|稳步|不断|持续|更加|逐步|积极进展|成效|优化|改善|提高|提升|增强|扩大|深入|有序|有效|先进水平|比较|较为|初步实现|广泛|更(?:广|多|高|加)|加快|加强|大力|积极|推进|推动|鼓励|探索|引导|支持|力度|高质量发展|取得(?:重大|突破|积极)?(?:突破|进展)|普遍形成|普遍推广|奠定|充分"
)
_ABSTRACT: Final = re.compile(
    r"(?:体系|机制|制度|模式|格局|政策|方式|氛围|理念|现代化|局面|扭转|转变|经验|共识|能力|环境|变革|生活|发展|治理|城市|样板|标杆|典范)[^,;]{0,8}$"
)
_SUBJECT_LAST: Final = re.compile(
    r"(?P<what>.{3,}?)(?P<how>初步|基本|全面|总体|普遍|基本上)(?P<verb>建立(?:健全)?|形成|建成|实现|完善|健全|扭转|解决|确立|成熟|消除|完成|淘汰|覆盖|达标|绿色化|清零|贯通|取消)(?:$|(?=[。;]))"
)
_CONCRETE: Final = re.compile(
    r"改造|污水|垃圾|管网|水体|直排|黑臭|锅炉|散煤|燃煤|建筑|小区|住宅|住房|灯|平台|公交|公共汽车|车辆|道路|管道|设施|供热|供暖|取暖|用能|计量|监测|标识|标准|执行|普查|体检|评估"
)
_FEW: Final = re.compile(
    r"(?:建成|打造|培育|形成|创建|建设|推出|实施|推广|建立|涌现|发展)(?:完成)?(?:一批|若干|一系列|一些|多个|一套|系列|一大批|一定数量)"
)
_REPORT: Final = re.compile(
    r"(?:于|在)?每(?:年|年度|季度|半年|季|月)(?:度)?(?:\d{1,2}月|[一二三四五六七八九十]{1,2}月|年)?(?:\d{1,2}日|底|末|中旬|上旬|下旬)*(?:之?前)?[^;。]{0,40}?(?:报|报送|上报|报告|总结|通报|提交|报省|报市)[^;。]*$"
)
_STAR: Final = re.compile(r"[一二三123]星")
_QUANTITY: Final = re.compile(
    r"%|‰|百分点|公里|千米|平方|公顷|万|亿|个|座|项|处|套|辆|家|吨|千瓦|倍|米$|户|盏|台|株|亩|成$|条|人次|星级?$"
)
_HARD_DUTY: Final = re.compile(
    r"(?:应当(?![于在])|必须|须(?!知)|不得|严禁|禁止|(?<![适响供反效对相])应(?![用对急尽改装收治建接分于在当]))"
)
_LEAD: Final = re.compile(r"^(?:其中|同时|并|且|力争|争取|确保|努力|计划|,|\"|实现(?=到)|此外|另外)+")
_MONTH: Final = re.compile(r"^[一二三四五六七八九十\d]+月底?前?")
_RATIO: Final = re.compile(
    r"占比|比例|比重|覆盖率|利用率|普及率|达标率|处理率|处置率|替代率|(?<!一)率(?:达|提|控|超|保|不)"
)

_PROCESS: Final = re.compile(
    r"^(?:适度|有序|持续|积极|加快|大力|深入|稳步|逐步|扎实|重点|着力|不断|因地制宜|全力|系统|切实|统筹|有效)*(?:推进|推动|开展|加强|鼓励|引导|支持|探索|提升|提高|结合|按照|围绕|为|以(?!上|下|内)|通过|强化|优化|坚持|统筹|深化|利用|依托|综合|巩固|规范|助力|服务|支撑|倡导|聚焦|紧扣|根据|做好|抓好|发挥)"
)
_FINISHED: Final = re.compile(
    r"(?:(?:建成|竣工|投入)(?:并)?(?:投用|投产|投运|使用|投入使用|运行|运营|生产|试运行|并网|达产|通水|通气|验收)+"
    r"|(?:建成|竣工|完工)并?(?:通水|通气|通热|通车|通电|验收|交付)"
    r"|(?:正式|全面|全部|基本)?(?:上线|投入)(?:试?运行|试?运营|使用|投用|启用|应用)?"
    r"|(?:全面|全部|基本)?(?:整改|清零|整治|排查)*(?:并)?(?:验收)?销号|(?:全部|基本)?整改到位"
    r"|(?:改造|建设|整治|治理|更新|迁改|普查|评估|验收|编制|修编|修订|摸底|调查|排查|建档|安装|划定|认定|审查|移交|搬迁|升级|扩容|接入|提标|工程|项目)(?:任务|工作|工程|项目)?(?:全部|全面|基本|如期)?(?:完成|完工|竣工)"
    r"|(?:建成|竣工|完工|投用|投产|投运|启用|并网发电)|(?:印发|出台|发布|颁布|公布)(?:并?(?:实施|执行|施行))?)"
)
_HELD: Final = re.compile(r"(?:组织)?(?:开展|进行|完成)[^,;]{0,8}(?:中期|终期|期末|总结)[^,;]{0,4}评估(?:工作)?")
_FROM_THEN: Final = re.compile(
    r"(?:全面|全部)(?:实施|实行|推行|执行|启动|开展|建立|取消|停止|禁止)(?!绿色建筑|建筑节能)"
)
_LONGEST: Final = 300
_RULES: Final[tuple[tuple[str, re.Pattern[str], float], ...]] = (
    ("达峰", re.compile(_PEAK), 0.97),
    ("覆盖", re.compile(_COVERED), 0.92),
    ("转型", re.compile(_TURN), 0.92),
    ("全面", re.compile(_WHOLLY), 0.92),
    (
        "印发",
        re.compile(
            rf"{_ISSUED}[^;。]{{0,40}}{_PAPER}|(?:《[^》]+》)[^,;]{{0,14}}{_ISSUED}|{_PAPER}[^,;]{{0,4}}(?:修订|修编|编制|制定|出台|印发|发布)$"
        ),
        0.9,
    ),
    (
        "完成",
        re.compile(
            r"^(?:[^,;]{0,30}?)(?:基本|全面|全部|率先|如期)(?:完成|建成|消除|建立|实现|淘汰|取消|关停|解决|普及|形成|构建)(?=[^,;]{3,})"
        ),
        0.88,
    ),
    (
        "完成",
        re.compile(
            r"(?:完成|建成(?:投用|投运|并投入使用)?)(?=[^,;]{2,})[^,;]*(?:任务|改造|建设|整治|治理|更新|普查|评估|编制|修编|平台|系统|中心|基地|示范区|项目|工程|设施|数据库|升级|替代|验收|体检|调查|摸底|建档|认定|审查)"
        ),
        0.85,
    ),
    (
        "完成",
        re.compile(rf"{_FINISHED.pattern}$"),
        0.85,
    ),
    ("完成", re.compile(r"建(?:立|成)并(?:投入|上线|持续|有效)?(?:试?运行|试?运营|使用|启用|投用)[^,;]{2,}"), 0.85),
    ("淘汰", re.compile(r"(?:淘汰|取消|关停|停止|退出|消除|杜绝|不再(?:新建|使用|新增))[^,;]{3,}"), 0.8),
)


@dataclass(frozen=True, slots=True)
class _Seen:
    rule: str
    soft: bool
    confidence: float


def read_milestones(
    document: DocumentText, outline: Outline, numbers: tuple[ReadNumber, ...]
) -> tuple[ReadTarget, ...]:
    """Return the dated commitments without a number of their own.

    Parameters
    ----------
    document : DocumentText
    outline : Outline
    numbers : tuple of ReadNumber
        Numbers of the document; a part that promises one of them is no milestone.

    Returns
    -------
    tuple of ReadTarget
        In document order, what an annex repeats word for word once; vague aims and yearly duties to report are soft.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.plans.outline import read_outline
    >>> lines = ("一、主要目标", "2030年前，东川市建筑领域碳排放达到峰值。")
    >>> text = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> [(goal.label, goal.by) for goal in read_milestones(text, read_outline(text), ())]
    [('东川市建筑领域碳排放达到峰值', 2030)]
    """
    kinds = (ClauseKind.GOALS, ClauseKind.AIMS, ClauseKind.TASK, ClauseKind.ANNEX)
    starts = [number.at.start for number in numbers]
    found: list[ReadTarget] = []
    used: dict[str, int] = {}
    said: set[tuple[str, int | None]] = set()
    for sentence in part_sentences(document, outline, kinds=kinds):
        for target in _in_sentence(document, sentence, numbers, starts):
            if sentence.clause.kind is ClauseKind.ANNEX and (target.label, target.by) in said:
                continue
            said.add((target.label, target.by))
            used[target.id] = used.get(target.id, 0) + 1
            found.append(
                target if used[target.id] == 1 else target.model_copy(update={"id": f"{target.id}-{used[target.id]}"})
            )
    return tuple(found)


def _in_sentence(
    document: DocumentText, sentence: PartedSentence, numbers: tuple[ReadNumber, ...], starts: list[int]
) -> Iterator[ReadTarget]:
    goals = sentence.clause.kind in (ClauseKind.GOALS, ClauseKind.AIMS)
    report = _report(document.folded, sentence)
    if report is not None:
        yield _target(document, sentence, report, report[0], None, _Seen("报告", True, 0.9))
    for index, part in enumerate(map(_begun, sentence.parts)):
        if part.by is None or (report is not None and part.end > report[0]):
            continue
        begin, words = _words(part)
        inside = numbers[bisect_left(starts, part.start) : bisect_left(starts, part.end)]
        amount = any(_counts(document.folded, number, part) for number in inside)
        seen = _seen(part, words, goals=goals, amount=amount)
        if seen is None:
            continue
        start = _start(document.folded, sentence.parts, index)
        yield _target(document, sentence, (start, part.end), begin, part.by.year, seen)


def _begun(part: Part) -> Part:
    """2026年起，全面实施…制度: what holds everywhere from a year on, with nobody named, is due by that year."""
    since = part.since
    if part.by is not None or since is None or since.end not in (part.start, part.start - 1):
        return part
    return replace(part, by=since, own=True) if _FROM_THEN.match(part.text) else part


def _words(part: Part) -> tuple[int, str]:
    """Return the words of a part without its year and lead-in, and where they begin."""
    start = part.start
    for _ in range(3):
        lead = _LEAD.match(part.text[start - part.start :])
        start += lead.end() if lead else 0
        if part.by is not None and part.by.start <= start < part.by.end <= part.end:
            start = part.by.end
            month = _MONTH.match(part.text[start - part.start :])
            start += month.end() if month else 0
    return start, part.text[start - part.start :]


def _start(text: str, parts: tuple[Part, ...], index: int) -> int:
    """Take the year along where it stands right before, be it in a part of its own."""
    part = parts[index]
    if (
        index
        and part.by is not None
        and parts[index - 1].start <= part.by.start
        and part.by.end >= parts[index - 1].end
    ):
        lead = _LEAD.match(text[parts[index - 1].start : part.by.start])
        return parts[index - 1].start if lead or part.by.start == parts[index - 1].start else part.by.start
    lead = re.match(r"^(?:其中|同时|并|且|此外|另外)+", part.text)
    return part.start + (lead.end() if lead else 0)


def _counts(text: str, number: ReadNumber, part: Part) -> bool:
    """Whether a number is an amount promised rather than one that describes the object or names a year."""
    if number.unit is None or number.unit in ("年", "月", "日"):
        return False
    if part.by is not None and part.by.start <= number.at.start < part.by.end:
        return False
    tail = text[number.at.end : part.end]
    if number.unit in ("%", "％"):
        return not re.match(r"(?:及|或)?以上的?(?:节能|综合)", tail)
    if counts_all(text, number, part.start, part.end):
        return False
    described = re.match(r"(?:\(含\))?(?:(?:及|或)?以[上下内]|年限|级|类|范围|半径)", tail)
    if described is not None and len(tail) - described.end() >= 4:
        return False
    return _QUANTITY.search(number.unit) is not None


def _seen(part: Part, words: str, *, goals: bool, amount: bool) -> _Seen | None:
    if not amount and part.own and _FINISHED.fullmatch(words):
        return _Seen("完成", False, 0.8)
    if not amount and part.own and _HELD.fullmatch(words):
        return _Seen("完成", True, 0.6)
    if amount or not 5 <= len(words) <= _LONGEST or _STAR.search(words):
        return None
    by = part.by
    if by is None or _HARD_DUTY.search(words) or _PROCESS.match(words):
        return None
    if _FEW.search(words):
        return _Seen("一批", True, 0.6) if part.own and not goals else None
    last = _SUBJECT_LAST.match(words)
    for rule, pattern, confidence in _RULES:
        found = pattern.search(words)
        if found is None:
            continue
        if (
            rule not in ("达峰", "转型")
            and last is not None
            and _ABSTRACT.search(last["what"])
            and not _CONCRETE.search(last["what"][-8:])
        ):
            break
        if rule in ("完成", "全面") and last is not None and goals and not _CONCRETE.search(words):
            break
        if (
            rule not in ("达峰", "覆盖", "转型", "印发")
            and _VAGUE.search(words[: found.start()])
            and not _CONCRETE.search(words)
        ):
            continue
        if rule == "淘汰" and (goals or _VAGUE.search(words)):
            continue
        if goals and rule in ("完成", "全面", "转型") and _VAGUE.search(words):
            continue
        if goals and rule in ("完成", "全面", "转型") and not part.own and not _CONCRETE.search(words):
            continue
        if _RATIO.search(words[found.start() :]) and rule not in ("达峰", "印发"):
            continue
        if rule == "完成" and _ABSTRACT.search(words) and not _CONCRETE.search(words):
            return _Seen("建立", True, 0.6) if part.own else None
        return _Seen(rule, False, confidence)
    if last is not None and part.own and last["verb"] in ("建立", "形成", "建立健全", "健全", "完善", "实现", "建成"):
        if _CONCRETE.search(last["what"]) and not _ABSTRACT.search(last["what"]):
            return _Seen("基本", False, 0.75)
        return _Seen("初步", True, 0.6)
    if part.own and re.match(r"(?:基本|初步)?(?:建立|形成|构建)", words) and not _VAGUE.search(words):
        return _Seen("建立", True, 0.6)
    if (
        not goals
        and last is None
        and re.search(r"(?:达到|满足|符合)[^,;]{2,20}(?:标准|要求)$", words)
        and not _VAGUE.search(words)
    ):
        return _Seen("达标", True, 0.6)
    return None


def _report(text: str, sentence: PartedSentence) -> tuple[int, int] | None:
    end = sentence.parts[-1].end if sentence.parts else sentence.end
    for part in sentence.parts:
        found = re.search(r"(?:于|在)?每(?:年|半年|季度)", part.text)
        if found is not None:
            whole = _REPORT.search(text[part.start + found.start() : end])
            if whole is not None and whole.start() == 0 and re.search(r"情况|报告|总结|进展|成效|工作|清单", whole[0]):
                return part.start + found.start(), part.start + found.start() + whole.end()
    return None


def _target(
    document: DocumentText, sentence: PartedSentence, at: tuple[int, int], words_at: int, by: int | None, seen: _Seen
) -> ReadTarget:
    label = document.quote(words_at, at[1]).strip('“”"，,；;。')
    return ReadTarget(
        id=f"{_SLUGS[seen.rule]}-{by or 'yearly'}",
        clause=sentence.clause.number,
        at=Locator(start=at[0], end=at[1]),
        label=label,
        comparator=Comparator.EQUAL,
        by=by,
        kind=LabelKind.MILESTONE,
        measure=Measure.MILESTONE,
        scope=_scope(label),
        bodies=bodies_at(sentence.clause, at[0]),
        soft=seen.soft,
        confidence=seen.confidence,
        reasons=(f"按“{seen.rule}”一类承诺识别",) if seen.confidence < 0.9 else (),
    )


_SLUGS: Final = {
    "达峰": "peak", "覆盖": "coverage", "转型": "transition", "全面": "everywhere", "印发": "issued", "完成": "done",
    "淘汰": "ended", "报告": "report", "一批": "some", "基本": "largely", "初步": "outline", "建立": "set-up", "达标": "standard",
}  # fmt: skip
_SCOPE_END: Final = re.compile(r"^(?:基本)?(?P<scope>[^,;]{2,30}?)(?=全面|全部|基本|实现|达到|完成|普遍|率先)")


def _scope(label: str) -> str | None:
    found = _SCOPE_END.match(label)
    return found["scope"] if found and not re.match(r"(?:全面|基本|全部|完成)", found["scope"]) else None

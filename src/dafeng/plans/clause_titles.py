"""Where the title of a numbered heading ends, and what its words say that the text under it is for."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import Final

from dafeng.base.document import BlockKind, DocumentText
from dafeng.plans.brackets import read_bracket
from dafeng.plans.read_records import ClauseKind

__all__ = ["SENTENCE_STOP", "kind_of", "runs_on_by_rank", "title_end"]

SENTENCE_STOP: Final = re.compile(r"[。!?]+[)\]]*")
"""End of a sentence in folded text; a quotation mark behind it opens the next one."""
_LONGEST: Final = 60
_DATED: Final = re.compile(r"20\d\d年")
_QUANTITY: Final = re.compile(r"\d(?:%|个|项|万|亿|吨|公里|米|平方|公顷|千瓦|度|处|座|户|层)")
_UNFINISHED: Final = re.compile("[的和与及、在对将把为以从等向由或]$")
_NOUN_ENDS: Final = (
    "建设|水平|格局|发展|住宅|社区|城区|乡村|城镇|县城|结构|建材|转型|落实|模式|培育|政策|培训|教育|机制|体系|制度|质量|能力|改造|管理|管控|建造|应用|"
    "效率|能效|行动|工程|品质|领导|宣传|考核|监督|督导|保障|支持|支撑|力度|利用|治理|创新|低碳化|绿色化|服务|标准|监管|任务|要求|目标|原则|思想|"
    "布局|建筑|农房|设施|能源|用能|空间|运行|运营|推广|引导|协同|合作|氛围|责任|实施|降碳|节能|处理|试点|示范|研发|攻关|科技|金融|供给|改革|产业|队伍|评估|监测"
)
_OPENERS: Final = (
    "到20|20\\d\\d年|按照|根据|依据|坚持|以|推动|推进|推行|推广|加强|加快|加大|鼓励|积极|大力|严格|全面|持续|开展|实施|建立|完善|优化|提升|提高|引导|支持|"
    "统筹|落实|结合|深入|着力|充分|因地制宜|城镇新建|在|对|各|市|省|新建|进一步|围绕|通过|为|组织|健全|强化|探索|聚焦|坚决|切实|有序|扎实|科学|合理|发展|"
    "构建|打造|制定|编制|研究|培育|发挥|将|把|依托|严控|优先|重点|鼓励|控制|稳步|稳妥|逐步|力争|争取|综合|倡导|督促|指导|新城|既有|政府投资|城市形态|社区是|基础设施"
)
_SPLIT: Final = re.compile(rf"(?:{_NOUN_ENDS})(?=(?:{_OPENERS}))")
_SHORT_TITLES: Final = re.compile(
    "(?:(?:总体|工作|基本)(?:要求|思路)|指导思想|(?:基本|工作|主要)原则|(?:主要|总体|工作)目标)(?=以|到|坚持|20|按|为|深入|全面|力争|立足|围绕|贯彻)"
)
_GOAL: Final = (
    "(?:主要|总体|工作|发展|具体|预期|阶段性?|行动|战略|分阶段|近期|远期|中长期|建设|任务|达峰|年度|绩效|分年度)"
)
_AIM: Final = "(?:指导思想|(?:总体|工作|基本|发展|指导)(?:思路|要求|思想)|总体部署|战略思路|基本原则|工作原则)"
_KINDS: Final = (
    (ClauseKind.PRINCIPLES, re.compile("^(?:基本|工作|主要|总体|遵循|编制|实施|指导|推进|建设)*(?:原则|遵循)$")),
    (
        ClauseKind.GOALS,
        re.compile(
            rf"^(?:\d{{4}}年?|[\u4e00-\u9fff]{{0,3}}(?:碳达峰))?{_GOAL}*目标(?:任务|指标|要求|体系)?(?:[与和及](?:指标|要求))?$"
        ),
    ),
    (
        ClauseKind.AIMS,
        re.compile(
            rf"^(?:{_AIM}(?:[与和及、]{_AIM})*(?:[与和及、]{_GOAL}*(?:目标|任务|原则)(?:任务)?)*|编制依据|编制目的|总则|适用范围|规划范围|规划期限|术语和定义)$"
        ),
    ),
    (
        ClauseKind.BACKGROUND,
        re.compile(
            "^(?:[^,。]{0,12}(?:工作基础|发展基础|现状|背景|重要意义|必要性|主要成效|工作成效|发展成就|取得(?:的)?成效|(?:发展|外部|面临)环境|发展回顾|面临(?:的)?(?:形势|问题|挑战|机遇)|形势|存在(?:的)?(?:主要)?问题|机遇|挑战|基础)"
            "(?:(?:[与和及、]|分析)[^,。]{0,12})?)$"
        ),
    ),
)
_BACKGROUND_WORDS: Final = re.compile("^(?!.*(?:夯实|强化|加强|打牢|巩固|摸清|筑牢|提升|完善|推进|数据|建设|设施))")
_INHERITED: Final = frozenset(
    {ClauseKind.ANNEX, ClauseKind.HEAD, ClauseKind.PRINCIPLES, ClauseKind.GOALS, ClauseKind.BACKGROUND}
)


def kind_of(title: str, parent: ClauseKind | None, *, after_tasks: bool = False) -> ClauseKind:
    """Return what the text under a heading is for.

    Parameters
    ----------
    title : str
        Words of the heading, folded.
    parent : ClauseKind or None
        What the chapter above is for; None for a chapter.
    after_tasks : bool
        Whether tasks stand before it: then 工作要求 means how to carry them out.

    Examples
    --------
    >>> kind_of("总体要求", None), kind_of("主要目标", ClauseKind.AIMS), kind_of("强化目标考核", ClauseKind.TASK)
    (<ClauseKind.AIMS: 'aims'>, <ClauseKind.GOALS: 'goals'>, <ClauseKind.TASK: 'task'>)
    """
    if parent in _INHERITED and parent is not None:
        return parent
    for kind, pattern in _KINDS:
        if after_tasks and kind is ClauseKind.AIMS and title.endswith("要求"):
            continue
        if pattern.match(title) and (kind is not ClauseKind.BACKGROUND or _BACKGROUND_WORDS.match(title)):
            return kind
    return parent or ClauseKind.TASK


def _paragraph_end(document: DocumentText, text: str, start: int, limit: int) -> int:
    """End of the paragraph of a heading; a line that a page or column broke is taken with the next."""
    starts, blocks = document.starts, document.blocks
    index = max(0, bisect_right(starts, start) - 1)
    end = starts[index + 1] if index + 1 < len(starts) else len(text)
    while end < limit and index + 1 < len(blocks):
        following = starts[index + 2] if index + 2 < len(starts) else len(text)
        words, more = text[start:end], text[end:following]
        if following == end:
            index += 1
            continue
        cell = BlockKind.CELL in (blocks[index].kind, blocks[index + 1].kind)
        too_long = len(words) + len(more) > _LONGEST or SENTENCE_STOP.search(words) is not None
        tail_only = len(words) >= 22 and len(more) <= 12 and not re.search("[。,;:]", more)
        if cell or too_long or not (_UNFINISHED.search(words) or tail_only or not words):
            break
        end, index = following, index + 1
    return min(end, limit)


def _fused_end(text: str, start: int, limit: int) -> int | None:
    """Where a title ends that runs on into its text without any mark: after a noun, before the opening of a sentence."""
    if found := _SHORT_TITLES.match(text, start, min(limit, start + 12)):
        return found.end()
    window = text[start : min(limit, start + 34)]
    stop = re.search("[,。;:(]", window)
    window = window[: stop.start()] if stop else window
    for found in _SPLIT.finditer(window):
        if found.end() >= 5 and window[found.end() - 1] not in "的和与":
            return start + found.end()
    return None


def title_end(
    document: DocumentText, text: str, start: int, limit: int, *, known: Collection[str] = (), runs_on: bool = False
) -> tuple[int, int] | None:
    """Return where the title that begins at `start` ends and the text under it begins; None where there is no title.

    Parameters
    ----------
    document : DocumentText
    text : str
        The document in folded form.
    start : int
        First character behind the mark.
    limit : int
        Start of the next heading.
    known : collection of str
        Names of bodies; a list of bodies behind a title is none of its words.
    runs_on : bool
        Whether headings of this style end with a full stop before their text, so that a line's end alone ends none.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> lines = ("1.推广光伏。到2025年建成9处。", "2.到2025年,建成9处。", "3.推广热泵")
    >>> words = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> title_end(words, words.folded, 2, 18), title_end(words, words.folded, 20, 32), title_end(words, words.folded, 34, 38)
    ((6, 7), None, (38, 38))
    """
    end_of_block = _paragraph_end(document, text, start, limit)
    if (
        runs_on
        and (whole := SENTENCE_STOP.search(text, start, min(limit, start + 40)))
        and whole.start() >= end_of_block
    ):
        words = text[start : whole.start()]
        if "," not in words and "(" not in words and not _DATED.search(words):
            end_of_block = limit
    stop = SENTENCE_STOP.search(text, start, min(end_of_block, start + _LONGEST + 2))
    end, behind = (stop.start(), stop.end()) if stop else (end_of_block, end_of_block)
    bracket = re.compile(r"[(\[]").search(text, start, end)
    while bracket:
        close = re.compile(r"[)\]]").search(text, bracket.end(), end_of_block + 200)
        right = close.end() if close else end
        nested = text.count("(", bracket.end(), right)
        for _level in range(nested if close else 0):
            close = re.compile(r"[)\]]").search(text, right, right + 100)
            right = close.end() if close else right
        if read_bracket(text, document.plain, bracket.start(), right, closed=close is not None, known=known):
            end = behind = bracket.start()
            break
        bracket = re.compile(r"[(\[]").search(text, bracket.end(), end)
    words = text[start:end]
    comma = words.find(",")
    fused = _fused_end(text, start, end)
    if fused and (_SHORT_TITLES.match(words) or (comma >= 0 and fused - start < comma)):
        return fused, fused
    if words and words[-1] == ":":
        return (end - 1, behind) if len(words) <= 31 and "," not in words else None
    colon = words.find(":")
    if 4 <= colon <= 30 and "," not in words[:colon] and not _DATED.search(words[:colon]):
        return start + colon, start + colon + 1
    fits = 2 <= len(words) <= _LONGEST and words[-1] not in ";,、"
    fits = fits and ";" not in words and not _DATED.search(words) and words.count(",") <= 2
    fits = fits and not ("," in words and _QUANTITY.search(words))
    fits = fits and not ("," in words and len(words) > 36)
    if fits and (stop or end == behind or end_of_block < limit or limit == len(text) or len(words) <= 30):
        return end, behind
    fused = fused or _fused_end(text, start, end_of_block)
    return (fused, fused) if fused else None


def runs_on_by_rank(document: DocumentText, text: str, marks: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Return the ranks whose headings as a rule end with a full stop and run on into their text within the paragraph.

    Parameters
    ----------
    document : DocumentText
    text : str
        The document in folded form.
    marks : sequence of (int, int)
        Rank of each heading and the end of its mark.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> words = DocumentText("a.txt", "txt", "0" * 64, (Block("1.推广光伏。做好。"), Block("2.推广"), Block("热泵。做好。")))
    >>> runs_on_by_rank(words, words.folded, [(7, 2), (7, 12)])
    frozenset()
    """
    votes: dict[int, list[bool]] = {}
    for rank, end in marks:
        index = bisect_right(document.starts, end)
        block_end = document.starts[index] if index < len(document.starts) else len(text)
        stop = text.find("。", end, min(block_end, end + _LONGEST))
        votes.setdefault(rank, []).append(0 <= stop < block_end - 1)
    return frozenset(rank for rank, each in votes.items() if len(each) > 2 and 3 * sum(each) > 2 * len(each))

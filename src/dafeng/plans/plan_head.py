"""The head of a plan document: title, number, issuers, day of issue, region. What it does not say is None."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.plans.body_names import is_body_name
from dafeng.plans.headings import chinese_number
from dafeng.plans.read_records import PlanHead

__all__ = ["HeadLayout", "read_head", "read_layout", "region_of"]

_HEAD: Final = 8000
_TAIL: Final = 1500
_KIND: Final = "(?:方案|规划|计划|纲要|意见|路线图|行动|办法|细则|措施)"
_STAGE: Final = r"(?:\((?:试行|暂行|征求意见稿|送审稿|报批稿|修订版?|草案|20\d\d-20\d\d年?|[^()]{1,12}(?:版|稿))\))?"
_NOTICE: Final = re.compile(
    r"关于(?:联合)?(?:印发|发布|公布|下发|转发|批转)(?:[<〈《])?(?P<name>[^《》<>〈〉。]{4,90}?)(?:[>〉》])?(?:\([^()]{1,20}\))?的(?:通知|公告|函|批复)"
)
_TITLE: Final = re.compile(rf"^[^。,;:《》!?]{{2,70}}{_KIND}{_STAGE}$")
_TITLE_RUNS: Final = tuple(
    re.compile(
        rf"[^。,;:《》!?\d]{{4,50}}?{kind}{_STAGE}(?=为|根据|按照|依据|一、|第一|目录|结合|20\d\d年|前言|深入|近年|城乡建设是|建筑|住房)"
    )
    for kind in ("方案", "(?:规划|计划|意见|纲要)")
)
_ANNEX: Final = re.compile(r"(?:附[件表录图])(?:\d{1,2}|[一二三四五六七八九十]{1,2})?[:.、]?")
_ANNEX_TITLE: Final = re.compile(
    rf"附件(?:\d{{1,2}})?:(?:\d[.、])?(?P<name>[^。,;:《》]{{4,50}}?(?:工作|实施|行动|专项)?(?:方案|规划|计划){_STAGE})"
)
_NUMBER: Final = re.compile(
    r"(?P<word>[\u4e00-\u9fff]{2,14})[\[\(](?P<year>(?:19|20)\d\d)[\]\)](?:第)?(?P<serial>\d{1,4})号"
)
_NUMBER_STOP: Final = re.compile(r".*(?:通知|文件|文号|字号|公告|政府|委员会|编号|[厅局部署])(?=[\u4e00-\u9fff]{2})")
_CN_YEAR: Final = "[〇零○O0一二三四五六七八九]{4}"
_DATE: Final = re.compile(
    rf"(?P<year>(?:19|20)\d\d|{_CN_YEAR})(?:年|[-./])(?P<month>\d{{1,2}}|[一二三四五六七八九十]{{1,2}})(?:月|[-./])"
    r"(?P<day>\d{1,2}(?:日|(?!\d))|[一二三四五六七八九十]{1,3}(?=日)日)"
)
_MONTH: Final = re.compile(rf"(?:(?:19|20)\d\d|{_CN_YEAR})年(?:\d{{1,2}}|[一二三四五六七八九十]{{1,2}})月")
_PROVINCE: Final = re.compile(
    r"[\u4e00-\u9fff]{2,7}?(?:(?<![全本我各节])省(?!级|直|内|份|会|委|政府)|自治区|特别行政区|生产建设兵团)"
)
_CITY: Final = re.compile(
    r"[\u4e00-\u9fff]{1,8}?(?:自治州|(?<!联)盟(?!约)|州(?![市湾区新])|(?<![全本我各])市(?![县区场政辖级域容委直]|民(?!用))|市(?=市政))"
)
_DISTRICT: Final = re.compile(
    r"[\u4e00-\u9fff]{1,8}?(?:自治县|自治旗|林区|新区|开发区|高新区|(?<![全本我各])县(?![域级区委直]|城(?!乡))|(?:(?<![城社地园片街住小校厂矿景库郊市辖全各自])|(?<=[^主心新老旧县建古乡市全各本镇内外核]城))区(?![域级县划委直])|旗(?![下帜舰]))"
)
_NO_REGION: Final = re.compile(
    "城乡|建筑|全国|国家|绿色|低碳|关于|县城|农村|住房|碳|社区|[主心新老旧县建古乡市全各本镇内外核]城区|^城区|示范|试点|重点|严寒|寒冷|夏热|印发|既有|老旧|海绵|智慧|中心城市|居住|中小|公园城市|^城市|^建设|^推进|^加快|^实施"
)


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """Where the parts of a document begin."""

    title: str | None
    """Title of the plan."""
    plan_start: int
    """First character of the plan itself, behind its cover note."""
    text_start: int
    """First character behind the title of the plan."""
    annexes: tuple[tuple[int, int], ...] = ()
    """Annexes: first character and the end of their mark."""


def _blocks(document: DocumentText, start: int, end: int) -> Iterator[tuple[int, int]]:
    starts = document.starts
    for index in range(bisect_left(starts, start), len(starts)):
        begin = starts[index]
        if begin >= end:
            return
        stop = starts[index + 1] if index + 1 < len(starts) else len(document.plain)
        if stop > begin:
            yield begin, stop


def _title_blocks(document: DocumentText, text: str, limit: int) -> tuple[int, int] | None:
    """First run of short blocks without punctuation that together read as the title of a plan."""
    run: list[tuple[int, int]] = []
    for start, stop in _blocks(document, 0, limit):
        words = text[start:stop]
        plain_line = len(words) <= 60 and not re.search(r"[。,;:!?《》]|号$|文件$|\d日$|通知$|目录$", words)
        if not plain_line or is_body_name(words):
            run = []
            continue
        run = [*run, (start, stop)][-4:]
        if _TITLE.match(words):
            begin = next((first for first, last in run if region_of(text[first:last])), None)
            first = begin if begin is not None else start if len(words) >= 10 else run[0][0]
            return first, stop
    return None


def _notice(text: str, limit: int) -> re.Match[str] | None:
    """Return the title of a cover note (关于印发《…》的通知); one that is merely quoted is none."""
    for found in _NOTICE.finditer(text, 0, limit):
        opened = max(text.rfind("《", max(0, found.start() - 60), found.start()), -1)
        quoted = opened >= 0 and text.find("》", opened, found.start()) < 0
        if not quoted and text[found.end() : found.end() + 1] != "》" and not re.search("[。;]", text[: found.start()]):
            return found
    return None


def read_layout(document: DocumentText, text: str, first_mark: int | None = None) -> HeadLayout:
    """Return the title of the plan and where cover note, plan and annexes begin.

    Parameters
    ----------
    document : DocumentText
    text : str
        The document in folded form.
    first_mark : int, optional
        Where the first likely heading stands; a title stands before it.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> lines = ("关于印发《东城区绿色建筑行动方案》的通知", "各街道：请落实。", "东城区绿色建筑行动方案", "一、目标")
    >>> words = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> layout = read_layout(words, words.folded)
    >>> layout.title, layout.plan_start, layout.text_start
    ('东城区绿色建筑行动方案', 28, 39)
    """
    limit = min(len(text), _HEAD)
    title, start, behind = None, 0, 0
    if found := _notice(text, limit):
        words, title = found["name"], document.plain[found.start("name") : found.end("name")]
        again = text.find(words, found.end())
        while again >= 0 and (
            text[again - 1] in "《:〈<" or text[again + len(words) : again + len(words) + 1] in tuple("》〉>印的")
        ):
            again = text.find(words, again + 1)
        if again >= 0:
            start, behind = again, again + len(words)
    elif run := _title_blocks(document, text, limit if first_mark is None else min(limit, first_mark)):
        title, behind = document.plain[run[0] : run[1]], run[1]
    elif found := next(filter(None, (pattern.match(text) for pattern in _TITLE_RUNS)), None):
        title, behind = document.plain[: found.end()], found.end()
    elif found := _ANNEX_TITLE.search(text):
        title = document.plain[found.start("name") : found.end("name")]
    annexes = []
    for begin, stop in _blocks(document, max(behind, 1), len(text)):
        if stop - begin <= 80 and "。" not in text[begin:stop] and (found := _ANNEX.match(text, begin)):
            annexes.append((begin, found.end()))
    return HeadLayout(title, start, behind, tuple(annexes))


def region_of(words: str | None) -> str | None:
    """Return the region with which a title or a body's name begins.

    Examples
    --------
    >>> [region_of(words) for words in ("吉林省城乡建设领域碳达峰工作方案", "青岛市城乡建设", "城乡建设领域碳达峰实施方案")]
    ['吉林省', '青岛市', None]
    """
    place, words = 0, words or ""
    for pattern in (_PROVINCE, _CITY, _DISTRICT):
        if (found := pattern.match(words, place)) and not _NO_REGION.search(found.group()):
            place = found.end()
    return words[:place] if place >= 2 else None


def _date_of(found: re.Match[str]) -> date | None:
    year = found["year"]
    digits = "".join(
        letter if letter.isdecimal() else str(chinese_number("零" if letter in "○O" else letter)) for letter in year
    )
    try:
        return date(int(digits), chinese_number(found["month"]), chinese_number(found["day"].removesuffix("日")))
    except ValueError:
        return None


def _split_names(words: str) -> tuple[str, ...]:
    """Cut names that run together: each begins with the same region."""
    region = region_of(words)
    if region and words.count(region) > 1:
        pieces = [region + piece for piece in words.split(region) if piece]
        if all(map(is_body_name, pieces)):
            return tuple(pieces)
    return (words,) if is_body_name(words) else ()


def _names_before(document: DocumentText, text: str, end: int, floor: int) -> tuple[str, ...]:
    """Names of bodies that stand directly before an offset."""
    names: list[str] = []
    while end > floor:
        index = document.block_at(end - 1)
        start = max(floor, document.starts[index])
        stop = max(text.rfind(letter, start, end) for letter in "。:;)!")
        start = max(start, stop + 1)
        start += text.startswith("(", start) and ")" not in text[start:end]
        words = text[start:end]
        raw = document.blocks[index].text.split()
        pieces = [piece for piece in raw if piece in document.plain[start:end]]
        if "".join(pieces) == document.plain[start:end] and len(pieces) > 1 and all(map(is_body_name, pieces)):
            found: tuple[str, ...] = tuple(pieces)
        else:
            found = _split_names(document.plain[start:end])
        if not found or not words:
            break
        names[:0] = found
        end = start
        if stop >= start - 1 and stop >= 0:
            break
    return tuple(dict.fromkeys(names))


def _number(document: DocumentText, text: str, limit: int) -> str | None:
    """Return the number of the document itself: not in brackets or behind a title, where other documents are quoted."""
    for found in _NUMBER.finditer(text, 0, limit):
        begin, stop = found.start(), found.end("word")
        begin = max(begin, document.starts[document.block_at(stop)])
        if cut := _NUMBER_STOP.match(text[begin:stop]):
            begin += cut.end()
        before = text[begin - 1] if begin else ""
        if before in "(《》" or text[found.end() : found.end() + 1] in (")", "文"):
            continue
        if 2 <= stop - begin <= 12:
            return f"{document.plain[begin:stop]}〔{found['year']}〕{text[found.end('year') + 1 : found.end()]}"
    return None


def _signature(document: DocumentText, text: str, start: int, end: int) -> tuple[tuple[str, ...], date | None]:
    for found in _DATE.finditer(text, start, end):
        day = _date_of(found)
        if day is None or text.startswith("印发", found.end()):
            continue
        names = _names_before(document, text, found.start(), start)
        alone = found.start() in document.starts and (found.end() in document.starts or found.end() == len(text))
        if names or alone:
            return names, day
    for found in _MONTH.finditer(text, start, end):
        if found.start() in document.starts and found.end() in document.starts:
            return _names_before(document, text, found.start(), start), None
    return (), None


def read_head(
    document: DocumentText, text: str, layout: HeadLayout, place_of: Callable[[str], str | None] | None = None
) -> PlanHead:
    """Return what a document says of itself.

    Parameters
    ----------
    document : DocumentText
    text : str
        The document in folded form.
    layout : HeadLayout
        Where its parts begin.
    place_of : callable, optional
        Place id of a region as written, None where unknown.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> lines = ("关于印发《东川市绿色建筑行动方案》的通知", "东建发[2023]7号", "各局：请落实。", "东川市住房和城乡建设局", "2023年5月4日")
    >>> words = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> head = read_head(words, words.folded, read_layout(words, words.folded))
    >>> head.number, head.issuers, str(head.issued_on), head.region
    ('东建发〔2023〕7号', ('东川市住房和城乡建设局',), '2023-05-04', '东川市')
    """
    limit = layout.plan_start or min(len(text), layout.text_start + 400)
    issuers, issued = _signature(document, text, 0, limit)
    if issued is None and not issuers:
        issuers, issued = _signature(document, text, max(limit, len(text) - _TAIL), len(text))
    if not issuers and (notice := _NOTICE.search(text, 0, limit)):
        issuers = _names_before(document, text, notice.start(), 0)
    number = _number(document, text, limit)
    region = region_of(layout.title) or next(filter(None, map(region_of, issuers)), None)
    return PlanHead(
        title=layout.title,
        number=number,
        issuers=issuers,
        issued_on=issued,
        region=region,
        place=place_of(region) if region and place_of else None,
    )

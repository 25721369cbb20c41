"""Clauses of a sentence: stretches between commas, and within them the piece that belongs to each number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from dafeng.plans.comparators import compare_words, suffix_length
from dafeng.plans.read_records import ReadNumber

__all__ = ["Piece", "Segment", "pieces_of", "segments_of"]

_SEPARATORS: Final = frozenset(",;:!?。，")
_AND: Final = re.compile(r"(?:、|和|与|及|以及|并|且|或|/)+")
_IDLE: Final = re.compile(
    r"(?:力争|争取|分别|均|都|应|要|须|需|再|各|约|年均|平均|(?:到|至)?(?:19|20)\d\d年(?:底|末)?前?|[\"']?十[四五]五[\"']?(?:末|期末)?|\"|')+"
)
_FROM: Final = re.compile(r"(?:由|从|自)[^,;由从]{0,24}$")
_TO: Final = re.compile(r"^[^,;]{0,16}?(?:到|至|升|降|增|减|提高|下降|扩大)")
_DOING: Final = re.compile(
    r"(?:建成|建设|打造|培育|创建|新建|完成|改造|新增|推广|实施|形成|发展|布局|评选|选取|支持|组织|安装|配建|改建|整治|更新)(?:不少于|不低于|至少|约|超过)?$|至少[^,]{0,4}$"
)
_WITHIN: Final = re.compile(r"(?:范围|半径|服务|可达)?(?:内)?(?:的)?(?:人口)?覆盖(?:率|比例|面)")
_NEW_PART: Final = re.compile(
    r"(?:惠及|涉及|覆盖|受益|总?建筑面积|总面积|面积|总?投资|新增|改造|新建|建成|完成|总?长度|装机|户数|其中|累计)"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch between commas, semicolons or colons.

    Parameters
    ----------
    start, end : int
        Half-open offsets, without the mark that ends it.
    numbers : tuple of ReadNumber
        Quantities within.
    """

    start: int
    end: int
    numbers: tuple[ReadNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """The words that belong to one number of a segment.

    Parameters
    ----------
    number : ReadNumber
    start, end : int
        Half-open offsets.
    segment : Segment
    group : tuple of ReadNumber
        Numbers that share one subject (分别达到30%、50%), the number itself among them; one for a number of its own.
    role : str
        ``amount``, ``baseline_value`` (the first of 由…提高到…) or ``describes`` (a bound inside the name of the object).
    """

    number: ReadNumber
    start: int
    end: int
    segment: Segment
    group: tuple[ReadNumber, ...] = field(default=())
    role: str = "amount"


def segments_of(text: str, start: int, end: int, numbers: Sequence[ReadNumber]) -> list[Segment]:
    """Cut a sentence into segments; brackets are cut out only where a number stands in them.

    Parameters
    ----------
    text : str
        Folded text of the document.
    start, end : int
        The sentence.
    numbers : sequence of ReadNumber
        Its quantities, in order.
    """
    inside = {place for number in numbers for place in range(number.at.start, number.at.end)}
    cuts: list[int] = []
    opened: list[int] = []
    inner: list[int] = []
    for place in range(start, end):
        letter = text[place]
        if letter in "([《":
            opened.append(place)
        elif letter in ")]》" and opened:
            begun = opened.pop()
            if letter == ")" and any(begun < number.at.start < place for number in numbers):
                cuts.extend((begun, place, *(cut for cut in inner if cut > begun)))
            if not opened:
                inner.clear()
        elif letter in _SEPARATORS and place not in inside:
            (inner if opened else cuts).append(place)
    if opened:
        cuts.extend(inner)
    edges = [start - 1, *sorted(set(cuts)), end]
    segments = []
    for before, after in pairwise(edges):
        if after > before + 1:
            own = tuple(number for number in numbers if before < number.at.start < after)
            segments.append(Segment(before + 1, after, own))
    return segments


def _link(
    text: str, segment: Segment, piece_start: int, number: ReadNumber, following: ReadNumber
) -> tuple[str, int, int]:
    """How two numbers of one segment hang together: the tie, where the first piece ends, where the second begins."""
    gap = text[number.at.end : following.at.start]
    suffix = suffix_length(gap)
    rest = gap[suffix:]
    end = number.at.end + suffix
    before = text[piece_start : number.at.start]
    if _FROM.search(before) and _TO.match(rest):
        return "baseline_value", end, piece_start
    joint = _AND.match(rest) or (_AND.search(rest) if "以上" not in rest else None)
    if joint and joint.start() == 0:
        remainder = rest[joint.end() :]
        words = compare_words(remainder, "")
        bare = remainder[: words.word[0]] + remainder[words.word[1] :] if words.word else remainder
        if not _IDLE.sub("", bare):
            return "paired", end, piece_start
        return "amount", end, end + joint.end()
    if number.unit in ("米", "公里") and _WITHIN.match(rest):
        return "describes", end, piece_start
    if _NEW_PART.match(rest):
        return "amount", end, end
    if (
        number.unit in ("%", "个百分点", "百分点")
        and compare_words(before, "").explicit
        and not rest.startswith(("的", "及"))
    ):
        return "amount", end, end
    shares = number.unit == following.unit == "%"
    if shares and suffix and re.fullmatch(r"的[^、,;]{2,16}、(?:不少于|不低于|至少|约)?", rest):
        return "amount", end + len(rest) - 1, following.at.start
    listed = re.search(r"、(?=[^、]*$)", rest)
    done = _DOING.search(before) or text[piece_start - 1 : piece_start] == "、"
    if listed and number.unit not in (None, "%") and (done or (number.unit == following.unit and not suffix)):
        return "amount", end + listed.start(), end + listed.end()
    return "describes", end, piece_start


def pieces_of(text: str, segment: Segment) -> Iterator[Piece]:
    """Yield a piece for each number of a segment.

    Examples
    --------
    >>> from dafeng.base.document import Block, DocumentText
    >>> from dafeng.plans.numbers import find_numbers
    >>> words = "新增公园10个、绿道20公里以上"
    >>> numbers = find_numbers(DocumentText("p", "txt", "0" * 64, (Block(words, number=1),)))
    >>> [words[piece.start : piece.end] for piece in pieces_of(words, Segment(0, len(words), numbers))]
    ['新增公园10个', '绿道20公里以上']
    """
    numbers = segment.numbers
    start = segment.start
    groups: list[list[tuple[ReadNumber, int, int, str]]] = [[]]
    for index, number in enumerate(numbers):
        if index + 1 < len(numbers):
            tie, end, following = _link(text, segment, start, number, numbers[index + 1])
        else:
            tie, end, following = "amount", segment.end, segment.end
        groups[-1].append((number, start, end, "amount" if tie == "paired" else tie))
        if tie != "paired":
            groups.append([])
        start = following
    for group in groups:
        members = tuple(number for number, *_ in group)
        for number, begun, end, role in group:
            yield Piece(number, begun, group[-1][2] if len(group) > 1 else end, segment, members, role)

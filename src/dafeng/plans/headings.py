"""Numbered headings of an official document: every place that might be one, and the choice that makes the best sequence.

A mark such as （一） or 1. proves little by itself. All candidates are collected first; then the run of headings is chosen
in which numbers follow one another best. The start of a paragraph is evidence, never a condition, and one wrong number
costs its own heading a finding and the rest nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.base.document import DocumentText

__all__ = [
    "ARTICLE_RANK",
    "ITEM_RANK",
    "Heading",
    "Mark",
    "chinese_number",
    "choose_headings",
    "find_marks",
    "working_text",
]

_DIGITS: Final = {letter: value for value, letter in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CIRCLED: Final = {chr(0x2460 + place): place + 1 for place in range(20)}
_CIRCLED_PATTERN: Final = re.compile("[\u2460-\u2473]")
_CN: Final = "[一二三四五六七八九十百]{1,5}"
_MARK: Final = re.compile(
    rf"第(?P<unit_number>[零〇一二三四五六七八九十百]{{1,5}}|\d{{1,3}})(?P<unit>编|部分|章|节|条)"
    rf"|\((?P<cn_bracket>{_CN})\)|[\u3220-\u3229]"
    rf"|(?<![(\w])(?P<cn_half>{_CN})\)"
    rf"|(?P<cn>{_CN})[、.．]"
    r"|\((?P<digit_bracket>\d{1,2})\)|[\u2474-\u2487]"
    r"|(?<![\d.(\[A-Za-z/〔-])(?P<decimal>\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)(?![\d.%])"
    r"|(?<![\d.(\[A-Za-z/〔-])(?P<digit>\d{1,3})(?:[.、](?!\d)|\)、?)|[\u2488-\u249b]"
    r"|[\u2460-\u2473]\.?、?"
)
_RANKS: Final = {"编": 1, "部分": 1, "章": 2, "节": 3, "条": 4, "cn": 5, "cn_bracket": 6, "digit": 7, "decimal": 8}
ARTICLE_RANK: Final = 4
"""Rank of 第一条."""
ITEM_RANK: Final = 9
"""Rank of （1）, the highest style that also numbers mere items of a list."""
NUMBER_RANK: Final = 7
"""Rank of 1."""
_RANK_DIGIT_BRACKET: Final = ITEM_RANK
_RANK_DIGIT_HALF: Final = 10
_RANK_CIRCLED: Final = 11
_ENCLOSED: Final = re.compile(
    r"《[^《》。]{0,150}》|“[^“”。]{0,200}”|「[^「」。]{0,200}」|\([^()。]{0,150}\)|\[[^\[\]。]{0,150}\]"
)
_SENTENCE_END: Final = re.compile("[。!?;]")
_BEAM: Final = 6
_MARGIN: Final = 7.0
_FITS: Final = 2.0
_STRONG: Final = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A place that looks like the mark of a heading."""

    start: int
    """First character."""
    end: int
    """One past the last character of the mark, its point or comma included."""
    rank: int
    """How high its style stands by custom: 编 1 … ① 11."""
    number: int
    """Its number."""
    label: str
    """Mark as a path shows it: 一, （二）, 5."""
    evidence: float
    """What stands around it says for (above zero) or against a heading."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A mark that was chosen."""

    mark: Mark
    """The mark."""
    level: int
    """Depth, 1 for the highest."""
    expected: int
    """Number that the sequence wanted; differs from the mark's own where headings are out of order."""
    part: int
    """How often the numbering had begun anew before: 0 in the first part of the document."""


def chinese_number(text: str) -> int:
    """Return the value of a Chinese numeral below 1,000; digits are read too.

    Examples
    --------
    >>> [chinese_number(text) for text in ("七", "十", "二十一", "一百零三", "12")]
    [7, 10, 21, 103, 12]
    """
    if text.isdecimal():
        return int(text)
    total, last = 0, 0
    for letter in text:
        if letter == "百":
            total, last = total + (last or 1) * 100, 0
        elif letter == "十":
            total, last = total + (last or 1) * 10, 0
        else:
            last = _DIGITS.get(letter, 0)
    return total + last


def working_text(document: DocumentText) -> str:
    """Return `document.folded` with circled numbers kept as they stand in `plain`; equally long."""
    folded, plain = document.folded, document.plain
    circled = [found.start() for found in _CIRCLED_PATTERN.finditer(plain)]
    if not circled:
        return folded
    letters = list(folded)
    for place in circled:
        letters[place] = plain[place]
    return "".join(letters)


def _shape(found: re.Match[str], plain: str) -> tuple[int, int, str] | None:
    """Rank, number and path label of a mark."""
    text = found.group()
    written = plain[found.start() : found.end()]
    if unit := found["unit"]:
        return _RANKS[unit], chinese_number(found["unit_number"]), written
    if found["cn"]:
        return _RANKS["cn"], chinese_number(found["cn"]), found["cn"]
    if found["cn_bracket"]:
        return _RANKS["cn_bracket"], chinese_number(found["cn_bracket"]), f"（{found['cn_bracket']}）"
    if found["cn_half"]:
        return _RANKS["cn_bracket"], chinese_number(found["cn_half"]), f"（{found['cn_half']}）"
    if found["digit_bracket"]:
        return _RANK_DIGIT_BRACKET, int(found["digit_bracket"]), f"（{found['digit_bracket']}）"
    if found["digit"]:
        half = text[len(found["digit"])] == ")"
        return (
            _RANK_DIGIT_HALF if half else _RANKS["digit"],
            int(found["digit"]),
            found["digit"] + (")" if half else ""),
        )
    if found["decimal"]:
        parts = found["decimal"].split(".")
        return _RANKS["decimal"], int(parts[-1]), found["decimal"]
    code = ord(text[0])
    if 0x3220 <= code <= 0x3229:
        return _RANKS["cn_bracket"], code - 0x321F, f"（{'一二三四五六七八九十'[code - 0x3220]}）"
    if 0x2474 <= code <= 0x2487:
        return _RANK_DIGIT_BRACKET, code - 0x2473, f"（{code - 0x2473}）"
    if 0x2488 <= code <= 0x249B:
        return _RANKS["digit"], code - 0x2487, str(code - 0x2487)
    return _RANK_CIRCLED, _CIRCLED[text[0]], text[0]


_NEVER_AFTER: Final = frozenset(",.;:、。)%-~")
_AFTER_REFERENCE: Final = frozenset("项款目条类号个级期年月日倍层至和与及")
_BEFORE_BAD: Final = frozenset("第之其如见按据即到至和与及约近共有为占达")
_WORD: Final = re.compile("[\u4e00-\u9fff](?<![倍万亿千百米公平方吨度个元人升立小时分天户栋座处项兆瓦级星成折年月日])")
_MIDDLE: Final = {5: -3.0, 6: -1.6, 7: -3.0}


def _evidence(text: str, found: re.Match[str], rank: int, at_block_start: bool) -> float | None:
    start, end = found.span()
    before = text[start - 1] if start else ""
    after = text[end] if end < len(text) else ""
    if not after or after in _NEVER_AFTER or (rank in (5, 7) and after.isdecimal()):
        return None
    if after in _AFTER_REFERENCE and not (at_block_start or before in "。!?"):
        return None
    if rank == 5 and re.match(rf"{_CN}[、.]", text[end : end + 6]):
        return None
    if rank <= 4 and not (at_block_start or before in "。!?)]"):
        return None
    if rank == _RANKS["decimal"] and (not (at_block_start or before == "。") or not _WORD.match(after)):
        return None
    if not start or at_block_start:
        score = _STRONG
    elif before in "。!?":
        score = 1.0
    elif before in ')]"':
        score = 0.8 if rank <= 7 else -0.5
    elif before in ";" and rank <= 7:
        score = 0.3
    elif before in ";:,、":
        score = -2.5 if rank < ITEM_RANK else -4.5
    elif before in _BEFORE_BAD or before.isdecimal():
        return None
    else:
        score = _MIDDLE.get(rank, -3.0)
    stop = _SENTENCE_END.search(text, end, end + 60)
    if stop is None or "," in text[end : stop.start()]:
        return score
    return score + (0.5 if stop.group() == "。" and stop.start() - end <= 40 else 0.0)


def find_marks(document: DocumentText, text: str | None = None) -> list[Mark]:
    """Return every place of a document that might be the mark of a heading, in order.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> words = DocumentText("a.txt", "txt", "0" * 64, (Block("一、目标"), Block("管线1.5米，按（二）类。"), Block("１．措施。")))
    >>> [(mark.start, mark.label) for mark in find_marks(words)]
    [(0, '一'), (17, '1')]
    """
    text = working_text(document) if text is None else text
    starts = frozenset(document.starts)
    plain = document.plain
    enclosed = [found.span() for found in _ENCLOSED.finditer(plain.replace("（", "(").replace("）", ")"))]
    marks: list[Mark] = []
    place = 0
    for found in _MARK.finditer(text):
        shape = _shape(found, plain)
        if shape is None or shape[1] == 0:
            continue
        while place < len(enclosed) and enclosed[place][1] <= found.start():
            place += 1
        if place < len(enclosed) and enclosed[place][0] < found.start() and found.end() <= enclosed[place][1]:
            continue
        rank, number, label = shape
        evidence = _evidence(text, found, rank, found.start() in starts)
        if evidence is not None:
            marks.append(Mark(found.start(), found.end(), rank, number, label, evidence))
    return marks


@dataclass(frozen=True, slots=True)
class _State:
    """Numbers that stand open, by rank, and the last number of each rank that was closed."""

    stack: tuple[tuple[int, int], ...] = ()
    closed: tuple[tuple[int, int], ...] = ()


def _push(state: _State, mark: Mark) -> list[tuple[_State, float, int, int]]:
    """Ways to take a mark: state after it, how well it fits, depth, number that was wanted."""
    kept = tuple(entry for entry in state.stack if entry[0] < mark.rank)
    same = next((number for rank, number in state.stack if rank == mark.rank), None)
    gone = {rank: number for rank, number in state.stack if rank > mark.rank}
    closed = tuple(sorted((dict(state.closed) | gone).items()))
    depth = len(kept) + 1
    number = mark.number
    if same is None:
        before = dict(closed).get(mark.rank, 0)
        if number in (1, before + 1):
            return [(_State((*kept, (mark.rank, number)), closed), 1.5, depth, number)]
        wanted, cost = before + 1 if before and number > before else 1, -1.0
        if mark.rank == _RANKS["decimal"]:
            return []
    else:
        wanted = same + 1
        if number == wanted:
            return [(_State((*kept, (mark.rank, number)), closed), _FITS, depth, number)]
        cost = -1.0 if same < number <= same + 3 else -2.0 if number in (1, same) else -2.5
    return [
        (_State((*kept, (mark.rank, number)), closed), cost, depth, wanted),
        (_State((*kept, (mark.rank, wanted)), closed), cost - 0.5, depth, wanted),
    ]


def choose_headings(marks: Sequence[Mark], parts: Collection[int] = ()) -> list[Heading]:
    """Return the marks that make the best sequence of headings.

    Parameters
    ----------
    marks : sequence of Mark
        Candidates in order.
    parts : collection of int
        Offsets at which numbering begins anew: the plan after its cover note, an annex.

    Examples
    --------
    The third heading is misprinted and stays one; the (2) inside the sentence is none.

    >>> def mark(start, rank, number, evidence):
    ...     return Mark(start, start + 2, rank, number, str(number), evidence)
    >>> marks = [mark(0, 5, 1, 2.0), mark(9, 5, 2, 2.0), mark(14, 9, 2, -2.5), mark(20, 5, 9, 2.0), mark(30, 5, 4, 2.0)]
    >>> [(heading.mark.number, heading.expected) for heading in choose_headings(marks)]
    [(1, 1), (2, 2), (9, 3), (4, 4)]
    """
    boundaries = sorted(parts)
    came_from, node_mark, node_depth, node_wanted = [-1], [-1], [0], [0]
    beam: dict[_State, tuple[float, int]] = {_State(): (0.0, 0)}
    passed = 0
    for index, mark in enumerate(marks):
        while passed < len(boundaries) and boundaries[passed] <= mark.start:
            passed += 1
            beam = {_State(): max(beam.values())}
        following: dict[_State, tuple[float, int, int, int]] = {
            state: (score, node, -1, 0) for state, (score, node) in beam.items()
        }
        for state, (score, node) in beam.items():
            for after, fit, depth, wanted in _push(state, mark):
                total = score + 1.0 + mark.evidence + fit
                if after not in following or following[after][0] < total:
                    following[after] = (total, node, depth, wanted)
        least = max(value[0] for value in following.values()) - _MARGIN
        ranked = sorted((item for item in following.items() if item[1][0] >= least), key=lambda item: -item[1][0])
        beam = {}
        for state, (total, before, depth, wanted) in ranked[:_BEAM]:
            if depth >= 0:
                came_from.append(before)
                node_mark.append(index)
                node_depth.append(depth)
                node_wanted.append(wanted)
            beam[state] = (total, len(came_from) - 1 if depth >= 0 else before)
    node = max(beam.values())[1]
    headings: list[Heading] = []
    while node > 0:
        mark = marks[node_mark[node]]
        headings.append(Heading(mark, node_depth[node], node_wanted[node], bisect_right(boundaries, mark.start)))
        node = came_from[node]
    return headings[::-1]

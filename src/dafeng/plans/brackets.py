"""Lists of responsible bodies in a clause: in brackets of many forms, behind a label without brackets, or as a last sentence.

A bracket is a list only where its words say so: a label (责任单位：), a duty (按职责分工负责, 牵头), or names alone behind the
full stop. One that never closes ends at its sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.plans.body_names import BODY_LABEL, NamedBodies, is_body_name, join_named, read_bodies

__all__ = ["FoundList", "find_lists", "merge_adjacent", "read_bracket"]

_EVENT: Final = re.compile(r"[(\[)\]。]")
_HINT: Final = re.compile("[局厅委办部署院府会司心团区市县位门州社行关体中]")
_CONTINUES: Final = re.compile(
    r"(?:[^。()\[\]]|\([^()。]{0,20}\)){2,200}(?<=负责|落实|配合|下同|列出|牵头|实施|参与)[)\]]"
)
_BARE_LABEL: Final = re.compile(rf"[\[(]{BODY_LABEL}[\])]:?|{BODY_LABEL}(?:\([^()]{{1,12}}\))?:")
_FULL_STOP: Final = frozenset("。;!?")
_GAP: Final = frozenset("。,;:、!?")
_LONGEST: Final = 1200
_LAST_SENTENCE: Final = 300


@dataclass(frozen=True, slots=True)
class FoundList:
    """A list of bodies in a clause."""

    start: int
    """First character, bracket included."""
    end: int
    """One past the last."""
    named: NamedBodies
    """Whom it names."""
    closed: bool = True
    """False where its bracket never closes."""


def _accept(named: NamedBodies, before: str, after: str) -> bool:
    """Whether what a bracket holds is a list of bodies, by its words and the marks around it."""
    if not named.bodies:
        return False
    if named.labelled:
        return True
    at_stop = not after or after in _FULL_STOP or before in _FULL_STOP
    if named.duty:
        return named.sure * 2 >= len(named.bodies) if at_stop else named.sure == len(named.bodies)
    behind = before in _FULL_STOP or before in ")]" or not after or after in "(["
    return behind and named.sure == len(named.bodies)


def _pairs(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Brackets of a stretch, outer before inner; an open one ends at its full stop."""
    found: list[tuple[int, int, bool]] = []
    stack: list[int] = []

    def flush(stop: int) -> None:
        found.extend((opened, stop, False) for opened in {*stack[:1], *stack[-1:]} if 1 < stop - opened < _LONGEST)
        stack.clear()

    for event in _EVENT.finditer(text, start, end):
        letter, place = event.group(), event.start()
        if letter in "([":
            stack.append(place)
        elif letter == "。":
            if stack and text[place + 1 : place + 2] not in (")", "]") and not _CONTINUES.match(text, place + 1, end):
                flush(place)
        elif stack:
            opened = stack.pop()
            if place - opened < _LONGEST:
                found.append((opened, place + 1, True))
    flush(end)
    yield from sorted(found)


def read_bracket(
    text: str,
    plain: str,
    left: int,
    right: int,
    *,
    closed: bool = True,
    known: Collection[str] = (),
    end: int | None = None,
) -> FoundList | None:
    """Return the list of bodies that a bracket holds, None where it holds something else.

    Parameters
    ----------
    text, plain : str
        The document, folded and as written.
    left, right : int
        The bracket: its first character and one past its last.
    closed : bool
        Whether it closes.
    known : collection of str
        Names and aliases of the catalog.
    end : int, optional
        End of the clause.

    Examples
    --------
    >>> words = "推广绿色建材(试行)。(市住建局牵头,各区(市)配合)"
    >>> read_bracket(words, words, 6, 10), read_bracket(words, words, 11, len(words)).named.leads
    (None, ('市住建局',))
    """
    inner = right - 1 if closed else right
    words = text[left + 1 : inner]
    if len(words) < 2 or not _HINT.search(words):
        return None
    named = read_bodies(words, plain[left + 1 : inner], known=known)
    before = text[left - 1] if left else "。"
    after = text[right] if right < (len(text) if end is None else end) else ""
    return FoundList(left, right, named, closed) if _accept(named, before, after) else None


def _label_end(text: str, start: int, end: int, breaks: Sequence[int]) -> int:
    """Return where a list behind a label without brackets ends: at a full stop, or at a paragraph that does not run on."""
    end = min(end, start + _LONGEST)
    stop = text.find("。", start, end)
    stop = end if stop < 0 else stop
    another = _BARE_LABEL.search(text, start, stop)
    stop = another.start() if another else stop
    for place in breaks[bisect_right(breaks, start) : bisect_left(breaks, stop)]:
        if text[place - 1] in "、,(:" or text.count("(", start, place) > text.count(")", start, place):
            continue
        last = re.split("[、,;]", text[start:place])[-1]
        following = text[place : min(stop, place + 40)]
        following = re.split("[、,;。(]", following)[0] or following
        if following[0] == "(" or (
            len(following) <= 16
            and is_body_name(last + following, places=True)
            and not is_body_name(following, places=True)
        ):
            continue
        return place
    return stop


def _labelled(
    text: str,
    plain: str,
    start: int,
    end: int,
    known: Collection[str],
    breaks: Sequence[int],
    taken: Sequence[FoundList],
) -> Iterator[FoundList]:
    """Find lists behind a label that stands outside of brackets."""
    place = start
    opened = [each.start for each in taken]
    while found := _BARE_LABEL.search(text, place, end):
        place = found.end()
        inside = bisect_right(opened, found.start()) - 1
        if inside >= 0 and found.start() < taken[inside].end:
            continue
        before = text[found.start() - 1] if found.start() > start else "。"
        if before not in "。;!?)],、:" and not _is_in(breaks, found.start()) and found.start() != start:
            continue
        stop = _label_end(text, place, end, breaks)
        named = read_bodies(text[place:stop], plain[place:stop], known=known)
        kept = [index for index, body in enumerate(named.bodies) if len(body) <= 45]
        if not kept or named.sure * 2 < len(named.bodies):
            continue
        if re.search("牵头|主办|主责", found.group()):
            named = _leading(named)
        yield FoundList(found.start(), stop, named)
        place = max(place, stop)


def _is_in(places: Sequence[int], place: int) -> bool:
    index = bisect_left(places, place)
    return index < len(places) and places[index] == place


def _leading(named: NamedBodies) -> NamedBodies:
    return NamedBodies(named.bodies, named.bodies, named.origins, named.standing, True, named.duty, named.sure)


def _last_sentence(text: str, plain: str, start: int, end: int, known: Collection[str]) -> FoundList | None:
    """Return a last sentence that is nothing but bodies and their duty."""
    stop = end - 1 if end > start and text[end - 1] == "。" else end
    begin = max(start, text.rfind("。", max(start, stop - _LAST_SENTENCE), stop) + 1)
    words = text[begin:stop]
    if (
        begin <= start
        or not words
        or len(words) >= _LAST_SENTENCE
        or not re.search("(?:负责|牵头|配合|落实|参与)$", words)
    ):
        return None
    named = read_bodies(words, plain[begin:stop], known=known)
    whole = named.duty and named.bodies and named.sure == len(named.bodies)
    return FoundList(begin, stop, named) if whole else None


def find_lists(
    text: str, plain: str, start: int, end: int, *, known: Collection[str] = (), breaks: Sequence[int] = ()
) -> list[FoundList]:
    """Return the lists of bodies between two offsets, in order.

    Parameters
    ----------
    text, plain : str
        The document, folded and as written.
    start, end : int
        The clause.
    known : collection of str
        Names and aliases of the catalog, in folded form.
    breaks : sequence of int
        Offsets within the clause at which a paragraph begins.

    Examples
    --------
    >>> words = "推广绿色建材(试行)。(责任单位:市住建局、各区(市)等)"
    >>> [(found.start, found.end, found.named.bodies) for found in find_lists(words, words, 0, len(words))]
    [(11, 29, ('市住建局', '各区(市)'))]
    """
    found: list[FoundList] = []
    place = start
    for left, right, closed in _pairs(text, start, end):
        if left < place:
            continue
        each = read_bracket(text, plain, left, right, closed=closed, known=known, end=end)
        if each is not None:
            found.append(each)
            place = right
    found += list(_labelled(text, plain, start, end, known, breaks, found))
    if not any(each.end >= end - 1 for each in found) and (last := _last_sentence(text, plain, start, end, known)):
        found.append(last)
    return merge_adjacent(sorted(found, key=lambda each: each.start), text)


def merge_adjacent(found: Sequence[FoundList], text: str) -> list[FoundList]:
    """Make one of lists that follow each other directly: one bracket for the lead, one for those who help.

    Examples
    --------
    >>> words = "(牵头单位:市住建局)(配合单位:市水务局)"
    >>> [each.named.bodies for each in find_lists(words, words, 0, len(words))]
    [('市住建局', '市水务局')]
    """
    merged: list[FoundList] = []
    for each in found:
        if (
            merged
            and each.start >= merged[-1].end
            and all(letter in _GAP for letter in text[merged[-1].end : each.start])
        ):
            last = merged.pop()
            both = join_named((last.named, each.named))
            merged.append(FoundList(last.start, each.end, both, last.closed and each.closed))
            continue
        merged.append(each)
    return merged

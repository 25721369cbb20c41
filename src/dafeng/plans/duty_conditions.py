"""Who is meant by a duty on projects: the phrase before the duty word, as a condition of the catalog's grammar.

Lists joined by 、和 以及 或 become alternatives, and what stands before the first member holds for the members that say
nothing of their own. A word that the project fields cannot express is kept as an open stretch; then there is no condition,
and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from dafeng.base.target import Locator
from dafeng.plans.duty_words import LARGE_NOTE, Condition, Word, read_words

__all__ = ["Subject", "read_subject"]


@dataclass(slots=True)
class _Item:
    terms: dict[str, Condition] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    own: bool = False
    headed: bool = False
    alone: bool = False
    generic: bool = False
    modifiers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is meant.

    Parameters
    ----------
    items : tuple of mapping from kind to Condition
        Alternatives; all conditions of one hold together.
    alone : tuple of bool
        For each alternative: it says by itself what work it is.
    name : str
        In dafeng's own words, for titles.
    notes : tuple of str
        Assumptions made, in Chinese.
    open_parts : tuple of Locator
        Words that the project fields cannot express.
    """

    items: tuple[Mapping[str, Condition], ...]
    alone: tuple[bool, ...]
    name: str
    notes: tuple[str, ...] = ()
    open_parts: tuple[Locator, ...] = ()

    @property
    def states_work(self) -> bool:
        """Whether any alternative names the kind of work."""
        return any("work" in item for item in self.items)

    def when(self, *, design: bool, extra: tuple[Condition, ...] = ()) -> str:
        """Return the condition as an expression.

        Parameters
        ----------
        design : bool
            The duty is one of new design: where no kind of work is named, new works are meant; else all but demolition.
        extra : tuple of Condition
            Conditions that hold for every alternative besides.
        """
        default = Condition("work", ("new",)) if design else Condition("work", text='work != "demolition"')
        items: list[dict[str, Condition]] = []
        for item, alone in zip(self.items, self.alone, strict=True):
            terms = dict(item)
            for condition in extra:
                terms.setdefault(condition.field, condition)
            if "work" not in terms and not alone:
                terms = {"work": default, **terms}
            items.append(terms)
        return _render(_joined(items))


def _joined(items: list[dict[str, Condition]]) -> list[dict[str, Condition]]:
    """Join alternatives that differ in the options of one choice alone."""
    done: list[dict[str, Condition]] = []
    for item in items:
        for other in done:
            different = [key for key in item if item[key] != other.get(key)]
            if (
                item.keys() == other.keys()
                and len(different) <= 1
                and all(item[key].options and other[key].options for key in different)
            ):
                for key in different:
                    other[key] = other[key].merged(item[key])
                break
        else:
            done.append(dict(item))
    return done


def _render(items: list[dict[str, Condition]]) -> str:
    common = [key for key, term in items[0].items() if all(other.get(key) == term for other in items)]
    shared = [str(items[0][key]) for key in common]
    rest = [[str(term) for key, term in item.items() if key not in common] for item in items]
    if len(items) == 1 or not all(rest):
        return " and ".join(shared) or 'work != "demolition"'
    parts = [" and ".join(one) if len(one) == 1 else f"({' and '.join(one)})" for one in rest]
    either = " or ".join(parts)
    return " and ".join([*shared, f"({either})"]) if shared else either


def read_subject(text: str, offset: int = 0) -> Subject:
    """Return who is meant by a phrase such as 新建政府投资公共建筑和大型公共建筑.

    Parameters
    ----------
    text : str
        The phrase, look-alikes folded.
    offset : int
        Where it begins in the document.

    Examples
    --------
    >>> read_subject("城镇新建5000平方米以上公共建筑").when(design=True)
    'extent in ["urban", "county_seat"] and work == "new" and gross_area >= 5000[m**2] and building_class == "public"'
    >>> read_subject("位于山上的建筑").open_parts
    (Locator(start=0, end=4),)
    """
    words = read_words(text, offset)
    if re.search("确需|确有必要", text):
        words = [_exceeding(word) for word in words]
    items, open_parts = _items(words)
    notes = [word.note for word in words if word.note]
    _settle(items, notes)
    names = (
        "".join(dict.fromkeys(item.names)) + ("" if item.terms.keys() & _HEAD_FIELDS else "建筑")
        for item in items
        if item.names
    )
    name = "、".join(dict.fromkeys(names)) or "建设项目"
    return Subject(
        tuple(item.terms for item in items),
        tuple(item.alone for item in items),
        name,
        tuple(dict.fromkeys(notes)),
        tuple(open_parts),
    )


def _exceeding(word: Word) -> Word:
    """确需建设18层以上…: what is needed beyond a limit lies above it."""
    if not word.terms or word.terms[0].field not in ("storeys", "height") or " >= " not in word.terms[0].text:
        return word
    term = Condition(word.terms[0].field, text=word.terms[0].text.replace(" >= ", " > "))
    return replace(word, terms=(term,), name=word.name.replace("≥", ">"), note="确需突破上限的，按超过计")


def _items(words: list[Word]) -> tuple[list[_Item], list[Locator]]:
    items: list[_Item] = [_Item()]
    open_parts: list[Locator] = []
    joined = umbrella = False
    for index, word in enumerate(words):
        current = items[-1]
        match word.kind:
            case "unknown":
                open_parts.append(Locator(start=word.start, end=word.end))
            case "joiner":
                joined, umbrella = True, False
            case "filler":
                following = words[index + 1].kind if index + 1 < len(words) else ""
                umbrella = umbrella or (
                    word.end - word.start == 1 and current.headed and not joined and _is_etc(words, index, following)
                )
            case "modifier" | "head":
                targets = items if umbrella and not joined else items[-1:]
                if joined and current.headed:
                    items.append(_Item(own=word.kind == "modifier"))
                    targets = items[-1:]
                for item in targets:
                    _take(item, word, umbrella=umbrella and not joined)
                joined = False
    return items, open_parts


def _is_etc(words: list[Word], index: int, following: str) -> bool:
    return following in ("modifier", "head") and words[index].name == "" and words[index].kind == "filler"


def _take(item: _Item, word: Word, *, umbrella: bool) -> None:
    for term in word.terms:
        if umbrella and term.field == "building_class" and "building_type" in item.terms:
            continue
        known = item.terms.get(term.field)
        if known is not None and term.field == "height" and "超高层" in (word.name, *item.names):
            item.terms["height"] = known if word.name == "超高层" else term
            continue
        if known is None:
            item.terms[term.field] = term
        elif word.kind == "modifier":
            item.terms[term.field] = (
                known.merged(term) if term.field != "single_building_area" or word.name != "大型" else known
            )
        elif term.options and set(term.options) & set(known.options):
            item.terms[term.field] = Condition(term.field, tuple(one for one in known.options if one in term.options))
        if word.kind == "modifier" and word.name not in _BOUND_TO_HEAD:
            item.modifiers.add(term.field)
    if word.name and not umbrella:
        item.names.append(word.name)
    if word.kind == "head":
        item.generic = not word.terms and not umbrella
        item.headed = True
        item.alone = item.alone or any(term.field == "retrofit_demonstration" for term in word.terms)


_HEAD_FIELDS: Final = {
    "building_class",
    "building_type",
    "housing_kind",
    "housing_grade",
    "public_institution",
    "prefabricated",
    "ultra_low_energy",
    "near_zero_energy",
    "green_star",
    "street_lighting",
}
_BOUND_TO_HEAD: Final = ("大型", "超高层", "高层")
"""Words of size that belong to the very next building and to no later member of a list."""
_OUTER: Final = ("work", "extent")


def _settle(items: list[_Item], notes: list[str]) -> None:
    """Hand down what stands before the first member of a list, and mend what the members say together."""
    for before, item in pairwise(items):
        if item.alone:
            continue
        keys = before.modifiers & set(_OUTER) if item.own or before.generic else before.modifiers
        taken = {key: before.terms[key] for key in before.terms if key in keys and key not in item.terms}
        item.terms = {**taken, **item.terms}
        item.modifiers |= set(taken)
    for item in items:
        if "大型" in item.names and "gross_area" in item.terms:
            size = str(item.terms.pop("gross_area")).replace("gross_area", "single_building_area")
            item.terms["single_building_area"] = Condition("single_building_area", text=size)
            notes[:] = [note for note in notes if note != LARGE_NOTE] + ["大型公共建筑的面积按单体计"]
    typed = [item for item in items if "building_type" in item.terms]
    for item in items:
        if len(typed) > 1 and "住宅" in item.names and not {"housing_kind", "housing_grade"} & set(item.terms):
            item.terms.pop("building_class", None)
            item.terms["building_type"] = Condition("building_type", ("housing",))
    investors = [item.terms.get("investor") for item in items]
    if Condition("investor", ("government",)) in investors and Condition("investor", ("private",)) in investors:
        for item in items:
            if item.terms.get("investor") == Condition("investor", ("private",)):
                del item.terms["investor"]
        notes.append("与政府投资并列的社会投资，合起来按投资来源不限计")

"""Numbers that Word sets before paragraphs: definitions of lists, and the counters as the document runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from dafeng.intake.documents.list_numbers import list_number

__all__ = ["Numbering", "WordStyle", "read_styles"]

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEVELS: Final = 9


@dataclass(frozen=True)
class WordStyle:
    """What a paragraph style says that matters for reading.

    Parameters
    ----------
    name : str
        Its name in English, such as heading 1.
    list_id, level : int or None
        List to which its paragraphs belong, 0 where it takes them out of any; own or inherited.
    hidden : bool
        Whether its text is hidden.
    """

    name: str
    list_id: int | None = None
    level: int | None = None
    hidden: bool = False


@dataclass
class _Level:
    start: int = 1
    style: str = "decimal"
    text: str = ""
    suffix: str = "tab"
    restart: int | None = None
    legal: bool = False
    paragraph_style: str = ""


@dataclass
class _List:
    abstract: int
    levels: dict[int, _Level] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    begun: bool = False


def _value(element: etree._Element | None, child: str) -> str | None:
    found = element.find(f"{W}{child}") if element is not None else None
    return None if found is None else found.get(f"{W}val")


def _number(element: etree._Element | None, child: str) -> int | None:
    text = _value(element, child)
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,9}", text) else None


def read_styles(root: etree._Element | None) -> tuple[dict[str, WordStyle], str]:
    """Return the paragraph styles by id, inheritance worked out, and the id of the default one."""
    elements: dict[str, etree._Element] = {}
    default = ""
    for element in root.iter(f"{W}style") if root is not None else ():
        if element.get(f"{W}type", "paragraph") == "paragraph":
            elements[element.get(f"{W}styleId", "")] = element
            if element.get(f"{W}default") in ("1", "true", "on"):
                default = element.get(f"{W}styleId", "")
    return {name: _style(name, elements) for name in elements}, default


def _style(name: str, elements: dict[str, etree._Element]) -> WordStyle:
    list_id = level = None
    hidden = False
    current, seen = name, set[str]()
    while current in elements and current not in seen:
        seen.add(current)
        element = elements[current]
        numbers = element.find(f"{W}pPr/{W}numPr")
        if list_id is None:
            list_id = _number(numbers, "numId")
        if level is None:
            level = _number(numbers, "ilvl")
        hidden = hidden or element.find(f"{W}rPr/{W}vanish") is not None
        current = _value(element, "basedOn") or ""
    return WordStyle(_value(elements[name], "name") or name, list_id, level, hidden)


class Numbering:
    """The lists of a document with their counters.

    Parameters
    ----------
    root : element or None
        Root of numbering.xml.
    styles : dict of str to WordStyle
    """

    def __init__(self, root: etree._Element | None, styles: dict[str, WordStyle]) -> None:
        self._styles = styles
        self._abstract: dict[int, dict[int, _Level]] = {}
        self._lists: dict[int, _List] = {}
        self._counters: dict[int, list[int | None]] = {}
        self._style_levels: dict[tuple[int, str], int] = {}
        if root is not None:
            self._load(root)

    def label(self, properties: etree._Element | None, style: str) -> str:
        """Return what Word sets before a paragraph, empty where nothing; counts on.

        Parameters
        ----------
        properties : element or None
            The paragraph's pPr.
        style : str
            Id of its style.
        """
        own = properties.find(f"{W}numPr") if properties is not None else None
        inherited = self._styles.get(style)
        list_id, level = _number(own, "numId"), _number(own, "ilvl")
        if list_id is None and inherited is not None:
            list_id = inherited.list_id
        found = self._lists.get(list_id or 0)
        if found is None:
            return ""
        if level is None:
            level = self._style_levels.get((found.abstract, style))
        if level is None:
            level = (inherited.level if inherited is not None else None) or 0
        level = min(max(level, 0), _LEVELS - 1)
        return self._count(found, level)

    def _count(self, item: _List, level: int) -> str:
        counters = self._counters.setdefault(item.abstract, [None] * _LEVELS)
        if not item.begun:
            item.begun = True
            for overridden in item.starts:
                counters[overridden] = None
        definition = self._level(item, level)
        before = counters[level]
        counters[level] = item.starts.get(level, definition.start) if before is None else before + 1
        for upper in range(level):
            if counters[upper] is None:
                counters[upper] = self._level(item, upper).start
        for lower in range(level + 1, _LEVELS):
            restart = self._level(item, lower).restart
            if restart != 0 and (restart is None or level < restart):
                counters[lower] = None
        if definition.style == "bullet":
            return ""
        label = re.sub(r"%([1-9])", lambda found: self._written(item, definition, int(found[1]) - 1), definition.text)
        return label + {"tab": "\t", "space": " "}.get(definition.suffix, "") if label.strip() else ""

    def _written(self, item: _List, definition: _Level, level: int) -> str:
        number = self._counters[item.abstract][level]
        style = "decimal" if definition.legal else self._level(item, level).style
        return list_number(number if number is not None else self._level(item, level).start, style)

    def _level(self, item: _List, level: int) -> _Level:
        return item.levels.get(level) or self._abstract.get(item.abstract, {}).get(level) or _Level()

    def _load(self, root: etree._Element) -> None:
        linked: dict[str, int] = {}
        links: dict[int, str] = {}
        for element in root.iter(f"{W}abstractNum"):
            name = int(element.get(f"{W}abstractNumId", "0"))
            self._abstract[name] = {
                int(item.get(f"{W}ilvl", "0")): _read_level(item) for item in element.findall(f"{W}lvl")
            }
            if style := _value(element, "styleLink"):
                linked[style] = name
            if style := _value(element, "numStyleLink"):
                links[name] = style
        for element in root.findall(f"{W}num"):
            abstract = _number(element, "abstractNumId") or 0
            abstract = linked.get(links.get(abstract, ""), abstract)
            item = _List(abstract)
            for override in element.findall(f"{W}lvlOverride"):
                level = int(override.get(f"{W}ilvl", "0"))
                start = _number(override, "startOverride")
                if start is not None:
                    item.starts[level] = start
                if (own := override.find(f"{W}lvl")) is not None:
                    item.levels[level] = _read_level(own)
            self._lists[int(element.get(f"{W}numId", "0"))] = item
        for name, levels in self._abstract.items():
            for level, definition in levels.items():
                if definition.paragraph_style:
                    self._style_levels[name, definition.paragraph_style] = level


def _read_level(element: etree._Element) -> _Level:
    start, style = _number(element, "start"), _value(element, "numFmt")
    if style is None:  # newer styles stand in a choice of forms
        choice = next(element.iter(f"{W}numFmt"), None)
        style = choice.get(f"{W}val") if choice is not None else None
    return _Level(
        start=1 if start is None else start,
        style=style or "decimal",
        text=_value(element, "lvlText") or "",
        suffix=_value(element, "suff") or "tab",
        restart=_number(element, "lvlRestart"),
        legal=element.find(f"{W}isLgl") is not None,
        paragraph_style=_value(element, "pStyle") or "",
    )

"""Responsible bodies brought one or more levels down: 省住房城乡建设厅 → 市住房城乡建设局, 各市县 → 各区市."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from dafeng.base.place import Place, PlaceKind, PlaceLevel
from dafeng.base.record import Record
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.drafting_schemas import BodyLevels
from dafeng.catalog.schemas import Body, BodyKind
from dafeng.plans.bodies import resolve_bodies

__all__ = ["BodyMove", "LowerBodies", "Moved", "divisions_below", "level_prefix", "short_name"]

_SUFFIXES: Final = ("自治区", "自治州", "自治县", "自治旗", "省", "市", "地区", "州", "盟", "区", "县", "旗")
_PREFIXES: Final = {"自治州": "州", "自治县": "县", "自治旗": "旗", "地区": "地区"}
_BEFORE: Final = ("", "中共", "国网", "国家税务总局", "中国")
_LEVEL_WORDS: Final = ("自治区", "省", "市", "州", "盟", "地区", "区", "县", "旗")


class Moved(StrEnum):
    """What became of a body on the way down."""

    TRANSLATED = "translated"
    KEPT = "kept"
    DROPPED = "dropped"
    UNKNOWN = "unknown"


class BodyMove(Record):
    """A body of the parent plan and what stands for it in the draft."""

    parent: str
    """As the parent writes it."""
    own: str | None
    """As the draft writes it; None where it is left out."""
    how: Moved
    """Translated by the table, kept as it is, left out, or kept because no table knows it."""
    reason: str = ""
    """Why, in Chinese, where it was not simply translated."""


def level_prefix(place: Place) -> str:
    """Return the word that bodies of a place bear before their name.

    Examples
    --------
    >>> [level_prefix(Place(id="a", name=name, name_en="A", level="prefecture")) for name in ("长春市", "延边朝鲜族自治州")]
    ['市', '州']
    """
    suffix = next((suffix for suffix in _SUFFIXES if place.name.endswith(suffix)), "")
    return _PREFIXES.get(suffix, suffix)


def short_name(place: Place) -> str:
    """Return the name of a place without its sort: 青岛市 → 青岛; names of two characters stay whole.

    Examples
    --------
    >>> [short_name(Place(id="a", name=name, name_en="A", level="county")) for name in ("长春市", "胶州市", "单县")]
    ['长春', '胶州', '单县']
    """
    suffix = next((suffix for suffix in _SUFFIXES if place.name.endswith(suffix)), "")
    return place.name.removesuffix(suffix) if len(place.name) > len(suffix) + 1 else place.name


def divisions_below(place: Place, catalog: Catalog) -> str:
    """Return the words for all divisions below a place, after what they are called: 各区市, 各县（市、区）, 各镇街.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [divisions_below(catalog.places.get(name), catalog) for name in ("shandong", "qingdao", "qingdao-shinan")]
    ['各市', '各区市', '各街道']
    """
    if place.level is PlaceLevel.NATION:
        return "各省（区、市）"
    if place.level.rank >= PlaceLevel.COUNTY.rank:
        return "各街道" if place.name.endswith("区") and not place.name.endswith("新区") else "各镇街"
    kinds = {level_prefix(child) for child in catalog.places.children(place.id)} - {""}
    if kinds and kinds <= {"市", "区"}:
        return "各区市" if len(kinds) == 2 else "各市" if kinds == {"市"} else "各区"
    if kinds in ({"区", "县"}, {"市", "县"}):
        return "各区县" if "区" in kinds else "各县市"
    if place.level is PlaceLevel.PROVINCE and kinds & {"州", "盟", "地区"}:
        return "各市（州）" if "州" in kinds else "各盟市" if "盟" in kinds else "各地市"
    return "各县（市、区）"


class LowerBodies:
    """The bodies of a parent plan as a plan of a place below it would name them.

    Parameters
    ----------
    parent : Place
        Place of the parent plan.
    place : Place
        Place of the draft, below `parent`.
    catalog : Catalog

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> lower = LowerBodies(catalog.places.get("jilin"), catalog.places.get("changchun"), catalog)
    >>> [move.own for move in lower.moves(["省住房城乡建设厅", "能源局", "各市县", "国网省电力公司"])]
    ['市住房城乡建设局', '市能源局', '各县（市、区）', '长春供电公司']
    """

    def __init__(self, parent: Place, place: Place, catalog: Catalog) -> None:
        self.parent = parent
        self.place = place
        self.catalog = catalog
        self._municipality = place.level is PlaceLevel.PROVINCE and place.name.endswith("市")

    def moves(self, texts: Iterable[str]) -> tuple[BodyMove, ...]:
        """Return what becomes of each body, in order."""
        return tuple(self._move(text) for text in texts)

    def means_all(self, text: str) -> bool:
        """Return whether a name stands for all divisions or departments of the parent (各市县, 各有关部门)."""
        body = self._known(text)
        return body is not None and body.expands in ("divisions", "departments", "all")

    def _move(self, text: str) -> BodyMove:
        body = self._known(text)
        if body is not None and body.kind is BodyKind.COLLECTIVE:
            return self._collective(text, body)
        owner = self._place_of(text, body)
        if owner is not None:
            return self._government(text, owner)
        if body is not None and body.successor in self.catalog.bodies:
            heir = self.catalog.bodies[body.successor]
            for name in (*heir.aliases, heir.name):
                found = self._translated(name)
                if found is not None:
                    return BodyMove(parent=text, own=found, how=Moved.TRANSLATED, reason=f"职责已由{heir.name}承接")
        names = [text] if body is None else [text, *body.aliases, body.name]
        translated = next((found for name in names if (found := self._translated(name)) is not None), None)
        if translated is not None:
            return BodyMove(parent=text, own=translated, how=Moved.TRANSLATED)
        if body is not None and body.kind is BodyKind.ENTERPRISE:
            return BodyMove(
                parent=text, own=text, how=Moved.KEPT, reason="上级或跨区域企业，按原名保留，须核对本地对应单位"
            )
        return BodyMove(parent=text, own=text, how=Moved.UNKNOWN, reason="对照表中没有，按上级写法保留，须改为本级单位")

    def _known(self, text: str) -> Body | None:
        uses, _ = resolve_bodies([text], self.parent.id, self.catalog)
        return self.catalog.bodies[uses[0].id] if uses[0].id is not None else None

    def _place_of(self, text: str, body: Body | None) -> Place | None:
        """Return the place below the parent whose government a name means (胶州市, 西海岸新区管委会)."""
        if body is not None:
            below = self.parent.id in self.catalog.places.ancestor_ids(body.place)
            return self.catalog.places.get(body.place) if below else None
        bare = text
        for ending in ("人民政府", "政府", "管理委员会", "管委会"):
            bare = bare.removesuffix(ending)
        found = self.catalog.places.candidates(bare, within=self.parent.id) if len(bare) > 1 else []
        return found[0] if len(found) == 1 and found[0].id != self.parent.id else None

    def _collective(self, text: str, body: Body) -> BodyMove:
        match body.expands:
            case "divisions":
                return BodyMove(parent=text, own=divisions_below(self.place, self.catalog), how=Moved.TRANSLATED)
            case "zones":
                zones = self.catalog.places.children(self.place.id, kind=PlaceKind.ZONE)
                if zones:
                    return BodyMove(parent=text, own=text, how=Moved.KEPT)
                return BodyMove(parent=text, own=None, how=Moved.DROPPED, reason="本级没有功能区")
            case _:
                return BodyMove(parent=text, own=self._departments(text), how=Moved.TRANSLATED)

    def _departments(self, text: str) -> str:
        return next(
            (level_prefix(self.place) + text.removeprefix(word) for word in _LEVEL_WORDS if text.startswith(word)), text
        )

    def _government(self, text: str, owner: Place) -> BodyMove:
        concerned = {self.place.id, *self.place.overlaps}
        if owner.id in concerned or self.place.id in owner.overlaps:
            return BodyMove(parent=text, own=divisions_below(self.place, self.catalog), how=Moved.TRANSLATED)
        if self.place.id in self.catalog.places.ancestor_ids(owner.id):
            return BodyMove(parent=text, own=text, how=Moved.KEPT)
        return BodyMove(parent=text, own=None, how=Moved.DROPPED, reason=f"{owner.name}不属{self.place.name}")

    def _translated(self, text: str) -> str | None:
        matches = [(name, line) for line, name in self._lines() if self._is(text, name)]
        if not matches:
            return None
        _, line = max(matches, key=lambda pair: len(pair[0]))
        names = line.names(self.place.level, municipality=self._municipality)
        if not names:
            return None
        if "{short}" in names[0]:
            if level_prefix(self.place) == "区":
                return None  # a district is served by the company of its city
            return names[0].replace("{short}", short_name(self.place))
        return level_prefix(self.place) + names[0]

    def _lines(self) -> Iterator[tuple[BodyLevels, str]]:
        for line in self.catalog.body_levels.values():
            for name in line.every:
                yield line, name.replace("{short}", "")

    def _is(self, text: str, name: str) -> bool:
        if not text.endswith(name):
            return False
        rest = text.removesuffix(name)
        for before in _BEFORE:
            if before and not rest.startswith(before):
                continue
            left = rest.removeprefix(before)
            owners = ("", *_LEVEL_WORDS, self.parent.name, short_name(self.parent), *self.parent.aliases)
            if left in owners:
                return True
        return False

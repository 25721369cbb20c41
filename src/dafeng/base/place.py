"""Places: divisions that partition and are summed, functional zones that are views, and the tree that both stand in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum

from pydantic import Field

from dafeng.base.errors import AmbiguousNameError, UnknownNameError, close_names
from dafeng.base.quantity import fold_width
from dafeng.base.record import Record

__all__ = ["Extent", "FormerParent", "Place", "PlaceCode", "PlaceKind", "PlaceLevel", "PlaceTree"]


class PlaceLevel(StrEnum):
    """Administrative level."""

    NATION = "nation"
    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"
    ZONE = "zone"

    @property
    def rank(self) -> int:
        """0 for the nation, growing downwards."""
        return list(PlaceLevel).index(self)


class PlaceKind(StrEnum):
    """Divisions partition their parent and are summed; zones are views with stated overlaps."""

    DIVISION = "division"
    ZONE = "zone"


class Extent(StrEnum):
    """Which part of a place a figure speaks of."""

    WHOLE = "whole"
    URBAN = "urban"
    CITY_DISTRICT = "city_district"
    CITY_PROPER = "city_proper"
    BUILT_UP = "built_up"
    MAIN_URBAN = "main_urban"
    CENTRAL_URBAN = "central_urban"
    COUNTY_SEAT = "county_seat"
    RURAL = "rural"


class PlaceCode(Record):
    """A GB/T 2260 code with its dated validity; a place may have had several."""

    code: str = Field(pattern=r"^\d{6}$")
    """Six digits."""
    valid_from: date | None = Field(default=None, alias="from")
    """First day on which the code held, where known."""
    valid_to: date | None = Field(default=None, alias="to")
    """First day on which it no longer held."""


class FormerParent(Record):
    """The parent that a place had before it was transferred."""

    parent: str
    """Place id."""
    until: date
    """First day under the present parent."""


class Place(Record):
    """A place with an identity of its own; codes, names and parents are dated facts about it."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Slug, unique for ever."""
    name: str
    """Full Chinese name."""
    name_en: str
    """English name."""
    level: PlaceLevel
    """Administrative level."""
    kind: PlaceKind = PlaceKind.DIVISION
    """Division or functional zone."""
    parent: str | None = None
    """Id of the place above."""
    codes: tuple[PlaceCode, ...] = ()
    """GB/T 2260 codes."""
    aliases: tuple[str, ...] = ()
    """Other names in use, Chinese or English."""
    overlaps: tuple[str, ...] = ()
    """For a zone, the divisions on whose ground it lies."""
    was: tuple[FormerParent, ...] = ()
    """Earlier parents."""
    valid_from: date | None = None
    """First day of existence, where it matters."""
    valid_to: date | None = None
    """First day after its abolition or merger."""
    source: str = ""
    """Source id."""
    grade: str = ""
    """Grade of the source, where it differs from it."""
    note: str = ""
    """Remark."""
    checked_on: date | None = None
    """Day on which the entry was last confirmed."""

    def parent_at(self, day: date | None = None) -> str | None:
        """Return the id of the parent on `day` (today's parent where no day is given)."""
        if day is not None:
            for former in sorted(self.was, key=lambda item: item.until):
                if day < former.until:
                    return former.parent
        return self.parent

    def exists_on(self, day: date | None) -> bool:
        """Return whether the place exists on `day`; without a day, whether it still exists."""
        if day is None:
            return self.valid_to is None
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


class PlaceTree:
    """All known places, found by id, code, name or alias.

    Parameters
    ----------
    places : iterable of Place

    Examples
    --------
    >>> nation = Place(id="cn", name="中国", name_en="China", level="nation")
    >>> city = Place(id="qingdao", name="青岛市", name_en="Qingdao", level="prefecture", parent="cn",
    ...              codes=[{"code": "370200"}], aliases=["青岛"])
    >>> tree = PlaceTree([nation, city])
    >>> tree.resolve("青岛").id, tree.resolve("370200").id, [place.id for place in tree.ancestors("qingdao")]
    ('qingdao', 'qingdao', ['cn'])
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = {place.id: place for place in places}
        self._names: dict[str, list[Place]] = defaultdict(list)
        for place in self._places.values():
            for name in {place.name, place.name_en, *place.aliases, *(code.code for code in place.codes)}:
                self._names[name.casefold()].append(place)
        self._folded: dict[str, list[Place]] = defaultdict(list)
        for name, named in self._names.items():
            self._folded[fold_width(name)] += [place for place in named if place not in self._folded[fold_width(name)]]
        self._below: dict[str | None, list[Place]] = defaultdict(list)
        for place in sorted(self._places.values(), key=lambda place: place.id):
            for parent in {place.parent, *(former.parent for former in place.was)}:
                self._below[parent].append(place)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, place_id: object) -> bool:
        return place_id in self._places

    def get(self, place_id: str) -> Place:
        """Return the place of an id.

        Raises
        ------
        UnknownNameError
            No place has that id.
        """
        try:
            return self._places[place_id]
        except KeyError:
            raise self._unknown(place_id) from None

    def candidates(
        self, text: str, *, within: str | None = None, level: PlaceLevel | None = None, day: date | None = None
    ) -> list[Place]:
        """Return every place that answers to `text`, narrowed by ancestor, level and day.

        White space and width do not matter where nothing answers to the text as it stands; a text may name what the place
        lies in before it, as in 济南市市中区.
        """
        if text in self._places and within is None and level is None:
            return [self._places[text]]
        name = text.strip().casefold()
        found = list(self._names.get(name) or self._folded.get(fold_width(name)) or self._joined(fold_width(name), day))
        if text in self._places and self._places[text] not in found:
            found.append(self._places[text])
        if within is not None:
            found = [place for place in found if place.id == within or within in self.ancestor_ids(place.id, day)]
        if level is not None:
            found = [place for place in found if place.level is level]
        return [place for place in found if place.exists_on(day)] or found

    def _joined(self, name: str, day: date | None) -> list[Place]:
        """Return the places of a text that names an ancestor, then a place within it."""
        found: list[Place] = []
        for cut in range(2, len(name) - 1):
            above = {place.id for place in self._folded.get(name[:cut], ())}
            rest = above and (self._folded.get(name[cut:]) or self._joined(name[cut:], day))
            found += [
                place for place in rest or () if place not in found and above & {*self.ancestor_ids(place.id, day)}
            ]
        return found

    def resolve(
        self, text: str, *, within: str | None = None, level: PlaceLevel | None = None, day: date | None = None
    ) -> Place:
        """Return the one place that answers to a slug, code, name or alias.

        Parameters
        ----------
        text : str
        within : str, optional
            Id of an ancestor that the place must have.
        level : PlaceLevel, optional
            Level that the place must have; it decides between 吉林省 and 吉林市 where the text is 吉林.
        day : date, optional
            Day of the data: names, codes and parents are dated.

        Raises
        ------
        UnknownNameError
            Nothing answers to it.
        AmbiguousNameError
            Two or more do; the error names them.
        """
        found = self.candidates(text, within=within, level=level, day=day)
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._unknown(text)
        raise AmbiguousNameError(
            f"{text!r} names {', '.join(f'{place.id} {place.name}' for place in found)}",
            doing="find a place",
            expected="a name that only one place has",
            next_step="use the slug or the adcode",
            candidates=[place.id for place in found],
        )

    def ancestor_ids(self, place_id: str, day: date | None = None) -> list[str]:
        """Return the ids of the places above, nearest first."""
        chain: list[str] = []
        parent = self.get(place_id).parent_at(day)
        while parent is not None and parent not in chain:
            chain.append(parent)
            parent = self.get(parent).parent_at(day)
        return chain

    def ancestors(self, place_id: str, day: date | None = None) -> list[Place]:
        """Return the places above, nearest first."""
        return [self._places[ancestor] for ancestor in self.ancestor_ids(place_id, day)]

    def children(self, place_id: str, *, day: date | None = None, kind: PlaceKind = PlaceKind.DIVISION) -> list[Place]:
        """Return the places directly below that exist on `day`, in the order of their ids."""
        return [
            place
            for place in self._below.get(place_id, ())
            if place.kind is kind and place.parent_at(day) == place_id and place.exists_on(day)
        ]

    def _unknown(self, text: str) -> UnknownNameError:
        close = close_names(text.casefold(), self._names)
        return UnknownNameError(
            f"no place answers to {text!r}",
            doing="find a place",
            expected=f"one of {', '.join(close)}" if close else "a slug, adcode, name or alias of the catalog",
            next_step="run `dafeng catalog places`, or add the place to the workspace's catalog/places",
        )

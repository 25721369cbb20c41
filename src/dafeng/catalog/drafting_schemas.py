"""What the drafting of a lower plan needs to know: how bodies are called level by level, and how far down an aim goes."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dafeng.base.place import PlaceLevel
from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade

__all__ = ["BodyLevels", "Descent"]

_NAMES = Field(default=())


class BodyLevels(Record):
    """One line of administration with the names of its bodies at each level, without the place (住房城乡建设厅, …局).

    The first name of a level is the one that drafts write; the others are met in plans. Where a level has no name, a body of
    this line is left as the parent wrote it. ``{short}`` stands for the short name of the place (青岛供电公司).

    Examples
    --------
    >>> line = BodyLevels(id="housing", province=["住房城乡建设厅"], prefecture=["住房城乡建设局", "住建局"], source="K", grade="B")
    >>> line.names(PlaceLevel.PREFECTURE), line.names(PlaceLevel.ZONE)
    (('住房城乡建设局', '住建局'), ())
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    nation: tuple[str, ...] = _NAMES
    """Names of the ministry or office of the state."""
    province: tuple[str, ...] = _NAMES
    """Names in provinces and autonomous regions."""
    municipality: tuple[str, ...] = _NAMES
    """Names in municipalities directly under the state (直辖市), where they differ from those of a prefecture."""
    prefecture: tuple[str, ...] = _NAMES
    """Names in prefectures."""
    county: tuple[str, ...] = _NAMES
    """Names in districts and counties, and in functional zones."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the names are."""
    note: str | None = None
    """Remark."""

    def names(self, level: PlaceLevel, *, municipality: bool = False) -> tuple[str, ...]:
        """Return the names at a level, the one to write first."""
        if municipality:
            return self.municipality or self.prefecture
        at = {
            PlaceLevel.NATION: self.nation,
            PlaceLevel.PROVINCE: self.province,
            PlaceLevel.PREFECTURE: self.prefecture,
        }
        return at.get(level, self.county)

    @property
    def every(self) -> tuple[str, ...]:
        """All names, each once."""
        parts = (self.nation, self.province, self.municipality, self.prefecture, self.county)
        return tuple(dict.fromkeys(name for names in parts for name in names))


class Descent(Record):
    """Down to which level, or in which places, an aim of a plan is taken over by the plans below it.

    An entry about an indicator wins over one about words of the scope, and that over one about words of the label.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    indicator: str | None = None
    """Indicator that it speaks of."""
    scope: str | None = None
    """Else: words that the scope of the target holds."""
    label: str | None = None
    """Else: words that the label of the target holds."""
    lowest: PlaceLevel | None = None
    """Lowest level that takes it over; every level where None."""
    places: tuple[str, ...] = ()
    """Places that take it over, with those below them; every place where empty."""
    reason: str
    """Why others do not, in Chinese."""
    source: str
    """Source id."""
    grade: Grade
    """How sure it is."""
    note: str | None = None
    """Remark."""

    @model_validator(mode="after")
    def _speaks_of_one_thing(self) -> Self:
        if sum(part is not None for part in (self.indicator, self.scope, self.label)) != 1:
            raise ValueError("an entry speaks of one indicator, of words of the scope, or of words of the label")
        if self.lowest is None and not self.places:
            raise ValueError("an entry names the lowest level or the places")
        return self

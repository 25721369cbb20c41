"""The typed shapes of metering: energy items, codes of vendors, checks on readings, quotas and their corrections, holidays."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = ["CodeMapping", "Correction", "EnergyItem", "Holiday", "MeterCheck", "Quota", "Treatment"]

_CODE = r"^[0-9]{2}[0-9A-Z]{3}$"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class EnergyItem(Record):
    """An energy item (分类分项): five characters, its place in the tree, carrier and end use."""

    id: str = Field(pattern=_CODE)
    """Code: two digits of the carrier, letter of the class, digit and letter of the sub-items."""
    title: Title
    """Name."""
    parent: str | None = Field(default=None, pattern=_CODE)
    """Wider item; None for a carrier's total."""
    level: int = Field(ge=1, le=4)
    """1 carrier, 2 class, 3 and 4 sub-items."""
    unit: str
    """Canonical unit of its amounts."""
    carrier: str
    """Code of the vocabulary's group carrier."""
    end_use: str = "all"
    """Code of the vocabulary's group end_use."""
    source: str
    """Source id."""
    grade: Grade
    """How sure code and place in the tree are."""
    note: str | None = None
    """Remark."""


class CodeMapping(Record):
    """Energy item codes as one vendor or city writes them."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Whose codes."""
    codes: dict[str, str]
    """Foreign code to code of the house."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class Treatment(StrEnum):
    """What becomes of energy to which a check objects."""

    WITHHOLD = "withhold"
    """It is kept out of totals and shown beside them until a person has decided."""
    MARK = "mark"
    """It counts, marked."""


class MeterCheck(Record):
    """A check on readings: its code, its bit in the flags of an interval, thresholds, and what becomes of what it finds."""

    id: str = Field(pattern=_SLUG)
    """Stable name; findings are named `meter.<id>`."""
    bit: int = Field(ge=0, le=30)
    """Bit in the flags."""
    title: Title
    """What it looks for."""
    parameters: dict[str, float] = Field(default_factory=dict)
    """Thresholds by name."""
    treatment: Treatment
    """What becomes of the energy."""
    ask: str
    """What to ask the operator, in Chinese."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the thresholds are."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class Quota(Record):
    """Constraint and guide value (约束值, 引导值) of the energy use of a kind of building in a climate zone or place."""

    id: str = Field(pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$")
    """Unique id."""
    standard: str
    """Id of the standard, one a family: gbt51161, or a local one."""
    building_type: str
    """Kind of building in the standard's terms: office, hotel, mall …"""
    subtype: str = ""
    """党政机关办公, 五星级 … in Chinese as the standard distinguishes them."""
    building_class: str | None = None
    """A naturally ventilated, B mechanically; None where the standard does not distinguish."""
    climate_zones: tuple[str, ...] = ()
    """Zones of the building record (severe_cold_a … mild_b); all where empty."""
    place: str = "cn"
    """Place in which it holds."""
    measure: str = Field(
        pattern=r"^(non_heating|heating|heating_heat|heating_fuel|household_electricity|household_gas)$"
    )
    """What is measured."""
    constraint: float
    """Value that must be met."""
    guide: float
    """Value to strive for."""
    unit: str
    """Unit."""
    valid_from: date
    """First day on which it holds."""
    valid_to: date | None = None
    """First day on which it no longer holds."""
    source: str
    """Source id."""
    at: str | None = None
    """Table or clause."""
    grade: Grade
    """How sure the figures are."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class Correction(Record):
    """A correction (修正系数) by which the measured use is multiplied before it is held against a quota."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    standard: str
    """Standard that it belongs to."""
    building_types: tuple[str, ...]
    """Kinds of building for which it holds."""
    expression: str
    """Factor as an expression over fields of the building's operation: `0.3 + 0.7 * 2500[h] / operating_hours`."""
    title: Title
    """What it corrects for."""
    low: float | None = None
    """Smallest factor."""
    high: float | None = None
    """Largest factor."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class Holiday(Record):
    """The days off and make-up workdays of a year, as announced."""

    year: int
    """Calendar year."""
    place: str = "cn"
    """Place for which it was announced."""
    off: tuple[date, ...]
    """Days off besides ordinary weekends."""
    worked: tuple[date, ...] = ()
    """Weekend days that are worked."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    checked_on: date
    """Day last confirmed."""

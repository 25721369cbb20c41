"""The typed shapes of metering: energy items, codes of vendors, checks on readings, quotas with methods and corrections, holidays."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "ApartUse",
    "CodeMapping",
    "Correction",
    "EnergyItem",
    "Holiday",
    "MeterCheck",
    "Quota",
    "QuotaKind",
    "QuotaMethod",
    "Treatment",
]

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
    """Kind of building in the standard's terms: office, hotel, mall …; all where it holds for every kind."""
    subtype: str = ""
    """党政机关办公, 五星级 … in Chinese as the standard distinguishes them; kind and subtype are defined by `QuotaMethod`."""
    building_class: str | None = None
    """A naturally ventilated, B mechanically; None where the standard does not distinguish."""
    climate_zones: tuple[str, ...] = ()
    """Zones of the building record (severe_cold_a … mild_b); all where empty."""
    place: str = "cn"
    """Place in which it holds."""
    measure: str = Field(
        pattern=r"^(non_heating|heating|heating_heat|heating_fuel|household_electricity|household_gas)$"
    )
    """What is measured; heating_fuel is judged at the source of the heat, not at a building."""
    constraint: float = Field(gt=0)
    """Value that must be met."""
    guide: float | None = Field(default=None, gt=0)
    """Value to strive for, not above the constraint; None where the standard has none."""
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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.guide is not None and self.guide > self.constraint:
            raise ValueError("the guide value is not above the constraint value")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("a quota ends after it begins")
        return self


class QuotaKind(Record):
    """A kind of building as a standard distinguishes it, by fields of the building."""

    building_type: str
    """Kind in the standard's terms."""
    subtype: str = ""
    """Subtype in the standard's terms."""
    when: str
    """Condition over the fields of a building."""


class ApartUse(Record):
    """A part of a building whose energy and area are taken out and judged by themselves: garage, data room."""

    id: str = Field(pattern=r"^[a-z]+(_[a-z]+)*$")
    """Part, and the kind of building under which its quotas stand."""
    title: Title
    """Name."""
    items: tuple[str, ...] = ()
    """Energy items that measure it."""
    amount_field: str | None = None
    """Field with its electricity in the year, where no item measures it."""
    area_field: str
    """Field with its floor area."""


class QuotaMethod(Record):
    """How a standard is held against a building: which energy counts, what is taken out, which kinds it knows.

    Energy that cannot be told apart (no sub-meter) widens the amount to a range; a verdict stands where both ends agree.
    """

    id: str = Field(pattern=_SLUG)
    """Id of the standard, as quotas and corrections name it."""
    title: Title
    """Name of the standard."""
    precedes: tuple[str, ...] = ()
    """Standards whose values give way where this one has a value for the same building."""
    kinds: tuple[QuotaKind, ...]
    """Kinds of building that it knows."""
    equivalents: dict[str, float]
    """Energy item to kWh of electricity that one unit of it counts for."""
    not_counted: tuple[str, ...] = ()
    """Items below the counted ones that do not count (kitchens)."""
    apart: tuple[ApartUse, ...] = ()
    """Parts taken out and judged by themselves."""
    heating_zones: tuple[str, ...] = ()
    """Climate zones in which heating is judged apart; elsewhere it counts with the rest."""
    heating_items: tuple[str, ...] = ()
    """Electricity items that heat; taken out in `heating_zones`."""
    heating_fuels: tuple[str, ...] = ()
    """Items of which an unknown part heats in `heating_zones` where no district heat is bought."""
    electric_heating: str
    """Condition over the fields of a building under which it heats with electricity."""
    heat_item: str
    """Item of district heat."""
    minimum_coverage: float = Field(gt=0, le=1)
    """Coverage of the year below which nothing is judged."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
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
    """Kinds of building for which it holds, in the standard's terms."""
    expression: str
    """Factor as an expression over fields of the building and `judged_area`: `0.3 + 0.7 * 2500[h] / operating_hours`."""
    title: Title
    """What it corrects for."""
    low: float | None = Field(default=None, gt=0)
    """Smallest factor."""
    high: float | None = Field(default=None, gt=0)
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
    """The days off and make-up workdays of a calendar year, as announced; a year without an entry is unknown.

    Examples
    --------
    >>> Holiday(year=2024, off=(date(2024, 1, 1),), worked=(date(2024, 2, 5),), source="x", grade="A", checked_on=date(2026, 1, 1))
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: ... 2024-02-05 is no weekend day ...
    """

    year: int = Field(ge=1949, le=2100)
    """Calendar year in which all its days lie."""
    place: str = "cn"
    """Place for which it was announced; holds below it too."""
    off: tuple[date, ...]
    """Days off, those that fall on a weekend included."""
    worked: tuple[date, ...] = ()
    """Weekend days that are worked."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for day in (*self.off, *self.worked):
            if day.year != self.year:
                raise ValueError(f"{day} is not in {self.year}")
        for day in self.worked:
            if day.weekday() < 5:
                raise ValueError(f"{day} is no weekend day")
        both = set(self.off) & set(self.worked)
        if both or len(set(self.off)) < len(self.off):
            raise ValueError(f"days stand twice: {', '.join(map(str, sorted(both))) or 'in off'}")
        return self

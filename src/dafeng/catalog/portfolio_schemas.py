"""The typed shapes of what a portfolio costs: prices of energy, rate and index, amounts by which costs are counted, payers, supply."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = ["ActivityAmount", "CostSettings", "EnergyPrice", "PayerGroup", "PayerRule", "SupplyLimit"]

_SLUG = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
_ROUNDING = 1e-9


class CostSettings(Record):
    """How money of different years is made comparable."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    discount_rate: float = Field(ge=0, lt=1)
    """Real social discount rate a year."""
    low: float = Field(ge=0, lt=1)
    """Low end, for a test of sensitivity."""
    high: float = Field(ge=0, lt=1)
    """High end."""
    price_year: int
    """Year to whose prices all is converted."""
    price_index: dict[int, float]
    """Rise of prices over the year before, as a share, by year."""
    source: str
    """Source of the rate."""
    grade: Grade
    """How sure the rate is."""
    index_source: str
    """Source of the index."""
    index_grade: Grade
    """How sure the index is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.discount_rate <= self.high:
            raise ValueError("discount_rate lies from low to high")
        years = sorted(self.price_index)
        if not years or years != list(range(years[0], years[-1] + 1)):
            raise ValueError("price_index has every year from its first to its last")
        return self


class EnergyPrice(Record):
    """What a unit of energy costs: a user, or the country without taxes and funds."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    place: str
    """Place for which it holds, and below it where nothing nearer is stated."""
    user: str
    """Building class, wider ones included, `heat_company`, `municipal`, or `grid` for what is fed into it."""
    carrier: str
    """Carrier, or heat source whose heat is bought."""
    basis: Literal["user", "social"] = "user"
    """user: what is paid. social: without taxes, funds and cross-subsidy; the user's where none is stated."""
    value: float = Field(ge=0, allow_inf_nan=False)
    """Price."""
    low: float | None = Field(default=None, ge=0)
    """Low end."""
    high: float | None = Field(default=None, ge=0)
    """High end."""
    unit: str
    """Money per energy, or per mass or volume together with `heat_value`."""
    heat_value: float | None = Field(default=None, gt=0)
    """Heat value that turns it into a price of energy."""
    heat_value_unit: str | None = None
    """Its unit."""
    price_year: int
    """Year of the prices."""
    growth: float = Field(default=0, gt=-0.5, lt=0.5)
    """Real rise a year after the price year, as a share."""
    varies: float = Field(default=1, ge=0, le=1)
    """Share of the bill that follows what is used; the rest is a fee by area, which saving does not lower."""
    source: str
    """Source id."""
    at: str | None = None
    """Document or row."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.heat_value is None) != (self.heat_value_unit is None):
            raise ValueError("heat_value and heat_value_unit are given together")
        return self


class ActivityAmount(Record):
    """How many units a cost is counted by, for a level of one: results of the model times a factor."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    counts: Literal[
        "area", "inflow", "outflow", "retrofit_done", "heated_area", "people", "useful", "technology_area", "service",
        "heat_at_source", "source_heat", "pv_capacity", "pv_added",
    ]  # fmt: skip
    """Result of the model: area in use, completions, demolition, retrofitted area, area with district heating, people, useful energy of
    an end use, area served by a technology, amount of a municipal service, district heat, heat of one source, capacity of
    photovoltaics, and capacity that the measure adds."""
    member: str | None = None
    """End use, technology, service or heat source counted."""
    nature: Literal["stock", "flow", "response"] = "stock"
    """stock: a level of one is as much standing, bought when the level rises. flow: done anew in every year. response: what the model
    says changes, in every year."""
    times: float = Field(default=1, allow_inf_nan=False)
    """Factor."""
    times_unit: str = "1"
    """Its unit."""
    life: Literal["renewed", "serves", "once"] = "renewed"
    """renewed: bought again at the end of its life, what is left at the horizon counts. serves: not bought again. once: nothing is left."""
    source: str
    """Source of the factor."""
    grade: Grade
    """How sure the factor is."""
    derived: str | None = None
    """How it was worked out."""
    note: str | None = None
    """Remark."""


class PayerGroup(Record):
    """Someone who pays or gains."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    bills: tuple[str, ...] = ()
    """Users (as in energy prices) whose bills it pays."""
    supplies: tuple[str, ...] = ()
    """Carriers that it sells."""


class PayerRule(Record):
    """Who bears the investment and yearly cost of measures, and who gets and gives transfers."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    measures: tuple[str, ...] = Field(min_length=1)
    """Measures."""
    pays: dict[str, float] = Field(min_length=1)
    """Share of the cost by group."""
    transfers_from: str = "government"
    """Group that gives subsidies and awards."""
    transfers_to: str | None = None
    """Group that gets them; those who pay, in their shares, where None."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(self.pays.values()) - 1) > _ROUNDING or min(self.pays.values()) < 0:
            raise ValueError("shares of the cost are not negative and add up to one")
        return self


class SupplyLimit(Record):
    """What can be had together by several measures in a year."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    place: str
    """Place for which it holds, and below it."""
    measures: dict[str, float] = Field(min_length=1)
    """By measure: how much a unit of its level takes."""
    most: float = Field(allow_inf_nan=False)
    """Most that can be had in a year, in `unit`, or as a share of `of`."""
    unit: str
    """Unit of the levels together."""
    of: Literal["area", "heated_area"] | None = None
    """Urban floor area or district-heated area of the year by which `most` is counted."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""

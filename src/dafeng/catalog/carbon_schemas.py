"""The typed shapes of carbon content: dated factors by family, and boundaries whose flows each belong to one component."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dafeng.base.errors import UnitError
from dafeng.base.quantity import same_dimension
from dafeng.base.record import Record
from dafeng.catalog.expression_grammar import factor_name
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "FAMILY_RULES",
    "Alternative",
    "Boundary",
    "Component",
    "Factor",
    "FactorValue",
    "FamilyRule",
    "Flow",
    "FlowFactor",
    "FlowMethod",
    "Outside",
    "Scope",
    "Split",
    "SubjectFrom",
    "factor_units",
]


class FactorValue(Record):
    """One published value of a factor: the period that its data speak of, and the day on which it became known.

    A second value for the same period with a later day of publication is a revision and replaces the first from that day.
    """

    starts: date | None = Field(default=None, alias="from")
    """First day of the data period; None where the source states no period (constants of a standard)."""
    ends: date | None = Field(default=None, alias="to")
    """First day after the data period; None where it is open."""
    value: float = Field(allow_inf_nan=False, ge=0)
    """Value in the factor's unit."""
    uncertainty: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Relative half width at 95 %, where the source states one."""
    low: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Lower end, same unit, where the source states one."""
    high: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Upper end, same unit."""
    published_on: date
    """Day on which the source published it: another clock than the data period."""
    source: str
    """Source id."""
    at: str | None = None
    """Table or clause in the source."""
    grade: Grade
    """How sure the value is; B and C are 待核."""
    unresolved: str | None = None
    """Where sources contradict one another: what each says, in Chinese; every use of the value says so."""
    note: str | None = None
    """Remark."""

    @property
    def pending(self) -> bool:
        """Whether the value is still to be verified (待核)."""
        return self.grade is not Grade.A

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError("a data period ends after it begins")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are given together")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError("value lies from low to high")
        if self.low is not None and self.uncertainty is not None:
            raise ValueError("either low and high or uncertainty is given")
        return self


class Factor(Record):
    """A factor of one family, subject and place, with all its dated values."""

    id: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")
    """Unique id."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    family: str
    """Code of the vocabulary's group factor_family; families are never mixed."""
    subject: str
    """What it is a factor of: a carrier, a material, a mode of transport, a building class or a family."""
    place: str
    """Place for which it holds, and below it where nothing nearer is stated."""
    over_divisions: bool = False
    """For a zone: whether it holds for every division that the zone overlaps (grid regions)."""
    unit: str
    """Unit of the values as published."""
    values: tuple[FactorValue, ...] = Field(min_length=1)
    """Values by data period."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class Scope(StrEnum):
    """Scope of a component or flow as seen from the place."""

    ONE = "1"
    TWO = "2"
    THREE = "3"
    MEMO = "memo"


class Component(Record):
    """One component of a boundary; what is outside every total has scope memo."""

    code: str
    """Code of the vocabulary's group boundary or boundary_memo."""
    zh: str
    """Chinese name in this boundary."""
    scope: Annotated[Scope, BeforeValidator(str)]
    """Scope, unless a flow states its own."""
    optional: bool = False
    """Whether totals stand without it."""


class FlowMethod(StrEnum):
    """How the emissions of a flow are reckoned."""

    COMBUSTION = "combustion"
    """Fuel as energy (or as mass or volume by `convert`) × emission factor of the carrier."""
    ELECTRICITY = "electricity"
    """Purchased electricity × grid factor; a negative `sign` lowers purchases."""
    HEAT = "heat"
    """Heat at the building × heat factor."""
    HEAT_SOURCE = "heat_source"
    """Fuel burnt at the heat source × emission factor of the carrier: network loss is inside."""
    MATERIAL = "material"
    """Quantity of a material × factor."""
    TRANSPORT = "transport"
    """Transport work × factor."""
    AREA_INTENSITY = "area_intensity"
    """Floor area × emissions per floor area."""
    STATED = "stated"
    """The activity is the emission, taken as stated."""


class SubjectFrom(StrEnum):
    """Where the subject of the factor is read from."""

    CARRIER = "carrier"
    END_USE = "end_use"
    BUILDING_CLASS = "building_class"
    FIXED = "fixed"


class FlowFactor(Record):
    """Which factor a flow is multiplied with."""

    family: str
    """Code of the group factor_family."""
    per: SubjectFrom
    """Column of the activity row that names the subject, or fixed."""
    subject: str | None = None
    """The subject where it is fixed."""

    @model_validator(mode="after")
    def _fixed_has_subject(self) -> Self:
        if (self.per is SubjectFrom.FIXED) != (self.subject is not None):
            raise ValueError("a fixed subject is named, and only a fixed one")
        return self


class Alternative(Record):
    """One of several ways of stating the same emissions; two ways at once would count them twice and are refused."""

    question: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """What is stated; flows of one question and different ways exclude one another."""
    way: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """The way."""
    by: tuple[Literal["building_class", "carrier", "end_use"], ...] = ()
    """Columns within which the ways exclude one another, besides place and year."""


class Flow(Record):
    """One flow: which activity rows it takes, how they are reckoned, and the one component to which they belong.

    A condition of None takes every code; otherwise the row's code is one of those listed (codes below a listed one are
    listed themselves).
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """Unique within the boundary."""
    zh: str
    """Chinese name."""
    component: str
    """Component that owns it."""
    indicator: str
    """Activity indicator."""
    carrier: tuple[str, ...] | None = None
    """Carriers that it takes."""
    end_use: tuple[str, ...] | None = None
    """End uses, sectors, materials or modes of transport that it takes."""
    building_class: tuple[str, ...] | None = None
    """Building classes that it takes."""
    method: FlowMethod
    """How it is reckoned."""
    factor: FlowFactor | None = None
    """Factor; none for stated emissions."""
    market_factor: FlowFactor | None = None
    """Factor of the market-based row beside the location-based one; the location-based factor serves where None."""
    convert: str | None = None
    """Family of calorific values by which mass or volume becomes energy first."""
    sign: Literal[1, -1] = 1
    """-1: lowers the component (photovoltaics used on site)."""
    only_if_gross: bool = False
    """Takes part only where purchases are declared gross of generation on site."""
    scope: Annotated[Scope, BeforeValidator(str)] | None = None
    """Scope where it differs from the component's."""
    alternative: Alternative | None = None
    """Where the same emissions can be stated in several ways: which question this flow answers, and in which way."""
    note: str | None = None
    """Remark."""

    @model_validator(mode="after")
    def _factor_fits_method(self) -> Self:
        if (self.method is FlowMethod.STATED) != (self.factor is None):
            raise ValueError("a stated flow has no factor, every other one has")
        if self.factor is None and (self.market_factor is not None or self.convert is not None):
            raise ValueError("a stated flow has neither market_factor nor convert")
        return self

    def takes(self, indicator: str, carrier: str, end_use: str, building_class: str) -> bool:
        """Return whether an activity row belongs to this flow.

        Examples
        --------
        >>> flow = Flow(id="gas", zh="燃气", component="direct_building", indicator="building_fuel_energy",
        ...             carrier=["natural_gas"], method="combustion",
        ...             factor={"family": "fuel_gbt51366", "per": "carrier"})
        >>> [flow.takes("building_fuel_energy", name, "all", "all") for name in ("natural_gas", "electricity")]
        [True, False]
        """
        pairs = ((self.carrier, carrier), (self.end_use, end_use), (self.building_class, building_class))
        return indicator == self.indicator and all(codes is None or code in codes for codes, code in pairs)


class Split(Record):
    """A declared, switchable rule that moves some rows of flows to another component; both results can be shown."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """Unique within the boundary."""
    zh: str
    """Chinese name."""
    flows: tuple[str, ...] = Field(min_length=1)
    """Flows from which rows are moved."""
    carrier: tuple[str, ...] | None = None
    """Carriers that are moved; every one where None."""
    end_use: tuple[str, ...] | None = None
    """End uses or sectors that are moved."""
    building_class: tuple[str, ...] | None = None
    """Building classes that are moved."""
    to: str
    """Component that receives them."""
    default: bool = True
    """Whether it is on unless the user says otherwise."""
    reason: str
    """Why, in Chinese, shown with the result."""


class Outside(Record):
    """Rows that the boundary leaves out on purpose; a row neither here nor in a flow is a fault."""

    zh: str
    """What they are and why they are left out."""
    indicator: str
    """Activity indicator."""
    carrier: tuple[str, ...] | None = None
    """Carriers that are left out; every one where None."""
    end_use: tuple[str, ...] | None = None
    """End uses or sectors that are left out."""
    building_class: tuple[str, ...] | None = None
    """Building classes that are left out."""


class Boundary(Record):
    """An accounting boundary: components, the flows of each, the views made of them, and the splits that may be switched."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    title: Title
    """What it accounts for."""
    components: tuple[Component, ...] = Field(min_length=1)
    """Components; each flow belongs to one."""
    flows: tuple[Flow, ...] = Field(min_length=1)
    """Flows; each activity row belongs to one."""
    views: dict[str, tuple[str, ...]]
    """Codes of the group boundary_scope with the components and flows that make up each."""
    splits: tuple[Split, ...] = ()
    """Switchable rules."""
    outside: tuple[Outside, ...] = ()
    """Rows left out on purpose; totals beside their parts among them."""
    source: str
    """Source id."""
    grade: Grade
    """How sure it is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    def flow(self, flow_id: str) -> Flow:
        """Return a flow by id; `KeyError` where the boundary has none of that id."""
        return {flow.id: flow for flow in self.flows}[flow_id]

    def flows_of(self, view: str) -> tuple[Flow, ...]:
        """Return the flows of a view or of a single component, in the boundary's order.

        Examples
        --------
        >>> from dafeng.catalog import load_catalog
        >>> [flow.id for flow in load_catalog().boundaries["urban-rural-construction"].flows_of("purchased_electricity")]
        ['building-electricity', 'building-pv-self-use']
        """
        members = self.views.get(view, (view,))
        return tuple(flow for flow in self.flows if flow.id in members or flow.component in members)


@dataclass(frozen=True)
class FamilyRule:
    """What every factor of a family has in common."""

    units: tuple[str, ...]
    """Canonical units; a factor's own unit has the dimension of one of them and is brought to it."""
    subjects: tuple[str, ...]
    """Vocabulary groups of which its subjects are codes."""


_GRID: Final = FamilyRule(("tCO2/kWh",), ("carrier",))
_FUEL: Final = FamilyRule(("tCO2/GJ",), ("carrier",))
FAMILY_RULES: Final[dict[str, FamilyRule]] = {
    "grid_province": _GRID,
    "grid_region": _GRID,
    "grid_nation": _GRID,
    "grid_residual": _GRID,
    "grid_fossil": _GRID,
    "grid_footprint": _GRID,
    "fuel_gbt51366": _FUEL,
    "fuel_guideline": _FUEL,
    "heat_default": _FUEL,
    "calorific_value": FamilyRule(("GJ/t", "GJ/m**3"), ("carrier",)),
    "coal_equivalent_calorific": FamilyRule(("tce/kWh", "tce/t", "tce/m**3"), ("carrier",)),
    "coal_equivalent_generation": FamilyRule(("tce/kWh",), ("carrier",)),
    "material_gbt51366": FamilyRule(("tCO2/t", "tCO2/m**3", "tCO2/m**2"), ("material",)),
    "transport_gbt51366": FamilyRule(("tCO2/(t*km)",), ("transport_mode",)),
    "embodied_intensity": FamilyRule(("tCO2/m**2",), ("building_class",)),
    "assumed_uncertainty": FamilyRule(("ratio",), ("factor_family",)),
}
"""Rules of the shipped families; a workspace's own family keeps its factors' units as they are."""


def factor_units(factors: Iterable[Factor]) -> dict[str, str]:
    """Return the canonical units of factors by their names in expressions (`expression_grammar.factor_name`).

    A factor whose unit is not known or not one of its family is left out; the check of the catalog says so.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> factor_units(load_catalog().factors.values())["coal_equivalent_generation:electricity"]
    'tce/kWh'
    """
    units: dict[str, str] = {}
    for factor in factors:
        rule = FAMILY_RULES.get(factor.family)
        try:
            near = [unit for unit in rule.units if same_dimension(unit, factor.unit)] if rule else [factor.unit]
        except UnitError:
            continue
        if near:
            units.setdefault(factor_name(factor.family, factor.subject), near[0])
    return units

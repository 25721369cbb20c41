"""What a run of the model gives: areas, energy and emissions by year and draw, views of the boundary table, energy in standard coal, shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.base.quantity import conversion_factor
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.pathways.turnover import Turnover

__all__ = ["VIEWS", "Basis", "Outcome"]

Floats = NDArray[np.float64]
Basis = Literal["calorific", "generation"]

VIEWS: Final[dict[str, tuple[str, ...]]] = {
    "direct": ("direct_building", "construction_fuel"),
    "indirect": ("purchased_electricity", "purchased_heat"),
    "building_operation": ("direct_building", "purchased_electricity", "purchased_heat"),
    "embodied": ("construction", "materials"),
    "whole_field": (
        "direct_building",
        "purchased_electricity",
        "purchased_heat",
        "construction",
        "materials",
        "municipal_operation",
    ),
}
"""Sums over components, as the boundary `urban-rural-construction` has them; each component is a view of its own too."""

_TCE_PER_KWH: Final = conversion_factor("kWh", "tce")
_NOT_COMMERCIAL: Final = ("biomass", "solar_thermal", "ambient_heat")
_RURAL: Final = "rural_residential"


@dataclass(frozen=True)
class Outcome:
    """Results of one run, `(…, years, draws)`; the draw axis is 1 where nothing is drawn.

    Areas in m2, energy in kWh, emissions in tCO2, all a year.
    """

    place: str
    """Place id."""
    axes: PathwayAxes
    """Members of the leading axes."""
    years: NDArray[np.int64]
    """2000 to 2060."""
    population: Floats
    """People."""
    urban_population: Floats
    """Urban people."""
    area: Floats
    """Area in use, by class."""
    standing: Floats
    """Area standing, vacant included, by class."""
    vacant: Floats
    """Standing beyond the demand, by class."""
    inflow: Floats
    """Completed, by class."""
    outflow: Floats
    """Demolished, by class."""
    retrofitted: Floats
    """Standing and retrofitted, by class."""
    retrofit_done: Floats
    """Retrofitted in the year, by class."""
    retrofit_missed: Floats
    """Additional retrofit area that found no building, by class."""
    heated_area: Floats
    """Area in use with district heating."""
    useful: Floats
    """Useful demand, by class and end use."""
    final: Floats
    """Final energy, by class and carrier."""
    final_use: Floats | None
    """Final energy by class, end use and carrier; None without detail."""
    ambient: Floats
    """Heat that heat pumps in buildings take from the environment, by class."""
    heat_delivered: Floats
    """District heat delivered to buildings."""
    heat_at_source: Floats
    """District heat supplied by the sources."""
    source_input: Floats
    """Energy taken in by heat sources, by source."""
    source_ambient: Floats
    """Ambient heat in district heat as delivered."""
    pv: Floats
    """Generation of photovoltaics, by segment."""
    pv_used: Floats
    """Used on site, by segment."""
    pv_exported: Floats
    """Exported, a memo item."""
    municipal_kwh: Floats
    """Electricity of municipal services, by service."""
    purchased: Floats
    """Purchased electricity, by class."""
    grid_factor: Floats
    """Emission factor of electricity, kgCO2/kWh."""
    generation_coal: Floats
    """Coal for a kWh generated, kgce/kWh."""
    emissions: Mapping[str, Floats]
    """By component, `(years, draws)`."""
    direct_by_class: Floats
    """Direct emissions of buildings, by class."""
    electricity_by_class: Floats
    """Purchased electricity, by class."""
    heat_by_class: Floats
    """Purchased heat, by class."""
    materials_by_segment: Floats
    """Materials, by segment."""
    site_fuel_share: Floats
    """Share of construction that comes from fuel."""
    turnovers: tuple[Turnover, ...] = ()
    """Stock by cohort from 1950, by segment, classes first; only with detail."""

    @property
    def draws(self) -> int:
        """Number of draws."""
        return max(int(part.shape[-1]) for part in self.emissions.values())

    def component(self, name: str) -> Floats:
        """Return the emissions of one component, or of the fuel part of construction, `(years, draws)` in tCO2."""
        if name == "construction_fuel":
            return self.emissions["construction"] * self.site_fuel_share
        return self.emissions[name]

    def view(self, name: str) -> Floats:
        """Return the emissions of a view of the boundary table or of one component, `(years, draws)` in tCO2.

        Raises
        ------
        UnknownNameError
            Neither a view nor a component.
        """
        known = (*VIEWS, *self.emissions)
        if name not in known:
            raise UnknownNameError(
                f"no view of the boundary table is called {name!r}",
                doing="sum emissions",
                expected="one of " + ", ".join(close_names(name, known) or known),
                next_step="name a view or a component",
            )
        parts = [self.component(part) for part in VIEWS.get(name, (name,))]
        return np.asarray(sum(parts[1:], start=parts[0]))

    def operation_by_class(self) -> Floats:
        """Return the emissions of building operation by class, `(class, years, draws)` in tCO2."""
        return self.direct_by_class + self.electricity_by_class + self.heat_by_class

    def scaled(self, factors: Mapping[str, Floats]) -> Outcome:
        """Return the outcome with components times a factor, `(years or 1, draws or 1)`: residuals, equation (12).

        What is by class or segment of a component is scaled with it, so that sums hold.
        """
        parts = {
            "direct_building": "direct_by_class",
            "purchased_electricity": "electricity_by_class",
            "purchased_heat": "heat_by_class",
            "materials": "materials_by_segment",
        }
        changed = {
            parts[name]: getattr(self, parts[name]) * factor for name, factor in factors.items() if name in parts
        }
        emissions = {name: part * factors[name] if name in factors else part for name, part in self.emissions.items()}
        return replace(self, emissions=emissions, **changed)

    def _rows(self, classes: Sequence[str] | None) -> list[int]:
        known = self.axes.members("building_class")
        return [row for row, code in enumerate(known) if classes is None or code in classes]

    def _per_class(self, basis: Basis, *, commercial: bool) -> Floats:
        """Return energy by class in tce."""
        carriers = self.axes.members("carrier")
        fuels = [
            row
            for row, code in enumerate(carriers)
            if code not in ("electricity", "heat") and not (commercial and code in _NOT_COMMERCIAL)
        ]
        power = self.generation_coal / 1e3 if basis == "generation" else np.full((1, 1), _TCE_PER_KWH)
        total = self.final[:, fuels].sum(axis=1) * _TCE_PER_KWH + self.purchased * power
        total = total + self.final[:, carriers.index("heat")] * self._heat(basis, commercial=commercial)
        if not commercial:
            total = total + self._self_use() * power
        return np.asarray(total)

    def _self_use(self) -> Floats:
        return np.asarray(self.final[:, self.axes.index("carrier", "electricity")] - self.purchased)

    def _heat(self, basis: Basis, *, commercial: bool) -> Floats:
        """Return the tce of a kWh of district heat as delivered: heat itself, or what its sources take in."""
        if basis == "calorific":
            return np.full((1, 1), _TCE_PER_KWH)
        taken = np.zeros((1, 1))
        for row, code in enumerate(self.axes.members("heat_source")):
            member = self.axes.get("heat_source", code)
            if member is None or member.carrier is None or (commercial and member.carrier in _NOT_COMMERCIAL):
                continue
            power = self.generation_coal / 1e3 if member.carrier == "electricity" else _TCE_PER_KWH
            taken = taken + self.source_input[row] * power
        delivered = np.broadcast_to(self.heat_delivered, np.broadcast_shapes(taken.shape, self.heat_delivered.shape))
        return np.divide(taken, delivered, out=np.zeros(delivered.shape), where=delivered > 0)

    def energy(
        self, basis: Basis = "generation", *, commercial: bool = True, classes: Sequence[str] | None = None
    ) -> Floats:
        """Return the operation energy of buildings in tce, `(years, draws)`: equation (11).

        Parameters
        ----------
        basis : {"generation", "calorific"}
            Generation: electricity by the coal for a kWh generated, district heat by what its sources take in (BERC's way).
            Calorific: electricity and heat by their heat content.
        commercial : bool
            Without biomass, solar heat and electricity from own photovoltaics; False counts them too.
        classes : sequence of str, optional
            Building classes; all where None.
        """
        return np.asarray(self._per_class(basis, commercial=commercial)[self._rows(classes)].sum(axis=0))

    def energy_by_class(self, basis: Basis = "generation", *, commercial: bool = True) -> Floats:
        """Return the same by class, `(class, years, draws)` in tce."""
        return self._per_class(basis, commercial=commercial)

    def _urban(self) -> list[int]:
        return self._rows([code for code in self.axes.members("building_class") if code != _RURAL])

    def electricity_share(self, basis: Basis = "generation", *, urban: bool = True) -> Floats:
        """Return electricity of buildings as a share of their energy, 0 to 1: indicator `electricity_share`.

        Electricity from own photovoltaics counts in both. `urban` leaves rural dwellings out, as the indicator does.
        """
        rows = self._urban() if urban else self._rows(None)
        power = self.generation_coal / 1e3 if basis == "generation" else np.full((1, 1), _TCE_PER_KWH)
        used = self.final[rows, self.axes.index("carrier", "electricity")].sum(axis=0) * power
        total = self._per_class(basis, commercial=True)[rows].sum(axis=0) + self._self_use()[rows].sum(axis=0) * power
        return _share(used, total)

    def renewable_used(self, basis: Basis = "generation", *, urban: bool = True) -> Floats:
        """Return the renewable energy that buildings use in tce: own photovoltaics, solar heat, ambient heat of heat pumps."""
        rows = self._urban() if urban else self._rows(None)
        power = self.generation_coal / 1e3 if basis == "generation" else np.full((1, 1), _TCE_PER_KWH)
        heat = self.final[rows, self.axes.index("carrier", "solar_thermal")].sum(axis=0) + self.ambient[rows].sum(
            axis=0
        )
        district = self.final[:, self.axes.index("carrier", "heat")]
        part = _share(district[rows].sum(axis=0), district.sum(axis=0))
        return np.asarray(
            self._self_use()[rows].sum(axis=0) * power + (heat + self.source_ambient * part) * _TCE_PER_KWH
        )

    def renewable_substitution_rate(self, basis: Basis = "generation", *, urban: bool = True) -> Floats:
        """Return renewable energy as a share of energy with it, 0 to 1: indicator `renewable_substitution_rate`."""
        used = self.renewable_used(basis, urban=urban)
        rows = self._urban() if urban else self._rows(None)
        return _share(used, self._per_class(basis, commercial=True)[rows].sum(axis=0) + used)


def _share(part: Floats, whole: Floats) -> Floats:
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)

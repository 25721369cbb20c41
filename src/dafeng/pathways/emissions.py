"""Carbon on the boundary table, each flow in one component: equation (10), in tCO2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.pathways.energy import Energy
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.stock import Stock

__all__ = ["GJ_PER_KWH", "Emissions", "emissions_of", "fuels_of", "source_factor"]

Floats = NDArray[np.float64]

GJ_PER_KWH: Final = 0.0036
"""GJ of one kWh."""
_NO_FUEL: Final = ("electricity", "heat", "solar_thermal", "ambient_heat")


@dataclass(frozen=True)
class Emissions:
    """Emissions in tCO2 a year from 2000 on."""

    purchased: Floats
    """Purchased electricity in kWh, by class."""
    by_component: dict[str, Floats]
    """By component of the boundary table, `(years, draws)`."""
    direct: Floats
    """Fuels burnt in buildings, by class."""
    electricity: Floats
    """Purchased electricity, by class."""
    heat: Floats
    """District heat, by class."""
    materials: Floats
    """Building materials and their haulage, by segment."""


def fuels_of(inputs: Inputs) -> list[tuple[int, str]]:
    """Return row and code of the carriers that are burnt in buildings."""
    return [(row, code) for row, code in enumerate(inputs.axes.members("carrier")) if code not in _NO_FUEL]


def _purchased(inputs: Inputs, energy: Energy) -> Floats:
    """Return the electricity that each class buys, kWh: what photovoltaics of the segment give is shared by use."""
    axes = inputs.axes
    used = energy.final[:, axes.index("carrier", "electricity")]
    if not energy.pv_used.any():
        return used
    segments = [axes.index("segment", axes.segment(code)) for code in axes.members("building_class")]
    of_segment = np.zeros((energy.pv_used.shape[0], *used.shape[1:]))
    np.add.at(of_segment, segments, used)
    left = 1.0 - np.divide(energy.pv_used, of_segment, out=np.zeros_like(of_segment), where=of_segment > 0)
    return np.asarray(used * left[segments])


def source_factor(inputs: Inputs) -> Floats:
    """Return the emission of a kWh of district heat as delivered to the building, kgCO2, equation (7): fuel and loss at the source."""
    late, axes = inputs.late, inputs.axes
    share, taken = late("heat_source_share"), late("heat_source_input")
    total = np.zeros((1, 1))
    for row, code in enumerate(axes.members("heat_source")):
        member = axes.get("heat_source", code)
        if member is None or member.carrier is None or not share[row].any():
            continue
        if member.carrier == "electricity":
            factor = late("grid_factor")
        else:
            factor = late("fuel_factor")[axes.index("carrier", member.carrier)] * GJ_PER_KWH
        total = total + share[row] * taken[row] * factor
    return np.asarray(total / (1.0 - late("network_loss")))


def emissions_of(inputs: Inputs, stock: Stock, energy: Energy) -> Emissions:
    """Return the emissions of all components of the boundary table."""
    late, axes = inputs.late, inputs.axes
    factors, grid = late("fuel_factor"), late("grid_factor")
    years, draws = energy.final.shape[2:]
    direct = np.zeros((len(axes.members("building_class")), years, draws))
    for row, _ in fuels_of(inputs):
        if factors[row].any() and energy.final[:, row].any():
            direct += energy.final[:, row] * (factors[row] * (GJ_PER_KWH / 1e3))
    purchased = _purchased(inputs, energy)
    electricity = purchased * (grid / 1e3)
    heat = energy.final[:, axes.index("carrier", "heat")] * (source_factor(inputs) / 1e3)
    materials, construction = _embodied(inputs, stock)
    parts = {
        "direct_building": direct.sum(axis=0),
        "purchased_electricity": electricity.sum(axis=0),
        "purchased_heat": heat.sum(axis=0),
        "construction": construction,
        "materials": materials.sum(axis=0),
        "municipal_operation": energy.municipal.sum(axis=0) * (grid / 1e3),
    }
    return Emissions(
        purchased=purchased,
        by_component={code: parts[code] for code in axes.members("component")},
        direct=direct,
        electricity=electricity,
        heat=heat,
        materials=materials,
    )


def _embodied(inputs: Inputs, stock: Stock) -> tuple[Floats, Floats]:
    """Return materials by segment, and construction works with demolition, both in tCO2."""
    late, axes = inputs.late, inputs.axes
    segments = axes.members("segment")
    rows = [segments.index(axes.segment(code)) for code in axes.members("building_class")]

    def of_segment(parts: Floats, at: int) -> Floats:
        return np.asarray(sum(part for part, row in zip(parts, rows, strict=True) if row == at))

    materials: list[Floats] = []
    gone = np.zeros((1, 1))
    built = np.zeros((1, 1))
    for at in range(len(segments)):
        per_area = late("material_intensity")[at] * late("material_factor")
        per_area = per_area * (1.0 - late("green_material_share")[at] * late("green_material_saving"))
        per_area = np.maximum(per_area - late("prefabricated_share")[at] * late("prefabricated_saving")[at], 0.0)
        completed = of_segment(stock.inflow, at)
        carbon = completed * (per_area + late("haul_intensity"))
        if late("retrofit_material")[at].any():
            carbon = carbon + of_segment(stock.retrofit_done, at) * late("retrofit_material")[at]
        materials.append(carbon / 1e3)
        built = built + completed
        gone = gone + of_segment(stock.outflow, at)
    demolition = late("demolition_intensity") - late("recycling_share") * late("recycling_saving")
    construction = (built * late("site_intensity") + gone * demolition) / 1e3
    return np.stack(np.broadcast_arrays(*materials)), construction

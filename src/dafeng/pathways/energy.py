"""From useful demand to final energy, heat at its source, photovoltaics and municipal electricity: equations (6) to (9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.pathways.inputs import FIRST_RESULT, Inputs
from dafeng.pathways.stock import Stock, people_of

__all__ = ["DISTRICT", "Energy", "final_energy"]

Floats = NDArray[np.float64]

DISTRICT: Final = "district_heating"
"""Technology that takes district heat."""
_AMBIENT_USES: Final = ("space_heating", "hot_water")


@dataclass(frozen=True)
class Energy:
    """Energy in kWh a year from 2000 on, `(…, years, draws)`."""

    final: Floats
    """Delivered to buildings by class and carrier."""
    final_use: Floats | None
    """The same by class, end use and carrier; None without detail."""
    ambient: Floats
    """Heat that heat pumps in buildings take from air, ground and water, by class."""
    heat_delivered: Floats
    """District heat delivered to buildings."""
    heat_at_source: Floats
    """District heat supplied by the sources."""
    source_input: Floats
    """Energy taken in by the heat sources, by source."""
    source_ambient: Floats
    """Heat that heat-pump sources take from the environment, as supplied."""
    heated_area: Floats
    """Area with district heating, m2."""
    pv: Floats
    """Generation of photovoltaics by segment."""
    pv_used: Floats
    """Used on site, by segment."""
    pv_exported: Floats
    """The rest."""
    municipal: Floats
    """Electricity of municipal services, by service."""


def final_energy(inputs: Inputs, stock: Stock, useful: Floats, *, detail: bool = False) -> Energy:
    """Return final energy, heat sources, photovoltaics and municipal electricity.

    Technologies of one end use that take the same carrier are put together first, so that each class is passed once for every
    pair of end use and carrier that it has.
    """
    axes, late = inputs.axes, inputs.late
    classes, carriers = axes.members("building_class"), axes.members("carrier")
    uses, technologies = axes.members("end_use"), axes.members("technology")
    years, draws = useful.shape[2:]
    final = np.zeros((len(classes), len(carriers), years, draws))
    final_use = np.zeros((len(classes), len(uses), len(carriers), years, draws)) if detail else None
    ambient = np.zeros((len(classes), years, draws))
    shares, calibration = late("technology_share"), late("calibration_carrier")
    inverse = 1.0 / late("technology_efficiency")
    excess = 1.0 / (1.0 - late("delivery_excess"))
    buffer = np.empty((years, draws))
    members = [member for code in technologies if (member := axes.get("technology", code)) is not None]
    pairs = [(uses.index(str(one.end_use)), carriers.index(str(one.carrier))) for one in members]
    for row in range(len(classes)):
        per_useful: dict[tuple[int, int], Floats] = {}
        for at, (use, carrier) in enumerate(pairs):
            share = shares[row, at]
            if not share.any():
                continue
            part = share * inverse[at]
            if members[at].code == DISTRICT:
                part = part * excess
            per_useful[use, carrier] = per_useful[use, carrier] + part if (use, carrier) in per_useful else part
            if members[at].carrier == "electricity" and uses[use] in _AMBIENT_USES:
                taken = share * np.maximum(1.0 - inverse[at], 0.0)
                if taken.any():
                    ambient[row] += useful[row, use] * taken
        for (use, carrier), part in per_useful.items():
            np.multiply(useful[row, use], part * calibration[row, carrier], out=buffer)
            final[row, carrier] += buffer
            if final_use is not None:
                final_use[row, use, carrier] = buffer
    delivered = final[:, carriers.index("heat")].sum(axis=0)
    at_source = delivered / (1.0 - late("network_loss"))
    source_share, source_input = late("heat_source_share"), late("heat_source_input")
    sources = [axes.get("heat_source", code) for code in axes.members("heat_source")]
    pumped = [at for at, one in enumerate(sources) if one is not None and one.carrier == "electricity"]
    below = sum((source_share[at] * np.maximum(1.0 - source_input[at], 0.0) for at in pumped), start=np.zeros((1, 1)))
    connected = shares[:, technologies.index(DISTRICT)]
    heated = sum((area * connected[row] for row, area in enumerate(stock.area)), start=np.zeros((1, 1)))
    pv, used = _photovoltaics(inputs, final[:, carriers.index("electricity")])
    return Energy(
        final=final,
        final_use=final_use,
        ambient=ambient,
        heat_delivered=delivered,
        heat_at_source=at_source,
        source_input=at_source * (source_share * source_input),
        source_ambient=delivered * below,
        heated_area=heated,
        pv=pv,
        pv_used=used,
        pv_exported=(pv - used).sum(axis=0),
        municipal=_municipal(inputs, heated),
    )


def _photovoltaics(inputs: Inputs, electricity: Floats) -> tuple[Floats, Floats]:
    """Return generation and use on site by segment, equation (8): never more than the segment's electricity."""
    axes, late = inputs.axes, inputs.late
    pv = late("pv_capacity") * late("pv_yield")
    segments = axes.members("segment")
    of_segment = np.zeros((len(segments), *electricity.shape[1:]))
    for row, code in enumerate(axes.members("building_class")):
        of_segment[segments.index(axes.segment(code))] += electricity[row]
    return pv, np.minimum(pv * late("pv_self_use"), of_segment)


def _municipal(inputs: Inputs, heated: Floats) -> Floats:
    """Return the electricity of municipal services in kWh, equation (9)."""
    axes, late = inputs.axes, inputs.late
    years = len(inputs.years) + int(inputs.years[0]) - FIRST_RESULT
    urban = people_of(inputs, "urban_residential")[-years:]
    amounts, energy = late("service_amount"), late("service_energy")
    parts: list[Floats] = []
    for row, code in enumerate(axes.members("service")):
        amount = heated if code == "heat_pumping" else urban * amounts[row]
        if code == "water_supply":
            amount = amount / (1.0 - late("water_leakage"))
        parts.append(amount * energy[row])
    return np.stack(np.broadcast_arrays(*parts))

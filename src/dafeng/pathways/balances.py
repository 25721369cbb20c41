"""Balances that a run must keep, each as the largest relative gap over years and draws."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.emissions import GJ_PER_KWH, fuels_of
from dafeng.pathways.energy import DISTRICT
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.outcome import VIEWS, Outcome

__all__ = ["balances"]

Floats = NDArray[np.float64]
_TINY: Final = 1e-300


def _gap(left: Floats, right: Floats) -> float:
    size = max(float(np.abs(left).max()), float(np.abs(right).max()), _TINY)
    return float(np.abs(left - right).max()) / size


def balances(inputs: Inputs, outcome: Outcome) -> dict[str, float]:
    """Return the largest gap of each balance, relative to the largest amount in it.

    Parameters
    ----------
    inputs : Inputs
    outcome : Outcome
        Of these inputs, run with `detail`.

    Returns
    -------
    dict of str to float
        ``area``: what stood plus completions is what stands plus what went. ``final``: end uses add up to each carrier.
        ``useful``: final energy times efficiency gives the useful demand back. ``heat``: delivered heat of the classes is the
        heat at source less the loss. ``heat-source``: inputs of the sources are their shares of the heat at source.
        ``photovoltaics``: generation is use on site, which electricity bounds, plus export. ``classes``: classes add up to the
        components. ``views``: views are sums of their components.

    Raises
    ------
    InputError
        The run was made without detail.
    """
    if outcome.final_use is None:
        raise InputError(
            "the run holds no final energy by end use",
            doing="check the balances of a run",
            expected="a run with detail",
            next_step="run(inputs, detail=True)",
        )
    return {
        "area": _gap(
            outcome.standing[:, :-1] + outcome.inflow[:, 1:], outcome.standing[:, 1:] + outcome.outflow[:, 1:]
        ),
        "final": _gap(outcome.final_use.sum(axis=1), outcome.final),
        "useful": _useful(inputs, outcome, outcome.final_use),
        "heat": _gap(
            outcome.final[:, outcome.axes.index("carrier", "heat")].sum(axis=0),
            outcome.heat_at_source * (1.0 - inputs.late("network_loss")),
        ),
        "heat-source": _sources(inputs, outcome),
        "photovoltaics": _photovoltaics(outcome),
        "classes": _classes(inputs, outcome),
        "views": max(
            _gap(outcome.view(name), np.asarray(sum(outcome.component(part) for part in parts)))
            for name, parts in VIEWS.items()
        ),
    }


def _useful(inputs: Inputs, outcome: Outcome, final_use: Floats) -> float:
    """Compare the useful demand with the final energy of each end use times the mean efficiency of what takes the carrier."""
    axes, late = inputs.axes, inputs.late
    worst = 0.0
    for row in range(len(axes.members("building_class"))):
        for use_row, use in enumerate(axes.members("end_use")):
            back: Floats = np.zeros((1, 1))
            for carrier_row, carrier in enumerate(axes.members("carrier")):
                taken: Floats = np.zeros((1, 1))
                share: Floats = np.zeros((1, 1))
                for at, code in enumerate(axes.members("technology")):
                    member = axes.get("technology", code)
                    if member is None or member.end_use != use or member.carrier != carrier:
                        continue
                    part = late("technology_share")[row, at]
                    loss = 1.0 - late("delivery_excess") if code == DISTRICT else np.ones((1, 1))
                    share = share + part
                    taken = taken + part / (late("technology_efficiency")[at] * loss)
                if not taken.any():
                    continue
                taken = taken * late("calibration_carrier")[row, carrier_row]
                efficiency = np.divide(
                    share, taken, out=np.zeros(np.broadcast_shapes(share.shape, taken.shape)), where=taken > 0
                )
                back = back + final_use[row, use_row, carrier_row] * efficiency
            worst = max(worst, _gap(back, outcome.useful[row, use_row]))
    return worst


def _sources(inputs: Inputs, outcome: Outcome) -> float:
    share, taken = inputs.late("heat_source_share"), inputs.late("heat_source_input")
    supplied = np.divide(
        outcome.source_input,
        taken,
        out=np.zeros(np.broadcast_shapes(outcome.source_input.shape, taken.shape)),
        where=taken > 0,
    )
    without = np.where(taken > 0, 0.0, share) * outcome.heat_at_source
    return _gap((supplied + without).sum(axis=0), outcome.heat_at_source)


def _photovoltaics(outcome: Outcome) -> float:
    used = outcome.final[:, outcome.axes.index("carrier", "electricity")].sum(axis=0)
    bought = _gap(outcome.purchased.sum(axis=0) + outcome.pv_used.sum(axis=0), used)
    return max(bought, _gap(outcome.pv.sum(axis=0), outcome.pv_used.sum(axis=0) + outcome.pv_exported))


def _classes(inputs: Inputs, outcome: Outcome) -> float:
    factors = inputs.late("fuel_factor")
    burnt = [row for row, _ in fuels_of(inputs)]
    fuel = sum(
        (outcome.final[:, row].sum(axis=0) * factors[row] * (GJ_PER_KWH / 1e3) for row in burnt), start=np.zeros((1, 1))
    )
    return max(
        _gap(np.asarray(fuel), outcome.emissions["direct_building"]),
        _gap(outcome.direct_by_class.sum(axis=0), outcome.emissions["direct_building"]),
        _gap(outcome.electricity_by_class.sum(axis=0), outcome.emissions["purchased_electricity"]),
        _gap(outcome.heat_by_class.sum(axis=0), outcome.emissions["purchased_heat"]),
        _gap(outcome.materials_by_segment.sum(axis=0), outcome.emissions["materials"]),
    )

"""One run of the building-stock model: equations (1) to (11) of `docs/explanation/pathways.md` over all draws at once."""

from __future__ import annotations

from dafeng.pathways.emissions import emissions_of
from dafeng.pathways.energy import final_energy
from dafeng.pathways.inputs import FIRST_RESULT, Inputs
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.stock import build_stock, people_of
from dafeng.pathways.useful import useful_demand

__all__ = ["Outcome", "run"]


def run(inputs: Inputs, *, detail: bool = False) -> Outcome:
    """Run the model.

    Parameters
    ----------
    inputs : Inputs
        From `InputBook.arrays`, with or without measures applied.
    detail : bool
        Whether to keep final energy by class, end use and carrier, and the stock by cohort; without draws only, for they are large.

    Returns
    -------
    Outcome
        Years 2000 to 2060. A draw does not depend on the draws beside it, so that chunks of draws give the same as all at once.
    """
    stock = build_stock(inputs, detail=detail)
    useful = useful_demand(inputs, stock)
    energy = final_energy(inputs, stock, useful, detail=detail)
    emissions = emissions_of(inputs, stock, energy)
    years = inputs.years[FIRST_RESULT - int(inputs.years[0]) :]
    late = slice(-len(years), None)

    return Outcome(
        place=inputs.place,
        axes=inputs.axes,
        years=years,
        population=inputs.arrays["population"][late],
        urban_population=people_of(inputs, "urban_residential")[late],
        area=stock.area,
        standing=stock.standing,
        vacant=stock.vacant,
        inflow=stock.inflow,
        outflow=stock.outflow,
        retrofitted=stock.retrofitted,
        retrofit_done=stock.retrofit_done,
        retrofit_missed=stock.retrofit_missed,
        heated_area=energy.heated_area,
        useful=useful,
        final=energy.final,
        final_use=energy.final_use,
        ambient=energy.ambient,
        heat_delivered=energy.heat_delivered,
        heat_at_source=energy.heat_at_source,
        source_input=energy.source_input,
        source_ambient=energy.source_ambient,
        pv=energy.pv,
        pv_used=energy.pv_used,
        pv_exported=energy.pv_exported,
        municipal_kwh=energy.municipal,
        purchased=emissions.purchased,
        grid_factor=inputs.late("grid_factor"),
        generation_coal=inputs.late("generation_coal"),
        emissions=emissions.by_component,
        direct_by_class=emissions.direct,
        electricity_by_class=emissions.electricity,
        heat_by_class=emissions.heat,
        materials_by_segment=emissions.materials,
        site_fuel_share=inputs.late("site_fuel_share"),
        turnovers=stock.turnovers,
    )

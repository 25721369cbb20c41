"""The least-cost programme written a second time with linopy, for tests and the benchmark."""

from collections.abc import Mapping

import linopy
import numpy as np
import xarray as xr

from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_request import PortfolioRequest


def linopy_model(problem: PortfolioProblem, request: PortfolioRequest, *, integer: bool = False) -> linopy.Model:
    """Levels, emissions and decisions as labelled variables; sums and shifts by linopy itself."""
    places, measures, years = len(problem.places), len(problem.measures), len(problem.years)
    place, measure, year = (np.arange(one) for one in (places, measures, years))
    axes = {"place": place, "measure": measure, "year": year}

    def labelled(values: np.ndarray, *dims: str) -> xr.DataArray:
        return xr.DataArray(values, dims=dims, coords={dim: axes[dim.removesuffix("_out")] for dim in dims})

    level_dims = ("place", "measure", "year")
    model = linopy.Model()
    x = model.add_variables(
        labelled(problem.low, *level_dims), labelled(problem.high, *level_dims), name="level", coords=axes
    )
    effect = labelled(problem.effect[problem.views.index(request.view)], *level_dims, "year_out")
    own = labelled(problem.base[problem.views.index(request.view)], "place", "year_out") - (
        effect * labelled(problem.reference, *level_dims)
    ).sum(["measure", "year"])
    change = (effect * x).sum(["measure", "year"])
    if request.place is None:
        change, own = change.sum("place"), own.sum("place")
    elif request.place != "each":
        at = problem.places.index(request.place)
        change, own = change.sel(place=at), own.sel(place=at)
    dims = [dim for dim in ("place", "year_out") if dim in own.dims]
    emission = model.add_variables(name="emission", coords={dim: own.coords[dim] for dim in dims}, dims=dims)
    model.add_constraints(emission - change == own.transpose(*dims), name="emission")
    if request.peak_by is not None:
        anchor = (request.peak_by if request.anchor is None else request.anchor) - int(problem.years[0])
        after = slice(request.peak_by - int(problem.years[0]) + 1, None)
        if len(year[after]):
            later, against = emission.isel(year_out=after), emission.isel(year_out=anchor, drop=True)
            model.add_constraints(later - against <= request.peak_slack, name="peak")
    if request.level is not None:
        assert not isinstance(request.level, Mapping)
        first = 0 if request.level_from is None else request.level_from - int(problem.years[0])
        model.add_constraints(emission.isel(year_out=slice(first, None)) <= request.level, name="level")
    before = labelled(problem.before, "place", "measure")
    rise = x.isel(year=slice(1, None)) - x.isel(year=slice(None, -1)).assign_coords(year=year[1:])
    # Open ramps become wide ones: linopy takes no infinite right-hand side.
    closed = np.where(np.isfinite(problem.ramp), problem.ramp, 1e3 * np.maximum(1.0, np.abs(problem.high).max()))
    limit = labelled(closed, "place", "measure")
    model.add_constraints(rise <= limit, name="ramp")
    model.add_constraints(x.isel(year=0) <= limit + before, name="ramp first")
    lasting = np.flatnonzero(problem.durable)
    if len(lasting):
        kept = rise.sel(measure=lasting)
        model.add_constraints(kept >= 0, name="lasting")
        model.add_constraints(x.isel(year=0).sel(measure=lasting) >= before.sel(measure=lasting), name="lasting first")
    for name, budget in request.budgets.items():
        if not np.isfinite(budget):
            continue
        spend = problem.spend.sum(axis=3) if name is None else problem.spend[..., name - int(problem.years[0])]
        model.add_constraints((labelled(spend, *level_dims) * x).sum() <= budget, name=f"budget {name}")
    for one in problem.conditions:
        weight = np.zeros(problem.low.shape)
        np.add.at(weight, (one.places, one.measures, one.years), one.coefficients)
        amount = (labelled(weight, *level_dims) * x).sum()
        if np.isfinite(one.lower):
            model.add_constraints(amount >= one.lower, name=f"{one.name} lower")
        if np.isfinite(one.upper):
            model.add_constraints(amount <= one.upper, name=f"{one.name} upper")
    _decisions(model, problem, x, integer=integer)
    model.add_objective((labelled(problem.cost, *level_dims) * x).sum())
    return model


def _decisions(model: linopy.Model, problem: PortfolioProblem, x: linopy.Variable, *, integer: bool) -> None:
    taken = sorted({*problem.steps, *(one for pair in problem.exclusive for one in pair)})
    if not taken:
        return
    place, year = np.arange(len(problem.places)), np.arange(len(problem.years))
    high = xr.DataArray(
        problem.high,
        dims=("place", "measure", "year"),
        coords={"place": place, "measure": np.arange(len(problem.measures)), "year": year},
    )

    def decisions(name: str, rows: list[int], *, yearly: bool) -> linopy.Variable:
        coords = {"place": place, "measure": rows} | ({"year": year} if yearly else {})
        size = [len(one) for one in coords.values()]
        ends = [xr.DataArray(np.full(size, end), coords=coords) for end in (0.0, 1.0)]
        if integer:
            return model.add_variables(coords=ends[0].coords, binary=True, name=name)
        return model.add_variables(*ends, name=name)

    on = decisions("taken", taken, yearly=False)
    model.add_constraints(x.sel(measure=taken) - high.sel(measure=taken) * on <= 0, name="only if taken")
    for lasting in (True, False):
        rows = [row for row in problem.steps if problem.durable[row] == lasting]
        if not rows:
            continue
        step = xr.DataArray([problem.steps[row] for row in rows], dims="measure", coords={"measure": rows})
        if lasting:
            last = x.sel(measure=rows).isel(year=-1, drop=True)
            model.add_constraints(last - step * on.sel(measure=rows) >= 0, name="step at last")
        else:
            now = decisions("now", rows, yearly=True)
            model.add_constraints(x.sel(measure=rows) - high.sel(measure=rows) * now <= 0, name="only if now")
            model.add_constraints(x.sel(measure=rows) - step * now >= 0, name="step now")
    for number, (first, second) in enumerate(problem.exclusive):
        both = on.sel(measure=first, drop=True) + on.sel(measure=second, drop=True)
        model.add_constraints(both <= 1, name=f"exclusive {number}")

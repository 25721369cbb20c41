"""Calibration of pathways to the inventories of a workspace or file, back-casts, and published figures beside the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from dafeng.base.errors import NotEnoughDataError
from dafeng.catalog import Catalog
from dafeng.catalog.pathway_schemas import PathwayParameter
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.yaml_writing import sections_yaml
from dafeng.intake import import_table
from dafeng.pathways.calibration import (
    Calibration,
    FuelHistory,
    calibrate_area,
    calibrate_fuels,
    fuel_cells,
    yearly_steps,
)
from dafeng.pathways.ensemble import Total, ensemble
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.peaks import peak_years
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.scenarios import resolve_scenario, scenario_inputs
from dafeng.pathways.solving import solve_scenario
from dafeng.pathways.studies import OurPeak, StudyRow, beside_studies
from dafeng.pathways.validation import Backcast, backcast, scope_series
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = [
    "BOUNDARY",
    "VARIANTS",
    "AreaGap",
    "PlaceCalibration",
    "backcasts",
    "beside_published_studies",
    "calibrate_place",
    "calibration_yaml",
    "fuel_histories",
    "inventory_file",
    "plain_book",
    "workspace_histories",
    "write_calibration",
]

BOUNDARY: Final = "ceads-building-sectors"
"""Boundary table whose flows and split say which sectors and fuels are burnt in buildings."""
_SEGMENTS: Final = {
    "trade": "public",
    "other-services": "public",
    "urban-households": "urban_residential",
    "rural-households": "rural_residential",
}
_FUELS: Final = {
    "coal": "coal",
    "lpg": "lpg",
    "gas": "natural_gas",
    "natural_gas": "natural_gas",
    "manufactured_gas": "natural_gas",
}
_FEWEST_PLACES: Final = 5
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "known-drivers": {},
    "projected-drivers": {"later": ()},
    "shipped-parameters": {"hindsight": False},
}
"""Back-casts that are reported side by side: with people, floor area and coal for a kWh as they came; with nothing later than the
year of the cut; and with the parameters as shipped, which is no test out of sample."""
_LIKE: Final = {"frozen": "frozen", "trend": "trend", "plan": "plan-full", "plan-plus": "plan-plus"}
_AREAS: Final = {
    "urban_residential": ("floor_area_urban_residential",),
    "rural_residential": ("floor_area_rural_residential",),
    "public": ("floor_area_public_urban", "floor_area_public_rural"),
}


@dataclass(frozen=True)
class AreaGap:
    """A published area beside the model's.

    Parameters
    ----------
    series : str
    publisher : str
    year : int
    observed, modelled : float
        m2.
    scaled : bool
        Whether the floor area per head was scaled to it.
    """

    series: str
    publisher: str
    year: int
    observed: float
    modelled: float
    scaled: bool


@dataclass(frozen=True)
class PlaceCalibration:
    """Calibration of a place, activity and factors apart.

    Parameters
    ----------
    activity : tuple of AreaGap
    factors : Calibration
    parameters : tuple of PathwayParameter
        Of both.
    """

    activity: tuple[AreaGap, ...]
    factors: Calibration
    parameters: tuple[PathwayParameter, ...]


def inventory_file(catalog: Catalog, path: Path, *, recorded_at: datetime) -> pl.DataFrame:
    """Return the observations of an inventory file, without publishing them."""
    return import_table(path, catalog, recorded_at=recorded_at).observations


def _fuel_of(catalog: Catalog, carrier: str) -> str:
    """Return the fuel of the model that a fuel of an inventory belongs to: by the carriers above it; oil where none fits."""
    terms = catalog.terms["carrier"]
    at: str | None = carrier
    while at is not None and at in terms:
        if at in _FUELS:
            return _FUELS[at]
        at = terms[at].parent
    return "oil"


def fuel_histories(
    catalog: Catalog, observations: pl.DataFrame, *, places: Sequence[str] | None = None, boundary: str = BOUNDARY
) -> dict[str, FuelHistory]:
    """Return the fuels burnt in buildings of each place by segment and fuel, vehicle fuels taken out by the boundary's split.

    Parameters
    ----------
    catalog : Catalog
    observations : DataFrame
        Observations of an inventory; emissions in tCO2.
    places : sequence of str, optional
    boundary : str
        Boundary table with the flows.

    Returns
    -------
    dict
        A year without any cell is a gap (nan); so is one before the first cell of a place.
    """
    table = catalog.boundaries[boundary]
    left_out = {
        (flow, carrier)
        for split in table.splits
        if split.default
        for flow in split.flows
        for carrier in split.carrier or ()
    }
    rows = [
        (flow.indicator, end_use, carrier, _SEGMENTS[flow.id], _fuel_of(catalog, carrier))
        for flow in table.flows
        if flow.component == "direct_building"
        for end_use in flow.end_use or ()
        for carrier in flow.carrier or ()
        if (flow.id, carrier) not in left_out
    ]
    cells = pl.DataFrame(rows, schema=["indicator", "end_use", "carrier", "segment", "fuel"], orient="row")
    found = observations.filter(pl.col("period").str.contains(r"^\d{4}$") & pl.col("value").is_not_null())
    if places is not None:
        found = found.filter(pl.col("place").is_in(list(places)))
    sums = (
        found.join(cells, on=["indicator", "end_use", "carrier"])
        .group_by("place", "segment", "fuel", year=pl.col("period").cast(pl.Int64))
        .agg(pl.col("value").sum())
    )
    histories: dict[str, FuelHistory] = {}
    for (place,), part in sums.partition_by("place", as_dict=True).items():
        years = np.arange(int(part["year"].min()), int(part["year"].max()) + 1)  # type: ignore[arg-type]
        emissions: dict[tuple[str, str], np.ndarray[Any, np.dtype[np.float64]]] = {}
        for segment, fuel, year, value in part.select("segment", "fuel", "year", "value").iter_rows():
            emissions.setdefault((segment, fuel), np.zeros(len(years)))[year - years[0]] += value
        empty = ~np.isin(years, part["year"].to_numpy())
        for one in emissions.values():
            one[empty] = np.nan
        histories[str(place)] = FuelHistory(str(place), years, dict(sorted(emissions.items())), table.source)
    return dict(sorted(histories.items()))


def plain_book(catalog: Catalog, place: str) -> InputBook:
    """Return the inputs of a place without its own calibration: factors of one."""
    calibrated = {one.id for one in catalog.path_parameters.values() if one.calibrated}
    book = read_inputs(catalog, place)
    fitted = [one for one in book.parameters if one.id in calibrated and one.quantity == "calibration_carrier"]
    ones = tuple(
        one.model_copy(
            update={
                "id": f"plain-{one.id}",
                "place": place,
                "points": (one.points[0].model_copy(update={"value": 1.0}),),
            }
        )
        for one in fitted
    )
    return read_inputs(catalog, place, parameters=ones) if ones else book


def _activity(
    catalog: Catalog, book: InputBook, *, checked_on: date, tolerance: float
) -> tuple[tuple[AreaGap, ...], tuple[PathwayParameter, ...]]:
    gaps: list[AreaGap] = []
    changed: list[PathwayParameter] = []
    totals = [one for one in catalog.published_totals.values() if one.place == book.place]
    for segment, scopes in _AREAS.items():
        by_year: dict[tuple[str, int, str], dict[str, float]] = {}
        for one in totals:
            if one.scope in scopes and one.unit == "亿m2":
                by_year.setdefault((one.publisher, one.year, one.source), {})[one.scope] = one.value * 1e8
        whole = {key: sum(parts.values()) for key, parts in by_year.items() if len(parts) == len(scopes)}
        if not whole:
            continue
        publisher, year, source = max(whole, key=lambda key: key[1])
        area = whole[publisher, year, source]
        parameter, ratio = calibrate_area(book, segment, year, area, source=source, checked_on=checked_on)
        scaled = abs(ratio - 1) > tolerance
        gaps.append(AreaGap(f"floor_area_{segment}", publisher, year, area, ratio * area, scaled))
        changed += [parameter] if scaled else []
    heated = [one for one in totals if one.scope == "district_heated_area_cities" and one.unit == "亿m2"]
    outcome = run(book.arrays())
    for total in heated:
        modelled = float(outcome.heated_area[year_row(outcome.years, total.year), 0])
        gaps.append(AreaGap(total.scope, total.publisher, total.year, total.value * 1e8, modelled, False))
    return tuple(gaps), tuple(changed)


def calibrate_place(
    catalog: Catalog,
    place: str,
    histories: Mapping[str, FuelHistory],
    *,
    checked_on: date,
    until: int | None = None,
    activity: bool = True,
    tolerance: float = 0.02,
) -> PlaceCalibration:
    """Calibrate a place: first floor area, then the factors of fuels.

    A place without an inventory of its own takes the factors of the nearest place above with one, and says so.

    Parameters
    ----------
    catalog : Catalog
    place : str
        Place id.
    histories : mapping from place to FuelHistory
        Those of five and more places together give the residual's step.
    checked_on : date
    until : int, optional
        Last year of history that is used.
    activity : bool
        Whether floor areas are scaled to published ones where they are off by more than `tolerance`; they are compared anyway.
    tolerance : float

    Raises
    ------
    NotEnoughDataError
        Neither the place nor one above it has an inventory.
    """
    chain = (place, *catalog.places.ancestor_ids(place))
    nearest = next((one for one in chain if one in histories), None)
    if nearest is None:
        raise NotEnoughDataError(
            f"no inventory by sector and fuel for {', '.join(chain)}",
            doing=f"calibrate {place}",
            expected="observations of the boundary table " + BOUNDARY,
            next_step="import an inventory (dafeng data import FILE), or give it by --file",
        )
    cut = {name: one if until is None else one.until(until) for name, one in histories.items()}
    book = plain_book(catalog, nearest)
    gaps, areas = _activity(catalog, book, checked_on=checked_on, tolerance=tolerance)
    if activity and areas:
        book = read_inputs(catalog, nearest, parameters=(*_plain_of(book, catalog), *areas))
    panel = []
    if len(cut) >= _FEWEST_PLACES:
        for name, history in cut.items():
            inputs = plain_book(catalog, name).arrays()
            outcome = run(inputs)
            modelled = sum(fuel_cells(inputs, outcome).values(), start=np.zeros(len(outcome.years)))
            panel.append(yearly_steps(history, modelled, int(outcome.years[0])))
    factors = calibrate_fuels(book, cut[nearest], checked_on=checked_on, panel=panel)
    if nearest != place:
        words = f"{catalog.place_name(place)}没有分部门分燃料的清单，各系数借自{catalog.place_name(nearest)}"
        factors = replace(factors, borrowed=(words, *factors.borrowed))
    return PlaceCalibration(
        gaps
        if activity
        else tuple(AreaGap(one.series, one.publisher, one.year, one.observed, one.modelled, False) for one in gaps),
        factors,
        (*(areas if activity else ()), *factors.parameters),
    )


def _plain_of(book: InputBook, catalog: Catalog) -> tuple[PathwayParameter, ...]:
    """Return the parameters of a book that are not the catalog's."""
    return tuple(one for one in book.parameters if one.id not in catalog.path_parameters)


def workspace_histories(
    setting: Setting, *, as_of: date | None = None, known_at: date | None = None
) -> dict[str, FuelHistory]:
    """Return the inventories in the lake of a workspace, as known on a day."""
    _, lake = need_workspace(setting)
    indicators = sorted({flow.indicator for flow in setting.catalog.boundaries[BOUNDARY].flows})
    return fuel_histories(
        setting.catalog, lake.snapshot().read(as_of=known_at, published_by=as_of, indicators=indicators)
    )


def calibration_yaml(parameters: Sequence[PathwayParameter], *, title: str) -> str:
    """Return parameters as a catalog file."""
    return sections_yaml({"path_parameters": parameters}, comment=title)


def write_calibration(setting: Setting, done: PlaceCalibration) -> Path:
    """Write the parameters of a calibration into the catalog of a workspace; an earlier one of the place is replaced.

    Returns
    -------
    Path
        The file.
    """
    workspace, _ = need_workspace(setting)
    folder = workspace.catalog_folder / "pathways"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"parameters_calibrated_{done.factors.place}.yaml"
    path.write_text(
        calibration_yaml(
            done.parameters,
            title=f"由 dafeng path calibrate 写入：{done.factors.place}，历史到 {done.factors.last_year} 年",
        ),
        encoding="utf-8",
    )
    return path


def backcasts(catalog: Catalog, *, cut: int = 2014, draws: int = 512, seed: int = 2014) -> dict[str, Backcast]:
    """Return the back-casts of `VARIANTS`."""
    return {name: backcast(catalog, cut=cut, draws=draws, seed=seed, **options) for name, options in VARIANTS.items()}


def beside_published_studies(catalog: Catalog, *, draws: int = 128, seed: int = 20260101) -> tuple[StudyRow, ...]:
    """Set every study of the peak beside our most similar scenario: same place, same scope, same kind of scenario.

    Parameters
    ----------
    catalog : Catalog
    draws, seed : int
    """
    ours: dict[str, OurPeak | str] = {}
    wanted: dict[tuple[str, str], list[str]] = {}
    probe = {
        place: run(read_inputs(catalog, place).arrays())
        for place in sorted({one.place for one in catalog.peak_studies.values()})
    }
    for study in catalog.peak_studies.values():
        if study.like not in _LIKE:
            ours[study.id] = "没有相近的情景或地方"
        elif scope_series(probe[study.place], study.scope) is None:
            ours[study.id] = f"模型没有口径 {study.scope}"
        else:
            wanted.setdefault((study.place, _LIKE[study.like]), []).append(study.id)
    for (place, scenario), names in wanted.items():
        book = read_inputs(catalog, place)
        resolved = solve_scenario(resolve_scenario(catalog, scenario, place=place), book)
        scopes = sorted({catalog.peak_studies[name].scope for name in names})
        found = ensemble(
            book, resolved, draws=draws, seed=seed, keep=(), totals={scope: _series_of(scope) for scope in scopes}
        )
        inputs = scenario_inputs(book, resolved)
        grid = np.array(inputs.arrays["grid_factor"])
        at = resolved.base_year - int(inputs.years[0])
        grid[at + 1 :] = grid[at]
        held = run(inputs.with_arrays(grid_factor=grid))
        for name in names:
            study = catalog.peak_studies[name]
            still = int(peak_years(_series_of(study.scope)(held), held.years).year[0])
            peaks = peak_years(found.series[study.scope], found.years)
            years = (peaks.year_quantile(0.05), peaks.year_quantile(0.5), peaks.year_quantile(0.95))
            level = float(np.median(peaks.level)) / 1e6
            ours[name] = OurPeak(scenario, years, level, still, resolved.base_year, int(found.years[-1]))
    return beside_studies(tuple(catalog.peak_studies.values()), ours)


def _series_of(scope: str) -> Total:
    def total(outcome: Outcome) -> np.ndarray[Any, np.dtype[np.float64]]:
        series = scope_series(outcome, scope)
        return np.zeros((len(outcome.years), 1)) if series is None else series

    return total

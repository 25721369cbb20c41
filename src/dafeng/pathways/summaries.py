"""What an ensemble says: probabilities and quantiles as plain data, yearly fans, and projected observations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.observation import SCHEMA, ObservationKind, Review
from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.catalog.pathway_schemas import PathwayParameter
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.methods.peak import PLATEAU, STATUS_NAMES
from dafeng.pathways.ensemble import COMPONENTS, VIEWS, Ensemble
from dafeng.pathways.peaks import NEAR, QUANTILES, STATES, Peaks, anchored, draw_quantiles, peak_shares, peak_years
from dafeng.pathways.sensitivity import share_by_group

__all__ = [
    "FAN",
    "LEVEL_YEARS",
    "SERIES_NAMES",
    "Promise",
    "fans",
    "grade_shares",
    "group_grades",
    "projected_observations",
    "promise_of",
    "uncertainty_summary",
]

Array = NDArray[np.float64]

FAN: Final = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""Quantiles of a fan; the mean stands beside them."""
LEVEL_YEARS: Final = tuple(range(2000, 2061))
"""Years whose levels a summary gives."""
PEAK_YEARS: Final = tuple(range(2025, 2061))
"""Years for which a summary gives P(peak ≤ year)."""
RULE_YEARS: Final = (2025, 2030, 2035, 2040)
"""Years for which a summary sets widths of the plateau rule side by side."""
RULES: Final = {"maximum": 0.0, "near_0.1_percent": NEAR, "near_1_percent": 0.01}
"""Widths of the plateau rule that a summary sets side by side, as shares of the maximum."""
SERIES_NAMES: Final = {
    "direct": "直接排放",
    "indirect": "间接排放",
    "building_operation": "建筑运行",
    "embodied": "隐含碳",
    "whole_field": "城乡建设领域",
    "direct_building": "建筑直接排放",
    "purchased_electricity": "外购电力间接排放",
    "purchased_heat": "外购热力间接排放",
    "construction": "施工排放",
    "materials": "建材排放",
    "municipal_operation": "市政设施运行排放",
    "ceads_direct": "建筑直接排放（CEADs口径，不含车用油品）",
}
"""Chinese names of views and components."""
ALIASES: Final = {"ceads_direct": "direct_building"}
"""Boundaries of other sources, and the series that is the same."""
_INDICATOR: Final = "field_co2"
_BASIS: Final = "location_based"
_SIGNIFICANT: Final = 8


class Promise(Record):
    """A peak that a plan promises."""

    plan: str
    """Plan id."""
    boundary: str
    """View or component."""
    by: int
    """By the end of this year."""


def promise_of(plan: Plan) -> Promise | None:
    """Return the peak that a plan promises; None where it promises none."""
    return None if plan.peak is None else Promise(plan=plan.id, boundary=plan.peak.boundary, by=plan.peak.by)


def uncertainty_summary(
    found: Ensemble,
    *,
    promises: Sequence[Promise] = (),
    history: Mapping[str, Mapping[int, float]] | None = None,
    parameters: Sequence[PathwayParameter] = (),
    near: float = NEAR,
) -> dict[str, Any]:
    """Return what `dafeng path uncertain PLACE --json` prints: plain data, the same for the same ensemble.

    Parameters
    ----------
    found : Ensemble
    promises : sequence of Promise
        Those of the plans that hold for the place; their boundaries come first.
    history : mapping from boundary to mapping from year to value, optional
        Observed values: the years up to the last of them are theirs, see `dafeng.pathways.peaks.anchored`. Without it the years up
        to the base year are the model's own, fitted to history as far as there is any.
    parameters : sequence of PathwayParameter
        Those that were drawn, for their grades; left out where empty.
    near : float
        Width of the plateau rule.

    Returns
    -------
    dict
        `promises`, `boundaries` by view, component and `ceads_direct`, each with `peak_year`, `peak_level`, `p_peak_by`, `levels`,
        `draws` and Monte Carlo errors; seed, design, scenario and grades. Years are texts, emissions tCO2 to eight digits.
    """
    known = dict(history or {})
    names = [name for name in (*VIEWS, *COMPONENTS, *ALIASES) if ALIASES.get(name, name) in found.series]
    first = [one.boundary for one in promises if one.boundary in names]
    ordered = list(dict.fromkeys([*first, *names]))
    peaks, since = {}, {}
    boundaries: dict[str, dict[str, Any]] = {}
    for name in ordered:
        values = found.series[ALIASES.get(name, name)]
        observed = known.get(name)
        whole = values if not observed else anchored(values, found.years, observed)
        peaks[name] = peak_years(whole, found.years, near=near)
        since[name] = found.base_year if not observed else max(observed)
        boundaries[name] = _boundary(name, values, whole, peaks[name], found, since[name]) | {
            "history": "observed" if observed else "model"
        }
    summary: dict[str, Any] = {
        "place": found.place,
        "scenario": found.scenario,
        "seed": found.seed,
        "design": found.design,
        "draws": found.draws,
        "residual": found.residual,
        "base_year": found.base_year,
        "first_year": int(found.years[0]),
        "horizon": int(found.years[-1]),
        "unit": "tCO2",
        "plateau_rule": {"near": near, "plateau": PLATEAU},
        "promises": [
            _promised(one, peaks[one.boundary], since[one.boundary], boundaries[one.boundary]["history"])
            for one in promises
            if one.boundary in peaks
        ],
        "boundaries": boundaries,
    }
    if parameters:
        summary["grades"] = _grades(found, parameters, peaks, ordered[0])
    return summary


def fans(found: Ensemble, names: Sequence[str] = ()) -> pl.DataFrame:
    """Return yearly quantiles, shape (series × year, column): series, year, p05, p25, p50, p75, p95, mean.

    Parameters
    ----------
    found : Ensemble
    names : sequence of str
        Series; all where empty.
    """
    rows = []
    for name in names or tuple(found.series):
        values = found.series[name]
        columns = dict(zip(FAN, draw_quantiles(values, list(FAN.values())), strict=True))
        rows.append(
            pl.DataFrame({"year": found.years, **columns, "mean": values.mean(axis=1)}).select(
                pl.lit(name).alias("series"), pl.all()
            )
        )
    return pl.concat(rows)


def projected_observations(
    found: Ensemble,
    *,
    recorded_at: datetime,
    dataset: str = "dafeng-pathways",
    indicator: str = _INDICATOR,
    lineage: str | None = None,
) -> pl.DataFrame:
    """Return the fans of views and components after the base year as observations of the kind `projected`.

    Parameters
    ----------
    found : Ensemble
    recorded_at : datetime
        UTC.
    dataset : str
        Who says so.
    indicator : str
        Indicator of emissions by boundary.
    lineage : str, optional
        Id of the run.

    Returns
    -------
    DataFrame of `SCHEMA`
        Member is p05, p25, p50, p75, p95 or mean; electricity is location-based.
    """
    names = [name for name in (*VIEWS, *COMPONENTS) if name in found.series]
    long = (
        fans(found, names)
        .filter(pl.col("year") > found.base_year)
        .unpivot(index=["series", "year"], variable_name="member", value_name="value")
    )
    texts = {
        "indicator": indicator,
        "place": found.place,
        "extent": Extent.WHOLE.value,
        "building_class": "all",
        "carrier": "all",
        "end_use": "all",
        "basis": _BASIS,
        "kind": ObservationKind.PROJECTED.value,
        "scenario": found.scenario,
        "dataset": dataset,
        "review": Review.APPROVED.value,
        "lineage": lineage,
    }
    empty = dict.fromkeys(("low", "high", "coverage", "missing_reason", "published_on", "supersedes"))
    return long.select(
        pl.col("series").alias("boundary"),
        pl.col("year").cast(pl.String).alias("period"),
        "member",
        "value",
        pl.lit(recorded_at).dt.convert_time_zone("UTC").alias("recorded_at"),
        *(pl.lit(value).alias(name) for name, value in (texts | empty).items()),
    ).select([pl.col(name).cast(kind) for name, kind in SCHEMA.items()])


def group_grades(parameters: Iterable[PathwayParameter]) -> dict[str, str]:
    """Return the grade of each spread group: the weakest among its parameters and their points."""
    found: dict[str, str] = {}
    for one in parameters:
        group = one.group or one.id
        weakest = max(str(grade) for grade in (one.grade, *(p.grade for p in one.points if p.grade is not None)))
        found[group] = max(found.get(group, "A"), weakest)
    return found


def grade_shares(
    drawn: Mapping[str, Array], grades: Mapping[str, str], results: Mapping[str, Array]
) -> dict[str, dict[str, float | None]]:
    """Return the share of each result's variance that rests on groups of each grade, and what first order does not explain.

    Parameters
    ----------
    drawn : mapping from group to array, shape (draw,)
    grades : mapping from group to grade
        A group without grade counts as C.
    results : mapping from name to array, shape (draw,)

    Returns
    -------
    dict from result to share by grade, and `rest`
        First-order shares by `share_by_group`; the rest are interactions, the residual and chance. None where a result does not
        vary.
    """
    if not drawn:
        return {}
    shares = share_by_group(drawn, np.stack([np.asarray(one, dtype=np.float64) for one in results.values()]))
    letters = np.array([grades.get(name, "C") for name in drawn])
    found: dict[str, dict[str, float | None]] = {}
    for at, name in enumerate(results):
        column = shares[:, at]
        if bool(np.isnan(column).any()):
            found[name] = dict.fromkeys((*"ABC", "rest"))
            continue
        by_grade = {letter: max(0.0, float(column[letters == letter].sum())) for letter in "ABC"}
        scale = max(1.0, sum(by_grade.values()))
        rounded: dict[str, float | None] = {letter: round(share / scale, 3) for letter, share in by_grade.items()}
        found[name] = rounded | {"rest": round(max(0.0, 1 - sum(by_grade.values())), 3)}
    return found


def _boundary(name: str, values: Array, whole: Array, peaks: Peaks, found: Ensemble, since: int) -> dict[str, Any]:
    ends = draw_quantiles(values, list(QUANTILES.values()))
    years = [year for year in sorted({*LEVEL_YEARS, found.base_year}) if year in found.years]
    at = [year_row(found.years, year) for year in years]
    spread = values.std(axis=1, ddof=1) if found.draws > 1 else np.zeros(len(values))
    level = draw_quantiles(peaks.level, list(QUANTILES.values()))
    asked = [year for year in PEAK_YEARS if year <= peaks.years[-1]]
    return {
        "name": SERIES_NAMES.get(name, name),
        "peak_year": {key: peaks.year_quantile(share) for key, share in QUANTILES.items()},
        "peak_year_beyond_horizon": [key for key, share in QUANTILES.items() if peaks.is_open(share)],
        "peak_level": _numbers(dict(zip(QUANTILES, level, strict=True)) | {"mean": peaks.level.mean()}),
        "p_peak_by": {str(year): round(peaks.probability_by(year), 6) for year in asked},
        "p_peaked_already": round(peaks.probability_by(since), 6),
        "p_not_peaked_by_horizon": round(float(np.mean(~peaks.peaked)), 6),
        "plateau": {
            "first": int(np.median(peaks.plateau_first)),
            "last": int(np.median(peaks.plateau_last)),
        },
        "states": {state: round(peaks.state_share(state), 6) for state in STATES},
        "state_names": {state: STATUS_NAMES[state][0] for state in STATES},
        "p_peak_by_rule": {
            rule: {
                str(year): round(share, 6)
                for year, share in peak_shares(whole, found.years, RULE_YEARS, near=width).items()
            }
            for rule, width in RULES.items()
        },
        "draws": peaks.draws,
        "levels": {
            str(year): _numbers(dict(zip(QUANTILES, ends[:, place], strict=True)) | {"mean": values[place].mean()})
            for year, place in zip(years, at, strict=True)
        },
        "monte_carlo_error": {
            "p_peak_by": {str(year): round(peaks.probability_error(year), 6) for year in asked},
            "peak_year": {key: list(peaks.year_error(share)) for key, share in QUANTILES.items()},
            "mean_level": _numbers(
                {str(year): spread[place] / np.sqrt(found.draws) for year, place in zip(years, at, strict=True)}
            ),
        },
    }


def _promised(promise: Promise, peaks: Peaks, since: int, history: str) -> dict[str, Any]:
    share, error = peaks.probability_by(promise.by), peaks.probability_error(promise.by)
    already = peaks.probability_by(min(since, promise.by))
    name = SERIES_NAMES.get(promise.boundary, promise.boundary)
    if share in (0.0, 1.0):
        counted = f"{peaks.draws}次抽样{'全部' if share else '无一'}在此之前达峰"
    else:
        counted = f"{peaks.draws}次抽样中有{share:.1%}在此之前达峰（抽样误差约{100 * error:.1f}个百分点）"
    told = "按历史数据" if history == "observed" else "按模型回算"
    past = f"，其中{already:.1%}在{since}年及以前已达峰（{told}）" if already else ""
    return {
        "plan": promise.plan,
        "boundary": promise.boundary,
        "by": promise.by,
        "probability": round(share, 6),
        "monte_carlo_error": round(error, 6),
        "peaked_already": round(already, 6),
        "draws": peaks.draws,
        "words": f"方案承诺的边界（{name}）在{promise.by}年底前达峰：{counted}{past}。概率只反映已列出的不确定性。",
    }


def _grades(
    found: Ensemble, parameters: Sequence[PathwayParameter], peaks: Mapping[str, Peaks], name: str
) -> dict[str, Any]:
    grades = group_grades(parameters)
    drawn = {group: column for group, column in found.drawn.items() if group in grades}
    values = found.series[ALIASES.get(name, name)]
    results = {"peak_year": peaks[name].year.astype(np.float64)} | {
        f"level_{year}": values[found.years == year][0] for year in (2030, 2060) if year in found.years
    }
    return {
        "boundary": name,
        "groups": {letter: sum(grades[group] == letter for group in drawn) for letter in "ABC"},
        "variance_share": grade_shares(drawn, grades, results),
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(f"{float(value):.{_SIGNIFICANT}g}") for name, value in values.items()}

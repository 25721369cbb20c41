"""Results in the wide table of the integrated-assessment community (Model, Scenario, Region, Variable, Unit, years), out and in.

Variables follow the community's names where it has them; the boundary of urban-rural construction has names of its own. Frames only:
files are written and read by the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.pathways.emissions import GJ_PER_KWH
from dafeng.pathways.ensemble import Ensemble
from dafeng.pathways.outcome import Outcome

__all__ = [
    "IAMC_COLUMNS",
    "IAMC_UNITS",
    "IAMC_VARIABLES",
    "IamcReading",
    "IamcVariable",
    "iamc_frame",
    "iamc_wide",
    "read_iamc",
]

_Float = NDArray[np.float64]

IAMC_COLUMNS: Final = ("Model", "Scenario", "Region", "Variable", "Unit")
"""Columns before the years."""

IAMC_UNITS: Final = {
    "Mt CO2/yr": ("tCO2", 1e6),
    "kt CO2/yr": ("tCO2", 1e3),
    "Gt CO2/yr": ("tCO2", 1e9),
    "EJ/yr": ("GJ", 1e9),
    "PJ/yr": ("GJ", 1e6),
    "TWh/yr": ("GJ", 3.6e6),
    "Mtce/yr": ("tce", 1e6),
    "million": ("person", 1e6),
    "billion m2": ("m**2", 1e9),
    "million m2": ("m**2", 1e6),
    "%": ("percent", 1.0),
}
"""Units of the table with the canonical unit and the size of one in it."""

_LOW, _HIGH = "|5th Percentile", "|95th Percentile"


@dataclass(frozen=True)
class IamcVariable:
    """A variable of the table.

    Attributes
    ----------
    name : str
        Name in the table.
    unit : str
        Unit in the table.
    of : callable
        From an outcome the series in the canonical unit, (years, draws).
    series : str
        Name of the same series in an ensemble, empty where it keeps none.
    """

    name: str
    unit: str
    of: Callable[[Outcome], _Float]
    series: str = ""


_CO2: Final = "Emissions|CO2|Urban-Rural Construction"
_FINAL: Final = "Final Energy|Residential and Commercial"
_FLOOR: Final = "Energy Service|Residential and Commercial|Floor Space"
_RESIDENTIAL: Final = ("urban_residential", "rural_residential")


def _view(name: str) -> Callable[[Outcome], _Float]:
    return lambda outcome: outcome.view(name)


def _rows(outcome: Outcome, residential: bool | None) -> list[int]:
    codes = outcome.axes.members("building_class")
    return [row for row, code in enumerate(codes) if residential is None or (code in _RESIDENTIAL) == residential]


def _final(carriers: Sequence[str] | None = None, residential: bool | None = None) -> Callable[[Outcome], _Float]:
    def series(outcome: Outcome) -> _Float:
        known = outcome.axes.members("carrier")
        columns = [row for row, code in enumerate(known) if carriers is None or code in carriers]
        total: _Float = outcome.final[np.ix_(_rows(outcome, residential), columns)].sum(axis=(0, 1)) * GJ_PER_KWH
        return total

    return series


def _area(residential: bool | None = None) -> Callable[[Outcome], _Float]:
    return lambda outcome: np.asarray(outcome.area[_rows(outcome, residential)].sum(axis=0))


IAMC_VARIABLES: Final = (
    IamcVariable("Population", "million", lambda outcome: outcome.population),
    IamcVariable("Population|Urban", "million", lambda outcome: outcome.urban_population),
    IamcVariable(_FLOOR, "billion m2", _area()),
    IamcVariable("Energy Service|Residential|Floor Space", "billion m2", _area(True)),
    IamcVariable("Energy Service|Commercial|Floor Space", "billion m2", _area(False)),
    IamcVariable(_FINAL, "EJ/yr", _final()),
    IamcVariable("Final Energy|Residential", "EJ/yr", _final(residential=True)),
    IamcVariable("Final Energy|Commercial", "EJ/yr", _final(residential=False)),
    IamcVariable(f"{_FINAL}|Electricity", "EJ/yr", _final(["electricity"])),
    IamcVariable(f"{_FINAL}|Heat", "EJ/yr", _final(["heat"])),
    IamcVariable(f"{_FINAL}|Gases", "EJ/yr", _final(["natural_gas"])),
    IamcVariable(f"{_FINAL}|Liquids", "EJ/yr", _final(["lpg", "oil"])),
    IamcVariable(f"{_FINAL}|Solids|Coal", "EJ/yr", _final(["coal"])),
    IamcVariable(f"{_FINAL}|Solids|Biomass", "EJ/yr", _final(["biomass"])),
    IamcVariable(f"{_FINAL}|Solar", "EJ/yr", _final(["solar_thermal"])),
    IamcVariable("Secondary Energy|Electricity|Solar|PV|Buildings", "EJ/yr", lambda outcome: np.asarray(outcome.pv.sum(axis=0) * GJ_PER_KWH)),
    IamcVariable("Emissions|CO2|Energy|Demand|Residential and Commercial", "Mt CO2/yr", _view("direct_building"), "direct_building"),
    IamcVariable(_CO2, "Mt CO2/yr", _view("whole_field"), "whole_field"),
    IamcVariable(f"{_CO2}|Direct", "Mt CO2/yr", _view("direct"), "direct"),
    IamcVariable(f"{_CO2}|Indirect", "Mt CO2/yr", _view("indirect"), "indirect"),
    IamcVariable(f"{_CO2}|Building Operation", "Mt CO2/yr", _view("building_operation"), "building_operation"),
    IamcVariable(f"{_CO2}|Embodied", "Mt CO2/yr", _view("embodied"), "embodied"),
    IamcVariable(f"{_CO2}|Purchased Electricity", "Mt CO2/yr", _view("purchased_electricity"), "purchased_electricity"),
    IamcVariable(f"{_CO2}|Purchased Heat", "Mt CO2/yr", _view("purchased_heat"), "purchased_heat"),
    IamcVariable(f"{_CO2}|Construction", "Mt CO2/yr", _view("construction"), "construction"),
    IamcVariable(f"{_CO2}|Materials", "Mt CO2/yr", _view("materials"), "materials"),
    IamcVariable(f"{_CO2}|Municipal Operation", "Mt CO2/yr", _view("municipal_operation"), "municipal_operation"),
    IamcVariable("Final Energy|Urban Buildings|Share|Electricity|Generation Basis", "%", lambda outcome: outcome.electricity_share() * 100),
    IamcVariable("Final Energy|Urban Buildings|Share|Renewables|Generation Basis", "%", lambda outcome: outcome.renewable_substitution_rate() * 100),
)  # fmt: skip
"""The variables that are written: solids, liquids and gases by their heat content, electricity and heat as they reach the building."""


def _table(
    rows: Iterable[tuple[str, str, _Float]], years: NDArray[np.int64], head: tuple[str, str, str]
) -> pl.DataFrame:
    """Return the wide table of series in canonical units, (years, draws); several draws give median, 5th and 95th percentile."""
    names, units, values = [], [], []
    for name, unit, series in rows:
        size = IAMC_UNITS[unit][1]
        parts = [(name, series[:, 0])]
        if series.shape[1] > 1:
            low, middle, high = np.quantile(series, [0.05, 0.5, 0.95], axis=1)
            parts = [(name, middle), (name + _LOW, low), (name + _HIGH, high)]
        for label, path in parts:
            names.append(label)
            units.append(unit)
            values.append(np.broadcast_to(path, years.shape) / size)
    columns: dict[str, list[str] | _Float] = {
        "Model": [head[0]] * len(names),
        "Scenario": [head[1]] * len(names),
        "Region": [head[2]] * len(names),
        "Variable": names,
        "Unit": units,
    }
    block = np.stack(values)
    return pl.DataFrame(columns | {str(year): block[:, at] for at, year in enumerate(years)})


def iamc_frame(
    result: Outcome | Ensemble, *, scenario: str, region: str | None = None, model: str = "dafeng"
) -> pl.DataFrame:
    """Return results as the wide table.

    Parameters
    ----------
    result : Outcome or Ensemble
        One run, all variables; or draws, the emissions that they keep. Several draws give the median under the variable's name, and the
        5th and 95th percentile with that added to it.
    scenario : str
    region : str, optional
        Name of the region; the place id where None.
    model : str

    Returns
    -------
    DataFrame
        Model, Scenario, Region, Variable, Unit, then a column for each year.
    """
    head = (model, scenario, region or result.place)
    if isinstance(result, Ensemble):
        kept = [item for item in IAMC_VARIABLES if item.series in result.series]
        return _table(((item.name, item.unit, result.series[item.series]) for item in kept), result.years, head)
    draws = result.draws
    return _table(
        (
            (item.name, item.unit, np.broadcast_to(series, (len(result.years), max(draws, series.shape[-1]))) if series.shape[-1] > 1 else series)
            for item in IAMC_VARIABLES
            for series in [item.of(result)]
        ),
        result.years,
        head,
    )  # fmt: skip


@dataclass(frozen=True)
class IamcReading:
    """A table as read.

    Attributes
    ----------
    rows : DataFrame
        Model, Scenario, Region, Variable, Unit (as written), year, value (as written), canonical_unit, canonical_value; null where the
        unit is not known. A cell without number has no row.
    findings : tuple of Finding
    """

    rows: pl.DataFrame
    findings: tuple[Finding, ...]


def _finding(name: str, sentence: str, *, severity: Severity = Severity.ERROR, value: str = "", expected: str = "", field: str = "") -> Finding:  # fmt: skip
    return Finding(
        name=f"pathways.iamc.{name}",
        sentence=sentence,
        severity=severity,
        value=value,
        expected=expected,
        where=Location(field=field),
    )


_EMPTY: Final = pl.DataFrame(
    schema={
        **dict.fromkeys(IAMC_COLUMNS, pl.String),
        "year": pl.Int64,
        "value": pl.Float64,
        "canonical_unit": pl.String,
        "canonical_value": pl.Float64,
    }
)


def _headed(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], list[Finding]]:
    """Return the table with its columns named as they should be, its year columns, and what is wrong with its head."""
    findings = []
    by_fold = {name.strip().casefold(): name for name in frame.columns}
    missing = [name for name in IAMC_COLUMNS if name.casefold() not in by_fold]
    findings += [
        _finding("no-column", f"表中没有 {name} 列", value="、".join(frame.columns[:8]), expected=name, field=name)
        for name in missing
    ]
    if missing:
        return frame, [], findings
    named = frame.rename({by_fold[name.casefold()]: name for name in IAMC_COLUMNS})
    others = [name for name in named.columns if name not in IAMC_COLUMNS]
    years = [name for name in others if name.strip().isdigit() and 1900 <= int(name) <= 2200]
    findings += [
        _finding("odd-column", f"{name} 列不是年份，没有采用", severity=Severity.WARNING, value=name, field=name)
        for name in others
        if name not in years
    ]
    if not years:
        findings.append(_finding("no-years", "表中没有年份列", expected="2020、2025 等列"))
    return named, years, findings


def _number(text: object) -> float | None:
    if text is None or (isinstance(text, str) and text.strip() in ("", "NaN", "nan", "NA", "N/A")):
        return None
    try:
        return float(str(text).replace(",", ""))
    except ValueError:
        return math.nan


def read_iamc(frame: pl.DataFrame) -> IamcReading:
    """Read a wide table of this or another model.

    Parameters
    ----------
    frame : DataFrame
        Columns in any order and case; numbers may be text.

    Returns
    -------
    IamcReading
        Findings name missing columns, cells that are no number, rows stated twice, units that are unknown or do not fit the variable,
        and variables that this model does not have (they are kept).

    Examples
    --------
    >>> table = pl.DataFrame({"model": ["m"], "scenario": ["s"], "region": ["China"], "variable": ["Population"],
    ...                       "unit": ["million"], "2020": ["1,412"]})
    >>> read = read_iamc(table)
    >>> read.rows["canonical_value"].to_list(), read.findings
    ([1412000000.0], ())
    """
    named, years, findings = _headed(frame)
    if not years:
        return IamcReading(_EMPTY, tuple(findings))
    text = named.select(*(pl.col(name).cast(pl.String).fill_null("") for name in IAMC_COLUMNS), *years)
    twice = text.filter(pl.struct(IAMC_COLUMNS).is_duplicated()).unique(IAMC_COLUMNS, maintain_order=True)
    findings += [
        _finding("twice", f"{row['Region']} 的 {row['Variable']} 在情景 {row['Scenario']} 中出现不止一次", value=row["Variable"])
        for row in twice.iter_rows(named=True)
    ]  # fmt: skip
    once = text.unique(IAMC_COLUMNS, keep="first", maintain_order=True)
    if not all(once.schema[name].is_numeric() for name in years):
        once = once.with_columns(pl.col(years).cast(pl.String))
    long = once.unpivot(on=years, index=list(IAMC_COLUMNS), variable_name="year", value_name="value")
    if not long.schema["value"].is_numeric():
        numbers = [_number(cell) for cell in long["value"].to_list()]
        bad = [row for row, number in enumerate(numbers) if number is not None and math.isnan(number)]
        findings += [
            _finding(
                "not-a-number",
                f"{long['Variable'][row]} {long['year'][row]} 年的值不是数",
                value=str(long["value"][row]),
                expected="数",
                field=str(long["year"][row]),
            )
            for row in bad
        ]
        long = long.with_columns(pl.Series("value", numbers, dtype=pl.Float64))
    long = long.with_columns(
        pl.col("value").cast(pl.Float64).fill_nan(None), pl.col("year").str.strip_chars().cast(pl.Int64)
    )
    long = long.filter(pl.col("value").is_not_null())
    findings += _check_variables(text)
    sizes = pl.DataFrame(
        [(unit, canonical, size) for unit, (canonical, size) in IAMC_UNITS.items()],
        schema={"Unit": pl.String, "canonical_unit": pl.String, "size": pl.Float64},
        orient="row",
    )
    rows = long.join(sizes, on="Unit", how="left", maintain_order="left").with_columns(
        canonical_value=pl.col("value") * pl.col("size")
    )
    return IamcReading(rows.select(_EMPTY.columns), tuple(findings))


def _plain(name: str) -> str:
    return name.removesuffix(_LOW).removesuffix(_HIGH)


def _check_variables(text: pl.DataFrame) -> list[Finding]:
    known = {item.name: item.unit for item in IAMC_VARIABLES}
    findings = []
    for variable, unit in text.select("Variable", "Unit").unique(maintain_order=True).iter_rows():
        own = known.get(_plain(variable))
        if unit not in IAMC_UNITS:
            findings.append(
                _finding(
                    "unknown-unit",
                    f"{variable} 的单位 {unit or '（空）'} 不认识，不换算",
                    severity=Severity.ERROR if own else Severity.WARNING,
                    value=unit,
                    expected="、".join(close_names(unit, IAMC_UNITS) or list(IAMC_UNITS)[:6]),
                    field="Unit",
                )
            )
        elif own is not None and IAMC_UNITS[unit][0] != IAMC_UNITS[own][0]:
            findings.append(
                _finding("unit", f"{variable} 的单位 {unit} 与该变量不符", value=unit, expected=own, field="Unit")
            )
        if own is None:
            findings.append(
                _finding(
                    "other-variable",
                    f"本模型没有变量 {variable}，照原样保留",
                    severity=Severity.INFO,
                    value=variable,
                    expected="、".join(close_names(variable, known)),
                    field="Variable",
                )
            )
    return findings


def iamc_wide(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the wide table of rows as read, in the units as written: what was read comes back, number for number."""
    years = sorted(rows["year"].unique())
    wide = rows.pivot(on="year", index=list(IAMC_COLUMNS), values="value", maintain_order=True)
    return wide.select(*IAMC_COLUMNS, *(str(year) for year in years))

"""What the register of meters says of the cells of a table: which meter a name means, its unit, its kind and its multiplier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from dafeng.base.errors import UnitError
from dafeng.base.finding import Finding, Severity
from dafeng.base.meter import Meter
from dafeng.base.quantity import conversion_factor, dimension_of, fold_width, same_dimension
from dafeng.intake.meter_cells import ReadingOptions
from dafeng.intake.meter_layout import is_total
from dafeng.intake.meter_problems import note

__all__ = ["add_register", "convert_units", "take_out_multipliers"]

_NAMED: Final[dict[str, pl.DataType]] = {
    "name": pl.String(),
    "meter": pl.String(),
    "own_unit": pl.String(),
    "own_kind": pl.String(),
    "own_ratio": pl.Float64(),
    "name_problem": pl.String(),
}
_UNITS: Final[dict[str, pl.DataType]] = {
    "unit": pl.String(),
    "own_unit": pl.String(),
    "stored": pl.String(),
    "factor": pl.Float64(),
    "power": pl.Boolean(),
    "unit_problem": pl.String(),
}


def add_register(cells: pl.DataFrame, meters: Mapping[str, Meter] | None, options: ReadingOptions) -> pl.DataFrame:
    """Return cells with meter, own_unit, own_kind, own_ratio and name_problem, by their name.

    Parameters
    ----------
    cells : DataFrame
        name, as written.
    meters : mapping from id to Meter, optional
        Without one every name is a meter, but for totals and ruined numbers.
    options : ReadingOptions
    """
    folded = {fold_width(name).casefold(): name for name in (meters or {})}
    names = cells.select("name").unique(maintain_order=True).with_columns(is_total(pl.col("name")).alias("total"))
    rows = [_resolve(name, total, meters, folded, options) for name, total in names.iter_rows()]
    table = pl.DataFrame(rows, schema=_NAMED, orient="row")
    return cells.join(table, on="name", how="left", nulls_equal=True, maintain_order="left")


def _resolve(
    name: str | None,
    total: bool,
    meters: Mapping[str, Meter] | None,
    folded: Mapping[str, str],
    options: ReadingOptions,
) -> tuple[str | None, str | None, str | None, str | None, float | None, str | None]:
    text = (name or "").strip()
    if not text:
        return name, None, None, None, None, "meter-blank"
    wanted = options.names.get(text, text)
    found = None
    if meters is not None:
        found = wanted if wanted in meters else folded.get(fold_width(wanted).casefold())
        if found is None and wanted.endswith(".0"):
            found = folded.get(wanted[:-2].casefold())
    if meters is None or found is None:
        plain = text.upper().replace("E+", "").replace(".", "")
        problem = (
            "total-row"
            if total and wanted == text
            else "meter-damaged"
            if "E+" in text.upper() and plain.isdigit()
            else "meter-unknown"
            if meters is not None and options.unknown == "refuse"
            else None
        )
        return name, wanted, None, None, None, problem
    meter = meters[found]
    return name, found, meter.unit, None if meter.kind is None else str(meter.kind), meter.multiplier, None


def convert_units(cells: pl.DataFrame, options: ReadingOptions, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Return cells with stored (unit of the values as stored) and unit_problem, their values in that unit.

    Parameters
    ----------
    cells : DataFrame
        unit (with the number), unit_cell, unit_head, own_unit, kind, value, at, start.
    options : ReadingOptions
    file : str
        Name for findings.
    """
    stated = pl.coalesce(
        "unit",
        pl.when(pl.col("unit_cell") != "").then("unit_cell"),
        "unit_head",
        pl.lit(options.unit or None, pl.String),
    )
    cells = cells.with_columns(stated.alias("unit"))
    pairs = [_factor(*pair) for pair in cells.select("unit", "own_unit").unique().iter_rows()]
    table = pl.DataFrame(pairs, schema=_UNITS, orient="row")
    if table.height == 1:
        added = {name: kind for name, kind in _UNITS.items() if name not in ("unit", "own_unit")}
        cells = cells.with_columns(pl.lit(table[name][0], kind).alias(name) for name, kind in added.items())
    else:
        cells = cells.join(table, on=["unit", "own_unit"], how="left", nulls_equal=True, maintain_order="left")
    findings = []
    if table["power"].any():
        hours = (pl.col("at") - pl.col("start")).dt.total_microseconds() / 3.6e9
        of_interval = pl.col("power") & (pl.col("kind") == "interval")
        cells = cells.with_columns(
            value=pl.when(of_interval).then(pl.col("value") * hours).otherwise("value"),
            unit_problem=pl.when(pl.col("power") & (pl.col("kind") == "register"))
            .then(pl.lit("unit-mismatch"))
            .otherwise("unit_problem"),
        )
        said = "数值是功率，按时段平均功率乘以时段长度换算为电量（热量）"
        findings.append(note("power-to-energy", said, file, severity=Severity.INFO))
    if (table["factor"] != 1).any():
        cells = cells.with_columns(value=pl.col("value") * pl.col("factor"))
    return cells, findings


def _factor(unit: str | None, own: str | None) -> tuple[str | None, str | None, str | None, float, bool, str | None]:
    """Return stored unit, factor, whether power becomes energy, and problem of a unit."""
    if not unit:
        return unit, own, own, 1.0, False, None
    try:
        if own is not None and same_dimension(unit, own):
            return unit, own, own, conversion_factor(unit, own), False, None
        power = dimension_of(unit) == dimension_of("kW")
        if power and (own is None or same_dimension("kWh", own)):
            factor = conversion_factor(unit, "kW") * conversion_factor("kWh", own or "kWh")
            return unit, own, own or "kWh", factor, True, None
    except UnitError:
        return unit, own, own, 1.0, False, "unit-unknown"
    return (unit, own, unit, 1.0, False, None) if own is None else (unit, own, own, 1.0, False, "unit-mismatch")


def take_out_multipliers(cells: pl.DataFrame, options: ReadingOptions, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Return cells before the multiplier, as readings are stored: use that has it in it already is divided by that of the register.

    Use beside a column of multipliers has it in it, unless the options say otherwise. A column that contradicts the register is a
    finding, and the register counts.

    Parameters
    ----------
    cells : DataFrame
        meter, kind, value, ratio (as the table states it, null where it does not), own_ratio (null where the register does not
        know the meter).
    options : ReadingOptions
    file : str
        Name for findings.
    """
    if (
        cells.select(pl.coalesce("own_ratio", pl.lit(1.0)).eq(1) & pl.coalesce("ratio", pl.lit(1.0)).eq(1))
        .to_series()
        .all()
    ):
        return cells, []
    findings: list[Finding] = []
    other = (pl.col("ratio") - pl.col("own_ratio")).abs() > 1e-9 * pl.col("own_ratio")
    differing = cells.filter(other).unique("meter", keep="first", maintain_order=True)
    if differing.height:
        shown = differing.head(10).select("meter", "ratio", "own_ratio").iter_rows()
        each = "、".join(f"{meter}（文件 {ratio:g}，台账 {own:g}）" for meter, ratio, own in shown)
        findings.append(
            note(
                "multiplier-differs",
                f"{differing.height} 块表的倍率与台账不同：{each}；按台账计",
                file,
                expected="文件与台账的倍率相同",
                next_step="核对互感器倍率；若中途更换，在台账中分段登记",
                evidence={"meters": differing.height},
            )
        )
    use = (pl.col("kind") == "interval") & (pl.col("own_ratio").fill_null(1.0) != 1) & pl.col("value").is_not_null()
    beside = pl.col("ratio").is_not_null() if options.multiplied is None else pl.lit(options.multiplied)
    inside = cells.filter(use & beside)["meter"].n_unique()
    if options.multiplied is None:
        if inside:
            said = f"{inside} 块表的用量旁有倍率列，按已乘倍率的用量读取，除以台账倍率后存入"
            more = {"severity": Severity.INFO, "next_step": "若用量未乘倍率，用 multiplied 参数写明"}
            findings.append(note("multiplied", said, file, **more))  # type: ignore[arg-type]
        open_ = cells.filter(use & ~beside)["meter"].n_unique()
        if open_:
            said = f"{open_} 块表的台账倍率不是 1，文件没有写明用量是否已乘倍率，按未乘计"
            findings.append(
                note(
                    "multiplier-open",
                    said,
                    file,
                    expected="未乘倍率的用量，或倍率列",
                    next_step="若已乘倍率，用 multiplied 参数写明，否则用量会多算",
                    evidence={"meters": open_},
                )
            )
    return cells.with_columns(
        value=pl.when(use & beside).then(pl.col("value") / pl.col("own_ratio")).otherwise("value")
    ), findings

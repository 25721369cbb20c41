"""Tables of pathways for people and other tools: inputs with their origin, and the IAMC wide form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from dafeng.base.finding import Finding
from dafeng.catalog.pathway_schemas import Scenario
from dafeng.pathways.iamc import iamc_frame, read_iamc
from dafeng.pathways.quantities import read_inputs
from dafeng.workflow.pathways import draw_paths, run_path
from dafeng.workflow.setting import Setting

__all__ = ["export_paths", "export_rows", "import_paths", "input_rows"]


def input_rows(setting: Setting, place: str) -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:
    """Return where each input of a place comes from, and what is wrong with them.

    Returns
    -------
    rows : list of dict
        quantity, of (codes), members (their names), place, parameter, borrowed, grade, source, years.
    findings : tuple of Finding
    """
    book = read_inputs(setting.catalog, place)
    catalog = setting.catalog
    names = {(member.axis, member.code): member.title.zh for member in catalog.path_members}
    rows = []
    for origin in book.origins:
        span = "" if origin.first_year is None else f"{origin.first_year}–{origin.last_year}"
        rows.append(
            {
                "quantity": catalog.path_quantities[origin.quantity].title.zh,
                "of": "、".join(origin.of.values()),
                "members": "、".join(names.get(item, item[1]) for item in origin.of.items()),
                "place": catalog.place_name(origin.place) if origin.place else "默认 / default",
                "parameter": origin.parameter,
                "borrowed": origin.borrowed,
                "grade": str(origin.grade),
                "source": origin.source,
                "years": span,
            }
        )
    return rows, tuple(book.findings)


def export_paths(
    setting: Setting,
    places: Sequence[str],
    scenarios: Sequence[str | Scenario],
    *,
    draws: int = 0,
    as_of: date | None = None,
    known_at: date | None = None,
) -> tuple[str, tuple[Finding, ...]]:
    """Return scenarios of places in the IAMC wide form, as CSV text, and what is wrong with them.

    Parameters
    ----------
    setting : Setting
    places : sequence of str
        Place ids.
    scenarios : sequence of str or Scenario
    draws : int
        With draws, emissions also carry their 5th and 95th percentile.
    as_of, known_at : date, optional
        As for `dafeng.workflow.pathways.run_path`.
    """
    frames = []
    findings: dict[str, Finding] = {}
    for place in places:
        region = setting.catalog.places.get(place).name_en or place
        for scenario in scenarios:
            done = run_path(setting, place, scenario, as_of=as_of, known_at=known_at)
            findings |= {finding.sentence: finding for finding in done.findings}
            name = done.resolved.id
            frame = iamc_frame(done.outcome, scenario=name, region=region)
            if draws:
                found, _ = draw_paths(
                    setting, place, scenario, draws=draws, as_of=as_of, known_at=known_at, book=done.book
                )
                drawn = iamc_frame(found, scenario=name, region=region)
                frame = pl.concat([frame.join(drawn, on="Variable", how="anti"), drawn])
            frames.append(frame)
    return pl.concat(frames).write_csv(), tuple(findings.values())


def export_rows(text: str) -> list[dict[str, Any]]:
    """Return the rows of an exported table by column, years as numbers."""
    return pl.read_csv(io.StringIO(text)).to_dicts()


def import_paths(table: pl.DataFrame, *, variable: str = "") -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:
    """Return the series of an IAMC wide table of any model, one row each, and what is wrong with it.

    Parameters
    ----------
    table : DataFrame
        As read, all columns as text.
    variable : str
        This variable only; all where empty.

    Returns
    -------
    rows : list of dict
        Model, Scenario, Region, Variable, Unit, years, first and last value in the unit as written.
    findings : tuple of Finding
    """
    read = read_iamc(table)
    rows = read.rows.filter(pl.col("Variable") == variable) if variable else read.rows
    heads = ["Model", "Scenario", "Region", "Variable", "Unit"]
    series = (
        rows.sort("year")
        .group_by(heads, maintain_order=True)
        .agg(
            pl.format("{}–{}", pl.col("year").min(), pl.col("year").max()).first().alias("years"),
            pl.col("value").first().alias("first"),
            pl.col("value").last().alias("last"),
        )
        .sort(heads)
    )
    return series.to_dicts(), tuple(read.findings)

"""Time the roll-up of 200,000 projects by every rule of the catalog, beside three of them written in pandas.

    python benchmarks/rollup.py [PROJECTS]

The ledgers are invented: projects with the fields that roll-ups ask for, a tenth of them in each of three special ledgers too.
Prints a table; `benchmarks/run.py` puts it into RESULTS.md. Pandas is no dependency of dafeng: where it is not installed its
rows are left out, and the table says so.
"""

import importlib.util
import os
import platform
import sys
import time
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from dafeng.base.ledger import RECORD_COLUMNS, ledger_schema
from dafeng.buildings.rollup import RolledUp, roll_up
from dafeng.buildings.things import current_things
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog

NOW = datetime(2026, 10, 20, tzinfo=UTC)
YEARS = range(2016, 2027)
HOME = "qingdao"
SPECIAL = ("green_labels", "prefabricated_projects", "retrofits")


def make_ledger(catalog: Catalog, register: str, count: int, *, every: int = 1) -> pl.DataFrame:
    """Return a ledger of projects; the same project has the same values in every register."""
    schema = ledger_schema(catalog.registers[register], catalog.fields)
    districts = [place.id for place in catalog.places.children(HOME)]
    numbers = np.arange(0, count, every)
    columns = {
        "key": pl.Series([f"2024-{number:08d}" for number in numbers]),
        "stage": pl.Series(["operation" if catalog.registers[register].per_stage else ""] * len(numbers)),
        "recorded_at": pl.repeat(NOW, len(numbers), eager=True),
        "withdrawn": pl.repeat(False, len(numbers), eager=True),
        "document": pl.repeat("d", len(numbers), eager=True),
        "sheet": pl.repeat("s", len(numbers), eager=True),
        "row": pl.Series(numbers),
        "batch": pl.repeat("b", len(numbers), eager=True),
    }
    for name in schema:
        if name not in RECORD_COLUMNS:
            columns[name] = _column(catalog, name, count, districts)[numbers]
    return pl.DataFrame(columns).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _column(catalog: Catalog, name: str, count: int, districts: list[str]) -> pl.Series:
    known = catalog.fields[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    blank = rng.random(count) < 0.02
    match name, known.type:
        case "place", _:
            values = pl.Series(rng.choice(districts, count))
        case "zone", _:
            values = pl.repeat(None, count, dtype=pl.String, eager=True)
        case "work", _:
            values = pl.Series(rng.choice(["new", "new", "new", "renovation"], count))
        case _, "choice":
            values = pl.Series(rng.choice([option.code for option in known.options], count))
        case _, "yes_no":
            values = pl.Series(rng.random(count) < 0.5)
        case _, "date":
            first, last = (
                date(*day).toordinal() - date(1970, 1, 1).toordinal() for day in ((2016, 1, 1), (2026, 9, 30))
            )
            values = pl.Series(rng.integers(first, last, count).astype(np.int32)).cast(pl.Date)
        case _, "number":
            values = pl.Series(np.round(rng.random(count) * (50_000 if known.unit == "m**2" else 90), 1))
        case _:
            values = pl.Series([f"甲{number}" for number in range(count)])
    return (
        values
        if name in ("gross_area", "place", "completion_date", "start_date")
        else values.set(pl.Series(blank), None)
    )


def with_pandas(ledgers: dict[str, pl.DataFrame]) -> tuple[float, dict[str, dict]]:
    """Return seconds and results of three roll-ups by district and year, and by the city, in pandas."""
    import pandas

    columns = [
        "key",
        "place",
        "work",
        "building_class",
        "extent",
        "gross_area",
        "completion_date",
        "green_standard",
        "saving_rate",
    ]
    projects = ledgers["projects"].select(columns).to_pandas()
    labels = ledgers["green_labels"].select([name for name in columns if name != "saving_rate"]).to_pandas()
    started = time.perf_counter()
    results = {}

    def new(frame: "pandas.DataFrame") -> "pandas.DataFrame":
        chosen = frame[
            (frame["work"] == "new")
            & frame["building_class"].isin(["residential", "public"])
            & frame["extent"].isin(["urban", "county_seat"])
        ]
        return chosen.assign(year=pandas.to_datetime(chosen["completion_date"]).dt.year)

    area = new(projects).groupby(["place", "year"])["gross_area"].sum()
    results["new_building_area"] = area.groupby("year").sum().to_dict()
    both = projects.set_index("key").combine_first(labels.set_index("key")).reset_index()
    green = new(both)
    green = green[green["green_standard"].eq(True)].groupby(["place", "year"])["gross_area"].sum()
    results["new_green_building_area"] = green.groupby("year").sum().to_dict()
    saving = new(projects).dropna(subset=["saving_rate"])
    saving = saving.assign(product=saving["saving_rate"] * saving["gross_area"])
    by_place = saving.groupby(["place", "year"])[["product", "gross_area"]].sum()
    total = by_place.groupby("year").sum()
    results["new_building_saving_rate"] = (total["product"] / total["gross_area"]).to_dict()
    return time.perf_counter() - started, results


def city_series(result: RolledUp, indicator: str, basis: str = "") -> dict[int, float]:
    """Return the yearly values of the city."""
    rows = result.observations.filter(
        (pl.col("indicator") == indicator)
        & (pl.col("place") == HOME)
        & (pl.col("building_class") == "all")
        & (pl.col("extent") == "urban")
        & (pl.col("basis") == basis)
        & ~pl.col("period").str.contains("..", literal=True)
    )
    return {int(period): value for period, value in rows.select("period", "value").iter_rows()}


def main(arguments: list[str]) -> None:
    """Make the ledgers, roll them up, compare with pandas, print a table."""
    count = int(arguments[0]) if arguments else 200_000
    catalog = load_catalog()
    ledgers = {"projects": make_ledger(catalog, "projects", count)}
    ledgers |= {name: make_ledger(catalog, name, count, every=10) for name in SPECIAL}
    started = time.perf_counter()
    things = current_things(ledgers, catalog)
    viewed = time.perf_counter()
    result = roll_up(things, catalog, years=YEARS, recorded_at=NOW, home=HOME)
    rolled = time.perf_counter()
    three = ["new_building_area", "new_green_building_area", "new_building_saving_rate"]
    roll_up(things, catalog, years=YEARS, recorded_at=NOW, home=HOME, rollups=three)
    again = time.perf_counter()
    rules = sum(bool(set(rule.registers) & set(ledgers)) for rule in catalog.rollups.values())
    rows = sum(frame.height for frame in ledgers.values())
    lines = [
        f"{count:,} projects, {rows:,} ledger rows; {rules} roll-ups with rows, {result.observations.height:,} observations, as many "
        f"lineage rows; Python {platform.python_version()}, {os.cpu_count()} cores.\n",
        "| step | seconds |",
        "|---|---:|",
        f"| current view of all rows | {viewed - started:.2f} |",
        f"| roll-up by every rule | {rolled - viewed:.2f} |",
        f"| three rules alone, with coverage, classes, lineage | {again - rolled:.2f} |",
    ]
    if importlib.util.find_spec("pandas") is None:
        lines.append("| three rules in pandas (not installed here) | |")
    else:
        seconds, expected = with_pandas(ledgers)
        lines.append(f"| the same three in pandas: values only, no coverage, classes or lineage | {seconds:.2f} |")
        bases = {"new_building_saving_rate": "envelope_and_systems"}
        for name, series in expected.items():
            found = city_series(result, name, bases.get(name, ""))
            whole = {year: value for year, value in series.items() if year in found}
            worst = max(abs(found[year] - value) / abs(value) for year, value in whole.items())
            assert len(whole) == 10, name
            assert worst < 1e-9, (name, worst)
        lines.append("\nThe yearly values of the city agree with those of pandas to nine digits.")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Time an inventory with lineage and a restatement beside a bare join, multiply and group; prints a table.

`python benchmarks/carbon.py` takes 3,200 places × 20 years × 8 classes × 8 carriers; a number takes so many places.
Each step runs in a process of its own, so that its peak memory is its own.
"""

import copy
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AS_OF = date(2026, 11, 20)
YEARS = range(2004, 2024)
CLASSES = (
    "urban_residential",
    "rural_residential",
    "office",
    "commerce",
    "hotel",
    "education",
    "health",
    "other_public",
)
FUELS = ("natural_gas", "lpg", "diesel", "gasoline", "kerosene", "fuel_oil")
BOUNDARY = "urban-rural-construction"


def catalog_with(places: int, shandong: float = 0.6191):
    """Return the shipped catalog with counties below the provinces that have a grid factor, and one factor of its own."""
    from dafeng.base.place import Place, PlaceLevel, PlaceTree
    from dafeng.catalog import load_catalog

    catalog = copy.copy(load_catalog())  # the loaded one is shared
    provinces = sorted(
        factor.place for factor in catalog.factors.values() if factor.family == "grid_province" and factor.place != "cn"
    )
    provinces = [name for name in provinces if name in catalog.places]
    counties = [
        Place(
            id=f"county-{number:04d}",
            name=f"县{number}",
            name_en=f"County {number}",
            level=PlaceLevel.COUNTY,
            parent=provinces[number % len(provinces)],
        )
        for number in range(places)
    ]
    catalog.places = PlaceTree([*catalog.places, *counties])
    factor = next(
        factor
        for factor in catalog.factors.values()
        if factor.family == "grid_province" and factor.place == "shandong" and factor.subject == "electricity"
    )
    last = max(factor.values, key=lambda value: value.starts)
    values = tuple(value.model_copy(update={"value": shandong}) if value is last else value for value in factor.values)
    catalog.factors = catalog.factors | {factor.id: factor.model_copy(update={"values": values})}
    return catalog


def policy():
    from dafeng.methods.rates import RatePolicy, Rule

    return RatePolicy(rules=(Rule.exact(), Rule.hold_last(3), Rule.back_cast()))


def make_table(path: Path, places: int) -> None:
    """Write observations: electricity, heat and six fuels for every place, year and class."""
    from dafeng.base.observation import SCHEMA

    flows = [("building_electricity", "all"), ("building_heat_use", "all")]
    flows += [("building_fuel_energy", fuel) for fuel in FUELS]
    frame = (
        pl.DataFrame({"place": [f"county-{number:04d}" for number in range(places)]})
        .lazy()
        .join(pl.LazyFrame({"period": [str(year) for year in YEARS]}), how="cross")
        .join(pl.LazyFrame({"building_class": CLASSES}), how="cross")
        .join(pl.LazyFrame(flows, schema=["indicator", "carrier"], orient="row"), how="cross")
        .with_row_index()
        .with_columns(
            value=100 + pl.col("index") % 9973 / 7,
            version=pl.col("index").hash(1).cast(pl.String).str.pad_start(32, "0"),
        )
    )
    constants = {
        "extent": "whole",
        "end_use": "all",
        "boundary": "all",
        "basis": "",
        "kind": "reported",
        "scenario": "",
        "member": "",
        "dataset": "bench",
        "review": "approved",
    }
    frame = frame.with_columns(
        **{name: pl.lit(text) for name, text in constants.items()},
        low=pl.col("value") * 0.97,
        high=pl.col("value") * 1.03,
        coverage=pl.lit(1.0),
        recorded_at=pl.lit(NOW, dtype=pl.Datetime("us", "UTC")),
        published_on=pl.lit(date(2025, 1, 1)),
        **{name: pl.lit(None, dtype=pl.String) for name in ("missing_reason", "supersedes", "lineage")},
    )
    frame.select(*SCHEMA, "version").sink_parquet(path)


def step_bare(folder: Path, places: int) -> dict[str, float]:
    """Multiply by a ready table of factors and sum; no choice of factors, checks, uncertainty or lineage."""
    frame = pl.scan_parquet(folder / "activities.parquet").select(
        "indicator", "place", "period", "building_class", "carrier", "value"
    )
    keys = frame.select("indicator", "carrier", "place", "period").unique().with_columns(factor=pl.lit(0.0005))
    sums = (
        frame.join(keys, on=["indicator", "carrier", "place", "period"])
        .with_columns(value=pl.col("value") * pl.col("factor"))
        .group_by("place", "period", "indicator", "building_class", "carrier")
        .agg(pl.col("value").sum())
        .collect()
    )
    return {"rows": sums.height}


def make_account(folder: Path, places: int):
    from dafeng.carbon import account

    return account(
        pl.scan_parquet(folder / "activities.parquet"),
        catalog_with(places),
        BOUNDARY,
        policy=policy(),
        as_of=AS_OF,
        recorded_at=NOW,
    )


def step_inventory(folder: Path, places: int) -> dict[str, float]:
    began = time.perf_counter()
    inventory = make_account(folder, places)
    computed = time.perf_counter()
    rows = sources = 0
    for observations, lineage in inventory.batches():
        rows += observations.height
        sources += lineage.height
    return {
        "rows": rows,
        "lineage_rows": sources,
        "account_s": computed - began,
        "observations_and_lineage_s": time.perf_counter() - computed,
    }


def step_restate(folder: Path, places: int) -> dict[str, float]:
    from dafeng.carbon import restate

    inventory = make_account(folder, places)
    catalog = catalog_with(places, shandong=0.6)
    began = time.perf_counter()
    restated = restate(inventory, catalog=catalog, recorded_at=NOW)
    changed = time.perf_counter()
    published = restated.touched.observations.height
    return {
        "seconds_alone": changed - began,
        "publish_s": time.perf_counter() - changed,
        "changed_rows": restated.rows.height,
        "published_rows": published,
    }


STEPS = {"bare": step_bare, "inventory": step_inventory, "restate": step_restate}


def child(step: str, folder: str, places: str) -> None:
    began = time.perf_counter()
    details = STEPS[step](Path(folder), int(places))
    seconds = details.pop("seconds_alone", time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "details": details}))


def main(places: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "activities.parquet"
        make_table(table, places)
        print(
            f"{places:,} places × {len(YEARS)} years × 8 classes × 8 carriers = {places * len(YEARS) * 64:,} activities\n"
        )
        print("| step | seconds | × bare | peak MB | details |")
        print("|---|---:|---:|---:|---|")
        bare = 0.0
        titles = {
            "bare": "bare Polars: join, multiply, group",
            "inventory": "dafeng: inventory with lineage",
            "restate": "dafeng: restate one grid factor (account not counted)",
        }
        for step, title in titles.items():
            command = [sys.executable, __file__, "--child", step, folder, str(places)]
            result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            bare = bare or result["seconds"]
            details = ", ".join(
                f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value:,}"
                for name, value in result["details"].items()
            )
            print(
                f"| {title} | {result['seconds']:.2f} | {result['seconds'] / bare:.1f} "
                f"| {result['peak_mb']:.0f} | {details} |"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3200)

"""Time the hot paths beside a bare peer in the same run, and write benchmarks/RESULTS.md.

`make bench` runs everything; `python benchmarks/run.py 100000` takes another number of observations.
Each step runs in a process of its own, so that its peak memory is its own.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RESULTS = Path(__file__).with_name("RESULTS.md")


def make_table(path: Path, rows: int) -> None:
    """Write a long-form table: catalog places × indicators × years, values inside every bound."""
    from dafeng.catalog import load_catalog

    catalog = load_catalog()
    kept = [
        item
        for item in catalog.indicators.values()
        if not item.bases and item.measure.value in ("share", "stock", "flow")
    ]
    indicators = [item for item in kept if (item.maximum or 100) >= 20 and (item.minimum or 0) <= 0]
    places = [place.id for place in catalog.places]
    years = max(1, rows // (len(indicators) * len(places)) + 1)
    units = {item.id: item.unit for item in indicators}
    frame = (
        pl.DataFrame({"indicator": list(units)})
        .join(pl.DataFrame({"place": places}), how="cross")
        .join(pl.DataFrame({"period": [str(2024 - year) for year in range(years)]}), how="cross")
        .head(rows)
        .with_row_index()
        .with_columns(
            value=10 + (pl.col("index") % 97) / 10,
            unit=pl.col("indicator").replace_strict(units),
            dataset=pl.lit("bench"),
        )
        .drop("index")
    )
    frame.write_csv(path)


def step_bare(folder: Path) -> dict[str, float]:
    frame = pl.read_csv(folder / "table.csv", schema_overrides={"period": pl.String})
    latest = frame.group_by("indicator", "place").agg(pl.col("value").sort_by("period").last(), pl.len())
    latest.write_parquet(folder / "latest.parquet")
    frame.write_parquet(folder / "copy.parquet")
    return {"rows": frame.height}


def step_import(folder: Path) -> dict[str, float]:
    from dafeng.catalog import load_catalog
    from dafeng.intake import import_table
    from dafeng.lake import ObservationLake, Workspace

    workspace = Workspace.create(folder / "workspace", title="bench")
    started = time.perf_counter()
    catalog = load_catalog()
    loaded = time.perf_counter()
    result = import_table(folder / "table.csv", catalog, recorded_at=NOW, dataset="bench")
    read = time.perf_counter()
    ObservationLake(workspace.lake).publish(result.observations, batch="bench", lineage=result.lineage)
    done = time.perf_counter()
    return {
        "rows": result.observations.height,
        "catalog_s": loaded - started,
        "intake_s": read - loaded,
        "publish_s": done - read,
    }


def step_read(folder: Path) -> dict[str, float]:
    from dafeng.lake import ObservationLake, Workspace

    workspace = Workspace.open(folder / "workspace")
    frame = ObservationLake(workspace.lake).snapshot().read(as_of=date(2026, 11, 20))
    return {"rows": frame.height}


def step_assess(folder: Path) -> dict[str, float]:
    from dafeng.assessment import assess_plan
    from dafeng.catalog import load_catalog
    from dafeng.lake import ObservationLake, Workspace

    workspace = Workspace.open(folder / "workspace")
    frame = ObservationLake(workspace.lake).snapshot().read(as_of=date(2026, 11, 20))
    catalog = load_catalog()
    started = time.perf_counter()
    result = assess_plan(catalog.plan("qingdao-2024"), frame, catalog, as_of=date(2026, 11, 20))
    return {"rows": len(result.rows), "assess_s": time.perf_counter() - started}


STEPS = {
    "bare Polars: read, group, write": step_bare,
    "dafeng: import and publish": step_import,
    "dafeng: as-of read of everything": step_read,
    "dafeng: as-of read and assessment": step_assess,
}


def measure(name: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--step", name, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


OTHERS = {
    "carbon.py": "Carbon account",
    "documents.py": "Documents",
    "plan_reader.py": "Plan reader",
    "obligations.py": "Obligations",
    "rollup.py": "Roll-up of ledgers",
    "ledgers.py": "Import of ledgers",
    "returns.py": "A nation's returns",
    "readings_lake.py": "The lake of readings",
    "metering.py": "Metering",
    "bench_gateway.py": "Gateway: frames to durable acknowledgements",
    "stock.py": "Turnover of the building stock",
    "pathways.py": "Pathways",
    "portfolio.py": "Least-cost portfolio",
    "bench_platform.py": "The platform",
}


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--step"]:
        started = time.perf_counter()
        details = STEPS[arguments[1]](Path(arguments[2]))
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak, "details": details}))
        return
    rows = int(arguments[0]) if arguments else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_table(folder / "table.csv", rows)
        size = (folder / "table.csv").stat().st_size / 1e6
        measured = {name: measure(name, folder) for name in STEPS}
    bare = measured["bare Polars: read, group, write"]["seconds"]
    lines = [
        "# Benchmarks\n",
        f"`make bench` ({' '.join(['benchmarks/run.py', *arguments])}): {rows:,} observations, a CSV of {size:.0f} MB; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Every step in a process of its own, imports included.\n",
        "| step | seconds | × bare | peak MB | details |",
        "|---|---:|---:|---:|---|",
    ]
    for name, result in measured.items():
        details = ", ".join(
            f"{key} {value:,.2f}" if isinstance(value, float) else f"{key} {value:,}"
            for key, value in result["details"].items()
        )
        lines.append(
            f"| {name} | {result['seconds']:.2f} | {result['seconds'] / bare:.1f} | {result['peak_mb']:.0f} | {details} |"
        )
    for script, title in OTHERS.items():
        path = Path(__file__).with_name(script)
        printed = subprocess.run([sys.executable, str(path)], check=True, capture_output=True, text=True).stdout
        lines += ["", f"## {title}", "", f"`benchmarks/{script}`, run by `make bench` too.", "", printed.strip()]
    text = "\n".join(lines) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])

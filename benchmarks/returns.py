"""Time formulas, and checks, formulas, sets and assessment end to end, over a nation's returns of twenty years.

    python benchmarks/returns.py [PLACES]

The table is invented: PLACES (3,200) × 100 indicators × 20 years, 3 % of them stated gaps, every row with its lineage; written
as Parquet in parts of places, as a lake holds it. All of it is run part by part: the memory of a part is what counts. Beside
them in the same run, each in a process of its own: a bare Polars read, group and write of the table, and three of the formulas
in pandas, which is no dependency of dafeng: where it is not installed the table says so. The chain reads each part once; the
seconds, processor seconds and counts of its stages stand in its line.
Prints a table; `benchmarks/run.py` puts it into RESULTS.md.
"""

import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

INDICATORS, YEARS, PARTS = 100, 20, 8
ASSESSED = 10
DAY = date(2026, 11, 20)
THREE = (
    ("sewage_treatment_rate", "sewage_treated_volume", "sewage_discharge_volume"),
    ("green_space_rate", "green_space_area", "built_up_area"),
    ("water_supply_coverage", "water_served_population", "city_population"),
)


def names() -> list[str]:
    """Return a hundred indicators: the observed inputs of formulas first."""
    from dafeng.catalog import load_catalog
    from dafeng.catalog.expression import expression_names

    catalog = load_catalog()
    plain = {
        one.id
        for one in catalog.indicators.values()
        if not one.expressions and not one.bases and one.measure != "state"
    }
    inputs = [
        name
        for one in catalog.indicators.values()
        for text in one.expressions.values()
        for name in expression_names(text)
        if name in plain
    ]
    return list(dict.fromkeys([*inputs, *sorted(plain)]))[:INDICATORS]


def make_part(folder: Path, part: int, places: int, indicators: list[str]) -> None:
    """Write the rows of an eighth of the places; each indicator has its size, each place its own, a year moves a little."""
    from dafeng.base.observation import SCHEMA

    rng = np.random.default_rng(part)
    own = [f"city-{number:05d}" for number in range(part, places, PARTS)]
    shape = (len(indicators), len(own), YEARS)
    size = 1e6 * (1 + np.arange(len(indicators)))[:, None, None] ** 0.1 * rng.lognormal(0, 0.5, (1, len(own), 1))
    value = np.round(size * (1 + 0.02 * np.arange(YEARS)) * rng.normal(1, 0.02, shape), 2).ravel()
    gap = rng.random(value.size) < 0.03
    rows = (
        pl.DataFrame({"indicator": indicators})
        .join(pl.DataFrame({"place": own}), how="cross")
        .join(pl.DataFrame({"period": [str(2005 + year) for year in range(YEARS)]}), how="cross")
        .with_columns(
            value=pl.Series(np.where(gap, np.nan, value)).fill_nan(None),
            missing_reason=pl.when(pl.Series(gap)).then(pl.lit("not_reported")),
            lineage=pl.Series([f"{number:032x}" for number in rng.integers(0, 2**62, value.size).tolist()]),
            **{name: pl.lit("all") for name in ("building_class", "carrier", "end_use", "boundary")},
            **{name: pl.lit("") for name in ("basis", "scenario", "member")},
            **{name: pl.lit(None) for name in ("low", "high", "coverage", "published_on", "supersedes")},
            extent=pl.lit("city_proper"),
            kind=pl.lit("reported"),
            dataset=pl.lit("bench"),
            recorded_at=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
            review=pl.lit("approved"),
        )
    )
    rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).write_parquet(
        folder / f"part-{part}.parquet"
    )


def step_bare(folder: Path) -> dict[str, float]:
    frame = pl.read_parquet(folder / "part-*.parquet")
    frame.group_by("indicator", "period").agg(pl.col("value").sum(), pl.len()).write_parquet(folder / "sums.parquet")
    frame.write_parquet(folder / "copy.parquet")
    (folder / "copy.parquet").unlink()
    return {"rows": frame.height}


def step_three(folder: Path) -> dict[str, float]:
    from dafeng.catalog import load_catalog
    from dafeng.methods import compute_formulas

    catalog = load_catalog()
    three = {name: catalog.indicators[name] for line in THREE for name in line}
    asked = pl.scan_parquet(folder / "part-*.parquet").filter(pl.col("indicator").is_in(list(three))).collect()
    started = time.perf_counter()
    results = compute_formulas(asked, three, catalog.indicator_types()).observations
    return {"rows": asked.height, "results": results.height, "compute_s": time.perf_counter() - started}


def step_pandas(folder: Path) -> dict[str, float]:
    import pandas

    wanted = [name for line in THREE for name in line[1:]]
    frame = pandas.read_parquet(folder, filters=[("indicator", "in", wanted)])
    started = time.perf_counter()
    key = [
        "place",
        "extent",
        "period",
        "building_class",
        "carrier",
        "end_use",
        "boundary",
        "scenario",
        "member",
        "basis",
    ]
    wide = frame.pivot_table(index=[*key, "dataset"], columns="indicator", values="value")
    results = pandas.DataFrame({name: 100 * wide[above] / wide[below] for name, above, below in THREE})
    return {"rows": len(frame), "results": int(results.count().sum()), "compute_s": time.perf_counter() - started}


def step_formulas(folder: Path) -> dict[str, float]:
    from dafeng.catalog import load_catalog
    from dafeng.methods import compute_formulas

    catalog = load_catalog()
    types = catalog.indicator_types()
    counts = {"rows": 0, "results": 0, "compute_s": 0.0}
    for file in sorted(folder.glob("part-*.parquet")):
        frame = pl.read_parquet(file)
        started = time.perf_counter()
        computed = compute_formulas(frame, catalog.indicators, types)
        counts["compute_s"] += time.perf_counter() - started
        counts["rows"] += frame.height
        counts["results"] += computed.observations.height
        computed.observations.write_parquet(folder / f"computed-{file.name}")
        computed.lineage.write_parquet(folder / f"lineage-{file.name}")
    return counts


class Stages:
    """Adds up what the stages of a step took, in seconds on the clock and of the processor."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}
        self.counts: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        took = self.took.setdefault(name, [0.0, 0.0])
        took[0] += time.perf_counter() - clock
        took[1] += time.process_time() - cpu

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def details(self) -> dict[str, object]:
        return self.counts | {name: f"{clock:.1f} s (CPU {cpu:.1f})" for name, (clock, cpu) in self.took.items()}


def step_chain(folder: Path) -> dict[str, object]:
    from dafeng.assessment import assess_plan
    from dafeng.assessment.checkup import check_up
    from dafeng.catalog import load_catalog
    from dafeng.methods import compute_formulas
    from dafeng.statistics.checking import check_data

    done = Stages()
    with done.stage("catalog"):
        catalog = load_catalog()
        types = catalog.indicator_types()
        plan = catalog.plan("qingdao-2024")
    for file in sorted(folder.glob("part-*.parquet")):
        with done.stage("read"):
            frame = pl.read_parquet(file)
        with done.stage("checks"):
            checked = check_data(frame, catalog)
        done.count(rows=frame.height, cells=checked.cells.height, findings=len(checked.findings))
        del checked
        with done.stage("formulas"):
            computed = compute_formulas(frame, catalog.indicators, types)
        done.count(results=computed.observations.height, findings=len(computed.findings))
        with done.stage("write"):
            computed.observations.write_parquet(folder / f"computed-{file.name}")
            computed.lineage.write_parquet(folder / f"lineage-{file.name}")
        observations = computed.observations
        del computed
        with done.stage("sets"):
            together = pl.concat([frame, observations])
            places = frame["place"].unique().sort().to_list()
            recent = together.filter(pl.col("period").is_in([str(year) for year in range(2019, 2025)]))
            for one in catalog.sets.values():
                found = check_up(one, recent, catalog, places=places, years=range(2020, 2025), as_of=DAY)
                done.count(items=found.frame.height)
            del recent, found
        with done.stage("assessment"):
            some = together.filter(pl.col("place").is_in(places[:ASSESSED])).partition_by("place")
            for own in some:
                judged = assess_plan(plan, own.with_columns(place=pl.lit(plan.place)), catalog, as_of=DAY)
                done.count(assessed=1, targets=len(judged.rows))
    return done.details()


BARE = "bare Polars: read, group, write"
STEPS = {
    BARE: step_bare,
    "pandas: three formulas": step_pandas,
    "dafeng: the same three formulas": step_three,
    "dafeng: every formula": step_formulas,
    "dafeng: checks, formulas, sets, assessment": step_chain,
}
NEEDS = {"pandas: three formulas": "pandas"}


def measure(name: str, folder: Path, bare: float) -> tuple[str, float]:
    """Run a step in a process of its own; return its line of the table and its seconds. `bare` are those of the bare route."""
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        return f"| {name} | – | – | – | – | {NEEDS[name]} is not installed |", 0.0
    command = [sys.executable, __file__, "--step", name, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return f"| {name} | – | – | – | – | did not run: {done.stderr.strip().splitlines()[-1]} |", 0.0
    result = json.loads(done.stdout)
    details = ", ".join(
        f"{key} {value:,.1f}"
        if isinstance(value, float)
        else f"{key} {value:,}"
        if isinstance(value, int)
        else f"{key} {value}"
        for key, value in result["details"].items()
    )
    ratio = f"{result['seconds'] / bare:.1f}" if bare else "–"
    numbers = f"{result['seconds']:.1f} | {result['cpu']:.1f} | {result['peak_mb']:.0f} | {ratio}"
    return f"| {name} | {numbers} | {details} |", result["seconds"]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--step"]:
        started = time.perf_counter()
        details = STEPS[arguments[1]](Path(arguments[2]))
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "details": details}))
        return
    places = int(arguments[0]) if arguments else 3200
    wanted = arguments[1:] or list(STEPS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        indicators = names()
        for part in range(PARTS):
            make_part(folder, part, places, indicators)
        print(
            f"{places:,} places × {INDICATORS} indicators × {YEARS} years = {places * INDICATORS * YEARS:,} observations in "
            f"{PARTS} parts; Python {platform.python_version()}, {os.cpu_count()} cores. Imports included. Checks, formulas and "
            f"sets run over every place; the plan is judged at {ASSESSED} places of each part.\n"
        )
        print("| step | seconds | CPU seconds | peak MB | × bare | details |\n|---|---:|---:|---:|---:|---|")
        bare = 0.0
        for name in STEPS:
            if any(one in name for one in wanted):
                line, seconds = measure(name, folder, bare)
                bare = seconds if name == BARE else bare
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Time the import of a ledger of many projects beside bare readings of the same table by Polars and by python-calamine.

``python benchmarks/ledgers.py 200000`` writes the table, imports it with every check, publishes it and imports it again;
the figures are printed as a table.
"""

import resource
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import python_calamine

from dafeng.buildings.identity import find_candidates
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake.ledger_reading import read_ledger
from dafeng.lake import RegisterLake

NOW = datetime(2026, 11, 20, tzinfo=UTC)
COLUMNS = 60


def make_ledger(path: Path, rows: int, catalog: Catalog, *, seed: int = 5) -> int:
    """Write a projects ledger of `COLUMNS` columns in which one cell of a hundred is faulty; return the number of columns."""
    rng = np.random.default_rng(seed)
    register = catalog.registers["projects"]
    places = [place.name for place in catalog.places.children("qingdao")]
    frame: dict[str, pl.Series] = {}
    area = np.round(rng.uniform(1000, 90000, rows), 2)
    known = {"gross_area": area, "above_ground_area": area * 0.75, "below_ground_area": area * 0.25}
    known |= {"single_building_area": area / 4, "storeys": np.full(rows, 18.0), "height": np.full(rows, 54.0)}
    known |= {name: rng.integers(0, 3, rows) for name in ("green_star", "label_star")}
    stages = ["施工", "竣工验收"]
    order = 0
    for column in register.fields[:COLUMNS]:
        field = catalog.fields[column.field]
        if column.field == "project_code":
            values = pl.Series([f"2101-370200-04-01-{number:06d}" for number in range(rows)])
        elif column.field == "place":
            values = pl.Series(rng.choice(places, rows))
        elif column.field in known:
            values = pl.Series(np.round(known[column.field], 4)).cast(pl.String)
        elif column.field == "stage":
            values = pl.Series(rng.choice(stages, rows))
        elif field.type == "choice":
            values = pl.Series(rng.choice([option.zh for option in field.options], rows))
        elif field.type == "yes_no":
            values = pl.Series(rng.choice(["是", "否", "√", "×", ""], rows))
        elif field.type == "date":
            order += 1
            first = date(2015, 1, 1) + timedelta(days=300 * order)
            days = rng.integers(0, 300, rows)
            values = pl.Series([(first + timedelta(days=int(day))).strftime("%Y.%-m.%-d") for day in days])
        elif field.type == "number":
            top = {"m**2": 90000.0, "percent": 100.0, "m": 100.0}.get(field.unit or "", 30.0)
            values = pl.Series(np.round(rng.uniform(1, top, rows), 2)).cast(pl.String)
        else:
            values = pl.Series([f"项目{number % 5000}号" for number in range(rows)])
        if not column.required:
            faulty = pl.Series(rng.random(rows) < 0.01)
            values = pl.select(pl.when(pl.lit(faulty)).then(pl.lit("看不清")).otherwise(pl.lit(values))).to_series()
        frame[field.zh] = values
    pl.DataFrame(frame).write_csv(path)
    return len(frame)


def main(rows: int) -> None:
    """Run all steps and print their figures."""
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.csv"
        columns = make_ledger(path, rows, catalog)
        started = time.perf_counter()
        bare = pl.read_csv(path, infer_schema=False)
        bare_s = time.perf_counter() - started
        started = time.perf_counter()
        read = read_ledger(path, "projects", catalog, recorded_at=NOW, home="qingdao")
        read_s = time.perf_counter() - started
        lake = RegisterLake(Path(folder))
        started = time.perf_counter()
        first = lake.publish("projects", read.frame, batch="one")
        publish_s = time.perf_counter() - started
        started = time.perf_counter()
        again = lake.publish("projects", read.frame, batch="two")
        again_s = time.perf_counter() - started
        book = Path(folder) / "ledger.xlsx"
        bare.write_excel(book)
        started = time.perf_counter()
        python_calamine.CalamineWorkbook.from_path(str(book)).get_sheet_by_index(0).to_python()
        bare_book_s = time.perf_counter() - started
        started = time.perf_counter()
        of_book = read_ledger(book, "projects", catalog, recorded_at=NOW, home="qingdao")
        book_s = time.perf_counter() - started
        assert of_book.frame.drop("document", "sheet", "row").equals(read.frame.drop("document", "sheet", "row"))
        del of_book
        rng = np.random.default_rng(7)
        letters = np.array([chr(0x4E00 + 7 * number) for number in range(900)])
        words = ["".join(word) for word in letters[rng.integers(0, 900, (rows, 4))]]
        words[1::50] = words[0 : rows - 1 : 50]  # one of fifty stands twice
        names = pl.Series([f"{word}{('小区', '小区项目')[number % 2]}" for number, word in enumerate(words)])
        places = pl.Series([f"d{number // 2 % 10}" for number in range(rows)])
        things = pl.DataFrame({"register": "projects", "key": bare["项目代码"], "name": names, "place": places})
        started = time.perf_counter()
        pairs = find_candidates(things)
        candidates_s = time.perf_counter() - started
    counts = read.counts
    kept = counts["accepted"] + counts["accepted_with_finding"]
    lines = [
        f"{rows:,} projects, {columns} columns; {kept:,} rows kept, {counts['refused']:,} refused, "
        f"{len(read.findings):,} findings listed.",
        "",
        "| step | seconds |",
        "|---|---:|",
        f"| bare Polars: read the CSV as text | {bare_s:.2f} |",
        f"| import: read, resolve, check, every row a fate | {read_s:.2f} |",
        f"| publish {first.appended:,} rows | {publish_s:.2f} |",
        f"| publish them again: {again.unchanged:,} unchanged | {again_s:.2f} |",
        f"| bare python-calamine: values of the same table as XLSX | {bare_book_s:.2f} |",
        f"| import from XLSX with every check | {book_s:.2f} |",
        f"| candidates of one thing: {pairs.height:,} pairs | {candidates_s:.2f} |",
        "",
        f"{time.process_time():.0f} s of processor time in all. Peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB.",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)

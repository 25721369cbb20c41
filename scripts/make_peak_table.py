"""Make the critical values of the peak verdict, the same on every run.

    python scripts/make_peak_table.py [FILE]

FILE is `src/dafeng/catalog/data/tables/peak_critical_values.csv` where none is given. Takes about a minute of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dafeng.methods.peak_nulls import LEVELS, critical_rows

FILE = Path(__file__).resolve().parents[1] / "src/dafeng/catalog/data/tables/peak_critical_values.csv"
LENGTHS = range(8, 61)
DRAWS = 20_000
SEED = 20261120


def main(file: Path) -> None:
    lines = [
        "# Critical values of dafeng.methods.peak and .breaks; made by scripts/make_peak_table.py"
        f" (seed {SEED}, {DRAWS} random walks, half as many of each other null). Not edited by hand.",
        ",".join(["test", "length", "worst_null", *(f"p{level:g}" for level in LEVELS)]),
    ]
    rows = [row for length in LENGTHS for row in critical_rows(length, DRAWS, np.random.default_rng([SEED, length]))]
    for row in sorted(rows, key=lambda row: (row.test, row.length)):
        lines.append(",".join([row.test, str(row.length), row.null, *(f"{value:.3f}" for value in row.critical)]))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)

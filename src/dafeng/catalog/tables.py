"""Tables of numbers that ship with the catalog and were made by a committed command, not by a person."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dafeng.base.errors import ContentError, InputError
from dafeng.catalog.catalog import shipped_folder

__all__ = ["CriticalValues", "peak_critical_values", "read_critical_values"]

_LEVEL_PREFIX = "p"


@dataclass(frozen=True)
class CriticalValues:
    """Critical values of tests by length of the series.

    Parameters
    ----------
    levels : tuple of float
        Probabilities, falling, that a series of the null reaches the critical value beside it.
    values : mapping from test and length to critical values, one a level

    Examples
    --------
    >>> table = CriticalValues((0.1, 0.05), {("peaked", 8): (1.5, 2.0), ("peaked", 9): (1.6, 2.1)})
    >>> table.lengths("peaked"), table.at("peaked", 9, 0.05), table.p_range("peaked", 8, 1.7)
    ((8, 9), 2.1, (0.05, 0.1))
    """

    levels: tuple[float, ...]
    """Probabilities, falling."""
    values: dict[tuple[str, int], tuple[float, ...]]
    """Critical values by test and length."""

    def lengths(self, test: str) -> tuple[int, ...]:
        """Return the lengths that the table has for `test`, rising."""
        return tuple(sorted(length for name, length in self.values if name == test))

    def at(self, test: str, length: int, level: float) -> float:
        """Return the critical value of `test` for a series of `length` points at `level`.

        Raises
        ------
        InputError
            The table has no such test, length or level.
        """
        row = self._row(test, length)
        if level not in self.levels:
            raise InputError(
                f"level {level!r}",
                doing="look up a critical value",
                expected=f"one of {', '.join(f'{known:g}' for known in self.levels)}",
                next_step="choose one of these levels, or make the table anew with scripts/make_peak_table.py",
            )
        return row[self.levels.index(level)]

    def p_range(self, test: str, length: int, statistic: float) -> tuple[float, float]:
        """Return the probabilities between which the p-value of `statistic` lies."""
        below, above = 0.0, 1.0
        for level, critical in zip(self.levels, self._row(test, length), strict=True):
            if statistic > critical:
                above = level
            else:
                below = level
                break
        return below, above

    def _row(self, test: str, length: int) -> tuple[float, ...]:
        row = self.values.get((test, length))
        if row is None:
            known = self.lengths(test)
            raise InputError(
                f"{length} points for the test {test!r}",
                doing="look up a critical value",
                expected=f"{known[0]} to {known[-1]} points" if known else "a test that the table has",
                next_step="give the last years only, or make the table anew with scripts/make_peak_table.py",
            )
        return row


def read_critical_values(path: Path) -> CriticalValues:
    """Read a table with the columns `test`, `length` and ``p…`` (a level each).

    Raises
    ------
    ContentError
        The file cannot be read as such a table.

    Examples
    --------
    >>> read_critical_values(shipped_folder() / "tables" / "peak_critical_values.csv").levels
    (0.2, 0.1, 0.05, 0.025, 0.01)
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        columns = [name for name in rows[0] if name.startswith(_LEVEL_PREFIX)]
        levels = tuple(float(name.removeprefix(_LEVEL_PREFIX)) for name in columns)
        values = {(row["test"], int(row["length"])): tuple(float(row[name]) for name in columns) for row in rows}
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ContentError(
            f"{path.name}: {error}",
            doing="read a table of critical values",
            expected="UTF-8 with the columns test, length and one column a level, such as p0.05",
            next_step="make it anew with scripts/make_peak_table.py",
        ) from None
    return CriticalValues(levels, values)


@lru_cache(maxsize=1)
def peak_critical_values() -> CriticalValues:
    """Return the shipped critical values of the peak verdict (made by ``scripts/make_peak_table.py``).

    Examples
    --------
    >>> peak_critical_values().lengths("peaked")[::52]
    (8, 60)
    """
    return read_critical_values(shipped_folder() / "tables" / "peak_critical_values.csv")

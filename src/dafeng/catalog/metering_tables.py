"""Small tables that metering needs and no one edits in a workspace: fields of the building archive, limits of climate zones."""

from __future__ import annotations

import csv
from functools import lru_cache
from typing import NamedTuple

from dafeng.catalog.catalog import shipped_folder

__all__ = ["ArchiveField", "ClimateZone", "archive_fields", "climate_zones"]


class ArchiveField(NamedTuple):
    """A field of the building archive.

    Parameters
    ----------
    field, kind, name : str
        Element name; text, integer or number; Chinese name.
    record : str
        Field of `dafeng.base.building.Building`; empty where it has none.
    codes : dict from letter to code of the record
    """

    field: str
    kind: str
    name: str
    record: str
    codes: dict[str, str]


class ClimateZone(NamedTuple):
    """Limits of a climate zone, `low <= value < high` (at most 90 for the cooling degree-days of cold A); None is no limit."""

    zone: str
    name: str
    heating: tuple[float | None, float | None]
    cooling: tuple[float | None, float | None]
    grade: str
    source: str


def _rows(name: str) -> list[dict[str, str]]:
    with (shipped_folder() / "tables" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@lru_cache(maxsize=1)
def archive_fields() -> tuple[ArchiveField, ...]:
    """Return the fields of the building archive in their order.

    Examples
    --------
    >>> len(archive_fields()), archive_fields()[13].codes["A"]
    (39, 'office')
    """
    return tuple(
        ArchiveField(
            row["field"],
            row["kind"],
            row["name_zh"],
            row["record"],
            dict(pair.split("=") for pair in row["codes"].split()),
        )
        for row in _rows("building_base_fields.csv")
    )


@lru_cache(maxsize=1)
def climate_zones() -> tuple[ClimateZone, ...]:
    """Return the climate zones with their limits, the most decisive first.

    Examples
    --------
    >>> climate_zones()[2].zone, climate_zones()[2].heating
    ('severe_cold_c', (3800.0, 5000.0))
    """

    def limit(text: str) -> float | None:
        return float(text) if text else None

    return tuple(
        ClimateZone(
            row["zone"],
            row["zh"],
            (limit(row["hdd18_from"]), limit(row["hdd18_to"])),
            (limit(row["cdd26_from"]), limit(row["cdd26_to"])),
            row["grade"],
            row["source"],
        )
        for row in _rows("climate_zones.csv")
    )

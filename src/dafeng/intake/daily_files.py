"""What the daily files between data centres say: archives of buildings and hours of energy items."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.building import Building
from dafeng.base.finding import Finding
from dafeng.base.reading import READING_SCHEMA
from dafeng.catalog.metering_tables import archive_fields

__all__ = ["ENERGY_HOURS", "DailyFiles", "archive_schema"]

ENERGY_HOURS: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
    "equivalent": pl.Float64(),
    "state": pl.String(),
    "result_id": pl.String(),
    "code": pl.String(),
}
"""Hours of an Energy.xml: building code, energy item of the house, span, amount, amount in kgce as the sender reckoned it, state, id
of the result, code as written."""


@dataclass(frozen=True)
class DailyFiles:
    """What the daily files say.

    Parameters
    ----------
    centre : str
        Six digits of the data centre; empty where the name does not say.
    day : date or None
    archives : DataFrame
        One row a building, the fields of the archive as written.
    buildings : tuple of Building
        The archives that make a building.
    hours : DataFrame of `ENERGY_HOURS`
    readings : DataFrame of `READING_SCHEMA`
        The hours as interval readings of pseudo-meters, see `item_meter`.
    attachments : tuple of str
        Names below Accessory.
    counts : dict
        buildings, hours, refused.
    findings : tuple of Finding
    """

    centre: str = ""
    day: date | None = None
    archives: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=archive_schema()))
    buildings: tuple[Building, ...] = ()
    hours: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENERGY_HOURS))
    readings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=READING_SCHEMA))
    attachments: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def archive_schema() -> dict[str, pl.DataType]:
    """Return the fields of an archive, all texts as written."""
    return {one.field: pl.String() for one in archive_fields()}

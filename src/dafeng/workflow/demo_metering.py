"""Metering of the demonstration: meters and readings in, rolled up, a late batch that restates, and what the city's buildings used."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import ContentError
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import ObservationKind
from dafeng.base.reading import MeterEventKind
from dafeng.base.record import Record
from dafeng.catalog.yaml_source import read_yaml
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_import import (
    MeterFileOutcome,
    MeterImportOptions,
    day_instant,
    import_meter_file,
    record_event,
)
from dafeng.workflow.metering_rollup import roll_up_meters
from dafeng.workflow.setting import Setting

__all__ = ["DemoMetering", "meter_demo"]

_ALL: Final = (pl.col("building_class") == "all") & (pl.col("end_use") == "all")


class DemoMetering(Record):
    """What became of the metering of the demonstration."""

    imports: tuple[MeterFileOutcome, ...]
    """One a file."""
    meters: int
    """Meters of the ledger."""
    buildings: int
    """Buildings with a meter in service."""
    reporting: int
    """Of them, buildings that say anything."""
    first: date
    """First month rolled up."""
    last: date
    """Last month with readings."""
    electricity: float
    """Electricity of the city's monitored buildings in these months, kWh."""
    coverage: float
    """Covered share of the seconds in service."""
    tce: float
    """All energy of these months in tonnes of standard coal, calorific basis."""
    co2: float | None
    """All energy in tonnes of carbon dioxide; None where a factor is missing."""
    restated: int
    """Values that the late batch changed."""
    late: str
    """Name of the late batch."""
    observations: int
    """Facts published."""
    findings: tuple[Finding, ...]
    """What the roll-up found."""


def meter_demo(
    setting: Setting, folder: Path, *, place: str, recorded_at: datetime, listener: Listener = silent
) -> DemoMetering:
    """Import the demonstration's meters, readings and weather, roll up, take the late batch, and roll up again; twice is once.

    Parameters
    ----------
    setting : Setting
    folder : Path
        Of the metering files.
    place : str
        Place of the demonstration.
    recorded_at : datetime
    listener : Listener

    Raises
    ------
    ContentError
        The list of imports is faulty.
    """
    document, faults = read_yaml(folder / "imports.yaml")
    if document is None or faults:
        raise ContentError(
            f"{folder / 'imports.yaml'} cannot be read",
            doing="run the demonstration",
            expected="a list of imports",
            next_step="install dafeng again",
        )
    listed = document.data
    listener("计量 / metering", 0, 4)
    import_ledger(setting, folder / listed["meters"], "meters", recorded_at=recorded_at)
    weather = listed["weather"]
    options = MeterImportOptions(station=weather["station"], dataset=weather["dataset"])
    files = [
        import_meter_file(setting, folder / weather["file"], options, recorded_at=recorded_at),
        import_meter_file(setting, folder / listed["readings"], recorded_at=recorded_at),
    ]
    for event in listed["events"]:
        record_event(
            setting, event["meter"], MeterEventKind(event["kind"]), day_instant(event["at"], option="at"),
            before=event["before"], after=event["after"], reason=event["reason"], by=event["by"], recorded_at=recorded_at,
        )  # fmt: skip
    listener("计量 / metering", 1, 4)
    kind = ObservationKind.DEMONSTRATION
    first = roll_up_meters(setting, recorded_at=recorded_at, kind=kind, threads=2)
    listener("计量 / metering", 2, 4)
    later = recorded_at + timedelta(hours=1)
    files.append(import_meter_file(setting, folder / listed["late"], recorded_at=later))
    second = roll_up_meters(setting, recorded_at=later, kind=kind, threads=2)
    house = open_house(setting)
    rows = house.place_months.read().filter(_ALL, pl.col("place") == place, pl.col("covered") > 0)
    whole, power = rows.filter(pl.col("carrier") == "all"), rows.filter(pl.col("carrier") == "electricity")
    restated = house.restatements.read().filter(pl.col("because").str.contains(files[-1].batch, literal=True))
    return DemoMetering(
        imports=tuple(files),
        meters=second.meters,
        buildings=int(power["buildings"].cast(pl.Int64).to_numpy().max()),
        reporting=int(power["reporting"].cast(pl.Int64).to_numpy().max()),
        first=power["period"].to_list()[0],
        last=power["period"].to_list()[-1],
        electricity=float(power["amount"].sum()),
        coverage=float(power["covered"].sum()) / float(power["expected"].sum()),
        tce=float(whole["tce"].sum()),
        co2=None if int(whole["without_co2"].sum()) else float(whole["co2"].sum()),
        restated=restated.height,
        late=files[-1].batch,
        observations=first.published + second.published,
        findings=second.findings,
    )

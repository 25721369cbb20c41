"""Readings and what is made of them: the frames in which gateway, intake, lake and metering hand them to one another.

All instants are UTC; local days begin where the place's time zone says. Every span is half-open.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

__all__ = ["EVENT_SCHEMA", "READING_KEY", "READING_SCHEMA", "MeterEventKind"]

_INSTANT: Final = pl.Datetime("us", "UTC")

READING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "at": _INSTANT,
    "start": _INSTANT,
    "value": pl.Float64(),
    "sent_as": pl.String(),
    "origin": pl.String(),
    "lineage": pl.String(),
    "received_at": _INSTANT,
}
"""Columns of readings as received.

meter: meter id, as `dafeng.base.meter.Meter` has it. at: instant of a register, or end of an interval. start: start of the
interval; null for a register. value: as the meter gave it, before multiplier and roll-over, never corrected in place.
sent_as: mark that the sender put on it, blank where none. origin: way in (csv, push, account, xml, gateway). lineage: what it
was read from (document hash and cell or line, packet). received_at: when the house got it.
"""

READING_KEY: Final = ("meter", "at", "start")
"""Columns that tell one reading from another; of several with one key the one received last counts, the others are kept."""


class MeterEventKind(StrEnum):
    """What happened to a meter, so that a step of its register is not read as use."""

    REPLACEMENT = "replacement"
    """The register starts anew at `after`; the old one ended at `before`."""
    RESET = "reset"
    """The register was set to `after`; it stood at `before`."""
    ROLLOVER = "rollover"
    """The register passed its full scale once more than its steps show."""
    FAULT = "fault"
    """Readings from `at` to `until` are known to be wrong."""


EVENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "at": _INSTANT,
    "until": _INSTANT,
    "kind": pl.String(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "by": pl.String(),
    "reason": pl.String(),
    "recorded_at": _INSTANT,
}
"""Columns of meter events: facts beside the readings, never edits of them; a later event of one meter, instant and kind
replaces an earlier one."""

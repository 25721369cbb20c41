"""Refused messages and readings of MQTT on the disk: a note for each message, a row with the text for each thing refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dafeng.base.finding import Finding

__all__ = ["REFUSED_AT_ONCE", "write_refusals"]

REFUSED_AT_ONCE: Final = 500
"""Messages of one transaction at most, and texts kept of one message."""
_KEPT: Final = 10_000
"""Texts kept in the table of readings set aside; the oldest go first."""


def write_refusals(
    connection: sqlite3.Connection, refused: Sequence[tuple[str, str, str, tuple[Finding, ...]]], now: datetime
) -> None:
    """Write what was refused of messages; called within a transaction.

    Parameters
    ----------
    connection : Connection
    refused : sequence
        Of each message: building and gateway, blank where its topic names none, address, findings.
    now : datetime
    """
    at, notes, rows = now.isoformat(), [], []
    for building, gateway, address, findings in refused:
        first = findings[0]
        more = f"（共 {len(findings)} 处）" if len(findings) > 1 else ""
        detail = first.sentence[:460] + more
        notes.append((at, first.severity.value, first.name, building, gateway, address, detail))
        for finding in findings[:REFUSED_AT_ONCE]:
            meter, function = (str(finding.evidence.get(name, "")) for name in ("meter", "function"))
            rows.append((building, gateway, "mqtt", meter, function, finding.value, at, finding.name))
    connection.executemany(
        "INSERT INTO notes (at, severity, name, building, gateway, address, detail) VALUES (?, ?, ?, ?, ?, ?, ?)", notes
    )
    connection.executemany(
        """INSERT INTO set_aside (building, gateway, operation, meter, function, text, received_at, reason)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        rows,
    )
    connection.execute(
        "DELETE FROM set_aside WHERE operation = 'mqtt' AND id <= (SELECT MAX(id) FROM set_aside) - ?", (_KEPT,)
    )

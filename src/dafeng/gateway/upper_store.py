"""What was uploaded to the upper centre, and what a lower centre uploaded: two tables beside the accounts in ``gateway.sqlite3``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from dafeng.gateway.database import transaction

__all__ = [
    "RECEIVED_SCHEMA",
    "SENT_SCHEMA",
    "Document",
    "UpperStore",
    "day_bounds",
    "late_and_missing",
]

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS uploads_sent (
       target TEXT NOT NULL, kind TEXT NOT NULL, period TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL,
       state TEXT NOT NULL, attempts INTEGER NOT NULL, made_at TEXT NOT NULL, changed_at TEXT NOT NULL, taken INTEGER NOT NULL,
       detail TEXT NOT NULL, PRIMARY KEY (target, kind, period)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS uploads_received (
       number INTEGER PRIMARY KEY AUTOINCREMENT, centre TEXT NOT NULL, kind TEXT NOT NULL, period TEXT NOT NULL, sha256 TEXT NOT NULL,
       name TEXT NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL, first_at TEXT NOT NULL, changed_at TEXT NOT NULL,
       taken INTEGER NOT NULL, refused INTEGER NOT NULL, detail TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS uploads_received_of ON uploads_received (centre, kind, period)",
)
_TEXT: Final = pl.String()
_WHOLE: Final = pl.Int64()
SENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("target", "kind", "period", "sha256", "name"), _TEXT),
    "size": _WHOLE,
    "state": _TEXT,
    "attempts": _WHOLE,
    **dict.fromkeys(("made_at", "changed_at"), _TEXT),
    "taken": _WHOLE,
    "detail": _TEXT,
}
"""Columns of what was sent. state: waiting, imported, refused, empty (nothing was known of the period). taken: values that the other
end took. Times are ISO texts in UTC."""
RECEIVED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "number": _WHOLE,
    **dict.fromkeys(("centre", "kind", "period", "sha256", "name"), _TEXT),
    "size": _WHOLE,
    **dict.fromkeys(("state", "first_at", "changed_at"), _TEXT),
    "taken": _WHOLE,
    "refused": _WHOLE,
    "detail": _TEXT,
}
"""Columns of what was received, in the order of the imports. state: partial, imported, refused."""


class Document(NamedTuple):
    """A document to be sent.

    Parameters
    ----------
    kind, period, name : str
    data : bytes
    sha256 : str
    """

    kind: str
    period: str
    name: str
    data: bytes
    sha256: str


class UpperStore:
    """The two tables.

    Parameters
    ----------
    connection : Connection
        Of `dafeng.gateway.database.open_database`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        for statement in _TABLES:
            connection.execute(statement)

    def sent(self, target: str | None = None) -> pl.DataFrame:
        """Return what was sent, in the columns of `SENT_SCHEMA`."""
        where, values = ("", ()) if target is None else (" WHERE target = ?", (target,))
        rows = self._connection.execute(
            f"SELECT {', '.join(SENT_SCHEMA)} FROM uploads_sent{where} ORDER BY target, kind, period", values
        ).fetchall()
        return pl.DataFrame(rows, schema=SENT_SCHEMA, orient="row")

    def received(self, centre: str | None = None) -> pl.DataFrame:
        """Return what was received, in the columns of `RECEIVED_SCHEMA`."""
        where, values = ("", ()) if centre is None else (" WHERE centre = ?", (centre,))
        rows = self._connection.execute(
            f"SELECT {', '.join(RECEIVED_SCHEMA)} FROM uploads_received{where} ORDER BY number", values
        ).fetchall()
        return pl.DataFrame(rows, schema=RECEIVED_SCHEMA, orient="row")

    def put_sent(
        self, target: str, document: Document, *, state: str, at: datetime, taken: int = 0, detail: str = ""
    ) -> None:
        """Note where a document stands; one whose contents changed begins anew."""
        when = at.isoformat()
        with transaction(self._connection):
            self._connection.execute(
                """INSERT INTO uploads_sent VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT (target, kind, period) DO UPDATE SET
                   attempts = CASE WHEN sha256 = excluded.sha256 THEN attempts + 1 ELSE 1 END,
                   made_at = CASE WHEN sha256 = excluded.sha256 THEN made_at ELSE excluded.made_at END,
                   sha256 = excluded.sha256, name = excluded.name, size = excluded.size, state = excluded.state,
                   changed_at = excluded.changed_at, taken = excluded.taken, detail = excluded.detail""",
                (target, document.kind, document.period, document.sha256, document.name, len(document.data), state, when, when,
                 taken, detail[:500]),
            )  # fmt: skip

    def put_received(
        self, centre: str, offer: tuple[str, str, str, int, str], *, state: str, at: datetime, taken: int = 0,
        refused: int = 0, detail: str = "",
    ) -> None:  # fmt: skip
        """Note where a document of a centre stands; offer: kind, period, name, size, SHA-256."""
        kind, period, name, size, sha = offer
        with transaction(self._connection):
            row = self._connection.execute(
                "SELECT number FROM uploads_received WHERE centre = ? AND kind = ? AND period = ? AND sha256 = ? AND state = 'partial'",
                (centre, kind, period, sha),
            ).fetchone()
            if row is None:
                self._connection.execute(
                    "INSERT INTO uploads_received VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (centre, kind, period, sha, name, size, state, at.isoformat(), at.isoformat(), taken, refused, detail[:500]),
                )  # fmt: skip
            else:
                self._connection.execute(
                    "UPDATE uploads_received SET state = ?, changed_at = ?, taken = ?, refused = ?, detail = ? WHERE number = ?",
                    (state, at.isoformat(), taken, refused, detail[:500], row[0]),
                )

    def newest(self, centre: str, kind: str, period: str) -> str:
        """Return the SHA-256 of the document of a period that was imported last; blank where there is none."""
        row = self._connection.execute(
            "SELECT sha256 FROM uploads_received WHERE centre = ? AND kind = ? AND period = ? AND state = 'imported' ORDER BY number DESC",
            (centre, kind, period),
        ).fetchone()
        return "" if row is None else str(row[0])

    def of_day(self, centre: str, day: str) -> list[str]:
        """Return the SHA-256 of the newest documents of a day, hours first."""
        rows = self._connection.execute(
            """SELECT sha256, max(number) FROM uploads_received WHERE centre = ? AND state = 'imported' AND kind IN ('daily', 'hourly')
               AND substr(period, 1, 10) = ? GROUP BY kind, period ORDER BY kind DESC, period""",
            (centre, day),
        )
        return [str(sha) for sha, _ in rows]


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a local day, and that after it.

    Examples
    --------
    >>> day_bounds(date(2026, 3, 10), "Asia/Shanghai")[0].isoformat()
    '2026-03-10T00:00:00+08:00'
    """
    known = ZoneInfo(zone)
    following = day + timedelta(days=1)
    return (
        datetime(day.year, day.month, day.day, tzinfo=known),
        datetime(following.year, following.month, following.day, tzinfo=known),
    )


def late_and_missing(
    received: pl.DataFrame, days: Iterable[date], *, at: datetime, zone: str, grace: timedelta
) -> tuple[list[str], list[str]]:
    """Return the days whose daily files are missing, and those whose first files came late.

    Parameters
    ----------
    received : DataFrame of `RECEIVED_SCHEMA`
        Of one centre.
    days : iterable of date
        Days that there should be.
    at : datetime
        Now.
    zone : str
        In which days end.
    grace : timedelta
        Time after the end of a day in which its files may come.

    Examples
    --------
    >>> from datetime import UTC
    >>> rows = pl.DataFrame([{name: "" for name in RECEIVED_SCHEMA} | {"kind": "daily", "period": "2026-03-10", "state": "imported",
    ...     "changed_at": "2026-03-12T00:00:00+00:00", "number": 1, "size": 0, "taken": 0, "refused": 0}], schema=RECEIVED_SCHEMA)
    >>> late_and_missing(rows, [date(2026, 3, 10), date(2026, 3, 11)], at=datetime(2026, 3, 13, tzinfo=UTC), zone="Asia/Shanghai",
    ...                  grace=timedelta(hours=12))
    (['2026-03-11'], ['2026-03-10'])
    """
    first: dict[str, datetime] = {}
    for period, when in received.filter(kind="daily", state="imported").select("period", "changed_at").iter_rows():
        first[period] = min(first.get(period, datetime.max.replace(tzinfo=at.tzinfo)), datetime.fromisoformat(when))
    missing, late = [], []
    for day in days:
        due = day_bounds(day, zone)[1] + grace
        if str(day) not in first:
            missing += [str(day)] if at > due else []
        elif first[str(day)] > due:
            late.append(str(day))
    return missing, late

"""Times as meters, loggers and people write them, and the instants that they mean.

Times are read as whole columns. What a text leaves open is decided by its column where the column proves it (day or month
first), by a stated option, or not at all.
"""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from dafeng.base.errors import UsageError

__all__ = ["TIME_SCHEMA", "check_zone", "fixed_offset", "read_times", "to_instants"]

TIME_SCHEMA: Final[dict[str, pl.DataType]] = {
    "local": pl.Datetime("us"),
    "offset": pl.Int32(),
    "span": pl.String(),
    "problem": pl.String(),
}
"""What a time text says: local time, seconds that it is ahead of UTC where stated, span (instant, day or month; end where it was
written as 24:00), and why it cannot be read."""

_CLOCK: Final = (
    r"(?P<{0}before>上午|下午|AM|PM)?\s*(?P<{0}h>[0-9]{{1,2}})(?:[:时点](?P<{0}mi>[0-9]{{1,2}})?分?"
    r"(?::?(?P<{0}s>[0-9]{{1,2}})(?:[.,](?P<{0}f>[0-9]{{1,9}}))?秒?)?)\s*(?P<{0}after>AM|PM)?"
)
_OFFSET: Final = r"\s*(?P<{0}off>Z|UTC|GMT|[+-][0-9]{{2}}:?[0-9]{{2}})?"
_PATTERNS: Final = (
    r"^(?P<y>[0-9]{4})[-/.年](?P<mo>[0-9]{1,2})[-/.月](?P<d>[0-9]{1,2})日?(?:[T,\s]*"
    + _CLOCK.format("")
    + ")?"
    + _OFFSET.format("")
    + "$",
    r"^(?P<y>[0-9]{4})(?P<mo>[0-9]{2})(?P<d>[0-9]{2})(?:[T\s_-]?(?P<h>[0-9]{2}):?(?P<mi>[0-9]{2})(?::?(?P<s>[0-9]{2}))?)?"
    + _OFFSET.format("")
    + "$",
    r"^(?P<a>[0-9]{1,2})[-/.](?P<b>[0-9]{1,2})[-/.](?P<y>[0-9]{4})(?:[T,\s]*"
    + _CLOCK.format("")
    + ")?"
    + _OFFSET.format("")
    + "$",
    r"^(?P<y>[0-9]{4})(?:[-/.年](?P<mo>[0-9]{1,2})|(?P<mo2>[0-9]{2}))月?(?:份)?$",
)
_SERIAL: Final = r"^[0-9]{5}(?:\.[0-9]+)?$"
_EPOCH: Final = r"^(?:[0-9]{10}|[0-9]{13})(?:\.[0-9]+)?$"
_WEEKDAY: Final = r"[(（]?(?:星期|周)[一二三四五六日天][)）]?"
_FIRST_YEAR, _LAST_YEAR = 1980, 2100
_FIXED: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?")


def fixed_offset(zone: str) -> int | None:
    """Return the seconds that a zone of fixed offset is ahead of UTC, None for a named zone.

    Examples
    --------
    >>> fixed_offset("+08:00"), fixed_offset("UTC"), fixed_offset("UTC-3"), fixed_offset("Asia/Shanghai")
    (28800, 0, -10800, None)
    """
    if zone in ("UTC", "Z", "GMT"):
        return 0
    match = _FIXED.fullmatch(zone)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return seconds if match[1] == "+" else -seconds


def check_zone(zone: str) -> str:
    """Return `zone` where it is a fixed offset or a zone of the time zone database.

    Raises
    ------
    UsageError
        There is no such zone.
    """
    if fixed_offset(zone) is None:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError) as error:
            raise UsageError(
                f"there is no time zone {zone!r}",
                doing="read local times",
                expected="a name such as Asia/Shanghai, or an offset such as +08:00",
                next_step="name the zone in which the logger wrote",
            ) from error
    return zone


def read_times(texts: pl.Series, *, day_first: bool | None = None) -> pl.DataFrame:
    """Return what each text says about time.

    Parameters
    ----------
    texts : Series of str
    day_first : bool, optional
        Whether 03/04/2024 is the 3rd of April; found from the column where it proves it, else refused.

    Returns
    -------
    DataFrame of `TIME_SCHEMA`, shape (text, 4)
        Problems: time-blank, time-unreadable, time-ambiguous, time-implausible (before 1980, after 2100).

    Examples
    --------
    >>> said = read_times(pl.Series(["2024-01-05 24:00", "2024年1月5日 下午3时", "2024-01-05T03:00:00+08:00", "45296.5", "2024-01"]))
    >>> said["local"].dt.to_string("%m-%d %H:%M").to_list(), said["span"].to_list()
    (['01-06 00:00', '01-05 15:00', '01-05 03:00', '01-05 12:00', '01-01 00:00'], ['end', 'instant', 'instant', 'instant', 'month'])
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String())})
    distinct = frame.unique()
    plain = pl.col("text").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, exact=True, time_unit="us")
    distinct = distinct.with_columns(plain.alias("local"))
    rest = distinct.filter(pl.col("local").is_null())["text"]
    done = distinct.filter(pl.col("local").is_not_null()).select(
        "text",
        "local",
        pl.lit(None, pl.Int32).alias("offset"),
        pl.lit("instant").alias("span"),
        pl.lit(None, pl.String).alias("problem"),
    )
    known = pl.concat([done, _read_odd(rest, day_first)]) if rest.len() else done
    early = ~pl.col("local").dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)
    known = known.with_columns(
        problem=pl.when(early & pl.col("problem").is_null()).then(pl.lit("time-implausible")).otherwise("problem")
    )
    return frame.join(known, on="text", how="left", nulls_equal=True, maintain_order="left").select(*TIME_SCHEMA)


def _read_odd(texts: pl.Series, day_first: bool | None) -> pl.DataFrame:
    folded = texts.str.normalize("NFKC").str.replace(_WEEKDAY, " ").str.strip_chars().str.to_uppercase()
    frame = pl.DataFrame({"text": texts, "folded": folded})
    columns = ("y", "mo", "d", "before", "h", "mi", "s", "f", "after", "off", "a", "b", "mo2")
    found = []
    for pattern in _PATTERNS:
        groups = folded.str.extract_groups(pattern).struct.unnest()
        missing = [pl.lit(None, pl.String).alias(name) for name in columns if name not in groups.columns]
        found.append(groups.with_columns(missing).select(columns))
    merged = pl.DataFrame([part.to_struct(str(index)) for index, part in enumerate(found)])
    read = [pl.col(str(index)).struct.field("y").is_not_null() for index in range(len(found))]
    parts = pl.coalesce(pl.when(flag).then(pl.col(str(index))) for index, flag in enumerate(read))
    shape = pl.coalesce(pl.when(flag).then(pl.lit(index, pl.Int32)) for index, flag in enumerate(read))
    frame = frame.with_columns(merged.select(parts.alias("parts"), shape.alias("shape")))
    frame = frame.unnest("parts")
    numbers = [pl.col(name).cast(pl.Int32, strict=False) for name in ("y", "mo", "d", "h", "mi", "s", "a", "b", "mo2")]
    frame = frame.with_columns(numbers)
    if day_first is None:
        high_a, high_b = bool((frame["a"] > 12).any()), bool((frame["b"] > 12).any())
        day_first = None if high_a == high_b else high_a
    swapped = pl.col("shape") == 2
    if day_first is None:
        # Only days that read the same either way are certain.
        unsure = swapped & (pl.col("a") != pl.col("b"))
        month, day = pl.col("a"), pl.col("b")
    else:
        unsure = pl.lit(False)
        month, day = (pl.col("b"), pl.col("a")) if day_first else (pl.col("a"), pl.col("b"))
    frame = frame.with_columns(
        mo=pl.when(swapped).then(month).otherwise(pl.coalesce("mo", "mo2")),
        d=pl.when(swapped).then(day).when(pl.col("shape") == 3).then(1).otherwise("d"),
        unsure=unsure,
    )
    return _assemble(frame)


def _assemble(frame: pl.DataFrame) -> pl.DataFrame:
    day = pl.concat_str(
        pl.col("y").cast(pl.String),
        pl.lit("-"),
        pl.col("mo").cast(pl.String).str.zfill(2),
        pl.lit("-"),
        pl.col("d").cast(pl.String).str.zfill(2),
    ).str.to_date("%Y-%m-%d", strict=False)
    afternoon = pl.coalesce("before", "after").is_in(["下午", "PM"])
    halves = pl.coalesce("before", "after").is_not_null()
    hour = pl.col("h").fill_null(0)
    hour24 = (
        pl.when(halves & (hour <= 12))
        .then(hour % 12 + 12 * afternoon.cast(pl.Int32))
        .when(halves & ~afternoon)
        .then(None)
        .otherwise(hour)
    )
    minute, second = pl.col("mi").fill_null(0), pl.col("s").fill_null(0)
    legal = (hour24 < 24) & (minute < 60) & (second < 60) | (hour24 == 24) & (minute == 0) & (second == 0)
    micro = pl.col("f").fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    clock = pl.duration(hours=hour24, minutes=minute, seconds=second, microseconds=micro)
    offset = (
        pl.when(pl.col("off").is_in(["Z", "UTC", "GMT"]))
        .then(pl.lit(0))
        .otherwise(
            (
                pl.col("off").str.slice(1, 2).cast(pl.Int32, strict=False) * 3600
                + pl.col("off").str.slice(-2, 2).cast(pl.Int32, strict=False) * 60
            )
            * pl.when(pl.col("off").str.starts_with("-")).then(-1).otherwise(1)
        )
    )
    number = pl.col("folded").cast(pl.Float64, strict=False)
    serial = (
        pl.when(pl.col("folded").str.contains(_SERIAL) & number.is_between(20_000, 73_050))
        .then((pl.lit(pl.Series([0]).cast(pl.Datetime("us"))).first() - pl.duration(days=25_569)) + _rounded(number))
        .otherwise(None)
    )
    epoch = pl.when(pl.col("folded").str.contains(_EPOCH)).then(
        pl.from_epoch(pl.when(number > 1e11).then(number).otherwise(number * 1000).cast(pl.Int64), time_unit="ms").cast(
            pl.Datetime("us")
        )
    )
    written = pl.when(legal).then(day.cast(pl.Datetime("us")) + clock)
    frame = frame.with_columns(
        written.alias("written"), serial.alias("serial"), epoch.alias("epoch"), offset.cast(pl.Int32).alias("offset")
    )
    local = pl.coalesce("written", "serial", "epoch")
    span = (
        pl.when(pl.col("shape") == 3)
        .then(pl.lit("month"))
        .when(pl.col("shape").is_not_null() & pl.col("h").is_null())
        .then(pl.lit("day"))
        .when(pl.col("h") == 24)
        .then(pl.lit("end"))
        .when(pl.col("written").is_null() & pl.col("serial").is_not_null() & ~pl.col("folded").str.contains(r"\."))
        .then(pl.lit("day"))
        .otherwise(pl.lit("instant"))
    )
    problem = (
        pl.when(pl.col("folded").fill_null("") == "")
        .then(pl.lit("time-blank"))
        .when(pl.col("unsure") & local.is_not_null())
        .then(pl.lit("time-ambiguous"))
        .when(local.is_null())
        .then(pl.lit("time-unreadable"))
    )
    return frame.select(
        "text",
        pl.when(problem.is_null()).then(local).alias("local"),
        pl.when(pl.col("epoch").is_not_null() & pl.col("written").is_null())
        .then(pl.lit(0, pl.Int32))
        .otherwise("offset")
        .alias("offset"),
        span.alias("span"),
        problem.alias("problem"),
    )


def _rounded(days: pl.Expr) -> pl.Expr:
    """Return days of a serial number as a duration, whole seconds."""
    return pl.duration(seconds=(days * 86_400).round().cast(pl.Int64))


def to_instants(times: pl.DataFrame, zone: str, *, fold: str = "order", by: str | None = None) -> pl.DataFrame:
    """Return the instants of local times.

    Parameters
    ----------
    times : DataFrame
        Columns local and offset of `TIME_SCHEMA`; a stated offset counts before the zone.
    zone : str
        Zone of the time zone database, or a fixed offset such as +08:00.
    fold : str
        Which of the two hours is meant when clocks are set back: order (the first of two rows is the first hour), first,
        second, refuse.
    by : str, optional
        Column of what is read out in one order: the meter.

    Returns
    -------
    DataFrame
        at (UTC, null where there is none), problem (no-such-local-time, time-ambiguous-fold, null), guessed (the hour was
        written once and is taken as the first).

    Examples
    --------
    >>> from datetime import datetime
    >>> night = pl.DataFrame({"local": [datetime(2024, 10, 27, 2, 30)] * 2 + [datetime(2024, 3, 31, 2, 30)], "offset": [None] * 3},
    ...                      schema_overrides={"offset": pl.Int32})
    >>> to_instants(night, "Europe/Berlin").select(pl.col("at").dt.hour(), "problem").rows()
    [(0, None), (1, None), (None, 'no-such-local-time')]
    """
    fixed = fixed_offset(zone)
    stated = pl.col("local") - pl.duration(seconds=pl.col("offset"))
    if fixed is not None:
        at = (
            pl.when(pl.col("offset").is_not_null()).then(stated).otherwise(pl.col("local") - pl.duration(seconds=fixed))
        )
        return times.select(
            at.dt.replace_time_zone("UTC").alias("at"),
            pl.lit(None, pl.String).alias("problem"),
            pl.lit(False).alias("guessed"),
        )
    lone = times["offset"].null_count() == times.height
    sure = pl.col("local").dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    at = (
        sure
        if lone
        else pl.when(pl.col("offset").is_not_null()).then(stated.dt.replace_time_zone("UTC")).otherwise(sure)
    )
    frame = times.with_columns(at.alias("at"), pl.lit(None, pl.String).alias("problem"), pl.lit(False).alias("guessed"))
    odd = frame.with_row_index("_n").filter(pl.col("at").is_null() & pl.col("local").is_not_null())
    result = frame.select("at", "problem", "guessed")
    if odd.is_empty():
        return result
    keys = ["local"] if by is None else [by, "local"]
    odd = odd.with_columns(
        pl.int_range(pl.len()).over(keys).alias("_turn"),
        pl.len().over(keys).alias("_times"),
        *(
            pl.col("local")
            .dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
            .dt.convert_time_zone("UTC")
            .alias(which)
            for which in ("earliest", "latest")
        ),
    )
    second = {"first": pl.lit(False), "second": pl.lit(True)}.get(fold, pl.col("_turn") > 0)
    odd = odd.with_columns(
        at=pl.when(second).then("latest").otherwise("earliest")
        if fold != "refuse"
        else pl.lit(None, pl.Datetime("us", "UTC")),
        problem=pl.when(pl.col("earliest").is_null())
        .then(pl.lit("no-such-local-time"))
        .when(pl.lit(fold == "refuse"))
        .then(pl.lit("time-ambiguous-fold")),
        guessed=pl.col("earliest").is_not_null() & (pl.col("_times") == 1) & pl.lit(fold == "order"),
    )
    return (
        result.with_row_index("_n").update(odd.select("_n", "at", "problem", "guessed"), on="_n", how="left").drop("_n")
    )

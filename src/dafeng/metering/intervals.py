"""Readings to intervals: steps of registers with roll-over, replacement and reset; what cannot be used is set aside, not lost.

Engine expressions throughout: DuckDB and Spark run the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import ibis

from dafeng.catalog.metering_schemas import MeterCheck
from dafeng.lake.prepared import prepared
from dafeng.metering.frames import ANY_KIND, HOUR, ZERO, bits_of, bits_together, seconds_of, withheld_bits

__all__ = ["current_readings", "intervals", "readings_set_aside", "row_evidence", "used_readings"]

_COLUMNS: Final = ("meter", "start", "end", "amount", "flags")
_NO_BITS: Final = 0


def current_readings(readings: ibis.Table, *, as_of: ibis.Value | None = None) -> ibis.Table:
    """Return of several readings with one key the one received last.

    Parameters
    ----------
    readings : Table of `READING_SCHEMA`
    as_of : instant, optional
        Readings received later are not yet known.

    Returns
    -------
    Table of `READING_SCHEMA`
        Of two received at one instant the one whose lineage sorts last, then the larger value: the same in any order of rows.
    """
    known = readings if as_of is None else readings.filter(readings.received_at <= as_of)
    order = [known.received_at.desc(), known.lineage.desc(), known.value.desc(), known.origin.desc()]
    window = ibis.window(group_by=["meter", "at", "start"], order_by=order)
    return known.mutate(rank_=ibis.row_number().over(window)).filter(lambda t: t.rank_ == 0).drop("rank_")


@prepared
def used_readings(
    readings: ibis.Table, meters: ibis.Table, checks: Mapping[str, MeterCheck], *, events: ibis.Table | None = None
) -> ibis.Table:
    """Return readings beside their meter, each with the bit of the reason for which it cannot be used, 0 where it can.

    Parameters
    ----------
    readings : Table of `READING_SCHEMA`
        Current ones, one a key.
    meters : Table of `METER_SCHEMA`
        Readings of other meters are left out; `dafeng.metering.quality.unknown_meters` counts them.
    checks : mapping
    events : Table, optional
        As `event_points` gives them.

    Returns
    -------
    Table
        meter, at, start (seconds; start null for a register), value, received (seconds), aside (bit), and the columns of the
        meter. Single readings out of line are found later, among those that can be used.
    """
    seconds = checks["clock"].parameters.get("seconds", 60) if "clock" in checks else 60
    table = readings.select(
        "meter",
        at=seconds_of(readings.at),
        start=seconds_of(readings.start),
        value=readings.value,
        received=seconds_of(readings.received_at),
    ).join(meters.select("meter", "kind", "factor", "modulus", "power", "opens", "closes"), "meter")
    register = table.start.isnull()
    other = ((table.kind == "interval") & register) | ((table.kind == "register") & ~register)
    broken = table.value.isnull() | table.value.isnan() | table.value.isinf()
    outside = register & table.modulus.notnull() & ((table.value < 0) | (table.value >= table.modulus))
    early = (table.at > table.received + int(seconds)) | (~register & (table.start >= table.at))
    reasons = [
        (other.fill_null(False), bits_of(checks, "kind")),
        (broken | outside.fill_null(False), bits_of(checks, "range")),
        (early.fill_null(False), bits_of(checks, "clock")),
    ]
    table = table.mutate(aside=ibis.cases(*reasons, else_=_NO_BITS).cast("int64"))
    if events is None:
        return table
    faults = events.filter(events.kind == "fault").select(fault_meter="meter", fault_from="at", fault_to="until")
    beside = table.left_join(
        faults,
        [table.meter == faults.fault_meter, table.at >= faults.fault_from, table.at < faults.fault_to],
    )
    within = beside.fault_meter.notnull() & beside.start.isnull() & (beside.aside == 0)
    return beside.mutate(aside=ibis.ifelse(within, bits_of(checks, "fault"), beside.aside).cast("int64")).drop(
        "fault_meter", "fault_from", "fault_to"
    )


@prepared
def intervals(
    readings: ibis.Table,
    meters: ibis.Table,
    checks: Mapping[str, MeterCheck],
    *,
    events: ibis.Table | None = None,
    marks: ibis.Table | None = None,
    kinds: Sequence[str] = ANY_KIND,
) -> ibis.Table:
    """Return the intervals of meters: what was used from when to when.

    Parameters
    ----------
    readings : Table of `READING_SCHEMA`
        Current ones, one a key. The first reading of a register opens and gives no interval.
    meters : Table of `METER_SCHEMA`
    checks : mapping
    events : Table, optional
        As `event_points` gives them: a replacement or reset ends the register at `before` and begins it at `after`.
    marks : Table, optional
        As `span_bits` gives them: intervals that touch a span take its bits.
    kinds : sequence of str
        Kinds that the meters have, of `kinds_of`: what none of them needs is left out of the query.

    Returns
    -------
    Table of `INTERVAL_SCHEMA`
        Readings set aside are stepped over, so that the energy of their neighbours is kept. A gap has no interval.
    """
    table = used_readings(readings, meters, checks, events=events)
    usable = table.filter(table.aside == 0)
    registers = usable.filter(usable.start.isnull())
    parts, mixed = [], []
    if "register" in kinds:
        parts.append(_checked(_steps(registers.filter(registers.kind == "register"), checks, events), checks))
    if "" in kinds:
        mixed.append(_checked(_steps(registers.filter(registers.kind == ""), checks, events), checks))
    if "" in kinds or "interval" in kinds:
        mixed.append(_checked(_given(usable.filter(usable.start.notnull()), checks, events), checks))
    if mixed:
        parts.append(_without_overlaps(ibis.union(*mixed, distinct=False) if mixed[1:] else mixed[0], checks))
    chosen = [part.select(*_COLUMNS) for part in parts]
    result = ibis.union(*chosen, distinct=False) if chosen[1:] else chosen[0]
    return result if marks is None else _marked(result, marks)


def _steps(usable: ibis.Table, checks: Mapping[str, MeterCheck], events: ibis.Table | None) -> ibis.Table:
    """Return the steps of registers."""
    rows = _in_line(usable, events)
    stray, skip = (_spike(rows, where, events=events is not None) for where in ("", "1"))
    turns = ibis.literal(0).cast("int64")
    if events is not None:
        turns = rows.turns - ibis.ifelse(skip, rows.turns_2, rows.turns_1)
        stray = stray | rows.begins
    steps = rows.select(
        *("meter", "at", "value", "factor", "modulus", "power", "opens", "closes", "received"),
        value_before=ibis.ifelse(skip, rows.value_2, rows.value_1),
        before=ibis.ifelse(skip, rows.at_2, rows.at_1),
        turns=turns,
        stray=stray,
    )
    steps = steps.filter(~steps.stray & steps.value.notnull() & steps.value_before.notnull())
    share = checks["negative-step"].parameters.get("rollover_share", 0.5) if "negative-step" in checks else 0.5
    step = steps.value - steps.value_before
    wrapped = step + steps.modulus
    plausible = (wrapped <= share * steps.modulus) & (
        steps.power.isnull() | (wrapped * steps.factor <= steps.power * (steps.at - steps.before))
    )
    rolled = ((step < 0) & steps.modulus.notnull() & plausible).fill_null(False)
    turned = (steps.turns > 0) & steps.modulus.notnull()
    fell = (step < 0) & ~rolled & ~turned
    amount = ibis.cases((fell, ibis.null("float64")), (rolled, wrapped), else_=step)
    amount = ibis.ifelse(turned, amount + steps.turns * steps.modulus, amount)
    flags = ibis.cases(
        (fell, bits_of(checks, "negative-step")), (rolled | turned, bits_of(checks, "rollover")), else_=_NO_BITS
    )
    return steps.select(
        "meter",
        "power",
        "opens",
        "closes",
        start=steps.before,
        end=steps.at,
        amount=amount * steps.factor,
        flags=flags.cast("int64"),
        received=steps.received,
        given=ibis.literal(False),
    )


def _in_line(usable: ibis.Table, events: ibis.Table | None) -> ibis.Table:
    """Return readings of registers and the points of events in order, each beside its neighbours.

    Columns value_3 … value_1 before, value_n1, value_n2 after; at_1, at_2; begins: a new register begins here; turns: roll-over
    events so far.
    """
    columns = ["meter", "at", "value", "factor", "modulus", "power", "opens", "closes", "received"]
    rows = usable.select(*columns)
    if events is not None:
        rows = _with_events(rows, events, columns)
    order = ["at"] if events is None else ["at", "place"]
    window = ibis.window(group_by="meter", order_by=order)
    shifts = {"3": -3, "2": -2, "1": -1, "n1": 1, "n2": 2}
    return rows.mutate(
        **{
            f"{name}_{mark}": (rows[name].lag(-by) if by < 0 else rows[name].lead(by)).over(window)
            for mark, by in shifts.items()
            for name in (("value",) if events is None else ("value", "begins"))
        },
        **{
            f"{name}_{by}": rows[name].lag(by).over(window)
            for by in (1, 2)
            for name in (("at",) if events is None else ("at", "turns"))
        },
    )


def _spike(table: ibis.Table, where: str, *, events: bool) -> ibis.Value:
    """Return whether a reading cannot be true: its neighbours agree with one another, and it does not lie between them.

    where: ``""`` for the reading itself, ``"1"`` for the one before it. Of two such readings side by side neither is set aside.
    """
    marks = ["3", "2", "1", "", "n1", "n2"]
    at = marks.index(where)

    def lone(index: int) -> ibis.Value:
        last, own, following = (
            table[f"value_{mark}"] if mark else table.value for mark in marks[index - 1 : index + 2]
        )
        outside = (last <= following) & ((own < last) | (own > following))
        if events:
            begins = [table[f"begins_{mark}"] if mark else table.begins for mark in marks[index - 1 : index + 2]]
            outside = outside & ~begins[1].fill_null(False) & ~begins[2].fill_null(False)
        return outside.fill_null(False)

    return lone(at) & ~lone(at - 1) & ~lone(at + 1)


def _with_events(rows: ibis.Table, events: ibis.Table, columns: list[str]) -> ibis.Table:
    """Return readings and points in one table.

    At one instant stand a reading of the old register at place 0, its end at 1, the new start at 2, a reading of the new at 3.
    """
    points = events.filter(events.kind == "point")
    beside = rows.left_join(
        points.select(point_meter="meter", point_at="at", before="before", after="after"),
        [rows.meter == points.meter, rows.at == points.at],
    )
    nearer = (beside.after - beside.value).abs() <= (beside.before - beside.value).abs()
    new = beside.point_meter.notnull() & (beside.before.isnull() | nearer).fill_null(False)
    readings = beside.select(
        *columns,
        place=ibis.ifelse(new, 3, 0).cast("int8"),
        begins=ibis.literal(False),
        turn=ibis.literal(0).cast("int8"),
    )
    known = rows.group_by("meter").agg(
        **{name: rows[name].max() for name in ("factor", "modulus", "power", "opens", "closes")}
    )
    own = events.join(known, "meter")
    parts = [readings]
    for kind, value, place, begins, turn in (
        ("point", own.before, 1, False, 0),
        ("point", own.after, 2, True, 0),
        ("rollover", ibis.null("float64"), 1, False, 1),
    ):
        chosen = own.kind == kind
        if place == 1 and kind == "point":
            chosen = chosen & own.before.notnull()
        parts.append(
            own.filter(chosen).select(
                "meter",
                "at",
                value=value,
                factor="factor",
                modulus="modulus",
                power="power",
                opens="opens",
                closes="closes",
                received=own.at,
                place=ibis.literal(place).cast("int8"),
                begins=ibis.literal(begins),
                turn=ibis.literal(turn).cast("int8"),
            )
        )
    rows = ibis.union(*parts, distinct=False)
    running = ibis.cumulative_window(group_by="meter", order_by=["at", "place"])
    return rows.mutate(turns=rows.turn.cast("int64").sum().over(running)).filter(lambda t: t.turn == 0)


def _given(usable: ibis.Table, checks: Mapping[str, MeterCheck], events: ibis.Table | None) -> ibis.Table:
    """Return intervals that meters gave as such."""
    rows = usable.select(
        "meter",
        "power",
        "opens",
        "closes",
        start=usable.start,
        end=usable.at,
        amount=usable.value * usable.factor,
        flags=ibis.ifelse(usable.value < 0, bits_of(checks, "negative-step"), _NO_BITS).cast("int64"),
        received=usable.received,
        given=ibis.literal(True),
    )
    if events is None:
        return rows
    faults = (
        events.filter(events.kind == "fault")
        .select("meter", start="at", end="until")
        .mutate(bits=ibis.literal(bits_of(checks, "fault")).cast("int64"))
    )
    return _marked(rows, faults)


def _checked(rows: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return intervals with the bits that they show by themselves: too much power, too long, out of service."""
    seconds = rows.end - rows.start
    long = int(checks["catch-up"].parameters.get("seconds", HOUR)) if "catch-up" in checks else HOUR
    strong = (rows.amount > rows.power * seconds * (1 + 1e-9)) & (seconds > 0)
    out = (rows.end <= rows.opens) | (rows.start >= rows.closes)
    added = (
        _bit(strong, bits_of(checks, "power"))
        + _bit(seconds > long, bits_of(checks, "catch-up"))
        + _bit(out, bits_of(checks, "service"))
    )
    return rows.mutate(flags=rows.flags + added)


def _bit(condition: ibis.Value, bits: int) -> ibis.Value:
    return ibis.ifelse(condition.fill_null(False), bits, _NO_BITS).cast("int64")


def _without_overlaps(mixed: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return intervals, the longer of two that overlap marked; among equals the one received earlier."""
    window = ibis.window(group_by="meter", order_by=["start", "end", "given"])
    beside = mixed.mutate(
        **{
            f"{side}_{name}": getattr(mixed[name], shift)().over(window)
            for side, shift in (("last", "lag"), ("next", "lead"))
            for name in ("start", "end", "received")
        }
    )
    length = beside.end - beside.start

    def worse(side: str) -> ibis.Value:
        other = beside[f"{side}_end"] - beside[f"{side}_start"]
        older = beside.received < beside[f"{side}_received"]
        tied = (beside.received == beside[f"{side}_received"]) & (side == "last")
        return (length > other) | ((length == other) & (older | tied))

    last = (beside.last_end > beside.start) & (length > 0) & (beside.last_end > beside.last_start) & worse("last")
    following = (beside.next_start < beside.end) & (length > 0) & (beside.next_end > beside.next_start) & worse("next")
    lost = last.fill_null(False) | following.fill_null(False)
    return beside.mutate(flags=beside.flags + _bit(lost, bits_of(checks, "overlap")))


def _marked(rows: ibis.Table, marks: ibis.Table) -> ibis.Table:
    """Return intervals with the bits of the spans that they touch."""
    spans = marks.select(span_meter="meter", span_from="start", span_to="end", span_bits="bits")
    touched = rows.join(spans, [rows.meter == spans.span_meter, rows.start < spans.span_to, rows.end > spans.span_from])
    added = touched.group_by(hit_meter=touched.meter, hit_start=touched.start, hit_end=touched.end).agg(
        bits=bits_together(touched.span_bits)
    )
    beside = rows.left_join(
        added, [rows.meter == added.hit_meter, rows.start == added.hit_start, rows.end == added.hit_end]
    )
    return beside.mutate(flags=beside.flags | beside.bits.fill_null(0)).drop(
        "hit_meter", "hit_start", "hit_end", "bits"
    )


@prepared
def readings_set_aside(
    readings: ibis.Table, meters: ibis.Table, checks: Mapping[str, MeterCheck], *, events: ibis.Table | None = None
) -> ibis.Table:
    """Return readings that are not used, with their reason.

    Returns
    -------
    Table
        meter, at (seconds), value, bit, low, high: the readings before and after where it is out of line, else the range.
    """
    table = used_readings(readings, meters, checks, events=events)
    refused = table.filter(table.aside != 0)
    refused = refused.select("meter", "at", "value", bit="aside", low=ZERO, high=refused.modulus)
    lined = _in_line(table.filter((table.aside == 0) & table.start.isnull()), events)
    lone = lined.mutate(stray=_spike(lined, "", events=events is not None)).filter(lambda t: t.stray)
    lone = lone.select(
        "meter", "at", "value", bit=ibis.literal(bits_of(checks, "spike")).cast("int64"), low="value_1", high="value_n1"
    )
    return ibis.union(refused, lone, distinct=False)


def row_evidence(table: ibis.Table, meters: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return intervals to which a check objects or that it marks, one row an interval.

    Parameters
    ----------
    table : Table of `INTERVAL_SCHEMA`
    meters : Table of `METER_SCHEMA`
    checks : mapping

    Returns
    -------
    Table
        The columns of intervals, and power: amount a second at most.
    """
    own = withheld_bits(checks) | bits_of(checks, "rollover", "catch-up", "negative-step")
    chosen = table.filter((table.flags & own) != 0)
    return chosen.join(meters.select("meter", "power"), "meter")

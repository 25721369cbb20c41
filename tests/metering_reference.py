"""Metering once more, in plain Python and one row at a time: a second route that the expressions are held against."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from dafeng.base.meter import Meter
from dafeng.catalog.metering_schemas import EnergyItem, MeterCheck, Treatment

Row = dict[str, Any]
SUMS = ("amount", "spread", "over_day", "over_month", "over_year", "withheld", "covered")
LONGEST = {"spread": 3600, "over_day": 25 * 3600, "over_month": 31 * 86400, "over_year": 366 * 86400}
WIDER = {"day": "over_day", "month": "over_month", "year": "over_year"}


def second(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp() // 1)


class Reference:
    """Readings, meters and events to hours, days, months and items."""

    def __init__(
        self,
        readings: pl.DataFrame,
        meters: pl.DataFrame,
        events: pl.DataFrame | None,
        checks: Mapping[str, MeterCheck],
    ) -> None:
        self.bits = {name: 1 << check.bit for name, check in checks.items()}
        self.held = sum(self.bits[name] for name, one in checks.items() if one.treatment is Treatment.WITHHOLD)
        self.meters = {row["meter"]: row for row in meters.iter_rows(named=True)}
        happened = [] if events is None else events.sort("recorded_at", maintain_order=True).to_dicts()
        self.events = {name: [one for one in happened if one["meter"] == name] for name in self.meters}
        newest: dict[tuple[str, datetime, datetime | None], Row] = {}
        for row in readings.iter_rows(named=True):
            key = (row["meter"], row["at"], row["start"])
            rank = tuple(row[name] for name in ("received_at", "lineage", "value", "origin"))
            if key not in newest or rank > newest[key]["rank"]:
                newest[key] = {**row, "rank": rank}
        self.intervals: list[Row] = []
        for name, meter in self.meters.items():
            self.intervals += self._of_meter(meter, [one for one in newest.values() if one["meter"] == name])

    def _of_meter(self, meter: Row, readings: list[Row]) -> list[Row]:
        faults = [
            (second(e["at"]), second(e["until"]) or 1 << 40)
            for e in self.events[meter["meter"]]
            if e["kind"] == "fault"
        ]
        registers, given = [], []
        for one in readings:
            at, start, value = second(one["at"]), second(one["start"]), one["value"]
            assert at is not None
            if meter["kind"] == ("interval" if start is None else "register"):
                continue
            if (
                value is None
                or value != value
                or value in (float("inf"), -float("inf"))
                or at > second(one["received_at"]) + 60
            ):  # type: ignore[operator]
                continue
            if start is not None:
                if start < at:
                    flags = self.bits["negative-step"] if value < 0 else 0
                    if any(low < at and start < high for low, high in faults):  # type: ignore[operator]
                        flags |= self.bits["fault"]
                    given.append(self._made(meter, start, at, value * meter["factor"], flags, one, given=True))
            elif not (meter["modulus"] is not None and not 0 <= value < meter["modulus"]) and not any(
                low <= at < high
                for low, high in faults  # type: ignore[operator]
            ):
                registers.append((at, value, one))
        steps = self._steps(meter, registers)
        if meter["kind"] == "register":
            return steps
        return self._overlapping(sorted(given + steps, key=lambda one: (one["start"], one["end"], one["given"])))

    def _made(
        self, meter: Row, start: int, end: int, amount: float | None, flags: int, reading: Row | None, *, given: bool
    ) -> Row:
        length = end - start
        if amount is not None and meter["power"] is not None and 0 < meter["power"] * length * (1 + 1e-9) < amount:
            flags |= self.bits["power"]
        if length > 3600:
            flags |= self.bits["catch-up"]
        if end <= meter["opens"] or (meter["closes"] is not None and start >= meter["closes"]):
            flags |= self.bits["service"]
        received = end if reading is None else second(reading["received_at"])
        return {"meter": meter["meter"], "start": start, "end": end, "amount": amount, "flags": flags, "received": received, "given": given}  # fmt: skip

    def _steps(self, meter: Row, registers: list[tuple[int, float, Row]]) -> list[Row]:
        points = {second(e["at"]): e for e in self.events[meter["meter"]] if e["kind"] in ("replacement", "reset")}
        turned = [second(e["at"]) for e in self.events[meter["meter"]] if e["kind"] == "rollover"]
        line: list[tuple[int, int, float | None, Row | None]] = []
        for at, value, row in registers:
            event = points.get(at)
            new = event is not None and (
                event["before"] is None
                or (event["after"] is not None and abs(event["after"] - value) <= abs(event["before"] - value))
            )
            line.append((at, 3 if new else 0, value, row))
        if registers:
            for at, event in points.items():
                assert at is not None
                line += [] if event["before"] is None else [(at, 1, event["before"], None)]
                line.append((at, 2, event["after"], None))
        line.sort(key=lambda one: (one[0], one[1]))

        def begins(index: int) -> bool:
            return line[index][1] == 2

        def lone(index: int) -> bool:
            if not 0 < index < len(line) - 1 or begins(index) or begins(index + 1):
                return False
            last, own, following = (line[one][2] for one in (index - 1, index, index + 1))
            if last is None or own is None or following is None:
                return False
            return last <= following and not last <= own <= following

        alone = [lone(index) for index in range(len(line))]
        stray = [own and not any(alone[max(n - 1, 0) : n] + alone[n + 1 : n + 2]) for n, own in enumerate(alone)]
        made = []
        usable = [entry for entry, out in zip(line, stray, strict=True) if not out]
        for (before, place, low, _), (at, kind, high, row) in pairwise(usable):
            if kind == 2 or low is None or high is None:
                continue
            turns = sum((before, place) < (when, 1) <= (at, kind) for when in turned)
            made.append(self._step(meter, before, at, low, high, turns, row))
        return made

    def _step(self, meter: Row, before: int, at: int, low: float, high: float, turns: int, row: Row | None) -> Row:
        step, modulus, flags = high - low, meter["modulus"], 0
        amount: float | None = step
        if modulus is not None and turns:
            amount, flags = step + turns * modulus, self.bits["rollover"]
            if step < 0 and self._wraps(meter, step + modulus, at - before):
                amount = step + modulus + turns * modulus
        elif step < 0:
            if modulus is not None and self._wraps(meter, step + modulus, at - before):
                amount, flags = step + modulus, self.bits["rollover"]
            else:
                amount, flags = None, self.bits["negative-step"]
        return self._made(
            meter, before, at, None if amount is None else amount * meter["factor"], flags, row, given=False
        )

    @staticmethod
    def _wraps(meter: Row, wrapped: float, seconds: int) -> bool:
        fits = meter["power"] is None or wrapped * meter["factor"] <= meter["power"] * seconds
        return bool(wrapped <= meter["modulus"] / 2 and fits)

    def _overlapping(self, rows: list[Row]) -> list[Row]:
        def worse(own: Row, other: Row, *, last: bool) -> bool:
            lengths = [one["end"] - one["start"] for one in (own, other)]
            if not all(lengths):
                return False
            if lengths[0] != lengths[1]:
                return bool(lengths[0] > lengths[1])
            return bool(own["received"] < other["received"] or (last and own["received"] == other["received"]))

        lost = []
        for index, own in enumerate(rows):
            before = rows[index - 1] if index else None
            after = rows[index + 1] if index + 1 < len(rows) else None
            lost.append(
                (before is not None and before["end"] > own["start"] and worse(own, before, last=True))
                or (after is not None and after["start"] < own["end"] and worse(own, after, last=False))
            )
        return [
            {**one, "flags": one["flags"] | (self.bits["overlap"] if bad else 0)}
            for one, bad in zip(rows, lost, strict=True)
        ]

    @cached_property
    def hours(self) -> dict[tuple[str, int], Row]:
        found: dict[tuple[str, int], Row] = defaultdict(lambda: {**dict.fromkeys(SUMS, 0.0), "flags": 0})
        for one in self.intervals:
            length = one["end"] - one["start"]
            pieces = [(one["start"] // 3600, 0, 1.0)]
            if length:
                pieces = [
                    (hour, part := min(one["end"], hour * 3600 + 3600) - max(one["start"], hour * 3600), part / length)
                    for hour in range(one["start"] // 3600, (one["end"] - 1) // 3600 + 1)
                ]
            for hour, part, share in pieces:
                row = found[one["meter"], hour]
                row["flags"] |= one["flags"]
                if one["amount"] is None:
                    continue
                if one["flags"] & self.held:
                    row["withheld"] += one["amount"] * share
                    continue
                row["amount"] += one["amount"] * share
                row["covered"] += part
                for name, longest in LONGEST.items():
                    row[name] += one["amount"] * share if length > longest else 0.0
        return dict(found)

    def periods(self, by: str, zone: str) -> dict[tuple[str, date], Row]:
        found: dict[tuple[str, date], Row] = defaultdict(lambda: {**dict.fromkeys(SUMS, 0.0), "flags": 0})
        for (meter, hour), row in self.hours.items():
            local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone)).date()
            start = {"day": local, "month": local.replace(day=1), "year": local.replace(month=1, day=1)}[by]
            own = found[meter, start]
            for name in SUMS:
                own[name] += row[WIDER[by] if name == "spread" else name]
            own["flags"] |= row["flags"]
        return dict(found)


def item_rows(
    months: Mapping[str, Row],
    expected: Mapping[str, int],
    weights: Iterable[tuple[str, str, str, float]],
    items: Mapping[str, EnergyItem],
) -> dict[tuple[str, str, str], Row]:
    """Return total and unattributed rows of one month, by building, item and part, from months of meters."""

    def above(item: str) -> list[str]:
        parent = items[item].parent
        return [] if parent is None else [parent, *above(parent)]

    def added(rows: Sequence[Row]) -> Row:
        return {name: sum(row[name] for row in rows) for name in (*SUMS, "expected", "meters", "reporting")}

    nodes: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for meter, building, item, weight in weights:
        if meter not in months and meter not in expected:
            continue
        row = months.get(meter, dict.fromkeys(SUMS, 0.0))
        weighed = {name: row[name] * (1 if name == "covered" else weight) for name in SUMS}
        more = {
            "expected": expected.get(meter, 0),
            "meters": int(expected.get(meter, 0) > 0),
            "reporting": int(row["covered"] > 0),
        }
        nodes[building][item].append({**weighed, **more})
    found: dict[tuple[str, str, str], Row] = {}
    for building, metered in nodes.items():
        own = {item: added(rows) for item, rows in metered.items()}
        heard = {item for item, row in own.items() if row["covered"] > 0}

        def below(top: str, own: dict[str, Row] = own, heard: set[str] = heard) -> list[str]:
            return [one for one in own if top in above(one) and not heard & set(above(one)[: above(one).index(top)])]

        stood = {item for item in own if item not in heard and heard & set(below(item))}
        for item in {one for low in own for one in (low, *above(low))}:
            givers = [one for one in below(item) if one in heard or one not in stood]
            parts, speaks = added([own[one] for one in givers]), bool(heard & set(givers))
            if item in heard:
                found[building, item, "total"] = {**own[item], "basis": "main"}
                if speaks:
                    rest = {name: own[item][name] - parts[name] for name in SUMS if name != "covered"}
                    found[building, item, "unattributed"] = {**own[item], **rest, "basis": "main"}
            elif speaks:
                found[building, item, "total"] = {**parts, "basis": "stand-in" if item in own else "parts"}
            else:
                found[building, item, "total"] = {**own.get(item, parts), "amount": None, "basis": "silent"}
    return found


def weights_of(meters: Iterable[Meter]) -> list[tuple[str, str, str, float]]:
    """Return plain weights of meters without any upstream."""
    return [(meter.id, meter.building, meter.item, meter.rate) for meter in meters]

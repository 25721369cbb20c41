"""Pushed readings: every row's fate, limits, hostile bodies."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from dafeng.base.meter import Meter
from dafeng.base.reading import READING_SCHEMA
from dafeng.intake.pushed import PUSH_FATES, PushLimits, read_push

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
GOOD = {"meter": "m-1", "at": "2026-01-01T08:00:00+08:00", "value": 1.5}


def fate_of(row: Any, **more: Any) -> tuple[str, str | None]:
    pushed = read_push({"batch": "b", "readings": [row], **more}, received_at=NOW)
    assert pushed.status == 200
    return pushed.fates.select("fate", "reason").row(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": "1.5"}, "value-not-a-number"),
        ({"value": True}, "value-not-a-number"),
        ({"value": None}, "value-not-a-number"),
        ({"value": 10**400}, "value-not-finite"),
        ({"meter": ""}, "meter-blank"),
        ({"meter": ["m-1"]}, "meter-blank"),
        ({"meter": "m" * 500}, "meter-blank"),
        ({"at": None}, "time-blank"),
        ({"at": 1704067200.5}, "time-unreadable"),
        ({"at": True}, "time-unreadable"),
        ({"at": 5}, "time-unreadable"),
        ({"meter": "m\n1"}, "meter-unreadable"),
        ({"meter": "\ud800"}, "meter-unreadable"),
        ({"meter": "\x00"}, "meter-unreadable"),
        ({"at": "gestern"}, "time-unreadable"),
        ({"at": "2026-01-01T08:00:00"}, "zone-missing"),
        ({"at": "1905-01-01T08:00:00Z"}, "time-implausible"),
        ({"start": "2026-01-01T08:00:00+08:00"}, "end-not-after-start"),
        ({"start": 5}, "time-unreadable"),
        ({"mark": "x" * 100}, "mark-too-long"),
        ({"unit": 5}, "unit-unknown"),
        ({"wert": 5}, "field-unknown"),
    ],
)
def test_faulty_rows(change: dict[str, Any], reason: str) -> None:
    assert fate_of(GOOD | change) == ("refused", reason)


def test_good_rows() -> None:
    assert fate_of(GOOD) == ("accepted", None)
    assert fate_of(GOOD | {"at": "2026-01-01 08:00:00"}, zone="Asia/Shanghai") == ("accepted", None)
    assert fate_of("x") == ("refused", "row-malformed")


def test_rows_keep_their_order_and_the_last_of_a_key_counts() -> None:
    rows = [GOOD, GOOD | {"value": 2}, {"meter": "m-2"}, GOOD | {"value": 2}]
    pushed = read_push(rows, received_at=NOW)
    assert pushed.fates.select("index", "fate").rows() == [
        (0, "replaced"),
        (1, "duplicate"),
        (2, "refused"),
        (3, "accepted"),
    ]
    assert dict(pushed.fates.schema) == PUSH_FATES
    assert dict(pushed.frame.schema) == READING_SCHEMA
    assert pushed.frame.select("value", "origin").rows() == [(2.0, "push")]
    assert pushed.answer()["counts"] == {"accepted": 1, "duplicate": 1, "refused": 1, "replaced": 1}
    json.dumps(pushed.answer(), ensure_ascii=False)


def test_a_push_without_batch_is_named_after_its_contents() -> None:
    first = read_push([GOOD], received_at=NOW)
    again = read_push(json.dumps([GOOD]).encode(), received_at=NOW)
    other = read_push([GOOD | {"value": 2}], received_at=NOW)
    assert first.batch == again.batch != other.batch
    assert read_push([GOOD], received_at=NOW).frame.equals(again.frame)


def test_units_and_unknown_meters() -> None:
    own = Meter(
        id="m-1", building="370202A001", carrier="electricity", item="01000", unit="kWh", valid_from=date(2020, 1, 1)
    )
    rows = [GOOD | {"unit": "MWh"}, GOOD | {"meter": "m-9"}, GOOD | {"unit": "m3", "at": "2026-01-02T00:00:00Z"}]
    pushed = read_push(rows, received_at=NOW, meters={"m-1": own})
    assert pushed.frame["value"].to_list() == [1500.0]
    assert pushed.fates["reason"].to_list() == [None, "meter-unknown", "unit-mismatch"]
    assert (
        read_push(rows, received_at=NOW, meters={"m-1": own}, keep_unknown=True).fates["fate"].to_list()[1]
        == "accepted"
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"{}", 400),
        (b'{"readings": "x"}', 400),
        (b'{"readings": [], "batch": 7}', 400),
        (b'{"readings": [], "zone": "Mars/Base"}', 400),
        (b"[" * 100_000 + b"]" * 100_000, 413),
        (b'[{"a":' * 50 + b"1" + b"}]" * 50, 413),
        (b" " * 3000, 413),
        (json.dumps([GOOD] * 30).encode(), 413),
    ],
)
def test_hostile_bodies(body: bytes, status: int) -> None:
    limits = PushLimits(size=2000 if body.startswith(b" ") else 8 << 20, readings=20)
    pushed = read_push(body, received_at=NOW, limits=limits)
    assert pushed.status == status
    assert pushed.frame.is_empty()
    assert len(pushed.findings) == 1


def test_nan_in_the_body_is_refused_by_row() -> None:
    pushed = read_push(b'[{"meter":"m-1","at":"2026-01-01T00:00:00Z","value":NaN}]', received_at=NOW)
    assert pushed.fates["reason"].to_list() == ["value-not-finite"]


def test_brackets_within_texts_are_no_depth() -> None:
    pushed = read_push(json.dumps([GOOD | {"mark": "[{" * 20 + '\\"'}]).encode(), received_at=NOW)
    assert pushed.status == 200
    assert pushed.frame.height == 1


def test_seconds_and_milliseconds_of_an_epoch() -> None:
    rows = [GOOD | {"at": 1767225600, "meter": "a"}, GOOD | {"at": 1767225600000, "meter": "b"}]
    pushed = read_push({"readings": rows}, received_at=NOW)
    assert [at.isoformat() for at in pushed.frame["at"]] == ["2026-01-01T00:00:00+00:00"] * 2


@pytest.mark.parametrize("field", ["meter", "at", "start", "unit", "mark", "other"])
def test_half_a_surrogate_pair_in_any_field_has_a_fate(field: str) -> None:
    body = json.dumps([GOOD | {field: "\ud800"}]).encode()
    pushed = read_push(body, received_at=NOW)
    assert (pushed.status, pushed.fates.height) == (200, 1)
    json.dumps(pushed.answer(), ensure_ascii=False).encode()


def test_a_byte_order_mark_is_no_fault() -> None:
    assert read_push(b"\xef\xbb\xbf" + json.dumps([GOOD]).encode(), received_at=NOW).frame.height == 1

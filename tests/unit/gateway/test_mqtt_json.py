"""The JSON of readings: what is taken, what is refused and why, and the schema that says it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dafeng.gateway.mqtt_json import MessageLimits, match_topic, message_schema, read_message

AT = datetime(2026, 11, 20, 1, tzinfo=UTC)
SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "mqtt-readings.schema.json"
TIME = '"time": "2026-11-20T08:00:00+08:00"'


def read(text: str | bytes, *, zone: str = "Asia/Shanghai", **more: int):
    payload = text.encode() if isinstance(text, str) else text
    limits = MessageLimits(**more)
    return read_message(payload, building="B1", gateway="91", zone=zone, received_at=AT, limits=limits)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.50", "1.50"), ('"0012.340"', "0012.340"), ("null", ""), ("-3", "-3"), ("12345678901234567890.5", "12345678901234567890.5"),
     ("1e3", "1E+3"), ('"--"', "--")],
)  # fmt: skip
def test_values_keep_their_digits(value: str, text: str) -> None:
    found = read(f'{{{TIME}, "readings": [{{"meter": "1", "value": {value}}}]}}')
    assert [reading.text for reading in found.packets[0].readings] == [text]


@pytest.mark.parametrize(
    ("time", "zone", "instant"),
    [
        ("2026-11-20T08:00:00+08:00", "Europe/Berlin", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20 08:00", "Asia/Shanghai", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T00:00:00.250Z", "Asia/Shanghai", "2026-11-20T00:00:00.250000+00:00"),
        ("2026-11-20T05:30:00+0530", "Asia/Shanghai", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20", "Asia/Shanghai", None),
        ("2026-13-01T00:00:00Z", "Asia/Shanghai", None),
        ("20.11.2026 08:00", "Asia/Shanghai", None),
        ("2026-10-25 02:30", "Europe/Berlin", None),  # comes twice
        ("2026-03-29 02:30", "Europe/Berlin", None),  # does not come
        ("0001-01-01T00:00:00+08:00", "Asia/Shanghai", None),
    ],
)
def test_times(time: str, zone: str, instant: str | None) -> None:
    found = read(f'{{"time": "{time}", "readings": [{{"meter": "1", "value": 1}}]}}', zone=zone)
    assert [packet.at.isoformat() for packet in found.packets] == ([] if instant is None else [instant])
    assert [finding.name for finding in found.refused] == ([] if instant else ["gateway.mqtt-reading.time"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"", "message.not-json"),
        (b"\xff", "message.not-json"),
        ("[" * 100_000, "message.not-json"),
        ('{"readings": [], "readings": []}', "message.not-json"),
        (f'{{{TIME}, "readings": [{{"meter": "1", "value": NaN}}]}}', "message.not-json"),
        (f'{{{TIME}, "readings": [{{"meter": "1", "value": {"9" * 5000}}}]}}', "message.not-json"),
        ("[1, 2]", "message.form"),
        ('{"readings": []}', "message.form"),
        (f'{{{TIME}, "zone": "+08:00", "readings": [{{"meter": "1", "value": 1}}]}}', "message.form"),
        (f'{{{TIME}, "gateway": "92", "readings": [{{"meter": "1", "value": 1}}]}}', "message.sender-differs"),
        ('{"readings": [{"meter": "1", "value": 1}]}', "reading.time-missing"),
        (f'{{{TIME}, "readings": [{{"meter": "1"}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "", "value": 1}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "1", "value": true}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "1", "value": 1, "unit": "MWh"}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "a\\u001fb", "value": 1}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "\\ud800", "value": 1}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [{{"meter": "1", "value": "{"7" * 70}"}}]}}', "reading.form"),
        (f'{{{TIME}, "readings": [17]}}', "reading.form"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, name: str) -> None:
    found = read(text)
    assert found.packets == ()
    assert [finding.name for finding in found.refused] == [f"gateway.mqtt-{name}"]
    found.refused[0].model_dump_json()


def test_limits() -> None:
    text = f'{{{TIME}, "readings": [{{"meter": "1", "value": 1}}, {{"meter": "2", "value": 1}}]}}'
    assert read(text, readings=2).refused == ()
    assert read(text, readings=1).refused[0].name == "gateway.mqtt-message.oversize"
    assert read(text, size=20).refused[0].name == "gateway.mqtt-message.oversize"


def test_a_message_without_a_name_is_named_after_its_contents() -> None:
    text = f'{{{TIME}, "readings": [{{"meter": "1", "value": 1}}]}}'
    assert read(text).packets[0].sequence == read(text).packets[0].sequence != read(text + " ").packets[0].sequence


@pytest.mark.parametrize(
    "name", ["a/b/readings", "dafeng//1/readings", "dafeng/b/1/readings/x", "dafeng/b/1/other", "dafeng/ /1/readings"]
)
def test_other_topics_do_not_match(name: str) -> None:
    assert match_topic("dafeng/{building}/{gateway}/readings", name) is None


def test_the_schema_in_the_documentation_is_the_one_in_use() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == message_schema(), "dafeng gateway mqtt --schema"

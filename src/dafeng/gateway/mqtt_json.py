"""Readings as JSON in MQTT messages: from bytes to packets and back. No sockets, no clock.

The form::

    {"id": "a1-000123", "time": "2026-11-20T08:00:00+08:00", "readings": [
        {"meter": "01001", "function": "1", "value": 123.45},
        {"meter": "01002", "function": "1", "value": null, "error": "192"},
        {"meter": "01003", "value": "77.10", "time": "2026-11-20 07:45:00"}]}

A reading that is not of the form is refused alone, the others of its message are taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.record import Record
from dafeng.gateway.inputs import InputPacket
from dafeng.gateway.messages import FunctionReading

__all__ = [
    "MessageForm",
    "MessageLimits",
    "MessageRead",
    "ReadingForm",
    "match_topic",
    "message_schema",
    "read_message",
    "refuse_message",
    "topic_filter",
    "write_message",
]

OPERATION: Final = "mqtt"
_LONGEST: Final = 64
_SHOWN: Final = 2_000
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.]\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_PLACES: Final = ("{building}", "{gateway}")


def _text(value: object) -> object:
    """Return a text without blanks around it, and a whole number as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("a text or a whole number")
    if _CONTROL.search(value):
        raise ValueError("a text without control characters")
    return value.strip()


def _value(value: object) -> object:
    """Return a number as text, with the digits it was written with."""
    return str(value) if isinstance(value, Decimal) else "" if value is None else _text(value)


_Name = Annotated[
    str,
    BeforeValidator(_text),
    Field(max_length=_LONGEST),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": _LONGEST}, {"type": "integer"}]}),
]
_Meter = Annotated[
    str,
    BeforeValidator(_text),
    Field(min_length=1, max_length=_LONGEST),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": _LONGEST}, {"type": "integer"}]}),
]
_Value = Annotated[
    str,
    BeforeValidator(_value),
    Field(max_length=_LONGEST),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "maxLength": _LONGEST}, {"type": "null"}]}),
]
_Time = Annotated[
    str,
    Field(max_length=40),
    WithJsonSchema({"type": "string", "pattern": f"^{_TIME.pattern}$", "examples": ["2026-11-20T08:00:00+08:00"]}),
]


class ReadingForm(Record):
    """One reading of a message.

    Examples
    --------
    >>> ReadingForm.model_validate({"meter": " 01001", "function": 1, "value": Decimal("1.50")}).value
    '1.50'
    """

    meter: _Meter
    """Meter number within the gateway, as the ledger of meters has it."""
    function: _Name = ""
    """Function number within the meter; left out where the meter sends a single value."""
    value: _Value
    """Register or value as the meter gave it, before any multiplier; null where there is none. A text keeps digits that a number
    would lose; one that is no number is stored as no value, with its text in the mark."""
    error: _Name = ""
    """Error mark of the sender; left out, blank or 0 where the value is sound."""
    coding: _Name = ""
    """Energy code that the sender puts on it."""
    time: _Time | None = None
    """Instant of this reading, where it is not that of the message."""


class MessageForm(Record):
    """A message without its readings being looked at."""

    id: _Name = ""
    """Name of the message; stands in the lineage of its readings. Without one it is named after its contents."""
    building: _Name = ""
    """Building code; where given it is that of the topic."""
    gateway: _Name = ""
    """Gateway number; where given it is that of the topic."""
    time: _Time | None = None
    """Instant of every reading that has none of its own: ISO 8601 with an offset, or local in the zone of the gateway."""
    readings: list[Any] = Field(min_length=1)
    """The readings."""


class MessageLimits(NamedTuple):
    """How much one message may hold."""

    size: int = 1 << 20
    """Bytes."""
    readings: int = 10_000
    """Readings."""


class MessageRead(NamedTuple):
    """What a message says.

    Parameters
    ----------
    packets : tuple of InputPacket
        One for each instant, in the order in which they stand.
    refused : tuple of Finding
        What was not taken: the whole message, or readings of it, each with its text in `value`.
    """

    packets: tuple[InputPacket, ...]
    refused: tuple[Finding, ...]


def message_schema() -> dict[str, Any]:
    """Return the form as a JSON Schema; it stands in ``docs/reference/mqtt-readings.schema.json``.

    Examples
    --------
    >>> schema = message_schema()
    >>> schema["required"], schema["properties"]["readings"]["items"]["required"]
    (['readings'], ['meter', 'value'])
    """
    schema = MessageForm.model_json_schema()
    reading = ReadingForm.model_json_schema()
    schema["properties"]["readings"]["items"] = reading
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "dafeng readings"
    schema["description"] = "Readings of one gateway, the payload of an MQTT message."
    return schema


def topic_filter(topic: str) -> str:
    """Return what to subscribe to for a topic with places for building and gateway.

    Examples
    --------
    >>> topic_filter("dafeng/{building}/{gateway}/readings")
    'dafeng/+/+/readings'
    """
    return "/".join("+" if level in _PLACES else level for level in topic.split("/"))


def match_topic(topic: str, name: str) -> tuple[str, str] | None:
    """Return building and gateway of the name of a message's topic; None where it is another.

    Examples
    --------
    >>> match_topic("dafeng/{building}/{gateway}/readings", "dafeng/370202A001/01/readings")
    ('370202A001', '01')
    >>> match_topic("dafeng/{building}/{gateway}/readings", "dafeng/370202A001/readings")
    """
    wanted, given = topic.split("/"), name.split("/")
    if len(wanted) != len(given):
        return None
    found: dict[str, str] = {}
    for level, text in zip(wanted, given, strict=True):
        if level in _PLACES:
            found[level[1:-1]] = text
        elif level != text:
            return None
    if any(not text.strip() or _CONTROL.search(text) or len(text) > _LONGEST for text in found.values()):
        return None
    return found["building"], found["gateway"]


def read_message(
    payload: bytes,
    *,
    building: str,
    gateway: str,
    zone: str,
    received_at: datetime,
    limits: MessageLimits | None = None,
) -> MessageRead:
    """Return the packets of a message. Never raises for what a sender may send.

    Parameters
    ----------
    payload : bytes
        UTF-8 JSON.
    building, gateway : str
        Of the topic.
    zone : str
        Of times without an offset.
    received_at : datetime
        Aware.
    limits : MessageLimits, optional

    Examples
    --------
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> body = b'{"id": 7, "time": "2026-11-20 08:00", "readings": [{"meter": "1", "value": 1.50}, {"meter": "2"}]}'
    >>> read = read_message(body, building="b", gateway="01", zone="Asia/Shanghai", received_at=at)
    >>> read.packets[0].at.isoformat(), read.packets[0].readings[0].text
    ('2026-11-20T00:00:00+00:00', '1.50')
    >>> [(finding.name, finding.evidence["item"]) for finding in read.refused]
    [('gateway.mqtt-reading.form', 1)]
    """
    limits = limits or MessageLimits()
    if len(payload) > limits.size:
        return _whole("oversize", f"消息有 {len(payload)} 字节", payload, f"至多 {limits.size} 字节", "分成几条发送")
    try:
        data = json.loads(payload, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError, ArithmeticError) as error:
        return _whole("not-json", f"消息不是 JSON：{error}", payload, "UTF-8 的 JSON 对象", "改正发送方的编码")
    try:
        message = MessageForm.model_validate(data)
    except ValidationError as error:
        return _whole("form", f"消息不合格式：{_faults(error)}", payload, "见 JSON Schema", "改正发送方的格式")
    for name, said, named in (("building", message.building, building), ("gateway", message.gateway, gateway)):
        if said and said != named:
            return _whole("sender-differs", f"{name} 为「{said}」，主题中为「{named}」", payload, named, "两处写一致")
    if len(message.readings) > limits.readings:
        return _whole(
            "oversize", f"有 {len(message.readings)} 个读数", payload, f"至多 {limits.readings} 个", "分成几条发送"
        )
    sequence = message.id or hashlib.sha256(payload).hexdigest()[:16]
    return _readings(message, InputPacket(building, gateway, OPERATION, sequence, received_at, received_at, ()), zone)


def _readings(message: MessageForm, blank: InputPacket, zone: str) -> MessageRead:
    instants: dict[str, datetime | None] = {}
    found: dict[datetime, list[FunctionReading]] = {}
    refused: list[Finding] = []
    for number, item in enumerate(message.readings):
        try:
            form = ReadingForm.model_validate(item)
        except ValidationError as error:
            refused.append(_one("form", f"第 {number + 1} 个读数不合格式：{_faults(error)}", number, item))
            continue
        said = form.time if form.time is not None else message.time
        if said is None:
            refused.append(_one("time-missing", f"第 {number + 1} 个读数没有时间", number, item))
            continue
        if said not in instants:
            instants[said] = _instant(said, zone)
        at = instants[said]
        if at is None:
            refused.append(_one("time", f"第 {number + 1} 个读数的时间「{said}」读不出", number, item))
            continue
        found.setdefault(at, []).append(FunctionReading(form.meter, form.function, form.coding, form.error, form.value))
    packets = tuple(blank._replace(at=at, readings=tuple(readings)) for at, readings in found.items())
    return MessageRead(packets, tuple(refused))


def _instant(text: str, zone: str) -> datetime | None:
    """Return the instant that a time means; None where it means none, or two."""
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        early, late = (found.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
        if early.utcoffset() != late.utcoffset():  # the hour that the clock skips, or the one that it shows twice
            return None
        return early.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_message(packets: Sequence[InputPacket]) -> bytes:
    """Return the message that says what packets of one gateway and one sequence hold.

    Values stand as text, so that no digit is lost.

    Examples
    --------
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> packet = InputPacket("b", "01", "mqtt", "7", at, at, (FunctionReading("1", "2", "", "", "1.50"),))
    >>> read_message(write_message([packet]), building="b", gateway="01", zone="UTC", received_at=at).packets[0] == packet
    True
    """
    first = packets[0]
    readings = []
    for packet in packets:
        for reading in packet.readings:
            said: dict[str, str | None] = {"meter": reading.meter, "value": reading.text or None}
            said |= {name: getattr(reading, name) for name in ("function", "error", "coding") if getattr(reading, name)}
            if packet.at != first.at:
                said["time"] = packet.at.isoformat()
            readings.append(said)
    document = {
        "id": first.sequence,
        "building": first.building,
        "gateway": first.gateway,
        "time": first.at.isoformat(),
        "readings": readings,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def refuse_message(problem: str, sentence: str, payload: bytes, expected: str, next_step: str) -> Finding:
    """Return the finding that says why a whole message is refused, with the beginning of its text."""
    return Finding(
        name=f"gateway.mqtt-message.{problem}",
        sentence=sentence[:_SHOWN],
        severity=Severity.WARNING,
        value=_CONTROL.sub(" ", payload[:_SHOWN].decode(errors="replace")),
        expected=expected,
        next_step=next_step,
        evidence={"bytes": len(payload)},
    )


def _whole(problem: str, sentence: str, payload: bytes, expected: str, next_step: str) -> MessageRead:
    return MessageRead((), (refuse_message(problem, sentence, payload, expected, next_step),))


def _one(problem: str, sentence: str, number: int, item: object) -> Finding:
    expected, next_step = {
        "form": ("meter、value，另可有 function、error、coding、time", "按 JSON Schema 改正这个读数"),
        "time-missing": ("读数或消息的 time", "补上时间"),
        "time": ("如 2026-11-20T08:00:00+08:00，或网关当地唯一的时刻", "写成带时差的时间"),
    }[problem]
    fields = item if isinstance(item, dict) else {}
    text = json.dumps(item, ensure_ascii=False, default=str)
    return Finding(
        name=f"gateway.mqtt-reading.{problem}",
        sentence=sentence[:_SHOWN],
        severity=Severity.WARNING,
        value=_CONTROL.sub(" ", text[:_SHOWN]),
        expected=expected,
        next_step=next_step,
        where=Location(field=f"readings.{number}"),
        evidence={
            "item": number,
            "meter": _CONTROL.sub(" ", str(fields.get("meter", "")))[:_LONGEST],
            "function": _CONTROL.sub(" ", str(fields.get("function", "")))[:_LONGEST],
        },
    )


def _faults(error: ValidationError) -> str:
    said = [f"{'.'.join(map(str, fault['loc'])) or '整体'}：{fault['msg']}" for fault in error.errors()[:5]]
    return _CONTROL.sub(" ", "；".join(said))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} 不是 JSON 的数")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("一个对象中有重复的字段")
    return found

"""Messages to XML bodies, laid out as the gateways of a profile do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from dafeng.base.errors import InputError
from dafeng.gateway import messages as m
from dafeng.gateway.profile import Profile

__all__ = ["write_body", "write_time"]

_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_SHOWN: Final = 60


def write_time(time: datetime) -> str:
    """Return a local time as yyyyMMddHHmmss.

    Examples
    --------
    >>> write_time(datetime(2024, 1, 1, 12))
    '20240101120000'
    """
    return f"{time.year:04d}{time.month:02d}{time.day:02d}{time.hour:02d}{time.minute:02d}{time.second:02d}"


class _Element(NamedTuple):
    """An element to write."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    content: str | tuple[_Element, ...] = ""


def write_body(message: m.Message, profile: Profile) -> bytes:
    """Return a message as the XML body that the gateways of a profile write, in UTF-8.

    Raises
    ------
    InputError
        A text holds a character that XML cannot, or a fact's name is no element name.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> profile = load_catalog().gateway_profiles["N-ZJ"]
    >>> print(write_body(m.Challenge(m.Common("330302D110", "01"), "25247777"), profile).decode())
    <root>
      <common>
        <building_id>330302D110</building_id>
        <gateway_id>01</gateway_id>
        <type>sequence</type>
      </common>
      <id_validate operation="sequence">
        <sequence>25247777</sequence>
      </id_validate>
    </root>
    """
    operation = profile.name(message.operation)
    element = profile.name(message.element)
    common = _Element(
        "common",
        content=(
            _Element(profile.identity, content=message.common.building),
            _Element("gateway_id", content=message.common.gateway),
            _Element(
                "type", content=message.common.type or (operation if profile.type_names == "operation" else element)
            ),
        ),
    )
    body = _Element(element, (("operation", operation),), tuple(_children(message, profile)))
    layout = profile.layout
    newline = "\n" if layout.indent else ""
    parts = [layout.declaration + newline if layout.declaration else ""]
    _write(_Element("root", content=(common, body)), 0, profile, parts)
    text = "".join(parts).removesuffix("\n")
    bad = _ILLEGAL.search(text)
    if bad:
        raise InputError(
            f"character U+{ord(bad[0]):04X}",
            doing=f"write a message {message.element}/{message.operation}",
            expected="characters that XML 1.0 allows",
            next_step="take it out of the value",
        )
    return text.encode("utf-8")


def _write(element: _Element, level: int, profile: Profile, parts: list[str]) -> None:
    layout = profile.layout
    margin, newline = " " * (layout.indent * level), "\n" if layout.indent else ""
    head = element.name + "".join(f' {name}="{_attribute(value)}"' for name, value in element.attributes)
    if not element.content:
        blank = {
            "short": f"<{head}/>",
            "pair": f"<{head}></{element.name}>",
            "spaced_pair": f"<{head} ></{element.name}>",
        }
        parts.append(margin + blank[layout.empty] + newline)
    elif isinstance(element.content, str):
        parts.append(f"{margin}<{head}>{_escaped(element.content)}</{element.name}>{newline}")
    else:
        parts.append(f"{margin}<{head}>{newline}")
        for child in element.content:
            _write(child, level + 1, profile, parts)
        parts.append(f"{margin}</{element.name}>{newline}")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _attribute(text: str) -> str:
    return _escaped(text).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")


def _result(passed: bool, profile: Profile) -> _Element:
    return _Element("result", content=profile.name("pass") if passed else profile.name("fail"))


def _children(message: m.Message, profile: Profile) -> Iterator[_Element]:
    """Give the content of the body element."""
    match message:
        case m.LoginRequest() | m.Query():
            return
        case m.Challenge():
            yield _Element("sequence", content=message.sequence)
        case m.Answer():
            yield _Element("md5", content=message.md5)
        case m.LoginResult():
            yield _result(message.passed, profile)
            if message.time is not None:
                yield _Element("time", content=write_time(message.time))
        case m.HeartBeat():
            if message.notify:
                yield _Element("notify", content=message.notify)
        case m.TimeAnswer():
            yield _Element("time", content=write_time(message.time))
        case m.Report():
            yield from _report_children(message, profile)
        case m.ReportAck():
            yield _Element("sequence", content=message.sequence)
            yield _result(message.passed, profile)
        case m.SetPeriod():
            yield _Element("period", content=str(message.minutes))
        case m.PeriodAck() | m.DeviceAck() | m.ArchivesAck():
            yield _result(message.passed, profile)
        case m.DeviceNote():
            yield from _facts(message.facts)
        case m.Archives():
            yield from _archive_children(message)
        case m.Control() | m.ControlAck():
            yield _Element("idx", content=message.index)
            yield _Element("meterId", content=message.meter)
            if isinstance(message, m.ControlAck):
                yield _Element("err", content=message.error)
            yield _Element("data", content=message.data)


def _facts(facts: tuple[tuple[str, str], ...]) -> Iterator[_Element]:
    for name, text in facts:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"fact {name[:_SHOWN]!r}",
                doing="write the description of a gateway or building",
                expected="an element name",
                next_step="rename the fact",
            )
        yield _Element(name, content=text)


def _report_children(report: m.Report, profile: Profile) -> Iterator[_Element]:
    yield _Element("sequence", content=report.sequence)
    if report.parser is not None:
        yield _Element(profile.name("parser"), content="yes" if report.parser else "no")
    yield _Element("time", content=write_time(report.at))
    for name, number in (("total", report.total), ("current", report.current)):
        if number is not None:
            yield _Element(name, content=str(number))
    start = 0
    for place in range(1, len(report.readings) + 1):
        if place == len(report.readings) or report.readings[place].meter != report.readings[start].meter:
            yield _Element(
                "meter",
                (("id", report.readings[start].meter),),
                tuple(
                    _Element(
                        "function", (("id", part.function), ("coding", part.coding), ("error", part.error)), part.text
                    )
                    for part in report.readings[start:place]
                ),
            )
            start = place


def _archive_children(archives: m.Archives) -> Iterator[_Element]:
    if archives.building:
        yield _Element("build_info", content=tuple(_facts(archives.building)))
    if archives.period is not None:
        yield _Element("net_info", content=(_Element("period", content=str(archives.period)),))
    if archives.protocols:
        yield _Element(
            "protocol_info",
            content=tuple(
                _Element(
                    "protocol",
                    (("id", protocol.id), ("type", protocol.type), ("type188", protocol.type188)),
                    tuple(_Element("item", (("fnId", item),)) for item in protocol.items),
                )
                for protocol in archives.protocols
            ),
        )
    if archives.meters:
        yield _Element(
            "meter_info",
            content=tuple(
                _Element(
                    "meter",
                    (
                        ("mType", meter.kind),
                        ("com", meter.port),
                        ("addr", meter.address),
                        ("meterId", meter.meter),
                        ("memo", meter.memo),
                        ("sampleId", meter.sample),
                        ("code", meter.code),
                    ),
                )
                for meter in archives.meters
            ),
        )

"""XML bodies to messages.

Hardened: no document type, no entities, bounded size, depth and number of elements; the parser is expat, whose memory ends with
the document (libxml2 keeps every name that it ever saw). Forgiving: synonyms, a declared encoding that is not the real one,
operations that only the common part names, reports without an operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from dafeng.gateway import messages as m

__all__ = ["BodyFault", "heard_spelling", "read_body", "read_element", "read_time"]

_DEPTH: Final = 8
_ELEMENTS: Final = 40_000
_SHOWN: Final = 60
_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}\?>")
_PASSED: Final = frozenset({"pass", "1", "true", "yes", "ok", "success"})
_ELEMENT_OF: Final = {"heat_beat": "heart_beat"}
_OPERATION_OF: Final = {"data_ack": "report_ack"}
_CHILD_OF: Final = {"parse": "parser"}
_SPELT: Final = {b"heat_beat": "heart_beat", b"parse": "parser", b"data_ack": "report_ack"}
_OTHERWISE: Final = re.compile(rb"<(heat_beat|parse|data_ack)[\s/>]")
_SPELLING_WITHIN: Final = 4096


class BodyFault(NamedTuple):
    """A body that gives no message."""

    name: str
    """size, encoding, document-type, syntax, depth, elements, root, common, operation, field."""
    detail: str
    """With which value."""


class _RefusedError(Exception):
    """Raised inside the parser's handlers."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = BodyFault(name, detail)


class _Node:
    """An element as read: name, attributes, children, own text."""

    __slots__ = ("attributes", "children", "name", "parts")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Node] = []
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        """Its own text, stripped."""
        return "".join(self.parts).strip()

    def said(self, attribute: str) -> str:
        """Return an attribute, stripped; blank where there is none."""
        return self.attributes.get(attribute, "").strip()

    def first(self, *names: str) -> str | None:
        """Return the text of the first child of one of these names, stripped; None where there is none."""
        return next((child.text for child in self.children if child.name in names), None)

    def below(self, name: str) -> Iterator[_Node]:
        """Give all descendants of that name."""
        for child in self.children:
            if child.name == name:
                yield child
            else:
                yield from child.below(name)


def _tree(text: str) -> _Node:
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    top = _Node("", {})
    path = [top]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(path) > _DEPTH:
            raise _RefusedError("depth", f"elements nested deeper than {_DEPTH}")
        if count > _ELEMENTS:
            raise _RefusedError("elements", f"more than {_ELEMENTS} elements")
        name = name.rpartition(":")[2]
        node = _Node(_CHILD_OF.get(name, name), attributes)
        path[-1].children.append(node)
        path.append(node)

    def end(_name: str) -> None:
        path.pop()

    def characters(part: str) -> None:
        path[-1].parts.append(part)

    def document_type(*_said: object) -> None:
        raise _RefusedError("document-type", "the body has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise _RefusedError("syntax", str(error)) from error
    return top.children[0]


def _text(xml: bytes) -> str:
    """Return the body without declaration: UTF-8, else GB 18030, whatever is declared (senders declare one and write the other)."""
    plain = xml.removeprefix(b"\xef\xbb\xbf").lstrip()
    declared = _DECLARED.match(plain)
    if declared:
        plain = plain[declared.end() :]
    for encoding in ("utf-8", "gb18030"):
        try:
            return plain.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _RefusedError("encoding", "neither UTF-8 nor GB 18030")


def read_body(xml: bytes, *, most: int = 1 << 20) -> m.Message | BodyFault:
    """Return the message that a plain body holds.

    Parameters
    ----------
    xml : bytes
        UTF-8 or GB 18030, padding already off.
    most : int
        Bytes from which a body is refused.

    Returns
    -------
    Message or BodyFault
        Never an exception, whatever the bytes.

    Examples
    --------
    >>> read_body(b'<root><common><building_id>330302D110</building_id><gateway_id>01</gateway_id><type>notify</type></common>'
    ...           b'<heat_beat operation="notify"/></root>')
    HeartBeat(common=Common(building='330302D110', gateway='01', type=''), notify='')
    >>> read_body(b"<root/>")
    BodyFault(name='common', detail='no element common')
    """
    if len(xml) > most:
        return BodyFault("size", f"{len(xml)} bytes, at most {most}")
    try:
        return _message(_tree(_text(xml)))
    except _RefusedError as refused:
        return refused.fault


def read_element(xml: bytes, name: str, *, most: int = 1 << 20) -> tuple[Mapping[str, str], dict[str, str]] | BodyFault:
    """Return attributes, and the texts of the children by name, of the first element of that name below the root.

    For bodies that are none of a gateway's, as hardened as `read_body`.

    Examples
    --------
    >>> read_element(b'<root><upload operation="finish"><sha256>ab</sha256></upload></root>', "upload")
    ({'operation': 'finish'}, {'sha256': 'ab'})
    >>> read_element(b"<root/>", "upload")
    BodyFault(name='operation', detail='no element upload')
    """
    if len(xml) > most:
        return BodyFault("size", f"{len(xml)} bytes, at most {most}")
    try:
        root = _tree(_text(xml))
    except _RefusedError as refused:
        return refused.fault
    found = next((child for child in root.children if child.name == name), None)
    if found is None:
        return BodyFault("operation", f"no element {name}")
    return found.attributes, {child.name: child.text for child in found.children}


def heard_spelling(xml: bytes) -> dict[str, str]:
    """Return the canonical names that a body writes otherwise, with how it writes them.

    Examples
    --------
    >>> heard_spelling(b'<heat_beat operation="notify"/>')
    {'heart_beat': 'heat_beat'}
    """
    return {_SPELT[found[1]]: found[1].decode() for found in _OTHERWISE.finditer(xml, 0, _SPELLING_WITHIN)}


def _message(root: _Node) -> m.Message:
    if root.name != "root":
        raise _RefusedError("root", f"the root element is {root.name[:_SHOWN]!r}")
    part = next((child for child in root.children if child.name == "common"), None)
    if part is None:
        raise _RefusedError("common", "no element common")
    types = [child.text for child in part.children if child.name == "type"]
    bodies = [child for child in root.children if child is not part]
    named = [(body, _operation(body, types)) for body in bodies]
    known = [pair for pair in named if pair[1] in _READERS]
    if not known:
        said = "、".join(f"{body.name}/{operation}" for body, operation in named) or "no body element"
        raise _RefusedError("operation", said[:_SHOWN])
    body, operation = next((pair for pair in known if pair[1] == "notify"), known[0])
    common = m.Common(
        part.first("building_id", "project_id") or "",
        part.first("gateway_id") or "",
        _odd_type(types, operation, body.name),
    )
    return _READERS[operation](common, body, operation)


def _operation(body: _Node, types: list[str]) -> str:
    """Return the operation of a body element: its own, else the one that the common part names, else what its content says."""
    own = body.said("operation")
    own = _OPERATION_OF.get(own, own)
    if own in _READERS:
        return own
    for said in types:
        canonical = _OPERATION_OF.get(said, said)
        if canonical in _READERS and _ELEMENTS_OF[canonical] == _ELEMENT_OF.get(body.name, body.name):
            return canonical
    if not own and body.name == "data" and any(body.below("meter")):
        return "report"
    if not own and _ELEMENT_OF.get(body.name, body.name) == "heart_beat":
        return "notify"
    return own


def _odd_type(types: list[str], operation: str, element: str) -> str:
    if not types:
        return ""
    said = _OPERATION_OF.get(types[0], types[0])
    usual = {operation, element, _ELEMENT_OF.get(element, element), _ELEMENTS_OF[operation], ""}
    return "" if said in usual else types[0]


def read_time(text: str) -> datetime | None:
    """Return the local time that a text of 14 digits says, with separators or without; None where it says none.

    Examples
    --------
    >>> read_time("20240101120000"), read_time("2024-01-01 12:00:00") == read_time("20240101120000"), read_time("20241301000000")
    (datetime.datetime(2024, 1, 1, 12, 0), True, None)
    """
    digits = re.sub(r"[-:/T ]", "", text.strip())
    if len(digits) != 14 or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return datetime(
            int(digits[:4]), int(digits[4:6]), int(digits[6:8]), int(digits[8:10]), int(digits[10:12]), int(digits[12:])
        )
    except ValueError:
        return None


def _needed(body: _Node, *names: str) -> str:
    text = body.first(*names)
    if not text:
        raise _RefusedError("field", f"{body.name} has no {names[0]}")
    return text


def _time(body: _Node) -> datetime:
    text = _needed(body, "time")
    time = read_time(text)
    if time is None:
        raise _RefusedError("field", f"time {text[:_SHOWN]!r}")
    return time


def _integer(text: str | None) -> int | None:
    return int(text) if text and _INTEGER.fullmatch(text) else None


def _passed(body: _Node, operation: str) -> bool:
    text = body.first("result", operation, "report_ack", "data_ack", "ack")
    return (body.text if text is None else text).lower() in _PASSED


def _login_result(common: m.Common, body: _Node, _operation: str) -> m.Message:
    text = body.first("time")
    return m.LoginResult(common, _passed(body, "result"), read_time(text) if text else None)


def _report(common: m.Common, body: _Node, operation: str) -> m.Message:
    kind: m.ReportKind = "continuous" if operation == "continuous" else "reply" if operation == "reply" else "report"
    said = body.first("parser")
    return m.Report(
        common=common,
        operation=kind,
        sequence=body.first("sequence") or "",
        at=_time(body),
        readings=tuple(reading for meter in body.below("meter") for reading in _readings(meter)),
        parser=None if not said else said.lower() in _PASSED,
        total=_integer(body.first("total")),
        current=_integer(body.first("current")),
    )


def _readings(meter: _Node) -> list[m.FunctionReading]:
    name = meter.said("id")
    found = [
        m.FunctionReading(
            name,
            function.said("id"),
            function.said("coding"),
            function.said("error"),
            function.text,
        )
        for function in meter.children
        if function.name == "function"
    ]
    return found or [m.FunctionReading(name, "", text=meter.text)]


def _ack(common: m.Common, body: _Node, operation: str) -> m.Message:
    kind: Any = operation
    return m.ReportAck(common, kind, body.first("sequence") or "", _passed(body, operation))


def _period(common: m.Common, body: _Node, _operation: str) -> m.Message:
    text = _needed(body, "period")
    minutes = _integer(text)
    if minutes is None:
        raise _RefusedError("field", f"period {text[:_SHOWN]!r}")
    return m.SetPeriod(common, minutes)


def _archives(common: m.Common, body: _Node, _operation: str) -> m.Message:
    building = next(body.below("build_info"), None)
    net = next(body.below("net_info"), None)
    return m.Archives(
        common,
        building=() if building is None else tuple((child.name, child.text) for child in building.children),
        period=None if net is None else _integer(net.first("period")),
        protocols=tuple(
            m.ArchiveProtocol(
                id=protocol.said("id"),
                type=protocol.said("type"),
                type188=protocol.said("type188"),
                items=tuple(item.said("fnId") for item in protocol.below("item")),
            )
            for part in body.below("protocol_info")
            for protocol in part.below("protocol")
        ),
        meters=tuple(
            m.ArchiveMeter(*(meter.said(name) for name in _ARCHIVE_METER))
            for part in body.below("meter_info")
            for meter in part.below("meter")
        ),
    )


_ARCHIVE_METER: Final = ("meterId", "mType", "com", "addr", "memo", "sampleId", "code")
_Reader = Callable[[m.Common, _Node, str], m.Message]
_READERS: Final[dict[str, _Reader]] = {
    "request": lambda common, _body, _operation: m.LoginRequest(common),
    "sequence": lambda common, body, _operation: m.Challenge(common, _needed(body, "sequence")),
    "md5": lambda common, body, _operation: m.Answer(common, _needed(body, "md5")),
    "result": _login_result,
    "notify": lambda common, body, _operation: m.HeartBeat(common, body.first("notify") or ""),
    "time": lambda common, body, _operation: m.TimeAnswer(common, _time(body)),
    "query": lambda common, _body, _operation: m.Query(common),
    "reply": _report,
    "report": _report,
    "continuous": _report,
    "report_ack": _ack,
    "continuous_ack": _ack,
    "period": _period,
    "period_ack": lambda common, body, operation: m.PeriodAck(common, _passed(body, operation)),
    "device": lambda common, body, _operation: m.DeviceNote(
        common, tuple((child.name, child.text) for child in body.children)
    ),
    "device_ack": lambda common, body, operation: m.DeviceAck(common, _passed(body, operation)),
    "archives": _archives,
    "archives_ack": lambda common, body, operation: m.ArchivesAck(common, _passed(body, operation)),
    "control": lambda common, body, _operation: m.Control(
        common, *(body.first(name) or "" for name in ("idx", "meterId", "data"))
    ),
    "control_ack": lambda common, body, _operation: m.ControlAck(
        common, *(body.first(name) or "" for name in ("idx", "meterId", "err", "data"))
    ),
}
_ELEMENTS_OF: Final = {
    **dict.fromkeys(("request", "sequence", "md5", "result"), "id_validate"),
    **dict.fromkeys(("notify", "time"), "heart_beat"),
    **dict.fromkeys(("query", "reply", "report", "continuous", "report_ack", "continuous_ack"), "data"),
    **dict.fromkeys(("period", "period_ack"), "config"),
    **dict.fromkeys(("device", "device_ack"), "device"),
    **dict.fromkeys(("archives", "archives_ack"), "archives"),
    **dict.fromkeys(("control", "control_ack"), "control"),
}

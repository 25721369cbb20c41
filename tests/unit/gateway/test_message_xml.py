"""Bodies as senders write them, and bodies that are refused."""

import resource
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest

from dafeng.base.errors import InputError
from dafeng.gateway import messages as m
from dafeng.gateway.message_xml import BodyFault, heard_spelling, read_body, write_body
from gateway_builders import COMMON, LOCAL, PROFILES, report


def body(inside, *, kind="report", identity="<building_id>330302D110</building_id>", before=""):
    common = f"<common>{identity}<gateway_id>01</gateway_id><type>{kind}</type></common>"
    return f"{before}<root>{common}{inside}</root>".encode()


METER = '<meter id="01001"><function id="1" coding="330302D11001A00" error="">123.45</function></meter>'
READING = m.FunctionReading("01001", "1", "330302D11001A00", "", "123.45")
PLAIN = m.Report(COMMON, "report", "1", LOCAL, (READING,), True)
DATA = f'<data operation="report"><sequence>1</sequence><parser>yes</parser><time>20240101120000</time>{METER}</data>'
READ = {
    "request": (
        '<id_validate operation="request"/>', "request", m.LoginRequest(COMMON)),
    "sequence": (
        '<id_validate operation="sequence"><sequence>25247777</sequence></id_validate>', "sequence",
        m.Challenge(COMMON, "25247777")),
    "md5": (
        '<id_validate operation="md5"><md5> AF27 </md5></id_validate>', "md5", m.Answer(COMMON, "AF27")),
    "result": (
        '<id_validate operation="result"><result>pass</result><time>20240101120000</time></id_validate>', "result",
        m.LoginResult(COMMON, True, LOCAL)),
    "result fails": (
        '<id_validate operation="result"><result>fail</result></id_validate>', "result", m.LoginResult(COMMON, False)),
    "notify": (
        '<heart_beat operation="notify"><notify>master</notify></heart_beat>', "notify", m.HeartBeat(COMMON, "master")),
    "notify misspelt": (
        '<heat_beat operation="notify"/>', "notify", m.HeartBeat(COMMON)),
    "notify beside a clock": (
        '<heart_beat operation="time"><time>20240101120000</time></heart_beat><heart_beat operation="notify"/>',
        "heart_beat", m.HeartBeat(COMMON)),
    "time": (
        '<heart_beat operation="time"><time>20240101120000</time></heart_beat>', "time", m.TimeAnswer(COMMON, LOCAL)),
    "query": (
        '<data operation="query"/>', "query", m.Query(COMMON)),
    "report": (
        DATA, "report", PLAIN),
    "parse for parser": (
        DATA.replace("parser", "parse"), "report", PLAIN),
    "operation by the common part alone": (
        DATA.replace("report", "request/reply/report"), "report", PLAIN),
    "report without operation": (
        DATA.replace(' operation="report"', ""), "", PLAIN),
    "type names the element": (
        DATA, "data", PLAIN),
    "type says something else": (
        DATA, "status", m.Report(m.Common("330302D110", "01", "status"), "report", "1", LOCAL, (READING,), True)),
    "continuous": (
        '<data operation="continuous"><sequence>9</sequence><time>20240101120000</time><total>48</total>'
        "<current>2</current></data>", "continuous",
        m.Report(COMMON, "continuous", "9", LOCAL, (), None, 48, 2)),
    "reply without a number": (
        '<data operation="reply"><time>2024-01-01 12:00:00</time></data>', "reply", m.Report(COMMON, "reply", "", LOCAL)),
    "report_ack": (
        '<data operation="report_ack"><sequence>1</sequence><result>1</result></data>', "report_ack",
        m.ReportAck(COMMON, "report_ack", "1")),
    "data_ack": (
        '<data operation="data_ack"><sequence>1</sequence><result>pass</result></data>', "data_ack",
        m.ReportAck(COMMON, "report_ack", "1")),
    "report_ack in another element": (
        '<report_config operation="report_ack"><report_ack>pass</report_ack></report_config>', "report_ack",
        m.ReportAck(COMMON, "report_ack", "")),
    "continuous_ack refused": (
        '<data operation="continuous_ack"><sequence>1</sequence><result>0</result></data>', "continuous_ack",
        m.ReportAck(COMMON, "continuous_ack", "1", False)),
    "period": (
        '<config operation="period"><period>15</period></config>', "period", m.SetPeriod(COMMON, 15)),
    "period_ack": (
        '<config operation="period_ack"><result>pass</result></config>', "period_ack", m.PeriodAck(COMMON)),
    "device": (
        '<device operation="device"><build_name>办公楼</build_name><ip>10.0.0.2</ip><mask/></device>', "device",
        m.DeviceNote(COMMON, (("build_name", "办公楼"), ("ip", "10.0.0.2"), ("mask", "")))),
    "device_ack with blanks": (
        '<device operation=" device_ack "><device_ack>pass</device_ack></device>', "device_ack", m.DeviceAck(COMMON)),
    "archives in another element": (
        '<instruction operation="archives"><build_info><build_name>甲</build_name></build_info>'
        '<net_info><period>30</period></net_info><protocol_info><protocol id="1" type="188" type188="10">'
        '<item fnId="1"/><item fnId="2"/></protocol></protocol_info><meter_info>'
        '<meter mType="1" com="1" addr="AA01" meterId="01" memo="总表" sampleId="1" code="01000"/></meter_info></instruction>',
        "archives",
        m.Archives(COMMON, (("build_name", "甲"),), 30, (m.ArchiveProtocol("1", "188", "10", ("1", "2")),),
                   (m.ArchiveMeter("01", "1", "1", "AA01", "总表", "1", "01000"),))),
    "archives_ack": (
        '<archives operation="archives_ack"><result>pass</result></archives>', "archives_ack", m.ArchivesAck(COMMON)),
    "control": (
        '<control operation="control"><idx>1</idx><meterId>01</meterId><data>0A</data></control>', "control",
        m.Control(COMMON, "1", "01", "0A")),
    "control_ack": (
        '<control operation="control_ack"><idx>1</idx><meterId>01</meterId><err>F1</err></control>', "control_ack",
        m.ControlAck(COMMON, "1", "01", "F1")),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_a_body_says(name):
    inside, kind, expected = READ[name]
    assert read_body(body(inside, kind=kind)) == expected


def test_all_twenty_operations_are_read():
    assert len({message.operation for _, _, message in READ.values()}) == 20


ENCODED = {
    "utf-8 with a mark": ("utf-8-sig", '<?xml version="1.0" encoding="utf-8"?>'),
    "gb2312 declared and written": ("gb18030", '<?xml version="1.0" encoding="GB2312" ?>'),
    "gb2312 written, utf-8 declared": ("gb18030", '<?xml version="1.0" encoding="utf-8"?>'),
    "gb2312 declared, utf-8 written": ("utf-8", '<?xml version="1.0" encoding="GB2312" ?>'),
    "line end before the declaration": ("utf-8", '\n<?xml version="1.0" encoding="utf-8" ?>\n'),
}


@pytest.mark.parametrize("name", ENCODED)
def test_declared_encoding_is_not_believed(name):
    encoding, before = ENCODED[name]
    text = body(
        '<device operation="device"><build_name>市政府办公楼</build_name></device>', kind="device", before=before
    )
    assert read_body(text.decode().encode(encoding)).facts == (("build_name", "市政府办公楼"),)


def test_readings_are_never_dropped():
    inside = (
        '<data operation="report"><time>20240101120000</time>'
        '<meters><meter id="1"><function id="1">n/a</function><function id="2"/></meter></meters>'
        '<meter id="2">7</meter><meter><function>8</function></meter></data>'
    )
    assert read_body(body(inside)).readings == (
        m.FunctionReading("1", "1", text="n/a"),
        m.FunctionReading("1", "2"),
        m.FunctionReading("2", "", text="7"),
        m.FunctionReading("", "", text="8"),
    )


LAUGHS = '<!DOCTYPE root [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
REFUSED = {
    "document type": (LAUGHS.encode() + body(DATA), "document-type"),
    "external document type": (b'<!DOCTYPE root SYSTEM "http://127.0.0.1/x.dtd">' + body(DATA), "document-type"),
    "entity": (body(DATA.replace("123.45", "&b;")), "syntax"),
    "deep": (body("<a>" * 20 + "</a>" * 20), "depth"),
    "many": (body("<data operation='report'>" + "<a/>" * 40_001 + "</data>"), "elements"),
    "large": (b" " * (1 << 20) + body(DATA), "size"),
    "cut off": (body(DATA)[:-3], "syntax"),
    "two roots": (body(DATA) * 2, "syntax"),
    "nothing": (b"", "syntax"),
    "zeros": (bytes(64), "syntax"),
    "neither encoding": (body(DATA).replace(b"123.45", b"\xff\xff\xff"), "encoding"),
    "another root": (body(DATA).replace(b"root", b"toor"), "root"),
    "no common part": (f"<root>{DATA}</root>".encode(), "common"),
    "no body": (body(""), "operation"),
    "unknown operation": (body('<data operation="erase"/>', kind="erase"), "operation"),
    "type of another element": (body('<data operation="erase"/>', kind="request"), "operation"),
    "no time": (body('<data operation="report"><sequence>1</sequence></data>'), "field"),
    "time of no calendar": (body(DATA.replace("20240101", "20240231")), "field"),
    "time in other digits": (body(DATA.replace("20240101120000", "２０２４０１０１１２００００")), "field"),
    "no challenge": (body('<id_validate operation="sequence"/>'), "field"),
    "period of words": (body('<config operation="period"><period>soon</period></config>'), "field"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    data, fault = REFUSED[name]
    found = read_body(data)
    assert isinstance(found, BodyFault)
    assert found.name == fault


def test_refusing_takes_little_memory():
    bomb = (LAUGHS * 2).encode() + body(DATA)
    tracemalloc.start()
    try:
        for data in (bomb, REFUSED["deep"][0], REFUSED["many"][0]):
            read_body(data)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_names_of_bodies_are_not_kept():
    """A parser that keeps every element name that it ever saw lets a sender fill the memory of a server."""

    def read(part: int) -> None:
        read_body(body("".join(f'<n{part}_{number} a{part}_{number}="1"/>' for number in range(20_000))))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    for part in range(3):
        read(part)
    before = resident()
    for part in range(3, 13):  # 400,000 names: some 16 MiB, were they kept
        read(part)
    assert resident() - before < 8 << 20


@pytest.mark.parametrize("profile", ["N", "N-ZJ", "N-RE", "S"])
def test_spelling_and_layout_change_no_message(profile):
    spelt = PROFILES[profile].model_copy(
        update={"spelling": {"heart_beat": "heat_beat", "parser": "parse", "report_ack": "data_ack", "pass": "1"}}
    )
    for message in (report(), m.HeartBeat(COMMON), m.ReportAck(COMMON, "report_ack", "1"), m.DeviceAck(COMMON)):
        written = write_body(message, spelt)
        assert read_body(written) == message
    assert heard_spelling(write_body(report(), spelt)) == {"parser": "parse"}
    assert b'<data operation="data_ack">' in write_body(m.ReportAck(COMMON, "report_ack", "1"), spelt)


@pytest.mark.parametrize(
    "message", [m.Answer(COMMON, "\0"), m.DeviceNote(COMMON, (("a b", "x"),)), m.DeviceNote(COMMON, (("x", "\ud800"),))]
)
def test_what_xml_cannot_hold_is_refused_when_written(message):
    with pytest.raises(InputError):
        write_body(message, PROFILES["N"])


def test_years_have_four_digits():
    assert b"<time>00990101000000</time>" in write_body(m.TimeAnswer(COMMON, datetime(99, 1, 1)), PROFILES["N"])

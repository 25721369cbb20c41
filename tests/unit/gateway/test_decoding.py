"""Captures in plain words: bytes or text, sound or not, with keys or without."""

import pytest

from dafeng.base.errors import InputError
from dafeng.gateway import messages as m
from dafeng.gateway.decoding import decode_capture, describe, describe_message, read_capture
from dafeng.gateway.framing import FrameFault, encode_frame
from gateway_builders import COMMON, KEYS, LOCAL, PROFILES, account, report, said

STREAM = said(m.LoginRequest(COMMON), PROFILES["N-RE"], word=5) + b"\0\0" + said(report("7"), PROFILES["N-RE"])


@pytest.mark.parametrize(
    "written",
    [
        STREAM,
        STREAM.hex().encode(),
        STREAM.hex(" ").upper().encode(),
        STREAM.hex("\n", 16).encode(),
        b", ".join(b"0x%02x" % byte for byte in STREAM),
        b"\xef\xbb\xbf" + STREAM.hex("-").encode(),
    ],
)
def test_captures_as_they_are_copied(written):
    assert read_capture(written) == STREAM


@pytest.mark.parametrize("written", [b"", b"686", b" \n"])
def test_captures_that_hold_nothing(written):
    with pytest.raises(InputError):
        read_capture(written)


def test_frames_in_plain_words():
    first, noise, second = decode_capture(STREAM, PROFILES.values(), [KEYS])
    assert describe(first) == [
        f"一帧，共 {first.frame.raw_length} 字节，帧头 68681616",
        f"指令序号 5，密文 {len(first.frame.payload)} 字节，校验范围：帧头至密文",
        "方言：N-RE 可再生能源建筑应用示范采集装置",
        "填充：字符 0",
        "网关请求登录（id_validate/request），建筑 330302D110，网关 01",
    ]
    assert describe(noise) == ["不是帧，跳过 2 字节：帧外的字节（2 bytes that begin 0000）"]
    assert describe(second)[4:] == [
        "网关定时上报（data/report），建筑 330302D110，网关 01",
        "序号：7，时间：2024-01-01 12:00:00（网关当地），已解析：是",
        "2 只表，2 个读数",
        "表 01001 功能 1（330302D11001A00）：123.45",
        "表 01002 功能 1（330302D11001B00）：空，错误标志 192",
    ]


def test_without_keys_a_frame_is_described_from_outside():
    [found] = decode_capture(said(report()), PROFILES.values())
    assert describe(found)[-1] == "正文：所给密钥都打不开（或没有给密钥）"
    assert found.profile.id == "N"


def test_typed_frames_of_both_kinds():
    stream = said(m.LoginRequest(COMMON), PROFILES["S"]) + said(report(), PROFILES["S"])
    plain, sealed = decode_capture(stream, PROFILES.values(), [KEYS])
    assert describe(plain)[1] == f"类型 01，数据 {len(plain.frame.payload)} 字节，无校验"
    assert sealed.message == report()
    assert account("S").profile == sealed.profile.id


def test_capture_that_ends_within_a_frame():
    *_, last = decode_capture(STREAM[:-3], PROFILES.values(), [KEYS])
    assert isinstance(last.frame, FrameFault)
    assert "the bytes end within a frame" in describe(last)[0]
    [noise] = decode_capture(bytes(9), PROFILES.values())
    assert (noise.frame.name, noise.frame.skipped) == ("garbage", 9)


def test_body_that_is_no_message():
    frame = encode_frame(PROFILES["S"], 0, b"<root><common/></root>", kind=1)
    [found] = decode_capture(frame, PROFILES.values(), [])
    assert describe(found)[-1] == "正文不成报文：operation（no body element）"


ALL = [
    (m.Challenge(COMMON, "25247777"), "随机序列：25247777"),
    (m.LoginResult(COMMON, True, LOCAL), "结果：通过，中心时间 2024-01-01 12:00:00"),
    (m.LoginResult(COMMON, False), "结果：未通过"),
    (m.HeartBeat(COMMON, "master"), "附言：master"),
    (m.TimeAnswer(COMMON, LOCAL), "中心时间：2024-01-01 12:00:00"),
    (m.ReportAck(COMMON, "report_ack", "7"), "序号：7，结果：通过"),
    (m.SetPeriod(COMMON, 15), "周期：15 分钟"),
    (m.PeriodAck(COMMON, False), "结果：未通过"),
    (m.DeviceNote(COMMON, (("ip", "10.0.0.2"),)), "ip：10.0.0.2"),
    (m.Archives(COMMON, meters=(m.ArchiveMeter("01", code="01000"),)), "表 01：01000"),
    (m.Control(COMMON, "1", "01", "0A"), "编号 1，表 01，数据 0A"),
    (m.ControlAck(COMMON, "1", "01", "F1"), "编号 1，表 01，错误码 F1，数据 "),
]


@pytest.mark.parametrize(("message", "line"), ALL)
def test_every_message_in_plain_words(message, line):
    assert describe_message(message)[-1] == line


def test_long_lists_are_cut():
    many = m.Report(COMMON, "report", "1", LOCAL, tuple(m.FunctionReading(str(n), "1") for n in range(50)))
    assert describe_message(many)[-1] == "……另有 30 条未列"

"""Captured frames in plain words, for a person who brings a building on line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from dafeng.base.errors import InputError
from dafeng.gateway import messages as m
from dafeng.gateway.detection import detect_frame
from dafeng.gateway.framing import Frame, FrameFault, FrameReader
from dafeng.gateway.message_xml import BodyFault, read_body
from dafeng.gateway.profile import Keys, Profile

__all__ = ["Decoded", "decode_capture", "describe", "describe_message", "read_capture"]

_LISTED: Final = 20
_SCOPES: Final = {"word_and_cipher": "指令序号加密文", "frame": "帧头至密文", "none": "无校验"}
_PADDINGS: Final = {"zero": "0x00", "ascii_zero": "字符 0", "pkcs7": "PKCS#7"}
_NAMES: Final = {
    "request": "网关请求登录",
    "sequence": "中心发出随机序列",
    "md5": "网关回答摘要",
    "result": "中心告知登录结果",
    "notify": "网关心跳",
    "time": "中心授时",
    "query": "中心查询当前值",
    "reply": "网关应答查询",
    "report": "网关定时上报",
    "continuous": "网关断点续传",
    "report_ack": "中心回执上报",
    "continuous_ack": "中心回执续传",
    "period": "中心设定上报周期",
    "period_ack": "网关回执周期",
    "device": "网关自述",
    "device_ack": "中心回执自述",
    "archives": "中心下发表计档案",
    "archives_ack": "网关回执档案",
    "control": "中心远程控制",
    "control_ack": "网关回执控制",
}


class Decoded(NamedTuple):
    """One frame of a capture, or one run of bytes that is none."""

    frame: Frame | FrameFault
    """As cut."""
    profile: Profile | None
    """How its sender speaks; None where that is not known."""
    opened: bool
    """Whether the body could be read in plain."""
    message: m.Message | BodyFault | None
    """What it says; None where it could not be opened."""


def read_capture(data: bytes) -> bytes:
    """Return the bytes of a capture that is given as they are or as hexadecimal text.

    Text may have blanks, commas, line ends and 0x before each byte.

    Raises
    ------
    InputError
        There is nothing in it, or text with an odd number of hexadecimal digits.

    Examples
    --------
    >>> read_capture(b"68 68 16 16 0x55,0xAA") == bytes.fromhex("6868161655AA")
    True
    """
    text = data.removeprefix(b"\xef\xbb\xbf")
    digits = re.sub(rb"0[xX]|[\s,;:-]", b"", text)
    if digits and re.fullmatch(rb"[0-9A-Fa-f]+", digits):
        if len(digits) % 2:
            raise InputError(
                f"{len(digits)} hexadecimal digits",
                doing="read a capture of gateway frames",
                expected="two digits for each byte",
                next_step="copy the capture again, whole",
            )
        return bytes.fromhex(digits.decode("ascii"))
    if not text.strip():
        raise InputError(
            "the file is empty",
            doing="read a capture of gateway frames",
            expected="bytes or hexadecimal text",
            next_step="capture the line again",
        )
    return data


def decode_capture(data: bytes, profiles: Iterable[Profile], keys: Iterable[Keys] = ()) -> list[Decoded]:
    """Return the frames of a capture of one direction of one connection, each with what it says.

    Parameters
    ----------
    data : bytes
        As `read_capture` gives them.
    profiles : iterable of Profile
    keys : iterable of Keys, optional
        To open bodies with; without any, frames are described from outside.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.session import encode_message
    >>> profiles, keys = load_catalog().gateway_profiles, Keys(bytes(range(1, 17)), secret="x")
    >>> frame = encode_message(m.Challenge(m.Common("330302D110", "01"), "25247777"), profiles["N-ZJ"], keys, word=256)
    >>> [found] = decode_capture(frame, profiles.values(), [keys])
    >>> found.profile.id, found.message.sequence
    ('N-ZJ', '25247777')
    """
    known, tried = tuple(profiles), tuple(keys)
    reader = FrameReader(most=max(len(data), 1 << 20))
    found = [*reader.feed(data), *reader.finish()]
    decoded = []
    for item in found:
        detected = detect_frame(item, known, tried) if isinstance(item, Frame) else None
        body = None if detected is None else detected.body
        decoded.append(
            Decoded(
                item,
                None if detected is None else detected.profile,
                body is not None,
                None if body is None else read_body(body),
            )
        )
    return decoded


def describe(decoded: Decoded) -> list[str]:
    """Return what a frame is and says, in plain words; a digest is shown only in part.

    Examples
    --------
    >>> describe(Decoded(FrameFault("garbage", "3 bytes that begin 000000", 3), None, False, None))
    ['不是帧，跳过 3 字节：帧外的字节（3 bytes that begin 000000）']
    """
    frame = decoded.frame
    if isinstance(frame, FrameFault):
        what = {
            "crc": "校验和不符",
            "length": "长度不合规定",
            "oversize": "帧过长",
            "garbage": "帧外的字节",
            "tail": "帧尾不符",
        }[frame.name]
        return [f"不是帧，跳过 {frame.skipped} 字节：{what}（{frame.detail}）"]
    lines = [f"一帧，共 {frame.raw_length} 字节，帧头 {frame.head.hex().upper()}"]
    if frame.kind is None:
        lines.append(f"指令序号 {frame.word}，密文 {len(frame.payload)} 字节，校验范围：{_SCOPES[frame.crc_scope]}")
    else:
        lines.append(f"类型 {frame.kind:02X}，数据 {len(frame.payload)} 字节，无校验")
    profile = decoded.profile
    if profile is None:
        lines.append("方言：目录中没有这种帧头")
    else:
        lines.append(f"方言：{profile.id} {profile.title.zh}")
    if not decoded.opened:
        return [*lines, "正文：所给密钥都打不开（或没有给密钥）"]
    if profile is not None and frame.kind is None:
        lines.append(f"填充：{_PADDINGS[profile.padding]}")
    if isinstance(decoded.message, BodyFault):
        return [*lines, f"正文不成报文：{decoded.message.name}（{decoded.message.detail}）"]
    return lines if decoded.message is None else lines + describe_message(decoded.message)


def describe_message(message: m.Message) -> list[str]:
    """Return what a message says, in plain words; the digest of a login is shown only in part.

    Examples
    --------
    >>> describe_message(m.Answer(m.Common("330302D110", "01"), "0123456789abcdef0123456789abcdef"))
    ['网关回答摘要（id_validate/md5），建筑 330302D110，网关 01', '摘要：0123…（其余不显示）']
    """
    common = message.common
    title = f"{_NAMES[message.operation]}（{message.element}/{message.operation}）"
    lines = [f"{title}，建筑 {common.building or '未写'}，网关 {common.gateway or '未写'}"]
    if common.type:
        lines.append(f"公共部分的 type 写作 {common.type}")
    return lines + _content(message)


def _content(message: m.Message) -> list[str]:
    match message:
        case m.Challenge():
            return [f"随机序列：{message.sequence}"]
        case m.Answer():
            return [f"摘要：{message.md5[:4]}…（其余不显示）"]
        case m.LoginResult():
            time = "" if message.time is None else f"，中心时间 {message.time}"
            return [f"结果：{_passed(message.passed)}{time}"]
        case m.HeartBeat():
            return [f"附言：{message.notify}"] if message.notify else []
        case m.TimeAnswer():
            return [f"中心时间：{message.time}"]
        case m.Report():
            return _report(message)
        case m.ReportAck():
            return [f"序号：{message.sequence or '未写'}，结果：{_passed(message.passed)}"]
        case m.SetPeriod():
            return [f"周期：{message.minutes} 分钟"]
        case m.PeriodAck() | m.DeviceAck() | m.ArchivesAck():
            return [f"结果：{_passed(message.passed)}"]
        case m.DeviceNote():
            return [f"{name}：{text}" for name, text in message.facts]
        case m.Archives():
            period = "未写" if message.period is None else f"{message.period} 分钟"
            meters = [f"表 {meter.meter}：{meter.code} {meter.memo}".rstrip() for meter in message.meters]
            return [
                f"周期：{period}，协议 {len(message.protocols)} 种，表 {len(meters)} 只",
                *meters[:_LISTED],
                *_more(len(meters)),
            ]
        case m.Control():
            return [f"编号 {message.index}，表 {message.meter}，数据 {message.data}"]
        case m.ControlAck():
            return [f"编号 {message.index}，表 {message.meter}，错误码 {message.error or '未写'}，数据 {message.data}"]
    return []


def _report(report: m.Report) -> list[str]:
    parts = [f"序号：{report.sequence or '未写'}", f"时间：{report.at}（网关当地）"]
    if report.total is not None or report.current is not None:
        parts.append(f"第 {report.current} 包，共 {report.total} 包")
    if report.parser is not None:
        parts.append(f"已解析：{'是' if report.parser else '否'}")
    meters = len({reading.meter for reading in report.readings})
    lines = ["，".join(parts), f"{meters} 只表，{len(report.readings)} 个读数"]
    for reading in report.readings[:_LISTED]:
        mark = "" if reading.sound else f"，错误标志 {reading.error}"
        coding = f"（{reading.coding}）" if reading.coding else ""
        lines.append(f"表 {reading.meter} 功能 {reading.function}{coding}：{reading.text or '空'}{mark}")
    return lines + _more(len(report.readings))


def _more(count: int) -> list[str]:
    return [f"……另有 {count - _LISTED} 条未列"] if count > _LISTED else []


def _passed(passed: bool) -> str:
    return "通过" if passed else "未通过"

"""The files that say where MQTT and Modbus readings come from: YAML, every fault pointed at by its line.

Passwords never stand in them: they name a file that holds one.
"""

from __future__ import annotations

import re
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError, model_validator

from dafeng.base.errors import ContentError, InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.record import Record
from dafeng.catalog.yaml_source import YamlDocument, read_yaml
from dafeng.gateway.modbus_registers import ModbusRegister

__all__ = [
    "ModbusDevice",
    "ModbusPoint",
    "ModbusSettings",
    "MqttGateway",
    "MqttSettings",
    "MqttTls",
    "broker_tls",
    "read_modbus_file",
    "read_mqtt_file",
    "read_password",
    "sound_settings",
]

_TOPIC: Final = "dafeng/{building}/{gateway}/readings"
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_NEXT: Final = "按提示修改后重新运行 / mend it and run again"
_SHOWN: Final = 5


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {zone!r}") from error
    return zone


def _plain_name(name: str) -> str:
    if name != name.strip() or re.search(r"[\x00-\x1f\x7f/#+]", name):
        raise ValueError("a name without blanks at its ends, control characters, / # +")
    return name


_Zone = Annotated[str, AfterValidator(_known_zone)]
_Name = Annotated[str, AfterValidator(_plain_name), Field(min_length=1, max_length=64)]


class MqttGateway(Record):
    """A gateway that sends by MQTT."""

    building: _Name
    """Building code."""
    gateway: _Name
    """Gateway number."""
    zone: _Zone | None = None
    """Zone of its times without an offset; that of the file where left out."""
    silent_minutes: float | None = Field(default=None, gt=0)
    """After so long without a message it counts as silent and an event says so; that of the file where left out."""


class MqttTls(Record):
    """How the connection to the broker is secured. The name of the broker is always checked."""

    authorities: Path | None = None
    """Authorities that may have signed the broker's certificate, PEM; those of the system where left out."""
    certificate: Path | None = None
    """Certificate that this side shows, PEM."""
    key: Path | None = None
    """Its private key, PEM, without a password."""

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate comes with its key")
        return self


class MqttSettings(Record):
    """Which broker, which topics, which gateways.

    Examples
    --------
    >>> MqttSettings(host="127.0.0.1", others="take").port_used
    1883
    """

    host: str = Field(min_length=1)
    """The broker."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; 1883, and 8883 with TLS, where left out."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    """Version of MQTT; with 5 the broker is also told how much it may send at once."""
    client_id: str = Field(default="", max_length=64)
    """Name of this client at the broker, which keeps messages under it; made from the workspace where blank."""
    topic: str = _TOPIC
    """Topic of readings; {building} and {gateway} each are one level."""
    username: str = ""
    """User at the broker."""
    password_file: Path | None = None
    """File whose first line is the password; only its owner should be able to read it."""
    tls: MqttTls | None = None
    """TLS; none where left out."""
    keep_alive: int = Field(default=60, ge=5, le=3600)
    """Seconds between signs of life."""
    session_days: float = Field(default=30.0, gt=0, le=365)
    """With MQTT 5: for so long the broker is asked to keep messages while this side is away."""
    longest_wait_seconds: float = Field(default=60.0, ge=1)
    """Longest wait between attempts to connect; the first is 1 s, each doubles it."""
    zone: _Zone = "Asia/Shanghai"
    """Zone of times without an offset."""
    silent_minutes: float = Field(default=120.0, gt=0)
    """After so long without a message a listed gateway counts as silent."""
    gateways: tuple[MqttGateway, ...] = ()
    """Gateways whose messages are taken."""
    others: Literal["refuse", "take"] = "refuse"
    """Whether messages of gateways that are not listed are taken; the broker alone says then who may send for whom."""
    message_bytes: int = Field(default=1 << 20, ge=1 << 8, le=1 << 26)
    """Bytes of a message at most."""
    message_readings: int = Field(default=10_000, ge=1)
    """Readings of a message at most."""
    outstanding: int = Field(default=500, ge=1, le=65535)
    """Messages that wait for the disk at one time; no more are taken from the broker before they are there."""

    @property
    def port_used(self) -> int:
        """Port of the broker."""
        return self.port if self.port is not None else 1883 if self.tls is None else 8883

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        levels = self.topic.split("/")
        if [levels.count(level) for level in ("{building}", "{gateway}")] != [1, 1]:
            raise ValueError("topic has the levels {building} and {gateway}, each once")
        if any(mark in level for level in levels if level[:1] != "{" for mark in "+#{}") or not levels[0]:
            raise ValueError("topic has no + # { } but those of {building} and {gateway}, and begins with a name")
        if self.password_file is not None and not self.username:
            raise ValueError("a password comes with a username")
        if not self.gateways and self.others == "refuse":
            raise ValueError("nothing would be taken: list gateways, or set others: take")
        twice = _repeated((one.building, one.gateway) for one in self.gateways)
        if twice:
            raise ValueError(f"gateways stand twice: {twice}")
        return self


class ModbusDevice(Record):
    """A device that is asked for its registers."""

    name: _Name
    """Name for messages; stands in the lineage of its readings."""
    building: _Name
    """Building code under which its points stand in the ledger of meters."""
    gateway: _Name
    """Gateway number under which they stand there; several devices may share one."""
    host: str = Field(min_length=1)
    """Address of the device, or of the bridge to a serial line."""
    port: int = Field(default=502, ge=1, le=65535)
    """Its port."""
    unit: int = Field(default=1, ge=0, le=255)
    """Unit id: the address on a serial line; 0, 1 or 255 for a device of its own."""
    meter: str = Field(default="", max_length=64)
    """Meter number for registers that name none."""
    model: str = ""
    """Entry of `models` whose registers it has."""
    registers: tuple[ModbusRegister, ...] = ()
    """Registers of its own, besides those of its model."""
    interval: int | None = Field(default=None, ge=1, le=86400)
    """Seconds between polls, on the grid of the clock; that of the file where left out."""
    timeout: float | None = Field(default=None, gt=0, le=60)
    """Seconds for an answer; that of the file where left out."""
    retries: int | None = Field(default=None, ge=0, le=10)
    """Requests repeated without an answer; that of the file where left out."""


class ModbusPoint(NamedTuple):
    """A device with everything that the file says of it elsewhere."""

    device: ModbusDevice
    registers: tuple[ModbusRegister, ...]
    interval: int
    timeout: float
    retries: int


class ModbusSettings(Record):
    """Which devices, which registers, how often.

    Examples
    --------
    >>> settings = ModbusSettings(
    ...     models={"pm": [{"address": 0, "type": "uint32", "scale": 0.01}]},
    ...     devices=[{"name": "m1", "building": "b", "gateway": "91", "host": "10.0.0.9", "meter": "01001", "model": "pm"}])
    >>> [(point.interval, register.meter) for point in settings.points() for register in point.registers]
    [(900, '01001')]
    """

    interval: int = Field(default=900, ge=1, le=86400)
    """Seconds between polls."""
    timeout: float = Field(default=3.0, gt=0, le=60)
    """Seconds for an answer."""
    retries: int = Field(default=1, ge=0, le=10)
    """Requests repeated without an answer."""
    most_registers: int = Field(default=120, ge=4, le=125)
    """Registers of one request at most."""
    read_gap: int = Field(default=0, ge=0, le=100)
    """So many unasked registers may be read along; 0 for devices that refuse registers they do not have."""
    at_once: int = Field(default=64, ge=1, le=1000)
    """Lines that are asked at the same time; devices behind one address are asked one after another."""
    backlog: int = Field(default=10_000, ge=0)
    """Polls kept in memory while the spool takes none; beyond, the oldest are lost, and an event says so."""
    models: dict[str, tuple[ModbusRegister, ...]] = Field(default_factory=dict)
    """Registers of devices that are alike, by name."""
    devices: tuple[ModbusDevice, ...] = Field(min_length=1)
    """The devices."""

    def points(self) -> tuple[ModbusPoint, ...]:
        """Return the devices with the registers of their models and the values of the file."""
        return tuple(
            ModbusPoint(
                one,
                tuple(
                    register.model_copy(update={"meter": register.meter or one.meter})
                    for register in (*self.models.get(one.model, ()), *one.registers)
                ),
                one.interval or self.interval,
                one.timeout or self.timeout,
                self.retries if one.retries is None else one.retries,
            )
            for one in self.devices
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = sorted({one.model for one in self.devices if one.model and one.model not in self.models})
        if unknown:
            raise ValueError(f"models that stand nowhere: {unknown}")
        twice = _repeated(one.name for one in self.devices)
        if twice:
            raise ValueError(f"device names stand twice: {twice}")
        points = self.points()
        empty = [point.device.name for point in points if not point.registers]
        if empty:
            raise ValueError(f"devices without registers: {empty[:_SHOWN]}")
        nameless = [point.device.name for point in points if any(not register.meter for register in point.registers)]
        if nameless:
            raise ValueError(f"registers without a meter number, of devices {nameless[:_SHOWN]}")
        shared = _repeated(
            (point.device.building, point.device.gateway, register.meter, register.function)
            for point in points
            for register in point.registers
        )
        if shared:
            raise ValueError(f"two registers mean the same point (building, gateway, meter, function): {shared}")
        return self


def _repeated(values: Iterator[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1][:_SHOWN]


S = TypeVar("S", MqttSettings, ModbusSettings)


def read_mqtt_file(path: Path) -> tuple[MqttSettings | None, tuple[Finding, ...]]:
    """Read the file of a broker.

    Parameters
    ----------
    path : Path
        YAML of the fields of `MqttSettings`. Paths in it are relative to its folder.

    Returns
    -------
    settings : MqttSettings or None
        None where a finding is an error.
    findings : tuple of Finding
        Every fault with its line, and what is unwise.
    """
    settings, findings = _read(path, MqttSettings)
    if settings is None:
        return None, findings
    folder = path.parent
    tls = settings.tls
    if tls is not None:
        names = ("authorities", "certificate", "key")
        tls = tls.model_copy(
            update={name: folder / value for name in names if (value := getattr(tls, name)) is not None}
        )
    password = None if settings.password_file is None else folder / settings.password_file
    settings = settings.model_copy(update={"tls": tls, "password_file": password})
    return settings, (*findings, *_unwise(settings, path))


def _unwise(settings: MqttSettings, path: Path) -> Iterator[Finding]:
    if settings.tls is None and settings.host not in _LOCAL:
        yield Finding(
            name="gateway.input-file.no-tls",
            sentence=f"到 {settings.host} 的连接不加密" + ("，口令以明文传送" if settings.password_file else ""),
            severity=Severity.WARNING,
            next_step="代理支持 TLS 的加上 tls",
            where=Location(file=path.name, field="tls"),
        )
    if settings.others == "take":
        yield Finding(
            name="gateway.input-file.others-taken",
            sentence="没有列出的网关也收：谁能以哪座建筑的名义发送，只由代理的访问控制决定",
            severity=Severity.WARNING,
            next_step="列出网关并去掉 others，或核对代理的访问控制",
            where=Location(file=path.name, field="others"),
        )
    secret = settings.password_file
    if secret is not None and secret.is_file() and secret.stat().st_mode & 0o077:
        yield Finding(
            name="gateway.input-file.password-open",
            sentence=f"口令文件 {secret.name} 别人也能读",
            severity=Severity.WARNING,
            next_step=f"chmod 600 {secret.name}",
            where=Location(file=path.name, field="password_file"),
        )


def read_modbus_file(path: Path) -> tuple[ModbusSettings | None, tuple[Finding, ...]]:
    """Read the file of Modbus devices.

    Parameters
    ----------
    path : Path
        YAML of the fields of `ModbusSettings`.

    Returns
    -------
    settings : ModbusSettings or None
        None where there is a finding.
    findings : tuple of Finding
        Every fault with its line.
    """
    return _read(path, ModbusSettings)


def _read(path: Path, kind: type[S]) -> tuple[S | None, tuple[Finding, ...]]:
    try:
        document, read = read_yaml(path, name=path.name)
    except OSError as error:
        return None, (
            Finding(
                name="gateway.input-file.unreadable",
                sentence=f"{path.name} 读不了：{error.strerror}",
                next_step="检查路径和权限",
                where=Location(file=path.name),
            ),
        )
    findings = [_renamed(finding) for finding in read]
    if document is None or findings:
        return None, tuple(findings)
    try:
        return kind.model_validate(document.data), ()
    except ValidationError as error:
        return None, tuple(_fault(document, fault) for fault in error.errors())


def _renamed(finding: Finding) -> Finding:
    name = f"gateway.input-file.{finding.name.rpartition('.')[2]}"
    return finding.model_copy(update={"name": name, "next_step": _NEXT})


def _fault(document: YamlDocument, fault: Any) -> Finding:
    path = tuple(fault["loc"])
    given = fault.get("input")
    secret = re.search("password|secret|口令|密码", str(path[-1:]))  # written where it does not belong: not repeated
    return Finding(
        name="gateway.input-file.field",
        sentence=f"{'.'.join(map(str, path)) or document.file}：{fault['msg']}",
        value="" if secret or isinstance(given, dict | list | Record) else str(given)[:100],
        next_step=_NEXT,
        where=document.where(path),
    )


def sound_settings(read: tuple[S | None, tuple[Finding, ...]], path: Path) -> S:
    """Return settings that were read, or refuse the file.

    Raises
    ------
    ContentError
        There is a fault; the first few are named, all stand in `evidence`.
    """
    settings, findings = read
    if settings is not None:
        return settings
    faults = [f"{finding.where}：{finding.sentence}" for finding in findings]
    raise ContentError(
        f"{path.name} 有 {len(faults)} 处错 / faults：" + "；".join(faults[:_SHOWN]),
        doing="read where readings come from",
        expected="docs/how-to/mqtt-and-modbus.md 的字段 / the fields of that page",
        next_step=_NEXT,
        findings=[finding.model_dump(mode="json") for finding in findings],
    )


def read_password(settings: MqttSettings) -> str | None:
    """Return the password of a broker, None where there is none. No message repeats it.

    Raises
    ------
    InputError
        The file cannot be read, or is empty.
    """
    path = settings.password_file
    if path is None:
        return None
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"口令文件 {path} 读不了 / cannot be read：{getattr(error, 'strerror', None) or '不是 UTF-8'}",
            doing="read the password of an MQTT broker",
            expected="第一行是口令的文件 / a file whose first line is the password",
            next_step="检查路径和权限 / check path and permissions",
        ) from error
    if not password:
        raise InputError(
            f"口令文件 {path} 是空的 / is empty",
            doing="read the password of an MQTT broker",
            expected="第一行是口令的文件 / a file whose first line is the password",
            next_step="写入口令 / write it there",
        )
    return password


def broker_tls(tls: MqttTls) -> ssl.SSLContext:
    """Return the context of a connection to a broker. TLS 1.2 is the oldest version spoken; the broker's name is checked.

    Raises
    ------
    InputError
        A certificate or key cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=None if tls.authorities is None else str(tls.authorities))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"证书或私钥读不了 / cannot be read：{error}",
            doing="set up TLS to an MQTT broker",
            expected="PEM 文件 / PEM files",
            next_step="检查路径、权限，证书与私钥是否成对 / check paths, permissions, and that they belong together",
        ) from error
    return context

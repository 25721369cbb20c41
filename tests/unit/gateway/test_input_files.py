"""The files of brokers and devices: every fault with its line, no password in any message."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dafeng.base.errors import ContentError, InputError
from dafeng.gateway.input_files import read_modbus_file, read_mqtt_file, read_password, sound_settings
from dafeng.gateway.mqtt_json import read_message

MQTT = """\
host: broker.example
username: dafeng
password_file: secret
tls:
  authorities: ca.pem
gateways:
  - {building: 370202A001, gateway: "91", zone: Asia/Shanghai}
"""
MODBUS = """\
interval: 900
models:
  pm:
    - {function: "1", address: 0, type: uint32, scale: 0.01}
    - {function: "2", address: 0x10, type: float32, words: little, invalid: [0x7FC00000]}
devices:
  - {name: one, building: 370202A001, gateway: "92", host: 10.0.0.9, unit: 3, meter: "01001", model: pm, interval: 60}
  - {name: two, building: 370202A001, gateway: "92", host: 10.0.0.9, unit: 4, meter: "01002", model: pm}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sound_file_of_a_broker(tmp_path: Path) -> None:
    settings, findings = read_mqtt_file(write(tmp_path, MQTT))
    assert settings is not None
    assert findings == ()
    assert settings.port_used == 8883
    assert settings.tls is not None
    assert (settings.tls.authorities, settings.password_file) == (tmp_path / "ca.pem", tmp_path / "secret")
    (tmp_path / "secret").write_text("geheim-1\nrest", encoding="utf-8")
    assert read_password(settings) == "geheim-1"
    assert "geheim-1" not in repr(settings)


def test_a_sound_file_of_devices(tmp_path: Path) -> None:
    settings, findings = read_modbus_file(write(tmp_path, MODBUS))
    assert settings is not None
    assert findings == ()
    one, two = settings.points()
    assert (one.interval, two.interval, one.retries) == (60, 900, 1)
    assert [(register.meter, register.address, str(register.scale)) for register in two.registers] == [
        ("01002", 0, "0.01"),
        ("01002", 16, "1"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('gateway: "91"', "gateway: 01", 7, "gateways.0.gateway"),
        ("host: broker.example", "hots: broker.example", 1, "hots"),
        ("zone: Asia/Shanghai", "zone: Mars/Base", 7, "Mars/Base"),
        ('gateways:\n  - {building: 370202A001, gateway: "91", zone: Asia/Shanghai}', "", 1, "nothing would be taken"),
        ("username: dafeng", "", 1, "username"),
        ("username: dafeng", "username: dafeng\ntopic: dafeng/+/readings", 1, "topic"),
        ("username: dafeng", "username: dafeng\nusername: x", 3, "username"),
        ("tls:\n", "tls: [\n", 6, "YAML"),
    ],
)
def test_faults_of_a_broker_file(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = write(tmp_path, MQTT.replace(old, new))
    read = read_mqtt_file(path)
    assert read[0] is None
    assert any(finding.where.line == line and says in finding.sentence for finding in read[1]), read[1]
    with pytest.raises(ContentError, match=r"file\.yaml"):
        sound_settings(read, path)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("type: uint32", "type: uint33", 4, "type"),
        ("scale: 0.01", "scale: 0", 4, "scale"),
        ("address: 0x10", "address: 65535", 5, "65535"),
        ("invalid: [0x7FC00000]", "invalid: [0x1FFFFFFFF]", 5, "2 words"),
        ('meter: "01002"', 'meter: "01001"', 1, "same point"),
        ('meter: "01002", ', "", 1, "without a meter"),
        ("name: two", "name: one", 1, "twice"),
        ("model: pm}", "model: other}", 1, "other"),
        ("unit: 3", "unit: 300", 7, "unit"),
        ('function: "2"', 'function: "1"', 1, "same point"),
    ],
)
def test_faults_of_a_device_file(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    settings, findings = read_modbus_file(write(tmp_path, MODBUS.replace(old, new)))
    assert settings is None
    assert any(finding.where.line == line and says in finding.sentence for finding in findings), findings


def test_a_password_that_stands_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = write(tmp_path, MQTT + "password: geheim-1\n")
    read = read_mqtt_file(path)
    assert read[0] is None
    assert "geheim-1" not in repr(read[1])
    with pytest.raises(ContentError) as caught:
        sound_settings(read, path)
    assert "geheim-1" not in str(caught.value) + repr(caught.value.evidence)


def test_what_is_unwise_is_said(tmp_path: Path) -> None:
    text = MQTT.replace("tls:\n  authorities: ca.pem\n", "others: take\n")
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "secret").chmod(0o644)
    settings, findings = read_mqtt_file(write(tmp_path, text))
    assert settings is not None
    assert [finding.name.rpartition(".")[2] for finding in findings] == ["no-tls", "others-taken", "password-open"]


def test_absent_files(tmp_path: Path) -> None:
    assert read_mqtt_file(tmp_path / "none.yaml")[1][0].name == "gateway.input-file.unreadable"
    settings, _ = read_mqtt_file(write(tmp_path, MQTT))
    assert settings is not None
    with pytest.raises(InputError):
        read_password(settings)
    (tmp_path / "secret").write_text("\n", encoding="utf-8")
    with pytest.raises(InputError):
        read_password(settings)


def test_the_examples_of_the_documentation_are_sound(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "mqtt-and-modbus.md"
    mqtt, modbus = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    settings, findings = read_mqtt_file(write(tmp_path, mqtt))
    assert settings is not None, findings
    devices, findings = read_modbus_file(write(tmp_path, modbus))
    assert devices is not None, findings
    [body] = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    read = read_message(body.encode(), building="b", gateway="1", zone=settings.zone, received_at=datetime.now(UTC))
    assert read.refused == ()
    assert [len(packet.readings) for packet in read.packets] == [2, 1]

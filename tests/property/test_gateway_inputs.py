"""Laws of the other ways in: what is written is read again, and nothing that is sent breaks the reader."""

import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.gateway.inputs import InputPacket
from dafeng.gateway.messages import FunctionReading
from dafeng.gateway.modbus_registers import ModbusRegister, plan_reads, register_value, register_words
from dafeng.gateway.mqtt_json import read_message, write_message

AT = datetime(2026, 11, 20, tzinfo=UTC)
names = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u2028\u2029"), max_size=20)
some_names = names.filter(bool)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12).map(str)
readings = st.builds(FunctionReading, some_names, names, names, names, numbers | st.just("") | names)
instants = st.integers(-10_000_000, 10_000_000).map(lambda seconds: AT + timedelta(seconds=seconds))


@settings(max_examples=60)
@given(
    st.dictionaries(instants, st.lists(readings, min_size=1, max_size=4), min_size=1, max_size=4),
    some_names,
    some_names,
)
def test_reading_a_written_message_gives_the_packets(groups: dict, building: str, sequence: str) -> None:
    packets = [InputPacket(building, "91", "mqtt", sequence, at, AT, tuple(group)) for at, group in groups.items()]
    read = read_message(write_message(packets), building=building, gateway="91", zone="Asia/Shanghai", received_at=AT)
    assert read.refused == ()
    assert list(read.packets) == packets


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["readings", "time", "meter", "value", "function", "id", "x"]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=120)
@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_message_breaks_the_reader_and_all_of_it_has_a_fate(payload: bytes) -> None:
    read = read_message(payload, building="b", gateway="1", zone="Asia/Shanghai", received_at=AT)
    assert read.packets or read.refused
    if read.packets:
        count = sum(len(packet.readings) for packet in read.packets)
        assert count + len(read.refused) == len(json.loads(payload)["readings"])


scales = st.sampled_from([Decimal(1), Decimal("0.01"), Decimal("0.001"), Decimal(10), Decimal("-0.5")])
orders = st.sampled_from(["big", "little"])


@settings(max_examples=120)
@given(st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64"]), scales, orders, orders, st.data())
def test_decoding_encoded_whole_numbers_gives_them_again(
    kind: str, scale: Decimal, words: str, order: str, data: st.DataObject
) -> None:
    bits = int(kind.lstrip("uint"))
    low, high = (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    register = ModbusRegister(address=0, type=kind, scale=scale, words=words, bytes=order)
    value = data.draw(st.integers(low, high)) * scale
    coded = register_words(value, register)
    assert len(coded) == register.width
    assert Decimal(register_value(coded, register).text) == value


@settings(max_examples=80)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), orders, orders)
def test_decoding_an_encoded_float_gives_its_shortest_text(value: float, words: str, order: str) -> None:
    register = ModbusRegister(address=0, type="float32", words=words, bytes=order)
    text = register_value(register_words(value, register), register).text
    assert struct.pack(">f", float(text)) == struct.pack(">f", value)
    assert len(text.lstrip("-").replace(".", "").split("e")[0].lstrip("0")) <= 9


registers = st.builds(
    ModbusRegister,
    address=st.integers(0, 300),
    type=st.sampled_from(["uint16", "uint32", "uint64"]),
    table=st.sampled_from(["holding", "input"]),
)


@settings(max_examples=80)
@given(st.lists(registers, min_size=1, max_size=30), st.integers(4, 125), st.integers(0, 10))
def test_every_register_is_read_once_within_a_request_of_allowed_size(asked: list, most: int, gap: int) -> None:
    blocks = plan_reads(asked, most=most, gap=gap)
    assert sorted(place for block in blocks for place in block.registers) == list(range(len(asked)))
    for block in blocks:
        assert block.width <= most
        for place in block.registers:
            one = asked[place]
            assert one.table == block.table
            assert block.start <= one.address
            assert one.address + one.width <= block.start + block.width
    if gap == 0:
        for block in blocks:
            held = {
                a
                for place in block.registers
                for a in range(asked[place].address, asked[place].address + asked[place].width)
            }
            assert held == set(range(block.start, block.start + block.width))

"""Registers of Modbus devices: which to read at once, and what their words mean. No sockets, no clock."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from dafeng.base.record import Record

__all__ = ["Block", "Meaning", "ModbusRegister", "next_slot", "plan_reads", "register_value", "register_words"]

_CODES: Final = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d",
}  # fmt: skip
_EXACT: Final = Context(prec=60)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _decimal(value: object) -> object:
    """Return a number of a file with the digits it was written with."""
    return str(value) if isinstance(value, float) else value


_Factor = Annotated[Decimal, BeforeValidator(_decimal), Field(allow_inf_nan=False)]


class ModbusRegister(Record):
    """A value of a device: where it stands, and what its words mean.

    Examples
    --------
    >>> register = ModbusRegister(meter="01001", address=10, type="uint32", scale=0.01)
    >>> register.width, register.scale
    (2, Decimal('0.01'))
    """

    meter: str = Field(default="", max_length=64)
    """Meter number under which it is stored; that of the device where blank."""
    function: str = Field(default="", max_length=64)
    """Function number within the meter."""
    coding: str = Field(default="", max_length=64)
    """Energy code, stored with the point."""
    table: Literal["holding", "input"] = "holding"
    """holding: read by function 3, written 4xxxx in many manuals; input: by function 4, 3xxxx."""
    address: int = Field(ge=0, le=65535)
    """Address in the request, from 0: what manuals write as 40001 is holding 0."""
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
    """What the words are."""
    words: Literal["big", "little"] = "big"
    """Order of words: big puts the highest first."""
    bytes: Literal["big", "little"] = "big"
    """Order of bytes within a word; big is the standard."""
    scale: _Factor = Decimal(1)
    """What the number is multiplied by, as the manual says; the multiplier of transformers stays with the ledger of meters."""
    invalid: tuple[int, ...] = ()
    """Raw words, taken as one unsigned number, that say there is no value, such as 0xFFFFFFFF."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.address + self.width > 1 << 16:
            raise ValueError(f"{self.type} at {self.address} passes the last register 65535")
        if not self.scale:
            raise ValueError("a scale is not 0")
        if any(not 0 <= value < 1 << (16 * self.width) for value in self.invalid):
            raise ValueError(f"an invalid value is a number of {self.width} words")
        return self

    @property
    def width(self) -> int:
        """Number of registers it takes."""
        return struct.calcsize(">" + _CODES[self.type]) // 2


class Meaning(NamedTuple):
    """What words say.

    Parameters
    ----------
    text : str
        The number, scaled, with exact digits; blank where there is none.
    error : str
        Blank, ``invalid`` (the device says that there is no value) or ``not-a-number``.
    """

    text: str
    error: str = ""


class Block(NamedTuple):
    """Registers that are read by one request.

    Parameters
    ----------
    table : {"holding", "input"}
    start, width : int
    registers : tuple of int
        Places, in the list they came from, of the values that it holds.
    """

    table: str
    start: int
    width: int
    registers: tuple[int, ...]


def _plain_bytes(words: Sequence[int], register: ModbusRegister) -> bytes:
    ordered = words if register.words == "big" else list(reversed(words))
    return b"".join(word.to_bytes(2, register.bytes) for word in ordered)


def register_value(words: Sequence[int], register: ModbusRegister) -> Meaning:
    """Return what the words of a register mean.

    Parameters
    ----------
    words : sequence of int
        0 to 65535, `register.width` of them, in the order of addresses.
    register : ModbusRegister

    Raises
    ------
    ValueError
        The number of words is another.

    Examples
    --------
    >>> register = ModbusRegister(address=0, type="uint32", words="little", scale=0.01, invalid=[0xFFFFFFFF])
    >>> register_value([0xE240, 0x0001], register), register_value([0xFFFF, 0xFFFF], register).error
    (Meaning(text='1234.56', error=''), 'invalid')
    """
    if len(words) != register.width:
        raise ValueError(f"{len(words)} words where {register.type} takes {register.width}")
    data = _plain_bytes(words, register)
    if int.from_bytes(data, "big") in register.invalid:
        return Meaning("", "invalid")
    (number,) = struct.unpack(">" + _CODES[register.type], data)
    if isinstance(number, float):
        if not math.isfinite(number):
            return Meaning("", "not-a-number")
        plain = _shortest(number, data) if register.type == "float32" else repr(number)
    else:
        plain = str(number)
    if register.scale == 1:
        return Meaning(plain)
    return Meaning(str(_EXACT.multiply(Decimal(plain), register.scale)))


def _shortest(number: float, data: bytes) -> str:
    """Return the fewest digits that mean this number of 32 bits."""
    for digits in range(6, 9):
        text = f"{number:.{digits}g}"
        if struct.pack(">f", float(text)) == data:
            return text
    return f"{number:.9g}"


def register_words(value: Decimal | float, register: ModbusRegister) -> list[int]:
    """Return the words by which a device says a value; the reverse of `register_value`.

    Raises
    ------
    ValueError
        The value, divided by the scale, does not fit the type.

    Examples
    --------
    >>> register_words(Decimal("1234.56"), ModbusRegister(address=0, type="uint32", scale=0.01))
    [1, 57920]
    """
    raw = _EXACT.divide(Decimal(value), register.scale)
    try:
        if register.type.startswith("float"):
            data = struct.pack(">" + _CODES[register.type], float(raw))
        else:
            data = struct.pack(">" + _CODES[register.type], int(raw.to_integral_value()))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value} does not fit {register.type} with scale {register.scale}") from error
    words = [int.from_bytes(data[place : place + 2], register.bytes) for place in range(0, len(data), 2)]
    return words if register.words == "big" else words[::-1]


def plan_reads(registers: Sequence[ModbusRegister], *, most: int = 120, gap: int = 0) -> tuple[Block, ...]:
    """Return the requests that read registers, as few as may be.

    Parameters
    ----------
    registers : sequence of ModbusRegister
    most : int
        Registers of one request at most; the protocol allows 125, some devices fewer.
    gap : int
        So many unasked registers between two values may be read along; many devices refuse any that they do not have.

    Examples
    --------
    >>> values = [ModbusRegister(address=place, type="uint32") for place in (4, 0, 2, 10)]
    >>> plan_reads(values)
    (Block(table='holding', start=0, width=6, registers=(1, 2, 0)), Block(table='holding', start=10, width=2, registers=(3,)))
    """
    ordered = sorted(range(len(registers)), key=lambda place: (registers[place].table, registers[place].address))
    blocks: list[Block] = []
    for place in ordered:
        register = registers[place]
        last = blocks[-1] if blocks else None
        if last is not None and last.table == register.table and register.address <= last.start + last.width + gap:
            width = max(last.width, register.address + register.width - last.start)
            if width <= most:
                blocks[-1] = last._replace(width=width, registers=(*last.registers, place))
                continue
        blocks.append(Block(register.table, register.address, register.width, (place,)))
    return tuple(blocks)


def next_slot(now: datetime, seconds: int) -> datetime:
    """Return the next instant of the grid of an interval after now: quarters of an hour for 900, whole hours for 3600.

    Examples
    --------
    >>> next_slot(datetime(2026, 11, 20, 8, 3, 20, tzinfo=UTC), 900).isoformat()
    '2026-11-20T08:15:00+00:00'
    """
    step = timedelta(seconds=seconds)
    return _EPOCH + ((now - _EPOCH) // step + 1) * step

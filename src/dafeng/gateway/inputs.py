"""What the other ways in (MQTT, Modbus) hand to the server: packets, and who is told what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Protocol

from dafeng.gateway.messages import FunctionReading

__all__ = ["InputPacket", "Source"]


class InputPacket(NamedTuple):
    """Readings of one instant that came by another way than the protocol of gateways; the spool takes it."""

    building: str
    """Building code."""
    gateway: str
    """Gateway number under which the ledger of meters knows the points."""
    operation: str
    """mqtt or modbus."""
    sequence: str
    """What names the message or the poll; stands in the lineage of its readings."""
    at: datetime
    """Instant of the readings, UTC and aware."""
    received_at: datetime
    """When the house got them, UTC and aware."""
    readings: tuple[FunctionReading, ...]
    """Values as written."""


class Source(Protocol):
    """Whoever hands packets to the server. Called by the thread of the sockets."""

    def acknowledged(self, packet: Any, at: datetime) -> bytes:
        """Hear that a packet is on the disk; return what `write` shall send, blank for nothing."""
        ...

    def withhold(self) -> None:
        """Hear that a packet was not taken."""
        ...

    def settle(self) -> None:
        """Hear that the packets of a commit were dealt with."""
        ...

    def write(self, data: bytes) -> None:
        """Send what `acknowledged` returned."""
        ...

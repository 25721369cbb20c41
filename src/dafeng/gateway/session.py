"""Both ends of a connection as pure state machines, and the steps that they ask for."""

from __future__ import annotations

from dafeng.gateway.session_centre import CentreSession, CentreState, Command
from dafeng.gateway.session_coding import digest_answer, encode_message
from dafeng.gateway.session_gateway import GatewaySession, GatewayState
from dafeng.gateway.session_steps import (
    Acked,
    Asked,
    Closed,
    Noted,
    Packet,
    Ready,
    Send,
    SessionLimits,
    Step,
    Store,
)

__all__ = [
    "Acked",
    "Asked",
    "CentreSession",
    "CentreState",
    "Closed",
    "Command",
    "GatewaySession",
    "GatewayState",
    "Noted",
    "Packet",
    "Ready",
    "Send",
    "SessionLimits",
    "Step",
    "Store",
    "digest_answer",
    "encode_message",
]

"""XML bodies to messages and back."""

from __future__ import annotations

from dafeng.gateway.message_reading import BodyFault, heard_spelling, read_body, read_time
from dafeng.gateway.message_writing import write_body, write_time

__all__ = ["BodyFault", "heard_spelling", "read_body", "read_time", "write_body", "write_time"]

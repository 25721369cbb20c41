"""A page for the machines that watch the server: /metrics and /health over HTTP on this machine only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["MetricsPage"]

_MOST: Final = 8192
_SECONDS: Final = 5.0


class MetricsPage:
    """Answers GET /metrics with numbers and GET /health with 200 ok or 503 and what is wrong; nothing else.

    Parameters
    ----------
    numbers : callable
        Gives the text of Prometheus.
    health : callable
        Gives what is wrong; blank where nothing is.
    """

    def __init__(self, numbers: Callable[[], str], health: Callable[[], str]) -> None:
        self._numbers, self._health = numbers, health
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1.

        Raises
        ------
        OSError
            The port cannot be taken.
        """
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", port, limit=_MOST)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SECONDS)
            words = head.split(b" ", 2)
            status, text = self._page(words[1] if words[0] == b"GET" and len(words) > 1 else b"")
            body = text.encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await asyncio.wait_for(writer.drain(), _SECONDS)
        writer.close()

    def _page(self, path: bytes) -> tuple[str, str]:
        if path == b"/metrics":
            return "200 OK", self._numbers()
        if path == b"/health":
            problem = self._health()
            return ("503 Service Unavailable", f"{problem}\n") if problem else ("200 OK", "ok\n")
        return "404 Not Found", "/metrics, /health\n"

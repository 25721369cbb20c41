"""Listens for TLS so that who connects counts before the handshake, for which a good deal of memory is set up."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

__all__ = ["TlsListener"]

_BACKLOG: Final = 4096
_OUT_OF_FILES_SECONDS: Final = 1.0


class TlsListener:
    """Accepts connections, lets the handshake of those that are admitted take its time, and hands them on.

    Parameters
    ----------
    context : SSLContext
    protocol : callable
        Makes the protocol of a connection whose handshake has passed.
    admit : callable
        Asked with the address before the handshake; False closes the connection.
    leave : callable
        Told the address of whom was admitted when the handshake is over, well or badly.
    seconds : float
        For a handshake.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.BaseProtocol],
        *,
        admit: Callable[[str], bool],
        leave: Callable[[str], object],
        seconds: float,
    ) -> None:
        self._context, self._protocol = context, protocol
        self._admit, self._leave, self._seconds = admit, leave, seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises
        ------
        OSError
            The port cannot be taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._keep(self._accept())
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Listen no longer, and end the handshakes that are under way."""
        for task in self._tasks:
            task.cancel()
        self._socket.close()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            try:
                connected, peer = await self._loop.sock_accept(self._socket)
            except OSError:  # no file left to open
                await asyncio.sleep(_OUT_OF_FILES_SECONDS)
                continue
            address = str(peer[0])
            if self._admit(address):
                self._keep(self._shake(connected, address))
            else:
                connected.close()
            await asyncio.sleep(0)  # a flood has to take turns with who is inside

    async def _shake(self, connected: socket.socket, address: str) -> None:
        try:
            with suppress(OSError):  # no TLS, too slow, or gone
                await self._loop.connect_accepted_socket(
                    self._protocol, connected, ssl=self._context, ssl_handshake_timeout=self._seconds
                )
        finally:
            self._leave(address)

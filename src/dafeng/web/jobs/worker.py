"""The worker: delivers from the outbox and does background runs, until it is told to stop."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import Final

from django.db import OperationalError, close_old_connections

from dafeng.web.jobs.services import work_one
from dafeng.web.outbox.services import deliver

__all__ = ["work"]

_log: Final = logging.getLogger("dafeng.web.jobs")
_IDLE: Final = 1.0


def work(stop: threading.Event, *, once: bool = False) -> None:
    """Work until `stop` is set, or until nothing is left where `once`."""
    name = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
    while not stop.is_set():
        try:
            busy = deliver() > 0
            busy = work_one(name) or busy
        except OperationalError as error:  # locked, or the server is away: later
            _log.warning("worker waits: %s", error)
            busy = False
        finally:
            close_old_connections()
        if once and not busy:
            return
        if not busy:
            stop.wait(_IDLE)

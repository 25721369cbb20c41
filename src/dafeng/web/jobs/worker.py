"""The worker: delivers from the outbox and does background runs, until it is told to stop.

Two threads, so that what was approved is published while a long run goes on.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError, close_old_connections, connection

from dafeng.web.jobs.services import beat, work_one
from dafeng.web.outbox.services import deliver

__all__ = ["work"]

_log: Final = logging.getLogger("dafeng.web.jobs")
_IDLE: Final = 1.0
_BEAT: Final = 20


def work(stop: threading.Event, *, once: bool = False) -> None:
    """Work until `stop` is set, or until nothing is left where `once`."""
    name = f"{socket.gethostname()}-{os.getpid()}"[:80]
    if once:
        while not stop.is_set():
            delivered = deliver() > 0
            if not (work_one(name, stop=stop) or delivered):
                return
        return
    publisher = threading.Thread(target=_repeat, args=(stop, lambda: deliver() > 0), name="publisher")
    alive = threading.Thread(target=_repeat, args=(stop, lambda: _alive(name)), kwargs={"idle": _BEAT}, name="alive")
    for thread in (publisher, alive):
        thread.start()
    try:
        _repeat(stop, lambda: work_one(name, stop=stop))
    finally:
        stop.set()
        for thread in (publisher, alive):
            thread.join()


def _alive(name: str) -> bool:
    beat(name)
    return False


def _repeat(stop: threading.Event, step: Callable[[], bool], *, idle: float = _IDLE) -> None:
    """Repeat a step, with a pause where it found nothing to do."""
    while not stop.is_set():
        try:
            busy = step()
        except DatabaseError as error:  # locked, or the server is away: later
            _log.warning("worker waits: %s", error)
            busy = False
        except OSError as error:  # a full disk and its like
            _log.error("worker waits: %s", error)
            busy = False
        finally:
            close_old_connections()
        if not busy:
            stop.wait(idle)
    connection.close()

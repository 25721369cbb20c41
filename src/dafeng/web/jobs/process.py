"""The worker as a process of its own: `python -m dafeng.web.jobs.process`, started by `dafeng.web.serving`."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from importlib import import_module

import django

from dafeng.web.server import watch_parent

__all__ = ["main"]


def main() -> None:
    """Work until SIGTERM; what runs then goes back to the queue."""
    parser = argparse.ArgumentParser(prog="dafeng.web.jobs.process")
    parser.add_argument("--parent", type=int, default=-1)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dafeng.web.settings")
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    watch_parent(given.parent)
    django.setup()
    import_module("dafeng.web.jobs.worker").work(stop, once=given.once)


if __name__ == "__main__":
    main()

"""The web server as a process of its own: `python -m dafeng.web.server`, started by `dafeng.web.serving`.

It inherits the listening socket, so that connections wait while it is restarted, and a pipe by which it learns that whoever started it
is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from importlib import import_module
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

__all__ = ["main", "watch_parent"]


def watch_parent(handle: int) -> None:
    """End this process by SIGTERM as soon as the other end of a pipe is closed, which its holder's death does too.

    Parameters
    ----------
    handle : int
        Descriptor of the reading end; none where negative.
    """
    if handle < 0:
        return

    def wait() -> None:
        os.read(handle, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:  # older versions know fewer
                self.cfg.set(name, value)

    def load(self) -> Any:
        return import_module("dafeng.web.wsgi").application


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="dafeng.web.server")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, default=-1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    watch_parent(given.parent)
    _Server(
        {
            "bind": f"fd://{given.socket}",
            "workers": given.workers,
            "worker_class": "gthread",
            "threads": given.threads,
            "timeout": 120,
            "graceful_timeout": 20,
            "keepalive": 5,
            "proc_name": "dafeng-web",
            "loglevel": "warning",
            "control_socket_disable": True,
        }
    ).run()


if __name__ == "__main__":
    main()

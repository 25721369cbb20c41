"""Run a command with a PostgreSQL server of its own: `python scripts/postgres.py pytest tests/web`.

The server listens on a free port of the loopback address, keeps its files in a temporary folder, and is gone afterwards. The command
finds it in DAFENG_DATABASE. Exit code 77 says that PostgreSQL is not installed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABSENT = 77


def find_programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, the newest version first."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]))
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists()), None)


def _as_postgres(command: list[str], folder: Path) -> list[str]:
    """Return the command as the user that may run a server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return command
    owner = pwd.getpwnam("postgres")
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *command]


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server; yield its address."""
    folder = Path(tempfile.mkdtemp(prefix="dafeng-pg-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            _as_postgres([str(programs / command[0]), *command[1:]], folder),
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )

    run("initdb", "-D", str(data), "-A", "trust", "-U", "dafeng", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
    run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "dafeng", "dafeng")
        yield f"postgresql://dafeng@127.0.0.1:{port}/dafeng"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def main(command: list[str]) -> int:
    """Run the command; return its exit code."""
    programs = find_programs()
    if programs is None:
        print(
            "PostgreSQL is not installed: nothing was run on it (Debian: apt-get install postgresql)", file=sys.stderr
        )
        return ABSENT
    with server(programs) as address:
        return subprocess.run(command, env={**os.environ, "DAFENG_DATABASE": address}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

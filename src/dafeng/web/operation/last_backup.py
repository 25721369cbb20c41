"""When the last backup was made, noted in the workspace."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from dafeng.lake.durable import write_whole
from dafeng.web.operation.backup import Backup

__all__ = ["last_backup", "note_backup"]

_FILE: Final = "last-backup.json"


def note_backup(root: Path, made: Backup) -> None:
    """Note that a backup was made."""
    write_whole(root / _FILE, json.dumps(made.model_dump(mode="json"), ensure_ascii=False).encode())


def last_backup(root: Path) -> datetime | None:
    """Return when the last backup was begun; None where none is noted."""
    try:
        return datetime.fromisoformat(json.loads((root / _FILE).read_bytes())["made_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

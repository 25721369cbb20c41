"""Running the command line in tests as a user runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dafeng.cli import main


def run(*words: str) -> int:
    """Return the exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """Return the JSON document that a command prints, after checking its exit code."""
    capsys.readouterr()
    assert run(*words, "--json") == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document

"""Fixtures of the command-line tests of the reporting cycle."""

from __future__ import annotations

from pathlib import Path

import pytest

from dafeng.workflow.setting import Setting
from form_builders import shipped
from statistics_builders import setting_at


@pytest.fixture
def reporting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Return a workspace of Qingdao in which commands run, with the shipped catalog read once for all tests."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")  # 2026-11-20
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dafeng.workflow.setting.load_catalog", lambda _=(): shipped())
    made = setting_at(tmp_path)
    monkeypatch.setenv("DAFENG_WORKSPACE", str(tmp_path / "w"))
    return made

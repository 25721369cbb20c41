"""Cells of a draft: what was written, by whom, and what two people wrote at the same time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dafeng.base.form import FormEntry, FormFilling, FormIssue

__all__ = ["Cells", "Merged", "base_of", "cells_of_filling", "entry_of", "filling_of_cells", "merge"]

Cells = dict[str, dict[str, Any]]
_FIELDS: Final = ("value", "reason", "note")
_LONGEST: Final = 4000
"""Characters of one text that are kept; a longer one is cut off by the page already."""


def entry_of(cell: Mapping[str, Any] | None) -> FormEntry:
    """Return what stands in a cell."""
    return FormEntry() if cell is None else FormEntry(**{name: str(cell.get(name, "")) for name in _FIELDS})


def _plain(entry: FormEntry) -> FormEntry:
    return FormEntry(**{name: getattr(entry, name).strip()[:_LONGEST] for name in _FIELDS})


def _digest(entry: FormEntry) -> str:
    said = "\x1f".join(getattr(entry, name) for name in _FIELDS)
    return hashlib.sha256(said.encode()).hexdigest()[:10]


def base_of(cell: Mapping[str, Any] | None) -> str:
    """Return what a page remembers of a cell that it shows: its version, and a digest of what stood there.

    Examples
    --------
    >>> base_of(None) == base_of({"value": "", "v": 0})
    True
    """
    return f"{(cell or {}).get('v', 0)}.{_digest(entry_of(cell))}"


@dataclass
class Merged:
    """What became of cells that somebody sends.

    Attributes
    ----------
    cells : dict
        The draft afterwards.
    written : dict of line to (before, after)
    conflicts : dict of line to FormEntry
        What was not written since somebody else wrote in between; it is kept beside the cell.
    """

    cells: Cells
    written: dict[str, tuple[FormEntry, FormEntry]] = field(default_factory=dict)
    conflicts: dict[str, FormEntry] = field(default_factory=dict)


def merge(stored: Cells, sent: Mapping[str, tuple[str, FormEntry]], *, by: str, at: datetime) -> Merged:
    """Put what somebody sends into a draft, line by line, so that nothing is lost.

    A cell that the sender left as they saw it is left as it is. One that they changed is written, unless somebody else
    changed it since they saw it: then both are kept, and the sender is told.

    Parameters
    ----------
    stored : dict
        Cells by line, see `Draft.cells`.
    sent : mapping from line to (base, entry)
        ``base`` as `base_of` gave it when the page was made; ``*`` writes whatever stands there.
    by : str
        Name of the sender.
    at : datetime

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    >>> first = merge({}, {"a": (base_of(None), FormEntry(value="1"))}, by="张三", at=now).cells
    >>> late = merge(first, {"a": (base_of(None), FormEntry(value="2"))}, by="李四", at=now)
    >>> late.cells["a"]["value"], late.conflicts["a"].value, late.cells["a"]["others"][0]["value"]
    ('1', '2', '2')
    """
    merged = Merged({line: dict(cell) for line, cell in stored.items()})
    for line, (base, raw) in sent.items():
        entry, cell = _plain(raw), merged.cells.get(line)
        held = entry_of(cell)
        version, _, digest = base.partition(".")
        if base != "*" and _digest(entry) == digest and entry != held:
            continue  # left as it was seen; somebody else has written since
        if entry == held:
            if cell is not None and cell.get("others") and version == str(cell.get("v", 0)):
                cell["others"] = []  # seen, and what stands there is confirmed
            continue
        if base != "*" and cell is not None and version != str(cell.get("v", 0)):
            merged.conflicts[line] = entry
            said = {name: getattr(entry, name) for name in _FIELDS} | {"by": by, "at": at.isoformat()}
            alike = [one for one in cell.get("others", []) if any(one.get(name) != said[name] for name in _FIELDS)]
            cell["others"] = [*alike, said]
            continue
        merged.written[line] = (held, entry)
        merged.cells[line] = {
            **{name: getattr(entry, name) for name in _FIELDS if getattr(entry, name)},
            "v": (cell or {}).get("v", 0) + 1,
            "by": by,
            "at": at.isoformat(),
        }
    return merged


def filling_of_cells(issue: FormIssue, cells: Mapping[str, Mapping[str, Any]]) -> FormFilling:
    """Return cells of a draft as the library reads them; cells of lines that the form has no more are left out."""
    entries = {line.id: entry for line in issue.lines if not (entry := entry_of(cells.get(line.id))).blank}
    head = {line.field: str(text) for line in issue.head if (text := (cells.get(line.id) or {}).get("value", ""))}
    return FormFilling(entries=entries, head=head)


def cells_of_filling(issue: FormIssue, filling: FormFilling) -> dict[str, FormEntry]:
    """Return what a filling says, by the ids under which a draft keeps it; lines without an entry are blank."""
    said = {line.id: filling.entries.get(line.id, FormEntry()) for line in issue.lines}
    return said | {line.id: FormEntry(value=filling.head.get(line.field, "")) for line in issue.head}

"""What is asked of a yearly report: whose it is, of which year, what the clerk supplies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from dafeng.reports.october_facts import OctoberScope

__all__ = ["UNBUILT", "OctoberRequest"]

UNBUILT: Final[tuple[str, ...]] = ()
"""Parts that the yearly report will carry once they are built; until then they are named as 暂未建设."""


@dataclass(frozen=True)
class OctoberRequest:
    """Whose report it is, of which year, and what the clerk already supplies.

    Attributes
    ----------
    year : int
        Year of the report.
    scope : OctoberScope
    body : str or None
        Body id, for a body's own return.
    signer, addressee, contact : str
        Left for the clerk where empty and not to be found in the catalog.
    day : date or None
        Date of the paper; left for the clerk where None.
    unbuilt : sequence of str
        Parts that do not exist yet.
    remarks : sequence of (str, str)
        Further conventions for annex 4: name and text.
    narratives : mapping from key to text
        What people wrote, by the keys of `dafeng.reports.october_narrative.narrative_parts`; each line is a paragraph.
    """

    year: int
    scope: OctoberScope = OctoberScope.CITY
    body: str | None = None
    signer: str = ""
    addressee: str = ""
    contact: str = ""
    day: date | None = None
    unbuilt: Sequence[str] = UNBUILT
    remarks: Sequence[tuple[str, str]] = ()
    narratives: Mapping[str, str] = field(default_factory=dict)

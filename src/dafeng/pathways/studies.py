"""Published forecasts of the peak beside our most similar scenario, like with like, and on what a difference rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.base.record import Record
from dafeng.catalog.pathway_schemas import PeakStudy

__all__ = ["OurPeak", "StudyRow", "beside_studies"]

_LEVEL_APART: Final = 0.15


class StudyRow(Record):
    """A published forecast of the peak beside our most similar scenario."""

    study: str
    """Id."""
    title: str
    """Study and scenario."""
    place: str
    """Place."""
    scope: str
    """What is counted."""
    theirs: str
    """Peak year that it states; empty for none."""
    their_level: float | None
    """Level that it states, MtCO2."""
    scenario: str
    """Our scenario; empty where none is alike."""
    ours: tuple[int, int, int] | None
    """5th, 50th and 95th percentile of our peak year."""
    our_level: float | None
    """Median of our peak level, MtCO2."""
    agrees: bool | None
    """Whether the ranges of the years meet; None where nothing is compared."""
    reason: str
    """Why they differ, or are not compared."""


@dataclass(frozen=True)
class OurPeak:
    """Our peak that a study is set beside.

    Parameters
    ----------
    scenario : str
        Scenario id.
    years : tuple of int
        5th, 50th and 95th percentile of the peak year.
    level : float
        Median level, MtCO2, or Mtce for energy.
    held_grid : int
        Peak year of the stated values if electricity kept its emission factor of the base year; `last` where it is still rising.
    base_year, last : int
        Base year; last year of the horizon.
    """

    scenario: str
    years: tuple[int, int, int]
    level: float
    held_grid: int
    base_year: int
    last: int


def beside_studies(studies: Sequence[PeakStudy], ours: Mapping[str, OurPeak | str]) -> tuple[StudyRow, ...]:
    """Set studies beside our peaks, like with like.

    Parameters
    ----------
    studies : sequence of PeakStudy
    ours : mapping from study id to OurPeak, or to the reason for none

    Returns
    -------
    tuple of StudyRow
        Every study, those that state no year or have no like of ours with the reason.
    """
    rows = []
    for study in studies:
        found = ours.get(study.id, "没有相近的情景")
        stated = _stated(study)
        compared = not isinstance(found, str) and bool(stated)
        agrees, reason = None, found if isinstance(found, str) else "" if stated else "该研究未说达峰年"
        if compared and isinstance(found, OurPeak):
            begin = found.years[0] if study.peak_first is None else study.peak_first
            end = begin if study.peak_last is None else study.peak_last
            agrees = found.years[0] <= end and begin <= found.years[2]
            reason = "" if agrees else _why(study, found)
        shown = found if compared and isinstance(found, OurPeak) else None
        rows.append(
            StudyRow(
                study=study.id, title=study.title.zh, place=study.place, scope=study.scope, theirs=stated,
                their_level=study.peak_value, scenario=shown.scenario if shown else "", ours=shown.years if shown else None,
                our_level=float(f"{shown.level:.4g}") if shown else None, agrees=agrees, reason=reason,
            )
        )  # fmt: skip
    return tuple(rows)


def _stated(study: PeakStudy) -> str:
    """Return the peak year as the study has it; empty where it states none."""
    if study.peak_first is None:
        return "" if study.peak_last is None else f"不晚于{study.peak_last}"
    if study.peak_last is None or study.peak_last == study.peak_first:
        return str(study.peak_first)
    return f"{study.peak_first}—{study.peak_last}"


def _why(study: PeakStudy, ours: OurPeak) -> str:
    """Say what the difference rests on, as far as the model can tell: its own peak with electricity as it was."""
    later = (study.peak_first or study.peak_last or 0) > ours.years[2]
    parts = ["该研究的峰值更晚" if later else "该研究的峰值更早"]
    held = f"{ours.last}年仍在上升" if ours.held_grid >= ours.last else f"峰值为{ours.held_grid}年"
    parts.append(f"本库若电力因子停在{ours.base_year}年，{held}")
    if study.published < ours.base_year + 3:
        parts.append("该研究写成时尚无此后的电力因子与人口")
    if study.peak_value is not None and abs(study.peak_value / ours.level - 1) > _LEVEL_APART:
        parts.append(f"其水平与本库相差{study.peak_value / ours.level - 1:+.0%}，口径或基年不同")
    if study.note and "基础设施" in study.note:
        parts.append("其口径可能含基础设施，本库不含")
    return "；".join(parts)

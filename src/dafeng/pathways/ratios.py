"""What the energy standards of a place leave of useful heat and cold, by building class and completion year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.finding import Finding, Severity
from dafeng.catalog import Catalog
from dafeng.catalog.pathway_schemas import EnergyStandard
from dafeng.catalog.pathway_tables import YEARS, PathwayAxes
from dafeng.pathways.inputs import STANDARD_RATIOS, Inputs

__all__ = ["cohort_ratio", "standard_ratios", "standards_of"]

Floats = NDArray[np.float64]
_KINDS: Final = ("heat", "cool")


def standards_of(
    catalog: Catalog, axes: PathwayAxes, *, chain: Sequence[str], zone: str, building_class: str, level: str
) -> list[EnergyStandard]:
    """Return the standards of one level that hold for a class, by year: those of the nearest place that has any.

    Where two start in the same year, the one for the narrower class holds, then the one that names the zone.
    """
    wider = axes.wider("building_class", building_class)
    found = [
        standard
        for standard in catalog.energy_standards.values()
        if standard.level == level
        and any(code in wider for code in standard.classes)
        and (not standard.zones or zone in standard.zones)
    ]
    for place in chain:
        here = [standard for standard in found if standard.place == place]
        if here:
            by_year: dict[int, EnergyStandard] = {}
            for standard in sorted(here, key=lambda one: (_distance(one, wider), not one.zones, one.id), reverse=True):
                by_year[standard.from_year] = standard
            return [by_year[year] for year in sorted(by_year)]
    return []


def _distance(standard: EnergyStandard, wider: Sequence[str]) -> int:
    return min(wider.index(code) for code in standard.classes if code in wider)


def standard_ratios(
    catalog: Catalog, axes: PathwayAxes, *, place: str, chain: Sequence[str], zone: str
) -> tuple[dict[str, Floats], list[Finding]]:
    """Return the arrays of `dafeng.pathways.inputs.STANDARD_RATIOS`, and what is missing.

    Parameters
    ----------
    catalog : Catalog
    axes : PathwayAxes
    place : str
        Place id, for the findings.
    chain : sequence of str
        The place and the places above it, nearest first.
    zone : str
        Climate zone.

    Returns
    -------
    arrays : dict of str to array
        Ratios by cohort, draw axis 1. Before the first code the ratio is 1. A level without a standard for a class is as good as
        the code, with a finding.
    findings : list of Finding
    """
    classes, levels = axes.members("building_class"), axes.members("level")
    sizes = {"building_class": len(classes), "level": len(levels)}
    arrays = {name: np.ones((*(sizes[axis] for axis in of), len(YEARS), 1)) for name, of in STANDARD_RATIOS.items()}
    without: dict[str, list[str]] = {}
    for row, code in enumerate(classes):
        codes = standards_of(catalog, axes, chain=chain, zone=zone, building_class=code, level="code")
        if not codes:
            without.setdefault("code", []).append(code)
        for kind in _KINDS:
            steps = [1.0, *(getattr(standard, f"{kind}_ratio") for standard in codes)]
            at = (
                np.searchsorted([standard.from_year for standard in codes], YEARS, side="right") if codes else 0 * YEARS
            )
            arrays[f"code_{kind}_ratio"][row, :, 0] = np.asarray(steps)[at]
            arrays[f"previous_{kind}_ratio"][row, :, 0] = np.asarray(steps)[np.maximum(at - 1, 0)]
        for column, level in enumerate(levels):
            above = standards_of(catalog, axes, chain=chain, zone=zone, building_class=code, level=level)
            if not above:
                without.setdefault(level, []).append(code)
            for kind in _KINDS:
                path = arrays[f"code_{kind}_ratio"][row, :, 0]
                if above:
                    steps = [getattr(standard, f"{kind}_ratio") for standard in above]
                    at = np.searchsorted([standard.from_year for standard in above], YEARS, side="right")
                    path = np.asarray(steps)[np.maximum(at - 1, 0)]
                arrays[f"level_{kind}_ratio"][row, column, :, 0] = path
    findings = [
        Finding(
            name="pathways.standard.missing",
            sentence=f"{catalog.place_name(place)}没有气候区 {zone} 的{'节能标准' if level == 'code' else level + ' 水平'}："
            f"{'、'.join(named)}；按{'未执行标准' if level == 'code' else '当年标准'}计算",
            severity=Severity.WARNING,
            value=level,
            expected="目录 energy_standards 中有该地或其上级、该气候区、该类建筑的条目",
            next_step="补充节能标准条目",
        )
        for level, named in without.items()
    ]
    return arrays, findings


def cohort_ratio(inputs: Inputs, rows: Sequence[int], kind: str) -> Floats:
    """Return what each cohort needs as a share of the building before any standard, `(classes, cohorts, draws or 1)`: equation (5a).

    Parameters
    ----------
    inputs : Inputs
    rows : sequence of int
        Rows of the building classes.
    kind : {"heat", "cool"}
    """
    names = (
        f"code_{kind}_ratio",
        f"previous_{kind}_ratio",
        "standard_compliance",
        "advanced_share",
        f"level_{kind}_ratio",
    )
    code, previous, compliance, advanced, levels = (inputs.arrays[name][rows] for name in names)
    ratio = compliance * (code - previous)
    ratio += previous
    if not advanced.any():
        return np.asarray(ratio)
    total = advanced.sum(axis=1)
    if bool((total > 1.0).any()):
        advanced = advanced * (1.0 / np.maximum(total, 1.0))[:, None]
    left = np.subtract(1.0, np.minimum(total, 1.0, out=total), out=total)
    above = advanced[:, 0] * levels[:, 0]
    for level in range(1, advanced.shape[1]):
        above += advanced[:, level] * levels[:, level]
    return np.asarray(ratio * left + above)  # any of the three may be the same in all draws while another is not

"""What ties pathway content together: members, quantities, values by place, shares that add up, standards, published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import UnitError
from dafeng.base.place import PlaceLevel
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.pathway_overlay_checks import check_links, check_measures, check_scenario
from dafeng.catalog.pathway_schemas import PathwayParameter, PathwayQuantity, Scenario
from dafeng.catalog.pathway_tables import (
    FIRST_YEAR,
    SHARE_TOLERANCE,
    PathwayAxes,
    bounds_of,
    needs_value,
    share_groups,
    stated_cell,
    unit_factor,
    value_paths,
)

__all__ = ["check_overlays", "check_pathways"]

_ROUNDING: Final = 1e-9
_MIXED: Final = "mixed"  # zone of a place that lies in several


def check_pathways(checker: Checker, *, thorough: bool = True) -> None:
    """Note every fault of pathway content.

    Parameters
    ----------
    checker : Checker
        Catalog as read; collects the findings.
    thorough : bool
        Whether also to look, for every place and year, whether shares add up and nothing is missing; `read_inputs` looks at
        the place that it reads in any case.
    """
    axes = PathwayAxes(checker.catalog.path_members)
    _members(checker, axes)
    _quantities(checker, axes)
    _parameters(checker, axes)
    if thorough:
        stated = [(one, ("path_parameters", one.id)) for one in checker.catalog.path_parameters.values()]
        _shares(checker, axes, stated, overlay=False)
        _places(checker, axes)
    _standards(checker, axes)
    _published(checker)
    check_measures(checker, axes)
    check_links(checker)
    for scenario in checker.catalog.scenarios.values():
        check_scenario(checker, scenario)
        check_overlays(checker, axes, [scenario])


def check_overlays(checker: Checker, axes: PathwayAxes, layers: Sequence[Scenario]) -> tuple[PathwayParameter, ...]:
    """Note the faults of the values that scenarios lay over one another, and return those that are sound.

    Parameters
    ----------
    checker : Checker
    axes : PathwayAxes
    layers : sequence of Scenario
        The top first: its values hold before those of the same quantity, place and members below.

    Returns
    -------
    tuple of PathwayParameter
        The lowest layer's first.
    """
    catalog = checker.catalog
    kept: dict[tuple[str, ...], tuple[PathwayParameter, tuple[str | int, ...]]] = {}
    for layer in reversed(layers):
        for index, parameter in enumerate(layer.parameters):
            here = ("scenarios", layer.id, "parameters", index)
            if _parameter(checker, axes, parameter, *here):
                cell = stated_cell(catalog.path_quantities[parameter.quantity], parameter)
                kept[parameter.quantity, parameter.place, *cell] = parameter, here
    wrong = _shares(checker, axes, list(kept.values()), overlay=True)
    return tuple(parameter for parameter, _ in kept.values() if parameter.id not in wrong)


def _zones(checker: Checker) -> tuple[str, ...]:
    types = checker.catalog.field_types()
    return (*(types["climate_zone"].options if "climate_zone" in types else ()), _MIXED)


def _members(checker: Checker, axes: PathwayAxes) -> None:
    for member in checker.catalog.path_members:
        here = ("path_members", (member.axis, member.code))
        for name, axis in (("parent", member.axis), ("carrier", "carrier"), ("end_use", "end_use")):
            checker.known("path-member", getattr(member, name), axes.codes(axis), *here, name, zh="成员")
        if member.unit is not None:
            checker.unit(member.unit, *here, "unit")


def _quantities(checker: Checker, axes: PathwayAxes) -> None:
    for quantity in checker.catalog.path_quantities.values():
        here = ("path_quantities", quantity.id)
        checker.unit(quantity.unit, *here, "unit")
        for index, axis in enumerate(quantity.axes):
            checker.known("path-axis", axis, list(axes), *here, "axes", index, zh="轴")
        checker.known("path-axis", quantity.sums_to_one, quantity.axes, *here, "sums_to_one", zh="轴")
        for level in quantity.plausible:
            checker.known(
                "place-level", level, [one.value for one in PlaceLevel], *here, "plausible", level, zh="地方层级"
            )
        least, most = bounds_of(quantity)
        if not least <= most or (quantity.default is not None and not least <= quantity.default <= most):
            checker.say(
                "path-quantity.bounds", f"{quantity.title.zh}的下限、默认值、上限次序不对", *here,
                expected="least ≤ default ≤ most", value=f"{quantity.least}, {quantity.default}, {quantity.most}",
            )  # fmt: skip


def _parameters(checker: Checker, axes: PathwayAxes) -> None:
    catalog = checker.catalog
    seen: dict[tuple[str, ...], str] = {}
    for parameter in catalog.path_parameters.values():
        if not _parameter(checker, axes, parameter, "path_parameters", parameter.id):
            continue
        key = (
            parameter.quantity,
            parameter.place,
            *stated_cell(catalog.path_quantities[parameter.quantity], parameter),
        )
        if seen.setdefault(key, parameter.id) != parameter.id:
            checker.say(
                "path-parameter.twice", f"与 {seen[key]} 说的是同一地方、同一量、同一成员", "path_parameters", parameter.id,
                expected="每地每量每成员一条，逐年的值写在 points 里", value=seen[key],
            )  # fmt: skip


def _parameter(
    checker: Checker, axes: PathwayAxes, parameter: PathwayParameter, section: str, key: str, *path: str | int
) -> bool:
    """Note the faults of one parameter; return whether it is sound."""
    catalog = checker.catalog
    placed = checker.known("place", parameter.place, catalog.places, section, key, *path, "place", zh="地方")
    checker.known("source", parameter.source, catalog.sources, section, key, *path, "source", zh="来源")
    for index, point in enumerate(parameter.points):
        checker.known(
            "source", point.source, catalog.sources, section, key, *path, "points", index, "source", zh="来源"
        )
    if not checker.known(
        "path-quantity", parameter.quantity, catalog.path_quantities, section, key, *path, "quantity", zh="模型的量"
    ):
        return False
    quantity = catalog.path_quantities[parameter.quantity]
    sound = placed
    for axis, code in parameter.of.items():
        sound &= checker.known(
            "path-axis", axis, quantity.axes, section, key, *path, "of", axis, zh=f"{quantity.title.zh}的轴"
        ) and (checker.known("path-member", code, axes.codes(axis), section, key, *path, "of", axis, zh="成员"))
    if not sound or not checker.unit(parameter.unit, section, key, *path, "unit"):
        return False
    try:
        factor = unit_factor(axes, quantity, parameter.unit, parameter.of)
    except UnitError as error:
        checker.say(
            "path-parameter.unit", f"单位 {parameter.unit} 不能换算为{quantity.title.zh}的单位 {quantity.unit}", section, key, *path, "unit",
            expected=error.expected, value=parameter.unit,
        )  # fmt: skip
        return False
    return _values(checker, quantity, parameter, factor, section, key, *path)


def _values(
    checker: Checker,
    quantity: PathwayQuantity,
    parameter: PathwayParameter,
    factor: float,
    section: str,
    key: str,
    *path: str | int,
) -> bool:
    sound = True
    least, most = bounds_of(quantity)
    usual = quantity.plausible.get(checker.catalog.places.get(parameter.place).level.value)
    stated: list[tuple[tuple[str | int, ...], float]] = [
        (("points", index, name), value)
        for index, point in enumerate(parameter.points)
        for name in ("value", "low", "high")
        if (value := getattr(point, name)) is not None
    ]
    if parameter.curve is not None:
        stated += [
            (("curve", name), value)
            for name in ("ceiling", "ceiling_low", "ceiling_high")
            if (value := getattr(parameter.curve, name)) is not None
        ]
        low, high = parameter.curve.ceiling_low, parameter.curve.ceiling_high
        if (low is not None and low > parameter.curve.ceiling) or (high is not None and high < parameter.curve.ceiling):
            sound = False
            checker.say("path-parameter.curve", "饱和值不在其低值与高值之间", section, key, *path, "curve")
    for where, value in stated:
        amount = value * factor
        if not least - _ROUNDING <= amount <= most + _ROUNDING:
            checker.say(
                "path-parameter.bounds", f"{quantity.title.zh}为 {value:g} {parameter.unit}，超出界限", section, key, *path, *where,
                expected=f"{least:g} 至 {most:g}（{quantity.unit}）", value=f"{value:g}",
            )  # fmt: skip
        elif usual is not None and not usual[0] <= amount <= usual[1]:
            checker.say(
                "path-parameter.plausible",
                f"{quantity.title.zh}为 {value:g} {parameter.unit}，即 {amount:g} {quantity.unit}，与该级地方的量级不符，"
                "请核对单位（万、亿）",
                section, key, *path, *where,
                expected=f"{usual[0]:g} 至 {usual[1]:g}（{quantity.unit}）", value=f"{value:g}",
            )  # fmt: skip
        elif parameter.spread == "lognormal" and amount <= 0:
            checker.say(
                "path-parameter.lognormal", "对数正态分布的值应大于零", section, key, *path, *where,
                expected="大于零，或改用其他分布", value=f"{value:g}",
            )  # fmt: skip
        else:
            continue
        sound = False
    return sound


def _readable(axes: PathwayAxes, quantity: PathwayQuantity | None, parameter: PathwayParameter) -> float | None:
    """Return the factor of the unit of a parameter, None where it has other faults, which are noted already."""
    if quantity is None:
        return None
    try:
        return unit_factor(axes, quantity, parameter.unit, parameter.of)
    except UnitError:
        return None


def _shares(
    checker: Checker,
    axes: PathwayAxes,
    parameters: Sequence[tuple[PathwayParameter, tuple[str | int, ...]]],
    *,
    overlay: bool,
) -> set[str]:
    """Note groups of shares of one place that do not add up to one in a year that one of them states; return ids at fault.

    A place may state a part of a group: those of a place above that it does not state then share the rest. In an overlay all that
    it does not state does.
    """
    catalog = checker.catalog
    by_place: dict[tuple[str, str], dict[tuple[str, ...], PathwayParameter]] = defaultdict(dict)
    paths: dict[str, NDArray[np.float64]] = {}
    wheres = {parameter.id: here for parameter, here in parameters}
    faulty: set[str] = set()
    for parameter, _ in parameters:
        quantity = catalog.path_quantities.get(parameter.quantity)
        factor = _readable(axes, quantity, parameter)
        if quantity is not None and quantity.sums_to_one is not None and factor is not None:
            by_place[quantity.id, parameter.place][stated_cell(quantity, parameter)] = parameter
            paths[parameter.id] = value_paths(parameter, quantity.between, factor)[1]
    for (name, place), stated in by_place.items():
        quantity = catalog.path_quantities[name]
        above = [by_place[name, one] for one in _above(checker, place) if (name, one) in by_place]
        told: set[frozenset[str]] = set()
        for cells in share_groups(axes, quantity):
            found = {cell: one for cell in cells if (one := _held(axes, quantity, stated, cell)) is not None}
            used = frozenset(one.id for one in found.values())
            if not found or used in told:
                continue
            taker = (overlay and len(found) < len(cells)) or any(
                paths[one.id].any()
                for cell in cells
                if cell not in found
                for wider in above
                if (one := _held(axes, quantity, wider, cell)) is not None
            )
            years = sorted({point.year for one in found.values() for point in one.points})
            sums = np.asarray([sum(paths[one.id][year - FIRST_YEAR] for one in found.values()) for year in years])
            wrong = np.flatnonzero((sums > 1 + SHARE_TOLERANCE) | ((sums < 1 - SHARE_TOLERANCE) & (not taker)))
            if wrong.size:
                told.add(used)
                faulty |= used
                section, key, *rest = wheres[next(iter(found.values())).id]
                checker.say(
                    "path-share.sum",
                    f"{catalog.place_name(place)}的{quantity.title.zh}（{_named(axes, quantity, cells)}）"
                    f"{years[wrong[0]]} 年合计为 {sums[wrong[0]]:.4g}",
                    str(section), key, *rest,
                    expected="一地一年的各项合计为 1；只列一部分时，其余由上级的各项按比例分", value=f"{sums[wrong[0]]:.6g}",
                )  # fmt: skip
    return faulty


def _above(checker: Checker, place: str) -> list[str]:
    places = checker.catalog.places
    return places.ancestor_ids(place) if place in places else []


def _held(
    axes: PathwayAxes,
    quantity: PathwayQuantity,
    stated: Mapping[tuple[str, ...], PathwayParameter],
    cell: tuple[str, ...],
) -> PathwayParameter | None:
    """Return the parameter of a place that holds for a cell."""
    return next((stated[wider] for wider in axes.wider_cells(quantity, cell) if wider in stated), None)


def _named(axes: PathwayAxes, quantity: PathwayQuantity, cells: Sequence[tuple[str, ...]]) -> str:
    """Return in words which group of shares is meant: the members that its cells have in common, and the end use."""
    words = []
    for at, axis in enumerate(quantity.axes):
        codes = {cell[at] for cell in cells}
        member = axes.get(axis, cells[0][at])
        if len(codes) == 1 and member is not None:
            words.append(member.title.zh)
        elif member is not None and member.end_use is not None:
            use = axes.get("end_use", member.end_use)
            words.append(member.end_use if use is None else use.title.zh)
    return "、".join(words) or "各项"


def _places(checker: Checker, axes: PathwayAxes) -> None:
    catalog, zones = checker.catalog, _zones(checker)
    for entry in catalog.path_places.values():
        here = ("path_places", entry.place)
        checker.known("source", entry.source, catalog.sources, *here, "source", zh="来源")
        checker.known("option", entry.zone, zones, *here, "zone", zh="气候区")
        if checker.known("place", entry.place, catalog.places, *here, "place", zh="地方"):
            _missing(checker, axes, entry.place)


def _missing(checker: Checker, axes: PathwayAxes, place: str) -> None:
    """Note every quantity of which the model lacks a value for a place that is modelled, itself and above it."""
    catalog = checker.catalog
    chain = {place, *catalog.places.ancestor_ids(place)}
    stated: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for parameter in catalog.path_parameters.values():
        quantity = catalog.path_quantities.get(parameter.quantity)
        if quantity is not None and parameter.place in chain:
            stated[quantity.id].add(stated_cell(quantity, parameter))
    for quantity in catalog.path_quantities.values():
        groups = share_groups(axes, quantity) or [
            (cell,) for cell in axes.cells(quantity) if needs_value(axes, quantity, cell)
        ]
        without = [
            cells
            for cells in groups
            if not any(wider in stated[quantity.id] for cell in cells for wider in axes.wider_cells(quantity, cell))
        ]
        if without:
            named = "；".join(dict.fromkeys(_named(axes, quantity, cells) for cells in without[:4]))
            checker.say(
                "path-place.missing",
                f"{catalog.place_name(place)}及其上级没有{quantity.title.zh}" + (f"（{named}等）" if quantity.axes else ""),
                "path_places", place,
                expected=f"path_parameters 中有 {quantity.id}，单位可换算为 {quantity.unit}", value=quantity.id,
            )  # fmt: skip


def _standards(checker: Checker, axes: PathwayAxes) -> None:
    catalog, zones = checker.catalog, _zones(checker)
    for standard in catalog.energy_standards.values():
        here = ("energy_standards", standard.id)
        checker.known("source", standard.source, catalog.sources, *here, "source", zh="来源")
        checker.known("place", standard.place, catalog.places, *here, "place", zh="地方")
        for index, code in enumerate(standard.classes):
            known = axes.codes("building_class")
            checker.known("path-member", code, known, *here, "classes", index, zh="建筑类别")
        for index, zone in enumerate(standard.zones):
            checker.known("option", zone, zones, *here, "zones", index, zh="气候区")


def _published(checker: Checker) -> None:
    catalog = checker.catalog
    for total in catalog.published_totals.values():
        here = ("published_totals", total.id)
        checker.known("source", total.source, catalog.sources, *here, "source", zh="来源")
        checker.known("place", total.place, catalog.places, *here, "place", zh="地方")
        checker.unit(total.unit, *here, "unit")
    for study in catalog.peak_studies.values():
        here = ("peak_studies", study.id)
        checker.known("source", study.source, catalog.sources, *here, "source", zh="来源")
        checker.known("place", study.place, catalog.places, *here, "place", zh="地方")
        if study.peak_first is not None and study.peak_last is not None and study.peak_first > study.peak_last:
            checker.say(
                "peak-study.years", f"峰值年首年 {study.peak_first} 晚于末年 {study.peak_last}", *here, "peak_first",
                expected="首年不晚于末年", value=str(study.peak_first),
            )  # fmt: skip

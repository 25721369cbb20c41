"""Indicators from maps: road density, land cover, service areas, by place.

Needs the extra ``dafeng[maps]``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import AmbiguousNameError, InputError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import SCHEMA, Observation, ObservationKind, observation_frame
from dafeng.base.period import Period
from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.intake.maps import Datum, Layer, read_layer
from dafeng.lake import Published
from dafeng.methods.spatial import (
    area_within,
    areas_of,
    length_within,
    lengths_of,
    overlapping,
    reached,
    served_area,
    undirected,
)
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["MapOptions", "Measured", "measure_cover", "measure_roads", "measure_service", "publish_measured"]

_METHODS: Final = {
    "roads": "无向去重后的测地长度；面积用等积投影",
    "cover": "图形合并后的面积（重叠只计一次），等积投影",
    "service": "按直线距离的服务半径与需求用地相交的面积，等积投影",
}
WHOLE: Final = 0.98
"""Share of a place that a map must reach for a value of the place to be taken from it."""
PARK_RADII: Final = ((5000.0, 500.0), (2000.0, 300.0))
"""Park service radius: from this area in m² on, this radius in m; smaller parks serve nobody. Source: S54 (check-up set of 2021)."""


class MapOptions(Record):
    """What a person says of the maps."""

    areas: Path
    """Polygons of the places."""
    key: str = "adcode"
    """Attribute of the polygons with the place's code or name."""
    period: str
    """Period for which the maps hold."""
    extent: Extent = Extent.WHOLE
    """Extent that the polygons show: whole, built_up, urban …"""
    areas_datum: Datum = "wgs84"
    """Datum of the polygons; Chinese base maps are GCJ-02."""
    datum: Datum = "wgs84"
    """Datum of the other layers."""
    complete: bool = False
    """Whether a person knows that the layers show the places whole; else a place beyond the box of their shapes has no value."""


@dataclass(frozen=True)
class Measured:
    """What was measured on maps."""

    table: pl.DataFrame
    """One row a place and class: place, name, class, km or km2, share or density."""
    observations: pl.DataFrame
    """Of `SCHEMA`."""
    lineage: pl.DataFrame
    """Of `LINEAGE_SCHEMA`."""
    findings: tuple[Finding, ...]
    """What was found."""


def measure_roads(
    setting: Setting,
    roads: Path,
    options: MapOptions,
    *,
    recorded_at: datetime,
    class_column: str = "highway",
    classes: Sequence[str] = (),
) -> Measured:
    """Measure road length and density of places.

    A stretch that is drawn in both directions or twice counts once. A road belongs to a place with the part that lies in it.

    Parameters
    ----------
    setting : Setting
    roads : Path
        Lines.
    options : MapOptions
    recorded_at : datetime
    class_column : str
        Attribute with the road class.
    classes : sequence of str
        Classes that count; all where empty, with a finding: the indicator counts roads of 12 m between red lines, which open maps
        do not state.

    Raises
    ------
    InputError
        A map cannot be read, or an area answers to no place.
    """
    layer, home = read_layer(roads, sort="line", datum=options.datum), _areas(setting, options)
    names = layer.texts(class_column)
    counted = np.isin(names, list(classes)) if classes else np.ones(len(names), dtype=bool)
    findings = [*layer.findings, *home.findings]
    if unknown := sorted(set(classes) - set(names)):
        findings.append(
            _finding(
                "map.roads.no-such-class",
                f"路网中没有这些等级：{'、'.join(unknown)}",
                Severity.ERROR,
                classes=len(unknown),
            )
        )
    once = undirected(layer.geometries)
    if twice := int((~once).sum()):
        km = float(lengths_of(layer.geometries[~once]).sum())
        findings.append(
            _finding(
                "map.roads.drawn-twice",
                f"{twice} 段路画了两次或按双向各画一次，只计一次，少计 {km:.1f} 公里",
                Severity.INFO,
                edges=twice,
                km=round(km, 3),
            )
        )
    if not classes:
        findings.append(
            _finding(
                "map.roads.all-classes",
                "未指定道路等级，全部计入；指标口径为红线宽12米及以上的城市道路，开放地图没有红线宽度",
                Severity.WARNING,
                classes="、".join(sorted(set(names))),
            )
        )
    used = once & counted
    within = length_within(
        layer.geometries[used], home.geometries, [name for name, keep in zip(names, used, strict=True) if keep]
    )
    whole = areas_of(home.geometries)
    shares, more = _reach(setting, home, layer.geometries, options)
    findings += more
    places = pl.DataFrame({"area": range(len(whole)), "place": home.places, "km2": whole, "reached": shares})
    every = (
        within.group_by("area")
        .agg(pl.col("km").sum(), pl.col("lines").sum())
        .with_columns(pl.lit("合计").alias("class"))
    )
    parts = pl.concat([every.select(within.columns), within])
    table = places.join(parts, on="area", how="left", maintain_order="left_right").with_columns(
        density=pl.when(pl.col("reached") >= WHOLE).then(pl.col("km") / pl.col("km2"))
    )
    total = table.filter((pl.col("class") == "合计") & pl.col("density").is_not_null())
    values = {
        "road_length": dict(zip(total["place"], total["km"] * 1000.0, strict=True)),
        "road_network_density": dict(zip(total["place"], total["density"], strict=True)),
    }
    detail = {"classes": sorted(set(classes)), "segments": int(used.sum())}
    return _measured(setting, table, values, options, [roads], "roads", detail, findings, recorded_at)


def measure_cover(
    setting: Setting,
    cover: Path,
    options: MapOptions,
    *,
    recorded_at: datetime,
    indicator: str,
    kind_column: str = "kind",
    kinds: Sequence[str],
) -> Measured:
    """Measure the share of places that polygons of some kinds cover: green space, permeable ground.

    Parameters
    ----------
    setting, options, recorded_at
        As in `measure_roads`.
    cover : Path
        Polygons.
    indicator : str
        Indicator in percent: green_space_rate, green_cover_rate, permeable_area_ratio …
    kind_column : str
        Attribute with the kind.
    kinds : sequence of str
        Kinds that count.

    Raises
    ------
    InputError
        As above, or no polygon is of these kinds.
    """
    setting.catalog.indicator(indicator)
    layer, home = read_layer(cover, sort="polygon", datum=options.datum), _areas(setting, options)
    names = layer.texts(kind_column)
    chosen = np.isin(names, list(kinds))
    if not chosen.any():
        raise InputError(
            f"{cover.name} has no polygon of kind {', '.join(kinds)}",
            doing="measure land cover",
            expected=f"some of {', '.join(sorted(set(names))[:20])}",
            next_step="name the kinds as the map has them",
            name="map.cover.no-such-kind",
        )
    covered, whole = area_within(layer.geometries[chosen], home.geometries), areas_of(home.geometries)
    shares, more = _reach(setting, home, layer.geometries, options)
    table = pl.DataFrame({"place": home.places, "km2": whole, "reached": shares, "covered": covered}).with_columns(
        share=pl.when(pl.col("reached") >= WHOLE).then(pl.col("covered") / pl.col("km2") * 100.0)
    )
    known = table.filter(pl.col("share").is_not_null())
    values = {indicator: dict(zip(known["place"], known["share"], strict=True))}
    detail = {"kinds": sorted(kinds), "shapes": int(chosen.sum())}
    return _measured(
        setting, table, values, options, [cover], "cover", detail, [*layer.findings, *home.findings, *more], recorded_at
    )


def measure_service(
    setting: Setting,
    parks: Path,
    homes: Path,
    options: MapOptions,
    *,
    recorded_at: datetime,
    kind_column: str = "kind",
    park_kinds: Sequence[str] = ("park",),
    home_kinds: Sequence[str] = ("residential",),
) -> Measured:
    """Measure the share of residential land within the service radius of a park (500 m from 5,000 m², 300 m from 2,000 m²).

    Raises
    ------
    InputError
        As in `measure_cover`.
    """
    green, living, home = (
        _of_kinds(parks, options, kind_column, park_kinds),
        _of_kinds(homes, options, kind_column, home_kinds),
        _areas(setting, options),
    )
    size = areas_of(green.geometries) * 1e6
    radii = np.select([size >= least for least, _ in PARK_RADII], [radius for _, radius in PARK_RADII], 0.0)
    large = radii > 0
    findings = [*green.findings, *living.findings, *home.findings]
    if small := int((~large).sum()):
        findings.append(
            _finding("map.service.small", f"{small} 处公园不足2000平方米，不计服务半径", Severity.INFO, parks=small)
        )
    shares, more = _reach(setting, home, np.concatenate([green.geometries, living.geometries]), options)
    findings += more
    served, wanted = served_area(green.geometries[large], radii[large], living.geometries, home.geometries)
    table = pl.DataFrame({"place": home.places, "km2": wanted, "reached": shares, "served": served}).with_columns(
        share=pl.when((pl.col("km2") > 0) & (pl.col("reached") >= WHOLE)).then(pl.col("served") / pl.col("km2") * 100.0)
    )
    known = table.filter(pl.col("share").is_not_null())
    for place in table.filter(pl.col("km2") == 0)["place"]:
        findings.append(
            _finding(
                "map.service.no-homes",
                f"{setting.catalog.place_name(place)}：图上没有居住用地，无法计算",
                Severity.WARNING,
                place=place,
            )
        )
    values = {"park_service_coverage": dict(zip(known["place"], known["share"], strict=True))}
    detail = {"radii": [list(pair) for pair in PARK_RADII], "parks": int(large.sum())}
    return _measured(setting, table, values, options, [parks, homes], "service", detail, findings, recorded_at)


def publish_measured(setting: Setting, measured: Measured, files: Sequence[Path]) -> Published:
    """Keep the maps and publish what was measured; the same twice is one."""
    workspace, lake = need_workspace(setting)
    for file in files:
        workspace.put_document(file)
    said = json.dumps(sorted(measured.observations["lineage"].unique()) + measured.observations["value"].to_list())
    batch = f"map-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
    return lake.publish(measured.observations, batch=batch, lineage=measured.lineage)


@dataclass(frozen=True)
class _Areas:
    geometries: NDArray[np.object_]
    places: list[str]
    findings: tuple[Finding, ...]


def _areas(setting: Setting, options: MapOptions) -> _Areas:
    layer = read_layer(options.areas, sort="polygon", datum=options.areas_datum)
    places = []
    for text in layer.texts(options.key):
        try:
            places.append(setting.catalog.places.resolve(text.removesuffix(".0")).id)
        except (UnknownNameError, AmbiguousNameError) as error:
            raise InputError(
                f"the area {text!r} of {options.areas.name} is no place: {error.problem}",
                doing="find the places of a map",
                expected=f"an attribute {options.key!r} with codes or names of places",
                next_step="name another attribute, or add the place to the workspace's catalog",
                name="map.area.unknown",
            ) from error
    if len(set(places)) < len(places):
        raise InputError(
            f"two areas of {options.areas.name} are one place",
            doing="find the places of a map",
            expected="one shape a place",
            next_step="merge the shapes of a place into one",
            name="map.area.twice",
        )
    findings = [
        _finding(
            "map.area.overlap",
            f"{setting.catalog.place_name(places[first])}与{setting.catalog.place_name(places[second])}重叠 {share:.0%}，重叠处两地都计",
            Severity.WARNING,
            share=round(share, 4),
        )
        for first, second, share in overlapping(layer.geometries).iter_rows()
    ]
    return _Areas(geometries=layer.geometries, places=places, findings=(*layer.findings, *findings))


def _reach(
    setting: Setting, home: _Areas, things: NDArray[np.object_], options: MapOptions
) -> tuple[NDArray[np.float64], list[Finding]]:
    """Return which share of each place the map reaches, and the places of which it is too little."""
    if options.complete:
        return np.ones(len(home.places)), []
    shares = reached(home.geometries, things)
    findings = [
        _finding(
            "map.place.not-reached",
            f"{setting.catalog.place_name(place)}：地图只覆盖 {share:.0%}，不作为该地的数",
            Severity.WARNING,
            place=place,
            reached=round(float(share), 4),
        )
        for place, share in zip(home.places, shares, strict=True)
        if share < WHOLE
    ]
    return shares, findings


def _of_kinds(path: Path, options: MapOptions, column: str, kinds: Sequence[str]) -> Layer:
    layer = read_layer(path, sort="polygon", datum=options.datum)
    chosen = np.isin(layer.texts(column), list(kinds))
    if not chosen.any():
        raise InputError(
            f"{path.name} has no polygon of kind {', '.join(kinds)}",
            doing="measure service areas",
            expected=f"some of {', '.join(sorted(set(layer.texts(column)))[:20])}",
            next_step="name the kinds as the map has them",
            name="map.service.no-such-kind",
        )
    return Layer(layer.geometries[chosen], layer.attributes.filter(pl.Series(chosen)), layer.findings)


def _measured(
    setting: Setting,
    table: pl.DataFrame,
    values: Mapping[str, Mapping[str, float]],
    options: MapOptions,
    files: Sequence[Path],
    method: str,
    detail: Mapping[str, Any],
    findings: Sequence[Finding],
    recorded_at: datetime,
) -> Measured:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*files, options.areas)]
    known = {**detail, "method": _METHODS[method], "areas": options.areas.name, "areas_document": digests[-1],
             "areas_datum": options.areas_datum, "datum": options.datum, "extent": options.extent.value,
             "complete": options.complete}  # fmt: skip
    text = json.dumps(known, ensure_ascii=False, sort_keys=True)
    lineage = hashlib.sha256("\n".join([*digests, method, text]).encode()).hexdigest()[:32]
    rows = [
        Observation(
            indicator=indicator,
            place=place,
            extent=options.extent,
            period=str(Period.parse(options.period)),
            kind=ObservationKind.COMPUTED,
            value=float(value),
            dataset=f"map-{method}",
            recorded_at=recorded_at,
            lineage=lineage,
        )
        for indicator, of_place in values.items()
        for place, value in of_place.items()
    ]
    source = {
        "id": lineage,
        "kind": LineageKind.QUERY.value,
        "document": digests[0],
        "file": files[0].name,
        "detail": text,
    }
    named = table.with_columns(name=pl.col("place").map_elements(setting.catalog.place_name, return_dtype=pl.String))
    return Measured(
        table=named.drop("area", strict=False),
        observations=observation_frame(rows) if rows else pl.DataFrame(schema=SCHEMA),
        lineage=pl.DataFrame([source], schema=LINEAGE_SCHEMA),
        findings=tuple(findings),
    )


def _finding(name: str, sentence: str, severity: Severity, **evidence: Any) -> Finding:
    return Finding(name=name, severity=severity, sentence=sentence, next_step="核对地图与口径", evidence=evidence)

"""Road density of Jinan's districts and green share of Lujiazui, from open maps, against the figures that came with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("geopandas", reason="the extra dafeng[maps] is not installed")

from dafeng.lake import Workspace
from dafeng.workflow.facts import read_facts
from dafeng.workflow.maps import (
    MapOptions,
    measure_cover,
    measure_roads,
    measure_service,
    publish_measured,
)
from dafeng.workflow.setting import open_setting

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_jinan(shared: Path, tmp_path: Path) -> None:
    roads = shared / "data/osm_roads_jinan/edges.parquet"
    options = MapOptions(areas=shared / "data/admin_boundaries/jinan_districts.geojson", period="2020")
    here = open_setting(Workspace.create(tmp_path / "w", title="试"))
    plain = measure_roads(here, roads, options, recorded_at=NOW)
    density = {row["name"]: row["density"] for row in plain.table.filter(pl.col("class") == "合计").to_dicts()}
    assert density["历下区"] == pytest.approx(7.4, abs=0.05)
    assert density["槐荫区"] == pytest.approx(4.5, abs=0.06), "a rough figure over boundaries before simplifying"
    assert density["历城区"] is None, "the map reaches only a part of it"

    edges = pl.read_parquet(roads)
    found = next(finding for finding in plain.findings if finding.name == "map.roads.drawn-twice")
    assert found.evidence["edges"] == edges["reverse_duplicate"].sum() == 10_479
    assert found.evidence["km"] == pytest.approx(edges.filter("reverse_duplicate")["length_m"].sum() / 1000, rel=1e-4)

    moved = options.model_copy(update={"areas_datum": "gcj02"})
    shifted = measure_roads(here, roads, moved, recorded_at=NOW, classes=("primary", "secondary", "trunk"))
    rows = {row["name"]: row for row in shifted.table.filter(pl.col("class") == "合计").to_dicts()}
    assert rows["历下区"]["km"] < 769.5, "three classes are less than all"
    publish_measured(here, shifted, [roads, moved.areas])
    stored = read_facts(here, indicators=["road_network_density"])
    assert set(stored["place"]) == {"jinan-lixia", "jinan-huaiyin", "jinan-tianqiao"}
    assert set(stored["extent"]) == {"whole"}, "a district is not its built-up area"


def _square(folder: Path, west: float, south: float, east: float, north: float) -> Path:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    feature = {
        "type": "Feature",
        "properties": {"adcode": 310115},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = folder / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def test_lujiazui(shared: Path, tmp_path: Path) -> None:
    land = shared / "data/cim_osm_shanghai/lujiazui_landuse.geojson"
    workspace = Workspace.create(tmp_path / "w", title="试")
    place = "places:\n  - {id: lujiazui, name: 陆家嘴, name_en: Lujiazui, kind: division, level: county, parent: cn, codes: [{code: '310115'}]}\n"
    if faults := workspace.put_catalog_files({"places.yaml": place}):
        pytest.fail(str(faults))
    here = open_setting(workspace)
    options = MapOptions(areas=_square(tmp_path, 121.495, 31.225, 121.515, 31.245), period="2020")
    green = measure_cover(here, land, options, recorded_at=NOW, indicator="green_space_rate", kinds=["park"])
    row = green.table.row(0, named=True)
    assert row["km2"] == pytest.approx(1.905 * 2.218, rel=0.01)
    parks = [
        feature
        for feature in json.loads(land.read_text(encoding="utf-8"))["features"]
        if feature["properties"]["kind"] == "park"
    ]
    assert 0 < row["covered"] <= sum(feature["properties"]["area_m2_geom"] for feature in parks) / 1e6
    known = options.model_copy(update={"complete": True})
    served = measure_service(here, land, land, known, recorded_at=NOW)
    assert 0 < served.table["share"][0] <= 100

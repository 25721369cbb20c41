"""Lengths and areas on the ellipsoid, against figures worked out by hand and against the plane."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

shapely = pytest.importorskip("shapely", reason="the extra dafeng[maps] is not installed")

from dafeng.intake.coordinates import from_gcj02, to_gcj02  # noqa: E402
from dafeng.methods import spatial  # noqa: E402

SIDE = 0.01


def _grid(west: float, south: float, columns: int) -> np.ndarray:
    return np.array([shapely.box(west + i * SIDE, south, west + (i + 1) * SIDE, south + SIDE) for i in range(columns)])


def test_a_degree_of_latitude() -> None:
    line = shapely.linestrings([[[120.0, 36.0], [120.0, 37.0]]])
    assert spatial.lengths_of(line)[0] == pytest.approx(110.968, abs=0.002)  # meridian arc of WGS 84 from 36° to 37°


def test_a_road_over_a_border_is_shared_out() -> None:
    areas = _grid(120.0, 36.0, 2)
    road = shapely.linestrings([[[120.002, 36.005], [120.018, 36.005]]])
    table = spatial.length_within(road, areas, ["primary"])
    assert table["km"].to_list() == pytest.approx([0.008 * 90.166, 0.008 * 90.166], rel=1e-3)
    assert table["km"].sum() == pytest.approx(float(spatial.lengths_of(road)[0]), rel=1e-6)


def test_what_several_polygons_cover_counts_once() -> None:
    area = _grid(120.0, 36.0, 1)
    half = shapely.box(120.0, 36.0, 120.005, 36.01)
    assert spatial.area_within(np.array([half, half]), area)[0] == pytest.approx(
        spatial.areas_of(area)[0] / 2, rel=1e-3
    )


def test_a_park_serves_as_far_as_its_radius() -> None:
    area = np.array([shapely.box(120.0, 36.0, 120.04, 36.04)])
    park = np.array([shapely.box(120.0190, 36.0190, 120.0202, 36.0202)])  # 108 m × 133 m
    near, far = shapely.box(120.0215, 36.019, 120.0225, 36.02), shapely.box(120.035, 36.019, 120.036, 36.02)
    served, whole = spatial.served_area(park, np.array([500.0]), np.array([near, far]), area)
    assert served[0] / whole[0] == pytest.approx(0.5, abs=0.01)
    nothing, _ = spatial.served_area(park, np.array([50.0]), np.array([near, far]), area)
    assert nothing[0] == 0.0


def test_overlapping_areas_are_told() -> None:
    first, second = shapely.box(0, 0, 1, 1), shapely.box(0.5, 0, 1.5, 1)
    assert spatial.overlapping(np.array([first, second]))["share"].to_list() == pytest.approx([0.5], rel=1e-3)
    assert spatial.overlapping(_grid(120.0, 36.0, 3)).is_empty()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(117, 117.9), st.floats(36.1, 36.9)), min_size=2, max_size=6, unique=True), st.randoms()
)
def test_direction_order_and_doubling_change_no_length(points: list[tuple[float, float]], random: object) -> None:
    lines = shapely.linestrings([[points[i], points[i + 1]] for i in range(len(points) - 1)])
    doubled = np.concatenate([lines, shapely.reverse(lines)])
    random.shuffle(order := list(range(len(doubled))))  # type: ignore[attr-defined]
    once = doubled[order][spatial.undirected(doubled[order])]
    plain = lines[spatial.undirected(lines)]
    assert spatial.lengths_of(once).sum() == pytest.approx(spatial.lengths_of(plain).sum(), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(75, 134), st.floats(18, 53))
def test_chinese_positions_go_there_and_back(longitude: float, latitude: float) -> None:
    place = np.array([[longitude, latitude]])
    moved = to_gcj02(place)
    metres = np.hypot((moved - place)[0, 0] * 111_320 * np.cos(np.radians(latitude)), (moved - place)[0, 1] * 110_574)
    assert metres < 1500.0
    assert np.abs(from_gcj02(moved) - place).max() < 1e-8


def test_parts_of_the_table_sum_to_the_whole() -> None:
    lines = shapely.linestrings([[[120.001, 36.001], [120.025, 36.008]], [[120.002, 36.009], [120.004, 36.002]]])
    table = spatial.length_within(lines, _grid(120.0, 36.0, 3), ["a", "b"])
    by_class = table.group_by("class").agg(pl.col("km").sum()).sort("class")["km"].to_list()
    assert by_class == pytest.approx(spatial.lengths_of(lines).tolist(), rel=1e-6)

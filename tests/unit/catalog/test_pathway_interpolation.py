"""Values between stated years: the smooth form against SciPy's, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from dafeng.catalog.pathway_schemas import Between
from dafeng.catalog.pathway_tables import YEARS, interpolate

points = st.lists(st.integers(1950, 2060), min_size=3, max_size=12, unique=True).flatmap(
    lambda years: st.tuples(
        st.just(sorted(years)),
        st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 3)), min_size=len(years), max_size=len(years)),
    )
)


@given(points)
def test_smooth_is_scipys_monotone_cubic_and_holds_outside(stated: tuple[list[int], list[float]]) -> None:
    years, values = stated
    path = interpolate(years, values, Between.SMOOTH)
    inside = (years[0] <= YEARS) & (years[-1] >= YEARS)
    assert path[inside] == pytest.approx(PchipInterpolator(years, values)(YEARS[inside]), rel=1e-9, abs=1e-9)
    assert (path[years[0] > YEARS] == values[0]).all()
    assert (path[years[-1] < YEARS] == values[-1]).all()


@given(points)
def test_smooth_stays_between_neighbouring_values(stated: tuple[list[int], list[float]]) -> None:
    years, values = stated
    path = interpolate(years, values, Between.SMOOTH)
    for first, last, one, two in zip(years, years[1:], values, values[1:], strict=False):
        part = path[(first <= YEARS) & (last >= YEARS)]
        assert part.min() >= min(one, two) - 1e-9
        assert part.max() <= max(one, two) + 1e-9


def test_two_points_are_joined_by_a_line() -> None:
    path = interpolate([2000, 2010], [1.0, 2.0], Between.SMOOTH)
    assert path[np.isin(YEARS, [2000, 2005, 2010])].tolist() == [1.0, 1.5, 2.0]

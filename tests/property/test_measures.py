"""Laws of measures: off changes nothing, shares keep their sum, more of an abating measure never raises emissions."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.catalog import load_catalog
from dafeng.catalog.pathway_schemas import LevelPoint, Measure
from dafeng.catalog.pathway_tables import YEARS, share_groups
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.measures import LevelledMeasure, apply_measures, caps_level, level_measure
from dafeng.pathways.model import run
from dafeng.pathways.quantities import read_inputs

BASE = 2020
CATALOG = load_catalog()
NAMES = sorted(CATALOG.measures)


@lru_cache(maxsize=1)
def inputs() -> Inputs:
    return read_inputs(CATALOG, "cn").arrays()


def levelled(measure: Measure, level: float, *, ramp: bool = True) -> LevelledMeasure:
    points = [LevelPoint(year=2035, level=level)]
    return level_measure(CATALOG, measure, points, years=YEARS, base_year=BASE, rises_from=BASE if ramp else None)


def full(measure: Measure) -> float:
    """Return a level that is far: the limit, or for areas a share of the stock of the nation."""
    if caps_level(measure):
        return measure.least or 0.0
    return measure.most if measure.most is not None else 3e8


names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True)


@settings(max_examples=8, deadline=None)
@given(names=names, share=st.floats(0.0, 1.0), ramp=st.booleans(), bits=st.integers(0, 2**16))
def test_off_is_bit_for_bit_and_shares_keep_their_sum(names: list[str], share: float, ramp: bool, bits: int) -> None:
    found = [levelled(CATALOG.measures[name], share * full(CATALOG.measures[name]), ramp=ramp) for name in names]
    active = np.array([[bool(bits >> row & 1), False] for row in range(len(names))])
    before, after = inputs(), apply_measures(inputs(), found, active=active)
    alone = apply_measures(inputs(), [item for item, on in zip(found, active[:, 0], strict=True) if on])
    for name, array in after.arrays.items():
        wide = np.broadcast_to(array, (*array.shape[:-1], 2))
        assert np.array_equal(wide[..., 1], before.arrays[name][..., 0]), name
        assert np.array_equal(wide[..., 0], alone.arrays[name][..., 0]), name
    for name, quantity in CATALOG.path_quantities.items():
        array = after.arrays[name]
        own = before.arrays[name]
        assert quantity.least is None or array.min() >= min(quantity.least - 1e-12, own.min()), name
        assert quantity.most is None or array.max() <= max(quantity.most + 1e-12, own.max()), name
        for cells in share_groups(after.axes, quantity):
            rows = [tuple(map(after.axes.index, quantity.axes, cell)) for cell in cells]
            total = sum(array[row] for row in rows)
            was = sum(before.arrays[name][row] for row in rows)
            assert np.abs(total - was).max() < 4e-15, (name, cells[0])


@pytest.mark.parametrize("name", [name for name in NAMES if CATALOG.measures[name].abates])
def test_more_of_an_abating_measure_never_raises_emissions(name: str) -> None:
    """Operation, municipal services and sites, year by year; the materials of a retrofit are emitted when the works are done."""
    measure = CATALOG.measures[name]
    beside = [levelled(CATALOG.measures[item.measure], 0.3) for item in measure.interactions if item.kind == "requires"]
    shares = (1.6, 1.0) if caps_level(measure) else (0.3, 1.0)
    outcomes = [run(apply_measures(inputs(), [*beside, levelled(measure, share * full(measure))])) for share in shares]
    for view in ("building_operation", "municipal_operation", "construction"):
        paths = [outcome.view(view)[:, 0] for outcome in outcomes]
        for less, more in pairwise(paths):
            assert (more <= less * (1 + 1e-12) + 1e-6).all(), view
    views = ("building_operation", "municipal_operation", "embodied")
    assert any(outcomes[-1].view(view).sum() < outcomes[0].view(view).sum() for view in views), "it abates nothing"

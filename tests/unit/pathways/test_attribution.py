"""Drivers, flows and waterfalls of the invented country."""

from collections import defaultdict

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.attribution import DRIVERS, compare_drivers, drivers, energy_flows, waterfall
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.model import run
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.quantities import read_inputs
from pathway_builders import invented


@pytest.fixture(scope="module")
def trend() -> tuple[Inputs, Outcome]:
    inputs = read_inputs(invented(), "cn").arrays()
    return inputs, run(inputs, detail=True)


@pytest.fixture(scope="module")
def cleaner(trend: tuple[Inputs, Outcome]) -> tuple[Inputs, Outcome]:
    """The same with half the grid factor after 2020."""
    inputs = trend[0]
    factor = inputs.arrays["grid_factor"].copy()
    factor[inputs.years > 2020] *= 0.5
    changed = inputs.with_arrays(grid_factor=factor)
    return changed, run(changed)


def test_drivers_add_up_to_the_change_of_operation(trend: tuple[Inputs, Outcome]) -> None:
    inputs, outcome = trend
    split = drivers(inputs, outcome, [2005, 2020, 2035])
    view = outcome.view("building_operation")[:, 0]
    change = view[outcome.years == 2035][0] - view[outcome.years == 2005][0]
    assert sum(split.of_drivers().values()) == pytest.approx(change, rel=1e-9)
    assert split.decomposition.totals == pytest.approx([view[outcome.years == y][0] for y in (2005, 2020, 2035)])
    assert tuple(split.of_drivers()) == tuple(factor.id for factor in DRIVERS.factors)
    assert split.decomposition.residual < 1e-9 * abs(change)
    assert split.labels == ("2005", "2020", "2035")
    for axis in ("building_class", "carrier"):
        parts = split.by(axis)
        assert sum(sum(one.values()) for one in parts.values()) == pytest.approx(change, rel=1e-9)
    assert set(split.by("building_class")) == set(inputs.axes.members("building_class"))


def test_one_driver_moves_alone(trend: tuple[Inputs, Outcome], cleaner: tuple[Inputs, Outcome]) -> None:
    """Half the grid factor is all emission factor, of electricity and of heat pumps at heat sources."""
    split = compare_drivers(trend, cleaner, 2040, names=("trend", "cleaner"))
    view = [pair[1].view("building_operation")[:, 0][pair[1].years == 2040][0] for pair in (trend, cleaner)]
    found = split.of_drivers()
    assert found["emission-factor"] == pytest.approx(view[1] - view[0], rel=1e-9)
    assert {name for name, value in found.items() if abs(value) > 1e-6 * view[0]} == {"emission-factor"}
    by_carrier = split.by("carrier")
    assert {name for name, one in by_carrier.items() if abs(one["emission-factor"]) > 1} == {"electricity", "heat"}
    assert compare_drivers(trend, trend, 2040, names=("a", "b")).decomposition.change == 0


def test_population_moves_as_population(trend: tuple[Inputs, Outcome]) -> None:
    """A tenth more people, at all times: everything per head scales, so that the population has it all."""
    inputs, _ = trend
    more = inputs.with_arrays(
        population=inputs.arrays["population"] * 1.1,
        retrofit_area=inputs.arrays["retrofit_area"] * 1.1,
        pv_capacity=inputs.arrays["pv_capacity"] * 1.1,
    )
    split = compare_drivers(trend, (more, run(more)), 2030, names=("one", "more"))
    found = split.of_drivers()
    assert found["population"] == pytest.approx(split.decomposition.change, rel=1e-9)


def test_what_flows_in_flows_out(trend: tuple[Inputs, Outcome]) -> None:
    inputs, outcome = trend
    flows = energy_flows(inputs, outcome, 2040)
    into: dict[str, float] = defaultdict(float)
    out: dict[str, float] = defaultdict(float)
    for flow in flows:
        assert flow.value > 0
        assert flow.source_zh
        assert flow.target_zh
        into[flow.target] += flow.value
        out[flow.source] += flow.value
    middle = {node for node in into if node.split(":")[0] in {"carrier", "heat_source", "end_use"}}
    assert middle
    for node in middle:
        assert into[node] == pytest.approx(out[node], rel=1e-9), node
    final = outcome.final[:, :, outcome.years == 2040].sum() / 1e9
    assert sum(value for node, value in into.items() if node.startswith("building_class:")) == pytest.approx(final)
    names = {flow.source_zh for flow in flows} | {flow.target_zh for flow in flows}
    assert {"建筑光伏", "外购电力", "集中供热", "供暖", "办公建筑", "损失", "环境热、余热"} <= names


def test_bars_stand_on_one_another() -> None:
    bars = waterfall(5.0, {"a": ("甲", -7.0), "b": ("乙", 1.0)}, names=("始", "末"))
    assert [(bar.bottom, bar.top, bar.change) for bar in bars] == [
        (0.0, 5.0, 5.0),
        (-2.0, 5.0, -7.0),
        (-2.0, -1.0, 1.0),
        (-1.0, 0.0, -1.0),
    ]


def test_refusals(trend: tuple[Inputs, Outcome], cleaner: tuple[Inputs, Outcome]) -> None:
    with pytest.raises(InputError, match="1999"):
        drivers(*trend, [1999, 2020])
    with pytest.raises(InputError):
        drivers(*trend, [2020])
    with pytest.raises(InputError):
        compare_drivers(trend, cleaner, 2070, names=("a", "b"))
    with pytest.raises(InputError, match="without detail"):
        energy_flows(*cleaner, 2030)
    assert np.isfinite(trend[1].view("whole_field")).all()

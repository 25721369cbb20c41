"""Cost curves: order and interactions worked by hand, circles, what has no place on a curve, and a curve of a place."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.macc import cost_curve, full_levels, order_by_cost
from portfolio_places import FIRST, catalog, choices_of, effects_of

NAMES = (
    "hydraulic_balance", "smart_heating", "waste_heat", "roof_pv_urban", "submetering", "commissioning", "electric_cooking",
    "sewage_efficiency", "electrification",
)  # fmt: skip


def efficiency_and_supply(acting: tuple[int, ...]) -> tuple[float, float]:
    # 100 units of heat at 1 t each: 0 saves 30 %, for 300; 1 halves the factor, for 1000 and 2 less a unit of heat still supplied
    heat = 70.0 if 0 in acting else 100.0
    factor = 0.5 if 1 in acting else 1.0
    cost = 300.0 * (0 in acting) + (1000.0 - 2 * heat) * (1 in acting)
    return cost, 100.0 - heat * factor


def test_efficiency_and_supply_by_hand() -> None:
    # alone: 30 t at 10 and 50 t at 16. Together 65 t, not 80: after saving, supply takes 35 t for 860, 24.571 a tonne
    found = order_by_cost(2, efficiency_and_supply)
    assert found.order == (0, 1)
    assert found.abatement.tolist() == [30.0, 35.0]
    assert found.cost.tolist() == [300.0, 860.0]
    assert (found.apart, found.circle, found.rounds) == ((), (), 1)


def test_the_order_is_worked_out_again() -> None:
    # by itself 0 is cheapest (2 a tonne), then 1 (3), then 2 (4); after 0, measure 1 has 10 t left of its 50 and costs 15
    def totals(acting: tuple[int, ...]) -> tuple[float, float]:
        shared = 10.0 if {0, 1} <= set(acting) else 50.0
        less = 100.0 * (0 in acting) + shared * (1 in acting) + 20.0 * (2 in acting)
        return 200.0 * (0 in acting) + 150.0 * (1 in acting) + 80.0 * (2 in acting), less

    found = order_by_cost(3, totals)
    assert found.order == (0, 2, 1)
    assert (found.cost / found.abatement).tolist() == [2.0, 4.0, 15.0]
    assert found.rounds == 2


def test_an_order_that_comes_back_is_named() -> None:
    # each is cheaper when it comes second: whatever stands second wants to stand first
    def totals(acting: tuple[int, ...]) -> tuple[float, float]:
        return 100.0 * len(acting), 10.0 * len(acting) + (30.0 if len(acting) == 2 else 0.0)

    found = order_by_cost(2, totals)
    assert found.circle == (0, 1)
    assert sorted(found.order) == [0, 1]
    assert found.abatement.sum() == 50.0


def test_what_adds_nothing_leaves_the_curve_and_what_is_equal_stays() -> None:
    def totals(acting: tuple[int, ...]) -> tuple[float, float]:
        return 10.0 * len(acting), 5.0 * (0 in acting) - 1.0 * (1 in acting) + 5.0 * (1 + 1e-9) * (2 in acting)

    found = order_by_cost(3, totals)
    assert found.order == (0, 2)
    assert found.apart == (1,)
    assert found.circle == ()


def test_negative_costs_come_first_and_nothing_stands_before_what_it_needs() -> None:
    def totals(acting: tuple[int, ...]) -> tuple[float, float]:
        tuned = 1 in acting and 0 in acting
        return 50.0 * (0 in acting) - 500.0 * tuned + 10.0 * (2 in acting), 5.0 * (0 in acting) + 8.0 * tuned + 4.0 * (2 in acting)  # fmt: skip

    found = order_by_cost(3, totals, needs={1: (0,)})
    assert found.order == (2, 0, 1)
    assert found.cost.tolist() == [10.0, 50.0, -500.0]


def test_a_cost_that_is_unknown_is_never_ranked() -> None:
    with pytest.raises(InputError, match="nan"):
        order_by_cost(2, lambda acting: (math.nan if 1 in acting else 1.0 * len(acting), 1.0 * len(acting)))


def test_nothing_to_order() -> None:
    assert order_by_cost(0, lambda acting: (0.0, 0.0)).order == ()


def test_full_levels_keep_ramps_and_ceilings() -> None:
    choices = choices_of("jilin", NAMES)
    levels = full_levels(choices)
    assert levels[choices.row("roof_pv_urban")][:3].tolist() == pytest.approx([0.05, 0.10, 0.15])
    assert levels[choices.row("roof_pv_urban")][-1] == 1.0
    rises = np.diff(levels, axis=1, prepend=choices.before[:, None])
    assert (rises <= choices.ramp[:, None] + 1e-12).all()


def test_a_curve_of_a_place() -> None:
    choices, effects = choices_of("jilin", NAMES), effects_of("jilin", NAMES)
    curve = cost_curve(catalog(), choices, year=2035, effects=effects)
    named = [step.measure for step in curve.together]
    units = [step.unit_cost for step in curve.together]
    free = [unit for name, unit in zip(named, units, strict=True) if name != "commissioning"]
    assert free == sorted(free)  # commissioning waits for submetering
    assert named.index("commissioning") > named.index("submetering")
    assert "electrification" not in named
    assert [one.measure for one in curve.uncosted] == ["electrification"]
    # the grid of 2035 is not clean enough for resistance cooking; sewage is no operation of buildings
    assert curve.not_abating == ("居民炊事电气化", "污水处理厂节能")
    assert 0 < curve.joint < curve.sum_alone  # balance, control and waste heat share one saving
    assert curve.area == pytest.approx(sum(step.unit_cost * step.abatement for step in curve.together))
    assert any(step.unit_cost < 0 for step in curve.together)  # negative costs are shown
    assert any("C 级" in note for note in curve.notes)
    assert any("上网" in note for note in curve.notes)  # what roofs sell is money here and no abatement
    assert not any("所选口径" in note for note in curve.notes)
    levels = choices.floor.copy()
    levels[choices.row("waste_heat")] += 0.01
    assert any(
        "所选口径" in note
        for note in cost_curve(catalog(), choices, year=2035, view="direct", effects=effects, levels=levels).notes
    )
    photovoltaics = [next(step for step in part if step.measure == "roof_pv_urban") for part in (curve.alone, curve.together)]  # fmt: skip
    assert photovoltaics[0].abatement == pytest.approx(photovoltaics[1].abatement)  # nothing shares with roofs
    with pytest.raises(InputError, match="2026"):
        cost_curve(catalog(), choices, year=FIRST - 1, effects=effects)

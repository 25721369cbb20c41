"""Responses of the model: superposition against the full model, single years, stocks and cohorts, floors, draws."""

from __future__ import annotations

import numpy as np
import pytest

from dafeng.base.errors import InputError, UnknownNameError
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.model import run
from dafeng.pathways.portfolio_effects import linearise, linearise_draws, measured
from dafeng.pathways.portfolio_levels import (
    Choices,
    lingers,
    open_choices,
    requirement_conditions,
    run_levels,
    scenario_levels,
)
from dafeng.pathways.scenarios import scenario_inputs
from portfolio_places import FIRST, SOME, book_of, catalog, choices_of, effects_of, scenario_of

LATE = slice(FIRST - 2000, 61)


def way_up(choices: Choices) -> np.ndarray:
    return np.where(np.isfinite(choices.high), choices.high - choices.floor, choices.scale)


def test_small_levels_add_up_to_what_the_model_says() -> None:
    # measures without interactions, 1 % of their way, other levels in every year: within 3 % of the largest change of the view (kinks)
    names = tuple(name for name, one in catalog().measures.items() if not one.interactions and name in SOME)
    choices, effects = choices_of("jilin", names), effects_of("jilin", names)
    rng = np.random.default_rng(3)
    for size in (0.002, 0.01):
        levels = choices.floor + size * rng.uniform(size=choices.floor.shape) * way_up(choices)
        outcome = run_levels(choices, levels)
        for at, view in enumerate(effects.views):
            true = outcome.view(view)[LATE, 0] - effects.base[at]
            said = effects.predicted(levels)[at] - effects.base[at]
            assert np.abs(said - true).max() <= 0.03 * np.abs(true).max() + 1e-6, (view, size)


def test_all_results_add_up_too() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row = choices.row("public_retrofit_area")
    levels = choices.floor.copy()
    levels[row] += 0.3 * choices.scale[row]
    found = measured(choices, levels)
    moved = levels - choices.floor
    for base, slope, true in (
        (effects.result_base, effects.result_effect, found.result_base),
        (effects.energy_base, effects.energy_effect, found.energy_base),
        (effects.activity_base, effects.activity_effect, found.activity_base),
    ):
        said = base + np.einsum("rmst,ms->rt", slope, moved)
        change = np.abs(true - base).max(axis=1, keepdims=True)
        assert (np.abs(said - true) <= 0.01 * change + 1e-9 * np.abs(base).max()).all()
    done = effects.result_effect[effects.results.index("retrofit_area_total"), row]
    assert done[3, 3] == pytest.approx(1.0)  # a square metre asked for is one done
    assert (done[3, 4:] <= 1e-9).all()  # and one less for the trend's own rate to find


def test_at_the_floor_nothing_is_done() -> None:
    for place in ("jilin", "qingdao"):
        choices = choices_of(place)
        bare = run(scenario_inputs(book_of(place), scenario_of(place)))
        ours = run_levels(choices, choices.floor)
        for name, part in bare.emissions.items():
            np.testing.assert_allclose(ours.emissions[name], part, rtol=1e-12)


def test_a_share_of_the_stock_acts_in_its_year_alone() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row, at, view = choices.row("led_lighting"), 8, effects.views.index("building_operation")
    assert not lingers(choices.measures[row])
    levels = choices.floor.copy()
    levels[row, at] += 0.016
    true = run_levels(choices, levels).view("building_operation")[LATE, 0] - effects.base[view]
    assert np.flatnonzero(np.abs(true) > 1e-6).tolist() == [at]
    assert true[at] == pytest.approx(effects.effect[view, row, at, at] * 0.016, rel=1e-6)


def test_street_lamps_by_hand() -> None:
    # kWh of all lamps × 60 % × factor of the grid: the model's own arrays, not its run
    choices, effects = choices_of("qingdao"), effects_of("qingdao")
    arrays = scenario_inputs(book_of("qingdao"), scenario_of("qingdao")).arrays
    axes, year = book_of("qingdao").axes, 2035 - 1950
    lamps = axes.index("service", "street_lighting")
    people = arrays["population"][year, 0] * arrays["urban_share"][year, 0]
    kilowatthours = people * arrays["service_amount"][lamps, year, 0] * arrays["service_energy"][lamps, year, 0]
    saved = kilowatthours * 0.6 * arrays["grid_factor"][year, 0] / 1e3
    view, row, at = effects.views.index("whole_field"), choices.row("led_street_lighting"), 2035 - FIRST
    assert effects.effect[view, row, at, at] == pytest.approx(-saved, rel=1e-9)


def test_retrofit_goes_on_with_the_buildings_and_thin_pulses_say_nearly_the_same() -> None:
    names = ("public_retrofit_area", "ultra_low_public")
    choices, effects = choices_of("jilin", names), effects_of("jilin", names)
    view = effects.views.index("building_operation")
    kernel = effects.effect[view, choices.row("public_retrofit_area"), 3]
    assert (kernel[:3] == 0).all()
    assert (kernel[3:] < 0).all()
    assert abs(kernel[-1]) < abs(kernel[3])  # demolition and a cleaner grid take it away
    thin = linearise(choices, every=5)
    for row in range(2):
        gap = np.abs(thin.effect[view, row] - effects.effect[view, row]).max()
        assert gap <= 0.1 * np.abs(effects.effect[view, row]).max()


def test_an_upper_bound_is_turned_round() -> None:
    choices = choices_of("qingdao")
    row = choices.row("leakage_control")
    assert choices.turned[row]
    assert (choices.floor[row] == 0).all()
    levels = choices.floor.copy()
    levels[row] = choices.high[row] / 2
    bare = scenario_inputs(book_of("qingdao"), scenario_of("qingdao"))
    after = apply_measures(bare, choices.levelled(levels))
    years = slice(FIRST - 1950, None)
    own, now = bare.arrays["water_leakage"][years, 0], after.arrays["water_leakage"][years, 0]
    np.testing.assert_allclose(own - now, levels[row], rtol=1e-12)
    assert own[0] - choices.high[row, 0] == pytest.approx(0.04)  # the furthest that content allows
    levels[row] = choices.high[row]
    furthest = apply_measures(bare, choices.levelled(levels)).arrays["water_leakage"][years, 0]
    np.testing.assert_allclose(furthest, 0.04, rtol=1e-12)  # not beyond it, though the trend goes on falling
    view = effects_of("qingdao").views.index("whole_field")
    assert (effects_of("qingdao").effect[view, row].diagonal() < 0).all()


def test_limits_are_those_of_content() -> None:
    choices = choices_of("jilin")
    row = choices.row("roof_pv_urban")
    assert (choices.floor[row, 0], choices.high[row, 0], choices.ramp[row], choices.before[row]) == (
        0.0,
        1.0,
        0.05,
        0.0,
    )
    assert choices.durable[row]
    assert not choices.durable[choices.row("public_retrofit_area")]
    assert np.isinf(choices.high[choices.row("public_retrofit_area")]).all()
    rising = np.diff(choices.floor, axis=1, prepend=choices.before[:, None])
    assert (rising <= choices.ramp[:, None] + 1e-12).all()  # the trend itself is never a breach of the ramp
    assert any("居民炊事电气化" in note for note in choices.notes)  # town and country cook differently: a kink


def test_the_plan_at_the_choices_is_the_plan() -> None:
    for place in ("jilin", "qingdao"):
        plan = scenario_of(place, "plan-full")
        choices = open_choices(
            catalog(), book_of(place), plan, [item.measure.id for item in plan.measures], first=FIRST
        )
        ours = run_levels(choices, scenario_levels(choices, plan)).view("whole_field")
        theirs = run(scenario_inputs(book_of(place), plan)).view("whole_field")
        assert np.abs(ours - theirs).max() <= 0.002 * theirs.max()


def test_what_needs_another_is_seen_and_bounded_by_it() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row, other = choices.row("commissioning"), choices.row("submetering")
    view = effects.views.index("building_operation")
    assert (effects.effect[view, row].diagonal() < 0).all()
    assert choices.requires == ((row, other),)
    conditions = requirement_conditions(choices)
    assert len(conditions) == len(choices.years)
    assert (conditions[0].measures.tolist(), conditions[0].coefficients.tolist()) == ([row, other], [1.0, -1.0])
    levels = choices.floor.copy()
    levels[row] += 0.5
    np.testing.assert_allclose(run_levels(choices, levels).view("whole_field")[LATE, 0], effects.base[effects.views.index("whole_field")], rtol=1e-12)  # fmt: skip


def test_setting_in_is_a_jump_and_no_slope() -> None:
    names = ("hydraulic_balance", "smart_heating")
    choices = choices_of("jilin", names)
    levels = choices.floor.copy()
    levels[choices.row("smart_heating")] = 0.5
    effects = linearise(choices, levels)
    row, view = choices.row("hydraulic_balance"), effects.views.index("building_operation")
    assert (effects.switch[view, row] > 0).all()  # smart control loses three tenths as soon as balance begins
    assert (effects.effect[view, row].diagonal() < 0).all()
    assert any("二次网水力平衡" in note and "这一跳" in note for note in effects.notes)


def test_draws_are_each_as_if_alone() -> None:
    names = ("public_retrofit_area", "led_lighting", "waste_heat")
    choices, book = choices_of("qingdao", names), book_of("qingdao")
    drawn = {name: np.asarray([0.2, 0.8]) for name in book.groups}
    both = linearise_draws(choices, choices.floor, drawn, every=10)
    second = linearise_draws(choices, choices.floor, {name: one[1:] for name, one in drawn.items()}, every=10)
    assert both.effect.shape == (1, 3, 34, 34, 2)
    np.testing.assert_allclose(both.effect[..., 1], second.effect[..., 0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both.base[..., 1], second.base[..., 0], rtol=1e-12)
    assert np.abs(both.base[..., 0] - both.base[..., 1]).max() > 1e4
    stated = linearise_draws(choices, choices.floor, {}, views=("building_operation",), every=1)
    central = effects_of("qingdao", names)
    np.testing.assert_allclose(
        stated.effect[0, ..., 0], central.effect[central.views.index("building_operation")], rtol=1e-7, atol=1e-7
    )


def test_what_cannot_be_asked_is_refused() -> None:
    book, resolved = book_of("jilin"), scenario_of("jilin")
    with pytest.raises(UnknownNameError, match="roof_pv_urbn"):
        open_choices(catalog(), book, resolved, ["roof_pv_urbn"], first=FIRST)
    for first, last in ((2020, 2060), (2040, 2030), (2027, 2061)):
        with pytest.raises(InputError):
            open_choices(catalog(), book, resolved, ["waste_heat"], first=first, last=last)
    choices = choices_of("jilin")
    with pytest.raises(InputError, match="measures, years"):
        choices.levelled(choices.floor[:-1])
    with pytest.raises(InputError, match="step"):
        linearise(choices, step=0.0)
    with pytest.raises(UnknownNameError):
        choices.row("nuclear_heat")

"""Laws of draws, peaks and contributions that hold for every case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dafeng.methods.peak import PLATEAU
from dafeng.pathways.peaks import STATES, anchored, peak_shares, peak_years
from dafeng.pathways.sampling import DESIGNS, quantiles
from dafeng.pathways.shapley import contributions, exact_shapley, pair_interactions, subsets

VALUES = st.floats(-100, 100)
NAMES = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)
PATHS = st.integers(6, 20).flatmap(lambda years: arrays(np.float64, (years, 5), elements=st.floats(0.01, 1e6)))


@st.composite
def games(draw: st.DrawFn) -> np.ndarray:
    """Worths of all subsets of one to five measures, in two results."""
    return draw(arrays(np.float64, (1 << draw(st.integers(1, 5)), 2), elements=VALUES))


@given(games())
def test_contributions_add_up_to_the_whole(table: np.ndarray) -> None:
    assert exact_shapley(table).sum(axis=0) == pytest.approx(table[-1] - table[0], abs=1e-9)


@given(games(), st.integers(0, 4))
def test_who_never_does_anything_gets_nothing(table: np.ndarray, which: int) -> None:
    count = len(table).bit_length() - 1
    which %= count
    idle = table[np.arange(len(table)) & ~(1 << which)]  # its presence makes no difference
    assert exact_shapley(idle)[which] == pytest.approx(0.0, abs=1e-9)
    assert pair_interactions(idle)[which] == pytest.approx(np.zeros((count, 2)), abs=1e-9)


@given(games(), st.data())
def test_renaming_measures_renames_their_contributions(table: np.ndarray, data: st.DataObject) -> None:
    """Symmetry: what a measure gets depends on what it does, not on which it is."""
    count = len(table).bit_length() - 1
    new = np.array(data.draw(st.permutations(range(count))))  # old measure `at` is called `new[at]`
    numbers = (subsets(count)[new] * (1 << np.arange(count))[:, None]).sum(axis=0)  # old subset of each new one
    assert exact_shapley(table[numbers])[new] == pytest.approx(exact_shapley(table), abs=1e-9)


@given(games(), st.integers(0, 2**32 - 1), st.floats(-5, 5))
def test_contributions_to_a_sum_are_sums(table: np.ndarray, seed: int, times: float) -> None:
    other = np.random.Generator(np.random.PCG64(seed)).normal(size=table.shape)
    together = exact_shapley(table + times * other)
    assert together == pytest.approx(exact_shapley(table) + times * exact_shapley(other), abs=1e-8)


@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_sampled_contributions_add_up_too(count: int, seed: int) -> None:
    values = np.random.Generator(np.random.PCG64(seed)).normal(size=1 << count)

    def worth(active: np.ndarray) -> np.ndarray:
        return values[(active * (1 << np.arange(count))[:, None]).sum(axis=0)]

    found = contributions(worth, [str(at) for at in range(count)], exact_most=1, orders=8, seed=seed)
    assert float(found.shares.sum()) == pytest.approx(float(values[-1] - values[0]), abs=1e-9)


@given(NAMES, st.integers(1, 60), st.integers(0, 2**40), st.sampled_from(DESIGNS))
def test_quantiles_lie_within_and_are_repeatable(names: list[str], draws: int, seed: int, design: str) -> None:
    drawn = quantiles(names, draws, seed=seed, design=design)
    table = np.stack(list(drawn.values()))
    assert table.shape == (len(names), draws)
    assert np.all((table > 0) & (table < 1))
    assert table.tobytes() == np.stack(list(quantiles(names, draws, seed=seed, design=design).values())).tobytes()
    if design != "random":  # one draw in each stratum
        whole = draws if design == "latin" else 1 << (draws.bit_length() - 1)
        strata = np.sort((table[:, :whole] * whole).astype(int), axis=1)
        assert np.array_equal(strata, np.broadcast_to(np.arange(whole), strata.shape))


@given(NAMES, st.integers(1, 40), st.integers(0, 1000), st.sampled_from(DESIGNS))
def test_appended_groups_change_no_column(names: list[str], draws: int, seed: int, design: str) -> None:
    few = quantiles(names, draws, seed=seed, design=design)
    many = quantiles([*names, "zz", "yy"], draws, seed=seed, design=design)
    assert all(np.array_equal(few[name], many[name]) for name in names)


@given(PATHS, st.floats(0, 0.1), st.floats(1e-3, 1e3))
def test_peaks_do_not_depend_on_the_unit_nor_on_the_order_of_draws(
    values: np.ndarray, near: float, unit: float
) -> None:
    years = np.arange(2000, 2000 + len(values))
    plain = peak_years(values, years, near=near)
    turned = peak_years(values[:, ::-1], years, near=near)
    assert np.array_equal(plain.year, turned.year[::-1])
    assert np.array_equal(plain.state, turned.state[::-1])
    scaled = peak_years(values * 2.0 ** round(np.log2(unit)), years, near=near)  # exact in binary
    assert np.array_equal(plain.year, scaled.year)


@given(PATHS, st.floats(0, 0.1))
def test_peaks_hold_what_they_say(values: np.ndarray, near: float) -> None:
    years = np.arange(2000, 2000 + len(values))
    peaks = peak_years(values, years, near=near)
    assert np.array_equal(peaks.level, values.max(axis=0))
    at = peaks.year - 2000
    draws = np.arange(values.shape[1])
    assert np.all(values[at, draws] >= (1 - near) * peaks.level * (1 - 1e-12))
    assert np.all((peaks.plateau_first <= peaks.year) & (peaks.year <= peaks.plateau_last))
    chances = [peaks.probability_by(int(year)) for year in years]
    assert chances == sorted(chances)
    assert chances[-1] == np.mean(peaks.peaked)
    for share in (0.05, 0.5, 0.95):
        year = peaks.year_quantile(share)
        assert np.mean(peaks.year <= year) >= share
        assert np.mean(peaks.year < year) < share
    assert sum(peaks.state_share(state) for state in STATES) == pytest.approx(1)
    asked = years.tolist()
    assert list(peak_shares(values, years, asked, near=near).values()) == chances
    plainer = peak_years(values, years, near=0)
    assert np.all(plainer.year <= peaks.year)


@given(PATHS, st.integers(0, 3))
def test_history_of_the_model_itself_changes_no_peak(values: np.ndarray, last: int) -> None:
    years = np.arange(2000, 2000 + len(values))
    for draw in range(values.shape[1]):
        own = values[:, draw : draw + 1]
        joined = anchored(own, years, {2000 + at: float(own[at, 0]) for at in range(last + 1)})
        assert joined == pytest.approx(own)


@given(PATHS)
def test_the_plateau_state_by_medians(values: np.ndarray) -> None:
    """A second route to the states: draw by draw, with medians."""
    years = np.arange(2000, 2000 + len(values))
    peaks = peak_years(values, years)
    for draw, state in enumerate(peaks.state):
        own = values[:, draw]
        at, top = int(peaks.year[draw]) - 2000, own.max()
        after = own[at + 1 :]
        floor = top - PLATEAU * top
        if at == len(own) - 1:
            expected = "rising"
        elif len(after) < 5:
            expected = "undetermined"
        elif np.median(after) >= floor and np.median(own[-5:]) >= floor:
            expected = "plateau"
        elif own[-1] - after.min() > (top - after.min()) / 2:
            expected = "undetermined"
        else:
            expected = "peaked"
        assert STATES[state] == expected

"""Shapley values of games that are known, and against brute force."""

from itertools import permutations

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.shapley import contributions, exact_shapley, pair_interactions, subsets


def by_brute_force(table: np.ndarray, count: int) -> np.ndarray:
    """Average what each adds over every order."""
    found = np.zeros((count, *table.shape[1:]))
    orders = list(permutations(range(count)))
    for order in orders:
        mask = 0
        for measure in order:
            found[measure] += table[mask | 1 << measure] - table[mask]
            mask |= 1 << measure
    return found / len(orders)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_against_every_order(count: int) -> None:
    table = np.random.Generator(np.random.PCG64(count)).normal(size=(1 << count, 3))
    assert exact_shapley(table) == pytest.approx(by_brute_force(table, count), abs=1e-12)


def test_the_airport() -> None:
    """Littlechild and Owen (1973): runways of 1, 2 and 4; each stretch is shared by those that need it."""
    needs = np.array([1.0, 2.0, 4.0])
    worth = np.where(subsets(3), needs[:, None], 0.0).max(axis=0)
    assert exact_shapley(worth).tolist() == pytest.approx([1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 2])


def test_a_measure_that_needs_another_shares_with_it() -> None:
    """A heat pump saves 10 alone; a clean grid 4 alone; a store only with the heat pump, 6."""

    def worth(active: np.ndarray) -> np.ndarray:
        pump, grid, store = active
        return 10.0 * pump + 4.0 * grid + 6.0 * (pump & store)

    found = contributions(worth, ["pump", "grid", "store"])
    assert found.shares.tolist() == pytest.approx([13.0, 4.0, 3.0])
    assert found.alone.tolist() == [10.0, 4.0, 0.0]
    assert found.at_last.tolist() == [16.0, 4.0, 6.0]
    assert found.pairs is not None
    assert found.pairs[0, 2] == pytest.approx(6.0)
    assert found.pairs[0, 1] == pytest.approx(0.0)
    assert (found.evaluations, found.error) == (8, None)


def test_pairs_by_hand() -> None:
    """Three that exclude one another: v = 1 where any acts. Each pair: −1 without the third, 0 with it; on average −1/2."""
    worth = (subsets(3).sum(axis=0) > 0).astype(float)
    pairs = pair_interactions(worth)
    assert pairs[0, 1] == pytest.approx(-0.5)
    assert np.array_equal(pairs, pairs.T)
    assert np.trace(pairs) == 0


def overlapping(active: np.ndarray) -> np.ndarray:
    """What is left is a product: 16 measures, the strongest first, in two years."""
    left = np.prod(np.where(active, 1 - 0.3 / np.arange(1, len(active) + 1)[:, None], 1.0), axis=0)
    return np.stack([1 - left, 2 * (1 - left)], axis=1)


def test_sampled_orders_come_near_and_say_how_near() -> None:
    names = [f"m{number}" for number in range(10)]
    exact = contributions(overlapping, names)
    near = contributions(overlapping, names, exact_most=5, orders=400, seed=1)
    assert near.error is not None
    assert near.shares.sum(axis=0) == pytest.approx(exact.whole)
    assert near.alone == pytest.approx(exact.alone)
    assert near.at_last == pytest.approx(exact.at_last)
    assert np.all(np.abs(near.shares - exact.shares) < 4 * near.error + 1e-12)
    assert np.all(near.error < 0.01 * exact.whole)
    assert near.evaluations < 1024


def test_more_than_the_exact_limit_is_sampled_and_deterministic() -> None:
    names = [f"m{number}" for number in range(20)]
    one, two = (contributions(overlapping, names, orders=64, seed=4) for _ in range(2))
    assert one.shares.tobytes() == two.shares.tobytes()
    assert one.pairs is None
    assert one.shares.sum(axis=0) == pytest.approx(one.whole)


def test_refusals() -> None:
    with pytest.raises(InputError):
        exact_shapley([1.0, 2.0, 3.0])
    with pytest.raises(InputError):
        exact_shapley([1.0])
    with pytest.raises(InputError):
        contributions(overlapping, [])
    with pytest.raises(InputError):
        contributions(overlapping, ["a", "a"])
    with pytest.raises(InputError):
        contributions(overlapping, ["a"], orders=3)

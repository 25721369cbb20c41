"""Draws of quantiles and of the residual."""

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.residuals import residual_normals, residuals
from dafeng.pathways.sampling import DESIGNS, quantiles


@pytest.mark.parametrize("design", DESIGNS)
def test_same_arguments_same_bytes_and_another_seed_other_draws(design: str) -> None:
    first, again = (quantiles(["a", "b"], 100, seed=3, design=design) for _ in range(2))
    other = quantiles(["a", "b"], 100, seed=4, design=design)
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert not np.array_equal(first["a"], other["a"])


@pytest.mark.parametrize("design", ["latin", "random"])
def test_a_column_does_not_depend_on_the_other_groups_at_all(design: str) -> None:
    alone = quantiles(["b"], 64, seed=3, design=design)["b"]
    assert np.array_equal(quantiles(["a", "b", "c"], 64, seed=3, design=design)["b"], alone)


def test_a_sobol_column_depends_on_its_place_only() -> None:
    few = quantiles(["a", "b"], 64, seed=3)
    many = quantiles(["a", "b", "c", "d"], 64, seed=3)
    renamed = quantiles(["x", "b"], 64, seed=3)
    assert np.array_equal(few["b"], many["b"])
    assert np.array_equal(few["b"], renamed["b"])
    assert not np.array_equal(quantiles(["b", "a"], 64, seed=3)["b"], few["b"])


@pytest.mark.parametrize("design", ["sobol", "random"])
def test_the_first_draws_of_a_longer_run_are_the_same(design: str) -> None:
    assert np.array_equal(
        quantiles(["a", "b"], 1000, seed=9, design=design)["b"][:77],
        quantiles(["a", "b"], 77, seed=9, design=design)["b"],
    )


def test_sobol_fills_the_square_evenly() -> None:
    """Any two of the first columns put one point into each of 16 × 16 boxes: a (0, 8, 2)-net, which scrambling keeps."""
    drawn = quantiles(["a", "b"], 256, seed=11)
    boxes = (drawn["a"] * 16).astype(int) * 16 + (drawn["b"] * 16).astype(int)
    assert sorted(boxes.tolist()) == list(range(256))


def test_a_smooth_mean_is_nearer_by_sobol_than_by_chance() -> None:
    names = [f"g{number}" for number in range(8)]
    errors = {}
    for design in DESIGNS:
        found = []
        for seed in range(12):
            drawn = quantiles(names, 1024, seed=seed, design=design)
            found.append(np.mean(np.prod([1 + (drawn[name] - 0.5) for name in names], axis=0)) - 1.0)
        errors[design] = float(np.sqrt(np.mean(np.square(found))))
    assert errors["sobol"] < 0.2 * errors["random"]
    assert errors["latin"] < 0.6 * errors["random"]


@pytest.mark.parametrize(
    ("groups", "draws", "seed", "design"),
    [(["a"], 0, 1, "sobol"), (["a"], 5, -1, "sobol"), (["a"], 5, 1, "halton"), (["a", "a"], 5, 1, "latin")],
)
def test_what_means_nothing_is_refused(groups: list[str], draws: int, seed: int, design: str) -> None:
    with pytest.raises(InputError):
        quantiles(groups, draws, seed=seed, design=design)  # type: ignore[arg-type]


def test_no_group_and_one_draw_are_fine() -> None:
    assert quantiles([], 5, seed=1) == {}
    assert all(0 < float(quantiles(["a"], 1, seed=1, design=design)["a"][0]) < 1 for design in DESIGNS)


def test_the_residual_reaches_its_scatter_and_memory() -> None:
    normals = residual_normals(["direct_building", "materials"], 40, 20_000, seed=2)
    drawn = residuals(normals, [[[0.02]], [[0.05]]], [[0.8]])
    assert drawn[:, -1].std(axis=1) == pytest.approx([0.02, 0.05], rel=0.02)
    assert drawn[:, 0].std(axis=1) == pytest.approx([0.02 * 0.6, 0.05 * 0.6], rel=0.02)  # √(1 - 0.64) = 0.6
    assert np.corrcoef(drawn[0, -2], drawn[0, -1])[0, 1] == pytest.approx(0.8, abs=0.01)
    assert abs(np.corrcoef(drawn[0, -1], drawn[1, -1])[0, 1]) < 0.03


def test_scatter_and_memory_may_differ_by_year_and_draw() -> None:
    shocks = np.ones((1, 2, 2))
    drawn = residuals(shocks, np.array([[[0.1, 0.2], [0.1, 0.2]]]), np.array([[0.0], [0.6]]))
    assert drawn[0].tolist() == [[0.1, 0.2], pytest.approx([0.6 * 0.1 + 0.08, 0.6 * 0.2 + 0.16])]


@pytest.mark.parametrize(("scatter", "memory"), [(-0.1, 0.5), (0.1, 1.0), (0.1, -0.1)])
def test_a_residual_that_cannot_be_is_refused(scatter: float, memory: float) -> None:
    with pytest.raises(InputError):
        residuals(np.zeros((1, 2, 1)), [[[scatter]]], [[memory]])

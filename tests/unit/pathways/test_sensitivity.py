"""Sensitivity indices of functions whose indices are known."""

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.sampling import quantiles
from dafeng.pathways.sensitivity import share_by_group, sobol_indices, strongest_factors

Columns = dict[str, np.ndarray]


def ishigami(u: Columns) -> np.ndarray:
    x, y, z = (np.pi * (2 * u[name] - 1) for name in "xyz")
    return (np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x))[None]


def ishigami_indices() -> tuple[list[float], list[float]]:
    """Ishigami and Homma (1990) with a = 7, b = 0.1, worked out by hand."""
    a, b, pi = 7.0, 0.1, np.pi
    variance = a**2 / 8 + b * pi**4 / 5 + b**2 * pi**8 / 18 + 0.5
    first = 0.5 * (1 + b * pi**4 / 5) ** 2
    both = b**2 * pi**8 * (1 / 18 - 1 / 50)
    return [first / variance, a**2 / 8 / variance, 0.0], [
        (first + both) / variance,
        a**2 / 8 / variance,
        both / variance,
    ]


WEIGHTS = {"a": 0.0, "b": 1.0, "c": 4.5, "d": 9.0, "e": 99.0}


def g_function(u: Columns) -> np.ndarray:
    return np.prod([(np.abs(4 * u[name] - 2) + w) / (1 + w) for name, w in WEIGHTS.items()], axis=0)[None]


def test_ishigami() -> None:
    found = sobol_indices(ishigami, {name: [name] for name in "xyz"}, ["f"], base=4096, seed=1)
    first, total = ishigami_indices()
    assert first == pytest.approx([0.3139, 0.4424, 0.0], abs=1e-4)
    assert found.first[:, 0] == pytest.approx(first, abs=0.02)
    assert found.total[:, 0] == pytest.approx(total, abs=0.02)
    assert found.evaluations == 5 * 4096
    assert found.ranked("f")[0][0] == "x"
    low, high = found.total_interval[:, :, 0]
    assert np.all(low <= found.total[:, 0])
    assert np.all(found.total[:, 0] <= high)
    assert np.all(high - low < 0.1)


def test_g_function() -> None:
    found = sobol_indices(g_function, {name: [name] for name in WEIGHTS}, ["g"], base=4096, seed=2)
    parts = np.array([1 / (3 * (1 + w) ** 2) for w in WEIGHTS.values()])
    variance = np.prod(1 + parts) - 1
    assert found.first[:, 0] == pytest.approx(parts / variance, abs=0.02)
    assert found.total[:, 0] == pytest.approx(parts / (1 + parts) * np.prod(1 + parts) / variance, abs=0.02)


def test_groups_in_one_factor_take_their_interaction_with_them() -> None:
    """x and z of Ishigami only interact with one another: together they are a factor without interaction."""
    found = sobol_indices(ishigami, {"xz": ["x", "z"], "y": ["y"]}, ["f"], base=4096, seed=3)
    _, total = ishigami_indices()
    assert found.first[:, 0] == pytest.approx([1 - total[1], total[1]], abs=0.02)
    assert found.total[:, 0] == pytest.approx([1 - total[1], total[1]], abs=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    _, total = ishigami_indices()
    hits = []
    for seed in range(40):
        found = sobol_indices(ishigami, {name: [name] for name in "xyz"}, ["f"], base=256, seed=seed, resamples=100)
        low, high = found.total_interval[:, :, 0]
        hits += [bool(low[at] <= total[at] <= high[at]) for at in range(3)]
    assert np.mean(hits) > 0.8


def test_a_result_that_does_not_vary_has_no_index() -> None:
    found = sobol_indices(
        lambda u: np.stack([u["a"], np.full_like(u["a"], 2030.1)]), {"a": ["a"], "b": ["b"]}, ["level", "peak"], base=64
    )
    assert np.isnan(found.first[:, 1]).all()
    assert np.isnan(found.total_interval[:, :, 1]).all()
    assert found.total[:, 0] == pytest.approx([1.0, 0.0], abs=1e-2)


def test_same_seed_same_bytes() -> None:
    one, two = (sobol_indices(ishigami, {name: [name] for name in "xyz"}, ["f"], base=64, seed=7) for _ in range(2))
    assert one.first_interval.tobytes() == two.first_interval.tobytes()
    assert one.total.tobytes() == two.total.tobytes()


def test_shares_from_draws_that_exist() -> None:
    drawn = quantiles(["x", "y", "z"], 20_000, seed=1)
    found = share_by_group(drawn, ishigami(drawn), degree=10)
    assert found[:, 0] == pytest.approx(ishigami_indices()[0], abs=0.02)
    assert np.isnan(share_by_group(drawn, np.ones((1, 20_000)))).all()


@pytest.mark.parametrize(("design", "near"), [("sobol", 0.04), ("latin", 0.04), ("random", 0.1)])
def test_shares_of_forty_groups_add_up_to_what_is_additive(design: str, near: float) -> None:
    names = [f"g{number}" for number in range(40)]
    drawn = quantiles(names, 1000, seed=3, design=design)  # type: ignore[arg-type]
    weights = 1.0 / np.arange(1, 41)
    additive = weights @ np.stack([drawn[name] ** 2 for name in names])
    noise = np.random.Generator(np.random.PCG64(1)).normal(0, additive.std() / 2, 1000)  # a fifth of the variance
    found = share_by_group(drawn, (additive + noise)[None])[:, 0]
    assert found.sum() == pytest.approx(0.8, abs=near)
    assert found[0] == pytest.approx(0.8 * weights[0] ** 2 / np.sum(weights**2), abs=near)


def test_too_few_draws_say_nothing() -> None:
    drawn = quantiles(["x", "y", "z"], 12, seed=1)
    assert np.isnan(share_by_group(drawn, ishigami(drawn))).all()


def test_the_strongest_stand_alone() -> None:
    drawn = quantiles(list(WEIGHTS), 4096, seed=1)
    assert strongest_factors(drawn, g_function(drawn), most=3) == {"a": ("a",), "b": ("b",), "rest": ("c", "d", "e")}
    assert strongest_factors(drawn, g_function(drawn), most=5) == {name: (name,) for name in WEIGHTS}


@pytest.mark.parametrize(
    ("factors", "base"), [({}, 64), ({"a": ["x"], "b": ["x"]}, 64), ({"a": ["x"]}, 8), ({"a": []}, 64)]
)
def test_factors_that_make_no_sense_are_refused(factors: dict[str, list[str]], base: int) -> None:
    with pytest.raises(InputError):
        sobol_indices(lambda u: u["x"][None], factors, ["x"], base=base)


def test_results_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        sobol_indices(lambda u: u["x"], {"x": ["x"]}, ["x"], base=64)

"""Survival curves: values by hand, moments by a second route, bad input."""

import math

import numpy as np
import pytest
from scipy import stats

from dafeng.base.errors import InputError
from dafeng.pathways.survival import YearlySurvival, survival

AGES = np.arange(111)


def test_weibull_of_shape_two_by_hand() -> None:
    # scale = 34 / Gamma(1.5) = 38.3646; S(34) = exp(-(34 / 38.3646)^2) = exp(-pi / 4)
    assert float(survival("weibull", 34.0, 2.0, 34, age_zero="start")) == pytest.approx(
        math.exp(-math.pi / 4), rel=1e-12
    )
    assert float(survival("weibull", 34.0, 2.0, 0, age_zero="start")) == 1.0


def test_normal_loses_what_lies_below_age_zero() -> None:
    # 1 / 0.3 standard deviations: Phi(3.3333) = 0.99957094
    assert float(survival("normal", 50.0, 0.3, 0, age_zero="start")) == pytest.approx(0.99957094, abs=1e-8)
    assert float(survival("lognormal", 50.0, 0.3, 0, age_zero="start")) == 1.0


@pytest.mark.parametrize(
    ("family", "curve"),
    [
        ("normal", stats.norm(loc=40, scale=12)),
        ("lognormal", stats.lognorm(s=math.sqrt(math.log(1.09)), scale=40 / math.sqrt(1.09))),
        ("weibull", stats.weibull_min(c=0.3, scale=40 / math.gamma(1 + 1 / 0.3))),
    ],
)
@pytest.mark.parametrize(("age_zero", "offset"), [("start", 0.0), ("mid_year", 0.5)])
def test_families_agree_with_scipy(family: str, curve: stats.rv_continuous, age_zero: str, offset: float) -> None:
    ours = survival(family, 40.0, 0.3, AGES, age_zero=age_zero)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours, curve.sf(AGES + offset), rtol=1e-9)


@pytest.mark.parametrize(("family", "shape"), [("normal", 0.2), ("weibull", 2.0), ("lognormal", 0.4)])
def test_the_mean_age_at_the_end_is_the_lifetime(family: str, shape: float) -> None:
    ages = np.arange(1000)  # the sum over whole years of the survival at mid-year is the mean
    mean = float(survival(family, 40.0, shape, ages, age_zero="mid_year").sum())  # type: ignore[arg-type]
    assert mean == pytest.approx(40.0, rel=1e-3)


@pytest.mark.parametrize("family", ["normal", "weibull", "lognormal"])
@pytest.mark.parametrize("age_zero", ["start", "mid_year"])
def test_cohorts_of_one_curve_and_of_their_own_give_the_same_bytes(family: str, age_zero: str) -> None:
    lifetime, shape = np.array([[35.0, 35.0, 60.0]]), np.array([[0.4, 1.5, 0.4]])
    own = np.repeat(lifetime, 40, axis=0)
    own[:, 2] = np.linspace(30, 60, 40)
    same = YearlySurvival(family, lifetime, shape, years=40, age_zero=age_zero)  # type: ignore[arg-type]
    each = YearlySurvival(family, own, shape, years=40, age_zero=age_zero)  # type: ignore[arg-type]
    for year in range(40):
        shares, others = same.until(year), each.until(year)
        assert (shares[:, :2] == others[:, :2]).all()
        curve = survival(family, own[: year + 1, 2], 0.4, np.arange(year, -1, -1), age_zero=age_zero)  # type: ignore[arg-type]
        before = np.ones(year + 1)
        before[:-1] = survival(family, own[:year, 2], 0.4, np.arange(year - 1, -1, -1), age_zero=age_zero)  # type: ignore[arg-type]
        np.testing.assert_allclose(others[:, 2], curve / before, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lifetime": -3.0}, "mean lifetime is -3"),
        ({"lifetime": 0.0}, "mean lifetime is 0"),
        ({"lifetime": math.nan}, "mean lifetime is nan"),
        ({"shape": math.inf}, "shape of the lifetime distribution is inf"),
        ({"lifetime": [[30.0], [-1.0]]}, r"is -1 at \[1, 0\]"),
        ({"ages": -1}, "an age is -1"),
        ({"family": "gompertz"}, "family is 'gompertz'"),
        ({"age_zero": "end"}, "age convention is 'end'"),
    ],
)
def test_bad_input_is_named_in_four_parts(change: dict[str, object], named: str) -> None:
    given = {"family": "normal", "lifetime": 40.0, "shape": 0.3, "ages": 5, "age_zero": "start"} | change
    with pytest.raises(InputError, match=named) as caught:
        survival(**given)  # type: ignore[arg-type]
    assert caught.value.doing
    assert caught.value.expected
    assert caught.value.next_step

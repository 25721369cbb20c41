"""LMDI and Tapio: an independent route, zeros by their limit, identities as data, all eight states, refusals."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from dafeng.base.errors import InputError
from dafeng.methods.decomposition import (
    DECOUPLING_NAMES,
    FactorSpec,
    Identity,
    factors_of,
    lmdi,
    logarithmic_mean,
    tapio,
)

ACTIVITY = [100.0, 130.0]
SHARES = [[0.6, 0.3, 0.1], [0.5, 0.3, 0.2]]
INTENSITIES = [[2.0, 1.0, 0.5], [1.6, 1.1, 0.5]]


def along_the_path(before: list[float], after: list[float]) -> NDArray[np.float64]:
    """Divisia's line integral over the path on which every factor grows at a constant rate: what LMDI-I stands for."""
    rates = [math.log(end / start) for start, end in zip(before, after, strict=True)]
    return np.array([
        quad(lambda t, own=own: own * math.prod(start * math.exp(rate * t) for start, rate in zip(before, rates, strict=True)), 0, 1)[0]
        for own in rates
    ])  # fmt: skip


def test_the_contributions_are_divisias_line_integral() -> None:
    found = lmdi([2015, 2025], {"activity": ACTIVITY, "share": SHARES, "intensity": INTENSITIES})
    for part in range(3):
        integral = along_the_path(
            [ACTIVITY[0], SHARES[0][part], INTENSITIES[0][part]], [ACTIVITY[1], SHARES[1][part], INTENSITIES[1][part]]
        )
        assert found.end_parts[:, part] == pytest.approx(integral, rel=1e-9)
    assert found.residual < 1e-9
    assert np.prod(found.end_indices) == pytest.approx(found.totals[1] / found.totals[0], rel=1e-12)


def test_a_case_by_hand() -> None:
    """One part, doubled activity, intensity halved: L = 8, so the two are 8 ln 2 and -8 ln 2."""
    found = lmdi([2020, 2025], {"activity": [4.0, 8.0], "intensity": [2.0, 1.0]})
    assert found.end_to_end == pytest.approx([8 * math.log(2), -8 * math.log(2)])
    assert found.end_indices == pytest.approx([2.0, 0.5])


def test_chained_sees_the_path_and_end_to_end_does_not() -> None:
    there_and_back = lmdi(
        [2000, 2001, 2002, 2003],
        {
            "activity": [1.0, 2.0, 2.0, 1.0],
            "share": [[0.5, 0.5], [0.5, 0.5], [0.2, 0.8], [0.5, 0.5]],
            "intensity": [[1.0, 2.0]] * 4,
        },
    )
    assert there_and_back.end_to_end == pytest.approx([0.0, 0.0, 0.0])
    assert abs(there_and_back.chained[0]) > 0.01
    assert there_and_back.chained.sum() == pytest.approx(there_and_back.change, abs=1e-12)
    assert np.prod(there_and_back.chained_indices) == pytest.approx(1.0)


def test_a_part_that_appears_is_put_down_to_the_factors_that_were_zero() -> None:
    found = lmdi(
        [0, 1], {"activity": [10.0, 12.0], "share": [[1.0, 0.0], [0.5, 0.5]], "intensity": [[2.0, 3.0], [2.0, 3.0]]}
    )
    assert found.end_parts[:, 1] == pytest.approx([0.0, 18.0, 0.0])
    both = lmdi(
        [0, 1], {"activity": [10.0, 12.0], "share": [[1.0, 0.0], [0.5, 0.5]], "intensity": [[2.0, 0.0], [2.0, 3.0]]}
    )
    assert both.end_parts[:, 1] == pytest.approx([0.0, 9.0, 9.0])
    assert both.residual < 1e-12


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([10.0, 0.0, 3.0], [12.0, 0.5, 3.5]),
        ([10.0, 0.5, 3.0], [12.0, 0.0, 3.5]),
        ([10.0, 0.0, 0.0], [12.0, 0.5, 3.5]),
        ([10.0, 0.0, 3.0], [12.0, 0.5, 0.0]),
        ([10.0, 0.0, 3.0], [12.0, 0.0, 3.5]),
        ([0.0, 0.0, 0.0], [12.0, 0.5, 3.5]),
    ],
)
def test_zeros_are_the_limit_of_ever_smaller_numbers(before: list[float], after: list[float]) -> None:
    exact = lmdi([0, 1], {str(at): pair for at, pair in enumerate(zip(before, after, strict=True))}).end_to_end
    distances = []
    for small in (1e-20, 1e-80, 1e-300):
        pairs = [(max(one, small), max(two, small)) for one, two in zip(before, after, strict=True)]
        first, last = (math.prod(pair[side] for pair in pairs) for side in (0, 1))
        logs = [math.fsum(math.log(pair[side]) for pair in pairs) for side in (0, 1)]
        mean = first if logs[0] == logs[1] else (last - first) / (logs[1] - logs[0])
        near = [
            mean * math.log(two / one) if two / one > 0 and one > 1e-290 else mean * (math.log(two) - math.log(one))
            for one, two in pairs
        ]
        distances.append(float(np.max(np.abs(np.array(near) - exact))))
    assert distances[0] >= distances[1] >= distances[2]
    assert distances[2] < 0.02 * max(1.0, float(np.max(np.abs(exact))))


def test_indices_are_not_invented_where_a_total_is_zero() -> None:
    found = lmdi([0, 1], {"activity": [0.0, 12.0], "intensity": [3.0, 3.0]})
    assert found.end_to_end == pytest.approx([36.0, 0.0])
    assert np.isnan(found.end_indices).all()


def test_the_logarithmic_mean_lies_between_and_is_exact_for_neighbours() -> None:
    assert logarithmic_mean(3.0, 3.0 * (1 + 1e-13)) == pytest.approx(3.0, rel=1e-12)
    assert logarithmic_mean(1.0, 4.0) == logarithmic_mean(4.0, 1.0) == pytest.approx(3 / math.log(4))


IDENTITY = Identity(
    id="stock",
    zh="面积、结构与强度",
    result="co2",
    factors=(
        FactorSpec(id="area", zh="面积", numerator="area"),
        FactorSpec(id="mix", zh="结构", numerator="area_of_class", denominator="area"),
        FactorSpec(id="intensity", zh="强度", numerator="co2", denominator="area_of_class"),
    ),
)
COLUMNS = {
    "area": [5.0, 7.0],
    "area_of_class": [[3.0, 2.0], [4.0, 3.0]],
    "co2": [[6.0, 5.0], [7.0, 6.5]],
}


def test_factors_declared_as_data_multiply_to_the_emission() -> None:
    found = lmdi([2015, 2025], factors_of(IDENTITY, COLUMNS), emissions=COLUMNS["co2"])
    assert found.factors == ("area", "mix", "intensity")
    assert found.totals == pytest.approx([11.0, 13.5])
    assert found.end_to_end.sum() == pytest.approx(2.5)


def test_an_identity_that_does_not_cancel_out_is_refused_with_both_numbers() -> None:
    factors = factors_of(IDENTITY, COLUMNS)
    del factors["mix"]
    with pytest.raises(InputError, match="the emission is given as"):
        lmdi([2015, 2025], factors, emissions=COLUMNS["co2"])


def test_division_by_nothing_and_unknown_columns_are_refused() -> None:
    with pytest.raises(InputError, match="'co2' is not zero where 'area_of_class' is zero"):
        factors_of(IDENTITY, {**COLUMNS, "area_of_class": [[3.0, 0.0], [4.0, 3.0]]})
    with pytest.raises(InputError, match="needs the column 'co2'"):
        factors_of(IDENTITY, {name: values for name, values in COLUMNS.items() if name != "co2"})


@pytest.mark.parametrize(
    ("years", "factors", "message"),
    [
        ([2020], {"a": [1.0]}, "years of shape"),
        ([2020, 2020], {"a": [1.0, 2.0]}, "a year stands twice"),
        ([2020, 2021], {}, "no factor"),
        ([2020, 2021], {"a": [1.0, -2.0]}, "factor 'a' has a value that is negative"),
        ([2020, 2021], {"a": [1.0, math.nan]}, "factor 'a' has a value that is negative or no number"),
        ([2020, 2021], {"a": [1.0]}, "factor 'a' of shape"),
        ([2020, 2021], {"a": [[1.0, 2]] * 2, "b": [[1.0, 2, 3]] * 2}, "factors of 2 and of 3 parts"),
    ],
)
def test_what_cannot_be_decomposed_is_refused(years: list[int], factors: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lmdi(years, factors)


@pytest.mark.parametrize(
    ("activity", "emission", "state"),
    [
        (110.0, 95.0, "strong_decoupling"),
        (110.0, 100.0, "weak_decoupling"),
        (110.0, 105.0, "weak_decoupling"),
        (150.0, 140.0, "expansive_coupling"),
        (110.0, 111.0, "expansive_coupling"),
        (110.0, 120.0, "expansive_negative_decoupling"),
        (90.0, 105.0, "strong_negative_decoupling"),
        (90.0, 95.0, "weak_negative_decoupling"),
        (90.0, 90.0, "recessive_coupling"),
        (90.0, 80.0, "recessive_decoupling"),
        (100.0, 80.0, "undefined"),
    ],
)
def test_the_eight_states_of_tapio(activity: float, emission: float, state: str) -> None:
    (step,) = tapio([2020, 2025], [100.0, activity], [100.0, emission])
    assert step.state == state
    assert step.name == DECOUPLING_NAMES[state][0]
    assert (step.elasticity is None) == (state == "undefined")


def test_years_of_tapio_may_come_in_any_order_but_not_twice() -> None:
    assert tapio([2025, 2020], [120.0, 100.0], [90.0, 100.0])[0].state == "strong_decoupling"
    with pytest.raises(InputError, match="a year twice"):
        tapio([2020, 2020], [1.0, 1.0], [1.0, 1.0])

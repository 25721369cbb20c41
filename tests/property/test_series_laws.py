"""Laws of decomposition, breaks and the peak verdict that hold for every series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from dafeng.catalog.tables import peak_critical_values
from dafeng.methods.breaks import find_breaks
from dafeng.methods.decomposition import lmdi
from dafeng.methods.peak import peak_verdict

TABLE = peak_critical_values()
Array = NDArray[np.float64]
AMOUNTS = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))


@st.composite
def factor_tables(draw: st.DrawFn) -> dict[str, Array]:
    """Two to four factors of one to four parts over two to six years, zeros among them."""
    years, parts = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    names = ["activity", "mix", "energy", "carbon"][: draw(st.integers(2, 4))]
    tables = {name: draw(arrays(np.float64, (years, parts), elements=AMOUNTS)) for name in names}
    tables["activity"] = draw(arrays(np.float64, (years,), elements=st.floats(1e-3, 1e3)))
    return tables


def scale_of(factors: dict[str, Array]) -> float:
    years = np.arange(len(next(iter(factors.values()))))
    return max(1.0, float(lmdi(years, factors).totals.max()))


@given(factor_tables())
def test_contributions_add_up_to_the_change_with_nothing_left(factors: dict[str, Array]) -> None:
    years = np.arange(len(factors["activity"]))
    found = lmdi(years, factors)
    assert found.residual <= 1e-9 * scale_of(factors)
    assert found.chained.sum() == pytest.approx(found.change, abs=1e-9 * scale_of(factors))
    if np.all(found.totals > 0):
        assert np.allclose(np.sum(np.log(found.step_indices), axis=1), np.diff(np.log(found.totals)), atol=1e-9)
        assert np.sum(np.log(found.end_indices)) == pytest.approx(np.log(found.totals[-1] / found.totals[0]), abs=1e-9)


@given(factor_tables())
def test_reversing_time_reverses_every_contribution(factors: dict[str, Array]) -> None:
    years = np.arange(len(factors["activity"]))
    there = lmdi(years, factors)
    back = lmdi(years, {name: table[::-1] for name, table in factors.items()})
    tolerance = 1e-9 * scale_of(factors)
    assert np.allclose(back.steps[::-1], -there.steps, rtol=1e-9, atol=tolerance)
    assert np.allclose(back.end_parts, -there.end_parts, rtol=1e-9, atol=tolerance)


@given(factor_tables(), st.randoms(use_true_random=False))
def test_the_order_of_years_parts_and_factors_changes_nothing(factors: dict[str, Array], random: object) -> None:
    years = np.arange(len(factors["activity"]))
    width = factors["mix"].shape[1]
    rows, parts, names = list(years), list(range(width)), list(factors)
    for sequence in (rows, parts, names):
        random.shuffle(sequence)  # type: ignore[attr-defined]
    mixed = {name: factors[name][rows][:, parts] if factors[name].ndim == 2 else factors[name][rows] for name in names}
    one, two = lmdi(years, factors), lmdi(years[rows], mixed)
    assert two.years == one.years
    order = [two.factors.index(name) for name in one.factors]
    assert np.allclose(two.steps[:, order], one.steps, rtol=1e-9, atol=1e-9 * scale_of(factors))


@given(
    arrays(np.float64, st.integers(8, 30), elements=st.floats(0.5, 200.0)),
    st.floats(1e-3, 1e6),
    st.randoms(use_true_random=False),
)
def test_the_verdict_depends_neither_on_the_unit_nor_on_the_order(values: Array, unit: float, random: object) -> None:
    rows = list(range(len(values)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    years = np.arange(2000, 2000 + len(values))
    one = peak_verdict(years, values, table=TABLE)
    assert peak_verdict(years[rows], values[rows], table=TABLE) == one
    scaled = peak_verdict(years, values * 2.0**10, table=TABLE)
    assert (scaled.status, scaled.reason, scaled.peak_year) == (one.status, one.reason, one.peak_year)
    if one.statistic is not None:
        assert peak_verdict(years, values * unit, table=TABLE).statistic == pytest.approx(
            one.statistic, rel=1e-6, abs=1e-6
        )
    assert find_breaks(years[rows], values[rows], table=TABLE) == find_breaks(years, values, table=TABLE)


@given(arrays(np.float64, st.integers(8, 40), elements=st.floats(0.5, 200.0)))
def test_no_verdict_rests_on_fewer_than_five_years(values: Array) -> None:
    verdict = peak_verdict(range(len(values)), values, table=TABLE)
    if verdict.status in ("peaked", "plateau"):
        assert verdict.years_after >= 5
    if verdict.status == "rising":
        assert verdict.years_after == 0
    assert verdict.words.endswith("。")

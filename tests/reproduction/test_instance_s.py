"""Instance S: figures published for ODYM and flodym, each under its own convention, to 1e-6.

Instance: years 1950–2060, K = 1 segment, 200 draws of a logistic stock ``S / (1 + exp(-g (t - m)))`` in Mm2, normal lifetime with
standard deviation 0.3 of its mean; use of energy emits ``40 * 0.996^(c - 1950)`` kgCO2/m2 by cohort c, times ``0.988^(t - 2020)``
after 2020. ODYM (`DynamicStockModel`, checkout of 2025-07-08) takes age 0 in the year of completion; flodym 1.1.0
(`StockDrivenDSM`, `inflow_at="middle"`) half a year.
"""

import numpy as np
import pytest

from dafeng.pathways import Turnover, turn_over

YEARS = np.arange(1950, 2061)
EMISSION = 40 * 0.996 ** (YEARS - 1950.0)
FACTOR = np.where(YEARS > 2020, 0.988 ** (YEARS - 2020.0), 1.0)


def instance(age_zero: str, draws: int = 200) -> tuple[Turnover, np.ndarray]:
    unit = np.random.Generator(np.random.PCG64(4242)).random((draws, 4))
    most, growth = 800 + 800 * unit[:, 0], 0.06 + 0.06 * unit[:, 1]
    middle, lifetime = 2000 + 15 * unit[:, 2], 30 + 40 * unit[:, 3]
    stock = turn_over(
        most / (1 + np.exp(-growth * (YEARS[:, None] - middle))),
        lifetime=lifetime[None, :],
        shape=[[0.3]],
        family="normal",
        age_zero=age_zero,  # type: ignore[arg-type]
        weights={"carbon": EMISSION},
    )
    return stock, stock.sums["carbon"] * FACTOR[:, None] / 1e3  # MtCO2


def test_odym_with_age_zero_at_the_start() -> None:
    stock, carbon = instance("start")
    found = np.stack([
        carbon.max(axis=0), YEARS[carbon.argmax(axis=0)], stock.inflow.sum(axis=0), stock.outflow.sum(axis=0), carbon[-1],
    ])  # fmt: skip
    assert found[:, 0].tolist() == pytest.approx([38.561443, 2021, 2914.413236, 1493.558962, 24.460838], abs=1e-6)
    assert found.mean(axis=1).tolist() == pytest.approx(
        [29.812252, 2025.91, 1948.548877, 764.060931, 21.038637], abs=1e-6
    )
    assert np.percentile(found[1], (5, 50, 95)).tolist() == [2020, 2025, 2033]


def test_flodym_with_age_zero_at_mid_year() -> None:
    stock, _ = instance("mid_year")
    assert [stock.inflow[:, 0].sum(), stock.outflow[:, 0].sum()] == pytest.approx([2944.355215, 1523.500942], abs=1e-6)

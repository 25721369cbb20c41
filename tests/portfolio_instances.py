"""Random portfolio problems, a pure function of a seed; for tests and for the benchmark."""

import numpy as np

from dafeng.pathways.portfolio_problem import ConditionKind, LinearCondition, PortfolioProblem

Floats = np.ndarray


def random_problem(
    seed: int,
    *,
    places: int = 2,
    measures: int = 4,
    years: int = 6,
    views: int = 1,
    targets: int = 1,
    first: int = 2026,
) -> PortfolioProblem:
    """Places that grow and level off; half of the measures last (their level is what stands), half are yearly amounts.

    Costs a tonne run from -300 to 2,500 CNY; effects grow or fade over the years; a yearly amount acts for the rest of its life.
    """
    rng = np.random.default_rng(seed)
    size = rng.lognormal(np.log(2e7), 0.6, places)
    when = np.arange(years)
    growth = (
        1
        + 0.35 * (1 - np.exp(-(0.02 + 0.06 * rng.random((places, 1))) * when))
        - 0.004 * when * rng.random((places, 1))
    )
    base = size[:, None] * growth * (1 + 0.01 * rng.standard_normal((places, years)))
    durable = np.arange(measures) % 2 == 0
    share = rng.uniform(0.01, 0.08, (places, measures)) * 8 / max(8, measures)
    high = rng.uniform(1e4, 1e7, measures) * (size / size.mean())[:, None]
    acts = np.where(durable[:, None, None], np.eye(years), np.triu(np.ones((years, years))))
    fade = np.exp(-rng.uniform(0, 0.05, (measures, 1, 1)) * np.maximum(when[None, None, :] - when[None, :, None], 0))
    drift = 1 + rng.uniform(-0.01, 0.01, (places, measures, 1)) * when
    unit = share * size[:, None] / high
    effect = -(unit[:, :, None, None] * drift[:, :, None, :] * (acts * fade)[None])
    effect = effect * np.where(durable, 1.0, 1 / max(3.0, years / 3))[None, :, None, None]
    per_tonne = rng.uniform(-300, 2500, measures) * rng.uniform(0.8, 1.2, (places, measures))
    avoided = -effect.sum(axis=3)
    cost = per_tonne[:, :, None] * avoided * 0.95**when
    invest = np.abs(per_tonne)[:, :, None] * avoided * rng.uniform(1, 3, (places, measures, 1))
    spend = invest[..., None] * np.eye(years)
    conditions = tuple(_target(rng, at, places, high, years, first) for at in range(targets))
    return PortfolioProblem(
        places=tuple(f"place-{at}" for at in range(places)),
        measures=tuple(f"measure-{at}" for at in range(measures)),
        years=np.arange(first, first + years),
        views=tuple(f"view-{at}" for at in range(views)),
        base=np.stack([base * (1 - 0.2 * at) for at in range(views)]),
        effect=np.stack([effect * (1 - 0.2 * at) for at in range(views)]),
        reference=np.zeros((places, measures, years)),
        low=np.zeros((places, measures, years)),
        high=np.repeat(high[:, :, None], years, axis=2),
        ramp=high * rng.uniform(0.15, 0.5, (places, measures)),
        before=np.where(durable, 0.04 * high, 0.0),
        durable=durable,
        cost=cost,
        spend=spend,
        conditions=conditions,
    )


def _target(rng: np.random.Generator, at: int, places: int, high: Floats, years: int, first: int) -> LinearCondition:
    measure = int(rng.integers(high.shape[1]))
    year = int(rng.integers(years // 2, years))
    return LinearCondition(
        name=f"target.plan#{at}",
        kind=ConditionKind.TARGET,
        says=f"{first + year}年措施{measure}合计不低于规模的一成",
        unit="m2",
        places=np.arange(places),
        measures=np.full(places, measure),
        years=np.full(places, year),
        coefficients=np.ones(places),
        lower=0.1 * float(high[:, measure].sum()),
        because=(f"plan#{at}",),
    )

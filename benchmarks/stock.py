"""Time the turnover of the building stock on instance S beside peers in the same run; prints a table.

`python benchmarks/stock.py [DRAWS]`. Peers: the turnover of one draw at a time in plain NumPy, always; ODYM where the environment
variable ODYM_SOURCE names a checkout; flodym where it is installed. Each step runs in a process of its own.
"""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

YEARS = np.arange(1950, 2061)
EMISSION = 40 * 0.996 ** (YEARS - 1950.0)
FACTOR = np.where(YEARS > 2020, 0.988 ** (YEARS - 2020.0), 1.0)
PEER_DRAWS = 200
CLASSES = 8
CHUNK = 512


def instance(draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return demand `(years, draws)` and mean lifetimes of instance S."""
    unit = np.random.Generator(np.random.PCG64(4242)).random((draws, 4))
    most, growth, middle = 800 + 800 * unit[:, 0], 0.06 + 0.06 * unit[:, 1], 2000 + 15 * unit[:, 2]
    return most / (1 + np.exp(-growth * (YEARS[:, None] - middle))), 30 + 40 * unit[:, 3]


def carbon(cohorts: np.ndarray) -> float:
    """Return the greatest yearly emission of one draw, from area by year and cohort."""
    return float(((cohorts * EMISSION).sum(axis=1) * FACTOR / 1e3).max())


def step_plain(draws: int) -> dict[str, float]:
    from scipy.stats import norm

    area, lifetime = instance(draws)
    ages, tops = YEARS - 1950, []
    for draw in range(draws):
        curve = norm.sf(ages, loc=lifetime[draw], scale=0.3 * lifetime[draw])
        cohorts = np.zeros((len(YEARS), len(YEARS)))
        for year in range(len(YEARS)):
            completed = (area[year, draw] - cohorts[year].sum()) / curve[0]
            cohorts[year:, year] = completed * curve[: len(YEARS) - year]
        tops.append(carbon(cohorts))
    return {"draws": draws, "mean_peak_mt": float(np.mean(tops))}


def step_odym(draws: int) -> dict[str, float]:
    path = os.path.join(os.environ["ODYM_SOURCE"], "src", "odym", "dynamic_stock_model.py")
    spec = importlib.util.spec_from_file_location("dynamic_stock_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    area, lifetime = instance(draws)
    tops = []
    for draw in range(draws):
        mean = np.full(len(YEARS), lifetime[draw])
        model = module.DynamicStockModel(
            t=YEARS, s=area[:, draw], lt={"Type": "Normal", "Mean": mean, "StdDev": 0.3 * mean}
        )
        tops.append(carbon(model.compute_stock_driven_model()[0]))
    return {"draws": draws, "mean_peak_mt": float(np.mean(tops))}


def step_flodym(draws: int) -> dict[str, float]:
    import flodym

    area, lifetime = instance(draws)
    dims = flodym.DimensionSet(
        dim_list=[flodym.Dimension(name="Time", letter="t", items=[int(year) for year in YEARS], dtype=int)]
    )
    tops = []
    for draw in range(draws):
        curve = flodym.NormalLifetime(
            dims=dims, time_letter="t", mean=float(lifetime[draw]), std=float(0.3 * lifetime[draw])
        )
        model = flodym.StockDrivenDSM(dims=dims, name="stock", time_letter="t", lifetime_model=curve)
        model.stock.values[...] = area[:, draw]
        model.compute()
        tops.append(carbon(model.get_stock_by_cohort()))
    return {"draws": draws, "mean_peak_mt": float(np.mean(tops))}


def step_ours(draws: int) -> dict[str, float]:
    from dafeng.pathways import turn_over

    area, lifetime = instance(draws)
    began = time.perf_counter()
    stock = turn_over(
        area, lifetime=lifetime[None], shape=0.3, family="normal", age_zero="start", weights={"carbon": EMISSION}
    )
    tops = (stock.sums["carbon"] * (FACTOR[:, None] / 1e3)).max(axis=0)
    seconds = time.perf_counter() - began
    return {"draws": draws, "mean_peak_mt": float(tops[:PEER_DRAWS].mean()), "seconds_alone": seconds}


def step_classes(draws: int) -> dict[str, float]:
    """Eight classes as the model runs them: lifetimes by completion year, protection, retrofit, sums of two states."""
    from dafeng.pathways import Retrofit, turn_over

    area, lifetime = instance(draws)
    lifetime = lifetime * np.linspace(1, 1.5, len(YEARS))[:, None]
    rate = np.where(YEARS > 2006, 0.01, 0.0)[:, None]
    retrofit = Retrofit(rate * np.linspace(0.5, 1.5, draws), rate * area / 10)
    protection = np.where(YEARS > 2020, 0.2, 0.0)[:, None] * np.linspace(0.5, 1.5, draws)
    weights = {"heat": np.linspace(1, 0.3, len(YEARS)), "cool": np.linspace(1, 0.6, len(YEARS))}

    size = np.linspace(0.5, 1.5, CLASSES)[:, None, None]

    def one(chunk: int) -> None:
        part = np.s_[:, chunk * CHUNK : (chunk + 1) * CHUNK]
        turn_over(
            area[part] * size,
            lifetime=lifetime[part],
            shape=2.0,
            family="weibull",
            age_zero="mid_year",
            protection=protection[part],
            retrofit=Retrofit(retrofit.rate[part], retrofit.area[part] * size),
            weights=weights,
            weigh_from=2000,
        )

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, range(-(-draws // CHUNK))))
    return {"draws": draws, "classes": CLASSES, "seconds_alone": time.perf_counter() - began}


STEPS = {
    "plain": (step_plain, "NumPy, a draw at a time"),
    "odym": (step_odym, "ODYM DynamicStockModel"),
    "flodym": (step_flodym, "flodym StockDrivenDSM (age half a year)"),
    "ours": (step_ours, "dafeng: turnover and carbon by cohort"),
    "more": (step_ours, "dafeng: ten times the draws"),
    "classes": (step_classes, "dafeng: 8 classes × 111 cohorts × 2 states, two threads"),
}


def child(step: str, draws: int) -> None:
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    details = STEPS[step][0](draws)
    seconds = details.pop("seconds_alone", time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "details": details}))


def main(draws: int) -> None:
    steps = [name for name in STEPS if name not in ("odym", "flodym")]
    steps[1:1] = ["odym"] if os.environ.get("ODYM_SOURCE") else []
    steps[1:1] = ["flodym"] if importlib.util.find_spec("flodym") else []
    print(f"Instance S: {len(YEARS)} years, stock-driven, normal lifetime, carbon by cohort.\n")
    print("| step | seconds | ms a draw | × plain | peak MB | details |")
    print("|---|---:|---:|---:|---:|---|")
    plain = 0.0
    for step in steps:
        number = draws if step in ("ours", "classes") else draws * 10 if step == "more" else PEER_DRAWS
        command = [sys.executable, __file__, "--child", step, str(number)]
        result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        each = 1e3 * result["seconds"] / number
        plain = plain or each
        details = ", ".join(
            f"{name} {value:,.6f}" if isinstance(value, float) else f"{name} {value:,}"
            for name, value in result["details"].items()
        )
        print(
            f"| {STEPS[step][1]} | {result['seconds']:.2f} | {each:.4f} | {each / plain:.4f} "
            f"| {result['peak_mb']:.0f} | {details} |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

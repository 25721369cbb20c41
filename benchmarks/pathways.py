"""Time pathways: draws of a place and of all places, exact Shapley values of twelve measures, sensitivity; prints a table.

`python benchmarks/pathways.py` takes 10,000 draws and ten times as many; a number takes so many, and places and sensitivity with a
tenth of it. Two things to measure by: one call of the model per draw, as stock libraries work, and one pass of memory, which reads
and writes once what a draw's arrays hold. Each step runs in a process of its own, so that its peak memory is its own; imports and
catalog are left out. CPU seconds of all threads stand beside the clock: on a busy machine they tell more.
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np

PLACE, SCENARIO, VIEW, SEED = "cn", "plan-full", "whole_field", 7
SHAPLEY = (
    "code_compliance", "ultra_low_buildings", "near_zero_buildings", "residential_retrofit_rate", "public_retrofit_rate",
    "efficient_appliances", "urban_heat_pump", "electric_cooking", "heat_network_renewal", "waste_heat", "roof_pv_urban",
    "green_materials",
)  # fmt: skip


def prepared(place: str = PLACE):
    from dafeng.catalog import load_catalog
    from dafeng.pathways.quantities import read_inputs
    from dafeng.pathways.scenarios import resolve_scenario

    catalog = load_catalog()
    return catalog, read_inputs(catalog, place), resolve_scenario(catalog, SCENARIO, place=place)


class Clock:
    """Seconds and CPU seconds since it was made."""

    def __init__(self) -> None:
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self.began, "cpu": time.process_time() - self.cpu}


def twelve(catalog):
    from dafeng.catalog.pathway_schemas import Scenario
    from dafeng.pathways.scenarios import resolve_scenario

    measures = [
        {"measure": name, "levels": [{"year": 2025, "level": 0.01}, {"year": 2035, "level": 0.04}]} for name in SHAPLEY
    ]
    overlay = {"id": "twelve", "title": {"zh": "十二项措施", "en": "twelve measures"}, "measures": measures}
    return resolve_scenario(catalog, Scenario.model_validate(overlay), place=PLACE)


def step_bare(draws: int) -> dict[str, float]:
    """Call the model draw by draw."""
    from dafeng.pathways.model import run
    from dafeng.pathways.sampling import quantiles
    from dafeng.pathways.scenarios import scenario_inputs

    _, book, resolved = prepared()
    count = max(10, draws // 200)
    drawn = quantiles(book.groups, count, seed=SEED)
    clock = Clock()
    for at in range(count):
        run(scenario_inputs(book, resolved, {name: column[at : at + 1] for name, column in drawn.items()})).view(VIEW)
    return clock.read() | {"draws": count}


def step_pass(draws: int) -> dict[str, float]:
    """Read and write every number once that a draw has in inputs and outcome from 2000 on, in pieces that leave the cache."""
    from dafeng.pathways.model import run
    from dafeng.pathways.sampling import quantiles
    from dafeng.pathways.scenarios import scenario_inputs

    _, book, resolved = prepared()
    count = 256
    inputs = scenario_inputs(book, resolved, quantiles(book.groups, count, seed=SEED))
    outcome = run(inputs)
    held = [inputs.late(name) for name in inputs.arrays]
    held += [*outcome.emissions.values(), *(one for one in vars(outcome).values() if isinstance(one, np.ndarray))]
    numbers = sum(one.size for one in held if one.ndim > 1 and one.shape[-1] == count and 0 not in one.strides) // count
    block, rounds = np.ones((numbers, count)), max(1, draws // count)
    clock = Clock()
    for _ in range(rounds):
        np.multiply(block, 1.0, out=block)
    return clock.read() | {"draws": rounds * count, "numbers_a_draw": numbers}


def step_draws(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.summaries import uncertainty_summary

    _, book, resolved = prepared()
    clock = Clock()
    found = ensemble(book, resolved, draws=draws, seed=SEED)
    ran, after = clock.read(), Clock()
    uncertainty_summary(found, parameters=book.parameters)
    return {
        **ran,
        "draws": draws,
        "groups": len(book.groups),
        "measures": len(resolved.measures),
        "summary_s": after.read()["seconds"],
    }


def step_many(draws: int) -> dict[str, float]:
    return step_draws(10 * draws)


def step_places(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.quantities import read_inputs
    from dafeng.pathways.scenarios import resolve_scenario

    catalog, _, _ = prepared()
    places = sorted({one.place for one in catalog.path_parameters.values()})
    clock = Clock()
    for place in places:
        book = read_inputs(catalog, place)
        ensemble(book, resolve_scenario(catalog, SCENARIO, place=place), draws=draws // 10, seed=SEED)
    return clock.read() | {"draws": len(places) * (draws // 10), "places": len(places)}


def step_shapley(draws: int) -> dict[str, float]:
    from dafeng.pathways.wedges import measure_wedges

    catalog, book, _ = prepared()
    resolved = twelve(catalog)
    clock = Clock()
    found = measure_wedges(book, resolved, VIEW)
    return {
        **clock.read(),
        "draws": found.evaluations,
        "measures": len(found.measures),
    }


def step_sensitivity(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.influence import pathway_sensitivity, spread_factors

    _, book, resolved = prepared()
    found = ensemble(book, resolved, draws=512, seed=SEED)
    base = 1 << max(5, (draws // 20).bit_length() - 1)
    clock = Clock()
    indices = pathway_sensitivity(book, resolved, VIEW, factors=spread_factors(found, VIEW), base=base)
    return {
        **clock.read(),
        "draws": indices.evaluations,
        "factors": len(indices.factors),
    }


STEPS = {
    "bare: the model called once a draw": step_bare,
    "one pass of memory over a draw's arrays": step_pass,
    "draws of a place, plan in full": step_draws,
    "ten times as many": step_many,
    "all places, a tenth of the draws each": step_places,
    "Shapley values of twelve measures, all subsets": step_shapley,
    "sensitivity: twelve factors, peak year and two levels": step_sensitivity,
}


def child(step: str, draws: str) -> None:
    found = STEPS[step](int(draws))
    print(json.dumps(found | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main(draws: int) -> None:
    print(f"{PLACE}, {SCENARIO}, 61 years; two threads; {draws:,} draws.\n")
    print("| step | seconds | CPU seconds | ms a draw | bare / it | it / pass | peak MB | details |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    each: list[float] = []
    for step in STEPS:
        command = [sys.executable, __file__, "--child", step, str(draws)]
        result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        seconds, cpu, peak = (result.pop(name) for name in ("seconds", "cpu", "peak_mb"))
        each.append(1e3 * seconds / result["draws"])
        faster = f"{each[0] / each[-1]:,.1f}" if each[1:] else "1"
        passes = f"{each[-1] / each[1]:,.0f}" if each[1:] else ""
        details = ", ".join(
            f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value:,}"
            for name, value in result.items()
        )
        print(
            f"| {step} | {seconds:.2f} | {cpu:.2f} | {each[-1]:.3f} | {faster} | {passes} | {peak:.0f} | {details} |",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

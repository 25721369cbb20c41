"""Time pathways: draws of a place and of all places, exact Shapley values of twelve measures, sensitivity; prints a table.

`python benchmarks/pathways.py` takes 10,000 draws and ten times as many; a number takes so many, and places and sensitivity with a
tenth of it. The bare peer is one call of the model per draw, as stock libraries work. Each step runs in a process of its own, so that
its peak memory is its own; imports and catalog are left out.
"""

import json
import resource
import subprocess
import sys
import time

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
    began = time.perf_counter()
    for at in range(count):
        run(scenario_inputs(book, resolved, {name: column[at : at + 1] for name, column in drawn.items()})).view(VIEW)
    took = time.perf_counter() - began
    return {"seconds_alone": took, "draws": count}


def step_draws(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.summaries import uncertainty_summary

    _, book, resolved = prepared()
    began = time.perf_counter()
    found = ensemble(book, resolved, draws=draws, seed=SEED)
    ran = time.perf_counter()
    uncertainty_summary(found, parameters=book.parameters)
    return {
        "seconds_alone": ran - began,
        "draws": draws,
        "groups": len(book.groups),
        "measures": len(resolved.measures),
        "summary_s": time.perf_counter() - ran,
    }


def step_many(draws: int) -> dict[str, float]:
    return step_draws(10 * draws)


def step_places(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.quantities import read_inputs
    from dafeng.pathways.scenarios import resolve_scenario

    catalog, _, _ = prepared()
    places = sorted({one.place for one in catalog.path_parameters.values()})
    began = time.perf_counter()
    for place in places:
        book = read_inputs(catalog, place)
        ensemble(book, resolve_scenario(catalog, SCENARIO, place=place), draws=draws // 10, seed=SEED)
    return {"seconds_alone": time.perf_counter() - began, "draws": len(places) * (draws // 10), "places": len(places)}


def step_shapley(draws: int) -> dict[str, float]:
    from dafeng.pathways.wedges import measure_wedges

    catalog, book, _ = prepared()
    resolved = twelve(catalog)
    began = time.perf_counter()
    found = measure_wedges(book, resolved, VIEW)
    return {
        "seconds_alone": time.perf_counter() - began,
        "draws": found.evaluations,
        "measures": len(found.measures),
    }


def step_sensitivity(draws: int) -> dict[str, float]:
    from dafeng.pathways.ensemble import ensemble
    from dafeng.pathways.influence import pathway_sensitivity, spread_factors

    _, book, resolved = prepared()
    found = ensemble(book, resolved, draws=512, seed=SEED)
    base = 1 << max(5, (draws // 20).bit_length() - 1)
    began = time.perf_counter()
    indices = pathway_sensitivity(book, resolved, VIEW, factors=spread_factors(found, VIEW), base=base)
    return {
        "seconds_alone": time.perf_counter() - began,
        "draws": indices.evaluations,
        "factors": len(indices.factors),
    }


STEPS = {
    "bare: the model called once a draw": step_bare,
    "draws of a place, plan in full": step_draws,
    "ten times as many": step_many,
    "all places, a tenth of the draws each": step_places,
    "Shapley values of twelve measures, all subsets": step_shapley,
    "sensitivity: twelve factors, peak year and two levels": step_sensitivity,
}


def child(step: str, draws: str) -> None:
    details = STEPS[step](int(draws))
    seconds = details.pop("seconds_alone")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "details": details}))


def main(draws: int) -> None:
    print(f"{PLACE}, {SCENARIO}, 61 years; two threads; {draws:,} draws.\n")
    print("| step | seconds | ms a draw | peak MB | details |")
    print("|---|---:|---:|---:|---|")
    for step in STEPS:
        command = [sys.executable, __file__, "--child", step, str(draws)]
        result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        details = ", ".join(
            f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value:,}"
            for name, value in result["details"].items()
        )
        each = 1e3 * result["seconds"] / result["details"]["draws"]
        print(f"| {step} | {result['seconds']:.2f} | {each:.2f} | {result['peak_mb']:.0f} | {details} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

"""Time the least-cost portfolio: 40 measures, 35 years, 16 places, against linopy on the same programme; prints a table.

`python benchmarks/portfolio.py` takes 16 places; a number takes so many. The instance is a pure function of its seed. Each step runs in
a process of its own, so that its peak memory is its own; imports and making the instance are left out of the clock, not of the memory.
The limits to measure by: ten seconds for one programme built and solved, and linopy with the same solver; for the front, a new programme
for every point. CPU seconds stand beside the clock: on a busy machine they tell more.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # instances and the second route are shared with the tests

MEASURES, YEARS, PEAK, SEED = 40, 35, 2030, 1
LEVELS = tuple(1.0 - 0.0375 * at for at in range(5))
PEAKS = (2028, 2030, 2033, 2036)


class Clock:
    """Seconds and CPU seconds since it was made."""

    def __init__(self) -> None:
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self.began, "cpu": time.process_time() - self.cpu}


def prepared(places: int):
    from dafeng.pathways.portfolio_programme import PortfolioRequest
    from portfolio_instances import random_problem

    problem = random_problem(SEED, places=places, measures=MEASURES, years=YEARS, targets=10)
    top = float(problem.base[0].sum(axis=0).max())
    return problem, PortfolioRequest("view-0", peak_by=PEAK, level=0.95 * top), top


def step_ours(places: int) -> dict[str, float]:
    from dafeng.pathways.portfolio_programme import build_programme

    problem, request, _ = prepared(places)
    clock = Clock()
    programme = build_programme(problem, request)
    built = clock.read()["seconds"]
    answer = programme.solve()
    rows, columns = programme.blocks.matrix.shape
    return {
        **clock.read(),
        "build_s": built,
        "cost_bn": answer.cost / 1e9,
        "worst_residual_e15": answer.residuals.worst * 1e15,
        "rows": rows,
        "columns": columns,
        "entries": int(programme.blocks.matrix.nnz),
    }


def step_linopy(places: int) -> dict[str, float]:
    from portfolio_linopy import linopy_model

    problem, request, _ = prepared(places)
    clock = Clock()
    model = linopy_model(problem, request)
    built = clock.read()["seconds"]
    model.solve(solver_name="highs", io_api="direct", output_flag=False, progress=False)
    return {**clock.read(), "build_s": built, "cost_bn": model.objective.value / 1e9}


def step_each(places: int) -> dict[str, float]:
    """Peak and level of every place by itself."""
    from dafeng.pathways.portfolio_programme import build_programme

    problem, request, _ = prepared(places)
    levels = {name: 0.97 * float(base.max()) for name, base in zip(problem.places, problem.base[0], strict=True)}
    clock = Clock()
    answer = build_programme(problem, replace(request, place="each", level=levels)).solve(explain=False)
    return {**clock.read(), "cost_bn": getattr(answer, "cost", float("nan")) / 1e9}


def step_front(places: int) -> dict[str, float]:
    from dafeng.pathways.portfolio_front import portfolio_front
    from dafeng.pathways.portfolio_programme import build_programme

    problem, request, top = prepared(places)
    clock = Clock()
    points = portfolio_front(build_programme(problem, request), [top * share for share in LEVELS], PEAKS)
    return {
        **clock.read(),
        "points": len(points),
        "infeasible": sum(one.solution is None for one in points),
        "sum_bn": sum(one.cost for one in points if one.solution is not None) / 1e9,
    }


def step_cold(places: int) -> dict[str, float]:
    from dafeng.pathways.portfolio_programme import build_programme
    from dafeng.pathways.portfolio_solution import PortfolioSolution

    problem, request, top = prepared(places)
    clock = Clock()
    asked = [replace(request, level=top * share, peak_by=peak) for peak in PEAKS for share in LEVELS]
    answers = [build_programme(problem, one).solve(explain=False) for one in asked]
    found = [one for one in answers if isinstance(one, PortfolioSolution)]
    return {
        **clock.read(),
        "points": len(answers),
        "infeasible": len(answers) - len(found),
        "sum_bn": sum(one.cost for one in found) / 1e9,
    }


def step_explain(places: int) -> dict[str, float]:
    """Ask for too much and be told what would do."""
    from dafeng.pathways.portfolio_programme import build_programme

    problem, request, top = prepared(places)
    clock = Clock()
    answer = build_programme(problem, replace(request, level=0.5 * top, level_from=2040)).solve()
    return {
        **clock.read(),
        "conditions": len(answer.conditions),
        "kinds_enough": sum(one.enough for one in answer.relaxations),
    }


def step_draws(places: int) -> dict[str, float]:
    """A hundred draws of base and of each measure's effect, mean of the worst tenth."""
    import numpy as np

    from dafeng.pathways.portfolio_draws import Draws, solve_over_draws

    problem, request, _ = prepared(places)
    rng = np.random.default_rng(SEED)
    base = problem.base[0] * (1 + 0.01 * rng.standard_normal((100, 1, 1)))
    draws = Draws(base, factor=rng.uniform(0.8, 1.1, (100, places, MEASURES)))
    clock = Clock()
    answer = solve_over_draws(problem, request, draws, risk=0.1, method="cvar")
    return {**clock.read(), "rows_of_draws": answer.rows, "rounds": answer.rounds, "share": answer.share}


STEPS = {
    "one programme, built and solved": step_ours,
    "linopy: the same, the same solver": step_linopy,
    "peak and level of each place": step_each,
    "front of 20 points, the kept programme": step_front,
    "the same, a new programme for each": step_cold,
    "infeasible: reasons and relaxations": step_explain,
    "100 draws, CVaR": step_draws,
}
BESIDE = {"linopy: the same, the same solver": 0, "the same, a new programme for each": 3}
"""Steps that are the yardstick of another one, by its number."""


def child(step: str, places: str) -> None:
    found = STEPS[step](int(places))
    print(json.dumps(found | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main(places: int) -> None:
    print(f"{places} places, {MEASURES} measures, {YEARS} years.\n")
    print("| step | seconds | CPU seconds | × ours | peak MB | details |")
    print("|---|---:|---:|---:|---:|---|")
    spent: list[float] = []
    for step in STEPS:
        command = [sys.executable, __file__, "--child", step, str(places)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result = json.loads(printed.splitlines()[-1])  # the solver prints a heading of its own
        seconds, cpu, peak = (result.pop(name) for name in ("seconds", "cpu", "peak_mb"))
        spent.append(seconds)
        ratio = f"{seconds / spent[BESIDE[step]]:.1f}" if step in BESIDE else ""
        details = ", ".join(
            f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value:,}"
            for name, value in result.items()
        )
        print(f"| {step} | {seconds:.2f} | {cpu:.2f} | {ratio} | {peak:.0f} | {details} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)

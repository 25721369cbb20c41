"""Time all obligations over many projects beside bare Polars conditions without the third answer; prints a table.

`python benchmarks/obligations.py` takes 200,000 projects; a number takes so many. Each step runs in a process of its own.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import date

import numpy as np
import polars as pl

AS_OF = date(2026, 11, 20)
PLACES = ("qingdao-shinan", "qingdao-laoshan", "changchun", "jinan", "qingdao")


def setting():
    """Return catalog, rules and the fields that they name."""
    from dafeng.buildings.obligations import binding_rules
    from dafeng.catalog import load_catalog
    from dafeng.catalog.expression import expression_names

    catalog = load_catalog()
    rules = binding_rules(catalog, as_of=AS_OF)
    names = {name for use in rules for text in (use.rule.when, use.rule.require) for name in expression_names(text)}
    return catalog, rules, sorted(names | {name for use in rules for name in use.dated})


def projects(count, gaps):
    """Return made-up projects with a share of every field not filled in."""
    catalog, rules, names = setting()
    rng = np.random.default_rng(20261120)
    columns = {
        "key": [f"P{number:07d}" for number in range(count)],
        "place": rng.choice(PLACES, count),
        "stage": rng.choice(["planning", "design_review", "acceptance"], count),
    }
    numbers = [0.2, 0.4, 1.0, 2.0, 3.0, 18.0, 90.0, 6000.0, 25000.0]
    for name in names:
        field = catalog.fields[name]
        match field.type:
            case "number":
                values = pl.Series(rng.choice(numbers, count))
            case "yes_no":
                values = pl.Series(rng.random(count) < 0.5)
            case "date":
                values = pl.Series(np.datetime64("2021-01-01") + rng.integers(0, 2000, count)).cast(pl.Date)
            case _:
                values = pl.Series(rng.choice([option.code for option in field.options], count))
        known = pl.Series(rng.random(count) >= gaps)
        columns[name] = pl.select(pl.when(known).then(values)).to_series()
    return pl.DataFrame(columns), catalog, rules


def step_engine(count, gaps):
    from dafeng.buildings.obligations import check_rules

    things, catalog, rules = projects(count, gaps)
    started = time.perf_counter()
    found = check_rules(things, rules, catalog, as_of=AS_OF)
    return {"seconds": time.perf_counter() - started, "rules": len(rules), "answers": found.height}


def step_bare(count, gaps):
    from dafeng.catalog.expression import evaluate

    things, catalog, rules = projects(count, gaps)
    fields = catalog.field_types()
    started = time.perf_counter()
    found = things.select(
        (evaluate(use.rule.when, fields) & ~evaluate(use.rule.require, fields)).sum().alias(str(number))
        for number, use in enumerate(rules)
    )
    return {"seconds": time.perf_counter() - started, "rules": found.width, "answers": int(found.sum_horizontal()[0])}


STEPS = {
    "bare Polars: failing conditions counted": (step_bare, 0.1),
    "dafeng: three answers, what is missing, stages; a tenth not filled in": (step_engine, 0.1),
    "dafeng: the same, half not filled in": (step_engine, 0.5),
}


def main(arguments):
    if arguments[:1] == ["--step"]:
        step, gaps = STEPS[arguments[1]]
        details = step(int(arguments[2]), gaps)
        print(json.dumps(details | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    count = arguments[0] if arguments else "200000"
    print(f"{int(count):,} projects, every rule of the catalog.\n")
    print("| step | seconds | rules | answers | peak MB |\n|---|---:|---:|---:|---:|")
    for name in STEPS:
        command = [sys.executable, __file__, "--step", name, count]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"| {name} | {found['seconds']:.2f} | {found['rules']} | {found['answers']:,} | {found['peak_mb']:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1:])

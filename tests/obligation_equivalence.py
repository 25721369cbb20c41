"""Whether two expressions over project fields say the same: both are run over the same frame of drawn projects."""

import random
import re
from collections.abc import Mapping, Sequence

import polars as pl

from dafeng.catalog.expression import FieldType, evaluate, expression_names

_CLASS_OF = {
    "housing": "residential",
    "farmhouse": "residential",
    "dormitory": "residential",
    "factory": "industrial",
    "warehouse": "industrial",
}


def limits_of(expressions: Sequence[str]) -> dict[str, set[float]]:
    """Return the limits that expressions compare each field with."""
    limits: dict[str, set[float]] = {}
    for text in expressions:
        for name, number in re.findall(r"([a-z_]+) (?:>=|<=|>|<) ([\d.]+)", text):
            limits.setdefault(name, set()).add(float(number))
    return limits


def draw_projects(
    expressions: Sequence[str], fields: Mapping[str, FieldType], *, size: int = 4000, seed: int = 7
) -> pl.DataFrame:
    """Draw projects that are possible (a school is a public building …), many of them right at a limit."""
    drawing = random.Random(seed)
    names = sorted(
        {name for text in expressions for name in expression_names(text)}
        | {"building_type", "building_class", "housing_kind", "housing_grade"}
    )
    limits = limits_of(expressions)
    rows = []
    for _ in range(size):
        row: dict[str, object] = {}
        for name in names:
            field = fields[name]
            if field.kind == "choice":
                row[name] = drawing.choice(field.options)
            elif field.kind == "yes_no":
                row[name] = drawing.random() < 0.5
            else:
                near = [limit + step for limit in sorted(limits.get(name, {1.0})) for step in (-1.0, 0.0, 1.0)]
                row[name] = drawing.choice([*near, *(4 * limit for limit in limits.get(name, {1.0}))])
        row["building_class"] = _CLASS_OF.get(
            str(row["building_type"]), row["building_class"] if row["building_type"] == "other" else "public"
        )
        if row["building_class"] != "residential":
            row["housing_kind"] = row["housing_grade"] = None
        rows.append(row)
    types = {
        name: pl.Float64
        if fields[name].kind == "number"
        else pl.Boolean
        if fields[name].kind == "yes_no"
        else pl.String
        for name in names
    }
    return pl.DataFrame(rows, schema=types)


def same_meaning(first: str, second: str, fields: Mapping[str, FieldType]) -> bool:
    """Return whether both expressions hold for exactly the same drawn projects."""
    projects = draw_projects([first, second], fields)
    holds = [
        projects.select(evaluate(text, fields).fill_null(False).alias("holds"))["holds"] for text in (first, second)
    ]
    return bool((holds[0] == holds[1]).all()) and bool(holds[0].any())

"""Ratings of projects: points, gates, total and grade of a standard, and what the next grade would take.

A grade is **reached** where all its gates and its own requirement surely hold, **failed** where one surely does not, else
**open**. An item whose inputs are unknown has no points; the total then lies between two bounds, which are computed with the
item at nothing and at its most, so that a total that is not known may still decide a grade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl
from lark import Tree

from dafeng.base.errors import InputError
from dafeng.base.ledger import FIELD_DTYPES
from dafeng.base.quantity import root_factor
from dafeng.base.record import Record
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import (
    FieldType,
    evaluate,
    evaluate_tree,
    expression_names,
    parse_expression,
    undecided,
)
from dafeng.catalog.rating_schemas import Rating, RatingGate, RatingGrade

__all__ = ["RATED_SCHEMA", "GateAnswer", "ItemScore", "NextGrade", "RatingResult", "rate", "rate_one", "rating_types"]

RATED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "key": pl.String(),
    "rating": pl.String(),
    "applies": pl.String(),
    "total": pl.Float64(),
    "total_low": pl.Float64(),
    "total_high": pl.Float64(),
    "grade": pl.String(),
    "grade_possible": pl.String(),
    "missing": pl.List(pl.String()),
}
"""Columns of rated things: whether the standard applies (yes, no, unknown); the total in `Rating.total_unit` with its bounds;
the highest grade that is surely reached and the highest that is not ruled out (null for none); the fields that keep the grades
between the two open."""


_APPLIES: Final = "rating.applies"
_DIGITS: Final = 9
"""Decimals to which points are kept, so that a limit that is met exactly is met in floating point too."""
_TOTALS: Final = ("total", "total_low", "total_high")


class ItemScore(Record):
    """Points of one item."""

    id: str
    """Item."""
    title: str
    """Chinese name."""
    group: str
    """Group."""
    points: float | None
    """Points; None where inputs are unknown."""
    full: float
    """Most that it can give."""
    missing: tuple[str, ...] = ()
    """Fields that are unknown."""


class GateAnswer(Record):
    """Whether a condition beside the score holds."""

    id: str
    """Gate."""
    title: str
    """Chinese name."""
    clause: str | None
    """Clause of the standard."""
    answer: str
    """pass, fail or unknown."""
    values: tuple[tuple[str, str], ...]
    """Chinese name and value with unit of each field that it looks at."""
    missing: tuple[str, ...] = ()
    """Fields that are unknown."""


class NextGrade(Record):
    """What the next grade would take."""

    grade: str
    """Code of the grade."""
    title: str
    """Chinese name."""
    gates: tuple[GateAnswer, ...]
    """Conditions that do not hold or are not known to."""
    short_of_total: float | None
    """By how much the total falls short, in the unit of the total; None where the grade asks for no total or it is unknown."""
    room: tuple[tuple[str, float], ...]
    """Items with points still to be had, the most first: Chinese name and points."""


class RatingResult(Record):
    """A project under one rating standard."""

    rating: str
    """Id of the rating."""
    title: str
    """Chinese title."""
    applies: str
    """yes, no or unknown."""
    grade: str | None
    """Highest grade surely reached."""
    grade_title: str | None
    """Its Chinese name."""
    grade_possible: str | None
    """Highest grade not ruled out."""
    total: float | None
    """Total in `total_unit`."""
    total_low: float | None
    """Lower bound of the total."""
    total_high: float | None
    """Upper bound of the total."""
    total_unit: str
    """Unit of the total."""
    items: tuple[ItemScore, ...]
    """Items in order."""
    gates: tuple[GateAnswer, ...]
    """All conditions in order."""
    next: NextGrade | None
    """What the next grade above the reached one would take; None at the highest."""
    missing: tuple[str, ...]
    """Fields that keep grades open."""
    pending: bool
    """Whether figures of the standard are still to be verified (待核)."""


def rating_types(rating: Rating, fields: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """Return the names that expressions of a rating may use, with their types.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rating_types(catalog.ratings["gbt51129"], catalog.field_types())["total"].unit
    'percent'
    """
    own = [*(item.id for item in rating.items), *(item.group for item in rating.items)]
    return {
        **fields,
        **{name: FieldType() for name in own},
        **{parameter.id: FieldType(unit=parameter.unit) for parameter in rating.parameters},
        "total": FieldType(unit=rating.total_unit),
    }


def rate(things: pl.DataFrame, rating: Rating, catalog: Catalog) -> pl.DataFrame:
    """Rate things by one standard.

    Parameters
    ----------
    things : DataFrame
        ``key`` and project fields, numbers in their canonical unit; a field without a column is unknown.
    rating : Rating
    catalog : Catalog
        Gives the types of the fields.

    Returns
    -------
    DataFrame of `RATED_SCHEMA`
        One row a thing, in order.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> houses = pl.DataFrame({"key": ["a"], "building_class": ["residential"], "green_material_structure_points": [30.0],
    ...                        "green_material_finish_points": [20.0], "green_material_services_points": [None],
    ...                        "green_material_outdoor_points": [0.0]}, strict=False)
    >>> rate(houses, catalog.ratings["green-materials"], catalog).select("total_low", "total_high", "grade").row(0)
    (50.0, 65.0, '4')
    """
    types = rating_types(rating, catalog.field_types())
    scored = _with_open_fields(_scored(things, rating, types), rating, types)
    applies = pl.col(_APPLIES)
    reached, possible = pl.lit(None, pl.String()), pl.lit(None, pl.String())
    asked: dict[str, pl.Expr] = {}
    for name, unknown in undecided(rating.applies or "true", types).items():
        asked[name] = unknown
    for grade in rating.grades:
        met = pl.all_horizontal(_name(requirement) for requirement in _requirements(rating, grade))
        reached = pl.when(met & applies).then(pl.lit(grade.code)).otherwise(reached)
        likely = met.fill_null(True) & applies.fill_null(True)
        possible = pl.when(likely).then(pl.lit(grade.code)).otherwise(possible)
        for requirement in _requirements(rating, grade):
            where = pl.col(_name(requirement)).is_null() & met.is_null() & applies.fill_null(True)
            for name, unknown in _asked(requirement.require, scored, rating, types).items():
                asked[name] = asked.get(name, pl.lit(False)) | (unknown & where)
    missing = [pl.when(unknown).then(pl.lit(name, pl.String())) for name, unknown in asked.items()]
    answer = pl.when(applies).then(pl.lit("yes")).when(~applies).then(pl.lit("no")).otherwise(pl.lit("unknown"))
    return scored.select(
        pl.col("key").cast(pl.String()),
        pl.lit(rating.id).alias("rating"),
        answer.alias("applies"),
        *(pl.when(applies.fill_null(True)).then(pl.col(name)).alias(name) for name in _TOTALS),
        reached.alias("grade"),
        possible.alias("grade_possible"),
        (pl.concat_list(missing).list.drop_nulls() if missing else pl.lit([], pl.List(pl.String()))).alias("missing"),
    ).cast(RATED_SCHEMA)  # type: ignore[arg-type]


def rate_one(thing: Mapping[str, object], rating: Rating, catalog: Catalog) -> RatingResult:
    """Rate one project and say what each item gave and what the next grade would take.

    Parameters
    ----------
    thing : mapping
        Field to value in the field's canonical unit.
    rating : Rating
    catalog : Catalog

    Raises
    ------
    InputError
        A value is not of its field's type.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> result = rate_one({"green_material_structure_points": 40, "green_material_finish_points": 20,
    ...                    "green_material_services_points": 5, "green_material_outdoor_points": 0},
    ...                   catalog.ratings["green-materials"], catalog)
    >>> result.grade, result.next.short_of_total, result.next.room[0]
    ('8', 5.0, ('装饰装修', 15.0))
    """
    things = _one_row(thing, catalog)
    row = rate(things, rating, catalog).row(0, named=True)
    types = rating_types(rating, catalog.field_types())
    scored = _scored(things, rating, types)
    points = scored.row(0, named=True)
    items = tuple(
        ItemScore(
            id=item.id,
            title=item.title.zh,
            group=item.group,
            points=points[item.id],
            full=item.full,
            missing=_missing_of(item.score, scored, types),
        )
        for item in rating.items
    )
    gates = {gate.id: _gate_answer(gate, rating, scored, types, catalog) for gate in rating.gates}
    codes = [grade.code for grade in rating.grades]
    above = codes.index(row["grade"]) + 1 if row["grade"] is not None else 0
    following = None
    if above < len(codes) and row["applies"] != "no":
        following = _next_grade(rating, rating.grades[above], gates, items, row, types)
    titles = {grade.code: grade.title.zh for grade in rating.grades}
    return RatingResult(
        rating=rating.id,
        title=rating.title.zh,
        applies=row["applies"],
        grade=row["grade"],
        grade_title=titles.get(row["grade"]),
        grade_possible=row["grade_possible"],
        total=row["total"],
        total_low=row["total_low"],
        total_high=row["total_high"],
        total_unit=rating.total_unit,
        items=items,
        gates=tuple(gates.values()),
        next=following,
        missing=tuple(row["missing"]),
        pending=rating.certainty.value != "A",
    )


def _scored(things: pl.DataFrame, rating: Rating, types: dict[str, FieldType]) -> pl.DataFrame:
    """Return things with parameters, items, groups, totals and the answer to every requirement as columns.

    An answer that items without points leave open is decided where it is the same with them at nothing and at their most.
    """
    groups = _groups(rating)
    own = {*groups, *(item.id for item in rating.items), *(each.id for each in rating.parameters), "total"}
    every: list[RatingGate | RatingGrade] = [*rating.gates, *rating.grades]
    texts = [*(item.score for item in rating.items), *(each.require for each in every), rating.total, rating.applies]
    named = {name for text in texts if text for name in expression_names(text)} | {
        each.by for each in rating.parameters
    }
    frame = things.select(
        pl.col("key"),
        *(
            (pl.col(name) if name in things.columns else pl.lit(None)).cast(FIELD_DTYPES[types[name].kind]).alias(name)
            for name in sorted(named - own)
        ),
    )
    frame = frame.with_columns(
        pl.col(each.by).replace_strict(each.values, default=None, return_dtype=pl.Float64()).alias(each.id)
        for each in rating.parameters
    )
    frame = frame.with_columns(
        evaluate(item.score, types).clip(0, item.full).round(_DIGITS).alias(item.id) for item in rating.items
    )
    exact, low, high = (
        _added_up(frame.with_columns(filling), rating, types)
        for filling in (
            [],
            [pl.col(item.id).fill_null(0.0) for item in rating.items],
            [pl.col(item.id).fill_null(item.full) for item in rating.items],
        )
    )
    requirements = [evaluate(each.require, types).alias(_name(each)) for each in every]
    known, least, most = (each.select(requirements) for each in (exact, low, high))
    names = known.columns
    answers = pl.concat(
        [known, least.select(pl.all().name.suffix(".low")), most.select(pl.all().name.suffix(".high"))],
        how="horizontal",
    ).select(
        pl.coalesce(name, pl.when(pl.col(f"{name}.low") == pl.col(f"{name}.high")).then(pl.col(f"{name}.low")))
        for name in names
    )
    return pl.concat([exact, answers], how="horizontal").with_columns(
        evaluate(rating.applies or "true", types).alias(_APPLIES),
        low["total"].alias("total_low"),
        high["total"].alias("total_high"),
    )


def _added_up(frame: pl.DataFrame, rating: Rating, types: dict[str, FieldType]) -> pl.DataFrame:
    frame = frame.with_columns(
        pl.sum_horizontal(members, ignore_nulls=False).round(_DIGITS).alias(group)
        for group, members in _groups(rating).items()
    )
    total = (
        pl.lit(None, pl.Float64()) if rating.total is None else evaluate(rating.total, types, unit=rating.total_unit)
    )
    return frame.with_columns(total.alias("total"))


def _groups(rating: Rating) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for item in rating.items:
        groups.setdefault(item.group, []).append(item.id)
    return groups


def _requirements(rating: Rating, grade: RatingGrade) -> list[RatingGate | RatingGrade]:
    return [grade, *(gate for gate in rating.gates if not gate.grades or grade.code in gate.grades)]


def _name(requirement: RatingGate | RatingGrade) -> str:
    """Return the column with the answer to a requirement; no name of an expression has a dot."""
    return f"gate.{requirement.id}" if isinstance(requirement, RatingGate) else f"grade.{requirement.code}"


def _open(name: str, field: str) -> str:
    """Return the column that says whether a field keeps an item, group or total open."""
    return f"{name}?{field}"


def _with_open_fields(scored: pl.DataFrame, rating: Rating, types: dict[str, FieldType]) -> pl.DataFrame:
    """Add a column for each field that keeps an item, a group or the total open."""
    for item in rating.items:
        asked = _asked(item.score, scored, rating, types)
        scored = scored.with_columns(open_.alias(_open(item.id, field)) for field, open_ in asked.items())
    for group, members in _groups(rating).items():
        fields: dict[str, list[str]] = {}
        for member in members:
            for column in scored.columns:
                if column.startswith(_open(member, "")):
                    fields.setdefault(column.removeprefix(_open(member, "")), []).append(column)
        scored = scored.with_columns(
            pl.any_horizontal(columns).alias(_open(group, field)) for field, columns in fields.items()
        )
    if rating.total is None:
        return scored
    asked = _asked(rating.total, scored, rating, types)
    return scored.with_columns(open_.alias(_open("total", field)) for field, open_ in asked.items())


def _asked(text: str, scored: pl.DataFrame, rating: Rating, types: dict[str, FieldType]) -> dict[str, pl.Expr]:
    """Return the project fields that keep an answer open; items, groups and the total stand for the fields behind them."""
    chosen = {each.id: each.by for each in rating.parameters}
    made = {*_groups(rating), *(item.id for item in rating.items), "total"}
    asked: dict[str, pl.Expr] = {}
    for name, unknown in undecided(text, types).items():
        behind = {chosen.get(name, name): unknown}
        if name in made:
            prefix = _open(name, "")
            columns = [column for column in scored.columns if column.startswith(prefix)]
            behind = {column.removeprefix(prefix): unknown & pl.col(column) for column in columns}
        for field, open_ in behind.items():
            asked[field] = asked[field] | open_ if field in asked else open_
    return asked


def _missing_of(text: str, scored: pl.DataFrame, types: dict[str, FieldType]) -> tuple[str, ...]:
    asked = undecided(text, types)
    if not asked:
        return ()
    row = scored.select(**asked).row(0, named=True)
    return tuple(name for name, unknown in row.items() if unknown)


def _gate_answer(
    gate: RatingGate, rating: Rating, scored: pl.DataFrame, types: dict[str, FieldType], catalog: Catalog
) -> GateAnswer:
    held = scored[_name(gate)][0]
    own: dict[str, tuple[str, str | None]] = {each.id: (each.title.zh, None) for each in rating.items}
    own |= {each.id: (each.title.zh, each.unit) for each in rating.parameters}
    titles = own | {each.id: (each.zh, each.unit) for each in catalog.fields.values()}
    return GateAnswer(
        id=gate.id,
        title=gate.title.zh,
        clause=gate.clause,
        answer="unknown" if held is None else "pass" if held else "fail",
        values=tuple(
            (titles.get(name, (name, None))[0], _shown(scored[name][0], titles.get(name, (name, None))[1]))
            for name in expression_names(gate.require)
        ),
        missing=_missing_of(gate.require, scored, types) if held is None else (),
    )


def _shown(value: object, unit: str | None) -> str:
    if value is None:
        return "未知"
    if isinstance(value, bool):
        return "是" if value else "否"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text + ("%" if unit == "percent" else f" {unit}" if unit else "")


def _next_grade(
    rating: Rating,
    grade: RatingGrade,
    gates: Mapping[str, GateAnswer],
    items: tuple[ItemScore, ...],
    row: Mapping[str, object],
    types: dict[str, FieldType],
) -> NextGrade:
    wanted = {gate.id for gate in _requirements(rating, grade) if isinstance(gate, RatingGate)}
    total = row["total"] if row["total"] is not None else row["total_low"]
    asked = _total_asked(grade.require, rating, types)
    short = max(0.0, round(asked - total, 6)) if isinstance(total, float) and asked is not None else None
    room = sorted(
        ((item.title, item.full - (item.points or 0.0)) for item in items if item.full > (item.points or 0.0)),
        key=lambda pair: -pair[1],
    )
    return NextGrade(
        grade=grade.code,
        title=grade.title.zh,
        gates=tuple(answer for name, answer in gates.items() if name in wanted and answer.answer != "pass"),
        short_of_total=short,
        room=tuple(room),
    )


def _total_asked(text: str, rating: Rating, types: dict[str, FieldType]) -> float | None:
    """Return the total that a requirement `total >= …` asks for, None where it is of another form."""
    tree = parse_expression(text)
    sides = [child for child in tree.children if isinstance(child, Tree)]
    if tree.data != "comparison" or expression_names(text) != ["total"] or sides[0].data != "name":
        return None
    asked = pl.select(evaluate_tree(sides[1], types) / root_factor(rating.total_unit)).item()
    return float(asked)


def _one_row(thing: Mapping[str, object], catalog: Catalog) -> pl.DataFrame:
    columns = {"key": pl.Series("key", [str(thing.get("key", ""))])}
    for name, value in thing.items():
        if name in catalog.fields:
            try:
                columns[name] = pl.Series(name, [value]).cast(FIELD_DTYPES[catalog.fields[name].type])
            except pl.exceptions.PolarsError as error:
                raise InputError(
                    f"{name} = {value!r} is no {catalog.fields[name].type}",
                    doing="rate a project",
                    expected=f"a value of type {catalog.fields[name].type}",
                    next_step=f"mend {catalog.fields[name].zh} ({name})",
                ) from error
    return pl.DataFrame(list(columns.values()))

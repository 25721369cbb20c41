"""Laws of the obligations engine: Kleene's logic over whole ledgers, limits that only loosen, order that does not matter."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.ledger import FIELD_DTYPES
from dafeng.buildings.obligations import DOCUMENT_DATE, RuleUse, binding_rules, check_rules
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.expression import FieldType, evaluate, expression_names, undecided

AS_OF = date(2026, 11, 20)
CATALOG: Catalog = load_catalog()
RULES: tuple[RuleUse, ...] = binding_rules(CATALOG, as_of=AS_OF)
DATES = sorted({name for use in RULES for name in use.dated})
NAMES = sorted({name for use in RULES for text in (use.rule.when, use.rule.require) for name in expression_names(text)})
LIMITS = {
    name: sorted(
        {
            float(figure)
            for use in RULES
            for text in (use.rule.when, use.rule.require)
            for figure in re.findall(rf"\b{name}\)? [<>=]+ ([\d.]+)", text)
        }
    )
    for name in NAMES
}
COLUMNS = ["key", "rulebook", "rule", "verdict"]


def _values(name: str, count: int, rng: np.random.Generator) -> pl.Series:
    """Return values at, just above and just below the limits of a field, or any of its options."""
    field = CATALOG.fields[name]
    match field.type:
        case "number":
            near = [0.1, 0.35, 2.0, *(figure + step for figure in LIMITS.get(name, []) for step in (-0.01, 0.0, 0.01))]
            values: list[Any] = rng.choice(near, count).tolist()
        case "yes_no":
            values = (rng.random(count) < 0.5).tolist()
        case "date":
            values = [date(2021, 12, 31) + timedelta(days=int(days)) for days in rng.integers(0, 1700, count)]
        case "choice":
            values = rng.choice([option.code for option in field.options], count).tolist()
        case _:
            values = rng.choice(["jilin", "qingdao", "qingdao-shinan", "jinan"], count).tolist()
    return pl.Series(name, values, FIELD_DTYPES[field.type])


def _things(seed: int, *, count: int = 40, gaps: float = 0.4) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = [pl.Series("key", [f"P{number}" for number in range(count)])]
    for name in ("place", *NAMES, *DATES):
        if name not in [column.name for column in columns]:
            known = pl.Series(rng.random(count) >= (gaps if name not in ("work", "building_class") else gaps / 4))
            values = _values(name, count, rng)
            columns.append(pl.select(pl.when(known).then(values).alias(name)).to_series())
    return pl.DataFrame(columns)


def _filled(things: pl.DataFrame, seed: int, *, keep: tuple[str, ...]) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    names = [name for name in things.columns if name not in ("key", *keep)]
    some = [_values(name, things.height, rng) for name in names]
    part = pl.Series(rng.random(things.height) < 0.7)
    return things.with_columns(
        pl.when(part).then(pl.col(column.name).fill_null(column)).otherwise(pl.col(column.name)).alias(column.name)
        for column in some
    )


def _checked(things: pl.DataFrame, rules: tuple[RuleUse, ...] = RULES) -> pl.DataFrame:
    return check_rules(things, rules, CATALOG, as_of=AS_OF, not_applicable=True)


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_filling_in_what_is_missing_never_contradicts_a_decided_verdict(seed: int, other: int) -> None:
    things = _things(seed)
    before, after = _checked(things), _checked(_filled(things, other, keep=tuple(DATES)))
    decided = before["verdict"] != "unknown"
    assert before.filter(decided).select(COLUMNS).equals(after.filter(decided).select(COLUMNS))


@settings(max_examples=4)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_with_one_deciding_date_filling_it_in_contradicts_nothing_either(seed: int, other: int) -> None:
    rules = tuple(replace(use, dated=("permit_date",)) for use in RULES)
    things = _things(seed)
    before, after = _checked(things, rules), _checked(_filled(things, other, keep=()), rules)
    decided = before["verdict"] != "unknown"
    assert before.filter(decided).select(COLUMNS).equals(after.filter(decided).select(COLUMNS))


@settings(max_examples=4)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_filling_in_exactly_what_is_named_as_missing_decides_the_verdict(seed: int, other: int) -> None:
    things = _things(seed, count=12)
    unknown = _checked(things).filter(pl.col("verdict") == "unknown")
    rng = np.random.default_rng(other)
    rows = unknown.select(pl.all().sample(min(25, unknown.height), seed=other % 2**31)).iter_rows(named=True)
    for row in rows:
        missing = row["missing"]
        assert missing
        if DOCUMENT_DATE in missing:
            continue
        thing = things.filter(key=row["key"])
        assert thing.select(missing).null_count().row(0) == (1,) * len(missing)
        filled = thing.with_columns(_values(name, 1, rng) for name in missing)
        use = next(use for use in RULES if (use.rulebook, use.rule.id) == (row["rulebook"], row["rule"]))
        again = _checked(filled, (use,)).row(0, named=True)
        assert again["verdict"] != "unknown" or again["missing"] == [DOCUMENT_DATE]


def test_a_thing_of_which_nothing_is_known_passes_nothing_and_fails_nothing() -> None:
    things = pl.DataFrame({"key": ["a"]})
    assert set(_checked(things)["verdict"]) == {"unknown"}


@settings(max_examples=3)
@given(st.integers(0, 2**32))
def test_unknown_inputs_never_give_pass(seed: int) -> None:
    things = _things(seed, gaps=0.1)
    for texts in ([use.rule.require for use in RULES], [use.rule.when for use in RULES]):
        names = {name for text in texts for name in expression_names(text)}
        blank = things.with_columns(pl.lit(None, things.schema[name]).alias(name) for name in names)
        assert "pass" not in set(_checked(blank)["verdict"])
    for use in RULES[seed % 7 :: 13]:
        for text in (use.rule.require, use.rule.when):
            blank = things.with_columns(
                pl.lit(None, things.schema[name]).alias(name) for name in expression_names(text)
            )
            assert "pass" not in set(_checked(blank, (use,))["verdict"])
    undated = things.with_columns(pl.lit(None, pl.Date).alias(name) for name in DATES)
    dated = tuple(use for use in RULES if use.earliest is not None)
    assert "pass" not in set(_checked(undated, dated)["verdict"])


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.floats(0, 3))
def test_loosening_a_limit_never_turns_a_pass_into_a_fail(seed: int, much: float) -> None:
    things = _things(seed, gaps=0.2)
    pattern = re.compile(r"^(\w+) (<=|>=) ([\d.]+)((?:\[.*\])?)$")
    limits = [(use, found) for use in RULES if (found := pattern.match(use.rule.require))]
    assert len(limits) > 110
    use, found = limits[seed % len(limits)]
    limit = float(found[3]) * (1 + much if found[2] == "<=" else 1 / (1 + much))
    looser = replace(use, rule=use.rule.model_copy(update={"require": f"{found[1]} {found[2]} {limit:.6f}{found[4]}"}))
    before, after = _checked(things, (use,)), _checked(things, (looser,))
    passed = before["verdict"] == "pass"
    assert (after.filter(passed)["verdict"] == "pass").all()
    assert ((before["verdict"] == "unknown") == (after["verdict"] == "unknown")).all()


@settings(max_examples=4)
@given(st.integers(0, 2**32), st.integers(1, 39))
def test_chunks_and_order_of_rows_do_not_matter(seed: int, cut: int) -> None:
    things = _things(seed)
    order = ["rulebook", "rule", "key"]
    rules = RULES[seed % 3 :: 3]
    whole = _checked(things, rules).with_columns(pl.col("rulebook", "rule").cast(pl.String)).sort(order)
    parts = pl.concat([_checked(things[:cut], rules), _checked(things[cut:], rules)])
    shuffled = _checked(things.sample(fraction=1, shuffle=True, seed=seed % 2**31), rules)
    for other in (parts, shuffled):
        assert other.with_columns(pl.col("rulebook", "rule").cast(pl.String)).sort(order).equals(whole)


TYPES = {
    "a": FieldType("yes_no"),
    "b": FieldType("yes_no"),
    "x": FieldType(unit="m"),
    "y": FieldType(unit="m"),
    "d": FieldType("date"),
}
ATOMS = ["a", "b", "x > 2[m]", "x + y <= 3[m]", "share(x, y) >= 50[%]", "max(x, y) > 1[m]", 'd >= "2025-01-01"', "year(d) < 2026[year]",
         "if(a, x, y) > 1[m]", "x == y"]  # fmt: skip


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} and {})".format, parts, parts),
        st.builds("({} or {})".format, parts, parts),
        st.builds("not {}".format, parts),
    )


@settings(max_examples=60)
@given(
    st.recursive(st.sampled_from(ATOMS), _joined, max_leaves=5),
    st.lists(
        st.fixed_dictionaries(
            {
                "a": st.none() | st.booleans(),
                "b": st.none() | st.booleans(),
                "x": st.none() | st.sampled_from([1.0, 2.0, 3.0]),
                "y": st.none() | st.sampled_from([1.0, 2.0, 3.0]),
                "d": st.none() | st.sampled_from([date(2024, 12, 31), date(2025, 1, 1)]),
            }
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_of_any_condition_exactly_the_named_facts_are_needed(text: str, rows: list[dict[str, Any]]) -> None:
    schema = {"a": pl.Boolean, "b": pl.Boolean, "x": pl.Float64, "y": pl.Float64, "d": pl.Date}
    frame = pl.DataFrame(rows, schema=schema)
    asked = undecided(text, TYPES)
    found = frame.select(
        evaluate(text, TYPES).alias("answer"), *(mask.alias(f"?{name}") for name, mask in asked.items())
    )
    whole = {"a": True, "b": False, "x": 2.0, "y": 1.0, "d": date(2025, 1, 1)}
    for row, answer in zip(rows, found.iter_rows(named=True), strict=True):
        named = [name for name in asked if answer[f"?{name}"]]
        assert all(row[name] is None for name in named)
        assert bool(named) == (answer["answer"] is None)
        filled = pl.DataFrame([row | {name: whole[name] for name in named}], schema=schema)
        assert filled.select(evaluate(text, TYPES)).item() is not None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_generated_things_reach_every_verdict(seed: int) -> None:
    assert set(_checked(_things(seed, count=200))["verdict"]) == {"pass", "fail", "unknown", "not_applicable"}

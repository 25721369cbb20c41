"""Laws of units, periods and comparisons."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.period import Period, read_period
from dafeng.base.quantity import UNIT_NAMES, conversion_factor, convert, dimension_of, fold_width
from dafeng.base.target import Comparator, Direction, satisfies
from dafeng.catalog.expression import FieldType, evaluate

UNITS = sorted(UNIT_NAMES)
SCALED = st.builds(lambda scale, unit: scale + unit, st.sampled_from(["", "万", "亿", "百万"]), st.sampled_from(UNITS))
numbers = st.floats(-1e9, 1e9, allow_nan=False)


@given(SCALED, SCALED, st.floats(1e-6, 1e9))
def test_a_unit_there_and_back_is_the_same_amount(first: str, second: str, value: float) -> None:
    if dimension_of(first) != dimension_of(second):
        return
    assert abs(convert(convert(value, first, second), second, first) - value) <= 1e-12 * value


@given(st.sampled_from(UNITS))
def test_a_unit_in_full_width_is_the_same_unit(unit: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in unit)
    assert fold_width(wide) == fold_width(unit)
    assert conversion_factor(wide, unit) == 1.0


periods = st.one_of(
    st.builds(lambda y: f"{y}", st.integers(1950, 2099)),
    st.builds(lambda y, h: f"{y}-H{h}", st.integers(1950, 2099), st.integers(1, 2)),
    st.builds(lambda y, q: f"{y}-Q{q}", st.integers(1950, 2099), st.integers(1, 4)),
    st.builds(lambda y, m: f"{y}-{m:02d}", st.integers(1950, 2099), st.integers(1, 12)),
    st.builds(lambda y, m: f"{y}-01..{m:02d}", st.integers(1950, 2099), st.integers(1, 12)),
    st.builds(lambda y: f"{y}-HS", st.integers(1950, 2099)),
    st.builds(lambda y, n: f"{y}..{y + n}", st.integers(1950, 2080), st.integers(0, 15)),
    st.dates(date(1950, 1, 1), date(2099, 12, 31)).map(lambda d: d.isoformat()),
)


@given(periods)
def test_a_period_reads_back_from_its_text_and_its_chinese_title(text: str) -> None:
    period = Period.parse(text)
    assert period.start < period.end
    assert read_period(period.text) == period
    assert read_period(period.title)[:3] == period[:3]


@given(
    numbers, numbers, st.floats(0, 1e6), st.sampled_from(Comparator), st.sampled_from([Direction.UP, Direction.DOWN])
)
def test_loosening_a_bound_never_turns_met_into_missed(
    value: float, bound: float, slack: float, comparator: Comparator, direction: Direction
) -> None:
    at_most = comparator in (Comparator.AT_MOST, Comparator.LESS_THAN) or (
        comparator in (Comparator.EQUAL, Comparator.ABOUT) and direction is Direction.DOWN
    )
    if satisfies(value, comparator, bound, direction=direction):
        assert satisfies(value, comparator, bound + (slack if at_most else -slack), direction=direction)


truths = st.sampled_from([True, False, None])
COLUMNS = {"a": FieldType("yes_no"), "b": FieldType("yes_no"), "x": FieldType(), "y": FieldType()}


@given(truths, truths)
def test_conditions_follow_three_valued_logic(a: bool | None, b: bool | None) -> None:
    frame = pl.DataFrame({"a": [a], "b": [b]}, schema={"a": pl.Boolean, "b": pl.Boolean})

    def answer(text: str) -> bool | None:
        return frame.select(evaluate(text, COLUMNS).alias("answer"))["answer"].item()

    known = [value for value in (a, b) if value is not None]
    both = False if False in known else (True if len(known) == 2 else None)
    either = True if True in known else (False if len(known) == 2 else None)
    assert answer("a and b") is both
    assert answer("a or b") is either
    assert answer("not (a and b)") is answer("not a or not b")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_arithmetic_agrees_with_python(x: float, y: float) -> None:
    frame = pl.DataFrame({"x": [x], "y": [y]})
    for text, expected in {"x + y * 2 - 1": x + y * 2 - 1, "-(x - y)": -(x - y), "max(x, y)": max(x, y)}.items():
        assert frame.select(evaluate(text, COLUMNS).alias("z"))["z"].item() == expected

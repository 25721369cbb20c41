"""Records of base keep their promises."""

import re
from datetime import UTC, date, datetime

import polars as pl
import pytest
from pydantic import ValidationError

from dafeng.base import errors
from dafeng.base.errors import AmbiguousNameError, DafengError, PeriodError, UnitError
from dafeng.base.finding import Finding
from dafeng.base.observation import SCHEMA, Observation, check_observations, observation_frame
from dafeng.base.period import Period, PeriodKind, read_period
from dafeng.base.place import Place, PlaceCode, PlaceTree
from dafeng.base.quantity import convert, read_unit, same_dimension
from dafeng.base.target import Comparator, Direction, Target, satisfies

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_every_error_has_its_own_code_and_stands_in_the_drawn_tree() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    codes = [each.code for each in classes]
    assert len(set(codes)) == len(codes)
    for each in classes:
        assert re.search(
            rf"{each.__name__} +(\(exit {int(each.exit_code)}\)|{each.code} +{int(each.exit_code)} )",
            errors.__doc__ or "",
        )


def test_an_error_says_what_was_done_what_is_wrong_what_was_expected_and_what_next() -> None:
    with pytest.raises(UnitError) as caught:
        convert(3, "个百分点", "%")
    error = caught.value
    assert isinstance(error, DafengError)
    assert error.doing
    assert "个百分点" in error.problem
    assert error.expected
    assert error.next_step


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1.5, "亿平方米", "万平方米", 15000),
        (6380, "万平方米", "m**2", 63_800_000),
        (2, "公顷", "平方米", 20000),
        (300, "吨/万平方米", "t/m**2", 0.03),
        (1.5, "万人/平方公里", "person/km**2", 15000),
        (1, "公里/万人", "km/person", 1e-4),
        (8, "公里／平方公里", "km/km**2", 8),
        (100, "万吨标准煤", "tce", 1_000_000),
        (1, "亿千瓦时", "kWh", 1e8),
        (1, "MWh", "GJ", 3.6),
        (0.1229, "kgce", "kWh", 1.0005),
        (12, "MtCO2", "tCO2", 12_000_000),
        (3.2, "亿元", "CNY", 3.2e8),
        (7.9, "％", "percent", 7.9),
        (5, "‰", "%", 0.5),
        (12, "千克二氧化碳/(平方米·年)", "kgCO2/(m2·a)", 12),
    ],
)
def test_units_as_documents_write_them(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("first", "second"),
    [("%", "个百分点"), ("%", "ratio"), ("吨", "tCO2"), ("个", "人"), ("平方米", "公里"), ("tce", "吨"), ("层", "个")],
)
def test_what_must_not_be_mixed_is_of_another_dimension(first: str, second: str) -> None:
    assert not same_dimension(first, second)


@pytest.mark.parametrize("text", ["", "万", "斗", "公里/", "m2m2", "__import__('os')", "a" * 500])
def test_an_unknown_unit_is_refused_or_plain(text: str) -> None:
    if text == "万":
        assert read_unit(text)
        return
    with pytest.raises(UnitError):
        read_unit(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024年", "2024"),
        ("2024 年度", "2024"),
        ("2024年末", "2024"),
        ("2024.0", "2024"),
        ("２０２４年", "2024"),
        ("2024年上半年", "2024-H1"),
        ("2024年三季度", "2024-Q3"),
        ("2024年前三季度", "2024-01..09"),
        ("2024年1—9月", "2024-01..09"),
        ("2024年1至9月份累计", "2024-01..09"),
        ("2024年9月", "2024-09"),
        ("2024/9/30", "2024-09-30"),
        ("2024-2025采暖季", "2024-HS"),
        ("2024–2025年供暖期", "2024-HS"),
        ("2021-2025", "2021..2025"),
        ("“十四五”期间", "2021..2025"),
    ],
)
def test_periods_as_documents_write_them(text: str, canonical: str) -> None:
    assert read_period(text).text == canonical


@pytest.mark.parametrize("text", ["", "去年", "2024-13", "2024-02-30", "2025..2021", "24年", "2024-01..13", "1899"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(PeriodError):
        read_period(text)


def test_a_part_year_is_never_a_year() -> None:
    for text in ("2024-H1", "2024-Q1", "2024-09", "2024-01..12"):
        assert Period.parse(text).is_part_year
    assert Period.parse("2024").kind is PeriodKind.YEAR


def test_an_observation_has_a_value_or_a_reason_never_both_or_neither() -> None:
    fact = {"indicator": "i", "place": "p", "period": "2024", "dataset": "d", "recorded_at": NOW}
    with pytest.raises(ValidationError, match="exactly one"):
        Observation(**fact)
    with pytest.raises(ValidationError, match="exactly one"):
        Observation(**fact, value=1, missing_reason="not_reported")
    with pytest.raises(ValidationError, match="time zone"):
        Observation(**{**fact, "recorded_at": datetime(2026, 1, 1)}, value=1)


def test_a_frame_of_observations_is_checked_as_a_whole() -> None:
    fact = {"indicator": "i", "place": "p", "period": "2024", "dataset": "d", "recorded_at": NOW}
    frame = observation_frame([Observation(**fact, value=1, low=0, high=2, coverage=0.5)])
    assert check_observations(frame) == []
    broken = {
        "null-key": pl.lit(None, pl.String).alias("place"),
        "value-or-reason": pl.lit("withdrawn").alias("missing_reason"),
        "not-finite": pl.lit(float("inf")).alias("value"),
        "bounds": pl.lit(5.0).alias("low"),
        "coverage": pl.lit(1.5).alias("coverage"),
        "recorded-at": pl.lit(None, SCHEMA["recorded_at"]).alias("recorded_at"),
    }
    for name, column in broken.items():
        found = {finding.name for finding in check_observations(frame.with_columns(column))}
        assert f"base.observation.{name}" in found
    assert check_observations(frame.drop("basis"))[0].name == "base.observation.schema"


def test_a_place_that_moved_has_its_parent_of_the_day() -> None:
    moved = date(2020, 6, 19)
    tree = PlaceTree(
        [
            Place(id="province", name="某省", name_en="Province", level="province"),
            Place(id="old", name="旧市", name_en="Old", level="prefecture", parent="province"),
            Place(id="new", name="新市", name_en="New", level="prefecture", parent="province"),
            Place(
                id="county",
                name="某县",
                name_en="County",
                level="county",
                parent="new",
                was=[{"parent": "old", "until": moved}],
                codes=(PlaceCode(code="990381", valid_to=moved), PlaceCode(code="990184", valid_from=moved)),
            ),
            Place(id="other", name="某县", name_en="Other", level="county", parent="old"),
        ]
    )
    assert tree.ancestor_ids("county", date(2019, 1, 1)) == ["old", "province"]
    assert tree.ancestor_ids("county", moved) == ["new", "province"]
    assert [place.id for place in tree.children("old", day=date(2019, 1, 1))] == ["county", "other"]
    assert tree.resolve("990381").id == tree.resolve("990184").id == "county"
    assert tree.resolve("某县", within="new", day=moved).id == "county"
    with pytest.raises(AmbiguousNameError):
        tree.resolve("某县")


@pytest.mark.parametrize(
    ("value", "comparator", "bound", "direction", "met"),
    [
        (40.08, ">=", 40, "up", True),
        (8.0, ">", 8, "up", False),
        (8.0, "<=", 8, "down", True),
        (110, "=", 110, "up", True),
        (120, "=", 110, "up", True),
        (100, "=", 110, "up", False),
        (59, "~", 60, "up", False),
        (61, "~", 60, "up", True),
        (7.5, "=", 8, "down", True),
        (0.1 + 0.2, "<=", 0.3, "down", True),
    ],
)
def test_a_comparator_is_read_with_the_direction(
    value: float, comparator: str, bound: float, direction: str, met: bool
) -> None:
    assert satisfies(value, Comparator(comparator), bound, direction=Direction(direction)) is met


def test_a_target_that_contradicts_itself_is_refused() -> None:
    sound = {"id": "x", "clause": "一", "at": [0, 5], "label": "量", "indicator": "i", "comparator": ">="}
    Target(**sound, value=1, unit="%", measure="level")
    for wrong in (
        {"value": None, "measure": "level"},
        {"value": 1, "measure": "milestone"},
        {"value": 5, "value_max": 1, "measure": "limit"},
        {"value": 5, "measure": "change"},
        {"value": float("nan"), "measure": "level"},
    ):
        with pytest.raises(ValidationError):
            Target(**sound, **wrong)


def test_a_finding_has_a_stable_qualified_name() -> None:
    with pytest.raises(ValidationError):
        Finding(name="Not A Name", sentence="x")

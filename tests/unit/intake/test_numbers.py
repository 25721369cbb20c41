"""What single value cells say."""

import pytest

from dafeng.intake.numbers import read_number


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("65", 65, ""),
        ("65.", 65, ""),
        (".5", 0.5, ""),
        ("+3", 3, ""),
        ("−3", -3, ""),
        ("－３．５", -3.5, ""),
        ("1,234,567.8", 1_234_567.8, ""),
        ("1 234.5", 1234.5, ""),
        ("６５％", 65, "%"),
        ("12万平方米", 12, "万平方米"),
        ("0.8万亿", 8e11, ""),
        ("1亿2千万", 1.2e8, ""),
        ("1.2e3", 1200, ""),
        ("8.28公里/平方公里", 8.28, "公里/平方公里"),
    ],
)
def test_numbers_are_read_with_their_unit(text: str, value: float, unit: str) -> None:
    reading = read_number(text)
    assert (reading.value, reading.unit, reading.problem, reading.missing) == (value, unit, "", None)


@pytest.mark.parametrize("text", ["3万5", "1,23,456", "12,3456", "五十", "5亿3", "abc", "3千5万", "1.5.2", "1½", "½"])
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    assert read_number(text).value is None
    assert read_number(text).problem == "not-a-number"


@pytest.mark.parametrize("text", ["40①", "40²", "40*", "40[1]", "40%［注2］"])
def test_footnote_marks_never_become_digits(text: str) -> None:
    reading = read_number(text)
    assert (reading.value, reading.remark) == (40, "footnote")


def test_a_square_metre_is_no_footnote() -> None:
    assert read_number("12m²").unit == "m2"
    assert read_number("12㎡").value == 12

"""Numbers, dates and amounts as official papers write them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.reports.wording import (
    amount_zh,
    date_zh,
    difference_zh,
    number_zh,
    shown_digits,
    signature_indents,
    text_width,
)


@pytest.mark.parametrize(
    ("value", "unit", "shown", "text"),
    [
        (850000.0, "m**2", "万平方米", "85.00万平方米"),
        (1.36e8, "m**2", "亿平方米", "1.36亿平方米"),
        (352.68, "km", "公里", "352.68公里"),
        (44.9, "percent", "%", "44.9%"),
        (14.0, "item", "个", "14个"),
        (2.675, "km", "公里", "2.68公里"),
    ],
)
def test_an_amount_is_written_with_the_digits_of_its_unit(value: float, unit: str, shown: str, text: str) -> None:
    assert amount_zh(value, unit, shown) == text


def test_a_difference_of_shares_is_never_a_percent() -> None:
    assert difference_zh(3.8, "percent", "%") == "3.8个百分点"


def test_a_date_has_no_zero_padding() -> None:
    assert date_zh(date(2026, 3, 5)) == "2026年3月5日"


def test_rounding_never_makes_a_value_look_like_the_bound_it_misses() -> None:
    assert number_zh(54.996, apart_from=55.0) == "54.996"
    assert number_zh(55.0, apart_from=55.0) == "55"


@given(st.floats(min_value=-1e9, max_value=1e9, allow_nan=False), st.integers(min_value=0, max_value=4))
def test_a_shown_number_is_within_half_a_last_digit(value: float, digits: int) -> None:
    text = number_zh(value, digits)
    assert abs(float(text) - value) <= 0.5 * 10**-digits * (1 + 1e-9)
    assert text != "-0"


def test_whole_counts_have_no_decimals_and_areas_always_two() -> None:
    assert shown_digits("个") == (0, False)
    assert shown_digits("万平方米") == (2, True)


@pytest.mark.parametrize("signer", ["某市住建局", "某市住房和城乡建设局", "某某省住房和城乡建设厅建筑节能与科技处"])
def test_the_dates_first_character_stands_two_right_of_the_signatures(signer: str) -> None:
    day, signer_right, day_right = signature_indents(signer, date(2025, 10, 28))
    start_of_signer = signer_right + text_width(signer)
    assert start_of_signer - (day_right + text_width(day)) == pytest.approx(2.0)
    assert min(signer_right, day_right) >= 2.0

"""Lineage ids of what entered results, as numbers."""

import json

import numpy as np
import polars as pl
import pytest

from dafeng.methods.entered import entered_by, number_ids, of_lists, united
from dafeng.methods.row_ids import row_ids

HEX = [f"{number:032x}" for number in (7, 3, 2**100, 7)]
LISTS = pl.List(pl.String)


def test_ids_sort_as_their_texts_and_each_is_there_once() -> None:
    ids, codes = number_ids(pl.Series([*HEX, None]))
    assert ids.texts.to_list() == sorted(set(HEX))
    assert codes.tolist() == [1, 0, 2, 1, -1]
    assert ids.lanes.T.tolist() == [[0, 3], [0, 7], [2**36, 0]]


def test_ids_that_share_their_first_half_are_told_apart() -> None:
    ids, codes = number_ids(pl.Series(["0" * 31 + "b", "0" * 31 + "a", "0" * 31 + "b"]))
    assert ids.texts.str.tail(1).to_list() == ["a", "b"]
    assert codes.tolist() == [1, 0, 1]


def test_an_id_has_the_same_numbers_whatever_stands_beside_it() -> None:
    alone, _ = number_ids(pl.Series(HEX[:1]))
    beside, _ = number_ids(pl.Series([HEX[0], "甲/表1!B2"]))
    assert beside.lanes[:, beside.texts.to_list().index(HEX[0])].tolist() == alone.lanes[:, 0].tolist()
    upper, _ = number_ids(pl.Series(["A" * 32]))
    lower, _ = number_ids(pl.Series(["a" * 32]))
    assert upper.lanes.tolist() != lower.lanes.tolist()


@pytest.mark.parametrize("lists", [[["b", "a"], [], ["c"]], [["a", "b"], ["b", "c"]], [[], []], []])
def test_lists_come_back_sorted_with_some_rows_taken(lists: list[list[str]]) -> None:
    entered = of_lists(pl.Series(lists, dtype=LISTS))
    assert entered.lists().to_list() == [sorted(one) for one in lists]
    order = np.arange(len(lists))[::-1]
    assert entered.take(order).lists().to_list() == [sorted(one) for one in reversed(lists)]
    some = np.array([len(one) > 1 for one in lists], dtype=bool)
    assert entered.take(some).lists().to_list() == [sorted(one) for one in lists if len(one) > 1]


def test_quoted_ids_are_what_json_writes() -> None:
    lists = [[], ['a"b', "x\\y", "行\n列"], [f"{number:02d}" for number in range(12)], ["k"]]
    quoted = of_lists(pl.Series(lists, dtype=LISTS)).quoted()
    assert [json.loads(f"[{text}]") for text in quoted] == [sorted(one) for one in lists]


def test_a_union_counts_every_id_once_and_ignores_order() -> None:
    ids, codes = number_ids(pl.Series(["a", "b", "a", "c"]))
    rows = np.array([0, 0, 0, 2])
    entered = united(ids, 3, [rows], [codes])
    assert entered.lists().to_list() == [["a", "b"], [], ["c"]]
    other = united(ids, 3, [rows[2:], rows[:2]], [codes[2:], codes[:2]])
    value = pl.Series([1.0, None, 2.0])
    assert row_ids([], entered, value).equals(row_ids([], other, value))
    assert entered_by(ids, codes).lists().to_list() == [["a"], ["b"], ["a"], ["c"]]

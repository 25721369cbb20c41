"""Ledger books in: what each cell says, where each row ends, and what is told of it."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import InputError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.base.quantity import fold_width
from dafeng.catalog import load_catalog
from dafeng.intake.ledger_cells import read_choices
from dafeng.intake.ledger_reading import read_ledger
from ledger_builders import GOOD, HEADS, NOW, names, read_small, small_catalog, with_cell


@pytest.mark.parametrize(
    ("head", "text", "field", "value"),
    [
        ("总建筑面积（平方米）", "1.2万㎡", "gross_area", 12000.0),
        ("总建筑面积（平方米）", "1.2万平方米", "gross_area", 12000.0),
        ("总建筑面积（平方米）", "1.2公顷", "gross_area", 12000.0),
        ("总建筑面积（平方米）", "１２０００", "gross_area", 12000.0),
        ("开工日期", "2024.5", "start_date", date(2024, 5, 1)),
        ("开工日期", "2024年5月", "start_date", date(2024, 5, 1)),
        ("开工日期", "2024年5月3日", "start_date", date(2024, 5, 3)),
        ("开工日期", "20240501", "start_date", date(2024, 5, 1)),
        ("开工日期", "2024/5/1 00:00:00", "start_date", date(2024, 5, 1)),
        ("开工日期", "45413", "start_date", date(2024, 5, 1)),
        ("绿色建筑星级", "二星", "green_star", 2.0),
        ("绿色建筑星级", "★★", "green_star", 2.0),
        ("绿色建筑星级", "二星级", "green_star", 2.0),
        ("绿色建筑星级", "基本级", "green_star", 0.0),
        ("绿色建筑星级", "2", "green_star", 2.0),
        ("是否装配式建筑", "√", "prefabricated", True),
        ("是否装配式建筑", "×", "prefabricated", False),
        ("是否装配式建筑", "无", "prefabricated", False),
        ("是否装配式建筑", "N", "prefabricated", False),
        ("是否装配式建筑", "—", "prefabricated", None),
        ("投资性质", "government", "investor", "government"),
        ("投资性质", "政府投资", "investor", "government"),
        ("所在地", "370202", "place", "qingdao-shinan"),
        ("所在地", "青岛市市南区", "place", "qingdao-shinan"),
        ("装配率", "35%", "assembly_rate", 35.0),
    ],
)
def test_a_cell_is_read_in_every_form_in_use(tmp_path: Path, head: str, text: str, field: str, value: Any) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, with_cell(head, text)])
    assert read.frame[field].to_list() == [value]
    assert read.counts["refused"] == 0


@pytest.mark.parametrize(
    ("head", "text", "name", "cell"),
    [
        ("总建筑面积（平方米）", "0", "ledger.number.zero-area", "D2"),
        ("总建筑面积（平方米）", "1.2", "ledger.number.scale-10000", "D2"),
        ("总建筑面积（平方米）", "一千二", "ledger.number.not-a-number", "D2"),
        ("总建筑面积（平方米）", "-5", "ledger.number.negative", "D2"),
        ("总建筑面积（平方米）", "1.2米", "ledger.number.unknown-unit", "D2"),
        ("总建筑面积（平方米）", "1000-2000", "ledger.number.range", "D2"),
        ("总建筑面积（平方米）", "#DIV/0!", "ledger.number.formula-error", "D2"),
        ("开工日期", "五月", "ledger.date.unknown", "E2"),
        ("开工日期", "2024", "ledger.date.year-only", "E2"),
        ("竣工日期", "2029-01-01", "ledger.date.future", "F2"),
        ("竣工日期", "2023-01-01", "ledger.small.start-before-completion", "F2"),
        ("绿色建筑星级", "九星", "ledger.number.not-a-number", "G2"),
        ("是否装配式建筑", "也许", "ledger.yes-no.unknown", "H2"),
        ("投资性质", "天使投资", "ledger.choice.unknown", "I2"),
        ("装配率", "135%", "ledger.number.share-above-100", "J2"),
        ("所在地", "南京路", "ledger.place.unknown", "C2"),
        ("项目代码", "2.10137E+23", "ledger.key.digits-lost", "A2"),
        ("项目代码", "—", "ledger.key.missing", "A2"),
        ("项目名称", "", "ledger.row.required", "B2"),
    ],
)
def test_a_fault_is_told_at_its_cell(tmp_path: Path, head: str, text: str, name: str, cell: str) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, with_cell(head, text)])
    found = next(finding for finding in read.findings if finding.name == name)
    assert found.where.cell == cell
    assert found.next_step
    assert read.fates["fate"].to_list() != ["accepted"]


def test_an_unreadable_cell_leaves_its_value_unknown_and_the_row_stands(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, with_cell("开工日期", "五月")])
    assert read.frame.select("start_date", "gross_area").row(0) == (None, 12000.0)
    assert read.fates["fate"].to_list() == ["accepted_with_finding"]
    assert [finding.severity for finding in read.findings] == [Severity.ERROR]


def test_the_head_states_the_unit_and_a_doubled_scale_is_refused(tmp_path: Path) -> None:
    heads = [head.replace("（平方米）", "（万平方米）") for head in HEADS]
    read = read_small(tmp_path / "a.csv", [heads, with_cell("总建筑面积（平方米）", "1.2")])
    assert read.frame["gross_area"].to_list() == [12000.0]
    again = read_small(tmp_path / "b.csv", [heads, with_cell("总建筑面积（平方米）", "1.2万")])
    assert "ledger.number.doubled-scale" in names(again)


def test_percentages_as_fractions_are_read_by_their_column(tmp_path: Path) -> None:
    rows = [with_cell("装配率", text, code=f"370200-{number:02d}") for number, text in enumerate(["0.35", "0.5", "1"])]
    assert read_small(tmp_path / "a.csv", [HEADS, *rows]).frame["assembly_rate"].to_list() == [35.0, 50.0, 100.0]
    rows = [with_cell("装配率", text, code=f"370200-{number:02d}") for number, text in enumerate(["35", "0.5", "60"])]
    mixed = read_small(tmp_path / "b.csv", [HEADS, *rows])
    assert mixed.frame["assembly_rate"].to_list() == [35.0, None, 60.0]
    assert "ledger.number.fraction-among-percent" in names(mixed)


def test_a_zone_is_no_district(tmp_path: Path) -> None:
    zone = next(place for place in small_catalog().places if place.kind == "zone" and len(place.overlaps) == 1)
    alone = read_small(tmp_path / "a.csv", [HEADS, with_cell("所在地", zone.name)])
    assert alone.frame.select("place", "zone").row(0) == (zone.overlaps[0], zone.id)
    assert "ledger.place.only-zone" in names(alone)
    lies_in = small_catalog().place_name(zone.overlaps[0])
    both = read_small(tmp_path / "b.csv", [HEADS, with_cell("所在地", f"{lies_in}、{zone.name}")])
    assert both.frame.select("place", "zone").row(0) == (zone.overlaps[0], zone.id)
    other = read_small(tmp_path / "c.csv", [HEADS, with_cell("所在地", f"市南区、{zone.name}")])
    assert "ledger.place.zone-elsewhere" in names(other)


def test_a_place_outside_of_the_workspace_s_own_is_told(tmp_path: Path) -> None:
    rows = [HEADS, with_cell("所在地", "上海市"), with_cell("所在地", "崂山区", code="370200-9")]
    read = read_small(tmp_path / "a.csv", rows)
    outside = [found for found in read.findings if found.name == "ledger.place.outside"]
    assert [found.value for found in outside] == ["上海市"]
    assert "青岛市" in outside[0].sentence


def test_ten_thousand_equal_rows_are_told_once(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, *[GOOD] * 10_001])
    assert read.frame.height == 1
    assert (read.counts["accepted"], read.counts["accepted_with_finding"], read.counts["repeated"]) == (
        1,
        10_000,
        10_000,
    )
    found = [finding for finding in read.findings if finding.name == "ledger.row.duplicate"]
    assert len(found) == 1
    assert found[0].evidence["cells"] == 10_000


def test_rows_that_disagree_are_refused_together(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, GOOD, with_cell("总建筑面积（平方米）", "13000")])
    assert read.frame.is_empty()
    assert read.counts["refused"] == 2
    assert "ledger.row.disagree" in names(read)


def test_codes_in_other_writing_are_one_key(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, with_cell("项目代码", "３７０２００－01 ")])
    assert read.frame["key"].to_list() == ["370200-01"]


def test_titles_totals_notes_blank_rows_and_repeated_heads_are_no_records(tmp_path: Path) -> None:
    blank = [""] * len(HEADS)
    title = ["某市台账", *blank[1:]]
    total = ["合计", *blank[1:3], "12000", *blank[4:]]
    note = ["注：本表由建设单位填报并盖章后报送主管部门", *blank[1:]]
    numbers = [str(number) for number in range(1, len(HEADS) + 1)]
    rows = [title, HEADS, numbers, GOOD, *[blank] * 1000, HEADS, total, note]
    read = read_small(tmp_path / "a.csv", rows)
    assert read.counts["rows"] == 1
    assert read.frame.height == 1
    assert sorted(read.fates.filter(pl.col("fate") == "set_aside")["findings"]) == ["header", "note", "total"]


def test_an_unknown_column_and_a_repeated_one_have_a_named_fate(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [[*HEADS, "神秘列", "建筑面积"], [*GOOD, "x", "9"]])
    assert read.columns.filter(pl.col("fate") != "read").select("head", "fate", "cells").rows() == [
        ("神秘列", "unknown", 1),
        ("建筑面积", "repeated", 1),
    ]
    assert {"ledger.column.unknown", "ledger.column.repeated"} <= names(read)


def test_a_missing_required_column_is_told_once_and_may_be_given(tmp_path: Path) -> None:
    heads, row = HEADS[:3] + HEADS[4:], GOOD[:3] + GOOD[4:]
    read = read_small(tmp_path / "a.csv", [heads, row, row])
    assert read.counts["refused"] == 2
    assert [finding.name for finding in read.findings if finding.severity is Severity.ERROR] == [
        "ledger.column.missing",
        "ledger.row.required",
    ]
    assert read_small(tmp_path / "a.csv", given={"gross_area": "5000"}).frame["gross_area"].to_list() == [5000.0]
    with pytest.raises(InputError, match="gros_area"):
        read_small(tmp_path / "a.csv", given={"gros_area": "5000"})


def test_a_row_shifted_by_a_cell_is_refused(tmp_path: Path) -> None:
    read = read_small(tmp_path / "a.csv", [HEADS, GOOD, ["370200-02", "乙", "", *GOOD[2:-1]]])
    assert "ledger.row.shifted" in names(read)
    assert read.fates["fate"].to_list() == ["accepted", "refused"]


def test_heads_of_two_rows_and_a_row_of_units_are_read(tmp_path: Path) -> None:
    rows = [
        ["项目代码", "项目名称", "规模", "", "日期", ""],
        ["", "", "建筑面积", "", "开工日期", "竣工日期"],
        ["", "", "万平方米", "", "", ""],
        ["370200-01", "幸福里", "1.2", "", "2024-05-01", "2025-05-01"],
    ]
    read = read_small(tmp_path / "a.csv", rows)
    assert read.frame.select("key", "gross_area", "start_date").row(0) == ("370200-01", 12000.0, date(2024, 5, 1))


def test_the_register_is_found_by_its_heads_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    read_small(path, [HEADS, GOOD])
    assert read_ledger(path, None, small_catalog(), recorded_at=NOW).register == "small"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no register"):
        read_ledger(path, None, small_catalog(), recorded_at=NOW)
    with pytest.raises(InputError, match="looks like the ledger"):
        read_ledger(path, "small", small_catalog(), recorded_at=NOW)
    with pytest.raises(UnknownNameError, match="smal"):
        read_ledger(path, "smal", small_catalog(), recorded_at=NOW)


def test_a_thing_without_a_code_is_known_by_name_and_place_where_the_trade_has_none(tmp_path: Path) -> None:
    heads = "小区编码,小区,所在地,城镇或乡村,建成年代"
    rows = [
        "N-1,幸福里,市南区,城镇,1998",
        ",和谐苑（一期）,市南区,城镇,1995",
        ",和谐苑一期,市北区,城镇,1995",
        ",,市北区,城镇,1990",
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([heads, *rows]) + "\n", encoding="utf-8")
    read = read_ledger(path, "neighbourhoods", load_catalog(), recorded_at=NOW, home="qingdao")
    assert read.frame["key"].to_list() == ["N-1", "和谐苑一期@qingdao-shinan", "和谐苑一期@qingdao-shibei"]
    assert read.counts["refused"] == 1
    assert {"ledger.key.missing"} == {finding.name for finding in read.findings if finding.severity == "error"}


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("building_class", "住宅", "residential"), ("building_class", "公建", "public"), ("building_type", "酒店", "hotel"),
        ("investor", "财政投资", "government"), ("work", "改扩建", "extension"), ("land_transfer", "招拍挂", "transfer"),
        ("structure", "框架剪力墙", "concrete"), ("structure", "某种结构", None), ("structure", "砖混", "masonry"), ("structure", "剪力墙", "concrete"),
        ("stage", "在建", "construction"), ("stage", "竣工", "acceptance"), ("stage", "竣工备案", "filing"), ("stage", "施工阶段", "construction"),
        ("renovation_progress", "已完工", "done"), ("institution_level", "市直", "city"),
    ],
)  # fmt: skip
def test_words_in_use_are_read_as_options(field: str, text: str, code: str | None) -> None:
    answer = read_choices(pl.Series([text]), load_catalog().fields[field])
    assert answer["value"].to_list() == [code]


def test_no_word_stands_for_two_options() -> None:
    for field in load_catalog().fields.values():
        words: dict[str, str] = {}
        for option in field.options:
            for word in (option.code, option.zh, *option.aliases):
                assert words.setdefault(fold_width(word).casefold(), option.code) == option.code, (field.id, word)

"""Layouts, adapters, lineage and limits of imports."""

import io
import json
import zipfile
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
import xlwt

from dafeng.base.errors import InputError, UnknownNameError
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import Limits, import_table, read_sheets
from intake_builders import RECORDED_AT, small_catalog, workbook

ADAPTER = """
adapters:
  - id: known
    title: {zh: 已知的表, en: known}
    dataset: known-data
    source: K
    published_months_after: 10
    match: {columns: [code, year, green]}
    place: {columns: [code, name]}
    period: year
    values:
      green: {indicator: green_space_rate, unit: percent}
      people: {indicator: resident_population, unit: 万人, zero_is_blank: true}
      area: {indicator: new_green_building_area, unit: 公顷}
    dimensions:
      building_class: {column: class, codes: {R: residential, T: all}}
    ignore: {remark: 备注}
    quarantine:
      - {where: {year: 2020}, columns: [green], reason: 错行, evidence: 与邻年不连, checked_on: 2026-11-20}
    checked_on: 2026-11-20
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return small_catalog(tmp_path_factory.mktemp("catalog"), ADAPTER)


def test_an_adapter_is_found_by_its_columns_and_states_the_rest(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text(
        "code,name,year,class,green,people,area,remark,extra\n"
        "370200,青岛,2019,T,40,0,1,x,y\n370200,青岛,2020,T,41,1000,2,x,y\n370200,青岛,2021,R,,,3,x,y\n370200,青岛,2021,Z,,,3,x,y\n",
        encoding="utf-8",
    )
    result = import_table(path, catalog, recorded_at=RECORDED_AT)
    assert result.adapters == {"": "known"}
    facts = {
        (row["indicator"], row["period"], row["building_class"]): row["value"] or row["missing_reason"]
        for row in result.observations.iter_rows(named=True)
    }
    assert facts[("resident_population", "2019", "all")] == "not_reported"
    assert facts[("resident_population", "2020", "all")] == 10_000_000
    assert ("green_space_rate", "2020", "all") not in facts
    assert facts[("new_green_building_area", "2021", "residential")] == 30_000
    assert {str(day) for day in result.observations.filter(pl.col("period") == "2019")["published_on"]} == {
        "2020-10-01"
    }
    names = {finding.name for finding in result.findings}
    assert names == {
        "intake.column.unnamed",
        "intake.quarantine",
        "intake.value.zero-as-blank",
        "intake.breakdown.unknown",
        "intake.breakdown.not-allowed",
    }


def test_an_adapter_asked_for_must_exist_and_fit(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("地区,年份,绿地率（%）\n青岛,2024,40\n", encoding="utf-8")
    with pytest.raises(UnknownNameError, match="known"):
        import_table(path, catalog, recorded_at=RECORDED_AT, adapter="knwon")
    with pytest.raises(InputError, match="lacks columns"):
        import_table(path, catalog, recorded_at=RECORDED_AT, adapter="known")


def test_lineage_names_file_sheet_cell_and_text(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("地区,年份,绿地率\n青岛,2024,约40％\n", encoding="utf-8")
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="d")
    row = result.lineage.row(0, named=True)
    assert (row["file"], row["cell"], row["text"], row["kind"]) == ("table.csv", "C2", "约40％", "cell")
    assert row["document"] == result.document
    assert row["id"] == result.observations["lineage"][0]
    assert json.loads(row["detail"]) == {"header": "绿地率", "unit": "%"}


def test_options_override_and_are_written_to_every_row(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("指标,数值,单位,来源\n绿地率,40,%,甲\n", encoding="utf-8")
    result = import_table(
        path,
        catalog,
        recorded_at=RECORDED_AT,
        dataset="乙",
        place="青岛",
        period="2024年",
        kind="demonstration",
        extent="市区",
    )
    row = result.observations.row(0, named=True)
    assert (row["dataset"], row["place"], row["period"], row["kind"], row["extent"]) == (
        "乙",
        "qingdao",
        "2024",
        "demonstration",
        "city_district",
    )


def test_findings_of_one_kind_are_listed_up_to_the_limit_and_then_counted(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "地区,年份,绿地率（%）\n" + "".join(f"青岛,{year},x{year}\n" for year in range(1990, 2020)), encoding="utf-8"
    )
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="d", limits=Limits(listed=5))
    assert len(result.findings) == 6
    assert result.findings[-1].evidence["more"] == 25
    assert result.fates.filter(pl.col("fate") == "refused").height == 30


def test_old_xls_workbooks_are_read_with_a_word_on_formats(catalog: Catalog, tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("表1")
    for row, texts in enumerate([["地区", "年份", "绿地率（%）"], ["青岛", 2023, 40.5], ["济南", 2023, "—"]]):
        for column, text in enumerate(texts):
            sheet.write(row, column, text)
    sheet.write_merge(3, 4, 0, 0, "长春")
    for row, (year, value) in enumerate([(2023, 38), (2024, 39)], start=3):
        sheet.write(row, 1, year)
        sheet.write(row, 2, value)
    path = tmp_path / "old.xls"
    book.save(str(path))
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="d")
    found = {(row[0], row[1]): row[2] for row in result.observations.select("place", "period", "value").iter_rows()}
    assert found[("qingdao", "2023")] == 40.5
    assert found[("jinan", "2023")] is None
    assert found[("changchun", "2023")] == 38
    assert "intake.file.old-format" in {finding.name for finding in result.findings}


def test_only_the_sheet_asked_for_is_read(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("地区,年份,绿地率（%）\n青岛,2024,40\n", encoding="utf-8")
    with pytest.raises(InputError, match="no sheet"):
        import_table(path, catalog, recorded_at=RECORDED_AT, sheet="表9")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sheets(tmp_path / "nowhere.csv")


def test_rows_of_different_length_are_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text('标题\n地区,年份\n\n"a ""b"", c",1,2,3\n', encoding="utf-8")
    assert read_sheets(path)[0].frame.rows() == [
        ("标题", None, None, None),
        ("地区", "年份", None, None),
        (None, None, None, None),
        ('a "b", c', "1", "2", "3"),
    ]


GREEN_ROWS = [["地区", "年份", "绿地率（%）"], ["青岛", 2023, 40], ["济南", 2023, 41]]


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"<v>0</v>", b"<v>zz</v>"),
        ("xl/worksheets/sheet1.xml", b'<row r="2"', b'<row r="1"'),
        ("xl/worksheets/sheet1.xml", b'encoding="UTF-8"', b'encoding="nowhere"'),
        ("xl/styles.xml", b'numFmtId="0"', b'numFmtId="x"'),
    ],
)
def test_a_workbook_with_broken_bookkeeping_is_called_damaged(
    part: str, old: bytes, new: bytes, catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "broken.xlsx"
    with (
        zipfile.ZipFile(io.BytesIO(workbook([{"rows": GREEN_ROWS}]))) as source,
        zipfile.ZipFile(path, "w") as archive,
    ):
        for name in source.namelist():
            data = source.read(name)
            assert name != part or old in data
            archive.writestr(name, data.replace(old, new) if name == part else data)
    with pytest.raises(InputError) as caught:
        import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert caught.value.evidence["name"] == "intake.file.damaged"


def test_a_stray_cell_in_the_last_corner_is_named_and_counted_in_cells(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, GREEN_ROWS[0])
        sheet.write(1048575, 16383, "x")
    with pytest.raises(InputError, match=r"XFD1048576 has [\d,]+ cells") as caught:
        import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert "bytes" not in caught.value.expected


def test_hidden_rows_and_columns_are_read_with_a_finding(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "hidden.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(GREEN_ROWS):
            sheet.write_row(number, 0, row)
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column(2, 2, None, None, {"hidden": True})
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert result.observations["value"].to_list() == [40, 41]
    (finding,) = result.findings
    assert finding.name == "intake.sheet.hidden-lines"
    assert "1 行、列 1 组" in finding.sentence


def test_a_hidden_sheet_of_an_old_workbook_is_read_with_a_finding(catalog: Catalog, tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("藏")
    sheet.visibility = 1
    book.add_sheet("空")
    for number, row in enumerate(GREEN_ROWS):
        for column, value in enumerate(row):
            sheet.write(number, column, value)
    path = tmp_path / "old.xls"
    book.save(str(path))
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert result.observations["value"].to_list() == [40, 41]
    assert [finding.where.sheet for finding in result.findings if finding.name == "intake.sheet.hidden"] == ["藏"]


def test_midnights_of_a_parquet_file_are_days(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "days.parquet"
    days = pl.Series("时间", [datetime(2023, 12, 31), datetime(2024, 12, 31)])
    pl.DataFrame({"地区": ["青岛", "青岛"], "时间": days, "绿地率（%）": [40.0, 41.0]}).write_parquet(path)
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert result.observations["period"].to_list() == ["2023-12-31", "2024-12-31"]


def test_a_place_that_was_abolished_by_then_is_pointed_at(tmp_path: Path) -> None:
    former = (
        "places: [{id: laiwu, name: 莱芜市, name_en: Laiwu, level: prefecture, parent: shandong, valid_to: 2019-01-09}]"
    )
    path = tmp_path / "laiwu.csv"
    path.write_text("地区,年份,常住人口（万人）\n莱芜市,2018,130\n莱芜市,2023,130\n", encoding="utf-8")
    result = import_table(path, small_catalog(tmp_path, former), recorded_at=RECORDED_AT, dataset="test")
    (finding,) = result.findings
    assert (finding.name, finding.where.cell) == ("intake.place.not-then", "A3")
    assert "2019-01-09 撤销" in finding.sentence


def test_many_merged_labels_and_areas_wider_than_the_sheet_are_read_in_one_pass(
    catalog: Catalog, tmp_path: Path
) -> None:
    rows: list[list[object]] = [["地区", "年份", "绿地率（%）"]]
    merged = []
    for number in range(400):
        rows += [["青岛", 2023, 40], [None, 2024, 41]]
        merged.append(f"A{2 * number + 2}:A{2 * number + 3}")
    path = tmp_path / "merged.xlsx"
    path.write_bytes(workbook([{"rows": rows, "merge": merged}]))
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    page = "xl/worksheets/sheet1.xml"
    parts[page] = parts[page].replace(b"</mergeCells>", b'<mergeCell ref="C900:XFD1048576"/></mergeCells>')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert result.observations["value"].to_list() == [40, 41]
    assert result.counts["refused"] == 0


def test_a_text_file_without_line_breaks_is_refused_at_once(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "endless.csv"
    path.write_bytes(b"a" * 5_000_000)
    with pytest.raises(InputError) as caught:
        import_table(path, catalog, recorded_at=RECORDED_AT, dataset="test")
    assert caught.value.evidence["name"] == "intake.file.long-field"


def test_a_bare_county_name_is_decided_by_whose_table_it_is_and_else_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "counties.csv"
    path.write_text("地区,年份,常住人口（万人）\n朝阳区,2023,30\n", encoding="utf-8")
    catalog = load_catalog()

    def found(home: str | None) -> tuple[list[str], list[str]]:
        result = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="d", home=home)
        named = [finding.name for finding in result.findings if finding.name == "intake.place.bare-county"]
        return result.observations["place"].to_list(), named

    assert found("changchun") == (["changchun-chaoyang"], [])
    assert found("jilin") == (["changchun-chaoyang"], [])
    assert found(None) == (["changchun-chaoyang"], ["intake.place.bare-county"])
    assert found("qingdao") == (["changchun-chaoyang"], ["intake.place.bare-county"])

"""The disclosure table: who is named, who stays in a sum, and that nobody can be found by subtraction."""

import os
from datetime import date

import polars as pl
import pytest

from dafeng.catalog import Catalog, load_catalog
from dafeng.metering.grouping import group_buildings
from dafeng.metering.quota import USE_SCHEMA, judge_quota
from dafeng.reports import find_fonts, render_docx, render_html, render_xlsx
from dafeng.reports.energy_disclosure import DISCLOSURE_SCHEMA, disclosure_report, disclosure_rows, grouping_report

COAL = {"01000": 0.1229, "04000": 34.12}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def town(*rows: tuple[str, str, float, str | None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    buildings = pl.DataFrame([
        {"building": name, "building_name": f"{name}楼", "place": "qingdao-shinan", "building_class": "public", "building_type": kind,
         "ventilation_class": "B", "climate_zone": "cold_a", "gross_area": 1000.0, "heating_kind": "radiator", "employees": 100.0,
         "operating_hours": 2500.0, "publication": leave}
        for name, kind, _, leave in rows
    ])  # fmt: skip
    use = []
    for name, _, amount, _ in rows:
        parts = {"01A00": 0.4, "01B00": 0.3, "01C00": 0.2, "01D00": 0.1}
        use += [(name, "01000", "2024", amount, 0.0, 0.0, 1.0), (name, "01000", "2023", amount * 0.8, 0.0, 0.0, 1.0)]
        use += [(name, item, "2024", amount * share, 0.0, 0.0, 1.0) for item, share in parts.items()]
        use += [(name, "02000", "2024", 500.0, 0.0, 0.0, 1.0), (name, "04000", "2024", 100.0, 0.0, 0.0, 1.0)]
    return buildings, pl.DataFrame(use, schema=USE_SCHEMA, orient="row")


def rows_of(catalog: Catalog, *rows: tuple[str, str, float, str | None], least: int = 3) -> pl.DataFrame:
    buildings, use = town(*rows)
    verdicts = judge_quota(buildings, use, catalog, year=2024).verdicts
    return disclosure_rows(buildings, use, verdicts, catalog, year=2024, least=least, equivalents=COAL)


def test_a_named_building_has_all_columns(catalog: Catalog) -> None:
    frame = rows_of(catalog, ("a", "office", 65000.0, "obliged"), ("h", "hotel", 90000.0, "consented"))
    assert frame.schema == pl.Schema(DISCLOSURE_SCHEMA)
    row = frame.filter(pl.col("building") == "a").row(0, named=True)
    expected = {"electricity": 65000, "electricity_area": 65, "electricity_person": 650, "water": 500, "water_area": 0.5, "water_person": 5,
                "lighting": 26000, "cooling": 19500, "power": 13000, "special": 6500, "constraint": 80, "guide": 60, "verdict": "constraint",
                "change": pytest.approx(25), "coverage": 1, "coal_area": pytest.approx((65000 * 0.1229 + 100 * 34.12) / 1000)}  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    hotel = frame.filter(pl.col("building") == "h").row(0, named=True)
    assert (hotel["electricity_person"], hotel["water_person"]) == (None, None)


def test_without_leave_nobody_is_named_but_everybody_counted(catalog: Catalog) -> None:
    frame = rows_of(
        catalog, ("a", "office", 1.0, "obliged"), ("b", "office", 10.0, None), ("c", "office", 20.0, "refused"), ("d", "office", 30.0, "refused"),
        ("e", "hotel", 40.0, "refused"), ("f", "hotel", 50.0, "refused"), ("g", "school", 60.0, "refused"),
    )  # fmt: skip
    assert frame["kind"].to_list() == ["named", "masked", "masked"]
    assert frame.select("building_type", "buildings", "electricity").rows() == [
        ("office", 1, 1.0),
        ("office", 3, 60.0),
        (None, 3, 150.0),
    ]
    assert frame["buildings"].sum() == 7
    assert frame.filter(pl.col("kind") == "masked").select(
        pl.col("building", "name", "verdict", "change").null_count()
    ).row(0) == (2, 2, 2, 2)


def test_the_few_that_are_left_over_take_the_smallest_type_with_them(catalog: Catalog) -> None:
    frame = rows_of(
        catalog,
        *[(f"o{number}", "office", 1.0, None) for number in range(4)],
        *[(f"h{number}", "hotel", 2.0, None) for number in range(3)],
        ("s", "school", 100.0, None),
    )
    assert frame.select("building_type", "buildings", "electricity").rows() == [("office", 4, 4.0), (None, 4, 106.0)]


def test_too_few_are_only_counted(catalog: Catalog) -> None:
    frame = rows_of(catalog, ("a", "office", 1.0, "obliged"), ("b", "office", 10.0, None), ("c", "hotel", 20.0, None))
    assert frame.select("kind", "buildings", "electricity").rows() == [("named", 1, 1.0), ("suppressed", 2, None)]


def test_an_item_that_only_one_masked_building_has_is_not_printed(catalog: Catalog) -> None:
    buildings, use = town(*[(f"o{number}", "office", 10.0, None) for number in range(3)])
    use = use.filter(~((pl.col("item") == "01B00") & (pl.col("building") != "o0")))
    verdicts = judge_quota(buildings, use, catalog, year=2024).verdicts
    row = disclosure_rows(buildings, use, verdicts, catalog, year=2024).row(0, named=True)
    assert (row["cooling"], row["lighting"]) == (None, pytest.approx(12.0))


def test_a_mask_for_one_is_no_mask(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="no mask"):
        rows_of(catalog, ("a", "office", 1.0, None), least=1)


def test_a_year_that_is_not_whole_has_no_change(catalog: Catalog) -> None:
    buildings, use = town(("a", "office", 65000.0, "obliged"))
    use = use.with_columns(coverage=pl.when(pl.col("period") == "2023").then(0.5).otherwise(1.0))
    verdicts = judge_quota(buildings, use, catalog, year=2024).verdicts
    assert disclosure_rows(buildings, use, verdicts, catalog, year=2024)["change"].item() is None


def test_the_table_is_grouped_by_type_ranked_and_rendered(catalog: Catalog) -> None:
    frame = rows_of(
        catalog, ("a", "office", 50000.0, "obliged"), ("b", "office", 70000.0, "obliged"), ("h", "hotel", 1.0, "obliged"),
        *[(f"m{number}", "school", 5.0, None) for number in range(3)],
    )  # fmt: skip
    report = disclosure_report(
        frame, catalog, place="qingdao", year=2024, as_of=date(2025, 4, 8), coal_basis="当量口径"
    )
    totals, items = report.tables()
    assert [row.group or row.cells[2].text for row in totals.rows] == [
        "商业办公",
        "b楼",
        "a楼",
        "宾馆饭店",
        "h楼",
        "未列名的建筑",
        "学校3栋",
    ]
    hotel = next(row for row in totals.rows if row.cells and row.cells[2].text == "h楼")
    assert [cell.text for cell in hotel.cells[6:7]] == ["--"]
    assert totals.rows[1].cells[11].text == "80／60"
    assert totals.rows[1].cells[5].text == "70.00"
    assert items.rows[1].cells[3].text == "28000.00"
    assert dict(report.basis)["标煤"] == "当量口径"
    fonts = find_fonts(os.environ)
    assert "m0楼" not in render_html(report, fonts)
    assert render_docx(report, fonts) == render_docx(report, fonts)
    assert render_xlsx(report)
    with pytest.raises(ValueError, match="coal_basis"):
        disclosure_report(frame, catalog, place="qingdao", year=2024, as_of=date(2025, 4, 8))


def test_the_ten_groupings_stand_under_one_another(catalog: Catalog) -> None:
    buildings, use = town(("a", "office", 65000.0, None), ("h", "hotel", 90000.0, None))
    groups = group_buildings(buildings, use, catalog, year=2024, equivalents=COAL)
    report = grouping_report(groups, catalog, place="qingdao", year=2024, as_of=date(2025, 4, 8), coal_basis="当量口径")
    (table,) = report.tables()
    assert [row.group for row in table.rows if row.group] == [
        "国家机关和大型公建", "建筑类型", "空调形式", "采暖形式", "结构形式", "外墙材料", "外墙保温", "外窗类型", "玻璃类型", "窗框材料",
    ]  # fmt: skip
    assert sum(row.cells[0].text == "未知" for row in table.rows if row.cells) == 7
    assert len(table.columns) == 12


@pytest.mark.parametrize("lacking", ["area", "lighting"])
def test_one_building_that_lacks_a_column_is_not_found_by_comparing_columns(catalog: Catalog, lacking: str) -> None:
    buildings, use = town(*((name, "office", 1000.0 * number, "refused") for number, name in enumerate("abcd", 1)))
    if lacking == "area":
        buildings = buildings.with_columns(gross_area=pl.when(pl.col("building") != "d").then("gross_area"))
    else:
        use = use.filter((pl.col("building") != "d") | (pl.col("item") != "01A00"))
    verdicts = judge_quota(buildings, use, catalog, year=2024).verdicts
    row = disclosure_rows(buildings, use, verdicts, catalog, year=2024, equivalents=COAL).row(0, named=True)
    assert (row["buildings"], row["electricity"]) == (4, 10000.0)
    if lacking == "area":
        # 10000 less electricity_area × area would be what d used.
        assert (row["area"], row["electricity_area"], row["water_area"], row["coal_area"]) == (3000.0, None, None, None)
    else:
        assert (row["lighting"], row["cooling"]) == (None, 3000.0)

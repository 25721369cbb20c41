"""`dafeng meter` from ledgers to the files for the upper centre, as a user runs it."""

from pathlib import Path

import openpyxl
import polars as pl
import pytest

from command_line import answer, run
from metering_city import BUILDING_HEADS, building_rows, meter_row, steady, write_ledgers, write_readings, write_table


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with two buildings, a year of readings by the day, and the roll-up."""
    folder = tmp_path_factory.mktemp("meter")
    assert run("init", str(folder / "w"), "--place", "qingdao", "--quiet") == 0
    meters, buildings = write_ledgers(
        folder,
        [meter_row("m"), meter_row("l", item="01A00", 上级表计="m"), meter_row("n", "370202A002")],
        building_rows("370202A001", "370202A002", "370202A003"),
    )
    readings = write_readings(
        folder / "r.csv",
        {
            "m": steady("2024-01-01 00:00", 366 * 24, step=180, rate=120),
            "l": steady("2024-01-01 00:00", 366 * 24, step=180, rate=30),
            "n": steady("2024-03-01 00:00", 31 * 24, step=60, rate=10),
        },
    )
    words = ("--meters", str(meters), "--buildings", str(buildings), "-w", str(folder / "w"), "--quiet")
    assert run("meter", "import", str(readings), *words) == 0
    assert run("meter", "rollup", "-w", str(folder / "w"), "--quiet") == 0
    return folder


def test_import_says_the_fate_of_every_value_and_counts_a_file_once(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answer(capsys, "meter", "import", str(city / "r.csv"), "-w", str(city / "w"))
    assert said["schema"] == "dafeng.meter.import/1"
    (file,) = said["files"]
    assert (file["form"], file["already"], file["appended"], file["meters"]) == ("readings", True, 0, 3)
    assert file["counts"]["accepted"] == 2 * (366 * 8 + 1) + 31 * 24 + 1


def test_rollup_again_is_nothing_and_totals_show_who_reports(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, "meter", "rollup", "--period", "2024-03", "-w", str(city / "w"))
    assert (said["full"], said["spans"], said["published"], said["restated"]) == (False, 0, 0, 0)
    row = next(row for row in said["places"] if row["place"] == "qingdao" and row["carrier"] == "electricity")
    assert (row["amount"], row["buildings"], row["reporting"]) == (pytest.approx(31 * 24 * 130), 2, 2)
    assert run("meter", "restatements", "-w", str(city / "w")) == 0
    assert "重述" in capsys.readouterr().out


def test_status_and_quality(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, "meter", "status", "--period", "2024-04", "-w", str(city / "w"))
    states = {row["meter"]: (row["state"], row["completeness"]) for row in said["meters"]}
    assert states == {"m": ("silent", 1.0), "l": ("silent", 1.0), "n": ("silent", 0.0)}
    assert run("meter", "status", "--problems", "--place", "qingdao", "-w", str(city / "w")) == 0
    assert "中断" in capsys.readouterr().out
    said = answer(capsys, "meter", "quality", "--period", "2024-04", "--meter", "n", "-w", str(city / "w"))
    assert [(row["check"], row["value"]) for row in said["flags"]] == [("completeness", 0.0)]
    assert said["findings"][0]["name"] == "meter.completeness"


def test_export_of_tables_and_of_a_day_that_another_centre_reads(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ("-w", str(city / "w"))
    assert run("meter", "export", str(tmp_path / "m.csv"), "--building", "370202A001", "--period", "2024", *work) == 0
    months = pl.read_csv(tmp_path / "m.csv").filter((pl.col("item") == "01000") & (pl.col("line") == "total"))
    assert months["amount"].sum() == pytest.approx(366 * 24 * 120)
    assert run("meter", "export", str(tmp_path / "r.parquet"), "--table", "readings", "--meter", "n", *work) == 0
    assert pl.read_parquet(tmp_path / "r.parquet").height == 31 * 24 + 1
    assert run("meter", "export", str(tmp_path / "e.csv"), "--table", "estimates", "--period", "2024-04", *work) == 0
    assert pl.read_csv(tmp_path / "e.csv")["meter"].unique().to_list() == ["n"]
    said = answer(
        capsys,
        "meter",
        "export",
        str(tmp_path / "up"),
        "--to",
        "xml",
        "--day",
        "2024-03-05",
        "--centre",
        "370200",
        *work,
    )
    (file,) = said["files"]
    assert (Path(file["file"]).name, file["buildings"]) == ("37020020240305.zip", 2)
    assert run("init", str(tmp_path / "upper"), "--place", "qingdao", "--quiet") == 0
    upper = ("-w", str(tmp_path / "upper"))
    book = write_table(tmp_path / "b.csv", BUILDING_HEADS, building_rows("370202A001", "370202A002"))
    assert run("meter", "import", file["file"], "--buildings", str(book), *upper, "--quiet") == 0
    said = answer(capsys, "meter", "rollup", "--period", "2024-03", *upper)
    row = next(row for row in said["places"] if row["place"] == "qingdao" and row["carrier"] == "electricity")
    assert row["amount"] == pytest.approx(24 * 130, rel=1e-6)


def test_accounts_are_matched_reviewed_and_counted(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", str(tmp_path / "w"), "--place", "qingdao", "--quiet") == 0
    work = ("-w", str(tmp_path / "w"))
    book = write_table(
        tmp_path / "b.csv",
        BUILDING_HEADS,
        [("370202A003", "海天大厦", "qingdao-shinan", "城镇（县城以外）", "公共建筑", "商业办公", "2010", "10000")],
    )
    bills = write_table(
        tmp_path / "bills.csv",
        ("户号", "户名", "用电地址", "2024年1月用电量(kWh)", "2024年2月用电量(kWh)"),
        [("0123", "海天大厦物业管理有限公司", "香港西路48号", 3100, 2900)],
    )
    assert run("meter", "import", str(bills), "--buildings", str(book), *work, "--quiet") == 2  # whose accounts?
    assert run("meter", "import", str(bills), "--company", "grid", *work, "--quiet") == 0
    sheet = tmp_path / "review.xlsx"
    said = answer(capsys, "meter", "match", "--out", str(sheet), *work)
    assert (said["open"], said["matches"][0]["building"]) == (1, "370202A003")
    workbook = openpyxl.load_workbook(sheet)
    page = workbook.worksheets[0]
    heads = [cell.value for cell in page[2]]
    page.cell(3, heads.index("结论（接受／不是／其他）") + 1, "接受")
    page.cell(3, heads.index("核对人") + 1, "张三")
    workbook.save(sheet)
    said = answer(capsys, "meter", "match", "--review", str(sheet), *work)
    assert [(one["account"], one["building"], one["accepted"]) for one in said["decisions"]] == [
        ("0123", "370202A003", True)
    ]
    said = answer(capsys, "meter", "rollup", "--period", "2024-01", *work)
    row = next(row for row in said["places"] if row["place"] == "qingdao" and row["carrier"] == "electricity")
    assert (row["amount"], row["spread"]) == (pytest.approx(3100), 0)
    assert answer(capsys, "meter", "match", *work)["open"] == 0


def test_quota_writes_its_papers(city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = ("-w", str(city / "w"))
    words = (
        "--list",
        str(tmp_path / "over.xlsx"),
        "--disclosure",
        str(tmp_path / "d.xlsx"),
        "--groups",
        str(tmp_path / "g.xlsx"),
    )
    said = answer(capsys, "meter", "quota", "2024", *words, "--notices", str(tmp_path / "n"), "--sender", "某局", *work)
    rows = {(row["building"], row["measure"]): row for row in said["verdicts"]}
    assert rows["370202A001", "non_heating"]["coverage"] == pytest.approx(1)
    assert rows["370202A001", "non_heating"]["use_high"] == pytest.approx(366 * 24 * 120)
    assert rows["370202A002", "non_heating"]["verdict"] == "unknown"  # a month is no year
    assert all((tmp_path / name).is_file() for name in ("over.xlsx", "d.xlsx", "g.xlsx"))
    assert answer(capsys, "meter", "quota", "2024", "--normal", *work, code=4)[
        "code"
    ]  # no measured weather: refused by name


def test_compaction_and_a_fault(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = ("-w", str(city / "w"))
    assert answer(capsys, "meter", "compact", *work)["schema"] == "dafeng.meter.compact/1"
    words = (
        "--fault",
        "n",
        "--from",
        "2024-03-10 01:30",
        "--to",
        "2024-03-10 05:00",
        "--reason",
        "通讯中断",
        "--by",
        "甲",
    )
    assert answer(capsys, "meter", "quality", *words, *work)["meter"] == "n"
    said = answer(capsys, "meter", "rollup", *work)
    assert said["spans"] == 1
    seen = answer(capsys, "meter", "quality", "--period", "2024-03-10", "--meter", "n", *work)
    assert {row["check"] for row in seen["flags"]} == {"fault", "catch-up"}

"""Account data: bills of any span become readings of pseudo-meters."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.errors import UsageError
from dafeng.intake.energy_accounts import ACCOUNT_SCHEMA, AccountImport, read_accounts

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def read(tmp_path: Path, text: str, **more: object) -> AccountImport:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return read_accounts(path, company="grid", received_at=NOW, **more)


def spans(taken: AccountImport) -> list[tuple[str, str]]:
    shown = [taken.frame[name].dt.convert_time_zone("Asia/Shanghai").dt.to_string("%m-%d") for name in ("start", "at")]
    return list(zip(*(column.to_list() for column in shown), strict=True))


def test_long_months(tmp_path: Path) -> None:
    taken = read(tmp_path, "户号,户名,用电地址,月份,电量\n0123,甲,某路1号,2024-01,100\n0123,乙,某路1号,202402,120\n")
    assert spans(taken) == [("01-01", "02-01"), ("02-01", "03-01")]
    assert taken.frame["origin"].unique().to_list() == ["account"]
    assert dict(taken.accounts.schema) == ACCOUNT_SCHEMA
    row = taken.accounts.row(0, named=True)
    assert (row["account"], row["name"], row["carrier"], row["unit"], row["amount"]) == (
        "0123",
        "乙",
        "electricity",
        "kWh",
        220,
    )
    assert (row["first"], row["last"]) == (date(2024, 1, 1), date(2024, 3, 1))
    assert {"meter.import.calendar-month", "meter.import.account-renamed"} <= {
        finding.name for finding in taken.findings
    }


def test_wide_months_with_units_and_blanks(tmp_path: Path) -> None:
    taken = read(tmp_path, "户号,2024年1月用电量(万千瓦时),2024年2月用电量(万千瓦时)\n0123,1.5,\n0124,—,2\n")
    assert taken.frame.select("meter", "value").rows() == [
        ("account:grid:0123", 15000.0),
        ("account:grid:0124", 20000.0),
    ]
    assert taken.counts == {"accepted": 2, "added": 0, "blank": 2, "refused": 0, "duplicate": 0}


def test_reading_dates_make_the_span(tmp_path: Path) -> None:
    text = "户号,上次抄表日期,本次抄表日期,气量\n1,2024-01-20,2024-02-19,30\n1,2024-02-19,2024-03-21,31\n"
    taken = read(tmp_path, text)
    assert spans(taken) == [("01-20", "02-19"), ("02-19", "03-21")]
    assert taken.accounts["carrier"].to_list() == ["natural_gas"]


def test_one_reading_date_reaches_back_to_the_one_before(tmp_path: Path) -> None:
    taken = read(tmp_path, "户号,抄表日期,电量\n1,2024-01-20,30\n1,2024-02-20,31\n")
    assert spans(taken) == [("01-20", "02-20")]
    assert taken.frame["value"].to_list() == [31.0]
    assert taken.fates["reason"].to_list() == ["no-step"]


def test_closing_day(tmp_path: Path) -> None:
    text = "户号,月份,电量\n1,2024-01,30\n1,2024-02,31\n1,2024-03,32\n"
    assert spans(read(tmp_path, text, closing_day=20)) == [("12-21", "01-21"), ("01-21", "02-21"), ("02-21", "03-21")]
    with pytest.raises(UsageError, match="closing day 31"):
        read(tmp_path, text, closing_day=31)


def test_several_bills_of_a_month(tmp_path: Path) -> None:
    text = "户号,月份,电量\n1,2024-01,30\n1,2024-01,12\n2,2024-01,5\n2,2024-01,5\n"
    taken = read(tmp_path, text)
    assert taken.frame.select("meter", "value").rows() == [("account:grid:2", 5.0)]
    assert taken.fates["reason"].to_list() == ["bills-overlap", "bills-overlap", "same"]
    added = read(tmp_path, text, parts="add")
    assert added.frame["value"].to_list() == [42.0, 10.0]
    assert added.counts["added"] == 2


def test_ruined_and_short_numbers(tmp_path: Path) -> None:
    taken = read(
        tmp_path,
        "户号,月份,电量\n3.7E+11,2024-01,30\n370200000001,2024-01,1\n370200000002,2024-01,1\n23,2024-01,-4\n,2024-01,7\n",
    )
    assert taken.fates["reason"].to_list() == ["account-damaged", "account-blank"]
    names = {finding.name for finding in taken.findings}
    assert {"meter.import.account-length", "meter.import.bill-negative", "meter.import.account-damaged"} <= names


def test_a_table_of_something_else(tmp_path: Path) -> None:
    taken = read(tmp_path, "a,b\n1,2\n")
    assert taken.frame.is_empty()
    assert [finding.name for finding in taken.findings] == ["meter.import.no-account-header"]


def test_rows_of_totals_are_no_accounts(tmp_path: Path) -> None:
    text = "序号,户号,户名,月份,用电量\n1,001,甲,2024-01,100\n合计,,,,100\n,合计,,2024-01,100\n,,小计,2024-01,100\n"
    taken = read(tmp_path, text)
    assert taken.frame["value"].to_list() == [100.0]
    assert taken.fates.select("cell", "reason").rows() == [
        ("E3", "total-row"),
        ("E4", "total-row"),
        ("E5", "total-row"),
    ]


@pytest.mark.parametrize("head", ["阶梯", "表号"])
def test_equal_parts_of_a_bill_are_not_taken_for_one(tmp_path: Path, head: str) -> None:
    text = f"户号,{head},月份,用电量\n001,一,2024-01,100\n001,二,2024-01,100\n001,二,2024-01,100\n"
    taken = read(tmp_path, text)
    assert taken.counts == {"accepted": 0, "added": 0, "blank": 0, "refused": 2, "duplicate": 1}
    assert set(taken.fates["reason"]) == {"bills-overlap", "same"}
    added = read(tmp_path, text.rsplit("001", 1)[0], parts="add")
    assert added.frame["value"].to_list() == [200.0]


def test_the_amount_with_corrections_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    text = "户号,本次抄表日期,上次抄表日期,抄见电量,退补电量,合计电量,用水量\n1,2024-02-01,2024-01-01,400,-40,360,5\n"
    taken = read(tmp_path, text)
    assert taken.frame["value"].to_list() == [360.0]
    said = {finding.name: finding.sentence for finding in taken.findings}
    assert "抄见电量、退补电量" in said["meter.import.columns-ignored"]
    assert "用水量" in said["meter.import.carriers-beside"]


def test_months_without_a_year_take_it_from_a_column_or_the_title(tmp_path: Path) -> None:
    titled = read(tmp_path, "2024年用电量统计表,,,\n户号,1月,2月,合计\n1,100,120,220\n", carrier="electricity")
    column = read(tmp_path, "户号,年份,1月,2月\n1,2024年,100,120\n", carrier="electricity")
    assert titled.frame["value"].to_list() == column.frame["value"].to_list() == [100.0, 120.0]
    assert titled.frame["at"].equals(column.frame["at"])
    assert "meter.import.year-of-title" in {finding.name for finding in titled.findings}
    assert read(tmp_path, "2023—2024 用电量\n户号,1月,2月\n1,100,120\n").counts == {"accepted": 0}


def test_both_days_in_one_cell(tmp_path: Path) -> None:
    taken = read(tmp_path, "户号,计费周期,用气量(m3)\n1,2024.01.15-2024.02.14,100\n1,2024.02.15～2024.03.14,90\n")
    days = taken.frame.select(pl.col("start", "at").dt.convert_time_zone("Asia/Shanghai").dt.date())
    assert days.rows() == [(date(2024, 1, 15), date(2024, 2, 15)), (date(2024, 2, 15), date(2024, 3, 15))]


def test_an_account_that_moved_and_a_table_that_names_no_carrier_are_said(tmp_path: Path) -> None:
    taken = read(tmp_path, "户号,地址,月份,用量\n1,甲路,2024-01,1\n1,乙路,2024-02,2\n", zone="+08:00")
    assert {"meter.import.account-moved", "meter.import.carrier-unknown"} <= {
        finding.name for finding in taken.findings
    }
    assert taken.accounts.select("address", "first", "last").row(0) == ("乙路", date(2024, 1, 1), date(2024, 3, 1))

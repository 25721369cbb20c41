"""Tables of readings: layouts, times, units, fates; the table of bad input."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
import yaml

from dafeng.base.errors import InputError, UsageError
from dafeng.base.meter import Meter
from dafeng.base.reading import READING_SCHEMA
from dafeng.intake.meter_forms import find_meter_form
from dafeng.intake.meter_problems import FATE_SCHEMA, REASONS
from dafeng.intake.meter_readings import ReadingImport, ReadingOptions, read_meter_readings
from dafeng.intake.meter_times import read_times

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "meter_bad_input.yaml").read_text(encoding="utf-8"))[
    "cases"
]


def meter(meter_id: str, unit: str = "kWh", **more: object) -> Meter:
    given = {
        "building": "370202A001",
        "carrier": "electricity",
        "item": "01000",
        "valid_from": date(2020, 1, 1),
        **more,
    }
    return Meter(id=meter_id, unit=unit, **given)


def read(path: Path, text: str, *, meters: dict[str, Meter] | None = None, **options: object) -> ReadingImport:
    path.write_text(text, encoding="utf-8")
    return read_meter_readings(path, received_at=NOW, meters=meters, options=ReadingOptions(**options))


def stamps(column: pl.Series) -> list[str | None]:
    return column.dt.to_string("%Y-%m-%d %H:%M").to_list()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_bad_input(case: dict, tmp_path: Path) -> None:
    options = dict(case.get("options", {}))
    if "step_hours" in options:
        options["step"] = timedelta(hours=options.pop("step_hours"))
    register = case.get("register")
    kind = case.get("register_kind")
    meters = (
        None
        if register is None
        else {
            name: meter(name, unit, kind=kind, multiplier=case.get("multiplier", 1)) for name, unit in register.items()
        }
    )
    taken = read(tmp_path / "a.csv", case["text"], meters=meters, **options)

    expected = {"accepted": 0, "blank": 0, "refused": 0, "duplicate": 0, "replaced": 0} | case["counts"]
    assert taken.counts == expected
    assert dict(taken.frame.schema) == READING_SCHEMA
    assert dict(taken.fates.schema) == FATE_SCHEMA
    if "at" in case:
        assert stamps(taken.frame["at"]) == case["at"]
    if "start" in case:
        assert stamps(taken.frame["start"]) == case["start"]
    if "values" in case:
        assert taken.frame["value"].to_list() == pytest.approx(case["values"], rel=1e-12)
    if "meters" in case:
        assert taken.frame["meter"].unique().sort().to_list() == case["meters"]
    if "reasons" in case:
        assert dict(taken.fates.select("cell", "reason").iter_rows()) == case["reasons"]
    names = {finding.name for finding in taken.findings}
    assert set(case.get("findings", [])) <= names
    # Whatever was not taken is said in Chinese with a next step.
    assert {f"meter.import.{reason}" for reason in taken.fates["reason"]} <= names


def test_every_reason_is_met_by_a_case() -> None:
    met = {reason for case in CASES for reason in case.get("reasons", {}).values()}
    assert set(REASONS) - met == {"meter-blank"}


def test_a_blank_meter_is_refused(tmp_path: Path) -> None:
    taken = read(tmp_path / "a.csv", "表号,采集时间,读数\n,2024-01-01 00:00,10\n")
    assert taken.fates["reason"].to_list() == ["meter-blank"]


def test_wide_and_long_say_the_same(tmp_path: Path) -> None:
    long = read(
        tmp_path / "l.csv",
        "表号,时间,用量\na,2024-01-01 00:00,1\nb,2024-01-01 00:00,2\na,2024-01-01 01:00,3\nb,2024-01-01 01:00,4\n",
        labelled="start",
    )
    wide = read(
        tmp_path / "w.csv", "时间,a,b\n2024-01-01 00:00,1,2\n2024-01-01 01:00,3,4\n", labelled="start", kind="interval"
    )
    columns = ["meter", "at", "start", "value"]
    assert long.frame.select(columns).equals(wide.frame.select(columns))


def test_lineage_names_document_and_cell(tmp_path: Path) -> None:
    taken = read(tmp_path / "a.csv", "表号,采集时间,读数\nm-1,2024-01-01 00:00,10\n")
    assert taken.frame["lineage"][0] == f"{taken.document[:16]}#C2"
    assert taken.frame["received_at"][0] == NOW


def test_workbook_with_real_dates_and_two_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first = book.active
    first.title = "一月"
    first.append(["表号", "采集时间", "读数(kWh)"])
    first.append(["m-1", datetime(2024, 1, 31, 23, 45), 10.5])
    first.append(["m-1", datetime(2024, 2, 1), 11])
    second = book.create_sheet("二月")
    second.append(["表号", "采集时间", "读数(kWh)"])
    second.append(["m-1", datetime(2024, 2, 1), 11])
    second.append(["m-1", datetime(2024, 2, 1, 0, 15), 11.25])
    book.create_sheet("说明").append(["本表由系统导出"])
    book.save(tmp_path / "a.xlsx")
    taken = read_meter_readings(tmp_path / "a.xlsx", received_at=NOW)
    assert stamps(taken.frame["at"]) == ["2024-01-31 15:45", "2024-01-31 16:00", "2024-01-31 16:15"]
    assert taken.frame["value"].to_list() == [10.5, 11.0, 11.25]
    assert taken.counts == {"accepted": 3, "blank": 0, "refused": 0, "duplicate": 1, "replaced": 0}
    assert taken.frame["lineage"][2].endswith("#二月!C3")
    assert "meter.import.no-header" in {finding.name for finding in taken.findings}


def test_gzip_is_unpacked_and_a_damaged_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"meter,time,reading\nm-1,2024-01-01 00:00,1\n"))
    assert read_meter_readings(path, received_at=NOW).counts["accepted"] == 1
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(InputError, match="unpacked"):
        read_meter_readings(path, received_at=NOW)


def test_gb18030_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("表号,采集时间,读数\n一号,2024-01-01 00:00,1\n".encode("gb18030"))
    assert read_meter_readings(path, received_at=NOW).frame["meter"].to_list() == ["一号"]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "timestamp_utc": [datetime(2024, 1, 1, hour) for hour in range(24)],
            "b1": [0.1] * 23 + [None],
            "b2": [float("nan")] * 24,
        }
    ).write_parquet(path)
    taken = read_meter_readings(path, received_at=NOW, options=ReadingOptions(kind="interval"))
    assert taken.counts == {"accepted": 23, "blank": 25, "refused": 0, "duplicate": 0, "replaced": 0}
    assert stamps(taken.frame["start"])[0] == "2024-01-01 00:00"


def test_zones_differ_by_meter(tmp_path: Path) -> None:
    text = "meter,time,reading\na,2024-07-01 00:00,1\nb,2024-07-01 00:00,1\n"
    taken = read(tmp_path / "a.csv", text, zone={"a": "Europe/London", "": "America/Denver"})
    assert stamps(taken.frame["at"]) == ["2024-06-30 23:00", "2024-07-01 06:00"]
    with pytest.raises(InputError, match="zone differs"):
        read(tmp_path / "b.csv", "time,a,b\n2024-07-01 00:00,1,2\n", zone={"a": "Europe/London", "": "UTC"})
    with pytest.raises(UsageError, match="no time zone"):
        read(tmp_path / "a.csv", text, zone="Asia/Qingdao")


def test_one_column_may_be_named_by_the_user(tmp_path: Path) -> None:
    taken = read(
        tmp_path / "a.csv", "时间,电量(kWh)\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n", meter="m-7", labelled="start"
    )
    assert taken.frame["meter"].unique().to_list() == ["m-7"]
    assert taken.meters.select("kind", "unit", "readings").rows() == [("interval", "kWh", 2)]


def test_96_points_of_a_day(tmp_path: Path) -> None:
    head = "表号,日期," + ",".join(f"P{number}" for number in range(1, 97))
    row = "m-1,2024-01-01," + ",".join(str(number) for number in range(1, 97))
    taken = read(tmp_path / "a.csv", f"{head}\n{row}\n", kind="interval")
    assert taken.counts["accepted"] == 96
    assert stamps(taken.frame["start"])[0] == "2023-12-31 16:00"
    assert stamps(taken.frame["at"])[-1] == "2024-01-01 16:00"


def test_day_and_clock_in_two_columns(tmp_path: Path) -> None:
    text = (
        "表号,日期,时刻,读数\nm-1,2024-01-01,8,1\nm-1,2024-01-01,9:30,2\nm-1,2024-01-01,0.75,3\nm-1,2024-01-01,24,4\n"
    )
    taken = read(tmp_path / "a.csv", text)
    assert stamps(taken.frame["at"]) == ["2024-01-01 00:00", "2024-01-01 01:30", "2024-01-01 10:00", "2024-01-01 16:00"]


def test_guessed_kinds(tmp_path: Path) -> None:
    register = "时间,m-1\n" + "".join(f"2024-01-{day:02d} 00:00,{1000 + 7 * day}\n" for day in range(1, 20))
    use = "时间,m-1\n" + "".join(f"2024-01-{day:02d} 00:00,{day % 5}\n" for day in range(1, 20))
    assert read(tmp_path / "a.csv", register).meters["kind"].to_list() == ["register"]
    assert read(tmp_path / "b.csv", use).meters["kind"].to_list() == ["interval"]


def test_times_alone() -> None:
    said = read_times(
        pl.Series(["2024-01-05 08:00:00.250", "2024-01-05 12:00 AM", "2024-01-05 12:00 PM", "2024-13-01", None, "昨天"])
    )
    assert said["problem"].to_list() == [None, None, None, "time-unreadable", "time-blank", "time-unreadable"]
    assert said["local"].dt.hour().to_list()[:3] == [8, 0, 12]
    assert said["local"].dt.microsecond().to_list()[0] == 250_000


@pytest.mark.parametrize(
    ("head", "form"),
    [
        ("用户编号,户名,表资产号,数据日期,正向有功总", "readings"),
        ("户号,户名,上次抄表日期,本次抄表日期,上次示数,本次示数,合计电量", "accounts"),
        ("户号,表号,月份,用电量", "accounts"),
        ("站号,年,月,日,时,气温(0.1℃)", "weather"),
        ("表号,时间,温度", "readings"),
    ],
)
def test_what_a_file_holds_is_told_by_its_header(tmp_path: Path, head: str, form: str) -> None:
    (tmp_path / "a.csv").write_text(f"{head}\n" + ",".join("1" for _ in head.split(",")) + "\n", encoding="utf-8")
    assert find_meter_form(tmp_path / "a.csv") == form

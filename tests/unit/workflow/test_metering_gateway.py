"""Sent readings tied to the ledger of meters, worked out by hand; provisional names, replaced meters, adoption."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_gateway import (
    SENT_SCHEMA,
    GatewayDelivery,
    adopt_gateway_meters,
    check_gateway_archive,
    gateway_rows,
    read_gateway_archive,
    tie_readings,
)
from dafeng.workflow.setting import Setting
from metering_city import METER_HEADS, NOW, make_city, meter_row, write_table

HEADS = (*METER_HEADS, "网关编号", "采集表号", "功能编号")
HOME = "370202A001"
JULY = datetime(2025, 7, 1, tzinfo=UTC) - timedelta(hours=8)


def tied_row(name: str, gateway: str, number: str, function: str = "", **more: object) -> list[object]:
    return [*meter_row(name, **more), gateway, number, function]  # type: ignore[arg-type]


def city(folder: Path, rows: list[list[object]]) -> Setting:
    setting = make_city(folder, [meter_row("other")])
    import_ledger(setting, write_table(folder / "tied.csv", HEADS, rows), "meters", recorded_at=NOW)
    return setting


def sent(*rows: tuple[str, str, str, str, datetime]) -> pl.DataFrame:
    """Return sent readings: gateway, meter, function, text, instant; each instant of a gateway is a packet."""
    packets = {key: number for number, key in enumerate(dict.fromkeys((row[0], row[4]) for row in rows))}
    made = [
        {"packet": packets[gateway, at], "building": HOME, "gateway": gateway, "operation": "report", "sequence": "1",
         "at": int(at.timestamp() * 1e6), "received_at": int(at.timestamp() * 1e6) + 5, "meter": meter, "function": function,
         "coding": f"{HOME}01A00", "error": "", "text": text}
        for gateway, meter, function, text, at in rows
    ]  # fmt: skip
    return pl.DataFrame(made, schema=SENT_SCHEMA)


def names(setting: Setting, frame: pl.DataFrame) -> list[str]:
    return tie_readings(frame, read_gateway_archive(setting))["house_meter"].to_list()


def test_points_are_tied_by_gateway_meter_and_function(tmp_path: Path) -> None:
    setting = city(
        tmp_path,
        [
            tied_row("m-1", "01", "001", "1"),
            tied_row("m-2", f"{HOME}01", "002"),
            tied_row("m-3", f"{HOME}.02", "001", "WPP"),
        ],
    )
    frame = sent(
        ("01", "001", "1", "1", NOW),
        ("01", "001", "2", "2", NOW),  # a function that no ledger knows
        ("01", "002", "9", "3", NOW),  # the only function of its meter
        ("02", "001", "WPP", "4", NOW),
        ("02", "003", "1", "5", NOW),
    )
    assert names(setting, frame) == ["m-1", f"gw:{HOME}.01.001.2", "m-2", "m-3", f"gw:{HOME}.02.003.1"]
    several = sent(("01", "002", "9", "3", NOW), ("01", "002", "8", "3", NOW))
    assert names(setting, several) == [f"gw:{HOME}.01.002.9", f"gw:{HOME}.01.002.8"]  # which one is not said


def test_back_fill_of_a_replaced_meter_stays_its_own(tmp_path: Path) -> None:
    setting = city(
        tmp_path,
        [
            tied_row("old", "01", "001", "1", 停用日期="2025-07-01", 接替表计="new"),
            tied_row("new", "01", "001", "1", 启用日期="2025-07-01"),
        ],
    )
    frame = sent(("01", "001", "1", "1", JULY - timedelta(seconds=1)), ("01", "001", "1", "2", JULY))
    assert names(setting, frame) == ["old", "new"]


def test_a_point_of_two_meters_is_tied_to_neither_and_said(tmp_path: Path) -> None:
    setting = city(tmp_path, [tied_row("a", "01", "001", "1"), tied_row("b", "01", "001", "1", 启用日期="2025-07-01")])
    archive = read_gateway_archive(setting)
    assert [finding.name for finding in archive.findings] == ["gateway.archive.point-taken"]
    assert names(setting, sent(("01", "001", "1", "1", JULY - timedelta(1)), ("01", "001", "1", "1", JULY))) == [
        "a",
        f"gw:{HOME}.01.001.1",
    ]


@pytest.mark.parametrize(
    ("text", "error", "value", "mark"),
    [
        ("12.50", "", 12.5, ""),
        (" 12.50 ", "0", 12.5, ""),
        ("-3e2", "192", -300.0, "192"),
        ("", "", None, "text:"),
        ("NaN", "", None, "text:NaN"),
        ("inf", "1", None, "1;text:inf"),
        ("1,250", "", None, "text:1,250"),
        ("1e999", "", None, "text:1e999"),
        ("x" * 100, "", None, "text:" + "x" * 40),
    ],
)
def test_a_text_that_is_no_number_gives_no_value_and_is_kept(
    text: str, error: str, value: float | None, mark: str, tmp_path: Path
) -> None:
    setting = make_city(tmp_path, [meter_row("m")])
    frame = sent(("01", "001", "1", text, NOW)).with_columns(error=pl.lit(error))
    delivery = GatewayDelivery(setting, ticking=lambda: 0.0)
    assert delivery.deliver(frame, "b-1").rows == 1
    [row] = open_house(setting).readings.snapshot().read().to_dicts()
    assert (row["value"], row["sent_as"]) == (value, mark)
    assert gateway_rows(tie_readings(frame, delivery.archive())).height == 1


def test_stored_readings_follow_their_meter_once_the_ledger_knows_it(tmp_path: Path) -> None:
    setting = city(tmp_path, [tied_row("m-1", "01", "001", "1")])
    delivery = GatewayDelivery(setting, ticking=lambda: 0.0)
    first = [("01", "007", "1", str(hour), NOW + timedelta(hours=hour)) for hour in range(5)]
    done = delivery.deliver(sent(("01", "001", "1", "9", NOW), *first), "b-1")
    assert (done.rows, done.points["known"].to_list()) == (6, [True, False])
    points = done.points.select("building", "gateway", "meter", "function", "coding", since=pl.lit(""))
    found = check_gateway_archive(setting, points, [], as_of=date(2026, 11, 20))
    assert found.unknown["meter"].to_list() == ["007"]
    assert found.differing["house_meter"].to_list() == ["m-1"]  # 01A00 is sent, 01000 stands in the ledger
    assert [finding.name for finding in found.findings] == ["gateway.archive.gateway-unknown"]
    assert adopt_gateway_meters(setting, points, recorded_at=NOW) == []
    import_ledger(
        setting,
        write_table(
            tmp_path / "late.csv", HEADS, [tied_row("m-7", "01", "007", "1"), tied_row("m-8", "01", "008", "1")]
        ),
        "meters",
        recorded_at=NOW + timedelta(days=1),
    )
    later = NOW + timedelta(days=2)
    [adopted] = adopt_gateway_meters(setting, points, recorded_at=later)
    assert (adopted.meter, adopted.rows) == ("m-7", 5)
    assert adopt_gateway_meters(setting, points, recorded_at=later) == []
    rows = open_house(setting).readings.snapshot().read(meters=["m-7"])
    assert rows["value"].to_list() == [0, 1, 2, 3, 4]
    assert set(rows["origin"]) == {"gateway"}
    found = check_gateway_archive(setting, points, [(HOME, "01")], as_of=date(2026, 11, 20))
    assert (found.unknown.height, found.silent["house_meter"].to_list(), found.findings) == (0, ["m-8"], ())


def test_the_ledger_is_read_anew_after_its_time(tmp_path: Path) -> None:
    setting, now = city(tmp_path, [tied_row("m-1", "01", "001", "1")]), 0.0
    delivery = GatewayDelivery(setting, ticking=lambda: now, seconds=60)
    first = delivery.archive()
    now = 59.0
    assert delivery.archive() is first
    now = 61.0
    assert delivery.archive() is not first

"""The roll-up through the workflow: where the peer loses energy, ignores late data, or says nothing; literal expectations."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.base.reading import MeterEventKind
from dafeng.lake import ObservationLake
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_import import push_readings, record_event
from dafeng.workflow.metering_rollup import compact_meters, read_restatements
from dafeng.workflow.metering_views import meter_quality, meter_status
from dafeng.workflow.setting import Setting
from metering_city import NOW, building_rows, make_city, meter_row, roll, steady, take, write_readings

LATER = NOW + timedelta(hours=1)


def months(setting: Setting, item: str = "01000", line: str = "total", column: str = "amount") -> dict[str, float]:
    rows = open_house(setting).building_months.read().filter((pl.col("item") == item) & (pl.col("line") == line))
    return {f"{row['period']:%Y-%m}": row[column] for row in rows.iter_rows(named=True) if row["covered"]}


def published(setting: Setting, indicator: str, period: str, place: str = "qingdao", **key: str) -> dict[str, object]:
    assert setting.workspace is not None
    wanted = {"building_class": "all", "carrier": "all", "end_use": "all", "basis": "", **key}
    rows = ObservationLake(setting.workspace.lake).snapshot().read(indicators=[indicator], places=[place])
    rows = rows.filter(pl.col("period") == period, *(pl.col(name) == value for name, value in wanted.items()))
    assert rows.height == 1
    return rows.row(0, named=True)


@pytest.fixture
def city(tmp_path: Path) -> Setting:
    return make_city(tmp_path, [meter_row("m", 额定功率=100), meter_row("l", item="01A00", 上级表计="m")])


def test_the_whole_way_from_file_to_observation_and_again_is_nothing(city: Setting, tmp_path: Path) -> None:
    path = write_readings(
        tmp_path / "r.csv",
        {"m": steady("2024-01-01 00:00", 31 * 24), "l": steady("2024-01-01 00:00", 31 * 24, rate=0.25)},
    )
    first = take(city, path)
    assert (first.appended, first.already, first.counts["accepted"]) == (1490, False, 1490)
    again = take(city, path, at=LATER)
    assert (again.appended, again.already) == (0, True)
    done = roll(city)
    assert done.full
    assert done.restated == 0
    assert done.published > 0
    assert months(city) == {"2024-01": pytest.approx(744)}
    assert months(city, "01A00") == {"2024-01": pytest.approx(186)}
    assert months(city, line="unattributed") == {"2024-01": pytest.approx(558)}
    used = published(city, "monitored_electricity", "2024-01")
    assert (used["value"], used["coverage"], used["kind"]) == (pytest.approx(744), pytest.approx(1), "computed")
    # 744 kWh by 0.1229 kgce a kWh; a year of which one month of twelve is known says so
    energy = published(city, "monitored_energy", "2024-01", basis="calorific", carrier="electricity")
    assert energy["value"] == pytest.approx(744 * 0.1229 / 1000, rel=1e-6)
    year = published(city, "monitored_electricity", "2024")
    assert (year["value"], year["coverage"]) == (pytest.approx(744), pytest.approx(31 / 366))
    second = roll(city, at=LATER)
    assert (second.full, second.spans, second.months, second.published, second.restated) == (False, 0, (), 0, 0)


def test_hours_of_an_outage_are_spread_and_nothing_is_lost(city: Setting, tmp_path: Path) -> None:
    points = steady("2024-01-01 00:00", 48)
    take(
        city,
        write_readings(tmp_path / "r.csv", {"m": [point for index, point in enumerate(points) if not 10 < index < 17]}),
    )
    roll(city)
    house = open_house(city)
    rows = house.hours.read().filter(pl.col("meter") == "m")
    assert rows["amount"].sum() == pytest.approx(48)
    lump = rows.filter(pl.col("spread") > 0)
    assert lump.height == 7
    assert lump["amount"].max() == pytest.approx(1)
    assert house.days.read()["amount"].to_list() == pytest.approx([24, 24])
    assert house.building_days.read().filter(pl.col("line") == "total")["spread"].sum() == 0  # the day knows its own


def test_a_catch_up_above_the_limit_of_an_hour_is_kept(tmp_path: Path) -> None:
    setting = make_city(tmp_path, [meter_row("m", 额定功率=3)])
    points = steady("2024-01-01 00:00", 48, rate=2)
    take(
        setting,
        write_readings(tmp_path / "r.csv", {"m": [point for index, point in enumerate(points) if not 10 < index < 17]}),
    )
    roll(setting)
    assert months(setting) == {"2024-01": pytest.approx(96)}
    assert open_house(setting).building_months.read()["withheld"].sum() == 0


def test_a_back_fill_restates_the_month_that_was_reported(city: Setting, tmp_path: Path) -> None:
    take(city, write_readings(tmp_path / "a.csv", {"m": steady("2024-01-01 00:00", 20 * 24)}))
    roll(city)
    assert published(city, "monitored_electricity", "2024-01")["value"] == pytest.approx(480)
    late = take(
        city, write_readings(tmp_path / "b.csv", {"m": steady("2024-01-21 00:00", 11 * 24, first=1480)}), at=LATER
    )
    done = roll(city, at=LATER)
    assert not done.full
    assert done.months == ("2024-01",)
    assert done.withdrawn == 0
    now = published(city, "monitored_electricity", "2024-01")
    assert (now["value"], now["coverage"]) == (pytest.approx(744), pytest.approx(1))
    said = [
        row
        for row in done.restatements
        if (row.subject, row.detail, row.column) == ("370202A001", "01000/total", "amount")
    ]
    assert [(row.before, row.after, row.because) for row in said] == [
        (pytest.approx(480), pytest.approx(744), late.batch)
    ]
    assert read_restatements(city, subject="qingdao").height > 0
    assert read_restatements(city, period=(date(2023, 1, 1), date(2024, 1, 1))).is_empty()
    whole = roll(city, at=LATER, full=True)
    assert whole.full
    assert whole.restated == 0
    assert whole.published == 0


def test_one_silent_building_leaves_the_place_its_total(tmp_path: Path) -> None:
    setting = make_city(
        tmp_path,
        [meter_row("a"), meter_row("b", "370202A002")],
        building_rows("370202A001", "370202A002"),
    )
    take(setting, write_readings(tmp_path / "r.csv", {"a": steady("2024-01-01 00:00", 31 * 24)}))
    roll(setting)
    used = published(setting, "monitored_electricity", "2024-01")
    assert (used["value"], used["coverage"]) == (pytest.approx(744), pytest.approx(0.5))
    row = open_house(setting).place_months.read().filter((pl.col("place") == "qingdao") & (pl.col("carrier") == "electricity") & (pl.col("end_use") == "all") & (pl.col("building_class") == "all") & (pl.col("period") == date(2024, 1, 1))).row(0, named=True)  # fmt: skip
    assert (row["buildings"], row["reporting"], row["area"]) == (2, 1, 20000)


def test_a_factor_that_comes_later_is_a_new_result_with_both_known(city: Setting, tmp_path: Path) -> None:
    take(city, write_readings(tmp_path / "r.csv", {"m": steady("2024-01-01 00:00", 31 * 24)}))
    roll(city, as_of=date(2025, 1, 1))
    before = published(city, "monitored_co2", "2024-01", carrier="electricity")
    done = roll(city, at=LATER, as_of=date(2025, 1, 1))
    assert done.published == 0
    rates = open_house(city).rates
    held = rates.read()
    rates.restate(
        held.with_columns(co2=pl.col("co2") * 2),
        pl.DataFrame({"first": [date(1900, 1, 1)], "last": [date(2200, 1, 1)]}),
        made_from={},
    )  # as if the catalog had said otherwise then
    done = roll(city, at=LATER, as_of=date(2025, 1, 1))
    after = published(city, "monitored_co2", "2024-01", carrier="electricity")
    assert after["value"] == pytest.approx(before["value"])
    assert not done.months
    assert done.place_months


def test_the_first_hour_of_a_meter_counts_from_its_first_reading(city: Setting, tmp_path: Path) -> None:
    take(city, write_readings(tmp_path / "r.csv", {"m": steady("2024-01-01 00:00", 1, step=15)}))
    roll(city)
    hours = open_house(city).hours.read()
    assert hours.select("amount", "covered").rows() == [(pytest.approx(1), 3600)]


def test_a_replacement_and_a_fault_are_recorded_and_restated(city: Setting, tmp_path: Path) -> None:
    old = steady("2024-01-01 00:00", 24)
    new = steady("2024-01-02 01:00", 23, first=0.5)
    take(city, write_readings(tmp_path / "r.csv", {"m": old + new}))
    roll(city)
    assert open_house(city).days.read()["amount"].sum() == pytest.approx(
        24 + 23
    )  # the fall of the register is not guessed
    at = datetime(2024, 1, 1, 16, 30, tzinfo=UTC)
    record_event(
        city,
        "m",
        MeterEventKind.REPLACEMENT,
        at,
        before=1024.5,
        after=0.0,
        reason="到期换表",
        by="甲",
        recorded_at=LATER,
    )
    done = roll(city, at=LATER)
    assert open_house(city).days.read()["amount"].sum() == pytest.approx(48)
    assert any(row.because.startswith("event-") for row in done.restatements)
    record_event(city, "m", MeterEventKind.FAULT, datetime(2024, 1, 2, 2, tzinfo=UTC), until=datetime(2024, 1, 2, 5, tzinfo=UTC), reason="通讯板坏", by="甲", recorded_at=LATER)  # fmt: skip
    roll(city, at=LATER + timedelta(hours=1))
    assert open_house(city).days.read()["amount"].sum() == pytest.approx(48)  # its neighbours carry the energy over it


def test_a_meter_that_is_registered_later_brings_its_stored_readings(tmp_path: Path) -> None:
    setting = make_city(tmp_path, [meter_row("a")])
    path = write_readings(
        tmp_path / "r.csv", {"a": steady("2024-01-01 00:00", 24), "z": steady("2024-01-01 00:00", 24, rate=2)}
    )
    refused = take(setting, path)
    assert refused.unknown == ("z",)
    assert refused.counts["refused"] == 25
    kept = take(setting, path, keep_unknown=True)
    assert kept.appended == 50
    done = roll(setting)
    assert [finding.name for finding in done.findings if finding.name.endswith("meter-unknown")]
    make_more = make_city(tmp_path / "other", [meter_row("a"), meter_row("z")])
    assert make_more.workspace is not None
    assert setting.workspace is not None
    from_other = tmp_path / "other" / "meters.csv"
    import_ledger(setting, from_other, "meters", recorded_at=LATER)
    roll(setting, at=LATER)
    assert months(setting) == {"2024-01": pytest.approx(72)}


def test_pushes_count_once_and_a_batch_name_is_not_taken_twice(city: Setting) -> None:
    rows = [{"meter": "m", "at": f"2024-01-01T0{hour}:00:00+08:00", "value": 10 + hour} for hour in range(4)]
    first = push_readings(city, {"batch": "g-1", "readings": rows}, NOW)
    assert (first.status, first.answer()["counts"]) == (200, {"accepted": 4})
    assert push_readings(city, {"batch": "g-1", "readings": rows}, LATER).status == 200
    assert open_house(city).readings.snapshot().count == 4
    taken = push_readings(city, {"batch": "g-1", "readings": rows[:2]}, LATER)
    assert (taken.status, taken.findings[0].name) == (409, "meter.push.batch-taken")
    assert push_readings(city, {"batch": "g-2", "readings": [{"meter": "?", "at": "x", "value": 1}]}, LATER).answer()[
        "counts"
    ] == {"refused": 1}
    roll(city)
    assert open_house(city).hours.read()["amount"].sum() == pytest.approx(3)


def test_copied_days_are_withheld_until_the_true_ones_come(city: Setting, tmp_path: Path) -> None:
    day = [1.0 + (hour * 7 % 5) / 10 for hour in range(24)]
    true = [[amount + number * 0.013 * (1 + hour % 3) for hour, amount in enumerate(day)] for number in range(6)]
    sent = [*true[:3], true[2], *true[4:]]

    def series(days: list[list[float]]) -> list[tuple[str, float]]:
        total, points = 100.0, [("2024-01-01 00:00:00", 100.0)]
        for number, amounts in enumerate(days):
            for hour, amount in enumerate(amounts):
                total += amount
                points.append((str(datetime(2024, 1, 1 + number) + timedelta(hours=hour + 1)), total))
        return points

    take(city, write_readings(tmp_path / "a.csv", {"m": series(sent)}))
    roll(city)
    house = open_house(city)
    assert house.days.read().filter(pl.col("withheld") > 0)["period"].to_list() == [date(2024, 1, 4)]
    seen = meter_quality(city, period=(date(2024, 1, 1), date(2024, 2, 1)))
    assert set(seen.flags["check"]) >= {"copied-day"}
    take(city, write_readings(tmp_path / "b.csv", {"m": series(true)}), at=LATER)
    roll(city, at=LATER)
    assert house.days.read()["withheld"].sum() == pytest.approx(0)
    assert house.days.read()["amount"].sum() == pytest.approx(sum(map(sum, true)))


def test_status_names_who_is_silent_and_how_complete_a_month_is(tmp_path: Path) -> None:
    setting = make_city(
        tmp_path, [meter_row("a"), meter_row("b"), meter_row("c"), meter_row("d", 停用日期="2024-01-01")]
    )
    take(
        setting,
        write_readings(
            tmp_path / "r.csv", {"a": steady("2024-01-01 00:00", 31 * 24), "b": steady("2024-01-01 00:00", 15.5 * 24)}
        ),
    )
    roll(setting)
    found = meter_status(setting, at=datetime(2024, 1, 31, 20, tzinfo=UTC), period=(date(2024, 1, 1), date(2024, 2, 1)))
    rows = {row["meter"]: row for row in found.meters.iter_rows(named=True)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "online",
        "b": "silent",
        "c": "never",
        "d": "retired",
    }
    assert [rows[name]["completeness"] for name in "abcd"] == [pytest.approx(1), pytest.approx(0.5), 0, None]
    assert found.places.select("place", "meters", "online").rows() == [("qingdao-shinan", 4, 1)]
    quality = meter_quality(setting, period=(date(2024, 1, 1), date(2024, 2, 1)), meters=["b"])
    assert quality.flags.filter(pl.col("check") == "completeness")["value"].to_list() == [pytest.approx(0.5)]


def test_compaction_changes_no_total(city: Setting, tmp_path: Path) -> None:
    for number in range(3):
        path = write_readings(
            tmp_path / f"{number}.csv", {"m": steady(f"2024-01-0{1 + number} 00:00", 24, first=1000 + 24 * number)}
        )
        take(city, path, at=NOW + timedelta(minutes=number))
    roll(city)
    compact_meters(city)
    done = roll(city, at=LATER)
    assert done.spans == 0
    assert months(city) == {"2024-01": pytest.approx(72)}


def test_late_batches_of_years_far_apart_leave_what_lies_between(city: Setting, tmp_path: Path) -> None:
    for number, start in enumerate(("2021-05-01 00:00", "2022-05-01 00:00", "2024-03-01 00:00")):
        take(city, write_readings(tmp_path / f"{number}.csv", {"l": steady(start, 24, first=1000 * (1 + number))}))
    roll(city)
    late = {"l": steady("2021-05-02 00:00", 24, first=1024) + steady("2024-03-02 00:00", 24, first=3024)}
    take(city, write_readings(tmp_path / "late.csv", late), at=LATER)
    roll(city, at=LATER)
    whole = open_house(city).building_years.read().filter((pl.col("item") == "01A00") & (pl.col("line") == "total"))
    assert sum(whole["amount"]) == pytest.approx(3024 + 24 - 1000)  # the register knows what it used between
    before = open_house(city).building_months.read()
    roll(city, at=LATER, full=True)
    assert_frame_equal(open_house(city).building_months.read(), before)

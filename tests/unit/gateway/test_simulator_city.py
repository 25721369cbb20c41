"""A day of a city through the real server, spool, lake and roll-up; the plan of a city, its truth and its files."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from command_line import answer
from dafeng.base.errors import InputError, UnknownNameError, UsageError
from dafeng.gateway.delivery import DeliveryLimits
from dafeng.gateway.limits import GatewayLimits
from dafeng.gateway.options import ServerOptions
from dafeng.gateway.server import GatewayServer
from dafeng.gateway.simulator_check import check_buildings, check_city
from dafeng.gateway.simulator_faults import Fault, FaultKind, show
from dafeng.gateway.simulator_files import City, make_city, open_city, prepare_workspace, write_city
from dafeng.gateway.simulator_loads import temperatures
from dafeng.gateway.simulator_plan import CityOptions, plan_city
from dafeng.gateway.simulator_player import Played, PlayOptions, play_city
from dafeng.gateway.simulator_truth import building_truth, city_truth, local_edges, meter_truth, used_in_all
from dafeng.lake import Workspace
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_rollup import roll_up_meters
from dafeng.workflow.setting import Setting
from gateway_city import CATALOG, DAY, PROFILES, city_of


def now() -> datetime:
    return datetime.now(UTC)


def play_a_day(folder: Path, city: City) -> tuple[Setting, Played, Counter[str], pl.DataFrame]:
    """Put a city through a server into a workspace, roll it up, and return what the platform says beside the truth."""
    setting = Setting(CATALOG, Workspace.create(folder / "w", title="试", place="qingdao"))
    write_city(city, folder / "city", CATALOG)
    assert prepare_workspace(city, folder / "city", setting, recorded_at=now()) == []
    events: Counter[str] = Counter()
    limits = GatewayLimits(connections_per_address=12_000, failures_per_address=100_000)
    options = ServerOptions(
        host="127.0.0.1", port=0, limits=limits, delivery=DeliveryLimits(seconds=2, ahead_seconds=1e10)
    )

    async def run() -> Played:
        server = GatewayServer(setting, options, clock=now, listener=lambda event: events.update([event.name]))
        await server.start()
        try:
            return await play_city(city, PlayOptions(port=server.ports[0], retry=2.0), PROFILES, clock=now)
        finally:
            await server.stop()

    played = asyncio.run(run())
    roll_up_meters(setting, recorded_at=now(), threads=2, publishing=False)
    return setting, played, events, check_buildings(setting, city)


def is_the_truth(city: City, played: Played, rows: pl.DataFrame) -> None:
    """Check that every building, day and the month to date are the truth where data exist, and that coverage says the rest."""
    for one in played.gateways:
        assert one.acked == set(np.flatnonzero(city.shown.heard[one.number]).tolist())
    wrong = rows.filter((pl.col("house").fill_null(0) - pl.col("metered")).abs() > 1e-3)
    assert wrong.is_empty(), wrong
    assert rows["house_covered"].fill_null(0).to_list() == rows["covered"].to_list()
    total = check_city(rows)
    day = total.filter(item="01000", period=str(city.record.options.day)).row(0, named=True)
    month = total.filter(item="01000", period="month-to-date").row(0, named=True)
    assert abs(day["difference"]) < 0.5
    assert abs(month["difference"]) < 0.5
    assert day["house"] > 1000 * len(city.plan.gateways)
    assert month["house"] > 5 * day["house"]
    assert 0.8 < day["house_covered"] / day["expected"] < 1  # some never got in, some fell silent


def test_a_city_day_is_the_truth_where_data_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    city = city_of(gateways=50, meters=12, since=None, faults=None)
    assert {fault.kind for fault in city.shown.faults} == set(FaultKind)
    setting, played, events, rows = play_a_day(tmp_path, city)
    is_the_truth(city, played, rows)
    assert events["frame-crc"] > 0
    assert events["body-syntax"] > 0
    assert events["frame-oversize"] > 0
    assert events["wrong-key"] == events["login-failed"] == 3
    assert events["back-fill-done"] >= 48
    house = open_house(setting)
    readings = house.readings.snapshot().read()
    assert readings["meter"].n_unique() == city.plan.meters.height - 24  # two gateways never got in
    assert not readings["meter"].str.starts_with("gw:").any()
    # By hand: all electricity that main meters, or branches where there is none, really used, less what no total can hold.
    spans = local_edges(DAY, date(2026, 3, 11), zone="Asia/Shanghai")
    _, used, _ = building_truth(city.plan, *[used_in_all(city.plan, spans)] * 2, CATALOG.items)
    names, known, _ = building_truth(city.plan, *meter_truth(city.plan, city.shown, spans), CATALOG.items)
    lost = city_truth(names, used)["01000"][0] - city_truth(names, known)["01000"][0]
    told = check_city(rows).filter(item="01000", period=str(DAY))["house"][0]
    assert told + lost == pytest.approx(city_truth(names, used)["01000"][0])
    words = ("gateway", "simulate", str(tmp_path / "city"), "--check", "-w", str(tmp_path / "w"))
    compared = answer(capsys, *words)["compared"]
    assert max(abs(row["difference"]) for row in compared) < 1e-3
    assert lost > 0


@pytest.mark.soak
def test_a_day_of_a_thousand_gateways(tmp_path: Path) -> None:
    city = city_of(gateways=1000, meters=12, since=None, faults=None)
    assert city.plan.meters.height == 12_000
    _, played, _, rows = play_a_day(tmp_path, city)
    is_the_truth(city, played, rows)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_city(city_of(gateways=20, meters=3, faults=None, seed=7), tmp_path / folder, CATALOG)
    write_city(city_of(gateways=20, meters=3, faults=None, seed=8), tmp_path / "other", CATALOG)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 9
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    same = {
        name for name in names if (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    }
    assert same <= {"events.csv"}
    assert (tmp_path / "one" / "gateways.csv").stat().st_mode & 0o077 == 0
    record = open_city(tmp_path / "one")
    again = make_city(record, CATALOG, [np.random.default_rng([record.seed, part]) for part in (0, 1)])
    assert np.array_equal(again.plan.use, city_of(gateways=20, meters=3, faults=None, seed=7).plan.use)
    with pytest.raises(InputError, match=r"city\.json"):
        open_city(tmp_path)


def test_faults_change_nothing_of_the_city() -> None:
    calm, troubled = (city_of(gateways=20, meters=3, faults=faults) for faults in ((), None))
    assert np.array_equal(calm.plan.use, troubled.plan.use)
    assert calm.plan.meters.equals(troubled.plan.meters)
    assert calm.plan.gateways == troubled.plan.gateways


def test_a_city_is_one_a_bureau_would_know() -> None:
    city = city_of(gateways=40, meters=12)
    plan = city.plan
    assert plan.meters.height == 480
    assert plan.buildings["building"].is_unique().all()
    assert plan.meters["meter"].is_unique().all()
    assert plan.buildings["building"].str.contains(r"^3702\d\d[A-G]\d{3}$").all()
    assert {gateway.gateway for gateway in plan.gateways} == {"01", "02"}
    assert not plan.buildings["main"].all()
    amount = used_in_all(plan, local_edges(DAY, date(2026, 3, 11), zone="Asia/Shanghai"))[:, 0]
    table = plan.meters.with_columns(amount=pl.Series(amount))
    main = dict(table.filter(item="01000").select("building", "amount").iter_rows())
    parts = (
        table.filter(pl.col("item").is_in(["01A00", "01B00", "01C00", "01D00"]))
        .group_by("building")
        .agg(pl.col("amount").sum())
    )
    for building, sum_of_parts in parts.iter_rows():
        if building in main:
            assert 0 < main[building] - sum_of_parts < 0.05 * main[building]
    rated = plan.meters.with_columns(peak=pl.Series((plan.use * plan.milli[:, None]).max(axis=1) * 4 / 1000))
    assert rated.filter(pl.col("peak") > pl.col("rated") * 1.1).is_empty()
    assert ((plan.start + plan.use.sum(axis=1)) < plan.full_scale).all()
    assert repr(plan.gateways[0]).count(plan.gateways[0].secret) == 0


def test_calendar_and_weather_show_in_the_loads() -> None:
    def electricity(day: date, item: str) -> float:
        plan = plan_city(CityOptions(day=day, since=day, gateways=30), CATALOG, rng=np.random.default_rng(4))
        office = plan.buildings.filter(pl.col("type").str.ends_with("office"))["building"]
        rows = plan.meters.with_row_index("row").filter(pl.col("building").is_in(office.implode()), item=item)["row"]
        return float((plan.use[rows.to_numpy()].sum(axis=1) * plan.milli[rows.to_numpy()]).sum())

    workday, saturday, made_up = date(2026, 3, 10), date(2026, 3, 14), date(2026, 2, 14)
    assert electricity(saturday, "01A00") < 0.7 * electricity(workday, "01A00")
    kinds = {row.year: row for row in CATALOG.holidays if row.place == "cn"}
    assert made_up in kinds[2026].worked  # a Saturday that was worked
    assert electricity(made_up, "01A00") > 0.9 * electricity(workday, "01A00")
    assert electricity(date(2026, 7, 21), "01B00") > 1.5 * electricity(date(2026, 4, 21), "01B00")
    assert electricity(date(2026, 7, 21), "04000") == 0  # no district heat in summer
    assert electricity(date(2026, 1, 20), "04000") > 0


def test_given_weather_is_taken() -> None:
    options = CityOptions(day=DAY, since=DAY, gateways=5)
    cold, hot = (
        plan_city(options, CATALOG, rng=np.random.default_rng(4), temperature=np.full((1, 24), value))
        for value in (20.0, 36.0)
    )
    rows = cold.meters.with_row_index("row").filter(item="01B00")["row"].to_numpy()
    assert (hot.use[rows] * hot.milli[rows, None]).sum() > 3 * (cold.use[rows] * cold.milli[rows, None]).sum()
    with pytest.raises(ValueError, match="shape"):
        plan_city(options, CATALOG, rng=np.random.default_rng(4), temperature=np.zeros((2, 24)))
    winter, summer = (
        temperatures(day, 30, rng=np.random.default_rng(1)).mean() for day in (date(2026, 1, 5), date(2026, 7, 15))
    )
    assert summer - winter > 18


def test_truth_by_hand() -> None:
    city = city_of(minutes=30, meters=1, faults=[])
    plan = city.plan
    use = np.zeros((1, 48), np.int64)
    use[0, :4] = [100, 200, 400, 800]  # half hours from midnight
    plan = plan.__class__(**{**vars(plan), "use": use})
    scale = plan.meters["multiplier"][0] / 100
    hours = local_edges(DAY, date(2026, 3, 11), zone="Asia/Shanghai", hours=1)

    def truth(*faults: Fault) -> tuple[list[float], list[float]]:
        amount, covered = meter_truth(plan, show(plan, faults), hours)
        return (amount[0, :3] / scale).tolist(), covered[0, :3].tolist()

    assert truth() == ([300, 1200, 0], [3600, 3600, 3600])
    # 01:00 does not arrive: 200 + 400 are shared out evenly from 0:30 to 1:30.
    assert truth(Fault(FaultKind.UNREADABLE, 0, 2, 2)) == ([400, 1100, 0], [3600, 3600, 3600])
    # The step to 01:30 is not known.
    assert truth(Fault(FaultKind.NEGATIVE, 0, 3, 3, meter=0)) == ([300, 800, 0], [3600, 1800, 3600])
    # Silent from 01:30 on.
    assert truth(Fault(FaultKind.SILENT, 0, 3, 48)) == ([300, 0, 0], [3600, 0, 0])
    # The meter stood still from 00:30 to 01:30.
    assert truth(Fault(FaultKind.ZERO_RUN, 0, 2, 3, meter=0)) == ([100, 800, 0], [3600, 3600, 3600])
    assert truth(Fault(FaultKind.WRONG_KEY, 0, 0, 48)) == ([0, 0, 0], [0, 0, 0])


def test_what_is_refused() -> None:
    with pytest.raises(ValidationError, match="whole number"):
        CityOptions(day=DAY, minutes=7)
    with pytest.raises(ValidationError, match="after the day"):
        CityOptions(day=DAY, since=date(2026, 3, 11))
    with pytest.raises(UnknownNameError):
        plan_city(CityOptions(day=DAY, place="atlantis"), CATALOG, rng=np.random.default_rng(1))
    with pytest.raises(UsageError, match="no districts"):
        plan_city(CityOptions(day=DAY, place="qingdao-shinan"), CATALOG, rng=np.random.default_rng(1))


def test_the_files_are_those_that_a_person_would_import(tmp_path: Path) -> None:
    city = city_of(gateways=3, meters=4, faults=[Fault(FaultKind.REPLACEMENT, 1, 40, 40, meter=4)])
    write_city(city, tmp_path, CATALOG)
    with (tmp_path / "faults.csv").open(encoding="utf-8") as stream:
        row = next(csv.DictReader(stream))
    assert (row["故障"], row["起"], row["后果"]) == ("replacement", "2026-03-10 10:00:00", "nothing")
    with (tmp_path / "events.csv").open(encoding="utf-8") as stream:
        event = next(csv.DictReader(stream))
    assert event["at"] == "2026-03-10T01:52:30Z"  # 09:52:30 in China, half a step before the reading
    hours = pl.read_parquet(tmp_path / "truth-hours.parquet")
    assert hours.height == 12 * 24
    with (tmp_path / "truth-city.csv").open(encoding="utf-8") as stream:
        total = {(row["item"], row["period"]): float(row["metered"]) for row in csv.DictReader(stream)}
    mains = hours.filter(pl.col("item") == "01000")["metered"].sum()
    assert total["01000", "2026-03-10"] == pytest.approx(mains, abs=0.01)

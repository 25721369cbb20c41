"""Invented cities for tests of the gateway: small ones, a plain centre that they report to, and documents of a lower centre."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from dafeng.base.meter import Meter
from dafeng.catalog import load_catalog
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.session import CentreSession, Closed, Noted, Packet, Send, SessionLimits, Store
from dafeng.gateway.simulator_faults import Fault, show
from dafeng.gateway.simulator_files import City, CityRecord, account_of, make_city
from dafeng.gateway.simulator_plan import CityOptions
from dafeng.gateway.simulator_player import Played, PlayOptions, play_city
from dafeng.reports.energy_xml import archive_frame, daily_pack
from dafeng.workflow.metering_gateway import SENT_SCHEMA, GatewayArchive, gateway_rows, tie_readings

CATALOG = load_catalog()
PROFILES = dict(CATALOG.gateway_profiles)
DAY = date(2026, 3, 10)
CENTRE = Account(building="370200", gateway="00", profile="N", keys=Keys(bytes(range(16)), secret="of the centre"))
POINT = ["building", "gateway", "meter", "function"]


def city_of(*, seed: int = 1, faults: Iterable[Fault] | None = (), **options: object) -> City:
    """Return a city; with these faults, or the usual ones where None."""
    chosen = {"day": DAY, "since": DAY, "gateways": 1, "meters": 2, **options}
    record = CityRecord(options=CityOptions.model_validate(chosen), seed=seed, faults=None if faults is None else {})
    city = make_city(record, CATALOG, [np.random.default_rng([seed, part]) for part in (0, 1)])
    return city if faults is None else City(record, city.plan, show(city.plan, faults))


class Heard(NamedTuple):
    """What a plain centre heard of a city."""

    played: Played
    packets: list[Packet]
    events: Counter[str]
    reads: int


def hear(city: City, *, dies_after: int = 0, **options: object) -> Heard:
    """Play a city against a centre that keeps what it gets in memory; it may die after so many packets, and come back."""
    accounts = {
        (one.building, one.gateway): account_of(one, zone=city.record.options.zone) for one in city.plan.gateways
    }
    packets: list[Packet] = []
    events: Counter[str] = Counter()
    reads = 0
    digits = itertools.count(10_000_000)
    died = asyncio.Event()
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reads
        session = CentreSession(
            lambda building, gateway: accounts.get((building, gateway)),
            challenge=lambda: str(next(digits)),
            profiles=PROFILES.values(),
            limits=SessionLimits(most=1 << 18),
            keys=lambda: [one.keys for one in accounts.values()],
        )
        open_now.add(writer)
        try:
            while data := await reader.read(1 << 16):
                reads += 1
                if 0 < dies_after <= len(packets) and not died.is_set():
                    died.set()
                    return
                for step in session.receive(data, datetime.now(UTC)):
                    match step:
                        case Send():
                            writer.write(step.data)
                        case Store():
                            packets.append(step.packet)
                            writer.write(session.acknowledge(step.packet, datetime.now(UTC)))
                        case Noted():
                            events[step.event] += 1
                        case Closed():
                            return
                await writer.drain()
        except OSError:
            pass  # the gateway hung up
        finally:
            open_now.discard(writer)
            writer.close()

    async def die_and_come_back(server: asyncio.Server, port: int) -> asyncio.Server:
        await died.wait()
        server.close()
        for writer in list(open_now):
            writer.transport.abort()
        await asyncio.sleep(0.5)
        return await asyncio.start_server(serve, "127.0.0.1", port)

    async def run() -> Played:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        later = asyncio.ensure_future(die_and_come_back(server, port))
        chosen = PlayOptions.model_validate({"port": port, "retry": 0.1, "pause": 0.02, **options})
        try:
            return await play_city(city, chosen, PROFILES, clock=lambda: datetime.now(UTC))
        finally:
            server.close()
            if died.is_set():
                (await later).close()
            later.cancel()
            await asyncio.sleep(0.05)

    return Heard(asyncio.run(run()), packets, events, reads)


def rows_of(city: City, packets: Iterable[Packet]) -> pl.DataFrame:
    """Return packets as readings of the city's meters, as the way into the lake makes them."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    sent = [
        (number, packet.building, packet.gateway, packet.operation, packet.sequence,
         (packet.at - epoch) // timedelta(microseconds=1), number, *reading)
        for number, packet in enumerate(packets)
        for reading in packet.readings
    ]  # fmt: skip
    archive = city.plan.meters.select("building", "gateway", "function", "item", meter="address", house_meter="meter")
    frame = pl.DataFrame(sent, schema=SENT_SCHEMA, orient="row")
    late = pl.col("received_at").dt.offset_by("60y")  # after every instant, in the order received
    return gateway_rows(
        tie_readings(frame, GatewayArchive(archive.select(*POINT, "house_meter", "item")))
    ).with_columns(late)


def meters_of(city: City) -> list[Meter]:
    """Return the meters of a city as the ledger gives them."""
    return [
        Meter(
            id=row["meter"], building=row["building"], carrier=row["carrier"], item=row["item"], unit=row["unit"],
            multiplier=row["multiplier"], rated_power=row["rated"], modulus=row["modulus"], valid_from=date(2020, 1, 1),
        )
        for row in city.plan.meters.iter_rows(named=True)
    ]  # fmt: skip


def day_pack(
    values: dict[int, float], *, day: date = DAY, building: str = "370202A001", centre: str = "370200"
) -> bytes:
    """Return the daily files of a lower centre: hour of the day to electricity of one building."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    starts = [start + timedelta(hours=hour) for hour in values]
    hours = pl.DataFrame(
        {
            "building": [building] * len(values),
            "item": ["01000"] * len(values),
            "start": starts,
            "end": [one + timedelta(hours=1) for one in starts],
            "value": list(values.values()),
        },
        schema_overrides={"start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
    )
    none = archive_frame([], centre=centre, districts={})
    return daily_pack(centre=centre, day=day, archives=none, hours=hours, equivalents={"01000": 0.1229}).package

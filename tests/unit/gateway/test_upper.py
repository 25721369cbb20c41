"""Documents to the upper centre: what goes up, what is taken, what breaks off, comes twice, changes, or is not one's own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.errors import InputError
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.message_xml import BodyFault
from dafeng.gateway.messages import Common, LoginRequest
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.registry import Registry
from dafeng.gateway.session import Closed, GatewayState, Noted, Packet, Send, SessionLimits, encode_message
from dafeng.gateway.simulator_files import prepare_workspace, write_city
from dafeng.gateway.simulator_script import script_of
from dafeng.gateway.upper_messages import (
    Ask,
    Finish,
    Missing,
    Offer,
    Offered,
    Part,
    PartTaken,
    Receipt,
    read_upload,
    write_upload,
)
from dafeng.gateway.upper_receiving import UpperLimits, UpperReceiver
from dafeng.gateway.upper_sending import Sent, UploadOptions, due_documents, send_documents
from dafeng.gateway.upper_server import UpperServer
from dafeng.gateway.upper_session import CityEnd, ProvinceEnd, Uploaded
from dafeng.gateway.upper_store import Document, UpperStore
from dafeng.lake import Workspace
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_rollup import roll_up_meters
from dafeng.workflow.setting import Setting
from gateway_city import CATALOG, CENTRE, DAY, PROFILES, city_of, day_pack, rows_of

NOON = datetime(2026, 3, 11, 2, tzinfo=UTC)  # ten in the morning in China


def workspace(folder: Path, place: str) -> Setting:
    return Setting(CATALOG, Workspace.create(folder, title="试", place=place))


class Province:
    """A province whose clock stands where it is put."""

    def __init__(self, folder: Path, **limits: object) -> None:
        self.setting = workspace(folder, "shandong")
        self.connection = open_database(folder / DATABASE_FILE)
        Registry(self.connection).put(CENTRE, at=NOON)
        self.now = NOON
        self.receiver = UpperReceiver(
            self.setting,
            self.connection,
            clock=lambda: self.now,
            limits=UpperLimits(**limits),  # type: ignore[arg-type]
        )

    def take(
        self, data: bytes, kind: str = "daily", period: str = str(DAY), *, part: int = 1 << 20, centre: str = "370200"
    ) -> Receipt | Offered:
        """Hand over a document and return the receipt, or why it was not wanted."""
        sha = hashlib.sha256(data).hexdigest()
        said = self.receiver.answer(centre, Offer(kind, period, f"{centre}.zip", len(data), sha))
        while isinstance(said, Offered | PartTaken) and getattr(said, "state", "send") == "send":
            at = said.offset
            more = Part(sha, at, data[at : at + part]) if at < len(data) else Finish(sha)
            said = self.receiver.answer(centre, more)
        assert isinstance(said, Receipt | Offered)
        return said

    def hours(self) -> dict[int, float | None]:
        """Return what counts: hour of the local day to value."""
        rows = open_house(self.setting).readings.snapshot().read()
        newest = rows.sort("received_at").unique(["meter", "at", "start"], keep="last")
        local = newest.select(pl.col("start").dt.convert_time_zone("Asia/Shanghai").dt.hour(), "value")
        return dict(local.sort("start").iter_rows())


@pytest.fixture
def province(tmp_path: Path) -> Iterable[Province]:
    made = Province(tmp_path / "p")
    yield made
    made.connection.close()


def test_a_day_is_kept_and_imported_once(province: Province) -> None:
    data = day_pack({0: 10.0, 1: 20.0})
    receipt = province.take(data, part=100)
    assert (receipt.state, receipt.values, receipt.refused) == ("imported", 2, 0)  # type: ignore[union-attr]
    assert province.hours() == {0: 10.0, 1: 20.0}
    sha = hashlib.sha256(data).hexdigest()
    assert province.setting.workspace is not None
    assert province.setting.workspace.document(sha).read_bytes() == data
    again = province.take(data)
    assert (again.state, again.sha256) == ("done", sha)
    assert open_house(province.setting).readings.snapshot().read().height == 2
    assert list(province.receiver.folder.iterdir()) == []


def test_an_upload_goes_on_where_it_broke_off(province: Province) -> None:
    data = day_pack({hour: float(hour) for hour in range(24)})
    sha = hashlib.sha256(data).hexdigest()
    offer = Offer("daily", str(DAY), "a.zip", len(data), sha)
    assert province.receiver.answer("370200", offer) == Offered(sha, "send", 0)
    assert province.receiver.answer("370200", Part(sha, 0, data[:300])) == PartTaken(sha, 300)
    assert province.receiver.answer("370200", Part(sha, 900, data[900:])).offset == 300  # type: ignore[union-attr]
    assert province.receiver.answer("370200", Part(sha, 0, data[:300])).offset == 300  # type: ignore[union-attr]
    assert province.receiver.answer("370200", Finish(sha)) == Offered(sha, "send", 300)
    fresh = UpperReceiver(province.setting, province.connection, clock=lambda: NOON)  # the server was started anew
    assert fresh.answer("370200", Part(sha, 300, data[300:])).state == "refused"  # type: ignore[union-attr]
    assert fresh.answer("370200", offer) == Offered(sha, "send", 300)
    fresh.answer("370200", Part(sha, 300, data[300:]))
    assert fresh.answer("370200", Finish(sha)).state == "imported"  # type: ignore[union-attr]
    assert province.hours() == {hour: float(hour) for hour in range(24)}


def test_spoilt_parts_are_sent_again(province: Province) -> None:
    data = day_pack({0: 10.0})
    sha = hashlib.sha256(data).hexdigest()
    province.receiver.answer("370200", Offer("daily", str(DAY), "a.zip", len(data), sha))
    province.receiver.answer("370200", Part(sha, 0, data[:-1] + b"x"))
    said = province.receiver.answer("370200", Finish(sha))
    assert isinstance(said, Offered)
    assert (said.state, said.offset) == ("send", 0)
    assert province.hours() == {}
    assert province.take(data).state == "imported"


def test_a_day_that_changes_takes_the_place_of_the_old_one_even_back_again(province: Province) -> None:
    first, second = day_pack({0: 10.0, 1: 20.0, 2: 30.0}), day_pack({0: 11.0, 1: 20.0})
    for minute, (data, expected) in enumerate(
        [
            (first, {0: 10.0, 1: 20.0, 2: 30.0}),
            (second, {0: 11.0, 1: 20.0, 2: None}),
            (first, {0: 10.0, 1: 20.0, 2: 30.0}),
        ]
    ):
        province.now = NOON + timedelta(minutes=minute)
        assert province.take(data).state == "imported"
        assert province.hours() == expected


def test_hours_come_before_their_day(province: Province) -> None:
    province.take(day_pack({9: 5.0}), "hourly", f"{DAY}T09")
    province.now += timedelta(minutes=1)
    province.take(day_pack({10: 7.0}), "hourly", f"{DAY}T10")
    assert province.hours() == {9: 5.0, 10: 7.0}
    province.now += timedelta(minutes=1)
    province.take(day_pack({9: 5.5}))
    assert province.hours() == {9: 5.5, 10: None}  # the day no longer knows ten o'clock


REFUSED = {
    "another centre": (day_pack({0: 1.0}, centre="370300"), "daily", str(DAY), "370300"),
    "buildings of another city": (day_pack({0: 1.0}, building="370302A001"), "daily", str(DAY), "370302A001"),
    "another day": (day_pack({0: 1.0}), "daily", "2026-03-09", "2026-03-10"),
    "another hour": (day_pack({0: 1.0, 5: 2.0}), "hourly", f"{DAY}T05", "1 个小时值"),
    "no package": (b"nothing of the kind", "daily", str(DAY), ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_ones_own_is_refused_with_a_reason(province: Province, case: str) -> None:
    data, kind, period, said = REFUSED[case]
    receipt = province.take(data, kind, period)
    assert receipt.state == "refused"
    assert said in receipt.detail
    assert province.hours() == {}
    assert province.receiver.store.received("370200")["state"].to_list() == ["refused"]
    assert province.take(day_pack({0: 1.0})).state == "imported"


@pytest.mark.parametrize(
    "offer",
    [
        Offer("weekly", str(DAY), "a.zip", 10, "a" * 64),
        Offer("daily", "2026-02-30", "a.zip", 10, "a" * 64),
        Offer("daily", str(DAY), "../../etc/passwd", 10, "a" * 64),
        Offer("daily", str(DAY), "a.zip", 0, "a" * 64),
        Offer("daily", str(DAY), "a.zip", 1 << 39, "a" * 64),
    ],
)
def test_offers_that_cannot_be(province: Province, offer: Offer) -> None:
    said = province.receiver.answer("370200", offer)
    assert isinstance(said, Offered)
    assert said.state == "refused"
    assert not province.receiver.folder.exists()


def test_unfinished_documents_are_few(tmp_path: Path) -> None:
    province = Province(tmp_path / "p", open=2)
    for number in range(4):
        sha = f"{number}" * 64
        province.receiver.answer("370200", Offer("daily", str(DAY), "a.zip", 100, sha))
        province.receiver.answer("370200", Part(sha, 0, b"x" * 50))
    assert len(list(province.receiver.folder.iterdir())) == 2
    province.connection.close()


def test_late_and_missing_days_are_named(province: Province) -> None:
    province.take(day_pack({0: 1.0}))  # at ten in the morning after: in time
    province.take(day_pack({0: 1.0}, day=date(2026, 3, 8)), period="2026-03-08")  # more than a day late
    said = province.receiver.answer("370200", Ask("2026-03-08", "2026-03-12"))
    assert said == Missing(("2026-03-09",), ("2026-03-08",))  # the eleventh is not over
    assert province.receiver.answer("370200", Ask("2026-03-12", "2020-01-01")) == Missing((), ())


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    body = b'<root><upload operation="offer">' + data + b"</upload></root>"
    assert read_upload(body) is not None
    assert read_upload(data) is not None


@given(st.binary(max_size=3000), st.integers(0, 1 << 30), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_messages_are_read_as_they_were_written(data: bytes, offset: int, sha: str) -> None:
    common = Common("370200", "00")
    for message in (
        Part(sha, offset, data),
        Receipt(sha, "imported", offset, 0, "<&> 说明"),
        Missing(("2026-03-09",), ()),
        Offer("daily", str(DAY), "a.zip", offset, sha),
    ):
        assert read_upload(write_upload(message, common)) == message


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><root><upload operation="finish"><sha256>&a;</sha256></upload></root>',
        b'<root><upload operation="finish"><sha256>../x</sha256></upload></root>',
        b'<root><upload operation="part"><sha256>'
        + b"a" * 64
        + b"</sha256><offset>-1</offset><data></data></upload></root>",
        b'<root><upload operation="finish"/><upload operation="finish"/></root>',
        b"<root>" * 50,
    ],
)
def test_hostile_bodies_are_faults(body: bytes) -> None:
    assert isinstance(read_upload(body), BodyFault)


def test_nothing_is_taken_before_login() -> None:
    limits = SessionLimits()
    centre = ProvinceEnd(lambda building, gateway: CENTRE, challenge=lambda: "12345678", profiles=PROFILES.values(), limits=limits,
                         keys=lambda: [CENTRE.keys])  # fmt: skip
    city = CityEnd(CENTRE, PROFILES["N"])
    assert city.say(Finish("a" * 64)) == b""
    city.state = GatewayState.READY  # it pretends
    steps = centre.receive(city.say(Finish("a" * 64)), NOON)
    assert [type(step) for step in steps if not isinstance(step, Noted)] == [Closed]
    assert not any(isinstance(step, Uploaded) for step in steps)


def test_documents_pass_after_login_and_readings_do_not_count() -> None:
    centre = ProvinceEnd(lambda building, gateway: CENTRE, challenge=lambda: "12345678", profiles=PROFILES.values(),
                         limits=SessionLimits(), keys=lambda: [CENTRE.keys])  # fmt: skip
    city = CityEnd(CENTRE, PROFILES["N"])
    data = [step.data for step in city.open(NOON) if isinstance(step, Send)]
    for _ in range(4):
        back = [step.data for one in data for step in centre.receive(one, NOON) if isinstance(step, Send)]
        data = [step.data for one in back for step in city.receive(one, NOON) if isinstance(step, Send)]
    assert (centre.state, city.state) == ("ready", "ready")
    steps = centre.receive(city.say(Ask("2026-03-01", "2026-03-02")), NOON)
    assert [step.upload for step in steps if isinstance(step, Uploaded)] == [Ask("2026-03-01", "2026-03-02")]
    back = city.receive(centre.say(Missing((), ())), NOON)
    assert [step.upload for step in back if isinstance(step, Uploaded)] == [Missing((), ())]
    stranger = encode_message(LoginRequest(Common("370200", "01")), PROFILES["N"], CENTRE.keys)
    assert centre.receive(stranger, NOON)  # a login anew, as another: it is asked again


def packets_of(city: object) -> list[Packet]:
    """Return every reading of a city as if it had arrived."""
    found = []
    for number, gateway in enumerate(city.plan.gateways):  # type: ignore[attr-defined]
        script = script_of(city, number)  # type: ignore[arg-type]
        for report in map(script.report, range(len(city.plan.times))):  # type: ignore[attr-defined]
            at = report.at.replace(tzinfo=UTC) - timedelta(hours=8)
            found.append(
                Packet(gateway.building, gateway.gateway, "report", report.sequence, at, at, report.readings, "")
            )
    return found


def test_a_city_and_its_province_are_one_platform(tmp_path: Path) -> None:
    first = date(2026, 3, 1)  # its first eight hours lie in February, UTC
    clock = datetime(2026, 3, 2, 2, tzinfo=UTC)
    city = city_of(gateways=3, meters=6, faults=(), day=first, since=first)
    below, above = workspace(tmp_path / "c", "qingdao"), workspace(tmp_path / "p", "shandong")
    write_city(city, tmp_path / "city", CATALOG)
    prepare_workspace(city, tmp_path / "city", below, recorded_at=clock)
    rows = rows_of(city, packets_of(city))
    late = (pl.col("at") > datetime(2026, 3, 1, 12, tzinfo=UTC)) & pl.col("meter").str.ends_with("-01001")
    open_house(below).readings.append(rows.filter(~late), batch="in time")
    roll_up_meters(below, recorded_at=clock, threads=2, publishing=False)
    database = open_database(tmp_path / "p" / DATABASE_FILE)
    Registry(database).put(CENTRE, at=NOON)
    database.close()
    own = open_database(tmp_path / "c" / DATABASE_FILE)
    store = UpperStore(own)
    told: list[str] = []

    async def send(*, account: Account = CENTRE) -> Sent:
        server = UpperServer(above, clock=lambda: clock, host="127.0.0.1", told=lambda *said: told.append(said[0]))
        await server.start()
        options = UploadOptions(host="127.0.0.1", port=server.port, days_back=1, hours_back=2, part=4096, pause=0.01)
        # The port is the system's: what was sent is remembered under the name of the first.
        named = options.model_copy(update={"port": 1})
        due, unchanged, empty = due_documents(below, store, named, centre="370200", at=clock)
        try:
            sent = await send_documents(due, store, account, PROFILES["N"], options, clock=lambda: clock,
                                        ask=(date(2026, 2, 28), date(2026, 3, 2)), unchanged=len(unchanged), empty=empty)  # fmt: skip
        finally:
            await server.stop()
        own.execute("UPDATE OR REPLACE uploads_sent SET target = ?", (named.target,))
        return sent

    sent = asyncio.run(send())
    assert [(kind, period, receipt.state) for kind, period, receipt in sent.receipts] == [
        ("ledger", "2026-03-02", "imported"),
        ("daily", "2026-03-01", "imported"),
    ]
    assert sent.empty == ("2026-03-02T06", "2026-03-02T07")
    assert (sent.missing, sent.late, sent.waiting) == (("2026-02-28",), (), ())
    assert asyncio.run(send()).unchanged == 2
    wrong = CENTRE.model_copy(update={"keys": Keys(CENTRE.keys.key, CENTRE.keys.iv, secret="another")})
    with pytest.raises(InputError, match="不让 370200 登录"):
        asyncio.run(send(account=wrong))
    assert told.count("upper.login-failed") == 1
    # What comes late below is sent anew, and the province says the same as the city.
    open_house(below).readings.append(rows.filter(late), batch="late")
    clock += timedelta(minutes=5)
    roll_up_meters(below, recorded_at=clock, threads=2, publishing=False)
    sent = asyncio.run(send())
    assert [(kind, receipt.state) for kind, _, receipt in sent.receipts] == [("daily", "imported")]
    assert sent.unchanged == 1
    roll_up_meters(above, recorded_at=clock, threads=2, publishing=False)
    days = [
        open_house(one)
        .building_days.read(first, first + timedelta(days=1))
        .filter(line="total")
        .filter(pl.col("covered") > 0)
        for one in (below, above)
    ]
    both = days[0].join(days[1], on=["building", "item"], suffix="_above", how="full")
    top = both.filter(pl.col("item").is_in(["01000", "02000"]))
    assert top.height == 6
    assert top["covered"].to_list() == top["covered_above"].to_list() == [86400] * 6
    assert ((top["amount"] - top["amount_above"]).abs() < 24 * 0.005).all()  # the national form has two decimals
    known = (
        open_house(above)
        .place_months.read()
        .filter(place="shandong", building_class="all", end_use="all", carrier="electricity")
    )
    electricity = days[1].filter(item="01000")["amount"].sum()
    assert known["amount"][0] == pytest.approx(electricity)
    assert known["reporting"][0] == 3
    own.close()


def test_documents_wait_when_nobody_answers(tmp_path: Path) -> None:
    connection = open_database(tmp_path / DATABASE_FILE)
    store = UpperStore(connection)
    data = day_pack({0: 1.0})
    document = Document("daily", str(DAY), "a.zip", data, hashlib.sha256(data).hexdigest())
    options = UploadOptions(host="127.0.0.1", port=9, attempts=2, pause=0)  # nobody listens there
    sent = asyncio.run(send_documents([document], store, CENTRE, PROFILES["N"], options, clock=lambda: NOON))
    assert sent.waiting == (f"daily {DAY}",)
    assert store.sent().select("state", "attempts").rows() == [("waiting", 1)]
    connection.close()

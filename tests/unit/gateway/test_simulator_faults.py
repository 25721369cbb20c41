"""Each fault of the simulator, played over a real connection: what arrives, and what the platform makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dafeng.base.errors import UsageError
from dafeng.gateway.simulator_faults import EFFECTS, Effect, Fault, FaultKind, schedule_faults, show
from dafeng.gateway.simulator_files import City
from dafeng.metering.frames import bits_of
from gateway_city import PROFILES, Heard, city_of, hear, meters_of, rows_of
from metering_builders import CHECKS, Chain

STEP = 41  # the reading of 10:15, so that the step before it lies in the hour from 10 to 11


def played(kind: FaultKind, *, last: int = STEP, amount: float = 0.0, first: int = STEP) -> tuple[City, Heard, Chain]:
    """Return a city of one gateway with one fault, what its centre heard, and what metering makes of the main meter."""
    city = city_of(faults=[Fault(kind, 0, first, last, meter=0, amount=amount)], seed=3)
    heard = hear(city)
    meter = city.plan.meters["meter"][0]
    rows = rows_of(city, heard.packets)
    chain = Chain(rows, meters_of(city), events=city.shown.events if city.shown.events.height else None)
    chain.hours_of_main = chain.hours.filter(meter=meter)  # type: ignore[attr-defined]
    return city, heard, chain


def used(city: City) -> np.ndarray:
    """Return what the main meter really counted in each quarter of an hour: whole ticks times their size."""
    scale = city.plan.meters["multiplier"][0] / 10 ** city.plan.meters["decimals"][0]
    return city.plan.use[0] * scale


def hours_are(chain: Chain, quarters: Sequence[float] | np.ndarray, *, covered: dict[int, int] | None = None) -> None:
    table = chain.hours_of_main  # type: ignore[attr-defined]
    assert table["amount"].to_list() == pytest.approx(np.reshape(quarters, (24, 4)).sum(axis=1), abs=1e-6)
    seconds = [3600] * 24
    for hour, value in (covered or {}).items():
        seconds[hour] = value
    assert table["covered"].to_list() == seconds


LOSSLESS = [
    (FaultKind.ROLLOVER, STEP, None),
    (FaultKind.REPLACEMENT, STEP, None),
    (FaultKind.DUPLICATE, 60, "duplicate-pending"),
    (FaultKind.DISORDER, 60, None),
    (FaultKind.OUTAGE, 60, "back-fill"),
    (FaultKind.CRC, STEP, "frame-crc"),
    (FaultKind.OVERSIZE, STEP, "frame-oversize"),
    (FaultKind.SPLIT, 60, None),
    (FaultKind.MERGED, 60, None),
    (FaultKind.BAD_XML, STEP, "body-syntax"),
]


@pytest.mark.parametrize(("kind", "last", "event"), LOSSLESS, ids=[kind.value for kind, _, _ in LOSSLESS])
def test_a_fault_that_loses_nothing(kind: FaultKind, last: int, event: str | None) -> None:
    city, heard, chain = played(kind, last=last)
    assert EFFECTS[kind][0] is Effect.NOTHING
    hours_are(chain, used(city))
    assert heard.played.gateways[0].acked == set(range(97))
    if event is not None:
        assert heard.events[event] > 0 or (event == "duplicate-pending" and heard.events["duplicate"] > 0)
    match kind:
        case FaultKind.ROLLOVER:
            registers = chain.readings.filter(meter=city.plan.meters["meter"][0]).sort("at")["value"].to_list()
            assert registers[STEP] < registers[STEP - 2]
            assert (chain.intervals["flags"] & bits_of(CHECKS, "rollover") != 0).sum() == 1
        case FaultKind.REPLACEMENT:
            assert city.shown.events.select("kind", "after").rows() == [("replacement", 12.34)]
        case FaultKind.DISORDER:
            order = [int(packet.sequence) for packet in heard.packets]
            assert order != sorted(order)
            assert sorted(order) == list(range(1, 98))
        case FaultKind.OUTAGE:
            filled = {int(packet.sequence) - 1 for packet in heard.packets if packet.operation == "continuous"}
            assert set(range(STEP, 61)) <= filled
            assert heard.played.gateways[0].connections == 2
        case FaultKind.CRC | FaultKind.BAD_XML:
            assert heard.played.gateways[0].again >= 1


def test_segments_are_cut_and_joined() -> None:
    whole, cut, joined = (
        hear(city_of(faults=[Fault(kind, 0, 10, last)], seed=3), window=97)
        for kind, last in ((FaultKind.SPLIT, 9), (FaultKind.SPLIT, 80), (FaultKind.MERGED, 80))
    )
    assert len(whole.packets) == len(cut.packets) == len(joined.packets) == 97
    assert cut.reads > joined.reads


def test_gateways_come_back_after_the_centre_died() -> None:
    city = city_of(gateways=3, faults=[Fault(FaultKind.DUPLICATE, 1, 20, 60)], seed=3)
    heard = hear(city, dies_after=60, attempts=2)
    assert all(one.acked == set(range(97)) and one.kept == set() for one in heard.played.gateways)
    assert all(one.connections >= 2 for one in heard.played.gateways)
    back = {packet.sequence for packet in heard.packets if packet.operation == "continuous"}
    assert back  # what was under way came again
    hours_are_all(city, heard)


def hours_are_all(city: City, heard: Heard) -> None:
    """Check that what was heard says what every meter counted."""
    rows = rows_of(city, heard.packets).sort("received_at").unique(["meter", "at"], keep="last")
    for row, (meter, scale) in enumerate(zip(city.plan.meters["meter"], city.plan.milli / 1000, strict=True)):
        values = rows.filter(meter=meter).sort("at")["value"].to_numpy() * city.plan.meters["multiplier"][row]
        assert np.diff(values) == pytest.approx(city.plan.use[row] * scale, abs=1e-6)


def test_a_day_is_played_at_its_own_speed() -> None:
    city = city_of(faults=[], minutes=60)
    heard = hear(city, speed=86_400.0)
    assert 0.95 < heard.played.seconds < 5
    assert [packet.operation for packet in heard.packets] == ["report"] * 25


def test_negative_step_is_left_open() -> None:
    city, _, chain = played(FaultKind.NEGATIVE)
    quarters = used(city)
    assert quarters[STEP - 1] > 0
    quarters[STEP - 1] = 0
    hours_are(chain, quarters, covered={10: 2700})
    assert chain.hours_of_main["withheld"].to_list() == [0.0] * 24  # type: ignore[attr-defined]


def test_spike_stands_beside_the_total() -> None:
    city, _, chain = played(FaultKind.SPIKE, amount=3.0)
    quarters = used(city)
    rated = city.plan.meters["rated"][0]
    apart = chain.hours_of_main["withheld"][10]  # type: ignore[attr-defined]
    assert apart > 3 * rated / 4  # three times what the rating allows in a quarter of an hour
    assert apart == pytest.approx(quarters[STEP - 1] + 3 * rated / 4, rel=0.02)
    quarters[STEP - 1] = 0
    hours_are(chain, quarters, covered={10: 2700})


def test_zero_run_is_what_the_meter_said() -> None:
    city, _, chain = played(FaultKind.ZERO_RUN, last=STEP + 6)
    quarters = used(city)
    lost = quarters[STEP - 1 : STEP + 6].sum()
    assert lost > 0
    quarters[STEP - 1 : STEP + 6] = 0
    hours_are(chain, quarters)


@pytest.mark.parametrize(
    ("kind", "amount"), [(FaultKind.GARBLED, 0.0), (FaultKind.ERROR_MARK, 0.0), (FaultKind.ERROR_MARK, 1.0)]
)
def test_a_value_that_is_none_costs_its_neighbours_nothing(kind: FaultKind, amount: float) -> None:
    city, heard, chain = played(kind, first=40, last=40, amount=amount)  # 10:00, between two hours
    quarters = used(city)
    shared = quarters[39] + quarters[40]
    quarters[39], quarters[40] = shared / 2, shared / 2
    hours_are(chain, quarters)
    marks = rows_of(city, heard.packets).sort("at").filter(meter=city.plan.meters["meter"][0])["sent_as"].to_list()
    expected = {0.0: "192;text:", 1.0: "192"}[amount] if kind is FaultKind.ERROR_MARK else "text:FFFFFF.FF"
    assert marks[40] == expected


def test_unreadable_packet_is_given_up_and_its_neighbours_bridge_it() -> None:
    city, heard, chain = played(FaultKind.UNREADABLE, first=40, last=40)
    assert heard.played.gateways[0].kept == {40}
    assert heard.events["body-syntax"] >= 2
    quarters = used(city)
    shared = quarters[39] + quarters[40]
    quarters[39], quarters[40] = shared / 2, shared / 2
    hours_are(chain, quarters)


def test_drifting_clock_moves_hours_and_not_the_day() -> None:
    city, _, chain = played(FaultKind.DRIFT, first=38, last=48, amount=120)
    quarters = used(city)
    table = chain.hours_of_main  # type: ignore[attr-defined]
    assert table["amount"].sum() == pytest.approx(quarters.sum(), abs=1e-6)
    assert table["covered"].to_list() == [3600] * 24
    # Of the hour from 9 to 10 the reading of 10:00 is stamped 10:00:24, that of 9:45 9:45:12: so many seconds are missed.
    late = 24
    from_10 = quarters[39] * late / (900 + late - 12)
    assert table["amount"][9] == pytest.approx(quarters[36:40].sum() - from_10, abs=1e-6)


def test_drift_over_midnight_moves_energy_to_the_other_day() -> None:
    fault = Fault(FaultKind.DRIFT, 0, 90, 100, meter=0, amount=100)
    city = city_of(faults=[fault], seed=3, days=2)
    late = city.shown.late[0]
    assert late[96] == 60
    chain = Chain(rows_of(city, hear(city).packets), meters_of(city))
    days = chain.periods("day").filter(meter=city.plan.meters["meter"][0])["amount"].to_list()
    quarters = used(city)
    lost = quarters[95] * 60 / (900 + 60 - 50)  # of the step stamped from 23:45:50 to 00:01:00
    assert days[0] == pytest.approx(quarters[:96].sum() - lost, abs=1e-6)
    assert sum(days) == pytest.approx(quarters.sum(), abs=1e-6)


def test_silence_is_no_zero() -> None:
    city, heard, chain = played(FaultKind.SILENT, last=96)
    table = chain.hours_of_main  # type: ignore[attr-defined]
    assert table["hour"].len() == 10
    assert table["amount"].sum() == pytest.approx(used(city)[: STEP - 1].sum(), abs=1e-6)
    assert heard.played.gateways[0].acked == set(range(STEP))


@pytest.mark.parametrize(
    ("kind", "event"), [(FaultKind.WRONG_KEY, "wrong-key"), (FaultKind.WRONG_SECRET, "login-failed")]
)
def test_wrong_keys_let_nothing_in(kind: FaultKind, event: str) -> None:
    city = city_of(faults=[Fault(kind, 0, 0, 96)])
    heard = hear(city, attempts=2)
    assert heard.packets == []
    assert heard.events[event] == 2
    assert heard.events["login"] == 0
    assert heard.played.gateways[0].kept == set(range(97))
    assert heard.played.gateways[0].refused == 2


def test_every_kind_says_what_must_come_of_it_and_is_scheduled() -> None:
    assert set(EFFECTS) == set(FaultKind)
    city = city_of(gateways=60, meters=3)
    faults = schedule_faults(city.plan, rng=np.random.default_rng(5))
    assert {fault.kind for fault in faults} == set(FaultKind)
    apart = {fault.gateway for fault in faults if fault.effect in (Effect.LOST, Effect.MOVED)}
    assert all(len(show(city.plan, faults).of_gateway(number)) == 1 for number in apart)
    assert faults == schedule_faults(city.plan, rng=np.random.default_rng(5))
    assert schedule_faults(city.plan, rng=np.random.default_rng(5), shares={}) == ()


def test_a_spike_needs_a_rating() -> None:
    city = city_of(meters=7)
    row = city.plan.meters["item"].to_list().index("02000")
    with pytest.raises(UsageError, match="no rating"):
        show(city.plan, [Fault(FaultKind.SPIKE, 0, 5, 5, meter=row, amount=3.0)])


def test_every_profile_plays_with_every_fault_of_the_line() -> None:
    kinds = (FaultKind.CRC, FaultKind.BAD_XML, FaultKind.OVERSIZE, FaultKind.DUPLICATE, FaultKind.OUTAGE)
    profiles = tuple(PROFILES)
    faults = [
        Fault(kind, number, 10 + 10 * place, 10 + 10 * place + (5 if kind is FaultKind.OUTAGE else 0))
        for number in range(len(profiles))
        for place, kind in enumerate(kinds)
    ]
    city = city_of(gateways=len(profiles), profiles=profiles, faults=faults, seed=3)
    heard = hear(city)
    assert all(one.acked == set(range(97)) for one in heard.played.gateways)
    hours_are_all(city, heard)

"""Laws of the lake: whatever is published, by whom and in which order, reads say what a plain list of versions says."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from polars.testing import assert_frame_equal

from dafeng.base.observation import KEY, SCHEMA, observation_frame
from dafeng.lake import ObservationLake, Snapshot
from unit.lake.lake_builders import day, fact

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

# Arbitrary frames

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, object]:
    numbers = sorted(draw(st.lists(finite, min_size=3, max_size=3)))
    value = draw(st.sampled_from([numbers[1], None]))
    return {name: draw(texts) for name in KEY} | {
        "value": value,
        "low": draw(st.sampled_from([numbers[0], None, float("-inf")])),
        "high": draw(st.sampled_from([numbers[2], None, float("inf")])),
        "coverage": draw(st.none() | st.floats(0, 1)),
        "missing_reason": draw(texts) if value is None else None,
        "recorded_at": draw(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))),
        "published_on": draw(st.none() | st.dates()),
        "review": draw(st.none() | texts),
        "supersedes": None,
        "lineage": draw(st.none() | texts),
    }


frames = st.lists(rows(), max_size=6, unique_by=lambda row: tuple(row[name] for name in KEY)).map(
    lambda drawn: pl.DataFrame(drawn, schema=SCHEMA)
)


def bits(numbers: pl.Series) -> list[int | None]:
    values = numbers.to_list()
    return [None if value is None else int(np.float64(value).view(np.int64)) for value in values]


@given(frame=frames)
@settings(suppress_health_check=SLOW)
def test_what_is_published_is_read_back_bit_for_bit_and_once(frame: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = ObservationLake(Path(folder))
        first = lake.publish(frame, batch="one")
        again = lake.publish(frame, batch="one")
        copy = lake.publish(frame, batch="two")
        assert (first.appended, again.already, again.appended) == (frame.height, True, frame.height)
        assert (copy.appended, copy.unchanged) == (0, frame.height)
        back = lake.snapshot().read(include_withdrawn=True)
        assert_frame_equal(back.drop("version").sort(KEY), frame.sort(KEY), check_exact=True)
        for name in ("value", "low", "high", "coverage"):
            assert bits(back.sort(KEY)[name]) == bits(frame.sort(KEY)[name])
        assert back["version"].n_unique() == frame.height


@given(frame=frames, order=st.randoms(use_true_random=False))
@settings(suppress_health_check=SLOW)
def test_the_order_of_rows_does_not_matter(frame: pl.DataFrame, order: object) -> None:
    index = list(range(frame.height))
    order.shuffle(index)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        one, other = ObservationLake(Path(folder) / "a"), ObservationLake(Path(folder) / "b")
        one.publish(frame, batch="x")
        other.publish(frame[index], batch="x")
        assert_frame_equal(one.snapshot().read(), other.snapshot().read(), check_exact=True)
        assert one.publish(frame[index], batch="x").already


# Any sequence of publications, withdrawals, compactions and reads against a plain list


@dataclass
class Stored:
    """A version in the model."""

    place: str
    value: float | None
    published_on: date | None
    recorded: int
    withdrawn: bool = False

    def says(self) -> tuple[object, ...]:
        return (self.value, self.published_on, self.withdrawn)


PLACES = ("p0", "p1", "p2")
published_days = st.none() | st.integers(0, 4).map(lambda number: date(2025, 1, 1) + timedelta(days=number))
changes = st.lists(
    st.builds(Stored, st.sampled_from(PLACES), st.none() | st.sampled_from([0.0, -0.0, 1.0, 2.0]), published_days, st.integers(0, 4)),
    min_size=1,
    max_size=3,
    unique_by=lambda stored: stored.place,
)  # fmt: skip
clocks = st.none() | st.integers(-1, 5)


class LakeMachine(RuleBasedStateMachine):
    """The lake beside a list of versions in the order of publication."""

    @initialize(batch=changes)
    def start(self, batch: list[Stored]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.lake = ObservationLake(Path(self.folder.name))
        self.model: list[Stored] = []
        self.batches: dict[str, pl.DataFrame] = {}
        self.kept: list[tuple[Snapshot, list[Stored]]] = []
        self.add(batch)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def before(self, place: str, recorded: int) -> Stored | None:
        order = [
            (stored.recorded, index)
            for index, stored in enumerate(self.model)
            if stored.place == place and stored.recorded <= recorded
        ]
        return self.model[max(order)[1]] if order else None

    @rule(batch=changes, as_of=clocks, published_by=clocks)
    def publish(self, batch: list[Stored], as_of: int | None, published_by: int | None) -> None:
        self.add(batch)
        self.check(self.lake.snapshot(), self.model, as_of, published_by, True, False)

    def add(self, batch: list[Stored]) -> None:
        frame = observation_frame(
            fact(row.value, place=row.place, recorded=row.recorded, published_on=row.published_on) for row in batch
        )
        name = f"batch {len(self.batches)}"
        new = []
        for row in batch:
            earlier = self.before(row.place, row.recorded)
            if earlier is None or earlier.says() != row.says():
                new.append((row, earlier))
        told = self.lake.publish(frame, batch=name)
        self.model += [row for row, _ in sorted(new, key=lambda pair: pair[0].place)]
        self.batches[name] = frame
        assert (told.appended, told.unchanged) == (len(new), len(batch) - len(new))
        assert told.superseded == sum(earlier is not None for _, earlier in new)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def publish_again(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.batches)))
        assert self.lake.publish(self.batches[name], batch=name).already

    @rule(place=st.sampled_from(PLACES), later=st.integers(0, 2))
    def withdraw(self, place: str, later: int) -> None:
        newest = self.before(place, 99)
        if newest is None or newest.withdrawn:
            return
        version = self.lake.snapshot().history().filter(pl.col("place") == place)["version"][-1]
        recorded = newest.recorded + later
        batch = f"withdrawal {len(self.model)}"
        for already in (False, True):
            told = self.lake.withdraw([version], reason="错", recorded_at=day(recorded), batch=batch)
            assert (told.already, told.appended) == (already, 1)
        self.model.append(Stored(place, None, newest.published_on, recorded, withdrawn=True))

    @rule()
    def compact(self) -> None:
        self.lake.compact()

    @rule()
    def keep_a_snapshot(self) -> None:
        self.kept.append((self.lake.snapshot(), list(self.model)))

    @rule(as_of=clocks, published_by=clocks, whole_day=st.booleans(), withdrawn=st.booleans(), data=st.data())
    def read(
        self, as_of: int | None, published_by: int | None, whole_day: bool, withdrawn: bool, data: st.DataObject
    ) -> None:
        snapshot, model = data.draw(st.sampled_from([(self.lake.snapshot(), self.model), *self.kept]))
        self.check(snapshot, model, as_of, published_by, whole_day, withdrawn)

    def check(
        self,
        snapshot: Snapshot,
        model: list[Stored],
        as_of: int | None,
        published_by: int | None,
        whole_day: bool,
        withdrawn: bool,
    ) -> None:
        last = None if published_by is None else date(2025, 1, 1) + timedelta(days=published_by)
        counting: dict[str, Stored] = {}
        order = sorted(range(len(model)), key=lambda index: (model[index].recorded, index))
        for stored in (model[index] for index in order):
            known = as_of is None or stored.recorded <= as_of
            if known and (last is None or stored.published_on is None or stored.published_on <= last):
                counting[stored.place] = stored
        expected = {
            place: (stored.value, stored.published_on, day(stored.recorded))
            for place, stored in counting.items()
            if withdrawn or not stored.withdrawn
        }
        instant = None if as_of is None else day(as_of).date() if whole_day else day(as_of)
        read = snapshot.read(as_of=instant, published_by=last, include_withdrawn=withdrawn)
        assert read.height == len(expected)
        found = {row["place"]: row for row in read.iter_rows(named=True)}
        assert expected == {
            place: (row["value"], row["published_on"], row["recorded_at"]) for place, row in found.items()
        }
        assert snapshot.count == len(model)


def test_the_lake_says_what_a_plain_list_of_versions_says() -> None:
    profile = settings()
    run_state_machine_as_test(
        LakeMachine,
        settings=settings(
            profile,
            max_examples=min(profile.max_examples * 3 // 5, 300),
            stateful_step_count=15,
            suppress_health_check=SLOW,
        ),
    )


@pytest.mark.soak
def test_the_lake_says_what_a_plain_list_says_over_long_histories() -> None:
    run_state_machine_as_test(
        LakeMachine, settings=settings(settings(), max_examples=60, stateful_step_count=120, suppress_health_check=SLOW)
    )

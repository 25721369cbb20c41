"""Whatever is appended, compacted and vacuumed, in any order: nothing is lost, and the last received counts."""

import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dafeng.base.reading import READING_KEY
from dafeng.lake import ReadingLake
from unit.lake.reading_builders import frame_of, hour, reading

# Across a month's end, and so few keys that they meet.
READINGS = st.builds(
    lambda meter, at, begun, value, received: reading(
        meter, at, value, start=hour(at - 1) if begun else None, received_at=hour(received)
    ),
    st.sampled_from("abc"),
    st.integers(8, 16),
    st.booleans(),
    st.integers(0, 99).map(float),
    st.integers(20, 24),
)
STEPS = st.lists(
    st.one_of(
        st.lists(READINGS, min_size=1, max_size=12),
        st.sampled_from([("compact", 4), ("compact", 40), ("thorough", 8), ("vacuum", 1)]),
    ),
    min_size=1,
    max_size=6,
)


def counting(rows: list[dict[str, object]], received: int) -> pl.DataFrame:
    """Return what counts, one reading at a time."""
    found: dict[tuple[object, ...], dict[str, object]] = {}
    for row in rows:
        key = tuple(row[name] for name in READING_KEY)
        if row["received_at"] <= hour(received) and (  # type: ignore[operator]
            key not in found or row["received_at"] >= found[key]["received_at"]  # type: ignore[operator]
        ):
            found[key] = row
    return frame_of(*found.values()).sort(READING_KEY)


@settings(max_examples=8, deadline=None)
@given(STEPS)
def test_the_lake_answers_as_a_list_would(steps: list[object]) -> None:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        lake = ReadingLake(Path(folder))
        for number, step in enumerate(steps):
            if isinstance(step, list):
                lake.append(frame_of(*step), batch=f"b{number}")
                rows += step
            elif step[0] == "vacuum":  # type: ignore[index]
                lake.vacuum(spare=timedelta(0))
            else:
                lake.compact(rows_of_file=step[1], thorough=step[0] == "thorough")  # type: ignore[index]
        snapshot = lake.snapshot()
        assert snapshot.count == len(rows)
        assert_frame_equal(snapshot.read(as_of=hour(21)), counting(rows, 21))
        assert_frame_equal(snapshot.read(), counting(rows, 24))
        assert lake.verify() == []

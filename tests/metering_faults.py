"""A seeded generator of what happens to a running total between the meter and the platform."""

from datetime import timedelta

import numpy as np
import polars as pl

from dafeng.base.reading import EVENT_SCHEMA, READING_SCHEMA


def spoil(
    truth: pl.DataFrame,
    rng: np.random.Generator,
    *,
    modulus: float = 1000.0,
    gaps: int = 5,
    replacements: int = 2,
    spikes: int = 5,
    late: float = 0.1,
    twice: float = 0.05,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return readings as received, in any order, and events, of a true running total (columns at, total).

    The register rolls over at `modulus`; it is replaced by one that starts elsewhere; runs of readings are missing; single ones
    are garbled; some come late, twice, or first wrong and then corrected. The first and last reading arrive.
    """
    count = truth.height
    total, at = truth["total"].to_numpy(), truth["at"].to_list()
    kept = np.ones(count, bool)
    for _ in range(gaps):
        first = int(rng.integers(10, count - 40))
        kept[first : first + int(rng.integers(1, 30))] = False
    offset = np.zeros(count)
    events = []
    for index in sorted(rng.choice(np.arange(20, count - 20), replacements, replace=False)):
        before, after = (total[index] + offset[index]) % modulus, float(rng.uniform(0, modulus))
        events.append((at[index], before, after))
        offset[index:] += (after - before) - (offset[index] - offset[index - 1])
        kept[index] = False
        shift = after - (total[index] + offset[index]) % modulus
        offset[index:] += shift
    shown = (total + offset) % modulus
    garbled = shown.copy()
    inner = np.flatnonzero(kept[2:-2] & kept[1:-3] & kept[3:-1] & kept[:-4] & kept[4:]) + 2
    changed = {at.index(moment) for moment, _, _ in events}
    calm = [
        i
        for i in inner
        if np.all(np.diff(shown[i - 2 : i + 3]) >= 0) and not any(j in changed for j in range(i - 2, i + 4))
    ]
    for index in rng.choice(calm, min(spikes, len(calm)), replace=False) if calm else ():
        if kept[index - 3 : index + 4].all() and np.allclose(
            garbled[index - 3 : index + 4], shown[index - 3 : index + 4]
        ):
            garbled[index] = -1 if rng.random() < 0.3 else rng.uniform(0, max(shown[index - 1] - 0.01, 0.0))
    delay = [
        timedelta(hours=float(rng.exponential(200))) if rng.random() < late else timedelta(0) for _ in range(count)
    ]
    frame = pl.DataFrame(
        {"at": at, "value": garbled, "received_at": [one + two for one, two in zip(at, delay, strict=True)]}
    )
    frame = frame.filter(pl.Series(kept))
    again = frame.filter(pl.Series(rng.random(frame.height) < twice))
    wrong = again.with_columns(value=pl.col("value") / 2, received_at=pl.col("received_at"))
    again = again.with_columns(received_at=pl.col("received_at") + timedelta(days=1))
    keys = again["at"].implode()
    rows = pl.concat([frame.filter(~pl.col("at").is_in(keys)), wrong, again])
    readings = rows.select(
        "at",
        "value",
        "received_at",
        meter=pl.lit("m"),
        start=None,
        sent_as=pl.lit(""),
        origin=pl.lit("gateway"),
        lineage=pl.lit("test"),
    )
    readings = readings.cast({"start": READING_SCHEMA["start"]}).select(list(READING_SCHEMA)).cast(READING_SCHEMA)  # type: ignore[arg-type]
    table = [("m", when, None, "replacement", before, after, "op", "", when) for when, before, after in events]
    return readings.sample(fraction=1.0, shuffle=True, seed=int(rng.integers(1 << 30))), pl.DataFrame(
        table, schema=EVENT_SCHEMA, orient="row"
    )

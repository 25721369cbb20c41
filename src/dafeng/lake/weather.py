"""The lake of weather: hours and days of stations as append-only facts, what was measured and typical years side by side, never mixed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding
from dafeng.base.weather import WEATHER_KEY, WEATHER_SCHEMA, WEATHER_VARIABLES, Station, WeatherKind
from dafeng.lake.batches import NewRows, Published, append_batch, landed_batches
from dafeng.lake.delta import DeltaLog, library_errors
from dafeng.lake.durable import check_path
from dafeng.lake.identity import batch_digest, content_hashes

__all__ = ["STATION_SCHEMA", "WeatherLake"]

STATION_SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "name": pl.String(),
    "wmo": pl.String(),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "elevation": pl.Float64(),
    "utc_offset": pl.Float64(),
    "recorded_at": pl.Datetime("us", "UTC"),
}
"""Columns of stations; of several rows with one id the one recorded last counts."""
_SAID: Final = [*WEATHER_KEY, *WEATHER_VARIABLES, "source_year"]


class WeatherLake:
    """Weather as append-only facts.

    Parameters
    ----------
    folder : Path
        The lake of a workspace; weather lies in its folder ``weather``, made at the first batch.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 20, tzinfo=UTC)
    >>> hour = pl.DataFrame({name: [None] for name in WEATHER_SCHEMA}, schema=WEATHER_SCHEMA).with_columns(
    ...     dataset=pl.lit("met"), kind=pl.lit("actual"), station=pl.lit("54857"), start=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)),
    ...     hours=pl.lit(1, pl.Int16), temperature=pl.lit(-2.5), received_at=pl.lit(now))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lake = WeatherLake(Path(folder))
    ...     first = lake.append(hour, batch="one", station=Station(id="54857", name="青岛"))
    ...     again = lake.append(hour, batch="two", station=Station(id="54857", name="青岛"))
    ...     first.appended, again.unchanged, lake.read("54857")["temperature"].to_list()
    (1, 1, [-2.5])
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute() / "weather"
        check_path(self.folder)
        self._hours = DeltaLog(self.folder / "hours", WEATHER_SCHEMA)
        self._stations = DeltaLog(self.folder / "stations", STATION_SCHEMA)

    def __repr__(self) -> str:
        return f"WeatherLake({str(self.folder.parent)!r})"

    def append(self, frame: pl.DataFrame, *, batch: str, station: Station) -> Published:
        """Store a batch of one station's weather: wholly, once, and safe on the disk when this returns.

        Parameters
        ----------
        frame : DataFrame of `WEATHER_SCHEMA`
            One row of each key. A row that says what the newest row of its key says is left out as unchanged.
        batch : str
            Idempotent key. The same batch twice is one; other contents under a key that is taken are refused.
        station : Station
            Recorded first, where the lake does not know it as it is.

        Raises
        ------
        LakeError
            The rows are faulty, the batch id is taken by other contents, or the lake cannot be written. Nothing of the batch is
            stored then.
        """
        doing = f"append batch {batch} of weather"
        frame = _checked(frame, station, doing)
        self._record(station, frame, batch, doing)
        digest = batch_digest(content_hashes(frame, _SAID))

        def rows(table: DeltaTable) -> NewRows:
            with library_errors(doing, self.folder):
                known = self._current(self._scan(table)).filter(pl.col("station") == station.id).collect()
            same = frame.join(known.select(_SAID), on=_SAID, how="semi", nulls_equal=True)
            fresh = frame.join(same, on=list(WEATHER_KEY), how="anti")
            again = fresh.join(known, on=list(WEATHER_KEY), how="semi").height
            return NewRows(fresh.sort("start"), same.height, again)

        return append_batch(self._hours, self.folder, batch=batch, digest=digest, rows=rows, doing=doing)

    def _record(self, station: Station, frame: pl.DataFrame, batch: str, doing: str) -> None:
        row = station.model_dump() | {"recorded_at": frame["received_at"].max()}
        made = pl.DataFrame([row], schema=STATION_SCHEMA)
        said = [name for name in STATION_SCHEMA if name != "recorded_at"]
        digest = batch_digest(content_hashes(made, said))

        def rows(table: DeltaTable) -> NewRows:
            with library_errors(doing, self.folder):
                known = self._newest_stations(table).select(said).collect()
            fresh = made.join(known, on=said, how="anti", nulls_equal=True)
            return NewRows(fresh, made.height - fresh.height, 0)

        append_batch(self._stations, self.folder, batch=f"{batch}@{digest[:16]}", digest=digest, rows=rows, doing=doing)

    def _scan(self, table: DeltaTable | None) -> pl.LazyFrame:
        files = [file.path for file in self._hours.files(table)]
        if not files:
            return pl.LazyFrame(schema=WEATHER_SCHEMA)
        return pl.scan_parquet(files, schema=WEATHER_SCHEMA, include_file_paths="_file")

    @staticmethod
    def _current(frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the newest row of each key; of several received at one instant the one stored last."""
        if "_file" not in frame.collect_schema().names():
            frame = frame.with_columns(pl.lit("").alias("_file"))
        return (
            frame.sort("received_at", "_file", maintain_order=True)
            .unique(list(WEATHER_KEY), keep="last", maintain_order=True)
            .drop("_file")
        )

    def _newest_stations(self, table: DeltaTable | None) -> pl.LazyFrame:
        files = [file.path for file in self._stations.files(table)]
        frame = pl.scan_parquet(files, schema=STATION_SCHEMA) if files else pl.LazyFrame(schema=STATION_SCHEMA)
        return frame.sort("recorded_at", maintain_order=True).unique("id", keep="last", maintain_order=True)

    def stations(self) -> tuple[Station, ...]:
        """Return the stations, in order of their ids."""
        with library_errors("read the stations of the lake", self.folder):
            rows = self._newest_stations(self._stations.load()).sort("id").collect()
        return tuple(Station(**row) for row in rows.drop("recorded_at").iter_rows(named=True))

    def read(
        self,
        station: str,
        *,
        start: datetime | date | None = None,
        end: datetime | date | None = None,
        kind: WeatherKind = WeatherKind.ACTUAL,
        dataset: str | None = None,
        as_of: datetime | None = None,
    ) -> pl.DataFrame:
        """Return the weather of a station, in order of time.

        Parameters
        ----------
        station : str
        start, end : datetime or date, optional
            Half-open span of instants; a date begins at midnight UTC.
        kind : WeatherKind
            Measured weather; a typical year comes only where it is asked for.
        dataset : str, optional
            One of several that speak of the station.
        as_of : datetime, optional
            What was received until then.

        Raises
        ------
        LakeError
            Several datasets speak of the station and none was chosen, or files cannot be read.
        """
        with library_errors("read weather of the lake", self.folder):
            frame = self._scan(self._hours.load()).filter(pl.col("station") == station, pl.col("kind") == str(kind))
            if start is not None:
                frame = frame.filter(pl.col("start") >= _instant(start))
            if end is not None:
                frame = frame.filter(pl.col("start") < _instant(end))
            if dataset is not None:
                frame = frame.filter(pl.col("dataset") == dataset)
            if as_of is not None:
                frame = frame.filter(pl.col("received_at") <= as_of)
            found = self._current(frame).sort("start", "hours").collect()
        speakers = found["dataset"].unique().sort().to_list()
        if len(speakers) > 1:
            raise LakeError(
                f"{', '.join(speakers)} speak of station {station}",
                doing="read weather",
                expected="one dataset",
                next_step="name the dataset",
            )
        return found.select(WEATHER_SCHEMA.keys())

    def coverage(self) -> pl.DataFrame:
        """Return for each dataset, kind and station the first and last instant and the hours that lie between and are known."""
        with library_errors("read weather of the lake", self.folder):
            current = self._current(self._scan(self._hours.load()))
            return (
                current.filter(pl.col("temperature").is_not_null())
                .group_by("dataset", "kind", "station")
                .agg(
                    pl.col("start").min().alias("first"),
                    (pl.col("start") + pl.duration(hours=pl.col("hours"))).max().alias("last"),
                    pl.col("hours").cast(pl.Int64).sum().alias("hours"),
                )
                .sort("dataset", "kind", "station")
                .collect()
            )

    def batches(self) -> list[str]:
        """Return the ids of the batches, newest first."""
        table = self._hours.load()
        return [] if table is None else [str(entry["batch"]) for entry in landed_batches(table)]

    def verify(self) -> list[Finding]:
        """Return what is wrong with the log and its files."""
        return self._hours.verify() + self._stations.verify()


def _instant(moment: datetime | date) -> pl.Expr:
    if isinstance(moment, datetime):
        return pl.lit(moment).cast(pl.Datetime("us", "UTC"))
    midnight = datetime(moment.year, moment.month, moment.day) + timedelta(0)
    return pl.lit(midnight).dt.replace_time_zone("UTC")


def _checked(frame: pl.DataFrame, station: Station, doing: str) -> pl.DataFrame:
    problem = ""
    if dict(frame.schema) != WEATHER_SCHEMA:
        problem = "the columns are not those of weather"
    elif frame.is_empty():
        problem = "there is no row"
    elif frame.select(
        pl.any_horizontal(pl.col("station") != station.id, *(pl.col(name).is_null() for name in WEATHER_KEY)).any()
    ).item():
        problem = f"rows are of another station than {station.id}, or lack a key"
    elif frame.select(WEATHER_KEY).is_duplicated().any():
        problem = "two rows have one key"
    elif not set(frame["kind"].unique()) <= set(WeatherKind):
        problem = "a kind is neither actual nor typical"
    if problem:
        raise LakeError(
            problem, doing=doing, expected="rows as dafeng.intake.weather gives them", next_step="import the file anew"
        )
    return frame

"""Readings, bills, daily files, weather, pushes and events into a workspace: every row ends in a stated fate."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.listener import Listener, silent
from dafeng.base.reading import EVENT_SCHEMA, MeterEventKind
from dafeng.base.record import Record
from dafeng.base.weather import Station, WeatherKind
from dafeng.intake.energy_accounts import read_accounts
from dafeng.intake.energy_xml import read_daily_files
from dafeng.intake.meter_forms import MeterForm, find_meter_form
from dafeng.intake.meter_readings import ReadingOptions, read_meter_readings
from dafeng.intake.pushed import Pushed, read_push
from dafeng.intake.sheets import file_digest
from dafeng.intake.weather import read_epw, read_weather_table
from dafeng.lake import Published
from dafeng.lake.weather import WeatherLake
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.metering import (
    VIRTUAL_METER_SCHEMA,
    ZONE,
    MeterHouse,
    MeterRegister,
    know_meter,
    open_house,
    read_register,
    said_of,
)
from dafeng.workflow.setting import Setting

__all__ = [
    "MeterFileOutcome",
    "MeterImportOptions",
    "day_instant",
    "import_meter_file",
    "month_span",
    "push_readings",
    "record_event",
]

_NAMED: Final = 200


class MeterImportOptions(Record):
    """What a person says of a file that it does not say itself."""

    form: MeterForm | None = None
    """What the file holds; found where None."""
    zone: str = ZONE
    """Zone of times without offset."""
    kind: Literal["register", "interval"] | None = None
    """What the values are."""
    labelled: Literal["start", "end"] | None = None
    """Whether the time of an interval is its start or its end."""
    step: int | None = None
    """Length of an interval in minutes."""
    unit: str = ""
    """Unit where the file states none."""
    meter: str = ""
    """Meter of a table that names none."""
    keep_unknown: bool = False
    """Whether readings of meters that no ledger knows are stored."""
    company: str | None = None
    """Slug of the company whose accounts these are."""
    carrier: str | None = None
    """Carrier of the accounts."""
    closing_day: int | None = None
    """Day of the month on which the company reads its meters."""
    add_parts: bool = False
    """Whether several rows of one account and span are parts of it."""
    station: str | None = None
    """Weather station; the WMO number."""
    dataset: str | None = None
    """Who says what the weather was."""
    typical: bool = False
    """Whether a table of weather is a typical year."""


class MeterFileOutcome(Record):
    """What became of a file: every value counted once."""

    file: str
    """File name."""
    form: MeterForm
    """What it holds."""
    document: str
    """SHA-256 under which the workspace keeps it; empty for a folder."""
    counts: dict[str, int]
    """Values by fate."""
    meters: int = 0
    """Meters, accounts or items that were taken."""
    unknown: tuple[str, ...] = ()
    """Meters that no ledger knows."""
    first: datetime | None = None
    """First instant taken."""
    last: datetime | None = None
    """Last instant taken."""
    batch: str = ""
    """Name under which the values are stored; empty where nothing was."""
    appended: int = 0
    """Values stored by this import."""
    already: bool = False
    """Whether this very import had landed before."""
    findings: tuple[Finding, ...] = ()
    """What was found."""


def import_meter_file(
    setting: Setting,
    path: Path,
    options: MeterImportOptions | None = None,
    *,
    recorded_at: datetime,
    dry_run: bool = False,
    register: MeterRegister | None = None,
    listener: Listener = silent,
) -> MeterFileOutcome:
    """Read a file of metering, keep it, and store what was taken as one batch, named by its content.

    Parameters
    ----------
    setting : Setting
    path : Path
        Table of readings or bills, daily files (folder, zip or XML), or weather.
    options : MeterImportOptions, optional
    recorded_at : datetime
    dry_run : bool
        Read only.
    register : MeterRegister, optional
        Where several files are read; read from the workspace where None.
    listener : Listener

    Raises
    ------
    InputError
        The file cannot be read at all.
    NoWorkspaceError
        There is no workspace to keep it in.
    UsageError
        The company of bills, or the station of a table of weather, is not said.
    """
    house = open_house(setting)
    chosen = options or MeterImportOptions()
    form = chosen.form or find_meter_form(path)
    listener(f"读取 / read {path.name}", 0, None)
    if form is MeterForm.WEATHER:
        return _weather(setting, path, chosen, recorded_at=recorded_at, dry_run=dry_run)
    if form is MeterForm.ACCOUNTS:
        outcome, frame, virtual = _accounts(path, chosen, recorded_at)
    elif form is MeterForm.XML:
        outcome, frame, virtual = _daily_files(setting, path, chosen, recorded_at)
    else:
        known = register or read_register(setting, house)
        outcome, frame = _readings(path, chosen, known, recorded_at)
        virtual = None
    if not frame.is_empty():
        outcome = outcome.model_copy(update={**_reach(frame, "at"), "meters": frame["meter"].n_unique()})
    if dry_run or frame.is_empty():
        return outcome
    listener("入库 / store", 0, None)
    if path.is_file():
        house.workspace.put_document(path)
    batch = f"meter-{hashlib.sha256(f'{form} {said_of(frame)}'.encode()).hexdigest()[:32]}"
    if virtual is not None:
        _keep_virtual(house, virtual)
    landed: Published = house.readings.append(frame, batch=batch)
    stored = 0 if landed.already else landed.appended
    return outcome.model_copy(update={"batch": batch, "already": landed.already, "appended": stored})


def _reach(frame: pl.DataFrame, column: str) -> dict[str, Any]:
    """Return first and last instant."""
    return {"first": frame[column].min(), "last": frame[column].max()}


def _readings(
    path: Path, options: MeterImportOptions, register: MeterRegister, recorded_at: datetime
) -> tuple[MeterFileOutcome, pl.DataFrame]:
    taken = read_meter_readings(
        path,
        received_at=recorded_at,
        meters=register.meters,
        options=ReadingOptions(
            zone=options.zone,
            kind=options.kind,
            labelled=options.labelled,
            step=None if options.step is None else timedelta(minutes=options.step),
            unit=options.unit,
            meter=options.meter,
            unknown="keep" if options.keep_unknown else "refuse",
        ),
    )
    strange = taken.meters.filter(~pl.col("known"))["meter"].to_list()
    refused = taken.fates.filter(pl.col("reason") == "meter-unknown")["meter"].drop_nulls().unique().to_list()
    return MeterFileOutcome(
        file=taken.file,
        form=MeterForm.READINGS,
        document=taken.document,
        counts=taken.counts,
        unknown=tuple(sorted({*strange, *refused})[:_NAMED]),
        findings=taken.findings,
    ), taken.frame


def _accounts(
    path: Path, options: MeterImportOptions, recorded_at: datetime
) -> tuple[MeterFileOutcome, pl.DataFrame, pl.DataFrame]:
    if not options.company:
        raise UsageError(
            f"{path.name} 是户号账单，没有说是哪家公司的 / whose accounts",
            doing="import account data",
            expected="--company 公司简称，如 grid、gas、heat",
            next_step="加上 --company 重新导入",
        )
    taken = read_accounts(
        path,
        company=options.company,
        received_at=recorded_at,
        carrier=options.carrier,
        unit=options.unit,
        zone=options.zone,
        closing_day=options.closing_day,
        parts="add" if options.add_parts else "refuse",
    )
    blank = [pl.lit(None, pl.String).alias(name) for name in ("building", "item")]
    outcome = MeterFileOutcome(
        file=taken.file,
        form=MeterForm.ACCOUNTS,
        document=taken.document,
        counts=taken.counts,
        findings=taken.findings,
    )
    return outcome, taken.frame, taken.accounts.with_columns(blank).select(list(VIRTUAL_METER_SCHEMA))


def _daily_files(
    setting: Setting, path: Path, options: MeterImportOptions, recorded_at: datetime
) -> tuple[MeterFileOutcome, pl.DataFrame, pl.DataFrame]:
    catalog = setting.catalog
    taken = read_daily_files(
        path, received_at=recorded_at, zone=options.zone, places=catalog.places, items=catalog.items
    )
    local = pl.col("start").dt.convert_time_zone(options.zone).dt.date()
    spans = taken.hours.group_by("building", "item").agg(first=local.min(), last=local.max().dt.offset_by("1d"))
    units = {item.id: (item.carrier, item.unit) for item in catalog.items.values()}
    known = spans.filter(pl.col("item").is_in(list(units)))
    blank = [pl.lit(None, pl.String).alias(name) for name in ("company", "account", "name", "address", "place", "use")]
    virtual = known.with_columns(
        *blank,
        meter=pl.format("item:{}:{}", "building", "item"),
        carrier=pl.col("item").replace_strict({item: pair[0] for item, pair in units.items()}, default=None),
        unit=pl.col("item").replace_strict({item: pair[1] for item, pair in units.items()}, default=None),
    ).select(pl.col(name).cast(kind) for name, kind in VIRTUAL_METER_SCHEMA.items())
    outcome = MeterFileOutcome(
        file=path.name,
        form=MeterForm.XML,
        document="" if path.is_dir() else file_digest(path),
        counts={"accepted": taken.readings.height, **taken.counts},
        findings=taken.findings,
    )
    return outcome, taken.readings, virtual


def _keep_virtual(house: MeterHouse, rows: pl.DataFrame) -> None:
    spans = rows.select("meter", "first", last=pl.col("first").dt.offset_by("1d"))
    house.virtual.restate(rows, spans, made_from={"readings": house.readings.snapshot().version})


def _weather(
    setting: Setting, path: Path, options: MeterImportOptions, *, recorded_at: datetime, dry_run: bool
) -> MeterFileOutcome:
    workspace, _ = need_workspace(setting)
    if path.name.casefold().endswith((".epw", ".epw.gz")):
        taken = read_epw(path, received_at=recorded_at, dataset=options.dataset or "", station=options.station or "")
    else:
        if not options.station:
            raise UsageError(
                f"{path.name} 是天气表，没有说是哪个气象站的 / which station",
                doing="import weather",
                expected="--station 站号",
                next_step="加上 --station 和 --dataset 重新导入",
            )
        taken = read_weather_table(
            path,
            station=Station(id=options.station, name=options.station, wmo=options.station if options.station.isdigit() else ""),
            dataset=options.dataset or "measured",
            received_at=recorded_at,
            zone=None if options.zone == ZONE else options.zone,
            kind=WeatherKind.TYPICAL if options.typical else WeatherKind.ACTUAL,
        )  # fmt: skip
    outcome = MeterFileOutcome(
        file=taken.file,
        form=MeterForm.WEATHER,
        document=taken.document,
        counts=taken.counts,
        meters=1,
        **_reach(taken.frame, "start"),
        findings=taken.findings,
    )
    if dry_run or taken.frame.is_empty():
        return outcome
    workspace.put_document(path)
    batch = f"weather-{hashlib.sha256(f'{taken.document} {taken.station.id} {taken.kind} {options.dataset} {options.zone}'.encode()).hexdigest()[:32]}"
    landed = WeatherLake(workspace.lake).append(taken.frame, batch=batch, station=taken.station)
    return outcome.model_copy(
        update={"batch": batch, "already": landed.already, "appended": 0 if landed.already else landed.appended}
    )


def push_readings(
    setting: Setting,
    payload: bytes | dict[str, Any] | list[Any],
    recorded_at: datetime,
    *,
    register: MeterRegister | None = None,
    keep_unknown: bool = False,
) -> Pushed:
    """Store what a gateway or platform pushes, and return the fate of every row: the web platform mounts this.

    Parameters
    ----------
    setting : Setting
    payload : bytes, or what the JSON says
        See `dafeng.intake.pushed`.
    recorded_at : datetime
    register : MeterRegister, optional
        Kept by a caller that stays open; read from the workspace where None.
    keep_unknown : bool
        Whether readings of meters that no ledger knows are stored.

    Returns
    -------
    Pushed
        Its `answer()` and `status` go back to the sender. A batch that was sent before with other contents is refused with
        status 409; sent before with the same contents it counts once.
    """
    house = open_house(setting)
    known = register or read_register(setting, house)
    pushed = read_push(payload, received_at=recorded_at, meters=known.meters, keep_unknown=keep_unknown)
    if pushed.status != 200 or pushed.frame.is_empty():
        return pushed
    try:
        house.readings.append(pushed.frame, batch=f"push:{pushed.batch}")
    except LakeError as error:
        if "used before" not in error.problem:
            raise
        finding = Finding(
            name="meter.push.batch-taken",
            sentence=f"批次 {pushed.batch} 此前推送过，内容不同，这次未入库",
            severity=Severity.ERROR,
            value=pushed.batch,
            expected="新内容用新批次",
            next_step="换一个批次号重新推送",
            where=Location(file="push"),
        )
        return Pushed(pushed.batch, pushed.frame.clear(), pushed.fates.clear(), 409, (finding,))
    return pushed


def record_event(
    setting: Setting,
    meter: str,
    kind: MeterEventKind,
    at: datetime,
    *,
    reason: str,
    by: str,
    recorded_at: datetime,
    until: datetime | None = None,
    before: float | None = None,
    after: float | None = None,
) -> Published:
    """Store what happened to a meter: replacement, reset, roll-over, or a fault from `at` to `until`.

    Raises
    ------
    UnknownNameError
        No ledger knows the meter.
    UsageError
        Numbers or the end do not fit the kind.
    """
    house = open_house(setting)
    know_meter(read_register(setting, house), meter)
    starts = kind in (MeterEventKind.REPLACEMENT, MeterEventKind.RESET)
    if (starts and after is None) or (kind is MeterEventKind.FAULT and until is None):
        raise UsageError(
            f"{kind}: after={after}, until={until}",
            doing="record what happened to a meter",
            expected="replacement 和 reset 要写 --after（新表起码，旧表止码用 --before），fault 要写 --to",
            next_step="补上后重新登记",
        )
    if until is not None and until <= at:
        raise UsageError(
            f"--to {until.isoformat()} 不晚于 --from {at.isoformat()}",
            doing="record what happened to a meter",
            expected="结束晚于开始",
            next_step="核对两个时间",
        )
    row = {"meter": meter, "at": at, "until": until, "kind": kind.value, "before": before, "after": after, "by": by,
           "reason": reason, "recorded_at": recorded_at}  # fmt: skip
    said = repr([row[name] for name in EVENT_SCHEMA])
    frame = pl.DataFrame([row], schema=EVENT_SCHEMA)
    return house.readings.append_events(frame, batch=f"event-{hashlib.sha256(said.encode()).hexdigest()[:32]}")


def day_instant(text: str, *, option: str, zone: str = ZONE) -> datetime:
    """Return the instant of a local day or time, such as 2024-01-05 or 2024-01-05 13:00.

    Raises
    ------
    UsageError
        It is none.

    Examples
    --------
    >>> day_instant("2024-01-05 13:00", option="--from").isoformat()
    '2024-01-05T13:00:00+08:00'
    """
    try:
        said = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r} 不是时间 / is no time",
            doing="read the options",
            expected="2024-01-05, 2024-01-05 13:00",
            next_step="改正时间",
        ) from error
    if said.tzinfo is not None:
        return said
    local = pl.Series([said]).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").item()
    if local is None:
        raise UsageError(f"{option} {text!r}：当地没有这一时刻", doing="read the options", expected="当地存在的时刻")
    assert isinstance(local, datetime)
    return local


def month_span(text: str, *, option: str = "--period") -> tuple[date, date]:
    """Return first day and first day after of a year, month or day, such as 2024, 2024-03, 2024-03-05.

    Raises
    ------
    UsageError
        It is none of these.

    Examples
    --------
    >>> month_span("2024-02")
    (datetime.date(2024, 2, 1), datetime.date(2024, 3, 1))
    """
    parts = text.strip().split("-")
    try:
        numbers = [int(part) for part in parts]
        first = date(*[*numbers, 1, 1][:3]) if len(numbers) < 3 else date(*numbers)
        every = {1: "1y", 2: "1mo", 3: "1d"}[len(numbers)]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{option} {text!r} 不是时期 / is no period",
            doing="read the options",
            expected="2024, 2024-03, 2024-03-05",
            next_step="改正时期",
        ) from error
    return first, pl.Series([first]).dt.offset_by(every).item()

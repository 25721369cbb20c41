"""Ledgers in and out of a workspace: books, imports, what a thing is and was, decisions about keys, roll-up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from dafeng.base.errors import ContentError, UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding
from dafeng.base.ledger import LEDGER_KEY, RECORD_COLUMNS, ledger_schema
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import KEY, ObservationKind
from dafeng.base.place import PlaceTree
from dafeng.base.record import Record
from dafeng.buildings.identity import candidate_findings, find_candidates, matching_view
from dafeng.buildings.rollup import RolledUp, roll_up, yielded_by
from dafeng.buildings.things import check_links, current_things, promised_and_built
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import LinkKind, RecordLink, Register
from dafeng.intake.ledger_reading import LedgerImport, read_ledger
from dafeng.lake import ObservationLake, Published, RegisterLake, Workspace, content_digest
from dafeng.lake.identity import batch_digest, content_hashes
from dafeng.reports.ledger_book import ledger_book
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = [
    "LedgerOutcome",
    "RegisterState",
    "current_ledgers",
    "import_ledger",
    "ledger_history",
    "ledger_promises",
    "ledger_rows",
    "link_records",
    "list_registers",
    "make_book",
    "propose_links",
    "roll_up_ledgers",
    "rows_within",
    "withdraw_records",
]


class RegisterState(Record):
    """A register and what the workspace holds of it."""

    id: str
    """Register id."""
    title: str
    """Name in Chinese."""
    subject: str
    """What a row is about."""
    keeper: str
    """Who usually keeps it."""
    columns: int
    """Columns of its book."""
    rows: int = 0
    """Rows that count."""
    things: int = 0
    """Things that they are of."""
    last_import: datetime | None = None
    """When the newest row was recorded."""


class LedgerOutcome(Record):
    """What became of a ledger book: every row counted once."""

    file: str
    """File name."""
    register_id: str
    """Register id."""
    document: str
    """SHA-256 of the file, under which the workspace keeps it."""
    rows: int
    """Rows of the book."""
    accepted: int
    """Rows accepted."""
    accepted_with_finding: int
    """Rows accepted with reservation."""
    refused: int
    """Rows refused."""
    set_aside: int
    """Rows that are no records: headings, totals, notes."""
    repeated: int
    """Accepted rows that say what another row said."""
    columns_unread: tuple[str, ...] = ()
    """Heads of columns that no field answers to."""
    appended: int = 0
    """Rows stored."""
    superseded: int = 0
    """Of these, rows that replace an earlier version."""
    unchanged: int = 0
    """Rows that the ledger held already."""
    already: bool = False
    """Whether this very import had landed before."""
    findings: tuple[Finding, ...] = ()
    """What was found."""


def _lake(setting: Setting) -> tuple[Workspace, RegisterLake]:
    workspace, _ = need_workspace(setting)
    return workspace, RegisterLake(workspace.lake)


def list_registers(setting: Setting) -> list[RegisterState]:
    """Return every register of the catalog with what the workspace holds of it."""
    lake = None if setting.workspace is None else RegisterLake(setting.workspace.lake)
    held = set() if lake is None else set(lake.registers())
    states = []
    for register in setting.catalog.registers.values():
        state = RegisterState(
            id=register.id,
            title=register.title.zh,
            subject=register.subject,
            keeper=register.keeper,
            columns=len(register.fields),
        )
        if lake is not None and register.id in held:
            rows = lake.read(register.id)
            last = rows["recorded_at"].max()
            state = state.model_copy(
                update={"rows": rows.height, "things": rows["key"].n_unique(), "last_import": last}
            )
        states.append(state)
    return states


def make_book(
    setting: Setting,
    register: str,
    *,
    place: str | None = None,
    filled: bool = False,
    year: int | None = None,
    as_of: date,
) -> tuple[bytes, int]:
    """Return the book of a register as XLSX, and how many rows it holds.

    Parameters
    ----------
    setting : Setting
    register : str
        Register id.
    place : str, optional
        Place whose divisions are offered, and to which filled rows are limited; the workspace's where None.
    filled : bool
        Whether the rows that count now stand in it, to be corrected.
    year : int, optional
        Year of the report, for the heading.
    as_of : date
        Day kept in the file.
    """
    catalog = setting.catalog
    wanted = catalog.register(register)
    home = place or (setting.workspace.settings.place if setting.workspace else None)
    rows = None
    if filled:
        rows = ledger_rows(setting, register)
        if place is not None and wanted.place_field in rows.columns:
            rows = rows_within(rows, wanted.place_field, place, catalog.places)
    offered = [] if home is None else [one.id for one in catalog.places.children(home)] or [home]
    data = ledger_book(wanted, catalog, rows=rows, places=offered, year=year, as_of=as_of)
    return data, 0 if rows is None else rows.height


def rows_within(
    rows: pl.DataFrame, column: str, place: str, places: PlaceTree, *, as_of: date | None = None
) -> pl.DataFrame:
    """Return the rows of which the place in a column is a place or lies in it.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> rows = pl.DataFrame({"place": ["qingdao-shinan", "shanghai", None]})
    >>> rows_within(rows, "place", "shandong", load_catalog().places)["place"].to_list()
    ['qingdao-shinan']
    """
    inside = [
        name for name in rows[column].unique() if name in places and place in (name, *places.ancestor_ids(name, as_of))
    ]
    return rows.filter(pl.col(column).is_in(inside))


def import_ledger(
    setting: Setting,
    path: Path,
    register: str | None,
    *,
    recorded_at: datetime,
    sheet: str | None = None,
    given: Mapping[str, str] | None = None,
    dry_run: bool = False,
    listener: Listener = silent,
) -> LedgerOutcome:
    """Read a ledger book, keep the file, and publish the accepted rows as one batch.

    The same import twice is one. What the book has no column for stays as the ledger has it; an empty cell of a column that
    it has says that nobody knows.

    Raises
    ------
    InputError
        The file cannot be read at all, or is no such ledger.
    NoWorkspaceError
        There is no workspace to keep it in.
    """
    workspace, lake = _lake(setting)
    read = read_ledger(
        path,
        register,
        setting.catalog,
        recorded_at=recorded_at,
        home=workspace.settings.place,
        sheet=sheet,
        given=given,
        listener=listener,
    )
    unread = read.columns.filter(pl.col("fate") != "read")["head"].to_list()
    outcome = LedgerOutcome(
        file=path.name,
        register_id=read.register,
        document=read.document,
        columns_unread=tuple(unread),
        findings=tuple(read.findings),
        rows=read.counts["rows"],
        accepted=read.counts["accepted"],
        accepted_with_finding=read.counts["accepted_with_finding"],
        refused=read.counts["refused"],
        set_aside=read.counts["set_aside"],
        repeated=read.counts["repeated"],
    )
    if dry_run or read.frame.is_empty():
        return outcome
    listener("入库 / publish", 0, None)
    workspace.put_document(path)
    batch = _batch_name(read)
    if batch in lake.batches(read.register)["batch"]:
        return outcome.model_copy(update={"already": True, "unchanged": read.frame.height})
    published = lake.publish(read.register, _carried(read, lake.read(read.register)), batch=batch)
    return outcome.model_copy(update=published.model_dump(include={"appended", "superseded", "unchanged"}))


def _batch_name(read: LedgerImport) -> str:
    said = [name for name in read.frame.columns if name not in ("recorded_at", "batch")]
    text = f"{read.register} {read.document} {batch_digest(content_hashes(read.frame, said))}"
    return f"ledger-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _carried(read: LedgerImport, current: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which fields that the book has no column for keep the value that they have."""
    present = set(read.fields_read)
    absent = [
        name
        for name in read.frame.columns
        if name not in RECORD_COLUMNS and name not in present and name in current.columns
    ]
    if not absent or current.is_empty():
        return read.frame
    before = current.select(*LEDGER_KEY, *(pl.col(name).alias(f"_{name}") for name in absent))
    joined = read.frame.join(before, on=list(LEDGER_KEY), how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(name, f"_{name}").alias(name) for name in absent).select(read.frame.columns)


def ledger_rows(setting: Setting, register: str, *, as_of: date | None = None) -> pl.DataFrame:
    """Return the rows of a register that count, one of each key and stage, in the columns that the catalog gives it now."""
    _, lake = _lake(setting)
    wanted = setting.catalog.register(register)
    return _aligned(lake.read(register, as_of=as_of), wanted, setting.catalog)


def _aligned(rows: pl.DataFrame, register: Register, catalog: Catalog) -> pl.DataFrame:
    schema = ledger_schema(register, catalog.fields)
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


def current_ledgers(
    setting: Setting, *, registers: Sequence[str] | None = None, as_of: date | None = None
) -> dict[str, pl.DataFrame]:
    """Return the current view of every register that holds rows: one row a thing, decisions about keys followed."""
    known = _held(setting)
    names = known if registers is None else [name for name in registers if name in known]
    records = {name: ledger_rows(setting, name, as_of=as_of) for name in names}
    return current_things(records, setting.catalog, links=setting.catalog.links.values(), as_of=as_of)


def _held(setting: Setting) -> list[str]:
    """Return the registers of the catalog that hold rows."""
    _, lake = _lake(setting)
    return [name for name in lake.registers() if name in setting.catalog.registers]


def ledger_history(setting: Setting, register: str, key: str) -> pl.DataFrame:
    """Return every version of the rows of a thing, oldest first.

    Raises
    ------
    UnknownNameError
        The register holds no such key; close ones are offered.
    """
    _, lake = _lake(setting)
    setting.catalog.register(register)
    rows = lake.history(register, key)
    if rows.is_empty():
        keys = lake.read(register)["key"].unique().sort().to_list()
        raise UnknownNameError(
            f"the register {register} has no {key!r}",
            doing="look up a thing",
            expected=f"one of {', '.join(close_names(key, keys) or keys[:5])}" if keys else "a register with rows",
            next_step=f"run `dafeng ledger show {register}` for the list",
        )
    return rows


def ledger_promises(setting: Setting, register: str, key: str | None = None) -> pl.DataFrame:
    """Return what earlier stages promised beside what later ones built, of one thing or of all."""
    wanted = setting.catalog.register(register)
    rows = ledger_rows(setting, register)
    links = list(setting.catalog.links.values())
    found = promised_and_built(rows, wanted, setting.catalog, links=links)
    return found if key is None else found.filter(pl.col("key") == key)


def propose_links(
    setting: Setting, *, subject: str | None = None, low: float | None = None
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return pairs of records that may be one thing, and the questions to a person.

    Parameters
    ----------
    setting : Setting
    subject : str, optional
        Only registers of this subject; else every subject by itself.
    low : float, optional
        Least likeness that is listed.
    """
    views: dict[str, list[pl.DataFrame]] = {}
    for name, things in current_ledgers(setting).items():
        register = setting.catalog.registers[name]
        if subject in (None, register.subject):
            views.setdefault(register.subject, []).append(matching_view(things, register))
    decided = list(setting.catalog.links.values())
    options = {} if low is None else {"low": low}
    frames = [
        find_candidates(pl.concat(parts), decided=decided, places=setting.catalog.places, **options)
        for parts in views.values()
    ]
    found = (
        pl.concat(frames)
        if frames
        else find_candidates(pl.DataFrame(schema={"register": pl.String(), "key": pl.String(), "name": pl.String()}))
    )
    return found, candidate_findings(found, setting.catalog)


def link_records(
    setting: Setting,
    kind: LinkKind,
    former: Sequence[str],
    present: Sequence[str],
    *,
    subject: str,
    by: str,
    reason: str,
    decided_on: date,
    on: date | None = None,
) -> tuple[RecordLink, Path, list[Finding]]:
    """Write a decision about keys into the workspace's catalog.

    Returns
    -------
    link : RecordLink
    path : Path
        File of the decision; deleting it takes the decision back.
    findings : list of Finding
        Successors that the ledgers do not have yet.

    Raises
    ------
    UnknownNameError
        No ledger of the subject has a former key.
    UsageError
        The numbers of keys do not fit the kind, or a key would be its own successor.
    InputError
        The decisions would lead round in a circle.
    ContentError
        The catalog would not hold with the decision. Nothing is written.
    """
    workspace, _ = _lake(setting)
    one_each = kind in (LinkKind.SAME, LinkKind.RENAMED, LinkKind.MOVED, LinkKind.DIFFERENT)
    fitting = len(present) == 1 if one_each or kind is LinkKind.MERGED else len(former) == 1 and len(present) > 1
    if not former or not fitting or set(former) & set(present):
        raise UsageError(
            f"{kind}: {len(former)} former and {len(present)} present keys, {len(set(former) & set(present))} in both",
            doing="link records",
            expected="split: one former, several present; the others: one present key; none in both",
            next_step="name the former keys, then --to for each present one",
        )
    registers = [item.id for item in setting.catalog.registers.values() if item.subject == subject]
    held = [name for name in RegisterLake(workspace.lake).registers() if name in registers]
    records = {name: ledger_rows(setting, name) for name in held}
    known = {key for rows in records.values() for key in rows["key"].unique()}
    for key in former:
        if key not in known:
            raise UnknownNameError(
                f"no ledger of the subject {subject} has {key!r}",
                doing="link records",
                expected=f"one of {', '.join(close_names(key, known)) or 'the keys of the ledgers'}",
                next_step="look it up with `dafeng ledger show`",
            )
    said = json.dumps([subject, kind, sorted(former), sorted(present), str(on)])
    link = RecordLink(
        id=f"{kind.value}-{hashlib.sha256(said.encode()).hexdigest()[:12]}",
        subject=subject,
        kind=kind,
        former=tuple(former),
        present=tuple(present),
        on=on,
        by=by,
        decided_on=decided_on,
        reason=reason,
    )
    links = [*setting.catalog.links.values(), link]
    current_things(records, setting.catalog, links=links)  # refuses a circle
    lines = ["links:"]
    for index, (name, value) in enumerate(link.model_dump(mode="json", exclude_none=True).items()):
        lines.append(f"  {'- ' if index == 0 else '  '}{name}: {json.dumps(value, ensure_ascii=False)}")
    name = f"links/{link.id}.yaml"
    if faults := workspace.put_catalog_files({name: "\n".join(lines) + "\n"}):
        raise ContentError(
            "; ".join(fault.sentence for fault in faults[:3]),
            doing="write a decision about keys into the workspace's catalog",
            expected="a decision with which the catalog holds",
            next_step="mend what is named; `dafeng catalog check` shows the faults of the catalog. Nothing was written",
            findings=[fault.name for fault in faults],
        )
    return link, workspace.catalog_folder / name, check_links(records, setting.catalog, [link])


def withdraw_records(
    setting: Setting, register: str, keys: Sequence[str], *, reason: str, recorded_at: datetime
) -> Published:
    """Take things out of a register; their history stays."""
    _, lake = _lake(setting)
    setting.catalog.register(register)
    name = hashlib.sha256(repr((sorted(keys), reason, recorded_at.isoformat())).encode()).hexdigest()[:32]
    return lake.withdraw(register, keys, reason=reason, recorded_at=recorded_at, batch=f"withdraw-{name}")


def roll_up_ledgers(
    setting: Setting,
    *,
    years: range,
    recorded_at: datetime,
    as_of: date | None = None,
    rollups: Sequence[str] | None = None,
    complete: Sequence[str] = (),
    kind: ObservationKind | None = None,
    dry_run: bool = False,
) -> tuple[RolledUp, Published | None]:
    """Count the ledgers up to observations and publish them; what the lake says already is left out.

    Returns
    -------
    rolled : RolledUp
    published : Published or None
        None where nothing came of it, or `dry_run` asks for none.
    """
    workspace, _ = _lake(setting)
    records = {name: ledger_rows(setting, name, as_of=as_of) for name in _held(setting)}
    links = setting.catalog.links.values()
    rolled = roll_up(
        current_things(records, setting.catalog, links=links, as_of=as_of),
        setting.catalog,
        years=years,
        recorded_at=recorded_at,
        as_of=as_of,
        rollups=rollups,
        home=workspace.settings.place,
        complete=complete,
        kind=kind,
    )
    unlinked = check_links(records, setting.catalog, links, as_of=as_of)
    rolled = replace(rolled, findings=(*unlinked, *rolled.findings))
    if dry_run:
        return rolled, None
    lake = ObservationLake(workspace.lake)
    if rollups is None:
        _withdraw_unruled(lake, setting.catalog, recorded_at)
    if rolled.observations.is_empty():
        return rolled, None
    said = f"{content_digest(rolled.observations)} {recorded_at.isoformat()}"
    batch = f"rollup-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
    published = lake.publish(rolled.observations, batch=batch, lineage=rolled.lineage)
    _withdraw_stale(lake, rolled.observations, recorded_at)
    return rolled, published


def _withdraw_unruled(lake: ObservationLake, catalog: Catalog, recorded_at: datetime) -> None:
    """Take back figures counted from ledgers by a roll-up that the catalog no longer has."""
    held = lake.snapshot().read().filter(pl.col("dataset").str.starts_with("ledger-"))
    ruled = pl.DataFrame(
        sorted(yielded_by(catalog)), schema={"indicator": pl.String, "dataset": pl.String}, orient="row"
    )
    _withdraw(lake, held.join(ruled, on=["indicator", "dataset"], how="anti"), "目录不再有这条汇总", recorded_at)


def _withdraw_stale(lake: ObservationLake, observations: pl.DataFrame, recorded_at: datetime) -> None:
    """Take back earlier figures of the same indicators, datasets and periods that corrected ledgers no longer yield."""
    same = ["indicator", "dataset", "period", "kind"]
    held = lake.snapshot().read(indicators=observations["indicator"].unique().sort().to_list())
    stale = held.join(observations.select(same).unique(), on=same, how="semi").join(observations, on=KEY, how="anti")
    _withdraw(lake, stale, "台账更正后不再有这个数", recorded_at)


def _withdraw(lake: ObservationLake, stale: pl.DataFrame, reason: str, recorded_at: datetime) -> None:
    if stale.height:
        versions = stale["version"].sort().to_list()
        name = hashlib.sha256(repr((versions, recorded_at.isoformat())).encode()).hexdigest()[:32]
        lake.withdraw(versions, reason=reason, recorded_at=recorded_at, batch=f"rollup-stale-{name}")

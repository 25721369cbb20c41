"""The current view of ledgers: one row a thing, out of all its rows; and what was promised beside what was built.

A ledger row is never overwritten. What counts now is the newest row of each (key, stage) that is not taken back; of several
stages the latest one that knows a field decides it, so that a value promised at planning stands until a later stage states
another. Decisions about keys (renamed, moved, the same, split, merged) are followed on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.base.ledger import LEDGER_KEY, RECORD_COLUMNS, STAGE_ORDER
from dafeng.base.target import Direction
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import LinkKind, RecordLink, Register

__all__ = ["PROMISE_SCHEMA", "check_links", "current_things", "promised_and_built"]

_ONE_THING: Final = (LinkKind.SAME, LinkKind.RENAMED, LinkKind.MOVED)
_ORDER: Final = ("key", "_rank", "_own", "recorded_at", "batch", "document", "sheet", "row")

PROMISE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "key": pl.String(),
    "field": pl.String(),
    "promised_stage": pl.String(),
    "promised": pl.String(),
    "built_stage": pl.String(),
    "built": pl.String(),
    "change": pl.Float64(),
    "differs": pl.Boolean(),
    "worse": pl.Boolean(),
}
"""Columns of `promised_and_built`."""


def current_things(
    records: Mapping[str, pl.DataFrame],
    catalog: Catalog,
    *,
    links: Iterable[RecordLink] = (),
    as_of: datetime | date | None = None,
) -> dict[str, pl.DataFrame]:
    """Return what ledgers say now, or said on a day: one row a thing.

    Parameters
    ----------
    records : mapping from register id to DataFrame
        Ledger frames (`dafeng.base.ledger`), every version of every row.
    catalog : Catalog
    links : iterable of RecordLink
        Decisions about keys (`Catalog.links`). Rows under a former key count under the present one, whose own values go
        before them; from the day of a split or merger the former things no longer count. A link whose day lies after
        `as_of` is not followed yet.
    as_of : datetime or date, optional
        What was recorded later is not known; every row counts without it.

    Returns
    -------
    dict from register id to DataFrame
        Columns of `RECORD_COLUMNS` (``stage`` is the latest one that the thing has a row of; document, sheet and row are
        those of that row), ``stage_reached``, the same again, and the fields of the register. Sorted by key; neither the
        order of the rows nor a repeated import changes anything.

    Raises
    ------
    InputError
        A frame lacks a record column, or links lead round in a circle.
    UnknownNameError
        A register is not in the catalog.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.base.ledger import ledger_frame
    >>> from dafeng.catalog.catalog import Entries
    >>> register = Register(id="projects", title={"zh": "项目", "en": "projects"}, subject="project",
    ...                     identity=("project_code",), name_field="project_name", per_stage=True,
    ...                     fields=[{"field": "gross_area"}], source="S1", grade="A", checked_on=date(2026, 11, 20))
    >>> small = Catalog(Entries())
    >>> small.registers["projects"] = register
    >>> rows = ledger_frame([{"key": "a", "stage": "acceptance", "row": 1},
    ...                      {"key": "a", "stage": "planning", "gross_area": 900.0}],
    ...                     {**RECORD_COLUMNS, "gross_area": pl.Float64()})
    >>> current_things({"projects": rows}, small)["projects"].select("key", "stage_reached", "gross_area").rows()
    [('a', 'acceptance', 900.0)]
    """
    newest = {name: _newest(_complete(frame, name), as_of) for name, frame in records.items()}
    things = {}
    for subject, names in _by_subject(newest, catalog).items():
        present, gone = _followed(links, subject, as_of, {key for name in names for key in newest[name]["key"]})
        for name in names:
            things[name] = _one_row(_renamed(newest[name], present, gone))
    return {name: things[name] for name in records}


def check_links(
    records: Mapping[str, pl.DataFrame], catalog: Catalog, links: Iterable[RecordLink], *, as_of: date | None = None
) -> list[Finding]:
    """Return what is wrong between links and ledgers: a thing that went without those that came in its place.

    Examples
    --------
    >>> check_links({}, Catalog.__new__(Catalog), [])
    []
    """
    findings: list[Finding] = []
    newest = {name: _newest(_complete(frame, name), as_of) for name, frame in records.items()}
    for subject, names in _by_subject(newest, catalog).items():
        keys = {name: set(newest[name]["key"]) for name in names}
        known = set().union(*keys.values())
        for link in _in_force(links, subject, as_of):
            if link.kind not in (LinkKind.SPLIT, LinkKind.MERGED) or not known & set(link.former):
                continue
            absent = sorted(set(link.present) - known)
            bare = [name for name in names if keys[name] & set(link.former) and not keys[name] & set(link.present)]
            if absent or bare:
                findings.append(
                    Finding(
                        name="buildings.things.split-part-absent",
                        sentence=f"拆分或合并 {link.id}：原项目 {'、'.join(link.former)} "
                        + ("不再计入，" if known & set(link.present) else "仍然计入，")
                        + (f"台账中没有后继 {'、'.join(absent)}" if absent else f"后继不在台账 {'、'.join(bare)} 中"),
                        severity=Severity.WARNING,
                        expected="拆分、合并后的项目都有台账记录",
                        next_step="补报后继项目的记录，或更正该条拆并登记",
                        evidence={
                            "link": link.id,
                            "absent": "、".join(absent),
                            "registers": "、".join(bare),
                            "first": "、".join((*link.former, *absent)),
                        },
                    )
                )
    return findings


def promised_and_built(
    records: pl.DataFrame,
    register: Register,
    catalog: Catalog,
    *,
    links: Iterable[RecordLink] = (),
    as_of: datetime | date | None = None,
) -> pl.DataFrame:
    """Return for each thing what one stage promised beside what the next stage that knows it shows (住房全生命周期).

    Parameters
    ----------
    records : DataFrame
        Ledger frame of a register with stages, every version of every row.
    register : Register
        Its fields with ``promise`` are compared.
    catalog : Catalog
    links, as_of
        As in `current_things`.

    Returns
    -------
    DataFrame of `PROMISE_SCHEMA`
        One row for each thing, promised field and pair of stages that follow one another; where the thing has reached a
        later stage that says nothing of it, ``built`` is null there. ``change`` is built less promised in the field's unit.
        ``worse`` is true for yes that became no, and for a number or date that moved against ``better`` of the register's
        field; false where nothing differs or it moved the better way; null where nobody knows: the value is missing, or the
        register does not say which way is better.
    """
    promised = [column for column in register.fields if column.promise]
    rows = _newest(_complete(records, register.id), as_of)
    present, gone = _followed(links, register.subject, as_of, set(rows["key"]))
    ranked = _renamed(rows, present, gone).sort(_ORDER)
    stages = ranked.group_by("key", "_rank", maintain_order=True).agg(
        pl.col("stage").last(), *(pl.col(column.field).drop_nulls().last() for column in promised)
    )
    reached = pl.col("stage").last().over("key")
    frames = [pl.DataFrame(schema=PROMISE_SCHEMA)]
    for column in promised:
        kind = catalog.fields[column.field].type
        value = pl.col(column.field)
        known = stages.with_columns(_reached=reached).filter(value.is_not_null())
        after = known.with_columns(
            built_stage=pl.col("stage").shift(-1).over("key"), _built=value.shift(-1).over("key")
        ).with_columns(
            built_stage=pl.coalesce(
                "built_stage", pl.when(pl.col("_reached") != pl.col("stage")).then(pl.col("_reached"))
            )
        )
        differs = value != pl.col("_built")
        change = (pl.col("_built") - value).cast(pl.Float64) if kind == "number" else pl.lit(None, dtype=pl.Float64)
        frames.append(
            after.filter(pl.col("built_stage").is_not_null()).select(
                "key",
                field=pl.lit(column.field),
                promised_stage="stage",
                promised=value.cast(pl.String),
                built_stage="built_stage",
                built=pl.col("_built").cast(pl.String),
                change=change,
                differs=differs,
                worse=_worse(value, pl.col("_built"), kind, column.better),
            )
        )
    return pl.concat(frames).sort("key", "field", maintain_order=True)


def _worse(promised: pl.Expr, built: pl.Expr, kind: str, better: Direction | None) -> pl.Expr:
    """Return whether the built value breaks the promise; null where that is not known."""
    if kind == "yes_no" and better is not Direction.DOWN:
        return promised & ~built
    if kind == "yes_no":
        return ~promised & built
    if kind in ("number", "date") and better in (Direction.UP, Direction.DOWN):
        return built < promised if better is Direction.UP else built > promised
    return pl.when(promised == built).then(pl.lit(False))


def _complete(frame: pl.DataFrame, register: str) -> pl.DataFrame:
    absent = [name for name in RECORD_COLUMNS if name not in frame.columns]
    if absent:
        raise InputError(
            f"ledger {register} has no column {', '.join(absent)}",
            doing="read ledgers",
            expected="a ledger frame",
            next_step="read the rows from the workspace, or build them with ledger_frame",
        )
    return frame


def _newest(frame: pl.DataFrame, as_of: datetime | date | None) -> pl.DataFrame:
    """Return the newest row of each (key, stage) that is not taken back."""
    if isinstance(as_of, datetime):
        frame = frame.filter(pl.col("recorded_at") <= as_of.astimezone(UTC))
    elif as_of is not None:
        frame = frame.filter(pl.col("recorded_at") < datetime.combine(as_of + timedelta(days=1), time(), UTC))
    if not frame.select(pl.struct(LEDGER_KEY).is_duplicated().any()).item():
        return frame.filter(~pl.col("withdrawn"))
    last = [*LEDGER_KEY, "recorded_at", "batch", "document", "sheet", "row"]
    return (
        frame.sort(last, maintain_order=True)
        .unique(LEDGER_KEY, keep="last", maintain_order=True)
        .filter(~pl.col("withdrawn"))
    )


def _by_subject(frames: Mapping[str, pl.DataFrame], catalog: Catalog) -> dict[str, list[str]]:
    subjects: dict[str, list[str]] = defaultdict(list)
    for name in frames:
        subjects[catalog.registers[name].subject].append(name)
    return subjects


def _in_force(links: Iterable[RecordLink], subject: str, as_of: datetime | date | None) -> list[RecordLink]:
    day = as_of.date() if isinstance(as_of, datetime) else as_of
    return [
        link
        for link in links
        if link.subject == subject
        and link.kind is not LinkKind.DIFFERENT
        and (link.on is None or day is None or link.on <= day)
        and (day is None or link.decided_on <= day)
    ]


def _followed(
    links: Iterable[RecordLink], subject: str, as_of: datetime | date | None, known: set[str]
) -> tuple[dict[str, str], set[str]]:
    """Return the present key of each former one, and the keys that went in a split or merger whose successors are known."""
    step: dict[str, str] = {}
    gone: set[str] = set()
    for link in sorted(_in_force(links, subject, as_of), key=lambda link: (link.decided_on, link.id)):
        if link.kind in _ONE_THING:
            step |= {former: link.present[0] for former in link.former if former != link.present[0]}
        elif known & set(link.present):
            gone |= set(link.former) - set(link.present)
    present = {}
    for former in step:
        chain = [former]
        while (after := step.get(chain[-1])) is not None:
            if after in chain:
                raise InputError(
                    f"links lead round in a circle: {' → '.join([*chain, after])}",
                    doing="follow the keys of ledgers",
                    expected="links that end at a present key",
                    next_step="mend these links in the workspace's catalog",
                )
            chain.append(after)
        present[former] = chain[-1]
    return present, gone


def _renamed(rows: pl.DataFrame, present: Mapping[str, str], gone: set[str]) -> pl.DataFrame:
    """Return rows under present keys; ``_own`` tells a row under its own key from one that came from a former key."""
    rank = pl.col("stage").replace_strict(STAGE_ORDER, return_dtype=pl.Int64)
    if not present and not gone:
        return rows.with_columns(_own=pl.lit(True), _rank=rank)
    return rows.filter(~pl.col("key").is_in(sorted(gone))).with_columns(
        key=pl.col("key").replace(dict(present)), _own=~pl.col("key").is_in(sorted(present)), _rank=rank
    )


def _one_row(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row a key: of each field the value of the latest row that knows it."""
    rows = rows.sort(_ORDER)
    fields = [name for name in rows.columns if name not in (*RECORD_COLUMNS, "_own", "_rank")]
    columns = [*RECORD_COLUMNS, "stage_reached", *fields]
    rows = rows.with_columns(stage_reached="stage")
    if not rows["key"].is_duplicated().any():
        return rows.select(columns)
    last = pl.col("key") != pl.col("key").shift(-1)
    at = pl.col("_at")
    rows = rows.with_row_index("_at").with_columns(_start=at.min().over("key"))
    latest: Sequence[pl.Expr] = [
        pl.when(pl.when(pl.col(name).is_not_null()).then(at).forward_fill() >= pl.col("_start"))
        .then(pl.col(name).forward_fill())
        .alias(name)
        for name in fields
    ]
    return (
        rows.with_columns(*latest, recorded_at=pl.col("recorded_at").max().over("key"))
        .filter(last.fill_null(True))
        .select(columns)
    )

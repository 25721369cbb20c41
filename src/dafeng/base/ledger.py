"""The ledger row: the shape in which rows of every register (台账) run through the house.

A frame holds the rows of one register: `RECORD_COLUMNS`, which say whose row it is and where it stood, and one column for
each field of the register. Numbers are in the field's canonical unit, choices are option codes. A null is what nobody knows:
never zero, never no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import polars as pl

from dafeng.base.finding import Finding
from dafeng.base.obligation import Stage

__all__ = [
    "FIELD_DTYPES",
    "LEDGER_KEY",
    "MACHINE_SHEET",
    "RECORD_COLUMNS",
    "STAGE_NAMES",
    "STAGE_ORDER",
    "check_ledger",
    "code_key",
    "ledger_frame",
    "ledger_schema",
    "machine_cell",
    "name_key",
    "read_machine_cell",
]

RECORD_COLUMNS: Final[dict[str, pl.DataType]] = {
    "key": pl.String(),
    "stage": pl.String(),
    "recorded_at": pl.Datetime("us", "UTC"),
    "withdrawn": pl.Boolean(),
    "document": pl.String(),
    "sheet": pl.String(),
    "row": pl.Int64(),
    "batch": pl.String(),
}
"""Columns that every ledger row has before its fields: identity of the thing, stage ("" where the register has none), when
the house learned it, whether it is taken back, SHA-256 of the book, its sheet and row in the sheet, and the import."""

LEDGER_KEY: Final = ("key", "stage")
"""Columns that tell one row of a register from another; a later `recorded_at` replaces an earlier one."""

FIELD_DTYPES: Final[dict[str, pl.DataType]] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "choice": pl.String(),
    "yes_no": pl.Boolean(),
    "date": pl.Date(),
}
"""Polars type of a field by its type in the vocabulary."""

STAGE_ORDER: Final[dict[str, int]] = {"": -1} | {stage.value: order for order, stage in enumerate(Stage)}
"""Rank of each stage in a project's life; the empty stage of a register without stages comes first."""

STAGE_NAMES: Final[dict[str, str]] = dict(
    zip(Stage, ("策划", "立项", "土地", "图审", "施工", "竣工验收", "备案", "运行", "拆除"), strict=True)
)
"""Chinese name of each stage, in order."""

MACHINE_SHEET: Final = "_dafeng"
"""Name of the hidden sheet of a ledger book, with register, catalog and lists of choices."""
_MACHINE: Final = re.compile(r"dafeng:([a-z][a-z0-9_]*):([a-z][a-z0-9_]*):(.*)")


class _Column(Protocol):
    @property
    def field(self) -> str: ...


class _Columns(Protocol):
    @property
    def fields(self) -> Sequence[_Column]: ...


class _Typed(Protocol):
    @property
    def type(self) -> str: ...


def ledger_schema(register: _Columns, fields: Mapping[str, _Typed]) -> dict[str, pl.DataType]:
    """Return the columns of a register's frame with their types.

    Parameters
    ----------
    register : Register
        Of the catalog.
    fields : mapping
        Project fields of the vocabulary by id (`Catalog.fields`).

    Returns
    -------
    dict
        `RECORD_COLUMNS`, then one column for each field in the register's order; a field ``stage`` is the record column.

    Raises
    ------
    KeyError
        The register names a field that the vocabulary lacks.

    Examples
    --------
    >>> from types import SimpleNamespace as Some
    >>> register = Some(fields=[Some(field="gross_area"), Some(field="stage")])
    >>> list(ledger_schema(register, {"gross_area": Some(type="number"), "stage": Some(type="choice")}))[-2:]
    ['batch', 'gross_area']
    """
    return RECORD_COLUMNS | {
        column.field: FIELD_DTYPES[fields[column.field].type]
        for column in register.fields
        if column.field not in RECORD_COLUMNS
    }


def ledger_frame(
    rows: Iterable[Mapping[str, Any]],
    schema: Mapping[str, pl.DataType],
    *,
    recorded_at: datetime = datetime(1970, 1, 1, tzinfo=UTC),
) -> pl.DataFrame:
    """Return rows given as mappings as a ledger frame, for tests, small sources and programs.

    Parameters
    ----------
    rows : iterable of mapping
        Field to value; ``key`` is needed, other record columns may be left out (``row`` counts from 1).
    schema : mapping
        As `ledger_schema` gives it.
    recorded_at : datetime
        Moment of the rows that state none.

    Raises
    ------
    ValueError
        A row names a column that the schema lacks.

    Examples
    --------
    >>> frame = ledger_frame([{"key": "a", "height": 24}], RECORD_COLUMNS | {"height": pl.Float64()})
    >>> frame.select("key", "stage", "withdrawn", "row", "height").row(0)
    ('a', '', False, 1, 24.0)
    """
    given = [dict(row) for row in rows]
    if unknown := {name for row in given for name in row if name not in schema}:
        raise ValueError(f"columns {sorted(unknown)} are not of the schema")
    blank = {"stage": "", "withdrawn": False, "document": "", "sheet": "", "batch": "", "recorded_at": recorded_at}
    complete = [blank | {"row": number} | row for number, row in enumerate(given, 1)]
    return pl.DataFrame(complete, schema=dict(schema), infer_schema_length=None, strict=False)


def check_ledger(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> list[Finding]:
    """Return what is wrong with the shape of a ledger frame.

    Parameters
    ----------
    frame : DataFrame, shape (row, column)
    schema : mapping
        As `ledger_schema` gives it.

    Returns
    -------
    list of Finding
        Empty where columns and types are those of the schema, no record column is null, no key is empty, every stage is
        known and numbers are finite.

    Examples
    --------
    >>> check_ledger(ledger_frame([{"key": "a"}], RECORD_COLUMNS), RECORD_COLUMNS)
    []
    """
    if dict(frame.schema) != dict(schema):
        wrong = [name for name in schema if frame.schema.get(name) != schema[name]] + [
            name for name in frame.columns if name not in schema
        ]
        return [
            Finding(
                name="base.ledger.schema",
                sentence=f"台账表的列或类型不符：{', '.join(wrong)}",
                expected="登记册说明中的列与类型",
                evidence={"columns": ", ".join(wrong)},
            )
        ]
    numbers = [pl.col(name) for name, dtype in schema.items() if dtype.is_float()]
    laws = {
        "null-record": (pl.any_horizontal(pl.col(name).is_null() for name in RECORD_COLUMNS), "标识列不能为空"),
        "empty-key": (pl.col("key").str.strip_chars() == "", "标识不能为空白"),
        "unknown-stage": (~pl.col("stage").is_in(list(STAGE_ORDER)), "阶段须为已知阶段"),
        "not-finite": (
            pl.any_horizontal(number.is_not_null() & ~number.is_finite() for number in numbers)
            if numbers
            else pl.lit(False),
            "数值须为有限数",
        ),
    }
    counts = frame.select(**{name: condition.fill_null(False).sum() for name, (condition, _) in laws.items()})
    return [
        Finding(name=f"base.ledger.{name}", sentence=f"{laws[name][1]}（{count} 行）", evidence={"rows": count})
        for name, count in counts.row(0, named=True).items()
        if count
    ]


def machine_cell(register: str, field: str, unit: str = "") -> str:
    """Return what stands above a column of a ledger book, in a hidden row, so that it is known wherever it is moved.

    Examples
    --------
    >>> machine_cell("projects", "gross_area", "万平方米")
    'dafeng:projects:gross_area:万平方米'
    """
    return f"dafeng:{register}:{field}:{unit}"


def read_machine_cell(text: str | None) -> tuple[str, str, str] | None:
    """Return register, field and unit of a cell that `machine_cell` wrote, None for any other.

    Examples
    --------
    >>> read_machine_cell("dafeng:projects:gross_area:万平方米"), read_machine_cell("建筑面积")
    (('projects', 'gross_area', '万平方米'), None)
    """
    match = _MACHINE.fullmatch((text or "").strip())
    return None if match is None else (match[1], match[2], match[3])


def code_key(code: pl.Expr) -> pl.Expr:
    """Return codes as keys: full-width forms made plain, letters large, blanks and marks of punctuation left out.

    Examples
    --------
    >>> codes = pl.DataFrame({"code": ["２１０１－370212－04 a", "—", None]})
    >>> codes.select(code_key(pl.col("code")))["code"].to_list()
    ['2101-370212-04A', None, None]
    """
    plain = code.str.normalize("NFKC").str.replace_all(r"[‐-―−﹣]", "-").str.replace_all(r"[^0-9A-Za-z\p{Han}\-]", "")
    trimmed = plain.str.to_uppercase().str.replace_all(r"-+", "-").str.strip_chars("-")
    return pl.when(trimmed != "").then(trimmed).name.keep()


def name_key(name: pl.Expr, place: pl.Expr) -> pl.Expr:
    """Return keys of things that have no code: name and place; null where either is unknown.

    Examples
    --------
    >>> pl.select(name_key(pl.lit("幸福里 （一期）"), pl.lit("qingdao-shinan"))).item()
    '幸福里一期@qingdao-shinan'
    """
    plain = name.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^0-9a-z\p{Han}#]", "")
    return pl.when(plain != "").then(pl.concat_str(plain, pl.lit("@"), place))

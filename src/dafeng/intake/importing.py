"""A file becomes observations: every cell ends accepted, accepted with finding, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import SCHEMA
from dafeng.catalog import Catalog
from dafeng.intake.adapters import adapter_table, find_adapter, with_codes
from dafeng.intake.adapters import quarantine as apply_quarantine
from dafeng.intake.blocks import is_caption
from dafeng.intake.cells import DIMENSIONS, gather_cells
from dafeng.intake.headers import Names
from dafeng.intake.layout import Table, detect_table
from dafeng.intake.problems import Ledger, names_of
from dafeng.intake.reading import read_sheets
from dafeng.intake.resolve import resolve_cells
from dafeng.intake.sheets import Limits, Sheet, cell_name, file_digest
from dafeng.intake.titles import find_title
from dafeng.intake.values import check_duplicates, check_values, read_values

__all__ = ["FATES", "FATE_SCHEMA", "Imported", "import_table"]

FATES: Final = ("accepted", "accepted_with_finding", "refused")
"""What becomes of a value cell."""
FATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "sheet": pl.String(),
    "row": pl.Int64(),
    "cell": pl.String(),
    "fate": pl.String(),
    "findings": pl.String(),
}
"""Columns of the table of fates; a row without values has the fate set_aside and its reason as finding."""


@dataclass(frozen=True)
class Imported:
    """What came of a file.

    Parameters
    ----------
    observations : DataFrame, columns of `SCHEMA`
        Accepted cells, stated gaps among them.
    lineage : DataFrame, columns of `LINEAGE_SCHEMA`
        One row for each observation: the cell that it came from.
    fates : DataFrame, columns of `FATE_SCHEMA`
        One row for each value cell, and one for each row set aside.
    findings : list of Finding
    document : str
        SHA-256 of the file.
    counts : mapping
        value_cells = accepted + accepted_with_finding + refused; rows_set_aside; repeated, accepted cells that say what
        another said already; gaps, observations that state a missing value.
    adapters : mapping from sheet to adapter id
    """

    observations: pl.DataFrame
    lineage: pl.DataFrame
    fates: pl.DataFrame
    findings: list[Finding]
    document: str
    counts: Mapping[str, int]
    adapters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Read:
    """One sheet with its layout."""

    sheet: Sheet
    table: Table
    aside: pl.DataFrame


def import_table(
    path: Path | str,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    adapter: str | None = None,
    dataset: str | None = None,
    place: str | None = None,
    period: str | None = None,
    kind: str | None = None,
    published_on: date | None = None,
    unit: str | None = None,
    indicator: str | None = None,
    basis: str | None = None,
    extent: str | None = None,
    sheet: str | None = None,
    home: str | None = None,
    quarantine: bool = True,
    limits: Limits | None = None,
    listener: Listener = silent,
) -> Imported:
    """Read a table of observations, long or as a yearbook prints it.

    Parameters
    ----------
    path : path
        CSV, TSV, XLSX, XLS or Parquet.
    catalog : Catalog
    recorded_at : datetime
        Instant of the import, with time zone.
    adapter : str, optional
        Adapter to use; found by its columns where None.
    dataset, kind, published_on : optional
        Who says so, how the figures came about, when they were published; each overrides the file's adapter.
    place, period, unit, indicator, basis, extent : str, optional
        Stand in where neither cell, row, header nor adapter states them; `place` also says where ambiguous names lie.
    sheet : str, optional
        Only this worksheet.
    home : str, optional
        Place id of whoever imports: it decides bare county names, and stands for no place itself.
    quarantine : bool
        Whether rows that the adapter declares to be wrong are refused; False where checks are to see the table as it is.
    limits : Limits, optional
    listener : Listener
        Told what is being done.

    Returns
    -------
    Imported

    Raises
    ------
    InputError
        The file cannot be read at all, or has no such sheet.
    UnknownNameError
        The catalog has no such adapter.
    """
    path = Path(path)
    limits = limits or Limits()
    if recorded_at.tzinfo is None:
        raise InputError(
            f"recorded_at {recorded_at} has no time zone",
            doing="import a table",
            expected="an instant with time zone",
            next_step="give it in UTC",
        )
    listener(f"读取 {path.name}", 0, None)
    sheets = _chosen(read_sheets(path, limits=limits), sheet, path.name)
    names = Names(catalog, home)
    ledger = Ledger(path.name, limits.listed)
    given = {
        "dataset": dataset,
        "kind": kind,
        "published_on": None if published_on is None else published_on.isoformat(),
    }
    fallback = {
        "place": place, "period": period, "unit": unit, "indicator": indicator, "basis": basis, "extent": extent,
    }  # fmt: skip
    findings: list[Finding] = []
    used: dict[str, str] = {}
    parts: list[_Read] = []
    lost: list[pl.DataFrame] = []
    gathered: list[pl.DataFrame] = []
    for one in sheets:
        listener(f"识别表头 {one.name}".rstrip(), 0, None)
        findings += one.findings
        known = find_adapter(catalog, one, file=path.name, wanted=adapter)
        table = adapter_table(known, one, file=path.name) if known else detect_table(one, names, file=path.name)
        if table is None:
            findings.append(_no_table(path.name, one.name))
            lost.append(_rows_without_table(one))
            continue
        findings += table.findings
        table = _with_constants(
            table, one, names, given, fallback, titled=known is None, findings=findings, file=path.name
        )
        cells, aside = gather_cells(one, table, set_aside=known is None)
        if cells.is_empty():
            findings.append(_no_rows(path.name, one.name, cell_name(max(table.header_rows), 0)))
        findings += _headings(one, aside, path.name, limits.listed)
        headers = {value.index: value.header for value in table.values}
        cells = cells.with_columns(
            pl.col("col")
            .replace_strict(list(headers), list(headers.values()), return_dtype=pl.String())
            .alias("header"),
            pl.lit(False).alias("zero_is_blank"),
        )
        if known is not None:
            used[one.name] = known.id
            cells = with_codes(cells, known)
        parts.append(_Read(one, table, aside.with_columns(pl.lit(one.name).alias("sheet"))))
        gathered.append(cells)
    if not parts:
        return _nothing(file_digest(path), [_as_errors(finding) for finding in findings], pl.concat(lost))
    aside = pl.concat([part.aside for part in parts] + lost)
    cells = pl.concat(gathered).with_row_index("id")
    for part in parts:
        if quarantine and part.sheet.name in used:
            apply_quarantine(cells, catalog.adapters[used[part.sheet.name]], part.sheet, part.table, ledger)
    gathered.clear()
    parts.clear()
    listener(f"核对 {cells.height} 格", 0, cells.height)
    index = cells.select("id", "sheet", "row", "col", "cell")
    good = _checked(cells, names, ledger, recorded_at)
    del cells
    listener("汇总结果", 0, None)
    return _result(path, index, good, aside, ledger, findings, recorded_at, used)


def _chosen(sheets: list[Sheet], wanted: str | None, file: str) -> list[Sheet]:
    if wanted is None:
        return sheets
    chosen = [one for one in sheets if one.name == wanted]
    if not chosen:
        raise InputError(
            f"{file} has no sheet {wanted!r}",
            doing="import a table",
            expected=f"one of {', '.join(repr(one.name) for one in sheets)}",
            next_step="give the name of a sheet that holds cells",
        )
    return chosen


def _with_constants(
    table: Table,
    sheet: Sheet,
    names: Names,
    given: Mapping[str, str | None],
    fallback: Mapping[str, str | None],
    *,
    titled: bool,
    findings: list[Finding],
    file: str,
) -> Table:
    """Add what options, title and sheet name say, where columns do not."""
    constants = dict(table.constants)
    roles = dict(table.roles)
    for name, text in given.items():
        if text is not None:
            constants[name] = text
            roles.pop(name, None)
    stated = {name for value in table.values for name in value.properties} | set(roles)
    if "place" not in stated and stated & {"province", "city", "county"}:
        stated.add("place")
    title = find_title(sheet, table, names) if titled else {}
    for name, text in fallback.items():
        if text is not None and name == "place" and "place" in stated:
            candidates = names.catalog.places.candidates(text)
            constants.setdefault("within", candidates[0].id if len(candidates) == 1 else text)
        elif text is not None and name not in constants:
            constants["sheet_unit" if name == "unit" else name] = text
        elif name in title and name not in constants and (name not in stated or name == "unit"):
            findings.append(_from_title(name, title[name], sheet.name, file))
            if len(title[name]) == 1:
                constants["sheet_unit" if name == "unit" else name], constants[f"where_{name}"] = title[name][0]
    return replace(table, roles=roles, constants=constants)


def _from_title(name: str, said: Sequence[tuple[str, str]], sheet: str, file: str) -> Finding:
    """Say what was taken from the title, or that its statements contradict one another and none was taken."""
    texts = "、".join(text for text, _ in said)
    agreed = len(said) == 1
    word = _TITLE_WORDS[name]
    return Finding(
        name=f"intake.{name}.from-title" if agreed else "intake.title.disagree",
        sentence=f"{word}取自标题或工作表名：{texts}"
        if agreed
        else f"标题与工作表名所说的{word}不一：{texts}，均未采用",
        severity=Severity.INFO if agreed else Severity.WARNING,
        value=texts,
        expected="在列名或参数中写明" if agreed else f"只有一个{word}",
        next_step="确认无误即可；不对时用参数写明" if agreed else f"加一列写明{word}，或逐个工作表用参数写明",
        where=Location(file=file, sheet=sheet, cell=said[0][1]),
    )


_TITLE_WORDS: Final = {
    "place": "地区",
    "period": "时间",
    "unit": "单位",
    "indicator": "指标",
    "basis": "口径",
    "extent": "范围",
}


def _no_table(file: str, sheet: str) -> Finding:
    return Finding(
        name="intake.sheet.no-table",
        sentence=f"没有找到表头：工作表「{sheet}」未导入" if sheet else "没有找到表头，未导入",
        severity=Severity.WARNING,
        expected="一行列名，其中有 指标、地区、时间、数值，或认识的指标名称",
        next_step="补上列名，或参照 docs 中的长表样式",
        where=Location(file=file, sheet=sheet),
    )


def _no_rows(file: str, sheet: str, header: str) -> Finding:
    return Finding(
        name="intake.sheet.no-rows",
        sentence="认作表头的那一行以下没有数据行，什么也没有导入",
        severity=Severity.ERROR,
        expected="表头以下至少一行数",
        next_step="核对这一行是不是表头；列名须写明指标、地区、时间",
        where=Location(file=file, sheet=sheet, cell=header),
    )


def _as_errors(finding: Finding) -> Finding:
    if finding.name != "intake.sheet.no-table":
        return finding
    return finding.model_copy(update={"severity": Severity.ERROR})


def _headings(sheet: Sheet, aside: pl.DataFrame, file: str, listed: int) -> list[Finding]:
    """Point at rows between the data that look like headings: they may narrow what the rows below them mean."""
    rows = aside.filter(pl.col("reason") == "heading")["row"].head(listed).to_list()
    found = []
    for row in rows:
        column, text = next((index, text) for index, text in enumerate(sheet.frame.row(row - 1)) if text is not None)
        found.append(
            Finding(
                name="intake.row.heading",
                sentence=f"「{text}」像是分节标题，已另置；"
                + ("其下各行不作为指标本身导入" if is_caption(text) else "其下各行没有因它而限定范围或类别"),
                severity=Severity.WARNING,
                value=text,
                expected="每一行自己写明指标、范围和类别",
                next_step="若它限定了下面各行，请加一列写明范围或类别后重新导入",
                where=Location(file=file, sheet=sheet.name, cell=cell_name(row - 1, column)),
            )
        )
    return found


def _rows_without_table(sheet: Sheet) -> pl.DataFrame:
    rows = sheet.frame.with_row_index("row", offset=1)
    return rows.select(
        pl.col("row").cast(pl.Int64()), pl.lit("no_table").alias("reason"), pl.lit(sheet.name).alias("sheet")
    )


def _fates_aside(aside: pl.DataFrame) -> pl.DataFrame:
    return aside.select(
        "sheet", "row", pl.lit("").alias("cell"), pl.lit("set_aside").alias("fate"), pl.col("reason").alias("findings")
    )


def _nothing(document: str, findings: list[Finding], aside: pl.DataFrame) -> Imported:
    counts = dict.fromkeys(("value_cells", *FATES, "rows_set_aside", "repeated", "gaps"), 0)
    return Imported(
        pl.DataFrame(schema=SCHEMA),
        pl.DataFrame(schema=LINEAGE_SCHEMA),
        _fates_aside(aside).cast(dict(FATE_SCHEMA)),  # type: ignore[arg-type]
        findings,
        document,
        counts | {"rows_set_aside": aside.height},
    )


def _checked(cells: pl.DataFrame, names: Names, ledger: Ledger, recorded_at: datetime) -> pl.DataFrame:
    """Resolve, read and check all cells; return those that are accepted."""
    other, wide = pl.col("other_table").is_not_null(), pl.col("too_wide")
    total = pl.col("total").is_not_null() & ~other
    ledger.add("intake.sheet.second-table", cells.filter(other), value="other_table", where="other_table")
    ledger.add("intake.row.too-wide", cells.filter(wide & ~other), value="row", where=pl.format("A{}", "row"))
    ledger.add("intake.row.total", cells.filter(total & ~wide), value="total")
    rest = cells.filter(~(other | wide | total)).drop("total", "other_table", "too_wide")
    rest = resolve_cells(rest, names, ledger, today=recorded_at.astimezone(UTC).date())
    rest = read_values(rest, names.catalog, ledger)
    check_values(rest, names.catalog, ledger)
    good = rest.join(ledger.refused().to_frame(), on="id", how="anti")
    return check_duplicates(good, ledger)


def _result(
    path: Path,
    cells: pl.DataFrame,
    good: pl.DataFrame,
    aside: pl.DataFrame,
    ledger: Ledger,
    findings: list[Finding],
    recorded_at: datetime,
    used: Mapping[str, str],
) -> Imported:
    document = file_digest(path)
    problems = names_of(ledger.hits)
    judged = cells.select("id", "sheet", "row", "cell").join(problems, on="id", how="left", maintain_order="left")
    repeated = set(ledger.hits.filter(pl.col("name") == "intake.row.duplicate")["id"])
    fate = (
        pl.when(pl.col("refuse"))
        .then(pl.lit("refused"))
        .when(pl.col("findings").is_not_null())
        .then(pl.lit("accepted_with_finding"))
        .otherwise(pl.lit("accepted"))
    )
    judged = judged.select("sheet", "row", "cell", fate.alias("fate"), pl.col("findings").fill_null(""))
    counts = {"value_cells": cells.height} | dict.fromkeys(FATES, 0)
    counts |= {str(name): int(count) for name, count in judged.group_by("fate").len().iter_rows()}
    counts |= {"rows_set_aside": aside.height, "repeated": len(repeated)}
    fates = pl.concat([judged, _fates_aside(aside)]).cast(dict(FATE_SCHEMA))  # type: ignore[arg-type]
    good = good.with_columns(
        pl.format("{}#{}!{}", pl.lit(document), pl.col("sheet"), pl.col("cell")).alias("lineage"),
        pl.lit(recorded_at.astimezone(UTC), dtype=pl.Datetime("us", "UTC")).alias("recorded_at"),
        pl.lit(None, dtype=pl.String()).alias("supersedes"),
    )
    observations = good.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    counts["gaps"] = observations["value"].null_count()
    return Imported(
        observations,
        _lineage(good, path.name, document),
        fates,
        findings + ledger.findings(cells),
        document,
        counts,
        used,
    )


def _lineage(good: pl.DataFrame, file: str, document: str) -> pl.DataFrame:
    def detail(header: str | None, unit: str | None, origin: str | None) -> str:
        facts = {"header": header, "unit": unit, "origin": origin}
        return json.dumps({name: text for name, text in facts.items() if text}, ensure_ascii=False)

    facts = good.select("header", "stated_unit", "d_origin").unique(maintain_order=True)
    facts = facts.with_columns(pl.Series("detail", [detail(*row) for row in facts.iter_rows()], dtype=pl.String()))
    joined = good.join(
        facts, on=["header", "stated_unit", "d_origin"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select(
        pl.col("lineage").alias("id"),
        pl.lit(LineageKind.CELL.value).alias("kind"),
        pl.lit(document).alias("document"),
        pl.lit(file).alias("file"),
        "sheet",
        "cell",
        pl.col("text").fill_null("").alias("text"),
        "detail",
    )


assert set(_TITLE_WORDS) <= set(DIMENSIONS)

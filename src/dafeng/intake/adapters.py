"""Known tables: which adapter of the catalog fits a sheet, and the layout that it states."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Final

import polars as pl

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.quantity import fold_width
from dafeng.catalog import Catalog
from dafeng.catalog.schemas import Adapter
from dafeng.intake.layout import Table, ValueColumn
from dafeng.intake.problems import Ledger
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["adapter_table", "find_adapter", "quarantine"]

_SEARCHED: Final = 30


def find_adapter(catalog: Catalog, sheet: Sheet, *, file: str, wanted: str | None = None) -> Adapter | None:
    """Return the adapter that fits a sheet, None where none does.

    Parameters
    ----------
    catalog : Catalog
    sheet : Sheet
    file : str
        File name.
    wanted : str, optional
        Id of the adapter to use.

    Raises
    ------
    UnknownNameError
        The catalog has no adapter `wanted`.
    InputError
        The sheet lacks columns of the adapter wanted.
    """
    if wanted is None:
        fitting = [adapter for adapter in catalog.adapters.values() if _fits(adapter, sheet, file)]
        return max(
            fitting, key=lambda item: (item.match.file is not None, len(item.match.columns), item.id), default=None
        )
    if wanted not in catalog.adapters:
        raise UnknownNameError(
            f"no adapter is called {wanted!r}",
            doing="import a table",
            expected=f"one of {', '.join(close_names(wanted, catalog.adapters) or sorted(catalog.adapters))}",
            next_step="run `dafeng catalog adapters`, or leave the adapter out",
        )
    adapter = catalog.adapters[wanted]
    if _header_row(adapter, sheet) is None:
        raise InputError(
            f"{file} lacks columns of adapter {wanted}",
            doing="import a table",
            expected=f"columns {', '.join(adapter.match.columns)}",
            next_step="choose another adapter, or leave it out",
            name="intake.adapter.columns",
        )
    return adapter


def _fits(adapter: Adapter, sheet: Sheet, file: str) -> bool:
    if adapter.match.file is not None and not fnmatch.fnmatch(file, adapter.match.file):
        return False
    return _header_row(adapter, sheet) is not None


def _header_row(adapter: Adapter, sheet: Sheet) -> int | None:
    wanted = {fold_width(name) for name in adapter.match.columns}
    for number, row in enumerate(sheet.frame.head(_SEARCHED).iter_rows()):
        if wanted <= {fold_width(text) for text in row if text is not None}:
            return number
    return None


def adapter_table(adapter: Adapter, sheet: Sheet, *, file: str) -> Table:
    """Return the layout that an adapter states for a sheet.

    Columns that it does not name are left out with a finding.
    """
    header = _header_row(adapter, sheet)
    assert header is not None
    columns = {fold_width(text): index for index, text in enumerate(sheet.frame.row(header)) if text is not None}

    def column(name: str) -> int:
        if fold_width(name) not in columns:
            raise InputError(
                f"{file} has no column {name!r}",
                doing=f"import a table with adapter {adapter.id}",
                expected=f"one of {', '.join(columns)}",
                next_step="check the file, or correct the adapter in catalog/adapters",
                name="intake.adapter.columns",
            )
        return columns[fold_width(name)]

    roles: dict[str, tuple[int, ...]] = {"place": tuple(column(name) for name in adapter.place.columns)}
    constants = {"dataset": adapter.dataset, "kind": adapter.kind.value}
    within = adapter.place.within
    if within is not None and within.startswith("="):
        constants["within"] = within[1:]
    elif within is not None:
        roles["within"] = (column(within),)
    if adapter.place.level is not None:
        constants["level"] = adapter.place.level.value
    if adapter.period.startswith("="):
        constants["period"] = adapter.period[1:]
    else:
        roles["period"] = (column(adapter.period),)
    if adapter.published_on is not None:
        constants["published_on"] = adapter.published_on.isoformat()
    elif adapter.published_months_after is not None:
        constants["published_on"] = f"+{adapter.published_months_after}"
    for name, dimension in adapter.dimensions.items():
        roles[name] = (column(dimension.column),)
    values = [ValueColumn(column(name), name, header, _properties(adapter, name)) for name in adapter.values]
    used = {index for indices in roles.values() for index in indices} | {value.index for value in values}
    ignored = {column(name): reason for name, reason in adapter.ignore.items() if fold_width(name) in columns}
    findings = []
    for name, index in columns.items():
        if index not in used and index not in ignored:
            ignored[index] = "适配表没有说明这一列"
            findings.append(
                Finding(
                    name="intake.column.unnamed",
                    sentence=f"适配表 {adapter.id} 没有说明列「{name}」，未导入",
                    severity=Severity.WARNING,
                    value=name,
                    expected="适配表列出的列",
                    next_step="在 catalog/adapters 中把它列入 values 或 ignore",
                    where=Location(file=file, sheet=sheet.name, cell=cell_name(header, index)),
                )
            )
    return Table((header,), roles, tuple(values), constants, ignored, findings=tuple(findings))


def _properties(adapter: Adapter, name: str) -> Mapping[str, str]:
    meaning = adapter.values[name]
    found = {"indicator": meaning.indicator, "unit": meaning.unit}
    if meaning.extent is not None:
        found["extent"] = meaning.extent.value
    if meaning.basis:
        found["basis"] = meaning.basis
    return found


def with_codes(cells: pl.DataFrame, adapter: Adapter) -> pl.DataFrame:
    """Return cells whose breakdown texts are replaced by the adapter's codes, and with its rule on zeros.

    A text that the adapter does not list stays as it is, and is refused where the vocabulary does not know it either.
    """
    for name, dimension in adapter.dimensions.items():
        if dimension.codes:
            column = f"d_{name}"
            cells = cells.with_columns(pl.col(column).replace(list(dimension.codes), list(dimension.codes.values())))
    zeros = [name for name, meaning in adapter.values.items() if meaning.zero_is_blank]
    return cells.with_columns(pl.col("header").is_in(zeros).alias("zero_is_blank"))


def quarantine(cells: pl.DataFrame, adapter: Adapter, sheet: Sheet, table: Table, ledger: Ledger) -> None:
    """Refuse the cells that the adapter knows to be wrong, with reason and evidence."""
    columns = {
        text: f"c{index}" for index, text in enumerate(sheet.frame.row(table.header_rows[-1])) if text is not None
    }
    rows = sheet.frame.with_row_index("row", offset=1)
    for rule in adapter.quarantine:
        conditions = [
            pl.col(columns[name]).str.strip_chars() == str(value)
            for name, value in rule.where.items()
            if name in columns
        ]
        if len(conditions) < len(rule.where):
            continue
        hit = rows.filter(pl.all_horizontal(conditions))["row"].cast(pl.Int64())
        wrong = cells.filter((pl.col("sheet") == sheet.name) & pl.col("row").is_in(hit.implode()))
        if rule.columns:
            wrong = wrong.filter(pl.col("header").is_in(list(rule.columns)))
        ledger.add("intake.quarantine", wrong, detail=pl.lit(f"{rule.reason}（依据：{rule.evidence}）"))

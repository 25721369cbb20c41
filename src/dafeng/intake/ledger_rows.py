"""The rows of a ledger's sheets, typed and judged: what is a record, what each of its cells says, what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import polars as pl

from dafeng.base.errors import InputError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.ledger import RECORD_COLUMNS, code_key, ledger_schema, name_key
from dafeng.catalog import Catalog
from dafeng.catalog.expression import evaluate, expression_names
from dafeng.catalog.ledger_schemas import Register
from dafeng.intake.ledger_cells import read_choices, read_days, read_places, read_quantities, read_texts, read_yes_no
from dafeng.intake.ledger_kinds import check_name
from dafeng.intake.ledger_layout import LedgerLayout, RegisterHeads
from dafeng.intake.problems import Ledger
from dafeng.intake.sheets import Sheet, cell_name, column_letters

__all__ = ["RowReader"]

_TOTAL: Final = r"^\s*(?:合\s*计|总\s*计|小\s*计|共\s*计|汇\s*总|全市合计|本页小计)\s*[:：]?\s*$"
_NOTE: Final = r"^\s*(?:注|备注|说明|附注|填报|填表|制表|审核人|负责人|联系|资料来源)[\s:：人]"
_SHIFTED: Final = 4


class RowReader:
    """Reads the sheets of one book.

    Parameters
    ----------
    register : Register
    catalog : Catalog
    ledger : Ledger
        Collects the problems of the rows.
    file : str
        Name for messages.
    recorded_at : datetime
    home : str or None
        Place within which place names are looked for first.
    given : mapping from field to text
        For fields without a column.

    Attributes
    ----------
    parts : list of DataFrame
        Rows of each sheet: id, sheet, row, key, stage and the fields.
    aside : list of DataFrame
        Fates of what is no record.
    extra : list of DataFrame
        Ids of rows set aside that have a problem.
    columns : list of tuple
        What became of each column.
    findings : list of Finding
        What is told of sheets and columns.
    """

    def __init__(
        self,
        register: Register,
        catalog: Catalog,
        ledger: Ledger,
        file: str,
        recorded_at: datetime,
        home: str | None,
        given: dict[str, str],
    ) -> None:
        self.register = register
        self.catalog = catalog
        self.ledger = ledger
        self.file = file
        self.recorded_at = recorded_at.astimezone(UTC)
        self.home = home
        self.given = given
        self.schema = ledger_schema(register, catalog.fields)
        self.findings: list[Finding] = []
        self.parts: list[pl.DataFrame] = []
        self.aside: list[pl.DataFrame] = []
        self.extra: list[pl.DataFrame] = []
        self.columns: list[tuple[str, str, str, str, str, int]] = []
        self.next_id = 0

    def _tell(
        self,
        name: str,
        sentence: str,
        *,
        severity: Severity,
        sheet: str,
        expected: str,
        next_step: str,
        cell: str = "",
        value: str = "",
    ) -> None:
        where = Location(file=self.file, sheet=sheet, cell=cell)
        self.findings.append(
            Finding(
                name=name,
                sentence=sentence,
                severity=severity,
                value=value,
                expected=expected,
                next_step=next_step,
                where=where,
            )
        )

    def check_given(self) -> None:
        """Refuse given values for fields that the register does not have."""
        fields = {column.field for column in self.register.fields}
        for name in self.given:
            if name not in fields:
                raise InputError(
                    f"the register {self.register.id} has no field {name!r}",
                    doing="read a ledger",
                    expected=f"one of {', '.join(close_names(name, fields) or sorted(fields)[:8])}",
                    next_step="mend the name of the field",
                )

    def no_ledger(self, sheet: Sheet) -> None:
        """Set a sheet aside on which no ledger was found."""
        self._tell(
            "ledger.sheet.no-ledger",
            f"没有找到{self.register.title.zh}的列名：工作表「{sheet.name}」未导入",
            severity=Severity.WARNING,
            sheet=sheet.name,
            expected="一行列名，含标识与名称",
            next_step="不应导入的不必处理；应导入的补上列名",
        )
        self._set_aside(sheet.frame.with_row_index("row", offset=1), pl.lit("no_ledger"), sheet.name)

    def _set_aside(self, rows: pl.DataFrame, reason: pl.Expr, sheet: str) -> None:
        self.aside.append(
            rows.select(
                sheet=pl.lit(sheet),
                row=pl.col("row").cast(pl.Int64),
                key=pl.lit(""),
                fate=pl.lit("set_aside"),
                findings=reason,
            )
        )

    def _field_name(self, field: str) -> str:
        return self.catalog.fields[field].zh

    def read(self, sheet: Sheet, layout: LedgerLayout) -> None:
        """Read the rows of a sheet."""
        self._tell_columns(sheet, layout)
        raw = self._body(sheet, layout)
        if raw.is_empty():
            self._tell(
                "ledger.sheet.no-rows",
                "列名以下没有记录",
                severity=Severity.WARNING,
                sheet=sheet.name,
                cell=cell_name(layout.head_row, 0),
                expected="至少一行记录",
                next_step="填写后重新导入",
            )
        letters = {column.field: column_letters(column.index) for column in layout.columns}
        raw = self._marks(raw, sheet, layout)
        rows, problems = self._values(raw, layout, letters)
        rows = self._keys(rows, raw, letters, problems)
        rows = self._requirements(rows, raw, layout, letters)
        self._checks(rows, raw, letters)
        self.parts.append(rows)

    def _tell_columns(self, sheet: Sheet, layout: LedgerLayout) -> None:
        body = sheet.frame.slice(layout.first_row)

        def filled(index: int) -> int:
            return body.height - body[f"c{index}"].null_count() if body.height else 0

        for column in layout.columns:
            letters = column_letters(column.index)
            self.columns.append((sheet.name, letters, column.head, column.field, "read", filled(column.index)))
        heads = RegisterHeads(self.register, self.catalog)
        for index, head, why in layout.unread:
            cells = filled(index)
            if not cells or head.strip() in ("序号", "编号", "No.", "no", "行号"):
                continue
            self.columns.append((sheet.name, column_letters(index), head, "", why, cells))
            repeated = why == "repeated"
            self._tell(
                f"ledger.column.{why}",
                f"列「{head}」与前面的列给的是同一项，未采用"
                if repeated
                else f"列「{head or '（无列名）'}」不认识，其中 {cells} 格未采用",
                severity=Severity.WARNING,
                sheet=sheet.name,
                cell=cell_name(layout.head_row, index),
                value=head,
                expected="每项一列"
                if repeated
                else f"台账的列名，相近的有：{'、'.join(heads.close(head)) or '（无）'}",
                next_step="删去一列" if repeated else "改为台账的列名；确需的列由目录维护人加进登记册",
            )
        read = {column.field for column in layout.columns}
        for wanted in self.register.fields:
            if wanted.required and wanted.field not in read and wanted.field not in self.given:
                self._tell(
                    "ledger.column.missing",
                    f"缺少必填的列「{self._field_name(wanted.field)}」，各行均不能采用",
                    severity=Severity.ERROR,
                    sheet=sheet.name,
                    cell=cell_name(layout.head_row, 0),
                    value=wanted.field,
                    expected="、".join((self._field_name(wanted.field), *wanted.heads)),
                    next_step="补上这一列；各行都相同时可在导入时一次给出",
                )

    def _body(self, sheet: Sheet, layout: LedgerLayout) -> pl.DataFrame:
        """Return the rows below the heads as texts by field, with row number; what is no row of the ledger is set aside."""
        frame = sheet.frame.with_row_index("row", offset=1).slice(layout.first_row)
        names = {f"c{column.index}": column.field for column in layout.columns}
        everything = [name for name in frame.columns if name != "row"]
        filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in everything)
        mapped = pl.sum_horizontal(pl.col(name).is_not_null() for name in names)
        first = pl.coalesce(everything)
        lone = (mapped <= 1) & (filled <= 2)
        head_texts = [(f"c{column.index}", column.head) for column in layout.columns if column.head]
        same_heads = pl.sum_horizontal(pl.col(name).eq_missing(pl.lit(head)) for name, head in head_texts)
        total = pl.any_horizontal(pl.col(name).str.contains(_TOTAL).fill_null(value=False) for name in everything[:4])
        reason = (
            pl.when(filled == 0)
            .then(pl.lit("blank"))
            .when(same_heads * 2 > max(len(head_texts), 3))
            .then(pl.lit("header"))
            .when(total)
            .then(pl.lit("total"))
            .when(lone & (first.str.contains(_NOTE) | (first.str.len_chars() > 15)))
            .then(pl.lit("note"))
        )
        marked = frame.with_columns(_reason=reason)
        aside = marked.filter(pl.col("_reason").is_not_null() & (pl.col("_reason") != "blank"))
        self._set_aside(aside, pl.col("_reason"), sheet.name)
        totals = aside.filter(pl.col("_reason") == "total").select(
            "row", sheet=pl.lit(sheet.name), text=pl.coalesce(everything), cell=pl.format("A{}", "row")
        )
        body = marked.filter(pl.col("_reason").is_null())
        ids = totals.with_row_index("id", offset=self.next_id)
        self.next_id += totals.height
        self.ledger.add("ledger.row.total", ids)
        self.extra.append(ids.select(pl.col("id").cast(pl.Int64), "sheet", pl.col("row").cast(pl.Int64)))
        body = body.select("row", **{field: pl.col(name) for name, field in names.items()})
        body = _fill_merged(body, sheet, layout, self.catalog)
        made = body.with_columns(
            id=pl.int_range(pl.len(), dtype=pl.Int64) + self.next_id,
            sheet=pl.lit(sheet.name),
            row=pl.col("row").cast(pl.Int64),
        )
        self.next_id += made.height
        constants = {name: pl.lit(text) for name, text in self.given.items() if name not in made.columns}
        return made.with_columns(**constants)

    def _marks(self, raw: pl.DataFrame, sheet: Sheet, layout: LedgerLayout) -> pl.DataFrame:
        """Tell formulas, errors and merged numbers; a formula without result is no value."""
        if sheet.marks.is_empty():
            return raw
        fields = {column.index: column.field for column in layout.columns}
        marks = sheet.marks.with_columns(
            row=pl.col("row") + 1,
            field=pl.col("col").cast(pl.Int64).replace_strict(fields, default=None, return_dtype=pl.String()),
        ).filter(pl.col("field").is_not_null())
        marks = marks.join(raw.select("row", "id"), on="row")
        if not marks.height:
            return raw
        letters = {column.field: column_letters(column.index) for column in layout.columns}
        for field in marks["field"].unique():
            of_field = marks.filter(pl.col("field") == field)
            named = pl.lit(self._field_name(field))
            where = pl.lit(letters[field]) + pl.col("row").cast(pl.String)
            texts = raw.select("id", text=pl.col(field))
            of_field = of_field.join(texts, on="id", how="left")
            uncached = of_field.filter(pl.col("mark") == "formula-without-value")
            self.ledger.add("ledger.cell.formula-without-value", uncached, detail=named, where=where)
            self.ledger.add(
                "ledger.number.formula-error", of_field.filter(pl.col("mark") == "error"), detail=named, where=where
            )
            cached = of_field.filter(pl.col("mark") == "formula")
            first = cached.select(pl.col("row").min().cast(pl.String)).item() or ""
            self.ledger.add(
                "ledger.cell.formula",
                cached,
                value=pl.lit(""),
                detail=named,
                where=pl.lit(f"{letters[field]}{first}"),
            )
            lost = of_field.filter(pl.col("mark").is_in(["formula-without-value", "error"]))["id"]
            if lost.len():
                kept = pl.when(~pl.col("id").is_in(lost.implode())).then(pl.col(field))
                raw = raw.with_columns(kept.alias(field))
        return raw

    def _values(
        self, raw: pl.DataFrame, layout: LedgerLayout, letters: Mapping[str, str]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows with typed values, and how many cells of each row could not be read."""
        units = {column.field: column.unit for column in layout.columns}
        wanted = {column.field: column for column in self.register.fields}
        today, zone_field = self.recorded_at.date(), self.register.zone_field
        made: dict[str, pl.Series] = {}
        unread = pl.Series("unread", [0] * raw.height, dtype=pl.Int64)
        for name in (field for field in raw.columns if field in wanted):
            known, texts = self.catalog.fields[name], raw[name]
            if name == self.register.place_field:
                zones = raw[zone_field] if zone_field in raw.columns else None
                answer = read_places(texts, zones, self.catalog.places, self.home)
                if zone_field is not None:
                    made[zone_field] = answer["zone"]
            elif name == zone_field and self.register.place_field in raw.columns:
                continue
            elif known.type == "number":
                unit = units.get(name, "") or wanted[name].unit or ""
                answer = read_quantities(texts, known, unit=unit, required=wanted[name].required)
            elif known.type == "date":
                answer = read_days(texts, today=today)
            elif known.type == "yes_no":
                answer = read_yes_no(texts)
            elif known.type == "choice":
                answer = read_choices(texts, known)
            else:
                answer = read_texts(texts)
            made[name] = answer["value"]
            self._tell_cells(raw, name, answer, letters)
            if known.type in ("number", "date", "yes_no"):
                unread = unread + answer["problem"].is_not_null().cast(pl.Int64)
        rows = raw.select("id", "sheet", "row").with_columns(
            (made[name].cast(dtype) if name in made else pl.lit(None, dtype)).alias(name)
            for name, dtype in self.schema.items()
            if name not in RECORD_COLUMNS
        )
        stage = made["stage"] if "stage" in made else pl.Series("stage", [None] * raw.height, dtype=pl.String)
        rows = rows.with_columns(stage.fill_null("").alias("stage"))
        return rows, raw.select("id").with_columns(unread)

    def _tell_cells(self, raw: pl.DataFrame, field: str, answer: pl.DataFrame, letters: Mapping[str, str]) -> None:
        place = letters.get(field, "A")
        named = self._field_name(field)
        for column in ("problem", "remark"):
            hit = answer[column].is_not_null()
            if not hit.any():
                continue
            cells = raw.select("id", "row", text=pl.col(field)).with_columns(
                name=pl.lit("ledger.") + pl.lit(answer[column]), detail=pl.lit(answer["detail"]).fill_null(named)
            )
            self.ledger.add(
                pl.col("name"),
                cells.filter(hit),
                detail=pl.col("detail"),
                where=pl.lit(place) + pl.col("row").cast(pl.String),
            )

    def _keys(
        self, rows: pl.DataFrame, raw: pl.DataFrame, letters: Mapping[str, str], unread: pl.DataFrame
    ) -> pl.DataFrame:
        identity = [field for field in self.register.identity if field in self.schema]
        name, place = self.register.name_field, self.register.place_field
        options = [
            name_key(pl.col(name), pl.col(place).fill_null("") if place in rows.columns else pl.lit(""))
            if field == name
            else code_key(pl.col(field).cast(pl.String))
            for field in identity
        ]
        rows = (
            rows.with_columns(key=pl.coalesce(options)) if options else rows.with_columns(key=pl.lit(None, pl.String))
        )
        for field in identity:
            if field not in raw.columns:
                continue
            broken = raw.select("id", "row", text=pl.col(field)).filter(
                pl.col("text").str.contains(r"^\d(?:\.\d+)?[eE]\+?\d{2,}$")
            )
            self.ledger.add(
                "ledger.key.digits-lost", broken, where=pl.lit(letters.get(field, "A")) + pl.col("row").cast(pl.String)
            )
        shown = "、".join(self._field_name(field) for field in self.register.identity)
        missing = rows.filter(pl.col("key").is_null()).select("id", "row", text=pl.lit(""))
        spot = letters.get(self.register.identity[0], "A")
        where = pl.lit(spot) + pl.col("row").cast(pl.String)
        self.ledger.add("ledger.key.missing", missing, detail=pl.lit(shown), where=where)
        shifted = rows.join(unread, on="id").filter(pl.col("unread") >= _SHIFTED)
        self.ledger.add(
            "ledger.row.shifted",
            shifted.select("id", "row", "unread", text=pl.col(name) if name in rows.columns else pl.lit("")),
            detail=pl.col("unread"),
            where=pl.format("A{}", "row"),
        )
        return rows

    def _requirements(
        self, rows: pl.DataFrame, raw: pl.DataFrame, layout: LedgerLayout, letters: Mapping[str, str]
    ) -> pl.DataFrame:
        for column in self.register.fields:
            name = column.field
            if not column.required or name in self.register.identity:
                continue
            if name not in raw.columns:  # told once, for the column
                absent = rows.select("id", "row", text=pl.lit(""))
                self.ledger.add(
                    "ledger.row.required",
                    absent,
                    detail=pl.lit(self._field_name(name)),
                    where=pl.lit(cell_name(layout.head_row, 0)),
                )
                continue
            empty = pl.col(name).is_null() if name != "stage" else pl.col("stage") == ""
            lacking = rows.filter(empty).select("id", "row", text=pl.lit(""))
            self.ledger.add(
                "ledger.row.required",
                lacking,
                detail=pl.lit(self._field_name(name)),
                where=pl.lit(letters.get(name, "A")) + pl.col("row").cast(pl.String),
            )
        return rows

    def _checks(self, rows: pl.DataFrame, raw: pl.DataFrame, letters: Mapping[str, str]) -> None:
        types = self.catalog.field_types()
        fitting = [check for check in self.register.checks if set(expression_names(check.require)) <= set(rows.columns)]
        if not fitting or rows.is_empty():
            return
        answers = rows.select(evaluate(check.require, types).alias(check.id) for check in fitting)
        for check in fitting:
            wrong = ~answers[check.id].fill_null(value=True)
            if not wrong.any():
                continue
            spot = next((field for field in check.fields if field in letters), None)
            shown = pl.lit("") if spot is None or spot not in raw.columns else pl.col(spot).fill_null("")
            self.ledger.add(
                check_name(self.register.id, check.id),
                raw.filter(wrong).select("id", "row", text=shown),
                where=pl.lit(letters.get(spot or "", "A")) + pl.col("row").cast(pl.String),
            )


def _fill_merged(body: pl.DataFrame, sheet: Sheet, layout: LedgerLayout, catalog: Catalog) -> pl.DataFrame:
    """Fill cells merged downwards, but for numbers: those stand in the first row of the area."""
    fields = {column.index: column.field for column in layout.columns}
    fills: dict[str, dict[int, str | None]] = {}
    for top, left, bottom, _ in sheet.merged:
        last = min(bottom, sheet.frame.height - 1)
        if left in fields and last > top >= layout.first_row and catalog.fields[fields[left]].type != "number":
            text = sheet.frame[f"c{left}"][top]
            fills.setdefault(fields[left], {}).update(dict.fromkeys(range(top + 2, last + 2), text))
    return body.with_columns(
        pl.col("row").cast(pl.Int64).replace_strict(found, default=pl.col(name)).alias(name)
        for name, found in fills.items()
    )

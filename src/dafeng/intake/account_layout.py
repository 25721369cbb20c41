"""Bills of accounts out of tables of any layout in use: one row an account and month (or span), or one column a month."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.quantity import fold_width
from dafeng.intake.meter_layout import is_total, split_unit
from dafeng.intake.meter_problems import note
from dafeng.intake.meter_times import TIME_SCHEMA, read_times
from dafeng.intake.meter_values import decimal_comma, read_values
from dafeng.intake.sheets import Sheet, column_letters

__all__ = ["ACCOUNT_FACTS", "CARRIERS", "role_of_account", "sheet_bills"]

ACCOUNT_FACTS: Final = ("account", "name", "address", "place", "use")
"""What a table says of an account beside its bills."""
CARRIERS: Final = {
    "电": ("electricity", "kWh"),
    "气": ("natural_gas", "立方米"),
    "热": ("heat", "GJ"),
    "水": ("water", "立方米"),
}
"""Carrier and unit in which its use is stored, by a word of the header of the amount."""
_ROLES: Final = {
    "account": "户号 用户编号 用户号 客户编号 客户号 用电户号 用气户号 用热户号 用水户号 户编号 缴费户号 缴费编号 热用户编号 账户 account accountno accountid customerno customerid",
    "name": "户名 用户名称 客户名称 热用户名称 单位名称 名称 customer customername name holder",
    "address": "用电地址 用气地址 用热地址 用水地址 用能地址 用户地址 客户地址 地址 address",
    "place": "区县 行政区 区域 所属区 供电所 district area",
    "use": "用电类别 用气类别 用热类别 用水类别 用户类别 用能性质 行业 行业类别 use category",
    "year": "年 年份 年度 year",
    "month": "月份 年月 账期 账单月份 电费年月 核算年月 结算月份 抄表年月 用能月份 month billingmonth period",
    "start": "起始日期 开始日期 上次抄表日期 上次抄表日 上次抄表时间 计费起始 计费起始日期 计费开始日期 账单起始日 账单起始日期 起始日 start from",
    "end": "截止日期 结束日期 终止日期 本次抄表日期 本次抄表日 抄表日期 本次抄表时间 计费截止 计费截止日期 计费结束日期 账单截止日 账单截止日期 截止日 end to",
    "span": "起止日期 计费周期 账单周期 用能周期 结算周期 抄表周期 billingperiod",
    "amount": "合计电量 总电量 总用电量 结算电量 计费电量 合计气量 合计水量 合计热量 用电量 电量 有功总 用气量 气量 用水量 水量 用热量 热量 耗热量 供热量 用能量 "
    "总用量 用量 抄见电量 抄见气量 抄见水量 抄见热量 amount usage consumption",
    "unit": "单位 计量单位 unit",
    "aside": "序号 编号 备注 说明 no id remark note",
}  # fmt: skip
"""Headers by role; of several amounts the one that stands first here is read, so that corrections are in it."""
_ROLE: Final = {name: role for role, names in _ROLES.items() for name in names.split()}
_AMOUNTS: Final = {name: place for place, name in enumerate(_ROLES["amount"].split())}
_HEADER_ROWS: Final = 30
_MONTH_WORDS: Final = r"(用?[电气热水]量|用量)?(\(.*\)|（.*）)?$"
_BARE_MONTH: Final = re.compile(r"\s*(1[0-2]|0?[1-9])月份?\s*")
_YEAR: Final = re.compile(r"(?<!\d)(20\d\d)\s*(?:年|$|(?=\D))")
_DATE: Final = r"\d{4}[-./年]\d{1,2}[-./月]\d{1,2}日?"
_PERIOD: Final = rf"^\s*({_DATE})\s*[-—–~～至到]+\s*({_DATE})\s*$"


class _Column(NamedTuple):
    """A column of amounts: its place, and what it says of the month (empty where the rows say so; -01 where they say the year)."""

    place: int
    month: str = ""


def _folded(header: str) -> str:
    return re.sub(r"[_\-\s]", "", fold_width(header)).casefold()


def role_of_account(header: str) -> str | None:
    """Return the role of a header of bills, None where it names none.

    Examples
    --------
    >>> role_of_account("用电户号"), role_of_account("抄见电量(kWh)"), role_of_account("表号")
    ('account', 'amount', None)
    """
    return next((role for text in (header, split_unit(header)[0]) if (role := _ROLE.get(_folded(text)))), None)


def _rank(header: str) -> int:
    """Return how late an amount is chosen."""
    return min(_AMOUNTS.get(_folded(text), len(_AMOUNTS)) for text in (header, split_unit(header)[0]))


def sheet_bills(sheet: Sheet, file: str, findings: list[Finding]) -> pl.DataFrame | None:
    """Return the bills of a sheet, None where no row looks like their header.

    Parameters
    ----------
    sheet : Sheet
    file : str
        Name for findings.
    findings : list of Finding
        What the layout leaves open is added.

    Returns
    -------
    DataFrame
        One row a bill: the facts of `ACCOUNT_FACTS`, value, problem, unit_here, unit_head, head, text, the time as read (local, offset,
        span, time_problem, time_text, and s_… of a beginning), total (whether it is a row of totals), twin (hash of all that the row
        says), sheet, row, column, cell.
    """
    above: list[str] = [sheet.name]
    for number, row in enumerate(sheet.frame.head(_HEADER_ROWS).iter_rows()):
        cells = [cell or "" for cell in row]
        roles = [role_of_account(cell) for cell in cells]
        columns: dict[str, int] = {}
        for index, role in enumerate(roles):
            if role and role != "aside":
                columns.setdefault(role, index)
        if "account" in columns:
            amounts = sorted(
                (index for index, role in enumerate(roles) if role == "amount"), key=lambda one: _rank(cells[one])
            )
            chosen = [_Column(amounts[0])] if amounts and columns.keys() & {"month", "end", "span"} else []
            chosen = chosen or _months(cells, roles, columns, above, file, sheet.name, findings)
            if chosen:
                findings += _left_out(cells, roles, columns, chosen, file, sheet.name)
                return _unfold(sheet, number + 1, cells, roles, columns, chosen)
        above += cells
    findings.append(
        note(
            "no-account-header",
            "没有找到账户用能表的表头，这张表未导入",
            file,
            severity=Severity.ERROR,
            sheet=sheet.name,
            expected="户号，以及月份（或抄表日期）与用量，或每月一列（写明年份）",
            next_step="补上列名",
        )
    )
    return None


def _months(
    cells: Sequence[str],
    roles: Sequence[str | None],
    columns: Mapping[str, int],
    above: Sequence[str],
    file: str,
    sheet: str,
    findings: list[Finding],
) -> list[_Column]:
    """Return the columns of single months; the year of bare months (1月 … 12月) comes from a column, or from the one year in the title."""
    free = [index for index, role in enumerate(roles) if role is None and cells[index].strip()]
    bare = {index: re.sub(_MONTH_WORDS, "", cells[index]) for index in free}
    said = read_times(pl.Series(bare.values(), dtype=pl.String))
    full = [
        _Column(index, bare[index])
        for index, span, problem in zip(free, said["span"], said["problem"], strict=True)
        if span == "month" and problem is None
    ]
    if full:
        return full
    months = {index: f"-{int(match[1]):02d}" for index in free if (match := _BARE_MONTH.fullmatch(bare[index]))}
    if "year" in columns or not months:
        return [_Column(index, month) for index, month in months.items()]
    years = {year for text in above for year in _YEAR.findall(text)}
    if len(years) != 1:
        return []
    year = years.pop()
    said_year = f"各月的列名没有年份，按标题中的 {year} 年读取"
    findings.append(note("year-of-title", said_year, file, severity=Severity.INFO, sheet=sheet, next_step="核对年份"))
    return [_Column(index, year + month) for index, month in months.items()]


def _left_out(
    cells: Sequence[str],
    roles: Sequence[str | None],
    columns: Mapping[str, int],
    chosen: Sequence[_Column],
    file: str,
    sheet: str,
) -> list[Finding]:
    used = set(columns.values()) | {column.place for column in chosen}
    carrier = _carrier(cells[chosen[0].place])
    left = [index for index, cell in enumerate(cells) if cell.strip() and roles[index] != "aside"]
    left = [index for index in left if index not in used or (roles[index] == "amount" and index != chosen[0].place)]
    others = [cells[index] for index in left if roles[index] == "amount" and _carrier(cells[index]) != carrier]
    rest = [cells[index] for index in left if cells[index] not in others]
    found = []
    if others:
        said = f"以下列是另一种能源的用量，未读取：{'、'.join(others[:12])}"
        found.append(
            note("carriers-beside", said, file, sheet=sheet, next_step="每种能源一个文件；把其余用量列删去后分别导入")
        )
    if rest:
        said = f"以下列未读取：{'、'.join(rest[:12])}"
        found.append(note("columns-ignored", said, file, sheet=sheet, severity=Severity.INFO))
    return found


def _carrier(head: str) -> str | None:
    return next((word for word in CARRIERS if word in head), None)


def _unfold(
    sheet: Sheet,
    first: int,
    cells: Sequence[str],
    roles: Sequence[str | None],
    columns: Mapping[str, int],
    chosen: Sequence[_Column],
) -> pl.DataFrame:
    frame = sheet.frame.with_row_index("row").slice(first)
    frame = frame.filter(~pl.all_horizontal(pl.exclude("row").is_null()))
    blank = pl.Series([None] * frame.height, dtype=pl.String)

    def text(role: str) -> pl.Series:
        return frame[f"c{columns[role]}"].str.strip_chars() if role in columns else blank

    twin = frame.select(
        pl.concat_str(
            [pl.col(f"c{index}") for index, role in enumerate(roles) if role != "aside"],
            separator="\t",
            ignore_nulls=True,
        )
        .hash()
        .alias("twin")
    )["twin"]
    total = frame.select(
        pl.any_horizontal(
            is_total(pl.col(f"c{index}")) for index, role in enumerate(roles) if role in ("account", "name", "aside")
        )
    ).to_series()
    ended, begun = text("end" if "end" in columns else "month"), text("start")
    if "span" in columns and "end" not in columns:
        ended, begun = text("span").str.extract(_PERIOD, 2), text("span").str.extract(_PERIOD, 1)
    shown = text("span") if "span" in columns and "end" not in columns else ended
    spanned = bool(begun.count()) and not chosen[0].month and ("end" in columns or "span" in columns)
    started = read_times(begun if spanned else blank)
    started = started.with_columns(problem=pl.when(pl.lit(spanned)).then("problem"))
    comma = decimal_comma(frame[f"c{column.place}"] for column in chosen)
    by_row = read_times(ended) if not chosen[0].month else None
    pieces = []
    for index, month in chosen:
        if by_row is not None:
            times = by_row
        elif month.startswith("-"):
            times = read_times(text("year").str.strip_chars("年 ") + month)
        else:
            times = (
                pl.concat([read_times(pl.Series([month]))] * frame.height)
                if frame.height
                else pl.DataFrame(schema=TIME_SCHEMA)
            )
        pieces.append(
            read_values(frame[f"c{index}"], comma=comma)
            .rename({"unit": "unit_here"})
            .hstack(times.rename({"problem": "time_problem"}))
            .hstack(started.rename({name: f"s_{name}" for name in started.columns}))
            .with_columns(
                frame["row"],
                twin,
                pl.Series("total", total),
                pl.lit(sheet.name).alias("sheet"),
                (pl.lit(column_letters(index)) + (frame["row"] + 1).cast(pl.String)).alias("cell"),
                pl.lit(index + 1, pl.Int32).alias("column"),
                *(text(role).alias(role) for role in ACCOUNT_FACTS),
                pl.coalesce(text("unit"), pl.lit(split_unit(cells[index])[1] or None, pl.String)).alias("unit_head"),
                pl.lit(cells[index]).alias("head"),
                frame[f"c{index}"].alias("text"),
                (shown if by_row is not None else pl.lit(cells[index])).alias("time_text"),
            )
        )
    return pl.concat(pieces)

"""How a table of readings is laid out: which row is its header, which column plays which role, and in which unit.

Three layouts are in use: long (meter, time, value), wide (one column a meter), and by the clock (meter and day, one column an
hour or quarter of an hour), or by the day or month (meter, one column a day or month).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import UnitError
from dafeng.base.quantity import fold_width, read_unit
from dafeng.intake.meter_times import read_times
from dafeng.intake.sheets import Sheet

__all__ = ["ROLES", "Layout", "ValueColumn", "find_layout", "is_total", "role_of_header", "split_unit"]

ROLES: Final[dict[str, str]] = {
    "meter": "表号 表计编号 表计号 表具编号 表具号 仪表编号 仪表号 仪表 电表号 电表编号 水表号 水表编号 气表号 热表号 热表编号 表计 表计id 表id 计量点 "
    "计量点编号 计量点号 测点 测点编号 监测点 监测点编号 支路编号 支路 回路 回路编号 设备编号 设备号 资产编号 资产号 表资产号 电能表编号 电能表资产号 出厂编号 表地址 通讯地址 meter meterid meterno meternumber metercode deviceid device sensor",
    "time": "时间 采集时间 采样时间 抄表时间 抄见时间 数据时间 记录时间 日期时间 时间戳 time timestamp datetime at timeutc timestamputc datetimelocal "
    "timestamplocal localtime readingtime readat timerounded",
    "date": "日期 数据日期 抄表日期 采集日期 用电日期 月份 年月 数据月份 date day",
    "year": "年 年份 year",
    "month": "月 month",
    "day": "日",
    "clock": "时刻 时点 小时 时 钟点 clock hour timeofday",
    "start": "开始时间 起始时间 起时间 区间起 起始日期 开始日期 上次抄表日期 上次抄表时间 start starttime from fstarthour begin",
    "end": "结束时间 截止时间 终止时间 止时间 区间止 截止日期 结束日期 终止日期 本次抄表日期 本次抄表时间 end endtime to fendhour until",
    "register": "读数 表底 表底数 示数 表码 抄见数 抄见读数 本次读数 本次示数 本次表码 止码 止数 累计读数 累计值 累积值 累计量 表读数 底码 正向有功总 正向有功 正向有功电能 正向有功总电能 有功总 组合有功总 总示数 "
    "reading register cumulative index counter",
    "interval": "用量 用电量 电量 用能量 能耗 耗电量 用水量 水量 耗水量 用气量 气量 耗气量 用热量 热量 耗热量 用冷量 增量 差值 时段用量 抄见电量 结算电量 计费电量 "
    "本期用量 使用量 总电量 总用电量 总用量 有功电量 正向有功电量 日电量 日用电量 月电量 月用电量 小时电量 consumption usage energy amount delta",
    "value": "值 数值 数据 电能 总 value val data",
    "unit": "单位 计量单位 unit units",
    "mark": "状态 标志 标识 质量 质量码 质量标志 数据质量 数据状态 mark quality flag status qualityflag",
    "ignored": "序号 编号 星期 备注 说明 注 名称 表名 表计名称 建筑 建筑名称 建筑代码 楼宇 位置 安装位置 户名 户号 用户编号 用户名称 客户编号 客户名称 "
    "地址 变比 ct pt 上次读数 上次示数 上次表码 起码 起数 设备名称 支路名称 测点名称 no id dayofweek weekday remark note name building buildingid "
    "location customerid",
    "multiplier": "倍率 综合倍率 互感器倍率 multiplier",
    "total": "合计 总计 小计 sum total grandtotal",
}
"""Headers by role, folded: no white space, no underscores, lower case."""
_ROLE: Final = {name: role for role, names in ROLES.items() for name in names.split()}
_BRACKET: Final = re.compile(r"^(?P<head>.*?)[(\[【](?P<inner>[^()\[\]【】]*)[)\]】]$")
_SUFFIX: Final = re.compile(
    r"^(?P<head>.+?)[_/,，](?P<unit>kwh|mwh|gwh|wh|gj|mj|kw|mw|m3|m³|t|kg|千瓦时|度|立方米|吉焦|吨)$", re.I
)
_WORDS: Final = (
    ("register", re.compile(r"示数|表底|底码|底数|累计|累积|正向有功|抄见数")),
    ("interval", re.compile(r"用量|电量|能耗|水量|气量|热量|冷量")),
)
"""Words that tell a register from use where a header is not in `ROLES`."""
_BESIDE: Final = re.compile(
    r"反向|无功|视在|尖|峰|平|谷|上次|上期|上月|去年|同期|同比|环比|电压|电流|功率|瞬时|流量|流速|温度|湿度|压力|频率|因数|需量|剩余|金额|电费|单价"
)
"""Words of columns that stand beside the reading of a meter: other registers, tariffs, earlier readings, states."""
_TARIFF: Final = re.compile(r"^(?:尖峰|高峰|低谷|深谷|尖|峰|平|谷)(?:段|时|时段)?(?:用?电量|示数|读数|表底)?$")
_TOTAL_ROWS: Final = r"^\s*[(（]?(?:合\s*计|总\s*计|小\s*计|累计|(?:grand\s*)?total|sum)[:：)）]?\s*$"
_CLOCK: Final = re.compile(r"^(\d{1,2})(?::(\d{2})(?::00)?|时|点)$|^(\d{1,2})(?:点|时)(\d{1,2})分$")
_POINT: Final = re.compile(r"^(?:p|点|point|v|h)_?(\d{1,2})$", re.I)
_HEADER_ROWS: Final = 30
_KINDS: Final = ("register", "interval", "value")


class ValueColumn(NamedTuple):
    """A column of values.

    Parameters
    ----------
    column : int
        Column, counted from 0.
    name : str
        Header without its unit.
    kind : str
        register, interval, or value where the header says neither.
    unit : str
        Unit in the header; empty where none.
    minutes : int or None
        Minutes since midnight, where the header is a time of day.
    """

    column: int
    name: str
    kind: str
    unit: str = ""
    minutes: int | None = None


@dataclass(frozen=True)
class Layout:
    """Where what stands in a table.

    Parameters
    ----------
    form : str
        long, wide, clock, or dates.
    first_row : int
        First row of data, counted from 0.
    columns : mapping from role to column
        meter, time, date, clock, start, end, unit, mark.
    values : tuple of ValueColumn
    zone : str or None
        Zone that the header of the time states.
    ends : bool or None
        Whether a header says that times are ends (or beginnings) of intervals.
    ignored : tuple of str
        Headers that are not read.
    totals : tuple of str
        Columns of totals, not read.
    unnamed : tuple of int
        Columns without a header.
    beside : tuple of str
        Columns of what the meters counted in the other direction, not read.
    several : bool
        Whether one meter has several columns of values, so that each is a meter of its own.
    """

    form: str
    first_row: int
    columns: Mapping[str, int]
    values: tuple[ValueColumn, ...]
    zone: str | None = None
    ends: bool | None = None
    ignored: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    unnamed: tuple[int, ...] = ()
    several: bool = False


def split_unit(header: str) -> tuple[str, str]:
    """Return a header without its unit, and the unit.

    Examples
    --------
    >>> split_unit("读数（kWh）"), split_unit("energy_heat_kwh"), split_unit("1#楼(东)"), split_unit("A_total")
    (('读数', 'kWh'), ('energy_heat', 'kwh'), ('1#楼(东)', ''), ('A_total', ''))
    """
    text = header.strip()
    match = _BRACKET.fullmatch(text.replace("（", "(").replace("）", ")")) or _SUFFIX.fullmatch(text)
    if match is None:
        return text, ""
    unit = match["inner"] if "inner" in match.re.groupindex else match["unit"]
    unit = unit.removeprefix("单位").lstrip(":：")
    try:
        read_unit(unit)
    except UnitError:
        return text, ""
    return (match["head"].strip(), unit) if unit.strip() else (text, "")


def role_of_header(header: str) -> str | None:
    """Return the role of a header, None where it names none.

    Examples
    --------
    >>> role_of_header("采集时间"), role_of_header("Meter_ID"), role_of_header("用电量(kWh)"), role_of_header("3号楼")
    ('time', 'meter', 'interval', None)
    """
    for text in (header, split_unit(header)[0], re.sub(r"[(（\[].*$", "", header)):
        role = _ROLE.get(re.sub(r"[_\-\s/.]", "", fold_width(text)).casefold())
        if role is not None:
            return role
    return None


def is_total(texts: pl.Expr) -> pl.Expr:
    """Return which texts name a total (合计, 小计, total) where a meter, an account or a time should stand."""
    return texts.str.contains(f"(?i){_TOTAL_ROWS}").fill_null(False)


def _kind_by_words(header: str) -> str | None:
    """Return register or interval where a word of the header says so and none says that it stands beside the reading."""
    text = fold_width(header)
    if _BESIDE.search(text):
        return None
    return next((kind for kind, words in _WORDS if words.search(text)), None)


def _minutes(header: str) -> int | None:
    match = _CLOCK.fullmatch(fold_width(header))
    if match is None:
        return None
    hours, minutes = int(match[1] or match[3]), int(match[2] or match[4] or 0)
    total = hours * 60 + minutes
    return total if total <= 1440 and minutes < 60 else None


def find_layout(sheet: Sheet, columns: Mapping[str, str] | None = None) -> Layout | None:
    """Return the layout of a sheet, None where no row looks like the header of readings.

    Parameters
    ----------
    sheet : Sheet
        Cells of text; a Parquet table has its header in row 0 and may be typed below it.
    columns : mapping from header to role, optional
        What the user says of single columns: a role of `ROLES`.

    Examples
    --------
    >>> from dafeng.intake.sheets import sheet_of_rows
    >>> layout = find_layout(sheet_of_rows("", [["某楼用电"], ["表号", "采集时间", "读数(kWh)"], ["m-1", "2024-01-01", "5"]]))
    >>> layout.form, layout.first_row, layout.values[0].unit
    ('long', 2, 'kWh')
    """
    said = {fold_width(name).casefold(): role for name, role in (columns or {}).items()}
    head = sheet.frame.head(_HEADER_ROWS).cast(pl.String)
    for row, cells in enumerate(head.iter_rows()):
        layout = _layout_of(row, [cell or "" for cell in cells], said)
        if layout is not None:
            return _with_unit_row(layout, head)
    return None


def _layout_of(row: int, cells: list[str], said: Mapping[str, str]) -> Layout | None:
    roles = [
        said.get(fold_width(cell).casefold()) or (role_of_header(cell) if cell.strip() else "ignored") for cell in cells
    ]
    columns: dict[str, int] = {}
    for index, role in enumerate(roles):
        if role not in (None, "ignored", "total", *_KINDS):
            columns.setdefault(str(role), index)
    clocks = [(index, _minutes(cell)) for index, cell in enumerate(cells) if roles[index] is None]
    clocks = [(index, minutes) for index, minutes in clocks if minutes is not None] or _day_parts(cells, roles)
    if "date" not in columns and "year" not in columns and "month" in columns:
        columns["date"] = columns.pop("month")
    timed = columns.keys() & {"time", "date", "start", "end"} or {"year", "month"} <= columns.keys()
    if "date" in columns and len(clocks) < 2:
        points = [
            (index, match)
            for index, cell in enumerate(cells)
            if roles[index] is None and (match := _POINT.fullmatch(cell.strip()))
        ]
        clocks = _numbered([(index, int(match[1])) for index, match in points])
    if "date" in columns and len(clocks) >= 2:
        values = tuple(ValueColumn(index, cells[index].strip(), "value", "", minutes) for index, minutes in clocks)
        return _finish("clock", row, cells, roles, columns, values)
    if not timed and "meter" in columns:
        dates = [index for index, cell in enumerate(cells) if roles[index] is None and cell.strip()]
        spans = read_times(pl.Series([cells[index] for index in dates], dtype=pl.String))
        good = [index for index, bad in zip(dates, spans["problem"].is_not_null(), strict=True) if not bad]
        if good and len(good) * 2 > len(dates):
            values = tuple(ValueColumn(index, cells[index].strip(), "value") for index in good)
            return _finish("dates", row, cells, roles, columns, values)
    if not timed or len([cell for cell in cells if cell.strip()]) < 2:
        return None
    valued = [index for index, role in enumerate(roles) if role in _KINDS]
    free = [index for index, role in enumerate(roles) if role is None]
    form = "long" if "meter" in columns else "wide"
    words = {index: kind for index in free if (kind := _kind_by_words(cells[index])) is not None}
    if form == "long" and not valued:
        totals = [index for index, role in enumerate(roles) if role == "total"]
        if words:
            valued = list(words)
        elif totals and all(_TARIFF.fullmatch(fold_width(split_unit(cells[index])[0])) for index in free):
            valued, words = totals[:1], {totals[0]: "value"}
        elif any(_BESIDE.search(cells[index]) for index in free):
            measured = [
                index
                for index in free
                if not _BESIDE.search(cells[index]) or _TARIFF.fullmatch(split_unit(cells[index])[0])
            ]
            free = measured or free
    roles = [words.get(index, role) if role in (None, "total") else role for index, role in enumerate(roles)]
    if form == "long" and valued:
        chosen = [index for index in valued if fold_width(cells[index]).casefold() in said] or valued
        best = min(_KINDS.index(str(roles[index])) for index in chosen)
        chosen = (
            [index for index in chosen if roles[index] == _KINDS[best]]
            if len(chosen) > 1 and len(said) == 0
            else chosen
        )
    else:
        chosen = sorted(valued + free)
    if not chosen:
        return None
    named = [(index, *split_unit(cells[index]), roles[index] or "value") for index in chosen]
    values = tuple(ValueColumn(index, name, kind, unit) for index, name, unit, kind in named)
    return _finish(form, row, cells, roles, columns, values)


def _day_parts(cells: list[str], roles: list[str | None]) -> list[tuple[int, int | None]]:
    """Return the clock of headers that a spreadsheet keeps as parts of a day (0, 0.0416…), or that number the hours (0…23, 1…24)."""
    numbers = [
        (index, float(cell))
        for index, cell in enumerate(cells)
        if roles[index] is None and re.fullmatch(r"\s*\d{1,2}(?:\.\d+)?\s*", cell)
    ]
    if "meter" in roles and [number for _, number in numbers] in (
        [float(hour) for hour in range(24)],
        [float(hour) for hour in range(1, 25)],
    ):
        return [(index, int(number) * 60) for index, number in numbers]
    if len(numbers) < 12 or any(number > 1 for _, number in numbers):
        return []
    minutes = [(index, number * 1440) for index, number in numbers]
    return (
        [(index, round(number)) for index, number in minutes]
        if all(abs(n - round(n)) < 0.01 for _, n in minutes)
        else []
    )


def _numbered(points: list[tuple[int, int]]) -> list[tuple[int, int | None]]:
    """Return the clock of columns P1…P24, P1…P48 or P1…P96: each at the end of its part of the day, or from 0 its beginning."""
    numbers = sorted(number for _, number in points)
    for count in (24, 48, 96):
        if numbers in (list(range(1, count + 1)), list(range(count))):
            return [(index, number * 1440 // count) for index, number in points]
    return []


def _finish(
    form: str,
    row: int,
    cells: list[str],
    roles: list[str | None],
    columns: dict[str, int],
    values: tuple[ValueColumn, ...],
) -> Layout:
    used = {column.column for column in values} | set(columns.values())
    left = [index for index, cell in enumerate(cells) if cell.strip() and index not in used]
    beside = [index for index in left if form == "long" and "反向" in cells[index]]
    time = cells[columns["time"]] if "time" in columns else ""
    folded = fold_width(time).casefold()
    zone = "UTC" if re.search(r"utc$|[(]utc[)]|gmt$|世界时", folded) else "+08:00" if "北京时间" in folded else None
    ends = None
    if "time" not in columns and "date" not in columns and ("start" in columns) != ("end" in columns):
        ends = "end" in columns
    return Layout(
        form,
        row + 1,
        dict(columns),
        values,
        zone,
        ends,
        tuple(cells[index].strip() for index in left if roles[index] != "total" and index not in beside),
        tuple(cells[index].strip() for index in left if roles[index] == "total"),
        tuple(cells[index].strip() for index in beside),
        tuple(index for index, cell in enumerate(cells) if not cell.strip()),
        form == "long" and len(values) > 1,
    )


def _with_unit_row(layout: Layout, head: pl.DataFrame) -> Layout:
    """Take the row below the header as units where it holds nothing else."""
    if layout.first_row >= head.height or layout.form not in ("long", "wide"):
        return layout
    cells = [cell or "" for cell in head.row(layout.first_row)]
    stamp = cells[layout.columns.get("time", layout.columns.get("date", layout.columns.get("end", 0)))]
    below = [cells[column.column].strip("()（） ") for column in layout.values]
    if stamp.strip() not in ("", "单位", "unit") or not all(below):
        return layout
    try:
        for unit in below:
            read_unit(unit)
    except UnitError:
        return layout
    values = tuple(column._replace(unit=unit) for column, unit in zip(layout.values, below, strict=True))
    return replace(layout, first_row=layout.first_row + 1, values=values)

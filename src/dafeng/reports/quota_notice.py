"""Over-quota letters in two steps: a reminder (提示), then a notice (告知书), each with how it was computed and how to object.

The wording is neutral and names no penalty. What the law of a place says is given by the caller; where nobody gave it a place
stays open for the clerk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

import polars as pl
from pydantic import Field

from dafeng.base.errors import InputError
from dafeng.base.record import Record
from dafeng.catalog.catalog import Catalog
from dafeng.metering.quota import QUOTA_VERDICTS
from dafeng.reports.document import (
    Addressee,
    Align,
    Annex,
    AnnexList,
    Block,
    Cell,
    Column,
    Heading,
    Note,
    Paragraph,
    Report,
    Row,
    Run,
    SignatureBlock,
    Slot,
    Table,
    Title,
)
from dafeng.reports.wording import date_zh, number_zh

__all__ = ["NoticeStep", "NoticeTerms", "notice_report", "over_quota_report"]


class NoticeStep(StrEnum):
    """Which letter."""

    REMINDER = "reminder"
    """提示: asks to look into it and to check the data."""
    NOTICE = "notice"
    """告知书: after a reminder; asks for audit, plan and dates."""


class NoticeTerms(Record):
    """What the sender adds: basis, dates, contact. Nothing of it is invented."""

    sender: str = Field(min_length=1)
    """Body that sends the letter."""
    basis: str | None = None
    """Law or standard of the place with its article, as the place cites it; a blank for the clerk where None."""
    contact: str | None = None
    """Person and telephone; a blank for the clerk where None."""
    reply_days: int = Field(default=20, ge=1, le=365)
    """Days to reply."""
    day: date
    """Date of the letter."""
    earlier: str | None = None
    """For a notice: date or number of the reminder that went before."""


_TITLES: Final = {NoticeStep.REMINDER: "建筑能耗超限额提示", NoticeStep.NOTICE: "建筑能耗超限额告知书"}
_MEASURES: Final = {
    ("non_heating", "main"): "非供暖能耗",
    ("non_heating", "garage"): "停车库能耗",
    ("non_heating", "data_room"): "信息机房能耗",
    ("heating_heat", "main"): "建筑耗热量",
    ("household_electricity", "main"): "每户综合电耗",
    ("household_gas", "main"): "每户燃气用量",
}
_UNITS: Final = {"kWh/m**2": "kWh/m²", "GJ/m**2": "GJ/m²", "kWh/household": "kWh/户", "m**3/household": "m³/户"}
_STATES: Final = {
    "guide": "met_early",
    "constraint": "met",
    "over": "missed",
    "depends": "depends_on_definition",
    "unknown": "unknown",
}
_FIGURES: Final = (
    Column(key="measure", title="指标", width=26),
    Column(key="intensity", title="实测值", width=20, align=Align.RIGHT),
    Column(key="factor", title="修正系数", width=17, align=Align.RIGHT),
    Column(key="corrected", title="修正后", width=20, align=Align.RIGHT),
    Column(key="constraint", title="约束值", width=17, align=Align.RIGHT),
    Column(key="guide", title="引导值", width=17, align=Align.RIGHT),
    Column(key="excess", title="结论", width=24, align=Align.RIGHT),
    Column(key="unit", title="单位", width=18, align=Align.CENTER),
)
_FACTS: Final = (Column(key="name", title="项目", width=46), Column(key="value", title="内容", width=110))
_REPLY: Final = (Column(key="item", title="反馈事项", width=52), Column(key="answer", title="填写", width=104))
_LISTED: Final = (
    Column(key="number", title="序号", width=10, align=Align.CENTER),
    Column(key="building", title="建筑代码", width=28),
    Column(key="name", title="建筑名称", width=48),
    Column(key="place", title="所在地", width=24),
    Column(key="type", title="建筑类型", width=22),
    Column(key="measure", title="指标", width=24),
    Column(key="corrected", title="修正后", width=20, align=Align.RIGHT),
    Column(key="constraint", title="约束值", width=18, align=Align.RIGHT),
    Column(key="excess", title="超出（%）", width=20, align=Align.RIGHT),
    Column(key="coverage", title="完整率（%）", width=22, align=Align.RIGHT),
    Column(key="note", title="说明", width=40),
)
_DIGITS: Final = {"GJ/m**2": 3}


def _digits(row: Mapping[str, Any]) -> int:
    return _DIGITS.get(row["unit"] or "", 1)


def _range(low: float | None, high: float | None, digits: int) -> Cell:
    """Return one number, or both ends where meters do not tell them apart."""
    if low is None:
        return Cell(text="—")
    if high is None:
        return Cell(text=f"不低于{number_zh(low, digits, keep=True)}", number=low, digits=digits)
    if abs(high - low) < 0.5 * 10**-digits:
        return Cell(text=number_zh(low, digits, keep=True), number=low, digits=digits)
    return Cell(
        text=f"{number_zh(low, digits, keep=True)}—{number_zh(high, digits, keep=True)}", number=low, digits=digits
    )


def _number(value: float | None, digits: int) -> Cell:
    return (
        Cell(text="—") if value is None else Cell(text=number_zh(value, digits, keep=True), number=value, digits=digits)
    )


def _several(values: Sequence[float], digits: int) -> Cell:
    """Return one value, or all that may hold."""
    if len(values) == 1:
        return _number(values[0], digits)
    return Cell(text="／".join(number_zh(value, digits, keep=True) for value in values) or "—")


def _figures(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = []
    for row in rows:
        digits = _digits(row)
        over = row["verdict"] == "over"
        verdict = (
            Cell(text=f"超出{number_zh(row['excess'], 1)}%", number=row["excess"], digits=1)
            if over
            else Cell(text=QUOTA_VERDICTS[row["verdict"]], state=_STATES[row["verdict"]])
        )
        shown.append(
            Row(cells=(
                Cell(text=_MEASURES[row["measure"], row["part"]]),
                _range(row["intensity_low"], row["intensity_high"], digits),
                _number(row["factor"], 3) if row["corrections"] or row["factor"] != 1 else Cell(text="—"),
                _range(row["corrected_low"], row["corrected_high"], digits),
                _several(row["constraints"], digits),
                _several(row["guides"], digits),
                verdict.model_copy(update={"strong": over, "state": _STATES[row["verdict"]]}),
                Cell(text=_UNITS.get(row["unit"] or "", row["unit"] or "—")),
            ))
        )  # fmt: skip
    return Table(id="figures", title="核算结果", columns=_FIGURES, rows=tuple(shown), size=9.5)


def _facts(building: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], catalog: Catalog) -> Table:
    first = rows[0]

    def option(field: str) -> str:
        value = building.get(field)
        named = {one.code: one.zh for one in catalog.fields[field].options}
        return "未填" if value is None else named.get(str(value), str(value))

    area = building.get("gross_area")
    counted = next((row["size"] for row in rows if row["measure"] == "non_heating" and row["part"] == "main"), None)
    lines = [
        ("建筑名称（代码）", f"{first['name'] or ''}（{first['building']}）"),
        ("地址", str(building.get("address") or "未填")),
        ("建筑类型", f"{option('building_type')}，{option('ventilation_class')}，{option('climate_zone')}"),
        ("总建筑面积", "未填" if area is None else f"{number_zh(area, 1)}平方米"),
        ("核算面积", "—" if counted is None else f"{number_zh(counted, 1)}平方米"),
        ("核算期", f"{first['year']}年1月1日至12月31日"),
        ("数据完整率", "、".join(_coverage(row) for row in rows if row["part"] == "main")),
    ]
    shown = tuple(Row(cells=(Cell(text=name), Cell(text=value))) for name, value in lines)
    return Table(id="facts", title="建筑与核算期", columns=_FACTS, rows=shown)


def _coverage(row: Mapping[str, Any]) -> str:
    share = row["coverage"]
    return f"{_MEASURES[row['measure'], row['part']]}{'无数据' if share is None else number_zh(100 * share, 1) + '%'}"


def _how(rows: Sequence[Mapping[str, Any]], catalog: Catalog) -> list[str]:
    """Return in sentences how the figures came about."""
    items = {name: item.title.zh for name, item in catalog.items.items()}
    said = []
    for row in rows:
        name = _MEASURES[row["measure"], row["part"]]
        quotas = [catalog.quotas[one] for whole in row["quotas"] for one in whole.split("+") if one in catalog.quotas]
        if not quotas:
            said.append(f"{name}：{row['reason'] or '没有对应的定额'}。")
            continue
        counted = "、".join(items.get(code, code) for code in (row["counted"] or "").split("+") if code)
        method = catalog.quota_methods[quotas[0].standard]
        sentence = f"{name}按{method.title.zh}核算" + (f"，计入{counted}" if counted and row["part"] == "main" else "")
        if row["measure"] == "non_heating" and row["part"] == "main":
            sentence += "；供暖（按热量另核）、单独计量的停车库、信息机房和厨房用能不计入"
        kinds = "、".join(
            dict.fromkeys(f"{quota.subtype}{_class(quota.building_class)}" for quota in quotas if quota.subtype)
        )
        sentence += f"；适用类别：{kinds}。" if kinds else "。"
        if row["corrections"]:
            parts = [each.split("=") for each in row["corrections"].split("；")]
            factors = "、".join(f"{catalog.corrections[one].title.zh}{float(value):.3f}" for one, value in parts)
            sentence += f"修正后的实测值＝实测值×修正系数（{factors}）。"
        if row["uncorrected"]:
            lacking = "、".join(
                catalog.corrections[one].title.zh for one in row["uncorrected"] if one in catalog.corrections
            )
            sentence += f"{lacking}缺资料，系数按1，补报后重新核算。"
        if row["reason"]:
            sentence += f"{row['reason']}。"
        said.append(sentence)
    if any(row["grade"] not in (None, "A") for row in rows):
        said.append("定额数值待与标准文本核对后发出。")
    return said


def _class(code: str | None) -> str:
    return f"（{code}类）" if code else ""


def notice_report(
    verdicts: pl.DataFrame,
    building: Mapping[str, Any],
    catalog: Catalog,
    *,
    step: NoticeStep,
    terms: NoticeTerms,
) -> Report:
    """Return the letter to the owner of a building that is above its quota.

    Parameters
    ----------
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
        Rows of this building and year; all of them are shown.
    building : mapping
        Row of the register of buildings: owner, address, gross_area …
    catalog : Catalog
    step : NoticeStep
    terms : NoticeTerms

    Raises
    ------
    InputError
        No row is above its constraint value: there is nothing to write about; or rows of several buildings or years.
    """
    order = list(_MEASURES)
    rows = sorted(
        verdicts.iter_rows(named=True),
        key=lambda row: (row["verdict"] != "over", order.index((row["measure"], row["part"]))),
    )
    over = [row for row in rows if row["verdict"] == "over"]
    if not over or len({(row["building"], row["year"]) for row in rows}) > 1:
        raise InputError(
            f"{len(over)} of {len(rows)} rows are above their constraint value",
            doing="write an over-quota letter",
            expected="rows of one building and year, at least one of them over",
            next_step="take the list of `over_quota`; what is unknown or depends on the class gets no letter",
        )
    first = over[0]
    name = first["name"] or first["building"]
    deadline = date_zh(terms.day + timedelta(days=terms.reply_days))
    title = _TITLES[step]
    excess = "、".join(
        f"{_MEASURES[row['measure'], row['part']]}超出约束值{number_zh(row['excess'], 1)}%" for row in over
    )
    lead: list[Block] = [Paragraph(runs=(Run(text=f"经核算，{name}{first['year']}年{excess}。现将核算情况{'提示' if step is NoticeStep.REMINDER else '告知'}如下。"),))]  # fmt: skip
    if step is NoticeStep.NOTICE:
        before = f"此前已发提示（{terms.earlier}）。" if terms.earlier else "此前已发提示。"
        lead.append(Paragraph(runs=(Run(text=before),)) if terms.earlier else Slot(text="此前提示的日期或文号"))
    basis: Block = (
        Paragraph(runs=(Run(text=f"依据：{terms.basis}。"),))
        if terms.basis
        else Slot(text="当地依据的法规、条款或文件名称文号")
    )
    asks = _asks(step, deadline)
    blocks: tuple[Block, ...] = (
        Title(text=title),
        Addressee(text=str(building.get("owner") or f"{name}产权（使用）单位")),
        *lead,
        basis,
        Heading(level=1, text="一、建筑与核算期"),
        _facts(building, rows, catalog),
        Heading(level=1, text="二、核算结果"),
        _figures(rows),
        Note(text="超出约束值为按已知用能的下限计算、至少超出的比例；实测值为区间的，表示部分用能未分开计量。"),
        Heading(level=1, text="三、核算方法"),
        *(Paragraph(runs=(Run(text=sentence),)) for sentence in _how(rows, catalog)),
        Heading(level=1, text="四、请办理的事项与数据更正"),
        *(
            Paragraph(runs=(Run(text=f"{number}. {sentence}"),), keep=number == len(asks))
            for number, sentence in enumerate(asks, start=1)
        ),
        AnnexList(names=("反馈表",)),
        SignatureBlock(signer=terms.sender, day=terms.day, contact=terms.contact or "联系人及电话：由承办人填写"),
        Annex(label="附件1", title="反馈表"),
        _reply(first, name),
    )  # fmt: skip
    slug = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in str(first["building"]).lower()).strip(
        "-"
    )
    return Report(
        id="-".join(part for part in (f"quota-{step.value}-{first['year']}-{slug or 'building'}").split("-") if part),
        title=f"{title}：{name}",
        as_of=terms.day,
        basis=(
            ("结论", "优于引导值、达标、超约束值由修正后的实测值与定额比较得出；类别或数据不明的为待定，不发函。"),
            ("修正", "修正后的实测值＝实测值×各修正系数之积；缺资料的系数按1并写明。"),
        ),
        blocks=blocks,
    )


def _asks(step: NoticeStep, deadline: str) -> tuple[str, ...]:
    correct = (
        f"如对面积、类别、使用时间、人数或用能数据有异议，可于{deadline}前附证明材料提出更正；更正后重新核算，结果另行告知，"
        "更正期间本函所列结论不作为公示依据。"
    )
    if step is NoticeStep.REMINDER:
        return (
            "请核对上列建筑资料和用能数据；",
            "请自查空调、照明、电梯及值班运行情况，查找用能偏高的原因；",
            f"请于{deadline}前填写反馈表（附件1），说明核对结果和原因。",
            correct,
        )
    return (
        "请组织能源审计或委托有能力的机构查明超限额原因；",
        "请提出节能整改计划，列明措施、预计节能量、责任人和完成日期；",
        f"请于{deadline}前将审计结果、整改计划和反馈表（附件1）报送。",
        correct,
    )


def _reply(row: Mapping[str, Any], name: str) -> Table:
    items = (
        ("建筑名称（代码）", f"{name}（{row['building']}）"),
        ("核算年度", f"{row['year']}年"),
        ("资料和数据是否属实（属实／需更正）", ""),
        ("需更正的项目、更正值及证明材料", ""),
        ("超限额原因", ""),
        ("已采取或拟采取的措施", ""),
        ("预计节能量（千瓦时／年）及完成日期", ""),
        ("填报单位（盖章）", ""),
        ("填报人及电话、日期", ""),
    )
    shown = tuple(Row(cells=(Cell(text=item), Cell(text=answer))) for item, answer in items)
    return Table(id="reply", title="反馈表", columns=_REPLY, rows=shown, size=12.0)


def over_quota_report(verdicts: pl.DataFrame, catalog: Catalog, *, place: str, year: int, as_of: date) -> Report:
    """Return the list of buildings above their quota (超限额名单), with what could not be judged counted beside it.

    Parameters
    ----------
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
        All verdicts of the year.
    catalog : Catalog
    place : str
        Place id, for the title.
    year : int
    as_of : date
    """
    over = verdicts.filter(pl.col("verdict") == "over").sort("excess", "building", descending=[True, False])
    types = {one.code: one.zh for one in catalog.fields["building_type"].options}
    rows = []
    for number, row in enumerate(over.iter_rows(named=True), start=1):
        digits = _digits(row)
        lacking = "、".join(
            catalog.corrections[one].title.zh for one in row["uncorrected"] if one in catalog.corrections
        )
        rows.append(
            Row(cells=(
                Cell(text=str(number), number=number, digits=0),
                Cell(text=row["building"]),
                Cell(text=row["name"] or ""),
                Cell(text=catalog.place_name(row["place"]) if row["place"] else ""),
                Cell(text=types.get(row["building_type"] or "", "")),
                Cell(text=_MEASURES[row["measure"], row["part"]]),
                _range(row["corrected_low"], row["corrected_high"], digits),
                _several(row["constraints"], digits),
                _number(row["excess"], 1),
                _number(None if row["coverage"] is None else 100 * row["coverage"], 1),
                Cell(text=f"未修正：{lacking}" if lacking else row["reason"]),
            ))
        )  # fmt: skip
    main = verdicts.filter(pl.col("part") == "main")
    counted = {word: main.filter(pl.col("verdict") == code).height for code, word in QUOTA_VERDICTS.items()}
    tally = "，".join(f"{word}{count}项" for word, count in counted.items())
    title = f"{catalog.place_name(place)}{year}年建筑能耗超限额名单"
    return Report(
        id=f"over-quota-{year}",
        title=title,
        as_of=as_of,
        basis=(
            ("超出", "至少超出约束值的百分比，按已知用能的下限计算。"),
            ("待定", "数据不全、类别不明的建筑不进名单，也不算达标。"),
        ),
        blocks=(
            Annex(label="附件", title=title, landscape=True),
            Table(id="over", title="超限额名单", columns=_LISTED, rows=tuple(rows), size=9.0),
            Note(text=f"共判{main.height}项：{tally}。"),
        ),
    )

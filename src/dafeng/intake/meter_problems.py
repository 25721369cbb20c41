"""What can become of a row of readings that is not taken as it stands, and what the import decided by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Location, Severity

__all__ = ["FATE_SCHEMA", "REASONS", "note", "refusal_findings"]

FATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "sheet": pl.String(),
    "row": pl.Int64(),
    "column": pl.Int32(),
    "cell": pl.String(),
    "meter": pl.String(),
    "value": pl.String(),
    "fate": pl.String(),
    "reason": pl.String(),
}
"""Rows that were not taken: sheet, line and column counted from 1, cell, meter as written, the offending text, fate (refused,
duplicate, replaced) and reason: a name of `REASONS`. What was taken stands in the frame of readings, with its cell in lineage;
blank cells are counted."""

REASONS: Final[dict[str, tuple[str, str, str]]] = {
    "time-blank": ("没有写明时间", "每行一个时间", "补上时间；合并单元格须取消合并并逐行填满"),
    "time-unreadable": ("时间「{value}」读不懂", "如 2024-01-05 13:00、2024/1/5 13:00、2024年1月5日13时、24:00", "按示例改写"),
    "time-ambiguous": ("时间「{value}」不知日在前还是月在前", "年在前的日期", "用 day_first 参数说明，或改为年-月-日"),
    "time-implausible": ("时间「{value}」不在 1980—2100 年之间", "实际的抄表时间", "核对；年份列若设成了日期格式须改回常规格式"),
    "no-such-local-time": ("当地没有「{value}」这一时刻（改夏令时跳过的一小时）", "当地存在的时刻", "若采集器全年用标准时，以固定时差（如 +08:00）作 zone 重新导入"),
    "time-ambiguous-fold": ("「{value}」在改回标准时的那天有两次，不知是哪一次", "带时差的时间，或按先后排列的两行", "用 fold 参数说明"),
    "end-not-after-start": ("结束时间「{value}」不晚于开始时间", "结束晚于开始", "核对两个时间"),
    "no-step": ("只有一个时间「{value}」，不知这个用量是多长时间的", "开始与结束时间，或至少两个时间", "用 step 参数写明时段长度"),
    "total-row": ("「{value}」是合计行，不是读数", "每行一个读数", "无须处理；合计由系统另算"),
    "meter-blank": ("没有写明是哪块表", "每行一个表号", "补上表号"),
    "meter-unknown": ("表号「{value}」不在仪表台账中", "台账中的表号", "先在仪表台账登记这块表，或用 names 参数写明它对应哪块表，再重新导入"),
    "meter-damaged": ("表号「{value}」被表格软件写成了科学计数，位数已丢失", "文本格式的表号", "把该列设为文本格式，从来源重新导出"),
    "kind-mismatch": ("这块表在台账中是另一种读数（表底或时段用量），与这一列不符", "与台账一致的读数", "核对列名与台账；用 kind 参数说明这个文件是哪一种"),
    "value-not-a-number": ("「{value}」不是数", "一个数；没有读数留空", "改为数"),
    "value-not-finite": ("数值「{value}」不是有限的数", "有限的数", "核对采集器的输出"),
    "unit-unknown": ("单位「{value}」不认识", "如 kWh、MWh、m³、GJ", "改写为完整的单位名称"),
    "unit-mismatch": ("单位「{value}」不能换算为这块表的单位", "同一种量的单位", "核对单位与仪表台账"),
    "disagree": ("同一块表同一时刻有不同的读数，以后出现的一行为准，此行另置：{value}", "每个时刻一个读数", "核对后只留正确的一行"),
    "same": ("与后面一行完全相同，只记一次", "每个读数只出现一次", "无须处理"),
}  # fmt: skip
"""Reason to sentence, expectation and next step, in Chinese."""


def note(
    name: str,
    sentence: str,
    file: str,
    *,
    severity: Severity = Severity.WARNING,
    expected: str = "",
    next_step: str = "",
    sheet: str = "",
    evidence: Mapping[str, str | int | float | bool | None] | None = None,
) -> Finding:
    """Return a finding about a file or sheet as a whole, named below `meter.import`."""
    return Finding(
        name=f"meter.import.{name}",
        sentence=sentence,
        severity=severity,
        expected=expected,
        next_step=next_step,
        where=Location(file=file, sheet=sheet),
        evidence=dict(evidence or {}),
    )


def refusal_findings(
    fates: pl.DataFrame, file: str, listed: int, *, reasons: Mapping[str, tuple[str, str, str]] = REASONS
) -> list[Finding]:
    """Return findings on rows not taken: each reason and text once, at most `listed` of a reason, the rest counted.

    Parameters
    ----------
    fates : DataFrame of `FATE_SCHEMA`
    file : str
    listed : int
    reasons : mapping
        Reason to sentence, expectation and next step.
    """
    grouped = (
        fates.group_by("reason", "value", "sheet", maintain_order=True)
        .agg(pl.col("cell").first(), pl.col("meter").first(), pl.len().alias("rows"), pl.col("fate").first())
        .sort("rows", descending=True, maintain_order=True)
    )
    found: list[Finding] = []
    for reason in reasons:
        of_reason = grouped.filter(pl.col("reason") == reason)
        sentence, expected, next_step = reasons[reason]
        severity = {"duplicate": Severity.INFO, "replaced": Severity.WARNING}
        if reason == "total-row":
            severity["refused"] = Severity.INFO
        for row in of_reason.head(listed).iter_rows(named=True):
            several = f"（共 {row['rows']} 处，首处如下）" if row["rows"] > 1 else ""
            found.append(
                Finding(
                    name=f"meter.import.{reason}",
                    sentence=sentence.replace("{value}", row["value"] or "") + several,
                    severity=severity.get(row["fate"], Severity.ERROR),
                    value=row["value"] or "",
                    expected=expected,
                    next_step=next_step,
                    where=Location(file=file, sheet=row["sheet"], cell=row["cell"]),
                    evidence={"rows": row["rows"], "meter": row["meter"]},
                )
            )
        left = of_reason.slice(listed)
        if left.height:
            found.append(
                note(
                    reason,
                    f"另有 {left.height} 处同样的问题未逐一列出",
                    file,
                    severity=severity.get(of_reason["fate"][0], Severity.ERROR),
                    expected="逐行去向见 fates 表",
                    next_step=next_step,
                    evidence={"more": left.height, "rows": int(left["rows"].sum())},
                )
            )
    return found

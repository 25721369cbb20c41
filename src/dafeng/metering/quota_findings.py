"""What a person has to know of verdicts, beside the table: quotas that contradict one another or lack, corrections without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.catalog import Catalog

__all__ = ["quota_findings"]

_KEY: Final = ["building", "measure", "part"]


def quota_findings(verdicts: pl.DataFrame, judged: pl.DataFrame, catalog: Catalog, most: int) -> list[Finding]:
    """Return what a person has to know of the verdicts, each kind up to `most` and then counted.

    Parameters
    ----------
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
    judged : DataFrame
        Candidates with `sure` and the best and worst verdict of each.
    catalog : Catalog
    most : int
    """
    titles = {each.id: each.title.zh for each in catalog.corrections.values()}

    def who(row: dict[str, Any]) -> str:
        return f"{row['name'] or ''}（{row['building']}）"

    two = judged.filter(pl.col("sure").sum().over(_KEY) > 1).group_by(_KEY, maintain_order=True).agg("quota")
    two = two.join(verdicts.select(*_KEY, "name"), on=_KEY).rename({"quota": "ids"})
    main = verdicts.filter(pl.col("part") == "main")
    none = main.filter((pl.col("quotas").list.len() == 0) & pl.col("use_high").is_not_null())
    uncorrected = main.filter(pl.col("uncorrected").list.len() > 0)
    far = main.filter((pl.col("factor") < 0.5) | (pl.col("factor") > 2))
    partial = verdicts.filter(pl.col("missing").list.contains("coverage"))
    depends = verdicts.filter(pl.col("verdict") == "depends")
    warning, error, info = Severity.WARNING, Severity.ERROR, Severity.INFO
    return [
        *_said("quota.match.two", error, two, most, lambda row: (
            f"{who(row)}有两个以上定额同时适用：{'、'.join(row['ids'])}", "在目录中写明哪个标准优先（precedes）或改正适用条件")),
        *_said("quota.match.none", warning, none, most, lambda row: (
            f"{who(row)}没有对应的{row['measure']}定额，建筑类型 {row['building_type'] or '未填'}", "请补建筑类型及细类；标准没有的，补地方定额或不判")),
        *_said("quota.correction.unknown", warning, uncorrected, most, lambda row: (
            f"{who(row)}未修正：{'、'.join(titles.get(one, one) for one in row['uncorrected'])}，系数按1", "请在建筑台账补年使用时间、用能人数、出租率、客房区面积")),
        *_said("quota.correction.far", warning, far, most, lambda row: (
            f"{who(row)}的修正系数合计 {row['factor']:.2f}，不在0.5至2之间", "请核对年使用时间、人数和面积")),
        *_said("quota.coverage.partial", warning, partial, most, lambda row: (
            f"{who(row)}{row['year']}年数据完整率 {100 * (row['coverage'] or 0):.1f}%，不作结论" + ("；已计部分已超约束值" if row["already_over"] else ""), "请补读数后重算")),
        *_said("quota.verdict.depends", info, depends, most, lambda row: (
            f"{who(row)}的结论{row['reason']}", "请在建筑台账补该字段")),
    ]  # fmt: skip


def _said(
    name: str, severity: Severity, rows: pl.DataFrame, most: int, tell: Callable[[dict[str, Any]], tuple[str, str]]
) -> list[Finding]:
    findings = []
    for row in rows.head(most).iter_rows(named=True):
        sentence, step = tell(row)
        findings.append(
            Finding(name=name, sentence=sentence, severity=severity, next_step=step, value=row["building"],
                    evidence={"building": row["building"], "measure": row["measure"], "part": row["part"]})
        )  # fmt: skip
    if rows.height > most:
        findings.append(
            Finding(name=name, sentence=f"另有 {rows.height - most} 项同样情况，未逐一列出", severity=severity,
                    next_step="见结论表", evidence={"more": rows.height - most})
        )  # fmt: skip
    return findings

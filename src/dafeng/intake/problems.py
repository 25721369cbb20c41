"""Every finding that an import can make: its name, weight, sentence, expectation and next step, in one table.

Problems are collected as frames of cells; only those that are listed become `Finding` records, the rest is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.finding import Finding, Location, Severity

__all__ = ["KINDS", "Kind", "Ledger"]


class Kind(NamedTuple):
    """One kind of problem.

    Parameters
    ----------
    sentence : str
        Chinese, with {value} and {detail}.
    expected, next_step : str
        May use {detail}.
    severity : Severity
    refuse : bool
        Whether the cell is refused.
    """

    sentence: str
    expected: str
    next_step: str
    severity: Severity = Severity.ERROR
    refuse: bool = True


def _warn(sentence: str, expected: str, next_step: str) -> Kind:
    return Kind(sentence, expected, next_step, Severity.WARNING, False)


def _info(sentence: str, expected: str, next_step: str, *, refuse: bool = False) -> Kind:
    return Kind(sentence, expected, next_step, Severity.INFO, refuse)


_WRITE_NAME: Final = "用 dafeng catalog 查出正确名称后改正；确为新名称的，加入工作区 catalog"
KINDS: Final[dict[str, Kind]] = {
    "intake.indicator.unknown": Kind("指标「{value}」不认识", "目录中的指标名称或别名，相近的有：{detail}", _WRITE_NAME),
    "intake.indicator.missing": Kind("这一数值没有写明是哪个指标", "指标列、列名、标题或参数给出指标", "补上指标"),
    "intake.place.unknown": Kind("地区「{value}」不认识", "目录中的地区名称、代码或别名，相近的有：{detail}", _WRITE_NAME),
    "intake.place.ambiguous": Kind("地区「{value}」有多个：{detail}", "只对应一个地方的名称", "写全称、行政区划代码，或加一列上级地区"),
    "intake.place.missing": Kind("这一行没有写明地区", "地区列、标题或参数给出地区", "补上地区；合并单元格须取消合并并逐行填满"),
    "intake.place.renamed": _info("地区「{value}」是旧名或别称，按 {detail} 记入", "现行名称", "确认无误即可；以后可改用现行名称"),
    "intake.place.columns-disagree": _warn("同一行的地区列所指不同：{detail}", "各列指同一地方", "核对代码与名称；已按前一列记入"),
    "intake.place.bare-county": _warn("县区名「{value}」别处也可能有，按 {detail} 记入", "带上级的全称、代码，或上级地区一列", "核对；不是这一个的，写“某市某区”后重新导入"),
    "intake.place.not-then": _warn("地区「{value}」在所填时间并不存在（{detail}）", "当时存在的地区", "核对地区与时间：撤并前的数用旧名，撤并后的数用新名"),
    "intake.period.unknown": Kind("时间「{value}」读不懂", "如 2024、2024年、2024年1-9月、2024-Q3", "按示例改写"),
    "intake.period.missing": Kind("这一数值没有写明时间", "时间列、列名、标题或参数给出时间", "补上时间"),
    "intake.period.future": Kind("时间「{value}」尚未开始，不可能有实际值", "入库日以前的时间", "核对年份；预测值请写明类别为预测"),
    "intake.period.too-early": Kind("时间「{value}」早于 1949 年，不予采用", "1949 年以后的时间", "年份列若设成了日期格式（2024 会显示为 1905 年），改为常规格式后重新保存"),
    "intake.extent.unknown": Kind("范围「{value}」不认识", "全域、城镇、市区、城区、建成区、主城区、中心城区、县城、乡村", "改为其中之一"),
    "intake.basis.unknown": Kind("口径「{value}」不是这个指标所用的口径", "{detail}", "改为其中之一"),
    "intake.basis.missing": Kind("这个指标有几种口径，没有写明用哪一种", "{detail}", "加一列「口径」，或用 basis 参数写明"),
    "intake.breakdown.unknown": Kind("分类「{value}」不认识", "目录词表中的代码或中文名，相近的有：{detail}", "改为词表中的名称"),
    "intake.breakdown.not-allowed": Kind("分类「{value}」不适用于这个指标", "{detail}", "去掉该分类，或改用可分的指标"),
    "intake.kind.unknown": Kind("数据类别「{value}」不认识", "上报值、计算值、估算值、预测值、演示数据", "改为其中之一"),
    "intake.review.unknown": Kind("审核状态「{value}」不认识", "草稿、已提交、已审核、已封存、已撤回", "改为其中之一"),
    "intake.dataset.missing": Kind("没有写明数据来源（dataset）", "来源列、适配表或 dataset 参数给出来源", "用 dataset 参数写明是谁的数"),
    "intake.unit.missing": Kind("没有写明单位", "列名、单位列、表头「单位：」或参数给出单位（如 {detail}）", "在列名后加括号写明单位，或用 unit 参数"),
    "intake.unit.unknown": Kind("单位「{value}」不认识", "如 {detail}", "改写为完整的单位名称"),
    "intake.unit.wrong-dimension": Kind("单位「{value}」与指标不符", "可换算为 {detail} 的单位", "核对单位与指标是否对应"),
    "intake.unit.doubled-scale": Kind("数值「{value}」已带万、亿，单位又带万、亿（{detail}），不知是否重复", "只在一处写万、亿", "改写数值或单位"),
    "intake.value.not-a-number": Kind("「{value}」不是数", "一个数，或以 —、…、N/A、空白表示没有", "改为数；说明文字移到备注列"),
    "intake.value.range": Kind("「{value}」是一个区间，不是一个数", "一个数", "填实际值；区间可用 下限、上限 列"),
    "intake.value.bound": Kind("「{value}」是界限，不是实际值", "一个数", "填实际值；目标值请写入方案"),
    "intake.value.formula-error": Kind("单元格是公式错误 {value}", "公式能算出的数", "在 Excel 中改正公式后重新保存"),
    "intake.value.formula-without-value": Kind("单元格是公式 {value}，文件中没有存下结果", "数，或带有缓存结果的公式", "在 Excel 或 WPS 中打开并保存一次，或改为数值"),
    "intake.value.formula": _warn("单元格是公式，用了文件中存下的结果 {value}", "直接填写的数", "核对公式；正式上报时改为数值"),
    "intake.value.estimate": _warn("「{value}」是约数，按估计记入", "确数", "有确数时更正"),
    "intake.value.footnote-mark": _warn("「{value}」带有注号，注号已去掉", "不带注号的数", "核对脚注是否影响口径"),
    "intake.value.merged": Kind("数值单元格是合并的（{detail}），不知该数属于哪一格", "每格一个数", "取消合并，逐格填写"),
    "intake.value.negative-share": Kind("占比不能为负：{value}", "{detail}", "核对符号与数值"),
    "intake.value.share-above-maximum": Kind("占比超过上限：{value}", "{detail}", "核对数值与单位"),
    "intake.value.below-minimum": Kind("数值低于下限：{value}", "{detail}", "核对数值与单位"),
    "intake.value.above-maximum": Kind("数值高于上限：{value}", "{detail}", "核对数值与单位"),
    "intake.value.unusual": _warn("数值不在常见范围：{value}", "{detail}", "核对数值与单位；确实无误则不必处理"),
    "intake.value.not-finite": Kind("数值过大，无法表示：{value}", "有限的数", "核对数值"),
    "intake.value.zero-as-blank": _warn("这张表以 0 表示未报，按缺失记入", "空白", "确为 0 的另行更正"),
    "intake.value.and-reason": Kind("既有数值 {value} 又写了缺失原因", "二者只有其一", "删去其一"),
    "intake.share.looks-like-fraction": _warn("单位是 %，而这一列的值都在 0 与 1 之间（如 {value}）：可能是小数形式，未作换算", "百分数，如 65", "若是小数形式，乘以 100 后重新导入；确为百分之零点几则不必处理"),
    "intake.share.fraction-among-percent": Kind("{value} 夹在百分数之间（中位数 {detail}），乘以 100 才与其他各值相称：应是小数形式，不予采用也不作换算", "百分数，如 65", "改为百分数；确为百分之零点几的，在单位列写明 % 后重新导入"),
    "intake.share.small-among-percent": _warn("{value} 远小于同列的百分数（中位数 {detail}）", "与同列相称的百分数", "核对这一格；确实无误则不必处理"),
    "intake.missing-reason.unknown": Kind("缺失原因「{value}」不认识", "未报、不适用、没有数据、不公开、低于精度、已撤回", "改为其中之一"),
    "intake.published.unknown": Kind("发布日期「{value}」读不懂", "如 2024-09-30", "改为年-月-日"),
    "intake.limits.not-a-number": Kind("下限、上限或覆盖率「{value}」不是数", "一个数；覆盖率在 0 与 1 之间或写作百分数", "改为数"),
    "intake.limits.order": Kind("数值 {value} 不在其下限与上限之间（{detail}）", "下限 ≤ 数值 ≤ 上限", "核对三者"),
    "intake.sheet.second-table": Kind("从 {value} 起像是同一工作表上的另一张表，未导入", "每个工作表一张表", "把它移到单独的工作表或文件后重新导入"),
    "intake.row.too-wide": Kind("第 {value} 行的列数多于表头，不知哪一格是哪一列的数，整行未采用", "与表头一样多的列", "带千位分隔逗号的数要加引号或去掉逗号；多出的列补上列名"),
    "intake.row.total": _info("「{value}」是合计、平均之类的行，已另置，不作为地区导入", "各地区的行", "合计由程序另算；若这一行就是某地区的数，请写地区名称", refuse=True),
    "intake.row.duplicate": _info("与 {detail} 完全相同，只记一次", "每个数只出现一次", "删去重复的行"),
    "intake.row.disagree": Kind("同一指标、地区、时间有不同的数：{detail}", "只有一个数", "核对后只留正确的一行"),
    "intake.quarantine": Kind("已知有误，不予采用：{detail}", "来源更正后的数", "取得更正的原表后再导入；核对属实可在工作区修改隔离规则"),
}  # fmt: skip
"""All problems by name."""

_SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.UInt32(),
    "name": pl.String(),
    "where": pl.String(),
    "value": pl.String(),
    "detail": pl.String(),
}


class Ledger:
    """Collects problems of cells.

    Parameters
    ----------
    file : str
    listed : int
        Findings of one name that are listed one by one.
    kinds : mapping from name to Kind
        Problems that may be added, in the order in which they are told; `KINDS` where None.
    """

    def __init__(self, file: str, listed: int, kinds: Mapping[str, Kind] | None = None) -> None:
        self.file = file
        self.listed = listed
        self.kinds = KINDS if kinds is None else kinds
        self._hits: list[pl.DataFrame] = []

    def add(
        self,
        name: str | pl.Expr,
        cells: pl.DataFrame,
        *,
        value: str | pl.Expr = "text",
        detail: pl.Expr | None = None,
        where: str | pl.Expr = "cell",
    ) -> None:
        """Add a problem of each of `cells`.

        Parameters
        ----------
        name : str or expression
            Name in `KINDS`.
        cells : DataFrame
            Cells with the problem; has id and cell.
        value, detail : expression
            What the sentence shows.
        where : expression
            Cell where the fault stands.
        """
        if cells.is_empty():
            return
        naming = pl.lit(name) if isinstance(name, str) else name
        shown = pl.col(value) if isinstance(value, str) else value
        place = pl.col(where) if isinstance(where, str) else where
        self._hits.append(
            cells.select(
                pl.col("id").cast(pl.UInt32()),
                naming.alias("name"),
                place.cast(pl.String()).alias("where"),
                shown.cast(pl.String()).fill_null("").alias("value"),
                (pl.lit("") if detail is None else detail.cast(pl.String()).fill_null("")).alias("detail"),
            )
        )

    @property
    def hits(self) -> pl.DataFrame:
        """All problems: id, name, where, value, detail."""
        return pl.concat(self._hits) if self._hits else pl.DataFrame(schema=_SCHEMA)

    def refused(self) -> pl.Series:
        """Return the ids of refused cells."""
        names = [name for name, kind in self.kinds.items() if kind.refuse]
        return self.hits.filter(pl.col("name").is_in(names))["id"].unique()

    def findings(self, cells: pl.DataFrame) -> list[Finding]:
        """Return findings in the order of the sheet: each place once, at most `listed` of a kind, the rest counted.

        Parameters
        ----------
        cells : DataFrame
            All cells: id, sheet, row, col.
        """
        grouped = (
            self.hits.join(cells.select("id", "sheet", "row", "col"), on="id", how="left")
            .sort("sheet", "row", "col", nulls_last=True, maintain_order=True)
            .group_by("name", "sheet", "where", "value", "detail", maintain_order=True)
            .agg(pl.len().alias("cells"), pl.col("row").first(), pl.col("col").first())
        )
        found: list[Finding] = []
        for name in self.kinds:
            of_name = grouped.filter(pl.col("name") == name)
            found += [self._finding(name, row) for row in of_name.head(self.listed).iter_rows(named=True)]
            left = of_name.slice(self.listed)
            if left.height:
                found.append(self._rest(name, left))
        return found

    def _finding(self, name: str, row: dict[str, object]) -> Finding:
        kind = self.kinds[name]
        value, detail = str(row["value"]), str(row["detail"])
        count = row["cells"] if isinstance(row["cells"], int) else 1
        return Finding(
            name=name,
            sentence=_say(kind.sentence, value, detail) + (f"（涉及 {count} 格）" if count > 1 else ""),
            severity=kind.severity,
            value=value,
            expected=_say(kind.expected, value, detail),
            next_step=_say(kind.next_step, value, detail),
            where=Location(file=self.file, sheet=str(row["sheet"] or ""), cell=str(row["where"] or "")),
            evidence={"cells": count},
        )

    def _rest(self, name: str, left: pl.DataFrame) -> Finding:
        kind = self.kinds[name]
        return Finding(
            name=name,
            sentence=f"另有 {left.height} 处同样的问题未逐一列出",
            severity=kind.severity,
            expected="逐格去向见 fates 表",
            next_step=kind.next_step,
            where=Location(file=self.file),
            evidence={"more": left.height, "cells": int(left["cells"].sum())},
        )


def _say(template: str, value: str, detail: str) -> str:
    return template.replace("{value}", value).replace("{detail}", detail or "（无）")


def names_of(hits: pl.DataFrame, kinds: Mapping[str, Kind] | None = None) -> pl.DataFrame:
    """Return for each cell the names of its problems, joined, with whether it is refused."""
    known = KINDS if kinds is None else kinds
    refusing: Sequence[str] = [name for name, kind in known.items() if kind.refuse]
    named = hits.select("id", pl.col("name").alias("findings"), pl.col("name").is_in(refusing).alias("refuse"))
    named = named.unique(["id", "findings"])
    lone = ~pl.col("id").is_duplicated()
    several = named.filter(~lone).sort("findings").group_by("id", maintain_order=True)
    return pl.concat([named.filter(lone), several.agg(pl.col("findings").str.join(" "), pl.col("refuse").any())])

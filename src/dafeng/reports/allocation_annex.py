"""The division of targets as an annex in the layout of official papers: indicator by place by year, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from dafeng.base.finding import Severity
from dafeng.base.target import Measure
from dafeng.pathways.allocation_comparison import MethodComparison
from dafeng.pathways.allocation_criteria import METHOD_TITLES, AllocationMethod
from dafeng.pathways.allocation_problem import Allocation, DividedKind
from dafeng.pathways.allocation_rounding import RoundingRule
from dafeng.pathways.allocation_schedule import SHAPE_TITLES
from dafeng.reports.document import (
    Align,
    Annex,
    AnnexList,
    Block,
    Cell,
    Column,
    Note,
    Paragraph,
    RedHead,
    Report,
    Row,
    Run,
    SignatureBlock,
    Table,
    Title,
)
from dafeng.reports.wording import date_zh

__all__ = ["ALLOCATION_DRAFT", "allocation_basis", "allocation_report", "digits_of"]

ALLOCATION_DRAFT: Final = "（征求意见稿）"
_SUBJECT: Final = "目标分解表"
_BOUNDS: Final = {"": "", "floor": "下限", "ceiling": "上限", "own": "单列"}
_MOST_MEMBERS: Final = 16
"""Places that fit beside one another in the table of all targets."""
_MOST_YEARS: Final = 12
"""Years that fit beside one another on a page that lies on its side."""


def allocation_report(
    allocations: Sequence[Allocation],
    *,
    plan_title: str,
    place_names: dict[str, str],
    as_of: date,
    consultation: str | None = None,
    due: date | None = None,
    comparisons: dict[str, MethodComparison] | None = None,
    red_head: RedHead | None = None,
    signer: str | None = None,
    demonstration: bool = False,
) -> Report:
    """Return the division as a paper: a table a target, what each share rests on, and the methods side by side.

    Parameters
    ----------
    allocations : sequence of Allocation
        Those without shares are left to the findings.
    plan_title : str
        Title of the parent plan.
    place_names : dict
        Chinese names of the places whose amounts are divided.
    as_of : date
    consultation : str, optional
        Id of the consultation: the paper is then marked 征求意见稿.
    due : date, optional
        Day by which answers are asked for.
    comparisons : dict, optional
        Methods side by side, by target.
    red_head : RedHead, optional
        Drawn only where given.
    signer : str, optional
        Issuing body.
    demonstration : bool
        Whether any figure is a demonstration.
    """
    divided = [one for one in allocations if one.shares]
    title = f"{plan_title}{_SUBJECT}"
    mark = "" if consultation is None else ALLOCATION_DRAFT
    head: tuple[Block, ...] = () if red_head is None else (red_head,)
    names = [_SUBJECT, "分解依据"]
    names += ["各种方法对照"] if comparisons else []
    return Report(
        id="allocation",
        title=title + mark,
        as_of=as_of,
        demonstration=demonstration,
        basis=allocation_basis(divided, consultation=consultation),
        blocks=(
            *head,
            Title(text=title + (f"\n{mark}" if mark else "")),
            Paragraph(runs=(Run(text=_lead(divided, plan_title, consultation, due)),)),
            AnnexList(names=tuple(names)),
            SignatureBlock(signer=signer or "【印发机关】"),
            Annex(label="附件1", title=names[0], landscape=True),
            *_overview(divided, place_names),
            *_tables(divided, place_names),
            *_undivided(allocations),
            Annex(label="附件2", title=names[1], landscape=True),
            _sources(divided),
            *_comparison_blocks(comparisons or {}, divided),
        ),
    )


def _lead(allocations: Sequence[Allocation], plan_title: str, consultation: str | None, due: date | None) -> str:
    text = f"现将《{plan_title}》{len({one.problem.target for one in allocations})}项目标分解如下，"
    if consultation is None:
        return text + "请照此落实。"
    asked = f"请于{date_zh(due)}前" if due is not None else "请"
    return text + f"{asked}逐行答复同意或提出修改建议并说明理由；征求意见编号{consultation}。"


def allocation_basis(
    allocations: Sequence[Allocation], *, consultation: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Return what the tables mean: method, last digit, bounds and schedule of each target, and what was sent.

    Parameters
    ----------
    allocations : sequence of Allocation
    consultation : str, optional
        Its id.
    """
    rows = [("合计", "各地之和、各年之和都与总量在末位完全相等；功能区（其中）已含在所在区划内，不参加合计")]
    rows += [] if consultation is None else [("征求意见编号", consultation)]
    for one in allocations:
        problem = one.problem
        said = (
            [METHOD_TITLES[problem.method]] if problem.kind in (DividedKind.AMOUNT, DividedKind.RATE) else ["各地相同"]
        )
        if one.criterion_weights:
            titles = {criterion.id: criterion.title for criterion in problem.criteria}
            said.append(
                "权重 " + "、".join(f"{titles[name]}{weight:.3f}" for name, weight in one.criterion_weights.items())
            )
        elif problem.criteria:
            said.append("依据 " + "、".join(criterion.title for criterion in problem.criteria))
        if problem.kind is DividedKind.AMOUNT:
            said.append(f"末位{problem.digit:g}{problem.unit}")
            said.append(
                "最大余数法取整" if problem.rounding is RoundingRule.LARGEST_REMAINDER else "除数法（奇数）取整"
            )
            said.append(f"进度 {SHAPE_TITLES[problem.schedule.shape]}")
        if problem.increase:
            said.append("各地保留现有，只分新增")
        if one.mean is not None:
            said.append(f"加权平均{one.mean:.6g}{problem.unit}，不劣于上级目标{problem.total:g}")
        rows.append((problem.label, "；".join(said)))
    return tuple(rows)


def digits_of(digit: float) -> int:
    """Return the decimals that a last digit takes.

    Examples
    --------
    >>> digits_of(0.1), digits_of(1), digits_of(0.25)
    (1, 0, 2)
    """
    text = f"{digit:.10f}".rstrip("0")
    return len(text) - text.index(".") - 1


def _undivided(allocations: Sequence[Allocation]) -> Iterator[Block]:
    """Say which targets are missing from the tables, and why."""
    for one in allocations:
        if not one.shares:
            why = "；".join(finding.sentence for finding in one.findings if finding.severity is Severity.ERROR)
            yield Note(text=f"注：未分解“{one.problem.label}”：{why or '原因见运行提示'}")


def _overview(allocations: Sequence[Allocation], place_names: dict[str, str]) -> Iterator[Block]:
    """Yield the table indicator by place of the upper level, where there are several targets and the places fit on a page."""
    top = [one for one in allocations if one.problem.place == allocations[0].problem.place]
    names = {share.member: share.name for one in top for share in one.shares}
    if len(top) < 2 or len(names) > _MOST_MEMBERS:
        return
    columns = [
        Column(key="label", title="目标", width=52),
        Column(key="unit", title="计量单位", width=20, align=Align.CENTER),
        Column(key="by", title="期限", width=16, align=Align.CENTER),
        Column(key="total", title=place_names.get(top[0].problem.place, "") or "总量", width=22, align=Align.RIGHT),
        *(Column(key=f"m{at}", title=name, width=20, align=Align.RIGHT) for at, name in enumerate(names.values())),
    ]
    rows = []
    for one in top:
        problem, values = one.problem, one.values()
        digits = digits_of(problem.digit)
        event = problem.kind is DividedKind.EVENT
        yearly = "（每年）" if problem.measure is Measure.EACH_YEAR else ""
        cells = [
            Cell(text=problem.label + yearly),
            Cell(text=problem.unit or "—"),
            Cell(text=f"{problem.by}年" if problem.by else "长期"),
        ]
        cells.append(_number(problem.total, digits, event=event))
        cells += [_number(values.get(member), digits, event=event and member in values) for member in names]
        rows.append(Row(cells=tuple(cells)))
    yield Table(id="overview", title="总表", columns=tuple(columns), rows=tuple(rows), show_title=True, size=9.0)


def _tables(allocations: Sequence[Allocation], place_names: dict[str, str]) -> Iterator[Block]:
    for number, one in enumerate(allocations, start=1):
        problem = one.problem
        years = one.years
        for part, start in enumerate(range(0, max(1, len(years)), _MOST_YEARS)):
            yield _table(one, number, part, years[start : start + _MOST_YEARS], place_names)
        if problem.kind is DividedKind.RATE and one.mean is not None:
            yield Note(text=f"注：各地按分母加权平均为{one.mean:.6g}{problem.unit}。")
        if one.zones:
            yield Note(text="注：功能区数已含在所在区划内，不参加合计。")


def _table(one: Allocation, number: int, part: int, years: Sequence[int], place_names: dict[str, str]) -> Table:
    problem = one.problem
    digits = digits_of(problem.digit)
    amount = problem.kind is DividedKind.AMOUNT
    final = {DividedKind.AMOUNT: "合计", DividedKind.RATE: "目标值"}.get(problem.kind, "要求")
    if amount and problem.by is not None and problem.measure is Measure.EACH_YEAR:
        final = "每年"
    columns = [
        Column(key="place", title="单位", width=40),
        Column(key="part", title="占比（%）", width=18, align=Align.RIGHT),
        Column(key="value", title=final, width=24, align=Align.RIGHT),
        *(Column(key=f"y{year}", title=f"{year}年", width=18, align=Align.RIGHT) for year in years),
        Column(key="bound", title="备注", width=16, align=Align.CENTER),
    ]
    rows = [
        Row(
            cells=(
                Cell(text=share.name),
                _number(share.part if amount else None, 2),
                _number(share.value, digits, event=problem.kind is DividedKind.EVENT),
                *(_number(share.yearly.get(year), digits) for year in years),
                Cell(text=_BOUNDS[share.bound]),
            )
        )
        for share in one.shares
    ]
    if amount:
        sums = {year: _sum(one, [share.yearly.get(year, 0.0) for share in one.shares]) for year in years}
        total = _sum(one, [share.value for share in one.shares])
        rows.insert(
            0,
            Row(
                cells=(
                    Cell(text=f"{place_names.get(problem.place, '')}合计", strong=True),
                    _number(100.0, 2),
                    _number(total, digits),
                    *(_number(sums[year], digits) for year in years),
                    Cell(),
                )
            ),
        )
    rows += [
        Row(cells=(Cell(text=f"其中：{zone.name}"), Cell(), _number(zone.value, digits), *(Cell() for _ in years), Cell(text="功能区")))
        for zone in one.zones
    ]  # fmt: skip
    deadline = "" if problem.by is None else f"（{problem.by}年）"
    where = "" if part == 0 else "（续）"
    upper = place_names.get(problem.place, "")
    title = f"附表{number} {upper}{problem.label}{deadline}{where}"
    return Table(
        id=f"t{number}-{part}",
        title=title,
        columns=tuple(columns),
        rows=tuple(rows),
        show_title=True,
        unit=problem.unit,
        size=9.0,
    )


def _sum(one: Allocation, values: Sequence[float]) -> float:
    return round(sum(values), digits_of(one.problem.digit) + 2)


def _number(value: float | None, digits: int, *, event: bool = False) -> Cell:
    if event:
        return Cell(text="完成")
    if value is None:
        return Cell()
    return Cell(text=f"{value:.{digits}f}", number=value, digits=digits)


def _sources(allocations: Sequence[Allocation]) -> Table:
    """Return whence every value of a criterion comes, with year and grade."""
    columns = (
        Column(key="target", title="目标", width=44),
        Column(key="place", title="单位", width=34),
        Column(key="criterion", title="依据", width=34),
        Column(key="value", title="数值", width=26, align=Align.RIGHT),
        Column(key="unit", title="计量单位", width=22),
        Column(key="years", title="年份", width=22, align=Align.CENTER),
        Column(key="source", title="来源", width=36),
        Column(key="grade", title="等级", width=20, align=Align.CENTER),
    )
    rows = []
    for one in allocations:
        problem = one.problem
        used = [*problem.criteria, *filter(None, (problem.weights, problem.present if problem.increase else None))]
        for criterion in used:
            for member in (*problem.listed, *problem.zones):
                value = criterion.values.get(member.id)
                if value is None:
                    continue
                years = (
                    f"{value.years[0]}—{value.years[-1]}" if len(value.years) > 1 else "".join(map(str, value.years))
                )
                grade = value.grade + ("（待核）" if value.grade not in ("", "A") else "")
                texts = (problem.label, member.name, criterion.title)
                cells = [Cell(text=text) for text in texts]
                cells.append(Cell(text=f"{value.value:.6g}", number=value.value, digits=4))
                cells += [Cell(text=text) for text in (criterion.unit, years, value.source, grade)]
                rows.append(Row(cells=tuple(cells)))
    return Table(id="sources", title="分解依据", columns=columns, rows=tuple(rows), size=9.0)


def _comparison_blocks(comparisons: dict[str, MethodComparison], allocations: Sequence[Allocation]) -> Iterator[Block]:
    if not comparisons:
        return
    yield Annex(label="附件3", title="各种方法对照", landscape=True)
    yield Note(text="只列数字，不评判哪种方法公平；选用由组织分解的单位决定。基尼、泰尔为零表示按该量完全均等。")
    for one in allocations:
        found = comparisons.get(f"{one.problem.target}|{one.problem.place}")
        if found is not None:
            yield _comparison_table(one, found)
            yield _fairness_table(one, found)


def _comparison_table(one: Allocation, found: MethodComparison) -> Table:
    digits = digits_of(one.problem.digit)
    able = [row for row in found.rows if row.values]
    columns = [Column(key="place", title="单位", width=34)]
    columns += [
        Column(key=f"m{number}", title=_method_title(row.method, row.criteria), width=26, align=Align.RIGHT)
        for number, row in enumerate(able)
    ]
    columns += [
        Column(key="least", title="最小", width=18, align=Align.RIGHT),
        Column(key="most", title="最大", width=18, align=Align.RIGHT),
    ]
    rows = [
        Row(
            cells=(
                Cell(text=share.name),
                *(_number(row.values.get(share.member), digits) for row in able),
                *(_number(value, digits) for value in found.ranges.get(share.member, (None, None))),
            )
        )
        for share in one.shares
    ]
    place = one.problem.place or "top"
    return Table(
        id=f"compare-{one.problem.target}-{place}", title=f"{one.problem.label}：各方法份额", columns=tuple(columns),
        rows=tuple(rows), show_title=True, unit=one.problem.unit, size=9.0,
    )  # fmt: skip


def _method_title(method: AllocationMethod, criteria: Sequence[str]) -> str:
    return METHOD_TITLES[method] + (f"（{'、'.join(criteria)}）" if criteria else "")


def _fairness_table(one: Allocation, found: MethodComparison) -> Table:
    names = {share.member: share.name for share in one.shares}
    columns = (
        Column(key="method", title="方法", width=50),
        Column(key="per", title="按何量计", width=34),
        Column(key="gini", title="基尼系数", width=20, align=Align.RIGHT),
        Column(key="theil", title="泰尔指数", width=20, align=Align.RIGHT),
        Column(key="ratio", title="最大最小比", width=22, align=Align.RIGHT),
        Column(key="greatest", title="最高", width=34),
        Column(key="smallest", title="最低", width=34),
    )
    rows = []
    for row in found.rows:
        if row.reason:
            rows.append(
                Row(
                    cells=(
                        Cell(text=_method_title(row.method, row.criteria)),
                        Cell(text=row.reason),
                        *(Cell() for _ in range(5)),
                    )
                )
            )
            continue
        rows += [
            Row(
                cells=(
                    Cell(text=_method_title(row.method, row.criteria)),
                    Cell(text=figures.title + (f"（缺{len(figures.missing)}处）" if figures.missing else "")),
                    _number(figures.gini, 4),
                    _number(figures.theil, 4),
                    _number(figures.ratio, 2),
                    Cell(text=names[figures.greatest]),
                    Cell(text=names[figures.smallest]),
                )
            )
            for figures in row.fairness
        ]
    place = one.problem.place or "top"
    return Table(
        id=f"fair-{one.problem.target}-{place}", title=f"{one.problem.label}：均等程度", columns=columns, rows=tuple(rows),
        show_title=True, size=9.0,
    )  # fmt: skip

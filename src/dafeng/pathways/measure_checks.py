"""What is wrong with the measures of a catalog."""

from __future__ import annotations

from collections.abc import Iterable

from dafeng.base.errors import close_names
from dafeng.base.finding import Finding, Severity
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Change, Measure
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.pathways.measures import find_circle

__all__ = ["check_measures"]


def _finding(name: str, sentence: str, *, value: str = "", expected: str = "", step: str = "", of: str = "") -> Finding:
    return Finding(
        name=name,
        sentence=sentence,
        value=value,
        expected=expected,
        next_step=step,
        severity=Severity.ERROR,
        evidence={"measure": of} if of else {},
    )


def _check_change(catalog: Catalog, axes: PathwayAxes, measure: Measure, change: Change) -> Iterable[Finding]:
    label = f"措施 {measure.title.zh}（{measure.id}）"
    quantity = catalog.path_quantities.get(change.quantity)
    if quantity is None:
        yield _finding(
            "pathways.measure.unknown-quantity",
            f"{label}要改变的量 {change.quantity} 不存在",
            value=change.quantity,
            expected="、".join(close_names(change.quantity, catalog.path_quantities)),
            step="改用变量表中的量",
        )
        return
    named = [*change.of.items(), *((quantity.axes[-1], code) for code in change.taken_from if quantity.axes)]
    wrong = [(axis, code) for axis, code in named if axis not in quantity.axes or code not in axes.codes(axis)]
    for axis, code in wrong:
        yield _finding(
            "pathways.measure.unknown-member",
            f"{label}：{change.quantity} 没有 {axis}={code}",
            value=f"{axis}={code}",
            expected="、".join(close_names(code, axes.codes(axis)) if axis in quantity.axes else quantity.axes),
            step="按变量表改写 of",
        )
    shares = quantity.sums_to_one is not None
    if (change.how == "shift") != shares:
        yield _finding(
            "pathways.measure.breaks-shares",
            f"{label}：{change.quantity} 各项合计{'为一，只能用 shift' if shares else '不为一，不能用 shift'}",
            value=change.how,
            expected="shift" if shares else "at_least、at_most、add、reduce",
            step="改写 how",
        )
    elif shares and not wrong and len(axes.below(quantity.axes[-1], change.of.get(quantity.axes[-1], "all"))) != 1:
        yield _finding(
            "pathways.measure.shift-to-one",
            f"{label}：shift 一次只能移向一个成员",
            expected=f"轴 {quantity.axes[-1]} 的一个成员",
            step="每个成员写一条改变",
        )
    if change.times != "one" and change.how != "add":
        yield _finding("pathways.measure.times-add", f"{label}：times 只用于 add", value=change.how, expected="add")
    if change.times == "area" and (not quantity.axes or quantity.axes[-1] != "segment"):
        yield _finding(
            "pathways.measure.no-area",
            f"{label}：{change.quantity} 不按建筑面积分段，不能按面积计量",
            value=change.times,
            expected="轴 segment",
            step="改写 times",
        )


def _check_one(catalog: Catalog, axes: PathwayAxes, measure: Measure) -> Iterable[Finding]:
    label = f"措施 {measure.title.zh}（{measure.id}）"
    for change in measure.changes:
        yield from _check_change(catalog, axes, measure, change)
    bounded = {change.how == "at_most" for change in measure.changes}
    if bounded == {True, False}:
        yield _finding(
            "pathways.measure.mixed-sense",
            f"{label}既有上限又有其他改变，水平高低的含义不定",
            step="分成两项措施",
        )
    for interaction in measure.interactions:
        if interaction.measure not in catalog.measures:
            yield _finding(
                "pathways.measure.unknown-measure",
                f"{label}的关联措施 {interaction.measure} 不存在",
                value=interaction.measure,
                expected="、".join(close_names(interaction.measure, catalog.measures)),
                step="改用已有措施的编号",
            )
    for cost in measure.costs:
        if not 1990 <= cost.price_year <= 2060:
            yield _finding(
                "pathways.measure.no-price-year",
                f"{label}的费用没有可用的价格年份",
                value=str(cost.price_year),
                expected="1990至2060",
                step="补上价格年份",
            )
        if cost.source not in catalog.sources:
            yield _finding(
                "pathways.measure.unknown-source", f"{label}的费用来源 {cost.source} 不存在", value=cost.source
            )
    if measure.source not in catalog.sources:
        yield _finding(
            "pathways.measure.unknown-source", f"{label}的来源 {measure.source} 不存在", value=measure.source
        )


def check_measures(catalog: Catalog, names: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with measures: unknown quantities and members, broken shares, circles.

    Parameters
    ----------
    catalog : Catalog
    names : iterable of str, optional
        Measures to look at; all where None.

    Returns
    -------
    tuple of Finding
        Each names its measure in `evidence["measure"]`.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> check_measures(load_catalog())
    ()
    """
    axes = PathwayAxes(catalog.path_members)
    measures = {name: catalog.measures[name] for name in (catalog.measures if names is None else names)}
    findings = [
        finding.model_copy(update={"evidence": {"measure": measure.id}})
        for measure in measures.values()
        for finding in _check_one(catalog, axes, measure)
    ]
    while circle := find_circle(measures):
        findings.append(
            _finding(
                "pathways.measure.circular",
                "措施的关联成环：" + " → ".join(circle),
                value=circle[0],
                step="删去其中一条 requires 或 excludes",
                of=circle[0],
            )
        )
        del measures[circle[0]]
    return tuple(findings)

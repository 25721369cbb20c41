"""Figures of the carbon chapter, described: areas by component, flows from carrier to component to class, waterfall."""

from __future__ import annotations

from typing import Final

from dafeng.reports.carbon_facts import FACTOR_NAMES_EN, OPERATION_IDENTITY, UNIT, CarbonFacts
from dafeng.reports.document import Figure
from dafeng.reports.figure_content import (
    AreaPart,
    FlowLink,
    FlowNode,
    FlowPaths,
    StackedAreas,
    Waterfall,
    WaterfallStep,
)
from dafeng.reports.wording import number_zh

__all__ = ["areas_figure", "flows_figure", "waterfall_figure"]

_UNIT_EN: Final = "10⁴ tCO₂"
_SMALL: Final = 0.01  # carriers below this share of the total are shown together
_OTHER, _NO_CARRIER, _ALL = "other_carrier", "no_carrier", "all"
_LINK: Final = "carbon-totals"


def areas_figure(facts: CarbonFacts, number: int) -> Figure | None:
    """Return the stacked areas over the years in which every component is complete, None for fewer than two of them."""
    wanted = [facts.promised, *(component.code for component in facts.components if not component.optional)]
    years = [year for year in facts.years if all(facts.value(year, code) is not None for code in wanted)]
    if len(years) < 2:
        return None
    parts = tuple(
        AreaPart(
            code=component.code,
            zh=component.zh,
            en=facts.english("boundary", component.code),
            values=tuple(facts.value(year, component.code) or 0.0 for year in years),
        )
        for component in facts.components
    )
    line = AreaPart(
        code=facts.promised,
        zh=facts.name(facts.promised),
        en=facts.english("boundary", facts.promised),
        values=tuple(facts.value(year, facts.promised) or 0.0 for year in years),
    )
    highest = max(range(len(years)), key=lambda at: (line.values[at], years[at]))
    return Figure(
        id="figure-carbon-areas",
        caption=f"图{number}　分组成部分的碳排放（位置法）",
        text=f"{years[0]}—{years[-1]}年{line.zh}由{number_zh(line.values[0], 1)}变为{number_zh(line.values[-1], 1)}{UNIT}，"
        f"最高为{years[highest]}年{number_zh(line.values[highest], 1)}",
        link=_LINK,
        content=StackedAreas(
            unit=UNIT, unit_en=_UNIT_EN, years=tuple(years), parts=parts, line=line, peak_year=years[highest]
        ),
    )


def flows_figure(facts: CarbonFacts, number: int) -> Figure | None:
    """Return the flows of the last year in which every component is complete, None without such a year."""
    needed = [component.code for component in facts.components if not component.optional]
    years = [year for year in facts.years if all(facts.value(year, code) is not None for code in needed)]
    rows = facts.by_class_and_carrier(years[-1]) if years else []
    if not rows:
        return None
    total = sum(value for *_, value in rows)
    carriers: dict[str, float] = {}
    for _, _, carrier, value in rows:
        carriers[carrier] = carriers.get(carrier, 0.0) + value
    shown = {carrier: carrier if value >= _SMALL * total else _OTHER for carrier, value in carriers.items()}
    shown |= {carrier: _NO_CARRIER for carrier in carriers if carrier == _ALL}
    left: dict[tuple[str, str], float] = {}
    right: dict[tuple[str, str], float] = {}
    for component, building_class, carrier, value in rows:
        left[shown[carrier], component] = left.get((shown[carrier], component), 0.0) + value
        if building_class != _ALL:
            right[component, building_class] = right.get((component, building_class), 0.0) + value
    order = [component.code for component in facts.components if any(row[0] == component.code for row in rows)]
    sums: dict[str, float] = {}
    for (carrier, _), value in left.items():
        sums[carrier] = sums.get(carrier, 0.0) + value
    first = {carrier: min(order.index(component) for one, component in left if one == carrier) for carrier in sums}
    of_class: dict[str, float] = {}
    for (_, building_class), value in right.items():
        of_class[building_class] = of_class.get(building_class, 0.0) + value
    carrier_nodes = [
        FlowNode(code=carrier, zh=_carrier_zh(facts, carrier), en=_carrier_en(facts, carrier), layer=0)
        for carrier in sorted(sums, key=lambda one: (first[one], -sums[one], one))
    ]
    component_nodes = [
        FlowNode(code=code, zh=facts.name(code), en=facts.english("boundary", code), layer=1) for code in order
    ]
    class_nodes = [
        FlowNode(
            code=code,
            zh=facts.catalog.term("building_class", code),
            en=facts.english("building_class", code),
            layer=2,
        )
        for code in sorted(of_class, key=lambda one: (-of_class[one], one))
    ]
    links = [FlowLink(source=one, target=two, layer=0, value=value) for (one, two), value in sorted(left.items())]
    links += [FlowLink(source=one, target=two, layer=1, value=value) for (one, two), value in sorted(right.items())]
    largest = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    named = "、".join(f"{_carrier_zh(facts, carrier)}{number_zh(value, 1)}" for carrier, value in largest)
    return Figure(
        id="figure-carbon-flows",
        caption=f"图{number}　{years[-1]}年碳排放流向",
        text=f"{years[-1]}年按品种最多的为{named}{UNIT}",
        link=_LINK,
        content=FlowPaths(
            unit=UNIT, unit_en=_UNIT_EN, nodes=(*carrier_nodes, *component_nodes, *class_nodes), links=tuple(links)
        ),
    )


def _carrier_zh(facts: CarbonFacts, code: str) -> str:
    return {_NO_CARRIER: "未分能源品种", _OTHER: "其他品种"}.get(code) or facts.catalog.term("carrier", code)


def _carrier_en(facts: CarbonFacts, code: str) -> str:
    return {_NO_CARRIER: "no carrier", _OTHER: "others"}.get(code) or facts.english("carrier", code)


def waterfall_figure(facts: CarbonFacts, number: int) -> Figure | None:
    """Return the waterfall of building operation from the first to the last complete year, None where it cannot be made."""
    found, _ = facts.decomposition
    if found is None:
        return None
    chained = dict(zip(found.factors, found.chained.tolist(), strict=True))
    steps = tuple(
        WaterfallStep(zh=factor.zh, en=FACTOR_NAMES_EN[factor.id], value=chained[factor.id])
        for factor in OPERATION_IDENTITY.factors
    )
    first, last = found.years[0], found.years[-1]
    return Figure(
        id="figure-carbon-waterfall",
        caption=f"图{number}　{first}—{last}年建筑运行碳排放变化的因素分解（LMDI，逐年相加）",
        text="，".join(f"{step.zh}{'增' if step.value > 0 else '减'}{number_zh(abs(step.value), 1)}" for step in steps),
        link=_LINK,
        content=Waterfall(
            unit=UNIT,
            unit_en=_UNIT_EN,
            first=WaterfallStep(zh=f"{first}年", en=str(first), value=float(found.totals[0])),
            steps=steps,
            last=WaterfallStep(zh=f"{last}年", en=str(last), value=float(found.totals[-1])),
        ),
    )

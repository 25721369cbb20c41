"""The chapter on monitored buildings: what they used month by month, by class and by place below, and how much of it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.reports.document import Align, Annex, Block, Cell, Column, Heading, Note, Paragraph, Row, Run, Table

__all__ = [
    "ANNEX_TITLE",
    "MeteringFacts",
    "MonitoredUse",
    "metering_annex",
    "metering_basis",
    "metering_paragraph",
]

ANNEX_TITLE: Final = "建筑能耗监测情况表"
"""Title of the annex."""
_ANCHOR: Final = "annex-metering"
_TEN_THOUSAND: Final = 1e4


@dataclass(frozen=True)
class MonitoredUse:
    """What monitored buildings used in a month, of a class, or at a place below.

    Parameters
    ----------
    name : str
        Month, class or place in words.
    electricity : float or None
        kWh.
    heat : float or None
        GJ.
    energy, energy_generation : float or None
        Tonnes of standard coal, calorific and generation basis.
    co2 : float or None
        Tonnes.
    coverage : float or None
        Share of the time in service that is in the figures.
    buildings, reporting : int
        Buildings with a meter in service, and those of them that say anything.
    before : float or None
        Electricity of the same months of the year before, where all are known.
    """

    name: str
    electricity: float | None
    heat: float | None
    energy: float | None
    energy_generation: float | None
    co2: float | None
    coverage: float | None
    buildings: int
    reporting: int
    before: float | None = None


@dataclass(frozen=True)
class MeteringFacts:
    """What the chapter is made from.

    Parameters
    ----------
    year : int
    months : str
        Months in words, as 1—9月.
    whole : MonitoredUse
        All monitored buildings over these months.
    by_month, by_class, by_place : sequence of MonitoredUse
    area : float or None
        Floor area of the monitored buildings in m².
    demonstration : bool
    """

    year: int
    months: str
    whole: MonitoredUse
    by_month: Sequence[MonitoredUse]
    by_class: Sequence[MonitoredUse]
    by_place: Sequence[MonitoredUse]
    area: float | None
    demonstration: bool


def metering_paragraph(facts: MeteringFacts, label: str) -> Paragraph:
    """Return the paragraph of section 一.

    Parameters
    ----------
    facts : MeteringFacts
    label : str
        Label of the annex, such as 附件8.
    """
    use = facts.whole
    said = [f"{facts.year}年{facts.months}，{use.buildings}栋建筑接入监测，其中{use.reporting}栋有数据"]
    if facts.area is not None:
        said.append(f"建筑面积{_shown(facts.area / _TEN_THOUSAND)}万平方米")
    if use.electricity is not None:
        said.append(f"用电{_shown(use.electricity / _TEN_THOUSAND)}万千瓦时")
    if use.before is not None and use.electricity is not None and use.before > 0:
        said.append(
            f"同比{'增长' if use.electricity >= use.before else '下降'}{abs(use.electricity / use.before - 1):.1%}"
        )
    if use.energy_generation is not None and use.energy is not None:
        said.append(f"能耗{_shown(use.energy_generation)}吨标准煤（发电煤耗口径；电热当量口径{_shown(use.energy)}吨）")
    if use.co2 is not None:
        said.append(f"碳排放{_shown(use.co2)}吨")
    if use.coverage is not None:
        said.append(f"数据覆盖率{use.coverage:.1%}，未覆盖的时段没有推算")
    mark = "【演示】" if facts.demonstration else ""
    text = f"建筑能耗监测方面，{mark}{'，'.join(said)}。"
    return Paragraph(
        runs=(Run(text=text), Run(text=f"分月、分类、分地方见{label}。", link=_ANCHOR)), inputs=("metering",)
    )


def metering_basis(label: str) -> tuple[str, str]:
    """Return the convention on monitored energy."""
    return (
        "建筑能耗监测",
        "为已接入监测平台的建筑之和，不代表全部建筑；缺测时段不补零、不推算，以覆盖率表示；停电停报后一次补到的电量按时间分摊，计入所在的日和月；"
        f"存疑的读数另列，不计入；电力折标煤两种口径并列；见{label}。",
    )


def metering_annex(facts: MeteringFacts, label: str) -> list[Block]:
    """Return the annex: by month, by class of building, by place below."""
    blocks: list[Block] = [Annex(label=label, title=ANNEX_TITLE, landscape=True, anchor=_ANCHOR)]
    parts = (
        ("分月", "month", facts.by_month),
        ("按建筑类别", "class", facts.by_class),
        ("按地方", "place", facts.by_place),
    )
    shown = [(title, key, rows) for title, key, rows in parts if rows]
    for number, (title, key, rows) in enumerate(shown):
        blocks.append(Heading(level=1, text=f"{'一二三'[number]}、{title}"))
        blocks.append(_table(key, title, [*rows, facts.whole] if key == "month" else rows))
    blocks.append(
        Note(
            text="空白为没有数据或缺系数，不是零。覆盖率为读数覆盖的时间占应计量时间的比例；栋数为有数据的栋数/接入的栋数。"
        )
    )
    return blocks


def _table(key: str, title: str, rows: Sequence[MonitoredUse]) -> Table:
    columns = (
        Column(key="name", title={"month": "月份", "class": "建筑类别", "place": "地方"}[key], width=42),
        Column(key="buildings", title="栋数", width=22, align=Align.CENTER),
        Column(key="electricity", title="用电（万千瓦时）", width=32, align=Align.RIGHT),
        Column(key="heat", title="供热（吉焦）", width=28, align=Align.RIGHT),
        Column(key="generation", title="能耗（吨标准煤，发电煤耗）", width=40, align=Align.RIGHT),
        Column(key="calorific", title="能耗（吨标准煤，当量）", width=36, align=Align.RIGHT),
        Column(key="co2", title="碳排放（吨）", width=28, align=Align.RIGHT),
        Column(key="coverage", title="覆盖率", width=22, align=Align.RIGHT),
    )
    return Table(
        id=f"metering-{key}",
        title=f"监测建筑用能（{title}）",
        columns=columns,
        rows=tuple(
            Row(
                cells=(
                    Cell(text=use.name),
                    Cell(text=f"{use.reporting}/{use.buildings}"),
                    _cell(None if use.electricity is None else use.electricity / _TEN_THOUSAND, 2),
                    _cell(use.heat, 0),
                    _cell(use.energy_generation, 1),
                    _cell(use.energy, 1),
                    _cell(use.co2, 1),
                    Cell(text="")
                    if use.coverage is None
                    else Cell(text=f"{use.coverage:.1%}", number=use.coverage, digits=3),
                )
            )
            for use in rows
        ),
    )


def _cell(value: float | None, digits: int) -> Cell:
    return Cell(text="") if value is None else Cell(text=f"{value:,.{digits}f}", number=value, digits=digits)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

"""The chapter 达峰情景测算 of the yearly report: whether the promised boundary peaks in time, how surely, and because of what.

Probabilities are shares of draws of the building-stock model under stated scenarios; what they rest on (grade of the parameters,
what was taken from a parent) is said beside them. The plan's own boundary comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dafeng.reports.document import Align, Annex, Block, Cell, Column, Figure, Heading, Note, Paragraph, Row, Run, Table
from dafeng.reports.figure_content import (
    AreaPart,
    Fan,
    FanChart,
    FlowPaths,
    SeriesPoint,
    Waterfall,
    WaterfallStep,
    Wedges,
)
from dafeng.reports.wording import joined, number_zh

__all__ = [
    "ANNEX_TITLE",
    "PathwayFacts",
    "ScenarioPath",
    "pathway_annex",
    "pathway_basis",
    "pathway_clause",
    "pathway_paragraph",
]

ANNEX_TITLE: Final = "达峰情景测算"
"""Title of the annex."""
_ANCHOR: Final = "annex-pathways"
_UNIT: Final = "万吨二氧化碳"
_UNIT_EN: Final = "10⁴ tCO₂"
_SHOWN_YEARS: Final = (2025, 2030, 2035, 2040, 2050, 2060)
_MOST_PARTS: Final = 7
_MOST_NAMES: Final = 6
_EXPLAINED: Final = 0.3  # of the variance, below which no parameter is said to matter most
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ScenarioPath:
    """One scenario under one boundary, over draws.

    Parameters
    ----------
    code, zh, en : str
        Scenario.
    view, view_zh : str
        Boundary.
    peak_year : tuple of three floats
        5th percentile, median and 95th percentile of the peak year over the draws that peak within the horizon.
    unpeaked : float
        Share of draws that do not peak within the horizon.
    by_deadline : float
        Share of draws that peak by the promised year.
    error : float
        Monte Carlo standard error of that share.
    peak_level : tuple of three floats
        Level of the peak in 10⁴ t.
    levels : mapping of int to tuple of three floats
        Quantiles by year in 10⁴ t.
    """

    code: str
    zh: str
    en: str
    view: str
    view_zh: str
    peak_year: Triple
    unpeaked: float
    by_deadline: float
    error: float
    peak_level: Triple
    levels: Mapping[int, Triple]


@dataclass(frozen=True)
class PathwayFacts:
    """What the chapter is made from.

    Parameters
    ----------
    place, place_zh : str
    promised, promised_zh : str
        View of the boundary that the plan promises.
    by : int
        Promised year.
    promised_paths : sequence of ScenarioPath
        Scenarios under the promised boundary; the first is the one the summary speaks of.
    other_paths : sequence of ScenarioPath
        Other boundaries under the first scenario.
    history : sequence of (int, float)
        Accounted values of the promised boundary in 10⁴ t.
    wedges : sequence of (str, str, sequence of float)
        What measures of the plan take off by year, in 10⁴ t: Chinese, English, values; with `wedge_years`.
    wedge_years : sequence of int
    wedge_ends : tuple of two sequences
        The scenario without and with the measures, in 10⁴ t.
    drivers : sequence of (str, str, float)
        Decomposition of the change from the base year to the promised year: Chinese, English, 10⁴ t.
    driver_ends : tuple of (int, float, int, float)
        First year and value, last year and value, in 10⁴ t.
    sensitivity : sequence of (str, float)
        Groups of parameters with their share of the variance of the peak year, largest first.
    flows : FlowPaths or None
        Flows of the promised year, median parameters.
    outside : sequence of (str, sequence of str)
        Why promises of the plan are not in the model, with the promises.
    unseen : sequence of str
        Promises that go at the trend in the scenario at the present pace, for want of observations.
    grades : mapping of str to int
        Parameters used by grade.
    borrowed : int
        Parameters taken from a wider place.
    parameters : int
        Parameters in all.
    calibration : str
        How the model was fitted to history, a sentence; empty where it was not.
    draws, seed : int
    design : str
    findings : sequence of str
        Sanity ratios out of range, in words.
    """

    place: str
    place_zh: str
    promised: str
    promised_zh: str
    by: int
    promised_paths: Sequence[ScenarioPath]
    other_paths: Sequence[ScenarioPath]
    history: Sequence[tuple[int, float]]
    wedges: Sequence[tuple[str, str, Sequence[float]]]
    wedge_years: Sequence[int]
    wedge_ends: tuple[Sequence[float], Sequence[float]]
    drivers: Sequence[tuple[str, str, float]]
    driver_ends: tuple[int, float, int, float] | None
    sensitivity: Sequence[tuple[str, float]]
    flows: FlowPaths | None
    outside: Sequence[tuple[str, Sequence[str]]]
    unseen: Sequence[str]
    grades: Mapping[str, int]
    borrowed: int
    parameters: int
    calibration: str
    draws: int
    seed: int
    design: str
    findings: Sequence[str] = ()

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of the run says of the chapter."""
        return {
            "place": self.place,
            "boundary": self.promised,
            "scenarios": {path.code: round(path.by_deadline, 4) for path in self.promised_paths},
            "draws": self.draws,
            "seed": self.seed,
            "design": self.design,
        }


def _share(value: float) -> str:
    """Return a share of draws in percent; draws that all agree are no certainty."""
    if value <= 0.005:
        return "不足1%"
    if value >= 0.995:
        return "99%以上"
    return f"{number_zh(value * 100, 0)}%"


def _range(low: float, high: float) -> str:
    return f"{round(low)}—{round(high)}"


def _years(path: ScenarioPath) -> str:
    if path.unpeaked > 0.5:
        return "多数抽样在2060年前未达峰"
    low, middle, high = (round(year) for year in path.peak_year)
    return f"{middle}" if low == high else f"{middle}（{low}—{high}）"


def _years_said(path: ScenarioPath) -> str:
    if path.unpeaked > 0.5:
        return "多数抽样在2060年前未达峰"
    low, middle, high = (round(year) for year in path.peak_year)
    if low == high:
        return f"达峰年份为{middle}年"
    return f"达峰年份的中位数为{middle}年，九成抽样在{low}—{high}年"


def pathway_clause(facts: PathwayFacts) -> str:
    """Return the clause of the summary: the probability for the promised boundary, by scenario."""
    paths = facts.promised_paths[:3]
    shares = [_share(path.by_deadline) for path in paths]
    said = "，".join(f"{path.zh}{share}" for path, share in zip(paths, shares, strict=True))
    if len(paths) > 1 and len(set(shares)) == 1:
        said = f"{'、'.join(path.zh for path in paths)}均为{shares[0]}"
    return f"按情景测算，{facts.by}年底前达峰的概率为：{said}（{facts.promised_zh}口径，{facts.draws}次抽样）"


def pathway_paragraph(facts: PathwayFacts, label: str) -> Paragraph:
    """Return the paragraph of section 一."""
    first = facts.promised_paths[0]
    said = [f"达峰前景方面，对方案承诺的{facts.promised_zh}口径作了情景测算。{pathway_clause(facts)}"]
    said.append(f"{first.zh}情景下{_years_said(first)}，峰值{number_zh(first.peak_level[1], 0)}{_UNIT}")
    if _explained(facts) >= _EXPLAINED:
        names = "、".join(name for name, _ in facts.sensitivity[:3])
        said.append(f"对达峰年份影响最大的参数为{names}")
    poor = facts.grades.get("C", 0)
    if poor:
        said.append(f"所用{facts.parameters}组参数中{poor}组为C级、{facts.borrowed}组借自上级，结论待核")
    return Paragraph(
        runs=(Run(text="。".join(said) + "。"), Run(text=f"情景、图和参数说明见{label}。", link=_ANCHOR)),
        inputs=("pathways",),
    )


def _explained(facts: PathwayFacts) -> float:
    """Return how much of the variance of the peak year the named groups of parameters account for."""
    return sum(share for _, share in facts.sensitivity)


def pathway_basis(label: str) -> tuple[str, str]:
    """Return the convention on scenarios."""
    return (
        "达峰情景测算",
        "按建筑存量模型逐年测算，参数有来源和等级，B级、C级待核；概率为抽样中在该年底前出现最高值的比例，含历史误差，不是对未来的保证；"
        f"不含基础设施建造、制冷剂和污水垃圾的过程排放；见{label}。",
    )


def pathway_annex(facts: PathwayFacts, label: str, *, first_figure: int) -> list[Block]:
    """Return the annex: probabilities, fans, levels, measures, drivers, flows, what it rests on.

    Parameters
    ----------
    facts : PathwayFacts
    label : str
        Label of the annex, such as 附件6.
    first_figure : int
        Number of its first figure.
    """
    blocks: list[Block] = [Annex(label=label, title=ANNEX_TITLE, anchor=_ANCHOR)]
    blocks += [Heading(level=1, text="一、达峰年份与概率"), _probabilities(facts)]
    blocks.append(
        Note(
            text=f"每一情景{facts.draws}次抽样（{facts.design}，种子{facts.seed}）；括号内为5%与95%分位；"
            "达峰年份只就2060年前达峰的抽样统计；概率后为抽样误差的标准差；抽样结果一致也只反映已列出的不确定性。"
        )
    )
    number = first_figure
    fans = _fan_figure(facts, number)
    number += 1
    blocks += [fans, _levels(facts)]
    if _pace_outruns(facts):
        blocks.append(
            Note(text="方案目标到期后保持当时水平，观测的进度外推至2035年，因此按目前进度的排放可低于方案全部实现。")
        )
    if facts.wedges:
        blocks += [Heading(level=1, text="二、各项措施的贡献"), _wedge_figure(facts, number)]
        blocks.append(Note(text="措施之间互有影响，共同部分按沙普利值分摊，各项之和等于两条线之差；与采取的先后无关。"))
        number += 1
    numeral = 1 + bool(facts.wedges)
    if facts.drivers and facts.driver_ends is not None:
        numeral += 1
        blocks += [Heading(level=1, text=f"{'一二三四五'[numeral - 1]}、变化的原因"), _driver_figure(facts, number)]
        number += 1
        if facts.flows is not None:
            blocks.append(_flow_figure(facts, facts.flows, number))
    blocks += [Heading(level=1, text=f"{'一二三四五'[numeral]}、测算依据与局限"), *_grounds(facts)]
    return blocks


def _peak_row(path: ScenarioPath, name: str) -> Row:
    share = _share(path.by_deadline)
    error = f"±{number_zh(path.error * 100, 1)}" if share[-1] == "%" and share[0].isdigit() else ""
    return Row(
        cells=(
            Cell(text=name),
            Cell(text=f"{share[:-1]}{error}%" if error else share, number=round(path.by_deadline, 4)),
            Cell(text=_years(path), number=round(path.peak_year[1]) if path.unpeaked <= 0.5 else None),
            Cell(
                text=f"{number_zh(path.peak_level[1], 0)}（{_range(path.peak_level[0], path.peak_level[2])}）",
                number=round(path.peak_level[1], 3),
            ),
            Cell(text=_share(path.unpeaked) if path.unpeaked else "无", number=round(path.unpeaked, 4)),
        )
    )


def _probabilities(facts: PathwayFacts) -> Table:
    rows = [Row(group=f"{facts.promised_zh}（方案承诺的口径）")]
    rows += [_peak_row(path, path.zh) for path in facts.promised_paths]
    if facts.other_paths:
        rows.append(Row(group=f"其他口径（{facts.other_paths[0].zh}）"))
        rows += [_peak_row(path, path.view_zh) for path in facts.other_paths]
    return Table(
        id="pathway-peaks",
        title="达峰年份与概率",
        unit=_UNIT,
        columns=(
            Column(key="scenario", title="情景", width=3.4),
            Column(key="probability", title=f"{facts.by}年底前达峰的概率", width=3.0, align=Align.CENTER),
            Column(key="year", title="达峰年份", width=3.6, align=Align.CENTER),
            Column(key="level", title="峰值", width=3.6, align=Align.CENTER),
            Column(key="unpeaked", title="2060年前未达峰的抽样", width=2.4, align=Align.CENTER),
        ),
        rows=tuple(rows),
    )


def _fan_figure(facts: PathwayFacts, number: int) -> Figure:
    years = sorted(facts.promised_paths[0].levels)
    fans = tuple(
        Fan(
            zh=path.zh,
            en=path.en,
            low=tuple(path.levels[year][0] for year in years),
            middle=tuple(path.levels[year][1] for year in years),
            high=tuple(path.levels[year][2] for year in years),
        )
        for path in facts.promised_paths
    )
    middle = facts.promised_paths[0].levels
    at = max(years, key=lambda year: (middle[year][1], -year))
    return Figure(
        id="figure-pathway-fans",
        caption=f"图{number}　{facts.promised_zh}口径的情景",
        text=f"{facts.promised_paths[0].zh}的中位数在{at}年最高，为{number_zh(middle[at][1], 0)}{_UNIT}，"
        f"2060年为{number_zh(middle[years[-1]][1], 0)}{_UNIT}",
        link="pathway-levels",
        content=FanChart(
            unit=_UNIT,
            unit_en=_UNIT_EN,
            years=tuple(years),
            fans=fans,
            history=tuple(SeriesPoint(year=year, value=value) for year, value in facts.history if year >= years[0]),
            deadline=facts.by,
        ),
    )


def _pace_outruns(facts: PathwayFacts) -> bool:
    """Return whether the present pace leads below the plan in full in a year shown, which needs a word."""
    by_code = {path.code: path.levels for path in facts.promised_paths}
    pace, full = by_code.get("plan-pace"), by_code.get("plan-full")
    return pace is not None and full is not None and any(pace[year][1] < full[year][1] for year in _SHOWN_YEARS)


def _level_cell(levels: Triple) -> Cell:
    low, middle, high = levels
    return Cell(text=f"{number_zh(middle, 0)}（{_range(low, high)}）", number=round(middle, 3))


def _levels(facts: PathwayFacts) -> Table:
    rows = [
        Row(cells=(Cell(text=f"{year}年"), *(_level_cell(path.levels[year]) for path in facts.promised_paths)))
        for year in _SHOWN_YEARS
    ]
    width = (15.6 - 1.8) / len(facts.promised_paths)
    return Table(
        id="pathway-levels",
        title=f"{facts.promised_zh}口径的排放",
        show_title=True,
        unit=_UNIT,
        columns=(
            Column(key="year", title="年份", width=1.8),
            *(Column(key=path.code, title=path.zh, width=width, align=Align.CENTER) for path in facts.promised_paths),
        ),
        rows=tuple(rows),
    )


def _largest(parts: Sequence[tuple[str, str, Sequence[float]]], most: int) -> list[tuple[str, str, list[float]]]:
    """Return the largest parts by their sum over the years, the rest together."""
    ranked = sorted(parts, key=lambda part: -abs(sum(part[2])))
    shown = [(zh, en, list(values)) for zh, en, values in ranked[:most]]
    rest = [values for _, _, values in ranked[most:]]
    if rest:
        shown.append((f"其余{len(rest)}项", f"{len(rest)} others", [sum(column) for column in zip(*rest, strict=True)]))
    return shown


def _wedge_figure(facts: PathwayFacts, number: int) -> Figure:
    upper, lower = facts.wedge_ends
    parts = _largest(facts.wedges, _MOST_PARTS)
    at = list(facts.wedge_years).index(facts.by) if facts.by in facts.wedge_years else -1
    named = "、".join(f"{zh}{number_zh(values[at], 0)}" for zh, _, values in parts[:3])
    return Figure(
        id="figure-pathway-wedges",
        caption=f"图{number}　方案各项措施减少的排放",
        text=f"{facts.wedge_years[at]}年减少最多的为{named}{_UNIT}",
        content=Wedges(
            unit=_UNIT,
            unit_en=_UNIT_EN,
            years=tuple(facts.wedge_years),
            upper=AreaPart(code="upper", zh="不采取方案措施", en="without the plan", values=tuple(upper)),
            parts=tuple(
                AreaPart(code=f"part-{place}", zh=zh, en=en, values=tuple(values))
                for place, (zh, en, values) in enumerate(parts)
            ),
            lower=AreaPart(code="lower", zh="方案全面落实", en="plan in full", values=tuple(lower)),
        ),
    )


def _driver_figure(facts: PathwayFacts, number: int) -> Figure:
    assert facts.driver_ends is not None
    first, before, last, after = facts.driver_ends
    largest = max(facts.drivers, key=lambda driver: abs(driver[2]))
    return Figure(
        id="figure-pathway-drivers",
        caption=f"图{number}　{first}—{last}年建筑运行排放变化的分解（{facts.promised_paths[0].zh}）",
        text=f"由{number_zh(before, 0)}变为{number_zh(after, 0)}{_UNIT}，影响最大的为{largest[0]}（{number_zh(largest[2], 0)}）",
        content=Waterfall(
            unit=_UNIT,
            unit_en=_UNIT_EN,
            first=WaterfallStep(zh=f"{first}年", en=str(first), value=before),
            steps=tuple(WaterfallStep(zh=zh, en=en, value=value) for zh, en, value in facts.drivers),
            last=WaterfallStep(zh=f"{last}年", en=str(last), value=after),
        ),
    )


def _flow_figure(facts: PathwayFacts, flows: FlowPaths, number: int) -> Figure:
    return Figure(
        id="figure-pathway-flows",
        caption=f"图{number}　{facts.by}年建筑用能流向（{facts.promised_paths[0].zh}）",
        text="从能源到用途到建筑类别，为参数取中值时的模型结果",
        content=flows,
    )


def _grounds(facts: PathwayFacts) -> list[Block]:
    grades = "、".join(f"{grade}级{count}组" for grade, count in sorted(facts.grades.items()))
    sentences = [
        f"参数共{facts.parameters}组：{grades}；其中{facts.borrowed}组本地没有，取自上级地方并已标明。A级见于来源，B级、C级待核。"
    ]
    if facts.calibration:
        sentences.append(facts.calibration)
    if _explained(facts) >= _EXPLAINED:
        named = "、".join(f"{name}（{_share(share)}）" for name, share in facts.sensitivity[:6])
        sentences.append(f"达峰年份的方差主要来自：{named}。先核实这些参数，结论才更可靠。")
    else:
        sentences.append("没有哪一组参数单独左右达峰年份，各次抽样的差别主要来自模型误差和多组参数的共同作用。")
    if facts.unseen:
        sentences.append(
            f"方案按目前进度的情景中，没有足够观测、按趋势处理的：{joined(list(facts.unseen), most=_MOST_NAMES)}。"
        )
    if facts.outside:
        count = sum(len(names) for _, names in facts.outside)
        ranked = sorted(facts.outside, key=lambda pair: -len(pair[1]))
        said = "；".join(f"{why}（{joined(list(names), most=2)}）" for why, names in ranked[:_MOST_NAMES])
        rest = sum(len(names) for _, names in ranked[_MOST_NAMES:])
        sentences.append(f"方案中有{count}项没有进入测算：{said}{f'；其他原因的{rest}项' if rest else ''}。")
    sentences += facts.findings
    return [Paragraph(runs=(Run(text=sentence),), inputs=("pathways",)) for sentence in sentences]

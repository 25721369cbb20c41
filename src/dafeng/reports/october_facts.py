"""What the yearly report says of each target: values, gaps and bodies as words, and the rows that belong together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import polars as pl

from dafeng.assessment.records import WORST_FIRST, Amount, Assessment, Status, TargetAssessment, ValueUse, Verdict
from dafeng.assessment.summary import count_targets, status_of_target
from dafeng.base.lineage import LineageKind
from dafeng.base.observation import ObservationKind
from dafeng.base.period import Period, PeriodKind
from dafeng.base.quantity import convert, dimension_of, same_dimension
from dafeng.base.target import Change, Comparator, Direction, Measure, Target, satisfies
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import IndicatorMeasure
from dafeng.plans import BodyUse, effective_comparator, number_text
from dafeng.reports.wording import date_zh, number_zh, shown_digits, shown_number, written_unit

__all__ = [
    "MISSING",
    "OctoberFacts",
    "OctoberScope",
    "Promise",
    "amount_text",
    "dataset_title",
    "published",
]

MISSING: Final = "数据暂缺"
"""The word for a value that is not known, in tables."""
_LACKING: Final = (Status.NO_DATA, Status.UNPROVEN, Status.UNKNOWN)
_BEHIND: Final = (Status.MISSED, Status.BREACHED, Status.OVERDUE, Status.OFF_TRACK, Status.AT_RISK)


class OctoberScope(StrEnum):
    """Whose report it is."""

    BODY = "body"
    CITY = "city"
    PROVINCE = "province"


def amount_text(amount: Amount) -> str:
    """Return the size of an amount with its unit; a difference of shares is in 个百分点, a pace without its 每年.

    Examples
    --------
    >>> amount_text(Amount(value=-3.0, unit="percent", shown_value=-3.0, shown_unit="%"))
    '3个百分点'
    """
    unit = amount.shown_unit.removesuffix("/年")
    if unit and dimension_of(unit) == dimension_of("percent"):
        return number_zh(abs(convert(amount.shown_value, unit, "percent")), apart_from=0.0) + "个百分点"
    return shown_number(abs(amount.shown_value), unit, apart_from=0.0) + unit


@dataclass(frozen=True)
class Promise:
    """Rows that belong to one quantity: its targets by year, or the years of a yearly target."""

    rows: tuple[TargetAssessment, ...]
    """Rows by deadline or year."""
    target: Target | None
    """The plan's own entry of the first row."""

    @property
    def first(self) -> TargetAssessment:
        """The row that stands for the quantity."""
        return self.rows[0]

    @property
    def worst(self) -> TargetAssessment:
        """The row with the worst status."""
        return min(self.rows, key=lambda row: WORST_FIRST.index(row.status))

    @property
    def anchor(self) -> str:
        """Name of the row in the table of sources."""
        return f"source-{self.first.target}"


class OctoberFacts:
    """An assessment, read for one report: whose it is, which year it speaks of, and where the figures stand.

    Parameters
    ----------
    assessment : Assessment
    plan : Plan
    catalog : Catalog
    year : int
        Year of the report; figures of the year before are the last whole ones.
    body : str, optional
        Body id: only what it answers for.
    lineage : polars.DataFrame, optional
        Rows of `dafeng.base.lineage.LINEAGE_SCHEMA` that the values point at.
    """

    def __init__(
        self,
        assessment: Assessment,
        plan: Plan,
        catalog: Catalog,
        *,
        year: int,
        body: str | None = None,
        lineage: pl.DataFrame | None = None,
    ) -> None:
        self.assessment = assessment
        self.plan = plan
        self.catalog = catalog
        self.year = year
        self.body = body
        self._lineage = {} if lineage is None else {str(row["id"]): row for row in lineage.iter_rows(named=True)}
        self._targets = {target.id: target for target in plan.targets}
        self.rows = tuple(
            row
            for row in assessment.rows
            if not row.soft and (body is None or any(use.id == body for use in row.bodies))
        )
        self.promises = self._together()
        self._names: dict[str, str] = {}
        for use in (use for row in self.rows for use in row.bodies[:1] if use.id):
            self._names.setdefault(use.id or "", use.as_written)

    def _together(self) -> tuple[Promise, ...]:
        groups: dict[object, list[TargetAssessment]] = {}
        for row in self.rows:
            target = self._targets.get(row.target)
            key: object = row.target
            if target is not None and row.measure in (Measure.LEVEL, Measure.CUMULATIVE):
                hidden = {
                    "id",
                    "at",
                    "clause",
                    "value",
                    "value_max",
                    "by",
                    "comparator",
                    "unit",
                    "note",
                    "as_labelled",
                    "bodies",
                    "soft",
                }
                key = (row.place, target.model_dump_json(exclude=hidden))
            groups.setdefault(key, []).append(row)
        return tuple(
            Promise(
                tuple(sorted(rows, key=lambda row: row.year or row.deadline or 9999)), self._targets.get(rows[0].target)
            )
            for rows in groups.values()
        )

    @property
    def counts(self) -> dict[str, int]:
        """Targets by status; a yearly target counts once, by its worst year."""
        return count_targets(self.rows)

    def counts_of_chapter(self, number: str) -> dict[str, int]:
        """Targets of a chapter by status."""
        return count_targets([row for row in self.rows if row.chapter == number])

    def chapters(self) -> list[tuple[str, str]]:
        """Return number and title of the chapters that hold targets, in document order."""
        return list(dict.fromkeys((row.chapter, row.chapter_title) for row in self.rows))

    def lacking(self) -> list[Promise]:
        """Return the quantities of which a value is missing that would decide."""
        by_target: dict[str, list[TargetAssessment]] = {}
        for row in self.rows:
            by_target.setdefault(row.target, []).append(row)
        lacking = {target for target, rows in by_target.items() if status_of_target(rows) in _LACKING}
        return [promise for promise in self.promises if any(row.target in lacking for row in promise.rows)]

    def behind(self) -> list[TargetAssessment]:
        """Return the rows that are missed, behind or at risk, the worst and largest gap first."""

        def size(row: TargetAssessment) -> float:
            gap = self.verdict(row).gap
            bound = row.canonical_value
            return 0.0 if gap is None or not bound else -abs(gap.value / bound)

        found = [row for row in self.rows if row.status in _BEHIND]
        return sorted(found, key=lambda row: (WORST_FIRST.index(row.status), size(row)))

    def verdict(self, row: TargetAssessment) -> Verdict:
        """Return the verdict that decides a row: the worst reading's."""
        return min(row.verdicts, key=lambda verdict: WORST_FIRST.index(verdict.status))

    def _reading(self, row: TargetAssessment) -> TargetAssessment | Verdict:
        """Return whose values the report quotes: of several readings those of the one that decides, never mixed."""
        return row if len(row.verdicts) == 1 else self.verdict(row)

    def latest(self, row: TargetAssessment) -> ValueUse | None:
        """Return the latest whole year's value of the reading that decides."""
        return self._reading(row).latest

    def value_of_year(self, row: TargetAssessment, year: int) -> ValueUse | None:
        """Return the whole year's value among the values used, a milestone's evidence of any day of it; None where unknown."""
        for use in (self.verdict(row).decided_by, self.latest(row)):
            if use is None:
                continue
            dated = row.measure is Measure.MILESTONE and Period.parse(use.period).last_year == year
            if dated or (not use.part_year and _is_year(use.period, year)):
                return use
        return None

    def last_value(self, row: TargetAssessment) -> ValueUse | None:
        """Return the last whole value that the report may quote, None where there is none."""
        return self.verdict(row).decided_by or self.latest(row)

    def part_of_year(self, row: TargetAssessment) -> ValueUse | None:
        """Return the value of a part of the report's year."""
        use = self._reading(row).part_year
        return use if use is not None and Period.parse(use.period).year == self.year else None

    def reached_since(self, row: TargetAssessment) -> ValueUse | None:
        """Return the standing value of this year that reaches a promise which its own year missed, None where there is none."""
        part, indicator = self.part_of_year(row), self.catalog.indicators.get(row.indicator)
        standing = indicator is not None and indicator.measure in (IndicatorMeasure.STOCK, IndicatorMeasure.SHARE)
        plain = row.measure in (Measure.LEVEL, Measure.CUMULATIVE) and row.status is Status.MISSED
        if part is None or indicator is None or row.canonical_value is None or not (standing and plain):
            return None
        comparator = effective_comparator(row.comparator, indicator.direction)
        met = satisfies(part.value, comparator, row.canonical_value, bound_max=row.canonical_value_max)
        return part if met else None

    def estimate(self, row: TargetAssessment) -> str:
        """Return what the whole report year is expected to bring, marked 预计, empty where nothing is said.

        What is counted is estimated in whole pieces.
        """
        outlook = self._reading(row).year_outlook
        if (
            outlook is None
            or outlook.expected is None
            or outlook.year != self.year
            or row.measure in (Measure.CHANGE, Measure.MILESTONE)
            or (row.year is not None and row.year != self.year)
        ):
            return ""
        shown = self.unit_of(row)
        value = convert(outlook.expected, self.catalog.indicators[row.indicator].unit, shown)
        digits, keep = shown_digits(shown)
        return f"预计{number_zh(value, digits, keep=keep)}"

    def unit_of(self, row: TargetAssessment) -> str:
        """Return the unit in which a target is written, else that of its indicator; empty for a milestone."""
        if row.measure is Measure.MILESTONE:
            return ""
        if row.unit is not None and row.canonical_unit is not None and same_dimension(row.unit, row.canonical_unit):
            return row.unit
        return self.catalog.indicators[row.indicator].shown_unit if row.indicator in self.catalog.indicators else ""

    def number(self, use: ValueUse, row: TargetAssessment) -> str:
        """Return the number of a value, told apart from the bound where rounding would hide a difference."""
        bound = None
        if (
            row.canonical_value is not None
            and use.shown_unit
            and row.canonical_unit is not None
            and same_dimension(use.shown_unit, row.canonical_unit)
        ):
            bound = convert(row.canonical_value, row.canonical_unit, use.shown_unit)
        return shown_number(use.shown_value, use.shown_unit, apart_from=bound)

    def amount(self, use: ValueUse, row: TargetAssessment) -> str:
        """Return number and unit of a value; a milestone's evidence as a word."""
        if row.measure is Measure.MILESTONE:
            return "已有佐证" if use.value >= 1 else "尚无佐证"
        return self.number(use, row) + written_unit(use.shown_unit)

    def stated(self, use: ValueUse, row: TargetAssessment) -> str:
        """Return a value with its period for a table; a change with its sense and base, for its bare number has neither."""
        target = self._targets.get(row.target)
        if target is None or target.change is None or target.base is None or row.measure is Measure.MILESTONE:
            return f"{use.period_title}{self.amount(use, row)}"
        return f"{Period.parse(use.period).last_year}年{self.verb_and_amount(use, row)}"

    def verb_and_amount(self, use: ValueUse, row: TargetAssessment) -> str:
        """Return how a sentence goes on after the name of the quantity: 为 and the value, or the change from its base."""
        target = self._targets.get(row.target)
        if target is None or target.change is None or target.base is None:
            return f"为{self.amount(use, row)}"
        states = {"before_works": "改造前", "existing": "现状"}
        base = f"{target.base.year}年" if target.base.year is not None else states[(target.base.state or "existing")]
        rises = (target.change is Change.INCREASE) == (use.shown_value >= 0)
        size = use.model_copy(update={"shown_value": abs(use.shown_value)})
        return f"比{base}{'提高' if rises else '下降'}{self.amount(size, row)}"

    def period_end(self, use: ValueUse, row: TargetAssessment) -> str:
        """Return the period as a sentence begins with it: a stock stands at the end, a flow runs through.

        The end of a part year is named by its month, so that it never reads as the year.
        """
        period = Period.parse(use.period)
        indicator = self.catalog.indicators.get(row.indicator)
        stock = indicator is None or indicator.measure in (
            IndicatorMeasure.STOCK,
            IndicatorMeasure.SHARE,
            IndicatorMeasure.STATE,
        )
        last = period.end.month - 1 or 12
        if period.kind is PeriodKind.YEAR:
            return f"截至{period.year}年底" if stock else f"{period.year}年"
        if stock and period.kind in (PeriodKind.CUMULATIVE, PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.HALF):
            return f"截至{period.year}年{last}月底"
        return period.title

    def bound_text(self, row: TargetAssessment) -> str:
        """Return what is promised as a table shows it: sign of the comparator, value and, for a change, its sense."""
        if row.value is None:
            return "完成"
        signs = {
            Comparator.AT_LEAST: "≥",
            Comparator.MORE_THAN: ">",
            Comparator.AT_MOST: "≤",
            Comparator.LESS_THAN: "<",
            Comparator.ABOUT: "约",
        }
        value = number_text(row.value)
        text = (
            f"{value}–{number_text(row.value_max)}"
            if row.value_max is not None
            else signs.get(row.comparator, "") + value
        )
        target = self._targets.get(row.target)
        if target is not None and target.change is not None:
            text = ("提高" if target.change.value == "increase" else "下降") + text
        return text + (row.unit if row.unit and row.unit != self.unit_of(row) else "")

    def distance(self, row: TargetAssessment) -> str:
        """Return how far a target is from fulfilment, or its rate of completion where that means something."""
        verdict = self.verdict(row)
        use = self.last_value(row)
        if row.measure is Measure.MILESTONE or verdict.gap is None or use is None:
            return ""
        bound = row.canonical_value
        if abs(verdict.gap.value) > 1e-9 * max(1.0, abs(bound or 0.0)):
            if verdict.gap.value > 0:
                above = row.measure is Measure.LIMIT and bound is not None and use.value > bound
                return f"{'超出' if above else '差'}{amount_text(verdict.gap)}"
        elif row.comparator in (Comparator.MORE_THAN, Comparator.LESS_THAN):
            return f"恰为界限值，要求{'大于' if row.comparator is Comparator.MORE_THAN else '小于'}此值"
        if row.measure is Measure.LIMIT or row.canonical_value_max is not None or not bound:
            return "达到要求"
        share = dimension_of(verdict.gap.unit) in (dimension_of("percent"), dimension_of("percentage_point"))
        upwards = row.comparator in (Comparator.AT_LEAST, Comparator.MORE_THAN, Comparator.EQUAL)
        if not share and upwards and use.value >= bound > 0:
            return f"完成{number_zh(100 * use.value / bound, 1)}%"
        return "达到要求" if verdict.gap.value == 0 else f"优于要求{amount_text(verdict.gap)}"

    def remaining(self, row: TargetAssessment) -> str:
        """Return what closes the gap: 补足, or 压减 where less is asked; empty where there is no gap in numbers."""
        distance = self.distance(row)
        indicator = self.catalog.indicators.get(row.indicator)
        direction = Direction.NONE if indicator is None or row.measure is Measure.CHANGE else indicator.direction
        less = effective_comparator(row.comparator, direction) in (Comparator.AT_MOST, Comparator.LESS_THAN)
        if distance.startswith("超出") or (distance.startswith("差") and less):
            return f"压减{distance.removeprefix('超出').removeprefix('差')}"
        return f"补足{distance.removeprefix('差')}" if distance.startswith("差") else ""

    def next_step(self, row: TargetAssessment) -> str:
        """Return what is left to do and by when; a date that has passed is said to have, and never set again."""
        if row.status is Status.DEPENDS_ON_DEFINITION:
            return "待口径明确后判定"
        if row.measure is Measure.EACH_YEAR:
            distance = self.distance(row)
            return f"逐年达到方案要求（{row.year}年{distance}）" if self.remaining(row) else "逐年达到方案要求"
        passed = row.deadline is not None and (
            row.status in (Status.MISSED, Status.OVERDUE) or self.assessment.as_of > date(row.deadline, 12, 31)
        )
        over = f"（{row.deadline}年底已到期）" if passed else ""
        when = "" if row.deadline is None else f"{over}尽快" if passed else f"{row.deadline}年底前"
        if row.measure is Measure.MILESTONE:
            return f"{when}完成并报送佐证"
        reached = self.reached_since(row)
        if reached is not None:
            return f"{over}{self.period_end(reached, row)}{self.verb_and_amount(reached, row)}，已达到要求的数值，待年度数据确认"
        return f"{when}{self.remaining(row) or '达到方案要求'}"

    def lead(self, row: TargetAssessment) -> str:
        """Return the leading body with 推定 where the plan does not name it as such."""
        if not row.bodies:
            return "方案未写责任单位"
        use = row.bodies[0]
        return use.as_written + ("（推定）" if use.role.value == "lead_presumed" else "")

    def others(self, row: TargetAssessment) -> tuple[BodyUse, ...]:
        """Return the bodies after the lead."""
        return row.bodies[1:]

    def supplier(self, row: TargetAssessment) -> str:
        """Return who should supply a missing value, by one name however the plan writes it."""
        if not row.bodies:
            return "牵头部门（方案未写责任单位，待明确）"
        first = row.bodies[0]
        return self._names.get(first.id or "", first.as_written)

    def lacking_label(self, promise: Promise) -> str:
        """Return the name of a quantity that lacks data, with the years of its targets where others of them are decided."""
        lacking = [row for row in promise.rows if status_of_target([row]) in _LACKING]
        years = [f"{row.deadline}年" for row in lacking if row.deadline is not None]
        if promise.first.measure is Measure.EACH_YEAR or len(lacking) == len(promise.rows) or not years:
            return promise.first.label
        return f"{promise.first.label}（{'、'.join(years)}目标）"

    def dataset_name(self, dataset: str) -> str:
        """Return the title of a dataset where the catalog knows it as a source, adapter or ledger."""
        return dataset_title(dataset, self.catalog)

    def file_and_cell(self, lineage_ids: Iterable[str | None]) -> tuple[str, str]:
        """Return file names, and sheet and cell of each, of the lineage that values point at."""
        known = [self._lineage[one] for one in lineage_ids if one is not None and one in self._lineage]
        rows = [part for row in known for part in self._entered(row)]
        files = dict.fromkeys(self._file(row) for row in rows)
        cells = dict.fromkeys(_where(row) for row in rows)
        return "；".join(filter(None, files)), "；".join(filter(None, cells))

    def _entered(self, row: dict[str, object]) -> list[dict[str, object]]:
        """Return the counts of ledgers that a formula was computed from, else the lineage itself."""
        if row["kind"] != LineageKind.FORMULA.value:
            return [row]
        inputs = [
            self._lineage[one] for one in json.loads(str(row["detail"])).get("inputs", ()) if one in self._lineage
        ]
        return [one for one in inputs if one["kind"] == LineageKind.QUERY.value] or [row]

    def _file(self, row: dict[str, object]) -> str:
        """Return the file of a lineage, the ledgers of a count."""
        registers = _counted(row).get("registers", ())
        titles = [self.catalog.registers[name].title.zh for name in registers if name in self.catalog.registers]
        return "、".join(titles) or str(row["file"] or row["kind"] or "")

    def spread(self, use: ValueUse) -> str:
        """Return what other datasets say of the same fact."""
        if use.unit and use.shown_unit and same_dimension(use.unit, use.shown_unit):
            return "；".join(
                f"{self.dataset_name(other.dataset)}：{shown_number(convert(other.value, use.unit, use.shown_unit), use.shown_unit)}"
                for other in use.others
            )
        return "；".join(f"{self.dataset_name(other.dataset)}：{number_zh(other.value)}" for other in use.others)

    def disagrees(self, use: ValueUse) -> bool:
        """Return whether another dataset gives another value than the one used."""
        return any(not math.isclose(other.value, use.value, rel_tol=1e-9) for other in use.others)

    def kind_note(self, use: ValueUse) -> str:
        """Return the Chinese name of a value's kind where it is no plain report."""
        return "" if use.kind is ObservationKind.REPORTED else self.catalog.term("kind", use.kind.value)


def _is_year(period: str, year: int) -> bool:
    parsed = Period.parse(period)
    return parsed.kind is not PeriodKind.PLAN and not parsed.is_part_year and parsed.year == year


def dataset_title(dataset: str, catalog: Catalog) -> str:
    """Return the title of a dataset where the catalog knows it as a source, adapter or ledger, else its name."""
    names = []
    for part in dataset.split("+"):
        source = catalog.sources.get(part)
        adapter = next((item for item in catalog.adapters.values() if item.dataset == part), None)
        register = catalog.registers.get(part.removeprefix("ledger-")) if part.startswith("ledger-") else None
        ledger = None if register is None else f"{register.title.zh}汇总"
        names.append(source.title if source else adapter.title.zh if adapter else ledger or part)
    return "＋".join(names)


def _counted(row: dict[str, object]) -> dict[str, Any]:
    """Return the detail of a count of ledgers, empty for other lineage."""
    return json.loads(str(row["detail"])) if row["kind"] == LineageKind.QUERY.value else {}


def _where(row: dict[str, object]) -> str:
    counted = _counted(row)
    if "count" in counted:
        return f"{counted['count']}项" + (f"（待定{counted['open']}项）" if counted["open"] else "")
    return "!".join(str(row[name]) for name in ("sheet", "cell") if row.get(name))


def published(use: ValueUse) -> str:
    """Return the day of publication for a table."""
    return "" if use.published_on is None else date_zh(use.published_on)

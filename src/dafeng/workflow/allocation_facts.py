"""By what is divided, from the facts of a workspace or a table that a person gives: values of places with year, source, grade."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from dafeng.assessment.series_choice import Cell, Facts, Point, choose_series, gather_facts
from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.observation import BREAKDOWNS, observation_frame
from dafeng.base.place import Extent
from dafeng.base.quantity import convert, fold_width, same_dimension
from dafeng.catalog import Catalog
from dafeng.catalog.schemas import Indicator
from dafeng.pathways.allocation_criteria import Criterion, CriterionValue
from dafeng.workflow.setting import Setting

__all__ = ["CriterionFacts", "CriterionTable", "read_criterion_table"]

_PLACE_HEADS = ("place", "body", "地方", "地区", "单位", "责任单位")


@dataclass(frozen=True)
class CriterionTable:
    """A table of criteria that a person gives.

    Parameters
    ----------
    file : str
    columns : mapping from head to mapping from member id to value
        Blank cells are left out.
    """

    file: str
    columns: Mapping[str, Mapping[str, float]]

    def find(self, name: str, catalog: Catalog) -> tuple[str, Mapping[str, float]] | None:
        """Return the column that answers to an indicator's id, or to its own head."""
        for head, values in self.columns.items():
            indicator = catalog.indicator_named(head)
            if head == name or (indicator is not None and indicator.id == name):
                return head, values
        return None


def read_criterion_table(
    rows: Sequence[Sequence[str | None]], *, file: str, ids: Mapping[str, str], catalog: Catalog
) -> CriterionTable:
    """Return a table of criteria: a column of places or bodies, and a column a criterion.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first row holds the heads.
    file : str
    ids : mapping
        Every name that is understood, to the id of the member.
    catalog : Catalog

    Raises
    ------
    InputError
        There is no column of places, a place is unknown or stands twice, or a cell is no number.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> table = read_criterion_table([["地方", "建成区面积"], ["甲区", "12.5"], ["乙县", None]], file="a.csv",
    ...                              ids={"甲区": "a", "乙县": "b"}, catalog=load_catalog())
    >>> table.columns
    {'建成区面积': {'a': 12.5}}
    """
    heads = [(text or "").strip() for text in rows[0]] if rows else []
    place = next((number for number, head in enumerate(heads) if head in _PLACE_HEADS), None)
    if place is None:
        raise _bad(file, f"没有地方一列：{'、'.join(heads)} / no column of places", "列 地方，其余每列一项依据")
    columns: dict[str, dict[str, float]] = {head: {} for number, head in enumerate(heads) if number != place and head}
    seen: set[str] = set()
    for line, row in enumerate(rows[1:], start=2):
        name = (row[place] or "").strip()
        if not name:
            continue
        member = ids.get(name)
        if member is None:
            raise _bad(
                file, f"第{line}行“{name}”不在分解范围 / is none of those divided among", "、".join(list(ids)[:12])
            )
        if member in seen:
            raise _bad(file, f"第{line}行“{name}”出现两次 / stands twice", "一地一行")
        seen.add(member)
        for number, head in enumerate(heads):
            text = fold_width(row[number] or "").replace(",", "") if number < len(row) else ""
            if number == place or not head or not text:
                continue
            try:
                value = float(text)
                if not math.isfinite(value):
                    raise ValueError
            except ValueError:
                raise _bad(file, f"第{line}行“{head}”{row[number]!r}不是数字 / no number", "数字，不带单位") from None
            columns[head][member] = value
    return CriterionTable(file, columns)


def _bad(file: str, problem: str, expected: str) -> InputError:
    return InputError(
        f"{file}：{problem}",
        doing="read the criteria of a division",
        expected=expected,
        next_step="改正依据表 / mend the table",
        file=file,
        name="workflow.allocation.criteria-table",
    )


class CriterionFacts:
    """Criteria of places: a given table first, else the facts of the workspace.

    Parameters
    ----------
    setting : Setting
    places : sequence of str
        Divisions and zones.
    indicators : sequence of str
        Everything that may be asked for.
    as_of, known_at : date
        Day of judgement, and day up to which recorded facts count (None for all).
    table : CriterionTable, optional
    """

    def __init__(
        self,
        setting: Setting,
        places: Sequence[str],
        indicators: Sequence[str],
        *,
        as_of: date,
        known_at: date | None,
        table: CriterionTable | None = None,
    ) -> None:
        self.catalog = setting.catalog
        self.places = list(places)
        self.table = table
        frame = observation_frame()
        known = sorted({name for name in indicators if name in setting.catalog.indicators})
        if setting.lake is not None and known:
            frame = setting.lake.snapshot().read(
                as_of=known_at, published_by=as_of, indicators=known, places=self.places
            )
        self.facts: Facts = gather_facts(frame, indicators=known, places=self.places, as_of=as_of)
        self.findings: tuple[Finding, ...] = self.facts.findings

    def criterion(
        self,
        name: str,
        *,
        title: str | None = None,
        members: Sequence[str] | None = None,
        unit: str | None = None,
        extent: Extent | None = None,
        breakdown: Sequence[str] | None = None,
        basis: str | None = None,
        years: tuple[int, int] | None = None,
        how: Literal["last", "mean", "sum"] = "last",
        weight: float | None = None,
        inverse: bool = False,
    ) -> Criterion:
        """Return a criterion with what is known of it.

        Parameters
        ----------
        name : str
            Indicator id, or head of a column of the given table.
        title : str, optional
        members : sequence of str, optional
            Those who share; one year is taken for all of them, the latest in which most are known. Every place where None.
        unit : str, optional
            Unit of the values; the indicator's shown unit where None.
        extent, breakdown, basis : optional
            What part is meant; the indicator's extent, the total and any basis where None.
        years : (int, int), optional
            First and last year; the latest alone where None.
        how : {"last", "mean", "sum"}
            What is made of several years; a place that lacks one of them is not known.
        weight, inverse
            As of `Criterion`.

        Raises
        ------
        UnknownNameError
            It is neither in the table nor an indicator.
        """
        column = None if self.table is None else self.table.find(name, self.catalog)
        if column is not None and self.table is not None:
            head, values = column
            shown = self.catalog.indicator_named(head)
            return Criterion(
                id=name,
                title=title or (shown.zh if shown else head),
                unit=unit or (shown.shown_unit if shown else ""),
                weight=weight,
                inverse=inverse,
                values={
                    member: CriterionValue(value=value, source=self.table.file) for member, value in values.items()
                },
            )
        indicator = self.catalog.indicator(name)
        wanted = unit or indicator.shown_unit
        target = wanted if same_dimension(wanted, indicator.unit) else indicator.unit
        series = self._series(name, extent or indicator.extent, breakdown, basis)
        found: dict[str, CriterionValue] = {}
        if years is None:
            year = self._common_year(series, members)
            chosen = {place: [points[year]] for place, points in series.items() if year in points}
        else:
            span = range(years[0], years[1] + 1)
            chosen = {
                place: [points[year] for year in span] for place, points in series.items() if set(span) <= set(points)
            }
        for place, points in chosen.items():
            numbers = [convert(point.value, indicator.unit, target) for point in points]
            total = math.fsum(numbers)
            source = self.catalog.sources.get(points[-1].use.dataset)
            found[place] = CriterionValue(
                value=round(total if how == "sum" else total / len(numbers), 9),
                years=tuple(point.year for point in points),
                source=points[-1].use.dataset,
                grade="" if source is None else source.grade.value,
                kind=points[-1].use.kind.value,
            )
        return Criterion(
            id=name, title=title or indicator.zh, unit=target, weight=weight, inverse=inverse, values=found
        )

    def ratio(self, indicator: Indicator, *, members: Sequence[str], unit: str) -> Criterion:
        """Return a rate from its numerator and denominator in one year, where both are known and the denominator is not zero.

        Parameters
        ----------
        indicator : Indicator
            It names both.
        members : sequence of str
        unit : str
            Unit of the rate.
        """
        empty = Criterion(id=indicator.id, title=indicator.zh, unit=unit)
        if indicator.numerator is None or indicator.denominator is None or not same_dimension(unit, indicator.unit):
            return empty
        upper, lower = (
            self.criterion(name, members=members, unit=self.catalog.indicator(name).unit)
            for name in (indicator.numerator, indicator.denominator)
        )
        parts = [self.catalog.indicator(name).unit for name in (indicator.numerator, indicator.denominator)]
        if not same_dimension(*parts):
            return empty
        scale = convert(1.0, "share", unit) * convert(1.0, parts[0], parts[1])
        found = {}
        for place in sorted(set(upper.values) & set(lower.values)):
            above, below = upper.values[place], lower.values[place]
            if above.years != below.years or below.value == 0:
                continue
            found[place] = CriterionValue(
                value=round(above.value / below.value * scale, 9), years=above.years,
                source="、".join(dict.fromkeys((above.source, below.source))), grade=max(above.grade, below.grade), kind=below.kind,
            )  # fmt: skip
        return empty.model_copy(update={"values": found})

    def _series(
        self, name: str, extent: Extent, breakdown: Sequence[str] | None, basis: str | None
    ) -> dict[str, dict[int, Point]]:
        indicator = self.catalog.indicator(name)
        wanted = tuple(breakdown) if breakdown is not None else ("all",) * len(BREAKDOWNS)
        found: dict[str, dict[int, Point]] = {}
        cells = self.facts.cells(name, self.places)
        for cell in sorted(cells, key=_cell_order):
            fits = cell.extent is extent and cell.breakdown == wanted
            if not fits or (basis is not None and cell.basis != basis) or cell.place in found:
                continue
            chosen = choose_series(
                cells[cell], precedence=indicator.precedence, unit=indicator.unit, shown_unit=indicator.shown_unit
            )
            points = {point.year: point for point in chosen.points}
            if points:
                found[cell.place] = points
        return found

    def _common_year(self, series: Mapping[str, Mapping[int, Point]], members: Sequence[str] | None) -> int:
        """Return the latest year in which most of the members are known: one year for all of them."""
        of = members if members is not None else list(series)
        counts = Counter(year for place in of for year in series.get(place, ()))
        return max(counts, key=lambda year: (counts[year], year), default=0)


def _cell_order(cell: Cell) -> tuple[str, str, str]:
    return cell.place, cell.extent.value, cell.basis

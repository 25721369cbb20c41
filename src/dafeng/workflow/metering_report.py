"""What the yearly report is given of monitored buildings: the months that were published, with coverage and counts."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.base.observation import ObservationKind
from dafeng.base.place import PlaceKind
from dafeng.metering.publishing import DATASET
from dafeng.reports.metering_chapter import MeteringFacts, MonitoredUse
from dafeng.workflow.setting import Setting

__all__ = ["NO_METERING", "metering_for_report"]

NO_METERING: Final = ("建筑能耗监测", "工作区没有已汇总的监测读数，本报告未反映监测建筑的用能。")
"""Convention printed where there is none."""
_COLUMNS: Final = {
    "electricity": ("monitored_electricity", ""),
    "heat": ("monitored_heat", ""),
    "energy": ("monitored_energy", "calorific"),
    "energy_generation": ("monitored_energy", "generation"),
    "co2": ("monitored_co2", ""),
}


def metering_for_report(
    setting: Setting, place: str, *, year: int, as_of: date, known_at: date | None
) -> MeteringFacts | None:
    """Return what the monitored buildings of a place used in a year, or else in the year before; None where nothing is published.

    Only months that are over on `as_of` and of which something is known count; they are added up, never filled up.
    """
    if setting.lake is None:
        return None
    catalog = setting.catalog
    below = [child.id for child in catalog.places.children(place, day=as_of, kind=PlaceKind.DIVISION)]
    snapshot = setting.lake.snapshot()
    held = snapshot.read(
        as_of=known_at, places=[place, *below], indicators=sorted({indicator for indicator, _ in _COLUMNS.values()})
    ).filter(
        (pl.col("dataset") == DATASET)
        & (pl.col("end_use") == "all")
        & (pl.col("carrier") == "all")
        & pl.col("period").str.contains(r"^\d{4}-\d{2}$")
        & (pl.col("period") < f"{as_of:%Y-%m}")
    )
    notes = snapshot.lineage(held["lineage"].drop_nulls().to_list()).select(pl.col("id").alias("lineage"), "detail")
    held = held.join(notes, on="lineage", how="left")
    for candidate in (year, year - 1):
        mine = held.filter(pl.col("period").str.starts_with(f"{candidate}-") & pl.col("value").is_not_null())
        months = mine.filter(place=place)["period"].unique().sort().to_list()
        if months:
            return _facts(setting, held, place, below, candidate, months)
    return None


def _facts(
    setting: Setting, held: pl.DataFrame, place: str, below: list[str], year: int, months: list[str]
) -> MeteringFacts:
    catalog = setting.catalog
    here = held.filter(pl.col("place") == place)
    of_months = held.filter(pl.col("period").is_in(months))
    total = of_months.filter((pl.col("place") == place) & (pl.col("building_class") == "all"))
    before = [f"{year - 1}-{month[5:]}" for month in months]
    earlier = here.filter(pl.col("period").is_in(before) & (pl.col("building_class") == "all"))
    classes = of_months.filter((pl.col("place") == place) & (pl.col("building_class") != "all"))
    return MeteringFacts(
        year=year,
        months=_months(months),
        whole=_use("合计", total, len(months), _sum(earlier, "electricity", len(months))),
        by_month=[_use(f"{int(month[5:])}月", total.filter(period=month), 1, None) for month in months],
        by_class=[
            _use(catalog.term("building_class", str(name)), rows, len(months), None)
            for (name,), rows in classes.group_by("building_class", maintain_order=True)
        ],
        by_place=[
            _use(catalog.place_name(name), rows, len(months), None)
            for name in below
            if (rows := of_months.filter((pl.col("place") == name) & (pl.col("building_class") == "all"))).height
        ],
        area=_detail(total).get("area") or None,
        demonstration=bool((total["kind"] == ObservationKind.DEMONSTRATION.value).any()),
    )


def _use(name: str, rows: pl.DataFrame, months: int, before: float | None) -> MonitoredUse:
    detail = _detail(rows)
    electricity = rows.filter((pl.col("indicator") == "monitored_electricity") & pl.col("coverage").is_not_null())
    return MonitoredUse(
        name=name,
        **{column: _sum(rows, column, months) for column in _COLUMNS},
        coverage=None if electricity.is_empty() else float(electricity["coverage"].sum()) / max(electricity.height, 1),
        buildings=int(detail.get("buildings", 0)),
        reporting=int(detail.get("reporting", 0)),
        before=before,
    )


def _sum(rows: pl.DataFrame, column: str, months: int) -> float | None:
    """Return the sum over the months, unknown where one of them is."""
    indicator, basis = _COLUMNS[column]
    mine = rows.filter((pl.col("indicator") == indicator) & (pl.col("basis") == basis) & pl.col("value").is_not_null())
    return float(mine["value"].sum()) if mine["period"].n_unique() == months else None


def _detail(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the counts of the last month, from the lineage of its electricity, else of what there is."""
    first = rows.sort(pl.col("indicator") != "monitored_electricity", "period", descending=[False, True])
    texts = first["detail"].drop_nulls()
    return {} if texts.is_empty() else dict(json.loads(texts[0]))


def _months(months: list[str]) -> str:
    """Return months in words: a run as 1—3月, others one by one.

    Examples
    --------
    >>> _months(["2026-01", "2026-02", "2026-03"]), _months(["2026-01", "2026-03"]), _months(["2026-05"])
    ('1—3月', '1、3月', '5月')
    """
    numbers = [int(month[5:]) for month in months]
    run = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}—{numbers[-1]}月" if run and len(numbers) > 1 else f"{'、'.join(map(str, numbers))}月"

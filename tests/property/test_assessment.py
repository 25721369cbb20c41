"""Laws of the assessment: looser is never worse, order does not matter, the future is not known, lesser sources do not decide."""

from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assessment_builders import facts, judge
from dafeng.assessment import Assessment, Status
from dafeng.base.period import Period

YEARS = st.integers(2015, 2025)
VALUES = st.floats(1, 100, allow_nan=False).map(lambda number: round(number, 2))
SERIES = st.dictionaries(YEARS, VALUES, max_size=11)
AS_OF_DAYS = st.dates(date(2016, 1, 1), date(2030, 12, 31))
TARGETS = st.one_of(
    st.fixed_dictionaries(
        {
            "indicator": st.sampled_from(["rail", "width"]),
            "comparator": st.sampled_from([">=", ">", "<=", "<", "=", "~"]),
            "unit": st.none(),
            "measure": st.just("level"),
            "by": st.one_of(st.none(), st.integers(2018, 2030)),
        }
    ),
    st.fixed_dictionaries(
        {
            "indicator": st.sampled_from(["rail", "width"]),
            "comparator": st.sampled_from([">=", "<=", "="]),
            "measure": st.just("limit"),
        }
    ),
    st.fixed_dictionaries(
        {
            "indicator": st.sampled_from(["pipes", "emissions"]),
            "comparator": st.sampled_from([">=", "<=", "="]),
            "measure": st.just("cumulative"),
            "start": st.integers(2015, 2022),
            "by": st.integers(2022, 2030),
        }
    ),
    st.fixed_dictionaries(
        {
            "indicator": st.just("pipes"),
            "comparator": st.sampled_from([">=", "<="]),
            "measure": st.just("each_year"),
            "start": st.integers(2015, 2025),
        }
    ),
    st.fixed_dictionaries(
        {
            "indicator": st.just("heat_loss"),
            "comparator": st.sampled_from([">=", "="]),
            "unit": st.sampled_from(["%", "个百分点"]),
            "measure": st.just("change"),
            "base": st.fixed_dictionaries({"year": st.integers(2015, 2020)}),
            "change": st.sampled_from(["increase", "decrease"]),
            "by": st.integers(2021, 2030),
        }
    ),
)
DOWN = {"width", "emissions"}  # indicators of the small catalog of which less is better
RANK = {
    Status.MISSED: 0, Status.BREACHED: 0, Status.OFF_TRACK: 0, Status.AT_RISK: 1, Status.ON_TRACK: 2,
    Status.MET: 3, Status.MET_EARLY: 3, Status.HOLDS: 3,
}  # fmt: skip


def yearly(series: dict[int, float], indicator: str, **more: Any) -> pl.DataFrame:
    return facts([{"period": year, "value": value, **more} for year, value in series.items()], indicator=indicator)


def looser(target: dict[str, Any], step: float) -> dict[str, Any]:
    ceiling = target["comparator"] in ("<=", "<") or (
        target["comparator"] in ("=", "~") and target["indicator"] in DOWN and target["measure"] != "change"
    )
    return {**target, "value": target["value"] + (step if ceiling else -step)}


def statuses(assessment: Assessment) -> list[Status]:
    return [row.status for row in assessment.rows]


@given(TARGETS, SERIES, st.floats(-50, 400), st.floats(0, 200), AS_OF_DAYS)
def test_loosening_a_target_by_its_direction_never_makes_its_status_worse(
    target: dict[str, Any], series: dict[int, float], value: float, step: float, as_of: date
) -> None:
    strict = {**target, "value": value}
    frame = yearly(series, target["indicator"])
    before, after = judge(strict, frame, as_of=as_of), judge(looser(strict, step), frame, as_of=as_of)
    for first, second in zip(statuses(before), statuses(after), strict=True):
        if first in RANK and second in RANK:
            assert RANK[second] >= RANK[first], (first, second)
        elif first in RANK and RANK[first] == 3:
            raise AssertionError((first, second))


@given(TARGETS, SERIES, st.floats(0, 400), st.randoms(use_true_random=False), AS_OF_DAYS)
def test_the_order_of_rows_does_not_matter(
    target: dict[str, Any], series: dict[int, float], value: float, shuffle: Any, as_of: date
) -> None:
    rows = [
        {"period": year, "value": number + offset, "dataset": dataset, "kind": kind}
        for year, number in series.items()
        for dataset, kind, offset in (("yearbook", "reported", 0), ("other", "reported", 3), ("guess", "estimated", 5))
    ]
    rows += [{"period": f"{year}-01..09", "value": number / 2} for year, number in series.items()]
    mixed = list(rows)
    shuffle.shuffle(mixed)
    judged = {**target, "value": value}
    assert judge(judged, facts(rows, indicator=target["indicator"]), as_of=as_of) == judge(
        judged, facts(mixed, indicator=target["indicator"]), as_of=as_of
    )


@given(TARGETS, SERIES, st.floats(0, 400), AS_OF_DAYS)
def test_an_earlier_day_never_uses_later_values(
    target: dict[str, Any], series: dict[int, float], value: float, as_of: date
) -> None:
    rows = [{"period": year, "value": number} for year, number in series.items()]
    rows += [{"period": f"{year}-01..09", "value": number / 2} for year, number in series.items()]
    rows += [{"period": year, "value": number, "extent": "urban"} for year, number in series.items()]
    known = [row for row in rows if Period.parse(str(row["period"])).end - timedelta(days=1) <= as_of]
    judged = {**target, "value": value}
    everything = judge(judged, facts(rows, indicator=target["indicator"]), as_of=as_of)
    only_known = judge(judged, facts(known, indicator=target["indicator"]), as_of=as_of)
    assert everything.rows == only_known.rows
    for row in everything.rows:
        uses = [row.latest, row.part_year, *(reference.use for reference in row.references)]
        assert all(Period.parse(use.period).end - timedelta(days=1) <= as_of for use in uses if use is not None)
        assert all(int(period) <= as_of.year for period, _ in row.history)


@given(TARGETS, SERIES, SERIES, st.floats(0, 400), AS_OF_DAYS)
def test_a_dataset_of_lower_precedence_that_speaks_of_the_same_years_changes_no_verdict(
    target: dict[str, Any], series: dict[int, float], lesser: dict[int, float], value: float, as_of: date
) -> None:
    judged = {**target, "value": value}
    own = yearly(series, target["indicator"])
    same_years = {year: number for year, number in lesser.items() if year in series}
    more = pl.concat([own, yearly(same_years, target["indicator"], dataset="guess", kind="estimated")])
    alone, beside = judge(judged, own, as_of=as_of), judge(judged, more, as_of=as_of)
    assert statuses(alone) == statuses(beside)
    assert [verdict.reason for row in alone.rows for verdict in row.verdicts] == [
        verdict.reason for row in beside.rows for verdict in row.verdicts
    ]


@given(TARGETS, SERIES, st.floats(0, 400), AS_OF_DAYS)
def test_after_the_date_nothing_is_on_track_and_before_it_nothing_is_missed(
    target: dict[str, Any], series: dict[int, float], value: float, as_of: date
) -> None:
    assessment = judge({**target, "value": value}, yearly(series, target["indicator"]), as_of=as_of)
    for row in assessment.rows:
        if row.deadline is None:
            continue
        if as_of > date(row.deadline, 12, 31):
            assert row.status not in (Status.ON_TRACK, Status.AT_RISK, Status.OFF_TRACK, Status.NO_DATA)
        elif as_of < date(row.deadline, 12, 31):
            assert row.status not in (Status.MISSED, Status.UNPROVEN, Status.MET)

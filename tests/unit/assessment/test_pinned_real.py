"""The verdicts on the real plans that a few published figures must give; never skipped, for the figures stand in a table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.assessment import Assessment, Status, assess_plan
from dafeng.base.observation import Observation, observation_frame
from dafeng.base.target import Measure
from dafeng.catalog import Catalog, load_catalog

TABLE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "pinned_real.yaml").read_text(encoding="utf-8")
)
PLANS: dict[str, dict[str, Any]] = TABLE["plans"]
TARGETS = [(plan, target) for plan, expected in PLANS.items() for target in expected["targets"]]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def assessments(catalog: Catalog) -> dict[str, Assessment]:
    recorded = datetime(2026, 11, 20, tzinfo=UTC)
    facts = observation_frame(
        Observation(
            indicator=figure["indicator"],
            place=figure["place"],
            extent=figure["extent"],
            period=str(year),
            value=value,
            dataset=figure["dataset"],
            recorded_at=recorded,
        )
        for figure in TABLE["figures"]
        for year, value in figure["values"].items()
    )
    return {plan: assess_plan(catalog.plan(plan), facts, catalog, as_of=TABLE["as_of"]) for plan in PLANS}


def test_every_figure_names_a_source_that_the_catalog_knows(catalog: Catalog) -> None:
    assert {figure["source"] for figure in TABLE["figures"]} <= set(catalog.sources)


@pytest.mark.parametrize(("plan", "target"), TARGETS)
def test_a_pinned_target_has_its_verdict(assessments: dict[str, Assessment], plan: str, target: str) -> None:
    expect = PLANS[plan]["targets"][target]
    (row,) = assessments[plan].of(target)
    verdict = row.verdicts[0]
    decided = verdict.decided_by
    found = {
        "status": row.status.value,
        "since": verdict.since,
        "decided": decided.value if decided else None,
        "period": decided.period if decided else None,
        "gap": pytest.approx(verdict.gap.value) if verdict.gap else None,
        "reference": next(
            ([one.use.place, one.use.extent.value, round(one.use.value, 2)] for one in row.references), None
        ),
    }
    assert {key: found[key] for key in expect} == expect
    if "reference" in expect:
        assert (row.latest, decided) == (None, None)


@pytest.mark.parametrize("plan", PLANS)
def test_the_counts_of_a_plan_are_pinned(assessments: dict[str, Assessment], plan: str) -> None:
    assert assessments[plan].counts == PLANS[plan]["counts"]


def test_every_other_number_promised_for_2025_is_unproven(assessments: dict[str, Assessment]) -> None:
    pinned = PLANS["qingdao-2024"]["targets"]
    dated = [
        row
        for row in assessments["qingdao-2024"].rows
        if row.deadline == 2025
        and row.measure not in (Measure.MILESTONE, Measure.EACH_YEAR)
        and row.target not in pinned
    ]
    assert len(dated) > 20
    assert {row.status.value for row in dated} == {PLANS["qingdao-2024"]["every_other_number_of_2025"]}


def test_a_value_of_a_city_is_none_of_its_province(assessments: dict[str, Assessment]) -> None:
    rows = assessments["jilin-2023"].rows
    assert [row.target for row in rows if row.latest is not None or row.part_year is not None or row.history] == []
    assert not any(row.status.fulfilled for row in rows)
    assert {row.status for row in rows} <= {
        Status.UNPROVEN,
        Status.UNKNOWN,
        Status.NO_DATA,
        Status.OPEN,
        Status.OVERDUE,
    }

"""The electricity share is judged on the generation basis by convention, and both bases are printed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from dafeng.assessment import assess_plan
from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog import load_catalog

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _row(plan_name: str, target: str, place: str, **values: float):  # type: ignore[no-untyped-def]
    catalog = load_catalog()
    plan = catalog.plan(plan_name)
    indicator = next(one for one in plan.targets if one.id == target).indicator
    frame = observation_frame(
        [
            Observation(
                indicator=indicator,
                place=place,
                extent=catalog.indicators[indicator].extent,
                period="2025",
                basis=basis,
                value=value,
                dataset="yearbook",
                recorded_at=NOW,
            )
            for basis, value in values.items()
        ]
    )
    result = assess_plan(plan, frame, catalog, as_of=date(2026, 11, 20), place=place)
    return next(row for row in result.rows if row.target == target)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"generation": 10.2, "calorific": 6.1}, "met"),  # on the calorific basis it would be missed
        ({"generation": 9.8, "calorific": 12.0}, "missed"),  # and the other way round
        ({"calorific": 12.0}, "unproven"),  # a value of the other basis proves nothing
        ({"generation": 10.2}, "met"),
    ],
)
def test_the_generation_basis_decides(values: dict[str, float], status: str) -> None:
    row = _row("qingdao-2024", "renewable-2025", "qingdao", **values)
    assert row.status.value == status
    assert "依惯例按发电煤耗口径判定" in row.reason
    if "calorific" in values:
        assert f"电热当量口径为{values['calorific']:g} %，只列示" in row.reason
        assert {one.reading for one in row.verdicts} == {"发电煤耗口径", "电热当量口径"}


def test_a_plan_without_listed_readings_follows_the_convention() -> None:
    catalog = load_catalog()
    plan = catalog.plan("qingdao-2024")
    bare = plan.model_copy(update={"targets": tuple(one.model_copy(update={"readings": ()}) for one in plan.targets)})
    indicator = catalog.indicators["renewable_substitution_rate"]
    frame = observation_frame(
        [
            Observation(indicator=indicator.id, place="qingdao", extent=indicator.extent, period="2025", basis="calorific",
                        value=12.0, dataset="yearbook", recorded_at=NOW)
        ]
    )  # fmt: skip
    result = assess_plan(bare, frame, catalog, as_of=date(2026, 11, 20))
    row = next(one for one in result.rows if one.target == "renewable-2025")
    assert row.status.value == "unproven"
    assert "12 %，只列示" in row.reason

"""Every status of every measure, from the table that a person of the field can read and extend."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from assessment_builders import facts, judge
from dafeng.assessment import Assessment, Status

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "target_status.yaml").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = TABLE["cases"]


def assess(case: dict[str, Any]) -> Assessment:
    rows = case.get("rows") or [{"period": year, "value": value} for year, value in case["values"].items()]
    frame = facts(rows, indicator=case["target"]["indicator"], extent=case.get("extent", "whole"))
    as_of: date = case.get("as_of", TABLE["as_of"])
    return judge(case["target"], frame, as_of=as_of, include_unreviewed=case.get("unreviewed", False))


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_the_table_holds(name: str) -> None:
    case = CASES[name]
    expect = case["expect"]
    assessment = assess(case)
    if isinstance(expect["status"], dict):
        assert {row.year: row.status.value for row in assessment.rows} == expect["status"]
    else:
        assert [row.status.value for row in assessment.rows] == [expect["status"]], assessment.rows[0].reason
    row = assessment.rows[0]
    verdict = row.verdicts[0]
    decided = verdict.decided_by
    found: dict[str, Any] = {
        "status": expect["status"],
        "says": expect.get("says") if expect.get("says", "") in row.reason else row.reason,
        "since": verdict.since,
        "gap_shown_unit": verdict.gap.shown_unit if verdict.gap else None,
        "gap": pytest.approx(verdict.gap.value) if verdict.gap else None,
        "pace_needed": pytest.approx(verdict.pace_needed.value) if verdict.pace_needed else None,
        "pace_so_far": pytest.approx(verdict.pace_so_far.value) if verdict.pace_so_far else None,
        "method": verdict.outlook.method if verdict.outlook else None,
        "dataset": decided.dataset if decided else None,
        "others": len(decided.others) if decided else None,
        "decided": pytest.approx(decided.value) if decided else None,
        "evidence": decided.period if decided else None,
        "part_year": row.part_year.value if row.part_year else None,
        "demonstration": row.demonstration,
        "readings": [one.status.value for one in row.verdicts],
        "finding": next((item.name for item in assessment.findings if item.name == expect.get("finding")), None),
        "reference": next(([r.use.place, r.use.extent.value, r.use.value] for r in row.references), None),
        "counted": next(iter(assessment.counts)),
    }
    assert {key: found[key] for key in expect} == expect
    assert row.reason
    assert all(one.reason for one in row.verdicts)


def test_the_table_covers_every_status() -> None:
    expected: set[str] = set()
    for case in CASES.values():
        status = case["expect"]["status"]
        expected |= set(status.values()) if isinstance(status, dict) else {status}
    assert expected == {status.value for status in Status}

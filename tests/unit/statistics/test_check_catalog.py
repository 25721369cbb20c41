"""Every fault that a check entry can have is found when the catalog is loaded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.finding import Severity

TABLE = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "statistics_catalog_faults.yaml").read_text(encoding="utf-8")
)


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = TABLE["cases"][name]
    text = TABLE["files"]["checks.yaml"]
    assert case["replace"] in text, "the case must change something"
    findings = check_files(tmp_path, TABLE["files"] | {"checks.yaml": text.replace(case["replace"], case["by"], 1)})[1]
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [(finding.name, finding.sentence) for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.next_step for finding in found)
    assert any(finding.where.line for finding in found)
    assert any(case.get("says", "") in finding.expected for finding in found), [finding.expected for finding in found]

"""Every fault that a form of the catalog can have is found; the shipped forms are sound."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.base.finding import Finding, Severity
from dafeng.catalog import Catalog
from dafeng.catalog.catalog import read_entries, shipped_folder
from dafeng.catalog.checks import check_catalog

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "form_catalog_faults.yaml").read_text(encoding="utf-8"))


def _check(folder: Path, text: str) -> list[Finding]:
    (folder / "base.yaml").write_text(text, encoding="utf-8")
    entries, findings = read_entries([folder])
    return findings + check_catalog(entries, Catalog(entries))


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    assert _check(tmp_path, TABLE["files"]["base.yaml"]) == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = TABLE["cases"][name]
    text = TABLE["files"]["base.yaml"]
    assert case["replace"] in text, "the case must change something"
    findings = _check(tmp_path, text.replace(case["replace"], case["by"], 1))
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [finding.name for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.next_step for finding in found)
    assert any(case.get("says", "") in finding.expected for finding in found), [finding.expected for finding in found]


def test_the_shipped_forms_are_sound() -> None:
    entries, findings = read_entries([shipped_folder()])
    findings = findings + check_catalog(entries, Catalog(entries))
    assert [str(finding.where) for finding in findings if "forms/" in finding.where.file] == []

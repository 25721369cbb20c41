"""Every kind of fault that a catalog can have is found and pointed at."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.errors import AmbiguousNameError, ContentError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.catalog import check_folders, load_catalog
from dafeng.catalog.catalog import read_entries

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "catalog_faults.yaml").read_text(encoding="utf-8"))


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    catalog, findings = check_files(tmp_path, TABLE["files"])
    assert findings == []
    assert catalog.plan("town").id == "town-2024"


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = TABLE["cases"][name]
    text = TABLE["files"][case["file"]]
    assert case["replace"] in text, "the case must change something"
    changed = text.replace(case["replace"], case["by"], 1)
    _, findings = check_files(tmp_path, {**TABLE["files"], case["file"]: changed})
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [finding.name for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.where.file and finding.next_step for finding in found)
    assert any(finding.where.line for finding in found)
    if "says" in case:
        assert any(case["says"] in finding.expected for finding in found), [finding.expected for finding in found]


def test_all_faults_of_a_folder_are_reported_together(tmp_path: Path) -> None:
    files = dict(TABLE["files"])
    for case in ("unknown unit", "unknown parent", "body that nobody knows", "adapter with a wrong unit"):
        fault = TABLE["cases"][case]
        files[fault["file"]] = files[fault["file"]].replace(fault["replace"], fault["by"], 1)
    _, findings = check_files(tmp_path, files)
    expected = {"catalog.unit.unknown", "catalog.place.unknown", "catalog.body.unresolved", "catalog.unit.dimension"}
    assert expected <= {finding.name for finding in findings}


def test_a_file_that_is_not_utf8_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "places.yaml").write_bytes("places: [{name: 青岛}]".encode("gb18030"))
    _, findings = read_entries([tmp_path])
    assert [finding.name for finding in findings] == ["catalog.yaml.encoding"]


def test_a_workspace_lays_its_entries_over_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "bodies:\n  - {id: qingdao-own, name: 青岛市某单位, place: qingdao, kind: institution, aliases: [市某单位]}\n",
        encoding="utf-8",
    )
    catalog, findings = check_folders([tmp_path])
    assert findings == []
    assert catalog.body("市某单位", "qingdao").id == "qingdao-own"
    assert catalog.digest != load_catalog().digest


def test_a_faulty_workspace_catalog_is_refused_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("bodies:\n  - {id: x, name: 某, place: nowhere, kind: department}\n", "utf-8")
    with pytest.raises(ContentError, match="nowhere") as caught:
        load_catalog([tmp_path])
    assert caught.value.evidence["findings"]


def test_names_resolve_by_slug_code_name_and_alias() -> None:
    places = load_catalog().places
    assert {places.resolve(text).id for text in ("qingdao", "370200", "青岛市", "青岛", "Qingdao")} == {"qingdao"}
    with pytest.raises(AmbiguousNameError, match="jilin-city"):
        places.resolve("吉林")
    with pytest.raises(UnknownNameError, match="qingdao"):
        places.resolve("qingdoa")


def test_the_chain_of_parents_shows_a_missing_middle() -> None:
    chain = load_catalog().lineage_of_plans("qingdao")
    assert [(place.id, [plan.id for plan in plans]) for place, plans in chain] == [
        ("shandong", []),
        ("cn", ["national-2022"]),
    ]

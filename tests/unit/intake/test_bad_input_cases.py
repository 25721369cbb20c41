"""Every kind of bad input, each as a case of tests/cases/bad_input.yaml."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.base.observation import check_observations
from dafeng.catalog import Catalog
from dafeng.intake import Limits, import_table
from intake_builders import RECORDED_AT, small_catalog, workbook

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "bad_input.yaml").read_text(encoding="utf-8")
)["cases"]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return small_catalog(tmp_path_factory.mktemp("catalog"))


def _bomb(stated_size: int | None = None) -> bytes:
    """Return a workbook whose sheet unpacks a thousand times; with `stated_size` the directory lies about it."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([{"rows": [["地区"], ["青岛"]]}]))) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            padding = b" " * (8 << 20) if name == "xl/worksheets/sheet1.xml" else b""
            archive.writestr(name, source.read(name) + padding)
            size = archive.getinfo(name).file_size
            if padding:
                true_size = size
    data = buffer.getvalue()
    return data if stated_size is None else data.replace(struct.pack("<I", true_size), struct.pack("<I", stated_size))


def _entities() -> bytes:
    buffer = io.BytesIO(workbook([{"rows": [["地区", "绿地率（%）"], ["青岛", 40]]}]))
    result = io.BytesIO()
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(result, "w") as archive:
        for name in source.namelist():
            text = source.read(name)
            if name == "xl/sharedStrings.xml":
                text = b'<?xml version="1.0"?><!DOCTYPE sst [<!ENTITY a "aaaa">]>' + text.split(b"?>", 1)[1]
            archive.writestr(name, text)
    return result.getvalue()


def _flag_encrypted() -> bytes:
    data = bytearray(workbook([{"rows": [["地区"], ["青岛"]]}]))
    position = data.find(b"PK\x01\x02")
    while position >= 0:
        data[position + 8] |= 1
        position = data.find(b"PK\x01\x02", position + 4)
    return bytes(data)


MAKERS: dict[str, Callable[[], bytes]] = {
    "zip_bomb": _bomb,
    "lying_zip_bomb": lambda: _bomb(1000),
    "entities": _entities,
    "zip_encrypted": _flag_encrypted,
    "office_encrypted": lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le"),
    "truncated": lambda: workbook([{"rows": [["地区", "绿地率（%）"], ["青岛", 40]]}])[:-400],
    "damaged_xls": lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2048),
    "other_zip": lambda: _zip_of({"word/document.xml": b"<w/>"}),
    "xlsb": lambda: _zip_of({"xl/workbook.bin": b"\0"}),
}


def _zip_of(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _file(case: dict[str, Any], folder: Path) -> Path:
    path = folder / case.get("file", "表.xlsx" if "sheets" in case else "表.csv")
    if "sheets" in case:
        path.write_bytes(workbook(case["sheets"]))
    elif "make" in case:
        path.write_bytes(MAKERS[case["make"]]())
    elif "hex" in case:
        path.write_bytes(bytes.fromhex(case["hex"]))
    else:
        path.write_bytes(case["text"].encode(case.get("encoding", "utf-8")))
    return path


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_bad_input_ends_as_its_case_says(case: dict[str, Any], catalog: Catalog, tmp_path: Path) -> None:
    path = _file(case, tmp_path)
    options = {"dataset": "test", **case.get("options", {})}
    limits = Limits(**case["limits"]) if "limits" in case else None
    if "error" in case:
        with pytest.raises(InputError) as caught:
            import_table(path, catalog, recorded_at=RECORDED_AT, limits=limits, **options)
        assert caught.value.evidence["name"] == case["error"]
        assert caught.value.doing
        assert caught.value.expected
        assert caught.value.next_step
        return
    result = import_table(path, catalog, recorded_at=RECORDED_AT, limits=limits, **options)
    found = {
        (row["place"], row["period"], row["indicator"]): row["missing_reason"] if row["value"] is None else row["value"]
        for row in result.observations.iter_rows(named=True)
    }
    expected = {tuple(str(part) for part in row[:3]): row[3] for row in case.get("values", [])}
    assert found == pytest.approx(expected, rel=1e-12) if _numeric(expected) else found == expected
    for column, wanted in case.get("columns", {}).items():
        assert set(result.observations[column].to_list()) == {wanted}
    findings: dict[str, list[str]] = {}
    for finding in result.findings:
        findings.setdefault(finding.name, []).append(finding.where.cell)
    assert findings == {name: [str(cell) for cell in cells] for name, cells in case.get("findings", {}).items()}
    for finding in result.findings:
        assert finding.where.file == path.name
        assert finding.sentence
        assert finding.expected
        assert finding.next_step
        assert "{" not in finding.sentence + finding.expected + finding.next_step
        for piece in case.get("says", {}).get(finding.name, []):
            assert piece in finding.sentence + finding.expected
    counts = result.counts
    assert counts["value_cells"] == counts["accepted"] + counts["accepted_with_finding"] + counts["refused"]
    assert counts["refused"] == case.get("refused", 0)
    assert result.observations.height == counts["accepted"] + counts["accepted_with_finding"] - counts.get(
        "repeated", 0
    )
    assert result.lineage.height == result.observations.height
    assert check_observations(result.observations) == []
    if counts["refused"] and not any(name.startswith("intake.row.total") for name in findings):
        assert any(finding.severity is Severity.ERROR for finding in result.findings)


def _numeric(expected: dict[Any, Any]) -> bool:
    return bool(expected) and all(isinstance(value, int | float) for value in expected.values())

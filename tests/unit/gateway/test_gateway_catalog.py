"""Profiles of gateways in the catalog: what ships, and every fault that one can have."""

import csv
from pathlib import Path

import pytest
import yaml

from catalog_folders import check_files
from dafeng.catalog import load_catalog
from dafeng.gateway.framing import KNOWN_SHAPES
from dafeng.gateway.session_coding import shapes_of
from gateway_builders import PROFILES

TABLE = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "gateway_catalog_faults.yaml").read_text(encoding="utf-8")
)


def test_the_sound_catalog_has_no_finding(tmp_path):
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name, tmp_path):
    case = TABLE["cases"][name]
    text = TABLE["files"]["gateway.yaml"]
    assert case["replace"] in text
    files = {**TABLE["files"], "gateway.yaml": text.replace(case["replace"], case["by"], 1)}
    assert case["finding"] in {finding.name for finding in check_files(tmp_path, files)[1]}


def test_what_ships():
    assert list(PROFILES) == ["N", "N-ZJ", "N-RE", "S"]
    assert set(shapes_of(PROFILES.values())) == set(KNOWN_SHAPES)
    assert load_catalog().gateway_profiles["S"].enciphers("data")
    assert not PROFILES["S"].enciphers("heart_beat")


def test_heads_and_tails_are_those_of_the_reference_material(shared: Path):
    with (shared / "domain/facts/gateway_framings.csv").open(encoding="utf-8") as stream:
        rows = {row["variant"]: row for row in csv.DictReader(stream)}
    for name, profile in PROFILES.items():
        assert (profile.head, profile.tail) == (rows[name]["head_hex"], rows[name]["tail_hex"])
        assert profile.source in rows[name]["source"]


def test_all_twenty_operations_of_the_reference_material_are_known(shared: Path):
    with (shared / "domain/facts/gateway_messages.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    from_gateway = {
        (row["type"], operation.strip())
        for row in rows
        if row["direction"] == "gw->srv"
        for operation in row["operation"].split("/")
    }
    assert len(rows) == 20
    assert from_gateway == {
        ("id_validate", "request"), ("id_validate", "md5"), ("heart_beat", "notify"), ("data", "reply"), ("data", "report"),
        ("data", "continuous"), ("config", "period_ack"), ("device", "device"), ("archives", "archives_ack"),
        ("control", "control_ack"),
    }  # fmt: skip

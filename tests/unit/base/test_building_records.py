"""Projects, buildings and meters: what ledger rows become, and what they refuse."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from dafeng.base.building import BUILDING_FIELDS, Building
from dafeng.base.meter import Meter
from dafeng.base.obligation import Stage
from dafeng.base.project import STAGE_DATES, Project
from dafeng.catalog import load_catalog

METER: dict[str, Any] = {
    "id": "m-1",
    "building": "b-1",
    "carrier": "electricity",
    "item": "01A10",
    "unit": "kWh",
    "valid_from": date(2023, 1, 1),
}


def test_every_field_of_the_records_is_a_column_of_its_register() -> None:
    registers = load_catalog().registers
    columns = {name: {column.field for column in registers[name].fields} for name in ("buildings", "projects")}
    assert set(BUILDING_FIELDS.values()) <= columns["buildings"]
    assert set(STAGE_DATES.values()) <= columns["projects"]
    assert list(STAGE_DATES) == list(Stage)


def test_a_project_stands_at_the_furthest_stage_reached() -> None:
    row = {
        "project_code": "p",
        "project_name": "某楼",
        "place": "qingdao",
        "approval_date": date(2022, 1, 1),
        "zone": None,
    }
    project = Project.from_ledger({**row, "completion_date": date(2024, 5, 1), "gross_area": 5000.0})
    assert project.stage_on(date(2021, 12, 31)) is None
    assert project.stage_on(date(2024, 4, 30)) is Stage.APPROVAL
    assert project.stage_on(date(2024, 5, 1)) is Stage.ACCEPTANCE


def test_a_project_without_a_code_or_finished_before_it_began_is_refused() -> None:
    with pytest.raises(ValidationError, match="id"):
        Project.from_ledger({"project_name": "某楼", "place": "qingdao"})
    with pytest.raises(ValidationError, match="not before construction"):
        Project(
            id="p",
            name="某楼",
            place="qingdao",
            reached={Stage.CONSTRUCTION: date(2024, 2, 1), Stage.ACCEPTANCE: date(2024, 1, 1)},
        )


def test_a_building_keeps_unknown_apart_from_zero() -> None:
    row = {"building_code": "b", "building_name": "某楼", "place": "qingdao", "building_class": "public"}
    building = Building.from_ledger({**row, "gross_area": 100.0, "heated_area": 0.0, "cooled_area": None})
    assert (building.heated_area, building.cooled_area) == (0.0, None)
    with pytest.raises(ValidationError, match="not above the floor area"):
        Building.from_ledger({**row, "gross_area": 100.0, "cooled_area": 101.0})
    with pytest.raises(ValidationError, match="gross_area"):
        Building.from_ledger({**row, "gross_area": 0.0})
    with pytest.raises(ValidationError, match="latitude"):
        Building.from_ledger({**row, "latitude": 120.4})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid_to": date(2023, 1, 1)}, "ends after it begins"),
        ({"parent": "m-1"}, "its own parent"),
        ({"replaced_by": "m-2"}, "has an end"),
        ({"multiplier": 0.0}, "multiplier"),
        ({"modulus": -1.0}, "modulus"),
        ({"item": "1A10"}, "item"),
    ],
)
def test_a_meter_refuses_what_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Meter(**{**METER, **change})


def test_a_meter_is_in_service_from_its_first_day_until_before_its_last() -> None:
    meter = Meter(**METER, valid_to=date(2024, 1, 1), replaced_by="m-2")
    assert [
        meter.in_service(date(year, month, day)) for year, month, day in ((2022, 12, 31), (2023, 1, 1), (2024, 1, 1))
    ] == [
        False,
        True,
        False,
    ]

"""The register of meters: it gives records, and its carriers are those of the vocabulary."""

from datetime import date

import pytest

from dafeng.base.meter import METER_FIELDS, Meter, MeterKind
from dafeng.catalog import load_catalog

ROW = {"meter_code": "m-1", "meter_name": "总表", "building_code": "370202A001", "meter_carrier": "electricity", "energy_item": "01000",
       "reading_unit": "kWh", "multiplier": 40.0, "meter_modulus": 100000.0, "meter_rated_power": 250.0, "parent_meter": "m-0",
       "meter_kind": "register", "meter_rate": -1.0, "meter_from": date(2023, 1, 1), "meter_to": date(2025, 7, 1), "replaced_by": "m-2"}  # fmt: skip


def test_a_row_becomes_a_meter_with_all_it_says() -> None:
    meter = Meter.from_ledger({**ROW, "remark": None})
    assert (meter.id, meter.building, meter.item, meter.unit, meter.kind) == (
        "m-1",
        "370202A001",
        "01000",
        "kWh",
        MeterKind.REGISTER,
    )
    assert (meter.multiplier, meter.modulus, meter.rated_power, meter.rate) == (40, 100000, 250, -1)
    assert (meter.parent, meter.replaced_by, meter.valid_from, meter.valid_to) == (
        "m-0",
        "m-2",
        date(2023, 1, 1),
        date(2025, 7, 1),
    )


def test_a_row_without_what_a_meter_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="valid_from"):
        Meter.from_ledger(
            {name: value for name, value in ROW.items() if name not in ("meter_from", "meter_to", "replaced_by")}
        )


def test_every_field_of_the_record_that_a_ledger_can_give_is_in_the_register() -> None:
    catalog = load_catalog()
    columns = {column.field for column in catalog.register("meters").fields}
    assert set(METER_FIELDS.values()) - columns <= {"shares"}
    carriers = {option.code for option in catalog.fields["meter_carrier"].options}
    assert carriers <= set(catalog.terms["carrier"])
    kinds = {option.code for option in catalog.fields["meter_kind"].options}
    assert kinds == {kind.value for kind in MeterKind}

"""The meter: what metering and ledgers know of a meter, beside its readings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record

__all__ = ["METER_FIELDS", "Meter", "MeterKind", "MeterShare"]


class MeterKind(StrEnum):
    """What the readings of a meter are."""

    REGISTER = "register"
    """Running totals: use is the step between two readings."""
    INTERVAL = "interval"
    """Use between start and end."""


class MeterShare(Record):
    """One term of an item that is reckoned from several meters: item = Σ rate × use of meter (虚拟支路, 拆分公式).

    A meter with shares counts only where its shares say so; without any it counts in its own building and item.

    Examples
    --------
    >>> MeterShare(meter="m-2", building="370202A001", item="01A00", rate=-1).rate
    -1.0
    """

    meter: str
    """Meter id."""
    building: str
    """Building in which it counts."""
    item: str = Field(pattern=r"^[0-9]{2}[0-9A-Z]{3}$")
    """Energy item in which it counts."""
    rate: float = Field(default=1.0, allow_inf_nan=False)
    """Share, negative where its use is taken off."""


class Meter(Record):
    """A meter of a building, with what is needed to turn its readings into use.

    Use is the step of the reading times `multiplier`; a negative step of a meter that counts to `modulus` is a roll-over, of
    one that was replaced the start of its successor.

    Examples
    --------
    >>> main = Meter(id="m-1", building="370202A001", carrier="electricity", item="01000", unit="kWh", multiplier=40,
    ...              modulus=100000, valid_from=date(2023, 1, 1), valid_to=date(2025, 7, 1))
    >>> main.in_service(date(2025, 6, 30)), main.in_service(date(2025, 7, 1))
    (True, False)
    """

    id: str = Field(min_length=1)
    """Unique id."""
    building: str
    """Building code."""
    carrier: str
    """Energy carrier, or water: code of the vocabulary's group carrier."""
    item: str = Field(pattern=r"^[0-9]{2}[0-9A-Z]{3}$")
    """Energy item code: two digits of the carrier, then class, sub-class and first-level item."""
    unit: str
    """Unit of the reading before the multiplier."""
    multiplier: float = Field(default=1.0, gt=0)
    """Product of the current and voltage transformer ratios, or pulse constant."""
    rated_power: float | None = Field(default=None, gt=0)
    """Largest load in kW that it can measure, for plausibility."""
    modulus: float | None = Field(default=None, gt=0)
    """Reading at which it starts again from zero; None where it never does."""
    kind: MeterKind | None = None
    """What its readings are; readings of the other kind are set aside. None where they say so themselves."""
    rate: float = Field(default=1.0, allow_inf_nan=False)
    """Share with which it counts in its item, negative where its use is taken off."""
    parent: str | None = None
    """Meter upstream, of which this one measures a part."""
    valid_from: date
    """First day in service."""
    valid_to: date | None = None
    """First day no longer in service."""
    replaced_by: str | None = None
    """Meter that took its place."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("a meter ends after it begins")
        if self.id in (self.parent, self.replaced_by):
            raise ValueError("a meter is neither its own parent nor its own successor")
        if self.replaced_by is not None and self.valid_to is None:
            raise ValueError("a replaced meter has an end")
        return self

    def in_service(self, day: date) -> bool:
        """Return whether it was in service on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    @classmethod
    def from_ledger(cls, row: Mapping[str, Any]) -> Self:
        """Return the meter of a ledger row.

        Parameters
        ----------
        row : mapping from field to value
            Numbers in canonical units; fields that the record does not know are passed over.

        Raises
        ------
        ValueError
            A needed field is missing, or values contradict one another.

        Examples
        --------
        >>> meter = Meter.from_ledger({"meter_code": "m-1", "building_code": "370202A001", "meter_carrier": "electricity",
        ...                            "energy_item": "01000", "reading_unit": "kWh", "multiplier": 40.0,
        ...                            "meter_from": date(2023, 1, 1), "meter_name": "总表"})
        >>> meter.multiplier, meter.modulus, meter.valid_to
        (40.0, None, None)
        """
        return cls(**{name: row[field] for name, field in METER_FIELDS.items() if row.get(field) is not None})


METER_FIELDS: Final[dict[str, str]] = {
    name: {
        "id": "meter_code",
        "building": "building_code",
        "carrier": "meter_carrier",
        "item": "energy_item",
        "unit": "reading_unit",
        "rated_power": "meter_rated_power",
        "modulus": "meter_modulus",
        "kind": "meter_kind",
        "rate": "meter_rate",
        "parent": "parent_meter",
        "valid_from": "meter_from",
        "valid_to": "meter_to",
    }.get(name, name)
    for name in Meter.model_fields
}
"""Field of the record to field of the ledger."""

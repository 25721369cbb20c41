"""The meter: what metering and ledgers know of a meter, beside its readings."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.record import Record

__all__ = ["Meter"]


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

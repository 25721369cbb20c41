"""The building: the base record that ledgers, metering and physics share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record

__all__ = ["BUILDING_FIELDS", "Building"]


class Building(Record):
    """A building as the energy-monitoring base record describes it; what is not known is None, never 0.

    Examples
    --------
    >>> office = Building.from_ledger({"building_code": "370202A001", "building_name": "某办公楼", "place": "qingdao-shinan",
    ...                                "building_class": "public", "gross_area": 12000.0, "built_year": 2006.0})
    >>> office.gross_area, office.built_year, office.heated_area
    (12000.0, 2006, None)
    """

    id: str
    """Building code: district code, letter of the class, running number."""
    name: str
    """Name."""
    place: str
    """Place id."""
    building_class: str
    """residential, public or industrial."""
    building_type: str | None = None
    """Use: office, school, hospital …"""
    gross_area: float | None = Field(default=None, gt=0)
    """Floor area in m²."""
    heated_area: float | None = Field(default=None, ge=0)
    """Heated floor area in m²."""
    cooled_area: float | None = Field(default=None, ge=0)
    """Cooled floor area in m²."""
    height: float | None = Field(default=None, gt=0)
    """Height in m."""
    storeys: float | None = Field(default=None, ge=0)
    """Storeys above ground."""
    storeys_below: float | None = Field(default=None, ge=0)
    """Storeys below ground."""
    built_year: int | None = Field(default=None, ge=1850, le=2100)
    """Year in which it was built."""
    owner: str | None = None
    """Owner."""
    longitude: float | None = Field(default=None, ge=-180, le=180)
    """Degrees east."""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    """Degrees north."""
    heating_kind: str | None = None
    """Heating system: radiator, floor, electric, air, none, other."""
    cooling_kind: str | None = None
    """Cooling system: all_air, fan_coil, split, none, other."""
    climate_zone: str | None = None
    """Climate zone of the building: severe_cold_a … mild_b."""
    project: str | None = None
    """Code of the project that built it."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = (self.heated_area, self.cooled_area)
        if self.gross_area is not None and any(part is not None and part > self.gross_area for part in parts):
            raise ValueError("heated and cooled area are not above the floor area")
        return self

    @classmethod
    def from_ledger(cls, row: Mapping[str, Any]) -> Self:
        """Return the building of a ledger row.

        Parameters
        ----------
        row : mapping from field to value
            Numbers in canonical units; fields that the record does not know are passed over.

        Raises
        ------
        ValueError
            A needed field is missing, or values contradict one another.
        """
        return cls(**{name: row[field] for name, field in BUILDING_FIELDS.items() if row.get(field) is not None})


BUILDING_FIELDS: Final[dict[str, str]] = {
    name: {"id": "building_code", "name": "building_name", "project": "project_code"}.get(name, name)
    for name in Building.model_fields
}
"""Field of the record to field of the ledger."""

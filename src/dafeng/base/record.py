"""The shape shared by every record: immutable, closed, documented field by field."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    """An immutable record whose attribute docstrings are its field descriptions; unknown fields are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True, arbitrary_types_allowed=False
    )

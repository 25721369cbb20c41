"""Documents of any format become one form: text without page furniture, with the way back to page, paragraph, character."""

from __future__ import annotations

from dafeng.intake.documents.limits import DocumentLimits
from dafeng.intake.documents.reading import read_document

__all__ = ["DocumentLimits", "read_document"]

"""Files become records: sheets of any form in, observations with lineage, fates and findings out."""

from __future__ import annotations

from dafeng.intake.documents import DocumentLimits, read_document
from dafeng.intake.export import export_table
from dafeng.intake.importing import Imported, import_table
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet

__all__ = [
    "DocumentLimits",
    "Imported",
    "Limits",
    "Sheet",
    "export_table",
    "import_table",
    "read_document",
    "read_sheets",
]

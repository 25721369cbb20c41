"""Reports: an immutable description first, rendered last to DOCX, XLSX, HTML and PDF."""

from __future__ import annotations

from dafeng.reports.carbon_facts import CarbonAccount, CarbonFacts
from dafeng.reports.document import Report
from dafeng.reports.docx import render_docx
from dafeng.reports.fonts import FontReport, FontUse, find_fonts
from dafeng.reports.html import render_html
from dafeng.reports.ledger_facts import LedgerFacts, Names
from dafeng.reports.october import UNBUILT, OctoberRequest, october_report
from dafeng.reports.october_facts import OctoberScope
from dafeng.reports.pdf import render_pdf
from dafeng.reports.responsibility import responsibility_report
from dafeng.reports.xlsx import render_xlsx

__all__ = [
    "UNBUILT",
    "CarbonAccount",
    "CarbonFacts",
    "FontReport",
    "FontUse",
    "LedgerFacts",
    "Names",
    "OctoberRequest",
    "OctoberScope",
    "Report",
    "find_fonts",
    "october_report",
    "render_docx",
    "render_html",
    "render_pdf",
    "render_xlsx",
    "responsibility_report",
]

"""Write the demonstration city's own plan as Word document and PDF, from plan.txt, byte for byte the same on every run.

    python scripts/make_demo_documents.py [FOLDER]

FOLDER is `src/dafeng/workflow/demo_city/documents` where none is given. Both carry the words of plan.txt, with real headings, and
as annex the list of duties, made of the hand-made plan file. The bytes of the PDF depend on the version of the font as well.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import typst
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from dafeng.catalog import load_catalog
from dafeng.plans import responsibility_list
from dafeng.reports.fonts import find_fonts
from dafeng.reports.packing import normalise_package

HERE = Path(__file__).resolve().parents[1]
CITY = HERE / "src" / "dafeng" / "workflow" / "demo_city"
PLAN = "demo-city-2024"
HEADS = ("序号", "重点任务", "主要内容", "牵头单位", "责任单位", "完成时限")
WIDTHS = (12, 38, 78, 32, 60, 26)
CHAPTER = re.compile(r"^[一二三四五]、")
CLAUSE = re.compile(r"^（[一二三四五六七八九十]+）")
DAY = datetime(2024, 6, 18)


def duties() -> list[tuple[str, ...]]:
    """Rows of the annex: one a task, with the promises under it in short phrases."""
    catalog = load_catalog((CITY / "catalog",))
    rows: dict[str, list[Any]] = {}
    for row in responsibility_list(catalog.plan(PLAN), catalog).rows:
        if row.clause in {task.number for task in catalog.plan(PLAN).tasks}:
            rows.setdefault(row.clause, []).append(row)
    table = []
    for number, (_, group) in enumerate(rows.items(), start=1):
        bodies = [body.as_written for body in group[0].bodies]
        promises = [row for row in group if row.target is not None]
        years = sorted({row.deadline.year for row in promises if row.deadline.year})
        table.append(
            (
                str(number),
                group[0].task,
                "；".join(dict.fromkeys(label(row) for row in promises)) or "按方案组织实施",
                bodies[0] if bodies else "—",
                "、".join(bodies[1:]) or "—",
                "、".join(f"{year}年" for year in years) or "长期",
            )
        )
    return table


def label(row: Any) -> str:
    """Name of a promise without its figures: these stand in the text, and once only."""
    return LABELS[row.target]


LABELS = {target.id: target.label for target in load_catalog((CITY / "catalog",)).plan(PLAN).targets}


def kind(line: str) -> str:
    """Sort of a line of plan.txt."""
    if CHAPTER.match(line):
        return "chapter"
    if CLAUSE.match(line):
        return "clause"
    if line == "示范市城乡建设领域碳达峰工作方案" or line.startswith("关于印发"):
        return "title"
    if line.startswith(("示范市住房和城乡建设局", "示范市发展和改革委员会", "示建发", "2024年6月")):
        return "center"
    return "text"


def word(lines: list[str], rows: list[tuple[str, ...]]) -> bytes:
    """Return the plan as a Word document: headings are headings, the annex is a table on its own landscape page."""
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin, section.left_margin, section.right_margin = (
        Mm(37),
        Mm(35),
        Mm(28),
        Mm(26),
    )
    for name, face, size in (
        ("Normal", "仿宋_GB2312", 16),
        ("Title", "方正小标宋简体", 22),
        ("Heading 1", "黑体", 16),
        ("Heading 2", "楷体_GB2312", 16),
    ):
        style: Any = document.styles[name]
        style.font.name, style.font.size, style.font.bold = "Times New Roman", Pt(size), False
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), face)
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{theme}"), None)
    for line in lines:
        match kind(line):
            case "title":
                document.add_paragraph(line, style="Title").alignment = WD_ALIGN_PARAGRAPH.CENTER
            case "center":
                document.add_paragraph(line).alignment = WD_ALIGN_PARAGRAPH.CENTER
            case "chapter":
                document.add_paragraph(line, style="Heading 1")
            case "clause":
                document.add_paragraph(line, style="Heading 2")
            case _:
                document.add_paragraph(line).paragraph_format.first_line_indent = Pt(32)
    annex = document.add_section()
    annex.orientation = WD_ORIENT.LANDSCAPE
    annex.page_width, annex.page_height = Mm(297), Mm(210)
    document.add_paragraph("附件")
    document.add_paragraph("重点任务及责任分工表").alignment = WD_ALIGN_PARAGRAPH.CENTER
    table = document.add_table(rows=1, cols=len(HEADS))
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, HEADS, strict=True):
        cell.text = text
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    for column, width in zip(table.columns, WIDTHS, strict=True):
        for cell in column.cells:
            cell.width = Mm(width)
            for paragraph in cell.paragraphs:
                for run in paragraph.runs:
                    run.font.size = Pt(9)
    properties = document.core_properties
    properties.title = "示范市城乡建设领域碳达峰工作方案（虚构，演示用）"
    properties.author = properties.last_modified_by = "dafeng"
    properties.created = properties.modified = DAY
    properties.comments = ""
    target = io.BytesIO()
    document.save(target)
    return normalise_package(target.getvalue())


PAPER = r"""
#let data = json(bytes(sys.inputs.plan))
#set document(title: data.title, author: "dafeng", date: none)
#set page(paper: "a4", margin: (top: 37mm, bottom: 35mm, left: 28mm, right: 26mm),
  footer: context align(center, text(10pt)[— #counter(page).display() —]))
#set text(font: data.font, size: 16pt, lang: "zh", region: "cn")
#set par(justify: true, leading: 13pt, spacing: 13pt)
#for line in data.lines {
  if line.kind == "title" { align(center, text(22pt, line.text)) }
  else if line.kind == "center" { align(center, line.text) }
  else if line.kind == "text" { par(first-line-indent: (amount: 2em, all: true), line.text) }
  else { block(inset: (left: 2em), text(weight: if line.kind == "chapter" { "bold" } else { "regular" }, line.text)) }
}
#set page(flipped: true)
附件
#align(center, text(18pt)[重点任务及责任分工表])
#set text(size: 9pt)
#set par(justify: false, leading: 5pt)
#table(columns: data.widths.map(w => w * 1fr), stroke: 0.5pt, inset: 3pt,
  table.header(..data.heads), ..data.rows.flatten())
"""


def pdf(lines: list[str], rows: list[tuple[str, ...]]) -> bytes:
    """Return the plan as PDF, with the letters that it uses and no others."""
    body = next(use for use in find_fonts(os.environ).uses if use.role == "body")
    description = {
        "title": "示范市城乡建设领域碳达峰工作方案（虚构，演示用）",
        "font": body.family,
        "lines": [{"kind": kind(line), "text": line} for line in lines],
        "heads": HEADS,
        "rows": rows,
        "widths": WIDTHS,
    }
    content = typst.compile(
        PAPER.encode(),
        font_paths=[body.folder],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"plan": json.dumps(description, ensure_ascii=False)},
        timestamp=0,
    )
    assert isinstance(content, bytes)
    return content


def main(folder: Path) -> None:
    """Write both documents."""
    words = (CITY / "documents" / "plan.txt").read_text(encoding="utf-8")
    lines = [line for line in words.splitlines() if line.strip()]
    rows = duties()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.docx").write_bytes(word(lines, rows))
    (folder / "plan.pdf").write_bytes(pdf(lines, rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CITY / "documents")

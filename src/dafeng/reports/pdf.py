"""PDF by Typst: a preview, marked as such where fonts stand in for the official ones."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import typst

from dafeng.base.errors import ContentError
from dafeng.reports.document import Block, Cell, Figure, KeyFigures, Report, SignatureBlock, Table
from dafeng.reports.figures import figure_size, figure_svg
from dafeng.reports.fonts import OFFICIAL_FONTS, FontReport
from dafeng.reports.wording import signature_indents

__all__ = ["render_pdf"]


def render_pdf(report: Report, fonts: FontReport) -> bytes:
    """Return the paper as PDF, set with exactly the fonts of `fonts` and none that the system adds.

    Raises
    ------
    ContentError
        A role of the paper has no font; callers leave the PDF out when `fonts.can_write_pdf` is false.
    """
    families = {use.role: use.family for use in fonts.uses}
    lacking = [font.name for font in OFFICIAL_FONTS if font.role not in families]
    if lacking:
        raise ContentError(
            f"no font for {'、'.join(lacking)}",
            doing="write a PDF",
            expected="Chinese fonts on the system or in the folders of $DAFENG_FONTS",
            next_step="install a Chinese font such as Noto CJK, or use the DOCX",
        )
    description = {
        "title": report.title,
        "creator": report.creator,
        "demonstration": report.demonstration,
        "preview": bool(fonts.substitutions),
        "fonts": families,
        "sections": _sections(report, fonts),
    }
    source = (resources.files("dafeng.reports") / "paper.typ").read_bytes()
    # In memory, with these folders only; the stub asks one type for source and folders, which the library does not.
    result = typst.compile(
        source,
        font_paths=sorted({use.folder for use in fonts.uses}),  # type: ignore[call-overload]
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"report": json.dumps(description, ensure_ascii=False, sort_keys=True)},
        timestamp=0,
    )
    assert isinstance(result, bytes)
    return result


def _sections(report: Report, fonts: FontReport) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    for landscape, blocks in report.sections():
        plain = [_plain(block, fonts) for block in blocks]
        plain[0]["first"] = True  # the page is new already
        sections.append({"landscape": landscape, "blocks": plain})
    return sections


def _plain(block: Block, fonts: FontReport) -> dict[str, Any]:
    plain: dict[str, Any] = block.model_dump(mode="json")
    if isinstance(block, Table):
        plain["rows"] = [
            {
                "group": row.group,
                "anchor": row.anchor,
                "cells": [{"text": cell.shown, "link": cell.link, "strong": cell.strong} for cell in row.cells],
            }
            for row in block.rows
        ]
    elif isinstance(block, KeyFigures):
        plain["items"] = [
            {"value": item.value, "shown": Cell(text=item.label, state=item.state).shown} for item in block.items
        ]
    elif isinstance(block, Figure):
        plain = {"block": "figure", "id": block.id, "caption": block.caption, "text": block.text, "link": block.link}
        plain["svg"] = figure_svg(block, fonts)
        plain["width"] = figure_size(block)[0] * 25.4
    elif isinstance(block, SignatureBlock):
        day, signer_right, day_right = signature_indents(block.signer, block.day)
        plain |= {"day": day, "signer_right": signer_right, "day_right": day_right}
    return plain

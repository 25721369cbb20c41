"""HTML: one file that asks the network for nothing, reads without scripts and prints like a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from importlib import resources

from dafeng.reports.document import (
    Addressee,
    Annex,
    AnnexList,
    Block,
    Cell,
    Figure,
    Heading,
    KeyFigures,
    Note,
    PageBreak,
    Paragraph,
    RedHead,
    Report,
    Run,
    SignatureBlock,
    Slot,
    Table,
    Title,
)
from dafeng.reports.figures import figure_svg
from dafeng.reports.fonts import FontReport
from dafeng.reports.wording import date_zh

__all__ = ["render_html"]


def render_html(report: Report, fonts: FontReport) -> str:
    """Return the paper as one HTML file with its style sheet and figures inside.

    Parameters
    ----------
    report : Report
    fonts : FontReport
        Decides the language of the labels inside figures.
    """
    style = (resources.files("dafeng.reports") / "page.css").read_text(encoding="utf-8")
    mark = page_mark = ""
    if report.demonstration:
        page_mark = '@page { @top-center { content: "【演示数据】数字均为虚构，不得引用"; } }\n'
        mark = '<p class="demonstration" role="note">演示数据：本文件数字均为虚构，不得引用 <span lang="en">DEMONSTRATION DATA</span></p>'
    sections = []
    for landscape, blocks in report.sections():
        parts = "\n".join(part for block in blocks for part in _block(block, fonts))
        sections.append(
            f'<section class="wide">\n{parts}\n</section>' if landscape else f"<section>\n{parts}\n</section>"
        )
    body = "\n".join(sections)
    basis = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in report.basis)
    if basis:
        basis = f'<section class="basis" id="basis"><h2>口径</h2><dl>{basis}</dl></section>'
    return (
        f'<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{escape(report.creator)}">\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{style}{page_mark}</style>\n</head>\n"
        f"<body>\n{mark}\n<main>\n{body}\n{basis}\n</main>\n<footer><p>数据截至 {date_zh(report.as_of)}</p></footer>\n</body>\n</html>\n"
    )


def _block(block: Block, fonts: FontReport) -> Iterator[str]:
    match block:
        case Title():
            yield f"<h1>{_lines(block.text)}</h1>"
        case Addressee():
            yield f'<p class="addressee">{escape(block.text)}：</p>'
        case Heading():
            anchor = _identity(block.anchor)
            if block.run_in:
                yield f'<p{anchor}><strong class="level{block.level}">{escape(block.text)}。</strong>{_runs(block.run_in)}</p>'
            else:
                yield f'<h{block.level + 1}{anchor} class="level{block.level}">{escape(block.text)}</h{block.level + 1}>'
        case Paragraph():
            yield f"<p>{_runs(block.runs)}</p>"
        case Slot():
            yield f'<p class="slot">【由承办人补充：{escape(block.text)}】</p>'
        case Note():
            yield f'<p class="note">{escape(block.text)}</p>'
        case PageBreak():
            yield '<hr class="page">'
        case Annex():
            yield f'<header class="annex"{_identity(block.anchor)}><p>{escape(block.label)}</p><h2>{_lines(block.title)}</h2></header>'
        case AnnexList():
            only = len(block.names) == 1
            names = "".join(f"<li>{escape(name)}</li>" for name in block.names)
            yield f'<div class="annexes"><p>附件：</p><ol{" class=one" if only else ""}>{names}</ol></div>'
        case SignatureBlock():
            day = date_zh(block.day) if block.day else "　　年　月　日"
            contact = f"<p>（{escape(block.contact)}）</p>" if block.contact else ""
            yield f'<div class="signature"><p>{escape(block.signer)}</p><p>{day}</p></div>{contact}'
        case RedHead():
            signatory = f" 签发人：{escape(block.signatory)}" if block.signatory else ""
            yield f'<header class="redhead"><p>{escape(block.issuer)}</p><p>{escape(block.number)}{signatory}</p></header>'
        case KeyFigures():
            cells = "".join(
                f"<div><dd>{escape(item.value)}</dd><dt>{escape(Cell(text=item.label, state=item.state).shown)}</dt></div>"
                for item in block.items
            )
            yield f'<dl class="key">{cells}</dl>'
        case Table():
            yield _table(block)
        case Figure():
            yield _figure(block, fonts)


def _table(table: Table) -> str:
    caption = table.title + (f"（单位：{table.unit}）" if table.unit else "")
    head = "".join(f'<th scope="col">{escape(column.title)}</th>' for column in table.columns)
    total = sum(column.width for column in table.columns)
    widths = "".join(f'<col style="width:{100 * column.width / total:.1f}%">' for column in table.columns)
    rows = []
    for row in table.rows:
        anchor = _identity(row.anchor)
        if row.group is not None:
            rows.append(
                f'<tr class="group"{anchor}><th colspan="{len(table.columns)}" scope="rowgroup">{escape(row.group)}</th></tr>'
            )
            continue
        cells = "".join(_cell(cell, column.align.value) for cell, column in zip(row.cells, table.columns, strict=True))
        rows.append(f"<tr{anchor}>{cells}</tr>")
    hidden = "" if table.show_title else ' class="quiet"'
    return (
        f'<div class="table" tabindex="0"><table id="{table.id}"><caption{hidden}>{escape(caption)}</caption>'
        f"<colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _cell(cell: Cell, align: str) -> str:
    state = f" state-{cell.state.replace('_', '-')}" if cell.state else ""
    text = _runs((Run(text=cell.shown, link=cell.link),))
    return f'<td class="{align}{state}">{f"<strong>{text}</strong>" if cell.strong else text}</td>'


def _figure(figure: Figure, fonts: FontReport) -> str:
    """Return the drawing without name spaces (a page needs none) and with identifiers that are the figure's own."""
    drawing = re.sub(r' xmlns(:xlink)?="[^"]*"', "", figure_svg(figure, fonts))
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{figure.id}-", drawing)
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(figure.text)}" ', 1)
    link = f' <a href="#{figure.link}">数据与来源</a>' if figure.link else ""
    return f'<figure id="{figure.id}">{drawing}<figcaption>{escape(figure.caption)}{link}</figcaption></figure>'


def _runs(runs: tuple[Run, ...]) -> str:
    return "".join(_run(run) for run in runs)


def _run(run: Run) -> str:
    text = f'<mark class="slot">{_lines(run.text)}</mark>' if run.slot else _lines(run.text)
    return text if run.link is None else f'<a href="#{run.link}">{text}</a>'


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.split("\n"))


def _identity(anchor: str | None) -> str:
    return "" if anchor is None else f' id="{anchor}"'

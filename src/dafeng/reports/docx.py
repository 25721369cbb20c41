"""DOCX after GB/T 9704: the paper that a clerk goes on working with."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from docx import Document
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.shared import Inches

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
    Row,
    Run,
    SignatureBlock,
    Slot,
    Table,
    Title,
)
from dafeng.reports.docx_styles import WORD_NAMESPACE, font_table_xml, fonts_of, styles_xml
from dafeng.reports.figures import figure_png, figure_size
from dafeng.reports.fonts import FontReport
from dafeng.reports.packing import normalise_package
from dafeng.reports.wording import signature_indents

__all__ = ["render_docx"]

_RELATIONSHIPS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_KEEP: Final = "<w:keepNext/>"
_SHADED: Final = '<w:shd w:val="clear" w:fill="E7E6E6"/>'
_PORTRAIT_WIDTH, _LANDSCAPE_WIDTH = 8845, 12756
_UNUSED_PARTS: Final = ("thumbnail", "stylesWithEffects", "numbering", "customXml", "webSettings")
DEMONSTRATION_MARK: Final = "【演示数据】本文件数字均为虚构，不得引用　DEMONSTRATION DATA"


def render_docx(report: Report, fonts: FontReport) -> bytes:
    """Return the paper as DOCX: official fonts by name, styles with Chinese names, no seal, no red head unless described.

    Parameters
    ----------
    report : Report
    fonts : FontReport
        Used for the letters inside figures only.

    Returns
    -------
    bytes
        The same for the same report and font file.
    """
    return _Writer(report, fonts).render()


class _Writer:
    def __init__(self, report: Report, fonts: FontReport) -> None:
        self.report = report
        self.fonts = fonts
        self.document = Document()
        self._bookmarks = 0

    def render(self) -> bytes:
        self._prepare_package()
        references = self._headers_and_footers()
        body = self.document.element.body
        for element in list(body):
            body.remove(element)
        sections = self.report.sections()
        for position, (wide, blocks) in enumerate(sections):
            for place, block in enumerate(blocks):
                for element in self._block(block, wide=wide, first=place == 0 and position > 0):
                    body.append(element)
            section = _section_xml(wide, references, first=position == 0)
            if position < len(sections) - 1:
                body.append(_parse(f'<w:p><w:pPr><w:pStyle w:val="DfSmall"/>{section}</w:pPr></w:p>'))
            else:
                body.append(_parse(section))
        target = io.BytesIO()
        self.document.save(target)
        return normalise_package(target.getvalue())

    def _prepare_package(self) -> None:
        part = self.document.part
        package = part.package
        for owner in (package, part):
            for name, relation in list(owner.rels.items()):
                if relation.reltype.rsplit("/", 1)[-1] in _UNUSED_PARTS:
                    del owner.rels[name]
                elif relation.reltype.endswith("/fontTable"):
                    old = relation.target_part
                    relation._target = Part(old.partname, old.content_type, font_table_xml().encode(), package)
        styles: Any = self.document.styles.element
        for element in list(styles):
            styles.remove(element)
        for element in list(parse_xml(styles_xml())):
            styles.append(element)
        self.document.settings.odd_and_even_pages_header_footer = True
        properties = self.document.core_properties
        stamp = datetime.combine(self.report.as_of, time())
        properties.title = self.report.title
        properties.author = properties.last_modified_by = self.report.creator
        properties.created = properties.modified = stamp
        properties.revision = 1
        properties.comments = properties.keywords = ""
        properties.language = "zh-CN"
        properties.identifier = self.report.id

    def _headers_and_footers(self) -> str:
        section = self.document.sections[0]
        number = (
            '<w:r><w:t xml:space="preserve">— </w:t></w:r><w:r><w:fldChar w:fldCharType="begin"/></w:r>'
            '<w:r><w:instrText xml:space="preserve"> PAGE </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
            '<w:r><w:t>1</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t xml:space="preserve"> —</w:t></w:r>'
        )
        for footer, align in ((section.footer, "right"), (section.even_page_footer, "left")):
            footer.is_linked_to_previous = False
            indent = f'<w:ind w:{align}Chars="100" w:{align}="280"/><w:jc w:val="{align}"/>'
            _fill(footer._element, f'<w:p><w:pPr><w:pStyle w:val="DfPageNumber"/>{indent}</w:pPr>{number}</w:p>')
        mark = _text_run(DEMONSTRATION_MARK) if self.report.demonstration else ""
        for header in (section.header, section.even_page_header):
            header.is_linked_to_previous = False
            _fill(header._element, f'<w:p><w:pPr><w:pStyle w:val="DfMark"/></w:pPr>{mark}</w:p>')
        found = [
            element
            for element in section._sectPr
            if element.tag in (f"{{{WORD_NAMESPACE}}}headerReference", f"{{{WORD_NAMESPACE}}}footerReference")
        ]
        return "".join(
            f'<w:{element.tag.rpartition("}")[2]} w:type="{element.get(f"{{{WORD_NAMESPACE}}}type")}" '
            f'r:id="{element.get(f"{{{_RELATIONSHIPS}}}id")}"/>'
            for element in found
        )

    def _block(self, block: Block, *, wide: bool, first: bool) -> Iterator[Any]:
        match block:
            case Title():
                for line in block.text.split("\n"):
                    yield _paragraph("DfTitle", _text_run(line))
                yield _paragraph("Normal", "")
            case Addressee():
                yield _paragraph("DfAddressee", _text_run(block.text + "："))
            case Heading():
                stop = "。" if block.run_in else ""
                tail = "".join(self._run(run, role="body") for run in block.run_in)
                content = self._mark(block.anchor) + _text_run(block.text + stop) + tail
                yield _paragraph(f"DfHeading{block.level}", content)
            case Paragraph():
                yield _paragraph("Normal", "".join(self._run(run) for run in block.runs), _KEEP if block.keep else "")
            case Slot():
                yield _paragraph(
                    "Normal",
                    _text_run(f"【由承办人补充：{block.text}】", extra=_SHADED),
                )
            case Note():
                yield _paragraph("DfNote", _text_run(block.text))
            case PageBreak():
                yield _paragraph("DfSmall", '<w:r><w:br w:type="page"/></w:r>')
            case Annex():
                start = "" if first else "<w:pageBreakBefore/>"
                yield _paragraph("DfAnnexMark", self._mark(block.anchor) + _text_run(block.label), start)
                yield _paragraph("DfAnnexMark", "")
                yield _paragraph("DfAnnexTitle", _text_run(block.title))
                yield _paragraph("DfSmall", "")
            case AnnexList():
                yield from _annex_list(block)
            case SignatureBlock():
                yield from _signature(block)
            case RedHead():
                yield from _red_head(block)
            case KeyFigures():
                yield _key_figures(block, _LANDSCAPE_WIDTH if wide else _PORTRAIT_WIDTH)
                yield _paragraph("DfSmall", "")
            case Table():
                if block.show_title:
                    yield _paragraph("DfTableTitle", _text_run(block.title))
                if block.unit:
                    yield _paragraph("DfTableText", _text_run(f"单位：{block.unit}"), _KEEP + '<w:jc w:val="right"/>')
                yield _paragraph("DfSmall", self._mark(block.id), "<w:keepNext/>")
                yield _parse(self._table(block, _LANDSCAPE_WIDTH if wide else _PORTRAIT_WIDTH))
                yield _paragraph("DfSmall", "")
            case Figure():
                yield self._picture(block)
                yield _paragraph(
                    "DfCaption", self._mark(block.id) + self._run(Run(text=block.caption, link=block.link))
                )

    def _mark(self, anchor: str | None) -> str:
        if anchor is None:
            return ""
        self._bookmarks += 1
        name = quoteattr(_bookmark(anchor))
        return f'<w:bookmarkStart w:id="{self._bookmarks}" w:name={name}/><w:bookmarkEnd w:id="{self._bookmarks}"/>'

    def _run(self, run: Run, *, role: str | None = None, extra: str = "") -> str:
        text = _text_run(run.text, role=role, extra=extra + _SHADED * run.slot)
        return (
            text if run.link is None else f"<w:hyperlink w:anchor={quoteattr(_bookmark(run.link))}>{text}</w:hyperlink>"
        )

    def _table(self, table: Table, width: int) -> str:
        total = sum(column.width for column in table.columns)
        widths = [round(width * column.width / total) for column in table.columns]
        size, line = round(2 * table.size), round(table.size * 1.3 * 20)
        type_size = f'<w:sz w:val="{size}"/><w:szCs w:val="{size}"/>'
        spacing = f'<w:spacing w:line="{line}" w:lineRule="exact"/>'
        head = "".join(
            _cell_xml(
                one,
                f'<w:p><w:pPr><w:pStyle w:val="DfTableHead"/>{spacing}</w:pPr>{_text_run(column.title, extra=type_size)}</w:p>',
            )
            for one, column in zip(widths, table.columns, strict=True)
        )
        rows = [f"<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{head}</w:tr>"]
        for row in table.rows:
            rows.append(self._row(row, table, widths, spacing, type_size))
        return _table_xml(widths, "".join(rows))

    def _row(self, row: Row, table: Table, widths: list[int], spacing: str, type_size: str) -> str:
        mark = self._mark(row.anchor)
        if row.group is not None:
            text = mark + _text_run(row.group, role="hei", extra=type_size)
            paragraph = f'<w:p><w:pPr><w:pStyle w:val="DfTableText"/><w:keepNext/>{spacing}</w:pPr>{text}</w:p>'
            return f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{_cell_xml(sum(widths), paragraph, span=len(widths))}</w:tr>"
        cells = []
        for width, column, cell in zip(widths, table.columns, row.cells, strict=True):
            content = mark + self._cell_text(cell, type_size)
            mark = ""
            align = f'<w:jc w:val="{column.align}"/>'
            cells.append(
                _cell_xml(width, f'<w:p><w:pPr><w:pStyle w:val="DfTableText"/>{spacing}{align}</w:pPr>{content}</w:p>')
            )
        return f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>"

    def _cell_text(self, cell: Cell, type_size: str) -> str:
        return self._run(Run(text=cell.shown, link=cell.link), role="hei" if cell.strong else None, extra=type_size)

    def _picture(self, figure: Figure) -> Any:
        width, height = figure_size(figure)
        image = io.BytesIO(figure_png(figure, self.fonts))
        inline = self.document.part.new_pic_inline(image, Inches(width), Inches(height))
        inline.docPr.set("descr", figure.text)
        inline.docPr.set("name", figure.id)
        paragraph = _paragraph("DfPicture", "<w:r/>")
        drawing = _parse("<w:drawing/>")
        drawing.append(inline)
        paragraph[-1].append(drawing)
        return paragraph


def _parse(xml: str) -> Any:
    start, mark, rest = xml.partition(">") if not xml.split(">", 1)[0].endswith("/") else xml.partition("/>")
    return parse_xml(f'{start} xmlns:w="{WORD_NAMESPACE}" xmlns:r="{_RELATIONSHIPS}"{mark}{rest}')


def _fill(element: Any, xml: str) -> None:
    for child in list(element):
        element.remove(child)
    element.append(_parse(xml))


def _paragraph(style: str, content: str, properties: str = "") -> Any:
    return _parse(f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>{content}</w:p>')


def _text_run(text: str, *, role: str | None = None, extra: str = "") -> str:
    if not text:
        return ""
    text = _FORBIDDEN.sub("", text)
    fonts = '<w:rFonts w:hint="eastAsia"/>' if role is None else fonts_of(role, hint=True)
    lines = '</w:t><w:br/><w:t xml:space="preserve">'.join(escape(line) for line in text.split("\n"))
    return f'<w:r><w:rPr>{fonts}{extra}</w:rPr><w:t xml:space="preserve">{lines}</w:t></w:r>'


def _bookmark(anchor: str) -> str:
    """Return an anchor as Word allows it: letters, digits, underscores, at most 40."""
    name = anchor.replace("-", "_")
    return name if len(name) <= 40 else name[:30] + "_" + hashlib.sha256(anchor.encode()).hexdigest()[:8]


def _cell_xml(width: int, content: str, *, span: int = 1) -> str:
    over = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{over}<w:vAlign w:val="center"/></w:tcPr>{content}</w:tc>'


def _table_xml(widths: list[int], rows: str) -> str:
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="000000"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:jc w:val="center"/><w:tblBorders>{borders}</w:tblBorders>'
        '<w:tblLayout w:type="fixed"/><w:tblCellMar><w:top w:w="28" w:type="dxa"/><w:left w:w="45" w:type="dxa"/>'
        f'<w:bottom w:w="28" w:type="dxa"/><w:right w:w="45" w:type="dxa"/></w:tblCellMar></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
    )


def _key_figures(block: KeyFigures, width: int) -> Any:
    widths = [width // len(block.items)] * len(block.items)
    cells = []
    for one, item in zip(widths, block.items, strict=True):
        shown = Cell(text=item.label, state=item.state).shown
        center = '<w:jc w:val="center"/>'
        number = _text_run(item.value, role="hei", extra='<w:sz w:val="44"/><w:szCs w:val="44"/>')
        cells.append(
            _cell_xml(
                one,
                f'<w:p><w:pPr><w:pStyle w:val="DfTableText"/><w:spacing w:line="560" w:lineRule="exact"/>{center}</w:pPr>{number}</w:p>'
                f'<w:p><w:pPr><w:pStyle w:val="DfTableText"/>{center}</w:pPr>{_text_run(shown)}</w:p>',
            )
        )
    return _parse(_table_xml(widths, f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>"))


def _annex_list(block: AnnexList) -> Iterator[Any]:
    yield _paragraph("Normal", "", _KEEP)
    for number, name in enumerate(block.names, start=1):
        only = len(block.names) == 1
        label = "附件：" if number == 1 else ""
        indent = "" if number > 1 else '<w:ind w:leftChars="600" w:left="1920" w:hangingChars="400" w:hanging="1280"/>'
        yield _paragraph("DfAnnexList", _text_run(label + ("" if only else f"{number}. ") + name), _KEEP + indent)


def _signature(block: SignatureBlock) -> Iterator[Any]:
    """Signature two characters from the right, the date's first character two to the right of the signature's."""
    day, signer_right, day_right = signature_indents(block.signer, block.day)
    yield _paragraph("Normal", "", _KEEP)
    for style, text, right in (("DfSigner", block.signer, signer_right), ("DfDate", day, day_right)):
        indent = f'<w:ind w:rightChars="{round(100 * right)}" w:right="{round(320 * right)}"/>'
        yield _paragraph(style, _text_run(text), _KEEP * bool(style == "DfSigner" or block.contact) + indent)
    if block.contact:
        yield _paragraph("Normal", _text_run(f"（{block.contact}）"))


def _red_head(block: RedHead) -> Iterator[Any]:
    red = '<w:color w:val="FF0000"/>'
    rule = '<w:pBdr><w:bottom w:val="single" w:sz="12" w:space="11" w:color="FF0000"/></w:pBdr>'
    yield _paragraph("DfRedHead", _text_run(block.issuer, extra=red), '<w:spacing w:before="1984"/>')
    yield _paragraph("Normal", "")
    yield _paragraph("Normal", "")
    if block.signatory:
        stop = '<w:tabs><w:tab w:val="right" w:pos="8525"/></w:tabs>'
        name = _text_run(block.signatory, role="kai")
        yield _paragraph(
            "DfAddressee",
            f"{_text_run('　' + block.number)}<w:r><w:tab/></w:r>{_text_run('签发人：')}{name}",
            rule + stop,
        )
    else:
        center = '<w:jc w:val="center"/>'
        yield _paragraph("DfAddressee", _text_run(block.number or " "), rule + center)
    yield _paragraph("Normal", "")
    yield _paragraph("Normal", "")


def _section_xml(wide: bool, references: str, *, first: bool) -> str:
    start = "" if first else '<w:type w:val="nextPage"/>'
    if wide:
        page = '<w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/>'
        margins = '<w:pgMar w:top="1587" w:right="2098" w:bottom="1474" w:left="1984" w:header="900" w:footer="941" w:gutter="0"/>'
    else:
        page = '<w:pgSz w:w="11906" w:h="16838"/>'
        margins = '<w:pgMar w:top="2098" w:right="1474" w:bottom="1984" w:left="1587" w:header="1300" w:footer="1451" w:gutter="0"/>'
    return f"<w:sectPr>{references}{start}{page}{margins}</w:sectPr>"

"""What a PDF page does to a text: broken lines and rows, columns, furniture, rotation, scans."""

import io
from collections.abc import Callable
from pathlib import Path

import docx.document
import pypdf
import pytest
from docx.enum.table import WD_ALIGN_VERTICAL
from docx.oxml import OxmlElement

from dafeng.base.document import DocumentText
from dafeng.base.errors import InputError
from dafeng.intake import read_document
from document_builders import docx_document, libreoffice_pdf, save_docx, typst_pdf

PAGE = """#set page(width: 15cm, height: {height}cm, margin: 2cm, {extra})
#set text(font: "Noto Serif CJK SC", size: 12pt, lang: "zh", region: "cn")
#set par(first-line-indent: (amount: 2em, all: true), justify: true)
"""
LONG = "为推动城乡建设绿色低碳转型，到2030年新建公共机构建筑、新建厂房屋顶光伏覆盖率力争达到50%，建筑用能中电力消费比例超过65%，可再生能源替代率达到8.5%。"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., DocumentText]:
    def reader(
        source: str, *, height: float = 20, extra: str = "", change: Callable[[bytes], bytes] = bytes
    ) -> DocumentText:
        path = tmp_path / "plan.pdf"
        path.write_bytes(change(typst_pdf(PAGE.format(height=height, extra=extra) + source)))
        return read_document(path)

    return reader


def texts(document: DocumentText) -> list[str]:
    return [block.text for block in document.blocks]


def names(document: DocumentText) -> list[str]:
    return [finding.name for finding in document.findings]


@pytest.mark.parametrize("height", [6.0, 7.5, 9.0, 11.0, 20.0])
def test_paragraphs_run_on_over_lines_and_pages(read: Callable[..., DocumentText], height: float) -> None:
    wanted = ["一、总体要求", LONG * 2, "（一）目标", LONG, "1. 短段。", LONG * 3]
    extra = "footer: context align(center)[#counter(page).display()]"
    found = read("\n\n".join(text.replace("1. ", "1.\\u{20}") for text in wanted), height=height, extra=extra)
    assert [text.replace(" ", "") for text in texts(found)] == [text.replace(" ", "") for text in wanted]
    last = found.where(len(found.plain) - 1)
    assert last.page == max([found.blocks[-1].page or 0, *(page for _, page in found.blocks[-1].pages)])
    if height < 9:
        assert last.page > (found.blocks[-1].page or 0)


def test_block_paragraphs_without_indents(read: Callable[..., DocumentText]) -> None:
    setting = "#set par(first-line-indent: 0pt, spacing: 2.2em)\n"
    assert texts(read(setting + "\n\n".join([LONG, "（一）目标", LONG]))) == [LONG, "（一）目标", LONG]


def test_a_title_of_two_lines_is_one_paragraph(read: Callable[..., DocumentText]) -> None:
    found = read(
        "#align(center, text(size: 18pt)[云岭市城乡建设领域\\ 碳达峰实施方案])\n\n#align(center)[云建发〔2024〕17号]\n\n"
        + LONG
    )
    assert texts(found) == ["云岭市城乡建设领域碳达峰实施方案", "云建发〔2024〕17号", LONG]


@pytest.mark.parametrize(
    "footer",
    [
        "— #counter(page).display() —",
        "#counter(page).display()",
        "第#counter(page).display()页 共9页",
        "- #counter(page).display() -",
    ],
)
def test_furniture_is_left_out(read: Callable[..., DocumentText], footer: str) -> None:
    extra = f"header: [云岭市碳达峰方案 #h(1fr) 2024年], footer: context align(right)[{footer}]"
    wanted = [LONG[number:] for number in range(6)]
    found = read("\n\n".join(wanted), height=10, extra=extra)
    assert texts(found) == wanted
    assert "intake.document.page-furniture" in names(found)


def test_digits_that_end_a_sentence_stay(read: Callable[..., DocumentText]) -> None:
    found = read("到2030年达到#linebreak()45\n\n" + LONG, height=20)
    assert found.plain == "到2030年达到45" + LONG


TABLE = """#table(columns: (3em, 1fr, 1fr), table.header([序号], [任务], [单位]),
  [1], [{long}], [市住房城乡建设局、市自然资源和规划局、市发展改革委],
  [2], [{long}], [市财政局],
  [3], [短], [市水务局])"""


@pytest.mark.parametrize("height", [8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 25.0])
def test_cells_stay_whole_over_pages(read: Callable[..., DocumentText], height: float) -> None:
    setting = "#set par(first-line-indent: 0pt)\n"
    found = read(
        setting + TABLE.replace("{long}", LONG),
        height=height,
        extra="footer: context align(center)[— #counter(page).display() —]",
    )
    assert [(block.text, block.table, block.row, block.column) for block in found.blocks] == [
        ("序号", 1, 1, 1),
        ("任务", 1, 1, 2),
        ("单位", 1, 1, 3),
        ("1", 1, 2, 1),
        (LONG, 1, 2, 2),
        ("市住房城乡建设局、市自然资源和规划局、市发展改革委", 1, 2, 3),
        ("2", 1, 3, 1),
        (LONG, 1, 3, 2),
        ("市财政局", 1, 3, 3),
        ("3", 1, 4, 1),
        ("短", 1, 4, 2),
        ("市水务局", 1, 4, 3),
    ]


def test_merged_cells_stand_once(read: Callable[..., DocumentText]) -> None:
    found = read(
        "#set par(first-line-indent: 0pt)\n前文。#table(columns: (1fr, 1fr, 1fr), table.cell(colspan: 2)[合并], [丙], table.cell(rowspan: 2)[左], [甲], [乙], [丁], [戊])后文。"
    )
    cells = [(block.text, block.row, block.column) for block in found.blocks if block.table]
    assert cells == [("合并", 1, 1), ("丙", 1, 3), ("左", 2, 1), ("甲", 2, 2), ("乙", 2, 3), ("丁", 3, 2), ("戊", 3, 3)]
    assert texts(found)[0] == "前文。"
    assert texts(found)[-1] == "后文。"


def test_two_columns_are_read_one_after_the_other(read: Callable[..., DocumentText]) -> None:
    found = read("#columns(2, gutter: 2em)[" + "\n\n".join([LONG] * 6) + "]", height=14)
    assert texts(found) == [LONG] * 6


def test_rotated_text_is_left_out_and_said(read: Callable[..., DocumentText]) -> None:
    found = read(LONG, extra="background: rotate(45deg, text(40pt)[内部资料])")
    assert texts(found) == [LONG]
    assert names(found) == ["intake.document.rotated-text"]


def test_a_turned_page_is_read_upright(read: Callable[..., DocumentText]) -> None:
    def turn(data: bytes) -> bytes:
        writer = pypdf.PdfWriter(io.BytesIO(data))
        writer.pages[0].rotate(90)
        buffer = io.BytesIO()
        writer.write(buffer)
        return buffer.getvalue()

    source = "#rotate(-90deg, reflow: true, block(width: 14cm)[{}])"
    found = read(source.format("\n\n".join([LONG] * 2)), change=turn)
    assert found.plain == "".join((LONG * 2).split())


def test_radicals_ligatures_and_broken_words(read: Callable[..., DocumentText]) -> None:
    assert read("⼀、⽅案：达到ﬁ").plain == "一、方案：达到fi"


def test_footnotes_follow_their_paragraph(read: Callable[..., DocumentText]) -> None:
    found = read(f"达到80%#footnote[按2020年口径。]以上，面积5m#super[2]。{LONG}\n\n下一段")
    assert texts(found) == [f"达到80%以上，面积5m2。{LONG}", "下一段", "按2020年口径。"]
    assert found.blocks[2].style == "footnote"


IMAGE = 'image(bytes((200,) * 100), format: (encoding: "luma8", width: 10, height: 10), width: 100%, height: 100%)'


def test_a_scan_is_refused(read: Callable[..., DocumentText]) -> None:
    with pytest.raises(InputError, match=r"PDF of 3 pages is a scan: 3 pages are images") as caught:
        read("\n#pagebreak()\n".join([f"#{IMAGE}"] * 3))
    assert caught.value.evidence["name"] == "intake.document.scan"
    assert caught.value.evidence["pages"] == 3
    with pytest.raises(InputError, match="without any text"):
        read("#pagebreak()")


def test_scanned_pages_among_others_are_named(read: Callable[..., DocumentText]) -> None:
    found = read(f"{LONG}\n#pagebreak()\n#{IMAGE}\n#pagebreak()\n{LONG}")
    assert texts(found) == [LONG, LONG]
    assert [(finding.name, finding.value) for finding in found.findings] == [("intake.document.scanned-pages", "2")]


def test_contents_are_left_out(read: Callable[..., DocumentText]) -> None:
    found = read("#outline(title: [目录])\n= 总体要求\n" + LONG + "\n= 主要目标\n" + LONG + "\n= 重点任务\n" + LONG)
    assert texts(found) == ["总体要求", LONG, "主要目标", LONG, "重点任务", LONG]


def _with_password(data: bytes, user: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(data))
    writer.encrypt(user, "owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_a_password_is_asked_for_only_where_needed(read: Callable[..., DocumentText]) -> None:
    assert read(LONG, change=lambda data: _with_password(data, "")).plain == LONG
    with pytest.raises(InputError, match="encrypted and asks for a password"):
        read(LONG, change=lambda data: _with_password(data, "geheim"))


def _layer(mode: int, image: bool) -> bytes:
    """Return a PDF made by hand: one line in a text rendering mode, over an image or beside other text."""
    letters = "BT /F1 12 Tf 72 700 Td 0 Tr (Visible words that stand on this page 2030) Tj ET" if not image else ""
    picture = "q 500 0 0 700 50 50 cm /I1 Do Q" if image else ""
    stream = f"{picture} {letters} BT /F1 12 Tf 72 600 Td {mode} Tr (Hidden layer of words, forty per cent 40) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /I1 6 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\nstream\nA\nendstream",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(
        f"{place:010d} 00000 n \n" for place in places
    )
    return body + f"{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n".encode()


def test_invisible_text_counts_only_where_there_is_no_other(tmp_path: Path) -> None:
    path = tmp_path / "layer.pdf"
    path.write_bytes(_layer(3, image=False))
    assert texts(read_document(path)) == ["Visible words that stand on this page 2030"]
    path.write_bytes(_layer(3, image=True))
    found = read_document(path)
    assert texts(found) == ["Hidden layer of words, forty per cent 40"]
    assert names(found) == ["intake.document.recognised-text"]


def _long_table(document: docx.document.Document) -> None:
    """Add a table over several pages: repeated header, centred cells, merged cells that run over a page."""
    table = document.add_table(rows=0, cols=4, style="Table Grid")
    rows = [("类别", "序号", "任务", "单位")]
    rows += [("", str(number + 1), LONG * (1 + number % 3), "市住房城乡建设局、市发展改革委") for number in range(6)]
    for row in rows:
        for cell, words in zip(table.add_row().cells, row, strict=True):
            cell.text = words
            cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    table.cell(1, 0).merge(table.cell(3, 0)).text = "建筑"
    table.cell(4, 0).merge(table.cell(6, 0)).text = "市政"


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 5])
def test_an_annex_by_libreoffice(tmp_path: Path, before: int) -> None:
    document = docx_document()
    for number in range(before):
        document.add_paragraph(f"第{number}段。")
    _long_table(document)
    data = save_docx(document)
    (tmp_path / "plan.docx").write_bytes(data)
    (tmp_path / "plan.pdf").write_bytes(libreoffice_pdf(data, tmp_path))
    wanted, found = (
        [
            ("".join(block.text.split()), block.table, block.row, block.column)
            for block in read_document(tmp_path / name).blocks
        ]
        for name in ("plan.docx", "plan.pdf")
    )
    assert found == wanted

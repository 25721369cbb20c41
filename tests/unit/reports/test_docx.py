"""The DOCX keeps the measured recipe of an official paper."""

import io
import zipfile
from datetime import date

import pytest
from docx import Document
from docx.oxml import parse_xml

from dafeng.reports import FontReport, Report, render_docx
from dafeng.reports.document import Heading, Paragraph, RedHead, Run, SignatureBlock, Title

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def part(data: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name).decode()


@pytest.fixture(scope="module")
def data(october: Report, no_fonts: FontReport) -> bytes:
    return render_docx(october, no_fonts)


@pytest.fixture(scope="module")
def styles(data: bytes) -> dict[str, object]:
    return {
        style.find(f"{W}name").get(f"{W}val"): style
        for style in parse_xml(part(data, "word/styles.xml").encode()).iter(f"{W}style")
    }


def test_the_page_is_a4_with_the_type_area_of_the_standard(data: bytes) -> None:
    section = Document(io.BytesIO(data)).sections[0]
    assert [round(length.mm) for length in (section.page_width, section.page_height)] == [210, 297]
    margins = (section.top_margin, section.left_margin, section.right_margin, section.bottom_margin)
    assert [round(margin.mm) for margin in margins] == [37, 28, 26, 35]
    assert round((section.page_width - section.left_margin - section.right_margin) / 36000) == 156
    assert section.footer_distance.twips == 1451


def test_the_body_style_gives_22_lines_of_28_characters(styles: dict[str, object]) -> None:
    body = styles["Normal"]
    spacing = body.find(f"{W}pPr/{W}spacing")  # type: ignore[attr-defined]
    assert (spacing.get(f"{W}line"), spacing.get(f"{W}lineRule")) == ("579", "exact")
    assert body.find(f"{W}rPr/{W}spacing").get(f"{W}val") == "-5"  # type: ignore[attr-defined]
    assert body.find(f"{W}rPr/{W}sz").get(f"{W}val") == "32"  # type: ignore[attr-defined]
    assert body.find(f"{W}pPr/{W}ind").get(f"{W}firstLineChars") == "200"  # type: ignore[attr-defined]
    assert 22 * 579 / 20 <= 225 / 25.4 * 72 < 23 * 579 / 20
    assert 28 * (16 - 0.25) <= 156 / 25.4 * 72 < 29 * (16 - 0.25)


def test_no_character_grid_is_set(data: bytes) -> None:
    assert "docGrid" not in part(data, "word/document.xml")


@pytest.mark.parametrize(
    ("name", "font", "size"),
    [
        ("公文标题", "方正小标宋简体", "44"), ("公文主送", "仿宋_GB2312", "32"), ("公文一级", "黑体", "32"), ("公文二级", "楷体_GB2312", "32"),
        ("公文三级", "仿宋_GB2312", "32"), ("公文四级", "仿宋_GB2312", "32"), ("公文附件标识", "黑体", "32"),
        ("公文附件标题", "方正小标宋简体", "44"), ("公文页码", "宋体", "28"), ("公文表头", "黑体", "21"), ("公文落款", "仿宋_GB2312", "32"),
    ],
)  # fmt: skip
def test_styles_have_chinese_names_and_official_fonts(
    styles: dict[str, object], name: str, font: str, size: str
) -> None:
    properties = styles[name].find(f"{W}rPr")  # type: ignore[attr-defined]
    assert properties.find(f"{W}rFonts").get(f"{W}eastAsia") == font
    assert properties.find(f"{W}sz").get(f"{W}val") == size
    assert properties.find(f"{W}b").get(f"{W}val") == "0"


def test_fonts_have_alternative_names_and_none_is_embedded(data: bytes) -> None:
    table = part(data, "word/fontTable.xml")
    assert table.count("<w:altName") == 5
    assert "embed" not in table
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not [name for name in archive.namelist() if "odttf" in name or "thumbnail" in name]


def test_page_numbers_stand_right_on_odd_and_left_on_even_pages(data: bytes) -> None:
    document = Document(io.BytesIO(data))
    assert document.settings.odd_and_even_pages_header_footer
    for footer, side in ((document.sections[0].footer, "right"), (document.sections[0].even_page_footer, "left")):
        paragraph = footer.paragraphs[0]
        assert paragraph.text == "— 1 —"
        assert "PAGE" in paragraph._p.xml
        assert paragraph._p.pPr.find(f"{W}jc").get(f"{W}val") == side
        assert paragraph._p.pPr.find(f"{W}ind").get(f"{W}{side}Chars") == "100"


def test_annex_tables_lie_in_landscape_sections_of_225_mm(data: bytes) -> None:
    sections = Document(io.BytesIO(data)).sections
    wide = [section for section in sections if section.page_width > section.page_height]
    assert len(wide) == 2
    assert {round((section.page_width - section.left_margin - section.right_margin) / 36000) for section in wide} == {
        225
    }


def test_table_heads_are_repeated_and_rows_not_split(data: bytes, october: Report) -> None:
    document = Document(io.BytesIO(data))
    tables = [table for table in document.tables if table._tbl.findall(f".//{W}tblHeader")]
    assert len(tables) == len(list(october.tables()))
    assert all(row._tr.findall(f".//{W}cantSplit") for table in tables for row in table.rows)


def test_names_with_angle_brackets_and_ampersands_come_through(data: bytes) -> None:
    text = "\n".join(
        cell.text for table in Document(io.BytesIO(data)).tables for row in table.rows for cell in row.cells
    )
    assert "漏损率<基本>&综合" in text
    assert "绿色<建筑>&水" in text


def test_the_demonstration_mark_stands_in_the_header_of_every_page(october: Report, no_fonts: FontReport) -> None:
    marked = Document(io.BytesIO(render_docx(october.model_copy(update={"demonstration": True}), no_fonts)))
    for section in marked.sections:
        assert "演示数据" in section.header.paragraphs[0].text
        assert "演示数据" in section.even_page_header.paragraphs[0].text


def test_a_paper_of_facts_carries_no_demonstration_mark(data: bytes) -> None:
    assert Document(io.BytesIO(data)).sections[0].header.paragraphs[0].text == ""


def test_no_red_head_and_no_seal_unless_described(data: bytes, no_fonts: FontReport) -> None:
    assert "FF0000" not in part(data, "word/document.xml")
    red = Report(
        id="red", title="红头", as_of=date(2025, 10, 28),
        blocks=(RedHead(issuer="某市住房和城乡建设局文件", number="某建发〔2025〕7号", signatory="某某"), Title(text="报告")),
    )  # fmt: skip
    text = "\n".join(paragraph.text for paragraph in Document(io.BytesIO(render_docx(red, no_fonts))).paragraphs)
    assert "某建发〔2025〕7号" in text
    assert "签发人：某某" in text


def test_a_heading_that_runs_in_is_one_paragraph_of_two_fonts(no_fonts: FontReport) -> None:
    report = Report(
        id="run", title="接排", as_of=date(2025, 10, 28),
        blocks=(Heading(level=2, text="（一）空间格局", run_in=(Run(text="正文接排。"),)), Paragraph(runs=(Run(text="下一段。"),))),
    )  # fmt: skip
    first = Document(io.BytesIO(render_docx(report, no_fonts))).paragraphs[0]
    assert first.text == "（一）空间格局。正文接排。"
    assert first.style is not None
    assert first.style.name == "公文二级"
    fonts = [run._r.rPr.find(f"{W}rFonts").get(f"{W}eastAsia") for run in first.runs]
    assert fonts == [None, "仿宋_GB2312"]


def test_a_date_not_known_is_left_to_be_filled_in(no_fonts: FontReport) -> None:
    report = Report(id="blank", title="空", as_of=date(2025, 10, 28), blocks=(SignatureBlock(signer="某局"),))
    assert Document(io.BytesIO(render_docx(report, no_fonts))).paragraphs[-1].text == "    年  月  日"


def test_file_properties_hold_the_day_of_the_facts_only(data: bytes) -> None:
    properties = Document(io.BytesIO(data)).core_properties
    assert properties.created is not None
    assert properties.created.date() == date(2025, 10, 28) == properties.modified.date()  # type: ignore[union-attr]


def test_control_characters_from_a_pasted_cell_do_not_break_the_paper(no_fonts: FontReport) -> None:
    report = Report(
        id="odd", title="异", as_of=date(2025, 10, 28), blocks=(Paragraph(runs=(Run(text="甲\x0b乙\x00丙"),)),)
    )
    assert Document(io.BytesIO(render_docx(report, no_fonts))).paragraphs[0].text == "甲乙丙"

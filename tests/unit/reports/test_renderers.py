"""HTML asks for nothing, workbooks hold numbers, and every format gives the same bytes again."""

import io
import os
import re
import subprocess
import sys
import zipfile
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from pypdf import PdfReader

from dafeng.reports import FontReport, Report, render_docx, render_html, render_pdf, render_xlsx
from dafeng.reports.document import (
    Addressee,
    Annex,
    AnnexList,
    Cell,
    Column,
    Figure,
    Heading,
    KeyFigure,
    KeyFigures,
    Note,
    PageBreak,
    Paragraph,
    RedHead,
    Row,
    Run,
    SignatureBlock,
    Slot,
    Table,
    Title,
)
from dafeng.reports.figure_content import StatusBar, StatusBars
from dafeng.reports.figures import figure_png, figure_svg

RENDER_ALL = """
import hashlib, os, sys
from dafeng.reports import Report, find_fonts, render_docx, render_html, render_pdf, render_xlsx
report = Report.model_validate_json(open(sys.argv[1], encoding="utf-8").read())
fonts = find_fonts(os.environ)
rendered = [render_docx(report, fonts), render_xlsx(report), render_html(report, fonts).encode()]
if fonts.can_write_pdf:
    rendered.append(render_pdf(report, fonts))
print([hashlib.sha256(data).hexdigest() for data in rendered])
"""


@pytest.fixture(scope="module")
def page(october: Report, no_fonts: FontReport) -> str:
    return render_html(october, no_fonts)


@pytest.mark.parametrize("fonts", ["", "none"])
def test_two_processes_give_the_same_bytes_of_every_format(october: Report, tmp_path: Path, fonts: str) -> None:
    source = tmp_path / "report.json"
    source.write_text(october.model_dump_json(), encoding="utf-8")
    seen = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", RENDER_ALL, str(source)],
            capture_output=True, text=True, check=True, cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": seed, "DAFENG_FONTS": fonts, "TZ": zone, "MPLCONFIGDIR": str(tmp_path / seed)},
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Shanghai"))
    }  # fmt: skip
    assert len(seen) == 1
    assert "[" in seen.pop()


def test_a_page_asks_the_network_for_nothing_and_runs_no_script(page: str) -> None:
    assert "http" not in page
    assert "//" not in re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)
    for banned in ("<script", "<link", "<iframe", "@import", "src=", " on"):
        assert not re.search(
            rf"<[^>]*{re.escape(banned)}\w*=|{re.escape(banned)}" if banned != " on" else r"<[^>]* on\w+=", page
        ), banned
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))


def test_every_link_of_a_page_leads_to_an_element_that_stands_once(page: str) -> None:
    class Anchors(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.ids: list[str] = []
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, text in attrs:
                if name == "id" and text:
                    self.ids.append(text)
                if name in ("href", "xlink:href") and text:
                    self.links.append(text.removeprefix("#"))

    anchors = Anchors()
    anchors.feed(page)
    assert len(anchors.ids) == len(set(anchors.ids))
    assert set(anchors.links) <= set(anchors.ids)
    assert "source-rail-2025" in anchors.links
    assert "annex-4-sources" in anchors.links


def test_a_page_escapes_names(page: str) -> None:
    assert "漏损率&lt;基本&gt;&amp;综合" in page
    assert "<基本>" not in page


def test_a_page_shows_state_by_word_and_shape(page: str) -> None:
    assert "★提前达成" in page
    assert 'class="center state-off-track">▲进度滞后' in page


def test_the_source_annex_names_dataset_file_and_cell(page: str) -> None:
    row = re.search(r'<tr id="source-rail-2025">.*?</tr>', page)
    assert row is not None
    for text in ("某年鉴", "年鉴.xlsx", "表3!B7", "2025年6月1日", "other：353"):
        assert text in row.group()


def test_a_workbook_holds_numbers_frozen_head_filter_and_print_set_up(october: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(october)))
    assert book.sheetnames[1] == "口径"
    assert len(book.sheetnames) == len(list(october.tables())) + 1
    sheet = book["2025年度目标完成情况表"]
    assert sheet.freeze_panes == "C3"
    assert sheet.auto_filter.ref is not None
    assert sheet.print_title_rows == "$1:$2"
    assert sheet.page_setup.orientation == "landscape"
    row = next(row for row in sheet.iter_rows(min_row=3, values_only=True) if row[1] == "轨道里程")
    assert row[6] == pytest.approx(352.68)
    assert row[7] == "数据暂缺"


def test_a_workbook_never_turns_a_name_into_a_formula(october: Report) -> None:
    evil = october.model_copy(update={"basis": (("=1+1", "+cmd"),)})
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(evil)))
    assert book["口径"]["A2"].value == "=1+1"
    assert book["口径"]["A2"].data_type == "s" or book["口径"]["A2"].quotePrefix is not None


def test_figures_carry_no_date_and_draw_without_chinese_fonts(october: Report, no_fonts: FontReport) -> None:
    for figure in october.figures():
        drawing = figure_svg(figure, no_fonts)
        assert "<dc:date>" not in drawing
        assert "Matplotlib" not in drawing
        assert figure_png(figure, no_fonts, dpi=50).startswith(b"\x89PNG")


def test_a_pdf_of_substitute_fonts_says_preview_on_every_page(october: Report, chinese_fonts: FontReport) -> None:
    reader = PdfReader(io.BytesIO(render_pdf(october.model_copy(update={"demonstration": True}), chinese_fonts)))
    for page in reader.pages:
        text = page.extract_text()
        assert not chinese_fonts.substitutions or "预览" in text
        assert "演示数据" in text
    text = "".join(page.extract_text() for page in reader.pages)
    assert "漏损率<基本>&综合" in text.replace("\n", "")
    assert reader.metadata is not None
    assert reader.metadata.creation_date is None or reader.metadata.creation_date.year == 1970


def every_block() -> Report:
    """Return a paper with one of each block, so that no renderer forgets one."""
    bars = StatusBars(bars=(StatusBar(label="二", label_en="2", counts=()),))
    columns = (Column(key="a", title="甲", width=10),)
    return Report(
        id="every", title="各类块", as_of=date(2025, 10, 28), demonstration=True, basis=(("口径", "说明"),),
        blocks=(
            RedHead(issuer="红头机关", number="某建发〔2025〕7号", signatory="签发者"), Title(text="标题甲\n标题乙"),
            Addressee(text="主送机关"), Heading(level=1, text="一、标题一", anchor="one"),
            Heading(level=2, text="（一）标题二", run_in=(Run(text="接排文字。", link="one"),)),
            Paragraph(runs=(Run(text="正文文字。", link="t"),), keep=True), Slot(text="补充文字"), Note(text="注释文字"), PageBreak(),
            KeyFigures(items=(KeyFigure(label="指标甲", value="84", state="met"),)),
            Table(
                id="t", title="表题", columns=columns, rows=(Row(group="分组文字", anchor="g"), Row(cells=(Cell(text="单元文字", strong=True),))),
                show_title=True, unit="项",
            ),
            Figure(id="f", caption="图题文字", text="替代文字", link="t", content=bars),
            AnnexList(names=("唯一附件",)), SignatureBlock(signer="署名机关", day=None, contact="联系文字"),
            Annex(label="附件", title="唯一附件", landscape=True, anchor="annex"), Paragraph(runs=(Run(text="附件文字。"),)),
        ),
    )  # fmt: skip


WORDS = (
    "红头机关", "某建发〔2025〕7号", "签发者", "标题甲", "标题乙", "主送机关：", "一、标题一", "（一）标题二。", "接排文字。", "正文文字。",
    "补充文字", "注释文字", "84", "●指标甲", "表题", "甲", "分组文字", "单元文字", "图题文字", "唯一附件", "署名机关", "联系文字", "附件文字。",
)  # fmt: skip


def test_a_page_shows_every_block(no_fonts: FontReport) -> None:
    page = render_html(every_block(), no_fonts)
    assert [word for word in WORDS if word not in page] == []


def test_a_docx_shows_every_block(no_fonts: FontReport) -> None:
    with zipfile.ZipFile(io.BytesIO(render_docx(every_block(), no_fonts))) as archive:
        text = re.sub(r"<[^>]+>", "", archive.read("word/document.xml").decode())
    assert [word for word in WORDS if word not in text] == []


def test_a_pdf_shows_every_block(chinese_fonts: FontReport) -> None:
    reader = PdfReader(io.BytesIO(render_pdf(every_block(), chinese_fonts)))
    text = re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))
    assert [word for word in WORDS if word not in text] == []

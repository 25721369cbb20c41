"""One invented plan in every format that is read, for the tests of documents and of the plan reader.

The city of 云岭市 does not exist; text and figures are invented.
"""

import html
import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docx
import pytest
import typst
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt

__all__ = [
    "PLAN",
    "Table",
    "docx_document",
    "libreoffice_pdf",
    "plan_docx",
    "plan_html",
    "plan_text",
    "plan_txt",
    "save_docx",
    "soffice",
    "typst_pdf",
    "typst_source",
]


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first is the header."""

    rows: tuple[tuple[str, ...], ...]


Item = str | Table

PLAN: Final[tuple[Item, ...]] = (
    "云岭市城乡建设领域碳达峰实施方案",
    "云建发〔2024〕17号",
    "各县（市、区）人民政府，市直各有关部门：",
    "为稳妥推进全市城乡建设领域碳达峰工作，推动城乡建设绿色低碳转型，结合本市实际，制定本实施方案。本方案所称城镇新建建筑，是指城市、县城和建制镇规划区范围内新建的民用建筑，"
    "不含工业建筑。本方案执行期为2024年至2030年。",
    "一、主要目标",
    "到2025年，城镇新建建筑全面执行绿色建筑标准，星级绿色建筑占比达到32%以上，新建建筑可再生能源替代率达到8.5％，新增既有建筑节能改造面积260万平方米以上，城市建成区绿地率不低于39.5%，"
    "人均公园绿地面积达到13.8㎡。",
    "2030年前，城乡建设领域碳排放达到峰值，力争达峰后稳中有降。",
    "二、重点任务",
    "（一）提升建筑能效水平",
    "1.推动新建建筑节能降碳。自2025年1月1日起，政府投资的公共建筑和建筑面积2万平方米以上的大型公共建筑，按照二星级及以上绿色建筑标准建设。到2027年，超低能耗建筑累计达到45万m2，"
    "近零能耗建筑示范项目不少于3个。（责任单位：市住房城乡建设局、市自然资源和规划局、市发展改革委按职责分工负责）",
    "2.推进既有建筑节能改造。“十四五”期间，每年完成既有居住建筑节能改造50万平方米，改造后的公共建筑整体能效提升20%以上。（市住房城乡建设局牵头，市机关事务局、市财政局配合）",
    "（二）优化建筑用能结构",
    "推进建筑太阳能光伏一体化建设，到2025年新建公共机构建筑、新建厂房屋顶光伏覆盖率力争达到50%。城镇建筑可再生能源应用面积在2023年基础上提高12个百分点，建筑用能电气化比例超过六成。"
    "（责任单位：市发展改革委、市住房城乡建设局，各县（市、区）人民政府）",
    "（三）完善市政基础设施",
    "到2028年，城市公共供水管网漏损率控制在8.5%以内，再生水利用率不低于25%，LED等绿色节能灯具占比超过85%，生活垃圾资源化利用率达到四分之三。新建城市道路慢行系统120公里，改造老旧供热管网310.5公里。"
    "（责任单位：市城市管理局、市水务局）",
    "三、保障措施",
    "（一）加强组织领导。市城乡建设领域碳达峰工作专班统筹推进各项任务，各县（市、区）每年12月底前报送年度进展情况。",
    "（二）强化资金支持。统筹用好各级财政资金，2024—2026年市级财政每年安排不少于3000万元。",
    "附件：云岭市城乡建设领域碳达峰重点任务责任分工表",
    Table(
        (
            ("序号", "重点任务", "责任单位", "完成时限"),
            (
                "1",
                "星级绿色建筑占比达到32%以上，政府投资的公共建筑全面按照二星级及以上标准建设，并纳入土地出让条件。",
                "市住房城乡建设局、市自然资源和规划局，各县（市、区）人民政府",
                "2025年底",
            ),
            (
                "2",
                "新增既有建筑节能改造面积260万平方米以上，其中公共建筑不少于60万平方米，完成能耗监测平台升级。",
                "市住房城乡建设局、市机关事务局、市财政局",
                "2025年底",
            ),
            ("3", "城市公共供水管网漏损率控制在8.5%以内。", "市水务局", "2028年底"),
            (
                "4",
                "新建厂房屋顶光伏覆盖率力争达到50%，公共机构建筑率先实施，建立项目台账，按季度调度。",
                "市发展改革委、市机关事务局",
                "2025年底",
            ),
        )
    ),
    "云岭市住房和城乡建设局",
    "2024年5月20日",
)
"""A plan: title, number, headings, brackets, an annex table, signature."""


def plan_text(items: Sequence[Item] = PLAN) -> str:
    """Return what every format must read: all the words without white space."""
    words = [cell for item in items for cell in (_cells(item) if isinstance(item, Table) else [item])]
    return "".join("".join(words).split())


def _cells(table: Table) -> list[str]:
    return [cell for row in table.rows for cell in row]


def plan_txt(items: Sequence[Item] = PLAN, *, encoding: str = "utf-8") -> bytes:
    """Return a plan as plain text, cells between tabs, page numbers between the lines."""
    lines = []
    for number, item in enumerate(items):
        lines += ["\t".join(row) for row in item.rows] if isinstance(item, Table) else ["　　" + item]
        if number % 7 == 6:
            lines.append(f"— {number // 7 + 1} —")
    return "\r\n".join(lines).encode(encoding)


def plan_html(items: Sequence[Item] = PLAN, *, encoding: str = "utf-8", declared: str = "") -> bytes:
    """Return a plan as the article of a government page with menu, side bar, share buttons and foot."""
    body = ""
    for number, item in enumerate(items):
        if isinstance(item, Table):
            rows = ["".join(f"<td><p>{html.escape(cell)}</p></td>" for cell in row) for row in item.rows]
            body += "<table border=1>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        elif number == 0:
            body += f'<p align="center"><b>{html.escape(item)}</b></p>'
        else:
            body += f"<p>&nbsp;&nbsp;　　{html.escape(item)}</p>\n"
    page = f"""<!DOCTYPE html><html><head><meta http-equiv="Content-Type" content="text/html; charset={declared or encoding}">
<title>云岭市人民政府</title><style>p {{ color: black }}</style><script>var total = 2035;</script></head><body>
<div class="header"><div class="nav"><ul><li><a href="/">首页</a></li><li><a href="/zw">政务公开</a></li></ul></div></div>
<div class="bread">当前位置：<a href="/">首页</a> &gt; <a href="/zw">政策文件</a></div>
<div class="main"><div class="sidebar"><ul><li><a href="/1">关于2033年供热的通知</a></li><li><a href="/2">公告</a></li></ul></div>
<div class="article"><div class="info"><span>来源：市政府办公室</span> <span>发布时间：2024-05-21 10:30</span></div>
<div id="zoom" class="TRS_Editor">{body}<p style="display:none">隐藏的2099年</p></div>
<div class="share">分享到：<a href="#">微信</a></div><p>【打印本页】</p></div></div>
<div class="footer">主办：云岭市人民政府 <a href="/map">网站地图</a> 云ICP备12345678号</div></body></html>"""
    return page.encode(encoding)


def docx_document() -> Document:
    """Return an empty document in the layout of official letters: FangSong 16 pt, page number in the footer."""
    document = docx.Document()
    normal = document.styles["Normal"]
    normal.font.size = Pt(16)
    normal.font.name = "Noto Serif CJK SC"
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), "Noto Serif CJK SC")
    footer = document.sections[0].footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    footer.add_run("— ")
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    run = OxmlElement("w:r")
    text = OxmlElement("w:t")
    text.text = "1"
    run.append(text)
    field.append(run)
    footer._p.append(field)
    footer.add_run(" —")
    document.sections[0].header.paragraphs[0].text = "云岭市城乡建设领域碳达峰工作专班文件"
    return document


def plan_docx(items: Sequence[Item] = PLAN) -> bytes:
    """Return a plan as .docx with header, page numbers, first-line indents and a ruled table."""
    document = docx_document()
    for number, item in enumerate(items):
        if isinstance(item, Table):
            table = document.add_table(rows=0, cols=len(item.rows[0]), style="Table Grid")
            for row in item.rows:
                for cell, words in zip(table.add_row().cells, row, strict=True):
                    cell.text = words
            continue
        paragraph = document.add_paragraph(item)
        if number == 0:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            paragraph.runs[0].font.size = Pt(22)
        else:
            paragraph.paragraph_format.first_line_indent = Pt(32)
    return save_docx(document)


def save_docx(document: Document) -> bytes:
    """Return the bytes of a document."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _escaped(text: str) -> str:
    return "".join(
        f"\\u{{{ord(letter):x}}}" if letter.isascii() and not letter.isalnum() else letter for letter in text
    )


def typst_source(items: Sequence[Item] = PLAN, *, setting: str = "") -> str:
    """Return a plan as Typst source: page header, page numbers, first-line indents, a ruled table."""
    lines = [
        '#set page(paper: "a4", header: [云岭市城乡建设领域碳达峰工作专班文件], footer: context align(center)[— #counter(page).display() —])',
        '#set text(font: "Noto Serif CJK SC", size: 16pt, lang: "zh", region: "cn")',
        "#set par(first-line-indent: (amount: 2em, all: true), justify: true, leading: 0.8em, spacing: 0.8em)",
        setting,
    ]
    for number, item in enumerate(items):
        if isinstance(item, Table):
            cells = ", ".join(f"[#par(first-line-indent: 0pt)[{_escaped(cell)}]]" for cell in _cells(item))
            lines.append(f"#table(columns: (3em, 2fr, 2fr, 1fr), {cells})")
        elif number == 0:
            lines.append(f"#align(center, text(size: 22pt)[{_escaped(item)}])")
        else:
            lines.append(_escaped(item))
    return "\n\n".join(lines)


def typst_pdf(source: str) -> bytes:
    """Return the PDF that Typst makes of a source."""
    return typst.compile(source.encode(), format="pdf")


def soffice() -> str:
    """Return the LibreOffice program, or skip the test where there is none."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("LibreOffice is not installed")
    return program


def libreoffice_pdf(data: bytes, folder: Path, *, ending: str = ".docx", target: str = "pdf") -> bytes:
    """Return a document as LibreOffice exports it; skips the test where it is not installed."""
    source = folder / f"source{ending}"
    source.write_bytes(data)
    command = [
        soffice(),
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--headless",
        "--convert-to",
        target,
    ]
    subprocess.run(
        [*command, "--outdir", str(folder / "out"), str(source)], check=True, capture_output=True, timeout=120
    )
    return (folder / "out" / f"source.{target.partition(':')[0]}").read_bytes()

"""What Word keeps apart from the letters: numbers of lists, tables, boxes, notes, changes, comments."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from dafeng.base.document import DocumentText
from dafeng.intake import read_document
from document_builders import save_docx

SPACE = nsdecls("w")
FOOTNOTES = """<w:footnotes {0}><w:footnote w:id="-1"><w:p/></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/><w:t>按2020年口径。</w:t></w:r></w:p></w:footnote></w:footnotes>"""
COMMENTS = """<w:comments {0}><w:comment w:id="5" w:author="王工"><w:p><w:r><w:t>请核实</w:t></w:r></w:p>
<w:p><w:r><w:t>口径</w:t></w:r></w:p></w:comment></w:comments>"""


def level(number: int, style: str, text: str, extra: str = "") -> str:
    return f'<w:lvl w:ilvl="{number}"><w:start w:val="1"/><w:numFmt w:val="{style}"/>{extra}<w:lvlText w:val="{text}"/></w:lvl>'


NUMBERING = (
    f'<w:numbering {SPACE}><w:abstractNum w:abstractNumId="1">'
    + level(0, "chineseCounting", "%1、", '<w:pStyle w:val="Heading1"/><w:suff w:val="nothing"/>')
    + level(1, "chineseCountingThousand", "（%2）", '<w:suff w:val="space"/>')
    + level(2, "decimal", "%3.")
    + level(3, "decimal", "%1.%3.%4", "<w:isLgl/>")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="2">'
    + level(0, "decimalEnclosedCircle", "%1")
    + level(1, "bullet", "\uf0b7")
    + '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="2"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="2"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="4"/></w:lvlOverride></w:num>'
    "</w:numbering>"
)


def document_of(body: str, **parts: str) -> bytes:
    """Return a .docx with this body and further parts."""
    document = docx.Document()
    data = save_docx(document)
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            if name == "word/document.xml":
                xml = f"<w:document {nsdecls('w', 'wp', 'a', 'r')} xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'"
                archive.writestr(name, f"{xml}><w:body>{body}</w:body></w:document>")
            elif name.removeprefix("word/").removesuffix(".xml") not in parts:
                archive.writestr(name, source.read(name))
        for name, text in parts.items():
            archive.writestr(f"word/{name}.xml", text)
    return result.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., DocumentText]:
    def reader(body: str, **parts: str) -> DocumentText:
        path = tmp_path / "plan.docx"
        path.write_bytes(document_of(body, **parts))
        return read_document(path)

    return reader


def p(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>"


def numbered(text: str, level: int, number: int = 1) -> str:
    return p(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def texts(document: DocumentText) -> list[str]:
    return [block.text for block in document.blocks]


def test_list_numbers_are_written_out(read: Callable[..., DocumentText]) -> None:
    body = (
        numbered("总体要求", 0)
        + numbered("主要目标", 1)
        + numbered("建筑", 2)
        + numbered("市政", 2)
        + p("正文。")
        + numbered("组织实施", 1)
        + numbered("交通", 2)
        + p("重点任务", '<w:pStyle w:val="Heading1"/><w:numPr><w:numId w:val="1"/></w:numPr>')
        + numbered("改造", 1)
        + numbered("细项", 3)
        + "".join(numbered(f"第{n}", 0, 2) for n in range(2))
        + numbered("重起", 0, 3)
        + numbered("点", 1, 2)
        + numbered("不编号", 0, 0)
    )
    assert [text.replace("\t", "") for text in texts(read(body, numbering=NUMBERING))] == [
        "一、总体要求",
        "（一） 主要目标",
        "1.建筑",
        "2.市政",
        "正文。",
        "（二） 组织实施",
        "1.交通",
        "二、重点任务",
        "（一） 改造",
        "2.1.1细项",
        "①第0",
        "②第1",
        "④重起",
        "点",
        "不编号",
    ]


def test_numbers_come_from_the_style_too(read: Callable[..., DocumentText]) -> None:
    styles = (
        f'<w:styles {SPACE}><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:pPr><w:numPr>'
        '<w:numId w:val="1"/></w:numPr></w:pPr></w:style><w:style w:type="paragraph" w:styleId="Own"><w:name w:val="自定"/>'
        '<w:basedOn w:val="Heading1"/></w:style></w:styles>'
    )
    body = p("总体要求", '<w:pStyle w:val="Heading1"/>') + p("重点任务", '<w:pStyle w:val="Own"/>')
    found = read(body, numbering=NUMBERING, styles=styles)
    assert texts(found) == ["一、总体要求", "二、重点任务"]
    assert [block.style for block in found.blocks] == ["heading 1", "自定"]


def test_changes_breaks_fields_and_wrappers(read: Callable[..., DocumentText]) -> None:
    body = (
        "<w:p><w:r><w:t>到</w:t></w:r><w:ins w:id='1'><w:r><w:t>2030</w:t></w:r></w:ins><w:del w:id='2'><w:r><w:delText>2025</w:delText></w:r></w:del>"
        "<w:r><w:t>年</w:t><w:br/><w:t>达</w:t><w:tab/><w:t>峰</w:t><w:noBreakHyphen/></w:r></w:p>"
        "<w:p><w:moveFrom w:id='3'><w:r><w:t>移走</w:t></w:r></w:moveFrom><w:moveTo w:id='4'><w:r><w:t>移来</w:t></w:r></w:moveTo></w:p>"
        "<w:sdt><w:sdtPr/><w:sdtContent><w:p><w:sdt><w:sdtContent><w:r><w:t>控件</w:t></w:r></w:sdtContent></w:sdt>"
        "<w:hyperlink><w:r><w:t>链接</w:t></w:r></w:hyperlink></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>DATE 2099</w:instrText></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r>"
        "<w:r><w:t>2024年</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>隐藏</w:t></w:r></w:p>"
        "<w:p><w:pPr><w:rPr><w:del w:id='9'/></w:rPr></w:pPr><w:r><w:t>前半</w:t></w:r></w:p>" + p("后半")
    )
    found = read(body)
    assert texts(found) == ["到2030年\n达\t峰-", "移来", "控件链接", "2024年", "前半后半"]
    assert [finding.name for finding in found.findings] == ["intake.document.tracked-changes"]


def test_tables_nested_merged_and_framed(read: Callable[..., DocumentText]) -> None:
    def tc(inner: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"

    wide, begun = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>'
    nested = f"<w:tbl><w:tr>{tc(p('内1'))}{tc(p('内2'))}</w:tr></w:tbl>"
    body = (
        p("前")
        + f"<w:tbl><w:tr>{tc(p('任务'), wide)}{tc(p('单位'))}</w:tr>"
        + f"<w:tr>{tc(p('建筑'), begun)}{tc(p('一') + p('二'))}<w:sdt><w:sdtContent>{tc(p('甲局') + nested + p('乙局'))}</w:sdtContent></w:sdt></w:tr>"
        + f"<w:tr>{tc(p(''), '<w:vMerge/>')}{tc(p('三'))}{tc(p(''))}</w:tr><w:tr><w:trPr><w:del w:id='1'/></w:trPr>{tc(p('删去'))}</w:tr></w:tbl>"
        + f"<w:tbl><w:tr>{tc(p('框内一段') + p('框内二段'))}</w:tr></w:tbl>"
    )
    found = read(body)
    assert [(block.text, block.table, block.row, block.column) for block in found.blocks] == [
        ("前", None, None, None),
        ("任务", 1, 1, 1),
        ("单位", 1, 1, 3),
        ("建筑", 1, 2, 1),
        ("一\n二", 1, 2, 2),
        ("甲局\n乙局", 1, 2, 3),
        ("内1", 2, 1, 1),
        ("内2", 2, 1, 2),
        ("三", 1, 3, 2),
        ("框内一段", None, None, None),
        ("框内二段", None, None, None),
    ]


def test_notes_boxes_and_comments(read: Callable[..., DocumentText]) -> None:
    box = "<w:txbxContent>" + p("框中字") + "</w:txbxContent>"
    body = (
        numbered("目标", 0)
        + "<w:p><w:r><w:t>绿地率 </w:t></w:r><w:commentRangeStart w:id='5'/><w:r><w:t>达到 40</w:t></w:r><w:r><w:t>%</w:t></w:r><w:commentRangeEnd w:id='5'/>"
        "<w:r><w:footnoteReference w:id='2'/></w:r><w:r><w:commentReference w:id='5'/></w:r><w:r><w:t>以上。</w:t></w:r>"
        f"<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>" + p("下一段")
    )
    found = read(body, numbering=NUMBERING, footnotes=FOOTNOTES.format(SPACE), comments=COMMENTS.format(SPACE))
    assert texts(found) == ["一、目标", "绿地率 达到 40%以上。", "框中字", "按2020年口径。", "下一段"]
    assert [block.style for block in found.blocks][3] == "footnote"
    (comment,) = found.comments
    assert (comment.author, comment.text) == ("王工", "请核实\n口径")
    assert found.quote(comment.start, comment.end) == "达到40%"


def test_pages_that_word_rendered(read: Callable[..., DocumentText]) -> None:
    body = (
        p("一") + "<w:p><w:r><w:t>二上</w:t></w:r><w:r><w:lastRenderedPageBreak/><w:t>二下</w:t></w:r></w:p>" + p("三")
    )
    found = read(body)
    assert [(block.page, block.pages) for block in found.blocks] == [(1, ()), (1, ((2, 2),)), (2, ())]
    assert [found.where(offset).page for offset in range(len(found.plain))] == [1, 1, 1, 2, 2, 2]
    assert {block.page for block in read(p("一")).blocks} == {None}


def test_contents_are_left_out(read: Callable[..., DocumentText]) -> None:
    def contents_line(text: str) -> str:
        return f"<w:p><w:r><w:t>{text}</w:t></w:r><w:r><w:tab/><w:t>3</w:t></w:r></w:p>"

    found = read(p("目　录") + contents_line("一、目标") + contents_line("二、任务") + p("一、目标") + p("正文"))
    assert texts(found) == ["一、目标", "正文"]
    assert [finding.name for finding in found.findings] == ["intake.document.contents-dropped"]
    table = read(p("指标表") + contents_line("绿地率") + contents_line("普及率") + contents_line("达标率"))
    assert len(table.blocks) == 4


def test_strict_form_is_read(tmp_path: Path) -> None:
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(document_of(p("到2030年")))) as source,
        zipfile.ZipFile(data, "w") as archive,
    ):
        for name in source.namelist():
            text = source.read(name)
            text = text.replace(
                b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
                b"http://purl.oclc.org/ooxml/wordprocessingml/main",
            )
            archive.writestr(name, text)
    path = tmp_path / "strict.docx"
    path.write_bytes(data.getvalue())
    assert read_document(path).plain == "到2030年"


def test_comments_by_python_docx(tmp_path: Path) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("到2025年，")
    run = paragraph.add_run("绿地率达到40%")
    paragraph.add_run("。")
    document.add_comment(run, text="口径？", author="李工")
    path = tmp_path / "commented.docx"
    path.write_bytes(save_docx(document))
    found = read_document(path)
    assert [(found.quote(c.start, c.end), c.text, c.author) for c in found.comments] == [
        ("绿地率达到40%", "口径？", "李工")
    ]


def test_the_xml_of_the_tests_is_sound() -> None:
    assert parse_xml(NUMBERING) is not None

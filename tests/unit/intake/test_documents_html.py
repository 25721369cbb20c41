"""Pages of governments: the article in, everything else out."""

from pathlib import Path

import pytest

from dafeng.base.document import DocumentText
from dafeng.base.errors import InputError
from dafeng.intake import read_document
from document_builders import PLAN, plan_html, plan_text

SENTENCES = [
    f"第{n}段，到2030年城镇新建建筑可再生能源替代率达到{n}.5%，责任单位为市住房城乡建设局。" for n in range(1, 7)
]
BODY = "".join(f"<p>{text}</p>" for text in SENTENCES)


def read(folder: Path, page: str | bytes, name: str = "page.html") -> DocumentText:
    path = folder / name
    path.write_bytes(page.encode() if isinstance(page, str) else page)
    return read_document(path)


def texts(document: DocumentText) -> list[str]:
    return [block.text for block in document.blocks]


def test_the_article_of_a_page(tmp_path: Path) -> None:
    found = read(tmp_path, plan_html())
    assert found.plain == plan_text(PLAN)
    assert "2099" not in found.plain
    assert [finding.name for finding in found.findings] == ["intake.document.page-chrome"]


@pytest.mark.parametrize(
    "page",
    [
        "<body>{}</body>",
        "<body><div id=zoom>{}</div><div class='related'><a href=1>关于2031年的通知</a></div></body>",
        "<form><table><tr><td><table><tr><td>{}</td></tr></table></td></tr></table></form>",
        "<body><div class='con'><div class='article'><span>{}</span></div></div><footer>主办：市政府办公室</footer></body>",
        "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'><body>{}</body></html>",
    ],
)
def test_wherever_the_article_stands(tmp_path: Path, page: str) -> None:
    assert texts(read(tmp_path, page.replace("{}", BODY))) == SENTENCES


def test_headline_and_number_above_the_article_stay(tmp_path: Path) -> None:
    page = f"<body><div class=wrap><h1>碳达峰方案</h1><p class=wh>云建发〔2024〕17号</p><div class=tools>字体：大 中 小</div><div class=con>{BODY}</div></div></body>"
    assert texts(read(tmp_path, page)) == ["碳达峰方案", "云建发〔2024〕17号", *SENTENCES]
    twice = f"<body><h1>碳达峰方案</h1><div class=con><p>碳达峰方案</p>{BODY}</div></body>"
    assert texts(read(tmp_path, twice)) == ["碳达峰方案", *SENTENCES]


def test_an_annex_beside_the_article_stays(tmp_path: Path) -> None:
    page = f"<body><div><div class=con>{BODY}</div><table><tr><td>指标</td><td>绿地率不低于40%，由市城市管理局负责。</td></tr></table></div></body>"
    assert texts(read(tmp_path, page))[-2:] == ["指标", "绿地率不低于40%，由市城市管理局负责。"]


def test_breaks_indents_and_entities(tmp_path: Path) -> None:
    page = "<body><div>&nbsp;&nbsp;&nbsp;到\n   2030年<br>&#8203;达到８&#37;。<br/><br/>　　下一段m<sup>2</sup>&lt;3</div></body>"
    found = read(tmp_path, page)
    assert found.plain == "到2030年达到８%。下一段m2<3"
    assert len(found.blocks) == 2


def test_tables_with_spans_and_lists(tmp_path: Path) -> None:
    page = (
        "<body><table><tr><th colspan=2>任务</th><th>单位</th></tr><tr><td rowspan=2>建筑</td><td>一<br>二</td><td><p>甲局</p><p>乙局</p></td></tr>"
        "<tr><td>三</td><td></td></tr></table><ol style='list-style-type: cjk-ideographic'><li>目标</li><li>任务</li></ol><ul><li>点</li></ul></body>"
    )
    found = read(tmp_path, page)
    assert [(block.text, block.row, block.column) for block in found.blocks] == [
        ("任务", 1, 1),
        ("单位", 1, 3),
        ("建筑", 2, 1),
        ("一\n二", 2, 2),
        ("甲局\n乙局", 2, 3),
        ("三", 3, 2),
        ("一、目标", None, None),
        ("二、任务", None, None),
        ("点", None, None),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("declared", ["", "gb2312", "utf-8", "iso-8859-1", "nonsense"])
def test_encodings(tmp_path: Path, encoding: str, declared: str) -> None:
    if declared == "iso-8859-1" and encoding in ("utf-8", "gb18030"):
        pytest.skip("a page that declares another encoding which fits is believed")
    meta = f"<meta charset='{declared}'>" if declared else ""
    assert texts(read(tmp_path, f"<html><head>{meta}</head><body>{BODY}</body></html>".encode(encoding))) == SENTENCES


def test_a_few_broken_characters_are_said(tmp_path: Path) -> None:
    data = f"<html><meta charset=utf-8><body>{BODY * 4}</body></html>".encode().replace("居".encode(), b"\xff", 1)
    data = data.replace("建".encode(), b"\xe5\xbb", 1)
    found = read(tmp_path, data)
    assert [finding.name for finding in found.findings] == ["intake.document.broken-characters"]
    with pytest.raises(InputError, match="fits neither"):
        read(tmp_path, b"<html><body>" + bytes(range(128, 256)) * 20)


def test_deep_nesting(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "<body>" + "<div>" * 1500 + BODY + "</div>" * 1500 + "</body>")) == SENTENCES
    with pytest.raises(InputError, match="nested more than"):
        read(tmp_path, "<body>" + "<div>" * 3000 + BODY)

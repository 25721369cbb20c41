"""The same plan in every format gives the same text, and every character can be found again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.document import BlockKind, DocumentText
from dafeng.intake import read_document
from document_builders import (
    PLAN,
    libreoffice_pdf,
    plan_docx,
    plan_html,
    plan_text,
    plan_txt,
    typst_pdf,
    typst_source,
)


def read(folder: Path, name: str, data: bytes) -> DocumentText:
    path = folder / name
    path.write_bytes(data)
    return read_document(path)


def shape(text: DocumentText) -> list[tuple[object, ...]]:
    return [("".join(b.text.split()), b.kind, b.table, b.row, b.column) for b in text.blocks]


def check_places(text: DocumentText) -> None:
    numbers = {block.number: block for block in text.blocks}
    assert list(numbers) == list(range(1, len(text.blocks) + 1))
    for offset in range(0, len(text.plain), 7):
        place = text.where(offset)
        block = numbers[place.paragraph]
        assert block.text[place.character - 1] == text.plain[offset]
        assert (place.table, place.row, place.column) == (block.table, block.row, block.column)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plan.txt", plan_txt()),
        ("plan-gb.txt", plan_txt(encoding="gb18030")),
        ("plan-16.txt", plan_txt(encoding="utf-16")),
        ("plan-mark.txt", plan_txt(encoding="utf-8-sig")),
        ("plan.html", plan_html()),
        ("plan-gb.htm", plan_html(encoding="gb18030", declared="gb2312")),
        ("plan-wrong-meta.html", plan_html(encoding="gb18030", declared="utf-8")),
        ("plan.docx", plan_docx()),
    ],
)
def test_same_text_from_every_format(tmp_path: Path, name: str, data: bytes) -> None:
    text = read(tmp_path, name, data)
    assert text.plain == plan_text()
    assert text.format == Path(name).suffix[1:].replace("htm", "html").replace("htmll", "html")
    check_places(text)


def test_same_blocks_from_html_and_typst_as_from_docx(tmp_path: Path) -> None:
    wanted = shape(read(tmp_path, "plan.docx", plan_docx()))
    assert len(wanted) == len(PLAN) - 1 + 20
    pdf = read(tmp_path, "plan.pdf", typst_pdf(typst_source()))
    assert shape(pdf) == wanted
    assert shape(read(tmp_path, "plan.html", plan_html())) == wanted
    check_places(pdf)
    assert pdf.blocks[0].page == 1
    assert pdf.blocks[-1].page == 3
    assert [finding.name for finding in pdf.findings] == ["intake.document.page-furniture"]


@pytest.mark.slow
def test_same_blocks_from_libreoffice(tmp_path: Path) -> None:
    data = plan_docx()
    wanted = shape(read(tmp_path, "plan.docx", data))
    assert shape(read(tmp_path, "plan.pdf", libreoffice_pdf(data, tmp_path))) == wanted
    old = read(tmp_path, "plan.doc", libreoffice_pdf(data, tmp_path, target="doc"))
    assert old.format == "doc"
    assert shape(old) == wanted
    assert read(tmp_path, "plan.rtf", libreoffice_pdf(data, tmp_path, target="rtf")).plain == plan_text()
    assert read(tmp_path, "plan.odt", libreoffice_pdf(data, tmp_path, target="odt")).plain == plan_text()
    assert read(tmp_path, "exported.html", libreoffice_pdf(data, tmp_path, target="html")).plain == plan_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jilin", "qingdao", "national"])
def test_shared_plans_survive_every_format(shared: Path, tmp_path: Path, name: str) -> None:
    source = read_document(shared / "plans" / f"{name}.txt")
    lines = [block.text.strip() for block in source.blocks]
    docx = plan_docx(lines)
    for file, data in {
        "plan.docx": docx,
        "plan.html": plan_html(lines),
        "typst.pdf": typst_pdf(typst_source(lines)),
        "office.pdf": libreoffice_pdf(docx, tmp_path),
    }.items():
        assert read(tmp_path, file, data).plain == source.plain, file


_WORDS = st.text(st.sampled_from("到2030年前，达８％以上m²㎡ 　\t\n。（）“”\u200b⼀é"), min_size=1, max_size=40)


@settings(max_examples=15)
@given(
    paragraphs=st.lists(_WORDS.filter(lambda text: any(letter.isalnum() for letter in text)), min_size=1, max_size=6)
)
def test_every_character_is_found_where_it_stands(
    tmp_path_factory: pytest.TempPathFactory, paragraphs: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("words")
    wanted = "".join("".join(paragraphs).replace("\u200b", "").replace("⼀", "一").split())
    for name, data in (
        ("words.docx", plan_docx(["题", *paragraphs])),
        ("words.html", plan_html(["题", *paragraphs])),
        ("words.txt", plan_txt(["题", *paragraphs])),
    ):
        text = read(folder, name, data)
        assert text.plain == "题" + wanted
        assert len(text.folded) == len(text.plain)
        check_places(text)


def test_cells_know_their_table(tmp_path: Path) -> None:
    text = read(tmp_path, "plan.pdf", typst_pdf(typst_source()))
    offset = text.plain.index("市水务局", text.plain.index("序号"))
    place = text.where(offset)
    assert (place.table, place.row, place.column) == (1, 4, 3)
    assert str(place).endswith("表1第4行第3列")
    assert {block.kind for block in text.blocks if block.table} == {BlockKind.CELL}

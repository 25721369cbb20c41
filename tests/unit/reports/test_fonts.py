"""Fonts are found, hashed and reported, and nothing fails without them."""

import hashlib
from pathlib import Path

import pytest

from dafeng.base.errors import ContentError
from dafeng.reports import FontReport, Report, find_fonts, render_pdf
from dafeng.reports.fonts import figure_family


def test_a_machine_without_chinese_fonts_says_what_is_left_out(no_fonts: FontReport) -> None:
    assert not no_fonts.can_draw_chinese
    assert not no_fonts.can_write_pdf
    assert "不生成PDF" in no_fonts.sentence
    assert figure_family(no_fonts) is None


def test_an_empty_font_folder_is_no_system_font(tmp_path: Path) -> None:
    fonts = find_fonts({"DAFENG_FONTS": str(tmp_path)})
    assert fonts.uses == ()
    assert fonts.searched == str(tmp_path)


def test_without_fonts_a_pdf_is_refused_with_a_next_step(no_fonts: FontReport, october: Report) -> None:
    with pytest.raises(ContentError, match="仿宋_GB2312") as caught:
        render_pdf(october, no_fonts)
    assert "DOCX" in caught.value.next_step


def test_every_role_names_its_file_and_digest(chinese_fonts: FontReport) -> None:
    assert {use.role for use in chinese_fonts.uses} == {"title", "body", "kai", "hei", "song", "figure"}
    use = chinese_fonts.uses[0]
    assert use.sha256 == hashlib.sha256((Path(use.folder) / use.file).read_bytes()).hexdigest()


def test_the_manifest_holds_no_folder_of_the_machine(chinese_fonts: FontReport) -> None:
    dumped = chinese_fonts.model_dump_json()
    assert chinese_fonts.uses[0].folder not in dumped
    assert '"sentence"' in dumped


def test_folders_named_by_the_user_give_the_same_fonts(chinese_fonts: FontReport) -> None:
    folders = ":".join(sorted({use.folder for use in chinese_fonts.uses}))
    again = find_fonts({"DAFENG_FONTS": folders})
    assert [(use.role, use.sha256) for use in again.uses] == [(use.role, use.sha256) for use in chinese_fonts.uses]

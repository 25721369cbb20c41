"""English of the pages: complete, compiled, with the same blanks as the Chinese, and shown."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext, ngettext

from dafeng.catalog import load_catalog
from dafeng.reports.status_words import STATE_GROUPS
from dafeng.web.access.actions import ACTION_NAMES, ROLE_NAMES, Role
from dafeng.web.words import state_word, word
from web.world import World

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
BLANK = re.compile(r"%\(\w+\)[sdgf]|%%|</?\w+>")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that brings the translation up to date."""
    found = importlib.util.spec_from_file_location("build_translation", ROOT / "scripts" / "build_translation.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_every_string_of_code_and_templates_is_in_the_file(script: ModuleType) -> None:
    strings, kept = script.keys(script.wanted()), script.keys(script.kept(script.FOLDER / "django.po"))
    assert len(strings) > 1000
    assert (sorted(map(str, strings - kept)), sorted(map(str, kept - strings))) == ([], []), "run `make docs`"


def test_what_pages_show_is_what_the_file_says(script: ModuleType) -> None:
    kept, shown = script.kept(script.FOLDER / "django.po"), script.shown(script.FOLDER / "django.mo")
    assert script.said(shown) == script.said(kept)


def test_english_lags_by_little(script: ModuleType) -> None:
    kept = script.kept(script.FOLDER / "django.po")
    left = script.missing(kept)
    assert len(left) <= 0.02 * len(kept), left


def test_a_translation_has_the_blanks_of_its_source(script: ModuleType) -> None:
    wrong = [
        (source, words)
        for (_context, source), words in script.said(script.kept(script.FOLDER / "django.po")).items()
        if any(sorted(BLANK.findall(source)) != sorted(BLANK.findall(one)) for one in words)
    ]
    assert wrong == []


def test_a_translation_is_english_but_for_names(script: ModuleType) -> None:
    names = ("2026年1-9月", "等保", "牵", "推", "责")
    for (_context, source), words in script.said(script.kept(script.FOLDER / "django.po")).items():
        for said in words:
            one = re.sub("|".join(names), "", said)
            assert not CHINESE.search(one), (source, one)
            assert "  " not in one, (source, one)


def test_a_string_is_found_in_every_way_of_writing_it(script: ModuleType, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.html").write_text(
        '<p>{% translate "一" %}</p>\n  <p title="{% translate \'二\' %}">{% blocktranslate with n=1 %}三{{ n }}{% endblocktranslate %}\n'
        "{% blocktranslate count n=rows|length %}{{ n }}行{% plural %}{{ n }}多行{% endblocktranslate %}</p>不译",
        encoding="utf-8",
    )
    (tmp_path / "b.py").write_text(
        'from django.utils.translation import gettext_lazy as _\nX = _("四")\ny = ngettext("五", "六", 2) % {"不": "译"}\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(script, "WEB", tmp_path)
    assert {key for _context, key in script.keys(script.wanted())} == {"一", "二", "三%(n)s", "%(n)s行", "四", "五"}


def test_gone_and_new_strings_are_merged(script: ModuleType) -> None:
    old, new = script.empty_catalog(), script.empty_catalog()
    old.add("甲", "A")
    old.add("乙", "B")
    new.add("乙")
    new.add("丙")
    both = script.merged(new, old)
    assert script.said(both) == {(None, "乙"): ("B",)}
    assert script.missing(both) == ["丙"]


def test_templates_show_no_chinese_that_cannot_be_translated() -> None:
    marks = {"峰", "达峰", "中文", "牵", "推", "责", "是", "否"}  # names, and answers as forms write them
    found = []
    for path in sorted((ROOT / "src" / "dafeng" / "web" / "templates").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"{% *blocktrans.*?endblocktrans(?:late)? *%}|{#.*?#}|{%.*?%}|{{.*?}}", "", text, flags=re.DOTALL)
        found += [(path.name, run) for run in re.findall(r"[\u4e00-\u9fff]+", text) if run not in marks]
    assert found == []


def test_words_follow_the_language_of_the_page() -> None:
    catalog = load_catalog()
    with translation.override("en"):
        assert state_word(catalog, "off_track") == "off track"
        assert [word(group) for group in STATE_GROUPS][:3] == ["met", "on track", "open"]
        assert str(ROLE_NAMES[Role.PLAN_OWNER]) == "Plan owner"
        assert str(ACTION_NAMES["returns.seal"]) == "Seal reporting periods"
        assert gettext("退出") == "Sign out"
        assert [ngettext("%(n)s 人", "%(n)s 人", n) % {"n": n} for n in (1, 2)] == ["1 person", "2 people"]
    with translation.override("zh-hans"):
        assert state_word(catalog, "off_track") == "进度滞后"
        assert [word(group) for group in STATE_GROUPS][:2] == ["已达成", "按时序推进"]
        assert gettext("退出") == "退出"


PAGES = {
    "/": (Role.PLAN_OWNER, "总览", "Overview"),
    "/plans/": (Role.PLAN_OWNER, "方案", "Plans"),
    "/plans/tasks/": (Role.PLAN_OWNER, "任务", "Tasks"),
    "/returns/": (Role.PLAN_OWNER, "报送", "Returns"),
    "/october/": (Role.PLAN_OWNER, "年度报告", "Yearly report"),
    "/people/": (Role.ADMINISTRATOR, "人员", "People"),
    "/people/account/": (Role.REVIEWER, "我的账号", "My account"),
    "/jobs/": (Role.ADMINISTRATOR, "后台任务", "Background jobs"),
    "/audit/": (Role.AUDITOR, "审计日志", "Audit log"),
    "/operation/": (Role.ADMINISTRATOR, "运行", "Operation"),
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_speaks_the_language_that_was_chosen(world: World, path: str) -> None:
    role, chinese, english = PAGES[path]
    client: Client = world.of(role, "above")
    page = client.get(path, headers={"Accept-Language": "en"})
    text = page.content.decode()
    assert '<html lang="zh-hans">' in text
    assert f"<title>{chinese}" in text
    client.cookies["django_language"] = "en"
    page = client.get(path)
    text = page.content.decode()
    assert (page.status_code, page.headers["Content-Language"]) == (200, "en")
    assert '<html lang="en">' in text
    assert f"<title>{english}" in text
    for tag in ("button", "label", "caption", "h2", "th"):
        for attributes, shown in re.findall(rf"<{tag}\b([^>]*)>([^<]*)", text):
            if 'scope="row"' not in attributes and shown.strip() not in {"中文"}:
                assert not CHINESE.search(shown), (tag, shown)

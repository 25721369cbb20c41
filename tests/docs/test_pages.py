"""The documentation says what the software does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dafeng.catalog import load_catalog
from dafeng.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_generated_reference_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "build_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_is_short_and_names_what_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    catalog = load_catalog()
    assert f"{len(catalog.indicators)} indicators" in text
    assert f"{len(catalog.registers)} registers" in text
    assert f"{sum(len(register.checks) for register in catalog.registers.values())} checks" in text
    assert f"{len(catalog.rollups)} roll-ups" in text
    assert f"{sum(len(book.rules) for book in catalog.rulebooks.values())} rules" in text
    assert f"{len(catalog.ratings)} ratings" in text
    assert f"{len(catalog.places)} places" in text
    assert f"{len(catalog.bodies)} bodies" in text
    assert "make demo" in text
    assert "make test" in text


def test_every_command_stands_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"## dafeng {name}" in text


def test_the_readme_shows_what_the_demonstration_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(["demo"])
    assert caught.value.code == 0
    shown = re.sub(r"-[0-9a-f]{12}/", "-…/", capsys.readouterr().out)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    excerpt = re.search(r"What `make demo` ends with:\n\n```text\n(.*?)```", readme, re.DOTALL)
    assert excerpt is not None
    for line in excerpt.group(1).strip().splitlines():
        if ".pdf" not in line:
            assert line in shown, line


def test_no_page_and_no_file_names_a_registry_host() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    hosts = re.compile(r"https?://[^\s\"']*(?:/simple|pypi|pythonhosted|npmjs)", re.IGNORECASE)
    for name in tracked:
        path = ROOT / name
        if name and path.is_file() and path.suffix not in (".png", ".xlsx", ".xls", ".docx", ".parquet"):
            assert not hosts.search(path.read_text(encoding="utf-8", errors="replace")), name

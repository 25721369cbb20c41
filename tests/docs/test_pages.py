"""The documentation says what the software does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dafeng.catalog import load_catalog
from dafeng.cli import COMMANDS, main
from dafeng.web.access.actions import ACTION_NAMES, ACTIONS, Role

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


def test_every_page_for_users_is_linked_from_the_readme_or_another_page() -> None:
    linked = set()
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            linked.add((page.parent / target).resolve())
    pages = [page for page in PAGES if page.parent.name in ("how-to", "explanation", "reference", "tutorials")]
    assert [page.name for page in pages if page.resolve() not in linked] == []


def test_the_pages_of_the_platform_say_what_to_do_when_it_fails() -> None:
    text = (ROOT / "docs" / "how-to" / "platform-by-role.md").read_text(encoding="utf-8")
    for role in ("填报员", "审核员", "方案负责人", "分析员", "管理员", "审计员"):
        assert f"## {role} / " in text
    assert text.count("| 出现什么 | 怎么办 |") >= 3


def test_the_access_page_names_every_action_of_every_role() -> None:
    text = (ROOT / "docs" / "reference" / "platform-access.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `")}
    for action, spans in ACTIONS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{action}` | {ACTION_NAMES[action]}"))
        cells = [cell.strip() for cell in row.split("|")[3:-1]]
        assert [bool(cell) for cell in cells] == [role in spans for role in Role]
    assert "public" in rows


def test_every_recipe_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    data = ROOT / "src" / "dafeng" / "catalog" / "data"
    for row in re.findall(r"^\| .* \|$", text, re.MULTILINE):
        for name in re.findall(r"`([\w./]+/[\w.]+\.(?:yaml|py|md|po|toml))`", row):
            source = ROOT / "src" / "dafeng"
            homes = (ROOT, source, source / "catalog", source / "web", data)
            assert any((home / name).exists() for home in homes), (row[:60], name)


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

"""The same words give the same plan, whatever the format of the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dafeng.base.document import fold_characters
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import read_document
from dafeng.plans.reading import read_plan
from document_builders import (
    PLAN,
    Item,
    libreoffice_pdf,
    plan_docx,
    plan_html,
    plan_text,
    plan_txt,
    typst_pdf,
    typst_source,
)

REAL = ("jilin", "qingdao", "national")
_PLACES = {"at", "applies_to", "requirement", "open_parts", "findings"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def reading_of(path: Path, catalog: Catalog) -> dict[str, Any]:
    """Everything that was read: places as the words that stand there."""
    document = read_document(path)
    plan = read_plan(document, catalog)

    def words(at: Any) -> str:
        return "" if at is None else document.quote(at.start, at.end)

    return {
        "text": document.folded,
        "head": plan.outline.head.model_dump(),
        "clauses": [
            (clause.number, clause.title, clause.level, clause.kind, clause.task, clause.bodies)
            for clause in plan.outline.clauses
        ],
        "targets": [(words(target.at), target.model_dump(exclude={"at"})) for target in plan.targets],
        "duties": [
            (
                words(duty.at),
                words(duty.applies_to),
                words(duty.requirement),
                duty.model_dump(exclude={*_PLACES, "obligation"}),
                None if duty.obligation is None else duty.obligation.model_dump(exclude={"at"}),
            )
            for duty in plan.duties
        ],
        "numbers": [(words(fate.at), fate.fate, fate.of) for fate in plan.numbers],
        "findings": [finding.name for finding in plan.findings if finding.name.startswith("plans.")],
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """For each part that differs: the first entries that do."""
    different = {}
    for name, part in one.items():
        if part != other[name]:
            pairs = zip(part, other[name], strict=False) if isinstance(part, Sequence) else [(part, other[name])]
            different[name] = next((pair for pair in pairs if pair[0] != pair[1]), (len(part), len(other[name])))
    return different


def files_of(items: Sequence[Item], folder: Path) -> dict[str, Path]:
    word = plan_docx(items)
    contents = {
        "a.docx": word,
        "utf8.txt": plan_txt(items),
        "gb18030.txt": plan_txt(items, encoding="gb18030"),
        "a.html": plan_html(items),
        "gb18030.html": plan_html(items, encoding="gb18030"),
        "typst.pdf": typst_pdf(typst_source(items)),
        "libreoffice.pdf": libreoffice_pdf(word, folder),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in contents}


def unlike(expected: dict[str, Any], files: dict[str, Path], catalog: Catalog) -> dict[str, Any]:
    found = {name: differences(expected, reading_of(path, catalog)) for name, path in files.items()}
    return {name: parts for name, parts in found.items() if parts}


@pytest.mark.slow
def test_the_invented_plan_is_read_alike_in_every_format(tmp_path: Path, catalog: Catalog) -> None:
    files = files_of(PLAN, tmp_path)
    expected = reading_of(files.pop("a.docx"), catalog)
    assert expected["text"] == fold_characters(plan_text())
    assert len(expected["targets"]) == 27
    assert len(expected["duties"]) == 2
    assert unlike(expected, files, catalog) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_real_plan_is_read_alike_in_every_format(shared: Path, tmp_path: Path, catalog: Catalog, name: str) -> None:
    source = shared / "plans" / f"{name}.txt"
    items = [line.strip() for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    expected = reading_of(source, catalog)
    assert len(expected["targets"]) > 20
    assert unlike(expected, files_of(items, tmp_path), catalog) == {}


def test_a_changed_digit_is_a_difference_of_text_target_and_number(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "a.txt").write_bytes(plan_txt())
    (tmp_path / "b.txt").write_bytes(plan_txt().replace("漏损率控制在8.5%".encode(), "漏损率控制在8.4%".encode(), 1))
    found = differences(*(reading_of(tmp_path / name, catalog) for name in ("a.txt", "b.txt")))
    assert set(found) == {"text", "targets", "numbers"}
    assert [part[1]["value"] for part in found["targets"]] == [8.5, 8.4]
    assert [part[0] for part in found["numbers"]] == ["8.5", "8.4"]

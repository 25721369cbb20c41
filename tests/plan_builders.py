"""Documents of plans made of lines, and the table of cases of their build."""

from pathlib import Path
from typing import Any

import yaml

from dafeng.base.document import Block, DocumentText

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "plan_outline.yaml").read_text(encoding="utf-8")
)


def document(text: str, *, joined: bool = False) -> DocumentText:
    """Return a document with one paragraph a line, or with everything in one."""
    lines = [text] if joined else text.split("\n")
    return DocumentText("plan.txt", "txt", "0" * 64, tuple(Block(line, number=n) for n, line in enumerate(lines, 1)))

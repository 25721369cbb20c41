"""Blocks gathered one after the other: numbered in reading order, empty ones left out, tables of contents dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from dafeng.base.document import Block, BlockKind
from dafeng.base.finding import Finding, Severity
from dafeng.intake.documents.limits import document_finding

__all__ = ["BlockList", "is_contents_line", "number_blocks"]

_LEADER: Final = re.compile(
    r"^.{1,80}?(?:[.．·•\-_]{4,}|…{2,}|(?:[.．·…]\s){3,})[\s.．·…]*[-—(（]?\s*(\d{1,4})\s*[)）—-]?$"
)
_TABBED: Final = re.compile(r"^.{1,80}?\t+[-—(（]?\s*(\d{1,4})\s*[)）—-]?$")
"""Under the title 目录 only: elsewhere it may be a row of a table."""
_CONTENTS_TITLE: Final = re.compile(r"^目[录次]$")
_FEWEST_LINES: Final = 3


@dataclass
class BlockList:
    """Blocks of a document in the making.

    Examples
    --------
    >>> blocks = BlockList()
    >>> blocks.paragraph("一、目标"), blocks.paragraph(" "), blocks.paragraph("到2030年")
    (0, None, 1)
    >>> [(block.number, block.text) for block in blocks.blocks]
    [(1, '一、目标'), (2, '到2030年')]
    """

    blocks: list[Block] = field(default_factory=list)
    tables: int = 0
    characters: int = 0

    def paragraph(
        self, text: str, *, style: str = "", page: int | None = None, pages: tuple[tuple[int, int], ...] = ()
    ) -> int | None:
        """Append a paragraph; return its index, None where it is blank."""
        return self._append(Block(text, number=len(self.blocks) + 1, page=page, pages=pages, style=style))

    def cell(
        self,
        text: str,
        *,
        table: int,
        row: int,
        column: int,
        style: str = "",
        page: int | None = None,
        pages: tuple[tuple[int, int], ...] = (),
    ) -> int | None:
        """Append a cell; return its index, None where it is blank."""
        number = len(self.blocks) + 1
        return self._append(Block(text, BlockKind.CELL, number, page, pages, table, row, column, style))

    def table(self) -> int:
        """Return the number of a new table."""
        self.tables += 1
        return self.tables

    def _append(self, block: Block) -> int | None:
        if not block.text.strip():
            return None
        self.blocks.append(block)
        self.characters += len(block.text)
        return len(self.blocks) - 1


def is_contents_line(text: str) -> bool:
    r"""Return whether a line is one of a table of contents: words, a leader, a page number.

    Examples
    --------
    >>> is_contents_line("一、总体要求………… 3"), is_contents_line("二、主要目标\t- 5 -"), is_contents_line("目标…… 到2030年")
    (True, False, False)
    """
    return _LEADER.match(text.strip()) is not None


def number_blocks(blocks: list[Block], file: str) -> tuple[tuple[Block, ...], list[int], list[Finding]]:
    """Drop tables of contents and number what stays.

    Returns
    -------
    blocks : tuple of Block
    kept : list of int
        For each block given its new index, -1 where it was dropped.
    findings : list of Finding
    """
    dropped: set[int] = set()
    start = 0
    while start < len(blocks):
        titled = start > 0 and _CONTENTS_TITLE.match("".join(blocks[start - 1].text.split())) is not None
        end = start
        while end < len(blocks) and _of_contents(blocks[end], titled):
            end += 1
        if end - start >= (1 if titled else _FEWEST_LINES):
            dropped.update(range(start - titled, end))
        start = max(end, start + 1)
    kept: list[int] = []
    result: list[Block] = []
    for index, block in enumerate(blocks):
        kept.append(-1 if index in dropped else len(result))
        if index not in dropped:
            number = len(result) + 1
            result.append(block if block.number == number else replace(block, number=number))
    findings = []
    if dropped:
        findings.append(
            document_finding(
                "intake.document.contents-dropped",
                f"目录共 {len(dropped)} 行，与正文标题重复，未读入",
                file,
                next_step="如确为正文，请删去行末的页码后重读",
                severity=Severity.INFO,
                value=blocks[min(dropped)].text[:40],
                lines=len(dropped),
            )
        )
    return tuple(result), kept, findings


def _of_contents(block: Block, titled: bool) -> bool:
    if block.kind is BlockKind.CELL:
        return False
    if block.style.lower().startswith("toc "):
        return True
    lines = block.text.strip().split("\n")
    return all(is_contents_line(line) or (titled and _TABBED.match(line.strip()) is not None) for line in lines)

"""Tables of an annex that give each task its bodies (责任分工表)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dafeng.base.document import Block, BlockKind, DocumentText
from dafeng.plans.body_names import NamedBodies, join_named, read_bodies

__all__ = ["AnnexRow", "annex_rows", "bare_title"]

_TITLE_HEAD: Final = re.compile("任务|工作|内容|事项|措施|项目|指标|行动|分类|领域|目标")
_BODY_HEAD: Final = re.compile(
    "(?:责任|牵头|配合|负责|参与|实施|主办|协办|落实|主责|参加|协同)(?:责任)?(?:单位|部门|主体|机构|地区)"
)
_MARK: Final = re.compile(
    r"^(?:第?[一二三四五六七八九十百]{1,5}[章节]?[、.]?|\([一二三四五六七八九十百\d]{1,4}\)|\d{1,3}[.、)]?)(?=[\u4e00-\u9fff])"
)
_NOISE: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class AnnexRow:
    """A row of a table of duties."""

    start: int
    """First character of its first cell of bodies."""
    end: int
    """One past the last character of its last."""
    titles: tuple[str, ...]
    """Bare words of the cells that name the task, from the widest heading to the narrowest."""
    named: NamedBodies
    """Whom it names."""


def bare_title(words: str) -> str:
    """Return a title without its mark and punctuation, for comparison.

    Examples
    --------
    >>> bare_title("(一)优化用能结构。"), bare_title("3.优化用能结构")
    ('优化用能结构', '优化用能结构')
    """
    return _NOISE.sub("", _MARK.sub("", words))


def annex_rows(document: DocumentText, *, known: Collection[str] = ()) -> list[AnnexRow]:
    """Return the rows of every table that has a column of tasks and a column of responsible bodies.

    A cell that spans rows stands once, at its first row, and holds for the rows below it.

    Examples
    --------
    >>> cells = [("重点任务", 1, 1), ("责任单位", 1, 2), ("推广光伏", 2, 1), ("市住建局、市水务局", 2, 2)]
    >>> blocks = tuple(Block(words, BlockKind.CELL, table=1, row=row, column=column) for words, row, column in cells)
    >>> [(row.titles, row.named.bodies) for row in annex_rows(DocumentText("a.docx", "docx", "0" * 64, blocks))]
    [(('推广光伏',), ('市住建局', '市水务局'))]
    """
    tables: dict[int, dict[int, dict[int, tuple[int, Block]]]] = {}
    for index, block in enumerate(document.blocks):
        if block.kind is BlockKind.CELL and block.table and block.row and block.column:
            tables.setdefault(block.table, {}).setdefault(block.row, {})[block.column] = (index, block)
    rows: list[AnnexRow] = []
    for table in tables.values():
        rows += _rows(document, table, known)
    return rows


def _words(document: DocumentText, index: int) -> tuple[int, int]:
    start = document.starts[index]
    return start, document.starts[index + 1] if index + 1 < len(document.starts) else len(document.plain)


def _rows(
    document: DocumentText, table: dict[int, dict[int, tuple[int, Block]]], known: Collection[str]
) -> list[AnnexRow]:
    titles: list[int] = []
    bodies: dict[int, bool] = {}
    held: dict[int, int] = {}
    rows: list[AnnexRow] = []
    for number in sorted(table):
        cells = table[number]
        heads = {column: document.folded[slice(*_words(document, index))] for column, (index, _block) in cells.items()}
        found = {
            column: "牵头" in words for column, words in heads.items() if len(words) <= 16 and _BODY_HEAD.search(words)
        }
        if found and any(_TITLE_HEAD.search(words) for column, words in heads.items() if column not in found):
            bodies = found
            titles = sorted(
                column for column, words in heads.items() if column not in found and _TITLE_HEAD.search(words)
            )
            held = {}
            continue
        if not bodies:
            continue
        held |= {column: index for column, (index, _block) in cells.items()}
        pieces: list[tuple[int, int, NamedBodies]] = []
        for column, lead in sorted(bodies.items()):
            if column not in held:
                continue
            start, end = _words(document, held[column])
            named = read_bodies(document.folded[start:end], document.plain[start:end], known=known)
            if end > start and named.bodies:
                leads = named.bodies if lead else named.leads
                pieces.append((start, end, NamedBodies(named.bodies, leads, named.origins, named.standing)))
        names = tuple(
            bare_title(document.folded[slice(*_words(document, held[column]))]) for column in titles if column in held
        )
        if pieces and any(names):
            rows.append(
                AnnexRow(
                    pieces[0][0],
                    max(end for _start, end, _named in pieces),
                    names,
                    join_named([named for _s, _e, named in pieces]),
                )
            )
    return rows

"""Documents in one normal form: text without white space and page furniture, with the way back to page, paragraph, character.

Offsets of the whole house count characters of `DocumentText.plain`. What stands there is as the document writes it; for
comparison `folded` puts full-width forms, quotation marks and brackets into one form, character by character, so that
offsets stay true.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from dafeng.base.finding import Finding
from dafeng.base.quantity import fold_width
from dafeng.base.record import Record

__all__ = ["Block", "BlockKind", "DocumentComment", "DocumentPlace", "DocumentText", "fold_characters"]

_ALIKE: Final = str.maketrans("“”‘’—–－―〔〕【】﹝﹞", "\"\"''----[][][]")


def fold_characters(text: str) -> str:
    """Return `text` with look-alikes in one form, one character for one.

    Examples
    --------
    >>> fold_characters("２０３０年，８％〔2023〕")
    '2030年,8%[2023]'
    """
    alike = {ord(letter): single for letter in set(text) if len(single := fold_width(letter)) == 1}
    return text.translate(alike).translate(_ALIKE)


class BlockKind(StrEnum):
    """What a block of a document is."""

    PARAGRAPH = "paragraph"
    CELL = "cell"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or table cell as the document has it.

    Parameters
    ----------
    text : str
        As it stands, white space included; page headers, footers and page numbers are left out.
    kind : BlockKind
    number : int
        Paragraph of the document, counted from 1 in reading order; cells are counted too.
    page : int or None
        Page on which it begins, counted from 1, where the format has pages.
    pages : tuple of (int, int)
        For a block that runs on: index into `text` and the page that begins there.
    table, row, column : int or None
        For a cell: table of the document, row and column, counted from 1. A merged cell stands once, at its first place.
    style : str
        Style or tag name that the format gives (Heading 1, h2 …), empty where none.
    """

    text: str
    kind: BlockKind = BlockKind.PARAGRAPH
    number: int = 0
    page: int | None = None
    pages: tuple[tuple[int, int], ...] = ()
    table: int | None = None
    row: int | None = None
    column: int | None = None
    style: str = ""


class DocumentPlace(Record):
    """Where a character stands in the original document."""

    paragraph: int
    """Paragraph, counted from 1."""
    character: int
    """Character of that paragraph, counted from 1, white space included."""
    page: int | None = None
    """Page, where the format has pages."""
    table: int | None = None
    """Table, for a cell."""
    row: int | None = None
    """Row, for a cell."""
    column: int | None = None
    """Column, for a cell."""

    def __str__(self) -> str:
        parts = [f"第{self.page}页" if self.page else "", f"第{self.paragraph}段第{self.character}字"]
        if self.table:
            parts[1] = f"表{self.table}第{self.row}行第{self.column}列"
        return "".join(parts)


class DocumentComment(Record):
    """A remark that somebody left in the document."""

    text: str
    """What it says."""
    author: str = ""
    """Who left it."""
    start: int
    """First character of `DocumentText.plain` that it concerns."""
    end: int
    """One past the last."""


@dataclass(frozen=True)
class DocumentText:
    r"""A document as text, whatever its format.

    Parameters
    ----------
    file : str
        File name.
    format : str
        docx, pdf, html or txt; doc where LibreOffice converted it.
    sha256 : str
        Digest of the file's bytes.
    blocks : tuple of Block
        In reading order.
    comments : tuple of DocumentComment
    findings : tuple of Finding
        What reading took with reservation.

    Examples
    --------
    >>> text = DocumentText("plan.txt", "txt", "0" * 64, (Block("到 ２０３０\n年", number=1), Block("达到8％。", number=2)))
    >>> text.plain, text.folded, text.quote(7, 10)
    ('到２０３０年达到8％。', '到2030年达到8%。', '到8％')
    >>> str(text.where(8))
    '第2段第3字'
    """

    file: str
    format: str
    sha256: str
    blocks: tuple[Block, ...]
    comments: tuple[DocumentComment, ...] = ()
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @cached_property
    def plain(self) -> str:
        """The text without any white space."""
        return "".join("".join(block.text.split()) for block in self.blocks)

    @cached_property
    def folded(self) -> str:
        """`plain` with look-alikes in one form; equally long."""
        return fold_characters(self.plain)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Offset into `plain` at which each block begins."""
        starts, total = [], 0
        for block in self.blocks:
            starts.append(total)
            total += sum(map(len, block.text.split()))
        return tuple(starts)

    def block_at(self, offset: int) -> int:
        """Return the index of the block in which a character of `plain` stands."""
        return max(0, bisect_right(self.starts, offset) - 1)

    def where(self, offset: int) -> DocumentPlace:
        """Return where a character of `plain` stands in the original."""
        index = self.block_at(offset)
        block = self.blocks[index]
        wanted = offset - self.starts[index]
        letters = [index for index, letter in enumerate(block.text) if not letter.isspace()]
        character = letters[min(wanted, len(letters) - 1)] if letters else 0
        page = block.page
        for begins, number in block.pages:
            page = number if begins <= character else page
        return DocumentPlace(
            paragraph=block.number,
            character=character + 1,
            page=page,
            table=block.table,
            row=block.row,
            column=block.column,
        )

    def quote(self, start: int, end: int) -> str:
        """Return the words between two offsets."""
        return self.plain[start:end]

"""The immutable description of a paper: blocks that say what stands there, not how a format draws it.

A report is put together once and rendered last (DOCX, XLSX, HTML, PDF). Every value in a table carries the number beside
the text that is shown, so that a workbook holds numbers and a page holds words; every state carries its code, so that
renderers show it by word and shape and never by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.reports.figure_content import (
    CostCurve,
    CostFront,
    FanChart,
    FlowPaths,
    OutlookPanels,
    StackedAreas,
    StatusBars,
    Waterfall,
    Wedges,
)

__all__ = [
    "STATE_SHAPES",
    "Addressee",
    "Align",
    "Annex",
    "AnnexList",
    "Block",
    "Cell",
    "Column",
    "Figure",
    "Heading",
    "KeyFigure",
    "KeyFigures",
    "Note",
    "PageBreak",
    "Paragraph",
    "RedHead",
    "Report",
    "Row",
    "Run",
    "SignatureBlock",
    "Slot",
    "Table",
    "Title",
]

STATE_SHAPES: Final[dict[str, str]] = {
    "met": "●",
    "met_early": "★",
    "holds": "●",
    "done": "●",
    "on_track": "○",
    "open": "○",
    "at_risk": "△",
    "off_track": "▲",
    "missed": "■",
    "breached": "■",
    "overdue": "■",
    "unproven": "□",
    "no_data": "◇",
    "unknown": "◇",
    "depends_on_definition": "※",
}
"""Shape of each state, all of them in GB 2312, so that the official fonts have them."""

_ANCHOR: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"


class Align(StrEnum):
    """How the cells of a column stand."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


class Run(Record):
    """A stretch of text, perhaps pointing at a row of an annex."""

    text: str
    """What is read."""
    link: str | None = Field(default=None, pattern=_ANCHOR)
    """Anchor in the same paper."""
    slot: bool = False
    """Whether the clerk fills it in or settles it; it is shaded where it is edited."""


class Title(Record):
    """Title of the paper (公文标题)."""

    block: Literal["title"] = "title"
    text: str
    """Title; a line feed breaks the line."""


class Addressee(Record):
    """Whom the paper addresses (主送机关)."""

    block: Literal["addressee"] = "addressee"
    text: str
    """Name without the colon."""


class Heading(Record):
    """A heading of level 1 to 4 (一、 （一） 1. （1）)."""

    block: Literal["heading"] = "heading"
    level: int = Field(ge=1, le=4)
    """Level."""
    text: str
    """Heading with its number as official papers write it."""
    run_in: tuple[Run, ...] = ()
    """Sentences that follow on the same line; the heading then closes with a full stop."""
    inputs: tuple[str, ...] = ()
    """Targets and values that these sentences were made from; never printed."""
    anchor: str | None = Field(default=None, pattern=_ANCHOR)
    """Name to link to."""


class Paragraph(Record):
    """A paragraph of the text."""

    block: Literal["paragraph"] = "paragraph"
    runs: tuple[Run, ...]
    """What is read."""
    inputs: tuple[str, ...] = ()
    """Targets and values that the paragraph was made from, for a side panel; never printed."""
    keep: bool = False
    """Whether it stays on one page with what follows, so that no signature stands alone."""


class Slot(Record):
    """A place that the clerk fills; nothing is invented for it."""

    block: Literal["slot"] = "slot"
    text: str
    """What is to be supplied."""


class Note(Record):
    """A remark in smaller type."""

    block: Literal["note"] = "note"
    text: str
    """What is read."""


class PageBreak(Record):
    """The next block begins a page."""

    block: Literal["page_break"] = "page_break"


class Annex(Record):
    """The head of an annex; it begins a page (附件1, then the title)."""

    block: Literal["annex"] = "annex"
    label: str
    """附件1 …"""
    title: str
    """Title of the annex."""
    landscape: bool = False
    """Whether its pages lie on their side, up to the next annex."""
    anchor: str | None = Field(default=None, pattern=_ANCHOR)
    """Name to link to."""


class AnnexList(Record):
    """The list of annexes after the text (附件说明)."""

    block: Literal["annex_list"] = "annex_list"
    names: tuple[str, ...]
    """Titles in order; numbers are added."""


class SignatureBlock(Record):
    """Signature and date (落款); the seal's place stays empty."""

    block: Literal["signature"] = "signature"
    signer: str
    """Signing body, or what is to be filled in."""
    day: date | None = None
    """Date of the paper; left for the clerk where None."""
    contact: str | None = None
    """Line in brackets under the date."""


class RedHead(Record):
    """The red head of an issued paper: drawn only when asked for, with fields that the user types."""

    block: Literal["red_head"] = "red_head"
    issuer: str
    """Name of the issuing body, with 文件 where it is wanted."""
    number: str = ""
    """Document number with the brackets 〔〕; left empty for the office system."""
    signatory: str = ""
    """签发人, for papers that go upwards."""


class KeyFigure(Record):
    """One number of the leader's summary."""

    label: str
    """What is counted."""
    value: str
    """Number as shown, or the word for a missing one."""
    state: str | None = None
    """Status code whose shape stands beside it."""


class KeyFigures(Record):
    """A row of numbers (领导摘要)."""

    block: Literal["key_figures"] = "key_figures"
    items: tuple[KeyFigure, ...]
    """Numbers from left to right."""


class Column(Record):
    """A column of a table."""

    key: str
    """Stable English name, also the machine name in workbooks."""
    title: str
    """Head."""
    width: float = Field(gt=0)
    """Millimetres on paper; the sum is scaled to the type area."""
    align: Align = Align.LEFT
    """How cells stand."""


class Cell(Record):
    """A cell: the text that is read and, where it is a number, the number itself."""

    text: str = ""
    """What is read; empty where there is nothing to say."""
    number: float | None = None
    """The number behind the text, in the unit that the text shows."""
    digits: int = 2
    """Decimals of the number in a workbook."""
    state: str | None = None
    """Status code; its shape is put before the text."""
    link: str | None = Field(default=None, pattern=_ANCHOR)
    """Anchor in the same paper."""
    strong: bool = False
    """A quantified promise, set apart from running text."""

    @property
    def shown(self) -> str:
        """Text with the shape of its state before it.

        Examples
        --------
        >>> Cell(text="有风险", state="at_risk").shown
        '△有风险'
        """
        return STATE_SHAPES.get(self.state or "", "") + self.text


class Row(Record):
    """A row of cells, or a line over the whole width that groups the rows below it."""

    cells: tuple[Cell, ...] = ()
    """Cells in the order of the columns; empty for a group row."""
    group: str | None = None
    """Text of a group row."""
    anchor: str | None = Field(default=None, pattern=_ANCHOR)
    """Name to link to."""


class Table(Record):
    """A table; its head is repeated on every page and no row is split."""

    block: Literal["table"] = "table"
    id: str = Field(pattern=_ANCHOR)
    """Name, unique within the paper."""
    title: str
    """Title; also the name of the worksheet."""
    columns: tuple[Column, ...]
    """Columns."""
    rows: tuple[Row, ...]
    """Rows and group rows."""
    show_title: bool = False
    """Whether the title stands over the table (not under an annex head that says the same)."""
    unit: str = ""
    """Unit of the whole table, right above it."""
    size: float = 10.5
    """Type size in points."""


class Figure(Record):
    """A figure, described by what it shows; renderers draw it."""

    block: Literal["figure"] = "figure"
    id: str = Field(pattern=_ANCHOR)
    """Name, unique within the paper."""
    caption: str
    """Caption under the figure."""
    text: str
    """What a reader who does not see the figure needs to know."""
    link: str | None = Field(default=None, pattern=_ANCHOR)
    """Anchor of the rows that state its data and sources."""
    content: Annotated[
        OutlookPanels | StatusBars | StackedAreas | FlowPaths | Waterfall | FanChart | Wedges | CostCurve | CostFront,
        Field(discriminator="kind"),
    ]
    """What is drawn."""


Block = (
    Title
    | Addressee
    | Heading
    | Paragraph
    | Slot
    | Note
    | PageBreak
    | Annex
    | AnnexList
    | SignatureBlock
    | RedHead
    | KeyFigures
    | Table
    | Figure
)
"""Everything that a paper is made of."""


class Report(Record):
    """A paper, ready to be rendered.

    Examples
    --------
    >>> paper = Report(id="sample", title="样张", as_of=date(2025, 10, 28), blocks=(Title(text="样张"),))
    >>> paper == Report.model_validate_json(paper.model_dump_json())
    True
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Slug, used for file names and identifiers within files."""
    title: str
    """Title in document properties."""
    as_of: date
    """Day of the facts; it is also the only date that goes into file properties."""
    creator: str = "dafeng"
    """Author in document properties."""
    demonstration: bool = False
    """Whether any figure is a demonstration; every page then says so."""
    basis: tuple[tuple[str, str], ...] = ()
    """Definitions and conventions, as the second sheet of a workbook (口径): name and text."""
    blocks: tuple[Annotated[Block, Field(discriminator="block")], ...]
    """What the paper is made of, in reading order."""

    def tables(self) -> Iterator[Table]:
        """Yield the tables in reading order."""
        return (block for block in self.blocks if isinstance(block, Table))

    def sections(self) -> list[tuple[bool, tuple[Block, ...]]]:
        """Return the blocks in stretches of one page orientation: whether landscape, and the blocks."""
        oriented: list[tuple[bool, Block]] = []
        wide = False
        for block in self.blocks:
            wide = block.landscape if isinstance(block, Annex) else wide
            oriented.append((wide, block))
        return [
            (landscape, tuple(block for _, block in pairs))
            for landscape, pairs in groupby(oriented, key=lambda pair: pair[0])
        ]

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        anchors: list[str] = []
        links: set[str] = set()
        for block in self.blocks:
            match block:
                case Table():
                    anchors += [block.id, *(row.anchor for row in block.rows if row.anchor)]
                    links |= {cell.link for row in block.rows for cell in row.cells if cell.link}
                    widths = {len(row.cells) for row in block.rows if row.group is None}
                    if widths - {len(block.columns)}:
                        raise ValueError(f"rows of table {block.id} do not fit its columns")
                case Figure():
                    anchors.append(block.id)
                    links |= {block.link} if block.link else set()
                case Heading() | Annex():
                    anchors += [block.anchor] if block.anchor else []
                    links |= {run.link for run in getattr(block, "run_in", ()) if run.link}
                case Paragraph():
                    links |= {run.link for run in block.runs if run.link}
                case _:
                    pass
        if len(anchors) != len(set(anchors)):
            raise ValueError(f"anchors stand twice: {sorted({name for name in anchors if anchors.count(name) > 1})}")
        if links - set(anchors):
            raise ValueError(f"links lead nowhere: {sorted(links - set(anchors))}")
        return self

    def figures(self) -> Iterator[Figure]:
        """Yield the figures in reading order."""
        return (block for block in self.blocks if isinstance(block, Figure))

"""Parts of the yearly report that people write: which there are, and how their words are laid into the paper.

Nothing is invented for them: a part without words stays a slot. What people wrote is named in annex 4, so that nobody takes it for what
the facts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dafeng.base.errors import UsageError
from dafeng.base.record import Record
from dafeng.base.target import Measure
from dafeng.reports.document import Block, Paragraph, Run, Slot
from dafeng.reports.october_facts import OctoberFacts

__all__ = ["NarrativePart", "check_narratives", "narrative_basis", "narrative_parts", "worked_chapters", "written"]

_NUMERALS: Final = "一二三四五六七八九十"
_FIXED: Final = (
    ("experience", "三、典型经验做法", "2至3个案例的地点、做法与成效数据，详见附件3"),
    ("causes", "四、存在问题：原因分析", "上述问题的原因分析"),
    ("steps", "五、下一步工作安排：措施与时间", "具体措施与时间安排"),
    ("cases", "附件3 典型案例", "典型案例（地点、背景、做法、成效数据、可推广之处）"),
)
_WORK: Final = "本章主要工作与措施"


class NarrativePart(Record):
    """A part that people write."""

    key: str
    """`work.<chapter>`, `experience`, `causes`, `steps`, `cases`."""
    title: str
    """Where it stands in the paper."""
    asks: str
    """What is to be written there."""


def numeral(position: int) -> str:
    """Return a Chinese numeral, digits beyond ten.

    Examples
    --------
    >>> numeral(0), numeral(10)
    ('一', '11')
    """
    return _NUMERALS[position] if position < len(_NUMERALS) else str(position + 1)


def worked_chapters(facts: OctoberFacts) -> list[tuple[str, str]]:
    """Return number and title of the chapters of section 二: those with more than milestones."""
    return [
        (number, title)
        for number, title in facts.chapters()
        if any(row.measure is not Measure.MILESTONE for row in facts.rows if row.chapter == number)
    ]


def narrative_parts(facts: OctoberFacts) -> tuple[NarrativePart, ...]:
    """Return the parts that people write, in the order of the paper."""
    work = [
        NarrativePart(key=f"work.{number}", title=f"二（{numeral(position)}）{title}", asks=_WORK)
        for position, (number, title) in enumerate(worked_chapters(facts))
    ]
    return (*work, *(NarrativePart(key=key, title=title, asks=asks) for key, title, asks in _FIXED))


def check_narratives(parts: tuple[NarrativePart, ...], narratives: Mapping[str, str]) -> None:
    """Refuse words for a part that the paper does not have.

    Raises
    ------
    UsageError
        It has no such part.
    """
    known = {part.key for part in parts}
    unknown = sorted(key for key, text in narratives.items() if key not in known and text.strip())
    if unknown:
        raise UsageError(
            f"报告没有这些部分 / the report has no such parts: {', '.join(unknown)}",
            doing="lay the narrative into the report",
            expected=" ".join(sorted(known)),
            next_step="改用列出的部分 / use the parts that are listed",
        )


def written(narratives: Mapping[str, str], key: str, asks: str) -> list[Block]:
    r"""Return what was written for a part, a paragraph for each line; a slot where nothing was.

    Examples
    --------
    >>> [block.block for block in written({"steps": "一是抓改造。\n\n二是抓运行。"}, "steps", "措施")]
    ['paragraph', 'paragraph']
    >>> written({}, "steps", "措施")[0].text
    '措施'
    """
    lines = [line.strip() for line in narratives.get(key, "").splitlines()]
    blocks: list[Block] = [Paragraph(runs=(Run(text=line),), inputs=(f"clerk:{key}",)) for line in lines if line]
    return blocks or [Slot(text=asks)]


def narrative_basis(parts: tuple[NarrativePart, ...], narratives: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the remark for annex 4 that names what people wrote; None where nobody wrote anything."""
    by_hand = [part.title for part in parts if narratives.get(part.key, "").strip()]
    if not by_hand:
        return None
    return "人工撰写部分", f"下列部分由承办人员撰写，不由数据生成：{'；'.join(by_hand)}。其余文字、表、图由数据生成。"

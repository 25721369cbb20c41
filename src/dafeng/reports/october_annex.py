"""Annex 4 of the yearly report: sources, definitions, what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dafeng.assessment.records import Assessment
from dafeng.reports.document import Annex, Block, Heading, Paragraph, Run, Table
from dafeng.reports.october_facts import OctoberFacts, OctoberScope
from dafeng.reports.october_request import OctoberRequest
from dafeng.reports.october_tables import pending_table, prefecture_table, reference_table, source_table, unknown_table
from dafeng.reports.wording import date_zh

__all__ = ["annex_sources", "conventions"]

_NUMERALS: Final = "一二三四五六七八九十"


def _text(text: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),))


def annex_sources(facts: OctoberFacts, request: OctoberRequest, prefectures: Sequence[Assessment]) -> list[Block]:
    """Return annex 4: definitions, what is lacking, sources, references, for a province the values of its prefectures."""
    blocks: list[Block] = [
        Annex(label="附件4", title="数据来源与口径说明", landscape=True, anchor="annex-4"),
        Heading(level=1, text="一、口径与约定"),
        *(
            _text(f"{number}. {name}：{text}")
            for number, (name, text) in enumerate(conventions(facts, request), start=1)
        ),
    ]
    tables: list[tuple[str, Table]] = [
        ("尚缺数据及提供单位", unknown_table(facts)),
        ("数据来源", source_table(facts)),
        ("参考值（不作判定依据）", reference_table(facts)),
    ]
    if request.scope is OctoberScope.PROVINCE:
        tables.append(("各市州数值（参考）", prefecture_table(facts, prefectures)))
    tables.append(("待核口径", pending_table(facts)))
    for position, (title, table) in enumerate(tables, start=1):
        blocks.append(Heading(level=1, text=f"{_NUMERALS[position]}、{title}", anchor=f"annex-4-{table.id}"))
        blocks.append(table if any(row.cells for row in table.rows) else _text("无。"))
    return blocks


def conventions(facts: OctoberFacts, request: OctoberRequest) -> tuple[tuple[str, str], ...]:
    """Return the conventions of the report, by name."""
    found = [
        ("数据截止", f"{date_zh(facts.assessment.as_of)}；方案目录版本{facts.assessment.catalog[:12]}。"),
        ("期限", "“某年前”按该年底前计；到期年已过而无数据的判为待证，不判为正常。"),
        ("当年数据", "1–9月的数不代表全年；全年预计为预测值，标“预计”，不作为完成依据。"),
        ("牵头单位", "方案未写牵头的，以首位责任单位推定，标“推定”，待确认。"),
        ("统计范围", f"软性要求{facts.assessment.soft}项不计入；逐年目标按最差年份计一次。"),
        ("差距", "比例之差用个百分点；面积用万平方米，保留两位小数。"),
        ("参考值", "范围、口径或地区与目标不一致的值只作参考，不用于判定。"),
    ]
    if request.scope is OctoberScope.PROVINCE:
        found.append(("各市州", "各市州数值仅供参考，不由其推定全省完成情况。"))
    found += request.remarks
    if request.unbuilt:
        found.append(("暂未建设", f"{'、'.join(request.unbuilt)}；本报告对此不作判断。"))
    if facts.assessment.demonstration:
        found.append(("演示数据", "本报告含虚构数据，只供演示，不得引用。"))
    return tuple(found)

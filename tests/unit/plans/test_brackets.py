"""Lists of responsible bodies: cases a domain expert can read, the lexicon's share, brackets that are none."""

from typing import Any

import pytest

from dafeng.base.document import fold_characters
from dafeng.plans.body_names import read_bodies
from dafeng.plans.outline import read_outline
from dafeng.plans.read_records import Origin
from plan_builders import CASES, document


@pytest.mark.parametrize("case", CASES["bodies"], ids=lambda case: case["text"])
def test_bodies_of_the_bracket(case: dict[str, Any]) -> None:
    named = read_bodies(fold_characters(case["text"]), case["text"])
    assert list(named.bodies) == case["bodies"]
    assert list(named.leads) == case.get("leads", [])
    assert list(named.standing) == case.get("standing", [])
    assert set(named.origins) == {Origin.GRAMMAR}


@pytest.mark.parametrize("case", CASES["lists"], ids=lambda case: case["name"])
def test_lists_of_the_clause(case: dict[str, Any]) -> None:
    words = document(case["text"])
    outline = read_outline(words)
    found = [
        [words.quote(part.covers.start, part.covers.end)[:4], list(part.bodies)]
        for clause in outline.clauses
        for part in clause.lists
    ]
    assert found == case["expect"]
    assert {finding.name for finding in outline.findings} == set(case.get("findings", ()))


def test_the_lexicon_decides_a_doubtful_cut_and_is_named_as_origin() -> None:
    text = "绿建联盟和光伏之家负责"
    assert read_bodies(text).bodies == ("绿建联盟和光伏之家",)
    named = read_bodies(text, known={"绿建联盟", "光伏之家"})
    assert named.bodies == ("绿建联盟", "光伏之家")
    assert set(named.origins) == {Origin.LEXICON}


def test_the_lexicon_keeps_a_name_whole_that_grammar_would_cut() -> None:
    text = "市规划局和建设局联合办公室"
    assert len(read_bodies(text).bodies) == 2
    whole = read_bodies(text, known={text})
    assert whole.bodies == (text,)
    assert whole.origins == (Origin.LEXICON,)


def test_a_clear_name_stays_grammar_though_the_catalog_knows_it() -> None:
    assert read_bodies("市住建局、市水务局", known={"市住建局"}).origins == (Origin.GRAMMAR, Origin.GRAMMAR)


def test_an_unclosed_list_is_a_finding_with_its_place() -> None:
    outline = read_outline(
        document("一、任务\n（一）光伏应用。推进光伏。（责任单位：市住建局\n（二）热泵应用。推进热泵。")
    )
    (finding,) = outline.findings
    assert finding.name == "plans.bracket.unclosed"
    assert finding.where.field == "第2段第14字"
    assert [clause.title for clause in outline.clauses if clause.task] == ["光伏应用", "热泵应用"]

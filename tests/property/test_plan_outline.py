"""Laws of the outline: white space is nothing, width is nothing, order is only order, offsets tell the truth, time is linear."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.document import DocumentText, fold_characters
from dafeng.plans.outline import read_outline
from dafeng.plans.read_records import Clause, Outline
from plan_builders import document

SUBJECTS = (
    "屋顶光伏",
    "地源热泵",
    "既有建筑改造",
    "供热管网",
    "装配式建筑",
    "绿色建材",
    "海绵城市",
    "农房建设",
    "垃圾处理",
    "再生水利用",
)
BODIES = (
    "市住房和城乡建设局",
    "市发展改革委",
    "各区（市）",
    "市水务局",
    "国网东川供电公司",
    "市工业和信息化局",
    "各有关部门",
)
MARKS = "一二三四五六七八九十"


@st.composite
def tasks(draw: st.DrawFn, least: int = 2) -> list[tuple[str, str, tuple[str, ...]]]:
    subjects = draw(st.lists(st.sampled_from(SUBJECTS), min_size=least, max_size=8, unique=True))
    values = draw(st.lists(st.integers(1, 99), min_size=len(subjects), max_size=len(subjects)))
    texts = [f"积极开展工作（试行）。到2025年，达到{value}%；覆盖面扩大{value}.5倍。" for value in values]
    bodies = [tuple(draw(st.lists(st.sampled_from(BODIES), max_size=4, unique=True))) for _ in subjects]
    return list(zip((f"推进{subject}" for subject in subjects), texts, bodies, strict=True))


def lines(items: list[tuple[str, str, tuple[str, ...]]]) -> list[str]:
    out = ["东川市城乡建设领域碳达峰工作方案", "一、主要目标", "到2030年前达峰。", "二、重点任务"]
    for place, (title, text, bodies) in enumerate(items):
        bracket = f"（责任单位：{'、'.join(bodies)}等）" if bodies else ""
        out.append(f"（{MARKS[place]}）{title}。{text}{bracket}")
    return [*out, "三、保障措施", "（一）加强领导。各部门要落实。"]


def plan(items: list[tuple[str, str, tuple[str, ...]]]) -> str:
    return "\n".join(lines(items))


def read_tasks(outline: Outline) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(clause.number, clause.title, clause.bodies) for clause in outline.clauses if clause.task]


@given(tasks())
def test_every_task_comes_out_as_it_went_in(items: list[tuple[str, str, tuple[str, ...]]]) -> None:
    found = read_tasks(read_outline(document(plan(items))))
    assert [(title, bodies) for _number, title, bodies in found[:-1]] == [(title, bodies) for title, _, bodies in items]
    assert [number for number, _title, _bodies in found] == [f"二（{MARKS[n]}）" for n in range(len(items))] + [
        "三（一）"
    ]


@given(tasks(), st.data())
def test_white_space_within_paragraphs_changes_nothing(
    items: list[tuple[str, str, tuple[str, ...]]], data: st.DataObject
) -> None:
    text = document(plan(items))
    blocks = []
    for block in text.blocks:
        words = block.text
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(words)))
            words = words[:at] + data.draw(st.sampled_from((" ", "\n", "\u3000", "\t", "\u00a0"))) + words[at:]
        blocks.append(replace(block, text=words))
    assert read_outline(DocumentText("plan.txt", "txt", "0" * 64, tuple(blocks))) == read_outline(text)


@given(tasks(least=6), st.data())
def test_a_line_or_page_that_breaks_within_a_task_changes_no_clause(
    items: list[tuple[str, str, tuple[str, ...]]], data: st.DataObject
) -> None:
    whole = lines(items)
    place = data.draw(st.integers(4, 3 + len(items)))
    at = data.draw(st.integers(1, len(whole[place]) - 1))
    broken = [*whole[:place], whole[place][:at], whole[place][at:], *whole[place + 1 :]]
    assert read_outline(document("\n".join(broken))).clauses == read_outline(document("\n".join(whole))).clauses


@given(tasks())
def test_everything_in_one_line_gives_the_same_tasks(items: list[tuple[str, str, tuple[str, ...]]]) -> None:
    assert read_tasks(read_outline(document(plan(items), joined=True))) == read_tasks(
        read_outline(document(plan(items)))
    )


@given(tasks())
def test_half_and_full_width_marks_give_the_same_build(items: list[tuple[str, str, tuple[str, ...]]]) -> None:
    full, half = document(plan(items)), document(fold_characters(plan(items)))

    def shape(clause: Clause) -> tuple[object, ...]:
        return clause.number, clause.title_at, clause.at, clause.task, tuple(map(fold_characters, clause.bodies))

    first, second = read_outline(full), read_outline(half)
    assert list(map(shape, first.clauses)) == list(map(shape, second.clauses))
    assert first.sentences == second.sentences


@given(tasks(), st.data())
def test_swapping_two_sibling_tasks_swaps_only_them(
    items: list[tuple[str, str, tuple[str, ...]]], data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, len(items) - 2))
    right = data.draw(st.integers(left + 1, len(items) - 1))
    swapped = list(items)
    swapped[left], swapped[right] = swapped[right], swapped[left]
    before = [entry[1:] for entry in read_tasks(read_outline(document(plan(items))))]
    after = [entry[1:] for entry in read_tasks(read_outline(document(plan(swapped))))]
    before[left], before[right] = before[right], before[left]
    assert after == before


@given(tasks())
def test_offsets_point_at_the_quoted_words_and_clauses_cover_the_document(
    items: list[tuple[str, str, tuple[str, ...]]],
) -> None:
    words = document(plan(items))
    outline = read_outline(words)
    covered = 0
    for clause in outline.clauses:
        parts = [part for part in (clause.mark, clause.title_at, clause.at) if part]
        assert parts[0].start - covered in (0, 1)
        covered = parts[-1].end
        if clause.title_at:
            assert words.quote(clause.title_at.start, clause.title_at.end) == clause.title
        for part in clause.lists:
            assert words.quote(part.at.start, part.at.start + 6) == "（责任单位："
            assert all(body in words.quote(part.at.start, part.at.end) for body in part.bodies)
    assert covered == len(words.plain)
    for sentence in outline.sentences:
        assert words.quote(sentence.at.start, sentence.at.end).endswith("。") or not sentence.clause


@given(tasks(), st.data())
def test_a_bracket_that_never_closes_loses_nothing(
    items: list[tuple[str, str, tuple[str, ...]]], data: st.DataObject
) -> None:
    whole = lines(items)
    place = data.draw(st.integers(0, len(items) - 1))
    title, text, bodies = items[place]
    whole[4 + place] = f"（{MARKS[place]}）{title}。{text}（责任单位：{'、'.join(bodies or BODIES[:2])}"
    items[place] = (title, text, bodies or BODIES[:2])
    outline = read_outline(document("\n".join(whole)))
    assert read_tasks(outline) == read_tasks(read_outline(document(plan(items))))
    assert [finding.name for finding in outline.findings] == ["plans.bracket.unclosed"]


@given(st.text(alphabet="（）()[]【】《》“”一二三、.。1２①第章条责任单位：市住建局附件专栏 \n到年", max_size=300))
def test_no_jumble_of_marks_breaks_the_reader(text: str) -> None:
    words = document(text)
    outline = read_outline(words)
    for clause in outline.clauses:
        for part in (clause.mark, clause.title_at, clause.at, *(each.at for each in clause.lists)):
            assert part is None or 0 <= part.start < part.end <= len(words.plain)
    for sentence in outline.sentences:
        assert sentence.at.end <= len(words.plain)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "（",
        "（责任单位：市住建局",
        "一、",
        "《",
        "责任单位：市住建局、",
        "甲",
        "他说，天气很好。\n",
        "（省住建厅、省水利厅按职责分工负责）",
        "1.推广光伏。做好。\n",
    ],
)
def test_time_grows_with_length_only(piece: str) -> None:
    def seconds(length: int) -> float:
        words = document(piece * (length // len(piece)))
        assert words.folded is not None
        start = time.perf_counter()
        read_outline(words)
        return time.perf_counter() - start

    short, long = seconds(10_000), seconds(100_000)
    assert long < max(40 * short, 5.0)

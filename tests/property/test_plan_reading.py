"""Laws of the plan reader: numbers in all written forms, and what a change of the text may change in the reading."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.document import Block, DocumentText
from dafeng.catalog import Catalog, load_catalog
from dafeng.plans.numbers import find_numbers
from dafeng.plans.numerals import read_numeral
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import coverage, read_plan

_DIGITS = "零一二三四五六七八九"


def _below_myriad(value: int) -> str:
    """Chinese numeral of 1 to 9999, written digit by digit from the top."""
    words, pending = "", False
    for power, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // power % 10
        if digit:
            words += ("零" if pending and words else "") + _DIGITS[digit] + name
            pending = False
        else:
            pending = True
    return words


def chinese_numeral(value: int) -> str:
    """Chinese numeral of a whole number up to 10**12."""
    if value == 0:
        return "零"
    words = ""
    for power, name in ((10**12, "万亿"), (10**8, "亿"), (10**4, "万"), (1, "")):
        part = value // power % 10**4
        if part:
            gap = words and (part < 1000 or value // (power * 10**4) % 10 == 0)
            words += ("零" if gap and not words.endswith("零") else "") + _below_myriad(part) + name
    return words


_WHOLE = st.one_of(st.integers(0, 9999), st.integers(0, 10**12))
_DECIMAL = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(10**6), places=3)


@given(_WHOLE)
def test_whole_numbers_read_back_in_every_form(value: int) -> None:
    assert read_numeral(str(value)) == value
    assert read_numeral(f"{value:,}") == value
    assert read_numeral(str(value).translate(str.maketrans("0123456789", "０１２３４５６７８９"))) == value
    assert read_numeral(chinese_numeral(value)) == value


@given(_DECIMAL)
def test_decimals_read_back_with_scales_and_shares(value: Decimal) -> None:
    exact = Fraction(value)
    assert read_numeral(str(value)) == float(exact)
    assert read_numeral(f"{value}万") == float(exact * 10**4)
    assert read_numeral(f"{value}亿") == float(exact * 10**8)
    assert read_numeral(f"{value}%") == read_numeral(f"百分之{value}") == float(exact / 100)
    assert read_numeral(f"千分之{value}") == float(exact / 1000)
    whole, _, decimals = str(value).partition(".")
    if decimals:
        spoken = chinese_numeral(int(whole)) + "点" + "".join(_DIGITS[int(letter)] for letter in decimals)
        assert read_numeral(spoken) == float(exact)
        assert read_numeral(f"百分之{spoken}") == float(exact / 100)


@given(st.integers(1, 9), st.integers(0, 9))
def test_tenths_and_fractions_read_back(tenths: int, rest: int) -> None:
    assert read_numeral(f"{_DIGITS[tenths]}成{_DIGITS[rest] if rest else ''}") == float(
        Fraction(10 * tenths + rest, 100)
    )
    assert read_numeral(f"{chinese_numeral(tenths + rest)}分之{_DIGITS[tenths]}") == float(
        Fraction(tenths, tenths + rest)
    )


# ---- a plan made of clauses; every clause with its number
CLAUSES = (
    ("到2027年，污水处理厂尾水回用率达到{}%以上", 37),
    ("到2030年，改造供热管网{}公里", 460),
    ("供水管网漏损率控制在{}%以内", 9),
    ("到2026年，星级绿色建筑占比不低于{}%", 31),
    ("到2030年，热网损失率比2020年下降{}个百分点", 4),
    ("每年新增绿道{}公里", 85),
    ("到2028年，培育{}家骨干企业", 12),
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def document_of(sentences: list[str], *, break_every: int = 0) -> DocumentText:
    body = "".join(sentences)
    lines = [
        "东川市城乡建设领域碳达峰工作方案",
        "一、重点任务",
        "（一）推进绿色建设。" + body + "（市住建局、各区（市）负责）",
    ]
    if break_every:
        long = lines.pop()
        lines.append("\n".join(long[place : place + break_every] for place in range(0, len(long), break_every)))
    return DocumentText(
        "a.txt", "txt", "0" * 64, tuple(Block(line, number=index) for index, line in enumerate(lines, 1))
    )


def readings(plan: ReadPlan) -> list[tuple[object, ...]]:
    """What a plan promises, without places and ids."""
    return [
        (
            each.label,
            each.comparator,
            each.value,
            each.value_max,
            each.unit,
            each.by,
            each.kind,
            each.base_year,
            each.bodies,
        )
        for each in plan.targets
    ]


def sentences_of(values: list[int]) -> list[str]:
    return [text.format(value) + "。" for (text, _), value in zip(CLAUSES, values, strict=True)]


ORIGINAL = [value for _, value in CLAUSES]


@given(st.integers(0, len(CLAUSES) - 1), st.integers(1, 99))
def test_changing_one_number_changes_that_target_only(catalog: Catalog, index: int, value: int) -> None:
    changed = [value if place == index else own for place, own in enumerate(ORIGINAL)]
    before = readings(read_plan(document_of(sentences_of(ORIGINAL)), catalog))
    after = readings(read_plan(document_of(sentences_of(changed)), catalog))
    assert len(before) == len(after) == len(CLAUSES)
    different = [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert different == ([index] if value != ORIGINAL[index] else [])
    assert after[index][2] == value


@given(st.permutations(range(len(CLAUSES))))
def test_the_order_of_independent_sentences_changes_nothing_else(catalog: Catalog, order: list[int]) -> None:
    sentences = sentences_of(ORIGINAL)
    before = readings(read_plan(document_of(sentences), catalog))
    after = readings(read_plan(document_of([sentences[place] for place in order]), catalog))
    assert [before[place] for place in order] == after


@given(st.integers(3, 40), st.sampled_from(["", " ", "\u3000"]), st.booleans())
def test_spaces_breaks_and_wide_digits_change_nothing(catalog: Catalog, width: int, space: str, wide: bool) -> None:
    sentences = sentences_of(ORIGINAL)
    plain = read_plan(document_of(sentences), catalog)
    if wide:
        sentences = [text.translate(str.maketrans("0123456789%", "０１２３４５６７８９％")) for text in sentences]
    disturbed = [space.join(text) if space else text for text in sentences]
    other = read_plan(document_of(disturbed, break_every=width), catalog)
    assert readings(other) == readings(plain)
    assert [each.id for each in other.targets] == [each.id for each in plain.targets]
    assert [(each.fate, each.of) for each in other.numbers] == [(each.fate, each.of) for each in plain.numbers]


@given(st.permutations(range(len(CLAUSES))))
def test_offsets_point_at_the_number_and_every_number_has_a_fate(catalog: Catalog, order: list[int]) -> None:
    sentences = sentences_of(ORIGINAL)
    document = document_of([sentences[place] for place in order])
    plan = read_plan(document, catalog)
    by_id = {each.id: each for each in plan.targets}
    assert len(by_id) == len(plan.targets)
    assert [each.at for each in plan.numbers] == [number.digits for number in find_numbers(document)]
    for fate in plan.numbers:
        assert fate.fate != "unclaimed"
        if fate.fate == "target":
            target = by_id[fate.of or ""]
            assert target.at.start <= fate.at.start < fate.at.end <= target.at.end
            assert float(document.quote(fate.at.start, fate.at.end)) == target.value


def test_a_novel_promises_nothing(catalog: Catalog) -> None:
    lines = (
        "第一章 雨夜",
        "那年冬天特别冷，老周在1998年搬进巷子里的第三间屋子，身上只有二十块钱和一把伞。",
        "他说：“我走了十五里路，见过三百个村子，没有一个像这里。”两人沉默了五分钟。",
        "第二天清晨，七八个孩子跑过石桥，桥下的水只有半尺深，桥边的树据说已有一百二十年。",
    )
    plan = read_plan(
        DocumentText(
            "novel.txt", "txt", "0" * 64, tuple(Block(line, number=index) for index, line in enumerate(lines, 1))
        ),
        catalog,
    )
    assert plan.targets == ()
    assert plan.duties == ()


def test_an_empty_document_promises_nothing(catalog: Catalog) -> None:
    plan = read_plan(DocumentText("empty.txt", "txt", "0" * 64, ()), catalog)
    assert plan.targets == ()
    assert plan.numbers == ()
    assert coverage(plan)["numbers"] == 0


def test_reading_takes_time_in_proportion_to_length(catalog: Catalog) -> None:
    def seconds(times: int) -> float:
        lines = ["东川市城乡建设领域碳达峰工作方案", "一、重点任务"]
        for index in range(times):
            lines.append(
                f"（{chinese_numeral(index + 1)}）推进第{chinese_numeral(index + 1)}批建设。"
                + "".join(sentences_of(ORIGINAL))
                + "（市住建局负责）"
            )
        document = DocumentText(
            "a.txt", "txt", "0" * 64, tuple(Block(line, number=index) for index, line in enumerate(lines, 1))
        )
        start = time.process_time()
        plan = read_plan(document, catalog)
        assert len(plan.targets) == times * len(CLAUSES)
        return time.process_time() - start

    seconds(2)
    few, many = min(seconds(10) for _ in range(2)), seconds(80)
    assert many < 8 * few * 3

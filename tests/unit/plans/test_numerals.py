"""Written numbers: every form, exact; and which Chinese numerals of a text are amounts."""

import pytest

from dafeng.base.document import Block, DocumentText
from dafeng.plans.numbers import find_numbers
from dafeng.plans.numerals import chinese_value, read_numeral, scan_numerals

FORMS = {
    "2030": 2030, "２０３０": 2030, "1,000": 1000, "１，２３４，５６７": 1234567, "12.5": 12.5, "0.001": 0.001, "3.5万": 35000, "1.5亿": 1.5e8, "2万亿": 2e12,
    "3万5千": 35000, "十": 10, "十五": 15, "二十": 20, "二十一": 21, "廿一": 21, "一百零八": 108, "一百一十": 110, "一百二": 120, "两千": 2000, "两千零三": 2003,
    "三万五千": 35000, "三万五": 35000, "三万零五百": 30500, "一千二百亿": 1.2e11, "三千万": 3e7, "一亿零五十万": 100500000, "一点五": 1.5, "零点零零一": 0.001,
    "一点五亿": 1.5e8, "〇": 0, "零": 0, "二〇三〇": 2030, "百分之八十": 0.8, "百分之百": 1, "百分之十二点五": 0.125, "千分之三": 0.003, "万分之五": 0.0005,
    "三分之一": 1 / 3, "四分之三": 0.75, "三成": 0.3, "三成五": 0.35, "七成半": 0.75, "一半": 0.5, "两倍": 2, "1倍": 1, "1.5倍": 1.5, "翻一番": 1, "翻番": 1, "翻两番": 3,
    "80%": 0.8, "8％": 0.08, "3‰": 0.003,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), FORMS.items(), ids=FORMS)
def test_written_form_reads_exactly(text: str, value: float) -> None:
    assert read_numeral(text) == value


@pytest.mark.parametrize("text", ["", "达到", "十百", "百分之", "1,00", "三三分", "两零"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="不是数"):
        read_numeral(text)


@pytest.mark.parametrize("text", ["十百", "一万亿万", "二三百", "零零十", "五五十", "百"])
def test_malformed_chinese_numerals_have_no_value(text: str) -> None:
    assert chinese_value(text) is None


def test_scanner_takes_the_well_formed_pieces() -> None:
    assert [(each.start, each.end, float(each.value)) for each in scan_numerals("三千千瓦、五千瓦、2万千瓦")] == [
        (0, 2, 3000),
        (5, 6, 5),
        (9, 10, 2),
    ]


NUMBERS = {
    "建设三千瓦光伏": [(3, None, "千瓦")],
    "新增一千二百户": [(1200, None, "户")],
    "1，2项工作": [(1, None, None), (2, None, "项")],
    "1,200公里": [(1200, None, "公里")],
    "60%-70%": [(60, 70, "%")],
    "5万至8万平方米": [(5, 8, "万平方米")],
    "由5%到8%": [(5, None, "%"), (8, None, "%")],
    "2024—2026年": [(2024, 2026, "年")],
    "三至五年": [(3, 5, "年")],
    "百分之三十到四十": [(30, None, "%")],
    "千分之三以内": [(3, None, "‰")],
    "GB/T51350-2019": [(51350, None, None), (2019, None, None)],
    "统一规划，一体化推进，一是落实，第三方评估，三北工程，双碳，零碳，近零能耗，一批项目，百姓，千家万户，万一，十分重要": [],
    "十五分钟生活圈": [(15, None, "分钟")],
    "二氧化碳、十大行动、两个体系": [(10, None, "大"), (2, None, "个")],
    "35kWh/m²": [(35, None, "kWh/m2")],
    "1.2万吨标准煤": [(1.2, None, "万吨标准煤")],
    "下降5个百分点": [(5, None, "个百分点")],
}


@pytest.mark.parametrize(("text", "numbers"), NUMBERS.items(), ids=NUMBERS)
def test_numbers_of_a_text(text: str, numbers: list[tuple[float, float | None, str | None]]) -> None:
    document = DocumentText("a.txt", "txt", "0" * 64, (Block(text, number=1),))
    assert [(each.value, each.value_max, each.unit) for each in find_numbers(document)] == numbers

"""Every finding that the reading of a ledger can make, in one table; those of a register's own checks come after it."""

from __future__ import annotations

from typing import Final

from dafeng.base.finding import Severity
from dafeng.catalog.ledger_schemas import Register
from dafeng.intake.problems import Kind

__all__ = ["LEDGER_KINDS", "check_name", "kinds_of"]


def _lost(sentence: str, expected: str, next_step: str) -> Kind:
    """Return a problem that leaves the value of a cell out; the row goes on."""
    return Kind(sentence, expected, next_step, Severity.ERROR, False)


def _warn(sentence: str, expected: str, next_step: str) -> Kind:
    return Kind(sentence, expected, next_step, Severity.WARNING, False)


_CELL: Final = "改正这一格后重新导入；其余各列已按所填记入"
LEDGER_KINDS: Final[dict[str, Kind]] = {
    "ledger.key.missing": Kind("这一行没有可作标识的内容（{detail}）", "{detail} 至少一项", "补上后重新导入"),
    "ledger.key.digits-lost": Kind("编码「{value}」已被表格软件改成科学记数，后面的数字丢了", "按文本保存的完整编码", "把该列设为文本格式，重新填写编码"),
    "ledger.row.required": Kind("必填的「{detail}」没有填或没有读懂", "每行都填「{detail}」", "补上后重新导入"),
    "ledger.row.shifted": Kind("这一行有 {detail} 格与列不符（如「{value}」），像是整行错位", "各格与列名对应", "核对这一行是否左移或右移了一格"),
    "ledger.row.disagree": Kind("同一对象有几行内容不同：{detail}", "一个对象一行", "核对后只留正确的一行"),
    "ledger.row.duplicate": Kind("有与前面完全相同的行，只记一次（如第 {detail} 行）", "一个对象一行", "删去重复的行", Severity.INFO, False),
    "ledger.row.total": Kind("「{value}」是合计之类的行，已另置", "一个对象一行", "合计由程序另算", Severity.INFO, False),
    "ledger.number.not-a-number": _lost("「{detail}」的「{value}」不是数", "一个数", _CELL),
    "ledger.number.range": _lost("「{detail}」的「{value}」是一个区间", "一个数", _CELL),
    "ledger.number.bound": _lost("「{detail}」的「{value}」是界限，不是实际值", "一个数", _CELL),
    "ledger.number.formula-error": _lost("「{detail}」是公式错误 {value}", "公式能算出的值", "在表格软件中改正公式后重新保存"),
    "ledger.number.unknown-unit": _lost("「{detail}」的「{value}」带有与该列不符的单位", "与列名相同量纲的单位", _CELL),
    "ledger.number.doubled-scale": _lost("「{detail}」的「{value}」已带万、亿，列名的单位又带万、亿，不知是否重复", "只在一处写万、亿", _CELL),
    "ledger.number.negative": _lost("「{detail}」不能为负：{value}", "不小于 0 的数", _CELL),
    "ledger.number.zero-area": _lost("「{detail}」为 0，不会是实际面积", "大于 0 的面积；不知道的留空", _CELL),
    "ledger.number.fraction-among-percent": _lost("「{detail}」的「{value}」夹在百分数之间，不知是小数还是百分之零点几", "统一写百分数，如 35", _CELL),
    "ledger.number.estimate": _warn("「{detail}」的「{value}」是约数，按所写的数记入", "确数", "有确数时更正"),
    "ledger.number.footnote-mark": _warn("「{detail}」的「{value}」带有注号，已去掉", "不带注号的数", "核对脚注"),
    "ledger.number.scale-10000": _warn("「{detail}」的「{value}」与平方米不称，疑以万平方米填写（或相反），按所填记入", "以列名所写的单位填写", "核对单位：差一万倍的改正后重新导入"),
    "ledger.number.share-above-100": _warn("「{detail}」超过 100%：{value}", "0 至 100", "核对数值"),
    "ledger.number.unusual-year": _warn("「{detail}」的「{value}」不像年份", "四位年份", "核对数值"),
    "ledger.date.unknown": _lost("「{detail}」的「{value}」读不懂", "如 2024-05-01、2024.5.1、2024年5月", _CELL),
    "ledger.date.year-only": _warn("「{detail}」只有年份（{value}），按该年 1 月 1 日记入", "年-月-日", "有确切日期时更正；只按年统计则不受影响"),
    "ledger.date.too-early": _lost("「{detail}」的「{value}」早于 1900 年", "实际日期", _CELL),
    "ledger.date.future": _warn("「{detail}」的「{value}」晚于导入之日，像是计划日期", "已发生的日期", "核对；计划日期不宜填在实际日期列"),
    "ledger.yes-no.unknown": _lost("「{detail}」的「{value}」不是“是”或“否”", "是、否（√、×、有、无、1、0 也可）", _CELL),
    "ledger.choice.unknown": _lost("「{value}」不是可选项：{detail}", "{detail}", _CELL),
    "ledger.place.unknown": _lost("所在地「{value}」不认识，相近的有：{detail}", "目录中的区划名称、代码或别名", "用 dafeng catalog places 查出名称后改正"),
    "ledger.place.ambiguous": _lost("所在地「{value}」有多个：{detail}", "只对应一个地方的名称", "写全称或区划代码"),
    "ledger.place.only-zone": _warn("「{value}」是功能区，不是行政区：区县不明，{detail}", "行政区与功能区分别填写", "补填所在区县"),
    "ledger.place.zone-elsewhere": _warn("功能区「{value}」不在所填的行政区内（{detail}）", "相互重叠的行政区与功能区", "核对两列"),
    "ledger.place.outside": _warn("所在地「{value}」不属于{detail}，汇总时不计入", "本地的区划", "核对；报错地方的移交当地"),
    "ledger.place.not-then": _warn("所在地「{value}」是已撤并的地方（{detail}）", "现行区划", "核对；仍按所填记入"),
    "ledger.cell.formula-without-value": _lost("「{detail}」是公式 {value}，文件中没有存下结果", "数值或带结果的公式", "打开并保存一次，或改为数值"),
    "ledger.cell.formula": _warn("有公式，用了文件中存下的结果（{detail}）", "直接填写的值", "核对公式；正式上报时改为值"),
    "ledger.cell.merged-number": _warn("「{detail}」的数值格是合并的，只记在第一行", "每行一个数", "取消合并，逐行填写"),
}  # fmt: skip
"""All problems of a ledger by name, apart from those of checks."""


def check_name(register: str, check: str) -> str:
    """Return the name of the findings of a register's check.

    Examples
    --------
    >>> check_name("old_towns", "dates-in-order")
    'ledger.old-towns.dates-in-order'
    """
    return f"ledger.{register.replace('_', '-')}.{check}"


def kinds_of(register: Register) -> dict[str, Kind]:
    """Return all problems that the rows of a register can have; an error of a check refuses the row."""
    own = {
        check_name(register.id, check.id): Kind(
            check.sentence,
            "各项相互符合",
            check.next_step or "核对所列各格后重新导入",
            Severity(check.severity),
            check.severity == Severity.ERROR,
        )
        for check in register.checks
    }
    return LEDGER_KINDS | own

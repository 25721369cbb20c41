"""Every finding that the reading of a returned form can make, in one table."""

from __future__ import annotations

from typing import Final

from dafeng.base.finding import Finding, Location, Severity
from dafeng.intake.problems import Kind

__all__ = ["FORM_KINDS", "say"]


def _warn(sentence: str, expected: str, next_step: str) -> Kind:
    return Kind(sentence, expected, next_step, Severity.WARNING, False)


def _info(sentence: str, expected: str, next_step: str) -> Kind:
    return Kind(sentence, expected, next_step, Severity.INFO, False)


_AGAIN: Final = "改正后重新报送；同表其他各行已按所填记入"
_WHOLE: Final = "用发给本单位的本期表单填报；这份文件没有采用"
FORM_KINDS: Final[dict[str, Kind]] = {
    "form.file.no-issue": Kind("认不出这是哪一份表单：编号、行码都不见了", "dafeng 发出的表单", "请用原表单填报"),
    "form.file.no-table": Kind("没有找到填报的列（行码、本期值）", "原表单的列", "请用原表单填报，列名不要改"),
    "form.file.old-format": _warn("{value} 文件里看不出公式、合并的格、隐藏的行列和批注，百分比格式的数是原始小数", "XLSX", "核对各数；以后请原样交回 XLSX"),
    "form.issue.other-subject": Kind("这是{value}的表单，应为{detail}的", "表单所问的对象", _WHOLE),
    "form.issue.twice": _warn("同一份表单一次交回两个文件：{value} 代替了 {detail}，两处不同的数以 {value} 为准", "每份表单一个文件", "核对哪一个文件是最后的；以最后的为准再报一次"),
    "form.issue.other-body": Kind("这是{value}的表单，应为{detail}的", "发给本单位的表单", _WHOLE),
    "form.issue.other-period": Kind("这是{value}的表单，应为{detail}的", "本期的表单", _WHOLE),
    "form.issue.other-place": Kind("表头的地区写作「{value}」，这份表单问的是{detail}", "表单所问的地区", _WHOLE),
    "form.issue.unknown": Kind("表单 {value} 不在所发的表单之中", "所发的表单之一", _WHOLE),
    "form.issue.other-version": _warn("表单版本是 {value}，现行版本是 {detail}：按行码能对上的各行已读，对不上的未采用", "现行版本", "用新表单补报其余各行"),
    "form.issue.from-cells": _warn("隐藏的工作表不见了，按表上的编号和行码认出了表单 {value}", "未删工作表的原表单", "核对；以后请勿删除隐藏的工作表"),
    "form.issue.self-stated": _info("没有给出所发表单的清单，按文件自带的内容读取", "所发表单的清单", "核对报告期与填报单位"),
    "form.column.missing": Kind("缺少「{value}」列，{detail}", "原表单的各列", "补上这一列后重新报送"),
    "form.column.lost": _warn("缺少「{value}」列，{detail}", "原表单的各列", "核对；以后请勿删列"),
    "form.column.repeated": Kind("「{value}」列出现两次，后一列未采用", "每列一次", "删去一列后重新报送"),
    "form.column.doubtful": Kind("列码与列名对不上（列名是「{value}」，列码是「{detail}」的），这一列未采用", "列码、列名指同一项", "恢复这一列的列码与列名后重新报送"),
    "form.column.hidden": _warn("有隐藏的行或列，仍按可见读取", "没有隐藏行列的表", "取消隐藏后核对"),
    "form.sheet.hidden": _warn("填报的工作表「{value}」被隐藏，仍按可见读取", "可见的工作表", "取消隐藏后核对"),
    "form.sheet.other": _warn("工作表「{value}」不是表单的，其中 {detail} 格未采用", "表单原有的工作表", "所填的数请移到填报表的本期值列"),
    "form.row.added": Kind("这一行不是表单的（{value}），未采用：{detail}", "表单所列的各行", "确需增报的，请发表单位在目录中增加后另行发表"),
    "form.row.foreign": Kind("行码「{value}」不是这份表单的，像是从别的表单粘贴的，未采用", "本表单的行码", _AGAIN),
    "form.row.doubtful": Kind("行码与{detail}对不上（{value}），不知这一行的数是谁的，未采用", "行码、指标代码、指标名称指同一项", "恢复这一行的代码与名称后重新报送"),
    "form.row.nobody": Kind("不知这一行是谁的（{value}）：{detail}，未采用", "每行的对象代码与名称，代码按文本填写", "补全或更正代码、名称后重新报送"),
    "form.row.shifted": Kind("这一段的数像是错了行：{detail}，未采用", "每个数填在自己的行", "核对各行，把数移回自己的行后重新报送"),
    "form.row.by-code": _warn("没有行码，按{detail}认出是「{value}」", "行码不动", "核对这一行"),
    "form.row.duplicate": _info("「{value}」出现两次，两处相同，只记一次（另一处在 {detail}）", "每项一行", "删去重复的行"),
    "form.row.disagree": Kind("「{value}」出现两次且不相同（另一处在 {detail}），都未采用", "每项一行", "核对后只留正确的一行"),
    "form.value.not-a-number": Kind("「{value}」不是数（{detail}）", "一个数；没有的留空并选缺失原因", _AGAIN),
    "form.value.range": Kind("「{value}」是一个区间，不是一个数（{detail}）", "一个数", _AGAIN),
    "form.value.bound": Kind("「{value}」是界限，不是实际值（{detail}）", "一个数", _AGAIN),
    "form.value.formula-error": Kind("单元格是公式错误 {value}（{detail}）", "数值", "改正公式后重新保存、报送"),
    "form.value.formula-without-value": Kind("单元格是公式 {value}，文件中没有存下结果（{detail}）", "数值", "在表格软件中打开并保存一次，或改为数值"),
    "form.value.formula": _warn("单元格是公式，用了文件中存下的结果 {value}（{detail}）", "直接填写的数", "核对公式；以后请填数值"),
    "form.value.estimate": _warn("「{value}」是约数，按估计记入（{detail}）", "确数", "有确数时更正"),
    "form.value.footnote-mark": _warn("「{value}」带有注号，已去掉（{detail}）", "不带注号的数", "注写在备注列"),
    "form.value.written-unit": _warn("「{value}」带有单位，已换算（{detail}）", "不带单位的数", "核对换算；以后只填数"),
    "form.value.scaled": _warn("「{value}」带有万、亿，已化为 {detail}", "按单位栏的单位填数", "核对；以后只填数"),
    "form.value.doubled-scale": Kind("「{value}」已带万、亿，单位（{detail}）又带万、亿，不知是否重复", "只填数，单位见单位栏", _AGAIN),
    "form.value.wrong-unit": Kind("「{value}」的单位与这一项不符（{detail}）", "单位栏所写的单位", _AGAIN),
    "form.value.not-finite": Kind("数值过大，无法表示：{value}", "有限的数", _AGAIN),
    "form.value.below-minimum": Kind("数值低于下限：{value}（{detail}）", "{detail}", _AGAIN),
    "form.value.above-maximum": Kind("数值高于上限：{value}（{detail}）", "{detail}", _AGAIN),
    "form.value.unusual": _warn("数值不在常见范围：{value}（{detail}）", "{detail}", "核对数值与单位；确实无误请在备注说明"),
    "form.value.fraction-among-percent": Kind("{value} 乘以 100 才与上期（{detail}）相称：应是小数形式，未采用也不作换算", "百分数，如 65", _AGAIN),
    "form.value.looks-like-fraction": _warn("单位是 %，所填 {value} 不大于 1：可能是小数形式，未作换算", "百分数，如 65", "核对；确为百分之零点几则不必处理"),
    "form.value.unit-slip": _warn("{value} 与上期相差约一个整的数量级（{detail}），像是单位填错，未作换算", "与上期相称的数", "核对单位；确实无误请在备注说明"),
    "form.value.jump": _info("{value} 与上期相差一半以上（{detail}），备注没有说明", "与上期相称的数，或备注中的说明", "核对；确实无误请在备注说明原因"),
    "form.value.merged": Kind("「{value}」所在的格是合并的（{detail}），不知该数属于哪一行", "每格一个数", "取消合并，逐行填写"),
    "form.value.not-an-option": Kind("「{value}」不是可选项：{detail}", "{detail}", _AGAIN),
    "form.value.code-length": _warn("「{value}」的位数不对（{detail}）", "完整的代码，按文本填写", "核对代码"),
    "form.value.not-a-date": Kind("「{value}」不是日期（{detail}）", "如 2024-05-01", _AGAIN),
    "form.value.and-reason": Kind("「{detail}」既填了数 {value} 又选了缺失原因", "二者只有其一", _AGAIN),
    "form.value.blank": _warn("「{detail}」没有填，也没有写明原因", "一个数，或缺失原因", "补报；确实没有的选缺失原因"),
    "form.unit.changed": _warn("单位被改为「{value}」（原为 {detail}），按所改的单位换算", "不改单位栏", "核对换算后的数"),
    "form.unit.unknown": Kind("单位被改为「{value}」，与 {detail} 不能换算，这一行未采用", "原表单的单位", _AGAIN),
    "form.reason.unknown": Kind("缺失原因「{value}」不认识（{detail}）", "下拉表中的原因；说明写在备注列", _AGAIN),
    "form.cell.wrong-column": Kind("「{value}」填在「{detail}」列，像是本期值，未采用", "数填在本期值列", "移到本期值列后重新报送"),
    "form.cell.last-changed": _warn("上期值被改为「{value}」（原为 {detail}），未采用", "不改上期值", "更正上期的数请用上期的表单另报"),
    "form.cell.print-changed": _warn("印好的文字被改为「{value}」（原为 {detail}），仍按行码读取", "不改印好的文字", "核对这一行"),
    "form.cell.remark": _warn("格上有批注「{value}」，未读作填报", "说明写在备注列", "批注中有用的内容填入本期值或备注列"),
    "form.cell.stray": _warn("「{value}」不在任何填报格中，未采用", "填报格以内", "有用的内容移到填报格或备注列"),
    "form.head.blank": _info("表头「{detail}」没有填", "填写完整的表头", "补填"),
    "form.check.failed": _warn("表内关系不成立：{value}（{detail}）", "{value}", "核对相关各行；确实无误请在备注说明"),
}  # fmt: skip
"""All problems of a returned form by name; those that refuse take the figure out of the return."""


def say(name: str, *, file: str, sheet: str = "", cell: str = "", value: str = "", detail: str = "") -> Finding:
    """Return a finding of a returned form.

    Examples
    --------
    >>> say("form.value.range", file="a.xlsx", cell="G9", value="8-10", detail="供水总量").sentence
    '「8-10」是一个区间，不是一个数（供水总量）'
    """
    kind = FORM_KINDS[name]

    def filled(text: str) -> str:
        return text.replace("{value}", value).replace("{detail}", detail or "无")

    return Finding(
        name=name,
        sentence=filled(kind.sentence),
        severity=kind.severity,
        value=value,
        expected=filled(kind.expected),
        next_step=filled(kind.next_step),
        where=Location(file=file, sheet=sheet, cell=cell),
    )

"""Forms of the yearly report."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dafeng.web.october.services import LONGEST
from dafeng.web.people.models import Organisation

__all__ = ["AskForm", "BeginForm", "FreezeForm", "JudgeForm", "SettleForm", "TextForm"]


def _day(label: Any, *, required: bool = True, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        help_text=help_text,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class BeginForm(forms.Form):
    """Plan, year and day of a new report."""

    plan = forms.ChoiceField(label=_("方案"))
    year = forms.IntegerField(label=_("年度"), min_value=2015, max_value=2100)
    as_of = _day(_("数据截至"))

    def __init__(self, *args: Any, plans: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan"] = forms.ChoiceField(label=_("方案"), choices=plans)


class SettleForm(forms.Form):
    """What is settled for the whole paper."""

    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    as_of = _day(_("数据截至"))
    day = _day(_("成文日期"), required=False, help_text=_("留空则由承办人填写"))
    signer = forms.CharField(label=_("署名单位"), required=False, max_length=120, help_text=_("留空则按目录填写"))
    addressee = forms.CharField(label=_("主送机关"), required=False, max_length=120)
    contact = forms.CharField(label=_("联系人及电话"), required=False, max_length=120)


class TextForm(forms.Form):
    """Words with the version on which they rest."""

    text = forms.CharField(
        label=_("正文"),
        required=False,
        max_length=LONGEST,
        help_text=_("每行一段；只写文字，格式由系统按公文要求排。"),
        widget=forms.Textarea(attrs={"rows": 14}),
    )
    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class AskForm(forms.Form):
    """Which organisations are to write what until when."""

    key = forms.ChoiceField(label=_("部分"))
    organisations = forms.ModelMultipleChoiceField(label=_("单位"), queryset=Organisation.objects.none())
    due_on = _day(_("期限"))
    asks = forms.CharField(label=_("要求"), required=False, max_length=400, help_text=_("留空则用该部分的说明"))

    def __init__(self, *args: Any, parts: list[tuple[str, str]], rows: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"] = forms.ChoiceField(label=_("部分"), choices=parts)
        self.fields["organisations"] = forms.ModelMultipleChoiceField(
            label=_("单位"), queryset=rows, widget=forms.CheckboxSelectMultiple
        )


class JudgeForm(forms.Form):
    """Whether a contribution is good."""

    decision = forms.ChoiceField(choices=[("accept", ""), ("return", "")])
    reason = forms.CharField(label=_("退回原因"), required=False, max_length=1000)


class FreezeForm(forms.Form):
    """Why another edition."""

    remark = forms.CharField(label=_("更正说明（再次冻结时必填）"), required=False, max_length=1000)

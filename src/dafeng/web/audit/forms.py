"""The form that filters the audit log."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

__all__ = ["FilterForm"]


def _day(label: object) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))  # type: ignore[arg-type]


class FilterForm(forms.Form):
    """What entries are to be shown."""

    action = forms.CharField(label=_("操作"), required=False, max_length=60)
    who = forms.CharField(label=_("人员"), required=False, max_length=60)
    subject = forms.CharField(label=_("对象类别"), required=False, max_length=60)
    subject_id = forms.CharField(label=_("对象编号"), required=False, max_length=120)
    since = _day(_("自"))
    until = _day(_("至"))

"""Forms: what comes in is checked here for its shape, and by the services for what it means."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from dafeng.web.house import house
from dafeng.web.plans.models import TaskState
from dafeng.web.plans.services import DOCUMENT_ENDINGS
from dafeng.web.plans.task_services import REPORTED_STATES

__all__ = ["DueForm", "EvidenceForm", "HandInForm", "NoteForm", "OrderForm", "ReasonForm", "described"]


def described(form: forms.Form) -> forms.Form:
    """Return a form whose faulty inputs say so to a screen reader and point at their message."""
    for name in form.errors:
        if name in form.fields:
            form.fields[name].widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}
    return form


def _text(rows: int = 3) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "maxlength": 4000})


def _day() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class HandInForm(forms.Form):
    """A plan document with the place for which it plans."""

    file = forms.FileField(
        label=_("方案文件"),
        help_text=_("Word、PDF（带文字）、网页或文本；扫描件不能读取。"),
        widget=forms.FileInput(attrs={"accept": ",".join(DOCUMENT_ENDINGS)}),
    )
    place = forms.ChoiceField(label=_("地方"))
    plan = forms.CharField(
        label=_("方案编号"),
        required=False,
        max_length=100,
        help_text=_("小写字母、数字和连字符；不填则由地方和年份组成。同一编号的新文件成为新版本。"),
    )

    def __init__(self, *args: Any, places: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = house().catalog.places
        inside = sorted((place for place in known if place.id in places), key=lambda one: (one.level.rank, one.id))
        field = self.fields["place"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(place.id, place.name) for place in inside]

    def clean_plan(self) -> str:
        """Return the id without white space."""
        return str(self.cleaned_data["plan"]).strip()


class NoteForm(forms.Form):
    """How far a task has come."""

    state = forms.ChoiceField(
        label=_("状态"), choices=[(state.value, state.label) for state in TaskState if state in REPORTED_STATES]
    )
    percent = forms.IntegerField(label=_("完成比例（%）"), min_value=0, max_value=100)
    text = forms.CharField(label=_("进展情况"), max_length=4000, widget=_text())


class DueForm(forms.Form):
    """A day by which a task is to be done, and why it differs from the plan's."""

    due_on = forms.DateField(label=_("办理期限"), required=False, widget=_day(), help_text=_("留空则恢复方案的期限。"))
    reason = forms.CharField(label=_("理由"), max_length=300, widget=_text(2))


class OrderForm(forms.Form):
    """A supervision order."""

    organisation = forms.ChoiceField(label=_("督办单位"))
    demand = forms.CharField(label=_("督办事项"), max_length=4000, widget=_text())
    answer_by = forms.DateField(label=_("答复期限"), widget=_day())

    def __init__(self, *args: Any, organisations: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["organisation"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(str(key), name) for key, name in organisations]


class EvidenceForm(forms.Form):
    """A file that proves something."""

    accept: ClassVar = ".pdf,.png,.jpg,.jpeg,.docx,.xlsx,.doc,.xls,.txt,.csv"
    file = forms.FileField(
        label=_("证明材料"),
        help_text=_("PDF、PNG、JPEG、Word、Excel、TXT、CSV。"),
        widget=forms.FileInput(attrs={"accept": accept}),
    )


class ReasonForm(forms.Form):
    """A reason."""

    reason = forms.CharField(label=_("理由"), max_length=300, widget=_text(2))

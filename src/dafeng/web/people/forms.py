"""Forms of people: they say what is wrong at its field; services decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dafeng.web.access.actions import ACTION_NAMES, ROLE_NAMES, Role
from dafeng.web.access.reach import Reach
from dafeng.web.house import house
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.web.people.selectors import place_choices
from dafeng.web.people.tokens import FOR_TOKENS, LONGEST

__all__ = [
    "CodeForm", "CurrentPasswordForm", "DeputyForm", "GrantForm", "OrganisationForm", "PersonForm", "SignInForm", "TokenForm",
    "UploadForm",
]  # fmt: skip


class SignInForm(AuthenticationForm):
    """Name and password; what is wrong with them is not said apart."""

    error_messages = {  # noqa: RUF012
        "invalid_login": _("用户名或密码不对，或账号已停用。"),
        "inactive": _("用户名或密码不对，或账号已停用。"),
    }

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = _("用户名")
        self.fields["username"].widget.attrs.update(autocomplete="username", autofocus=True)
        self.fields["password"].label = _("密码")


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label=_("新密码"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "至少12位，含大写字母、小写字母、数字、其他符号中的三类；不能是常见密码，也不能与用户名、姓名相近。"
        ),
    )
    again = forms.CharField(
        label=_("再输一次"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        """Check a password by the rules of the house."""
        password: str = self.cleaned_data["password"]
        password_validation.validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        """Check that both are the same."""
        said = super().clean() or {}
        if said.get("password") and said.get("again") and said["password"] != said["again"]:
            self.add_error("again", _("两次输入不一致。"))
        return said


class CurrentPasswordForm(NewPasswordForm):
    """The present password and a new one."""

    current = forms.CharField(
        label=_("现用密码"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("current", "password", "again")

    def clean_current(self) -> str:
        """Check the present password."""
        current: str = self.cleaned_data["current"]
        if not self.user.check_password(current):
            raise forms.ValidationError(_("现用密码不对。"))
        return current


class CodeForm(forms.Form):
    """A code of the second factor, or a recovery code."""

    code = forms.CharField(
        label=_("动态口令"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "spellcheck": "false"}),
    )


class OrganisationForm(forms.ModelForm):  # type: ignore[type-arg]
    """An organisation within reach."""

    place = forms.ChoiceField(label=_("地方"))

    class Meta:
        """What can be changed."""

        model = Organisation
        fields = ("name", "kind", "place", "parent", "body", "code")

    def __init__(self, reach: Reach, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = reach.places("people.manage")
        self.fields["place"].choices = place_choices(places)  # type: ignore[attr-defined]
        self.fields["code"].required = False
        self.fields["code"].help_text = _("字母、数字和连字符；不填则自动编号。")
        self.fields["parent"].label = _("上级单位")
        self.fields["parent"].queryset = _with_present(  # type: ignore[attr-defined]
            Organisation.objects.filter(place__in=places, active=True).exclude(pk=self.instance.pk),
            self.instance.parent_id,
        )
        self.fields["parent"].empty_label = _("（无）")  # type: ignore[attr-defined]
        bodies = [(body.id, body.name) for body in house().catalog.bodies.values() if body.place in places]
        present = self.instance.body
        if present and present not in dict(bodies):
            bodies.append((present, present))
        self.fields["body"] = forms.ChoiceField(
            label=_("方案中的责任单位"), choices=[("", _("（不对应）")), *bodies], required=False
        )


def _with_present(rows: Any, present: int | None) -> Any:
    return rows if present is None else rows | Organisation.objects.filter(pk=present)


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person within reach."""

    class Meta:
        """What can be changed."""

        model = User
        fields = ("username", "name", "organisation", "email", "phone", "needs_second_factor")

    def __init__(self, reach: Reach, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Organisation.objects.filter(place__in=reach.places("people.manage"), active=True)
        self.fields["organisation"].queryset = _with_present(rows, self.instance.organisation_id)  # type: ignore[attr-defined]
        self.fields["organisation"].required = True
        self.fields["needs_second_factor"].help_text = _("管理员、方案负责人、审核员等角色按规定必须使用。")


def _day(label: Any, **fields: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **fields)


class GrantForm(forms.Form):
    """A role at an organisation over a place."""

    role = forms.ChoiceField(label=_("角色"), choices=[(role.value, ROLE_NAMES[role]) for role in Role])
    organisation = forms.ModelChoiceField(label=_("以哪个单位的身份"), queryset=Organisation.objects.none())
    place = forms.ChoiceField(label=_("范围（含其下级）"))
    starts_on = _day(_("自"))
    ends_on = _day(_("至（不含当日）"), required=False, help_text=_("不填则长期有效，直到收回。"))

    def __init__(self, reach: Reach, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = reach.places("people.manage")
        rows = Organisation.objects.filter(place__in=places, active=True)
        self.fields["organisation"].queryset = rows  # type: ignore[attr-defined]
        self.fields["place"].choices = place_choices(places)  # type: ignore[attr-defined]
        self.fields["starts_on"].initial = house().today()
        if user.organisation is not None:
            self.fields["organisation"].initial = user.organisation_id
            self.fields["place"].initial = user.organisation.place


class DeputyForm(forms.Form):
    """Who acts for oneself, under which grant, from when to when."""

    grant = forms.ModelChoiceField(label=_("代理哪项授权"), queryset=Grant.objects.none())
    deputy = forms.ModelChoiceField(label=_("代理人"), queryset=User.objects.none())
    starts_on = _day(_("自"))
    ends_on = _day(_("至（不含当日）"))

    def __init__(self, user: User, grants: Any, colleagues: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["grant"].queryset = grants  # type: ignore[attr-defined]
        self.fields["deputy"].queryset = colleagues  # type: ignore[attr-defined]
        here = house()
        self.fields["grant"].label_from_instance = lambda row: (  # type: ignore[attr-defined]
            f"{row.get_role_display()} · {row.organisation.name} · {here.catalog.place_name(row.place)}"
        )
        self.fields["deputy"].label_from_instance = lambda row: f"{row.name}（{row.organisation.name}）"  # type: ignore[attr-defined]
        self.fields["starts_on"].initial = here.today()
        self.fields["ends_on"].initial = here.today() + timedelta(days=14)


class TokenForm(forms.Form):
    """A token: what for, which actions, how long."""

    name = forms.CharField(label=_("用途"), max_length=80)
    actions = forms.MultipleChoiceField(label=_("允许的操作"), widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(label=_("有效天数"), min_value=1, max_value=LONGEST.days, initial=90)

    def __init__(self, reach: Reach, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = [(name, title) for name, title in ACTION_NAMES.items() if name in FOR_TOKENS and reach.can(name)]
        self.fields["actions"].choices = own  # type: ignore[attr-defined]


class UploadForm(forms.Form):
    """A list as XLSX or CSV."""

    file = forms.FileField(label=_("文件（XLSX 或 CSV）"))

"""Rules of passwords beyond Django's."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

__all__ = ["ThreeKindsValidator"]


class ThreeKindsValidator:
    """At least three kinds of characters of four, as 等保 asks of a complex password (GB/T 22239-2019, 8.1.4.1)."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise where fewer than three kinds are there.

        Raises
        ------
        ValidationError
            It is too simple.
        """
        tests = (str.islower, str.isupper, str.isdigit, lambda sign: not sign.isalnum())
        kinds = sum(any(test(sign) for sign in password) for test in tests)
        if kinds < 3:
            raise ValidationError(self.get_help_text(), code="password_too_simple")

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return _("密码须含大写字母、小写字母、数字、其他符号中的三类。")

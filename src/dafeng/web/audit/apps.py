"""The app as Django knows it."""

from django.apps import AppConfig


class Audit(AppConfig):
    """The audit log: append-only, chained by hashes."""

    name = "dafeng.web.audit"
    label = "audit"

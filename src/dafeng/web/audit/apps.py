"""The app as Django knows it."""

from importlib import import_module

from django.apps import AppConfig


class Audit(AppConfig):
    """The audit log."""

    name = "dafeng.web.audit"
    label = "audit"

    def ready(self) -> None:
        """Register what the worker does."""
        import_module("dafeng.web.audit.handlers")

"""The app as Django knows it."""

from importlib import import_module

from django.apps import AppConfig


class Returns(AppConfig):
    """The reporting cycle: forms, drafts, submissions, reviews, sealing."""

    name = "dafeng.web.returns"
    label = "returns"

    def ready(self) -> None:
        """Register what the outbox does."""
        import_module("dafeng.web.returns.handlers")

"""The app as Django knows it."""

from importlib import import_module

from django.apps import AppConfig


class October(AppConfig):
    """The yearly report: contributions, narrative, freezing."""

    name = "dafeng.web.october"
    label = "october"

    def ready(self) -> None:
        """Register what the worker does."""
        import_module("dafeng.web.october.handlers")

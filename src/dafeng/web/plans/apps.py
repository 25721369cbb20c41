"""The app as Django knows it."""

from importlib import import_module

from django.apps import AppConfig


class Plans(AppConfig):
    """Plans: documents, review of their reading, tasks."""

    name = "dafeng.web.plans"
    label = "plan_work"

    def ready(self) -> None:
        """Register what the worker does."""
        import_module("dafeng.web.plans.handlers")

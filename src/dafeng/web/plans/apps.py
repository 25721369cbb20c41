"""The app as Django knows it."""

from django.apps import AppConfig


class Plans(AppConfig):
    """Plans: documents, review of their reading, tasks."""

    name = "dafeng.web.plans"
    label = "plan_work"

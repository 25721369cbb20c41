"""The app as Django knows it."""

from django.apps import AppConfig


class Jobs(AppConfig):
    """Background runs: leased, fenced, cancellable."""

    name = "dafeng.web.jobs"
    label = "jobs"

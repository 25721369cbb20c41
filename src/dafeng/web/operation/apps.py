"""The app as Django knows it."""

from django.apps import AppConfig


class Operation(AppConfig):
    """Operation: health, backup, self-check, logs."""

    name = "dafeng.web.operation"
    label = "operation"

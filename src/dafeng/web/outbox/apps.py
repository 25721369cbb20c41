"""The app as Django knows it."""

from django.apps import AppConfig


class Outbox(AppConfig):
    """What is to be published into the workspace, delivered exactly once."""

    name = "dafeng.web.outbox"
    label = "outbox"

"""The app as Django knows it."""

from django.apps import AppConfig


class Api(AppConfig):
    """The programming interface."""

    name = "dafeng.web.api"
    label = "api"

"""The app as Django knows it."""

from django.apps import AppConfig


class October(AppConfig):
    """The yearly report: contributions, narrative, freezing."""

    name = "dafeng.web.october"
    label = "october"

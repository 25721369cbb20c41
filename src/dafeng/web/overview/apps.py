"""The app as Django knows it."""

from django.apps import AppConfig


class Overview(AppConfig):
    """The first page, the target list and the public page."""

    name = "dafeng.web.overview"
    label = "overview"

"""The app as Django knows it."""

from django.apps import AppConfig


class Returns(AppConfig):
    """The reporting cycle: forms, drafts, submissions, reviews, sealing."""

    name = "dafeng.web.returns"
    label = "returns"

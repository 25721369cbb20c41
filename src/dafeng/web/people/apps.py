"""The app as Django knows it."""

from django.apps import AppConfig


class People(AppConfig):
    """People, organisations, grants, sign-in."""

    name = "dafeng.web.people"
    label = "people"

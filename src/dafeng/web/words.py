"""Names of the vocabulary in the language of the page: content carries Chinese and English, pages choose."""

from __future__ import annotations

from typing import Protocol

from django.utils.translation import get_language

from dafeng.catalog.catalog import Catalog
from dafeng.reports.status_words import state_en, state_zh

__all__ = ["Named", "in_english", "state_word", "word"]


class Named(Protocol):
    """Anything with a Chinese and an English name: a term, a group of states, an indicator."""

    @property
    def zh(self) -> str:
        """Chinese name."""

    @property
    def en(self) -> str:
        """English name, or nothing."""


def in_english() -> bool:
    """Return whether the page is shown in English."""
    return (get_language() or "").startswith("en")


def word(named: Named) -> str:
    """Return a name in the language of the page; Chinese where English is missing.

    Examples
    --------
    >>> from django.utils.translation import override
    >>> from dafeng.reports.status_words import group_of
    >>> with override("en"):
    ...     word(group_of("missed"))
    'missed'
    >>> with override("zh-hans"):
    ...     word(group_of("missed"))
    '未达成'
    """
    return (named.en if in_english() else "") or named.zh


def state_word(catalog: Catalog, status: str) -> str:
    """Return the name of a state of a target in the language of the page.

    Parameters
    ----------
    catalog : Catalog
        Content that holds the vocabulary.
    status : str
        Code of the state, e.g. `off_track`.

    Returns
    -------
    str
        Its name.
    """
    return state_en(catalog, status) if in_english() else state_zh(catalog, status)

"""Template filter for names of the vocabulary."""

from __future__ import annotations

from django import template

from dafeng.web.words import Named, word

__all__ = ["register"]

register = template.Library()


@register.filter
def named(thing: Named) -> str:
    """Return the name of a group of states, a term or an indicator in the language of the page."""
    return word(thing)

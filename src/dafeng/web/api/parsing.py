"""What is read of a request before any operation sees it: strict JSON, and text that a database can keep."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.errors import HttpError
from ninja.parser import Parser

__all__ = ["StrictParser", "check_text", "strict_json"]


def check_text(text: str) -> str:
    """Return a text that every database keeps: without NUL, without half a character.

    Raises
    ------
    ValueError
        It is not such a text.

    Examples
    --------
    >>> check_text("达峰")
    '达峰'
    >>> check_text("a" + chr(0))
    Traceback (most recent call last):
    ...
    ValueError: NUL in a text
    """
    if "\x00" in text:
        raise ValueError("NUL in a text")
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("half a surrogate pair in a text")
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError(f"a key stands twice: {next(name for name in names if names.count(name) > 1)[:60]!r}")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def strict_json(body: bytes) -> Any:
    """Return what JSON says: UTF-8, every key once, numbers that are numbers, texts that can be kept.

    Raises
    ------
    ValueError
        It is not such JSON.
    RecursionError
        It is nested too deep.

    Examples
    --------
    >>> strict_json(b'{"a": 1}')
    {'a': 1}
    >>> strict_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: a key stands twice: 'a'
    """
    text = body.decode("utf-8")
    said = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    if "\\u" in text:
        waiting = [said]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                check_text(one)
            elif isinstance(one, list):
                waiting.extend(one)
            elif isinstance(one, dict):
                waiting.extend(one)
                waiting.extend(one.values())
    return said


class StrictParser(Parser):
    """Reads bodies, queries and forms; refuses what two readers might read differently."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return what the body says."""
        return strict_json(request.body)

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        """Return what a query or a form says; a field that is no list stands once.

        Raises
        ------
        HttpError
            A field stands twice, or holds what no database keeps.
        """
        for name, values in data.lists():
            if len(values) > 1 and name not in list_fields:
                raise HttpError(400, f"字段 {name[:60]} 出现了 {len(values)} 次 / a field stands more than once")
            try:
                for value in (name, *values):
                    if isinstance(value, str):
                        check_text(value)
            except ValueError as error:
                raise HttpError(400, f"{error}") from error
        found: dict[str, Any] = super().parse_querydict(data, list_fields, request)
        return found

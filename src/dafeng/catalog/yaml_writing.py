"""Catalog entries as YAML that a person can read: stable order, one short entry a line, what is at its default left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from dafeng.base.record import Record

__all__ = ["entry_yaml", "sections_yaml"]

_WIDTH: Final = 140


class _Dumper(yaml.SafeDumper):
    """Writes lists indented under their key, and never an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def entry_yaml(entry: Record, *, comment: str = "") -> str:
    """Return one entry as a file of its own, as plans are kept.

    Parameters
    ----------
    entry : Record
    comment : str, optional
        Lines at the head of the file.

    Examples
    --------
    >>> from dafeng.catalog.schemas import Title
    >>> print(entry_yaml(Title(zh="方案", en="plan"), comment="样例"), end="")
    # 样例
    {zh: 方案, en: plan}
    """
    return _head(comment) + _dump(_plain(entry))


def sections_yaml(sections: Mapping[str, Iterable[Record]], *, comment: str = "") -> str:
    """Return entries under their section names, as all other content is kept.

    Examples
    --------
    >>> from dafeng.catalog.schemas import Choice
    >>> print(sections_yaml({"choices": [Choice(code="a", zh="甲")]}), end="")
    choices:
      - {code: a, zh: 甲}
    """
    return _head(comment) + _dump({name: [_plain(entry) for entry in entries] for name, entries in sections.items()})


def _head(comment: str) -> str:
    return "".join(f"# {line}\n" for line in comment.splitlines())


def _plain(entry: Record) -> Any:
    return _pairs(entry.model_dump(mode="json", exclude_defaults=True, by_alias=True))


def _pairs(data: Any) -> Any:
    """Return data with locators as pairs of offsets."""
    if isinstance(data, dict):
        if data.keys() == {"start", "end"}:
            return [data["start"], data["end"]]
        return {name: _pairs(value) for name, value in data.items()}
    return [_pairs(value) for value in data] if isinstance(data, list) else data


def _dump(data: Any) -> str:
    return str(
        yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=None, width=_WIDTH)
    )

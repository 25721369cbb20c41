"""Bring the English of the platform's pages up to date with its code and templates; `--check` only says what is out of date.

The `.po` file is edited by hand; this script adds the strings that are new, drops those that are gone, and writes the `.mo` beside it.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

WEB = Path(__file__).resolve().parents[1] / "src" / "dafeng" / "web"
FOLDER = WEB / "locale" / "en" / "LC_MESSAGES"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # the files are the same whenever they are made


def empty_catalog() -> Catalog:
    """Return a catalog without messages, with the head that the file keeps."""
    return Catalog(
        locale="en",
        project="dafeng",
        version="pages",
        header_comment="# English of the platform's pages. The keys are the Chinese source; see CONTRIBUTING.md.",
        creation_date=_DAY,
        revision_date=_DAY,
        last_translator="dafeng",
        language_team="en",
        msgid_bugs_address="dafeng",
        fuzzy=False,
    )


def wanted() -> Catalog:
    """Return the strings of all code and templates, with the files that show them."""
    catalog = empty_catalog()
    for path in sorted([*WEB.rglob("*.py"), *(WEB / "templates").rglob("*.html")]):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            text = "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).splitlines())
        where = path.relative_to(WEB).as_posix()
        for _line, found, _comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            catalog.add(found, locations=[(where, 0)], context=context)
    return catalog


def kept(path: Path) -> Catalog:
    """Return what a `.po` file holds."""
    if not path.exists():
        return empty_catalog()
    with path.open("rb") as stream:
        return read_po(stream, locale="en")


def shown(path: Path) -> Catalog:
    """Return what a `.mo` file holds, which is what pages show."""
    with path.open("rb") as stream:
        return read_mo(stream)


def keys(catalog: Catalog) -> set[tuple[str | None, str]]:
    """Return context and source string of every message."""
    return {(one.context, one.id if isinstance(one.id, str) else one.id[0]) for one in catalog if one.id}


def merged(strings: Catalog, translations: Catalog) -> Catalog:
    """Return the strings with the translations that exist for them."""
    for one in strings:
        same = translations.get(one.id, one.context) if one.id else None
        if same is not None:
            one.string = _fitting(one, same)
    return strings


def _fitting(one: Message, same: Message) -> str | tuple[str, ...]:
    """Return a translation in the form the message needs: a plural pair where one is counted, else a sentence."""
    said = _said(same)
    return said[-1] if isinstance(one.id, str) else (said[0], said[-1])


def _said(one: Message) -> tuple[str, ...]:
    return (one.string,) if isinstance(one.string, str) else tuple(one.string or ("",))


def said(catalog: Catalog) -> dict[tuple[str | None, str], tuple[str, ...]]:
    """Return the translation of every message that has one."""
    return {
        (one.context, one.id if isinstance(one.id, str) else one.id[0]): _said(one)
        for one in catalog
        if one.id and all(_said(one))
    }


def compiled(catalog: Catalog) -> bytes:
    """Return the bytes of the `.mo` file of a catalog."""
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """Return the source strings that are not translated yet."""
    return [str(one.id) for one in catalog if one.id and not all(_said(one))]


def main(arguments: list[str]) -> int:
    source, binary = FOLDER / "django.po", FOLDER / "django.mo"
    strings, translations = wanted(), kept(source)
    new, gone = keys(strings) - keys(translations), keys(translations) - keys(strings)
    if "--check" in arguments:
        stale = not binary.exists() or said(shown(binary)) != said(translations)
        print(f"{len(new)} strings new, {len(gone)} gone, .mo {'out of date' if stale else 'up to date'}")
        return int(bool(new or gone or stale))
    catalog = merged(strings, translations)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with source.open("wb") as stream:
        write_po(stream, catalog, width=0, sort_by_file=True, include_lineno=False)
    binary.write_bytes(compiled(kept(source)))
    left = missing(catalog)
    print(f"{len(catalog)} strings, {len(new)} new, {len(gone)} gone, {len(left)} untranslated", *left, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

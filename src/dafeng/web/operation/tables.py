"""The tables of the platform as text, one line a row: the same from SQLite and from PostgreSQL.

Read in one snapshot, written back in one transaction, and compared by count and digest, table by table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections, models, transaction
from django.utils import timezone

from dafeng.base.errors import InputError

__all__ = ["TableDigest", "dump_table", "load_tables", "opened", "snapshot", "table_digests", "tables"]

TableDigest = tuple[int, str]
"""Number of rows, and a digest that does not depend on their order."""
_LEFT_OUT: Final = frozenset({"django_session"})
"""Sessions are not kept: whoever comes to a restored platform signs in anew."""
_ROWS: Final = 500


def tables() -> list[type[models.Model]]:
    """Return the models of all tables, those to which others point first, as far as that goes."""
    found = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in _LEFT_OUT
    ]
    return sorted(found, key=lambda model: model._meta.db_table)


@contextmanager
def opened(settings: Mapping[str, Any], name: str) -> Iterator[str]:
    """Give a further database by settings as Django takes them; yield its alias, which is closed and forgotten at the end."""
    given = {**connections["default"].settings_dict, "OPTIONS": {}, "PORT": "", "HOST": "", "USER": "", "PASSWORD": ""}
    connections.databases[name] = {**given, "CONN_MAX_AGE": 0, **settings}
    try:
        yield name
    finally:
        connections[name].close()
        del connections[name]
        del connections.databases[name]


@contextmanager
def snapshot(using: str) -> Iterator[None]:
    """Hold one state of a PostgreSQL database while it is read; of SQLite a copy is read instead."""
    with transaction.atomic(using=using):
        if connections[using].vendor == "postgresql":
            with connections[using].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.get_default_timezone()).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value


def dump_table(model: type[models.Model], using: str) -> Iterator[bytes]:
    """Yield the rows of a table as lines of JSON, in the order of the primary key."""
    fields = model._meta.concrete_fields
    names = [field.attname for field in fields]
    rows = model._base_manager.using(using).order_by("pk").values_list(*names)
    for row in rows.iterator(chunk_size=2000):
        line = {name: _said(value) for name, value in zip(names, row, strict=True)}
        yield json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def digest_of(lines: Iterable[bytes]) -> TableDigest:
    """Return number and digest of the lines of a table."""
    digests = sorted(hashlib.sha256(line).digest() for line in lines)
    return len(digests), hashlib.sha256(b"".join(digests)).hexdigest()


def table_digests(using: str) -> dict[str, TableDigest]:
    """Return number of rows and digest of every table."""
    return {model._meta.db_table: digest_of(dump_table(model, using)) for model in tables()}


def load_tables(using: str, lines_of: Mapping[str, Iterable[bytes]]) -> None:
    """Fill a database that has no platform in it yet: make the tables, write every row, set the counters of keys.

    Parameters
    ----------
    using : str
    lines_of : mapping from table to lines
        As `dump_table` yields them.

    Raises
    ------
    InputError
        There are rows of the platform already, or a row does not fit.
    """
    call_command("migrate", database=using, interactive=False, verbosity=0)
    found = tables()
    held = [
        model._meta.db_table
        for model in found
        if model._meta.app_label in ("people", "audit") and model._base_manager.using(using).exists()
    ]
    if held:
        raise InputError(
            f"目标数据库里已有平台的数据：{'、'.join(held)} / the database is not empty",
            doing="fill a database",
            expected="空的数据库 / an empty database",
            next_step="换一个空数据库 / name an empty one",
        )
    connection = connections[using]
    with transaction.atomic(using=using), connection.constraint_checks_disabled():
        for model in reversed(found):
            model._base_manager.using(using).all()._raw_delete(using)  # what migrations put in
        for model in found:
            _load(model, using, lines_of.get(model._meta.db_table, ()))
        connection.check_constraints()
    statements = connection.ops.sequence_reset_sql(no_style(), found)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _load(model: type[models.Model], using: str, lines: Iterable[bytes]) -> None:
    connection, fields = connections[using], model._meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({marks})"
    waiting: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for line in lines:
            said = json.loads(line)
            waiting.append(tuple(_prepared(field, said[field.attname], connection) for field in fields))
            if len(waiting) >= _ROWS:
                cursor.executemany(statement, waiting)
                waiting = []
        if waiting:
            cursor.executemany(statement, waiting)


def _prepared(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, models.BinaryField):
        value = bytes.fromhex(value)
    elif not isinstance(field, models.JSONField):
        value = field.to_python(value)
    return field.get_db_prep_save(value, connection)

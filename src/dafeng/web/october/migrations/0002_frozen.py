"""Triggers that refuse to change or remove a frozen report, on SQLite and on PostgreSQL."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_SQLITE = [
    f"CREATE TRIGGER october_no_{what} BEFORE {what.upper()} ON october_frozenreport "
    "BEGIN SELECT RAISE(ABORT, 'a frozen report is never changed'); END"
    for what in ("update", "delete")
]
_POSTGRES = [
    "CREATE FUNCTION october_frozen() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'a frozen report is never changed'; END $$",
    "CREATE TRIGGER october_no_change BEFORE UPDATE OR DELETE ON october_frozenreport "
    "FOR EACH ROW EXECUTE FUNCTION october_frozen()",
]
_DROP_SQLITE = ["DROP TRIGGER october_no_update", "DROP TRIGGER october_no_delete"]
_DROP_POSTGRES = ["DROP TRIGGER october_no_change ON october_frozenreport", "DROP FUNCTION october_frozen()"]


def put_on(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Put the triggers on."""
    for statement in _POSTGRES if editor.connection.vendor == "postgresql" else _SQLITE:
        editor.execute(statement)


def take_off(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Take the triggers off."""
    for statement in _DROP_POSTGRES if editor.connection.vendor == "postgresql" else _DROP_SQLITE:
        editor.execute(statement)


class Migration(migrations.Migration):
    """After the table is there."""

    dependencies = [("october", "0001_initial")]
    operations = [migrations.RunPython(put_on, take_off)]

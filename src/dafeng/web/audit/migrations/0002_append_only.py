"""Triggers that refuse to change or remove a row of the audit log, on SQLite and on PostgreSQL."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_SQLITE = [
    f"CREATE TRIGGER audit_no_{what} BEFORE {what.upper()} ON audit_auditentry "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    for what in ("update", "delete")
]
_POSTGRES = [
    "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry "
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
]
_DROP_SQLITE = ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"]
_DROP_POSTGRES = [
    "DROP TRIGGER audit_no_truncate ON audit_auditentry",
    "DROP TRIGGER audit_no_change ON audit_auditentry",
    "DROP FUNCTION audit_append_only()",
]


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

    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(put_on, take_off)]

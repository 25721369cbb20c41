"""Triggers: what was sent in is never changed or removed, and nobody reviews what they had a hand in."""

from typing import Final

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_FROZEN: Final = (
    "assignment_id", "number", "sheet_id", "content", "answers", "findings", "evidence", "explanation", "reason", "corrects_id",
    "document", "file", "submitted_by_id", "submitted_name", "acting_for", "submitted_at",
)  # fmt: skip
_OWN: Final = (
    "EXISTS (SELECT 1 FROM returns_hand WHERE returns_hand.assignment_id = NEW.assignment_id "
    "AND returns_hand.user_id = NEW.reviewed_by_id)"
)
_SQLITE: Final = [
    f"CREATE TRIGGER returns_frozen BEFORE UPDATE OF {', '.join(_FROZEN)} ON returns_submission WHEN "
    + " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _FROZEN)
    + " BEGIN SELECT RAISE(ABORT, 'a submission is frozen'); END",
    "CREATE TRIGGER returns_decided_once BEFORE UPDATE OF reviewed_by_id, reviewed_at, remark, remarks ON returns_submission "
    "WHEN OLD.reviewed_by_id IS NOT NULL AND (OLD.reviewed_by_id IS NOT NEW.reviewed_by_id "
    "OR OLD.reviewed_at IS NOT NEW.reviewed_at OR OLD.remark IS NOT NEW.remark OR OLD.remarks IS NOT NEW.remarks) "
    "BEGIN SELECT RAISE(ABORT, 'a submission is decided once'); END",
    "CREATE TRIGGER returns_not_ones_own BEFORE UPDATE OF reviewed_by_id ON returns_submission "
    f"WHEN NEW.reviewed_by_id IS NOT NULL AND {_OWN} "
    "BEGIN SELECT RAISE(ABORT, 'nobody reviews what they had a hand in'); END",
]
_POSTGRES: Final = [
    "CREATE FUNCTION returns_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF ({', '.join('OLD.' + name for name in _FROZEN)}) IS DISTINCT FROM ({', '.join('NEW.' + name for name in _FROZEN)}) "
    "THEN RAISE EXCEPTION 'a submission is frozen' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
    "IF OLD.reviewed_by_id IS NOT NULL AND (OLD.reviewed_by_id, OLD.reviewed_at, OLD.remark, OLD.remarks) "
    "IS DISTINCT FROM (NEW.reviewed_by_id, NEW.reviewed_at, NEW.remark, NEW.remarks) "
    "THEN RAISE EXCEPTION 'a submission is decided once' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
    f"IF NEW.reviewed_by_id IS NOT NULL AND OLD.reviewed_by_id IS NULL AND {_OWN} "
    "THEN RAISE EXCEPTION 'nobody reviews what they had a hand in' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
    "RETURN NEW; END $$",
    "CREATE TRIGGER returns_guard BEFORE UPDATE ON returns_submission FOR EACH ROW EXECUTE FUNCTION returns_guard()",
]
_DROP_SQLITE: Final = [
    f"DROP TRIGGER {name}" for name in ("returns_frozen", "returns_decided_once", "returns_not_ones_own")
]
_DROP_POSTGRES: Final = ["DROP TRIGGER returns_guard ON returns_submission", "DROP FUNCTION returns_guard()"]


def put_on(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Put the triggers on."""
    for statement in _POSTGRES if editor.connection.vendor == "postgresql" else _SQLITE:
        editor.execute(statement)


def take_off(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Take the triggers off."""
    for statement in _DROP_POSTGRES if editor.connection.vendor == "postgresql" else _DROP_SQLITE:
        editor.execute(statement)


class Migration(migrations.Migration):
    """After the tables are there."""

    dependencies = [("returns", "0001_initial")]
    operations = [migrations.RunPython(put_on, take_off)]

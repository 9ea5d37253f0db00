"""A release can be rolled back: its predecessor's code runs on the new tables.

So no migration takes away what the predecessor uses, and every new column can be left out of an
INSERT (docs/operations.md, Upgrades).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

APPS = ("accounts", "jobs", "tokens_ledger")
TAKE_AWAY = (
    operations.RemoveField,
    operations.RenameField,
    operations.DeleteModel,
    operations.RenameModel,
    operations.AlterModelTable,
)
# A migration that drops what the release before its own no longer used, with the reason.
CONTRACTIONS: dict[str, str] = {}


def in_database(found: Iterable[Any]) -> Iterator[Any]:
    """The operations that change the database."""
    for operation in found:
        if isinstance(operation, operations.SeparateDatabaseAndState):
            yield from in_database(operation.database_operations)
        else:
            yield operation


MIGRATIONS = {
    f"{app}.{name}": list(in_database(migration.operations))
    for (app, name), migration in MigrationLoader(None).disk_migrations.items()
    if app in APPS
}


@pytest.mark.parametrize("name", sorted(MIGRATIONS.keys() - CONTRACTIONS.keys()))
def test_migration_leaves_what_the_previous_release_uses(name):
    for operation in MIGRATIONS[name]:
        assert not isinstance(operation, TAKE_AWAY), operation.describe()
        if isinstance(operation, operations.AddField):
            field = operation.field
            optional = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
            assert optional, f"{operation.describe()}: it needs db_default or null=True"

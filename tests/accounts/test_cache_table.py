"""The table of the cache in the database, which a migration creates."""

from importlib import import_module

import pytest
from django.db import connection

migration = import_module("accounts.migrations.0002_cache_table")
REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:1",
}


@pytest.mark.django_db
@pytest.mark.only_on("postgresql")
def test_table_is_dropped_and_created_by_its_migration(settings):
    """Also where it is missing before, exists already, or Redis is the cache."""
    settings.CACHES = settings.CACHES | {"default": REDIS}
    [operation] = migration.Migration.operations
    seen = []
    with connection.schema_editor() as editor:
        for step in (
            operation.reverse_code,
            operation.reverse_code,
            operation.code,
            operation.code,
        ):
            step(None, editor)
            seen.append(migration.TABLE in connection.introspection.table_names())
    assert seen == [False, False, True, True]

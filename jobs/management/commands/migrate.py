import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK_SECONDS = 3
PAUSE_SECONDS = 5
TRIES = 20


class Command(migrate.Command):
    """Django's command, with a limited wait for the lock of a table on PostgreSQL.

    While a statement waits for a table's lock, every later request for that table waits behind it.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with _limited_locks(connection):
            for _ in range(TRIES):
                try:
                    super().handle(*args, **options)
                    return
                except OperationalError as error:
                    if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
                        raise
                self.stderr.write("A table is locked by a long transaction; migrate tries it later")
                time.sleep(PAUSE_SECONDS)
        raise CommandError("A table stayed locked. End the transaction that uses it, and repeat.")


@contextmanager
def _limited_locks(connection: BaseDatabaseWrapper) -> Iterator[None]:
    usual: Any = connection.SchemaEditorClass

    class Limited(usual):
        def execute(self, sql: Any, params: Any = ()) -> None:
            if "CONCURRENTLY" in str(sql):  # waits without a lock that others wait for
                super().execute(sql, params)
                return
            with transaction.atomic(using=connection.alias, savepoint=False):
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                super().execute(sql, params)

    connection.SchemaEditorClass = Limited
    try:
        yield
    finally:
        connection.SchemaEditorClass = usual

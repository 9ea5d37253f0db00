"""Django's backend for PostgreSQL, to which a read-only server is one that does not respond.

A server can become read-only and keep its connections, for example when a standby takes its place,
or when a hosted database's disk is full. To psycopg that is an InternalError, like a fault of the
server, and so to Django.
"""

from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg.errors import ReadOnlySqlTransaction


class ErrorWrapper(DatabaseErrorWrapper):
    wrapper: base.DatabaseWrapper

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None and issubclass(exc_type, ReadOnlySqlTransaction):
            self.wrapper.close_at = 0  # a new connection may reach another server
            raise OperationalError(*exc_value.args).with_traceback(traceback) from exc_value
        super().__exit__(exc_type, exc_value, traceback)


class DatabaseWrapper(base.DatabaseWrapper):
    @cached_property
    def wrap_database_errors(self) -> ErrorWrapper:
        return ErrorWrapper(self)

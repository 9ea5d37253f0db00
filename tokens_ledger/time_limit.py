"""A time limit for all statements of a block together, on PostgreSQL. SQLite has no limit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction

QUERY_CANCELED = "57014"  # SQLSTATE


class TimeLimitReached(Exception):
    """PostgreSQL cancelled a statement because the time limit was reached."""


@contextmanager
def time_limit(*, seconds: float) -> Iterator[None]:
    """Run a block whose statements may take at most `seconds` in total.

    Each statement is a transaction and releases its locks at its end, so that a migration waits for
    one statement and not for the block. If the caller has an open transaction, a savepoint lets it
    continue after a time-out.

    Raises TimeLimitReached, also if an administrator cancels a statement.
    """
    if connection.vendor != "postgresql":
        yield
        return
    savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with savepoint, connection.execute_wrapper(_until(monotonic() + seconds)):
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
            raise
        raise TimeLimitReached from error


def _until(end: float) -> Callable[..., Any]:
    def execute_in_time(execute, sql, params, many, context):
        left = max(1, round(1000 * (end - monotonic())))  # 0 would disable the time-out
        # SET LOCAL ends with the transaction, because a connection pooler may give the session to
        # another client next. No savepoint, since its statements would run through this wrapper
        # too.
        with transaction.atomic(savepoint=False):
            execute(f"SET LOCAL statement_timeout = {left}", None, False, context)
            return execute(sql, params, many, context)

    return execute_in_time

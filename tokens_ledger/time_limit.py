"""A time limit for all statements of a block together. PostgreSQL keeps it; SQLite has none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction

QUERY_CANCELED = "57014"  # SQLSTATE


class TimeLimitReached(Exception):
    """PostgreSQL cancelled a statement, since the block's time was over."""


@contextmanager
def time_limit(*, seconds: float) -> Iterator[None]:
    """Run the block, whose statements take at most `seconds` in all.

    Each statement is a transaction. The locks that it needs are released at its end, so a migration
    waits for one statement and not for the block. Where the caller has opened a transaction, a
    savepoint lets it continue after a time-out.

    Raises TimeLimitReached, also where an administrator cancels a statement.
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
        left = max(1, round(1000 * (end - monotonic())))  # 0 would switch the time-out off
        # SET LOCAL ends with the transaction: a connection pooler may give the session to another
        # client afterwards. A savepoint's own statements would come through this wrapper as well.
        with transaction.atomic(savepoint=False):
            execute(f"SET LOCAL statement_timeout = {left}", None, False, context)
            return execute(sql, params, many, context)

    return execute_in_time

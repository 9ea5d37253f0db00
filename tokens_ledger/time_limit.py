"""A time limit for all statements of a block together; on PostgreSQL only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction

QUERY_CANCELED = "57014"  # SQLSTATE


class TimeLimitReached(Exception):
    """PostgreSQL cancelled a statement because the block's time was used up."""


@contextmanager
def time_limit(*, seconds: float) -> Iterator[None]:
    """Run the block in one transaction whose statements take at most `seconds` in all.

    Raises TimeLimitReached, also if an administrator cancels a statement. SET LOCAL needs the
    transaction and ends with it: a connection pooler may reuse the session for another client.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.execute_wrapper(_until(monotonic() + seconds)):
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
            raise
        raise TimeLimitReached from error


def _until(end: float) -> Callable[..., Any]:
    def execute_in_time(execute, sql, params, many, context):
        left = max(1, round(1000 * (end - monotonic())))  # 0 would disable the time-out
        execute(f"SET LOCAL statement_timeout = {left}", None, False, context)
        return execute(sql, params, many, context)

    return execute_in_time

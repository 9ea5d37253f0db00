"""Count SQL statements, and the rows that PostgreSQL reads for them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b")


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of the block, available at its end, without BEGIN, COMMIT and savepoints
    (pytest-django wraps each test in a transaction).
    """
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    sent = [query["sql"] for query in captured.captured_queries]
    statements += [sql for sql in sent if not CONTROL.match(sql)]


def rows_read_by(request: Callable[[], object]) -> int:
    """The rows that PostgreSQL reads for the eleventh of eleven requests: it may replan a
    statement after a few times.
    """
    for _ in range(10):
        request()
    before = _rows_read()
    request()
    return _rows_read() - before


def _rows_read() -> int:
    """In this transaction."""
    rows = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    with connection.cursor() as cursor:
        cursor.execute(rows)
        return int(cursor.fetchone()[0])

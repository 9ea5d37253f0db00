"""Counting what is asked of the database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b")


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of the block, there at its end; without those that begin and end
    transactions, which a test wraps in one of its own."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    sent = [query["sql"] for query in captured.captured_queries]
    statements += [sql for sql in sent if not CONTROL.match(sql)]

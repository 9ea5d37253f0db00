"""Counting what is asked of the database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.prepared import JOINT

CONTROL = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b")


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of the block, there at its end; without those that begin and end
    transactions, which a test wraps in one of its own. Those sent together are counted singly."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    sent = (sql for query in captured.captured_queries for sql in query["sql"].split(JOINT))
    statements += [sql for sql in sent if not CONTROL.match(sql)]

"""Count SQL statements."""

import re
from collections.abc import Iterator
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

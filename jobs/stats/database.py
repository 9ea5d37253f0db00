"""The database as this process sees it: how fast it answers, and its connections."""

from dataclasses import dataclass
from time import perf_counter

from django.db import connection

# What the role may use: superusers have some of `max_connections` to themselves.
CONNECTION_LIMIT = """
    SELECT least(current_setting('max_connections')::int
                 - current_setting('superuser_reserved_connections')::int,
                 nullif(rolconnlimit, -1), nullif(datconnlimit, -1))
    FROM pg_roles, pg_database
    WHERE rolname = current_user AND datname = current_database()
"""
CONNECTIONS = "SELECT sum(numbackends)::int FROM pg_stat_database"


@dataclass(frozen=True)
class Connections:
    open: int
    limit: int


def connection_limit() -> int:
    """How many connections PostgreSQL allows to this role."""
    return _number(CONNECTION_LIMIT)


def connections() -> Connections | None:
    """Those of all programs to this server; None on SQLite."""
    if connection.vendor != "postgresql":
        return None
    return Connections(open=_number(CONNECTIONS), limit=connection_limit())


def round_trip_seconds() -> float:
    """How long the shortest statement takes."""
    connection.ensure_connection()
    started = perf_counter()
    _number("SELECT 1")
    return perf_counter() - started


def _number(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        number: int = cursor.fetchone()[0]
    return number

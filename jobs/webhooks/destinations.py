"""Which users have due deliveries, and to which hosts.

A destination is a host to which one user's deliveries go. The query jumps from one destination to
the next in the index `delivery_by_destination`, so its cost depends on the number of destinations
not on how many deliveries wait.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User

Destination = tuple[UUID, str]  # user, host

MAX_USERS = 1_000  # of one query
MAX_HOSTS = 20  # of each user in one query
FIRST = UUID(int=0)
DESTINATIONS = """
    WITH RECURSIVE users(user_id, number) AS (
        SELECT %s, 0
      UNION ALL
        SELECT (SELECT user_id FROM jobs_webhookdelivery AS delivery
                WHERE next_try_at IS NOT NULL AND delivery.user_id > users.user_id
                ORDER BY delivery.user_id, delivery.host, next_try_at LIMIT 1), number + 1
        FROM users WHERE user_id IS NOT NULL AND number < %s
    ),
    destinations(user_id, host, number) AS (
        SELECT user_id, CAST({start} AS varchar(255)), 0
        FROM users WHERE number > 0 AND user_id IS NOT NULL
      UNION ALL
        SELECT user_id, (SELECT delivery.host FROM jobs_webhookdelivery AS delivery
                         WHERE next_try_at IS NOT NULL AND delivery.user_id = destinations.user_id
                           AND delivery.host > destinations.host
                         ORDER BY delivery.host, next_try_at LIMIT 1), number + 1
        FROM destinations WHERE host IS NOT NULL AND number < %s
    )
    SELECT user_id, host, number, (
        SELECT next_try_at FROM jobs_webhookdelivery AS delivery
        WHERE next_try_at IS NOT NULL AND delivery.user_id = destinations.user_id
          AND delivery.host = destinations.host
        ORDER BY next_try_at LIMIT 1
    ) <= %s
    FROM destinations WHERE number > 0 AND host IS NOT NULL ORDER BY user_id, number
"""


class DueDestinations:
    """Reads the due destinations in turn: each query begins where the last one ended."""

    def __init__(self) -> None:
        self.after = FIRST  # the user behind whom the next query begins
        self.starts: dict[UUID, str] = {}  # the last host read of users with more than MAX_HOSTS

    def due(self, *, now: datetime) -> list[Destination]:
        """The due destinations, those of the users behind `after` first, and then the others."""
        begin = self.after
        rows = self._read(begin, now)
        users = {user for user, *_ in rows}
        if len(users) >= MAX_USERS:
            self.after = rows[-1][0]
        elif begin != FIRST:
            rows += [row for row in self._read(FIRST, now) if row[0] not in users]
        return [(user, host) for user, host, _, is_due in rows if is_due]

    def _read(self, after: UUID, now: datetime) -> list[tuple[UUID, str, int, bool]]:
        start, values = self._start()
        with connection.cursor() as cursor:
            times = connection.ops.adapt_datetimefield_value(now)
            values = [_adapted(after), MAX_USERS, *values, MAX_HOSTS, times]
            cursor.execute(DESTINATIONS.format(start=start), values)
            rows = [(_uuid(user), *rest) for user, *rest in cursor.fetchall()]
        for user, host, number, _ in rows:
            self.starts.pop(user, None)
            if number == MAX_HOSTS:
                self.starts[user] = host
        return rows

    def _start(self) -> tuple[str, list[Any]]:
        """SQL for the host behind which a user's destinations are read."""
        if not self.starts:
            return "''", []
        values = [each for user, host in self.starts.items() for each in (_adapted(user), host)]
        return f"CASE user_id {'WHEN %s THEN %s ' * len(self.starts)} ELSE '' END", values


def _adapted(user: UUID) -> Any:
    return User._meta.pk.get_db_prep_value(user, connection)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)

"""Fill a service with past and waiting jobs of many users, by SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

EVENTS = 5  # of a job
HEAVY = "customer0"  # the user with a tenth of all jobs
TABLES = ["jobs_videojob", "jobs_jobevent", "tokens_ledger_entry"]
# Copies of one waiting job, free of charge, by turns of all users.
WAITING = """
    INSERT INTO jobs_videojob
    SELECT copy.* FROM generate_series(1, %(number)s::int) AS n
    JOIN jobs_videojob AS pattern ON pattern.id = %(pattern)s
    CROSS JOIN LATERAL jsonb_populate_record(pattern, jsonb_build_object(
        'id', gen_random_uuid(),
        'user_id', (%(owners)s::uuid[])[1 + n %% cardinality(%(owners)s::uuid[])],
        'tokens_consumed', 0,
        'created_at', pattern.created_at + n * interval '1 ms'
    )) AS copy
"""
INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)
    AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


@dataclass(frozen=True)
class Size:
    jobs: int

    @property
    def users(self) -> int:
        return max(3, self.jobs // 20)

    @property
    def waiting(self) -> int:
        return max(1, self.jobs // 50)


def fill(*, database_url: str, size: Size) -> None:
    """Needs Django, set up for a new, migrated database."""
    from django.utils import timezone

    from accounts.models import User
    from bench import past
    from tokens_ledger import reconciliation

    names = [f"customer{n}" for n in range(size.users)]
    made = (User(username=name, email=f"{name}@example.com") for name in names)
    users = [user.pk for user in User.objects.bulk_create(made, batch_size=5_000)]
    User.objects.create_superuser("boss", "boss@example.com", None)
    shares = [(users[:1], size.jobs // 10), (users[1:], size.jobs - size.jobs // 10)]
    with _without_indexes(database_url):
        past.write_shares(database_url=database_url, shares=shares, events=EVENTS)
        with psycopg.connect(database_url) as connection:
            values: dict[str, Any] = {"number": size.waiting - 1, "pattern": _waiting_job()}
            connection.execute("SET session_replication_role = replica")
            connection.execute(WAITING, values | {"owners": users})
            connection.execute(past.COUNTS, {"owners": users})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    reconciliation.run(now=timezone.now())  # as each hour


def _waiting_job() -> Any:
    """The id of a new job for Google, by the service's own code."""
    from django.utils import timezone

    from accounts.models import User
    from jobs import job_creation
    from jobs.providers.base import Inputs
    from tests.job_states import order

    created = job_creation.create(
        user=User.objects.get(username=HEAVY),
        spec=order(mock_mode=False),
        inputs=Inputs(),
        now=timezone.now(),
    )
    return created.job.pk


@contextmanager
def _without_indexes(database_url: str) -> Iterator[None]:
    """Make the indexes of the large tables after the rows, which is several times faster."""
    with psycopg.connect(database_url) as connection:
        indexes = connection.execute(INDEXES, [TABLES]).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
    yield
    with psycopg.connect(database_url) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            connection.execute(definition)

"""Many ended jobs, copied from one by SQL, for benchmarks and tests that count rows."""

from uuid import UUID

import psycopg

COST = 50

# Copies of one finished job, each a minute older than the one before. jsonb_populate_record keeps
# what is not named, so the copies stay whole when the table gets another column.
COPY = """
    WITH copied AS (
        INSERT INTO jobs_videojob
        SELECT copy.* FROM generate_series(%(first)s::int, %(last)s::int) AS age
        JOIN jobs_videojob AS pattern ON pattern.id = %(model)s
        CROSS JOIN LATERAL jsonb_populate_record(pattern, jsonb_build_object(
            'id', gen_random_uuid(),
            'user_id', %(owner)s::text,
            'created_at', pattern.created_at - age * interval '1 minute',
            'started_at', pattern.started_at - age * interval '1 minute',
            'submitted_at', pattern.submitted_at - age * interval '1 minute',
            'completed_at', pattern.completed_at - age * interval '1 minute'
        )) AS copy
        RETURNING id, created_at
    )
    INSERT INTO bench_copies (id, age, created_at)
    SELECT id, %(first)s + row_number() OVER (ORDER BY created_at DESC) - 1, created_at FROM copied
"""
LOGS = """
    INSERT INTO jobs_jobevent (job_id, created_at, level, message, internal, detail)
    SELECT job.id, job.created_at + (line.created_at - pattern.created_at),
        line.level, line.message, line.internal, line.detail
    FROM bench_copies AS job
    JOIN jobs_videojob AS pattern ON pattern.id = %(model)s
    JOIN jobs_jobevent AS line ON line.job_id = pattern.id
    WHERE job.age BETWEEN %(first)s AND %(last)s
    ORDER BY job.age DESC, line.id
"""
MORE_LINES = """
    INSERT INTO jobs_jobevent (job_id, created_at, level, message, internal, detail)
    SELECT id, created_at + n * interval '1 second', 'info', 'Still generating...', false, ''
    FROM bench_copies, generate_series(1, %(lines)s::int) AS n
    WHERE age BETWEEN %(first)s AND %(last)s AND age %% 2 = 1
    ORDER BY age DESC, n
"""
CHARGES = """
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, note, created_at)
    SELECT %(owner)s, 'charge', -%(cost)s,
        balance - %(cost)s * row_number() OVER (ORDER BY age DESC),
        copy.id::text, 'video_generation', copy.created_at
    FROM bench_copies AS copy, tokens_ledger_account AS account
    WHERE account.user_id = %(owner)s AND age BETWEEN %(first)s AND %(last)s
    ORDER BY age DESC
"""
PAID = """
    UPDATE tokens_ledger_account SET balance = balance - %(cost)s * (%(last)s - %(first)s + 1)
    WHERE user_id = %(owner)s
"""
COUNTED = """
    UPDATE jobs_jobcount SET
        jobs = jobs + %(last)s - %(first)s + 1, succeeded = succeeded + %(last)s - %(first)s + 1
    WHERE user_id = %(owner)s
"""


def copies(
    database: psycopg.Connection, *, model: str, owner: UUID, first: int, last: int, events: int = 0
) -> None:
    """Jobs of `owner` like `model`, from the `first` youngest to the `last`.

    Every second one has more lines of log than `model`, so many that about `events` come of it.
    """
    values = {"model": model, "owner": owner, "first": first, "last": last, "cost": COST}
    database.execute("SET session_replication_role = replica")  # copies refer to what is there
    database.execute(
        "CREATE TEMP TABLE IF NOT EXISTS bench_copies (id uuid, age int, created_at timestamptz)"
    )
    for statement in (COPY, LOGS, CHARGES, PAID, COUNTED):
        database.execute(statement, values)
    usual = database.execute("SELECT count(*) FROM jobs_jobevent").fetchone()
    if usual and events > usual[0]:
        lines = 2 * (events - usual[0]) // (last - first + 1)
        database.execute(MORE_LINES, values | {"lines": lines})
    database.execute("RESET session_replication_role")

"""Fill the tables with old jobs by SQL, for measurements of full tables.

PostgreSQL only. The rows are like the service's own, and the ledger is in order.
"""

import psycopg

DAYS = 90  # the period of the jobs
PROMPT = "A lighthouse at dusk number %s, waves rolling in from the north, seen from a slow drone"

JOBS = """
    INSERT INTO jobs_videojob
        (id, user_id, prompt, model, resolution, aspect_ratio, duration_seconds, generate_audio,
         mock_mode, has_initial_image, has_end_frame, reference_image_count, status, stage,
         status_message, progress_percentage, error_code, error_message, tokens_consumed,
         tokens_refunded, created_at, started_at, submitted_at, generated_at, completed_at,
         version, attempts, unanswered, operation, video_name, video_url, poster_url, video_bytes)
    SELECT gen_random_uuid(), owners.ids[1 + n %% cardinality(owners.ids)],
           replace(%(prompt)s, '%%s', n::text), 'veo-3.1-fast-generate-preview', '720p', '16:9', 8,
           TRUE, n %% 3 = 0, FALSE, FALSE, 0, job.status, '', job.status, 100,
           CASE job.status WHEN 'FAILED' THEN codes[1 + n %% 4] ELSE '' END,
           CASE job.status WHEN 'FAILED' THEN 'The video was not made.' ELSE '' END, 50,
           CASE job.status WHEN 'FAILED' THEN 50 ELSE 0 END, job.at,
           job.at + interval '1 s', job.at + interval '3 s', job.at + interval '70 s',
           job.at + interval '74 s', 9, 0, 0, 'projects/studio/operations/' || md5(n::text),
           'ai_studio/videos/' || n, '/media/' || n || '.mp4', '/media/' || n || '.jpg', 2000000
    FROM generate_series(1, %(jobs)s) AS n,
         (SELECT %(owners)s::uuid[] AS ids) AS owners,
         (SELECT ARRAY['safety.output', 'provider.timeout', 'provider.unavailable',
                       'storage.failed'] AS codes) AS failures,
         LATERAL (SELECT CASE WHEN n %% 12 = 0 THEN 'FAILED' WHEN n %% 25 = 0 THEN 'CANCELLED'
                              ELSE 'SUCCEEDED' END AS status,
                         now() - interval '5 min' - %(days)s * interval '1 day' * n / %(jobs)s AS at
                 ) AS job
"""
EVENTS = """
    INSERT INTO jobs_jobevent (job_id, created_at, level, message, internal, detail)
    SELECT id, created_at + n * interval '7 s', 'info', 'Step ' || n || ' of the way',
           n %% 4 = 0, ''
    FROM jobs_videojob, generate_series(1, %(events)s) AS n WHERE user_id = ANY(%(owners)s)
"""
ENTRIES = """
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, note, created_at)
    SELECT user_id, kind, amount,
           sum(amount) OVER (PARTITION BY user_id ORDER BY at, amount DESC
                             ROWS UNBOUNDED PRECEDING),
           reference, '', at
    FROM (
        SELECT id AS user_id, 'grant' AS kind, 100000000 AS amount, '' AS reference,
               now() - interval '1 year' AS at
        FROM accounts_user WHERE id = ANY(%(owners)s)
        UNION ALL
        SELECT user_id, 'charge', -50, id::text, created_at FROM jobs_videojob
        WHERE user_id = ANY(%(owners)s)
        UNION ALL
        SELECT user_id, 'refund', 50, id::text, completed_at FROM jobs_videojob
        WHERE user_id = ANY(%(owners)s) AND tokens_refunded > 0
    ) AS each
    ORDER BY at, amount DESC
"""
ACCOUNTS = """
    INSERT INTO tokens_ledger_account (user_id, balance)
    SELECT account_id, sum(amount) FROM tokens_ledger_entry WHERE account_id = ANY(%(owners)s)
    GROUP BY account_id
"""
COUNTS = """
    INSERT INTO jobs_jobcount (user_id, jobs, succeeded, failed, cancelled)
    SELECT user_id, count(*), count(*) FILTER (WHERE status = 'SUCCEEDED'),
           count(*) FILTER (WHERE status = 'FAILED'), count(*) FILTER (WHERE status = 'CANCELLED')
    FROM jobs_videojob WHERE user_id = ANY(%(owners)s) GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE SET jobs = EXCLUDED.jobs, succeeded = EXCLUDED.succeeded,
        failed = EXCLUDED.failed, cancelled = EXCLUDED.cancelled
"""


def write(*, database_url: str, owners: list, jobs: int, events: int) -> None:
    """Insert `jobs` ended jobs of the users `owners` (ids without an account yet), with `events`
    each.
    """
    write_shares(database_url=database_url, shares=[(owners, jobs)], events=events)


def write_shares(*, database_url: str, shares: list[tuple[list, int]], events: int) -> None:
    """The same for several groups of users. The ids of all entries are in the order of time."""
    with psycopg.connect(database_url) as connection:
        # Without triggers and foreign keys' checks, which run for every row.
        connection.execute("SET session_replication_role = replica")
        for owners, jobs in shares:
            values = {"owners": owners, "jobs": jobs, "events": events}
            connection.execute(JOBS, values | {"days": DAYS, "prompt": PROMPT})
            connection.execute(EVENTS, values)
        everyone = {"owners": [owner for owners, _ in shares for owner in owners]}
        for statement in (ENTRIES, ACCOUNTS, COUNTS):
            connection.execute(statement, everyone)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")

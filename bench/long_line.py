"""What a poll, an order and a claim cost while thousands of jobs wait, beside an empty line.

    python -m bench.long_line [--waiting 20000] --server postgres://…

It uses real gunicorn and `worker`, which numbers the line at each tick. Google asks for a pause of
an hour, so that no job starts. The claim is timed in a process of its own. A figure is the fastest
tenth of the requests, because a busy machine slows the others.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from tests.fakes.vertex import VertexImitation
from tests.stack import Stack

TIMES = 100
PAUSE = "UPDATE jobs_submissiongate SET opens_at = now() + interval '1 hour'"
USERS = """
    INSERT INTO accounts_user (id, username, email, password, first_name, last_name, is_superuser,
        is_staff, is_active, date_joined)
    SELECT gen_random_uuid(), 'waits' || n, '', '', '', '', false, false, true, now()
    FROM generate_series(1, %s::int) AS n
"""
# Copies of one waiting job, ten for each user. jsonb_populate_record keeps what is not named.
WAITING = """
    INSERT INTO jobs_videojob
    SELECT copy.* FROM accounts_user AS owner
    CROSS JOIN generate_series(1, 10) AS n
    JOIN jobs_videojob AS pattern ON pattern.id = %s
    CROSS JOIN LATERAL jsonb_populate_record(pattern, jsonb_build_object(
        'id', gen_random_uuid(), 'user_id', owner.id,
        'created_at', pattern.created_at + n * random() * interval '1 minute'
    )) AS copy
    WHERE owner.username LIKE 'waits%%'
"""
CLAIM = """
import statistics, time
from django.utils import timezone
from jobs.models import SubmissionGate
from jobs.worker import leases
def claims(limit):
    took = []
    for _ in range(40):
        began = time.perf_counter()
        leases.claim_pending(limit=limit, now=timezone.now())
        took.append(1000 * (time.perf_counter() - began))
    return statistics.quantiles(took, n=10)[0]
print(f"claim, nobody may start  {claims(8):6.1f} ms")
SubmissionGate.objects.update(opens_at=timezone.now())
print(f"claim of 8               {claims(8):6.1f} ms")
"""


def main() -> None:
    options = _options()
    limits = {
        "VIDEO_MAX_ACTIVE_JOBS": "1000",
        "VEO_MAX_IN_FLIGHT": "1000",
        "VEO_CREATES_PER_MINUTE": "1000",
    }
    with (
        VertexImitation(seconds=3600) as google,
        Stack(server=options.server, google=google.url, env=limits) as stack,
    ):
        stack.sql(PAUSE)
        user = stack.user("user", tokens=50 * 4 * TIMES)
        job = user.order(mockMode="false")["id"]

        def poll() -> None:
            assert user.job(job)["queuePosition"] is not None

        made = []

        def order() -> None:
            made.append(user.order(mockMode="false")["id"])

        def cancel() -> None:
            assert user.post(f"/api/v1/video-jobs/{made.pop()}/cancel").status_code == 200

        empty = _measure(poll), _measure(order), _measure(cancel)
        stack.sql(USERS, options.waiting // 10)
        stack.sql(WAITING, job)
        stack.sql("ANALYZE")
        time.sleep(3)  # until the line is numbered
        full = _measure(poll), _measure(order), _measure(cancel)
        for name, before, after in zip(("poll", "order", "cancel"), empty, full, strict=True):
            print(f"{name:18}{before:6.1f} ms, {options.waiting} waiting {after:6.1f} ms")
        for log, process in stack.started.items():
            if log.stem.startswith("cluster"):
                process.terminate()
                process.wait()
        print(stack.manage("shell", "-c", CLAIM).stdout.strip())


def _measure(request: Callable[[], None]) -> float:
    """The time that a tenth of the requests needs at most, in milliseconds."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        request()
        took.append(1000 * (time.perf_counter() - began))
    return statistics.quantiles(took, n=10)[0]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--waiting", type=int, default=20_000)
    parser.add_argument("--server", required=True, help="a PostgreSQL")
    return parser.parse_args()


if __name__ == "__main__":
    main()

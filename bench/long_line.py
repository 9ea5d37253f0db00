"""What a poll, an order and a claim cost while thousands of jobs wait, beside an empty line.

    python -m bench.long_line [--waiting 20000] [--server postgres://…]

It uses real gunicorn and `worker`, which numbers the line at each tick. Google asks for a pause of
an hour, so that no job starts. Requests to both services alternate, so that a busy machine slows
both. The claim is timed in a process of its own.
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
LIMITS = {
    "VIDEO_MAX_ACTIVE_JOBS": "1000",
    "VEO_MAX_IN_FLIGHT": "1000",
    "VEO_CREATES_PER_MINUTE": "1000",
}
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
    return statistics.quantiles(took, n=5)[0]
print(f"claim {claims(8):.1f} ms", end=", ")
SubmissionGate.objects.update(opens_at=timezone.now())
print(f"claim that starts up to 8 jobs {claims(8):.1f} ms")
"""


def main() -> None:
    options = _options()
    with (
        VertexImitation(seconds=3600) as google,
        Stack(server=options.server, google=google.url, env=LIMITS) as empty,
        Stack(server=options.server, google=google.url, env=LIMITS) as full,
    ):
        clients = [_Client(empty), _Client(full)]
        full.sql(USERS, options.waiting // 10)
        full.sql(WAITING, clients[1].job)
        full.sql("ANALYZE")
        time.sleep(3)  # until the line is numbered
        for name in ("poll", "order", "cancel"):
            before, after = _measure([getattr(client, name) for client in clients])
            print(f"{name:8}{before:6.1f} ms, {options.waiting} waiting {after:6.1f} ms")
        for name, stack in (("empty", empty), (f"{options.waiting} waiting", full)):
            _stop_workers(stack)
            print(f"{name}:", stack.manage("shell", "-v", "0", "-c", CLAIM).stdout.strip())


def _stop_workers(stack: Stack) -> None:
    for log, process in stack.started.items():
        if log.stem.startswith("cluster"):
            process.terminate()
            process.wait()


class _Client:
    """A user of one of the services, with a waiting job."""

    def __init__(self, stack: Stack) -> None:
        stack.sql(PAUSE)
        self.user = stack.user("user", tokens=50 * 4 * TIMES)
        self.job = self.user.order(mockMode="false")["id"]
        self.orders: list[str] = []

    def poll(self) -> None:
        assert self.user.job(self.job)["queuePosition"] is not None

    def order(self) -> None:
        self.orders.append(self.user.order(mockMode="false")["id"])

    def cancel(self) -> None:
        answer = self.user.post(f"/api/v1/video-jobs/{self.orders.pop()}/cancel")
        assert answer.status_code == 200, answer.text


def _measure(requests: list[Callable[[], None]]) -> list[float]:
    """For each of the requests, which are made in turn, the time that the fastest fifth needs at
    most, in milliseconds.
    """
    took: list[list[float]] = [[] for _ in requests]
    for _ in range(TIMES):
        for request, times in zip(requests, took, strict=True):
            began = time.perf_counter()
            request()
            times.append(1000 * (time.perf_counter() - began))
    return [statistics.quantiles(times, n=5)[0] for times in took]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--waiting", type=int, default=20_000)
    parser.add_argument("--server", default="", help="instead of DATABASE_URL's PostgreSQL")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""A thousand events are due at once: how long until the last has arrived, and what polls take.

    python -m bench.webhooks [--jobs 1000]

It uses a PostgreSQL of its own, two clusters, and a receiver that answers after 100 ms. At most two
connections are open to a host, so the receiver cannot take more than 20 events a second. Ten users
cancel their mock jobs before the clusters start, so all events are due when they do. One client
polls while the events arrive, and as long afterwards.

The exit code is 1 if an event is missing 60 seconds after the start of the clusters, or if the
median poll took more than a tenth longer while events arrived.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from tests.client import ApiClient
from tests.postgres import Server
from tests.receiver import receiver, slowly
from tests.run import PROJECT
from tests.stack import Stack

USERS = 10
END_PROCESSES = 2
LIMIT_SECONDS = 60
SLOWER = 1.1
ORDER = """
import sys
import django; django.setup()
from django.utils import timezone
from accounts.models import User
from jobs import job_creation
from jobs.catalog import VideoSpec
from jobs.providers.base import Inputs
spec = VideoSpec("[[slow:600]]", "veo-3.1-fast-generate-preview", "720p", "16:9", 8, True, True)
for user in User.objects.filter(username__startswith="user"):
    for _ in range(int(sys.argv[1])):
        job_creation.create(user=user, spec=spec, inputs=Inputs(), now=timezone.now())
"""
CANCEL = """
import sys
import django; django.setup()
from django.utils import timezone
from jobs.lifecycle import requests
from jobs.models import VideoJob
part, parts = map(int, sys.argv[1:])
for job in [*VideoJob.objects.filter(completed_at=None).order_by("pk")][part::parts]:
    requests.cancel(job=job, now=timezone.now())
"""


def main() -> None:
    options = _options()
    env = {"VIDEO_MAX_ACTIVE_JOBS": str(options.jobs), "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}
    with (
        Server() as postgres,
        Stack(server=postgres.url, clusters=0, env=env) as stack,
        receiver() as hooks,
    ):
        hooks.answer = slowly(0.1)
        for number in range(USERS):
            user = stack.user(f"user{number}", tokens=50 * options.jobs)
            assert user.put("/api/v1/webhook", json={"url": hooks.url}).status_code == 201
        _run(stack, ORDER, options.jobs // USERS)
        _run(stack, CANCEL, *range(END_PROCESSES))
        job = user.get("/api/v1/video-jobs").json()["jobs"][0]["id"]
        started = time.monotonic()
        for _ in range(2):
            stack.start_cluster()
        _until(lambda: len(hooks.received) > 0, LIMIT_SECONDS)
        polls = _polls(user, job, lambda: len(hooks.received) >= options.jobs, LIMIT_SECONDS)
        took = time.monotonic() - started
        ids = {got.headers["webhook-id"] for got in hooks.received}
        quiet_end = time.monotonic() + took
        quiet = _polls(user, job, lambda: time.monotonic() > quiet_end, LIMIT_SECONDS)
    print(f"{len(ids)} of {options.jobs} events arrived within {took:.1f} s of the clusters' start")
    print(f"median poll: {polls:.1f} ms while they arrived, {quiet:.1f} ms afterwards")
    sys.exit(len(ids) < options.jobs or polls > SLOWER * quiet)


def _polls(user: ApiClient, job: str, done: Callable[[], bool], seconds: float) -> float:
    """The median time of a poll in milliseconds, one every 20 ms until `done`."""
    times: list[float] = []

    def poll() -> bool:
        start = time.perf_counter()
        assert user.get(f"/api/v1/video-jobs/{job}").status_code == 200
        times.append(1000 * (time.perf_counter() - start))
        return done()

    _until(poll, seconds)
    return statistics.median(times)


def _until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


def _run(stack: Stack, program: str, *arguments: int) -> None:
    """Run the program; one for each argument if there are several."""
    calls = [(each, len(arguments)) for each in arguments] if len(arguments) > 1 else [arguments]
    env = stack.env | {"DJANGO_SETTINGS_MODULE": "videostudio.settings"}
    started = [
        subprocess.Popen([sys.executable, "-c", program, *map(str, call)], cwd=PROJECT, env=env)
        for call in calls
    ]
    assert [each.wait() for each in started] == [0] * len(started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=1_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""A thousand jobs end within seconds: how long until the last event has arrived.

    python -m bench.webhooks [--jobs 1000]

It uses a PostgreSQL of its own, two clusters, and a receiver that answers after 100 ms. Ten users
cancel their mock jobs. At most two connections are open to a host, so the receiver cannot take more
than 20 events a second. The exit code is 1 if an event is missing 60 seconds after the last end.
"""

import argparse
import subprocess
import sys
import time

from tests.postgres import Server
from tests.receiver import receiver, slowly
from tests.run import PROJECT
from tests.stack import Stack

USERS = 10
END_PROCESSES = 2
LIMIT_SECONDS = 60
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
ENDS = "SELECT count(*), max(completed_at) - min(completed_at) FROM jobs_videojob"


def main() -> None:
    options = _options()
    env = {"VIDEO_MAX_ACTIVE_JOBS": str(options.jobs), "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}
    with (
        Server() as postgres,
        Stack(server=postgres.url, clusters=2, env=env) as stack,
        receiver() as hooks,
    ):
        hooks.answer = slowly(0.1)
        for number in range(USERS):
            user = stack.user(f"user{number}", tokens=50 * options.jobs)
            assert user.put("/api/v1/webhook", json={"url": hooks.url}).status_code == 201
        _run(stack, ORDER, options.jobs // USERS)
        _run(stack, CANCEL, *range(END_PROCESSES))
        ended = time.monotonic()
        [(jobs, seconds)] = stack.sql(ENDS)
        print(f"{jobs} jobs ended within {seconds.total_seconds():.1f} s", flush=True)
        while len(hooks.received) < jobs and time.monotonic() - ended < LIMIT_SECONDS:
            time.sleep(0.1)
        ids = {got.headers["webhook-id"] for got in hooks.received}
        after = time.monotonic() - ended
        print(f"{len(ids)} events arrived, the last {after:.1f} s after the last end")
        sys.exit(len(ids) < jobs)


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

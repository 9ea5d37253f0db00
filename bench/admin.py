"""Measure the duration and the queries of the staff's pages with full tables.

    python -m tests.postgres -- python -m bench.admin [--jobs 100000] [--events 10]

It requests each page several times in this process, as a superuser, and prints a row for each. The
exit code is 1 if the list or the page of a job takes longer than LIMIT.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.run import ENVIRONMENT, fresh_database

LIMIT = 300  # milliseconds
LIST = "/admin/jobs/videojob/"
USERS = 200
TIMES = 5


def main() -> None:
    options = _options()
    with fresh_database(options.server) as url:
        os.environ |= ENVIRONMENT | {"DATABASE_URL": url}
        os.environ["DJANGO_SETTINGS_MODULE"] = "videostudio.settings"
        import django

        django.setup()
        boss, pages = _prepare(url, options.jobs, options.events)
        slow = [name for name, path in pages if _measure(boss, name, path) > LIMIT]
    if slow:
        sys.exit(f"Longer than {LIMIT} ms: {', '.join(slow)}")


def _prepare(url: str, jobs: int, events: int) -> tuple[Any, list[tuple[str, str]]]:
    """A superuser's browser, and the pages to measure."""
    from django.test import Client

    from accounts.models import User
    from bench import past
    from jobs.models import VideoJob

    owners = User.objects.bulk_create(
        User(username=f"customer{n}", email=f"customer{n}@example.com") for n in range(USERS)
    )
    started = time.monotonic()
    past.write(database_url=url, owners=[each.pk for each in owners], jobs=jobs, events=events)
    took = time.monotonic() - started
    print(f"{jobs:,} jobs and {jobs * events:,} events written in {took:.0f} s\n")
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss", "boss@example.com", None))
    newest = VideoJob.objects.order_by("-created_at")[0]
    middle = VideoJob.objects.order_by("-created_at")[jobs // 2]
    return boss, list(_pages(newest, middle, owners[7]))


def _pages(newest: Any, middle: Any, customer: Any) -> Iterator[tuple[str, str]]:
    at = middle.created_at
    yield "list", LIST
    yield "list, page 50", f"{LIST}?p=50"
    yield "list, failed", f"{LIST}?status__exact=FAILED"
    yield "list, running", f"{LIST}?status__exact=RUNNING"
    yield "list, one error code", f"{LIST}?error_code=storage.failed"
    yield "list, one code in an hour", f"{LIST}?error_code=storage.failed&ordered=hour"
    yield "list, stuck", f"{LIST}?late=stuck"
    yield "list, refunded", f"{LIST}?tokens=refunded"
    yield "list, mock", f"{LIST}?mock_mode__exact=1"
    day = f"ordered_from={at:%Y-%m-%d}T00:00&ordered_to={at:%Y-%m-%d}T23:59"
    yield "list, one day", f"{LIST}?{day}"
    yield "search: e-mail", f"{LIST}?q={customer.email}"
    yield "search: part of an id", f"{LIST}?q={str(middle.pk)[:8]}"
    yield "search: whole id", f"{LIST}?q={middle.pk}"
    yield "search: words that many have", f"{LIST}?q=lighthouse+dusk"
    yield "search: words that none has", f"{LIST}?q=zeppelin+over+Oslo"
    yield "search: a mail's line", f"{LIST}?q={customer.username}+lighthouse+north"
    yield "job", f"{LIST}{newest.pk}/change/"
    yield "job, refund's page", f"{LIST}refund/?job={newest.pk}"
    yield "user", f"/admin/accounts/user/{customer.pk}/change/"
    yield "entries", "/admin/tokens_ledger/entry/"
    yield "events", "/admin/jobs/jobevent/"
    yield "overview, figures computed", "/admin/overview/"


def _measure(boss: Any, name: str, path: str) -> float:
    """Print a row; return the median duration of TIMES requests, in milliseconds."""
    from django.core.cache import cache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    milliseconds: list[float] = []
    for _ in range(TIMES):
        cache.clear()
        milliseconds.append(_timed(lambda: boss.get(path)))
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        answer = boss.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    median = statistics.median(milliseconds)
    print(f"{name:30} {median:7.0f} ms {max(milliseconds):7.0f} ms {len(queries):4} queries")
    return median


def _timed(ask: Callable[[], Any]) -> float:
    started = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=os.environ.get("DATABASE_URL", ""))
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10, help="of each job")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The cost of five hundred viewers of the monitor, for the database and for users of the API.

    python -m bench.viewers [--viewers 500] [--seconds 30] [--today 10000] [--past 100000]

It uses real gunicorn, `qcluster` and PostgreSQL, whose log counts the statements of the measured
gunicorn. Viewers keep their connections and refresh every two seconds, like the page. Meanwhile a
user polls a job, and another gunicorn receives new jobs. It prints a table. The exit code is 1 if
the monitor sends more queries than QUERIES_A_SECOND: each of two web processes caches the figures
and two pages, with three or four queries each, for two seconds.
"""

import argparse
import asyncio
import gzip
import itertools
import random
import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import psycopg

from tests.client import ApiClient
from tests.postgres import Server
from tests.stack import Stack

QUERIES_A_SECOND = 10.0
PACE = 2.0  # seconds between two requests of a viewer
MEASURED = "measured"  # the measured gunicorn's application name in PostgreSQL
ENV = {"MOCK_SECONDS": "15", "VIDEO_MAX_ACTIVE_JOBS": "1000", "VEO_MAX_IN_FLIGHT": "1000"}
ENV |= {"VIDEO_MAX_WAITING_JOBS": "1000"}
PAST = """
from accounts.models import User
from bench import past
owners = [User.objects.create(username=f"c{{n}}", email=f"c{{n}}@example.com") for n in range(50)]
past.write(database_url="{url}", owners=[each.pk for each in owners], jobs={jobs}, events=4)
"""
TODAY = """
    UPDATE jobs_videojob AS job
    SET created_at = created_at + by, started_at = started_at + by,
        submitted_at = submitted_at + by, generated_at = generated_at + by,
        completed_at = completed_at + by
    FROM (SELECT id, now() - interval '5 min' - interval '23 h' * row_number()
                     OVER (ORDER BY created_at DESC) / %s - created_at AS by
          FROM jobs_videojob ORDER BY created_at DESC LIMIT %s) AS each
    WHERE each.id = job.id
"""


@dataclass
class Looks:
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)


def main() -> None:
    options = _options()
    with Server() as postgres:
        _log_statements(postgres)
        with Stack(server=postgres.url, webs=0, clusters=1, env=ENV) as stack:
            _start_webs(stack)
            _prepare(stack, options.today, options.past)
            sys.exit(_compare(stack, postgres, options.viewers, options.seconds))


def _compare(stack: Stack, postgres: Server, viewers: int, seconds: float) -> int:
    alice = stack.user("alice", tokens=50_000)
    bob = stack.user("bob", tokens=50)
    job = bob.create(prompt="A lighthouse at dusk [[slow:3000]]").json()["id"]
    bob.url = alice.url = stack.urls[0]
    with _orders(ApiClient(stack.urls[1], alice.headers["Authorization"].split()[1])):
        time.sleep(3)
        alone, before, _ = _measure(postgres, bob, job, stack.urls[0], 0, seconds / 2)
        a_poll = round(before / len(alone))
        among, after, looks = _measure(postgres, bob, job, stack.urls[0], viewers, seconds)
    queries = (after - a_poll * len(among)) / seconds
    total = looks.statuses.total()
    print(f"looks              {total / seconds:.0f}/s of {viewers}: {dict(looks.statuses)}")
    print(f"304                {looks.statuses[304] / total:.0%}")
    print(f"a look             {_percentiles(looks.seconds)}")
    print(f"bytes a look       {statistics.mean(looks.bytes):.0f}, most {max(looks.bytes)}")
    print(f"API alone          {_percentiles(alone)}, {a_poll} queries a poll")
    print(f"API among viewers  {_percentiles(among)}")
    print(f"monitor's queries  {queries:.2f}/s, of {QUERIES_A_SECOND:.0f}/s allowed")
    return int(queries > QUERIES_A_SECOND or set(looks.statuses) - {200, 304} != set())


def _measure(
    postgres: Server, user: ApiClient, job: str, url: str, viewers: int, seconds: float
) -> tuple[list[float], int, Looks]:
    """The duration of each poll; the statements, without those of new connections; what the
    viewers received.
    """
    with ThreadPoolExecutor(1) as pool:
        stop = threading.Event()
        offset = postgres.log.stat().st_size
        polls = pool.submit(_poll, user, job, stop)
        looks = asyncio.run(_view(url, viewers, seconds))
        stop.set()
        took = polls.result()
    time.sleep(0.2)
    with postgres.log.open(errors="replace") as log:
        log.seek(offset)
        mark = re.compile(rf"^{MEASURED}\|LOG:  (statement|execute)(?!.*set_config)")
        statements = sum(1 for line in log if mark.match(line))
    return took, statements, looks


def _poll(user: ApiClient, job: str, stop: threading.Event) -> list[float]:
    took = []
    while not stop.is_set():
        started = time.perf_counter()
        user.job(job)
        took.append(time.perf_counter() - started)
        time.sleep(0.1)
    return took


@contextmanager
def _orders(client: ApiClient) -> Iterator[None]:
    """Order two jobs per second."""
    stop = threading.Event()

    def order() -> None:
        for number in itertools.count():
            if stop.wait(0.5):
                return
            assert client.create(prompt=f"Cloud number {number}").status_code == 202

    with ThreadPoolExecutor(1) as pool:
        ordering = pool.submit(order)
        yield
        stop.set()
        ordering.result()


# ---- Viewers ----


async def _view(url: str, viewers: int, seconds: float) -> Looks:
    """Nine of ten viewers look at the first page, one at the succeeded jobs."""
    looks, end = Looks(), time.monotonic() + seconds
    paths = [f"/video-monitor{'?status=SUCCEEDED' if n % 10 == 9 else ''}" for n in range(viewers)]
    await asyncio.gather(*(_viewer(urlsplit(url), path, end, looks) for path in paths))
    await asyncio.sleep(max(0, end - time.monotonic()))
    return looks


async def _viewer(url: SplitResult, path: str, end: float, looks: Looks) -> None:
    etag, due = "", time.monotonic() + random.uniform(0, PACE)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    while due < end:
        await asyncio.sleep(due - time.monotonic())
        started = time.monotonic()
        if reader.at_eof():
            writer.close()
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nHX-Request: true\r\n"
            f"Accept-Encoding: gzip\r\nIf-None-Match: {etag}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:-1])
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        status = int(head.split()[1])
        if status == 200:
            assert b'id="state"' in gzip.decompress(body)
        etag = headers["ETag"]
        looks.statuses[status] += 1
        looks.bytes.append(len(head) + len(body))
        looks.seconds.append(time.monotonic() - started)
        due = time.monotonic() + PACE
    writer.close()


# ---- Servers ----


def _log_statements(postgres: Server) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("ALTER SYSTEM SET log_line_prefix = '%a|'")
        connection.execute("SELECT pg_reload_conf()")


def _start_webs(stack: Stack) -> None:
    """The measured gunicorn, and another one for everything else."""
    stack.env["PGAPPNAME"] = MEASURED
    stack.start_web()
    del stack.env["PGAPPNAME"]
    stack.start_web()
    stack.wait_until_ready()


def _prepare(stack: Stack, today: int, past: int) -> None:
    started = time.monotonic()
    script = PAST.format(url=stack.database_url, jobs=today + past)
    stack.manage("shell", "--verbosity", 0, "-c", script)
    stack.sql(TODAY, today, today)
    stack.sql("ANALYZE")
    took = time.monotonic() - started
    print(f"{today:,} jobs of today and {past:,} of before written in {took:.0f} s\n")


def _percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--today", type=int, default=10_000)
    parser.add_argument("--past", type=int, default=100_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()

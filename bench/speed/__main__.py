"""Compare the service's speed with a bare Django (the floor) and with the last saved result.

    python -m bench.speed [--seconds 4] [--only poll] [--write]

It starts a PostgreSQL of its own, web and cluster as in the Procfile, and fake servers of Google
and Cloudinary. It prints one table and ends. docs/performance.md explains each figure.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import django
import psycopg

from bench.flight import LIMITS
from bench.speed import processes, report
from bench.speed.measure import CASE_SECONDS, CASES, MOST_JOBS, Bench, Studio
from bench.speed.processes import Meter
from tests.postgres import Server
from tests.stack import Stack

JOBS = 1_000  # of one user, MOST_JOBS in the second service
EVENTS, MANY_EVENTS = 0, 5_000_000
UPSTREAM_SECONDS, VIDEO_BYTES = 20, 10_000_000
LONG_SECONDS = 60  # limit for the 60 jobs, and for loading many jobs
ENDING_SECONDS = 60  # for stopping everything
MOST_SECONDS = 300  # then it stops as after Ctrl-C
ENV = LIMITS | {"MOCK_SECONDS": "8", "WEB_CONCURRENCY": "2"}


def main() -> None:
    options = _options()
    for ending in (signal.SIGALRM, signal.SIGTERM):  # so that `finally` stops what was started
        signal.signal(ending, signal.default_int_handler)
    signal.alarm(MOST_SECONDS)
    began = time.perf_counter()
    options.until = began + MOST_SECONDS
    video = ("--seconds", str(UPSTREAM_SECONDS), "--video-bytes", str(VIDEO_BYTES))
    with (
        Server() as server,
        processes.imitation("vertex", *video) as google,
        processes.imitation("cloudinary") as cloudinary,
    ):
        result = _run(options, server=server.url, google=google, cloudinary=cloudinary)
    result |= report.described() | {"took_seconds": time.perf_counter() - began}
    print("\n".join(report.table(result, report.last())))
    if left_out := result.pop("left_out"):
        print(f"left out, because time ran out: {'; '.join(left_out)}")
        if options.write:
            sys.exit("nothing is saved: only complete runs are saved")
    elif options.write:
        report.write(result)


def _run(options: Any, **services: str) -> dict[str, Any]:
    with ExitStack() as opened:
        stack, database = opened.enter_context(_stack(**services))
        # Vacuum before each case instead of automatically, which would hit some cases only.
        database.execute("ALTER SYSTEM SET autovacuum = off")
        database.execute("SELECT pg_reload_conf()")
        start_up = processes.start_up(stack)
        studio, start_up["cluster"] = opened.enter_context(_studio(stack, database))
        _set_django_up(stack)
        web = opened.enter_context(processes.web(stack, "bench.floor"))
        floor = replace(studio, web=web, meter=studio.meter.of(web=web.pid))
        bench = Bench(
            studio=studio,
            floor=floor,
            client=opened.enter_context(processes.client()),
            only=options.only,
            until=options.until,
        )
        bench.copies(database, 1, JOBS, EVENTS)
        bench.measure(options.seconds)
        result = {"rows": bench.rows, "start_up_seconds": start_up, "postgres": _version(database)}
        if not options.only:
            if not bench.is_late("60 jobs", takes=LONG_SECONDS):
                result["flight_seconds"] = bench.flight()
            if not bench.is_late(
                "100 times as many jobs", takes=LONG_SECONDS + CASE_SECONDS + 2 * options.seconds
            ):
                with _stack(**services) as (other_stack, other):
                    bench.scene.same(database, other)
                    bench.copies(other, JOBS + 1, MOST_JOBS, MANY_EVENTS)
                    with _studio(other_stack, other) as (many, _):
                        bench.measure(options.seconds, many)
        time.sleep(2)
        signal.alarm(ENDING_SECONDS)
        return result | {"memory_mb": studio.meter.memory_mb(), "left_out": bench.left_out}


@contextmanager
def _stack(*, server: str, google: str, cloudinary: str) -> Iterator[tuple[Stack, Any]]:
    """A migrated database without any running process."""
    with (
        Stack(
            server=server, google=google, cloudinary=cloudinary, webs=0, clusters=0, env=ENV
        ) as stack,
        psycopg.connect(stack.database_url, autocommit=True) as database,
    ):
        yield stack, database


@contextmanager
def _studio(stack: Stack, database: psycopg.Connection) -> Iterator[tuple[Studio, float]]:
    """Its web and its cluster, and the seconds until the cluster ran its first tick."""
    cluster, seconds = processes.cluster(stack, database)
    with processes.web(stack) as web:
        meter = Meter(stack=stack, database=database, web=web.pid, cluster=cluster)
        yield Studio(stack=stack, database=database, web=web, meter=meter), seconds


def _set_django_up(stack: Stack) -> None:
    """Set up Django in this process for the stack's database; log only our own errors."""
    environment = {name: value for name, value in stack.env.items() if name != "TEST_STACK"}
    os.environ |= environment | {"LOG_LEVEL": "ERROR"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "videostudio.settings"
    django.setup()


def _version(database: psycopg.Connection) -> str:
    row = database.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=4, help="duration of each case")
    parser.add_argument("--write", action="store_true", help="save it in bench/results.json")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=CASES,
        help="run one case and the floor",
    )
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("only complete runs are saved")
    return options


if __name__ == "__main__":
    main()

"""Measure each request, page, pass and command in a full service beside a small one.

    python -m tests.postgres -- python -m bench.scale [--jobs 1000000] [--only search]

For each job there are five events and 1.1 ledger entries. There are 20 jobs for each user, but one
user has a tenth of all jobs. One job in 50 waits. The small service has just enough rows to fill a
page of each list. Each service is a process with a database of its own. They are measured in turn,
without HTTP and without a worker. The table is Markdown. The exit code is 1 if a case that should
not grow takes over LIMIT times as long as in the small service and over NOISE milliseconds more, or
if /metrics takes over METRICS milliseconds.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from bench.scale import cases
from bench.scale.fill import Size, fill
from tests.run import ENVIRONMENT, fresh_database

LIMIT = 3
NOISE = 10
METRICS = 30
SMALL = Size(jobs=4_000)
SETTINGS = {
    "METRICS_TOKEN": "metrics-of-the-benchmark",
    "THROTTLE_CREATE": "100000/min",
    "VIDEO_MAX_ACTIVE_JOBS": "1000",
    "LOG_LEVEL": "ERROR",
}


def main() -> None:
    options = _options()
    with (
        fresh_database(options.server) as small_url,
        fresh_database(options.server) as full_url,
        _service(small_url) as small,
        _service(full_url) as full,
    ):
        started = time.monotonic()
        size = Size(jobs=options.jobs)
        small.submit(fill, database_url=small_url, size=SMALL).result()
        full.submit(fill, database_url=full_url, size=size).result()
        print(f"{size.jobs:,} jobs, {size.users:,} users, {size.waiting:,} waiting: ", end="")
        print(f"written in {time.monotonic() - started:.0f} s\n", flush=True)
        names = [name for name in small.submit(cases.names).result() if options.only in name]
        print(f"| | {SMALL.jobs:,} jobs, ms | {size.jobs:,} jobs, ms | ratio |\n|---|---|---|---|")
        slow = [name for name in names if _is_slow(name, small, full)]
        print(f"\n{time.monotonic() - started:.0f} s in all")
    if slow:
        sys.exit(f"Too slow: {', '.join(slow)}")


def _service(url: str) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=cases.open_service,
        initargs=(url, ENVIRONMENT | SETTINGS),
    )


def _is_slow(name: str, small: Any, full: Any) -> bool:
    """Measure both services and print a row."""
    few, many = (each.submit(cases.measure, name).result() for each in (small, full))
    print(f"| {name} | {few:.1f} | {many:.1f} | {many / few:.1f} |", flush=True)
    if name in cases.GROWS:
        return name == "/metrics" and many > METRICS
    return many > LIMIT * few and many > few + NOISE


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=os.environ.get("DATABASE_URL", ""))
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="the cases whose name contains this")
    return parser.parse_args()


if __name__ == "__main__":
    main()

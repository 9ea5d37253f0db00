"""Compare the service's speed with a bare Django (the floor) and with the last saved result.

    python -m bench.speed [--seconds 4] [--only poll] [--write]

It starts a PostgreSQL of its own, web and cluster as in the Procfile, and fake servers of Google
and Cloudinary. It prints one table and ends. docs/performance.md explains each figure.
"""

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import django
import psycopg

from bench.flight import LIMITS
from bench.speed import processes, report
from bench.speed.processes import Client, Meter, Web
from tests import many_jobs
from tests.client import ApiClient
from tests.postgres import Server
from tests.stack import Stack, until

CASES = ("poll", "poll, known", "list of 50", "create", "create, JSON", "create, one user")
CONNECTIONS = 32
USERS = 512  # who order in turn, so each has about as many active jobs as a real user
JOBS, MANY_JOBS = 1_000, 100_000  # of a single user
EVENTS, MANY_EVENTS = 0, 5_000_000
FLIGHT, UPSTREAM_SECONDS, VIDEO_BYTES = 60, 20, 10_000_000
LOOKED_AT = 64  # polled jobs, two per connection
FLOOR_SECONDS = 1.5  # before and after each case
SLICES = 8  # per measurement
LONG_SECONDS = 60  # limit for the 60 jobs, and for loading many jobs
CASE_SECONDS = 12  # overhead of a case
ENDING_SECONDS = 60  # for stopping everything
MOST_SECONDS = 300  # then it stops as after Ctrl-C
ENV = LIMITS | {"MOCK_SECONDS": "8", "WEB_CONCURRENCY": "2"}


@dataclass(frozen=True)
class Studio:
    """A measured service with its own database."""

    stack: Stack
    database: psycopg.Connection
    web: Web
    meter: Meter

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"


class Bench:
    """One run: the running services, and the rows measured so far."""

    def __init__(
        self, *, studio: Studio, floor: Studio, client: Client, only: list[str], until: float
    ) -> None:
        from bench.speed import scene  # needs a configured Django

        self.scene, self.client = scene, client
        self.studio, self.floor = studio, floor
        self.only, self.until = only, until
        self.left_out: list[str] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.floor_plan: dict[str, Any] = {}
        self.users = scene.users(USERS)
        self.owner, self.token = scene.owner(tokens=MANY_JOBS * many_jobs.COST + 1_000_000)
        self.model = self._finished_job()

    def copies(self, database: psycopg.Connection, first: int, last: int, events: int) -> None:
        """Add the owner's jobs from `first` to `last`, with `events` log lines in total."""
        began = time.perf_counter()
        many_jobs.copies(
            database, model=self.model, owner=self.owner, first=first, last=last, events=events
        )
        database.execute("VACUUM ANALYZE")
        database.execute("CHECKPOINT")
        seconds = time.perf_counter() - began
        print(f"  {last:,} jobs, loaded in {seconds:.0f} s", flush=True)

    def measure(self, seconds: float, *many: Studio) -> None:
        """Run every case; with a second service of `many` jobs, alternate between the two."""
        scene, token = self.scene, self.token
        studios = self.studio, *many
        ids = {each: scene.sample(each.database, LOOKED_AT) for each in studios}

        def case(name: str, requests: Callable[[Studio], list], status: int, **more: Any) -> None:
            plans = {each: _plan(each.web, requests(each), status, **more) for each in studios}
            rows = self._case(name, plans, seconds)
            known = self.rows.get(name, {}).get("queries")
            if rows and not known:
                known = requests(self.studio)[0].statements(status)
            for row in rows:
                row["queries"] = known

        if not many:
            self.floor_plan = _plan(self.floor.web, scene.floors(ids[self.studio], token), 200)
            for row in self._case("floor", {self.floor: self.floor_plan}, seconds):
                row["queries"] = 1
        case("poll", lambda each: scene.polls(ids[each], token), 200)
        case("poll, known", lambda each: scene.known_polls(ids[each], token, each.url), 304)
        case("list of 50", lambda each: scene.lists(token), 200)
        case("create", lambda each: scene.forms(self.users), 202)
        if not many:
            case("create, JSON", lambda each: scene.objects(self.users), 202)
        case("create, one user", lambda each: scene.forms([token]), 202, connections=1)

    def flight(self) -> float:
        """Seconds from the first POST to the last SUCCEEDED of 60 Google jobs."""
        clients = [ApiClient(self.studio.url, each) for each in self.users]
        began = time.time()

        def order(client: ApiClient) -> str:
            answer = client.create(prompt="A lighthouse at dusk", mockMode="false")
            assert answer.status_code == 202, answer.text
            return answer.json()["id"]

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(order, clients[:FLIGHT]))
        query = (
            "SELECT extract(epoch FROM max(completed_at)) FROM jobs_videojob "
            "WHERE id = ANY(%s::uuid[]) HAVING count(*) FILTER (WHERE status = 'SUCCEEDED') = %s"
        )
        ended: list[tuple] = []

        def over() -> bool:
            ended.extend(self.studio.database.execute(query, [ids, FLIGHT]))
            return bool(ended)

        assert until(over, 60), f"60 videos were not there after 60 s\n{self.studio.stack.output()}"
        seconds = float(ended[0][0]) - began
        print(f"  60 jobs: {seconds:.1f} s", flush=True)
        return seconds

    def is_late(self, name: str, *, takes: float) -> bool:
        """Whether fewer than `takes` seconds are left; then `what` is noted as left out."""
        if late := time.perf_counter() + takes > self.until:
            self.left_out.append(name)
        return late

    def _case(
        self, name: str, plans: dict[Studio, dict[str, Any]], seconds: float
    ) -> list[dict[str, Any]]:
        """Drive each service by its plan for `seconds`, after an unmeasured warm-up.

        It measures slices and keeps the one with the median CPU time. Now and then eight threads
        wait for the same lock in step, and a request then costs twice as much. The machine's speed
        varies too, so the floor is measured before and after, and two services take turns.
        """
        if self.only and name not in ("floor", *self.only):
            return []
        labels = [name + of for of in (report.IN_TURN if len(plans) > 1 else [""])]
        if self.is_late(labels[-1], takes=CASE_SECONDS + seconds * len(plans)):
            return []
        for studio, plan in plans.items():
            studio.database.execute("VACUUM ANALYZE")
            self.client.drive(**plan, seconds=1)
        floors = self._slices({self.floor: self.floor_plan}, FLOOR_SECONDS)[self.floor]
        slices = self._slices(plans, seconds)
        floors += self._slices({self.floor: self.floor_plan}, FLOOR_SECONDS)[self.floor]
        floor = {"floor_cpu": statistics.median(map(report.cpu_of, floors))}
        rows = [sorted(each, key=report.cpu_of)[SLICES // 2] | floor for each in slices.values()]
        if len(plans) > 1:
            few, many = slices.values()
            rows[-1]["beside_few"] = report.beside(many, few)
        self.rows |= zip(labels, rows, strict=True)
        print(f"  {labels[-1]}: {rows[-1]['rate']:.0f}/s", flush=True)
        for studio, plan in plans.items():
            if plan["status"] == 202:
                _clear_away(studio.database)
        return rows

    def _slices(
        self, plans: dict[Studio, dict[str, Any]], seconds: float
    ) -> dict[Studio, list[dict[str, Any]]]:
        """The measured slices of each service, in the order A, B, B, A."""
        slices: dict[Studio, list] = {studio: [] for studio in plans}
        for n in range(SLICES):
            for studio in list(plans)[:: 1 if n % 2 else -1]:
                slices[studio].append(self._drive(studio.meter, plans[studio], seconds / SLICES))
        return slices

    def _drive(self, meter: Meter, plan: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The client's figures, and the CPU milliseconds per request of each part."""
        before = meter.read()
        figures = self.client.drive(**plan, seconds=seconds)
        used = meter.between(before, meter.read(), figures["client"])
        share = used["others"] / (1000 * figures["seconds"] * (os.cpu_count() or 1))
        spent = {part: ms / figures["requests"] for part, ms in used.items()}
        return figures | spent | {"others_share": share}

    def _finished_job(self) -> str:
        client = ApiClient(self.studio.url, self.token)
        job = client.create(prompt="[[slow:1]] A sunset over mountains, seen from a slow drone")
        assert client.wait(job.json()["id"])["status"] == "SUCCEEDED"
        return job.json()["id"]


def _plan(
    web: Web, requests: list, status: int, *, connections: int = CONNECTIONS
) -> dict[str, Any]:
    """Instructions for the client: the requests, and the number of connections."""
    wires = [request.wire() for request in requests]
    scripts = [wires[n::connections] or wires for n in range(connections)]
    return {"port": web.port, "status": status, "scripts": scripts}


def _clear_away(database: psycopg.Connection) -> None:
    """End the jobs of a case, so that the cluster is idle when the next case starts."""
    cancel = (
        "UPDATE jobs_videojob SET status = 'CANCELLED', stage = '', next_step_at = NULL, "
        "completed_at = now() WHERE id IN (SELECT id FROM jobs_videojob "
        "WHERE next_step_at IS NOT NULL FOR UPDATE SKIP LOCKED)"
    )
    left = "SELECT count(*) FROM jobs_videojob WHERE next_step_at IS NOT NULL"

    def none_left() -> bool:
        database.execute(cancel)
        return database.execute(left).fetchone() == (0,)

    assert until(none_left, 60)
    queued = "SELECT count(*) FROM django_q_ormq HAVING count(*) < 3"
    assert until(lambda: bool(database.execute(queued).fetchone()), 60)


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
        print(f"left out, for want of time: {'; '.join(left_out)}")
        if options.write:
            sys.exit("nothing is kept: what is kept is whole")
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
                    bench.copies(other, JOBS + 1, MANY_JOBS, MANY_EVENTS)
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
    parser.add_argument("--seconds", type=float, default=4, help="that each case is driven for")
    parser.add_argument("--write", action="store_true", help="keep it in bench/results.json")
    parser.add_argument(
        "--only", action="append", default=[], choices=CASES, help="one case, and the floor"
    )
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("what is kept is whole")
    return options


if __name__ == "__main__":
    main()

"""How fast the service is, beside the least that is possible and beside the last kept result.

    python -m bench.speed [--seconds 4] [--only poll] [--write]

A PostgreSQL of its own; web and cluster as the Procfile runs them; imitations of Google and
Cloudinary. Prints one table and ends by itself. docs/performance.md tells what each figure means.
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
USERS = 512  # who order in turn: about as many active jobs each as real users have
JOBS, MANY_JOBS = 1_000, 100_000  # of one user
EVENTS, MANY_EVENTS = 0, 5_000_000
FLIGHT, UPSTREAM_SECONDS, VIDEO_BYTES = 60, 20, 10_000_000
LOOKED_AT = 64  # jobs, two by each connection
FLOOR_SECONDS = 1.5  # before and after each case
SLICES = 8  # of each measurement
LONG_SECONDS = 60  # that the 60 jobs, or the loading of many, may take
CASE_SECONDS = 12  # besides what it is driven for
ENDING_SECONDS = 60  # for taking all down
MOST_SECONDS = 300  # then it ends, as by Ctrl-C
ENV = LIMITS | {"MOCK_SECONDS": "8", "WEB_CONCURRENCY": "2"}


@dataclass(frozen=True)
class Studio:
    """One service that is measured, with a database of its own."""

    stack: Stack
    database: psycopg.Connection
    web: Web
    meter: Meter

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"


class Bench:
    """One run: what is running, and the rows that have been measured so far."""

    def __init__(
        self, *, studio: Studio, floor: Studio, client: Client, only: list[str], until: float
    ) -> None:
        from bench.speed import scene  # not before Django is set up

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
        """Bring the owner's jobs from `first` to `last`, and `events` lines of log in all."""
        began = time.perf_counter()
        many_jobs.copies(
            database, model=self.model, owner=self.owner, first=first, last=last, events=events
        )
        database.execute("VACUUM ANALYZE")
        database.execute("CHECKPOINT")
        seconds = time.perf_counter() - began
        print(f"  {last:,} jobs, loaded in {seconds:.0f} s", flush=True)

    def measure(self, seconds: float, *many: Studio) -> None:
        """Every case; where there is a second service, with `many` jobs, of both in turn."""
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
        """Seconds from the first POST of 60 to the last SUCCEEDED, all made by Google."""
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
        """Whether there are no `takes` seconds left for what is then noted as left out."""
        if late := time.perf_counter() + takes > self.until:
            self.left_out.append(name)
        return late

    def _case(
        self, name: str, plans: dict[Studio, dict[str, Any]], seconds: float
    ) -> list[dict[str, Any]]:
        """Drive each service by its plan for so many seconds, after one that is not measured.

        In slices, of which the one with the median CPU is kept: eight threads that want the same
        lock fall into step at times, and a request costs twice as much while they do. And a machine
        is now faster, now slower, so the floor is looked at before and after, and two services are
        driven in turn.
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
        """What each service was seen to do: first one, then the other, then the other first."""
        slices: dict[Studio, list] = {studio: [] for studio in plans}
        for n in range(SLICES):
            for studio in list(plans)[:: 1 if n % 2 else -1]:
                slices[studio].append(self._drive(studio.meter, plans[studio], seconds / SLICES))
        return slices

    def _drive(self, meter: Meter, plan: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What the client saw, and the CPU that each part used, ms a request."""
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
    """What the client is told: whom to ask what, over how many connections."""
    wires = [request.wire() for request in requests]
    scripts = [wires[n::connections] or wires for n in range(connections)]
    return {"port": web.port, "status": status, "scripts": scripts}


def _clear_away(database: psycopg.Connection) -> None:
    """End the jobs of a case, so that the next finds a cluster at rest."""
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
    for ending in (signal.SIGALRM, signal.SIGTERM):  # what was started is ended too
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
        # Vacuumed by hand before each case: by itself it would fall into some, not into others.
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
    """A migrated database, with nothing at work on it yet."""
    with (
        Stack(
            server=server, google=google, cloudinary=cloudinary, webs=0, clusters=0, env=ENV
        ) as stack,
        psycopg.connect(stack.database_url, autocommit=True) as database,
    ):
        yield stack, database


@contextmanager
def _studio(stack: Stack, database: psycopg.Connection) -> Iterator[tuple[Studio, float]]:
    """Its web and its cluster, and after how many seconds the cluster was at work."""
    cluster, seconds = processes.cluster(stack, database)
    with processes.web(stack) as web:
        meter = Meter(stack=stack, database=database, web=web.pid, cluster=cluster)
        yield Studio(stack=stack, database=database, web=web, meter=meter), seconds


def _set_django_up(stack: Stack) -> None:
    """In this process, for the stack's database; our own errors are all it need write."""
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

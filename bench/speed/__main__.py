"""How fast the service is, beside the least that is possible and beside the last kept result.

    python -m bench.speed [--seconds 4] [--only poll] [--write]

A PostgreSQL of its own; web and cluster as the Procfile runs them; imitations of Google and
Cloudinary. Prints one table and ends by itself. docs/performance.md tells what each figure means.
"""

import argparse
import contextlib
import os
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
import psycopg

from bench.flight import LIMITS
from bench.speed import processes, report
from bench.speed.processes import Client, Meter, Web
from tests.client import ApiClient
from tests.postgres import Server
from tests.stack import Stack, until

CONNECTIONS = 32
USERS = 512  # who order in turn: about as many active jobs each as real users have
JOBS, MANY_JOBS = 1_000, 100_000  # of one user
EVENTS, MANY_EVENTS = 0, 5_000_000
FLIGHT, UPSTREAM_SECONDS, VIDEO_BYTES = 60, 20, 10_000_000
LOOKED_AT = 64  # jobs, two by each connection
FLOOR_SECONDS = 1.5  # before and after each case
SLICES = 8  # of each measurement
LONG_SECONDS = 60  # that the 60 jobs, or the loading of many, may take
CASE_SECONDS = 30
MOST_SECONDS = 300  # then it ends, as by Ctrl-C
ENV = LIMITS | {"MOCK_SECONDS": "8", "WEB_CONCURRENCY": "2"}


class Bench:
    """One run: what is running, and the rows that have been measured so far."""

    def __init__(
        self,
        *,
        stack: Stack,
        database: psycopg.Connection,
        web: Web,
        floor: Web,
        cluster: int,
        client: Client,
        only: list[str],
        until: float,
    ) -> None:
        from bench.speed import scene  # not before Django is set up

        self.scene, self.stack, self.database = scene, stack, database
        self.web, self.floor, self.client = web, floor, client
        self.meter = Meter(stack=stack, database=database, web=web.pid, cluster=cluster)
        self.floor_meter = Meter(stack=stack, database=database, web=floor.pid, cluster=cluster)
        self.only, self.until = only, until
        self.left_out: list[str] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.floor_plan: dict[str, Any] = {}
        self.users = scene.users(USERS)
        self.owner, self.token = scene.owner(tokens=MANY_JOBS * scene.COST + 1_000_000)
        self.model = self._finished_job()

    def copies(self, first: int, last: int, events: int) -> None:
        """Bring the owner's jobs from `first` to `last`, and `events` lines of log in all."""
        began = time.perf_counter()
        self.scene.copies(
            self.database,
            model=self.model,
            owner=self.owner,
            first=first,
            last=last,
            events=events,
        )
        self.database.execute("VACUUM ANALYZE")
        self.database.execute("CHECKPOINT")
        seconds = time.perf_counter() - began
        print(f"  {last:,} jobs, loaded in {seconds:.0f} s", flush=True)

    def measure(self, seconds: float, suffix: str = "") -> None:
        """Every case, with the jobs that are there now."""
        scene, token = self.scene, self.token
        ids = scene.sample(self.database, LOOKED_AT)
        self._case(f"floor{suffix}", scene.floors(ids, token), 200, seconds, floor=True)
        self._case(f"poll{suffix}", scene.polls(ids, token), 200, seconds)
        self._case(f"poll, known{suffix}", scene.known_polls(ids, token), 304, seconds)
        self._case(f"list of 50{suffix}", scene.lists(token), 200, seconds)
        self._case(f"create{suffix}", scene.forms(self.users), 202, seconds)
        if not suffix:
            self._case("create, JSON", scene.objects(self.users), 202, seconds)
        self._case(f"create, one user{suffix}", scene.forms([token]), 202, seconds, connections=1)

    def flight(self) -> float:
        """Seconds from the first POST of 60 to the last SUCCEEDED, all made by Google."""
        clients = [ApiClient(f"http://127.0.0.1:{self.web.port}", each) for each in self.users]
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
            ended.extend(self.database.execute(query, [ids, FLIGHT]))
            return bool(ended)

        assert until(over, 60), f"60 videos were not there after 60 s\n{self.stack.output()}"
        seconds = float(ended[0][0]) - began
        print(f"  60 jobs: {seconds:.1f} s", flush=True)
        return seconds

    def is_late(self, name: str, *, takes: float) -> bool:
        """Whether there are no `takes` seconds left for what is then noted as left out."""
        if late := time.perf_counter() + takes > self.until:
            self.left_out.append(name)
        return late

    def memory_mb(self) -> dict[str, float]:
        time.sleep(2)
        return self.meter.memory_mb()

    def _case(
        self,
        name: str,
        requests: list,
        status: int,
        seconds: float,
        *,
        connections: int = CONNECTIONS,
        floor: bool = False,
    ) -> None:
        """Drive `requests` for so many seconds, after one second that is not measured.

        In slices, of which the one with the median CPU is kept: eight threads that want the same
        lock fall into step at times, and a request costs twice as much while they do. And a machine
        is now faster, now slower, so the floor is looked at before and after.
        """
        if self.only and not floor and name not in self.only:
            return
        if self.is_late(name, takes=CASE_SECONDS):
            return
        meter, web = (self.floor_meter, self.floor) if floor else (self.meter, self.web)
        wires = [request.wire() for request in requests]
        plan = {
            "port": web.port,
            "status": status,
            "scripts": [wires[n::connections] or wires for n in range(connections)],
        }
        self.database.execute("VACUUM ANALYZE")
        if floor:
            self.floor_plan = plan
        self.client.drive(**plan, seconds=1)
        floors = self._slices(self.floor_meter, self.floor_plan, FLOOR_SECONDS)
        slices = self._slices(meter, plan, seconds)
        floors += self._slices(self.floor_meter, self.floor_plan, FLOOR_SECONDS)
        row = sorted(slices, key=report.cpu_of)[SLICES // 2]
        floors = slices if floor else floors
        row["floor_cpu"] = statistics.median(map(report.cpu_of, floors))
        row["floor_rate"] = statistics.median(each["rate"] for each in floors)
        row["best"], row["floor_best"] = report.best(slices), report.best(floors)
        row["queries"] = 1 if floor else requests[0].statements(status)
        self.rows[name] = row
        print(f"  {name}: {row['rate']:.0f}/s", flush=True)
        if status == 202:
            self._clear_away()

    def _slices(self, meter: Meter, plan: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
        return [self._drive(meter, plan, seconds / SLICES) for _ in range(SLICES)]

    def _drive(self, meter: Meter, plan: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What the client saw, and the CPU that each part used, ms a request."""
        before = meter.read()
        figures = self.client.drive(**plan, seconds=seconds)
        used = meter.between(before, meter.read(), figures["client"])
        share = used["others"] / (1000 * figures["seconds"] * (os.cpu_count() or 1))
        spent = {part: ms / figures["requests"] for part, ms in used.items()}
        return figures | spent | {"others_share": share}

    def _clear_away(self) -> None:
        """End the jobs of a case, so that the next finds a cluster at rest."""
        cancel = (
            "UPDATE jobs_videojob SET status = 'CANCELLED', stage = '', next_step_at = NULL, "
            "completed_at = now() WHERE id IN (SELECT id FROM jobs_videojob "
            "WHERE next_step_at IS NOT NULL FOR UPDATE SKIP LOCKED)"
        )
        left = "SELECT count(*) FROM jobs_videojob WHERE next_step_at IS NOT NULL"

        def none_left() -> bool:
            self.database.execute(cancel)
            return self.database.execute(left).fetchone() == (0,)

        assert until(none_left, 60)
        queued = "SELECT count(*) FROM django_q_ormq HAVING count(*) < 3"
        assert until(lambda: bool(self.database.execute(queued).fetchone()), 60)

    def _finished_job(self) -> str:
        client = ApiClient(f"http://127.0.0.1:{self.web.port}", self.token)
        job = client.create(prompt="[[slow:1]] A sunset over mountains, seen from a slow drone")
        assert client.wait(job.json()["id"])["status"] == "SUCCEEDED"
        return job.json()["id"]


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
        Stack(
            server=server.url,
            google=google,
            cloudinary=cloudinary,
            webs=0,
            clusters=0,
            env=ENV,
        ) as stack,
        psycopg.connect(stack.database_url, autocommit=True) as database,
    ):
        result = _run(stack, database, options)
    result |= report.described() | {"took_seconds": time.perf_counter() - began}
    print("\n".join(report.table(result, report.last())))
    if left_out := result.pop("left_out"):
        print(f"left out, for want of time: {'; '.join(left_out)}")
    elif options.write:
        report.write(result)


def _run(stack: Stack, database: psycopg.Connection, options: Any) -> dict[str, Any]:
    # Vacuumed by hand before each case: by itself it would fall into some and not into others.
    database.execute("ALTER SYSTEM SET autovacuum = off")
    database.execute("SELECT pg_reload_conf()")
    start_up = processes.start_up(stack)
    cluster, start_up["cluster"] = processes.cluster(stack, database)
    _set_django_up(stack)
    with contextlib.ExitStack() as opened:
        web = opened.enter_context(processes.web(stack))
        floor = opened.enter_context(processes.web(stack, "bench.floor"))
        client = opened.enter_context(processes.client())
        bench = Bench(
            stack=stack,
            database=database,
            web=web,
            floor=floor,
            cluster=cluster,
            client=client,
            only=options.only,
            until=options.until,
        )
        bench.copies(1, JOBS, EVENTS)
        bench.measure(options.seconds)
        result = {"rows": bench.rows, "start_up_seconds": start_up, "postgres": _version(database)}
        if not options.only:
            if not bench.is_late("60 jobs", takes=LONG_SECONDS):
                result["flight_seconds"] = bench.flight()
            if not bench.is_late("100 times as many jobs", takes=LONG_SECONDS + CASE_SECONDS):
                bench.copies(JOBS + 1, MANY_JOBS, MANY_EVENTS)
                bench.measure(options.seconds, suffix=report.MANY)
        return result | {"memory_mb": bench.memory_mb(), "left_out": bench.left_out}


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
    parser.add_argument("--only", action="append", default=[], help='one case, such as "poll"')
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("what is kept is whole")
    return options


if __name__ == "__main__":
    main()

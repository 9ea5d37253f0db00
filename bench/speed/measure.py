"""The cases, how each is measured, and the resulting rows."""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.speed import report
from bench.speed.processes import Client, Meter, Web
from tests import many_jobs
from tests.client import ApiClient
from tests.stack import Stack, until

CASES = (
    "poll",
    "poll, by key",
    "poll, known",
    "list of 50",
    "create",
    "create, JSON",
    "create, one user",
)
CONNECTIONS = 32
USERS = 512  # who order in turn, so each has about as many active jobs as a real user
MOST_JOBS = 100_000  # of a single user
FLIGHT = 60  # jobs at once
LOOKED_AT = 64  # polled jobs, two per connection
FLOOR_SECONDS = 1.5  # before and after each case
SLICES = 8  # per measurement
CASE_SECONDS = 12  # overhead of a case


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
        self.owner, self.token = scene.owner(tokens=MOST_JOBS * many_jobs.COST + 1_000_000)
        self.key = scene.api_key(self.owner)
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
        if not many:
            case("poll, by key", lambda each: scene.polls(ids[each], self.key), 200)
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

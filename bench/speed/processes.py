"""Start the measured processes, and read their resource usage from the kernel."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import free_port
from tests.run import PROJECT
from tests.stack import Stack

TICK = 1000 / os.sysconf("SC_CLK_TCK")  # ms
READY = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Web:
    pid: int
    port: int
    ready_seconds: float  # from start to the first 200


@contextlib.contextmanager
def web(stack: Stack, application: str = "videostudio.wsgi") -> Iterator[Web]:
    """Start gunicorn as in the Procfile, with the environment of `stack`."""
    port = free_port()
    name = application.replace(":", "-")
    began = time.perf_counter()
    with (stack.folder / f"{name}-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:videostudio.gunicorn", application],
            cwd=PROJECT,
            env=stack.env | {"PORT": str(port), "PGAPPNAME": "web"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        assert _soon(lambda: _answers(port)), Path(log.name).read_text()
        yield Web(process.pid, port, time.perf_counter() - began)
    finally:
        # Killed, because on SIGTERM it gives clients up to 25 seconds. The master first: it would
        # restart its workers.
        for pid in (process.pid, *stack.descendants(process.pid)):
            stack.kill(pid)
        process.wait()


@contextlib.contextmanager
def imitation(*arguments: str) -> Iterator[str]:
    """Start a fake Google or Cloudinary as a process; return its URL."""
    command = [sys.executable, "-m", "tests.fakes", *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


def cluster(stack: Stack, database: psycopg.Connection) -> tuple[int, float]:
    """Start a cluster; return its process, and the seconds until a worker ran its first tick."""
    # The first tick has token 1, and running it sets 2.
    first = "SELECT 1 FROM jobs_tick WHERE token >= 2"
    assert not database.execute(first).fetchone(), "it had ticked before"
    began = time.perf_counter()
    process = stack.start_cluster()
    assert _soon(lambda: bool(database.execute(first).fetchone())), stack.output()
    return process.pid, time.perf_counter() - began


def start_up(stack: Stack) -> dict[str, float]:
    """Seconds until `manage.py check` has ended and until web answers: the best of three."""
    checks, webs = [], []
    for _ in range(3):
        began = time.perf_counter()
        stack.manage("check")
        checks.append(time.perf_counter() - began)
        with web(stack) as started:
            webs.append(started.ready_seconds)
    return {"check": min(checks), "web": min(webs)}


class Client:
    """Run `client.drive` in another process, so that its CPU is measured separately."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def drive(self, **plan: Any) -> dict[str, float]:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(plan), file=self.process.stdin, flush=True)
        figures = self.process.stdout.readline()
        if not figures:
            raise RuntimeError("the client ended; what it said stands above")
        return json.loads(figures)


@contextlib.contextmanager
def client() -> Iterator[Client]:
    command = [sys.executable, "-m", "bench.speed.client"]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


# ---- Resource usage ----


class Meter:
    """CPU milliseconds of web, of the cluster, and of the database for each.

    Database processes are assigned by the application name of web's connections. The CPU of an
    ended one counts for its parent, PostgreSQL's main process. It is assigned to web, because
    almost only web's connections end.
    """

    def __init__(self, *, stack: Stack, database: psycopg.Connection, web: int, cluster: int):
        self.stack, self.database = stack, database
        self.web, self.cluster = web, cluster
        self.first = _stat(database.info.backend_pid)[1]

    def of(self, *, web: int) -> "Meter":
        """The same usage for another `web` on the same database."""
        return Meter(stack=self.stack, database=self.database, web=web, cluster=self.cluster)

    def read(self) -> dict[str, Any]:
        rows = self.database.execute(
            "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database()"
        )
        own = self.database.info.backend_pid
        names = {pid: name for pid, name in rows if pid != own and _stat(pid)[1]}
        return {
            "web": _used(self._family(self.web)),
            "cluster": _used(self._family(self.cluster)),
            "backends": {(pid, name == "web"): _stat(pid)[2] for pid, name in names.items()},
            "ended": _stat(self.first)[3],
            "machine": _machine(),
        }

    def between(
        self, before: dict[str, Any], after: dict[str, Any], client: float
    ) -> dict[str, float]:
        """CPU usage by part; `others` are all other programs on this machine."""
        old, new = before["backends"], after["backends"]
        spent = {True: 0.0, False: 0.0}
        for (pid, is_web), ms in new.items():
            spent[is_web] += ms - old.get((pid, is_web), 0)
        gone = sum(ms for each, ms in old.items() if each not in new)
        left_behind = max(0.0, after["ended"] - before["ended"] - gone)
        used = {
            "web": after["web"] - before["web"],
            "database": spent[True] + left_behind,
            "cluster": after["cluster"] - before["cluster"],
            "cluster_database": spent[False],
            "client": client,
        }
        return used | {"others": after["machine"] - before["machine"] - sum(used.values())}

    def memory_mb(self) -> dict[str, float]:
        return {
            name: sum(map(_pss, self._family(pid))) / 1000
            for name, pid in (("web", self.web), ("cluster", self.cluster))
        }

    def _family(self, pid: int) -> list[int]:
        return [pid, *self.stack.descendants(pid)]


def _machine() -> float:
    """CPU milliseconds of all programs on the machine, including the time stolen by its host."""
    fields = Path("/proc/stat").read_text().split()
    return sum(int(fields[place]) for place in (1, 2, 3, 8)) * TICK  # user, nice, system, steal


def _used(pids: Iterable[int]) -> float:
    """Includes ended children."""
    return sum(own + childrens for _, _, own, childrens in map(_stat, pids))


def _stat(pid: int) -> tuple[int, int, float, float]:
    """The process, its parent, and the CPU milliseconds of it and its ended children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return pid, 0, 0.0, 0.0
    user, system, child_user, child_system = (int(field) * TICK for field in fields[11:15])
    return pid, int(fields[1]), user + system, child_user + child_system


def _pss(pid: int) -> int:
    """PSS in kB: shared memory is divided among the processes that share it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as probe:
        probe.sendall(READY)
        return probe.recv(12) == b"HTTP/1.1 200"
    return False


def _soon(done: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.perf_counter() + seconds
    while not done():
        if time.perf_counter() > end:
            return False
        time.sleep(0.01)
    return True

"""An upgrade from an older revision to this checkout, and back, under load.

    python -m bench.upgrade [--from REV] [--seconds 8]

It uses a PostgreSQL of its own, two web processes on one listening socket, two clusters, and the
real SDKs with fake servers of Google and Cloudinary. While clients order, upload and poll, it
migrates the database, restarts each cluster and each web with the new code in turn, and then each
with the old code, on the new tables. Google takes fewer videos than are ordered, so jobs wait at
each restart. A request that is refused, or whose answer is an error, is a failure; nothing is tried
twice. At the end it checks that no job and no token is lost. The exit code is 1 if anything failed.

The older revision runs with the packages that are installed for this one.
"""

import argparse
import sys
import time
from pathlib import Path

from bench import guarantees
from bench.flight import LIMITS
from bench.upgrade import release
from bench.upgrade.load import Load
from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.vertex import VertexImitation
from tests.postgres import Server
from tests.run import PROJECT, run_folder
from tests.shared_socket import SharedSocket
from tests.stack import Stack, until

USERS = 3
TOKENS = 1_000_000
PLACES = 12  # at Google
PATIENCE = 300  # seconds for the waiting jobs to end
ACTIVE = "SELECT count(*) FROM jobs_videojob WHERE completed_at IS NULL"
WAITING = "SELECT count(*) FROM jobs_videojob WHERE status = 'PENDING'"
KINDS = ("order", "upload", "list", "poll", "monitor")


def main() -> None:
    options = _options()
    print(f"from {release.describe(options.revision)}, to this checkout, and back", flush=True)
    old = release.extract(options.revision, run_folder() / "old-release")
    with (
        Server() as postgres,
        VertexImitation(seconds=(3, 8)) as google,
        CloudinaryImitation() as cloudinary,
        Stack(
            server=postgres.url,
            google=google.url,
            cloudinary=cloudinary.url,
            webs=0,
            clusters=0,
            env=LIMITS | {"VEO_MAX_IN_FLIGHT": str(PLACES), "WEB_CONCURRENCY": "1"},
        ) as stack,
        SharedSocket(stack) as shared,
    ):
        upgrade = Upgrade(stack, shared, seconds=options.seconds)
        upgrade.install(old)
        load = Load([stack.user(f"user{n}", tokens=TOKENS) for n in range(USERS)])
        with load.running():
            upgrade.there_and_back(load, old)
        load.phase = "done"
        until(lambda: not stack.sql(ACTIVE)[0][0], PATIENCE)
        broken = [
            *load.failures,
            *guarantees.broken(
                stack,
                google,
                cloudinary,
                accepted=load.accepted,
                granted=USERS * TOKENS,
                may_be_unknown=0,
            ),
        ]
        _report(stack, load, broken)
    sys.exit(1 if broken else 0)


class Upgrade:
    """The steps of docs/operations.md, each followed by `seconds` of load."""

    def __init__(self, stack: Stack, shared: SharedSocket, *, seconds: float) -> None:
        self.stack, self.shared, self.seconds = stack, shared, seconds
        self.webs: list[Path] = []
        self.clusters: list[Path] = []

    def install(self, project: Path) -> None:
        """Start the release in the folder `project` on new tables."""
        self.stack.project = project
        self.stack.sql("DROP SCHEMA public CASCADE")  # which the checkout has migrated
        self.stack.sql("CREATE SCHEMA public")
        self.stack.manage("migrate", "--verbosity=0")
        self.webs = [self.shared.start_web() for _ in range(2)]
        self.clusters = [self.stack.start("cluster", "manage.py", "qcluster") for _ in range(2)]
        self.stack.wait_until_ready()

    def there_and_back(self, load: Load, old: Path) -> None:
        self._phase(load, "old release")
        self.stack.project = PROJECT
        load.phase, started = "migration", time.monotonic()
        locked = self.stack.manage("migrate", "--verbosity=0").stderr.count("A table is locked")
        print(f"  migrated in {time.monotonic() - started:.0f} s, waited {locked} times for a lock")
        self._phase(load, "old release on the new tables")
        self._restart_all(load, "upgrade")
        self._phase(load, "new release")
        self.stack.project = old
        self._restart_all(load, "rollback")
        self._phase(load, "old release, rolled back")

    def _restart_all(self, load: Load, name: str) -> None:
        for number, log in enumerate(self.clusters, 1):
            load.phase = f"{name}, cluster {number}"
            self.stack.restart(log)
            self._phase(load, load.phase)
        for number, log in enumerate(self.webs, 1):
            load.phase = f"{name}, web {number}"
            self.shared.restart(log)
            self._phase(load, load.phase)

    def _phase(self, load: Load, name: str) -> None:
        load.phase = name
        time.sleep(self.seconds)
        waiting, active = self.stack.sql(WAITING)[0][0], self.stack.sql(ACTIVE)[0][0]
        print(
            f"  {name}: {waiting} jobs wait, {active - waiting} run, "
            f"{len(load.failures)} failed requests",
            flush=True,
        )


def _report(stack: Stack, load: Load, broken: list[str]) -> None:
    for phase in dict.fromkeys(phase for phase, _ in load.answers):
        counts = ", ".join(f"{load.answers[phase, kind]} {kind}" for kind in KINDS)
        print(f"  answers, {phase}: {counts}; the slowest after {load.slowest[phase]:.1f} s")
    for line in broken[:50]:
        print(f"BROKEN: {line}")
    print(
        f"{sum(load.answers.values())} answers, {len(load.failures)} failed requests, "
        f"{len(load.accepted)} jobs: {guarantees.counts(stack)}"
    )
    print(f"{len(broken)} broken" if broken else "nothing failed, nothing lost")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--from", dest="revision", default=release.default(), help="default: the newest tag"
    )
    parser.add_argument("--seconds", type=float, default=8, help="of load after each step")
    return parser.parse_args()


if __name__ == "__main__":
    main()
